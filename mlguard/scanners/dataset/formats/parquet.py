"""Reads Parquet: the rows, and the texts of the footer, which outlive what was dropped from the rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners.dataset.formats.sound import sound
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import BATCH_BYTES, Table

MAX_GROUPS = 1000
"""Row groups whose statistics are looked at."""

MAX_STATISTICS = 100_000
"""Statistics that are looked at."""

HEAVY_BYTES = 256 * 2**20
"""Bytes of a column of a row group from which its cells may be too large."""

MAX_CELL_BYTES = 8 * 2**20
"""Bytes that its cells may have on average."""

BATCH_ROWS = 65_536

BUFFER_BYTES = 256 * 2**10
"""Bytes of a column that are read ahead."""


WHOLE = (0, 1, 1)
"""The stretch that is all of a file."""

Stretch = tuple[int, int, int]
"""(first, last, of): of a file's row groups, cut in ``of`` equal pieces, those of the pieces from ``first`` up to ``last``."""


def tables(source: Source, stretch: Stretch = WHOLE, spare: bool = False) -> Iterator[Table]:
    """Yield the one table of the source. Texts of the footer go with the first piece.

    With ``spare`` a column of numbers is not fetched where the statistics say that all of them are below ``LEAST_NUMBER`` and its
    name says nothing: of such a column the kernel counts filled cells, and those are in the footer. Batches then have zeros in it.
    """
    table = Table("parquet", iter(()))
    table.batches = _batches(source, table, stretch, spare)
    yield table


def before(source: Source, stretch: Stretch) -> int:
    """Return how many rows of a file come before a stretch of it. Raises Unreadable."""
    import pyarrow as pa

    with opened(source) as file:
        try:
            return _rows(file.metadata, range(_groups(file.metadata, stretch).start))
        except (pa.ArrowException, OSError, ValueError, KeyError, NotImplementedError):
            raise Unreadable("the Parquet file is damaged, encrypted or cut short") from None


def _groups(metadata: Any, stretch: Stretch) -> range:
    first, last, of = stretch
    return range(metadata.num_row_groups * first // of, metadata.num_row_groups * last // of)


def _rows(metadata: Any, groups: range) -> int:
    return sum(int(metadata.row_group(group).num_rows) for group in groups)


def opened(source: Source) -> Any:
    """Return the ParquetFile of a source; the caller closes it. Raises Unreadable."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        handle: Any = str(source.local) if source.local else pa.PythonFile(source.open(), "r")
        return pq.ParquetFile(handle, pre_buffer=False, memory_map=False, buffer_size=BUFFER_BYTES)
    except (pa.ArrowException, OSError, ValueError, KeyError, NotImplementedError):
        raise Unreadable("the Parquet file is damaged, encrypted or cut short") from None


def _batches(source: Source, table: Table, stretch: Stretch = WHOLE, spare: bool = False) -> Iterator[Any]:
    import pyarrow as pa

    with opened(source) as file:
        try:
            groups = _groups(file.metadata, stretch)
            table.rows = file.metadata.num_rows if stretch == WHOLE else _rows(file.metadata, groups)
            table.texts += footer(file) if stretch[0] == 0 else []
            heavy = _heavy(file.metadata, groups, table)
            idle = _idle(file, groups) if spare and not heavy else {}
            left = heavy or idle
            names = [name for name in file.schema_arrow.names if name not in left] if left else None
            if not table.rows:
                yield _empty(file.schema_arrow)
            parts: dict[str, Any] = {} if stretch == WHOLE else {"row_groups": list(groups)}
            batches = file.iter_batches(_rows_at_a_time(file.metadata), columns=names, use_threads=False, **parts)
            batches = map(sound, batches)
            yield from _filled(batches, file.schema_arrow, idle) if idle else batches
        except MemoryError:
            table.missed.append(
                ("too-large", "a batch of rows needs more memory than the limit; what came before was read")
            )
        except (pa.ArrowException, OSError, ValueError, KeyError, NotImplementedError):
            raise Unreadable("the Parquet file is damaged, encrypted or cut short") from None


def _heavy(metadata: Any, groups: range, table: Table) -> set[str]:
    """Return the columns whose cells are too large to be read, and note them: a page holds a cell whole."""
    found: set[str] = set()
    for group in groups[:MAX_GROUPS]:
        told = metadata.row_group(group)
        for number in range(told.num_columns if told.total_byte_size > HEAVY_BYTES else 0):
            column = told.column(number)
            if column.total_uncompressed_size > max(HEAVY_BYTES, MAX_CELL_BYTES * column.num_values):
                found.add(column.path_in_schema.split(".", 1)[0])
    if found:
        told_as = "a column has" if len(found) == 1 else f"{len(found):,} columns have"
        table.missed.append(
            ("too-large", f"{told_as} cells of more than {MAX_CELL_BYTES // 2**20} MiB and was not read")
        )
    return found


def _empty(schema: Any) -> Any:
    """Return a batch without rows, so that a table without any has columns."""
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], names=schema.names)


def _idle(file: Any, groups: range) -> dict[str, int]:
    """Return the columns that need not be fetched, with their empty cells. Never all: batches take their rows from the rest."""
    import pyarrow as pa

    from mlguard.scanners.dataset import terms
    from mlguard.scanners.dataset.columns import LEAST_NUMBER

    schema, metadata = file.schema_arrow, file.metadata
    if (
        len(set(schema.names)) < len(schema.names)
        or metadata.num_columns != len(schema.names)
        or len(groups) > MAX_GROUPS
    ):
        return {}
    found: dict[str, int] = {}
    for place, field in enumerate(schema):
        if (
            not pa.types.is_integer(field.type)
            or terms.term_of(" ".join(field.name.split())) is not None
            or "." in field.name
        ):
            continue
        told = [metadata.row_group(group).column(place).statistics for group in groups]
        if told and all(
            one is not None and one.has_min_max and one.has_null_count and one.max < LEAST_NUMBER for one in told
        ):
            found[field.name] = sum(int(one.null_count) for one in told)
    return found if len(found) < len(schema.names) else {}


def _filled(batches: Iterator[Any], schema: Any, idle: dict[str, int]) -> Iterator[Any]:
    """Yield the batches with each idle column in its place: as many empty cells as there are, and zeros."""
    import numpy as np
    import pyarrow as pa

    left = dict(idle)
    for batch in batches:
        arrays = []
        for field in schema:
            if field.name not in idle:
                arrays.append(batch.column(batch.schema.names.index(field.name)))
                continue
            empty = min(left[field.name], batch.num_rows)
            left[field.name] -= empty
            zeros = pa.array(np.zeros(batch.num_rows - empty, field.type.to_pandas_dtype()), field.type)
            arrays.append(pa.concat_arrays([pa.nulls(empty, field.type), zeros]))
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


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
                texts += _ends(statistics)
    return texts


def _ends(statistics: Any) -> list[str]:
    """Return the least and the greatest value of a column of texts."""
    try:
        return [value for value in (statistics.min, statistics.max) if isinstance(value, str)]
    except UnicodeDecodeError:
        return [value.decode("latin-1") for value in (statistics.min_raw, statistics.max_raw)]
