"""Makes tables and prose in memory of rows and lines that a document holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from mlguard.errors import Unreadable
from mlguard.scanners.dataset.table import MAX_COLUMNS, PROSE, Table

T = TypeVar("T")

ROWS = 16_384
"""Rows of a batch made here: lines of documents are long."""

LINE_CHARS = 2**20
"""A longer line is parted."""


def prose(lines: Iterable[str]) -> Iterator[Any]:
    """Yield the lines as batches of one column of prose. Blank ones count."""
    import pyarrow as pa

    iterator = (part for line in lines for part in _parted(line))
    for some in _gathered(iterator):
        yield pa.record_batch([pa.array(map(clean, some), pa.large_string())], names=[PROSE])


def _gathered(iterator: Iterator[T], count: int = ROWS) -> Iterator[list[T]]:
    """Yield up to ``count`` items at a time; those before a failure too, and then raise it."""
    while True:
        some: list[T] = []
        try:
            for item in islice(iterator, count):
                some.append(item)  # one by one: a failure must leave what came before
        except Unreadable:
            if some:
                yield some
            raise
        if not some:
            return
        yield some


def _parted(line: str) -> Iterator[str]:
    yield line[:LINE_CHARS]
    for at in range(LINE_CHARS, len(line), LINE_CHARS):
        yield line[at : at + LINE_CHARS]


def clean(text: str) -> str:
    """Return text that can be written as UTF-8: no halves of surrogate pairs."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def rows(header: Sequence[str], body: Iterable[Sequence[str | None]]) -> Iterator[Any]:
    """Yield the rows as batches. Cells beyond the header are in columns without a name, missing ones are null."""
    import pyarrow as pa

    iterator = iter(body)
    names = [clean(name) for name in header][:MAX_COLUMNS]
    for some in _gathered(iterator):
        width = min(MAX_COLUMNS, max(len(names), *map(len, some)))
        names += [""] * (width - len(names))
        columns = [
            pa.array(
                [None if i >= len(row) or row[i] is None else clean(row[i] or "") for row in some], pa.large_string()
            )
            for i in range(width)
        ]
        yield pa.record_batch(columns, names=names)


RECORDS = 512
"""Records of a batch made here, whose names of columns are not known beforehand."""


def records(names: Collection[str], body: Iterable[Mapping[str, str]]) -> Iterator[Any]:
    """Yield records as batches; ``names`` grows while they are read."""
    for some in _gathered(iter(body), RECORDS):
        now = list(names)
        yield from rows(now, ([record.get(name) for name in now] for record in some))


def table(kind: str, name: str, cells: Sequence[Sequence[str | None]], header: bool | None = None) -> Table:
    """Return the table of a document. Without being told, its first row is a header when it holds words only."""
    first = [cell or "" for cell in cells[0]] if cells else []
    headed = _is_header(first, cells[1:]) if header is None else header
    body = cells[1:] if headed else cells
    names = first if headed else [""] * len(first)
    return Table(kind, rows(names, body), name, rows=len(body))


def _is_header(first: Sequence[str], body: Sequence[Sequence[str | None]]) -> bool:
    """Say whether a row reads like names of columns: short, different, without digits or signs of addresses."""
    filled = [cell.strip() for cell in first]
    words = all(0 < len(cell) <= 60 and not any(c.isdigit() or c in "@=/" for c in cell) for cell in filled)
    return bool(body) and words and len(set(filled)) == len(filled)
