"""Counts data on the workers of a Ray cluster; the driver sees records, and never a value.

What a worker counts is counted by a child process of its own, as on one machine: with its limits of time and memory, and sealed when it
leaves it (see ``mlguard.scanners.dataset.sketch``). So neither the object store, nor what spills from it to disk, nor a log of Ray
can show a value. Sealed counts are merged in a tree of tasks and judged in the last one; of them the driver holds references only.
An actor takes half a CPU, so that actors never keep the cluster's own tasks from running. The key is handed over by an actor and is in no object that may spill.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlguard import codec
from mlguard.artifacts import Artifact
from mlguard.errors import UsageError
from mlguard.facts import Dataset, Part
from mlguard.findings import Gap, Record
from mlguard.scanners import Context, scanner
from mlguard.workers import Progress, Setting, Task, examine, lost, opener
from mlguard.workers import perform as perform_here

NAME = "dataset"

FAN_IN = 8
"""Counts that one task merges."""

MAX_BLOCKS = 4096
"""Blocks in which the work is handed out."""

_OBJECTS = ("s3://", "gs://", "hf://")


def perform(
    tasks: Sequence[Task],
    setting: Setting,
    processes: int,
    timeout: float,
    address: str,
    progress: Progress | None = None,
) -> Iterator[tuple[Task, Record]]:
    """Yield each record with its task: of datasets from the cluster at ``address`` ("" for one on this machine), of the rest from here.

    ``timeout`` is as in ``pool.perform``. Raises UsageError when there is no Ray, or no cluster.
    """
    data = [task for task in tasks if task.scanner == NAME]
    rest = [task for task in tasks if task.scanner != NAME]
    with _connected(address):
        yield from _Run(setting, timeout).records(data, progress)
    if processes:
        from mlguard import pool

        yield from pool.perform(rest, setting, processes, timeout, progress)
    else:
        yield from perform_here(rest, setting, progress)


@contextlib.contextmanager
def _connected(address: str) -> Iterator[None]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # before the import, which reads it
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
    except ImportError:
        raise UsageError("--engine ray needs Ray: pip install 'mlguard[ray]'") from None
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # an error quotes the exception of a task
    started = not ray.is_initialized()
    place = address or os.environ.get("RAY_ADDRESS", "")
    own: dict[str, Any] = {} if place else {"include_dashboard": False}
    try:
        if started:
            ray.init(address=place or "local", log_to_driver=False, configure_logging=False, **own)
    except Exception as error:  # noqa: BLE001  # Ray raises what it likes, and the text may hold an address with a password
        raise UsageError(
            f"no cluster of Ray answers ({type(error).__name__}); see --ray-address and RAY_ADDRESS"
        ) from None
    options = ray.data.DataContext.get_current()
    options.enable_progress_bars = False
    options.execution_options.preserve_order = True  # parts that follow each other are merged early
    options.max_errored_blocks = -1  # what is lost is a gap, and the rest goes on
    try:
        yield
    finally:
        if started:
            ray.shutdown()


class _Run:
    """One run's work on the cluster that is connected."""

    def __init__(self, setting: Setting, timeout: float) -> None:
        import ray

        data = {**setting.settings.get(NAME, {}), "spare": True}
        self.setting = replace(setting, settings={**setting.settings, NAME: data}, key=secrets.token_hex(32))
        self.keeper = ray.remote(num_cpus=0)(Keeper).remote(codec.dumps(codec.encode(self.setting)))
        self.timeout = timeout

    def records(self, tasks: Sequence[Task], progress: Progress | None) -> Iterator[tuple[Task, Record]]:
        units: list[tuple[Task, Task]] = []  # what is done, and the task of the run that it is for
        for task in tasks:
            if task.group[0].kind == "store" and task.group[0].path.startswith(_OBJECTS):
                for found in _or_gap(_get(_remote(_objects, self.keeper, _told_of(task))), task.group[0].path):
                    if isinstance(found, Gap):
                        yield task, found
                    elif isinstance(found, Part):  # stands for an object here: its name, its size, its kind
                        units += [(unit, task) for unit in self._cut(_object(task, found))]
            else:
                units += [(unit, task) for unit in self._cut(task)]
        personal: dict[Task, set[str]] = {}
        for task, record in self._counted(units, progress):
            if isinstance(record, Dataset) and record.fields:
                personal.setdefault(task, set()).add(record.path)
            yield task, record
        for task, paths in sorted(personal.items(), key=lambda item: item[0].group[0].path):
            if task.group[0].kind == "store" and task.group[0].path.startswith(_OBJECTS):
                found_by = _remote(_readers, self.keeper, _told_of(task), sorted(paths))
                yield from ((task, record) for record in _or_gap(_get(found_by), task.group[0].path))

    def _cut(self, task: Task) -> list[Task]:
        from mlguard.scanners.dataset import parts

        group = task.group[1:] if task.group[0].kind == "store" else task.group
        count = len(parts.slices(group, self.setting.settings[NAME])) if group else 0
        return [replace(task, part=(at, at + 1)) for at in range(count)] or [task]

    def _counted(self, units: Sequence[tuple[Task, Task]], progress: Progress | None) -> Iterator[tuple[Task, Record]]:
        if not units:
            return
        blocks = self._blocks([unit for unit, _ in units])
        done: set[int] = set()
        for place, text in _all(_get(_remote(_plain_records, block)) or () for block in blocks):
            if text:
                yield from ((units[place][1], record) for record in _decoded([text]))
                continue
            done.add(place)
            if progress:
                progress(len(done), len(units), units[place][0].group[-1].path, 0, 0)
        for place, (unit, task) in enumerate(units):
            if place not in done and not unit.part:
                gaps = lost(NAME, unit.group[-1:], "crash", "the worker that looked at it was lost", "run again")
                yield from ((task, gap) for gap in gaps)
        cut = {unit.group: (unit, task) for unit, task in units if unit.part}
        merged = self._merged(blocks) if blocks else []
        told = [(task, _remote(_told, self.keeper, _told_of(unit), merged)) for unit, task in cut.values()]
        for task, answer in told:
            yield from ((task, record) for record in _or_gap(_get(answer), task.group[-1].path))

    def _blocks(self, units: Sequence[Task]) -> list[Any]:
        """Return references to the blocks of rows (unit, kind, text) that the counting gave."""
        import ray

        items = [{"unit": place, "task": codec.dumps(codec.encode(unit))} for place, unit in enumerate(units)]
        there: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]  # of Ray
        workers = max(1, min(int(there.get("CPU", 1)), len(items)))
        rows = ray.data.from_items(items, override_num_blocks=min(len(items), MAX_BLOCKS)).map_batches(
            Counter,
            fn_constructor_args=(self.keeper, self.timeout),
            batch_size=1,
            num_cpus=0.5,
            zero_copy_batch=True,
            compute=ray.data.ActorPoolStrategy(size=workers),
        )
        try:
            return list(rows.materialize().to_arrow_refs())
        except Exception:  # noqa: BLE001  # no actor could be started, or the cluster is gone: each unit becomes a gap
            return []

    def _merged(self, blocks: Sequence[Any]) -> Any:
        """Return a reference to all parts, merged in a tree."""
        level = [_remote(_merge, self.keeper, *blocks[at : at + FAN_IN]) for at in range(0, len(blocks), FAN_IN)]
        while len(level) > 1:
            level = [_remote(_merge, self.keeper, *level[at : at + FAN_IN]) for at in range(0, len(level), FAN_IN)]
        return level[0]


def _object(task: Task, found: Part) -> Task:
    return replace(task, group=(task.group[0], Artifact(found.path, found.sealed, found.end)))


def _told_of(task: Task) -> str:
    return codec.dumps(codec.encode(task))


def _decoded(texts: Iterable[str]) -> Iterator[Record]:
    return (codec.decode(codec.loads(text)) for text in texts)


def _all(many: Iterable[Iterable[Any]]) -> Iterator[Any]:
    for some in many:
        yield from some


def _remote(function: Any, *arguments: Any) -> Any:
    import ray

    return ray.remote(num_cpus=0.5, max_retries=2)(_quietly).remote(function, *arguments)


def _get(answer: Any) -> list[Any] | None:
    """Return what a task answered, None when it failed or was lost."""
    import ray

    try:
        found: list[Any] | None = ray.get(answer)
    except Exception:  # noqa: BLE001  # its text is that of the task's exception
        return None
    return found


def _or_gap(answer: list[str] | None, path: str) -> Iterator[Record]:
    """Yield the records of an answer, and a gap where there is none."""
    if answer is None:
        yield Gap(NAME, path, "crash", "the worker that looked at it failed or was lost", "run again")
    else:
        yield from _decoded(answer)


# --- On the workers. Nothing is raised there: Ray writes exceptions to its logs.


def _quietly(function: Any, *arguments: Any) -> Any:
    """Return what the function does, None when it fails."""
    try:
        return function(*arguments)
    except Exception:  # noqa: BLE001  # its text may quote what was read
        return None


class Keeper:
    """An actor that gives the setting, with the key and the addresses of stores, to who asks: answers this small are no objects of the store."""

    def __init__(self, shared: str) -> None:
        self._shared = shared

    def shared(self) -> str:
        """Return the setting as JSON."""
        return self._shared


def _setting(keeper: Any) -> Setting:
    import ray

    setting: Setting = codec.build(Setting, codec.loads(ray.get(keeper.shared.remote())))
    return setting


class Counter:
    """An actor with a child process that does one task after the other."""

    def __init__(self, keeper: Any, timeout: float) -> None:
        from mlguard.pool import Pool

        self.pool = Pool((), _setting(keeper), 1, timeout)

    def __call__(self, batch: Any) -> dict[str, list[Any]]:
        """Return rows (unit, kind, text): the records of each unit, and one of kind "done" at its end."""
        rows: list[tuple[int, str, str]] = []
        for place, text in zip(batch["unit"].tolist(), batch["task"].tolist(), strict=True):
            task: Task = codec.build(Task, codec.loads(text))
            try:
                self.pool.add([task])
                for _, record in self.pool.run(None):
                    rows.append(
                        (place, "part" if isinstance(record, Part) else "record", codec.dumps(codec.encode(record)))
                    )
            except Exception as error:  # noqa: BLE001
                gap = Gap(NAME, task.group[-1].path, "crash", f"the worker failed with {type(error).__name__}")
                rows.append((place, "record", codec.dumps(codec.encode(gap))))
            rows.append((place, "done", ""))
        return {"unit": [row[0] for row in rows], "kind": [row[1] for row in rows], "text": [row[2] for row in rows]}


def _plain_records(block: Any) -> list[tuple[int, str]]:
    rows = block.to_pydict()
    every = zip(rows.get("unit", ()), rows.get("kind", ()), rows.get("text", ()), strict=True)
    return [(unit, text) for unit, kind, text in every if kind != "part"]


def _merge(keeper: Any, *blocks: Any) -> list[str]:
    """Return the parts of several blocks, or of several answers of this function, with those that follow each other as one."""
    from mlguard.scanners.dataset import parts, sketch

    key = bytes.fromhex(_setting(keeper).key)
    seen: dict[str, list[Any]] = {}
    for block in blocks:
        for text in block if isinstance(block, list) else _parts_in(block) if block is not None else ():
            part = codec.decode(codec.loads(text))
            if isinstance(part, Part):
                seen.setdefault(part.path, []).append(part)
    found: list[str] = []
    for path, some in sorted(seen.items()):
        try:
            if len(some) > 1:
                runs = sketch.merged(parts.opened(part, key) for part in some)
                some = [parts.sealed(run, path, key) for run in runs]
        except Exception:  # noqa: BLE001  # its slices are missed at the end, and that is said
            continue
        found += [codec.dumps(codec.encode(part)) for part in some]
    return found


def _parts_in(block: Any) -> list[str]:
    rows = block.to_pydict()
    every = zip(rows.get("kind", ()), rows.get("text", ()), strict=True)
    return [text for kind, text in every if kind == "part"]


def _context(keeper: Any) -> tuple[Setting, Context]:
    setting = _setting(keeper)
    return setting, Context(Path(setting.root), setting.settings.get(NAME, {}), setting.hook, opener(setting))


def _told(keeper: Any, task_text: str, texts: list[str]) -> list[str]:
    """Return what the parts of one dataset tell."""
    task: Task = codec.build(Task, codec.loads(task_text))
    from mlguard.scanners.dataset import parts

    setting, context = _context(keeper)
    group = task.group
    path = parts.name_of(group[1:] if group[0].kind == "store" else group)
    seen = [record for record in _decoded(texts) if isinstance(record, Part) and record.path == path]
    context.settings = {**context.settings, "part": (), "parts": seen, "key": setting.key}
    return [codec.dumps(codec.encode(record)) for record in examine(scanner(NAME), group, context)]


def _objects(keeper: Any, task_text: str) -> list[str]:
    from mlguard.scanners.dataset import remote

    task: Task = codec.build(Task, codec.loads(task_text))
    found: list[str] = []
    for item in remote.objects(task.group[0], _context(keeper)[1]):
        record = Part(item.path, 0, item.size, item.kind) if isinstance(item, Artifact) else item
        found.append(codec.dumps(codec.encode(record)))
    return found


def _readers(keeper: Any, task_text: str, paths: list[str]) -> list[str]:
    from mlguard.scanners.dataset import remote

    task: Task = codec.build(Task, codec.loads(task_text))
    return [codec.dumps(codec.encode(record)) for record in remote.readers(task.group[0], paths, _context(keeper)[1])]
