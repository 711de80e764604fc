"""Patterns that are compiled when they are first used: a mistake in one would show that late."""

from __future__ import annotations

import importlib
import pkgutil
import re

from mlguard import scanners
from mlguard.scanners import lazy

PARTS = ("code", "infra", "secrets")


def test_every_pattern_of_the_scanners_without_heavy_libraries_compiles() -> None:
    seen = 0
    for part in PARTS:
        package = importlib.import_module(f"{scanners.__name__}.{part}")  # noqa: TID251  # of our own package
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for value in vars(importlib.import_module(module.name)).values():  # noqa: TID251
                if isinstance(value, lazy._Lazy):
                    assert isinstance(value.pattern, (str, bytes))
                    seen += 1
    assert seen > 200


def test_a_pattern_is_compiled_at_its_first_use_and_then_answers_as_one_does() -> None:
    found = lazy.pattern(r"(?P<name>[a-z]+)\d", re.I)

    before = found._compiled  # type: ignore[attr-defined]  # of the stand-in, not of a pattern
    match = found.search("--Abc7")

    assert before is None
    assert match is not None and match["name"] == "Abc"
    assert found.sub("x", "abc1 def2") == "x x"
