"""Goes through an export of OSV and keeps what it says about packages of PyPI."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from mlguard.errors import Unreadable
from mlguard.scanners.dependencies import osv
from mlguard.scanners.dependencies.osv import Claim
from mlguard.scanners.dependencies.packages import is_day

MAX_ADVISORIES = 500_000
"""Entries of one export. OSV's export for PyPI holds some 20,000."""

MAX_TROUBLES = 20
"""Broken entries whose names are kept to be told."""


@dataclass(slots=True)
class Survey:
    """What an export holds. ``troubles`` are names of files with entries that cannot be understood."""

    claims: list[Claim] = field(default_factory=list)
    days: set[str] = field(default_factory=set)
    entries: int = 0
    withdrawn: int = 0
    malicious: int = 0
    broken: int = 0
    troubles: list[str] = field(default_factory=list)

    def trouble(self, name: str) -> None:
        """Count an entry that cannot be understood."""
        self.broken += 1
        if len(self.troubles) < MAX_TROUBLES:
            self.troubles.append(name)


def survey(path: Path) -> Survey:
    """Return what an export says about packages of PyPI. Raises Unreadable."""
    found = Survey()
    for name, data in osv.entries(path):
        try:
            records = osv.records(name, data)
        except osv.Broken:
            found.trouble(name)
            continue
        for record in records:
            if found.entries >= MAX_ADVISORIES:
                raise Unreadable(f"the advisory export has more than {MAX_ADVISORIES} entries")
            _take(found, name, record)
    return found


def _take(found: Survey, name: str, record: object) -> None:
    try:
        claims = list(osv.claims(record))
    except osv.Broken:
        found.entries += 1
        found.trouble(name)
        return
    assert isinstance(record, dict)
    if not claims:
        return
    found.entries += 1
    if day := osv.modified(record):
        found.days.add(day)
    if osv.is_withdrawn(record):
        found.withdrawn += 1
        return
    found.malicious += claims[0].id.startswith("MAL-")
    found.claims += claims


def by_package(claims: Collection[Claim]) -> Mapping[str, list[Claim]]:
    """Return the claims by the package that they are about. A record that is there twice counts once."""
    found: dict[str, dict[Claim, None]] = {}
    for claim in claims:
        found.setdefault(claim.name, {})[claim] = None
    return {name: list(some) for name, some in found.items()}


def newest(days: Collection[str], today: date) -> str:
    """Return the last of some days (YYYY-MM-DD) that is not still to come: a wrong date must not make old data young."""
    return max((day for day in days if day <= today.isoformat() and is_day(day)), default="")
