"""Runs the templates of one chart as data: bounded, without any effect, each character of the result with its origin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners.infra.helm import formats, library, listings, numeric, texts, times  # noqa: F401  # they enter their functions
from mlguard.scanners.infra.helm.functions import FUNCTIONS, call, text
from mlguard.scanners.infra.helm.nodes import (
    Action,
    Branch,
    Call,
    Chain,
    Command,
    Constant,
    Dot,
    Field,
    Function,
    Jump,
    Nil,
    Node,
    Operand,
    Pipe,
    Text,
    Variable,
)
from mlguard.scanners.infra.helm.output import NO_VALUE, Writer, without_nothing
from mlguard.scanners.infra.helm.printing import (
    Failed,
    Refused,
    Strings,
    Traced,
    kind_of,
    show,
    truth,
    unknown,
)
from mlguard.scanners.infra.helm.syntax import Source, empty, parse, source
from mlguard.scanners.infra.resources import reference
from mlguard.scanners.infra.terraform.values import weight

MAX_STEPS = 400_000
"""Nodes that the templates of one chart may evaluate with one set of values, and 256 characters of text each."""

MAX_OUTPUT = 8 * 2**20
"""Characters that the templates of one chart may make with one set of values."""

MAX_DEPTH = 40
"""Templates that may be under way at once."""

MAX_NOTES = 2_000
"""Places that are remembered because something could not be told there."""


class Exhausted(Failed):
    """A chart that takes more steps, characters or levels than is reasonable; ``final`` when nothing is left of them."""

    final = False


def _final(reason: str) -> Exhausted:
    error = Exhausted(reason)
    error.final = True
    return error


class _Break(Exception):
    """A jump out of the innermost loop."""


class _Continue(Exception):
    """A jump to the next turn of the innermost loop."""


@dataclass(frozen=True, slots=True)
class Defined:
    """A template that can be included by name."""

    body: tuple[Node, ...]
    source: Source


class Run:
    """The templates of a chart and its dependencies with one set of values."""

    def __init__(self, missing: str = "", knows_library: bool = False) -> None:
        self.knows_library = knows_library  # that dependency is one whose templates can be computed
        self.defined: dict[str, Defined] = {}
        self.missing = missing  # a dependency that is not there, whose templates cannot be known
        self.steps = self.output = self.depth = 0
        self.notes: dict[tuple[str, int, str], None] = {}

    def define(self, name: str, body: tuple[Node, ...], origin: Source) -> None:
        """Enter a template; one that is empty replaces no other."""
        if name not in self.defined or not empty(body):
            self.defined[name] = Defined(body, origin)

    def load(self, name: str, origin: Source) -> None:
        """Parse a text and enter what it holds. Raises Failed."""
        parsed = parse(origin.text)
        for inner, body in parsed.defined.items():
            self.define(inner, body, origin)
        self.define(name, parsed.body, origin)

    def render(self, name: str, dot: Any) -> Traced:
        """Return what a template makes of its data. Raises Failed."""
        writer = Writer()
        try:
            self.execute(name, dot, writer)
        except RecursionError:
            self.depth = 0
            raise Exhausted("nests too deeply") from None
        return without_nothing(writer.traced())

    def execute(self, name: str, dot: Any, writer: Writer) -> None:
        if self.depth >= MAX_DEPTH:
            raise Exhausted(f"templates include each other over {MAX_DEPTH} levels deep")
        one = self.defined.get(name)
        if one is None:
            raise Failed("includes a template that is not defined")
        self.depth += 1
        state = _State(self, one.source, dot, writer)
        try:
            state.nodes(one.body, dot)
        except (_Break, _Continue):
            raise Failed("jumps out of no loop") from None
        except Failed as error:
            inner = not error.trail and error.start >= 0
            error.trail.append((one.source, error.start if inner else state.at))
            raise
        finally:
            self.depth -= 1

    def spend(self, steps: int) -> None:
        self.steps += steps
        if self.steps > MAX_STEPS:
            raise _final(f"takes over {MAX_STEPS} steps")

    def wrote(self, size: int) -> None:
        self.output += size
        if self.output > MAX_OUTPUT:
            raise _final(f"makes over {MAX_OUTPUT} characters")

    def note(self, origin: Source, offset: int, reason: str) -> None:
        """Remember something that could not be told although the work went on."""
        line = origin.place(offset)[0] if origin.path else 0
        if len(self.notes) < MAX_NOTES:
            self.notes[(origin.path, line, reason)] = None

    def include(self, name: Any, dot: Any) -> str:
        """Return what a template makes of its data, as text."""
        writer = Writer()
        if text(name) not in self.defined and self.missing:
            return self.absent(name, dot)
        self.execute(name, dot, writer)
        return writer.text()

    def absent(self, name: str, dot: Any) -> str:
        """Return what a template of a dependency that is not there comes to, or a reference to it."""
        body = library.stand_in(name) if self.knows_library else None
        self.spend(20)
        if body is None or self.depth >= MAX_DEPTH:
            return reference(f"the template {name}")
        self.depth += 1
        try:
            return body(self, dot)
        except (Unreadable, ValueError, TypeError, KeyError, AttributeError):
            return reference(f"the template {name}")
        finally:
            self.depth -= 1

    def stands_in(self, name: str) -> bool:
        """Say whether a template that is not there can be computed."""
        return self.knows_library and library.stand_in(name) is not None

    def inline(self, given: Any, dot: Any) -> str:
        """Return what a text makes of its data when it is taken for a template."""
        if "{{" not in text(given):
            return str(given).replace(NO_VALUE, "") if not isinstance(given, Traced) else given
        self.spend(len(given) // 16)
        kept = dict(self.defined)
        origin = source("", str(given))
        try:
            parsed = parse(origin.text)
            for name, body in parsed.defined.items():
                self.define(name, body, origin)
            self.defined[""] = Defined(parsed.body, origin)
            writer = Writer()
            self.execute("", dot, writer)
        except Failed as error:
            error.trail = [place for place in error.trail if place[0].path]
            error.start = -1
            raise
        finally:
            self.defined = kept
        marks = [
            (start, one if one is not None and one.path else None, at, exact) for start, one, at, exact in writer.marks
        ]
        whole = without_nothing(Traced("".join(writer.parts), marks or [(0, None, 0, False)]))
        return whole if "\n" in whole else str(whole)


_LAZY = frozenset({"and", "or"})
_DEEP = frozenset(
    [
        "deepCopy",
        "mustDeepCopy",
        "merge",
        "mustMerge",
        "mergeOverwrite",
        "mustMergeOverwrite",
        "toYaml",
        "mustToYaml",
        "toYamlPretty",
        "toJson",
        "mustToJson",
        "toPrettyJson",
        "mustToPrettyJson",
        "toRawJson",
        "mustToRawJson",
        "toToml",
        "mustToToml",
        "deepEqual",
        "has",
        "mustHas",
        "without",
        "mustWithout",
        "uniq",
        "mustUniq",
        "toString",
        "print",
        "println",
        "printf",
        "quote",
        "squote",
        "cat",
        "join",
        "sortAlpha",
        "toStrings",
    ]
)
"""Functions that look at all that a value holds."""


class _State:
    """One template that is under way."""

    def __init__(self, run: Run, origin: Source, root: Any, writer: Writer) -> None:
        self.run, self.origin, self.writer = run, origin, writer
        self.variables: list[tuple[str, Any]] = [("$", root)]
        self.at = 0

    # Nodes

    def nodes(self, nodes: tuple[Node, ...], dot: Any) -> None:
        for node in nodes:
            self.run.spend(1)
            self.at = node.start
            if type(node) is Text:
                self.run.wrote(len(node.text))
                self.writer.add(node.text, self.origin, node.start, True)
            elif type(node) is Action:
                self.action(node, dot)
            elif type(node) is Branch:
                self.branch(node, dot)
            elif type(node) is Jump:
                raise _Break if node.word == "break" else _Continue
            elif type(node) is Call:
                value = self.pipe(node.pipe, dot) if node.pipe is not None else None
                self.at = node.start
                if node.name not in self.run.defined and self.run.missing:
                    if not self.run.stands_in(node.name):
                        self.run.note(self.origin, node.start, f"includes a template of {self.run.missing}")
                    self.writer.add(self.run.absent(node.name, value), self.origin, node.start, False)
                else:
                    self.run.execute(node.name, value, self.writer)

    def action(self, node: Action, dot: Any) -> None:
        try:
            value = self.pipe(node.pipe, dot)
        except Failed as error:
            if node.pipe.declared or isinstance(error, Exhausted) or not self.origin.path:
                raise
            self.run.note(self.origin, node.start if error.start < 0 else error.start, error.reason)
            value = "" if isinstance(error, Refused) else reference("a value that cannot be computed")
        self.at = node.start
        if not node.pipe.declared:
            if isinstance(value, (dict, list)):
                self.run.spend(weight(value))
            printed = value if isinstance(value, str) else NO_VALUE if value is None else show(value)
            self.run.wrote(len(printed))
            self.run.spend(len(printed) >> 8)
            self.writer.add(printed, self.origin, node.start, False)

    def branch(self, node: Branch, dot: Any) -> None:
        mark = len(self.variables)
        if node.word == "range":
            self.loop(node, dot)
        else:
            value = self.pipe(node.pipe, dot)
            if truth(value):
                self.nodes(node.body, value if node.word == "with" else dot)
            else:
                self.nodes(node.otherwise, dot)
        del self.variables[mark:]

    def loop(self, node: Branch, dot: Any) -> None:
        value = self.pipe(node.pipe, dot, declare=False)
        mark = len(self.variables)
        names, pairs = node.pipe.declared, self.pairs(value, len(node.pipe.declared))
        for name in names if not node.pipe.assigns else ():
            self.variables.append((name, value))
        inner = len(self.variables)
        for key, item in pairs:
            self.run.spend(1)
            self.turn(names, key, item, node.pipe.assigns, mark)
            try:
                self.nodes(node.body, item)
            except _Continue:
                pass
            except _Break:
                del self.variables[inner:]
                break
            del self.variables[inner:]
        if not pairs:
            del self.variables[mark:]
            self.nodes(node.otherwise, dot)

    def turn(self, names: tuple[str, ...], key: Any, item: Any, assigns: bool, mark: int) -> None:
        """Give the variables of a loop their values for one turn."""
        for name, one in zip(names, (key, item) if len(names) == 2 else (item,), strict=False):
            if assigns:
                self.assign(name, one)
            else:
                self.variables[mark + names.index(name)] = (name, one)

    def pairs(self, value: Any, names: int) -> list[tuple[Any, Any]]:
        if value is None:
            return []
        if isinstance(value, Mapping):
            found: list[tuple[Any, Any]] = [(key, value[key]) for key in sorted(value)]
        elif isinstance(value, (list, bytes)):
            found = list(enumerate(value))
        elif isinstance(value, int) and not isinstance(value, bool):
            if names > 1:
                raise Failed("ranges over a number with two variables")
            if value > listings.MAX_ITEMS:
                raise Exhausted(f"ranges over more than {listings.MAX_ITEMS} numbers")
            found = [(number, number) for number in range(value)]
        elif unknown(value) is not None:
            self.run.note(self.origin, self.at, "ranges over something that is not known before it exists")
            return []
        else:
            raise Failed(f"ranges over {kind_of(value)}")
        return found

    # Values

    def assign(self, name: str, value: Any) -> None:
        for index in range(len(self.variables) - 1, -1, -1):
            if self.variables[index][0] == name:
                self.variables[index] = (name, value)
                return
        raise Failed("assigns a variable that was not declared")

    def variable(self, name: str) -> Any:
        for known, value in reversed(self.variables):
            if known == name:
                return value
        raise Failed("uses a variable that was not declared")

    def pipe(self, pipe: Pipe, dot: Any, declare: bool = True) -> Any:
        value: Any = _NOTHING
        for command in pipe.commands:
            value = self.command(command, dot, value)
        if declare:
            for name in pipe.declared:
                if pipe.assigns:
                    self.assign(name, value)
                else:
                    self.variables.append((name, value))
        return value

    def command(self, command: Command, dot: Any, final: Any) -> Any:
        self.run.spend(1)
        first = command.operands[0]
        more = command.operands[1:]
        if type(first) is Function:
            return self.function(first, more, dot, final)
        if type(first) is Field:
            return self.walk(dot, first.names, first.start, more, dot, final)
        if type(first) is Variable and first.names:
            return self.walk(self.variable(first.name), first.names, first.start, more, dot, final)
        if type(first) is Chain:
            return self.walk(self.operand(first.operand, dot), first.names, first.start, more, dot, final)
        if more or final is not _NOTHING:
            raise Failed("gives an argument to something that is no function", first.start)
        if type(first) is Nil:
            raise Failed("uses nil as a command", first.start)
        return self.operand(first, dot)

    def operand(self, one: Operand, dot: Any) -> Any:
        kind = type(one)
        if kind is Constant:
            return one.value  # type: ignore[union-attr]  # its kind is known
        if kind is Field:
            return self.walk(dot, one.names, one.start, (), dot, _NOTHING)  # type: ignore[union-attr]  # its kind is known
        if kind is Variable:
            value = self.variable(one.name)  # type: ignore[union-attr]  # its kind is known
            return self.walk(value, one.names, one.start, (), dot, _NOTHING)  # type: ignore[union-attr]  # as above
        if isinstance(one, Pipe):
            mark = len(self.variables)
            value = self.pipe(one, dot)
            del self.variables[mark:]
            return value
        if isinstance(one, Chain):
            return self.walk(self.operand(one.operand, dot), one.names, one.start, (), dot, _NOTHING)
        if isinstance(one, Function):
            return self.function(one, (), dot, _NOTHING)
        return dot if kind is Dot else None

    def function(self, one: Function, operands: tuple[Operand, ...], dot: Any, final: Any) -> Any:
        name = one.name
        if name in _LAZY:
            return self.lazy(one, operands, dot, final)
        values = [self.operand(operand, dot) for operand in operands]
        if final is not _NOTHING:
            values.append(final)
        try:
            special = _SPECIAL.get(name)
            if special is not None:
                if len(values) != special[0]:
                    raise Failed(f"calls {name} with the wrong number of arguments")
                return special[1](self, one, *values)
            if name not in FUNCTIONS:
                raise Failed("calls a function that Helm does not have")
            for value in values:
                if isinstance(value, (dict, list)):
                    self.run.spend(weight(value) if name in _DEEP else len(value) >> 4)
                elif isinstance(value, str):
                    self.run.spend(len(value) >> 8)
            if len(values) > 1 and "egex" in name and isinstance(values[0], str) and isinstance(values[1], str):
                self.run.spend(len(values[0]) * len(values[1]) >> 2)
            result = call(name, values)
        except Failed as error:
            if error.start < 0 and not error.trail:
                error.start = one.start
            raise
        if isinstance(result, str):
            self.run.spend(len(result) >> 8)
        elif isinstance(result, list):
            self.run.spend(len(result) >> 4)
        return result

    def lazy(self, one: Function, operands: tuple[Operand, ...], dot: Any, final: Any) -> Any:
        if not operands and final is _NOTHING:
            raise Failed(f"calls {one.name} with the wrong number of arguments", one.start)
        value: Any = None
        for operand in operands:
            value = self.operand(operand, dot)
            if truth(value) == (one.name == "or"):
                return value
        return final if final is not _NOTHING else value

    def walk(
        self, value: Any, names: tuple[str, ...], start: int, operands: tuple[Operand, ...], dot: Any, final: Any
    ) -> Any:
        """Return the field at the end of a path; the last one may be a method, which takes the arguments."""
        last = len(names) - 1
        for index, name in enumerate(names):
            if value is None:
                if index == 0:
                    return None
                raise Failed("asks nothing for a field: a value that the chart needs is not set", start)
            given = index == last and (bool(operands) or final is not _NOTHING)
            if isinstance(value, dict):
                found = self.entry(value, name, start)
                if found is _METHOD:
                    values = [self.operand(operand, dot) for operand in operands] if index == last else []
                    if index == last and final is not _NOTHING:
                        values.append(final)
                    value = self.method(value, name, values, start)
                    continue
                if given:
                    raise Failed("gives arguments to a field that is no method", start)
                value = found
                continue
            value = self.attribute(value, name, start)
            if callable(value):
                values = [self.operand(operand, dot) for operand in operands] if index == last else []
                if index == last and final is not _NOTHING:
                    values.append(final)
                value = self.called(value, values, start)
        return value

    def entry(self, value: dict[str, Any], name: str, start: int) -> Any:
        methods = getattr(value, "go_methods", None)
        if methods is not None and name in methods:
            return _METHOD
        if name in value:
            return value[name]
        return "" if isinstance(value, Strings) else None

    def method(self, value: Any, name: str, values: list[Any], start: int) -> Any:
        return self.called(getattr(value, value.go_methods[name]), values, start)

    def called(self, body: Callable[..., Any], values: list[Any], start: int) -> Any:
        try:
            result = body(*values)
        except (TypeError, ValueError, AttributeError, KeyError, IndexError, OverflowError):
            raise Failed("calls a method with something that it does not take", start) from None
        except Failed as error:
            error.start = start if error.start < 0 else error.start
            raise
        if isinstance(result, str):
            self.run.spend(len(result) >> 8)
        return result

    def attribute(self, value: Any, name: str, start: int) -> Any:
        if isinstance(value, str) and unknown(value) is not None:
            return unknown(value)
        getter = getattr(value, "go_field", None)
        if getter is None:
            raise Failed(f"asks {kind_of(value)} for a field", start)
        try:
            return getter(name)
        except KeyError:
            raise Failed("asks for a field that does not exist", start) from None

    # Functions that need the run

    def include(self, one: Function, name: Any, data: Any) -> str:
        if self.run.missing and isinstance(name, str) and name not in self.run.defined and not self.run.stands_in(name):
            self.run.note(self.origin, one.start, f"includes a template of {self.run.missing}")
        return self.run.include(name, data)

    def tpl(self, one: Function, given: Any, data: Any) -> str:
        return self.run.inline(given, data)

    def required(self, one: Function, message: Any, value: Any) -> Any:
        text(message)
        if value is None or value == "" and isinstance(value, str):
            self.run.note(self.origin, one.start, "needs a value that is not set")
            return reference("a required value")
        return value


_NOTHING: Any = object()
_METHOD: Any = object()
_SPECIAL: dict[str, tuple[int, Callable[..., Any]]] = {
    "include": (2, _State.include),
    "tpl": (2, _State.tpl),
    "required": (2, _State.required),
}
