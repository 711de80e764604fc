"""Coarser values: age bands, years, prefixes of postcodes, rounded numbers and places, networks."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

from mlguard.errors import UsageError

OLDEST = 90
"""Ages from here on are one band: so few people reach them that a narrower one singles out (45 CFR 164.514(b)(2)(i)(C))."""

LEVELS = {"age": "10", "date": "year", "postcode": "2", "number": "1000", "ip": "24", "geo": "1"}
"""Kinds and their usual level: years of a band, part of a date, characters kept, step, bits kept of IPv4, decimals kept."""

BY_CATEGORY = {
    "user.demographic.age_range": "age",
    "user.demographic.date_of_birth": "date",
    "user.contact.address.postal_code": "postcode",
    "user.location.precise": "geo",
    "user.device.ip_address": "ip",
    "user.workplace": "number",
}
"""The kind that fits a category of personal data."""


@dataclass(frozen=True, slots=True)
class Level:
    """``one`` returns the coarser value, or None for a cell that is no such value. ``form`` matches every result entirely."""

    kind: str
    level: str
    one: Callable[[str], str | None]
    form: re.Pattern[str]

    @property
    def number(self) -> bool:
        """Whether the results are numbers, so that a column of numbers keeps its type."""
        return self.kind in ("number", "geo")


def level(kind: str, value: str) -> Level:
    """Return the level of a kind. Raises UsageError for one that does not exist."""
    if kind not in LEVELS:
        raise UsageError(f"generalise: there is no kind {kind!r}; there are {', '.join(LEVELS)}")
    value = value or LEVELS[kind]
    if kind == "date":
        if value not in _DATE_FORMS:
            raise UsageError(f"generalise:date={value}: the parts are {', '.join(_DATE_FORMS)}")
        return Level(kind, value, lambda cell: _date(cell, value), re.compile(_DATE_FORMS[value]))
    if not value.isdecimal() or not 0 <= int(value) <= _MOST[kind] or kind in ("age", "number") and int(value) == 0:
        raise UsageError(f"generalise:{kind}={value}: a whole number up to {_MOST[kind]} is needed")
    size = int(value)
    one, form = {
        "age": (_age, r"\d{1,3}-\d{1,3}|\d+\+"),
        "postcode": (_postcode, rf"[^\W_]{{0,{size}}}\*+"),
        "number": (_number, r"-?\d+"),
        "ip": (_ip, r"[0-9A-Fa-f.:]+/\d{1,3}"),
        "geo": (_geo, rf"-?\d{{1,3}}(?:\.\d{{1,{max(size, 1)}}})?"),
    }[kind]
    return Level(kind, value, lambda cell: one(cell, size), re.compile(form))


_MOST = {"age": 50, "postcode": 6, "number": 10**12, "ip": 31, "geo": 3}
_DATE_FORMS = {"decade": r"\d{3}0s", "year": r"\d{4}", "month": r"\d{4}-\d{2}"}
_YMD = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ][\d:.,]*(?:Z|[ +-][\d:]+)?)?")
_COMPACT = re.compile(r"((?:18|19|20)\d{2})(\d{2})(\d{2})")
_MIXED = re.compile(r"(\d{1,2})([-/.])(\d{1,2})[-/.](\d{4})(?:[T ][\d:.,]*)?")
_YEAR = re.compile(r"(?:18|19|20)\d{2}")


def _date(cell: str, part: str) -> str | None:
    """Day and month in an order that cannot be told from the cell alone give no month."""
    cell = cell.strip()
    if match := _YMD.fullmatch(cell) or _COMPACT.fullmatch(cell):
        year, month = int(match[1]), int(match[2])
    elif match := _MIXED.fullmatch(cell):
        year = int(match[4])
        first, second = int(match[1]), int(match[3])
        month = second if match[2] == "." or first > 12 else first if second > 12 or first == second else 0
    elif _YEAR.fullmatch(cell):
        year, month = int(cell), 0
    else:
        return None
    if part == "month":
        return f"{year:04}-{month:02}" if 1 <= month <= 12 else None
    return f"{year:04}" if part == "year" else f"{year // 10:03}0s"


def _decimal(cell: str) -> Decimal | None:
    try:
        number = Decimal(cell.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < Decimal(10) ** 18 else None


def _age(cell: str, width: int) -> str | None:
    number = _decimal(cell)
    if number is None or not 0 <= number <= 130:
        return None
    years = int(number)
    if years >= OLDEST:
        return f"{OLDEST}+"
    low = years // width * width
    return f"{low}-{min(low + width, OLDEST) - 1}"


def _postcode(cell: str, kept: int) -> str | None:
    plain = re.sub(r"[\s-]", "", cell).removesuffix(".0")
    if not 3 <= len(plain) <= 10 or not plain.isalnum():
        return None
    kept = min(kept, len(plain) - 1)
    return plain[:kept] + "*" * (len(plain) - kept)


def _number(cell: str, step: int) -> str | None:
    number = _decimal(cell)
    if number is None:
        return None
    return str(int((number / step).to_integral_value(ROUND_HALF_EVEN)) * step)


def _geo(cell: str, decimals: int) -> str | None:
    number = _decimal(cell)
    if number is None or abs(number) > 180:
        return None
    rounded = number.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN)
    return f"{rounded + 0:f}"


def _ip(cell: str, bits: int) -> str | None:
    try:
        address = ipaddress.ip_address(cell.strip())
    except ValueError:
        return None
    kept = bits if address.version == 4 else min(bits * 2, 64)  # /24 goes with /48, the prefix of a site (RFC 6177)
    return str(ipaddress.ip_network((int(address), kept), strict=False))
