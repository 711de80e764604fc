"""Values that are one or another, where the condition that chooses is not known."""

from __future__ import annotations

from typing import Any

from mlguard.scanners.infra.cloudformation.nodes import GONE, MAX_DEPTH, Node, Stack, compared, refs_of
from mlguard.scanners.infra.resources import Either, Position, Unknown

STEPS = 8
"""What it costs to lay two values over each other, in values that are looked at."""

MAX_OPTIONS = 8
"""Values that one attribute may have."""


def both(stack: Stack, one: Node, other: Node, doubt: Unknown, at: Position, depth: int) -> Node:
    """Return what is one or the other, as far as that can be said: what both say, and scalars that may be either."""
    stack.steps -= STEPS
    if stack.steps < 0:
        return Node(doubt, at)
    if depth < MAX_DEPTH and isinstance(one.children, dict) and isinstance(other.children, dict):
        children = {
            key: _pair(stack, one.children.get(key), other.children.get(key), doubt, depth + 1)
            for key in dict.fromkeys((*one.children, *other.children))
        }
        return Node(None, at, children, open=one.open or other.open)
    if (
        depth < MAX_DEPTH
        and isinstance(one.children, list)
        and isinstance(other.children, list)
        and len(one.children) == len(other.children)
    ):
        pairs = zip(one.children, other.children, strict=True)
        return Node(None, at, [_pair(stack, left, right, doubt, depth + 1) for left, right in pairs])
    options = dict.fromkeys((*_options(one), *_options(other)))
    certain = _UNSURE not in options and len(options) <= MAX_OPTIONS
    refs = tuple(sorted({*refs_of(one), *refs_of(other)}))
    return Node(Either(doubt.reason, options=tuple(options)) if certain else doubt, at, refs=refs)


def _pair(stack: Stack, one: Node | None, other: Node | None, doubt: Unknown, depth: int) -> Node:
    present = one or other
    assert present is not None
    if one is not None and other is not None and compared(one) == compared(other):
        return one
    gone = Node(GONE, present.at)
    return both(stack, one or gone, other or gone, doubt, present.at, depth)


_UNSURE: Any = object()


def _options(node: Node) -> tuple[Any, ...]:
    """Return what a value may be: None for what is not there."""
    if node.children is not None:
        return (_UNSURE,)
    if isinstance(node.value, Either):
        return node.value.options
    return (_UNSURE if isinstance(node.value, Unknown) else None if node.value is GONE else node.value,)
