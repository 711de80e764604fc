"""Reads JSON Lines: records of any nesting, a line each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners.dataset import lines
from mlguard.scanners.dataset.nesting import Spread
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import Table

BLOCK_BYTES = 8 * 2**20
"""Bytes that Arrow parses at a time. No record may be larger; where one is, lines are parsed one by one."""

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
                pa.PythonFile(file, "r"),
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
    bad = good = 0
    try:
        for line in lines.of_source(source, encoding):
            if not line.strip():
                continue
            if good < done and not bad:
                good += 1
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                bad += 1
                if len(broken) < MAX_BROKEN:
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
            table.missed.append(
                ("unreadable", f"{bad} of {bad + good} lines are no JSON; they were looked at as text only")
            )
