"""YAML, JSON and TOML as Helm reads and writes them, to the letter: templates indent and compare what comes out."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners import lazy
from mlguard.scanners.infra.helm.printing import MAX_DEPTH, Failed, NoList, float_text
from mlguard.scanners.infra.yamltree import check_depth

MAX_NODES = 100_000
"""Nodes of one YAML text after its aliases are followed, and values that are written out at once."""

# Reading YAML

WORDS: dict[str, Any] = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"]),
    **dict.fromkeys(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"], True),
    **dict.fromkeys(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"], False),
    **dict.fromkeys([".nan", ".NaN", ".NAN"], float("nan")),
    **dict.fromkeys([".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"], float("inf")),
    **dict.fromkeys(["-.inf", "-.Inf", "-.INF"], float("-inf")),
}
_FLOAT = lazy.pattern(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INTEGER = lazy.pattern(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_TIME = lazy.pattern(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:(?:[Tt](\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))| (\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.\d+)?)?"
)
BASE_60 = lazy.pattern(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_NUMERIC = frozenset("0123456789+-.")


def resolved(text: str) -> Any:
    """Return the value of a plain scalar: None, a boolean, a number, or the text itself."""
    if text in WORDS:
        return WORDS[text]
    if text[0] not in _NUMERIC or is_time(text):
        return text
    plain = text.replace("_", "") if text[0] != "." else text
    if _INTEGER.fullmatch(plain):
        number = _whole(plain)
        if -(2**63) <= number < 2**64:
            return number
    if _FLOAT.fullmatch(plain):
        decimal = float(plain)
        return text if abs(decimal) == float("inf") else decimal
    return text


def _whole(text: str) -> int:
    sign = -1 if text[0] == "-" else 1
    digits = text.lstrip("+-").lower()
    if digits[:2] in ("0x", "0b", "0o"):
        return sign * int(digits, 0)
    if len(digits) > 40:
        return 2**64
    return sign * (int(digits, 8) if len(digits) > 1 and digits[0] == "0" else int(digits))


def is_time(text: str) -> bool:
    match = _TIME.fullmatch(text)
    if match is None:
        return False
    parts = [int(part) for part in match.groups() if part is not None]
    try:
        year, month, day, hour, minute, second = (*parts, 0, 0, 0)[:6]
        datetime.datetime(year, month, day, hour, minute, second)
    except ValueError:
        return False
    return True


@cache
def _loader() -> Any:
    import yaml

    return getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def load_yaml(text: str) -> Any:
    """Return the first document with numbers as floats, as Helm reads values. Raises Unreadable."""
    import yaml

    try:
        check_depth(str(text))
        node = next(iter(yaml.compose_all(str(text), Loader=_loader())), None)
        return None if node is None else _Values().value(node, 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" (line {mark.line + 1})" if mark else ""
        raise Unreadable(f"not valid YAML{place}") from None
    except (yaml.YAMLError, ValueError, RecursionError, UnicodeError):
        raise Unreadable("not valid YAML") from None


def places(text: str, limit: int = 20_000) -> dict[tuple[str | int, ...], tuple[int, int]]:
    """Return line and column, from 1, of each key and item of a YAML text; nothing for one that cannot be read."""
    import yaml

    found: dict[tuple[str | int, ...], tuple[int, int]] = {}
    try:
        check_depth(text)
        node = next(iter(yaml.compose_all(text, Loader=_loader())), None)
    except (yaml.YAMLError, ValueError, RecursionError, UnicodeError, Unreadable):
        return found
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), node)]
    while waiting and len(found) < limit:
        path, node = waiting.pop()
        if len(path) > MAX_DEPTH:
            continue
        if isinstance(node, yaml.MappingNode):
            below = [((*path, key.value), key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)]
        elif isinstance(node, yaml.SequenceNode):
            below = [((*path, index), item, item) for index, item in enumerate(node.value)]
        else:
            continue
        for inner, at, value in below:
            found[inner] = (at.start_mark.line + 1, at.start_mark.column + 1)
            waiting.append((inner, value))
    return found


class _Values:
    def __init__(self) -> None:
        self.budget = MAX_NODES

    def value(self, node: Any, depth: int) -> Any:
        import yaml

        self.budget -= 1
        if self.budget < 0 or depth > MAX_DEPTH:
            raise Unreadable(f"aliases or nesting without end (over {MAX_NODES} nodes or {MAX_DEPTH} levels)")
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, depth + 1) for item in node.value]
        return _scalar(node)

    def mapping(self, node: Any, depth: int) -> dict[str, Any]:
        import yaml

        found: dict[str, Any] = {}
        merged: list[Any] = []
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise Unreadable("a mapping as a key")
            if key.value == "<<" and not key.style:
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
            else:
                found[_key(key)] = self.value(value, depth + 1)
        for one in merged:
            inherited = self.value(one, depth + 1)
            if not isinstance(inherited, dict):
                raise Unreadable("a merge of something that is no mapping")
            found = {**inherited, **found}
        return found


def _key(node: Any) -> str:
    value = _scalar(node)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        raise Unreadable("a key that is null")
    return value if isinstance(value, str) else number_text(float(value))


def _scalar(node: Any) -> Any:
    tag = node.tag.rpartition(":")[2]
    if tag == "binary" or node.style in ('"', "'", "|", ">") and tag not in ("int", "float", "bool", "null"):
        return node.value
    value = resolved(node.value)
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        raise Unreadable("a number that JSON cannot hold")
    return value


# Writing JSON

_JSON = lazy.pattern('[\x00-\x1f"\\\\<>&\u2028\u2029\x7f]')
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f", '"': '\\"', "\\": "\\\\", "\x7f": "\x7f"}


def _json_text(text: str, escape: bool) -> str:
    def one(match: re.Match[str]) -> str:
        char = match.group()
        if char in _SHORT:
            return _SHORT[char]
        return char if char in "<>&" and not escape else f"\\u{ord(char):04x}"

    return f'"{_JSON.sub(one, text)}"'


def number_text(value: float) -> str:
    if value != value or abs(value) == float("inf"):
        raise Failed("writes a number that JSON cannot hold")
    text = float_text(value, -6, 21)
    return re.sub(r"e-0(\d)$", r"e-\1", text)


def to_json(value: Any, indent: int = 0, escape: bool = True) -> str:
    """Return a value as Go's encoding/json writes it: sorted keys, ``<`` ``>`` ``&`` escaped unless told otherwise."""
    return "".join(_json(value, indent, escape, 0, [0]))


def _json(value: Any, indent: int, escape: bool, depth: int, count: list[int]) -> Iterator[str]:
    count[0] += 1
    if depth > MAX_DEPTH or count[0] > MAX_NODES:
        raise Failed(f"writes out a value of over {MAX_NODES} parts or {MAX_DEPTH} levels")
    if value is None or isinstance(value, (bool, NoList)):
        value = None if isinstance(value, NoList) else value
        yield {None: "null", True: "true", False: "false"}[value]
    elif isinstance(value, (int, float)):
        yield number_text(value) if isinstance(value, float) else str(int(value))
    elif isinstance(value, Mapping):
        items = [(_json_text(str(key), escape) + (": " if indent else ":"), value[key]) for key in sorted(value)]
        yield from _joined("{}", items, indent, escape, depth, count)
    elif isinstance(value, list):
        yield from _joined("[]", [("", item) for item in value], indent, escape, depth, count)
    elif hasattr(value, "go_plain"):
        yield from _json(value.go_plain(), indent, escape, depth, count)
    else:
        yield _json_text(base64_of(value) if isinstance(value, bytes) else str(value), escape)


def _joined(
    braces: str, items: list[tuple[str, Any]], indent: int, escape: bool, depth: int, count: list[int]
) -> Iterator[str]:
    if not items:
        yield braces
        return
    line = "\n" + " " * indent * (depth + 1) if indent else ""
    yield braces[0]
    for index, (key, item) in enumerate(items):
        yield f"{',' if index else ''}{line}{key}"
        yield from _json(item, indent, escape, depth + 1, count)
    yield ("\n" + " " * indent * depth if indent else "") + braces[1]


def base64_of(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode("ascii")


def from_json(text: str) -> Any:
    """Return the value of a JSON text with numbers as floats. Raises ValueError."""
    if len(text) > 2**22:
        raise ValueError("too long")
    return json.loads(text, parse_int=float, parse_constant=_no_constant)


def _no_constant(name: str) -> Any:
    raise ValueError(name)


# TOML


def from_toml(text: str) -> Any:
    """Return the value of a TOML text. Raises ValueError."""
    import tomllib

    if len(text) > 2**20 or text.count("[") + text.count("{") > 2_000:
        raise ValueError("too long")
    return _plain(tomllib.loads(text), 0)


def _plain(value: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise ValueError("too deep")
    if isinstance(value, dict):
        return {str(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, depth + 1) for item in value]
    return value if isinstance(value, (str, int, float, bool)) else value.isoformat()


def to_toml(value: Any) -> str:
    """Return a mapping as TOML: plain values first, then tables, both sorted, indented as BurntSushi's encoder does."""
    if not isinstance(value, Mapping):
        raise Failed("writes something as TOML that is no mapping")
    lines: list[str] = []
    _table(value, (), lines, 0)
    return "\n".join(lines) + ("\n" if lines else "")


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)


def _table(value: Mapping[str, Any], path: tuple[str, ...], lines: list[str], depth: int) -> None:
    if depth > MAX_DEPTH or len(lines) > MAX_NODES:
        raise Failed("writes out a value that is too large")
    pad = "  " * len(path)
    below: list[str] = []
    for key in sorted(value):
        item = value[key]
        if isinstance(item, Mapping) or _is_tables(item):
            below.append(key)
        elif item is not None:
            lines.append(f"{pad}{_toml_key(key)} = {_toml(item, 0)}")
    for key in below:
        inner = (*path, key)
        name = ".".join(_toml_key(step) for step in inner)
        for item in value[key] if isinstance(value[key], list) else [value[key]]:
            if lines and not path:
                lines.append("")
            lead = "  " * len(path)
            lines.append(f"{lead}[[{name}]]" if isinstance(value[key], list) else f"{lead}[{name}]")
            _table(item, inner, lines, depth + 1)


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml_string(key)


def _toml_string(text: str) -> str:
    return '"' + "".join(_toml_char(char) for char in text) + '"'


def _toml_char(char: str) -> str:
    short = {"\t": "\\t", "\n": "\\n", "\r": "\\r", '"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f"}.get(char)
    return short or (f"\\u{ord(char):04x}" if ord(char) < 32 or ord(char) == 127 else char)


def _toml(value: Any, depth: int) -> str:
    if depth > MAX_DEPTH:
        raise Failed("writes out a value that nests too deeply")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        text = number_text(value)
        return text if re.search(r"[.e]", text) else text + ".0"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item, depth + 1) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_toml_key(key)} = {_toml(value[key], depth + 1)}" for key in sorted(value)) + "}"
    return _toml_string(str(value))
