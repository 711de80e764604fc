"""Builds one kustomization: its resources and bases, generators, components, and the changes, in kustomize's order."""

from __future__ import annotations

import base64
import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from mlguard.errors import Unreadable
from mlguard.findings import Gap
from mlguard.scanners.infra.inventory import selects
from mlguard.scanners.infra.kustomize import transforms
from mlguard.scanners.infra.kustomize.merge import Refused, merged, operated
from mlguard.scanners.infra.kustomize.replacements import replaced
from mlguard.scanners.infra.kustomize.transforms import Doc
from mlguard.scanners.infra.rendered import KUSTOMIZATIONS
from mlguard.scanners.infra.resources import Position
from mlguard.scanners.infra.treeedits import (
    changed,
    entries,
    is_list,
    is_mapping,
    items,
    made,
    mapping,
    plain,
    put,
    stamped,
)
from mlguard.scanners.infra.yamltree import Tree, parse

MAX_LEVELS = 20
"""Kustomizations that build on each other."""

MAX_DOCUMENTS = 20_000
"""Objects of one build."""

MAX_BUILDS = 2_000
"""Kustomizations that one build reads, each as often as it is named."""

_FOREIGN = (
    "generators",
    "transformers",
    "validators",
    "configurations",
    "crds",
    "openapi",
    "helmCharts",
    "helmChartInflationGenerator",
)
"""What a kustomization may name that takes other programs, or tells kustomize of other types."""

Read = Callable[[str], str]
"""Gives the text of a file in the tree. Raises Unreadable."""


class Sources:
    """The files and folders that builds read, each parsed and each base built once for all of them."""

    def __init__(self, read: Read, exists: Callable[[str], bool]) -> None:
        self.read, self.exists = read, exists
        self.built: dict[str, tuple[list[Doc], list[Gap], set[str]]] = {}
        self._parsed: dict[str, tuple[tuple[Tree, ...], str]] = {}

    def trees(self, path: str) -> tuple[tuple[Tree, ...], str]:
        """Return the documents of a file at their places, and what was broken in it. Raises Unreadable."""
        if path not in self._parsed:
            found = parse(self.read(path))
            self._parsed[path] = tuple(stamped(tree, path) for tree in found.trees[:MAX_DOCUMENTS]), found.broken
        return self._parsed[path]


class Build:
    """One build from the top: what is read and what is missing goes into ``consumed`` and ``gaps``."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.read, self.exists = sources.read, sources.exists
        self.gaps: list[Gap] = []
        self.consumed: set[str] = set()
        self.left = MAX_BUILDS

    def gap(self, path: str, reason: str, kind: str = "skipped", hint: str = "") -> None:
        found = Gap("infra", path, "unreadable" if kind == "unreadable" else "skipped", reason, hint)
        if found not in self.gaps:
            self.gaps.append(found)

    def file_of(self, folder: str) -> str:
        """Return the file of the kustomization in a folder, or ""."""
        names = [posixpath.join(folder, name) for name in KUSTOMIZATIONS]
        return next((name for name in names if self.exists(name)), "")

    def folder(self, folder: str, above: tuple[str, ...] = (), base: list[Doc] | None = None) -> list[Doc]:
        """Return the objects of the kustomization in a folder; of a component, changed from those of ``base``."""
        file = self.file_of(folder)
        self.left -= 1
        if not file or folder in above or len(above) > MAX_LEVELS or self.left < 0:
            where = self.file_of(above[-1]) if above else folder
            self.gap(where, f"{folder or '.'}: kustomizations that name each other, or too many of them")
            return []
        if base is None and folder in self.sources.built:
            docs, gaps, consumed = self.sources.built[folder]
            self.gaps += [gap for gap in gaps if gap not in self.gaps]
            self.consumed |= consumed
            return [replace(doc, past=list(doc.past)) for doc in docs]
        self.consumed.add(file)
        try:
            trees, _ = self.sources.trees(file)
        except Unreadable as trouble:
            self.gap(file, str(trouble), "unreadable")
            return []
        if not trees or not is_mapping(trees[0]):
            self.gap(file, "a kustomization is a mapping", "unreadable")
            return []
        if base is not None:
            return _Level(self, folder, file, trees[0], (*above, folder)).build(base)
        inner = Build(self.sources)
        inner.left = self.left
        docs = _Level(inner, folder, file, trees[0], (*above, folder)).build([])
        self.left = inner.left
        self.gaps += [gap for gap in inner.gaps if gap not in self.gaps]
        self.consumed |= {file, *inner.consumed}
        self.sources.built[folder] = docs, inner.gaps, {file, *inner.consumed}
        return [replace(doc, past=list(doc.past)) for doc in docs]


class _Level:
    """One kustomization."""

    def __init__(self, build: Build, folder: str, file: str, tree: Tree, above: tuple[str, ...]) -> None:
        self.outer, self.at, self.file, self.tree, self.above = build, folder, file, tree, above

    def build(self, base: list[Doc]) -> list[Doc]:
        docs = [*base, *self.resources()]
        docs = self.generated(docs)
        for node in items(self.tree.get("components")):
            path = self.path(plain(node))
            if path is not None:
                docs = self.outer.folder(path, self.above, docs)
        for key in _FOREIGN:
            if self.tree.get(key) is not None:
                self.outer.gap(
                    self.file, f"{key} of a kustomization are not evaluated", hint="scan what kustomize build writes"
                )
        docs = self.patched(docs)
        transforms.spaced(docs, self.tree.get("namespace"))
        transforms.named(docs, self.tree.get("namePrefix"), self.tree.get("nameSuffix"))
        transforms.labelled(docs, self.tree.get("commonLabels"), True, True)
        for entry in items(self.tree.get("labels")):
            selectors, templates = (plain(entry.get(key)) == "true" for key in ("includeSelectors", "includeTemplates"))
            transforms.labelled(docs, entry.get("pairs"), selectors, templates)
        transforms.annotated(docs, self.tree.get("commonAnnotations"))
        docs = self.json_patched(docs)
        transforms.scaled(docs, items(self.tree.get("replicas")))
        transforms.imaged(docs, items(self.tree.get("images")))
        self.replacements(docs)
        return docs

    def path(self, name: str) -> str | None:
        """Return a path in the tree, None for one that leads out of it or to another machine."""
        if re.match(
            r"^[a-z][a-z0-9+.-]*://|^git@|^[\w.-]+\.[a-z]{2,}(?:/|:)[\w./-]*(?:\?|//|$)|\?ref=", name
        ) and not self.outer.exists(posixpath.normpath(posixpath.join(self.at, name))):
            self.outer.gap(
                self.file, "a resource on another machine is not fetched", hint="vendor it to have it looked at"
            )
            return None
        path = posixpath.normpath(posixpath.join(self.at, name))
        path = "" if path == "." else path
        if not name or path.startswith(("..", "/")):
            self.outer.gap(self.file, "a path leads out of the scanned tree, where nothing is read")
            return None
        return path

    def text(self, name: str) -> tuple[str, str] | None:
        """Return path and text of a file that the kustomization names."""
        path = self.path(name)
        if path is None:
            return None
        try:
            text = self.outer.read(path)
        except Unreadable as trouble:
            self.outer.gap(self.file, f"a file that it names cannot be read: {trouble}", "unreadable")
            return None
        self.outer.consumed.add(path)
        return path, text

    # Where objects come from

    def resources(self) -> Iterator[Doc]:
        for key in ("resources", "bases"):
            for node in items(self.tree.get(key)):
                path = self.path(plain(node))
                if path is None:
                    continue
                if self.outer.file_of(path):
                    yield from self.outer.folder(path, self.above)
                else:
                    yield from self.documents(plain(node))

    def documents(self, name: str) -> Iterator[Doc]:
        found = self.text(name)
        if found is None:
            return
        path = found[0]
        try:
            trees, broken = self.outer.sources.trees(path)
        except Unreadable as trouble:
            self.outer.gap(path, str(trouble), "unreadable")
            return
        if broken:
            self.outer.gap(path, broken, "unreadable")
        for tree in trees:
            listed = plain(tree.get("kind")).endswith("List") and is_list(tree.get("items"))
            for one in items(tree.get("items")) if listed else [tree]:
                if is_mapping(one) and plain(one.get("kind")):
                    yield Doc(path, one)

    def generated(self, docs: list[Doc]) -> list[Doc]:
        for key, kind in (("configMapGenerator", "ConfigMap"), ("secretGenerator", "Secret")):
            for entry in items(self.tree.get(key)):
                new = self.generate(entry, kind)
                behavior = plain(entry.get("behavior"))
                same = [one for one in docs if one.kind == kind and new.name in [name for name, _ in one.names()]]
                if behavior in ("merge", "replace") and same:
                    data = {
                        **(entries(same[0].tree.get("data")) if behavior == "merge" else {}),
                        **entries(new.tree.get("data")),
                    }
                    same[0].tree = put(same[0].tree, ("data",), mapping(data, entry.at))
                else:
                    docs = [*docs, new]
        return docs

    def generate(self, entry: Tree, kind: str) -> Doc:
        at = entry.at
        data: dict[str, Tree] = {}
        for node in items(entry.get("literals")):
            name, _, value = plain(node).partition("=")
            data[name] = made(_encoded(value.strip("'\"") if value[:1] == value[-1:] else value, kind), node.at)
        for node in items(entry.get("files")):
            key, equals, path = plain(node).partition("=")
            found = self.text(path if equals else key)
            if found is not None:
                data[key if equals else posixpath.basename(key)] = made(_encoded(found[1], kind), node.at)
        for node in [*items(entry.get("envs")), *([one] if (one := entry.get("env")) is not None else [])]:
            found = self.text(plain(node))
            for number, line in enumerate(found[1].splitlines(), 1) if found else ():
                name, equals, value = line.strip().partition("=")
                if equals and not name.startswith("#"):
                    data[name] = made(_encoded(value, kind), Position(number, path=found[0] if found else ""))
        metadata = {"name": entry.get("name") or made("", at)}
        if (namespace := entry.get("namespace")) is not None:
            metadata["namespace"] = namespace
        for key in ("labels", "annotations"):
            pairs = {**entries(self.tree.get("generatorOptions", key)), **entries(entry.get("options", key))}
            if pairs:
                metadata[key] = mapping(pairs, at)
        body = {"apiVersion": made("v1", at), "kind": made(kind, at), "metadata": mapping(metadata, at)}
        if data:
            body["data"] = mapping(data, at)
        immutable = entry.get("options", "immutable") or self.tree.get("generatorOptions", "immutable")
        if immutable is not None and immutable.value is True:
            body["immutable"] = immutable
        if kind == "Secret":
            body["type"] = entry.get("type") or made("Opaque", at)
        return Doc(self.file, mapping(body, at))

    # Patches

    def patched(self, docs: list[Doc]) -> list[Doc]:
        for node in items(self.tree.get("patchesStrategicMerge")):
            for patch in self.patch_trees(node, None):
                docs = self.strategic(docs, patch, None, None)
        for entry in items(self.tree.get("patches")):
            target = entry.get("target")
            for patch in self.patch_trees(entry.get("patch"), entry.get("path")):
                if is_list(patch):
                    docs = self.operate(docs, patch, target, entry)
                else:
                    docs = self.strategic(docs, patch, target, entry.get("options"))
        return docs

    def json_patched(self, docs: list[Doc]) -> list[Doc]:
        for entry in items(self.tree.get("patchesJson6902")):
            for patch in self.patch_trees(entry.get("patch"), entry.get("path")):
                docs = self.operate(docs, patch, entry.get("target"), entry)
        return docs

    def patch_trees(self, inline: Tree | None, path: Tree | None) -> list[Tree]:
        """Return the documents of a patch, at the places where they are written: in the kustomization, or in a file."""
        if inline is not None and ("\n" in plain(inline) or ":" in plain(inline) or path is not None):
            at = inline.value_at or inline.at
            return self.parsed(plain(inline), self.file, at.line, at.column)
        found = self.text(plain(path if path is not None else inline))
        return self.parsed(found[1], found[0], 0, 0) if found else []

    def parsed(self, text: str, path: str, line: int, column: int) -> list[Tree]:
        try:
            trees = parse(text).trees
        except Unreadable as trouble:
            self.outer.gap(path, f"a patch: {trouble}", "unreadable")
            return []
        return [_moved(stamped(tree, path), line) for tree in trees]

    def strategic(self, docs: list[Doc], patch: Tree, target: Tree | None, options: Tree | None) -> list[Doc]:
        wanted = [doc for doc in docs if (self.targets(doc, target) if target is not None else _meant(doc, patch))]
        if not wanted:
            self.outer.gap(self.file, "a patch finds no object that it is meant for")
        result: list[Doc] = []
        for doc in docs:
            if not any(doc is one for one in wanted):
                result.append(doc)
                continue
            change = patch
            if target is not None:
                for key in ("name", "namespace"):
                    if plain(options.get("allowNameChange") if options else None) != "true":
                        change = changed(change, ("metadata", key), lambda _: None)
                if plain(options.get("allowKindChange") if options else None) != "true":
                    change = changed(changed(change, ("kind",), lambda _: None), ("apiVersion",), lambda _: None)
            elif change.get("metadata", "name") is not None:
                change = put(change, ("metadata", "name"), doc.tree.get("metadata", "name") or change)
            tree = merged(doc.tree, change, known=doc.known)
            if tree is not None:
                doc.remember()
                doc.tree = tree
                result.append(doc)
        return result

    def operate(self, docs: list[Doc], patch: Tree, target: Tree | None, entry: Tree) -> list[Doc]:
        wanted = [doc for doc in docs if target is not None and self.targets(doc, target)]
        if not wanted:
            self.outer.gap(self.file, "a patch finds no object that it is meant for")
        for doc in wanted:
            try:
                doc.remember()
                doc.tree = operated(doc.tree, patch)
            except (Refused, ValueError) as trouble:
                text = str(trouble) if isinstance(trouble, Refused) else "a JSON patch cannot be applied"
                self.outer.gap(self.file, f"{text} (the patch at line {entry.at.line})", "unreadable")
        return docs

    def targets(self, doc: Doc, target: Tree) -> bool:
        """Say whether a selector means an object: its fields are regular expressions over the whole of a name."""
        for key, value in (("group", doc.group), ("version", doc.version), ("kind", doc.kind)):
            if (wanted := plain(target.get(key))) and not _fits(wanted, value):
                return False
        for index, key in enumerate(("name", "namespace")):
            wanted = plain(target.get(key))
            if wanted and not any(_fits(wanted, one[index] or ("default" if index else "")) for one in doc.names()):
                return False
        for key, place in (("labelSelector", "labels"), ("annotationSelector", "annotations")):
            wanted = plain(target.get(key))
            if wanted and not _selected(wanted, doc.tree.get("metadata", place)):
                return False
        return True

    def replacements(self, docs: Sequence[Doc]) -> None:
        for entry in items(self.tree.get("replacements")):
            path = plain(entry.get("path"))
            found = self.text(path) if path else None
            texts = self.parsed(found[1], found[0], 0, 0) if found else [entry]
            for tree in texts:
                for one in items(tree) if is_list(tree) else [tree]:
                    if not replaced(docs, one):
                        self.outer.gap(
                            self.file, f"the replacement at line {entry.at.line} finds nothing to take or to fill"
                        )
        if self.tree.get("vars") is not None:
            self.outer.gap(self.file, "vars of a kustomization are not put in; use replacements")


def _encoded(text: str, kind: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogateescape")).decode() if kind == "Secret" else text


def _meant(doc: Doc, patch: Tree) -> bool:
    """Say whether a patch without a selector names an object: by group, kind, name and namespace, now or before."""
    api = plain(patch.get("apiVersion"))
    name, namespace = plain(patch.get("metadata", "name")), plain(patch.get("metadata", "namespace"))
    return (
        plain(patch.get("kind")) == doc.kind
        and api.rpartition("/")[0] == doc.group
        and any(
            name == one and (namespace or "default") in (place or "default", namespace and "")
            for one, place in doc.names()
        )
        or (
            plain(patch.get("kind")) == doc.kind
            and api.rpartition("/")[0] == doc.group
            and not namespace
            and name in [one for one, _ in doc.names()]
        )
    )


def _fits(pattern: str, text: str) -> bool:
    try:
        return re.fullmatch(pattern[:200], text[:500]) is not None
    except re.error:
        return False


def _selected(selector: str, labels: Tree | None) -> bool:
    """Say whether labels fit a selector in text form: ``a=b,c!=d,e in (f,g),!h``."""
    held = {key: plain(node) for key, node in entries(labels).items()}
    parts = re.findall(r"[^,(]+(?:\([^)]*\))?", selector)
    expressions = []
    for part in parts:
        part = part.strip()
        if match := re.fullmatch(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)", part):
            operator = "In" if match[2] == "in" else "NotIn"
            expressions.append(
                {"key": match[1], "operator": operator, "values": [v.strip() for v in match[3].split(",")]}
            )
        elif match := re.fullmatch(r"([^=!\s]+)\s*(==?|!=)\s*(\S*)", part):
            operator = "NotIn" if match[2] == "!=" else "In"
            expressions.append({"key": match[1], "operator": operator, "values": [match[3]]})
        elif part:
            expressions.append(
                {"key": part.lstrip("!").strip(), "operator": "DoesNotExist" if part[0] == "!" else "Exists"}
            )
    return selects({"matchExpressions": expressions}, held) is True


def _moved(tree: Tree, line: int) -> Tree:
    """Return a tree that was read from a block of text, at the lines where the block stands in its file."""
    if not line:
        return tree

    def shift(at: Position) -> Position:
        return replace(at, line=at.line + line, end_line=at.end_line + line if at.end_line else 0)

    children = (
        {key: _moved(child, line) for key, child in tree.children.items()}
        if is_mapping(tree) and not isinstance(tree.children, tuple)
        else tuple(_moved(child, line) for child in items(tree))
    )
    return replace(tree, at=shift(tree.at), value_at=shift(tree.value_at) if tree.value_at else None, children=children)
