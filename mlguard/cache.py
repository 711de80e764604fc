"""Keeps what scanners said about files, for the next run over files that have not changed.

One SQLite file in the user's cache folder, outside every scanned tree. Its keys are digests over everything that a record may depend
on: path, kind and content of the files, the scanner and its settings, the rules, the code of this package, and what else is installed.
Its values are records, which hold no more than a report does. A file that is damaged, or that somebody else may have written, is
dropped and made anew; a run never fails because of its cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlguard import __version__, codec
from mlguard.errors import UsageError
from mlguard.facts import Consulted
from mlguard.findings import Gap, Record
from mlguard.scanners import BUILT_IN
from mlguard.scanners import scanner as load_scanner
from mlguard.trees import Entry, Tree, settled, state_of
from mlguard.workers import Setting, Task

if TYPE_CHECKING:
    import sqlite3

FILE = "scan-1.sqlite"
"""The file's name in its folder. The number is that of its form."""

MAX_BYTES = 512 * 2**20
"""How large the file may grow before what was not asked for longest is dropped."""

MAX_GROUP_BYTES = 4 * 2**20
"""The longest records of one group of files that are kept, in bytes."""

MAX_TREE_FILES = 200_000
"""Files of one tree whose state is kept. Of a larger tree each file is read and hashed at every run."""

WAIT_SECONDS = 2.0
"""How long a run waits for another that writes, before it goes on without the cache."""

TOUCH_MILLISECONDS = 24 * 3600 * 1000
"""How old the mark of the last use may be: so a run that finds everything writes nothing."""

MAX_OTHER_FILES = 1000
"""Files whose state is kept though this run did not see them, beyond as many as it saw: most of them are gone."""

_LASTING = frozenset({"unreadable", "unresolved", "skipped", "sampled"})
"""Gaps that follow from a file's content. One that follows from this run's limits or from a bug is not kept."""

_OF_THE_MOMENT = ("cannot be", "permission denied", "the file vanished", "nested too deeply")
"""How the reasons of gaps begin that follow from the state of the disk, or from how much stack this process has."""

_KEPT_KEYS = 500
"""Keys of one query; SQLite takes 999 at least."""


def location(configured: str = "") -> Path | None:
    """Return the folder of the cache: the configured one, or one of the user's cache folder; None where there is no such folder."""
    if configured:
        return Path(configured)
    home = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(home):  # the base directory specification: a relative path is to be ignored
        home = os.path.join(os.path.expanduser("~"), ".cache")
    return Path(home, "mlguard", "scan") if os.path.isabs(home) else None


def chosen(root: Path, configured: str = "") -> Path | None:
    """Return the folder of the cache for a run over ``root``; None when it would lie in the scanned tree, where anybody may have written it.

    Raises UsageError when a folder in the tree was asked for in so many words.
    """
    folder = location(configured)
    if folder is None:
        return None
    from mlguard.discovery import git_root

    tops = {os.path.realpath(root), os.path.realpath(git_root(root) or root)}
    real = os.path.realpath(folder)
    if any(real == top or real.startswith(top + os.sep) for top in tops if top != os.sep):
        if configured:
            raise UsageError(
                f"cache: {configured} lies inside the scanned tree, whose author could fill it; name another"
            )
        return None
    return folder


class Cache:
    """The records of earlier runs. Every trouble with the file makes it an empty one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / FILE
        self._opened: sqlite3.Connection | None = None
        self._useless = False
        self._engine = ""

    # --- The state of a tree

    def tree(self, root: Path) -> Tree:
        """Return what is known of the files below ``root``."""
        entries: dict[str, Entry] = {}
        body = self._get("trees", [self._tree_key(str(root))])
        for data in body.values():
            with contextlib.suppress(ValueError, TypeError, AttributeError):
                entries = {
                    path: Entry(tuple(state), kind, digest) for path, (state, kind, digest) in json.loads(data).items()
                }
        return Tree(root, entries)

    def keep_tree(self, tree: Tree, kinds: Mapping[str, str]) -> None:
        """Keep the state of the files of a run, given with their kinds."""
        changed = False
        kept: dict[str, Any] = {}
        for path, kind in kinds.items():
            status, entry = tree.states.get(path), tree.entries.get(path)
            if status is None:
                continue
            if entry is not None and entry.state == state_of(status) and (entry.digest or path not in tree.fresh):
                kept[path] = (entry.state, entry.kind, entry.digest)
            elif settled(status, tree.begun):
                kept[path] = (state_of(status), kind, tree.fresh.get(path, ""))
                changed = True
        others = {path: entry for path, entry in tree.entries.items() if path not in kinds}
        if len(others) <= len(kept) + MAX_OTHER_FILES:  # this run may have been over a part of the tree
            kept.update((path, (entry.state, entry.kind, entry.digest)) for path, entry in others.items())
        if (changed or len(kept) < len(tree.entries)) and len(kept) <= MAX_TREE_FILES:
            self._put("trees", [(self._tree_key(tree.root), json.dumps(kept, separators=(",", ":")).encode())])

    def _tree_key(self, root: str) -> bytes:
        return _digest("tree", self.engine(), os.path.realpath(root))

    # --- The engine

    def engine(self) -> str:
        """Return a digest over all that may change what a scanner says of the same file: code, libraries, interpreter.

        It is over content, so that it is the same on another machine with the same packages; unchanged files are not read again.
        """
        if not self._engine:
            begun = time.time_ns()
            files = _package()
            key = _digest("package", _TOP, repr(sorted((path, state_of(status)) for path, status in files.items())))
            content = self._get("trees", [key]).get(key, b"")
            if not content:
                content = _content(files)
                if all(settled(status, begun) for status in files.values()):
                    self._put("trees", [(key, content)])
            self._engine = _digest(_interpreter(), *_installed(), content.hex()).hex()
        return self._engine

    # --- Records

    def found(
        self, keys: Sequence[bytes], holds: Callable[[Sequence[Mapping[str, str]]], bool] | None = None
    ) -> dict[bytes, list[Record]]:
        """Return the records that are kept under these keys. ``holds`` says whether what they depend on besides is as it was."""
        known: dict[bytes, list[Record]] = {}
        for key, data in self._get("records", keys).items():
            if data == b"[[],[]]":
                known[key] = []
                continue
            with contextlib.suppress(UsageError, AttributeError, TypeError, ValueError):
                looked, records = codec.loads(data)
                if not looked or holds is not None and holds(looked):
                    known[key] = [codec.decode(value) for value in records]
        return known

    def keep(self, rows: Iterable[tuple[bytes, Sequence[Record], Sequence[Mapping[str, str]]]]) -> None:
        """Keep the records of groups that were looked at to the end, each with the files and folders that they depend on besides."""
        written = []
        for key, records, looked in rows:
            data = codec.dumps([looked, [codec.encode(record) for record in records]]).encode("ascii")
            if len(data) <= MAX_GROUP_BYTES:
                written.append((key, data))
        self._put("records", written)

    # --- The file

    def _get(self, table: str, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        with self._guarded(writes=False) as database:
            if database is None:
                return found
            now = time.time_ns() // 1_000_000
            old: list[tuple[int, bytes]] = []
            for at in range(0, len(keys), _KEPT_KEYS):
                some = keys[at : at + _KEPT_KEYS]
                marks = ",".join("?" * len(some))
                for key, used, check, data in database.execute(
                    f"SELECT key, used, seal, data FROM {table} WHERE key IN ({marks})",
                    some,
                ):
                    if check == _seal(key, data):
                        found[key] = data
                        if not 0 <= now - used < TOUCH_MILLISECONDS:
                            old.append((now, key))
            if old:
                with _transaction(database):
                    database.executemany(f"UPDATE {table} SET used = ? WHERE key = ?", old)
        return found

    def _put(self, table: str, rows: Sequence[tuple[bytes, bytes]]) -> None:
        if not rows:
            return
        with self._guarded(writes=True) as database:
            if database is None:
                return
            now = time.time_ns() // 1_000_000
            with _transaction(database):
                database.executemany(
                    f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?)",
                    ((key, now, _seal(key, data), data) for key, data in rows),
                )
            self._shrink(database)

    def _shrink(self, database: sqlite3.Connection) -> None:
        """Drop what was not asked for longest, when there is too much."""
        (pages,), (size,) = (
            database.execute("PRAGMA page_count").fetchone(),
            database.execute("PRAGMA page_size").fetchone(),
        )
        if pages * size <= MAX_BYTES:
            return
        for table in ("records", "trees"):
            (count,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()
            database.execute(
                f"DELETE FROM {table} WHERE key IN (SELECT key FROM {table} ORDER BY used, key LIMIT ?)",
                (count // 2 + 1,),
            )
        database.execute("VACUUM")

    @contextlib.contextmanager
    def _guarded(self, writes: bool) -> Iterator[sqlite3.Connection | None]:
        """Give the database, None where there is none. What goes wrong with it ends here."""
        import sqlite3

        try:
            database = self._connected(writes)
        except (sqlite3.Error, OSError):
            self.clear()
            database = None
        try:
            yield database
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) == sqlite3.SQLITE_ERROR:
                self.clear()  # tables or values of another form
            else:
                self._useless = True  # another run holds it, or the disk is full: this run goes on without
        except (sqlite3.Error, OSError, OverflowError):
            self.clear()

    def _connected(self, writes: bool) -> sqlite3.Connection | None:
        import sqlite3

        if self._useless or self._opened is not None:
            return None if self._useless else self._opened
        if not self._is_ours():
            if not writes:
                return None
            self._make()
        database = sqlite3.connect(self.path, timeout=WAIT_SECONDS, isolation_level=None)
        self._opened = database
        if writes or self.path.stat().st_size == 0:
            columns = "(key BLOB PRIMARY KEY, used INTEGER, seal BLOB, data BLOB)"
            database.execute(f"CREATE TABLE IF NOT EXISTS records {columns} WITHOUT ROWID")
            database.execute(f"CREATE TABLE IF NOT EXISTS trees {columns}")
        return database

    def _is_ours(self) -> bool:
        """Say whether the file is there and nobody else can have written it; one that somebody can have is removed."""
        try:
            status = os.lstat(self.path)
        except OSError:
            return False
        ours = not hasattr(os, "getuid") or status.st_uid == os.getuid() and not status.st_mode & 0o077
        if stat.S_ISREG(status.st_mode) and ours and _is_private(self.folder):
            return True
        self.clear()
        return False

    def _make(self) -> None:
        """Make an empty file that only this user can read. Raises OSError."""
        if not self.folder.is_dir():
            os.makedirs(self.folder, 0o700)
        if not _is_private(self.folder):
            raise PermissionError(f"{self.folder} can be written by others")
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))

    def size(self) -> tuple[int, int]:
        """Return the size of the file in bytes, and of how many groups of files it holds records."""
        with self._guarded(writes=False) as database:
            if database is not None:
                (groups,) = database.execute("SELECT count(*) FROM records").fetchone()
                return self.path.stat().st_size, groups
        return 0, 0

    def clear(self) -> None:
        """Remove the file."""
        self.close()
        for suffix in ("", "-journal", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                os.unlink(f"{self.path}{suffix}")

    def close(self) -> None:
        if self._opened is not None:
            with contextlib.suppress(Exception):
                self._opened.close()
            self._opened = None


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(Exception):
            database.execute("ROLLBACK")
        raise


def _digest(*parts: str) -> bytes:
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogateescape"), digest_size=20).digest()


def _is_private(folder: Path) -> bool:
    try:
        status = os.stat(folder)
    except OSError:
        return False
    return not hasattr(os, "getuid") or status.st_uid == os.getuid() and not status.st_mode & 0o022


def _seal(key: bytes, data: bytes) -> bytes:
    """Return what tells a row that was damaged on the disk. It is no protection from a person: the file's mode is."""
    return hashlib.blake2b(data, digest_size=8, key=key[:64]).digest()


# --- What a record depends on besides the files


def _interpreter() -> str:
    return f"{__version__}\0{sys.version}\0{sys.platform}"


def _installed() -> list[str]:
    """Return name and version of every installed distribution, as their folders are called."""
    found: set[str] = set()
    for folder in sys.path:
        with contextlib.suppress(OSError):
            found.update(name for name in os.listdir(folder or os.curdir) if name.endswith((".dist-info", ".egg-info")))
    return sorted(found)


def _package() -> dict[str, os.stat_result]:
    """Return the state of each file of this package by its path there. The pages have a digest of their own, see ``rules``."""
    found: dict[str, os.stat_result] = {}
    todo = [""]
    while todo:
        folder = todo.pop()
        with os.scandir(f"{_TOP}/{folder}") as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in ("__pycache__", "_rules"):
                        todo.append(f"{folder}{entry.name}/")
                else:
                    found[f"{folder}{entry.name}"] = entry.stat()
    return found


_TOP = os.path.dirname(os.path.abspath(__file__))


def _content(paths: Iterable[str]) -> bytes:
    digest = hashlib.blake2b(digest_size=20)
    for path in sorted(paths):
        with open(f"{_TOP}/{path}", "rb") as file:
            digest.update(f"{path}\0".encode() + hashlib.blake2b(file.read()).digest())
    return digest.digest()


# --- One run


def recall(cache: Cache, root: Path, rules: str, scanners: Sequence[str], whole: bool = True) -> Recall:
    """Return the cache for one run over ``root`` with the rules of this digest. Of a part of a tree the files' state is not kept.

    Records are kept as the run's report shows them: what the scanner of secrets hides in the lines that others show is hidden here
    too. So a run with it and one without are different.
    """
    return Recall(cache, cache.tree(root) if whole else Tree(root, {}), f"{rules}{'secrets' in scanners}")


class Recall:
    """The cache as one run uses it: which tasks need not be done again, and what is kept of the others."""

    def __init__(self, cache: Cache, tree: Tree, rules: str) -> None:
        self.cache, self.tree, self.rules = cache, tree, rules
        self._bases: dict[str, bytes] = {}
        self.keys: dict[Task, bytes] = {}

    def known(self, tasks: Sequence[Task], setting: Setting) -> dict[Task, list[Record]]:
        """Return the tasks whose records are known, with them."""
        for task in tasks:
            if not task.part and (key := self._key(task, setting)):
                self.keys[task] = key
        found = self.cache.found(list(self.keys.values()), self._holds)
        return {task: found[key] for task, key in self.keys.items() if key in found}

    def keep(self, done: Mapping[Task, Sequence[Record]]) -> None:
        """Keep what was seen in tasks that were done now, where it follows from the files alone, and these did not change meanwhile."""
        rows = []
        for task, records in done.items():
            if task not in self.keys or not all(map(_lasts, records)):
                continue
            looked = [record for record in records if isinstance(record, Consulted)]
            files = {path: self.tree.digest(path) for record in looked for path in record.files}
            folders = {path: self.tree.entries_of(path) for record in looked for path in record.folders}
            read = {*(one.path for one in task.group), *(path for path, digest in files.items() if digest)}
            if all(map(self.tree.unchanged, read)):
                kept = [record for record in records if not isinstance(record, Consulted)]
                rows.append((self.keys[task], kept, [files, folders] if looked else []))
        self.cache.keep(rows)

    def _holds(self, looked: Sequence[Mapping[str, str]]) -> bool:
        """Say whether the files and folders that were looked at besides are as they were."""
        files, folders = looked
        return all(self.tree.digest(path) == digest for path, digest in files.items()) and all(
            self.tree.entries_of(path) == digest for path, digest in folders.items()
        )

    def close(self, kinds: Mapping[str, str] | None) -> None:
        """Keep the state of the tree's files, given with their kinds, where the run was over a whole tree."""
        if kinds is not None:
            self.cache.keep_tree(self.tree, kinds)
        self.cache.close()

    def _key(self, task: Task, setting: Setting) -> bytes:
        if task.scanner not in self._bases:
            self._bases[task.scanner] = self._base(task.scanner, setting)
        base = self._bases[task.scanner]
        if not base:
            return b""
        parts = [base]
        for artifact in task.group:
            digest = self.tree.digest(artifact.path)
            if not digest:
                return b""
            parts.append(
                f"{artifact.path}\0{artifact.kind}\0{artifact.size}\0{digest}".encode("utf-8", "surrogateescape")
            )
        return hashlib.blake2b(b"\0\0".join(parts), digest_size=20).digest()

    def _base(self, name: str, setting: Setting) -> bytes:
        depends = getattr(load_scanner(name), "depends", None) if name in BUILT_IN else None
        if depends is None:
            return b""
        settings = json.dumps(setting.settings.get(name, {}), sort_keys=True, default=repr)
        states = [self.tree.digest(path) for path in depends]
        return _digest(self.cache.engine(), self.rules, name, settings, str(setting.hook), *states)


def _lasts(record: Record) -> bool:
    if not isinstance(record, Gap):
        return True
    return record.kind in _LASTING and not record.reason.lower().startswith(_OF_THE_MOMENT)
