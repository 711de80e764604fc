"""Says which names in code stand for personal data."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from mlguard import tables

LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pt", "pl")


@dataclass(frozen=True, slots=True)
class Term:
    """A kind of personal data. ``label`` is for people; ``kind`` is ordinary, special or criminal."""

    id: str
    label: str
    kind: str
    direct: bool
    weak: bool
    column: bool  # weak in code, clear as a column beside other columns


_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BREAK = re.compile(r"[^a-z0-9]+")


@lru_cache(maxsize=65_536)
def words(name: str) -> tuple[str, ...]:
    """Return the lower-case words of an identifier or a column's name, accents dropped."""
    spaced = _CAMEL.sub(" ", name)
    if not spaced.isascii():
        spaced = unicodedata.normalize("NFKD", spaced.replace("ß", "ss").replace("ł", "l"))
        spaced = "".join(char for char in spaced if not unicodedata.combining(char))
    return tuple(filter(None, _BREAK.split(spaced.lower())))


@cache
def _table() -> Mapping[str, Any]:
    found: Mapping[str, Any] = tables.table("personal-terms")
    return found


@cache
def _terms() -> tuple[dict[tuple[str, ...], Term], frozenset[str], int]:
    by_words: dict[tuple[str, ...], Term] = {}
    for entry in _table()["terms"]:
        term = Term(
            entry["id"], entry["label"], entry["class"], entry.get("direct", False), entry.get("weak", False),
            entry.get("column", False),
        )  # fmt: skip
        for language in LANGUAGES:
            for name in entry.get(language, ()):
                by_words.setdefault(tuple(name.split()), term)
    return by_words, frozenset(key[0] for key in by_words), max(map(len, by_words))


@cache
def _words_of(key: str) -> frozenset[str]:
    return frozenset(_table()[key])


def is_person(name: str) -> bool:
    """Say whether a name stands for a person, as ``user`` or ``patients`` do."""
    return not _words_of("persons").isdisjoint(words(name))


def is_key(name: str) -> bool:
    """Say whether a column's name is that of a person's key, as ``customer_id`` is."""
    parts = words(name)
    return len(parts) == 2 and parts[1] in ("id", "uuid", "guid", "key") and is_person(parts[0])


def is_holder(name: str) -> bool:
    """Say whether what belongs to this name is settings rather than somebody's data."""
    return not _words_of("holders").isdisjoint(words(name))


@lru_cache(maxsize=65_536)
def term(name: str, owner: str = "") -> Term | None:
    """Return the kind of personal data that a name stands for. ``owner`` is what it belongs to."""
    parts = words(name)
    if not parts or len(name) > 60 or (owner and is_holder(owner)):
        return None
    found, rest = _match(parts)
    if found is None or not _words_of("deny").isdisjoint(rest):
        return None
    if found.weak:
        beside = is_person(name) or is_person(owner)
        return found if beside and parts[:2] != ("user", "name") else None
    return found


@lru_cache(maxsize=65_536)
def may_be_personal(name: str) -> bool:
    """Say whether a name holds a word for personal data, whatever stands around it."""
    return len(name) <= 60 and (_match(words(name))[0] is not None or is_key(name))


def _match(parts: Sequence[str]) -> tuple[Term | None, Sequence[str]]:
    """Return the term in a name, the clearest first, and the words around it."""
    by_words, first, longest = _terms()
    weak: Term | None = None
    around: Sequence[str] = ()
    for start, part in enumerate(parts):
        if part not in first:
            continue
        for end in range(min(len(parts), start + longest), start, -1):
            hit = by_words.get(tuple(parts[start:end]))
            if hit is not None and not hit.weak:
                return hit, [*parts[:start], *parts[end:]]
            if hit is not None and weak is None:
                weak, around = hit, [*parts[:start], *parts[end:]]
    return weak, around


def columns(names: Iterable[str]) -> list[tuple[str, Term]]:
    """Return the columns that hold personal data. A weak name counts when the others are clearly about persons."""
    names = list(names)
    sure = [(name, found) for name in names if (found := term(name))]
    about_persons = bool(sure) or any(words(name)[-1:] in (("age",), ("gender",), ("sex",)) for name in names)
    if not about_persons:
        return sure
    known = {name for name, _ in sure}
    for name in names:
        hit = _match(words(name))[0] if name not in known and len(words(name)) == 1 else None
        if hit is not None and hit.weak and (hit.column or hit.direct):
            sure.append((name, hit))
    return sure
