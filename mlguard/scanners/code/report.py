"""Joins what bandit's checks and our own see in one file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from typing import Any

from mlguard import redact, tables
from mlguard.facts import Consulted
from mlguard.findings import Aside, Detection, Gap, Location, Record
from mlguard.ignores import MAX_REASON
from mlguard.scanners.code import bandit_checks, imports, taint
from mlguard.scanners.code.names import Names
from mlguard.scanners.code.nosec import Mark
from mlguard.scanners.code.own import sights
from mlguard.scanners.code.seeing import Sight, Watch
from mlguard.scanners.code.source import Source
from mlguard.scanners.code.tree import FUNCTIONS, Scope, Tree
from mlguard.values import replace


def records(source: Source, more: tuple[Watch, ...] = ()) -> Iterator[Record]:
    """Yield everything that bandit, our checks and ``more`` of the user's see in one file, each thing once.

    Where bandit and a check of ours report the same node under the same rule, ours stays and carries bandit's facts.
    """
    names = Names(source.tree, source.exports, source.path)
    ours: dict[tuple[str, int], Sight] = {}
    order: list[Sight] = []
    for sight in sights(source, names, more):
        if isinstance(sight, Sight):
            order.append(sight)
            for node in (sight.node, sight.also):
                if node is not None:
                    ours.setdefault((sight.rule, id(node)), sight)
        else:
            yield sight
    merged: dict[int, tuple[dict[str, Any], Aside | None]] = {}
    for told in bandit_checks.seen(source.tree, source.data, source.path):
        if isinstance(told, bandit_checks.Broken):
            yield _broken(told, source)
            continue
        silenced = isinstance(told, bandit_checks.Silenced)
        seen = told.seen if isinstance(told, bandit_checks.Silenced) else told
        mark = told.mark if isinstance(told, bandit_checks.Silenced) else told.void
        aside = _aside(mark, not silenced, source) if mark is not None else None
        entry = table().get(seen.test) or table()["other"]
        same = _same(seen.node, entry["rule"], ours, source.tree)
        confirmed = same is not None and id(same) not in merged
        detection = replace(_detection(seen, entry, source, names, confirmed), aside=aside)
        if same is None or not confirmed:
            yield detection
        else:
            merged[id(same)] = {key: value for key, value in detection.facts.items() if key != "saw"}, aside
    for sight in order:
        facts, aside = merged.get(id(sight), ({}, None))
        yield replace(_ours(sight, source, names, facts), aside=aside)
    if taint.is_exhausted(names):
        yield Gap("code", source.path, "unresolved", "where its values come from was followed in a part of it only: too many names made from each other",
                  "split the file")  # fmt: skip
    yield from imports.told(source)
    if names.looked.folders:
        yield Consulted(source.path, tuple(sorted(names.looked.files)), tuple(sorted(names.looked.folders)))


def _aside(mark: Mark, void: bool, source: Source) -> Aside:
    """Return what a comment of bandit's says, with its line in the file. A void one names nothing that bandit knows."""
    reason = redact.printable(redact.text(mark.text, MAX_REASON))
    problem = "names no check that bandit knows" if void else ""
    return Aside("nosec", source.span(mark.line, 0, 0, 0).line, "" if void else reason, "", problem)


def _same(node: ast.AST | None, rule: str, ours: dict[tuple[str, int], Sight], tree: Tree) -> Sight | None:
    """Return what we saw of the same rule at the node, or at the expression around a literal."""
    while node is not None and not isinstance(node, ast.stmt):
        if (rule, id(node)) in ours:
            return ours[rule, id(node)]
        if not isinstance(node, ast.Constant | ast.BinOp | ast.JoinedStr | ast.Attribute | ast.Call):
            return None
        if isinstance(node, ast.Call) and not isinstance(tree.parent(node), ast.Attribute | ast.BinOp | ast.JoinedStr):
            return None
        node = tree.parent(node)
    return None


def _ours(sight: Sight, source: Source, names: Names, facts: dict[str, Any]) -> Detection:
    return Detection(
        sight.rule, sight.check, _place(sight.node, source), {**sight.facts, **facts}, scope_of(sight.node, names).name,
        f"{sight.check} {shape(sight.node, names)}",
    )  # fmt: skip


def _place(node: ast.AST, source: Source) -> Location:
    """Return where a node stands; for a function its first line only."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return source.span(node.lineno, node.col_offset, node.lineno, node.col_offset + len(f"def {node.name}"))
    return source.location(node)


@cache
def table() -> dict[str, dict[str, Any]]:
    """Return how each of bandit's checks is reported, by its id."""
    return {entry["test"]: entry for entry in tables.table("bandit")["tests"]}


def _broken(broken: bandit_checks.Broken, source: Source) -> Gap:
    place = source.span(broken.line, 0, 0, 0)
    where = f"{place.within}, line {place.line}" if place.within else f"line {place.line}"
    return Gap("code", source.path, "unresolved", f"bandit's check {broken.test} stopped with an error at {where}",
               "simplify the expression there")  # fmt: skip


def _detection(
    seen: bandit_checks.Seen, entry: dict[str, Any], source: Source, names: Names, confirmed: bool
) -> Detection:
    rule = entry.get("rules", {}).get(f"{seen.severity}/{seen.confidence}") or entry["rule"]
    if not confirmed:
        rule = entry.get("alone", rule)
    facts = {
        "saw": entry["saw"], "bandit": seen.test, "bandit_severity": seen.severity, "bandit_confidence": seen.confidence,
    }  # fmt: skip
    check = f"bandit-{seen.test.lower()}" if "test" in entry and entry["test"] != "other" else "bandit-other"
    return Detection(
        rule, check, source.point(seen.line, seen.column, seen.node), facts, scope_of(seen.node, names).name,
        f"{seen.test} {shape(seen.node, names)}",
    )  # fmt: skip


def scope_of(node: ast.AST | None, names: Names) -> Scope:
    """Return the innermost function or class around a node."""
    if node is None:
        return names.tree.root
    return names.tree.inner(node) if isinstance(node, (*FUNCTIONS, ast.ClassDef)) else names.tree.scope(node)


def shape(node: ast.AST | None, names: Names) -> str:
    """Return what a node is without any literal of it: the called name and its keywords, the imported names."""
    if isinstance(node, ast.Call):
        keywords = ",".join(sorted(keyword.arg or "**" for keyword in node.keywords))
        return f"{names.written(node.func)}({keywords})"
    if isinstance(node, ast.Import):
        return ",".join(alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return f"{node.module}:" + ",".join(alias.name for alias in node.names)
    if isinstance(node, ast.Constant):
        holder = names.tree.parent(node)
        return f"{type(holder).__name__} {_target_names(holder, names.tree)}"
    return type(node).__name__


def _target_names(node: ast.AST | None, tree: Tree) -> str:
    while node is not None and not isinstance(node, ast.stmt):
        node = tree.parent(node)
    if isinstance(node, ast.Assign):
        return ",".join(target.id for target in node.targets if isinstance(target, ast.Name))
    return type(node).__name__
