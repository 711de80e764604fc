"""The resources of one group as conditions see them: values by path, and resources by kind, class, reference, value or label."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from mlguard.errors import Unreadable
from mlguard.scanners import lazy
from mlguard.scanners.infra.jsontexts import json_value
from mlguard.scanners.infra.operators import as_list
from mlguard.scanners.infra.resources import REFERENCE, Either, Open, Path, Resource, Unknown

MAX_VALUES = 20_000
"""Values that one path may yield in one resource."""


MAX_TEXT = 2**20
"""Characters of a JSON text that a path looks into."""


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


class Scope(NamedTuple):
    """Where a condition is looked at: an element of a resource, among all resources of the group."""

    resource: Resource
    inventory: Inventory
    params: Mapping[str, Any]
    base: Path = ()
    value: Any = None


Names = tuple[str, ...]
Answer = TypeVar("Answer")
Steps = tuple[tuple[str, Any], ...]


def scope_of(resource: Resource, inventory: Inventory, params: Mapping[str, Any]) -> Scope:
    """Return the scope of the resource itself."""
    return Scope(resource, inventory, params, (), resource.attributes)


# Paths

_TOKEN = lazy.pattern(
    r"\.?(?:(?P<items>\[\])|\[(?P<index>\d+)\]|\[(?P<quote>['\"])(?P<key>.*?)(?P=quote)\]|(?P<name>[^.\[\]]+))"
)
_OWN = {"$name": "name", "$kind": "kind", "$address": "address", "$namespace": "namespace", "$path": "path",
        "$region": "region", "$data_class": "data_class",
        "$classes": "classes", "$format": "format"}  # fmt: skip


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
        elif match["name"] == "$json":
            steps.append(("json", None))
        else:
            steps.append(("glob" if "*" in match["name"] else "key", match["name"]))
    return tuple(steps)


def walk(scope: Scope, steps: Steps) -> Iterable[tuple[Path, Any]]:
    """Yield each value of a path with its place, in order; MISSING where a branch ends early. What is one for sure is a list."""
    base, whole = scope.base, scope.value
    if steps and steps[0][0] == "own":
        if steps[0][1] != "$root":
            text = getattr(scope.resource, _OWN[steps[0][1]])
            return [((), text if text not in ("", None) else MISSING)]
        base, whole, steps = (), scope.resource.attributes, steps[1:]
    value = whole
    for kind, name in steps:  # most paths go through plain mappings
        if kind != "key" or type(value) is not dict:
            return _walk_all(base, whole, steps)
        value = value.get(name)
        if value is None:
            break
    return [(base + _rest(steps, 0), MISSING if value is None else value)]


def _walk_all(base: Path, value: Any, steps: Steps) -> Iterator[tuple[Path, Any]]:
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
        inside = isinstance(value, Either) and any(kind != "items" for kind, _ in steps[at:])
        yield path, Unknown(value.reason) if inside else value
        return
    kind, name = steps[at]
    if kind == "json":
        yield from _walk(path, _parsed(value), steps, at + 1)
    elif isinstance(value, (list, tuple)):
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
    elif type(value) is dict or isinstance(value, Mapping):
        yield from _keys(path, value, steps, at)
    else:
        yield (*path, *_rest(steps, at)), MISSING


def _parsed(value: Any) -> Any:
    """Return what a JSON text says; what is no text stays as it is."""
    if not isinstance(value, str):
        return value
    if REFERENCE.fullmatch(value):
        return Unknown(value[1:-1])
    try:
        return json_value(value[:MAX_TEXT])
    except Unreadable:
        return Unknown("a JSON text that cannot be read")


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


@lru_cache(10_000)
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
        self._labelled: dict[tuple[Any, ...], _Labels] = {}
        self._chosen: dict[tuple[Any, ...], list[Resource]] = {}
        self._once: dict[Any, Any] = {}
        for resource in resources:
            self._kinds[resource.kind].append(resource)
            for name in resource.classes:
                self._classes[name].append(resource)

    def once(self, key: Any, answer: Callable[[], Answer]) -> Answer:
        """Return the answer to a question that is the same for all resources of the group, asked once."""
        if key not in self._once:
            self._once[key] = answer()
        known: Answer = self._once[key]
        return known

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

    def at(self, address: str, kinds: Names, classes: Names) -> list[Resource]:
        """Return the resource with this address when it is one of these kinds or classes."""
        found = self.by_address.get(address)
        if found is None:
            return []
        fits = set(classes).intersection(found.classes) or any(fnmatchcase(found.kind, kind) for kind in kinds)
        return [found] if fits else []

    def labelled(self, kinds: Names, classes: Names, steps: Steps, selectors: bool) -> _Labels:
        """Return the index of the labels (or of the selectors) that these resources have at a path."""
        key = kinds, classes, steps, selectors
        if key not in self._labelled:
            self._labelled[key] = _Labels(self, self.chosen(kinds, classes), steps, selectors)
        return self._labelled[key]

    def opaque_users(self, address: str) -> list[Resource]:
        """Return the things that cannot be looked into (a module from elsewhere) and refer to this address."""
        return [
            r
            for r in self._classes.get("opaque", ())
            if any(_bare(address) in map(_bare, n) for n in r.references.values())
        ]


_KEYS = lazy.pattern(r"\[[^\]]*\]")


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
    """Which resources name an address or a literal value at one path; of text in a list, each element."""

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
                        for name in _spellings(item):
                            self.literals[name].append(resource)


# Joins

Candidate = tuple[Resource, str]
"""A resource that is linked, and "" when that is certain, else the cause of the doubt."""

Link = Callable[[Scope, "list[Candidate] | None"], list[Candidate]]
"""Narrows the candidates; None stands for all of the kinds."""


_BUCKET = lazy.pattern(r"^arn:aws[\w-]*:s3:::([^/*]+)$")


def _spellings(name: str) -> tuple[str, ...]:
    """Return a literal name, and with the ARN of a bucket the bucket's own name, which is all that tells it apart."""
    found = _BUCKET.match(name) if name.startswith("arn:") else None
    return (name, found.group(1)) if found else (name,)


def _own_names(scope: Scope, match: Sequence[Steps]) -> list[str]:
    return [value for steps in match for _, value in walk(scope, steps) if isinstance(value, str) and value]


def _narrowed(found: Mapping[int, Candidate], candidates: list[Candidate] | None) -> list[Candidate]:
    if candidates is None:
        return list(found.values())
    return [(one, cause or found[id(one)][1]) for one, cause in candidates if id(one) in found]


def reference_link(steps: Steps, side: str, match: tuple[Steps, ...], kinds: Names, classes: Names) -> Link:
    def to_self(scope: Scope, candidates: list[Candidate] | None) -> list[Candidate]:
        index = scope.inventory.links(kinds, classes, steps)
        found: dict[int, Candidate] = {id(one): (one, cause) for one, cause in index.unknown}
        certain = list(index.references.get(scope.resource.address, ()))
        for name in _own_names(scope_of(scope.resource, scope.inventory, scope.params), match):
            certain += index.literals.get(name, ())
        found.update({id(one): (one, "") for one in certain})
        return _narrowed(found, candidates)

    def to_other(scope: Scope, candidates: list[Candidate] | None) -> list[Candidate]:
        found: dict[int, Candidate] = {}
        for path, value in walk(scope, steps):
            names = names_at(scope.resource, path, value)
            for name in sorted(names):
                found |= {id(one): (one, "") for one in scope.inventory.at(name, kinds, classes)}
            written = [name for literal in as_list(value) if isinstance(literal, str) for name in _spellings(literal)]
            for own in match if written else ():
                known = scope.inventory.links(kinds, classes, own).literals
                found |= {id(one): (one, "") for name in written for one in known.get(name, ())}
            if isinstance(value, Unknown) and not names:
                for one in scope.inventory.chosen(kinds, classes):
                    found.setdefault(id(one), (one, value.reason))
        return _narrowed(found, candidates)

    return to_self if side == "self" else to_other


def _tested(scope: Scope, pool: Sequence[Candidate], test: Callable[[Scope, Resource], bool | str]) -> list[Candidate]:
    """Return the candidates that ``test`` says are linked; its text is the cause of a doubt."""
    tested = [(one, cause, test(scope, one)) for one, cause in pool]
    return [(one, result if isinstance(result, str) else cause) for one, cause, result in tested if result]


def equal_link(pairs: list[tuple[Steps, Steps]], kinds: Names, classes: Names) -> Link:
    """Return a link by attributes that are set on both sides and equal; the first pair is looked up in an index."""

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

    def link(scope: Scope, candidates: list[Candidate] | None) -> list[Candidate]:
        if candidates is None:
            mine = [value for _, value in walk(scope, pairs[0][1])]
            if all(isinstance(value, str) or value is MISSING for value in mine):
                index = scope.inventory.links(kinds, classes, pairs[0][0])
                near = [one for value in mine if isinstance(value, str) for one in index.literals.get(value, ())]
                near += [one for one, _ in index.unknown]
                candidates = [(one, "") for one in {id(one): one for one in near}.values()]
            else:
                candidates = [(one, "") for one in scope.inventory.chosen(kinds, classes)]
        return _tested(scope, candidates, test)

    return link


def label_link(selector: Steps, labels: Steps, side: str, kinds: Names, classes: Names) -> Link:
    """Return a link by label selector: the other one's selector picks us (``self``), or ours picks the other."""

    def test(scope: Scope, other: Resource) -> bool | str:
        theirs = scope_of(other, scope.inventory, {})
        picking, picked = (theirs, scope) if side == "self" else (scope, theirs)
        return selects(_first(picking, selector), _first(picked, labels))

    def link(scope: Scope, candidates: list[Candidate] | None) -> list[Candidate]:
        if candidates is None:
            found = scope.inventory.labelled(kinds, classes, selector if side == "self" else labels, side == "self")
            wanted = _first(scope, labels if side == "self" else selector)
            candidates = [(one, "") for one in found.near(wanted)]
        return _tested(scope, candidates, test)

    return link


def _first(scope: Scope, steps: Steps) -> Any:
    for _, value in walk(scope, steps):
        return value
    return MISSING


def _pairs(value: Any) -> list[tuple[Any, Any]]:
    """Return the labels that a selector asks for, or that something carries."""
    if not isinstance(value, Mapping):
        return []
    plain = value.get("matchLabels") if "matchLabels" in value or "matchExpressions" in value else value
    return [(key, item) for key, item in plain.items() if isinstance(item, str)] if isinstance(plain, Mapping) else []


class _Labels:
    """Which resources carry a label, or select by it, so that a join looks at few of them."""

    def __init__(self, inventory: Inventory, resources: Sequence[Resource], steps: Steps, selectors: bool) -> None:
        self.all, self.selectors = list(resources), selectors
        self.by_pair: dict[tuple[Any, Any], list[Resource]] = defaultdict(list)
        self.rest: list[Resource] = []
        for resource in resources:
            value = _first(scope_of(resource, inventory, {}), steps)
            pairs = _pairs(value)
            if not pairs or (selectors and len(pairs) < len(value)):
                self.rest.append(resource)
            for pair in pairs[:1] if selectors else pairs:
                self.by_pair[pair].append(resource)

    def near(self, value: Any) -> list[Resource]:
        """Return those that may be linked with labels (or, of things that carry labels, with a selector)."""
        pairs = _pairs(value)
        if self.selectors:
            if isinstance(value, Unknown):
                return self.all
            found = [one for pair in pairs for one in self.by_pair.get(pair, ())] + self.rest
            return list({id(one): one for one in found}.values())
        if not pairs:
            return self.all
        held = [self.by_pair.get(pair, []) for pair in pairs]
        return [*min(held, key=len), *self.rest]


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
