"""Reads the sheets of workbooks that are XML in a zip archive, row after row: Office Open XML (.xlsx, .xlsm) and OpenDocument (.ods).

Formats: ECMA-376 part 1, 18.3 (worksheets), 18.4 (shared strings), 18.8.30 (number formats); OpenDocument 1.3 part 3, 9 (tables).
"""

from __future__ import annotations

import datetime
import re
import zipfile
from array import array
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any
from xml.parsers import expat

from mlguard.errors import Unreadable
from mlguard.scanners.dataset.formats import rows
from mlguard.scanners.dataset.table import MAX_COLUMNS

MAX_XML_BYTES = 4 * 2**30
"""Bytes of XML that are read of one workbook, all parts together."""

MAX_PART_BYTES = 64 * 2**20
"""Bytes of one part that is no sheet and holds no shared strings."""

MAX_SHARED_BYTES = 192 * 2**20
MAX_SHARED = 12_000_000
"""Bytes and number of the shared strings that are kept; a cell with a later one counts as not read."""

MAX_FURTHER = 200_000
"""Cells behind the last column of a table whose texts are kept."""

MAX_ROWS = 4_000_000
"""Rows of one sheet. A spreadsheet has 1,048,576, a file may claim any number."""

READ_BYTES = 256 * 2**10

_BUILT_IN_DATES = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
_NOT_DATE = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.')


class Workbook:
    """The parts of one workbook, read within bounds."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        self.left = MAX_XML_BYTES
        self.names = {member.filename.lstrip("/"): member for member in archive.infolist()}

    def pieces(self, name: str, limit: int = MAX_XML_BYTES) -> Iterator[bytes]:
        """Yield the bytes of a part. Raises Unreadable."""
        member = self.names.get(name)
        if member is None:
            raise Unreadable("a part of the workbook is missing")
        try:
            with self.archive.open(member) as file:
                while piece := file.read(READ_BYTES):
                    self.left -= len(piece)
                    limit -= len(piece)
                    if self.left < 0 or limit < 0:
                        raise Unreadable("a part of the workbook unpacks to more than is read")
                    yield piece
        except rows.TROUBLE:
            raise Unreadable("a part of the workbook is damaged, cut short or encrypted") from None

    def walk(self, name: str, start: Callable[[str, dict[str, str]], None], end: Callable[[str], None], text: Callable[[str], None],
             limit: int = MAX_XML_BYTES) -> Iterator[None]:  # fmt: skip
        """Parse a part, and pause after each piece of it. No declarations of entities are allowed. Raises Unreadable."""
        parser = expat.ParserCreate()
        parser.buffer_text = True
        # Most parts have no prefixes, and a sheet has several tags for each cell.
        parser.StartElementHandler = lambda tag, found: start(_local(tag) if ":" in tag else tag, found)
        parser.EndElementHandler = lambda tag: end(_local(tag) if ":" in tag else tag)
        parser.CharacterDataHandler = text
        parser.StartDoctypeDeclHandler = _refuse
        parser.EntityDeclHandler = _refuse
        try:
            for piece in self.pieces(name, limit):
                parser.Parse(piece, False)
                yield
            parser.Parse(b"", True)
            yield
        except expat.ExpatError:
            raise Unreadable("a part of the workbook is damaged or cut short; what came before was read") from None
        except (RecursionError, UnicodeError, ValueError):
            raise Unreadable("a part of the workbook is damaged") from None


def _refuse(*_: Any) -> None:
    raise Unreadable("a part of the workbook declares entities")


def _local(tag: str) -> str:
    return tag.rpartition(":")[2]


def _attribute(found: dict[str, str], name: str) -> str:
    if name in found:
        return found[name]
    return next((value for key, value in found.items() if key.endswith(":" + name)), "")


class Shared:
    """Shared strings, packed."""

    def __init__(self) -> None:
        self.bytes, self.ends = bytearray(), array("I", [0])
        self.lost = 0

    def add(self, text: str) -> None:
        """Add the next string."""
        data = text[: rows.MAX_CELL_CHARS].encode("utf-8", "replace")
        if len(self.ends) > MAX_SHARED or len(self.bytes) + len(data) > MAX_SHARED_BYTES:
            self.lost += 1
            return
        self.bytes += data
        self.ends.append(len(self.bytes))

    def get(self, at: int) -> str | None:
        """Return a string by its number, or None."""
        if not 0 <= at < len(self.ends) - 1:
            return None
        return self.bytes[self.ends[at] : self.ends[at + 1]].decode("utf-8")


def shared_strings(book: Workbook, name: str) -> Shared:
    """Return the shared strings of a workbook. Raises Unreadable."""
    shared = Shared()
    parts: list[str] = []
    inside = [False, False]  # a text, a remark on pronunciation

    def start(tag: str, _: dict[str, str]) -> None:
        if tag == "t":
            inside[0] = True
        elif tag == "rPh":
            inside[1] = True

    def end(tag: str) -> None:
        if tag == "t":
            inside[0] = False
        elif tag == "rPh":
            inside[1] = False
        elif tag == "si":
            shared.add("".join(parts))
            parts.clear()

    def text(data: str) -> None:
        if inside[0] and not inside[1]:
            parts.append(data)

    for _ in book.walk(name, start, end, text):
        pass
    return shared


def date_styles(book: Workbook, name: str) -> frozenset[int]:
    """Return the numbers of the styles that show a date. Raises Unreadable."""
    own: set[int] = set()
    styles: set[int] = set()
    place = [0, 0]  # inside cellXfs, styles so far

    def start(tag: str, found: dict[str, str]) -> None:
        if tag == "numFmt" and _is_date(found.get("formatCode", "")) and found.get("numFmtId", "").isdecimal():
            own.add(int(found["numFmtId"][:9]))
        elif tag == "cellXfs":
            place[0] = 1
        elif tag == "xf" and place[0]:
            number = found.get("numFmtId", "")
            if number.isdecimal() and (int(number[:9]) in _BUILT_IN_DATES or int(number[:9]) in own):
                styles.add(place[1])
            place[1] += 1

    def end(tag: str) -> None:
        if tag == "cellXfs":
            place[0] = 0

    for _ in book.walk(name, start, end, lambda _: None, MAX_PART_BYTES):
        pass
    return frozenset(styles)


def _is_date(code: str) -> bool:
    plain = _NOT_DATE.sub("", code[:500]).lower()
    return any(sign in plain for sign in "ydhs") or "mm" in plain


class _Cells:
    """Puts together the rows of a worksheet from its elements."""

    def __init__(self, shared: Shared, dates: frozenset[int], epoch: datetime.datetime) -> None:
        self.shared, self.dates, self.epoch = shared, dates, epoch
        self.done: list[list[Any]] = []
        self.row: list[Any] = []
        self.column = -1
        self.kind = self.style = ""
        self.parts: list[str] = []
        self.inside = self.lost = 0
        self.notes: list[str] = []

    def start(self, tag: str, found: dict[str, str]) -> None:
        if tag == "c":
            get = found.get
            self.column = _column(get("r", ""), self.column + 1)
            self.kind, self.style = get("t", "n"), get("s", "")
            self.parts = []
        elif tag == "v" or tag == "t":
            self.inside = 1
        elif tag == "row":
            self.row, self.column = [], -1
        elif tag.endswith(("Header", "Footer")):
            self.inside, self.parts = 1, []

    def end(self, tag: str) -> None:
        if tag == "v" or tag == "t":
            self.inside = 0
        elif tag == "c":
            if parts := self.parts:
                self._put(self._value(parts[0] if len(parts) == 1 else "".join(parts)))
        elif tag == "row":
            if any(value is not None for value in self.row):
                self.done.append(self.row)
            self.row = []
        elif tag.endswith(("Header", "Footer")):
            self.notes.append("".join(self.parts))
            self.inside, self.parts = 0, []

    def text(self, data: str) -> None:
        if self.inside:
            self.parts.append(data)

    def _put(self, value: Any) -> None:
        if self.column < MAX_COLUMNS:
            self.row += [None] * (self.column + 1 - len(self.row))
            self.row[self.column] = value
        elif value is not None and len(self.notes) < MAX_FURTHER:
            self.notes.append(str(value))
        elif value is not None:
            self.lost += 1

    def _value(self, text: str) -> Any:
        kind = self.kind
        if kind == "s":
            value = self.shared.get(int(text[:12])) if text.isdecimal() else None
            self.lost += value is None
            return value
        if kind == "b":
            return text == "1"
        if kind in ("n", ""):
            return self._number(text)
        return None if kind == "e" else text[: rows.MAX_CELL_CHARS]

    def _number(self, text: str) -> Any:
        try:
            number = float(text) if len(text) < 400 else None
        except ValueError:
            return text[: rows.MAX_CELL_CHARS]
        if (
            number is not None
            and self.style.isdecimal()
            and int(self.style[:9]) in self.dates
            and 0 <= number < 2_958_466
        ):
            return self.epoch + datetime.timedelta(days=number)
        if number is not None and number.is_integer() and abs(number) < 2**53:
            return int(number)
        return number


@lru_cache(16_384)
def _letters(letters: str) -> int:
    number = 0
    for sign in letters:
        number = number * 26 + ord(sign) - 64
    return number - 1


def _column(reference: str, following: int) -> int:
    """Return the number, from 0, of the column in a reference such as BC23."""
    letters = reference.rstrip("0123456789")
    return _letters(letters) if letters and len(letters) <= 3 and letters.isascii() and letters.isupper() else following


def worksheet(book: Workbook, name: str, shared: Shared, dates: frozenset[int], epoch_1904: bool, notes: list[str], lost: list[int]) -> Iterator[list[Any]]:  # fmt: skip
    """Yield the rows of a worksheet that are not empty. Raises Unreadable."""
    cells = _Cells(shared, dates, datetime.datetime(1904, 1, 1) if epoch_1904 else datetime.datetime(1899, 12, 30))
    count = 0
    try:
        for _ in book.walk(name, cells.start, cells.end, cells.text):
            done, cells.done = cells.done, []
            count += len(done)
            yield from done
            if count > MAX_ROWS:
                raise Unreadable(f"a sheet has more than {MAX_ROWS:,} rows")
        yield from cells.done
    except Unreadable:
        yield from cells.done
        raise
    finally:
        notes += [note for note in cells.notes if note.strip()]
        lost.append(cells.lost)


class _OpenSheets:
    """Puts together the tables of an OpenDocument spreadsheet."""

    def __init__(self) -> None:
        self.done: list[tuple[str, list[Any], int]] = []  # sheet, row, times
        self.sheet = ""
        self.row: list[Any] = []
        self.repeat = self.cell_repeat = 1
        self.value: Any = None
        self.parts: list[str] = []
        self.depth = 0  # inside a paragraph
        self.note = 0
        self.notes: list[str] = []

    def start(self, tag: str, found: dict[str, str]) -> None:
        if tag in ("table-cell", "covered-table-cell"):
            self.cell_repeat = _count(_attribute(found, "number-columns-repeated"))
            self.value = _open_value(found)
            self.parts.clear()
        elif tag == "table-row":
            self.row, self.repeat = [], _count(_attribute(found, "number-rows-repeated"))
        elif tag == "table":
            self.sheet = _attribute(found, "name")
        elif tag == "annotation":
            self.note += 1
        elif tag == "p":
            self.depth += 1

    def end(self, tag: str) -> None:
        if tag == "p":
            self.depth -= 1
            (self.notes if self.note else self.parts).append("\n")
        elif tag == "annotation":
            self.note -= 1
        elif tag in ("table-cell", "covered-table-cell"):
            text = "".join(self.parts).strip("\n")
            value = self.value if self.value is not None else text or None
            times = min(self.cell_repeat, MAX_COLUMNS - len(self.row)) if value is not None else self.cell_repeat
            self.row += [value] * min(max(0, times), MAX_COLUMNS - len(self.row))
        elif tag == "table-row" and any(value is not None for value in self.row):
            while self.row and self.row[-1] is None:
                self.row.pop()
            self.done.append((self.sheet, self.row, min(self.repeat, 1_048_576)))

    def text(self, data: str) -> None:
        if self.note:
            self.notes.append(data)
        elif self.depth:
            self.parts.append(data)


def _count(text: str) -> int:
    return max(1, int(text[:9])) if text.isdecimal() else 1


def _open_value(found: dict[str, str]) -> Any:
    kind = _attribute(found, "value-type")
    if kind in ("float", "percentage", "currency"):
        try:
            number = float(_attribute(found, "value")[:40])
        except ValueError:
            return None
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    if kind == "date":
        try:
            return datetime.datetime.fromisoformat(_attribute(found, "date-value")[:30])
        except ValueError:
            return None
    return None


def open_document(book: Workbook, notes: list[str]) -> Iterator[tuple[str, list[Any]]]:
    """Yield sheet and row of an OpenDocument spreadsheet. Raises Unreadable."""
    sheets = _OpenSheets()
    counts: dict[str, int] = {}
    try:
        for _ in book.walk("content.xml", sheets.start, sheets.end, sheets.text):
            done, sheets.done = sheets.done, []
            yield from _repeated(done, counts)
    finally:
        notes += [note for note in "".join(sheets.notes).split("\n") if note.strip()]


def _repeated(done: list[tuple[str, list[Any], int]], counts: dict[str, int]) -> Iterator[tuple[str, list[Any]]]:
    for sheet, row, times in done:
        counts[sheet] = counts.get(sheet, 0) + times
        if counts[sheet] > MAX_ROWS:
            raise Unreadable(f"a sheet has more than {MAX_ROWS:,} rows")
        for _ in range(times):
            yield sheet, row


def all_texts(book: Workbook, name: str, limit: int = MAX_PART_BYTES) -> list[str]:
    """Return the texts of a part, and the attributes in which people and cached values are written. Raises Unreadable."""
    found: list[str] = []
    parts: list[str] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        flush()
        for key, value in attributes.items():
            if _local(key) in _TELLING and len(value) > 2:
                found.append(value)

    def flush(_: str = "") -> None:
        if text := "".join(parts).strip():
            found.append(text)
        parts.clear()

    for _ in book.walk(name, start, flush, parts.append, limit):
        pass
    return found


_TELLING = frozenset({"displayName", "userId", "author", "v", "connection", "command", "sourceFile", "description", "refersTo", "comment", "tooltip", "prompt"})  # fmt: skip
