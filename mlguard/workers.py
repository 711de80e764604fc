"""Runs a scanner over a group of files, in this process or as a child, and lets nothing but clean records out."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import re
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from mlguard import codec, ignores, lazy, redact
from mlguard.artifacts import SHOWN_KINDS, TEXT_KINDS, Artifact
from mlguard.errors import MlguardError, Unreadable, UsageError
from mlguard.facts import DataFlow, Deployment, Grant, Resource
from mlguard.findings import Aside, Detection, Edit, Gap, GapKind, Location, Proof, Record
from mlguard.ignores import Comment
from mlguard.scanners import Alive, Context, Scanner, Store, read_text
from mlguard.scanners import scanner as load_scanner
from mlguard.values import dataclass, field, fields, replace

Progress = Callable[[int, int, str, int, int], None]
"""Called with the tasks done, the tasks in all, a path, and of the table that is read there the rows read and those there are.

Both are 0 when a task is done, the second also when nobody knows how many there are.
"""

MAX_NAME = 500
"""Characters of a name or address in a record."""

ALIVE_SECONDS = 1.0
"""How often a child says at most that it gets on."""

EXCERPT_LINES = 5
"""The most lines that an excerpt shows."""


@dataclass(frozen=True, slots=True)
class Task:
    """One group of files for one scanner."""

    scanner: str
    group: tuple[Artifact, ...]
    part: tuple[
        int, ...
    ] = ()  # (begin, end): only these slices of the group are counted, see ``mlguard.scanners.dataset.parts``


@dataclass(frozen=True, slots=True)
class Setting:
    """What all tasks of a run share."""

    root: str
    plugins: tuple[str, ...]
    settings: Mapping[str, Mapping[str, Any]]
    hook: bool = False
    memory: int = 0  # bytes of address space that a child may take beyond what it starts with; 0: no limit
    stores: Mapping[str, str] = field(default_factory=dict, repr=False)  # what is shown of an address -> the address
    key: str = field(default="", repr=False)  # hexadecimal; what leaves a process of parts is sealed with it


def examiner(setting: Setting, alive: Alive | None = None) -> Callable[[Task], Iterator[Record]]:
    """Return a function that examines one task after the other and keeps each scanner it has loaded.

    ``alive`` is called now and then during a task that takes long.
    """
    loaded: dict[str, Scanner] = {}

    def examine_task(task: Task) -> Iterator[Record]:
        if task.scanner not in loaded:
            loaded[task.scanner] = load_scanner(task.scanner, setting.plugins)
        store = opener(setting) if setting.stores else None
        settings = setting.settings.get(task.scanner, {})
        if task.part:
            settings = {**settings, "part": task.part, "key": setting.key}
        context = Context(Path(setting.root), settings, setting.hook, store, alive)
        return examine(loaded[task.scanner], task.group, context)

    return examine_task


def opener(setting: Setting) -> Callable[[str], Store]:
    """Return what opens a store that the command has named, by what is shown of its address."""

    def opened(shown: str) -> Store:
        from mlguard import stores  # only a run that names one may reach a network

        return stores.open_store(setting.stores[shown], {"root": setting.root})

    return opened


def perform(tasks: Sequence[Task], setting: Setting, progress: Progress | None = None) -> Iterator[tuple[Task, Record]]:
    """Yield each record with its task, examined in this process."""
    place = [0]

    def alive(rows: int = 0, of: int = 0) -> None:
        if progress is not None and rows:
            progress(place[0], len(tasks), tasks[place[0]].group[0].path, rows, of)

    examine_task = examiner(setting, alive)
    for number, task in enumerate(tasks):
        place[0] = number
        for record in examine_task(task):
            yield task, record
        if progress:
            progress(number + 1, len(tasks), task.group[0].path, 0, 0)


def examine(scanner: Scanner, group: Sequence[Artifact], context: Context) -> Iterator[Record]:
    """Yield what the scanner sees in one group. Trouble of any kind becomes gaps; what was seen before it is kept."""
    kinds = {artifact.path: artifact.kind for artifact in group}
    lines = _Lines(kinds, context)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a warning about a scanned file may quote it
            for record in scanner.scan(group, context):
                yield _shown(record, lines) if isinstance(record, Detection) else _masked(record)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # the one place where a scanner's bug ends
        yield from lost(scanner.name, group, *trouble(error))


def trouble(error: BaseException) -> tuple[GapKind, str, str]:
    """Return kind, reason and hint of the gap that an exception of a scanner leaves. They quote nothing of the input."""
    if isinstance(error, Unreadable):
        return "unreadable", redact.text(str(error)), ""
    if isinstance(error, RecursionError):
        return "unreadable", "nested too deeply to be read", ""
    if isinstance(error, MemoryError):
        return "too-large", "more memory is needed than the limit allows", "raise limits.memory"
    if isinstance(error, ImportError):
        return "missing", *_absent(error)
    return "crash", *_bug(error)


def plan(name: str, setting: Setting, artifacts: Sequence[Artifact]) -> tuple[list[Task], list[Gap]]:
    """Return the tasks of one scanner, and a gap when it cannot say what it wants. Raises UsageError when there is none."""
    try:
        if name != "dataset":
            beyond = ("store",) if name == "secrets" else ("store", "history")
            artifacts = [artifact for artifact in artifacts if artifact.kind not in beyond]
        groups = load_scanner(name, setting.plugins).plan(artifacts, setting.settings.get(name, {}))
        return [Task(name, tuple(group)) for group in groups], []
    except UsageError:
        raise
    except ImportError as error:
        return [], [Gap(name, "", "missing", *_absent(error))]
    except Exception as error:  # noqa: BLE001  # a scanner of another package may do anything
        return [], [Gap(name, "", "crash", *_bug(error))]


def lost(scanner: str, group: Sequence[Artifact], kind: GapKind, reason: str, hint: str = "") -> Iterator[Gap]:
    """Yield a gap for each file of a group that was not read to its end."""
    return (Gap(scanner, artifact.path, kind, reason, hint) for artifact in group)


def _absent(error: ImportError) -> tuple[str, str]:
    module = error.name or "a module"
    return f"{module} is not installed, or cannot be loaded", "mlguard doctor says what each scanner needs"


def _bug(error: BaseException) -> tuple[str, str]:
    """Return reason and hint: the exception's type and place. Its text may quote the input, so it is left out."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}" if trace else ""
    if isinstance(error, MlguardError):
        return redact.text(str(error)), "see the configuration of this scanner"
    return f"{type(error).__name__}{place}", "this is a bug of the scanner; please report it with this line"


def _masked(record: Record) -> Record:
    """Return the record with its texts masked where they come from a manifest or from code: a name may be an address."""
    if not isinstance(record, (Resource, Grant, DataFlow, Deployment, Proof)):
        return record
    changed: dict[str, Any] = {}
    kind: Any = type(record)
    for name in _texts(kind):
        value = getattr(record, name)
        if isinstance(value, str):
            masked: Any = _name(value, record.path)
        elif isinstance(value, tuple):
            masked = tuple(_name(part, record.path) for part in value)
        else:
            continue
        if masked != value:
            changed[name] = masked
    return replace(record, **changed) if changed else record


@cache
def _texts(kind: Any) -> tuple[str, ...]:
    """Return the names of the fields of a record that may hold text to mask."""
    return tuple(one.name for one in fields(kind) if one.name not in ("path", "rule"))


def _name(value: str, path: str) -> str:
    """Return a name fit to show. Paths, and what begins with one, are shown as they are, and so are package URLs."""
    if value.startswith("pkg:"):
        return value
    if path and value.startswith(path):
        return path + redact.text(value[len(path) :], MAX_NAME)
    return redact.text(value, MAX_NAME)


class _Lines:
    """The lines of the files of one group, each read once and only when something was found in it."""

    def __init__(self, kinds: Mapping[str, str], context: Context) -> None:
        self.kinds, self.context = kinds, context
        self._lines: dict[str, list[str] | None] = {}
        self._comments: dict[str, list[Comment]] = {}

    def of(self, path: str) -> list[str] | None:
        if path not in self._lines:
            try:
                text = read_text(self.context, path)
                self._lines[path] = _cell_lines(text) if self.kinds.get(path) == "notebook" else text.split("\n")
            except Unreadable:
                self._lines[path] = None
        return self._lines[path]

    def aside(self, detection: Detection) -> Aside | None:
        """Return the comment in the file that sets the detection aside, if there is one."""
        place = detection.location
        if place.within.startswith("commit "):
            return None  # of a line of the past
        if place.path not in self._comments:
            self._comments[place.path] = ignores.comments(self.of(place.path) or (), place.path)
        found = self._comments[place.path]
        if not found:
            return None
        from mlguard.scanners.own import catalogue

        rule = catalogue(str(self.context.settings.get("rules", ""))).rules.get(detection.rule)
        check = rule.checks.get(detection.check, {}) if rule else {}
        infra = rule is not None and (rule.scanner == "infra" or "select" in check)
        peers = check.get("peers") or ()
        return ignores.aside(found, detection.rule, detection.check, peers, infra, place.line, place.end_line)


def _aside(detection: Detection, lines: _Lines) -> Aside | None:
    """Return the comment that sets a detection aside: that which its scanner knows of, unless that one counts for nothing."""
    known = detection.aside
    return known if known is not None and not known.problem else lines.aside(detection) or known


_COMMIT = lazy.pattern(r"[0-9a-f]{7}")
_COMMIT_PLACE = lazy.pattern(r"commit [0-9a-f]{7}(?=$|:)")
_COMMIT_FACTS = frozenset({"commit", "removed", "since"})


def _fact(key: str, value: str) -> str:
    """Return a fact fit to show. The short name of a commit stays, though it may look like a number or a word with digits."""
    return value if key in _COMMIT_FACTS and _COMMIT.fullmatch(value) else redact.text(value)


def _shown(detection: Detection, lines: _Lines) -> Detection:
    """Return the detection with its facts masked, its masked source lines when it has none of its own, and what sets it aside."""
    facts = {key: _fact(key, value) if isinstance(value, str) else value for key, value in detection.facts.items()}
    place = detection.location
    if place.within:
        commit = _COMMIT_PLACE.match(place.within)
        kept = commit.group() if commit else ""
        # a member or a column may be called like a person
        place = replace(place, within=kept + redact.text(place.within[len(kept) :], MAX_NAME))
    subject = _name(detection.subject, place.path)
    kind = lines.kinds.get(place.path, "python")
    if kind not in SHOWN_KINDS or kind == "notebook" and ", output " in place.within:
        told = detection.rule.startswith("secret/") and place.byte is None and kind in TEXT_KINDS
        aside = detection.aside or (lines.aside(detection) if told else None)
        return replace(detection, location=place, subject=subject, facts=facts, excerpt=(), aside=aside)
    shown = _excerpt(lines.of(place.path), place)
    # A scanner that made an excerpt knows better what to mask, but not that the line is output rather than code.
    own = detection.excerpt if shown or kind != "notebook" else ()
    edit = _edit(detection.wanted, lines.of(place.path), place) if detection.wanted else None
    return replace(
        detection, location=place, subject=subject, facts=facts, excerpt=own or shown, aside=_aside(detection, lines), wanted="", edit=edit,
    )  # fmt: skip


_SWITCH = lazy.pattern(r"^[\w.\"'\-]+\s*[:=]\s*(?P<quote>[\"']?)(?P<value>true|false|yes|no|on|off)(?P=quote)$", re.I)


def _edit(wanted: str, lines: Sequence[str] | None, place: Location) -> Edit | None:
    """Return the change of a switch that is written out at a place; None for one that comes from elsewhere."""
    if (
        lines is None
        or not 1 <= place.line <= len(lines)
        or place.end_line not in (0, place.line)
        or not place.end_column
    ):
        return None
    match = _SWITCH.match(lines[place.line - 1][place.column - 1 : place.end_column - 1])
    if match is None:
        return None
    start, end = match.span("value")
    where = Location(place.path, place.line, place.column + start, place.line, place.column + end)
    return Edit(where, wanted)


def _cell_lines(text: str) -> list[str]:
    """Return the lines of a notebook's file, each as the line of code that it holds and in its column, else ""."""
    from mlguard.scanners import notebook

    written = text.split("\n")
    lines = [""] * len(written)
    places = [(line, source) for cell in notebook.read(text) if cell.kind == "code"
              for line, source in zip(cell.lines, cell.source.split("\n"), strict=False)]  # fmt: skip
    if len({line for line, _ in places}) < len(places):
        return lines  # written on few long lines: what stands on one of them cannot be told apart
    for line, source in places:
        lines[line - 1] = " " * (written[line - 1].find('"') + 1) + source
    return lines


def _excerpt(lines: list[str] | None, place: Location) -> tuple[str, ...]:
    if lines is None or not 1 <= place.line <= len(lines):
        return ()
    last = min(max(place.end_line, place.line), place.line + EXCERPT_LINES - 1, len(lines))
    shown = tuple(redact.excerpt(line) for line in lines[place.line - 1 : last])
    return shown if any(shown) else ()


def serve() -> None:
    """Be a child: read a setting and tasks, a JSON line each, from standard input; write records as they come.

    An answer is ``{"record": …}``, ``{"alive": [rows, of]}`` or, at the end of a task, ``{"done": true}``. Whatever a scanner prints goes nowhere.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_parent()
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    tasks = os.fdopen(os.dup(0), encoding="ascii")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    gc.set_threshold(50_000, 20, 20)  # what a scanner makes lives as long as its group, and is seldom a ring
    setting: Setting = codec.build(Setting, codec.loads(tasks.readline()))
    _limit_memory(setting.memory, for_good=True)
    last = [time.monotonic()]

    def answer(value: object) -> None:
        answers.write(codec.dumps(value).encode("ascii") + b"\n")
        answers.flush()  # what was seen must survive whatever comes next

    def alive(rows: int = 0, of: int = 0) -> None:
        if time.monotonic() > last[0] + ALIVE_SECONDS:
            last[0] = time.monotonic()
            answer({"alive": [rows, of]})

    examine_task = examiner(setting, alive)
    for line in tasks:
        task: Task = codec.build(Task, codec.loads(line))
        for record in examine_task(task):
            answer({"record": codec.encode(record)})
        answer({"done": True})


def _end_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies; elsewhere the end of standard input does, between tasks."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, prctl(2)


@contextlib.contextmanager
def limited(most: int) -> Iterator[None]:
    """Let this process take so many bytes of address space beyond what it has; 0 and other systems than Linux: no limit."""
    before = _limit_memory(most)
    try:
        yield
    finally:
        if before is not None:
            import resource

            resource.setrlimit(resource.RLIMIT_AS, before)


def _limit_memory(most: int, for_good: bool = False) -> tuple[int, int] | None:
    """Set the limit and return what it was."""
    if not most or sys.platform != "linux":
        return None
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm", encoding="ascii") as file:
        limit = int(file.read().split()[0]) * resource.getpagesize() + most
    if before[1] != resource.RLIM_INFINITY:
        limit = min(limit, before[1])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit if for_good else before[1]))
    return before
