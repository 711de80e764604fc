"""Changes to trees of YAML: each gives a new tree, and what is not changed keeps its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlguard.scanners.infra.resources import Position
from mlguard.scanners.infra.yamltree import Tree
from mlguard.values import replace

Keys = tuple[str | int, ...]


def mapping(children: Mapping[str, Tree], at: Position) -> Tree:
    """Return a mapping with these children."""
    return Tree({key: child.value for key, child in children.items()}, at, dict(children), False, at)


def sequence(items: Sequence[Tree], at: Position) -> Tree:
    """Return a list of these items."""
    return Tree([item.value for item in items], at, tuple(items), False, at)


def made(value: Any, at: Position) -> Tree:
    """Return a plain value as a tree, all of which stands at one place."""
    if isinstance(value, Mapping):
        return mapping({str(key): made(item, at) for key, item in value.items()}, at)
    if isinstance(value, (list, tuple)):
        return sequence([made(item, at) for item in value], at)
    return Tree(value, at, (), False, at)


def stamped(tree: Tree, path: str) -> Tree:
    """Return the tree with the file that it was read from at every place."""
    at = replace(tree.at, path=path)
    value_at = replace(tree.value_at, path=path) if tree.value_at is not None else None
    if isinstance(tree.children, Mapping):
        children: Any = {key: stamped(child, path) for key, child in tree.children.items()}
    else:
        children = tuple(stamped(child, path) for child in tree.children)
    return replace(tree, at=at, value_at=value_at, children=children)


def is_mapping(tree: Tree | None) -> bool:
    return tree is not None and isinstance(tree.value, dict)


def is_list(tree: Tree | None) -> bool:
    return tree is not None and isinstance(tree.value, list)


def entries(tree: Tree | None) -> dict[str, Tree]:
    """Return the children of a mapping, none of anything else."""
    return dict(tree.children) if tree is not None and isinstance(tree.children, Mapping) else {}


def items(tree: Tree | None) -> list[Tree]:
    """Return the items of a list, none of anything else."""
    return list(tree.children) if tree is not None and isinstance(tree.children, tuple) else []


def put(tree: Tree, keys: Keys, leaf: Tree) -> Tree:
    """Return the tree with a value set, and with the mappings that lead to it made where they are missing."""
    return changed(tree, keys, lambda _: leaf, leaf.at)


def changed(tree: Tree, keys: Keys, change: Callable[[Tree | None], Tree | None], at: Position | None = None) -> Tree:
    """Return the tree with the value at ``keys`` changed; None takes it out. Mappings are made when ``at`` is given."""
    if not keys:
        return change(tree) or tree
    key, rest = keys[0], keys[1:]
    if isinstance(key, int):
        old = items(tree)
        if key >= len(old):
            return tree
        new = change(old[key]) if not rest else changed(old[key], rest, change, at)
        return sequence([*old[:key], *([new] if new is not None else []), *old[key + 1 :]], tree.at)
    if not is_mapping(tree) and not (tree.value is None and at is not None):
        return tree
    children = entries(tree)
    child = children.get(key)
    if rest:
        if child is None or child.value is None:
            if at is None:
                return tree
            child = mapping({}, at)
        children[key] = changed(child, rest, change, at)
        return mapping(children, tree.at)
    new = change(child)
    if new is None:
        children.pop(key, None)
    else:
        children[key] = new
    return mapping(children, tree.at)


def plain(tree: Tree | None) -> str:
    """Return a scalar as text, "" for anything else."""
    value = tree.value if tree is not None else None
    if value is None or isinstance(value, (dict, list)):
        return ""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
