"""Finds names of persons in texts with the language models that are installed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from mlguard.scanners.dataset import entities, languages

WINDOW, OVERLAP = entities.MAX_TEXT, 100
"""Characters of a text that a model reads at once, and how many of them it reads twice."""


@cache
def _reader() -> entities.Reader:
    choice = entities.Choice()
    return entities.Reader(choice, entities.models(choice))


def available() -> bool:
    """Say whether a model is installed."""
    return bool(entities.models(entities.Choice()))


def spoken() -> tuple[str, ...]:
    """Return the languages that have a model."""
    return tuple(sorted(_reader().languages))


def mentions(texts: Sequence[str]) -> list[list[tuple[int, int]]]:
    """Return where names stand in each text, as (start, end). A text in a language without a model is read with the first one."""
    found: list[list[tuple[int, int]]] = [[] for _ in texts]
    known = spoken()
    if not known:
        return found
    by_language: dict[str, list[tuple[int, int, str]]] = {}
    for number, text in enumerate(texts):
        language = languages.of(text)
        language = language if language in known else known[0]
        for start in range(0, len(text), WINDOW - OVERLAP):
            by_language.setdefault(language, []).append((number, start, text[start : start + WINDOW]))
    for language, pieces in sorted(by_language.items()):
        read = _reader().read([piece for _, _, piece in pieces], language)
        for (number, start, _), seen in zip(pieces, read, strict=True):
            found[number] += [(start + one.start, start + one.end) for one in seen if one.entity == "PERSON"]
    return found
