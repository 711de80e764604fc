"""Unpacks zstd (RFC 8878) frame by frame, so that one that is cut off is told from one that ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from mlguard.errors import Unreadable

MAX_WINDOW_BYTES = 2**27
"""What a decoder must accept at most unless it is told otherwise; the limit of the zstd tool."""

SLICE_BYTES = 2**11
"""Packed bytes given to the decoder at once: a block of four bytes may stand for 128 KiB, so this for 64 MiB."""

MAX_SKIPPED_FRAMES = 1_000

_FRAME = b"\x28\xb5\x2f\xfd"


class Bytes(Protocol):
    """What can be measured and sliced."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: slice, /) -> int | bytes: ...


def _slice(data: Bytes, at: int, size: int) -> bytes:
    part = data[at : min(len(data), at + size)]
    return part if isinstance(part, bytes) else b""


def pieces(data: Bytes) -> Iterator[bytes]:
    """Yield what all frames unpack to. Raises Unreadable where the stream breaks off or is damaged."""
    import zstandard

    at = _behind_skipped(data, 0)
    while at < len(data):
        head = _slice(data, at, 18)
        if not head.startswith(_FRAME):
            if _slice(data, at, 2**16).strip(b"\0"):
                raise Unreadable("there are bytes behind the compressed stream")
            return
        if needs_dictionary(head):
            raise Unreadable("the compressed stream needs a dictionary, which is not here")
        frame = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES).decompressobj()
        while not frame.eof:
            packed = _slice(data, at, SLICE_BYTES)
            at += len(packed)
            if not packed:
                raise Unreadable("the compressed stream ends early")
            try:
                piece = frame.decompress(packed)
            except zstandard.ZstdError:
                raise Unreadable("the compressed stream is damaged") from None
            if piece:
                yield piece
        at = _behind_skipped(data, at - len(frame.unused_data or b""))


def _behind_skipped(data: Bytes, at: int) -> int:
    """Return the place behind frames of user data (RFC 8878, 3.1.2)."""
    for _ in range(MAX_SKIPPED_FRAMES):
        head = _slice(data, at, 8)
        if len(head) < 8 or head[0] & 0xF0 != 0x50 or head[1:4] != b"\x2a\x4d\x18":
            return at
        at = min(len(data), at + 8 + int.from_bytes(head[4:8], "little"))
    return at


def needs_dictionary(head: bytes) -> bool:
    """Say whether a zstd frame names a dictionary (RFC 8878, 3.1.1.1: the two lowest bits of the descriptor, and the id)."""
    if len(head) < 6 or not head[4] & 3:
        return False
    at = 5 if head[4] & 0x20 else 6
    return any(head[at : at + (1, 1, 2, 4)[head[4] & 3]])
