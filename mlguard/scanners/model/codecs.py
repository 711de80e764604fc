"""Unpacks compressed streams piece by piece: gzip, zlib, bzip2, xz, lzma, zstd and lz4."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mlguard.errors import Unreadable
from mlguard.scanners.model.source import CHUNK_BYTES, Buffer, chunks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_LZMA_BYTES = 192 * 2**20
"""Memory of an lzma or xz decoder. The strongest preset of the xz tool needs 65 MiB."""

MAX_LZ4_BLOCK_BYTES = 8 * 2**20
"""Unpacked size of a block of the legacy lz4 frame (lz4_Frame_format.md, "Legacy frame")."""

MAX_SKIPPED_FRAMES = 1000


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
    if head.startswith(_LZ4):
        return "lz4"
    if head.startswith(b"ZF0x"):
        return "zfile"
    if head.startswith(_LZ4_LEGACY):
        return "lz4-legacy"
    if _is_skippable(head):
        return "skippable"
    if len(head) > 2 and head[0] == 0x78 and (head[0] << 8 | head[1]) % 31 == 0 and _starts(head, "zlib"):
        return "zlib"
    if len(head) > 13 and head[0] == 0x5D and head[1] == 0 and _starts(head, "lzma"):
        return "lzma"
    return ""


_LZ4, _LZ4_LEGACY = b"\x04\x22\x4d\x18", b"\x02\x21\x4c\x18"


def _is_skippable(head: bytes) -> bool:
    """Say whether a frame of user data begins here: zstd and lz4 pass over it (RFC 8878, 3.1.2)."""
    return len(head) >= 8 and head[0] & 0xF0 == 0x50 and head[1:4] == b"\x2a\x4d\x18"


def _starts(head: bytes, codec: str) -> bool:
    """Say whether a stream without a magic number of its own yields anything at all."""
    try:
        return bool(next(pieces(head, 0, len(head), codec), b""))
    except (Unreadable, StopIteration):
        return False


def pieces(data: Buffer, start: int, end: int, codec: str) -> Iterator[bytes]:
    """Yield what a stream unpacks to, at most 16 CHUNK_BYTES at a time (a block for the legacy lz4 frame).

    Several streams one after the other are one, as gzip and bzip2 read them. Raises Unreadable where the stream breaks,
    and Missing.
    """
    if codec in ("zlib", "gzip", "deflate"):
        return _zlib(data, start, end, {"zlib": 15, "gzip": 31, "deflate": -15}[codec])
    if codec == "zstd":
        return _zstandard(data, start, end)
    if codec == "lz4-legacy":
        return _lz4_legacy(data, start, end)
    if codec == "zfile":  # joblib/numpy_pickle_compat.py, read_zfile: prefix, a length in hexadecimal, perhaps a space
        begin = start + 21
        return _zlib(data, begin + (data[begin : begin + 1] == b" "), end, 15)
    if codec == "skippable":
        return _behind_skipped(data, start, end)
    if codec == "lzma-zip":
        return _lzma_zip(data, start, end)
    make, errors = _decoder(codec)
    return _streams(data, start, end, make, errors, _AGAIN.get(codec, b"\xff\xff"))


def _zlib(data: Buffer, start: int, end: int, bits: int) -> Iterator[bytes]:
    """Yield what zlib (15), gzip (31) and raw streams (-15) unpack to.

    Header and checksum are read here: zlib would keep the last piece of a stream whose checksum is wrong to itself, and
    Python's gzip reader gives it away before it looks at the checksum.
    """
    import zlib

    at, wrong = start, False
    while True:
        at = _behind_header(data, at, end, bits)
        stream, check, size = zlib.decompressobj(-15), int(bits == 15), 0
        source = b""
        while not stream.eof:
            if not source:
                source = bytes(data[at : min(end, at + CHUNK_BYTES)])
                at += len(source)
            try:
                piece = stream.decompress(source, 16 * CHUNK_BYTES)
            except zlib.error:
                raise Unreadable("the compressed stream is damaged") from None
            check, size = (zlib.adler32 if bits == 15 else zlib.crc32)(piece, check), size + len(piece)
            if piece:
                yield piece
            elif at >= end and not source and not stream.eof:
                raise Unreadable("the compressed stream ends early")
            source = stream.unconsumed_tail
        at -= len(stream.unused_data)
        if bits < 0:
            return
        if bits == 15:
            wrong |= data[at : at + 4] != check.to_bytes(4, "big")
            at += 4
        else:
            wrong |= data[at : at + 8] != check.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")
            at += 8
        if bits == 15 or data[at : min(end, at + 2)] != b"\x1f\x8b":
            break
    if wrong:
        raise Unreadable("the checksum of a compressed stream does not fit")
    if bytes(data[at : min(end, at + CHUNK_BYTES)]).strip(b"\0\r\n"):
        raise Unreadable("there are bytes behind the compressed stream")


def _behind_header(data: Buffer, at: int, end: int, bits: int) -> int:
    """Return where the raw stream begins (RFC 1950 and 1952). Raises Unreadable."""
    if bits < 0:
        return at
    if bits == 15:
        if at + 2 > end or data[at + 1] & 0x20:
            raise Unreadable("the compressed stream needs a dictionary or has no header")
        return at + 2
    if at + 10 > end:
        raise Unreadable("the compressed stream ends early")
    flags = data[at + 3]
    at += 10
    if flags & 4:
        at += 2 + int.from_bytes(data[at : at + 2], "little")
    for flag in (8, 16):
        if flags & flag:
            stop = data.find(b"\0", at, end)
            if stop < 0:
                raise Unreadable("the compressed stream ends early")
            at = stop + 1
    return min(end, at + 2 * bool(flags & 2))


def _streams(
    data: Buffer, start: int, end: int, make: Callable[[], Any], errors: tuple[type[Exception], ...], again: bytes
) -> Iterator[bytes]:
    """Yield what a decoder of the form of ``bz2.BZ2Decompressor`` gives; ``again`` begins another stream behind the first."""
    at = start
    while True:
        stream = make()
        while at < end and not stream.eof:
            source = bytes(data[at : min(end, at + CHUNK_BYTES)])
            at += len(source)
            while True:
                try:
                    piece = stream.decompress(source, 16 * CHUNK_BYTES)
                except errors:
                    raise Unreadable("the compressed stream is damaged") from None
                if piece:
                    yield piece
                source = b""
                if stream.eof or stream.needs_input:
                    break
        if not stream.eof:
            raise Unreadable("the compressed stream ends early")
        at -= len(stream.unused_data or b"")
        if again == _LZ4:
            at = _passed(data, at, end)
        if data[at : min(end, at + len(again))] != again:
            return


_AGAIN = {"bzip2": b"BZh", "xz": b"\xfd7zXZ\x00", "lz4": _LZ4}


def _decoder(codec: str) -> tuple[Callable[[], Any], tuple[type[Exception], ...]]:
    if codec == "bzip2":
        import bz2

        return bz2.BZ2Decompressor, (OSError, EOFError, ValueError)
    if codec in ("xz", "lzma"):
        import lzma

        form = lzma.FORMAT_XZ if codec == "xz" else lzma.FORMAT_ALONE
        return lambda: lzma.LZMADecompressor(form, memlimit=MAX_LZMA_BYTES), (lzma.LZMAError, EOFError, ValueError)
    try:
        from lz4.frame import LZ4FrameDecompressor
    except ImportError:
        raise Missing("lz4") from None
    return LZ4FrameDecompressor, (OSError, EOFError, ValueError, RuntimeError)


def _lzma_zip(data: Buffer, start: int, end: int) -> Iterator[bytes]:
    """Yield a member of method 14: version, size of the properties, properties, raw LZMA (APPNOTE 5.8.8)."""
    if end - start < 9 or data[start + 2 : start + 4] != b"\x05\x00":
        raise Unreadable("the compressed stream is damaged")
    yield from raw_lzma(data, start + 9, end, bytes(data[start + 4 : start + 9]))


def raw_lzma(data: Buffer, start: int, end: int, properties: bytes) -> Iterator[bytes]:
    """Yield a raw LZMA stream with its five bytes of properties, as zip and 7z keep it. Raises Unreadable.

    It need not have an end marker: that its input ends is no error here, so the caller compares the size.
    """
    import lzma

    filters = [lzma_filter(properties)]
    try:
        stream = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
    except (lzma.LZMAError, ValueError, MemoryError):
        raise Unreadable("the compressed stream is damaged") from None
    yield from decoded(stream, chunks(data, start, end))


def lzma_filter(properties: bytes) -> dict[str, Any]:
    """Return the filter for the properties of LZMA: lc, lp and pb in one byte, then the dictionary's size. Raises Unreadable."""
    import lzma

    if len(properties) != 5 or properties[0] >= 225:
        raise Unreadable("the compressed stream is damaged")
    size = int.from_bytes(properties[1:], "little")
    if size > MAX_LZMA_BYTES:
        raise Unreadable("the compressed stream asks for more memory than the limit")
    rest, lc = divmod(properties[0], 9)
    pb, lp = divmod(rest, 5)
    return {"id": lzma.FILTER_LZMA1, "dict_size": max(size, 4096), "lc": lc, "lp": lp, "pb": pb}


def decoded(stream: Any, source: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what an ``lzma.LZMADecompressor`` makes of the pieces of ``source``. Raises Unreadable."""
    import lzma

    for piece in source:
        while not stream.eof:
            try:
                made = stream.decompress(piece, 16 * CHUNK_BYTES)
            except (lzma.LZMAError, EOFError, ValueError):
                raise Unreadable("the compressed stream is damaged") from None
            if made:
                yield made
            piece = b""
            if stream.needs_input:
                break
        if stream.eof:
            return


class _Part:
    """A part of a buffer, sliced without copying the whole."""

    def __init__(self, data: Buffer, start: int, end: int) -> None:
        self._data, self._start, self._size = data, start, end - start

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, place: slice) -> bytes:
        start, stop, _ = place.indices(self._size)
        return bytes(self._data[self._start + start : self._start + stop])


def _zstandard(data: Buffer, start: int, end: int) -> Iterator[bytes]:
    from mlguard.scanners import zstd

    return zstd.pieces(_Part(data, start, end))


def _lz4_legacy(data: Buffer, start: int, end: int) -> Iterator[bytes]:
    """Yield the blocks of legacy frames: a size of four bytes before each, and no end mark."""
    try:
        from lz4.block import LZ4BlockError, decompress
    except ImportError:
        raise Missing("lz4") from None
    at = start + 4
    while at + 4 <= end:
        head = bytes(data[at : at + 4])
        at += 4
        if head == _LZ4_LEGACY:
            continue
        size = int.from_bytes(head, "little")
        if size > MAX_LZ4_BLOCK_BYTES + MAX_LZ4_BLOCK_BYTES // 255 + 16 or at + size > end:
            raise Unreadable("the compressed stream is damaged")
        try:
            yield decompress(bytes(data[at : at + size]), uncompressed_size=MAX_LZ4_BLOCK_BYTES)
        except (LZ4BlockError, ValueError, MemoryError):
            raise Unreadable("the compressed stream is damaged") from None
        at += size
    if at < end:
        raise Unreadable("the compressed stream ends early")


def _behind_skipped(data: Buffer, start: int, end: int) -> Iterator[bytes]:
    """Pass over frames of user data and yield the stream behind them."""
    at = _passed(data, start, end)
    codec = codec_of(bytes(data[at : min(end, at + 512)])) if at < end else ""
    if codec not in ("zstd", "lz4", "lz4-legacy"):
        raise Unreadable("the compressed stream is damaged")
    yield from pieces(data, at, end, codec)


def _passed(data: Buffer, start: int, end: int) -> int:
    """Return the place behind the frames of user data that begin at ``start``."""
    at = start
    for _ in range(MAX_SKIPPED_FRAMES):
        head = bytes(data[at : min(end, at + 8)])
        if not _is_skippable(head):
            break
        at = min(end, at + 8 + int.from_bytes(head[4:8], "little"))
    return at
