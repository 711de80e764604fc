"""Gives tasks to child processes, and survives every one of them."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Protocol

from mlguard import codec
from mlguard.findings import GapKind, Record
from mlguard.workers import Progress, Setting, Task, lost, serve

SHARE_BYTES = 8 * 2**20
"""A second child joins a scanner's queue when more than this is left: below, loading its libraries costs more."""

READ_BYTES = 2**20

PIPE_BYTES = 2**20
"""What a pipe from a child may hold, where the system lets us say: a child that may write on needs no answer."""

PAUSE = 0.002
"""Seconds from one look at the children to the next: each look at a record of its own would cost more than the record."""

_CHILD = "import sys; sys.path.append({!r}); from mlguard.workers import serve; serve()"


def perform(
    tasks: Sequence[Task], setting: Setting, processes: int, timeout: float, progress: Progress | None = None
) -> Iterator[tuple[Task, Record]]:
    """Yield each record with its task, in no certain order, from up to ``processes`` children.

    ``timeout`` is in seconds for one task, or from one sign of life to the next of a task that gives them. A child that hangs or dies costs gaps for the files in its hands; what it
    sent before counts, and another child takes the rest.
    """
    pool = Pool(tasks, setting, processes, timeout)
    try:
        yield from pool.run(progress)
    finally:
        pool.close()


class _Process(Protocol):
    """What this module asks of a child process, as ``subprocess.Popen`` has it."""

    stdin: IO[bytes] | None
    stdout: IO[bytes] | None

    def poll(self) -> int | None: ...
    def kill(self) -> None: ...
    def wait(self) -> int: ...


class _Fork:
    """A copy of this process that serves: what is loaded here it need not load again. ``inherited`` is not for it."""

    def __init__(self, inherited: Iterable[IO[bytes] | selectors.BaseSelector]) -> None:
        (task_end, sink), (source, answer_end) = os.pipe(), os.pipe()
        self._status: int | None = None
        self._pid = os.fork()
        if self._pid == 0:
            try:
                os.dup2(task_end, 0)
                os.dup2(answer_end, 1)
                for descriptor in (task_end, sink, source, answer_end):
                    os.close(descriptor)
                _alone(inherited)
                serve()
                os._exit(0)
            finally:
                os._exit(1)
        os.close(task_end)
        os.close(answer_end)
        self.stdin: IO[bytes] | None = os.fdopen(sink, "wb")
        self.stdout: IO[bytes] | None = os.fdopen(source, "rb", 0)

    def poll(self) -> int | None:
        return self._waited(os.WNOHANG)

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self._pid, signal.SIGKILL)

    def wait(self) -> int:
        status = self._waited(0)
        assert status is not None
        return status

    def _waited(self, options: int) -> int | None:
        if self._status is None:
            pid, status = os.waitpid(self._pid, options)
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status


def _alone(inherited: Iterable[IO[bytes] | selectors.BaseSelector]) -> None:
    """Let go of what a fork has of its parent: pipes to other children, the working folder, and imports from there."""
    for one in inherited:
        with contextlib.suppress(OSError):
            one.close()
    os.chdir(os.sep)
    sys.path[:] = [entry for entry in sys.path if os.path.isabs(entry)]
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _can_fork() -> bool:
    """Say whether a copy of this process is sure to work: of several threads only one would live on in it."""
    return sys.platform == "linux" and len(os.listdir("/proc/self/task")) == 1


def _spawned() -> _Process:
    import subprocess

    # -P keeps the working directory off the path: it may be the scanned tree, from which nothing is imported.
    command = [sys.executable, "-P", "-c", _CHILD.format(str(Path(__file__).resolve().parent.parent))]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=os.sep
    )


class _Child:
    """One child process, the task in its hands, and what it has sent of a line."""

    def __init__(self, setting: Setting, inherited: Iterable[IO[bytes] | selectors.BaseSelector] = ()) -> None:
        self.process: _Process = _Fork(inherited) if _can_fork() else _spawned()
        assert self.process.stdin is not None and self.process.stdout is not None
        self.sink, self.source = self.process.stdin, self.process.stdout
        os.set_blocking(self.source.fileno(), False)
        _widen(self.source.fileno())
        self.task: Task | None = None
        self.scanner = ""  # whose libraries it has loaded
        self.deadline = 0.0
        self.expired = False
        self.told = (0, 0)  # rows read of the table in its hands, and rows there are
        self.partial = b""
        self._send(setting)

    def give(self, task: Task, timeout: float) -> None:
        self.task, self.scanner, self.deadline = task, task.scanner, time.monotonic() + timeout
        self._send(task)

    def _send(self, value: Setting | Task) -> None:
        try:
            self.sink.write((codec.dumps(codec.encode(value)) + "\n").encode("ascii"))
            self.sink.flush()
        except BrokenPipeError:
            pass  # it is dead; its closed output says so next

    def lines(self) -> tuple[list[bytes], bool]:
        """Return the whole lines that have come, and whether its output has ended."""
        try:
            data = os.read(self.source.fileno(), READ_BYTES)
        except BlockingIOError:
            return [], False
        *lines, self.partial = (self.partial + data).split(b"\n")
        return lines, not data

    def stop(self) -> int:
        """Kill it, wait for it, and return its exit status: minus the signal's number when one ended it."""
        status = self.process.poll()
        if status is None:
            self.process.kill()
        try:
            self.sink.close()
        except BrokenPipeError:
            pass
        self.source.close()
        return self.process.wait() if status is None else status


def _widen(pipe: int) -> None:
    """Let a pipe hold more than 64 KiB: Linux, fcntl(2)."""
    if sys.platform == "linux":
        import fcntl

        with contextlib.suppress(OSError):  # the limit for one user may be reached
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _bytes(task: Task) -> int:
    return sum(artifact.size for artifact in task.group)


class Pool:
    """Tasks in a queue for each scanner, and children that each keep to one scanner as long as it has tasks."""

    def __init__(self, tasks: Sequence[Task], setting: Setting, processes: int, timeout: float) -> None:
        self.setting, self.processes, self.timeout = setting, processes, timeout
        self.total = self.done = 0
        self.queues: dict[str, deque[Task]] = {}
        self.waiting: dict[str, int] = {}  # bytes of the files in each queue
        self.add(tasks)
        self.children: list[_Child] = []
        self.selector = selectors.DefaultSelector()

    def add(self, tasks: Sequence[Task]) -> None:
        """Queue tasks for the next ``run``."""
        self.total += len(tasks)
        for task in tasks:
            self.queues.setdefault(task.scanner, deque()).append(task)
            self.waiting[task.scanner] = self.waiting.get(task.scanner, 0) + _bytes(task)

    def close(self) -> None:
        for child in self.children:
            child.stop()
        self.selector.close()

    def run(self, progress: Progress | None) -> Iterator[tuple[Task, Record]]:
        while self.done < self.total:
            self._hand_out()
            for child in self._with_news():
                task = child.task
                yield from self._news(child)
                if progress and task and not child.task:
                    progress(self.done, self.total, task.group[0].path, 0, 0)
                elif progress and task and child.told[0]:
                    progress(self.done, self.total, task.group[0].path, *child.told)
                child.told = (0, 0)
            if all(child.task for child in self.children):
                time.sleep(PAUSE)

    def _hand_out(self) -> None:
        for child in self.children:
            if child.task is None and (task := self._next(child.scanner)):
                child.give(task, self.timeout)
        while len(self.children) < self.processes and (task := self._next("")):
            ours = [pipe for other in self.children for pipe in (other.sink, other.source)]
            child = _Child(self.setting, [self.selector, *ours])
            self.children.append(child)
            self.selector.register(child.source, selectors.EVENT_READ, child)
            child.give(task, self.timeout)

    def _next(self, loaded: str) -> Task | None:
        """Return the next task: of the scanner that is loaded, else of one that nobody works on, else of a long queue."""
        if self.queues.get(loaded):
            return self._taken(loaded)
        busy = {child.task.scanner for child in self.children if child.task}
        for name, queue in self.queues.items():
            if queue and (name not in busy or self.waiting[name] > SHARE_BYTES):
                return self._taken(name)
        return None

    def _taken(self, name: str) -> Task:
        task = self.queues[name].popleft()
        self.waiting[name] -= _bytes(task)
        return task

    def _with_news(self) -> list[_Child]:
        """Wait for children that have sent something, and kill those that are late."""
        busy = [child for child in self.children if child.task]
        wait = max(0.0, min(child.deadline for child in busy) - time.monotonic())
        news: list[_Child] = [key.data for key, _ in self.selector.select(wait)]
        for child in busy:
            if child not in news and child.deadline <= time.monotonic():
                child.expired = True
                child.process.kill()  # what it sent before is still in the pipe
        return news

    def _news(self, child: _Child) -> Iterator[tuple[Task, Record]]:
        lines, ended = child.lines()
        for line in lines:
            assert child.task is not None
            answer = codec.loads(line)
            if "record" in answer:
                yield child.task, codec.decode(answer["record"])
            elif "alive" in answer:
                child.deadline = time.monotonic() + self.timeout
                child.told = (int(answer["alive"][0]), int(answer["alive"][1]))
            else:
                self._finish(child)
        if ended:
            self.selector.unregister(child.source)
            self.children.remove(child)
            status = child.stop()
            if task := child.task:
                self._finish(child)
                yield from ((task, gap) for gap in lost(task.scanner, task.group, *self._cause(child, status)))

    def _finish(self, child: _Child) -> None:
        child.task = None
        self.done += 1

    def _cause(self, child: _Child, status: int) -> tuple[GapKind, str, str]:
        if child.expired:
            return "timeout", f"not done after {self.timeout:g} seconds", "raise limits.timeout or exclude the file"
        ended = f"by signal {-status}" if status < 0 else f"with status {status}"
        return (
            "crash",
            f"the scanner's process ended {ended}",
            "if memory was short, raise limits.memory; else report it",
        )
