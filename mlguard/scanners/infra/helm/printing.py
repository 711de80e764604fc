"""Values as Go sees and prints them: kinds, truth, the verbs of its fmt package, and text that knows its origin."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlguard.scanners import lazy
from mlguard.scanners.infra.resources import REFERENCE, reference

if TYPE_CHECKING:
    from mlguard.scanners.infra.helm.syntax import Source

MAX_TEXT = 4 * 2**20
"""Characters of one text that a template may make."""

MAX_DEPTH = 60
"""Levels of a value that are printed or written out."""


class Failed(Exception):
    """A template that cannot be evaluated any further. The reason never quotes a value; ``start`` is an offset, or -1."""

    def __init__(self, reason: str, start: int = -1) -> None:
        super().__init__(reason)
        self.reason, self.start = reason, start
        self.trail: list[tuple[Source, int]] = []  # where it happened, the innermost template first


class Refused(Failed):
    """A chart that says itself that it does not take its values."""


class Int64(int):
    """Go's int64, which differs from int only in its name."""

    __slots__ = ()


class NoList(list[Any]):
    """A list that was never made: empty, and null where it is written out."""

    __slots__ = ()


class Strings(dict[str, Any]):
    """A mapping of text to text, in which a missing key is "" and not nothing."""

    __slots__ = ()


Mark = tuple[int, "Source | None", int, bool]
"""From this offset of a text on, it stems from that offset of a source: character for character, or as a whole. Without
a source it stems from whatever wrote it."""


class Traced(str):
    """A text of several lines that knows where each of them was written."""

    __slots__ = ("marks",)
    marks: tuple[Mark, ...]

    def __new__(cls, text: str, marks: Iterable[Mark]) -> Traced:
        one = super().__new__(cls, text)
        one.marks = tuple(marks)
        return one


def shifted(text: str, marks: Iterable[Mark], by: int) -> Traced:
    """Return a text with the marks of another that stands ``by`` characters further to the right in it."""
    moved: list[Mark] = []
    for start, source, offset, exact in marks:
        if start + by < 0:
            item = (0, source, offset - (start + by) if exact else offset, exact)
            if moved and moved[-1][0] == 0:
                moved[-1] = item
            else:
                moved.append(item)
        elif moved and moved[-1][0] == start + by:
            moved[-1] = (start + by, source, offset, exact)
        else:
            moved.append((start + by, source, offset, exact))
    return Traced(text, moved)


class Opaque:
    """Something that only a run would know and that has fields, as a new certificate has."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def go_field(self, field: str) -> Any:
        return reference(f"{self.name}.{field}")

    def __str__(self) -> str:
        return reference(self.name)


def unknown(value: Any) -> str | None:
    """Return the reference that a value is or holds as text, else None."""
    if isinstance(value, str):
        if "\ue000" not in value:
            return None
        match = REFERENCE.search(value)
        return match.group() if match else None
    return str(value) if isinstance(value, Opaque) else None


def kind_of(value: Any) -> str:
    """Return the kind as ``reflect`` names it."""
    if value is None:
        return "invalid"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, Int64):
        return "int64"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "float64"
    if isinstance(value, str):
        return "string"
    if isinstance(value, Mapping):
        return "map"
    return "slice" if isinstance(value, (list, bytes)) else getattr(value, "go_kind", "struct")


def type_of(value: Any) -> str:
    """Return the type as ``%T`` prints it."""
    if value is None:
        return "<nil>"
    if isinstance(value, Strings):
        return "map[string]string"
    if isinstance(value, Mapping):
        return str(getattr(value, "go_type", "map[string]interface {}"))
    if isinstance(value, bytes):
        return "[]uint8"
    if isinstance(value, list):
        return "[]interface {}"
    return kind_of(value) if isinstance(value, (str, int, float)) else str(getattr(value, "go_type", "struct"))


def truth(value: Any) -> bool:
    """Say whether a value counts as true: not the zero value of its kind."""
    if isinstance(value, (str, bytes, list, Mapping)):
        return len(value) > 0
    return value is not None if not isinstance(value, (bool, int, float)) else value != 0


def float_text(value: float, lowest: int = -4, highest: int = 6) -> str:
    """Return the shortest form that reads back the same; with an exponent below 1e``lowest`` and from 1e``highest`` on."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0:
        return "-0" if str(value).startswith("-") else "0"
    sign = "-" if value < 0 else ""
    mantissa, _, power = f"{abs(value)!r}".partition("e")
    whole, _, rest = mantissa.partition(".")
    digits = (whole + rest).lstrip("0")
    exponent = int(power or 0) + (len(whole) - 1 if whole != "0" else -(len(rest) - len(rest.lstrip("0")) + 1))
    digits = digits.rstrip("0") or "0"
    if exponent < lowest or exponent >= highest:
        tail = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{tail}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    return sign + _plain(digits, exponent)


def _plain(digits: str, exponent: int) -> str:
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    if len(digits) <= exponent + 1:
        return digits + "0" * (exponent + 1 - len(digits))
    return f"{digits[: exponent + 1]}.{digits[exponent + 1 :]}"


def show(value: Any, depth: int = 0) -> str:
    """Return a value as ``%v`` prints it."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return float_text(value)
    if depth > MAX_DEPTH:
        raise Failed(f"a value nests over {MAX_DEPTH} levels deep")
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{key}:{show(value[key], depth + 1)}" for key in sorted(value)) + "]"
    if isinstance(value, bytes):
        return "[" + " ".join(map(str, value)) + "]"
    return "[" + " ".join(show(item, depth + 1) for item in value) + "]" if isinstance(value, list) else str(value)


def text_of(value: Any) -> str:
    """Return a value as text, as sprig's ``toString`` makes it."""
    if isinstance(value, bytes):
        return from_utf8(value)
    return value if isinstance(value, str) else show(value)


def utf8(value: str) -> bytes:
    """Return a text as Go holds it."""
    return value.encode("utf-8", "surrogatepass")


def from_utf8(data: bytes) -> str:
    """Return the text that bytes are; what is none becomes a sign of its own."""
    return data.decode("utf-8", "replace")


def sprint(values: Sequence[Any]) -> str:
    """Return values as ``print`` joins them: a blank between two that are both no text."""
    if len(values) == 1:
        return show(values[0])
    parts: list[str] = []
    for index, value in enumerate(values):
        if index and not isinstance(value, str) and not isinstance(values[index - 1], str):
            parts.append(" ")
        parts.append(show(value))
    return bounded("".join(parts))


def bounded(text: str) -> str:
    """Return the text. Raises Failed for one that is too long."""
    if len(text) > MAX_TEXT:
        raise Failed(f"makes a text of over {MAX_TEXT} characters")
    return text


_QUOTED = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}
_PLAIN = lazy.pattern(r"[ !#-\[\]-~\ue000\ue001]*")


def quoted(text: str) -> str:
    """Return a text as ``%q`` prints it. The characters around a reference stay as they are."""
    if _PLAIN.fullmatch(text):
        return f'"{text}"'
    return '"' + "".join(_escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    if char in _QUOTED:
        return _QUOTED[char]
    if " " <= char <= "~" or char in "\ue000\ue001":
        return char
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    if unicodedata.category(char)[0] in "LMNPS":
        return char
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_VERB = lazy.pattern(r"%([-+# 0]*)(\[\d+\])?(\*|\d+)?(?:\.(\*|\d+)?)?(\[\d+\])?(.)", re.S)
MAX_WIDTH = 10_000
"""Characters to which a verb may pad."""


def sprintf(form: str, values: Sequence[Any]) -> str:
    """Return the text that ``printf`` makes of a format and values, with Go's own words for what does not fit."""
    parts: list[str] = []
    used = last = 0
    reordered = False
    for match in iter_verbs(form):
        parts.append(form[last : match.start()])
        last = match.end()
        flags, index, width, precision, _, verb = match.groups()
        if verb == "%":
            parts.append("%")
            continue
        if index:
            used, reordered = int(index[1:-1]) - 1, True
        if width == "*":
            width, used = str(values[used]) if used < len(values) else "", used + 1
        if precision == "*":
            precision, used = str(values[used]) if used < len(values) else "", used + 1
        if used >= len(values) or used < 0:
            parts.append(f"%!{verb}(BADINDEX)" if index else f"%!{verb}(MISSING)")
            continue
        dotted = "." in form[match.start() : match.end() - 1]
        parts.append(
            _verb(verb, flags, _width(width), _width(precision) if precision else (0 if dotted else -1), values[used])
        )
        used += 1
    parts.append(_tail(form[last:]))
    if not reordered and used < len(values):
        extra = ", ".join(
            f"{type_of(value)}={show(value)}" if value is not None else "<nil>" for value in values[used:]
        )
        parts.append(f"%!(EXTRA {extra})")
    return bounded("".join(parts))


def _tail(text: str) -> str:
    return text[: text.index("%")] + "%!(NOVERB)" if "%" in text else text


def iter_verbs(form: str) -> Iterable[re.Match[str]]:
    return _VERB.finditer(form)


def _width(text: str | None) -> int:
    try:
        number = int(text or 0)
    except ValueError:
        return 0
    if number > MAX_WIDTH:
        raise Failed(f"pads a text to over {MAX_WIDTH} characters")
    return number


def _verb(verb: str, flags: str, width: int, precision: int, value: Any) -> str:
    if isinstance(value, (list, Mapping)) and verb not in "vTp" and not isinstance(value, bytes):
        return _nested(verb, flags, width, precision, value)
    text, number = _converted(verb, flags, precision, value)
    if len(text) >= width:
        return text
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags and (number or verb in "sqvxX"):
        signed = text[:1] in "+-" and number
        return text[:1] + text[1:].rjust(width - 1, "0") if signed else text.rjust(width, "0")
    return text.rjust(width)


def _nested(verb: str, flags: str, width: int, precision: int, value: Any) -> str:
    if isinstance(value, Mapping):
        inner = " ".join(
            f"{_verb(verb, flags, width, precision, key)}:{_verb(verb, flags, width, precision, value[key])}"
            for key in sorted(value)
        )
        return f"map[{inner}]"
    return "[" + " ".join(_verb(verb, flags, width, precision, item) for item in value) + "]"


def _converted(verb: str, flags: str, precision: int, value: Any) -> tuple[str, bool]:
    """Return a value under a verb, and whether it is a number."""
    if verb == "T":
        return type_of(value), False
    if verb == "v":
        if "#" in flags:
            return _syntax(value), False
        text = show(value)
        cut = text[:precision] if precision >= 0 and isinstance(value, str) else text
        return cut, isinstance(value, (int, float)) and not isinstance(value, bool)
    if value is None:
        return f"%!{verb}(<nil>)", False
    if isinstance(value, bool):
        return (show(value), False) if verb == "t" else (_bad(verb, value), False)
    if isinstance(value, int):
        return _integer(verb, flags, precision, int(value))
    if isinstance(value, float):
        return _float(verb, flags, precision, value)
    text = text_of(value) if isinstance(value, (str, bytes)) else str(value)
    if verb == "s":
        return (text[:precision] if precision >= 0 else text), False
    if verb == "q":
        text = text[:precision] if precision >= 0 else text
        return (f"`{text}`" if "#" in flags and "`" not in text and "\n" not in text else quoted(text)), False
    if verb in "xX":
        if "\ue000" in text:
            return str(unknown(text)), False
        data = utf8(text).hex()
        return (data.upper() if verb == "X" else data), False
    return _bad(verb, value), False


def _bad(verb: str, value: Any) -> str:
    return f"%!{verb}({type_of(value)}={show(value)})"


def _syntax(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    if value is None:
        return "<nil>"
    if isinstance(value, Mapping):
        inner = ", ".join(f"{quoted(str(key))}:{_syntax(value[key])}" for key in sorted(value))
        return f"{type_of(value)}{{{inner}}}"
    if isinstance(value, list):
        return f"{type_of(value)}{{{', '.join(_syntax(item) for item in value)}}}"
    return show(value)


_BASES = {"d": "d", "b": "b", "o": "o", "x": "x", "X": "X"}


def _integer(verb: str, flags: str, precision: int, value: int) -> tuple[str, bool]:
    if verb in _BASES:
        text = format(abs(value), _BASES[verb])
        text = text.rjust(min(precision, MAX_WIDTH), "0") if precision > 0 else text
        prefix = {"x": "0x", "X": "0X", "o": "0", "b": "0b"}.get(verb, "") if "#" in flags else ""
        sign = "-" if value < 0 else "+" if "+" in flags else " " if " " in flags else ""
        return sign + prefix + text, True
    try:
        if verb == "c":
            return chr(value), False
        if verb == "q":
            return f"'{chr(value)}'", False
        if verb == "U":
            return f"U+{value:04X}", False
        if verb == "O":
            return f"{'-' if value < 0 else ''}0o{abs(value):o}", True
    except (ValueError, OverflowError):
        return "\ufffd", False
    return _bad(verb, value), False


def _float(verb: str, flags: str, precision: int, value: float) -> tuple[str, bool]:
    if verb in "eEfFgG":
        if verb in "gG" and precision < 0:
            text = float_text(value).upper() if verb == "G" else float_text(value)
        else:
            text = format(value, f".{min(precision if precision >= 0 else 6, 500)}{verb}")
        if "+" in flags and value >= 0:
            text = "+" + text
        return (" " + text if " " in flags and value >= 0 else text), True
    return _bad(verb, value), False
