"""Reads records of OSV from wherever they are kept, and says what each claims about packages of PyPI.

Format: https://ossf.github.io/osv-schema/ (1.7). The database of the Python Packaging Authority keeps the same records in YAML.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlguard import lazy
from mlguard.errors import Unreadable
from mlguard.scanners.dependencies import cvss
from mlguard.scanners.dependencies.packages import LEVELS, Level

MAX_ENTRY_BYTES = 8 * 2**20
MAX_EXPORT_BYTES = 4 * 2**30
"""All entries together, unpacked."""

MAX_FILE_BYTES = MAX_EXPORT_BYTES // 8
"""One JSON file that holds many records."""

MAX_FILES = 1_000_000
"""Files of one export, of any kind. OSV's export for PyPI holds some 20,000."""

MAX_ALIASES = 500
MAX_VERSIONS = 100_000
MAX_EVENTS = 10_000
"""Of one record. One that has more is judged by what fits, and cannot be taken to spare a version."""

SUMMARY_CHARS = 200
NAME_CHARS = 200


@dataclass(frozen=True, slots=True)
class Range:
    """Events of one range: ("introduced" | "fixed" | "last_affected" | "limit", version), in the record's order."""

    events: tuple[tuple[str, str], ...]
    semantic: bool = False  # the versions are those of SemVer


@dataclass(frozen=True, slots=True)
class Claim:
    """What one record says about one package, by its canonical name.

    ``odd`` says that a part of it cannot be understood, so that a version which the rest does not name is not spared.
    """

    name: str
    id: str
    aliases: tuple[str, ...]
    summary: str
    level: Level
    published: str
    versions: tuple[str, ...]
    ranges: tuple[Range, ...]
    odd: bool = False


class Broken(Exception):
    """A record that cannot be understood at all."""


# ---- where records are kept


def entries(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of each file of an export: a folder, a zip, or one file. Too large ones are b"". Raises Unreadable."""
    total = 0
    try:
        for count, (name, data) in enumerate(_files(path)):
            total += len(data)
            if total > MAX_EXPORT_BYTES or count >= MAX_FILES:
                raise Unreadable(
                    f"the advisory export is larger than {MAX_EXPORT_BYTES // 2**30} GiB or {MAX_FILES} files"
                )
            yield name, data
    except OSError as error:
        raise Unreadable(
            f"the advisory export cannot be read ({os.strerror(error.errno) if error.errno else 'input error'})"
        ) from None


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        yield from _folder(path)
    elif path.is_file() and zipfile.is_zipfile(path):
        yield from _zip(path)
    elif path.is_file():
        with open(path, "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise Unreadable("the advisory file is larger than 512 MiB; give the zip that OSV publishes")
        yield path.name, data
    else:
        raise Unreadable("the advisory export does not exist, or is neither a folder nor a file")


def _folder(path: Path) -> Iterator[tuple[str, bytes]]:
    path = (
        path / "vulns" if (path / "vulns").is_dir() else path
    )  # a checkout of the Python Packaging Authority's database
    for above, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = os.path.join(above, name)
            if _is_record(name) and os.path.isfile(file):
                with open(file, "rb") as stream:
                    data = stream.read(MAX_ENTRY_BYTES + 1)
                yield name, data if len(data) <= MAX_ENTRY_BYTES else b""


def _is_record(name: str) -> bool:
    return name.endswith((".json", ".yaml", ".yml")) and not name.startswith(".")


def _zip(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if _is_record(info.filename.rsplit("/", 1)[-1])]
            checkout = [info for info in members if re.match(r"(?:[^/]+/)?vulns/", info.filename)]
            for info in checkout or members:
                if "/." in info.filename:
                    continue
                with archive.open(info) as member:
                    data = member.read(MAX_ENTRY_BYTES + 1)
                yield info.filename, data if len(data) <= MAX_ENTRY_BYTES else b""
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, zlib.error):
        raise Unreadable("the advisory export is a broken zip; download it again") from None


def records(name: str, data: bytes) -> list[Any]:
    """Return the records of one file: one, a list of them, or those under ``vulns``. Raises Broken."""
    try:
        value = _yaml(data, name) if name.endswith((".yaml", ".yml")) else json.loads(data)
    except (ValueError, RecursionError, Unreadable):
        raise Broken from None
    if isinstance(value, dict):
        value = value["vulns"] if "vulns" in value and "id" not in value else [value]
    if not isinstance(value, list):
        raise Broken
    return value


def _yaml(data: bytes, name: str) -> Any:
    """Return the document with every scalar as text, so that 1.10 stays a version."""
    import yaml

    try:
        from yaml import CBaseLoader as Loader
    except ImportError:  # without the library in C
        from yaml import BaseLoader as Loader  # type: ignore[assignment]  # which is used in the same way
    from mlguard import yamlish

    text = data.decode("utf-8")
    yamlish.check_depth(text, name)
    loader = Loader(text)  # makes text only
    try:
        return loader.get_single_data()
    except (yaml.YAMLError, TypeError) as error:
        raise ValueError from error
    finally:
        loader.dispose()


# ---- what a record says

_SEPARATORS = lazy.pattern(r"[-_.]+")


def canonical(name: str) -> str:
    """Return a name as it is compared. https://packaging.python.org/en/latest/specifications/name-normalization/"""
    return _SEPARATORS.sub("-", name).lower()


def is_withdrawn(record: Mapping[str, Any]) -> bool:
    """Say whether a record was taken back. The text of the date does not matter: some are broken."""
    value = record.get("withdrawn")
    return isinstance(value, str) and value.strip().lower() not in ("", "null", "~", "none", "false")


def modified(record: Any) -> str:
    """Return the day on which a record was last changed, as YYYY-MM-DD, or "" when that is not known."""
    value = record.get("modified") if isinstance(record, dict) else None
    return value[:10] if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d", value) else ""


def claims(record: Any) -> Iterator[Claim]:
    """Yield what a record says about each package of PyPI that it names, also when it is withdrawn. Raises Broken."""
    if not isinstance(record, dict) or not isinstance(record.get("id"), str) or not record["id"].strip():
        raise Broken
    affected = record.get("affected")
    if affected is None:
        return
    if not isinstance(affected, list):
        raise Broken
    merged: dict[str, list[dict[str, Any]]] = {}
    for item in affected:
        if (name := _package(item)) is not None:
            merged.setdefault(name, []).append(item)
    for name, parts in merged.items():
        yield _claim(record, name, parts)


def _package(item: Any) -> str | None:
    """Return the canonical name of the package of PyPI that a part of a record is about, or None for others. Raises Broken."""
    if not isinstance(item, dict):
        raise Broken
    package = item.get("package")
    if package is None:
        return None  # commits of a repository
    if not isinstance(package, dict) or not isinstance(package.get("ecosystem"), str):
        raise Broken
    if package["ecosystem"].split(":")[0].strip().lower() != "pypi":
        return None
    name = package.get("name")
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_CHARS:
        raise Broken
    return canonical(name.strip())


def _claim(record: Mapping[str, Any], name: str, parts: Sequence[Mapping[str, Any]]) -> Claim:
    versions: list[str] = []
    ranges: list[Range] = []
    odd = _foreign(record)
    for part in parts:
        some, whole = _texts(part.get("versions"))
        versions += some
        odd |= not whole
        found, whole = _ranges(part.get("ranges"), bool(some))
        ranges += found
        odd |= not whole
        if part.get("versions") in (None, []) and part.get("ranges") in (None, []):
            ranges.append(Range((("introduced", "0"),)))  # nothing is said, so no version can be taken to be safe
    if len(versions) > MAX_VERSIONS:
        versions, odd = versions[:MAX_VERSIONS], True
    return Claim(
        name=name,
        id=record["id"].strip()[:NAME_CHARS],
        aliases=_aliases(record),
        summary=_summary(record),
        level=_level(record, parts),
        published=record["published"][:40] if isinstance(record.get("published"), str) else "",
        versions=tuple(versions),
        ranges=tuple(ranges),
        odd=odd,
    )


def _foreign(record: Mapping[str, Any]) -> bool:
    """Say whether the record is of a later major version of the format, whose words may mean something else."""
    version = record.get("schema_version", "1.0.0")
    return not (isinstance(version, str) and (version.split(".")[0].strip() in ("1", "")))


def _aliases(record: Mapping[str, Any]) -> tuple[str, ...]:
    found = record.get("aliases")
    names = {alias.strip()[:NAME_CHARS] for alias in found if isinstance(alias, str)} if isinstance(found, list) else ()
    return tuple(sorted(set(names) - {record["id"].strip(), ""})[:MAX_ALIASES])


def _summary(record: Mapping[str, Any]) -> str:
    for key in ("summary", "details"):
        text = record.get(key)
        if isinstance(text, str) and text.strip():
            told = " ".join(text[: 8 * SUMMARY_CHARS].split())
            return told if len(told) <= SUMMARY_CHARS else told[: SUMMARY_CHARS - 1] + "…"
    return ""


def _texts(value: Any) -> tuple[list[str], bool]:
    """Return the texts of a list, and whether it is a list of texts. A number is taken as it is written."""
    if value is None:
        return [], True
    if not isinstance(value, list):
        return [], False
    texts = [str(item) for item in value if isinstance(item, str | int | float) and not isinstance(item, bool)]
    return texts, all(isinstance(item, str) for item in value)


_EVENTS = frozenset({"introduced", "fixed", "last_affected", "limit"})


def _ranges(value: Any, listed: bool) -> tuple[list[Range], bool]:
    """Return the ranges of versions, and whether they are all there is to know. Commits say nothing beside listed versions."""
    if value is None:
        return [], True
    if not isinstance(value, list):
        return [], False
    found, whole = [], True
    for item in value:
        kind = item.get("type") if isinstance(item, dict) else None
        if kind in ("ECOSYSTEM", "SEMVER"):
            events, sound = _events(item.get("events"))
            found.append(Range(events, kind == "SEMVER"))
            whole = whole and sound
        elif kind != "GIT":
            whole = False
    commits_only = bool(value) and not found and not listed
    return found, whole and not commits_only


def _events(value: Any) -> tuple[tuple[tuple[str, str], ...], bool]:
    """Return the events that can be understood, and whether these are all, with a start among them."""
    if not isinstance(value, list) or len(value) > MAX_EVENTS:
        return (), False
    found: list[tuple[str, str]] = []
    whole = True
    for event in value:
        if not isinstance(event, dict):
            whole = False
            continue
        for name, version in event.items():
            if name in _EVENTS and isinstance(version, str):
                found.append((name, version.strip()))
            else:
                whole = False
    return tuple(found), whole and any(name == "introduced" for name, _ in found)


# ---- how bad it is

_WORDS: dict[str, Level] = {
    "LOW": "low",
    "MODERATE": "medium",
    "MEDIUM": "medium",
    "HIGH": "high",
    "IMPORTANT": "high",
    "CRITICAL": "critical",
}


def _level(record: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> Level:
    """Return the worst severity that the record states; "unknown" when it states none that can be read."""
    levels: list[Level] = []
    for holder in (record, *parts):
        stated = holder.get("severity")
        for severity in stated if isinstance(stated, list) else ():
            score = severity.get("score") if isinstance(severity, dict) else None
            value = _score(score) if isinstance(score, str) else None
            if value is not None:
                levels.append(of_score(value))
        for key in ("database_specific", "ecosystem_specific"):
            details = holder.get(key)
            word = details.get("severity") if isinstance(details, dict) else None
            if isinstance(word, str) and word.strip().upper() in _WORDS:
                levels.append(_WORDS[word.strip().upper()])
    return max(levels, key=LEVELS.index, default="unknown")


def _score(text: str) -> float | None:
    """Return the score of a vector, or a number that stands in its place."""
    if re.fullmatch(r"\d{1,2}(?:\.\d{1,3})?", text.strip(), re.ASCII):
        return value if (value := float(text)) <= 10 else None
    return cvss.score(text)


def of_score(value: float) -> Level:
    """Return the word for a score. https://www.first.org/cvss/v4.0/specification-document, section 6"""
    return "critical" if value >= 9 else "high" if value >= 7 else "medium" if value >= 4 else "low"
