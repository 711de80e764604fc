"""Looks for credentials in what was once committed: whoever clones the repository has them, whatever the tree holds now."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from mlguard import artifacts, ignores
from mlguard.artifacts import SHOWN_KINDS, Artifact
from mlguard.errors import Unreadable
from mlguard.findings import Detection, Gap, Location, Record
from mlguard.scanners.git import SHORT, Git, Limits, Objects
from mlguard.scanners.secrets.accepted import Accepted
from mlguard.scanners.secrets.encodings import decoded
from mlguard.scanners.secrets.hits import Hit, Lines

RULE = "secret/credential-in-history"

LIMITS = Limits(blobs=500_000, blob_bytes=16 * 2**20)

Search = Callable[[Artifact, str], list[Hit]]
"""Returns the credentials of a text of a file."""

Excerpt = Callable[[Lines, int, list[Hit]], str]
"""Returns a line fit to be shown, without the values that were found in it."""


def past(
    root: Path, revisions: str, search: Search, excerpt: Excerpt, accepted: Accepted, limits: Limits = LIMITS
) -> Iterator[Record]:
    """Yield a detection for each credential that only old versions of a file hold, and a gap for what was not read.

    ``revisions`` is a range as git knows it, "" for all that a reference reaches. Of the versions of a file the newest that holds the
    credential is named. Raises UsageError for a range that git does not know.
    """
    git = Git(root)
    if not git.works():
        yield Gap("secrets", ".", "missing", "the history was not looked at: git is not installed, this is no repository, or git does not trust its owner",
                  "run inside a clone of your own, see safe.directory in git-config")  # fmt: skip
        return
    if git.ask("rev-parse", "--is-shallow-repository").strip() == b"true":
        yield Gap(
            "secrets", ".", "sampled", "the clone is shallow: older commits are not here", "git fetch --unshallow"
        )
    tree = git.tree()
    held = {blob for blobs in tree.values() for blob in blobs}
    versions, rest = git.versions(revisions, "", limits)
    if rest:
        yield Gap("secrets", ".", "sampled", f"the history was not looked at to its end: {rest}")
    start = git.prefix()
    wanted = {
        (path[len(start) :], blob): places
        for (path, blob), places in versions.items()
        if path.startswith(start) and blob not in held
    }
    looker = _Looker(git, {p[len(start) :]: blobs[0] for p, blobs in tree.items() if p.startswith(start)}, search, excerpt, accepted, limits)  # fmt: skip
    with git.objects() as objects:
        for path, blob in sorted(wanted, key=lambda key: (key[0], wanted[key][2], key[1])):
            yield from looker.look(objects, path, blob, wanted[path, blob])
    if looker.left_out:
        yield Gap("secrets", ".", "sampled", f"{looker.left_out:,} old versions of files were left out", "look at a part of the history at a time")  # fmt: skip


class _Looker:
    """Goes through the versions of one file after the other and remembers, as digests, what it has told of the file."""

    def __init__(
        self, git: Git, tree: dict[str, str], search: Search, excerpt: Excerpt, accepted: Accepted, limits: Limits
    ) -> None:
        self.git, self.tree, self.search, self.excerpt, self.accepted = git, tree, search, excerpt, accepted
        self.limits, self.left_bytes, self.blobs, self.left_out = limits, limits.bytes, 0, 0
        self.path, self.told = "", set[bytes]()
        self.dates: dict[str, str] = {}

    def look(self, objects: Objects, path: str, blob: str, places: tuple[str, str, int]) -> Iterator[Record]:
        if self.blobs >= self.limits.blobs or self.left_bytes <= 0:
            self.left_out += 1
            return
        self.blobs += 1
        added, removed, _ = places
        size, data = objects.read(blob, self.limits.blob_bytes)
        if size < 0:
            reason = f"an old version is not in this clone (in commit {added[:SHORT]})"
            yield Gap("secrets", path, "missing", reason, "git fetch --refetch")
            return
        if size > self.limits.blob_bytes:
            reason = f"an old version is larger than {self.limits.blob_bytes // 2**20} MB (in commit {added[:SHORT]})"
            yield Gap("secrets", path, "too-large", reason)
            return
        self.left_bytes -= size
        if b"\0" in data[:8192] and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return
        if path != self.path:
            self.path, self.told = path, self._present(objects, path)
        yield from self._found(path, data, added, removed)

    def _present(self, objects: Objects, path: str) -> set[bytes]:
        """Return the digests of what the tree's own version holds, which the look at the tree tells of."""
        if path not in self.tree:
            return set()
        size, data = objects.read(self.tree[path], self.limits.blob_bytes)
        if not 0 < size <= self.limits.blob_bytes:
            return set()
        text = decoded(data)
        return {_digest(text, hit) for hit in self.search(_artifact(path, data), text)}

    def _found(self, path: str, data: bytes, added: str, removed: str) -> Iterator[Record]:
        artifact, text = _artifact(path, data), decoded(data)
        hits = self.search(artifact, text)
        if not hits:
            return
        lines = Lines(text)
        marks = ignores.comments(text.split("\n"), path)
        for hit in hits:
            digest = _digest(text, hit)
            if digest in self.told:
                continue
            self.told.add(digest)
            line, column = lines.place(hit.start)
            end_line, end_column = lines.place(hit.end)
            within = f"commit {added[:SHORT]}"
            place = Location(path, line, column, end_line if end_line != line else 0, end_column, within=within)
            facts = {
                "kind": hit.kind, "name": hit.name or "the text", "commit": added[:SHORT], "date": self._date(added),
                "removed": removed[:SHORT] or "a later commit",
            }  # fmt: skip
            shown = self.excerpt(lines, line, hits) if artifact.kind in SHOWN_KINDS else ""
            aside = self.accepted.aside(path, line, text, hit.start, hit.end)
            aside = aside or ignores.aside(marks, RULE, "credential", (), False, line, end_line)
            yield Detection(
                RULE, "credential", place, facts, anchor=f"{hit.kind} {hit.name}", excerpt=(shown,), aside=aside
            )

    def _date(self, commit: str) -> str:
        """Return the day of a commit, as it says itself."""
        if commit not in self.dates:
            try:
                self.dates[commit] = self.git.ask("log", "--no-walk", "--format=%cd", "--date=format:%d %b %Y", "--end-of-options", commit).decode("ascii", "replace").strip()[:11]  # fmt: skip
            except Unreadable:
                self.dates[commit] = "an unknown day"
        return self.dates[commit]


def _artifact(path: str, data: bytes) -> Artifact:
    return Artifact(path, artifacts.kind_of(path, data[: artifacts.HEAD_BYTES]), len(data))


def _digest(text: str, hit: Hit) -> bytes:
    return hashlib.blake2b(text[hit.start : hit.end].encode("utf-8", "replace"), digest_size=16).digest()
