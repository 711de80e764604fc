"""Systems of codes that stand for persons, their health, their genes or their things, told by form and check digits."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from mlguard import lazy
from mlguard.values import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """A system of codes. ``check`` looks at all values; ``least`` is how many distinct ones are needed."""

    id: str
    pattern: re.Pattern[str]
    category: str
    dpv: str
    gdpr_class: str
    least: int = 2
    check: Callable[[Sequence[str]], bool] = bool


def _dotted(values: Sequence[str]) -> bool:
    return sum("." in value for value in values) * 3 >= len(values)


def _share(values: Sequence[str], passes: Callable[[str], bool]) -> float:
    return sum(map(passes, values)) / len(values)


_VIN_VALUES = dict(
    zip("ABCDEFGHJKLMNPRSTUVWXYZ", (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9), strict=True)
)
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def _is_vin(value: str) -> bool:
    """Check digit of 49 CFR 565.15(c), which vehicles for North America carry."""
    total = sum(
        weight * (int(c) if c.isdigit() else _VIN_VALUES[c]) for c, weight in zip(value, _VIN_WEIGHTS, strict=True)
    )
    return value[8] == "0123456789X"[total % 11]


def _vins(values: Sequence[str]) -> bool:
    makers = {value[:3] for value in values}
    return (
        _share(values, _is_vin) > 0.8 or len(makers) * 3 <= len(values) and all(not value.isdigit() for value in values)
    )


def _luhn(value: str) -> bool:
    doubled = (int(c) * (1 + place % 2) for place, c in enumerate(reversed(value)))
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def _imeis(values: Sequence[str]) -> bool:
    return (
        _share(values, _luhn) > 0.9 and _share(values, lambda value: value[:2] in ("01", "35", "86", "98", "99")) > 0.9
    )


def _mod_11_2(value: str) -> bool:
    """ISO/IEC 7064 mod 11-2 as in GB 11643 (identity numbers of China)."""
    total = sum(int(c) * pow(2, 17 - place, 11) for place, c in enumerate(value[:17]))
    return "10X98765432"[total % 11] == value[17].upper()


def _sum(value: str, weights: Sequence[int]) -> int:
    return sum(int(c) * weight for c, weight in zip(value, weights, strict=False))


def _nric(value: str) -> bool:
    """Identity numbers of Singapore: weighted sum of seven digits, a table of letters for each first letter."""
    total = _sum(value[1:8], (2, 7, 6, 5, 4, 3, 2)) + {"T": 4, "G": 4, "M": 3}.get(value[0], 0)
    letters = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "F": "XWUTRQPNMLK", "G": "XWUTRQPNMLK", "M": "KLJNPQRTUWX"}[
        value[0]
    ]
    return value[8] == (letters[10 - total % 11] if value[0] == "M" else letters[total % 11])


def _thai(value: str) -> bool:
    digits = re.sub(r"\D", "", value)
    return int(digits[12]) == (11 - _sum(digits[:12], range(13, 1, -1)) % 11) % 10


def _taiwanese(value: str) -> bool:
    first = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(value[0]) + 10
    return (first // 10 + first % 10 * 9 + _sum(value[1:9], range(8, 0, -1)) + int(value[9])) % 10 == 0


def _rut(value: str) -> bool:
    """Rol of Chile: mod 11 with the weights 2 to 7, from the right."""
    digits, _, last = value.replace(".", "").upper().rpartition("-")
    total = sum(int(c) * (2 + place % 6) for place, c in enumerate(reversed(digits)))
    return last == "0123456789K0"[11 - total % 11 if total % 11 else 0]


def _snils(value: str) -> bool:
    digits = re.sub(r"\D", "", value)
    return _sum(digits[:9], range(9, 0, -1)) % 101 % 100 == int(digits[9:])


def _inn(value: str) -> bool:
    """Tax numbers of persons in Russia: two check digits, mod 11."""
    one = _sum(value, (7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10
    two = _sum(value, (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10
    return (one, two) == (int(value[10]), int(value[11]))


def _emso(value: str) -> bool:
    """Numbers of persons in Slovenia, Serbia, Bosnia, Montenegro, North Macedonia: a date, then mod 11."""
    check = 11 - _sum(value, (7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return int(value[12]) == (0 if check > 9 else check)


def _cuil(value: str) -> bool:
    """Labour and tax numbers of persons in Argentina: mod 11."""
    digits = value.replace("-", "")
    check = 11 - _sum(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return int(digits[10]) == {11: 0, 10: 9}.get(check, check)


def _svnr(value: str) -> bool:
    """Social insurance numbers of Austria: a serial number, mod 11, the date of birth."""
    digits = value.replace(" ", "")
    total = _sum(digits, (3, 7, 9, 0, 5, 8, 4, 2, 1, 6))
    return total % 11 == int(digits[3])


def _latvian(value: str) -> bool:
    """Personal codes of Latvia: the date of birth, a serial number, mod 11."""
    digits = value.replace("-", "")
    return (1 + _sum(digits, (10, 5, 8, 4, 2, 1, 6, 3, 7, 9))) % 11 % 10 == int(digits[10])


def _rnokpp(value: str) -> bool:
    """Tax numbers of persons in Ukraine: five digits are the days from 1899-12-31 to the birth, the last is mod 11."""
    weighted = sum(int(c) * weight for c, weight in zip(value, (-1, 5, 7, 9, 4, 6, 10, 5, 7), strict=False))
    return weighted % 11 % 10 == int(value[9])


def _magyar(value: str) -> bool:
    """Personal numbers of Hungary: the sex, the date of birth, a serial number, mod 11."""
    up = sum(int(c) * place for place, c in enumerate(value[:10], 1)) % 11
    down = sum(int(c) * (11 - place) for place, c in enumerate(value[:10], 1)) % 11
    return int(value[10]) in (up, down)


def _each(check: Callable[[str], bool]) -> Callable[[Sequence[str]], bool]:
    """Return a test that nine of ten values must pass."""
    return lambda values: _share(values, check) > 0.9


_DAY = r"(?:0[1-9]|[12]\d|3[01])"
_MONTH = r"(?:0[1-9]|1[0-2])"
_NATIONAL = "user.government_id.national_identification_number"

CODES = (
    Code("icd-10", lazy.pattern(r"^[A-TV-Z]\d[0-9AB](?:\.[0-9A-KXZ]{1,4})?$"), "user.health_and_medical", "Health", "special", check=_dotted),
    Code("atc", lazy.pattern(r"^[ABCDGHJLMNPRSV](?:0[1-9]|1[0-6]|20)[A-Z]{2}\d{2}$"), "user.health_and_medical", "Prescription", "special", 3),
    Code("rsid", lazy.pattern(r"^rs\d{3,10}$"), "user.health_and_medical.genetic", "Genetic", "special"),
    Code("genotype", lazy.pattern(r"^[ACGT][/|]?[ACGT]$"), "user.health_and_medical.genetic", "Genetic", "special", 4),
    Code("vin", lazy.pattern(r"^[A-HJ-NPR-Z0-9]{11}[A-HJ-NPR-Z0-9]{2}\d{4}$"), "user.government_id.vehicle_registration", "Vehicle", "personal", 5, _vins),
    Code("wallet", lazy.pattern(r"^(?:0x[0-9a-fA-F]{40}|bc1[02-9ac-hj-np-z]{11,71}|[13][1-9A-HJ-NP-Za-km-z]{25,34})$"), "user.financial", "FinancialAccount",
         "personal", 3),
    Code("imei", lazy.pattern(r"^\d{15}$"), "user.device.device_id", "Identifier", "personal", 10, _imeis),
    Code("cn-id", lazy.pattern(r"^\d{6}(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])\d{3}[\dXx]$"), _NATIONAL,
         "OfficialID", "personal", 3, _each(_mod_11_2)),
    Code("nric", lazy.pattern(r"^[STFGM]\d{7}[A-Z]$"), _NATIONAL, "OfficialID", "personal", 5, _each(_nric)),
    Code("th-id", lazy.pattern(r"^[1-8]-?\d{4}-?\d{5}-?\d{2}-?\d$"), _NATIONAL, "OfficialID", "personal", 10, _each(_thai)),
    Code("tw-id", lazy.pattern(r"^[A-Z][1289]\d{8}$"), _NATIONAL, "OfficialID", "personal", 10, _each(_taiwanese)),
    Code("rut", lazy.pattern(r"^\d{1,2}\.?\d{3}\.?\d{3}-[\dkK]$"), _NATIONAL, "OfficialID", "personal", 10, _each(_rut)),
    Code("snils", lazy.pattern(r"^\d{3}-\d{3}-\d{3}[ -]\d{2}$"), _NATIONAL, "OfficialID", "personal", 5, _each(_snils)),
    Code("inn", lazy.pattern(r"^\d{12}$"), "user.government_id", "Tax", "personal", 10, _each(_inn)),
    Code("emso", lazy.pattern(rf"^{_DAY}{_MONTH}\d{{9}}$"), _NATIONAL, "OfficialID", "personal", 10, _each(_emso)),
    Code("amka", lazy.pattern(rf"^{_DAY}{_MONTH}\d{{7}}$"), _NATIONAL, "OfficialID", "personal", 10, _each(_luhn)),
    Code("cuil", lazy.pattern(r"^(?:20|23|24|27)-?\d{8}-?\d$"), _NATIONAL, "OfficialID", "personal", 5, _each(_cuil)),
    Code("svnr", lazy.pattern(rf"^[1-9]\d{{3}} ?{_DAY}(?:{_MONTH}|1[3-5])\d{{2}}$"), _NATIONAL, "OfficialID", "personal", 5, _each(_svnr)),
    Code("lv-code", lazy.pattern(rf"^{_DAY}{_MONTH}\d\d-?[0-2]\d{{4}}$"), _NATIONAL, "OfficialID", "personal", 5, _each(_latvian)),
    Code("hu-code", lazy.pattern(rf"^[1-8]\d\d{_MONTH}{_DAY}\d{{4}}$"), _NATIONAL, "OfficialID", "personal", 8, _each(_magyar)),
    Code("rnokpp", lazy.pattern(r"^[1-4]\d{9}$"), "user.government_id", "Tax", "personal", 12, _each(_rnokpp)),
    Code("nss", lazy.pattern(r"^\d{11}$"), _NATIONAL, "OfficialID", "personal", 12, _each(_luhn)),
    Code("il-id", lazy.pattern(r"^\d{9}$"), _NATIONAL, "OfficialID", "personal", 12, _each(_luhn)),
    Code("pan", lazy.pattern(r"^[A-Z]{3}P[A-Z]\d{4}[A-Z]$"), "user.government_id", "Tax", "personal", 5),
    Code("mbi", lazy.pattern(r"^[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y]{2}\d{2}$"),
         "user.health_and_medical.insurance_beneficiary_id", "HealthRecord", "special", 5),
    Code("curp", lazy.pattern(r"^[A-Z]{4}\d{2}(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])[HMX][A-Z]{2}[B-DF-HJ-NP-TV-Z]{3}[0-9A-Z]\d$"),
         _NATIONAL, "OfficialID", "personal", 3),
    Code("rrn", lazy.pattern(r"^\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])-[1-8]\d{6}$"), _NATIONAL, "OfficialID",
         "personal", 5),
)  # fmt: skip
"""Systems of codes that are told by their form, in the order in which they are tried."""
