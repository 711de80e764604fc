"""What the syntax of Terraform is made of: expressions, attributes and blocks, with their places."""

from __future__ import annotations

from typing import Any, NamedTuple

from mlguard.scanners.infra.resources import Position
from mlguard.values import dataclass, field


class Expr(NamedTuple):
    """An expression: what it does, with which operands, and where it stands."""

    op: str
    args: tuple[Any, ...]
    at: Position


class Attribute(NamedTuple):
    """``name = expression``; the place runs from the name to the end of the value."""

    name: str
    expr: Expr
    at: Position


@dataclass(slots=True)
class Block:
    """A block; ``at`` is its head: type and labels."""

    type: str
    labels: tuple[str, ...]
    at: Position
    attributes: dict[str, Attribute] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)

    def value(self, name: str) -> Expr | None:
        """Return the expression of an attribute."""
        found = self.attributes.get(name)
        return found.expr if found else None


@dataclass(slots=True)
class Source:
    """One file as read. ``errors`` are the lines, from 1, where the syntax is broken; ``limits`` the line and the limit
    that was passed there."""

    path: str
    body: Block
    errors: tuple[int, ...] = ()
    limits: tuple[tuple[int, str], ...] = ()
