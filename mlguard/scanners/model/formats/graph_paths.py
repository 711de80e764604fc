"""Follows the paths that a TensorFlow graph gives to the operators for checkpoints and vocabularies.

Every SavedModel holds these operators, and they get their path from whoever loads or saves. A graph that brings a path of its own, in
a constant that leads out of the folder, reads or writes what it likes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mlguard.scanners.model.formats import operators
from mlguard.scanners.model.protobuf import BYTES, Wire

MAX_NODES = 500_000
"""Nodes of all scopes whose names are kept."""

MAX_STEPS = 200
"""Nodes that are visited from one operator backwards."""

MAX_ROUNDS = 5
"""Functions that pass a path on, one to the next."""

_CALLS = frozenset(
    {"PartitionedCall", "StatefulPartitionedCall", "RemoteCall", "TPUPartitionedCall", "SymbolicGradient"}
)
_HIDES = frozenset(
    {
        "DecodeBase64", "DecodeCompressed", "RegexReplace", "StaticRegexReplace", "Substr", "UnicodeEncode", "UnicodeTranscode",
        "StringFormat", "ReduceJoin", "UnsortedSegmentJoin", "StringLower", "StringUpper", "StringStrip", "DecodeRaw",
    }
)  # fmt: skip
"""Operators that make one text from another: no exporter computes a path with them."""

_OLD = frozenset({"Save", "SaveSlices"})
_SAVERS = _OLD | {"SaveV2", "MergeV2Checkpoints"}
_DEFAULTS = frozenset({"", "model"})
"""What a Saver puts into the graph where the caller's path goes (tensorflow/python/training/saver.py). Another constant is a path of its own."""


@dataclass
class Scope:
    """A graph, or the body of a function (``nodes`` is the number of the field that holds its nodes)."""

    wire: Wire
    start: int
    end: int
    nodes: int
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    sinks: list[tuple[str, int, int]] = field(default_factory=list)
    places: dict[str, tuple[int, int]] | None = None

    def signature(self, start: int, end: int) -> None:
        """Take name and arguments of the function from its OpDef."""
        for number, wire, a, b in self.wire.fields(start, end):
            if number == 1 and wire == BYTES:
                self.name = self.wire.text(a, b, 500)
            elif number == 2 and wire == BYTES and len(self.arguments) < 10_000:
                names = [self.wire.text(c, d, 500) for n, k, c, d in self.wire.fields(a, b) if (n, k) == (1, BYTES)]
                self.arguments.append(names[-1] if names else "")


class Paths:
    """The scopes of one file, and the operators in them that get a path."""

    def __init__(self, wire: Wire, table: operators.Operators) -> None:
        self.wire, self.table = wire, table
        self.scopes: list[Scope] = []
        self.assets: set[str] = set()
        self.left = MAX_NODES
        self.full = False

    def scope(self, start: int, end: int, nodes: int) -> Scope:
        """Return a new scope."""
        self.scopes.append(Scope(self.wire, start, end, nodes))
        return self.scopes[-1]

    def leaving(self) -> Iterator[tuple[str, str, int]]:
        """Yield operator, node name and place where the path is a constant that leads out of the folder, or is put together."""
        passed: dict[str, dict[int, str]] = {}
        looked: set[tuple[int, str, tuple[str, ...]]] = set()
        for scope in self.scopes:
            for operator, start, end in scope.sinks:
                name, _, inputs = self._node(start, end)
                data = [source for source in inputs if not source.startswith("^")]
                key = (scope.start, operator, tuple(data[:2]))
                if key in looked:
                    continue
                looked.add(key)
                if self._leaves(scope, inputs, dict.fromkeys(self.table.paths[operator], operator), passed):
                    yield operator, name, start
        told: set[tuple[str, int]] = set()
        for _ in range(MAX_ROUNDS):
            wanted = {(name, number) for name, numbers in passed.items() for number in numbers} - told
            if not wanted:
                return
            told |= wanted
            yield from self._callers({name for name, _ in wanted}, passed)

    def _callers(self, names: set[str], passed: dict[str, dict[int, str]]) -> Iterator[tuple[str, str, int]]:
        """Look at what is given to functions that hand an argument on as a path."""
        for scope in self.scopes:
            for start, end in self._places(scope).values():
                key, operator, inputs = self._node(start, end)
                called = operator if operator in names else self._called(start, end) if operator in _CALLS else ""
                if called in names and self._leaves(scope, inputs, dict(passed[called]), passed):
                    yield next(iter(passed[called].values())), key, start

    def _leaves(
        self, scope: Scope, inputs: list[str], numbers: dict[int, str], passed: dict[str, dict[int, str]]
    ) -> bool:
        """Say whether one of these inputs of a node comes from a constant that leads out.

        ``numbers`` maps an input to the operator that gets it. What comes from an argument of the function goes to ``passed``.
        """
        data = [name for name in inputs if not name.startswith("^")]
        queue = [(data[number], True, operator) for number, operator in numbers.items() if number < len(data)]
        if not queue and _OLD & set(numbers.values()):
            return True
        seen: set[str] = set()
        while queue and len(seen) < MAX_STEPS:
            reference, first, sink = queue.pop()
            name = reference.split(":")[0]
            if name in seen:
                continue
            seen.add(name)
            place = self._places(scope).get(name)
            if place is None:
                if name in scope.arguments and scope.name:
                    passed.setdefault(scope.name, {})[scope.arguments.index(name)] = sink
                continue
            start, end = place
            _, operator, sources = self._node(start, end)
            if operator in _HIDES or operator == "Const" and self._constant_leaves(name, start, end, first):
                return True
            if operator == "Const" and first and sink in _SAVERS and not set(self._texts(start, end)) <= _DEFAULTS:
                return True
            if operator in _CALLS and self._returns_path(self._called(start, end)):
                return True
            for number, source in enumerate(sources):
                if not source.startswith("^"):
                    queue.append((source, first and (operator != "StringJoin" or number == 0), sink))
        return False

    def _constant_leaves(self, name: str, start: int, end: int, first: bool) -> bool:
        if name in self.assets:
            return False
        texts = self._texts(start, end)
        return any(operators.leaves(text) if first else "/../" in text.replace("\\", "/") for text in texts)

    def _returns_path(self, name: str) -> bool:
        """Say whether a function without arguments holds a constant that leads out: what else would it return?"""
        for scope in self.scopes:
            if scope.name == name and not scope.arguments:
                nodes = self._places(scope).items()
                return any(
                    self._constant_leaves(key, a, b, True) for key, (a, b) in nodes if self._node(a, b)[1] == "Const"
                )
        return False

    def _places(self, scope: Scope) -> dict[str, tuple[int, int]]:
        if scope.places is None:
            scope.places = {}
            for number, wire, a, b in self.wire.fields(scope.start, scope.end):
                if number == scope.nodes and wire == BYTES:
                    if self.left <= 0:
                        self.full = True
                        break
                    self.left -= 1
                    scope.places[self._node(a, b)[0]] = (a, b)
        return scope.places

    def _node(self, start: int, end: int) -> tuple[str, str, list[str]]:
        name = operator = ""
        inputs: list[str] = []
        for number, wire, a, b in self.wire.fields(start, end):
            if wire != BYTES:
                continue
            if number == 1:
                name = self.wire.text(a, b, 1000)
            elif number == 2:
                operator = self.wire.text(a, b, 500)
            elif number == 3 and len(inputs) < 10_000:
                inputs.append(self.wire.text(a, b, 1000))
        return name, operator, inputs

    def _values(self, start: int, end: int, wanted: str, field: int) -> Iterator[tuple[int, int]]:
        """Yield the places of one field of the AttrValue of an attribute."""
        for number, wire, a, b in self.wire.fields(start, end):
            if number != 5 or wire != BYTES:
                continue
            key = ""
            for inner, kind, c, d in self.wire.fields(a, b):
                if inner == 1 and kind == BYTES:
                    key = self.wire.text(c, d, 200)
                elif inner == 2 and kind == BYTES and key == wanted:
                    yield from ((e, f) for n, k, e, f in self.wire.fields(c, d) if (n, k) == (field, BYTES))

    def _called(self, start: int, end: int) -> str:
        for a, b in self._values(start, end, "f", 10):
            for number, wire, c, d in self.wire.fields(a, b):
                if number == 1 and wire == BYTES:
                    return self.wire.text(c, d, 500)
        return ""

    def _texts(self, start: int, end: int) -> list[str]:
        found: list[str] = []
        for a, b in self._values(start, end, "value", 8):
            for number, wire, c, d in self.wire.fields(a, b):
                if number == 8 and wire == BYTES and len(found) < 1000:
                    found.append(self.wire.text(c, d, 4096))
        return found
