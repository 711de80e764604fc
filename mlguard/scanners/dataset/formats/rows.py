"""Makes Arrow record batches of rows of Python values, whatever types a column mixes."""

from __future__ import annotations

import datetime
import io
import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, cast

from mlguard.errors import Unreadable
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import BATCH_BYTES, BATCH_ROWS

MAX_WHOLE_BYTES = 128 * 2**20
"""Bytes of a member of an archive that is held in memory because its format needs to seek."""

MAX_CELL_CHARS = 4 * 2**20
"""Characters of one cell that are looked at."""

_DAYS = frozenset({datetime.date, datetime.datetime, datetime.time, datetime.timedelta})

TROUBLE: tuple[type[Exception], ...] = (
    ValueError, TypeError, LookupError, ArithmeticError, AttributeError, OSError, EOFError, RecursionError, MemoryError,
    StopIteration, AssertionError, RuntimeError, SyntaxError, struct.error, zlib.error, lzma.LZMAError, zipfile.BadZipFile,
)  # fmt: skip
"""What libraries raise on damaged input. Their messages quote it and are never shown."""


def handle(source: Source, limit: int = MAX_WHOLE_BYTES) -> BinaryIO:
    """Return a handle that can seek; what cannot is read into memory. Raises Unreadable beyond ``limit`` bytes."""
    if source.seekable:
        return source.open()
    return cast(BinaryIO, io.BytesIO(whole(source, limit)))


def whole(source: Source, limit: int = MAX_WHOLE_BYTES) -> bytes:
    """Return all bytes of a source. Raises Unreadable beyond ``limit`` bytes."""
    if source.size > limit:
        raise Unreadable(f"it is larger than the {limit >> 20} MiB that are held in memory")
    with source.open() as file:
        try:
            data = read_up_to(file, limit + 1)
        except TROUBLE:
            raise Unreadable("cannot be read to its end") from None
    if len(data) > limit:
        raise Unreadable(f"it is larger than the {limit >> 20} MiB that are held in memory")
    return data


def read_up_to(file: BinaryIO, size: int) -> bytes:
    """Return ``size`` bytes, or fewer at the end of the file."""
    parts, left = [], size
    while left > 0:
        part = file.read(min(left, 2**20))
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def weight(value: Any) -> int:
    """Return about how many bytes of memory a value takes."""
    if type(value) in (str, bytes):
        return 50 + len(value)
    if isinstance(value, dict):
        return 100 + sum(weight(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return 60 + sum(weight(item) for item in value)
    return 32


def batches(rows: Iterable[Sequence[Any]], names: Sequence[str]) -> Iterator[Any]:
    """Yield record batches of rows that have one value for each name."""
    held: list[Sequence[Any]] = []
    size = 0
    trouble: Unreadable | None = None
    try:
        for row in rows:
            held.append(row)
            size += sum(map(weight, row))
            if len(held) >= BATCH_ROWS or size >= BATCH_BYTES:
                yield batch(list(zip(*held, strict=True)), names)
                held, size = [], 0
    except Unreadable as error:  # the rows before count
        trouble = error
    if held:
        yield batch(list(zip(*held, strict=True)), names)
    if trouble is not None:
        raise trouble


def batch(columns: Sequence[Sequence[Any]], names: Sequence[str]) -> Any:
    """Return a record batch of columns of Python values."""
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([array(values) for values in columns], names=[readable(name) for name in names])


def array(values: Sequence[Any]) -> Any:
    """Return an Arrow array: of the values' own type where they have one, of texts otherwise."""
    import pyarrow as pa

    kinds = set(map(type, values)) - {type(None)}
    if len(kinds) > 1 and not kinds.isdisjoint(_DAYS):  # Arrow would take a number among dates for one
        return pa.array([text(value) for value in values], pa.large_string())
    try:
        made = pa.array(values)
    except (pa.ArrowException, *TROUBLE):
        return pa.array([text(value) for value in values], pa.large_string())
    return made.cast(pa.large_string()) if made.type == pa.string() else made


def text(value: Any) -> str | None:
    """Return a value as text fit for Arrow."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return readable(value.decode("utf-8", "replace"))
    if isinstance(value, (list, dict, tuple)):
        try:
            return readable(json.dumps(value, ensure_ascii=False, default=text))
        except TROUBLE:
            return readable(repr(type(value)))
    return readable(str(value))


def readable(value: str) -> str:
    """Return a text without halves of surrogate pairs, which UTF-8 does not know."""
    return value.encode("utf-8", "replace").decode("utf-8")


def prose_of(blob: bytes) -> str | None:
    """Return bytes as the text that they are in UTF-8, or None when they are none."""
    try:
        value = blob[:MAX_CELL_CHARS].decode("utf-8", "strict" if len(blob) <= MAX_CELL_CHARS else "ignore")
    except UnicodeDecodeError:
        return None
    return None if any(sign < " " and sign not in "\t\r\n" for sign in value) else value
