"""Counts how well rows hide among each other: k-anonymity, l-diversity and t-closeness of one table, batch by batch.

Rows that agree in all quasi-identifiers form a class. Sources: k: Sweeney 2002; distinct, entropy and recursive l: Machanavajjhala
et al. 2007; t with equal and with ordered distance: Li, Li and Venkatasubramanian 2007. What is the same value: see ``hashing``.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mlguard.scanners.dataset import hashing
from mlguard.scanners.dataset.cells import values_of
from mlguard.scanners.dataset.hashing import Codes, Hashes
from mlguard.values import dataclass, field

MOST = 2 * 2**20
"""Classes, and pairs of a class and a sensitive value, that are counted exactly (about 40 MB each).

With more, a fair sample of whole classes is kept: those whose number lies in the lower half, quarter, eighth … of all numbers. Counts
of a kept class stay exact, k and l become upper bounds, and rows are estimated; ``share`` says which part was kept. Each sensitive
column has a sample of its own, so that k stays exact where only l has to be sampled.
"""

BLOCK = 2**18
"""Pairs that are worked on at once when figures are drawn, about."""

KEY = 0x1F3D5B79A8C6E402
"""Key of the numbers unless the caller has one. No secret: numbers of a known key must not leave the process."""

DENSE = 2 * 2**20
"""Size of the table of classes and sensitive values up to which it is kept whole (8 bytes each)."""

FIELD = 2 * 2**20
"""Size of a table of combinations up to which they are counted by place rather than by hash."""

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Diversity:
    """How varied one sensitive column is within the classes.

    ``distinct`` is the least number of different values in a class, ``entropy`` the exponential of the least entropy (natural
    logarithm), ``c`` the least factor for which recursive (c, l)-diversity holds with l = max(2, ``distinct``) (infinite when a class has
    fewer values), ``t`` the largest distance of a class from the whole table: ordered for numbers, equal otherwise (0 when the column
    has one value). ``alone`` counts the rows whose class has a single value, so that knowing the class tells the value.
    """

    column: str
    distinct: int
    entropy: float
    c: float
    t: float | None
    ordered: bool
    alone: int
    values: int
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Spread:
    """One column: how many different values it has, the share of rows with a value of their own, and its entropy in bits."""

    column: str
    distinct: int
    unique: float
    entropy: float


@dataclass(frozen=True, slots=True)
class Anonymity:
    """The figures of one table. ``share`` is the part of the classes that was counted: 1.0 means that all figures are exact."""

    columns: tuple[str, ...]
    rows: int
    classes: int
    k: int
    unique: int
    sizes: tuple[tuple[int, int], ...]  # (size of class, rows in such classes), up to SIZES
    diversity: tuple[Diversity, ...] = ()
    spread: tuple[Spread, ...] = ()
    share: float = 1.0

    def below(self, least: int) -> int:
        """Return the rows in classes of fewer than ``least`` rows; ``least`` is at most SIZES + 1."""
        return sum(rows for size, rows in self.sizes if size < least)


SIZES = 1000
"""Sizes of classes that are told apart."""


class Index:
    """Numbers to ids from 0 on, in the order in which they came, with a count for each id."""

    __slots__ = ("counts", "ids", "keys")

    def __init__(self) -> None:
        self.keys: Hashes = np.zeros(0, np.uint64)  # sorted
        self.ids: npt.NDArray[np.int32] = np.zeros(0, np.int32)
        self.counts: Counts = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, keys: Hashes, counts: Counts) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Count and return the id of each key, and the places among ``keys`` of the first ones of new keys."""
        unique, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        if len(unique) < len(keys):
            counts = np.bincount(inverse, weights=counts, minlength=len(unique)).astype(np.int64)
        else:
            counts = counts[first]
        at = np.searchsorted(self.keys, unique)
        known = np.zeros(len(unique), bool)
        inside = at < len(self.keys)
        known[inside] = self.keys[at[inside]] == unique[inside]
        ids = np.empty(len(unique), np.int32)
        ids[known] = self.ids[at[known]]
        new = np.flatnonzero(~known)
        if len(new):
            ids[new] = np.arange(len(self.counts), len(self.counts) + len(new), dtype=np.int32)
            self.keys = np.insert(self.keys, at[new], unique[new])
            self.ids = np.insert(self.ids, at[new], ids[new])
            self.counts = np.concatenate([self.counts, np.zeros(len(new), np.int64)])
        self.counts[ids] += counts
        return ids[inverse], first[new]

    def below(self, limit: np.uint64) -> int:
        """Return how many keys are less than ``limit``."""
        return int(np.searchsorted(self.keys, limit))

    def keep(self, limit: np.uint64) -> npt.NDArray[np.int32]:
        """Forget the keys from ``limit`` on; return the new id of each old one, -1 for none."""
        kept = int(np.searchsorted(self.keys, limit))
        old = self.ids[:kept]
        moved = np.full(len(self.counts), -1, np.int32)
        stays = np.zeros(len(self.counts), bool)
        stays[old] = True
        moved[stays] = np.arange(kept, dtype=np.int32)
        self.keys, self.counts, self.ids = self.keys[:kept].copy(), self.counts[stays], moved[old]
        return moved

    def sorted_counts(self) -> Counts:
        """Return the counts in the order of the keys."""
        return self.counts[self.ids]


@dataclass(slots=True)
class Sensitive:
    """The values of one sensitive column, and how often each stands in each class."""

    values: Index = field(default_factory=Index)
    numbers: Floats = field(default_factory=lambda: np.zeros(0))  # by id; not a number for text
    ranked: bool = True  # False when the numbers are not known: of a state
    level: int = 0
    pairs: Counts = field(default_factory=lambda: np.zeros(0, np.int64))  # class << 32 | value, sorted
    counts: Counts = field(default_factory=lambda: np.zeros(0, np.int64))
    dense: Counts = field(default_factory=lambda: np.zeros((0, 0), np.int64))  # by class and value, while that is small

    def count(self, classes: Counts, values: Counts, counts: Counts) -> None:
        """Add counts of pairs."""
        if not len(classes):
            return
        height, width = int(classes.max()) + 1, int(values.max()) + 1
        if not len(self.pairs) and max(height, len(self.dense)) * max(width, self.dense.shape[1]) <= DENSE:
            self._grow(height, width)
            np.add.at(self.dense.reshape(-1), classes * self.dense.shape[1] + values, counts)
        else:
            self.settle()
            self._insert(classes << 32 | values, counts)

    def size(self, most: int) -> int:
        """Return how many pairs there are, or anything up to ``most`` when there cannot be more."""
        small = self.dense.size <= most
        return len(self.pairs) + (self.dense.size if small else int(np.count_nonzero(self.dense)))

    def _grow(self, height: int, width: int) -> None:
        tall, wide = self.dense.shape
        if height > tall or width > wide:
            larger = np.zeros((max(tall, height), max(wide, width)), np.int64)
            larger[:tall, :wide] = self.dense
            self.dense = larger

    def settle(self) -> None:
        """Have every pair in ``pairs`` and ``counts``."""
        if self.dense.size:
            classes, values = np.nonzero(self.dense)
            counts = self.dense[classes, values]
            self.dense = np.zeros((0, 0), np.int64)
            self._insert(classes.astype(np.int64) << 32 | values, counts)

    def _insert(self, pairs: Counts, counts: Counts) -> None:
        order = np.argsort(pairs)
        pairs, counts = pairs[order], counts[order]
        if len(pairs) > 1 and (pairs[1:] == pairs[:-1]).any():
            pairs, at = np.unique(pairs, return_index=True)
            counts = np.add.reduceat(counts, at)
        at = np.searchsorted(self.pairs, pairs)
        known = np.zeros(len(pairs), bool)
        inside = at < len(self.pairs)
        known[inside] = self.pairs[at[inside]] == pairs[inside]
        self.counts[at[known]] += counts[known]
        new = ~known
        if new.any():
            self.pairs = np.insert(self.pairs, at[new], pairs[new])
            self.counts = np.insert(self.counts, at[new], counts[new])

    def move(self, classes: npt.NDArray[np.int32]) -> None:
        """Give the classes their new ids, and forget the pairs of those that have none."""
        self.settle()
        moved = classes[self.pairs >> 32].astype(np.int64)
        kept = moved >= 0
        pairs = moved[kept] << 32 | self.pairs[kept] & 0xFFFFFFFF
        order = np.argsort(pairs)
        self.pairs, self.counts = pairs[order], self.counts[kept][order]


class Classes:
    """The classes of a table's rows by ``columns``, and the values of the ``sensitive`` columns in them.

    Columns are named as in the batches; one that a batch lacks is missing in all its rows. Any order and any cut of the rows into batches
    and objects gives the same result. ``state`` holds no value but numbers that can be tried out by whoever knows the key: it is for
    the processes of one run on one machine, under a random key, and belongs in no file.
    """

    def __init__(self, columns: Sequence[str], sensitive: Sequence[str] = (), key: int = KEY, most: int = MOST) -> None:
        self.columns, self.names = tuple(columns), tuple(sensitive)
        self.key, self.most, self.level, self.rows = key, most, 0, 0
        self.index = Index()
        self.sensitive = [Sensitive() for _ in self.names]
        self.spread = [_Spread(most) for _ in self.columns]

    def add(self, batch: Any) -> None:
        """Count the rows of a ``pyarrow.RecordBatch``."""
        if not batch.num_rows:
            return
        self.rows += batch.num_rows
        combined, table = self._combined(batch)
        counts = np.bincount(combined, minlength=len(table))
        used = np.flatnonzero(counts)
        if self.level:
            used = used[table[used] < _limit(self.level)]
        ids, _ = self.index.add(table[used], counts[used])
        place = np.full(len(table), -1, np.int64)
        place[used] = np.arange(len(used))
        rows = place[combined] if self.sensitive else combined
        for name, sensitive in zip(self.names, self.sensitive, strict=True):
            if sensitive.level > self.level:
                some = place.copy()
                some[used[table[used] >= _limit(sensitive.level)]] = -1
                self._pairs(sensitive, _column(batch, name), some[combined], ids)
            else:
                self._pairs(sensitive, _column(batch, name), rows, ids)
        self._bounded()

    def _combined(self, batch: Any) -> tuple[Codes, Hashes]:
        """Return a code for each row and the number of the class that each code stands for."""
        import pyarrow as pa

        combined: Codes = np.zeros(batch.num_rows, np.int64)
        table: Hashes = hashing.mixed(np.array([self.key], np.uint64))
        space = max(FIELD // 8, 2 * batch.num_rows)
        for name, spread in zip(self.columns, self.spread, strict=True):
            codes, numbers, _ = hashing.encoded(_column(batch, name), self.key)
            spread.add(numbers, np.bincount(codes, minlength=len(numbers)))
            if len(table) * len(numbers) <= space:
                combined = codes if len(table) == 1 else combined * len(numbers) + codes
                table = hashing.joined(table[:, None], numbers[None, :]).ravel()
            else:
                rows = pa.array(hashing.joined(table[combined], numbers[codes])).dictionary_encode()
                combined, table = values_of(rows.indices), values_of(rows.dictionary)
        return combined, table

    def _pairs(self, sensitive: Sensitive, column: Any, rows: Codes, ids: npt.NDArray[np.int32]) -> None:
        import pyarrow as pa

        codes, numbers, texts = hashing.encoded(column, self.key)
        present = np.bincount(codes, minlength=len(numbers))
        used = np.flatnonzero(present)
        given, new = sensitive.values.add(numbers[used], present[used])
        if len(new):
            known = _numbers(texts, used[new])
            sensitive.numbers = np.concatenate([sensitive.numbers, known])[: len(sensitive.values)]
        value = np.zeros(len(numbers), np.int64)
        value[used] = given
        kept = rows >= 0
        if not kept.all():
            rows, codes = rows[kept], codes[kept]
        pair = rows * len(numbers) + codes
        if len(ids) * len(numbers) <= FIELD:
            counted = np.bincount(pair, minlength=1)
            distinct = np.flatnonzero(counted)
            counts = counted[distinct]
        else:
            coded = pa.array(pair).dictionary_encode()
            distinct = values_of(coded.dictionary)
            counts = np.bincount(values_of(coded.indices), minlength=len(distinct))
        sensitive.count(ids[distinct // len(numbers)].astype(np.int64), value[distinct % len(numbers)], counts)

    def _bounded(self) -> None:
        """Keep a smaller part of the classes while there are too many, and of their values likewise."""
        if len(self.index) > self.most:
            self._raise(next(level for level in range(self.level, 64) if self.index.below(_limit(level)) <= self.most))
        for sensitive in self.sensitive:
            while sensitive.size(self.most) > self.most and sensitive.level < 63:
                self._lower(sensitive, sensitive.level + 1)

    def _raise(self, level: int) -> None:
        self.level = level
        moved = self.index.keep(_limit(level))
        for sensitive in self.sensitive:
            sensitive.level = max(sensitive.level, level)
            sensitive.move(moved)

    def _lower(self, sensitive: Sensitive, level: int) -> None:
        """Keep the pairs of a smaller part of the classes."""
        sensitive.level = level
        kept = np.full(len(self.index.counts), -1, np.int32)
        some = self.index.ids[: self.index.below(_limit(level))]
        kept[some] = some
        sensitive.move(kept)

    def merge(self, other: Classes) -> None:
        """Add the rows that another object of the same columns and key has counted."""
        if (other.columns, other.names, other.key, other.most) != (self.columns, self.names, self.key, self.most):
            raise ValueError("only classes of the same columns and key can be merged")
        self.rows += other.rows
        level = max(self.level, other.level)
        if self.level < level:
            self._raise(level)
        kept = other.index.keys < _limit(level) if level else np.ones(len(other.index), bool)
        moved = np.full(len(other.index.counts), -1, np.int32)
        moved[other.index.ids[kept]], _ = self.index.add(other.index.keys[kept], other.index.sorted_counts()[kept])
        for mine, theirs in zip(self.sensitive, other.sensitive, strict=True):
            top = max(mine.level, theirs.level, level)
            if mine.level < top:
                self._lower(mine, top)
            least = moved.copy()
            if top:
                least[other.index.ids[other.index.keys >= _limit(top)]] = -1
            _merge_sensitive(mine, theirs, least)
        for spread, more in zip(self.spread, other.spread, strict=True):
            spread.merge(more)
        self._bounded()

    def state(self) -> dict[str, Any]:
        """Return the counts as JSON values, the same for the same rows in any order. Numbers of a column of numbers are left out."""
        by_key = np.empty(len(self.index.counts), np.int32)
        by_key[self.index.ids] = np.arange(len(self.index), dtype=np.int32)
        return {
            "columns": list(self.columns), "sensitive": list(self.names), "rows": self.rows, "level": self.level, "most": self.most,
            "keys": _packed(self.index.keys), "counts": _packed(self.index.sorted_counts()),
            "values": [_sensitive_state(sensitive, by_key) for sensitive in self.sensitive],
            "spread": [[spread.level, _packed(spread.index.keys), _packed(spread.index.sorted_counts())] for spread in self.spread],
        }  # fmt: skip

    @classmethod
    def from_state(cls, state: Mapping[str, Any], key: int = KEY) -> Classes:
        """Return what ``state`` described; ``key`` is that of the object that wrote it."""
        classes = cls(state["columns"], state["sensitive"], key, state["most"])
        classes.rows, classes.level = state["rows"], state["level"]
        classes.index.add(_unpacked(state["keys"], np.uint64), _unpacked(state["counts"], np.int64))
        for sensitive, (level, keys, counts, pairs, paired) in zip(classes.sensitive, state["values"], strict=True):
            sensitive.level = level
            sensitive.values.add(_unpacked(keys, np.uint64), _unpacked(counts, np.int64))
            sensitive.ranked, sensitive.numbers = False, np.full(len(sensitive.values), np.nan)
            packed = _unpacked(pairs, np.int64)
            sensitive.count(packed >> 32, packed & 0xFFFFFFFF, _unpacked(paired, np.int64))
        for spread, (level, keys, counts) in zip(classes.spread, state["spread"], strict=True):
            spread.level = level
            spread.index.add(_unpacked(keys, np.uint64), _unpacked(counts, np.int64))
        return classes

    def result(self) -> Anonymity:
        """Return the figures of all rows so far."""
        counts = self.index.counts
        times = 2**self.level
        if not len(counts):
            return Anonymity(self.columns, self.rows, 0, 0, 0, (), share=1 / times)
        sizes, number = np.unique(counts[counts <= SIZES], return_counts=True)
        spread = tuple(part.result(name) for name, part in zip(self.columns, self.spread, strict=True))
        return Anonymity(
            self.columns, self.rows, len(counts) * times, int(counts.min()), int((counts == 1).sum()) * times,
            tuple((int(size), int(size) * int(many) * times) for size, many in zip(sizes, number, strict=True)),
            tuple(_diversity(name, part, counts, self._missing()) for name, part in zip(self.names, self.sensitive, strict=True)),
            spread, 1 / times,
        )  # fmt: skip

    def _missing(self) -> np.uint64:
        return hashing.hashed_missing(self.key)


def _limit(level: int) -> np.uint64:
    """Return the number from which on classes are left out: half of them at level 1, three quarters at level 2."""
    return np.uint64(2 ** (64 - level)) if level else np.uint64(2**64 - 1)


class _Spread:
    """Counts the values of one column; with too many of them, a fair part of the values."""

    __slots__ = ("index", "level", "most")

    def __init__(self, most: int) -> None:
        self.index, self.level, self.most = Index(), 0, max(most // 8, 1)

    def add(self, numbers: Hashes, counts: Counts) -> None:
        kept = counts > 0
        if self.level:
            kept &= numbers < _limit(self.level)
        self.index.add(numbers[kept], counts[kept])
        while len(self.index) > self.most and self.level < 63:
            self.level += 1
            self.index.keep(_limit(self.level))

    def merge(self, other: _Spread) -> None:
        if self.level < other.level:
            self.level = other.level
            self.index.keep(_limit(self.level))
        self.add(other.index.keys, other.index.sorted_counts())

    def result(self, name: str) -> Spread:
        counts = self.index.sorted_counts()
        rows = int(counts.sum()) or 1
        share = counts / rows
        entropy = float(-(share * np.log2(share)).sum()) + self.level if len(counts) else 0.0
        return Spread(
            name, len(counts) << self.level, round(int((counts == 1).sum()) / rows, 6), round(max(entropy, 0.0), 6)
        )


def _column(batch: Any, name: str) -> Any:
    import pyarrow as pa

    at = batch.schema.get_all_field_indices(name)
    if not at:
        return pa.nulls(batch.num_rows, pa.string())
    column = batch.column(at[0])
    return column.cast(pa.string()) if pa.types.is_null(column.type) else column


def _numbers(texts: Any, at: npt.NDArray[np.int64]) -> Floats:
    """Return the numbers that the values at some places are written as; the place behind the last is a missing cell."""
    found = np.full(len(at), np.nan)
    for place, index in enumerate(at.tolist()):
        text = texts[index].as_py() if index < len(texts) else None
        if text is not None:
            try:
                found[place] = float(text)
            except ValueError:
                continue
    return found


def _merge_sensitive(mine: Sensitive, theirs: Sensitive, classes: npt.NDArray[np.int32]) -> None:
    theirs.settle()
    order = theirs.values.ids
    given, new = mine.values.add(theirs.values.keys, theirs.values.sorted_counts())
    values = np.zeros(len(theirs.values.counts), np.int64)
    values[order] = given
    mine.numbers = np.concatenate([mine.numbers, theirs.numbers[order][new]])
    mine.ranked = mine.ranked and theirs.ranked
    moved = classes[theirs.pairs >> 32].astype(np.int64)
    kept = moved >= 0
    mine.count(moved[kept], values[theirs.pairs[kept] & 0xFFFFFFFF], theirs.counts[kept])


def _sensitive_state(sensitive: Sensitive, classes: npt.NDArray[np.int32]) -> list[Any]:
    sensitive.settle()
    values = np.empty(len(sensitive.values.counts), np.int64)
    values[sensitive.values.ids] = np.arange(len(sensitive.values))
    pairs = classes[sensitive.pairs >> 32].astype(np.int64) << 32 | values[sensitive.pairs & 0xFFFFFFFF]
    order = np.argsort(pairs)
    return [
        sensitive.level, _packed(sensitive.values.keys), _packed(sensitive.values.sorted_counts()), _packed(pairs[order]),
        _packed(sensitive.counts[order]),
    ]  # fmt: skip


def _packed(array: npt.NDArray[Any]) -> str:
    return base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode("ascii")


def _unpacked(text: str, kind: type[np.generic]) -> Any:
    return np.frombuffer(base64.b64decode(text), np.dtype(kind).newbyteorder("<")).astype(kind)


# --- Diversity


def _diversity(name: str, sensitive: Sensitive, sizes: Counts, missing: np.uint64) -> Diversity:
    """Return the figures of one sensitive column; ``sizes`` are the rows of each class."""
    sensitive.settle()
    whole = sensitive.values.counts
    ordered, rank = _ranks(sensitive, missing)
    share = 1 / 2**sensitive.level
    if not len(sensitive.pairs):
        return Diversity(name, 0, 0.0, math.inf, None, ordered, 0, len(whole), share)
    least = int(min(np.diff(np.append(starts, end - start)).min() for start, end, starts in _blocks(sensitive.pairs)))
    table = _Table(ordered, rank, whole / whole.sum(), max(least, 2))
    entropy, c, t, alone = math.inf, 0.0, 0.0, 0
    for start, end, starts in _blocks(sensitive.pairs):
        pairs, counts = sensitive.pairs[start:end], sensitive.counts[start:end]
        distinct = np.diff(np.append(starts, end - start))
        size = sizes[pairs[starts] >> 32]
        part = counts / np.repeat(size, distinct)
        entropy = min(entropy, float((-np.add.reduceat(part * np.log(part), starts)).min()))
        c = max(c, _recursive(counts, starts, distinct, table.least))
        t = max(t, table.distance(pairs, counts, part, size, distinct, starts))
        alone += int(size[distinct == 1].sum())
    known = not ordered or rank is not None
    return Diversity(
        name, least, round(math.exp(max(entropy, 0.0)), 6), round(c, 6), round(t, 6) if known else None, ordered,
        alone * 2**sensitive.level, len(whole), share,
    )  # fmt: skip


def _blocks(pairs: Counts) -> Iterator[tuple[int, int, Codes]]:
    """Yield (start, end, starts of classes from there) of stretches of whole classes."""
    start = 0
    while start < len(pairs):
        end = min(start + BLOCK, len(pairs))
        if end < len(pairs):
            end = int(np.searchsorted(pairs, (pairs[end] >> 32) << 32))
            if end <= start:  # one class larger than a block
                end = int(np.searchsorted(pairs, ((pairs[start] >> 32) + 1) << 32))
        classes = pairs[start:end] >> 32
        yield start, end, np.flatnonzero(np.append(True, classes[1:] != classes[:-1]))
        start = end


@dataclass(frozen=True, slots=True)
class _Table:
    """How the values are spread over the whole table: the share of each, and for numbers the rank of each."""

    ordered: bool
    rank: Codes | None
    whole: Floats
    least: int

    def distance(
        self, pairs: Counts, counts: Counts, part: Floats, size: Counts, distinct: Codes, starts: Codes
    ) -> float:
        """Return the largest distance of a class from the whole table."""
        values = pairs & 0xFFFFFFFF
        if not self.ordered:
            return _equal(part, self.whole[values], starts)
        if self.rank is None:
            return 0.0
        return _ordered(
            pairs >> 32, self.rank[values], counts, size, distinct, starts, self.whole[np.argsort(self.rank)]
        )


def _ranks(sensitive: Sensitive, missing: np.uint64) -> tuple[bool, Codes | None]:
    """Return whether all values are numbers, and then the rank of each; missing ones come last, equal ones are one value."""
    if not sensitive.ranked:
        return True, None  # it cannot be told, so no distance is
    numbers = sensitive.numbers.copy()
    at = np.searchsorted(sensitive.values.keys, missing)
    if at < len(sensitive.values.keys) and sensitive.values.keys[at] == missing:
        numbers[sensitive.values.ids[at]] = np.inf
    if np.isnan(numbers).any() or len(numbers) < 2 or np.isinf(numbers).all():
        return False, None
    keys = np.empty(len(numbers), np.uint64)
    keys[sensitive.values.ids] = sensitive.values.keys
    rank = np.empty(len(numbers), np.int64)
    rank[np.lexsort((keys, numbers))] = np.arange(len(numbers))
    return True, rank


def _equal(share: Floats, whole: Floats, starts: Codes) -> float:
    """Return the largest distance when all values are equally far apart: half the sum of differences, absent values included."""
    inside = np.add.reduceat(np.abs(share - whole) - whole, starts)
    return float(((inside + 1) / 2).max())


def _ordered(
    classes: Codes, rank: Codes, counts: Counts, size: Counts, distinct: Codes, starts: Codes, whole: Floats
) -> float:
    """Return the largest earth mover's distance over ordered values: the mean difference of the cumulated shares.

    A class's cumulated share is constant between two of its values, and that of the table never falls, so each stretch is summed
    with prefix sums on both sides of the place where they cross.
    """
    order = np.lexsort((rank, classes))
    rank, counts = rank[order], counts[order]
    last = len(whole)
    cumulated = np.cumsum(whole)
    sums = np.append(0.0, np.cumsum(cumulated))
    total = np.cumsum(counts)
    before = np.repeat(total[starts] - counts[starts], distinct)
    level = (total - before) / np.repeat(size, distinct)
    end = np.append(rank[1:], last)
    end[np.append(starts[1:], len(rank)) - 1] = last
    cross = np.clip(np.searchsorted(cumulated, level), rank, end)
    stretch = level * (cross - rank) - (sums[cross] - sums[rank]) + (sums[end] - sums[cross]) - level * (end - cross)
    distance = np.add.reduceat(stretch, starts) + sums[rank[starts]]
    return float(distance.max()) / (last - 1)


def _recursive(counts: Counts, starts: Codes, distinct: Codes, least: int) -> float:
    """Return the least c with r1 < c * (r_l + … + r_m) in every class, as a bound that c must exceed."""
    if (distinct < least).any():
        return math.inf
    group = np.repeat(np.arange(len(starts)), distinct)
    order = np.lexsort((-counts, group))
    ranked = counts[order]
    position = np.arange(len(counts)) - np.repeat(starts, distinct)
    tail = np.add.reduceat(np.where(position >= least - 1, ranked, 0), starts)
    return float((ranked[starts] / tail).max())
