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


class DatasetScanner:
    """Yields a Dataset fact for each file with records, and detections where the place alone decides."""

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
        if context.settings.get("ner") == "required":
            from mlguard.scanners.dataset import entities

            if not entities.available():
                yield Gap("dataset", group[0].path, "missing", "names in free text were not looked for: no language model is installed",
                          "pip install 'mlguard[ner]'")  # fmt: skip


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


def _file(artifact: Artifact, context: Context) -> Iterator[Record]:
    from mlguard.scanners.dataset.readers import Sheet

    sheet = Sheet("")
    trouble: Unreadable | None = None
    try:
        holds_data = _read(artifact, context, sheet)
    except Unreadable as error:  # what was read until then is told all the same
        trouble, holds_data = error, bool(sheet.rows or sheet.profiles)
    if holds_data:
        yield from _told(artifact, context, sheet)
    for reason in sheet.missed:
        yield Gap("dataset", artifact.path, "unreadable", reason)
    if trouble is not None:
        raise trouble


def _read(artifact: Artifact, context: Context, sheet: Any) -> bool:
    from mlguard.scanners.dataset import readers

    path = artifact.path
    kind = _format(artifact)
    sheet.format = kind
    if kind == "parquet":
        readers.read_parquet(context, path, sheet)
    elif kind == "arrow":
        readers.read_arrow(context, path, sheet)
    elif kind == "jsonl":
        readers.read_jsonl(context, path, sheet)
    elif kind == "json":
        return readers.read_json(context, path, sheet)
    elif kind in ("csv", "tsv"):
        readers.read_csv(context, path, sheet, "\t,;|" if kind == "tsv" else ",;\t|")
    elif places.may_be_table(path) and not places.is_docs(path) and readers.table_in_text(context, path):
        sheet.format = "csv"
        readers.read_csv(context, path, sheet)
    else:
        readers.read_text(context, path, sheet, _statements if kind == "sql" else None)
    return True


def _format(artifact: Artifact) -> str:
    if artifact.kind in ("xml", "html"):
        return "text"
    if artifact.kind == "model-text":
        return "json"
    if artifact.kind == "binary":
        suffix = artifact.path.lower().rsplit(".", 1)[-1]
        return {"tab": "tsv", "ndjson": "jsonl", "txt": "text", "feather": "arrow"}.get(suffix, suffix)
    if artifact.kind != "gzip":
        return "log" if artifact.kind == "text" and places.is_dump(artifact.path) else artifact.kind
    suffix = artifact.path.lower().rsplit(".", 2)[-2]
    return {"tab": "tsv", "ndjson": "jsonl", "txt": "text"}.get(suffix, suffix)


def _statements(line: str) -> Iterable[str]:
    """Part the rows of one long INSERT."""
    return line.replace("),(", ")\n(").replace("), (", ")\n(").split("\n")


def _told(artifact: Artifact, context: Context, sheet: Any) -> Iterator[Record]:
    from mlguard.scanners.dataset import verdict
    from mlguard.scanners.dataset.columns import PROSE

    path = artifact.path
    seen = verdict.judge(sheet.profiles)
    if sheet.format == "sql":  # numbers and addresses were found in the lines
        seen = [field for field in seen if field.name == PROSE or field.strength == "context"]
    if context.settings.get("ner", True) and not context.hook and not places.is_docs(path):
        from mlguard.scanners.dataset import entities

        seen += verdict.names_in_text(sheet.profiles) if entities.available() else []
    fields = verdict.merged(seen)
    if any(profile.text for profile in sheet.profiles):
        fields = tuple(_placed(context, sheet, path, list(fields)))
    if sheet.format == "text" and not places.is_data(path):
        fields = tuple(_mentioned(field, sheet) for field in fields)
    if places.is_test(path):
        fields = tuple(field for field in fields if not _synthetic(field, sheet))
        yield Dataset(path, sheet.format, sheet.rows, sheet.width, fields)
        yield from _everywhere("data/personal-data-in-tests", path, fields)
    elif places.is_docs(path) and sheet.format not in ("csv", "tsv", "parquet", "jsonl", "json", "arrow"):
        fields = tuple(field for field in fields if _tells(field, path, sheet))
        if fields:
            yield Dataset(path, sheet.format, sheet.rows, sheet.width, fields)
    else:
        yield Dataset(path, sheet.format, sheet.rows, sheet.width, fields)
        if places.is_dump(path) or sheet.format in ("sql", "log"):
            yield from _everywhere("data/personal-data-in-dump", path, fields)


def _everywhere(rule: str, path: str, fields: Sequence[Field]) -> Iterator[Detection]:
    from mlguard.scanners.dataset.report import detection

    for field in fields:
        if field.strength != "ner":
            yield detection(rule, path, field)


def _placed(context: Context, sheet: Any, path: str, fields: list[Field]) -> Iterator[Field]:
    from mlguard.scanners.dataset.report import first_lines

    if not fields or sheet.format not in ("text", "markdown", "log", "sql"):
        yield from fields
        return
    yield from first_lines(context, path, fields)


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
