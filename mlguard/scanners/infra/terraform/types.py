"""Converts a value to the type that a variable declares, as Terraform does when it takes the value in."""

from __future__ import annotations

from typing import Any

from mlguard.scanners.infra.resources import REFERENCE, Open, Unknown
from mlguard.scanners.infra.terraform.expressions import Expr
from mlguard.scanners.infra.terraform.values import (
    PRIMITIVES,
    Failed,
    MapOf,
    set_of,
    to_list,
    to_map,
    to_set,
)

MAX_LEVELS = 20
"""Types inside each other."""


def converted(value: Any, declared: Expr | None, depth: int = 0) -> Any:
    """Return the value as the declared type has it, with the optional attributes filled in; Failed where it does not fit.

    Whole resources and what only the provider knows stay as they are.
    """
    if declared is None or value is None or isinstance(value, Unknown) or depth > MAX_LEVELS:
        return value
    if not isinstance(value, (str, bool, int, float, list, dict)):
        return value
    if declared.op == "lit":
        return _primitive(value, str(declared.args[0]))  # JSON writes a type as text
    if declared.op == "var":
        return _primitive(value, declared.args[0])
    if declared.op != "call":
        return value
    if isinstance(value, str) and REFERENCE.fullmatch(value):
        return value
    name, arguments, _ = declared.args
    inner = arguments[0] if arguments else None
    body = _CONTAINERS.get(name)
    return body(value, inner, depth + 1) if body and inner is not None else value


def _primitive(value: Any, name: str) -> Any:
    if name in PRIMITIVES:
        return PRIMITIVES[name](value)
    whole = {"list": to_list, "set": to_set, "map": to_map}.get(name)  # what was written before version 0.12
    return whole(value) if whole else value


def _list(value: Any, inner: Expr, depth: int) -> Any:
    items = [converted(item, inner, depth) for item in value] if isinstance(value, list) else None
    return Failed("a list of something else") if items is None else _first_failed(items) or to_list(items)


def _set(value: Any, inner: Expr, depth: int) -> Any:
    items = _list(value, inner, depth)
    return set_of(items) if isinstance(items, list) else items


def _map(value: Any, inner: Expr, depth: int) -> Any:
    if not isinstance(value, dict):
        return Failed("a map of something else")
    items = {key: converted(item, inner, depth) for key, item in value.items()}
    if bad := _first_failed(items.values()):
        return bad
    if isinstance(value, Open):
        return Open(items, value.reason)
    return to_map(items) if inner.op == "var" and inner.args[0] == "any" else MapOf(items)


def _object(value: Any, inner: Expr, depth: int) -> Any:
    if not isinstance(value, dict):
        return Failed("an object of something else")
    if inner.op != "object":
        return value
    result: dict[str, Any] = {}
    for key, kind, _ in inner.args:
        name = key.args[0] if key.op == "lit" else None
        if isinstance(name, str):
            result[name] = _member(value, name, kind, depth)
    return _first_failed(result.values()) or result


def _member(value: dict[str, Any], name: str, kind: Expr, depth: int) -> Any:
    optional = kind.op == "call" and kind.args[0] == "optional" and kind.args[1]
    inner = kind.args[1][0] if optional else kind
    given = value.get(name)
    if given is None and name not in value and isinstance(value, Open):
        return Unknown(value.reason)
    if given is None and optional:
        default = literal(kind.args[1][1]) if len(kind.args[1]) > 1 else None
        return converted(default, inner, depth)
    if name not in value:
        return Failed(f"the attribute {name}")
    return converted(given, inner, depth)


def _tuple(value: Any, inner: Expr, depth: int) -> Any:
    if not isinstance(value, list) or inner.op != "tuple" or len(inner.args) != len(value):
        return Failed("a tuple of something else")
    items = [converted(item, kind, depth) for item, kind in zip(value, inner.args, strict=True)]
    return _first_failed(items) or items


def _optional(value: Any, inner: Expr, depth: int) -> Any:
    return converted(value, inner, depth)


_CONTAINERS = {"list": _list, "set": _set, "map": _map, "object": _object, "tuple": _tuple, "optional": _optional}


def _first_failed(items: Any) -> Failed | None:
    return next((item for item in items if isinstance(item, Failed)), None)


def literal(expr: Expr, depth: int = 0) -> Any:
    """Return the value of an expression that must be constant."""
    if expr.op in ("lit", "heredoc"):
        return expr.args[0]
    if expr.op == "tuple" and depth < MAX_LEVELS:
        return [literal(item, depth + 1) for item in expr.args]
    if expr.op == "object" and depth < MAX_LEVELS:
        return {str(literal(key, depth + 1)): literal(value, depth + 1) for key, value, _ in expr.args}
    if expr.op == "unary" and expr.args[0] == "-" and expr.args[1].op == "lit":
        return -expr.args[1].args[0]
    return Unknown("a default that is not constant")
