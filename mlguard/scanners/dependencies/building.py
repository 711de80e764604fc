"""Turns what records claim about a package into its table of versions and the rows that decide."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from mlguard.scanners.dependencies import pep440
from mlguard.scanners.dependencies.osv import Claim, Range
from mlguard.scanners.dependencies.packages import END, LEVELS, Chains, Detail, Package, Row, dumped

MAX_TOGETHER = 1_000
"""Names of one flaw. A longer chain of aliases is no flaw but a list, and binds nothing together."""


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
