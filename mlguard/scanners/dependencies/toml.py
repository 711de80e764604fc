"""Reads TOML, and finds the places that the TOML parser does not tell."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from typing import Any

from mlguard import lazy
from mlguard.errors import Unreadable
from mlguard.scanners.dependencies.manifests import Place

MAX_DOTS = 5_000
"""Dots of one line outside quotes: a longer key has more parts than any file needs, and its parts cost their square."""

MAX_PLACES = 1_000_000
"""Keys and values of one file whose place is looked for."""

Path = tuple[str | int, ...]


def load(text: str) -> dict[str, Any]:
    """Return the document. Raises Unreadable."""
    text = text.removeprefix("\ufeff")
    if len(text) > MAX_DOTS and any(line.count(".") > MAX_DOTS for line in text.split("\n") if len(line) > MAX_DOTS):
        raise Unreadable(f"a line has over {MAX_DOTS} dots")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+), column (\d+)", str(error))
        where = f" (line {line[1]}, column {line[2]})" if line else ""
        raise Unreadable(f"not valid TOML{where}") from None
    except (RecursionError, ValueError):
        raise Unreadable("not valid TOML") from None


def table(value: Any, *keys: str) -> dict[str, Any]:
    """Return the table below some keys, an empty one when there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def strings(value: Any) -> list[str]:
    """Return the strings of a list, none of anything else."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


_BLANK = lazy.pattern(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
_KEY = lazy.pattern(r"[ \t]*+(?:([A-Za-z0-9_-]++)|\"((?:[^\"\\\n]++|\\.)*+)\"|'([^'\n]*+)')[ \t]*+")
_STRING = lazy.pattern(
    r'"""(?:[^"\\]++|\\.|"{1,2}(?!"))*+"{3,5}|\'\'\'(?:[^\']++|\'{1,2}(?!\'))*+\'{3,5}|"(?:[^"\\\n]++|\\.)*+"|\'[^\'\n]*+\'',
    re.S,
)
_SCALAR = lazy.pattern(r"[^\s,\]}#]++(?: [0-9][^\s,\]}#]*+)?")


class Places:
    """Where the keys and values of a valid document stand. The text is looked through when the first place is asked for."""

    def __init__(self, path: str, text: str) -> None:
        self.path, self.text = path, text.removeprefix("\ufeff")
        self._starts = [0, *(match.end() for match in re.finditer("\n", self.text))]
        self._spans: dict[Path, tuple[int, int, int]] | None = None  # of the key; of the value: start, end

    @property
    def spans(self) -> dict[Path, tuple[int, int, int]]:
        if self._spans is None:
            self._spans = {}
            try:
                _Walk(self.text, self._spans).run()
            except (RecursionError, _Lost):
                pass  # a place is then that of the nearest key above
        return self._spans

    def between(self, start: int, end: int) -> Place:
        """Return the place of a part of the text; of its first line only."""
        line = bisect_right(self._starts, start)
        begin = self._starts[line - 1]
        limit = self._starts[line] - 1 if line < len(self._starts) else len(self.text)
        return Place(self.path, line, start - begin + 1, max(min(end, limit), start) - begin + 1)

    def value(self, *path: str | int) -> Place:
        """Return the place of what a string says, or of another value."""
        span = self.spans.get(path)
        if span is None:
            return self.key(*path[:-1]) if path else Place(self.path, 1)
        _, start, end = span
        first = self.text[start : start + 3]
        width = 3 if first in ('"""', "'''") else 1 if first[:1] in ("'", '"') else 0
        if width == 3:
            inner = self.text[start + 3 : end - 3]
            blank = len(inner) - len(inner.lstrip())
            return self.between(start + 3 + blank, end - 3)
        return self.between(start + width, end - width)

    def key(self, *path: str | int) -> Place:
        """Return the place of a key with its value, of a header, or of the nearest key above that has a place."""
        while path and path not in self.spans:
            path = path[:-1]
        if not path:
            return Place(self.path, 1)
        key, start, end = self.spans[path]
        return self.between(key if key >= 0 else start, end)


class _Lost(Exception):
    """The text is not what a valid document looks like."""


class _Walk:
    """Goes through a valid document once and notes the span of each key and value."""

    def __init__(self, text: str, found: dict[Path, tuple[int, int, int]]) -> None:
        self.text, self.found, self.at = text, found, 0
        self.arrays: dict[Path, int] = {}

    def run(self) -> None:
        """Fill ``found``. Raises _Lost."""
        text = self.text
        context: Path = ()
        while True:
            self.blank()
            start = self.at
            if start >= len(text):
                return
            if text.startswith("[[", start):
                self.at += 2
                holder = self.resolved(self.keys())
                self.expect("]]")
                self.arrays[holder] = self.arrays.get(holder, 0) + 1
                context = (*holder, self.arrays[holder] - 1)
                self.note(context, start, start)
            elif text.startswith("[", start):
                self.at += 1
                context = self.resolved(self.keys())
                self.expect("]")
                self.note(context, start, start)
            else:
                self.pair(context)

    def note(self, path: Path, key: int, start: int) -> None:
        if len(self.found) >= MAX_PLACES:
            raise _Lost
        self.found.setdefault(path, (key, start, self.at))

    def resolved(self, keys: list[str]) -> Path:
        path: Path = ()
        for number, key in enumerate(keys):
            path = (*path, key)
            if number < len(keys) - 1 and path in self.arrays:
                path = (*path, self.arrays[path] - 1)
        return path

    def blank(self) -> None:
        match = _BLANK.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def expect(self, sign: str) -> None:
        if not self.text.startswith(sign, self.at):
            raise _Lost
        self.at += len(sign)

    def keys(self) -> list[str]:
        found = []
        while True:
            match = _KEY.match(self.text, self.at)
            if match is None:
                raise _Lost
            self.at = match.end()
            bare, quoted, literal = match.groups()
            found.append(bare if bare is not None else literal if literal is not None else _unescaped(quoted))
            if self.text[self.at : self.at + 1] != ".":
                return found
            self.at += 1

    def pair(self, context: Path) -> None:
        self.blank()
        start = self.at
        path = (*context, *self.keys())
        self.expect("=")
        while self.text[self.at : self.at + 1] in (" ", "\t"):
            self.at += 1
        self.value(path, start)

    def value(self, path: Path, key: int) -> None:
        start, first = self.at, self.text[self.at : self.at + 1]
        if first == "[":
            self.at += 1
            number = 0
            while self.goes_on("]"):
                self.value((*path, number), -1)
                number += 1
        elif first == "{":
            self.at += 1
            while self.goes_on("}"):
                self.pair(path)
        else:
            match = (_STRING if first in ('"', "'") else _SCALAR).match(self.text, self.at)
            if match is None:
                raise _Lost
            self.at = match.end()
        self.note(path, key, start)

    def goes_on(self, end: str) -> bool:
        """Go to the next item of a list or table, and say whether there is one."""
        while True:
            self.blank()
            sign = self.text[self.at : self.at + 1]
            if sign in (end, ","):
                self.at += 1
            if sign != ",":
                return sign != end


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    try:
        return str(tomllib.loads(f'x = "{text}"')["x"])
    except tomllib.TOMLDecodeError:
        return text
