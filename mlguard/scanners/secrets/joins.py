"""Puts together literals that a program concatenates, so that a credential cut in two is seen."""

from __future__ import annotations

from collections.abc import Iterator

from mlguard.scanners import lazy
from mlguard.scanners.secrets.gate import Key
from mlguard.values import dataclass

MAX_CHAINS = 500
"""Chains of literals that are put together in one text."""

MAX_CHARS = 1000
"""Characters of a chain that is put together."""

BEFORE_CHARS = 200
"""Characters left of a chain that may hold its name."""

_CHARS = r"A-Za-z0-9_./+=:~$%-"
_GAP = r"[ \t]{0,20}(?:\+|\\)?[ \t]{0,20}(?:\r?\n[ \t]{0,60})?(?:\+[ \t]{0,20})?"
_PIECE = rf"[rbuRBU]?(?:\"[{_CHARS}]{{1,300}}\"|'[{_CHARS}]{{1,300}}')"

_CHAIN = lazy.pattern(rf"(?<![{_CHARS}\\]){_PIECE}(?:{_GAP}{_PIECE}){{1,15}}")
_TEXT = lazy.pattern(rf"[\"']([{_CHARS}]{{1,300}})[\"']")

KEY = Key("", r"[A-Za-z0-9_./+=~-][\"'][ \t\r\n\\]*(?:\+[ \t\r\n]*)?[rbuRBU]?[\"'][A-Za-z0-9_./+=~-]{6}")
"""Opens the search: the end of one literal, perhaps a sign, and the begin of the next."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Literals that stand one after the other between two offsets; ``text`` is what they make, ``ends`` where each of them ends in it."""

    start: int
    end: int
    text: str
    ends: tuple[int, ...]

    def is_cut(self, start: int, end: int) -> bool:
        """Say whether a part of the text lies in more than one literal."""
        return any(start < at < end for at in self.ends)


def chains(text: str) -> Iterator[Chain]:
    """Yield the chains of literals without spaces: 'a' + 'b', and literals that stand side by side."""
    left = MAX_CHAINS
    for match in _CHAIN.finditer(text):
        if match.end() - match.start() > MAX_CHARS:
            continue
        pieces = _TEXT.findall(match.group())
        joined = "".join(pieces)
        if len(joined) < 16:
            continue
        left -= 1
        if left < 0:
            return
        ends, at = [], 0
        for piece in pieces:
            at += len(piece)
            ends.append(at)
        first = match.start() + (match.group()[0] not in "\"'")
        yield Chain(first + 1, match.end() - 1, joined, tuple(ends))
