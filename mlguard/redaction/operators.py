"""What may be done to a value: keep, drop, replace, mask, hash, encrypt, generalise."""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from mlguard.errors import UsageError
from mlguard.redaction import generalise, tokens
from mlguard.redaction.keys import Key

Name = Literal["keep", "drop", "replace", "mask", "hash", "encrypt", "generalise"]

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "keep": (),
    "drop": (),
    "replace": ("value", "realistic"),
    "mask": ("keep", "keep-first", "chars", "from", "char"),
    "hash": ("length", "normalise"),
    "encrypt": ("mode",),
    "generalise": tuple(generalise.LEVELS),
}
"""Operators and their options."""

EMPTY = frozenset({"", "-", "--", "?", "n/a", "#n/a", "<na>"})
"""Cells, in lower case, that stand for nothing and stay. "NA" and "null" are not among them: they are surnames too."""

MARKS = {
    "user.contact.email": "EMAIL_ADDRESS", "user.contact.phone_number": "PHONE_NUMBER", "user.name": "PERSON",
    "user.device.ip_address": "IP_ADDRESS", "user.device.device_id": "MAC_ADDRESS", "user.financial.credit_card": "CREDIT_CARD",
    "user.financial.bank_account": "IBAN_CODE", "user.contact.address": "LOCATION", "user.location": "LOCATION",
    "user.demographic.date_of_birth": "DATE_TIME",
}  # fmt: skip
"""Marks by category, in the names of Presidio; for others the last word of the category."""

REALISTIC = {
    "user.contact.email": "person@example.com", "user.contact.phone_number": "+1 202-555-0100", "user.name.first": "Alex",
    "user.name.last": "Doe", "user.name": "Alex Doe", "user.account.username": "example_user", "user.device.ip_address": "192.0.2.1",
    "user.device.device_id": "00:00:5E:00:53:01", "user.financial.credit_card": "4111111111111111",
    "user.financial.bank_account": "GB82WEST12345698765432", "user.contact.address.street": "1 Example Street",
    "user.contact.address.city": "Exampletown", "user.contact.address.postal_code": "00000", "user.demographic.date_of_birth": "1900-01-01",
}  # fmt: skip
"""Constants that look like the category and are nobody's: RFC 2606, 5737 and 7042, numbers set aside for fiction and for tests."""


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator with its options. ``str()`` of it is what a plan would say."""

    name: Name
    options: tuple[tuple[str, str], ...] = ()

    def get(self, option: str, otherwise: str = "") -> str:
        """Return an option's text."""
        return dict(self.options).get(option, otherwise)

    @property
    def keyed(self) -> bool:
        """Whether it needs a key."""
        return self.name in ("hash", "encrypt")

    def __str__(self) -> str:
        shown = ",".join(name if value == "" else f"{name}={value}" for name, value in self.options)
        return f"{self.name}:{shown}" if shown else self.name


def parse(spec: object, where: str) -> Operator:
    """Return the operator of ``name``, ``name:option=value,flag`` or a mapping with ``operator``. Raises UsageError."""
    if isinstance(spec, Mapping):
        options = {str(key): "" if value is True else str(value) for key, value in spec.items() if value is not False}
        name = options.pop("operator", "")
    elif isinstance(spec, str):
        name, _, rest = spec.partition(":")
        options = {}
        for part in re.split(r",(?=[a-z-]+(?:=|,|$))", rest) if rest else []:
            option, _, value = part.partition("=")
            options[option.strip()] = value
    else:
        raise UsageError(f"{where}: an operator is needed: {', '.join(OPTIONS)}")
    name = {"generalize": "generalise", "redact": "replace"}.get(name.strip(), name.strip())
    if name not in OPTIONS:
        raise UsageError(f"{where}: there is no operator {name!r}; there are {', '.join(OPTIONS)}")
    for option in options:
        if option not in OPTIONS[name]:
            known = ", ".join(OPTIONS[name]) or "none"
            raise UsageError(f"{where}: {name} has no option {option!r}; its options: {known}")
    operator = Operator(cast(Name, name), tuple(sorted(options.items())))
    _check(operator, where)
    return operator


def _check(operator: Operator, where: str) -> None:
    for option, low, high in (("keep", 0, 64), ("keep-first", 0, 64), ("chars", 1, 1 << 20), ("length", 16, 64)):
        value = operator.get(option)
        if value and not (value.isdecimal() and low <= int(value) <= high):
            raise UsageError(f"{where}: {option}={value} is no whole number from {low} to {high}")
    if operator.get("mode", "siv") not in ("siv", "gcm"):
        raise UsageError(
            f"{where}: mode={operator.get('mode')}; the modes are siv (equal values stay equal) and gcm (random)"
        )
    if operator.get("from", "start") not in ("start", "end"):
        raise UsageError(f"{where}: from={operator.get('from')}; it is start or end")
    if operator.name == "mask" and len(operator.get("char", "*")) != 1:
        raise UsageError(f"{where}: char is one character")
    if operator.name == "mask" and operator.get("char", "*").isalnum():
        raise UsageError(
            f"{where}: char is no letter and no digit, so that what is masked can be told from what is not"
        )
    if operator.get("chars") and (operator.get("keep") or operator.get("keep-first")):
        raise UsageError(f"{where}: mask takes either chars or keep")
    if operator.name == "replace" and tokens.TOKEN.search(operator.get("value")):
        raise UsageError(f"{where}: the value looks like an encrypted one")
    if operator.name == "generalise":
        if len(operator.options) > 1:
            raise UsageError(f"{where}: generalise takes one kind")
        for kind, value in operator.options:
            generalise.level(kind, value)


def by_prefix(table: Mapping[str, str], category: str) -> str | None:
    """Return the entry of the category or of the nearest one above it."""
    while category:
        if category in table:
            return table[category]
        category = category.rpartition(".")[0]
    return None


def mark(category: str, entity: str = "") -> str:
    """Return what stands for a value that was replaced: ``<EMAIL_ADDRESS>``."""
    name = entity or by_prefix(MARKS, category) or category.rpartition(".")[2].upper() or "REDACTED"
    return f"<{name}>"


def normalised(value: str) -> str:
    """Return the value without differences of case, width and white space."""
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())


@dataclass(slots=True)
class Applied:
    """An operator at work on the values of one category. ``unparsed`` counts values replaced because they had no such form."""

    operator: Operator
    category: str
    key: Key | None = None
    entity: str = ""
    unparsed: int = 0
    _level: generalise.Level | None = None
    _known: dict[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.operator.keyed and self.key is None:
            raise UsageError(f"{self.operator.name} needs a key: --key-file FILE (make one with --new-key FILE)")
        if self.operator.name == "generalise":
            kind = self.operator.options[0] if self.operator.options else (self._kind(), "")
            self._level = generalise.level(*kind)

    def _kind(self) -> str:
        kind = by_prefix(generalise.BY_CATEGORY, self.category)
        if kind is None:
            raise UsageError(
                f"generalise needs a kind for {self.category}: generalise:KIND=LEVEL, with {', '.join(generalise.LEVELS)}"
            )
        return kind

    @property
    def mark(self) -> str:
        """The constant of ``replace``, and of what ``generalise`` cannot read."""
        if self.operator.name == "replace":
            if self.operator.get("value"):
                return self.operator.get("value")
            if ("realistic", "") in self.operator.options:
                return by_prefix(REALISTIC, self.category) or mark(self.category)
        return mark(self.category, self.entity)

    @property
    def number(self) -> bool:
        """Whether a column of numbers stays one."""
        return self.operator.name == "generalise" and self._level is not None and self._level.number

    def values(self, values: Sequence[str], raw: bool = False) -> list[str]:
        """Return the values after the operator, in the order given; ``raw`` says that JSON writes them without quotes."""
        if self.operator.name == "encrypt":
            return tokens.encrypt(values, cast(Key, self.key), cast(tokens.Mode, self.operator.get("mode", "siv")), raw)
        one = self._one()
        return [one(value) for value in values]

    def each(self, values: Sequence[str], raw: bool = False) -> list[str]:
        """Return the same, looking at each distinct value once and leaving empty cells."""
        if self.operator.name == "keep":
            return list(values)
        known = self._known if not raw and self.operator.get("mode") != "gcm" else {}
        fresh = [value for value in dict.fromkeys(values) if value not in known]
        if len(known) > MAX_KNOWN:
            known.clear()
            fresh = list(dict.fromkeys(values))
        todo = [value for value in fresh if value.strip().lower() not in EMPTY]
        known.update(zip(fresh, fresh, strict=True))
        if self.operator.get("mode") == "gcm":  # equal cells must not look equal
            return [self.values([v], raw)[0] if v.strip().lower() not in EMPTY else v for v in values]
        known.update(zip(todo, self.values(todo, raw), strict=True))
        return [known[value] for value in values]

    def _one(self) -> Callable[[str], str]:
        operator = self.operator
        if operator.name == "hash":
            return self._hash()
        if operator.name == "mask":
            return lambda value: masked(operator, value)
        if operator.name == "generalise":
            return self._coarser
        constant = "" if operator.name == "drop" else self.mark
        return (lambda value: value) if operator.name == "keep" else lambda value: constant

    def _hash(self) -> Callable[[str], str]:
        secret = cast(Key, self.key).hashing
        size, folds = int(self.operator.get("length", "64")), ("normalise", "") in self.operator.options

        def one(value: str) -> str:
            value = normalised(value) if folds else value
            return hmac.digest(secret, value.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()[:size]

        return one

    def _coarser(self, value: str) -> str:
        coarse = cast(generalise.Level, self._level).one(value)
        if coarse is None:
            self.unparsed += 1
            return self.mark
        return coarse

    def form(self) -> re.Pattern[str] | None:
        """Return what every cell after the operator matches entirely; None when nothing is asked of it."""
        operator = self.operator
        if operator.name == "keep":
            return None
        if operator.name == "hash":
            return re.compile(rf"[0-9a-f]{{{operator.get('length', '64')}}}")
        if operator.name == "encrypt":
            return tokens.TOKEN
        if operator.name == "mask":
            char = re.escape(operator.get("char", "*"))
            return re.compile(rf"(?s)(?=.*{char}).+") if operator.options else re.compile(rf"{char}+")
        if operator.name == "generalise":
            return re.compile(f"{cast(generalise.Level, self._level).form.pattern}|{re.escape(self.mark)}")
        return re.compile(re.escape("" if operator.name == "drop" else self.mark))

    @property
    def shows_form(self) -> bool:
        """Whether what is left may still look like the category, as a year looks like a date."""
        constant = self.operator.name == "replace" and bool(self.operator.options)
        return (
            constant
            or self.operator.name in ("keep", "generalise")
            or self.operator.name == "mask"
            and bool(self.operator.options)
        )


MAX_KNOWN = 200_000
"""Distinct values of a column whose result is remembered between batches."""


def masked(operator: Operator, value: str) -> str:
    """Return the value with characters covered.

    ``chars`` covers so many from the start or the end, as Presidio does; ``keep`` leaves the last, ``keep-first`` the first so
    many, but never more than a third of the value in all, so that short values are not shown.
    """
    char, size = operator.get("char", "*"), len(value)
    if operator.get("chars"):
        covered = min(size, int(operator.get("chars")))
        if operator.get("from", "start") == "end":
            return value[: size - covered] + char * covered
        return char * covered + value[covered:]
    first, last = int(operator.get("keep-first", "0") or 0), int(operator.get("keep", "0") or 0)
    room = size // 3
    last = min(last, room)
    first = min(first, room - last)
    return value[:first] + char * (size - first - last) + (value[size - last :] if last else "")


def describe(operators: Mapping[str, Any]) -> dict[str, str]:
    """Return the operators as a plan would say them."""
    return {name: str(operator) for name, operator in sorted(operators.items())}
