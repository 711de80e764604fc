"""The language of Dockerfiles: instructions, their flags and blocks of text, and the variables in them."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import islice

from mlguard.errors import Unreadable
from mlguard.scanners import lazy
from mlguard.scanners.infra.resources import Position, reference
from mlguard.values import dataclass

MAX_EXPANSION = 10_000
"""Characters that a text may grow to when variables are put in."""

MAX_HEREDOCS = 32
"""Blocks of text that one instruction may carry."""

_DIRECTIVE = lazy.pattern(r"^#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.*?)\s*$")
_KEYWORDS = frozenset(
    [
        "FROM", "RUN", "CMD", "LABEL", "MAINTAINER", "EXPOSE", "ENV", "ADD", "COPY", "ENTRYPOINT", "VOLUME", "USER",
        "WORKDIR", "ARG", "ONBUILD", "STOPSIGNAL", "HEALTHCHECK", "SHELL",
    ]
)  # fmt: skip
_HEREDOC = lazy.pattern(r"(?<![<\w])\d*<<(-?)(['\"]?)([A-Za-z_][\w.-]*)\2(?=$|[\s>|&;)])")
_FLAG = lazy.pattern(r"--([a-z][a-z-]*)(?:=(\S*))?(?=\s|$)")


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A block of text that an instruction carries. ``line`` is its first line, from 1."""

    name: str
    text: str
    line: int
    quoted: bool


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction as written. ``text`` is what follows the keyword and its flags, with continued lines joined.

    ``places`` maps offsets of ``text`` to line and column: (offset, line, column), ascending.
    """

    keyword: str
    text: str
    flags: tuple[tuple[str, str], ...]
    heredocs: tuple[Heredoc, ...]
    at: Position
    places: tuple[tuple[int, int, int], ...]
    onbuild: bool = False

    def position(self, start: int, end: int) -> Position:
        """Return the place of a part of ``text``."""
        line, column = self._place(start)
        end_line, end_column = self._place(max(start, end - 1))
        return Position(line, column, end_line, end_column + 1)

    def _place(self, offset: int) -> tuple[int, int]:
        begin, line, column = self.places[max(0, bisect_right(self.places, (offset, 2**31, 0)) - 1)]
        return line, column + offset - begin


def parse(text: str) -> list[Instruction]:
    """Return the instructions of a Dockerfile. Raises Unreadable for text that holds no instruction."""
    lines = text.replace("\r\n", "\n").split("\n")
    escape, at = _directives(lines)
    found: list[Instruction] = []
    while at < len(lines):
        if not lines[at].strip() or lines[at].lstrip().startswith("#"):
            at += 1
            continue
        instruction, at = _instruction(lines, at, escape)
        if instruction is not None:
            found.append(instruction)
    if not found:
        raise Unreadable("no instruction of a Dockerfile was found")
    return found


def _directives(lines: Sequence[str]) -> tuple[str, int]:
    """Return the escape character and the first line after the parser directives."""
    escape = "\\"
    for at, line in enumerate(lines):
        match = _DIRECTIVE.match(line.strip())
        if not match:
            return escape, at
        if match[1].lower() == "escape" and match[2] in ("\\", "`"):
            escape = match[2]
    return escape, len(lines)


def _instruction(lines: Sequence[str], at: int, escape: str) -> tuple[Instruction | None, int]:
    """Read one instruction from line index ``at``; return it (None: not one) and the index after it."""
    first = at
    parts: list[str] = []
    places: list[tuple[int, int, int]] = []
    length = 0
    last = at
    while at < len(lines):
        line = lines[at]
        if at > first and (not line.strip() or line.lstrip().startswith("#")):
            at += 1
            continue
        stripped = line.rstrip()
        goes_on = stripped.endswith(escape)
        part = stripped[:-1] if goes_on else stripped
        indent = len(part) - len(part.lstrip()) if at == first else 0
        part = part[indent:]
        places.append((length, at + 1, indent + 1))
        parts.append(part)
        length += len(part)
        last = at
        at += 1
        if not goes_on:
            break
    whole = "".join(parts)
    end = len(lines[last].rstrip())
    keyword, offset, onbuild = _keyword(whole)
    if keyword is None:
        return None, at
    flags, offset = _flags(whole, offset)
    body = whole[offset:]
    heredocs: tuple[Heredoc, ...] = ()
    if keyword in ("RUN", "COPY", "ADD") and "<<" in body:
        heredocs, at = _heredocs(lines, at, body)
        if heredocs:
            last, end = at - 1, len(lines[at - 1])
    moved = tuple((max(0, begin - offset), line, column + max(0, offset - begin)) for begin, line, column in places)
    kept = tuple(place for index, place in enumerate(moved) if index + 1 == len(moved) or moved[index + 1][0] > 0)
    start = places[0]
    position = Position(start[1], start[2], last + 1, end + 1)
    return Instruction(keyword, body, flags, heredocs, position, kept, onbuild), at


def _keyword(whole: str) -> tuple[str | None, int, bool]:
    onbuild = False
    offset = 0
    while match := re.compile(r"\s*([A-Za-z]+)(?:\s+|$)").match(whole, offset):
        word = match[1].upper()
        if word not in _KEYWORDS:
            return None, 0, False
        offset = match.end()
        if word != "ONBUILD" or onbuild:
            return word, offset, onbuild
        onbuild = True
    return None, 0, False


def _flags(whole: str, offset: int) -> tuple[tuple[tuple[str, str], ...], int]:
    flags = []
    while match := _FLAG.match(whole, offset):
        flags.append((match[1], match[2] or ""))
        offset = match.end()
        offset += len(whole[offset:]) - len(whole[offset:].lstrip())
    return tuple(flags), offset


def _heredocs(lines: Sequence[str], at: int, body: str) -> tuple[tuple[Heredoc, ...], int]:
    """Return the heredocs that ``body`` opens and the index after the last; none when one is never closed."""
    found: list[Heredoc] = []
    for match in islice(_HEREDOC.finditer(body), MAX_HEREDOCS):
        if body[: match.start()].count("'") % 2 or body[: match.start()].count('"') % 2:
            continue  # inside a quoted text
        start = at
        while at < len(lines) and (lines[at].lstrip("\t") if match[1] else lines[at]) != match[3]:
            at += 1
        if at == len(lines):
            return tuple(found), start
        block = [line.lstrip("\t") if match[1] else line for line in lines[start:at]]
        found.append(Heredoc(match[3], "\n".join(block), start + 1, bool(match[2])))
        at += 1
    return tuple(found), at


_VARIABLE = lazy.pattern(
    r"\\\$|\$(?:\{([A-Za-z_]\w*)(?:(:?[-+?])((?:[^{}]|\{[^{}]*\})*)|[#%/][^}]*)?\}|([A-Za-z_]\w*))"
)


def expand(text: str, values: Mapping[str, str | None], depth: int = 0, what: str = "build argument") -> str:
    """Return ``text`` with variables put in. What is not known before the build becomes a reference; unset is empty."""
    if "$" not in text or depth > 5:
        return text

    def put(match: re.Match[str]) -> str:
        name, sign, other = match[1] or match[4], match[2], match[3] or ""
        if not name:
            return "$"
        value = values.get(name)
        known = name in values and value is not None
        if sign in ("-", ":-") and not (known and (value or sign == "-")):
            return expand(other, values, depth + 1, what)
        if sign in ("+", ":+"):
            return expand(other, values, depth + 1, what) if value else ""
        if known:
            return str(value)
        return reference(f"{what} {name}")

    return _VARIABLE.sub(put, text)[:MAX_EXPANSION]


def assignments(text: str) -> list[tuple[str, str, int, int]]:
    """Return (name, value, start, end) of what ENV, ARG or LABEL sets, without quotes; the old form ``ENV name value`` too."""
    found: list[tuple[str, str, int, int]] = []
    at = 0
    token = re.compile(r"\s*((?:[^\s\"'\\]|\\.|\"(?:\\.|[^\"\\])*\"?|'[^']*'?)+)")
    while match := token.match(text, at):
        at = match.end()
        name, equals, value = match[1].partition("=")
        if not equals and not found:
            rest = text[at:].strip()
            return [(name, rest, match.start(1), len(text.rstrip()))]
        found.append((name.strip("\"'"), _unquoted(value), match.start(1), match.end(1)))
    return found


def _unquoted(text: str) -> str:
    return re.sub(
        r"\\(.)|\"((?:\\.|[^\"\\])*)\"?|'([^']*)'?",
        lambda match: match[1] or re.sub(r"\\([\"\\])", r"\1", match[2] or "") or match[3] or "",
        text,
        flags=re.S,
    )


def exec_form(text: str) -> list[str] | None:
    """Return the words of the JSON form, or None for the shell form."""
    if not text.lstrip().startswith("["):
        return None
    try:
        words = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else None
