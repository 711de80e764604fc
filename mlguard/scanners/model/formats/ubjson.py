"""Reads Universal Binary JSON piece by piece: texts with the keys that lead to them, and typed arrays as places.

Format: https://ubjson.org/type-reference/ (draft 12), with the types that XGBoost writes (src/common/json.cc, UBJWriter).
Numbers are big-endian. Nothing is built up and nothing recurses: containers lie on a stack of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlguard.errors import Unreadable
from mlguard.scanners.model.source import View

MAX_VALUES = 20_000_000
"""Values outside typed arrays."""

MAX_NESTING = 256
MAX_TEXT_BYTES = 2**20
"""A longer text is cut."""

WIDTHS = {ord(kind): width for kind, width in
          {"i": 1, "U": 1, "I": 2, "l": 4, "L": 8, "d": 4, "D": 8, "C": 1, "T": 0, "F": 0, "Z": 0, "N": 0}.items()}  # fmt: skip
_INTEGERS = frozenset(b"iUIlL")


@dataclass(frozen=True, slots=True)
class Text:
    """A text value. ``path`` are the keys that lead to it; items of an array have the array's."""

    path: tuple[str, ...]
    value: str


@dataclass(frozen=True, slots=True)
class Numbers:
    """A typed array of ``count`` items of type ``kind`` from ``place`` of the buffer on."""

    path: tuple[str, ...]
    kind: str
    place: int
    count: int


@dataclass(slots=True)
class _Container:
    """An open array or object: what is left of it (-1: until its end mark), and the type of its items (0: each has its own)."""

    is_object: bool
    left: int
    kind: int


class Reader:
    """Reads one value. ``at`` is where it ended."""

    def __init__(self, view: View) -> None:
        self.data, self.at, self.end = view.data, view.start, view.end

    def events(self) -> Iterator[Text | Numbers]:
        """Yield texts and typed arrays in the order of the file. Raises Unreadable."""
        try:
            yield from self._events()
        except IndexError:
            raise Unreadable("the UBJSON document ends early; was it cut short?") from None

    def _events(self) -> Iterator[Text | Numbers]:
        stack: list[_Container] = []
        path: list[str] = []
        for _ in range(MAX_VALUES):
            kind = 0
            if stack:
                top = stack[-1]
                if self._closed(top):
                    stack.pop()
                    if path:
                        path.pop()
                    if not stack:
                        return
                    continue
                top.left -= top.left > 0
                if top.is_object:
                    path[-1] = self._text()
                kind = top.kind
            value = kind or self._kind()
            if value in b"SH":
                yield Text(tuple(path), self._text())
            elif value in b"[{":
                place = self._opened(value == 0x7B, stack)
                if place is None:
                    if len(stack) > MAX_NESTING:
                        raise Unreadable("the UBJSON document is nested deeper than the limit")
                    path.append("")
                else:
                    yield Numbers(tuple(path), *place)
            else:
                self._skip(value)
            if not stack:
                return
        raise Unreadable("the UBJSON document has more values than the limit")

    def _closed(self, top: _Container) -> bool:
        """Say whether the container is at its end, and pass its mark."""
        if top.left >= 0:
            return top.left == 0
        while self._byte() == 0x4E:  # no-op
            self.at += 1
        if self._byte() == (0x7D if top.is_object else 0x5D):
            self.at += 1
            return True
        return False

    def _byte(self) -> int:
        if self.at >= self.end:
            raise IndexError
        return self.data[self.at]

    def _kind(self) -> int:
        value = self._byte()
        self.at += 1
        return value

    def _opened(self, is_object: bool, stack: list[_Container]) -> tuple[str, int, int] | None:
        """Read the head of a container: put it on the stack, or return the place of a typed array and pass it."""
        kind, count = 0, -1
        if self._byte() == 0x24:
            self.at += 1
            kind = self._kind()
            if self._byte() != 0x23:
                raise Unreadable("the UBJSON document has a typed container without a count")
        if self._byte() == 0x23:
            self.at += 1
            count = self._integer()
        if kind and not is_object and kind in WIDTHS:
            place, size = self.at, count * WIDTHS[kind]
            self._pass(size)
            return chr(kind), place, count
        stack.append(_Container(is_object, count, kind))
        return None

    def _integer(self) -> int:
        kind = self._kind()
        if kind not in _INTEGERS:
            raise Unreadable("the UBJSON document has a length that is no integer")
        width = WIDTHS[kind]
        self._pass(width)
        value = int.from_bytes(self.data[self.at - width : self.at], "big", signed=kind != 0x55)
        if value < 0:
            raise Unreadable("the UBJSON document has a negative length")
        return value

    def _text(self) -> str:
        size = self._integer()
        place = self.at
        self._pass(size)
        return bytes(self.data[place : place + min(size, MAX_TEXT_BYTES)]).decode("utf-8", "replace")

    def _skip(self, kind: int) -> None:
        width = WIDTHS.get(kind)
        if width is None:
            raise Unreadable("the UBJSON document has a value of an unknown type")
        self._pass(width)

    def _pass(self, size: int) -> None:
        if size > self.end - self.at:
            raise IndexError
        self.at += size
