"""Reads a local export of OSV and tells which advisories a version is affected by.

Format: https://ossf.github.io/osv-schema/
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from mlguard.errors import Unreadable
from mlguard.scanners.dependencies.cvss import base_score

MAX_ADVISORIES = 500_000
"""Entries of one export. OSV's export for PyPI holds some 20,000."""

MAX_ENTRY_BYTES = 8 * 2**20
MAX_EXPORT_BYTES = 4 * 2**30
"""All entries together, unpacked."""

SUMMARY_CHARS = 200

Level = Literal["critical", "high", "medium", "low", "unknown"]
LEVELS: tuple[Level, ...] = ("unknown", "low", "medium", "high", "critical")


@dataclass(frozen=True, slots=True)
class Interval:
    """Events of one range in OSV's order: ("introduced" | "fixed" | "last_affected", version)."""

    events: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Advisory:
    """What one record of the export says about one package."""

    id: str
    aliases: tuple[str, ...]
    summary: str
    level: Level
    versions: frozenset[str]
    intervals: tuple[Interval, ...]
    fixed: tuple[str, ...]
    published: str = ""
    undecidable: bool = False  # only commits are named


@dataclass(slots=True)
class Export:
    """The advisories of the packages that were asked for, by canonical name."""

    advisories: dict[str, list[Advisory]] = field(default_factory=dict)
    entries: int = 0
    broken: int = 0
    newest: str = ""  # the last day on which an entry was modified

    def age(self, today: date) -> int | None:
        """Return the days since the newest entry, or None when no entry has a date."""
        try:
            return (today - date.fromisoformat(self.newest)).days
        except ValueError:
            return None


_NAME = re.compile(rb'"name"\s*:\s*"((?:[^"\\]|\\.){1,200})"')
_MODIFIED = re.compile(rb'"modified"\s*:\s*"(\d{4}-\d{2}-\d{2})')
_PYPI = re.compile(rb'"ecosystem"\s*:\s*"PyPI')


def load(path: Path, names: Collection[str]) -> Export:
    """Return what an export says about packages with these canonical names. Raises Unreadable.

    ``path`` is a folder of JSON files, a zip of them as OSV publishes it, or one JSON file that holds a record, a list of
    records, or an object with a list under ``vulns``.
    """
    export, wanted, total = Export(), set(names), 0
    for data in _entries(path):
        total += len(data)
        if total > MAX_EXPORT_BYTES or export.entries >= MAX_ADVISORIES:
            raise Unreadable(
                f"the advisory export is larger than {MAX_EXPORT_BYTES // 2**30} GiB or {MAX_ADVISORIES} entries"
            )
        if not _PYPI.search(data):
            export.broken += not _is_json(data)
            continue
        export.entries += 1
        for match in _MODIFIED.finditer(data):
            export.newest = max(export.newest, match[1].decode())
        if wanted & {canonicalize_name(match[1].decode("utf-8", "replace")) for match in _NAME.finditer(data)}:
            _take(data, wanted, export)
        elif not data.rstrip().endswith((b"}", b"]")):
            export.broken += 1
    return export


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def _entries(path: Path) -> Iterator[bytes]:
    try:
        if path.is_dir():
            yield from _folder(path)
        elif path.is_file() and zipfile.is_zipfile(path):
            yield from _zip(path)
        elif path.is_file():
            with open(path, "rb") as file:
                data = file.read(MAX_EXPORT_BYTES // 8 + 1)
            if len(data) > MAX_EXPORT_BYTES // 8:
                raise Unreadable("the advisory file is larger than 512 MiB; give the zip that OSV publishes")
            yield data
        else:
            raise Unreadable("the advisory export does not exist, or is neither a folder nor a file")
    except OSError as error:
        raise Unreadable(
            f"the advisory export cannot be read ({os.strerror(error.errno) if error.errno else 'input error'})"
        ) from None


def _folder(path: Path) -> Iterator[bytes]:
    for above, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            if not name.endswith(".json"):
                continue
            with open(os.path.join(above, name), "rb") as file:
                data = file.read(MAX_ENTRY_BYTES + 1)
            yield data if len(data) <= MAX_ENTRY_BYTES else b""


def _zip(path: Path) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not info.filename.endswith(".json"):
                    continue
                with archive.open(info) as member:
                    data = member.read(MAX_ENTRY_BYTES + 1)
                yield data if len(data) <= MAX_ENTRY_BYTES else b""
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, zipfile.zlib.error):  # type: ignore[attr-defined]  # zlib is imported there
        raise Unreadable("the advisory export is a broken zip; download it again") from None


def _take(data: bytes, wanted: Collection[str], export: Export) -> None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        export.broken += 1
        return
    records = value if isinstance(value, list) else value.get("vulns", [value]) if isinstance(value, dict) else []
    for record in records if isinstance(records, list) else ():
        if not isinstance(record, dict) or not isinstance(record.get("id"), str):
            export.broken += 1
            continue
        for name, advisory in _advisories(record):
            if name in wanted:
                export.advisories.setdefault(name, []).append(advisory)


def _advisories(record: dict[str, Any]) -> Iterator[tuple[str, Advisory]]:
    if record.get("withdrawn"):
        return
    merged: dict[str, list[dict[str, Any]]] = {}
    for affected in _dicts(record.get("affected")):
        package = affected.get("package")
        if isinstance(package, dict) and str(package.get("ecosystem", "")).split(":")[0].lower() == "pypi":
            merged.setdefault(canonicalize_name(str(package.get("name", ""))), []).append(affected)
    for name, parts in merged.items():
        yield name, _advisory(record, parts)


def _advisory(record: dict[str, Any], parts: list[dict[str, Any]]) -> Advisory:
    ranges = [found for part in parts for found in _dicts(part.get("ranges"))]
    intervals = tuple(Interval(_events(found)) for found in ranges if found.get("type") == "ECOSYSTEM")
    versions = frozenset(str(version) for part in parts for version in _list(part.get("versions")))
    fixed = {version for interval in intervals for event, version in interval.events if event == "fixed"}
    if not intervals and not versions and not ranges:
        intervals = (Interval((("introduced", "0"),)),)  # nothing is said, so no version can be taken to be safe
    summary = " ".join(str(record.get("summary") or record.get("details") or "").split())
    return Advisory(
        id=record["id"],
        aliases=tuple(sorted({str(alias) for alias in _list(record.get("aliases"))} - {record["id"]})),
        summary=summary if len(summary) <= SUMMARY_CHARS else summary[: SUMMARY_CHARS - 1] + "…",
        level=_level(record, parts),
        versions=versions,
        intervals=intervals,
        fixed=tuple(
            sorted(fixed, key=lambda version: (_parsed(version) is None, _parsed(version) or Version("0"), version))
        ),
        published=str(record.get("published", "")),
        undecidable=not intervals and not versions,
    )


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _events(found: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (str(name), str(version))
        for event in _dicts(found.get("events"))
        for name, version in event.items()
        if name in ("introduced", "fixed", "last_affected")
    )


_WORDS: dict[str, Level] = {
    "LOW": "low",
    "MODERATE": "medium",
    "MEDIUM": "medium",
    "HIGH": "high",
    "CRITICAL": "critical",
}


def _level(record: dict[str, Any], parts: list[dict[str, Any]]) -> Level:
    """Return the worst severity that the record states; "unknown" when it states none that can be read."""
    levels: list[Level] = []
    for severity in (
        *_dicts(record.get("severity")),
        *(entry for part in parts for entry in _dicts(part.get("severity"))),
    ):
        score = base_score(str(severity.get("score", "")))
        if score is not None:
            levels.append("critical" if score >= 9 else "high" if score >= 7 else "medium" if score >= 4 else "low")
    for holder in (record, *parts):
        for key in ("database_specific", "ecosystem_specific"):
            details = holder.get(key)
            word = _WORDS.get(str(details.get("severity", "")).upper()) if isinstance(details, dict) else None
            if word:
                levels.append(word)
    return max(levels, key=LEVELS.index, default="unknown")


def _parsed(version: str) -> Version | None:
    try:
        return Version(version)
    except InvalidVersion:
        return None


def affects(advisory: Advisory, version: str) -> bool | None:
    """Say whether an advisory names a version; None when that cannot be told.

    The local label (``+cu117``) is left out: a build of a version has the version's flaws.
    """
    if version.lower() in {listed.lower() for listed in advisory.versions}:
        return True
    parsed = _parsed(version)
    if parsed is None:
        return None if advisory.intervals or advisory.undecidable else False
    if advisory.undecidable:
        return None
    public = Version(parsed.public)
    if any(_parsed(listed) == public for listed in advisory.versions):
        return True
    return any(_within(interval, public) for interval in advisory.intervals)


_RANK = {"fixed": 0, "introduced": 1, "last_affected": 2}


def _within(interval: Interval, version: Version) -> bool:
    """Say whether a version lies in a range: its events in the order of versions turn the flaw on and off."""
    events = []
    for name, text in interval.events:
        bound = Version("0.dev0") if text == "0" else _parsed(text)
        if bound is not None:
            events.append((bound, _RANK[name], name))
    inside = False
    for bound, _, name in sorted(events):
        if name == "introduced" and version >= bound:
            inside = True
        elif name == "fixed" and version >= bound or name == "last_affected" and version > bound:
            inside = False
    return inside
