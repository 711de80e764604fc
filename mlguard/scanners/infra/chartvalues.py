"""What values for somebody else's chart, or the settings of an operator, leave open: databases and tools without a login."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.scanners import Context, lazy, read_text
from mlguard.scanners.infra.resources import Path, Position, Resource
from mlguard.scanners.infra.yamltree import Tree, parse
from mlguard.values import replace

MAX_BYTES = 2**20
"""The largest file of values that is read."""

MAX_LEVELS = 30
"""Mappings inside each other that are looked at."""

MAX_LINES = 20_000
"""Lines of one text among the values that are looked at."""

_NAME = lazy.pattern(r"(?i)(?:^|[-_.])values(?:[-_.][\w.-]+)?\.ya?ml$")
_LINE = lazy.pattern(r"^\s*authorizationEnabled\s*:\s*[\"']?[Ff]alse\b")

_SETTINGS: tuple[tuple[tuple[str, ...], str, str, str], ...] = (
    (("authentication", "anonymous_access", "enabled"), "true", "vector-database", "anonymous access is on"),
    (("security", "authorizationEnabled"), "false", "vector-database", "its login is switched off"),
    (("auth.anonymous", "enabled"), "true", "workflow-or-labelling-tool", "anonymous access is on"),
    (("JupyterHub", "authenticator_class"), "dummy", "jupyter", "its hub lets everyone in"),
)
"""The end of a setting's path, the value that opens it, the service, and why.

Sources: the charts of Weaviate, Milvus, Grafana and Zero to JupyterHub.
"""


def read(artifacts: Sequence[Artifact], context: Context) -> Iterator[Resource]:
    """Yield what files of values say. One that cannot be read is for the reader of charts to tell."""
    for artifact in sorted(artifacts, key=lambda one: one.path):
        name = PurePosixPath(artifact.path).name
        if artifact.kind != "yaml" or not _NAME.search(name) or "/charts/" in f"/{artifact.path}":
            continue  # what a chart inside a chart says by itself, the outer one may change
        try:
            documents = parse(read_text(context, artifact.path, MAX_BYTES))
        except Unreadable:
            continue
        for tree in documents.trees[:1]:
            attributes, positions = opened(tree)
            if attributes["open_services"]:
                yield Resource(
                    "helm.values", name, f"{artifact.path}:values", artifact.path, {**attributes, "name": name},
                    {(): tree.at, **positions}, format="helm-values",
                )  # fmt: skip


def opened(tree: Tree) -> tuple[dict[str, Any], dict[Path, Position]]:
    """Return ``open_services`` of settings, and their places."""
    found: list[dict[str, str]] = []
    positions: dict[Path, Position] = {}
    for service, why, at in _settings(tree, (), 0):
        for rest in ((), ("service",), ("why",)):
            positions[("open_services", len(found), *rest)] = at
        found.append({"service": service, "why": why})
    return {"open_services": found}, positions


def _settings(tree: Tree, path: tuple[str, ...], level: int) -> Iterator[tuple[str, str, Position]]:
    if level > MAX_LEVELS:
        return
    if isinstance(tree.value, str) and "\n" in tree.value:
        yield from _lines(tree)
        return
    if not tree.children:
        said = str(tree.value).lower()
        yield from (
            (service, why, tree.at)
            for end, open_, service, why in _SETTINGS
            if said == open_ and path[-len(end) :] == end
        )
        return
    children = tree.children.items() if isinstance(tree.children, Mapping) else ((None, one) for one in tree.children)
    for key, child in children:
        yield from _settings(child, path if key is None else (*path[-3:], str(key)), level + 1)


def _lines(tree: Tree) -> Iterator[tuple[str, str, Position]]:
    """Yield what a text among the values switches off: a file of settings that goes into a config map."""
    if "authorizationEnabled" not in tree.value:
        return
    block = tree.at.end_line - tree.at.line > tree.value.rstrip("\n").count("\n") + 1
    for number, line in enumerate(tree.value.split("\n")[:MAX_LINES], 1):
        if len(line) < 2_000 and _LINE.search(line):
            place = replace(tree.at, line=tree.at.line + number, column=1, end_line=0, end_column=0)
            yield "vector-database", "its login is switched off", place if block else tree.at
