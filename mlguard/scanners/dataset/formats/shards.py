"""Reads files that are one table together, one after the other: shards, partitions, the data files of a lake."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from mlguard import redact
from mlguard.errors import Unreadable
from mlguard.scanners.dataset import folders, formats
from mlguard.scanners.dataset.folders import Folder, Form
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import BATCH_BYTES, BATCH_ROWS, MAX_COLUMNS, MissedKind, Table
from mlguard.values import dataclass, field

MAX_REASONS = 20
"""Files whose trouble is told one by one. Further ones are counted."""

MAX_LINES = 20_000
"""Lines of text beside the rows that are kept of all files together, for each kind of text."""

MAX_LINE_CHARS = 4000
"""Characters of one such line."""

MAX_SIDE_BYTES = 8 * 2**20
"""The largest description beside shards that is read."""

DATA_SUFFIXES = (".parquet", ".orc", ".avro", ".csv", ".json", ".arrow", ".feather")
"""Suffixes of data files in the folder of a lake."""


class Positions(Protocol):
    """Rows of one file, by their place from 0."""

    def mask(self, start: int, count: int) -> Any:
        """Return an array of NumPy that says for each of ``count`` rows from ``start`` on whether it is one of them."""
        ...


@dataclass(frozen=True, slots=True)
class Piece:
    """A file of a table: ``path`` as the table calls it, ``keys`` its constant columns.

    With ``masked`` only the rows outside of these positions count, with ``inside`` only those that are in them.
    """

    path: str
    source: Source
    kind: str = ""
    keys: tuple[tuple[str, str | None], ...] = ()
    masked: Positions | None = None
    inside: bool = False
    names: Mapping[str, str] = field(default_factory=dict)  # name of a column in the table by its name in the file
    stretch: tuple[int, int, int] = (0, 1, 1)  # of a Parquet file, see there
    spare: bool = False


@dataclass(slots=True)
class Troubles:
    """Reasons by kind of gap, of which only the first ones are told one by one."""

    table: Table
    told: int = 0
    further: dict[MissedKind, int] = field(default_factory=dict)

    def add(self, kind: MissedKind, reason: str) -> None:
        """Note what was not read."""
        if (kind, reason) in self.table.missed:
            return
        if self.told < MAX_REASONS:
            self.told += 1
            self.table.missed.append((kind, reason))
        else:
            self.further[kind] = self.further.get(kind, 0) + 1

    def close(self) -> None:
        """Note how many reasons were left out."""
        for kind, count in sorted(self.further.items()):
            self.table.missed.append((kind, f"{count:,} further parts of the dataset could not be read in full"))
        self.further.clear()


def whole(format_: str, name: str, pieces: Iterable[Piece], prose: bool = False) -> Table:
    """Return the table of these files. What goes wrong with one is noted, and the others are read all the same."""
    table = Table(format_, iter(()), name, prose=prose)
    table.batches = together(_batches(table, pieces))
    return table


def together(batches: Iterator[Any]) -> Iterator[Any]:
    """Yield the batches with small ones of equal columns put together: each has a price, and shards may have few rows."""
    held: list[Any] = []
    rows = size = 0
    for batch in batches:
        if held and (
            rows + batch.num_rows > BATCH_ROWS
            or size + batch.nbytes > BATCH_BYTES
            or not held[0].schema.equals(batch.schema)
        ):
            yield _joined(held)
            held, rows, size = [], 0, 0
        held.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
    if held:
        yield _joined(held)


def _joined(batches: list[Any]) -> Any:
    import pyarrow as pa

    if len(batches) == 1:
        return batches[0]
    columns = [_flat(pa.chunked_array(parts)) for parts in zip(*(batch.columns for batch in batches), strict=True)]
    return pa.RecordBatch.from_arrays(columns, names=batches[0].schema.names)


def _flat(column: Any) -> Any:
    """Return one array of several; their sizes are bounded by BATCH_BYTES, so that offsets of 32 bits are enough."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
        return pa.DictionaryArray.from_arrays(
            pa.concat_arrays([chunk.indices for chunk in column.chunks]), column.chunk(0).dictionary
        )
    return pa.concat_arrays(column.chunks)


def _batches(table: Table, pieces: Iterable[Piece]) -> Iterator[Any]:
    troubles = Troubles(table)
    columns: list[tuple[str, int]] = []
    for piece in pieces:
        try:
            yield from _of_piece(table, piece, columns, troubles)
        except Unreadable as trouble:
            troubles.add("unreadable", f"{folders.shown(piece.path)}: {trouble}")
    troubles.close()


def _of_piece(table: Table, piece: Piece, columns: list[tuple[str, int]], troubles: Troubles) -> Iterator[Any]:
    place = 0
    for inner in _tables(piece):
        try:
            for batch in inner.batches:
                start, place = place, place + batch.num_rows
                kept = _kept(batch, piece, start)
                if kept.num_rows:
                    yield _aligned(kept, piece, columns, troubles)
        finally:
            for kind, reason in inner.missed:
                troubles.add(kind, f"{folders.shown(piece.path)}: {reason}")
            if not piece.inside:
                for name, lines in inner.texts:
                    note(table, name, lines)


def _tables(piece: Piece) -> Iterator[Table]:
    if piece.kind == "parquet":
        from mlguard.scanners.dataset.formats import parquet

        return parquet.tables(piece.source, piece.stretch, piece.spare)
    return formats.tables(piece.source, piece.kind)


def _kept(batch: Any, piece: Piece, start: int) -> Any:
    if piece.masked is None:
        return batch
    import pyarrow as pa

    mask = piece.masked.mask(start, batch.num_rows)
    return batch.filter(pa.array(mask if piece.inside else ~mask))


def _aligned(batch: Any, piece: Piece, columns: list[tuple[str, int]], troubles: Troubles) -> Any:
    """Return the batch with its columns at the places that earlier files gave to their names; new ones come last."""
    import pyarrow as pa

    arrays: dict[tuple[str, int], Any] = {}
    seen: dict[str, int] = {}
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        called = piece.names.get(name, name)
        seen[called] = seen.get(called, -1) + 1
        arrays[called, seen[called]] = renamed(array, piece.names) if piece.names else array
    for name, value in piece.keys:
        if name not in seen:
            arrays[name, 0] = _constant(value, batch.num_rows)
    known = set(columns)
    fresh = [key for key in arrays if key not in known]
    if len(columns) + len(fresh) > MAX_COLUMNS:
        troubles.add("too-large", f"the files have more than {MAX_COLUMNS:,} columns together")
        fresh = fresh[: MAX_COLUMNS - len(columns)]
    columns += fresh
    ordered = [arrays[key] if key in arrays else pa.nulls(batch.num_rows) for key in columns]
    return pa.RecordBatch.from_arrays(ordered, names=[name for name, _ in columns])


def renamed(array: Any, names: Mapping[str, str]) -> Any:
    """Return the array with the fields of its structs under the table's names."""
    import pyarrow as pa

    if pa.types.is_struct(array.type):
        fields = [array.type.field(at) for at in range(array.type.num_fields)]
        parts = [renamed(part, names) for part in array.flatten()]
        called = [names.get(field.name, field.name) for field in fields]
        return pa.StructArray.from_arrays(parts, names=called, mask=array.is_null()) if parts else array
    return array


def _constant(value: str | None, count: int) -> Any:
    import pyarrow as pa

    if value is None:
        return pa.nulls(count, pa.string())
    return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), count), pa.array([value]))


def note(table: Table, name: str, lines: Iterable[str]) -> None:
    """Add lines to a text beside the rows, up to MAX_LINES, and say when there are more."""
    known = next((kept for called, kept in table.texts if called == name), None)
    if known is None:
        known = []
        table.texts.append((name, known))
    for line in lines:
        if len(known) >= MAX_LINES:
            reason: tuple[MissedKind, str] = ("sampled", f"of the text {name} only {MAX_LINES:,} lines were read")
            if reason not in table.missed:
                table.missed.append(reason)
            return
        known.append(line[:MAX_LINE_CHARS])


def texts_in(value: Any, key: str = "") -> Iterator[str]:
    """Yield every text and number in a value of JSON as "key: value", without recursion; keys count as texts, too."""
    stack: list[tuple[str, Any]] = [(key, value)]
    while stack:
        name, item = stack.pop()
        if isinstance(item, dict):
            stack += [(str(inner), part) for inner, part in reversed(item.items())]
        elif isinstance(item, list):
            stack += [(name, part) for part in reversed(item)]
        elif isinstance(item, bool) or item is None:
            continue
        else:
            yield f"{name}: {item}" if name else str(item)


def parsed(data: bytes) -> Any:
    """Return what a document of JSON holds. Raises Unreadable, never with a word of it."""
    import json

    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise Unreadable("this is no JSON, or too deeply nested") from None


def inside(path: str) -> str | None:
    """Return a path that a table's log names as one relative to the table, None when it leads elsewhere."""
    if not path or "\\" in path or "\0" in path or path.startswith("/") or ":" in path.split("/", 1)[0]:
        return None
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return None if ".." in parts else "/".join(parts)


def whole_of(source: Source, limit: int) -> bytes:
    """Return all bytes of a source. Raises Unreadable when there are more than ``limit``."""
    data = source.head(limit + 1)
    if len(data) > limit:
        raise Unreadable(f"larger than {limit // 2**20} MB")
    return data


def read(
    folder: Folder,
    form: Form,
    stretches: Mapping[str, tuple[int, int, int]] | None = None,
    last: bool = True,
    spare: bool = False,
) -> Iterator[Table]:
    """Yield the one table of shards or of a partitioned folder, with the texts of the descriptions beside them.

    Of a part of it, ``stretches`` are the files and what is read of each, and ``last`` says that the descriptions go with it.
    """
    rows = [(path, source) for path, source in sorted(folder.files.items()) if not folders.aside(path)]
    rows = [(path, source) for path, source in rows if form != "hudi" or path.lower().endswith(DATA_SUFFIXES)]
    if form == "hudi":
        rows = [(path, source) for path, source in rows if not path.startswith(".hoodie/")]
    prose, format_ = _first(rows)
    if stretches is None:
        pieces = (Piece(path, source, _kind(source), folders.keys_of(path)) for path, source in rows)
    else:
        pieces = (
            Piece(path, source, _kind(source), folders.keys_of(path), stretch=stretches[path], spare=spare)
            for path, source in rows
            if path in stretches
        )
    table = whole(format_ if form == "shards" else form, "", pieces, prose)
    read_all = table.batches
    table.batches = _with_descriptions(table, read_all, folder, form) if last else read_all
    yield table


def _with_descriptions(table: Table, batches: Iterator[Any], folder: Folder, form: Form) -> Iterator[Any]:
    yield from batches
    if form == "hudi":
        table.missed.append(
            ("skipped", "change logs and the timeline of Hudi are not read; rows of older file versions count as rows")
        )
    for path in sorted(folder.files):
        if path.rsplit("/", 1)[-1] in ("dataset_info.json", "dataset_dict.json"):
            try:
                note(table, "(description)", texts_in(parsed(whole_of(folder.files[path], MAX_SIDE_BYTES))))
            except Unreadable as trouble:
                table.missed.append(("unreadable", f"{folders.shown(path)}: {trouble}"))
        elif path.rsplit("/", 1)[-1] in ("_metadata", "_common_metadata"):
            _footers(table, path, folder.files[path])


def _footers(table: Table, path: str, source: Source) -> None:
    """Take the least and greatest values of all shards from their common footer, which may outlive them."""
    from mlguard.scanners.dataset.formats import parquet

    try:
        with parquet.opened(source) as file:
            for name, lines in parquet.footer(file):
                note(table, name, lines)
    except Unreadable as trouble:
        table.missed.append(("unreadable", f"{folders.shown(path)}: {trouble}"))


def _kind(source: Source) -> str:
    """Return the kind of a shard; bytes without a magic number under the name of Arrow are a stream of it."""
    try:
        kind = formats.kind_of(source)
    except Unreadable:
        return ""
    return "arrow" if kind == "binary" and source.called.lower().endswith((".arrow", ".feather")) else kind


def _first(rows: Sequence[tuple[str, Source]]) -> tuple[bool, str]:
    """Say whether the shards are prose, and their format, by the first one that can be read."""
    for _, source in rows[:MAX_REASONS]:
        try:
            kind = _kind(source)
            table = next(iter(formats.tables(source, kind)), None)
        except Unreadable:
            continue
        if table is not None:
            return table.prose, table.format
    return False, "folder"


def keys_named(keys: Mapping[str, Any], names: Mapping[str, str]) -> tuple[tuple[str, str | None], ...]:
    """Return the values of partitions as constant columns under the table's names."""
    return tuple(
        (names.get(name, name), None if value is None else str(value)) for name, value in sorted(keys.items()) if name
    )


def on_disk(folder: Folder, apart: Callable[[str], bool]) -> list[str]:
    """Return the data files that lie in the folder of a lake, sorted, less those of its own bookkeeping."""
    return sorted(path for path in folder.files if path.lower().endswith(DATA_SUFFIXES) and not apart(path))


def suspect(names: Iterable[str]) -> str:
    """Return names of a table's features fit to be shown."""
    return ", ".join(sorted(redact.text(name, 40) for name in names))
