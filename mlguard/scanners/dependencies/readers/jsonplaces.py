"""Finds the lines of the keys of a JSON file, which the JSON parser does not tell."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners.dependencies.manifests import Place

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[\]{}:]')

MAX_LEVELS = 3
"""Objects inside each other whose keys are looked for."""


def load(text: str) -> dict[str, Any]:
    """Return the object that a JSON text holds. Raises Unreadable."""
    try:
        document = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        raise Unreadable("not valid JSON") from None
    if not isinstance(document, dict):
        raise Unreadable("the file holds no JSON object")
    return document


class Keys:
    """Where the keys of a valid JSON text stand, down to MAX_LEVELS objects inside each other."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.found: dict[tuple[str, ...], tuple[int, int]] = {}
        above: list[str] = []
        depth, last, in_list = 0, (0, 0), 0
        for token in _TOKEN.finditer(text):
            sign = text[token.start()]
            if sign == '"':
                last = token.span()
            elif sign == ":":
                if not in_list and depth <= MAX_LEVELS:
                    key = str(json.loads(text[slice(*last)], strict=False))
                    del above[depth - 1 :]
                    above.append(key)
                    self.found[tuple(above)] = last
            elif sign in "[]":
                in_list += 1 if sign == "[" else -1
            elif not in_list:
                depth += 1 if sign == "{" else -1

    def place(self, *path: str) -> Place:
        """Return the place of a key, of the nearest one above it when it has none."""
        while path and path not in self.found:
            path = path[:-1]
        if not path:
            return Place(self.path, 1)
        start, end = self.found[path]
        line = bisect_right(self.starts, start)
        begin = self.starts[line - 1]
        return Place(self.path, line, start - begin + 1, end - begin + 1)
