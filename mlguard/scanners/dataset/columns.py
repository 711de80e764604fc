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

PROSE = "(text)"
"""Name of the one column of a file of prose. No header is shown like that."""

CLOSE_LOOK = 256
"""Distinct cells of a batch that are looked at one by one although their kind is plain."""

_PLAIN = (
    (
        "EMAIL_ADDRESS",
        r"^[A-Za-z0-9][A-Za-z0-9_.+\-]{0,62}@(?:[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*\.)+[A-Za-z]{2,24}$",
        # whatever the closer look treats apart: roles, files, names set aside, numbers inside
        r"(?i)^(?:git|no-?reply|do-?not-?reply|notreply|mailer-daemon|postmaster|hostmaster|webmaster|abuse)@|noreply\.github"
        r"|\.(?:png|jpe?g|gif|svg|webp|ico|css|[jt]sx?|py|md|txt|json|ya?ml|html?|xml|csv|zip|gz|whl|sh|pdf|lock|toml)$"
        r"|[@.](?:example|test|invalid|localhost|local|sample|dummy|fake|foo|bar|domain|email|mail|acme|yourdomain|company)(?:\.[a-z]+)?$"
        r"|(?:\d[^\d]{0,4}){6}\d",
    ),
    (
        "PHONE_NUMBER",
        r"^\+[1-9]\d{0,2}[ .\-/]?(?:\(0?\d{1,4}\)[ .\-/]?)?\d(?:[ .\-/]?\d){5,12}$",
        r"555|960|900|946|496|199|00|^(?:[^\d]*\d){16}",
    ),
)
"""RE2: (entity, the whole cell, what excludes it)."""

_WORDS = r"^\p{L}+(?:[ ,.()'\"’\-]{1,4}\p{L}+){1,7}[ .)\"]{0,3}$"

_EMPTY = ("", "na", "n/a", "nan", "null", "none", "-", "--", "?", "nil", "#n/a", "<na>", "nat")
_INTEGRAL = r"^[+]?\d{5,19}\.0+$"


class Bottom:
    """The values with the least hash: a sample of the distinct values that does not depend on their order."""

    __slots__ = ("_heap", "_kept", "_limit", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self._heap: list[tuple[int, str]] = []
        self._kept: set[str] = set()
        self._limit = 1 << 32

    def add(self, value: str, order: int) -> None:
        """Keep the value if ``order``, its ``hashed``, is among the least."""
        if order >= self._limit or value in self._kept:
            return
        self._kept.add(value)
        if len(self._heap) < self.most:
            heapq.heappush(self._heap, (-order, value))
        else:
            self._kept.discard(heapq.heappushpop(self._heap, (-order, value))[1])
        if len(self._heap) == self.most:
            self._limit = -self._heap[0][0]

    def values(self) -> list[str]:
        """Return the values in the order of their hash."""
        return [value for _, value in sorted(self._heap, reverse=True)]

    def __len__(self) -> int:
        return len(self._heap)


def hashed(value: str) -> int:
    """Return a number from 0 to 2**32 that is the same in every process."""
    return zlib.crc32(value.encode("utf-8", "replace"))


@dataclass(slots=True)
class Tally:
    """How often one entity was seen. All but the samples count cells."""

    shaped: int = 0
    valid: int = 0
    whole: int = 0  # valid, and the entire cell
    grouped: int = 0  # valid, with separators, a prefix or letters
    near: int = 0  # valid, with a word for it before
    reserved: int = 0  # valid, and only values set aside for examples
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
        for entity, plain, odd in _PLAIN:
            hits, weights = self._plain(entity, plain, odd, hits, weights)
        for cell, weight in zip(hits.to_pylist(), weights.to_pylist(), strict=True):
            self._count(cell, weight)

    def _plain(self, entity: str, plain: str, odd: str, hits: Any, weights: Any) -> tuple[Any, Any]:
        """Count the cells that are one plain value and nothing else, without a look at each; return the others.

        The first of them are left to the closer look, which keeps samples.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        mask = pc.match_substring_regex(hits, plain)
        if len(hits) <= CLOSE_LOOK or pc.sum(mask).as_py() in (None, 0):
            return hits, weights
        mask = pc.and_(mask, pc.invert(pc.match_substring_regex(hits, odd)))
        first = pa.array([True] * CLOSE_LOOK + [False] * (len(hits) - CLOSE_LOOK))
        mask = pc.and_(mask, pc.invert(first))
        cells = pc.sum(weights.filter(mask)).as_py() or 0
        tally = self.tallies.setdefault(entity, Tally())
        tally.shaped += cells
        tally.valid += cells
        tally.whole += cells
        tally.grouped += cells
        if entity == "PHONE_NUMBER":
            tally.near += cells
        rest = pc.invert(mask)
        return hits.filter(rest), weights.filter(rest)

    def _count(self, cell: str, weight: int) -> None:
        hits = list(shapes.find(cell))
        if not hits:
            return
        order = hashed(cell)
        if len(hits) == 1 or len({hit.entity for hit in hits}) == len(hits):
            for hit in hits:
                self._tally(cell, order, weight, hit.entity, (hit,))
            return
        grouped: dict[str, list[shapes.Hit]] = {}
        for hit in hits:
            grouped.setdefault(hit.entity, []).append(hit)
        for entity, same in grouped.items():
            self._tally(cell, order, weight, entity, same)

    def _tally(self, cell: str, order: int, weight: int, entity: str, hits: Sequence[shapes.Hit]) -> None:
        tally = self.tallies.get(entity)
        if tally is None:
            tally = self.tallies[entity] = Tally()
        tally.shaped += weight
        if len(cell) <= 2000:
            tally.cells.add(cell, order)
        whole = grouped = near = valid = own = False
        for hit in hits[:8]:
            text = hit.text
            place = order if text is cell else hashed(text)
            if text:
                tally.samples.add(text, place)
            if hit.valid:
                valid = True
                whole, grouped, near = whole or hit.whole, grouped or hit.grouped, near or hit.near
                tally.distinct.add(text, place)
                if not hit.reserved:
                    own = True
                    tally.own.add(text, place)
        if valid:
            tally.valid += weight
            tally.whole += weight * whole
            tally.grouped += weight * grouped
            tally.near += weight * near
            tally.reserved += weight * (not own)

    def _keep(self, distinct: Any, counts: Any) -> None:
        import pyarrow.compute as pc

        values, weights = pc.utf8_slice_codeunits(distinct, 0, MAX_SAMPLE_CHARS).to_pylist(), counts.to_pylist()
        if not self.text:
            named = pc.match_substring_regex(distinct, _WORDS)
            pairs = zip(distinct.filter(named).to_pylist(), counts.filter(named).to_pylist(), strict=True)
            self.person_cells += sum(weight for value, weight in pairs if terms.is_person(value))
        if self.term:
            fits = self.term.fits
            self.term_cells += sum(weight for value, weight in zip(values, weights, strict=True) if fits(value))
        for value in values:
            self.sample.add(value, hashed(value))
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
