"""Orders versions as PEP 440 does, with keys that compare at the speed of tuples.

https://packaging.python.org/en/latest/specifications/version-specifiers/
"""

from __future__ import annotations

import re
from functools import cache

MAX_CHARS = 256
"""The longest text that is taken for a version."""

Key = tuple[int, tuple[int, ...], int, int, int, int, int, tuple[tuple[int, int, str], ...]]
"""Epoch, release without trailing zeros, pre-release (its rank and number), post-release, development release, local label."""

_BEFORE, _FINAL = 0, 4  # ranks of what has no pre-release: a mere development release, and everything else
_PRE = {"a": 1, "alpha": 1, "b": 2, "beta": 2, "c": 3, "rc": 3, "pre": 3, "preview": 3}


@cache
def _pattern() -> re.Pattern[str]:
    part = r"(?:[-._]?(?P<{0}>{1})[-._]?(?P<{0}_number>[0-9]*))"
    pre = part.format("pre", "alpha|beta|preview|pre|rc|a|b|c")
    post = r"(?:-(?P<implicit>[0-9]+)|" + part.format("post", "post|rev|r") + ")"
    dev = part.format("dev", "dev")
    local = r"(?:\+(?P<local>[a-z0-9]+(?:[-._][a-z0-9]+)*))"
    release = r"v?(?:(?P<epoch>[0-9]+)!)?(?P<release>[0-9]+(?:\.[0-9]+)*)"
    return re.compile(f"{release}{pre}?{post}?{dev}?{local}?", re.IGNORECASE | re.ASCII)


def key(text: str) -> Key | None:
    """Return what a version sorts and compares by, or None when the text is no version of PEP 440."""
    text = text.strip()
    if len(text) > MAX_CHARS or not text.isascii():
        return None
    if text.replace(".", "").isdigit():  # most versions are plain numbers
        try:
            return 0, _release(text), _FINAL, 0, -1, 1, 0, ()
        except ValueError:
            return None  # an empty part
    match = _pattern().fullmatch(text)
    return _of(match) if match else None


def _release(text: str) -> tuple[int, ...]:
    numbers = [int(part) for part in text.split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _of(match: re.Match[str]) -> Key:
    pre, post, dev = match["pre"], match["post"], match["dev"]
    after = int(match["implicit"] or match["post_number"] or 0) if post or match["implicit"] else -1
    if pre:
        rank = _PRE[pre.lower()]
    else:
        rank = _BEFORE if dev and after < 0 else _FINAL
    return (
        int(match["epoch"] or 0),
        _release(match["release"]),
        rank,
        int(match["pre_number"] or 0) if pre else 0,
        after,
        0 if dev else 1,
        int(match["dev_number"] or 0) if dev else 0,
        _label(match["local"]),
    )


def _label(local: str | None) -> tuple[tuple[int, int, str], ...]:
    """Return the parts of a local label: numbers come after words."""
    if not local:
        return ()
    return tuple((1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.split(r"[-._]", local.lower()))


def public(of: Key) -> Key:
    """Return the key of the version without its local label (``1.13.1+cu117`` is a build of ``1.13.1``)."""
    return of if not of[7] else (*of[:7], ())
