"""Writes small HDF5 files for tests: groups, attributes, links and datasets in the old and in the new form.

Source: HDF5 File Format Specification 3.0; its checksum is Bob Jenkins' lookup3 (burtleburtle.net/bob/c/lookup3.c). h5py opens them.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

MAGIC = b"\x89HDF\r\n\x1a\n"
NOWHERE = 2**64 - 1


@dataclass
class Text:
    """A value of an attribute or dataset. ``form``: "fixed", "variable" text, "sequence" of bytes, "opaque", "bytes"."""

    value: bytes | list[bytes]
    form: str = "fixed"


@dataclass
class Soft:
    path: str


@dataclass
class External:
    file: str
    path: str = "/weights"


@dataclass
class User:
    """A link of a class that only a plugin knows."""


@dataclass
class Dataset:
    """Eight zero bytes as one number, or ``value``; ``outside`` names files that hold the data, ``sources`` those of a view."""

    value: Text | None = None
    attributes: Mapping[str, Text] = field(default_factory=dict)
    outside: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    extents: tuple[int, ...] = (1,)
    start: int | None = None


@dataclass
class Group:
    attributes: Mapping[str, Text] = field(default_factory=dict)
    links: Mapping[str, Group | Dataset | Soft | External | User] = field(default_factory=dict)


def file(root: Group, version: int = 0, block: int = 0, spread: bool = False) -> bytes:
    """Return a file: ``version`` of its superblock (0 or 1: old groups and headers, 2 or 3: new ones), ``block`` bytes before it.

    ``spread`` puts all messages of each header into continuation blocks.
    """
    return b"\0" * block + _Writer(version, spread).file(root)


class _Writer:
    def __init__(self, version: int, spread: bool) -> None:
        self.version, self.spread, self.old = version, spread, version < 2
        self.room = bytearray({0: 96, 1: 100}.get(version, 48))
        self.room += b"\0" * (-len(self.room) % 8)

    def put(self, content: bytes) -> int:
        place = len(self.room)
        self.room += content + b"\0" * (-len(content) % 8)
        return place

    def file(self, root: Group) -> bytes:
        place = self.group(root)
        if self.old:
            head = MAGIC + bytes([self.version, 0, 0, 0, 0, 8, 8, 0]) + struct.pack("<HHI", 4, 16, 0)
            head += struct.pack("<HH", 32, 0) if self.version else b""
            head += struct.pack("<QQQQ", 0, NOWHERE, len(self.room), NOWHERE) + struct.pack("<QQII16x", 0, place, 0, 0)
        else:
            head = MAGIC + bytes([self.version, 8, 8, 0]) + struct.pack("<QQQQ", 0, NOWHERE, len(self.room), place)
            head += checksum(head)
        self.room[: len(head)] = head
        return bytes(self.room)

    # -- objects

    def group(self, group: Group) -> int:
        messages = [self.attribute(name, value) for name, value in group.attributes.items()]
        plain = {name: link for name, link in group.links.items() if isinstance(link, Group | Dataset)}
        if self.old and len(plain) == len(group.links):
            messages.append((0x11, self.symbols(plain)))
        else:
            messages.append((0x02, bytes([0, 0]) + struct.pack("<QQ", NOWHERE, NOWHERE)))
            messages += [(0x06, self.link(name, link)) for name, link in group.links.items()]
        return self.header(messages)

    def child(self, link: object) -> int:
        return self.group(link) if isinstance(link, Group) else self.dataset(link) if isinstance(link, Dataset) else 0

    def link(self, name: str, link: object) -> bytes:
        head = struct.pack("<BBBH", 1, 0b1001, 0, len(name)) + name.encode()
        if isinstance(link, Group | Dataset):
            return head + struct.pack("<Q", self.child(link))
        if isinstance(link, Soft):
            return head[:2] + b"\1" + head[3:] + struct.pack("<H", len(link.path)) + link.path.encode()
        body = b"\0" + link.file.encode() + b"\0" + link.path.encode() + b"\0" if isinstance(link, External) else b"\0"
        sort = b"\x40" if isinstance(link, External) else b"\x50"
        return head[:2] + sort + head[3:] + struct.pack("<H", len(body)) + body

    def symbols(self, links: Mapping[str, Group | Dataset]) -> bytes:
        places = {name: self.child(link) for name, link in links.items()}
        names, entries = b"\0" * 8, b""
        for name, place in sorted(places.items()):
            entries += struct.pack("<QQII16x", len(names), place, 0, 0)
            names += name.encode() + b"\0"
            names += b"\0" * (-len(names) % 8)
        heap = self.put(b"HEAP\0\0\0\0" + struct.pack("<QQQ", len(names), 1, self.put(names)))
        node = self.put((b"SNOD\1\0" + struct.pack("<H", len(places)) + entries).ljust(328, b"\0"))
        tree = (
            b"TREE\0\0"
            + struct.pack("<HQQ", 1 if places else 0, NOWHERE, NOWHERE)
            + struct.pack("<QQQ", 0, node, max(8, len(names) - 8))
        )
        tree = tree.ljust(544, b"\0")
        return struct.pack("<QQ", self.put(tree), heap)

    def dataset(self, dataset: Dataset) -> int:
        kind, raw, count = self.value(dataset.value) if dataset.value else (_NUMBER, bytes(8), 1)
        extents = dataset.extents if dataset.value is None else (count,)
        messages = [(0x01, _space(extents)), (0x03, kind)]
        if dataset.sources:
            messages.append((0x08, bytes([4, 3]) + struct.pack("<QI", *self.views(dataset.sources))))
        elif dataset.outside:
            messages += [(0x07, self.outside(dataset.outside)), (0x08, bytes([3, 1]) + struct.pack("<QQ", NOWHERE, 8))]
        else:
            place = self.put(raw) if dataset.start is None else dataset.start
            messages.append((0x08, bytes([3, 1]) + struct.pack("<QQ", place, len(raw))))
        messages += [self.attribute(name, value) for name, value in dataset.attributes.items()]
        return self.header(messages)

    def outside(self, files: tuple[str, ...]) -> bytes:
        names, slots = b"\0" * 8, b""
        for name in files:
            slots += struct.pack("<QQQ", len(names), 0, 8)
            names += name.encode() + b"\0"
        heap = self.put(b"HEAP\0\0\0\0" + struct.pack("<QQQ", len(names), 1, self.put(names)))
        return bytes([1, 0, 0, 0]) + struct.pack("<HHQ", len(files), len(files), heap) + slots

    def views(self, files: tuple[str, ...]) -> tuple[int, int]:
        everything = struct.pack("<IIII", 3, 1, 0, 0)
        body = b"\0" + struct.pack("<Q", len(files))
        body += b"".join(name.encode() + b"\0data\0" + everything * 2 for name in files)
        return self.heap([body])

    # -- values

    def heap(self, values: list[bytes]) -> tuple[int, int]:
        """Put values into a global heap; return its place and the number of the first."""
        body = b""
        for number, value in enumerate(values, 1):
            body += struct.pack("<HHIQ", number, 1, 0, len(value)) + value + b"\0" * (-len(value) % 8)
        free = max(16, 4096 - 16 - len(body))  # a heap takes 4096 bytes at least
        rest = struct.pack("<HHIQ", 0, 0, 0, free) + bytes(free - 16)
        return self.put(b"GCOL\1\0\0\0" + struct.pack("<Q", 16 + len(body) + free) + body + rest), 1

    def value(self, text: Text) -> tuple[bytes, bytes, int]:
        """Return datatype, raw bytes and number of elements."""
        values = text.value if isinstance(text.value, list) else [text.value]
        size = max([1, *map(len, values)])
        if text.form in ("variable", "sequence"):
            place, _ = self.heap(values)
            raw = b"".join(struct.pack("<IQI", len(value), place, number) for number, value in enumerate(values, 1))
            head = bytes([0x19, text.form == "variable", 0, 0]) + struct.pack("<I", 16)
            return head + b"\x10\0\0\0" + struct.pack("<IHH", 1, 0, 8), raw, len(values)
        if text.form == "bytes":
            return b"\x10\0\0\0" + struct.pack("<IHH", 1, 0, 8), values[0], len(values[0])
        if text.form == "opaque":
            return b"\x15\0\0\0" + struct.pack("<I", size), values[0], 1
        return (
            b"\x13\0\0\0" + struct.pack("<I", size),
            b"".join(value.ljust(size, b"\0") for value in values),
            len(values),
        )

    def attribute(self, name: str, text: Text) -> tuple[int, bytes]:
        kind, raw, count = self.value(text)
        space, label = _space((count,) if count > 1 or text.form == "bytes" else ()), name.encode() + b"\0"
        if self.old:
            head = struct.pack("<BBHHH", 1, 0, len(label), len(kind), len(space))
            return 0x0C, head + b"".join(part + b"\0" * (-len(part) % 8) for part in (label, kind, space)) + raw
        return 0x0C, struct.pack("<BBHHHB", 3, 0, len(label), len(kind), len(space), 1) + label + kind + space + raw

    # -- headers

    def header(self, messages: list[tuple[int, bytes]]) -> int:
        if self.old:
            bodies = [body + b"\0" * (-len(body) % 8) for _, body in messages]
            parts = [
                struct.pack("<HHB3x", kind, len(body), 0) + body
                for (kind, _), body in zip(messages, bodies, strict=True)
            ]
            if self.spread:
                rest = b"".join(parts)
                parts = [struct.pack("<HHB3x", 0x10, 16, 0) + struct.pack("<QQ", self.put(rest), len(rest))]
            body = b"".join(parts)
            return self.put(struct.pack("<BBHII4x", 1, 0, len(messages), 1, len(body)) + body)
        parts = [struct.pack("<BHB", kind, len(body), 0) + body for kind, body in messages]
        if self.spread:
            block = b"OCHK" + b"".join(parts)
            block += checksum(block)
            parts = [struct.pack("<BHB", 0x10, 16, 0) + struct.pack("<QQ", self.put(block), len(block))]
        body = b"".join(parts)
        whole = b"OHDR\2\2" + struct.pack("<I", len(body)) + body
        return self.put(whole + checksum(whole))


_NUMBER = b"\x11\x20\x3f\0" + struct.pack("<I", 8) + bytes([0, 0, 64, 0, 52, 11, 0, 52]) + struct.pack("<I", 1023)


def _space(extents: tuple[int, ...]) -> bytes:
    return bytes([1, len(extents), 0, 0, 0, 0, 0, 0]) + b"".join(struct.pack("<Q", extent) for extent in extents)


def checksum(content: bytes) -> bytes:
    """Return the four bytes that stand behind the structures of version 2."""
    a = b = c = 0xDEADBEEF + len(content) & 0xFFFFFFFF
    padded = content + b"\0" * (-len(content) % 12)
    for at in range(0, len(padded), 12):
        x, y, z = struct.unpack_from("<III", padded, at)
        a, b, c = a + x & 0xFFFFFFFF, b + y & 0xFFFFFFFF, c + z & 0xFFFFFFFF
        if at + 12 < len(padded):
            for turn in (4, 6, 8, 16, 19, 4):
                a = (a - c & 0xFFFFFFFF) ^ _turned(c, turn)
                c = c + b & 0xFFFFFFFF
                a, b, c = b, c, a
        else:
            for turn in (14, 11, 25, 16, 4, 14, 24):
                c = (c ^ b) - _turned(b, turn) & 0xFFFFFFFF
                a, b, c = b, c, a
            c = b if len(padded) else c
    return struct.pack("<I", c)


def _turned(value: int, turn: int) -> int:
    return (value << turn | value >> 32 - turn) & 0xFFFFFFFF
