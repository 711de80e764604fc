"""Reads Arrow IPC: files (Feather), and streams as the datasets library of Hugging Face caches tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners.dataset.formats.sound import sound
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import BATCH_ROWS, Table


def tables(source: Source) -> Iterator[Table]:
    """Yield the one table of the source."""
    table = Table("arrow", iter(()))
    table.batches = _batches(source, table)
    yield table


def _batches(source: Source, table: Table) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.ipc as ipc

    try:
        with pa.memory_map(str(source.local)) if source.local else pa.PythonFile(source.open(), "r") as handle:
            if handle.read(6) == b"ARROW1":
                with ipc.open_file(handle) as file:
                    _noted(table, file.schema)
                    for number in range(file.num_record_batches):
                        yield from _in_parts(sound(file.get_batch(number)))
            else:
                handle.seek(0)
                with ipc.open_stream(handle) as stream:
                    _noted(table, stream.schema)
                    for batch in stream:
                        yield from _in_parts(sound(batch))
    except (pa.ArrowException, OSError, ValueError, KeyError, NotImplementedError):
        raise Unreadable("the Arrow file is damaged or cut short") from None


def _in_parts(batch: Any) -> Iterator[Any]:
    for start in range(0, batch.num_rows, BATCH_ROWS):
        yield batch.slice(start, BATCH_ROWS)


def _noted(table: Table, schema: Any) -> None:
    """Take the metadata that somebody added."""
    texts: list[str] = []
    for key, value in sorted((schema.metadata or {}).items()):
        if key not in (b"ARROW:schema", b"pandas", b"huggingface"):
            texts += [key.decode("utf-8", "replace"), *value.decode("utf-8", "replace").split("\n")]
    if texts:
        table.texts.append(("(metadata)", texts))
