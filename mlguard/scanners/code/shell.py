"""Looks at the shell commands of a notebook."""

from __future__ import annotations

from collections.abc import Iterator

from mlguard.findings import Detection
from mlguard.scanners.notebook import Cell


def detections(path: str, cells: tuple[Cell, ...]) -> Iterator[Detection]:
    """Yield what the shell lines and shell cells of a notebook do wrong."""
    return iter(())
