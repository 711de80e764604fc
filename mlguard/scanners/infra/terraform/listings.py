"""Terraform's functions on lists, sets and maps."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

from mlguard.scanners.infra.resources import Open, Unknown
from mlguard.scanners.infra.terraform.texts import listed, string
from mlguard.scanners.infra.terraform.values import (
    MAX_ITEMS,
    Failed,
    ListOf,
    MapOf,
    Rest,
    SetOf,
    cause_of,
    holds_reference,
    key_of,
    number_of,
    rounded,
    same,
    set_of,
    to_bool,
    to_list,
    to_map,
    to_number,
    to_set,
    to_text,
    unified,
    unique,
    whole,
)


def _bounded(items: Iterable[Any]) -> list[Any]:
    result = list(itertools.islice(items, MAX_ITEMS + 1))
    if len(result) > MAX_ITEMS:
        raise OverflowError("too many elements")
    return result


def _like(model: Any, items: list[Any]) -> list[Any]:
    """Return the items as a list of the kind that ``model`` is."""
    return ListOf(items) if isinstance(model, (ListOf, SetOf)) else items


def _compact(items: Any) -> list[Any]:
    return ListOf(_rest(item) for item in listed(items) if item is not None and item != "")


def _rest(item: Any) -> Any:
    """Return the item; an unknown one may be left out, or stand for several."""
    return Rest(item.reason) if isinstance(item, Unknown) else item


def _concat(*lists: Any) -> list[Any]:
    parts = ([Rest(one.reason)] if isinstance(one, Unknown) else listed(one) for one in lists)
    made = _bounded(item for part in parts for item in part)
    return ListOf(made) if lists and all(isinstance(one, ListOf) for one in lists) else made


def _keys(mapping: Any) -> list[Any]:
    made = sorted(_mapping(mapping))
    return ListOf(made) if isinstance(mapping, MapOf) else made


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("not a map")
    return value


def _closed(mapping: Any) -> Any:
    """Return the reason why a mapping may have more keys, None where it has not."""
    return Unknown(mapping.reason) if isinstance(mapping, Open) else None


def _contains(items: Any, wanted: Any) -> Any:
    wanted = (
        to_text(wanted)
        if items and all(isinstance(item, str) for item in listed(items)) and not isinstance(wanted, (list, dict))
        else wanted
    )
    for item in listed(items):
        if not isinstance(item, Unknown) and same(item, wanted):
            return True
    doubt: Iterable[Any] = (item for item in [*items, wanted] if isinstance(item, Unknown) or holds_reference(item))
    found = next(iter(doubt), None)
    if found is None or isinstance(found, Unknown):
        return False if found is None else found
    return Unknown(cause_of(found) if isinstance(found, str) else "a value that is not known here")


def _element(items: Any, position: Any) -> Any:
    if isinstance(items, SetOf):
        items = list(items)
    if not items:
        return Failed("an element of an empty list")
    rest = next((item for item in listed(items) if isinstance(item, Rest)), None)
    return items[whole(position) % len(items)] if rest is None else Unknown(rest.reason)


def _index(items: Any, wanted: Any) -> Any:
    for number, item in enumerate(listed(items)):
        if isinstance(item, Unknown):
            return item
        if same(item, wanted):
            return number
    return Failed("an element that is not in the list")


def flatten(items: Any, depth: int = 0) -> list[Any]:
    """Return the elements of the lists inside each other."""
    if depth > 30:
        raise OverflowError("too deep")
    return _bounded(
        one for item in listed(items) for one in (flatten(item, depth + 1) if isinstance(item, list) else [_rest(item)])
    )


def merge(*mappings: Any) -> Any:
    """Return one mapping of all; where keys are the same the last counts."""
    result: dict[str, Any] = {}
    reasons = []
    for mapping in mappings:
        if isinstance(mapping, Unknown):
            # A key of an unknown mapping may hide what was there before it.
            result = {key: Unknown(mapping.reason) for key in result}
            reasons.append(mapping.reason)
        elif isinstance(mapping, dict):
            result.update(mapping)
            reasons += [mapping.reason] if isinstance(mapping, Open) else []
        elif mapping is not None:
            raise TypeError("not a map")
    if reasons:
        return Open(result, reasons[0])
    return MapOf(result) if mappings and all(isinstance(one, MapOf) for one in mappings) else result


def _lookup(mapping: Any, key: Any, *default: Any) -> Any:
    name = string(key)
    if name in _mapping(mapping):
        found = mapping[name]
        return default[0] if found is None and default and isinstance(mapping, MapOf) else found
    if (doubt := _closed(mapping)) is not None:
        return doubt
    return default[0] if default else Failed("a key that is not in the map")


def _coalesce(*values: Any) -> Any:
    for value in values:
        if value is not None and value != "":
            rest = [one for one in values if one is not None]
            texts = any(isinstance(one, str) for one in rest)
            return to_text(value) if texts and isinstance(value, (bool, int, float)) else value
    return Failed("a value that is set")


def _coalescelist(*lists: Any) -> Any:
    return next((items for items in lists if listed(items)), Failed("a list that is not empty"))


def _one(items: Any) -> Any:
    if items is None:
        return None
    if not isinstance(items, list):
        return items
    rest = next((item for item in items if isinstance(item, Rest)), None)
    if rest is not None:
        return Unknown(rest.reason)
    return Failed("one of many") if len(items) > 1 else items[0] if items else None


def _range(*limits: Any) -> list[Any]:
    numbers = [number_of(limit) for limit in limits]
    if not 1 <= len(numbers) <= 3:
        raise ValueError("one to three limits")
    start, end = (0, numbers[0]) if len(numbers) == 1 else numbers[:2]
    step = numbers[2] if len(numbers) == 3 else 1 if start <= end else -1
    if not step or (end > start) != (step > 0) and end != start:
        raise ValueError("a step in the wrong direction")
    result: list[Any] = []
    while start < end if step > 0 else start > end:
        result.append(rounded(start))
        start += step
        if len(result) > 1024:
            raise ValueError("more than Terraform allows")
    return ListOf(result)


def _alltrue(items: Any) -> Any:
    return _truths(items, False)


def _anytrue(items: Any) -> Any:
    return _truths(items, True)


def _truths(items: Any, decisive: bool) -> Any:
    made = [to_bool(item) for item in listed(items)]
    if decisive in made or (None in made and not decisive):
        return decisive
    return next((item for item in made if isinstance(item, Unknown)), not decisive)


def _chunklist(items: Any, size: Any) -> list[Any]:
    width = whole(size)
    if width < 0:
        raise ValueError("a size below zero")
    starts = range(0, len(items), width) if width else range(min(len(items), 1))
    return ListOf(_like(items, listed(items)[start : start + width if width else None]) for start in starts)


def _slice(items: Any, start: Any, end: Any) -> list[Any]:
    first, last = whole(start), whole(end)
    if isinstance(items, SetOf) or not 0 <= first <= last <= len(listed(items)):
        raise ValueError("outside the list")
    return _like(items, items[first:last])


def _matchkeys(values: Any, keys: Any, wanted: Any) -> list[Any]:
    chosen = {key_of(item) for item in listed(wanted)}
    pairs = zip(listed(values), listed(keys), strict=True)
    return ListOf(value for value, key in pairs if key_of(key) in chosen)


def _setproduct(*sets: Any) -> list[Any]:
    if len(sets) < 2:
        raise ValueError("two sets or more")
    rows = _bounded(list(row) for row in itertools.product(*map(listed, sets)))
    return SetOf(rows) if all(isinstance(one, SetOf) for one in sets) else ListOf(rows)


def _setunion(*sets: Any) -> list[Any]:
    return set_of(unified([item for one in sets for item in listed(one)]))


def _setintersection(*sets: Any) -> list[Any]:
    common = set.intersection(*({key_of(item) for item in listed(one)} for one in sets))
    return set_of(item for item in sets[0] if key_of(item) in common)


def _setsubtract(first: Any, second: Any) -> list[Any]:
    gone = {key_of(item) for item in listed(second)}
    return set_of(item for item in listed(first) if key_of(item) not in gone)


def _setsymmetric(first: Any, second: Any) -> list[Any]:
    return set_of([*_setsubtract(first, second), *_setsubtract(second, first)])


def _transpose(mapping: Any) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, items in sorted(_mapping(mapping).items()):
        for item in listed(items):
            result.setdefault(string(item), ListOf()).append(key)
    return MapOf(sorted(result.items()))


def _values(mapping: Any) -> list[Any]:
    return [mapping[key] for key in sorted(_mapping(mapping))]


def _zipmap(keys: Any, values: Any) -> dict[str, Any]:
    made = dict(zip(map(string, listed(keys)), listed(values), strict=True))
    return MapOf(made) if isinstance(values, ListOf) else made


LISTINGS: dict[str, Callable[..., Any]] = {
    "alltrue": _alltrue,
    "anytrue": _anytrue,
    "chunklist": _chunklist,
    "coalesce": _coalesce,
    "coalescelist": _coalescelist,
    "compact": _compact,
    "concat": _concat,
    "contains": _contains,
    "distinct": lambda items: _like(items, unique(listed(items))),
    "element": _element,
    "ephemeralasnull": lambda value: value,
    "flatten": flatten,
    "index": _index,
    "issensitive": lambda value: Unknown("whether a value is sensitive"),
    "keys": _keys,
    "list": lambda *items: to_list(list(items)),
    "lookup": _lookup,
    "matchkeys": _matchkeys,
    "merge": merge,
    "nonsensitive": lambda value: value,
    "one": _one,
    "range": _range,
    "reverse": lambda items: _like(items, listed(items)[::-1]),
    "sensitive": lambda value: value,
    "setintersection": _setintersection,
    "setproduct": _setproduct,
    "setsubtract": _setsubtract,
    "setsymmetricdifference": _setsymmetric,
    "setunion": _setunion,
    "slice": _slice,
    "sort": lambda items: ListOf(sorted(string(item) for item in listed(items))),
    "tobool": to_bool,
    "tolist": to_list,
    "tomap": to_map,
    "tonumber": to_number,
    "toset": to_set,
    "tostring": to_text,
    "transpose": _transpose,
    "values": _values,
    "zipmap": _zipmap,
}
