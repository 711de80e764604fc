"""What a sample of values says about being names of persons: how they are written, and which of their words are known names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Literal

from mlguard import lazy, tables
from mlguard.scanners.dataset import terms
from mlguard.values import dataclass


@dataclass(frozen=True, slots=True)
class Names:
    """Shares of the distinct values, of 1, and how many they are."""

    values: int
    written: float  # as a full name is: words with capitals, or characters of a family before those of a given name
    given: float  # with a known given name, a title of persons or a name after the father
    known: float  # with one of those or a known family name
    led: float  # in which a known given name comes first, or after a known family name, as in names and not in "Chicken Alfredo"
    listed: float  # with a word that is listed as a given or family name, endings aside
    things: float  # with a word for companies, places or goods


MOST = 400
"""Values of a sample that are looked at; they are in the order of their hashes, so these are a sample as well."""


def told_by(values: Sequence[str]) -> Names:
    """Return what the distinct values of a column say."""
    looked_at = values[:MOST]
    total = max(len(looked_at), 1)
    parts = [_Value.of(value) for value in looked_at]
    return Names(
        len(values),
        sum(part.written for part in parts) / total,
        sum(part.given for part in parts) / total,
        sum(part.given or part.family for part in parts) / total,
        sum(part.led for part in parts) / total,
        sum(part.listed for part in parts) / total,
        sum(part.thing for part in parts) / total,
    )


@dataclass(frozen=True, slots=True)
class _Value:
    written: bool
    given: bool
    family: bool
    led: bool
    listed: bool
    thing: bool

    @staticmethod
    def of(value: str) -> _Value:
        if any(c.isdigit() for c in value) or _DOMAIN.match(value):
            return _Value(False, False, False, False, False, False)
        words = [word for word in re.split(r"[\s,.()'’\"\-]+", terms.folded(value)) if word][:8]
        asian = is_asian(value)
        thing = (
            bool(_POSSESSIVE.search(value))
            or any(word in _things() for word in words)
            or len(words) > 1
            and len(words[0]) > 3
            and words[0] in _streets()
            or any(word.endswith(_ENDS) for word in words if len(word) > 6)
        )
        return _Value(
            is_written(value),
            asian or _has_given(words) or any(word.endswith(_FATHERS) for word in words),
            any(word in family_names() or len(word) > 5 and word.endswith(_FAMILIES) for word in words),
            asian or _is_led(words),
            asian or any(word in family_names() or _is_given(word) for word in words),
            thing,
        )


def is_written(value: str) -> bool:
    """Say whether the value is written as a full name; names in small letters only count as well."""
    if is_asian(value):
        return True
    plain = value if value.isascii() else "".join(c for c in value if unicodedata.category(c)[0] not in "MC")
    first, _, rest = plain.partition(" ")
    while rest and terms.folded(first.strip(".")) in terms.titles():
        first, _, rest = (plain := rest).partition(" ")
    return terms.is_person(plain.title() if plain.islower() else plain)


def _has_given(words: Sequence[str]) -> bool:
    return any(map(_is_given, words)) or len(words) > 1 and words[0] in terms.titles()


def _is_given(word: str) -> bool:
    return word in terms.given_names() or word in _scripts()


def _is_led(words: Sequence[str]) -> bool:
    """Say whether the words begin as a name does: title or given name, or family name and given name."""
    if not words:
        return False
    first, rest = words[0], words[1:]
    if _is_given(first) or rest and (first in terms.titles() or len(first) == 1 and first.isalpha()):
        return True
    return any(map(_is_given, rest)) and (first in family_names() or first.endswith((*_FAMILIES, *_FATHERS)))


_FATHERS = ("ович", "евич", "овна", "евна", "ична", "івна", "іівна", "йович")
"""Endings of Slavic names after the father."""

_FAMILIES = (
    "ova", "owski", "owska", "ewski", "ewska", "icki", "icka", "sky", "ska", "ski", "vic", "enko", "chuk", "yan", "sson", "nen", "escu",
    "oglu", "opoulos", "idis", "akis", "dottir", "stra", "wicz", "czyk", "shvili", "adze", "ов", "ова", "ев", "ева", "ин", "ина", "енко", "ский", "ская", "скии", "чук",
    "ιδης", "ακης", "οπουλος",
)  # fmt: skip
"""Endings of names of families, folded."""

_DOMAIN = lazy.pattern(r"^[^\s.]{3,}(?:\.[^\s.]+)*\.[a-zA-Z]{2,6}$")
"""A host or a file: words with a point and without a space."""

_POSSESSIVE = lazy.pattern(r"['’]s \w")
"""Joe's Pizza is no person."""

_ENDS = (
    "strasse", "platz", "allee", "gasse", "bahnhof", "brucke", "straat", "plein", "gracht", "gatan", "vagen", "gymnasium", "apotheke",
    "museum", "universitat", "university", "stadion", "stadium", "versicherung", "werke", "verein", "hotel", "street", "kirche",
)  # fmt: skip
"""Endings of words for places and houses, folded."""


@cache
def _things() -> frozenset[str]:
    return frozenset(tables.table("value-terms")["things"])


@cache
def _streets() -> frozenset[str]:
    return frozenset(terms.folded(word) for word in tables.table("value-terms")["streets"])


@cache
def _scripts() -> frozenset[str]:
    return frozenset(str(tables.table("given-names")["scripts"]).split())


@cache
def family_names() -> frozenset[str]:
    """Return frequent family names in Latin letters, in lower case without accents."""
    return frozenset(str(tables.table("given-names")["surnames"]).split())


_HAN = lazy.pattern(r"^[\u4e00-\u9fff]{2,4}$")
_HANGUL = lazy.pattern(r"^[\uac00-\ud7a3]{1,2} ?[\uac00-\ud7a3]{1,2}$")
_JAPANESE = lazy.pattern(r"^([\u4e00-\u9fff\u3005]{1,3})[ \u3000]?[\u4e00-\u9fff\u3005\u3040-\u30ff]{1,4}$")


@cache
def _characters(key: str) -> frozenset[str]:
    return frozenset(str(tables.table("given-names")[key]).strip())


@cache
def _kanji() -> frozenset[str]:
    return frozenset(str(tables.table("given-names")["kanji"]).split())


def is_asian(value: str) -> bool:
    """Say whether a name in Han characters, Hangul or kana begins with a frequent family name."""
    if value.isascii():
        return False
    if _HANGUL.match(value) and 2 <= len(value.replace(" ", "")) <= 4:
        return value[0] in _characters("hangul")
    if _HAN.match(value) and value[0] in _characters("han"):
        return True
    match = _JAPANESE.match(value)
    return bool(match) and any(value.startswith(name) for name in (value[:1], value[:2], value[:3]) if name in _kanji())


def are_names(names: Names) -> bool:
    """Say whether values under a name that says nothing are names of persons."""
    if (
        names.values < 3
        or names.written < 0.8
        or names.things > (0.15 if names.values < 20 and names.led > 0.9 else 0.05)
    ):
        return False
    if names.led >= 0.3 and (names.given >= 0.5 or names.known >= 0.6 and names.given >= 0.3):
        return True  # Los Angeles and San Diego hold given names, but do not begin with one
    return (
        names.values >= 10
        and names.written >= 0.95
        and names.known >= (0.22 if names.values >= 20 else 0.4)
        and names.given >= (0.15 if names.values >= 20 else 0.3)
        and names.things < 0.02
    )


def can_be_names(names: Names, company: bool) -> bool:
    """Say whether values are names of persons, full or in part, when the column is called as persons are."""
    if names.things > (0.3 if company else 0.15) or not company and names.led < 0.15:
        return False
    if names.written > 0.6:
        return names.given > 0.15 or names.known > 0.25 or company and names.known > 0.03
    return names.known > 0.5


def are_first_names(values: Sequence[str], names: Names, company: bool = True) -> bool:
    """Say whether values under a name that says nothing are given names. ``company``: the table is about persons."""
    if not company:
        parted = sum(" " in value for value in values[:MOST]) * 5 <= 2 * min(len(values), MOST)
        return names.values >= 8 and names.given >= 0.65 and parted and _single(values) and names.things < 0.03
    return names.values >= 10 and names.given >= 0.5 and _single(values) and names.things < 0.05


def are_last_names(values: Sequence[str], names: Names, beside: Literal["first", "persons", ""] = "first") -> bool:
    """Say whether values are names of families: ``beside`` given names, beside other data of persons, or alone."""
    if names.values < 15 or not _single(values) or names.things > 0.04:
        return False
    if beside == "first":
        return names.known >= 0.15
    return names.listed >= (0.3 if beside == "persons" else 0.55) and names.known - names.listed < 0.3


_SINGLE = lazy.pattern(r"^[^\W\d_][^\d_@/:=<>{}]{1,30}$")
_SMALL = lazy.pattern(r"^[a-zß-ÿ'’\-]{2,20}$")


def _single(values: Sequence[str]) -> bool:
    """Say whether nearly all are words with a capital, at most a few of them two."""
    looked_at = values[:MOST]
    small = all(map(_SMALL.match, looked_at))
    good = sum(bool(_SINGLE.match(value)) and (small or not value[0].islower()) for value in looked_at)
    parted = sum(value.count(" ") > 1 for value in looked_at)
    return good * 20 >= 19 * len(looked_at) and parted * 5 < len(looked_at)
