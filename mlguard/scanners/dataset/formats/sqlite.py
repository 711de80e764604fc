"""Reads SQLite databases, read-only and without a journal, table after table; and what deleted rows left behind."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners.dataset import terms
from mlguard.scanners.dataset.formats import rows, sqlite_leftovers
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import MAX_COLUMNS, Table

MAX_MEMORY_BYTES = 128 * 2**20
"""Bytes of a database in an archive, which is read from memory."""

MAX_VALUE_BYTES = 16 * 2**20
"""Bytes of one value. A row with a longer one is read without it."""

CACHE_KIB = 8 * 2**10
"""Pages of the database that are kept in memory."""

MAX_OPERATIONS = 50_000
"""Steps of a thousand operations of the database's machine for each batch of rows; a plain read needs a few."""

MAX_TABLES = 5_000

_TROUBLE: tuple[type[Exception], ...] = (sqlite3.Error, *rows.TROUBLE)

_READS = frozenset({sqlite3.SQLITE_READ, sqlite3.SQLITE_SELECT, sqlite3.SQLITE_PRAGMA, sqlite3.SQLITE_RECURSIVE})
_VIRTUAL = re.compile(r"CREATE\s+VIRTUAL\s+TABLE\s+.*?\bUSING\s+(\w+)", re.I | re.S)
_SHADOWS = ("_content", "_data", "_idx", "_docsize", "_config", "_segments", "_segdir", "_stat", "_node", "_rowid", "_parent", "_instance",
            "_row", "_vocab")  # fmt: skip
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.S)


def tables(source: Source) -> Iterator[Table]:
    """Yield the tables of a database, then one without rows for what lies beside them. Raises Unreadable."""
    with closing(opened(source)) as database:
        try:
            layout = _Layout(database)
        except _TROUBLE:
            raise Unreadable("the database is damaged, encrypted or no SQLite database") from None
        widths: set[int] = set()
        rest = Table("sqlite", iter(()), texts=layout.texts, missed=layout.missed)
        for name, shown in layout.readable[:MAX_TABLES]:
            columns = layout.columns(name)
            if not columns:
                rest.missed.append(("unreadable", "a table of the database cannot be read"))
                continue
            widths.add(len(columns))
            yield _table(database, name, shown, columns, layout)
        if len(layout.readable) > MAX_TABLES:
            rest.missed.append(("too-large", f"the database has more than {MAX_TABLES:,} tables"))
    lines, missed = sqlite_leftovers.found(source, widths)
    if lines:
        rest.texts.append(("(deleted)", lines))
    rest.missed += missed
    if source.local is not None and _has_wal(source):
        rest.missed.append(("skipped", "the newest rows are in the write-ahead log beside the database, which is not read: "
                            "close the database, or run PRAGMA wal_checkpoint on it"))  # fmt: skip
    yield rest


def _has_wal(source: Source) -> bool:
    for suffix in ("-wal", "-journal"):
        beside = source.local.with_name(source.local.name + suffix) if source.local else None
        try:
            if beside and beside.is_file() and beside.stat().st_size > 0:
                return True
        except OSError:
            continue
    return False


def opened(source: Source) -> sqlite3.Connection:
    """Return a connection that can do nothing but read tables."""
    try:
        if source.local is not None and not source.within:
            database = sqlite3.connect(f"{source.local.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        else:
            database = sqlite3.connect(":memory:")
            database.deserialize(_unlogged(rows.whole(source, MAX_MEMORY_BYTES)))
    except _TROUBLE:
        raise Unreadable("the database cannot be opened") from None
    database.text_factory = lambda data: data.decode("utf-8", "replace")
    try:
        for setting in ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0", f"cache_size=-{CACHE_KIB}", "query_only=ON", "temp_store=2"):  # fmt: skip
            database.execute(f"PRAGMA {setting}")
    except sqlite3.Error:
        database.close()
        raise Unreadable("the database is damaged, encrypted or no SQLite database") from None
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
    database.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    database.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _READS else sqlite3.SQLITE_DENY)
    return database


def _unlogged(data: bytes) -> bytes:
    """Return a database in memory as one without a write-ahead log, which memory cannot have."""
    return data[:18] + b"\x01\x01" + data[20:] if data[18:20] != b"\x01\x01" and len(data) > 100 else data


class _Layout:
    """Which tables a database has, and what is not read of it."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database
        self.missed: list[tuple[Any, str]] = []
        self.texts: list[tuple[str, list[str]]] = []
        self.readable: list[tuple[str, str]] = []  # as stored, as shown
        self.names: dict[str, list[str]] = {}  # columns of a virtual table by the table that holds its rows
        self._look()

    def _look(self) -> None:
        entries = self.database.execute("SELECT type, name, sql FROM sqlite_master ORDER BY rowid").fetchmany(
            4 * MAX_TABLES
        )
        plain = [(str(name), str(sql or "")) for kind, name, sql in entries if kind == "table"]
        virtual = {
            name: (_VIRTUAL.match(sql.strip()) or [""] * 2)[1].lower()
            for name, sql in plain
            if _VIRTUAL.match(sql.strip())
        }
        stored = {name for name, _ in plain}
        views = sum(kind == "view" for kind, *_ in entries)
        for name, _ in plain:
            owner = _owner(name, virtual)
            if name in virtual or name.startswith("sqlite_") and name != "sqlite_stat4":
                continue
            if not owner or name == owner + "_content" and virtual[owner].startswith("fts"):
                self.readable.append((name, owner or name))
                self.names[name] = _virtual_columns(dict(plain)[owner]) if owner else []
        for name, module in sorted(virtual.items()):
            if not (module.startswith("fts") and name + "_content" in stored):
                self.missed.append(("skipped", f"a virtual table of the module {_word(module)} is not read"))
        if views:
            self.texts.append(("(views)", [str(sql) for kind, _, sql in entries if kind == "view" and sql]))
        notes = [note.strip("-/*' \t\r\n") for _, _, sql in entries for note in _COMMENT.findall(str(sql or ""))]
        if notes := [note for note in notes if note]:
            self.texts.append(("(schema)", notes))

    def columns(self, table: str) -> list[str]:
        """Return the stored columns of a table; those that are computed from others are left out."""
        try:
            found = self.database.execute(f"PRAGMA table_xinfo({_quoted(table)})").fetchmany(MAX_COLUMNS)
        except _TROUBLE:
            return []
        return [str(row[1]) for row in found if row[6] in (0, 3)]


def _word(module: str) -> str:
    return module if re.fullmatch(r"[a-z][a-z0-9_]{0,20}", module) else "unknown"


def _owner(name: str, virtual: dict[str, str]) -> str:
    """Return the virtual table that a table holds the content of, or ""."""
    for suffix in _SHADOWS:
        if name.endswith(suffix) and name[: -len(suffix)] in virtual:
            return name[: -len(suffix)]
    return ""


def _virtual_columns(sql: str) -> list[str]:
    """Return the columns that the statement of a full-text table names."""
    inner = sql.partition("(")[2].rpartition(")")[0]
    names = []
    for part in inner.split(","):
        word = part.strip().split(" ")[0].strip("\"'`[]")
        if word and "=" not in part:
            names.append(word)
    return names


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""').replace("\0", "") + '"'


def _table(database: sqlite3.Connection, name: str, shown: str, columns: list[str], layout: _Layout) -> Table:
    labels = _labels(columns, layout.names.get(name, []))
    table = Table("sqlite", iter(()), shown)
    table.batches = rows.batches(_Reader(database, name, columns, labels, table).rows(), labels)
    return table


def _labels(columns: list[str], virtual: list[str]) -> list[str]:
    """Return the columns' names; full-text tables store theirs as c0, c1 or c0name."""
    labels = []
    for column in columns:
        match = re.fullmatch(r"c(\d+)(.*)", column) if virtual else None
        at = int(match[1][:6]) if match else -1
        labels.append(virtual[at] if 0 <= at < len(virtual) else column)
    return labels


class _Reader:
    """Reads the rows of one table, and goes on behind a value that is too long."""

    def __init__(
        self, database: sqlite3.Connection, name: str, columns: list[str], labels: Sequence[str], table: Table
    ) -> None:
        self.database, self.name, self.columns, self.table = database, name, columns, table
        self.labels = labels
        self.blobs: dict[int, int] = {}
        self.long = 0
        self.steps = 0

    def rows(self) -> Iterator[list[Any]]:
        """Yield the rows. Raises Unreadable."""
        self.database.set_progress_handler(self._step, 1_000)
        try:
            yield from self._read()
        except _TROUBLE:
            raise Unreadable("a table is damaged or cannot be read further; the rows before it were read") from None
        finally:
            self.database.set_progress_handler(None, 0)
            self._tell()

    def _step(self) -> bool:
        self.steps += 1
        return self.steps > MAX_OPERATIONS

    def _tell(self) -> None:
        for at, count in sorted(self.blobs.items()):
            self.table.missed.append(
                (
                    "skipped",
                    f"{count:,} binary values of the column {terms.shown(self.labels[at], at + 1)} are not read",
                )
            )
        if self.long:
            self.table.missed.append(
                ("too-large", f"{self.long:,} values of more than {MAX_VALUE_BYTES >> 20} MiB are not read")
            )

    def _read(self) -> Iterator[list[Any]]:
        chosen = ", ".join(map(_quoted, self.columns))
        key = self._key()
        if not key:
            yield from map(self._row, self._fetched(f"SELECT {chosen} FROM {_quoted(self.name)}", ()))
            return
        last: int | None = None
        while True:
            where = "" if last is None else f" WHERE {key} > ?"
            found = self._fetched(f"SELECT {key}, {chosen} FROM {_quoted(self.name)} NOT INDEXED{where} ORDER BY {key}", () if last is None else (last,))  # fmt: skip
            try:
                for row in found:
                    last = row[0]
                    yield self._row(row[1:])
                return
            except sqlite3.DataError:
                last, values = self._piecewise(key, last)
                yield self._row(values)

    def _key(self) -> str:
        """Return a name for the number of a row, or "" for a table without one."""
        taken = {column.lower() for column in self.columns}
        for name in ("rowid", "_rowid_", "oid"):
            if name not in taken:
                try:
                    self.database.execute(f"SELECT {name} FROM {_quoted(self.name)} LIMIT 1").fetchone()
                except sqlite3.OperationalError:
                    return ""
                return name
        return ""

    def _fetched(self, statement: str, values: tuple[Any, ...]) -> Iterator[Any]:
        with closing(self.database.execute(statement, values)) as cursor:
            for row in cursor:  # one by one: a value that is too long must not take those before it along
                self.steps = 0
                yield row

    def _piecewise(self, key: str, last: int | None) -> tuple[int, list[Any]]:
        """Return the number of the row behind ``last`` and its values, without those that are too long."""
        where = "" if last is None else f"WHERE {key} > {last}"
        row = self.database.execute(
            f"SELECT {key} FROM {_quoted(self.name)} NOT INDEXED {where} ORDER BY {key} LIMIT 1"
        ).fetchone()
        values: list[Any] = []
        for column in self.columns:
            try:
                statement = f"SELECT {_quoted(column)} FROM {_quoted(self.name)} WHERE {key} = ?"
                values += [found for (found,) in self._fetched(statement, (row[0],))]
            except sqlite3.DataError:
                self.long += 1
                values.append(None)
        return row[0], values

    def _row(self, row: Sequence[Any]) -> list[Any]:
        return [self._value(at, value) if type(value) is bytes else value for at, value in enumerate(row)]

    def _value(self, at: int, value: bytes) -> str | None:
        prose = rows.prose_of(value)
        if prose is None:
            self.blobs[at] = self.blobs.get(at, 0) + 1
        return prose
