"""Finds the files to scan and tells what each of them is."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from mlguard import lazy
from mlguard.artifacts import Artifact, kind_of, read_head, regular
from mlguard.errors import Unreadable, UsageError
from mlguard.findings import Gap
from mlguard.values import dataclass, replace

IGNORE_FILE = ".mlguardignore"
"""Patterns in the syntax of .gitignore, at the root of the scan."""

MAX_FILES = 1_000_000
"""Files of one run."""

MAX_IGNORE_BYTES = 2**20
"""What is read of a file of patterns."""

_GIT_SECONDS = 120

# Never source: written by tools, and by the hundred thousand. Only where git does not say what belongs to the tree.
_GENERATED = frozenset(
    {
        "__pycache__",
        "node_modules",
        ".terraform",
        ".mypy_cache",
        ".ruff_cache",
        ".pytest_cache",
        ".tox",
        ".nox",
        ".eggs",
    }
)
_VERSION_CONTROL = frozenset({".git", ".hg", ".svn"})


class _Patterns(Protocol):
    def match_file(self, file: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Found:
    """The artifacts of a run, sorted by path, a gap for each file that could not be taken in, and how many were excluded."""

    artifacts: tuple[Artifact, ...]
    gaps: tuple[Gap, ...]
    excluded: int = 0


class Seen(Protocol):
    """What an earlier run knows of the files of a tree."""

    def kind(self, path: str, status: os.stat_result) -> str | None:
        """Return the kind of a regular file that has not changed since, or None."""
        ...


def discover(
    root: Path,
    paths: Sequence[Path] | None = None,
    exclude: Sequence[str] = (),
    own: Collection[Path] = (),
    seen: Callable[[int], Seen | None] | None = None,
) -> Found:
    """Return the files below ``paths`` (all of ``root`` for None), less what is ignored.

    In a git work tree these are the tracked files and those neither tracked nor ignored; elsewhere all files that no
    .gitignore names. A file that is named itself counts even when git ignores it. ``exclude`` and ``.mlguardignore``
    hold patterns in the syntax of .gitignore, relative to ``root``, and count for all. ``own`` are files that this run
    writes, which are no part of what it looks at. ``seen`` is given the number of files and returns what is known of them; those are not
    opened. Raises UsageError for a path
    that does not exist or lies outside ``root``.
    """
    files: set[str] = set()
    folders = []
    for path in [root] if paths is None else paths:
        relative = _relative(root, path)
        if path.is_dir():
            folders.append(relative)
        elif os.path.lexists(path):
            files.add(relative)
        else:
            raise UsageError(f"{path}: there is no such file or folder")
    for folder in folders:
        files.update(_tracked(root, folder) or _walk(root, folder))
        if len(files) > MAX_FILES:
            raise UsageError(f"{folder or '.'}: more than {MAX_FILES} files; scan a part of the tree, or exclude some")
    if own:
        mine = {str(path) for path in own}
        files = {path for path in files if f"{root}/{path}" not in mine}
    ignored = _ignored(root, exclude)
    kept = {path for path in files if not ignored.match_file(path)}
    return replace(classify(root, kept, seen(len(kept)) if seen else None), excluded=len(files) - len(kept))


def _relative(root: Path, path: Path) -> str:
    absolute = Path(os.path.abspath(path))
    try:
        relative = absolute.relative_to(root)
    except ValueError:
        try:
            relative = absolute.resolve().relative_to(root.resolve())
        except (ValueError, OSError):
            raise UsageError(f"{path} lies outside {root}; scan it on its own, or give --root") from None
    return "" if relative == Path() else relative.as_posix()


def git_root(folder: Path) -> Path | None:
    """Return the top of the git work tree around ``folder``, or None."""
    for candidate in (folder, *folder.parents):
        if os.path.exists(candidate / ".git"):
            return candidate
    return None


def _tracked(root: Path, folder: str) -> set[str]:
    """Return what git lists below ``folder``, and the folders that it cannot open; empty when there is no work tree, or no git to ask."""
    if git_root(root / folder) is None:
        return set()
    # A work tree may have been unpacked from anywhere: no setting of its own may start a program.
    command = ["git", "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}", "-c", "safe.directory=*",
               "--literal-pathspecs", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", folder or "."]  # fmt: skip
    import subprocess

    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, timeout=_GIT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return set()
    if done.returncode != 0:
        return set()
    paths = (os.fsdecode(name) for name in done.stdout.split(b"\0") if name)
    # A tracked file that was deleted is no file of this tree.
    base = str(root)
    found = {path for path in paths if _there(f"{base}/{path}")}
    if b"could not open directory" in done.stderr:  # a warning, and git goes on without what is in it
        found.update(path for path in _walk(root, folder) if path.endswith("/"))
    return found


def _there(path: str) -> bool:
    """Say whether there is a file of this name. One in a folder that may not be entered counts, and is told as unreadable."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _walk(root: Path, folder: str) -> Iterator[str]:
    """Yield the files below ``folder`` that no .gitignore on the way names, and with a slash behind it each folder that cannot be listed.

    Links to folders are yielded, not followed.
    """
    rules: dict[str, list[tuple[str, _Patterns]]] = {}
    base = os.path.join(str(root), "")
    closed: list[str] = []

    def refused(error: OSError) -> None:
        closed.append(str(error.filename)[len(base) :].replace(os.sep, "/") or ".")

    for above, folders, names in os.walk(root / folder, onerror=refused):
        here = above[len(base) :].replace(os.sep, "/")
        parent = rules.get(here.rpartition("/")[0], []) if here else []
        rules[here] = [*parent, *((here, patterns) for patterns in _gitignore(Path(above), names))]

        def ignored(path: str, active: list[tuple[str, _Patterns]] = rules[here]) -> bool:
            return any(patterns.match_file(path[len(base) + 1 if base else 0 :]) for base, patterns in active)

        links = [name for name in folders if os.path.islink(os.path.join(above, name))]
        folders[:] = sorted(
            name
            for name in folders
            if name not in links
            and name not in _GENERATED | _VERSION_CONTROL
            and not os.path.exists(os.path.join(above, name, "pyvenv.cfg"))
            and not ignored(f"{here}/{name}/".lstrip("/"))
        )
        for name in sorted([*names, *links]):
            path = f"{here}/{name}".lstrip("/")
            if not ignored(path):
                yield path
    for path in closed:
        yield f"{path}/"


def _gitignore(folder: Path, names: Sequence[str]) -> Iterator[_Patterns]:
    if ".gitignore" in names:
        yield _patterns(_lines(folder / ".gitignore"))


def _ignored(root: Path, exclude: Sequence[str]) -> _Patterns:
    path = root / IGNORE_FILE
    return _patterns([*exclude, *(_lines(path) if path.is_file() else [])])


def _lines(path: Path) -> list[str]:
    try:
        regular(path)
        with open(path, "rb") as file:
            return file.read(MAX_IGNORE_BYTES).decode("utf-8", "surrogateescape").splitlines()
    except OSError:
        raise UsageError(f"{path} cannot be read as a file; mend or remove it") from None


class _Nothing:
    def match_file(self, file: str) -> bool:
        return False


def _patterns(lines: Sequence[str]) -> _Patterns:
    if not any(line.strip() and not line.startswith("#") for line in lines):
        return _Nothing()
    import pathspec

    try:
        patterns: _Patterns = pathspec.GitIgnoreSpec.from_lines(lines)
    except (ValueError, re.error) as error:
        raise UsageError(f"a pattern of {IGNORE_FILE}, .gitignore or exclude is not valid: {error}") from None
    return _Patterned(patterns)


class _Patterned:
    """Patterns for any name. An engine of patterns may take none that holds bytes which are no UTF-8."""

    def __init__(self, patterns: _Patterns) -> None:
        self.patterns = patterns

    def match_file(self, file: str) -> bool:
        return self.patterns.match_file(file if file.isascii() else _SURROGATE.sub("\ufffd", file))


_SURROGATE = lazy.pattern("[\ud800-\udfff]")


def classify(root: Path, paths: Iterable[str], seen: Seen | None = None) -> Found:
    """Return the artifacts of the relative ``paths``, sorted, and a gap for each that cannot be read."""
    known = set(paths)
    artifacts, gaps = [], []
    base = str(root)
    for path in sorted(known):
        try:
            status = os.lstat(f"{base}/{path}")
            if seen is not None and stat.S_ISREG(status.st_mode) and (told := seen.kind(path, status)) is not None:
                artifacts.append(Artifact(path, told, status.st_size))
                continue
            target = _target(root, path, known) if stat.S_ISLNK(status.st_mode) else None
            if target is not None and os.path.isdir(root / path):
                continue  # its files are scanned under their own names
            if stat.S_ISDIR(status.st_mode):
                os.scandir(f"{base}/{path}").close()
            size = regular(root / path)
            kind = kind_of(path, head := read_head(root / path))
            if target is None or kind_of(target, head) != kind:  # a link may make another thing of a file
                artifacts.append(Artifact(path, kind, size))
        except Unreadable as trouble:
            gaps.append(
                Gap("discovery", path, "skipped", str(trouble), "scan the target on its own, or remove the link")
            )
        except PermissionError:
            gaps.append(Gap("discovery", path, "unreadable", "permission denied", "make it readable, or exclude it"))
        except FileNotFoundError:
            gaps.append(Gap("discovery", path, "unreadable", "the file vanished during the scan", "run again"))
        except OSError as error:
            gaps.append(
                Gap("discovery", path, "skipped", _special(root / path, error), "exclude it when that is meant")
            )
    return Found(tuple(artifacts), tuple(gaps))


def _target(root: Path, path: str, known: set[str]) -> str:
    """Return what a link leads to, which this run sees anyway. Raises Unreadable when it leads elsewhere."""
    try:
        target = Path(os.path.realpath(root / path, strict=True))
    except OSError:
        raise Unreadable("a link that leads nowhere, or round in a circle") from None
    try:
        relative = target.relative_to(os.path.realpath(root)).as_posix()
    except ValueError:
        raise Unreadable("a link that leads out of the tree") from None
    below = f"{relative}/" if relative != "." else ""
    if relative in known or target.is_dir() and any(other.startswith(below) and other != path for other in known):
        return relative
    raise Unreadable("a link to something that is not scanned")


def _special(path: Path, error: OSError) -> str:
    if os.path.exists(path / ".git"):
        return "a submodule, which is not looked into"
    return error.strerror or str(error)


def common_folder(paths: Sequence[Path]) -> Path:
    """Return the deepest folder that holds every path."""
    absolute = [Path(os.path.abspath(path)) for path in paths] or [Path.cwd()]
    folders = [path if path.is_dir() else path.parent for path in absolute]
    return Path(os.path.commonpath(folders))
