"""Writes the packages of a report, what they need of each other, and their known flaws, for a bill of materials in CycloneDX."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from mlguard.facts import Fact, Library, Package
from mlguard.findings import Finding
from mlguard.tables import table

ROOT = "scanned-tree"
"""The reference of what was scanned, which needs the packages that its manifests name."""

MAX_HASHES = 500
"""Hashes of one package: a release has a file for each platform and version of Python."""

_ALGORITHMS = {
    "md5": ("MD5", 32), "sha1": ("SHA-1", 40), "sha256": ("SHA-256", 64), "sha384": ("SHA-384", 96), "sha512": ("SHA-512", 128),
    "sha3_256": ("SHA3-256", 64), "sha3_512": ("SHA3-512", 128), "blake2b": ("BLAKE2b-512", 128),
}  # fmt: skip
_SEVERITIES = frozenset({"critical", "high", "medium", "low", "unknown"})
_SOURCES = (
    ("CVE-", "NVD", "https://nvd.nist.gov/vuln/detail/"), ("GHSA-", "GitHub Advisory Database", "https://github.com/advisories/"),
    ("PYSEC-", "PyPA Advisory Database", "https://osv.dev/vulnerability/"), ("MAL-", "OpenSSF malicious packages", "https://osv.dev/vulnerability/"),
)  # fmt: skip
_ID = re.compile(r"[A-Za-z][A-Za-z0-9._:-]{2,80}\Z", re.A)


def reference(package: Package) -> str:
    """Return the reference of a package: its package URL, or one made of its name."""
    return package.purl or f"pkg:generic/{package.name}"


def libraries(facts: Sequence[Fact]) -> Iterator[dict[str, Any]]:
    """Yield each package once, by its package URL, with all places that name it."""
    found: dict[str, list[Package]] = {}
    pinned = _pinned(facts)
    for fact in facts:
        if isinstance(fact, Package):
            found.setdefault(_own(fact, pinned), []).append(fact)
    used = _used(facts)
    for name, packages in found.items():
        yield _library(name, packages, used)


def _pinned(facts: Sequence[Fact]) -> dict[str, set[str]]:
    """Return the references of the pinned versions of each package."""
    found: dict[str, set[str]] = {}
    for fact in facts:
        if isinstance(fact, Package) and fact.version:
            found.setdefault(fact.name, set()).add(reference(fact))
    return found


def _own(package: Package, pinned: Mapping[str, set[str]]) -> str:
    """Return the reference of a package; of a range that of the one version which is pinned in the tree."""
    versions = pinned.get(package.name, set())
    return next(iter(versions)) if not package.version and len(versions) == 1 else reference(package)


def _used(facts: Sequence[Fact]) -> dict[str, int]:
    """Return in how many files a distribution is imported, at least."""
    used: dict[str, int] = {}
    for fact in facts:
        if isinstance(fact, Library):
            for name in fact.packages:
                used[name] = max(used.get(name, 0), fact.files)
    return used


def _library(name: str, packages: Sequence[Package], used: Mapping[str, int]) -> dict[str, Any]:
    first = next((package for package in packages if package.version), packages[0])
    hashes = sorted({digest for package in packages for digest in package.hashes})[:MAX_HASHES]
    groups = sorted({package.group for package in packages if package.group})
    told = [("specifier", package.specifier) for package in packages if not package.version and package.specifier]
    told += [("group", group) for group in groups]
    told.append(("imported-in-files", str(used.get(first.name, "")) if used else ""))
    component = {
        "type": "library",
        "bom-ref": name,
        "name": first.name,
        "version": first.version,
        "scope": _scope(packages),
        "hashes": list(_hashes(hashes)),
        "licenses": _licences(first.name, [package.licence for package in packages if package.licence]),
        "purl": first.purl,
        "evidence": {"occurrences": [{"location": path, "line": line} for path, line in _places(packages)]},
        "properties": [{"name": f"mlguard:{key}", "value": value} for key, value in dict.fromkeys(told) if value],
    }
    return {key: value for key, value in component.items() if value or key == "name"}


def _places(packages: Sequence[Package]) -> list[tuple[str, int]]:
    return sorted({(package.path, max(package.line, 0)) for package in packages})


def _scope(packages: Sequence[Package]) -> str:
    """Return whether what runs needs the package: "excluded" is needed to build only, "optional" belongs to a group or an extra."""
    if all(package.build for package in packages):
        return "excluded"
    return "optional" if all(package.build or package.group for package in packages) else "required"


def _hashes(hashes: Iterable[str]) -> Iterator[dict[str, str]]:
    for one in hashes:
        name, _, digest = one.partition(":")
        algorithm, length = _ALGORITHMS.get(name, ("", 0))
        if algorithm and len(digest) == length and re.fullmatch(r"[0-9a-f]+", digest):
            yield {"alg": algorithm, "content": digest}


def _licences(name: str, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return the licence that the manifest or metadata state ("declared"), or that our table has ("concluded")."""
    from mlguard.scanners.dependencies import licences

    stated = next(filter(None, map(licences.stated, texts)), "")
    found = stated or licences.by_table(name)
    if not found:
        return []
    acknowledgement = "declared" if stated else "concluded"
    if re.search(r"\s|\(", found):
        return [{"expression": found, "acknowledgement": acknowledgement}]
    return [{"license": {"id" if found in _identifiers() else "name": found, "acknowledgement": acknowledgement}}]


@cache
def _identifiers() -> frozenset[str]:
    """Return the identifiers of SPDX that our tables have."""
    tables = table("licences")
    named = {*table("model-licences")["spdx"].values(), *tables["names"].values(), *tables["classifiers"].values()}
    named |= {entry["licence"] for entry in tables["packages"] if " " not in entry["licence"]}
    return frozenset(name for name in named if not name.startswith("LicenseRef-"))


# ---- what needs what


def dependencies(facts: Sequence[Fact]) -> list[dict[str, Any]]:
    """Return who needs whom: the scanned tree what its manifests name, and packages what a lock says of them."""
    packages = [fact for fact in facts if isinstance(fact, Package)]
    pinned = _pinned(facts)
    in_file: dict[tuple[str, str], str] = {}
    for package in packages:
        in_file.setdefault((package.path, package.name), _own(package, pinned))
    anywhere = {name: min(versions) for name, versions in pinned.items()}
    edges: dict[str, set[str]] = {}
    for package in packages:
        own = _own(package, pinned)
        edges.setdefault(own, set())
        if not package.lock:
            edges.setdefault(ROOT, set()).add(own)
        for name in package.requires:
            other = in_file.get((package.path, name)) or anywhere.get(name)
            if other and other != own:
                edges[own].add(other)
    if edges and ROOT not in edges:
        needed = set().union(*edges.values())
        edges[ROOT] = {name for name in edges if name not in needed}
    return [{"ref": name, "dependsOn": sorted(edges[name])} if edges[name] else {"ref": name} for name in sorted(edges)]


# ---- flaws


def vulnerabilities(findings: Iterable[Finding], known: frozenset[str]) -> list[dict[str, Any]]:
    """Return the flaws of packages among the findings, each once, with the packages that have it."""
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        if (
            finding.rule.startswith("dep/")
            and finding.advisory
            and _ID.match(finding.advisory)
            and finding.subject in known
        ):
            found.setdefault(finding.advisory, []).append(finding)
    return [_vulnerability(name, found[name]) for name in sorted(found)]


def _vulnerability(name: str, findings: Sequence[Finding]) -> dict[str, Any]:
    first = findings[0]
    level = str(first.facts.get("level", "unknown"))
    aliases = [
        one
        for one in re.split(r"[,\s]+", str(first.facts.get("aliases", "")))
        if _ID.match(one) and one != name and "-" in one
    ]
    fixed = str(first.facts.get("fixed", ""))
    told = [
        ("imported", str(first.facts.get("imported", ""))),
        ("epss", str(first.facts.get("epss", ""))),
        ("rule", first.rule),
    ]
    entry = {
        "bom-ref": f"flaw:{name}",
        "id": name,
        "source": _source(name),
        "references": [{"id": one, "source": _source(one) or {"name": "OSV"}} for one in dict.fromkeys(aliases)],
        "ratings": [{"severity": level if level in _SEVERITIES else "unknown"}],
        "description": str(first.facts.get("summary", "")),
        "recommendation": f"Upgrade to {fixed}." if fixed and not fixed.startswith("no ") else "",
        "analysis": _analysis(findings),
        "affects": [{"ref": subject} for subject in sorted({finding.subject for finding in findings})],
        "properties": [{"name": f"mlguard:{key}", "value": value} for key, value in told if value],
    }
    return {key: value for key, value in entry.items() if value}


def _analysis(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return where the flaw stands: set aside by somebody for a time counts as in triage, for nobody has shown that it does no harm."""
    if any(finding.facts.get("exploited") for finding in findings):
        return {"state": "exploitable", "detail": "listed as exploited"}
    reasons = sorted({finding.reason for finding in findings if finding.state == "ignored" and finding.reason})
    return {"state": "in_triage", **({"detail": "; ".join(reasons)} if reasons else {})}


def _source(name: str) -> dict[str, str]:
    for prefix, source, address in _SOURCES:
        if name.startswith(prefix):
            return {"name": source, "url": f"{address}{name}"}
    return {}
