"""Measures one table for a person who wants to know what is in it: how full, how varied, in which layouts. No value leaves it."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

import numpy as np

from mlguard.errors import Unreadable
from mlguard.facts import Anonymity, Dataset, Field, Pseudonym
from mlguard.findings import Gap
from mlguard.scanners import Context
from mlguard.scanners.dataset import hashing, risk, terms, verdict
from mlguard.scanners.dataset.cells import values_of
from mlguard.scanners.dataset.columns import SAMPLE, Profile, Sheet
from mlguard.scanners.dataset.drawn import Drawn
from mlguard.scanners.dataset.table import Table
from mlguard.scanners.dataset.types import type_of

KEPT = SAMPLE
"""Distinct values up to which a column's are counted exactly. With more, the number is estimated from the KEPT least hashes."""

ERROR = 1.96 / sqrt(KEPT - 2)
"""Half the width of the 95 % interval of such an estimate, relative to it (Beyer et al., SIGMOD 2007: k minimum values)."""

LEAST_DISTINCT = 10
"""Distinct values that must share a layout before it is shown: a rare one may tell of one person."""

LEAST_SHARE = 0.01
"""And the share of the distinct values."""

LAYOUTS = 3
"""Layouts that are shown of one column."""

LAYOUT_CHARS = 24
"""Characters of a layout; a longer one is cut."""

BINS = 16
"""Parts of a table, in the order of its rows, for which the share of empty cells is kept."""

_SECRET = re.compile(
    r"(?i)pass(?:word|wd|phrase)?|pwd|secret|token|credential|api.?key|private.?key|\bpin\b|salt|cvv|cvc"
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column, or one path within nested records. ``name`` is fit to be shown.

    ``filled`` of ``of`` cells hold something; with ``listed`` these are items of lists. ``distinct`` is exact unless ``estimated``, then
    within ``ERROR`` at 95 %; None when values were not compared. ``layouts`` are (layout, share of the distinct values), the most
    frequent first; ``empty`` is the share of empty cells in parts of the table in the order of the rows.
    """

    name: str
    type: str
    of: int
    filled: int
    distinct: int | None
    estimated: bool
    layouts: tuple[tuple[str, float], ...] = ()
    empty: tuple[float, ...] = ()
    fields: tuple[Field, ...] = ()
    listed: bool = False
    free_text: bool = False
    unread: bool = False  # bytes that are no text


@dataclass(frozen=True, slots=True)
class Beside:
    """Texts that stand beside the rows: a footer, metadata, comments."""

    name: str
    lines: int
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """One table. ``seen`` counts the rows that came by; with ``sampled`` all counts are of so many rows of them, drawn at random."""

    fact: Dataset
    size: int  # bytes of the file; -1: not known
    seen: int
    sampled: int
    columns: tuple[Column, ...]
    beside: tuple[Beside, ...] = ()
    others: tuple[Field, ...] = ()  # of the table as a whole
    anonymity: tuple[Anonymity, ...] = ()
    pseudonyms: tuple[Pseudonym, ...] = ()
    gaps: tuple[Gap, ...] = ()
    prose: bool = False


def rate_bound(rows: int) -> float:
    """Return the greatest share of rows that a sample of ``rows`` without any hit leaves possible, at 95 %: 1 - 0.05^(1/n), about 3/n."""
    return 1.0 if rows < 1 else float(1 - 0.05 ** (1 / rows))


# --- Measures


class Numbers:
    """The least hashes of a column's numbers, whose types are not looked at as text."""

    __slots__ = ("kept",)

    def __init__(self) -> None:
        self.kept: hashing.Hashes = np.zeros(0, np.uint64)  # sorted, different

    def add(self, array: Any) -> None:
        """Look at an Arrow array of numbers."""
        values = values_of(array.drop_null())
        if values.dtype.kind == "f":
            values = values[np.isfinite(values)].astype(np.float64) + 0.0  # no negative zero
        else:
            values = values.astype(np.int64 if values.dtype.kind == "i" else np.uint64)
        orders = hashing.mixed(np.ascontiguousarray(values).view(np.uint64))
        if len(self.kept) == KEPT:
            orders = orders[orders < self.kept[-1]]
        if len(orders):
            self.kept = np.unique(np.concatenate([self.kept, np.unique(orders)[:KEPT]]))[:KEPT]


@dataclass(slots=True)
class _Measure:
    type: str
    top: tuple[str, int]
    listed: bool
    of: int = 0
    numbers: Numbers | None = None
    unread: bool = False


class Survey(Sheet):
    """A sheet that also keeps what an overview needs. Every column of the file has its place, also one without any cell."""

    def __init__(self) -> None:
        super().__init__()
        self.measures: dict[tuple[str, int], _Measure] = {}
        self.filled: dict[
            tuple[str, int], tuple[list[tuple[int, float]], int]
        ] = {}  # (cells, filled) of parts, least cells of one
        self._top: tuple[str, int] = ("", 0)

    def _column(self, label: str, number: int, position: int, array: Any, place: tuple[int, int], prose: bool) -> None:
        self._top = (label, number)
        super()._column(label, number, position, array, place, prose)

    def _leaf(
        self, key: tuple[str, int], shown: str, label: str, array: Any, place: tuple[int, int], text: bool = False
    ) -> None:
        before = self._by_key[key].cells if key in self._by_key else 0
        troubles = len(self.missed)
        super()._leaf(key, shown, label, array, place, text)
        if key[1] < 0:
            return  # a header that is somebody's data
        measure = self.measures.get(key)
        if measure is None:
            listed = any(mark in key[0][len(self._top[0]) :] for mark in ("[]", ".*", "(keys)")) or "[]" in key[0]
            measure = self.measures[key] = _Measure(type_of(array.type), self._top, listed)
        measure.of += len(array)
        measure.unread |= len(self.missed) > troubles
        if (values := _numeric(array)) is not None:
            measure.numbers = measure.numbers or Numbers()
            measure.numbers.add(values)
        self._note(key, array, self._by_key[key].cells - before)

    def _note(self, key: tuple[str, int], array: Any, filled: int) -> None:
        """Count the filled cells of parts of equal size; cells that are blank but no null count as spread evenly over a batch."""
        parts, least = self.filled.setdefault(key, ([], 1))
        full = max(len(array) - array.null_count, 1)
        step = max(-(-len(array) // BINS), 1)
        for start in range(0, len(array), step):
            piece = array.slice(start, step)
            there = filled * (len(piece) - piece.null_count) / full
            if parts and parts[-1][0] < least:
                parts[-1] = (parts[-1][0] + len(piece), parts[-1][1] + there)
            else:
                parts.append((len(piece), there))
        while len(parts) > 2 * BINS:
            parts[:] = _paired(parts)
            least *= 2
            self.filled[key] = parts, max(least, parts[0][0])

    def columns(self, fields: Mapping[str, Sequence[Field]]) -> Iterator[Column]:
        """Yield the columns in the order of the file; ``fields`` are what was found, by name."""
        inside: dict[tuple[str, int], list[tuple[str, int]]] = {}
        for key, measure in self.measures.items():
            inside.setdefault(measure.top, []).append(key)
        for top, (name, kind) in self.tops.items():
            for key in inside.get(top, ()):
                yield self._told(key, fields)
            if top not in inside:
                yield Column(name, kind, self.rows, 0, 0, False)

    def _told(self, key: tuple[str, int], fields: Mapping[str, Sequence[Field]]) -> Column:
        profile, measure = self._by_key[key], self.measures[key]
        of = measure.of if measure.listed else max(measure.of, self.rows)
        filled = min(profile.cells, of)
        if measure.numbers is not None:
            distinct, estimated = _estimate(measure.numbers.kept.tolist())
        else:
            distinct, estimated = _estimate([order for order, _ in profile.sample.entries()])
        found = tuple(fields.get(profile.name, ()))
        return Column(
            profile.name, measure.type, of, filled, None if measure.unread or profile.text else distinct, estimated,
            () if measure.numbers is not None or profile.text else layouts(profile, found), _bins(self.filled[key][0] if key in self.filled else ()),
            found, measure.listed, profile.free_text, measure.unread,
        )  # fmt: skip


def _numeric(array: Any) -> Any:
    """Return the numbers of an Arrow array of a type whose text is not looked at, else None."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_dictionary(kind) and (pa.types.is_integer(kind.value_type) or pa.types.is_floating(kind.value_type)):
        array, kind = array.dictionary_decode(), kind.value_type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return array
    if pa.types.is_decimal(kind) and kind.scale > 0:
        return pc.cast(array, pa.float64())
    return None


def _estimate(orders: Sequence[int]) -> tuple[int, bool]:
    """Return how many different values there are by their least hashes, and whether that is an estimate."""
    if len(orders) < KEPT:
        return len(orders), False
    return round((KEPT - 1) / (max(orders) / 2**64)), True


def _paired(parts: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    pairs = [parts[at : at + 2] for at in range(0, len(parts), 2)]
    return [(sum(cells for cells, _ in pair), sum(filled for _, filled in pair)) for pair in pairs]


def _bins(parts: Sequence[tuple[int, float]]) -> tuple[float, ...]:
    """Return the share of empty cells in parts of the table, from its first row to its last."""
    while len(parts) > BINS:
        parts = _paired(parts)
    return tuple(min(max(round(1 - filled / cells, 4), 0.0), 1.0) for cells, filled in parts if cells)


# --- Layouts


def layouts(profile: Profile, found: Sequence[Field]) -> tuple[tuple[str, float], ...]:
    """Return the layouts that many of a column's distinct values share, with their shares; none where one could give something away.

    A column of free text has none, nor one of passwords, tokens and the like: their length is a secret as well.
    """
    values = profile.sample.values()
    if len(values) < LEAST_DISTINCT or profile.free_text or _SECRET.search(profile.label or profile.name):
        return ()
    if any(field.category.startswith("user.authorization") for field in found):
        return ()
    counts = Counter(map(layout, values))
    least = max(LEAST_DISTINCT, LEAST_SHARE * len(values))
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple((shape, round(count / len(values), 4)) for shape, count in ranked[:LAYOUTS] if count >= least)


def layout(value: str) -> str:
    """Return the layout of a value: digits as 9, letters as x and X, three or more alike as ``x+``, other signs as they stand.

    Whatever is not ASCII and no letter is "?", so that nothing of a value stays but common signs.
    """
    shape = "".join(_sign(char) for char in value[: 8 * LAYOUT_CHARS])
    shape = re.sub(r"x{3,}", "x+", re.sub(r"X{3,}", "X+", re.sub(r" +", " ", shape)))
    return shape if len(shape) <= LAYOUT_CHARS else shape[: LAYOUT_CHARS - 1] + "…"


def _sign(char: str) -> str:
    if char.isascii():
        if char.isdigit():
            return "9"
        if char.isalpha():
            return "X" if char.isupper() else "x"
        return char if char.isprintable() else "?"
    kind = unicodedata.category(char)
    if kind == "Nd":
        return "9"
    if kind[0] == "L":
        return "X" if kind in ("Lu", "Lt") else "x"
    return "" if kind[0] == "M" else " " if kind == "Zs" else "?"


# --- One table


Step = Callable[[int], None]
"""Called with the rows read so far."""


def measured(
    table: Table, path: str, size: int, context: Context, rows: int = 0, again: Callable[[], Iterator[Any]] | None = None,
    step: Step | None = None,
) -> tuple[Overview, Unreadable | None]:  # fmt: skip
    """Read a table to its end and return what is in it, and what ended the reading early. With ``rows`` above 0 so many are drawn.

    ``again`` returns its batches once more.
    """
    survey, drawn = Survey(), Drawn(rows) if rows else None
    watch = None if table.prose else risk.Watch(path, context.settings.get("declared", {}).get(path), table.name)
    trouble: Unreadable | None = None
    seen = 0

    def take(batch: Any) -> None:
        survey.add(batch, table.places, table.prose)
        if watch is not None:
            watch.add(batch)

    try:
        for batch in table.batches:
            seen += batch.num_rows
            drawn.add(batch) if drawn is not None else take(batch)
            if step is not None:
                step(seen)
    except Unreadable as error:
        trouble = error
    if drawn is not None:
        try:
            for batch in drawn.batches():
                take(batch)
        except Unreadable as error:
            trouble = trouble or error
    for name, lines in table.texts:
        survey.text(name, lines)
    sampled = survey.rows if drawn is not None and survey.rows < seen else 0
    return _overview(table, path, size, context, survey, seen, sampled, drawn, watch, None if drawn else again), trouble


def _overview(
    table: Table, path: str, size: int, context: Context, survey: Survey, seen: int, sampled: int, drawn: Drawn | None,
    watch: risk.Watch | None, again: Callable[[], Iterator[Any]] | None,
) -> Overview:  # fmt: skip
    said = _said(path, survey.profiles, context)
    fields = verdict.merged([*verdict.judge(survey.profiles), *said.fields])
    if sampled:
        fields = tuple(replace(field, sampled=True) for field in fields)
    by_name: dict[str, list[Field]] = {}
    for field in fields:
        by_name.setdefault(field.name, []).append(field)
    columns = tuple(survey.columns(by_name))
    facts = list(watch.records(fields, again)) if watch is not None else []
    texts = dict(_texts(table.texts))
    known = {column.name for column in columns} | texts.keys()
    fact = Dataset(
        path, table.format, seen, survey.width, fields, terms.shown_path(table.name), languages=said.languages, masked=said.masked,
        size=max(size, 0), sampled=sampled, schema=survey.schema(),
    )  # fmt: skip
    return Overview(
        fact, size, seen, sampled, columns,
        tuple(_beside(name, lines, survey) for name, lines in texts.items()),
        tuple(field for field in fields if field.name not in known),
        tuple(replace(one, sampled=one.sampled or sampled) for one in facts if isinstance(one, Anonymity)),
        tuple(one for one in facts if isinstance(one, Pseudonym)),
        tuple(_gaps(table, path, survey, seen, sampled, drawn, said.gaps)), table.prose,
    )  # fmt: skip


def _said(path: str, profiles: Sequence[Profile], context: Context) -> Any:
    from mlguard.scanners.dataset import prose

    return prose.said(path, profiles, context.settings, context.root)


def _texts(texts: Iterable[tuple[str, Sequence[str]]]) -> Iterator[tuple[str, int]]:
    lines: Counter[str] = Counter()
    for name, text in texts:
        lines[name] += len(text)
    yield from lines.items()


def _beside(name: str, lines: int, survey: Survey) -> Beside:
    """Return what a text shows by itself, also where the rows show the same."""
    fields = verdict.judge([profile for profile in survey.profiles if profile.name == name and profile.text])
    return Beside(name, lines, tuple(field for field in verdict.merged(fields) if field.name == name))


def _gaps(
    table: Table, path: str, survey: Survey, seen: int, sampled: int, drawn: Drawn | None, more: Sequence[Gap]
) -> Iterator[Gap]:
    if sampled:
        yield Gap("dataset", path, "sampled", told_sample(sampled, seen), "leave out --rows to count every row")
    for kind, reason in table.missed:
        yield Gap("dataset", path, kind, reason)
    for reason in [*survey.missed, *(drawn.missed if drawn is not None else ())]:
        yield Gap("dataset", path, "unreadable", reason)
    yield from more


def told_sample(sampled: int, seen: int) -> str:
    """Return what a sample is and what it can miss: "sampled: 1,000 of 50,000 rows …"."""
    return (
        f"sampled: {sampled:,} of {seen:,} rows, drawn at random; what was not seen in them may be in up to "
        f"{100 * rate_bound(sampled):.2g} % of the rows (at 95 %)"
    )
