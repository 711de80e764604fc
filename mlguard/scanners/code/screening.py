"""Remembers names that a test does not hold for, as most names of a file stand in those before it too."""

from __future__ import annotations

from collections.abc import Callable

MAX_NAMES = 200_000
"""Names that one screen remembers."""


class Screen:
    """A test of names that is asked of all names of many files."""

    def __init__(self, test: Callable[[str], object]) -> None:
        self._test = test
        self._others: set[str] = set()

    def any(self, names: frozenset[str]) -> bool:
        """Say whether the test holds for one of the names."""
        new = names - self._others
        if any(map(self._test, new)):
            return True
        if len(self._others) > MAX_NAMES:
            self._others.clear()
        self._others |= new
        return False
