"""Whether the values of a column can be what its name says: tests of single values, for all of a column at once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlguard import lazy, tables
from mlguard.scanners.dataset.cells import matching, values_of
from mlguard.values import dataclass

Flags = NDArray[np.bool_]

_PARTICLES = "de|van|von|der|den|la|del|di|da|dos|bin|al|el|y|zu|le|ter|te|af|av|und|e|i"
_NAME = rf"(?:[\p{{Lu}}\p{{Lt}}\p{{Lo}}][\p{{L}}\p{{M}}]*|(?i:{_PARTICLES}))"
_PARTED = r"[ ,.()'\"’\-]{1,4}"
PERSON = rf"^{_NAME}(?:{_PARTED}{_NAME})+[ .)\"]{{0,3}}$"
"""RE2: a full name as it is written: words that each have a capital or are a particle."""

_LOWER_PERSON = rf"^[\p{{Ll}}\p{{M}}]+(?:{_PARTED}[\p{{Ll}}\p{{M}}]+)+$"
_ASIAN = "[一-鿿々぀-ヿ]{1,4}[ 　]?[一-鿿々぀-ヿ]{1,4}|[가-힣]{1,3} ?[가-힣]{1,3}"
"""RE2: a name in characters that are not parted by spaces."""

_GIVEN = r"^(?:[\p{L}][\p{L}\p{M}'’.\-]+(?:[ '’.\-]+[\p{L}\p{M}]+){0,3}\.?|[一-鿿가-힣])$"
_BIRTH = (
    r"^(?:(?:18|19|20)\d{2}(?:[-/.]?\d{1,2}[-/.]?\d{1,2})?(?:[T ]\d{1,2}:\d{2}.*)?|\d{1,2}[-/. ](?:\d{1,2}|[A-Za-z\x{80}-\x{10FFFF}]{3,20})\.?[-/. ](?:18|19|20)?\d{2}(?: .*)?"
    r"|[A-Za-z\x{80}-\x{10FFFF}]{3,20}\.? \d{1,2},? \d{4}|(?:18|19|20)\d{2}[年년] ?\d{1,2}[月월] ?\d{1,2}[日일])(?:\.0)?$"
)
_STREET = (
    r"(?i)\b(?:street|st|road|rd|avenue|ave|lane|ln|drive|dr|court|ct|boulevard|blvd|way|place|pl|square|sq|terrace|apt|suite|box|apo|fpo|rue|all[eé]e|chemin"
    r"|impasse|calle|carrer|avenida|avda|plaza|paseo|via|viale|piazza|corso|rua|travessa|laan|weg|plein|gracht|ulica|ul|aleja|gade|vej|gata|vei|katu)\b"
    r"|(?:str(?:aße|asse|\.)|gasse|platz|allee|weg|straat|laan|plein|vägen|gatan|gade|vej|katu|ring|damm|ufer)\b"
)
STREET = lazy.pattern(_STREET)
"""A word for a street, in a text."""

_EASTERN_STREET = r"[一-鿿가-힣].*(?:街|路|号|號|巷|弄|区|區|丁目|番|町|村|市|県|都|道|省|시|구|동|로|길|읍)"
_NUMBER = r"[-+]?(?:\d{1,3}(?:[ ,.']\d{3})+|\d+)(?:[.,]\d+)?"
_MONEY = rf"^(?:[ $€£]+|(?:EUR|USD|GBP) ?)?{_NUMBER}(?:[ $€£]+| ?(?:EUR|USD|GBP|k|K))?$"
_NO_WORD = [
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


@dataclass(frozen=True, slots=True)
class Fit:
    """A test of values. All parts that are given must hold. ``holds`` and ``lacks`` are RE2; sizes are in characters.

    ``least`` and ``most`` bound the value as a number; ``words`` are other values that fit, folded; ``letters`` is the least share of
    letters among the characters that are no spaces.
    """

    holds: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    size: tuple[int, int] = (1, 1 << 30)
    least: float | None = None
    most: float | None = None
    words: str = ""
    without: tuple[str, ...] = ()
    letters: float = 0.0
    numbers: bool = False  # whether numbers are tested as numbers, without their text
    spelled: bool = False  # nothing without letters fits

    def mask(self, array: Any) -> Flags:
        """Return which strings of an Arrow array fit."""
        import pyarrow as pa
        import pyarrow.compute as pc

        size = values_of(pc.utf8_length(array))
        kept: Flags = (size >= self.size[0]) & (size <= self.size[1])
        for pattern in self.holds:
            kept &= matching(array, pattern)
        if self.lacks:
            kept &= ~matching(array, "|".join(f"(?:{pattern})" for pattern in self.lacks))
        if self.least is not None:
            kept &= _between(array, self.least, self.most)
        if self.letters:
            letters = values_of(pc.count_substring_regex(array, r"\p{L}"))
            spaces = values_of(pc.count_substring(array, " "))
            kept &= letters >= self.letters * (size - spaces)
        if self.without:
            kept &= ~values_of(pc.is_in(pc.utf8_lower(array), value_set=pa.array(self.without, array.type)))
        if self.words:
            rest = np.flatnonzero(~kept & (size <= 40))
            kept[rest] = _among(array.take(pa.array(rest)), self.words)
        return kept

    def __call__(self, value: str) -> bool:
        """Say whether one value fits."""
        import pyarrow as pa

        return bool(self.mask(pa.array([value], pa.large_string()))[0])


_FLOAT = r"^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?$"


def _between(array: Any, least: float, most: float | None) -> Flags:
    import pyarrow as pa
    import pyarrow.compute as pc

    numeric = matching(array, _FLOAT)
    numbers = values_of(
        pc.cast(pc.replace_substring_regex(array.filter(pa.array(numeric)), r"^\+|\.$", ""), pa.float64())
    )
    found = np.zeros(len(array), np.bool_)
    found[numeric] = (numbers >= least) & (numbers <= (np.inf if most is None else most))
    return found


def folded(array: Any) -> Any:
    """Return the strings of an Arrow array in lower case without accents."""
    import pyarrow.compute as pc

    plain = pc.utf8_lower(pc.replace_substring_regex(pc.utf8_normalize(array, "NFKD"), r"\p{M}", ""))
    for odd, letter in (
        ("ß", "ss"),
        ("ø", "o"),
        ("ł", "l"),
        ("đ", "d"),
        ("ı", "i"),
        ("æ", "ae"),
        ("ð", "d"),
        ("þ", "th"),
        ("’", "'"),
    ):
        plain = pc.replace_substring(plain, odd, letter)
    return plain


@cache
def _known(words: str) -> tuple[str, ...]:
    if words == "given-names":
        names = tables.table("given-names")
        return tuple(sorted({*str(names["names"]).split(), *str(names["scripts"]).split()}))
    return tuple(sorted(map(str, tables.table("value-terms")[words])))


def _among(array: Any, words: str) -> Flags:
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = pc.replace_substring_regex(folded(array), r"^[ .]+|[ .]+$|\.0$", "")
    found: Flags = values_of(pc.is_in(plain, value_set=pa.array(_known(words), array.type)))
    return found


FITS: Mapping[str, Fit] = {
    "person": Fit((rf"{PERSON}|{_LOWER_PERSON}|^(?:{_ASIAN})$",), size=(2, 80), words="given-names", spelled=True),
    "given": Fit((_GIVEN,), size=(1, 40), without=tuple(_NO_WORD), spelled=True),
    "handle": Fit((r"^[\p{L}\p{N}_.@\-]+$",), (r"^[\d.]+$",), size=(3, 40)),
    "email": Fit((r"@[^@]*\.[^@]*$",), spelled=True),
    "phone": Fit((r"^(?:\D*\d){7,18}\D*$", r"^(?:[^A-Za-z\x{80}-\x{10FFFF}]*[A-Za-z\x{80}-\x{10FFFF}]){0,5}[^A-Za-z\x{80}-\x{10FFFF}]*$"), (r"\d{4}-\d{2}-\d{2}|[@:]|^\d+\.\d{2,}$",)),
    "birth": Fit((_BIRTH,)),
    "word": Fit((r"^[\p{L}]",), (r"^[A-Za-z]$",), size=(1, 80), letters=0.6, without=("true", "false"), spelled=True),
    "address": Fit(
        (rf"(?:[\p{{L}}].*){{3}}|{_EASTERN_STREET}", rf"(?s)\d.*[ ,\n]|[ ,\n].*\d|{_STREET}|{_EASTERN_STREET}"), (r"@|://", _BIRTH), size=(4, 250), spelled=True),
    "postcode": Fit((r"^[A-Za-z0-9][A-Za-z0-9 \-]{2,9}(?:\.0)?$", r"\d")),
    "gender": Fit((r"$^",), words="gender"),
    "age": Fit((r"^(?:\+?(?:\d|[1-9]\d|1[01]\d|120|0\d|00\d)(?:\.\d*)?|[<>]?=?\s*\d{1,3}\s*(?:[-–]\s*\d{1,3}|\+|years?|yrs?|jahre|ans|y))$|^[<>]=?\s*\d{1,3}$",), least=None),
    "money": Fit((rf"{_MONEY}|^(?i:[<>]=?50k\.?|low|medium|high)$|^[<>≤≥]?=? ?[€$£]?\d[\d.,]*[kK]?(?: ?[-–] ?[€$£]?\d[\d.,]*[kK]?|\+)?$",)),
    "pair": Fit((r"^(?i:(?:SRID=\d+;)?POINT ?(?:Z ?)?)?[(\[{]?\s*-?\d{1,3}\.\d{2,}\s*[,; ]\s*-?\d{1,3}\.\d{2,}(?:\s*[,; ]\s*-?\d+\.?\d*)?\s*[)\]}]?$",)),
    "latitude": Fit(least=-90, most=90, numbers=True),
    "longitude": Fit(least=-180, most=180, numbers=True),
    "ip": Fit((r"^(?:\d{1,3}\.){3}\d{1,3}$|^[0-9a-fA-F]*:[0-9a-fA-F]*:[0-9a-fA-F:]*$",), size=(3, 39)),
    "code": Fit(
        (r"^[\p{L}\p{N}_ .\-/]+$", r"(?:\d.*){4}"),
        (r"^[-+]?\d*\.\d*[1-9]\d*$|^[-+]?\d*\.\d\d+$|^\d{1,6}$", _BIRTH, r"\..{0,2}$", r"^(?:[^\d]*[^\d ]){13}"),
        size=(5, 40),
    ),
    "card": Fit((r"^[\d \-]+(?:\.0)?$", r"^(?:\D*\d){12,19}\D*$")),
    "plate": Fit((r"^[\p{L}\p{N}][\p{L}\p{N}_ \-·]+$", r"\d", r"[\p{L}]"), size=(4, 12), spelled=True),
    "health": Fit((r"\S",)),
    "text": Fit((r"\S",)),
}  # fmt: skip
"""Tests by the name that rules/tables/column-terms.yaml gives them."""
