"""Reads tables of separated values: any delimiter, encoding and quoting, with or without a header."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from mlguard import lazy
from mlguard.errors import Unreadable
from mlguard.scanners.dataset import lines, terms
from mlguard.scanners.dataset.columns import strings
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import MAX_COLUMNS, Table
from mlguard.values import dataclass

SNIFF_CHARS = 64 * 2**10
"""Characters of a file's beginning from which its dialect is taken."""

SNIFF_LINES = 4
"""Lines that are looked at all the same where they are long, up to MAX_SNIFF_CHARS: a header of thousands of columns."""

MAX_SNIFF_CHARS = 2 * 2**20

BATCH_ROWS = 8192
"""Rows that are put together when they are parsed one by one."""

BATCH_CHARS = 8 * 2**20
"""Characters of a batch; a batch of long cells ends earlier."""

BLOCK_BYTES = 4 * 2**20
"""Bytes that Arrow parses at a time. No row may be larger; where one is, rows are parsed one by one."""


def tables(source: Source, delimiters: str = "") -> Iterator[Table]:
    """Yield the one table of the source."""
    if not delimiters:
        delimiters = "\t,;|" if source.called.lower().endswith((".tsv", ".tab")) else ",;\t|"
    encoding, trouble = lines.encoding_of(source)
    reader = _Reader(source, encoding, delimiters)
    table = Table("csv", reader.batches(), places=reader.places)
    if trouble:
        table.missed.append(("unreadable", trouble))
    if reader.preamble:
        table.texts.append(("(before the header)", reader.preamble))
    yield table


@dataclass(frozen=True, slots=True)
class Dialect:
    """How cells are parted. ``steady`` is the share of the first lines that agree on the number of columns."""

    delimiter: str
    width: int
    steady: float
    escape: str | None = None
    skip: bool = False


def sniff(sample: str, delimiters: str = ",;\t|") -> Dialect:
    """Return the dialect in which most of the first lines have the same number of cells."""
    best = Dialect(delimiters[0], 1, 0.0, escape_of(sample, delimiters[0]))
    for delimiter in delimiters:
        escape = escape_of(sample, delimiter)
        skip = f'{delimiter} "' in sample
        widths = Counter(
            len(row)
            for row in islice(_rows(io.StringIO(sample, newline=""), Dialect(delimiter, 0, 0, escape, skip)), 200)
            if row
        )
        if not widths:
            continue
        width, often = max(widths.items(), key=lambda item: (item[1] * min(item[0], 2), item[0]))
        found = Dialect(delimiter, width, often / sum(widths.values()), escape, skip)
        if width > 1 and (found.steady, found.width) > (best.steady, best.width if best.width > 1 else 0):
            best = found
    return best


def escape_of(sample: str, delimiter: str) -> str | None:
    """Return the backslash where it escapes quotes: one inside of a cell is, one before the end of a cell may be its last character."""
    inside = re.search(rf'\\"(?!{re.escape(delimiter)}|[\r\n]|\Z)', sample)
    return "\\" if inside and '""' not in sample else None


def _rows(text: Iterable[str], dialect: Dialect) -> Iterator[list[str]]:
    csv.field_size_limit(lines.MAX_LINE_CHARS)
    rows = csv.reader(
        text, delimiter=dialect.delimiter, escapechar=dialect.escape, doublequote=True, skipinitialspace=dialect.skip
    )
    while True:
        try:
            yield next(rows)
        except StopIteration:
            return
        except csv.Error:
            raise Unreadable("a cell is larger than the limit; is a quote left open?") from None


class _Reader:
    """One file: its dialect, its header, and its rows by Arrow as long as they are regular, one by one from there on."""

    def __init__(self, source: Source, encoding: str, delimiters: str) -> None:
        self.source, self.encoding = source, encoding
        first: list[str] = []
        size = 0
        for line in lines.of_source(source, encoding):
            first.append(line)
            size += len(line)
            if size >= SNIFF_CHARS and len(first) > SNIFF_LINES or size >= MAX_SNIFF_CHARS:
                break
        whole = size < SNIFF_CHARS or len(first) < 2
        complete = first if whole else first[:-1]
        self.dialect = sniff("".join(complete), delimiters)
        head = list(islice(_rows(iter(complete), self.dialect), 300))
        self.skipped, self.header = _header(head, self.dialect)
        self.preamble = [self.dialect.delimiter.join(row) for row in head[: self.skipped]]
        self.width = min(MAX_COLUMNS, max(len(self.header or ()), self.dialect.width if self.header is None else 0, 1))
        raw = first[self.skipped] if self.skipped < len(first) else ""
        starts = _starts(raw, self.dialect) if self.header is not None else []
        number = self.skipped + 1 if self.header is not None else 1
        self.places = [(number, starts[at] if at < len(starts) else 1) for at in range(self.width)]
        # A header of several lines, or a table of one column, is left to the slow way.
        self.plain = not self.dialect.skip and self.width > 1 and raw.count('"') % 2 == 0 and all(
            line.count('"') % 2 == 0 for line in first[: self.skipped]
        )  # fmt: skip

    def names(self, width: int) -> list[str]:
        """Return the labels of so many columns."""
        header = self.header or []
        return [" ".join(header[at].split()) if at < len(header) else "" for at in range(width)]

    def batches(self) -> Iterator[Any]:
        """Yield record batches of strings. The first is empty, so that a table of nothing but a header has columns."""
        if self.header is not None:
            yield self._batch([[]]).slice(0, 0)
        done = 0
        if self.plain:
            for batch in self._by_arrow():
                done += batch.num_rows
                yield batch
            if self.finished:
                return
        yield from self._one_by_one(done)

    finished = False

    def _by_arrow(self) -> Iterator[Any]:
        import pyarrow as pa
        import pyarrow.csv as arrow

        skip = self.skipped + (self.header is not None)
        names = [str(at) for at in range(self.width)]
        try:
            with self.source.open() as file:
                stream = arrow.open_csv(
                    pa.PythonFile(file, "r"),
                    arrow.ReadOptions(
                        use_threads=False, block_size=BLOCK_BYTES, skip_rows=skip, column_names=names,
                        encoding="utf8" if self.encoding in ("utf-8", "utf-8-sig") else self.encoding,
                    ),
                    arrow.ParseOptions(
                        delimiter=self.dialect.delimiter, escape_char=self.dialect.escape or False, newlines_in_values=True
                    ),
                    arrow.ConvertOptions(column_types=dict.fromkeys(names, pa.large_string()), strings_can_be_null=False),
                )  # fmt: skip
                for batch in stream:
                    yield batch.rename_columns(self.names(self.width))
            self.finished = True
        except (pa.ArrowException, ValueError, OSError, EOFError, LookupError, Unreadable):
            return  # whatever it was, reading row by row either copes or says so

    def _one_by_one(self, done: int) -> Iterator[Any]:
        rows = _rows(lines.of_source(self.source, self.encoding), self.dialect)
        for _ in range(self.skipped + (self.header is not None)):
            next(rows, None)
        full = (row for row in rows if row)
        for _ in range(done):
            next(full, None)
        batch: list[list[str]] = []
        size = 0
        try:
            for row in full:
                batch.append(row)
                size += sum(map(len, row))
                if len(batch) >= BATCH_ROWS or size > BATCH_CHARS:
                    ready, batch, size = batch, [], 0
                    yield self._batch(ready)
        except Unreadable:
            if batch:
                yield self._batch(batch)
            raise
        if batch:
            yield self._batch(batch)

    def _batch(self, rows: Sequence[list[str]]) -> Any:
        import pyarrow as pa

        width = max(self.width, min(MAX_COLUMNS, max(map(len, rows))))
        columns = [strings(row[at] if at < len(row) else None for row in rows) for at in range(width)]
        beyond = [cell for row in rows for cell in row[MAX_COLUMNS:]]
        if beyond:
            columns[-1] = strings(self.dialect.delimiter.join(row[MAX_COLUMNS - 1 :]) for row in rows)
        return pa.RecordBatch.from_arrays(columns, names=self.names(width))


def _header(head: Sequence[list[str]], dialect: Dialect) -> tuple[int, list[str] | None]:
    """Return how many lines stand before the table, and its header when it has one."""
    skipped = 0
    while (
        skipped < min(len(head) - 1, 20)
        and dialect.width > 1
        and len(head[skipped]) not in (dialect.width, dialect.width - 1)
    ):
        skipped += 1
    if skipped == min(len(head) - 1, 20):
        skipped = 0
    if not head:
        return 0, None
    first = head[skipped]
    body = [row for row in head[skipped + 1 :] if row]
    return skipped, first if is_header(first, body) else None


def is_header(first: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Say whether the first row of cells names the columns whose cells follow."""
    cells = [cell.strip() for cell in first]
    named = [cell for cell in cells if cell]
    if not named or not body and not any(terms.term_of(cell) for cell in named):
        return False
    votes = sum(3 for cell in named if terms.term_of(cell) and not terms.reveals(cell))
    for place, cell in enumerate(cells):
        below = [row[place].strip() for row in body[:100] if place < len(row) and row[place].strip()]
        votes += _vote(cell, below)
    votes -= 2 * (len(named) - len(set(named)))
    return votes > 0


_VALUE = lazy.pattern(r"^[-+]?[\d.,]+%?$|^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|@\w+\.|^(?:true|false|nan|null|none)$", re.I)


def _vote(cell: str, below: Sequence[str]) -> int:
    """Return above 0 when the cell looks like a name of what is below it, and below 0 when it looks like one of them."""
    if not cell:
        return 0
    if not below:
        return 0 if _VALUE.search(cell) else 1
    alike = sum(bool(_VALUE.search(value)) for value in below) / len(below)
    if _VALUE.search(cell):
        return -3 if alike > 0.5 else -1
    if alike > 0.7:
        return 3
    if terms.reveals(cell):
        return -3
    if cell in below:
        return -3
    if re.fullmatch(r"[A-Za-z][\w .\-]*", cell) and "_" in cell:
        return 2
    longest = max(map(len, below))
    return 1 if len(cell) < longest / 3 or len(set(map(len, below))) == 1 and len(cell) != len(below[0]) else 0


def _starts(raw: str, dialect: Dialect) -> list[int]:
    """Return the column, from 1, at which each cell of a header line begins."""
    starts, quoted = [1], False
    for place, character in enumerate(raw):
        if character == '"':
            quoted = not quoted
        elif character == dialect.delimiter and not quoted:
            starts.append(place + 2)
    return starts


def is_table(source: Source) -> bool:
    """Say whether a text without a telling suffix is a table: nearly all of its first lines have the same cells."""
    encoding, _ = lines.encoding_of(source)
    first: list[str] = []
    size = 0
    for line in islice(lines.of_source(source, encoding), 200):
        first.append(line)
        size += len(line)
        if size > MAX_SNIFF_CHARS:
            break
    full = [line for line in first if line.strip()]
    if len(full) < 3:
        return False
    dialect = sniff("".join(full))
    if dialect.steady <= 0.97 or dialect.width < 2:
        return False
    if dialect.width > 2 or dialect.delimiter in "\t|;":
        return True
    rows = list(_rows(iter(full), dialect))
    return is_header(rows[0], rows[1:]) and all(terms.term_of(cell) for cell in rows[0])
