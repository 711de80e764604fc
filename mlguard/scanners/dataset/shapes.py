"""What personal identifiers look like: layouts of numbers, the words that stand before them, and what is nobody's.

A shape is a superset of what the Presidio recognizer of the same name finds, so that only cells with a shape need a second look.
The check decides; what it accepts is counted.
"""

from __future__ import annotations

import re
import sys

from mlguard import lazy
from mlguard.scanners.dataset import checksums
from mlguard.scanners.dataset.checksums import Check
from mlguard.values import dataclass

Pattern = re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Shape:
    """``chance`` is the share of random values of this shape that pass the check, of 1.

    ``layout`` is the pattern of a stretch of text in which A stands for a letter and 1 for a digit (the first digit stays as it is).
    """

    entity: str
    layout: Pattern | None
    check: Check
    chance: float
    words: str  # RE2: a word for it
    lettered: bool = False


def _before(words: str) -> str:
    """Return the RE2 pattern of a text that holds one of the words."""
    return rf"(?i)(?:^|[^a-z])(?:{words})(?:[^a-z]|$)"


def _shape(entity: str, layout: str, check: Check, chance: float, words: str, lettered: bool = False) -> Shape:
    return Shape(entity, re.compile(layout) if layout else None, check, chance, _before(words), lettered)


_ID = r"id(?:entity)?|nr|no|number|nummer|num[eé]ro|n[uú]mero|tax"
CHECKED: tuple[Shape, ...] = (
    _shape("CREDIT_CARD", r"\b(?:\d{4}[- ]?\d{3,4}[- ]?\d{3,4}[- ]?\d{3,5}|\d{4}[- ]?\d{6}[- ]?\d{5}|\d{4}(?:[- ]?\d{4}){3}[- ]?\d{3})\b",
           checksums.card, 0.04, r"card|credit|visa|mastercard|amex|karte|carte|tarjeta|carta|kaart|kort|pan|cc"),
    _shape("IBAN_CODE", "", checksums.iban, 0.01, r"iban|account|konto|compte|cuenta|conto|rekening|bank", True),
    _shape("US_SSN", r"\b\d{3}[- .]?\d{2}[- .]?\d{4}\b", checksums.us_ssn, 0.87, r"ssn|social\W{0,2}security"),
    _shape("UK_NHS", r"\b\d{3}[- ]?\d{3}[- ]?\d{4}\b", checksums.uk_nhs, 0.09, r"nhs"),
    _shape("UK_NINO", r"\bAA ?\d{2} ?\d{2} ?\d{2} ?A\b", checksums.uk_nino, 0.02, r"nino|national\W{0,2}insurance", True),
    _shape("ES_NIF", r"\b\d?\d{7}-?A\b", checksums.es_nif, 0.044, r"dni|nif", True),
    _shape("ES_NIE", r"\bA?\d?\d{7}-?A\b", checksums.es_nie, 0.005, r"nie|dni", True),
    _shape("IT_FISCAL_CODE", "", checksums.it_fiscal_code, 0.04, r"fiscale|cf|tax", True),
    _shape("PL_PESEL", r"\d{11}", checksums.pl_pesel, 0.02, r"pesel"),
    _shape("FI_PERSONAL_IDENTITY_CODE", r"\d{6}[-+A]\d{3}[A\d]", checksums.fi_hetu, 0.002, r"hetu|henkil\w+", True),
    _shape("SE_PERSONNUMMER", r"\d{6,8}[-+]?\d{4}", checksums.se_personnummer, 0.02, r"personnummer|personnr"),
    _shape("DE_TAX_ID", r"\b\d{11}\b", checksums.de_tax_id, 0.06, r"steuer\w*|idnr|tin|tax"),
    _shape("DE_SOCIAL_SECURITY", r"\b\d{2} ?\d{6} ?A ?\d{3}\b", checksums.de_pension, 0.01, r"renten\w+|rvnr|sozial\w+|svnr", True),
    _shape("DE_HEALTH_INSURANCE", r"\bA\d{9}\b", checksums.de_health, 0.1, r"kvnr|versicherten\w*|kranken\w+", True),
    _shape("TR_NATIONAL_ID", r"\b\d{11}\b", checksums.tr_kimlik, 0.01, r"kimlik|tckn|tc"),
    _shape("IN_AADHAAR", r"\b\d{4}[- :]?\d{4}[- :]?\d{4}\b", checksums.in_aadhaar, 0.08, r"aadhaar|aadhar|uidai"),
    _shape("KR_RRN", r"(?<!\d)\d{6}-?\d{7}(?!\d)", checksums.kr_rrn, 0.02, r"rrn|jumin"),
    _shape("CA_SIN", r"\b\d{3}[- ]?\d{3}[- ]?\d{3}\b", checksums.ca_sin, 0.1, r"sin|social\W{0,2}insurance"),
    _shape("ZA_ID_NUMBER", r"\b\d{13}\b", checksums.za_id, 0.01, rf"{_ID}|rsa"),
    _shape("FR_NIR", r"\b\d ?\d{2} ?\d{2} ?(?:\d{2}|\dA) ?\d{3} ?\d{3} ?\d{2}\b", checksums.fr_nir, 0.01, r"nir|s[eé]cu\w*|insee"),
    _shape("NL_BSN", r"\b\d{9}\b|\b\d{4}\.\d{2}\.\d{3}\b", checksums.nl_bsn, 0.09, r"bsn|burgerservice\w*|sofi\w*"),
    _shape("BE_NATIONAL_NUMBER", r"\b\d{2}\.?\d{2}\.?\d{2}-?\d{3}\.?\d{2}\b", checksums.be_national, 0.005, r"rijksregister\w*|national|niss|insz"),
    _shape("PT_NIF", r"\b\d{9}\b", checksums.pt_nif, 0.1, r"nif|contribuinte"),
    _shape("NO_FODSELSNUMMER", r"\b\d{6} ?\d{5}\b", checksums.no_fodselsnummer, 0.001, r"f[oø]dselsnummer|fnr|personnummer"),
    _shape("DK_CPR", r"\b\d{6}-?\d{4}\b", checksums.dk_cpr, 0.04, r"cpr"),
    _shape("CH_AHV", r"\b\d{3}\.?\d{4}\.?\d{4}\.?\d{2}\b", checksums.ch_ahv, 0.1, r"ahv|avs|svnr"),
    _shape("BR_CPF", r"\b\d{3}\.?\d{3}\.?\d{3}-?\d{2}\b", checksums.br_cpf, 0.01, r"cpf"),
    _shape("RO_CNP", r"\b\d{13}\b", checksums.ro_cnp, 0.01, r"cnp"),
    _shape("BG_EGN", r"\b\d{10}\b", checksums.bg_egn, 0.02, r"egn"),
    _shape("HR_OIB", r"\b\d{11}\b", checksums.hr_oib, 0.1, r"oib"),
    _shape("BALTIC_PERSONAL_CODE", r"\b\d{11}\b", checksums.baltic, 0.015, r"isikukood|asmens"),
    _shape("CZ_BIRTH_NUMBER", r"\b\d{6}/?\d{4}\b", checksums.cz_birth_number, 0.01, r"rodn\w+|rc"),
)  # fmt: skip
BY_ENTITY = {shape.entity: shape for shape in CHECKED}

UNCHECKED = frozenset({"US_SSN", "UK_NINO", "DK_CPR"})
"""Formats without a check digit: ranges and separators are all that can be tested."""

GATE = (
    r"[@＠]"  # e-mail
    r"|(?:[\p{Nd}][^\p{Nd}]{0,4}){6}[\p{Nd}]"  # seven digits: numbers of every kind
    r"|(?i:\d{2} ?\d{2} ?\d{2} ?[A-D])"  # NINO
    r"|(?i:[A-Z]{6}[0-9LMNP-V]{2}[A-Z])"  # codice fiscale
    r"|\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}"
    r"|(?i:[0-9A-F]{0,4}:[0-9A-F]{0,4}:|[0-9A-F]{2}-[0-9A-F]{2}-[0-9A-F]{2}-|[0-9A-F]{4}\.[0-9A-F]{4}\.)"
)
"""RE2: a cell without it has no shape."""

MACHINE = (
    r"^(?:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32,}"
    r"|\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)?(?:Z| ?[+-]\d{2}:?\d{2}| UTC)?"
    r"|[-+]?\d*\.\d*[eE][-+]?\d+|[-+]?0\.\d+|[-+]?\d+\.\d{8,}|-\d+(?:\.\d+)?)$"
)
"""RE2: a whole cell that a machine wrote: a UUID, a digest, a point in time, a fraction."""

NOISE = r"(?i)\b[0-9A-F]{8}-(?:[0-9A-F]{4}-){3}[0-9A-F]{12}\b|\b[0-9A-F]{24,}\b"
"""RE2 and re: a UUID or a digest within a text."""

# --- Telephone numbers, in a layout

INTERNATIONAL = lazy.pattern(
    r"(?<![\w.@/#&=:+])(?:\+|00)[1-9]\d{0,2}[ .\-/]{0,2}(?:\(0?\d{1,4}\)[ .\-/]{0,2})?\d(?:[ .\-/()]{0,2}\d){5,12}"
    r"(?: ?[x#]\d{1,6})?(?![\w]|\.\d)")  # fmt: skip
NATIONAL = lazy.pattern(
    r"(?<![\w.@/#&=:+,-])(?:\(0?\d{1,5}\)[ .\-/]{0,2}\d{2,4}(?:[ .\-/]?\d{2,5}){1,4}|1?[ .\-]?\d{3}([ .\-/])\d{3}[ .\-]\d{4}|0\d(?:([ .\-/])\d{2}){4}"
    r"|0\d{1,4}[ .\-/]\d{3,4}[ .\-/]?\d{3,5}|0\d{2,4}[ /\-]\d{5,8}|[6-9]\d{2} \d{3} \d{3}|[6-9]\d{2}( \d{2}){3})"
    r"(?: ?[x#]\d{1,6})?(?![\w]|[.,]\d|[-/]\d)")  # fmt: skip
AFTER_WORD = lazy.pattern(r"(?<![\w.@/#&=:+,-])(?:0[1-9]\d{8,10}|[2-9]\d{9})(?![\w]|[.,]\d|[-/]\d)")
"""A bare number that is one only after a word for telephones."""

PHONE_WORDS = _before(
    r"tel|tel[eé]?(?:ph|f)\w*|phone|mobile?|mobil\w*|handy|cell(?:phone)?|call|fax|whatsapp|portable|m[oó]vil|r[uü]ckruf|anruf(?:en)?"
    r"|erreichbar|ruf|rufnummer|appele[rz]|llam\w+|chiam\w+|bel|zadzwo\w+|t[eé]l"
)
DRAMA = (
    r"5550?1\d\d$|55501\d\d|(?:0|44)(?:1632960|7700900|2079460|1134960|1144960|1214960|1314960|1414960)"
    r"|(?:0|33)(?:199|261|353|465|536)00\d{4}$|^1?\d{3}55501\d\d|^555"
)
"""RE2: digits of numbers that are set aside for films and examples (NANP 555-01XX, Ofcom, Arcep)."""

TEST_CARDS = frozenset(
    [
        "4111111111111111",
        "4242424242424242",
        "4000056655665556",
        "4012888888881881",
        "4000000000000002",
        "4000000000000077",
        "4222222222222",
        "5555555555554444",
        "5105105105105100",
        "5200828282828210",
        "2223003122003222",
        "2223000048400011",
        "378282246310005",
        "371449635398431",
        "378734493671000",
        "6011111111111117",
        "6011000990139424",
        "6011981111111113",
        "3056930009020004",
        "36227206271667",
        "30569309025904",
        "38520000023237",
        "3566002020360505",
        "3530111333300000",
        "6200000000000005",
        "4917610000000000",
        "4000000000003220",
    ]
)
TEST_IBANS = frozenset(
    [
        "GB82WEST12345698765432",
        "GB29NWBK60161331926819",
        "DE89370400440532013000",
        "DE75512108001245126199",
        "FR1420041010050500013M02606",
        "FR7630006000011234567890189",
        "NL91ABNA0417164300",
        "ES9121000418450200051332",
        "IT60X0542811101000000123456",
        "BE68539007547034",
        "AT611904300234573201",
        "CH9300762011623852957",
        "PL61109010140000071219812874",
        "GB33BUKB20201555555555",
    ]
)
RESERVED = TEST_CARDS | TEST_IBANS | {"078051120", "219099999"}
"""Compact numbers that are printed in standards and manuals, so nobody's."""

PRINTED = frozenset({"CREDIT_CARD", "IBAN_CODE", "US_SSN"})
"""Entities that have such numbers."""

_ZEROS = (
    "660 6F0 7C0 966 9E6 A66 AE6 B66 BE6 C66 CE6 D66 DE6 E50 ED0 F20 1040 1090 17E0 1810 1946 19D0 1A80 1A90 1B50 1BB0 1C40 "
    "1C50 A620 A8D0 A900 A9D0 A9F0 AA50 ABF0 FF10 104A0 10D30 11066 110F0 11136 111D0 112F0 11450 114D0 11650 116C0 11730 "
    "118E0 11950 11C50 11D50 11DA0 16A60 16AC0 16B50 1D7CE 1D7D8 1D7E2 1D7EC 1D7F6 1E140 1E2F0 1E950 1FBF0 "
)
"""Code points of the zeros of all other scripts (Unicode 14, category Nd); the other digits follow each."""

_DIGITS = {int(zero, 16) + digit: str(digit) for zero in _ZEROS.split() for digit in range(10)}
_SIGNS = {0xFF20: "@", 0xFF0E: ".", 0xFF0B: "+", 0x2010: "-", 0x2011: "-", 0x2013: "-", 0xA0: " ", 0x202F: " "}
_PLAIN = _DIGITS | _SIGNS


def _spans(codes: list[int]) -> str:
    """Return a character class of the code points."""
    parts: list[str] = []
    first = last = codes[0]
    for code in [*codes[1:], sys.maxunicode + 2]:
        if code != last + 1:
            parts.append(f"{chr(first)}-{chr(last)}" if last > first else chr(first))
            first = code
        last = code
    return "[" + "".join(parts) + "]"


FOREIGN = rf"{_spans(sorted(_PLAIN))}|[^\x00-\x7F\p{{L}}\p{{M}}\p{{N}}]"
"""RE2: a digit or a sign that is not ASCII and is read as one that is, or a mark that ends a word."""

_MARK = lazy.pattern(r"[^\x00-\x7f\w]")


def in_ascii(cell: str) -> str:
    """Return the cell with every decimal digit, full-width sign and hyphen written in ASCII, at the same positions.

    Other marks that are not ASCII become ";", which belongs to no identifier.
    """
    return cell if cell.isascii() else _MARK.sub(";", cell.translate(_PLAIN))
