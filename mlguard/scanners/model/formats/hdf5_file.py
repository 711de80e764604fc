"""Reads the structure of an HDF5 file: objects, links, attributes and small values, never the numbers of its datasets.

Source: HDF5 File Format Specification 3.0, https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html; the section is named
at each part. Addresses count from the superblock. Every length and address may lie, so each read asks first whether it fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mlguard.scanners.model.formats.hdf5_heap import Fractal
from mlguard.scanners.model.formats.hdf5_parts import (
    ARRAY,
    COMPOUND,
    FIXED,
    MAX_MESSAGES,
    MAX_NAME_BYTES,
    MAX_OBJECTS,
    MAX_READ_BYTES,
    MAX_STEPS,
    MAX_TREE_LEVELS,
    MAX_VALUE_BYTES,
    OPAQUE,
    STRING,
    VARIABLE,
    Attribute,
    Damaged,
    Enough,
    Kind,
    Link,
    Object,
    filters_of,
    fours,
    kind_of,
    widths_of,
)  # fmt: skip
from mlguard.scanners.model.source import Buffer

MAGIC = b"\x89HDF\r\n\x1a\n"


def find(data: Buffer, start: int, end: int) -> int:
    """Return where the superblock is (0, 512, 1024 and so on, section II), or -1."""
    at = 0
    while start + at + 8 <= end:
        if data[start + at : start + at + 8] == MAGIC:
            return start + at
        at = at * 2 or 512
    return -1


class File:
    """The objects of the file whose superblock is at ``start``. Raises Damaged when the superblock cannot be read."""

    def __init__(self, data: Buffer, start: int, end: int) -> None:
        self.data, self.base, self.end = data, start, end
        self.wide, self.long = 8, 8
        self.steps = self.bytes_read = 0
        self.damage: list[str] = []
        self.driver = False
        self.version = self.number(start + 8, 1)
        self._heaps: dict[int, dict[int, tuple[int, int]]] = {}
        self._names: dict[int, tuple[int, int]] = {}
        self._shared: list[tuple[int, int]] | None = None
        self._fractals: dict[int, Fractal] = {}
        self._extension = -1
        self._superblock(start)

    # -- bytes

    def number(self, at: int, size: int) -> int:
        if at < 0 or at + size > self.end:
            raise Damaged("a part lies outside the file")
        return int.from_bytes(self.data[at : at + size], "little")

    def take(self, at: int, size: int) -> bytes:
        if size > MAX_VALUE_BYTES or self.bytes_read + size > MAX_READ_BYTES:
            raise Enough("the values of the HDF5 file are larger than the limit")
        if at < 0 or size < 0 or at + size > self.end:
            raise Damaged("a part lies outside the file")
        self.bytes_read += size
        return bytes(self.data[at : at + size])

    def place_of(self, address: int) -> int:
        if address >= 1 << (8 * self.wide) - 1 or self.base + address >= self.end:
            raise Damaged("an address lies outside the file")
        return self.base + address

    def undefined(self, address: int) -> bool:
        return address == (1 << 8 * self.wide) - 1

    def step(self) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise Enough("the HDF5 file has more parts than the limit")

    # -- section II: superblock

    def _superblock(self, at: int) -> None:
        if self.version > 3:
            raise Damaged("this version of the HDF5 superblock is not known")
        sizes = at + (13 if self.version < 2 else 9)
        self.wide, self.long = self.number(sizes, 1), self.number(sizes + 1, 1)
        if self.wide not in (2, 4, 8) or self.long not in (2, 4, 8):
            raise Damaged("the HDF5 superblock has sizes that are not known")
        if self.version < 2:
            addresses = at + (24 if self.version == 0 else 28)
            self.eof = self.number(addresses + 2 * self.wide, self.wide)
            self.driver = not self.undefined(self.number(addresses + 3 * self.wide, self.wide))
            self.root = self.number(addresses + 5 * self.wide, self.wide)
        else:
            addresses = at + 12
            self._extension = self.number(addresses + self.wide, self.wide)
            self.eof = self.number(addresses + 2 * self.wide, self.wide)
            self.root = self.number(addresses + 3 * self.wide, self.wide)
        # The end counts from the superblock, or from the start of the file when a user block was put in front later.
        self.stated = self.base + self.eof - (self.number(addresses, self.wide) if self.base else 0)

    # -- the walk over all objects

    def walk(self, on_link: Callable[[Link], None]) -> Iterator[tuple[Object, Iterator[Attribute]]]:
        """Yield every object that hard links reach, each once, with its attributes; tell each other link. Raises Enough."""
        seen: set[int] = set()
        queue: list[tuple[int, bytes]] = [(self.root, b"")]
        while queue:
            address, name = queue.pop()
            if address in seen:
                continue
            if len(seen) >= MAX_OBJECTS:
                raise Enough("the HDF5 file has more objects than the limit")
            seen.add(address)
            messages: list[tuple[int, int, bytes]] = []
            thing = Object(0, name)
            try:
                thing.at = self.place_of(address)
                for message in self._messages(thing):
                    messages.append(message)
                    if len(messages) > MAX_MESSAGES:
                        raise Damaged("an object has more messages than the limit")
            except Damaged as trouble:
                self._trouble(trouble)
            self._describe(thing, messages)
            yield thing, self._attributes(thing, messages)
            try:
                for link in self._links(messages):
                    if link.sort == "hard":
                        queue.append((link.address, link.name[:MAX_NAME_BYTES]))
                        if len(queue) > 2 * MAX_OBJECTS:
                            raise Enough("the HDF5 file has more objects than the limit")
                    else:
                        on_link(link)
            except Damaged as trouble:
                self._trouble(trouble)

    def _trouble(self, trouble: Damaged) -> None:
        if str(trouble) not in self.damage:
            self.damage.append(str(trouble))

    # -- section IV.A: object headers and their messages

    def _messages(self, thing: Object) -> Iterator[tuple[int, int, bytes]]:
        """Yield type, place and body of each message, continuation blocks included, shared ones resolved."""
        at = thing.at
        modern = self.data[at : at + 4] == b"OHDR"
        if modern:
            if self.number(at + 4, 1) != 2:
                raise Damaged("an object header has a version that is not known")
            flags = self.number(at + 5, 1)
            begin = at + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
            width = 1 << (flags & 3)
            blocks = [(begin + width, self.number(begin, width))]
            head = 6 if flags & 4 else 4
        else:
            if self.number(at, 1) != 1:
                raise Damaged("an object header has a version that is not known")
            blocks, head = [(at + 16, self.number(at + 8, 4))], 8
        seen: set[int] = set()
        while blocks:
            begin, size = blocks.pop(0)
            if begin in seen:
                raise Damaged("blocks of an object header lead in a circle")
            seen.add(begin)
            end = min(begin + size, self.end)
            cut = begin + size > self.end
            while begin + head <= end:
                self.step()
                if modern:
                    kind, length, flags = self.data[begin], self.number(begin + 1, 2), self.data[begin + 3]
                else:
                    kind, length, flags = self.number(begin, 2), self.number(begin + 2, 2), self.data[begin + 4]
                body = begin + head
                begin = body + length
                if begin > end:
                    if cut:
                        yield kind, body, self.take(body, end - body)
                    raise Damaged("a message of an object header is longer than its block")
                if kind == 0x10:
                    place = self.place_of(self.number(body, self.wide))
                    extent = self.number(body + self.wide, self.long)
                    blocks.append((place + 4, extent - 8) if modern else (place, extent))
                elif kind and kind <= 0x15:
                    if flags & 2:
                        yield kind, body, self._shared_message(kind, self.take(body, length))
                    else:
                        yield kind, body, self.take(body, length)
            if cut:
                raise Damaged("a part lies outside the file")

    def _shared_message(self, kind: int, pointer: bytes) -> bytes:
        """Return the body that a shared message points to (section IV.A.2, "Shared Message")."""
        version, sort = (pointer[0], pointer[1]) if len(pointer) > 1 else (0, 0)
        if version == 3 and sort == 1:
            return self._from_shared_heap(kind, pointer[2:10])
        at = 8 if version == 1 else 2
        address = int.from_bytes(pointer[at : at + self.wide], "little")
        if len(pointer) < at + self.wide or version not in (1, 2, 3):
            raise Damaged("a shared message has a form that is not known")
        return self._committed(kind, address)

    def _committed(self, kind: int, address: int) -> bytes:
        for found, _, body in self._messages(_Plain(self.place_of(address), b"")):
            if found == kind:
                return body
        raise Damaged("a shared message is not where it should be")

    def _from_shared_heap(self, kind: int, key: bytes) -> bytes:
        if self._shared is None:
            self._shared = list(self._shared_indexes())
        for flags, heap in self._shared:
            if flags >> kind & 1:
                return self._fractal(heap).get(key)
        raise Damaged("a shared message is not where it should be")

    def _shared_indexes(self) -> Iterator[tuple[int, int]]:
        """Yield types and heap of each index of the shared message table (section III.G.1)."""
        if self._extension < 0 or self.undefined(self._extension):
            return
        for kind, _, body in self._messages(_Plain(self.place_of(self._extension), b"")):
            if kind == 0x0F and len(body) > self.wide + 1:
                at = self.place_of(int.from_bytes(body[1 : 1 + self.wide], "little")) + 4
                for _ in range(min(8, body[1 + self.wide])):
                    flags = self.number(at + 2, 2)
                    yield flags, self.number(at + 14 + self.wide, self.wide)
                    at += 14 + 2 * self.wide

    def _describe(self, thing: Object, messages: list[tuple[int, int, bytes]]) -> None:
        for kind, at, body in messages:
            try:
                if kind == 0x01:
                    thing.extents = self._extents(body)
                elif kind == 0x03:
                    thing.kind = kind_of(body)
                elif kind == 0x07:
                    thing.external = True
                elif kind == 0x08:
                    self._layout(thing, at, body)
                elif kind == 0x0B:
                    thing.filters = list(filters_of(body))
            except (Damaged, IndexError) as trouble:
                self._trouble(trouble if isinstance(trouble, Damaged) else Damaged("a message is cut short"))

    def _extents(self, body: bytes) -> tuple[int, ...]:
        """Return the extents of a dataspace (section IV.A.2.b)."""
        version, rank = body[0], body[1]
        at = 8 if version == 1 else 4
        if version not in (1, 2) or rank > 32 or len(body) < at + rank * self.long:
            raise Damaged("a dataspace has a form that is not known")
        if version == 2 and body[3] == 2:
            return (0,)
        return tuple(
            int.from_bytes(body[at + index * self.long : at + (index + 1) * self.long], "little")
            for index in range(rank)
        )

    def _layout(self, thing: Object, at: int, body: bytes) -> None:
        """Note where the data of a dataset is (section IV.A.2.i)."""
        version = body[0]
        if version in (1, 2):
            self._old_layout(thing, at, body)
            return
        if version not in (3, 4, 5):
            raise Damaged("the layout of a dataset has a version that is not known")
        sort = body[1]
        if sort == 0:
            size = int.from_bytes(body[2:4], "little")
            thing.layout, thing.start, thing.size, thing.raw = "compact", at + 4, size, body[4 : 4 + size]
        elif sort == 1:
            thing.layout = "contiguous"
            thing.start = self._optional(int.from_bytes(body[2 : 2 + self.wide], "little"))
            thing.size = int.from_bytes(body[2 + self.wide : 2 + self.wide + self.long], "little")
        elif sort == 2 and version == 3:
            rank = body[2]
            thing.layout, thing.index = "chunked", 0
            thing.start = self._optional(int.from_bytes(body[3 : 3 + self.wide], "little"))
            thing.chunk = tuple(fours(body[3 + self.wide : 3 + self.wide + 4 * rank]))
        elif sort == 2:
            self._new_chunks(thing, body)
        elif sort == 3:
            thing.layout = "virtual"
            thing.start = self._optional(int.from_bytes(body[2 : 2 + self.wide], "little"))
            thing.index = int.from_bytes(body[2 + self.wide : 6 + self.wide], "little")
        else:
            raise Damaged("the layout of a dataset is of a kind that is not known")

    def _old_layout(self, thing: Object, at: int, body: bytes) -> None:
        rank, sort = body[1], body[2]
        where = 8
        if sort != 0:
            thing.start = self._optional(int.from_bytes(body[8 : 8 + self.wide], "little"))
            where += self.wide
        sizes = tuple(fours(body[where : where + 4 * rank]))
        where += 4 * rank
        if sort == 0:
            size = int.from_bytes(body[where : where + 4], "little")
            thing.layout, thing.start, thing.raw = "compact", at + where + 4, body[where + 4 : where + 4 + size]
            thing.size = size
        elif sort == 1:
            thing.layout, thing.size = "contiguous", 1
            for extent in sizes:
                thing.size *= extent
        else:
            thing.layout, thing.index, thing.chunk = "chunked", 0, sizes

    def _new_chunks(self, thing: Object, body: bytes) -> None:
        flags, rank, width = body[2], body[3], body[4]
        at = 5 + rank * width
        thing.layout, thing.index, thing.flags = "chunked", body[at], flags
        thing.chunk = tuple(
            int.from_bytes(body[5 + index * width : 5 + (index + 1) * width], "little") for index in range(rank)
        )
        at += 1 + {1: self.long + 4 if flags & 2 else 0, 2: 0, 3: 1, 4: 5, 5: 6}.get(thing.index, 0)
        if thing.index == 1 and flags & 2:
            thing.size = int.from_bytes(body[at - self.long - 4 : at - 4], "little")
        thing.start = self._optional(int.from_bytes(body[at : at + self.wide], "little"))

    def _optional(self, address: int) -> int:
        return -1 if self.undefined(address) else self.base + address

    # -- section IV.A.2.m: attributes

    def _attributes(self, thing: Object, messages: list[tuple[int, int, bytes]]) -> Iterator[Attribute]:
        for kind, at, body in messages:
            try:
                if kind == 0x0C:
                    yield self._attribute(body, at)
                elif kind == 0x15:
                    for record in self._dense(body, 2, 0):
                        yield self._attribute(record, 0)
            except Damaged as trouble:
                self._trouble(trouble)
            except IndexError:
                self._trouble(Damaged("a message is cut short"))

    def _attribute(self, body: bytes, at: int) -> Attribute:
        version, flags = body[0], body[1]
        if version not in (1, 2, 3):
            raise Damaged("an attribute has a version that is not known")
        sizes = [int.from_bytes(body[index : index + 2], "little") for index in (2, 4, 6)]
        where = 9 if version == 3 else 8
        pieces = []
        for size in sizes:
            pieces.append(body[where : where + size])
            where += size + (-size % 8 if version == 1 else 0)
        kind_body, space = pieces[1], pieces[2]
        if version > 1 and flags & 1:
            kind_body = self._shared_message(3, kind_body)
        if version > 1 and flags & 2:
            space = self._shared_message(1, space)
        extents = self._extents(space)
        count = 1
        for extent in extents:
            count *= extent
        return Attribute(pieces[0].rstrip(b"\0"), kind_of(kind_body), count, body[where:], at + where if at else 0)

    def _dense(self, body: bytes, index_bytes: int, skip: int) -> Iterator[bytes]:
        """Yield what the fractal heap behind an info message holds (sections IV.A.2.c and IV.A.2.v)."""
        at = 2 + (index_bytes if body[1] & 1 else 0)
        heap = int.from_bytes(body[at : at + self.wide], "little")
        names = int.from_bytes(body[at + self.wide : at + 2 * self.wide], "little")
        if len(body) < at + 2 * self.wide:
            raise Damaged("a message is cut short")
        if self.undefined(heap):
            return
        fractal = self._fractal(heap)
        for record in self.tree2(names):
            key = record[4:] if index_bytes == 8 else record[:8]
            if index_bytes == 2 and len(record) > 8 and record[8] & 2:
                yield self._shared_message(0x0C, b"\3\1" + record[:8])
            else:
                yield fractal.get(key)

    # -- links of groups

    def _links(self, messages: list[tuple[int, int, bytes]]) -> Iterator[Link]:
        for kind, _, body in messages:
            try:
                if kind == 0x11:
                    yield from self._symbols(body)
                elif kind == 0x06:
                    yield self._link(body)
                elif kind == 0x02:
                    for record in self._dense(body, 8, 4):
                        yield self._link(record)
            except Damaged as trouble:
                self._trouble(trouble)
            except IndexError:
                self._trouble(Damaged("a message is cut short"))

    def _link(self, body: bytes) -> Link:
        """Return the link of a link message (section IV.A.2.g)."""
        self.step()
        if body[0] != 1:
            raise Damaged("a link has a version that is not known")
        flags, at, sort = body[1], 2, 0
        if flags & 8:
            sort, at = body[2], 3
        at += (8 if flags & 4 else 0) + (1 if flags & 16 else 0)
        width = 1 << (flags & 3)
        size = int.from_bytes(body[at : at + width], "little")
        name = body[at + width : at + width + size]
        at += width + size
        if sort == 0:
            if at + self.wide > len(body):
                raise Damaged("a link is cut short")
            return Link("hard", name, int.from_bytes(body[at : at + self.wide], "little"))
        return Link({1: "soft", 64: "external"}.get(sort, "user"), name)

    def _symbols(self, body: bytes) -> Iterator[Link]:
        """Yield the entries of an old group: a B-tree of symbol nodes, names in a local heap (sections III.A.1, B, C, D)."""
        tree = self.place_of(int.from_bytes(body[: self.wide], "little"))
        heap = self.place_of(int.from_bytes(body[self.wide : 2 * self.wide], "little"))
        if self.data[heap : heap + 4] != b"HEAP":
            raise Damaged("the names of a group are not where they should be")
        size = self.number(heap + 8, self.long)
        names = self.place_of(self.number(heap + 8 + 2 * self.long, self.wide))
        entry = 2 * self.wide + 24
        for node in self._leaves(tree, 0, self.long):
            if self.data[node : node + 4] != b"SNOD":
                raise Damaged("a node of a group is not where it should be")
            for index in range(self.number(node + 6, 2)):
                self.step()
                at = node + 8 + index * entry
                offset = self.number(at, self.wide)
                name = self._text(names + offset, min(self.end, names + size))
                if self.number(at + 2 * self.wide, 4) == 2:
                    yield Link("soft", name)
                else:
                    yield Link("hard", name, self.number(at + self.wide, self.wide))

    def _text(self, at: int, end: int) -> bytes:
        end = min(end, at + 2**16)
        stop = self.data.find(b"\0", at, end) if 0 <= at < end else -1
        return self.take(at, stop - at) if stop >= 0 else b""

    def _leaves(self, at: int, sort: int, key: int) -> Iterator[int]:
        """Yield the places of the children of the leaves of a version 1 B-tree (section III.A.1)."""
        for _, child in self.entries(at, sort, key):
            yield self.place_of(child)

    def entries(self, at: int, sort: int, key: int) -> Iterator[tuple[int, int]]:
        """Yield the place of the key and the address of each child of the leaves."""
        queue, seen = [(at, MAX_TREE_LEVELS)], {at}
        while queue:
            at, most = queue.pop()
            self.step()
            if self.data[at : at + 4] != b"TREE" or self.number(at + 4, 1) != sort:
                raise Damaged("a node of a tree is not where it should be")
            level, used = self.number(at + 5, 1), self.number(at + 6, 2)
            if level > most:
                raise Damaged("a tree is deeper than it may be")
            at += 8 + 2 * self.wide
            children = []
            for _ in range(used):
                self.step()
                child = self.number(at + key, self.wide)
                if level == 0:
                    yield at, child
                else:
                    place = self.place_of(child)
                    if place in seen:
                        raise Damaged("the nodes of a tree lead in a circle")
                    seen.add(place)
                    children.append((place, level - 1))
                at += key + self.wide
            queue.extend(reversed(children))

    # -- section III.A.2: version 2 B-trees

    def tree2(self, address: int) -> Iterator[bytes]:
        """Yield the records of a version 2 B-tree."""
        at = self.place_of(address)
        if self.data[at : at + 4] != b"BTHD":
            raise Damaged("a tree is not where it should be")
        node, record, depth = self.number(at + 6, 4), self.number(at + 10, 2), self.number(at + 12, 2)
        root = self.number(at + 16, self.wide)
        count = self.number(at + 16 + self.wide, 2)
        if not record or node <= 10 + record or depth > MAX_TREE_LEVELS:
            raise Damaged("a tree has a form that is not known")
        widths = widths_of(node, record, depth, self.wide)
        queue = [(root, count, depth)] if count else []
        seen: set[int] = set()
        while queue:
            address, count, level = queue.pop()
            at = self.place_of(address)
            self.step()
            if at in seen or self.data[at : at + 4] != (b"BTIN" if level else b"BTLF"):
                raise Damaged("a node of a tree is not where it should be")
            seen.add(at)
            at += 6
            for _ in range(count):
                self.step()
                yield self.take(at, record)
                at += record
            if level:
                few, many = widths[level]
                for _ in range(count + 1):
                    child, below = self.number(at, self.wide), self.number(at + self.wide, few)
                    queue.append((child, below, level - 1))
                    at += self.wide + few + many

    # -- section III.F: fractal heaps

    def _fractal(self, address: int) -> Fractal:
        heap = self._fractals.get(address)
        if heap is None:
            heap = self._fractals[address] = Fractal(self, self.place_of(address))
        return heap

    # -- section III.E: the global heap

    def heap_object(self, address: int, index: int) -> bytes:
        """Return an object of a global heap collection. Raises Damaged."""
        known = self._heaps.get(address)
        if known is None:
            at = self.place_of(address)
            if self.data[at : at + 4] != b"GCOL":
                raise Damaged("a heap of values is not where it should be")
            known = self._heaps[address] = dict(self._collection(at))
        if index not in known:
            raise Damaged("a value is missing in its heap")
        at, size = known[index]
        return self.take(at, size)

    def _collection(self, at: int) -> Iterator[tuple[int, tuple[int, int]]]:
        end = min(self.end, at + self.number(at + 8, self.long))
        at += 8 + self.long
        while at + 8 + self.long <= end:
            self.step()
            index, size = self.number(at, 2), self.number(at + 8, self.long)
            if index == 0:
                return
            yield index, (at + 8 + self.long, size)
            at += 8 + self.long + size + -size % 8

    def collections(self, most: int) -> Iterator[bytes]:
        """Yield all objects of all global heaps that lie in the first ``most`` bytes: for datasets whose index is not read."""
        at = self.base
        stop = min(self.end, self.base + most)
        while (at := self.data.find(b"GCOL", at, stop)) >= 0:
            self.step()
            for _, (place, size) in self._collection(at):
                if place + size <= self.end:
                    yield self.take(place, size)
            at += 8

    # -- values

    def blobs(self, kind: Kind, raw: bytes, count: int, most: int) -> Iterator[bytes]:
        """Yield each text or run of bytes in ``raw``, which holds ``count`` elements; at most ``most`` elements."""
        if kind.code in (FIXED, OPAQUE):
            if kind.size == 1 or kind.code == OPAQUE:
                yield raw[: kind.size * count] if kind.code == FIXED else raw
            return
        if not kind.size or not kind.texts:
            return
        for index in range(min(count, most, len(raw) // kind.size)):
            self.step()
            yield from self._blob(kind, raw[index * kind.size : (index + 1) * kind.size], most)
        if 0 < len(raw) < kind.size and kind.code == STRING:
            yield raw  # cut short: what is there may tell enough

    def _blob(self, kind: Kind, raw: bytes, most: int) -> Iterator[bytes]:
        if kind.code == STRING:
            yield raw.rstrip(b"\0")
        elif kind.code == VARIABLE:
            length = int.from_bytes(raw[:4], "little")
            if length:
                address = int.from_bytes(raw[4 : 4 + self.wide], "little")
                held = self.heap_object(address, int.from_bytes(raw[4 + self.wide : 8 + self.wide], "little"))
                part = kind.parts[0][1]
                if kind.bits & 15 == 1:
                    yield held[:length]
                else:
                    yield from self.blobs(part, held, length, most)
        elif kind.code == COMPOUND:
            for offset, part in kind.parts:
                self.step()
                if part.texts:
                    yield from self.blobs(part, raw[offset : offset + part.size], 1, most)
        elif kind.code == ARRAY:
            part = kind.parts[0][1]
            if part.size:
                yield from self.blobs(part, raw, kind.size // part.size, most)
        else:
            yield from self.blobs(kind, raw, 1, most)


class _Plain(Object):
    """An object of which only the header is asked."""
