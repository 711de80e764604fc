"""Sprig's functions for lists, mappings, numbers and points in time."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, DivisionByZero, InvalidOperation, localcontext
from typing import Any

from mlguard.scanners.infra.helm.functions import function, items, mapping, same, text, to_float, to_int, whole
from mlguard.scanners.infra.helm.printing import MAX_DEPTH, Failed, Int64, NoList, kind_of, text_of, truth

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


# Numbers


def _wrapped(number: int) -> Int64:
    return Int64((number + 2**63) % 2**64 - 2**63)


@function("add1")
def _add1(value: Any) -> Int64:
    return _wrapped(to_int(value) + 1)


@function("add")
def _add(*values: Any) -> Int64:
    return _wrapped(sum(to_int(value) for value in values))


@function("sub")
def _sub(first: Any, other: Any) -> Int64:
    return _wrapped(to_int(first) - to_int(other))


@function("mul")
def _mul(first: Any, *others: Any) -> Int64:
    result = to_int(first)
    for other in others:
        result = int(_wrapped(result * to_int(other)))
    return Int64(result)


@function("div")
def _div(first: Any, other: Any) -> Int64:
    return _wrapped(_quotient(to_int(first), to_int(other)))


@function("mod")
def _mod(first: Any, other: Any) -> Int64:
    one, two = to_int(first), to_int(other)
    return _wrapped(one - two * _quotient(one, two))


def _quotient(first: int, other: int) -> int:
    if other == 0:
        raise Failed("divides by zero")
    result = abs(first) // abs(other)
    return result if (first < 0) == (other < 0) else -result


@function("max", "biggest")
def _max(*values: Any) -> Int64:
    return Int64(max(to_int(value) for value in values))


@function("min")
def _min(*values: Any) -> Int64:
    return Int64(min(to_int(value) for value in values))


@function("maxf")
def _maxf(*values: Any) -> float:
    return max(to_float(value) for value in values)


@function("minf")
def _minf(*values: Any) -> float:
    return min(to_float(value) for value in values)


@function("floor")
def _floor(value: Any) -> float:
    return float(math.floor(to_float(value)))


@function("ceil")
def _ceil(value: Any) -> float:
    return float(math.ceil(to_float(value)))


@function("round")
def _round(value: Any, places: Any, *on: Any) -> float:
    power = 10.0 ** max(-300, min(300, whole(places)))
    digit = power * to_float(value)
    part = math.modf(digit)[0]
    return (math.ceil(digit) if part >= (to_float(on[0]) if on else 0.5) else math.floor(digit)) / power


def _decimal(first: Any, others: tuple[Any, ...], operation: Callable[[Decimal, Decimal], Decimal]) -> float:
    with localcontext() as context:
        context.prec = 400
        result = Decimal(repr(to_float(first)))
        try:
            for other in others:
                result = operation(result, Decimal(repr(to_float(other))))
            return float(result)
        except (DivisionByZero, InvalidOperation, OverflowError):
            raise Failed("computes something that is no number") from None


@function("add1f")
def _add1f(value: Any) -> float:
    return _decimal(value, (1,), lambda one, two: one + two)


@function("addf")
def _addf(*values: Any) -> float:
    return _decimal(0, values, lambda one, two: one + two)


@function("subf")
def _subf(first: Any, *others: Any) -> float:
    return _decimal(first, others, lambda one, two: one - two)


@function("mulf")
def _mulf(first: Any, *others: Any) -> float:
    return _decimal(first, others, lambda one, two: one * two)


@function("divf")
def _divf(first: Any, *others: Any) -> float:
    return _decimal(first, others, lambda one, two: (one / two).quantize(Decimal("1e-16"), ROUND_HALF_UP))


# Points in time

_LAYOUT = re.compile(
    r"2006|January|Jan|Monday|Mon|MST|Z07:00|Z0700|-07:00|-0700|-07|\.0+|\.9+|01|02|03|04|05|06|15|PM|pm|_2|1|2|3|4|5"
)
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


class Time:
    """A point in time, UTC."""

    __slots__ = ("when",)
    go_type = "time.Time"

    def __init__(self, when: datetime.datetime) -> None:
        self.when = when

    def __str__(self) -> str:
        return formatted(self.when, "2006-01-02 15:04:05 -0700 MST")

    def go_plain(self) -> str:
        return formatted(self.when, "2006-01-02T15:04:05Z07:00")

    def go_field(self, name: str) -> Any:
        plain = {"Year": self.when.year, "Month": _MONTHS[self.when.month - 1], "Day": self.when.day}
        more = {"Hour": self.when.hour, "Minute": self.when.minute, "Second": self.when.second}
        known: dict[str, Any] = {**plain, **more, "Unix": Int64(_seconds(self.when)), "UTC": self, "Local": self}
        if name == "Format":
            return lambda layout: formatted(self.when, text(layout))
        return known[name]


def _seconds(when: datetime.datetime) -> int:
    return int((when - datetime.datetime(1970, 1, 1)).total_seconds())


def formatted(when: datetime.datetime, layout: str) -> str:
    """Return a time in a layout that is written as Go's reference time."""
    hour = when.hour % 12 or 12
    words = {
        "2006": f"{when.year:04d}", "06": f"{when.year % 100:02d}", "01": f"{when.month:02d}", "1": str(when.month),
        "Jan": _MONTHS[when.month - 1][:3], "January": _MONTHS[when.month - 1], "02": f"{when.day:02d}", "2": str(when.day),
        "_2": f"{when.day:2d}", "Mon": _DAYS[when.weekday()][:3], "Monday": _DAYS[when.weekday()], "15": f"{when.hour:02d}",
        "03": f"{hour:02d}", "3": str(hour), "04": f"{when.minute:02d}", "4": str(when.minute), "05": f"{when.second:02d}",
        "5": str(when.second), "PM": "AM" if when.hour < 12 else "PM", "pm": "am" if when.hour < 12 else "pm",
        "MST": "UTC", "Z07:00": "Z", "Z0700": "Z", "-07:00": "+00:00", "-0700": "+0000", "-07": "+00",
    }  # fmt: skip

    def one(match: re.Match[str]) -> str:
        word = match.group()
        if word[0] == ".":
            return f".{when.microsecond:06d}".ljust(len(word), "0")[: len(word)] if word[1] == "0" else ""
        return words[word]

    return _LAYOUT.sub(one, layout)


def _when(value: Any) -> datetime.datetime | None:
    if isinstance(value, Time):
        return value.when
    if isinstance(value, int) and not isinstance(value, bool):
        return datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=value)
    return None


def _dated(layout: Any, value: Any) -> str:
    from mlguard.scanners.infra.resources import reference

    when = _when(value)
    return reference("now") if when is None else formatted(when, text(layout))


@function("date")
def _date(layout: Any, value: Any) -> str:
    return _dated(layout, value)


@function("dateInZone", "date_in_zone")
def _date_in_zone(layout: Any, value: Any, zone: Any) -> str:
    return _dated(layout, value) if text(zone) in ("UTC", "", "Local") else _elsewhere()


def _elsewhere() -> str:
    from mlguard.scanners.infra.resources import reference

    return reference("a time in another zone")


@function("htmlDate")
def _html_date(value: Any) -> str:
    return _dated("2006-01-02", value)


@function("htmlDateInZone")
def _html_date_in_zone(value: Any, zone: Any) -> str:
    return _dated("2006-01-02", value) if text(zone) in ("UTC", "", "Local") else _elsewhere()


_PARSED = {
    "2006": r"(?P<year>\d{4})", "06": r"(?P<short>\d\d)", "01": r"(?P<month>\d\d)", "1": r"(?P<month>\d\d?)", "02": r"(?P<day>\d\d)",
    "2": r"(?P<day>\d\d?)", "15": r"(?P<hour>\d\d)", "04": r"(?P<minute>\d\d)", "05": r"(?P<second>\d\d)", "Z07:00": "Z", "MST": "UTC",
    "Jan": r"(?P<name>[A-Z][a-z]{2})",
}  # fmt: skip


@function("toDate", "mustToDate")
def _to_date(layout: Any, value: Any) -> Time:
    parts: list[str] = []
    last = 0
    for match in _LAYOUT.finditer(text(layout)):
        parts += [re.escape(layout[last : match.start()]), _PARSED.get(match.group(), "(?!)")]
        last = match.end()
    found = re.fullmatch("".join([*parts, re.escape(layout[last:])]), text(value))
    if found is None:
        return Time(datetime.datetime(1, 1, 1))
    got = {key: one for key, one in found.groupdict().items() if one is not None}
    year = int(got.get("year") or "20" + got.get("short", "00"))
    names = [name[:3] for name in _MONTHS]
    month = names.index(got["name"]) + 1 if got.get("name") in names else int(got.get("month", 1))
    hour, minute, second = (int(got.get(key, 0)) for key in ("hour", "minute", "second"))
    return Time(datetime.datetime(year, month, int(got.get("day", 1)), hour, minute, second))


@function("unixEpoch")
def _unix_epoch(value: Any) -> str:
    if not isinstance(value, Time):
        raise Failed("asks for the seconds of something that is no time")
    return str(_seconds(value.when))


@function("dateModify", "date_modify", "mustDateModify", "must_date_modify")
def _date_modify(by: Any, value: Any) -> Time:
    if not isinstance(value, Time):
        raise Failed("moves something that is no time")
    moved = duration(text(by))
    return Time(value.when + datetime.timedelta(microseconds=moved // 1000)) if moved is not None else value


_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")


def duration(given: str) -> int | None:
    """Return the nanoseconds of ``1h30m``, or None."""
    sign = -1 if given.startswith("-") else 1
    rest, total = given.lstrip("+-"), Decimal(0)
    if rest == "0":
        return 0
    at = 0
    while at < len(rest):
        match = _DURATION.match(rest, at)
        if match is None or len(match[1]) > 30:
            return None
        total += Decimal(match[1]) * _UNITS[match[2]]
        at = match.end()
    return sign * int(total) if rest else None


@function("duration")
def _duration(value: Any) -> str:
    if isinstance(value, str):
        seconds = int(value) if re.fullmatch(r"[+-]?\d{1,18}", value) else 0
    else:
        seconds = int(value) if isinstance(value, Int64) else 0
    return _hours(seconds)


def _hours(seconds: int) -> str:
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    if hours:
        return f"{sign}{hours}h{minutes}m{rest}s"
    return f"{sign}{minutes}m{rest}s" if minutes else f"{sign}{rest}s"


@function("durationRound")
def _duration_round(value: Any) -> str:
    if isinstance(value, str):
        nanoseconds = abs(duration(value) or 0)
    else:
        nanoseconds = abs(int(value)) if isinstance(value, Int64) else 0
    hour = 3600 * 10**9
    for size, name in (
        (hour * 24 * 365, "y"),
        (hour * 24 * 30, "mo"),
        (hour * 24, "d"),
        (hour, "h"),
        (hour // 60, "m"),
    ):
        if nanoseconds > size:
            return f"{nanoseconds // size}{name}"
    return f"{nanoseconds // 10**9}s" if nanoseconds > 10**9 else "0s"
