"""The functions of Helm's templates: how they are entered and called, and those of text/template itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from mlguard.scanners import lazy
from mlguard.scanners.infra.helm.printing import (
    Failed,
    Int64,
    Opaque,
    Refused,
    Traced,
    kind_of,
    show,
    sprint,
    sprintf,
    truth,
    type_of,
    unknown,
    utf8,
)
from mlguard.scanners.infra.resources import reference


@dataclass(frozen=True, slots=True)
class Entry:
    """A function, how many arguments it takes (``most`` -1: any number), and whether references may go into it."""

    body: Callable[..., Any]
    least: int
    most: int
    keeps: bool


FUNCTIONS: dict[str, Entry] = {}


def function(*names: str, keeps: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function under its names.

    Of one that does not keep what it is given, the result for a text with a reference in it is that reference.
    """

    def enter(body: Callable[..., Any]) -> Callable[..., Any]:
        code = body.__code__
        least = code.co_argcount - len(body.__defaults__ or ())
        entry = Entry(body, least, -1 if code.co_flags & 4 else code.co_argcount, keeps)
        for name in names:
            FUNCTIONS[name] = entry
        return body

    return enter


def call(name: str, values: list[Any]) -> Any:
    """Return the result of a function. Raises Failed."""
    entry = FUNCTIONS[name]
    if len(values) < entry.least or 0 <= entry.most < len(values):
        raise Failed(f"calls {name} with the wrong number of arguments")
    if not entry.keeps:
        for value in values:
            name_of = unknown(value)
            if name_of is not None:
                return name_of
    try:
        result = entry.body(*values)
    except Refused:
        raise
    except Failed:
        unknown_one = next((one for value in values if (one := unknown(value)) is not None), None)
        if unknown_one is None:
            raise
        return unknown_one
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError, RecursionError, MemoryError):
        raise Failed(f"calls {name} with something that it does not take") from None
    if isinstance(result, str) and "\n" in result and not isinstance(result, Traced):
        for value in values:
            if isinstance(value, Traced) and value.count("\n") == result.count("\n"):
                return line_by_line(value, result)
    return result


def line_by_line(origin: Traced, result: str) -> Traced:
    """Return a text whose lines stem from where those of another stem."""
    marks: list[Any] = []
    index, old, new = 0, 0, 0
    for line, written in zip(origin.split("\n"), result.split("\n"), strict=True):
        first = len(line) - len(line.lstrip(" "))
        while index + 1 < len(origin.marks) and origin.marks[index + 1][0] <= old + first:
            index += 1
        start, source, offset, exact = origin.marks[index]
        marks.append((new, source, offset + (old + first - start) if exact else offset, False))
        old += len(line) + 1
        new += len(written) + 1
    return Traced(result, marks)


# What a function asks of its arguments


def text(value: Any) -> str:
    """Return a value that must be text. Raises Failed."""
    if isinstance(value, str):
        return value
    raise Failed(f"hands {kind_of(value)} to a function that takes text")


def whole(value: Any) -> int:
    """Return a value that must be an int. Raises Failed."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise Failed(f"hands {kind_of(value)} to a function that takes an int")


def mapping(value: Any) -> dict[str, Any]:
    """Return a value that must be a mapping; nothing is an empty one. Raises Failed."""
    if isinstance(value, dict):
        return value
    if value is None:
        return {}
    raise Failed(f"hands {kind_of(value)} to a function that takes a mapping")


def items(value: Any) -> list[Any]:
    """Return a value that must be a list. Raises Failed."""
    if isinstance(value, list):
        return value
    if isinstance(value, bytes):
        return list(value)
    raise Failed(f"hands {kind_of(value)} to a function that takes a list")


_NUMBER = lazy.pattern(r"[+-]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|[0-9]+(?:\.0*)?)(?<!.{41})")


def to_int(value: Any) -> int:
    """Return a value as a number without decimals; 0 for what is none."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return _wrapped(int(value)) if abs(value) < 1e300 and value == value else -(2**63)
    if isinstance(value, int):
        return _wrapped(value)
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return 0
    try:
        plain = (
            value.rstrip("0").removesuffix(".") if "." in value and not value.partition(".")[2].strip("0") else value
        )
        digits = plain.lstrip("+-")
        octal = len(digits) > 1 and digits[0] == "0" and digits.isdecimal()
        return _wrapped(int(plain, 8) if octal else int(plain, 0))
    except ValueError:
        return 0


def _wrapped(value: int) -> int:
    return value if -(2**63) <= value < 2**63 else (value + 2**63) % 2**64 - 2**63


def to_float(value: Any) -> float:
    """Return a value as a number; 0 for what is none."""
    if isinstance(value, (bool, int, float)):
        return float(value)
    try:
        return float(value) if isinstance(value, str) and len(value) < 400 else 0.0
    except ValueError:
        return 0.0


def same(left: Any, right: Any) -> bool:
    """Say whether two values are equal as ``reflect.DeepEqual`` has it: of one kind, and part by part."""
    if kind_of(left) != kind_of(right):
        return False
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(same(one, other) for one, other in zip(left, right, strict=True))
    return bool(left == right)


# Comparing, as text/template does

_BASIC = {"bool": "bool", "int": "int", "int64": "int", "float64": "float", "string": "string"}


@function("eq")
def _eq(first: Any, *others: Any) -> bool:
    if not others:
        raise Failed("compares with nothing")
    kind = _BASIC.get(kind_of(first), "")
    found = False
    for other in others:
        kind_other = _BASIC.get(kind_of(other), "")
        if kind != kind_other:
            if first is not None and other is not None:
                raise Failed("compares values of different kinds")
        elif kind:
            found = found or first == other
        elif first is None or other is None:
            found = found or first is other
        else:
            raise Failed("compares values that cannot be compared")
    return found


@function("ne")
def _ne(first: Any, other: Any) -> bool:
    return not _eq(first, other)


def _less(first: Any, other: Any) -> bool:
    kind, kind_other = _BASIC.get(kind_of(first), ""), _BASIC.get(kind_of(other), "")
    if not kind or not kind_other or "bool" in (kind, kind_other):
        raise Failed("orders values that have no order")
    if kind != kind_other:
        raise Failed("compares values of different kinds")
    return bool(first < other)


@function("lt")
def _lt(first: Any, other: Any) -> bool:
    return _less(first, other)


@function("le")
def _le(first: Any, other: Any) -> bool:
    return _less(first, other) or first == other


@function("gt")
def _gt(first: Any, other: Any) -> bool:
    return not _le(first, other)


@function("ge")
def _ge(first: Any, other: Any) -> bool:
    return not _less(first, other)


@function("not", keeps=True)
def _not(value: Any) -> bool:
    return not truth(value)


# Reaching into values


@function("index", keeps=True)
def _index(value: Any, *steps: Any) -> Any:
    if value is None:
        raise Failed("reaches into nothing")
    for number, step in enumerate(steps):
        if value is None:
            raise Failed("reaches into nothing")
        if unknown(step) is not None or isinstance(value, (str, Opaque)) and unknown(value) is not None:
            return reference("an element")
        if isinstance(value, dict):
            if not isinstance(step, str):
                raise Failed(f"asks a mapping for a key that is {kind_of(step)}")
            value = value.get(step, getattr(value, "go_missing", None))
        elif isinstance(value, (list, str, bytes)):
            position = whole(step)
            data = utf8(value) if isinstance(value, str) else value
            if not 0 <= position < len(data):
                raise Failed("asks a list for an element that it does not have")
            value = data[position]
        else:
            raise Failed(f"reaches into {kind_of(value)} at step {number + 1}")
    return value


@function("len")
def _len(value: Any) -> int:
    if isinstance(value, str):
        return len(utf8(value))
    if isinstance(value, (dict, list, bytes)):
        return len(value)
    raise Failed(f"asks for the length of {kind_of(value)}")


@function("call", keeps=True)
def _call(value: Any, *values: Any) -> Any:
    if not callable(value):
        raise Failed("calls something that is no function")
    return value(*values)


# Printing


@function("print", keeps=True)
def _print(*values: Any) -> str:
    if len(values) == 1 and isinstance(values[0], str):
        return values[0]
    return sprint(values)


@function("println", keeps=True)
def _println(*values: Any) -> str:
    return " ".join(map(show, values)) + "\n"


@function("printf", keeps=True)
def _printf(form: Any, *values: Any) -> str:
    if form == "%s" and len(values) == 1 and isinstance(values[0], str):
        return values[0]
    return sprintf(text(form), values)


_HTML = {"'": "&#39;", '"': "&#34;", "&": "&amp;", "<": "&lt;", ">": "&gt;", "\0": "\ufffd"}


@function("html")
def _html(*values: Any) -> str:
    return "".join(_HTML.get(char, char) for char in sprint(values))


_JS = {
    "\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D",
    "\n": "\\u000A", "\r": "\\u000D", "\t": "\\u0009",
}  # fmt: skip


@function("js")
def _js(*values: Any) -> str:
    return "".join(_JS.get(char) or (char if char >= " " else f"\\u{ord(char):04X}") for char in sprint(values))


@function("urlquery")
def _urlquery(*values: Any) -> str:
    return quote_plus(sprint(values), safe="~")


# Kinds and types


@function("typeOf", keeps=True)
def _type_of(value: Any) -> str:
    return type_of(value)


@function("typeIs", keeps=True)
def _type_is(name: Any, value: Any) -> bool:
    return text(name) == type_of(value)


@function("typeIsLike", keeps=True)
def _type_is_like(name: Any, value: Any) -> bool:
    return type_of(value) in (text(name), "*" + text(name))


@function("kindOf", keeps=True)
def _kind_of(value: Any) -> str:
    return kind_of(value)


@function("kindIs", keeps=True)
def _kind_is(name: Any, value: Any) -> bool:
    return text(name) == kind_of(value)


@function("deepEqual")
def _deep_equal(first: Any, other: Any) -> bool:
    return same(first, other)


# Defaults and choices


@function("default", keeps=True)
def _default(value: Any, *given: Any) -> Any:
    return given[0] if given and truth(given[0]) else value


@function("empty", keeps=True)
def _empty(value: Any) -> bool:
    return not truth(value)


@function("coalesce", keeps=True)
def _coalesce(*values: Any) -> Any:
    return next((value for value in values if truth(value)), None)


@function("all", keeps=True)
def _all(*values: Any) -> bool:
    return all(truth(value) for value in values)


@function("any", keeps=True)
def _any(*values: Any) -> bool:
    return any(truth(value) for value in values)


@function("ternary", keeps=True)
def _ternary(yes: Any, no: Any, condition: Any) -> Any:
    if not isinstance(condition, bool):
        raise Failed(f"hands {kind_of(condition)} to ternary")
    return yes if condition else no


@function("fail", keeps=True)
def _fail(message: Any) -> str:
    text(message)
    raise Refused("refuses these values (fail)")


@function("hello", keeps=True)
def _hello() -> str:
    return "Hello!"


# Numbers


@function("int")
def _int(value: Any) -> int:
    return to_int(value)


@function("int64")
def _int64(value: Any) -> Int64:
    return Int64(to_int(value))


@function("float64")
def _float64(value: Any) -> float:
    return to_float(value)


@function("atoi")
def _atoi(value: Any) -> int:
    try:
        return int(text(value)) if len(text(value)) < 25 and "_" not in text(value) else 0
    except ValueError:
        return 0


@function("toDecimal")
def _to_decimal(value: Any) -> Int64:
    try:
        return Int64(int(show(value), 8))
    except ValueError:
        return Int64(0)


# What only a run would tell

for _name in [
    "now",
    "ago",
    "randAlphaNum",
    "randAlpha",
    "randAscii",
    "randNumeric",
    "randBytes",
    "randInt",
    "uuidv4",
    "shuffle",
    "bcrypt",
    "htpasswd",
    "genPrivateKey",
    "derivePassword",
    "encryptAES",
    "decryptAES",
    "buildCustomCert",
    "genCA",
    "genCAWithKey",
    "genSelfSignedCert",
    "genSelfSignedCertWithKey",
    "genSignedCert",
    "genSignedCertWithKey",
]:

    def _made(*values: Any, name: str = _name) -> Any:
        return Opaque(name) if "Cert" in name or "CA" in name else reference(name)

    FUNCTIONS[_name] = Entry(_made, 0, -1, True)


@function("getHostByName", keeps=True)
def _host(name: Any) -> str:
    return ""


@function("lookup", keeps=True)
def _lookup(version: Any, kind: Any, namespace: Any, name: Any) -> dict[str, Any]:
    return {}
