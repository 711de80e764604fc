"""What a scanner is, which there are, and how one reads a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from mlguard.errors import Unreadable, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:  # a look at one model file needs none of these at run time, and they are most of its cost
    from pathlib import Path
    from typing import Any, Protocol

    from mlguard.artifacts import Artifact
    from mlguard.findings import Record
    from mlguard.scanners.dataset.source import Source
    from mlguard.scanners.dataset.table import MissedKind, Table
else:
    Protocol = object

MAX_TEXT_BYTES = 64 * 2**20
"""The largest file that is read whole as text."""


MAX_KEPT = 64
"""Files whose content is kept for a while: what was scanned is read again to show the lines of a finding."""

MAX_KEPT_BYTES = 64 * 2**10
"""The largest of them."""


class Context:
    """What a scanner may know: the root of the tree, its own settings, and whether this is the quick run on commit.

    ``store`` opens the store that an artifact stands for, ``alive`` is to be called now and then during long work on one artifact, with the rows
    that were read and those there are (0: not known).
    """

    __slots__ = ("alive", "hook", "kept", "root", "settings", "store")

    def __init__(
        self,
        root: Path,
        settings: Mapping[str, Any] | None = None,
        hook: bool = False,
        store: Callable[[str], Store] | None = None,
        alive: Alive | None = None,
    ) -> None:
        self.root, self.settings, self.hook, self.store = root, settings or {}, hook, store
        self.alive: Alive = alive or _nothing
        self.kept: dict[str, bytes] = {}  # small files that were read, for who asks next


class Alive(Protocol):
    """Called with the rows of a table that were read and those there are, 0 when that is not known."""

    def __call__(self, rows: int = 0, of: int = 0) -> None: ...


def _nothing(rows: int = 0, of: int = 0) -> None:
    """Do nothing."""


class Store(Protocol):
    """A database or object store, as ``mlguard.stores`` opens it; see there."""

    path: str
    missed: list[tuple[str, MissedKind, str]]

    def tables(self) -> Iterator[tuple[str, Table]]: ...

    def sources(self) -> Iterator[Source]: ...

    def grants(self, paths: Collection[str]) -> Iterator[Record]: ...

    def close(self) -> None: ...


class Scanner(Protocol):
    """Looks at files of some kinds and says what it sees.

    ``plan`` chooses the artifacts it wants and groups those that belong together (most groups hold one); it may look at
    paths, kinds and sizes only. ``scan`` looks at one group and yields each record as soon as it is certain: what was
    yielded before a failure is kept. It raises ``Unreadable`` for an input that cannot be read, which becomes a gap for
    the group's first path; to go on with the rest it yields a ``Gap`` itself. It never runs what it reads, never uses
    the network, and never yields a value of a record or a secret.

    A class attribute ``depends`` says that what is seen in a group follows from its files, the context, the files of these names at the
    root, and what the scanner yields as ``Consulted``: nothing else, not even the date. What it saw is then kept for runs over files that
    have not changed, see ``mlguard.cache``.
    """

    name: str

    def plan(self, artifacts: Sequence[Artifact], settings: Mapping[str, Any]) -> Iterable[tuple[Artifact, ...]]: ...

    def scan(self, group: Sequence[Artifact], context: Context) -> Iterator[Record]: ...


def _code() -> Scanner:
    from mlguard.scanners.code import CodeScanner

    return CodeScanner()


def _secrets() -> Scanner:
    from mlguard.scanners.secrets import SecretScanner

    return SecretScanner()


def _dependencies() -> Scanner:
    from mlguard.scanners.dependencies import DependencyScanner

    return DependencyScanner()


def _dataset() -> Scanner:
    from mlguard.scanners.dataset import DatasetScanner

    return DatasetScanner()


def _model() -> Scanner:
    from mlguard.scanners.model import ModelScanner

    return ModelScanner()


def _infra() -> Scanner:
    from mlguard.scanners.infra import InfraScanner

    return InfraScanner()


BUILT_IN: dict[str, Callable[[], Scanner]] = {
    "code": _code,
    "secrets": _secrets,
    "dependencies": _dependencies,
    "dataset": _dataset,
    "model": _model,
    "infra": _infra,
}
"""The scanners that come with mlguard, in the order of the report."""


def scanner(name: str, plugins: Sequence[str] = ()) -> Scanner:
    """Return the scanner ``name``: built in, or the entry point of group ``mlguard.scanners`` when it is configured.

    Raises UsageError when there is none.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]()
    if name in plugins:
        from importlib.metadata import entry_points

        for point in entry_points(group="mlguard.scanners", name=name):
            found: Scanner = point.load()()
            return found
        raise UsageError(
            f"plugins: no installed package offers a scanner {name!r} (entry point group mlguard.scanners)"
        )
    raise UsageError(f"there is no scanner {name!r}; known are {', '.join([*BUILT_IN, *plugins])}")


def one_by_one(artifacts: Iterable[Artifact], kinds: frozenset[str]) -> Iterator[tuple[Artifact, ...]]:
    """Yield each artifact of these kinds as a group of its own."""
    return ((artifact,) for artifact in artifacts if artifact.kind in kinds)


def open_path(context: Context, path: str) -> Path:
    """Return the absolute path of a regular file. Raises Unreadable when it is gone or something else."""
    from mlguard.artifacts import regular

    absolute = context.root / path
    try:
        regular(absolute)
    except FileNotFoundError:
        raise Unreadable("the file vanished during the scan; run again") from None
    except PermissionError:
        raise Unreadable("permission denied; make the file readable for this user or exclude it") from None
    except OSError as error:
        raise Unreadable(f"cannot be opened ({os.strerror(error.errno) if error.errno else error})") from None
    return absolute


def read_bytes(context: Context, path: str, limit: int = MAX_TEXT_BYTES) -> bytes:
    """Return the whole file. Raises Unreadable, also when it is larger than ``limit`` bytes."""
    if (kept := context.kept.get(path)) is not None and len(kept) <= limit:
        return kept
    absolute = open_path(context, path)
    try:
        with open(absolute, "rb") as file:
            data = file.read(limit + 1)
    except PermissionError:
        raise Unreadable("permission denied; make the file readable for this user or exclude it") from None
    except OSError as error:
        raise Unreadable(f"cannot be read ({os.strerror(error.errno) if error.errno else 'input error'})") from None
    if len(data) > limit:
        raise Unreadable(f"larger than the limit of {limit // 2**20} MiB for this kind of file")
    if len(data) <= MAX_KEPT_BYTES:
        while len(context.kept) >= MAX_KEPT:
            del context.kept[next(iter(context.kept))]
        context.kept[path] = data
    return data


_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def decode(data: bytes) -> str:
    """Return the text of ``data`` by its byte order mark, else as UTF-8. Line ends are kept. Raises Unreadable."""
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(f"not valid {encoding} (byte {error.start}); convert the file to UTF-8") from None


def read_text(context: Context, path: str, limit: int = MAX_TEXT_BYTES) -> str:
    """Return the whole file as text. Raises Unreadable."""
    return decode(read_bytes(context, path, limit))
