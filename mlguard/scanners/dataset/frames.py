"""Finds the columns of tables that stand in text: rows of INSERT and COPY, and data frames that were printed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mlguard import lazy
from mlguard.scanners.dataset import terms
from mlguard.scanners.dataset.columns import Profile, strings

MAX_TABLES = 500
"""Tables of one dump."""

BATCH_ROWS = 2000

MAX_ROW_CHARS = 2**20

_IDENTIFIER = r"[`\"\[]?[\w$.]+[`\"\]]?(?:\.[`\"\[]?[\w$]+[`\"\]]?){0,2}"
_CREATE = lazy.pattern(
    rf"^\s*CREATE\s+(?:\w+\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(?P<table>{_IDENTIFIER})\s*(?P<rest>\(.*)?$",
    re.I | re.S,
)
_COLUMN = lazy.pattern(r"^\s*[`\"\[]?(?P<name>\w+)[`\"\]]?\s+[A-Za-z]")
_NO_COLUMN = frozenset({"primary", "unique", "key", "constraint", "foreign", "check", "index", "fulltext"})
_INSERT = lazy.pattern(
    rf"(?:INSERT(?:\s+IGNORE)?|REPLACE)\s+INTO\s+(?P<table>{_IDENTIFIER})\s*(?:\((?P<names>[^()']*)\))?\s*(?:VALUES\b)?",
    re.I,
)
_COPY = lazy.pattern(rf"^COPY\s+(?P<table>{_IDENTIFIER})\s*\((?P<names>[^()]*)\)\s+FROM\s+stdin", re.I)
_VALUE = lazy.pattern(r"\s*(?:[NEBX]?'((?:[^'\\]|''|\\.)*)'|([^',()]*(?:\([^()]{0,200}\))?))\s*(,|\)|$)")


class Rows:
    """Takes the lines of an SQL dump and returns the rows of each table as record batches, with the line of the table's first row."""

    def __init__(self) -> None:
        self._columns: dict[str, list[str]] = {}
        self._first: dict[str, int] = {}
        self._waiting: dict[str, list[list[str]]] = {}
        self._created = self._inserted = self._copied = ""
        self._number = 0

    def take(self, line: str) -> Iterator[tuple[int, Any]]:
        """Look at the next line. Yield (line of the first row, batch) for tables of which enough rows wait."""
        self._number += 1
        if len(line) > MAX_ROW_CHARS:
            return
        if self._copied:
            if line.startswith("\\."):
                self._copied = ""
            else:
                self._row(self._copied, ["" if cell == "\\N" else cell for cell in line.rstrip("\r\n").split("\t")])
        elif self._created:
            self._definition(line)
        else:
            self._statement(line)
        for table in [name for name, rows in self._waiting.items() if len(rows) >= BATCH_ROWS]:
            yield self._batch(table)

    def rest(self) -> Iterator[tuple[int, Any]]:
        """Yield what waits."""
        for table in list(self._waiting):
            yield self._batch(table)

    def _statement(self, line: str) -> None:
        start = 0
        if match := _CREATE.match(line):
            self._created = _bare(match["table"])
            self._columns[self._created] = []
            self._definition((match["rest"] or "").lstrip("( \t"), first=True)
            return
        if match := _COPY.match(line):
            self._copied = _bare(match["table"])
            self._columns[self._copied] = _names(match["names"])
            return
        if match := _INSERT.search(line):
            self._inserted, start = _bare(match["table"]), match.end()
            if match["names"]:
                self._columns[self._inserted] = _names(match["names"])
        elif not line.lstrip().startswith("(") and not re.match(r"\s*VALUES\b", line, re.I):
            self._inserted = ""
        if self._inserted:
            for row in _tuples(line, start):
                self._row(self._inserted, row)
            if line.rstrip().endswith(";"):
                self._inserted = ""

    def _definition(self, line: str, first: bool = False) -> None:
        ends = ";" in line
        inner = re.sub(r"\)[^()]*;\s*$", "", line)
        for part in re.split(r",(?![^(]*\))", inner) if first else [line]:
            match = _COLUMN.match(part)
            if match and match["name"].lower() not in _NO_COLUMN:
                self._columns[self._created].append(match["name"])
        if ends or not first and line.lstrip().startswith(")"):
            self._created = ""

    def _row(self, table: str, cells: list[str]) -> None:
        if (
            len(self._columns.get(table, ())) != len(cells)
            or table not in self._first
            and len(self._first) >= MAX_TABLES
        ):
            return
        self._first.setdefault(table, self._number)
        self._waiting.setdefault(table, []).append(cells)

    def _batch(self, table: str) -> tuple[int, Any]:
        import pyarrow as pa

        rows = self._waiting.pop(table)
        prefix = "" if terms.reveals(table) else f"{table}."
        names = [prefix + name for name in self._columns[table]]
        return self._first[table], pa.RecordBatch.from_arrays(
            [strings(cells) for cells in zip(*rows, strict=True)], names=names
        )


def _profile(name: str, place: int, line: int) -> Profile:
    shown = terms.shown(name, place)
    return Profile(shown, "" if terms.reveals(name) else name, line)


def _bare(name: str) -> str:
    return re.sub(r"[`\"\[\]]", "", name).rsplit(".", 1)[-1].lower()


def _names(text: str) -> list[str]:
    return [name.strip().strip('`"[]') for name in text.split(",")]


def _tuples(line: str, start: int) -> Iterator[list[str]]:
    """Yield the cells of each ``( … )``; a value may be a call without calls in it."""
    at = line.find("(", start)
    while at != -1:
        cells: list[str] = []
        place = at + 1
        while match := _VALUE.match(line, place):
            text = match[1].replace("''", "'") if match[1] is not None else match[2].strip()
            cells.append("" if text.upper() == "NULL" else text)
            place = match.end()
            if match[3] != ",":
                break
        if match is None or match[3] != ")":
            return
        yield cells
        at = line.find("(", place)


# ---- printed data frames

_GAP = lazy.pattern(r"\s{2,}|\t")


def printed(lines: Sequence[str]) -> Iterator[tuple[int, list[Profile]]]:
    """Yield, for each data frame that pandas printed, the index of its header line and its columns."""
    at = 0
    while at < len(lines):
        header = _GAP.split(lines[at].strip())
        rows = list(_frame_rows(lines[at + 1 :], len(header))) if lines[at][:1] in (" ", "\t") and header[0] else []
        if len(rows) < 2:
            at += 1
            continue
        profiles = [_profile(name, place, 1) for place, name in enumerate(header, 1)]
        for profile, cells in zip(profiles, zip(*rows, strict=True), strict=True):
            profile.add(list(cells))
        yield at, profiles
        at += len(rows) + 1


def _frame_rows(lines: Iterable[str], width: int) -> Iterator[list[str]]:
    for line in lines:
        cells = _GAP.split(line.strip())
        if len(cells) != width + 1 or line[:1].isspace():
            return
        yield cells[1:]
