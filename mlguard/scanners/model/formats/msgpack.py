"""Reads MessagePack piece by piece: texts, binary values and extension values with the keys that lead to them.

Format: https://github.com/msgpack/msgpack/blob/master/spec.md. Nothing is built up and nothing recurses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlguard.errors import Unreadable
from mlguard.scanners.model.source import View

MAX_VALUES = 20_000_000
MAX_NESTING = 512
MAX_TEXT_BYTES = 2**20
"""A longer text is cut."""

MAX_KEY_BYTES = 1000


@dataclass(frozen=True, slots=True)
class Value:
    """A text ("text"), binary value ("bin") or extension value ("ext", with its ``code``): ``size`` bytes from ``place`` on.

    ``key`` is the key under which it, or the list that holds it, stands ("" at the top).
    """

    kind: str
    key: str
    place: int
    size: int
    code: int = 0


@dataclass(slots=True)
class _Level:
    """An open container: whether it is a map, how many keys and values are left, and the last key."""

    is_map: bool
    left: int
    key: str


class Reader:
    """Reads one value from ``start`` on. ``at`` is where it ended; ``root`` is the kind of the outermost value."""

    def __init__(self, view: View) -> None:
        self.data, self.at, self.end = view.data, view.start, view.end
        self.root = ""

    def text(self, value: Value) -> str:
        """Return what a text value says."""
        return bytes(self.data[value.place : value.place + min(value.size, MAX_TEXT_BYTES)]).decode("utf-8", "replace")

    def events(self) -> Iterator[Value]:
        """Yield texts that are no keys, binary and extension values in the order of the file. Raises Unreadable."""
        levels = [_Level(False, 1, "")]
        for _ in range(MAX_VALUES):
            while levels and not levels[-1].left:
                levels.pop()
            if not levels:
                return
            top = levels[-1]
            is_key = top.is_map and top.left % 2 == 0
            top.left -= 1
            kind, count, value = self._next("" if is_key else top.key)
            self.root = self.root or kind
            if kind in ("map", "list"):
                if len(levels) > MAX_NESTING:
                    raise Unreadable("the MessagePack document is nested deeper than the limit")
                levels.append(_Level(kind == "map", count, top.key))
            elif is_key:
                top.key = self.text(value) if value and value.kind == "text" and value.size <= MAX_KEY_BYTES else ""
            elif value:
                yield value
        raise Unreadable("the MessagePack document has more values than the limit")

    def _next(self, key: str) -> tuple[str, int, Value | None]:
        """Read the head of a value: its kind, the number of values inside it, and the value when it is a leaf with bytes."""
        first = self._take(1)
        if first <= 0x7F or first >= 0xE0 or first in (0xC0, 0xC2, 0xC3):
            return "number", 0, None
        if first <= 0x8F:
            return "map", 2 * (first & 0x0F), None
        if first <= 0x9F:
            return "list", first & 0x0F, None
        if first <= 0xBF:
            return "text", 0, self._leaf("text", key, first & 0x1F)
        if first in _SIZED:
            kind, width = _SIZED[first]
            size = self._take(width)
            if kind in ("map", "list"):
                return kind, 2 * size if kind == "map" else size, None
            return kind, 0, self._leaf(kind, key, size)
        if 0xD4 <= first <= 0xD8:
            return "ext", 0, self._leaf("ext", key, 1 << (first - 0xD4))
        if first in _NUMBERS:
            self._pass(_NUMBERS[first])
            return "number", 0, None
        raise Unreadable("the MessagePack document has a value of an unknown type")

    def _leaf(self, kind: str, key: str, size: int) -> Value:
        code = self._take(1) if kind == "ext" else 0
        place = self.at
        self._pass(size)
        return Value(kind, key, place, size, code)

    def _take(self, width: int) -> int:
        place = self.at
        self._pass(width)
        return int.from_bytes(self.data[place : place + width], "big")

    def _pass(self, size: int) -> None:
        if size > self.end - self.at:
            raise Unreadable("the MessagePack document ends early; was it cut short?")
        self.at += size


_SIZED = {
    0xC4: ("bin", 1), 0xC5: ("bin", 2), 0xC6: ("bin", 4), 0xC7: ("ext", 1), 0xC8: ("ext", 2), 0xC9: ("ext", 4),
    0xD9: ("text", 1), 0xDA: ("text", 2), 0xDB: ("text", 4), 0xDC: ("list", 2), 0xDD: ("list", 4), 0xDE: ("map", 2),
    0xDF: ("map", 4),
}  # fmt: skip
_NUMBERS = {0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
