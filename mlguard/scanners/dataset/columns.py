"""Counts what a column's cells look like, batch by batch, in bounded memory."""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlguard.scanners.dataset import shapes, terms

SAMPLE = 1000
"""Distinct values of a column that are kept for tests of distribution; counts never come from them."""

CANDIDATES = 400
"""Distinct cells kept for each entity: for the second opinion and for the permutation null."""

FEW = 60
"""A column of at most so many distinct values is one of categories."""

MAX_SAMPLE_CHARS = 400
"""Characters of a kept value; longer ones are cut."""

_EMPTY = ("", "na", "n/a", "nan", "null", "none", "-", "--", "?", "nil", "#n/a", "<na>", "nat")
_INTEGRAL = r"^[+]?\d{5,19}\.0+$"


class Bottom:
    """The values with the least hash: a sample of the distinct values that does not depend on their order."""

    __slots__ = ("_heap", "_kept", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self._heap: list[tuple[int, str]] = []
        self._kept: set[str] = set()

    def add(self, value: str) -> None:
        order = -zlib.crc32(value.encode("utf-8", "replace"))
        if len(self._heap) < self.most:
            if value not in self._kept:
                self._kept.add(value)
                heapq.heappush(self._heap, (order, value))
        elif order > self._heap[0][0] and value not in self._kept:
            self._kept.add(value)
            self._kept.discard(heapq.heappushpop(self._heap, (order, value))[1])

    def values(self) -> list[str]:
        """Return the values in the order of their hash."""
        return [value for _, value in sorted(self._heap, reverse=True)]


@dataclass(slots=True)
class Tally:
    """How often one entity was seen. All but the samples count cells."""

    shaped: int = 0
    valid: int = 0
    whole: int = 0  # valid, and the entire cell
    grouped: int = 0  # valid, with separators, a prefix or letters
    near: int = 0  # valid, with a word for it before
    reserved: int = 0  # valid, and only values set aside for examples
    shaped_whole: int = 0
    samples: Bottom = field(default_factory=lambda: Bottom(CANDIDATES))  # compact forms
    cells: Bottom = field(default_factory=lambda: Bottom(24))  # as written, for the second opinion
    distinct: Bottom = field(default_factory=lambda: Bottom(64))  # compact forms of the valid ones
    own: Bottom = field(default_factory=lambda: Bottom(64))  # and of those that are not reserved


@dataclass(slots=True)
class Profile:
    """One column. ``name`` is fit to be shown; ``label`` is the name as it stands, for comparing only."""

    name: str
    label: str = ""
    line: int = 1
    column: int = 1
    text: bool = False  # lines of prose, not cells
    cells: int = 0
    chars: int = 0
    spaces: int = 0
    person_cells: int = 0
    term_cells: int = 0
    tallies: dict[str, Tally] = field(default_factory=dict)
    sample: Bottom = field(default_factory=lambda: Bottom(SAMPLE))
    few: dict[str, int] | None = field(default_factory=dict)
    term: terms.Term | None = None

    def __post_init__(self) -> None:
        self.term = terms.term_of(self.label) if self.label else None

    def add(self, values: Sequence[str | None] | Any) -> None:
        """Count a batch: a sequence of strings, or an Arrow array of them. Empty cells are left out."""
        import pyarrow as pa
        import pyarrow.compute as pc

        array = values if isinstance(values, (pa.Array, pa.ChunkedArray)) else strings(values)
        array = pc.utf8_trim_whitespace(array.drop_null())
        counted = pc.value_counts(array)
        if isinstance(counted, pa.ChunkedArray):
            counted = counted.combine_chunks()
        distinct, counts = counted.field(0), counted.field(1)
        full = pc.invert(pc.is_in(pc.utf8_lower(distinct), value_set=pa.array(_EMPTY, distinct.type)))
        distinct, counts = distinct.filter(full), counts.filter(full)
        if not len(distinct):
            return
        self.cells += pc.sum(counts).as_py()
        self.chars += pc.sum(pc.multiply(pc.cast(pc.utf8_length(distinct), pa.int64()), counts)).as_py()
        self.spaces += pc.sum(pc.multiply(pc.cast(pc.count_substring(distinct, " "), pa.int64()), counts)).as_py()
        self._look(distinct, counts)
        self._keep(distinct, counts)

    def _look(self, distinct: Any, counts: Any) -> None:
        import pyarrow.compute as pc

        gate = pc.and_(
            pc.match_substring_regex(distinct, shapes.GATE),
            pc.invert(pc.match_substring_regex(distinct, shapes.MACHINE)),
        )
        hits, weights = distinct.filter(gate), counts.filter(gate)
        if not len(hits):
            return
        integral = pc.match_substring_regex(hits, _INTEGRAL)
        hits = pc.if_else(integral, pc.replace_substring_regex(hits, r"\.0+$", ""), hits)  # pandas' integers with gaps
        for cell, weight in zip(hits.to_pylist(), weights.to_pylist(), strict=True):
            self._count(cell, weight)

    def _count(self, cell: str, weight: int) -> None:
        best: dict[str, list[shapes.Hit]] = {}
        for hit in shapes.find(cell):
            best.setdefault(hit.entity, []).append(hit)
        for entity, hits in best.items():
            tally = self.tallies.get(entity)
            if tally is None:
                tally = self.tallies[entity] = Tally()
            valid = [hit for hit in hits if hit.valid]
            tally.shaped += weight
            tally.shaped_whole += weight * any(hit.whole for hit in hits)
            for hit in hits[:8]:
                if hit.text:
                    tally.samples.add(hit.text)
            if len(cell) <= 2000:
                tally.cells.add(cell)
            if not valid:
                continue
            tally.valid += weight
            tally.whole += weight * any(hit.whole for hit in valid)
            tally.grouped += weight * any(hit.grouped for hit in valid)
            tally.near += weight * any(hit.near for hit in valid)
            tally.reserved += weight * all(hit.reserved for hit in valid)
            for hit in valid[:8]:
                tally.distinct.add(hit.text)
                if not hit.reserved:
                    tally.own.add(hit.text)

    def _keep(self, distinct: Any, counts: Any) -> None:
        import pyarrow.compute as pc

        values, weights = pc.utf8_slice_codeunits(distinct, 0, MAX_SAMPLE_CHARS).to_pylist(), counts.to_pylist()
        if not self.text:
            self.person_cells += sum(
                weight
                for value, weight in zip(values, weights, strict=True)
                if value[:1].isalpha() and terms.is_person(value)
            )
        if self.term:
            fits = self.term.fits
            self.term_cells += sum(weight for value, weight in zip(values, weights, strict=True) if fits(value))
        for value in values:
            self.sample.add(value)
        if self.few is not None:
            for value, weight in zip(values, weights, strict=True):
                self.few[value] = self.few.get(value, 0) + weight
                if len(self.few) > FEW:
                    self.few = None
                    break

    @property
    def free_text(self) -> bool:
        """Whether the cells are prose: long, with many spaces."""
        return self.text or bool(self.cells) and self.chars / self.cells > 45 and self.spaces / self.cells > 5


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
