"""Judges pinned components by what a source knows of them, as pip-audit's auditor does with the same source."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

from mlguard.scanners.dependencies.packages import LEVELS, Advisory, Chains, Level, Package, Place, Source

if TYPE_CHECKING:
    from datetime import datetime

    from packaging.version import Version
    from pip_audit._dependency_source import DependencySource
    from pip_audit._service import Dependency, ResolvedDependency, VulnerabilityResult, VulnerabilityService


MAX_FIXES = 200
"""Versions that mend a flaw and are tried, from the lowest, for one without any."""


class Vulnerability(NamedTuple):
    """One flaw of one component: ``id`` is the name that pip-audit puts first, ``aliases`` are all others.

    ``fixed`` are the versions above the component's in which one of its records says it is mended, in the order of versions.
    """

    id: str
    aliases: tuple[str, ...]
    summary: str
    fixed: tuple[str, ...]
    level: Level
    malicious: bool


class Result(NamedTuple):
    """What the source says about one version. ``undecided`` are advisories whose range it cannot be compared with.

    ``safe`` is the lowest of the versions that mend a flaw in which no flaw is known, "" when there is none.
    """

    name: str
    version: str
    vulnerabilities: tuple[Vulnerability, ...]
    undecided: tuple[str, ...]
    safe: str = ""


def audit(pins: Sequence[tuple[str, str]], source: Source) -> Iterator[Result]:
    """Yield a result for each (canonical name, version), in order. Each flaw is told once, under all its names. Raises Unreadable."""
    for name, version in pins:
        known = source.known(name)
        yield judged(known, name, version) if known is not None else Result(name, version, (), ())


def judged(known: Package, name: str, version: str) -> Result:
    """Return what is known of one version of a package. Raises Unreadable."""
    place = known.place(version)
    verdicts = [known.affects(row, place) for row in range(len(known.rows))]
    if not any(verdict is not False for verdict in verdicts):
        return Result(name, version, (), ())
    hit = [known.advisory(row) for row, verdict in enumerate(verdicts) if verdict]
    undecided = tuple(sorted({known.advisory(row).id for row, verdict in enumerate(verdicts) if verdict is None}))
    return Result(name, version, tuple(_flaws(hit, place)), undecided, _safe(hit, place))


def _flaws(hit: Sequence[Advisory], place: Place) -> list[Vulnerability]:
    """Return one vulnerability for all advisories that share a name, directly or through others."""
    chains = Chains()
    for advisory in hit:
        chains.join(advisory.id, advisory.names)
    groups: dict[str, list[Advisory]] = {}
    for advisory in hit:
        groups.setdefault(chains.top(advisory.id), []).append(advisory)
    return sorted((_flaw(members, place) for members in groups.values()), key=lambda flaw: _rank(flaw.id))


def _flaw(members: Sequence[Advisory], place: Place) -> Vulnerability:
    level: Level = max((advisory.level for advisory in members), key=LEVELS.index)
    names = set().union(*(advisory.names for advisory in members))
    own = {advisory.id for advisory in members}
    stated = own.union(*(advisory.aliases for advisory in members))
    malicious = sorted(name for name in stated if name.startswith("MAL-"))
    first = malicious[0] if malicious else min(stated, key=lambda name: (_rank(name)[0], name not in own, name))
    summary = next((advisory.summary for advisory in members if advisory.summary), "")
    package = members[0].package
    fixes = package.later((entry for advisory in members for entry in advisory.fixes), place)
    return Vulnerability(
        first,
        tuple(sorted(names - {first}, key=_rank)),
        summary,
        tuple(package.table[entry] for entry in fixes),
        level,
        bool(malicious),
    )


def _rank(name: str) -> tuple[int, str]:
    """Return what puts names in order: those that pip-audit prefers first."""
    return next((rank for rank, prefix in enumerate(("PYSEC-", "CVE-")) if name.startswith(prefix)), 2), name


def _safe(hit: Sequence[Advisory], place: Place) -> str:
    if not hit:
        return ""
    package = hit[0].package
    for entry in package.later((entry for advisory in hit for entry in advisory.fixes), place)[:MAX_FIXES]:
        there = Place(package.table[entry].lower(), 2 * entry + 1, None)
        if all(package.affects(row, there) is False for row in range(len(package.rows))):
            return package.table[entry]
    return ""


# ---- the same through pip-audit


def _prepare() -> None:
    """Make the import of pip-audit safe.

    NOTE: it runs ``python -m pip --version`` through pip_api, and -m puts the working folder first on the path: a folder
    ``pip`` in a scanned tree would be run. So the module that does it is taken from here.
    """
    if "pip_api" not in sys.modules and "pip_api._version" not in sys.modules:
        stand_in = types.ModuleType("pip_api._version")
        vars(stand_in)["version"] = lambda: "25.0"  # only compared with old versions of pip
        sys.modules["pip_api._version"] = stand_in


def local_service(source: Source) -> VulnerabilityService:
    """Return a vulnerability service of pip-audit that answers from the source. Its query raises Unreadable."""
    _prepare()
    from pip_audit._service import VulnerabilityResult, VulnerabilityService
    from pip_audit._service.interface import VulnerabilityID

    class LocalOsv(VulnerabilityService):  # type: ignore[misc]  # pip-audit's types are not read
        def query(self, spec: Dependency) -> tuple[Dependency, list[VulnerabilityResult]]:
            known = None if spec.is_skipped() else source.known(spec.canonical_name)
            if known is None:
                return spec, []
            place = known.place(str(cast("ResolvedDependency", spec).version))
            return spec, [
                VulnerabilityResult.create(
                    ids=[VulnerabilityID(name) for name in (advisory.id, *advisory.aliases)],
                    description=advisory.summary or "N/A",
                    fix_versions=[_version(known.table[entry]) for entry in known.later(advisory.fixes, place)],
                    published=_time(advisory.published),
                )
                for row in range(len(known.rows))
                if known.affects(row, place)
                for advisory in (known.advisory(row),)
            ]

    return LocalOsv()


def pinned_source(pins: Iterable[tuple[str, str]]) -> DependencySource:
    """Return a dependency source of pip-audit that holds the given versions."""
    _prepare()
    from pip_audit._dependency_source import DependencySource
    from pip_audit._service import ResolvedDependency

    class Pinned(DependencySource):  # type: ignore[misc]  # pip-audit's types are not read
        def collect(self) -> Iterator[Dependency]:
            for name, version in pins:
                yield ResolvedDependency(name=name, version=_version(version))

        def fix(self, fix_version: object) -> None:
            raise NotImplementedError("nothing that is scanned is changed")

    return Pinned()


def _version(text: str) -> Version:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(text)
    except InvalidVersion:
        return cast("Version", text)  # an advisory may list it by the same text


def _time(text: str) -> datetime | None:
    from datetime import datetime

    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
