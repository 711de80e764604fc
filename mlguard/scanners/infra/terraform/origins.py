"""Finds where a text is written that an attribute only refers to, through locals, variables and the calls of modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from mlguard.scanners.infra.credentials import is_secret_name
from mlguard.scanners.infra.resources import Path, Position
from mlguard.scanners.infra.terraform.bodies import AS_IT_IS, deep_places
from mlguard.scanners.infra.terraform.expressions import Expr

if TYPE_CHECKING:
    from mlguard.scanners.infra.terraform.evaluator import Module

MAX_HOPS = 12
"""References that are followed one after the other."""

MAX_PARTS = 200
"""Parts of a list or object whose own places are kept where another block refers to it."""

MAX_DEPTH = 12
"""Lists and objects inside each other."""


class Given(NamedTuple):
    """An argument of a module's call: the expression, and the names it may use."""

    expr: Expr
    names: Mapping[str, Any]


def referred(expr: Expr, path: Path, depth: int = 0) -> Iterator[tuple[Path, str, str]]:
    """Yield the places where a variable or local stands as a whole, with ``var`` or ``local`` and its name."""
    if expr.op == "call" and expr.args[0] in AS_IT_IS and len(expr.args[1]) == 1:
        expr = expr.args[1][0]
    if expr.op == "attr" and expr.args[0].op == "var" and expr.args[0].args[0] in ("var", "local"):
        yield path, expr.args[0].args[0], expr.args[1]
    elif depth > MAX_DEPTH:
        return
    elif expr.op == "object":
        for key, value, _ in expr.args:
            if key.op == "lit":
                yield from referred(value, (*path, str(key.args[0])), depth + 1)
    elif expr.op == "tuple":
        for index, item in enumerate(expr.args):
            yield from referred(item, (*path, index), depth + 1)


def written(module: Module, root: str, name: str, hops: int = 0) -> dict[Path, Position]:
    """Return where the text is written that a variable or local stands for, or the parts of its list or object.

    Line 0 says that what a variable of this name holds is told at its default or in the file of values.
    """
    given = module.inputs.get(name) if root == "var" else None
    if isinstance(given, Given) and module.parent is not None:
        return _of(module.parent, given.expr, given.expr.at, hops)
    if root == "var" and is_secret_name(name):
        return {(): Position(0)}
    block = module.folder.variables.get(name)
    found = module.folder.locals.get(name) if root == "local" else block.attributes.get("default") if block else None
    return _of(module, found.expr, found.at, hops) if found is not None and given is None else {}


def _of(module: Module, expr: Expr, at: Position, hops: int) -> dict[Path, Position]:
    if expr.op in ("lit", "heredoc"):
        return {(): at}
    if expr.op == "attr":
        inner = next(referred(expr, ()), None)
        return written(module, inner[1], inner[2], hops + 1) if inner is not None and hops < MAX_HOPS else {}
    parts: dict[Path, Position] = {}
    deep_places(expr, (), parts, 0)
    return parts if len(parts) <= MAX_PARTS else {}
