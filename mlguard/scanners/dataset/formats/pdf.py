"""Reads the text of PDF files, what stands in their forms and notes, and what they say of their authors. Needs pypdf.

Format: ISO 32000-2, 12.5 (annotations), 12.7 (forms), 14.3 (metadata). Scripts and actions are never run, links never followed.
"""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlguard.errors import Unreadable
from mlguard.scanners.dataset.formats import expat, grid
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import MissedKind, Table

if TYPE_CHECKING:
    from mlguard.scanners.dataset.formats.budget import Budget

MAX_FILE_BYTES = 512 * 2**20
MAX_PAGES = 5_000
MAX_STREAM_BYTES = 16 * 2**20
"""Instructions of one page, unpacked."""

MAX_TEXT_CHARS = 64 * 2**20
"""Text of one file."""

MAX_TEXT_LINES = 10_000
"""Notes and the like, each."""

MAX_NOTES_OF_PAGE = 1_000
MAX_FIELDS = 2_000
MAX_ATTACHMENTS = 100
MAX_ATTACHED_BYTES = 64 * 2**20
MAX_METADATA_BYTES = 4 * 2**20


def _broken() -> tuple[type[Exception], ...]:
    """Return what pypdf raises for files that are not what they say; it trusts objects to have the right type."""
    from pypdf.errors import PyPdfError

    return (
        PyPdfError, ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError, TypeError,
        ValueError, struct.error, zlib.error,
    )  # fmt: skip


def tables(source: Source) -> Iterator[Table]:
    """Yield the prose of a file, its form as a table of one row, and the tables of attached files."""
    try:
        import pypdf
    except ImportError:
        raise Unreadable("text of PDF files needs pypdf, which is not installed") from None
    if source.size > MAX_FILE_BYTES:
        raise Unreadable(f"larger than the limit of {MAX_FILE_BYTES // 2**20} MiB for PDF files")
    logging.getLogger("pypdf").setLevel(logging.CRITICAL + 1)  # its warnings quote the file
    broken = _broken()
    with source.open() as file:
        reader = _opened(pypdf, file, broken)
        document = Table("pdf", iter(()), prose=True)
        document.batches = _prose(reader, document, broken)
        yield document
        yield from _form(reader, document, broken)
        yield from _attachments(reader, source, broken)


def _opened(pypdf: Any, file: Any, broken: tuple[type[Exception], ...]) -> Any:
    try:
        reader = pypdf.PdfReader(file, strict=False)
        locked = reader.is_encrypted and not reader.decrypt("")
    except broken:
        raise Unreadable("no PDF file that can be read; is it cut short?") from None
    if locked:
        raise Unreadable("is encrypted")
    return reader


def _prose(reader: Any, document: Table, broken: tuple[type[Exception], ...]) -> Iterator[Any]:
    yield from grid.prose(_lines(reader, document.missed, broken))
    for name, lines in (
        ("(properties)", _properties(reader, broken)),
        ("(XMP)", _metadata(reader, document.missed, broken)),
        ("(notes)", _notes(reader, broken)),
    ):
        kept = [line for line, _ in zip(lines, range(MAX_TEXT_LINES), strict=False)]
        if kept:
            document.texts.append((name, kept))


def _lines(reader: Any, missed: list[tuple[MissedKind, str]], broken: tuple[type[Exception], ...]) -> Iterator[str]:
    try:
        count = len(reader.pages)
    except broken:
        raise Unreadable("its list of pages is damaged") from None
    size, pictures, damaged, large = 0, 0, 0, 0
    for number in range(min(count, MAX_PAGES)):
        try:
            page = reader.pages[number]
            contents = page.get_contents()
            if contents is not None and len(contents.get_data()) > MAX_STREAM_BYTES:
                large += 1
                continue
            text = page.extract_text()
            pictures += not text.strip() and _has_pictures(page)
        except broken:
            damaged += 1
            continue
        size += len(text)
        if size > MAX_TEXT_CHARS:
            missed.append(("too-large", f"more than {MAX_TEXT_CHARS // 2**20} MiB of text; the rest was not read"))
            break
        yield from text.splitlines()
    _say(missed, count, pictures, damaged, large)


def _say(missed: list[tuple[MissedKind, str]], count: int, pictures: int, damaged: int, large: int) -> None:
    if pictures:
        missed.append(("skipped", f"{pictures:,} of {count:,} pages hold no text; pictures of text were not read"))
    if damaged:
        missed.append(("unreadable", f"{damaged:,} of {count:,} pages are damaged"))
    if large:
        missed.append(("too-large", f"{large:,} of {count:,} pages are larger than {MAX_STREAM_BYTES // 2**20} MiB"))
    if count > MAX_PAGES:
        missed.append(("too-large", f"{count - MAX_PAGES:,} pages behind the first {MAX_PAGES:,} were not read"))


def _has_pictures(page: Any) -> bool:
    """Say whether a page draws anything but text: pictures, or forms that may hold some."""
    resources = page.get("/Resources")
    resources = resources.get_object() if resources is not None else {}
    drawn = resources.get("/XObject")
    return bool(drawn.get_object()) if drawn is not None else False


def _properties(reader: Any, broken: tuple[type[Exception], ...]) -> Iterator[str]:
    try:
        for key, value in (reader.metadata or {}).items():
            yield f"{str(key).lstrip('/')}: {value}"
    except broken:
        return


def _metadata(reader: Any, missed: list[tuple[MissedKind, str]], broken: tuple[type[Exception], ...]) -> Iterator[str]:
    from mlguard.scanners.dataset.formats.office import Leaves

    texts: dict[str, list[str]] = {}
    try:
        packet = reader.root_object.get("/Metadata")
        data = packet.get_object().get_data()[:MAX_METADATA_BYTES] if packet is not None else b""
    except broken:
        missed.append(("unreadable", "its metadata is damaged"))
        return
    try:
        for _ in expat.feed(iter((data,)) if data else iter(()), Leaves(texts, "")) if data else ():
            pass
    except Unreadable:
        missed.append(("unreadable", "its metadata is damaged"))
    yield from texts.get("", [])


def _notes(reader: Any, broken: tuple[type[Exception], ...]) -> Iterator[str]:
    """Yield what annotations say, who wrote them, and where links lead."""
    for number in range(min(len(reader.pages), MAX_PAGES)):
        try:
            listed = reader.pages[number].get("/Annots")
            notes = list(listed.get_object())[:MAX_NOTES_OF_PAGE] if listed is not None else []
        except broken:
            continue
        for note in notes:
            try:
                body = note.get_object()
                action = body.get("/A")
                found = [
                    body.get("/T"),
                    body.get("/Contents"),
                    action.get_object().get("/URI") if action is not None else None,
                ]
                lines = [line for text in found if text is not None for line in _plain(text).splitlines()]
            except broken:
                continue
            yield from lines


def _plain(value: Any) -> str:
    value = value.get_object() if hasattr(value, "get_object") else value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _form(reader: Any, document: Table, broken: tuple[type[Exception], ...]) -> Iterator[Table]:
    """Yield the fields of a form with what was filled in."""
    try:
        fields = reader.get_fields() or {}
        filled = [(str(name), _plain(field["/V"])) for name, field in fields.items() if field.get("/V") is not None]
    except broken:
        yield Table("pdf", iter(()), "form", rows=0, missed=[("unreadable", "its form is damaged")])
        return
    if filled:
        some = filled[:MAX_FIELDS]
        table = Table("pdf", grid.rows([name for name, _ in some], [[value for _, value in some]]), "form", rows=1)
        if len(filled) > MAX_FIELDS:
            table.missed.append(("too-large", f"a form of more than {MAX_FIELDS:,} fields; the rest was not read"))
        yield table


def _attachments(reader: Any, source: Source, broken: tuple[type[Exception], ...]) -> Iterator[Table]:
    from mlguard.scanners.dataset.formats import merging
    from mlguard.scanners.dataset.formats.budget import Budget

    budget = Budget(max(source.size, 0))
    yield from merging.merged(_attached(reader, source, budget, broken), budget)
    if missed := budget.told():
        yield Table("pdf", iter(()), "(attachments)", rows=0, missed=missed)


def _attached(
    reader: Any, source: Source, budget: Budget, broken: tuple[type[Exception], ...]
) -> Iterator[tuple[str, Table]]:
    from mlguard.artifacts import kind_of
    from mlguard.scanners.dataset.formats import archive
    from mlguard.scanners.dataset.source import of_bytes

    try:
        names = list(reader.attachments)
    except broken:
        budget.note("unreadable", "its list of attached files is damaged")
        return
    if len(names) > MAX_ATTACHMENTS:
        budget.note("too-large", f"more than {MAX_ATTACHMENTS} attached files; the rest was not read")
    for number, name in enumerate(names[:MAX_ATTACHMENTS], 1):
        shown = archive.shown(str(name), number)
        try:
            contents = reader.attachments[name]
            data = b"".join(contents if isinstance(contents, list) else [contents])[: MAX_ATTACHED_BYTES + 1]
        except broken:
            budget.note("unreadable", "an attached file is damaged", shown)
            continue
        if len(data) > MAX_ATTACHED_BYTES:
            budget.note("too-large", f"an attached file is larger than {MAX_ATTACHED_BYTES // 2**20} MiB", shown)
        elif data:
            within = f"{source.within} > {shown}" if source.within else shown
            inner = of_bytes(source.name, data, within, source.depth + 1)
            yield from archive.read(inner, kind_of(shown, data[:65536]), budget)
