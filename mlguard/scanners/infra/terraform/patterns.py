"""Terraform's functions on regular expressions: what ``regex`` gives back, and ``replace``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlguard.scanners.infra import re2

MAX_PATTERN = 1_000
"""Characters of a pattern."""

MAX_WORK = 400_000
"""Instructions that all matches of one call may take."""

MAX_TEXT = 2**20
"""Characters of a text that ``replace`` makes."""


class Meter:
    """Counts the work of all matches in steps of the evaluator, so that an evaluation can bound the sum."""

    spent = 0


meter = Meter()


def _spans(pattern: re2.Pattern, text: str) -> Iterator[tuple[int, ...]]:
    left = [MAX_WORK]
    found = pattern.matches(text, left=left)
    while True:
        before = left[0]
        try:
            span = next(found, None)
        finally:
            meter.spent += (before - left[0]) // 8 + 10
        if span is None:
            return
        yield span


def _compiled(pattern: str) -> re2.Pattern:
    if len(pattern) > MAX_PATTERN:
        raise OverflowError("a long pattern")
    return re2.compiled(pattern)


def matches(pattern: str, text: str) -> Iterator[Any]:
    """Yield what ``regexall`` lists: the match, or its groups as a list, or as a mapping when they have names.

    Raises ValueError for what is no pattern, OverflowError for one that would take too long.
    """
    compiled = _compiled(pattern)
    names = compiled.names
    if names and len(names) < compiled.groups:
        raise ValueError("groups with and without names")
    for span in _spans(compiled, text):
        groups = [text[a:b] if a >= 0 else None for a, b in zip(span[2::2], span[3::2], strict=True)]
        yield (
            {name: groups[number - 1] for name, number in names.items()} if names else groups or text[span[0] : span[1]]
        )


def replace(pattern: str, text: str, new: str) -> str:
    """Return the text with each match replaced; ``$1``, ``$name`` and ``${name}`` stand for groups."""
    compiled = _compiled(pattern)
    result, place, size = [], 0, 0
    for span in _spans(compiled, text):
        made = re2.expanded(new, text, span, compiled.names)
        size += len(made)
        if size > MAX_TEXT:
            raise OverflowError("too long")
        result += [text[place : span[0]], made]
        place = span[1]
    return "".join(result) + text[place:]
