"""Regular expressions that are compiled when they are first used, by the name under which scanners know them."""

from __future__ import annotations

from mlguard.lazy import pattern

__all__ = ("pattern",)
