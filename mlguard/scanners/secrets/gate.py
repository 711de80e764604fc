"""Says in one pass over a text which formats and words it may hold, so that nothing else is looked for.

With google-re2 all gates are one automaton. Without it the marks are looked for one after the other. Both let more through than
there is, never less: what is found is the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

from mlguard import lazy

MAX_MEMORY = 64 * 2**20
"""Bytes of states that RE2 may keep of the automaton."""


MARK_CHARS = 3
"""A shorter mark is found nearly everywhere."""


class Key(NamedTuple):
    """What is looked for: a literal that each match holds (``folded``: in small letters), and an expression that each match holds too.

    ``whole``: what the expression matches is no single run of a token's characters.
    """

    mark: str
    gate: str
    folded: bool = False
    whole: bool = False


Gate = Callable[[str, str], frozenset[int]]
"""Takes a text and the same in small letters, and returns the numbers of the keys that it may hold."""


def gate(keys: Sequence[Key]) -> Gate:
    """Return what opens the gates for a text."""
    return _by_automaton(tuple(keys)) or by_marks(keys)


@cache
def _by_automaton(keys: tuple[Key, ...]) -> Gate | None:
    """Return the gate of two automata: those without a mark to speak of would make far more states together with the others."""
    try:
        import re2
    except ImportError:
        return None
    options: Any = re2.Options()
    options.max_mem = MAX_MEMORY
    options.log_errors = False
    options.encoding = re2.Options.Encoding.LATIN1
    groups = (
        [n for n, key in enumerate(keys) if len(key.mark) >= MARK_CHARS],
        [n for n, key in enumerate(keys) if len(key.mark) < MARK_CHARS],
    )
    automata: list[tuple[Any, int, list[int]]] = []
    try:
        for group in groups:
            automaton: Any = re2.Set.SearchSet(options)
            for number in group:
                automaton.Add(f"(?i){keys[number].gate}" if keys[number].folded else keys[number].gate)
            always = automaton.Add("")
            automaton.Compile()
            automata.append((automaton, always, group))
    except re2.error:
        return None
    simple = by_marks(keys)

    def opened(text: str, lowered: str) -> frozenset[int]:
        data, found = text.encode("utf-8", "replace"), list[int]()
        for automaton, always, group in automata:
            hits = automaton.Match(data)
            if not hits or always not in hits:  # it ran out of memory
                return simple(text, lowered)
            found += [group[hit] for hit in hits if hit != always]
        return frozenset(found)

    return opened


# Every vendor's token is a long run of these characters, so most of a text need not be searched for hundreds of marks.
RUN = lazy.pattern(r"[A-Za-z0-9_+/.:~=%$-]{16,}")


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
                if short[number].search(text if keys[number].whole else runs):
                    found.append(number)
            elif keys[number].mark in (lowered if keys[number].folded else text):
                found.append(number)
        return frozenset(found)

    return opened
