"""Reads SQL: the lines as prose, and the rows of INSERT and COPY as tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners.dataset import frames, lines
from mlguard.scanners.dataset.formats.text import prose
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import Table


def tables(source: Source) -> Iterator[Table]:
    """Yield the lines, whose numbers and addresses stand for themselves, and then the rows, whose columns have names.

    Columns of several tables are told apart as ``table.column``; each batch holds those of one table.
    """
    encoding, trouble = lines.encoding_of(source)
    table = Table("sql", prose(lines.of_source(source, encoding)), prose=True)
    if trouble:
        table.missed.append(("unreadable", trouble))
    yield table
    rows = Table("sql", iter(()), name="(rows)")
    rows.batches = _rows(source, encoding, rows)
    yield rows


def _rows(source: Source, encoding: str, table: Table) -> Iterator[Any]:
    found = frames.Rows()
    try:
        for line in lines.of_source(source, encoding):
            for number, batch in found.take(line):
                table.places[:] = [(number, 1)] * batch.num_columns
                yield batch
    except Unreadable:
        pass  # the reading of the lines has told it
    for number, batch in found.rest():
        table.places[:] = [(number, 1)] * batch.num_columns
        yield batch
