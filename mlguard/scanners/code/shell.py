"""Looks at the shell commands of a notebook."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlguard.findings import Detection, Location
from mlguard.scanners.notebook import Cell, file_place

_COMMAND = re.compile(r"^[ \t]*(?:[\w., ]+=[ \t]*)?[!%][ \t]*(.*)$")
_SHELL_CELL = re.compile(r"^%%(?:bash|sh|script\s+(?:bash|sh))\b|^%%!")
_PIPED = re.compile(
    r"\b(?:curl|wget)\b[^|;&]*\|\s*(?:sudo\s+)?(?:ba|z|da)?sh\b|\b(?:ba)?sh\s+<\(\s*(?:curl|wget)\b", re.I
)
_PLAIN = re.compile(r"\bpip3?\s+install\b.*\b(?:git\+)?http://|--trusted-host\b")
_FETCH = re.compile(r"\b(?:curl|wget)\b.*?[\s'\"]http://(?!localhost|127\.|0\.0\.0\.0)")
_UNVERIFIED = re.compile(
    r"\bcurl\b[^|;]*\s(?:-k\b|--insecure\b|-[a-jl-zA-Z]*k[a-zA-Z]*\b)|\bwget\b[^|;]*--no-check-certificate"
)
_RUN_URL = re.compile(r"^(?:run|load|loadpy)\s+['\"]?https?://", re.I)


def detections(path: str, cells: tuple[Cell, ...]) -> Iterator[Detection]:
    """Yield what the shell lines and shell cells of a notebook do wrong."""
    for cell in cells:
        if cell.kind != "code":
            continue
        for row, line, command in _commands(cell):
            for rule, check in _judge(command):
                at, column = file_place(cell, row, 1)
                end, end_column = file_place(cell, row, len(line) + 1)
                place = Location(path, at, column, end, end_column, within=f"cell {cell.index}")
                facts = {"call": "A shell line of the notebook"}
                yield Detection(rule, check, place, facts, "", f"shell {command.split()[0]}")


def _commands(cell: Cell) -> Iterator[tuple[int, str, str]]:
    """Yield row, line and command of each line that a shell runs, and of the magics that fetch or install."""
    lines = cell.source.split("\n")
    whole = any(_SHELL_CELL.match(line) for line in lines[:1])
    for row, line in enumerate(lines, 1):
        match = _COMMAND.match(line)
        command = line if whole and row > 1 else match.group(1) if match and not line.startswith("%%") else ""
        if command.strip() and not command.lstrip().startswith("#"):
            yield row, line, command.strip()


def _judge(command: str) -> Iterator[tuple[str, str]]:
    plain = _PLAIN.search(command) and re.search(r"\bpip3?\s+install\b", command)
    if _PIPED.search(command) or plain or _FETCH.search(command) or _RUN_URL.match(command):
        yield "code/unverified-download", "notebook-shell"
    if _UNVERIFIED.search(command):
        yield "code/disabled-tls-verification", "verify-off"
