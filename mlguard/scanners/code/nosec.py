"""Reads the comments with which bandit's users set its results aside: ``# nosec``, ``# nosec B101, B603 why``.

They mean what they mean to bandit (https://bandit.readthedocs.io/en/latest/config.html#exclusions-by-comments), with one difference: bandit
reads a comment of which it knows no word as a bare one, which sets everything aside. Here ``# nosec B999`` sets nothing aside.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterable

from mlguard import lazy
from mlguard.scanners.code.tree import Tree
from mlguard.values import dataclass

_COMMENT = lazy.pattern(r"#\s*nosec:?\s*([^#]+)?#?")
_WORDS = lazy.pattern(r"(?:(B\d+|[a-z\d_]+),?)+", re.IGNORECASE)
_FIRST = lazy.pattern(r"#\s*nosec:?\s*")
_NAMED = lazy.pattern(r"([A-Za-z\d_]+)[\s,:;-]*")


@dataclass(frozen=True, slots=True)
class Mark:
    """A comment on a line (from 1): the ids that it names, none for a bare one; and the text after them, as it was written.

    ``known`` is false where it names something, and nothing that bandit knows.
    """

    line: int
    ids: frozenset[str]
    text: str
    known: bool


def marks(data: bytes, identify: Callable[[str], str], tree: Tree | None = None) -> dict[int, Mark]:
    """Return the comments of a file by line. ``identify`` gives the id for an id or a name of a check, "" for any other word.

    With the file's tree it need not be taken apart token by token in most cases.
    """
    found: dict[int, Mark] = {}
    if b"nosec" not in data:
        return found
    lines = _without_tokens(data, tree) if tree is not None else None
    if lines is not None:
        made = (_mark(comment, line, identify) for line, comment in lines)
        return {mark.line: mark for mark in made if mark is not None}
    try:
        for token in tokenize.tokenize(io.BytesIO(data).readline):
            if token.type == tokenize.COMMENT and (mark := _mark(token.string, token.start[0], identify)):
                found[mark.line] = mark
    except (tokenize.TokenError, SyntaxError, UnicodeDecodeError):
        pass  # the comments up to there count
    return found


def _without_tokens(data: bytes, tree: Tree) -> list[tuple[int, str]] | None:
    """Return the comments with their lines where no text stands around them, None where that cannot be told so easily."""
    if b"\r" in data or b"\f" in data or not (data.isascii() or _is_utf8(data)):
        return None
    places: dict[int, list[int]] = {}  # by line where each begins, in bytes as those of nodes
    found: list[tuple[int, str]] = []
    for number, line in enumerate(data.decode().split("\n"), 1):
        matches = list(_COMMENT.finditer(line)) if "nosec" in line else ()
        if matches:
            found.append((number, line[matches[0].start() :]))
            places[number] = [len(line[: match.start()].encode()) for match in matches]
    for node in (*tree.of(ast.Constant), *tree.of(ast.JoinedStr)):
        if node.__class__ is ast.JoinedStr or node.value.__class__ in (str, bytes):
            first, last = node.lineno, node.end_lineno
            for number in places if last - first > len(places) else range(first, last + 1):
                if first <= number <= last and any(
                    (first, node.col_offset) <= (number, column) < (last, node.end_col_offset)
                    for column in places.get(number, ())
                ):
                    return None
    return found


def _is_utf8(data: bytes) -> bool:
    return not data.startswith(b"\xef\xbb\xbf") and b"coding" not in b"".join(data.split(b"\n", 2)[:2])


def _mark(comment: str, line: int, identify: Callable[[str], str]) -> Mark | None:
    match = _COMMENT.search(comment)
    if match is None:
        return None
    said = match[1] or ""
    # Of words that are joined by commas without a blank bandit reads the last one only.
    words = [found[1] for found in _WORDS.finditer(said)]
    ids = frozenset(filter(None, map(identify, words)))
    text = _FIRST.sub("", comment[match.start() :], count=1)
    while (named := _NAMED.match(text)) and identify(named[1]):
        text = text[named.end() :]
    return Mark(line, ids, text.strip(" #,:-"), bool(ids) or not words)


def silencing(
    found: dict[int, Mark], test: str, line: int | None, span: Iterable[int]
) -> tuple[Mark | None, Mark | None]:
    """Return the comment that sets a result of ``test`` aside, else None, and one that would if bandit knew what it names.

    As bandit does it: the comment on the line that the check gave (None: it gave none), and the first one in the lines of the node.
    Together they set everything aside where both are bare, else what either names.
    """
    if not found:
        return None, None
    base = found.get(line) if line is not None else None
    around = next((found[number] for number in span if number in found), None)
    chosen = [mark for mark in (base, around) if mark is not None]
    if not chosen:
        return None, None
    void = next((mark for mark in chosen if not mark.known), None)
    named = next((mark for mark in chosen if test in mark.ids), None)
    if named is not None:
        return named, None
    if void is not None or any(mark.ids for mark in chosen):
        return None, void
    return chosen[0], None
