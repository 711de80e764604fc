"""Reads the directory of a zip archive as loaders do: tolerant of what they tolerate, and telling what does not fit.

Format: APPNOTE.TXT 6.3.10 of PKWARE, sections 4.3.7 (local header), 4.3.12 (directory), 4.3.14-16 (end records). Flags and
checksums that torch ignores do not stop the reading. Work is linear in the number of members.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners.model.source import Buffer

MAX_COMMENT_BYTES = 65535
MAX_MEMBERS = 1_000_000
MAX_GAP_BYTES = 2**16
"""Bytes looked through between two members for one that the directory does not list."""

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s4B4HL2L5H2L")
_LOCAL = struct.Struct("<4s2B4HL2L2H")


@dataclass(frozen=True, slots=True)
class Member:
    """One entry: ``start`` and ``end`` bound its (packed) data, ``header`` is where its local header begins."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    header: int
    start: int
    end: int
    attributes: int = 0


@dataclass
class Directory:
    """The members in the directory's order. ``problems`` are (check, member's name or "", byte)."""

    members: list[Member] = field(default_factory=list)
    problems: list[tuple[str, str, int]] = field(default_factory=list)


def find_end(data: Buffer, start: int, end: int) -> int:
    """Return the place of the end record, or -1."""
    at = end
    floor = max(start, end - MAX_COMMENT_BYTES - _END.size)
    while at > floor:
        at = data.rfind(b"PK\x05\x06", floor, at)
        if at < 0:
            return -1
        if at + _END.size <= end and at + _END.size + int.from_bytes(data[at + 20 : at + 22], "little") <= end:
            return at
    return -1


def ends_here(data: Buffer, start: int, end: int) -> bool:
    """Say whether ``data[start:end]`` ends exactly as a zip archive does."""
    at = find_end(data, start, end)
    return at >= 0 and at + _END.size + int.from_bytes(data[at + 20 : at + 22], "little") == end


def read(data: Buffer, start: int, end: int) -> Directory:
    """Return the directory of the archive in ``data[start:end]``.

    Without an end record the local headers are followed one by one. Raises Unreadable when there is nothing to follow.
    """
    found = Directory()
    tail = find_end(data, start, end)
    if tail < 0:
        found.problems.append(("no-directory", "", start))
        found.members = _followed(data, start, end)
        if not found.members:
            raise Unreadable("a zip archive without a directory; was the file cut short?")
        return found
    place, size, count, shift = _bounds(data, start, tail)
    if shift > start:
        found.problems.append(("prefix", "", start))
    at, stop = place, min(place + size, tail)
    while at + _ENTRY.size <= stop and data[at : at + 4] == b"PK\x01\x02" and len(found.members) < MAX_MEMBERS:
        at = _entry(data, at, shift, end, found)
    if len(found.members) != count:
        found.problems.append(("no-directory", "", place))
    if not found.members and count:
        found.members = _followed(data, start, end)
    _compare(data, start, place, found)
    return found


def _bounds(data: Buffer, start: int, tail: int) -> tuple[int, int, int, int]:
    """Return place and size of the directory, the number of entries, and what is added to their offsets."""
    _, _, _, _, count, size, offset, _ = _END.unpack(data[tail : tail + _END.size])
    before = tail
    if tail - 20 >= start and data[tail - 20 : tail - 16] == b"PK\x06\x07":
        (at64,) = struct.unpack("<Q", data[tail - 12 : tail - 4])
        for at in (start + at64, tail - 20 - _END64.size):
            if start <= at <= tail - 20 - _END64.size and data[at : at + 4] == b"PK\x06\x06":
                values = _END64.unpack(data[at : at + _END64.size])
                count, size, offset, before = values[7], values[8], values[9], at
                break
    place = before - size
    shift = place - offset
    if shift < start or data[place : place + 4] not in (b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06"):
        place, shift = start + offset, start  # bytes between directory and end record: believe the offset
    if place > tail or place < start:
        return tail, 0, count, start
    return place, size, count, shift


def _entry(data: Buffer, at: int, shift: int, end: int, found: Directory) -> int:
    values: tuple[Any, ...] = _ENTRY.unpack(data[at : at + _ENTRY.size])
    flags, method, crc, packed, size = values[5], values[6], values[9], values[10], values[11]
    name_size, extra_size, comment_size, attributes, header = values[12], values[13], values[14], values[17], values[18]
    raw = data[at + _ENTRY.size : at + _ENTRY.size + name_size]
    extra = data[at + _ENTRY.size + name_size : at + _ENTRY.size + name_size + extra_size]
    if 0xFFFFFFFF in (packed, size, header):
        size, packed, header = _wide(extra, size, packed, header)
    header += shift
    name = _name(raw, flags)
    begin = _begin(data, header, end, raw, name, found)
    stop = min(end, begin + packed)
    if begin + packed > end:
        found.problems.append(("out-of-bounds", name, at))
    found.members.append(Member(name, flags, method, crc, packed, size, header, begin, stop, attributes))
    return int(at + _ENTRY.size + name_size + extra_size + comment_size)


def _name(raw: bytes, flags: int) -> str:
    return raw.decode("utf-8" if flags & 0x800 else "cp437", "replace")


def _wide(extra: bytes, size: int, packed: int, header: int) -> tuple[int, int, int]:
    """Return the sizes and the offset with the zip64 extra field (APPNOTE 4.5.3) read in."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            body = extra[at + 4 : at + 4 + length]
            numbers = [int.from_bytes(body[i : i + 8], "little") for i in range(0, len(body) - 7, 8)]
            if size == 0xFFFFFFFF and numbers:
                size = numbers.pop(0)
            if packed == 0xFFFFFFFF and numbers:
                packed = numbers.pop(0)
            if header == 0xFFFFFFFF and numbers:
                header = numbers.pop(0)
            break
        at += 4 + length
    return size, packed, header


def _begin(data: Buffer, header: int, end: int, raw: bytes, name: str, found: Directory) -> int:
    """Return where the member's data begins by its local header; note where the two disagree."""
    if header < 0 or header + _LOCAL.size > end or data[header : header + 4] != b"PK\x03\x04":
        found.problems.append(("out-of-bounds", name, max(0, header)))
        return end
    values = _LOCAL.unpack(data[header : header + _LOCAL.size])
    name_size, extra_size = values[10], values[11]
    if data[header + _LOCAL.size : header + _LOCAL.size + name_size] != raw:
        found.problems.append(("name-mismatch", name, header))
    return min(end, int(header + _LOCAL.size + name_size + extra_size))


def _compare(data: Buffer, start: int, place: int, found: Directory) -> None:
    """Note members that occur twice, that overlap, and that only a local header knows."""
    names = Counter(member.name.casefold() for member in found.members)
    for member in found.members:
        if names[member.name.casefold()] > 1:
            found.problems.append(("duplicate-member", member.name, member.header))
        if member.flags & 0x2041:
            found.problems.append(("flags", member.name, member.header))
    at = start
    hidden: list[Member] = []
    for member in sorted(found.members, key=lambda member: (member.header, member.end)):
        if member.header < at and member.end > member.start:
            found.problems.append(("overlap", member.name, member.header))
        elif member.header > at:
            hidden += _hidden(data, at, min(member.header, place))
        at = max(at, member.end)
    hidden += _hidden(data, at, place)
    for member in hidden:
        found.problems.append(("hidden-member", member.name, member.header))
    found.members += hidden


def _hidden(data: Buffer, start: int, end: int) -> list[Member]:
    """Return members whose local header lies between two listed ones. A data descriptor alone is none."""
    if end - start < _LOCAL.size:
        return []
    at = data.find(b"PK\x03\x04", start, min(end, start + MAX_GAP_BYTES))
    return _followed(data, at, end) if at >= 0 else []


def _followed(data: Buffer, start: int, end: int) -> list[Member]:
    """Return the members that follow each other by their local headers."""
    members: list[Member] = []
    at = start
    while at >= 0 and at + _LOCAL.size <= end and len(members) < MAX_MEMBERS:
        if data[at : at + 4] != b"PK\x03\x04":
            at = data.find(b"PK\x03\x04", at, min(end, at + MAX_GAP_BYTES))
            continue
        values = _LOCAL.unpack(data[at : at + _LOCAL.size])
        flags, method, crc, packed, size = values[3], values[4], values[7], values[8], values[9]
        name_size, extra_size = values[10], values[11]
        raw = data[at + _LOCAL.size : at + _LOCAL.size + name_size]
        begin = at + _LOCAL.size + name_size + extra_size
        if 0xFFFFFFFF in (packed, size):
            size, packed, _ = _wide(data[begin - extra_size : begin], size, packed, 0)
        known = packed or not flags & 8
        stop = min(end, begin + packed) if known else _next(data, begin, end)
        members.append(Member(_name(raw, flags), flags, method, crc, stop - begin, size, at, min(begin, end), stop))
        at = max(stop, at + _LOCAL.size)
    return members


def _next(data: Buffer, start: int, end: int) -> int:
    """Return the end of data whose size stands behind it: at the next header, or the directory, or the end."""
    at = start
    while True:
        at = data.find(b"PK", at, end)
        if at < 0:
            return end
        if data[at + 2 : at + 4] in (b"\x07\x08", b"\x03\x04", b"\x01\x02"):
            return at
        at += 2


def unsafe_name(member: Member) -> str:
    """Return the check that the member's name or type fails, or ""."""
    parts = member.name.replace("\\", "/").split("/")
    if ".." in parts or member.name.startswith(("/", "\\")) or "\0" in member.name or parts[0][1:2] == ":":
        return "traversal"
    return "link" if (member.attributes >> 28) == 0xA else ""


def iterate(data: Buffer, member: Member) -> Iterator[bytes]:
    """Yield the member's content piece by piece. Raises Unreadable and codecs.Missing."""
    from mlguard.scanners.model import codecs
    from mlguard.scanners.model.source import chunks

    if member.method == 0:
        return chunks(data, member.start, member.end)
    codec = {8: "deflate", 12: "bzip2", 93: "zstd", 95: "xz"}.get(member.method)
    if codec is None:
        raise Unreadable("a member is packed with a method that is not read")
    return codecs.pieces(data, member.start, member.end, codec)
