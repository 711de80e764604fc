"""YAML read so that a value means what a person reads, with the line of every key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from mlguard import lazy
from mlguard.errors import Unreadable

MAX_NODES = 200_000
"""Nodes of one file after its aliases are followed. A bomb of nested aliases passes it within milliseconds."""

MAX_DEPTH = 100
"""Levels of nesting."""


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml where it is compiled in
    """A safe loader without the surprises of YAML 1.1: ``NO`` is text, and so are dates, ``0640``, ``12:30`` and ``1.10``."""


_KEPT = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")
Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in _KEPT]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", lazy.pattern(r"^(?:true|false)$"), list("tf"))
Loader.add_implicit_resolver("tag:yaml.org,2002:int", lazy.pattern(r"^-?(?:0|[1-9][0-9]*)$"), list("-0123456789"))
# 1.10 is a version to its reader, so a number with a fraction keeps its text unless nothing is lost by reading it.
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", lazy.pattern(r"^-?(?:0|[1-9][0-9]*)\.(?:[0-9]*[1-9]|0)$"), list("-0123456789")
)


_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map", "merge")
)


class Lines(dict[tuple[str | int, ...], int]):
    """Line, from 1, of each key path: ``("gate", "fail_on") -> 4``."""


def compose(text: str, name: str) -> yaml.Node | None:
    """Return the one document of ``text`` as a checked node graph. Raises Unreadable, with line and column."""
    try:
        check_depth(text, name)
        node = yaml.compose(text, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise Unreadable(f"{name}{where}: not valid YAML ({error.problem or 'syntax'})") from None
    except (yaml.YAMLError, RecursionError, ValueError):
        raise Unreadable(f"{name}: not valid YAML") from None
    if node is not None:
        check(node, name)
    return node


_OPENS = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
_CLOSES = (yaml.SequenceEndEvent, yaml.MappingEndEvent)


def check_depth(text: str, name: str) -> None:
    """Raise Unreadable for text that nests too deeply: libyaml's composer calls itself, and ends the process there."""
    depth = 0
    for event in yaml.parse(text, Loader=Loader):
        depth += isinstance(event, _OPENS) - isinstance(event, _CLOSES)
        if depth > MAX_DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise Unreadable(f"{name}, line {line}: nested over {MAX_DEPTH} levels deep")


def check(node: yaml.Node, name: str) -> None:
    """Raise Unreadable for duplicate keys, foreign tags, and aliases that multiply or never end."""
    budget = [MAX_NODES]

    def visit(node: yaml.Node, above: tuple[int, ...]) -> None:
        budget[0] -= 1
        where = f"{name}, line {node.start_mark.line + 1}"
        if budget[0] < 0 or len(above) > MAX_DEPTH or id(node) in above:
            raise Unreadable(f"{where}: aliases or nesting without end (over {MAX_NODES} nodes or {MAX_DEPTH} levels)")
        if node.tag not in _TAGS:
            raise Unreadable(f"{where}: the tag {node.tag} is not known here; write the value without it")
        if isinstance(node, yaml.MappingNode):
            seen: dict[str, int] = {}
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                    if key.value in seen:
                        raise Unreadable(
                            f"{name}, line {key.start_mark.line + 1}: the key {key.value!r} stands twice "
                            f"(first on line {seen[key.value]}); keep one"
                        )
                    seen[key.value] = key.start_mark.line + 1
                visit(key, (*above, id(node)))
                visit(value, (*above, id(node)))
        elif isinstance(node, yaml.SequenceNode):
            for item in node.value:
                visit(item, (*above, id(node)))

    visit(node, ())


def load(text: str, name: str) -> tuple[Any, Lines]:
    """Return the document and the line of each key path. Raises Unreadable.

    ``true``, ``false``, ``null``, plain integers and fractions are typed; everything else is text.
    """
    node = compose(text, name)
    if node is None:
        return None, Lines()
    lines = Lines()
    _positions(node, (), lines)
    loader = Loader("")
    try:
        return loader.construct_document(node), lines
    except (yaml.YAMLError, TypeError, ValueError):
        raise Unreadable(f"{name}: a key or value has no plain form") from None
    finally:
        loader.dispose()


def _positions(node: yaml.Node, path: tuple[str | int, ...], lines: Lines) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                lines[(*path, key.value)] = key.start_mark.line + 1
                _positions(value, (*path, key.value), lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _positions(item, (*path, index), lines)


def line_of(lines: Mapping[tuple[str | int, ...], int], path: tuple[str | int, ...]) -> int:
    """Return the line of ``path``, or of the nearest key above it."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)
