"""Reads Avro object container files, block after block.

Format: Apache Avro specification 1.12, "Object Container Files". Blocks are unpacked here, within a bound, and handed to the library
as files of their own that are not packed.
"""

from __future__ import annotations

import bz2
import io
import json
import lzma
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from mlguard.errors import Unreadable
from mlguard.scanners.dataset.formats import rows
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import MAX_COLUMNS, MAX_DEPTH, Table

MAX_BLOCK_BYTES = 64 * 2**20
"""Bytes of a block, packed and unpacked. Writers end one at 16 KiB to 16 MiB."""

MAX_HEADER_BYTES = 8 * 2**20
"""Bytes of the header, which holds the schema."""

TOGETHER_BYTES = 2**20
"""Blocks are decoded together until they have so many bytes."""

MAX_NODES = 50_000
"""Values of one record that the schema alone brings about."""

MAX_RECORD_RATIO = 1
"""Records for each byte of a block at most: a record of no bytes tells nothing."""


def tables(source: Source) -> Iterator[Table]:
    """Yield the one table of an Avro file. Raises Unreadable."""
    with source.open() as file:
        meta = header(file)
        schema = schema_of(meta)
        columns = [field["name"] for field in schema["fields"]] if schema.get("type") == "record" else [""]
        if len(columns) > MAX_COLUMNS:
            raise Unreadable(f"the table has more than {MAX_COLUMNS:,} columns")
        table = Table("avro", iter(()), texts=_texts(meta, schema))
        table.batches = rows.batches(_rows(file, meta, schema, columns), columns)
        yield table


def header(file: BinaryIO) -> dict[str, bytes]:
    left = [MAX_HEADER_BYTES]

    def take(size: int) -> bytes:
        left[0] -= size
        if size < 0 or left[0] < 0:
            raise Unreadable("the header is larger than any schema needs")
        data = rows.read_up_to(file, size)
        if len(data) < size:
            raise Unreadable("the file ends within its header")
        return data

    if take(4) != b"Obj\x01":
        raise Unreadable("this is no Avro file")
    meta: dict[str, bytes] = {}
    while count := _long(take):
        if count < 0:
            count = -count
            _long(take)
        for _ in range(count):
            name = take(_long(take)).decode("utf-8", "replace")
            meta[name] = take(_long(take))
    meta["sync"] = take(16)
    return meta


def _long(take: Any) -> int:
    value, shift = 0, 0
    while shift < 70:
        byte: int = take(1)[0]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1)
        shift += 7
    raise Unreadable("a number in the file is longer than 64 bits")


def _written(value: int) -> bytes:
    value = value << 1 if value >= 0 else (-value << 1) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def schema_of(meta: dict[str, bytes]) -> dict[str, Any]:
    import fastavro

    trouble: tuple[type[Exception], ...] = (
        *rows.TROUBLE,
        fastavro.schema.SchemaParseException,
        fastavro.schema.UnknownType,
    )
    try:
        schema = json.loads(meta["avro.schema"])
        _judge(schema, 0)
        if _nodes(schema, {}) > MAX_NODES:
            raise Unreadable("the schema lets one record have more values than are read")
        fastavro.parse_schema(schema)
    except trouble:
        raise Unreadable("the schema in the header is damaged") from None
    return schema if isinstance(schema, dict) else {"type": schema}


def _judge(schema: Any, depth: int) -> None:
    """Raise Unreadable for a schema that lets a few bytes stand for any number of values."""
    if depth > 2 * MAX_DEPTH:
        raise Unreadable("the schema is nested too deeply")
    if isinstance(schema, list):
        for branch in schema:
            _judge(branch, depth + 1)
    elif isinstance(schema, dict):
        if schema.get("type") == "array" and _is_nothing(schema.get("items"), 0):
            raise Unreadable("the schema has arrays whose items take no bytes")
        for key in ("type", "items", "values"):
            _judge(schema.get(key), depth + 1)
        for field in schema.get("fields", ()):
            _judge(field["type"], depth + 1)


def _nodes(schema: Any, known: dict[str, int]) -> int:
    """Return how many values one value of a type has at least, those that take no bytes too."""
    if isinstance(schema, list):
        return max((_nodes(branch, known) for branch in schema), default=1)
    if isinstance(schema, str):
        return known.get(schema.rpartition(".")[2], 1)
    if not isinstance(schema, dict) or schema.get("type") != "record":
        inner = schema.get("type") if isinstance(schema, dict) else None
        return _nodes(inner, known) if isinstance(inner, (dict, list)) else 1
    count = 1
    for field in schema.get("fields", ()):
        count = min(count + _nodes(field["type"], known), MAX_NODES + 1)
    known[str(schema.get("name", "")).rpartition(".")[2]] = count
    return count


def _names_itself(schema: Any, around: frozenset[str]) -> bool:
    """Say whether a type is used within its own definition, so that values may be nested to any depth."""
    if isinstance(schema, str):
        return schema.rpartition(".")[2] in around
    if isinstance(schema, list):
        return any(_names_itself(branch, around) for branch in schema)
    if not isinstance(schema, dict):
        return False
    if "name" in schema:
        around = around | {str(schema["name"]).rpartition(".")[2]}
    parts = [schema.get(key) for key in ("type", "items", "values")] + [
        field["type"] for field in schema.get("fields", ())
    ]
    return any(_names_itself(part, around) for part in parts)


def _is_nothing(schema: Any, depth: int) -> bool:
    """Say whether values of a type may take no bytes."""
    if depth > MAX_DEPTH or schema == "null":
        return True
    if not isinstance(schema, dict):
        # A name of a type that is defined elsewhere may be one of no bytes.
        return isinstance(schema, str) and schema not in _PLAIN
    kind = schema.get("type")
    if kind == "record":
        return all(_is_nothing(field["type"], depth + 1) for field in schema.get("fields", ()))
    if kind == "fixed":
        return bool(schema.get("size", 0) == 0)
    return kind == "null" or isinstance(kind, dict) and _is_nothing(kind, depth + 1)


_PLAIN = frozenset({"boolean", "int", "long", "float", "double", "bytes", "string"})


def _texts(meta: dict[str, bytes], schema: dict[str, Any]) -> list[tuple[str, list[str]]]:
    own = [f"{key}: {value.decode('utf-8', 'replace')}" for key, value in sorted(meta.items()) if not key.startswith("avro.") and key != "sync"]  # fmt: skip
    notes = list(_notes(schema, 0))
    return [(name, lines) for name, lines in (("(metadata)", own), ("(schema)", notes)) if lines]


def _notes(schema: Any, depth: int) -> Iterator[str]:
    """Yield the remarks and default values that a schema carries."""
    if depth > 2 * MAX_DEPTH:
        return
    if isinstance(schema, list):
        for branch in schema:
            yield from _notes(branch, depth + 1)
    elif isinstance(schema, dict):
        if isinstance(schema.get("doc"), str):
            yield schema["doc"]
        if schema.get("default") not in (None, "", [], {}, 0, False):
            yield f"{schema.get('name', '')}: {rows.text(schema['default'])}"
        for value in schema.values():
            if isinstance(value, (list, dict)):
                yield from _notes(value, depth + 1)


def _rows(file: BinaryIO, meta: dict[str, bytes], schema: dict[str, Any], columns: list[str]) -> Iterator[list[Any]]:
    record = schema.get("type") == "record"
    held, size = [], 0
    trouble: Unreadable | None = None
    coming = blocks(file, meta)
    while trouble is None:
        try:
            count, data = next(coming, (0, b""))
        except Unreadable as error:
            trouble, count, data = error, 0, b""
        if count:
            held.append((count, data))
            size += len(data)
        if held and (size >= TOGETHER_BYTES or not count):
            for value in decoded(held, schema):
                yield [value.get(name) for name in columns] if record and isinstance(value, dict) else [value]
            held, size = [], 0
        if not count:
            break
    if trouble is not None:
        raise trouble


def blocks(file: BinaryIO, meta: dict[str, bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield count of records and bytes of each block, unpacked. Raises Unreadable."""
    codec = meta.get("avro.codec", b"null").decode("latin-1") or "null"
    if codec not in _UNPACK:
        raise Unreadable("the blocks are packed by a codec that is not known")

    def take(size: int) -> bytes:
        data = rows.read_up_to(file, size)
        if len(data) < size:
            raise Unreadable("the file ends within a block; the rows before it were read")
        return data

    try:
        while first := file.read(1):
            pending = [first]
            count = _long(lambda size: pending.pop() if pending else take(size))  # noqa: B023 - used at once
            size = _long(take)
            if not 0 <= size <= MAX_BLOCK_BYTES or count < 0:
                raise Unreadable(f"a block claims more than the {MAX_BLOCK_BYTES >> 20} MiB that are read of one")
            data = _unpacked(codec, take(size))
            if count > MAX_RECORD_RATIO * len(data):
                raise Unreadable("a block claims more rows than it has bytes")
            tail = rows.read_up_to(file, 16)
            if count:
                yield count, data
            if tail != meta["sync"]:
                raise Unreadable("a block does not end where it says; the rows before its end were read")
    except rows.TROUBLE:
        raise Unreadable("a block is damaged or cannot be unpacked; the rows before it were read") from None


def _unpacked(codec: str, data: bytes) -> bytes:
    out: bytes = _UNPACK[codec](data, MAX_BLOCK_BYTES + 1)
    if len(out) > MAX_BLOCK_BYTES:
        raise Unreadable(f"a block unpacks to more than {MAX_BLOCK_BYTES >> 20} MiB")
    return out


def _snappy(data: bytes, limit: int) -> bytes:
    import pyarrow as pa

    size = shift = 0
    for byte in data[:5]:
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if size >= limit:
        raise Unreadable(f"a block unpacks to more than {MAX_BLOCK_BYTES >> 20} MiB")
    # Four bytes of a checksum follow.
    return bytes(pa.Codec("snappy").decompress(data[:-4], size, asbytes=True))


def _zstandard(data: bytes, limit: int) -> bytes:
    import zstandard

    try:
        with zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(data) as reader:
            return bytes(reader.read(limit))
    except zstandard.ZstdError:
        raise Unreadable("a block cannot be unpacked; the rows before it were read") from None


_UNPACK: dict[str, Any] = {
    "null": lambda data, limit: data,
    "deflate": lambda data, limit: zlib.decompressobj(-15).decompress(data, limit),
    "bzip2": lambda data, limit: bz2.BZ2Decompressor().decompress(data, limit),
    "xz": lambda data, limit: lzma.LZMADecompressor(memlimit=2**27).decompress(data, limit),
    "snappy": _snappy,
    "zstandard": _zstandard,
}


def decoded(blocks: list[tuple[int, bytes]], schema: dict[str, Any]) -> Iterator[Any]:
    """Yield the values of blocks; dates and the like that do not fit a calendar as the numbers that they are stored as."""
    done = 0
    for form in (schema, _bare(schema, 0)):
        try:
            for at, value in enumerate(_values(blocks, form)):
                if at >= done:
                    done += 1
                    yield value
            return
        except rows.TROUBLE:
            continue
    raise Unreadable("a record does not fit the schema or is nested too deeply; the rows before it were read")


def _values(blocks: list[tuple[int, bytes]], schema: dict[str, Any]) -> Iterator[Any]:
    import fastavro

    # The fast reader would overflow the stack of the process.
    reader = _slow_reader() if _names_itself(schema, frozenset()) else fastavro.reader
    sync = b"mlguard block...."[:16]
    head = b"Obj\x01" + _written(1) + _pair(b"avro.schema", json.dumps(schema).encode()) + _written(0) + sync
    parts = [head]
    for count, data in blocks:
        parts += [_written(count), _written(len(data)), data, sync]
    yield from reader(io.BytesIO(b"".join(parts)))


def _slow_reader() -> Any:
    from fastavro import _read_py

    return _read_py.reader


def _pair(key: bytes, value: bytes) -> bytes:
    return _written(len(key)) + key + _written(len(value)) + value


def _bare(schema: Any, depth: int) -> Any:
    """Return a schema without logical types."""
    if isinstance(schema, list):
        return [_bare(item, depth + 1) for item in schema]
    if isinstance(schema, dict):
        return {key: _bare(value, depth + 1) for key, value in schema.items() if key != "logicalType"}
    return schema
