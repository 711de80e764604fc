"""Terraform's functions as far as they compute without the outside world: pure, bounded, without Python's own templates."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import itertools
import json
import math
import re
from collections.abc import Callable, Iterable
from typing import Any, cast
from urllib.parse import quote

from mlguard.scanners.infra.resources import Open, Unknown, reference

MAX_ITEMS = 10_000
"""Elements of a list that a function may make."""

MAX_TEXT = 2**20
"""Characters of a text that a function or template may make."""

MAX_WEIGHT = 200_000
"""Values (and 64 characters of text each) that one value may hold, counted as often as they stand in it."""


class Failed(Unknown):
    """What Terraform itself would refuse: an attribute or element that is certainly not there. ``try`` goes on after it."""


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


FUNCTIONS: dict[str, Callable[..., Any]] = {}

CONTAINERS = frozenset(
    [
        "alltrue",
        "anytrue",
        "coalesce",
        "coalescelist",
        "compact",
        "concat",
        "distinct",
        "element",
        "flatten",
        "format",
        "formatlist",
        "index",
        "join",
        "jsonencode",
        "keys",
        "length",
        "lookup",
        "merge",
        "one",
        "reverse",
        "setunion",
        "slice",
        "tolist",
        "tomap",
        "toset",
        "tostring",
        "values",
        "zipmap",
        "sensitive",
        "nonsensitive",
        "contains",
        "chunklist",
        "setproduct",
        "sort",
        "split",
        "yamlencode",
        "setsubtract",
        "setintersection",
        "transpose",
        "trimspace",
        "chomp",
    ]
)
"""Functions that may be given texts with references in them. The others cannot tell their result then."""


def function(body: Callable[..., Any]) -> Callable[..., Any]:
    """Enter a function under its name without the trailing underscore."""
    FUNCTIONS[body.__name__.rstrip("_")] = body
    return body


def text_of(value: Any) -> str:
    """Return a value as Terraform writes it into a template; what is unknown becomes a reference."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, Unknown):
        return reference(value.reason)
    return "" if value is None else str(value)


def number_of(value: Any) -> int | float:
    """Return a value as a number. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("not a number")
    if isinstance(value, str):
        value = float(value)
    if isinstance(value, int):
        return value
    if not math.isfinite(value) or abs(value) > 1e300:
        raise ValueError("no finite number")
    return int(value) if value.is_integer() else value


def key_of(value: Any) -> Any:
    """Return a form of a value that can be compared and kept in a set."""
    return json.dumps(value, sort_keys=True, default=repr)


def same(left: Any, right: Any) -> bool:
    """Say whether two known values are equal; true is not 1."""
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    return bool(left == right)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value


def _bounded(items: Iterable[Any]) -> list[Any]:
    result = list(itertools.islice(items, MAX_ITEMS + 1))
    if len(result) > MAX_ITEMS:
        raise OverflowError("too many elements")
    return result


def _unique(items: Iterable[Any]) -> list[Any]:
    return list({key_of(item): item for item in items}.values())


# Numbers

_NUMBERS: dict[str, Callable[..., Any]] = {
    "abs": lambda a: abs(number_of(a)),
    "ceil": lambda a: math.ceil(number_of(a)),
    "floor": lambda a: math.floor(number_of(a)),
    "signum": lambda a: (number_of(a) > 0) - (number_of(a) < 0),
    "max": lambda *a: max(map(number_of, a)),
    "min": lambda *a: min(map(number_of, a)),
    "parseint": lambda text, base: int(str(text)[:100], int(number_of(base))),
    "sum": lambda items: sum(map(number_of, _list(items))),
}


@function
def pow_(base: Any, exponent: Any) -> Any:
    power = number_of(exponent)
    if abs(power) > 64 or abs(number_of(base)) > 1e9:
        raise OverflowError("too large")
    return number_of(base) ** power


@function
def log(value: Any, base: Any) -> float:
    return math.log(number_of(value), number_of(base))


# Texts

_TEXTS: dict[str, Callable[..., Any]] = {
    "lower": lambda t: text_of(t).lower(),
    "upper": lambda t: text_of(t).upper(),
    "title": lambda t: re.sub(r"\b[a-z]", lambda m: m.group().upper(), text_of(t)),
    "chomp": lambda t: text_of(t).rstrip("\r\n"),
    "strrev": lambda t: text_of(t)[::-1],
    "trimspace": lambda t: text_of(t).strip(),
    "trim": lambda t, cut: text_of(t).strip(text_of(cut)),
    "trimprefix": lambda t, prefix: text_of(t).removeprefix(text_of(prefix)),
    "trimsuffix": lambda t, suffix: text_of(t).removesuffix(text_of(suffix)),
    "startswith": lambda t, prefix: text_of(t).startswith(text_of(prefix)),
    "endswith": lambda t, suffix: text_of(t).endswith(text_of(suffix)),
    "strcontains": lambda t, part: text_of(part) in text_of(t),
    "join": lambda separator, *lists: text_of(separator).join(text_of(i) for one in lists for i in _list(one)),
    "base64encode": lambda t: base64.b64encode(text_of(t).encode()).decode(),
    "urlencode": lambda t: quote(text_of(t)),
    "basename": lambda t: text_of(t).rstrip("/").rsplit("/", 1)[-1],
    "dirname": lambda t: text_of(t).rpartition("/")[0] or ".",
}


@function
def split(separator: Any, text: Any) -> list[str]:
    return _bounded(text_of(text).split(text_of(separator)) if text_of(separator) else iter(text_of(text)))


@function
def indent(spaces: Any, text: Any) -> str:
    return text_of(text).replace("\n", "\n" + " " * min(int(number_of(spaces)), 100))


@function
def substr(text: Any, offset: Any, length: Any) -> str:
    whole, start, size = text_of(text), int(number_of(offset)), int(number_of(length))
    start = max(0, len(whole) + start) if start < 0 else start
    return whole[start:] if size < 0 else whole[start : start + size]


@function
def format_(pattern: Any, *values: Any) -> str:
    rest = list(values)

    def one(match: re.Match[str]) -> str:
        flags, width, precision, verb = match.groups()
        if verb == "%":
            return "%"
        if not rest:
            raise ValueError("too few values")
        value = rest.pop(0)
        if isinstance(value, (Unknown, str)) and verb in "sv":
            text = text_of(value)
        elif verb == "d":
            text = str(int(number_of(value)))
        elif verb in "feg":
            text = f"{float(number_of(value)):.{int(precision or 6)}{verb}}"
        elif verb in "xXob":
            text = builtins_format(int(number_of(value)), verb)
        elif verb == "q":
            text = json.dumps(text_of(value))
        elif verb == "t" or verb in "sv":
            text = jsonencode(value) if isinstance(value, (list, dict)) else text_of(value)
        else:
            raise ValueError("unknown verb")
        size = min(int(width or 0), 200)
        fill = "0" if "0" in flags and verb not in "sv" else " "
        return text.ljust(size) if "-" in flags else text.rjust(size, fill)

    return re.sub(r"%([-+ 0#]*)(\d{0,4})(?:\.(\d{1,2}))?(?:\[\d+\])?([a-zA-Z%])", one, text_of(pattern))


builtins_format = cast(Callable[[int, str], str], format)


@function
def formatlist(pattern: Any, *values: Any) -> list[str]:
    size = max((len(value) for value in values if isinstance(value, list)), default=1)
    if size * len(text_of(pattern)) > MAX_TEXT:
        raise OverflowError("too long")
    rows = ([value[i] if isinstance(value, list) else value for value in values] for i in range(min(size, MAX_ITEMS)))
    return [format_(pattern, *row) for row in rows]


# RE2 cannot backtrack without end, Python's engine can: only patterns without repeated groups are tried, on short texts.
_RISKY = re.compile(r"[*+}]\)?[*+{]|\)[*+{]|\(\?[^:iP]|\\[1-9]|([*+].*){4}")


def _compiled(pattern: Any, text: str) -> re.Pattern[str]:
    plain = text_of(pattern)
    if len(plain) > 200 or len(text) > 2000 or _RISKY.search(plain):
        raise OverflowError("the pattern is not tried")
    try:
        return re.compile(plain)
    except (re.error, OverflowError, RecursionError):
        raise ValueError("no pattern") from None


@function
def replace(text: Any, part: Any, new: Any) -> str:
    whole, old = text_of(text), text_of(part)
    if len(old) > 1 and old.startswith("/") and old.endswith("/"):
        insert = re.sub(r"\$\{?(\w+)\}?", r"\\g<\1>", text_of(new).replace("\\", "\\\\"))
        try:
            return _compiled(old[1:-1], whole).sub(insert, whole)
        except (re.error, IndexError):
            raise ValueError("no such group") from None
    if whole.count(old) * len(text_of(new)) > MAX_TEXT:
        raise OverflowError("too long")
    return whole.replace(old, text_of(new))


def _captured(match: re.Match[str]) -> Any:
    if match.re.groupindex:
        return dict(match.groupdict())
    return list(match.groups()) if match.re.groups else match.group()


@function
def regex(pattern: Any, text: Any) -> Any:
    match = _compiled(pattern, text_of(text)).search(text_of(text))
    return _captured(match) if match else Failed("a pattern that does not match")


@function
def regexall(pattern: Any, text: Any) -> list[Any]:
    return _bounded(_captured(match) for match in _compiled(pattern, text_of(text)).finditer(text_of(text)))


@function
def base64decode(text: Any) -> str:
    try:
        return base64.b64decode(text_of(text), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("not base64") from None


@function
def jsonencode(value: Any) -> str:
    return json.dumps(_plain(value, 0), separators=(",", ":"), ensure_ascii=False)


def _plain(value: Any, depth: int) -> Any:
    if depth > 60:
        raise OverflowError("too deep")
    if isinstance(value, Unknown):
        return text_of(value)
    if isinstance(value, dict):
        return {str(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, depth + 1) for item in value]
    return value


@function
def jsondecode(text: Any) -> Any:
    return json.loads(text_of(text))


@function
def yamldecode(text: Any) -> Any:
    from mlguard.errors import Unreadable
    from mlguard.yamlish import load

    try:
        return load(text_of(text), "yamldecode")[0]
    except Unreadable:
        raise ValueError("not YAML") from None


FUNCTIONS["yamlencode"] = jsonencode  # JSON is YAML, and all that matters here

# Collections

_COLLECTIONS: dict[str, Callable[..., Any]] = {
    "reverse": lambda items: _list(items)[::-1],
    "distinct": lambda items: _unique(_list(items)),
    "compact": lambda items: [item for item in _list(items) if item not in (None, "")],
    "concat": lambda *lists: _bounded(item for one in lists for item in _list(one)),
    "keys": lambda mapping: sorted(mapping.keys()),
    "values": lambda mapping: [mapping[key] for key in sorted(mapping.keys())],
    "toset": lambda items: sorted(_unique(_list(items)), key=key_of),
    "tolist": lambda items: _list(items),
    "tomap": lambda mapping: mapping if isinstance(mapping, dict) else Failed("not a map"),
    "tostring": lambda value: None if value is None else text_of(value),
    "tonumber": lambda value: None if value is None else number_of(value),
    "sensitive": lambda value: value,
    "nonsensitive": lambda value: value,
    "sort": lambda items: sorted(text_of(item) for item in _list(items)),
    "setunion": lambda *sets: sorted(_unique(item for one in sets for item in _list(one)), key=key_of),
    "zipmap": lambda keys, values: dict(zip(map(text_of, _list(keys)), _list(values), strict=True)),
    "slice": lambda items, start, end: _list(items)[int(number_of(start)) : int(number_of(end))],
}


@function
def tobool(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(text_of(value), Failed("not a boolean"))


@function
def length(value: Any) -> Any:
    if isinstance(value, Open):
        return Unknown(value.reason)
    if isinstance(value, str) and "\ue000" in value:
        return Unknown("the length of a text that is not known here")
    return len(value)


@function
def contains(items: Any, wanted: Any) -> Any:
    if any(not isinstance(item, Unknown) and same(item, wanted) for item in _list(items)):
        return True
    return next((item for item in items if isinstance(item, Unknown)), False)


@function
def element(items: Any, position: Any) -> Any:
    return _list(items)[int(number_of(position)) % len(items)] if items else Failed("an element of an empty list")


@function
def index(items: Any, wanted: Any) -> Any:
    found = [number for number, item in enumerate(_list(items)) if same(item, wanted)]
    return found[0] if found else Failed("an element that is not in the list")


@function
def flatten(items: Any, depth: int = 0) -> list[Any]:
    if depth > 30:
        raise OverflowError("too deep")
    return _bounded(
        one for item in _list(items) for one in (flatten(item, depth + 1) if isinstance(item, list) else [item])
    )


@function
def merge(*mappings: Any) -> Any:
    result: dict[str, Any] = {}
    reasons = []
    for mapping in mappings:
        if isinstance(mapping, Unknown):
            # A key of an unknown mapping may hide what was there before it.
            result = {key: Unknown(mapping.reason) for key in result}
            reasons.append(mapping.reason)
        elif isinstance(mapping, dict):
            result.update(mapping)
            reasons += [mapping.reason] if isinstance(mapping, Open) else []
        elif mapping is not None:
            raise TypeError("not a map")
    return Open(result, reasons[0]) if reasons else result


@function
def lookup(mapping: Any, key: Any, *default: Any) -> Any:
    if text_of(key) in mapping:
        return mapping[text_of(key)]
    if isinstance(mapping, Open):
        return Unknown(mapping.reason)
    return default[0] if default else Failed("a key that is not in the map")


@function
def coalesce(*values: Any) -> Any:
    for value in values:
        if value is not None and value != "":
            return value
    return Failed("a value that is set")


@function
def coalescelist(*lists: Any) -> Any:
    return next((items for items in lists if items), Failed("a list that is not empty"))


@function
def one(items: Any) -> Any:
    return None if not items else _list(items)[0]


@function
def range_(*limits: Any) -> list[Any]:
    start, end, step = {1: (0, *limits, 1), 2: (*limits, 1)}.get(len(limits), limits)
    return _bounded(range(int(number_of(start)), int(number_of(end)), int(number_of(step))))


@function
def alltrue(items: Any) -> Any:
    if any(str(item).lower() == "false" for item in _list(items)):
        return False
    return next((item for item in items if isinstance(item, Unknown)), True)


@function
def anytrue(items: Any) -> Any:
    if any(str(item).lower() == "true" for item in _list(items)):
        return True
    return next((item for item in items if isinstance(item, Unknown)), False)


@function
def chunklist(items: Any, size: Any) -> list[Any]:
    width = int(number_of(size))
    return [_list(items)[start : start + width] for start in range(0, len(items), width)] if width > 0 else [items]


@function
def setproduct(*sets: Any) -> list[Any]:
    return _bounded(list(row) for row in itertools.product(*map(_list, sets)))


@function
def setintersection(*sets: Any) -> list[Any]:
    common = set.intersection(*({key_of(item) for item in _list(one)} for one in sets))
    return sorted((item for item in _unique(sets[0]) if key_of(item) in common), key=key_of)


@function
def setsubtract(first: Any, second: Any) -> list[Any]:
    gone = {key_of(item) for item in _list(second)}
    return [item for item in _list(first) if key_of(item) not in gone]


@function
def transpose(mapping: Any) -> dict[str, list[str]]:
    result: dict[str, list[str]] = {}
    for key, items in sorted(mapping.items()):
        for item in _list(items):
            result.setdefault(text_of(item), []).append(key)
    return dict(sorted(result.items()))


FUNCTIONS |= _NUMBERS | _TEXTS | _COLLECTIONS

# Addresses


@function
def cidrsubnet(prefix: Any, new_bits: Any, number: Any) -> str:
    network = ipaddress.ip_network(text_of(prefix), strict=False)
    length = network.prefixlen + int(number_of(new_bits))
    if not network.prefixlen <= length <= network.max_prefixlen:
        raise ValueError("no such prefix")
    base = int(network.network_address) + (int(number_of(number)) << (network.max_prefixlen - length))
    return f"{ipaddress.ip_address(base)}/{length}"


@function
def cidrhost(prefix: Any, number: Any) -> str:
    network = ipaddress.ip_network(text_of(prefix), strict=False)
    return str(network[int(number_of(number))])


@function
def cidrnetmask(prefix: Any) -> str:
    return str(ipaddress.ip_network(text_of(prefix), strict=False).netmask)


@function
def cidrsubnets(prefix: Any, *bits: Any) -> list[str]:
    network = ipaddress.ip_network(text_of(prefix), strict=False)
    position, result = int(network.network_address), []
    for extra in bits:
        length = network.prefixlen + int(number_of(extra))
        if not network.prefixlen <= length <= network.max_prefixlen:
            raise ValueError("no such prefix")
        size = 1 << (network.max_prefixlen - length)
        position = -(-position // size) * size
        result.append(f"{ipaddress.ip_address(position)}/{length}")
        position += size
    return result


def _holds_reference(value: Any, depth: int = 0) -> bool:
    if isinstance(value, str):
        return "\ue000" in value
    if isinstance(value, (list, dict)) and depth < 5:
        return any(_holds_reference(item, depth + 1) for item in (value.values() if isinstance(value, dict) else value))
    return False


_TAKES_UNKNOWN = frozenset(
    {
        "merge",
        "concat",
        "flatten",
        "contains",
        "alltrue",
        "anytrue",
        "format",
        "join",
        "jsonencode",
        "yamlencode",
        "coalesce",
        "compact",
    }
)


def call(name: str, arguments: list[Any]) -> Any:
    """Return the result, ``Failed`` where Terraform would refuse, or ``Unknown``. Never raises."""
    body = FUNCTIONS.get(name)
    if body is None:
        return Unknown(f"the function {name}")
    for value in arguments:
        if isinstance(value, Unknown) and name not in _TAKES_UNKNOWN:
            return value
    if name == "coalesce":
        arguments = list(itertools.takewhile(lambda v: not isinstance(v, Unknown), arguments)) or arguments[:1]
    if name in ("concat", "flatten", "compact", "join") and (bad := _first_unknown(name, arguments)) is not None:
        return bad
    if name not in CONTAINERS and any(map(_holds_reference, arguments)):
        return Unknown(f"{name} of a value that is not known here")
    if weight(arguments) > MAX_WEIGHT:
        return Unknown(f"the function {name} on large input")
    try:
        result = body(*arguments)
    except OverflowError:
        return Unknown(f"the function {name} on large input")
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError, RecursionError):
        return Failed(f"the function {name} with these values")
    if isinstance(result, str) and len(result) > MAX_TEXT:
        return Unknown(f"the function {name} on large input")
    return result


def _first_unknown(name: str, arguments: list[Any]) -> Unknown | None:
    """Return the whole list that is unknown; single unknown elements may stay in a list."""
    for value in arguments:
        if isinstance(value, Unknown):
            return value
        if name == "flatten" and isinstance(value, list):
            return None
    return None
