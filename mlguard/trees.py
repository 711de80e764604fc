"""Says which files of a tree were left alone since an earlier run read them."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from pathlib import Path

from mlguard.scanners import MAX_TEXT_BYTES
from mlguard.values import dataclass

_FINE_NS, _COARSE_NS = 100_000_000, 2_000_000_000
"""How long before it was read a file must have been left alone, in nanoseconds, for its times to prove that it did not change since.

Two changes within one tick of a file system's clock leave the same times; a tick is some milliseconds, or up to two seconds where no
times with fractions of a second are kept.
"""


State = tuple[int, int, int, int]
"""Inode, size in bytes, and the times of the last change of content and of anything, in nanoseconds."""


def state_of(status: os.stat_result) -> State:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def settled(status: os.stat_result, moment: int) -> bool:
    """Say whether every change of a file after ``moment`` (nanoseconds) gives it other times than ``status`` has."""
    ticks = status.st_ctime_ns % 1_000_000_000 or status.st_mtime_ns % 1_000_000_000
    margin = _FINE_NS if ticks else _COARSE_NS
    return max(status.st_ctime_ns, status.st_mtime_ns) < moment - margin


@dataclass(slots=True)
class Entry:
    state: State
    kind: str
    digest: str  # "" when nobody asked for it


class Tree:
    """What the files of one tree were when they were last read, so that one that was left alone need not be read again."""

    def __init__(self, root: Path, entries: dict[str, Entry]) -> None:
        self.root = str(root)
        self.entries = entries
        self.begun = time.time_ns()
        self.states: dict[str, os.stat_result] = {}  # as they were before anything was read
        self.fresh: dict[str, str] = {}  # digests that were taken in this run
        self._listed: dict[str, str] = {}

    def kind(self, path: str, status: os.stat_result) -> str | None:
        """Return the kind of a regular file, None when it has to be looked at."""
        self.states[path] = status
        entry = self.entries.get(path)
        return entry.kind if entry is not None and entry.state == state_of(status) else None

    def digest(self, path: str) -> str:
        """Return the digest of a file's content, "" when it cannot be read or is too large to be worth it."""
        status = self.states.get(path)
        entry = self.entries.get(path) if status is not None else None
        if entry is not None and status is not None and entry.digest and entry.state == state_of(status):
            return entry.digest
        if path in self.fresh:
            return self.fresh[path]
        try:
            with open(f"{self.root}/{path}", "rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_TEXT_BYTES:
                    return ""
                data = file.read(MAX_TEXT_BYTES + 1)
        except OSError:
            return ""
        digest = hashlib.blake2b(data, digest_size=20).hexdigest()
        self.states[path] = status
        self.fresh[path] = digest
        return digest

    def entries_of(self, folder: str) -> str:
        """Return a digest over the names in a folder that an import could mean, "" when it cannot be listed."""
        if folder not in self._listed:
            try:
                names = os.listdir(f"{self.root}/{folder}")
            except OSError:
                self._listed[folder] = ""
            else:
                told = sorted(
                    name for name in names if name.removesuffix(".py").isidentifier() and name != "__pycache__"
                )
                self._listed[folder] = hashlib.blake2b("\0".join(told).encode(), digest_size=20).hexdigest()
        return self._listed[folder]

    def unchanged(self, path: str) -> bool:
        """Say whether a file is now what it was when its digest was taken."""
        before = self.states.get(path)
        try:
            now = os.stat(f"{self.root}/{path}")
        except OSError:
            return False
        if before is None or state_of(now) != state_of(before):
            return False
        if path not in self.fresh or settled(before, self.begun):
            return True
        return self.fresh.pop(path) == self.digest(path)
