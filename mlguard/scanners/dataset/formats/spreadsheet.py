"""Reads spreadsheets: every sheet of .xlsx, .xlsm, .xlsb, .ods and .xls, hidden ones too, and the texts beside the cells."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners.dataset.formats import apart, ole, rows, sheets_xml
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import BATCH_BYTES, BATCH_ROWS, MAX_COLUMNS, Table

MAX_BINARY_BYTES = 64 * 2**20
"""Bytes of a workbook in a binary format, packed and unpacked, which the library loads whole."""

MAX_DENSE_CELLS = 6_000_000
"""Cells of the rectangle around a sheet, which the library fills whether or not there are values: 32 bytes each."""

MAX_BATCH_CELLS = 4_000_000
"""Cells of a batch, empty ones too."""

MAX_SHEETS = 1_000
MAX_MEMBERS = 20_000
LOOK_ROWS = 20
"""Rows at the beginning of a sheet in which its header is looked for."""

_BESIDE = (  # part, what it is called, bytes at most
    (re.compile(r"xl/(?:comments\d*|comments/comment\d*|threadedComments/[^/]+|persons/[^/]+)\.xml"), "(comments)"),
    (re.compile(r"docProps/[^/]+\.xml|meta\.xml"), "(properties)"),
    (re.compile(r"xl/pivotCache/[^/]+\.xml"), "(pivot cache)"),
    (re.compile(r"xl/externalLinks/[^/]+\.xml"), "(linked workbooks)"),
    (re.compile(r"xl/(?:drawings|charts)/[^/]+\.xml"), "(drawings)"),
    (re.compile(r"xl/(?:connections|queryTables/[^/]+)\.xml"), "(connections)"),
)
_KNOWN = re.compile(
    r"(?:xl|docProps|_rels|customXml|META-INF|Configurations2|Thumbnails|Pictures|Object [^/]*|ObjectReplacements|customUI|docMetadata)/"
    r"|\[Content_Types\]\.xml|(?:content|styles|meta|settings|manifest)\.(?:xml|rdf)|mimetype|layout-cache|\[trash\]/"
)
_INNER = re.compile(r"xl/embeddings/|xl/vbaProject|xl/macrosheets|xl/model/|Object \d+/content\.xml")
_RUN = re.compile(rb"(?:[\x20-\x7e]\x00){4,}|[\x20-\x7e\xa0-\xff]{4,}")


def tables(source: Source) -> Iterator[Table]:
    """Yield each sheet, then one table without rows for what lies beside them. Raises Unreadable."""
    if source.head(8) == ole.MAGIC:
        yield from apart.tables("spreadsheet", source)
        return
    with rows.handle(source) as file:
        try:
            book = sheets_xml.Workbook(zipfile.ZipFile(file))
        except rows.TROUBLE:
            raise Unreadable("the workbook is damaged or cut short") from None
        if len(book.names) > MAX_MEMBERS:
            raise Unreadable(f"the workbook has more than {MAX_MEMBERS:,} parts")
        rest = Table("xlsx", iter(()))
        if "content.xml" in book.names:
            rest.format = "ods"
            yield from _open_document(book, rest)
        elif "xl/workbook.bin" in book.names:
            rest.format = "xlsb"
            yield from apart.tables("spreadsheet", source)
        else:
            yield from _worksheets(book, rest)
        _beside(book, rest)
        yield rest


def inside(source: Source) -> Iterator[Table]:
    """Yield the sheets of a workbook in a binary format, in a process of its own. Raises Unreadable."""
    if source.head(8) == ole.MAGIC:
        yield from _old(source)
        return
    with rows.handle(source) as file:
        try:
            book = sheets_xml.Workbook(zipfile.ZipFile(file))
        except rows.TROUBLE:
            raise Unreadable("the workbook is damaged or cut short") from None
        yield from _binary(source, book)


def _beside(book: sheets_xml.Workbook, rest: Table) -> None:
    """Note the texts beside the cells, and what is not looked into."""
    found: dict[str, list[str]] = {}
    for name in sorted(book.names):
        for pattern, label in _BESIDE:
            if pattern.fullmatch(name):
                try:
                    found.setdefault(label, []).extend(sheets_xml.all_texts(book, name))
                except Unreadable as trouble:
                    rest.missed.append(("unreadable", f"{label.strip('()')}: {trouble}"))
    rest.texts += [(label, lines) for label, lines in found.items() if lines]
    if any(_INNER.match(name) for name in book.names):
        rest.missed.append(("skipped", "the workbook holds other documents or macros, which are not looked into"))
    others = sum(not _KNOWN.match(name) for name in book.names)
    if others:
        rest.missed.append(("skipped", f"{others:,} parts of the file belong to no workbook and are not looked into"))


# -- Office Open XML


def _worksheets(book: sheets_xml.Workbook, rest: Table) -> Iterator[Table]:
    sheets, epoch_1904 = _listed(book)
    try:
        name = next((part for part in book.names if part.lower() == "xl/sharedstrings.xml"), "")
        shared = sheets_xml.shared_strings(book, name) if name else sheets_xml.Shared()
    except Unreadable as trouble:
        rest.missed.append(("unreadable", f"the texts of the cells: {trouble}"))
        shared = sheets_xml.Shared()
    if shared.lost:
        rest.missed.append(("too-large", "the workbook has more different texts than are kept"))
    try:
        dates = sheets_xml.date_styles(book, "xl/styles.xml") if "xl/styles.xml" in book.names else frozenset()
    except Unreadable:
        dates = frozenset()
    if not sheets:
        rest.missed.append(("unreadable", "the workbook names no sheets"))
    for label, part in sheets[:MAX_SHEETS]:
        notes: list[str] = []
        lost: list[int] = []
        table = Table("xlsx", iter(()), label)
        cells = sheets_xml.worksheet(book, part, shared, dates, epoch_1904, notes, lost)
        table.batches = _closed(_batches(cells, table), table, notes, lost)
        yield table
    if len(sheets) > MAX_SHEETS:
        rest.missed.append(("too-large", f"the workbook has more than {MAX_SHEETS:,} sheets"))


def _closed(batches: Iterator[Any], table: Table, notes: list[str], lost: list[int]) -> Iterator[Any]:
    try:
        yield from batches
    finally:
        if notes:
            table.texts.append(("(beside the cells)", notes))
        if sum(lost):
            table.missed.append(("unreadable", f"the texts of {sum(lost):,} cells are not in the workbook"))


def _listed(book: sheets_xml.Workbook) -> tuple[list[tuple[str, str]], bool]:
    """Return (name, part) of the sheets, those that the workbook does not name too, and whether days count from 1904."""
    named: list[tuple[str, str]] = []
    targets: dict[str, str] = {}
    epoch = [False]

    def start(tag: str, found: dict[str, str]) -> None:
        if tag == "sheet":
            named.append(
                (found.get("name", ""), next((value for key, value in found.items() if key.endswith(":id")), ""))
            )
        elif tag == "workbookPr":
            epoch[0] = found.get("date1904") in ("1", "true")
        elif tag == "Relationship":
            targets[found.get("Id", "")] = found.get("Target", "")

    for part in ("xl/workbook.xml", "xl/_rels/workbook.xml.rels"):
        try:
            for _ in book.walk(part, start, lambda _: None, lambda _: None, sheets_xml.MAX_PART_BYTES):
                pass
        except Unreadable:
            continue
    sheets = []
    for label, key in named:
        target = targets.get(key, "")
        part = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
        if part in book.names:
            sheets.append((label, part))
    known = {part for _, part in sheets}
    loose = [
        name for name in sorted(book.names) if re.fullmatch(r"xl/worksheets/[^/]+\.xml", name) and name not in known
    ]
    return sheets + [("", name) for name in loose], epoch[0]


# -- OpenDocument


def _open_document(book: sheets_xml.Workbook, rest: Table) -> Iterator[Table]:
    if "META-INF/manifest.xml" in book.names and any(
        b"encryption-data" in piece for piece in book.pieces("META-INF/manifest.xml")
    ):
        raise Unreadable("the workbook is encrypted: save a copy without a password, or exclude it")
    notes: list[str] = []
    stream = sheets_xml.open_document(book, notes)
    trouble: list[Unreadable] = []
    pending: list[tuple[str, list[Any]]] = []

    def following() -> tuple[str, list[Any]] | None:
        if pending:
            return pending.pop()
        try:
            return next(stream, None)
        except Unreadable as error:
            trouble.append(error)
            return None

    def of_sheet(label: str) -> Iterator[list[Any]]:
        while (item := following()) is not None:
            if item[0] != label:
                pending.append(item)
                return
            yield item[1]

    while (first := following()) is not None:
        pending.append(first)
        table = Table("ods", iter(()), first[0])
        table.batches = _batches(of_sheet(first[0]), table)
        yield table
        for _ in table.batches:  # the next sheet begins where this one ends
            pass
    rest.missed += [("unreadable", str(error)) for error in trouble]
    if notes:
        rest.texts.append(("(comments)", notes))


# -- binary formats, through the library


def _binary(source: Source, book: sheets_xml.Workbook) -> Iterator[Table]:
    total = sum(member.file_size for member in book.names.values())
    if total > MAX_BINARY_BYTES:
        raise Unreadable(
            f"the workbook unpacks to more than the {MAX_BINARY_BYTES >> 20} MiB that are read of this format"
        )
    dense = 0
    for name in book.names:
        try:
            data = b"".join(book.pieces(name, MAX_BINARY_BYTES))  # what it says of its size may be a lie
        except Unreadable:
            raise Unreadable("the workbook is damaged, cut short or encrypted") from None
        if name.startswith("xl/worksheets/") and name.endswith(".bin"):
            dense += _area(data)
    if dense > MAX_DENSE_CELLS:
        raise Unreadable(f"the sheets reach over more than {MAX_DENSE_CELLS:,} cells")
    yield from _loaded(rows.whole(source, MAX_BINARY_BYTES), "xlsb")


def _area(data: bytes) -> int:
    """Return how many cells the rectangle around the cells of a sheet has ([MS-XLSB] 2.1.4)."""
    at = row = 0
    low = left = 2**31
    high = right = -1
    while at < len(data):
        kind = data[at]
        at += 1
        if kind & 0x80 and at < len(data):
            kind = kind & 0x7F | data[at] << 7
            at += 1
        size = shift = 0
        while at < len(data) and shift < 28:
            byte = data[at]
            at += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        if kind == 0 and size >= 4:
            row = int.from_bytes(data[at : at + 4], "little")
        elif 1 <= kind <= 11 and size >= 4:
            column = int.from_bytes(data[at : at + 4], "little")
            low, high, left, right = min(low, row), max(high, row), min(left, column), max(right, column)
        at += size
    return (high - low + 1) * (right - left + 1) if high >= 0 else 0


def _old(source: Source) -> Iterator[Table]:
    data = rows.whole(source, MAX_BINARY_BYTES)
    compound = ole.Compound(data)
    if any(name in compound.streams for name in ("EncryptedPackage", "EncryptionInfo")):
        raise Unreadable("the workbook is encrypted: save a copy without a password, or exclude it")
    name = next((name for name in ("Workbook", "Book") if name in compound.streams), "")
    if not name:
        raise Unreadable("the file is a compound document, but no workbook")
    stream = compound.read(name, MAX_BINARY_BYTES)
    if sum(ole.areas(stream)) > MAX_DENSE_CELLS:
        raise Unreadable(f"the sheets reach over more than {MAX_DENSE_CELLS:,} cells")
    yield from _loaded(data, "xls")
    rest = Table("xls", iter(()))
    lines = [
        _decoded(run)
        for part in ("\x05SummaryInformation", "\x05DocumentSummaryInformation")
        for run in _RUN.findall(compound.read(part, 2**20))
    ]
    if lines:
        rest.texts.append(("(properties)", lines))
    notes = _notes(stream)
    if notes:
        rest.texts.append(("(comments)", notes))
    if any(name.startswith("_VBA") or name in ("Package", "CONTENTS", "\x01Ole10Native") for name in compound.streams):
        rest.missed.append(("skipped", "the workbook holds other documents or macros, which are not looked into"))
    yield rest


def _decoded(run: bytes) -> str:
    return run.decode("utf-16-le") if run[1:2] == b"\0" else run.decode("latin-1")


def _notes(stream: bytes) -> list[str]:
    """Return the texts of comments and text boxes: the CONTINUE record behind each TXO ([MS-XLS] 2.4.329), and authors of NOTE."""
    found: list[str] = []
    at = 0
    behind = False
    while at + 4 <= len(stream):
        kind, size = int.from_bytes(stream[at : at + 2], "little"), int.from_bytes(stream[at + 2 : at + 4], "little")
        data = stream[at + 4 : at + 4 + size]
        if behind and kind == 0x3C and size > 1:
            found.append(data[1:].decode("utf-16-le" if data[0] & 1 else "latin-1", "replace"))
        elif kind == 0x1C and size > 11:
            found.append(data[11:].decode("utf-16-le" if data[10] & 1 else "latin-1", "replace").strip("\0"))
        behind = kind == 0x1B6
        at += 4 + size
    return [text for text in found if text.strip()]


def _loaded(data: bytes, form: str) -> Iterator[Table]:
    try:
        import python_calamine
    except ImportError:
        raise Unreadable(f"reading .{form} needs python-calamine, which is not installed") from None
    trouble: tuple[type[Exception], ...] = (*rows.TROUBLE, python_calamine.CalamineError)
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        names = list(book.sheet_names)
    except python_calamine.PasswordError:
        raise Unreadable("the workbook is encrypted: save a copy without a password, or exclude it") from None
    except trouble:
        raise Unreadable("the workbook is damaged or cut short") from None
    for at, name in enumerate(names[:MAX_SHEETS]):
        table = Table(form, iter(()), name)
        table.batches = _batches(_rows(book, at, trouble), table)
        yield table


def _rows(book: Any, at: int, trouble: tuple[type[Exception], ...]) -> Iterator[list[Any]]:
    try:
        for row in book.get_sheet_by_index(at).to_python(skip_empty_area=True):
            values = [
                None if value == "" else int(value) if type(value) is float and value.is_integer() else value
                for value in row
            ]
            if any(value is not None for value in values):
                yield values
    except trouble:
        raise Unreadable("a sheet is damaged and was not read") from None


# -- rows to batches


def _batches(lines: Iterator[list[Any]], table: Table) -> Iterator[Any]:
    """Yield batches of the rows of a sheet; what stands above its header goes to the texts."""
    first: list[list[Any]] = []
    trouble: Unreadable | None = None
    try:
        for row in lines:
            first.append(row)
            if len(first) >= LOOK_ROWS:
                break
    except Unreadable as error:
        trouble = error
    above, names = header(first)
    if above:
        table.texts.append(
            (
                "(before the header)",
                [" ".join(str(value) for value in row if value is not None) for row in first[:above]],
            )
        )
    body = first[above + (1 if names else 0) :]
    width = max([len(names), *(len(row) for row in body)]) if body or names else 0
    yield from _filled(body, lines if trouble is None else iter(()), names, width)
    if trouble is not None:
        raise trouble


def _filled(body: list[list[Any]], lines: Iterator[list[Any]], names: list[str], width: int) -> Iterator[Any]:
    held, size = list(body), sum(map(rows.weight, body))
    trouble: Unreadable | None = None
    while True:
        try:
            row = next(lines, None)
        except Unreadable as error:
            trouble, row = error, None
        if row is not None:
            held.append(row)
            width = max(width, len(row))
            size += rows.weight(row)
        if held and (
            row is None or size >= BATCH_BYTES or len(held) >= BATCH_ROWS or len(held) * width >= MAX_BATCH_CELLS
        ):
            labels = (names + [""] * (width - len(names)))[:width]
            yield rows.batch([[item[at] if at < len(item) else None for item in held] for at in range(width)], labels)
            held, size = [], 0
        if row is None:
            break
    if trouble is not None:
        raise trouble
    if not body and names:
        yield rows.batch([[] for _ in names], names)


def header(first: Sequence[list[Any]]) -> tuple[int, list[str]]:
    """Return how many rows stand above the table, and its header, [] when there is none."""
    most = max((_filled_cells(row) for row in first), default=0)
    for at, row in enumerate(first):
        if _filled_cells(row) * 2 <= most:  # a title, a date, a blank line with a logo
            continue
        if _names(row):
            return at, ["" if value is None else str(value) for value in row][:MAX_COLUMNS]
        return at if at and most > 2 else 0, []
    return 0, []


def _filled_cells(row: list[Any]) -> int:
    return sum(value is not None for value in row)


def _names(row: list[Any]) -> bool:
    """Say whether a row may be a header: short different texts, none of which looks like a value."""
    words = [value for value in row if value is not None]
    if not all(isinstance(word, (str, int)) and not isinstance(word, bool) for word in words):
        return False
    texts = [word for word in words if isinstance(word, str)]
    years = [word for word in words if isinstance(word, int)]
    if len(texts) * 2 <= len(words) or any(not 0 <= year <= 2200 for year in years):
        return False
    return len(set(texts)) * 10 >= len(texts) * 8 and not any(_is_value(word) for word in texts)


def _is_value(word: str) -> bool:
    digits = sum(sign.isdigit() for sign in word)
    return len(word) > 100 or "@" in word or digits > 4 or digits * 2 > len(word) and len(word) > 1
