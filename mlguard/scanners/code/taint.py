"""Says where the text of an expression comes from: a caller, a language model, a prediction, a credential.

The analysis looks at one function at a time, without the order of its statements: a name stands for everything that is assigned to
it there. Calls of functions of the same file are followed one level, into what they return and out to what they are given.
What a function that is not known makes of its arguments is not known either, so it carries nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Final, Literal

from mlguard.scanners.code import origins
from mlguard.scanners.code.names import MAX_VALUES, Names
from mlguard.scanners.code.tree import FUNCTIONS, Function, Scope, Tree, walk

Label = Literal["request", "terminal", "model", "prediction", "secret", "parameter"]
"""request: what a caller of a service sent, or a person typed. terminal: besides that, whoever runs the program typed it. model: what a language model wrote, or gives to a tool. prediction: what
a model of tables or pictures predicted. secret: a credential, by its name or where it is read. parameter: of any function."""

Labels = frozenset[Label]
NONE: Final[Labels] = frozenset()

MAX_DEPTH = 12
"""Steps into an expression and from name to name."""

MAX_STEPS = 20_000
"""Expressions that one question may look at."""

MAX_FILE_STEPS = 60_000
"""Expressions that all questions on one file may look at together, some twenty times what the largest file of a big library takes.

What is left unanswered is a gap."""

MAX_CALLERS = 20
"""Calls of one function whose arguments are looked at."""

_TYPED: Final[Labels] = frozenset({"request", "terminal"})


def of(node: ast.AST | None, scope: Scope, names: Names) -> Labels:
    """Return the labels of what the text or value of an expression is made from."""
    return _analysis(names).labels(node, scope)


def is_exhausted(names: Names) -> bool:
    """Say whether some question on this file was not answered, because the answers before it took all steps."""
    found = names.taint
    return isinstance(found, _Analysis) and (found.cut or found.spent >= MAX_FILE_STEPS)


def _analysis(names: Names) -> _Analysis:
    if names.taint is None:
        names.taint = _Analysis(names)
    found = names.taint
    assert isinstance(found, _Analysis)
    return found


class _Analysis:
    """Answers for one file, and remembers what it found."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.tree: Tree = names.tree
        self._known: dict[int, Labels] = {}
        self._steps = 0
        self.spent = 0
        self.cut = False  # one question took more than MAX_STEPS
        self._entries: dict[int, Label] | None = None
        self._guards: dict[int, frozenset[str]] = {}

    def labels(self, node: ast.AST | None, scope: Scope) -> Labels:
        if node is None:
            return NONE
        known = self._known.get(id(node))
        if known is None:
            if self.spent >= MAX_FILE_STEPS:
                return NONE
            self._steps = 0
            known = self._known[id(node)] = self._of(node, scope, MAX_DEPTH, _Frame())
            self.spent += self._steps
            self.cut = self.cut or self._steps > MAX_STEPS
        return known

    def _of(self, node: ast.AST | None, scope: Scope, depth: int, frame: _Frame) -> Labels:
        self._steps += 1
        if node is None or depth <= 0 or self._steps > MAX_STEPS or isinstance(node, ast.Constant):
            return NONE
        if isinstance(node, ast.Name):
            return self._name(node, scope, depth, frame)
        if isinstance(node, ast.Attribute):
            return self._attribute(node, scope, depth, frame)
        if isinstance(node, ast.Subscript):
            return self._item(node, scope, depth, frame)
        if isinstance(node, ast.Call):
            return self._call(node, scope, depth, frame)
        return self._all(_inside(node), scope, depth, frame)

    def _all(self, nodes: Iterable[ast.AST | None], scope: Scope, depth: int, frame: _Frame) -> Labels:
        found: Labels = NONE
        for node in nodes:
            found |= self._of(node, scope, depth - 1, frame)
        return found

    def _name(self, node: ast.Name, scope: Scope, depth: int, frame: _Frame) -> Labels:
        holder = self.names.holder(node.id, scope)
        found = _secret(node.id) if holder is not None and node.id not in holder.imports else NONE
        if holder is None or (id(holder), node.id) in frame.names:
            return found
        inner = frame.entered(id(holder), node.id)
        if node.id in holder.parameters:
            found |= self._parameter(node.id, holder, depth, inner)
        values = [value for value in holder.values.get(node.id, ()) if value is not None][:MAX_VALUES]
        given: list[ast.AST] = [value for value in values if not isinstance(value, (*FUNCTIONS, ast.ClassDef))]
        if given and all(isinstance(value, ast.Constant) for value in given):
            found = NONE  # a placeholder or a default is no credential; real ones are the business of another scanner
        if _is_cleaned(node.id, values):
            return found - {"request", "terminal", "parameter", "model"}
        given += [part for part in holder.parts.get(node.id, ())[:MAX_VALUES] if not self._is_number_of(node.id, part)]
        given += holder.grown.get(node.id, ())[:MAX_VALUES]
        given += list(holder.entries.get(node.id, {}).values())[:MAX_VALUES]
        found |= self._all(given, holder, depth, inner)
        if not found.isdisjoint(_CHECKED) and node.id in self.guarded(scope):
            return found - _CHECKED
        return found

    def _is_number_of(self, name: str, part: ast.AST) -> bool:
        """Say whether a name is the number in ``for number, item in enumerate(...)``."""
        if not (isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id == "enumerate"):
            return False
        loop = self.tree.parent(part)
        target = loop.target if isinstance(loop, ast.For | ast.AsyncFor | ast.comprehension) else None
        first = target.elts[0] if isinstance(target, ast.Tuple) and target.elts else None
        return isinstance(first, ast.Name) and first.id == name

    def _parameter(self, name: str, holder: Scope, depth: int, frame: _Frame) -> Labels:
        if name in ("self", "cls"):
            return NONE
        bound = frame.bound.get((id(holder.node), name))
        if bound is not None:
            return bound
        argument = holder.parameters[name][0]
        found: Labels = frozenset({"parameter"})
        entry = self.entries().get(id(holder.node))
        if entry is not None and not _is_given(argument, holder.parameters[name][1]):
            found |= {entry}
        if isinstance(holder.node, FUNCTIONS) and not frame.climbed:
            for call in self._callers(holder.node):
                value = _argument(call, holder.node, name)
                if value is not None:
                    found |= self._of(value, self.tree.scope(call), depth - 2, frame.above())
        return found

    def _callers(self, function: Function) -> Iterator[ast.Call]:
        for call in self.tree.calls_by_name.get(function.name, ())[:MAX_CALLERS]:
            if self.names.function(call.func, self.tree.scope(call)) is function:
                yield call

    def _attribute(self, node: ast.Attribute, scope: Scope, depth: int, frame: _Frame) -> Labels:
        found = _secret(node.attr)
        path = self.names.path(node, scope)
        if path == "sys.argv":
            return found | _TYPED
        if origins.REQUEST_PATH.match(path) or path == "streamlit.query_params":
            return found | {"request"}
        owner = node.value
        if isinstance(owner, ast.Name):
            if (
                owner.id == "request"
                and node.attr in origins.REQUEST_PARTS
                and self.names.is_parameter("request", scope)
            ):
                return found | {"request"}
            if owner.id in ("self", "cls"):
                return found | self._own(node.attr, scope, depth, frame)
            if owner.id == "self" and node.attr == "request":
                return found | {"request"}
        return found | (self._of(owner, scope, depth - 1, frame) - {"secret"})

    def _own(self, name: str, scope: Scope, depth: int, frame: _Frame) -> Labels:
        """Return the labels of an attribute of ``self``: of all that the class assigns to it."""
        holder = scope.around_class()
        if holder is None or (id(holder), f"self.{name}") in frame.names:
            return NONE
        inner = frame.entered(id(holder), f"self.{name}")
        found: Labels = NONE
        for value in holder.attributes.get(name, ())[:MAX_VALUES]:
            if value is not None:
                found |= self._of(value, self.tree.scope(value), depth - 1, inner)
        return found - {"parameter"}

    def _item(self, node: ast.Subscript, scope: Scope, depth: int, frame: _Frame) -> Labels:
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        found = _secret(key) if isinstance(key, str) else NONE
        return found | (
            self._of(node.value, scope, depth - 1, frame) - ({"secret"} if found or key is not None else NONE)
        )

    def _call(self, node: ast.Call, scope: Scope, depth: int, frame: _Frame) -> Labels:
        path = self.names.path(node.func, scope)
        written = self.names.written(node.func)
        last = written.rpartition(".")[2]
        if path in origins.TERMINAL_CALLS:
            return _TYPED
        if path in origins.REQUEST_CALLS or last in origins.REQUEST_METHODS or origins.REQUEST_PATH.match(path):
            return frozenset({"request"})
        if origins.LANGUAGE_MODEL.search(path) or origins.LANGUAGE_MODEL_WRITTEN.search(written):
            return frozenset({"model"})
        if origins.LANGUAGE_MODEL.search(path.replace("()", "")) or origins.LANGUAGE_MODEL.search(written):
            return frozenset({"model"})
        if last in origins.PREDICTS and isinstance(node.func, ast.Attribute):
            return frozenset({"prediction"})
        if path in ("getpass.getpass", "keyring.get_password"):
            return frozenset({"secret"})
        if path in ("os.getenv", "os.environ.get", "os.environ.pop"):
            key = self.names.constant(node.args[0], scope) if node.args else None
            return _secret(key) if isinstance(key, str) else NONE
        function = self.names.function(node.func, scope)
        if origins.CUTS.search(last) and not (function is None and last == "clean" and not node.args):
            return NONE
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        if path in origins.CARRIERS or path.startswith("re.") and "()" not in path:
            return self._all(given, scope, depth, frame)
        if function is not None:
            return self._result(node, function, scope, depth, frame)
        if isinstance(node.func, ast.Attribute):
            found = self._of(node.func.value, scope, depth - 1, frame)
            if last in ("get", "pop", "getlist") and node.args and isinstance(node.args[0], ast.Constant):
                found |= _secret(str(node.args[0].value))
            if last in origins.KEEPS_IN_ARGUMENTS:
                found |= self._all(given, scope, depth, frame)
            return found
        if last[:1].isupper():
            return self._all(given, scope, depth, frame) - {
                "parameter"
            }  # an object that is made holds what it is given
        return NONE

    def _result(self, call: ast.Call, function: Function, scope: Scope, depth: int, frame: _Frame) -> Labels:
        """Return the labels of what a function of this file returns for these arguments."""
        if id(function) in frame.functions:
            return NONE
        inner = self.tree.inner(function)
        bound = {
            (id(function), name): self._of(value, scope, depth - 2, frame)
            for name in inner.parameters
            if (value := _argument(call, function, name)) is not None
        }
        for name in inner.parameters:
            bound.setdefault((id(function), name), NONE)
        below = frame.below(id(function), bound)
        return self._all(self.names.returned(function)[:MAX_VALUES], inner, depth - 1, below)

    # ---- what the file says as a whole

    def entries(self) -> dict[int, Label]:
        """Return the functions whose parameters come from outside, by the id of the node."""
        if self._entries is None:
            self._entries = dict(self._entry_functions())
        return self._entries

    def _entry_functions(self) -> Iterator[tuple[int, Label]]:
        web = not origins.WEB.isdisjoint(self.tree.roots)
        for node in self.tree.of(*FUNCTIONS):
            first = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)[:2]]
            if first == ["event", "context"] and node.name.endswith("handler"):
                yield id(node), "request"
            for decorator in node.decorator_list:
                function = decorator.func if isinstance(decorator, ast.Call) else decorator
                written = self.names.written(function)
                if origins.TOOL_WRITTEN.search(written):
                    yield id(node), "model"
                elif web and written.rpartition(".")[2] in origins.ROUTES:
                    path = self.names.path(function, self.tree.scope(node))
                    if origins.ROUTERS.match(path) or origins.ROUTER_WRITTEN.search(written):
                        yield id(node), "request"
        if "gradio" in self.tree.roots:
            for name in origins.EVENTS:
                for call in self.tree.calls_by_name.get(name, ()):
                    given = [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "fn")]
                    for value in given:
                        found = self.names.function(value, self.tree.scope(call))
                        if found is not None:
                            yield id(found), "request"

    def guarded(self, scope: Scope) -> frozenset[str]:
        """Return the names that a condition of the function compares with what is allowed."""
        known = self._guards.get(id(scope))
        if known is None:
            found: set[str] = set()
            for node in (*scope.conditions, *self._choices.get(id(scope.node), ())):
                checked = set(_checked(node.test))
                found |= checked
                found.update(name for one in checked for name in _taken_apart(scope.values.get(one, ())))
            known = self._guards[id(scope)] = frozenset(found)
        return known

    @cached_property
    def _choices(self) -> dict[int, list[ast.IfExp]]:
        found: dict[int, list[ast.IfExp]] = {}
        for node in self.tree.of(ast.IfExp):
            found.setdefault(id(self.tree.scope(node).node), []).append(node)
        return found


class _Frame:
    """Where a question has been: names that are being looked up, functions that were entered, and what their parameters hold."""

    __slots__ = ("bound", "climbed", "functions", "names")

    def __init__(self) -> None:
        self.names: frozenset[tuple[int, str]] = frozenset()
        self.functions: frozenset[int] = frozenset()
        self.bound: dict[tuple[int, str], Labels] = {}
        self.climbed = False

    def _copy(self) -> _Frame:
        made = _Frame()
        made.names, made.functions, made.bound, made.climbed = self.names, self.functions, self.bound, self.climbed
        return made

    def entered(self, holder: int, name: str) -> _Frame:
        made = self._copy()
        made.names = self.names | {(holder, name)}
        return made

    def above(self) -> _Frame:
        made = self._copy()
        made.climbed = True
        return made

    def below(self, function: int, bound: dict[tuple[int, str], Labels]) -> _Frame:
        made = self._copy()
        made.functions = self.functions | {function}
        made.bound = {**self.bound, **bound}
        return made


def _inside(node: ast.AST) -> Iterator[ast.AST | None]:
    """Yield the expressions whose text or value another expression holds."""
    if isinstance(node, ast.Await | ast.Starred | ast.FormattedValue | ast.NamedExpr | ast.Yield | ast.YieldFrom):
        yield node.value
    elif isinstance(node, ast.JoinedStr | ast.BoolOp):
        yield from node.values
    elif isinstance(node, ast.BinOp):
        yield node.left
        yield node.right
    elif isinstance(node, ast.List | ast.Tuple | ast.Set):
        yield from node.elts
    elif isinstance(node, ast.Dict):
        yield from node.values
    elif isinstance(node, ast.IfExp):
        yield node.body
        yield node.orelse
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp):
        yield node.elt
    elif isinstance(node, ast.DictComp):
        yield node.value


def _is_cleaned(name: str, values: list[ast.AST]) -> bool:
    """Say whether a name is given a cleaned form of itself: ``name = secure_filename(name)``."""
    return any(
        isinstance(value, ast.Call)
        and origins.CUTS.search(str(getattr(value.func, "attr", None) or getattr(value.func, "id", "")))
        and any(isinstance(given, ast.Name) and given.id == name for given in value.args)
        for value in values
    )


def _secret(name: str) -> Labels:
    return frozenset({"secret"}) if origins.SECRET_NAME.search(name) and not origins.NOT_SECRET.search(name) else NONE


def _is_given(argument: ast.arg, default: ast.expr | None) -> bool:
    """Say whether a parameter of a route is no text of a caller: a number, or something that the framework hands in."""
    annotation = argument.annotation
    written = getattr(annotation, "id", None) or getattr(annotation, "attr", None)
    if written in origins.PLAIN_TYPES or written in origins.GIVEN:
        return True
    if isinstance(annotation, ast.Subscript) and "Depends" in ast.dump(annotation):
        return True
    called = default.func if isinstance(default, ast.Call) else None
    return (getattr(called, "id", None) or getattr(called, "attr", None)) in origins.GIVEN


def _argument(call: ast.Call, function: Function, name: str) -> ast.expr | None:
    """Return what a call gives to a parameter of a function of the same file."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    positional = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    if positional[:1] in (["self"], ["cls"]) and isinstance(call.func, ast.Attribute):
        positional = positional[1:]
    if name in positional:
        index = positional.index(name)
        if index < len(call.args) and not any(isinstance(value, ast.Starred) for value in call.args[: index + 1]):
            return call.args[index]
    return None


_CHECKED: Labels = frozenset({"request", "parameter"})
"""What a condition on a value takes away."""


def _checked(test: ast.expr) -> Iterator[str]:
    """Yield the names that a condition compares with a set of allowed values or a pattern."""
    for node in walk(test):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            if not _is_text(node.comparators[0]):
                yield from _asked_of(node.left)
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq):
            if isinstance(node.left, ast.Attribute) and node.left.attr in ("hostname", "netloc", "host"):
                yield from _asked_of(node.left)
        elif isinstance(node, ast.Call):
            name = str(getattr(node.func, "attr", None) or getattr(node.func, "id", ""))
            if (
                name in origins.CHECKING_METHODS
                or origins.CUTS.search(name)
                and name not in ("int", "float", "bool", "len", "isinstance", "exists")
            ):
                values = [*node.args, getattr(node.func, "value", None)]
                for value in values:
                    while isinstance(value, ast.Attribute | ast.Call):
                        value = value.value if isinstance(value, ast.Attribute) else value.func
                    if isinstance(value, ast.Name):
                        yield value.id


def _asked_of(node: ast.expr) -> Iterator[str]:
    """Yield the name that is compared: itself, or what it is a part of, as ``url`` in ``urlparse(url).hostname``."""
    for _ in range(MAX_DEPTH):
        if isinstance(node, ast.Attribute | ast.Subscript):
            node = node.value
        elif isinstance(node, ast.Call) and node.args:
            node = node.args[0]
        elif isinstance(node, ast.Call):
            node = node.func
        else:
            break
    if isinstance(node, ast.Name):
        yield node.id


def _taken_apart(values: Iterable[ast.AST | None]) -> Iterator[str]:
    """Yield the addresses whose parts a name holds: ``url`` of ``parts = urlparse(url)``."""
    for value in values:
        made = value.value if isinstance(value, ast.Attribute) else value
        if not isinstance(made, ast.Call) or not made.args or not isinstance(made.args[0], ast.Name):
            continue
        if (getattr(made.func, "attr", None) or getattr(made.func, "id", "")) in origins.PARSERS:
            yield made.args[0].id


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
