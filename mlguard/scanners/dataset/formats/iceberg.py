"""Reads Apache Iceberg tables: the rows of the current snapshot, rows that are gone but still on disk, values kept in manifests.

Written from the specification, https://iceberg.apache.org/spec/. Metadata is data from a stranger: no location in it is opened that
is not a file of the table's folder. What the current snapshot names is the table; every other data file in the folder is deleted
rows, whatever the metadata says.
"""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from mlguard.errors import Unreadable
from mlguard.scanners.dataset import folders, formats
from mlguard.scanners.dataset.cells import values_of
from mlguard.scanners.dataset.folders import Folder
from mlguard.scanners.dataset.formats import avro, roaring, shards
from mlguard.scanners.dataset.formats.delta import DELETED, LOG_TEXT
from mlguard.scanners.dataset.formats.shards import Piece, Positions
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import MAX_COLUMNS, Table

KEYS = "(equality deletes)"
"""Name of the table of values by which rows were deleted: those are values of the rows."""

MAX_METADATA_BYTES = 64 * 2**20
"""The largest metadata file that is read."""

MAX_METADATA_FILES = 200
"""Older metadata files whose texts are read, newest first."""

MAX_MANIFESTS = 100_000
"""Manifests that are read of one table, of all snapshots."""

MAX_FILES = 2_000_000
"""Entries of all manifests."""

MAX_POSITIONS = 20_000_000
"""Rows that position deletes name one by one, in all."""

_METADATA = re.compile(r"^metadata/(?:v?(\d+)[^/]*)?[^/]*\.metadata\.json(?:\.gz)?$")
_GZIP = b"\x1f\x8b"
_PUFFIN_MAGIC = b"\xd1\xd3\x39\x64"

_TECHNICAL = frozenset(
    {
        "location", "table-uuid", "metadata-file", "manifest-list", "manifests", "statistics-path", "write.parquet.compression-codec", "engine-name",
        "engine-version", "iceberg-version", "app-id", "operation", "type", "transform", "direction", "null-order", "action",
    }
)  # fmt: skip
"""Keys of metadata that hold nothing a person wrote."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A data or delete file of a manifest. ``content``: 0 rows, 1 positions of deleted rows, 2 keys of deleted rows."""

    path: str
    content: int
    format: str
    bounds: tuple[str, ...]
    target: str = ""  # the data file that a deletion vector is for
    blob: tuple[int, int] | None = None  # its offset and length in a Puffin file


@dataclass(slots=True)
class _State:
    folder: Folder
    location: str = ""
    names: dict[int, tuple[str, str]] = field(default_factory=dict)  # (name, type) of a column by its id
    lines: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    outside: set[str] = field(default_factory=set)
    manifests: dict[str, list[tuple[int, _Entry]]] = field(default_factory=dict)  # (status, entry)
    entries: int = 0
    positions: int = 0

    def miss(self, reason: str) -> None:
        if reason not in self.missed:
            self.missed.append(reason)

    def tell(self, lines: Iterable[str]) -> None:
        for line in lines:
            if len(self.lines) > shards.MAX_LINES:
                return
            self.lines.append(line[: shards.MAX_LINE_CHARS])


def tables(source: Source) -> Iterator[Table]:
    """Refuse a single file: a table is a folder, see ``read``."""
    raise Unreadable("a file of an Iceberg table says nothing without the folder around it")


def read(folder: Folder) -> Iterator[Table]:
    """Yield the table of the current snapshot, that of rows that are gone but still on disk, and that of deleted keys."""
    state = _State(folder)
    current = _metadata(state)
    live, deletes = _snapshots(current, state)
    masks = _masks(deletes, live, state)
    keyed = sorted({entry.path for entry in deletes if entry.content == 2})
    if keyed:
        state.miss("rows deleted by key count as live: equality deletes are not applied")

    present = [(path, folder.files[path]) for path in sorted(live) if path in folder.files]
    table = shards.whole(
        "iceberg",
        "",
        [Piece(path, source, keys=folders.keys_of(path), masked=masks.get(path)) for path, source in present],
    )
    shards.note(table, "(footer)", (line for path in sorted(live) for line in live[path].bounds))
    shards.note(table, LOG_TEXT, state.lines)
    table.missed += [("unreadable", reason) for reason in state.missed]
    if state.outside:
        table.missed.append(("skipped", f"{len(state.outside):,} files that the metadata names lie outside the table's folder and are not followed"))  # fmt: skip
    if lost := len(live) - len(present):
        table.missed.append(("missing", f"{lost:,} files of the current snapshot are not in the table's folder"))
    yield table

    yield from _gone(folder, state, present, masks, {entry.path for entry in deletes})


def _gone(
    folder: Folder, state: _State, present: list[tuple[str, Source]], masks: Mapping[str, Positions], deletes: set[str]
) -> Iterator[Table]:
    """Yield what is on disk beside the rows of the current snapshot."""
    known = {path for path, _ in present} | deletes
    keyed = set()
    for listed in state.manifests.values():
        for _, entry in listed:
            if entry.content == 2 and entry.path in folder.files:
                keyed.add(entry.path)
            if entry.content:  # places of rows, and nothing of the rows
                known.add(entry.path)
    dead = [Piece(path, source, masked=masks[path], inside=True) for path, source in present if path in masks]
    dead += [
        Piece(path, folder.files[path], keys=folders.keys_of(path))
        for path in shards.on_disk(folder, lambda path: path.startswith("metadata/") or path in known)
    ]
    if dead:
        yield shards.whole("iceberg", DELETED, dead)
    if keyed:
        yield shards.whole("iceberg", KEYS, [Piece(path, folder.files[path]) for path in sorted(keyed)])


def _metadata(state: _State) -> Mapping[str, Any]:
    """Return the newest metadata that can be read, and note the texts in all of it."""
    files = [path for path in state.folder.files if _METADATA.match(path)]
    read: list[tuple[tuple[int, int, int, str], Mapping[str, Any]]] = []
    for path in sorted(files, key=_version, reverse=True)[:MAX_METADATA_FILES]:
        try:
            body = shards.parsed(_plain(state.folder.files[path]))
            if not isinstance(body, dict):
                raise Unreadable("this is no metadata of a table")
        except Unreadable as trouble:
            state.miss(f"a metadata file cannot be read: {trouble}")
            continue
        order = (_int(body.get("last-sequence-number")), _int(body.get("last-updated-ms")), *_version(path))
        read.append((order, body))
    if len(files) > MAX_METADATA_FILES:
        state.miss(f"only the newest {MAX_METADATA_FILES} metadata files were read")
    if not read:
        raise Unreadable("none of the table's metadata can be read")
    current = max(read, key=lambda pair: pair[0])[1]
    location = current.get("location")
    state.location = location.rstrip("/") if isinstance(location, str) else ""
    told: dict[str, None] = {}
    for _, body in read:
        told.update(dict.fromkeys(_texts(body)))
        _columns(body, state)
    state.tell(told)
    if _int(current.get("format-version")) > 3:
        state.miss("the table is of a version of the format that this reader does not know")
    return current


def _version(path: str) -> tuple[int, str]:
    match = _METADATA.match(path)
    number = match[1] if match and match[1] and len(match[1]) < 16 else ""
    return (int(number) if number else -1, path)


def _int(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _plain(source: Source) -> bytes:
    data = shards.whole_of(source, MAX_METADATA_BYTES)
    if not data.startswith(_GZIP):
        return data
    try:
        unpacked = zlib.decompressobj(31).decompress(data, MAX_METADATA_BYTES + 1)
    except (zlib.error, gzip.BadGzipFile):
        raise Unreadable("damaged") from None
    if len(unpacked) > MAX_METADATA_BYTES:
        raise Unreadable(f"larger than {MAX_METADATA_BYTES // 2**20} MB")
    return unpacked


def _texts(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield what people wrote into the metadata: properties, comments of columns, default values, summaries of snapshots."""
    for part in ("properties", "snapshots", "schemas", "schema", "refs"):
        stack: list[tuple[str, Any]] = [("", body.get(part))]
        while stack:
            key, item = stack.pop()
            if isinstance(item, dict):
                stack += [(str(name), value) for name, value in item.items() if name not in _TECHNICAL]
            elif isinstance(item, list):
                stack += [(key, value) for value in item]
            elif isinstance(item, str) and not _says_little(key, item, part):
                yield f"{key}: {item}"


def _says_little(key: str, value: str, part: str) -> bool:
    """Say whether a text of the metadata is a column's name or a count."""
    return (
        key == "name"
        and part.startswith("schema")
        or value.isdigit()
        and key.startswith(("added-", "total-", "deleted-", "removed-", "changed-"))
    )


def _columns(body: Mapping[str, Any], state: _State) -> None:
    schemas = body.get("schemas")
    stack = [body.get("schema"), *(schemas if isinstance(schemas, list) else [])]
    while stack and len(state.names) < MAX_COLUMNS:
        item = stack.pop()
        if isinstance(item, list):
            stack += item
        elif isinstance(item, dict):
            kind = item.get("type")
            if isinstance(item.get("id"), int) and isinstance(item.get("name"), str):
                state.names.setdefault(item["id"], (item["name"], kind if isinstance(kind, str) else ""))
            if isinstance(item.get("element-id"), int):
                inner = item.get("element")
                state.names.setdefault(item["element-id"], ("", inner if isinstance(inner, str) else ""))
            stack += [part for part in item.values() if isinstance(part, (dict, list))]


def _relative(path: Any, state: _State) -> str | None:
    """Return a location as a path below the table's folder; None when it leads elsewhere, which is noted."""
    if not isinstance(path, str) or not path:
        return None
    found = []
    for form in (lambda text: text, lambda text: unquote(urlsplit(text).path)):
        try:
            full, base = form(path), form(state.location)
        except ValueError:
            continue
        if base and full.startswith(base.rstrip("/") + "/"):
            found.append(shards.inside(full[len(base.rstrip("/")) + 1 :]))
    found.append(shards.inside(path) if shards.inside(path) in state.folder.files else None)
    known = [below for below in found if below is not None]
    for below in known:
        if below in state.folder.files:
            return below
    if known:
        return known[0]
    state.outside.add(path)
    return None


def _snapshots(current: Mapping[str, Any], state: _State) -> tuple[dict[str, _Entry], list[_Entry]]:
    """Return the data files of the current snapshot by path, and its delete files; bounds of all others become texts."""
    listed = current.get("snapshots")
    snapshots = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    now = current.get("current-snapshot-id")
    live: dict[str, _Entry] = {}
    deletes: list[_Entry] = []
    for snapshot in snapshots:
        if snapshot.get("snapshot-id") == now and now is not None:
            for status, entry in _listed(snapshot, state, True):
                if status == 2:
                    continue
                if entry.content == 0:
                    live[entry.path] = entry
                else:
                    deletes.append(entry)
    for snapshot in snapshots:
        if snapshot.get("snapshot-id") != now:
            for _ in _listed(snapshot, state, False):
                pass
    for path in sorted(state.folder.files):  # of snapshots that expired
        if path.startswith("metadata/") and path.endswith(".avro") and "snap-" not in path:
            _manifest(path, state, False)
    gone: dict[str, None] = {}
    for name in sorted(state.manifests):
        for status, entry in state.manifests[name]:
            if entry.content or status == 2 or entry.path not in live:
                gone.update(dict.fromkeys(entry.bounds))
    state.tell(gone)
    return live, deletes


def _listed(snapshot: Mapping[str, Any], state: _State, needed: bool) -> Iterator[tuple[int, _Entry]]:
    """Yield (status, entry) of each file that a snapshot names."""
    names: list[Any] = []
    if snapshot.get("manifest-list"):
        path = _relative(snapshot["manifest-list"], state)
        source = state.folder.get(path) if path else None
        if source is not None:
            try:
                names = [row.get("manifest_path") for row in _records(source)]
            except Unreadable as trouble:
                state.miss(f"a list of manifests cannot be read: {trouble}")
        elif needed:
            state.miss("the list of manifests of the current snapshot is missing: which rows are live is not known")
    elif isinstance(snapshot.get("manifests"), list):
        names = snapshot["manifests"]
    for name in names:
        manifest = _relative(name, state)
        if manifest is not None:
            yield from _manifest(manifest, state, needed)


def _manifest(path: str, state: _State, needed: bool) -> list[tuple[int, _Entry]]:
    """Return (status, entry) of a manifest, each of which is read once."""
    if path in state.manifests:
        return state.manifests[path]
    source = state.folder.get(path)
    if source is None:
        if needed:
            state.miss("a manifest of the current snapshot is missing: which rows are live is not known")
        return []
    found = state.manifests[path] = []
    if len(state.manifests) > MAX_MANIFESTS:
        state.miss(f"only {MAX_MANIFESTS:,} manifests were read")
        return found
    try:
        for row in _records(source):
            state.entries += 1
            if state.entries > MAX_FILES:
                raise Unreadable(f"the table has more than {MAX_FILES:,} files")
            if (entry := _entry(row, state)) is not None:
                found.append((_int(row.get("status")), entry))
    except Unreadable as trouble:
        state.miss(f"a manifest cannot be read: {trouble}")
    return found


def _records(source: Source) -> Iterator[Mapping[str, Any]]:
    """Yield the records of an Avro file as dictionaries. Raises Unreadable."""
    with source.open() as file:
        meta = avro.header(file)
        schema = avro.schema_of(meta)
        for block in avro.blocks(file, meta):
            for row in avro.decoded([block], schema):
                if not isinstance(row, dict):
                    raise Unreadable("this is no manifest")
                yield row


def _entry(row: Mapping[str, Any], state: _State) -> _Entry | None:
    body = row.get("data_file")
    if not isinstance(body, dict):
        return None
    path = _relative(body.get("file_path"), state)
    if path is None:
        return None
    offset, size = body.get("content_offset"), body.get("content_size_in_bytes")
    target = body.get("referenced_data_file")
    return _Entry(
        path,
        _int(body.get("content")),
        str(body.get("file_format", "")).lower(),
        tuple(_bounds(body, state)),
        (_relative(target, state) or "") if target else "",
        (offset, size) if isinstance(offset, int) and isinstance(size, int) else None,
    )


def _bounds(body: Mapping[str, Any], state: _State) -> Iterator[str]:
    """Yield the smallest and largest values of a file's columns, and the values of its partition."""
    for key in ("lower_bounds", "upper_bounds"):
        pairs = body.get(key)
        for pair in pairs if isinstance(pairs, list) else []:
            if isinstance(pair, dict) and isinstance(pair.get("value"), bytes):
                name, kind = state.names.get(_int(pair.get("key")), ("", "string"))
                value = _value(pair["value"], kind)
                if value:
                    yield f"{name}: {value}" if name else value
    partition = body.get("partition")
    yield from shards.texts_in(partition if isinstance(partition, dict) else None)


def _value(data: bytes, kind: str) -> str:
    """Return a bound in words: texts and whole numbers, which are what can name a person."""
    if kind == "string":
        return data.decode("utf-8", "replace")
    if kind in ("int", "long") and len(data) in (4, 8):
        return str(struct.unpack("<i" if len(data) == 4 else "<q", data)[0])
    if kind.startswith("decimal") and len(data) <= 16:
        return str(int.from_bytes(data, "big", signed=True))
    if kind in ("", "binary") or kind.startswith("fixed"):
        return data.decode("utf-8", "ignore") if data.isascii() else ""
    return ""


def _masks(deletes: Iterable[_Entry], live: Mapping[str, _Entry], state: _State) -> dict[str, Positions]:
    """Return the deleted rows of each live file, by deletion vectors and by files of positions."""
    masks: dict[str, Positions] = {}
    named: dict[str, list[Any]] = {}
    for entry in deletes:
        if entry.content != 1:
            continue
        source = state.folder.get(entry.path)
        try:
            if source is None:
                raise Unreadable("it is missing")
            if entry.blob is not None or entry.format == "puffin":
                masks[entry.target] = roaring.parse(_blob(source, entry.blob))
            else:
                _positions(source, named, live, state)
        except Unreadable as trouble:
            state.miss(f"a file of deleted positions cannot be read, its rows count as live: {trouble}")
    if named:
        import numpy as np

        for path, parts in named.items():
            if path not in masks:  # a deletion vector stands for all position deletes before it
                masks[path] = roaring.Positions(np.unique(np.concatenate(parts)))
    return masks


def _blob(source: Source, blob: tuple[int, int] | None) -> bytes:
    """Return a bitmap out of a Puffin file: length, magic number, bitmap, CRC-32."""
    if blob is None or blob[0] < 0 or not 12 <= blob[1] <= roaring.MAX_BYTES:
        raise Unreadable("its size or place cannot be")
    try:
        with source.open() as file:
            file.seek(blob[0])
            data = file.read(blob[1])
    except (OSError, EOFError, ValueError):
        raise Unreadable("its file cannot be read") from None
    body = data[4:-4]
    if len(data) != blob[1] or int.from_bytes(data[:4], "big") != len(body) or not body.startswith(_PUFFIN_MAGIC):
        raise Unreadable("it is of no known form")
    if int.from_bytes(data[-4:], "big") != zlib.crc32(body):
        raise Unreadable("its check sum is wrong")
    return body


def _positions(source: Source, named: dict[str, list[Any]], live: Mapping[str, _Entry], state: _State) -> None:
    import pyarrow as pa

    for table in formats.tables(source):
        for batch in table.batches:
            if not {"file_path", "pos"} <= set(batch.schema.names):
                raise Unreadable("it names no positions")
            state.positions += batch.num_rows
            if state.positions > MAX_POSITIONS:
                raise Unreadable(f"there are more than {MAX_POSITIONS:,} deleted positions")
            try:
                places = batch.column("pos").cast(pa.int64())
                coded = batch.column("file_path").cast(pa.string()).dictionary_encode()
            except pa.ArrowException:
                raise Unreadable("it names no positions") from None
            if places.null_count or coded.null_count:
                raise Unreadable("it names no positions")
            indices, values = values_of(coded.indices), values_of(places)
            for code, text in enumerate(coded.dictionary.to_pylist()):
                path = _relative(text, state)
                if path in live:
                    chosen = values[indices == code]
                    named.setdefault(str(path), []).append(chosen[chosen >= 0])
