"""Says which advisories a version of a package is affected by.

All versions that the advisories of a package name stand in one table in the order of PEP 440, so that ranges are pairs of whole
numbers. A version's place is ``2 i + 1`` when it equals entry ``i`` of the table, and ``2 i`` when it lies just before that.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from mlguard.errors import Unreadable
from mlguard.scanners.dependencies import pep440
from mlguard.scanners.dependencies.osv import LEVELS, Claim, Level, Range

END = 2**40
"""The place behind every version."""

MAX_TOGETHER = 1_000
"""Names of one flaw. A longer chain of aliases is no flaw but a list, and binds nothing together."""

Row = tuple[Sequence[int], Sequence[int], Sequence[str], int]
"""Places from which and to which a flaw is there (pairs, the second exclusive), entries of the table that are listed (pairs as well),
listed versions outside PEP 440 in small letters, and 1 when what it does not name cannot be taken to be safe."""

Detail = tuple[str, Sequence[str], str, int, str, Sequence[int], Sequence[str]]
"""Id, aliases, summary, number of the level, date of publication, entries of the table that fix it, further names of the flaw."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a version stands among those of a package. ``at`` is None for one outside PEP 440; ``built`` is with its local label."""

    text: str
    at: int | None
    built: int | None


@dataclass(frozen=True, slots=True)
class Advisory:
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


# ---- from claims


def package(name: str, claims: Sequence[Claim], together: Mapping[str, Collection[str]]) -> Package:
    """Return what the claims about one package come to; ``together`` has the names of one flaw by each of them."""
    spelled: dict[pep440.Key, str] = {}
    keys: dict[str, pep440.Key | None] = {}

    def learn(text: str) -> None:
        if text not in keys:
            keys[text] = key = pep440.key(text)
            if key is not None:
                spelled.setdefault(key, text.strip())

    for claim in claims:
        for fixes_first in (True, False):
            for found in claim.ranges:
                for event, version in found.events:
                    if (event == "fixed") == fixes_first and version not in ("0", "*"):
                        learn(version)
    for claim in claims:
        for version in claim.versions:
            learn(version)
    order = sorted(spelled)
    entry = {key: number for number, key in enumerate(order)}

    def place(text: str) -> int | None:
        key = keys.get(text)
        return None if key is None else entry[key]

    rows: list[Row] = []
    details: list[Detail] = []
    for claim in sorted(claims, key=lambda claim: claim.id):
        row, fixed = _row(claim, place)
        rows.append(row)
        more = sorted(set(together.get(claim.id, ())) - {claim.id, *claim.aliases})
        details.append(
            (claim.id, claim.aliases, claim.summary, LEVELS.index(claim.level), claim.published, fixed, more)
        )
    texts = dumped(details)
    return Package(name, [spelled[key] for key in order], rows, lambda: texts)


def _row(claim: Claim, place: Any) -> tuple[Row, list[int]]:
    doubtful, spans, fixed = claim.odd, [], set()
    for found in claim.ranges:
        some, whole = _spans(found, place)
        spans += some
        doubtful |= not whole
        if whole or not found.semantic:
            fixed |= {place(version) for event, version in found.events if event == "fixed"} - {None}
    listed = sorted({at for version in claim.versions if (at := place(version)) is not None})
    odd = sorted({version.strip().lower() for version in claim.versions if place(version) is None})
    return (_flat(_merged(spans)), _flat(_runs(listed)), odd, int(doubtful)), sorted(fixed)


def _spans(found: Range, place: Any) -> tuple[list[tuple[int, int]], bool]:
    """Return the places between which a range holds, and whether all of its events could be placed.

    The events, in the order of versions, turn the flaw on and off. At one version "fixed" comes first, so that what begins
    there holds; "last_affected" acts behind it.
    """
    marks: list[tuple[int, int, bool]] = []
    limits: list[int] = []
    for event, version in found.events:
        if event == "introduced" and version == "0":
            marks.append((0, 1, True))
            continue
        if event == "limit" and version == "*":
            limits.append(END)
            continue
        at = place(version) if not found.semantic or _is_plain(version) else None
        if at is None:
            return [], False
        if event == "limit":
            limits.append(2 * at + 1)
        elif event == "last_affected":
            marks.append((2 * at + 2, 0, False))
        else:
            marks.append((2 * at + 1, int(event == "introduced"), event == "introduced"))
    end = max(limits, default=END)
    spans, begun = [], -1
    for at, _, on in sorted(marks):
        if on and begun < 0:
            begun = at
        elif not on and begun >= 0:
            spans.append((begun, at))
            begun = -1
    if begun >= 0:
        spans.append((begun, END))
    return [(low, min(high, end)) for low, high in spans if low < min(high, end)], True


def _is_plain(version: str) -> bool:
    """Say whether a version of SemVer orders as the same text of PEP 440 does: it has neither a pre-release nor a build."""
    return version.replace(".", "").isdigit()


def _merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(high, merged[-1][1])
        else:
            merged.append((low, high))
    return merged


def _runs(entries: Sequence[int]) -> list[tuple[int, int]]:
    return _merged([(entry, entry + 1) for entry in entries])


def _flat(pairs: Iterable[tuple[int, int]]) -> list[int]:
    return [number for pair in pairs for number in pair]


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


def closures(names: Iterable[tuple[str, Sequence[str]]]) -> dict[str, tuple[str, ...]]:
    """Return for each id all names that it shares a chain of aliases with, sorted, from (id, aliases) of records."""
    chains = Chains()
    for name, aliases in names:
        chains.join(name, aliases)
    found: dict[str, tuple[str, ...]] = {}
    for group in chains.groups():
        if 1 < len(group) <= MAX_TOGETHER:
            found.update(dict.fromkeys(group, tuple(sorted(group))))
    return found
