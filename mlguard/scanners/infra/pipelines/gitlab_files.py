"""Files of GitLab CI: what they include, and jobs as they are after ``extends``, ``!reference`` and ``default``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners.infra.pipelines.texts import items, text
from mlguard.scanners.infra.treeedits import entries, stamped
from mlguard.scanners.infra.yamltree import Tree, parse

MAX_INCLUDES = 150
"""Files that one pipeline may include, as GitLab itself allows."""

MAX_DEPTH = 50
"""Levels of includes inside includes."""

MAX_EXTENDS = 11
"""Levels of ``extends``, as GitLab itself allows."""

MAX_REFERENCES = 10
"""Levels of ``!reference``."""

MAX_JOBS = 5_000
"""Jobs of one pipeline that are looked at."""

REFERENCE = "Fn::reference"
"""How the reader of YAML gives a value with the tag ``!reference``."""

KEYWORDS = frozenset(
    {
        "default", "include", "stages", "variables", "workflow", "image", "services", "before_script", "after_script", "cache", "spec",
        "types",
    }
)  # fmt: skip
_DEFAULTS = (
    "image",
    "services",
    "before_script",
    "after_script",
    "cache",
    "artifacts",
    "tags",
    "timeout",
    "retry",
    "interruptible",
    "id_tokens",
    "hooks",
)
_JOB_KEYS = frozenset(
    {
        "script",
        "run",
        "trigger",
        "extends",
        "stage",
        "rules",
        "needs",
        "when",
        "only",
        "except",
        "environment",
        "image",
        "services",
        "before_script",
        "variables",
        "artifacts",
        "tags",
        "allow_failure",
    }
)


def merged(under: Tree, over: Tree) -> Tree:
    """Return two mappings as one, the second before the first; anything else is the second."""
    if not (
        isinstance(under.children, Mapping) and isinstance(over.children, Mapping) and under.children and over.children
    ):
        return over
    below = dict(under.children)
    for key, child in over.children.items():
        below[key] = merged(below[key], child) if key in below else child
    return replace(over, value={key: child.value for key, child in below.items()}, children=below)


class Pipeline:
    """One pipeline with all local files that it includes. ``read`` gives the text of a path or raises Unreadable."""

    def __init__(self, path: str, read: Callable[[str], str], listed: Callable[[str], list[str]]) -> None:
        self.path = path
        self._read, self._listed = read, listed
        self.texts: dict[str, str] = {}
        self.troubles: list[tuple[str, str]] = []
        self.includes: list[Tree] = []
        self.keys: dict[str, Tree] = {}
        self.head: Tree | None = None
        self.open_inputs: frozenset[str] = frozenset()
        self._load(path, 0)

    def _load(self, path: str, depth: int) -> None:
        if path in self.texts:
            return
        if len(self.texts) > MAX_INCLUDES or depth > MAX_DEPTH:
            self.troubles.append((self.path, f"includes more than {MAX_INCLUDES} files"))
            return
        self.texts[path] = ""
        try:
            content = self._read(path)
            documents = parse(content, tags=True)
        except Unreadable as error:
            self.troubles.append((path, str(error)))
            return
        self.texts[path] = content
        if documents.broken:
            self.troubles.append((path, documents.broken))
        trees = [tree for tree in documents.trees if isinstance(tree.value, dict)]
        tree = next((one for one in reversed(trees) if "spec" not in one.value or len(trees) == 1), None)
        if tree is None:
            self.troubles.append((path, "this is no pipeline: the file holds no mapping"))
            return
        tree = tree if path == self.path else stamped(tree, path)
        if path == self.path:
            self.head = tree
            self.open_inputs = frozenset(name for one in trees for name in _open_inputs(one.get("spec", "inputs")))
        include = tree.get("include")
        for one in items(include):
            self.includes.append(one)
            for local in self._local(one, path):
                self._load(local, depth + 1)
        for key, child in entries(tree).items():
            held = self.keys.get(key)
            self.keys[key] = merged(held, child) if held is not None else child

    def _local(self, include: Tree, path: str) -> Iterator[str]:
        name = text(include.value.get("local")) if isinstance(include.value, dict) else text(include.value)
        if not name or "://" in name or "$" in name or ".." in name.split("/"):
            return
        base = self.path[: -len(".gitlab-ci.yml")] if self.path.endswith("/.gitlab-ci.yml") else ""
        wanted = base + name.lstrip("/")
        yield from (one for one in self._listed(base) if fnmatchcase(one, wanted)) if "*" in wanted else (wanted,)

    # Jobs

    def jobs(self) -> Iterator[tuple[str, Tree]]:
        """Yield each job that runs, with all that it inherits."""
        for number, (name, tree) in enumerate(self.keys.items()):
            if number >= MAX_JOBS:
                self.troubles.append((self.path, f"has more than {MAX_JOBS} jobs; the rest was not looked at"))
                return
            if (
                name in KEYWORDS
                or name.startswith(".")
                or not isinstance(tree.value, dict)
                or _JOB_KEYS.isdisjoint(tree.value)
            ):
                continue
            whole = self._extended(tree, 0, ())
            yield name, self._with_defaults(whole)

    def _extended(self, tree: Tree, depth: int, seen: tuple[str, ...]) -> Tree:
        parents = [text(item.value) for item in items(tree.get("extends"))]
        base: Tree | None = None
        for name in parents if depth < MAX_EXTENDS else ():
            parent = self.keys.get(name)
            if parent is not None and name not in seen and isinstance(parent.value, dict):
                whole = self._extended(parent, depth + 1, (*seen, name))
                base = merged(base, whole) if base is not None else whole
        return merged(base, tree) if base is not None else tree

    def _with_defaults(self, tree: Tree) -> Tree:
        inherit = tree.get("inherit", "default")
        allowed = (
            _DEFAULTS
            if inherit is None or inherit.value is True
            else tuple(text(item.value) for item in items(inherit))
        )
        below = dict(entries(tree))
        default = self.keys.get("default")
        for key in allowed:
            if key not in below:
                node = (default.get(key) if default is not None else None) or self.keys.get(key)
                if node is not None:
                    below[key] = node
        return replace(tree, value={key: child.value for key, child in below.items()}, children=below)

    def own_image(self, tree: Tree, name: str) -> bool:
        """Say whether an attribute of a job is its own and not one of all jobs."""
        default = self.keys.get("default")
        shared = [
            node
            for node in ((default.get(name) if default is not None else None), self.keys.get(name))
            if node is not None
        ]
        node = tree.get(name)
        return node is not None and all(node is not other for other in shared)

    def lines(self, node: Tree | None, depth: int = 0) -> Iterator[Tree]:
        """Yield the texts of a script: lists inside lists are one, and references are followed."""
        if node is None or depth > MAX_REFERENCES:
            return
        if isinstance(node.value, str):
            yield node
            return
        if isinstance(node.value, dict):
            steps = node.value.get(REFERENCE)
            if isinstance(steps, list) and steps:
                target = self.keys.get(text(steps[0]))
                whole = (
                    self._extended(target, 0, ()) if target is not None and isinstance(target.value, dict) else target
                )
                yield from self.lines(whole.get(*map(str, steps[1:])) if whole is not None else None, depth + 1)
            return
        for item in items(node):
            if item is not node:
                yield from self.lines(item, depth + 1)

    def variables(self, tree: Tree | None) -> dict[str, Tree]:
        """Return variables by name; one that is a mapping stands for its value."""
        return {
            name: inner if isinstance(node.value, dict) and (inner := node.get("value")) is not None else node
            for name, node in entries(tree).items()
        }


def _open_inputs(declared: Tree | None) -> Iterator[str]:
    """Yield the inputs into which whoever starts the pipeline, or includes the file, may put any text."""
    for name, node in entries(declared).items():
        settings = node.value if isinstance(node.value, dict) else {}
        if settings.get("type", "string") == "string" and not settings.get("options") and not settings.get("regex"):
            yield name


def included(include: Tree) -> dict[str, Any]:
    """Return what an include names, and whether that is one fixed content. ``at`` is the node that decides."""
    if isinstance(include.value, str):
        include_value: dict[str, Any] = {"remote" if "://" in include.value else "local": include.value}
    else:
        include_value = include.value if isinstance(include.value, dict) else {}
    if "project" in include_value:
        ref = include.get("ref")
        pinned = ref is not None and re.fullmatch(r"[0-9a-f]{40}", text(ref.value)) is not None
        known = ref is None or "$" not in text(ref.value)
        return {"include": text(include_value["project"]), "pinned": pinned or not known, "at": ref or include}
    if "remote" in include_value:
        url = text(include_value["remote"])
        pinned = "integrity" in include_value or re.search(r"/[0-9a-f]{40}/", url) is not None
        return {"include": re.sub(r"//[^/@]*@", "//", url), "pinned": pinned, "at": include.get("remote") or include}
    if "component" in include_value:
        name, _, version = text(include_value["component"]).rpartition("@")
        pinned = re.fullmatch(r"[0-9a-f]{40}|v?\d+\.\d+\.\d+\S*", version) is not None or "$" in version
        return {"include": name or version, "pinned": pinned and bool(name), "at": include.get("component") or include}
    return {"include": text(include_value.get("template")), "pinned": True, "at": include}
