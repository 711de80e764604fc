"""Sprig's functions for numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, DivisionByZero, InvalidOperation, localcontext
from typing import Any

from mlguard.scanners.infra.helm.functions import function, to_float, to_int, whole
from mlguard.scanners.infra.helm.printing import Failed, Int64


def _wrapped(number: int) -> Int64:
    return Int64((number + 2**63) % 2**64 - 2**63)


@function("add1")
def _add1(value: Any) -> Int64:
    return _wrapped(to_int(value) + 1)


@function("add")
def _add(*values: Any) -> Int64:
    return _wrapped(sum(to_int(value) for value in values))


@function("sub")
def _sub(first: Any, other: Any) -> Int64:
    return _wrapped(to_int(first) - to_int(other))


@function("mul")
def _mul(first: Any, *others: Any) -> Int64:
    result = to_int(first)
    for other in others:
        result = int(_wrapped(result * to_int(other)))
    return Int64(result)


@function("div")
def _div(first: Any, other: Any) -> Int64:
    return _wrapped(_quotient(to_int(first), to_int(other)))


@function("mod")
def _mod(first: Any, other: Any) -> Int64:
    one, two = to_int(first), to_int(other)
    return _wrapped(one - two * _quotient(one, two))


def _quotient(first: int, other: int) -> int:
    if other == 0:
        raise Failed("divides by zero")
    result = abs(first) // abs(other)
    return result if (first < 0) == (other < 0) else -result


@function("max", "biggest")
def _max(*values: Any) -> Int64:
    return Int64(max(to_int(value) for value in values))


@function("min")
def _min(*values: Any) -> Int64:
    return Int64(min(to_int(value) for value in values))


@function("maxf")
def _maxf(*values: Any) -> float:
    return max(to_float(value) for value in values)


@function("minf")
def _minf(*values: Any) -> float:
    return min(to_float(value) for value in values)


@function("floor")
def _floor(value: Any) -> float:
    return float(math.floor(to_float(value)))


@function("ceil")
def _ceil(value: Any) -> float:
    return float(math.ceil(to_float(value)))


@function("round")
def _round(value: Any, places: Any, *on: Any) -> float:
    power = 10.0 ** max(-300, min(300, whole(places)))
    digit = power * to_float(value)
    part = math.modf(digit)[0]
    return (math.ceil(digit) if part >= (to_float(on[0]) if on else 0.5) else math.floor(digit)) / power


def _decimal(first: Any, others: tuple[Any, ...], operation: Callable[[Decimal, Decimal], Decimal]) -> float:
    with localcontext() as context:
        context.prec = 400
        result = Decimal(repr(to_float(first)))
        try:
            for other in others:
                result = operation(result, Decimal(repr(to_float(other))))
            return float(result)
        except (DivisionByZero, InvalidOperation, OverflowError):
            raise Failed("computes something that is no number") from None


@function("add1f")
def _add1f(value: Any) -> float:
    return _decimal(value, (1,), lambda one, two: one + two)


@function("addf")
def _addf(*values: Any) -> float:
    return _decimal(0, values, lambda one, two: one + two)


@function("subf")
def _subf(first: Any, *others: Any) -> float:
    return _decimal(first, others, lambda one, two: one - two)


@function("mulf")
def _mulf(first: Any, *others: Any) -> float:
    return _decimal(first, others, lambda one, two: one * two)


@function("divf")
def _divf(first: Any, *others: Any) -> float:
    return _decimal(first, others, lambda one, two: (one / two).quantize(Decimal("1e-16"), ROUND_HALF_UP))
