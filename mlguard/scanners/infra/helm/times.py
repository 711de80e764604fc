"""Sprig's functions for points in time and spans of it, in UTC."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from typing import Any

from mlguard.scanners import lazy
from mlguard.scanners.infra.helm.functions import function, text
from mlguard.scanners.infra.helm.printing import Failed, Int64
from mlguard.scanners.infra.resources import reference

_LAYOUT = lazy.pattern(
    r"2006|January|Jan|Monday|Mon|MST|Z07:00|Z0700|-07:00|-0700|-07|\.0+|\.9+|01|02|03|04|05|06|15|PM|pm|_2|1|2|3|4|5"
)
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


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
    when = _when(value)
    return reference("now") if when is None else formatted(when, text(layout))


@function("date")
def _date(layout: Any, value: Any) -> str:
    return _dated(layout, value)


@function("dateInZone", "date_in_zone")
def _date_in_zone(layout: Any, value: Any, zone: Any) -> str:
    return _dated(layout, value) if text(zone) in ("UTC", "", "Local") else _elsewhere()


def _elsewhere() -> str:
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
_DURATION = lazy.pattern(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")


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
