"""Reads HTML and XML: tables and repeated elements as records, what is shown as prose, and what is not shown as texts.

HTML: the HTML Living Standard, 4.9 (tables), 4.10.5.1.1 (hidden inputs), 4.12.1 (data blocks of scripts). Scripts are not run, and
nothing that a page names is fetched. XML: records are the elements that repeat below one parent.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, BinaryIO

from mlguard.errors import Unreadable
from mlguard.scanners.dataset.formats import expat, grid
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import MAX_COLUMNS, MissedKind, Table

CHUNK_BYTES = 2**15
MAX_HTML_BYTES = 64 * 2**20
"""A page whose text is read. Pages are held in memory, streams of records are not written as pages."""

MAX_RUN_CHARS = 2**20
"""A tag or comment without an end is given up behind this: the parser begins it again with every piece."""

DAMAGED_CHARS = 2**13
DAMAGED_STARTS = 64
COMMENT_CHARS = 2**17
"""A tag of more than the first that holds more than the second of ``<`` has no end, and costs the parser their product; comments of markup may be longer."""

MAX_CELLS = 2_000_000
MAX_TABLES = 200
MAX_TEXT_LINES = 10_000
"""Lines of comments, attributes and the like, each."""

MAX_RECORD_CHARS = 2**22
"""Text of one record of XML; what is more is cut."""


def tables(source: Source) -> Iterator[Table]:
    """Yield the tables of a page or an XML file."""
    head = source.head()
    if is_html(source.called, head):
        yield from _page(source, head)
    else:
        yield from _records(source)


def is_html(name: str, head: bytes) -> bool:
    """Say whether markup is read as HTML: by its first tag, then by its name."""
    start = head.replace(b"\0", b"").removeprefix(b"\xef\xbb\xbf").lstrip()[:512].lower()
    if re.match(rb"<!doctype\s+html|<html[\s>]", start):
        return b"<?xml" not in start[:5]
    return not start.startswith(b"<?xml") and name.lower().endswith((".html", ".htm", ".xhtml"))


# --- HTML


def _page(source: Source, head: bytes) -> Iterator[Table]:
    page = Page()
    prose = Table("html", iter(()), prose=True)
    prose.batches = _shown(source, head, page, prose)
    yield prose
    for number, (name, cells, header) in enumerate(page.tables, 1):
        yield grid.table("html", name or f"table {number}", cells, header or None)


def _shown(source: Source, head: bytes, page: Page, prose: Table) -> Iterator[Any]:
    read = 0
    with source.open() as file:
        for text in _decoded(file, encoding_of(head)):
            read += len(text)
            if read > MAX_HTML_BYTES:
                prose.missed.append(("too-large", f"a page is read up to {MAX_HTML_BYTES // 2**20} MiB"))
                break
            page.take(text)
            if _endless(page.rawdata):
                page.skip()
            if len(page.lines) >= grid.ROWS:
                yield from grid.prose(page.taken())
    page.finish()
    yield from grid.prose(page.taken())
    prose.texts += [(name, lines) for name, lines in page.texts.items() if lines]
    if page.cut:
        prose.missed.append(("too-large", f"tables of more than {MAX_CELLS:,} cells; the rest was not read"))


def _decoded(file: BinaryIO, encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    try:
        while piece := file.read(CHUNK_BYTES):
            yield decoder.decode(piece)
    except (OSError, EOFError):
        raise Unreadable("cannot be read to its end") from None
    yield decoder.decode(b"", True)


def _endless(run: str) -> bool:
    if len(run) <= DAMAGED_CHARS or len(run) > MAX_RUN_CHARS:
        return len(run) > MAX_RUN_CHARS
    return run.count("<") > DAMAGED_STARTS and (len(run) > COMMENT_CHARS or not run.startswith("<!--"))


_CHARSET = re.compile(rb"(?i)charset\s*=\s*[\"']?([\w.:-]{2,40})")


def encoding_of(head: bytes) -> str:
    """Return the name of the encoding by mark, by what the page says, else UTF-8 if it is that and Windows-1252 if not."""
    for mark, name in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if head.startswith(mark):
            return name
    named = _CHARSET.search(head[:4096])
    try:
        found = codecs.lookup(named[1].decode()) if named else None
    except (LookupError, ValueError):
        found = None
    if found is not None and getattr(found, "_is_text_encoding", True) and not found.name.startswith("utf-16"):
        return found.name
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


_BLOCKS = frozenset(
    re.findall(
        r"\w+",
        "address article aside blockquote br dd details div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr li "
        "main nav ol option p pre section select summary table tbody td textarea tfoot th thead title tr ul",
    )
)
_TEXT_ATTRIBUTES = frozenset(
    {"alt", "title", "value", "placeholder", "href", "src", "action", "aria-label", "summary", "srcdoc"}
)
_DATA_TYPES = re.compile(r"(?i)json|^text/(?:plain|template|html|csv)$")


class Page(HTMLParser):
    """Takes what is shown into ``lines``, tables into ``tables`` (caption, rows, whether headed), the rest into ``texts``."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.tables: list[tuple[str, list[list[str | None]], bool]] = []
        self.cut = False
        self._line: list[str] = []
        self._open: list[list[list[str | None]]] = []  # tables around
        self._headed: list[bool] = []
        self._in = ""  # style, script, a script of data, or a caption
        self._cells = 0
        self._caption = ""

    def taken(self) -> list[str]:
        lines, self.lines = self.lines, []
        return lines

    def take(self, text: str) -> None:
        """Parse more of the page. The parser of the standard library gives up on some declarations."""
        try:
            self.feed(text)
        except AssertionError:
            self.skip()

    def skip(self) -> None:
        """Give up what has no end, but for its text."""
        self._text("(damaged markup)", self.rawdata)
        self.rawdata = ""

    def finish(self) -> None:
        try:
            self.close()
        except AssertionError:
            self.skip()
        self._break()
        while self._open:
            self._close_table()

    def _text(self, name: str, text: str) -> None:
        lines = self.texts.setdefault(name, [])
        for line in text.splitlines():
            if line.strip() and len(lines) < MAX_TEXT_LINES:
                lines.append(line.strip())

    def _break(self) -> None:
        line = " ".join("".join(self._line).split())
        self._line = []
        if not line:
            return
        if self._in == "caption":
            self._caption = line
        if self._open and self._open[-1] and self._open[-1][-1] and not self.cut:
            cell = self._open[-1][-1][-1]
            self._open[-1][-1][-1] = f"{cell} {line}" if cell else line
        else:
            self.lines.append(line)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        if tag in _BLOCKS:
            self._break()
        if tag == "table":
            self._open.append([])
            self._headed.append(False)
        elif tag == "tr" and self._open:
            self._open[-1].append([])
        elif tag in ("td", "th") and self._open:
            self._cell(tag, values)
        elif tag in ("script", "style"):
            self._in = "data" if tag == "script" and _DATA_TYPES.search(values.get("type", "")) else tag
        elif tag == "caption":
            self._in = "caption"
        self._attributes(tag, values)

    def _cell(self, tag: str, values: dict[str, str]) -> None:
        rows = self._open[-1]
        if not rows:
            rows.append([])
        span = values.get("colspan", "")
        width = min(int(span), 100) if span.isdecimal() and len(span) < 4 else 1
        self._cells += width
        self.cut = self.cut or self._cells > MAX_CELLS
        if not self.cut:
            rows[-1] += [*[None] * (max(width, 1) - 1), ""]
            self._headed[-1] |= tag == "th" and len(rows) == 1

    def _attributes(self, tag: str, values: dict[str, str]) -> None:
        if tag == "meta":
            name = values.get("name") or values.get("property") or values.get("http-equiv") or ""
            self._text("(meta)", f"{name}: {values['content']}" if values.get("content") else "")
        elif tag == "input":
            name = values.get("name") or values.get("id") or ""
            self._text("(fields)", f"{name}: {values['value']}" if values.get("value") else "")
        else:
            for key, value in values.items():
                if value and (key in _TEXT_ATTRIBUTES or key.startswith(("data-", "aria-label"))):
                    self._text("(attributes)", f"{key}: {value}" if key.startswith("data-") else value)

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS or tag == "caption":
            self._break()
        if tag == "table" and self._open:
            self._close_table()
        elif tag in ("script", "style", "caption"):
            self._in = ""

    def _close_table(self) -> None:
        cells = [row for row in self._open.pop() if row]
        headed = self._headed.pop()
        caption, self._caption = self._caption, ""
        flat = max(map(len, cells), default=0) < 2 or len(cells) < 2  # a layout, not a table
        if flat or len(self.tables) >= MAX_TABLES:
            self.lines += [cell for row in cells for cell in row if cell]
        else:
            self.tables.append((caption, cells, headed))

    def handle_data(self, data: str) -> None:
        if self._in == "data":
            self._text("(data of scripts)", data)
        elif self._in == "script":
            self._text("(scripts)", "\n".join(_LITERAL.findall(data[:MAX_RUN_CHARS])))
        elif self._in != "style":
            self._line.append(data)

    def handle_comment(self, data: str) -> None:
        self._text("(comments)", data)

    def unknown_decl(self, data: str) -> None:
        self._text("(comments)", data)


_LITERAL = re.compile(r"\"[^\"\n]{5,2000}\"|'[^'\n]{5,2000}'")


# --- XML


def _records(source: Source) -> Iterator[Table]:
    shape = _Shape()
    missed: list[tuple[MissedKind, str]] = []
    for _ in _fed(source, shape, missed):
        pass
    record = shape.record()
    flow = _Elements(record)
    told = Table("xml", iter(()), prose=not record)
    told.batches = _streamed(source, flow, told)
    yield told


def _streamed(source: Source, flow: _Elements, told: Table) -> Iterator[Any]:
    for _ in _fed(source, flow, told.missed):
        if flow.full():
            yield from flow.batches()
    yield from flow.batches(True)
    told.texts += [(name, lines) for name, lines in flow.texts.items() if lines]
    if flow.merged:
        told.missed.append(
            ("too-large", f"more than {MAX_COLUMNS:,} paths of elements; further ones are in one column")
        )


def _fed(source: Source, handlers: Any, missed: list[tuple[MissedKind, str]]) -> Iterator[None]:
    try:
        with source.open() as file:
            yield from expat.feed(_chunks(file), handlers)
    except Unreadable as trouble:
        missed.append(("unreadable", str(trouble)))


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    try:
        while piece := file.read(CHUNK_BYTES):
            yield piece
    except (OSError, EOFError):
        raise Unreadable("cannot be read to its end") from None


MAX_PATHS = 20_000
"""Paths of elements that are counted to find out which one is the record."""


class _Shape:
    """Counts how often each path of elements occurs, and below how many parents."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, ...]] = Counter()
        self._path: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        path = tuple(self._path)
        if path in self.counts or len(self.counts) < MAX_PATHS:
            self.counts[path] += 1

    def end(self, name: str) -> None:
        if self._path:
            self._path.pop()

    def data(self, text: str) -> None: ...

    def comment(self, text: str) -> None: ...

    def record(self) -> tuple[str, ...]:
        """Return the path of the records: the outermost that repeats, below elements that do not, and has parts; else ()."""
        parents = {path[:-1] for path in self.counts}
        several = [
            path
            for path, count in self.counts.items()
            if count > 1 and len(path) > 1 and all(self.counts[path[:n]] == 1 for n in range(1, len(path)))
        ]
        return min(several, key=lambda path: (path not in parents, -self.counts[path], len(path), path), default=())


class _Elements:
    """Makes one row of each record, its columns the paths below it. Without records, all text is prose."""

    def __init__(self, record: tuple[str, ...]) -> None:
        self.texts: dict[str, list[str]] = {}
        self.merged = False
        self._record, self._path = record, list[str]()
        self._rows: list[dict[str, str]] = []
        self._row: dict[str, str] | None = None
        self._names: dict[str, int] = {}
        self._text: list[str] = []
        self._lines: list[str] = []
        self._size = self._row_size = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._flush()
        self._path.append(name)
        if self._record and self._row is None and tuple(self._path) == self._record:
            self._row, self._row_size = {}, 0
        for key, value in attributes.items():
            self._value(value, f"@{_plain(key)}")

    def end(self, name: str) -> None:
        self._flush()
        if self._row is not None and len(self._path) == len(self._record):
            self._rows.append(self._row)
            self._size += self._row_size
            self._row = None
        if self._path:
            self._path.pop()

    def data(self, text: str) -> None:
        self._text.append(text)

    def comment(self, text: str) -> None:
        self._beside("(comments)", text)

    def _flush(self) -> None:
        text, self._text = "".join(self._text).strip(), []
        if text:
            self._value(text, "")

    def _value(self, value: str, attribute: str) -> None:
        if self._row is None:
            if not self._record and not attribute:
                self._lines += value.splitlines()
                self._size += len(value)
            elif not _is_setting(attribute, value):
                self._beside("(attributes)" if attribute else "(around the records)", value)
            return
        below = [*map(_plain, self._path[len(self._record) :]), *([attribute] if attribute else [])]
        name = ".".join(below) or _plain(self._path[-1])
        if name not in self._names:
            if len(self._names) >= MAX_COLUMNS - 1:
                name, self.merged = "(further elements)", True
            self._names.setdefault(name, len(self._names))
        before = self._row.get(name)
        room = MAX_RECORD_CHARS - self._row_size
        self._row[name] = f"{before}\n{value[:room]}" if before is not None else value[:room]
        self._row_size += len(value) + len(name)

    def _beside(self, name: str, text: str) -> None:
        lines = self.texts.setdefault(name, [])
        lines += [line.strip() for line in text.splitlines() if line.strip()][: max(0, MAX_TEXT_LINES - len(lines))]

    def full(self) -> bool:
        return len(self._rows) + len(self._lines) >= grid.ROWS or self._size > 2**24

    def batches(self, last: bool = False) -> Iterator[Any]:
        """Yield what there is, and with ``last`` what a damaged file left open."""
        if last and self._row:
            self._rows.append(self._row)
        if last:
            self._flush()
        rows, lines = self._rows, self._lines
        self._rows, self._lines, self._size = [], [], 0
        if self._record:
            names = list(self._names)
            yield from grid.rows(names, ([row.get(name) for name in names] for row in rows))
        else:
            yield from grid.prose(lines)


def _plain(name: str) -> str:
    return name.rpartition(":")[2]


def _is_setting(attribute: str, value: str) -> bool:
    """Say whether an attribute is for the machine: of namespaces, styles and geometry."""
    return bool(_SETTINGS.search(attribute)) or bool(re.fullmatch(r"[-\d.,;:% #a-zA-Z]{0,8}", value))


_SETTINGS = re.compile(r"^@(?:xmlns|schemaLocation|d|style|class|points|transform|viewBox|version|encoding)$")
