"""Looks for values of real people in the literals of test code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mlguard import lazy
from mlguard.scanners.code.seeing import Sight
from mlguard.scanners.code.source import Source
from mlguard.scanners.code.tree import FUNCTIONS, Scope

RULE = "data/personal-data-in-tests"

MAX_LITERALS = 20_000
"""Literals of one file that are looked at."""

MAX_CHARS = 2_000
"""Longer literals are documents, which the dataset scanner's rules on prose are for."""

_TESTS = lazy.pattern(
    r"(?i)(?:^|/)(?:tests?|testing|test_?data|fixtures?|specs?|mocks?|unit_?tests?|integration_?tests?|e2e)/|(?:^|/)(?:test_[^/]*|[^/]*_test|conftest|[^/]*fixtures?)\.py$"
)
_EMAIL = lazy.pattern(
    r"(?<![\w.+%/:@-])([A-Za-z0-9][\w.+-]{0,63})@((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,5}[A-Za-z]{2,18})(?![\w@-]|\.\w)"
)
_DIGITS = lazy.pattern(r"(?:\d[ .\-/]?){8}")
_SSN = lazy.pattern(r"(?<![\w-])(\d{3})-(\d{2})-(\d{4})(?![\w-])")

_NOBODYS = frozenset(
    "example test testing tests foo bar baz qux foobar invalid localhost domain mydomain yourdomain somedomain email mail mailserver host somewhere nowhere anywhere acme corp company mycompany yourcompany "  # noqa: SIM905
    "users user contoso fabrikam northwind sample samples demo dummy fake fakemail mock mockmail none noreply abc xyz aaa bbb site website server your my some org com test1 test2 internal intranet dev devnull staging "
    "beispiel muster musterfirma exemple ejemplo esempio voorbeeld exemplo przyklad evil attacker malicious other another blah hello world address hotel widgets testdomain testmail doe mailinator a b c d e x y z".split()
)
_ROLES = frozenset(
    "test tester testuser foo bar baz user users admin administrator info contact support noreply no-reply donotreply root git hello sales help me you someone somebody nobody anybody name email mail username first.last "  # noqa: SIM905
    "firstname.lastname john.doe johndoe max.mustermann webmaster postmaster security abuse dev bot service serviceaccount svc a b c x y z alice bob eve mallory dummy fake invalid sender recipient from to owner author "
    "student teacher customer patient guest member viewer editor default example sample jdoe jane.doe2 user1 user2 test1 test2 ci github actions team office developer developers maintainer maintainers employee employees emp testemp manager approver applicant candidate worker driver hr person persons leave payroll press jobs privacy legal billing".split()
)
_HOSTS_OF_MACHINES = lazy.pattern(
    r"(?:\.iam\.gserviceaccount\.com|noreply\.github\.com|\.internal|\.local|\.test|\.example|\.invalid|\.localhost|\.lan|\.corp|\.intranet|\.arpa|\.onion)$",
    re.I,
)


def is_test(path: str) -> bool:
    """Say whether a file is test code by its path."""
    return _TESTS.search(path) is not None


def concerns(source: Source) -> bool:
    """Say whether a file holds test code, by its path or its functions."""
    return bool(_TESTS.search(source.path)) or b"def test" in source.data or b"class Test" in source.data


def literals(source: Source) -> Iterator[Sight]:
    """Yield the literals in test code that look like somebody's: addresses, identity numbers, accounts, cards, telephone numbers."""
    everywhere = bool(_TESTS.search(source.path))
    told: set[int] = set()
    texts = [node for node in source.tree.of(ast.Constant)[:MAX_LITERALS] if node.value.__class__ is str]
    for node in [node for node in texts if 8 <= len(node.value) <= MAX_CHARS and not node.value.isalpha()]:
        text = node.value
        if "@" not in text and not _DIGITS.search(text):
            continue
        found = _email(text) or _number(text)
        if (
            found
            and node.lineno not in told
            and (everywhere or _in_test(source.tree.scope(node)))
            and not _is_docstring(node, source)
        ):
            told.add(node.lineno)
            yield Sight(RULE, "literal-in-test", node, {"what": found})


def _is_docstring(node: ast.AST, source: Source) -> bool:
    return isinstance(source.tree.parent(node), ast.Expr)


def _in_test(scope: Scope | None) -> bool:
    while scope is not None:
        node = scope.node
        if isinstance(node, FUNCTIONS) and node.name.startswith("test"):
            return True
        if isinstance(node, ast.ClassDef) and (
            node.name.startswith("Test")
            or any("TestCase" in getattr(base, "attr", getattr(base, "id", "")) for base in node.bases)
        ):
            return True
        scope = scope.parent
    return False


def _email(text: str) -> str:
    for local, domain in _EMAIL.findall(text[:MAX_CHARS])[:50]:
        labels = domain.lower().split(".")
        if (
            set(labels[:-1]) & _NOBODYS
            or _HOSTS_OF_MACHINES.search(domain)
            or labels[-1] in ("py", "sh", "cfg", "service", "md", "txt", "yaml", "png", "ipynb", "sock")
        ):
            continue
        words = set(re.split(r"[\d._+-]+", local.lower())) | {local.lower()}
        if (
            words & (_ROLES - {"john.doe"})
            or len(labels[-2]) < 3
            or len(local) < 3
            or set(labels[-2]) == {labels[-2][0]}
        ):
            continue
        if any(
            label.startswith(("example", "test", "fake", "dummy", "sample", "my", "your", "some"))
            for label in labels[:-1]
        ):
            continue
        return "an e-mail address"
    return ""


_WHAT = {"CREDIT_CARD": "a card number", "IBAN_CODE": "a bank account", "US_SSN": "a social security number"}
_CERTAIN = frozenset(
    {
        "CREDIT_CARD",
        "IBAN_CODE",
        "PL_PESEL",
        "ES_NIF",
        "ES_NIE",
        "IT_FISCAL_CODE",
        "FI_PERSONAL_IDENTITY_CODE",
        "SE_PERSONNUMMER",
        "BE_NATIONAL",
        "CH_AHV",
        "BR_CPF",
        "FR_NIR",
        "NO_FODSELSNUMMER",
    }
)


def _number(text: str) -> str:
    match = _SSN.search(text)
    if match and _is_ssn(*match.groups()):
        return "a social security number"
    if len(text) > 60 or not _DIGITS.search(text):
        return ""
    from mlguard.scanners.dataset import checksums, shapes

    compact = re.sub(r"[ .\-/]", "", text).upper()
    if (
        not compact.isascii()
        or not 9 <= len(compact) <= 34
        or compact in shapes.RESERVED
        or len(set(compact)) < 5
        or compact in "01234567890123456789"
    ):
        return ""
    grouped = re.fullmatch(r"[A-Z0-9]+(?:[ .\-/][A-Z0-9]+)*", text.strip().upper()) is not None
    if not grouped:
        return ""
    for shape in shapes.CHECKED:
        if shape.entity not in _CERTAIN or shape.layout is None or not shape.layout.fullmatch(text.strip()):
            continue
        if checksums.passes(shape.check, compact) and (
            shape.entity != "CREDIT_CARD" or " " in text or "-" in text or len(compact) == 16
        ):
            return _WHAT.get(shape.entity, "an identity number")
    return ""


def _is_ssn(area: str, group: str, serial: str) -> bool:
    """Say whether it is a number that may have been given out (SSA, randomization rules), and no known example."""
    if area in ("000", "666") or area[0] == "9" or group == "00" or serial == "0000":
        return False
    return (area + group + serial) not in (
        "078051120",
        "219099999",
        "123456789",
        "111223333",
        "123121234",
        "111111111",
        "222222222",
        "333333333",
        "444444444",
        "555555555",
        "987654321",
        "856457890",
        "457555462",
    )
