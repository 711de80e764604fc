"""Turns the root modules of a tree into resources: one evaluation for each root module and each file of values."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from mlguard import facts
from mlguard.artifacts import Artifact
from mlguard.findings import Gap
from mlguard.scanners import Context
from mlguard.scanners.infra import meaning
from mlguard.scanners.infra.credentials import credentials, is_secret_name, value_blocks
from mlguard.scanners.infra.jsontexts import JSON_TEXTS, heredoc_places
from mlguard.scanners.infra.policies.statements import document
from mlguard.scanners.infra.resources import Open, Path, Position, Resource
from mlguard.scanners.infra.terraform.bodies import Notes
from mlguard.scanners.infra.terraform.datasources import value_of
from mlguard.scanners.infra.terraform.evaluator import Handle, Instance, Module, provider_name
from mlguard.scanners.infra.terraform.outputs import hands_out_secret
from mlguard.scanners.infra.terraform.session import Folder, Session
from mlguard.scanners.infra.terraform.supply import supply
from mlguard.scanners.infra.terraform.syntax import Attribute, Block
from mlguard.scanners.infra.terraform.terragrunt import NAME as UNIT
from mlguard.scanners.infra.terraform.terragrunt import Unit, inputs_of, unit
from mlguard.scanners.infra.terraform.tree import AUTO, Tree
from mlguard.values import replace

Item = Resource | Gap | facts.Grant | facts.Deployment


def read_roots(paths: Sequence[Artifact], context: Context) -> Iterator[Iterable[Item]]:
    """Yield the records of each root module in turn; resources that belong together are in one of them."""
    tree = Tree(context, {artifact.path for artifact in paths if artifact.kind != "plan"})
    folders = tree.above()
    for path in folders:
        tree.folder(path)
    units = [found for path in sorted(tree.given) if posixpath.basename(path) == UNIT if (found := unit(tree, path))]
    yield [*tree.gaps(), *_elsewhere(units)]
    has_budget = any(kinds & meaning.members("budgets", "kinds") for kinds in tree.kinds())
    for one in units:
        if one.target is not None and (folder := tree.folder(one.target)) is not None:
            yield _root(tree, one.target, ("", {}), has_budget, inputs_of(one, folder), one.at)
    for path in tree.roots(folders, {one.target for one in units if one.target is not None}):
        for values in tree.variants(path):
            yield _root(tree, path, values, has_budget)
    for artifact in paths:
        if artifact.kind == "plan":
            from mlguard.scanners.infra.terraform import plan

            yield plan.read(tree, artifact.path, artifact.size)


def _elsewhere(units: Sequence[Unit]) -> Iterator[Gap]:
    """Yield a gap for each unit whose module does not stand in the tree."""
    for one in units:
        if one.source is not None and one.target is None:
            yield Gap("infra", one.path, "skipped", f"line {one.at.line}: the module comes from elsewhere and cannot be looked into",
                      "scan the module's own code as well")  # fmt: skip


def _root(
    tree: Tree,
    path: str,
    values: tuple[str, Mapping[str, Attribute]],
    has_budget: bool,
    inputs: Mapping[str, Any] | None = None,
    call_at: Position | None = None,
) -> Iterator[Item]:
    folder = tree.folder(path)
    assert folder is not None
    session = Session(tree.folder, tree.data, tree.matching, tree.folders.__contains__, tree.installed(path))
    known = {**_inputs(session, folder, values[1]), **(inputs or {})}
    module = Module(session, folder, inputs=known, call_at=call_at)
    outside: dict[str, int] = defaultdict(int)
    costly: Resource | None = None
    for item in chain(_module(module, outside), _supplies(module, tree, set())):
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
    yield from _reports(session, tree, path)


def _reports(session: Session, tree: Tree, path: str) -> Iterator[Gap]:
    """Yield the places that were not evaluated, each once for the whole tree."""
    for file, line, kind, reason in session.reports:
        if (file, line, reason) not in tree.told:
            tree.told.add((file, line, reason))
            hint = "keep what the code reads inside the scanned tree" if kind == "skipped" else ""
            if file in tree.given:
                yield Gap("infra", file, kind, f"line {line}: {reason}", hint)
            elif first := min((name for name in tree.given if posixpath.dirname(name) == path), default=""):
                yield Gap("infra", first, kind, f"a module in another folder, line {line}: {reason}", hint)


def _supplies(module: Module, tree: Tree, seen: set[str]) -> Iterator[Resource]:
    """Yield what the module and those that it calls take from elsewhere, once for each folder."""
    if module.folder.path in seen:
        return
    seen.add(module.folder.path)
    yield from supply(module, tree.exists)
    yield from _values(module)
    for name in module.folder.modules:
        for _, child in module.calls(name):
            if child is not None and child.foreign is None:
                yield from _supplies(child, tree, seen)


def _values(module: Module) -> Iterator[Resource]:
    """Yield the variables and outputs of a module that are named like a secret, and outputs that hand one out."""
    folder = module.folder
    for kind, blocks in (("variable", folder.variables), ("output", folder.outputs)):
        for name, block in blocks.items():
            handed = kind == "output" and hands_out_secret(block.value("value"))
            if not handed and not is_secret_name(name):
                continue
            notes = Notes({(): block.at})
            attributes = module.body(block, {}, (), notes)
            declared = block.value("type")
            attributes["type"] = str(declared.args[0]) if declared is not None and declared.op == "var" else ""
            attributes = value_blocks(f"terraform.{kind}", name, attributes, handed)
            yield Resource(
                f"terraform.{kind}", name, f"{module.prefix}{kind}.{name}", block.at.path, attributes, notes.positions,
                ("derived",), notes.references, format="terraform",
            )  # fmt: skip


def _documents(module: Module) -> Iterator[Resource]:
    """Yield the statements of the policies that data sources write, for those that nothing here uses."""
    for (kind, name), block in module.folder.data.items():
        if kind != "aws_iam_policy_document":
            continue
        for instance in module.instances(block, f"{module.prefix}data.{kind}.{name}"):
            text = value_of(Handle(module, block, instance, True), "json")
            owner = Resource(
                f"data.{kind}", name, instance.address, block.at.path, {"json": text}, {(): block.at}, ("derived",),
                origin=module.chain(), format="terraform",
            )  # fmt: skip
            yield from document(owner, text)


def _order(resource: Resource) -> tuple[str, int]:
    return resource.path, resource.positions.get((), Position(1)).line


def _inputs(session: Session, folder: Folder, more: Mapping[str, Attribute]) -> dict[str, Any]:
    """Return the values of the variables from the files of values, in the order in which Terraform reads them."""
    blank = Module(session, Folder(folder.path))
    result: dict[str, Any] = {}
    ordered = sorted(
        (name for name in folder.values if AUTO.search(name)),
        key=lambda name: (not name.startswith("terraform.tfvars"), name),
    )
    for attributes in [*(folder.values[name] for name in ordered), more]:
        for name, attribute in attributes.items():
            if name in folder.variables:
                result[name] = blank.clean(blank.ev(attribute.expr, {}))
    return result


def _module(module: Module, outside: dict[str, int]) -> Iterator[Item]:
    folder = module.folder
    for (kind, name), block in folder.resources.items():
        for instance in module.instances(block, f"{module.prefix}{kind}.{name}"):
            made = _resource(module, block, kind, name, instance)
            yield from made if module.foreign is None else _moved(made, block.at, module.foreign)
    yield from _documents(module)
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


def _moved(items: Iterator[Item], at: Position, call: Position) -> Iterator[Item]:
    """Yield what an installed module holds, told at the call that leads out of the scanned files."""
    for item in items:
        if isinstance(item, Resource):
            yield replace(item, path=call.path, positions={(): call}, written=item.positions.get((), at))


def _settings(module: Module) -> Iterator[Resource]:
    """Yield the backend of a root module, whose gaps the command line may fill, and credentials in it and in providers."""
    for name, block in sorted(module.folder.providers.items()):
        notes = Notes({(): block.at})
        address = f"provider.{name}"
        given = Resource(
            "terraform.provider", name, address, block.at.path, module.body(block, {}, (), notes), notes.positions
        )
        yield from credentials(given, {})
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
                found = Resource("terraform.backend", inner.labels[0], f"terraform.backend.{inner.labels[0]}", inner.at.path,
                                 known, notes.positions, ("derived",))  # fmt: skip
                yield found
                yield from credentials(found, {})


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
    if kind in JSON_TEXTS:
        notes.positions.update(_text_places(JSON_TEXTS[kind], attributes, block))
    provider = module.provider(provider_name(block.value("provider")) or kind.split("_", 1)[0])
    resource = meaning.resource(
        kind, name, instance.address, block.at.path, attributes, notes.positions, format="terraform",
        references=notes.references, default_tags=_default_tags(provider), default_region=_default_region(provider),
        origin=module.chain(),
    )  # fmt: skip
    yield resource
    yield from meaning.derived(resource, _heredocs(block))


def _text_places(name: str, attributes: Mapping[str, Any], block: Block) -> dict[Path, Position]:
    """Return the places of what a JSON text says that is written as a heredoc."""
    text, at = attributes.get(name), _heredocs(block).get(name)
    if at is None or not isinstance(text, str):
        return {}
    return {(name, *path): place for path, place in heredoc_places(text, at).items()}


def _heredocs(block: Block) -> dict[str, Position]:
    """Return the places of the attributes that are written as heredocs."""
    return {
        name: attribute.expr.at
        for name, attribute in block.attributes.items()
        if attribute.expr.op in ("heredoc", "template") and attribute.expr.at.end_line > attribute.expr.at.line
    }


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


def _default_region(provider: tuple[Module, Block] | None) -> Any:
    """Return the region or zone of a provider, None where it does not say one."""
    if provider is None:
        return None
    module, block = provider
    for name in ("region", "zone"):
        expr = block.value(name)
        if expr is not None:
            value = module.memo((id(block), name), lambda e=expr: module.clean(module.ev(e, {})))  # type: ignore[misc]
            if value is not None:
                return value
    return None
