"""Asks the checks of the rule pages about resources, and words what they say."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from mlguard import redact
from mlguard.findings import Detection, Gap, Location, Proof, Record
from mlguard.scanners import Context, lazy
from mlguard.scanners.infra.conditions import Check, compile_check, place
from mlguard.scanners.infra.inventory import MISSING, Inventory, Node, scope_of, walk
from mlguard.scanners.infra.operators import as_list
from mlguard.scanners.infra.resources import Either, Path, Resource, Unknown, nearest, public, shown
from mlguard.scanners.infra.truth import Outcome
from mlguard.scanners.own import catalogue

if TYPE_CHECKING:
    from mlguard.rules import Rule

MAX_FOUND = 5
"""How many elements of a list a message shows."""

MAX_CHAIN = 5
"""How many of the module calls, or of the joins, that lead to a resource a finding names."""


class Checks:
    """The checks of all rules that are data, by what they select. Each is compiled when the first resource asks for it."""

    def __init__(self, known: Mapping[str, Rule]) -> None:
        self.rules = known
        self._kinds: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._classes: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._globs: list[tuple[str, tuple[str, str]]] = []
        self._compiled: dict[tuple[str, str], Check] = {}
        self._asked: dict[tuple[str, tuple[str, ...], bool], tuple[Check, ...]] = {}
        for rule_id, rule in sorted(known.items()):
            for name, spec in rule.checks.items():
                select = spec.get("select")
                if not isinstance(select, Mapping):
                    continue
                for kind in as_list(select.get("kind")):
                    if "*" in str(kind):
                        self._globs.append((str(kind), (rule_id, name)))
                    else:
                        self._kinds[str(kind)].append((rule_id, name))
                for one in as_list(select.get("class")):
                    self._classes[str(one)].append((rule_id, name))

    def of(self, resource: Resource, hook: bool) -> tuple[Check, ...]:
        """Return the checks that select a resource of this kind and these classes, by rule and name. Raises UsageError."""
        key = resource.kind, resource.classes, hook
        if key not in self._asked:
            names = [*self._kinds.get(resource.kind, ())]
            names += [name for pattern, name in self._globs if fnmatchcase(resource.kind, pattern)]
            names += [name for one in resource.classes for name in self._classes.get(one, ())]
            wanted = sorted({name for name in names if not hook or self.rules[name[0]].hook})
            self._asked[key] = tuple(self.check(*name) for name in wanted)
        return self._asked[key]

    def check(self, rule_id: str, name: str) -> Check:
        """Return one check, compiled. Raises UsageError."""
        if (rule_id, name) not in self._compiled:
            self._compiled[rule_id, name] = compile_check(rule_id, name, self.rules[rule_id].checks[name])
        return self._compiled[rule_id, name]


@lru_cache(4)
def checks(own: str = "") -> Checks:
    """Return the checks of the catalogue, with those of the pages in the folder ``own``. Raises UsageError."""
    return Checks(catalogue(own).rules)


def judge(inventory: Inventory, paths: set[str], context: Context, seen: set[tuple[Any, ...]]) -> Iterator[Record]:
    """Yield what the rules say about the resources that stand in one of ``paths`` (the others are context).

    ``seen`` keeps what was told, so that instances and variants of one block are told once.
    """
    known = checks(str(context.settings.get("rules", "")))
    given = context.settings.get("params") or {}
    unresolved: dict[tuple[str, str], int] = defaultdict(int)
    proven: dict[tuple[str, str], bool] = {}
    for resource in inventory.resources:
        if resource.path not in paths:
            continue
        for check in known.of(resource, context.hook):
            outcome = check.judge(resource, inventory, given.get(check.rule) or _NO_PARAMS)
            if outcome is None:
                continue
            rule = known.rules[check.rule]
            if rule.on_pass == "proof":
                key = check.rule, resource.address
                proven[key] = proven.get(key, True) and outcome.truth is True
            if outcome.truth is False:
                yield from _detections(rule, check, resource, outcome, seen)
            elif outcome.truth is None and not check.skips_unknown:
                for cause in outcome.causes[:1]:
                    unresolved[resource.path, cause] += 1
    for (rule_id, address), holds in sorted(proven.items()):
        if holds:
            yield Proof(rule_id, public(address), inventory.by_address[address].path)
    for path, cause, number in _told_once(unresolved):
        yield _gap(path, cause, number)


def _told_once(unresolved: Mapping[tuple[str, str], int]) -> list[tuple[str, str, int]]:
    """Return each cause with the first file and the number of checks that need it; the files of a folder share causes."""
    first: dict[tuple[str, str], str] = {}
    numbers: dict[tuple[str, str], int] = defaultdict(int)
    for (path, cause), number in sorted(unresolved.items()):
        key = (posixpath.dirname(path), cause) if _HCL.search(path) else (path, cause)
        first.setdefault(key, path)
        numbers[key] += number
    return [(first[key], key[1], number) for key, number in numbers.items()]


def _gap(path: str, cause: str, number: int) -> Gap:
    need = "1 check needs" if number == 1 else f"{number} checks need"
    what = redact.printable(redact.text(shown(cause), 120))
    hint = "give the value a default" + (" or a .tfvars file" if _HCL.search(path) else "")
    hint = next((advice for start, advice in _HINTS.items() if cause.startswith(start)), hint)
    return Gap("infra", path, "unresolved", f"{need} {what}", hint)


_HCL = lazy.pattern(r"\.(?:tf|tofu)(?:\.json)?$")


_HINTS = {
    "the region of the stack": "name the region in samconfig.toml, or accept the gap in mlguard.yaml",
    "the region of the provider": "name the region in the provider's block, or accept the gap in mlguard.yaml",
}
"""Advice by what a cause begins with."""

_NO_PARAMS: Mapping[str, Any] = {}

_INSTANCE = lazy.pattern(r"\[[^\]]*\]")


def _detections(
    rule: Rule, check: Check, resource: Resource, outcome: Outcome, seen: set[tuple[Any, ...]]
) -> Iterator[Detection]:
    """Yield one detection for each place that decided; instances of one block that fail alike are one."""

    for node in outcome.nodes or (Node(resource, (), MISSING),):
        shown_node = _reported(check, resource, node)
        location = _location(shown_node)
        scope = _INSTANCE.sub("", resource.address)
        variants = resource.format in ("helm", "kustomize")  # of one line, whose objects have other names
        key = (rule.id, check.name, location, "" if variants else scope)
        line = (rule.id, check.name, location.path, location.line)
        if key in seen or ((resource.format == "plan" or resource.kind == "terraform.root") and line in seen):
            continue  # a plan tells again what its code has told, and a root what another root of the same module has
        seen |= {key, line}
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
            wanted=_wanted(shown_node),
        )


def _wanted(node: Node) -> str:
    """Return the boolean that should stand where the opposite one is written, "" where the change is not certain."""
    opposite = {"true": "false", "false": "true"}.get(str(node.value).lower())
    return node.expected if opposite is not None and node.expected == opposite else ""


def _reported(check: Check, resource: Resource, node: Node) -> Node:

    if check.report is None:
        return node
    if check.report == "self":
        return node._replace(resource=resource, path=(), value=MISSING)
    steps = cast(Any, check.report)
    wanted = place(steps, node.path if node.resource is resource else ())
    values = dict(walk(scope_of(resource, Inventory(()), {}), steps))
    path = wanted if wanted in values else max(values, key=lambda one: _shared(one, wanted), default=wanted)
    return node._replace(resource=resource, path=path, value=values.get(path, MISSING))


def _shared(one: Path, other: Path) -> int:
    """Return how many steps two paths have in common from the top."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _location(node: Node) -> Location:
    at = nearest(node.resource.positions, node.path)
    return Location(at.path or node.resource.path, at.line, at.column, at.end_line, at.end_column)


def _related(
    resource: Resource, node: Node, shown_node: Node, trail: Sequence[Resource]
) -> tuple[tuple[str, Location], ...]:

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
    if resource.written is not None:
        at = resource.written
        places.append(("written here", Location(at.path, at.line, at.column, at.end_line, at.end_column)))
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


_SECRET_NAME = lazy.pattern(
    r"(?i)pass(?:word|wd|phrase)?|secret|token|credential|api_?key|private_?key|access_?key|connection_?string"
)
_GIVEN = frozenset({"resource", "kind", "name", "attribute", "found", "expected", "element", "rule", "check"})


def _facts(rule: Rule, check: Check, resource: Resource, node: Node) -> dict[str, str | int]:
    """Return what fills the message: the usual facts, and attributes that the message names itself."""
    spec = rule.checks[check.name]
    attribute = ".".join(str(step) for step in node.path if not isinstance(step, int))
    secret = check.secret or _SECRET_NAME.search(attribute) is not None
    if node.resource.format == "cloudformation" and attribute:
        from mlguard.scanners.infra.cloudformation import spelling

        attribute = spelling(node.resource, node.path)
    result: dict[str, str | int] = {
        "resource": public(resource.address),
        "kind": resource.spelled.get((), resource.kind),
        "name": redact.text(shown(resource.name)),
        "attribute": attribute or "what is asked for",
        "found": "a value"
        if secret and isinstance(node.value, (str, list, tuple, Mapping, Either))
        else found_text(node.resource.spelled.get((*node.path, "="), node.value)),
        "expected": node.expected,
        "element": _element(node),
    }
    if check.scaled and not resource.data_class:
        result["data_class"] = "undeclared"
    for wanted in _asked(str(spec.get("message", rule.message))):
        result[wanted] = "a value" if _SECRET_NAME.search(wanted) else found_text(_attribute(node, resource, wanted))
    return result


@lru_cache(2048)
def _asked(message: str) -> tuple[str, ...]:
    """Return the placeholders of a message that name attributes."""
    return tuple(name for name in re.findall(r"\{([a-z_]+)\}", message) if name not in _GIVEN)


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

    if value is MISSING or value is None:
        return "not set"
    if isinstance(value, Either):
        return " or ".join(sorted(found_text(one) for one in value.options[:MAX_FOUND]))
    if isinstance(value, Unknown):
        return "unknown"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "set"
    if isinstance(value, (list, tuple)):
        texts = [found_text(item) for item in value[:MAX_FOUND]]
        return (", ".join(texts) + (", …" if len(value) > MAX_FOUND else "")) or "an empty list"
    return redact.printable(redact.text(shown(str(value)), 80)) or "empty"
