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

MAX_PIECE = 300
"""Characters of one literal."""

_CHARS = r"A-Za-z0-9_./+=:~$%@-"
_GAP = r"[ \t\r\n\\]{0,80}(?:\+[ \t\r\n\\]{0,80})?"
_PIECE = rf"[rbufRBUF]?(?:\"[{_CHARS}]{{1,300}}\"|'[{_CHARS}]{{1,300}}')"

_SEAM = lazy.pattern(rf"[\"']{_GAP}[rbufRBUF]?[\"'](?=[{_CHARS}])")
_CHAIN = lazy.pattern(rf"{_PIECE}(?:{_GAP}{_PIECE}){{1,15}}")
_TEXT = lazy.pattern(rf"[\"']([{_CHARS}]{{1,300}})[\"']")

KEY = Key("", rf"[{_CHARS}][\"'][ \t\r\n\\]*(?:\+[ \t\r\n\\]*)?[rbufRBUF]?[\"'][{_CHARS}]{{6}}", whole=True)
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
    left, done = MAX_CHAINS, 0
    for seam in _SEAM.finditer(text):
        start = text.rfind(seam.group()[0], max(done, seam.start() - MAX_PIECE), seam.start())
        match = _CHAIN.match(text, start) if start != -1 else None
        if match is None or match.end() - match.start() > MAX_CHARS:
            continue
        done = match.end()
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
        yield Chain(start + 1, match.end() - 1, joined, tuple(ends))
