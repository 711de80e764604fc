"""The formats of credentials that vendors document: a public prefix or mark, and what follows it."""

from __future__ import annotations

import re
from collections.abc import Callable

from mlguard.scanners import lazy
from mlguard.scanners.secrets.checks import crc32_matches, jwt_is_valid, pypi_is_valid
from mlguard.scanners.secrets.values import is_placeholder, is_regular
from mlguard.values import dataclass


@dataclass(frozen=True, slots=True)
class Pattern:
    """One format: ``mark`` occurs in every match, so a text without it is not searched.

    The group ``value``, or else the match, is the credential. ``fits`` looks at it once more. ``gate`` is a weaker expression in the
    syntax of RE2 that every match holds. ``distinct`` says that nothing else begins with the mark: what does, and does not fit, is no
    credential of any kind.
    """

    kind: str
    mark: str
    regex: re.Pattern[str]
    ml: bool = False
    fits: Callable[[str], bool] | None = None
    private_key: bool = False
    gate: str = ""
    distinct: bool = False


W = r"[A-Za-z0-9]"
U = r"[A-Za-z0-9_-]"
H = r"[0-9a-f]"
END_U = r"(?![A-Za-z0-9_-])"

_FIRST = lazy.pattern(r"((?:\[(?:\\.|[^\]\\])+\]|\\d))\{(\d+)")
_GATED = 8
"""Characters after a mark that the gate looks at."""


def own(
    kind: str,
    prefix: str,
    body: str,
    ml: bool = False,
    fits: Callable[[str], bool] | None = None,
    end: str = r"(?![A-Za-z0-9])",
    distinct: bool | None = None,
) -> Pattern:
    """A token that begins with a fixed public prefix. A prefix that ends in a sign is distinct."""
    first = _FIRST.match(body)
    gate = re.escape(prefix) + (f"{first[1]}{{{min(int(first[2]), _GATED)}}}" if first else "")
    if distinct is None:
        distinct = prefix[-1] in "_-." and len(prefix) >= 4
    return Pattern(kind, prefix, lazy.pattern(re.escape(prefix) + body + end), ml, fits, gate=gate, distinct=distinct)


def inner(
    kind: str, mark: str, regex: str, ml: bool = False, fits: Callable[[str], bool] | None = None, gate: str = ""
) -> Pattern:
    """A token that begins before its mark. Its expression looks back, so that it is tried once in a run of characters."""
    regex = _LOOKS_BACK.sub(lambda match: rf"(?:{match.group()}|(?<=\\[nrt]))", regex, count=1)
    return Pattern(kind, mark, lazy.pattern(regex), ml, fits, gate=gate or re.escape(mark))


_LOOKS_BACK = lazy.pattern(r"\(\?<!\[[^\]]+\]\)")
"""At the begin of an expression: what may not stand left of a match, unless it is the letter of an escape."""


_LEGACY_OPENAI = lazy.pattern(r"sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}")

DOCUMENTED = frozenset(
    {
        "AKIAIOSFODNN7" + "EXAMPLE", "AKIAI44QH8DHB" + "EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY",
        "sk_test_" + "4eC39HqLyjWDarjtT1zdp7dc", "sk_test_" + "BQokikJOvBiI2HlWgH4olfQ2", "sk_test_" + "26PHem9AhJZvU623DfE1x4sd",
        "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a",
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw" + "==",
        "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw" + "==",
    }
)  # fmt: skip
"""Values that vendors print in their documentation, and the keys of the Azure storage and Cosmos DB emulators."""

_WHOLE = (crc32_matches, jwt_is_valid, pypi_is_valid)
"""Checks that look at the prefix too."""


def is_real(pattern: Pattern, value: str) -> bool:
    """Say whether a match is a credential rather than a placeholder or an example of the documentation."""
    if value in DOCUMENTED or "EXAMPLE" in value:
        return False
    if pattern.private_key:
        return pattern.fits is None or pattern.fits(value)
    body = value[len(pattern.mark) :] if value.startswith(pattern.mark) else value
    if is_placeholder(body) or is_regular(body):
        return False
    if _LEGACY_OPENAI.match(value):
        return True
    return pattern.fits is None or pattern.fits(value if pattern.fits in _WHOLE else body)
