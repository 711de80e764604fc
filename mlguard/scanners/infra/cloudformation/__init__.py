"""Reads templates of CloudFormation and SAM into resources with the kinds and attributes of Terraform, one stack at a time."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mlguard import facts
from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.findings import Gap
from mlguard.scanners import Context, lazy, read_text
from mlguard.scanners.infra import meaning
from mlguard.scanners.infra.cloudformation.choices import MAX_OPTIONS
from mlguard.scanners.infra.cloudformation.intrinsics import Evaluator
from mlguard.scanners.infra.cloudformation.nodes import GONE, Node, Parameter, Stack, plain
from mlguard.scanners.infra.cloudformation.translate import Made, Translator, parts, spelling
from mlguard.scanners.infra.jsontexts import JSON_TEXTS, heredoc_places
from mlguard.scanners.infra.resources import Either, Position, Resource, Unknown, reference
from mlguard.scanners.infra.yamltree import Tree, parse

__all__ = ["read", "spelling"]

MAX_FILE_BYTES = 16 * 2**20
"""The largest template that is read. CloudFormation takes 1 MB."""

MAX_CONFIG_BYTES = 2**18
"""The largest configuration of SAM that is read for its region."""

MAX_STACKS = 200
"""Nested stacks of one stack, all levels together."""

MAX_RESOURCES = 1_000
"""Resources of one template that are judged, those of its loops too. CloudFormation takes 500."""

MAX_ALL_RESOURCES = 5_000
"""Resources of one stack and of all that are nested in it."""

MAX_NESTED = 8
"""Levels of nested stacks."""

Item = Resource | Gap | facts.Grant | facts.Deployment

_KNOWN_MACROS = lazy.pattern(
    r"AWS::(?:Serverless-\d|LanguageExtensions$|Include$|CodeDeployBlueGreen$|SecretsManager-\d|CodeStar$|ServiceCatalog$)"
)
_REGION = lazy.pattern(r"""(?m)^[ \t]*region[ \t]*=[ \t]*["']([a-z0-9-]{4,30})["']""")
_NESTED = {"AWS::CloudFormation::Stack": "TemplateURL", "AWS::Serverless::Application": "Location"}


def read(paths: Sequence[Artifact], context: Context) -> Iterator[Iterable[Item]]:
    """Yield the records of each stack in turn: a template with the nested ones whose files are in the tree."""
    folder = _Folder(context, {artifact.path for artifact in paths})
    for path in sorted(folder.given):
        folder.template(path)
    yield folder.gaps
    called = {child for path in folder.given for child in folder.children(path)}
    tops = [path for path in sorted(folder.given) if path not in called] or sorted(folder.given)
    budget = folder.has_budget()
    for path in tops:
        template = folder.template(path)
        if template is not None:
            yield _stack(folder, template, budget)


@dataclass(frozen=True, slots=True)
class _Template:
    path: str
    tree: Tree

    def section(self, name: str) -> Iterator[tuple[str, Tree]]:
        tree = self.tree.get(name)
        for key, child in tree.items() if tree is not None and isinstance(tree.children, Mapping) else ():
            yield str(key), child

    def transforms(self) -> list[str]:
        """Return the names of the macros that rewrite the template as a whole."""
        tree = self.tree.get("Transform")
        value = tree.value if tree is not None else None
        names = [
            one.get("Name", one.get("name")) if isinstance(one, dict) else one
            for one in (value if isinstance(value, list) else [value])
        ]
        return [name for name in names if isinstance(name, str)]


class _Folder:
    """The templates of the scanned tree, each parsed once."""

    def __init__(self, context: Context, given: set[str]) -> None:
        self.context, self.given = context, given
        self.gaps: list[Gap] = []
        self._templates: dict[str, _Template | None] = {}
        self._regions: dict[str, str] = {}

    def template(self, path: str) -> _Template | None:
        """Return a template, None for a file that is none or cannot be read."""
        if path not in self._templates:
            self._templates[path] = self._load(path)
        return self._templates[path]

    def _load(self, path: str) -> _Template | None:
        try:
            documents = parse(read_text(self.context, path, MAX_FILE_BYTES), tags=True)
        except Unreadable as trouble:
            self._gap(path, str(trouble))
            return None
        if documents.broken:
            self._gap(path, f"{documents.broken}; what stands before was read")
        for tree in documents.trees:
            resources = tree.get("Resources")
            if resources is not None and isinstance(resources.children, Mapping):
                return _Template(path, tree)
        self._gap(path, "it looks like a CloudFormation template and has no Resources")
        return None

    def _gap(self, path: str, reason: str) -> None:
        if path in self.given:
            self.gaps.append(Gap("infra", path, "unreadable", reason, "run cfn-lint on the file"))

    def children(self, path: str) -> Iterator[str]:
        """Yield the files that a template names as nested stacks."""
        template = self.template(path)
        for _, tree in template.section("Resources") if template else ():
            child = self.child(path, tree)
            if child and child != path:
                yield child

    def child(self, path: str, tree: Tree) -> str:
        """Return the file of a nested stack, "" when it is elsewhere."""
        kind = tree.value.get("Type") if isinstance(tree.value, dict) else None
        name = _NESTED.get(kind) if isinstance(kind, str) else None
        place = tree.get("Properties", name) if name else None
        text = place.value if place is not None else None
        if not isinstance(text, str) or re.match(r"[a-z0-9]+://", text, re.I) or text.startswith("/"):
            return ""
        found = posixpath.normpath(posixpath.join(posixpath.dirname(path), text))
        return "" if found.startswith("..") or self.template(found) is None else found

    def region(self, path: str) -> str:
        """Return the region that the SAM configuration beside a template deploys it to, "" when it names none or several."""
        place = posixpath.join(posixpath.dirname(path), "samconfig.toml")
        if place not in self._regions:
            try:
                text = read_text(self.context, place, MAX_CONFIG_BYTES)
            except Unreadable:
                text = ""
            found = set(_REGION.findall(text))
            self._regions[place] = found.pop() if len(found) == 1 else ""
        return self._regions[place]

    def has_budget(self) -> bool:
        return any(
            isinstance(tree.value, dict)
            and tree.value.get("Type")
            in ("AWS::Budgets::Budget", "AWS::CE::AnomalyMonitor", "AWS::CE::AnomalySubscription")
            for path in sorted(self.given)
            if (template := self.template(path))
            for _, tree in template.section("Resources")
        )


# Stacks


def _stack(folder: _Folder, template: _Template, budget: bool) -> Iterator[Item]:
    run = _Run(folder)
    costly: Resource | None = None
    for item in run.stack(template, "", {}, (), 0):
        if isinstance(item, Resource) and "ml" in item.classes and item.path == template.path:
            costly = item if costly is None else min(costly, item, key=lambda one: one.positions[()].line)
        yield item
    if costly is not None:
        attributes = {"budget": budget, "first": costly.address}
        yield Resource("terraform.root", template.path, template.path, template.path, attributes, {(): costly.positions[()]},
                       ("derived",), format="cloudformation", spelled={(): "AWS::CloudFormation::Stack"})  # fmt: skip
    yield from run.gaps


@dataclass(slots=True)
class _Run:
    """The evaluation of one stack with those nested in it."""

    folder: _Folder
    gaps: list[Gap] = field(default_factory=list)
    stacks: int = MAX_STACKS
    resources: int = MAX_ALL_RESOURCES

    def stack(self, template: _Template, name: str, given: Mapping[str, Any], origin: tuple[tuple[str, Position], ...], depth: int,
              outputs: dict[str, Any] | None = None) -> Iterator[Item]:  # fmt: skip
        """Yield the resources of a template and of its nested stacks; ``outputs`` takes what the template puts out."""
        stack = Stack(name, template.path, self.folder.region(template.path))
        evaluator = Evaluator(stack)
        stack.parameters = {key: _parameter(key, tree, given) for key, tree in template.section("Parameters")}
        stack.mappings = template.tree.get("Mappings")
        stack.conditions = dict(template.section("Conditions"))
        resources: list[tuple[str, Tree]] = []
        section = template.tree.get("Resources")
        limit = min(MAX_RESOURCES, self.resources)
        for key, tree in evaluator.expanded(section) if section is not None else ():
            if len(resources) >= limit:
                reason = f"more than {limit:,} resources; the rest was not read, and CloudFormation takes 500 in one template"
                self.gaps.append(
                    Gap("infra", template.path, "too-large", reason, "split the template into nested stacks")
                )
                break
            if key.startswith("Fn::"):
                self._gap(template.path, f"line {tree.at.line}: a macro adds resources when the stack is made")
            elif isinstance(tree.children, Mapping) and isinstance(tree.value.get("Type"), str):
                resources.append((key, tree))
        self.resources -= len(resources)
        stack.kinds = {key: tree.value["Type"] for key, tree in resources}
        for key, kind in list(stack.kinds.items()):
            if kind.startswith("AWS::Serverless::"):
                for suffix in _SAM_SUFFIXES:
                    stack.kinds.setdefault(f"{key}{suffix}", kind)
        macros = [one for one in template.transforms() if not _KNOWN_MACROS.match(one)]
        for macro in macros[:1]:
            self._gap(template.path, f"the macro {_safe(macro)} rewrites the template when the stack is made")
        nested = self._nested(template, resources, evaluator, origin, depth)
        for items in nested:
            yield from items
        serverless = _Serverless(template, evaluator)
        for key, tree in resources:
            yield from _resources(template, key, tree, evaluator, serverless, bool(macros), origin)
        if outputs is not None:
            for key, tree in template.section("Outputs"):
                value = tree.get("Value")
                outputs[key] = plain(evaluator.node(value)) if value is not None else None
        if stack.steps < 0 or stack.made < 0:
            self.gaps.append(
                Gap("infra", template.path, "too-large", "the template needs more evaluation than the limit allows")
            )

    def _gap(self, path: str, reason: str) -> None:
        if path in self.folder.given and not self.folder.context.hook:
            self.gaps.append(Gap("infra", path, "skipped", reason, "scan the template that the macro returns as well"))

    def _nested(
        self,
        template: _Template,
        resources: Sequence[tuple[str, Tree]],
        evaluator: Evaluator,
        origin: tuple[tuple[str, Position], ...],
        depth: int,
    ) -> Iterator[list[Item]]:
        """Yield the items of each nested stack whose template is in the tree, those that others take values from first."""
        stack = evaluator.stack
        waiting = [(key, tree) for key, tree in resources if stack.kinds[key] in _NESTED][:MAX_STACKS]
        names = {key for key, _ in waiting}
        for _ in range(len(waiting)):
            ready = [
                one for one in waiting if not (_named(one[1], names) & {key for key, _ in waiting} - {one[0]})
            ] or waiting
            key, tree = ready[0]
            waiting.remove(ready[0])
            path = self.folder.child(template.path, tree)
            if not path or depth >= MAX_NESTED or self.stacks <= 0 or not _exists(tree, evaluator):
                continue
            child = self.folder.template(path)
            if child is None or path == template.path or any(at.path == path for _, at in origin):
                continue
            self.stacks -= 1
            parameters = tree.get("Properties", "Parameters")
            node = evaluator.node(parameters) if parameters is not None else None
            given = (
                {name: plain(one) for name, one in node.children.items()}
                if node is not None and isinstance(node.children, dict)
                else {}
            )
            found: dict[str, Any] = {}
            call = (f"{stack.name}{key}", replace(tree.at, path=template.path))
            inner = list(self.stack(child, f"{stack.name}{key}/", given, (call, *origin), depth + 1, found))
            stack.outputs[key] = found
            yield inner


def _named(tree: Tree, names: set[str]) -> set[str]:
    """Return which of these resources a nested stack takes values from."""
    text = str(tree.value.get("Properties", "")) if isinstance(tree.value, dict) else ""
    return {name for name in names if name in text} if len(text) < 20_000 else set()


def _safe(text: str) -> str:
    return re.sub(r"[^\w:./-]", "", text)[:80]


def _exists(tree: Tree, evaluator: Evaluator) -> bool:
    condition = tree.value.get("Condition")
    return not isinstance(condition, str) or evaluator.condition(condition) is not False


_SAM_SUFFIXES = ("Role", "Url", "Stage", "DomainName", "Version")
"""What SAM appends to a logical id for the resources that it adds."""

_LISTS = lazy.pattern(r"^(?:CommaDelimitedList|List<.*>)$")


def _parameter(name: str, tree: Tree, given: Mapping[str, Any]) -> Parameter:
    spec = tree.value if isinstance(tree.value, dict) else {}
    kind = spec.get("Type")
    kind = kind if isinstance(kind, str) else "String"
    hidden = str(spec.get("NoEcho", "")).lower() == "true"
    choices = spec.get("AllowedValues")
    texts = tuple(_text(one) for one in choices) if isinstance(choices, list) else ()
    value = given.get(name, spec.get("Default"))
    if name in given and value is not None:
        return Parameter(_typed(value, kind), hidden and not isinstance(value, Unknown), texts)
    if kind.startswith("AWS::SSM::Parameter::Value"):
        return Parameter(
            Unknown(f"the parameter {name}")
            if "<List" in kind or "CommaDelimited" in kind
            else reference(f"{name}.id"),
            hidden,
            texts,
        )
    if value is None and len(texts) == 1:
        value = texts[0]
    if value is None and 1 < len(texts) <= MAX_OPTIONS and not hidden and not _LISTS.match(kind):
        options = tuple(_typed(one, kind) for one in texts)
        return Parameter(Either(f"the parameter {name}", "" not in texts, options), hidden, texts)
    if value is None or isinstance(value, (dict, list)):
        certain = (
            kind.startswith("AWS::") or hidden or (isinstance(spec.get("MinLength"), int) and spec["MinLength"] > 0)
        )
        return Parameter(
            reference(f"{name}.id") if certain and not texts else Unknown(f"the parameter {name}", "" not in texts),
            hidden,
            texts,
        )
    return Parameter(_typed(value, kind), hidden, texts)


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _typed(value: Any, kind: str) -> Any:
    if isinstance(value, str) and _LISTS.match(kind):
        return [one.strip() for one in value.split(",")[:1_000]] if value else []
    if isinstance(value, str) and kind == "Number" and re.fullmatch(r"-?\d{1,15}", value):
        return int(value)
    return value


# Resources


class _Serverless:
    """What SAM adds to the resources of a template; read when the first of them is met."""

    def __init__(self, template: _Template, evaluator: Evaluator) -> None:
        self.template, self.evaluator = template, evaluator
        self._globals: Node | None = None
        self._apis: dict[str, Node] | None = None

    def apis(self) -> Mapping[str, Node]:
        """Return the properties of the APIs of SAM in the template, by logical id."""
        if self._apis is None:
            self._apis = {
                key: self.evaluator.node(given)
                for key, tree in self.template.section("Resources")
                if isinstance(tree.value, dict) and tree.value.get("Type") in ("AWS::Serverless::Api", "AWS::Serverless::HttpApi")
                and (given := tree.get("Properties")) is not None
            }  # fmt: skip
        return self._apis

    def common(self) -> Node:
        """Return the section Globals."""
        if self._globals is None:
            tree = self.template.tree.get("Globals")
            self._globals = self.evaluator.node(tree) if tree is not None else Node(None, Position(1), {})
        return self._globals


def _resources(
    template: _Template,
    key: str,
    tree: Tree,
    evaluator: Evaluator,
    serverless: _Serverless,
    rewritten: bool,
    origin: tuple[tuple[str, Position], ...],
) -> Iterator[Item]:
    stack = evaluator.stack
    if not _exists(tree, evaluator):
        return
    kind = stack.kinds[key]
    given = tree.get("Properties")
    with evaluator.supposing(tree.value.get("Condition")):
        properties = evaluator.node(given) if given is not None else Node(None, tree.at, {})
    if properties.value is GONE or (properties.children is None and properties.value is None):
        properties = Node(None, tree.at, {})
    if "Fn::Transform" in tree.value or rewritten:
        properties.open = "what a macro adds to the template"
    address = f"{stack.name}{key}"
    policies: dict[str, Node] = {}
    for name, attribute in (("DeletionPolicy", "deletion_policy"), ("UpdateReplacePolicy", "update_replace_policy")):
        policy = tree.get(name)
        if policy is not None:
            policies[attribute] = replace(evaluator.node(policy), at=policy.at, word=name)
    for made in _made(kind, key, address, tree.at, properties, serverless, policies):
        yield from _finished(template.path, made, stack, origin, address)


def _made(
    kind: str,
    key: str,
    address: str,
    at: Position,
    properties: Node,
    serverless: _Serverless,
    policies: Mapping[str, Node],
) -> Iterator[Made]:
    from mlguard.scanners.infra.cloudformation import shapes

    if kind.startswith("AWS::Serverless::"):
        from mlguard.scanners.infra.cloudformation import sam

        for one in sam.expanded(kind, key, properties, at, serverless.common(), serverless.apis()):
            name = f"{address}{one.suffix}"
            for part in shapes.finished(Translator(one.type, key, name, one.at, one.properties).run(), one.properties):
                part.type = kind
                yield part
        return
    translated = Translator(kind, key, address, at, properties).run()
    translated[0].body |= policies
    yield from shapes.finished(translated, properties)


def _finished(
    path: str, made: Made, stack: Stack, origin: tuple[tuple[str, Position], ...], owner: str
) -> Iterator[Item]:
    attributes, positions, references, spelled = parts(made, lambda name: _is_address(name, stack))
    classes = ("derived",) if made.address != owner else ()
    name = JSON_TEXTS.get(made.kind, "")
    text, at = attributes.get(name), positions.get((name,))
    if isinstance(text, str) and at is not None and 0 < text.count("\n") <= at.end_line - at.line:
        positions.update({(name, *place): found for place, found in heredoc_places(text, at).items()})
    region = stack.region or Unknown("the region of the stack")
    held: dict[str, Any] = attributes
    resource = meaning.resource(
        made.kind, made.name, made.address, path, held, positions, format="cloudformation", references=references,
        default_region=region, origin=origin, spelled=spelled, classes=classes,
    )  # fmt: skip
    yield resource
    if made.open and made.address == owner:
        yield Resource("cloudformation.macro", made.name, f"{owner}.macro", path, {}, {(): made.at}, ("derived", "opaque"),
                       {("of",): (owner,)}, format="cloudformation")  # fmt: skip
    yield from meaning.derived(resource, {})


def _is_address(name: str, stack: Stack) -> bool:
    """Say whether a reference names a resource of this stack, or one of a nested stack."""
    return "/" in name or (name.startswith(stack.name) and name[len(stack.name) :] in stack.kinds)
