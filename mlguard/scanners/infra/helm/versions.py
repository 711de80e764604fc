"""Semantic versions and the ranges of them that charts ask for, as Masterminds' library reads both."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mlguard.scanners import lazy

_VERSION = lazy.pattern(
    r"v?([0-9]{1,18})(\.[0-9]{1,18})?(\.[0-9]{1,18})?(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)
_RANGE = lazy.pattern(
    r"\s*(=||!=|>|<|>=|=>|<=|=<|~|~>|\^)\s*(v?([0-9]+|[xX*])(?:\.([0-9]+|[xX*]))?(?:\.([0-9]+|[xX*]))?(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?)\s*"
)


@dataclass(frozen=True, slots=True)
class Version:
    """A version; ``original`` is how it was written."""

    major: int
    minor: int
    patch: int
    pre: str = ""
    build: str = ""
    original: str = ""

    def __str__(self) -> str:
        text = f"{self.major}.{self.minor}.{self.patch}"
        return text + (f"-{self.pre}" if self.pre else "") + (f"+{self.build}" if self.build else "")

    def go_field(self, name: str) -> Any:
        plain = {"Major": self.major, "Minor": self.minor, "Patch": self.patch, "Prerelease": self.pre}
        if name in plain:
            return plain[name]
        others = {"Metadata": self.build, "Original": self.original, "String": str(self)}
        if name in others:
            return others[name]
        if name in ("Compare", "LessThan", "GreaterThan", "Equal"):
            return Comparison(self, name)
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A method of a version that wants another one."""

    version: Version
    name: str

    def __call__(self, other: Any) -> Any:
        if not isinstance(other, Version):
            raise ValueError("not a version")
        order = compare(self.version, other)
        return {"Compare": order, "LessThan": order < 0, "GreaterThan": order > 0, "Equal": order == 0}[self.name]


@lru_cache(maxsize=512)
def version(text: str) -> Version:
    """Return a version; minor and patch may be left out. Raises ValueError."""
    match = _VERSION.fullmatch(text)
    if match is None:
        raise ValueError("not a version")
    major, minor, patch = (int((part or "0").lstrip(".")) for part in match.group(1, 2, 3))
    return Version(major, minor, patch, match[4] or "", match[5] or "", text)


def compare(left: Version, right: Version) -> int:
    """Return -1, 0 or 1."""
    one, two = (left.major, left.minor, left.patch), (right.major, right.minor, right.patch)
    if one != two:
        return -1 if one < two else 1
    if left.pre == right.pre:
        return 0
    if not left.pre or not right.pre:
        return 1 if not left.pre else -1
    first, second = [_part(part) for part in left.pre.split(".")], [_part(part) for part in right.pre.split(".")]
    return -1 if first < second else 1


def _part(text: str) -> tuple[int, int, str]:
    return (0, int(text), "") if text.isdecimal() and len(text) < 19 else (1, 0, text)


@dataclass(frozen=True, slots=True)
class _Constraint:
    sign: str
    version: Version
    dirty: str  # "", "major", "minor" or "patch": the first part that was left out or is a wildcard


@lru_cache(maxsize=512)
def constraints(text: str) -> tuple[tuple[_Constraint, ...], ...]:
    """Return alternatives of constraints that hold together. Raises ValueError."""
    rewritten = _hyphens(text)
    return tuple(_all(part) for part in rewritten.split("||"))


_HYPHEN = lazy.pattern(r"\s*(v?[0-9xX*][^\s,|]*)\s+-\s+(v?[0-9xX*][^\s,|]*)\s*")


def _hyphens(text: str) -> str:
    return _HYPHEN.sub(lambda match: f">={match[1]},<={match[2]}", text)


def _all(text: str) -> tuple[_Constraint, ...]:
    found: list[_Constraint] = []
    at = 0
    while at < len(text):
        match = _RANGE.match(text, at)
        if match is None or match.end() == at:
            raise ValueError("not a range of versions")
        found.append(_one(match))
        at = match.end()
        if text.startswith(",", at):
            at += 1
        elif at < len(text) and not text[at - 1].isspace():
            raise ValueError("not a range of versions")
    if not found:
        raise ValueError("not a range of versions")
    return tuple(found)


def _one(match: re.Match[str]) -> _Constraint:
    sign, _, major, minor, patch, pre = match.groups()
    sign = {"=>": ">=", "=<": "<=", "~>": "~"}.get(sign, sign)
    if major in ("x", "X", "*"):
        return _Constraint(sign or ">=", Version(0, 0, 0), "major")
    if minor is None or minor in ("x", "X", "*"):
        return _Constraint(sign, Version(int(major), 0, 0, pre or ""), "minor")
    if patch is None or patch in ("x", "X", "*"):
        return _Constraint(sign, Version(int(major), int(minor), 0, pre or ""), "patch")
    return _Constraint(sign, Version(int(major), int(minor), int(patch), pre or ""), "")


def satisfies(text: str, one: Version) -> bool:
    """Say whether a version is in a range. Raises ValueError for what is no range."""
    return any(all(_holds(constraint, one) for constraint in group) for group in constraints(text))


def _holds(constraint: _Constraint, one: Version) -> bool:
    sign, own, dirty = constraint.sign, constraint.version, constraint.dirty
    if one.pre and not own.pre and sign != "!=":
        return False
    if sign == "!=":
        return not _equal(own, one, dirty) if dirty else compare(one, own) != 0
    if sign == ">":
        return _greater(own, one, dirty)
    if sign == "<":
        return compare(one, own) < 0
    if sign == ">=":
        return compare(one, own) >= 0
    if sign == "<=":
        return compare(one, own) <= 0 or bool(dirty) and _equal(own, one, dirty)
    if sign == "^":
        return _caret(own, one, dirty)
    if sign == "~" or dirty:
        return _tilde(own, one, dirty)
    return compare(one, own) == 0


def _equal(own: Version, one: Version, dirty: str) -> bool:
    if dirty == "major":
        return True
    if dirty == "minor":
        return one.major == own.major
    return (one.major, one.minor) == (own.major, own.minor)


def _greater(own: Version, one: Version, dirty: str) -> bool:
    if not dirty:
        return compare(one, own) > 0
    if dirty == "major":
        return False
    if dirty == "minor":
        return one.major > own.major
    return (one.major, one.minor) > (own.major, own.minor)


def _tilde(own: Version, one: Version, dirty: str) -> bool:
    if compare(one, own) < 0:
        return False
    if dirty == "major":
        return True
    if one.major != own.major:
        return False
    return dirty == "minor" or one.minor == own.minor


def _caret(own: Version, one: Version, dirty: str) -> bool:
    if compare(one, own) < 0:
        return False
    if dirty == "major":
        return True
    if own.major > 0 or dirty == "minor":
        return one.major == own.major
    if one.major > 0:
        return False
    if own.minor > 0 or dirty == "patch":
        return one.minor == own.minor
    return one.minor == 0 and one.patch == own.patch
