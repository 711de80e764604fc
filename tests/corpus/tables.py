"""Labelled tables on which the verdicts about columns are measured: how they are built, parted and scored.

A family is a function that describes the columns of one table. Its name decides by a hash whether the table belongs to the half on
which rules may be tuned or to the unseen half. Run ``python -m tests.corpus.tables`` for the report.
"""

from __future__ import annotations

import argparse
import random
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

EITHER = "either"
"""The truth about a column on which honest readers differ: it counts neither way."""

Half = Literal["tune", "unseen"]


@dataclass(frozen=True, slots=True)
class Column:
    """``truth`` is a data category key, None for a column that is about nobody, or EITHER. Cells of None are empty."""

    label: str
    truth: str | None
    cells: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A labelled table. ``name`` decides its half."""

    name: str
    columns: tuple[Column, ...]

    @property
    def half(self) -> Half:
        """The half that the table belongs to."""
        return "unseen" if zlib.crc32(self.name.encode()) % 2 else "tune"


class Make:
    """Invents cells, the same ones for the same name of a table."""

    def __init__(self, name: str, locale: str, rows: int) -> None:
        self.name, self.locale, self.rows = name, locale, rows
        self.random = random.Random(zlib.crc32(f"{name}/{locale}".encode()))
        self.fake = _faker(locale)
        self.fake.seed_instance(zlib.crc32(f"{name}.{locale}".encode()))
        self._serial = self.random.randint(1000, 90000)

    def pick(self, *values: Any) -> Callable[[], str]:
        """Return a maker of one of the values, all alike frequent."""
        return lambda: str(self.random.choice(values))

    def mostly(self, *values: Any) -> Callable[[], str]:
        """Return a maker of one of the values, the first ones more frequent."""
        weights = [1 / (place + 1) for place in range(len(values))]
        return lambda: str(self.random.choices(values, weights)[0])

    def whole(self, low: int, high: int) -> Callable[[], str]:
        """Return a maker of whole numbers."""
        return lambda: str(self.random.randint(low, high))

    def real(self, low: float, high: float, digits: int = 2) -> Callable[[], str]:
        """Return a maker of fractions."""
        return lambda: f"{self.random.uniform(low, high):.{digits}f}"

    def normal(self, mean: float, deviation: float, digits: int = 1) -> Callable[[], str]:
        """Return a maker of measures."""
        return lambda: f"{self.random.gauss(mean, deviation):.{digits}f}"

    def serial(self, prefix: str = "", step: int = 1, width: int = 0) -> Callable[[], str]:
        """Return a maker of numbers that count up."""
        state = [self._serial]

        def following() -> str:
            state[0] += step
            return f"{prefix}{state[0]:0{width}d}"

        return following

    def digits(self, layout: str) -> Callable[[], str]:
        """Return a maker of codes: # is any digit, @ any capital letter, % any digit of 1 to 9, the rest stands for itself."""
        kinds = {"#": "0123456789", "%": "123456789", "@": "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "~": "0123456789abcdef"}
        return lambda: "".join(self.random.choice(kinds[c]) if c in kinds else c for c in layout)

    def day(self, first: int, last: int, layout: str = "%Y-%m-%d") -> Callable[[], str]:
        """Return a maker of dates between two years, both included."""
        from datetime import date, timedelta

        start = date(first, 1, 1)
        span = (date(last, 12, 31) - start).days
        return lambda: (start + timedelta(days=self.random.randint(0, span))).strftime(layout)

    def gaps(self, maker: Callable[[], Any], share: float = 0.1) -> Callable[[], str | None]:
        """Return the maker with a share of empty cells."""
        return lambda: None if self.random.random() < share else str(maker())

    def upper(self, maker: Callable[[], Any]) -> Callable[[], str]:
        """Return the maker with all letters capital."""
        return lambda: str(maker()).upper()

    def from_templates(self, *templates: str) -> Callable[[], str]:
        """Return a maker of sentences: ``{name}`` and the like are filled by Faker, ``#`` by digits."""
        return lambda: self._fill(self.random.choice(templates))

    def _fill(self, template: str) -> str:
        parts = template.split("{")
        text = parts[0]
        for part in parts[1:]:
            method, _, rest = part.partition("}")
            text += str(getattr(self.fake, method)()).replace("\n", ", ") + rest
        return "".join(self.random.choice("0123456789") if c == "#" else c for c in text)


Spec = tuple[str, str | None, Callable[[], Any]]
Family = Callable[[Make], Iterable[Spec]]


@dataclass(slots=True)
class _Entry:
    family: Family
    locales: Sequence[str]
    rows: int


FAMILIES: dict[str, _Entry] = {}


def family(*locales: str, rows: int = 200) -> Callable[[Family], Family]:
    """Register a family, once for each of the locales."""

    def register(function: Family) -> Family:
        FAMILIES[function.__name__] = _Entry(function, locales or ("en_US",), rows)
        return function

    return register


@cache
def _faker(locale: str) -> Any:
    from faker import Faker

    return Faker(locale)


def build(rows: int | None = None, half: Half | None = None) -> Iterator[Table]:
    """Yield the tables, of one half or of both, in the order of their names; ``rows`` overrides their own number."""
    from tests.corpus import (  # noqa: F401  (they register families)
        tables_domains,
        tables_fresh,
        tables_later,
        tables_machines,
        tables_people,
        tables_vague,
    )

    for name, entry in sorted(FAMILIES.items()):
        for locale in entry.locales:
            full = name if len(entry.locales) == 1 else f"{name}-{locale}"
            if half is None or Table(full, ()).half == half:
                yield _table(full, entry, locale, rows or entry.rows)


def _table(name: str, entry: _Entry, locale: str, rows: int) -> Table:
    make = Make(name, locale, rows)
    columns = []
    for label, truth, maker in entry.family(make):
        cells = [maker() for _ in range(rows)]
        columns.append(Column(label, truth, tuple(None if c is None else str(c).replace("\n", ", ") for c in cells)))
    return Table(name, tuple(columns))


@dataclass(slots=True)
class Score:
    """Counts of one half. A column is called personal when a field of any confidence names it."""

    positives: int = 0
    negatives: int = 0
    found: int = 0
    typed: int = 0
    flagged: Counter[str] = field(default_factory=Counter)  # negatives by confidence
    wrong: list[str] = field(default_factory=list)

    @property
    def false(self) -> int:
        """Negative columns that were called personal."""
        return sum(self.flagged.values())

    def f1(self, right: int) -> float:
        """Return the F1 when ``right`` of the positive columns count as found."""
        return 2 * right / max(self.found + self.false + self.positives, 1)

    @property
    def loud(self) -> float:
        """Share of the negative columns that were flagged at medium or high confidence, of 1."""
        return (self.flagged["high"] + self.flagged["medium"]) / max(self.negatives, 1)


def related(one: str, other: str) -> bool:
    """Say whether two categories are the same, or one is part of the other."""
    return one == other or one.startswith(other + ".") or other.startswith(one + ".")


def observed(table: Table) -> dict[int, list[Any]]:
    """Return the fields that the scanner sees, by the place of their column."""
    from mlguard.scanners.dataset import columns, verdict

    profiles = []
    for place, column in enumerate(table.columns):
        profile = columns.Profile(f"c{place}", column.label)
        profile.add(list(column.cells))
        profiles.append(profile)
    found: dict[int, list[Any]] = {}
    for seen in verdict.judge(profiles):
        found.setdefault(int(seen.name[1:]), []).append(seen)
    return found


def score(tables: Iterable[Table]) -> Score:
    """Judge the tables and count."""
    total = Score()
    for table in tables:
        found = observed(table)
        for place, column in enumerate(table.columns):
            _count(total, table, column, found.get(place, []))
    return total


_ORDER = {"high": 0, "medium": 1, "low": 2}


def _count(total: Score, table: Table, column: Column, fields: Sequence[Any]) -> None:
    told = ", ".join(f"{f.category}/{f.confidence}/{'+'.join(f.detectors)}" for f in fields)
    where = f"{table.name}: {column.label!r}"
    if column.truth == EITHER:
        return
    if column.truth is None:
        total.negatives += 1
        if fields:
            total.flagged[min((f.confidence for f in fields), key=_ORDER.__getitem__)] += 1
            total.wrong.append(f"false  {where} -> {told}")
        return
    total.positives += 1
    if not fields:
        total.wrong.append(f"missed {where} ({column.truth})")
        return
    total.found += 1
    if any(related(f.category, column.truth) for f in fields):
        total.typed += 1
    else:
        total.wrong.append(f"typed  {where} ({column.truth}) -> {told}")


def told(half: str, total: Score) -> str:
    """Return the figures of a half in words."""
    recall = total.found / max(total.positives, 1)
    precision = total.found / max(total.found + total.false, 1)
    return (
        f"{half}: {total.positives} positive and {total.negatives} negative columns\n"
        f"  binary  recall {recall:.3f}  precision {precision:.3f}  F1 {total.f1(total.found):.3f}\n"
        f"  typed   F1 {total.f1(total.typed):.3f}\n"
        f"  negative columns flagged: high {total.flagged['high']}, medium {total.flagged['medium']}, low {total.flagged['low']}"
        f"  (medium or high {total.loud:.1%}, any {total.false / max(total.negatives, 1):.1%})"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures of both halves, and the errors of one when it is asked for."""
    parser = argparse.ArgumentParser(description="measure the verdicts about columns")
    parser.add_argument("--rows", type=int, help="rows of each table")
    parser.add_argument("--half", choices=["tune", "unseen"])
    parser.add_argument("--errors", action="store_true", help="list the columns that were judged wrongly")
    options = parser.parse_args(arguments)
    halves: list[Half] = [options.half] if options.half else ["tune", "unseen"]
    for half in halves:
        total = score(build(options.rows, half))
        print(told(half, total))
        if options.errors:
            print("\n".join(f"  {line}" for line in sorted(total.wrong)))
    return 0


if __name__ == "__main__":
    from tests.corpus import tables

    sys.exit(tables.main())
