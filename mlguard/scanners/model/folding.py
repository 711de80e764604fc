"""Computes what the constant parts of a Jinja expression amount to, as data and within bounds, so that a name that is put
together from pieces is seen as the name it becomes.

A value is a Python constant, a list or a dictionary of values. UNKNOWN stands for what the runtime brings; WILD inside a
text stands for a piece of it that is not known. An expression has up to MAX_ALTERNATIVES values, since a variable may be
set more than once: the order of statements is not followed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from jinja2 import nodes

MAX_ALTERNATIVES = 6
MAX_TEXT = 2048
"""Characters of a computed text; a longer one becomes WILD."""

MAX_ITEMS = 300
"""Items of a computed list."""

MAX_DEPTH = 40
"""Expressions inside each other; what lies deeper is taken for a text that is computed from nothing known."""

MAX_WORK = 150_000
"""Steps for one template; what comes later is UNKNOWN, and ``exhausted`` says so."""

ROUNDS = 3
"""How often variables are computed from each other."""

WILD = "\uf8ff"
"""A character for private use: no template means anything by it."""

OPAQUE = WILD * 3
"""A text that is computed in a way that is not followed."""


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()

Values = list[Any]


def flattened(node: nodes.BinExpr, kind: type[nodes.BinExpr]) -> list[nodes.Node]:
    """Return the operands of a chain of one operator from left to right; the parser builds it as deep as it is long."""
    right: list[nodes.Node] = []
    left: nodes.Node = node
    while isinstance(left, kind):
        right.append(left.right)
        left = left.left
    return [left, *reversed(right)]


class Folder:
    """The constants of one template."""

    def __init__(self, tree: nodes.Template) -> None:
        self.known: dict[str, Values] = {}
        self.macros: dict[str, nodes.Macro] = {}
        self._work = 0
        self._running: set[str] = set()
        self._statements = statements = list(_statements(tree))
        for statement in statements:
            if isinstance(statement, nodes.Macro):
                self.macros[statement.name] = statement
        for _ in range(ROUNDS):
            for statement in statements:
                self._assign(statement)
        self._filled(_fillings(tree))

    def _assign(self, statement: nodes.Node) -> None:
        if isinstance(statement, nodes.Assign):
            self._store(statement.target, self.values(statement.node))
        elif isinstance(statement, nodes.AssignBlock):
            self._store(statement.target, self._body(statement.body, 0))
        elif isinstance(statement, nodes.With):
            for target, value in zip(statement.targets, statement.values, strict=False):
                self._store(target, self.values(value))
        elif isinstance(statement, nodes.For):
            items = [item for value in self.values(statement.iter) for item in _members(value)]
            self._store(statement.target, items or [UNKNOWN])
        elif isinstance(statement, nodes.Macro):
            for target, value in zip(reversed(statement.args), reversed(statement.defaults), strict=False):
                self._store(target, self.values(value))

    def _store(self, target: nodes.Node, values: Values) -> None:
        if isinstance(target, nodes.Tuple):
            for number, part in enumerate(target.items):
                self._store(part, [_item(value, number) for value in values])
            return
        if isinstance(target, nodes.Name):
            name = target.name
        elif isinstance(target, nodes.NSRef):
            name = f"{target.name}.{target.attr}"
        else:
            return
        self.known[name] = _few([*self.known.get(name, ()), *values], 2 * MAX_ALTERNATIVES)
        for value in values:
            if isinstance(value, dict) and isinstance(target, nodes.Name):
                for key, part in list(value.items())[:MAX_ITEMS]:
                    inner = f"{name}.{key}"
                    self.known[inner] = _few([*self.known.get(inner, ()), part], 2 * MAX_ALTERNATIVES)

    def _filled(self, fillings: Iterable[tuple[str, nodes.Call]]) -> None:
        """Add what ``append``, ``extend`` and ``insert`` put into lists, in the order of the text, as one more alternative."""
        grown: dict[str, list[Any]] = {}
        for name, call in fillings:
            start = next((value for value in self.known.get(name, ()) if isinstance(value, list)), None)
            if start is None or not call.args:
                continue
            items = grown.setdefault(name, list(start))
            added = self.values(call.args[-1], 1)
            if isinstance(call.node, nodes.Getattr) and call.node.attr == "extend":
                added = [item for value in added for item in _members(value)]
            front = isinstance(call.args[0], nodes.Const) and call.args[0].value == 0 and len(call.args) == 2
            items[:] = [*added, *items][:MAX_ITEMS] if front else [*items, *added][:MAX_ITEMS]
        for name, items in grown.items():
            self.known[name] = _few([items, *self.known[name]], 2 * MAX_ALTERNATIVES)
        if grown:
            for statement in self._statements:
                self._assign(statement)

    @property
    def exhausted(self) -> bool:
        """Whether a part of the template was not computed."""
        return self._work > MAX_WORK

    def _choose(self, parts: list[Values]) -> list[Values]:
        lists = _choices(parts)
        self._work += len(lists)
        return lists

    def values(self, node: nodes.Node | None, depth: int = 0) -> Values:
        """Return what ``node`` may be."""
        self._work += 1
        if node is None or self._work > MAX_WORK:
            return [UNKNOWN]
        if depth > MAX_DEPTH:
            return [OPAQUE]
        look = _LOOKS.get(type(node))
        return _few(look(self, node, depth + 1)) if look else [UNKNOWN]

    def called(self, node: nodes.Call) -> list[tuple[Any, ...]]:
        """Return alternatives for the positional arguments of a call."""
        return [tuple(items) for items in self._choose([self.values(argument, 1) for argument in node.args])]

    def _body(self, body: Iterable[nodes.Node], depth: int) -> Values:
        parts: list[Values] = []
        for node in body:
            if isinstance(node, nodes.Output):
                parts += [self.values(child, depth) for child in node.nodes]
            elif not isinstance(node, (nodes.Assign, nodes.AssignBlock, nodes.Macro)):
                parts.append([WILD])
        return [_joined(items) for items in self._choose(parts)]

    # -- one function for each kind of expression

    def _const(self, node: nodes.Const, depth: int) -> Values:
        value = node.value
        return [value if not isinstance(value, str) or len(value) <= MAX_TEXT else OPAQUE]

    def _data(self, node: nodes.TemplateData, depth: int) -> Values:
        return [node.data if len(node.data) <= MAX_TEXT else OPAQUE]

    def _name(self, node: nodes.Name, depth: int) -> Values:
        return self.known.get(node.name, [UNKNOWN])

    def _getattr(self, node: nodes.Getattr, depth: int) -> Values:
        if isinstance(node.node, nodes.Name) and (known := self.known.get(f"{node.node.name}.{node.attr}")):
            return known
        return [_item(value, node.attr) for value in self.values(node.node, depth)]

    def _getitem(self, node: nodes.Getitem, depth: int) -> Values:
        holders = self.values(node.node, depth)
        if isinstance(node.arg, nodes.Slice):
            ends = [
                self.values(end, depth)[0] if end else None for end in (node.arg.start, node.arg.stop, node.arg.step)
            ]
            return [_sliced(value, ends) for value in holders]
        return [_item(value, key) for value in holders for key in self.values(node.arg, depth)]

    def _concat(self, node: nodes.Concat, depth: int) -> Values:
        return [_joined(items) for items in self._choose([self.values(part, depth) for part in node.nodes])]

    def _add(self, node: nodes.Add, depth: int) -> Values:
        parts = [self.values(part, depth) for part in flattened(node, nodes.Add)]
        return [_summed(items) for items in self._choose(parts)]

    def _binary(self, node: nodes.BinExpr, depth: int) -> Values:
        lefts, rights = self.values(node.left, depth), self.values(node.right, depth)
        return [_computed(node.operator, left, right) for left in lefts for right in rights]

    def _negative(self, node: nodes.Neg, depth: int) -> Values:
        return [-value if isinstance(value, (int, float)) else UNKNOWN for value in self.values(node.node, depth)]

    def _sequence(self, node: nodes.List | nodes.Tuple, depth: int) -> Values:
        return [list(items) for items in self._choose([self.values(item, depth) for item in node.items[:MAX_ITEMS]])]

    def _dict(self, node: nodes.Dict, depth: int) -> Values:
        made: dict[Any, Any] = {}
        for pair in node.items[:MAX_ITEMS]:
            key, value = self.values(pair.key, depth)[0], self.values(pair.value, depth)[0]
            if isinstance(key, (str, int, float)):
                made[key] = value
        return [made]

    def _either(self, node: nodes.CondExpr, depth: int) -> Values:
        other = self.values(node.expr2, depth) if node.expr2 else []
        return [*self.values(node.expr1, depth), *other]

    def _both(self, node: nodes.BinExpr, depth: int) -> Values:
        return [*self.values(node.left, depth), *self.values(node.right, depth)]

    def _call(self, node: nodes.Call, depth: int) -> Values:
        named = {pair.key: self.values(pair.value, depth)[0] for pair in node.kwargs}
        choices = self._choose([self.values(argument, depth) for argument in node.args])
        if isinstance(node.node, nodes.Name):
            return self._function(node.node.name, choices, named, depth)
        if not isinstance(node.node, (nodes.Getattr, nodes.Getitem)):
            return [UNKNOWN]
        names = [node.node.attr] if isinstance(node.node, nodes.Getattr) else self.values(node.node.arg, depth)
        holders = self.values(node.node.node, depth)
        return [_method(holder, name, items, named) for holder in holders for name in names for items in choices]

    def _function(self, name: str, choices: list[Values], named: dict[str, Any], depth: int) -> Values:
        if name in self.macros and name not in self._running:
            self._running.add(name)
            try:
                return self._body(self.macros[name].body, depth)
            finally:
                self._running.discard(name)
        if name in ("dict", "namespace"):
            first = choices[0][0] if choices and choices[0] else {}
            return [{**first, **named} if isinstance(first, dict) else UNKNOWN]
        if name == "range" and choices and all(type(item) is int for item in choices[0]) and 0 < len(choices[0]) < 4:
            numbers = range(*choices[0]) if choices[0][2:] != [0] else range(0)
            return [list(numbers)] if len(numbers) <= MAX_ITEMS else [UNKNOWN]
        return [UNKNOWN]

    def _filter(self, node: nodes.Filter, depth: int) -> Values:
        pairs = cast("list[nodes.Keyword]", node.kwargs)  # declared as pairs, made as keywords
        named = {pair.key: self.values(pair.value, depth)[0] for pair in pairs}
        choices = self._choose([self.values(argument, depth) for argument in node.args])
        return [_filtered(node.name, v, items, named) for v in self.values(node.node, depth) for items in choices]


_LOOKS: dict[type[nodes.Node], Callable[[Folder, Any, int], Values]] = {
    nodes.Const: Folder._const,
    nodes.TemplateData: Folder._data,
    nodes.Name: Folder._name,
    nodes.Getattr: Folder._getattr,
    nodes.Getitem: Folder._getitem,
    nodes.Concat: Folder._concat,
    nodes.Add: Folder._add,
    nodes.Sub: Folder._binary,
    nodes.Mul: Folder._binary,
    nodes.Div: Folder._binary,
    nodes.FloorDiv: Folder._binary,
    nodes.Mod: Folder._binary,
    nodes.Pow: Folder._binary,
    nodes.Neg: Folder._negative,
    nodes.List: Folder._sequence,
    nodes.Tuple: Folder._sequence,
    nodes.Dict: Folder._dict,
    nodes.CondExpr: Folder._either,
    nodes.And: Folder._both,
    nodes.Or: Folder._both,
    nodes.Call: Folder._call,
    nodes.Filter: Folder._filter,
}


def _statements(tree: nodes.Node) -> Iterator[nodes.Node]:
    """Yield every statement that gives a value to a name, in the order of the text."""
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, (nodes.Assign, nodes.AssignBlock, nodes.With, nodes.For, nodes.Macro)):
            yield node
        stack.extend(child for child in reversed(list(node.iter_child_nodes())) if not isinstance(child, nodes.Expr))


_FILLERS = frozenset({"append", "extend", "insert"})


def _fillings(tree: nodes.Node) -> Iterator[tuple[str, nodes.Call]]:
    """Yield each call that puts something into a list that has a name, in the order of the text."""
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr in _FILLERS:
            holder = node.node.node
            if isinstance(holder, nodes.Name):
                yield holder.name, node
            elif isinstance(holder, nodes.Getattr) and isinstance(holder.node, nodes.Name):
                yield f"{holder.node.name}.{holder.attr}", node
        stack.extend(reversed(list(node.iter_child_nodes())))


def _few(values: Values, most: int = MAX_ALTERNATIVES) -> Values:
    """Return different values, at most ``most``: texts before others, since they make names."""
    if len(values) < 2:
        return values
    kept: dict[Any, Any] = {}
    for value in values[: 4 * most]:
        kept.setdefault(_key(value), value)
    return sorted(kept.values(), key=lambda value: not isinstance(value, (str, list, dict)))[:most]


def _key(value: Any) -> Any:
    """Return something to compare values by, without walking through lists of lists."""
    if isinstance(value, (list, dict)):
        some = [part for pair in value.items() for part in pair] if isinstance(value, dict) else value
        return (
            type(value),
            len(value),
            *(item if isinstance(item, (str, int)) else str(type(item)) for item in some[:16]),
        )
    return type(value), value


def _choices(parts: list[Values]) -> list[Values]:
    """Return lists with one alternative of each part: the first of all, the second of all …, and each other one alone."""
    if not parts:
        return [[]]
    most = min(MAX_ALTERNATIVES, max(len(part) for part in parts))
    lists = [[part[min(number, len(part) - 1)] for part in parts] for number in range(most)]
    for place, part in enumerate(parts):
        for value in part[1:]:
            if len(lists) >= 2 * MAX_ALTERNATIVES:
                return lists
            lists.append([value if place == other else lists[0][other] for other in range(len(parts))])
    return lists


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None or isinstance(value, (int, float)):
        return str(value)[:MAX_TEXT] if not isinstance(value, int) or abs(value) < 10**18 else OPAQUE
    return WILD if value is UNKNOWN else OPAQUE


def _bounded(text: str) -> str:
    return text if len(text) <= MAX_TEXT else OPAQUE


def _joined(items: Iterable[Any]) -> str:
    pieces, size = [], 0
    for item in items:
        pieces.append(_text(item))
        size += len(pieces[-1])
        if size > MAX_TEXT:
            return OPAQUE
    return "".join(pieces)


def _summed(items: Values) -> Any:
    if any(isinstance(item, str) for item in items):
        return _joined(items)
    if items and all(isinstance(item, list) for item in items):
        return [part for item in items for part in item][:MAX_ITEMS]
    if all(type(item) in (int, float) for item in items):
        total = sum(items)
        return total if abs(total) < 10**18 else UNKNOWN
    return UNKNOWN


def _members(value: Any) -> Iterable[Any]:
    return list(value)[:MAX_ITEMS] if isinstance(value, (list, str, dict)) else ()


def _item(value: Any, key: Any) -> Any:
    if isinstance(value, dict) and isinstance(key, (str, int, float)):
        return value.get(key, UNKNOWN)
    if isinstance(value, (str, list)) and type(key) is int and -len(value) <= key < len(value):
        return value[key]
    return UNKNOWN


def _sliced(value: Any, ends: list[Any]) -> Any:
    if value is UNKNOWN:
        return UNKNOWN
    if not isinstance(value, (str, list)) or not all(end is None or type(end) is int for end in ends) or ends[2] == 0:
        return OPAQUE
    return value[slice(*ends)]


def _computed(operator: str, left: Any, right: Any) -> Any:
    if operator == "%" and isinstance(left, str):
        return percent(left, right if isinstance(right, list) else [right])
    if operator == "*":
        for some, times in ((left, right), (right, left)):
            if isinstance(some, (str, list)) and type(times) is int:
                return some * max(0, times) if len(some) * times <= MAX_ITEMS else OPAQUE
    if type(left) not in (int, float) or type(right) not in (int, float):
        return UNKNOWN
    if (
        abs(left) > 10**9
        or abs(right) > 10**9
        or operator == "**"
        and (abs(right) > 64 or left < 0 or abs(left) > 1000)
    ):
        return UNKNOWN
    if right == 0 and operator in ("/", "//", "%", "**"):
        return UNKNOWN
    operations: dict[str, Callable[[Any, Any], Any]] = {
        "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b, "//": lambda a, b: a // b,
        "%": lambda a, b: a % b, "**": lambda a, b: float(a) ** b if isinstance(b, float) else a**b,
    }  # fmt: skip
    try:
        return operations[operator](left, right)
    except (ArithmeticError, ValueError, KeyError):
        return UNKNOWN


_PERCENT = re.compile(r"%(?:\((\w*)\))?[-+ #0]*(?:\d{0,3})(?:\.\d{0,3})?([a-zA-Z%])")
_FIELD = re.compile(r"\{\{|\}\}|\{([^{}!:]*)(?:![rsa])?(?::([^{}]*))?\}")


def percent(form: str, arguments: Values) -> str:
    """Return ``form % arguments`` as far as it is known; widths are left out."""
    rest = iter(arguments)

    def one(match: re.Match[str]) -> str:
        name, kind = match.groups()
        if kind == "%":
            return "%"
        if name is not None:
            value = arguments[0].get(name, UNKNOWN) if arguments and isinstance(arguments[0], dict) else UNKNOWN
        else:
            value = next(rest, UNKNOWN)
        return _character(value) if kind == "c" else _text(value)

    return _bounded(_PERCENT.sub(one, form))


def _character(value: Any) -> str:
    if isinstance(value, str):
        return value[:1]
    return chr(value) if type(value) is int and 0 <= value < 0xD800 else WILD


def _formatted(form: str, arguments: Values, named: dict[str, Any]) -> str:
    rest = iter(arguments)

    def one(match: re.Match[str]) -> str:
        name, spec = match.groups()
        if name is None:
            return match.group()[0]
        if not name:
            value = next(rest, UNKNOWN)
        elif name.isdecimal() and len(name) < 4:
            value = arguments[int(name)] if int(name) < len(arguments) else UNKNOWN
        else:
            value = named.get(name, UNKNOWN)
        return _character(value) if spec and spec.endswith("c") else _text(value)

    return _bounded(_FIELD.sub(one, form))


_SAME = frozenset({"string", "safe", "e", "escape", "forceescape"})
_PLAIN: dict[str, Callable[[str], Any]] = {
    "lower": str.lower, "upper": str.upper, "capitalize": str.capitalize, "title": str.title, "swapcase": str.swapcase,
    "casefold": str.casefold, "splitlines": str.splitlines, "length": len, "count": len,
}  # fmt: skip
_TRIMS: dict[str, Callable[[str, str | None], str]] = {
    "trim": str.strip, "strip": str.strip, "lstrip": str.lstrip, "rstrip": str.rstrip,
}  # fmt: skip
_PADS: dict[str, Callable[..., str]] = {
    "center": str.center,
    "ljust": str.ljust,
    "rjust": str.rjust,
    "zfill": str.zfill,
}


def _changed(name: str, text: str, items: Values, named: dict[str, Any]) -> Any:
    """Return what a filter or method that both know makes of a text, or None when it is not followed."""
    if name in _PLAIN and not items:
        return _PLAIN[name](text)
    texts = [item for item in items if isinstance(item, str)]
    if name in _TRIMS and len(items) < 2 and len(texts) == len(items):
        return _TRIMS[name](text, texts[0] if texts else None)
    if name == "replace" and len(texts) >= 2:
        return _bounded(text.replace(texts[0], texts[1])) if len(text) * max(1, len(texts[1])) < 2**20 else OPAQUE
    if name in _PADS and items and type(items[0]) is int:
        return _PADS[name](text, *items[:2]) if 0 <= items[0] <= 200 and all(len(t) == 1 for t in texts) else OPAQUE
    return None


def _filtered(name: str, value: Any, items: Values, named: dict[str, Any]) -> Any:
    if name in _SAME:
        return value if value is UNKNOWN or isinstance(value, str) else _text(value) if value is None else OPAQUE
    if name in ("default", "d"):
        return items[0] if value is UNKNOWN and items else value
    if name == "join":
        return _merged(value, items[0] if items else named.get("d", ""))
    if name in ("list", "first", "last", "reverse") and isinstance(value, (str, list, dict)):
        parts = list(value)
        if name in ("list", "reverse"):
            return parts if name == "list" else value[::-1] if isinstance(value, str) else parts[::-1]
        return (parts[0] if name == "first" else parts[-1]) if parts else UNKNOWN
    if value is UNKNOWN:
        return WILD if name in ("reverse", "format") else UNKNOWN
    if isinstance(value, str):
        if name == "format":
            return percent(value, items or [named])
        changed = _changed(name, value, items, named)
        return OPAQUE if changed is None else changed
    return OPAQUE


def _merged(value: Any, between: Any) -> str:
    if value is UNKNOWN:
        return WILD
    if not isinstance(value, (list, str, dict)):
        return OPAQUE
    parts = list(value)[:MAX_ITEMS]
    return _joined(part for number, item in enumerate(parts) for part in ([between, item] if number else [item]))


def _method(holder: Any, name: Any, items: Values, named: dict[str, Any]) -> Any:
    if not isinstance(name, str):
        return UNKNOWN
    if isinstance(holder, dict):
        if name == "get" and items:
            return _item(holder, items[0])
        return list(holder) if name == "keys" else list(holder.values()) if name == "values" else UNKNOWN
    if not isinstance(holder, str):
        return UNKNOWN
    if name == "join" and items:
        return _merged(items[0], holder)
    if name == "format":
        return _formatted(holder, items, named)
    if name in ("removeprefix", "removesuffix") and items and isinstance(items[0], str):
        return holder.removeprefix(items[0]) if name == "removeprefix" else holder.removesuffix(items[0])
    if name in ("split", "rsplit") and all(isinstance(item, str) and item for item in items[:1]):
        return holder.split(items[0] if items else None)[:MAX_ITEMS]
    if name in ("startswith", "endswith", "find", "index", "isdigit", "count"):
        return UNKNOWN
    changed = _changed(name, holder, items, named)
    return OPAQUE if changed is None else changed
