"""The rule language of infrastructure: conditions over normalised resources, true, false or unknown.

A check on a rule's page::

    select: {kind: aws_s3_bucket | [..] | class: container, where: <condition>}     # a kind may be a shell pattern
    require: <condition>        # or forbid: <condition>
    report: <path> | self               # optional: which attribute to show, or the resource; default: what decided
    message, fix                        # optional: instead of those of the page
    params: {name: value}               # optional: "param(name)" as a value stands for it; the configuration may set it
    unresolved: skip                    # optional: an unknown is no gap
    severity: low                       # optional: lower than the rule's
    scaled: true                        # optional: of a store whose data class is declared as unprotected nothing is said,
                                        # and of one without a data class only a note (severity low)
    peers: [CKV_AWS_16, AWS-0080]       # optional: ids of other tools' checks that ask the same
    hide: true                          # optional: the source line holds a secret and is never shown

A condition is one of::

    {path: a.b[].c, op: eq, value: 1}            # value_of: other.path compares with another attribute; default: the
                                                 # value that the provider takes where the attribute is not set
    {all: [..]}  {any: [..]}  {not: ..}
    {parts: [..]}                       # as all, but each part that fails is told, not the first of them alone
    {each: path, cond: ..}  {some: path, cond: ..}      # paths inside start at the element; "." is the element itself
    {related: {kind | class, via: .., where: .., every: true, count: {op: ge, value: 1}}}
                                        # linked resources that meet ``where``: one or more, or as many as ``count`` says;
                                        # every: and no linked one that does not meet it
    {chain: [{kind, via}, {kind, via, where}, <condition>]}    # joins one after the other, each seen from the one before

Paths: names with dots, ``[]`` for the elements of a list (one value counts as a list of itself, and a name after a list
goes into each element), ``[0]``, ``*`` or a pattern for keys, ``['a.b/c']`` for a key with dots, ``$root.`` for the
resource from inside an element, ``.$json.`` for what a JSON text says, and ``$name $kind $classes $address $namespace $path
$region $data_class $format`` of the resource.
The outermost ``all`` of what is required and ``any`` of what is forbidden tell each part in which a wrong value is written;
where one attribute follows from another, put it one level deeper.
A comparison over several values holds when it holds for one; a negated operator (ne, not_in, absent, not_matches ..)
holds when it holds for all, and for something missing. A value that only a deployment knows makes a comparison unknown; a
check that comes to unknown neither passes nor fails, and leaves a gap that names the value.

``via`` links the other resource with this one (without it, any will do); a list of links must hold together::

    {path: bucket, refers_to: self, match: [id, bucket]}     # its attribute names this one: by reference, or literally as
                                                             # one of these attributes (default: id, name, arn)
    {path: subnet_id, refers_to: other, match: [id]}         # this one's attribute names the other
    {equal: {its.path: our.path}}                            # both are set and equal
    {selector: spec.selector, labels: spec.template.metadata.labels, refers_to: self | other}   # a label selector picks
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mlguard.errors import ConditionError
from mlguard.scanners.infra.inventory import (
    MISSING,
    Inventory,
    Link,
    Names,
    Steps,
    equal_link,
    label_link,
    parse_path,
    reference_link,
    scope_of,
)
from mlguard.scanners.infra.operators import BARE, NEGATED, OPERATORS, as_list
from mlguard.scanners.infra.resources import Path, Resource, protected
from mlguard.scanners.infra.truth import (
    Condition,
    Outcome,
    comparison,
    joined,
    negation,
    parts_of,
    quantified,
    related,
)
from mlguard.values import dataclass, field

_ASKS_WHETHER_SET = frozenset({"exists", "empty", "own_key"})
"""Operators that an input without a default satisfies, as far as that lets a check pass: never to select or to fail."""


class _Compiler:
    """Turns the plain values of one check into closures. Raises ConditionError that names rule, check and key."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.lenient = False  # whether what is compiled decides that a check passes
        self.part: object = None  # what is being compiled

    def fail(self, text: str) -> ConditionError:
        return ConditionError(f"{self.where}: {text}", self.part)

    def path(self, value: Any) -> Steps:
        if not isinstance(value, str):
            raise self.fail(f"a path is text, not {value!r}")
        try:
            return parse_path(value)
        except ValueError as error:
            raise self.fail(str(error)) from None

    def condition(self, spec: Any, negated: bool = False) -> Condition:
        self.part = spec if isinstance(spec, Mapping) else self.part
        if not isinstance(spec, Mapping) or not spec:
            raise self.fail(f"a condition is a mapping, not {spec!r}")
        keys = set(spec)
        for name in ("all", "any", "parts"):
            if keys == {name}:
                return self.several(name, spec[name], negated)
        if keys == {"not"}:
            return negation(self.condition(spec["not"], not negated))
        for name in ("each", "some"):
            if keys == {name, "cond"}:
                return quantified(name, self.path(spec[name]), self.condition(spec["cond"], negated))
        if keys == {"related"}:
            return self.related(spec["related"], negated)
        if keys == {"chain"}:
            return self.chain(spec["chain"], negated)
        if "path" in keys:
            return self.leaf(spec, negated)
        raise self.fail(f"no condition has the keys {', '.join(sorted(map(str, keys)))}")

    def several(self, name: str, specs: Any, negated: bool) -> Condition:
        if not isinstance(specs, list) or not specs:
            raise self.fail(f"{name!r} takes a list of conditions")
        parts = [self.condition(spec, negated) for spec in specs]
        return parts_of(parts, False) if name == "parts" else joined(parts, name == "any")

    def outermost(self, spec: Any, forbids: bool) -> Condition:
        """Compile what a check asks as a whole: each part of it in which a wrong value is written is told."""
        name = "any" if forbids else "all"
        if isinstance(spec, Mapping) and set(spec) == {name} and isinstance(spec[name], list) and spec[name]:
            return parts_of([self.condition(one, forbids) for one in spec[name]], forbids, written=True)
        return self.condition(spec, forbids)

    def leaf(self, spec: Mapping[str, Any], negated: bool) -> Condition:
        for key in spec:
            if key not in ("path", "op", "value", "value_of", "default"):
                raise self.fail(f"unknown key {key!r} of a comparison")
        op = str(spec.get("op", "eq"))
        op = op.lower() if isinstance(spec.get("op"), bool) else op  # YAML reads true as a boolean
        positive = NEGATED.get(op, op)
        if positive not in OPERATORS:
            from difflib import get_close_matches

            near = get_close_matches(op, {*OPERATORS, *NEGATED}, 1)
            advice = f"did you mean {near[0]!r}? " if near else ""
            raise self.fail(f"unknown operator {op!r}; {advice}(mlguard rules language lists them)")
        if op not in BARE and "value" not in spec and "value_of" not in spec:
            raise self.fail(f"the operator {op!r} needs a value")
        if positive in ("matches", "suggests"):
            for pattern in as_list(spec.get("value")):
                try:
                    re.compile(str(pattern))
                except re.error as error:
                    raise self.fail(f"the pattern {pattern!r} is not valid: {error}") from None
        argument = self.path(spec["value_of"]) if "value_of" in spec else None
        expected = _expected(op, spec.get("value", spec.get("value_of")), negated)
        default = spec.get("default", MISSING)
        steps = self.path(spec["path"])
        set_is_fine = self.lenient and positive in _ASKS_WHETHER_SET and (op in ("absent", "empty")) is negated
        return comparison(steps, positive, op != positive, spec.get("value"), argument, expected, default, set_is_fine)

    def kinds(self, spec: Mapping[str, Any]) -> tuple[Names, Names]:
        kinds = tuple(str(item) for item in as_list(spec.get("kind")))
        classes = tuple(str(item) for item in as_list(spec.get("class")))
        if not kinds and not classes:
            raise self.fail("name a kind or a class")
        return kinds, classes

    def related(self, spec: Any, negated: bool) -> Condition:
        if not isinstance(spec, Mapping):
            raise self.fail("'related' takes a mapping")
        self.part = spec
        for key in spec:
            if key not in ("kind", "class", "via", "where", "every", "count"):
                raise self.fail(f"unknown key {key!r} of 'related'")
        kinds, classes = self.kinds(spec)
        count = spec.get("count", {"op": "ge", "value": 1})
        count = count if isinstance(count, Mapping) else {"op": "eq", "value": count}
        lenient, self.lenient = self.lenient, self.lenient and count.get("op", "ge") in ("ge", "gt")
        where = self.condition(spec["where"], negated) if "where" in spec else None
        self.lenient = lenient
        links = [self.link(link, kinds, classes) for link in as_list(spec.get("via"))]
        if count.get("op", "ge") not in ("eq", "lt", "le", "gt", "ge") or not isinstance(count.get("value"), int):
            raise self.fail("'count' takes an op (eq, lt, le, gt, ge) and a whole number")
        return related(kinds, classes, links, where, bool(spec.get("every")), count)

    def chain(self, specs: Any, negated: bool) -> Condition:
        """Compile hops as joins inside each other: the last element is a hop or a condition on what the last hop found."""
        if not isinstance(specs, list) or len(specs) < 2 or not all(isinstance(one, Mapping) for one in specs):
            raise self.fail("'chain' takes a list of two or more joins, the last of which may be a condition")
        last = specs[-1]
        whole: Mapping[str, Any] = {"related": last} if {"kind", "class"} & set(last) else last
        for hop in reversed(specs[:-1]):
            inner = {"all": [hop["where"], whole]} if "where" in hop else whole
            whole = {"related": {**hop, "where": inner}}
        return self.condition(whole, negated)

    def link(self, spec: Any, kinds: Names, classes: Names) -> Link:
        if not isinstance(spec, Mapping):
            raise self.fail("'via' takes a mapping or a list of them")
        self.part = spec
        side = spec.get("refers_to", "self")
        if side not in ("self", "other"):
            raise self.fail("'refers_to' is self or other")
        if set(spec) <= {"path", "refers_to", "match"} and "path" in spec:
            match = tuple(self.path(item) for item in as_list(spec.get("match", ["id", "name", "arn"])))
            return reference_link(self.path(spec["path"]), side, match, kinds, classes)
        if set(spec) == {"equal"} and isinstance(spec["equal"], Mapping):
            return equal_link(
                [(self.path(theirs), self.path(ours)) for theirs, ours in spec["equal"].items()], kinds, classes
            )
        if set(spec) <= {"selector", "labels", "refers_to"} and {"selector", "labels"} <= set(spec):
            return label_link(self.path(spec["selector"]), self.path(spec["labels"]), side, kinds, classes)
        raise self.fail(f"no link has the keys {', '.join(sorted(map(str, spec)))}")


def _expected(op: str, value: Any, negated: bool) -> str:
    if isinstance(value, bool) and op in ("eq", "ne"):
        return str(value is ((op == "eq") is not negated)).lower()
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
        "own_key": "a key of your own", "intersects": f"one of {text}", "not_intersects": f"none of {text}", "subset": f"only {text}", "includes": text,
    }.get(op, "")  # fmt: skip
    return "" if not phrase else (f"not {phrase}" if negated else phrase)


_CERTAIN = Outcome(True)


@dataclass(frozen=True, slots=True)
class Check:
    """One compiled check of a rule. ``report`` is None for the deciding attribute, "self", or the steps of a path."""

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
    secret: bool = False  # what it finds is a secret
    scaled: bool = False  # as bad as the data that the resource holds

    def judge(self, resource: Resource, inventory: Inventory, params: Mapping[str, Any]) -> Outcome | None:
        """Return whether the resource is as it should be (None: unknown), or None when the check does not apply."""
        if self.scaled and resource.data_class and not protected(resource.data_class):
            return None
        scope = scope_of(resource, inventory, {**self.params, **params} if params else self.params)
        applies = self.where(scope) if self.where else _CERTAIN
        if applies.truth is False:
            return None
        outcome = self.condition(scope)
        if self.forbids and outcome.truth is not None:
            outcome = Outcome(not outcome.truth, outcome.nodes, outcome.causes, outcome.trail)
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
    """Return a check ready to be evaluated. Raises ConditionError that names the rule, the check and the key."""
    compiler = _Compiler(f"{rule}, check {name!r}")
    compiler.part = spec
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
    where = compiler.condition(select["where"]) if "where" in select else None
    compiler.lenient = True
    return Check(
        rule=rule,
        name=name,
        kinds=kinds,
        classes=classes,
        where=where,
        condition=compiler.outermost(spec["forbid" if forbids else "require"], forbids),
        forbids=forbids,
        report=report if report in (None, "self") else compiler.path(report),
        params=params,
        skips_unknown=spec.get("unresolved") == "skip",
        scaled=bool(spec.get("scaled")),
        hides=bool(spec.get("hide")) or "is_secret_like" in str(spec),
        secret="is_secret_like" in str(spec),
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
