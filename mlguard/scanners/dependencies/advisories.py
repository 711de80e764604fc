"""Gives what is known of packages: from an export of OSV, read anew each time, or from a database that was made of one."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from mlguard.scanners.dependencies import building, osv
from mlguard.scanners.dependencies.packages import Advisory, Package, age
from mlguard.scanners.dependencies.surveying import by_package, newest, survey


@dataclass(slots=True)
class Export:
    """The advisories of the packages that were asked for, by canonical name."""

    packages: dict[str, Package] = field(default_factory=dict)
    entries: int = 0
    broken: int = 0
    days: set[str] = field(default_factory=set)  # on which records were changed

    def known(self, name: str) -> Package | None:
        return self.packages.get(name)

    def age(self, today: date) -> int | None:
        return age(newest(self.days, today), today)


def load(path: Path, names: Collection[str]) -> Export:
    """Return what an export says about packages with these canonical names. Raises Unreadable.

    ``path`` is a folder of files, a zip of them as OSV publishes it, or one JSON file that holds a record, a list of records, or
    an object with a list under ``vulns``. All of it is read, as any record may name an alias of another.
    """
    found = survey(path)
    together = building.closures((claim.id, claim.aliases) for claim in found.claims)
    grouped = by_package(found.claims)
    known = {name: building.package(name, grouped[name], together) for name in sorted(set(names) & set(grouped))}
    return Export(known, found.entries, found.broken, found.days)


def _advisories(record: Any) -> Iterator[tuple[str, Advisory]]:
    """Yield what one record alone says about each package."""
    if osv.is_withdrawn(record):
        return
    for claim in osv.claims(record):
        yield claim.name, building.package(claim.name, [claim], {}).advisory(0)


def affects(advisory: Advisory, version: str) -> bool | None:
    """Say whether an advisory names a version; None when that cannot be told."""
    return advisory.package.affects(advisory.row, advisory.package.place(version))
