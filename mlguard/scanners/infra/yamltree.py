"""YAML and JSON documents as values that know where they stand."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from mlguard.errors import Unreadable
from mlguard.scanners import lazy
from mlguard.scanners.infra.resources import Path, Position
from mlguard.values import dataclass

if TYPE_CHECKING:
    import yaml

MAX_BYTES = 16 * 2**20
"""The largest file that is read as YAML."""

MAX_NODES = 200_000
"""Nodes of one file after its aliases are followed. A bomb of nested aliases passes it within a second."""

MIN_NODE = 8
"""A file may have one node for so many of its characters, when that is more than MAX_NODES."""

MAX_DEPTH = 100
"""Levels of nesting."""

MAX_REMEMBERED = 20_000
"""Short plain texts whose type is kept in mind."""

_PREFIX = lazy.pattern(r"(?m)^[ \t?:-]{50,}")
_TRUE = frozenset({"y", "yes", "true", "on"})
_BREAKS = {0x85: " ", 0x2028: " ", 0x2029: " "}  # line breaks to YAML 1.1 only: lines are counted as editors do


@dataclass(slots=True)  # never changed; to freeze it would make it slow to build
class Tree:
    """A node: its plain value, the place of its key (or of the item), and what is below it.

    The place of a text, number or boolean runs from its key to the value's end; that of a mapping or list is its key.
    ``templated`` says that somewhere below a key is itself a mapping, which is how ``{{ .Values.x }}`` reads as YAML.
    """

    value: Any
    at: Position
    children: Mapping[str, Tree] | tuple[Tree, ...] = ()
    templated: bool = False
    value_at: Position | None = None

    def get(self, *path: str | int) -> Tree | None:
        """Return the node at a path below, or None."""
        node: Tree | None = self
        for step in path:
            if node is None:
                return None
            if isinstance(node.children, tuple):
                node = node.children[step] if isinstance(step, int) and step < len(node.children) else None
            else:
                node = node.children.get(step) if isinstance(step, str) else None
        return node

    def items(self) -> Iterator[tuple[str | int, Tree]]:
        """Yield each child with its key or index."""
        yield from enumerate(self.children) if isinstance(self.children, tuple) else self.children.items()

    def positions(self) -> dict[Path, Position]:
        """Return the place of each path below, and of the node itself under ``()``."""
        found: dict[Path, Position] = {}
        _place(self, (), found)
        return found


def _place(tree: Tree, path: Path, found: dict[Path, Position]) -> None:
    found[path] = tree.at
    for key, child in tree.items():
        _place(child, (*path, key), found)


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents of one file, the lines on which a key stands twice, and whether a later one could not be read."""

    trees: tuple[Tree, ...]
    duplicates: tuple[int, ...] = ()
    broken: str = ""  # why the rest was not read


def parse(text: str, tags: bool = False) -> Documents:
    """Return the documents of a YAML or JSON text. Raises Unreadable when there is none that can be read.

    Of keys that stand twice the last one counts. Plain ``yes``, ``no``, ``on`` and ``off`` are booleans, as Kubernetes
    reads them; keys are always text. With ``tags`` a value with a tag of the document's own becomes a mapping with one
    key, as CloudFormation reads it: ``!Sub x`` is ``{"Fn::Sub": "x"}``, ``!Ref x`` is ``{"Ref": "x"}``.
    """
    collecting = gc.isenabled()
    gc.disable()  # a tree is all alive while it grows: looking for garbage in it triples the time of a large file
    try:
        return _documents(text, tags)
    finally:
        if collecting:
            gc.enable()


def _documents(text: str, tags: bool) -> Documents:
    import yaml

    text = text.translate(_BREAKS) if not text.isascii() else text
    text = text.replace("\t", " ") if text.lstrip()[:1] in "{[" else text
    builder = _Builder(max(MAX_NODES, len(text) // MIN_NODE), tags)
    trees: list[Tree] = []
    try:
        check_depth(text)
        for node in yaml.compose_all(text, Loader=_loader()):
            if node is not None:
                trees.append(builder.tree(node, None, 0, 0))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        broken = f"not valid YAML (line {mark.line + 1}, column {mark.column + 1})" if mark else "not valid YAML"
    except Unreadable as error:
        broken = str(error)
    except (yaml.YAMLError, ValueError, RecursionError, UnicodeError):
        broken = "not valid YAML"
    else:
        broken = ""
    if broken and not trees:
        raise Unreadable(broken)
    return Documents(tuple(trees), tuple(dict.fromkeys(builder.duplicates)), broken)


@cache
def _loader() -> Any:
    """Return a loader that composes as the safe one does, and remembers what it has resolved."""
    import yaml

    fast = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    plain: dict[str, str] = {}

    class Loader(fast):  # type: ignore[misc, valid-type]  # libyaml where it is compiled in
        def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
            if kind is not yaml.ScalarNode:
                return "tag:yaml.org,2002:seq" if kind is yaml.SequenceNode else "tag:yaml.org,2002:map"
            if not implicit[0]:
                return "tag:yaml.org,2002:str"
            tag = plain.get(value)
            if tag is None:
                tag = super().resolve(kind, value, implicit)
                if len(plain) < MAX_REMEMBERED and len(value) <= 40:
                    plain[value] = tag
            return tag

    return Loader


def check_depth(text: str) -> None:
    """Raise Unreadable for text that nests too deeply: libyaml's composer calls itself, and ends the process there."""
    import yaml

    if text.count("[") + text.count("{") < 50 and not _PREFIX.search(text):
        return
    depth = 0
    for event in yaml.parse(text, Loader=_loader()):
        if isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            depth += 1
            if depth > MAX_DEPTH:
                raise Unreadable(f"nested over {MAX_DEPTH} levels deep")
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            depth -= 1


class _Builder:
    def __init__(self, budget: int = MAX_NODES, tags: bool = False) -> None:
        self.budget, self.tags = budget, tags
        self.duplicates: list[int] = []

    def tree(self, node: yaml.Node, key: yaml.Node | None, depth: int, merges: int) -> Tree:
        """Return the node as a tree; ``key`` is the scalar that names it in a mapping."""
        import yaml

        self.budget -= 1
        if self.budget < 0 or depth > MAX_DEPTH:
            raise Unreadable(f"aliases or nesting without end (over {MAX_NODES} nodes or {MAX_DEPTH} levels)")
        start, end = node.start_mark, node.end_mark
        own = Position(start.line + 1, start.column + 1, end.line + 1, end.column + 1)
        if self.tags and node.tag.startswith("!") and len(node.tag) > 1:
            return self.tagged(node, key, depth, merges)
        if isinstance(node, yaml.MappingNode):
            children, templated = self.mapping(node, depth, merges)
            value: Any = {name: child.value for name, child in children.items()}
            return Tree(value, _position(key) if key is not None else _head(node), children, templated, own)
        if isinstance(node, yaml.SequenceNode):
            items = tuple(self.tree(item, None, depth + 1, 0) for item in node.value)
            templated = any(item.templated for item in items)
            at = _position(key) if key is not None else _head(node)
            return Tree([item.value for item in items], at, items, templated, own)
        at = own if key is None else _join(_position(key), own)
        return Tree(_scalar(node), at, (), False, own)

    def tagged(self, node: yaml.Node, key: yaml.Node | None, depth: int, merges: int) -> Tree:
        """Return a value with a tag of its own as a mapping from the tag's name to the value."""
        name = node.tag[1:] if node.tag in ("!Ref", "!Condition") else f"Fn::{node.tag[1:]}"
        own = _position(node)
        plain = {"mapping": "map", "sequence": "seq"}.get(str(getattr(node, "id", "")), "str")
        node.tag = f"tag:yaml.org,2002:{plain}"
        inner = self.tree(node, None, depth + 1, merges)
        node.tag = f"!{name.removeprefix('Fn::')}"  # the same node may be reached again through an alias
        at = own if key is None else _join(_position(key), own)
        return Tree({name: inner.value}, at, {name: inner}, inner.templated, own)

    def mapping(self, node: yaml.MappingNode, depth: int, merges: int) -> tuple[dict[str, Tree], bool]:
        import yaml

        found: dict[str, Tree] = {}
        merged: list[yaml.Node] = []
        templated = False
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                templated = True
            elif key.tag == "tag:yaml.org,2002:merge":
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
            else:
                if key.value in found:
                    self.duplicates.append(key.start_mark.line + 1)
                found[key.value] = self.tree(value, key, depth + 1, 0)
                templated = templated or found[key.value].templated
        for one in merged:
            if isinstance(one, yaml.MappingNode):
                self.budget -= 1
                if self.budget < 0 or depth + merges > MAX_DEPTH:
                    raise Unreadable(f"aliases or nesting without end (over {MAX_NODES} nodes or {MAX_DEPTH} levels)")
                inherited, below = self.mapping(one, depth + 1, merges + 1)
                found = {**inherited, **found}
                templated = templated or below
        return found, templated


def _scalar(node: yaml.Node) -> Any:
    text = node.value
    kind = node.tag.rpartition(":")[2]
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() in _TRUE
    try:
        if kind == "int" and len(text) < 20:
            return int(text)
        if kind == "float" and len(text) < 40:
            return float(text)
    except ValueError:
        pass  # another base, a time of day, or digits with underscores: the text says more than a number would
    return text


def _position(node: yaml.Node) -> Position:
    start, end = node.start_mark, node.end_mark
    return Position(start.line + 1, start.column + 1, end.line + 1, end.column + 1)


def _head(node: yaml.Node) -> Position:
    """Return the start of a mapping or list, to the end of its first line."""
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)


def _join(key: Position, value: Position) -> Position:
    if (value.line, value.column) < (key.line, key.column):
        return key  # an alias: the value stands elsewhere
    return Position(key.line, key.column, value.end_line, value.end_column)
