"""Copies a file of separated values; what is not changed keeps its bytes: quotes, spaces, line ends, order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from mlguard.errors import Unreadable
from mlguard.redaction import texts
from mlguard.redaction.change import Change
from mlguard.redaction.labels import names_of
from mlguard.redaction.texts import MAX_LINE_CHARS
from mlguard.scanners.dataset import terms
from mlguard.scanners.dataset.formats.separated import escape_of

BATCH_ROWS = 20_000
BATCH_CHARS = 8 * 2**20
"""Rows and characters that are changed together."""

_BEFORE = 21
"""Rows among which the header is looked for."""

BEFORE = "(before the header)"


@dataclass(frozen=True, slots=True)
class Dialect:
    """``header`` is the row, from 0, that names the columns; None when there is none."""

    delimiter: str
    escape: str
    spaced: bool  # a quote may follow spaces
    header: int | None


class _Row:
    """One record: its cells as they are written, and its line end."""

    __slots__ = ("cells", "end")

    def __init__(self, cells: list[str], end: str) -> None:
        self.cells, self.end = cells, end


def rewrite(source: Path, target: BinaryIO, change: Change, columns: Sequence[str]) -> None:
    """Copy ``source`` to ``target``; ``columns`` are the names under which the scanner knows the columns. Raises Unreadable."""
    encoding = texts.encoding_of(source)
    dialect = _dialect(source, encoding, columns)
    writer = texts.Writer(target, encoding)
    rows = _rows(texts.lines(source, encoding), dialect)
    work = _Work(dialect, change, list(columns))
    if dialect.header is not None:
        for row in islice(rows, dialect.header):
            writer.write(work.before(row))
        for row in islice(rows, 1):
            writer.write(work.header(row))
    batch: list[_Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += sum(map(len, row.cells))
        if len(batch) >= BATCH_ROWS or size > BATCH_CHARS:
            writer.write(work.changed(batch))
            batch, size = [], 0
    writer.write(work.changed(batch))


def _rows(lines: Iterator[str], dialect: Dialect) -> Iterator[_Row]:
    quote, delimiter = '"', dialect.delimiter
    for line in lines:
        end = texts.ending(line)
        if quote not in line:
            yield _Row((line[: len(line) - len(end)] if end else line).split(delimiter), end)
        else:
            cells = _simple(line[: len(line) - len(end)], dialect)
            yield _Row(cells, end) if cells is not None else _quoted(line, lines, dialect)


@cache
def _patterns(escape: str, spaced: bool) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return what ends a quoted cell, from behind its first quote, and what begins one."""
    closing = r'(?:[^"\\]|\\.|"")*"(?!")' if escape else r'(?:[^"]|"")*"(?!")'
    return re.compile(closing, re.S), re.compile(r' *"' if spaced else '"')


@cache
def _cell(delimiter: str) -> re.Pattern[str]:
    sign = re.escape(delimiter)
    return re.compile(rf'("[^"]*"|[^"{sign}]*)({sign}|$)')


def _simple(body: str, dialect: Dialect) -> list[str] | None:
    """Part a line in which every quoted cell is whole and has no quote inside; None for any other."""
    if dialect.escape or dialect.spaced or '""' in body:
        return None
    pairs = _cell(dialect.delimiter).findall(body)
    if len(pairs) > 1 and not pairs[-2][1]:
        pairs.pop()  # the empty text behind the last cell
    cells = [cell for cell, _ in pairs]
    return cells if sum(map(len, cells)) + len(cells) - 1 == len(body) else None


def _quoted(line: str, lines: Iterator[str], dialect: Dialect) -> _Row:
    """Part a record in which quotes stand; a quoted cell may go over several lines."""
    closing, opening = _patterns(dialect.escape, dialect.spaced)
    delimiter, cells, place = dialect.delimiter, [], 0
    while True:
        start = place
        opened = opening.match(line, place)
        if opened:
            place = opened.end()
            parts = [line[start:place]]
            size = 0
            while (closed := closing.match(line, place)) is None:
                parts.append(line[place:])
                size += len(line)
                line, place = next(lines, ""), 0
                if not line or size > MAX_LINE_CHARS:
                    raise Unreadable("a quote is left open, so that the cells cannot be told apart")
            parts.append(line[place : closed.end()])
            stop = _next(line, delimiter, closed.end())
            parts.append(line[closed.end() : stop])
            cells.append("".join(parts))
        else:
            stop = _next(line, delimiter, place)
            cells.append(line[place:stop])
        if line[stop : stop + 1] != delimiter:
            return _Row(cells, line[stop:])
        place = stop + 1


def _next(line: str, delimiter: str, place: int) -> int:
    found = line.find(delimiter, place)
    return found if found >= 0 else len(line) - len(texts.ending(line))


def value_of(cell: str, dialect: Dialect) -> str:
    """Return what a cell says, read as the csv module reads it."""
    if '"' not in cell:
        return cell.lstrip(" ") if dialect.spaced else cell
    body = cell.lstrip(" ") if dialect.spaced else cell
    if body[0] == body[-1] == '"' and not dialect.escape and body.count('"') == 2 and len(body) > 1:
        return body[1:-1]
    if not body.startswith('"'):
        return body
    closing = re.compile(r'"((?:[^"\\]|\\.|"")*)"(?!")(.*)' if dialect.escape else r'"((?:[^"]|"")*)"(?!")(.*)', re.S)
    match = closing.fullmatch(body)
    if match is None:
        return body
    inner = match[1].replace('""', '"')
    return (re.sub(r"\\(.)", r"\1", inner, flags=re.S) if dialect.escape else inner) + match[2]


def cell_of(value: str, like: str, dialect: Dialect) -> str:
    """Write a value in a cell: in quotes when the cell was, or when the value needs them."""
    quoted = like.lstrip(" ").startswith('"')
    space = like[: len(like) - len(like.lstrip(" "))] if dialect.spaced else ""
    if not quoted and not any(sign in value for sign in (dialect.delimiter, '"', "\r", "\n")) and value[:1] != " ":
        return space + value
    if dialect.escape:
        value = value.replace("\\", "\\\\")
    return f'{space}"' + value.replace('"', '\\"' if dialect.escape else '""') + '"'


def _dialect(source: Path, encoding: texts.Encoding, columns: Sequence[str]) -> Dialect:
    """Return the dialect under which the header has the scanner's names, else the one whose rows have as many cells."""
    sample: list[str] = []
    size = 0
    for line in texts.lines(source, encoding):
        sample.append(line)
        size += len(line)
        if size > 2**18 or len(sample) > 1000:
            break
    text = "".join(sample)
    best: tuple[tuple[bool, int], Dialect] | None = None
    for delimiter in ",;\t|":
        escape = escape_of(text, delimiter) or ""
        dialect = Dialect(delimiter, escape, f'{delimiter} "' in text, None)
        rows = list(_some(_rows(iter(sample), dialect)))
        header = next(
            (
                n
                for n, row in enumerate(rows[:_BEFORE])
                if _is_header([value_of(c, dialect) for c in row.cells], columns)
            ),
            None,
        )
        score = (header is not None, sum(len(row.cells) == len(columns) for row in rows))
        if best is None or score > best[0]:
            best = score, Dialect(delimiter, escape, dialect.spaced, header)
    if best is None or best[0] == (False, 0) and columns:
        raise Unreadable("the columns cannot be told apart")
    return best[1]


def _some(rows: Iterable[_Row]) -> Iterator[_Row]:
    try:
        yield from rows
    except Unreadable:  # the sample ends within a record
        return


def _is_header(row: Sequence[str], columns: Sequence[str]) -> bool:
    names = names_of(row)
    plain = [f"column {place}" for place in range(1, len(names) + 1)]
    return names == list(columns[: len(names)]) and names != plain


class _Work:
    def __init__(self, dialect: Dialect, change: Change, columns: list[str]) -> None:
        self.dialect, self.change, self.columns = dialect, change, columns
        self.gone = {place for place, name in enumerate(columns) if change.drops(name)}

    def before(self, row: _Row) -> str:
        line = self.dialect.delimiter.join(row.cells)
        return (self.change.texts(BEFORE, [line])[0][0] if self.change.wants(BEFORE) else line) + row.end

    def header(self, row: _Row) -> str:
        """Names of columns stay, but for one that is itself somebody's data."""
        for place, cell in enumerate(row.cells):
            label = value_of(cell, self.dialect)
            name = self._name(place)
            if self.change.wants(name) and (self.change.everything or terms.reveals(" ".join(label.split()))):
                row.cells[place] = cell_of(self.change.texts(name, [label])[0][0], cell, self.dialect)
        return self._line(row)

    def changed(self, batch: list[_Row]) -> str:
        for place in range(max((len(row.cells) for row in batch), default=0)):
            if place not in self.gone and self.change.wants(self._name(place)):
                self._column(place, [row.cells for row in batch if len(row.cells) > place])
        return "".join(map(self._line, batch))

    def _column(self, place: int, rows: list[list[str]]) -> None:
        dialect = self.dialect
        values = [value_of(row[place], dialect) for row in rows]
        for row, old, (new, _) in zip(rows, values, self.change.texts(self._name(place), values), strict=True):
            if new is not old and new != old:
                row[place] = cell_of(new, row[place], dialect)

    def _name(self, place: int) -> str:
        return self.columns[place] if place < len(self.columns) else f"column {place + 1}"

    def _line(self, row: _Row) -> str:
        if self.gone and len(row.cells) > 1:
            return self.dialect.delimiter.join(c for n, c in enumerate(row.cells) if n not in self.gone) + row.end
        return self.dialect.delimiter.join(row.cells) + row.end
