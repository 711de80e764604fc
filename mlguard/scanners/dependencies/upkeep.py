"""Looks for what keeps dependencies known and current: bills of materials, and updates or audits that come by themselves."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlguard import lazy
from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.evidence import names
from mlguard.facts import Upkeep
from mlguard.findings import Gap
from mlguard.scanners import Context, read_bytes, read_text
from mlguard.scanners.dependencies.normal import canonical as canonicalize_name

MAX_BILL_BYTES = 64 * 2**20
"""The largest bill of materials that is read."""

MAX_COMPONENTS = 100_000
"""Components of one bill, with those inside others."""

MAX_TEXT_BYTES = 2**20
"""The largest configuration or pipeline that is read."""

_UPDATERS = lazy.pattern(
    r"(?:^|/)(?:\.github/dependabot\.ya?ml|renovate\.json5?|\.renovaterc(?:\.json5?)?|\.(?:github|gitlab)/renovate\.json5?|\.pyup\.ya?ml|\.updatecli\.d/.+)$"
)
_PIPELINE = lazy.pattern(
    r"(?:^|/)(?:\.github/workflows/[^/]+\.ya?ml|\.gitlab-ci\.ya?ml|\.?azure-pipelines[^/]*\.ya?ml|\.circleci/config\.ya?ml|Jenkinsfile|Makefile|bitbucket-pipelines\.ya?ml)$"
)
_MAKES_BILLS = lazy.pattern(
    r"(?i)cyclonedx|\bsyft\b|anchore/sbom-action|\bsbom\b[-\w]*\s*(?:-|generate|create|tool)|trivy[^\n]*--format[ =](?:cyclonedx|spdx)|spdx-sbom|sbom:\s*true|--sbom\b"
)
_AUDITS = lazy.pattern(
    r"(?i)\bpip-audit\b|\bsafety\s+(?:check|scan)\b|osv-scanner|\bsnyk\b|aquasecurity/trivy-action|\btrivy\s+(?:fs|repo|image)\b|\bgrype\b|anchore/scan-action|\buv\s+audit\b|mlguard\s+(?:scan|hook)|renovate\b|pip-compile[^\n]*--upgrade|uv\s+lock\s+--upgrade|poetry\s+update|dependency-check"
)
_SCHEDULE = lazy.pattern(
    r"(?m)^\s*(?:-\s*)?[\"']?schedules?[\"']?\s*:|^\s*-\s*cron\s*:|\$CI_PIPELINE_SOURCE\s*==\s*[\"']schedule"
)
_REVIEW = lazy.pattern(r"actions/dependency-review-action")


def wants(artifact: Artifact) -> bool:
    """Say whether a file is looked at."""
    return (
        bool(_UPDATERS.search(artifact.path) or _PIPELINE.search(artifact.path))
        or is_bill(artifact)
        or is_other_bill(artifact)
    )


def is_bill(artifact: Artifact) -> bool:
    """Say whether a file has the name of a bill of materials in JSON."""
    return names.is_bill(posixpath.basename(artifact.path))


def is_other_bill(artifact: Artifact) -> bool:
    """Say whether a file has the name of a bill of materials in a form that is not read."""
    return names.is_other_bill(posixpath.basename(artifact.path))


def told(artifact: Artifact, context: Context) -> Iterator[Upkeep | Gap]:
    """Yield what a file has to do with upkeep."""
    if is_bill(artifact):
        try:
            found = packages(read_bytes(context, artifact.path, MAX_BILL_BYTES))
        except Unreadable as trouble:
            yield Gap("dependencies", artifact.path, "unreadable", str(trouble))
            return
        if found is not None:
            yield Upkeep(artifact.path, "bill", tuple(sorted(found)))
    elif is_other_bill(artifact):
        yield Upkeep(artifact.path, "unread-bill")
    elif _UPDATERS.search(artifact.path):
        yield Upkeep(artifact.path, "updater")
    else:
        yield from _pipeline(artifact, context)


def _pipeline(artifact: Artifact, context: Context) -> Iterator[Upkeep]:
    try:
        text = read_text(context, artifact.path, MAX_TEXT_BYTES)
    except Unreadable:
        return  # its own scanner says so, and what cannot be read vouches for nothing
    if _AUDITS.search(text) and _SCHEDULE.search(text) or _REVIEW.search(text):
        yield Upkeep(artifact.path, "updater")
    if _MAKES_BILLS.search(text):
        yield Upkeep(artifact.path, "bill-maker")


_PURL = lazy.pattern(r"pkg:pypi/(?P<name>[^@?#/]+)(?:@(?P<version>[^?#]+))?", re.I)


def packages(data: bytes) -> frozenset[tuple[str, str]] | None:
    """Return (canonical name, version) of the Python packages that a bill lists; None for a file that is no bill.

    CycloneDX 1 in JSON (ECMA-424), SPDX 2 in JSON (ISO/IEC 5962) and SPDX 3 in JSON-LD: package URLs of type pypi, and names where there is none.
    """
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict):
        return None
    if body.get("bomFormat") == "CycloneDX":
        return frozenset(_of_cyclonedx(body))
    if isinstance(body.get("spdxVersion"), str):
        return frozenset(_of_spdx(body.get("packages")))
    if "spdx.org/rdf/3" in str(body.get("@context"))[:500]:
        return frozenset(_of_spdx(body.get("@graph")))
    return None


def plain(version: str) -> str:
    """Return a version as it is compared."""
    return version.strip().lower().removeprefix("v")


def _of_cyclonedx(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    waiting, left = [body.get("components")], MAX_COMPONENTS
    while waiting:
        entries = waiting.pop()
        for entry in entries if isinstance(entries, list) else ():
            left -= 1
            if left < 0:
                return
            if isinstance(entry, dict):
                waiting.append(entry.get("components"))
                yield from _named(entry.get("purl"), entry.get("name"), entry.get("version"))


def _of_spdx(entries: Any) -> Iterator[tuple[str, str]]:
    for entry in entries[:MAX_COMPONENTS] if isinstance(entries, list) else ():
        if not isinstance(entry, dict):
            continue
        purls = [entry.get("software_packageUrl"), entry.get("packageUrl")]
        references = entry.get("externalRefs")
        purls += (
            [one.get("referenceLocator") for one in references if isinstance(one, dict)]
            if isinstance(references, list)
            else []
        )
        purl = next((one for one in purls if isinstance(one, str) and one.startswith("pkg:")), None)
        version = entry.get("versionInfo") or entry.get("software_packageVersion")
        yield from _named(purl, entry.get("name"), version)


def _named(purl: Any, name: Any, version: Any) -> Iterator[tuple[str, str]]:
    from urllib.parse import unquote

    if isinstance(purl, str):
        if match := _PURL.match(purl):
            yield canonicalize_name(unquote(match["name"])), plain(unquote(match["version"] or ""))
    elif isinstance(name, str):
        yield canonicalize_name(posixpath.basename(name)), plain(version if isinstance(version, str) else "")
