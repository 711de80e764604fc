"""Reads what people keep of each other: mails (RFC 5322, mbox of RFC 4155), cards (vCard, RFC 6350) and calendars (RFC 5545).

Of a mail the headers that name persons are columns, the body is prose, and attachments are read for what they are.
"""

from __future__ import annotations

import email.errors
import email.header
import email.message
import email.parser
import quopri
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from mlguard.errors import Unreadable
from mlguard.scanners.dataset.formats import grid
from mlguard.scanners.dataset.source import Source, of_bytes
from mlguard.scanners.dataset.table import MissedKind, Table

if TYPE_CHECKING:
    from mlguard.scanners.dataset.formats.budget import Budget

MAX_MAIL_BYTES = 32 * 2**20
"""One mail with its attachments; what is more of it is not read."""

MAX_PARTS = 1_000
"""Parts of one mail."""

MAX_MULTIPARTS = 50
"""Lines of a mail that announce parts in parts: the parser of the standard library calls itself for each."""

MAX_LINE_BYTES = 2**20
MAX_CARD_CHARS = 2**22
"""Text of one card or event."""

HEADERS = (
    "From", "To", "Cc", "Bcc", "Reply-To", "Sender", "Return-Path", "Delivered-To", "Subject", "Date", "Organization", "X-Originating-IP",
    "X-Sender-IP", "X-Envelope-From", "X-Gmail-Labels",
)  # fmt: skip
"""Headers that are columns. Message ids, routes and signatures are like addresses and name machines."""


def tables(source: Source) -> Iterator[Table]:
    """Yield the tables of a mail, a box of mails, a file of cards or a calendar."""
    head = source.head(4096)
    if re.match(rb"\s*(?:\xef\xbb\xbf)?BEGIN:V(?:CARD|CALENDAR|EVENT)", head, re.I):
        yield from _cards(source)
    else:
        yield from _mails(source, head.startswith((b"From ", b">From ")))


# --- Mails


def _mails(source: Source, box: bool) -> Iterator[Table]:
    kind = "mbox" if box else "eml"
    headers = Table(kind, iter(()))
    headers.batches = grid.rows(HEADERS, (_fields(raw) for raw in _parted(source, box, headers.missed)))
    yield headers
    bodies = Table(kind, iter(()), "(bodies)", prose=True)
    attached: list[int] = []
    bodies.batches = grid.prose(_lines(source, box, bodies.missed, attached))
    yield bodies
    if attached:
        yield from _attachments(source, box, attached[-1])


def _parted(source: Source, box: bool, missed: list[tuple[MissedKind, str]] | None = None) -> Iterator[bytes]:
    """Yield the bytes of each mail."""
    with source.open() as file:
        lines: list[bytes] = []
        size, cut, blank = 0, False, True
        for line in _read_lines(file):
            if box and blank and line.startswith(b"From "):
                if lines:
                    yield b"".join(lines)
                lines, size = [], 0
                continue
            blank = not line.strip(b"\r\n")
            size += len(line)
            if size <= MAX_MAIL_BYTES:
                lines.append(line)
            elif not cut and missed is not None:
                missed.append(("too-large", f"of a mail only {MAX_MAIL_BYTES // 2**20} MiB are read"))
                cut = True
        if lines:
            yield b"".join(lines)


def _read_lines(file: BinaryIO) -> Iterator[bytes]:
    try:
        while line := file.readline(MAX_LINE_BYTES):
            yield line
    except (OSError, EOFError):
        raise Unreadable("cannot be read to its end") from None


def _fields(raw: bytes) -> list[str | None]:
    end = re.search(rb"\r?\n\r?\n", raw[:MAX_LINE_BYTES])
    mail = email.parser.BytesHeaderParser().parsebytes(raw[: end.start() if end else MAX_LINE_BYTES])
    return ["\n".join(map(_decoded, values)) if (values := mail.get_all(name)) else None for name in HEADERS]


def _decoded(value: object) -> str:
    """Return a header with its encoded words (RFC 2047) read."""
    try:
        parts = email.header.decode_header(str(value))
    except (email.errors.HeaderParseError, ValueError):
        return str(value)
    return "".join(part if isinstance(part, str) else _text(part, charset or "") for part, charset in parts)


def _text(data: bytes, charset: str) -> str:
    for encoding in (charset or "utf-8", "utf-8"):
        try:
            return data.decode(encoding)
        except (LookupError, ValueError):
            continue
    return data.decode("cp1252", "replace")


def _message(raw: bytes, missed: list[tuple[MissedKind, str]]) -> email.message.Message | None:
    nested = len(re.findall(rb"(?im)^content-type:\s*(?:multipart|message)/", raw))
    if nested > MAX_MULTIPARTS:
        _once(missed, "too-large", f"a mail with more than {MAX_MULTIPARTS} parts in parts; only its lines were read")
        return None
    return email.parser.BytesParser().parsebytes(raw)


def _once(missed: list[tuple[MissedKind, str]], kind: MissedKind, reason: str) -> None:
    if (kind, reason) not in missed:
        missed.append((kind, reason))


def _parts(mail: email.message.Message, missed: list[tuple[MissedKind, str]]) -> Iterator[email.message.Message]:
    for number, part in enumerate(mail.walk()):
        if number >= MAX_PARTS:
            _once(missed, "too-large", f"a mail with more than {MAX_PARTS:,} parts; the rest was not read")
            return
        if not part.is_multipart():
            yield part


def _content(part: email.message.Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _is_attached(part: email.message.Message) -> bool:
    kind = part.get_content_type()
    return part.get_content_disposition() == "attachment" or not kind.startswith("text/") or kind in _DATA_TYPES


_DATA_TYPES = frozenset({"text/csv", "text/calendar", "text/vcard", "text/x-vcard", "text/tab-separated-values"})


def _lines(source: Source, box: bool, missed: list[tuple[MissedKind, str]], attached: list[int]) -> Iterator[str]:
    count = 0
    for raw in _parted(source, box):
        mail = _message(raw, missed)
        if mail is None:
            yield from _text(raw, "").splitlines()
            continue
        for part in _parts(mail, missed):
            if _is_attached(part):
                count += 1
                attached.append(count)
                attached[:-1] = []
            elif part.get_content_type() == "text/html":
                yield from _shown(_content(part), part.get_content_charset() or "")
            else:
                yield from _text(_content(part), part.get_content_charset() or "").splitlines()
        if "encrypted" in mail.get_content_type() or mail.get_content_subtype() in ("pkcs7-mime", "x-pkcs7-mime"):
            _once(missed, "unreadable", "an encrypted mail")


def _shown(data: bytes, charset: str) -> Iterator[str]:
    """Yield the lines and texts of a body in HTML."""
    from mlguard.scanners.dataset.formats import markup

    page = markup.Page()
    text = _text(data, charset)
    for at in range(0, len(text), markup.CHUNK_BYTES):
        page.take(text[at : at + markup.CHUNK_BYTES])
    page.finish()
    yield from page.taken()
    yield from (cell for _, cells, _ in page.tables for row in cells for cell in row if cell)
    yield from page.texts.get("(attributes)", [])


def _attachments(source: Source, box: bool, count: int) -> Iterator[Table]:
    from mlguard.scanners.dataset.formats import merging
    from mlguard.scanners.dataset.formats.budget import Budget

    budget = Budget(max(source.size, 0))
    yield from merging.merged(_attached(source, box, budget), budget)
    if missed := budget.told():
        yield Table("mbox" if box else "eml", iter(()), "(attachments)", rows=0, missed=missed)


def _attached(source: Source, box: bool, budget: Budget) -> Iterator[tuple[str, Table]]:
    from mlguard.artifacts import kind_of
    from mlguard.scanners.dataset.formats import archive

    number = 0
    for raw in _parted(source, box):
        mail = _message(raw, [])
        for part in _parts(mail, []) if mail is not None else ():
            if not _is_attached(part) or not (data := _content(part)):
                continue
            number += 1
            name = archive.shown(_decoded(part.get_filename("")) or f"attachment.{part.get_content_subtype()}", number)
            within = f"{source.within} > {name}" if source.within else name
            inner = of_bytes(source.name, data, within, source.depth + 1)
            yield from archive.read(inner, kind_of(name, data[:65536]), budget)


# --- Cards and calendars


_PROPERTIES = {
    "FN": "full name", "N": "name", "NICKNAME": "nickname", "TEL": "phone", "EMAIL": "email", "ADR": "address", "LABEL": "address label",
    "BDAY": "birthday", "ANNIVERSARY": "anniversary", "GENDER": "gender", "ORG": "organisation", "TITLE": "job title", "ROLE": "role",
    "GEO": "position", "NOTE": "note", "URL": "url", "IMPP": "messenger", "RELATED": "related person", "MEMBER": "member",
    "ORGANIZER": "organizer email", "ATTENDEE": "attendee email", "CONTACT": "contact", "SUMMARY": "summary", "DESCRIPTION": "description",
    "LOCATION": "location", "COMMENT": "comment", "DTSTART": "start", "DTEND": "end", "BIRTHPLACE": "birth place", "DEATHDATE": "death date",
}  # fmt: skip
"""Columns by property, in words: FN alone says nothing."""

_RECORDS = frozenset({"VCARD", "VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY"})
_SKIPPED = frozenset(
    {"PHOTO", "LOGO", "SOUND", "KEY", "UID", "PRODID", "VERSION", "REV", "DTSTAMP", "SEQUENCE", "BEGIN", "END"}
)
_PERSON_COLUMNS = ("attendee name", "organizer name")
_COLUMNS = (*_PROPERTIES.values(), *_PERSON_COLUMNS)
_PROPERTY = re.compile(r"^(?:[\w-]{1,60}\.)?([A-Za-z][\w-]{0,60})((?:;[^:\"]*(?:\"[^\"]*\"[^:\"]*)*)?):(.*)$", re.S)
_COMMON_NAME = re.compile(r";CN=(?:\"([^\"]*)\"|([^;:]*))", re.I)


def _cards(source: Source) -> Iterator[Table]:
    table = Table("vcf" if b"VCARD" in source.head(4096).upper() else "ics", iter(()))
    other: list[str] = []
    table.batches = _records(source, table, other)
    yield table


def _records(source: Source, table: Table, other: list[str]) -> Iterator[Any]:
    yield from grid.rows(_COLUMNS, ([row.get(name) for name in _COLUMNS] for row in _rows(source, other)))
    if other:
        table.texts.append(("(further properties)", other))


def _rows(source: Source, other: list[str]) -> Iterator[dict[str, str]]:
    row: dict[str, str] | None = None
    for line in _unfolded(source):
        match = _PROPERTY.match(line)
        if match is None:
            continue
        name, parameters, value = match[1].upper(), match[2], match[3]
        if name in ("BEGIN", "END") and value.strip().upper() in _RECORDS:
            if row:
                yield row
            row = {} if name == "BEGIN" else None
        elif name not in _SKIPPED:
            _take(row, name, parameters, _valued(value, parameters), other)
    if row:
        yield row


def _take(row: dict[str, str] | None, name: str, parameters: str, value: str, other: list[str]) -> None:
    column = _PROPERTIES.get(name)
    if row is None or column is None:
        if len(other) < 10_000 and value:
            other.append(value)
        return
    _put(row, column, re.sub(r"(?i)^(?:mailto|tel):", "", value))
    if name in ("ATTENDEE", "ORGANIZER") and (person := _COMMON_NAME.search(parameters)):
        _put(row, f"{name.lower()} name", person[1] or person[2])


def _put(row: dict[str, str], column: str, value: str) -> None:
    if value and sum(map(len, row.values())) < MAX_CARD_CHARS:
        row[column] = f"{row[column]}\n{value}" if column in row else value


def _valued(value: str, parameters: str) -> str:
    if "QUOTED-PRINTABLE" in parameters.upper():
        value = _text(quopri.decodestring(value.encode("utf-8", "replace")), "")
    plain = re.sub(r"\\([nN,;\\])", lambda match: "\n" if match[1] in "nN" else match[1], value)
    return re.sub(r"\s*;\s*", " ", plain).strip()


def _unfolded(source: Source) -> Iterator[str]:
    """Yield the logical lines: one that begins with a blank goes on with the one before."""
    with source.open() as file:
        whole, quoted = "", False
        for raw in _read_lines(file):
            line = _text(raw, "").removeprefix("\ufeff").rstrip("\r\n")
            if (line[:1] in (" ", "\t") or quoted) and len(whole) < MAX_LINE_BYTES:
                whole += line[1:] if line[:1] in (" ", "\t") else line
            else:
                if whole:
                    yield whole
                whole = line
            quoted = whole.endswith("=") and "QUOTED-PRINTABLE" in whole[:200].upper()
            if quoted:
                whole = whole[:-1]
        if whole:
            yield whole
