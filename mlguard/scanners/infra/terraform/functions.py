"""Terraform's functions as far as they compute without the outside world: pure, bounded, without Python's own templates."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable
from typing import Any

from mlguard.scanners.infra.resources import Open, Unknown, reference
from mlguard.scanners.infra.terraform.listings import LISTINGS, merge
from mlguard.scanners.infra.terraform.texts import TEXTS, cleaned, jsonencode, listed, string
from mlguard.scanners.infra.terraform.times import TIMES
from mlguard.scanners.infra.terraform.values import (
    MAX_LEVELS_OF_VALUE,
    MAX_TEXT,
    MAX_WEIGHT,
    Failed,
    ListOf,
    cause_of,
    number_of,
    rounded,
    text_of,
    weight,
    whole,
)

__all__ = ["FUNCTIONS", "Failed", "call", "jsonencode", "merge", "text_of"]


# Numbers


def _log(value: Any, base: Any) -> Any:
    return rounded(math.log(number_of(value)) / math.log(number_of(base)))


def _pow(base: Any, exponent: Any) -> Any:
    power = number_of(exponent)
    if abs(power) > 64 or abs(number_of(base)) > 1e9:
        raise OverflowError("too large")
    return rounded(number_of(base) ** power)


def _parseint(text: Any, base: Any) -> int:
    plain = string(text)
    if len(plain) > 100 or "_" in plain or plain != plain.strip() or not 2 <= whole(base) <= 36:
        raise ValueError("not a number of this base")
    return int(plain, whole(base))


def _sum(items: Any) -> Any:
    if not items:
        raise ValueError("the sum of nothing")
    return rounded(sum(map(number_of, listed(items))))


_NUMBERS: dict[str, Callable[..., Any]] = {
    "abs": lambda a: abs(number_of(a)),
    "ceil": lambda a: math.ceil(number_of(a)),
    "floor": lambda a: math.floor(number_of(a)),
    "signum": lambda a: (number_of(a) > 0) - (number_of(a) < 0),
    "max": lambda *a: max(map(number_of, a)),
    "min": lambda *a: min(map(number_of, a)),
    "parseint": _parseint,
    "sum": _sum,
    "log": _log,
    "pow": _pow,
}


# Addresses

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(prefix: Any) -> Network:
    text = string(prefix)
    if "/" not in text:
        raise ValueError("no prefix")
    return ipaddress.ip_network(text, strict=False)


def _longer(network: Network, bits: int) -> int:
    length = network.prefixlen + bits
    if bits < 0 or length > network.max_prefixlen:
        raise ValueError("no such prefix")
    return length


def _subnet(network: Network, address: int, length: int) -> str:
    made = ipaddress.IPv4Address(address) if network.version == 4 else ipaddress.IPv6Address(address)
    return f"{made}/{length}"


def _cidrsubnet(prefix: Any, new_bits: Any, number: Any) -> str:
    network, bits, wanted = _network(prefix), whole(new_bits), whole(number)
    length = _longer(network, bits)
    if not 0 <= wanted < 1 << bits:
        raise ValueError("no such subnet")
    return _subnet(network, int(network.network_address) + (wanted << (network.max_prefixlen - length)), length)


def _cidrhost(prefix: Any, number: Any) -> str:
    return str(_network(prefix)[whole(number)])


def _cidrnetmask(prefix: Any) -> str:
    network = _network(prefix)
    if network.version != 4:
        raise ValueError("not a network of version 4")
    return str(network.netmask)


def _cidrsubnets(prefix: Any, *bits: Any) -> list[str]:
    network = _network(prefix)
    position, result = int(network.network_address), ListOf()
    for extra in bits:
        length = _longer(network, whole(extra))
        size = 1 << (network.max_prefixlen - length)
        position = -(-position // size) * size
        if position > int(network.broadcast_address):
            raise ValueError("no room")
        result.append(_subnet(network, position, length))
        position += size
    return result


def _cidrcontains(prefix: Any, other: Any) -> bool:
    inner = ipaddress.ip_network(string(other), strict=False)
    outer = _network(prefix)
    if inner.version != outer.version:
        raise ValueError("two versions of addresses")
    return inner[0] in outer and inner[-1] in outer


_ADDRESSES: dict[str, Callable[..., Any]] = {
    "cidrcontains": _cidrcontains,
    "cidrhost": _cidrhost,
    "cidrnetmask": _cidrnetmask,
    "cidrsubnet": _cidrsubnet,
    "cidrsubnets": _cidrsubnets,
}


def _abspath(path: Any) -> str:
    text = cleaned(string(path))
    return text if text.startswith(("/", "\ue000")) else f"{reference('path.cwd')}/{text}"


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abspath": _abspath,
    **_NUMBERS,
    **TEXTS,
    **TIMES,
    **LISTINGS,
    **_ADDRESSES,
}

CONTAINERS = frozenset(
    [
        "alltrue",
        "anytrue",
        "chomp",
        "chunklist",
        "coalesce",
        "coalescelist",
        "compact",
        "concat",
        "contains",
        "distinct",
        "element",
        "ephemeralasnull",
        "flatten",
        "format",
        "formatlist",
        "index",
        "join",
        "jsonencode",
        "keys",
        "length",
        "list",
        "lookup",
        "matchkeys",
        "merge",
        "nonsensitive",
        "one",
        "reverse",
        "sensitive",
        "setintersection",
        "setproduct",
        "setsubtract",
        "setsymmetricdifference",
        "setunion",
        "slice",
        "sort",
        "split",
        "tobool",
        "tolist",
        "tomap",
        "tonumber",
        "toset",
        "tostring",
        "transpose",
        "trimspace",
        "values",
        "yamlencode",
        "zipmap",
        "basename",
        "dirname",
        "abspath",
    ]
)
"""Functions that may be given texts with references in them. The others cannot tell their result then."""

_TAKES_UNKNOWN = frozenset(
    [
        "concat",
        "merge",
        "contains",
        "alltrue",
        "anytrue",
        "format",
        "formatlist",
        "join",
        "jsonencode",
        "yamlencode",
        "coalesce",
    ]
)
"""Functions whose result may be known although an argument is not."""


_SHALLOW = frozenset(
    [
        "lookup",
        "element",
        "keys",
        "values",
        "length",
        "one",
        "slice",
        "reverse",
        "merge",
        "coalesce",
        "coalescelist",
        "zipmap",
        "sensitive",
    ]
)
"""Functions that do not look into what they hand on."""


def call(name: str, arguments: list[Any]) -> Any:
    """Return the result, ``Failed`` where Terraform would refuse, or ``Unknown``. Never raises."""
    body = FUNCTIONS.get(name)
    if body is None:
        return Unknown(f"the function {name}")
    for value in arguments:
        if isinstance(value, Unknown) and (name not in _TAKES_UNKNOWN or isinstance(value, Failed)):
            return value
    if name not in CONTAINERS and _doubt(arguments) is not None:
        return Unknown(f"{name} of a value that is not known here")
    if name not in _SHALLOW and weight(arguments) > MAX_WEIGHT:
        return Unknown(f"the function {name} on large input")
    try:
        result = body(*arguments)
    except OverflowError:
        return Unknown(f"the function {name} on large input")
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError, RecursionError, LookupError):
        return _doubt(arguments) or Failed(f"the function {name} with these values")
    if isinstance(result, str) and len(result) > MAX_TEXT:
        return Unknown(f"the function {name} on large input")
    return (_doubt(arguments) or result) if isinstance(result, Failed) else result


def _doubt(value: Any, depth: int = 0) -> Unknown | None:
    """Return a part of the arguments that is not known, None where all is."""
    if isinstance(value, Unknown):
        return value
    if isinstance(value, str):
        return Unknown(cause_of(value)) if "\ue000" in value else None
    if isinstance(value, Open):
        return Unknown(value.reason)
    if isinstance(value, (list, dict)) and depth < MAX_LEVELS_OF_VALUE:
        for item in value.values() if isinstance(value, dict) else value:
            if (found := _doubt(item, depth + 1)) is not None:
                return found
        return None
    plain = value is None or isinstance(value, (bool, int, float, list, dict))
    return None if plain else Unknown("a resource as a whole")
