"""Runs our own checks over a parsed file: each is called for the nodes that it watches, and for no others."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

from mlguard.facts import DataFlow, PrivateTraining
from mlguard.scanners.code import (
    agents,
    clients,
    collection,
    crypto,
    decisions,
    dumps,
    endpoints,
    features,
    fetching,
    flows,
    hubs,
    leaks,
    lexicon,
    literals,
    loading,
    logs,
    private,
    pseudonyms,
    queries,
    recipients,
    retrieval,
    running,
    servers,
    storage,
    stores,
    telemetry,
    toolservers,
    web,
)
from mlguard.scanners.code.names import Names
from mlguard.scanners.code.seeing import Call, Place, Sight, Watch
from mlguard.scanners.code.source import Source
from mlguard.scanners.code.tree import Tree
from mlguard.values import dataclass, field

WATCHES: tuple[Watch, ...] = (
    *flows.CHECKS, *private.CHECKS, *loading.CHECKS, *hubs.CHECKS, *running.CHECKS, *queries.CHECKS, *fetching.CHECKS, *agents.CHECKS,
    *web.CHECKS, *clients.CHECKS, *servers.CHECKS, *endpoints.CHECKS, *retrieval.CHECKS, *toolservers.CHECKS,
    *crypto.CHECKS, *storage.CHECKS, *leaks.CHECKS, *logs.CHECKS, *telemetry.CHECKS, *recipients.CHECKS,
    *stores.CHECKS, *dumps.CHECKS, *pseudonyms.CHECKS, *features.CHECKS, *decisions.CHECKS, *collection.CHECKS,
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
    yield from collection.libraries(source)
    yield from private.libraries(source)
    if literals.concerns(source):
        yield from literals.literals(source)
    index = _index((*WATCHES, *more))
    wanted = _Wanted(tree)
    for call, watches in _calls(source, names, index, wanted):
        for watch in watches:
            for sight in watch.check(call):
                if _is_new(sight, told):
                    yield sight
    for kind, watching in index.by_node.items():
        for node, watches in _nodes(tree, kind, [watch for watch in watching if wanted[watch]]):
            place = Place(None, source, names, node)
            for watch in watches:
                for sight in watch.check(node, place):
                    if _is_new(sight, told):
                        yield sight
    if source.rows is not None:
        yield from logs.shown_at_the_end(source, names)
    yield from hubs.unused_settings(source, names)


def _nodes(tree: Tree, kind: type, watches: list[Watch]) -> Iterator[tuple[ast.AST, list[Watch]]]:
    """Yield the nodes of a class that concern some of the checks, with these, in the order of the file."""
    plain = [watch for watch in watches if not watch.chooses]
    if len(plain) == len(watches):
        for node in tree.of(kind) if plain else ():
            yield node, plain
        return
    chosen: dict[ast.AST, list[Watch]] = {}
    for watch in watches:
        for node in _chosen(tree, kind, watch):
            chosen.setdefault(node, []).append(watch)
    for node in tree.of(kind) if chosen else ():
        if node in chosen:
            yield node, chosen[node]


def _chosen(tree: Tree, kind: type, watch: Watch) -> Iterable[Any]:
    if watch.decorated:
        return [node for node in tree.of(kind) if node.decorator_list]
    if not watch.chooses:
        return tree.of(kind)
    names = watch.targets & tree.targets.keys()
    if watch.endings:
        names |= {name for name in tree.targets if name.lower().endswith(watch.endings)}
    return dict.fromkeys(node for name in names for node in tree.targets[name] if node.__class__ is kind)


def _is_new(sight: Sight | DataFlow | PrivateTraining, told: set[tuple[int, str]]) -> bool:
    """Say whether nothing was told of it yet. One expression may feed several sinks, as the columns of a frame that is fitted twice."""
    if not isinstance(sight, Sight):
        return True
    key = id(sight.node), sight.rule
    if key in told:
        return False
    told.add(key)
    return True


@dataclass(frozen=True, eq=False, slots=True)
class _Index:
    """Checks by what they watch, each list in the order of all."""

    order: dict[Watch, int]
    by_name: dict[str, list[Watch]] = field(default_factory=dict)
    by_beginning: dict[str, list[Watch]] = field(default_factory=dict)
    by_keyword: dict[str, list[Watch]] = field(default_factory=dict)
    by_node: dict[type, list[Watch]] = field(default_factory=dict)
    every: list[Watch] = field(default_factory=list)


@lru_cache(maxsize=8)
def _index(watches: tuple[Watch, ...]) -> _Index:
    index = _Index({watch: number for number, watch in enumerate(watches)})
    for watch in watches:
        for name in watch.names:
            table = index.by_beginning if name.endswith("*") else index.by_name
            table.setdefault(name.rstrip("_*") if name.endswith("*") else name, []).append(watch)
        for keyword in watch.keywords:
            index.by_keyword.setdefault(keyword, []).append(watch)
        for kind in watch.nodes:
            index.by_node.setdefault(kind, []).append(watch)
        if not (watch.names or watch.keywords or watch.nodes):
            index.every.append(watch)
    return index


class _Wanted(dict[Watch, bool]):
    """Whether a file has what a check looks for, worked out for those checks of which it holds a call or a node."""

    def __init__(self, tree: Tree) -> None:
        super().__init__()
        self._tree = tree

    def __missing__(self, watch: Watch) -> bool:
        tree = self._tree
        found = (
            (not watch.imports or not watch.imports.isdisjoint(tree.roots))
            and (not watch.words or not watch.words.isdisjoint(tree.identifiers))
            and (not watch.called or not watch.called.isdisjoint(tree.calls_by_name))
            and (not watch.personal or self.personal)
        )
        self[watch] = found
        return found

    @cached_property
    def personal(self) -> bool:
        return lexicon.speaks_of_persons(self._tree.identifiers)


def _calls(source: Source, names: Names, index: _Index, wanted: _Wanted) -> Iterator[tuple[Call, Sequence[Watch]]]:
    """Yield the calls that some check watches, with the checks, in the order of the file."""
    tree = source.tree
    chosen: dict[ast.Call, list[Watch] | tuple[Watch, ...]] = {}  # a tuple where several lists are put together

    def add(calls: Iterable[ast.Call], watches: Iterable[Watch]) -> None:
        found = [watch for watch in watches if wanted[watch]]
        for call in calls if found else ():
            known = chosen.get(call)
            chosen[call] = found if known is None else (*known, *found)

    known = tree.calls_by_name
    for name in index.by_name.keys() & known.keys():
        add(known[name], index.by_name[name])
    for name, alias in _aliases(tree, index.by_name).items():
        add(known.get(name, ()), index.by_name[alias])
    for name in known if index.by_beginning else ():
        if "_" in name and (beginning := name.partition("_")[0]) in index.by_beginning:
            add(known[name], index.by_beginning[beginning])
    by_keyword = tree.calls_by_keyword
    for keyword in index.by_keyword.keys() & by_keyword.keys():
        add(by_keyword[keyword], index.by_keyword[keyword])
    if None in by_keyword:
        for keyword in index.by_keyword.keys() & tree.identifiers:
            add(by_keyword[None], index.by_keyword[keyword])
    if index.every:
        add(tree.of(ast.Call), index.every)
    for call in known.get("", ()):
        path = names.path(call.func, tree.scope(call))
        add((call,), index.by_name.get(path.rpartition(".")[2], ()))
    order = index.order.__getitem__
    for node in tree.of(ast.Call) if chosen else ():
        watches = chosen.get(node)
        if watches is not None:
            if watches.__class__ is tuple:
                watches = sorted(set(watches), key=order)
            yield Call(node, None, None, source, names), watches
    for name in _LATER_METHODS & known.keys():
        for node in known[name]:
            if (handed := _handed_on(node, source, names)) is not None:
                later = index.by_name.get(handed.path.rpartition(".")[2], ())
                yield handed, [watch for watch in later if wanted[watch]]


def _aliases(tree: Tree, by_name: Mapping[str, Sequence[Watch]]) -> dict[str, str]:
    """Return the names under which watched functions are known in this file: by import, assignment or default."""
    found: dict[str, str] = {}
    for node in tree.of(ast.ImportFrom):
        for alias in node.names:
            if alias.asname and alias.name in by_name:
                found[alias.asname] = alias.name
    for node in tree.of(ast.Assign):
        value = node.value
        kind = value.__class__
        if kind is ast.Attribute or kind is ast.Name:
            name = value.attr if kind is ast.Attribute else found.get(value.id, value.id)
            if name in by_name:
                for target in node.targets:
                    written = getattr(target, "id", None) or getattr(target, "attr", None)
                    if isinstance(written, str) and written != name:
                        found[written] = name
    for node in tree.of(ast.arguments):
        if node.defaults or node.kw_defaults:
            for argument, default in _defaults(node):
                if default.__class__ is ast.Attribute and default.attr in by_name:
                    found[argument.arg] = default.attr
    return found


def _defaults(node: ast.arguments) -> Iterator[tuple[ast.arg, Any]]:
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
