"""Spreads nested records over columns that are named by their key paths."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners.dataset import terms
from mlguard.scanners.dataset.table import MAX_COLUMNS, MAX_DEPTH

BATCH_ROWS = 8192

DECODER = json.JSONDecoder(object_pairs_hook=lambda pairs: _object(pairs))
"""Of a key that comes twice it keeps all values, as a list."""

BATCH_CHARS = 8 * 2**20
"""Characters of a batch; a batch of long values ends earlier."""


BATCH_CELLS = 2**20
"""Cells of a batch, empty ones too: where each record has keys of its own, a batch of many rows would be nothing but gaps."""


class Spread:
    """Collects records and returns them as record batches of strings, a row for each; lists become lists."""

    def __init__(self) -> None:
        self._paths: set[str] = set()
        self._waiting: dict[str, dict[int, list[str]]] = {}
        self._rows = 0
        self._size = 0

    def add(self, record: object) -> Any:
        """Take a record. Return a batch when enough are waiting, else None. Raises Unreadable for too deep a nesting."""
        self._spread(record, "", 0)
        self._rows += 1
        full = self._size > BATCH_CHARS or self._rows >= BATCH_ROWS or self._rows * len(self._waiting) >= BATCH_CELLS
        return self.rest() if full else None

    def rest(self) -> Any:
        """Return what waits as a batch, or None."""
        if not self._rows:
            return None
        import pyarrow as pa

        columns = [self._column(path, cells) for path, cells in self._waiting.items()]
        batch = pa.RecordBatch.from_arrays(columns, names=list(self._waiting)) if columns else None
        if batch is None:
            batch = pa.RecordBatch.from_arrays([pa.nulls(self._rows)], names=["value"])
        self._waiting, self._rows, self._size = {}, 0, 0
        return batch

    def _column(self, path: str, cells: dict[int, list[str]]) -> Any:
        import pyarrow as pa

        from mlguard.scanners.dataset.columns import strings

        if "[]" not in path and "(keys)" not in path and "*" not in path:
            return strings(cells[row][-1] if row in cells else None for row in range(self._rows))
        offsets, values = [0], list[str]()
        for row in range(self._rows):
            values += cells.get(row, ())
            offsets.append(len(values))
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), strings(values))

    def _spread(self, value: object, path: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise Unreadable(f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, dict):
            for key, item in value.items():
                name = str(key)
                name = name if name.isascii() else name.encode("utf-8", "replace").decode()  # half a surrogate pair
                self._spread(item, self._path(path, name), depth + 1)
        elif isinstance(value, list):
            for item in value:
                self._spread(item, f"{path}[]", depth + 1)
        elif value is not None:
            self._put(path or "value", value if isinstance(value, str) else str(value))

    def _path(self, path: str, key: str) -> str:
        joined = f"{path}.{key}" if path else key
        if joined in self._paths:
            return joined
        if terms.shown(key, 0) != " ".join(key.split()) or len(self._paths) >= MAX_COLUMNS:
            self._put(f"{path}.(keys)" if path else "(keys)", key)
            return f"{path}.*" if path else "*"
        return joined

    def _put(self, path: str, text: str) -> None:
        self._paths.add(path)
        self._waiting.setdefault(path, {}).setdefault(self._rows, []).append(text)
        self._size += len(text) + 8


def loads(text: str) -> Any:
    """Return the value of a JSON text as DECODER reads it. Raises ValueError, RecursionError."""
    return DECODER.decode(text)


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        every: dict[str, list[Any]] = {}
        for key, value in pairs:
            every.setdefault(key, []).append(value)
        made = {key: values if len(values) > 1 else values[0] for key, values in every.items()}
    return made
