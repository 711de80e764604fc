"""Conditions over resources as functions: true, false or unknown, and the attributes that decided."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from mlguard.scanners.infra.inventory import (
    MISSING,
    Candidate,
    Link,
    Names,
    Node,
    Scope,
    Steps,
    scope_of,
    walk,
)
from mlguard.scanners.infra.operators import OPERATORS
from mlguard.scanners.infra.resources import REFERENCE, Either, Resource, Unknown


class Outcome(NamedTuple):
    """The truth of a condition (None: unknown), the nodes that decided it, and the causes of an unknown.

    ``trail`` are the resources that a chain of joins went over to get to the node, the nearest first.
    """

    truth: bool | None
    nodes: tuple[Node, ...] = ()
    causes: tuple[str, ...] = ()
    trail: tuple[Resource, ...] = ()


Condition = Callable[[Scope], Outcome]


def comparison(
    steps: Steps,
    name: str,
    negative: bool,
    value: Any,
    other: Steps | None,
    expected: str,
    default: Any = MISSING,
    set_is_fine: bool = False,
) -> Condition:
    """Return the comparison of the values of a path with ``value``, or with those of the path ``other``.

    ``negative`` turns it around, ``default`` stands for what is missing, ``expected`` is what a message asks for.
    ``set_is_fine`` takes an input that somebody must give as set.
    """
    test = OPERATORS[name]
    on_missing = name == "empty"
    param = re.fullmatch(r"param\((\w+)\)", value) if isinstance(value, str) else None
    fixed = other is None and param is None

    def argument(scope: Scope) -> Any:
        if other is not None:
            found = [item for _, item in walk(scope, other) if item is not MISSING]
            return found[0] if len(found) == 1 else (found or MISSING)
        return scope.params.get(param.group(1)) if param else value

    def judged(found: Any, wanted: Any, causes: list[str]) -> bool | None:
        if found is MISSING:
            return on_missing if default is MISSING else test(default, wanted)
        if set_is_fine and isinstance(found, Unknown) and found.given:
            return name != "empty"
        if name == "suggests" and isinstance(found, Unknown):
            return False
        if isinstance(found, Either):
            results = {judged(MISSING if one is None else one, wanted, []) for one in found.options}
            if len(results) == 1 and None not in results:
                return results.pop()
        if isinstance(found, Unknown) or isinstance(wanted, Unknown):
            causes.append(found.reason if isinstance(found, Unknown) else wanted.reason)
            return None
        if wanted is MISSING:
            return False
        result = test(found, wanted)
        if result is None and isinstance(found, (list, tuple, Mapping)):
            results = {test(one, wanted) for one in variants(found)}
            result = results.pop() if len(results) == 1 else None
        if result is None:
            causes.append(_cause(found))
        return result

    def positive(scope: Scope) -> Outcome:
        wanted = value if fixed else argument(scope)
        causes: list[str] = []
        places = walk(scope, steps)
        if type(places) is list and len(places) == 1:  # most conditions: one attribute
            path, found = places[0]
            nodes = (Node(scope.resource, path, found, expected),)
            if found is MISSING and default is MISSING:
                return Outcome(on_missing, nodes)
            result = judged(found, wanted, causes)
            return Outcome(None if causes else bool(result), nodes, tuple(causes))
        hits: list[Node] = []
        rest: list[Node] = []
        for path, found in places:
            node = Node(scope.resource, path, found, expected)
            (hits if judged(found, wanted, causes) else rest).append(node)
        if hits:
            return Outcome(True, tuple(hits))
        held = [node for node in rest if node.value is not MISSING]
        return Outcome(None if causes else False, tuple(held or rest[:1]), tuple(dict.fromkeys(causes)))

    return negation(positive) if negative else positive


MAX_PARTS = 200
"""Elements of a list, or entries of a mapping, that are looked at for values that may be one or another."""

MAX_VARIANTS = 32
"""What a list or mapping may come to, where several of its values are one of two or more."""


def variants(value: Any, depth: int = 2) -> list[Any]:
    """Return what a value may come to whose parts are ``Either``; nothing where no part is, or where it would be too much."""
    if isinstance(value, Either):
        return list(value.options)
    if depth < 0 or not isinstance(value, (list, tuple, Mapping)):
        return []
    parts = list(value.values()) if isinstance(value, Mapping) else list(value)
    if len(parts) > MAX_PARTS:
        return []
    found = [variants(one, depth - 1) for one in parts]
    number = math.prod(len(one) or 1 for one in found)
    if number > MAX_VARIANTS or not any(found):
        return []
    chosen = itertools.product(*(options or [part] for options, part in zip(found, parts, strict=True)))
    if isinstance(value, Mapping):
        return [dict(zip(value, one, strict=True)) for one in chosen]
    return [[part for part in one if part is not None] for one in chosen]


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


def negation(inner: Condition) -> Condition:
    """Return the opposite, decided by the same attributes; unknown stays unknown."""

    def condition(scope: Scope) -> Outcome:
        truth, nodes, causes, trail = inner(scope)
        return Outcome(None if truth is None else not truth, nodes, causes, trail)

    return condition


def joined(parts: Sequence[Condition], decisive: bool) -> Condition:
    """Return what is decided by the first part that is ``decisive``: False for ``all``, True for ``any``.

    Otherwise the first part speaks that is about an attribute which is set.
    """

    def condition(scope: Scope) -> Outcome:
        return _settled((part(scope) for part in parts), decisive)

    return condition


def _settled(outcomes: Iterable[Outcome], decisive: bool) -> Outcome:
    """Return the first outcome that decides, else what all come to."""
    best, rank = Outcome(None), 0
    causes: list[str] = []
    for outcome in outcomes:
        if outcome.truth is decisive:
            return outcome
        causes += outcome.causes
        if rank < MOST_SAID and (own := _rank(outcome.nodes)) > rank:
            best, rank = outcome, own
    truth = None if causes else not decisive
    return Outcome(truth, best.nodes, tuple(dict.fromkeys(causes)), best.trail)


MOST_SAID = 3


def _rank(nodes: tuple[Node, ...]) -> int:
    """How much nodes say: an attribute that is set more than a missing one, that more than the resource as a whole."""
    if not nodes:
        return 0
    for node in nodes:
        if node.path and node.value is not MISSING:
            return MOST_SAID
    return 2 if nodes[0].path else 1


def parts_of(parts: Sequence[Condition], decisive: bool, written: bool = False) -> Condition:
    """Join like ``joined``, but tell each part that decides; with ``written`` those alone in which a wrong value stands.

    What the resource itself lacks is told only where nothing wrong is written.
    """

    def condition(scope: Scope) -> Outcome:
        outcomes = [part(scope) for part in parts]
        told = [one for one in outcomes if one.truth is decisive]
        if not told:
            return _settled(outcomes, decisive)
        wrong = [one for one in told if _rank(one.nodes) == MOST_SAID]
        if wrong and not written:
            nested = len(scope.base) + 1
            wrong = [
                one for one in told if _rank(one.nodes) == MOST_SAID or any(len(at.path) > nested for at in one.nodes)
            ]
        told = wrong or (told[:1] if written else told)
        return told[0]._replace(nodes=tuple(node for one in told for node in one.nodes))

    return condition


def quantified(name: str, steps: Steps, inner: Condition) -> Condition:
    """Return what asks the elements of a path: ``some`` of them, or ``each``."""
    decisive = name == "some"  # one True decides "some", one False "each"

    def condition(scope: Scope) -> Outcome:
        deciding: list[Node] = []
        others: list[Node] = []
        causes: list[str] = []
        trail: tuple[Resource, ...] = ()
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
                trail = trail or outcome.trail
                deciding += outcome.nodes or (Node(scope.resource, path, value),)
            else:
                others += outcome.nodes[:1] or (Node(scope.resource, path, value),)
        if deciding:
            return Outcome(decisive, tuple(deciding), trail=trail)
        return Outcome(None if causes else not decisive, tuple(others[:1]), tuple(dict.fromkeys(causes)))

    return condition


def related(
    kinds: Names, classes: Names, links: list[Link], where: Condition | None, every: bool, count: Mapping[str, Any]
) -> Condition:
    """Return what asks the resources that all links lead to: as many meet ``where`` as ``count`` says, ``every``: and no other."""
    test, limit = OPERATORS[count.get("op", "ge")], count["value"]

    def condition(scope: Scope) -> Outcome:
        linked: list[Candidate] | None = None
        for link in links:
            linked = link(scope, linked)
        if linked is None:  # the same for every resource that asks
            everything = [(one, "") for one in scope.inventory.chosen(kinds, classes)]
            key = condition, repr(scope.params)
            good, bad, doubts = scope.inventory.once(key, lambda: _sorted(scope, everything, where))
            linked = everything
        else:
            good, bad, doubts = _sorted(scope, linked, where)
        certain = [outcome for outcome, cause in bad if not cause]
        if every and certain:
            return certain[0]
        least, most = len(good), len(good) + len(doubts)
        results = {test(number, limit) for number in range(least, most + 1)} if most - least < 50 else {True, False}
        opaque = [] if len(results) > 1 else scope.inventory.opaque_users(scope.resource.address)
        if opaque and not linked and True not in results:
            return Outcome(None, (), (f"what {opaque[0].address} creates",))
        if len(results) > 1:
            return Outcome(None, (), tuple(dict.fromkeys(cause for _, cause in doubts)))
        head = Outcome(True in results, (Node(scope.resource, (), MISSING),))
        if True in results:
            return good[0] if good else head
        return certain[0] if certain else head

    return condition


def _sorted(
    scope: Scope, linked: Sequence[Candidate], where: Condition | None
) -> tuple[list[Outcome], list[tuple[Outcome, str]], list[Candidate]]:
    """Return what the linked resources that meet the condition say, those that do not, and the doubtful ones."""
    good: list[Outcome] = []
    bad: list[tuple[Outcome, str]] = []
    doubts: list[Candidate] = []
    for other, cause in linked:
        outcome = where(scope_of(other, scope.inventory, scope.params)) if where else Outcome(True)
        nodes = outcome.nodes or (Node(other, (), other.name),)
        said = Outcome(outcome.truth, nodes, trail=(other, *outcome.trail))
        if outcome.truth is False:
            bad.append((said, cause))
        elif outcome.truth is None or cause:
            doubts.append((other, cause or outcome.causes[0]))
        else:
            good.append(said)
    return good, bad, doubts
