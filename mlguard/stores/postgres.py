"""PostgreSQL as tables: what there is, what could not be read, and who may read it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from mlguard.facts import Grant
from mlguard.scanners.dataset.table import MissedKind, Table
from mlguard.stores import postgres_access
from mlguard.stores.address import Address, fit
from mlguard.stores.line import SILENCE_SECONDS, Line
from mlguard.stores.postgres_columns import MAX_CELL, MAX_ELEMENTS
from mlguard.stores.postgres_session import HIDDEN, MAX_TABLES

FORMAT = "postgresql"
LARGE_OBJECTS = "(large objects)"
"""Name of the table of large objects. No table is shown like that."""


class Postgres:
    """One database. Its tables are read one after the other, each in a transaction of its own that only reads."""

    def __init__(self, address: Address, settings: Mapping[str, Any]) -> None:
        self.path = address.shown
        self.missed: list[tuple[str, MissedKind, str]] = []
        """What was not read, as path, kind and reason. Complete after the last table."""
        silence = float(settings.get("silence", SILENCE_SECONDS))
        self._line = Line({"kind": "postgresql", "url": address.url, "settings": {}}, silence)
        self._ids: dict[str, int] = {}

    def close(self) -> None:
        """End the connection."""
        self._line.close()

    def tables(self) -> Iterator[tuple[str, Table]]:
        """Yield each table that can be read, with the path under which it is reported. Raises Trouble when none can be."""
        found = list(self._line.call("tables"))
        large = int(found.pop()["large"])
        if len(found) > MAX_TABLES:
            self._miss(self.path, "too-large", f"only the first {MAX_TABLES:,} tables were looked at")
        for entry in _wanted(found[:MAX_TABLES]):
            path = f"{self.path}/{fit(entry['schema'])}.{fit(entry['name'])}"
            if reason := _closed(entry):
                self._miss(path, "skipped" if entry["kind"] == "f" else "unreadable", reason)
                continue
            self._ids[path] = entry["id"]
            yield path, self._table(path, entry)
        if large:
            path = f"{self.path}/{LARGE_OBJECTS}"
            yield path, _large(self._line)

    def grants(self, paths: Collection[str]) -> Iterator[Grant]:
        """Yield who may read the tables at these paths, and what everybody may read by default. Raises Trouble."""
        ids = {self._ids[path]: path for path in sorted(paths) if path in self._ids}
        for access in self._line.call("access", sorted(ids)):
            yield from postgres_access.grants(access, ids, self.path)

    def sources(self) -> Iterator[Any]:
        """Yield nothing: a database has no objects."""
        return iter(())

    def _miss(self, path: str, kind: MissedKind, reason: str) -> None:
        self.missed.append((path, kind, reason))

    def _table(self, path: str, entry: Mapping[str, Any]) -> Table:
        table = Table(FORMAT, iter(()), rows=int(entry["rows"]) if entry["rows"] > 0 else None)
        table.batches = _batches(self._line, table, entry)
        return table


def _wanted(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the tables to read: a partitioned one in place of its parts, unless a part lies on another server."""
    by_id = {entry["id"]: entry for entry in found}
    apart = {top["id"] for entry in found if entry["kind"] == "f" for top in _above(entry, by_id)}
    sizes: dict[int, float] = {}
    pages: dict[int, int] = {}
    for entry in found:
        for top in _above(entry, by_id):
            sizes[top["id"]] = sizes.get(top["id"], 0.0) + max(0.0, entry["rows"])
            pages[top["id"]] = pages.get(top["id"], 0) + entry["pages"]
    for entry in found:
        if entry["kind"] == "p":
            entry["rows"], entry["pages"] = sizes.get(entry["id"], 0.0), pages.get(entry["id"], 0)
        above = _above(entry, by_id)
        if any(top["id"] not in apart for top in above):
            continue  # a table above it is read with all its parts
        if entry["kind"] == "p" and entry["id"] in apart:
            continue  # its parts are read one by one
        yield entry


def _above(entry: dict[str, Any], by_id: Mapping[int, dict[str, Any]]) -> list[dict[str, Any]]:
    above: list[dict[str, Any]] = []
    while (parent := by_id.get(entry["parent"] or 0)) is not None and len(above) < 64:
        above.append(parent)
        entry = parent
    return above


def _closed(entry: Mapping[str, Any]) -> str:
    """Return why a table is not read, "" when it is."""
    if entry["kind"] == "f":
        return "a foreign table: its rows are on another server; scan that one"
    if not entry["usage"]:
        return "permission denied for its schema; grant USAGE on it to the user that scans"
    if not entry["allowed"]:
        return "permission denied; grant SELECT to the user that scans"
    if entry["hidden"]:
        return HIDDEN
    if not entry["filled"]:
        return "a materialised view without rows; refresh it, and scan again"
    return ""


def _batches(line: Line, table: Table, entry: Mapping[str, Any]) -> Iterator[Any]:
    calls = line.call("read", entry["id"], entry["kind"], entry["pages"])
    head = next(calls)
    if head["denied"]:
        table.missed.append(
            ("unreadable", f"permission denied for {head['denied']} of its columns; grant SELECT on them")
        )
    table.texts += [(name, lines) for name, lines in head["texts"].items() if lines]
    yield from _labelled(calls, table, head["labels"], head["nested"])


def _large(line: Line) -> Table:
    table = Table(FORMAT, iter(()))
    table.batches = _labelled(line.call("large"), table, ["data"], [])
    return table


def _labelled(calls: Iterator[Any], table: Table, labels: list[str], nested: list[int]) -> Iterator[Any]:
    import pyarrow as pa

    for value in calls:
        if isinstance(value, dict):
            if value["cut"]:
                table.missed.append(("too-large", f"{value['cut']:,} rows have a cell of over {MAX_CELL:,} characters or an array of over"
                                                  f" {MAX_ELEMENTS:,} elements, which were read up to there"))  # fmt: skip
        else:
            batch = pa.RecordBatch.from_arrays(value.columns, names=labels)
            yield from _spread(batch, nested) if nested and batch.num_rows else (batch,)


def _spread(batch: Any, nested: Sequence[int]) -> Iterator[Any]:
    """Yield a batch in parts whose documents of JSON have become columns that are named by their key paths."""
    from mlguard.scanners.dataset.nesting import Spread

    labels = batch.schema.names
    plain = batch.select([index for index in range(len(labels)) if index not in nested])
    spread, begin = Spread(), 0
    texts = [batch.column(index).to_pylist() for index in nested]
    for row, cells in enumerate(zip(*texts, strict=True)):
        record = {labels[index]: _document(cell) for index, cell in zip(nested, cells, strict=True) if cell is not None}
        if (part := spread.add(record)) is not None:
            yield _beside(plain.slice(begin, row + 1 - begin), part)
            begin = row + 1
    if (part := spread.rest()) is not None:
        yield _beside(plain.slice(begin), part)


def _beside(plain: Any, part: Any) -> Any:
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([*plain.columns, *part.columns], names=[*plain.schema.names, *part.schema.names])


def _document(text: str) -> object:
    """Return the value of a document, or its text when it was cut."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
