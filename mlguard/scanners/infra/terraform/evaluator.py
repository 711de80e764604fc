"""Evaluates Terraform expressions as data: bounded, without environment, network or files outside the tree."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mlguard.scanners.infra.resources import REFERENCE, Open, Path, Position, Unknown, reference
from mlguard.scanners.infra.terraform.functions import (
    MAX_TEXT,
    MAX_WEIGHT,
    Failed,
    call,
    number_of,
    same,
    text_of,
    weight,
)
from mlguard.scanners.infra.terraform.syntax import Attribute, Block, Expr, template_of

MAX_STEPS = 1_000_000
"""Expressions evaluated for one root module."""

MAX_LEVELS = 120
"""Expressions inside each other, followed through locals, variables and modules."""

MAX_MODULE_DEPTH = 12
"""Modules called inside each other."""

MAX_INSTANCES = 1_000
"""Instances of one block with ``count`` or ``for_each``, and elements of a ``dynamic`` block."""

MAX_OBJECTS = 50_000
"""Resource instances of one root module."""

TREE = "@tree/"
"""How ``path.module`` begins here, so that a file inside the tree can be told from one outside."""


@dataclass(slots=True)
class Folder:
    """The blocks of one folder, overrides applied."""

    path: str
    resources: dict[tuple[str, str], Block] = field(default_factory=dict)
    data: dict[tuple[str, str], Block] = field(default_factory=dict)
    variables: dict[str, Block] = field(default_factory=dict)
    outputs: dict[str, Block] = field(default_factory=dict)
    modules: dict[str, Block] = field(default_factory=dict)
    locals: dict[str, Attribute] = field(default_factory=dict)
    providers: dict[str, Block] = field(default_factory=dict)
    settings: list[Block] = field(default_factory=list)  # terraform { … }
    others: list[Block] = field(default_factory=list)
    values: dict[str, dict[str, Attribute]] = field(default_factory=dict)  # by name of the .tfvars file
    code: bool = False  # whether there is more than values


class Session:
    """The bounds and the trace of one evaluation, and access to the folders of the tree."""

    def __init__(
        self,
        folder: Callable[[str], Folder | None],
        read: Callable[[str], str | None],
        names: Callable[[str, str], list[str] | Unknown],
    ) -> None:
        self.folder = folder
        self.read = read
        self.list = names
        self.steps = MAX_STEPS
        self.objects = MAX_OBJECTS
        self.level = 0
        self.trace: set[str] = set()

    def traced(self, evaluate: Callable[[], Any]) -> tuple[Any, frozenset[str]]:
        """Return the value, and the addresses of the resources that it was made from."""
        before, self.trace = self.trace, set()
        try:
            value = evaluate()
            seen = frozenset(self.trace)
        finally:
            self.trace = before
        self.trace |= seen
        return value, seen


class _Root(NamedTuple):
    """The beginning of a traversal: ``var``, ``local``, ``data.aws_region``, ``aws_s3_bucket``."""

    name: str
    type: str = ""


class PolicyText(str):
    """The JSON of an ``aws_iam_policy_document``, which knows where its statements stand."""

    __slots__ = ("places",)
    places: tuple[dict[Path, Position], ...]


class Instance(NamedTuple):
    """One instance of a block: its address, the names it may use, and why it is not sure to exist."""

    address: str
    names: Mapping[str, Any]
    doubt: str = ""


class Handle:
    """A resource, data source or module as a value."""

    __slots__ = ("block", "data", "instance", "module")

    def __init__(self, module: Module, block: Block, instance: Instance, data: bool) -> None:
        self.module, self.block, self.instance, self.data = module, block, instance, data

    def __repr__(self) -> str:
        return reference(self.instance.address)

    def get(self, name: str) -> Any:
        """Return an attribute: its value where the code gives it, else a reference to what will be there."""
        address = self.instance.address
        self.module.session.trace.add(address)
        if self.data and (special := _data_value(self, name)) is not None:
            return special
        if name in self.block.attributes:
            value = self.module.attribute(self.block, self.instance, name)
            if value is not None and not isinstance(value, Unknown):
                return value
        return reference(f"{address}.{name}")


class ModuleHandle:
    """A called module as a value."""

    __slots__ = ("address", "child", "session")

    def __init__(self, session: Session, address: str, child: Module | None) -> None:
        self.session, self.address, self.child = session, address, child

    def __repr__(self) -> str:
        return reference(self.address)

    def get(self, name: str) -> Any:
        """Return an output. Of a module that cannot be looked into it is a reference."""
        if self.child is None:
            self.session.trace.add(self.address)
            return reference(f"{self.address}.{name}")
        return self.child.output(name)


class Module:
    """One call of a folder: its inputs, and everything in it evaluated at most once."""

    def __init__(
        self,
        session: Session,
        folder: Folder,
        prefix: str = "",
        inputs: Mapping[str, tuple[Any, frozenset[str]]] | None = None,
        parent: Module | None = None,
        providers: Mapping[str, str] | None = None,
        call_at: Position | None = None,
    ) -> None:
        self.session, self.folder, self.prefix, self.inputs = session, folder, prefix, inputs or {}
        self.parent, self.providers, self.call_at = parent, providers or {}, call_at
        self.depth: int = parent.depth + 1 if parent else 0
        self.root: Module = parent.root if parent else self
        self._memo: dict[Any, tuple[Any, frozenset[str]] | None] = {}
        self._instances: dict[int, list[Instance]] = {}
        self._calls: dict[str, list[tuple[Instance, Module | None]]] = {}

    # Names

    def memo(self, key: Any, evaluate: Callable[[], Any]) -> Any:
        """Return a value that is computed once; a value that needs itself is unknown."""
        if key in self._memo:
            entry = self._memo[key]
            if entry is None:
                return Unknown("a value that depends on itself")
            self.session.trace |= entry[1]
            return entry[0]
        self._memo[key] = None
        value, seen = self.session.traced(evaluate)
        if weight(value) > MAX_WEIGHT:
            value = Unknown("a value that is too large")
        self._memo[key] = value, seen
        return value

    def variable(self, name: str) -> Any:
        """Return an input: what the caller or a file of values gives, else the default, else Unknown."""
        if name in self.inputs:
            value, seen = self.inputs[name]
            self.session.trace |= seen
            block = self.folder.variables.get(name)
            return _conform(value, block.value("type"), 0) if block else value
        block = self.folder.variables.get(name)
        if block is None:
            return Unknown(f"var.{name}, which is not declared")
        default = block.value("default")
        if default is None:
            return Unknown(f"{self.prefix}var.{name}")
        return self.memo(("var", name), lambda: _conform(self.ev(default, {}), block.value("type"), 0))

    def local(self, name: str) -> Any:
        found = self.folder.locals.get(name)
        if found is None:
            return Unknown(f"local.{name}, which is not declared")
        return self.memo(("local", name), lambda: self.ev(found.expr, {}))

    def output(self, name: str) -> Any:
        block = self.folder.outputs.get(name)
        expr = block.value("value") if block else None
        if expr is None:
            return Failed(f"the output {name} of {self.prefix.rstrip('.')}")
        return self.memo(("output", name), lambda: self.ev(expr, {}))

    def attribute(self, block: Block, instance: Instance, name: str) -> Any:
        return self.memo(
            (id(block), instance.address, name), lambda: self.ev(block.attributes[name].expr, instance.names)
        )

    # Instances

    def instances(self, block: Block, address: str) -> list[Instance]:
        """Return the instances that ``count`` or ``for_each`` make; one in doubt where they cannot be told."""
        if id(block) not in self._instances:
            self._instances[id(block)] = [Instance(address, {}, "a count that depends on itself")]
            self._instances[id(block)] = list(self._expanded(block, address))[:MAX_INSTANCES]
        return self._instances[id(block)]

    def _expanded(self, block: Block, address: str) -> Iterator[Instance]:
        count, each = block.value("count"), block.value("for_each")
        if count is not None:
            yield from self._counted(self.ev(count, {}), address)
        elif each is not None:
            yield from self._for_each(self.ev(each, {}), address)
        else:
            yield Instance(address, {})

    def _counted(self, value: Any, address: str) -> Iterator[Instance]:
        try:
            number = min(int(number_of(value)), MAX_INSTANCES)
        except (ValueError, TypeError):
            reason = value.reason if isinstance(value, Unknown) else "count"
            yield Instance(address, {"count": {"index": Unknown(reason)}}, reason)
            return
        for index in range(number):
            yield Instance(f"{address}[{index}]", {"count": {"index": index}})

    def _for_each(self, value: Any, address: str) -> Iterator[Instance]:
        reason = ""
        items: list[tuple[Any, Any]] = []
        if isinstance(value, dict):
            items = list(value.items())
            reason = value.reason if isinstance(value, Open) else ""
        elif isinstance(value, list):
            items = [(item, item) for item in value]
        elif value is not None:
            reason = value.reason if isinstance(value, Unknown) else "for_each"
        for key, item in items:
            if isinstance(key, Unknown) or "\ue000" in str(key):
                reason = key.reason if isinstance(key, Unknown) else "for_each"
                continue
            text = str(key).replace('"', '\\"')
            yield Instance(f'{address}["{text}"]', {"each": {"key": text_of(key), "value": item}})
        if reason:
            each = {"key": Unknown(reason), "value": Unknown(reason)}
            yield Instance(address, {"each": each}, reason)

    def handles(self, block: Block, address: str, data: bool) -> Any:
        """Return the block as a value: one handle, a list for ``count``, a mapping for ``for_each``."""
        found = self.instances(block, self.prefix + address)
        handles = [Handle(self, block, instance, data) for instance in found]
        if any(instance.doubt for instance in found):
            return handles[-1]
        if "count" in block.attributes:
            return handles
        if "for_each" in block.attributes:
            return {handle.instance.names["each"]["key"]: handle for handle in handles}
        return handles[0]

    # Modules

    def calls(self, name: str) -> list[tuple[Instance, Module | None]]:
        """Return the instances of a module call with the module, None where it is not in the tree."""
        if name not in self._calls:
            self._calls[name] = []
            block = self.folder.modules[name]
            found = self.instances(block, f"{self.prefix}module.{name}")
            self._calls[name] = [(instance, self._child(block, instance)) for instance in found]
        return self._calls[name]

    def _child(self, block: Block, instance: Instance) -> Module | None:
        source = block.value("source")
        text = source.args[0] if source and source.op == "lit" else None
        if not isinstance(text, str) or not text.startswith((".", "/")) or self.depth >= MAX_MODULE_DEPTH:
            return None
        path = posixpath.normpath(posixpath.join(self.folder.path, text))
        folder = None if path.startswith(("..", "/")) else self.session.folder("" if path == "." else path)
        if folder is None or folder.path in self.ancestors():
            return None
        inputs = {}
        for attribute in block.attributes.values():
            if attribute.name not in _META:
                expr = attribute.expr
                inputs[attribute.name] = self.session.traced(lambda e=expr: self.ev(e, instance.names))  # type: ignore[misc]
        providers = dict(_provider_pairs(block.value("providers")))
        return Module(self.session, folder, instance.address + ".", inputs, self, providers, block.at)

    def ancestors(self) -> set[str]:
        """Return the folders of this module and of those that call it."""
        above: Module | None = self
        found = set()
        while above is not None:
            found.add(above.folder.path)
            above = above.parent
        return found

    def chain(self) -> tuple[tuple[str, Position], ...]:
        """Return the address and the place of each call that leads here, the nearest first."""
        found = []
        above: Module | None = self
        while above is not None and above.call_at is not None:
            found.append((above.prefix.rstrip("."), above.call_at))
            above = above.parent
        return tuple(found)

    def module_value(self, name: str) -> Any:
        if name not in self.folder.modules:
            return Unknown(f"module.{name}, which is not declared")
        found = self.calls(name)
        block = self.folder.modules[name]
        handles = [ModuleHandle(self.session, instance.address, child) for instance, child in found]
        if not handles and not {"count", "for_each"} & set(block.attributes):
            return Unknown(f"module.{name}, which depends on itself")
        if any(instance.doubt for instance, _ in found):
            return handles[-1]
        if "count" in block.attributes:
            return handles
        if "for_each" in block.attributes:
            return {instance.names["each"]["key"]: handle for (instance, _), handle in zip(found, handles, strict=True)}
        return handles[0]

    def provider(self, name: str) -> tuple[Module, Block] | None:
        """Return the provider block that ``aws`` or ``aws.alias`` means here, with the module it stands in."""
        block = self.folder.providers.get(name)
        if block is not None and (self.parent is None or set(block.attributes) - {"alias", "version"}):
            return self, block
        if self.parent is None:
            return None
        if name in self.providers:
            return self.parent.provider(self.providers[name])
        return None if "." in name else self.parent.provider(name)

    # Expressions

    def ev(self, expr: Expr, names: Mapping[str, Any]) -> Any:
        """Return the value of an expression. Never raises: what cannot be told is Unknown."""
        session = self.session
        session.steps -= 1
        if session.steps < 0:
            return Unknown("an evaluation that takes too long")
        if session.level >= MAX_LEVELS:
            return Unknown("values that are nested too deeply")
        session.level += 1
        try:
            return _OPERATIONS[expr.op](self, expr.args, names)
        finally:
            session.level -= 1

    def _lit(self, args: Any, names: Mapping[str, Any]) -> Any:
        return args[0]

    def _error(self, args: Any, names: Mapping[str, Any]) -> Any:
        return Unknown("an expression that cannot be read")

    def _item(self, args: Any, names: Mapping[str, Any]) -> Any:
        return names.get("\0item")

    def _var(self, args: Any, names: Mapping[str, Any]) -> Any:
        name = args[0]
        if name in names:
            return names[name]
        return _Root(name)

    def _attr(self, args: Any, names: Mapping[str, Any]) -> Any:
        return self.get(self.ev(args[0], names), args[1])

    def get(self, base: Any, name: str) -> Any:
        """Return ``base.name``."""
        if isinstance(base, _Root):
            return self.resolve(base, name)
        if isinstance(base, (Handle, ModuleHandle)):
            return base.get(name)
        return _element(base, name)

    def resolve(self, root: _Root, name: str) -> Any:
        """Return what the first two or three names of a traversal stand for."""
        if root.name == "var":
            return self.variable(name)
        if root.name == "local":
            return self.local(name)
        if root.name == "module":
            return self.module_value(name)
        if root.name == "path":
            return TREE + (self.folder.path if name == "module" else self.root.folder.path)
        if root.name == "data" and not root.type:
            return _Root("data", name)
        if root.name in ("each", "count", "self", "terraform", "ephemeral"):
            return Unknown(f"{root.name}.{name}")
        data = root.name == "data"
        kind = root.type if data else root.name
        block = (self.folder.data if data else self.folder.resources).get((kind, name))
        address = f"data.{kind}.{name}" if data else f"{kind}.{name}"
        return self.handles(block, address, data) if block else Unknown(f"{address}, which is not declared")

    def _index(self, args: Any, names: Mapping[str, Any]) -> Any:
        base, key = self.ev(args[0], names), self.ev(args[1], names)
        if isinstance(base, _Root) and isinstance(key, str):
            return self.resolve(base, key)
        if isinstance(base, (Handle, ModuleHandle)):
            if isinstance(base, Handle) and not base.instance.doubt and isinstance(key, str):
                return base.get(key)
            return base
        return _element(base, key)

    def _splat(self, args: Any, names: Mapping[str, Any]) -> Any:
        base = self.ev(args[0], names)
        if isinstance(base, Unknown):
            return base
        if isinstance(base, _Root):
            return Unknown("a traversal that is not complete")
        items = [] if base is None else base if isinstance(base, list) else [base]
        if isinstance(base, dict) and base and all(isinstance(item, Handle) for item in base.values()):
            items = list(base.values())
        return [self.ev(args[1], {**names, "\0item": item}) for item in items]

    def _call(self, args: Any, names: Mapping[str, Any]) -> Any:
        name, parts, spread = args
        name = name.removeprefix("core::")
        if name in ("try", "can"):
            return self._try(name, parts, names)
        values = [self.ev(part, names) for part in parts]
        if spread and values:
            last = values.pop()
            if not isinstance(last, list):
                return last if isinstance(last, Unknown) else Failed("a list of arguments")
            values += last
        if name in _FILES:
            return self._file(name, [self.clean(value) for value in values])
        if name in ("jsonencode", "yamlencode", "format", "join", "toset", "sort"):
            values = [self.clean(value) for value in values]
        return call(name, values)

    def _try(self, name: str, parts: tuple[Expr, ...], names: Mapping[str, Any]) -> Any:
        for part in parts:
            value = self.ev(part, names)
            if isinstance(value, _Root):
                value = Failed("a name that means nothing")
            if isinstance(value, Unknown) and not isinstance(value, Failed):
                return value
            if name == "can":
                return not isinstance(value, Failed)
            if not isinstance(value, Failed):
                return value
        return Failed("an attempt that works")

    def _file(self, name: str, values: list[Any]) -> Any:
        if not values or not isinstance(values[0], str) or "\ue000" in values[0]:
            return Unknown("the name of a file")
        given = values[0]
        inside = (
            given.removeprefix(TREE).lstrip("/")
            if given.startswith(TREE)
            else posixpath.join(self.root.folder.path, given)
        )
        path = posixpath.normpath(inside)
        if path.startswith(("..", "/")):
            return Unknown("a file outside the tree")
        if name == "fileset":
            return self.session.list(path, str(values[1])) if len(values) > 1 else Failed("a pattern")
        text = self.session.read(path)
        if name == "fileexists":
            return text is not None
        if text is None:
            return Unknown("a file that is not in the tree")
        if name != "templatefile":
            return text
        variables = values[1] if len(values) > 1 and isinstance(values[1], dict) else {}
        return self.ev(template_of(text, Position(1, path=path)), variables)

    def _tuple(self, args: Any, names: Mapping[str, Any]) -> Any:
        return [self.ev(item, names) for item in args]

    def _object(self, args: Any, names: Mapping[str, Any]) -> Any:
        result: dict[str, Any] = {}
        reason = ""
        for key, value, _ in args:
            name = self.ev(key, names)
            if isinstance(name, Unknown):
                reason = name.reason
            else:
                result[text_of(name)] = self.ev(value, names)
        return Open(result, reason) if reason else result

    def _cond(self, args: Any, names: Mapping[str, Any]) -> Any:
        test = _truth(self.ev(args[0], names))
        if test is not None and not isinstance(test, Unknown):
            return self.ev(args[1 if test else 2], names)
        left, right = self.clean(self.ev(args[1], names)), self.clean(self.ev(args[2], names))
        if not isinstance(left, Unknown) and not isinstance(right, Unknown) and same(left, right):
            return left
        return test if isinstance(test, Unknown) else Unknown("a condition that is not known here")

    def _unary(self, args: Any, names: Mapping[str, Any]) -> Any:
        value = self.ev(args[1], names)
        if isinstance(value, Unknown):
            return value
        if args[0] == "!":
            truth = _truth(value)
            return truth if truth is None or isinstance(truth, Unknown) else not truth
        try:
            return -number_of(value)
        except (ValueError, TypeError):
            return Unknown("a number that is not known here")

    def _binary(self, args: Any, names: Mapping[str, Any]) -> Any:
        sign, left, right = args[0], self.ev(args[1], names), self.ev(args[2], names)
        if sign in ("&&", "||"):
            return _logic(sign, _truth(left), _truth(right))
        left, right = self.clean(left), self.clean(right)
        if sign in ("==", "!="):
            equal = _equal(left, right)
            return equal if isinstance(equal, Unknown) else equal == (sign == "==")
        for value in (left, right):
            if isinstance(value, Unknown):
                return value
        return _arithmetic(sign, left, right)

    def _for(self, args: Any, names: Mapping[str, Any]) -> Any:
        variables, over, results, test, grouped = args
        value = self.ev(over, names)
        if isinstance(value, Unknown) or value is None:
            return value if value is not None else Failed("a loop over null")
        if isinstance(value, dict):
            pairs = [(key, value[key]) for key in sorted(value)]
        elif isinstance(value, list):
            pairs = list(enumerate(value))
        else:
            return Unknown("what a loop goes over")
        out: list[Any] = []
        mapping: dict[str, Any] = {}
        reason = value.reason if isinstance(value, Open) else ""
        for key, item in pairs:
            inner = {**names, variables[-1]: item} | ({variables[0]: key} if len(variables) > 1 else {})
            if test is not None:
                kept = _truth(self.ev(test, inner))
                if isinstance(kept, Unknown) or kept is None:
                    reason = kept.reason if kept is not None else "the condition of a loop"
                    continue
                if not kept:
                    continue
            made = [self.ev(result, inner) for result in results]
            if len(made) == 1:
                out.append(made[0])
            elif isinstance(made[0], Unknown):
                reason = made[0].reason
            elif grouped:
                mapping.setdefault(text_of(made[0]), []).append(made[1])
            else:
                mapping[text_of(made[0])] = made[1]
        if len(results) == 1:
            return [*out, Unknown(reason)] if reason else out
        return Open(mapping, reason) if reason else mapping

    def _template(self, args: Any, names: Mapping[str, Any]) -> Any:
        if len(args) == 1:
            return self.ev(args[0], names)
        texts, size = [], 0
        for part in args:
            text = part if isinstance(part, str) else text_of(self.clean(self.ev(part, names)))
            size += len(text)
            if size > MAX_TEXT:
                return Unknown("a text that is too long")
            texts.append(text)
        return "".join(texts)

    def clean(self, value: Any, depth: int = 0) -> Any:
        """Return the value as plain data; a resource as a whole becomes a reference."""
        if isinstance(value, (Handle, ModuleHandle)):
            self.session.trace.add(value.instance.address if isinstance(value, Handle) else value.address)
            return repr(value)
        if isinstance(value, _Root):
            return Unknown(f"the name {value.name}, which means nothing here")
        if depth > 60:
            return Unknown("a value that is nested too deeply")
        if isinstance(value, Open):
            return Open({key: self.clean(item, depth + 1) for key, item in value.items()}, value.reason)
        if isinstance(value, dict):
            return {key: self.clean(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list):
            return [self.clean(item, depth + 1) for item in value]
        return value

    # Bodies

    def body(self, block: Block, names: Mapping[str, Any], at: Path, notes: Notes, depth: int = 0) -> dict[str, Any]:
        """Return the attributes and nested blocks of a block; places and references go into ``notes``."""
        result: dict[str, Any] = {}
        for attribute in block.attributes.values():
            if attribute.name in _META and not at:
                continue
            path = (*at, attribute.name)
            value, seen = self.session.traced(lambda a=attribute: self.clean(self.ev(a.expr, names)))  # type: ignore[misc]
            result[attribute.name] = Unknown("a value that is too large") if weight(value) > MAX_WEIGHT else value
            notes.positions[path] = attribute.at
            _deep_places(attribute.expr, path, notes.positions, 0)
            if seen:
                notes.references[path] = tuple(sorted(seen))
        for inner in block.blocks:
            if depth < 20 and (at or inner.type not in ("provisioner", "connection")):
                self._nested(inner, names, at, notes, depth, result)
        return result

    def _nested(
        self, block: Block, names: Mapping[str, Any], at: Path, notes: Notes, depth: int, result: dict[str, Any]
    ) -> None:
        kind = block.labels[0] if block.type == "dynamic" and block.labels else block.type
        held = result.get(kind)
        items: list[Any] = held if isinstance(held, list) else []
        result[kind] = items
        notes.positions.setdefault((*at, kind), block.at)
        if block.type != "dynamic":
            path = (*at, kind, len(items))
            notes.positions[path] = block.at
            items.append(self.body(block, names, path, notes, depth + 1))
            return
        content = next((inner for inner in block.blocks if inner.type == "content"), None)
        over = block.value("for_each")
        if content is None or over is None:
            return
        iterator = block.value("iterator")
        name = iterator.args[0] if iterator and iterator.op == "var" else kind
        for key, value, reason in _elements(self.ev(over, names)):
            path = (*at, kind, len(items))
            notes.positions[path] = block.at
            if reason:
                items.append(Unknown(reason))
            else:
                items.append(self.body(content, {**names, name: {"key": key, "value": value}}, path, notes, depth + 1))


@dataclass(slots=True)
class Notes:
    """Where the attributes of a resource stand, and what they refer to."""

    positions: dict[Path, Position] = field(default_factory=dict)
    references: dict[Path, tuple[str, ...]] = field(default_factory=dict)


_META = frozenset({"count", "for_each", "provider", "providers", "depends_on", "source", "version"})
_FILES = frozenset({"file", "templatefile", "fileexists", "fileset"})

_OPERATIONS: dict[str, Callable[[Module, Any, Mapping[str, Any]], Any]] = {
    "lit": Module._lit, "heredoc": Module._lit, "error": Module._error, "item": Module._item, "var": Module._var,
    "attr": Module._attr, "index": Module._index, "splat": Module._splat, "call": Module._call, "tuple": Module._tuple,
    "object": Module._object, "cond": Module._cond, "unary": Module._unary, "binary": Module._binary,
    "for": Module._for, "template": Module._template,
}  # fmt: skip


def _elements(value: Any) -> Iterator[tuple[Any, Any, str]]:
    """Yield key, value and the reason of a doubt for each element of a ``dynamic`` block."""
    if isinstance(value, dict):
        yield from ((key, value[key], "") for key in list(value)[:MAX_INSTANCES])
        if isinstance(value, Open):
            yield None, None, value.reason
    elif isinstance(value, list):
        yield from ((index, item, "") for index, item in enumerate(value[:MAX_INSTANCES]))
    elif value is not None:
        yield None, None, value.reason if isinstance(value, Unknown) else "for_each"


def _element(base: Any, key: Any) -> Any:
    """Return ``base[key]`` of a plain value."""
    if isinstance(base, Unknown):
        return base
    if isinstance(key, Unknown):
        return key
    if isinstance(base, dict):
        name = text_of(key)
        if name in base:
            return base[name]
        return Unknown(base.reason) if isinstance(base, Open) else Failed("an attribute that is not there")
    if isinstance(base, list):
        try:
            number = int(number_of(key))
        except (ValueError, TypeError):
            return Failed("an attribute of a list")
        if any(isinstance(item, Unknown) for item in base[: number + 1]):
            return next(item for item in base if isinstance(item, Unknown))
        return base[number] if 0 <= number < len(base) else Failed("an element that is not there")
    if isinstance(base, str) and (whole := REFERENCE.fullmatch(base)):
        return reference(f"{whole.group(1)}[{key}]" if isinstance(key, int) else f"{whole.group(1)}.{text_of(key)}")
    return Failed("an attribute of a plain value")


def _truth(value: Any) -> Any:
    """Return True, False, or Unknown for a value that should be a boolean."""
    if isinstance(value, (bool, Unknown)):
        return value
    if isinstance(value, str):
        if value in ("true", "false"):
            return value == "true"
        return Unknown(REFERENCE.findall(value)[0]) if "\ue000" in value and REFERENCE.findall(value) else None
    return Unknown("a condition that is not known here")


def _logic(sign: str, left: Any, right: Any) -> Any:
    decisive = sign == "||"
    if left is decisive or right is decisive:
        return decisive
    for value in (left, right):
        if isinstance(value, Unknown):
            return value
        if value is None:
            return Unknown("a condition that is not known here")
    return not decisive


def _equal(left: Any, right: Any) -> Any:
    for value, other in ((left, right), (right, left)):
        if isinstance(value, Unknown):
            return value
        if isinstance(value, str) and "\ue000" in value:
            if other is None or other == "":
                return False  # what will exist is set
            return True if value == other else Unknown(next(iter(REFERENCE.findall(value)), "a value"))
    if isinstance(left, str) != isinstance(right, str) and left is not None and right is not None:
        return text_of(left) == text_of(right) if not isinstance(left, (list, dict)) else False
    return same(left, right)


def _arithmetic(sign: str, left: Any, right: Any) -> Any:
    try:
        a, b = number_of(left), number_of(right)
        if abs(a) > 1e100 or abs(b) > 1e100:
            return Unknown("a number that is too large")
        match sign:
            case "+":
                return a + b
            case "-":
                return a - b
            case "*":
                return a * b
            case "/":
                return number_of(a / b)
            case "%":
                return a % b
            case "<":
                return a < b
            case ">":
                return a > b
            case "<=":
                return a <= b
            case _:
                return a >= b
    except (ValueError, TypeError, ArithmeticError):
        return Unknown("a number that is not known here")


def _conform(value: Any, declared: Expr | None, depth: int) -> Any:
    """Return the value with the optional attributes of its declared type filled in."""
    if declared is None or declared.op != "call" or depth > 20 or isinstance(value, Unknown) or value is None:
        return value
    name, arguments, _ = declared.args
    if not arguments:
        return value
    inner = arguments[0]
    if name in ("list", "set") and isinstance(value, list):
        return [_conform(item, inner, depth + 1) for item in value]
    if name == "map" and isinstance(value, dict) and not isinstance(value, Open):
        return {key: _conform(item, inner, depth + 1) for key, item in value.items()}
    if name == "object" and isinstance(value, dict) and inner.op == "object" and not isinstance(value, Open):
        return _filled(value, inner, depth)
    return value


def _filled(value: dict[str, Any], declared: Expr, depth: int) -> dict[str, Any]:
    result = dict(value)
    for key, kind, _ in declared.args:
        name = key.args[0] if key.op == "lit" else None
        optional = kind.op == "call" and kind.args[0] == "optional" and kind.args[1]
        inner = kind.args[1][0] if optional else kind
        if name in result and result[name] is not None:
            result[name] = _conform(result[name], inner, depth + 1)
        elif optional and name is not None:
            default = kind.args[1][1] if len(kind.args[1]) > 1 else None
            result[name] = _conform(_literal(default, 0), inner, depth + 1) if default is not None else None
    return result


def _literal(expr: Expr, depth: int) -> Any:
    """Return the value of an expression that must be constant."""
    if expr.op in ("lit", "heredoc"):
        return expr.args[0]
    if expr.op == "tuple" and depth < 20:
        return [_literal(item, depth + 1) for item in expr.args]
    if expr.op == "object" and depth < 20:
        return {str(_literal(key, depth + 1)): _literal(value, depth + 1) for key, value, _ in expr.args}
    return Unknown("a default that is not constant")


def _provider_pairs(expr: Expr | None) -> Iterator[tuple[str, str]]:
    if expr is not None and expr.op == "object":
        for key, value, _ in expr.args:
            yield provider_name(key), provider_name(value)


def provider_name(expr: Expr | None) -> str:
    """Return ``aws.alias`` of an expression that names a provider, or ""."""
    if expr is None:
        return ""
    if expr.op in ("var", "lit"):
        return str(expr.args[0])
    if expr.op == "attr" and expr.args[0].op in ("var", "lit"):
        return f"{expr.args[0].args[0]}.{expr.args[1]}"
    return ""


def _deep_places(expr: Expr, path: Path, positions: dict[Path, Position], depth: int) -> None:
    """Enter the places of what is written out inside an expression, also as the argument of jsonencode."""
    if depth > 12:
        return
    if expr.op == "call" and expr.args[0] in ("jsonencode", "merge", "toset", "tolist") and len(expr.args[1]) == 1:
        expr = expr.args[1][0]
    if expr.op == "object":
        for key, value, at in expr.args:
            if key.op == "lit":
                positions[(*path, str(key.args[0]))] = at
                _deep_places(value, (*path, str(key.args[0])), positions, depth + 1)
    elif expr.op == "tuple":
        for index, item in enumerate(expr.args):
            positions[(*path, index)] = item.at
            _deep_places(item, (*path, index), positions, depth + 1)


# Data sources that can be read here


def _data_value(handle: Handle, name: str) -> Any:
    kind = handle.block.labels[0] if handle.block.labels else ""
    if kind == "aws_iam_policy_document" and name in ("json", "minified_json"):
        module = handle.module
        return module.memo((id(handle.block), handle.instance.address, "json"), lambda: policy_document(handle))
    if kind == "aws_region" and name in ("name", "id", "region"):
        found = handle.module.provider(provider_name(handle.block.value("provider")) or "aws")
        expr = found[1].value("region") if found else None
        region = found[0].ev(expr, {}) if found and expr is not None else None
        return region if isinstance(region, str) else None
    if kind == "aws_partition" and name == "partition":
        return "aws"
    return None


def policy_document(handle: Handle) -> PolicyText:
    """Return the JSON of an ``aws_iam_policy_document``, with the place of each statement."""
    notes = Notes()
    body = handle.module.body(handle.block, handle.instance.names, (), notes)
    statements: list[Any] = []
    places: list[dict[Path, Position]] = []
    for name in ("source_json", "source_policy_documents", "statement", "override_json", "override_policy_documents"):
        if name == "statement":
            for index, one in enumerate(body.get("statement") or []):
                statements.append(_statement(one) if isinstance(one, dict) else text_of(one))
                places.append(_statement_places(("statement", index), notes.positions))
            continue
        given = body.get(name)
        for text in given if isinstance(given, list) else [given] if given is not None else []:
            inner = statements_of(text)
            statements += inner
            own = notes.positions.get((name,), handle.block.at)
            known = text.places if isinstance(text, PolicyText) else ()
            places += [known[i] if i < len(known) else {(): own} for i in range(len(inner))]
    result = PolicyText(json.dumps({"Statement": statements}, ensure_ascii=False, default=text_of))
    result.places = tuple(places)
    return result


def json_text(text: str) -> str:
    """Return a JSON text with the quotes escaped that the key of an instance brought into it."""
    return REFERENCE.sub(lambda match: re.sub(r'(?<!\\)"', r'\\"', match.group()), text)


def statements_of(text: Any) -> list[Any]:
    """Return the statements of a policy's JSON; one that cannot be read is a text with its cause."""
    if isinstance(text, Unknown):
        return [text_of(text)]
    if not isinstance(text, str):
        return []
    try:
        value = json.loads(json_text(text), strict=False)
    except (ValueError, RecursionError):
        return [text if "\ue000" in text and REFERENCE.fullmatch(text) else reference("a policy that cannot be read")]
    found = value.get("Statement", []) if isinstance(value, dict) else []
    return list(found) if isinstance(found, list) else [found]


_KEYS = {
    "sid": "Sid", "effect": "Effect", "actions": "Action", "not_actions": "NotAction", "resources": "Resource",
    "not_resources": "NotResource",
}  # fmt: skip


def _statement(body: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {"Effect": "Allow"}
    for name, key in _KEYS.items():
        value = body.get(name)
        if value is not None and value != []:
            result[key] = value
    for name, key in (("principals", "Principal"), ("not_principals", "NotPrincipal")):
        for one in body.get(name) or []:
            if isinstance(one, dict):
                result.setdefault(key, {}).setdefault(text_of(one.get("type")), []).extend(
                    _texts(one.get("identifiers"))
                )
            else:
                result.setdefault(key, {}).setdefault("AWS", []).append(text_of(one))
    for one in body.get("condition") or []:
        if isinstance(one, dict):
            tests = result.setdefault("Condition", {}).setdefault(text_of(one.get("test")), {})
            tests.setdefault(text_of(one.get("variable")), []).extend(_texts(one.get("values")))
        else:
            result.setdefault("Condition", {}).setdefault(text_of(one), {})
    return result


def _texts(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [] if value is None else [value]


def _statement_places(at: Path, positions: Mapping[Path, Position]) -> dict[Path, Position]:
    names = {"principals": "Principal", "not_principals": "NotPrincipal", "condition": "Condition", **_KEYS}
    result: dict[Path, Position] = {}
    for path, place in positions.items():
        if path == at:
            result[()] = place
        elif path[:2] == at and len(path) == 3 and isinstance(path[2], str):
            result[(names.get(path[2], path[2]),)] = place
        elif path[:2] == at and path[2:3] == ("principals",) and path[4:] == ("identifiers",):
            result[("Principal",)] = place
    return result
