"""Reads the tables that TensorFlow's checkpoints have: the index beside the shards, and the files of the first version.

Format: tensorflow/core/lib/io/table_format.txt. The last 48 bytes are two block handles (offset and size as varints), padding and a
magic number; a block is entries of shared, own and value length, the rest of the key and the value, and 5 bytes behind it.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlguard.scanners.model.protobuf import VARINT, Wire, signed, varint
from mlguard.scanners.model.source import Buffer, View
from mlguard.scanners.model.state import Examination, State

MAGIC = 0xDB4775248B80FB57
FOOTER_BYTES = 48
MAX_ENTRIES = 2_000_000


def examine(view: View, state: State) -> Examination:
    """Count the tensors of a table and compare the places that it names with its own size."""
    footer = view.end - FOOTER_BYTES
    if len(view) < FOOTER_BYTES or int.from_bytes(view.data[view.end - 8 : view.end], "little") != MAGIC:
        return "unread"
    state.name("tensorflow-checkpoint")
    _, at = varint(view.data, footer, view.end)
    _, at = varint(view.data, at, view.end) if at > 0 else (0, -1)
    index = _handle(view, at, view.end)
    left = MAX_ENTRIES
    outside = index is None
    wire = Wire(view.data)
    for _, value, stop in _entries(view.data, *(index or (0, 0))):
        block = _handle(view, value, stop)
        if block is None:
            outside = True
            break
        for key, entry, last in _entries(view.data, *block):
            left -= 1
            if key and not _fits(wire, entry, last):
                yield from state.malformed("offsets-outside", view, entry - view.zero, "tensorflow")
            if left <= 0 or wire.left <= 0:
                break
        if left <= 0 or wire.left <= 0:
            yield from state.gap(
                "too-large", "the index of the checkpoint has more entries than the limit", view.within
            )
            break
    if outside:
        yield from state.malformed("out-of-bounds", view, footer - view.zero, "tensorflow")
    state.tensors += MAX_ENTRIES - left
    return "read"


def _handle(view: View, at: int, end: int) -> tuple[int, int] | None:
    """Return start and end of the block that a handle names, None when it is outside the file."""
    if at < 0:
        return None
    offset, at = varint(view.data, at, end)
    size, at = varint(view.data, at, end) if at > 0 else (0, -1)
    if at < 0 or offset + size + 5 > len(view) - FOOTER_BYTES or view.data[view.start + offset + size] != 0:
        return None  # TensorFlow writes these tables without compression
    return view.start + offset, view.start + offset + size


def _entries(data: Buffer, start: int, end: int) -> Iterator[tuple[bool, int, int]]:
    """Yield for each entry whether it has a key, and start and end of its value."""
    if end - start < 4:
        return
    limit = end - 4 - 4 * int.from_bytes(data[end - 4 : end], "little")
    while start < limit:
        shared, start = varint(data, start, limit)
        own, start = varint(data, start, limit) if start > 0 else (0, -1)
        size, start = varint(data, start, limit) if start > 0 else (0, -1)
        if start < 0 or start + own + size > limit:
            return
        yield shared + own > 0, start + own, start + own + size
        start += own + size


def _fits(wire: Wire, start: int, end: int) -> bool:
    """Say whether a BundleEntryProto has an offset (4) and a size (5) that can be; what else the value is, says nothing."""
    for number, kind, value, _ in wire.fields(start, end):
        if number in (4, 5) and kind == VARINT and signed(value) < 0:
            return False
    return True
