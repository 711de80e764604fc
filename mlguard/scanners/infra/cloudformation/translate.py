"""Properties of CloudFormation as attributes of Terraform: names, blocks, values, and resources of their own.

``rules/tables/cloudformation.yaml`` says what differs from the plain rule that ``KmsKeyId`` is ``kms_key_id`` and that
an object is a block. Each type there has::

    kind: aws_db_instance        # the type of Terraform
    names: {MultiAZ: multi_az}   # a path of properties -> its name; "a.b" puts it into a block, "." takes what is below
                                 # up a level, "^" too, and the block stands at its place; "/a.b" begins at the top; "-" leaves it out
    values: {IsLogging: {x: y}}  # values that are spelled otherwise; true and false are keys as text
    maps: [Labels]               # objects that stay as they are: names of the user's own
    documents: [KeyPolicy]       # objects that are JSON in Terraform
    lists: [CidrIp]              # single values that are lists there
    pairs: {Settings: setting}   # an object of names and values that is a list of blocks there
    switches: {Attributes: {a.enabled: logs.enabled}}   # a list of keys and values, of which each is an attribute there
    defaults: {publicly_accessible: true}               # where CloudFormation takes another value than Terraform
    says: {versioning: VersioningConfiguration}         # what an attribute is called that no property is translated to
    splits: [{from: Versioning, kind: .., into: .., link: bucket, each: true}]   # resources of their own
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from mlguard import tables
from mlguard.scanners.infra.cloudformation.nodes import MAX_DEPTH, Node, encoded, plain, snake
from mlguard.scanners.infra.resources import REFERENCE, Either, Open, Path, Position, Resource, Unknown, reference
from mlguard.scanners.infra.terraform.values import text_of


@dataclass(frozen=True, slots=True)
class Shape:
    """What the table says about one type."""

    type: str
    kind: str
    names: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    maps: frozenset[str] = frozenset()
    documents: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    pairs: Mapping[str, str] = field(default_factory=dict)
    switches: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    splits: tuple[Mapping[str, Any], ...] = ()
    says: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Made:
    """One resource in Terraform's words, before it is taken apart into values and places."""

    kind: str
    type: str
    name: str
    address: str
    at: Position
    body: dict[str, Node]
    word: str = ""  # the property of the resource that this one stands for
    open: str = ""


@cache
def _table() -> Mapping[str, Any]:
    found: Mapping[str, Any] = tables.table("cloudformation")
    return found


@cache
def shape(type_: str) -> Shape:
    """Return how a type is translated. What the table does not name keeps its own type, and its properties are only respelled."""
    common = _table()["everywhere"]
    spec = _table()["types"]["kinds"].get(type_) or {"kind": type_}
    documents = frozenset({*common["documents"], *spec.get("documents", ())})
    return Shape(
        type_, spec["kind"], {**common["names"], **spec.get("names", {})}, spec.get("values", {}),
        frozenset({*common["maps"], *spec.get("maps", ())}), documents, frozenset(spec.get("lists", ())), spec.get("pairs", {}),
        spec.get("switches", {}), spec.get("defaults", {}), tuple(spec.get("splits", ())), spec.get("says", {}),
    )  # fmt: skip


class Translator:
    """Turns the properties of one resource into the attributes of one or more."""

    def __init__(self, type_: str, name: str, address: str, at: Position, properties: Node) -> None:
        self.shape = shape(type_)
        self.name, self.address, self.at, self.properties = name, address, at, properties
        self.root: dict[str, Node] = {}
        self.others: list[Made] = []

    def run(self) -> list[Made]:
        """Return the resource, and those that stand for some of its properties."""
        properties = self.properties
        main = Made(self.shape.kind, self.shape.type, self.name, self.address, self.at, self.root)
        if isinstance(properties.value, Unknown):
            main.open = properties.value.reason
        main.open = main.open or properties.open
        apart = {str(split["from"]) for split in self.shape.splits}
        if isinstance(properties.children, dict):
            self.root.update(self._block(properties, "", apart, self.root))
        for name, value in self.shape.defaults.items():
            if not main.open:
                self.root.setdefault(name, Node(value, self.at))
        made = [main]
        for split in self.shape.splits:
            made += self._split(split)
        return made

    def _split(self, split: Mapping[str, Any]) -> Iterator[Made]:
        path = str(split["from"])
        node = self.properties.get(*path.split("."))
        if node is None:
            return
        items = node.items() if split.get("each") else [node]
        for index, item in enumerate(items):
            body: dict[str, Node] = {}
            if link := split.get("link"):
                body[link] = Node(reference(f"{self.address}.id"), item.at)
            place = Made(str(split["kind"]), self.shape.type, self.name, f"{self.address}.{path}", item.at, body, path)
            if len(items) > 1:
                place.address += f"[{index}]"
            into = str(split.get("into", ""))
            if into:
                value = self._value(item, path)
                value.word = path
                _place(body, into, value)
            elif isinstance(item.children, dict):
                body.update(self._block(item, path, set(), body))
            elif isinstance(item.value, Unknown):
                place.open = item.value.reason
            place.open = place.open or ("" if into else item.open)
            for name, value in (split.get("set") or {}).items():
                body.setdefault(name, Node(value, item.at))
            yield place

    # Properties

    def _block(self, node: Node, path: str, apart: set[str], root: dict[str, Node]) -> dict[str, Node]:
        """Return the attributes of a block; ``root`` takes those that belong at the top."""
        out: dict[str, Node] = {}
        assert isinstance(node.children, dict)
        for key, child in node.children.items():
            below = f"{path}.{key}" if path else key
            if below in apart:
                continue
            target = self._target(below, key)
            if target == "-":
                continue
            if below in self.shape.switches:
                self._switch(child, below, root)
                continue
            made = self._value(child, below, root, apart)
            if made.value is _DROPPED:
                continue
            made.word = below
            if target in (".", "^"):
                _hoist(out, made)
                if target == "^":
                    node.at = child.at
            elif target.startswith("/"):
                _place(root, target[1:], made)
            else:
                _place(out, target, made)
        return out

    def _target(self, path: str, key: str) -> str:
        names = self.shape.names
        return names.get(path) or names.get(f"*.{key}") or _snake(key)

    def _value(self, node: Node, path: str, root: dict[str, Node] | None = None, apart: set[str] | None = None) -> Node:
        shape, root, apart = self.shape, {} if root is None else root, apart or set()
        last = path.rpartition(".")[2]
        if path in shape.documents or f"*.{last}" in shape.documents:
            return _document(node)
        if path in shape.maps or f"*.{last}" in shape.maps:
            return _map(node)
        if path in shape.pairs:
            return _pairs(node, shape.pairs[path])
        if isinstance(node.children, dict):
            item = Node(None, node.at, self._block(node, path, apart, root), path, open=node.open)
            item.at = node.at
            return Node(None, item.at, [item], path)
        if isinstance(node.children, list):
            items = [self._item(item, path, root, apart) for item in node.children]
            return Node(None, node.at, [one for one in items if one.value is not _DROPPED], path)
        wanted = shape.values.get(path) or shape.values.get(f"*.{last}")
        if wanted is not None and isinstance(node.value, Either):
            options = tuple(wanted.get(text_of(one), one) for one in node.value.options)
            return Node(replace(node.value, options=options), node.at, None, path, node.refs)
        if wanted is not None and not isinstance(node.value, Unknown):
            found = wanted.get(text_of(node.value), _DROPPED)
            if found is not _DROPPED:
                return Node(found, node.at, None, path, said=text_of(node.value))
        if path in shape.lists and node.value is not None:
            return Node(None, node.at, [Node(node.value, node.at, None, path, node.refs)], path)
        return Node(node.value, node.at, None, path, node.refs, node.secret)

    def _item(self, node: Node, path: str, root: dict[str, Node], apart: set[str]) -> Node:
        made = self._value(node, path, root, apart)
        if isinstance(node.children, dict) and isinstance(made.children, list):
            return made.children[0] if made.children else made
        return made

    def _switch(self, node: Node, path: str, root: dict[str, Node]) -> None:
        """Enter each of a list of keys and values as an attribute of its own."""
        known = self.shape.switches[path]
        for item in node.items():
            key, value = _text(item.get("Key")), item.get("Value")
            if value is None or key not in known:
                continue
            _place(
                root,
                known[key],
                Node(
                    value.value,
                    item.at if value.at.line == item.at.line else value.at,
                    None,
                    f"{path}[{key}]",
                    value.refs,
                    value.secret,
                ),
            )


_DROPPED: Any = object()


@cache
def _snake(name: str) -> str:
    result = snake(name)
    for word, other in _table()["words"]["words"].items():
        result = result.replace(word, other)
    return result


def _text(node: Node | None) -> str:
    return node.value if node is not None and isinstance(node.value, str) else ""


def _hoist(out: dict[str, Node], made: Node) -> None:
    """Take what is in a block up into the block around it."""
    if isinstance(made.children, dict):
        block: Node | None = made
    else:
        block = made.children[0] if isinstance(made.children, list) and made.children else None
    if block is not None and isinstance(block.children, dict):
        for name, child in block.children.items():
            out[name] = child
    elif isinstance(made.value, Unknown):
        out.setdefault("", made)


def _place(out: dict[str, Node], target: str, made: Node) -> None:
    """Put a value under ``a.b``: into the block ``a``, which is made when it is not there."""
    names = target.split(".")
    for name in names[:-1]:
        held = out.get(name)
        if (
            held is None
            or not isinstance(held.children, list)
            or not held.children
            or not isinstance(held.children[0].children, dict)
        ):
            held = Node(None, made.at, [Node(None, made.at, {}, made.word)], made.word)
            out[name] = held
        block = held.children[0] if isinstance(held.children, list) else held
        assert isinstance(block.children, dict)
        out = block.children
    held = out.get(names[-1])
    if held is not None and isinstance(held.children, list) and isinstance(made.children, list):
        held.children += made.children
    else:
        out[names[-1]] = made


def _map(node: Node) -> Node:
    """Return an object as it is; a list of keys and values as the object that it stands for."""
    if isinstance(node.children, dict):
        return Node(None, node.at, dict(node.children), node.word, open=node.open)
    if not isinstance(node.children, list):
        return node
    found: dict[str, Node] = {}
    cause = ""
    for item in node.children:
        key, value = (
            item.get("Key") or item.get("Name") or item.get("TagKey"),
            item.get("Value") or item.get("TagValue"),
        )
        if key is not None and isinstance(key.value, (str, int)) and not isinstance(key.value, bool):
            found[str(key.value)] = Node(
                value.value if value is not None else "", item.at, None, "", value.refs if value else ()
            )
        elif not isinstance(item.children, dict):
            cause = item.value.reason if isinstance(item.value, Unknown) else "a tag that is not known here"
    return Node(None, node.at, found, node.word, open=cause)


def _pairs(node: Node, names: str) -> Node:
    """Return an object of names and values as a list of blocks with ``name,value``."""
    if not isinstance(node.children, dict):
        return node
    first, _, second = names.partition(",")
    items: list[Node] = []
    for key, child in node.children.items():
        block = {first: Node(key, child.at)}
        if second:
            block[second] = child
        elif isinstance(child.children, dict):
            block |= {_snake(name): inner for name, inner in child.children.items()}
        items.append(Node(None, child.at, block))
    if node.open:
        items.append(Node(Unknown(node.open), node.at))
    return Node(None, node.at, items)


def _document(node: Node) -> Node:
    """Return an object as JSON, which keeps the places of what is in it."""
    if node.children is None:
        return node
    if node.open:
        return Node(Unknown(node.open), node.at)
    try:
        text = encoded(plain(node))
    except (ValueError, OverflowError, TypeError, RecursionError):
        return Node(Unknown("a document that is nested too deeply"), node.at)
    return Node(text, node.at, node.children, "")


# Values and places


@dataclass(slots=True)
class _Parts:
    positions: dict[Path, Position]
    references: dict[Path, tuple[str, ...]]
    spelled: dict[Path, str]
    known: Callable[[str], bool]


SECRETS = (
    "password",
    "passwd",
    "secret",
    "token",
    "credential",
    "private_key",
    "api_key",
    "access_key",
    "auth_key",
    "passphrase",
)
"""Parts of the names of attributes whose value from a NoEcho parameter is looked at; messages show none of them."""


def parts(
    made: Made, known: Callable[[str], bool]
) -> tuple[dict[str, Any], dict[Path, Position], dict[Path, tuple[str, ...]], dict[Path, str]]:
    """Return attributes, places, references and spellings of a resource. ``known`` says
    whether a name is that of a resource."""
    held = _Parts({(): made.at}, {}, {(): made.type}, known)
    unknown = made.body.pop("", None)
    attributes = {name: _taken(node, (name,), held, 0) for name, node in made.body.items()}
    cause = made.open or (unknown.value.reason if unknown is not None and isinstance(unknown.value, Unknown) else "")
    return (Open(attributes, cause) if cause else attributes), held.positions, held.references, held.spelled


def _taken(node: Node, path: Path, held: _Parts, depth: int) -> Any:
    held.positions[path] = node.at
    if node.word and not isinstance(path[-1], int):
        held.spelled[path] = node.word
    if node.said:
        held.spelled[(*path, "=")] = node.said
    if node.refs:
        held.references[path] = node.refs
    value = node.value
    if isinstance(value, str):
        if node.secret and any(word in str(path[-1]).lower() for word in SECRETS):
            return node.secret
        if "\ue000" in value and node.children is None:
            names = tuple(dict.fromkeys(name for name in map(_owner, REFERENCE.findall(value)) if held.known(name)))
            if names:
                held.references[path] = names
    if depth > MAX_DEPTH:
        return Unknown("values that are nested too deeply")
    if isinstance(value, str) and node.children is not None:  # a document: its text, with the places of what is in it
        _below(node, path, held, depth)
        return value
    if isinstance(node.children, dict):
        unknown = node.children.pop("", None)
        found = {name: _taken(child, (*path, name), held, depth + 1) for name, child in node.children.items()}
        cause = node.open or (
            unknown.value.reason if unknown is not None and isinstance(unknown.value, Unknown) else ""
        )
        return Open(found, cause) if cause else found
    if isinstance(node.children, list):
        return [_taken(child, (*path, index), held, depth + 1) for index, child in enumerate(node.children)]
    return value


def _below(node: Node, path: Path, held: _Parts, depth: int) -> None:
    if depth > MAX_DEPTH or node.children is None:
        return
    entries = node.children.items() if isinstance(node.children, dict) else enumerate(node.children)
    for key, child in entries:
        place = (*path, key)
        held.positions[place] = child.at
        if isinstance(child.value, str) and "\ue000" in child.value:
            names = tuple(name for name in map(_owner, REFERENCE.findall(child.value)) if held.known(name))
            if names:
                held.references[place] = names
        _below(child, place, held, depth + 1)


def _owner(name: str) -> str:
    return name.rpartition(".")[0] or name


# Words for messages


def spelling(resource: Resource, path: Path) -> str:
    """Return an attribute's path as a template spells it, also of one that is not there."""
    names = tuple(str(step) for step in path if not isinstance(step, int))
    known = _reverse(resource.spelled.get((), ""), resource.kind)
    if names in known:
        return known[names]
    for end in range(len(path), 0, -1):
        if path[:end] in resource.spelled and not isinstance(path[end - 1], int):
            rest = [_camel(str(step)) for step in path[end:] if not isinstance(step, int)]
            return ".".join([resource.spelled[path[:end]], *rest])
    for end in range(len(names), 0, -1):
        if names[:end] in known:
            return ".".join([known[names[:end]], *map(_camel, names[end:])])
    return ".".join(map(_camel, names))


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


@cache
def _reverse(type_: str, kind: str) -> dict[tuple[str, ...], str]:
    """Return the path of properties for each path of attributes that the table names."""
    own = shape(type_)
    found = {tuple(path.split(".")): word for path, word in own.says.items()} if kind == own.kind else {}
    bases: list[tuple[str, tuple[str, ...]]] = [("", ())] if kind == own.kind else []
    bases += [
        (str(split["from"]), tuple(part for part in str(split.get("into", "")).split(".") if part))
        for split in own.splits
        if split["kind"] == kind
    ]
    for path in sorted({*own.names, *own.values, *own.maps, *own.documents, *own.lists}):
        if path.startswith("*."):
            continue
        for base, into in bases:
            if base and path != base and not path.startswith(f"{base}."):
                continue
            inner = path[len(base) :].lstrip(".")
            target = _translated(own, base, into, inner)
            if target is not None:
                found.setdefault(target, path)
    return found


def _translated(own: Shape, base: str, into: tuple[str, ...], inner: str) -> tuple[str, ...] | None:
    target, at = list(into), base
    for name in inner.split(".") if inner else []:
        at = f"{at}.{name}" if at else name
        one = own.names.get(at) or own.names.get(f"*.{name}") or _snake(name)
        if one == "-":
            return None
        if one.startswith("/"):
            target, one = [], one[1:]
        if one not in (".", "^"):
            target += one.split(".")
    return tuple(target) or None
