"""Makes text that comes from a scanned tree safe to show, and measures how wide it stands on a terminal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from mlguard import lazy, redact
from mlguard.findings import Finding
from mlguard.rules import Catalogue, Rule, section

ELLIPSIS = redact.MASK

_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
# Characters that show as nothing although Unicode calls them letters or marks: Hangul and Khmer fillers, Braille blank.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
# Log readers of build services take commands from a line: "##[…" and "##vso[…" stand anywhere, "::…" after white space.
_COMMAND = lazy.pattern(r"##(?=\w*\[)")


def visible(value: str) -> str:
    """Return ``value`` on one line, with every character that moves, hides or reorders text written as an escape."""
    if not (value.isascii() and value.isprintable()):
        value = redact.printable(value.replace("\r\n", "\n"))
        if not value.isascii():
            value = "".join(_escaped(char) if _hides(char) else char for char in value)
    return _COMMAND.sub(r"\\u0023#", value) if "##" in value else value


def _hides(char: str) -> bool:
    return char > "~" and (char in _BLANK or char >= "\U000e0000" or unicodedata.category(char) in _HIDDEN)


def _escaped(char: str) -> str:
    """Return an escape. An undecodable byte of a file name, which Python holds as U+DC80 to U+DCFF, shows as that byte."""
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def ascii_only(value: str) -> str:
    """Return ``value`` with each character beyond ASCII written as an escape, the mask as three dots."""
    return value.replace(ELLIPSIS, "...").encode("ascii", "backslashreplace").decode("ascii")


def cells(char: str) -> int:
    """Return how many columns of a terminal a character takes: 0 for a combining one, 2 for a wide one (UAX #11)."""
    if char < "\u0300":
        return 1
    if unicodedata.category(char) in ("Mn", "Me") or "\u1160" <= char <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def width(value: str) -> int:
    """Return how many columns of a terminal a line takes."""
    return len(value) if value.isascii() else sum(map(cells, value))


def wrap(value: str, room: int) -> list[str]:
    """Return ``value`` as lines of at most ``room`` columns, broken at spaces, or inside a word that is longer.

    No line begins with "::", which a build service would take for a command.
    """
    if len(value) <= room and value.isascii() and value[:1] not in ("", " ") and "::" not in value:
        return [value]
    lines, line = [], ""
    for word in value.split(" "):
        joined = f"{line} {word}" if line else harmless(word)
        if width(joined) <= room:
            line = joined
            continue
        if line:
            lines.append(line)
        *full, line = _broken(word, room)
        lines += full
    return [line for line in [*lines, line] if line] or [""]


def harmless(line: str) -> str:
    """Return a line that no build service takes for a command: GitHub looks for "::" after white space of any kind."""
    return re.sub(r"^(\s*)::", r"\1\\u003a:", line)


def _broken(word: str, room: int) -> list[str]:
    """Return the pieces of a word, each at most ``room`` columns wide (or one character). Prefers to end at a slash."""
    pieces = []
    word = harmless(word)
    while width(word) > room:
        end = max(1, _fitting(word, room))
        slash = word.rfind("/", 1, end) + 1
        end = slash if slash > end // 2 else end
        near = [place for place in range(end, max(0, end - 3), -1) if not word.startswith("::", place)]
        end = near[0] if near else end
        pieces.append(word[:end])
        word = harmless(word[end:])
    return [*pieces, word]


def _fitting(value: str, room: int) -> int:
    """Return how many characters of ``value`` fit into ``room`` columns."""
    taken = 0
    for index, char in enumerate(value):
        taken += cells(char)
        if taken > room:
            return index
    return len(value)


def cut(value: str, room: int, mark: str = ELLIPSIS) -> str:
    """Return ``value`` shortened to ``room`` columns, with a mark at the end when something is missing."""
    if width(value) <= room:
        return value
    return value[: _fitting(value, max(0, room - width(mark)))] + mark


_LINK = lazy.pattern(r"\[([^\]]*)\]\([^)]*\)")
_SENTENCE = lazy.pattern(r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)(?<!Art\.)\s+(?=[A-Z0-9\"'(])")


def first_paragraph(markdown: str) -> str:
    """Return the first paragraph of a page's section, on one line and without markup."""
    paragraph = markdown.strip().split("\n\n", 1)[0]
    plain = _LINK.sub(r"\1", paragraph).replace("`", "").replace("**", "")
    return " ".join(plain.split())


@lru_cache(512)
def first_sentence(markdown: str) -> str:
    """Return the first sentence of a page's section, on one line and without markup."""
    return _SENTENCE.split(first_paragraph(markdown), maxsplit=1)[0]


def why(finding: Finding, catalogue: Catalogue) -> str:
    """Return in one sentence why a finding matters, as the rule's page says it, or ""."""
    rule = catalogue.rules.get(finding.rule)
    return first_sentence(section(rule, "Why it matters")) if rule else ""


_URL = lazy.pattern(r"https?://[^\s<>()\[\]\"'`|\\^{}]+")


def source_urls(rule: Rule) -> Iterator[str]:
    """Yield the addresses that the page names as its sources, in order."""
    for match in _URL.finditer(section(rule, "Sources")):
        yield match.group().rstrip(".,;:!?")


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return "1 file" or "2 files"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
