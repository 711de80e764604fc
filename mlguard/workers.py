"""Runs one scanner over one group of files, and lets nothing but clean records out."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from mlguard import redact
from mlguard.artifacts import TEXT_KINDS, Artifact
from mlguard.errors import MlguardError, Unreadable
from mlguard.findings import Detection, Gap, Location, Record
from mlguard.scanners import Context, Scanner, read_text
from mlguard.scanners import scanner as load_scanner

EXCERPT_LINES = 5
"""The most lines that an excerpt shows."""

log = logging.getLogger(__name__)


def examine(scanner: Scanner, group: Sequence[Artifact], context: Context) -> Iterator[Record]:
    """Yield what the scanner sees in one group. Trouble of any kind becomes a gap; what was seen before it is kept."""
    lines: dict[str, list[str] | None] = {}
    kinds = {artifact.path: artifact.kind for artifact in group}
    records = iter(scanner.scan(group, context))
    while True:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                record = next(records)
        except StopIteration:
            return
        except Unreadable as trouble:
            yield Gap(scanner.name, group[0].path, "unreadable", redact.text(str(trouble)))
            return
        except RecursionError:
            yield Gap(scanner.name, group[0].path, "unreadable", "nested too deeply to be read")
            return
        except MemoryError:
            yield Gap(scanner.name, group[0].path, "too-large", "more memory is needed than the limit allows")
            return
        except Exception as error:  # noqa: BLE001  # the one place where a scanner's bug ends
            yield crash(scanner.name, group, error)
            return
        yield _shown(record, kinds, lines, context) if isinstance(record, Detection) else record


def crash(scanner: str, group: Sequence[Artifact], error: BaseException) -> Gap:
    """Return the gap for a bug. It names the type of the exception and the place; the text may quote the input."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}" if trace else ""
    advice = redact.text(str(error)) if isinstance(error, MlguardError) else "this is a bug of the scanner; please report it"
    return Gap(scanner, group[0].path, "crash", f"{type(error).__name__}{place}", advice)


def _shown(
    detection: Detection, kinds: Mapping[str, str], lines: dict[str, list[str] | None], context: Context
) -> Detection:
    """Return the detection with its facts masked, and with its masked source lines when it has none of its own."""
    facts = {key: redact.text(value) if isinstance(value, str) else value for key, value in detection.facts.items()}
    if detection.excerpt or kinds.get(detection.location.path) not in TEXT_KINDS:
        return replace(detection, facts=facts)
    path = detection.location.path
    if path not in lines:
        try:
            lines[path] = read_text(context, path).split("\n")
        except Unreadable:
            lines[path] = None
    return replace(detection, facts=facts, excerpt=_excerpt(lines[path], detection.location))


def _excerpt(lines: list[str] | None, place: Location) -> tuple[str, ...]:
    if lines is None or not 1 <= place.line <= len(lines):
        return ()
    last = min(max(place.end_line, place.line), place.line + EXCERPT_LINES - 1, len(lines))
    return tuple(redact.excerpt(line) for line in lines[place.line - 1 : last])


@dataclass(frozen=True, slots=True)
class Task:
    """One group of files for one scanner."""

    scanner: str
    group: tuple[Artifact, ...]


class Limits(Protocol):
    """What ``perform`` needs to know of a run."""

    root: Path
    settings: Mapping[str, Mapping[str, Any]]
    plugins: Sequence[str]
    processes: int
    hook: bool
    timeout: float
    memory: int


def perform(
    tasks: Sequence[Task], run: Any, progress: Callable[[int, int, str], None] | None = None
) -> Iterator[tuple[Task, list[Record]]]:
    """Yield each task with its records, in the order of completion."""
    built: dict[str, Scanner] = {}
    for done, task in enumerate(tasks, 1):
        if task.scanner not in built:
            built[task.scanner] = load_scanner(task.scanner, run.plugins)
        context = Context(run.root, run.settings.get(task.scanner, {}), run.hook)
        yield task, list(examine(built[task.scanner], task.group, context))
        if progress:
            progress(done, len(tasks), task.group[0].path)
