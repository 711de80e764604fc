"""Reads ORC, row group after row group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners.dataset.formats import apart, rows
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import BATCH_BYTES, MAX_COLUMNS, Table

READ_ROWS = 16_384
"""Rows asked for at once. The library keeps a batch or two ahead."""


def tables(source: Source) -> Iterator[Table]:
    """Yield the one table of an ORC file. Raises Unreadable."""
    yield from apart.tables("orc", source)


def inside(source: Source) -> Iterator[Table]:
    """Yield the same in a process of its own: the library trusts what a stripe says. Raises Unreadable."""
    import pyarrow as pa
    from pyarrow import orc

    with rows.handle(source) as file:
        try:
            opened = orc.ORCFile(pa.PythonFile(file, "r"))
            schema, count = opened.schema, opened.nrows
        except (pa.ArrowException, *rows.TROUBLE):
            raise Unreadable("this is no ORC file, or its footer is damaged or encrypted") from None
        if len(schema) > MAX_COLUMNS:
            raise Unreadable(f"the table has more than {MAX_COLUMNS:,} columns")
        texts = [(rows.text(key) or "", [rows.text(value) or ""]) for key, value in (schema.metadata or {}).items()]
        table = Table(
            "orc", iter(()), rows=count, texts=[("(metadata)", [f"{k}: {v[0]}" for k, v in texts])] if texts else []
        )
        table.batches = _batches(file, table)
        yield table


def _batches(file: Any, table: Table) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.dataset as ds

    seen = 0
    try:
        file.seek(0)
        fragment = ds.OrcFileFormat().make_fragment(pa.PythonFile(file, "r"))
        scanner = fragment.scanner(batch_size=READ_ROWS, batch_readahead=1, fragment_readahead=1, use_threads=False)
        for batch in scanner.to_batches():
            seen += batch.num_rows
            yield from _parts(batch)
    except (pa.ArrowException, *rows.TROUBLE):
        raise Unreadable("a stripe is damaged or cut short; the rows before it were read") from None
    if table.rows is not None and seen != table.rows:
        table.missed.append(("unreadable", "the footer tells another number of rows than there are"))


def _parts(batch: Any) -> Iterator[Any]:
    """Part a batch of long cells."""
    step = max(1, batch.num_rows * BATCH_BYTES // max(batch.nbytes, 1))
    for at in range(0, batch.num_rows, step):
        yield batch.slice(at, step)
