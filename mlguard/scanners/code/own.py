"""Runs our own checks over a tree in one pass."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mlguard.facts import DataFlow, PrivateTraining
from mlguard.scanners.code import loading, personal, private, running, serving
from mlguard.scanners.code.flows import METHODS as FLOW_METHODS
from mlguard.scanners.code.flows import flows
from mlguard.scanners.code.names import BUILTINS, Names
from mlguard.scanners.code.seeing import Call, Sight
from mlguard.scanners.code.source import Source
from mlguard.scanners.code.tree import Scope, parent

CHECKS = (*loading.CHECKS, *running.CHECKS, *serving.CHECKS, *personal.CHECKS)


_LATER = frozenset({"functools.partial", "map", "asyncio.to_thread"})
_LATER_METHODS = frozenset(
    {"submit", "map", "imap", "apply", "applymap", "imap_unordered", "starmap", "apply_async", "map_async"}
)
_BUILTINS = frozenset({"print", "eval", "exec", "open", "map"})
_METHODS = (
    personal.FITS | personal.LEVELS | running.SQL_METHODS | running.SQL_SESSIONS | loading.WRITERS | FLOW_METHODS | _LATER_METHODS
    | private.METHODS
    | {"from_pretrained", "launch", "extractall", "display", "set_attribute", "set_attributes", "load_model", "run"}
)  # fmt: skip


def _matters(call: Call) -> bool:
    """Say whether a call without keywords may concern any check: most are of methods and builtins that do not."""
    if not call.path:
        return call.last in _METHODS
    return "." in call.path or call.path in _BUILTINS or call.path not in BUILTINS


def sights(source: Source, names: Names) -> Iterator[Sight | DataFlow | PrivateTraining]:
    """Yield what our checks see and the flows of data, in the order of the code."""
    scopes = source.tree.scopes
    yield from personal.libraries(source)
    yield from private.libraries(source)
    told: set[tuple[int, str]] = set()
    displays: list[ast.Dict] = []
    for node in source.tree.nodes:
        kind = node.__class__
        if kind not in _LOOKED_AT:
            continue
        if isinstance(node, ast.Call):
            call = Call(node, scopes[node], names.path(node.func, scopes[node]), source, names)
            if node.keywords or _matters(call):
                yield from flows(call)
                yield from private.calls(call)
                yield from _new(call, told)
                handed = _handed_on(call)
                if handed is not None:
                    yield from _new(handed, told)
        elif isinstance(node, ast.Dict):
            if loading.remote_code_settings(node):
                displays.append(node)
        elif isinstance(node, ast.Raise):
            yield from personal.raised(node, scopes[node], names)
        elif isinstance(node, ast.Assign):
            yield from serving.assigned(node, scopes[node], source, names)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from serving.endpoint(node, scopes[node], source, names)
        elif isinstance(node, ast.Expr) and source.rows is not None:
            yield from shown_at_the_end(node, source, names)
    for display in displays:
        if id(display) not in names.used:
            yield Sight(loading.REMOTE, "trust-remote-code", display, {"call": "A dictionary of options"})


_LOOKED_AT = frozenset({ast.Call, ast.Dict, ast.Raise, ast.Assign, ast.FunctionDef, ast.AsyncFunctionDef, ast.Expr})


def _handed_on(call: Call) -> Call | None:
    """Return the call that will be made of a loader of pickles that is given to another function."""
    if (call.path not in _LATER and call.last not in _LATER_METHODS) or not call.node.args:
        return None
    first = call.node.args[0]
    if not isinstance(first, ast.Name | ast.Attribute):
        return None
    path = call.names.path(first, call.scope)
    if path not in loading.LOADERS:
        return None
    later = ast.Call(func=first, args=call.node.args[1:], keywords=call.node.keywords)
    return Call(later, call.scope, path, call.source, call.names, call.node)


def _new(call: Call, told: set[tuple[int, str]]) -> Iterator[Sight]:
    """Yield what the checks see. One expression may feed several sinks, as the columns of a frame that is fitted twice."""
    for check in CHECKS:
        for sight in check(call):
            if (id(sight.node), sight.rule) not in told:
                told.add((id(sight.node), sight.rule))
                yield sight


def shown_at_the_end(node: ast.Expr, source: Source, names: Names) -> Iterator[Sight]:
    """The last expression of a notebook's cell is shown below it."""
    scope: Scope = source.tree.root
    if isinstance(parent(node), ast.Module) and not isinstance(node.value, ast.Constant):
        term = personal.frame_term(personal.columns_of(node.value, scope, names))
        if term is not None:
            yield Sight(personal.LOGS, "frame-print", node.value, {"term": term.label, "call": "a cell"})
