"""Reads the strings of a JSON text and knows where each line of them stands in the file, down to the character."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping

from mlguard import lazy
from mlguard.errors import Unreadable
from mlguard.values import dataclass, field


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a line that stands in one string of the file: its first character there, and how it is written when that differs."""

    start: int  # characters of the line before it
    line: int
    column: int
    raw: str = ""


_UNIT = lazy.pattern(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|[^\\]+", re.S)
"""One character as it is escaped in JSON (RFC 8259, section 7), or several that are not. Two escapes may stand for one character."""


def written(raw: str, count: int) -> int:
    """Return how many characters of the file stand for the first ``count`` characters of a text."""
    for match in _UNIT.finditer(raw):
        plain = match.group()[0] != "\\"
        length = match.end() - match.start() if plain else 1
        if length >= count:
            return match.start() + count if plain else match.end() if count else match.start()
        count -= length
    return len(raw)


@dataclass(frozen=True, slots=True)
class Text:
    """A string of the file: where its opening quote stands, and where it ends."""

    start: int
    end: int


Node = dict[str, "Node"] | list["Node"] | Text | str
_TOKEN = lazy.pattern(r'[{}\[\]]|"[^"\\]*(?:\\.[^"\\]*)*"|[^\s{}\[\],:"]+')


def tree_of(text: str) -> Node:
    """Return the tree of a valid JSON text: strings as places, other scalars as written."""
    top: list[Node] = []
    stack: list[Node] = [top]
    keys: list[str | None] = [None]

    def add(node: Node) -> None:
        holder = stack[-1]
        if isinstance(holder, list):
            holder.append(node)
        elif isinstance(holder, dict):
            if keys[-1] is None:
                assert isinstance(node, Text)  # the grammar was checked: a name is a string
                keys[-1] = decoded(text, node)
            else:
                holder[keys[-1]] = node
                keys[-1] = None

    for match in _TOKEN.finditer(text):
        first = match.group()[0] if match.end() - match.start() == 1 else text[match.start()]
        if first in "}]":
            stack.pop()
            keys.pop()
            continue
        node: Node
        if first == "{":
            node = {}
        elif first == "[":
            node = []
        elif first == '"':
            node = Text(match.start(), match.end())
        else:
            node = match.group()
        add(node)
        if first in "{[":
            stack.append(node)
            keys.append(None)
    return top[0]


_SURROGATE = lazy.pattern("[\ud800-\udfff]")


def decoded(text: str, node: Text) -> str:
    return _unescaped(text[node.start + 1 : node.end - 1])


class File:
    """The text of the file, and which line a place is on."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.breaks = [match.start() for match in re.finditer("\n", text)]

    def line(self, offset: int) -> int:
        return bisect_right(self.breaks, offset - 1) + 1

    def column(self, offset: int) -> int:
        line = self.line(offset)
        return offset - (self.breaks[line - 2] if line > 1 else -1)

    def string(self, node: Node | None) -> str:
        return decoded(self.text, node) if isinstance(node, Text) else ""


@dataclass(frozen=True, slots=True)
class Lines:
    """Text with the place of each of its lines in the file."""

    text: str
    lines: tuple[int, ...]
    columns: tuple[int, ...]
    pieces: Mapping[int, tuple[Piece, ...]] = field(default_factory=dict)


BREAK = lazy.pattern(r"\r\n|\r|\n")
_RAW_BREAK = lazy.pattern(r"\\(?:(n|u000[aA])|(r|u000[dD])|u[0-9a-fA-F]{4}|.)", re.S)


def joined(node: Node | None, file: File, glue: str = "") -> Lines:
    """Return the text of a string or a list of strings. Raises Unreadable for anything else."""
    parts = [node] if isinstance(node, Text) else node if isinstance(node, list) else []
    if node is not None and not isinstance(node, Text | list) and node != "null":
        raise Unreadable("the text of a cell or output is neither a string nor a list of strings")
    rows = _Rows()
    for part in parts:
        if not isinstance(part, Text):
            raise Unreadable("the text of a cell or output holds something else than strings")
        line, column = file.line(part.start), file.column(part.start) + 1
        raw = file.text[part.start + 1 : part.end - 1]
        begun = 0
        for start, end in _raw_breaks(raw) if "\\" in raw else ():
            rows.add(raw[begun:start], line, column + begun)
            rows.end(line, column + end, bare_return=raw[start:end].endswith(("r", "d", "D")))
            begun = end
        rows.add(raw[begun:], line, column + begun)
        if glue:
            rows.end(line, column + len(raw))
    return rows.lines() if parts else Lines("", (1,), (1,))


def _raw_breaks(raw: str) -> Iterator[tuple[int, int]]:
    """Yield where each line end is written in a string of the file, the two characters of Windows as one."""
    held: tuple[int, int] | None = None
    for match in _RAW_BREAK.finditer(raw):
        feed, back = match.group(1), match.group(2)
        if feed and held is not None and held[1] == match.start():
            yield held[0], match.end()
            held = None
            continue
        if held is not None:
            yield held
            held = None
        if back:
            held = match.span()
        elif feed:
            yield match.span()
    if held is not None:
        yield held


class _Rows:
    """The lines of a text while its strings are read."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.begins: list[tuple[int, int]] = []
        self.pieces: dict[int, tuple[Piece, ...]] = {}
        self._parts: list[tuple[str, str, int, int]] = []  # text, as it is written, line and column in the file
        self._after_return = False

    def add(self, raw: str, line: int, column: int) -> None:
        if raw or not self._parts:
            self._parts.append((_unescaped(raw), raw, line, column))

    def end(self, line: int, column: int, bare_return: bool = False) -> None:
        """End the line. A line feed that opens the next string belongs to the carriage return that closed this one."""
        alone = len(self._parts) == 1 and not self._parts[0][1] or not self._parts
        if self._after_return and alone and not bare_return:
            self._after_return = False
            self._parts = []
            return
        self._close()
        self._after_return = bare_return

    def _close(self) -> None:
        parts = [part for part in self._parts if part[1]] or self._parts[:1]
        text = "".join(part[0] for part in parts)
        if len(parts) > 1 or any(shown != raw for shown, raw, _, _ in parts):
            pieces, before = [], 0
            for shown, raw, line, column in parts:
                pieces.append(Piece(before, line, column, raw if raw != shown else ""))
                before += len(shown)
            self.pieces[len(self.texts)] = tuple(pieces)
        self.begins.append(parts[0][2:] if parts else self.begins[-1] if self.begins else (1, 1))
        self.texts.append(text)
        self._parts = []

    def lines(self) -> Lines:
        self._close()
        places = tuple(line for line, _ in self.begins)
        return Lines("\n".join(self.texts), places, tuple(column for _, column in self.begins), self.pieces)


def _unescaped(raw: str) -> str:
    if "\\" in raw:
        raw = str(json.loads(f'"{raw}"'))
    return _SURROGATE.sub("\ufffd", raw)
