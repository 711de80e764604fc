"""Tells whether a value is a postal address, by words for streets, numbers of houses and codes beside towns, in many languages."""

from __future__ import annotations

import re
from functools import cache

from mlguard import lazy, tables
from mlguard.scanners.dataset import terms

_NUMBER = r"\d{1,5}(?:[ \-/]?[a-zA-Zа-я]\b)?(?:[\-–/]\d{1,4})?"
_PLACED = lazy.pattern(
    rf"^(?:no?\.? ?|nr\.? ?|#|h\.? ?no\.? ?)?{_NUMBER}\b|[ ,.:#/]{_NUMBER}(?=$|[ ,.;/\n])", re.IGNORECASE
)
"""A number where that of a house stands: first, or after a word."""

_CODES = lazy.pattern(
    r"[, \n][A-Z]{2} \d{5}(?:-\d{4})?$"  # US
    r"|[, \n](?:NSW|VIC|QLD|WA|SA|TAS|ACT|NT),? \d{4}$"  # AU
    r"|[, \n][A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}$"  # GB
    r"|[, \n][A-Z]\d[A-Z] ?\d[A-Z]\d$"  # CA
    r"|[,\n] ?(?:[A-Z]{1,2}-)?\d{2,5}[ -]?\d{0,3}(?: [A-Z]{2})? [^\W\d]{3}"  # 12345 Town, 12-345 Town, 1234 AB Town, 123 45 Town
    r"|[^\W\d]{3},? ?(?:\d{5}-?\d{3}|\d{6})(?:[ ,/]|$)"  # Town 12345-678, Town 123456
)
"""Postal codes beside towns."""

_EASTERN = lazy.pattern(
    r"[一-鿿](?:省|市|县|區|区|街|路|巷|弄|村|都|道|府|県|町|丁目|番)[^,，]*\d|^\d{3}-\d{4} ?[一-鿿]|[가-힣](?:시|구|동|로|길|읍|면)\b.*\d"
)


_MACHINE = lazy.pattern(r"[@=;^{}<>|\\]|://|[A-Za-z]/\d|\d\.\d+\.\d")
"""What programs write and addresses lack."""


@cache
def _words(key: str) -> frozenset[str]:
    return frozenset(terms.folded(word) for word in tables.table("value-terms")[key])


@cache
def _ends() -> tuple[str, ...]:
    return tuple(sorted(_words("street-ends")))


def is_address(value: str) -> bool:
    """Say whether the value is a street with a house in it, or a town with its code and something before."""
    if not 6 <= len(value) <= 250 or _MACHINE.search(value):
        return False
    if _EASTERN.search(value):
        return True
    if sum(c.isalpha() for c in value) < 4 or not any(c.isdigit() for c in value):
        return False
    placed = bool(_PLACED.search(value))
    words = re.findall(r"[^\W\d_]+", terms.folded(value))
    if placed and (_words("streets") & set(words) or any(len(word) > 5 and word.endswith(_ends()) for word in words)):
        return True
    if _CODES.search(value) and (placed or "," in value or "\n" in value) and len(words) > 1:
        return True
    return _is_american(value)


_AMERICAN = lazy.pattern(
    r"^\d{1,6}[a-zA-Z]? (?:[^\W\d_][\w'’.\-]* ){1,4}?([^\W\d_]+)(?= (?:Apt|Suite|Ste|Unit|Flat|#)|[,\n]|$)",
    re.IGNORECASE,
)


def _is_american(value: str) -> bool:
    """Say whether a number, a name and a word for a street or a landscape follow each other (USPS Publication 28, appendix C1)."""
    match = _AMERICAN.match(value)
    return match is not None and terms.folded(match[1]).rstrip("s") in _words("street-suffixes")
