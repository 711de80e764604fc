"""A field for which the name of a column, or the words in it, speak."""

from __future__ import annotations

from typing import Any, Literal, cast

from mlguard.facts import Field
from mlguard.scanners.dataset.columns import Profile

Confidence = Literal["high", "medium", "low"]


def context_field(
    profile: Profile, category: str, dpv: str, kind: str, confidence: Confidence, cells: int, *detectors: str
) -> Field:
    """Return the field of a column. ``kind`` is its class: personal, special or criminal."""
    return Field(
        profile.name, category, dpv, cast(Any, kind), confidence, "context", min(cells, profile.cells), profile.cells, detectors,
        profile.line, profile.column, free_text=profile.free_text,
    )  # fmt: skip
