"""Asks the dataset scanner what a file holds."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from mlguard import artifacts
from mlguard.errors import UsageError
from mlguard.facts import Field

FORMATS: Mapping[str, str] = {
    "csv": "csv", "tsv": "csv", "jsonl": "jsonl", "parquet": "parquet", "arrow": "arrow", "text": "text", "markdown": "text", "log": "text",
}  # fmt: skip
"""How a kind of file is copied."""

_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".log": "text",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What the scanner says of a file. ``columns`` are its names for them in their order, places beside the rows included."""

    kind: str
    fields: tuple[Field, ...]
    columns: tuple[str, ...]
    rows: int
    missed: tuple[str, ...]
    beside: tuple[str, ...] = ()  # texts beside the rows, which a copy does not take over
    opaque: tuple[str, ...] = ()  # columns of bytes that are no text


def kind_of(path: Path) -> str:
    """Return the kind of a file by its content, then its name. Raises UsageError for one that cannot be copied."""
    try:
        with open(path, "rb") as file:
            head = file.read(artifacts.HEAD_BYTES)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    kind = artifacts.kind_of(path.name, head)
    if kind in ("binary", "text", "empty"):
        kind = _SUFFIXES.get(path.suffix.lower(), kind)
    if kind == "empty":
        raise UsageError(f"{path} is empty")
    if kind == "json" and _lines(head):
        kind = "jsonl"
    if kind not in FORMATS:
        formats = "CSV, TSV, JSON Lines, Parquet, Arrow, Feather, text and Markdown"
        raise UsageError(f"{path} is of kind {kind}, which cannot be redacted; convert it first to one of {formats}")
    return kind


def _lines(head: bytes) -> bool:
    import json

    first, newline, _ = head.lstrip().partition(b"\n")
    try:
        return bool(newline) and isinstance(json.loads(first), dict)
    except ValueError:
        return False


def look(path: Path, kind: str, with_names: bool, name: str = "") -> Seen:
    """Read the whole file with the scanner. Raises Unreadable.

    With ``name`` it is read as if it were called so, and by the scanner's readers alone: a copy is not to be judged by the module
    that wrote it. Without, the columns have the names under which they are changed.
    """
    from mlguard.scanners.dataset import formats, verdict
    from mlguard.scanners.dataset.columns import Sheet
    from mlguard.scanners.dataset.source import Source

    source = Source(name or path.name, path.stat().st_size, lambda: open(path, "rb"), path)  # noqa: SIM115  # who opens it closes it
    sheet, beside, missed = Sheet(), [], []
    tables = formats.tables(source, kind)
    while (table := next(tables, None)) is not None:  # a format that is copied has one table
        if table.format == "csv":
            kind = "csv"
        if table.format == "jsonl" and not name:
            sheet.rows, table.texts = _records(path, sheet), []
        else:
            for batch in table.batches:
                sheet.add(batch, table.places, table.prose)
        for title, lines in table.texts:
            sheet.text(title, lines)
            beside.append(title)
        missed += [reason for _, reason in table.missed if "are no JSON" not in reason]
    fields = verdict.judge(sheet.profiles)
    if with_names:
        fields += _names(sheet.profiles)
    columns = tuple(dict.fromkeys(profile.name for profile in sheet.profiles))
    opaque = tuple(match[1] for reason in sheet.missed if (match := _OPAQUE.match(reason)))
    missed += [reason for reason in sheet.missed if not _OPAQUE.match(reason)]
    gone = tuple(title for title in beside if title != "(before the header)")
    return Seen(kind, verdict.merged(fields), columns, sheet.rows, tuple(missed), gone, opaque)


_OPAQUE = re.compile(r"column '(.*)' holds bytes that are no text")


def _records(path: Path, sheet: Any) -> int:
    """Count the values of JSON Lines under the paths that the copy uses. Return how many lines hold a record."""
    from mlguard.redaction import jsonlines

    collecting = _Collecting(sheet)
    rows = jsonlines.rewrite(path, Nowhere(), collecting, ())
    collecting.flush()
    return rows


@dataclass(slots=True)
class _Collecting:
    """Gives every value of a file to the scanner, and changes none."""

    sheet: Any
    everything: bool = True
    waiting: dict[str, list[str]] = field(default_factory=dict)
    size: int = 0

    def wants(self, column: str) -> bool:
        return True

    def drops(self, column: str) -> bool:
        return False

    def rewrites(self, column: str) -> bool:
        return False

    def texts(self, column: str, values: Sequence[str], raw: bool = False) -> list[tuple[str, bool]]:
        self.waiting.setdefault(column, []).extend(values)
        self.size += sum(map(len, values))
        if self.size > 2**23:
            self.flush()
        return [(value, raw) for value in values]

    def flush(self) -> None:
        """Hand over what waits."""
        import pyarrow as pa

        from mlguard.redaction.jsonlines import BROKEN
        from mlguard.scanners.dataset.columns import strings

        for column, values in self.waiting.items():
            if column == BROKEN:
                self.sheet.text(column, values)
            else:
                self.sheet.add(pa.RecordBatch.from_arrays([strings(values)], names=[column]))
        self.waiting, self.size = {}, 0


class Nowhere(io.RawIOBase, BinaryIO):
    """Takes bytes and forgets them."""

    def write(self, data: object) -> int:
        return len(cast(bytes, data))

    def writable(self) -> bool:
        return True


NAMED_TEXTS = 60
"""Distinct texts of a column in which names are looked for to say whether it has any. All of them are changed."""


def _names(profiles: Sequence[Any]) -> Iterator[Field]:
    from mlguard.redaction import people

    for profile in profiles if people.available() else ():
        if profile.cells and profile.free_text:
            texts = profile.sample.values()[:NAMED_TEXTS]
            hits = sum(bool(found) for found in people.mentions(texts))
            if hits:
                yield Field(
                    profile.name, "user.name", "Name", "personal", "low", "ner", hits, len(texts), ("ner:PERSON",),
                    profile.line, profile.column, sampled=True, free_text=True,
                )  # fmt: skip
