"""Looks into data files that were once committed and are in the tree no more.

The user's own git is asked for objects and nothing else: no hook, filter, text conversion, pager, signature check or transport runs,
replaced objects and grafts are not followed, and a partial clone fetches nothing. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlguard import artifacts
from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.facts import Dataset, Field
from mlguard.findings import Detection, Gap, GapKind, Location, Record
from mlguard.scanners import Context
from mlguard.scanners.dataset import source as sources
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.git import SHORT, Git, Limits, Objects

RULE = "data/personal-data-in-history"


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
    git = Git(root)
    if revisions and git.works():
        git.commits(revisions, "", Limits(commits=1))


def history(root: Path, revisions: str = "", limits: Limits | None = None, since: str = "") -> Iterator[Past | Gap]:
    """Yield old versions of data files, by path and then newest first, and a gap for each that is not read.

    ``since`` leaves out commits before a date. Raises UsageError for a range that git does not know.
    """
    limits = limits or Limits()
    git = Git(root)
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
    git: Git, tree: Mapping[str, Sequence[str]], wanted: Mapping[tuple[str, str], tuple[str, str, int]], limits: Limits
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


def _present(objects: Objects, path: str, blob: str, limits: Limits) -> Iterator[Past]:
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
