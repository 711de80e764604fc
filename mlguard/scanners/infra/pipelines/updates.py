"""Files that tell machines what to fetch for development: hooks of pre-commit and the updates of dependabot."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.findings import Gap
from mlguard.scanners import Context, lazy, read_text
from mlguard.scanners.infra.pipelines.texts import items, text
from mlguard.scanners.infra.resources import Path, Position, Resource
from mlguard.scanners.infra.yamltree import MAX_BYTES, Tree, parse

MAX_ENTRIES = 1_000
"""Hook repositories or updates of one file."""

_FIXED = lazy.pattern(r"^[0-9a-f]{7,64}$|\d+[._-]\d+|^v?\d+$|^(?:rel|release)?[-_/]?v?\d")


def read(artifacts: Sequence[Artifact], context: Context) -> Iterator[Resource | Gap]:
    """Yield each repository of hooks and each update; a file that cannot be read is a gap."""
    for artifact in artifacts:
        try:
            documents = parse(read_text(context, artifact.path, MAX_BYTES))
        except Unreadable as error:
            yield Gap("infra", artifact.path, "unreadable", str(error))
            continue
        if documents.broken:
            yield Gap("infra", artifact.path, "unreadable", documents.broken)
        for tree in documents.trees[:1]:
            yield from (
                _dependabot(artifact.path, tree) if "dependabot" in artifact.path else _hooks(artifact.path, tree)
            )


def _hooks(path: str, tree: Tree) -> Iterator[Resource]:
    for number, one in enumerate(items(tree.get("repos"))[:MAX_ENTRIES]):
        if not isinstance(one.value, dict):
            continue
        repository, revision = text(one.value.get("repo")), text(one.value.get("rev"))
        if repository in ("local", "meta", ""):
            continue
        positions: dict[Path, Position] = {path: at for path, at in one.positions().items() if len(path) < 2}
        name = repository.rstrip("/").rpartition("/")[2]
        attributes = {
            "repo": re.sub(r"//[^/@]*@", "//", repository),
            "rev": revision,
            "fixed": bool(_FIXED.search(revision)),
        }
        if ("rev",) in positions:
            positions[("fixed",)] = positions[("rev",)]
        yield Resource(
            "precommit.repository",
            name,
            f"{path}:{number}:{name}",
            path,
            attributes,
            positions,
            ("derived",),
            format="precommit",
        )


def _dependabot(path: str, tree: Tree) -> Iterator[Resource]:
    for number, one in enumerate(items(tree.get("updates"))[:MAX_ENTRIES]):
        if not isinstance(one.value, dict):
            continue
        name = text(one.value.get("package-ecosystem"))
        positions: dict[Path, Position] = {path: at for path, at in one.positions().items() if len(path) < 3}
        attributes = {
            "ecosystem": name,
            "cooldown": one.value.get("cooldown"),
            "execution": text(one.value.get("insecure-external-code-execution")),
        }
        if ("insecure-external-code-execution",) in positions:
            positions[("execution",)] = positions[("insecure-external-code-execution",)]
        yield Resource(
            "dependabot.update",
            name,
            f"{path}:{number}:{name}",
            path,
            attributes,
            positions,
            ("derived",),
            format="dependabot",
        )
