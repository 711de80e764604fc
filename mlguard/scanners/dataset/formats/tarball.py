"""Reads tar archives header by header, within bounds, from handles that can seek and from those that cannot.

Formats: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar manual, "Basic Tar Format". Python's
tarfile reads a pax header of any length into memory, and keeps all members.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from mlguard.errors import Unreadable
from mlguard.values import dataclass

BLOCK_BYTES = 512
CHUNK_BYTES = 2**16
MAX_HEADER_BYTES = 2**20
"""A pax header or a long name."""

MAX_ENTRIES = 1_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A member: where its content begins, and its size in bytes. ``special``: a link, a device, or stored with holes."""

    name: str
    size: int
    start: int
    special: bool = False


class Tape:
    """A handle with a position. One that cannot seek goes forward only."""

    def __init__(self, file: BinaryIO, seekable: bool) -> None:
        self._file, self._seekable, self._at = file, seekable, 0

    def read(self, at: int, size: int) -> bytes:
        """Return the bytes there, fewer at the end. Raises Unreadable."""
        try:
            if self._seekable:
                self._file.seek(at)
                return self._file.read(size)
            if at < self._at:
                raise Unreadable("can be read only once")
            while self._at < at:
                skipped = len(self._file.read(min(CHUNK_BYTES, at - self._at)))
                self._at += skipped
                if not skipped:
                    return b""
            data = self._file.read(size)
        except (OSError, EOFError, ValueError, OverflowError):
            raise Unreadable("cannot be read") from None
        self._at += len(data)
        return data

    def content(self, entry: Entry) -> Iterator[bytes]:
        """Yield the content of an entry. Raises Unreadable when the archive ends before it."""
        at = 0
        while at < entry.size:
            piece = self.read(entry.start + at, min(CHUNK_BYTES, entry.size - at))
            if not piece:
                raise Unreadable("the archive ends early")
            at += len(piece)
            yield piece

    def entries(self) -> Iterator[Entry]:
        """Yield the members, directories left out. Raises Unreadable where the archive breaks."""
        at, told = 0, _Told()
        for _ in range(MAX_ENTRIES):
            head = self.read(at, BLOCK_BYTES)
            if len(head) < BLOCK_BYTES:
                raise Unreadable("the archive ends early")
            if not any(head):
                return
            if not _fits(head):
                raise Unreadable("a header of the archive is damaged; what lies behind it was not read")
            kind, length = head[156:157], _number(head[124:136])
            at += BLOCK_BYTES
            if kind in (b"x", b"g", b"L", b"K"):
                if length > MAX_HEADER_BYTES:
                    raise Unreadable("a header of the archive is longer than the limit")
                told.take(kind, self.read(at, length))
                at += _padded(length)
                continue
            length = length if told.size < 0 else told.size
            if kind in (b"1", b"2", b"3", b"4", b"5"):
                length = 0
            if kind != b"5":
                plain = kind in (b"0", b"\0", b"7") and not told.holes
                yield Entry(told.name or _name(head), length if plain else 0, at, not plain)
            at += _padded(length)
            told = _Told()
        raise Unreadable(f"holds more than {MAX_ENTRIES:,} members; the rest was not read")


class _Told:
    """What the headers before an entry say of it."""

    def __init__(self) -> None:
        self.name, self.size, self.holes = "", -1, False

    def take(self, kind: bytes, body: bytes) -> None:
        if kind == b"L":
            self.name = body.split(b"\0")[0].decode("utf-8", "replace")
        elif kind == b"x":
            for key, value in _records(body):
                if key == b"path":
                    self.name = value.decode("utf-8", "replace")
                elif key == b"size" and re.fullmatch(rb"\d{1,18}", value):
                    self.size = int(value)
                elif key.startswith(b"GNU.sparse"):
                    self.holes = True


def _records(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield key and value of the records "length key=value" of a pax header."""
    at = 0
    while match := re.compile(rb"(\d{1,7}) ([^=\n]{1,200})=").match(body, at):
        end = at + int(match[1])
        if end <= match.end() or end > len(body):
            return
        yield match[2], body[match.end() : end - 1]
        at = end


def _fits(head: bytes) -> bool:
    """Say whether the checksum is right: the sum of all bytes, with blanks in its own place."""
    told = head[148:156].strip(b" \0")
    if not re.fullmatch(rb"[0-7]{1,8}", told):
        return False
    return sum(head) - sum(head[148:156]) + 8 * 32 == int(told, 8)


def _number(raw: bytes) -> int:
    """Return a number in octal, or in base 256 as GNU writes large ones. Raises Unreadable."""
    if raw[0] & 0x80:
        return int.from_bytes(raw[4:], "big")
    digits = raw.strip(b" \0")
    if not digits:
        return 0
    if not re.fullmatch(rb"[0-7]+", digits):
        raise Unreadable("a header of the archive is damaged; what lies behind it was not read")
    return int(digits, 8)


def _name(head: bytes) -> str:
    name, prefix = head[:100].split(b"\0")[0], head[345:500].split(b"\0")[0]
    if prefix and head[257:263] == b"ustar\0":
        name = prefix + b"/" + name
    return name.decode("utf-8", "replace")


def _padded(size: int) -> int:
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES
