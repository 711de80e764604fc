"""Tells in which language a short text is written, from its script, its words and the runs of letters in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, cast

from mlguard import lazy, tables

MAX_CHARS = 240
"""Characters of a text that are looked at; the language is told by far less."""

MIX_TEXTS = 150
"""Distinct texts of a column by which its mix of languages is judged."""

UNKNOWN = ""
"""The answer for text without language: numbers, codes, names, a word or two that several languages share."""

_SCRIPTS = (
    ("latin", r"A-Za-zÀ-ɏḀ-ỿ"), ("greek", r"Ͱ-Ͽἀ-῿"), ("cyrillic", r"Ѐ-ԯ"), ("hebrew", r"\u0590-\u05ff"), ("arabic", r"\u0600-\u06ff\u0750-\u077f"),
    ("devanagari", r"\u0900-\u097f"), ("thai", r"\u0e00-\u0e7f"), ("hangul", r"\u1100-\u11ff\uac00-\ud7af"), ("kana", r"\u3040-\u30ff"),
    ("han", r"\u4e00-\u9fff"),
)  # fmt: skip
_IN_SCRIPT = {name: lazy.pattern(f"[{ranges}]") for name, ranges in _SCRIPTS}
_OF_SCRIPT = {"greek": "el", "hebrew": "he", "devanagari": "hi", "thai": "th", "hangul": "ko"}
_NOISE = lazy.pattern(
    r"https?://\S+|www\.\S+|\S+@\S+|[@#]\w+|\{\{.*?\}\}|<[^<>\s]{1,40}>|`[^`]*`|[!-~]*[0-9_/\\][!-~]*"
)
_WORD = lazy.pattern(r"[^\W\d_]+(?:['\-][^\W\d_]+)*")
_OF_LETTER = {"ј": "sr", "ћ": "sr", "ђ": "sr", "ї": "uk", "є": "uk", "ґ": "uk", "ы": "ru", "э": "ru", "ё": "ru", "ħ": "mt", "ő": "hu", "ű": "hu"}  # fmt: skip

WORD_WEIGHT = 8.0
"""What a word that only one language has counts, in natural logarithms of a likelihood."""

LEAST_MARGIN = 3.0
"""By how much the likelihood for a language must exceed that for the next, in natural logarithms."""

LEAST_WORDS = 0.1
"""Evidence of words, of which one that only one language has is 1, from which a text need not look like prose in other ways."""

LIKE_PROSE = 3.0
"""Mean level of the runs of letters from which a text without any known word may be prose."""

WIDE_MARGIN = 10.0
"""The margin that such a text needs."""


@cache
def _table() -> Mapping[str, Mapping[str, Any]]:
    return cast(Mapping[str, Mapping[str, Any]], tables.table("languages")["languages"])


def known() -> tuple[str, ...]:
    """Return the languages that can be told, as ISO 639-1 codes."""
    return tuple(sorted(_table()))


@cache
def _words() -> dict[str, tuple[tuple[str, float], ...]]:
    """Return, for each word, the languages that it speaks for and how much: one letter alone is often a name or a variable."""
    users: dict[str, list[str]] = {}
    for language, entry in sorted(_table().items()):
        for word in sorted(set(str(entry.get("words", "")).split())):
            users.setdefault(word, []).append(language)
    length = {1: 0.35, 2: 0.75}
    return {
        word: tuple((language, length.get(len(word), 1.0) / len(languages)) for language in languages)
        for word, languages in users.items()
    }


@cache
def _letters() -> dict[str, tuple[tuple[str, int], ...]]:
    found: dict[str, list[tuple[str, int]]] = {}
    for language, levels in sorted(tables.table("language-letters")["letters"].items()):
        for level, runs in levels.items():
            for run in runs.split():
                found.setdefault(run, []).append((language, int(level)))
    return {run: tuple(entries) for run, entries in found.items()}


def of(text: str) -> str:
    """Return the language of a text as an ISO 639-1 code, or UNKNOWN. At most MAX_CHARS characters count."""
    plain = _NOISE.sub(" ", text[:MAX_CHARS])
    script = _script(plain)
    if script in _OF_SCRIPT:
        return _OF_SCRIPT[script]
    if script in ("kana", "han"):
        return "ja" if _IN_SCRIPT["kana"].search(plain) else "zh"
    return _decided(plain) if script else UNKNOWN


def _script(text: str) -> str:
    """Return the script of most letters. Chinese characters count for more: each is a word."""
    if text.isascii():
        return "latin"
    counts = {name: len(pattern.findall(text)) for name, pattern in _IN_SCRIPT.items()}
    counts["han"], counts["kana"] = counts["han"] * 3, (counts["kana"] + counts["han"] if counts["kana"] else 0) * 3
    best = max(counts, key=lambda name: (counts[name], name))
    return best if counts[best] > 1 else ""


def _decided(text: str) -> str:
    words = _WORD.findall(text.replace("’", "'").lower())
    spoken = _spoken(words)
    letters, runs = _spelled(words)
    scores = {
        language: WORD_WEIGHT * spoken.get(language, 0.0) + letters.get(language, 0)
        for language in sorted(spoken.keys() | letters.keys())
    }
    for letter in sorted(set(text) & _OF_LETTER.keys()):
        scores[_OF_LETTER[letter]] = scores.get(_OF_LETTER[letter], 0.0) + WORD_WEIGHT
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:2]
    if not ranked:
        return UNKNOWN
    best, margin = ranked[0][0], ranked[0][1] - (ranked[1][1] if len(ranked) > 1 else 0.0)
    if margin < LEAST_MARGIN:
        return UNKNOWN
    if spoken.get(best, 0.0) >= LEAST_WORDS:
        return best
    prose = len(words) > 2 and not _titled(text) and letters[best] >= LIKE_PROSE * runs
    return best if margin >= WIDE_MARGIN and (prose or best in ("ar", "fa")) else UNKNOWN


def _titled(text: str) -> bool:
    """Say whether most words have a capital, as in names of persons, places and products."""
    words = text.split()
    return sum(word[0].isupper() for word in words) * 10 >= 7 * len(words)


def _spelled(words: Iterable[str]) -> tuple[Counter[str], int]:
    """Return how much the runs of letters speak for each language, and how many runs there are."""
    table = _letters()
    scores: Counter[str] = Counter()
    runs = 0
    for word in words:
        edged = f"_{word[:40]}_"
        for size in (1, 2, 3, 4):
            runs += max(0, len(edged) - size + 1)
            for start in range(len(edged) - size + 1):
                for language, level in table.get(edged[start : start + size], ()):
                    scores[language] += level
    return scores, runs


def _spoken(words: Iterable[str]) -> dict[str, float]:
    """Return how much the words speak for each language."""
    table = _words()
    spoken: dict[str, float] = {}
    for word in words:
        for language, weight in table.get(word) or _parted(word):
            spoken[language] = spoken.get(language, 0.0) + weight
    return spoken


def is_word(word: str) -> bool:
    """Say whether a word in lower case is one of the frequent words of any language, of three letters or more."""
    return len(word) > 2 and word in _words()


def _parted(word: str) -> tuple[tuple[str, float], ...]:
    """Return the evidence of what an apostrophe or a hyphen joins: l'ordre, j'ai."""
    if "'" not in word and "-" not in word:
        return ()
    first, last = re.split(r"['\-]", word, maxsplit=1)
    return _words().get(last) or _words().get(first) or ()


def mix(texts: Iterable[str]) -> tuple[tuple[str, float], ...]:
    """Return (language, share of 1) over the texts, most frequent first; texts without a language are in no share.

    The caller hands over a sample that does not depend on the order of rows; at most MIX_TEXTS of it count. A language that
    only one of many texts seems to have is a mistake of ``of`` and left out.
    """
    counts = Counter(of(text) for _, text in zip(range(MIX_TEXTS), texts, strict=False))
    counts.pop(UNKNOWN, None)
    least = 2 if counts.total() > 20 else 1
    kept = {language: count for language, count in counts.items() if count >= least}
    total = sum(kept.values())
    return tuple((name, round(count / total, 3)) for name, count in sorted(kept.items(), key=lambda i: (-i[1], i[0])))
