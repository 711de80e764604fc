"""What personal identifiers look like in a cell: a cheap shape first, then an exact check.

A shape is a superset of what the Presidio recognizer of the same name finds, so that only cells with a shape need a second look.
The check decides; what it accepts is counted.
"""

from __future__ import annotations

import ipaddress
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from mlguard.scanners.dataset import checksums

MAX_CELL = 1 << 20
"""Characters of one cell that are looked at in one piece; longer cells are cut into pieces that overlap."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One place in a cell. ``text`` is compact and never leaves the scanner."""

    entity: str
    valid: bool
    whole: bool  # it is the entire cell
    reserved: bool  # set aside for examples, so nobody's
    grouped: bool  # written with separators, a prefix or letters that a bare number lacks
    near: bool  # a word for it stands before it
    text: str


@dataclass(frozen=True, slots=True)
class Shape:
    """``chance`` is the share of random values of this shape that pass the check, of 1."""

    entity: str
    pattern: re.Pattern[str]
    check: Callable[[str], bool]
    chance: float
    words: re.Pattern[str]
    loose: re.Pattern[str]  # the same with any digit where it asks for certain ones
    lettered: bool = False


def _shape(
    entity: str, pattern: str, check: Callable[[str], bool], chance: float, words: str, lettered: bool = False
) -> Shape:
    loose = (
        re.sub(r"\[[0-9-]+\]", r"\\d", pattern)
        .replace("756", r"\d{3}")
        .replace("2[AB]", r"\d[AB]")
        .replace("|3\\d", r"|\d\d")
    )
    near = re.compile(rf"(?i)(?<![a-z])(?:{words})(?![a-z])")
    return Shape(entity, re.compile(pattern, re.I), check, chance, near, re.compile(loose, re.I), lettered)


_ID = r"id(?:entity)?|nr|no|number|nummer|num[eé]ro|n[uú]mero|tax"
CHECKED: tuple[Shape, ...] = (
    _shape("CREDIT_CARD", r"\b(?:[1-9]\d{3}[- ]?\d{3,4}[- ]?\d{3,4}[- ]?\d{3,5}|3[47]\d{2}[- ]?\d{6}[- ]?\d{5}|\d{4}(?:[- ]?\d{4}){3}[- ]?\d{3})\b",
           checksums.card, 0.04, r"card|credit|visa|mastercard|amex|karte|carte|tarjeta|carta|kaart|kort|pan|cc"),
    _shape("IBAN_CODE", r"(?<![A-Z0-9])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?(?![A-Z0-9])",
           checksums.iban, 0.001, r"iban|account|konto|compte|cuenta|conto|rekening|bank", True),
    _shape("US_SSN", r"\b\d{3}[- .]?\d{2}[- .]?\d{4}\b", checksums.us_ssn, 0.87, r"ssn|social\W{0,2}security"),
    _shape("UK_NHS", r"\b\d{3}[- ]?\d{3}[- ]?\d{4}\b", checksums.uk_nhs, 0.09, r"nhs"),
    _shape("UK_NINO", r"\b[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b", checksums.uk_nino, 0.02, r"nino|national\W{0,2}insurance", True),
    _shape("ES_NIF", r"\b\d?\d{7}-?[A-Z]\b", checksums.es_nif, 0.044, r"dni|nif", True),
    _shape("ES_NIE", r"\b[X-Z]?\d?\d{7}-?[A-Z]\b", checksums.es_nie, 0.005, r"nie|dni", True),
    _shape("IT_FISCAL_CODE", r"[A-Z]{6}[0-9LMNP-V]{2}[A-EHLMPR-T][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]", checksums.it_fiscal_code, 0.01,
           r"fiscale|cf|tax", True),
    _shape("PL_PESEL", r"\d{11}", checksums.pl_pesel, 0.02, r"pesel"),
    _shape("FI_PERSONAL_IDENTITY_CODE", r"\d{6}[-+A-FU-Y]\d{3}[0-9A-Y]", checksums.fi_hetu, 0.002, r"hetu|henkil\w+", True),
    _shape("SE_PERSONNUMMER", r"\d{6,8}[-+]?\d{4}", checksums.se_personnummer, 0.02, r"personnummer|personnr"),
    _shape("DE_TAX_ID", r"\b[1-9]\d{10}\b", checksums.de_tax_id, 0.06, r"steuer\w*|idnr|tin|tax"),
    _shape("DE_SOCIAL_SECURITY", r"\b\d{2} ?\d{6} ?[A-Z] ?\d{3}\b", checksums.de_pension, 0.01, r"renten\w+|rvnr|sozial\w+|svnr", True),
    _shape("DE_HEALTH_INSURANCE", r"\b[A-Z]\d{9}\b", checksums.de_health, 0.1, r"kvnr|versicherten\w*|kranken\w+", True),
    _shape("TR_NATIONAL_ID", r"\b[1-9]\d{10}\b", checksums.tr_kimlik, 0.01, r"kimlik|tckn|tc"),
    _shape("IN_AADHAAR", r"\b\d{4}[- :]?\d{4}[- :]?\d{4}\b", checksums.in_aadhaar, 0.08, r"aadhaar|aadhar|uidai"),
    _shape("KR_RRN", r"(?<!\d)\d{6}-?[1-8]\d{6}(?!\d)", checksums.kr_rrn, 0.02, r"rrn|jumin"),
    _shape("CA_SIN", r"\b[1-79]\d{2}[- ]?\d{3}[- ]?\d{3}\b", checksums.ca_sin, 0.1, r"sin|social\W{0,2}insurance"),
    _shape("ZA_ID_NUMBER", r"\b\d{13}\b", checksums.za_id, 0.01, rf"{_ID}|rsa"),
    _shape("FR_NIR", r"\b[123478] ?\d{2} ?\d{2} ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}\b", checksums.fr_nir, 0.01, r"nir|s[eé]cu\w*|insee"),
    _shape("NL_BSN", r"\b\d{9}\b|\b\d{4}\.\d{2}\.\d{3}\b", checksums.nl_bsn, 0.09, r"bsn|burgerservice\w*|sofi\w*"),
    _shape("BE_NATIONAL_NUMBER", r"\b\d{2}\.?\d{2}\.?\d{2}-?\d{3}\.?\d{2}\b", checksums.be_national, 0.005, r"rijksregister\w*|national|niss|insz"),
    _shape("PT_NIF", r"\b[123]\d{8}\b", checksums.pt_nif, 0.1, r"nif|contribuinte"),
    _shape("NO_FODSELSNUMMER", r"\b\d{6} ?\d{5}\b", checksums.no_fodselsnummer, 0.001, r"f[oø]dselsnummer|fnr|personnummer"),
    _shape("DK_CPR", r"\b\d{6}-?\d{4}\b", checksums.dk_cpr, 0.04, r"cpr"),
    _shape("CH_AHV", r"\b756\.?\d{4}\.?\d{4}\.?\d{2}\b", checksums.ch_ahv, 0.1, r"ahv|avs|svnr"),
    _shape("BR_CPF", r"\b\d{3}\.?\d{3}\.?\d{3}-?\d{2}\b", checksums.br_cpf, 0.01, r"cpf"),
    _shape("RO_CNP", r"\b[1-8]\d{12}\b", checksums.ro_cnp, 0.01, r"cnp"),
    _shape("BG_EGN", r"\b\d{10}\b", checksums.bg_egn, 0.02, r"egn"),
    _shape("HR_OIB", r"\b\d{11}\b", checksums.hr_oib, 0.1, r"oib"),
    _shape("BALTIC_PERSONAL_CODE", r"\b[1-6]\d{10}\b", checksums.baltic, 0.015, r"isikukood|asmens"),
    _shape("CZ_BIRTH_NUMBER", r"\b\d{6}/?\d{4}\b", checksums.cz_birth_number, 0.01, r"rodn\w+|rc"),
)  # fmt: skip
BY_ENTITY = {shape.entity: shape for shape in CHECKED}

UNCHECKED = frozenset({"US_SSN", "UK_NINO", "DK_CPR"})
"""Formats without a check digit: ranges and separators are all that can be tested."""

GATE = (
    r"[@＠]"  # e-mail
    r"|(?:\p{Nd}[^\p{Nd}]{0,4}){6}\p{Nd}"  # seven digits: numbers of every kind
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

_DIGITS = {
    code: str(unicodedata.digit(chr(code)))
    for code in range(0x80, sys.maxunicode + 1)
    if unicodedata.category(chr(code)) == "Nd"
}
_DIGITS |= {0xFF20: "@", 0xFF0E: ".", 0xFF0B: "+", 0x2010: "-", 0x2011: "-", 0x2013: "-", 0xA0: " ", 0x202F: " "}
_NOISE = re.compile(
    r"(?i)\b[0-9A-F]{8}-(?:[0-9A-F]{4}-){3}[0-9A-F]{12}\b|\b(?=[0-9A-F]*[A-F])(?=[0-9A-F]*\d)[0-9A-F]{24,}\b"
    r"|\b(?:19|20)\d{2}[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12]\d|3[01])(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)?(?![\d-])"
)
_SEVEN = re.compile(r"(?:\d[^\d]{0,4}){6}\d")
_SIX = re.compile(r"\d{2} ?\d{2} ?\d{2}|[A-Za-z]{6}\w{2}")
_COLONS = re.compile(r"(?<![\w:])[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{0,40}:[0-9A-Fa-f:]{0,40}(?:(?:\d{1,3}\.){3}\d{1,3})?")
_DOTS = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b")
_MAC = re.compile(
    r"\b(?:[0-9A-F]{2}([:-])(?:[0-9A-F]{2}\1){4}[0-9A-F]{2}|[0-9A-F]{4}\.[0-9A-F]{4}\.[0-9A-F]{4})\b", re.I
)
_LOCAL = re.compile(r"[!#$%&'*+\-/=?^_`{|}~\w.]{1,64}$")
_HOST = re.compile(r"\w+(?:-+\w+)*(?:\.\w+(?:-+\w+)*)+")
_PLAIN_LOCAL = re.compile(r"[\w.+\-'&!#%=~]+$")
_NOT_TLD = frozenset(
    [
        "png",
        "jpg",
        "jpeg",
        "gif",
        "svg",
        "webp",
        "ico",
        "css",
        "js",
        "ts",
        "jsx",
        "tsx",
        "py",
        "md",
        "txt",
        "json",
        "yaml",
        "yml",
        "html",
        "htm",
        "xml",
        "csv",
        "zip",
        "gz",
        "whl",
        "sh",
        "pdf",
        "lock",
        "toml",
    ]
)
_ROLES = frozenset(
    [
        "git",
        "noreply",
        "no-reply",
        "donotreply",
        "do-not-reply",
        "notreply",
        "mailer-daemon",
        "postmaster",
        "hostmaster",
        "webmaster",
        "abuse",
    ]
)
_RESERVED_HOST = re.compile(
    r"(?i)(?:^|\.)(?:example|test|invalid|localhost|local)$|(?:^|\.)example\.(?:com|net|org|edu)$|(?:^|\.)(?:test|sample|dummy|fake|foo|bar|domain|email|mail|acme|yourdomain|company)\.(?:com|net|org)$"
)
_INTERNATIONAL = re.compile(
    r"(?<![\w.@/#&=:+])(?:\+|00)[1-9]\d{0,2}[ .\-/]{0,2}(?:\(0?\d{1,4}\)[ .\-/]{0,2})?\d(?:[ .\-/()]{0,2}\d){5,12}"
    r"(?: ?(?:x|ext\.? ?|#)\d{1,6})?(?![\w]|\.\d)", re.I)  # fmt: skip
_NATIONAL = re.compile(
    r"(?<![\w.@/#&=:+,-])(?:\(0?\d{1,5}\)[ .\-/]{0,2}\d{2,4}(?:[ .\-/]?\d{2,5}){1,4}|1?[ .\-]?\d{3}([ .\-/])\d{3}[ .\-]\d{4}|0\d(?:([ .\-/])\d{2}){4}"
    r"|0\d{1,4}[ .\-/]\d{3,4}[ .\-/]?\d{3,5}|0\d{2,4}[ /\-]\d{5,8}|[6-9]\d{2} \d{3} \d{3}|[6-9]\d{2}( \d{2}){3})"
    r"(?: ?(?:x|ext\.? ?|#)\d{1,6})?(?![\w]|[.,]\d|[-/]\d)", re.I)  # fmt: skip
_AFTER_WORD = re.compile(r"(?<![\w.@/#&=:+,-])(?:0[1-9]\d{8,10}|[2-9]\d{9})(?![\w]|[.,]\d|[-/]\d)")
"""A bare number that is one only after a word for telephones."""
_PHONE_WORDS = re.compile(
    r"(?i)(?<![a-z])(?:tel|tel[eé]?(?:ph|f)\w*|phone|mobile?|mobil\w*|handy|cell(?:phone)?|call|fax|whatsapp|portable|m[oó]vil|r[uü]ckruf|anruf(?:en)?|erreichbar|ruf|rufnummer|appele[rz]|llam\w+|chiam\w+|bel|zadzwo\w+|t[eé]l)(?![a-z])"
)
_TEST_CARDS = frozenset(
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
_TEST_IBANS = frozenset(
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


def ascii_digits(cell: str) -> str:
    """Return the cell with every decimal digit, full-width sign and hyphen written in ASCII, at the same positions."""
    return cell if cell.isascii() else cell.translate(_DIGITS)


def find(cell: str) -> Iterator[Hit]:
    """Yield each shape in one cell, in a fixed order."""
    for start in range(0, max(len(cell), 1), MAX_CELL):
        yield from _find(ascii_digits(cell if len(cell) <= MAX_CELL else cell[start : start + MAX_CELL + 100]).strip())


def _find(cell: str) -> Iterator[Hit]:
    if "@" in cell:
        yield from _emails(cell)
    if cell.count(":") > 1 or cell.count(".") > 2 or cell.count("-") > 4 or cell.count(".") == 2:
        yield from _addresses(cell)
    if not _SEVEN.search(cell) and not _SIX.search(cell):
        return
    if cell.isdigit():
        yield from _bare(cell)
        return
    clear = _NOISE.sub(lambda match: " " * len(match.group()), cell) if len(cell) > 9 else cell
    if len(clear) <= MAX_LAYOUT:
        for shape in _fitting(clear.translate(_ZEROS)):
            for match in shape.pattern.finditer(clear):
                yield _checked(shape, match, clear)
    else:
        yield from _windows(clear)
    yield from _phones(clear)


MAX_LAYOUT = 160
"""Characters of a cell whose layout is remembered; cells of one column are laid out alike."""

_ZEROS = dict.fromkeys(map(ord, "123456789"), "0")


@lru_cache(maxsize=1 << 13)
def _fitting(layout: str) -> tuple[Shape, ...]:
    """Return the shapes that a cell may have whose digits, all written as 0, give the layout."""
    return tuple(shape for shape in CHECKED if shape.loose.search(layout))


def _windows(clear: str) -> Iterator[Hit]:
    for window in _WINDOW.finditer(clear):
        start, end = window.span()
        if sum(character.isdigit() for character in window.group()) >= 6:
            for shape in CHECKED:
                for match in shape.pattern.finditer(clear, start, end):
                    yield _checked(shape, match, clear)


_WINDOW = re.compile(r"[A-Za-z]{0,6}[ -]?\d(?:[A-Za-z .\-/:+()]{0,9}\d)*[A-Za-z]*")
"""A stretch of a cell in which numbers and codes lie. Nothing that has six digits close together lies across its ends."""


@cache
def _of_length(size: int) -> tuple[Shape, ...]:
    """Return the shapes that a bare run of so many digits may have."""
    samples = [str(first) + second * (size - 1) for first in range(10) for second in "0159"] + [
        "756" + "1" * (size - 3)
    ]
    return tuple(
        shape for shape in CHECKED
        if any((match := shape.pattern.search(sample)) and match.end() - match.start() == size for sample in samples)
        or shape.entity in _DATED and size in _DATED[shape.entity]
    )  # fmt: skip


_DATED = {"FR_NIR": (15,), "CREDIT_CARD": tuple(range(13, 20))}


def _bare(cell: str) -> Iterator[Hit]:
    for shape in _of_length(len(cell)):
        yield Hit(shape.entity, well_formed(shape, cell), True, cell in _TEST_CARDS, False, False, cell)
    if 7 <= len(cell) <= 15:
        yield Hit("PHONE_NUMBER", True, True, False, False, False, cell)


def _checked(shape: Shape, match: re.Match[str], cell: str) -> Hit:
    start, end = match.span()
    compact = re.sub(r"[ .\-:/]", "", match.group()).upper()
    if shape.entity == "FI_PERSONAL_IDENTITY_CODE":
        compact = match.group().upper()
    free = not (start and (cell[start - 1].isalnum() or cell[start - 1] in "._=")) and not cell[end : end + 1].isalnum()
    valid = free and well_formed(shape, compact)
    reserved = compact in _TEST_CARDS or compact in _TEST_IBANS or compact in ("078051120", "219099999")
    grouped = shape.lettered or not match.group().isdigit()
    near = bool(valid and shape.words.search(cell, max(0, start - 30), start))
    return Hit(shape.entity, valid, end - start == len(cell), reserved, grouped, near, compact)


def well_formed(shape: Shape, compact: str) -> bool:
    """Say whether the compact form passes the check of its shape."""
    try:
        return shape.check(compact)
    except (ValueError, IndexError, KeyError):
        return False  # a letter where a digit belongs


def _emails(cell: str) -> Iterator[Hit]:
    at = cell.find("@")
    while at >= 0:
        local = _LOCAL.search(cell, max(0, at - 64), at)
        host = _HOST.match(cell, at + 1)
        if local and host:
            yield _email(local.group(), host.group(), local.start() <= 0 and host.end() >= len(cell))
        at = cell.find("@", at + 1)


def _email(local: str, host: str, whole: bool) -> Hit:
    last = host.rsplit(".", 1)[-1].lower()
    valid = (
        bool(_PLAIN_LOCAL.match(local))
        and (last.isalpha() and len(last) > 1 or last.startswith("xn--"))
        and last not in _NOT_TLD
        and any(character.isalnum() for character in local)
        and local.lower().lstrip("'") not in _ROLES
        and not host.lower().endswith("users.noreply.github.com")
    )
    return Hit("EMAIL_ADDRESS", valid, whole, bool(_RESERVED_HOST.search(host)), True, False, f"{local}@{host}".lower())


def _addresses(cell: str) -> Iterator[Hit]:
    for match in _MAC.finditer(cell):
        digits = re.sub(r"[:.-]", "", match.group()).upper()
        valid = digits not in ("F" * 12, "0" * 12) and _free(cell, match)
        yield Hit("MAC_ADDRESS", valid, match.end() - match.start() == len(cell), False, True, False, digits)
    for pattern in (_DOTS, _COLONS):
        for match in pattern.finditer(cell):
            yield _ip(match.group().strip("."), match.end() - match.start() == len(cell), _free(cell, match))


def _free(cell: str, match: re.Match[str]) -> bool:
    """Say whether an address is no part of something longer, such as a version or a name of a package."""
    start, end = match.span()
    before, after = cell[start - 1 : start], cell[end : end + 2]
    return not (before and (before.isalnum() or before in "_.-:=v")) and not re.match(r"[\w:-]|\.\d", after)


def _ip(text: str, whole: bool, free: bool) -> Hit:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return Hit("IP_ADDRESS", False, False, False, False, False, "")
    written = address.version == 4 or text.count(":") > 2 and any(character.isdigit() for character in text)
    valid = free and written and address.is_global and not address.is_multicast
    return Hit("IP_ADDRESS", valid, whole, not address.is_global, True, False, text)


_555 = re.compile(r"5550?1\d\d$|55501\d\d")
_DRAMA = re.compile(
    r"(?:0|44)(?:1632960|7700900|2079460|1134960|1144960|1214960|1314960|1414960)|(?:0|33)(?:199|261|353|465|536)00\d{4}$|^1?\d{3}55501\d\d|^555"
)


def _phones(cell: str) -> Iterator[Hit]:
    """Yield phone numbers that are written as such; the bare shape is yielded once, for the second look."""
    shown = False
    for pattern in (_INTERNATIONAL, _NATIONAL, _AFTER_WORD):
        for match in pattern.finditer(cell):
            digits = re.sub(r"\D", "", re.split(r"(?i)x|#", match.group())[0])
            if not 7 <= len(digits) <= 15:
                continue
            near = bool(_PHONE_WORDS.search(cell, max(0, match.start() - 30), match.start()))
            if pattern is _AFTER_WORD and not near:
                continue
            shown = True
            sure = pattern is _INTERNATIONAL or near
            whole = match.end() - match.start() == len(cell)
            yield Hit(
                "PHONE_NUMBER", True, whole, bool(_DRAMA.search(digits) or _555.search(digits)), True, sure, digits
            )
    if not shown and _SEVEN.search(cell):
        yield Hit("PHONE_NUMBER", False, False, False, False, False, "")
