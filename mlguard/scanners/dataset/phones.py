"""Tells a column of telephone numbers from other numbers by the numbering plans of the regions it may come from."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mlguard import lazy

REGIONS = (
    "US", "GB", "DE", "FR", "ES", "IT", "NL", "BE", "CH", "AT", "PL", "PT", "IE", "DK", "SE", "NO", "FI", "CZ", "SK", "HU", "RO", "BG", "GR",
    "HR", "SI", "EE", "LV", "LT", "RU", "UA", "TR", "IL", "ZA", "IN", "JP", "KR", "CN", "TW", "AU", "NZ", "BR", "MX", "AR", "CL", "CO",
)  # fmt: skip
"""ISO 3166 codes of the regions whose plans are tried for numbers without a country code."""

MOST = 40
"""Numbers of a column that are tried."""

FIRST = 8
"""Numbers that are tried before the others are."""

_WRITTEN = lazy.pattern(
    r"^(?![-.]|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}$|\d{3}-\d\d-\d{4}$|.*\d/\d\d?$|\d+\.\d+$)\+?[\d ()./\-]{7,24}(?: ?(?:x|ext\.?|#) ?\d{1,6})?$"
)
_NANP = lazy.pattern(r"^\(?(\d{3})\)?[ .\-]?(\d{3})[ .\-]?(\d{4})$")
_EPOCH = lazy.pattern(r"^1[0-9]\d{8}(?:\d{3})?(?:\.0)?$")
_CHINESE = lazy.pattern(r"^1[3-9]\d{9}$")


def are_epochs(values: Sequence[str]) -> bool:
    """Say whether numbers are seconds or milliseconds since 1970: no plan of ten digits has areas that begin with 1."""
    return len(values) > 2 and sum(bool(_EPOCH.match(value)) for value in values) * 20 >= 19 * len(values)


def break_plan(values: Sequence[str]) -> bool:
    """Say whether numbers written in groups of 3, 3 and 4 digits cannot be a column of North American ones.

    Neither area nor exchange begins with 0 or 1 there (NANP, 47 CFR 52), so that of random digits a third cannot be.
    """
    parts = [match for value in values if (match := _NANP.match(value))]
    if len(parts) < 5 or len(parts) * 2 < len(values):
        return False
    trunk = sum(match[1][0] == "0" for match in parts)
    if trunk * 10 >= 6 * len(parts):
        return False  # written with the 0 of long distance
    wrong = sum(match[1][0] in "01" or match[2][0] in "01" for match in parts)
    one = sum(match[1][0] == "1" for match in parts)
    return wrong * 5 > len(parts) and one * 25 > len(parts)


def fit_a_region(values: Sequence[str]) -> bool:
    """Say whether the plan of one region makes most of the values numbers, and far fewer of random ones written alike.

    Bare digits are no evidence: at least a third must have a sign of telephone numbers, as a prefix or groups.
    """
    tried = [value for value in values[:MOST] if _WRITTEN.match(value)]
    if len(tried) < 5 or len(tried) * 10 < 9 * len(values[:MOST]) or sum(map(_is_dressed, tried)) * 3 < len(tried):
        return False
    sizes = {len(re.sub(r"\D", "", value)) for value in tried}
    if min(sizes) < 7 or max(sizes) > 18:
        return False
    mixed = [_other_digits(value, turn) for turn, value in enumerate(tried)]
    for region in REGIONS:
        if sum(_is_valid(value, region) for value in tried[:FIRST]) * 4 < len(tried[:FIRST]):
            continue
        good = sum(_is_valid(value, region) for value in tried) / len(tried)
        if good >= 0.5 and good - sum(_is_valid(value, region) for value in mixed) / len(mixed) >= 0.3:
            return True
    return False


def can_be_dialled(values: Sequence[str], text: bool = True) -> bool:
    """Say whether numbers within cells can be telephone numbers: when all begin with 00, as padded numbers do, most must exist.

    In cells that are no prose such numbers are parts of identifiers.
    """
    if not values or not all(value.startswith("00") for value in values):
        return True
    if not text:
        return False
    tried = values[:MOST]
    return sum(_is_valid("+" + value[2:], "US") for value in tried) * 10 >= 6 * len(tried)


def are_chinese(values: Sequence[str]) -> bool:
    """Say whether bare numbers are those of mobile telephones in China: eleven digits, 13 to 19 first, in many ranges."""
    return (
        len(values) > 14
        and all(map(_CHINESE.match, values))
        and len({value[:3] for value in values}) > 7
        and len({value[:2] for value in values}) > 3
    )


def _is_dressed(value: str) -> bool:
    return value[0] in "+(" or value[0] == "0" and value[1:2] not in ("0", ".") or bool(re.search(r"\d[ \-]\d", value))


def _other_digits(value: str, turn: int) -> str:
    """Return the value with its digits replaced by others that look random and are always the same; a "+" and what follows stay."""
    kept = 3 if value[0] == "+" else 1
    state = sum(ord(c) * (place + 7) for place, c in enumerate(value)) + 131 * turn
    made = []
    for place, c in enumerate(value):
        state = (state * 1103515245 + 12345) % 2**31
        made.append(str(state // 65536 % 10) if c.isdigit() and place >= kept else c)
    return "".join(made)


def _is_valid(value: str, region: str) -> bool:
    import phonenumbers

    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(value, region)))
    except phonenumbers.NumberParseException:
        return False
