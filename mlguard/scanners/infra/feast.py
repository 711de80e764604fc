"""Reads the configuration of Feast: the online store of features and how it is reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.findings import Gap
from mlguard.scanners import Context, read_text
from mlguard.scanners.infra.resources import Path, Position, Resource
from mlguard.scanners.infra.yamltree import Tree, parse

MAX_BYTES = 2**20
"""The largest configuration that is read."""

_NAMES = ("feature_store.yaml", "feature_store.yml")


def read(artifacts: Sequence[Artifact], context: Context) -> Iterator[Resource | Gap]:
    """Yield the online store of each ``feature_store.yaml``. One that cannot be read is a gap."""
    for artifact in sorted(artifacts, key=lambda one: one.path):
        if artifact.kind != "yaml" or PurePosixPath(artifact.path).name not in _NAMES:
            continue
        try:
            documents = parse(read_text(context, artifact.path, MAX_BYTES))
        except Unreadable as error:
            yield Gap("infra", artifact.path, "unreadable", str(error))
            continue
        if documents.broken:
            yield Gap("infra", artifact.path, "unreadable", documents.broken)
        for tree in documents.trees[:1]:
            yield from _stores(artifact.path, tree)


def _stores(path: str, tree: Tree) -> Iterator[Resource]:
    store = tree.get("online_store")
    if store is None or not isinstance(tree.value, dict):
        return
    value = store.value if isinstance(store.value, dict) else {"type": store.value}
    positions: dict[Path, Position] = store.positions()
    positions.setdefault(("type",), store.at)
    yield Resource(
        "feast.store", str(tree.value.get("project") or "online_store"), f"{path}:online_store", path, value, positions,
        ("store",), format="feast",
    )  # fmt: skip
