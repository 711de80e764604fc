"""Asks the user's own git for objects and nothing else.

No hook, filter, text conversion, pager, signature check or transport runs, replaced objects and grafts are not followed, and a partial
clone fetches nothing. Nothing is written.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mlguard import artifacts, redact
from mlguard.errors import Unreadable, UsageError

SHORT = 7
"""Digits of a commit's id that are shown; more of them would be masked as a number of somebody."""

_PIPE_BYTES = 2**20

_GIT_SECONDS = 600
"""How long git may take to list the history."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is read of a history. What lies beyond is a gap."""

    commits: int = 200_000
    changes: int = 5_000_000  # of files, in all commits
    blobs: int = 50_000  # versions of data files
    blob_bytes: int = 64 * 2**20  # of one version, which is held in memory
    bytes: int = 8 * 2**30  # of all versions


@dataclass(frozen=True, slots=True)
class Git:
    root: Path

    def command(self, *words: str) -> list[str]:
        return [
            "git", "--no-pager", "--no-replace-objects", "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}",
            "-c", "log.showSignature=false", "-c", f"core.attributesFile={os.devnull}", "-c", "core.quotePath=false",
            "-c", "protocol.allow=never", *words,
        ]  # fmt: skip

    def environment(self) -> dict[str, str]:
        """Return a clean environment: nothing of GIT_* counts, and no transport is allowed, whatever a configuration says."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        return {
            **kept, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none",
            "GIT_NO_REPLACE_OBJECTS": "1", "GIT_GRAFT_FILE": os.devnull, "GIT_PAGER": "cat", "GIT_ADVICE": "0", "LC_ALL": "C",
            "GIT_ATTR_NOSYSTEM": "1",
        }  # fmt: skip

    def ask(self, *words: str) -> bytes:
        """Return what git answers. Raises Unreadable, without git's own words: they may quote a path or an address."""
        try:
            done = subprocess.run(
                self.command(*words), cwd=self.root, env=self.environment(), capture_output=True, timeout=_GIT_SECONDS, check=False,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            raise Unreadable("git does not answer") from None
        if done.returncode != 0:
            raise Unreadable("git refused")
        return done.stdout

    def works(self) -> bool:
        """Say whether git answers for this folder."""
        try:
            return bool(self.ask("rev-parse", "--git-dir"))
        except Unreadable:
            return False

    def prefix(self) -> str:
        """Return the path from the top of the work tree to this folder, "" at the top; it ends in a slash."""
        try:
            return _path(self.ask("rev-parse", "--show-prefix").rstrip(b"\n"))
        except Unreadable:
            return ""

    def tree(self) -> dict[str, list[str]]:
        """Return the blobs of the current commit by path; empty when there is none."""
        try:
            listed = self.ask("ls-tree", "-r", "-z", "--full-tree", "HEAD")
        except Unreadable:
            return {}
        found: dict[str, list[str]] = {}
        for entry in listed.split(b"\0"):
            head, _, name = entry.partition(b"\t")
            words = head.split()
            if len(words) == 3 and words[1] == b"blob":
                found.setdefault(_path(name), []).append(words[2].decode())
        return found

    def versions(self, revisions: str, since: str, limits: Limits) -> tuple[dict[tuple[str, str], tuple[str, str, int]], str]:  # fmt: skip
        """Return (commit that added, commit that removed, place from the newest) by path and blob, and why some are left out."""
        found: dict[tuple[str, str], tuple[str, str, int]] = {}
        commits = self.commits(revisions, since, limits)
        if commits is None:
            return found, "git cannot list the commits: the repository is damaged, or lacks some of them"
        reason = f"only the newest {limits.commits:,} commits were looked at" if len(commits) > limits.commits else ""
        try:
            if commits and not _collect(self.changes(commits[: limits.commits]), found, limits.changes):
                reason = f"only the newest {limits.changes:,} changes of files were looked at"
        except Unreadable:
            reason = "git cannot tell what every commit changed: the repository is damaged, or lacks some of its trees"
        return found, reason

    def commits(self, revisions: str, since: str, limits: Limits) -> list[bytes] | None:
        """Return the commits of a range, newest first, one more than is looked at; None when git cannot list them.

        Raises UsageError for a range that git does not know.
        """
        ranges = revisions.split()
        if any(word.startswith("-") for word in ranges):
            raise UsageError(f"{redact.text(revisions)!r} is no range of revisions")
        filters = [f"--max-count={limits.commits + 1}", "--date-order", *([f"--since={since}"] if since else [])]
        for chosen in [["--end-of-options", *ranges]] if ranges else [["--all", "HEAD"], ["--all"]]:
            try:
                return self.ask("rev-list", *filters, *chosen, "--").split()
            except Unreadable:  # HEAD is none in a clone without a current commit
                continue
        if ranges:
            raise UsageError(f"git knows no range of revisions {redact.text(revisions)!r}")
        return None

    def changes(self, commits: Sequence[bytes]) -> Iterator[bytes]:
        """Yield the fields of the changes that each commit made to each of its parents, as git parts them by zero bytes."""
        command = self.command("diff-tree", "--stdin", "-r", "-m", "--root", "-z", "--raw", "--no-renames", "--no-ext-diff",
                               "--no-textconv", "--no-abbrev")  # fmt: skip
        with subprocess.Popen(
            command, cwd=self.root, env=self.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:  # fmt: skip
            assert process.stdin is not None and process.stdout is not None
            feeder = threading.Thread(target=_feed, args=(process.stdin, commits), daemon=True)
            feeder.start()
            try:
                rest = b""
                while data := process.stdout.read(_PIPE_BYTES):
                    *parts, rest = (rest + data).split(b"\0")
                    yield from parts
                if process.wait() != 0:
                    raise Unreadable("git refused")
            finally:
                process.kill()
                feeder.join()

    def objects(self) -> Objects:
        return Objects(self)


def _path(name: bytes) -> str:
    """Return a path fit to be shown: bytes that are no UTF-8 are escaped."""
    return name.decode("utf-8", "backslashreplace")


def _feed(pipe: IO[bytes], commits: Sequence[bytes]) -> None:
    try:
        for commit in commits:
            pipe.write(commit + b"\n")
        pipe.close()
    except (OSError, ValueError):  # git has ended
        return


def _collect(fields: Iterator[bytes], found: dict[tuple[str, str], tuple[str, str, int]], most: int) -> bool:
    """Take each file that a commit added or took away, from the newest commit to the oldest. Return whether that was all."""
    commit, place, changes = "", 0, 0
    for part in fields:
        if not part.startswith(b":"):
            commit = part.strip().split(b" ")[0].decode("ascii", "replace") or commit
            place += 1
            continue
        changes += 1
        if changes > most:
            return False
        old_mode, new_mode, old, new, _ = part[1:].split(b" ", 4)
        path = _path(next(fields, b""))
        if old_mode.startswith(b"100"):
            key = (path, old.decode())
            added, removed, at = found.get(key, ("", "", place))
            found[key] = (added, removed or commit, at)
        if new_mode.startswith(b"100"):
            key = (path, new.decode())
            _, removed, at = found.get(key, ("", "", place))
            found[key] = (commit, removed, at)  # the oldest commit is met last
    return True


@dataclass(slots=True)
class Objects:
    """A git that answers for objects, one after the other."""

    git: Git
    process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Objects:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End git."""
        if self.process is not None:
            self.process.kill()
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe is not None:
                    try:
                        pipe.close()
                    except OSError:
                        pass
            self.process.wait()
            self.process = None

    def read(self, blob: str, most: int) -> tuple[int, bytes]:
        """Return the size of a blob and its bytes, of a larger one only the first; -1 when it is not here."""
        stdin, stdout = self._pipes()
        try:
            stdin.write(f"{blob}\n".encode())
            stdin.flush()
            head = stdout.readline(200).split()
            if len(head) != 3 or head[1] != b"blob":
                if len(head) == 3:
                    self.close()  # what follows is no file; begin anew
                return -1, b""
            size = int(head[2])
            data = stdout.read(min(size, most if size <= most else artifacts.HEAD_BYTES))
            if size > most:
                self.close()
            else:
                stdout.read(1)
        except (OSError, ValueError):
            self.close()
            return -1, b""
        return (size, data) if len(data) == size or size > most else (-1, b"")

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        if self.process is None or self.process.poll() is not None:
            self.close()
            self.process = subprocess.Popen(
                self.git.command("cat-file", "--batch"), cwd=self.git.root, env=self.git.environment(),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        assert self.process.stdin is not None and self.process.stdout is not None
        return self.process.stdin, self.process.stdout
