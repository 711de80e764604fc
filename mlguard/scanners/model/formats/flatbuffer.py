"""Reads FlatBuffers in place: tables, vectors and texts, each within the bounds of its file.

Format: https://flatbuffers.dev/internals/. A table begins with the distance back to its vtable; the vtable holds its own
size, the table's size and one 16-bit offset a field, 0 where the field has its default. Offsets are believed only when
what they point to lies in the file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from mlguard.scanners.model.source import Buffer, View

MAX_TEXT_BYTES = 2**20
"""A longer text is cut."""

MAX_TABLES = 1_000_000
MAX_TEXTS_BYTES = 8 * 2**20
"""Tables and bytes of texts that are read of one buffer: offsets may lead to the same place again and again."""

_U16, _I32, _U32, _U64 = struct.Struct("<H"), struct.Struct("<i"), struct.Struct("<I"), struct.Struct("<Q")


class Outside(Exception):
    """An offset leads out of the file; ``byte`` is the place in the buffer where it stands."""

    def __init__(self, byte: int) -> None:
        super().__init__("an offset leads out of the file")
        self.byte = byte


class TooMuch(Exception):
    """More tables or texts are asked for than the limits allow."""


@dataclass(slots=True)
class Budget:
    """What may still be read of one buffer."""

    tables: int = MAX_TABLES
    texts: int = MAX_TEXTS_BYTES

    def table(self) -> None:
        """Pay for a table. Raises TooMuch."""
        self.tables -= 1
        if self.tables < 0:
            raise TooMuch

    def text(self, size: int) -> None:
        """Pay for a text of ``size`` bytes. Raises TooMuch."""
        self.texts -= size + 16
        if self.texts < 0:
            raise TooMuch


@dataclass(frozen=True, slots=True)
class Table:
    """The table at ``at``, whose vtable is at ``vtable``, in ``data[start:end]``. Fields count from 0."""

    data: Buffer
    start: int
    end: int
    at: int
    vtable: int
    budget: Budget

    def _field(self, number: int, size: int) -> int:
        """Return the place of a field of ``size`` bytes, or 0 when it has its default."""
        entry = 4 + 2 * number
        if entry + 2 > _U16.unpack_from(self.data, self.vtable)[0]:
            return 0
        offset: int = _U16.unpack_from(self.data, self.vtable + entry)[0]
        if not offset:
            return 0
        if self.at + offset + size > self.end:
            raise Outside(self.vtable + entry)
        return self.at + offset

    def byte(self, number: int) -> int:
        """Return an unsigned field of 8 bits, 0 by default."""
        place = self._field(number, 1)
        return self.data[place] if place else 0

    def integer(self, number: int, default: int = 0) -> int:
        """Return a signed field of 32 bits."""
        place = self._field(number, 4)
        return int(_I32.unpack_from(self.data, place)[0]) if place else default

    def unsigned(self, number: int) -> int:
        """Return an unsigned field of 32 bits, 0 by default."""
        place = self._field(number, 4)
        return int(_U32.unpack_from(self.data, place)[0]) if place else 0

    def long(self, number: int) -> int:
        """Return an unsigned field of 64 bits, 0 by default."""
        place = self._field(number, 8)
        return int(_U64.unpack_from(self.data, place)[0]) if place else 0

    def _target(self, place: int) -> int:
        target = place + int(_U32.unpack_from(self.data, place)[0])
        if target + 4 > self.end:
            raise Outside(place)
        return target

    def table(self, number: int) -> Table | None:
        """Return the table that a field points to. Raises Outside."""
        place = self._field(number, 4)
        return table(self.data, self.start, self.end, self._target(place), self.budget) if place else None

    def vector(self, number: int, width: int) -> tuple[int, int]:
        """Return place and number of the items of a vector, each ``width`` bytes wide. Raises Outside."""
        place = self._field(number, 4)
        if not place:
            return 0, 0
        target = self._target(place)
        count = int(_U32.unpack_from(self.data, target)[0])
        if target + 4 + count * width > self.end:
            raise Outside(target)
        return target + 4, count

    def tables(self, number: int, most: int) -> Iterator[Table]:
        """Yield at most ``most`` tables of a vector. Raises Outside."""
        place, count = self.vector(number, 4)
        for at in range(place, place + 4 * min(count, most), 4):
            yield table(self.data, self.start, self.end, self._target(at), self.budget)

    def text(self, number: int) -> str:
        """Return a text, "" by default. Raises Outside."""
        place, count = self.vector(number, 1)
        return self._decoded(place, count)

    def texts(self, number: int, most: int) -> Iterator[str]:
        """Yield at most ``most`` texts of a vector. Raises Outside."""
        place, count = self.vector(number, 4)
        for at in range(place, place + 4 * min(count, most), 4):
            target = self._target(at)
            size = int(_U32.unpack_from(self.data, target)[0])
            if target + 4 + size > self.end:
                raise Outside(target)
            yield self._decoded(target + 4, size)

    def _decoded(self, place: int, count: int) -> str:
        size = min(count, MAX_TEXT_BYTES)
        self.budget.text(size)
        return bytes(self.data[place : place + size]).decode("utf-8", "replace")


def table(data: Buffer, start: int, end: int, at: int, budget: Budget) -> Table:
    """Return the table at ``at`` of ``data[start:end]``. Raises Outside when it or its vtable is not in there,
    and TooMuch."""
    budget.table()
    if at < start or at + 4 > end:
        raise Outside(at)
    vtable = at - int(_I32.unpack_from(data, at)[0])
    if vtable < start or vtable + 4 > end:
        raise Outside(at)
    size = int(_U16.unpack_from(data, vtable)[0])
    if size < 4 or vtable + size > end:
        raise Outside(vtable)
    return Table(data, start, end, at, vtable, budget)


def root(view: View) -> Table:
    """Return the root table of the buffer that begins where ``view`` does. Raises Outside and TooMuch."""
    if len(view) < 8:
        raise Outside(view.start)
    return table(
        view.data, view.start, view.end, view.start + int(_U32.unpack_from(view.data, view.start)[0]), Budget()
    )
