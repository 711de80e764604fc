"""Counts what a column's cells look like, batch by batch, in bounded memory; counts are exact and can be merged in any order."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlguard import lazy
from mlguard.errors import Unreadable
from mlguard.scanners.dataset import cells as bytewise
from mlguard.scanners.dataset import fits, look, shapes, terms, types
from mlguard.scanners.dataset.cells import matching
from mlguard.scanners.dataset.layouts import Hits
from mlguard.scanners.dataset.table import MAX_COLUMNS, MAX_DEPTH, PROSE
from mlguard.values import dataclass, field

SAMPLE = 1000
"""Distinct values of a column that are kept for tests of distribution; counts never come from them."""

CANDIDATES = 400
"""Distinct cells kept for each entity: for the second opinion and for the permutation null."""

FEW = 60
"""A column of at most so many distinct values is one of categories."""

MAX_SAMPLE_CHARS = 400
"""Characters of a kept value; longer ones are cut."""

MAX_CANDIDATE_BYTES = 2000
"""Bytes of a cell that is kept for the second opinion; longer ones are not."""

MAX_NAME_BYTES = 120
"""Bytes of a cell that may be a person's name."""

PROBE = 4096
"""Cells of a batch by which it is told whether values repeat."""

LEAST_NUMBER = 1_000_000
"""A smaller number in a column of numbers is no identifier."""

_EMPTY = ("", "na", "n/a", "nan", "null", "none", "-", "--", "?", "nil", "#n/a", "<na>", "nat")

Orders = NDArray[np.uint64]


class Bottom:
    """The distinct values with the least orders: a sample that depends neither on their sequence nor on how often they come.

    The order of a value is the least that it is offered with.
    """

    __slots__ = ("_kept", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self._kept: dict[str, int] = {}  # sorted by order and value

    @property
    def limit(self) -> int:
        """The largest order that may still be kept."""
        return next(reversed(self._kept.values())) if len(self._kept) == self.most else (1 << 64) - 1

    def offer(self, orders: Orders, value: Callable[[int], str]) -> None:
        """Keep the values whose orders are among the least; ``value`` returns one by its index."""
        picked = np.flatnonzero(orders <= np.uint64(self.limit))
        while len(picked):  # more than once only when many were the same value
            there = orders[picked]
            if len(picked) > 8 * self.most:
                least = there <= np.partition(there, 4 * self.most)[4 * self.most]
                part, rest = picked[least], picked[~least]
            else:
                part, rest = picked, picked[:0]
            known, first = np.unique(orders[part], return_index=True)
            taken, kept = first[: 2 * self.most], known[: 2 * self.most]
            self._take(
                [(value(place), order) for place, order in zip(part[taken].tolist(), kept.tolist(), strict=True)]
            )
            rest = np.concatenate([part[first[2 * self.most :]], rest])
            picked = rest[orders[rest] <= np.uint64(self.limit)]

    def merge(self, other: Bottom) -> None:
        """Take the values of another sample."""
        self._take(other._kept.items())

    def _take(self, entries: Iterable[tuple[str, int]]) -> None:
        fresh = False
        for value, order in entries:
            if order < self._kept.get(value, 1 << 64):
                self._kept[value] = order
                fresh = True
        if fresh:
            least = sorted(self._kept.items(), key=lambda entry: (entry[1], entry[0]))
            self._kept = dict(least[: self.most])

    def entries(self) -> list[tuple[int, str]]:
        """Return (order, value) in that sequence."""
        return [(order, value) for value, order in self._kept.items()]

    def values(self) -> list[str]:
        """Return the values by their order."""
        return list(self._kept)

    def __len__(self) -> int:
        return len(self._kept)


COUNTS = ("shaped", "valid", "whole", "grouped", "near", "reserved")
SAMPLES = {"samples": CANDIDATES, "cells": 24, "distinct": 64, "own": 64}


@dataclass(slots=True)
class Tally:
    """How often one entity was seen. All but the samples count cells."""

    shaped: int = 0
    valid: int = 0
    whole: int = 0  # valid, and the entire cell
    grouped: int = 0  # valid, with separators, a prefix or letters
    near: int = 0  # valid, with a word for it before
    reserved: int = 0  # valid, and only values set aside for examples
    first: int = 0  # line of a text with the first valid one, from 1; 0 when there is none
    samples: Bottom = field(default_factory=lambda: Bottom(SAMPLES["samples"]))  # compact forms
    cells: Bottom = field(default_factory=lambda: Bottom(SAMPLES["cells"]))  # as written, for the second opinion
    distinct: Bottom = field(default_factory=lambda: Bottom(SAMPLES["distinct"]))  # compact forms of the valid ones
    own: Bottom = field(default_factory=lambda: Bottom(SAMPLES["own"]))  # and of those that are not reserved

    def merge(self, other: Tally, lines: int = 0) -> None:
        """Add what was seen elsewhere, after ``lines`` lines."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.found_at(other.first and other.first + lines)
        for name in SAMPLES:
            getattr(self, name).merge(getattr(other, name))

    def found_at(self, line: int) -> None:
        """Note a line of a text."""
        if line and (not self.first or line < self.first):
            self.first = line


@dataclass(slots=True)
class Profile:
    """One column. ``name`` is fit to be shown; ``label`` is the name as it stands, for comparing only."""

    name: str
    label: str = ""
    line: int = 1
    column: int = 1
    text: bool = False  # lines of prose, not cells
    lines: int = 0  # of prose, empty ones too
    cells: int = 0
    chars: int = 0
    spaces: int = 0
    person_cells: int = 0
    term_cells: int = 0
    fractions: int = 0  # numbers with a part behind the point
    tallies: dict[str, Tally] = field(default_factory=dict)
    sample: Bottom = field(default_factory=lambda: Bottom(SAMPLE))
    few: dict[str, int] | None = field(default_factory=dict)
    term: terms.Term | None = None

    def __post_init__(self) -> None:
        self.term = terms.term_of(self.label) if self.label else None

    def merge(self, other: Profile) -> None:
        """Add what was counted of the rows that come next in the same column."""
        for entity, tally in other.tallies.items():
            self.tallies.setdefault(entity, Tally()).merge(tally, self.lines)
        for name in ("lines", "cells", "chars", "spaces", "person_cells", "term_cells", "fractions"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.sample.merge(other.sample)
        if other.few is None:
            self.few = None
        else:
            self._counted(list(other.few), list(other.few.values()))

    def add(self, values: Sequence[str | None] | Any) -> None:
        """Count a batch: a sequence of strings, or an Arrow array of any type without nesting. Empty cells are left out.

        Raises NotText for bytes that are none.
        """
        import pyarrow as pa

        if isinstance(values, pa.ChunkedArray):
            for chunk in values.chunks:
                self.add(chunk)
            return
        array = values if isinstance(values, pa.Array) else strings(values)
        if self.text:
            array = array.fill_null("")  # lines are counted
        array = array.drop_null() if array.null_count else array
        if len(array):
            self._typed(array)

    def _typed(self, array: Any) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        kind = array.type
        if pa.types.is_dictionary(kind):
            used = pc.value_counts(array.indices)
            self._values(array.dictionary.take(used.field(0)), used.field(1))
        elif pa.types.is_integer(kind):
            self._numbers(array, None)
        elif pa.types.is_floating(kind):
            self._numbers(pc.cast(array, pa.float64()), None)
        elif pa.types.is_decimal(kind):
            self._decimals(array)
        elif pa.types.is_temporal(kind):
            self._times(array)
        elif not pa.types.is_null(kind):
            self._values(array, None)

    def _values(self, array: Any, counts: Any) -> None:
        """Count values of a type whose text is looked at."""
        import pyarrow as pa
        import pyarrow.compute as pc

        kind = array.type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            self._numbers(array if pa.types.is_integer(kind) else pc.cast(array, pa.float64()), _as_numbers(counts))
            return
        for start, part in look.pieces(_as_strings(array)):
            self._strings(part, None if counts is None else counts.slice(start, len(part)))
            self.lines += len(part)

    def _decimals(self, array: Any) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if array.type.scale <= 0 or self.term is not None:
            self._values(array, None)
        else:
            self._numbers(pc.cast(array, pa.float64()), None)

    # ---- numbers and points in time: their text is made only of those that can be something

    def _numbers(self, array: Any, weights: NDArray[np.int64] | None) -> None:
        import pyarrow as pa

        values = bytewise.values_of(array)
        if values.dtype.kind == "f":
            finite = np.isfinite(values)
            if not finite.all():
                values, weights = values[finite], None if weights is None else weights[finite]
            broken = values != np.floor(values)
            self.fractions += _total(broken, weights)
            if self.term is not None:
                self._named_numbers(values, weights)
                return
            kept = ~broken & (values >= LEAST_NUMBER) & (values < 2**63)
            self.cells += _total(np.ones(len(values), np.bool_), weights) - _total(kept, weights)
            whole = values[kept].astype(np.int64)
        else:
            if self.term is not None:
                self._strings(
                    _as_strings(array), None if weights is None else pa.array(weights), digits=bool((values >= 0).all())
                )
                return
            kept = values >= LEAST_NUMBER
            self.cells += _total(~kept, weights)
            whole = values[kept]
        if len(whole):
            picked = None if weights is None else pa.array(weights[kept])
            self._strings(_as_strings(pa.array(whole)), picked, digits=True)

    def _named_numbers(self, values: NDArray[np.float64], weights: NDArray[np.int64] | None) -> None:
        """Count numbers with fractions in a column whose name says what they are."""
        import pyarrow as pa

        fit = self.term.fits if self.term is not None else None
        integral = values == np.floor(values)
        if fit is not None and fit.numbers and not (integral & (np.abs(values) >= LEAST_NUMBER)).any():
            low, high = fit.least or 0.0, np.inf if fit.most is None else fit.most
            self.cells += _total(np.ones(len(values), np.bool_), weights)
            self.term_cells += _total((values >= low) & (values <= high), weights)
            self._sampled(values, lambda place: _plain_number(float(values[place])))
            return
        texts = pa.array([_plain_number(value) for value in values.tolist()], pa.large_string())
        self._strings(texts, None if weights is None else pa.array(weights))

    def _times(self, array: Any) -> None:
        import pyarrow as pa

        self.cells += len(array)
        if self.term is not None and self.term.fits is fits.FITS["birth"]:
            self.term_cells += len(array)
        narrow = array.type.bit_width == 32
        numbers = bytewise.values_of(array.view(pa.int32() if narrow else pa.int64())).astype(np.int64)
        self._sampled(numbers, lambda place: str(_as_strings(array.slice(place, 1))[0]))

    def _sampled(self, numbers: Any, text: Callable[[int], str]) -> None:
        """Keep a sample of values that are not strings; they are many, so that the column is none of categories."""
        orders = bytewise.mixed(np.ascontiguousarray(numbers).view(np.uint64).reshape(-1, 1))
        self.sample.offer(orders, text)
        if self.few is not None:
            distinct = np.unique(orders[:PROBE])
            if len(distinct) > FEW:
                self.few = None
            else:
                _, first, often = np.unique(orders, return_index=True, return_counts=True)
                self._counted([text(place) for place in first[: FEW + 1].tolist()], often[: FEW + 1].tolist())

    # ---- strings

    def _strings(self, array: Any, counts: Any, digits: bool = False) -> None:
        """Count strings; with ``digits`` each is a number without a sign."""
        batch = _batch(array, counts, digits, self.text)
        if not len(batch.array):
            return
        self.cells += _total(np.ones(len(batch.array), np.bool_), batch.weights)
        self.chars += _characters(batch.cells, batch.has, batch.weights)
        self.spaces += _marked(batch.cells, batch.cells.data == ord(" "), batch.weights) if batch.has.blank else 0
        self._keep(batch, self._look(batch))

    def _look(self, batch: _Batch) -> NDArray[np.bool_]:
        """Count identifiers. Return which cells are one of those that the column's name may stand for."""
        import pyarrow as pa

        array = batch.array
        named = np.zeros(len(array), np.bool_)
        at = np.arange(len(array)) if batch.digits else np.flatnonzero(look.gated(array, batch.has))
        if not len(at):
            return named
        whole = len(at) == len(array)
        plain = (
            array
            if batch.digits
            else _without_point_zero(look.in_ascii(array if whole else array.take(pa.array(at))), batch.has)
        )
        cells = batch.cells if plain is array else bytewise.of_array(plain)
        sizes = cells.ends - cells.starts
        by_entity: dict[str, list[Hits]] = {}
        for hits in look.find(plain, cells, batch.has if plain is array else None):
            by_entity.setdefault(hits.entity, []).append(hits)
        orders = batch.orders if whole else batch.orders[at]
        for entity in sorted(by_entity):
            tally = self.tallies.setdefault(entity, Tally())
            for hits in by_entity[entity]:
                _sample(tally, hits, orders, sizes)
                if self.term and (entity != "PHONE_NUMBER" or self.term.fits is fits.FITS["phone"]):
                    named[at[hits.cell[hits.valid & look.whole(hits, sizes)]]] = True
                if batch.numbers is not None and hits.valid.any():
                    tally.found_at(self.lines + int(batch.numbers[at[hits.cell[hits.valid].min()]]) + 1)
            shaped = _count(tally, by_entity[entity], sizes, None if batch.weights is None else batch.weights[at])
            shaped = shaped[sizes[shaped] <= MAX_CANDIDATE_BYTES]
            tally.cells.offer(orders[shaped], lambda place, shaped=shaped: plain[int(shaped[place])].as_py())  # type: ignore[misc]
        return named

    def _keep(self, batch: _Batch, named: NDArray[np.bool_]) -> None:
        array, has = batch.array, batch.has
        if not self.text and (has.letters and has.blank or has.foreign):
            self.person_cells += _total(_persons(array, batch.cells), batch.weights)
        if self.term:
            self.term_cells += _total(self._fitting(array, has, named), batch.weights)
        self.sample.offer(batch.orders, lambda place: array[place].as_py()[:MAX_SAMPLE_CHARS])
        if batch.weights is None:
            self.few = None  # most cells of the batch are distinct
        elif self.few is not None:
            values = [value[:MAX_SAMPLE_CHARS] for value in array.slice(0, FEW + 1).to_pylist()]
            self._counted(values, batch.weights[: FEW + 1].tolist())

    def _fitting(self, array: Any, has: bytewise.Traits, named: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which cells can be what the column's name says. An identifier of its kind can."""
        import pyarrow as pa

        if self.term is None or self.term.fits.spelled and not (has.letters or has.foreign):
            return named
        rest = np.flatnonzero(~named)
        if len(rest):
            named[rest] = self.term.fits.mask(array if len(rest) == len(array) else array.take(pa.array(rest)))
        return named

    def _counted(self, values: Sequence[str], weights: Sequence[int]) -> None:
        if self.few is None:
            return
        for value, weight in zip(values, weights, strict=True):
            self.few[value] = self.few.get(value, 0) + weight
        if len(self.few) > FEW:
            self.few = None

    @property
    def free_text(self) -> bool:
        """Whether the cells are prose: long, with many spaces."""
        return self.text or bool(self.cells) and self.chars / self.cells > 45 and self.spaces / self.cells > 5


@dataclass(frozen=True, slots=True)
class _Batch:
    """Strings that are counted together, none of them empty. ``weights`` says how often each comes, None: once."""

    array: Any
    cells: bytewise.Cells
    has: bytewise.Traits
    orders: Orders
    weights: NDArray[np.int64] | None
    numbers: NDArray[np.int64] | None  # of the lines, for prose
    digits: bool


def _batch(array: Any, counts: Any, digits: bool, lines: bool) -> _Batch:
    import pyarrow.compute as pc

    if counts is None and not lines and _repeats(array):
        counted = pc.value_counts(array)
        array, counts = counted.field(0), counted.field(1)
    cells = bytewise.of_array(array)
    has = bytewise.traits(cells)
    digits = digits or has.only_digits and bool((cells.ends > cells.starts).all())
    numbers = np.arange(len(array)) if lines else None
    if not digits:
        trimmed = _trimmed(array, cells)
        keep = _filled(trimmed)
        numbers = np.flatnonzero(keep) if lines else None
        if not keep.all():
            trimmed, counts = trimmed.filter(keep), counts if counts is None else counts.filter(keep)
        if trimmed is not array:
            array, cells = trimmed, bytewise.of_array(trimmed)
    return _Batch(array, cells, has, bytewise.hashes(cells), _as_numbers(counts), numbers, digits)


def _without_point_zero(array: Any, has: bytewise.Traits) -> Any:
    """Return the strings with whole numbers that were floats written as whole numbers: pandas' integers with gaps."""
    import pyarrow as pa
    import pyarrow.compute as pc

    integral = matching(array, r"^[+]?\d{5,19}\.0+$") if has.dot else np.zeros(0, np.bool_)
    if not integral.any():
        return array
    return pc.if_else(pa.array(integral), pc.replace_substring_regex(array, r"\.0+$", ""), array)


def _sample(tally: Tally, hits: Hits, orders: Orders, sizes: Any) -> None:
    """Keep some of the compact forms. Those of entire cells have the order of their cell, others of their own."""
    whole = look.whole(hits, sizes)
    mine = orders[hits.cell]
    rest = np.flatnonzero(~whole)
    if len(rest):
        mine[rest] = look.hashes(hits, rest)
    valid = hits.valid
    own = valid & ~hits.reserved
    kept = (
        [(tally.distinct, valid)]
        if own is valid or (own == valid).all()
        else [(tally.distinct, valid), (tally.own, own)]
    )
    if hits.entity in shapes.BY_ENTITY or hits.entity == "PHONE_NUMBER":
        kept.append((tally.samples, hits.end > hits.start))
    for bottom, marked in kept:
        picked = np.flatnonzero(marked)
        bottom.offer(mine[picked], lambda place, picked=picked: look.compact(hits, int(picked[place])))  # type: ignore[misc]
    if len(kept) and kept[0][0] is tally.distinct and all(bottom is not tally.own for bottom, _ in kept):
        tally.own.merge(tally.distinct)


def _count(tally: Tally, parts: Sequence[Hits], sizes: Any, weights: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Add the cells of the hits to the counts of a tally. Return the cells."""
    if len(parts) == 1 and (np.diff(parts[0].cell) > 0).all():
        hits = parts[0]
        cell, valid = hits.cell, hits.valid
        marked = {
            "shaped": np.ones(len(cell), np.bool_), "valid": valid, "whole": valid & look.whole(hits, sizes), "grouped": valid & hits.grouped,
            "near": valid & hits.near, "reserved": valid & hits.reserved,
        }  # fmt: skip
        weights = None if weights is None else weights[cell]
    else:
        marked = {name: np.zeros(len(sizes), np.bool_) for name in COUNTS}
        for hits in parts:
            valid = hits.valid
            marked["shaped"][hits.cell] = True
            for name, also in (
                ("valid", valid),
                ("whole", look.whole(hits, sizes)),
                ("grouped", hits.grouped),
                ("near", hits.near),
                ("reserved", ~hits.reserved),
            ):
                marked[name][hits.cell[valid & also]] = True
        marked["reserved"] = marked["valid"] & ~marked["reserved"]
        cell = np.flatnonzero(marked["shaped"])
    for name in COUNTS:
        setattr(tally, name, getattr(tally, name) + _total(marked[name], weights))
    return cell


class NotText(Unreadable):
    """Bytes that are no text."""


def strings(values: Iterable[str | None]) -> Any:
    """Return an Arrow array of the strings; a lone surrogate becomes a question mark."""
    import pyarrow as pa

    values = list(values)
    try:
        return pa.array(values, pa.large_string())
    except (UnicodeEncodeError, pa.ArrowInvalid):
        return pa.array(
            [None if v is None else v.encode("utf-8", "replace").decode() for v in values], pa.large_string()
        )


def _as_strings(array: Any) -> Any:
    import pyarrow as pa

    if (
        pa.types.is_binary(array.type)
        or pa.types.is_large_binary(array.type)
        or pa.types.is_fixed_size_binary(array.type)
    ):
        try:
            return array.cast(pa.binary()).cast(pa.string()).cast(pa.large_string())
        except pa.ArrowInvalid:
            raise NotText("holds bytes that are no text") from None
    try:
        return array.cast(pa.large_string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return strings(None if value is None else str(value) for value in array.to_pylist())


def _plain_number(value: float) -> str:
    return str(int(value)) if value == np.floor(value) and abs(value) < 2**63 else repr(value)


def _as_numbers(counts: Any) -> NDArray[np.int64] | None:
    if counts is None or isinstance(counts, np.ndarray):
        return counts
    found: NDArray[np.int64] = bytewise.values_of(counts)
    return found


def _total(marked: Any, weights: NDArray[np.int64] | None) -> int:
    return int(np.count_nonzero(marked)) if weights is None else int(weights[marked].sum())


_BLANK = np.zeros(256, np.bool_)
_BLANK[np.frombuffer(b" \t\n\r\v\f\xa0\xc2\xe2\xe3\xef", np.uint8)] = True
"""First bytes of white space, which is trimmed only where a cell has some."""


def _trimmed(array: Any, cells: bytewise.Cells) -> Any:
    import pyarrow.compute as pc

    if not len(cells):
        return array
    filled = cells.ends > cells.starts
    last = cells.data[cells.ends - 1]
    edges = _BLANK[cells.data[cells.starts]] | (last <= 32) | (last >= 0x80)
    return pc.utf8_trim_whitespace(array) if (edges & filled).any() else array


def _repeats(array: Any) -> bool:
    """Say whether the first cells repeat so much that it pays to look at each value once."""
    import pyarrow.compute as pc

    return len(array) <= PROBE or len(pc.unique(array.slice(0, PROBE))) * 4 < PROBE


def _filled(array: Any) -> Any:
    """Return which cells are neither empty nor written as empty."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keep = np.ones(len(array), np.bool_)
    short = np.flatnonzero(bytewise.values_of(pc.binary_length(array)) <= 4)
    if len(short):
        empty = pc.is_in(pc.utf8_lower(array.take(pa.array(short))), value_set=pa.array(_EMPTY, array.type))
        keep[short] = ~bytewise.values_of(empty)
    return keep


def _characters(cells: bytewise.Cells, has: bytewise.Traits, weights: NDArray[np.int64] | None) -> int:
    sizes = cells.ends - cells.starts
    total = int(sizes.sum()) if weights is None else int((sizes * weights).sum())
    return total - _marked(cells, (cells.data & 0xC0) == 0x80, weights) if has.foreign else total


def _marked(cells: bytewise.Cells, marked: Any, weights: NDArray[np.int64] | None) -> int:
    """Return how many bytes of the cells are marked. The bytes around the cells are zero."""
    if weights is None:
        return int(np.count_nonzero(marked))
    places = np.flatnonzero(marked)
    each = np.searchsorted(places, cells.ends) - np.searchsorted(places, cells.starts)
    return int((each * weights).sum())


def _persons(array: Any, cells: bytewise.Cells) -> Any:
    """Return which cells are written as a full name is."""
    import pyarrow as pa

    sizes = cells.ends - cells.starts
    found = np.zeros(len(array), np.bool_)
    maybe = np.flatnonzero((sizes >= 4) & (sizes <= MAX_NAME_BYTES))
    if len(maybe):
        found[maybe] = matching(array if len(maybe) == len(array) else array.take(pa.array(maybe)), fits.PERSON)
    return found


# --- Tables

_SPREAD = lazy.pattern(r"\[\]|\(keys\)|\*")
"""A column of nested records that were spread, see ``nesting``: its lists are those of its path."""


@dataclass(slots=True)
class Sheet:
    """The columns of one table, and how many rows were counted. ``places`` are line and column of the headers in the file."""

    profiles: list[Profile] = field(default_factory=list)
    rows: int = 0
    width: int = 0
    missed: list[str] = field(default_factory=list)
    tops: dict[tuple[str, int], tuple[str, str]] = field(
        default_factory=dict
    )  # label and number -> name as shown, and type
    _by_key: dict[tuple[str, int], Profile] = field(default_factory=dict)
    _reported: set[str] = field(default_factory=set)

    def add(self, batch: Any, places: Sequence[tuple[int, int]] = (), prose: bool = False) -> None:
        """Count the rows of a record batch. Columns are matched by name, those of one name by their order."""
        self.rows += batch.num_rows
        self.width = max(self.width, batch.num_columns)
        seen: Counter[str] = Counter()
        for at, (label, array) in enumerate(zip(batch.schema.names, batch.columns, strict=True)):
            seen[label] += 1
            line, column = places[at] if at < len(places) else (1, 1)
            self._column(label, seen[label], at + 1, array, (line, column), prose)

    def text(self, name: str, lines: Sequence[str]) -> None:
        """Count texts that stand beside the rows."""
        profile = self._by_key.get((name, 0))
        if profile is None:
            profile = self._by_key[name, 0] = Profile(name, text=True)
            self.profiles.append(profile)
        profile.add(lines)

    def merge(self, other: Sheet) -> None:
        """Add what was counted of the rows that come next in the same table."""
        self.rows += other.rows
        self.width = max(self.width, other.width)
        self.missed += [reason for reason in other.missed if reason not in self.missed]
        for key, told in other.tops.items():
            if key not in self.tops or self.tops[key][1] == "null":
                self.tops[key] = told
        for key, profile in other._by_key.items():
            if key[1] < 0 and key in self._by_key:
                continue  # a header, which is the same in each part
            if key in self._by_key:
                self._by_key[key].merge(profile)
            elif len(self._by_key) >= 2 * MAX_COLUMNS:
                self.missed += [
                    reason for reason in (f"wider than {MAX_COLUMNS:,} columns",) if reason not in self.missed
                ]
            else:
                self._by_key[key] = profile
                self.profiles.append(profile)

    def _column(self, label: str, number: int, position: int, array: Any, place: tuple[int, int], prose: bool) -> None:
        plain = " ".join(label.split())
        if prose:
            self._known((label, number), PROSE, array.type)
            self._leaf((label, number), PROSE, "", array, place, True)
            return
        shown = terms.shown(plain, position)
        shown = shown if number == 1 or shown != plain else f"{shown} ({number})"
        self._known((label, number), shown, array.type)
        hidden = bool(plain) and terms.reveals(plain)
        if hidden and (label, -number) not in self._by_key:
            self._leaf((label, -number), shown, "", strings([plain]), place)
        self._leaves((label, number), shown, "" if hidden else plain, array, place, 0)

    def _known(self, key: tuple[str, int], shown: str, kind: Any) -> None:
        if key not in self.tops or self.tops[key][1] == "null":
            self.tops[key] = shown, types.type_of(kind)

    def schema(self) -> str:
        """Return the SHA-256 of the columns' names and types as they are shown, in hexadecimal; "" for a table without columns."""
        told = "\n".join(f"{name}\t{kind}" for name, kind in self.tops.values())
        return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest() if told else ""

    def _leaf(
        self, key: tuple[str, int], shown: str, label: str, array: Any, place: tuple[int, int], text: bool = False
    ) -> None:
        profile = self._by_key.get(key)
        if profile is None:
            if len(self._by_key) >= 2 * MAX_COLUMNS:
                raise Unreadable(f"wider than {MAX_COLUMNS:,} columns")
            profile = self._by_key[key] = Profile(shown, label, *place, text=text)
            self.profiles.append(profile)
        try:
            profile.add(array)
        except NotText:
            if shown not in self._reported:
                self._reported.add(shown)
                self.missed.append(
                    f"column {shown!r} holds bytes that are no text (pictures, sound?); they were not looked at"
                )

    def _leaves(
        self, key: tuple[str, int], shown: str, label: str, array: Any, place: tuple[int, int], depth: int
    ) -> None:
        """Count the values inside of nested types, each under the path that leads to it."""
        import pyarrow as pa
        import pyarrow.compute as pc

        kind = array.type
        if depth > MAX_DEPTH:
            raise Unreadable(f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(kind, pa.BaseExtensionType):
            self._leaves(key, shown, label, array.storage, place, depth + 1)
        elif pa.types.is_dictionary(kind) and pa.types.is_nested(kind.value_type):
            self._leaves(key, shown, label, array.dictionary_decode(), place, depth + 1)
        elif pa.types.is_struct(kind):
            for number, part in enumerate(array.flatten()):
                name = kind.field(number).name
                if terms.reveals(name):  # keys that are data: they are values, and what is below them is one column
                    count = len(part) - part.null_count
                    keys = pa.array([name], pa.large_string()).take(pa.array(np.zeros(count, np.int64)))
                    self._leaf((f"{key[0]}.(keys)", key[1]), f"{shown}.(keys)", "", keys, place)
                    path, named = f"{shown}.*", "*"
                else:
                    path, named = f"{shown}.{terms.shown(name, number + 1)}", name
                self._leaves((f"{key[0]}.{named}", key[1]), path, f"{label}.{named}", part, place, depth + 1)
        elif pa.types.is_map(kind):
            self._leaves((f"{key[0]}.(keys)", key[1]), f"{shown}.(keys)", "", array.keys, place, depth + 1)
            self._leaves((f"{key[0]}.*", key[1]), f"{shown}.*", label, array.items, place, depth + 1)
        elif depth == 0 and pa.types.is_list(kind) and _SPREAD.search(key[0]):
            self._leaves(key, shown, label, pc.list_flatten(array), place, depth + 1)  # its name says it already
        elif (
            pa.types.is_list(kind)
            or pa.types.is_large_list(kind)
            or pa.types.is_fixed_size_list(kind)
            or pa.types.is_list_view(kind)
            or pa.types.is_large_list_view(kind)
        ):
            self._leaves((f"{key[0]}[]", key[1]), f"{shown}[]", label, pc.list_flatten(array), place, depth + 1)
        elif pa.types.is_union(kind):
            for number in range(kind.num_fields):
                self._leaves((f"{key[0]}|{number}", key[1]), shown, label, array.field(number), place, depth + 1)
        elif pa.types.is_run_end_encoded(kind):
            self._leaves(key, shown, label, pc.run_end_decode(array), place, depth + 1)
        elif pa.types.is_string_view(kind):
            self._leaf(key, shown, label, array.cast(pa.large_string()), place)
        elif pa.types.is_binary_view(kind):
            self._leaf(key, shown, label, array.cast(pa.large_binary()), place)
        elif not pa.types.is_null(kind):
            self._leaf(key, shown, label, array, place)
