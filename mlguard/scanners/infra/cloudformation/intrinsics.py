"""Values of a template with its functions carried out: parameters, mappings, conditions, references.

Nothing here asks anybody: what only the stack will know becomes a reference or ``Unknown`` with its reason.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from mlguard.scanners import lazy
from mlguard.scanners.infra.cloudformation.choices import both
from mlguard.scanners.infra.cloudformation.nodes import (
    GONE,
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_TEXT,
    Node,
    Parameter,
    Stack,
    World,
    compared,
    encoded,
    plain,
    snake,
)
from mlguard.scanners.infra.cloudformation.worlds import follow, is_call, is_open
from mlguard.scanners.infra.resources import REFERENCE, Either, Position, Unknown, reference
from mlguard.scanners.infra.terraform.values import text_of
from mlguard.scanners.infra.yamltree import Tree

MAX_ROWS = 200
"""Rows of a mapping that are compared when the row is not known."""

_PSEUDO = {"AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com"}
_SUB = lazy.pattern(r"\$\{(!?)([^${}]*)\}")
_RESOLVE = lazy.pattern(r"\{\{resolve:([^{}]{1,400})\}\}")


class Evaluator:
    """Carries out the functions of one stack."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def node(self, tree: Tree, depth: int = 0) -> Node:
        """Return a value with everything inside it carried out. ``value`` is GONE for what is not there."""
        self.stack.steps -= 1
        if self.stack.steps < 0 or depth > MAX_DEPTH:
            return Node(Unknown("an evaluation that takes too long"), tree.at)
        name = is_call(tree)
        if name and name != "Condition":
            return self.call(name, next(child for _, child in tree.items()), tree, depth)
        if isinstance(tree.value, dict) and isinstance(tree.children, Mapping):
            return self._mapping(tree, depth)
        if isinstance(tree.value, list):
            return self._list(tree, depth)
        return Node(self._scalar(tree.value), tree.at)

    def _scalar(self, value: Any) -> Any:
        if isinstance(value, str):
            if self.stack.loops and "${" in value or self.stack.loops and "&{" in value:
                value = self._looped(value)
            if "{{resolve:" in value:
                value = _RESOLVE.sub(lambda match: reference(match.group(1).replace(".", "_")), value)
            if "\ue000" in value and not REFERENCE.search(value):
                return value.replace("\ue000", "")
        return value

    def _looped(self, text: str) -> str:
        for name, value in self.stack.loops.items():
            text = text.replace("${" + name + "}", value).replace("&{" + name + "}", re.sub(r"[^A-Za-z0-9]", "", value))
        return text

    def _mapping(self, tree: Tree, depth: int) -> Node:
        children: dict[str, Node] = {}
        cause = ""
        for key, child in self.expanded(tree):
            if key in ("Fn::Transform", "AWS::LanguageExtensions") or key.startswith("Fn::"):
                cause = "what a macro adds to the template"
                continue
            node = self.node(child, depth + 1)
            if node.value is not GONE:
                children[key] = node
        return Node(None, tree.at, children, open=cause)

    def _list(self, tree: Tree, depth: int) -> Node:
        found = (self.node(child, depth + 1) for child in tree.children if isinstance(child, Tree))
        return Node(None, tree.at, [node for node in found if node.value is not GONE])

    def expanded(self, tree: Tree) -> Iterator[tuple[str, Tree]]:
        """Yield the entries of a mapping, those of each Fn::ForEach once for each value of its loop."""
        for key, child in tree.items():
            name = str(key)
            if not name.startswith("Fn::ForEach::"):
                yield self._looped(name) if self.stack.loops else name, child
                continue
            yield from self._loop(name, child)

    def _loop(self, name: str, tree: Tree) -> Iterator[tuple[str, Tree]]:
        parts = tree.children if isinstance(tree.children, tuple) else ()
        if len(parts) != 3 or not isinstance(parts[0].value, str) or not isinstance(parts[2].children, Mapping):
            yield name, tree
            return
        values = [one.value for one in self.node(parts[1]).items()]
        if not all(isinstance(one, (str, int)) for one in values) or len(self.stack.loops) > 4:
            yield name, tree
            return
        for value in values[:MAX_ITEMS]:
            held = dict(self.stack.loops)
            self.stack.loops[parts[0].value] = str(value)
            self.stack.turns -= 1
            if self.stack.turns < 0:
                self.stack.steps = -1
            try:
                for key, child in self.expanded(parts[2]):
                    if self.stack.steps < 0:
                        return
                    yield key, _bound(child, self.stack)
            finally:
                self.stack.loops = held

    # Functions

    def call(self, name: str, argument: Tree, tree: Tree, depth: int) -> Node:
        """Return the result of one function."""
        function = _FUNCTIONS.get(name)
        if function is None:
            return Node(Unknown(_cause(name)), tree.at)
        made = function(self, argument, tree, depth + 1)
        lines = "\n" in made.value if isinstance(made.value, str) else False
        return replace(made, at=_text_place(argument, tree, made.at) if lines else tree.at)

    def texts(self, node: Node) -> str | None:
        """Return a value as a text with references, None for what is no scalar."""
        if node.children is not None or node.value is GONE:
            return None
        return text_of(node.value)

    def text(self, value: str, at: Position) -> Node:
        """Return a text that a function made, within the limits."""
        self.stack.made -= len(value)
        if len(value) > MAX_TEXT or self.stack.made < 0:
            return Node(Unknown("a text that is too long"), at)
        return Node(value, at)

    def ref(self, argument: Tree, tree: Tree, depth: int) -> Node:
        name = argument.value
        if not isinstance(name, str):
            return Node(Unknown("a reference that cannot be read"), tree.at)
        return self.named(self._looped(name) if self.stack.loops else name, tree.at)

    def named(self, name: str, at: Position) -> Node:
        """Return what a name stands for: a parameter, a pseudo parameter, or the resource itself."""
        stack = self.stack
        if name == "AWS::NoValue":
            return Node(GONE, at)
        if name in stack.loops:
            return Node(stack.loops[name], at)
        parameter = self.parameter(name)
        if parameter is not None:
            value = parameter.value
            if isinstance(value, list):
                return Node(None, at, [Node(item, at) for item in value])
            if parameter.hidden and isinstance(value, str) and value and "\ue000" not in value:
                return Node(reference(f"the parameter {name}"), at, secret=value)
            return Node(value, at)
        if name in stack.kinds:
            return Node(reference(f"{stack.name}{name}.id"), at)
        if name.startswith("AWS::"):
            known = stack.region if name == "AWS::Region" else _PSEUDO.get(name)
            return Node(known or reference(name), at)
        return Node(Unknown(f"the name {name}, which is not declared"), at)

    def parameter(self, name: str) -> Parameter | None:
        """Return what is known of a parameter."""
        return self.stack.supposed.get(name) or self.stack.parameters.get(name)

    def attribute(self, argument: Tree, tree: Tree, depth: int) -> Node:
        if isinstance(argument.value, str):
            parts = argument.value.split(".", 1)
        else:
            nodes = [
                self.node(one, depth) for one in (argument.children if isinstance(argument.children, tuple) else ())
            ]
            parts = [node.value for node in nodes if isinstance(node.value, str)]
        if len(parts) != 2:
            return Node(Unknown("an attribute that cannot be read"), tree.at)
        return self.of(self._looped(parts[0]) if self.stack.loops else parts[0], parts[1], tree.at)

    def of(self, name: str, attribute: str, at: Position) -> Node:
        """Return an attribute of a resource: the output of a nested stack, else a reference."""
        if attribute.startswith("Outputs."):
            known = self.stack.outputs.get(name, {}).get(attribute[8:])
            if known is not None:
                return Node(known, at)
        return Node(reference(f"{self.stack.name}{name}.{snake(attribute.replace('.', '_'))}"), at)

    def sub(self, argument: Tree, tree: Tree, depth: int) -> Node:
        names: dict[str, str | None] = {}
        text: Any = argument.value
        if isinstance(argument.children, tuple) and argument.children:
            text = self.node(argument.children[0], depth).value
            given = argument.children[1] if len(argument.children) > 1 else None
            if given is not None and isinstance(given.children, Mapping):
                names = {key: self.texts(self.node(child, depth)) for key, child in given.children.items()}
        if not isinstance(text, str):
            return Node(text if isinstance(text, Unknown) else Unknown("a text that cannot be read"), tree.at)
        secrets: list[str] = []
        length = [len(text)]

        def one(match: re.Match[str]) -> str:
            name = match.group(2).strip()
            if match.group(1):
                return "${" + name + "}"
            if name in names:
                found = names[name]
                result = reference(name) if found is None else found
            elif "." in name and name not in self.stack.parameters:
                owner, _, attribute = name.partition(".")
                value = self.of(owner, attribute, tree.at).value
                result = reference(name.replace(".", "_")) if isinstance(value, (list, dict)) else text_of(value)
            else:
                node = self.named(name, tree.at)
                if node.secret:
                    secrets.append(node.secret)
                result = (
                    ""
                    if node.value is GONE
                    else self.texts(node) or (reference(name) if node.children is not None else "")
                )
            length[0] += len(result)
            return result if length[0] <= MAX_TEXT else ""

        whole = _SUB.sub(one, self._looped(text) if self.stack.loops else text)
        if length[0] > MAX_TEXT:
            return Node(Unknown("a text that is too long"), tree.at)
        node = self.text(self._scalar(whole), tree.at)
        if len(secrets) == 1 and isinstance(node.value, str) and REFERENCE.fullmatch(node.value):
            node.secret = secrets[0]
        return node

    def join(self, argument: Tree, tree: Tree, depth: int) -> Node:
        parts = argument.children if isinstance(argument.children, tuple) else ()
        if len(parts) != 2:
            return Node(Unknown("a list that cannot be read"), tree.at)
        between, values = self.node(parts[0], depth).value, self.node(parts[1], depth)
        if not isinstance(between, str) or isinstance(values.value, Unknown):
            return Node(
                values.value if isinstance(values.value, Unknown) else Unknown("a separator that is not known here"),
                tree.at,
            )
        texts: list[str] = []
        for item in values.items():
            for one in item.items() if item.children is not None else [item]:
                text = self.texts(one)
                texts.append(text if text is not None else reference("a list"))
        if sum(map(len, texts)) + len(between) * len(texts) > MAX_TEXT:
            return Node(Unknown("a text that is too long"), tree.at)
        return self.text(self._scalar(between.join(texts)), tree.at)

    def select(self, argument: Tree, tree: Tree, depth: int) -> Node:
        parts = argument.children if isinstance(argument.children, tuple) else ()
        if len(parts) != 2:
            return Node(Unknown("a list that cannot be read"), tree.at)
        index, values = self.node(parts[0], depth).value, self.node(parts[1], depth)
        if isinstance(values.value, Unknown):
            return Node(values.value, tree.at, refs=values.refs)
        try:
            return values.items()[int(index)]
        except (ValueError, TypeError, IndexError, OverflowError):
            cause = index.reason if isinstance(index, Unknown) else "an element that is not there"
            return Node(Unknown(cause), tree.at)

    def split(self, argument: Tree, tree: Tree, depth: int) -> Node:
        parts = argument.children if isinstance(argument.children, tuple) else ()
        if len(parts) != 2:
            return Node(Unknown("a text that cannot be read"), tree.at)
        between, text = self.node(parts[0], depth).value, self.node(parts[1], depth).value
        if not isinstance(between, str) or not between or not isinstance(text, str):
            return Node(text if isinstance(text, Unknown) else Unknown("a text that is not known here"), tree.at)
        pieces = text.split(between, MAX_ITEMS)
        if any("\ue000" in one and not REFERENCE.search(one) for one in pieces):
            return Node(Unknown(next(iter(REFERENCE.findall(text)), "a text")), tree.at)
        return Node(None, tree.at, [Node(one, tree.at) for one in pieces])

    def find(self, argument: Tree, tree: Tree, depth: int) -> Node:
        parts = argument.children if isinstance(argument.children, tuple) else ()
        nodes = [self.node(one, depth) for one in parts[:3]]
        place = self.stack.mappings
        default = parts[3].get("DefaultValue") if len(parts) > 3 else None
        for node in nodes:
            if not isinstance(node.value, (str, int)) or (isinstance(node.value, str) and "\ue000" in node.value):
                wanted = nodes[2].value if len(nodes) == 3 and node is nodes[1] else None
                if isinstance(node.value, Either) and isinstance(wanted, str) and place is not None:
                    return self._rows(place, node.value, wanted, tree.at, depth)
                alike = self._alike(place, wanted) if isinstance(wanted, str) else None
                return self.node(alike, depth) if alike is not None else Node(Unknown(_reason(node.value)), tree.at)
            place = place.get(text_of(node.value)) if place is not None else None
        if place is None or len(nodes) != 3:
            return (
                self.node(default, depth)
                if default is not None
                else Node(Unknown("an entry of a mapping that is not there"), tree.at)
            )
        return self.node(place, depth)

    def _rows(self, place: Tree, key: Either, wanted: str, at: Position, depth: int) -> Node:
        """Return what an entry of a mapping comes to whose first key is one of several."""
        entries = [place.get(text_of(option), wanted) for option in key.options]
        found = [self.node(entry, depth + 1) for entry in entries if entry is not None]
        if len(found) < len(entries):
            return Node(Unknown(key.reason), at)
        node = found[0]
        for other in found[1:]:
            node = node if compared(node) == compared(other) else both(self.stack, node, other, key, at, depth + 1)
        return node

    def _alike(self, place: Tree | None, key: str) -> Tree | None:
        """Return the value of a second key that is the same whatever the first key is (a region, as a rule), else None."""
        rows = list(place.children.values()) if place is not None and isinstance(place.children, Mapping) else []
        self.stack.steps -= len(rows)
        found = [row.get(key) for row in rows[: MAX_ROWS + 1]]
        first = found[0] if 0 < len(found) <= MAX_ROWS else None
        alike = first is not None and all(one is not None and one.value == first.value for one in found)
        return first if alike else None

    def choose(self, argument: Tree, tree: Tree, depth: int) -> Node:
        parts = argument.children if isinstance(argument.children, tuple) else ()
        if len(parts) != 3 or not isinstance(parts[0].value, str):
            return Node(Unknown("a condition that cannot be read"), tree.at)
        truth = self.condition(parts[0].value, depth)
        if not isinstance(truth, Unknown):
            return self.node(parts[1 if truth else 2], depth)
        one, other = (self.node(part, depth) for part in parts[1:])
        if compared(one) == compared(other) and one.value is not GONE:
            return one
        return both(self.stack, one, other, truth, tree.at, depth)

    def imported(self, argument: Tree, tree: Tree, depth: int) -> Node:
        name = self.texts(self.node(argument, depth))
        return Node(
            reference(
                f"the import {name.replace('.', '_') if name and chr(0xE000) not in name else 'of another stack'}"
            ),
            tree.at,
        )

    def base64(self, argument: Tree, tree: Tree, depth: int) -> Node:
        return self.node(argument, depth)  # the text itself says more than its base64

    def zones(self, argument: Tree, tree: Tree, depth: int) -> Node:
        name = self.texts(self.node(argument, depth)) or "AWS::Region"
        place = REFERENCE.sub("AWS::Region", name)
        return Node(None, tree.at, [Node(reference(f"a zone of {place}.name"), tree.at) for _ in range(3)])

    def cidr(self, argument: Tree, tree: Tree, depth: int) -> Node:
        parts = argument.children if isinstance(argument.children, tuple) else ()
        block, count, bits = (
            ([self.node(one, depth).value for one in parts] + ["", 0, 8])[:3] if len(parts) > 1 else ("", 0, 0)
        )
        try:
            network = ipaddress.ip_network(str(block), strict=False)
            prefix = network.max_prefixlen - int(bits)
            made = network.subnets(new_prefix=prefix)
            found = [str(one) for one, _ in zip(made, range(min(int(count), 256)), strict=False)]
        except (ValueError, TypeError, OverflowError):
            return Node(Unknown(_reason(block)), tree.at)
        return Node(None, tree.at, [Node(one, tree.at) for one in found])

    def length(self, argument: Tree, tree: Tree, depth: int) -> Node:
        node = self.node(argument, depth)
        return Node(len(node.items()) if isinstance(node.children, list) else Unknown("the length of a list"), tree.at)

    def json(self, argument: Tree, tree: Tree, depth: int) -> Node:
        try:
            return self.text(encoded(plain(self.node(argument, depth))), tree.at)
        except (ValueError, OverflowError, TypeError, RecursionError):
            return Node(Unknown("a text that is nested too deeply"), tree.at)

    def truth(self, argument: Tree, tree: Tree, depth: int) -> Node:
        return Node(self.judge(tree, depth), tree.at)

    # Conditions

    def condition(self, name: str, depth: int = 0) -> bool | Unknown:
        """Return whether a condition holds, or why that is not known."""
        stack = self.stack
        if name not in stack.truths:
            tree = stack.conditions.get(name)
            if tree is None:
                return Unknown(f"the condition {name}, which is not declared")
            if depth > MAX_DEPTH:
                return Unknown("conditions that are nested too deeply")
            stack.truths[name] = Unknown("a condition that depends on itself")
            stack.truths[name] = self.judge(tree, depth + 1)
        return stack.truths[name]

    @contextmanager
    def supposing(self, name: Any) -> Iterator[None]:
        """Take a condition that is not known as one that holds: what stands below it is there only when it does."""
        stack = self.stack
        if not isinstance(name, str) or not isinstance(self.condition(name), Unknown):
            yield
            return
        if name not in stack.worlds:
            world = World()
            follow(stack, name, True, world, 0)
            stack.worlds[name] = world
        held = stack.truths, stack.supposed
        stack.truths, stack.supposed = stack.worlds[name].truths, stack.worlds[name].parameters
        try:
            yield
        finally:
            stack.truths, stack.supposed = held

    def judge(self, tree: Tree, depth: int) -> bool | Unknown:
        """Return the truth of a condition's expression."""
        self.stack.steps -= 1
        name = is_call(tree)
        if self.stack.steps < 0 or depth > MAX_DEPTH:
            return Unknown("an evaluation that takes too long")
        argument = next(iter(tree.children.values())) if name and isinstance(tree.children, Mapping) else tree
        parts = argument.children if isinstance(argument.children, tuple) else ()
        if name == "Condition" and isinstance(argument.value, str):
            return self.condition(argument.value, depth + 1)
        if name == "Fn::Equals" and len(parts) == 2:
            return self._equal(parts[0], parts[1], depth)
        if name in ("Fn::And", "Fn::Or"):
            decisive = name == "Fn::Or"
            found = [self.judge(part, depth + 1) for part in parts]
            unknown = next((one for one in found if isinstance(one, Unknown)), None)
            return decisive if decisive in [one for one in found if isinstance(one, bool)] else unknown or not decisive
        if name == "Fn::Not" and len(parts) == 1:
            inner = self.judge(parts[0], depth + 1)
            return inner if isinstance(inner, Unknown) else not inner
        if name in ("Fn::Contains", "Fn::EachMemberEquals", "Fn::EachMemberIn") and len(parts) == 2:
            return self._member(name, parts[0], parts[1], depth)
        value = self.node(tree, depth + 1).value
        return value if isinstance(value, bool) else Unknown(_reason(value))

    def _equal(self, left: Tree, right: Tree, depth: int) -> bool | Unknown:
        one, other = self.node(left, depth + 1), self.node(right, depth + 1)
        for tree, against in ((left, other), (right, one)):
            parameter = self.parameter(str(tree.value.get("Ref"))) if is_call(tree) == "Ref" else None
            open_value = parameter is not None and is_open(parameter)
            literal = self.texts(against)
            known = parameter and open_value and parameter.choices and literal is not None and "\ue000" not in literal
            if parameter and known and literal not in parameter.choices:
                return False
        mine, theirs = compared(one), compared(other)
        if mine == theirs and "\ue000" not in str(mine):
            return True
        cause = next((_reason(node.value) for node in (one, other) if _doubtful(node)), "")
        if cause and not (mine == theirs and one.children is None):
            return Unknown(cause)
        return bool(mine == theirs)

    def _member(self, name: str, left: Tree, right: Tree, depth: int) -> bool | Unknown:
        first = [compared(one) for one in self.node(left, depth + 1).items()]
        second = [compared(one) for one in self.node(right, depth + 1).items()]
        if any("\ue000" in str(one) for one in (*first, *second)):
            return Unknown("a list that is not known here")
        if name == "Fn::Contains":
            return any(one in first for one in second)
        return all(one in second for one in first)


def _text_place(argument: Tree, tree: Tree, made: Position) -> Position:
    """Return the place of a text of several lines that a function is given, from the line above its first one."""
    source = argument.children[0] if isinstance(argument.children, tuple) and argument.children else argument
    written = isinstance(source.value, str) and "\n" in source.value and source.at.end_line > source.at.line
    if written and source is not argument:
        return source.at
    places = (tree.at, source.at if written else made)
    return next((at for at in places if at.end_line > at.line), tree.at)


def _bound(tree: Tree, stack: Stack) -> Tree:
    """Return what stands in a loop with the loop's names filled in."""
    names = dict(stack.loops)

    def text(value: str) -> str:
        for name, item in names.items():
            value = value.replace("${" + name + "}", item).replace("&{" + name + "}", re.sub(r"[^A-Za-z0-9]", "", item))
        return value

    def one(node: Tree, depth: int) -> Tree:
        stack.steps -= 1
        if depth > MAX_DEPTH or stack.steps < 0:
            return node
        if isinstance(node.children, Mapping):
            name = node.value["Ref"] if is_call(node) == "Ref" else None
            if isinstance(name, str) and name in names:
                return replace(node, value=names[name], children=())
            below = {text(str(key)): one(child, depth + 1) for key, child in node.children.items()}
            return replace(node, value={key: child.value for key, child in below.items()}, children=below)
        if isinstance(node.value, list):
            items = tuple(one(child, depth + 1) for child in node.children if isinstance(child, Tree))
            return replace(node, value=[item.value for item in items], children=items)
        return replace(node, value=text(node.value)) if isinstance(node.value, str) else node

    return one(tree, 0)


def _cause(name: str) -> str:
    return "what a macro returns" if name == "Fn::Transform" else f"the function {name.removeprefix('Fn::')[:40]}"


def _reason(value: Any) -> str:
    if isinstance(value, Unknown):
        return value.reason
    return (
        next(iter(REFERENCE.findall(value)), "a value that is not known here")
        if isinstance(value, str)
        else "a value that is not known here"
    )


def _doubtful(node: Node) -> bool:
    return isinstance(node.value, Unknown) or "\ue000" in str(compared(node))


Function = Callable[[Evaluator, Tree, Tree, int], Node]

_FUNCTIONS: dict[str, Function] = {
    "Ref": Evaluator.ref, "Fn::GetAtt": Evaluator.attribute, "Fn::Sub": Evaluator.sub, "Fn::Join": Evaluator.join,
    "Fn::Select": Evaluator.select, "Fn::Split": Evaluator.split, "Fn::FindInMap": Evaluator.find, "Fn::If": Evaluator.choose,
    "Fn::ImportValue": Evaluator.imported, "Fn::Base64": Evaluator.base64, "Fn::GetAZs": Evaluator.zones,
    "Fn::Cidr": Evaluator.cidr, "Fn::Length": Evaluator.length, "Fn::ToJsonString": Evaluator.json,
    "Fn::Equals": Evaluator.truth, "Fn::And": Evaluator.truth, "Fn::Or": Evaluator.truth, "Fn::Not": Evaluator.truth,
    "Fn::Contains": Evaluator.truth,
}  # fmt: skip
"""By name. Macros, and functions that need an account, yield an unknown value."""
