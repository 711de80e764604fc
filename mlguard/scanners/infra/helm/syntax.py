"""Reads the templates of Helm charts: the language of Go's text/template, into nodes that know where they stand."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import lru_cache

from mlguard.scanners import lazy
from mlguard.scanners.infra.helm.nodes import (
    Action,
    Branch,
    Call,
    Chain,
    Command,
    Constant,
    Dot,
    Field,
    Function,
    Jump,
    Nil,
    Node,
    Operand,
    Pipe,
    Text,
    Variable,
)
from mlguard.scanners.infra.helm.printing import Failed

MAX_NODES = 100_000
"""Nodes of one template."""

MAX_DEPTH = 60
"""Levels that blocks, parentheses or both may nest."""

MAX_PARSED = 512
"""Templates that are kept after they were parsed, by their text."""

MAX_REMEMBERED = 2**17
"""Characters of the longest template that is kept."""


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a template: ``path`` is the file's, "" for a text that a value holds or that stands in an archive."""

    path: str
    text: str
    starts: tuple[int, ...] = field(repr=False, default=())

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column, both from 1."""
        line = bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed text: its own nodes, and those of the templates that it defines."""

    body: tuple[Node, ...]
    defined: dict[str, tuple[Node, ...]]


class Malformed(Failed):
    """Not a template. ``start`` is where that shows."""


def source(path: str, text: str) -> Source:
    """Return a text with the offsets at which its lines begin."""
    return Source(path, text, (0, *(match.end() for match in re.finditer("\n", text))))


def parse(text: str) -> Template:
    """Return the parsed template. Raises Malformed."""
    return _remembered(text) if len(text) <= MAX_REMEMBERED else _Parser(text).template()


@lru_cache(maxsize=MAX_PARSED)
def _remembered(text: str) -> Template:
    return _Parser(text).template()


_SPACE = " \t\r\n"
_ACTION = lazy.pattern(r"\{\{(?:-(?=[ \t\r\n]))?")
_COMMENT = lazy.pattern(r"[ \t\r\n]*/\*.*?\*/(?:[ \t\r\n]+-)?\}\}", re.S)
_CLOSE = lazy.pattern(r"[ \t\r\n]+-\}\}|[ \t\r\n]*\}\}")
_TOKEN = lazy.pattern(
    r"(?P<space>[ \t\r\n]+)"
    r"|(?P<string>\"(?:[^\"\\\n]|\\.)*\")"
    r"|(?P<raw>`[^`]*`)"
    r"|(?P<char>'(?:[^'\\\n]|\\.)+')"
    r"|(?P<number>[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9_]+)?))(?![\w.])"
    r"|(?P<field>\.[^\W\d]\w*)"
    r"|(?P<variable>\$\w*)"
    r"|(?P<word>[^\W\d]\w*)"
    r"|(?P<sign>:=|[|(),=.])"
)
_KEYWORDS = frozenset({"block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"})


@dataclass(slots=True)
class _Token:
    kind: str
    text: str
    start: int


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.trim = False  # the action before took the white space after it
        self.nodes = 0
        self.defined: dict[str, tuple[Node, ...]] = {}
        self.tokens: list[_Token] = []
        self.index = 0
        self.start = 0

    def fail(self, reason: str, start: int | None = None) -> Malformed:
        return Malformed(reason, self.start if start is None else start)

    def template(self) -> Template:
        body, ended = self.items(0, False, top=True)
        if ended:
            raise self.fail(f"an {ended} without a beginning")
        return Template(body, self.defined)

    # Text and actions

    def next_text(self) -> Text | None:
        """Return the text up to the next action, which is then at ``self.at``."""
        begin = self.at
        match = _ACTION.search(self.text, begin)
        end = match.start() if match else len(self.text)
        text = self.text[begin:end]
        if self.trim:
            kept = text.lstrip(_SPACE)
            begin += len(text) - len(kept)
            text = kept
        if match and match.group().endswith("-"):
            text = text.rstrip(_SPACE)
        self.trim = False
        self.start = end
        self.at = match.end() if match else end
        if match and (comment := _COMMENT.match(self.text, self.at)) and self.text.startswith("/*", self._skip_space()):
            self.at = comment.end()
            self.trim = comment.group().endswith("-}}")
            self.tokens = []
            return Text(text, begin) if text else None
        if match:
            self.lex()
        return Text(text, begin) if text else None

    def _skip_space(self) -> int:
        """Return where a comment would have to stand: right after the braces, or after the trim marker's blank."""
        if self.text.startswith("-", self.at - 1):
            return self.at + len(self.text[self.at : self.at + 1])
        return self.at

    def lex(self) -> None:
        """Read the tokens of the action that begins at ``self.at``, to its closing braces."""
        tokens: list[_Token] = []
        depth = 0
        while True:
            close = _CLOSE.match(self.text, self.at) if not depth else None
            if close:
                self.trim = close.group().endswith("-}}")
                self.at = close.end()
                break
            match = _TOKEN.match(self.text, self.at)
            if match is None or match.end() == match.start():
                raise self.fail("an action that cannot be read", self.at)
            kind = match.lastgroup or ""
            if kind == "sign" and match.group() in "()":
                depth += 1 if match.group() == "(" else -1
                if depth < 0 or depth > MAX_DEPTH:
                    raise self.fail("parentheses that do not match or nest too deeply", self.at)
            tokens.append(_Token(kind, match.group(), match.start()))
            self.at = match.end()
            self.nodes += 1
            if self.nodes > MAX_NODES:
                raise self.fail(f"over {MAX_NODES} nodes")
        while tokens and tokens[0].kind == "space":
            tokens.pop(0)
        while tokens and tokens[-1].kind == "space":
            tokens.pop()
        self.tokens, self.index = tokens, 0

    def items(self, depth: int, loop: bool, top: bool = False) -> tuple[tuple[Node, ...], str]:
        """Return the nodes up to an ``end`` or ``else``, and which of them ended the list ("": the end of the text)."""
        if depth > MAX_DEPTH:
            raise self.fail(f"blocks nest over {MAX_DEPTH} levels")
        found: list[Node] = []
        while self.at < len(self.text):
            text = self.next_text()
            if text is not None:
                found.append(text)
            if self.start >= len(self.text):
                break
            if not self.tokens:
                if self.at <= self.start or self.text[self.start : self.at].rstrip("}-").strip("{- \t\r\n") == "":
                    raise self.fail("an action without a value")
                continue  # a comment
            word = self.tokens[0].text if self.tokens[0].kind == "word" else ""
            if word in ("end", "else"):
                return tuple(found), word
            node = self.action(word, depth, loop, top)
            if node is not None:
                found.append(node)
        return tuple(found), ""

    def action(self, word: str, depth: int, loop: bool, top: bool) -> Node | None:
        start = self.start
        if word in ("if", "with", "range"):
            self.index = 1
            return self.branch(word, depth, loop or word == "range", start)
        if word in ("break", "continue"):
            if not loop or len(self.tokens) != 1:
                raise self.fail(f"a {word} outside of a loop")
            return Jump(word, start)
        if word == "define":
            if not top:
                raise self.fail("a template defined inside a block")
            self.index = 1
            name = self.name()
            self.no_more()
            self.define(name, self.body(depth, False))
            return None
        if word == "template":
            self.index = 1
            name = self.name()
            pipe = self.pipe() if self.more() else None
            self.no_more()
            return Call(name, pipe, start)
        if word == "block":
            self.index = 1
            name = self.name()
            pipe = self.pipe()
            self.no_more()
            self.define(name, self.body(depth, False))
            return Call(name, pipe, start)
        pipe = self.pipe(declare=True)
        self.no_more()
        return Action(pipe, start)

    def body(self, depth: int, loop: bool) -> tuple[Node, ...]:
        start = self.start
        body, ended = self.items(depth + 1, loop)
        if ended != "end":
            raise self.fail("a block without its end", start)
        return body

    def define(self, name: str, body: tuple[Node, ...]) -> None:
        old = self.defined.get(name)
        if old is not None and not empty(old):
            if not empty(body):
                raise self.fail("one template defined twice in a file")
            return
        self.defined[name] = body

    def branch(self, word: str, depth: int, loop: bool, start: int) -> Branch:
        pipe = self.pipe(declare=True, pair=word == "range")
        self.no_more()
        body, ended = self.items(depth + 1, loop)
        otherwise: tuple[Node, ...] = ()
        if ended == "else":
            again = self.tokens[2] if len(self.tokens) > 2 else None
            if again is not None and again.kind == "word" and again.text in ("if", "with") and word != "range":
                self.index = 3
                otherwise = (self.branch(again.text, depth + 1, loop, self.start),)
                return Branch(word, pipe, body, otherwise, start)
            if len(self.tokens) != 1:
                raise self.fail("an else that cannot be read")
            otherwise, ended = self.items(depth + 1, loop)
        if ended != "end":
            raise self.fail("a block without its end", start)
        return Branch(word, pipe, body, otherwise, start)

    # Pipelines

    def more(self) -> bool:
        self.space()
        return self.index < len(self.tokens)

    def no_more(self) -> None:
        if self.more():
            raise self.fail("an action that cannot be read", self.tokens[self.index].start)

    def space(self) -> None:
        while self.index < len(self.tokens) and self.tokens[self.index].kind == "space":
            self.index += 1

    def peek(self) -> _Token | None:
        return self.tokens[self.index] if self.index < len(self.tokens) else None

    def sign(self, text: str) -> bool:
        """Say whether the next token that is not blank is this sign, and take it if it is."""
        kept = self.index
        self.space()
        token = self.peek()
        if token is not None and token.kind == "sign" and token.text == text:
            self.index += 1
            return True
        self.index = kept
        return False

    def name(self) -> str:
        self.space()
        token = self.peek()
        if token is None or token.kind not in ("string", "raw"):
            raise self.fail("a template without a name")
        self.index += 1
        return _string(token, self)

    def pipe(self, declare: bool = False, pair: bool = False) -> Pipe:
        self.space()
        start = self.tokens[self.index].start if self.index < len(self.tokens) else self.start
        declared, assigns = self.declaration(pair) if declare else ((), False)
        commands = [self.command()]
        while self.sign("|"):
            commands.append(self.command())
            if isinstance(commands[-1].operands[0], (Constant, Dot, Nil)):
                raise self.fail("a pipeline into something that is not a function", commands[-1].start)
        return Pipe(tuple(commands), start, declared, assigns)

    def declaration(self, pair: bool) -> tuple[tuple[str, ...], bool]:
        kept = self.index
        names: list[str] = []
        while (token := self.peek()) is not None and token.kind == "variable":
            names.append(token.text)
            self.index += 1
            if self.sign(":="):
                return tuple(names), False
            if self.sign("="):
                return tuple(names), True
            if not (pair and len(names) == 1 and self.sign(",")):
                break
            self.space()
        self.index = kept
        return (), False

    def command(self) -> Command:
        self.space()
        start = self.tokens[self.index].start if self.index < len(self.tokens) else self.start
        operands: list[Operand] = []
        while True:
            self.space()
            token = self.peek()
            if token is None or (token.kind == "sign" and token.text in "|),="):
                break
            operands.append(self.operand(token))
            after = self.peek()
            if after is not None and after.kind != "space" and not (after.kind == "sign" and after.text in "|)"):
                raise self.fail("an operand that cannot be read", after.start)
        if not operands:
            raise self.fail("a command without a value", start)
        return Command(tuple(operands), start)

    def operand(self, token: _Token) -> Operand:
        self.index += 1
        one = self.term(token)
        names: list[str] = []
        while (after := self.peek()) is not None and after.kind == "field":
            names.append(after.text[1:])
            self.index += 1
        if not names:
            return one
        if isinstance(one, Field):
            return Field((*one.names, *names), one.start)
        if isinstance(one, Variable):
            return Variable(one.name, (*one.names, *names), one.start)
        if isinstance(one, (Constant, Nil, Dot)):
            raise self.fail("a field of something that has none", token.start)
        return Chain(one, tuple(names), one.start)

    def term(self, token: _Token) -> Operand:
        kind, text, start = token.kind, token.text, token.start
        if kind == "field":
            return Field((text[1:],), start)
        if kind == "variable":
            return Variable(text, (), start)
        if kind in ("string", "raw"):
            return Constant(_string(token, self), start)
        if kind == "number":
            return Constant(_number(text, self, start), start)
        if kind == "char":
            return Constant(ord(_unquoted(text[1:-1], self, start)[:1] or "\0"), start)
        if kind == "word":
            return self.word(text, start)
        if text == ".":
            return Dot(start)
        if text == "(":
            pipe = self.pipe(declare=True)
            if not self.sign(")"):
                raise self.fail("a parenthesis that is not closed", start)
            return pipe
        raise self.fail("an action that cannot be read", start)

    def word(self, text: str, start: int) -> Operand:
        if text in ("true", "false"):
            return Constant(text == "true", start)
        if text == "nil":
            return Nil(start)
        if text in _KEYWORDS:
            raise self.fail(f"a {text} in the wrong place", start)
        return Function(text, start)


def empty(body: tuple[Node, ...]) -> bool:
    """Say whether a template holds nothing but white space. Such a definition replaces no other one."""
    return all(isinstance(node, Text) and not node.text.strip() for node in body)


def _string(token: _Token, parser: _Parser) -> str:
    if token.kind == "raw":
        return token.text[1:-1].replace("\r", "")
    return _unquoted(token.text[1:-1], parser, token.start)


_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"', "'": "'"}
_ESCAPE = lazy.pattern(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.S)


def _unquoted(text: str, parser: _Parser, start: int) -> str:
    if "\\" not in text:
        return text

    def one(match: re.Match[str]) -> str:
        hexadecimal = match[1] or match[2] or match[3]
        try:
            if hexadecimal:
                return chr(int(hexadecimal, 16))
            return chr(int(match[4], 8)) if match[4] else _ESCAPES[match[5]]
        except (KeyError, ValueError, OverflowError):
            raise parser.fail("a text with an escape that does not exist", start) from None

    return _ESCAPE.sub(one, text)


def _number(text: str, parser: _Parser, start: int) -> int | float:
    plain = text.replace("_", "")
    try:
        bare = plain.lstrip("+-")
        if re.fullmatch(r"0[0-7]+", bare):
            return int(plain, 8)
        if re.match(r"0[xXbBoO]", bare):
            return int(plain, 0)
        if re.fullmatch(r"[0-9]+", bare) and len(bare) < 19:
            return int(plain)
        return float(plain)
    except ValueError:
        raise parser.fail("a number that cannot be read", start) from None
