"""Writes zip and 7z archives field by field, so that every field can lie."""

from __future__ import annotations

import lzma
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass
class Entry:
    """One member of a zip archive. ``local`` and ``listed`` override fields of its two headers."""

    name: str
    content: bytes
    method: int = 0
    flags: int = 0
    extra: bytes = b""
    local_extra: bytes = b""
    attributes: int = 0
    local: dict[str, int] = field(default_factory=dict)
    listed: dict[str, int] = field(default_factory=dict)
    local_name: bytes | None = None
    listed_name: bytes | None = None
    is_listed: bool = True
    descriptor: bool = False


def packed(content: bytes, method: int) -> bytes:
    if method == 8:
        stream = zlib.compressobj(9, zlib.DEFLATED, -15)
        return stream.compress(content) + stream.flush()
    if method == 12:
        import bz2

        return bz2.compress(content)
    if method == 14:
        raw = lzma.compress(
            content, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1, "lc": 3, "lp": 0, "pb": 2, "dict_size": 65536}]
        )
        return b"\x09\x04\x05\x00" + bytes([93]) + struct.pack("<I", 65536) + raw
    if method == 95:
        return lzma.compress(content)
    return content


def local_of(entry: Entry) -> bytes:
    data = packed(entry.content, entry.method)
    name = entry.local_name if entry.local_name is not None else entry.name.encode()
    values = {"flags": entry.flags | (8 if entry.descriptor else 0), "method": entry.method, "crc": zlib.crc32(entry.content),
              "packed": len(data), "size": len(entry.content)}  # fmt: skip
    if entry.descriptor:
        values |= {"crc": 0, "packed": 0, "size": 0}
    values |= entry.local
    head = struct.pack("<4s2B4HL2L2H", b"PK\3\4", 20, 0, values["flags"], values["method"], 0, 33, values["crc"],
                       values["packed"], values["size"], len(name), len(entry.local_extra))  # fmt: skip
    tail = (
        b"PK\7\x08" + struct.pack("<3L", zlib.crc32(entry.content), len(data), len(entry.content))
        if entry.descriptor
        else b""
    )
    return head + name + entry.local_extra + data + tail


def listed_of(entry: Entry, place: int) -> bytes:
    data = packed(entry.content, entry.method)
    name = entry.listed_name if entry.listed_name is not None else entry.name.encode()
    values = {"flags": entry.flags | (8 if entry.descriptor else 0), "method": entry.method, "crc": zlib.crc32(entry.content),
              "packed": len(data), "size": len(entry.content), "place": place} | entry.listed  # fmt: skip
    return struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 3, 20, 0, values["flags"], values["method"], 0, 33, values["crc"],
                       values["packed"], values["size"], len(name), len(entry.extra), 0, 0, 0, entry.attributes,
                       values["place"]) + name + entry.extra  # fmt: skip


def end_of(count: int, size: int, place: int, comment: bytes = b"", comment_size: int | None = None) -> bytes:
    told = len(comment) if comment_size is None else comment_size
    return struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count & 0xFFFF, count & 0xFFFF, size, place, told) + comment


def zip_of(
    entries: Iterable[Entry], comment: bytes = b"", between: bytes = b"", before: bytes = b"", shift: int = 0
) -> bytes:
    """Return an archive; ``between`` stands before the directory, ``before`` the first member, ``shift`` is added to offsets."""
    body, places = before, []
    kept = list(entries)
    for entry in kept:
        places.append(len(body))
        body += local_of(entry)
    body += between
    directory = b"".join(
        listed_of(entry, at + shift) for entry, at in zip(kept, places, strict=True) if entry.is_listed
    )
    count = sum(entry.is_listed for entry in kept)
    return body + directory + end_of(count, len(directory), len(body) + shift, comment)


def zip64_end(count: int, size: int, place: int, at: int) -> bytes:
    """Return a zip64 end record that stands at ``at``, and its locator."""
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, place)
    return record + struct.pack("<4sLQL", b"PK\6\7", 0, at, 1)


# -- 7z


def number(value: int) -> bytes:
    """Return a number in the variable form of 7z."""
    for length in range(9):
        if length == 8 or value < 1 << (7 * (length + 1)):
            first = 0xFF if length == 8 else (0xFF00 >> length) & 0xFF | (value >> (8 * length))
            return bytes([first]) + (value & ((1 << (8 * length)) - 1)).to_bytes(length, "little")
    raise AssertionError(value)


def bits(values: Sequence[bool]) -> bytes:
    raw = bytearray((len(values) + 7) // 8)
    for index, value in enumerate(values):
        raw[index >> 3] |= 0x80 >> (index & 7) if value else 0
    return bytes(raw)


@dataclass
class Item:
    """One entry of a 7z archive."""

    name: str
    content: bytes = b""
    anti: bool = False
    folder: bool = False
    attributes: int = 0
    crc: int | None = None


LZMA_PROPERTIES = bytes([93]) + struct.pack("<I", 65536)


def seven_of(
    items: Sequence[Item], method: bytes = b"\x00", properties: bytes = b"", pack: bytes | None = None, solid: bool = True,
    encode_header: bool = False, start_crc: int | None = None, header_crc: int | None = None, sizes: Sequence[int] | None = None,
    tail: bytes = b"",
) -> bytes:  # fmt: skip
    """Return a 7z archive. ``pack`` replaces the packed stream of a solid block; ``sizes`` the unpacked sizes told."""
    full = [item for item in items if item.content]
    groups = [full] if solid and full else [[item] for item in full]
    streams = []
    for group in groups:
        raw = b"".join(item.content for item in group)
        streams.append(pack if pack is not None and solid else _coded(raw, method))
    body = b"".join(streams)
    header = b"\x01" + _main(groups, streams, method, properties, sizes) + _files(items) + b"\0"
    if encode_header:
        coded = _coded(header, b"\x03\x01\x01")
        place = len(body)
        body += coded
        header = (
            b"\x17"
            + _pack(place, [len(coded)])
            + b"\x07\x0b\x01\x00"
            + _folder(b"\x03\x01\x01", LZMA_PROPERTIES)
            + b"\x0c"
            + number(len(header))
            + b"\x0a\x01"
            + struct.pack("<I", zlib.crc32(header))
            + b"\0\0"
        )
    start = struct.pack("<QQI", len(body), len(header), zlib.crc32(header) if header_crc is None else header_crc)
    return (
        b"7z\xbc\xaf\x27\x1c\0\4"
        + struct.pack("<I", zlib.crc32(start) if start_crc is None else start_crc)
        + start
        + body
        + header
        + tail
    )


def _coded(raw: bytes, method: bytes) -> bytes:
    if method == b"\x03\x01\x01":
        return lzma.compress(
            raw, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1, "lc": 3, "lp": 0, "pb": 2, "dict_size": 65536}]
        )
    if method == b"\x21":
        return lzma.compress(raw, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 2**20}])
    if method == b"\x04\x01\x08":
        return packed(raw, 8)
    if method == b"\x04\x02\x02":
        return packed(raw, 12)
    return raw


def _pack(place: int, sizes: Sequence[int]) -> bytes:
    return b"\x06" + number(place) + number(len(sizes)) + b"\x09" + b"".join(map(number, sizes)) + b"\0"


def _folder(method: bytes, properties: bytes) -> bytes:
    flags = len(method) | (0x20 if properties else 0)
    return b"\x01" + bytes([flags]) + method + (number(len(properties)) + properties if properties else b"")


def _main(
    groups: Sequence[Sequence[Item]],
    streams: Sequence[bytes],
    method: bytes,
    properties: bytes,
    sizes: Sequence[int] | None,
) -> bytes:
    if not groups:
        return b""
    told = sizes or [sum(len(item.content) for item in group) for group in groups]
    unpack = (
        b"\x07\x0b"
        + number(len(groups))
        + b"\0"
        + b"".join(_folder(method, properties) for _ in groups)
        + b"\x0c"
        + b"".join(map(number, told))
        + b"\0"
    )
    sub = b"\x08\x0d" + b"".join(number(len(group)) for group in groups)
    if any(len(group) > 1 for group in groups):
        sub += b"\x09" + b"".join(number(len(item.content)) for group in groups for item in group[:-1])
    sums = b"".join(
        struct.pack("<I", zlib.crc32(item.content) if item.crc is None else item.crc)
        for group in groups
        for item in group
    )
    return b"\x04" + _pack(0, [len(stream) for stream in streams]) + unpack + sub + b"\x0a\x01" + sums + b"\0\0"


def _files(items: Sequence[Item]) -> bytes:
    out = b"\x05" + number(len(items))
    empty = [not item.content for item in items]
    if any(empty):
        out += _property(14, bits(empty))
        without = [item for item in items if not item.content]
        out += _property(15, bits([not item.folder for item in without]))
        if any(item.anti for item in without):
            out += _property(16, bits([item.anti for item in without]))
    out += _property(17, b"\0" + b"".join(item.name.encode("utf-16-le") + b"\0\0" for item in items))
    if any(item.attributes for item in items):
        out += _property(21, b"\x01\0" + b"".join(struct.pack("<I", item.attributes) for item in items))
    return out + b"\0"


def _property(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + number(len(body)) + body
