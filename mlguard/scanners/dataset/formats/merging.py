"""Puts the tables of an archive's members together: the shards of a dataset are one table, and a folder of texts is one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from mlguard import lazy
from mlguard.scanners.dataset.formats.budget import Budget
from mlguard.scanners.dataset.table import BATCH_ROWS, Table
from mlguard.values import dataclass, field

MAX_TABLES = 1_000
"""Tables of one archive that are told apart."""

POOL_BYTES = 64 * 2**20
"""Rows of members that wait for others of their pattern."""

JOINED_BYTES = 4 * 2**20
"""Batches smaller than this are joined."""

MAX_TEXT_LINES = 10_000
"""Lines of texts beside the rows that are kept of one group of members."""

_NUMBERS = lazy.pattern(r"(?<![A-Za-z0-9])[0-9a-f]{8}(?:-?[0-9a-f]{4,}){0,4}(?![A-Za-z0-9])|\d+")

Part = tuple[str, Table, Any]
"""Name of the member, table, and its first batch or None."""

Key = tuple[str, str, str, bool]
"""Pattern of the members' names, name and format of the table, and whether it is prose."""


def pattern(name: str, prose: bool = False) -> str:
    """Return what shards have in common: ``train-00001-of-00004.csv`` gives ``train-*-of-*.csv``, a text its folder and suffix."""
    if prose and name:
        folder, slash, base = name.rpartition("/")
        return f"{starred(folder)}{slash}*" + (f".{base.rsplit('.', 1)[1]}" if "." in base else "")
    return starred(name)


def starred(name: str) -> str:
    """Return a name with its numbers, and what looks like a digest or an identifier, as stars."""
    return _NUMBERS.sub("*", name)


def order(name: str) -> tuple[str, str]:
    """Return a sort key that brings members of one pattern together."""
    folder, _, base = name.rpartition("/")
    return f"{starred(folder)}/{base.rsplit('.', 1)[-1] if '.' in base else ''}/{starred(base)}", name


def merged(parts: Iterator[tuple[str, Table]], budget: Budget) -> Iterator[Table]:
    """Yield the tables of ``parts``, (name of the member, table), with those of one pattern and like columns put together.

    They are, when they come one after the other or are small; else a pattern occurs more than once.
    """
    for number, table in enumerate(_Merger(parts).run()):
        if number >= MAX_TABLES:
            budget.note("too-large", f"holds more than {MAX_TABLES:,} tables; the rest was not read")
            for _ in table.batches:
                pass
            continue
        table.batches = _followed(table, table.batches, budget)
        yield table


def _followed(table: Table, batches: Iterator[Any], budget: Budget) -> Iterator[Any]:
    try:
        yield from joined(batches)
    finally:
        table.missed += budget.told()


def joined(batches: Iterator[Any]) -> Iterator[Any]:
    """Yield the batches with small ones of one schema put together."""
    waiting: list[Any] = []
    size = rows = 0
    for batch in batches:
        if waiting and (rows + batch.num_rows > BATCH_ROWS or batch.schema != waiting[0].schema):
            yield _one(waiting)
            waiting, size, rows = [], 0, 0
        waiting.append(batch)
        size, rows = size + batch.nbytes, rows + batch.num_rows
        if size > JOINED_BYTES:
            yield _one(waiting)
            waiting, size, rows = [], 0, 0
    if waiting:
        yield _one(waiting)


def _one(batches: list[Any]) -> Any:
    if len(batches) == 1:
        return batches[0]
    import pyarrow as pa

    return pa.concat_batches(batches)


@dataclass(slots=True, eq=False)
class _Group:
    """Members of one pattern whose rows wait. ``columns`` are those seen."""

    key: Key
    table: Table
    columns: frozenset[str] = frozenset()
    batches: list[Any] = field(default_factory=list)
    size: int = 0

    def takes(self, batch: Any) -> bool:
        """Say whether a batch has the same columns, some of them, or these and more."""
        names = frozenset(batch.schema.names) if batch is not None else self.columns
        return names <= self.columns or self.columns <= names

    def add(self, batch: Any) -> None:
        self.batches.append(batch)
        self.size += batch.nbytes
        self.columns |= frozenset(batch.schema.names)

    def take_texts(self, table: Table) -> None:
        own = dict(self.table.texts)
        for name, lines in table.texts:
            kept = own.setdefault(name, [])
            kept += lines[: max(0, MAX_TEXT_LINES - len(kept))]
        self.table.texts = list(own.items())
        self.table.missed += [one for one in table.missed if one not in self.table.missed]


class _Merger:
    def __init__(self, parts: Iterator[tuple[str, Table]]) -> None:
        self._parts = parts
        self._groups: dict[Key, list[_Group]] = {}
        self._pending: Part | None = None
        self._size = 0

    def run(self) -> Iterator[Table]:
        while (part := self._next()) is not None:
            _, table, first = part
            group = self._group(part)
            rest: Iterator[Any] = chain((first,), table.batches) if first is not None else iter(())
            for batch in rest:
                group.add(batch)
                self._size += batch.nbytes
                if self._size > POOL_BYTES:
                    largest = max((one for some in self._groups.values() for one in some), key=lambda one: one.size)
                    if largest is group or group.size * 4 > POOL_BYTES:
                        yield self._out(group, table)
                        break
                    yield self._out(largest, None)
            else:
                group.take_texts(table)
        for group in [one for some in self._groups.values() for one in some]:
            yield self._out(group, None)

    def _next(self) -> Part | None:
        part, self._pending = self._pending, None
        if part is None and (got := next(self._parts, None)) is not None:
            part = (*got, next(iter(got[1].batches), None))
        return part

    def _group(self, part: Part) -> _Group:
        member, table, first = part
        key = _key(member, table)
        groups = self._groups.setdefault(key, [])
        for group in groups:
            if group.takes(first):
                return group
        shown = f"{key[0]} > {table.name}" if table.name and key[0] else key[0] or table.name
        name = f"{shown} ({len(groups) + 1})" if groups else shown
        groups.append(_Group(key, Table(table.format, iter(()), name, table.places, table.prose)))
        return groups[-1]

    def _out(self, group: _Group, reading: Table | None) -> Table:
        """Return the table of a group, whose rows go on with those of the table that is being read and of what follows."""
        for groups in self._groups.values():
            if group in groups:
                groups.remove(group)
        self._size -= group.size
        group.table.batches = self._rows(group, reading)
        return group.table

    def _rows(self, group: _Group, reading: Table | None) -> Iterator[Any]:
        batches = group.batches
        group.batches = []
        batches.reverse()
        while batches:
            yield batches.pop()
        while reading is not None:
            yield from reading.batches
            group.take_texts(reading)
            part = self._next()
            if part is None:
                return
            member, reading, first = part
            if _key(member, reading) != group.key or not group.takes(first):
                self._pending = part
                return
            if first is not None:
                group.columns |= frozenset(first.schema.names)
                yield first


def _key(member: str, table: Table) -> Key:
    return pattern(member, table.prose), table.name, table.format, table.prose
