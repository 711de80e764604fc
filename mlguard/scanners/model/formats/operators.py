"""Says what the operators of a graph may do, by the table graph-operators, for the formats that hold graphs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from mlguard import tables
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import State
from mlguard.scanners.model.values import DANGEROUS, UNKNOWN, clean_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlguard.findings import Record

MAX_OPERATORS = 10_000
"""Different operators of one file."""


@dataclass(frozen=True, slots=True)
class Operators:
    """What the table says of one format. ``blocked`` maps a name to its check."""

    blocked: Mapping[str, str]
    review: frozenset[str]
    native: frozenset[str]
    domains: frozenset[str]
    known: frozenset[str]
    attributes: Mapping[str, str]
    paths: Mapping[str, tuple[int, ...]]


@cache
def of(format: str) -> Operators:
    """Return the part of the table for "onnx", "tensorflow" or "paddle"."""
    entry: Mapping[str, Any] = tables.table("graph-operators")[format]
    return Operators(
        {name: group["check"] for group in entry["blocked"] for name in group["names"].split()},
        _names(entry.get("review", ())),
        _names(entry.get("native", ())),
        _names([entry["domains"]] if "domains" in entry else ()),
        frozenset(entry["known"].split()),
        entry.get("attributes", {}).get("names", {}),
        {name: tuple(inputs) for name, inputs in entry.get("paths", {}).get("names", {}).items()},
    )


def _names(groups: Any) -> frozenset[str]:
    return frozenset(name for group in groups for name in group["names"].split())


def block(check: str, prefix: str, name: str, view: View, state: State, kind: str, byte: int) -> Iterator[Record]:
    """Tell of an operator that no model needs, and put it into the inventory. ``byte`` counts as in ``state.detection``."""
    yield from _tell(DANGEROUS, "block", check, prefix, name, view, state, kind, byte)


def review(check: str, prefix: str, name: str, view: View, state: State, kind: str, byte: int) -> Iterator[Record]:
    """Tell of an operator that a person must look at, and put it into the inventory."""
    yield from _tell(UNKNOWN, "review", check, prefix, name, view, state, kind, byte)


def _tell(
    rule: str, verdict: str, check: str, prefix: str, name: str, view: View, state: State, kind: str, byte: int
) -> Iterator[Record]:
    shown = clean_name(prefix, name)
    state.imports.setdefault(shown, verdict)
    facts: dict[str, str | int] = {"name": shown, "opcode": "operator", "format": kind}
    yield from state.detection(rule, check, view.within, byte, None, shown, facts)


_ELSEWHERE = re.compile(r"[A-Za-z]:(?!:)|[A-Za-z][\w+.-]*:/|[/~]")


def leaves(path: str) -> bool:
    """Say whether a path that a file names leads out of the file's folder, or to another machine."""
    flat = path.strip().replace("\\", "/")
    if "\0" in flat or _ELSEWHERE.match(flat):
        return True
    depth = 0
    for part in flat.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            return True
    return False


class Texts:
    """Collects texts of one file within a bound, to hand them over together."""

    MAX_BYTES = 16 * 2**20

    def __init__(self) -> None:
        self.pairs: list[tuple[str, str]] = []
        self.left = self.MAX_BYTES
        self.full = False
        self._lines: set[int] = set()
        self._notes: list[str] = []

    def add(self, key: str, text: str) -> None:
        """Keep a text under its key."""
        if self.left < len(text):
            self.full = True
        elif text:
            self.left -= len(text) + 50
            self.pairs.append((key, text))

    def note(self, text: str) -> None:
        """Keep what is new in the remark of one node: exporters repeat the lines of the same call stack at every node."""
        fresh = []
        for line in text.splitlines():
            if hash(line) not in self._lines and len(self._lines) < 200_000:
                self._lines.add(hash(line))
                fresh.append(line)
        if fresh and self.left > 0:
            self.left -= sum(map(len, fresh)) + 50
            self._notes.append("\n".join(fresh))

    def told(self, view: View, state: State, kind: str) -> Iterator[Record]:
        """Yield what the texts show."""
        from mlguard.scanners.model import texts

        if self._notes:
            self.pairs.append(("doc_string", "\n".join(self._notes)))
        yield from texts.told(self.pairs, view, state, kind)
        if self.full:
            yield from state.gap("too-large", "the file holds more text than is looked at", view.within)
