"""Reads Delta Lake tables: the live rows, the rows deleted but still on disk, and what the log itself tells of both.

Written from the protocol, https://github.com/delta-io/delta/blob/master/PROTOCOL.md. The log is data from a stranger: no path in it
is opened that is not a file of the table's folder, and no statement in it decides whether a file is looked at. What a log calls live
is the table; every other data file in the folder is deleted rows, whatever the log says.
"""

from __future__ import annotations

import base64
import string
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from mlguard import lazy
from mlguard.errors import Unreadable
from mlguard.scanners.dataset import folders
from mlguard.scanners.dataset.folders import Folder
from mlguard.scanners.dataset.formats import roaring, shards
from mlguard.scanners.dataset.formats.shards import Piece, Positions
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import Table
from mlguard.values import dataclass, field, replace

LOG = "_delta_log/"

DELETED = "(deleted, still on disk)"
"""Name of the table of rows that the current version does not show."""

LOG_TEXT = "(log)"
"""Name of the text of what the log keeps of rows that are gone, and of who changed what."""

MAX_LINE_BYTES = 16 * 2**20
"""The longest action of a log."""

MAX_COMMIT_BYTES = 512 * 2**20
"""What is read of one commit."""

MAX_ACTIONS = 5_000_000
"""Actions of a whole log, checkpoints included."""

MAX_FILES = 2_000_000
"""Live files of a table."""

MAX_COLUMN_NAMES = 20_000
"""Columns, nested ones too, whose names are mapped."""

_COMMIT = lazy.pattern(r"^_delta_log/(\d{20})\.json$")
_CHECKPOINT = lazy.pattern(
    r"^_delta_log/(\d{20})\.checkpoint(?:\.(?P<part>\d{10})\.(?P<of>\d{10})|\.(?P<v2>[0-9a-fA-F-]{36}))?\.(?:parquet|json)$"
)
_FEATURES_READ = frozenset(
    {
        "columnMapping", "deletionVectors", "timestampNtz", "typeWidening", "typeWidening-preview", "v2Checkpoint", "vacuumProtocolCheck",
        "variantType", "variantType-preview", "variantShredding-preview", "appendOnly", "invariants", "checkConstraints", "changeDataFeed",
        "generatedColumns", "identityColumns", "allowColumnDefaults", "domainMetadata", "rowTracking", "icebergCompatV1",
        "icebergCompatV2", "clustering", "inCommitTimestamp",
    }
)  # fmt: skip
"""Table features that this reader knows, or that change nothing for one who reads."""

_TECHNICAL = frozenset(
    {
        "timestamp", "operation", "isolationLevel", "isBlindAppend", "engineInfo", "txnId", "clusterId", "readVersion", "clientVersion",
        "operationMetrics", "inCommitTimestamp", "mode",
    }
)  # fmt: skip
"""Keys of ``commitInfo`` that hold nothing a person wrote."""


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    vector: Mapping[str, Any] | None
    keys: Mapping[str, Any]
    stats: Any


@dataclass(slots=True)
class _Log:
    """What a log says of its table, and what of it could not be read."""

    live: dict[tuple[str, str], _File] = field(default_factory=dict)
    gone: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # values of partitions, by path
    lines: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    actions: int = 0
    outside: int = 0

    def miss(self, reason: str) -> None:
        if reason not in self.missed:
            self.missed.append(reason)

    def tell(self, lines: Iterable[str]) -> None:
        for line in lines:
            if len(self.lines) > shards.MAX_LINES:  # one more than is kept, so that the rest is told
                return
            self.lines.append(line[: shards.MAX_LINE_CHARS])


def tables(source: Source) -> Iterator[Table]:
    """Refuse a single file: a table is a folder, see ``read``."""
    raise Unreadable("a file of a Delta table says nothing without the folder around it")


def read(folder: Folder) -> Iterator[Table]:
    """Yield the table of live rows, and the one of rows that are deleted but still on disk where there are any."""
    log = _replayed(folder)
    live, lost = _found(folder, log)
    vectors = [_vector(folder, file, log) for file, _ in live]

    table = shards.whole("delta", "", _live(live, vectors, log))
    shards.note(table, "(footer)", (line for file, _ in live for line in _bounds(file.stats)))
    shards.note(table, LOG_TEXT, log.lines)
    for reason in log.missed:
        table.missed.append(("unreadable", reason))
    if log.outside:
        table.missed.append(("skipped", f"{log.outside:,} files that the log names lie outside the table's folder and are not followed"))  # fmt: skip
    if lost:
        table.missed.append(("missing", f"{lost:,} files that the log calls live are not in the table's folder"))
    yield table

    dead = list(_dead(folder, live, vectors, log))
    if dead:
        yield shards.whole("delta", DELETED, dead)


def _found(folder: Folder, log: _Log) -> tuple[list[tuple[_File, Source]], int]:
    """Return the live files that are there, each once however often a hostile log names it, and how many are not there."""
    live: dict[str, tuple[_File, Source]] = {}
    lost = 0
    for (path, _), file in sorted(log.live.items()):
        source = folder.get(path)
        if source is None:
            lost += 1
        elif path in live:
            log.miss("the log calls a file live more than once: which of its rows are is not certain")
        else:
            live[path] = (file, source)
    return list(live.values()), lost


def _live(live: list[tuple[_File, Source]], vectors: list[Positions | None], log: _Log) -> Iterator[Piece]:
    for (file, source), vector in zip(live, vectors, strict=True):
        yield Piece(file.path, source, "", shards.keys_named(file.keys, log.names), vector, False, log.names)


def _dead(
    folder: Folder, live: list[tuple[_File, Source]], vectors: list[Positions | None], log: _Log
) -> Iterator[Piece]:
    """Yield the files that are not live, and the masked rows of those that are."""
    for piece, vector in zip(_live(live, vectors, log), vectors, strict=True):
        if vector is not None:
            yield replace(piece, inside=True)
    known = {file.path for file, _ in live}
    for path in shards.on_disk(folder, lambda path: path.startswith(LOG) or path in known):
        keys = log.gone.get(path)
        named = shards.keys_named(keys, log.names) if keys else folders.keys_of(path)
        yield Piece(path, folder.files[path], "", named, names=log.names)


def _replayed(folder: Folder) -> _Log:
    log = _Log()
    commits = {int(match[1]): path for path in folder.files if (match := _COMMIT.match(path))}
    start = _checkpoint(folder, log)
    begun = start is not None
    expected = 0 if start is None else start + 1
    for version in sorted(commits):
        later = version >= expected
        if later and version > expected:
            log.miss("the log has a gap: which rows are live is not certain")
        if later:
            expected = version + 1
        _commit(folder.files[commits[version]], log, later)
    if not commits and not begun:
        log.miss("the log has neither a commit nor a checkpoint that can be read: every file is taken for deleted rows")
    return log


def _checkpoint(folder: Folder, log: _Log) -> int | None:
    """Take over the state of the newest complete checkpoint that can be read, and return its version."""
    found: dict[int, dict[str, list[str]]] = {}
    for path in folder.files:
        if match := _CHECKPOINT.match(path):
            kind = f"parts {match['of']}" if match["of"] else f"v2 {match['v2']}" if match["v2"] else "one"
            found.setdefault(int(match[1]), {}).setdefault(kind, []).append(path)
    for version in sorted(found, reverse=True):
        for kind, paths in sorted(found[version].items()):
            if kind.startswith("parts") and len(paths) != int(kind.split()[1]):
                log.miss("a checkpoint of the log lacks some of its parts")
                continue
            state = _Log(missed=log.missed)
            try:
                for path in sorted(paths):
                    for action in _checkpointed(folder, path):
                        _apply(action, state, True)
            except Unreadable as trouble:
                log.miss(f"a checkpoint of the log cannot be read: {trouble}")
                continue
            log.live, log.gone, log.names = state.live, state.gone, state.names
            log.actions, log.outside = state.actions, state.outside
            log.tell(state.lines)
            return version
    return None


def _checkpointed(folder: Folder, path: str) -> Iterator[Mapping[str, Any]]:
    source = folder.files[path]
    for action in _json_actions(source) if path.endswith(".json") else _parquet_actions(source):
        sidecar = action.get("sidecar")
        if isinstance(sidecar, dict):
            name = shards.inside(unquote(str(sidecar.get("path", ""))))
            beside = folder.get(f"{LOG}_sidecars/{name}") if name else None
            if beside is None:
                raise Unreadable("a file beside it is missing")
            yield from _parquet_actions(beside)
        else:
            yield action


_ACTIONS = ("add", "remove", "metaData", "protocol", "sidecar")


def _parquet_actions(source: Source) -> Iterator[Mapping[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with source.open() as file, pq.ParquetFile(file) as parquet:
            columns = [name for name in parquet.schema_arrow.names if name in _ACTIONS]
            for batch in parquet.iter_batches(1024, columns=columns, use_threads=False):
                for row in batch.to_pylist():
                    yield {name: _plain(value) for name, value in row.items() if value is not None}
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise Unreadable("damaged, or no checkpoint") from None


def _plain(value: Any) -> Any:
    """Return what ``to_pylist`` gives for a map, pairs, as a dictionary; structs are dictionaries already."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, list) and value and all(isinstance(item, tuple) and len(item) == 2 for item in value):
        return {str(name): item for name, item in value}
    return value


def _json_actions(source: Source) -> Iterator[Mapping[str, Any]]:
    """Yield the actions of a commit. Raises Unreadable at the first line that is none."""
    read_bytes = 0
    with source.open() as file:
        while True:
            try:
                line = file.readline(MAX_LINE_BYTES + 1)
            except (OSError, EOFError):
                raise Unreadable("cannot be read") from None
            if not line:
                return
            read_bytes += len(line)
            if len(line) > MAX_LINE_BYTES or read_bytes > MAX_COMMIT_BYTES:
                raise Unreadable("an entry of the log is too large")
            if line.strip():
                action = shards.parsed(line)
                if not isinstance(action, dict):
                    raise Unreadable("an entry of the log is no action")
                yield action


def _commit(source: Source, log: _Log, later: bool) -> None:
    """Apply a commit; of one before the checkpoint only the texts count."""
    try:
        for action in _json_actions(source):
            _apply(action, log, later)
    except Unreadable as trouble:
        effect = ": which rows are live is not certain" if later else ""
        log.miss(f"a commit of the log cannot be read: {trouble}{effect}")


def _apply(action: Mapping[str, Any], log: _Log, counts: bool) -> None:
    log.actions += 1
    if log.actions > MAX_ACTIONS:
        raise Unreadable(f"the log has more than {MAX_ACTIONS:,} entries")
    for name, body in action.items():
        if not isinstance(body, dict):
            continue
        if name in ("add", "remove"):
            _file_action(name, body, log, counts)
        elif name == "metaData":
            _metadata(body, log)
        elif name == "protocol":
            _protocol(body, log)
        elif name == "commitInfo":
            log.tell(shards.texts_in({key: value for key, value in body.items() if key not in _TECHNICAL}))
        elif name in ("txn", "domainMetadata"):
            log.tell(shards.texts_in({key: value for key, value in body.items() if key in ("appId", "configuration")}))


def _file_action(name: str, body: Mapping[str, Any], log: _Log, counts: bool) -> None:
    path = shards.inside(unquote(str(body.get("path") or "")))
    stats = body.get("stats") or {
        key.removesuffix("_parsed"): value for key, value in body.items() if key == "stats_parsed"
    }
    vector = body.get("deletionVector")
    vector = vector if isinstance(vector, dict) else None
    keys = body.get("partitionValues")
    keys = keys if isinstance(keys, dict) else {}
    if name == "add" and not counts or name == "remove":
        log.tell(_bounds(stats))
    if path is None:
        log.outside += name == "add" and counts
        return
    if not counts:
        log.gone.setdefault(path, keys)
    elif name == "add":
        if len(log.live) >= MAX_FILES:
            raise Unreadable(f"the table has more than {MAX_FILES:,} files")
        log.live[path, _identity(vector)] = _File(path, vector, keys, stats)
    else:
        was = log.live.pop((path, _identity(vector)), None)
        if was is not None:
            log.tell(_bounds(was.stats))
        log.gone[path] = keys or (was.keys if was is not None else {})


def _identity(vector: Mapping[str, Any] | None) -> str:
    if vector is None:
        return ""
    return f"{vector.get('storageType')}{vector.get('pathOrInlineDv')}@{vector.get('offset')}"


def _bounds(stats: Any) -> Iterator[str]:
    """Yield the smallest and largest values that the log keeps of a file's columns: they are values of rows."""
    if isinstance(stats, str):
        try:
            stats = shards.parsed(stats.encode("utf-8", "replace"))
        except Unreadable:
            yield stats
            return
    if isinstance(stats, dict) and isinstance(stats.get("stats"), dict):
        stats = stats["stats"]
    if isinstance(stats, dict):
        yield from shards.texts_in(stats.get("minValues"))
        yield from shards.texts_in(stats.get("maxValues"))


def _metadata(body: Mapping[str, Any], log: _Log) -> None:
    """Take the names of columns, and the texts that people wrote: names, descriptions, comments, properties."""
    log.tell(shards.texts_in({key: body.get(key) for key in ("name", "description", "configuration")}))
    schema = body.get("schemaString")
    if not isinstance(schema, str):
        return
    try:
        stack = [shards.parsed(schema.encode("utf-8", "replace"))]
    except Unreadable:
        log.miss("the schema in the log cannot be read: columns keep the names of the files")
        return
    while stack and len(log.names) < MAX_COLUMN_NAMES:
        item = stack.pop()
        if isinstance(item, list):
            stack += item
        elif isinstance(item, dict):
            beside = item.get("metadata")
            if isinstance(beside, dict):
                physical = beside.get("delta.columnMapping.physicalName")
                if isinstance(physical, str) and isinstance(item.get("name"), str):
                    log.names[physical] = item["name"]
                log.tell(shards.texts_in({key: value for key, value in beside.items() if "columnMapping" not in key}))
            stack += [part for part in item.values() if isinstance(part, (dict, list)) and part is not beside]


def _protocol(body: Mapping[str, Any], log: _Log) -> None:
    listed = [body.get("readerFeatures"), body.get("writerFeatures")]
    named = {str(item) for features in listed if isinstance(features, list) for item in features}
    unread = named - _FEATURES_READ
    version = body.get("minReaderVersion")
    if isinstance(version, int) and version > 3:
        log.miss("the table is of a version of the protocol that this reader does not know")
    if isinstance(listed[0], list) and (unread := unread & {str(item) for item in listed[0]}):
        log.miss(f"the table uses features that this reader does not know ({shards.suspect(unread)})")


def _vector(folder: Folder, file: _File, log: _Log) -> Positions | None:
    """Return the rows of a file that are deleted without it having been rewritten."""
    if file.vector is None:
        return None
    try:
        return roaring.parse(_vector_bytes(folder, file.vector))
    except Unreadable as trouble:
        log.miss(f"a deletion vector cannot be read, its rows count as live: {trouble}")
        return None


_Z85 = string.digits + string.ascii_lowercase + string.ascii_uppercase + ".-:+=^!/*?&<>()[]{}@%$#"
_B85 = string.digits + string.ascii_uppercase + string.ascii_lowercase + "!#$%&()*+-;<=>?@^_`{|}~"
_TO_B85 = str.maketrans(_Z85, _B85)


def _z85(text: str) -> bytes:
    """Decode the base 85 of ZeroMQ RFC 32, whose alphabet differs from Python's."""
    if set(text) - set(_Z85):
        raise Unreadable("not of a known form")
    try:
        return base64.b85decode(text.translate(_TO_B85))
    except ValueError:
        raise Unreadable("not of a known form") from None


def _vector_bytes(folder: Folder, vector: Mapping[str, Any]) -> bytes:
    kind, where = vector.get("storageType"), vector.get("pathOrInlineDv")
    size, offset = vector.get("sizeInBytes"), vector.get("offset") or 0
    if not isinstance(where, str) or not isinstance(size, int) or not isinstance(offset, int):
        raise Unreadable("not of a known form")
    if not 0 < size <= roaring.MAX_BYTES or offset < 0:
        raise Unreadable("its size or place cannot be")
    if kind == "i":
        return _z85(where)[:size]
    if kind != "u" or len(where) < 20:
        raise Unreadable("it lies outside the table's folder, which is not followed")
    name = _z85(where[-20:]).hex()
    uuid = "-".join((name[:8], name[8:12], name[12:16], name[16:20], name[20:]))
    path = shards.inside("/".join(filter(None, (where[:-20], f"deletion_vector_{uuid}.bin"))))
    source = folder.get(path) if path else None
    if source is None:
        raise Unreadable("its file is missing")
    try:
        with source.open() as file:
            file.seek(offset)
            framed = file.read(size + 8)
    except (OSError, EOFError, ValueError):
        raise Unreadable("its file cannot be read") from None
    body = framed[4 : 4 + size]
    if int.from_bytes(framed[:4], "big") != size or int.from_bytes(framed[-4:], "big") != zlib.crc32(body):
        raise Unreadable("its check sum is wrong")
    return body
