"""Parses Python code and walks it once: nodes in order, each with its parent and its scope."""

from __future__ import annotations

import ast
import gc
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mlguard.errors import Unreadable


@dataclass(slots=True, eq=False)
class Scope:
    """What names mean in a module, class or function.

    ``values`` holds every expression that is assigned to a name, None where it is not known (a loop's variable, a part of
    an unpacked value), the definition itself for functions and classes. ``attributes`` are those of ``self`` in a class.
    """

    node: ast.AST
    parent: Scope | None
    name: str  # dotted, "" for the module
    imports: dict[str, str] = field(default_factory=dict)
    values: dict[str, list[ast.AST | None]] = field(default_factory=dict)
    parameters: dict[str, tuple[ast.arg, ast.expr | None]] = field(default_factory=dict)
    attributes: dict[str, list[ast.AST | None]] = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)  # declared global or nonlocal
    entries: dict[str, dict[str, ast.expr]] = field(default_factory=dict)  # what name["key"] = … adds to a name
    grown: dict[str, list[ast.expr]] = field(default_factory=dict)  # what += adds to a name


@dataclass(slots=True, eq=False)
class Tree:
    """A module's nodes in source order (parents before children)."""

    module: ast.Module
    nodes: list[ast.AST]
    scopes: dict[ast.AST, Scope]  # of calls, statements that matter, and definitions
    root: Scope
    stars: list[str]  # modules of which everything is imported
    imported: dict[str, ast.AST]  # every module that is imported, with the first import
    written: frozenset[str] | None = None  # constant paths that the code saves to, once somebody asked


def parse(source: bytes | str) -> Tree:
    """Return the walked tree. Raises Unreadable for what Python cannot parse."""
    collecting = gc.isenabled()
    gc.disable()  # a tree is all alive while it grows: looking for garbage in it doubles the time
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape is not our business
            module = ast.parse(source)
        return _walk(module)
    except SyntaxError as error:
        where = f" (line {error.lineno})" if error.lineno else ""
        raise Unreadable(f"not valid Python{where}; fix the syntax error or exclude the file") from None
    except (ValueError, LookupError, UnicodeError):
        raise Unreadable("not valid Python: a null byte or characters of another encoding") from None
    except (RecursionError, MemoryError):
        raise Unreadable("nested too deeply for Python's parser") from None
    finally:
        if collecting:
            gc.enable()


_LEAVES = frozenset({"ctx", "op", "ops"})
_fields: dict[type, tuple[str, ...]] = {ast.Name: (), ast.Constant: (), ast.alias: (), ast.arg: ("annotation",)}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def parent(node: ast.AST) -> ast.AST | None:
    """Return the node's parent."""
    return getattr(node, "_bandit_parent", None)  # bandit's checks ask for the same name


def _walk(module: ast.Module) -> Tree:
    root = Scope(module, None, "")
    tree = Tree(module, [], {module: root}, root, [], {})
    stack: list[tuple[ast.AST, Scope]] = [(child, root) for child in reversed(module.body)]
    for child in module.body:
        child._bandit_parent = module  # type: ignore[attr-defined]  # as bandit names it
    nodes, scopes = tree.nodes, tree.scopes
    while stack:
        node, scope = stack.pop()
        nodes.append(node)
        kind = node.__class__
        binder = _BINDERS.get(kind)
        if binder is not None:
            binder(node, scope, tree)
        if kind is ast.Call:
            scopes[node] = scope
        names = _fields.get(kind)
        if names is None:
            names = _fields[kind] = tuple(name for name in kind._fields if name not in _LEAVES)
        inner = scopes.get(node, scope) if kind in _OPENERS else scope
        below: list[tuple[ast.AST, Scope]] = []
        for name in names:
            value = getattr(node, name, None)
            if value.__class__ is list:
                where = inner if name == "body" else scope
                for item in value:
                    if isinstance(item, ast.AST):
                        item._bandit_parent = node  # type: ignore[attr-defined]
                        below.append((item, where))
            elif isinstance(value, ast.AST):
                value._bandit_parent = node  # type: ignore[attr-defined]
                below.append((value, inner if name == "body" else scope))
        below.reverse()
        stack.extend(below)
    return tree


def _bind(scope: Scope, name: str, value: ast.AST | None) -> None:
    home = scope
    if name in scope.elsewhere:
        while home.parent is not None and (home is scope or name not in home.values):
            home = home.parent
    home.values.setdefault(name, []).append(value)


def _target(scope: Scope, target: ast.AST, value: ast.AST | None) -> None:
    if isinstance(target, ast.Name):
        _bind(scope, target.id, value)
    elif isinstance(target, ast.Starred):
        _target(scope, target.value, None)
    elif isinstance(target, ast.Tuple | ast.List):
        parts = _parts(value, len(target.elts))
        for index, item in enumerate(target.elts):
            _target(scope, item, parts[index] if parts else None)
    elif (
        isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id in ("self", "cls")
    ):
        holder = scope.parent
        if holder is not None and isinstance(holder.node, ast.ClassDef):
            holder.attributes.setdefault(target.attr, []).append(value)


def _parts(value: ast.AST | None, count: int) -> list[ast.expr] | None:
    """Return what each of ``count`` targets gets. A split into train and test gives each half the whole's columns."""
    if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == count:
        return value.elts
    if isinstance(value, ast.Call):
        name = getattr(value.func, "attr", None) or getattr(value.func, "id", None)
        if name == "train_test_split" and len(value.args) * 2 == count:
            return [argument for argument in value.args for _ in range(2)]
    return None


def _import(node: ast.Import, scope: Scope, tree: Tree) -> None:
    for alias in node.names:
        tree.imported.setdefault(alias.name, node)
        if alias.asname:
            scope.imports.setdefault(alias.asname, alias.name)
        else:
            first = alias.name.split(".")[0]
            scope.imports.setdefault(first, first)


def _import_from(node: ast.ImportFrom, scope: Scope, tree: Tree) -> None:
    module = "." * node.level + (node.module or "")
    tree.imported.setdefault(module, node)
    for alias in node.names:
        if alias.name == "*":
            tree.stars.append(module)
        else:
            tree.imported.setdefault(f"{module}.{alias.name}", node)
            scope.imports.setdefault(alias.asname or alias.name, f"{module}.{alias.name}")


def _assign(node: ast.Assign, scope: Scope, tree: Tree) -> None:
    tree.scopes[node] = scope
    for target in node.targets:
        _target(scope, target, node.value)
        if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            key = target.slice.value if isinstance(target.slice, ast.Constant) else None
            if isinstance(key, str):
                scope.entries.setdefault(target.value.id, {})[key] = node.value


def _assign_one(node: ast.AnnAssign | ast.NamedExpr, scope: Scope, tree: Tree) -> None:
    if node.value is not None:
        tree.scopes[node] = scope
        _target(scope, node.target, node.value)


def _assign_again(node: ast.AugAssign, scope: Scope, tree: Tree) -> None:
    _target(scope, node.target, None)
    if isinstance(node.target, ast.Name) and isinstance(node.op, ast.Add):
        scope.grown.setdefault(node.target.id, []).append(node.value)


def _loop(node: ast.For | ast.AsyncFor | ast.comprehension, scope: Scope, tree: Tree) -> None:
    _target(scope, node.target, None)


def _with(node: ast.withitem, scope: Scope, tree: Tree) -> None:
    if node.optional_vars is not None:
        _target(scope, node.optional_vars, node.context_expr)


def _caught(node: ast.ExceptHandler, scope: Scope, tree: Tree) -> None:
    if node.name:
        _bind(scope, node.name, None)


def _elsewhere(node: ast.Global | ast.Nonlocal, scope: Scope, tree: Tree) -> None:
    scope.elsewhere.update(node.names)


def _note(node: ast.AST, scope: Scope, tree: Tree) -> None:
    tree.scopes[node] = scope


def _define(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, scope: Scope, tree: Tree) -> None:
    _bind(scope, node.name, node)
    inner = Scope(node, scope, f"{scope.name}.{node.name}" if scope.name else node.name)
    tree.scopes[node] = inner
    if not isinstance(node, ast.ClassDef):
        _parameters(node.args, inner)


def _lambda(node: ast.Lambda, scope: Scope, tree: Tree) -> None:
    inner = Scope(node, scope, scope.name)
    tree.scopes[node] = inner
    _parameters(node.args, inner)


def _parameters(arguments: ast.arguments, scope: Scope) -> None:
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    for argument, default in zip(positional, [*defaults, *arguments.defaults], strict=True):
        scope.parameters[argument.arg] = (argument, default)
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        scope.parameters[argument.arg] = (argument, default)
    for extra in (arguments.vararg, arguments.kwarg):
        if extra is not None:
            scope.parameters[extra.arg] = (extra, None)


_OPENERS = frozenset({*_FUNCTIONS, ast.ClassDef, ast.Lambda})
_BINDERS: dict[type, Callable[[Any, Scope, Tree], None]] = {
    ast.Import: _import, ast.ImportFrom: _import_from, ast.Assign: _assign, ast.AnnAssign: _assign_one,
    ast.NamedExpr: _assign_one, ast.AugAssign: _assign_again, ast.For: _loop, ast.AsyncFor: _loop,
    ast.comprehension: _loop, ast.withitem: _with, ast.ExceptHandler: _caught, ast.Global: _elsewhere,
    ast.Nonlocal: _elsewhere, ast.FunctionDef: _define, ast.AsyncFunctionDef: _define, ast.ClassDef: _define,
    ast.Lambda: _lambda, ast.Raise: _note, ast.Subscript: _note,
}  # fmt: skip
