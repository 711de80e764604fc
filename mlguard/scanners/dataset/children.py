"""Tells data of children: who is under 16 by the table's own dates and ages, and whose pupils and guardians it names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mlguard import lazy
from mlguard.facts import Field
from mlguard.scanners.dataset import terms
from mlguard.scanners.dataset.columns import Profile
from mlguard.scanners.dataset.context import context_field

YEARS = 16
"""Regulation (EU) 2016/679, Article 8(1): years of age below which a child's consent needs a parent's."""

SHARE = 0.5
"""Least share of birth dates or ages below that, of 1, in a table about children."""


def fields(profiles: Sequence[Profile], found: Sequence[Field]) -> Iterator[Field]:
    """Yield a field for each column that tells of children, beside what else it holds. ``found`` are the fields of the table."""
    newest = _newest(profiles, found)
    seen = {(field.name, field.category) for field in found}
    for profile in profiles:
        if (profile.name, "user.childrens") in seen:
            continue
        categories = [field.category for field in found if field.name == profile.name]
        told = _told(profile, categories, newest)
        if told:
            yield context_field(
                profile,
                "user.childrens",
                "Offspring" if told == "name:child" else "Age",
                "personal",
                "medium",
                profile.cells,
                told,
            )


def _told(profile: Profile, categories: Sequence[str], newest: float) -> str:
    if "user.demographic.date_of_birth" in categories and _young(_years(profile), newest):
        return "values:birth-date"
    if "user.demographic.age_range" in categories and _are_ages_of_children(profile.sample.values()):
        return "values:age"
    direct = any(category.startswith(("user.name", "user.contact")) for category in categories)
    return "name:child" if direct and terms.speaks_of("children", profile.label) else ""


def _are_ages_of_children(values: Sequence[str]) -> bool:
    ages = [float(value) for value in values if re.fullmatch(r"\d{1,3}(?:\.\d+)?", value)]
    return len(ages) > 2 and sum(age < YEARS for age in ages) >= SHARE * len(values) and max(ages) < 22


_DATE = lazy.pattern(
    r"^(?:((?:19|20)\d{2})[-/.]?(\d{1,2})?(?:[-/.]?\d{1,2})?(?:[T ].*)?|\d{1,2}[-/. ](\d{1,2})[-/. ]((?:19|20)\d{2}))$"
)


def _years(profile: Profile) -> list[float]:
    """Return the dates of a column as years with a fraction."""
    found = []
    for value in profile.sample.values():
        match = _DATE.match(value)
        if match:
            year, month = (match[1], match[2]) if match[1] else (match[4], match[3])
            found.append(int(year) + min(int(month or 6), 12) / 12)
    return found


def _newest(profiles: Sequence[Profile], found: Sequence[Field]) -> float:
    """Return the newest date of the table that is nobody's birth, or 0. Verdicts do not depend on today's date."""
    births = {field.name for field in found if field.category == "user.demographic.date_of_birth"}
    newest = 0.0
    for profile in profiles:
        if profile.name not in births and not profile.text:
            years = _years(profile)
            if len(years) * 10 >= 9 * len(profile.sample):
                newest = max([newest, *years])
    return newest


def _young(births: Sequence[float], newest: float) -> bool:
    return (
        len(births) > 2 and newest > 0 and sum(0 <= newest - birth < YEARS for birth in births) >= SHARE * len(births)
    )
