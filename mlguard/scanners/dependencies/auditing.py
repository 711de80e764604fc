"""Audits the components of manifests, and says which of them could not be audited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlguard.errors import Unreadable
from mlguard.findings import Detection, Gap, Location, Proof, Record
from mlguard.scanners import Context
from mlguard.scanners.dependencies import database, findings
from mlguard.scanners.dependencies.audit import Result, audit
from mlguard.scanners.dependencies.manifests import Component, Manifest
from mlguard.scanners.dependencies.showing import listed, purl

if TYPE_CHECKING:
    from mlguard.scanners.dependencies.inventory import Inventory
    from mlguard.scanners.dependencies.online import Answer
    from mlguard.scanners.dependencies.packages import Source

MAX_AGE_DAYS = 30
"""The age at which a database is stale unless the configuration says otherwise: new advisories are published every day."""

MAX_OPEN = 2_000
"""Requirements without an exact version that are compared with what is known of all versions."""

_NO_SOURCE = (
    "make a database with mlguard db update, or give a local OSV export with --advisories or in mlguard.yaml under "
    "dependencies.advisories; OSV publishes one for PyPI at https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip"
)
_AGAIN = "download the export again, or run mlguard db update"

Pin = tuple[str, str]
"""Canonical name and exact version."""


class _Audit:
    """What one run knows: its source or why there is none, and what speaks against a proof."""

    def __init__(self, context: Context, manifests: Sequence[Manifest]) -> None:
        self.context, self.manifests = context, manifests
        self.own_indexes: frozenset[str] = frozenset()
        self.source: Source | None = None
        self.trouble = ""
        self.doubts: list[str] = []
        self.stale = ""  # told as a finding, where the configuration wants that
        self.answers: dict[Pin, Answer] = {}

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.context.settings

    @property
    def online(self) -> str:
        return str(self.settings.get("online", "off"))

    def path(self, name: str) -> Path:
        """Return the path in a setting, which starts at the root."""
        return Path(self.context.root, str(self.settings[name]))

    def gaps(self, reason: str, hint: str) -> Iterator[Record]:
        """Yield one gap for each manifest."""
        for manifest in self.manifests:
            yield Gap("dependencies", manifest.path, "missing", reason, hint)


def audited(inventory: Inventory, context: Context) -> Iterator[Record]:
    """Yield what is known of every pinned component, and a gap for each manifest with one that could not be audited."""
    named = [manifest for manifest in inventory.manifests if any(part.name for part in manifest.components)]
    run = _Audit(context, named)
    run.own_indexes = frozenset(inventory.own_indexes)
    if named:
        _open(run)
    try:
        yield from _open_requirements(inventory, run)
        yield from _pinned(run)
    except Unreadable as error:  # a part of the database, read only now, is not what was written
        yield from run.gaps(f"{error}, so not every package was audited", _NO_SOURCE)
    finally:
        if isinstance(run.source, database.Database):
            run.source.close()


# ---- the source


def _open(run: _Audit) -> None:
    try:
        run.source = _source(run)
        if not run.source.entries:
            raise Unreadable("the advisory export holds no advisory for PyPI")
    except Unreadable as error:
        run.source, run.trouble = None, str(error)
        return
    if run.source.broken:
        run.doubts.append(f"{run.source.broken} entries of the advisory export cannot be read")
    if stale := _stale(run.source, run.settings):
        if run.settings.get("stale") == "warn":
            run.stale = stale
        else:
            run.doubts.append(stale)


def _source(run: _Audit) -> Source:
    """Return what the settings name: an export or a database; else the database of this user. Raises Unreadable."""
    if run.settings.get("advisories"):
        path = run.path("advisories")
        if not database.is_database(path):
            from mlguard.scanners.dependencies.advisories import load

            return load(path, {part.name for one in run.manifests for part in one.components if part.name})
    elif run.settings.get("database"):
        path = run.path("database")
    elif not (path := database.default_path()).is_file():
        raise Unreadable("no advisory source")
    keys = run.settings.get("database_keys")
    if not keys:
        return database.open_database(path)
    from mlguard.scanners.dependencies.keys import verifier

    return database.open_database(path, verifier(run.context.root, keys))


def _stale(source: Source, settings: Mapping[str, Any]) -> str:
    kind = "database" if isinstance(source, database.Database) else "export"
    most = settings.get("max_age_days", MAX_AGE_DAYS if kind == "database" else None)
    if not isinstance(most, int):
        return ""
    from datetime import UTC, datetime

    age = source.age(datetime.now(UTC).date())
    if age is None:
        return f"no entry of the advisory {kind} has a date"
    return f"the newest entry of the advisory {kind} is {age} days old, more than {most}" if age > most else ""


# ---- requirements without a version


def _open_requirements(inventory: Inventory, run: _Audit) -> Iterator[Record]:
    """Yield a gap for each manifest with packages whose version is not known, and what is known of all versions they may have."""
    left = [MAX_OPEN]
    for manifest in inventory.manifests:
        pinned = inventory.pinned_beside(manifest)
        loose = [
            part
            for part in manifest.components
            if not part.version
            and not part.constraint
            and part.origin != "conda"  # the reader has a gap for it
            and (part.origin != "path" or part.outside and manifest.kind != "command")  # else a part of this tree
            and not (part.origin == "index" and part.name in pinned)
        ]
        if not loose:
            continue
        told: list[str] = []
        for part in loose:
            found, sentence = _of_range(part, run, left)
            yield from found
            told += [f"{part.name}: {sentence}"] if sentence else []
        names = listed(part.name or "a package without a name" for part in loose)
        more = f"; {'; '.join(sorted(set(told))[:5])}" if told else ""
        reason = f"the version could not be audited of: {names}{more}"
        yield Gap("dependencies", manifest.path, "unresolved", reason, "pin exact versions, or add a lock file")


def _of_range(part: Component, run: _Audit, left: list[int]) -> tuple[list[Record], str]:
    """Return findings for what no allowed version is free of, and a sentence on what is known. Raises Unreadable."""
    if not run.source or part.origin != "index" or not part.name or left[0] <= 0:
        return [], ""
    left[0] -= 1
    known = run.source.known(part.name)
    if known is None:
        return [], ""
    from mlguard.scanners.dependencies import ranges

    found = ranges.allowed(known, part.name, part.specifier)
    if found is None:
        return [], ""
    records: list[Record] = []
    if found.extent == "every":
        records += [findings.of_range(part, flaw, found.best, run.settings) for flaw in found.best.vulnerabilities]
    return records, ranges.told(found)


# ---- pinned components


def _pinned(run: _Audit) -> Iterator[Record]:
    if not run.manifests:
        return
    if run.source is None and run.online == "off":
        yield from run.gaps(f"{run.trouble}, so no package was audited", _NO_SOURCE)
        return
    pins = sorted({(part.name, part.version) for one in run.manifests for part in one.components if part.auditable})
    results = {pin: Result(*pin, (), ()) for pin in pins}
    if run.source is not None:
        results = dict(zip(pins, audit(pins, run.source), strict=True))
    elif run.settings.keys() & {"advisories", "database"}:
        yield from run.gaps(f"{run.trouble}, so packages were audited online alone", _NO_SOURCE)
    if run.online != "off":
        yield from _asked(results, run)
    weights = findings.Weights()
    try:
        weights = findings.weighed(results.values(), run.settings, run.context.root)
    except Unreadable as error:
        yield from run.gaps(f"{error}, so it counts for nothing", "download the file again")
    for doubt in run.doubts:
        yield from run.gaps(doubt, _AGAIN)
    for manifest in run.manifests:
        if run.stale:
            facts = {"reason": run.stale}
            yield Detection("dep/outdated-advisories", "age", Location(manifest.path), facts, anchor="age")
        yield from _judged(manifest, results, weights, run)


def _asked(results: dict[Pin, Result], run: _Audit) -> Iterator[Record]:
    """Put what a service on the network says into the results, and yield gaps for what it does not know."""
    from mlguard.scanners.dependencies import online

    wanted = sorted(
        {
            (part.name, part.version)
            for manifest in run.manifests
            for part in manifest.components
            if part.version and part.name and part.origin == "index"
        }
    )
    url = str(run.settings.get("osv_url", ""))
    for answer in online.ask(wanted, run.online, url, run.context.alive):
        pin = answer.name, answer.version
        run.answers[pin] = answer
        results[pin] = findings.joined(results[pin], answer)
    for manifest in run.manifests:
        troubles: dict[str, list[str]] = {}
        for part in manifest.components:
            told = run.answers.get((part.name, part.version))
            if told and told.trouble:
                troubles.setdefault(told.trouble, []).append(part.name)
        for trouble, names in sorted(troubles.items()):
            reason = f"{trouble}, so online these were not audited: {listed(names)}"
            yield Gap("dependencies", manifest.path, "missing", reason, "run again, or audit with a database alone")


_SERVES_ITS_OWN = frozenset(
    {"download.pytorch.org", "download-r2.pytorch.org", "data.pyg.org", "pypi.nvidia.com", "pypi.ngc.nvidia.com", "wheels.vllm.ai",
     "storage.googleapis.com", "flashinfer.ai", "data.dgl.ai", "test.pypi.org", "pypi.anaconda.org"}
)  # fmt: skip
"""Public servers that bring builds of a few packages besides the default index: advisories know those packages."""


def _private(manifest: Manifest, run: _Audit) -> set[str]:
    """Return the names of packages that an index of one's own serves, or may, and that no advisory knows. Raises Unreadable."""
    if run.source is None:
        return set()
    mirrors = set(run.settings.get("mirrors", ()))
    hosts = {one.host for one in manifest.sources if one.private and not one.explicit and one.role != "channel"}
    all_of_it = bool((hosts | run.own_indexes) - mirrors - _SERVES_ITS_OWN)
    found = {
        part.name
        for part in manifest.components
        if part.auditable and part.origin == "index" and (part.source not in mirrors if part.source else all_of_it)
    }
    return {name for name in found if run.source.known(name) is None}


def _judged(
    manifest: Manifest, results: Mapping[Pin, Result], weights: findings.Weights, run: _Audit
) -> Iterator[Record]:
    private = _private(manifest, run)
    if private:
        reason = f"these come from another index, or may, and no advisory names them, so nothing is known of them: {listed(private)}"
        hint = "name the index under dependencies.mirrors when it serves the packages of the default one"
        yield Gap("dependencies", manifest.path, "missing", reason, hint)
    for part in manifest.components:
        pin = part.name, part.version
        result = results.get(pin) if part.auditable else None
        if result is None:
            continue
        for flaw in result.vulnerabilities:
            yield findings.vulnerable(part, flaw, result, run.settings, weights)
        answer = run.answers.get(pin)
        looked = run.source is not None if answer is None else not answer.trouble
        if result.undecided:
            reason = f"{part.name} cannot be compared with the versions in: {listed(result.undecided)}"
            yield Gap("dependencies", manifest.path, "unresolved", reason, "look the advisory up")
        elif not result.vulnerabilities and not run.doubts and looked and part.name not in private:
            yield Proof("dep/known-vulnerability", purl(*pin), part.place.path)
        if not looked and answer is None:
            reason = f"{part.name} comes from elsewhere than the index, and was not audited online"
            yield Gap("dependencies", manifest.path, "missing", reason, "make a database with mlguard db update")
