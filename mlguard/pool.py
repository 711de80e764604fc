"""Gives tasks to child processes, and survives every one of them."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlguard import codec
from mlguard.findings import GapKind, Record
from mlguard.workers import Progress, Setting, Task, lost

SHARE_BYTES = 8 * 2**20
"""A second child joins a scanner's queue when more than this is left: below, loading its libraries costs more."""

READ_BYTES = 2**20

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


class _Child:
    """One child process, the task in its hands, and what it has sent of a line."""

    def __init__(self, setting: Setting) -> None:
        # -P keeps the working directory off the path: it may be the scanned tree, from which nothing is imported.
        command = [sys.executable, "-P", "-c", _CHILD.format(str(Path(__file__).resolve().parent.parent))]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=os.sep
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.sink, self.source = self.process.stdin, self.process.stdout
        os.set_blocking(self.source.fileno(), False)
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


class Pool:
    """Tasks in a queue for each scanner, and children that each keep to one scanner as long as it has tasks."""

    def __init__(self, tasks: Sequence[Task], setting: Setting, processes: int, timeout: float) -> None:
        self.setting, self.processes, self.timeout = setting, processes, timeout
        self.total = self.done = 0
        self.queues: dict[str, deque[Task]] = {}
        self.add(tasks)
        self.children: list[_Child] = []
        self.selector = selectors.DefaultSelector()

    def add(self, tasks: Sequence[Task]) -> None:
        """Queue tasks for the next ``run``."""
        self.total += len(tasks)
        for task in tasks:
            self.queues.setdefault(task.scanner, deque()).append(task)

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

    def _hand_out(self) -> None:
        for child in self.children:
            if child.task is None and (task := self._next(child.scanner)):
                child.give(task, self.timeout)
        while len(self.children) < self.processes and (task := self._next("")):
            child = _Child(self.setting)
            self.children.append(child)
            self.selector.register(child.source, selectors.EVENT_READ, child)
            child.give(task, self.timeout)

    def _next(self, loaded: str) -> Task | None:
        """Return the next task: of the scanner that is loaded, else of one that nobody works on, else of a long queue."""
        if self.queues.get(loaded):
            return self.queues[loaded].popleft()
        busy = {child.task.scanner for child in self.children if child.task}
        for name, queue in self.queues.items():
            if queue and (name not in busy or sum(a.size for task in queue for a in task.group) > SHARE_BYTES):
                return queue.popleft()
        return None

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
