"""Terraform's functions on points in time that are given, never on the present one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from mlguard.scanners import lazy

_STAMP = lazy.pattern(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d):(\d\d))")
_PART = lazy.pattern(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_TOKEN = lazy.pattern(r"'((?:[^']|'')*)'|([a-zA-Z])\2*|[^a-zA-Z']+")


def _stamp(text: Any) -> datetime:
    match = _STAMP.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("not a time")
    year, month, day, hour, minute, second = (int(match.group(number)) for number in range(1, 7))
    shift = timedelta(0)
    if match.group(9):
        shift = timedelta(hours=int(match.group(10)), minutes=int(match.group(11)))
    zone = timezone(-shift if match.group(9) == "-" else shift)
    micro = int((match.group(7) or "0").ljust(6, "0")[:6])
    return datetime(year, month, day, hour, minute, second, micro, zone)


def _zone(moment: datetime, colon: bool) -> str:
    seconds = int((moment.utcoffset() or timedelta(0)).total_seconds())
    sign = "-" if seconds < 0 else "+"
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return f"{sign}{hours:02}{':' if colon else ''}{minutes:02}"


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0") + (
        "Z" if not moment.utcoffset() else _zone(moment, True)
    )


def _timeadd(text: Any, duration: Any) -> str:
    if not isinstance(duration, str):
        raise ValueError("not a duration")
    plain = duration.lstrip("+-")
    parts = _PART.findall(plain)
    if (not parts or "".join(number + unit for number, unit in parts) != plain) and plain != "0":
        raise ValueError("not a duration")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    return _written(_stamp(text) + timedelta(seconds=-seconds if duration.startswith("-") else seconds))


def _timecmp(left: Any, right: Any) -> int:
    a, b = _stamp(left), _stamp(right)
    return (a > b) - (a < b)


_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_FORMATS: dict[str, Callable[[datetime], str]] = {
    "YYYY": lambda t: f"{t.year:04}", "YY": lambda t: f"{t.year % 100:02}", "MMMM": lambda t: _MONTHS[t.month - 1],
    "MMM": lambda t: _MONTHS[t.month - 1][:3], "MM": lambda t: f"{t.month:02}", "M": lambda t: str(t.month),
    "DD": lambda t: f"{t.day:02}", "D": lambda t: str(t.day), "EEEE": lambda t: _DAYS[t.weekday()],
    "EEE": lambda t: _DAYS[t.weekday()][:3], "hh": lambda t: f"{t.hour:02}", "h": lambda t: str(t.hour),
    "HH": lambda t: f"{(t.hour - 1) % 12 + 1:02}", "H": lambda t: str((t.hour - 1) % 12 + 1),
    "AA": lambda t: "AM" if t.hour < 12 else "PM", "aa": lambda t: "am" if t.hour < 12 else "pm",
    "mm": lambda t: f"{t.minute:02}", "m": lambda t: str(t.minute), "ss": lambda t: f"{t.second:02}", "s": lambda t: str(t.second),
    "ZZZZZ": lambda t: _zone(t, True), "ZZZZ": lambda t: _zone(t, False),
    "ZZZ": lambda t: "UTC" if not t.utcoffset() else _zone(t, False), "Z": lambda t: "Z" if not t.utcoffset() else _zone(t, True),
}  # fmt: skip


def _formatdate(pattern: Any, text: Any) -> str:
    moment, whole, position, result = _stamp(text), str(pattern), 0, ""
    while position < len(whole):
        match = _TOKEN.match(whole, position)
        if match is None or match.group(2) and match.group() not in _FORMATS:
            raise ValueError("not a format of dates")
        position = match.end()
        if match.group(2):
            result += _FORMATS[match.group()](moment)
        else:
            result += match.group(1).replace("''", "'") if match.group(1) is not None else match.group()
    return result


TIMES: dict[str, Callable[..., Any]] = {"formatdate": _formatdate, "timeadd": _timeadd, "timecmp": _timecmp}
