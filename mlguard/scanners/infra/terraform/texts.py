"""Terraform's functions on texts: formatting, searching, encoding and hashing."""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import io
import json
import re
import unicodedata
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from mlguard.scanners import lazy
from mlguard.scanners.infra.resources import Open, Unknown
from mlguard.scanners.infra.terraform import patterns
from mlguard.scanners.infra.terraform.values import (
    MAX_ITEMS,
    MAX_LEVELS_OF_VALUE,
    MAX_TEXT,
    Failed,
    ListOf,
    Rest,
    number_of,
    number_text,
    text_of,
)

MAX_WIDTH = 200
"""Characters that ``format`` fills a value up to."""


def string(value: Any) -> str:
    """Return an argument that must be a text. Raises TypeError for null, lists and mappings."""
    if value is None or isinstance(value, (list, dict)):
        raise TypeError("not a text")
    return text_of(value)


def listed(value: Any) -> list[Any]:
    """Return an argument that must be a list, set or tuple. Raises TypeError."""
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value


def characters(text: str) -> list[str]:
    """Return what a reader sees as characters: a letter with the marks that are put on it is one."""
    if text.isascii():
        return list(text)
    result: list[str] = []
    for one in text:
        joined = result and (unicodedata.combining(one) or one in "\u200d\ufe0f" or result[-1].endswith("\u200d"))
        if joined:
            result[-1] += one
        else:
            result.append(one)
    return result


def _title(text: Any) -> str:
    return re.sub(r"(?<!\w)[^\W\d_]", lambda match: match.group().upper(), string(text))


def _indent(spaces: Any, text: Any) -> str:
    return string(text).replace("\n", "\n" + " " * min(int(number_of(spaces)), 100))


def _substr(text: Any, offset: Any, length: Any) -> str:
    whole, start, size = characters(string(text)), int(number_of(offset)), int(number_of(length))
    start = max(0, len(whole) + start) if start < 0 else start
    return "".join(whole[start:] if size < 0 else whole[start : start + size])


def _split(separator: Any, text: Any) -> ListOf:
    whole, cut = string(text), string(separator)
    parts = whole.split(cut) if cut else list(whole)
    if len(parts) > MAX_ITEMS:
        raise OverflowError("too many elements")
    return ListOf(parts)


def _join(separator: Any, *lists: Any) -> str:
    return string(separator).join(string(item) for one in lists for item in listed(one))


def _replace(text: Any, part: Any, new: Any) -> str:
    whole, old, insert = string(text), string(part), string(new)
    if len(old) > 1 and old.startswith("/") and old.endswith("/"):
        return patterns.replace(old[1:-1], whole, insert)
    if whole.count(old) * len(insert) > MAX_TEXT:
        raise OverflowError("too long")
    return whole.replace(old, insert)


def _regex(pattern: Any, text: Any) -> Any:
    for captured in patterns.matches(string(pattern), string(text)):
        return captured
    return Failed("a pattern that does not match")


def _regexall(pattern: Any, text: Any) -> list[Any]:
    result = []
    for captured in patterns.matches(string(pattern), string(text)):
        result.append(captured)
        if len(result) > MAX_ITEMS:
            raise OverflowError("too many elements")
    return ListOf(result)


# Formatting

_VERB = lazy.pattern(r"%([-+ 0#]*)(\d{0,4})(?:\.(\d{0,2}))?(?:\[(\d+)\])?([a-zA-Z%])|%")


def format_text(pattern: Any, *values: Any) -> str:
    """Return the text of ``format``. Raises ValueError for too few or too many values and for unknown verbs."""
    position = highest = 0
    explicit = False

    def one(match: re.Match[str]) -> str:
        nonlocal position, highest, explicit
        flags, width, precision, number, verb = match.groups()
        if verb == "%":
            return "%"
        if verb is None:
            raise ValueError("an unfinished verb")
        if number:
            position, explicit = int(number) - 1, True
        if not 0 <= position < len(values):
            raise ValueError("too few values")
        value = values[position]
        position += 1
        highest = max(highest, position)
        return _padded(_formatted(value, flags, precision, verb), flags, min(int(width or 0), MAX_WIDTH), verb)

    result = _VERB.sub(one, string(pattern))
    if highest < len(values) and not explicit:
        raise ValueError("too many values")
    return result


def _padded(text: str, flags: str, width: int, verb: str) -> str:
    size = len(characters(text))
    if size >= width:
        return text
    if "-" in flags:
        return text + " " * (width - size)
    if "0" in flags:
        sign = text[:1] if text[:1] in ("-", "+") else ""
        return sign + "0" * (width - size) + text[len(sign) :]
    return " " * (width - size) + text


def _formatted(value: Any, flags: str, precision: str | None, verb: str) -> str:
    if verb == "v":
        if "#" in flags or isinstance(value, (list, dict)) or value is None:
            return jsonencode(value)
        return _signed(text_of(value), flags) if not isinstance(value, (str, bool, Unknown)) else text_of(value)
    if isinstance(value, Unknown):
        return text_of(value)
    if verb == "s":
        text = string(value)
        return text[: int(precision)] if precision else text
    if verb == "q":
        return json.dumps(string(value), ensure_ascii=False)
    if verb == "t":
        if text_of(value) not in ("true", "false"):
            raise ValueError("not a boolean")
        return text_of(value)
    if isinstance(value, str) and "\ue000" in value:
        return value
    return _signed(_number(number_of(value), "#" in flags, precision, verb), flags)


def _signed(text: str, flags: str) -> str:
    sign = "+" if "+" in flags else " " if " " in flags else ""
    return text if text.startswith("-") else sign + text


def _number(value: int | float, alternate: bool, precision: str | None, verb: str) -> str:
    if verb == "d":
        return str(int(value))
    if verb in "box":
        return format(int(value), f"#{verb}" if alternate else verb)
    if verb == "X":
        return format(int(value), "X")
    if verb in "gG" and not precision:
        text = number_text(float(value)) if 1e-5 < abs(value) < 1e21 or not value else repr(float(value))
        return text if verb == "g" else text.upper()
    if verb in "eEfFgG":
        return format(float(value), f".{int(precision or 6)}{verb}")
    raise ValueError("an unknown verb")


def _formatlist(pattern: Any, *values: Any) -> list[Any]:
    sizes = {len(value) for value in values if isinstance(value, list)}
    if len(sizes) > 1:
        raise ValueError("lists of different lengths")
    size = next(iter(sizes), 1)
    if size > MAX_ITEMS or size * len(string(pattern)) > MAX_TEXT:
        raise OverflowError("too long")
    rows = ([value[i] if isinstance(value, list) else value for value in values] for i in range(size))
    return ListOf(format_text(pattern, *row) for row in rows)


# Encoding


def jsonencode(value: Any) -> str:
    """Return JSON as Terraform writes it: keys in order, signs of HTML escaped."""
    text = json.dumps(_plain(value, 0), separators=(",", ":"), ensure_ascii=False, sort_keys=True)
    if "<" in text or ">" in text or "&" in text or "\u2028" in text or "\u2029" in text:
        for sign in "<>&\u2028\u2029":
            text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _plain(value: Any, depth: int) -> Any:
    if depth > MAX_LEVELS_OF_VALUE:
        raise OverflowError("too deep")
    if isinstance(value, (Unknown, float)):
        return text_of(value) if isinstance(value, Unknown) else number_of(value)
    if isinstance(value, dict):
        return {str(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, depth + 1) for item in value]
    return value


def _jsondecode(text: Any) -> Any:
    return json.loads(string(text))


def _yamldecode(text: Any) -> Any:
    from mlguard.errors import Unreadable
    from mlguard.yamlish import load

    try:
        return load(string(text), "yamldecode")[0]
    except Unreadable:
        raise ValueError("not YAML") from None


def yamlencode(value: Any) -> str:
    """Return block style with quoted texts, as Terraform writes YAML."""
    return "\n".join(_yaml_lines(_plain(value, 0))) + "\n"


def _yaml_lines(value: Any) -> list[str]:
    if isinstance(value, dict) and value:
        lines = []
        for key in sorted(value):
            name = json.dumps(key, ensure_ascii=False)
            inner = _yaml_lines(value[key])
            if not isinstance(value[key], (dict, list)) or not value[key]:
                lines += [f"{name}: {inner[0]}", *(f"  {line}" if line else line for line in inner[1:])]
            else:
                pad = "  " if isinstance(value[key], dict) else ""
                lines += [f"{name}:", *(pad + line for line in inner)]
        return lines
    if isinstance(value, list) and value:
        return [
            ("- " if not number else "  ") + line for item in value for number, line in enumerate(_yaml_lines(item))
        ]
    if isinstance(value, str) and "\n" in value and value.strip("\n") and not value.startswith((" ", "\n")):
        tail = len(value) - len(value.rstrip("\n"))
        mark = "|-" if not tail else "|" if tail == 1 else "|+"
        return [mark, *value.removesuffix("\n").split("\n")]
    return [json.dumps(value, ensure_ascii=False)]


def _base64encode(text: Any) -> str:
    return base64.b64encode(string(text).encode()).decode()


def _base64decode(text: Any) -> str:
    try:
        return base64.b64decode(string(text), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("not base64") from None


_ENCODINGS = frozenset(
    [
        "utf8",
        "utf16",
        "utf16le",
        "utf16be",
        "iso88591",
        "iso885915",
        "windows1252",
        "usascii",
        "shiftjis",
        "eucjp",
        "gbk",
        "big5",
    ]
)


def _encoding(name: Any) -> str:
    plain = re.sub(r"[^a-z0-9]", "", string(name).lower())
    if plain not in _ENCODINGS:
        raise ValueError("not an encoding")
    return {"utf16": "utf-16be", "utf16le": "utf-16le", "utf16be": "utf-16be", "iso88591": "latin-1", "iso885915": "iso8859-15",
            "usascii": "ascii", "shiftjis": "shift_jis", "eucjp": "euc_jp"}.get(plain, plain)  # fmt: skip


def _textencode(text: Any, name: Any) -> str:
    return base64.b64encode(string(text).encode(_encoding(name))).decode()


def _textdecode(text: Any, name: Any) -> str:
    return base64.b64decode(string(text), validate=True).decode(_encoding(name))


def _csvdecode(text: Any) -> list[Any]:
    rows = list(csv.reader(io.StringIO(string(text)), strict=True))
    if not rows:
        return []
    if len(rows) * len(rows[0]) > MAX_ITEMS * 10 or len(set(rows[0])) < len(rows[0]):
        raise ValueError("too large, or two columns of one name")
    filled = [row for row in rows[1:] if row]
    if any(len(row) != len(rows[0]) for row in filled):
        raise ValueError("rows of different lengths")
    return ListOf(dict(zip(rows[0], row, strict=True)) for row in filled)


def digest(name: str, data: bytes, encoded: bool = False) -> str:
    """Return a hash in hexadecimal, or in base64."""
    made = hashlib.new(name, data, usedforsecurity=False)
    return base64.b64encode(made.digest()).decode() if encoded else made.hexdigest()


_NAMESPACES = {
    "dns": uuid.NAMESPACE_DNS, "url": uuid.NAMESPACE_URL, "oid": uuid.NAMESPACE_OID, "x500": uuid.NAMESPACE_X500,
}  # fmt: skip


def _uuidv5(namespace: Any, name: Any) -> str:
    space = string(namespace)
    return str(uuid.uuid5(_NAMESPACES.get(space) or uuid.UUID(space), string(name)))


def _hash(name: str, encoded: bool = False) -> Callable[[Any], str]:
    return lambda text: digest(name, string(text).encode(), encoded)


# Paths


def cleaned(path: str) -> str:
    """Return a path without ``.``, ``..`` and double slashes, as far as its text allows."""
    import posixpath

    return posixpath.normpath(path) if path else "."


def _basename(path: Any) -> str:
    return string(path).rstrip("/").rsplit("/", 1)[-1] or ("/" if string(path) else ".")


def _dirname(path: Any) -> str:
    head, slash, _ = string(path).rpartition("/")
    return cleaned(head or "/") if slash else "."


def _length(value: Any) -> Any:
    if isinstance(value, Open):
        return Unknown(value.reason)
    if isinstance(value, str):
        return Unknown("the length of a text that is not known here") if "\ue000" in value else len(characters(value))
    if not isinstance(value, (list, dict)):
        raise TypeError("nothing that has a length")
    rest = next((item for item in value if isinstance(item, Rest)), None)
    return len(value) if rest is None else Unknown(rest.reason)


TEXTS: dict[str, Callable[..., Any]] = {
    "lower": lambda t: string(t).lower(),
    "upper": lambda t: string(t).upper(),
    "title": _title,
    "chomp": lambda t: re.sub(r"(?:\r\n?|\n)+\Z", "", string(t)),
    "strrev": lambda t: "".join(reversed(characters(string(t)))),
    "trimspace": lambda t: string(t).strip(),
    "trim": lambda t, cut: string(t).strip(string(cut)) if string(cut) else string(t),
    "trimprefix": lambda t, prefix: string(t).removeprefix(string(prefix)),
    "trimsuffix": lambda t, suffix: string(t).removesuffix(string(suffix)),
    "startswith": lambda t, prefix: string(t).startswith(string(prefix)),
    "endswith": lambda t, suffix: string(t).endswith(string(suffix)),
    "strcontains": lambda t, part: string(part) in string(t),
    "indent": _indent,
    "substr": _substr,
    "split": _split,
    "join": _join,
    "replace": _replace,
    "regex": _regex,
    "regexall": _regexall,
    "format": format_text,
    "formatlist": _formatlist,
    "jsonencode": jsonencode,
    "jsondecode": _jsondecode,
    "yamlencode": yamlencode,
    "yamldecode": _yamldecode,
    "base64encode": _base64encode,
    "base64decode": _base64decode,
    "textencodebase64": _textencode,
    "textdecodebase64": _textdecode,
    "urlencode": lambda t: quote_plus(string(t), safe="~"),
    "urldecode": lambda t: unquote_plus(string(t), errors="strict"),
    "csvdecode": _csvdecode,
    "md5": _hash("md5"),
    "sha1": _hash("sha1"),
    "sha256": _hash("sha256"),
    "sha512": _hash("sha512"),
    "base64sha256": _hash("sha256", True),
    "base64sha512": _hash("sha512", True),
    "uuidv5": _uuidv5,
    "basename": _basename,
    "dirname": _dirname,
    "length": _length,
}
