"""Patterns that are compiled when they are first used: a mistake in one would show that late."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import mlguard
from mlguard import lazy, redact


def test_every_pattern_compiles() -> None:
    seen = 0
    for module in pkgutil.walk_packages(mlguard.__path__, "mlguard."):
        for value in vars(importlib.import_module(module.name)).values():  # noqa: TID251  # of our own package
            for pattern in lazy_in(value):
                assert isinstance(pattern.pattern, (str, bytes))
                seen += 1
    assert seen > 500


def lazy_in(value: object) -> Iterator[Any]:
    """Yield the patterns in a value of a module: the value itself, or what it holds."""
    if isinstance(value, lazy._Lazy):
        yield value
    elif isinstance(value, (tuple, list, set, frozenset)):
        for item in value:
            yield from lazy_in(item)
    elif isinstance(value, dict):
        yield from lazy_in(list(value.values()))


def test_patterns_in_tables_are_found_too() -> None:
    assert len(list(lazy_in([redact._SHAPES]))) > 5


def test_a_pattern_is_compiled_at_its_first_use_and_then_answers_as_one_does() -> None:
    found = lazy.pattern(r"(?P<name>[a-z]+)\d", re.I)

    before = found._compiled  # type: ignore[attr-defined]  # of the stand-in, not of a pattern
    match = found.search("--Abc7")

    assert before is None
    assert match is not None and match["name"] == "Abc"
    assert found.sub("x", "abc1 def2") == "x x"
