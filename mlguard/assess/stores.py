"""What the scanner of infrastructure must know of the declaration: the classes of stores, and how long their data may be kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlguard.declarations import Declaration

_DAYS = {"Y": 366, "M": 31, "W": 7, "D": 1}
"""The most days that a part of a period stands for."""


def told(declaration: Declaration) -> dict[str, Any]:
    """Return the declared stores by what they are called, each with its class and days, and the longest retention in days."""
    from mlguard.scanners.infra.declared import plain

    kept: dict[str, int] = {}
    longest = 0
    for dataset in declaration.body.get("datasets") or ():
        days = _days(dataset.get("retention"))
        longest = max(longest, days)
        if dataset.get("store"):
            kept[dataset["store"]] = max(days, kept.get(dataset["store"], 0))
    stores = {
        plain(store["ref"]): {"class": store.get("class", ""), "days": kept.get(store.get("id"), 0)}
        for store in declaration.body.get("stores") or ()
        if isinstance(store.get("ref"), str)
    }
    return {"stores": stores, "longest": longest}


def _days(retention: Any) -> int:
    """Return the days of ``retention: {period: P6M}``, 0 where nothing is said."""
    period = retention.get("period") if isinstance(retention, Mapping) else None
    parts = re.findall(r"(\d+)([YMWD])", period) if isinstance(period, str) else []
    return sum(int(number) * _DAYS[unit] for number, unit in parts)
