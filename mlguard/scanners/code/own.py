"""Runs our own checks over a tree in one pass."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mlguard.facts import DataFlow
from mlguard.scanners.code import loading, personal, running, serving
from mlguard.scanners.code.flows import flows
from mlguard.scanners.code.names import Names
from mlguard.scanners.code.seeing import Call, Sight
from mlguard.scanners.code.source import Source
from mlguard.scanners.code.tree import Scope, parent

CHECKS = (*loading.CHECKS, *running.CHECKS, *serving.CHECKS, *personal.CHECKS)


def sights(source: Source, names: Names) -> Iterator[Sight | DataFlow]:
    """Yield what our checks see and the flows of data, in the order of the code."""
    tree = source.tree
    scopes = tree.scopes
    yield from personal.libraries(source)
    told: set[tuple[int, str]] = set()
    displays: list[ast.Dict] = []
    for node in tree.nodes:
        kind = node.__class__
        found: Iterator[Sight] = iter(())
        if kind is ast.Call:
            assert isinstance(node, ast.Call)
            call = Call(node, scopes[node], names.path(node.func, scopes[node]), source, names)
            yield from flows(call)
            for check in CHECKS:
                for sight in check(call):
                    # One expression may feed several sinks: the columns of a frame that is fitted twice.
                    if (id(sight.node), sight.rule) not in told:
                        told.add((id(sight.node), sight.rule))
                        yield sight
        elif kind is ast.Dict:
            assert isinstance(node, ast.Dict)
            if loading.remote_code_settings(node):
                displays.append(node)
        elif kind is ast.Raise:
            assert isinstance(node, ast.Raise)
            found = personal.raised(node, scopes[node], names)
        elif kind is ast.Assign:
            assert isinstance(node, ast.Assign)
            found = serving.assigned(node, scopes[node], source, names)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found = serving.endpoint(node, scopes[node], source, names)
        elif kind is ast.Expr and source.rows is not None:
            assert isinstance(node, ast.Expr)
            found = shown_at_the_end(node, source, names)
        yield from found
    for display in displays:
        if id(display) not in names.used:
            yield Sight(loading.REMOTE, "trust-remote-code", display, {"call": "A dictionary of options"})


def shown_at_the_end(node: ast.Expr, source: Source, names: Names) -> Iterator[Sight]:
    """The last expression of a notebook's cell is shown below it."""
    scope: Scope = source.tree.root
    if isinstance(parent(node), ast.Module) and not isinstance(node.value, ast.Constant):
        term = personal.frame_term(personal.columns_of(node.value, scope, names))
        if term is not None:
            yield Sight(personal.LOGS, "frame-print", node.value, {"term": term.label, "call": "a cell"})
