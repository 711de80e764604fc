"""Runs our own checks over a parsed file: each is called for the nodes that it watches, and for no others."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from mlguard.facts import DataFlow, PrivateTraining
from mlguard.scanners.code import flows, hubs, lexicon, loading, personal, private, running, serving
from mlguard.scanners.code.names import Names
from mlguard.scanners.code.seeing import Call, Place, Sight, Watch
from mlguard.scanners.code.source import Source
from mlguard.scanners.code.tree import Tree

WATCHES: tuple[Watch, ...] = (
    *flows.CHECKS, *private.CHECKS, *loading.CHECKS, *hubs.CHECKS, *running.CHECKS, *serving.CHECKS, *personal.CHECKS,
)  # fmt: skip

_LATER = frozenset({"functools.partial", "map", "asyncio.to_thread"})
_LATER_METHODS = frozenset(
    {
        "submit",
        "map",
        "imap",
        "apply",
        "applymap",
        "imap_unordered",
        "starmap",
        "apply_async",
        "map_async",
        "partial",
        "to_thread",
    }
)


def sights(source: Source, names: Names, more: tuple[Watch, ...] = ()) -> Iterator[Sight | DataFlow | PrivateTraining]:
    """Yield what our checks and ``more`` of the user's see, and the flows of data, each thing once."""
    tree = source.tree
    told: set[tuple[int, str]] = set()
    yield from personal.libraries(source)
    yield from private.libraries(source)
    plan = _plan((*(watch for watch in WATCHES if _wanted(watch, tree)), *more))
    for call, watches in _calls(source, names, plan):
        for watch in watches:
            yield from _new(watch.check(call), told)
    for kind, watches in plan.by_node.items():
        for node in tree.of(kind):
            place = Place(tree.scope(node), source, names)
            for watch in watches:
                yield from _new(watch.check(node, place), told)
    if source.rows is not None:
        yield from personal.shown_at_the_end(source, names)
    yield from hubs.unused_settings(source, names)


def _new(
    seen: Iterator[Sight | DataFlow | PrivateTraining], told: set[tuple[int, str]]
) -> Iterator[Sight | DataFlow | PrivateTraining]:
    """Yield what is new. One expression may feed several sinks, as the columns of a frame that is fitted twice."""
    for sight in seen:
        if isinstance(sight, Sight):
            if (id(sight.node), sight.rule) in told:
                continue
            told.add((id(sight.node), sight.rule))
        yield sight


def _wanted(watch: Watch, tree: Tree) -> bool:
    """Say whether a file has what a check looks for."""
    return (
        (not watch.imports or not watch.imports.isdisjoint(tree.roots))
        and (not watch.words or not watch.words.isdisjoint(tree.identifiers))
        and (not watch.personal or _is_personal(tree))
    )


def _is_personal(tree: Tree) -> bool:
    known = tree.personal
    if known is None:
        known = tree.personal = any(map(lexicon.may_be_personal, tree.identifiers))
    return known


@dataclass(frozen=True, eq=False, slots=True)
class _Plan:
    """Some of the checks by what they watch."""

    by_name: dict[str, tuple[Watch, ...]] = field(default_factory=dict)
    by_keyword: dict[str, tuple[Watch, ...]] = field(default_factory=dict)
    by_node: dict[type, tuple[Watch, ...]] = field(default_factory=dict)
    every: tuple[Watch, ...] = ()


@lru_cache(maxsize=128)
def _plan(watches: tuple[Watch, ...]) -> _Plan:
    plan = _Plan(
        every=tuple(watch for watch in watches if not (watch.names or watch.keywords or watch.nodes)),
    )
    for watch in watches:
        for name in watch.names:
            plan.by_name[name] = (*plan.by_name.get(name, ()), watch)
        for keyword in watch.keywords:
            plan.by_keyword[keyword] = (*plan.by_keyword.get(keyword, ()), watch)
        for kind in watch.nodes:
            plan.by_node[kind] = (*plan.by_node.get(kind, ()), watch)
    return plan


def _calls(source: Source, names: Names, plan: _Plan) -> Iterator[tuple[Call, Sequence[Watch]]]:
    """Yield the calls that some check watches, with the checks."""
    tree, by_name, by_keyword = source.tree, plan.by_name, plan.by_keyword
    aliases = _aliases(tree, by_name)
    hidden = tuple(watch for name, found in by_keyword.items() if name in tree.identifiers for watch in found)
    starred = [prefix for prefix in by_name if prefix.endswith("*")]
    for node in tree.of(ast.Call):
        function = node.func
        kind = function.__class__
        last = function.attr if kind is ast.Attribute else function.id if kind is ast.Name else ""
        watches = by_name.get(last, ()) or plan.every
        if plan.every and watches is not plan.every:
            watches = (*watches, *plan.every)
        if last in aliases:
            watches = (*watches, *by_name[aliases[last]])
        if starred and "_" in last:
            watches = (*watches, *by_name.get(f"{last.partition('_')[0]}_*", ()))
        for keyword in node.keywords:
            found = hidden if keyword.arg is None else by_keyword.get(keyword.arg)
            if found:
                watches = (*watches, *found)
        if not last:
            path = names.path(function, tree.scope(node))
            watches = (*watches, *by_name.get(path.rpartition(".")[2], ()))
        if watches:
            scope = tree.scope(node)
            call = Call(node, scope, names.path(function, scope), source, names)
            yield call, watches if len(watches) == 1 else tuple(dict.fromkeys(watches))
        if last in _LATER_METHODS and (handed := _handed_on(node, source, names)) is not None:
            yield handed, by_name.get(handed.path.rpartition(".")[2], ())


def _aliases(tree: Tree, by_name: dict[str, tuple[Watch, ...]]) -> dict[str, str]:
    """Return the names under which watched functions are known in this file: by import, assignment or default."""
    found: dict[str, str] = {}
    for node in tree.of(ast.ImportFrom):
        for alias in node.names:
            if alias.asname and alias.name in by_name:
                found[alias.asname] = alias.name
    for node in tree.of(ast.Assign):
        if isinstance(node.value, ast.Attribute | ast.Name):
            name = node.value.attr if isinstance(node.value, ast.Attribute) else found.get(node.value.id, node.value.id)
            if name in by_name:
                for target in node.targets:
                    written = getattr(target, "id", None) or getattr(target, "attr", None)
                    if isinstance(written, str) and written != name:
                        found[written] = name
    for node in tree.of(ast.arguments):
        for argument, default in _defaults(node):
            if isinstance(default, ast.Attribute) and default.attr in by_name:
                found[argument.arg] = default.attr
    return found


def _defaults(node: ast.arguments) -> Iterator[tuple[ast.arg, ast.expr | None]]:
    if node.defaults:
        yield from zip([*node.posonlyargs, *node.args][-len(node.defaults) :], node.defaults, strict=True)
    yield from zip(node.kwonlyargs, node.kw_defaults, strict=True)


def _handed_on(node: ast.Call, source: Source, names: Names) -> Call | None:
    """Return the call that will be made of a loader of pickles that is given to another function."""
    first = node.args[0] if node.args else None
    if not isinstance(first, ast.Name | ast.Attribute):
        return None
    scope = source.tree.scope(node)
    path = names.path(first, scope)
    if path not in loading.LOADERS:
        return None
    if isinstance(node.func, ast.Name) and names.path(node.func, scope) not in _LATER:
        return None
    later = ast.Call(func=first, args=node.args[1:], keywords=node.keywords)
    return Call(later, scope, path, source, names, node)
