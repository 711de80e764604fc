"""All formats of credentials, and what a vendor's prefix says of a value that fits none."""

from __future__ import annotations

import re

from mlguard.scanners import lazy
from mlguard.scanners.secrets.ai import AI
from mlguard.scanners.secrets.patterns import Pattern
from mlguard.scanners.secrets.vendors import VENDORS

PATTERNS: tuple[Pattern, ...] = (*AI, *VENDORS)
"""Where two fit, the first one counts."""

_DISTINCT = lazy.pattern(
    "(?:" + "|".join(sorted({re.escape(one.mark) for one in PATTERNS if one.distinct})) + r")[A-Za-z0-9_.=+/-]*$"
)


def poses(value: str) -> bool:
    """Say whether a value begins like a vendor's token: if it were one, its format would have matched."""
    return _DISTINCT.match(value) is not None
