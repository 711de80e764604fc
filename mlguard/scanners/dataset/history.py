"""Looks into data files that were once committed and are in the tree no more.

The user's own git is asked for objects and nothing else: no hook, filter, text conversion, pager, signature check or transport runs,
replaced objects and grafts are not followed, and a partial clone fetches nothing. Nothing is written.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from mlguard import artifacts, redact
from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable, UsageError
from mlguard.facts import Dataset, Field
from mlguard.findings import Detection, Gap, GapKind, Location, Record
from mlguard.scanners import Context
from mlguard.scanners.dataset import source as sources
from mlguard.scanners.dataset.source import Source

RULE = "data/personal-data-in-history"

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
class Past:
    """A version of a file that the tree does not hold. ``added`` and ``removed`` are commits; "" when not known."""

    source: Source
    kind: str
    blob: str
    added: str
    removed: str
    current: bool = False  # the newest version of a path that the tree still holds, for comparison


Judge = Callable[[Source, str], Iterator[Record]]
"""Reads a source of a kind and yields its Dataset facts and gaps, see ``dataset.records``. Raises Unreadable."""


def datasets(
    root: Path, revisions: str, context: Context, judge: Judge | None = None, limits: Limits | None = None
) -> Iterator[Record]:
    """Yield a detection for each column of personal data that only the history holds, and a gap for what was not read.

    ``revisions`` is a range as git knows it, "" for all that a reference reaches. Of the versions of one file the newest
    that holds a column is named. A column that the file in the tree still has is left to the look at the tree.
    Raises UsageError for a range that git does not know.
    """
    judge = judge or _judge(context)
    path, versions = "", _Versions(judge)
    for item in history(root, revisions, limits):
        if isinstance(item, Gap):
            yield item
            continue
        if item.source.name != path:
            yield from versions.told()
            path, versions = item.source.name, _Versions(judge)
        yield from versions.add(item)
    yield from versions.told()


def _judge(context: Context) -> Judge:
    """Return what looks at an old version as the scanner looks at a file of the tree."""
    from mlguard.scanners import dataset
    from mlguard.scanners.dataset import formats, stores

    return lambda source, kind: dataset.records(
        stores.tables(source, kind) or formats.tables(source, kind), source.name, context
    )


@dataclass(slots=True)
class _Versions:
    """What the versions of one path hold."""

    judge: Judge
    seen: dict[tuple[str, str], list[tuple[Field, Past]]] = field(default_factory=dict)
    now: set[tuple[str, str]] = field(default_factory=set)

    def add(self, past: Past) -> Iterator[Gap]:
        """Look at a version; newer ones come first."""
        try:
            for record in self.judge(past.source, past.kind):
                if isinstance(record, Dataset):
                    self._keep(record.fields, past)
                elif isinstance(record, Gap) and not past.current:
                    yield _gap(past, record.kind, record.reason, record.hint)
        except Unreadable as trouble:
            if not past.current:
                yield _gap(past, "unreadable", str(trouble))

    def _keep(self, fields: Sequence[Field], past: Past) -> None:
        for seen in fields:
            key = (seen.name, seen.category)
            if past.current:
                self.now.add(key)
            elif past not in [known for _, known in self.seen.get(key, [])[-1:]]:
                self.seen.setdefault(key, []).append((seen, past))

    def told(self) -> Iterator[Detection]:
        """Yield what the tree's own version does not hold."""
        from mlguard.scanners.dataset import report

        for key in sorted(self.seen.keys() - self.now):
            seen, past = self.seen[key][0]
            since = self.seen[key][-1][1].added
            found = report.detection(RULE, past.source.name, seen)
            facts = {**found.facts, "commit": past.added, "versions": len(self.seen[key]), "since": since, "removed": past.removed or "a later commit"}  # fmt: skip
            within = f"commit {past.added}" + (f": {found.location.within}" if found.location.within else "")
            place = Location(past.source.name, within=within)
            yield Detection(found.rule, found.check, place, facts, found.scope, found.anchor, excerpt=("",))


def _gap(past: Past, kind: GapKind, reason: str, hint: str = "") -> Gap:
    return Gap("dataset", past.source.name, kind, f"{reason} (in commit {past.added})", hint)


_CODE = (
    ".py", ".pyi", ".js", ".ts", ".tsx", ".jsx", ".c", ".h", ".cc", ".cpp", ".hpp", ".go", ".rs", ".java", ".kt", ".rb", ".php", ".css", ".scss",
    ".png", ".jpg", ".jpeg", ".gif", ".webp", ".ico", ".svg", ".woff", ".woff2", ".ttf", ".otf", ".mp3", ".mp4", ".lock", ".sum", ".mod", ".tf",
    ".toml", ".cfg", ".ini", ".sh", ".cs", ".swift", ".scala", ".lua", ".pl", ".proto", ".map",
)  # fmt: skip
"""Suffixes that are not asked for: source code, pictures, settings."""


def check(root: Path, revisions: str) -> None:
    """Raise UsageError for a range of revisions that git does not know. "" is all that there is."""
    git = _Git(root)
    if revisions and git.works():
        git.commits(revisions, "", Limits(commits=1))


def history(root: Path, revisions: str = "", limits: Limits | None = None, since: str = "") -> Iterator[Past | Gap]:
    """Yield old versions of data files, by path and then newest first, and a gap for each that is not read.

    ``since`` leaves out commits before a date. Raises UsageError for a range that git does not know.
    """
    limits = limits or Limits()
    git = _Git(root)
    if not git.works():
        yield Gap("dataset", ".", "missing", "the history was not looked at: git is not installed, this is no repository, or git does not trust its owner",
                  "run inside a clone of your own, see safe.directory in git-config")  # fmt: skip
        return
    if git.ask("rev-parse", "--is-shallow-repository").strip() == b"true":
        yield Gap(
            "dataset", ".", "sampled", "the clone is shallow: older commits are not here", "git fetch --unshallow"
        )
    tree = git.tree()
    held = {blob for blobs in tree.values() for blob in blobs}
    versions, rest = git.versions(revisions, since, limits)
    if rest:
        yield Gap("dataset", ".", "sampled", f"only the newest commits were looked at, of at most {limits.commits:,}")
    start = git.prefix()
    wanted = {
        (path[len(start) :], blob): places
        for (path, blob), places in versions.items()
        if path.startswith(start) and blob not in held and not _is_code(path)
    }
    below = {path[len(start) :]: blobs for path, blobs in tree.items() if path.startswith(start)}
    yield from _read(git, below, wanted, limits)


def _is_code(path: str) -> bool:
    return path.lower().endswith(_CODE)


def _read(
    git: _Git, tree: Mapping[str, Sequence[str]], wanted: Mapping[tuple[str, str], tuple[str, str, int]], limits: Limits
) -> Iterator[Past | Gap]:
    order = sorted(wanted, key=lambda key: (key[0], wanted[key][2], key[1]))
    left_bytes, done, left_out = limits.bytes, set[str](), 0
    with git.objects() as objects:
        for place, (path, blob) in enumerate(order):
            added, removed, _ = wanted[path, blob]
            first = place == 0 or order[place - 1][0] != path
            if first and path in tree:
                yield from _present(objects, path, tree[path][0], limits)
            if blob in done:
                continue
            if len(done) >= limits.blobs or left_bytes <= 0:
                left_out += 1
                continue
            done.add(blob)
            size, data = objects.read(blob, limits.blob_bytes)
            past = Past(sources.of_bytes(path, data), "", blob, added[:SHORT], removed[:SHORT])
            if size < 0:
                yield _gap(past, "missing", "an old version is not in this clone", "git fetch --refetch")
                continue
            left_bytes -= len(data)
            kind = artifacts.kind_of(path, data[: artifacts.HEAD_BYTES] or b"")
            if size > limits.blob_bytes:
                if _may_hold_data(path, kind, size):
                    yield _gap(past, "too-large", f"an old version is larger than {limits.blob_bytes // 2**20} MB")
                continue
            yield from _judged(past, kind, size)
    if left_out:
        yield Gap("dataset", ".", "sampled", f"{left_out:,} old versions of files were left out", "look at a part of the history at a time")  # fmt: skip


def _present(objects: _Objects, path: str, blob: str, limits: Limits) -> Iterator[Past]:
    """Yield the version of the tree itself, when it can be read."""
    size, data = objects.read(blob, limits.blob_bytes)
    if 0 < size <= limits.blob_bytes:
        kind = artifacts.kind_of(path, data[: artifacts.HEAD_BYTES])
        if _may_hold_data(path, kind, size):
            yield Past(sources.of_bytes(path, data), _reader(kind), blob, "", "", True)


def _judged(past: Past, kind: str, size: int) -> Iterator[Past | Gap]:
    if kind in ("lfs-pointer", "dvc-pointer"):
        where = "Git LFS" if kind == "lfs-pointer" else "DVC"
        yield _gap(past, "skipped", f"a pointer of {where} names data that was not looked at", "fetch it and scan it, or have it deleted in the store")  # fmt: skip
    elif _may_hold_data(past.source.name, kind, size):
        yield Past(past.source, _reader(kind), past.blob, past.added, past.removed)


def _may_hold_data(path: str, kind: str, size: int) -> bool:
    from mlguard.scanners import dataset
    from mlguard.scanners.dataset import formats, places

    if kind in ("empty", "model-text") or places.is_docs(path) and kind not in ("csv", "tsv", "jsonl", "parquet"):
        return False
    return dataset.wanted(Artifact(path, kind, size)) or kind in formats.MODULES and kind not in ("text", "markdown")


def _reader(kind: str) -> str:
    return "json" if kind == "notebook" else kind


@dataclass(frozen=True, slots=True)
class _Git:
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

    def objects(self) -> _Objects:
        return _Objects(self)


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
class _Objects:
    """A git that answers for objects, one after the other."""

    git: _Git
    process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> _Objects:
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
