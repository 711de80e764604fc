"""Compares versions of Python, of frameworks and of images with a dated table of those that get no fixes any more."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mlguard import lazy, tables
from mlguard.values import dataclass

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

MAX_SPECIFIER = 500
"""Characters of a set of versions that is judged."""

NEWEST = 30
"""Minor releases of Python 3 that are asked whether a set of versions allows them; those of the table and what is to come."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What has ended, on which day (YYYY-MM-DD), and what took its place."""

    what: str
    day: str
    instead: str


def _table() -> Mapping[str, Any]:
    table: Mapping[str, Any] = tables.table("runtimes-eol")
    return table


def _ended(entry: Mapping[str, Any], today: date) -> Ended | None:
    if entry["ended"] >= today.isoformat():
        return None
    return Ended(str(entry["shown"]), str(entry["ended"]), str(entry.get("instead", "")))


# ---- Python


def python(version: str, today: date) -> Ended | None:
    """Return that a version of Python (3.8, 3.8.10, 3.8-slim, py38) has ended, or None."""
    match = re.match(r"(?:cpython-?|python-?|py)?(\d)\.?(\d{1,2})?(?!\d)", version.strip().lower())
    if match is None:
        return None
    release = f"{match[1]}.{match[2]}" if match[2] else match[1]
    if release == "2" or release.startswith("2."):
        release = "2.7"
    for entry in _table()["python"]:
        if entry["release"] == release:
            return _ended({**entry, "shown": f"Python {release}", "instead": _newer(today)}, today)
    old = re.fullmatch(r"3\.[0-3]", release)
    return Ended(f"Python {release}", "2017-09-29", _newer(today)) if old else None


def _newer(today: date) -> str:
    """Return the oldest release that still gets fixes for more than a year."""
    wanted = f"{today.year + 1:04}-{today.month:02}-{today.day:02}"
    fits = [entry["release"] for entry in _table()["python"] if entry["ended"] > wanted]
    return f"Python {fits[0]}" if fits else "a newer Python"


@lru_cache(maxsize=256)
def only_ended(specifier: str, today: date) -> Ended | None:
    """Return that every version of Python which a set allows has ended, naming the newest of them."""
    text = as_pep440(specifier)
    if not text or len(text) > MAX_SPECIFIER:
        return None
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        allowed = SpecifierSet(text)
    except InvalidSpecifier:
        return None
    releases = [f"3.{minor}" for minor in range(NEWEST)]
    patches = {0, 1, 5, 10, 15, 30} | {int(patch) for patch in re.findall(r"3\.\d+\.(\d{1,2})", text)}
    fits = [release for release in releases if _allows(allowed, release, patches)]
    if not fits:
        two = any(allowed.contains(f"2.7.{patch}") for patch in (0, 9, 18))
        return python("2.7", today) if two else None
    return python(fits[-1], today) if all(python(release, today) for release in fits) else None


def _allows(allowed: SpecifierSet, release: str, patches: Iterable[int]) -> bool:
    return any(allowed.contains(f"{release}.{patch}") for patch in patches)


def as_pep440(specifier: str) -> str:
    """Return a set of versions in the words of PEP 440, also when it is in those of Poetry, Pipenv or conda; "" for any version."""
    clauses = [clause.strip() for clause in specifier.split(",")]
    found = [_clause(clause) for clause in clauses if clause not in ("", "*", "any")]
    return ",".join(found)


def _clause(clause: str) -> str:
    match = re.match(r"(\^|~=|~|===|==|!=|<=|>=|=|<|>)?\s*v?(\d[\w.!+*-]*)$", clause)
    if match is None:
        return clause
    sign, version = match[1] or "", match[2]
    numbers = [int(part) for part in re.findall(r"\d+", version)[:3]]
    if sign == "^":
        fixed = next((index for index, number in enumerate(numbers) if number), len(numbers) - 1)
        return f">={version},<{_next(numbers, fixed)}"
    if sign == "~":
        return f">={version},<{_next(numbers, min(1, len(numbers) - 1))}"
    if sign in ("", "="):
        return f"=={version}" if version.endswith("*") or len(numbers) > 2 else f"=={version}.*"
    return f"{sign}{version}"


def _next(numbers: list[int], index: int) -> str:
    return ".".join(str(number) for number in [*numbers[:index], numbers[index] + 1])


# ---- packages and images


def knows(name: str) -> bool:
    """Say whether the table has something about a package."""
    return name in _table()["packages"]


def package(name: str, version: str, specifier: str, today: date) -> Ended | None:
    """Return that the pinned version of a package, or every version that its specifier allows, has ended."""
    entries = _table()["packages"].get(name)
    if not entries:
        return None
    for entry in entries:
        limit = entry.get("below")
        if limit is None or (is_below(version, limit) if version else stays_below(specifier, limit)):
            return _ended(entry, today)
    return None


def is_below(version: str, limit: str) -> bool:
    """Say whether a version is lower than another; what is no version is not."""
    from packaging.version import InvalidVersion, Version

    try:
        found = Version(version)
    except InvalidVersion:
        match = re.match(r"\d+(?:\.\d+)*", version)
        if match is None:
            return False
        found = Version(match[0])
    return Version(".".join(map(str, found.release))) < Version(limit)


def stays_below(specifier: str, limit: str) -> bool:
    """Say whether a set of versions has an upper end that is not above ``limit``."""
    text = as_pep440(specifier)
    if not text or len(text) > MAX_SPECIFIER:
        return False
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        clauses = list(SpecifierSet(text))
    except InvalidSpecifier:
        return False
    return any(_upper(clause.operator, clause.version, limit) for clause in clauses)


def _upper(operator: str, version: str, limit: str) -> bool:
    plain = version.removesuffix(".*")
    if operator == "<":
        return not is_below(limit, plain)
    if operator in ("<=", "==", "==="):
        return is_below(plain, limit)
    if operator == "~=":
        numbers = [int(part) for part in re.findall(r"\d+", plain)]
        return len(numbers) > 1 and not is_below(limit, _next(numbers[:-1], len(numbers) - 2))
    return False


_IMAGE = lazy.pattern(
    r"^(?:[\w.-]+\.[\w.-]+(?::\d+)?/)?(?P<name>[\w./-]+?)(?::(?P<tag>[\w.-]+))?(?:@sha256:[0-9a-f]+)?$"
)


def image(reference: str, today: date) -> Ended | None:
    """Return that what an image holds has ended, by its name and the number at the beginning of its tag."""
    match = _IMAGE.match(reference.strip().strip("\"'"))
    if match is None:
        return None
    name, tag = match["name"].removeprefix("library/"), match["tag"] or ""
    version = re.match(r"\d+(?:\.\d+)*", tag)
    for entry in _table()["images"]:
        if entry["image"] != name:
            continue
        if entry.get("release"):
            return python(tag, today) if version else None
        if "package" in entry:
            return package(entry["package"], version[0], "", today) if version else None
        if "below" not in entry or version and is_below(version[0], entry["below"]):
            return _ended(entry, today)
    return None


# ---- where versions of Python are written


def in_text(kind: str, text: str) -> Iterator[tuple[int, int, str]]:
    """Yield (line, column, version of Python) of small files that name one: .python-version, runtime.txt, tox.ini."""
    pattern = _FILES[kind]
    for number, line in enumerate(text.splitlines()[:10_000], 1):
        for match in pattern.finditer(line[:2000]):
            yield number, match.start(1) + 1, match[1]


_FILES = {
    ".python-version": lazy.pattern(r"^\s*((?:cpython-)?\d+\.\d+[\w.]*)"),
    "runtime.txt": lazy.pattern(r"^\s*(python-\d+\.\d+[\d.]*)"),
    ".tool-versions": lazy.pattern(r"^\s*python\s+(\d+\.\d+[\d.]*)"),
    "tox.ini": lazy.pattern(r"^\s*basepython\s*=\s*(python\d\.?\d+)"),
}


def all_ended(versions: Iterable[str], today: date) -> Ended | None:
    """Return the newest of the versions when each of them has ended: what runs on a newer one too is only tested on the old."""
    found = [python(version, today) for version in versions]
    sure = [ended for ended in found if ended is not None]
    return max(sure, key=lambda ended: ended.day) if sure and len(sure) == len(found) else None
