"""Sprig's functions for lists and mappings."""

from __future__ import annotations

from typing import Any

from mlguard.scanners.infra.helm.functions import function, items, mapping, same, text, to_int, whole
from mlguard.scanners.infra.helm.printing import MAX_DEPTH, Failed, NoList, kind_of, text_of, truth

MAX_ITEMS = 50_000
"""Elements of a list that a function may make."""


def limited(number: int) -> int:
    """Return a number of elements. Raises Failed when it is too large."""
    if number > MAX_ITEMS:
        raise Failed(f"makes a list of over {MAX_ITEMS} elements")
    return number


# Lists


@function("list", "tuple", keeps=True)
def _list(*values: Any) -> list[Any]:
    return list(values)


@function("first", "mustFirst", keeps=True)
def _first(value: Any) -> Any:
    return items(value)[0] if items(value) else None


@function("last", "mustLast", keeps=True)
def _last(value: Any) -> Any:
    return items(value)[-1] if items(value) else None


@function("rest", "mustRest", keeps=True)
def _rest(value: Any) -> list[Any]:
    return items(value)[1:] if items(value) else NoList()


@function("initial", "mustInitial", keeps=True)
def _initial(value: Any) -> list[Any]:
    return items(value)[:-1] if items(value) else NoList()


@function("append", "push", "mustAppend", "mustPush", keeps=True)
def _append(value: Any, item: Any) -> list[Any]:
    limited(len(items(value)))
    return [*items(value), item]


@function("prepend", "mustPrepend", keeps=True)
def _prepend(value: Any, item: Any) -> list[Any]:
    limited(len(items(value)))
    return [item, *items(value)]


@function("concat", keeps=True)
def _concat(*values: Any) -> list[Any]:
    limited(sum(len(items(value)) for value in values))
    return [item for value in values for item in items(value)]


@function("reverse", "mustReverse", keeps=True)
def _reverse(value: Any) -> list[Any]:
    return items(value)[::-1]


@function("uniq", "mustUniq", keeps=True)
def _uniq(value: Any) -> list[Any]:
    found: list[Any] = []
    seen: set[Any] = set()
    for item in items(value):
        key = _key(item, 0)
        if key not in seen:
            seen.add(key)
            found.append(item)
    return found


def _key(value: Any, depth: int) -> Any:
    """Return a form of a value that is the same for equal values only, and can be kept in a set."""
    if depth > MAX_DEPTH:
        raise Failed("compares values without end")
    if isinstance(value, dict):
        return "map", tuple((key, _key(value[key], depth + 1)) for key in sorted(value))
    if isinstance(value, list):
        return "slice", tuple(_key(item, depth + 1) for item in value)
    return kind_of(value), value if isinstance(value, (str, int, float, bytes)) else str(value)


@function("compact", "mustCompact", keeps=True)
def _compact(value: Any) -> list[Any]:
    return [item for item in items(value) if truth(item)]


@function("without", "mustWithout", keeps=True)
def _without(value: Any, *omitted: Any) -> list[Any]:
    return [item for item in items(value) if not any(same(item, other) for other in omitted)]


@function("has", "mustHas", keeps=True)
def _has(needle: Any, value: Any) -> bool:
    return value is not None and any(same(needle, item) for item in items(value))


@function("slice", "mustSlice", keeps=True)
def _slice(value: Any, *ends: Any) -> Any:
    if isinstance(value, str):
        raise Failed("slices something that is no list")
    whole_list = items(value)
    if not whole_list:
        return None
    start = to_int(ends[0]) if ends else 0
    end = to_int(ends[1]) if len(ends) > 1 else len(whole_list)
    if not 0 <= start <= end <= len(whole_list):
        raise Failed("slices a list beyond its end")
    return whole_list[start:end]


@function("chunk", "mustChunk", keeps=True)
def _chunk(size: Any, value: Any) -> list[Any]:
    step = whole(size)
    if step < 1:
        raise Failed("cuts a list into chunks of nothing")
    return [items(value)[at : at + step] for at in range(0, len(items(value)), step)]


@function("sortAlpha", keeps=True)
def _sort_alpha(value: Any) -> list[str]:
    return sorted(strings(value)) if isinstance(value, list) else [text_of(value)]


def strings(value: Any) -> list[str]:
    """Return the elements of a list as text, without those that are nothing."""
    if isinstance(value, list):
        return [text_of(item) for item in value if item is not None]
    return [] if value is None else [text_of(value)]


@function("toStrings", keeps=True)
def _to_strings(value: Any) -> list[str]:
    return strings(value)


@function("until")
def _until(count: Any) -> list[int]:
    return _steps(0, whole(count), -1 if whole(count) < 0 else 1)


@function("untilStep")
def _until_step(start: Any, stop: Any, step: Any) -> list[int]:
    return _steps(whole(start), whole(stop), whole(step))


def _steps(start: int, stop: int, step: int) -> list[int]:
    if stop < start and step >= 0 or stop >= start and step <= 0:
        return []
    numbers = range(start, stop, step)
    limited(len(numbers))
    return list(numbers)


@function("seq")
def _seq(*values: Any) -> str:
    numbers = [whole(value) for value in values]
    if not 1 <= len(numbers) <= 3:
        return ""
    start, end = (1, numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[-1])
    step = numbers[1] if len(numbers) == 3 else (1 if end >= start else -1)
    if end < start and step > 0:
        return ""
    return " ".join(map(str, _steps(start, end + (1 if end >= start else -1), step)))


# Mappings


@function("dict", keeps=True)
def _dict(*values: Any) -> dict[str, Any]:
    return {text_of(values[at]): values[at + 1] if at + 1 < len(values) else "" for at in range(0, len(values), 2)}


@function("get", keeps=True)
def _get(value: Any, key: Any) -> Any:
    return mapping(value).get(text(key), "")


@function("set", keeps=True)
def _set(value: Any, key: Any, item: Any) -> dict[str, Any]:
    mapping(value)[text(key)] = item
    return mapping(value)


@function("unset", keeps=True)
def _unset(value: Any, key: Any) -> dict[str, Any]:
    mapping(value).pop(text(key), None)
    return mapping(value)


@function("hasKey", keeps=True)
def _has_key(value: Any, key: Any) -> bool:
    return text(key) in mapping(value)


@function("pluck", keeps=True)
def _pluck(key: Any, *values: Any) -> list[Any]:
    return [mapping(value)[text(key)] for value in values if text(key) in mapping(value)]


@function("keys", keeps=True)
def _keys(*values: Any) -> list[str]:
    return [key for value in values for key in sorted(mapping(value))]


@function("values", keeps=True)
def _values(value: Any) -> list[Any]:
    return [mapping(value)[key] for key in sorted(mapping(value))]


@function("pick", keeps=True)
def _pick(value: Any, *names: Any) -> dict[str, Any]:
    return {text(name): mapping(value)[text(name)] for name in names if text(name) in mapping(value)}


@function("omit", keeps=True)
def _omit(value: Any, *names: Any) -> dict[str, Any]:
    gone = {text(name) for name in names}
    return {key: item for key, item in mapping(value).items() if key not in gone}


@function("dig", keeps=True)
def _dig(*values: Any) -> Any:
    if len(values) < 3:
        raise Failed("digs with fewer than three arguments")
    value, otherwise = mapping(values[-1]), values[-2]
    for number, step in enumerate(values[:-2]):
        if text(step) not in value:
            return otherwise
        if number == len(values) - 3:
            return value[step]
        value = mapping(value[step])
    return otherwise


@function("merge", "mustMerge", keeps=True)
def _merge(value: Any, *others: Any) -> Any:
    for other in others:
        merge(mapping(value), mapping(other), False, 0)
    return value


@function("mergeOverwrite", "mustMergeOverwrite", keeps=True)
def _merge_overwrite(value: Any, *others: Any) -> Any:
    for other in others:
        merge(mapping(value), mapping(other), True, 0)
    return value


def merge(into: dict[str, Any], other: dict[str, Any], overwrite: bool, depth: int) -> None:
    """Add what another mapping has and this one has not (or has as something empty), or let the other one win."""
    if depth > MAX_DEPTH:
        raise Failed(f"merges mappings over {MAX_DEPTH} levels deep")
    if into is other:
        return
    for key in list(other):
        item = other[key]
        if item is None:
            if overwrite:
                into[key] = None
            continue
        old = into.get(key)
        if isinstance(item, dict) and isinstance(old, dict):
            merge(old, item, overwrite, depth + 1)
            if old:
                continue
        if isinstance(item, list) and key in into and truth(old):
            if overwrite:
                into[key] = item
            continue
        if overwrite or not truth(old):
            into[key] = item


@function("deepCopy", "mustDeepCopy", keeps=True)
def _deep_copy(value: Any) -> Any:
    if value is None:
        raise Failed("copies nothing")
    return deep_copy(value, [0], 0)


def deep_copy(value: Any, count: list[int], depth: int) -> Any:
    """Return a value whose mappings and lists are new ones. Raises Failed for one without end."""
    count[0] += 1
    if depth > MAX_DEPTH or count[0] > 200_000:
        raise Failed("copies a value without end")
    if isinstance(value, dict) and getattr(value, "go_copies", True):
        copied = {key: deep_copy(item, count, depth + 1) for key, item in value.items()}
        return type(value)(copied) if type(value) is not dict else copied
    if isinstance(value, list):
        return [deep_copy(item, count, depth + 1) for item in value]
    return value
