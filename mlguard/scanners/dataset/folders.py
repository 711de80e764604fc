"""Finds the files that are one dataset together: lake tables, shards, partitioned folders, saved datasets.

Only paths, kinds and sizes are looked at, so that a plan can be made before anything is opened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal
from urllib.parse import unquote

from mlguard import lazy, redact
from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.scanners import Context
from mlguard.scanners.dataset import source as sources
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import Table
from mlguard.values import dataclass

Form = Literal["delta", "iceberg", "lance", "hudi", "shards"]
"""What holds files together. ``shards`` are files of one kind with one meaning each after the other."""

SHARD_KINDS = frozenset(
    {"csv", "tsv", "jsonl", "json", "parquet", "arrow", "orc", "avro", "gzip", "zstd", "bzip2", "xz", "text", "binary"}
)
"""Kinds of which several files may be one dataset; ``binary`` only for streams of Arrow."""

SIDE_FILES = frozenset(
    {"_SUCCESS", "_metadata", "_common_metadata", "state.json", "dataset_info.json", "dataset_dict.json"}
)
"""Files beside shards that hold no rows."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One dataset of several files. ``name`` is fit to be shown; ``root`` is the folder that holds them, "" for the tree's own."""

    form: Form
    root: str
    name: str


@dataclass(frozen=True, slots=True)
class Folder:
    """Files below one folder, by their POSIX path relative to it. Nothing else is ever opened for a table of a lake."""

    name: str
    files: Mapping[str, Source]

    def get(self, path: str) -> Source | None:
        """Return a file by its relative path, None when it is not there or the path leads out of the folder."""
        return self.files.get(path)


_DELTA = lazy.pattern(r"^(?:(.*)/)?_delta_log/(?:\d{20}\.|_last_checkpoint$)")
_ICEBERG = lazy.pattern(r"^(?:(.*)/)?metadata/(?:v\d+|\d{5,}-[0-9a-f-]{36})(?:\.gz)?\.metadata\.json(?:\.gz)?$")
_LANCE = lazy.pattern(r"^(?:(.*)/)?(?:_versions/[^/]+\.manifest|_latest\.manifest)$")
_HUDI = lazy.pattern(r"^(?:(.*)/)?\.hoodie/")
_ROOTS: tuple[tuple[Form, re.Pattern[str]], ...] = (
    ("delta", _DELTA),
    ("hudi", _HUDI),
    ("iceberg", _ICEBERG),
    ("lance", _LANCE),
)
_CLAIMS: dict[Form, re.Pattern[str]] = {
    "delta": lazy.pattern(
        r"^_delta_log/|^_change_data/|\.parquet$|(?:^|/)deletion_vector_[^/]*\.bin$|\.parquet\.crc$|\.bin\.crc$"
    ),
    "iceberg": lazy.pattern(r"^metadata/|\.(?:parquet|orc|avro|puffin)(?:\.crc)?$"),
    "lance": lazy.pattern(r"^(?:_versions|_transactions|_deletions|_indices|_refs|tree|data)/|^_latest\.manifest$"),
    "hudi": lazy.pattern(
        r"(?:^|/)\.hoodie/|\.(?:parquet|orc|hfile)$|(?:^|/)\.[^/]*\.log\.|(?:^|/)\.hoodie_partition_metadata"
    ),
}
"""Files below a table's folder that are part of it. Whatever else lies there stands for itself."""

_PARTITION = lazy.pattern(r"^([^=/]{1,255})=(.*)$")
_OF = lazy.pattern(r"(?i)[-_.]?\d{1,6}(?=[-_]of[-_]\d{1,6}(?!\d))")
_COUNTED = lazy.pattern(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+")
_NUMBERED = lazy.pattern(
    r"(?i)(?:^part[-_.]?r?-?\d+(?:-[0-9a-f-]{36})?(?:[-_.]c\d+)?)"
    r"|(?:(?:^|[-_.])(?:shard|chunk|split|block|batch|part|slice|partition|piece)[-_.]?\d+)"
    r"|(?:^\d{3,6}(?:_\d+)?(?=\.|$))|(?:(?<=[-_.])(?!(?:19|20)\d\d(?:\.|$))0\d{2,5}(?=\.))|(?:^data[-_]\d{5})"
)
_SPARK_PART = lazy.pattern(r"(?i)^part-[rm]?-?\d{5}")


def layout(group: Sequence[Artifact]) -> Layout | None:
    """Say what a group made by ``groups`` is; None for a single file that stands for itself."""
    if not group:
        return None
    root = _lake([artifact.path for artifact in group])
    if root is not None:
        return Layout(root[0], root[1], _named(root[1]) or ".")
    rows = [artifact for artifact in group if not aside(artifact.path)]
    if len(rows) > 1 or len(group) > 1 or rows and any(map(_PARTITION.match, rows[0].path.split("/")[:-1])):
        folder, key = _shard_key(rows[0] if rows else group[0], _spark([artifact.path for artifact in group]))
        return Layout("shards", folder, _named(f"{folder}/{key}" if folder and key else folder or key or "."))
    return None


def groups(artifacts: Iterable[Artifact]) -> list[tuple[Artifact, ...]]:
    """Return the artifacts, each once, with those together that are one dataset; in the order of their first paths.

    A table of a lake takes all its files, of any kind: logs, manifests and deletion vectors too.
    """
    known = sorted(artifacts, key=lambda artifact: artifact.path)
    roots = _roots(artifact.path for artifact in known)
    spark = _spark([artifact.path for artifact in known])
    together: dict[tuple[str, ...], list[Artifact]] = {}
    beside: dict[str, list[Artifact]] = {}
    for artifact in known:
        root = _root_of(artifact.path, roots)
        folder = artifact.path.rpartition("/")[0]
        if root is not None:
            key: tuple[str, ...] = ("lake", root)
        elif aside(artifact.path):
            beside.setdefault(_above_partitions(folder), []).append(artifact)
            continue
        else:
            home, pattern = _shard_key(artifact, spark)
            key = ("shards", home, pattern, artifact.kind) if pattern else ("file", artifact.path)
        together.setdefault(key, []).append(artifact)
    return sorted((tuple(group) for group in _with_side_files(together, beside)), key=lambda group: group[0].path)


def _with_side_files(
    together: Mapping[tuple[str, ...], list[Artifact]], beside: dict[str, list[Artifact]]
) -> Iterator[list[Artifact]]:
    """Yield the groups; what stands beside shards joins the first group of its folder, and is alone where there is none."""
    for key, group in together.items():
        if key[0] == "shards" and (joins := beside.pop(key[1], None)):
            yield sorted([*group, *joins], key=lambda artifact: artifact.path)
        else:
            yield group
    for rest in beside.values():
        yield from ([artifact] for artifact in rest)


def _lake(paths: Sequence[str]) -> tuple[Form, str] | None:
    roots = _roots(paths)
    if not roots:
        return None
    root = min(roots, key=len)
    return roots[root], root


def _roots(paths: Iterable[str]) -> dict[str, Form]:
    found: dict[str, Form] = {}
    order = {form: place for place, (form, _) in enumerate(_ROOTS)}
    for path in paths:
        for form, pattern in _ROOTS:
            if match := pattern.match(path):
                root = match.group(1) or ""
                if root not in found or order[form] < order[found[root]]:
                    found[root] = form
    return found


def _root_of(path: str, roots: Mapping[str, Form]) -> str | None:
    """Return the folder of the innermost table that a file is part of."""
    parts = path.split("/") if roots else []
    for end in range(len(parts) - 1, -1, -1):
        root = "/".join(parts[:end])
        if root in roots and _CLAIMS[roots[root]].search(path[len(root) + 1 if root else 0 :]):
            return root
    return None


def aside(path: str) -> bool:
    """Say whether a file holds no rows but stands beside those that do."""
    name = path.rsplit("/", 1)[-1]
    return name in SIDE_FILES or name.startswith(("_committed_", "_started_", "_metadata")) or name.endswith(".crc")


def _above_partitions(folder: str) -> str:
    parts = folder.split("/") if folder else []
    first = next((at for at, part in enumerate(parts) if _PARTITION.match(part)), len(parts))
    return "/".join(parts[:first])


def _spark(paths: Iterable[str]) -> frozenset[str]:
    """Return the folders that a job of Spark or Hadoop marked as complete."""
    return frozenset(path.rpartition("/")[0] for path in paths if path.rsplit("/", 1)[-1] == "_SUCCESS")


def _shard_key(artifact: Artifact, spark: frozenset[str]) -> tuple[str, str]:
    """Return the folder and the pattern of names that a file shares with its siblings; the pattern is "" for none."""
    folder, _, name = artifact.path.rpartition("/")
    home = _above_partitions(folder)
    if artifact.kind not in SHARD_KINDS or artifact.kind == "binary" and not name.endswith((".arrow", ".feather")):
        return folder, ""
    suffix = "." + name.split(".", 1)[1] if "." in name else ""
    if home != folder:
        return home, "*" + "." + name.rsplit(".", 1)[-1] if suffix else "*"
    if folder in spark and (_SPARK_PART.match(name) or not name.startswith((".", "_"))):
        return folder, "*"
    match = _OF.search(name) or _NUMBERED.search(name)
    if match is None or artifact.kind == "text" and not _SPARK_PART.match(name):
        return folder, ""
    return folder, f"{name[: match.start()]}{_COUNTED.sub('*', match.group())}{name[match.end() :]}"


def _named(path: str) -> str:
    """Return the path of a dataset without the values of partitions, which are somebody's data, too."""
    return "/".join(_PARTITION.sub(r"\1=*", part) for part in path.split("/"))


def shown(path: str) -> str:
    """Return the path of a part of a dataset fit to be shown: without values of partitions, and masked."""
    return "/".join(redact.text(part) for part in _named(path).split("/"))


def keys_of(path: str) -> tuple[tuple[str, str | None], ...]:
    """Return the columns that the folders of a path stand for: ``country=DE/x.parquet``. None is a null."""
    found = []
    for part in path.split("/")[:-1]:
        if match := _PARTITION.match(part):
            value = unquote(match.group(2))
            found.append((unquote(match.group(1)), None if value == "__HIVE_DEFAULT_PARTITION__" else value))
    return tuple(found)


def folder_of(group: Sequence[Artifact], context: Context) -> Folder:
    """Return the files of a group as a folder; a file that vanished raises Unreadable only when it is opened."""
    found = layout(group)
    root = found.root if found is not None else group[0].path.rpartition("/")[0]
    start = len(root) + 1 if root else 0
    return Folder(
        found.name if found is not None else _named(root),
        {artifact.path[start:]: _file(context, artifact) for artifact in group},
    )


def _file(context: Context, artifact: Artifact) -> Source:
    try:
        return sources.of_file(context, artifact.path)
    except Unreadable as trouble:
        reason = str(trouble)

        def gone() -> object:
            raise Unreadable(reason)

        return Source(artifact.path, artifact.size, gone)  # type: ignore[arg-type]  # never returns


def tables(group: Sequence[Artifact], context: Context) -> Iterator[Table]:
    """Yield the tables of a group with a layout, one after the other. Raises Unreadable."""
    found = layout(group)
    if found is None:
        raise Unreadable("a single file is read by its kind")
    folder = folder_of(group, context)
    yield from reader(found.form)(folder, found)


Reader = Callable[[Folder, Layout], Iterator[Table]]


def reader(form: Form) -> Reader:
    """Return what reads folders of a form."""
    if form == "delta":
        from mlguard.scanners.dataset.formats.delta import read as read_delta

        return lambda folder, found: read_delta(folder)
    if form == "iceberg":
        from mlguard.scanners.dataset.formats.iceberg import read as read_iceberg

        return lambda folder, found: read_iceberg(folder)
    if form == "lance":
        from mlguard.scanners.dataset.formats.lance import read as read_lance

        return lambda folder, found: read_lance(folder)
    from mlguard.scanners.dataset.formats.shards import read as read_shards

    return lambda folder, found: read_shards(folder, found.form)
