"""Finds the functions that the privacy declaration names, who refers to them, and where something is trained."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from mlguard.facts import Symbol
from mlguard.scanners.code.source import Source
from mlguard.scanners.code.tree import FUNCTIONS

MAX_WANTED = 500
"""Names that are looked for."""

MAX_SEEN = 200
"""References of one name in one file that are looked at."""

_TRAINS = ("fit", "partial_fit", "fit_transform", "backward", "train_on_batch", "fine_tune")


def symbols(source: Source, wanted: Iterable[str]) -> Iterator[Symbol]:
    """Yield where a file defines, calls or names functions of ``wanted`` (last parts of their names), and its first training call."""
    tree = source.tree
    for name in list(wanted)[:MAX_WANTED]:
        if name.encode() not in source.data:
            continue
        for node in tree.of(*FUNCTIONS, ast.ClassDef):
            if node.name == name:
                yield _symbol(source, node, ".".join([*_classes(source, node), name]), "definition")
        called = {id(call.func): call for call in tree.calls_by_name.get(name, ())[:MAX_SEEN]}
        for call in called.values():
            yield _symbol(source, call, name, "call")
        for other in tree.of(ast.Name, ast.Attribute, ast.ImportFrom)[: 500 * MAX_SEEN]:
            if id(other) in called:
                continue
            if (
                getattr(other, "id", getattr(other, "attr", "")) == name
                or isinstance(other, ast.ImportFrom)
                and any(alias.name == name for alias in other.names)
            ):
                yield _symbol(source, other, name, "reference")
                break
    trained = [
        call
        for name in _TRAINS
        for call in tree.calls_by_name.get(name, ())[:1]
        if isinstance(call.func, ast.Attribute)
    ]
    trained += [
        call
        for call in tree.calls_by_name.get("train", ())[:20]
        if call.args or call.keywords or "transformers" in tree.roots or "trl" in tree.roots
    ]
    if trained:
        yield _symbol(source, min(trained, key=lambda call: (call.lineno, call.col_offset)), "", "training")


def _classes(source: Source, node: ast.AST) -> list[str]:
    found: list[str] = []
    around = source.tree.parent(node)
    while around is not None:
        if isinstance(around, ast.ClassDef):
            found.append(around.name)
        around = source.tree.parent(around)
    return found[::-1]


def _symbol(source: Source, node: ast.AST, name: str, role: str) -> Symbol:
    return Symbol(name, source.path, source.location(node).line, role)  # type: ignore[arg-type]  # one of its literals
