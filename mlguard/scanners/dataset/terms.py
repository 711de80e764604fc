"""What a column's name says, and whether its values agree."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Any, cast

from mlguard import lazy, tables
from mlguard.scanners.dataset.fits import FITS, STREET, Fit
from mlguard.values import dataclass


@dataclass(frozen=True, slots=True)
class Term:
    """A kind of personal data that a column's name can name."""

    id: str
    category: str
    dpv: str
    gdpr_class: str
    group: str
    fits: Fit
    weak: bool = False  # the name alone says nothing: the values must be names of persons
    vague: bool = False  # the name has another meaning as well: it counts beside persons
    words: int = 1  # words of the name that stand for it


_CAMEL = lazy.pattern(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = lazy.pattern(r"[^\W_]+")


_LETTERS = str.maketrans(
    {
        "ß": "ss",
        "ø": "o",
        "Ø": "O",
        "ł": "l",
        "Ł": "L",
        "’": "'",
        "đ": "d",
        "Đ": "D",
        "ı": "i",
        "æ": "ae",
        "Æ": "AE",
        "ð": "d",
        "Ð": "D",
        "þ": "th",
        "Þ": "Th",
    }
)


def folded(text: str) -> str:
    """Return the text in lower case without accents and vowel signs."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    return "".join(c for c in parts if unicodedata.category(c)[0] != "M").lower()


def tokens(name: str) -> list[str]:
    """Return the words of a column's name: ``customerBirth_Date2`` gives customer, birth, date, 2."""
    spaced = _CAMEL.sub(" ", name)
    return _words(folded(spaced))


def _words(text: str) -> list[str]:
    return [part for word in _WORD.findall(text) for part in re.findall(r"[^\W\d]+|\d+", word)]


@cache
def _phrases() -> dict[tuple[str, ...], Term]:
    found: dict[tuple[str, ...], Term] = {}
    vague = frozenset(_table()["vague"])
    for entry in _table()["terms"]:
        for phrase in entry["names"]:
            words = tuple(_words(folded(phrase)))
            term = Term(
                entry["id"], entry["category"], entry["dpv"], entry["class"], entry["group"], FITS[entry["values"]],
                bool(entry.get("weak")), phrase in vague, len(words),
            )  # fmt: skip
            found.setdefault(words, term)
            found.setdefault(("".join(words),), term)
    return found


@cache
def _table() -> dict[str, Any]:
    return cast(dict[str, Any], tables.table("column-terms"))


@cache
def _denied() -> frozenset[str]:
    return _list("deny")


@cache
def _hints() -> frozenset[str]:
    return _list("hints")


_STEP = lazy.pattern(r"(?<=[\w\]])\.(?=\w)")
"""Between two keys of a path."""


def term_of(name: str) -> Term | None:
    """Return the term that the longest run of words in the name stands for, or None when another word denies it."""
    steps = _STEP.split(_PLACE.sub("", name))
    words = _asked(tokens(steps[-1]), name) or tokens(name)
    if len(words) == 1 and words[0] in ("first", "last", "given", "family"):
        return _phrases()[(words[0], "name")]  # alone it can be a name; beside other words it counts something
    if speaks_of("body", " ".join(words)) and speaks_of("measures", " ".join(words)):
        return _phrases()["biometric",]  # voice_sample_embedding
    found = _longest(words) or _longest([part for word in words for part in _parted(word)])
    return found or (_across(tokens(steps[-2]), words) if len(steps) > 1 else None)


_PLACE = lazy.pattern(r"\[\d*\]")
"""The place of an entry in a list of a path."""


def _asked(words: list[str], name: str) -> list[str]:
    """Return the words that a question asks for: full, name for "What is your full name?"."""
    if not name.rstrip().endswith("?") or tuple(words) in _phrases():
        return words
    return [word for word in words if word not in _list("questions")] or words


def _across(parent: list[str], words: list[str]) -> Term | None:
    """Return the term that a key says together with the one above it: address.line1, birth.date."""
    phrases = _phrases()
    for before in range(min(len(parent), 2), 0, -1):
        for after in range(min(len(words), 2), 0, -1):
            term = phrases.get((*parent[-before:], *words[:after]))
            if term and not term.vague and not term.weak and not _denied() & {*parent[:-before], *words[after:]}:
                return term
    return None


def _longest(words: list[str]) -> Term | None:
    phrases = _phrases()
    for size in range(min(len(words), 6), 0, -1):
        for start in range(len(words) - size, -1, -1):
            term = phrases.get(tuple(words[start : start + size]))
            others = {*words[:start], *words[start + size :]}
            if term and not _denied() & others and not (term.vague and others - _about_persons()):
                return term
    return None


@cache
def _about_persons() -> frozenset[str]:
    """Return the words that may stand beside a vague one without changing what it means."""
    return _hints() | frozenset(_qualifiers()) | {str(digit) for digit in range(10)} | {*_list("neutral")}


@cache
def _qualifiers() -> tuple[str, ...]:
    """Return words that are glued to others, as in patientdob, the longest first."""
    return tuple(
        sorted(
            {word for word in (*_hints(), *_list("qualifiers")) if len(word) > 2 and word.isascii()},
            key=lambda word: (-len(word), word),
        )
    )


def _parted(word: str) -> tuple[str, ...]:
    """Return the two words of which one is made, or the word."""
    if len(word) > 5 and (word,) not in _phrases():
        for first in _qualifiers():
            if word.startswith(first) and len(word) - len(first) > 2 and (word[len(first) :],) in _phrases():
                return first, word[len(first) :]
    return (word,)


def says_more(name: str) -> bool:
    """Say whether a name holds words beside those for names and persons."""
    words = tokens(_STEP.split(name)[-1].replace("[]", ""))
    return any((word,) not in _phrases() and word not in _about_persons() for word in words)


def hints_at_person(name: str) -> bool:
    """Say whether the column's name speaks of a person: customer_id, patient no."""
    return bool(_hints() & set(tokens(name)))


def denied(name: str) -> bool:
    """Say whether a word of the name speaks of counts, versions, models and the like."""
    return bool(_denied() & set(tokens(name))) and not says_nothing(name)


_SAYS_NOTHING = lazy.pattern(
    r"(?i)^(?:unnamed|col(?:umn)?|spalte|champ|campo|field|feature|feat|attr(?:ibute)?|var(?:iable)?|value|values|data|text|x|v|f|c|q|a|k|d|_c)?[ _:.\-]*\d*(?:_\d+)?$"
)


def says_nothing(name: str) -> bool:
    """Say whether the name tells nothing of what the column holds: col_3, V12, Unnamed: 4, value, item, info."""
    return bool(_SAYS_NOTHING.match(name.strip())) or all(
        word.isdigit() or len(word) == 1 and word.isascii() or word in _list("empty") for word in tokens(name)
    )


def says_little(name: str) -> bool:
    """Say whether the name tells no more than that there is a number or a code: id, ref, code_2."""
    return says_nothing(name) or all(
        word.isdigit() or len(word) == 1 or word in _list("empty") or word in _list("numbered") for word in tokens(name)
    )


def refers(name: str) -> bool:
    """Say whether a word of the name speaks of numbers for things: orders, invoices, parcels."""
    return speaks_of("references", name)


def speaks_of(key: str, name: str) -> bool:
    """Say whether a word of the name stands in the list ``key`` of rules/tables/column-terms.yaml."""
    return bool(_list(key) & set(tokens(name)))


@cache
def _list(key: str) -> frozenset[str]:
    return frozenset(folded(word) for word in _table()[key])


@cache
def given_names() -> frozenset[str]:
    """Return frequent given names in lower case without accents."""
    return frozenset(str(tables.table("given-names")["names"]).split())


@cache
def titles() -> frozenset[str]:
    """Return titles and forms of address, folded."""
    return frozenset(tables.table("given-names")["titles"].split())


_PERSON = lazy.pattern(r"^[^\W\d_]+(?:[ ,.()'\"’\-]{1,4}[^\W\d_]+){1,7}[ .)\"]{0,3}$")


def is_person(value: str) -> bool:
    """Say whether the value is written as a person's full name is: two to seven words, each with a capital."""
    if not 4 <= len(value) <= 80 or not _PERSON.match(value):
        return False
    words = re.findall(r"[^\W\d_]+", value)
    capital = sum(word[0].isupper() or not word[0].islower() for word in words)
    return len(words) >= 2 and capital >= len(words) - sum(
        word.lower()
        in (
            "de",
            "van",
            "von",
            "der",
            "den",
            "la",
            "del",
            "di",
            "da",
            "dos",
            "bin",
            "al",
            "el",
            "y",
            "zu",
            "le",
            "ter",
            "te",
        )
        for word in words
    )


def has_given_name(value: str) -> bool:
    """Say whether a word of the value is a frequent given name or a title of persons."""
    words = re.findall(r"[a-z]+", folded(value))[:5]
    return any(word in given_names() for word in words) or bool(words) and len(words) > 1 and words[0] in titles()


def reveals(name: str) -> bool:
    """Say whether a header cell or a key may itself be somebody's data: an address, a number, a person's name."""
    if "@" in name or sum(character.isdigit() for character in name) >= 6:
        return True
    words = re.findall(r"[^\W\d_]+", name)
    capitals = [word for word in words if word[0].isupper() and not word.isupper() or len(words) > 1 and word.isupper()]
    if capitals and len(words) <= 4 and "_" not in name and folded(words[0]) in given_names() and not term_of(name):
        return len(words) > 1 or folded(name) not in _AMBIGUOUS
    last = re.match(r"^([^\W\d_][\w'’\-]+), ?(?:[^\W\d_]+\.? )?([^\W\d_][\w'’\-]+)", name)
    if last and folded(last.group(2)) in given_names():
        return True
    return bool(STREET.search(name) and any(character.isdigit() for character in name) and " " in name)


_AMBIGUOUS = frozenset(
    [
        "age",
        "mark",
        "bill",
        "rose",
        "grace",
        "virginia",
        "georgia",
        "may",
        "april",
        "june",
        "will",
        "art",
        "grant",
        "chase",
        "drew",
        "jordan",
        "georgia",
        "rich",
        "max",
        "page",
        "rob",
        "sue",
        "pat",
        "dale",
        "glen",
        "melody",
        "joy",
        "hope",
        "faith",
        "ray",
        "frank",
        "ernest",
        "sandy",
        "dawn",
        "amber",
        "crystal",
        "ruby",
        "summer",
        "autumn",
        "victoria",
        "sierra",
        "florence",
        "madison",
        "austin",
        "paris",
        "charlotte",
        "sydney",
        "lima",
    ]
)


def shown_path(name: str) -> str:
    """Return a table's name, which may be a path within a file, with each part that is not fit to be shown left out."""
    parts = re.split(r"( > |/)", name)
    return "".join(
        part if at % 2 or not part else shown(part, 0).replace("column 0", "…") for at, part in enumerate(parts)
    )


def shown(name: str, position: int) -> str:
    """Return the column's name if it is fit to be shown, else "column <position>"."""
    from mlguard import redact

    plain = " ".join(name.split())
    if not plain or len(plain) > 120 or reveals(plain) or redact.text(plain) != plain:
        return f"column {position}"
    return redact.printable(plain)
