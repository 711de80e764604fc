"""Walks protobuf messages in their wire format, without their schema and without copying.

Format: https://protobuf.dev/programming-guides/encoding/. A field is a tag (number << 3 | wire type) and a value: 0 a varint, 1
eight bytes, 2 a length and its bytes, 3 and 4 the ends of a group, 5 four bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mlguard.findings import Record
from mlguard.scanners.model.source import Buffer, View
from mlguard.scanners.model.state import State

MAX_FIELDS = 10_000_000
"""Fields of one file that are looked at."""

MAX_NESTING = 300
"""Messages inside each other; protobuf's own parsers stop at 100."""

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

Field = tuple[int, int, int, int]
"""Number, wire type, and the value (then 0) of a varint, or else start and end of the bytes."""

Place = tuple[str, int, int]
"""The kind of a message, and its start and end."""


class Wire:
    """One file's bytes. ``broken`` is the place of the first wire error, -1 for none; ``left`` the fields that may follow."""

    def __init__(self, data: Buffer) -> None:
        self.data = data
        self.broken = -1
        self.left = MAX_FIELDS
        self.deep = False

    def fields(self, start: int, end: int) -> Iterator[Field]:
        """Yield the fields between two places, up to the first error.

        What reaches beyond the end is cut there and yielded all the same, so that a file cut short keeps what it says.
        """
        data, at = self.data, start
        while at < end:
            if self.left <= 0:
                return
            self.left -= 1
            tag = data[at]
            if tag < 0x80:
                after = at + 1
            else:
                tag, after = varint(data, at, end)
                tag &= 0xFFFFFFFF  # readers drop what a longer tag has above 32 bits
            number, kind = tag >> 3, tag & 7
            if after < 0 or not number:
                return self._break(at)
            if kind == BYTES:
                if after < end and data[after] < 0x80:
                    size, body = data[after], after + 1
                else:
                    size, body = varint(data, after, end)
                if body < 0:
                    return self._break(at)
                if size > end - body:
                    self._break(at)
                    size &= 0xFFFFFFFF  # as old readers do
                stop = min(end, body + size)
                yield number, BYTES, body, stop
                at = stop
            elif kind == VARINT:
                value, after = varint(data, after, end)
                if after < 0:
                    return self._break(at)
                yield number, VARINT, value, 0
                at = after
            elif kind in (FIXED32, FIXED64):
                stop = after + (4 if kind == FIXED32 else 8)
                if stop > end:
                    return self._break(at)
                yield number, kind, after, stop
                at = stop
            elif kind == 3:
                at = self._group(after, end)
                if at < 0:
                    return None
            else:
                return self._break(at)
        return None

    def _break(self, at: int) -> None:
        if self.broken < 0:
            self.broken = at

    def _group(self, at: int, end: int) -> int:
        """Return the place behind a group, or -1. Nothing that is read here has one, so its fields are only counted."""
        depth = 1
        while at < end and self.left > 0:
            self.left -= 1
            begin = at
            tag, at = varint(self.data, at, end)
            kind = tag & 7
            value = 0
            if at >= 0 and kind in (VARINT, BYTES):
                value, at = varint(self.data, at, end)
            if at < 0 or kind in (6, 7):
                self._break(begin)
                return -1
            at += {VARINT: 0, FIXED64: 8, BYTES: value, FIXED32: 4}.get(kind, 0)
            depth += {3: 1, 4: -1}.get(kind, 0)
            if not depth:
                return min(at, end)
        self._break(min(at, end))
        return -1

    def text(self, start: int, end: int, limit: int = 2**16) -> str:
        """Return the bytes as text; what is no UTF-8 and what lies beyond ``limit`` bytes is replaced or left out."""
        return bytes(self.data[start : min(end, start + limit)]).decode("utf-8", "replace")


def varint(data: Buffer, at: int, end: int) -> tuple[int, int]:
    """Return a varint as an unsigned number of 64 bits and the place behind it, which is -1 when it has no end."""
    value = shift = 0
    stop = min(end, at + 10)
    while at < stop:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
    return 0, -1


def signed(value: int) -> int:
    """Return what a varint means in an int32 or int64 field."""
    return value - 2**64 if value >= 2**63 else value


def walk(wire: Wire, look: Callable[[str, int, int], Iterator[Record | Place]], top: Place) -> Iterator[Record]:
    """Call ``look`` with a message, and with each one that it yields as a place; yield its records. In the order of the file."""
    stack = [look(*top)]
    while stack:
        step = next(stack[-1], None)
        if step is None:
            stack.pop()
        elif not isinstance(step, tuple):
            yield step
        elif len(stack) < MAX_NESTING:
            stack.append(look(*step))
        else:
            wire.deep = True


def trouble(wire: Wire, view: View, state: State, kind: str) -> Iterator[Record]:
    """Yield the gaps of a file that could not be followed to its end."""
    if wire.broken >= 0:
        yield from state.gap("unreadable", f"the {kind} file breaks off or is damaged; what stands before was looked at",
                             view.within)  # fmt: skip
    if wire.left <= 0:
        yield from state.gap("too-large", f"the {kind} file has more fields than the limit", view.within)
    if wire.deep:
        yield from state.gap("too-large", f"the {kind} file has messages nested deeper than is followed", view.within)
