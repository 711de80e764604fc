"""Answers where the nodes of a parsed module stand: what is around them, and what names mean there.

Most nodes of a file concern nobody. So nothing is worked out for all of them: parents are set for the statements that
somebody asks about, and a function's names are collected when the first of them is looked up.
"""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections import Counter
from functools import cached_property
from typing import Any

from mlguard.scanners.code import parsing
from mlguard.scanners.code.scopes import FUNCTIONS, Function, Scope, inside, joined

__all__ = ["FUNCTIONS", "ITEM", "MAX_NAME_CHARS", "Function", "Scope", "Tree", "inside", "parse", "walk"]

_OPENERS = (*FUNCTIONS, ast.ClassDef, ast.Lambda)
_Opener = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
_DECORATED = (*FUNCTIONS, ast.ClassDef)

ITEM = "[]"
"""Stands for the target of ``x[key] = …`` among names."""

MAX_NAME_CHARS = 60
"""Longer names and texts are no names of fields or columns."""


def parse(source: bytes | str) -> Tree:
    """Return the parsed tree. Raises Unreadable for what Python cannot parse."""
    return Tree(*parsing.nodes(source))


class Tree:
    """A parsed module. ``nodes`` are its nodes in source order, parents before children."""

    def __init__(self, module: ast.Module, nodes: list[ast.AST]) -> None:
        self.module = module
        self.nodes = nodes
        self.root = Scope(module, None, "", self)
        self.written: frozenset[str] | None = None  # constant paths that the code saves to, once somebody asked
        self._of_root: dict[str, bool] = {}
        self._placed = False
        self._all_placed = False
        self._scopes: dict[int, Scope] = {id(module): self.root}

    @cached_property
    def by_class(self) -> dict[type, list[Any]]:
        found: dict[type, list[Any]] = {}
        for node in self.nodes:
            kind = node.__class__
            if kind in found:
                found[kind].append(node)
            else:
                found[kind] = [node]
        return found

    def of(self, *kinds: type) -> list[Any]:
        """Return all nodes of some classes; of several, grouped by class."""
        if len(kinds) == 1:
            return self.by_class.get(kinds[0], [])
        return [node for kind in kinds for node in self.by_class.get(kind, ())]

    @cached_property
    def stars(self) -> list[str]:
        """Modules of which everything is imported."""
        return [
            "." * node.level + (node.module or "")
            for node in self.of(ast.ImportFrom)
            if any(alias.name == "*" for alias in node.names)
        ]

    @cached_property
    def imported(self) -> dict[str, ast.AST]:
        """Every module and name that is imported, dotted, with the first import."""
        found: dict[str, ast.AST] = {}
        for node in self.of(ast.Import):
            for alias in node.names:
                found.setdefault(alias.name, node)
        for node in self.of(ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            found.setdefault(module, node)
            for alias in node.names:
                if alias.name != "*":
                    found.setdefault(joined(module, alias.name), node)
        return found

    @cached_property
    def roots(self) -> frozenset[str]:
        """All parts of the names of imported modules, by which checks are chosen."""
        return frozenset(part for name in self.imported for part in name.split("."))

    @cached_property
    def identifiers(self) -> frozenset[str]:
        """Every name, attribute, parameter and keyword of the file, and every text of at most 60 characters."""
        by = self.by_class
        found = {node.id for node in by.get(ast.Name, ())}
        found.update(node.attr for node in by.get(ast.Attribute, ()))
        found.update(node.arg for node in by.get(ast.arg, ()))
        found.update(node.arg for node in by.get(ast.keyword, ()) if node.arg)
        found.update(
            node.value
            for node in by.get(ast.Constant, ())
            if node.value.__class__ is str and len(node.value) <= MAX_NAME_CHARS
        )
        return frozenset(found)

    # ---- parents

    def parent(self, node: ast.AST) -> ast.AST | None:
        """Return the node's parent, None for the module."""
        found: ast.AST | None = getattr(node, "_bandit_parent", None)  # bandit's checks ask for the same name
        if found is None and node is not self.module:
            self.place(node)
            found = getattr(node, "_bandit_parent", None)
        return found

    def place(self, node: ast.AST) -> None:
        """Set the parents of a node, of everything in its statement, and of all statements."""
        if not self._placed:
            self._placed = True
            _place_statements(self.module)
        if hasattr(node, "_bandit_parent"):
            return
        statement = self.statement(node)
        if statement is not None:
            _place_expressions(statement)
        if not hasattr(node, "_bandit_parent"):
            self.place_all()  # positions inside of formatted strings are not always right before Python 3.12

    def place_all(self) -> None:
        """Set the parents of all nodes."""
        if not self._all_placed:
            self._all_placed = True
            _place_all(self.module)

    @cached_property
    def _statements(self) -> tuple[list[int], list[ast.AST]]:
        """All statements and handlers with where they begin, in that order; a definition also where each decorator begins."""
        places: dict[int, ast.AST] = {}
        for kind, nodes in self.by_class.items():
            if issubclass(kind, ast.stmt | ast.excepthandler):
                for node in nodes:
                    places[node.lineno << 32 | node.col_offset] = node
                if kind in _DECORATED:
                    for node in nodes:
                        for decorator in node.decorator_list:
                            places[_place(decorator)] = node
            elif kind is ast.match_case:
                for node in nodes:
                    places[_place(node.pattern)] = node
        starts = sorted(places)
        return starts, [places[start] for start in starts]

    def statement(self, node: ast.AST) -> ast.AST | None:
        """Return the innermost statement, handler or case that holds an expression."""
        where = _place(node)
        if where < 0:
            return None
        starts, statements = self._statements
        index = bisect_right(starts, where) - 1
        return statements[index] if index >= 0 else None

    # ---- scopes

    @cached_property
    def _openers(self) -> tuple[list[int], list[tuple[int, _Opener, int]], dict[int, int]]:
        """Where the body of each function, class and lambda begins; its end, the node, and the index of the one around; and the index by node."""
        found: list[tuple[int, int, int, _Opener]] = []
        for kind in _OPENERS:
            for node in self.by_class.get(kind, ()):
                body = node.body if kind is ast.Lambda else node.body[0]
                start = _place(body)
                for decorator in getattr(body, "decorator_list", ()):
                    start = min(start, _place(decorator))
                found.append((start, -(node.end_lineno << 32 | node.end_col_offset), len(found), node))
        found.sort()
        entries: list[tuple[int, _Opener, int]] = []
        open_ones: list[int] = []
        for index, (start, negative, _, node) in enumerate(found):
            while open_ones and entries[open_ones[-1]][0] <= start:
                open_ones.pop()
            entries.append((-negative, node, open_ones[-1] if open_ones else -1))
            open_ones.append(index)
        return [item[0] for item in found], entries, {id(entry[1]): index for index, entry in enumerate(entries)}

    def scope(self, node: ast.AST) -> Scope:
        """Return the scope in which a node stands; for a definition the one around it."""
        try:
            where: int = node.lineno << 32 | node.col_offset  # type: ignore[attr-defined]  # most nodes have a place
        except AttributeError:
            where = _place(node)
            if where < 0:
                return self.root
        starts, entries, _ = self._openers
        index = bisect_right(starts, where) - 1
        while index >= 0:
            end, opener, above = entries[index]
            if where < end:
                return self._made(index if opener is not node else above)
            index = above
        return self.root

    def _made(self, index: int) -> Scope:
        if index < 0:
            return self.root
        _, node, above = self._openers[1][index]
        known = self._scopes.get(id(node))
        if known is None:
            around = self._made(above)
            name = around.name
            if not isinstance(node, ast.Lambda):
                name = f"{name}.{node.name}" if name else node.name
            known = self._scopes[id(node)] = Scope(node, around, name, self)
        return known

    def inner(self, node: ast.AST) -> Scope:
        """Return the scope that a definition or a lambda opens."""
        known = self._scopes.get(id(node))
        return known if known is not None else self._made(self._openers[2][id(node)])

    def close(self) -> None:
        """Let go of everything, so that its memory is free at once. The tree answers nothing any more, its nodes are as the parser made them."""
        if self._placed or self._all_placed:
            for node in self.nodes:
                node.__dict__.pop("_bandit_parent", None)
        self.__dict__.clear()

    @cached_property
    def bound(self) -> dict[str, int]:
        """How often each name is bound by any scope. What is not among them is a builtin or comes from elsewhere."""
        by = self.by_class
        found: list[str] = []
        for node in by.get(ast.Assign, ()):
            for target in node.targets:
                if target.__class__ is ast.Name:
                    found.append(target.id)
                elif target.__class__ in _SPREAD:
                    found += _names_in(target)
        for kind in _WITH_TARGET:
            for node in by.get(kind, ()):
                found += _names_in(node.target)
        for node in by.get(ast.withitem, ()):
            found += _names_in(node.optional_vars)
        found += [node.arg for node in by.get(ast.arg, ())]
        found += [node.name for node in self.of(*_NAMED)]
        found += [node.rest for node in by.get(ast.MatchMapping, ())]
        for node in self.of(ast.Import, ast.ImportFrom):
            found += _imports(node)
        return Counter(found)

    @cached_property
    def _imported_at_root(self) -> dict[str, int]:
        kinds = (ast.Import, ast.ImportFrom)
        return Counter(
            [name for node in inside(self.module.body) if node.__class__ in kinds for name in _imports(node)]
        )

    def is_of_root(self, name: str) -> bool:
        """Say whether only the module itself binds a name."""
        known = self._of_root.get(name)
        if known is None:
            counted = len(self.root.values.get(name, ())) + self._imported_at_root.get(name, 0)
            known = self._of_root[name] = counted == self.bound.get(name)
        return known

    @cached_property
    def targets(self) -> dict[str, list[Any]]:
        """Every assignment by the last name of each of its targets; ``x[key] = …`` by ITEM, and by its key where that is a text."""
        found: dict[str, list[Any]] = {}
        for node in self.by_class.get(ast.Assign, ()):
            for target in node.targets:
                kind = target.__class__
                if kind is ast.Name:
                    name = target.id
                elif kind is ast.Attribute:
                    name = target.attr
                elif kind is ast.Subscript:
                    name = ITEM
                    if target.slice.__class__ is ast.Constant and target.slice.value.__class__ is str:
                        found.setdefault(target.slice.value, []).append(node)
                else:
                    continue
                if name in found:
                    found[name].append(node)
                else:
                    found[name] = [node]
        for node in self.by_class.get(ast.AnnAssign, ()):
            name = getattr(node.target, "id", None) or getattr(node.target, "attr", ITEM)
            found.setdefault(str(name), []).append(node)
        return found

    @cached_property
    def loose(self) -> dict[int, list[Any]]:
        """Assignments inside of expressions and loops of comprehensions, by the id of the node of the scope that they bind in."""
        found: dict[int, list[Any]] = {}
        for node in self.of(ast.NamedExpr, ast.comprehension):
            found.setdefault(id(self.scope(node.target).node), []).append(node)
        return found

    @cached_property
    def calls_by_name(self) -> dict[str, list[ast.Call]]:
        """Every call by the last part of the called name as written, "" for what is called without one."""
        found: dict[str, list[ast.Call]] = {}
        for call in self.by_class.get(ast.Call, ()):
            function = call.func
            kind = function.__class__
            name = function.attr if kind is ast.Attribute else function.id if kind is ast.Name else ""
            if name in found:
                found[name].append(call)
            else:
                found[name] = [call]
        return found

    @cached_property
    def calls_by_keyword(self) -> dict[str | None, list[ast.Call]]:
        """Every call by each of its keywords, None for ``**``."""
        found: dict[str | None, list[ast.Call]] = {}
        for call in self.by_class.get(ast.Call, ()):
            for keyword in call.keywords:
                name = keyword.arg
                if name in found:
                    found[name].append(call)
                else:
                    found[name] = [call]
        return found


_SPREAD = frozenset({ast.Tuple, ast.List, ast.Starred})
_WITH_TARGET = (ast.AnnAssign, ast.AugAssign, ast.For, ast.AsyncFor, ast.NamedExpr, ast.comprehension)


def _names_in(target: Any) -> list[str]:
    """Return the names that a target binds."""
    kind = target.__class__
    if kind is ast.Name:
        return [target.id]
    if kind is ast.Starred:
        return _names_in(target.value)
    return [name for item in target.elts for name in _names_in(item)] if kind in _SPREAD else []


_NAMED = (*FUNCTIONS, ast.ClassDef, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)


def _imports(node: ast.Import | ast.ImportFrom) -> list[str]:
    """Return the names that an import binds."""
    if isinstance(node, ast.Import):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    return [alias.asname or alias.name for alias in node.names]


# ---- positions


def _place(node: Any) -> int:
    """Return where a node begins as one number that grows with line and column; -1 where it has no place."""
    try:
        return int(node.lineno) << 32 | int(node.col_offset)
    except AttributeError:
        inside_it = (
            getattr(node, "target", None) or getattr(node, "context_expr", None) or getattr(node, "pattern", None)
        )
        return _place(inside_it) if inside_it is not None else -1


# ---- parents

_PLACED = (ast.stmt, ast.excepthandler, ast.match_case)
_PLAIN = frozenset(
    {
        "id",
        "attr",
        "arg",
        "name",
        "asname",
        "module",
        "level",
        "kind",
        "type_comment",
        "ctx",
        "op",
        "ops",
        "is_async",
        "conversion",
        "simple",
        "rest",
        "tag",
        "lineno",
    }
)
"""Fields that hold no node, or none that stands in one place."""

_fields: dict[type, tuple[str, ...]] = {ast.Constant: (), ast.Global: (), ast.Nonlocal: ()}


def _children(node: ast.AST) -> list[Any]:
    """Return the nodes right below a node, without those that the parser shares between places."""
    kind = node.__class__
    names = _fields.get(kind)
    if names is None:
        names = _fields[kind] = tuple(name for name in kind._fields if name not in _PLAIN)
    found: list[Any] = []
    for name in names:
        value = getattr(node, name, None)
        if value.__class__ is list:
            found += [item for item in value if isinstance(item, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


def walk(node: ast.AST) -> list[Any]:
    """Return a node and everything below it, level by level as ``ast.walk`` does, without operators and contexts."""
    found = [node]
    for item in found:
        found += _children(item)
    return found


_BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")


def _place_statements(module: ast.Module) -> None:
    stack: list[ast.AST] = [module]
    while stack:
        node: Any = stack.pop()
        for name in _BLOCKS:
            block = getattr(node, name, None)
            if block.__class__ is list:
                for item in block:
                    item._bandit_parent = node
                    if hasattr(item, "body") or hasattr(item, "cases"):
                        stack.append(item)


def _place_expressions(statement: ast.AST) -> None:
    stack: list[ast.AST] = [statement]
    while stack:
        node = stack.pop()
        for child in _children(node):
            if not isinstance(child, _PLACED):
                child._bandit_parent = node
                stack.append(child)


def _place_all(module: ast.Module) -> None:
    stack: list[ast.AST] = [module]
    while stack:
        node = stack.pop()
        for child in _children(node):
            child._bandit_parent = node
            stack.append(child)
