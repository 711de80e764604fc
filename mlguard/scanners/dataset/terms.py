"""What a column's name says, and whether its values agree."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from mlguard import tables


@dataclass(frozen=True, slots=True)
class Term:
    """A kind of personal data that a column's name can name."""

    id: str
    category: str
    dpv: str
    gdpr_class: str
    group: str
    fits: Callable[[str], bool]
    weak: bool = False


_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W_]+")


def folded(text: str) -> str:
    """Return the text in lower case without accents."""
    text = (
        text.replace("ß", "ss")
        .replace("ø", "o")
        .replace("Ø", "O")
        .replace("ł", "l")
        .replace("Ł", "L")
        .replace("’", "'")
    )
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).lower()


def tokens(name: str) -> list[str]:
    """Return the words of a column's name: ``customerBirth_Date2`` gives customer, birth, date, 2."""
    spaced = _CAMEL.sub(" ", name)
    return [part for word in _WORD.findall(folded(spaced)) for part in re.findall(r"[^\W\d]+|\d+", word)]


@cache
def _phrases() -> dict[tuple[str, ...], Term]:
    found: dict[tuple[str, ...], Term] = {}
    for entry in _table()["terms"]:
        term = Term(
            entry["id"],
            entry["category"],
            entry["dpv"],
            entry["class"],
            entry["group"],
            FITS[entry["values"]],
            bool(entry.get("weak")),
        )
        for phrase in entry["names"]:
            words = tuple(part for word in phrase.split() for part in re.findall(r"[^\W\d]+|\d+", word))
            found.setdefault(words, term)
            found.setdefault(("".join(words),), term)
    return found


@cache
def _table() -> dict[str, Any]:
    return cast(dict[str, Any], tables.table("column-terms"))


@cache
def _denied() -> frozenset[str]:
    return frozenset(_table()["deny"])


@cache
def _hints() -> frozenset[str]:
    return frozenset(_table()["hints"])


def term_of(name: str) -> Term | None:
    """Return the term that the longest run of words in the name stands for, or None when another word denies it."""
    words = tokens(name.rsplit(".", 1)[-1].replace("[]", "")) or tokens(name)
    phrases = _phrases()
    if len(words) == 1 and words[0] in (
        "first",
        "last",
    ):  # alone it can be a name; beside other words it counts something
        return phrases[(words[0], "name")]
    for size in range(min(len(words), 5), 0, -1):
        for start in range(len(words) - size, -1, -1):
            term = phrases.get(tuple(words[start : start + size]))
            if term and not (_denied() & {*words[:start], *words[start + size :]}):
                return term
    return None


def hints_at_person(name: str) -> bool:
    """Say whether the column's name speaks of a person: customer_id, patient no."""
    return bool(_hints() & set(tokens(name)))


def denied(name: str) -> bool:
    """Say whether a word of the name speaks of counts, versions, models and the like."""
    return bool(_denied() & set(tokens(name)))


@cache
def given_names() -> frozenset[str]:
    """Return frequent given names in lower case without accents."""
    return frozenset(str(tables.table("given-names")["names"]).split())


_TITLES = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "miss",
        "dr",
        "prof",
        "sir",
        "herr",
        "frau",
        "mme",
        "mlle",
        "monsieur",
        "madame",
        "m",
        "sr",
        "sra",
        "don",
        "dona",
        "sig",
        "signora",
        "rev",
        "master",
        "md",
        "phd",
        "dds",
        "dvm",
        "jr",
        "ii",
        "iii",
        "iv",
    ]
)
_PERSON = re.compile(r"^[^\W\d_]+(?:[ ,.()'\"’\-]{1,4}[^\W\d_]+){1,7}[ .)\"]{0,3}$")
_GIVEN = re.compile(r"^[^\W\d_][^\W\d_'’.\-]*(?:[ '’.\-]+[^\W\d_]+){0,3}\.?$")
_NO_WORD = frozenset(
    [
        "true",
        "false",
        "yes",
        "no",
        "none",
        "null",
        "nan",
        "na",
        "unknown",
        "other",
        "male",
        "female",
        "test",
        "admin",
        "default",
        "active",
        "inactive",
        "ja",
        "nein",
        "oui",
        "non",
    ]
)


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
    return any(word in given_names() for word in words) or bool(words) and len(words) > 1 and words[0] in _TITLES


def _fits_given(value: str) -> bool:
    return 1 < len(value) <= 40 and bool(_GIVEN.match(value)) and value.lower() not in _NO_WORD


def _fits_person(value: str) -> bool:
    if value.islower():
        value = value.title()
    return is_person(value) or len(value) <= 40 and bool(_GIVEN.match(value)) and folded(value) in given_names()


_BIRTH = re.compile(
    r"^(?:(?:18|19|20)\d{2}(?:[-/.]?\d{1,2}[-/.]?\d{1,2})?(?:[T ]\d{1,2}:\d{2}.*)?|\d{1,2}[-/. ](?:\d{1,2}|[^\W\d_]{3,9})\.?[-/. ](?:18|19|20)?\d{2}(?: .*)?"
    r"|[^\W\d_]{3,9}\.? \d{1,2},? \d{4})(?:\.0)?$"
)
_NUMBER = re.compile(r"^[-+]?(?:\d{1,3}(?:[ ,.']\d{3})+|\d+)(?:[.,]\d+)?$")


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _within(low: float, high: float) -> Callable[[str], bool]:
    def fits(value: str) -> bool:
        number = _number(value)
        return number is not None and low <= number <= high

    return fits


def _fits_age(value: str) -> bool:
    number = _number(value)
    return (
        0 <= number <= 120
        if number is not None
        else bool(re.match(r"^[<>]?=?\s*\d{1,3}\s*(?:[-–]\s*\d{1,3}|\+|years?|yrs?|jahre|ans|y)?$", value))
    )


_CURRENCY = re.compile(r"^[ $€£]+|^(?:EUR|USD|GBP) ?|[ $€£]+$| ?(?:EUR|USD|GBP|k|K)$")


def _fits_money(value: str) -> bool:
    return bool(_NUMBER.match(_CURRENCY.sub("", value))) or value.lower() in (
        "<=50k",
        ">50k",
        "<=50k.",
        ">50k.",
        "low",
        "medium",
        "high",
    )


_STREET = re.compile(
    r"(?i)\b(?:street|st|road|rd|avenue|ave|lane|ln|drive|dr|court|ct|boulevard|blvd|way|place|pl|square|sq|terrace|apt|suite|box|apo|fpo|rue|place|all[eé]e|chemin|impasse|calle|carrer|avenida|avda|plaza|paseo|via|viale|piazza|corso|rua|travessa|laan|weg|plein|gracht|ulica|ul|aleja|gade|vej|gata|vei|katu)\b"
    r"|(?:str(?:aße|asse|\.)|gasse|platz|allee|weg|straat|laan|plein|vägen|gatan|gade|vej|katu|ring|damm|ufer)\b"
)


def _fits_address(value: str) -> bool:
    letters, digits = sum(c.isalpha() for c in value), sum(c.isdigit() for c in value)
    return (
        5 <= len(value) <= 250
        and letters >= 3
        and "@" not in value
        and "://" not in value
        and (bool(digits and re.search(r"[ ,\n]", value) or _STREET.search(value)) and not _BIRTH.match(value))
    )


def _fits_gender(value: str) -> bool:
    return folded(value.strip(" .")).removesuffix(".0") in _genders()


@cache
def _genders() -> frozenset[str]:
    return frozenset(tables.table("value-terms")["gender"])


def _fits_word(value: str) -> bool:
    return (
        1 < len(value) <= 80
        and value[0].isalpha()
        and sum(c.isalpha() for c in value) * 10 >= 7 * len(value.replace(" ", ""))
        and value.lower() not in ("true", "false")
    )


def _fits_phone(value: str) -> bool:
    digits = sum(c.isdigit() for c in value)
    return (
        7 <= digits <= 18
        and not re.search(r"\d{4}-\d{2}-\d{2}|[@:]", value)
        and sum(c.isalpha() for c in value) <= 5
        and not re.match(r"^\d+\.\d{2,}$", value)
    )


_DECIMAL = re.compile(r"^[-+]?\d*\.\d+$")


def _fits_code(value: str) -> bool:
    if _DECIMAL.match(value) and not value.endswith(".0") or value.isdigit() and len(value) < 7:
        return False
    digits = sum(c.isdigit() for c in value)
    return (
        5 <= len(value) <= 40
        and digits >= 4
        and digits * 2 >= len(value.replace(" ", "")) - 8
        and bool(re.match(r"^[\w .\-/]+$", value))
        and not _BIRTH.match(value)
        and "." not in value[-3:]
    )


FITS: Mapping[str, Callable[[str], bool]] = {
    "person": _fits_person,
    "given": _fits_given,
    "handle": lambda value: bool(re.match(r"^[\w.@\-]{3,40}$", value)) and not value.replace(".", "").isdigit(),
    "email": lambda value: "@" in value and "." in value.rsplit("@", 1)[-1],
    "phone": _fits_phone,
    "birth": lambda value: bool(_BIRTH.match(value)),
    "word": _fits_word,
    "address": _fits_address,
    "postcode": lambda value: (
        bool(re.match(r"^[A-Za-z0-9][A-Za-z0-9 \-]{2,9}(?:\.0)?$", value)) and any(c.isdigit() for c in value)
    ),
    "gender": _fits_gender,
    "age": _fits_age,
    "money": _fits_money,
    "latitude": _within(-90, 90),
    "longitude": _within(-180, 180),
    "ip": lambda value: (
        bool(re.match(r"^(?:\d{1,3}\.){3}\d{1,3}$|^[0-9a-fA-F:]{3,39}$", value))
        and ("." in value or value.count(":") > 1)
    ),
    "code": _fits_code,
    "card": lambda value: 12 <= sum(c.isdigit() for c in value) <= 19 and bool(re.match(r"^[\d \-]+(?:\.0)?$", value)),
    "plate": lambda value: (
        bool(re.match(r"^[^\W_][\w \-·]{3,11}$", value))
        and any(c.isdigit() for c in value)
        and any(c.isalpha() for c in value)
    ),
    "health": lambda value: bool(value.strip()),
    "text": lambda value: bool(value.strip()),
}


_HEADER = re.compile(r"^[^\W\d][\w .,/\-()\[\]{}%#&+:?*$€£°'’²³=<>|;~^!\"]{0,79}$")
_STREET_NUMBER = re.compile(r"^\d+[ ,]+[^\W\d]|[^\W\d_]{3,}[ .,]+\d{1,4}\w?$")


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
    return bool(_STREET.search(name) and any(character.isdigit() for character in name) and " " in name)


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


def shown(name: str, position: int) -> str:
    """Return the column's name if it is fit to be shown, else "column <position>"."""
    from mlguard import redact

    plain = " ".join(name.split())
    if not plain or len(plain) > 120 or reveals(plain) or redact.text(plain) != plain:
        return f"column {position}"
    return redact.printable(plain)
