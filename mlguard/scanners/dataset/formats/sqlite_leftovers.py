"""Finds what deleted rows left in a SQLite file: records in free pages and in the unused parts of pages that are in use.

Format: https://www.sqlite.org/fileformat2.html, sections 1.5 (free list), 1.6 (b-tree pages) and 2.1 (records). A row that is deleted stays in
the file until its place is needed, unless the database was vacuumed or has secure_delete on.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any, BinaryIO

from mlguard.errors import Unreadable
from mlguard.scanners.dataset.formats import rows
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import MissedKind

MAX_FILE_BYTES = 4 * 2**30
"""Bytes of a database whose pages are looked at."""

MAX_TEXT_CHARS = 8 * 2**20
"""Characters of what deleted rows left behind."""

MAX_CARVED_BYTES = 16 * 2**20
"""Bytes of unused space in which records are looked for; of more only the runs of text are taken."""

MAX_FREE_PAGES = 2_000_000

_LEAF_TABLE, _LEAF_INDEX = 13, 10
_HEADERS = {2: 12, 5: 12, _LEAF_INDEX: 8, _LEAF_TABLE: 8}
_RUN = re.compile(rb"(?:[\t\x20-\x7e]|[\xc3-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}){5,}")
_WIDE_RUN = re.compile(rb"(?:[\x20-\x7e]\x00){5,}")
_SIZES = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 7: 8, 8: 0, 9: 0}
MAX_RECORD_COLUMNS = 200
_TROUBLE: tuple[type[Exception], ...] = (Unreadable, *rows.TROUBLE)


def found(source: Source, widths: Collection[int]) -> tuple[list[str], list[tuple[MissedKind, str]]]:
    """Return the texts of deleted rows, and what was not looked at. ``widths`` are numbers of columns that tables have."""
    if source.size > MAX_FILE_BYTES:
        return [], [
            ("too-large", f"deleted rows are not looked for in a database of more than {MAX_FILE_BYTES >> 30} GiB")
        ]
    try:
        with rows.handle(source) as file:
            look = _Look(file, sorted(widths))
            look.over_pages()
    except _TROUBLE:
        return [], [("unreadable", "the free pages of the database cannot be read")]
    missed: list[tuple[MissedKind, str]] = []
    if look.left <= 0:
        missed.append(("too-large", "deleted rows left more text in the database than is looked at"))
    return look.lines, missed


class _Look:
    """Goes over the pages of one file."""

    def __init__(self, file: BinaryIO, widths: list[int]) -> None:
        head = file.read(100)
        self.file, self.widths = file, widths
        self.page = int.from_bytes(head[16:18], "big")
        self.page = 65536 if self.page == 1 else self.page
        if self.page < 512 or self.page & (self.page - 1):
            raise Unreadable("the size of a page is none")
        self.usable = self.page - head[20]
        self.wide = head[56:60] in (b"\0\0\0\2", b"\0\0\0\3")
        self.encoding = {2: "utf-16-le", 3: "utf-16-be"}.get(int.from_bytes(head[56:60], "big"), "utf-8")
        self.lines: list[str] = []
        self.left, self.carve = MAX_TEXT_CHARS, MAX_CARVED_BYTES
        self.trunks, self.free = self._free_list(int.from_bytes(head[32:36], "big"))

    def _free_list(self, trunk: int) -> tuple[dict[int, int], set[int]]:
        """Return the trunk pages with the number of leaves that each lists, and the leaves."""
        trunks: dict[int, int] = {}
        free: set[int] = set()
        while trunk and trunk not in trunks and len(free) + len(trunks) < MAX_FREE_PAGES:
            self.file.seek((trunk - 1) * self.page)
            data = self.file.read(self.page)
            count = min(int.from_bytes(data[4:8], "big"), self.page // 4 - 2)
            trunks[trunk] = count
            free.update(int.from_bytes(data[8 + 4 * at : 12 + 4 * at], "big") for at in range(count))
            trunk = int.from_bytes(data[:4], "big")
        return trunks, free

    def over_pages(self) -> None:
        """Look at every page, in the order of the file."""
        self.file.seek(0)
        number = 0
        while self.left > 0 and (data := self.file.read(self.page)):
            number += 1
            if number in self.trunks:
                self._region(data[8 + 4 * self.trunks[number] : self.usable])
            elif number in self.free:
                self._region(data[: self.usable])
            elif (data[100] if number == 1 and len(data) > 100 else data[0]) in _HEADERS:
                self._page(data, 100 if number == 1 else 0)

    def _page(self, data: bytes, at: int) -> None:
        """Look at the parts of a page in use that no cell takes."""
        size = _HEADERS[data[at]]
        cells = int.from_bytes(data[at + 3 : at + 5], "big")
        content = int.from_bytes(data[at + 5 : at + 7], "big") or 65536
        begin = at + size + 2 * cells
        if begin <= content <= self.usable and content - begin > 8:
            self._region(data[begin:content])
        block, seen = int.from_bytes(data[at + 1 : at + 3], "big"), 0
        while content <= block <= self.usable - 4 and seen < self.page // 4:
            seen += 1
            length = int.from_bytes(data[block + 2 : block + 4], "big")
            self._region(data[block : min(block + length, self.usable)], freed=True)
            following = int.from_bytes(data[block : block + 2], "big")
            if following <= block:
                break
            block = following

    def _region(self, data: bytes, freed: bool = False) -> None:
        """Keep the texts in unused bytes: the values of records that are whole, and runs of text in between."""
        if not _RUN.search(data) and not (self.wide and len(data.strip(b"\0")) > 8):
            return
        covered = 0
        if self.carve > 0:
            self.carve -= len(data)
            for start, end, values in _records(data, self.widths if freed else [], self.encoding):
                self._runs(data[covered:start])
                covered = end
                self._keep(values)
        self._runs(data[covered:])

    def _runs(self, data: bytes) -> None:
        if self.wide:
            self._keep([run.decode("utf-16-le") for run in _WIDE_RUN.findall(data)])
        else:
            self._keep([run.decode("utf-8", "ignore") for run in _RUN.findall(data)])

    def _keep(self, texts: list[str]) -> None:
        for text in texts:
            if self.left > 0 and len(text.strip()) > 2:
                self.lines.append(text)
                self.left -= len(text) + 1


def _records(data: bytes, widths: list[int], encoding: str) -> Iterator[tuple[int, int, list[str]]]:
    """Yield start, end and texts of the records in unused bytes."""
    at, size = 0, len(data)
    if widths and (record := _beheaded(data, widths, encoding)):
        yield 0, record[0], record[1]
        at = record[0]
    while at < size - 4:
        length = data[at]
        if 2 <= length <= 127 and (record := _record(data, at + 1, at + length, None, encoding)):
            yield at, record[0], record[1]
            at = record[0]
        else:
            at += 1


def _beheaded(data: bytes, widths: list[int], encoding: str) -> tuple[int, list[str]] | None:
    """Return the record whose first four bytes the list of free blocks took: lengths, perhaps the first types."""
    for width in widths:
        for lost in (0, 1, 2):
            if 0 < width - lost <= MAX_RECORD_COLUMNS and (
                record := _record(data, 4, len(data), width - lost, encoding)
            ):
                return record
    return None


def _record(data: bytes, at: int, end: int, count: int | None, encoding: str) -> tuple[int, list[str]] | None:
    """Return end and texts of the record whose types begin at ``at`` and end at ``end``, or are ``count``."""
    types: list[int] = []
    while at < end and (count is None or len(types) < count) and len(types) <= MAX_RECORD_COLUMNS:
        kind, at = _varint(data, at)
        if kind < 0 or kind in (10, 11):
            return None
        types.append(kind)
    if not types or (at != end if count is None else len(types) != count):
        return None
    return _body(data, at, types, encoding)


def _body(data: bytes, at: int, types: list[int], encoding: str) -> tuple[int, list[str]] | None:
    sizes = [_SIZES[kind] if kind < 12 else (kind - 12) // 2 for kind in types]
    if at + sum(sizes) > len(data):
        return None
    letters = sum(size for kind, size in zip(types, sizes, strict=True) if kind >= 13 and kind % 2)
    if 2 * letters < sum(sizes):  # chance rather than a record: its texts are found as runs
        return None
    texts: list[str] = []
    for kind, size in zip(types, sizes, strict=True):
        if kind >= 12:
            text = _text(data[at : at + size], encoding if kind % 2 else "utf-8")
            if text is None and kind % 2:
                return None
            texts += [text] if text else []
        at += size
    return (at, texts) if sum(map(len, texts)) >= 4 else None


def _text(data: bytes, encoding: str) -> str | None:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if any(sign < " " and sign not in "\t\r\n" for sign in text) else text


def _varint(data: bytes, at: int) -> tuple[int, Any]:
    """Return a number of up to four bytes and the place behind it; -1 when it is longer or cut short."""
    value = 0
    for place in range(at, min(at + 4, len(data))):
        value = value << 7 | data[place] & 0x7F
        if data[place] < 0x80:
            return value, place + 1
    return -1, at
