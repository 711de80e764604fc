"""Reads the streams of OLE compound files, in which Excel 97 to 2003 and encrypted workbooks are kept.

Format: [MS-CFB] 2.2 (header), 2.3 (FAT), 2.6 (directory); records of [MS-XLS] 2.1.4.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlguard.errors import Unreadable

MAX_ENTRIES = 10_000
MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_LAST = 0xFFFFFFFA
_CELLS = frozenset({0x06, 0xFD, 0x203, 0x204, 0x205, 0x27E, 0xD6, 0xBD, 0xBE, 0x201})


class Compound:
    """The directory of a compound file, whose ``streams`` are places by name."""

    def __init__(self, data: bytes) -> None:
        if len(data) < 512 or not data.startswith(MAGIC):
            raise Unreadable("this is no workbook")
        self.data = data
        self.size = 1 << min(int.from_bytes(data[30:32], "little"), 12)
        if self.size not in (512, 4096):
            raise Unreadable("the workbook is damaged")
        self.fat = self._fat()
        self.cutoff = self._number(56)
        self.streams: dict[str, tuple[int, int]] = {}
        directory = self.chain(self._number(48), 2**24)
        root = 0, 0
        for at in range(0, min(len(directory), MAX_ENTRIES * 128), 128):
            entry = directory[at : at + 128]
            length = int.from_bytes(entry[64:66], "little")
            name = entry[: max(0, min(length, 64) - 2)].decode("utf-16-le", "replace")
            place = int.from_bytes(entry[116:120], "little"), int.from_bytes(entry[120:124], "little")
            if entry[66:67] == b"\x05":
                root = place
            elif entry[66:67] == b"\x02":
                self.streams.setdefault(name, place)
        self.small = self.chain(root[0], root[1])
        small_fat = self.chain(self._number(60), 2**24)
        self.small_fat = [int.from_bytes(small_fat[at : at + 4], "little") for at in range(0, len(small_fat), 4)]

    def _number(self, at: int) -> int:
        return int.from_bytes(self.data[at : at + 4], "little")

    def _sector(self, number: int) -> bytes:
        return self.data[(number + 1) * self.size : (number + 2) * self.size]

    def _fat(self) -> list[int]:
        places = [self._number(76 + 4 * at) for at in range(109)]
        more, seen = self._number(68), 0
        while more < _LAST and seen < 10_000:
            sector = self._sector(more)
            if len(sector) < self.size:
                break
            numbers = [int.from_bytes(sector[at : at + 4], "little") for at in range(0, self.size, 4)]
            places += numbers[:-1]
            more, seen = numbers[-1], seen + 1
        fat: list[int] = []
        for place in places:
            if place < _LAST and len(fat) * self.size < 4 * len(self.data) * 2:
                sector = self._sector(place)
                fat += [int.from_bytes(sector[at : at + 4], "little") for at in range(0, len(sector), 4)]
        return fat

    def chain(self, start: int, size: int) -> bytes:
        """Return up to ``size`` bytes of the chain of sectors from ``start`` on."""
        parts, seen, left = [], set(), size
        while start < _LAST and start < len(self.fat) and start not in seen and left > 0:
            seen.add(start)
            parts.append(self._sector(start))
            left -= self.size
            start = self.fat[start]
        return b"".join(parts)[:size]

    def read(self, name: str, limit: int) -> bytes:
        """Return the bytes of a stream, b"" for none."""
        start, size = self.streams.get(name, (_LAST, 0))
        size = min(size, limit)
        if size >= self.cutoff:
            return self.chain(start, size)
        parts, seen, left = [], set(), size
        while start < len(self.small_fat) and start not in seen and left > 0:
            seen.add(start)
            parts.append(self.small[start * 64 : start * 64 + 64])
            left -= 64
            start = self.small_fat[start]
        return b"".join(parts)[:size]


def areas(stream: bytes) -> Iterator[int]:
    """Yield, for each sheet of a workbook's stream, how many cells the rectangle around its cells has."""
    at = low = high = left = right = 0
    found = False
    while at + 4 <= len(stream):
        kind = int.from_bytes(stream[at : at + 2], "little")
        size = int.from_bytes(stream[at + 2 : at + 4], "little")
        if kind in _CELLS and size >= 4:
            row = int.from_bytes(stream[at + 4 : at + 6], "little")
            column = int.from_bytes(stream[at + 6 : at + 8], "little")
            last = int.from_bytes(stream[at + 2 + size : at + 4 + size], "little") if kind in (0xBD, 0xBE) else column
            last = min(max(last, column), 16_384)
            if not found:
                low, high, left, right, found = row, row, column, last, True
            low, high, left, right = min(low, row), max(high, row), min(left, column), max(right, last)
        elif kind == 0x0A and found:
            yield (high - low + 1) * (right - left + 1)
            found = False
        at += 4 + size
    if found:
        yield (high - low + 1) * (right - left + 1)
