"""Reads objects from the fractal heaps of HDF5 files (File Format Specification 3.0, section III.F)."""

from __future__ import annotations

from mlguard.scanners.model.formats.hdf5_parts import MAX_TREE_LEVELS, Damaged, filters_of, fitting, inflated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.scanners.model.formats.hdf5_file import File


class Fractal:
    """A fractal heap: direct blocks of data under rows of indirect blocks."""

    def __init__(self, file: File, at: int) -> None:
        self.file = file
        if file.data[at : at + 4] != b"FRHP":
            raise Damaged("a heap is not where it should be")
        wide, long = file.wide, file.long
        self.key = file.number(at + 5, 2)
        self.filtered = file.number(at + 7, 2)
        self.checked = file.number(at + 9, 1) & 2
        self.most = file.number(at + 10, 4)
        at += 14 + long
        self.huge = file.number(at, wide)
        at += wide + long + wide + 8 * long
        self.columns = file.number(at, 2)
        self.first = file.number(at + 2, long)
        self.largest = file.number(at + 2 + long, long)
        self.bits = file.number(at + 2 + 2 * long, 2)
        self.root = file.number(at + 6 + 2 * long, wide)
        self.rows = file.number(at + 6 + 2 * long + wide, 2)
        at += 8 + 2 * long + wide
        self.root_size = file.number(at, long) if self.filtered else 0
        self.codes: list[int] = []
        if self.filtered:
            self.codes = list(filters_of(file.take(at + long + 4, min(self.filtered, 4096))))
        if not self.columns or not self.first or self.first > self.largest or self.bits > 64:
            raise Damaged("a heap has a form that is not known")
        self._open = (-1, b"")  # the block that was unpacked last
        self._huge: dict[int, tuple[int, int]] | None = None

    def get(self, key: bytes) -> bytes:
        """Return the object that a heap identifier stands for. Raises Damaged."""
        if len(key) < 2:
            raise Damaged("an identifier of a heap is cut short")
        sort = key[0] >> 4 & 3
        if sort == 2:
            size = (key[0] & 15) + 1
            if self.key > 18:
                size, key = ((key[0] & 15) << 8 | key[1]) + 1, key[1:]
            return key[1 : 1 + size]
        if sort == 1:
            return self._large(key)
        width = (self.bits + 7) // 8
        offset = int.from_bytes(key[1 : 1 + width], "little")
        width_size = fitting(min(self.largest, self.most))
        size = int.from_bytes(key[1 + width : 1 + width + width_size], "little")
        return self._managed(offset, size)

    def _large(self, key: bytes) -> bytes:
        file = self.file
        if self.filtered:
            raise Damaged("a heap packs its large objects")
        if self.key >= 1 + file.wide + file.long:
            return file.take(
                file.place_of(int.from_bytes(key[1 : 1 + file.wide], "little")),
                int.from_bytes(key[1 + file.wide : 1 + file.wide + file.long], "little"),
            )
        if self._huge is None:
            self._huge = {}
            for record in file.tree2(self.huge):
                number = int.from_bytes(record[file.wide + file.long :], "little")
                address = int.from_bytes(record[: file.wide], "little")
                self._huge[number] = (address, int.from_bytes(record[file.wide : file.wide + file.long], "little"))
        number = int.from_bytes(key[1 : self.key], "little")
        if number not in self._huge:
            raise Damaged("a large object is missing in its heap")
        address, size = self._huge[number]
        return file.take(file.place_of(address), size)

    def _managed(self, offset: int, size: int) -> bytes:
        file = self.file
        address, block, stored = self._block(offset)
        within = offset - self._starts(offset)
        if within + size > block:
            raise Damaged("an object of a heap is longer than its block")
        if not self.filtered:
            return file.take(file.place_of(address) + within, size)
        if self._open[0] != address:
            self._open = (address, self._unpacked(address, stored))
        return self._open[1][within : within + size]

    def _unpacked(self, address: int, stored: int) -> bytes:
        if not set(self.codes) <= {1, 3}:
            raise Damaged("a heap is packed in a way that is not read")
        raw = self.file.take(self.file.place_of(address), stored)
        for code in reversed(self.codes):
            raw = inflated(raw) if code == 1 else raw[:-4]
        self.file.bytes_read += len(raw)
        return raw

    def _row(self, offset: int) -> tuple[int, int, int]:
        """Return the row that ``offset`` is in, the size of its blocks and the offset of the row (the doubling table)."""
        row, size, start = 0, self.first, 0
        while start + size * self.columns <= offset:
            start += size * self.columns
            size *= 2 if row else 1
            row += 1
            if row > 64:
                raise Damaged("an identifier of a heap points outside it")
        return row, size, start

    def _starts(self, offset: int) -> int:
        """Return the heap offset at which the direct block that holds ``offset`` begins."""
        if not self.rows:
            return 0
        begin, inside = 0, offset
        while True:
            _, size, start = self._row(inside)
            column = (inside - start) // size
            begin += start + column * size
            if size <= self.largest:
                return begin
            inside -= start + column * size

    def _block(self, offset: int) -> tuple[int, int, int]:
        """Return address and size of the direct block that holds ``offset``, and the bytes that it takes when it is packed."""
        file = self.file
        if not self.rows:
            return self.root, self.first, self.root_size
        address, inside = self.root, offset
        for _ in range(MAX_TREE_LEVELS):
            file.step()
            at = file.place_of(address)
            if file.data[at : at + 4] != b"FHIB":
                raise Damaged("a block of a heap is not where it should be")
            at += 5 + file.wide + (self.bits + 7) // 8
            row, size, start = self._row(inside)
            column = (inside - start) // size
            direct = self._direct_rows()
            entry = file.wide + (file.long + 4 if self.filtered else 0)
            if row < direct:
                at += (row * self.columns + column) * entry
                stored = file.number(at + file.wide, file.long) if self.filtered else size
                return file.number(at, file.wide), size, stored
            at += direct * self.columns * entry + ((row - direct) * self.columns + column) * file.wide
            address = file.number(at, file.wide)
            inside -= start + column * size
        raise Damaged("the blocks of a heap are nested too deeply")

    def _direct_rows(self) -> int:
        rows, size = 2, self.first
        while size * 2 <= self.largest:
            size *= 2
            rows += 1
        return rows
