"""One table as a stream of Arrow record batches: what every reader yields, and what every look at data takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from mlguard.values import dataclass, field

PROSE = "(text)"
"""Name of the one column of a table of prose. No header is shown like that."""

BATCH_ROWS = 131_072
"""Rows of a batch at most."""

BATCH_BYTES = 32 * 2**20
"""Bytes of a batch, about; a batch of long cells ends earlier."""

MAX_COLUMNS = 10_000
"""Columns of a table, and key paths of nested records. Further ones are put together in one."""

MAX_DEPTH = 32
"""Levels of nesting in a record."""

MissedKind = Literal["unreadable", "too-large", "sampled", "skipped", "unresolved", "missing", "timeout"]


@dataclass(slots=True)
class Table:
    """A table that is being read.

    ``batches`` are ``pyarrow.RecordBatch``; a later one may have more columns. Column names are those of the file as they stand
    ("" for none, the same twice if the file says so); whoever shows one asks ``terms.shown``. Types are the file's own: text,
    numbers, nested lists and structs, dictionaries, bytes. Iterating raises Unreadable when the rest cannot be read; what came
    before counts. ``name`` tells tables of one source apart: a sheet, a table, a key ("" when there is only one).
    """

    format: str
    batches: Iterator[Any]
    name: str = ""
    places: list[tuple[int, int]] = field(default_factory=list)  # (line, column) of each column's header, from 1
    prose: bool = False  # one column, PROSE, whose rows are the lines of a text
    rows: int | None = None  # how many there will be, when the source says so beforehand
    texts: list[tuple[str, list[str]]] = field(default_factory=list)
    """Texts beside the rows, as (name, lines): "(footer)", "(comments)", "(before the header)". Complete after the last batch."""
    missed: list[tuple[MissedKind, str]] = field(default_factory=list)
    """What was not read, as kind of gap and reason without any value. Complete after the last batch."""
