"""Terraform's values: how they compare, convert and become text."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from mlguard.scanners.infra.resources import REFERENCE, Open, Unknown, reference

MAX_ITEMS = 10_000
"""Elements of a list that a function may make."""

MAX_TEXT = 2**20
"""Characters of a text that a function or template may make."""

MAX_WEIGHT = 200_000
"""Values (and 64 characters of text each) that one value may hold, counted as often as they stand in it."""

MAX_LEVELS_OF_VALUE = 60
"""Lists and mappings inside each other."""

DIGITS = 15
"""Significant digits that arithmetic keeps, so that 0.1 + 0.2 is 0.3 as with Terraform's longer numbers."""


class Failed(Unknown):
    """What Terraform itself would refuse: an attribute or element that is certainly not there. ``try`` goes on after it."""


class Rest(Unknown):
    """In a list: any number of further elements that are not known."""


class SetOf(list[Any]):
    """A set: no element twice, in the order in which Terraform goes over it. It has no positions."""


class ListOf(list[Any]):
    """A list whose type was declared or made by a conversion; one that is written out is a tuple."""


class MapOf(dict[str, Any]):
    """A map whose type was declared or made by a conversion; one that is written out is an object."""


def weight(value: Any, limit: int = MAX_WEIGHT) -> int:
    """Return how many values a value holds, counting shared parts again; a number over ``limit`` is cut short."""
    total, waiting = 0, [value]
    while waiting and total <= limit:
        item = waiting.pop()
        total += 1
        if isinstance(item, str):
            total += len(item) // 64
        elif isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return total


def text_of(value: Any) -> str:
    """Return a value as Terraform writes it into a template; what is unknown becomes a reference."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, Unknown):
        return reference(value.reason)
    return "" if value is None else str(value)


def number_text(value: float) -> str:
    """Return a number without an exponent, as Terraform writes it."""
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return format(Decimal(repr(value)), "f") if math.isfinite(value) else str(value)


def number_of(value: Any) -> int | float:
    """Return a value as a number. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("not a number")
    if isinstance(value, str):
        if len(value) > 400 or "_" in value or value != value.strip():
            raise ValueError("not a number")
        value = int(value) if value.isascii() and value.lstrip("-").isdigit() and len(value) < 40 else float(value)
    if isinstance(value, int):
        return value
    if not math.isfinite(value) or abs(value) > 1e300:
        raise ValueError("no finite number")
    return int(value) if value.is_integer() else value


def whole(value: Any) -> int:
    """Return a value as a whole number. Raises ValueError."""
    number = number_of(value)
    if isinstance(number, float):
        raise ValueError("not a whole number")
    return number


def holds_reference(value: Any, depth: int = 0) -> bool:
    """Say whether a part of the value is only known to the provider."""
    if isinstance(value, str):
        return "\ue000" in value
    if isinstance(value, (list, dict)) and depth < 5:
        return any(holds_reference(item, depth + 1) for item in (value.values() if isinstance(value, dict) else value))
    return False


def cause_of(text: str) -> str:
    """Return the name of what a text with a reference in it waits for."""
    found = REFERENCE.findall(text)
    return str(found[0]) if found else "a value that is not known here"


# Comparing


def key_of(value: Any) -> Any:
    """Return a form of a value that can be compared and kept in a set."""
    if isinstance(value, str):
        return f'"{value}"'
    return json.dumps(value, sort_keys=True, default=repr)


def same(left: Any, right: Any) -> bool:
    """Say whether two known values are equal; true is not 1."""
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    if isinstance(left, (list, dict)):
        return bool(left == right) and key_of(left) == key_of(right)
    return bool(left == right)


def _rank(value: Any) -> tuple[Any, ...]:
    if isinstance(value, bool):
        return 0, int(value), ""
    if isinstance(value, (int, float)):
        return 1, value, ""
    if isinstance(value, str):
        return 2, 0, value
    return 3, 0, str(key_of(value))


def unique(items: Iterable[Any]) -> list[Any]:
    """Return the items without those that were there before."""
    return list({key_of(item): item for item in items}.values())


def set_of(items: Iterable[Any]) -> SetOf:
    """Return a set: texts by their letters, numbers by size."""
    return SetOf(sorted(unique(items), key=_rank))


def equal(left: Any, right: Any) -> Any:
    """Return whether two values are equal, Unknown where that cannot be told."""
    for value, other in ((left, right), (right, left)):
        if isinstance(value, Unknown):
            return value
        if isinstance(value, str) and "\ue000" in value:
            if other is None or other == "":
                return False  # what will exist is set
            return True if value == other else Unknown(cause_of(value))
    if isinstance(left, list) and isinstance(right, list) or isinstance(left, dict) and isinstance(right, dict):
        return _equal_parts(left, right)
    return same(left, right)


def _equal_parts(left: Any, right: Any) -> Any:
    if isinstance(left, dict):
        for value, other in ((left, right), (right, left)):
            if (
                isinstance(value, Open)
                and set(other) - set(value)
                or isinstance(value, Open)
                and isinstance(other, Open)
            ):
                return Unknown(value.reason)
    if len(left) != len(right):
        return False
    pairs = (
        ((left[key], right.get(key, Failed(""))) for key in left)
        if isinstance(left, dict)
        else zip(left, right, strict=True)
    )
    doubt: Any = True
    for one, other in pairs:
        result = equal(one, other)
        if isinstance(result, Unknown) and not isinstance(result, Failed):
            doubt = result
        elif result is not True:
            return False
    return doubt


def truth(value: Any) -> Any:
    """Return True, False, Unknown, or Failed for a value that is no boolean."""
    if isinstance(value, (bool, Unknown)):
        return value
    if isinstance(value, str):
        if value in ("true", "false"):
            return value == "true"
        return Unknown(cause_of(value)) if "\ue000" in value else Failed("a condition that is no boolean")
    return Failed("a condition that is null" if value is None else "a condition that is no boolean")


def logic(sign: str, left: Any, right: Any) -> Any:
    """Return ``left && right`` or ``left || right`` of two truths."""
    decisive = sign == "||"
    if left is decisive or right is decisive:
        return decisive
    for value in (left, right):
        if isinstance(value, Unknown):
            return value
    return not decisive


def _remainder(a: int | float, b: int | float) -> int | float:
    return math.fmod(a, b) if isinstance(a, float) or isinstance(b, float) else abs(a) % abs(b) * (1 if a >= 0 else -1)


def _quotient(a: int | float, b: int | float) -> int | float:
    if isinstance(a, int) and isinstance(b, int) and a % b == 0:
        return a // b
    return number_of(a / b)


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": _quotient, "%": _remainder,
    "<": lambda a, b: a < b, ">": lambda a, b: a > b, "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b,
}  # fmt: skip


def arithmetic(sign: str, left: Any, right: Any) -> Any:
    """Return the result of an operator between numbers; a text that holds a number is one."""
    for value in (left, right):
        if isinstance(value, str) and "\ue000" in value:
            return Unknown(cause_of(value))
    try:
        a, b = number_of(left), number_of(right)
        if abs(a) > 1e100 or abs(b) > 1e100:
            return Unknown("a number that is too large")
        return rounded(_ARITHMETIC[sign](a, b))
    except (ValueError, TypeError, ArithmeticError):
        return Failed("arithmetic with these values")


def rounded(value: Any) -> Any:
    """Return a number as arithmetic leaves it: whole ones exact, others to DIGITS digits."""
    if isinstance(value, float) and math.isfinite(value):
        return number_of(float(f"{value:.{DIGITS}g}"))
    return value


# Converting


def to_text(value: Any) -> Any:
    """Return the value as ``tostring`` does."""
    if value is None or isinstance(value, (str, Unknown)):
        return value
    return text_of(value) if isinstance(value, (bool, int, float)) else Failed("a text of a list or map")


def to_number(value: Any) -> Any:
    """Return the value as ``tonumber`` does."""
    if value is None or isinstance(value, Unknown):
        return value
    if isinstance(value, str) and "\ue000" in value:
        return Unknown(cause_of(value))
    try:
        return number_of(value)
    except ValueError:
        return Failed("a number of something else")


def to_bool(value: Any) -> Any:
    """Return the value as ``tobool`` does."""
    return value if value is None else truth(value)


PRIMITIVES: dict[str, Callable[[Any], Any]] = {"string": to_text, "number": to_number, "bool": to_bool}


def unified(items: list[Any]) -> list[Any]:
    """Return the elements with one type, as a list needs it: beside a text, numbers and booleans are texts."""
    kinds = {_primitive(item) for item in items} - {""}
    if len(kinds) < 2 or "string" not in kinds or "other" in kinds:
        return items
    return [to_text(item) for item in items]


def _primitive(value: Any) -> str:
    if value is None or isinstance(value, Unknown):
        return ""
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, (int, float)) else "other"


def to_list(value: Any) -> Any:
    """Return the value as ``tolist`` does."""
    if value is None or isinstance(value, Unknown):
        return value
    return ListOf(unified(list(value))) if isinstance(value, list) else Failed("a list of something else")


def to_set(value: Any) -> Any:
    """Return the value as ``toset`` does."""
    if value is None or isinstance(value, Unknown):
        return value
    return set_of(unified(list(value))) if isinstance(value, list) else Failed("a set of something else")


def to_map(value: Any) -> Any:
    """Return the value as ``tomap`` does."""
    if value is None or isinstance(value, Unknown):
        return value
    if not isinstance(value, dict):
        return Failed("a map of something else")
    items = dict(zip(value, unified(list(value.values())), strict=True))
    return Open(items, value.reason) if isinstance(value, Open) else MapOf(items)
