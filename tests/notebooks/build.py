"""Builds notebooks, and looks at one file with the scanner of code alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlguard.artifacts import Artifact
from mlguard.findings import Detection, Gap, Record
from mlguard.scanners import Context
from mlguard.scanners.code import CodeScanner
from mlguard.workers import examine


def code(source: Any, **more: Any) -> dict[str, Any]:
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": source, **more}


def lines_of(source: str) -> list[str]:
    return source.splitlines(keepends=True)


def notebook(*cells: dict[str, Any] | str, **metadata: Any) -> dict[str, Any]:
    made = [code(lines_of(cell)) if isinstance(cell, str) else cell for cell in cells]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": made}


def look(
    folder: Path, content: dict[str, Any] | str | bytes, name: str = "work.ipynb", indent: int | None = 1
) -> list[Record]:
    """Return what the scanner of code says about one file."""
    data = json.dumps(content, indent=indent) if isinstance(content, dict) else content
    raw = data if isinstance(data, bytes) else data.encode()
    path = folder / name
    path.write_bytes(raw)
    kind = "notebook" if name.endswith(".ipynb") else "python"
    return list(examine(CodeScanner(), (Artifact(name, kind, len(raw)),), Context(folder)))


def rules(records: list[Record]) -> set[tuple[str, str, int]]:
    """Return (rule, within, line in the cell) of the detections; for a file of Python its line."""
    return {
        (one.rule, one.location.within, int(one.facts.get("cell_line", one.location.line)))
        for one in records
        if isinstance(one, Detection)
    }


def gaps(records: list[Record]) -> list[Gap]:
    return [one for one in records if isinstance(one, Gap)]
