"""Compose files as one project: what overrides, extends and variables make of the services.

The rules are those of the Compose Specification: https://github.com/compose-spec/compose-spec (13-merge.md, 05-services.md
"extends", 12-interpolation.md). Every value keeps the place where it is written.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping

from mlguard.errors import Unreadable
from mlguard.findings import Gap
from mlguard.scanners import lazy
from mlguard.scanners.infra.dockerfile import expand
from mlguard.scanners.infra.treeedits import (
    entries,
    is_list,
    is_mapping,
    items,
    made,
    mapping,
    plain,
    sequence,
    stamped,
)
from mlguard.scanners.infra.yamltree import Tree, parse
from mlguard.values import dataclass, field

MAX_EXTENDS = 20
"""Services that extend each other."""

MAX_INCLUDED = 100
"""Files that the Compose files of a tree include."""

MAX_ENV_LINES = 5_000
"""Lines of a file of variables that are read."""

NAME = lazy.pattern(r"(?i)^(?:docker-)?compose(?:[._-][\w.-]*)?\.ya?ml$")
_MAIN = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_OVERRIDES = tuple(name.replace(".y", ".override.y") for name in _MAIN)
_REPLACED = frozenset({"command", "entrypoint", "test"})
_NOT_EXTENDED = frozenset({"depends_on", "links", "volumes_from", "extends"})

Read = Callable[[str], str]
"""Gives the text of a file in the tree. Raises Unreadable."""


@dataclass(slots=True)
class Project:
    """The services of one project, and what could not be read."""

    path: str
    services: dict[str, Tree] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)


class Files:
    """The Compose files of the tree, each parsed once."""

    def __init__(self, read: Read) -> None:
        self.read = read
        self.gaps: list[Gap] = []
        self._trees: dict[str, Tree | None] = {}

    def tree(self, path: str) -> Tree | None:
        """Return the mapping in a file, None where there is none; what is wrong with it is a gap, told once."""
        if path not in self._trees:
            self._trees[path] = None
            try:
                documents = parse(self.read(path), tags=True)
            except Unreadable as trouble:
                self.gaps.append(Gap("infra", path, "unreadable", str(trouble)))
                return None
            for line in documents.duplicates[:20]:
                reason = f"line {line}: a key stands twice in one mapping, and Compose rejects the file"
                self.gaps.append(Gap("infra", path, "unresolved", reason))
            if documents.broken:
                self.gaps.append(Gap("infra", path, "unreadable", documents.broken))
            if documents.trees and is_mapping(documents.trees[0]):
                self._trees[path] = stamped(documents.trees[0], path)
        return self._trees[path]

    def variables(self, path: str) -> dict[str, tuple[str, int]]:
        """Return the variables of an env file with their lines; none where it cannot be read."""
        try:
            lines = self.read(path).splitlines()[:MAX_ENV_LINES]
        except Unreadable:
            return {}
        found = {}
        for number, line in enumerate(lines, 1):
            match = re.match(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$", line)
            if match:
                value = match[2]
                quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
                found[match[1]] = (value[1:-1] if quoted else re.sub(r"\s+#.*$", "", value), number)
        return found


def projects(paths: list[str], files: Files) -> Iterator[Project]:
    """Yield the projects that Compose files stand for: each main file with its override, each further file over the main
    one where its services need that, else by itself."""
    folders: dict[str, list[str]] = {}
    for path in sorted({*paths, *_included(paths, files)}):
        folders.setdefault(posixpath.dirname(path), []).append(path)
    for folder, held in sorted(folders.items()):
        by_name = {posixpath.basename(path).lower(): path for path in held}
        main = next((by_name[name] for name in _MAIN if name in by_name), "")
        override = next((by_name[name] for name in _OVERRIDES if name in by_name), "") if main else ""
        values = {name: value for name, (value, _) in files.variables(posixpath.join(folder, ".env")).items()}
        for path in held:
            if path == override:
                continue
            parts = [path, override] if path == main and override else [path]
            if path != main and main and _needs_base(files.tree(path)):
                parts = [main, path]
            yield _project(parts, files, values)


def _included(paths: list[str], files: Files) -> list[str]:
    """Return the files that Compose files include, and those that these include."""
    found: list[str] = []
    known = set(paths)
    waiting = list(paths)
    while waiting and len(found) < MAX_INCLUDED:
        path = waiting.pop()
        tree = files.tree(path)
        for one in items(tree.get("include")) if tree is not None else ():
            named = one.get("path") if is_mapping(one) else one
            for name in items(named) or ([named] if named is not None else []):
                file = posixpath.normpath(posixpath.join(posixpath.dirname(path), plain(name)))
                if plain(name) and "$" not in file and not file.startswith(("..", "/")) and file not in known:
                    found.append(file)
                    known.add(file)
                    waiting.append(file)
    return found


def _needs_base(tree: Tree | None) -> bool:
    """Say whether a file speaks of services that are defined elsewhere."""
    services = entries(tree.get("services")) if tree is not None else {}
    return any(is_mapping(one) and not {"image", "build", "extends"} & set(entries(one)) for one in services.values())


def _project(paths: list[str], files: Files, variables: Mapping[str, str]) -> Project:
    project = Project(paths[-1], variables=variables)
    services: Tree | None = None
    for path in paths:
        tree = files.tree(path)
        found = tree.get("services") if tree is not None else None
        if found is not None and is_mapping(found):
            services = found if services is None else merged(services, found, "services")
    for name, service in entries(services).items():
        if is_mapping(service):
            project.services[name] = _extended(service, entries(services), project, files, 0)
    return project


def _extended(service: Tree, around: Mapping[str, Tree], project: Project, files: Files, depth: int) -> Tree:
    """Return a service with what it extends below it."""
    extends = service.get("extends")
    if extends is None or depth > MAX_EXTENDS:
        return _settled(service)
    name = plain(extends) or plain(extends.get("service"))
    file = plain(extends.get("file")) if is_mapping(extends) else ""
    if file:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(extends.at.path), file))
        tree = None if path.startswith(("..", "/")) else files.tree(path)
        around = entries(tree.get("services")) if tree is not None else {}
    base = around.get(name)
    if base is None or not is_mapping(base):
        reason = f"line {extends.at.line}: the service that is extended is not found in this tree"
        project.gaps.append(Gap("infra", extends.at.path, "unresolved", reason))
        return _settled(service)
    whole = _extended(base, around, project, files, depth + 1)
    kept = {key: child for key, child in entries(whole).items() if key not in _NOT_EXTENDED}
    own = {key: child for key, child in entries(service).items() if key != "extends"}
    return _settled(merged(mapping(kept, service.at), mapping(own, service.at), ""))


def merged(base: Tree, change: Tree, name: str) -> Tree:
    """Return ``base`` with a later file's say over it."""
    if (own := change.get("Fn::override")) is not None:
        return own
    if change.get("Fn::reset") is not None:
        return made(None, change.at)
    if is_mapping(base) and is_mapping(change):
        children = entries(base)
        for key, child in entries(change).items():
            children[key] = merged(children[key], child, key) if key in children else child
        return mapping(children, change.at if name in ("", "services") else base.at)
    if is_list(base) and is_list(change) and name not in _REPLACED:
        return sequence(_joined(items(base), items(change)), base.at)
    if name in ("environment", "labels", "sysctls", "extra_hosts", "args") and is_list(base) != is_list(change):
        return merged(_as_mapping(base), _as_mapping(change), name)
    return change


def _joined(first: list[Tree], second: list[Tree]) -> list[Tree]:
    """Return both lists as one; of entries for one target or one variable the later counts."""
    found: dict[str, Tree] = {}
    for one in (*first, *second):
        found[_target(one)] = one
    return list(found.values())


def _target(item: Tree) -> str:
    """Return what an entry of a list is about: a port's or a volume's target, a variable's name, else the whole of it."""
    if is_mapping(item):
        return plain(item.get("target")) or plain(item.get("source")) or plain(item.get("path")) or repr(item.value)
    text = plain(item)
    if re.match(r"^[A-Za-z_]\w*=", text):
        return text.partition("=")[0]
    return text


def _as_mapping(tree: Tree) -> Tree:
    if not is_list(tree):
        return tree
    pairs = ((plain(one).partition("="), one) for one in items(tree))
    return mapping({name: made(value if sign else None, one.at) for (name, sign, value), one in pairs}, tree.at)


def _settled(service: Tree) -> Tree:
    """Return a service without the tags that only matter when files are merged."""
    children = {key: child.get("Fn::override") or child for key, child in entries(service).items()}
    return mapping({key: child for key, child in children.items() if child.get("Fn::reset") is None}, service.at)


def put_in(text: str, variables: Mapping[str, str]) -> str:
    """Return a text with the variables of the project's .env put in; what is not known becomes a reference."""
    return expand(text, variables, what="variable")
