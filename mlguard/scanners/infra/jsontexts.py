"""JSON texts: what they say, also with references in them, and where their parts stand."""

from __future__ import annotations

import json
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners import lazy
from mlguard.scanners.infra.resources import REFERENCE, Path, Position
from mlguard.values import replace

MAX_LEVELS = 100
"""Objects and lists inside each other."""

JSON_TEXTS = {
    "aws_emr_security_configuration": "configuration", "aws_opensearchserverless_security_policy": "policy",
    "azurerm_function_app_function": "config_json",
}  # fmt: skip
"""Attributes that hold a JSON text which rules look into, policies of access apart."""

_BLANK = lazy.pattern(r"[ \t\r\n]*+")
_TOKEN = lazy.pattern(r'"(?:[^"\\]++|\\.)*+"|[\[\]{}]', re.S)
_DECODER = json.JSONDecoder(strict=False)
_PLAIN = lazy.pattern(r'"(?:[^"\\]++|\\.)*+"|[-+.\w]++', re.S)


def json_text(text: str) -> str:
    """Return a JSON text with the quotes escaped that the key of an instance brought into a reference in it."""
    return REFERENCE.sub(lambda match: re.sub(r'(?<!\\)"', r'\\"', match.group()), text)


def json_value(text: str) -> Any:
    """Return what a JSON text says, which may hold references. Raises Unreadable."""
    try:
        return json.loads(json_text(text), strict=False)
    except (ValueError, RecursionError):
        raise Unreadable("not valid JSON") from None


class Text:
    """A JSON text. What is no JSON raises Unreadable when it is come across."""

    def __init__(self, text: str, path: str) -> None:
        self.text, self.path = text, path
        self.lines = array("Q", (match.end() for match in re.finditer("\n", text)))

    def position(self, start: int, end: int) -> Position:
        """Return the place of a part; ``end`` is exclusive."""
        line, column = self._point(start)
        end_line, end_column = self._point(end)
        return Position(line, column, end_line, end_column, self.path)

    def _point(self, at: int) -> tuple[int, int]:
        line = bisect_right(self.lines, at)
        return line + 1, at - (self.lines[line - 1] if line else 0) + 1

    def after_blanks(self, at: int) -> int:
        match = _BLANK.match(self.text, at)
        return match.end() if match else at

    def value(self, at: int) -> tuple[Any, int]:
        """Return the value that begins at a place, and where it ends."""
        try:
            return _DECODER.raw_decode(self.text, self.after_blanks(at))
        except (ValueError, RecursionError):
            raise Unreadable(f"not valid JSON after line {self._point(at)[0]}") from None

    def end(self, at: int) -> int:
        """Return where the value that begins at a place ends, without building it."""
        at = self.after_blanks(at)
        if self.text[at : at + 1] not in ("{", "["):
            match = _PLAIN.match(self.text, at)
            return match.end() if match else self._broken(at)
        depth = 0
        for token in _TOKEN.finditer(self.text, at):
            sign = token.group()[0]
            if sign in "{[":
                depth += 1
            elif sign in "}]":
                depth -= 1
                if not depth:
                    return token.end()
        return self._broken(at)

    def _broken(self, at: int) -> int:
        raise Unreadable(f"not valid JSON after line {self._point(at)[0]}")

    def members(self, at: int) -> Iterator[tuple[str, int, int]]:
        """Yield each key of the object that begins at a place, where the key begins, and where its value begins.

        Nothing where there is no object.
        """
        at = self.after_blanks(at)
        if self.text[at : at + 1] != "{":
            return
        at = self.after_blanks(at + 1)
        while self.text[at : at + 1] != "}":
            key, end = self.value(at)
            colon = self.after_blanks(end)
            if not isinstance(key, str) or self.text[colon : colon + 1] != ":":
                self._broken(at)
            start = self.after_blanks(colon + 1)
            yield key, at, start
            at = self._next(self.end(start), "}")

    def items(self, at: int) -> Iterator[int]:
        """Yield where each element begins of the list that begins at a place. Nothing where there is no list."""
        at = self.after_blanks(at)
        if self.text[at : at + 1] != "[":
            return
        at = self.after_blanks(at + 1)
        while self.text[at : at + 1] != "]":
            yield at
            at = self._next(self.end(at), "]")

    def elements(self, at: int) -> Iterator[tuple[Any, int]]:
        """Yield each element of the list that begins at a place, built, and where it begins."""
        at = self.after_blanks(at)
        if self.text[at : at + 1] != "[":
            return
        at = self.after_blanks(at + 1)
        while self.text[at : at + 1] != "]":
            value, end = self.value(at)
            yield value, at
            at = self._next(end, "]")

    def _next(self, at: int, close: str) -> int:
        at = self.after_blanks(at)
        sign = self.text[at : at + 1]
        if sign == ",":
            return self.after_blanks(at + 1)
        return at if sign == close else self._broken(at)

    def places(self, at: int, path: Path = (), levels: int = MAX_LEVELS) -> Iterator[tuple[Path, Position]]:
        """Yield the place of everything below the value that begins at a place, ``levels`` deep."""
        if levels < 0:
            return
        for key, start, value in self.members(at):
            yield (*path, key), self.position(start, self.end(value))
            yield from self.places(value, (*path, key), levels - 1)
        for number, start in enumerate(self.items(at)):
            yield (*path, number), self.position(start, self.end(start))
            yield from self.places(start, (*path, number), levels - 1)


def heredoc_places(text: str, heredoc: Position, levels: int = MAX_LEVELS) -> dict[Path, Position]:
    """Return the lines of what a JSON text says that begins on the line after ``heredoc``; none where it is no JSON."""
    try:
        found = list(Text(text, heredoc.path).places(0, (), levels))
    except Unreadable:
        return {}
    return {
        path: replace(
            place, line=place.line + heredoc.line, column=1, end_line=place.end_line + heredoc.line, end_column=0
        )
        for path, place in found
    }
