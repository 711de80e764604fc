"""Cuts one dataset into slices that are counted apart, and tells what all of them are together.

A slice is a file, or so many of the row groups of a Parquet file. Which slices there are follows from paths, kinds and sizes alone,
so that every process makes the same ones without opening anything. Only datasets of Parquet are cut: their footers tell how many
rows come before a slice, by which the rows of a sample are chosen. What is declared, watched or sampled is merged like the counts.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.facts import Part
from mlguard.findings import Gap, Record
from mlguard.scanners import Context
from mlguard.scanners.dataset import folders, sketch, split_names
from mlguard.scanners.dataset.sketch import Sketch
from mlguard.scanners.dataset.source import Source

SLICE_BYTES = 32 * 2**20
"""Bytes of a slice, about: some seconds of counting. A row group is never cut, so a slice may be larger."""

BOUND = "mlguard-sketch/1 {path} {begin} {end}"


@dataclass(frozen=True, slots=True)
class Slice:
    """Piece number ``piece`` of ``pieces`` of a file."""

    path: str
    piece: int = 0
    pieces: int = 1


def slices(group: Sequence[Artifact], settings: Mapping[str, Any]) -> tuple[Slice, ...]:
    """Return the slices of a dataset in the order of its rows, and none when it is only read as a whole."""
    if split_names.is_group(group):
        return ()
    layout = folders.layout(group)
    if layout is not None and layout.form != "shards":
        return ()
    files = sorted((a for a in group if not folders.aside(a.path)), key=lambda artifact: artifact.path)
    if any(artifact.kind != "parquet" for artifact in files) or layout is None and len(group) > 1:
        return ()
    size = int(settings.get("slice_bytes", SLICE_BYTES))
    found = []
    for artifact in files:
        pieces = max(1, -(-artifact.size // size))
        found += [Slice(artifact.path, piece, pieces) for piece in range(pieces)]
    return tuple(found) if len(found) > 1 and sum(artifact.size for artifact in files) > size else ()


def name_of(group: Sequence[Artifact]) -> str:
    """Return the path of the dataset as reports have it."""
    layout = folders.layout(group)
    return layout.name if layout is not None else group[0].path


# --- Counting


def scan(
    group: Sequence[Artifact], context: Context, of_path: Callable[[str], Source] | None = None
) -> Iterator[Record]:
    """Yield the sealed count of the slices that ``part`` of the settings names, as (begin, end).

    With ``parts`` there, too, yield what these counts of the whole dataset tell together. ``of_path`` opens what is no file of the tree.
    """
    key = bytes.fromhex(context.settings["key"])
    if "parts" in context.settings:
        seen = [opened(part, key) for part in context.settings["parts"]]
        yield from told(group, seen, context, None if of_path else again_of(group, context))
        return
    begin, end = context.settings["part"]
    yield sealed(counted(group, begin, end, context, of_path), name_of(group), key)


def sealed(seen: Sketch, path: str, key: bytes) -> Part:
    """Return a sketch as a record that only the holder of the key can open."""
    bound = BOUND.format(path=path, begin=seen.begin, end=seen.end)
    return Part(
        path, seen.begin, seen.end, base64.b64encode(sketch.seal(sketch.pack(seen), key, bound)).decode("ascii")
    )


def opened(part: Part, key: bytes) -> Sketch:
    """Return the sketch in a record. Raises UsageError."""
    bound = BOUND.format(path=part.path, begin=part.begin, end=part.end)
    return sketch.unpack(sketch.unseal(base64.b64decode(part.sealed), key, bound))


def counted(
    group: Sequence[Artifact], begin: int, end: int, context: Context, of_path: Callable[[str], Source] | None = None
) -> Sketch:
    """Return the count of the slices from ``begin`` up to ``end``. Trouble is in it; nothing is raised for it."""
    from mlguard.scanners import dataset
    from mlguard.scanners.dataset import risk

    every = slices(group, context.settings)
    path, spare = name_of(group), bool(context.settings.get("spare"))
    table: Any = None
    try:
        watch = None
        if not context.hook:
            watch = risk.Watch(path, context.settings.get("declared", {}).get(path))
            for batch in _table(group, every, context, of_path).batches:
                if batch.num_rows:  # all parts decide by the same rows what is watched
                    watch.begin(batch)
                    break
            if watch.rows is not None:
                watch.rows.rows = _rows_before(group, every[:begin], context, of_path)
        spare = spare and (watch is None or watch.rows is None)  # a sample of rows needs them as they are
        table = _table(group, every[begin:end], context, of_path, end == len(every), spare)
    except Unreadable as trouble:
        seen = Sketch("parquet", trouble=(getattr(trouble, "kind", "unreadable"), str(trouble)))
    else:
        table.batches = dataset._living(table, table.batches, context)
        seen = dataset.counted(table, watch)
    seen.begin, seen.end = begin, end
    return seen


def _table(
    group: Sequence[Artifact], some: Sequence[Slice], context: Context, of_path: Callable[[str], Source] | None,
    last: bool = False, spare: bool = False,
) -> Any:  # fmt: skip
    from mlguard.scanners.dataset import source
    from mlguard.scanners.dataset.formats import parquet, shards

    stretches = _stretches(some)
    layout = folders.layout(group)
    if layout is None:
        path = group[0].path
        return next(parquet.tables(of_path(path) if of_path else source.of_file(context, path), stretches[path], spare))
    folder = folders.folder_of(group, context)
    start = len(layout.root) + 1 if layout.root else 0
    inside = {path[start:]: stretch for path, stretch in stretches.items()}
    return next(shards.read(folder, layout.form, inside, last, spare))


def _stretches(some: Sequence[Slice]) -> dict[str, tuple[int, int, int]]:
    """Return what is read of each file; the slices follow each other."""
    found: dict[str, tuple[int, int, int]] = {}
    for part in some:
        first = found[part.path][0] if part.path in found else part.piece
        found[part.path] = first, part.piece + 1, part.pieces
    return found


def _rows_before(
    group: Sequence[Artifact], some: Sequence[Slice], context: Context, of_path: Callable[[str], Source] | None
) -> int:
    """Return how many rows come before, by the footers. One that cannot be read has none, as for who reads the whole."""
    from mlguard.scanners.dataset import source
    from mlguard.scanners.dataset.formats import parquet

    rows = 0
    for path, (_, last, of) in _stretches(some).items():
        try:
            rows += parquet.before(of_path(path) if of_path else source.of_file(context, path), (last, of, of))
        except Unreadable:
            continue
    return rows


# --- Telling


def told(
    group: Sequence[Artifact],
    seen: Sequence[Sketch],
    context: Context,
    again: Callable[[], Iterator[Any]] | None = None,
) -> Iterator[Record]:
    """Yield what is to be said of a dataset whose parts were counted, and a gap for each part that is not there.

    Raises Unreadable at the end when one of its parts could not be read to its end.
    """
    from mlguard.scanners import dataset

    every, path = slices(group, context.settings), name_of(group)
    runs = sketch.merged(seen)
    lost = _lost(runs, len(every))
    yield from (
        Gap("dataset", path, "crash", f"slices {begin + 1} to {end} of {len(every)} were not counted; run again")
        for begin, end in lost
    )
    if not runs:
        return
    whole, *rest = runs
    for run in rest:
        whole.merge(run)
    yield from dataset.told(whole, path, context, None if lost else again)


def _lost(runs: Sequence[Sketch], count: int) -> list[tuple[int, int]]:
    places = [0, *(place for run in runs for place in (run.begin, run.end)), count]
    return [(begin, end) for begin, end in zip(places[::2], places[1::2], strict=True) if begin < end]


def again_of(group: Sequence[Artifact], context: Context) -> Callable[[], Iterator[Any]] | None:
    """Return what reads a dataset of one file once more, as a run in one process would; None for others."""
    from mlguard.scanners.dataset import risk, source

    if folders.layout(group) is not None:
        return None
    return lambda: risk.batches(source.of_file(context, group[0].path), "parquet", 0)
