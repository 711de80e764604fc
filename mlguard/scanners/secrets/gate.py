"""Says in one pass over a text which formats and words it may hold, so that nothing else is looked for.

With google-re2 all gates are one automaton. Without it the marks are looked for one after the other. Both let more through than
there is, never less: what is found is the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

MAX_MEMORY = 64 * 2**20
"""Bytes of states that RE2 may keep of the automaton."""


class Key(NamedTuple):
    """What is looked for: a literal that each match holds (``folded``: in small letters), and an expression that each match holds too."""

    mark: str
    gate: str
    folded: bool = False


Gate = Callable[[str, str], frozenset[int]]
"""Takes a text and the same in small letters, and returns the numbers of the keys that it may hold."""


def gate(keys: Sequence[Key]) -> Gate:
    """Return what opens the gates for a text."""
    return _by_automaton(tuple(keys)) or by_marks(keys)


@cache
def _by_automaton(keys: tuple[Key, ...]) -> Gate | None:
    try:
        import re2
    except ImportError:
        return None
    options: Any = re2.Options()
    options.max_mem = MAX_MEMORY
    options.log_errors = False
    options.encoding = re2.Options.Encoding.LATIN1
    automaton: Any = re2.Set.SearchSet(options)
    try:
        for key in keys:
            automaton.Add(f"(?i){key.gate}" if key.folded else key.gate)
        always = automaton.Add("")
        automaton.Compile()
    except re2.error:
        return None
    simple = by_marks(keys)

    def opened(text: str, lowered: str) -> frozenset[int]:
        found = automaton.Match(text.encode("utf-8", "replace"))
        if not found or always not in found:  # it ran out of memory
            return simple(text, lowered)
        return frozenset(found)

    return opened


# Every vendor's token is a long run of these characters, so most of a text need not be searched for hundreds of marks.
RUN = re.compile(r"[A-Za-z0-9_+/.:~=%$-]{16,}")
MARK_CHARS = 3


def by_marks(keys: Sequence[Key]) -> Gate:
    """Return the gate that needs no library."""
    groups: dict[str, list[int]] = {}
    apart: list[int] = []
    for number, key in enumerate(keys):
        if key.folded or len(key.mark) < MARK_CHARS or not RUN.fullmatch(key.mark.ljust(16, "a")):
            apart.append(number)
        else:
            groups.setdefault(key.mark[:MARK_CHARS], []).append(number)
    short = {
        number: re.compile(keys[number].gate)
        for number in apart
        if not keys[number].folded and len(keys[number].mark) < 2
    }

    def opened(text: str, lowered: str) -> frozenset[int]:
        runs = "\n".join(RUN.findall(text))
        found = [
            number for start, group in groups.items() if start in runs for number in group if keys[number].mark in text
        ]
        for number in apart:
            if number in short:
                if short[number].search(runs):
                    found.append(number)
            elif keys[number].mark in (lowered if keys[number].folded else text):
                found.append(number)
        return frozenset(found)

    return opened
