"""Looks into 7z archives: their headers, and each member, one solid block after the other, in one pass.

Format: 7zFormat.txt and Methods.txt of the LZMA SDK (https://www.7-zip.org/sdk.html). A signature header points to the header at the
end, which is often packed itself. Folders are chains of coders; the files of a folder stand one after the other in what it
unpacks to. Read are Copy, LZMA, LZMA2, Delta, the branch filters, Deflate, BZip2 and Zstandard; a folder with another coder,
with several streams (BCJ2) or with a password is a gap.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from itertools import islice

from mlguard.errors import Unreadable
from mlguard.scanners.model import codecs, members, zips
from mlguard.scanners.model.members import Bundle
from mlguard.scanners.model.source import BOMB_FROM_BYTES, BOMB_RATIO, MAX_TOTAL_BYTES, View, chunks
from mlguard.scanners.model.state import MODEL_SUFFIXES, Examination, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlguard.findings import Record

MAX_HEADER_BYTES = 64 * 2**20
MAX_FILES = 200_000
MAX_FOLDERS = 100_000
MAX_CODERS = 8
MAX_MEMBER_BYTES = 96 * 2**20
"""What is kept of one member in memory; what lies behind is a gap."""

MAX_KEPT_BYTES = 32 * 2**20
"""Texts and sources of one archive that wait until it is clear whether it holds a model."""

HEAD_BYTES = 4096

_END, _HEADER, _ARCHIVE, _ADDITIONAL, _MAIN, _FILES, _PACK, _UNPACK, _SUB, _SIZE, _CRC, _FOLDER, _SIZES, _NUMBER = (
    range(14)
)
_EMPTY_STREAM, _EMPTY_FILE, _ANTI, _NAMES, _ATTRIBUTES, _PACKED_HEADER = 14, 15, 16, 17, 21, 23
_COPY = (b"\x00",)
_FILTERS = {
    b"\x03": "DELTA", b"\x04": "X86", b"\x05": "POWERPC", b"\x06": "IA64", b"\x07": "ARM", b"\x08": "ARMTHUMB", b"\x09": "SPARC",
    b"\x03\x03\x01\x03": "X86", b"\x03\x03\x02\x05": "POWERPC", b"\x03\x03\x04\x01": "IA64", b"\x03\x03\x05\x01": "ARM",
    b"\x03\x03\x07\x01": "ARMTHUMB", b"\x03\x03\x08\x05": "SPARC",
}  # fmt: skip
_STREAMS = {
    b"\x04\x01\x08": "deflate",
    b"\x04\x02\x02": "bzip2",
    b"\x04\xf7\x11\x01": "zstd",
    b"\x04\xf7\x11\x04": "lz4",
}
_LZMA, _LZMA2, _AES = b"\x03\x01\x01", b"\x21", b"\x06\xf1\x07\x01"
_NAMED = {
    b"\x03\x03\x01\x1b": "BCJ2", b"\x03\x04\x01": "PPMd", b"\x04\x01\x09": "Deflate64", b"\x04\xf7\x11\x02": "Brotli",
    b"\x0a": "ARM64", b"\x0b": "RISC-V",
}  # fmt: skip
_REPARSE, _UNIX, _LINK = 0x400, 0x8000, 0xA


class _Lie(Exception):
    """The header contradicts itself or the file."""


@dataclass
class _Folder:
    coders: list[tuple[bytes, bytes]] = field(
        default_factory=list
    )  # method and properties, the one that unpacks last first
    packs: int = 1
    simple: bool = True  # every coder has one stream in and one out, one after the other
    sizes: list[int] = field(default_factory=list)
    crc: int | None = None
    order: list[int] = field(default_factory=list)  # coders from the packed stream to the files
    final: int = 0


@dataclass
class _Streams:
    start: int = 0
    packed: list[int] = field(default_factory=list)
    folders: list[_Folder] = field(default_factory=list)
    files: list[list[tuple[int, int | None]]] = field(default_factory=list)  # of each folder: size and checksum


@dataclass
class _File:
    name: str = ""
    stream: bool = True
    anti: bool = False
    folder: bool = False
    attributes: int = 0


class _Reader:
    """Numbers and bits of a header. Raises _Lie where it ends early."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def bytes(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.data):
            raise _Lie
        self.at += count
        return self.data[self.at - count : self.at]

    def byte(self) -> int:
        return self.bytes(1)[0]

    def number(self) -> int:
        """Return a number of one to nine bytes: the ones that lead the first say how many follow."""
        first = self.byte()
        mask, value = 0x80, 0
        for index in range(8):
            if not first & mask:
                return value | (first & (mask - 1)) << (8 * index)
            value |= self.byte() << (8 * index)
            mask >>= 1
        return value

    def count(self, most: int) -> int:
        """Return a number of things, each of which takes room in the header. Raises Unreadable over the limit."""
        value = self.number()
        if value > most:
            raise Unreadable("the 7z archive has more parts than the limit")
        return value

    def bits(self, count: int) -> list[bool]:
        raw = self.bytes((count + 7) // 8)
        return [bool(raw[index >> 3] & 0x80 >> (index & 7)) for index in range(count)]

    def marked(self, count: int) -> list[bool]:
        return [True] * count if self.byte() else self.bits(count)

    def checksums(self, count: int) -> list[int | None]:
        marks = self.marked(count)
        return [int.from_bytes(self.bytes(4), "little") if mark else None for mark in marks]


def examine(view: View, state: State) -> Examination:
    """Look at each member of a 7z archive. Raises Unreadable."""
    outermost = not state.format
    state.name("7z")
    bundle = Bundle(view, "7z")
    try:
        streams, files, problems = _directory(view)
    except (_Lie, RecursionError):
        yield from state.malformed("header", view, 0, "7z")
        raise Unreadable("the header of the 7z archive does not fit the file; was it cut short?") from None
    problems += _problems(files)
    with_stream = iter([file for file in files if file.stream])
    at = view.start + 32 + streams.start
    pack = 0
    for index, folder in enumerate(streams.folders):
        sizes = streams.packed[pack : pack + folder.packs]
        inside = list(islice(with_stream, len(streams.files[index])))
        if len(inside) != len(streams.files[index]) or at + sum(sizes) > view.end:
            problems.append(("header", "", 0))
        yield from _block(view, folder, at, sizes, list(zip(inside, streams.files[index], strict=False)), bundle, state)
        at += sum(sizes)
        pack += folder.packs
    if next(with_stream, None) is not None:
        problems.append(("header", "", 0))
    is_model = bundle.read + bundle.trouble > 0 or view.name.lower().endswith(MODEL_SUFFIXES)
    yield from members.settle(bundle, is_model, state)
    if is_model:
        for check, name, byte in problems:
            yield from state.malformed(
                check, view.inner(view.data, view.start, view.end, name) if name else view, byte, "7z"
            )
    if bundle.unread:
        if outermost and not bundle.read:
            state.format = ""
        yield from state.gap(
            "skipped", f"{bundle.unread} members of an archive are of kinds that are not looked into", view.within
        )
    return "read" if bundle.read or bundle.unread or bundle.trouble else "inert"


def _problems(files: list[_File]) -> Iterator[tuple[str, str, int]]:
    """Yield (check, name, byte) of names and kinds of entries that loaders and unpackers trip over."""
    seen: set[str] = set()
    for file in files:
        if zips.leaves(file.name):
            yield "traversal", file.name, 0
        if file.attributes & _REPARSE or file.attributes & _UNIX and file.attributes >> 28 == _LINK:
            yield "link", file.name, 0
        if file.anti:
            yield "anti-item", file.name, 0
        key = file.name.casefold()
        if key in seen and not file.folder:
            yield "duplicate-member", file.name, 0
        seen.add(key)


# -- headers


def _directory(view: View) -> tuple[_Streams, list[_File], list[tuple[str, str, int]]]:
    """Return the streams, the files, and what is wrong with the header. Raises _Lie and Unreadable."""
    head = view.head(32)
    if len(head) < 32:
        raise Unreadable("the 7z archive ends within its header; was it cut short?")
    problems: list[tuple[str, str, int]] = []
    offset, size, crc = (int.from_bytes(head[at : at + length], "little") for at, length in ((12, 8), (20, 8), (28, 4)))
    if zlib.crc32(head[12:32]) != int.from_bytes(head[8:12], "little"):
        problems.append(("checksum", "", 8))
    if not size:
        if problems or len(view) > 32:
            raise Unreadable("the header of the 7z archive is damaged, or was never written")
        return _Streams(), [], problems
    if size > MAX_HEADER_BYTES:
        raise Unreadable("the header of the 7z archive is larger than the limit")
    begin = view.start + 32 + offset
    if begin + size > view.end:
        raise Unreadable("the header of the 7z archive lies behind its end; was the file cut short?")
    if begin + size < view.end and bytes(view.data[begin + size : min(view.end, begin + size + 2**16)]).strip(b"\0"):
        problems.append(("trailing-data", "", begin + size - view.zero))
    raw = bytes(view.data[begin : begin + size])
    for _ in range(4):
        if zlib.crc32(raw) != crc:
            problems.append(("checksum", "", begin - view.zero))
        reader = _Reader(raw)
        kind = reader.byte()
        if kind == _HEADER:
            return *_header(reader), problems
        if kind != _PACKED_HEADER:
            raise _Lie
        streams = _streams(reader)
        if len(streams.folders) != 1:
            raise _Lie
        raw = _unpacked_header(view, streams)
        told = streams.folders[0].crc
        crc = zlib.crc32(raw) if told is None else told
    raise _Lie


def _unpacked_header(view: View, streams: _Streams) -> bytes:
    folder = streams.folders[0]
    if any(method == _AES for method, _ in folder.coders):
        raise Unreadable("the 7z archive is encrypted with its names; unpack it and scan what it holds")
    size = folder.sizes[folder.final] if folder.sizes else 0
    if size > MAX_HEADER_BYTES or folder.packs != 1 or not streams.packed:
        raise Unreadable("the header of the 7z archive is larger than the limit")
    start = view.start + 32 + streams.start
    if start + streams.packed[0] > view.end:
        raise _Lie
    parts, length = [], 0
    for piece in _unpacked(view, folder, start, streams.packed[0]):
        parts.append(piece)
        length += len(piece)
        if length >= size:
            break
    raw = b"".join(parts)[:size]
    if len(raw) < size:
        raise _Lie
    return raw


def _header(reader: _Reader) -> tuple[_Streams, list[_File]]:
    streams, files = _Streams(), []
    while (kind := reader.number()) != _END:
        if kind == _ARCHIVE:
            while reader.number() != _END:
                reader.bytes(reader.number())
        elif kind == _ADDITIONAL:
            _streams(reader)
        elif kind == _MAIN:
            streams = _streams(reader)
        elif kind == _FILES:
            files = _file_entries(reader)
        else:
            raise _Lie
    return streams, files


def _streams(reader: _Reader) -> _Streams:
    found = _Streams()
    while (kind := reader.number()) != _END:
        if kind == _PACK:
            _packs(reader, found)
        elif kind == _UNPACK:
            _folders(reader, found)
        elif kind == _SUB:
            _substreams(reader, found)
        else:
            raise _Lie
    if sum(folder.packs for folder in found.folders) > len(found.packed):
        raise _Lie
    if not found.files:
        found.files = [[(_size(folder), folder.crc)] for folder in found.folders]
    return found


def _packs(reader: _Reader, found: _Streams) -> None:
    found.start = reader.number()
    count = reader.count(MAX_FOLDERS)
    while (kind := reader.number()) != _END:
        if kind == _SIZE:
            found.packed = [reader.number() for _ in range(count)]
        elif kind == _CRC:
            reader.checksums(count)
        else:
            raise _Lie


def _folders(reader: _Reader, found: _Streams) -> None:
    if reader.number() != _FOLDER:
        raise _Lie
    count = reader.count(MAX_FOLDERS)
    if reader.byte():
        raise Unreadable("the 7z archive keeps its folders in another stream, which is not read")
    found.folders = [_folder(reader) for _ in range(count)]
    while (kind := reader.number()) != _END:
        if kind == _SIZES:
            for folder in found.folders:
                folder.sizes = [reader.number() for _ in folder.coders]
        elif kind == _CRC:
            for folder, crc in zip(found.folders, reader.checksums(count), strict=True):
                folder.crc = crc
        else:
            raise _Lie


def _folder(reader: _Reader) -> _Folder:
    folder = _Folder()
    count = reader.number()
    if not 0 < count <= MAX_CODERS:
        raise _Lie
    inputs = outputs = 0
    for _ in range(count):
        flags = reader.byte()
        method = reader.bytes(flags & 0x0F)
        ins = outs = 1
        if flags & 0x10:
            ins, outs = reader.number(), reader.number()
            folder.simple = folder.simple and ins == outs == 1
        if outs != 1 or not 0 < ins <= MAX_CODERS:
            raise _Lie
        properties = reader.bytes(reader.number()) if flags & 0x20 else b""
        folder.coders.append((method, properties))
        inputs, outputs = inputs + ins, outputs + outs
    pairs = {}
    for _ in range(outputs - 1):
        into, out = reader.number(), reader.number()
        if into >= inputs or out >= outputs:
            raise _Lie
        pairs[into] = out
    folder.packs = inputs - (outputs - 1)
    if folder.packs < 1:
        raise _Lie
    if folder.packs > 1:
        for _ in range(folder.packs):
            reader.number()
    finals = [out for out in range(outputs) if out not in pairs.values()]
    if len(finals) != 1:
        raise _Lie
    folder.final = finals[0]
    if folder.simple:
        at: int | None = folder.final
        while at is not None and len(folder.order) <= count:
            folder.order.insert(0, at)
            at = pairs.get(at)
        if len(folder.order) != count:
            raise _Lie
    return folder


def _size(folder: _Folder) -> int:
    return folder.sizes[folder.final] if folder.sizes else 0


def _substreams(reader: _Reader, found: _Streams) -> None:
    counts = [1] * len(found.folders)
    kind = reader.number()
    if kind == _NUMBER:
        counts = [reader.count(MAX_FILES) for _ in found.folders]
        kind = reader.number()
    if sum(counts) > MAX_FILES:
        raise Unreadable("the 7z archive has more members than the limit")
    sizes: list[list[int]] = []
    for folder, count in zip(found.folders, counts, strict=True):
        told = [reader.number() for _ in range(count - 1)] if kind == _SIZE and count else []
        told += [0] * (count - 1 - len(told)) if count else []
        sizes.append([*told, _size(folder) - sum(told)] if count else [])
        if count and sizes[-1][-1] < 0:
            raise _Lie
    if kind == _SIZE:
        kind = reader.number()
    known = [count == 1 and folder.crc is not None for folder, count in zip(found.folders, counts, strict=True)]
    unknown = sum(count for count, has in zip(counts, known, strict=True) if not has)
    sums: Iterator[int | None] = iter(())
    while kind != _END:
        if kind != _CRC:
            raise _Lie
        sums = iter(reader.checksums(unknown))
        kind = reader.number()
    found.files = [
        [(size, folder.crc if has else next(sums, None)) for size in each]
        for folder, each, has in zip(found.folders, sizes, known, strict=True)
    ]


def _file_entries(reader: _Reader) -> list[_File]:
    count = reader.count(MAX_FILES)
    files = [_File() for _ in range(count)]
    empty = [False] * count
    without: list[_File] = []
    while (kind := reader.number()) != _END:
        inner = _Reader(reader.bytes(reader.number()))
        if kind == _EMPTY_STREAM:
            empty = inner.bits(count)
            without = [file for file, is_empty in zip(files, empty, strict=True) if is_empty]
            for file in without:
                file.stream, file.folder = False, True
        elif kind == _EMPTY_FILE:
            for file, is_file in zip(without, inner.bits(len(without)), strict=True):
                file.folder = not is_file
        elif kind == _ANTI:
            for file, anti in zip(without, inner.bits(len(without)), strict=True):
                file.anti = anti
        elif kind == _NAMES:
            if inner.byte():
                raise Unreadable("the 7z archive keeps its names in another stream, which is not read")
            _named(files, inner.data[inner.at :])
        elif kind == _ATTRIBUTES:
            marks = inner.marked(count)
            if inner.byte():
                continue
            for file, mark in zip(files, marks, strict=True):
                if mark:
                    file.attributes = int.from_bytes(inner.bytes(4), "little")
    return files


def _named(files: list[_File], raw: bytes) -> None:
    """Give each file its name: UTF-16, each with a null behind it."""
    names = raw.decode("utf-16-le", "replace").split("\0")
    if len(names) != len(files) + 1:
        raise _Lie
    for file, name in zip(files, names, strict=False):
        file.name = name


# -- folders


def _block(
    view: View, folder: _Folder, at: int, sizes: list[int], inside: list[tuple[_File, tuple[int, int | None]]], bundle: Bundle,
    state: State,
) -> Iterator[Record]:  # fmt: skip
    """Unpack a folder once and look at its files in their order."""
    reason = _obstacle(folder)
    if reason:
        if any(method == _AES for method, _ in folder.coders):
            yield from state.gap("skipped", "members of the archive are encrypted", view.within,
                                 "unpack the archive and scan what it holds")  # fmt: skip
        else:
            yield from state.gap(
                "skipped", f"{len(inside)} members are packed with {reason}, which is not read", view.within
            )
        bundle.trouble += any(file.name.lower().endswith(MODEL_SUFFIXES) for file, _ in inside)
        return
    packed = min(sizes[0] if sizes else 0, max(0, view.end - at))
    feed = _Feed(_unpacked(view, folder, at, packed), packed, state)
    kept = 0
    for file, (size, crc) in inside:
        try:
            role, content = feed.take(file.name, size)
        except Unreadable as trouble:
            yield from state.gap("unreadable", str(trouble), view.within)
            bundle.trouble += 1
            return
        if feed.short:
            yield from state.gap("unreadable", "a compressed stream is damaged or cut short", view.within)
            bundle.trouble += 1
        if feed.bomb:
            yield from state.malformed("bomb", view, at - view.zero, "7z")
            yield from state.gap("too-large", "a compressed stream unpacks to more than the limit", view.within)
            bundle.trouble += 1
            return
        if not content:
            bundle.unread += role == "other"
            if feed.short:
                return
            continue
        inner = view.inner(content, 0, len(content), file.name)
        if len(content) < size and not feed.short:
            yield from state.gap("too-large", "a member is larger than is kept in memory", inner.within)
        elif crc is not None and not feed.short and zlib.crc32(content) != crc:
            yield from state.malformed("checksum", inner, 0, "7z")
        waiting = len(bundle.later)
        yield from members.look(bundle, file.name, content[:HEAD_BYTES], _already(inner), state)
        if len(bundle.later) > waiting:
            kept += len(content)
            if kept > MAX_KEPT_BYTES:
                bundle.later.pop()
                bundle.unread += 1
        if feed.short:
            return


def _already(inner: View) -> members.Content:
    def content() -> Generator[Record, None, View]:
        yield from ()
        return inner

    return content


def _obstacle(folder: _Folder) -> str:
    """Say which coder of a folder is not read, or ""."""
    for method, _ in folder.coders:
        if method == _AES:
            return "a password"
        if method not in _FILTERS and method not in _STREAMS and method not in (*_COPY, _LZMA, _LZMA2):
            return _NAMED.get(method, "an unknown method")
    return "" if folder.simple and folder.packs == 1 else "several streams"


def _unpacked(view: View, folder: _Folder, at: int, packed: int) -> Iterator[bytes]:
    """Yield what a folder unpacks to. Raises Unreadable."""
    source: Iterator[bytes] = chunks(view.data, at, min(view.end, at + packed))
    for place, index in enumerate(folder.order):
        method, properties = folder.coders[index]
        if method in _STREAMS:
            source = _chained(_STREAMS[method], view, at, packed, place)
        elif method == _LZMA:
            source = _raw([codecs.lzma_filter(properties)], source)
        elif method == _LZMA2:
            source = _raw([_lzma2(properties)], source)
        elif method in _FILTERS:
            source = _raw([_filter(method, properties), _lzma2(b"\0")], _as_lzma2(source))
        source = _limited(source, folder.sizes[index] if folder.sizes else 0)
    return source


def _as_lzma2(source: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the bytes as an LZMA2 stream of chunks that are not packed, because liblzma runs no filter alone."""
    control = b"\x01"  # with a new dictionary; 2 goes on with it
    for piece in source:
        for at in range(0, len(piece), 2**16):
            part = piece[at : at + 2**16]
            yield control + (len(part) - 1).to_bytes(2, "big") + part
            control = b"\x02"
    yield b"\0"


def _chained(codec: str, view: View, at: int, packed: int, place: int) -> Iterator[bytes]:
    if place:
        raise Unreadable("the coders of the 7z archive are chained in a way that is not read")
    return codecs.pieces(view.data, at, min(view.end, at + packed), codec)


def _limited(source: Iterator[bytes], size: int) -> Iterator[bytes]:
    for piece in source:
        yield piece[:size]
        size -= len(piece)
        if size <= 0:
            return


def _lzma2(properties: bytes) -> dict[str, Any]:
    """Return the filter of LZMA2, whose one byte of properties is the dictionary's size in half powers of two."""
    import lzma

    if len(properties) != 1 or properties[0] > 40:
        raise Unreadable("the compressed stream is damaged")
    bits = properties[0]
    size = 0xFFFFFFFF if bits == 40 else (2 | bits & 1) << (bits // 2 + 11)
    if size > codecs.MAX_LZMA_BYTES:
        raise Unreadable("the compressed stream asks for more memory than the limit")
    return {"id": lzma.FILTER_LZMA2, "dict_size": size}


def _filter(method: bytes, properties: bytes) -> dict[str, Any]:
    import lzma

    name = _FILTERS[method]
    if name == "DELTA":
        return {"id": lzma.FILTER_DELTA, "dist": (properties or b"\0")[0] + 1}
    return {"id": getattr(lzma, f"FILTER_{name}")}


def _raw(chain: list[dict[str, Any]], source: Iterator[bytes]) -> Iterator[bytes]:
    import lzma

    try:
        stream = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=chain)
    except (lzma.LZMAError, ValueError, MemoryError):
        raise Unreadable("the coders of the 7z archive are chained in a way that is not read") from None
    return codecs.decoded(stream, source)


class _Feed:
    """Hands out the bytes of a folder, member by member, and counts them. ``bomb`` and ``short`` end the reading."""

    def __init__(self, source: Iterator[bytes], packed: int, state: State) -> None:
        self._source, self._rest, self._made = source, b"", 0
        self._packed, self._state = packed, state
        self.bomb = self.short = False

    def take(self, name: str, size: int) -> tuple[members.Role, bytes]:
        """Return what a member is and its content, which is empty where nobody looks. Raises Unreadable at the limit."""
        head = self._read(min(size, HEAD_BYTES))
        role = members.role_of(name, head)
        parts, length = [head], len(head)
        wanted = role not in ("other", "picture", "nothing")
        while length < size and not self.bomb and not self.short:
            piece = self._read(min(size - length, 2**20))
            length += len(piece)
            if wanted and length <= MAX_MEMBER_BYTES:
                parts.append(piece)
        return role, b"".join(parts) if wanted else b""

    def _read(self, size: int) -> bytes:
        """Return ``size`` bytes, or what is left of a stream that is cut short or damaged. Raises Unreadable at the limit."""
        parts, length = [self._rest], len(self._rest)
        while length < size:
            try:
                piece = next(self._source, None)
            except Unreadable:
                piece = None
            if piece is None:
                self.short = True
                break
            parts.append(piece)
            length += len(piece)
            self._made += len(piece)
            self._state.unpacked += len(piece)
            if self._made > BOMB_FROM_BYTES and self._made > BOMB_RATIO * max(1, self._packed):
                self.bomb = True
                break
            if self._state.unpacked > MAX_TOTAL_BYTES:
                raise Unreadable("the archive unpacks to more than the limit")
        whole = b"".join(parts)
        self._rest = whole[size:]
        return whole[:size]
