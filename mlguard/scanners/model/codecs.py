"""Unpacks compressed streams piece by piece: gzip, zlib, bzip2, xz, lzma, and zstd and lz4 where a library is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any, cast

from mlguard.errors import Unreadable
from mlguard.scanners.model.source import CHUNK_BYTES, Buffer, chunks

NAMES = {"gzip", "zlib", "bzip2", "xz", "lzma", "zstd", "lz4"}


class Missing(Exception):
    """The library for a codec is not installed; the text names it."""


def codec_of(head: bytes) -> str:
    """Return the name of the codec whose stream begins with ``head``, or ""."""
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(b"BZh") and len(head) > 10 and head[4:10] in (b"1AY&SY", b"\x17rE8P\x90"):
        return "bzip2"
    if head.startswith(b"\xfd7zXZ\x00"):
        return "xz"
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return "zstd"
    if head.startswith(b"\x04\x22\x4d\x18"):
        return "lz4"
    if len(head) > 2 and head[0] == 0x78 and (head[0] << 8 | head[1]) % 31 == 0 and _starts(head, "zlib"):
        return "zlib"
    if len(head) > 13 and head[0] == 0x5D and head[1:3] == b"\x00\x00" and _starts(head, "lzma"):
        return "lzma"
    return ""


def _starts(head: bytes, codec: str) -> bool:
    """Say whether a stream without a magic number of its own yields anything at all."""
    try:
        return bool(next(pieces(head, 0, len(head), codec), b""))
    except (Unreadable, StopIteration):
        return False


def pieces(data: Buffer, start: int, end: int, codec: str) -> Iterator[bytes]:
    """Yield what a stream unpacks to, at most 16 CHUNK_BYTES at a time.

    Several streams one after the other are one, as gzip and bzip2 read them. Raises Unreadable where the stream breaks,
    and Missing.
    """
    if codec == "zlib" or codec == "gzip" or codec == "deflate":
        yield from _zlib(data, start, end, {"zlib": 15, "gzip": 31, "deflate": -15}[codec])
    else:
        yield from _others(data, start, end, codec)


def _zlib(data: Buffer, start: int, end: int, bits: int) -> Iterator[bytes]:
    import zlib

    stream = zlib.decompressobj(bits)
    produced = False
    rest = b""
    at = start
    while at < end or rest:
        if stream.eof:
            if bits == 31 and rest.startswith(b"\x1f\x8b"):
                stream = zlib.decompressobj(bits)
            else:
                return
        source = rest or bytes(data[at : min(end, at + CHUNK_BYTES)])
        if not rest:
            at += len(source)
        try:
            piece = stream.decompress(source, 16 * CHUNK_BYTES)
        except zlib.error:
            raise Unreadable("the compressed stream is damaged") from None
        rest = stream.unused_data if stream.eof else stream.unconsumed_tail
        if stream.eof and not rest and at < end and bits == 31:
            rest = bytes(data[at : min(end, at + CHUNK_BYTES)])
            at += len(rest)
        if piece:
            produced = True
            yield piece
    if not stream.eof:
        while piece := stream.decompress(b"", 16 * CHUNK_BYTES):
            yield piece
        if produced or end > start:
            raise Unreadable("the compressed stream ends early")


def _others(data: Buffer, start: int, end: int, codec: str) -> Iterator[bytes]:
    try:
        stream: Any = _decompressor(codec)
    except Missing:
        if codec != "zstd":
            raise
        yield from _zstandard(data, start, end)
        return
    errors = _errors(codec)
    for source in chunks(data, start, end):
        if stream.eof:
            if not source.startswith(_AGAIN.get(codec, b"\xff\xff")):
                return
            stream = _decompressor(codec)
        while source or not stream.eof:
            try:
                piece = stream.decompress(source, 16 * CHUNK_BYTES)
            except errors:
                raise Unreadable("the compressed stream is damaged") from None
            if piece:
                yield piece
            source = b""
            if stream.eof:
                source = stream.unused_data or b""
                if not source.startswith(_AGAIN.get(codec, b"\xff\xff")):
                    break
                stream = _decompressor(codec)
            elif stream.needs_input:
                break
    if not stream.eof:
        raise Unreadable("the compressed stream ends early")


_AGAIN = {"bzip2": b"BZh", "xz": b"\xfd7zXZ\x00", "zstd": b"\x28\xb5\x2f\xfd", "lz4": b"\x04\x22\x4d\x18"}


def _decompressor(codec: str) -> Any:
    if codec == "bzip2":
        import bz2

        return bz2.BZ2Decompressor()
    if codec in ("xz", "lzma"):
        import lzma

        return lzma.LZMADecompressor(lzma.FORMAT_XZ if codec == "xz" else lzma.FORMAT_ALONE, memlimit=512 * 2**20)
    if codec == "zstd":
        return _zstd()
    if codec == "lz4":
        try:
            from lz4.frame import LZ4FrameDecompressor
        except ImportError:
            raise Missing("lz4") from None
        return LZ4FrameDecompressor()
    raise Missing(codec)


def _zstd() -> Any:
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]  # since Python 3.14
    except ImportError:
        try:
            from backports import zstd
        except ImportError:
            raise Missing("zstandard") from None
    return zstd.ZstdDecompressor()


def _errors(codec: str) -> tuple[type[Exception], ...]:
    if codec in ("xz", "lzma"):
        import lzma

        return (lzma.LZMAError, EOFError, ValueError)
    if codec == "zstd":
        return (_zstd_error(), EOFError, ValueError)
    return (OSError, EOFError, ValueError, RuntimeError)


def _zstd_error() -> type[Exception]:
    try:
        from compression.zstd import ZstdError  # type: ignore[import-not-found, unused-ignore]  # since Python 3.14
    except ImportError:
        from backports.zstd import ZstdError
    error: type[Exception] = ZstdError
    return error


class _Reading:
    """What zstandard's reader asks for: ``read(size)`` over a part of a buffer."""

    def __init__(self, data: Buffer, start: int, end: int) -> None:
        self._data, self._at, self._end = data, start, end

    def read(self, size: int = -1) -> bytes:
        size = CHUNK_BYTES if size < 0 else min(size, CHUNK_BYTES)
        piece = bytes(self._data[self._at : min(self._end, self._at + size)])
        self._at += len(piece)
        return piece


def _zstandard(data: Buffer, start: int, end: int) -> Iterator[bytes]:
    try:
        import zstandard
    except ImportError:
        raise Missing("zstandard") from None
    reader = zstandard.ZstdDecompressor().stream_reader(
        cast(IO[bytes], _Reading(data, start, end)), read_across_frames=True
    )
    try:
        while piece := reader.read(16 * CHUNK_BYTES):
            yield piece
    except zstandard.ZstdError:
        raise Unreadable("the compressed stream is damaged") from None
