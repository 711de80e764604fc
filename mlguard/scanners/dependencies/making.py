"""Makes a database of an export of OSV."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from mlguard.errors import Unreadable
from mlguard.scanners.dependencies import building, database, osv
from mlguard.scanners.dependencies.surveying import Survey, by_package, newest


def made(found: Survey, source: str, sha256: str, today: date, sign: database.Sign | None = None) -> bytes:
    """Return the bytes of a database; the same export gives the same bytes on the same day. Raises Unreadable."""
    if not found.claims:
        raise Unreadable("the advisory export holds no advisory for PyPI")
    together = building.closures((claim.id, claim.aliases) for claim in found.claims)
    grouped = by_package(found.claims)
    facts = {
        "source": source,
        "sha256": sha256,
        "snapshot": newest(found.days, today),
        "created": today.isoformat(),
        "entries": found.entries,
        "withdrawn": found.withdrawn,
        "malicious": found.malicious,
        "broken": found.broken,
    }
    known = [building.package(name, grouped[name], together) for name in sorted(grouped)]
    return database.pack(known, facts, sign)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of the names and bytes of all records of a folder. Raises Unreadable."""
    import hashlib

    if path.is_file():
        try:
            with open(path, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            raise Unreadable("the advisory export cannot be read") from None
    total = hashlib.sha256()
    for part in _parts(path):
        total.update(part)
    return total.hexdigest()


def _parts(path: Path) -> Iterator[bytes]:
    for name, data in osv.entries(path):
        yield f"{name}\0{len(data)}\0".encode("utf-8", "surrogateescape")
        yield data
