"""Finds the datasets that a command names and reads each of them for its profile."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from mlguard.artifacts import OUTSIDE_KINDS, Artifact, kind_of, read_head, regular
from mlguard.cli.progress import Progress
from mlguard.cli.run import configuration, declared, parted
from mlguard.errors import Unreadable, UsageError
from mlguard.findings import Gap, GapKind
from mlguard.redact import printable
from mlguard.scanners import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.scanners.dataset.overview import Overview
    from mlguard.scanners.dataset.source import Source
    from mlguard.scanners.dataset.table import Table

_MODELS = frozenset({"executable", "onnx", "gguf", "model", "safetensors", "binary"})
"""Kinds that ``mlguard model`` looks into."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be read. Paths start at ``context.root``, or are absolute when they lie outside; ``named`` are those of the command."""

    context: Context
    artifacts: tuple[Artifact, ...]
    named: frozenset[str]
    stores: tuple[str, ...] = field(default=(), repr=False)  # addresses, which may hold a password
    gaps: tuple[Gap, ...] = ()
    memory: int = 0  # bytes of address space that reading may take; 0: no limit


@dataclass(slots=True)
class Look:
    """What was read. ``gaps`` are those of no table; ``others`` counts files that hold no data, by kind."""

    overviews: list[Overview] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    others: Mapping[str, int] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether something was read, and nothing left out."""
        return bool(self.overviews) and not self.gaps and not any(overview.gaps for overview in self.overviews)


# --- What there is to read


def plan(targets: Sequence[str], config_file: Path | None) -> Plan:
    """Return what the arguments of the command name. Raises UsageError."""
    paths, stores = parted(targets)
    for path in paths:
        if not os.path.lexists(path):
            raise UsageError(f"{str(path) or repr(str(path))}: there is no such file or folder")
    settings = configuration(paths, config_file)
    base = _base(paths, settings.path)
    artifacts, gaps = _artifacts(paths, base)
    told = dict(settings.settings.get("dataset", {}))
    declaration, more = declared(base, settings)
    if declaration is not None and declaration.body.get("datasets"):
        from mlguard.assess import anonymity

        told["declared"] = anonymity.wanted(declaration, artifacts)
    named = frozenset(_relative(path, base) for path in paths if not path.is_dir())
    return Plan(Context(base, told), tuple(artifacts), named, stores, (*gaps, *more), settings.memory)


def _base(paths: Sequence[Path], config: str) -> Path:
    """Return the folder that paths are told from: the configuration's, the work tree's, else the working folder, else a common one."""
    from mlguard import discovery

    if config:
        return Path(config).absolute().parent
    common = discovery.common_folder(paths)
    here = Path.cwd()
    return discovery.git_root(common) or (here if common == here or here in common.parents else common)


def _relative(path: Path, base: Path) -> str:
    full = os.path.abspath(path)
    below = os.path.relpath(full, base)
    return (full if below.startswith("..") else below).replace(os.sep, "/")


def _artifacts(paths: Iterable[Path], base: Path) -> tuple[list[Artifact], list[Gap]]:
    found: dict[str, Artifact] = {}
    gaps: list[Gap] = []
    for path in paths:
        for file in _below(path, gaps, base) if path.is_dir() else (path,):
            shown = _relative(file, base)
            if shown in found:
                continue
            try:
                size = regular(file)
                found[shown] = Artifact(shown, kind_of(shown, read_head(file)), size)
            except PermissionError:
                gaps.append(_gap(shown, "permission denied; make it readable for this user"))
            except OSError:
                gaps.append(_gap(shown, "no regular file that can be opened (a link to nowhere, a pipe, a device)"))
    return list(found.values()), gaps


def _below(folder: Path, gaps: list[Gap], base: Path) -> Iterator[Path]:
    """Yield the files below a folder in order. Links to folders are not followed, and said."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        gaps.append(_gap(_relative(folder, base), "a folder that cannot be listed; make it readable for this user"))
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if entry.name != ".git":
                yield from _below(Path(entry.path), gaps, base)
        elif entry.is_symlink() and os.path.isdir(entry.path):
            gaps.append(
                _gap(
                    _relative(Path(entry.path), base),
                    "a link to a folder, which is not followed; name that folder as well",
                )
            )
        else:
            yield Path(entry.path)


def _gap(path: str, reason: str, kind: GapKind = "unreadable", hint: str = "") -> Gap:
    return Gap("dataset", path, kind, reason, hint)


# --- Reading


def look(plan: Plan, rows: int, progress: Progress) -> Look:
    """Read everything that is planned. With ``rows`` above 0 so many rows of each table are drawn at random."""
    from mlguard.scanners.dataset import folders

    found = Look(gaps=list(plan.gaps))
    others: Counter[str] = Counter()
    for group in folders.groups(plan.artifacts):
        if folders.layout(group) is not None:
            _folder(group, plan, rows, progress, found)
        elif _holds_data(group[0], plan):
            _file(group[0], plan, rows, progress, found)
        else:
            gap = _passed_over(group[0], plan)
            found.gaps += [gap] if gap else []
            others[group[0].kind] += gap is None
    for address in plan.stores:
        _store(address, plan, rows, progress, found)
    found.others = {kind: number for kind, number in others.items() if number}
    return found


def _holds_data(artifact: Artifact, plan: Plan) -> bool:
    from mlguard.scanners.dataset import format_of, formats, wanted

    if artifact.kind in ("notebook", "store"):
        return False
    return wanted(artifact) or artifact.path in plan.named and format_of(artifact) in formats.MODULES


def _passed_over(artifact: Artifact, plan: Plan) -> Gap | None:
    """Return the gap for a file that is not read; None for one that holds no data as far as its kind tells."""
    from mlguard.engine import _CLAIMED, _POINTERS

    if artifact.kind in _POINTERS:
        return _gap(artifact.path, *_POINTERS[artifact.kind][:1], "skipped", _POINTERS[artifact.kind][1])
    if artifact.kind == "empty":
        return _gap(artifact.path, "this file is empty", "skipped") if artifact.path in plan.named else None
    hint = "mlguard model says what is in it" if artifact.kind in _MODELS else "mlguard scan looks into it"
    if artifact.path in plan.named:
        return _gap(artifact.path, f"a file of kind {artifact.kind} is not read as a dataset", "skipped", hint)
    if artifact.kind in OUTSIDE_KINDS or artifact.kind not in _CLAIMED:
        return None
    return _gap(artifact.path, f"a file of kind {artifact.kind} is not read as a dataset", "skipped", hint)


def _folder(group: Sequence[Artifact], plan: Plan, rows: int, progress: Progress, found: Look) -> None:
    from mlguard.scanners.dataset import folders

    layout = folders.layout(group)
    assert layout is not None
    size = sum(artifact.size for artifact in group)
    progress.begin(printable(layout.name), size)
    _tables(lambda: folders.tables(group, plan.context), layout.name, size, plan, rows, progress, found)


def _file(artifact: Artifact, plan: Plan, rows: int, progress: Progress, found: Look) -> None:
    from mlguard.scanners.dataset import format_of, formats, risk, source, stores

    if (unread := stores.unread(artifact.path)) is not None:
        found.gaps.append(unread)
        return
    try:
        file = source.of_file(plan.context, artifact.path)
    except Unreadable as trouble:
        found.gaps.append(_gap(artifact.path, str(trouble)))
        return
    kind = format_of(artifact)
    watched = _Watched(file)
    about = _lines_about(file) if kind in _LINES and progress.wanted else 0
    progress.begin(printable(artifact.path), artifact.size, watched.done, about)

    def tables() -> Iterator[Table]:
        own = stores.tables(watched.source, kind)
        return own if own is not None else formats.tables(watched.source, kind)

    def again(number: int) -> Iterator[Any]:
        return risk.batches(file, kind, number)

    _tables(tables, artifact.path, artifact.size, plan, rows, progress, found, again)


def _tables(
    tables: Callable[[], Iterator[Table]], path: str, size: int, plan: Plan, rows: int, progress: Progress, found: Look,
    again: Callable[[int], Iterator[Any]] | None = None,
) -> None:  # fmt: skip
    """Read the tables of one source. Where the reading ends early, what was read before counts."""
    number = 0
    trouble: Unreadable | None = None
    try:
        for table in tables():
            trouble = _table(table, path, size, plan, rows, progress, found, _once(again, number))
            number += 1
            if trouble is not None:
                break
    except Unreadable as error:
        trouble = error
    except Exception as error:  # noqa: BLE001  # a reader's bug, or too little memory, costs this source and no other
        from mlguard import workers

        found.gaps.append(Gap("dataset", path, *workers.trouble(error)))
    if trouble is not None:
        _end(path, number, trouble, found)


def _once(again: Callable[[int], Iterator[Any]] | None, number: int) -> Callable[[], Iterator[Any]] | None:
    return None if again is None else lambda: again(number)


def _table(
    table: Table, path: str, size: int, plan: Plan, rows: int, progress: Progress, found: Look, again: Callable[[], Iterator[Any]] | None
) -> Unreadable | None:  # fmt: skip
    """Add the overview of one table, and return what ended its reading early."""
    from mlguard.scanners.dataset import overview

    seen, trouble = overview.measured(
        table, path, size, plan.context, rows, again, lambda read: progress.step(read, table.rows)
    )
    if trouble is None or seen.seen or seen.columns or seen.beside:
        found.overviews.append(seen)
    else:
        found.gaps += seen.gaps
    return trouble


def _end(path: str, tables: int, trouble: Unreadable, found: Look) -> None:
    """Put the gap of a source that ended early to its last table, else to those of no table."""
    kind: GapKind = getattr(trouble, "kind", "unreadable")
    gap = _gap(path, str(trouble), kind)
    if tables and found.overviews and found.overviews[-1].fact.path == path:
        found.overviews[-1] = replace(found.overviews[-1], gaps=(*found.overviews[-1].gaps, gap))
    else:
        found.gaps.append(gap)


def _store(address: str, plan: Plan, rows: int, progress: Progress, found: Look) -> None:
    from mlguard import stores

    store = stores.open_store(address, {"root": str(plan.context.root)})
    try:
        for path, table in store.tables():
            progress.begin(printable(path))
            _tables(lambda table=table: iter((table,)), path, -1, plan, rows, progress, found)  # type: ignore[misc]
        for source in store.sources():
            _object(source, plan, rows, progress, found)
    except Unreadable as trouble:
        _end(stores.shown(address), 0, trouble, found)
    finally:
        store.close()
    found.gaps += [_gap(path, reason, kind) for path, kind, reason in store.missed]


def _object(source: Source, plan: Plan, rows: int, progress: Progress, found: Look) -> None:
    from mlguard.scanners.dataset import formats

    try:
        kind = formats.kind_of(source)
    except Unreadable as trouble:
        _end(source.name, 0, trouble, found)
        return
    if kind not in OUTSIDE_KINDS:
        progress.begin(printable(source.name), max(source.size, 0))
        _tables(lambda: formats.tables(source, kind), source.name, source.size, plan, rows, progress, found)


_LINES = frozenset({"csv", "tsv", "jsonl"})
"""Kinds of files with a row on each line, which their readers take far ahead of what was looked at."""

_PLACES, _PLACE_BYTES = 16, 64 * 2**10
"""Where and how much of such a file is looked at to tell how many rows it may have."""


def _lines_about(source: Source) -> int:
    """Return how many lines a file may have, by those in some places of it; 0 when that cannot be told."""
    found = read = 0
    try:
        with source.open() as file:
            for place in range(_PLACES):
                file.seek(source.size * place // _PLACES)
                data = file.read(_PLACE_BYTES)
                found, read = found + data.count(b"\n"), read + len(data)
    except (OSError, ValueError, Unreadable):
        return 0
    return found * source.size // read if read else 0


class _Watched:
    """A source of which it is known how far it was read: of the handles that are open, the one that is furthest."""

    def __init__(self, source: Source) -> None:
        self.source = replace(source, opener=lambda: self._opened(source))
        self._handles: list[BinaryIO] = []

    def _opened(self, source: Source) -> BinaryIO:
        handle = source.opener()
        self._handles = [*(known for known in self._handles if not known.closed), handle]
        return handle

    def done(self) -> int:
        """Return the bytes that were read."""
        places = [0]
        for handle in self._handles:
            try:
                places.append(0 if handle.closed else handle.tell())
            except (OSError, ValueError):
                continue
        return max(places)
