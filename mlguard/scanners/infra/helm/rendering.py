"""From a chart and values to documents, each part of which stands where its template wrote it."""

from __future__ import annotations

import posixpath
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlguard.errors import Unreadable
from mlguard.findings import Gap
from mlguard.scanners import lazy
from mlguard.scanners.infra.helm import objects
from mlguard.scanners.infra.helm.charts import Chart, plain_text
from mlguard.scanners.infra.helm.evaluator import Exhausted, Run
from mlguard.scanners.infra.helm.printing import Failed, Mark, Traced
from mlguard.scanners.infra.helm.syntax import Malformed, Source, source
from mlguard.scanners.infra.helm.values import coalesced
from mlguard.scanners.infra.resources import REFERENCE, Open, Position, shown
from mlguard.scanners.infra.yamltree import Documents, Tree, parse

RELEASE = "release-name"
"""The name that ``helm template`` gives to a release."""

NAMESPACE = "default"

MAX_PARSED = 3 * 2**20
"""Characters of the documents of one chart that are read; definitions of types do not count."""


@dataclass(slots=True)
class _File:
    """One template: its name to Helm, its path in the tree, and what its templates see."""

    name: str
    path: str
    line: str  # before the number of a line in a gap
    source: Source
    dot: dict[str, Any]


Known = dict[Any, Tree | None]
"""Documents that were made before, by their template, text and marks."""


@dataclass(slots=True)
class Result:
    """Documents by the path of their template, what could not be told, and the files that templates read."""

    known: Known
    trees: list[tuple[str, Tree]] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    parsed: int = 0  # characters of documents that were read
    size: int = 0  # characters that the templates made


def render(chart: Chart, given: dict[str, Any], missing: str, knows_library: bool, known: Known) -> Result:
    """Render a chart whose dependencies are chosen, with values on top of its own ones.

    ``missing`` names the dependencies that are not there; with ``knows_library``, one of them is Bitnami's ``common``.
    """
    result = Result(known)
    values = objects.Values(coalesced(chart, given))
    files: list[_File] = []
    _collect(chart, values, {}, files, result)
    run = Run(missing, knows_library)
    ordered = sorted(files, key=lambda one: (one.name.count("/"), one.name), reverse=True)
    broken: set[str] = set()
    for one in ordered:
        try:
            run.load(one.name, one.source)
        except Malformed as error:
            broken.add(one.name)
            result.gaps.append(_gap(one, one.source, error.start, f"a template that cannot be parsed: {error.reason}"))
    made: list[tuple[_File, Traced]] = []
    for one in ordered:
        base = posixpath.basename(one.name)
        if one.name in broken or base.startswith("_") or base.endswith((".txt", ".md")):
            continue
        try:
            made.append((one, run.render(one.name, one.dot)))
        except Failed as error:
            result.gaps.append(_failure(one, error))
            if isinstance(error, Exhausted) and error.final:
                break
    result.gaps += _notes(run, chart.folder)
    for one, text in sorted(made, key=lambda item: item[0].name):
        result.size += len(text)
        result.trees += ((one.path, tree) for tree in _documents(one, text, result))
    return result


def _collect(chart: Chart, values: Any, above: dict[str, Any], files: list[_File], result: Result) -> dict[str, Any]:
    """Enter the templates of a chart and its dependencies, each with what it sees. Returns what this chart's see."""
    subcharts: dict[str, Any] = {}
    scope: dict[str, Any] = {
        "Chart": objects.chart_fields(chart),
        "Files": objects.Files(chart.files, result.used, chart.folder if not chart.archived else ""),
        "Release": above.get("Release") or _release(),
        "Capabilities": above.get("Capabilities") or objects.Capabilities(),
        "Values": values if isinstance(values, dict) else objects.Values(),
        "Subcharts": subcharts,
    }
    for sub in chart.dependencies:
        subcharts[sub.name] = _collect(sub, scope["Values"].get(sub.name), scope, files, result)
    for name, reader in sorted(chart.templates.items()):
        if chart.is_library and not posixpath.basename(name).startswith("_"):
            continue
        full = posixpath.normpath(f"{chart.full_path}/{name}")
        path = chart.folder if chart.archived else posixpath.join(chart.folder, name)
        try:
            origin = source("" if chart.archived else path, plain_text(reader()).removeprefix("\ufeff"))
        except Unreadable as error:
            result.gaps.append(Gap("infra", path, "unreadable", str(error)))
            continue
        template = {"Name": full, "BasePath": f"{chart.full_path}/templates"}
        files.append(_File(full, path, f"{name} " if chart.archived else "", origin, {**scope, "Template": template}))
    return scope


def _release() -> dict[str, Any]:
    return {
        "Name": RELEASE, "Namespace": NAMESPACE, "IsUpgrade": False, "IsInstall": True, "Revision": 1, "Service": "Helm",
    }  # fmt: skip


def _notes(run: Run, folder: str) -> Iterator[Gap]:
    """Yield what could not be told although the work went on: one gap for each file and reason."""
    lines: dict[tuple[str, str], list[int]] = {}
    for path, line, reason in run.notes:
        lines.setdefault((path, reason), []).append(line)
    for (path, reason), found in lines.items():
        place = f"line {min(found)}: " if path else ""
        more = (
            "" if len(found) == 1 else " (and once more)" if len(found) == 2 else f" (and {len(found) - 1} times more)"
        )
        yield Gap("infra", path or folder, "unresolved", f"{place}{reason}{more}", "give the chart values it can use")


def _gap(one: _File, where: Source, offset: int, reason: str) -> Gap:
    line = where.place(max(offset, 0))[0]
    return Gap("infra", one.path, "unresolved", f"{one.line}line {line}: {reason}", "give the chart values it can use")


def _failure(one: _File, error: Failed) -> Gap:
    """Return the gap for a template that failed: its own line, and the one in another file where that happened."""
    trail = error.trail or [(one.source, 0)]
    inner, at = trail[0]
    outer, start = trail[-1]
    reason = error.reason
    if inner is not outer and inner.path:
        reason += f" ({inner.path}, line {inner.place(max(at, 0))[0]})"
    return _gap(one, outer if outer is not None else one.source, start if inner is not outer else at, reason)


# Documents

_SEPARATOR = lazy.pattern(r"(?m)^---[ \t]*")
_ALONE = lazy.pattern("(?m)^[ \\t]*\ue000[^\ue000\ue001\\n]*\ue001[ \\t]*$")
_TYPE = lazy.pattern(r"(?m)^kind:[ \t]*[\"']?CustomResourceDefinition\b")  # long schemas that no rule looks at
_LINE = lazy.pattern(r"\r\n|\n|\r")


def _documents(one: _File, text: Traced, result: Result) -> Iterator[Tree]:
    starts = [mark[0] for mark in text.marks]
    at = 0
    for match in [*_SEPARATOR.finditer(text), None]:
        end = match.start() if match else len(text)
        whole = str(text[at:end])
        piece = whole.strip()
        if piece and not _TYPE.search(piece):
            start = at + len(whole) - len(whole.lstrip())
            first, last = max(bisect_right(starts, start) - 1, 0), bisect_right(starts, end)
            marks = tuple(
                (max(mark[0] - start, 0), mark[1], _offset(mark, start), mark[3]) for mark in text.marks[first:last]
            )
            key = (one.path, piece, marks)
            if key not in result.known:
                result.parsed += len(piece)
                if result.parsed > MAX_PARSED:
                    reason = f"the documents of the chart are over {MAX_PARSED // 2**20} MiB long"
                    result.gaps.append(Gap("infra", one.path, "sampled", reason))
                    return
                result.known[key] = _document(one, marks, piece + "\n", result)
            tree = result.known[key]
            if tree is not None and tree.children:
                yield tree
        at = match.end() if match else end


def _offset(mark: Mark, start: int) -> int:
    """Return where a mark points to when what it covers is cut to begin at ``start``."""
    return mark[2] + start - mark[0] if mark[3] and mark[0] < start else mark[2]


def _document(one: _File, marks: Sequence[Mark], piece: str, result: Result) -> Tree | None:
    places = _Places(one, marks, piece)
    try:
        documents = _parsed(piece)
    except Unreadable as error:
        found = re.search(r"line (\d+)", str(error))
        line = places.place(int(found[1]) if found else 1, 1).line
        result.gaps.append(
            Gap("infra", one.path, "unreadable", f"line {line}: what the template makes is not valid YAML")
        )
        return None
    if documents.broken:
        result.gaps.append(Gap("infra", one.path, "unreadable", "what the template makes is not valid YAML"))
    return relocated(documents.trees[0], places) if documents.trees else None


def _parsed(piece: str) -> Documents:
    """Return a parsed document. Lines that nobody knows stand for keys that nobody knows, where they must. Raises Unreadable."""
    try:
        return parse(piece)
    except Unreadable:
        if not _ALONE.search(piece):
            raise
    try:
        return parse(_ALONE.sub(lambda match: match.group() + ":", piece))
    except Unreadable:
        return parse(_ALONE.sub(lambda match: " " * len(match.group()), piece))


class _Places:
    """Where the lines and columns of one document stem from."""

    def __init__(self, one: _File, marks: Sequence[Mark], piece: str) -> None:
        self.file, self.marks = one, marks
        self.starts = [mark[0] for mark in marks]
        self.lines = [0, *(match.end() for match in _LINE.finditer(piece))]

    def find(self, line: int, column: int) -> tuple[str, int, int, bool]:
        """Return path, line and column, and whether these are of the very character."""
        offset = self.lines[min(line, len(self.lines)) - 1] + column - 1
        start, where, begin, exact = self.marks[max(bisect_right(self.starts, offset) - 1, 0)]
        if where is None or not where.path:
            return self.file.path, 1, 1, False
        own = where.place(begin + offset - start if exact else begin)
        return where.path, own[0], own[1], exact

    def place(self, line: int, column: int) -> Position:
        path, own_line, own_column, _ = self.find(line, column)
        return Position(own_line, own_column, path=path)

    def span(self, at: Position) -> Position:
        path, line, column, _ = self.find(at.line, at.column)
        if at.end_line and (at.end_line, at.end_column) > (at.line, at.column + 1) and at.end_column > 1:
            end_path, end_line, end_column, end_exact = self.find(at.end_line, at.end_column - 1)
            if end_exact and end_path == path and (end_line, end_column) >= (line, column):
                return Position(line, column, end_line, end_column + 1, path)
        return Position(line, column, path=path)


def relocated(tree: Tree, places: _Places) -> Tree:
    """Return a tree whose nodes stand where the templates wrote them."""
    if isinstance(tree.children, tuple):
        children: Any = tuple(relocated(child, places) for child in tree.children)
    else:
        children = {key: relocated(child, places) for key, child in tree.children.items()}
    own = places.span(tree.value_at) if tree.value_at is not None else None
    value = tree.value
    if isinstance(children, dict) and any(map(REFERENCE.fullmatch, children)):
        name = next(key for key in children if REFERENCE.fullmatch(key))
        children = {key: child for key, child in children.items() if not REFERENCE.fullmatch(key)}
        value = Open({key: child.value for key, child in children.items()}, shown(name)) if children else name
    elif children and isinstance(children, dict):
        value = {key: child.value for key, child in children.items()}
    elif children:
        value = [child.value for child in children]
    return Tree(value, places.span(tree.at), children, tree.templated, own)
