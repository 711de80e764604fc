"""Bytes as readers want them: a handle that can seek as a buffer, and pieces that arrive as a handle."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

from mlguard.errors import Unreadable

BLOCK_BYTES = 256 * 2**10
BLOCKS = 8
"""Blocks that a window keeps."""

REPLAY_BYTES = 4 * 2**20
"""How much of a stream that comes only once is kept, so that its kind can be told before it is read."""


class Window:
    """A handle that can seek, with the length, slices and searches of ``bytes``. Only a few blocks are in memory.

    A mapping would do, but its pages count as memory of the process, and stores of objects cannot be mapped.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, place: int | slice) -> int | bytes:
        if isinstance(place, int):
            return self._block(place // BLOCK_BYTES)[place % BLOCK_BYTES]
        start, stop, _ = place.indices(self._size)
        parts = []
        while start < stop:
            number, offset = divmod(start, BLOCK_BYTES)
            part = self._block(number)[offset : offset + stop - start]
            parts.append(part)
            start += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _block(self, number: int) -> bytes:
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        wanted = min(BLOCK_BYTES, self._size - number * BLOCK_BYTES)
        try:
            self._file.seek(number * BLOCK_BYTES)
            data = self._file.read(wanted)
        except (OSError, EOFError, ValueError):
            raise Unreadable("cannot be read") from None
        if len(data) != wanted or not data:
            raise Unreadable("the file changed while it was read")
        self._blocks[number] = data
        if len(self._blocks) > BLOCKS:
            self._blocks.popitem(last=False)
        return data

    def find(self, what: bytes, start: int = 0, end: int | None = None) -> int:
        """Return the first place of ``what`` in the range, or -1."""
        stop = self._size if end is None else min(end, self._size)
        at = start
        while at < stop:
            part = cast(bytes, self[at : min(stop, at + BLOCK_BYTES + len(what) - 1)])
            if (found := part.find(what)) >= 0:
                return at + found
            at += BLOCK_BYTES
        return -1

    def rfind(self, what: bytes, start: int = 0, end: int | None = None) -> int:
        """Return the last place of ``what`` in the range, or -1."""
        stop = self._size if end is None else min(end, self._size)
        while stop > start:
            begin = max(start, stop - BLOCK_BYTES - len(what) + 1)
            if (found := cast(bytes, self[begin:stop]).rfind(what)) >= 0:
                return begin + found
            if begin == start:
                return -1
            stop = begin + len(what) - 1
        return -1


class _Pieces(io.RawIOBase):
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: object) -> int:
        room = memoryview(target)  # type: ignore[arg-type]  # typeshed has no name for a writable buffer here
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(room), len(self._rest))
        room[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def handle(pieces: Iterator[bytes]) -> BinaryIO:
    """Return a handle that reads pieces as they come. It cannot seek."""
    return cast(BinaryIO, io.BufferedReader(_Pieces(pieces), 2**17))


def once(pieces: Iterator[bytes]) -> Callable[[], BinaryIO]:
    """Return an opener for pieces that come only once: it starts again as long as no more than REPLAY_BYTES were taken."""
    kept: list[bytes] = []
    state = {"size": 0, "gone": False, "turn": 0}

    def replayed(turn: int) -> Iterator[bytes]:
        yield from tuple(kept)
        while turn == state["turn"] and (piece := next(pieces, None)) is not None:
            state["size"] += len(piece)
            if state["size"] <= REPLAY_BYTES:
                kept.append(piece)
            else:
                state["gone"] = True
            yield piece

    def opener() -> BinaryIO:
        if state["gone"]:
            raise Unreadable("can be read only once, from the start")
        state["turn"] += 1
        return handle(replayed(int(state["turn"])))

    return opener
