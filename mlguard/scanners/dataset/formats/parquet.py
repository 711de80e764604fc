"""Reads Parquet: the rows, and the texts of the footer, which outlive what was dropped from the rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import BATCH_BYTES, Table

MAX_GROUPS = 1000
"""Row groups whose statistics are looked at."""

MAX_STATISTICS = 100_000
"""Statistics that are looked at."""

BATCH_ROWS = 65_536

BUFFER_BYTES = 256 * 2**10
"""Bytes of a column that are read ahead."""


def tables(source: Source) -> Iterator[Table]:
    """Yield the one table of the source."""
    table = Table("parquet", iter(()))
    table.batches = _batches(source, table)
    yield table


def opened(source: Source) -> Any:
    """Return the ParquetFile of a source; the caller closes it. Raises Unreadable."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        handle: Any = str(source.local) if source.local else pa.PythonFile(source.open(), "r")
        return pq.ParquetFile(handle, pre_buffer=False, memory_map=False, buffer_size=BUFFER_BYTES)
    except (pa.ArrowException, OSError, ValueError, KeyError, NotImplementedError):
        raise Unreadable("the Parquet file is damaged, encrypted or cut short") from None


def _batches(source: Source, table: Table) -> Iterator[Any]:
    import pyarrow as pa

    with opened(source) as file:
        table.rows = file.metadata.num_rows
        table.texts += footer(file)
        try:
            yield from file.iter_batches(batch_size=_rows_at_a_time(file.metadata), use_threads=False)
        except (pa.ArrowException, OSError, ValueError, KeyError, NotImplementedError):
            raise Unreadable("the Parquet file is damaged, encrypted or cut short") from None


def _rows_at_a_time(metadata: Any) -> int:
    """Return how many rows are read together, so that they have about BATCH_BYTES."""
    size = sum(metadata.row_group(group).total_byte_size for group in range(min(metadata.num_row_groups, MAX_GROUPS)))
    rows = sum(metadata.row_group(group).num_rows for group in range(min(metadata.num_row_groups, MAX_GROUPS)))
    return int(max(64, min(BATCH_ROWS, BATCH_BYTES * max(rows, 1) // max(size, 1))))


def footer(file: Any) -> list[tuple[str, list[str]]]:
    """Return the texts of the footer: metadata that somebody added, and the least and greatest values of the columns."""
    texts: list[str] = []
    for key, value in sorted((file.schema_arrow.metadata or {}).items()):
        if key not in (b"ARROW:schema", b"pandas", b"huggingface"):
            texts += [key.decode("utf-8", "replace"), *value.decode("utf-8", "replace").split("\n")]
    texts += _statistics(file.metadata)
    return [("(footer)", texts)] if texts else []


def _statistics(metadata: Any) -> list[str]:
    texts: list[str] = []
    looked = 0
    for group in range(min(metadata.num_row_groups, MAX_GROUPS)):
        for column in range(metadata.num_columns):
            looked += 1
            if looked > MAX_STATISTICS:
                return texts
            statistics = metadata.row_group(group).column(column).statistics
            if statistics is not None and statistics.has_min_max and statistics.physical_type == "BYTE_ARRAY":
                texts += [value for value in (statistics.min, statistics.max) if isinstance(value, str)]
    return texts
