"""Where in the files of values the value stands that an action of a template writes out."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlguard.errors import Unreadable
from mlguard.scanners import Context, read_bytes
from mlguard.scanners.infra.helm import encoding
from mlguard.scanners.infra.helm.charts import MAX_FILE_BYTES, Chart, plain_text
from mlguard.scanners.infra.helm.nodes import Action, Branch, Chain, Dot, Field, Node, Operand, Pipe, Variable
from mlguard.scanners.infra.helm.printing import Failed
from mlguard.scanners.infra.helm.syntax import Source, parse
from mlguard.scanners.infra.resources import Path, Position

Steps = tuple[str, ...]
_Places = dict[tuple[str | int, ...], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class _Layer:
    """A file of values, and below which path in it those of the chart stand."""

    path: str
    below: Steps


class Origins:
    """Answers for one chart and one set of values. The files are read when the first question comes."""

    def __init__(self, context: Context, chart: Chart, values: str) -> None:
        self.context, self.chart, self.values = context, chart, values
        self._actions: dict[tuple[str, int, int], tuple[Chart, Steps]] | None = None
        self._lines: dict[tuple[str, int], tuple[Chart, Steps]] = {}
        self._read: dict[str, _Places] = {}

    def of(self, at: Position, path: Path) -> Position | None:
        """Return where the value of the node at ``path`` was given, when that can be told.

        ``at`` is its place or that of its key; the first action of that line counts when none begins right there.
        """
        if self._actions is None:
            self._actions = dict(self._all(self.chart))
            for (file, line, _), one in self._actions.items():
                self._lines.setdefault((file, line), one)
        known = self._actions.get((at.path, at.line, at.column), self._lines.get((at.path, at.line)))
        if known is None:
            return None
        chart, steps = known
        layers = self._layers(chart)
        for length in range(len(path), -1, -1):
            for layer in layers:
                place = self._places(layer.path).get((*layer.below, *steps, *path[len(path) - length :]))
                if place is not None:
                    return Position(place[0], place[1], path=layer.path)
        return None

    def _all(self, chart: Chart) -> Iterator[tuple[tuple[str, int, int], tuple[Chart, Steps]]]:
        for name, reader in sorted(chart.templates.items()) if not chart.archived else ():
            path = posixpath.join(chart.folder, name)
            try:
                text = plain_text(reader()).removeprefix("\ufeff")
                parsed = parse(text)
            except (Unreadable, Failed):
                continue
            where = Source(path, text, (0, *(index + 1 for index, char in enumerate(text) if char == "\n")))
            for body in (parsed.body, *parsed.defined.values()):
                for offset, steps in actions(body, None):
                    yield (path, *where.place(offset)), (chart, steps)
        for sub in chart.dependencies:
            yield from self._all(sub)

    def _layers(self, chart: Chart) -> Sequence[_Layer]:
        """Return the files that may give a chart's value, the one that wins first."""
        layers: list[_Layer] = []
        below: Steps = ()
        one: Chart | None = chart
        while one is not None:
            if not one.archived:
                layers.insert(0, _Layer(posixpath.join(one.folder, "values.yaml"), below))
            if one.parent is None and self.values:
                layers.insert(0, _Layer(self.values, below))
            below = (one.name, *below)
            one = one.parent
        return layers

    def _places(self, path: str) -> _Places:
        if path not in self._read:
            try:
                self._read[path] = encoding.places(plain_text(read_bytes(self.context, path, MAX_FILE_BYTES)))
            except Unreadable:
                self._read[path] = {}
        return self._read[path]


def actions(nodes: Sequence[Node], dot: Steps | None) -> Iterator[tuple[int, Steps]]:
    """Yield the offset of each action that writes a value out, and its path in the values. ``dot`` is that of the dot."""
    for node in nodes:
        if isinstance(node, Action) and not node.pipe.declared:
            steps = _steps(node.pipe, dot)
            if steps:
                yield node.start, steps
        elif isinstance(node, Branch):
            inner = _steps(node.pipe, dot) if node.word in ("with", "range") else dot
            yield from actions(node.body, inner)
            yield from actions(node.otherwise, dot)


def _steps(pipe: Pipe, dot: Steps | None) -> Steps | None:
    """Return the path of the first of the values that a pipeline uses."""
    for command in pipe.commands:
        for operand in command.operands:
            steps = _operand(operand, dot)
            if steps is not None:
                return steps
    return None


def _operand(operand: Operand, dot: Steps | None) -> Steps | None:
    if isinstance(operand, Pipe):
        return _steps(operand, dot)
    if isinstance(operand, Chain):
        inner = _operand(operand.operand, dot)
        return None if inner is None else (*inner, *operand.names)
    if isinstance(operand, (Field, Variable)):
        names = operand.names
        if names[:1] == ("Values",) and (isinstance(operand, Field) or operand.name == "$"):
            return names[1:]
        return (*dot, *names) if dot is not None and isinstance(operand, Field) else None
    return dot if isinstance(operand, Dot) else None
