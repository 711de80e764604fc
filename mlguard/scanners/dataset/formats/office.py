"""Reads documents of word processors and presentations: Office Open XML and OpenDocument, which are XML in a zip archive.

Formats: ECMA-376 part 1 (17 WordprocessingML, 19 PresentationML, 15.2.12 core properties); OpenDocument 1.3 part 3. Read as well:
what is deleted but still there under tracked changes, comments and who wrote them, notes, headers, descriptions of pictures,
targets of links, and properties. Macros, pictures and embedded files are not.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from mlguard import lazy
from mlguard.errors import Unreadable
from mlguard.scanners.dataset.formats import expat, grid
from mlguard.scanners.dataset.table import MissedKind, Table

if TYPE_CHECKING:
    from mlguard.scanners.model.source import Buffer
    from mlguard.scanners.model.zips import Directory, Member

MAX_PART_BYTES = 512 * 2**20
"""One part of a document, unpacked."""

MAX_CELLS = 2_000_000
MAX_TABLES = 200
"""Tables inside a document that are told apart; cells of further ones are lines."""

MAX_TEXT_LINES = 10_000
"""Lines of comments, of properties and the like, each."""

_PARTS: dict[str, re.Pattern[str]] = {
    "docx": lazy.pattern(r"^word/(?:document|header\d*|footer\d*|footnotes|endnotes|comments\w*|glossary/document|people)\.xml$"),
    "pptx": lazy.pattern(r"^ppt/(?:slides/slide\d+|notesSlides/\w+|comments/\w+|commentAuthors|authors)\.xml$"),
    "odf": lazy.pattern(r"^(?:content|styles)\.xml$"),
}  # fmt: skip
_PROPERTIES = lazy.pattern(r"^(?:docProps/(?:core|app|custom)\.xml|meta\.xml)$")
_LINKS = lazy.pattern(r"^(?:word|ppt)/(?:slides/)?_rels/[^/]+\.rels$")
_UNREAD = lazy.pattern(
    r"(?i)^(?:word|ppt|xl)/embeddings/|vbaProject\.bin$|^ObjectReplacements/|^Object \d+/content\.xml$"
)


def kind_of(names: Collection[str]) -> str:
    """Return docx, pptx or odf by the names of an archive's members, or ""."""
    if "word/document.xml" in names:
        return "docx"
    if "ppt/presentation.xml" in names:
        return "pptx"
    return "odf" if "content.xml" in names and "META-INF/manifest.xml" in names else ""


def read(data: Buffer, directory: Directory) -> Iterator[Table]:
    """Yield the prose of a document with all that is written beside it, and then its tables."""
    kind = kind_of({member.name for member in directory.members})
    parts = {member.name: member for member in reversed(directory.members)}
    flow = _Flow(kind == "odf")
    document = Table(kind, iter(()), prose=True)
    document.batches = _prose(data, kind, parts, flow, document)
    yield document
    for number, cells in enumerate(flow.tables, 1):
        yield grid.table(kind, f"table {number}", cells)


def _prose(data: Buffer, kind: str, parts: dict[str, Member], flow: _Flow, document: Table) -> Iterator[Any]:
    for name in sorted(parts, key=_place):
        if _PARTS[kind].search(name):
            for _ in _fed(data, parts[name], flow, document.missed):
                if len(flow.lines) >= grid.ROWS:
                    yield from grid.prose(flow.taken())
            flow.rest()
    yield from grid.prose(flow.taken())
    for name in sorted(parts):
        if _PROPERTIES.search(name) or _LINKS.search(name):
            leaves = Leaves(flow.texts, "(links)" if name.endswith(".rels") else "(properties)")
            for _ in _fed(data, parts[name], leaves, document.missed):
                pass
    if any(_UNREAD.search(name) for name in parts):
        document.missed.append(("skipped", "macros and embedded files of the document were not read"))
    document.texts += [(name, lines) for name, lines in flow.texts.items() if lines]
    if flow.cut:
        document.missed.append(("too-large", f"tables of more than {MAX_CELLS:,} cells; the rest was not read"))


def _place(name: str) -> tuple[str, int, str]:
    number = re.search(r"\d+", name.rsplit("/", 1)[-1])
    return re.sub(r"\d+", "", name), int(number[0][:9]) if number else 0, name


def _fed(data: Buffer, member: Member, handlers: Any, missed: list[tuple[MissedKind, str]]) -> Iterator[None]:
    from mlguard.scanners.model import codecs, zips

    if member.encrypted:
        missed.append(("unreadable", "the document is encrypted"))
        return
    try:
        yield from expat.feed(_bounded(zips.iterate(data, member)), handlers)
    except Unreadable as trouble:
        missed.append(("unreadable", f"a part of the document: {trouble}"))
    except codecs.Missing:
        missed.append(("unreadable", "a part of the document is packed with a codec that is not installed"))


def _bounded(pieces: Iterator[bytes]) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > MAX_PART_BYTES:
            raise Unreadable(f"larger than {MAX_PART_BYTES // 2**20} MiB; the rest was not read")
        yield piece


_BREAKS = frozenset({"tab", "br", "cr", "s", "line-break", "noBreakHyphen"})
_PARAGRAPHS = frozenset({"p", "h"})
_TABLES = {"tbl": "tbl", "table": "tbl", "tr": "tr", "table-row": "tr", "tc": "tc", "table-cell": "tc"}
_WRITTEN = frozenset({"t", "delText", "instrText", "text"})
_ASIDE = {"comment": "(comments)", "cm": "(comments)", "annotation": "(comments)", "deletion": "(deleted)", "changed-region": "(deleted)"}  # fmt: skip
_PERSONS = frozenset({"creator", "initial-creator", "sender-initials"})
_ATTRIBUTES = {
    "author": "(authors)", "creator": "(authors)", "userId": "(authors)", "initials": "(authors)", "descr": "(descriptions)", "href": "(links)",
    "tooltip": "(links)",
}  # fmt: skip


def _local(name: str) -> str:
    return name.rpartition(":")[2]


class _Flow:
    """Turns elements into lines, tables and texts. In OpenDocument the text stands in the paragraph itself."""

    def __init__(self, open_document: bool) -> None:
        self.open_document = open_document
        self.lines: list[str] = []
        self.tables: list[list[list[str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.cut = False
        self._cells = 0
        self._aside: list[tuple[str, list[str]]] = []  # what it is, and the paragraph around it
        self._paragraph: list[str] = []
        self._struck: list[str] = []
        self._field: list[str] = []
        self._written = ""
        self._depth = 0  # tables around
        self._paragraphs = 0

    def taken(self) -> list[str]:
        lines, self.lines = self.lines, []
        return lines

    def text(self, name: str, line: str) -> None:
        lines = self.texts.setdefault(name, [])
        if line.strip() and len(lines) < MAX_TEXT_LINES and line not in lines[-8:]:
            lines.append(line.strip())

    def start(self, name: str, attributes: dict[str, str]) -> None:
        local = _local(name)
        for key, value in attributes.items():
            if (kind := _ATTRIBUTES.get(_local(key))) is not None:
                self.text(kind, value)
            elif local in ("cmAuthor", "author") and _local(key) == "name":
                self.text("(authors)", value)
        if local in _ASIDE or local in _PERSONS:
            self._aside.append((_ASIDE.get(local, "(authors)"), self._paragraph))
            self._paragraph = []
        elif local in _PARAGRAPHS:
            self._paragraphs += 1
        elif local in _BREAKS:
            self._paragraph.append(" ")
        elif local in _TABLES:
            self._table(_TABLES[local])
        self._written = local if local in _WRITTEN else self._written

    def _table(self, part: str) -> None:
        if part == "tbl":
            self._depth += 1
            if self._depth == 1 and len(self.tables) < MAX_TABLES:
                self.tables.append([])
        elif self._depth == 1 and not self.cut:
            self._cells += 1
            self.cut = self._cells > MAX_CELLS
            if part == "tr":
                self.tables[-1].append([])
            elif self.tables[-1]:
                self.tables[-1][-1].append("")

    def data(self, text: str) -> None:
        if self._written == "delText":
            self._struck.append(text)
        elif self._written == "instrText":
            self._field.append(text)
        elif self._written or self.open_document and (self._paragraphs or self._aside):
            self._paragraph.append(text)

    def comment(self, text: str) -> None:
        self.text("(comments)", text)

    def end(self, name: str) -> None:
        local = _local(name)
        if local in _WRITTEN:
            self._written = ""
        if local in _PARAGRAPHS:
            self._paragraphs = max(0, self._paragraphs - 1)
            self._line()
        elif self._aside and (local in _ASIDE or local in _PERSONS):
            self._line()
            self._paragraph = self._aside.pop()[1]
        elif self._aside and local == "text":
            self._line()
        elif _TABLES.get(local) == "tbl":
            self._depth = max(0, self._depth - 1)

    def _line(self) -> None:
        line, struck, field = "".join(self._paragraph), "".join(self._struck), "".join(self._field)
        self._paragraph, self._struck, self._field = [], [], []
        if struck:
            self.text("(deleted)", struck)
        if field:
            self.text("(links)", field)
        if not line:
            return
        if self._aside:
            self.text(self._aside[-1][0], line)
        elif self._depth and not self.cut and self.tables[-1] and self.tables[-1][-1]:
            cell = self.tables[-1][-1][-1]
            self.tables[-1][-1][-1] = f"{cell} {line}" if cell else line
        else:
            self.lines.append(line)

    def rest(self) -> None:
        """Take what a damaged part leaves open."""
        self._line()
        self._aside, self._written, self._depth, self._paragraphs = [], "", 0, 0


class Leaves:
    """Takes the text of each element, and targets of links that lead outside."""

    def __init__(self, texts: dict[str, list[str]], name: str) -> None:
        self._lines = texts.setdefault(name, [])
        self._text: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._text = []
        if attributes.get("TargetMode") == "External":
            self._add(attributes.get("Target", ""))
        for key, value in attributes.items():
            if _local(key) == "name" and _local(name) in ("property", "user-defined"):
                self._text.append(f"{value}: ")

    def data(self, text: str) -> None:
        self._text.append(text)

    def comment(self, text: str) -> None:
        self._add(text)

    def end(self, name: str) -> None:
        text = "".join(self._text).strip()
        self._text = []
        if text:
            self._add(f"{_local(name)}: {text}" if not text.startswith(f"{_local(name)}:") else text)

    def _add(self, line: str) -> None:
        if len(self._lines) < MAX_TEXT_LINES and line:
            self._lines.append(line)
