"""Gives names of packages the form in which they are compared."""

from __future__ import annotations

from mlguard import lazy

_SEPARATORS = lazy.pattern(r"[-_.]+")


def canonical(name: str) -> str:
    """Return the normal form of a name. https://packaging.python.org/en/latest/specifications/name-normalization/"""
    return _SEPARATORS.sub("-", name).lower()
