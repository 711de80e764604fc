"""Looks into a store that the command names: each table or object as a dataset of its own, and who may read those with personal data."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mlguard.artifacts import OUTSIDE_KINDS, Artifact
from mlguard.errors import Unreadable
from mlguard.facts import Dataset
from mlguard.findings import Gap, GapKind, Record
from mlguard.scanners import Context, Store

if TYPE_CHECKING:
    from mlguard.scanners.dataset.source import Source
    from mlguard.scanners.dataset.table import Table

NAME = "dataset"


def scan(artifact: Artifact, context: Context) -> Iterator[Record]:
    """Yield datasets, gaps and grants of one store. What was seen before the store failed counts."""
    if context.store is None:
        yield Gap(NAME, artifact.path, "skipped", "a store is read only when the command names its address")
        return
    store = context.store(artifact.path)
    personal: set[str] = set()
    try:
        for record in _all(store, context):
            if isinstance(record, Dataset) and record.fields:
                personal.add(record.path)
            yield record
        yield from store.grants(personal) if personal else ()
    except Unreadable as trouble:
        yield _gap(artifact.path, trouble)
    finally:
        store.close()
    yield from (Gap(NAME, path, kind, reason) for path, kind, reason in store.missed)


def scan_object(group: Sequence[Artifact], context: Context, known: dict[str, dict[str, Source]]) -> Iterator[Record]:
    """Yield what is to be said of one object of a store, or a part of its count. The group is the store and the object.

    ``known`` keeps the objects of each store that was listed before, by their name.
    """
    from mlguard.scanners.dataset import parts

    store, wanted = group
    try:
        if store.path not in known and context.store is not None:
            known[store.path] = {source.name: source for source in context.store(store.path).sources()}
        source = known.get(store.path, {}).get(wanted.path)
        if source is None:
            yield Gap(NAME, wanted.path, "unreadable", "the object vanished during the scan; run again")
        elif "part" in context.settings:
            yield from parts.scan(group[1:], context, lambda path: source)
        else:
            yield from _source(source, context)
    except Unreadable as trouble:
        yield _gap(wanted.path, trouble)


def objects(artifact: Artifact, context: Context) -> Iterator[Artifact | Gap]:
    """Yield the objects of a store, and why some or all of them are not known. Nothing is read of them but their names and sizes."""
    if context.store is None:
        return
    store = context.store(artifact.path)
    try:
        for source in store.sources():
            yield Artifact(
                source.name, "parquet" if source.name.lower().endswith(".parquet") else "binary", source.size
            )
    except Unreadable as trouble:
        yield _gap(artifact.path, trouble)
    finally:
        store.close()
    yield from (Gap(NAME, path, kind, reason) for path, kind, reason in store.missed)


def readers(artifact: Artifact, personal: Collection[str], context: Context) -> Iterator[Record]:
    """Yield who may read the objects with personal data."""
    if context.store is None or not personal:
        return
    store = context.store(artifact.path)
    try:
        yield from store.grants(personal)
    except Unreadable as trouble:
        yield _gap(artifact.path, trouble)
    finally:
        store.close()
    yield from (Gap(NAME, path, kind, reason) for path, kind, reason in store.missed)


def _all(store: Store, context: Context) -> Iterator[Record]:
    for path, table in store.tables():
        yield from _kept(path, iter((table,)), context)
    for source in store.sources():
        yield from _source(source, context)


def _source(source: Source, context: Context) -> Iterator[Record]:
    from mlguard.scanners.dataset import formats

    context.alive()
    try:
        kind = formats.kind_of(source)
        if kind not in OUTSIDE_KINDS:
            yield from _kept(source.name, formats.tables(source, kind), context)
    except Unreadable as trouble:
        yield _gap(source.name, trouble)


def _kept(path: str, tables: Iterator[Table], context: Context) -> Iterator[Record]:
    """Yield what is to be said of some tables, and a gap where their reading ends early: the rest of the store goes on."""
    from mlguard.scanners.dataset import records

    try:
        yield from records(_living(tables, context), path, context)
    except Unreadable as trouble:
        yield _gap(path, trouble)


def _living(tables: Iterator[Table], context: Context) -> Iterator[Table]:
    for table in tables:
        table.batches = _signed(table.batches, context)
        yield table


def _signed(batches: Iterator[Any], context: Context) -> Iterator[Any]:
    for batch in batches:
        yield batch
        context.alive()


def _gap(path: str, trouble: Unreadable) -> Gap:
    kind: GapKind = getattr(trouble, "kind", "unreadable")
    return Gap(NAME, path, kind, str(trouble))
