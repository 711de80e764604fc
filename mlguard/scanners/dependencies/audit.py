"""Judges resolved components with pip-audit's model, from a local export instead of a service."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, cast

from packaging.version import InvalidVersion, Version

from mlguard.scanners.dependencies.advisories import LEVELS, Advisory, Export, Level, affects

if TYPE_CHECKING:
    from pip_audit._dependency_source import DependencySource
    from pip_audit._service import Dependency, ResolvedDependency, VulnerabilityResult, VulnerabilityService


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """One flaw of one component, under all its names: ``id`` is the one that pip-audit puts first."""

    id: str
    aliases: tuple[str, ...]
    summary: str
    fixed: tuple[str, ...]
    level: Level
    malicious: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What the export says about one version. ``undecided`` are advisories whose range it cannot be compared with."""

    name: str
    version: str
    vulnerabilities: tuple[Vulnerability, ...]
    undecided: tuple[str, ...]


def _prepare() -> None:
    """Make the import of pip-audit safe.

    NOTE: it runs ``python -m pip --version`` through pip_api, and -m puts the working folder first on the path: a folder
    ``pip`` in a scanned tree would be run. So the module that does it is taken from here.
    """
    if "pip_api" not in sys.modules and "pip_api._version" not in sys.modules:
        stand_in = types.ModuleType("pip_api._version")
        vars(stand_in)["version"] = lambda: "25.0"  # only compared with old versions of pip
        sys.modules["pip_api._version"] = stand_in


def audit(pins: Sequence[tuple[str, str]], export: Export) -> Iterator[Result]:
    """Yield a result for each (canonical name, version), in order. pip-audit collapses the names of one flaw."""
    _prepare()
    from pip_audit._audit import Auditor

    for dependency, found in Auditor(local_service(export)).audit(pinned_source(pins)):
        version = str(cast("ResolvedDependency", dependency).version)
        known = export.advisories.get(dependency.canonical_name, [])
        undecided = sorted({advisory.id for advisory in known if affects(advisory, version) is None})
        yield Result(dependency.canonical_name, version, tuple(_joined(found, known)), tuple(undecided))


def local_service(export: Export) -> VulnerabilityService:
    """Return a vulnerability service of pip-audit that answers from the export."""
    _prepare()
    from pip_audit._service import VulnerabilityResult, VulnerabilityService
    from pip_audit._service.interface import VulnerabilityID

    class LocalOsv(VulnerabilityService):  # type: ignore[misc]  # pip-audit's types are not read
        def query(self, spec: Dependency) -> tuple[Dependency, list[VulnerabilityResult]]:
            if spec.is_skipped():
                return spec, []
            version = str(cast("ResolvedDependency", spec).version)
            return spec, [
                VulnerabilityResult.create(
                    ids=[VulnerabilityID(name) for name in (advisory.id, *advisory.aliases)],
                    description=advisory.summary or "N/A",
                    fix_versions=sorted(_versions(advisory.fixed)),
                    published=_time(advisory.published),
                )
                for advisory in export.advisories.get(spec.canonical_name, [])
                if affects(advisory, version)
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
    try:
        return Version(text)
    except InvalidVersion:
        return cast(Version, text)  # an advisory may list it by the same text


def _versions(texts: Iterable[str]) -> Iterator[Version]:
    for text in texts:
        try:
            yield Version(text)
        except InvalidVersion:
            continue


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _joined(found: Sequence[VulnerabilityResult], known: Sequence[Advisory]) -> Iterator[Vulnerability]:
    """Yield one vulnerability for all results that share a name, directly or through others."""
    groups: list[tuple[set[str], list[VulnerabilityResult]]] = []
    for result in found:
        names, members = {result.id, *result.aliases}, [result]
        apart = []
        for group in groups:
            if group[0] & names:
                names |= group[0]
                members = group[1] + members
            else:
                apart.append(group)
        groups = [*apart, (names, members)]
    for names, members in groups:
        yield _vulnerability(names, members, known)


def _vulnerability(names: set[str], members: Sequence[VulnerabilityResult], known: Sequence[Advisory]) -> Vulnerability:
    records = [advisory for advisory in known if {advisory.id, *advisory.aliases} & names]
    level: Level = max((advisory.level for advisory in records), key=LEVELS.index, default="unknown")
    fixed = sorted({version for member in members for version in member.fix_versions})
    mal = sorted(name for name in names if name.startswith("MAL-"))
    first = mal[0] if mal else str(members[0].id)
    summary = next((advisory.summary for advisory in records if advisory.summary), "")
    return Vulnerability(first, tuple(sorted(names - {first})), summary, tuple(map(str, fixed)), level, bool(mal))
