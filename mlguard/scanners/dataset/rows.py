"""Keeps a random sample of a table's rows while the table is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlguard.scanners.dataset import hashing

SAMPLE_ROWS = 20_000
"""Rows that are kept."""

SAMPLE_BYTES = 24 * 2**20
"""Bytes of a sample, about: with large rows fewer are kept."""

_SEED = np.uint64(0x5DEECE66D1CE4E5B)


class Rows:
    """A sample of the rows of ``columns`` (all when None), the same for any cut of the table into batches.

    A row is chosen by its place, so each one has the same chance, whether or not it is written twice.
    """

    def __init__(self, columns: Sequence[str] | None = None, most: int = SAMPLE_ROWS) -> None:
        self.columns, self.most = columns, most
        self.rows = 0  # so far; of a part of a table, from the table's first row on
        self._parts: list[Any] = []
        self._order: list[hashing.Hashes] = []
        self._limit = np.uint64(2**64 - 1)

    def add(self, batch: Any) -> None:
        """Look at a ``pyarrow.RecordBatch``."""
        import pyarrow as pa

        order = hashing.mixed(np.arange(self.rows, self.rows + batch.num_rows, dtype=np.uint64) ^ _SEED)
        self.rows += batch.num_rows
        if self.columns is not None:
            batch = batch.select([name for name in self.columns if len(batch.schema.get_all_field_indices(name)) == 1])
        chosen = np.flatnonzero(order <= self._limit)
        if not len(chosen):
            return
        if len(chosen) > self.most:
            chosen = np.sort(chosen[np.argpartition(order[chosen], self.most - 1)[: self.most]])
        try:
            taken = pa.Table.from_batches([batch]).take(pa.array(chosen))
        except pa.ArrowNotImplementedError:  # views of lists and what else cannot be chosen from is left out
            plain = [
                name
                for name, kind in zip(batch.schema.names, batch.schema.types, strict=True)
                if not pa.types.is_nested(kind)
            ]
            taken = pa.Table.from_batches([batch.select(list(dict.fromkeys(plain)))]).take(pa.array(chosen))
        self._parts.append(_plain(taken))
        self._order.append(order[chosen])
        if sum(map(len, self._order)) > 2 * self.most or sum(part.nbytes for part in self._parts) > 2 * SAMPLE_BYTES:
            self._shrink()

    def merge(self, other: Rows) -> None:
        """Add the sample of other rows of the same table."""
        self.rows, self.most = max(self.rows, other.rows), min(self.most, other.most)
        self._parts += other._parts
        self._order += other._order
        if self._parts:
            self._shrink()

    def _shrink(self) -> None:
        order = np.concatenate(self._order)
        table = _together(self._parts)
        while table.nbytes * min(self.most / max(len(order), 1), 1) > SAMPLE_BYTES and self.most > 100:
            self.most //= 2
        best = np.argsort(order)[: self.most]
        self._order, self._parts = [order[best]], [table.take(best)]
        if len(best) == self.most:
            self._limit = order[best[-1]]

    def table(self) -> Any:
        """Return the sample as one ``pyarrow.Table``, in an order that only the places of the rows decide; None without rows."""
        if not self._parts:
            return None
        self._shrink()
        return self._parts[0].combine_chunks()


def _plain(table: Any) -> Any:
    """Return the table with its dictionaries written out, and text of one type, so that parts can be joined."""
    import pyarrow as pa

    columns = []
    for column in table.columns:
        kind = column.type
        if pa.types.is_dictionary(kind):
            column = column.cast(kind.value_type)
        if pa.types.is_large_string(column.type) or pa.types.is_null(column.type):
            column = column.cast(pa.string())
        columns.append(column)
    return pa.table(columns, names=table.column_names)


def _together(parts: Sequence[Any]) -> Any:
    """Return the parts as one table; a column whose types differ is kept as text."""
    import pyarrow as pa

    if len(parts) == 1:
        return parts[0]
    kinds: dict[str, set[Any]] = {}
    for part in parts:
        for field in part.schema:
            kinds.setdefault(field.name, set()).add(field.type)
    mixed = {name for name, types in kinds.items() if len(types) > 1}
    if any(len(set(part.column_names)) < len(part.column_names) for part in parts):
        names = [f"{index}" for index in range(max(part.num_columns for part in parts))]
        parts = [part.rename_columns(names[: part.num_columns]) for part in parts]  # headers that stand twice
        return _together(parts)
    if mixed:
        parts = [_as_text(part, mixed) for part in parts]
    return pa.concat_tables(parts, promote_options="default")


def _as_text(part: Any, names: set[str]) -> Any:
    import pyarrow as pa

    from mlguard.scanners.dataset.hashing import plain

    for index, name in enumerate(part.column_names):
        if name in names:
            column = part.column(index)
            if pa.types.is_nested(column.type) or "binary" in str(column.type):
                text = pa.array([None if cell is None else repr(cell) for cell in column.to_pylist()], pa.string())
            else:
                text = plain(column.combine_chunks()).cast(pa.string())
            part = part.set_column(index, name, text)
    return part
