"""Evaluates the modules of Terraform as data: bounded, without environment, network or files outside the tree."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from mlguard.scanners.infra.resources import WRITTEN, Open, Path, Position, Unknown, reference
from mlguard.scanners.infra.terraform import datasources
from mlguard.scanners.infra.terraform.bodies import Notes, deep_places, names_in, plain, type_of
from mlguard.scanners.infra.terraform.expressions import Attribute, Block, Expr
from mlguard.scanners.infra.terraform.files import CWD
from mlguard.scanners.infra.terraform.operations import Evaluation, Root, Undeclared, Whole
from mlguard.scanners.infra.terraform.origins import Given, referred, written
from mlguard.scanners.infra.terraform.session import Folder, Session
from mlguard.scanners.infra.terraform.types import converted
from mlguard.scanners.infra.terraform.values import (
    MAX_WEIGHT,
    Failed,
    Rest,
    SetOf,
    holds_reference,
    number_of,
    text_of,
    weight,
)

MAX_MODULE_DEPTH = 12
"""Modules called inside each other."""

MAX_INSTANCES = 1_000
"""Instances of one block with ``count`` or ``for_each``, and elements of a ``dynamic`` block."""

MAX_NESTED = 20
"""Blocks inside each other."""


class Instance(NamedTuple):
    """One instance of a block: its address, the names it may use, and why it is not sure to exist."""

    address: str
    names: Mapping[str, Any]
    doubt: str = ""


class Handle(Whole):
    """A resource or data source as a value."""

    __slots__ = ("block", "data", "instance", "module")

    def __init__(self, module: Module, block: Block, instance: Instance, data: bool) -> None:
        super().__init__(instance.address, instance.doubt)
        self.module, self.block, self.instance, self.data = module, block, instance, data

    @property
    def kind(self) -> str:
        return self.block.labels[0] if self.block.labels else ""

    def provider(self) -> str:
        """Return the provider that the block names."""
        return provider_name(self.block.value("provider"))

    def given(self, *names: str) -> Any:
        """Return the value of the first of these attributes that the code sets, None where it sets none."""
        for name in names:
            if name in self.block.attributes:
                return self.module.attribute(self.block, self.instance, name)
        return None

    def get(self, name: str) -> Any:
        """Return an attribute: its value where the code gives it, else a reference to what will be there."""
        self.module.session.trace.add(self.address)
        special = datasources.value_of(self, name)
        if special is not None:
            return special
        value = self.given(name)
        if value is not None and not isinstance(value, Unknown):
            return value
        if value is None and any(type_of(inner) == name for inner in self.block.blocks):
            return self.module.nested(self.block, self.instance, name)
        return reference(f"{self.address}.{name}")


class ModuleHandle(Whole):
    """A called module as a value."""

    __slots__ = ("child", "session")

    def __init__(self, session: Session, instance: Instance, child: Module | None) -> None:
        super().__init__(instance.address, instance.doubt)
        self.session, self.child = session, child

    def get(self, name: str) -> Any:
        """Return an output. Of a module that cannot be looked into it is a reference."""
        if self.child is None:
            self.session.trace.add(self.address)
            return reference(f"{self.address}.{name}")
        return self.child.output(name)


class Module(Evaluation):
    """One call of a folder: its inputs, and everything in it evaluated at most once.

    ``foreign`` is the place of the call that leads out of what is scanned, to a module that ``terraform init`` installed.
    """

    def __init__(
        self,
        session: Session,
        folder: Folder,
        prefix: str = "",
        inputs: Mapping[str, Given | Any] | None = None,
        parent: Module | None = None,
        providers: Mapping[str, str] | None = None,
        call_at: Position | None = None,
        key: str = "",
        foreign: Position | None = None,
    ) -> None:
        self.session, self.folder, self.prefix, self.inputs = session, folder, prefix, inputs or {}
        self.parent, self.providers, self.call_at = parent, providers or {}, call_at
        self.key, self.foreign = key, foreign
        self.depth: int = parent.depth + 1 if parent else 0
        self.root: Module = parent.root if parent else self
        self._memo: dict[Any, tuple[Any, frozenset[str]] | None] = {}
        self._instances: dict[int, list[Instance]] = {}
        self._calls: dict[str, list[tuple[Instance, Module | None]]] = {}
        self._handles: dict[tuple[int, str], Any] = {}

    def top(self) -> str:
        return self.root.folder.path

    # Names

    def memo(self, key: Any, evaluate: Callable[[], Any], at: Position | None = None) -> Any:
        """Return a value that is computed once; a value that needs itself is unknown."""
        if key in self._memo:
            entry = self._memo[key]
            if entry is None:
                self.session.report(at, "unresolved", "a value depends on itself")
                return Unknown("a value that depends on itself")
            self.session.trace |= entry[1]
            return entry[0]
        self._memo[key] = None
        self.session.level += 2
        try:
            value, seen = self.session.traced(evaluate)
        finally:
            self.session.level -= 2
        if isinstance(value, (list, dict)) and weight(value) > MAX_WEIGHT:
            self.session.report(at, "too-large", "a value is too large to be followed")
            value = Unknown("a value that is too large")
        self._memo[key] = value, seen
        return value

    def variable(self, name: str) -> Any:
        """Return an input: what the caller or a file of values gives, else the default, else Unknown."""
        block = self.folder.variables.get(name)
        if block is None and name not in self.inputs:
            return Unknown(f"var.{name}, which is not declared")
        return self.memo(("var", name), lambda: self._variable(name, block), block.at if block else None)

    def _variable(self, name: str, block: Block | None) -> Any:
        default = block.value("default") if block else None
        declared = block.value("type") if block else None
        nullable = block.value("nullable") if block else None
        if name in self.inputs:
            value = self._given(self.inputs[name])
            strict = nullable is not None and nullable.op == "lit" and nullable.args[0] is False
            if not (value is None and strict and default is not None):
                return converted(value, declared)
        if default is None:
            return Unknown(f"{self.prefix}var.{name}", given=True)
        return converted(self.ev(default, {}), declared)

    def _given(self, given: Given | Any) -> Any:
        """Return an input; that of a call is evaluated when it is asked for, as modules may need outputs of each other."""
        if isinstance(given, Given) and self.parent is not None:
            return self.parent.ev(given.expr, given.names)
        return given

    def local(self, name: str) -> Any:
        found = self.folder.locals.get(name)
        if found is None:
            return Unknown(f"local.{name}, which is not declared")
        return self.memo(("local", name), lambda: self.ev(found.expr, {}), found.at)

    def output(self, name: str) -> Any:
        block = self.folder.outputs.get(name)
        expr = block.value("value") if block else None
        if block is None or expr is None:
            return Failed(f"the output {name} of {self.prefix.rstrip('.')}")
        return self.memo(("output", name), lambda: self.ev(expr, {}), block.at)

    def attribute(self, block: Block, instance: Instance, name: str) -> Any:
        key = id(block), instance.address, name
        return self.memo(key, lambda: self.ev(block.attributes[name].expr, instance.names))

    def nested(self, block: Block, instance: Instance, name: str) -> Any:
        """Return the nested blocks of one type, as a list of what is known of each."""

        def evaluate() -> Any:
            result: dict[str, Any] = {}
            for inner in block.blocks:
                if type_of(inner) == name:
                    self._nested(inner, instance.names, (), Notes(), 0, result)
            reason = f"{instance.address}.{name}"
            return [Open(item, reason) if isinstance(item, dict) else item for item in result.get(name, [])]

        return self.memo((id(block), instance.address, name, "blocks"), evaluate)

    def resolve(self, root: Root, name: str) -> Any:
        if root.name == "var":
            return self.variable(name)
        if root.name == "local":
            return self.local(name)
        if root.name == "module":
            return self.module_value(name)
        if root.name == "path":
            return self._path(name)
        if root.name == "data" and not root.type:
            return Root("data", name)
        if root.name in ("each", "count", "self", "terraform", "tofu", "ephemeral"):
            return Unknown(f"{root.name}.{name}")
        data = root.name == "data"
        kind = root.type if data else root.name
        block = (self.folder.data if data else self.folder.resources).get((kind, name))
        address = f"data.{kind}.{name}" if data else f"{kind}.{name}"
        if block is None:
            return Unknown(f"{address}, which is not declared") if data else Undeclared(address)
        return self.handles(block, address, data)

    def _path(self, name: str) -> Any:
        if name == "cwd":
            return CWD
        if name == "module":
            return posixpath.relpath("/" + self.folder.path, "/" + self.root.folder.path)
        return "." if name == "root" else Failed("a path that is not known")

    # Instances

    def instances(self, block: Block, address: str) -> list[Instance]:
        """Return the instances that ``count`` or ``for_each`` make; one in doubt where they cannot be told."""
        if id(block) not in self._instances:
            self._instances[id(block)] = [Instance(address, {}, "a count that depends on itself")]
            found = list(self._expanded(block, address))
            if len(found) > MAX_INSTANCES:
                self.session.report(block.at, "too-large", f"more than {MAX_INSTANCES} instances of one block")
            self._instances[id(block)] = found[:MAX_INSTANCES]
        return self._instances[id(block)]

    def _expanded(self, block: Block, address: str) -> Iterator[Instance]:
        if not block.attributes:
            yield Instance(address, {})
            return
        count, each, enabled = block.value("count"), block.value("for_each"), _enabled(block)
        if count is not None:
            yield from self._counted(self.clean(self.ev(count, {})), address)
        elif each is not None:
            yield from self._for_each(self.ev(each, {}), address)
        elif enabled is not None:
            yield from self._switched(self.ev(enabled, {}), address)
        else:
            yield Instance(address, {})

    def _switched(self, value: Any, address: str) -> Iterator[Instance]:
        if isinstance(value, Unknown) or value is not False:
            yield Instance(address, {}, value.reason if isinstance(value, Unknown) else "")

    def _counted(self, value: Any, address: str) -> Iterator[Instance]:
        try:
            number = min(int(number_of(value)), MAX_INSTANCES + 1)
        except ValueError:
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
        for key, item in items[: MAX_INSTANCES + 1]:
            name = self.clean(key)
            if isinstance(name, Unknown) or holds_reference(name):
                reason = name.reason if isinstance(name, Unknown) else "for_each"
                continue
            text = text_of(name)
            quoted = text.replace('"', '\\"')
            yield Instance(f'{address}["{quoted}"]', {"each": {"key": text, "value": item}})
        if reason:
            each = {"key": Unknown(reason), "value": Unknown(reason)}
            yield Instance(address, {"each": each}, reason)

    def handles(self, block: Block, address: str, data: bool) -> Any:
        """Return the block as a value: one handle, a list for ``count``, a mapping for ``for_each``."""
        key = id(block), address
        if key not in self._handles:
            found = self.instances(block, self.prefix + address)
            made = _grouped(block, found, [Handle(self, block, instance, data) for instance in found])
            if any(instance.doubt for instance in found):
                return made  # perhaps of a block whose instances are being counted
            self._handles[key] = made
        return self._handles[key]

    # Modules

    def calls(self, name: str) -> list[tuple[Instance, Module | None]]:
        """Return the instances of a module call with the module, None where it is not in the tree."""
        if name not in self._calls:
            self._calls[name] = []
            block = self.folder.modules[name]
            found = self.instances(block, f"{self.prefix}module.{name}")
            self._calls[name] = [(instance, self._child(name, block, instance)) for instance in found]
        return self._calls[name]

    def _child(self, name: str, block: Block, instance: Instance) -> Module | None:
        key = f"{self.key}.{name}" if self.key else name
        folder = self.called(block, key)
        if folder is None:
            return None
        if folder.path in self.ancestors():
            self.session.report(block.at, "unresolved", "the module calls itself, directly or through others")
            return None
        if self.depth >= MAX_MODULE_DEPTH:
            self.session.report(
                block.at, "too-large", f"modules call each other over more than {MAX_MODULE_DEPTH} levels"
            )
            return None
        inputs = {
            attribute.name: Given(attribute.expr, instance.names)
            for attribute in block.attributes.values()
            if attribute.name not in _MODULE_META
        }
        providers = dict(_provider_pairs(block.value("providers")))
        foreign = self.foreign or (None if self.session.given(folder.path) else self.installed_at(block, key))
        return Module(
            self.session, folder, instance.address + ".", inputs, self, providers, block.at, key, foreign
        )  # fmt: skip

    def source(self, block: Block) -> Any:
        """Return where a module comes from, as the call says it."""
        expr = block.value("source")
        return self.clean(self.ev(expr, {})) if expr is not None else None

    def called(self, block: Block, key: str) -> Folder | None:
        """Return the folder of a called module, None where it is not in the tree. ``key`` is that of the installed modules."""
        text = self.source(block)
        if isinstance(text, str) and text.startswith(("./", "../")) or text in (".", ".."):
            path = posixpath.normpath(posixpath.join(self.folder.path, text))
            if path.startswith(("..", "/")):
                self.session.report(block.at, "skipped", "the module stands outside the tree, which is not read")
                return None
            return self.session.folder("" if path == "." else path)
        installed = self.session.installed.get(key)
        return self.session.folder(installed) if installed is not None else None

    def installed_at(self, block: Block, key: str) -> Position | None:
        """Return the place of the call of a module that is only there because it was installed."""
        return block.at if key in self.session.installed else None

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
            found.append((above.prefix.rstrip(".") or above.call_at.path, above.call_at))
            above = above.parent
        return tuple(found)

    def module_value(self, name: str) -> Any:
        block = self.folder.modules.get(name)
        if block is None:
            return Unknown(f"module.{name}, which is not declared")
        found = self.calls(name)
        if not found and not {"count", "for_each"} & set(block.attributes) and _enabled(block) is None:
            return Unknown(f"module.{name}, which depends on itself")
        handles = [ModuleHandle(self.session, instance, child) for instance, child in found]
        return _grouped(block, [instance for instance, _ in found], handles)

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

    # Bodies

    def evaluated(self, block: Block, instance: Instance) -> tuple[dict[str, Any], dict[Path, Position]]:
        """Return the attributes and nested blocks of an instance, and their places."""
        notes = Notes({(): block.at})
        return self.body(block, instance.names, (), notes), notes.positions

    def body(self, block: Block, names: Mapping[str, Any], at: Path, notes: Notes, depth: int = 0) -> dict[str, Any]:
        """Return the attributes and nested blocks of a block; places and references go into ``notes``."""
        result: dict[str, Any] = {}
        meta = frozenset() if at else _MODULE_META if block.type == "module" else _META
        for name, attribute in block.attributes.items():
            if name not in meta:
                path = (*at, name)
                notes.positions[path] = attribute.at
                result[name] = self._value(attribute, names, path, notes)
        for inner in block.blocks:
            if depth < MAX_NESTED and (at or inner.type not in ("provisioner", "connection")):
                self._nested(inner, names, at, notes, depth, result)
        return result

    def _value(self, attribute: Attribute, names: Mapping[str, Any], path: Path, notes: Notes) -> Any:
        expr = attribute.expr
        if expr.op in ("lit", "heredoc"):
            return expr.args[0]
        if path[0] == "lifecycle" and attribute.name in ("ignore_changes", "replace_triggered_by"):
            return names_in(expr)
        value, seen = self.session.traced(lambda: plain(self.clean(self.ev(expr, names))))
        deep_places(expr, path, notes.positions, 0)
        for at, root, name in referred(expr, path):
            for inner, place in written(self, root, name).items():
                notes.positions[(*at, *inner, WRITTEN)] = place
        if seen:
            notes.references[path] = tuple(sorted(seen))
        if isinstance(value, (list, dict)) and weight(value) > MAX_WEIGHT:
            self.session.report(attribute.at, "too-large", "a value is too large to be followed")
            return Unknown("a value that is too large")
        return value

    def _nested(
        self, block: Block, names: Mapping[str, Any], at: Path, notes: Notes, depth: int, result: dict[str, Any]
    ) -> None:
        kind = type_of(block)
        held = result.get(kind)
        items: list[Any] = held if isinstance(held, list) else []
        result[kind] = items
        notes.positions.setdefault((*at, kind), block.at)
        if block.type != "dynamic" or not block.labels:
            path = (*at, kind, len(items))
            notes.positions[path] = block.at
            items.append(self.body(block, names, path, notes, depth + 1))
            return
        content = next((inner for inner in block.blocks if inner.type == "content"), None)
        over = block.value("for_each")
        if content is None or over is None:
            return
        iterator = block.value("iterator")
        name = iterator.args[0] if iterator and iterator.op in ("var", "lit") else kind
        for key, value, reason in self._elements(self.ev(over, names), block.at):
            path = (*at, kind, len(items))
            notes.positions[path] = block.at
            if reason:
                items.append(Unknown(reason))
            else:
                items.append(self.body(content, {**names, name: {"key": key, "value": value}}, path, notes, depth + 1))

    def _elements(self, value: Any, at: Position) -> Iterator[tuple[Any, Any, str]]:
        """Yield key, value and the reason of a doubt for each element of a ``dynamic`` block."""
        pairs: list[tuple[Any, Any]] = []
        if isinstance(value, dict):
            pairs = list(value.items())
        elif isinstance(value, list):
            pairs = [(item, item) for item in value] if isinstance(value, SetOf) else list(enumerate(value))
        elif value is not None:
            yield None, None, value.reason if isinstance(value, Unknown) else "for_each"
        for key, item in pairs[:MAX_INSTANCES]:
            yield key, item, item.reason if isinstance(item, Rest) else ""
        if isinstance(value, Open):
            yield None, None, value.reason
        if len(pairs) > MAX_INSTANCES:
            self.session.report(at, "too-large", f"more than {MAX_INSTANCES} elements of a dynamic block")
            yield None, None, f"more than {MAX_INSTANCES} elements"


_META = frozenset({"count", "for_each", "provider", "depends_on"})
_MODULE_META = frozenset({"count", "for_each", "providers", "depends_on", "source", "version"})


def _enabled(block: Block) -> Expr | None:
    """Return the switch of OpenTofu, ``lifecycle { enabled = … }``."""
    for inner in block.blocks:
        if inner.type == "lifecycle" and (found := inner.value("enabled")) is not None:
            return found
    return None


def _grouped(block: Block, instances: list[Instance], handles: list[Any]) -> Any:
    if any(instance.doubt for instance in instances):
        return handles[-1]
    if "count" in block.attributes:
        return handles
    if "for_each" in block.attributes:
        return {instance.names["each"]["key"]: handle for instance, handle in zip(instances, handles, strict=True)}
    return handles[0] if handles else None


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
    return provider_name(expr.args[0]) if expr.op == "index" else ""
