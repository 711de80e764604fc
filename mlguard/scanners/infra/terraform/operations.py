"""Evaluates Terraform's expressions as data: bounded, and nothing is raised. What cannot be told is Unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from mlguard.scanners.infra.resources import REFERENCE, Open, Position, Unknown, reference
from mlguard.scanners.infra.terraform import files
from mlguard.scanners.infra.terraform.expressions import Expr
from mlguard.scanners.infra.terraform.functions import call
from mlguard.scanners.infra.terraform.patterns import meter
from mlguard.scanners.infra.terraform.session import Session
from mlguard.scanners.infra.terraform.syntax import template_of
from mlguard.scanners.infra.terraform.values import (
    MAX_TEXT,
    Failed,
    ListOf,
    MapOf,
    Rest,
    SetOf,
    arithmetic,
    cause_of,
    equal,
    logic,
    number_of,
    same,
    text_of,
    truth,
)

MAX_LEVELS = 240
"""Expressions inside each other, followed through locals, variables and modules, each of which counts three."""

Names = Mapping[str, Any]
"""What an expression may name besides the blocks of its folder: ``each``, ``count``, the variables of loops and templates."""


class Root(NamedTuple):
    """The beginning of a traversal: ``var``, ``local``, ``data.aws_region``, ``aws_s3_bucket``."""

    name: str
    type: str = ""


class Evaluation:
    """Expressions of one module. The names in them are looked up by ``resolve``."""

    session: Session

    def resolve(self, root: Root, name: str) -> Any:
        """Return what the first two or three names of a traversal stand for."""
        raise NotImplementedError

    def top(self) -> str:
        """Return the folder of the root module."""
        raise NotImplementedError

    def ev(self, expr: Expr, names: Names) -> Any:
        """Return the value of an expression. Never raises: what cannot be told is Unknown."""
        session = self.session
        session.steps -= 1
        if session.steps < 0:
            return Unknown("an evaluation that takes too long")
        if session.level >= MAX_LEVELS:
            return self._deep(expr)
        session.level += 1
        try:
            return _OPERATIONS[expr.op](self, expr, names)
        except RecursionError:
            return self._deep(expr)
        finally:
            session.level -= 1

    def _deep(self, expr: Expr) -> Unknown:
        self.session.report(expr.at, "too-large", "values are nested too deeply to be followed")
        return Unknown("values that are nested too deeply")

    def _lit(self, expr: Expr, names: Names) -> Any:
        return expr.args[0]

    def _error(self, expr: Expr, names: Names) -> Any:
        return Unknown("an expression that cannot be read")

    def _item(self, expr: Expr, names: Names) -> Any:
        return names.get("\0item")

    def _var(self, expr: Expr, names: Names) -> Any:
        name = expr.args[0]
        return names[name] if name in names else Root(name)

    def _attr(self, expr: Expr, names: Names) -> Any:
        return self.get(self.ev(expr.args[0], names), expr.args[1])

    def get(self, base: Any, name: str) -> Any:
        """Return ``base.name``."""
        if isinstance(base, Root):
            return self.resolve(base, name)
        body = getattr(base, "get", None) if not isinstance(base, (dict, list, str)) else None
        return body(name) if body is not None else element(base, name)

    def _index(self, expr: Expr, names: Names) -> Any:
        base, key = self.ev(expr.args[0], names), self.clean(self.ev(expr.args[1], names))
        if isinstance(base, Root):
            return self.resolve(base, key) if isinstance(key, str) else Failed("an index of a name")
        if isinstance(base, Whole):
            return base.get(key) if isinstance(key, str) and not base.doubt else base
        return element(base, key)

    def _splat(self, expr: Expr, names: Names) -> Any:
        base = self.ev(expr.args[0], names)
        if isinstance(base, Unknown):
            return base
        if isinstance(base, Root):
            return Unknown("a traversal that is not complete")
        if isinstance(base, Undeclared):
            return Unknown(base.doubt)
        if isinstance(base, str) and REFERENCE.fullmatch(base):
            return self.ev(expr.args[1], {**names, "\0item": base})
        items = [] if base is None else base if isinstance(base, list) else [base]
        if isinstance(base, dict) and base and all(isinstance(item, Whole) for item in base.values()):
            items = list(base.values())
        return [one if isinstance(one, Rest) else self.ev(expr.args[1], {**names, "\0item": one}) for one in items]

    def _call(self, expr: Expr, names: Names) -> Any:
        name, parts, spread = expr.args
        name = name.removeprefix("core::")
        if name in ("try", "can"):
            return self._try(name, parts, names)
        values = [self.ev(part, names) for part in parts]
        if spread and values:
            last = values.pop()
            if not isinstance(last, list):
                return last if isinstance(last, Unknown) else Failed("a list of arguments")
            values += last
        if name in files.FILES:
            return self.files(name, [self.clean(value) for value in values], expr.at)
        if name == "templatestring":
            return self._templatestring(parts, [self.clean(value) for value in values], expr.at)
        if name in _CLEANED:
            values = [self.clean(value) for value in values]
        before = meter.spent
        result = call(name, values)
        self.session.steps -= meter.spent - before
        return result

    def _try(self, name: str, parts: tuple[Expr, ...], names: Names) -> Any:
        for part in parts:
            value = self.ev(part, names)
            if isinstance(value, Root):
                value = Failed("a name that means nothing")
            failed = _failed(value)
            if isinstance(value, Unknown) and not failed:
                return value
            if name == "can":
                return not failed
            if not failed:
                return value
        return Failed("an attempt that works")

    def files(self, name: str, values: list[Any], at: Position) -> Any:
        """Return the value of a function that reads a file."""
        value = files.read(self.session, self.top(), name, values, at)
        if name != "templatefile" or not isinstance(value, str):
            return value
        return self.rendered(value, values[1] if len(values) > 1 else {}, at)

    def rendered(self, text: str, variables: Any, at: Position) -> Any:
        """Return a template with these variables."""
        if isinstance(variables, Unknown):
            return variables if "${" in text or "%{" in text else text
        if not isinstance(variables, dict):
            return Failed("the variables of a template")
        names = {**{name: Failed(f"the variable {name}") for name in _NOT_IN_TEMPLATES}, **variables}
        value = self.ev(template_of(text, at), names)
        return value if isinstance(value, (str, Unknown)) else _into_text([value])

    def _templatestring(self, parts: tuple[Expr, ...], values: list[Any], at: Position) -> Any:
        if len(values) != 2 or isinstance(values[0], Unknown):
            return values[0] if values and isinstance(values[0], Unknown) else Failed("templatestring")
        return self.rendered(values[0], values[1], at) if isinstance(values[0], str) else Failed("a template")

    def _tuple(self, expr: Expr, names: Names) -> Any:
        return [self.ev(item, names) for item in expr.args]

    def _object(self, expr: Expr, names: Names) -> Any:
        result: dict[str, Any] = {}
        reason = ""
        for key, value, _ in expr.args:
            name = self.clean(self.ev(key, names))
            if isinstance(name, Unknown):
                reason = name.reason
            elif name is not None and not isinstance(name, (list, dict)):
                result[text_of(name)] = self.ev(value, names)
        return Open(result, reason) if reason else result

    def _cond(self, expr: Expr, names: Names) -> Any:
        args = expr.args
        test = truth(self.ev(args[0], names))
        if not isinstance(test, Unknown):
            value = self.ev(args[1 if test else 2], names)
            if isinstance(value, (bool, int, float)) and _is_text(args[2 if test else 1]):
                return text_of(value)  # both sides get one type
            return value
        if isinstance(test, Failed):
            return test
        left, right = self.clean(self.ev(args[1], names)), self.clean(self.ev(args[2], names))
        if not isinstance(left, Unknown) and not isinstance(right, Unknown) and same(left, right):
            return left
        return test

    def _unary(self, expr: Expr, names: Names) -> Any:
        value = self.ev(expr.args[1], names)
        if isinstance(value, Unknown):
            return value
        if expr.args[0] == "!":
            found = truth(value)
            return found if isinstance(found, Unknown) else not found
        if isinstance(value, str) and "\ue000" in value:
            return Unknown(cause_of(value))
        try:
            return -number_of(value)
        except ValueError:
            return Failed("the negative of something else")

    def _binary(self, expr: Expr, names: Names) -> Any:
        sign = expr.args[0]
        left = self.ev(expr.args[1], names)
        if sign in ("&&", "||"):
            return logic(sign, truth(left), truth(self.ev(expr.args[2], names)))
        left, right = self.clean(left), self.clean(self.ev(expr.args[2], names))
        if sign in ("==", "!="):
            found = False if _kinds_differ(expr, left, right) else equal(left, right)
            return found if isinstance(found, Unknown) else found == (sign == "==")
        for value in (left, right):
            if isinstance(value, Unknown):
                return value
        return arithmetic(sign, left, right)

    def _for(self, expr: Expr, names: Names) -> Any:
        variables, over, results, test, grouped = expr.args
        value = self.ev(over, names)
        if isinstance(value, Unknown):
            return value
        pairs = _pairs(value)
        if pairs is None:
            return Failed("a loop over null") if value is None else _no_loop(value)
        out: list[Any] = []
        mapping: dict[str, Any] = {}
        reason = value.reason if isinstance(value, Open) else ""
        for key, item in pairs:
            if isinstance(item, Rest):
                reason = item.reason
                continue
            inner = {**names, variables[-1]: item}
            if len(variables) > 1:
                inner[variables[0]] = key
            kept = truth(self.ev(test, inner)) if test is not None else True
            if isinstance(kept, Unknown):
                reason = kept.reason
                continue
            if not kept:
                continue
            if len(results) == 1:
                out.append(self.ev(results[0], inner))
                continue
            name = self.clean(self.ev(results[0], inner))
            if isinstance(name, Unknown) or name is None:
                reason = name.reason if name is not None else "a key that is null"
            elif grouped:
                mapping.setdefault(text_of(name), []).append(self.ev(results[1], inner))
            else:
                mapping[text_of(name)] = self.ev(results[1], inner)
        if len(results) == 1:
            return [*out, Rest(reason)] if reason else out
        return Open(mapping, reason) if reason else mapping

    def _template(self, expr: Expr, names: Names) -> Any:
        if len(expr.args) == 1:
            return self.ev(expr.args[0], names)
        return _into_text(part if isinstance(part, str) else self.clean(self.ev(part, names)) for part in expr.args)

    def clean(self, value: Any, depth: int = 0) -> Any:
        """Return the value as data, in which a resource as a whole is a reference."""
        if value is None or isinstance(value, (str, bool, int, float)):
            return value
        if isinstance(value, Whole):
            self.session.trace.add(value.address)
            return Unknown(value.doubt) if isinstance(value, Undeclared) else reference(value.address)
        if isinstance(value, Root):
            return Unknown(f"the name {value.name}, which means nothing here")
        if depth > 60:
            return Unknown("a value that is nested too deeply")
        if isinstance(value, Open):
            return Open({key: self.clean(item, depth + 1) for key, item in value.items()}, value.reason)
        if isinstance(value, dict):
            return type(value)({key: self.clean(item, depth + 1) for key, item in value.items()})
        if isinstance(value, list):
            return type(value)([self.clean(item, depth + 1) for item in value])
        return value


class Whole:
    """A resource, data source or module as a value."""

    __slots__ = ("address", "doubt")

    def __init__(self, address: str, doubt: str) -> None:
        self.address, self.doubt = address, doubt

    def __repr__(self) -> str:
        return reference(self.address)

    def get(self, name: str) -> Any:
        """Return an attribute or output."""
        raise NotImplementedError


class Undeclared(Whole):
    """A managed resource that no file declares: what identifies it will be there all the same, and no more is known."""

    def __init__(self, address: str) -> None:
        super().__init__(address, f"{address}, which is not declared")

    def get(self, name: str) -> Any:
        """Return a reference to what every resource has, so that an attribute that takes it counts as set."""
        return reference(f"{self.address}.{name}") if name in _IDENTITIES else Unknown(self.doubt)


_IDENTITIES = frozenset(
    {"id", "arn", "name", "self_link", "key_id", "key_arn", "email", "unique_id", "principal_id", "client_id", "object_id",
     "resource_id", "versionless_id"}
)  # fmt: skip

_CLEANED = frozenset(
    {"jsonencode", "yamlencode", "format", "formatlist", "join", "toset", "sort", "contains", "tostring"}
)
"""Functions for which a resource as a whole is a reference."""

_NOT_IN_TEMPLATES = frozenset({"var", "local", "module", "data", "path", "each", "count", "self", "terraform"})

_OPERATIONS: dict[str, Callable[[Any, Expr, Names], Any]] = {
    "lit": Evaluation._lit, "heredoc": Evaluation._lit, "error": Evaluation._error, "item": Evaluation._item,
    "var": Evaluation._var, "attr": Evaluation._attr, "index": Evaluation._index, "splat": Evaluation._splat,
    "call": Evaluation._call, "tuple": Evaluation._tuple, "object": Evaluation._object, "cond": Evaluation._cond,
    "unary": Evaluation._unary, "binary": Evaluation._binary, "for": Evaluation._for, "template": Evaluation._template,
}  # fmt: skip


def _into_text(parts: Any) -> Any:
    texts, size = [], 0
    for part in parts:
        if isinstance(part, Failed):
            return part
        if part is None or isinstance(part, (list, dict)):
            return Failed("a text of null, a list or a map")
        text = text_of(part)
        size += len(text)
        if size > MAX_TEXT:
            return Unknown("a text that is too long")
        texts.append(text)
    return "".join(texts)


def _is_text(expr: Expr) -> bool:
    """Say whether an expression is plainly a text."""
    return (expr.op in ("lit", "heredoc") and isinstance(expr.args[0], str)) or (
        expr.op == "template" and len(expr.args) > 1
    )


def _kinds_differ(expr: Expr, left: Any, right: Any) -> bool:
    """Say whether a tuple or object that is written out is compared with a list, set or map, which is never equal to it."""
    pairs = ((expr.args[1], right), (expr.args[2], left))
    return any(
        (one.op == "tuple" and isinstance(other, (ListOf, SetOf))) or (one.op == "object" and isinstance(other, MapOf))
        for one, other in pairs
    )


def _pairs(value: Any) -> list[tuple[Any, Any]] | None:
    if isinstance(value, dict):
        return [(key, value[key]) for key in sorted(value)]
    if isinstance(value, SetOf):
        return [(item, item) for item in value]
    return list(enumerate(value)) if isinstance(value, list) else None


def _no_loop(value: Any) -> Unknown:
    if isinstance(value, str) and "\ue000" in value:
        return Unknown(cause_of(value))
    return Unknown(value.address) if isinstance(value, Whole) else Failed("a loop over something else")


def _failed(value: Any, depth: int = 0) -> bool:
    """Say whether Terraform would refuse a part of the value."""
    if isinstance(value, Failed):
        return True
    if isinstance(value, (list, dict)) and depth < 20:
        return any(_failed(item, depth + 1) for item in (value.values() if isinstance(value, dict) else value))
    return False


def element(base: Any, key: Any) -> Any:
    """Return ``base[key]`` of a value that is no resource."""
    if isinstance(base, Unknown):
        return base
    if isinstance(key, Unknown):
        return key
    if isinstance(base, dict):
        name = text_of(key)
        if name in base:
            return base[name]
        if "\ue000" in name:
            return Unknown(cause_of(name))
        return Unknown(base.reason) if isinstance(base, Open) else Failed("an attribute that is not there")
    if isinstance(base, SetOf):
        return Failed("an element of a set")
    if isinstance(base, list):
        return _at(base, key)
    if isinstance(base, str) and (whole := REFERENCE.fullmatch(base)):
        return reference(f"{whole.group(1)}[{key}]" if isinstance(key, int) else f"{whole.group(1)}.{text_of(key)}")
    return Failed("an attribute of a plain value")


def _at(base: list[Any], key: Any) -> Any:
    try:
        number = number_of(key)
    except ValueError:
        return Unknown(cause_of(key)) if isinstance(key, str) and "\ue000" in key else Failed("an attribute of a list")
    before: Iterator[Rest] = (item for item in base[: max(int(number), 0) + 1] if isinstance(item, Rest))
    if (rest := next(before, None)) is not None:
        return Unknown(rest.reason)
    if not isinstance(number, int) or not 0 <= number < len(base):
        return Failed("an element that is not there")
    return base[number]
