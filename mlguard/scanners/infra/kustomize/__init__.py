"""Kustomizations, built without kustomize: what an overlay makes of its bases, each value at the line that gave it."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Sequence

from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.findings import Gap
from mlguard.scanners import Context, read_text
from mlguard.scanners.infra.kustomize.build import Build, Sources
from mlguard.scanners.infra.rendered import KUSTOMIZATIONS, Rendered
from mlguard.scanners.infra.treeedits import items, plain
from mlguard.scanners.infra.yamltree import MAX_BYTES, parse


def read(artifacts: Sequence[Artifact], context: Context) -> Iterator[Rendered]:
    """Yield what each kustomization becomes that no other one builds on."""
    files = {artifact.path for artifact in artifacts if posixpath.basename(artifact.path) in KUSTOMIZATIONS}
    if not files:
        return
    tree = _Tree(context)
    named, components = _named(files, tree)
    folders = sorted(posixpath.dirname(path) for path in files)
    roots = [folder for folder in folders if folder not in named and folder not in components]
    sources = Sources(tree.read, tree.exists)
    for folder in roots or [folder for folder in folders if folder not in components]:
        build = Build(sources)
        docs = build.folder(folder)
        documents = tuple((doc.path, doc.tree) for doc in docs)
        yield Rendered(folder, "kustomize", documents, tuple(build.gaps), frozenset(build.consumed))
    alone = sorted(components - named)
    if alone:
        yield _unused(alone, sources)


def _unused(folders: Sequence[str], sources: Sources) -> Rendered:
    """Return what components change that nothing uses: their patches are no objects, and nothing shows what they do."""
    build = Build(sources)
    gaps = []
    for folder in folders:
        build.folder(folder)
        gaps.append(Gap("infra", build.file_of(folder), "skipped", "no kustomization of this tree uses the component"))
    return Rendered(folders[0], "kustomize", (), tuple(gaps), frozenset(build.consumed))


def _named(files: set[str], tree: _Tree) -> tuple[set[str], set[str]]:
    """Return the folders that other kustomizations build on, and those that are components."""
    named: set[str] = set()
    components: set[str] = set()
    for path in sorted(files):
        folder = posixpath.dirname(path)
        try:
            body = parse(tree.read(path)).trees
        except Unreadable:
            continue
        if not body:
            continue
        if plain(body[0].get("kind")) == "Component":
            components.add(folder)
        for key in ("resources", "bases", "components"):
            for node in items(body[0].get(key)):
                target = posixpath.normpath(posixpath.join(folder, plain(node)))
                named.add("" if target == "." else target)
    return named, components


class _Tree:
    """The files of the scanned tree, each read once; a link that leads out of it is not followed."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.real = os.path.realpath(context.root)
        self._texts: dict[str, str] = {}

    def exists(self, path: str) -> bool:
        return self._inside(path) and os.path.isfile(os.path.join(self.real, path))

    def _inside(self, path: str) -> bool:
        real = os.path.realpath(os.path.join(self.real, path))
        return real.startswith(self.real.rstrip(os.sep) + os.sep)

    def read(self, path: str) -> str:
        if path not in self._texts:
            if not self._inside(path):
                raise Unreadable("it leads out of the scanned tree")
            self._texts[path] = read_text(self.context, path, MAX_BYTES)
        return self._texts[path]
