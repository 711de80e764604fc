"""Knows the words that give a category away whatever the column is called, and asks for the codes that do."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache

from mlguard import tables
from mlguard.facts import Field
from mlguard.scanners.dataset import codes, terms
from mlguard.scanners.dataset.columns import Profile
from mlguard.scanners.dataset.context import context_field
from mlguard.values import dataclass

PROBE = 20
"""Values that are tried before all of a sample are."""

MOST = 40
"""Distinct values of a column in which words are looked up; more are no list of choices."""


@dataclass(frozen=True, slots=True)
class WordSet:
    """Values of one category, folded."""

    id: str
    category: str
    dpv: str
    gdpr_class: str
    values: frozenset[str]


@cache
def sets() -> tuple[WordSet, ...]:
    """Return the sets of rules/tables/value-terms.yaml in their order."""
    return tuple(
        WordSet(
            entry["id"], entry["category"], entry["dpv"], entry.get("class", "special"),
            frozenset(terms.folded(value) for value in entry["values"]),
        )
        for entry in tables.table("value-terms")["sets"]
    )  # fmt: skip


def known(name: str) -> frozenset[str]:
    """Return the values of a set."""
    return next(words.values for words in sets() if words.id == name)


@cache
def _common() -> frozenset[str]:
    return frozenset(terms.folded(word) for word in tables.table("value-terms")["common"])


def plain(value: str) -> str:
    """Return the value as it is compared."""
    return terms.folded(value).strip(" .")


def told_by(profile: Profile) -> Field | None:
    """Return a field for a column whose values are words or codes of a category."""
    distinct = profile.sample.values()
    if profile.text or len(distinct) < 2:
        return None
    return _coded(profile, distinct) or _worded(profile)


_NO_WALLET = frozenset({"hash", "tx", "txid", "transaction", "contract", "block", "digest"})


def _coded(profile: Profile, distinct: Sequence[str]) -> Field | None:
    probe = distinct[:PROBE]
    for code in codes.CODES:
        if sum(bool(code.pattern.match(value)) for value in probe) * 2 < len(probe):
            continue
        matching = [value for value in distinct if code.pattern.match(value)]
        if len(matching) < code.least or len(matching) * 10 < 8 * len(distinct) or not code.check(matching):
            continue
        if code.id == "wallet" and _NO_WALLET & set(terms.tokens(profile.label)):
            continue
        cells = (
            round(profile.cells * len(matching) / len(distinct))
            if profile.few is None
            else sum(number for value, number in profile.few.items() if code.pattern.match(value))
        )
        return context_field(profile, code.category, code.dpv, code.gdpr_class, "medium", cells, f"codes:{code.id}")
    return None


def _worded(profile: Profile) -> Field | None:
    if profile.few is None or len(profile.few) > MOST:
        return None
    words = {value: plain(value) for value in profile.few}
    proving = len(words) - sum(word in _common() for word in words.values())
    for candidate in sets():
        members = [value for value, word in words.items() if word in candidate.values]
        folded = {words[value] for value in members}
        if len(folded) < 2 or len(members) * 10 < 8 * proving or _misread(candidate.id, set(words.values())):
            continue
        telling = {word for word in folded if len(word) > 3 and word not in _generic()}
        if len(telling) > 1 or len(folded) > 2 and len(members) >= proving or candidate.id == "blood-group":
            cells = sum(profile.few[value] for value in members)
            return context_field(
                profile,
                candidate.category,
                candidate.dpv,
                candidate.gdpr_class,
                "medium",
                cells,
                f"values:{candidate.id}",
            )
    return None


@cache
def _generic() -> frozenset[str]:
    return frozenset(tables.table("value-terms")["generic"])


def _misread(name: str, found: Collection[str]) -> bool:
    """Say whether the words are those of something else: colours, grades, sides."""
    words = set(found)
    if name == "ethnicity":
        return bool(words & {"red", "green", "blue", "yellow", "silver", "brown"}) or words <= {"black", "white"}
    if name == "orientation":
        return words <= {"straight", "gay"} and "gay" not in words
    if name == "blood-group":
        return not any(word.startswith(("ab", "o", "0")) for word in words) or bool(
            words & {"c", "c+", "c-", "d", "d+", "d-"}
        )
    return False
