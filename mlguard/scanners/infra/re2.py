"""Regular expressions in the syntax of RE2, matched in time that grows with pattern and text and no faster."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

from mlguard.scanners import lazy
from mlguard.values import dataclass

MAX_PROGRAM = 4_000
"""Instructions of one pattern; RE2 repeats at most 1000 times."""

MAX_STEPS = 1_000_000
"""Instructions that the search for one match, or for all matches in a text, may take."""

MAX_NESTED = 50
"""Parentheses inside each other."""

_QUOTED = lazy.pattern(r"\\Q(.*?)(?:\\E|\Z)", re.S)

Test = Callable[[str], bool]


class Invalid(ValueError):
    """Not a pattern of RE2."""


class TooLong(OverflowError):
    """A pattern, or a search for it, that goes over a bound."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One instruction: ``take`` a character, ``split`` two ways, ``jump``, ``save`` a place, ``look`` around, or ``done``."""

    kind: str
    test: Test | None = None
    left: int = 0
    right: int = 0
    name: str = ""


_Tree = tuple[object, ...]


class _Parser:
    def __init__(self, pattern: str) -> None:
        self.text, self.at, self.groups, self.depth = _QUOTED.sub(lambda match: re.escape(match[1]), pattern), 0, 0, 0
        self.names: dict[str, int] = {}
        self.fold = self.multi = self.dot_all = self.lazy = False

    def parse(self) -> _Tree:
        tree = self.alternation()
        if self.at < len(self.text):
            raise Invalid("a parenthesis that does not match")
        return tree

    def alternation(self) -> _Tree:
        self.depth += 1
        if self.depth > MAX_NESTED:
            raise TooLong("nests too deeply")
        branches = [self.sequence()]
        while self.text.startswith("|", self.at):
            self.at += 1
            branches.append(self.sequence())
        self.depth -= 1
        return branches[0] if len(branches) == 1 else ("or", *branches)

    def sequence(self) -> _Tree:
        items: list[_Tree] = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            atom = self.atom()
            if atom is not None:
                items.append(self.repeated(atom))
        return ("all", *items)

    def repeated(self, atom: _Tree) -> _Tree:
        match = re.compile(r"([*+?]|\{(\d{1,4})(,?)(\d{0,4})\})(\??)").match(self.text, self.at)
        if match is None:
            return atom
        self.at = match.end()
        low, high = {"*": (0, -1), "+": (1, -1), "?": (0, 1)}.get(match[1], (0, 0))
        if match[2]:
            low = int(match[2])
            high = (int(match[4]) if match[4] else -1) if match[3] else low
            if low > 1000 or high > 1000 or 0 <= high < low:
                raise Invalid("a count that is too large")
        if re.compile(r"[*+?]|\{\d").match(self.text, self.at):
            raise Invalid("a repetition of a repetition")
        return ("repeat", atom, low, high, bool(match[5]) != self.lazy)

    def atom(self) -> _Tree | None:
        """Read what may be repeated; None for flags alone."""
        char = self.text[self.at]
        self.at += 1
        if char == "(":
            return self.group()
        if char == "[":
            return ("take", self.klass())
        if char == "\\":
            return self.escape()
        if char == ".":
            return ("take", (lambda one: True) if self.dot_all else (lambda one: one != "\n"))
        if char == "^":
            return ("look", "line" if self.multi else "begin")
        if char == "$":
            return ("look", "tail" if self.multi else "end")
        if char in "*+?":
            raise Invalid("a repetition of nothing")
        return ("take", self.literal(char))

    def literal(self, char: str) -> Test:
        if self.fold and char.lower() != char.upper():
            forms = {char.lower(), char.upper()}
            return lambda one: one in forms
        return lambda one: one == char

    def group(self) -> _Tree | None:
        kept = (self.fold, self.multi, self.dot_all, self.lazy)
        if not self.text.startswith("?", self.at):
            return self.closed(kept, capture=True)
        match = re.compile(r"\?(?:P?<(\w+)>|([imsU]*)(?:-([imsU]+))?([:)]))").match(self.text, self.at)
        if match is None:
            raise Invalid("a group that RE2 does not have")
        self.at = match.end()
        if match[1]:
            if match[1] in self.names:
                raise Invalid("two groups of one name")
            self.names[match[1]] = self.groups + 1
            return self.closed(kept, capture=True)
        for flags, on in ((match[2] or "", True), (match[3] or "", False)):
            self.fold = on if "i" in flags else self.fold
            self.multi = on if "m" in flags else self.multi
            self.dot_all = on if "s" in flags else self.dot_all
            self.lazy = on if "U" in flags else self.lazy
        return None if match[4] == ")" else self.closed(kept, capture=False)

    def closed(self, kept: tuple[bool, bool, bool, bool], capture: bool) -> _Tree:
        if capture:
            self.groups += 1
        number = self.groups
        tree = self.alternation()
        if not self.text.startswith(")", self.at):
            raise Invalid("a parenthesis that is not closed")
        self.at += 1
        self.fold, self.multi, self.dot_all, self.lazy = kept
        return ("group", number, tree) if capture else tree

    def escape(self) -> _Tree:
        if self.at >= len(self.text):
            raise Invalid("a backslash at the end")
        char = self.text[self.at]
        looks = {"b": "word", "B": "no word", "A": "begin", "z": "end"}
        if char in looks:
            self.at += 1
            return ("look", looks[char])
        test = self.named_class()
        return ("take", test if test is not None else self.literal(self.escaped()))

    def named_class(self) -> Test | None:
        """Return the test of ``\\d``, ``\\pL`` and the like, and step over it."""
        char = self.text[self.at]
        if char.lower() in "dsw":
            self.at += 1
            known = {"d": "0123456789", "s": "\t\n\f\r ", "w": _WORD}[char.lower()]
            return (lambda one: one in known) if char.islower() else (lambda one: one not in known)
        if char in "pP":
            match = re.compile(r"[pP](?:(\w)|\{(\^?)(\w+)\})").match(self.text, self.at)
            if match is None:
                raise Invalid("a class that does not exist")
            self.at = match.end()
            name, no = match[1] or match[3], (char == "P") != bool(match[2])
            if len(name) <= 2:
                return lambda one: unicodedata.category(one).startswith(name) != no
            script = name.upper()
            return lambda one: unicodedata.name(one, "").startswith(script) != no
        return None

    def escaped(self) -> str:
        """Return the character that an escape stands for, and step over it."""
        match = re.compile(r"x\{([0-9a-fA-F]{1,6})\}|x([0-9a-fA-F]{2})|([0-7]{3}|0)").match(self.text, self.at)
        if match:
            self.at = match.end()
            code = int(match[1] or match[2], 16) if match[1] or match[2] else int(match[3], 8)
            if code > 0x10FFFF:
                raise Invalid("a character that does not exist")
            return chr(code)
        char = self.text[self.at]
        self.at += 1
        if char in "afnrtv":
            return {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}[char]
        if char.isalnum():
            raise Invalid("an escape that does not exist")
        return char

    def klass(self) -> Test:
        negated = self.text.startswith("^", self.at)
        self.at += negated
        tests: list[Test] = []
        first = True
        while True:
            if self.at >= len(self.text):
                raise Invalid("a class that is not closed")
            char = self.text[self.at]
            if char == "]" and not first:
                self.at += 1
                break
            first = False
            tests.append(self.klass_item())
        return lambda one: any(test(one) for test in tests) != negated

    def klass_item(self) -> Test:
        posix = re.compile(r"\[:(\^?)(\w+):\]").match(self.text, self.at)
        if posix:
            if posix[2] not in _POSIX:
                raise Invalid("a class that does not exist")
            self.at = posix.end()
            known, no = re.compile(_POSIX[posix[2]]), bool(posix[1])
            return lambda one: (known.match(one) is None) == no
        if self.text[self.at] == "\\":
            self.at += 1
            if self.at >= len(self.text):
                raise Invalid("a backslash at the end")
            test = self.named_class()
            if test is not None:
                return test
        low = self.klass_char(after_slash=self.text[self.at - 1 : self.at] == "\\")
        if self.text.startswith("-", self.at) and not self.text.startswith("-]", self.at):
            self.at += 1
            slash = self.text.startswith("\\", self.at)
            self.at += slash
            high = self.klass_char(after_slash=slash)
            if high < low:
                raise Invalid("a range that runs backwards")
            return self.span(low, high)
        return self.literal(low)

    def klass_char(self, after_slash: bool) -> str:
        if self.at >= len(self.text):
            raise Invalid("a class that is not closed")
        if after_slash:
            return self.escaped()
        self.at += 1
        return self.text[self.at - 1]

    def span(self, low: str, high: str) -> Test:
        if self.fold:
            return lambda one: low <= one <= high or low <= one.lower() <= high or low <= one.upper() <= high
        return lambda one: low <= one <= high


_WORD = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
_POSIX = {
    "alnum": "[0-9A-Za-z]", "alpha": "[A-Za-z]", "ascii": r"[\x00-\x7f]", "blank": "[\t ]", "cntrl": r"[\x00-\x1f\x7f]",
    "digit": "[0-9]", "graph": "[!-~]", "lower": "[a-z]", "print": "[ -~]", "punct": r"[!-/:-@\[-`{-~]",
    "space": r"[\t\n\v\f\r ]", "upper": "[A-Z]", "word": "[0-9A-Za-z_]", "xdigit": "[0-9A-Fa-f]",
}  # fmt: skip


class Pattern:
    """A compiled pattern."""

    def __init__(self, pattern: str) -> None:
        parser = _Parser(pattern)
        tree = parser.parse()
        self.program: list[_Step] = []
        self._emit(("group", 0, tree))
        self._add(_Step("done"))
        self.groups, self.names = parser.groups, parser.names

    def _add(self, step: _Step) -> int:
        if len(self.program) >= MAX_PROGRAM:
            raise TooLong("too long")
        self.program.append(step)
        return len(self.program) - 1

    def _emit(self, tree: _Tree) -> None:
        kind = tree[0]
        if kind == "take":
            self._add(_Step("take", test=tree[1]))  # type: ignore[arg-type]  # the tree is untyped
        elif kind == "look":
            self._add(_Step("look", name=str(tree[1])))
        elif kind == "all":
            for item in tree[1:]:
                self._emit(item)  # type: ignore[arg-type]  # the tree is untyped
        elif kind == "group":
            self._add(_Step("save", left=2 * tree[1]))  # type: ignore[operator]  # the tree is untyped
            self._emit(tree[2])  # type: ignore[arg-type]  # the tree is untyped
            self._add(_Step("save", left=2 * tree[1] + 1))  # type: ignore[operator]  # the tree is untyped
        elif kind == "or":
            self._either(tree[1:])  # type: ignore[arg-type]  # the tree is untyped
        else:
            self._repeat(*tree[1:])  # type: ignore[arg-type]  # the tree is untyped

    def _either(self, branches: tuple[_Tree, ...]) -> None:
        jumps: list[int] = []
        for branch in branches[:-1]:
            split = self._add(_Step("split"))
            self._emit(branch)
            jumps.append(self._add(_Step("jump")))
            self.program[split] = _Step("split", left=split + 1, right=len(self.program))
        self._emit(branches[-1])
        for jump in jumps:
            self.program[jump] = _Step("jump", left=len(self.program))

    def _repeat(self, atom: _Tree, low: int, high: int, lazy: bool) -> None:
        for _ in range(low):
            self._emit(atom)
        if high < 0:
            split = self._add(_Step("split"))
            self._emit(atom)
            self._add(_Step("jump", left=split))
            self.program[split] = self._split(split + 1, len(self.program), lazy)
            return
        splits: list[int] = []
        for _ in range(high - low):
            splits.append(self._add(_Step("split")))
            self._emit(atom)
        for split in splits:
            self.program[split] = self._split(split + 1, len(self.program), lazy)

    @staticmethod
    def _split(inside: int, after: int, lazy: bool) -> _Step:
        return _Step("split", left=after if lazy else inside, right=inside if lazy else after)

    def search(self, text: str, start: int = 0, left: list[int] | None = None) -> tuple[int, ...] | None:
        """Return begin and end of the leftmost match and of its groups (-1: not taken part), as Perl would choose it.

        ``left`` holds the instructions that may still be taken. Raises TooLong when there are none.
        """
        left = left if left is not None else [MAX_STEPS]
        empty = (-1,) * (2 * self.groups + 2)
        best: tuple[int, ...] | None = None
        threads: list[tuple[int, tuple[int, ...]]] = []
        for at in range(start, len(text) + 1):
            seen: set[int] = set()
            ready: list[tuple[int, tuple[int, ...]]] = []
            for where, saved in threads:
                self._follow(where, saved, text, at, seen, ready)
            if best is None:
                self._follow(0, empty, text, at, seen, ready)
            elif not threads:
                break
            left[0] -= len(ready) + len(seen)
            if left[0] < 0:
                raise TooLong("matches a pattern that takes too long")
            threads = []
            char = text[at] if at < len(text) else ""
            for where, saved in ready:
                step = self.program[where]
                if step.kind == "done":
                    best = saved
                    break
                if char and step.test is not None and step.test(char):
                    threads.append((where + 1, saved))
        return best

    def _follow(
        self,
        where: int,
        saved: tuple[int, ...],
        text: str,
        at: int,
        seen: set[int],
        ready: list[tuple[int, tuple[int, ...]]],
    ) -> None:
        """Add the instructions that take a character and can be reached from ``where``, the preferred ones first."""
        waiting = [(where, saved)]
        while waiting:
            where, saved = waiting.pop()
            if where in seen:
                continue
            seen.add(where)
            step = self.program[where]
            if step.kind in ("take", "done"):
                ready.append((where, saved))
            elif step.kind == "jump":
                waiting.append((step.left, saved))
            elif step.kind == "split":
                waiting += [(step.right, saved), (step.left, saved)]
            elif step.kind == "save":
                waiting.append((where + 1, (*saved[: step.left], at, *saved[step.left + 1 :])))
            elif _looks(step.name, text, at):
                waiting.append((where + 1, saved))

    def matches(self, text: str, limit: int = -1, left: list[int] | None = None) -> Iterator[tuple[int, ...]]:
        """Yield all matches that do not overlap; an empty one right after another does not count. Raises TooLong."""
        at, last, number = 0, -1, 0
        left = left if left is not None else [MAX_STEPS]
        while at <= len(text) and (limit < 0 or number < limit):
            found = self.search(text, at, left)
            if found is None:
                return
            begin, end = found[0], found[1]
            if begin == end == last:
                at = end + 1
                if at > len(text):
                    return
                continue
            yield found
            number += 1
            last = end
            at = end + 1 if begin == end else end


def _looks(name: str, text: str, at: int) -> bool:
    if name == "begin":
        return at == 0
    if name == "end":
        return at == len(text)
    if name == "line":
        return at == 0 or text[at - 1] == "\n"
    if name == "tail":
        return at == len(text) or text[at] == "\n"
    before = at > 0 and text[at - 1] in _WORD
    after = at < len(text) and text[at] in _WORD
    return (before != after) == (name == "word")


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Pattern:
    """Return a compiled pattern. Raises Invalid."""
    return Pattern(pattern)


_TEMPLATE = lazy.pattern(r"\$(?:\$|\{(\w+)\}|(\w+))")


def expanded(template: str, text: str, match: tuple[int, ...], names: Mapping[str, int]) -> str:
    """Return a replacement with ``$1``, ``${1}`` and ``${name}`` filled in."""

    def one(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name is None:
            return "$"
        index = 2 * (int(name) if name.isdecimal() and len(name) < 5 else names.get(name, -1))
        if index < 0 or index + 1 >= len(match) or match[index] < 0:
            return ""
        return text[match[index] : match[index + 1]]

    return _TEMPLATE.sub(one, template)
