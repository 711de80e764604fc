"""Says which advisories a version of a package is affected by.

All versions that the advisories of a package name stand in one table in the order of PEP 440, so that ranges are pairs of whole
numbers. A version's place is ``2 i + 1`` when it equals entry ``i`` of the table, and ``2 i`` when it lies just before that.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import cached_property
from typing import Any, Literal, NamedTuple, Protocol, cast

from mlguard.errors import Unreadable
from mlguard.scanners.dependencies import pep440

Level = Literal["critical", "high", "medium", "low", "unknown"]
LEVELS: tuple[Level, ...] = ("unknown", "low", "medium", "high", "critical")

END = 2**40
"""The place behind every version."""

Row = tuple[Sequence[int], Sequence[int], Sequence[str], int]
"""Places from which and to which a flaw is there (pairs, the second exclusive), entries of the table that are listed (pairs as well),
listed versions outside PEP 440 in small letters, and 1 when what it does not name cannot be taken to be safe."""

Detail = tuple[str, Sequence[str], str, int, str, Sequence[int], Sequence[str]]
"""Id, aliases, summary, number of the level, date of publication, entries of the table that fix it, further names of the flaw."""


class Place(NamedTuple):
    """Where a version stands among those of a package. ``at`` is None for one outside PEP 440; ``built`` is with its local label."""

    text: str
    at: int | None
    built: int | None


class Advisory(NamedTuple):
    """What one record says about one package; ``names`` are all names of the flaw, ``fixes`` entries of the table that mend it."""

    id: str
    aliases: tuple[str, ...]
    names: frozenset[str]
    summary: str
    level: Level
    published: str
    fixes: tuple[int, ...]
    package: Package
    row: int


class Source(Protocol):
    """What answers for packages. ``entries`` counts the records it was made of, ``broken`` those that could not be read."""

    @property
    def entries(self) -> int: ...

    @property
    def broken(self) -> int: ...

    def known(self, name: str) -> Package | None:
        """Return what is known of a package by its canonical name, None when no record names it. Raises Unreadable."""
        ...

    def age(self, today: date) -> int | None:
        """Return the days since the newest record was changed, None when no record has a date."""
        ...


class Package:
    """The advisories of one package. ``texts`` gives the JSON of their details, which are parsed when they are needed."""

    def __init__(self, name: str, table: Sequence[str], rows: Sequence[Row], texts: Callable[[], bytes]) -> None:
        self.name, self.table, self.rows = name, table, rows
        self._texts = texts

    @cached_property
    def details(self) -> Sequence[Detail]:
        """Return the texts of the advisories. Raises Unreadable."""
        found = parsed(self._texts())
        if not isinstance(found, list) or len(found) != len(self.rows):
            raise Unreadable("the advisory database is damaged")
        return found

    @property
    def texts(self) -> bytes:
        """Return the JSON of the details."""
        return self._texts()

    def advisory(self, row: int) -> Advisory:
        """Return one advisory with its texts. Raises Unreadable."""
        try:
            name, aliases, summary, level, published, fixed, more = self.details[row]
            if not isinstance(summary, str) or any(not 0 <= entry < len(self.table) for entry in fixed):
                raise ValueError
            return Advisory(
                name,
                tuple(aliases),
                frozenset((name, *aliases, *more)),
                summary,
                LEVELS[level],
                published,
                tuple(fixed),
                self,
                row,
            )
        except (ValueError, TypeError, IndexError):
            raise Unreadable("the advisory database is damaged") from None

    def place(self, version: str) -> Place:
        """Return where a version stands. The local label is left out: a build of a version has the version's flaws."""
        key = pep440.key(version)
        text = version.strip().lower()
        if key is None:
            return Place(text, None, None)
        public = self._at(pep440.public(key))
        return Place(text, public, self._at(key) if key[7] else None)

    def _at(self, key: pep440.Key) -> int:
        entry = bisect_left(self.table, key, key=_key)
        there = entry < len(self.table) and _key(self.table[entry]) == key
        return 2 * entry + there

    def affects(self, row: int, place: Place) -> bool | None:
        """Say whether an advisory names a version; None when that cannot be told."""
        ranges, listed, odd, doubtful = self.rows[row]
        if odd and place.text in odd:
            return True
        if place.at is None:
            if any(ranges[i] == 0 and ranges[i + 1] == END for i in range(0, len(ranges), 2)):
                return True
            return None if ranges or doubtful else False
        at = place.at
        exact = place.built is not None and place.built & 1
        for one in (at, place.built) if exact else (at,):
            if listed and one is not None and one & 1:
                entry = one >> 1
                for i in range(0, len(listed), 2):
                    if listed[i] <= entry < listed[i + 1]:
                        return True
        if exact:
            at = cast(int, place.built)  # an advisory speaks of this very build
        for i in range(0, len(ranges), 2):
            if ranges[i] <= at < ranges[i + 1]:
                return True
        return None if doubtful else False

    def later(self, entries: Iterable[int], place: Place) -> list[int]:
        """Return those entries of the table, in order, that come after a version; all of them for one outside PEP 440."""
        return sorted({entry for entry in entries if place.at is None or 2 * entry + 1 > place.at})


def _key(text: str) -> pep440.Key:
    key = pep440.key(text) if isinstance(text, str) else None
    if key is None:
        raise Unreadable("the advisory database is damaged")
    return key


def dumped(value: object) -> bytes:
    """Return JSON as a database holds it."""
    return json.dumps(value, separators=(",", ":")).encode()


def parsed(data: bytes) -> Any:
    """Return the value of JSON that a database holds. Raises Unreadable."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise Unreadable("the advisory database is damaged") from None


class Chains:
    """Names that belong together because one record after the other gives them as aliases."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def top(self, name: str) -> str:
        """Return the one name that stands for all that belong together."""
        above = self._above
        while (parent := above.setdefault(name, name)) != name:
            above[name] = name = above.setdefault(parent, parent)
        return name

    def join(self, name: str, others: Iterable[str]) -> None:
        """Let a name belong together with others."""
        one = self.top(name)
        for other in others:
            self._above[self.top(other)] = one

    def groups(self) -> Iterable[list[str]]:
        """Return the names that belong together."""
        found: dict[str, list[str]] = {}
        for name in list(self._above):
            found.setdefault(self.top(name), []).append(name)
        return found.values()


def is_day(text: str) -> bool:
    """Say whether a text is a day of the calendar, as YYYY-MM-DD."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def age(day: str, today: date) -> int | None:
    """Return the days from a day to today, or None when there is no day."""
    return (today - date.fromisoformat(day)).days if is_day(day) else None
