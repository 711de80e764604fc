"""Collects what the names of a module, class or function are bound to."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlguard.scanners.code.tree import Tree

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Function = ast.FunctionDef | ast.AsyncFunctionDef
_WITH_PARAMETERS: frozenset[type] = frozenset({*FUNCTIONS, ast.Lambda})


class Scope:
    """What names mean in a module, class or function. Its names are collected when the first of them is asked for.

    ``values`` holds every expression that is assigned to a name, None where it is not known (a loop's variable, a part of
    an unpacked value), the definition itself for functions and classes. ``parts`` holds, for names of which ``values`` has
    None, the expressions that they are an element or a part of. ``attributes`` are those of ``self`` in a class.
    ``entries`` is what ``name["key"] = …`` adds to a name, ``grown`` what ``+=``, ``append`` and ``extend`` add.
    ``annotations`` are the declared types of names.
    """

    __slots__ = (
        "_annotations", "_attributes", "_bound", "_conditions", "_entries", "_grown", "_imports", "_known", "_parameters", "_parts", "_values", "elsewhere", "name",
        "node", "parent", "tree",
    )  # fmt: skip

    def __init__(self, node: ast.AST, parent: Scope | None, name: str, tree: Tree) -> None:
        self.node = node
        self.parent = parent
        self.name = name  # dotted, "" for the module
        self.tree = tree
        self._attributes: dict[str, list[ast.AST | None]] | None = None
        self._bound = False

    @property
    def parameters(self) -> dict[str, tuple[ast.arg, ast.expr | None]]:
        if not self._bound:
            self._bind()
        return self._parameters

    @property
    def imports(self) -> dict[str, str]:
        if not self._bound:
            self._bind()
        return self._imports

    @property
    def values(self) -> dict[str, list[ast.AST | None]]:
        if not self._bound:
            self._bind()
        return self._values

    @property
    def parts(self) -> dict[str, list[ast.expr]]:
        if not self._bound:
            self._bind()
        return self._parts

    @property
    def entries(self) -> dict[str, dict[str, ast.expr]]:
        if not self._bound:
            self._bind()
        return self._entries

    @property
    def grown(self) -> dict[str, list[ast.expr]]:
        if not self._bound:
            self._bind()
        return self._grown

    @property
    def annotations(self) -> dict[str, ast.expr]:
        if not self._bound:
            self._bind()
        return self._annotations

    @property
    def conditions(self) -> list[ast.If | ast.While | ast.Assert]:
        """The statements of the scope that look at a condition."""
        if not self._bound:
            self._bind()
        return self._conditions

    def binds(self, name: str) -> bool:
        """Say whether the scope gives a name its meaning: by a value, an import or a parameter."""
        if not self._bound:
            self._bind()
        return name in self._known

    @property
    def attributes(self) -> dict[str, list[ast.AST | None]]:
        """The expressions that methods of this class assign to attributes of ``self`` or ``cls``."""
        if self._attributes is None:
            self._attributes = {}
            if isinstance(self.node, ast.ClassDef):
                _collect_attributes(self.node, self._attributes)
        return self._attributes

    def around_class(self) -> Scope | None:
        """Return the scope of the innermost class around."""
        holder: Scope | None = self
        while holder is not None and not isinstance(holder.node, ast.ClassDef):
            holder = holder.parent
        return holder

    def _bind(self) -> None:
        self._bound = True
        self.elsewhere: set[str] = set()  # declared global or nonlocal
        self._parameters: dict[str, tuple[ast.arg, ast.expr | None]] = {}
        self._imports: dict[str, str] = {}
        self._values: dict[str, list[ast.AST | None]] = {}
        self._parts: dict[str, list[ast.expr]] = {}
        self._entries: dict[str, dict[str, ast.expr]] = {}
        self._grown: dict[str, list[ast.expr]] = {}
        self._annotations: dict[str, ast.expr] = {}
        self._known: set[str] = set()
        self._conditions: list[ast.If | ast.While | ast.Assert] = []
        opener: Any = self.node
        kind = type(opener)
        if kind in _WITH_PARAMETERS:
            _parameters(opener.args, self)
            self._known.update(self._parameters)
        if kind is not ast.Lambda:
            for statement in inside(opener.body):
                binder = _BINDERS.get(statement.__class__)
                if binder is not None:
                    binder(statement, self)
        self._known.update(self._values, self._imports)
        for node in self.tree.loose.get(id(self.node), ()):
            if isinstance(node, ast.NamedExpr):
                _target(self, node.target, node.value)
            else:
                _target(self, node.target, None, node.iter)
        if self.parent is None:
            for node in self.tree.of(ast.Global):
                _ = self.tree.scope(node).values  # its assignments bind names of the module


# ---- what names are bound to


_DEFINITIONS = frozenset({*FUNCTIONS, ast.ClassDef})


def _bind(scope: Scope, name: str, value: ast.AST | None, part: ast.expr | None = None) -> None:
    home = scope
    if name in scope.elsewhere:
        while home.parent is not None and (home is scope or name not in home.values):
            home = home.parent
        if not home._bound:
            home._bind()
    home._values.setdefault(name, []).append(value)
    home._known.add(name)
    if part is not None:
        home._parts.setdefault(name, []).append(part)


def _target(scope: Scope, target: ast.AST, value: ast.AST | None, part: ast.expr | None = None) -> None:
    if isinstance(target, ast.Name):
        _bind(scope, target.id, value, part)
    elif isinstance(target, ast.Starred):
        _target(scope, target.value, None, part)
    elif isinstance(target, ast.Tuple | ast.List):
        found = _parts(value, len(target.elts))
        whole = part if value is None or not isinstance(value, ast.expr) else value
        for index, item in enumerate(target.elts):
            _target(scope, item, found[index] if found else None, None if found else whole)


def _parts(value: ast.AST | None, count: int) -> list[ast.expr] | None:
    """Return what each of ``count`` targets gets. A split into train and test gives each half the whole's columns."""
    if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == count:
        return value.elts
    if isinstance(value, ast.Call):
        name = getattr(value.func, "attr", None) or getattr(value.func, "id", None)
        if name == "train_test_split" and len(value.args) * 2 == count:
            return [argument for argument in value.args for _ in range(2)]
    return None


def _import(node: ast.Import, scope: Scope) -> None:
    for alias in node.names:
        if alias.asname:
            scope._imports.setdefault(alias.asname, alias.name)
        else:
            first = alias.name.split(".")[0]
            scope._imports.setdefault(first, first)


def joined(module: str, name: str) -> str:
    """Return the dotted path of a name of a module; ``from . import a`` is ``.a``."""
    return f"{module}{name}" if module.endswith(".") else f"{module}.{name}"


def _import_from(node: ast.ImportFrom, scope: Scope) -> None:
    module = "." * node.level + (node.module or "")
    for alias in node.names:
        if alias.name != "*":
            scope._imports.setdefault(alias.asname or alias.name, joined(module, alias.name))


def _assign(node: ast.Assign, scope: Scope) -> None:
    for target in node.targets:
        _target(scope, target, node.value)
        if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            key = target.slice.value if isinstance(target.slice, ast.Constant) else None
            if isinstance(key, str):
                scope._entries.setdefault(target.value.id, {})[key] = node.value


def _assign_one(node: ast.AnnAssign, scope: Scope) -> None:
    if node.value is not None:
        _target(scope, node.target, node.value)
    if isinstance(node.target, ast.Name):
        scope._annotations.setdefault(node.target.id, node.annotation)


def _assign_again(node: ast.AugAssign, scope: Scope) -> None:
    _target(scope, node.target, None, node.value)
    if isinstance(node.target, ast.Name) and isinstance(node.op, ast.Add):
        scope._grown.setdefault(node.target.id, []).append(node.value)


_GROWS = frozenset({"append", "extend", "insert", "add", "update", "write"})


def _expression(node: ast.Expr, scope: Scope) -> None:
    call = node.value
    if not (isinstance(call, ast.Call) and call.args and isinstance(call.func, ast.Attribute)):
        return
    if call.func.attr in _GROWS and isinstance(call.func.value, ast.Name):
        scope._grown.setdefault(call.func.value.id, []).append(call.args[-1])


def _loop(node: ast.For | ast.AsyncFor, scope: Scope) -> None:
    _target(scope, node.target, None, node.iter)


def _with(node: ast.With | ast.AsyncWith, scope: Scope) -> None:
    for item in node.items:
        if item.optional_vars is not None:
            _target(scope, item.optional_vars, item.context_expr)


def _caught(node: ast.ExceptHandler, scope: Scope) -> None:
    if node.name:
        _bind(scope, node.name, None)


def _case(node: ast.match_case, scope: Scope) -> None:
    for inner in ast.walk(node.pattern):
        name = getattr(inner, "name", None) or getattr(inner, "rest", None)
        if isinstance(name, str):
            _bind(scope, name, None)


def _elsewhere(node: ast.Global | ast.Nonlocal, scope: Scope) -> None:
    scope.elsewhere.update(node.names)


def _condition(node: ast.If | ast.While | ast.Assert, scope: Scope) -> None:
    scope._conditions.append(node)


def _define(node: Function | ast.ClassDef, scope: Scope) -> None:
    _bind(scope, node.name, node)


def _parameters(arguments: ast.arguments, scope: Scope) -> None:
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    for argument, default in zip(positional, [*defaults, *arguments.defaults], strict=True):
        scope._parameters[argument.arg] = (argument, default)
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        scope._parameters[argument.arg] = (argument, default)
    for extra in (arguments.vararg, arguments.kwarg):
        if extra is not None:
            scope._parameters[extra.arg] = (extra, None)


def _collect_attributes(node: ast.ClassDef, found: dict[str, list[ast.AST | None]]) -> None:
    for function in node.body:
        if not isinstance(function, FUNCTIONS):
            continue
        for statement in inside(function.body):
            if isinstance(statement, ast.Assign):
                for target in statement.targets:
                    _attribute(target, statement.value, found)
            elif isinstance(statement, ast.AnnAssign | ast.AugAssign):
                value = statement.value if isinstance(statement, ast.AnnAssign) else None
                _attribute(statement.target, value, found)


def _attribute(target: ast.AST, value: ast.AST | None, found: dict[str, list[ast.AST | None]]) -> None:
    if isinstance(target, ast.Tuple | ast.List):
        parts = _parts(value, len(target.elts))
        for index, item in enumerate(target.elts):
            _attribute(item, parts[index] if parts else None, found)
    elif (
        isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id in ("self", "cls")
    ):
        found.setdefault(target.attr, []).append(value)


_BLOCKS_OF: dict[type, tuple[str, ...]] = {
    **dict.fromkeys((ast.If, ast.For, ast.AsyncFor, ast.While), ("body", "orelse")),
    **dict.fromkeys((ast.With, ast.AsyncWith, ast.ExceptHandler, ast.match_case), ("body",)),
    **dict.fromkeys([ast.Try, *([ast.TryStar] if hasattr(ast, "TryStar") else [])], ("body", "handlers", "orelse", "finalbody")),
    ast.Match: ("cases",),
}  # fmt: skip


def inside(body: Iterable[ast.AST]) -> list[Any]:
    """Return the statements of a block and of the blocks in it, without those of definitions, in the order of the file."""
    found: list[Any] = []
    stack = [iter(body)]
    while stack:
        for node in stack[-1]:
            found.append(node)
            names = _BLOCKS_OF.get(node.__class__)
            if names is not None:
                stack += [iter(getattr(node, name)) for name in reversed(names)]
                break
        else:
            stack.pop()
    return found


_BINDERS: dict[type, Callable[[Any, Scope], None]] = {
    ast.Import: _import, ast.ImportFrom: _import_from, ast.Assign: _assign, ast.AnnAssign: _assign_one,
    ast.AugAssign: _assign_again, ast.For: _loop, ast.AsyncFor: _loop, ast.With: _with, ast.AsyncWith: _with,
    ast.ExceptHandler: _caught, ast.match_case: _case, ast.Global: _elsewhere, ast.Nonlocal: _elsewhere,
    ast.FunctionDef: _define, ast.AsyncFunctionDef: _define, ast.ClassDef: _define, ast.Expr: _expression,
    ast.If: _condition, ast.While: _condition, ast.Assert: _condition,
}  # fmt: skip
