"""What every check of ours is given, and what it gives back."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mlguard.facts import DataFlow, PrivateTraining
from mlguard.scanners.code.names import Constant, Names, Unknown
from mlguard.scanners.code.source import Source
from mlguard.scanners.code.tree import Scope
from mlguard.values import dataclass, field


@dataclass(frozen=True, slots=True)
class Sight:
    """One thing that a check reports. ``node`` is where; ``also`` is another node that bandit may report for the same.

    The line is that on which the node begins: a call's first line, whatever line its keyword stands on; a chain's first line; for a
    function its ``def``, below its decorators; for a setting the assignment; and for an option in a dictionary that is not seen to reach
    a call, the key.
    """

    rule: str
    check: str
    node: ast.AST
    facts: Mapping[str, str] = field(default_factory=dict)
    also: ast.AST | None = None


class Call:
    """A call, with what its function's name stands for, which is worked out when it is asked for.

    ``place`` is where to report, when the node is not one of the file.
    """

    __slots__ = ("_keywords", "_path", "_scope", "names", "node", "place", "source")

    def __init__(
        self,
        node: ast.Call,
        scope: Scope | None,
        path: str | None,
        source: Source,
        names: Names,
        place: ast.AST | None = None,
    ) -> None:
        self.node, self.source, self.names, self.place = node, source, names, place
        self._scope, self._path = scope, path
        self._keywords: dict[str, ast.expr] | None = None

    @property
    def scope(self) -> Scope:
        """The scope in which the call stands."""
        if self._scope is None:
            self._scope = self.source.tree.scope(self.node)
        return self._scope

    @property
    def path(self) -> str:
        """The dotted path of what is called, "" when it is not known."""
        if self._path is None:
            self._path = self.names.path(self.node.func, self.scope)
        return self._path

    @property
    def last(self) -> str:
        """The last part of the called name, without an alias where that is known."""
        function = self.node.func
        kind = function.__class__
        if kind is ast.Name and self.path and self.path[-1] != ")":
            return self.path.rpartition(".")[2]
        return function.attr if kind is ast.Attribute else function.id if kind is ast.Name else ""  # type: ignore[attr-defined]  # as just asked

    @property
    def keywords(self) -> dict[str, ast.expr]:
        if self._keywords is None:
            self._keywords = self.names.keywords(self.node, self.scope) if self.node.keywords else {}
        return self._keywords

    @property
    def label(self) -> str:
        """The name for messages: what it stands for, or what is written."""
        return (self.path or self.names.written(self.node.func)).replace("()", "").lstrip(".")

    @property
    def receiver(self) -> ast.expr | None:
        return self.node.func.value if isinstance(self.node.func, ast.Attribute) else None

    def argument(self, position: int, *names: str) -> ast.expr | None:
        """Return an argument by its position or by one of its names. -1: by name only."""
        if 0 <= position < len(self.node.args):
            found = self.node.args[position]
            return None if isinstance(found, ast.Starred) else found
        return next((self.keywords[name] for name in names if name in self.keywords), None)

    def constant(self, node: ast.AST | None) -> Constant:
        return self.names.constant(node, self.scope)

    def is_constant(self, node: ast.AST | None) -> bool:
        return not isinstance(self.constant(node), Unknown)

    def value(self, name: str) -> Constant:
        """Return the constant that a keyword has; UNKNOWN when it has none or is missing."""
        return self.constant(self.keywords.get(name))

    def sees(
        self, rule: str, check: str, also: ast.AST | None = None, node: ast.AST | None = None, **facts: str
    ) -> Sight:
        return Sight(rule, check, node or self.place or self.node, {"call": self.label, **facts}, also)


Seen = Iterator[Sight | DataFlow | PrivateTraining]


@dataclass(frozen=True, eq=False, slots=True)
class Watch:
    """A check, and what it looks at. Nothing else of a file costs anything.

    A check of calls is given those whose name, as written or behind an alias, has one of ``names`` as its last part ("read_*" stands
    for every name that begins so), or that have one of ``keywords``; with neither, all calls. A check of nodes is given those of
    ``nodes``. ``imports`` and ``words`` leave out the files that import none of these, or in which none of these identifiers and
    short texts stands; ``called`` those without a call by one of these names, as written; ``personal`` leaves out those without any
    name of personal data.

    A check of assignments may name its ``targets``: it is given those of which one target ends in such a name or constant key; ITEM
    stands for every ``x[key] = …``. ``endings`` are ends of such names, in lower case. ``decorated``: only definitions with decorators.
    """

    check: Callable[..., Seen]
    names: frozenset[str] = frozenset()
    keywords: frozenset[str] = frozenset()
    nodes: tuple[type, ...] = ()
    imports: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    personal: bool = False
    called: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    endings: tuple[str, ...] = ()
    decorated: bool = False

    @property
    def chooses(self) -> bool:
        """Whether not all nodes of the watched classes concern it."""
        return bool(self.targets or self.endings or self.decorated)


def on_call(
    *names: str,
    keywords: Iterable[str] = (),
    imports: Iterable[str] = (),
    words: Iterable[str] = (),
    personal: bool = False,
) -> Callable[[Callable[[Call], Seen]], Watch]:
    """Make a check of calls: a function of a Call. See Watch for when it is called."""
    return lambda check: Watch(
        check, frozenset(names), frozenset(keywords), (), frozenset(imports), frozenset(words), personal
    )


def on_node(
    *kinds: type,
    imports: Iterable[str] = (),
    words: Iterable[str] = (),
    personal: bool = False,
    called: Iterable[str] = (),
    targets: Iterable[str] = (),
    endings: Iterable[str] = (),
    decorated: bool = False,
) -> Callable[[Callable[[Any, Place], Seen]], Watch]:
    """Make a check of nodes of some classes: a function of the node and its Place. See Watch for when it is called."""
    return lambda check: Watch(
        check, nodes=kinds, imports=frozenset(imports), words=frozenset(words), personal=personal, called=frozenset(called),
        targets=frozenset(targets), endings=tuple(endings), decorated=decorated,
    )  # fmt: skip


class Place:
    """Where a node stands. ``scope`` is the one around it; that which a definition opens is ``source.tree.inner(node)``."""

    __slots__ = ("_node", "_scope", "names", "source")

    def __init__(self, scope: Scope | None, source: Source, names: Names, node: ast.AST | None = None) -> None:
        self.source, self.names = source, names
        self._scope, self._node = scope, node

    @property
    def scope(self) -> Scope:
        if self._scope is None:
            self._scope = self.source.tree.root if self._node is None else self.source.tree.scope(self._node)
        return self._scope


def leading_text(node: ast.AST | None, call: Call) -> str:
    """Return the constant text that a string expression begins with."""
    whole = call.constant(node)
    if isinstance(whole, str):
        return whole
    if isinstance(node, ast.Name):
        single = call.names.single(node.id, call.scope)
        node = single[0] if single else None
    while isinstance(node, ast.BinOp):
        node = node.left
    if isinstance(node, ast.JoinedStr) and node.values:
        node = node.values[0]
        node = node.value if isinstance(node, ast.FormattedValue) else node
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        node = node.func.value
    found = call.constant(_fallback(node, call))
    return found if isinstance(found, str) else ""


def _fallback(node: ast.AST | None, call: Call) -> ast.AST | None:
    """Return what an expression is when the environment says nothing: of ``os.getenv("X", "y")`` and of ``x or "y"``."""
    if isinstance(node, ast.Name) and isinstance(call.constant(node), Unknown):
        single = call.names.single(node.id, call.scope)
        node = single[0] if single else node
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
        return node.values[-1]
    if not isinstance(node, ast.Call) or len(node.args) != 2:
        return node
    return node.args[1] if call.names.path(node.func, call.scope) in ("os.getenv", "os.environ.get") else node
