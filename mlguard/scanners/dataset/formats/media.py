"""Looks at what pictures, films and sound say of where they were made, by whom, and with which device.

Only headers are read, with our own few readers: decoders of pictures are large, written in C, and made to decode. Formats: JEITA
CP-3451 (Exif 2.32), TIFF 6.0, ISO 16684-1 (XMP), the PNG specification 3 (11.3), the WebP container, ISO 14496-12 and Apple's
QuickTime atoms, ID3v2.4, Vorbis comments.
"""

from __future__ import annotations

import re
import struct
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO

from mlguard import lazy
from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.findings import Detection, Gap, Location, Record
from mlguard.scanners import Context, open_path
from mlguard.scanners.dataset.formats.window import Window

KINDS = frozenset({"image", "audio", "video"})
"""Kinds of artifacts that are looked at."""

RULE = "data/identifying-media-metadata"

GROUP_FILES = 20_000
"""Files of one folder that are looked at together."""

HEAD_BYTES = 2**16
MAX_BLOCK_BYTES = 2**19
"""One block of metadata."""

MAX_BLOCKS = 200
"""Segments, chunks or boxes that are passed on the way to the metadata."""

MAX_DIRECTORIES = 32
MAX_ENTRIES = 1_000
MAX_VALUE_BYTES = 4096

WHAT = {
    "position": "the position where they were made",
    "serial": "the serial number of the camera or lens",
    "owner": "the name of the owner or author",
    "persons": "names of the persons shown",
    "contact": "an e-mail address in a comment",
}
"""What each check found, in words."""


def groups(artifacts: Iterable[Artifact]) -> Iterator[tuple[Artifact, ...]]:
    """Yield the media files among the artifacts, those of one folder together."""
    folders: dict[str, list[Artifact]] = defaultdict(list)
    for artifact in artifacts:
        if artifact.kind in KINDS:
            folders[artifact.path.rpartition("/")[0]].append(artifact)
    for folder in sorted(folders):
        files = sorted(folders[folder], key=lambda artifact: artifact.path)
        for at in range(0, len(files), GROUP_FILES):
            yield tuple(files[at : at + GROUP_FILES])


def scan(group: Sequence[Artifact], context: Context) -> Iterator[Record]:
    """Yield one detection for each kind of trace in a folder, with the number of its files, and a gap for each file that fails."""
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for artifact in group:
        try:
            marks = of_file(context, artifact)
        except Unreadable as trouble:
            yield Gap("dataset", artifact.path, "unreadable", str(trouble))
            continue
        for mark in marks:
            counts[mark] += 1
            first.setdefault(mark, artifact.path)
    for check in WHAT:
        if counts[check]:
            yield told(check, first[check], counts[check], len(group))


def told(check: str, path: str, count: int, of: int, within: str = "") -> Detection:
    """Return the detection of one kind of trace. ``path`` is the first file with it, or an archive, ``within`` its first member."""
    folder = path if within else path.rpartition("/")[0] or "."
    facts: dict[str, str | int] = {"what": WHAT[check], "count": count, "of": of}
    return Detection(
        RULE, check, Location(path, byte=0, within=within), facts, scope=folder, anchor=check, subject=folder
    )


def of_file(context: Context, artifact: Artifact) -> set[str]:
    """Return which traces a file of the tree carries, as keys of WHAT. Raises Unreadable when it cannot be opened."""
    path = open_path(context, artifact.path)
    try:
        with open(path, "rb", buffering=0) as file:
            return look(file, artifact.size, file.read(HEAD_BYTES))
    except OSError:
        raise Unreadable("cannot be read") from None


def look(file: BinaryIO, size: int, head: bytes) -> set[str]:
    """Return which traces a file carries. A damaged header ends the look: there is nothing more to be had from it."""
    marks: set[str] = set()
    try:
        if head.startswith((b"II*\0", b"MM\0*")):  # the directories of a TIFF file lie anywhere in it
            return exif(_Head(file, size, head).get)
        for kind, block in _blocks(file, size, head):
            if kind == "exif":
                marks |= exif(_of_block(block))
            elif kind == "xmp":
                marks |= xmp(block)
            elif kind == "tags":
                marks |= tags(block)
            else:
                marks |= comment(block)
    except (struct.error, IndexError, ValueError, OverflowError, Unreadable, OSError):
        pass
    return marks


def _blocks(file: BinaryIO, size: int, head: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the blocks of metadata: exif, xmp, tags (name=value lines), comment."""
    window = _Head(file, size, head)
    if head.startswith(b"\xff\xd8\xff"):
        yield from _jpeg(window)
    elif head.startswith(b"\x89PNG"):
        yield from _png(window)
    elif head[:4] == b"RIFF":
        yield from _riff(window)
    elif head[4:8] == b"ftyp":
        yield from _boxes(window, head)
    elif head.startswith(b"ID3"):
        yield from _id3(window)
    elif head.startswith(b"fLaC"):
        yield from _flac(window)
    elif head.startswith(b"OggS"):
        yield from _ogg(head)


class _Head:
    """Bytes of a file, of which the first are there already."""

    def __init__(self, file: BinaryIO, size: int, head: bytes) -> None:
        self._file, self.size, self._head = file, size, head
        self.window: Window | None = None

    def get(self, at: int, size: int) -> bytes:
        if at < 0 or size <= 0:
            return b""
        if at + size <= len(self._head) or len(self._head) >= self.size:
            return self._head[at : at + size]
        if self.window is None:
            self.window = Window(self._file, self.size)
        part = self.window[at : min(at + size, self.size)] if at < self.size else b""
        return part if isinstance(part, bytes) else b""


# --- Containers


def _jpeg(data: _Head) -> Iterator[tuple[str, bytes]]:
    at = 2
    for _ in range(MAX_BLOCKS):
        head = data.get(at, 4)
        if len(head) < 4 or head[0] != 0xFF or head[1] in (0xDA, 0xD9):
            return
        if head[1] == 0xFF:
            at += 1
            continue
        size = int.from_bytes(head[2:], "big")
        if head[1] == 0xE1:
            block = data.get(at + 4, size - 2)
            if block.startswith(b"Exif\0"):
                yield "exif", block[6:]
            elif block.startswith((b"http://ns.adobe.com/xap/1.0/\x00", b"http://ns.adobe.com/xmp/extension/\x00")):
                yield "xmp", block
        elif head[1] == 0xFE:
            yield "comment", data.get(at + 4, min(size - 2, MAX_VALUE_BYTES))
        at += 2 + max(size, 2)


def _png(data: _Head) -> Iterator[tuple[str, bytes]]:
    at = 8
    for _ in range(MAX_BLOCKS):
        head = data.get(at, 8)
        if len(head) < 8 or head[4:] == b"IEND":
            return
        size = int.from_bytes(head[:4], "big")
        if head[4:] == b"eXIf":
            yield "exif", data.get(at + 8, min(size, MAX_BLOCK_BYTES))
        elif head[4:] in (b"tEXt", b"iTXt", b"zTXt"):
            yield from _png_text(head[4:], data.get(at + 8, min(size, MAX_BLOCK_BYTES)))
        at += 12 + size


def _png_text(kind: bytes, block: bytes) -> Iterator[tuple[str, bytes]]:
    key, _, value = block.partition(b"\0")
    if kind == b"zTXt" or kind == b"iTXt" and value[:1] == b"\1":
        from zlib import decompressobj, error

        packed = value[1:] if kind == b"zTXt" else value[2:].split(b"\0", 2)[-1]
        try:
            value = decompressobj().decompress(packed, MAX_BLOCK_BYTES)
        except error:
            return
    elif kind == b"iTXt":
        value = value[2:].split(b"\0", 2)[-1]
    if key == b"XML:com.adobe.xmp":
        yield "xmp", value
    elif key in (b"Raw profile type exif", b"Raw profile type APP1"):
        digits = b"".join(value.split()[2:])
        yield "exif", bytes.fromhex(digits.decode("ascii", "replace")).removeprefix(b"Exif\0\0")
    else:
        yield "tags", key + b"=" + value[:MAX_VALUE_BYTES]


def _riff(data: _Head) -> Iterator[tuple[str, bytes]]:
    at = 12
    for _ in range(MAX_BLOCKS):
        head = data.get(at, 8)
        if len(head) < 8:
            return
        size = int.from_bytes(head[4:], "little")
        if head[:4] == b"EXIF":
            yield "exif", data.get(at + 8, min(size, MAX_BLOCK_BYTES)).removeprefix(b"Exif\0\0")
        elif head[:4] in (b"XMP ", b"_PMX"):
            yield "xmp", data.get(at + 8, min(size, MAX_BLOCK_BYTES))
        elif head[:4] == b"LIST" and data.get(at + 8, 4) == b"INFO":
            yield "comment", data.get(at + 12, min(size, MAX_VALUE_BYTES))
        at += 8 + size + size % 2


_STILLS = (b"hei", b"hev", b"mif", b"avi", b"msf")
_EXIF_ITEM = lazy.pattern(rb"Exif\0\0(?=II\*\0|MM\0\*)")


def _boxes(data: _Head, head: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what ISO media files tell: the Exif item of HEIC and AVIF near the start, and the notes of films and sound."""
    near = data.get(0, min(data.size, MAX_BLOCK_BYTES)) if head[8:11] in _STILLS else b""
    for match in _EXIF_ITEM.finditer(near):
        yield "exif", near[match.end() :]
    if (start := near.find(b"<x:xmpmeta")) >= 0:
        yield "xmp", near[start:]
    at = 0
    for _ in range(MAX_BLOCKS):
        box = data.get(at, 16)
        if len(box) < 8:
            return
        size = int.from_bytes(box[:4], "big")
        size = int.from_bytes(box[8:16], "big") if size == 1 else size or data.size - at
        if box[4:8] == b"moov":
            yield "tags", _film(data.get(at, min(size, 16 * MAX_BLOCK_BYTES)))
        elif box[4:8] == b"uuid" and box[8:12] == b"\xbe\x7a\xcf\xcb":
            yield "xmp", data.get(at + 24, min(size, MAX_BLOCK_BYTES))
        if size < 8:
            return
        at += size


def _film(moov: bytes) -> bytes:
    found = []
    if re.search(rb"\xa9xyz.{4}[+-]\d\d", moov, re.S) or re.search(
        rb"location\.ISO6709.{0,4096}?[+-]\d{2,3}\.\d+[+-]\d{2,3}\.\d+", moov, re.S
    ):
        found.append(b"location=1")
    if re.search(rb"loci.{4}.{4}[^\0]*\0.(?!\0{8})", moov, re.S):
        found.append(b"location=1")
    return b"\n".join(found)


def _id3(data: _Head) -> Iterator[tuple[str, bytes]]:
    head = data.get(0, 10)
    size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    at, end = 10, min(10 + size, MAX_BLOCK_BYTES)
    wide = 10 if head[3] > 2 else 6
    for _ in range(MAX_BLOCKS):
        frame = data.get(at, wide)
        if at >= end or len(frame) < wide or not frame[:1].isalnum():
            return
        length = int.from_bytes(frame[4:8] if wide == 10 else frame[3:6], "big")
        if head[3] == 4:
            length = sum((byte & 0x7F) << shift for byte, shift in zip(frame[4:8], (21, 14, 7, 0), strict=True))
        body = data.get(at + wide, min(length, MAX_VALUE_BYTES))
        if frame[:4] == b"TOWN":
            yield "tags", b"owner=" + _latin(body)
        elif frame[:3] in (b"COM", b"TXX"):
            yield "comment", _latin(body)
        at += wide + length


def _latin(body: bytes) -> bytes:
    return body[1:].replace(b"\0", b"").strip(b"\xff\xfe")


def _flac(data: _Head) -> Iterator[tuple[str, bytes]]:
    at = 4
    for _ in range(MAX_BLOCKS):
        head = data.get(at, 4)
        if len(head) < 4:
            return
        size = int.from_bytes(head[1:], "big")
        if head[0] & 0x7F == 4:
            yield "tags", _vorbis(data.get(at + 4, min(size, MAX_BLOCK_BYTES)))
        if head[0] & 0x80:
            return
        at += 4 + size


def _ogg(head: bytes) -> Iterator[tuple[str, bytes]]:
    for mark in (b"\x03vorbis", b"OpusTags"):
        if (at := head.find(mark)) >= 0:
            yield "tags", _vorbis(head[at + len(mark) :])


def _vorbis(block: bytes) -> bytes:
    at = 4 + int.from_bytes(block[:4], "little")
    count = int.from_bytes(block[at : at + 4], "little")
    at += 4
    lines = []
    for _ in range(min(count, MAX_ENTRIES)):
        size = int.from_bytes(block[at : at + 4], "little")
        lines.append(block[at + 4 : at + 4 + min(size, MAX_VALUE_BYTES)].replace(b"\n", b" "))
        at += 4 + size
        if at >= len(block):
            break
    return b"\n".join(lines)


# --- Metadata

_SERIALS = frozenset({0xA431, 0xA435, 0xC62F})
_OWNERS = frozenset({0xA430})
_AUTHORS = frozenset({0x013B, 0x9C9D})
_COMMENTS = frozenset({0x010E, 0x9286, 0x9C9B, 0x9C9C, 0x9C9E, 0x9C9F, 0x8298})
_TOLD = _SERIALS | _OWNERS | _AUTHORS | _COMMENTS
_POINTERS = frozenset({0x8769, 0x8825, 0x014A})
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of a value by type (TIFF 6.0, section 2)."""

_BLANK = lazy.pattern(rb"^(?:[\0 ?\-]*|(?i:none|null|unknown|n/a|default|anonymous|0+))$")
_EMAIL = lazy.pattern(rb"[\w.%+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")


Read = Callable[[int, int], bytes]
"""Returns the bytes at an offset, as many as there are up to a size."""


def _of_block(block: bytes) -> Read:
    return lambda at, size: block[at : at + size]


def exif(read: Read) -> set[str]:
    """Return the traces in Exif, which is a TIFF file without pixels."""
    head = read(0, 8)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        return set()
    marks: set[str] = set()
    waiting = [(struct.unpack(order + "I", head[4:])[0], False)]
    seen: set[int] = set()
    while waiting and len(seen) < MAX_DIRECTORIES:
        at, gps = waiting.pop()
        if at not in seen:
            seen.add(at)
            waiting += _directory(read, order, at, gps, marks)
    return marks


def _directory(read: Read, order: str, at: int, gps: bool, marks: set[str]) -> list[tuple[int, bool]]:
    """Read one directory into ``marks``; return the further ones, as (offset, whether of positions)."""
    head = read(at, 2)
    count = struct.unpack(order + "H", head)[0] if len(head) == 2 else 0
    table = read(at + 2, 12 * min(count, MAX_ENTRIES))
    more: list[tuple[int, bool]] = []
    coordinates: set[int] = set()
    for place in range(0, len(table) // 12 * 12, 12):
        tag, kind, length, pointer = struct.unpack_from(order + "HHII", table, place)
        limit = MAX_BLOCK_BYTES if tag == 0x02BC else MAX_VALUE_BYTES
        if tag in _POINTERS and kind in (3, 4, 13):
            more.append((pointer, tag == 0x8825))
        elif gps and tag in (2, 4):
            if _coordinate(order, _value(read, table, place, kind, length, pointer, limit)):
                coordinates.add(tag)
        elif not gps and (tag in _TOLD or tag == 0x02BC):
            value = _value(read, table, place, kind, length, pointer, limit)
            if tag == 0x02BC:
                marks |= xmp(value)
            else:
                _entry(tag, value, marks)
    if coordinates == {2, 4}:
        marks.add("position")
    end = read(at + 2 + 12 * count, 4)
    if not gps and len(end) == 4 and (following := struct.unpack(order + "I", end)[0]):
        more.append((following, False))
    return more


def _value(read: Read, table: bytes, place: int, kind: int, length: int, pointer: int, limit: int) -> bytes:
    size = _SIZES.get(kind, 0) * length
    return table[place + 8 : place + 8 + size] if size <= 4 else read(pointer, min(size, limit))


def _coordinate(order: str, value: bytes) -> bool:
    """Say whether degrees, minutes and seconds are numbers and not all zero."""
    numbers = struct.unpack(f"{order}{len(value) // 4}I", value[: len(value) // 4 * 4])
    return any(top and bottom for top, bottom in zip(numbers[::2], numbers[1::2], strict=False))


def _entry(tag: int, value: bytes, marks: set[str]) -> None:
    if tag in _SERIALS and not _BLANK.match(value.strip(b"\0 ")):
        marks.add("serial")
    elif tag in _OWNERS and not _BLANK.match(value.strip(b"\0 ")):
        marks.add("owner")
    elif tag in _AUTHORS:
        plain = value.decode("utf-16-le", "replace") if tag == 0x9C9D else value.decode("utf-8", "replace")
        if names_person(plain.strip("\0 ")):
            marks.add("owner")
    elif tag in _COMMENTS:
        marks |= comment(value)


def names_person(text: str) -> bool:
    """Say whether the author of a file is written as a person's name or address, and not as a program or company."""
    from mlguard.scanners.dataset import terms

    return terms.is_person(text) or bool(_EMAIL.search(text.encode("utf-8", "replace")))


_XMP = {
    "position": lazy.pattern(rb"exif:GPSLatitude\s*(?:=\s*[\"']|>)\s*\d"),
    "serial": lazy.pattern(rb"(?:aux|exifEX):(?:SerialNumber|BodySerialNumber|LensSerialNumber)\s*(?:=\s*[\"']|>)\s*[1-9A-Za-z]"),
    "owner": lazy.pattern(rb"(?:aux:OwnerName|exifEX:CameraOwnerName)\s*(?:=\s*[\"']|>)\s*[^\s\"'<]"),
    "persons": lazy.pattern(
        rb"Iptc4xmpExt:PersonInImage>\s*<rdf:Bag>\s*<rdf:li[^>]*>\s*[^<\s]|MPReg:PersonDisplayName\s*(?:=\s*[\"']|>)\s*[^\s\"'<]"
        rb"|mwg-rs:Type\s*(?:=\s*[\"']|>)Face(?=.{0,600}mwg-rs:Name\s*(?:=\s*[\"']|>)\s*[^\s\"'<])|mwg-rs:Name\s*(?:=\s*[\"']|>)\s*[^\s\"'<](?=.{0,600}mwg-rs:Type\s*(?:=\s*[\"']|>)Face)",
        re.S,
    ),
}  # fmt: skip
_CREATOR = lazy.pattern(rb"<dc:creator>\s*<rdf:Seq>\s*<rdf:li[^>]*>([^<]{1,200})<", re.S)


def xmp(packet: bytes) -> set[str]:
    """Return the traces in an XMP packet, which is read as bytes: it is cut, padded and split in the wild."""
    packet = packet[:MAX_BLOCK_BYTES]
    marks = {mark for mark, pattern in _XMP.items() if pattern.search(packet)}
    creator = _CREATOR.search(packet)
    if creator and names_person(creator[1].decode("utf-8", "replace").strip()):
        marks.add("owner")
    return marks


_TAG = lazy.pattern(
    rb"(?i)^(location|geo\w*|latitude|gps\w*|owner|author|artist|contact|comment|description|serial\w*)=(.*)$",
    re.M | re.S,
)


def tags(block: bytes) -> set[str]:
    """Return the traces in lines of name=value."""
    marks: set[str] = set()
    for line in block.split(b"\n") if block.count(b"=") > 1 else [block]:
        match = _TAG.match(line)
        if match is None or _BLANK.match(match[2].strip()):
            continue
        name, value = match[1].lower(), match[2]
        if name in (b"location", b"latitude") or name.startswith((b"geo", b"gps")):
            marks |= {"position"} if re.search(rb"\d", value) else set()
        elif name.startswith(b"serial"):
            marks.add("serial")
        elif (
            name == b"owner"
            or name in (b"author", b"contact")
            and names_person(value.decode("utf-8", "replace").strip())
        ):
            marks.add("owner")
        marks |= comment(value)
    return marks


def comment(text: bytes) -> set[str]:
    """Return whether a comment holds an e-mail address, in one byte a letter or in two."""
    plain = text.replace(b"\0", b"")
    return {"contact"} if _EMAIL.search(plain) else set()
