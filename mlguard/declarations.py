"""The privacy declaration: what the organisation says about its data, and where it says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Declaration:
    """``privacy.yaml`` after validation. ``lines`` gives the line of each key path, ``path`` is relative to the root."""

    path: str
    body: Mapping[str, Any]
    lines: Mapping[tuple[str | int, ...], int] = field(default_factory=dict)
