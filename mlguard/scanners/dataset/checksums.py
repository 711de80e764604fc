"""Check digits of payment cards, accounts and national identity numbers.

Each function takes the compact form (separators removed, upper case, ASCII) and is True only for a well-formed value. The
identifiers are described at https://arthurdejong.org/python-stdnum/formats and in the national sources named there.
"""

from __future__ import annotations

from collections import Counter
from datetime import date
from functools import lru_cache

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _date(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1 << 16)
def _short_date(text: str, order: str = "ymd") -> bool:
    """Say whether six digits are a date in either century."""
    parts = dict(zip(order, (int(text[0:2]), int(text[2:4]), int(text[4:6])), strict=True))
    return any(_date(century + parts["y"], parts["m"], parts["d"]) for century in (1900, 2000))


def _weighted(text: str, weights: tuple[int, ...]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(text, weights, strict=False))


def luhn(text: str) -> bool:
    """ISO/IEC 7812-1 annex B."""
    total = 0
    for place, digit in enumerate(reversed(text)):
        value = int(digit)
        if place % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def card(text: str) -> bool:
    """A payment card: issuer prefix and length (ISO/IEC 7812), then Luhn."""
    return 13 <= len(text) <= 19 and _issuer(text) and len(set(text)) > 1 and luhn(text)


def _issuer(text: str) -> bool:
    size, two, three, four = len(text), int(text[:2]), int(text[:3]), int(text[:4])
    if text[0] == "4":
        return size in (13, 16, 19)
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return size == 16
    if two in (34, 37):
        return size == 15
    if two in (36, 38) or 300 <= three <= 305:
        return size in (14, 16)
    if 3528 <= four <= 3589:
        return size in (16, 19)
    if four in (1800, 2131):
        return size == 15
    if four == 6011 or two in (60, 62, 64, 65):
        return 16 <= size <= 19
    return four in (5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762, 6763) and 12 <= size <= 19


_IBAN = {
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


def iban(text: str) -> bool:
    """ISO 13616: length by country and the remainder 1 modulo 97."""
    if _IBAN.get(text[:2]) != len(text) or not text.isascii() or not text.isalnum():
        return False
    return int("".join(str(int(character, 36)) for character in text[4:] + text[:4])) % 97 == 1


def us_ssn(text: str) -> bool:
    """The ranges that the Social Security Administration never issues (20 CFR 422.103, POMS RM 10201.035)."""
    if len(text) != 9 or len(set(text)) == 1 or text in ("123456789", "078051120", "219099999"):
        return False
    return text[:3] not in ("000", "666") and text[0] != "9" and text[3:5] != "00" and text[5:] != "0000"


def uk_nhs(text: str) -> bool:
    """NHS number, modulus 11."""
    return len(text) == 10 and len(set(text)) > 1 and _weighted(text, (10, 9, 8, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def uk_nino(text: str) -> bool:
    """National Insurance number: prefix letters and suffix A to D (HMRC manual NIM39110)."""
    two = text[:2]
    return (
        len(text) == 9
        and not set(two) & set("DFIQUV")
        and two[1] != "O"
        and two not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")
    )


def es_nif(text: str) -> bool:
    """DNI: the letter is the number modulo 23."""
    return len(text) in (8, 9) and text[:-1].isdigit() and text[-1] == "TRWAGMYFPDXBNJZSQVHLCKE"[int(text[:-1]) % 23]


def es_nie(text: str) -> bool:
    """NIE: X, Y and Z stand for 0, 1 and 2."""
    return len(text) in (8, 9) and text[0] in "XYZ" and es_nif(str("XYZ".index(text[0])) + text[1:])


_CF_ODD = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", (
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
), strict=True))  # fmt: skip


def it_fiscal_code(text: str) -> bool:
    """Codice fiscale: DM 23 December 1976."""
    if len(text) != 16 or not text.isalnum() or not text.isascii() or not text[-1].isalpha():
        return False
    even = (int(value) if value.isdigit() else _LETTERS.index(value) for value in text[1:15:2])
    return _LETTERS[(sum(_CF_ODD[value] for value in text[0:15:2]) + sum(even)) % 26] == text[-1]


def pl_pesel(text: str) -> bool:
    """PESEL: birth date with the century in the month, then weights 1, 3, 7, 9."""
    if len(text) != 11:
        return False
    century, month = divmod(int(text[2:4]), 20)
    if not _date((1900, 2000, 2100, 2200, 1800)[century] + int(text[:2]), month, int(text[4:6])):
        return False
    return _weighted(text, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def fi_hetu(text: str) -> bool:
    """Henkilötunnus: day, month, year, a sign for the century, number modulo 31."""
    text = text.upper()
    century = {"+": 1800, **dict.fromkeys("-YXWVU", 1900), **dict.fromkeys("ABCDEF", 2000)}.get(text[6:7], 0)
    if len(text) != 11 or not century or not (text[:6] + text[7:10]).isdigit():
        return False
    number = int(text[:6] + text[7:10])
    return (
        _date(century + int(text[4:6]), int(text[2:4]), int(text[:2]))
        and "0123456789ABCDEFHJKLMNPRSTUVWXY"[number % 31] == text[10]
    )


def se_personnummer(text: str) -> bool:
    """Personnummer or samordningsnummer (day plus 60), Luhn over ten digits."""
    if len(text) not in (10, 12) or (len(text) == 12 and text[:2] not in ("18", "19", "20")):
        return False
    ten = text[-10:]
    day = int(ten[4:6])
    return _short_date(ten[:4] + f"{day - 60 if day > 60 else day:02}") and luhn(ten)


def de_tax_id(text: str) -> bool:
    """Steueridentifikationsnummer: ISO 7064 MOD 11,10 and the rule on repeated digits (section 139b AO)."""
    if len(text) != 11 or text[0] == "0" or not 2 <= max(Counter(text[:10]).values()) <= 3:
        return False
    return _mod11_10(text)


def _mod11_10(text: str) -> bool:
    product = 10
    for digit in text[:-1]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(text[-1])


def _cross(text: str, weights: tuple[int, ...]) -> int:
    return sum(sum(divmod(int(digit) * weight, 10)) for digit, weight in zip(text, weights, strict=False))


def de_pension(text: str) -> bool:
    """Rentenversicherungsnummer: section 4 VKVV."""
    if len(text) != 12 or not ("01" <= text[4:6] <= "12") or not text[8].isalpha():
        return False
    if not ("01" <= text[2:4] <= "31" or "51" <= text[2:4] <= "81"):
        return False
    digits = text[:8] + f"{_LETTERS.index(text[8]) + 1:02}" + text[9:11]
    return _cross(digits, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1)) % 10 == int(text[11])


def de_health(text: str) -> bool:
    """Krankenversichertennummer: section 290 SGB V."""
    if len(text) != 10 or not text[0].isalpha():
        return False
    return _cross(f"{_LETTERS.index(text[0]) + 1:02}" + text[1:9], (1, 2) * 5) % 10 == int(text[9])


def tr_kimlik(text: str) -> bool:
    """T.C. kimlik numarası."""
    if len(text) != 11 or text[0] == "0":
        return False
    digits = [int(digit) for digit in text]
    tenth = (sum(digits[0:9:2]) * 7 - sum(digits[1:8:2])) % 10
    return tenth == digits[9] and sum(digits[:10]) % 10 == digits[10]


_VERHOEFF_D = [[(a + b) % 5 if a < 5 and b < 5 else
                (a + (b - 5)) % 5 + 5 if a < 5 else
                (a - 5 - b) % 5 + 5 if b < 5 else
                (a - b) % 5 for b in range(10)] for a in range(10)]  # fmt: skip
_VERHOEFF_P = [list(range(10)), [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]]
for _ in range(6):
    _VERHOEFF_P.append([_VERHOEFF_P[-1][place] for place in _VERHOEFF_P[1]])


def in_aadhaar(text: str) -> bool:
    """Aadhaar: twelve digits that do not begin with 0 or 1, Verhoeff's check digit."""
    if len(text) != 12 or text[0] in "01" or text == text[::-1]:
        return False
    check = 0
    for place, digit in enumerate(reversed(text)):
        check = _VERHOEFF_D[check][_VERHOEFF_P[place % 8][int(digit)]]
    return check == 0


def kr_rrn(text: str) -> bool:
    """Resident registration number issued before October 2020."""
    if len(text) != 13 or text[6] not in "12345678" or not _short_date(text[:6]):
        return False
    return (11 - _weighted(text, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10 == int(text[12])


def ca_sin(text: str) -> bool:
    """Social Insurance Number: Luhn, first digit not 0 or 8."""
    return len(text) == 9 and text[0] not in "08" and len(set(text)) > 1 and luhn(text)


def za_id(text: str) -> bool:
    """South African identity number: birth date, citizenship, Luhn."""
    return len(text) == 13 and _short_date(text[:6]) and text[10] in "012" and luhn(text)


def fr_nir(text: str) -> bool:
    """NIR: sex, month, département, key of 97 minus the number modulo 97 (INSEE)."""
    if len(text) != 15 or text[0] not in "123478" or not text[7:].isdigit():
        return False
    body = text[:13].replace("2A", "19").replace("2B", "18")
    month = text[3:5]
    if not body.isdigit() or not ("01" <= month <= "12" or "20" <= month <= "42" or "50" <= month <= "99"):
        return False
    return 97 - int(body) % 97 == int(text[13:])


def nl_bsn(text: str) -> bool:
    """Burgerservicenummer: the eleven test with -1 for the last digit."""
    return len(text) == 9 and len(set(text)) > 1 and _weighted(text, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def be_national(text: str) -> bool:
    """Rijksregisternummer: 97 minus the number modulo 97, with a leading 2 for births from 2000."""
    if len(text) != 11 or not ("00" <= text[2:4] <= "12" or "20" <= text[2:4] <= "52") or text[4:6] > "31":
        return False
    return any(97 - int(lead + text[:9]) % 97 == int(text[9:]) for lead in ("", "2"))


def pt_nif(text: str) -> bool:
    """Número de identificação fiscal of a natural person (first digit 1, 2 or 3)."""
    if len(text) != 9 or text[0] not in "123":
        return False
    check = 11 - _weighted(text, (9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return (check if check < 10 else 0) == int(text[8])


def no_fodselsnummer(text: str) -> bool:
    """Fødselsnummer or D-nummer (day plus 40): two digits modulo 11."""
    if len(text) != 11:
        return False
    day = int(text[:2])
    if not _short_date(f"{day - 40 if day > 40 else day:02}" + text[2:6], "dmy"):
        return False
    return (
        _weighted(text, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11 == 0
        and _weighted(text, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0
    )


def dk_cpr(text: str) -> bool:
    """CPR number: a birth date and four digits. Since 2007 there is no check digit."""
    return len(text) == 10 and _short_date(text[:6], "dmy")


def ch_ahv(text: str) -> bool:
    """AHV number: 756 and the check digit of EAN-13."""
    return len(text) == 13 and text[:3] == "756" and _weighted(text, (1, 3) * 7) % 10 == 0


def br_cpf(text: str) -> bool:
    """Cadastro de Pessoas Físicas: two digits modulo 11."""
    if len(text) != 11 or len(set(text)) == 1:
        return False
    first = _weighted(text, tuple(range(10, 1, -1))) * 10 % 11 % 10
    second = _weighted(text, tuple(range(11, 1, -1))) * 10 % 11 % 10
    return text[9:] == f"{first}{second}"


def ro_cnp(text: str) -> bool:
    """Cod numeric personal."""
    if len(text) != 13 or text[0] not in "12345678" or not _short_date(text[1:7]):
        return False
    check = _weighted(text, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return (1 if check == 10 else check) == int(text[12])


def bg_egn(text: str) -> bool:
    """Единен граждански номер: the month carries the century."""
    if len(text) != 10:
        return False
    century, month = divmod(int(text[2:4]), 20)
    if century > 2 or not _date((1900, 1800, 2000)[century] + int(text[:2]), month, int(text[4:6])):
        return False
    return _weighted(text, (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10 == int(text[9])


def hr_oib(text: str) -> bool:
    """OIB: ISO 7064 MOD 11,10."""
    return len(text) == 11 and _mod11_10(text)


def baltic(text: str) -> bool:
    """Isikukood of Estonia and asmens kodas of Lithuania."""
    if len(text) != 11 or text[0] not in "123456" or not _short_date(text[1:7]):
        return False
    check = _weighted(text, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    if check == 10:
        check = _weighted(text, (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11 % 10
    return check == int(text[10])


def cz_birth_number(text: str) -> bool:
    """Rodné číslo of ten digits: divisible by 11; women's months plus 50, overflow plus 20."""
    if len(text) != 10:
        return False
    month = int(text[2:4]) % 50
    return _short_date(text[:2] + f"{month - 20 if month > 20 else month:02}" + text[4:6]) and int(text) % 11 == 0
