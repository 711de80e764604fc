"""Reads prose: the lines of a text as one column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners.dataset import lines
from mlguard.scanners.dataset.columns import strings
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import PROSE, Table

BATCH_LINES = 65_536

BATCH_CHARS = 8 * 2**20
"""Characters of a batch; a batch of long lines ends earlier."""


def tables(source: Source) -> Iterator[Table]:
    """Yield the text as a table of one column. Tables that are only named as text are read as such."""
    from mlguard.scanners.dataset import places
    from mlguard.scanners.dataset.formats import separated, transcript

    called = source.called
    if not places.is_prose(called) and not places.is_prompt(called) and places.may_hide(called):
        yield from _hidden(source)
        return
    if places.may_be_table(called) and not places.is_docs(called) and separated.is_table(source):
        yield from separated.tables(source, ",;\t|")
        return
    if not (places.is_docs(called) or places.is_dump(called) or places.is_prompt(called)):
        try:
            yield from transcript.tables(source)
            return
        except Unreadable:
            pass
    encoding, trouble = lines.encoding_of(source)
    table = Table("text", prose(lines.of_source(source, encoding)), prose=True)
    if trouble:
        table.missed.append(("unreadable", trouble))
    if places.is_binary_table(called):
        table.missed.append(("unreadable", "is not what its name says; it was looked at as text. Was it cut short?"))
    yield table


def _hidden(source: Source) -> Iterator[Table]:
    """Yield the table or the records of a text whose name does not tell; nothing when it holds none."""
    from mlguard.scanners.dataset import places
    from mlguard.scanners.dataset.formats import jsonfile, jsonlines, separated

    if separated.is_table(source):
        yield from separated.tables(source, ",;\t|")
        return
    head = source.head().lstrip()
    if head[:1] == b"[" and head[1:].lstrip()[:1] == b"{":
        yield from jsonfile.tables(source)
    elif head[:1] == b"{" and _is_record(head.split(b"\n", 1)[0]):
        yield from jsonlines.tables(source)
    elif places.is_posing(source.called) and not head.startswith((b"\xff\xd8", b"GIF8")):  # tiny pictures
        raise Unreadable("is text, not what its name says; was it cut short?")


def _is_record(line: bytes) -> bool:
    import json

    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def prose(texts: Iterable[str]) -> Iterator[Any]:
    """Yield record batches of one column of lines."""
    import pyarrow as pa

    batch: list[str] = []
    size = 0
    try:
        for line in texts:
            batch.append(line.rstrip("\r\n"))
            size += len(line)
            if size > BATCH_CHARS or len(batch) >= BATCH_LINES:
                ready, batch, size = batch, [], 0
                yield pa.RecordBatch.from_arrays([strings(ready)], names=[PROSE])
    except Unreadable:
        if batch:
            yield pa.RecordBatch.from_arrays([strings(batch)], names=[PROSE])
        raise
    if batch:
        yield pa.RecordBatch.from_arrays([strings(batch)], names=[PROSE])
