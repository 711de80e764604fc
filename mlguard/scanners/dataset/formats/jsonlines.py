"""Reads JSON Lines: records of any nesting, a line each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from mlguard.errors import Unreadable
from mlguard.scanners.dataset import lines
from mlguard.scanners.dataset.nesting import Spread, loads
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import Table

BLOCK_BYTES = 8 * 2**20
"""Bytes that Arrow parses at a time. No record may be larger; where one is, lines are parsed one by one."""

MAX_OPEN = 10_000
"""Brackets that one line may open where Arrow parses it: it takes a piece of the stack for each level."""

MAX_CELLS = 16 * 2**20
"""Keys times lines of the first block where Arrow parses it: it makes a cell for each key in each row."""

MAX_BROKEN_CHARS = 16 * 2**20
"""Their characters together."""

MAX_BROKEN = 10_000
"""Lines without JSON that are kept to be looked at as text; the rest is counted."""


def tables(source: Source) -> Iterator[Table]:
    """Yield the one table of the source."""
    encoding, trouble = lines.encoding_of(source)
    table = Table("jsonl", iter(()))
    table.batches = _batches(source, encoding, table)
    if trouble:
        table.missed.append(("unreadable", trouble))
    yield table


def _batches(source: Source, encoding: str, table: Table) -> Iterator[Any]:
    done = 0
    if encoding == "utf-8":
        finished = False
        by_arrow = _by_arrow(source)
        while True:
            try:
                batch = next(by_arrow)
            except StopIteration as stop:
                finished = stop.value
                break
            done += batch.num_rows
            yield batch
        if finished:
            return
    yield from _one_by_one(source, encoding, table, done)


def _by_arrow(source: Source) -> Any:
    """Yield batches as long as the lines are records of one shape. Return whether that was the end."""
    import pyarrow as pa
    import pyarrow.json as arrow

    try:
        with source.open() as file:
            stream = arrow.open_json(
                pa.PythonFile(_Checked(file), "r"),
                arrow.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
                arrow.ParseOptions(newlines_in_values=False, unexpected_field_behavior="error"),
            )
            yield from stream
        return True
    except (pa.ArrowException, ValueError, OSError, EOFError, KeyError, AttributeError, Unreadable):
        return False  # whatever it was, reading line by line either copes or says so


def _one_by_one(source: Source, encoding: str, table: Table, done: int) -> Iterator[Any]:
    """Yield the records after the first ``done``. Lines that are no JSON are looked at as text and counted as missed."""
    spread = Spread()
    broken: list[str] = []
    bad = good = size = 0
    try:
        for line in lines.of_source(source, encoding):
            if not line.strip():
                continue
            if good < done and not bad:
                good += 1
                continue
            try:
                record = loads(line)
            except (ValueError, RecursionError):
                bad += 1
                size += len(line)
                if len(broken) < MAX_BROKEN and size <= MAX_BROKEN_CHARS:
                    broken.append(line)
                continue
            good += 1
            if (ready := spread.add(record)) is not None:
                yield ready
        if (ready := spread.rest()) is not None:
            yield ready
    except Unreadable:
        if (ready := spread.rest()) is not None:
            yield ready
        raise
    finally:
        if bad:
            table.texts.append(("(broken lines)", broken))
            looked = (
                "they were looked at as text only"
                if len(broken) == bad
                else f"{len(broken)} of them were looked at as text"
            )
            table.missed.append(("unreadable", f"{bad} of {bad + good} lines are no JSON; {looked}"))


_KEY = re.compile(rb'"([^"\n]*+)"\s*+:')


class _Checked:
    """A handle for Arrow's parser, which ends the process on deep nesting and takes all memory where each record has keys of its own.

    Reading raises ValueError where the lines are such.
    """

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._open = 0  # brackets opened in the line that is not yet complete
        self._first = b""  # the first block, until it was looked at
        self._looked = False

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._depth(data)
        if not self._looked:
            self._keys(data)
        return data

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True

    def _depth(self, data: bytes) -> None:
        """Count the brackets of the lines that are long enough to open too many."""
        start = 0
        while start < len(data):
            near = data.rfind(b"\n", start, start + MAX_OPEN)
            if near >= 0:
                self._open, start = 0, near + 1
                continue
            end = data.find(b"\n", start)
            piece = (start, len(data) if end < 0 else end)
            self._open += data.count(b"{", *piece) + data.count(b"[", *piece)
            if self._open > MAX_OPEN:
                raise ValueError("nested too deeply")
            if end < 0:
                return
            self._open, start = 0, end + 1

    def _keys(self, data: bytes) -> None:
        self._first += data
        if len(self._first) < BLOCK_BYTES and data:
            return
        self._looked = True
        cells = len(set(_KEY.findall(self._first))) * (self._first.count(b"\n") + 1)
        self._first = b""
        if cells > MAX_CELLS:
            raise ValueError("too many keys")
