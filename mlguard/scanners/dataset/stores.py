"""Knows stores of vectors: which files are one, where their text lies, and what it means when that is personal data."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import cache
from itertools import islice
from typing import Any

from mlguard import lazy
from mlguard import tables as rule_tables
from mlguard.errors import Unreadable
from mlguard.facts import Field
from mlguard.findings import Detection, Gap
from mlguard.scanners import Context
from mlguard.scanners.dataset import formats, terms
from mlguard.scanners.dataset.formats import documents, rows, shards
from mlguard.scanners.dataset.formats.delta import DELETED
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import Table

RULE = "data/personal-data-in-embeddings"

MIN_NUMBERS = 64
"""Numbers from which lists of one length are vectors whatever their column is called. Positions and colours have fewer."""

MAX_DOCUMENTS_BYTES = 256 * 2**20
"""The largest document of JSON that a store keeps its texts in."""

MAX_ROWS = 5_000_000
"""Documents of one store."""

_TROUBLE: tuple[type[Exception], ...] = (sqlite3.Error, *rows.TROUBLE)

MAX_BESIDE = 10_000
"""Files of a folder that are listed to find an index."""

_FORMATS = {"chroma": "Chroma", "qdrant": "Qdrant", "llama-index": "LlamaIndex"}
"""Stores by the format of the tables that ``tables`` yields."""

_CHROMA_OWN = lazy.pattern(r"^(?:embedding_metadata|embeddings_queue|embedding_fulltext_search)(?:_\w+)?$")
_NODES = ("docstore/data", "docstore/ref_doc_info")


@cache
def _table() -> Any:
    return rule_tables.table("vector-stores")


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.I)


def store_of(path: str, tables: Iterable[str] = (), beside: Iterable[str] = ()) -> str:
    """Return the name of the store that a file belongs to, "" for none.

    ``tables`` are the names of its tables, ``beside`` the names of the other files in its folder.
    """
    names, around = set(tables), [name.lower() for name in beside]
    own = path.rsplit("/", 1)[-1].lower()
    for store in _table()["stores"]:
        if "tables" in store and not set(store["tables"]) <= names:
            continue
        if "path" in store and not _pattern(store["path"]).search(path):
            continue
        if "beside" in store:
            indices = [name for name in around if name.endswith(tuple(store["beside"])) and name != own]
            if not indices or "path" not in store and not _goes_with(own, indices):
                continue
        return str(store["title"])
    return ""


def _goes_with(name: str, indices: Sequence[str]) -> bool:
    """Say whether a file is named after an index beside it, or as what belongs to one."""
    stem = name.split(".", 1)[0]
    return any(index.split(".", 1)[0] == stem for index in indices) or bool(set(terms.tokens(stem)) & set(_table()["sidecars"]))  # fmt: skip


def beside(context: Context, path: str) -> list[str]:
    """Return the names of the files in the folder of a file, sorted; the first MAX_BESIDE that the folder lists."""
    folder = os.path.join(context.root, *path.split("/")[:-1])
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in islice(entries, MAX_BESIDE))
    except OSError:
        return []


_PGVECTOR = lazy.pattern(
    rb"(?i)CREATE EXTENSION (?:IF NOT EXISTS )?\"?vector\b|\b(?:half|sparse)?vec(?:tor)?\(\d{1,5}\)|\bpublic\.vector\b"
)


def where(path: str, table_format: str, schema: Any, names: Iterable[str] = (), head: bytes = b"") -> str:
    """Return what a table beside vectors is, in words, and "" for any other table.

    ``schema`` is that of its batches, None for none; ``names`` are those that ``beside`` returns; ``head`` begins a dump of SQL.
    """
    if table_format == "sql" and _PGVECTOR.search(head):
        return "a dump of pgvector"
    store = _FORMATS.get(table_format) or store_of(path, (), names)
    if store:
        return f"a store of {store}"
    return "a table of embeddings" if schema is not None and vectors_in(schema) else ""


def vectors_in(schema: Any) -> list[str]:
    """Return the columns of an Arrow schema that hold vectors: lists of numbers, by their name or their length."""
    import pyarrow as pa

    words = frozenset(_table()["vectors"])
    found = []
    for field in schema:
        kind = field.type
        listed = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
        if not listed:
            continue
        inner = kind.value_type
        if not (
            pa.types.is_floating(inner)
            or pa.types.is_integer(inner)
            or pa.types.is_string(inner)
            or pa.types.is_large_string(inner)
        ):
            continue  # readers of JSON give numbers as text
        long = pa.types.is_fixed_size_list(kind) and kind.list_size >= MIN_NUMBERS and pa.types.is_floating(kind.value_type)  # fmt: skip
        if long or words & {*terms.tokens(field.name), field.name.lower()}:
            found.append(field.name)
    return found


def told(path: str, place: str, fields: Sequence[Field]) -> Iterator[Detection]:
    """Yield a detection for each field of personal data beside vectors; ``place`` is what ``where`` returned, "" tells nothing."""
    from mlguard.scanners.dataset import report
    from mlguard.values import replace

    for field in fields if place else ():
        if field.strength != "ner":
            found = report.detection(RULE, path, field)
            yield replace(found, facts={**found.facts, "store": place})


def unread(path: str) -> Gap | None:
    """Return the gap for a file of a store's own engine, whose text this version cannot read."""
    for engine in _table()["engines"]:
        if _pattern(engine["path"]).search(path):
            return Gap("dataset", path, "skipped", f"the engine of {engine['title']} keeps text here in a form that is not read",
                       "export the payloads and scan those")  # fmt: skip
    return None


def tables(source: Source, kind: str) -> Iterator[Table] | None:
    """Return the tables of a store of vectors, with its text by document; None when the format's reader says it all."""
    name = source.called
    if kind == "sqlite" and _pattern(r"(?:^|/)collection/[^/]+/storage\.sqlite$").search(name):
        return _qdrant(source)
    if kind == "sqlite" and _pattern(r"chroma[^/]*\.(?:sqlite3?|db)$").search(name):
        return _chroma(source, kind)
    if kind in ("json", "model-text") and name.rsplit("/", 1)[-1] == "docstore.json":
        return _llama_index(source, kind)
    if kind in ("pickle", "model") and _pattern(r"(?:index|docstore|document_?store)\.(?:pkl|pickle)$").search(name):
        return documents.tables(source)
    return None


def _one(table_format: str, name: str, found: Iterator[Any]) -> Table:
    """Return a table of documents: one column, whose cells are structures."""
    table = Table(table_format, iter(()), name)
    table.batches = rows.batches(([record] for record in found), documents.LABELS)
    return table


def _opened(source: Source) -> Any:
    from mlguard.scanners.dataset.formats import sqlite

    return sqlite.opened(source)


def _fetched(database: Any, statement: str) -> Iterator[Any]:
    try:
        for count, row in enumerate(database.execute(statement)):
            if count >= MAX_ROWS:
                raise Unreadable(f"the store has more than {MAX_ROWS:,} entries")
            yield row
    except _TROUBLE:
        raise Unreadable("the store is damaged; the entries before were read") from None


def _qdrant(source: Source) -> Iterator[Table]:
    """Yield the points of Qdrant's local mode, which are pickles in a database."""
    with closing(_opened(source)) as database:
        table = Table("qdrant", iter(()), "points")
        found = _points(database, table)
        table.batches = rows.batches(([record] for record in found), documents.LABELS)
        yield table
    for table in formats.tables(source, "sqlite"):
        if table.name != "points":
            yield table


def _points(database: Any, table: Table) -> Iterator[Any]:
    broken = 0
    for (blob,) in _fetched(database, "SELECT point FROM points ORDER BY rowid"):
        try:
            yield from documents.records(blob if isinstance(blob, bytes) else b"")
        except Unreadable:
            broken += 1
    if broken:
        table.missed.append(("unreadable", f"{broken:,} points cannot be read"))


def _chroma(source: Source, kind: str) -> Iterator[Table]:
    """Yield the documents of Chroma with their metadata by key, those deleted but still in its queue, and its other tables."""
    with closing(_opened(source)) as database:
        try:
            named = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        except _TROUBLE:
            raise Unreadable("the store is damaged, or no database of Chroma") from None
        if {"embedding_metadata", "embeddings"} <= named:
            yield _one("chroma", "documents", _documents(database))
        if {"embeddings_queue", "embeddings"} <= named:
            yield _one("chroma", DELETED, _queued(database))
    for table in formats.tables(source, kind):
        if not _CHROMA_OWN.match(table.name) or "embedding_metadata" not in named:
            yield table


def _documents(database: Any) -> Iterator[dict[str, Any]]:
    record: dict[str, Any] = {}
    last: Any = None
    statement = "SELECT id, key, string_value FROM embedding_metadata WHERE string_value IS NOT NULL ORDER BY id, key"
    for identity, key, value in _fetched(database, statement):
        if identity != last and record:
            yield record
            record = {}
        last = identity
        record[rows.readable(str(key).removeprefix("chroma:"))] = rows.text(value)
    if record:
        yield record


def _queued(database: Any) -> Iterator[dict[str, Any]]:
    """Yield what the queue of changes still holds of documents that are gone, or were written over."""
    statement = (
        "SELECT metadata FROM embeddings_queue q WHERE metadata IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM embeddings e WHERE e.embedding_id = q.id AND e.seq_id = q.seq_id) ORDER BY seq_id"
    )
    for (metadata,) in _fetched(database, statement):
        try:
            body = shards.parsed(str(metadata).encode("utf-8", "replace"))
        except Unreadable:
            body = {"metadata": str(metadata)}
        record = documents.plain(body)
        if isinstance(record, dict):
            yield {key.removeprefix("chroma:"): value for key, value in record.items()}


def _llama_index(source: Source, kind: str) -> Iterator[Table]:
    """Yield the nodes of a LlamaIndex document store, whose keys in JSON are made up for each of them."""
    data = rows.whole(source, MAX_DOCUMENTS_BYTES)
    body = shards.parsed(data)
    if not isinstance(body, dict) or not any(name in body for name in _NODES):
        yield from formats.tables(source, "json" if kind == "model-text" else kind)
        return
    for name in _NODES:
        part = body.pop(name, None)
        if isinstance(part, dict) and part:
            yield _one("llama-index", name.rsplit("/", 1)[-1], _nodes(part))
    rest = Table("llama-index", iter(()), "")
    shards.note(rest, "(metadata)", (line for line in shards.texts_in(body)))
    yield rest


def _nodes(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for node in part.values():
        inner = node.get("__data__", node) if isinstance(node, dict) else {"value": node}
        record = documents.plain(inner)
        if isinstance(record, dict):
            yield record
