"""Audits the third-party packages that manifests and lock files name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.facts import Package
from mlguard.findings import Detection, Gap, Proof, Record
from mlguard.scanners import Context
from mlguard.scanners.dependencies import readers
from mlguard.scanners.dependencies.inventory import Inventory
from mlguard.scanners.dependencies.manifests import Component, Manifest
from mlguard.scanners.dependencies.showing import listed as _listed
from mlguard.scanners.dependencies.showing import location as _location
from mlguard.scanners.dependencies.showing import purl as _purl

_INSTALLERS = frozenset({"pip", "setuptools", "wheel", "build", "uv"})
"""What a command brings up to date before it installs the rest."""


class DependencyScanner:
    """Reads all manifests of the tree together, so that a lock counts for the manifest beside it."""

    name = "dependencies"

    def plan(self, artifacts: Sequence[Artifact], settings: Mapping[str, Any]) -> Iterable[tuple[Artifact, ...]]:
        from mlguard.scanners.dependencies import surroundings, upkeep

        found = readers.wanted(artifacts)
        known = {artifact.path for artifact in found}
        around = [
            artifact
            for artifact in artifacts
            if artifact.path not in known
            and (
                surroundings.wants(artifact) or known and (surroundings.may_switch(artifact) or upkeep.wants(artifact))
            )
        ]
        group = (*found, *around)
        return [group] if group else []

    def scan(self, group: Sequence[Artifact], context: Context) -> Iterator[Record]:
        inventory = Inventory()
        for artifact in group:
            try:
                if readers.format_of(artifact.path, artifact.kind):
                    inventory.take(artifact, context)
            except Unreadable as error:
                yield Gap(self.name, artifact.path, "unreadable", str(error), "mend the file, or exclude it")
                continue
            yield from _around(artifact, context, inventory)
        for manifest in inventory.manifests:
            yield from _facts(manifest, inventory)
            yield from _sources(manifest, inventory)
            yield from _pins(manifest, inventory, context.settings.get("require_hashes") is not False)
            for trouble in manifest.troubles:
                yield Gap(self.name, trouble.path, trouble.kind, trouble.reason, trouble.hint)
        yield from _judged(inventory, context)
        if not context.hook:
            for trouble in inventory.open_questions():
                yield Gap(self.name, trouble.path, trouble.kind, trouble.reason, trouble.hint)
            yield from _audited(inventory, context)


def _facts(manifest: Manifest, inventory: Inventory) -> Iterator[Record]:
    for part in inventory.own(manifest, manifest.components):
        if part.name and not part.constraint:
            yield Package(
                part.name, part.version, part.specifier if part.origin == "index" else part.origin, part.place.path, part.place.line,
                _purl(part.name, part.version, part.origin), bool(part.version) or part.commit, part.strong_hash, part.group,
                tuple(f"{algorithm}:{digest}" for algorithm, digest in part.hashes), part.licence, part.requires, manifest.lock, part.build,
            )  # fmt: skip


# ---- where packages come from


def _sources(manifest: Manifest, inventory: Inventory) -> Iterator[Record]:
    for index in inventory.own(manifest, manifest.indexes):
        yield Detection(
            "dep/dependency-confusion", index.check, _location(index.place), {"option": index.name}, anchor=index.name
        )
    if manifest.judged or manifest.kind == "installed":
        return
    for part in inventory.own(manifest, manifest.components):
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


def _pins(manifest: Manifest, inventory: Inventory, asks_hashes: bool = True) -> Iterator[Record]:
    if manifest.judged or manifest.kind == "installed":
        return
    own = [
        part
        for part in manifest.components
        if part.place.path == manifest.path and part.origin == "index" and not part.constraint
    ]
    pinned = inventory.pinned_beside(manifest)
    loose = [part for part in own if not part.version and part.name not in pinned and not part.build]
    if manifest.kind == "command":
        loose = [part for part in loose if part.name not in _INSTALLERS]
    takes_hashes = asks_hashes and (
        manifest.lock or manifest.format == "requirements" and not manifest.path.endswith(".in")
    )
    if manifest.kind == "manifest" and manifest.format not in ("requirements", "conda environment"):
        yield from _without_lock(loose)  # it states ranges, and a lock beside it pins
    else:
        for part in loose:
            facts = {"package": part.name, "specifier": part.specifier or "no version at all"}
            yield Detection(
                "dep/unpinned-dependency", "version", _location(part.place), facts, part.name, part.name, part.name
            )
    hashless = [part for part in own if part.version and not part.strong_hash]
    if takes_hashes and hashless:
        yield from _without_hash(manifest, hashless, partly=len(hashless) < sum(bool(part.version) for part in own))
    if own and not loose and (not hashless or not takes_hashes):
        yield Proof("dep/unpinned-dependency", manifest.path, manifest.path)


def _without_lock(loose: Sequence[Component]) -> Iterator[Record]:
    if loose:
        facts: dict[str, str | int] = {"packages": _listed(part.name for part in loose), "count": len(loose)}
        yield Detection("dep/unpinned-dependency", "lock", _location(loose[0].place), facts, anchor="no lock")


def _without_hash(manifest: Manifest, hashless: Sequence[Component], partly: bool) -> Iterator[Record]:
    facts: dict[str, str | int] = {"packages": _listed(part.name for part in hashless), "count": len(hashless)}
    check = "some-hashes" if partly else "no-hashes"
    yield Detection("dep/unpinned-dependency", check, _location(hashless[0].place), facts, anchor=check)


_SETTINGS = ("pip.conf", "pip.ini", "uv.toml")
MAX_SETTINGS = 2**20
"""Bytes of a configuration of pip or uv."""

# ---- names, licences, what has ended, and settings around the manifests


def _around(artifact: Artifact, context: Context, inventory: Inventory) -> Iterator[Record]:
    from mlguard.scanners.dependencies import surroundings, upkeep

    if upkeep.wants(artifact) and not context.hook:
        yield from upkeep.told(artifact, context)
    if surroundings.wants(artifact) or surroundings.may_switch(artifact) and not context.hook:
        from mlguard.scanners.dependencies import further

        yield from further.around(artifact, context)
    if artifact.path.endswith(_SETTINGS):
        from mlguard.scanners import read_bytes

        text = read_bytes(context, artifact.path, MAX_SETTINGS).decode("utf-8", "replace")
        inventory.own_indexes.update({surroundings.own_index(artifact.path, text)} - {""})


def _judged(inventory: Inventory, context: Context) -> Iterator[Record]:
    if inventory.manifests:
        from mlguard.scanners.dependencies import further

        yield from further.judged(inventory, context)


# ---- the audit


def _audited(inventory: Inventory, context: Context) -> Iterator[Record]:
    from mlguard.scanners.dependencies import auditing

    return auditing.audited(inventory, context)
