"""Reads the chunks of HDF5 datasets by each kind of index, and the files that virtual datasets name.

Source: HDF5 File Format Specification 3.0, sections III.A, VII and VIII.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlguard.scanners.model.formats.hdf5_parts import MAX_OBJECTS, Damaged, Object, Unknown, inflated

MAX_ELEMENT_BYTES = 2**16
"""Bytes of one element that are put back in order."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.scanners.model.formats.hdf5_file import File


def chunks(file: File, thing: Object) -> Iterator[bytes]:
    """Yield the chunks of a dataset, unpacked. Raises Damaged, and Unknown where the index or a filter is not read."""
    if not set(thing.filters) <= {1, 2, 3}:
        raise Unknown("filter")
    if thing.start < 0:
        return
    size = 1
    for extent in thing.chunk:
        size *= extent
    element = thing.kind.size if thing.kind else 1
    if thing.index == 0:
        for at, child in file.entries(thing.start, 1, 8 + 8 * len(thing.chunk)):
            yield _unpacked(file, thing, file.place_of(child), file.number(at, 4), file.number(at + 4, 4), element)
    elif thing.index == 1:
        packed = thing.size or size
        yield _unpacked(file, thing, thing.start, packed, 0, element)
    elif thing.index == 2:
        for number in range(min(MAX_OBJECTS, -(-thing.count * element // max(1, size)))):
            file.step()
            yield file.take(thing.start + number * size, size)
    elif thing.index == 3:
        yield from _fixed_array(file, thing, size, element)
    elif thing.index == 4:
        yield from _growing_array(file, thing, size, element)
    elif thing.index == 5:
        for record in file.tree2(thing.start - file.base):
            address = int.from_bytes(record[: file.wide], "little")
            width = 0 if not thing.filters else len(record) - file.wide - 4 - 8 * (len(thing.chunk) - 1)
            packed = int.from_bytes(record[file.wide : file.wide + width], "little") if width > 0 else size
            yield _unpacked(file, thing, file.place_of(address), packed, 0, element)
    else:
        raise Unknown("index")


def _fixed_array(file: File, thing: Object, size: int, element: int) -> Iterator[bytes]:
    """Yield chunks by a fixed array index (section VII.C)."""
    at = thing.start
    if file.data[at : at + 4] != b"FAHD":
        raise Damaged("an index of chunks is not where it should be")
    width, page = file.number(at + 6, 1), file.number(at + 7, 1)
    count = file.number(at + 8, file.long)
    address = file.number(at + 8 + file.long, file.wide)
    if width < file.wide or page > 32:
        raise Damaged("an index of chunks has a form that is not known")
    if file.undefined(address):
        return
    at = file.place_of(address) + 6 + file.wide
    if count <= 1 << page:
        yield from _chunked(file, thing, at, count, width, size, element)
        return
    pages = -(-count >> page)
    begin, used = at + (pages + 7) // 8 + 4, at  # a bit for each page, the first in the highest place
    for number in range(pages):
        file.step()
        if file.number(used + number // 8, 1) >> 7 - number % 8 & 1:
            held = min(1 << page, count - (number << page))
            yield from _chunked(file, thing, begin + number * ((width << page) + 4), held, width, size, element)


def _chunked(file: File, thing: Object, at: int, count: int, width: int, size: int, element: int) -> Iterator[bytes]:
    """Yield the chunks of ``count`` elements of an index from ``at`` on, each of ``width`` bytes."""
    for _ in range(count):
        file.step()
        chunk = file.number(at, file.wide)
        packed = size
        if thing.filters and width > file.wide + 4:
            packed = file.number(at + file.wide, width - file.wide - 4)
        if not file.undefined(chunk):
            yield _unpacked(file, thing, file.place_of(chunk), packed, 0, element)
        at += width


def _growing_array(file: File, thing: Object, size: int, element: int) -> Iterator[bytes]:
    """Yield chunks by an extensible array index (section VII.D): an index block, data blocks, secondary blocks."""
    at, data = thing.start, file.data
    if data[at : at + 4] != b"EAHD":
        raise Damaged("an index of chunks is not where it should be")
    width, bits, direct, least, pointers, page = (file.number(at + place, 1) for place in range(6, 12))
    address = file.number(at + 12 + 6 * file.long, file.wide)
    if width < file.wide or not least or least & least - 1 or not pointers or pointers & pointers - 1 or bits > 64:
        raise Damaged("an index of chunks has a form that is not known")
    if file.undefined(address):
        return
    at = file.place_of(address)
    if data[at : at + 4] != b"EAIB":
        raise Damaged("an index of chunks is not where it should be")
    at += 6 + file.wide
    yield from _chunked(file, thing, at, direct, width, size, element)
    at += direct * width
    front = 6 + file.wide + (bits + 7) // 8
    for place, held in _data_blocks(file, at, (bits, least, pointers), front, 1 << page):
        file.step()
        block = file.number(place, file.wide)
        if not file.undefined(block):
            if held > 1 << page:
                raise Unknown("pages")
            yield from _chunked(file, thing, file.place_of(block) + front, held, width, size, element)


def _data_blocks(file: File, at: int, form: tuple[int, int, int], front: int, page: int) -> Iterator[tuple[int, int]]:
    """Yield where the address of each data block stands and how many elements it holds: the first ones in the index block."""
    bits, least, pointers = form
    levels = [(1 << level // 2, least << (level + 1) // 2) for level in range(1 + bits - (least.bit_length() - 1))]
    first = 2 * (pointers.bit_length() - 1)
    for count, held in levels[:first]:
        for _ in range(count):
            yield at, held
            at += file.wide
    for count, held in levels[first:]:
        second = file.number(at, file.wide)
        at += file.wide
        if not file.undefined(second):
            if held > page:
                raise Unknown("pages")
            begin = file.place_of(second) + front
            yield from ((begin + index * file.wide, held) for index in range(count))


def _unpacked(file: File, thing: Object, at: int, size: int, mask: int, element: int) -> bytes:
    """Undo the filters of a chunk (section IV.A.2.l): 1 is deflate, 2 shuffle, 3 a checksum behind the data."""
    raw = file.take(at, size)
    for number in reversed(range(len(thing.filters))):
        if mask >> number & 1:
            continue
        code = thing.filters[number]
        if code == 3:
            raw = raw[:-4]
        elif code == 1:
            raw = inflated(raw)
            file.bytes_read += len(raw)
        elif element > MAX_ELEMENT_BYTES:
            raise Unknown("elements")
        elif element > 1:
            rows = len(raw) // element
            whole = rows * element
            mixed = bytearray(whole)
            for place in range(element):
                mixed[place::element] = raw[place * rows : (place + 1) * rows]
            raw = bytes(mixed) + raw[whole:]
    return raw


def sources(file: File, thing: Object) -> Iterator[bytes]:
    """Yield the file names that a virtual dataset takes its data from (section VIII.E); "." is the file itfile."""
    body = file.heap_object(thing.start - file.base, thing.index)
    count = int.from_bytes(body[1 : 1 + file.long], "little")
    at = 1 + file.long
    version = body[0] if body else 255
    for _ in range(count):
        file.step()
        stop = body.find(b"\0", at)
        behind = body.find(b"\0", stop + 1)
        if version != 0 or stop < 0 or behind < 0:
            raise Damaged("the parts of a virtual dataset have a form that is not known")
        yield body[at:stop]
        at = _behind_selection(body, _behind_selection(body, behind + 1))


def _behind_selection(body: bytes, at: int) -> int:
    """Return the place behind a selection of a dataspace (section VIII.F)."""
    sort, version = int.from_bytes(body[at : at + 4], "little"), int.from_bytes(body[at + 4 : at + 8], "little")
    if sort in (0, 3):
        return at + 16
    if version == 1:
        return at + 16 + int.from_bytes(body[at + 12 : at + 16], "little")
    if version == 2 and sort == 2 and not body[at + 8] & 0xFE:
        return at + 13 + int.from_bytes(body[at + 9 : at + 13], "little")
    if sort == 2 and version == 3:
        regular, width, rank = body[at + 8] & 1, body[at + 9], int.from_bytes(body[at + 10 : at + 14], "little")
        if regular:
            return at + 14 + 4 * rank * width
        return at + 14 + width + int.from_bytes(body[at + 14 : at + 14 + width], "little") * 2 * rank * width
    if sort == 1 and version == 2:
        width, rank = body[at + 8], int.from_bytes(body[at + 9 : at + 13], "little")
        return at + 13 + width + int.from_bytes(body[at + 13 : at + 13 + width], "little") * rank * width
    raise Damaged("a selection has a form that is not known")
