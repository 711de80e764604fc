"""The rule language of infrastructure: conditions over normalised resources, true, false or unknown.

A check on a rule's page::

    select: {kind: aws_s3_bucket | [..] | class: container, where: <condition>}     # a kind may be a shell pattern
    require: <condition>        # or forbid: <condition>
    report: <path> | self | related     # optional: which attribute to show; default: the one that decided
    message, fix, params: {name: value}, unresolved: skip      # optional; skip: an unknown is no gap
    severity: low                       # optional: lower than the rule's
    scaled: true                        # optional: of a store whose data class is declared as unprotected nothing is said,
                                        # and of one without a data class only a note (severity low)
    peers: [CKV_AWS_16, AWS-0080]       # optional: ids of other tools' checks that ask the same
    hide: true                          # optional: the source line holds a secret and is never shown

A condition is one of::

    {path: a.b[].c, op: eq, value: 1}            # value_of: other.path compares with another attribute; default: the
                                                 # value that the provider takes where the attribute is not set
    {all: [..]}  {any: [..]}  {not: ..}
    {each: path, cond: ..}  {some: path, cond: ..}      # paths inside start at the element; "." is the element itself
    {related: {kind | class, via: .., where: .., every: true, count: {op: ge, value: 1}}}

Paths: names with dots, ``[]`` for the elements of a list (one value counts as a list of itself, and a name after a list
goes into each element), ``[0]``, ``*`` or a pattern for keys, ``['a.b/c']`` for a key with dots, ``$root.`` for the
resource from inside an element, and ``$name $kind $address $namespace $path $region $data_class`` of the resource.
A comparison over several values holds when it holds for one; a negated operator (ne, not_in, absent, not_matches ..)
holds when it holds for all, and for something missing.

``via`` links the other resource with this one; a list of links must hold together::

    {path: bucket, refers_to: self, match: [id, bucket]}     # its attribute names this one, by reference or literally
    {path: subnet_id, refers_to: other, match: [id]}         # this one's attribute names the other
    {equal: {its.path: our.path}}                            # both are set and equal
    {selector: spec.selector, labels: spec.template.metadata.labels, refers_to: self | other}   # a label selector picks

``"param(name)"`` as a value stands for a parameter of the check, which the configuration may set.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from mlguard.errors import UsageError
from mlguard.scanners.infra.operators import BARE, NEGATED, OPERATORS, as_list
from mlguard.scanners.infra.resources import REFERENCE, Open, Path, Resource, Unknown, protected

MAX_VALUES = 20_000
"""Values that one path may yield in one resource."""


class _Missing:
    def __repr__(self) -> str:
        return "not set"


MISSING = _Missing()
"""What a path yields where nothing is."""


class Node(NamedTuple):
    """The attribute that decided a condition, what was found there, and what was expected instead."""

    resource: Resource
    path: Path
    value: Any
    expected: str = ""


class Outcome(NamedTuple):
    """The truth of a condition (None: unknown), the nodes that decided it, and the causes of an unknown."""

    truth: bool | None
    nodes: tuple[Node, ...] = ()
    causes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a condition is looked at: an element of a resource, among all resources of the group."""

    resource: Resource
    inventory: Inventory
    params: Mapping[str, Any]
    base: Path = ()
    value: Any = None


Condition = Callable[[Scope], Outcome]
Names = tuple[str, ...]
Steps = tuple[tuple[str, Any], ...]


def scope_of(resource: Resource, inventory: Inventory, params: Mapping[str, Any]) -> Scope:
    """Return the scope of the resource itself."""
    return Scope(resource, inventory, params, (), resource.attributes)


# Paths

_TOKEN = re.compile(
    r"\.?(?:(?P<items>\[\])|\[(?P<index>\d+)\]|\[(?P<quote>['\"])(?P<key>.*?)(?P=quote)\]|(?P<name>[^.\[\]]+))"
)
_OWN = {"$name": "name", "$kind": "kind", "$address": "address", "$namespace": "namespace", "$path": "path",
        "$region": "region", "$data_class": "data_class",
        "$classes": "classes"}  # fmt: skip


def parse_path(text: str) -> Steps:
    """Return the steps of a path. Raises ValueError."""
    if text in (".", ""):
        return ()
    steps: list[tuple[str, Any]] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match or match.end() == position:
            raise ValueError(f"the path {text!r} cannot be read at {text[position:]!r}")
        position = match.end()
        if match["items"]:
            steps.append(("items", None))
        elif match["index"]:
            steps.append(("index", int(match["index"])))
        elif match["quote"]:
            steps.append(("key", match["key"]))
        elif match["name"] == "$root" or match["name"] in _OWN:
            steps.append(("own", match["name"]))
        else:
            steps.append(("glob" if "*" in match["name"] else "key", match["name"]))
    return tuple(steps)


def walk(scope: Scope, steps: Steps) -> Iterator[tuple[Path, Any]]:
    """Yield each value of a path with its place, in order; MISSING where a branch ends early."""
    base, value = scope.base, scope.value
    if steps and steps[0][0] == "own":
        if steps[0][1] != "$root":
            text = getattr(scope.resource, _OWN[steps[0][1]])
            yield (), text if text not in ("", None) else MISSING
            return
        base, value, steps = (), scope.resource.attributes, steps[1:]
    for count, found in enumerate(_walk(base, value, steps, 0), 1):
        yield found
        if count >= MAX_VALUES:
            yield base, Unknown(f"more than {MAX_VALUES} values")
            return


def _walk(path: Path, value: Any, steps: Steps, at: int) -> Iterator[tuple[Path, Any]]:
    if at == len(steps):
        yield path, MISSING if value is None else value
        return
    if isinstance(value, Unknown):
        yield path, value
        return
    kind, name = steps[at]
    if isinstance(value, (list, tuple)):
        if kind == "index":
            if name < len(value):
                yield from _walk((*path, name), value[name], steps, at + 1)
            else:
                yield (*path, *_rest(steps, at)), MISSING
            return
        after = at + 1 if kind == "items" else at
        for index, item in enumerate(value):
            yield from _walk((*path, index), item, steps, after)
        if not value:
            yield (*path, *_rest(steps, after)), MISSING
    elif kind == "items" or (kind == "index" and name == 0):
        if value is not None and value is not MISSING:
            yield from _walk(path, value, steps, at + 1)
        else:
            yield (*path, *_rest(steps, at)), MISSING
    elif isinstance(value, Mapping):
        yield from _keys(path, value, steps, at)
    else:
        yield (*path, *_rest(steps, at)), MISSING


def _keys(path: Path, value: Mapping[str, Any], steps: Steps, at: int) -> Iterator[tuple[Path, Any]]:
    kind, name = steps[at]
    if kind == "key" and name in value:
        yield from _walk((*path, name), value[name], steps, at + 1)
        return
    hits = [key for key in value if fnmatchcase(str(key), name)] if kind == "glob" else []
    for key in hits:
        yield from _walk((*path, key), value[key], steps, at + 1)
    if isinstance(value, Open):
        yield (*path, *_rest(steps, at)), Unknown(value.reason)
    elif not hits:
        yield (*path, *_rest(steps, at)), MISSING


def _rest(steps: Steps, at: int) -> Path:
    return tuple(str(name) for kind, name in steps[at:] if kind in ("key", "glob"))


# Resources by kind, by class, and by what they refer to


class Inventory:
    """All resources of one group, found by kind, class, reference or value without looking at each."""

    def __init__(self, resources: Sequence[Resource]) -> None:
        self.resources = list(resources)
        self.by_address = {resource.address: resource for resource in resources}
        self._kinds: dict[str, list[Resource]] = defaultdict(list)
        self._classes: dict[str, list[Resource]] = defaultdict(list)
        self._links: dict[tuple[Any, ...], _Links] = {}
        self._chosen: dict[tuple[Any, ...], list[Resource]] = {}
        for resource in resources:
            self._kinds[resource.kind].append(resource)
            for name in resource.classes:
                self._classes[name].append(resource)

    def chosen(self, kinds: Names, classes: Names) -> list[Resource]:
        """Return the resources of one of these kinds (or patterns) or classes, in the order of the group."""
        key = kinds, classes
        if key not in self._chosen:
            self._chosen[key] = list(self._choose(kinds, classes))
        return self._chosen[key]

    def _choose(self, kinds: Names, classes: Names) -> Iterator[Resource]:
        seen = set()
        names = [
            name
            for kind in kinds
            for name in ([kind] if "*" not in kind else sorted(self._kinds))
            if fnmatchcase(name, kind)
        ]
        for resource in [r for name in names for r in self._kinds.get(name, ())] + [
            r for name in classes for r in self._classes.get(name, ())
        ]:
            if id(resource) not in seen:
                seen.add(id(resource))
                yield resource

    def links(self, kinds: Names, classes: Names, steps: Steps) -> _Links:
        """Return the index of what these resources name at a path."""
        key = kinds, classes, steps
        if key not in self._links:
            self._links[key] = _Links(self, self.chosen(kinds, classes), steps)
        return self._links[key]

    def opaque_users(self, address: str) -> list[Resource]:
        """Return the things that cannot be looked into (a module from elsewhere) and refer to this address."""
        return [
            r
            for r in self._classes.get("opaque", ())
            if any(_bare(address) in map(_bare, n) for n in r.references.values())
        ]


_KEYS = re.compile(r"\[[^\]]*\]")


def _bare(address: str) -> str:
    return _KEYS.sub("", address)


def names_at(resource: Resource, path: Path, value: Any) -> set[str]:
    """Return the addresses that a resource refers to at an attribute path, or anywhere below it."""
    found = {name for at, names in resource.references.items() if at[: len(path)] == path for name in names}
    if isinstance(value, str):
        found |= {_owner(name) for name in REFERENCE.findall(value)}
    return found


def _owner(name: str) -> str:
    """Return ``aws_s3_bucket.data["a"]`` of ``aws_s3_bucket.data["a"].id``."""
    head, dot, tail = name.rpartition(".")
    return head if dot and "]" not in tail else name


class _Links:
    """Which resources name an address or a literal value at one path."""

    def __init__(self, inventory: Inventory, resources: Sequence[Resource], steps: Steps) -> None:
        self.references: dict[str, list[Resource]] = defaultdict(list)
        self.literals: dict[str, list[Resource]] = defaultdict(list)
        self.unknown: list[tuple[Resource, str]] = []
        for resource in resources:
            for path, value in walk(scope_of(resource, inventory, {}), steps):
                names = names_at(resource, path, value)
                for name in sorted(names):
                    self.references[name].append(resource)
                for item in as_list(value):
                    if isinstance(item, Unknown) and not names:
                        self.unknown.append((resource, item.reason))
                    elif isinstance(item, str):
                        self.literals[item].append(resource)


# Conditions


class _Compiler:
    """Turns the plain values of one check into closures. Raises UsageError that names rule, check and key."""

    def __init__(self, where: str) -> None:
        self.where = where

    def fail(self, text: str) -> UsageError:
        return UsageError(f"{self.where}: {text}")

    def path(self, value: Any) -> Steps:
        if not isinstance(value, str):
            raise self.fail(f"a path is text, not {value!r}")
        try:
            return parse_path(value)
        except ValueError as error:
            raise self.fail(str(error)) from None

    def condition(self, spec: Any, negated: bool = False) -> Condition:
        if not isinstance(spec, Mapping) or not spec:
            raise self.fail(f"a condition is a mapping, not {spec!r}")
        keys = set(spec)
        for name in ("all", "any"):
            if keys == {name}:
                return self.several(name, spec[name], negated)
        if keys == {"not"}:
            return _negation(self.condition(spec["not"], not negated))
        for name in ("each", "some"):
            if keys == {name, "cond"}:
                return _quantified(name, self.path(spec[name]), self.condition(spec["cond"], negated))
        if keys == {"related"}:
            return self.related(spec["related"], negated)
        if "path" in keys:
            return self.leaf(spec, negated)
        raise self.fail(f"no condition has the keys {', '.join(sorted(map(str, keys)))}")

    def several(self, name: str, specs: Any, negated: bool) -> Condition:
        if not isinstance(specs, list) or not specs:
            raise self.fail(f"{name!r} takes a list of conditions")
        parts = [self.condition(spec, negated) for spec in specs]
        return _all(parts) if name == "all" else _any(parts)

    def leaf(self, spec: Mapping[str, Any], negated: bool) -> Condition:
        for key in spec:
            if key not in ("path", "op", "value", "value_of", "default"):
                raise self.fail(f"unknown key {key!r} of a comparison")
        op = str(spec.get("op", "eq"))
        op = op.lower() if isinstance(spec.get("op"), bool) else op  # YAML reads true as a boolean
        positive = NEGATED.get(op, op)
        if positive not in OPERATORS:
            raise self.fail(f"unknown operator {op!r}; known are {', '.join(sorted({*OPERATORS, *NEGATED}))}")
        if op not in BARE and "value" not in spec and "value_of" not in spec:
            raise self.fail(f"the operator {op!r} needs a value")
        if positive == "matches":
            for pattern in as_list(spec.get("value")):
                try:
                    re.compile(str(pattern))
                except re.error as error:
                    raise self.fail(f"the pattern {pattern!r} is not valid: {error}") from None
        argument = self.path(spec["value_of"]) if "value_of" in spec else None
        expected = _expected(op, spec.get("value", spec.get("value_of")), negated)
        default = spec.get("default", MISSING)
        return _leaf(self.path(spec["path"]), positive, op != positive, spec.get("value"), argument, expected, default)

    def kinds(self, spec: Mapping[str, Any]) -> tuple[Names, Names]:
        kinds = tuple(str(item) for item in as_list(spec.get("kind")))
        classes = tuple(str(item) for item in as_list(spec.get("class")))
        if not kinds and not classes:
            raise self.fail("name a kind or a class")
        return kinds, classes

    def related(self, spec: Any, negated: bool) -> Condition:
        if not isinstance(spec, Mapping):
            raise self.fail("'related' takes a mapping")
        for key in spec:
            if key not in ("kind", "class", "via", "where", "every", "count"):
                raise self.fail(f"unknown key {key!r} of 'related'")
        kinds, classes = self.kinds(spec)
        where = self.condition(spec["where"], negated) if "where" in spec else None
        links = [self.link(link, kinds, classes) for link in as_list(spec.get("via"))]
        count = spec.get("count", {"op": "ge", "value": 1})
        count = count if isinstance(count, Mapping) else {"op": "eq", "value": count}
        if count.get("op", "ge") not in ("eq", "lt", "le", "gt", "ge") or not isinstance(count.get("value"), int):
            raise self.fail("'count' takes an op (eq, lt, le, gt, ge) and a whole number")
        return _related(kinds, classes, links, where, bool(spec.get("every")), count)

    def link(self, spec: Any, kinds: Names, classes: Names) -> Link:
        if not isinstance(spec, Mapping):
            raise self.fail("'via' takes a mapping or a list of them")
        side = spec.get("refers_to", "self")
        if side not in ("self", "other"):
            raise self.fail("'refers_to' is self or other")
        if set(spec) <= {"path", "refers_to", "match"} and "path" in spec:
            match = tuple(self.path(item) for item in as_list(spec.get("match", ["id", "name", "arn"])))
            return _reference_link(self.path(spec["path"]), side, match, kinds, classes)
        if set(spec) == {"equal"} and isinstance(spec["equal"], Mapping):
            return _equal_link(
                [(self.path(theirs), self.path(ours)) for theirs, ours in spec["equal"].items()], kinds, classes
            )
        if set(spec) <= {"selector", "labels", "refers_to"} and {"selector", "labels"} <= set(spec):
            return _label_link(self.path(spec["selector"]), self.path(spec["labels"]), side, kinds, classes)
        raise self.fail(f"no link has the keys {', '.join(sorted(map(str, spec)))}")


def _expected(op: str, value: Any, negated: bool) -> str:
    flip = {**NEGATED, **{positive: name for name, positive in NEGATED.items()}, "true": "false", "false": "true"}
    if negated and op in flip:
        op, negated = flip[op], False
    text = (
        ", ".join(map(str, value))
        if isinstance(value, list)
        else ("true" if value is True else "false" if value is False else str(value))
    )
    phrase = {
        "eq": text, "ne": f"anything but {text}", "in": f"one of {text}", "not_in": f"none of {text}", "exists": "set",
        "absent": "not set", "empty": "empty", "not_empty": "not empty", "true": "true", "false": "false",
        "lt": f"below {text}", "le": f"at most {text}", "gt": f"above {text}", "ge": f"at least {text}",
        "glob_in": f"one of {text}", "not_glob_in": f"none of {text}", "contains": text, "not_contains": f"without {text}",
        "intersects": f"one of {text}", "not_intersects": f"none of {text}", "subset": f"only {text}", "includes": text,
    }.get(op, "")  # fmt: skip
    return "" if not phrase else (f"not {phrase}" if negated else phrase)


def _leaf(
    steps: Steps, name: str, negative: bool, value: Any, other: Steps | None, expected: str, default: Any = MISSING
) -> Condition:
    test = OPERATORS[name]
    on_missing = name == "empty"
    param = re.fullmatch(r"param\((\w+)\)", value) if isinstance(value, str) else None

    def argument(scope: Scope) -> Any:
        if other is not None:
            found = [item for _, item in walk(scope, other) if item is not MISSING]
            return found[0] if len(found) == 1 else (found or MISSING)
        return scope.params.get(param.group(1)) if param else value

    def positive(scope: Scope) -> Outcome:
        wanted = argument(scope)
        hits: list[Node] = []
        rest: list[Node] = []
        causes: list[str] = []
        for path, found in walk(scope, steps):
            node = Node(scope.resource, path, found, expected)
            if found is MISSING and default is MISSING:
                result: bool | None = on_missing
            elif found is MISSING:
                result = test(default, wanted)
            elif isinstance(found, Unknown) or isinstance(wanted, Unknown):
                result = None
                causes.append(found.reason if isinstance(found, Unknown) else wanted.reason)
            elif wanted is MISSING:
                result = False
            else:
                result = test(found, wanted)
                if result is None:
                    causes.append(_cause(found))
            (hits if result else rest).append(node)
        if hits:
            return Outcome(True, tuple(hits))
        held = [node for node in rest if node.value is not MISSING]
        return Outcome(None if causes else False, tuple(held or rest[:1]), tuple(dict.fromkeys(causes)))

    return _negation(positive) if negative else positive


def _cause(value: Any) -> str:
    """Return the name of what is not known inside a value."""
    if isinstance(value, Unknown):
        return value.reason
    if isinstance(value, str):
        return next(iter(REFERENCE.findall(value)), "a value that is not known here")
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            if isinstance(item, (Unknown, list, tuple, Mapping)) or (isinstance(item, str) and REFERENCE.search(item)):
                return _cause(item)
    return "a value that is not known here"


def _negation(inner: Condition) -> Condition:
    def condition(scope: Scope) -> Outcome:
        outcome = inner(scope)
        return outcome if outcome.truth is None else Outcome(not outcome.truth, outcome.nodes)

    return condition


def _joined(parts: Sequence[Condition], decisive: bool) -> Condition:
    """``all`` is decided by the first False, ``any`` by the first True; otherwise the first part that is set speaks."""

    def condition(scope: Scope) -> Outcome:
        nodes: tuple[Node, ...] = ()
        causes: list[str] = []
        for part in parts:
            outcome = part(scope)
            if outcome.truth is decisive:
                return outcome
            causes += outcome.causes
            if _rank(outcome.nodes) > _rank(nodes):
                nodes = outcome.nodes
        return Outcome(None, nodes, tuple(dict.fromkeys(causes))) if causes else Outcome(not decisive, nodes)

    return condition


def _rank(nodes: tuple[Node, ...]) -> int:
    """How much nodes say: an attribute that is set more than a missing one, that more than the resource as a whole."""
    if not nodes:
        return 0
    return 3 if any(node.path and node.value is not MISSING for node in nodes) else 2 if nodes[0].path else 1


def _all(parts: Sequence[Condition]) -> Condition:
    return _joined(parts, False)


def _any(parts: Sequence[Condition]) -> Condition:
    return _joined(parts, True)


def _quantified(name: str, steps: Steps, inner: Condition) -> Condition:
    decisive = name == "some"  # one True decides "some", one False "each"

    def condition(scope: Scope) -> Outcome:
        deciding: list[Node] = []
        others: list[Node] = []
        causes: list[str] = []
        for path, value in walk(scope, steps):
            if value is MISSING:
                others.append(Node(scope.resource, path, value))
                continue
            if isinstance(value, Unknown):
                causes.append(value.reason)
                continue
            outcome = inner(Scope(scope.resource, scope.inventory, scope.params, path, value))
            causes += outcome.causes
            if outcome.truth is decisive:
                deciding += outcome.nodes or (Node(scope.resource, path, value),)
            else:
                others += outcome.nodes[:1] or (Node(scope.resource, path, value),)
        if deciding:
            return Outcome(decisive, tuple(deciding))
        return Outcome(None if causes else not decisive, tuple(others[:1]), tuple(dict.fromkeys(causes)))

    return condition


# Joins

Candidate = tuple[Resource, str]
"""A resource that is linked, and "" when that is certain, else the cause of the doubt."""

Link = Callable[[Scope, "list[Candidate] | None"], list[Candidate]]
"""Narrows the candidates; None stands for all of the kinds."""


def _own_names(scope: Scope, match: Sequence[Steps]) -> list[str]:
    return [value for steps in match for _, value in walk(scope, steps) if isinstance(value, str) and value]


def _narrowed(found: Mapping[int, Candidate], candidates: list[Candidate] | None) -> list[Candidate]:
    if candidates is None:
        return list(found.values())
    return [(one, cause or found[id(one)][1]) for one, cause in candidates if id(one) in found]


def _reference_link(steps: Steps, side: str, match: tuple[Steps, ...], kinds: Names, classes: Names) -> Link:
    def to_self(scope: Scope, candidates: list[Candidate] | None) -> list[Candidate]:
        index = scope.inventory.links(kinds, classes, steps)
        found: dict[int, Candidate] = {id(one): (one, cause) for one, cause in index.unknown}
        certain = list(index.references.get(scope.resource.address, ()))
        for name in _own_names(scope_of(scope.resource, scope.inventory, scope.params), match):
            certain += index.literals.get(name, ())
        found.update({id(one): (one, "") for one in certain})
        return _narrowed(found, candidates)

    def to_other(scope: Scope, candidates: list[Candidate] | None) -> list[Candidate]:
        pool = [(one, "") for one in scope.inventory.chosen(kinds, classes)] if candidates is None else candidates
        found: dict[int, Candidate] = {}
        for path, value in walk(scope, steps):
            names = names_at(scope.resource, path, value)
            literals = {item for item in as_list(value) if isinstance(item, str)}
            for other, cause in pool:
                own = _own_names(scope_of(other, scope.inventory, {}), match) if literals else ()
                if other.address in names or not literals.isdisjoint(own):
                    found[id(other)] = other, cause
                elif isinstance(value, Unknown) and not names:
                    found.setdefault(id(other), (other, value.reason))
        return list(found.values())

    return to_self if side == "self" else to_other


def _pairwise(test: Callable[[Scope, Resource], bool | str], kinds: Names, classes: Names) -> Link:
    """Return a link that asks ``test`` about each candidate: linked, not linked, or the cause of a doubt."""

    def link(scope: Scope, candidates: list[Candidate] | None) -> list[Candidate]:
        pool = [(one, "") for one in scope.inventory.chosen(kinds, classes)] if candidates is None else candidates
        tested = [(one, cause, test(scope, one)) for one, cause in pool]
        return [(one, result if isinstance(result, str) else cause) for one, cause, result in tested if result]

    return link


def _equal_link(pairs: list[tuple[Steps, Steps]], kinds: Names, classes: Names) -> Link:
    def test(scope: Scope, other: Resource) -> bool | str:
        doubt = ""
        for theirs, ours in pairs:
            held = [value for _, value in walk(scope_of(other, scope.inventory, {}), theirs) if value is not MISSING]
            mine = [value for _, value in walk(scope, ours) if value is not MISSING]
            unknown = [value.reason for value in (*held, *mine) if isinstance(value, Unknown)]
            if unknown:
                doubt = unknown[0]
            elif not any(value in mine for value in held):
                return False
        return doubt or True

    return _pairwise(test, kinds, classes)


def _label_link(selector: Steps, labels: Steps, side: str, kinds: Names, classes: Names) -> Link:
    def first(scope: Scope, steps: Steps) -> Any:
        return next((value for _, value in walk(scope, steps)), MISSING)

    def test(scope: Scope, other: Resource) -> bool | str:
        theirs = scope_of(other, scope.inventory, {})
        picking, picked = (theirs, scope) if side == "self" else (scope, theirs)
        return selects(first(picking, selector), first(picked, labels))

    return _pairwise(test, kinds, classes)


def selects(selector: Any, labels: Any) -> bool | str:
    """Say whether a label selector picks something with these labels. A selector that is missing picks nothing, an empty one all.

    The cause is returned when either is unknown. Both the plain form and matchLabels with matchExpressions are read.
    """
    if isinstance(selector, Unknown) or isinstance(labels, Unknown):
        return selector.reason if isinstance(selector, Unknown) else labels.reason
    if not isinstance(selector, Mapping):
        return False
    held: Mapping[str, Any] = labels if isinstance(labels, Mapping) else {}
    structured = "matchLabels" in selector or "matchExpressions" in selector
    plain = selector.get("matchLabels") or {} if structured else selector
    expressions = as_list(selector.get("matchExpressions")) if structured else []
    if not isinstance(plain, Mapping) or any(not isinstance(one, Mapping) for one in expressions):
        return False
    return all(held.get(key) == value for key, value in plain.items()) and all(
        _expressed(one, held) for one in expressions
    )


def _expressed(expression: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    key, values = expression.get("key"), as_list(expression.get("values"))
    operator = expression.get("operator")
    if operator in ("Exists", "DoesNotExist"):
        return bool((key in labels) == (operator == "Exists"))
    inside = key in labels and labels[str(key)] in values
    return inside if operator == "In" else not inside


def _related(
    kinds: Names, classes: Names, links: list[Link], where: Condition | None, every: bool, count: Mapping[str, Any]
) -> Condition:
    test, limit = OPERATORS[count.get("op", "ge")], count["value"]

    def condition(scope: Scope) -> Outcome:
        linked: list[Candidate] | None = None
        for link in links:
            linked = link(scope, linked)
        if linked is None:
            linked = [(one, "") for one in scope.inventory.chosen(kinds, classes)]
        good, bad, doubts = _sorted(scope, linked, where)
        if every and bad and not all(cause for _, _, cause in bad):
            return Outcome(False, next(nodes for _, nodes, cause in bad if not cause))
        least, most = len(good), len(good) + len(doubts)
        results = {test(number, limit) for number in range(least, most + 1)} if most - least < 50 else {True, False}
        opaque = [] if len(results) > 1 else scope.inventory.opaque_users(scope.resource.address)
        if opaque and not linked and True not in results:
            return Outcome(None, (), (f"what {opaque[0].address} creates",))
        if len(results) > 1:
            return Outcome(None, (), tuple(dict.fromkeys(cause for _, cause in doubts)))
        if True in results:
            return Outcome(True, good[0][1] if good else (Node(scope.resource, (), MISSING),))
        failing = [nodes for _, nodes, cause in bad if not cause]
        return Outcome(False, failing[0] if failing else (Node(scope.resource, (), MISSING),))

    return condition


def _sorted(
    scope: Scope, linked: Sequence[Candidate], where: Condition | None
) -> tuple[list[tuple[Resource, tuple[Node, ...]]], list[tuple[Resource, tuple[Node, ...], str]], list[Candidate]]:
    """Return the linked resources that meet the condition, those that do not, and the doubtful ones."""
    good: list[tuple[Resource, tuple[Node, ...]]] = []
    bad: list[tuple[Resource, tuple[Node, ...], str]] = []
    doubts: list[Candidate] = []
    for other, cause in linked:
        head = (Node(other, (), other.name),)
        outcome = where(scope_of(other, scope.inventory, scope.params)) if where else Outcome(True, head)
        nodes = outcome.nodes or head
        if outcome.truth is False:
            bad.append((other, nodes, cause))
        elif outcome.truth is None or cause:
            doubts.append((other, cause or outcome.causes[0]))
        else:
            good.append((other, nodes))
    return good, bad, doubts


# Checks


@dataclass(frozen=True, slots=True)
class Check:
    """One compiled check of a rule. ``report`` is None for the deciding attribute, "self" or "related", or the steps of a path."""

    rule: str
    name: str
    kinds: Names
    classes: Names
    where: Condition | None
    condition: Condition
    forbids: bool
    report: str | Steps | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    skips_unknown: bool = False
    hides: bool = False  # the source line holds a secret, so an excerpt shows no more than what was found
    scaled: bool = False  # as bad as the data that the resource holds

    def judge(self, resource: Resource, inventory: Inventory, params: Mapping[str, Any]) -> Outcome | None:
        """Return whether the resource is as it should be (None: unknown), or None when the check does not apply."""
        if self.scaled and resource.data_class and not protected(resource.data_class):
            return None
        scope = scope_of(resource, inventory, {**self.params, **params})
        applies = self.where(scope) if self.where else Outcome(True)
        if applies.truth is False:
            return None
        outcome = self.condition(scope)
        if self.forbids and outcome.truth is not None:
            outcome = Outcome(not outcome.truth, outcome.nodes)
        if applies.truth is None and outcome.truth is not True:
            return Outcome(None, (), (*applies.causes, *outcome.causes))
        return outcome


_CHECK_KEYS = frozenset(
    {
        "select",
        "require",
        "forbid",
        "report",
        "message",
        "fix",
        "params",
        "unresolved",
        "hide",
        "severity",
        "scaled",
        "peers",
    }
)


def compile_check(rule: str, name: str, spec: Mapping[str, Any]) -> Check:
    """Return a check ready to be evaluated. Raises UsageError that names the rule, the check and the key."""
    compiler = _Compiler(f"{rule}, check {name!r}")
    for key in spec:
        if key not in _CHECK_KEYS:
            raise compiler.fail(f"unknown key {key!r}; known are {', '.join(sorted(_CHECK_KEYS))}")
    if ("require" in spec) == ("forbid" in spec):
        raise compiler.fail("give either 'require' or 'forbid'")
    select = spec.get("select")
    if not isinstance(select, Mapping) or not set(select) <= {"kind", "class", "where"}:
        raise compiler.fail("'select' takes kind, class and where")
    params = spec.get("params") or {}
    if not isinstance(params, Mapping):
        raise compiler.fail("'params' takes a mapping")
    for wanted in sorted(set(re.findall(r"param\((\w+)\)", str(spec)))):
        if wanted not in params:
            raise compiler.fail(f"the parameter {wanted!r} has no default under 'params'")
    kinds, classes = compiler.kinds(select)
    forbids = "forbid" in spec
    report = spec.get("report")
    return Check(
        rule=rule,
        name=name,
        kinds=kinds,
        classes=classes,
        where=compiler.condition(select["where"]) if "where" in select else None,
        condition=compiler.condition(spec["forbid" if forbids else "require"], forbids),
        forbids=forbids,
        report=report if report in (None, "self", "related") else compiler.path(report),
        params=params,
        skips_unknown=spec.get("unresolved") == "skip",
        scaled=bool(spec.get("scaled")),
        hides=bool(spec.get("hide")) or "is_secret_like" in str(spec),
    )


def place(steps: Steps, like: Path) -> Path:
    """Return the path of ``steps`` with the list indices of ``like``, as far as both run alike."""
    names = [name for kind, name in steps if kind in ("key", "glob", "index")]
    result: list[str | int] = []
    rest = list(like)
    for name in names:
        if rest and rest[0] == name:
            rest.pop(0)
            result.append(name)
            while rest and isinstance(rest[0], int):
                result.append(rest.pop(0))
        else:
            rest = []
            result.append(name)
    return tuple(result)
