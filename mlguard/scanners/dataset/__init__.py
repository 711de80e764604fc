"""Looks into data files for personal data and says which columns hold which category, and how much of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.facts import Dataset, Field
from mlguard.findings import Detection, Gap, Record
from mlguard.scanners import Context
from mlguard.scanners.dataset import places

KINDS = frozenset({"csv", "tsv", "jsonl", "json", "parquet", "arrow", "text", "markdown", "sql", "notebook", "gzip"})
"""Kinds that may hold records or prose. Of text and gzip only what the name tells to be such."""

_BINARY = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".txt", ".log", ".sql", ".arrow", ".feather")
"""Suffixes of tables and prose whose first bytes are no text."""

PROSE_FORMATS = frozenset({"text", "markdown", "log", "html", "pdf", "office", "mail"})
"""Formats whose rows are lines of a text."""


class DatasetScanner:
    """Yields a Dataset fact for each table, and detections where the place alone decides."""

    name = "dataset"

    def plan(self, artifacts: Sequence[Artifact], settings: Mapping[str, Any]) -> Iterable[tuple[Artifact, ...]]:
        """Choose data files and prose, each as a group of its own."""
        return ((artifact,) for artifact in artifacts if wanted(artifact))

    def scan(self, group: Sequence[Artifact], context: Context) -> Iterator[Record]:
        """Look at one file."""
        for artifact in group:
            if artifact.kind == "notebook":
                from mlguard.scanners.dataset import notebooks

                yield from notebooks.scan(artifact, context)
            else:
                yield from _file(artifact, context)


def wanted(artifact: Artifact) -> bool:
    """Say whether the scanner reads this file, or says in a gap of its own why not."""
    if artifact.kind == "text":
        return places.is_prose(artifact.path)
    if artifact.kind == "gzip":
        return places.is_packed(artifact.path)
    if artifact.kind == "binary":  # UTF-16 without a mark, streams of Arrow, or a gap
        return artifact.path.lower().endswith(_BINARY)
    if artifact.kind in ("xml", "html"):
        return places.is_data(artifact.path) and not places.is_docs(artifact.path)
    if artifact.kind == "model-text":  # a word of a model's configuration hides no records
        return artifact.path.lower().endswith(".json")
    return artifact.kind in KINDS


def format_of(artifact: Artifact) -> str:
    """Return the kind whose reader takes the file."""
    if artifact.kind in ("xml", "html"):
        return "text"
    if artifact.kind == "model-text":
        return "json"
    if artifact.kind == "binary":
        suffix = artifact.path.lower().rsplit(".", 1)[-1]
        return {"tab": "tsv", "ndjson": "jsonl", "txt": "text", "log": "text", "feather": "arrow"}.get(suffix, suffix)
    return artifact.kind


def _file(artifact: Artifact, context: Context) -> Iterator[Record]:
    from mlguard.scanners.dataset import formats, source

    yield from records(formats.tables(source.of_file(context, artifact.path), format_of(artifact)), artifact.path, context)


def records(tables: Iterator[Any], path: str, context: Context) -> Iterator[Record]:
    """Yield what is to be said of the tables of one source. What was read before a failure is told all the same."""
    from mlguard.scanners.dataset.columns import Sheet

    trouble: Unreadable | None = None
    while trouble is None:
        try:
            table = next(tables, None)
        except Unreadable as error:
            trouble = error
            break
        if table is None:
            return
        sheet = Sheet()
        try:
            for batch in table.batches:
                sheet.add(batch, table.places, table.prose)
        except Unreadable as error:
            trouble = error
        for name, lines in table.texts:
            sheet.text(name, lines)
        if trouble is None or sheet.rows or sheet.profiles:
            yield from _told(path, table, sheet, context)
        for kind, reason in table.missed:
            yield Gap("dataset", path, kind, reason)
        for reason in sheet.missed:
            yield Gap("dataset", path, "unreadable", reason)
    raise trouble


def _told(path: str, table: Any, sheet: Any, context: Context) -> Iterator[Record]:
    from mlguard.scanners.dataset import verdict
    from mlguard.scanners.dataset.columns import PROSE

    form = "log" if table.format == "text" and places.is_dump(path) else table.format
    seen = verdict.judge(sheet.profiles)
    if form == "sql":  # numbers and addresses were found in the lines
        seen = [field for field in seen if field.name == PROSE or field.strength == "context"]
    fields = verdict.merged(seen)
    if form == "text" and not places.is_data(path):
        fields = tuple(_mentioned(field, sheet) for field in fields)
    fact = Dataset(path, form, sheet.rows, sheet.width, fields, table.name)
    if places.is_test(path):
        fact = replace(fact, fields=tuple(field for field in fields if not _synthetic(field, sheet)))
        yield fact
        yield from _everywhere("data/personal-data-in-tests", fact)
    elif places.is_docs(path) and (form in PROSE_FORMATS or table.prose):
        fact = replace(fact, fields=tuple(field for field in fields if _tells(field, path, sheet)))
        if fact.fields:
            yield fact
    else:
        yield fact
        if places.is_dump(path) or form in ("sql", "log"):
            yield from _everywhere("data/personal-data-in-dump", fact)


def _everywhere(rule: str, fact: Dataset) -> Iterator[Detection]:
    from mlguard.scanners.dataset.report import detection

    for field in fact.fields:
        if field.strength != "ner":
            yield detection(rule, fact.path, field)


def _synthetic(field: Field, sheet: Any) -> bool:
    """Say whether all values of a field are set aside for examples, or nothing but a column's name speaks for it."""
    from mlguard.scanners.dataset.report import only_reserved

    return field.strength in ("context", "ner") or only_reserved(field, sheet.profiles)


def _mentioned(field: Field, sheet: Any) -> Field:
    """Lower the confidence of the one or two contacts that a text outside the data folders mentions."""
    from mlguard.scanners.dataset.report import distinct_own

    few = field.strength == "pattern" and distinct_own(field, sheet.profiles) < 3
    return replace(field, confidence="low") if few else field


MANY_PERSONS = 10
"""Distinct e-mail addresses or phone numbers from which a document is a list of persons."""


def _tells(field: Field, path: str, sheet: Any) -> bool:
    """Say whether a document holds more than its maintainers' contacts."""
    from mlguard.scanners.dataset.report import distinct_own, only_reserved

    if only_reserved(field, sheet.profiles) or places.names_people(path):
        return False
    if field.strength == "checksum":
        return True
    return field.strength == "pattern" and distinct_own(field, sheet.profiles) >= MANY_PERSONS
