"""How the conditions of an AWS policy narrow it, and what a Deny takes back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from mlguard import tables
from mlguard.scanners import lazy
from mlguard.scanners.infra.resources import REFERENCE, Unknown

_ALL_RESOURCES = lazy.pattern(r"\*+|arn:\*|arn:[^:]*(?::\*)+(?:/\*)?")
_BROAD = lazy.pattern(r"arn:[^:]*:[^:]*:[^:]*:[^:]*:(?:[\w-]+[:/])?\*(?:/\*)?")


def normal_test(test: str) -> tuple[str, str]:
    """Return the operator of a condition in lower case without its set and IfExists parts, and its set part.

    ``ForAnyValue:StringLikeIfExists`` is ``stringlike`` of ``foranyvalue``.
    """
    head, colon, tail = test.lower().partition(":")
    name = tail if colon else head
    return name.removesuffix("ifexists"), head if colon else ""


def negates(test: str) -> bool:
    """Say whether an operator holds for everything but the values."""
    return "not" in normal_test(test)[0]


def limits(condition: Mapping[str, Any]) -> bool:
    """Say whether a condition leaves anything out at all. One whose values are not known is taken to do so."""
    name, group = normal_test(str(condition.get("test", "")))
    key = str(condition.get("key", ""))
    if name == "null" or group == "forallvalues" or key in _unlimiting():
        return False
    values = condition.get("values") or []
    return bool(values) and not any(_anything(name, value) for value in values)


def narrows(condition: Mapping[str, Any]) -> bool:
    """Say whether a condition lets in only those that have one of its values."""
    return limits(condition) and not negates(str(condition.get("test", "")))


@cache
def _unlimiting() -> frozenset[str]:
    return frozenset(tables.table("iam")["unlimiting_keys"]["keys"])


def _anything(test: str, value: Any) -> bool:
    if not isinstance(value, str):
        return False
    plain = value.strip()
    if test in ("stringlike", "arnlike", "arnequals"):
        return re.fullmatch(r"\*+|arn:\*|arn:[^:]*:(?:iam|sts)?\*?::?\*(?::\*|:(?:role|user)/\*)?", plain) is not None
    if test == "ipaddress":
        return plain in ("0.0.0.0/0", "::/0")
    return False


def everything(resource: str) -> bool:
    """Say whether a text of Resource stands for all resources."""
    return _ALL_RESOURCES.fullmatch(resource) is not None


def broad(resource: Any) -> bool:
    """Say whether a text of Resource stands for all resources of its type, in one account or all."""
    return isinstance(resource, str) and (everything(resource) or _BROAD.fullmatch(resource) is not None)


def fits(pattern: str, name: str) -> bool:
    """Say whether a pattern of a policy covers a name; both in lower case."""
    if pattern == name or pattern in ("*", "*:*"):
        return True
    stem = pattern.rstrip("*")
    if "*" not in stem and "?" not in stem:
        return stem != pattern and name.startswith(stem)
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def grants(statement: Mapping[str, Any], action: str) -> bool:
    """Say whether a statement names the action, as far as is known. The action is in lower case."""
    if statement.get("not_actions"):
        return not any(fits(text, action) for text in _texts(statement, "not_actions"))
    return any(fits(text, action) for text in _texts(statement, "actions"))


def _texts(statement: Mapping[str, Any], name: str) -> Iterator[str]:
    return (item.lower() for item in statement.get(name) or () if isinstance(item, str))


def taken_back(statement: Mapping[str, Any], action: str) -> bool:
    """Say whether a Deny of the same policy takes the action back from everybody, everywhere. The action is in lower case."""
    return any(
        not deny.get("conditions")
        and grants(deny, action)
        and any(everything(text) for text in _texts(deny, "resources"))
        and _from_everybody(deny)
        for deny in statement.get("denied") or ()
    )


def _from_everybody(deny: Mapping[str, Any]) -> bool:
    principals = deny.get("principals")
    if principals is None:
        return "not_principals" not in deny
    return isinstance(principals, Mapping) and any("*" in items for items in principals.values())


def left_to_keys(statement: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys by which Deny statements of the same policy leave a part of everybody only: a Deny for all who differ."""
    for deny in statement.get("denied") or ():
        tests = deny.get("conditions") or ()
        if isinstance(tests, Unknown):
            continue
        covers = all(grants(deny, text) for text in _texts(statement, "actions"))
        if tests and covers and all(negates(str(one["test"])) for one in tests) and _from_everybody(deny):
            yield from (str(one["key"]) for one in tests)


def subject_scope(statement: Mapping[str, Any]) -> tuple[str | Unknown, int]:
    """Return how far a trust in workload tokens goes, and the index of the condition that says so (-1: none does).

    ``narrow``: some claim names the workload. ``wide``: claims are named, but for many workloads. ``missing``: none is.
    """
    claims = re.compile(tables.table("iam")["subject_claims"]["pattern"])
    found: tuple[str | Unknown, int] = ("missing", -1)
    for index, condition in enumerate(statement.get("conditions") or ()):
        name, group = normal_test(str(condition["test"]))
        if not claims.search(condition["key"]) or name == "null" or group == "forallvalues" or "not" in name:
            continue
        scopes = [_subject(value) for value in condition["values"]]
        unknown = next((one for one in scopes if isinstance(one, Unknown)), None)
        if scopes and "wide" not in scopes and unknown is None:
            return "narrow", index
        if unknown is not None or found[0] == "missing":
            found = unknown if unknown is not None and "wide" not in scopes else "wide", index
    return found


def _subject(value: Any) -> str | Unknown:
    if isinstance(value, Unknown):
        return value
    text = str(value)
    if REFERENCE.fullmatch(text):
        return Unknown(REFERENCE.findall(text)[0])
    text = REFERENCE.sub("x", text)
    return "wide" if any(re.search(one, text, re.I) for one in _wide()) else "narrow"


@cache
def _wide() -> tuple[str, ...]:
    return tuple(tables.table("iam")["wide_subjects"]["patterns"])


_ACCOUNT = lazy.pattern(r"\d{12}|arn:[\w-]+:iam::\d{12}:root")


def is_account(principal: str) -> bool:
    """Say whether a principal is a whole account, written out."""
    return _ACCOUNT.fullmatch(principal.strip()) is not None


_EVERYBODY = lazy.pattern(r"\*|arn:[\w*-]+:(?:iam|sts)::\*:.*", re.S)


def is_everybody(principal: str) -> bool:
    """Say whether a principal is everybody, also as a pattern over all accounts."""
    return _EVERYBODY.fullmatch(principal.strip()) is not None


_OTHER_ISSUER = lazy.pattern(
    r"(?:^|/)(?:cognito-identity\.amazonaws\.com|accounts\.google\.com|graph\.facebook\.com|www\.amazon\.com)$|:saml-provider/|^\*$"
)


def is_token_issuer(principal: Any) -> bool:
    """Say whether a federated principal issues tokens of workloads: not SAML, and not for users of an application."""
    if isinstance(principal, Unknown):
        return True
    return isinstance(principal, str) and not _OTHER_ISSUER.search(REFERENCE.sub("x", principal).strip())
