"""Audits the third-party packages that manifests and lock files name."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.facts import Package
from mlguard.findings import Detection, Gap, Location, Proof, Record
from mlguard.scanners import Context, read_text
from mlguard.scanners.dependencies import other_tools, requirements, toml
from mlguard.scanners.dependencies.manifests import MAX_MANIFEST_BYTES, Component, Manifest, Place

KINDS = frozenset({"requirements", "pyproject", "pylock"})
LOCK_NAMES = frozenset({"uv.lock", "poetry.lock", "pdm.lock"})

_OF_PACKAGES = ("pyproject.toml", "setup.cfg", "setup.py", "Pipfile")
"""Manifests that state ranges; a lock beside them pins."""

_WITHOUT_HASHES = (*_OF_PACKAGES, ".in", ".yml", ".yaml")
"""Manifests whose format has no place for hashes."""

NAMES_SHOWN = 20
"""Package names that one message lists."""

_NO_EXPORT = (
    "give a local OSV export with --advisories or in mlguard.yaml under dependencies.advisories; OSV publishes one for PyPI "
    "at https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip"
)


class DependencyScanner:
    """Reads all manifests of the tree together, so that a lock counts for the manifest beside it."""

    name = "dependencies"

    def plan(self, artifacts: Sequence[Artifact], settings: Mapping[str, Any]) -> Iterable[tuple[Artifact, ...]]:
        found = tuple(
            artifact
            for artifact in artifacts
            if artifact.kind in KINDS
            or posixpath.basename(artifact.path) in LOCK_NAMES
            or other_tools.reader_of(artifact.path)
        )
        return [found] if found else []

    def scan(self, group: Sequence[Artifact], context: Context) -> Iterator[Record]:
        inventory = _Inventory()
        for artifact in group:
            try:
                inventory.take(artifact, context)
            except Unreadable as error:
                yield Gap(self.name, artifact.path, "unreadable", str(error), "mend the file, or exclude it")
        for manifest in inventory.manifests:
            yield from _facts(manifest)
            yield from _sources(manifest)
            yield from _pins(manifest, inventory)
            for trouble in manifest.troubles:
                yield Gap(self.name, trouble.path, trouble.kind, trouble.reason, trouble.hint)
        if not context.hook:
            yield from _audited(inventory, context)


@dataclass(slots=True)
class _Inventory:
    """The manifests of a tree, and which files were read as part of another."""

    manifests: list[Manifest] = field(default_factory=list)

    def take(self, artifact: Artifact, context: Context) -> None:
        def load(path: str) -> str:
            return read_text(context, path, MAX_MANIFEST_BYTES)

        text = load(artifact.path)
        other = other_tools.reader_of(artifact.path)
        if other is not None:
            found = other(artifact.path, text, load)
            self.manifests += [found] if found is not None else []
        elif artifact.kind == "requirements":
            self.manifests.append(requirements.read(artifact.path, text, load))
        elif artifact.kind == "pyproject":
            manifest, files = toml.read_pyproject(artifact.path, text)
            lines = "".join(f"-r {name}\n" for name in files)
            included = requirements.read(artifact.path, lines, load)
            manifest.components += included.components
            manifest.troubles += included.troubles
            self.manifests.append(manifest)
        else:
            self.manifests.append(toml.read_lock(artifact.path, text))

    def pinned_beside(self, manifest: Manifest) -> dict[str, str]:
        """Return the versions that other manifests of the same folder, or this one's constraints, pin exactly."""
        folder = posixpath.dirname(manifest.path)
        pins: dict[str, str] = {}
        for other in self.manifests:
            if posixpath.dirname(other.path) == folder:
                pins |= {
                    part.name: part.version for part in other.components if part.version and part.origin == "index"
                }
        return pins | {
            part.name: part.version for part in manifest.components if part.version and part.origin == "index"
        }


def _purl(name: str, version: str) -> str:
    """Return the package URL. https://github.com/package-url/purl-spec"""
    from urllib.parse import quote

    return f"pkg:pypi/{quote(name)}" + (f"@{quote(version)}" if version else "")


def _location(place: Place) -> Location:
    return Location(place.path, place.line, place.column, 0, place.end_column)


def _facts(manifest: Manifest) -> Iterator[Record]:
    for part in manifest.components:
        if part.name and not part.constraint:
            yield Package(
                part.name, part.version, part.specifier if part.origin == "index" else part.origin, part.place.path, part.place.line,
                _purl(part.name, part.version), bool(part.version) or part.commit, part.strong_hash, part.group,
            )  # fmt: skip


# ---- where packages come from


def _sources(manifest: Manifest) -> Iterator[Record]:
    for index in manifest.indexes:
        yield Detection(
            "dep/dependency-confusion", index.check, _location(index.place), {"option": index.name}, anchor=index.name
        )
    for part in manifest.components:
        name = part.name or "a package without a name"
        if part.origin == "git" and not part.commit:
            facts = {"package": name}
            yield Detection(
                "dep/unpinned-git-dependency",
                "repository",
                _location(part.place),
                facts,
                part.name,
                f"git {part.name}",
                part.name,
            )
        elif part.origin == "url" and not part.strong_hash and not manifest.lock:
            facts = {"package": name}
            yield Detection(
                "dep/unpinned-git-dependency",
                "url",
                _location(part.place),
                facts,
                part.name,
                f"url {part.name}",
                part.name,
            )


# ---- pins


def _pins(manifest: Manifest, inventory: _Inventory) -> Iterator[Record]:
    own = [
        part
        for part in manifest.components
        if part.place.path == manifest.path and part.origin == "index" and not part.constraint
    ]
    pinned = inventory.pinned_beside(manifest)
    loose = [part for part in own if not part.version and part.name not in pinned and not part.build]
    if manifest.path.endswith(_OF_PACKAGES):
        yield from _without_lock(loose)
    else:
        for part in loose:
            facts = {"package": part.name, "specifier": part.specifier or "no version at all"}
            yield Detection(
                "dep/unpinned-dependency", "version", _location(part.place), facts, part.name, part.name, part.name
            )
    hashless = [part for part in own if part.version and not part.strong_hash]
    if not manifest.path.endswith(_WITHOUT_HASHES) and hashless:
        yield from _without_hash(manifest, hashless, partly=len(hashless) < sum(bool(part.version) for part in own))
    if own and not loose and (not hashless or manifest.path.endswith(_WITHOUT_HASHES)):
        yield Proof("dep/unpinned-dependency", manifest.path, manifest.path)


def _without_lock(loose: Sequence[Component]) -> Iterator[Record]:
    if loose:
        facts: dict[str, str | int] = {"packages": _listed(part.name for part in loose), "count": len(loose)}
        yield Detection("dep/unpinned-dependency", "lock", _location(loose[0].place), facts, anchor="no lock")


def _without_hash(manifest: Manifest, hashless: Sequence[Component], partly: bool) -> Iterator[Record]:
    facts: dict[str, str | int] = {"packages": _listed(part.name for part in hashless), "count": len(hashless)}
    check = "some-hashes" if partly else "no-hashes"
    yield Detection("dep/unpinned-dependency", check, _location(hashless[0].place), facts, anchor=check)


def _listed(names: Iterable[str]) -> str:
    unique = sorted(set(names))
    more = f" and {len(unique) - NAMES_SHOWN} more" if len(unique) > NAMES_SHOWN else ""
    return ", ".join(unique[:NAMES_SHOWN]) + more


# ---- the audit


def _audited(inventory: _Inventory, context: Context) -> Iterator[Record]:
    yield from _not_auditable(inventory)
    manifests = [manifest for manifest in inventory.manifests if any(part.name for part in manifest.components)]
    if not manifests:
        return
    setting = context.settings.get("advisories")
    if not setting:
        for manifest in manifests:
            yield Gap(
                "dependencies", manifest.path, "missing", "no advisory source, so no package was audited", _NO_EXPORT
            )
        return
    yield from _with_export(manifests, Path(context.root, str(setting)), context)


def _not_auditable(inventory: _Inventory) -> Iterator[Record]:
    """Yield a gap for each manifest with packages whose version is not known."""
    for manifest in inventory.manifests:
        pinned = inventory.pinned_beside(manifest)
        open_ones = [
            part.name or "a package without a name"
            for part in manifest.components
            if not part.version
            and not part.constraint
            and not (part.origin == "index" and part.name in pinned)
            and not _is_own_path(part)
        ]
        if open_ones:
            reason = f"the version could not be audited of: {_listed(open_ones)}"
            yield Gap("dependencies", manifest.path, "unresolved", reason, "pin exact versions, or add a lock file")


def _is_own_path(part: Component) -> bool:
    return part.origin == "path"  # a part of this tree, which is scanned as source


def _with_export(manifests: Sequence[Manifest], path: Path, context: Context) -> Iterator[Record]:
    from mlguard.scanners.dependencies import advisories

    names = {part.name for manifest in manifests for part in manifest.components if part.version}
    try:
        export = advisories.load(path, names)
        if not export.entries:
            raise Unreadable("the advisory export holds no advisory for PyPI")
    except Unreadable as error:
        for manifest in manifests:
            yield Gap("dependencies", manifest.path, "missing", f"{error}, so no package was audited", _NO_EXPORT)
        return
    stale = _stale(export, context)
    if stale or export.broken:
        reason = stale or f"{export.broken} entries of the advisory export cannot be read"
        for manifest in manifests:
            yield Gap("dependencies", manifest.path, "missing", reason, "download the export again")
    yield from _judged(manifests, export, sound=not stale and not export.broken)


def _stale(export: Any, context: Context) -> str:
    most = context.settings.get("max_age_days")
    if not isinstance(most, int):
        return ""
    age = export.age(datetime.now(UTC).date())
    if age is None:
        return "no entry of the advisory export has a date"
    return f"the newest entry of the advisory export is {age} days old, more than {most}" if age > most else ""


def _judged(manifests: Sequence[Manifest], export: Any, sound: bool) -> Iterator[Record]:
    from mlguard.scanners.dependencies.audit import audit

    pins = sorted(
        {
            (part.name, part.version)
            for manifest in manifests
            for part in manifest.components
            if part.name and part.version
        }
    )
    results = dict(zip(pins, audit(pins, export), strict=True))
    for manifest in manifests:
        for part in manifest.components:
            result = results.get((part.name, part.version))
            if result is None:
                continue
            for found in result.vulnerabilities:
                yield _vulnerable(part, found)
            if result.undecided:
                reason = f"{part.name} cannot be compared with the versions in: {', '.join(result.undecided)}"
                yield Gap("dependencies", manifest.path, "unresolved", reason, "look the advisory up")
            elif not result.vulnerabilities and sound:
                yield Proof("dep/known-vulnerability", _purl(part.name, part.version), part.place.path)


def _vulnerable(part: Component, found: Any) -> Record:
    if found.malicious:
        rule, check = "dep/malicious-or-exploited-package", "malicious"
    elif found.level in ("low", "medium"):
        rule, check = "dep/known-minor-vulnerability", "advisory"
    else:
        rule, check = "dep/known-vulnerability", "advisory"
    facts: dict[str, str | int] = {
        "package": part.name,
        "version": part.version,
        "id": found.id,
        "fixed": " or ".join(found.fixed) or "no version yet",
        "aliases": ", ".join(found.aliases[:10]) or "none",
        "summary": found.summary or "no summary",
        "level": found.level,
    }
    purl = _purl(part.name, part.version)
    return Detection(
        rule, check, _location(part.place), facts, part.name, f"{part.name} {found.id}", purl, (), found.id
    )
