"""Writes YAML as Helm's ``toYaml`` does, to the letter: templates indent, hash and compare what comes out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cmp_to_key
from typing import Any

from mlguard.scanners import lazy
from mlguard.scanners.infra.helm.encoding import BASE_60, MAX_NODES, WORDS, base64_of, is_time, number_text, resolved
from mlguard.scanners.infra.helm.printing import MAX_DEPTH, Failed, NoList, float_text

WIDTH = 80
"""Columns after which a long text goes on in the next line."""


def to_yaml(value: Any, pretty: bool = False) -> str:
    """Return a value as Helm's ``toYaml`` writes it: sorted keys, lists at the level of their key (``pretty``: further
    to the right), no final line break."""
    text = "".join(_Writer(2 if pretty else 0).document(value))
    return text[:-1] if text.endswith("\n") else text


class _Writer:
    def __init__(self, list_indent: int) -> None:
        self.budget, self.list_indent = MAX_NODES, list_indent
        self.parts: list[str] = []

    def document(self, value: Any) -> list[str]:
        self.node(value, 0, "", 0, False)
        return self.parts

    def node(self, value: Any, indent: int, before: str, depth: int, in_mapping: bool) -> None:
        """Write a value after ``before``, which is what stands on its line already ("": nothing)."""
        self.budget -= 1
        if self.budget < 0 or depth > MAX_DEPTH:
            raise Failed(f"writes out a value of over {MAX_NODES} parts or {MAX_DEPTH} levels")
        if hasattr(value, "go_plain"):
            value = value.go_plain()
        if isinstance(value, NoList):
            value = None
        if isinstance(value, Mapping) and value:
            self.mapping(value, indent, before, depth, in_mapping)
        elif isinstance(value, list) and value:
            self.sequence(value, indent, before, depth, in_mapping)
        elif isinstance(value, Mapping):
            self.parts.append(f"{before} {{}}\n" if in_mapping else f"{before}{{}}\n")
        elif isinstance(value, list):
            self.parts.append(f"{before} []\n" if in_mapping else f"{before}[]\n")
        else:
            lead = f"{before} " if in_mapping else before
            own = indent if in_mapping or depth == 0 else indent - 2
            self.parts.append(f"{lead}{_written(value, own + 2, len(lead))}\n")

    def mapping(self, value: Mapping[str, Any], indent: int, before: str, depth: int, in_mapping: bool) -> None:
        if in_mapping:
            self.parts.append(before + "\n")
            before, indent = "", indent + 2
        pad = " " * indent
        for key in ordered(value):
            lead = before or pad
            before = ""
            name = _written_key(str(key))
            if len(name) > 128 or "\n" in key:
                self.parts.append(f"{lead}? {_string(key, indent + 2, len(lead) + 2)}\n")
                self.node(value[key], indent + 2, f"{pad}: ", depth + 1, False)
                continue
            self.node(value[key], indent, f"{lead}{name}:", depth + 1, True)

    def sequence(self, value: list[Any], indent: int, before: str, depth: int, in_mapping: bool) -> None:
        if in_mapping:
            self.parts.append(before + "\n")
            before, indent = "", indent + self.list_indent
        pad = " " * indent
        for item in value:
            lead = before or pad
            before = ""
            self.node(item, indent + 2, f"{lead}- ", depth + 1, False)


def ordered(keys: Any) -> list[str]:
    """Return keys in the order in which YAML is written: numbers in them by their value, letters after other signs."""
    names = [str(key) for key in keys]
    if all(name.isascii() and name.isalpha() for name in names):
        return sorted(names)
    return sorted(names, key=cmp_to_key(_compare))


def _compare(left: str, right: str) -> int:
    for index in range(min(len(left), len(right))):
        a, b = left[index], right[index]
        if a == b:
            continue
        if a.isalpha() or b.isalpha():
            less = a < b if a.isalpha() and b.isalpha() else b.isalpha()
        else:
            less = _lessnumber_text(left, right, index)
        return -1 if less else 1
    return len(left) - len(right)


def _lessnumber_text(left: str, right: str, index: int) -> bool:
    lead = 0
    if "0" in (left[index], right[index]):
        back = index - 1
        while back >= 0 and left[back].isdigit():
            if left[back] != "0":
                lead = 1
                break
            back -= 1
    first, first_end = _digits(left, index, lead)
    second, second_end = _digits(right, index, lead)
    if first != second:
        return first < second
    if first_end != second_end:
        return first_end < second_end
    return left[index] < right[index]


def _digits(text: str, index: int, number: int) -> tuple[int, int]:
    while index < len(text) and text[index].isdecimal() and text[index].isascii():
        number = (number * 10 + int(text[index])) % 2**64
        index += 1
    return number, index


def _written(value: Any, indent: int, column: int) -> str:
    """Return a scalar that begins in a column, whose further lines are indented that far."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        text = number_text(value)
        number = resolved(text)
        return str(number) if isinstance(number, int) else float_text(float(text))
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, bytes):
        value = base64_of(value)
    return _string(str(value), indent, column)


_EASY = lazy.pattern(r"[A-Za-z_/][A-Za-z0-9_./-]*")
_SPECIAL = lazy.pattern("[^\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]")
_BREAKS = lazy.pattern("[\n\r\x85\u2028\u2029]")


def _string(text: str, indent: int, column: int, key: bool = False) -> str:
    if _EASY.fullmatch(text) and text not in WORDS:
        return text
    special, single_fits, plain_fits, block_fits = _analysed(text)
    if "\n" in text:
        return _literal(text, indent) if block_fits and not key else _double(text, indent, column, key)
    if text == "" or not isinstance(resolved(text), str) or is_time(text) or BASE_60.fullmatch(text):
        return _double(text, indent, column, key)
    if not plain_fits and (special or not single_fits):
        return _double(text, indent, column, key)
    written = text if plain_fits else "'" + text.replace("'", "''") + "'"
    return written if key or len(written) + column <= WIDTH else _folded(written, indent, column, not plain_fits)


def _folded(text: str, indent: int, column: int, inside: bool) -> str:
    """Break a text at single blanks behind the last column; not at the very ends of one in quotes."""
    parts: list[str] = []
    last = 0
    for match in re.finditer("(?<! ) (?! )", text):
        at = match.start()
        if inside and (at <= 1 or at >= len(text) - 2):
            continue
        if column + at - last > WIDTH:
            parts.append(text[last:at])
            last, column = at + 1, indent
    return ("\n" + " " * indent).join([*parts, text[last:]])


def _written_key(text: str) -> str:
    return _string(text, 0, 0, key=True)


def _analysed(text: str) -> tuple[bool, bool, bool, bool]:
    """Return whether a text has special characters, and whether quotes, no quotes or a block can hold it."""
    special = _SPECIAL.search(text) is not None or bool(re.search("[\x85\r]", text))
    breaks = _BREAKS.search(text) is not None
    space_break = re.search("\x20[\n\r\x85\u2028\u2029]", text) is not None
    break_space = re.search("[\n\r\x85\u2028\u2029]\x20", text) is not None
    edge = text[:1] in (" ", "\n", "\u2028", "\u2029") or text[-1:] in (" ", "\n", "\u2028", "\u2029")
    unfit = special or space_break
    plain = not (unfit or edge or breaks or break_space or _indicates(text))
    return special, not (unfit or break_space), plain, not (unfit or text.endswith(" "))


_INDICATORS = frozenset("#,[]{}&*!|>'\"%@`")


def _indicates(text: str) -> bool:
    """Say whether a text would mean something else without quotes."""
    if text.startswith(("---", "...")) or text[:1] in _INDICATORS:
        return True
    if text[:1] in ("?", ":", "-") and (len(text) == 1 or text[1] in " \t\n\r"):
        return True
    return re.search(r":(?:[\s]|$)|(?<=[\s\0])#", text) is not None


def _literal(text: str, indent: int) -> str:
    hint = "2" if text[0] in " \n\u2028\u2029" else ""
    body = text.rstrip("\n")
    tail = len(text) - len(body)
    chomp = "-" if tail == 0 else "" if tail == 1 and body else "+"
    pad = " " * indent
    lines = text.split("\n")
    if tail:
        lines.pop()
    return f"|{hint}{chomp}\n" + "\n".join(pad + line if line else "" for line in lines)


_DOUBLE = {
    "\0": "\\0", "\a": "\\a", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\v": "\\v", "\f": "\\f", "\r": "\\r", "\x1b": "\\e",
    '"': '\\"', "\\": "\\\\", "\x85": "\\N", "\u2028": "\\L", "\u2029": "\\P", "\ufeff": "\\uFEFF",
}  # fmt: skip


def _double(text: str, indent: int, column: int, key: bool) -> str:
    parts: list[str] = ['"']
    column += 1
    spaces = False
    for index, char in enumerate(text):
        if char == " " and not key and not spaces and column > WIDTH and 0 < index < len(text) - 1:
            parts.append("\n" + " " * indent + ("\\" if text[index + 1] == " " else ""))
            column = indent + (text[index + 1] == " ")
        else:
            parts.append(_escaped(char))
            column += len(parts[-1])
        spaces = char == " "
    return "".join(parts) + '"'


def _escaped(char: str) -> str:
    if char in _DOUBLE:
        return _DOUBLE[char]
    if not _SPECIAL.match(char):
        return char
    code = ord(char)
    return f"\\x{code:02X}" if code < 256 else f"\\u{code:04X}" if code < 65536 else f"\\U{code:08X}"
