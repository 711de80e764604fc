"""The scanner of infrastructure code: reads resources, and asks every rule that is written as conditions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from mlguard import facts, redact
from mlguard.artifacts import Artifact
from mlguard.findings import Detection, Gap, Location, Proof, Record
from mlguard.scanners import Context
from mlguard.scanners.infra.resources import Path, Position, Resource, Unknown, public, shown

if TYPE_CHECKING:
    from mlguard.rules import Rule
    from mlguard.scanners.infra.conditions import Check, Outcome
    from mlguard.scanners.infra.inventory import Inventory, Node

MAX_FOUND = 5
"""How many elements of a list a message shows."""

MAX_CHAIN = 5
"""How many of the module calls that lead to a resource a finding names."""

_TERRAFORM = re.compile(r"\.(?:tf|tofu)(?:\.json)?$|\.tfvars(?:\.json)?$")
_ACTION = re.compile(r"(?:^|/)action\.ya?ml$")


class InfraScanner:
    """Terraform, Kubernetes, Dockerfiles and workflows as resources, judged by the conditions on the rules' pages."""

    name = "infra"

    def plan(self, artifacts: Sequence[Artifact], settings: Mapping[str, Any]) -> Iterable[tuple[Artifact, ...]]:
        terraform: list[Artifact] = []
        manifests: dict[str, list[Artifact]] = defaultdict(list)
        for artifact in artifacts:
            if artifact.kind == "terraform" or (artifact.kind == "json" and _TERRAFORM.search(artifact.path)):
                terraform.append(artifact)
            elif artifact.kind in ("dockerfile", "workflow") or (
                artifact.kind == "yaml" and _ACTION.search(artifact.path)
            ):
                yield (artifact,)
            elif artifact.kind in ("kubernetes", "yaml"):
                manifests[artifact.path.partition("/")[0] if "/" in artifact.path else ""].append(artifact)
        if terraform:
            yield tuple(terraform)  # a module's callers may stand in any folder
        yield from (tuple(group) for _, group in sorted(manifests.items()))

    def scan(self, group: Sequence[Artifact], context: Context) -> Iterator[Record]:
        from mlguard.scanners.infra.inventory import Inventory

        seen: set[tuple[Any, ...]] = set()
        for batch in self._batches(group, context):
            resources: list[Resource] = []
            for record in batch:
                if isinstance(record, Resource):
                    resources.append(record)
                    yield from _fact(record)
                else:
                    yield record
            yield from _judge(Inventory(resources), {artifact.path for artifact in group}, context, seen)

    def _batches(self, group: Sequence[Artifact], context: Context) -> Iterator[Iterable[Any]]:
        """Yield the records of what is judged together: a root module, or the whole group."""
        first = group[0]
        if first.kind == "dockerfile":
            from mlguard.scanners.infra import docker

            yield docker.read(group, context)
        elif first.kind == "workflow" or _ACTION.search(first.path):
            from mlguard.scanners.infra.pipelines import github

            yield github.read(group, context)
        elif first.kind in ("kubernetes", "yaml"):
            from mlguard.scanners.infra import compose, kubernetes

            yield chain(kubernetes.read(group, context), compose.read(group, context))
        else:
            from mlguard.scanners.infra import terraform

            yield from terraform.read_roots(group, context)


def _fact(resource: Resource) -> Iterator[Record]:
    if "derived" not in resource.classes and "opaque" not in resource.classes:
        line = resource.positions.get((), Position(1)).line
        yield facts.Resource(
            resource.kind, public(resource.address), resource.path, line, resource.data_class, resource.region
        )


@dataclass(frozen=True, slots=True)
class _Compiled:
    rule: Rule
    checks: tuple[Check, ...]


@cache
def _compiled() -> tuple[_Compiled, ...]:
    """Return every rule of this scanner that is data, with its checks compiled, in order of id. Raises UsageError."""
    from mlguard import rules
    from mlguard.scanners.infra.conditions import compile_check

    return tuple(
        _Compiled(rule, checks)
        for _, rule in sorted(rules.load().rules.items())
        if rule.scanner == InfraScanner.name
        and (
            checks := tuple(
                compile_check(rule.id, name, spec) for name, spec in rule.checks.items() if "select" in spec
            )
        )
    )


def _judge(inventory: Inventory, paths: set[str], context: Context, seen: set[tuple[Any, ...]]) -> Iterator[Record]:
    """Yield what the rules say about the resources that stand in one of ``paths`` (the others are context)."""
    unresolved: dict[tuple[str, str], int] = defaultdict(int)
    for compiled in _compiled():
        if context.hook and not compiled.rule.hook:
            continue
        params = _params(context, compiled.rule.id)
        verdicts: dict[str, list[Outcome]] = defaultdict(list)
        for check in compiled.checks:
            for resource in inventory.chosen(check.kinds, check.classes):
                if resource.path not in paths or (outcome := check.judge(resource, inventory, params)) is None:
                    continue
                verdicts[resource.address].append(outcome)
                if outcome.truth is False:
                    yield from _detections(compiled.rule, check, resource, outcome, seen)
                elif outcome.truth is None and not check.skips_unknown:
                    for cause in outcome.causes[:1]:
                        unresolved[resource.path, cause] += 1
        if compiled.rule.on_pass == "proof":
            for address, outcomes in verdicts.items():
                if all(outcome.truth for outcome in outcomes):
                    yield Proof(compiled.rule.id, public(address), inventory.by_address[address].path)
    for (path, cause), number in sorted(unresolved.items()):
        yield _gap(path, cause, number)


def _gap(path: str, cause: str, number: int) -> Gap:
    need = "1 check needs" if number == 1 else f"{number} checks need"
    what = redact.printable(redact.text(shown(cause), 120))
    return Gap(InfraScanner.name, path, "unresolved", f"{need} {what}", "give the value a default or a .tfvars file")


def _params(context: Context, rule: str) -> Mapping[str, Any]:
    params = context.settings.get("params", {})
    own = params.get(rule, {}) if isinstance(params, Mapping) else {}
    return own if isinstance(own, Mapping) else {}


_INSTANCE = re.compile(r"\[[^\]]*\]")


def _detections(
    rule: Rule, check: Check, resource: Resource, outcome: Outcome, seen: set[tuple[Any, ...]]
) -> Iterator[Detection]:
    """Yield one detection for each place that decided; instances of one block that fail alike are one."""
    from mlguard.scanners.infra.inventory import MISSING, Node

    for node in outcome.nodes or (Node(resource, (), MISSING),):
        shown_node = _reported(check, resource, node)
        location = _location(shown_node)
        scope = _INSTANCE.sub("", resource.address)
        key = (rule.id, check.name, location, scope)
        if key in seen:
            continue
        seen.add(key)
        told = _facts(rule, check, resource, shown_node)
        yield Detection(
            rule=rule.id,
            check=check.name,
            location=location,
            facts=told,
            scope=scope,
            anchor=_anchor(shown_node),
            subject=public(resource.address),
            related=_related(resource, node, shown_node, outcome.trail),
            excerpt=(f"{told['element']} = {redact.MASK}",) if check.hides else (),
        )


def _reported(check: Check, resource: Resource, node: Node) -> Node:
    from mlguard.scanners.infra.conditions import place
    from mlguard.scanners.infra.inventory import MISSING, Inventory, scope_of, walk

    if check.report is None or check.report == "related":
        return node
    if check.report == "self":
        return node._replace(resource=resource, path=(), value=MISSING)
    steps = cast(Any, check.report)
    wanted = place(steps, node.path if node.resource is resource else ())
    values = dict(walk(scope_of(resource, Inventory(()), {}), steps))
    path = wanted if wanted in values else next(iter(values), wanted)
    return node._replace(resource=resource, path=path, value=values.get(path, MISSING))


def _position(node: Node) -> Position:
    """Return the place of an attribute, or of the nearest one around it."""
    path: Path = node.path
    while path and path not in node.resource.positions:
        path = path[:-1]
    return node.resource.positions.get(path, Position(1))


def _location(node: Node) -> Location:
    at = _position(node)
    return Location(at.path or node.resource.path, at.line, at.column, at.end_line, at.end_column)


def _related(
    resource: Resource, node: Node, shown_node: Node, trail: Sequence[Resource]
) -> tuple[tuple[str, Location], ...]:
    from mlguard.scanners.infra.inventory import MISSING, Node

    places = []
    if shown_node.resource is not resource:
        places.append((public(resource.address), _location(Node(resource, (), MISSING))))
    if node.resource is not shown_node.resource:
        places.append((public(node.resource.address), _location(node)))
    places += [
        (public(one.address), _location(Node(one, (), MISSING)))
        for one in trail[:MAX_CHAIN]
        if one is not node.resource and one is not shown_node.resource
    ]
    places += [
        (f"called by {public(name)}", Location(at.path, at.line, at.column, at.end_line, at.end_column))
        for name, at in resource.origin[:MAX_CHAIN]
    ]
    return tuple(places)


def _anchor(node: Node) -> str:
    """Return the attribute's path, where an element of a list that has a name goes by it."""
    value: Any = node.resource.attributes
    parts: list[str] = []
    for step in node.path:
        value = _step(value, step)
        name = value.get("name", value.get("sid")) if isinstance(step, int) and isinstance(value, Mapping) else None
        parts.append(f"[{name if isinstance(name, str) else step}]" if isinstance(step, int) else f".{step}")
    return "".join(parts).lstrip(".") or node.resource.kind


def _step(value: Any, step: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(str(step))
    if isinstance(value, (list, tuple)) and isinstance(step, int) and step < len(value):
        return value[step]
    return None


_SECRET_NAME = re.compile(
    r"(?i)pass(?:word|wd|phrase)?|secret|token|credential|api_?key|private_?key|access_?key|connection_?string"
)
_GIVEN = frozenset({"resource", "kind", "name", "attribute", "found", "expected", "element", "rule", "check"})


def _facts(rule: Rule, check: Check, resource: Resource, node: Node) -> dict[str, str | int]:
    """Return what fills the message: the usual facts, and attributes that the message names itself."""
    spec = rule.checks[check.name]
    attribute = ".".join(str(step) for step in node.path if not isinstance(step, int))
    secret = "is_secret_like" in str(spec) or _SECRET_NAME.search(attribute) is not None
    result: dict[str, str | int] = {
        "resource": public(resource.address),
        "kind": resource.kind,
        "name": redact.text(shown(resource.name)),
        "attribute": attribute or resource.kind,
        "found": "a value" if secret else found_text(node.value),
        "expected": node.expected,
        "element": _element(node),
    }
    if check.scaled and not resource.data_class:
        result["data_class"] = "undeclared"
    for wanted in re.findall(r"\{([a-z_]+)\}", str(spec.get("message", rule.message))):
        if wanted not in _GIVEN:
            result[wanted] = (
                "a value" if _SECRET_NAME.search(wanted) else found_text(_attribute(node, resource, wanted))
            )
    return result


def _attribute(node: Node, resource: Resource, name: str) -> Any:
    """Return the attribute ``name`` of the nearest element around the deciding node that has it."""
    for end in range(len(node.path), -1, -1):
        value: Any = node.resource.attributes
        for step in node.path[:end]:
            value = _step(value, step)
        if isinstance(value, Mapping) and name in value:
            return value[name]
    return resource.attributes.get(name)


def _element(node: Node) -> str:
    """Return the name of the innermost named element around the node, else of the resource."""
    value: Any = node.resource.attributes
    name = node.resource.name
    for step in node.path:
        value = _step(value, step)
        if isinstance(step, int) and isinstance(value, Mapping) and isinstance(value.get("name"), str):
            name = value["name"]
    return redact.text(shown(name))


def found_text(value: Any) -> str:
    """Return a value for people, masked: never more than a few elements, never the text of a block."""
    from mlguard.scanners.infra.inventory import MISSING

    if value is MISSING or value is None:
        return "not set"
    if isinstance(value, Unknown):
        return "unknown"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a block"
    if isinstance(value, (list, tuple)):
        texts = [found_text(item) for item in value[:MAX_FOUND]]
        return (", ".join(texts) + (", …" if len(value) > MAX_FOUND else "")) or "an empty list"
    return redact.printable(redact.text(shown(str(value)), 80)) or "empty"
