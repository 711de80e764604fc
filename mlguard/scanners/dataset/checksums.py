"""Check digits of payment cards, accounts and national identity numbers, for many values at once.

Each check takes the compact forms (separators removed, upper case, ASCII) of values of equal length as an array of bytes, one row for
each position and one column for each value, and returns a boolean for each value: True only for a well-formed one. The identifiers
are described at https://arthurdejong.org/python-stdnum/formats and in the national sources named there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.integer[Any]]
Check = Callable[[Bytes], Flags]

_ZERO, _A = ord("0"), ord("A")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def passes(check: Check, text: str) -> bool:
    """Return whether one compact value passes."""
    return bool(check(rows([text]))[0])


def rows(texts: Sequence[str]) -> Bytes:
    """Return values of equal length as the array that a check takes."""
    joined = "".join(texts).encode("latin-1", "replace")
    return np.frombuffer(joined, np.uint8).reshape(len(texts), -1).T


def _digits(text: Bytes) -> Numbers:
    return cast(Numbers, (text - np.uint8(_ZERO)).astype(np.int32))


def _are_digits(text: Bytes) -> Flags:
    return cast(Flags, ((text - np.uint8(_ZERO)) < 10).all(axis=0))


def _none(text: Bytes) -> Flags:
    return np.zeros(text.shape[1], np.bool_)


def _number(digits: Numbers, first: int, last: int) -> Numbers:
    """Return the number that the digits from ``first`` to before ``last`` spell."""
    value = np.zeros(digits.shape[1], np.int64)
    for place in range(first, last):
        value = value * 10 + digits[place]
    return value


def _weighted(digits: Numbers, weights: Sequence[int]) -> Numbers:
    total = np.zeros(digits.shape[1], np.int32)
    for place, weight in enumerate(weights):
        total += digits[place] * weight
    return total


def _among(byte: Bytes, letters: str) -> Flags:
    return np.isin(byte, np.frombuffer(letters.encode(), np.uint8))


def _constant(digits: Numbers) -> Flags:
    return cast(Flags, (digits == digits[0]).all(axis=0))


_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)


def _date(year: Numbers, month: Numbers, day: Numbers) -> Flags:
    fits = (month >= 1) & (month <= 12)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    last = _DAYS[np.where(fits, month, 0)] + ((month == 2) & leap)
    return cast(Flags, fits & (day >= 1) & (day <= last))


@cache
def _calendar(order: str) -> Flags:
    """Return for each number of six digits whether it is a date in either century."""
    numbers = np.arange(1_000_000, dtype=np.int64)
    parts = dict(zip(order, (numbers // 10_000, numbers // 100 % 100, numbers % 100), strict=True))
    return _date(parts["y"] + 1900, parts["m"], parts["d"]) | _date(parts["y"] + 2000, parts["m"], parts["d"])


def _short_date(digits: Numbers, first: int = 0, order: str = "ymd", day_less: Numbers | int = 0) -> Flags:
    """Return whether six digits are a date in either century."""
    number = _number(digits, first, first + 6) - day_less * (10_000 if order[0] == "d" else 1)
    return cast(Flags, _calendar(order)[number])


def _luhn(digits: Numbers) -> Flags:
    twice = digits[-2::-2] * 2
    total = digits[-1::-2].sum(axis=0) + twice.sum(axis=0) - 9 * (twice > 9).sum(axis=0)
    return cast(Flags, total % 10 == 0)


def luhn(text: Bytes) -> Flags:
    """ISO/IEC 7812-1 annex B."""
    return _luhn(_digits(text))


def card(text: Bytes) -> Flags:
    """A payment card: issuer prefix and length (ISO/IEC 7812), then Luhn."""
    size = len(text)
    if not 13 <= size <= 19:
        return _none(text)
    digits = _digits(text)
    four = _number(digits, 0, 4)
    two, three = four // 100, four // 10
    issuer = _none(text)
    if size in (13, 16, 19):
        issuer |= digits[0] == 4
    if size == 16:
        issuer |= (two >= 51) & (two <= 55) | (four >= 2221) & (four <= 2720)
    if size == 15:
        issuer |= (two == 34) | (two == 37) | (four == 1800) | (four == 2131)
    if size in (14, 16):
        issuer |= (two == 36) | (two == 38) | (three >= 300) & (three <= 305)
    if size in (16, 19):
        issuer |= (four >= 3528) & (four <= 3589)
    if size >= 16:
        issuer |= np.isin(two, (60, 62, 64, 65))
    issuer |= np.isin(four, (5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762, 6763))
    return issuer & ~_constant(digits) & _luhn(digits)


IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20,
    "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18,
    "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31,
    "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29,
    "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip
"""Length of an IBAN by country: SWIFT IBAN registry, release 99."""


def iban(text: Bytes) -> Flags:
    """ISO 13616: length by country and the remainder 1 modulo 97."""
    countries = "".join(code for code, size in IBAN_LENGTHS.items() if size == len(text))
    if not countries:
        return _none(text)
    known = np.frombuffer(countries.encode(), "<u2")
    pair = text[0].astype(np.uint16) | text[1].astype(np.uint16) << 8
    rest = np.zeros(text.shape[1], np.int64)
    for place, byte in enumerate((*text[4:], *text[:4])):
        letter = byte >= _A
        if letter.any():
            value = byte.astype(np.int64) - np.where(letter, _A - 10, _ZERO)
            rest = (rest % 97 * np.where(letter, 100, 10) + value) % 97
            continue
        rest = rest * 10 + (byte - np.uint8(_ZERO))
        if place % 12 == 11:  # eighteen digits fit
            rest %= 97
    return cast(Flags, np.isin(pair, known) & (rest % 97 == 1))


def us_ssn(text: Bytes) -> Flags:
    """The ranges that the Social Security Administration never issues (20 CFR 422.103, POMS RM 10201.035)."""
    if len(text) != 9:
        return _none(text)
    digits = _digits(text)
    area, whole = _number(digits, 0, 3), _number(digits, 0, 9)
    fits = ~_constant(digits) & ~np.isin(whole, (123456789, 78051120, 219099999)) & (digits[0] != 9)
    fits &= (area != 0) & (area != 666) & (_number(digits, 3, 5) != 0) & (_number(digits, 5, 9) != 0)
    return cast(Flags, fits)


def uk_nhs(text: Bytes) -> Flags:
    """NHS number, modulus 11."""
    if len(text) != 10:
        return _none(text)
    digits = _digits(text)
    return cast(Flags, ~_constant(digits) & (_weighted(digits, range(10, 0, -1)) % 11 == 0))


def uk_nino(text: Bytes) -> Flags:
    """National Insurance number: prefix letters and suffix A to D (HMRC manual NIM39110)."""
    if len(text) != 9:
        return _none(text)
    pair = text[0].astype(np.uint16) | text[1].astype(np.uint16) << 8
    unused = np.frombuffer(b"BGGBKNNKNTTNZZ", "<u2")
    return (
        _are_digits(text[2:8])
        & ~_among(text[0], "DFIQUV")
        & ~_among(text[1], "DFIQUVO")
        & ~np.isin(pair, unused)
        & _among(text[8], "ABCD")
    )


def _nif(number: Numbers, letter: Bytes) -> Flags:
    table = np.frombuffer(b"TRWAGMYFPDXBNJZSQVHLCKE", np.uint8)
    return cast(Flags, table[number % 23] == letter)


def es_nif(text: Bytes) -> Flags:
    """DNI: the letter is the number modulo 23."""
    if len(text) not in (8, 9):
        return _none(text)
    return _are_digits(text[:-1]) & _nif(_number(_digits(text), 0, len(text) - 1), text[-1])


def es_nie(text: Bytes) -> Flags:
    """NIE: X, Y and Z stand for 0, 1 and 2."""
    if len(text) not in (8, 9):
        return _none(text)
    first = text[0].astype(np.int64) - ord("X")
    fits = (first >= 0) & (first <= 2) & _are_digits(text[1:-1])
    number = np.where(fits, first, 0) * 10 ** (len(text) - 2) + np.where(
        fits, _number(_digits(text), 1, len(text) - 1), 0
    )
    return cast(Flags, fits & _nif(number, text[-1]))


_CF_ODD = np.zeros(256, np.int64)
_CF_EVEN = np.zeros(256, np.int64)
for _place, _value in enumerate(
    (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
):  # fmt: skip
    _byte = _ZERO + _place if _place < 10 else _A + _place - 10
    _CF_ODD[_byte] = _value
    _CF_EVEN[_byte] = _place if _place < 10 else _place - 10


def it_fiscal_code(text: Bytes) -> Flags:
    """Codice fiscale: DM 23 December 1976."""
    if len(text) != 16:
        return _none(text)
    total = _CF_ODD[text[0:15:2]].sum(axis=0) + _CF_EVEN[text[1:15:2]].sum(axis=0)
    return cast(Flags, total % 26 == text[15].astype(np.int64) - _A)


def pl_pesel(text: Bytes) -> Flags:
    """PESEL: birth date with the century in the month, then weights 1, 3, 7, 9."""
    if len(text) != 11:
        return _none(text)
    digits = _digits(text)
    month = _number(digits, 2, 4)
    century = np.array([1900, 2000, 2100, 2200, 1800])[month // 20]
    born = _date(century + _number(digits, 0, 2), month % 20, _number(digits, 4, 6))
    return cast(Flags, born & (_weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0))


def fi_hetu(text: Bytes) -> Flags:
    """Henkilötunnus: day, month, year, a sign for the century, number modulo 31."""
    if len(text) != 11:
        return _none(text)
    digits = _digits(text)
    century = np.select(
        [text[6] == ord("+"), _among(text[6], "-YXWVU"), _among(text[6], "ABCDEF")], [1800, 1900, 2000], 0
    )
    fits = (century > 0) & _are_digits(text[:6]) & _are_digits(text[7:10])
    number = np.where(fits, _number(digits, 0, 6) * 1000 + _number(digits, 7, 10), 0)
    born = _date(century + _number(digits, 4, 6), _number(digits, 2, 4), _number(digits, 0, 2))
    signs = np.frombuffer(b"0123456789ABCDEFHJKLMNPRSTUVWXY", np.uint8)
    return cast(Flags, fits & born & (signs[number % 31] == text[10]))


def se_personnummer(text: Bytes) -> Flags:
    """Personnummer or samordningsnummer (day plus 60), Luhn over ten digits."""
    if len(text) not in (10, 12):
        return _none(text)
    digits = _digits(text)
    century = np.isin(_number(digits, 0, 2), (18, 19, 20)) if len(text) == 12 else ~_none(text)
    ten = digits[-10:]
    return century & _short_date(ten, day_less=np.where(_number(ten, 4, 6) > 60, 60, 0)) & _luhn(ten)


def _mod11_10(digits: Numbers) -> Flags:
    """ISO 7064 MOD 11,10."""
    product = np.full(digits.shape[1], 10, np.int64)
    for digit in digits[:-1]:
        rest = (digit + product) % 10
        product = np.where(rest == 0, 10, rest) * 2 % 11
    return cast(Flags, (11 - product) % 10 == digits[-1])


def de_tax_id(text: Bytes) -> Flags:
    """Steueridentifikationsnummer: ISO 7064 MOD 11,10 and the rule on repeated digits (section 139b AO)."""
    if len(text) != 11:
        return _none(text)
    digits = _digits(text)
    often = np.stack([(digits[:10] == value).sum(axis=0) for value in range(10)]).max(axis=0)
    return cast(Flags, (digits[0] != 0) & (often >= 2) & (often <= 3) & _mod11_10(digits))


def _cross(digits: Numbers, weights: Sequence[int]) -> Numbers:
    total = np.zeros(digits.shape[1], np.int64)
    for place, weight in enumerate(weights):
        product = digits[place] * weight
        total += product // 10 + product % 10
    return total


def _letter(byte: Bytes) -> Numbers:
    """Return 1 to 26 for a letter, as two digits."""
    place = byte.astype(np.int64) - _A + 1
    return np.stack([place // 10, place % 10])


def de_pension(text: Bytes) -> Flags:
    """Rentenversicherungsnummer: section 4 VKVV."""
    if len(text) != 12:
        return _none(text)
    digits = _digits(text)
    day, month = _number(digits, 2, 4), _number(digits, 4, 6)
    fits = (
        _are_digits(text[:8])
        & _are_digits(text[9:])
        & (text[8] >= _A)
        & (text[8] < _A + 26)
        & (month >= 1)
        & (month <= 12)
        & ((day >= 1) & (day <= 31) | (day >= 51) & (day <= 81))
    )
    spelled = np.concatenate([digits[:8], _letter(text[8]), digits[9:11]])
    return cast(Flags, fits & (_cross(spelled, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1)) % 10 == digits[11]))


def de_health(text: Bytes) -> Flags:
    """Krankenversichertennummer: section 290 SGB V."""
    if len(text) != 10:
        return _none(text)
    digits = _digits(text)
    fits = _are_digits(text[1:]) & (text[0] >= _A) & (text[0] < _A + 26)
    spelled = np.concatenate([_letter(text[0]), digits[1:9]])
    return cast(Flags, fits & (_cross(spelled, (1, 2) * 5) % 10 == digits[9]))


def tr_kimlik(text: Bytes) -> Flags:
    """T.C. kimlik numarası."""
    if len(text) != 11:
        return _none(text)
    digits = _digits(text)
    tenth = (digits[0:9:2].sum(axis=0) * 7 - digits[1:8:2].sum(axis=0)) % 10
    return cast(Flags, (digits[0] != 0) & (tenth == digits[9]) & (digits[:10].sum(axis=0) % 10 == digits[10]))


_VERHOEFF_D = np.array([[(a + b) % 5 if a < 5 and b < 5 else
                         (a + (b - 5)) % 5 + 5 if a < 5 else
                         (a - 5 - b) % 5 + 5 if b < 5 else
                         (a - b) % 5 for b in range(10)] for a in range(10)])  # fmt: skip
_TURNS: list[list[int]] = [list(range(10)), [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]]
for _ in range(6):
    _TURNS.append([_TURNS[-1][place] for place in _TURNS[1]])
_VERHOEFF_P = np.array(_TURNS)


def in_aadhaar(text: Bytes) -> Flags:
    """Aadhaar: twelve digits that do not begin with 0 or 1, Verhoeff's check digit."""
    if len(text) != 12:
        return _none(text)
    fits = _are_digits(text)
    digits = np.where(fits, _digits(text), 0)
    check = np.zeros(text.shape[1], np.int64)
    for place, digit in enumerate(digits[::-1]):
        check = _VERHOEFF_D[check, _VERHOEFF_P[place % 8][digit]]
    palindrome = (digits == digits[::-1]).all(axis=0)
    return cast(Flags, fits & (check == 0) & (digits[0] > 1) & ~palindrome)


def kr_rrn(text: Bytes) -> Flags:
    """Resident registration number issued before October 2020."""
    if len(text) != 13:
        return _none(text)
    digits = _digits(text)
    sex = (digits[6] >= 1) & (digits[6] <= 8)
    check = (11 - _weighted(digits, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10
    return cast(Flags, sex & _short_date(digits) & (check == digits[12]))


def ca_sin(text: Bytes) -> Flags:
    """Social Insurance Number: Luhn, first digit not 0 or 8."""
    if len(text) != 9:
        return _none(text)
    digits = _digits(text)
    return ~np.isin(digits[0], (0, 8)) & ~_constant(digits) & _luhn(digits)


def za_id(text: Bytes) -> Flags:
    """South African identity number: birth date, citizenship, Luhn."""
    if len(text) != 13:
        return _none(text)
    digits = _digits(text)
    return cast(Flags, (digits[10] <= 2) & _short_date(digits) & _luhn(digits))


def fr_nir(text: Bytes) -> Flags:
    """NIR: sex, month, département, key of 97 minus the number modulo 97 (INSEE)."""
    if len(text) != 15:
        return _none(text)
    plain = text.copy()
    corsica = (text[5] == ord("2")) & _among(text[6], "AB")
    plain[5] = np.where(corsica, ord("1"), text[5])
    plain[6] = np.where(corsica, np.where(text[6] == _A, ord("9"), ord("8")), text[6])
    fits = _among(text[0], "123478") & _are_digits(plain)
    digits = np.where(fits, _digits(plain), 0)
    month = _number(digits, 3, 5)
    fits &= (month >= 1) & (month <= 12) | (month >= 20) & (month <= 42) | (month >= 50)
    return cast(Flags, fits & (97 - _number(digits, 0, 13) % 97 == _number(digits, 13, 15)))


def nl_bsn(text: Bytes) -> Flags:
    """Burgerservicenummer: the eleven test with -1 for the last digit."""
    if len(text) != 9:
        return _none(text)
    digits = _digits(text)
    return cast(Flags, ~_constant(digits) & (_weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0))


def be_national(text: Bytes) -> Flags:
    """Rijksregisternummer: 97 minus the number modulo 97, with a leading 2 for births from 2000."""
    if len(text) != 11:
        return _none(text)
    digits = _digits(text)
    month, body, key = _number(digits, 2, 4), _number(digits, 0, 9), _number(digits, 9, 11)
    fits = ((month <= 12) | (month >= 20) & (month <= 52)) & (_number(digits, 4, 6) <= 31)
    return cast(Flags, fits & ((97 - body % 97 == key) | (97 - (body + 2_000_000_000) % 97 == key)))


def pt_nif(text: Bytes) -> Flags:
    """Número de identificação fiscal of a natural person (first digit 1, 2 or 3)."""
    if len(text) != 9:
        return _none(text)
    digits = _digits(text)
    check = 11 - _weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return cast(Flags, (digits[0] >= 1) & (digits[0] <= 3) & (np.where(check < 10, check, 0) == digits[8]))


def no_fodselsnummer(text: Bytes) -> Flags:
    """Fødselsnummer or D-nummer (day plus 40): two digits modulo 11."""
    if len(text) != 11:
        return _none(text)
    digits = _digits(text)
    born = _short_date(digits, order="dmy", day_less=np.where(_number(digits, 0, 2) > 40, 40, 0))
    return cast(
        Flags,
        born
        & (_weighted(digits, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11 == 0)
        & (_weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0),
    )


def dk_cpr(text: Bytes) -> Flags:
    """CPR number: a birth date and four digits. Since 2007 there is no check digit."""
    return _short_date(_digits(text), order="dmy") if len(text) == 10 else _none(text)


def ch_ahv(text: Bytes) -> Flags:
    """AHV number: 756 and the check digit of EAN-13."""
    if len(text) != 13:
        return _none(text)
    digits = _digits(text)
    return cast(Flags, (_number(digits, 0, 3) == 756) & (_weighted(digits, (1, 3) * 6 + (1,)) % 10 == 0))


def br_cpf(text: Bytes) -> Flags:
    """Cadastro de Pessoas Físicas: two digits modulo 11."""
    if len(text) != 11:
        return _none(text)
    digits = _digits(text)
    first = _weighted(digits, range(10, 1, -1)) * 10 % 11 % 10
    second = _weighted(digits, range(11, 1, -1)) * 10 % 11 % 10
    return cast(Flags, ~_constant(digits) & (digits[9] == first) & (digits[10] == second))


def ro_cnp(text: Bytes) -> Flags:
    """Cod numeric personal."""
    if len(text) != 13:
        return _none(text)
    digits = _digits(text)
    check = _weighted(digits, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    sex = (digits[0] >= 1) & (digits[0] <= 8)
    return cast(Flags, sex & _short_date(digits, 1) & (np.where(check == 10, 1, check) == digits[12]))


def bg_egn(text: Bytes) -> Flags:
    """Единен граждански номер: the month carries the century."""
    if len(text) != 10:
        return _none(text)
    digits = _digits(text)
    month = _number(digits, 2, 4)
    century = np.array([1900, 1800, 2000, 0, 0])[month // 20]
    born = _date(century + _number(digits, 0, 2), month % 20, _number(digits, 4, 6))
    check = _weighted(digits, (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10
    return cast(Flags, (month < 60) & born & (check == digits[9]))


def hr_oib(text: Bytes) -> Flags:
    """OIB: ISO 7064 MOD 11,10."""
    return _mod11_10(_digits(text)) if len(text) == 11 else _none(text)


def baltic(text: Bytes) -> Flags:
    """Isikukood of Estonia and asmens kodas of Lithuania."""
    if len(text) != 11:
        return _none(text)
    digits = _digits(text)
    check = _weighted(digits, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    again = _weighted(digits, (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11 % 10
    sex = (digits[0] >= 1) & (digits[0] <= 6)
    return cast(Flags, sex & _short_date(digits, 1) & (np.where(check == 10, again, check) == digits[10]))


def cz_birth_number(text: Bytes) -> Flags:
    """Rodné číslo of ten digits: divisible by 11; women's months plus 50, overflow plus 20."""
    if len(text) != 10:
        return _none(text)
    digits = _digits(text)
    month = _number(digits, 2, 4) % 50
    month = np.where(month > 20, month - 20, month)
    born = _calendar("ymd")[_number(digits, 0, 2) * 10_000 + month * 100 + _number(digits, 4, 6)]
    return cast(Flags, born & (_number(digits, 0, 10) % 11 == 0))
