"""Reads Terraform folders into resources: one evaluation for each root module and each file of values."""

from __future__ import annotations

import os
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from mlguard import facts, redact
from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.findings import Gap
from mlguard.scanners import Context, read_text
from mlguard.scanners.infra.policies import ingress, statements
from mlguard.scanners.infra.resources import Open, Path, Position, Resource, Unknown, public, shown
from mlguard.scanners.infra.terraform.evaluator import Folder, Instance, Module, Notes, Session, provider_name
from mlguard.scanners.infra.terraform.functions import text_of
from mlguard.scanners.infra.terraform.syntax import Attribute, Block, Source, parse

MAX_FILE_BYTES = 4 * 2**20
"""The largest Terraform file that is read."""

MAX_INCLUDED_BYTES = 2**20
"""The largest file that ``file`` and ``templatefile`` read."""

MAX_FILES = 2_000
"""Terraform files of one folder."""

MAX_LISTED = 5_000
"""Files that ``fileset`` looks at."""

MAX_VARIANTS = 8
"""Files of values that a root module is evaluated with, one after the other."""

_CODE = re.compile(r"\.(?:tf|tofu)(?:\.json)?$")
_VALUES = re.compile(r"\.tfvars(?:\.json)?$")
_AUTO = re.compile(r"^terraform\.tfvars(?:\.json)?$|\.auto\.tfvars(?:\.json)?$")
_OVERRIDE = re.compile(r"(?:^|_)override\.(?:tf|tofu)(?:\.json)?$")

Item = Resource | Gap | facts.Grant | facts.Deployment


def read(paths: Sequence[Artifact], context: Context) -> Iterator[Item]:
    """Yield the resources of all root modules."""
    for batch in read_roots(paths, context):
        yield from batch


def read_roots(paths: Sequence[Artifact], context: Context) -> Iterator[Iterable[Item]]:
    """Yield the records of each root module in turn; resources that belong together are in one of them."""
    tree = _Tree(context, {artifact.path for artifact in paths})
    folders = sorted({posixpath.dirname(path) for path in tree.given})
    for path in folders:
        tree.folder(path)
    yield tree.gaps()
    has_budget = any(set(kinds) & set(_table("budgets", "kinds")) for kinds in tree.kinds())
    for path in tree.roots(folders):
        for values in tree.variants(path):
            yield _root(tree, path, values, has_budget)


class _Tree:
    """The folders of the scanned tree, each parsed once, also those that a module call reaches outside the group."""

    def __init__(self, context: Context, given: set[str]) -> None:
        self.context, self.given = context, given
        self.real = os.path.realpath(context.root)
        self._folders: dict[str, Folder | None] = {}
        self._texts: dict[str, str | None] = {}
        self._gaps: list[Gap] = []
        self._names: dict[str, set[str]] = defaultdict(set)
        for one in given:
            self._names[posixpath.dirname(one)].add(posixpath.basename(one))
        self._values: list[tuple[str, Folder]] | None = None

    def inside(self, path: str) -> bool:
        """Say whether a path stays in the tree when its links are followed."""
        real = os.path.realpath(os.path.join(self.real, path))
        return real == self.real or real.startswith(self.real.rstrip(os.sep) + os.sep)

    def names(self, path: str) -> list[str]:
        """Return the Terraform files of a folder, overrides last, then by name."""
        try:
            found = {entry.name for entry in os.scandir(self.context.root / path) if entry.is_file()}
        except OSError:
            found = set()
        found |= self._names[path]
        wanted = [name for name in found if _CODE.search(name) or _VALUES.search(name)]
        return sorted(wanted, key=lambda name: (bool(_OVERRIDE.search(name)), name))[:MAX_FILES]

    def folder(self, path: str) -> Folder | None:
        """Return a folder, None where there is no Terraform code."""
        if path not in self._folders:
            self._folders[path] = None
            if self.inside(path):
                self._folders[path] = self._load(path)
        return self._folders[path]

    def _load(self, path: str) -> Folder | None:
        folder = Folder(path)
        for name in self.names(path):
            source = self._source(posixpath.join(path, name))
            if source is None:
                continue
            if _VALUES.search(name):
                folder.values[name] = source.body.attributes
            else:
                folder.code = True
                _enter(folder, source.body, bool(_OVERRIDE.search(name)))
        return folder if folder.code or folder.values else None

    def _source(self, path: str) -> Source | None:
        try:
            source = parse(path, read_text(self.context, path, MAX_FILE_BYTES))
        except Unreadable as trouble:
            self._gap(path, str(trouble), "")
            return None
        if source.errors:
            more = f" and {len(source.errors) - 1} more" if len(source.errors) > 1 else ""
            self._gap(
                path,
                f"line {source.errors[0]}{more}: not valid HCL; the rest was read",
                "run terraform fmt on the file",
            )
        return source

    def _gap(self, path: str, reason: str, hint: str) -> None:
        if path in self.given:
            self._gaps.append(Gap("infra", path, "unreadable", reason, hint))

    def gaps(self) -> list[Gap]:
        return sorted(self._gaps, key=lambda gap: gap.path)

    def text(self, path: str) -> str | None:
        """Return the text of a file in the tree for ``file``, None when it cannot be read."""
        if path not in self._texts:
            try:
                self._texts[path] = read_text(self.context, path, MAX_INCLUDED_BYTES) if self.inside(path) else None
            except Unreadable:
                self._texts[path] = None
        return self._texts[path]

    def matching(self, path: str, pattern: str) -> list[str] | Unknown:
        """Return the files below a folder that fit a pattern of ``fileset``, relative to the folder, sorted."""
        expression = re.compile(_pattern(pattern[:200]))
        top = os.path.join(self.real, path)
        found, seen = [], 0
        for folder, below, names in os.walk(top if self.inside(path) else os.devnull):
            below.sort()
            seen += len(names) + 1
            if seen > MAX_LISTED:
                return Unknown("a folder with too many files")
            prefix = os.path.relpath(folder, top).replace(os.sep, "/")
            relative = [name if prefix == "." else f"{prefix}/{name}" for name in names]
            found += [name for name in relative if expression.fullmatch(name)]
        return sorted(found)

    def kinds(self) -> Iterator[set[str]]:
        for folder in self._folders.values():
            if folder is not None:
                yield {kind for kind, _ in folder.resources}

    def roots(self, folders: Sequence[str]) -> list[str]:
        """Return the folders that nothing else calls, or that have a backend or values of their own."""
        called = set()
        for path in folders:
            folder = self._folders[path]
            for block in folder.modules.values() if folder else ():
                source = block.value("source")
                text = source.args[0] if source and source.op == "lit" else None
                if isinstance(text, str) and text.startswith("."):
                    target = posixpath.normpath(posixpath.join(path, text))
                    called.add("" if target == "." else target)
        own = {path for path in folders if self._stands_alone(path)}
        roots = [path for path in folders if self._has_code(path) and (path not in called or path in own)]
        return roots or [path for path in folders if self._has_code(path)]  # folders that call each other in a ring

    def _has_code(self, path: str) -> bool:
        folder = self._folders[path]
        return folder is not None and folder.code

    def _stands_alone(self, path: str) -> bool:
        folder = self._folders[path]
        if folder is None:
            return False
        backend = any(inner.type in ("backend", "cloud") for block in folder.settings for inner in block.blocks)
        return backend or any(_AUTO.search(name) for name in folder.values)

    def _bare(self) -> list[tuple[str, Folder]]:
        """Return the folders that hold values and no code."""
        if self._values is None:
            self._values = [(path, one) for path, one in self._folders.items() if one is not None and not one.code]
        return self._values

    def variants(self, path: str) -> Sequence[tuple[str, Mapping[str, Attribute]]]:
        """Return the files of values that are not read by themselves, each for an evaluation of its own."""
        folder = self._folders[path]
        assert folder is not None
        found = {posixpath.join(path, name): v for name, v in folder.values.items() if not _AUTO.search(name)}
        prefix = path + "/" if path else ""
        for other, inner in self._bare():
            if other.startswith(prefix) and other != path:
                found |= {posixpath.join(other, name): values for name, values in inner.values.items()}
        return sorted(found.items())[:MAX_VARIANTS] or [("", {})]


def _pattern(glob: str) -> str:
    """Return the regular expression of a pattern with ``*``, ``**``, ``?`` and ``{a,b}``."""
    parts = {"**/": "(?:[^/]+/){0,30}", "**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")", ",": "|"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?|[{},])", re.sub(r"\*{3,}", "**", glob))
    if glob.count("*") > 4 or glob.count("{") != glob.count("}") or re.search(r"\}[^{]*\}|\{[^}]*\{|^[^{]*\}", glob):
        return re.escape(glob)
    inside = False
    result = []
    for piece in pieces:
        inside = piece == "{" or (inside and piece != "}")
        result.append(re.escape(piece) if piece == "," and not inside else parts.get(piece, re.escape(piece)))
    return "".join(result)


def _enter(folder: Folder, body: Block, override: bool) -> None:
    """Put the blocks of a file into its folder; what stands in an override file wins."""
    for block in body.blocks:
        labels = block.labels
        match block.type:
            case "resource" | "data" if len(labels) >= 2:
                _keep(
                    folder.resources if block.type == "resource" else folder.data,
                    (labels[0], labels[1]),
                    block,
                    override,
                )
            case "variable" | "output" | "module" if labels:
                places = {"variable": folder.variables, "output": folder.outputs, "module": folder.modules}
                _keep(places[block.type], labels[0], block, override)
            case "locals":
                for name, attribute in block.attributes.items():
                    if override or name not in folder.locals:
                        folder.locals[name] = attribute
            case "provider" if labels:
                alias = block.value("alias")
                _keep(
                    folder.providers,
                    f"{labels[0]}.{alias.args[0]}" if alias and alias.args else labels[0],
                    block,
                    override,
                )
            case "terraform":
                folder.settings.append(block)
            case _:
                folder.others.append(block)


def _keep(place: dict[Any, Block], key: Any, block: Block, override: bool) -> None:
    held = place.get(key)
    if held is None:
        place[key] = block
    elif override:
        held.attributes |= block.attributes
        kinds = {inner.type for inner in block.blocks}
        held.blocks = [inner for inner in held.blocks if inner.type not in kinds] + block.blocks


# Root modules


def _root(tree: _Tree, path: str, values: tuple[str, Mapping[str, Attribute]], has_budget: bool) -> Iterator[Item]:
    folder = tree.folder(path)
    assert folder is not None
    session = Session(tree.folder, tree.text, tree.matching)
    module = Module(session, folder, inputs=_inputs(session, folder, values[1]))
    outside: dict[str, int] = defaultdict(int)
    costly: Resource | None = None
    for item in _module(module, outside):
        if isinstance(item, Resource) and "ml" in item.classes and (costly is None or _order(item) < _order(costly)):
            costly = item
        yield item
    if costly is not None:
        attributes = {"budget": has_budget, "first": costly.address}
        positions: dict[Path, Position] = {(): costly.positions.get((), Position(1))}
        yield Resource("terraform.root", path or ".", path or ".", costly.path, attributes, positions, ("derived",))
    if not tree.context.hook:
        for file, number in sorted(outside.items()):
            if file in tree.given:
                calls = "1 module comes" if number == 1 else f"{number} modules come"
                yield Gap("infra", file, "skipped", f"{calls} from a registry or another repository and cannot be looked into",
                          "scan the module's own code as well")  # fmt: skip
    if session.steps < 0 or session.objects < 0:
        first = next((name for name in sorted(tree.given) if posixpath.dirname(name) == path), path)
        yield Gap("infra", first, "too-large", "the root module needs more evaluation than the limit allows")


def _order(resource: Resource) -> tuple[str, int]:
    return resource.path, resource.positions.get((), Position(1)).line


def _inputs(session: Session, folder: Folder, more: Mapping[str, Attribute]) -> dict[str, tuple[Any, frozenset[str]]]:
    """Return the values of the variables from the files of values, in the order in which Terraform reads them."""
    blank = Module(session, Folder(folder.path))
    result: dict[str, tuple[Any, frozenset[str]]] = {}
    ordered = sorted(
        (name for name in folder.values if _AUTO.search(name)),
        key=lambda name: (not name.startswith("terraform.tfvars"), name),
    )
    for attributes in [*(folder.values[name] for name in ordered), more]:
        for name, attribute in attributes.items():
            if name in folder.variables:
                result[name] = blank.clean(blank.ev(attribute.expr, {})), frozenset()
    return result


def _module(module: Module, outside: dict[str, int]) -> Iterator[Item]:
    folder = module.folder
    for (kind, name), block in folder.resources.items():
        for instance in module.instances(block, f"{module.prefix}{kind}.{name}"):
            yield from _resource(module, block, kind, name, instance)
    if module.parent is None:
        yield from _settings(module)
    for name, block in folder.modules.items():
        for instance, child in module.calls(name):
            if child is not None:
                yield from _module(child, outside)
                continue
            notes = Notes({(): block.at})
            attributes = module.body(block, instance.names, (), notes)
            source = block.value("source")
            if source is not None and source.op == "lit":
                attributes["source"] = source.args[0]
            outside[block.at.path] += 1
            yield Resource("terraform.module", name, instance.address, block.at.path, attributes, notes.positions,
                           ("opaque",), notes.references)  # fmt: skip


def _settings(module: Module) -> Iterator[Resource]:
    """Yield the backend of a root module. What it leaves out may be given on the command line."""
    for block in module.folder.settings:
        for inner in block.blocks:
            if inner.type == "backend" and inner.labels:
                notes = Notes({(): inner.at})
                attributes = module.body(inner, {}, (), notes)
                attributes["type"] = inner.labels[0]
                partial = inner.labels[0] not in ("local",) and not _COMPLETE.get(inner.labels[0], frozenset()) <= set(
                    attributes
                )
                known = (
                    Open(attributes, "settings of the backend that are given on the command line")
                    if partial
                    else attributes
                )
                yield Resource("terraform.backend", inner.labels[0], f"terraform.backend.{inner.labels[0]}", inner.at.path,
                               known, notes.positions, ("derived",))  # fmt: skip


_COMPLETE = {
    "s3": frozenset({"bucket", "key"}), "gcs": frozenset({"bucket"}), "http": frozenset({"address"}),
    "azurerm": frozenset({"storage_account_name", "container_name"}),
}  # fmt: skip


def _resource(module: Module, block: Block, kind: str, name: str, instance: Instance) -> Iterator[Item]:
    module.session.objects -= 1
    if module.session.objects < 0:
        return
    notes = Notes({(): block.at})
    attributes = module.body(block, instance.names, (), notes)
    provider = module.provider(provider_name(block.value("provider")) or kind.split("_", 1)[0])
    tags = _tags(attributes, provider)
    attributes["effective_tags"] = tags
    for own in ("tags", "labels", "user_labels", "resource_labels"):
        if (own,) in notes.positions:
            notes.positions["effective_tags",] = notes.positions[own,]
    region, place = _region(attributes, kind, provider)
    attributes["effective_region"] = region
    if (place,) in notes.positions:
        notes.positions["effective_region",] = notes.positions[place,]
    data_class = _class_of(tags)
    resource = Resource(
        kind, name, instance.address, block.at.path, attributes, notes.positions, _classes(kind, name, attributes, data_class),
        notes.references, data_class=data_class, region=region if isinstance(region, str) and "\ue000" not in region else "", origin=module.chain(),
    )  # fmt: skip
    yield resource
    for statement in statements(resource, _heredocs(block)):
        yield statement
        yield from _grant(statement)
    yield from ingress(resource)
    yield from _deployment(resource)


def _heredocs(block: Block) -> dict[str, Position]:
    """Return the places of the attributes that are written as heredocs."""
    return {
        name: attribute.expr.at
        for name, attribute in block.attributes.items()
        if attribute.expr.op in ("heredoc", "template") and attribute.expr.at.end_line > attribute.expr.at.line
    }


def _grant(statement: Resource) -> Iterator[facts.Grant]:
    values = statement.attributes
    if values.get("policy") == "trust" or text_of(values.get("effect")) != "Allow":
        return
    held = values.get("principals") or {}
    owner = public(str(values.get("owner")))
    names = [text_of(item) for items in held.values() for item in items] or [owner]
    line = statement.positions[()].line

    def shown_texts(name: str) -> tuple[str, ...]:
        return tuple(redact.text(shown(text_of(item))) for item in values.get(name) or ())

    for name in names:
        yield facts.Grant(redact.text(shown(name)), shown_texts("actions"), shown_texts("resources"), statement.path, line, owner)  # fmt: skip


_IMAGES = {
    "aws_sagemaker_model": ("primary_container", "image"), "azurerm_container_group": ("container", "image"),
}  # fmt: skip


def _deployment(resource: Resource) -> Iterator[facts.Deployment]:
    if resource.kind not in _IMAGES:
        return
    block, name = _IMAGES[resource.kind]
    for container in resource.attributes.get(block) or []:
        image = container.get(name) if isinstance(container, Mapping) else None
        if isinstance(image, str):
            line = resource.positions[()].line
            yield facts.Deployment(public(resource.address), redact.text(shown(image)), resource.path, line)


# What a resource means


@cache
def _table(name: str, key: str) -> tuple[str, ...]:
    from mlguard import tables

    return tuple(tables.table("terraform")[name][key])


def _tags(attributes: Mapping[str, Any], provider: tuple[Module, Block] | None) -> Any:
    """Return the tags of a resource with those that the provider adds to all."""
    from mlguard.scanners.infra.terraform.functions import merge

    own: Any = next(
        (
            attributes[name]
            for name in ("tags", "labels", "user_labels", "resource_labels")
            if attributes.get(name) is not None
        ),
        {},
    )
    default = _default_tags(provider)
    if not isinstance(own, (dict, Unknown)) or not isinstance(default, (dict, Unknown)):
        return Unknown("tags")
    if isinstance(own, Unknown):
        return Open(default if isinstance(default, dict) else {}, own.reason)
    return merge(default, own)


def _default_tags(provider: tuple[Module, Block] | None) -> Any:
    if provider is None:
        return {}
    module, block = provider

    def evaluate() -> Any:
        for inner in block.blocks:
            if inner.type == "default_tags" and (expr := inner.value("tags")) is not None:
                return module.clean(module.ev(expr, {}))
        expr = block.value("default_labels")
        return module.clean(module.ev(expr, {})) if expr is not None else {}

    return module.memo((id(block), "default tags"), evaluate)


def _region(attributes: Mapping[str, Any], kind: str, provider: tuple[Module, Block] | None) -> tuple[Any, str]:
    """Return where a resource will stand, and the attribute that says so. A provider without a region leaves it unknown."""
    names = ("location", "region", "zone") if not kind.startswith("aws_") else ("region",)
    for name in names:
        value = attributes.get(name)
        if value is not None and value != "":
            return _plain_region(value), name
    if kind.startswith("azurerm_"):
        return None, ""
    for name in ("region", "zone"):
        expr = provider[1].value(name) if provider else None
        if provider and expr is not None:
            module = provider[0]
            value = module.memo((id(provider[1]), name), lambda m=module, e=expr: m.clean(m.ev(e, {})))  # type: ignore[misc]
            if value is not None:
                return _plain_region(value), ""
    return Unknown(f"the region of the provider {kind.split('_', 1)[0]}"), ""


def _plain_region(value: Any) -> Any:
    if not isinstance(value, str) or "\ue000" in value:
        return value if isinstance(value, Unknown) else Unknown("a region that is not known here")
    plain = value.strip().lower().replace(" ", "")
    return re.sub(r"^([a-z]+-[a-z]+\d+)-[a-z]$", r"\1", plain)


def _class_of(tags: Any) -> str:
    """Return the value of the classification tag, in lower case, "" where there is none."""
    if not isinstance(tags, dict):
        return ""
    for key, value in sorted(tags.items()):
        if re.sub(r"[^a-z]", "", str(key).lower()) in _table("classification_keys", "keys") and isinstance(value, str):
            return "" if "\ue000" in value else redact.text(value.strip().lower(), 40)
    return ""


@cache
def _words(name: str) -> re.Pattern[str]:
    return re.compile(r"(?:^|[^a-z])(?:" + "|".join(map(re.escape, _table(name, "words"))) + r")(?:$|[^a-z])")


def _classes(kind: str, name: str, attributes: Mapping[str, Any], data_class: str) -> tuple[str, ...]:
    """Return ``store``, ``data`` (a store that is tagged or named as holding protected data, or data and models), ``tagged``, ``ml``."""
    found = []
    protected = re.sub(r"[^a-z0-9]", "", data_class) in _table("protected_classes", "values")
    if kind in _table("stores", "kinds"):
        found.append("store")
        if protected or (not data_class and _named(name, attributes)):
            found.append("data")
    if protected:
        found.append("tagged")
    if kind in _table("ml_services", "kinds"):
        found.append("ml")
    return tuple(found)


def _named(name: str, attributes: Mapping[str, Any]) -> bool:
    names = [name] + [attributes[key] for key in ("bucket", "name", "identifier", "cluster_identifier", "dataset_id", "table_id")
                      if isinstance(attributes.get(key), str)]  # fmt: skip
    text = " ".join(re.sub("\ue000[^\ue001]*\ue001", " ", one) for one in names).lower().replace("_", "-")
    return bool(_words("data_words").search(text)) and not _words("other_words").search(text)
