"""Puts the parts of a template together: blanks that ``~`` eats, the indentation that ``<<-`` takes off, and directives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from mlguard.scanners import lazy
from mlguard.scanners.infra.resources import Position
from mlguard.scanners.infra.terraform.expressions import Expr

MAX_DIRECTIVES = 40
"""Directives inside each other."""


class Token(NamedTuple):
    """A text, or what stands in its place: ``expr``, ``if``, ``else``, ``endif``, ``for``, ``endfor``.

    ``before`` and ``after`` say that the blanks on that side are eaten.
    """

    kind: str
    value: Any
    before: bool = False
    after: bool = False
    names: tuple[str, ...] = ()


_LINE = lazy.pattern(r"[^\n]*\n|[^\n]+")


def lines(text: str) -> Iterable[Token]:
    """Return a text of several lines as one token for each: ``~`` eats no more than the rest of a line."""
    return (Token("text", line) for line in _LINE.findall(text))


def template(tokens: list[Token], where: Position, dedent: bool = False) -> Expr:
    """Return the expression of a template."""
    if any(token.before or token.after for token in tokens):
        tokens = _trimmed(tokens)
    if dedent:
        tokens = _dedented(tokens)
    parts, rest = _structured(tokens, 0, where, (), 0)
    return whole(parts, where) if rest == len(tokens) else Expr("error", (), where)


def whole(parts: list[Any], where: Position) -> Expr:
    """Return the expression of texts and expressions side by side."""
    if all(isinstance(part, str) for part in parts):
        return Expr("lit", ("".join(parts),), where)
    return Expr("template", tuple(parts), where)


def _trimmed(tokens: list[Token]) -> list[Token]:
    result: list[Token] = []
    eat = False
    for token in tokens:
        if token.kind == "text":
            result.append(token._replace(value=token.value.lstrip()) if eat else token)
            eat = False
            continue
        if token.before and result and result[-1].kind == "text":
            result[-1] = result[-1]._replace(value=result[-1].value.rstrip())
        result.append(token)
        eat = token.after
    return result


def _dedented(tokens: list[Token]) -> list[Token]:
    """Take the smallest indentation off each line; lines of blanks do not count."""
    fresh, width = True, -1
    begins: list[int] = []
    for number, token in enumerate(tokens):
        text = token.value if token.kind == "text" else ""
        if fresh:
            fresh = False
            blank = token.kind == "text" and not text.strip() and text.endswith("\n")
            if not blank:
                spaces = len(text) - len(text.lstrip())
                width = spaces if width < 0 else min(width, spaces)
                begins.append(number)
        fresh = fresh or text.endswith("\n")
    if width <= 0:
        return tokens
    result = list(tokens)
    for number in begins:
        if tokens[number].kind == "text":
            result[number] = tokens[number]._replace(value=tokens[number].value[width:])
    return result


def _structured(
    tokens: list[Token], at: int, where: Position, ends: tuple[str, ...], depth: int
) -> tuple[list[Any], int]:
    """Return the parts up to one of ``ends``, and where that stands."""
    parts: list[Any] = []
    while at < len(tokens) and tokens[at].kind not in ends:
        token = tokens[at]
        at += 1
        if token.kind == "text":
            if token.value:
                parts.append(token.value)
        elif token.kind == "expr":
            parts.append(token.value)
        elif token.kind == "if" and depth < MAX_DIRECTIVES:
            part, at = _condition(tokens, at, where, depth + 1)
            parts.append(part)
        elif token.kind == "for" and depth < MAX_DIRECTIVES:
            part, at = _loop(tokens, at, where, depth + 1)
            parts.append(part)
        else:
            parts.append(Expr("error", (), where))
    return parts, at


def _condition(tokens: list[Token], at: int, where: Position, depth: int) -> tuple[Expr, int]:
    test = tokens[at - 1].value
    then, at = _structured(tokens, at, where, ("else", "endif"), depth)
    other: list[Any] = []
    if at < len(tokens) and tokens[at].kind == "else":
        other, at = _structured(tokens, at + 1, where, ("endif",), depth)
    return Expr("cond", (test, whole(then, where), whole(other, where)), where), at + 1


def _loop(tokens: list[Token], at: int, where: Position, depth: int) -> tuple[Expr, int]:
    start = tokens[at - 1]
    body, at = _structured(tokens, at, where, ("endfor",), depth)
    if not start.names:
        return Expr("error", (), where), at + 1
    loop = Expr("for", (start.names, start.value, (whole(body, where),), None, False), where)
    return Expr("call", ("join", (Expr("lit", ("",), where), loop), False), where), at + 1
