"""Bytes to look at: a mapped file, a part of it, or what a codec gave, each within a bound."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable, Iterator

from mlguard.errors import Unreadable

SMALL_BYTES = 8 * 2**20
"""Up to this size a file is read whole, because bytes are faster to index than a mapping."""

MAX_UNPACKED_BYTES = 256 * 2**20
"""What one compressed stream may become in memory; what lies behind is a gap."""

MAX_TOTAL_BYTES = 2 * 2**30
"""What all compressed streams of one file may become together."""

BOMB_FROM_BYTES = 50 * 2**20
BOMB_RATIO = 200
"""A stream that has become larger than the first by more than the second is a bomb."""

CHUNK_BYTES = 2**16

Buffer = bytes | mmap.mmap


class View:
    """``data[start:end]``, which lies in the file as ``within`` (a chain of members, "" for the file) under ``name``.

    ``base`` is where byte 0 of what ``within`` names is, when that is not ``start``. A view is never changed. It is no
    dataclass because making the first of those costs more than judging a model.
    """

    __slots__ = ("base", "data", "depth", "end", "name", "start", "within")

    def __init__(
        self, data: Buffer, start: int, end: int, name: str, within: str = "", depth: int = 0, base: int = -1
    ) -> None:
        self.data, self.start, self.end, self.name = data, start, end, name
        self.within, self.depth, self.base = within, depth, base

    @property
    def zero(self) -> int:
        """The place from which offsets count."""
        return self.start if self.base < 0 else self.base

    def rest(self, at: int) -> View:
        """Return what is left from ``at`` on; offsets go on counting."""
        return View(self.data, at, self.end, self.name, self.within, self.depth + 1, self.zero)

    def head(self, size: int = 512) -> bytes:
        """Return at most the first ``size`` bytes."""
        return bytes(self.data[self.start : min(self.end, self.start + size)])

    def inner(self, data: Buffer, start: int, end: int, member: str) -> View:
        """Return the view of a member of this one."""
        within = f"{self.within}/{member}" if self.within else member
        return View(data, start, end, member.rsplit("/", 1)[-1] or self.name, within, self.depth + 1)

    def __len__(self) -> int:
        return self.end - self.start


def opened(path: str | os.PathLike[str]) -> Buffer:
    """Return the bytes of a file: read when it is small, else mapped. Raises Unreadable."""
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            size = os.fstat(file).st_size
            if size <= SMALL_BYTES:
                return _whole(file, size)
            return mmap.mmap(file, 0, access=mmap.ACCESS_READ)
        finally:
            os.close(file)
    except PermissionError:
        raise Unreadable("permission denied; make the file readable for this user or exclude it") from None
    except (OSError, ValueError):
        raise Unreadable("cannot be read") from None


def _whole(file: int, size: int) -> bytes:
    """Return what is left to read, at most SMALL_BYTES + 1. A file may grow, and /proc says that all are empty."""
    data = os.read(file, size + 1)
    if len(data) == size:
        return data
    while len(data) <= SMALL_BYTES and (piece := os.read(file, CHUNK_BYTES)):
        data += piece
    return data


class Unpacked:
    """What came out of a codec. ``bomb`` and ``cut`` say that there is more; ``broken`` that the stream has an error."""

    def __init__(self) -> None:
        self.data: Buffer = b""
        self.size = 0
        self.bomb = self.cut = self.broken = False


def collect(pieces: Iterable[bytes], packed: int, limit: int = MAX_UNPACKED_BYTES) -> Unpacked:
    """Return the pieces of a codec in one buffer of at most ``limit`` bytes. ``packed`` is the size of the input in bytes.

    A codec says that its stream is broken by raising Unreadable; what came before is kept.
    """
    parts: list[bytes] = []
    room: mmap.mmap | None = None
    size = 0
    result = Unpacked()
    iterator: Iterator[bytes] = iter(pieces)
    while True:
        try:
            piece = next(iterator, None)
        except Unreadable:
            result.broken = True
            break
        if piece is None:
            break
        piece = piece[: limit - size]
        if room is None and size + len(piece) > SMALL_BYTES:
            room = mmap.mmap(-1, 4 * SMALL_BYTES)
            room[:size] = b"".join(parts)
            parts = []
        if room is None:
            parts.append(piece)
        else:
            room = _fitting(room, size, size + len(piece))
            room[size : size + len(piece)] = piece
        size += len(piece)
        result.bomb = size > BOMB_FROM_BYTES and size > BOMB_RATIO * max(1, packed)
        result.cut = size >= limit and next(_quietly(iterator), None) is not None
        if result.bomb or size >= limit:
            break
    result.data, result.size = (b"".join(parts) if room is None else room), size
    return result


def _fitting(room: mmap.mmap, used: int, needed: int) -> mmap.mmap:
    if needed <= len(room):
        return room
    larger = mmap.mmap(-1, max(needed, 2 * len(room)))
    for start in range(0, used, 2**20):
        larger[start : min(used, start + 2**20)] = room[start : min(used, start + 2**20)]
    room.close()
    return larger


def _quietly(pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from (piece for piece in pieces if piece)
    except Unreadable:
        return


def chunks(data: Buffer, start: int, end: int) -> Iterator[bytes]:
    """Yield ``data[start:end]`` in pieces of CHUNK_BYTES."""
    for at in range(start, end, CHUNK_BYTES):
        yield bytes(data[at : min(end, at + CHUNK_BYTES)])
