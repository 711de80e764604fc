"""The records that an HDF5 file is read into, its datatypes, and the bounds and errors of reading them.

Source: HDF5 File Format Specification 3.0, https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_OBJECTS = 200_000
"""Groups, datasets and named types that are visited."""

MAX_MESSAGES = 100_000
"""Messages of one object."""

MAX_NAME_BYTES = 200
"""Bytes of the name of an object that are kept."""

MAX_STEPS = 2_500_000
"""Messages, links, tree nodes and elements in all."""

MAX_VALUE_BYTES = 32 * 2**20
"""Bytes of one attribute, text or chunk."""

MAX_READ_BYTES = 256 * 2**20
"""Bytes of all values together."""

MAX_TYPE_DEPTH = 8
"""Datatypes inside each other."""

MAX_TREE_LEVELS = 16
"""Levels of a B-tree."""

FIXED, FLOAT, STRING, OPAQUE, COMPOUND, REFERENCE, VARIABLE, ARRAY = 0, 1, 3, 5, 6, 7, 9, 10


class Damaged(Exception):
    """A part cannot be followed; the text says which and holds no input."""


class Enough(Exception):
    """A bound is reached; the text says which."""


class Unknown(Exception):
    """The data of a dataset is packed or indexed in a way that is not read here."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A datatype (section IV.A.2.d): ``code`` is its class, ``bits`` its class bit field; ``parts`` are (offset, type)."""

    code: int
    size: int
    bits: int = 0
    parts: tuple[tuple[int, Kind], ...] = ()

    @property
    def texts(self) -> bool:
        """Whether values may hold text or bytes at all."""
        if self.code == FIXED:
            return self.size == 1
        return self.code in (STRING, OPAQUE) or any(
            part.texts for _, part in self.parts if self.code in (VARIABLE, COMPOUND, ARRAY)
        )


@dataclass(frozen=True, slots=True)
class Attribute:
    """Name and raw value of an attribute; ``at`` is a place in the buffer (0 when it was packed)."""

    name: bytes
    kind: Kind
    count: int
    raw: bytes
    at: int


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a group: "hard" with an address, or "soft", "external", "user"."""

    sort: str
    name: bytes
    address: int = 0


@dataclass
class Object:
    """What the header of one object says. ``layout`` is "" for what is no dataset, ``name`` the link that led here."""

    at: int
    name: bytes
    kind: Kind | None = None
    extents: tuple[int, ...] = ()
    layout: str = ""
    start: int = -1
    size: int = 0
    raw: bytes = b""
    external: bool = False
    chunk: tuple[int, ...] = ()
    index: int = 0
    flags: int = 0
    filters: list[int] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """The number of elements that the extents stand for."""
        product = 1
        for extent in self.extents:
            product *= extent
        return product


def fitting(size: int) -> int:
    """Return the bytes that hold a number up to ``size``."""
    return max(1, (size.bit_length() + 7) // 8)


def kind_of(body: bytes) -> Kind:
    """Return the datatype that ``body`` describes. Raises Damaged."""
    return _kind(body, 0, 0)[0]


def _kind(body: bytes, at: int, depth: int) -> tuple[Kind, int]:
    """Return a datatype and the place behind it (section IV.A.2.d)."""
    if depth > MAX_TYPE_DEPTH or at + 8 > len(body):
        raise Damaged("a datatype is nested too deeply or cut short")
    code, version = body[at] & 15, body[at] >> 4
    bits = int.from_bytes(body[at + 1 : at + 4], "little")
    size = int.from_bytes(body[at + 4 : at + 8], "little")
    at += 8
    plain = {0: 4, 1: 12, 2: 2, 3: 0, 4: 4, 5: bits & 255, 7: 0}
    if code in plain:
        return Kind(code, size, bits), at + plain[code]
    parts: list[tuple[int, Kind]] = []
    if code == COMPOUND:
        for _ in range(bits & 0xFFFF):
            at, offset, extra = _member(body, at, version, size)
            part, at = _kind(body, at, depth + 1)
            parts.append((offset, Kind(ARRAY, part.size * extra, 0, ((0, part),)) if extra > 1 else part))
        return Kind(code, size, bits, tuple(parts)), at
    if code == ARRAY and at < len(body):
        rank = body[at]
        at += 1 + 4 * rank if version >= 3 else 4 + 8 * rank
    part, at = _kind(body, at, depth + 1)
    if code == 8:  # enumeration: only its base type is of use
        return part, len(body) if depth == 0 else _behind_names(body, at, version, bits & 0xFFFF, part.size)
    return Kind(code, size, bits, ((0, part),)), at


def _member(body: bytes, at: int, version: int, size: int) -> tuple[int, int, int]:
    """Return the place behind the head of a member of a compound, its offset, and its count where it is an array."""
    stop = body.find(b"\0", at)
    if stop < 0:
        raise Damaged("a datatype is cut short")
    if version >= 3:
        width = fitting(size)
        return stop + 1 + width, int.from_bytes(body[stop + 1 : stop + 1 + width], "little"), 1
    at += (stop - at) // 8 * 8 + 8
    offset = int.from_bytes(body[at : at + 4], "little")
    if version == 2:
        return at + 4, offset, 1
    extra = 1
    for index in range(min(4, body[at + 4] if at + 4 < len(body) else 0)):
        extra *= int.from_bytes(body[at + 16 + 4 * index : at + 20 + 4 * index], "little")
    return at + 32, offset, extra


def _behind_names(body: bytes, at: int, version: int, count: int, size: int) -> int:
    for _ in range(count):
        stop = body.find(b"\0", at)
        if stop < 0:
            raise Damaged("a datatype is cut short")
        at = stop + 1 if version >= 3 else at + (stop - at) // 8 * 8 + 8
    return at + count * size


def inflated(raw: bytes) -> bytes:
    try:
        stream = zlib.decompressobj()
        return stream.decompress(raw, MAX_VALUE_BYTES)
    except zlib.error:
        raise Damaged("a chunk cannot be unpacked") from None


def fours(body: bytes) -> Iterator[int]:
    for at in range(0, len(body) - 3, 4):
        yield int.from_bytes(body[at : at + 4], "little")


def filters_of(body: bytes) -> Iterator[int]:
    """Yield the identifiers of the filters of a pipeline (section IV.A.2.l)."""
    version, count = body[0], body[1]
    at = 8 if version == 1 else 2
    for _ in range(min(count, 32)):
        code = int.from_bytes(body[at : at + 2], "little")
        at += 2
        name = 0
        if version == 1 or code >= 256:
            name = int.from_bytes(body[at : at + 2], "little")
            at += 2
        values = int.from_bytes(body[at + 2 : at + 4], "little")
        at += 4 + (name + -name % 8 if version == 1 else name) + 4 * values
        if version == 1 and values % 2:
            at += 4
        yield code


def widths_of(node: int, record: int, depth: int, wide: int) -> list[tuple[int, int]]:
    """Return for each level the bytes of "records in the child" and "records below the child" (section III.A.2)."""
    most = (node - 10) // record
    few = fitting(most)
    below, width = most, 0
    widths = [(0, 0)]
    for _ in range(depth):
        widths.append((few, width))
        pointer = wide + few + width
        here = max(1, (node - 10 - pointer) // (record + pointer))
        below = (here + 1) * below + here
        width = fitting(below)
    return widths
