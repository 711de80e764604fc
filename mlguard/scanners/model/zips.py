"""Reads the directory of a zip archive as loaders do: tolerant of what they tolerate, and telling what does not fit.

Format: APPNOTE.TXT 6.3.10 of PKWARE, sections 4.3.7 (local header), 4.3.12 (directory), 4.3.14-16 (end records), 4.5.3
(zip64), 4.6.9 (Unicode path). Readers differ: miniz, which PyTorch has inside, takes the last end record and offsets as they stand;
Python's zipfile adds what stands before the archive and believes zip64 records; Java asks that the comment ends the file; streaming
readers go by local headers. Where they may see different members, all of them are returned and the difference is told. Flags and
checksums that torch ignores do not stop the reading. Work is linear in the number of members.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator

from mlguard.errors import Unreadable
from mlguard.scanners.model.source import Buffer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_COMMENT_BYTES = 65535
MAX_MEMBERS = 1_000_000
MAX_GAP_BYTES = 16 * 2**20
"""Bytes looked through between two members for one that the directory does not list."""

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s4B4HL2L5H2L")
_LOCAL = struct.Struct("<4s2B4HL2L2H")
_WIDE = 0xFFFFFFFF
_ENCRYPTED = 0x2041  # encrypted, strong encryption, masked header values
_ODD_FLAGS = _ENCRYPTED | 0x20  # and "compressed patched data"


class Member:
    """One entry: ``start`` and ``end`` bound its (packed) data, ``header`` is where its local header begins.

    ``also`` is the name in a Unicode path field, where it is another one. A member is never changed.
    """

    __slots__ = ("also", "attributes", "crc", "end", "flags", "header", "method", "name", "packed", "size", "start")

    def __init__(
        self, name: str, flags: int, method: int, crc: int, packed: int, size: int, header: int, start: int, end: int,
        attributes: int = 0, also: str = "",
    ) -> None:  # fmt: skip
        self.name, self.flags, self.method, self.crc, self.packed, self.size = name, flags, method, crc, packed, size
        self.header, self.start, self.end, self.attributes, self.also = header, start, end, attributes, also

    @property
    def encrypted(self) -> bool:
        return bool(self.flags & _ENCRYPTED)

    def other(self, method: int, crc: int, packed: int, size: int, end: int) -> Member:
        """Return the same entry as another header describes its data."""
        return Member(
            self.name, self.flags, method, crc, packed, size, self.header, self.start, end, self.attributes, self.also
        )


class Directory:
    """The members in the directory's order. ``problems`` are (check, member's name or "", byte)."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.problems: list[tuple[str, str, int]] = []
        self.unsearched = False  # a hole between members is too large to be looked through


def find_end(data: Buffer, start: int, end: int) -> int:
    """Return the place of the last end record, as miniz and zipfile take it, or -1."""
    floor = max(start, end - MAX_COMMENT_BYTES - _END.size)
    at = end
    while at > floor:
        at = data.rfind(b"PK\x05\x06", floor, at)
        if at < 0 or at + _END.size <= end:
            return at
    return -1


def _closing(data: Buffer, start: int, end: int) -> int:
    """Return the place of the end record whose comment ends the file, as Java takes it, or -1."""
    floor = max(start, end - MAX_COMMENT_BYTES - _END.size)
    at = end
    while at > floor:
        at = data.rfind(b"PK\x05\x06", floor, at)
        if at < 0:
            return -1
        if at + _END.size <= end and at + _END.size + int.from_bytes(data[at + 20 : at + 22], "little") == end:
            return at
    return -1


def ends_here(data: Buffer, start: int, end: int) -> bool:
    """Say whether ``data[start:end]`` ends exactly as a zip archive does."""
    return _closing(data, start, end) >= 0


def is_archive(data: Buffer, start: int, end: int) -> bool:
    """Say whether there is an end record near the end, and a directory where it says."""
    tail = find_end(data, start, end)
    return tail >= 0 and any(data[place : place + 2] == b"PK" for place, *_ in _candidates(data, start, tail)[:2])


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
    closing = _closing(data, start, end)
    tails = [tail] if closing in (-1, tail) else [tail, closing]
    if len(tails) > 1:
        found.problems.append(("end-records", "", closing))
    elif closing < 0 and bytes(data[tail + _END.size : min(end, tail + 2**16)]).strip(b"\0\r\n"):
        found.problems.append(("trailing-data", "", tail + _END.size))
    places: list[tuple[int, int]] = []
    for tail in tails:
        places += _directory(data, start, end, tail, found, {place for place, _ in places})
    _compare(data, start, places, tails[0], found)
    return found


def _directory(
    data: Buffer, start: int, end: int, tail: int, found: Directory, known: set[int]
) -> Iterator[tuple[int, int]]:
    """Read each directory that a reader may take for this end record; yield where it begins and ends."""
    candidates = _candidates(data, start, tail)
    if len({place for place, _, _, _ in candidates}) > 1:
        found.problems.append(("end-records", "", tail))
    for place, size, count, shift in candidates:
        if place in known:
            continue
        known.add(place)
        if shift > start:
            found.problems.append(("prefix", "", start))
        before = len(found.members)
        at, stop = place, min(place + size, tail)
        while at + _ENTRY.size <= stop and data[at : at + 4] == b"PK\x01\x02" and len(found.members) < MAX_MEMBERS:
            at = _entry(data, at, shift, end, found)
        if len(found.members) - before != count:
            found.problems.append(("no-directory", "", place))
        if len(found.members) == before and count:
            found.members += _followed(data, start, end)
        yield place, at


def _candidates(data: Buffer, start: int, tail: int) -> list[tuple[int, int, int, int]]:
    """Return place and size of the directory, the number of entries, and what is added to their offsets, for each
    way to read the end record."""
    _, _, _, _, count, size, offset, _ = _END.unpack(data[tail : tail + _END.size])
    ways: list[tuple[int, int, int, int]] = []  # count, size, offset, where the directory must have ended
    if tail - 20 >= start and data[tail - 20 : tail - 16] == b"PK\x06\x07":
        (at64,) = struct.unpack("<Q", data[tail - 12 : tail - 4])
        for at in dict.fromkeys((tail - 20 - _END64.size, start + at64)):
            if start <= at <= tail - 20 - _END64.size and data[at : at + 4] == b"PK\x06\x06":
                values = _END64.unpack(data[at : at + _END64.size])
                ways.append((values[7], values[8], values[9], at))
    if not ways or not {0xFFFF, _WIDE}.intersection((count, size, offset)):
        ways.append((count, size, offset, tail if not ways else ways[0][3]))
    places = [
        way for count, size, offset, before in ways for way in _places(data, start, tail, count, size, offset, before)
    ]
    distinct = list({place: (place, size, count, shift) for place, size, count, shift in reversed(places)}.values())[
        ::-1
    ]
    return distinct or [(tail, 0, ways[0][0], start)]


def _places(
    data: Buffer, start: int, tail: int, count: int, size: int, offset: int, before: int
) -> Iterator[tuple[int, int, int, int]]:
    """Yield where the directory begins by its size (zipfile) and by its offset (miniz), when one is there."""
    by_size, by_offset = before - size, start + offset
    if by_size >= start and by_size - offset >= start and _begins(data, by_size, tail):
        yield by_size, size, count, by_size - offset
    if start <= by_offset <= tail and by_offset != by_size and _begins(data, by_offset, tail):
        yield by_offset, size, count, start


def _begins(data: Buffer, at: int, tail: int) -> bool:
    return at <= tail and data[at : at + 4] in (b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06")


def _entry(data: Buffer, at: int, shift: int, end: int, found: Directory) -> int:
    values: tuple[Any, ...] = _ENTRY.unpack(data[at : at + _ENTRY.size])
    flags, method, crc, packed, size = values[5], values[6], values[9], values[10], values[11]
    name_size, extra_size, comment_size, attributes, header = values[12], values[13], values[14], values[17], values[18]
    begin_name = at + _ENTRY.size
    begin_extra = begin_name + name_size
    raw = data[begin_name:begin_extra]
    also = ""
    if extra_size:
        extra = data[begin_extra : begin_extra + extra_size]
        if _WIDE in (packed, size, header):
            size, packed, header = _wide(extra, size, packed, header)
        also = _path_field(extra)
    header += shift
    name = _name(raw, flags)
    if also and also != name and raw.isascii():
        found.problems.append(("name-mismatch", name, at))
    begin, local = _local(data, header, end, raw, name, found)
    stop = begin + packed
    if stop > end:
        found.problems.append(("out-of-bounds", name, at))
        stop = end
    member = Member(
        name, flags, method, crc, packed, size, header, begin, stop, attributes, also if also != name else ""
    )
    found.members.append(member)
    if local is not None and local != (method, crc, packed, size):
        other = _differs(member, local, data, begin, end)
        if other is not None:
            found.problems.append(("header-mismatch", name, header))
            found.members.append(other)
    return int(begin_extra + extra_size + comment_size)


def _differs(member: Member, local: tuple[int, int, int, int], data: Buffer, begin: int, end: int) -> Member | None:
    """Return the member as its local header has it, when that contradicts the directory. Zero and -1 say nothing."""
    method, crc, packed, size = local
    told = ((packed, member.packed), (size, member.size), (crc, member.crc))
    if method == member.method and all(own in (0, _WIDE, listed) for own, listed in told):
        return None
    packed = member.packed if packed in (0, _WIDE) else packed
    size = member.size if size in (0, _WIDE) else size
    return member.other(method, crc or member.crc, packed, size, min(end, begin + packed))


def _name(raw: bytes, flags: int) -> str:
    return raw.decode("utf-8" if flags & 0x800 or raw.isascii() else "cp437", "replace")


def _path_field(extra: bytes) -> str:
    """Return the name of the Info-ZIP Unicode path field (0x7075, version 1), or ""."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 0x7075 and length > 5 and extra[at + 4] == 1:
            return extra[at + 9 : at + 4 + length].decode("utf-8", "replace")
        at += 4 + length
    return ""


def _wide(extra: bytes, size: int, packed: int, header: int) -> tuple[int, int, int]:
    """Return the sizes and the offset with the zip64 extra field (APPNOTE 4.5.3) read in."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            body = extra[at + 4 : at + 4 + length]
            numbers = [int.from_bytes(body[i : i + 8], "little") for i in range(0, len(body) - 7, 8)]
            if size == _WIDE and numbers:
                size = numbers.pop(0)
            if packed == _WIDE and numbers:
                packed = numbers.pop(0)
            if header == _WIDE and numbers:
                header = numbers.pop(0)
            break
        at += 4 + length
    return size, packed, header


def _local(
    data: Buffer, header: int, end: int, raw: bytes, name: str, found: Directory
) -> tuple[int, tuple[int, int, int, int] | None]:
    """Return where the member's data begins by its local header, and method, checksum and sizes that stand there."""
    if header < 0 or header + _LOCAL.size > end or data[header : header + 4] != b"PK\x03\x04":
        found.problems.append(("out-of-bounds", name, max(0, header)))
        return end, None
    values = _LOCAL.unpack(data[header : header + _LOCAL.size])
    method, crc, packed, size, name_size, extra_size = (
        values[4],
        values[7],
        values[8],
        values[9],
        values[10],
        values[11],
    )
    begin_extra = header + _LOCAL.size + name_size
    if data[header + _LOCAL.size : begin_extra] != raw:
        found.problems.append(("name-mismatch", name, header))
    if _WIDE in (packed, size):
        size, packed, _ = _wide(data[begin_extra : begin_extra + extra_size], size, packed, 0)
    return min(end, int(begin_extra + extra_size)), (method, crc, packed, size)


def _compare(data: Buffer, start: int, places: list[tuple[int, int]], tail: int, found: Directory) -> None:
    """Note members that occur twice, that overlap, and that only a local header knows."""
    listed: set[tuple[str, int]] = set()
    names: Counter[str] = Counter()
    for member in found.members:
        if (member.name, member.header) not in listed:
            listed.add((member.name, member.header))
            names[member.name.casefold()] += 1
    for member in found.members:
        if names[member.name.casefold()] > 1:
            found.problems.append(("duplicate-member", member.name, member.header))
        if member.flags & _ODD_FLAGS:
            found.problems.append(("flags", member.name, member.header))
    at = start
    hidden: list[Member] = []
    taken = [(member.header, member.end, member.start, member.name) for member in found.members]
    taken += [(place, stop, stop, "") for place, stop in places]
    seen = -1
    for header, stop, begin, name in sorted(taken):
        if header < at and stop > begin and header != seen:
            found.problems.append(("overlap", name, header))
        elif header > at:
            hidden += _hidden(data, at, min(header, tail), found)
        at, seen = max(at, stop), header
    hidden += _hidden(data, at, tail, found)
    for member in hidden:
        found.problems.append(("hidden-member", member.name, member.header))
    found.members += hidden


def _hidden(data: Buffer, start: int, end: int, found: Directory) -> list[Member]:
    """Return members whose local header lies between two listed ones. A data descriptor alone is none."""
    if end - start < _LOCAL.size:
        return []
    at = data.find(b"PK\x03\x04", start, min(end, start + MAX_GAP_BYTES))
    if at < 0 and end - start > MAX_GAP_BYTES:
        found.unsearched = True
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
        if _WIDE in (packed, size):
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
    if leaves(member.name) or member.also and leaves(member.also):
        return "traversal"
    return "link" if (member.attributes >> 28) == 0xA else ""


def leaves(name: str) -> bool:
    """Say whether a path leaves the folder it is unpacked to, on any system: .., absolute, a drive, or cut by a null."""
    if "\0" in name or name[:1] in ("/", "\\") or name[1:2] == ":":
        return True
    return ".." in name and ".." in name.replace("\\", "/").split("/")


_METHODS = {8: "deflate", 12: "bzip2", 14: "lzma-zip", 93: "zstd", 95: "xz"}
_UNREAD_METHODS = {9: "Deflate64", 96: "JPEG", 97: "WavPack", 98: "PPMd", 99: "AES"}  # APPNOTE 4.4.5


def iterate(data: Buffer, member: Member) -> Iterator[bytes]:
    """Yield the member's content piece by piece. Raises Unreadable."""
    from mlguard.scanners.model import codecs
    from mlguard.scanners.model.source import chunks

    if member.method == 0:
        return chunks(data, member.start, member.end)
    codec = _METHODS.get(member.method)
    if codec is None:
        kind = _UNREAD_METHODS.get(member.method, "an unknown method")
        raise Unreadable(f"a member is packed with {kind}, which is not read")
    return codecs.pieces(data, member.start, member.end, codec)
