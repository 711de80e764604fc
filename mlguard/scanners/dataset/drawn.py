"""Draws rows at random from a table while it is read, whatever the types of its columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mlguard.errors import Unreadable
from mlguard.scanners.dataset import hashing, terms

SAMPLE_BYTES = 96 * 2**20
"""Bytes of the rows that are kept, about. With large rows fewer than were asked for are drawn."""

_SEED = np.uint64(0x2545F4914F6CDD1D)


class Drawn:
    """A sample of ``most`` rows in which each row of the table has the same chance, whatever it holds.

    A row is drawn by its place, so that a second run draws the same ones, and so does any cut of the table into batches.
    ``rows`` counts all that came by; ``missed`` names columns of types from which no single row can be taken.
    """

    def __init__(self, most: int) -> None:
        self.most, self.rows = most, 0
        self.missed: list[str] = []
        self._parts: list[tuple[Any, hashing.Hashes]] = []
        self._limit = np.uint64(2**64 - 1)

    def add(self, batch: Any) -> None:
        """Look at a ``pyarrow.RecordBatch``."""
        order = hashing.mixed(np.arange(self.rows, self.rows + batch.num_rows, dtype=np.uint64) ^ _SEED)
        self.rows += batch.num_rows
        chosen = np.flatnonzero(order <= self._limit)
        if len(chosen) > self.most:
            chosen = np.sort(chosen[np.argpartition(order[chosen], self.most - 1)[: self.most]])
        if len(chosen):
            self._parts.append((self._taken(batch, chosen), order[chosen]))
            if len(self) > 2 * self.most or self._size() > 2 * SAMPLE_BYTES:
                self._shrink()

    def __len__(self) -> int:
        return sum(len(order) for _, order in self._parts)

    def batches(self) -> Iterator[Any]:
        """Yield what was drawn as record batches, in the order of the table."""
        self._shrink()
        for batch, _ in self._parts:
            yield batch

    def _size(self) -> int:
        return sum(batch.nbytes for batch, _ in self._parts)

    def _shrink(self) -> None:
        if not self._parts:
            return
        order = np.concatenate([order for _, order in self._parts])
        while self._size() * min(self.most / len(order), 1) > SAMPLE_BYTES and self.most > 100:
            self.most //= 2
        if len(order) > self.most:
            self._limit = np.partition(order, self.most - 1)[self.most - 1]
            kept = [(batch, order, np.flatnonzero(order <= self._limit)) for batch, order in self._parts]
            self._parts = [(self._taken(batch, places), order[places]) for batch, order, places in kept if len(places)]

    def _taken(self, batch: Any, places: Any) -> Any:
        """Return some rows of a batch, in buffers of their own. Raises Unreadable when no column can be taken from."""
        import pyarrow as pa

        if len(places) == batch.num_rows:
            return batch
        try:
            return batch.take(pa.array(places))
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
            return self._plain(batch, places)

    def _plain(self, batch: Any, places: Any) -> Any:
        import pyarrow as pa

        names, columns = [], []
        for number, name in enumerate(batch.schema.names):
            try:
                columns.append(batch.column(number).take(pa.array(places)))
                names.append(name)
            except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
                told = f"column {terms.shown(name, number + 1)!r} is of a type from which no sample can be drawn"
                self.missed += [told] if told not in self.missed else []
        if not columns:
            raise Unreadable("no column is of a type from which a sample can be drawn")
        return pa.RecordBatch.from_arrays(columns, names=names)
