"""Looks into data files for personal data and says which columns hold which category, and how much of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.facts import Dataset, Field
from mlguard.findings import Detection, Gap, GapKind, Location, Record
from mlguard.scanners import Context
from mlguard.scanners.dataset import places
from mlguard.values import replace

if TYPE_CHECKING:
    from mlguard.scanners.dataset.sketch import Sketch

KINDS = frozenset(
    {
        "csv", "tsv", "jsonl", "json", "parquet", "arrow", "orc", "avro", "sqlite", "hdf5", "npy", "pickle", "ole", "text", "markdown", "sql",
        "notebook", "pdf", "eml", "mbox", "vcf", "ics", "har", "gzip", "bzip2", "xz", "zstd", "lz4", "tar", "zip", "store",
        "history",
    }
)  # fmt: skip
"""Kinds that may hold records or prose. Of text only what the name tells to be such."""

_BINARY = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".txt": "text", ".log": "text",
    ".sql": "sql", ".arrow": "arrow", ".feather": "arrow", ".parquet": "parquet", ".orc": "orc", ".avro": "avro", ".sqlite": "sqlite",
    ".sqlite3": "sqlite", ".har": "har", ".eml": "eml", ".mbox": "mbox", ".vcf": "vcf", ".xlsx": "zip", ".ods": "zip", ".xls": "ole", ".pdf": "pdf",
}  # fmt: skip
"""Kind by suffix of tables and prose whose first bytes are neither text nor those of a format: the reader copes, or says why not."""

_MODELS = {
    ".pkl": "pickle", ".pickle": "pickle", ".joblib": "pickle", ".jbl": "pickle", ".npz": "npz", ".npy": "npy", ".h5": "hdf5", ".hdf5": "hdf5",
}  # fmt: skip
"""Kind by suffix of models under which tables are kept as well."""

_TRACKS = (".gpx", ".kml", ".tcx")

_ARCHIVES = frozenset({"gzip", "bzip2", "xz", "zstd", "lz4", "tar", "zip"})

PROSE_FORMATS = frozenset({"text", "markdown", "log", "html", "pdf", "office", "mail"})
"""Formats whose rows are lines of a text."""

Again = Callable[[int], Iterator[Any]]
"""Returns the batches of a source's table once more, by the table's number from 0."""


class DatasetScanner:
    """Yields a Dataset fact for each table, and detections where the place alone decides."""

    name = "dataset"

    def __init__(self) -> None:
        self._objects: dict[str, Any] = {}  # by store, the sources by their name: each listing is asked for once

    def plan(self, artifacts: Sequence[Artifact], settings: Mapping[str, Any]) -> Iterable[tuple[Artifact, ...]]:
        """Choose data files and prose: each as a group of its own, files that are one dataset together.

        The pictures of a folder are a group, and the splits of a dataset once more.
        """
        from mlguard.scanners.dataset import folders, split_names
        from mlguard.scanners.dataset.formats import media

        chosen: list[Artifact] = []
        for group in folders.groups(artifacts):
            if folders.layout(group) is not None:
                yield group
            elif wanted(group[0]):
                chosen.append(group[0])
                yield group
        yield from media.groups(artifacts)
        yield from split_names.groups(chosen)

    def scan(self, group: Sequence[Artifact], context: Context) -> Iterator[Record]:
        """Look at one file or one dataset of several, or compare the splits of a dataset."""
        found = self._scan(group, context)
        yield from found if context.hook else _honest(found, group[0].path)

    def _scan(self, group: Sequence[Artifact], context: Context) -> Iterator[Record]:
        from mlguard.scanners.dataset import folders, split_names
        from mlguard.scanners.dataset.formats import media

        if group[0].kind == "store" and len(group) > 1:
            from mlguard.scanners.dataset import remote

            yield from remote.scan_object(group, context, self._objects)
        elif "part" in context.settings:
            from mlguard.scanners.dataset import parts

            yield from _sized(parts.scan(group, context), group)
        elif split_names.is_group(group):
            if not context.hook:
                from mlguard.scanners.dataset import splits

                yield from splits.scan(group, context, context.settings.get("declared"))
        elif group[0].kind in media.KINDS:
            yield from media.scan(group, context)
        elif (layout := folders.layout(group)) is not None:
            yield from _sized(records(folders.tables(group, context), layout.name, context), group)
        else:
            yield from _sized(_artifact(group[0], context), group)


def _sized(found: Iterator[Record], group: Sequence[Artifact]) -> Iterator[Record]:
    """Yield the records, each dataset with the bytes that its files have."""
    size = sum(artifact.size for artifact in group)
    for record in found:
        yield replace(record, size=size) if isinstance(record, Dataset) and not record.size else record


_INCOMPLETE = {"unreadable": "unreadable", "too-large": "unreadable", "sampled": "sampled"}
"""Check of data/incomplete-data-scan by the kind of a gap."""


def _honest(found: Iterator[Record], path: str) -> Iterator[Record]:
    """Yield the records, and a detection for each reason for which a dataset was not wholly looked at."""
    told: set[tuple[str, str, str]] = set()
    try:
        for record in found:
            yield record
            if isinstance(record, Gap) and record.kind in _INCOMPLETE:
                key = record.path, _INCOMPLETE[record.kind], record.reason
                if key not in told:
                    told.add(key)
                    yield _incomplete(*key)
    except Unreadable as trouble:
        kind = _INCOMPLETE.get(getattr(trouble, "kind", "unreadable"))
        if kind is not None:
            yield _incomplete(path, kind, str(trouble))
        raise


def _incomplete(path: str, check: str, reason: str) -> Detection:
    return Detection(
        "data/incomplete-data-scan", check, Location(path), {"reason": reason}, anchor=reason, excerpt=("",)
    )


def _artifact(artifact: Artifact, context: Context) -> Iterator[Record]:
    if artifact.kind == "notebook":
        from mlguard.scanners.dataset import notebooks

        yield from notebooks.scan(artifact, context)
    elif artifact.kind == "store":
        from mlguard.scanners.dataset import remote

        yield from remote.scan(artifact, context)
    elif artifact.kind == "history":
        from mlguard.scanners.dataset import history

        yield from history.datasets(context.root, str(context.settings.get("history", "")), context)
    else:
        if artifact.kind == "sql":
            from mlguard.scanners.dataset import grants

            yield from grants.of_file(context, artifact.path)
        yield from _file(artifact, context)


def wanted(artifact: Artifact) -> bool:
    """Say whether the scanner reads this file, or says in a gap of its own why not."""
    path = artifact.path.lower()
    if artifact.kind in ("text", "model-text", "yaml") and places.is_prompt(artifact.path):
        return True
    if artifact.kind == "text":
        return places.is_prose(artifact.path) or places.may_hide(artifact.path)
    if artifact.kind == "binary":  # UTF-16 without a mark, streams of Arrow, or a gap
        return path.endswith(tuple(_BINARY))
    if artifact.kind == "model":
        return path.endswith(tuple(_MODELS))
    if artifact.kind in ("xml", "html"):
        return path.endswith(_TRACKS) or places.is_data(artifact.path) and not places.is_docs(artifact.path)
    if artifact.kind == "model-text":  # a word of a model's configuration hides no records
        return path.endswith(".json")
    return artifact.kind in KINDS


def format_of(artifact: Artifact) -> str:
    """Return the kind whose reader takes the file."""
    if artifact.kind == "yaml" or artifact.kind == "model-text" and not artifact.path.lower().endswith(".json"):
        return "text"  # a prompt
    if artifact.kind == "model-text":
        return "json"
    if artifact.kind == "model":
        return _MODELS.get(_suffix(artifact.path), "pickle")
    if artifact.kind == "binary":
        return _BINARY.get(_suffix(artifact.path), "binary")
    return artifact.kind


def _suffix(path: str) -> str:
    return "." + path.lower().rsplit(".", 1)[-1]


def _file(artifact: Artifact, context: Context) -> Iterator[Record]:
    from mlguard.scanners.dataset import formats, risk, source, stores

    if (unread := stores.unread(artifact.path)) is not None:
        yield unread
        return
    file, kind = source.of_file(context, artifact.path), format_of(artifact)
    if kind in _ARCHIVES:
        from mlguard.scanners.dataset.formats import archive

        yield from archive.traces(file)
    tables = stores.tables(file, kind)
    if tables is not None:
        yield from records(tables, artifact.path, context)
        return
    yield from records(
        formats.tables(file, kind), artifact.path, context, lambda number: risk.batches(file, kind, number)
    )


def records(tables: Iterator[Any], path: str, context: Context, again: Again | None = None) -> Iterator[Record]:
    """Yield what is to be said of the tables of one source. What was read before a failure is told all the same."""
    number = -1
    while True:
        table = next(tables, None)
        if table is None:
            return
        number += 1
        table.batches = _living(table, table.batches, context)
        yield from _table(table, path, context, partial(again, number) if again is not None else None)


def _living(table: Any, batches: Iterator[Any], context: Context) -> Iterator[Any]:
    """Yield the batches of a table, with a sign of life after each: a large file takes its time."""
    rows = 0
    for batch in batches:
        yield batch
        rows += batch.num_rows
        context.alive(rows, table.rows or 0)


def _table(table: Any, path: str, context: Context, again: Callable[[], Iterator[Any]] | None) -> Iterator[Record]:
    from mlguard.scanners.dataset import risk

    watch = None
    if not (context.hook or table.prose):
        watch = risk.Watch(path, context.settings.get("declared", {}).get(path), table.name)
    yield from told(counted(table, watch), path, context, again)


def counted(table: Any, watch: Any = None) -> Sketch:
    """Return what there is to count in a table, or in a part of it. What was read before a failure counts."""
    from mlguard.scanners.dataset.sketch import Sketch

    seen = Sketch(table.format, table.name, table.prose, watch=watch)
    try:
        for batch in table.batches:
            seen.schema = batch.schema if seen.schema is None else seen.schema
            seen.sheet.add(batch, table.places, table.prose)
            if watch is not None:
                watch.add(batch)
    except Unreadable as error:
        seen.trouble = getattr(error, "kind", "unreadable"), str(error)
    for name, lines in table.texts:
        seen.sheet.text(name, lines)
    seen.missed += table.missed
    return seen


def told(
    seen: Sketch, path: str, context: Context, again: Callable[[], Iterator[Any]] | None = None
) -> Iterator[Record]:
    """Yield what is to be said of a table that was counted. Raises Unreadable at the end when it was not read to its own."""
    from mlguard.scanners.dataset import stores

    if seen.schema is not None or seen.sheet.profiles:
        fields: tuple[Field, ...] = ()
        for record in _told(path, seen, seen.sheet, context):
            fields = record.fields if isinstance(record, Dataset) else fields
            yield record
        if seen.watch is not None:
            yield from seen.watch.records(fields, again)
        if fields and not places.is_remote(path):
            place = stores.where(
                path, seen.format, seen.schema, stores.beside(context, path), _beginning(path, seen.format, context)
            )
            yield from stores.told(path, place, fields)
    for kind, reason in seen.missed:
        yield Gap("dataset", path, kind, reason)
    for reason in seen.sheet.missed:
        yield Gap("dataset", path, "unreadable", reason)
    if seen.trouble is not None:
        raise Ended(*seen.trouble)


class Ended(Unreadable):
    """A table that was not read to its end. ``kind`` is that of the gap."""

    def __init__(self, kind: GapKind, reason: str) -> None:
        super().__init__(reason)
        self.kind: GapKind = kind


def _beginning(path: str, form: str, context: Context) -> bytes:
    """Return the first bytes of a dump, which tell of what."""
    from mlguard.scanners.dataset import source

    return source.of_file(context, path).head() if form == "sql" else b""


def _told(path: str, table: Any, sheet: Any, context: Context) -> Iterator[Record]:
    from mlguard.scanners.dataset import prose, terms, verdict
    from mlguard.scanners.dataset.table import PROSE

    form = "log" if table.format == "text" and places.is_dump(path) else table.format
    seen = verdict.judge(sheet.profiles)
    if form == "sql":  # numbers and addresses were found in the lines
        seen = [field for field in seen if field.name == PROSE or field.strength == "context"]
    said = prose.said(
        path, sheet.profiles, context.settings, context.root, names=not context.hook and not places.is_docs(path)
    )
    fields = verdict.merged([*seen, *said.fields])
    if form == "text" and not places.is_data(path):
        fields = tuple(_mentioned(field, sheet) for field in fields)
    fact = Dataset(
        path,
        form,
        sheet.rows,
        sheet.width,
        fields,
        terms.shown_path(table.name),
        said.languages,
        said.masked,
        schema=sheet.schema(),
    )
    yield from said.gaps
    if places.is_test(path):
        fact = replace(fact, fields=tuple(field for field in fields if not _synthetic(field, sheet)))
        yield fact
        yield from _everywhere("data/personal-data-in-tests", fact)
    elif places.is_prompt(path):
        yield replace(
            fact,
            fields=tuple(
                field for field in fields if field.strength in ("context", "ner") or not _synthetic(field, sheet)
            ),
        )
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
