"""Parses Python code once and answers where its nodes stand: what is around them, and what names mean there.

Most nodes of a file concern nobody. So nothing is worked out for all of them: parents are set for the statements that
somebody asks about, and a function's names are collected when the first of them is looked up.
"""

from __future__ import annotations

import ast
import gc
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import cache, cached_property
from typing import Any

from mlguard.errors import Unreadable

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_OPENERS = (*FUNCTIONS, ast.ClassDef, ast.Lambda)
Function = ast.FunctionDef | ast.AsyncFunctionDef
_Opener = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda


class Scope:
    """What names mean in a module, class or function. Its names are collected when the first of them is asked for.

    ``values`` holds every expression that is assigned to a name, None where it is not known (a loop's variable, a part of
    an unpacked value), the definition itself for functions and classes. ``parts`` holds, for names of which ``values`` has
    None, the expressions that they are an element or a part of. ``attributes`` are those of ``self`` in a class.
    ``entries`` is what ``name["key"] = …`` adds to a name, ``grown`` what ``+=``, ``append`` and ``extend`` add.
    ``annotations`` are the declared types of names.
    """

    __slots__ = (
        "_annotations", "_attributes", "_bound", "_entries", "_grown", "_imports", "_parts", "_values", "elsewhere", "name", "node",
        "parameters", "parent", "tree",
    )  # fmt: skip

    def __init__(self, node: ast.AST, parent: Scope | None, name: str, tree: Tree) -> None:
        self.node = node
        self.parent = parent
        self.name = name  # dotted, "" for the module
        self.tree = tree
        self.parameters: dict[str, tuple[ast.arg, ast.expr | None]] = {}
        self.elsewhere: set[str] = set()  # declared global or nonlocal
        self._imports: dict[str, str] = {}
        self._values: dict[str, list[ast.AST | None]] = {}
        self._parts: dict[str, list[ast.expr]] = {}
        self._attributes: dict[str, list[ast.AST | None]] | None = None
        self._entries: dict[str, dict[str, ast.expr]] = {}
        self._grown: dict[str, list[ast.expr]] = {}
        self._annotations: dict[str, ast.expr] = {}
        self._bound = False
        if isinstance(node, (*FUNCTIONS, ast.Lambda)):
            _parameters(node.args, self)

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
        if isinstance(self.node, (ast.Module, ast.ClassDef, *FUNCTIONS)):
            for statement in inside(self.node.body):
                binder = _BINDERS.get(statement.__class__)
                if binder is not None:
                    binder(statement, self)
        for node in self.tree.loose.get(id(self.node), ()):
            if isinstance(node, ast.NamedExpr):
                _target(self, node.target, node.value)
            else:
                _target(self, node.target, None, node.iter)
        if self.parent is None:
            for node in self.tree.of(ast.Global):
                _ = self.tree.scope(node).values  # its assignments bind names of the module


class Tree:
    """A parsed module. ``nodes`` are its nodes in source order, parents before children."""

    def __init__(self, module: ast.Module, nodes: list[ast.AST]) -> None:
        self.module = module
        self.nodes = nodes
        self.root = Scope(module, None, "", self)
        self.written: frozenset[str] | None = None  # constant paths that the code saves to, once somebody asked
        self.personal: bool | None = None  # a name of personal data stands in it, once somebody asked
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
                    found.setdefault(_joined(module, alias.name), node)
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
    def _statements(self) -> tuple[list[tuple[int, int]], list[ast.AST]]:
        """All statements and handlers with where they begin, in that order; a definition also where each decorator begins."""
        places: list[tuple[int, int, int, ast.AST]] = []
        for kind, nodes in self.by_class.items():
            if issubclass(kind, ast.stmt | ast.excepthandler):
                places += [(node.lineno, node.col_offset, 0, node) for node in nodes]
                if kind in (*FUNCTIONS, ast.ClassDef):
                    places += [(d.lineno, d.col_offset, 0, node) for node in nodes for d in node.decorator_list]
            elif kind is ast.match_case:
                places += [(node.pattern.lineno, node.pattern.col_offset, 0, node) for node in nodes]
        places.sort(key=lambda item: item[:2])
        return [item[:2] for item in places], [item[3] for item in places]

    def statement(self, node: ast.AST) -> ast.AST | None:
        """Return the innermost statement, handler or case that holds an expression."""
        where = _position(node)
        if where is None:
            return None
        starts, statements = self._statements
        index = bisect_right(starts, where) - 1
        return statements[index] if index >= 0 else None

    # ---- scopes

    @cached_property
    def _openers(self) -> tuple[list[tuple[int, int]], list[tuple[tuple[int, int], _Opener, int]]]:
        """Where the body of each function, class and lambda begins; and its end, the node, and the index of the one around."""
        found = []
        for node in self.of(*_OPENERS):
            body = node.body if isinstance(node, ast.Lambda) else node.body[0]
            start = min([_start(body), *(_start(d) for d in getattr(body, "decorator_list", ()))])
            found.append((start, (-node.end_lineno, -node.end_col_offset), node))
        found.sort(key=lambda item: item[:2])
        entries: list[tuple[tuple[int, int], _Opener, int]] = []
        open_ones: list[int] = []
        for index, (start, negative, node) in enumerate(found):
            while open_ones and entries[open_ones[-1]][0] <= start:
                open_ones.pop()
            entries.append(((-negative[0], -negative[1]), node, open_ones[-1] if open_ones else -1))
            open_ones.append(index)
        return [item[0] for item in found], entries

    def scope(self, node: ast.AST) -> Scope:
        """Return the scope in which a node stands; for a definition the one around it."""
        where = _position(node)
        if where is None:
            return self.root
        starts, entries = self._openers
        index = bisect_right(starts, where) - 1
        while index >= 0:
            end, opener, above = entries[index]
            if where < end:
                return self._made(index) if opener is not node else self.scope_at(above)
            index = above
        return self.root

    def scope_at(self, index: int) -> Scope:
        return self.root if index < 0 else self._made(index)

    def _made(self, index: int) -> Scope:
        _, node, above = self._openers[1][index]
        known = self._scopes.get(id(node))
        if known is None:
            around = self.scope_at(above)
            name = around.name
            if not isinstance(node, ast.Lambda):
                name = f"{name}.{node.name}" if name else node.name
            known = self._scopes[id(node)] = Scope(node, around, name, self)
        return known

    def inner(self, node: ast.AST) -> Scope:
        """Return the scope that a definition or a lambda opens."""
        known = self._scopes.get(id(node))
        if known is None:
            for index, (_, opener, _) in enumerate(self._openers[1]):
                self._made(index)
                if opener is node:
                    break
            known = self._scopes[id(node)]
        return known

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


MAX_NAME_CHARS = 60
"""Longer names and texts are no names of fields or columns."""


def parse(source: bytes | str) -> Tree:
    """Return the parsed tree. Raises Unreadable for what Python cannot parse."""
    collecting = gc.isenabled()
    gc.disable()  # a tree is all alive while it grows: looking for garbage in it doubles the time
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape is not our business
            return Tree(*(_listed(source) if _lists_in_order() else _walked(source)))
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


def _listed(source: bytes | str) -> tuple[ast.Module, list[ast.AST]]:
    """Parse, and take the nodes from the garbage collector, which lists new objects in the order in which they were made.

    The parser makes parents before children, field by field, so this is the order of a walk, at a tenth of its cost.
    """
    gc.freeze()
    try:
        module = ast.parse(source)
        kind = ast.AST
        return module, [item for item in gc.get_objects(generation=0) if isinstance(item, kind)]
    finally:
        gc.unfreeze()


def _walked(source: bytes | str) -> tuple[ast.Module, list[ast.AST]]:
    module = ast.parse(source)
    nodes: list[ast.AST] = []
    stack: list[ast.AST] = [module]
    while stack:
        node = stack.pop()
        nodes.append(node)
        stack.extend(reversed([child for child in ast.iter_child_nodes(node) if not isinstance(child, _SHARED)]))
    return module, nodes


_SHARED = (ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop)
"""Nodes of which the parser makes one for all places."""

_SAMPLE = "@d(a)\ndef f(x: int = 1, *, y=[i for i in x if i]) -> g:\n    '''t'''\n    return {a: f'{b!r:{c}}', **d}[1:2]\nimport e as h\n"


@cache
def _lists_in_order() -> bool:
    """Say whether the collector of this Python lists nodes in the order of a walk."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        listed, walked = _listed(_SAMPLE)[1], _walked(_SAMPLE)[1]
        return [ast.dump(node) for node in listed] == [ast.dump(node) for node in walked]
    except (AttributeError, TypeError, ValueError, RuntimeError):
        return False
    finally:
        if collecting:
            gc.enable()


# ---- positions


def _start(node: Any) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _position(node: Any) -> tuple[int, int] | None:
    line = getattr(node, "lineno", None)
    if line is not None:
        return line, node.col_offset
    inside = getattr(node, "target", None) or getattr(node, "context_expr", None) or getattr(node, "pattern", None)
    return _position(inside) if inside is not None else None


# ---- parents

_BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")
_BACKWARDS = _BLOCKS[::-1]
_PLACED = (ast.stmt, ast.excepthandler, ast.match_case)


def _place_statements(module: ast.Module) -> None:
    stack: list[ast.AST] = [module]
    while stack:
        node: Any = stack.pop()
        for name in _BLOCKS:
            block = getattr(node, name, None)
            if block.__class__ is list:
                for item in block:
                    item._bandit_parent = node
                    if hasattr(item, "body"):
                        stack.append(item)


def _place_expressions(statement: ast.AST) -> None:
    stack: list[ast.AST] = [statement]
    while stack:
        node = stack.pop()
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, _PLACED):
                child._bandit_parent = node  # type: ignore[attr-defined]  # as bandit names it
                stack.append(child)


def _place_all(module: ast.Module) -> None:
    stack: list[ast.AST] = [module]
    while stack:
        node = stack.pop()
        for child in ast.iter_child_nodes(node):
            child._bandit_parent = node  # type: ignore[attr-defined]  # as bandit names it
            stack.append(child)


# ---- what names are bound to


_DEFINITIONS = frozenset({*FUNCTIONS, ast.ClassDef})


def _bind(scope: Scope, name: str, value: ast.AST | None, part: ast.expr | None = None) -> None:
    home = scope
    if name in scope.elsewhere:
        while home.parent is not None and (home is scope or name not in home.values):
            home = home.parent
    home._values.setdefault(name, []).append(value)
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


def _joined(module: str, name: str) -> str:
    """Return the dotted path of a name of a module; ``from . import a`` is ``.a``."""
    return f"{module}{name}" if module.endswith(".") else f"{module}.{name}"


def _import_from(node: ast.ImportFrom, scope: Scope) -> None:
    module = "." * node.level + (node.module or "")
    for alias in node.names:
        if alias.name != "*":
            scope._imports.setdefault(alias.asname or alias.name, _joined(module, alias.name))


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


def _define(node: Function | ast.ClassDef, scope: Scope) -> None:
    _bind(scope, node.name, node)


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


def inside(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield the statements of a block and of the blocks in it, without those of definitions."""
    stack = [iter(body)]
    while stack:
        node = next(stack[-1], None)
        if node is None:
            stack.pop()
            continue
        yield node
        if node.__class__ not in _DEFINITIONS:
            for name in _BACKWARDS:
                block = getattr(node, name, None)
                if block.__class__ is list:
                    stack.append(iter(block))


_BINDERS: dict[type, Callable[[Any, Scope], None]] = {
    ast.Import: _import, ast.ImportFrom: _import_from, ast.Assign: _assign, ast.AnnAssign: _assign_one,
    ast.AugAssign: _assign_again, ast.For: _loop, ast.AsyncFor: _loop, ast.With: _with, ast.AsyncWith: _with,
    ast.ExceptHandler: _caught, ast.match_case: _case, ast.Global: _elsewhere, ast.Nonlocal: _elsewhere,
    ast.FunctionDef: _define, ast.AsyncFunctionDef: _define, ast.ClassDef: _define, ast.Expr: _expression,
}  # fmt: skip
