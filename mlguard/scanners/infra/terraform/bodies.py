"""The bodies of blocks: where their parts stand, and what those become as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlguard.scanners.infra.resources import Open, Path, Position, Unknown
from mlguard.scanners.infra.terraform.expressions import Block, Expr
from mlguard.scanners.infra.terraform.values import Rest
from mlguard.values import dataclass, field


@dataclass(slots=True)
class Notes:
    """Where the attributes of a resource stand, and what they refer to."""

    positions: dict[Path, Position] = field(default_factory=dict)
    references: dict[Path, tuple[str, ...]] = field(default_factory=dict)


def plain(value: Any) -> Any:
    """Return the value with its sets, lists and maps as those of Python."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Open):
        return Open({key: plain(item) for key, item in value.items()}, value.reason)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return Unknown(value.reason) if isinstance(value, Rest) else value


def names_in(expr: Expr) -> Any:
    """Return the names of attributes that an expression lists: ``[tags["a"], size]`` is ``["tags", "size"]``."""
    if expr.op == "tuple":
        return [names_in(item) for item in expr.args]
    while expr.op in ("attr", "index", "splat"):
        expr = expr.args[0]
    return str(expr.args[0]) if expr.op in ("var", "lit") else ""


def type_of(block: Block) -> str:
    """Return the type of a nested block, of a ``dynamic`` one that of the blocks it makes."""
    return block.labels[0] if block.type == "dynamic" and block.labels else block.type


MAX_LOOPED = 32
"""Elements of a list made by a ``for`` expression that get places of their own."""

AS_IT_IS = frozenset({"jsonencode", "merge", "toset", "tolist", "tomap"})
"""Functions whose one argument has the parts of their result."""


def deep_places(expr: Expr, path: Path, positions: dict[Path, Position], depth: int) -> None:
    """Enter the places of what is written out inside an expression, also as the argument of jsonencode."""
    if depth > 12:
        return
    if expr.op == "call" and expr.args[0] in AS_IT_IS and len(expr.args[1]) == 1:
        expr = expr.args[1][0]
    if expr.op == "object":
        for key, value, at in expr.args:
            if key.op == "lit":
                positions[(*path, str(key.args[0]))] = at
                deep_places(value, (*path, str(key.args[0])), positions, depth + 1)
    elif expr.op == "tuple":
        _listed(expr.args, path, positions, depth, 0)
    elif expr.op == "call" and expr.args[0] == "concat":
        start = 0
        for part in expr.args[1]:
            if part.op != "tuple":
                break
            _listed(part.args, path, positions, depth, start)
            start += len(part.args)
    elif expr.op == "for" and len(expr.args[2]) == 1 and expr.args[2][0].op == "object":
        body: dict[Path, Position] = {}
        deep_places(expr.args[2][0], (), body, depth + 1)
        for index in range(MAX_LOOPED):
            positions[(*path, index)] = expr.args[2][0].at
            positions.update({(*path, index, *inner): place for inner, place in body.items()})


def _listed(items: Sequence[Expr], path: Path, positions: dict[Path, Position], depth: int, start: int) -> None:
    for index, item in enumerate(items, start):
        positions[(*path, index)] = item.at
        deep_places(item, (*path, index), positions, depth + 1)
