"""Regular expressions as Terraform has them (those of RE2), matched in bounded time.

A pattern is parsed here. Where Python's engine cannot run away on it, it matches; else a simulation that goes over the
text once, with all possibilities side by side, finds the same match.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

MAX_PATTERN = 1_000
"""Characters of a pattern."""

MAX_PROGRAM = 2_000
"""Steps of a compiled pattern, after ``{n,m}`` is written out."""

MAX_WORK = 100_000
"""Steps that a match may take at worst when it goes back, and possibilities that the simulation looks at."""

MAX_TEXT = 2**20
"""Characters of a text that ``replace`` makes."""

Span = tuple[int, ...]
"""Start and end of the match and of each group, -1 where a group took no part."""


class _Node(NamedTuple):
    """``char`` (source, ignore case), ``cat``, ``alt``, ``repeat`` (node, low, high or -1, lazy), ``group`` (node, number), ``at`` (sign)."""

    op: str
    args: tuple[Any, ...]


class _Parser:
    def __init__(self, text: str) -> None:
        if len(text) > MAX_PATTERN:
            raise OverflowError("a long pattern")
        self.text, self.at, self.flags = text, 0, frozenset[str]()
        self.names: list[str] = []
        self.depth = 0

    def more(self) -> bool:
        return self.at < len(self.text)

    def take(self, prefix: str) -> bool:
        if not self.text.startswith(prefix, self.at):
            return False
        self.at += len(prefix)
        return True

    def next(self) -> str:
        if not self.more():
            raise ValueError("the pattern ends early")
        self.at += 1
        return self.text[self.at - 1]

    def whole(self) -> _Node:
        node = self.choice()
        if self.more():
            raise ValueError("a bracket that was not opened")
        return node

    def choice(self) -> _Node:
        self.depth += 1
        if self.depth > 50:
            raise OverflowError("a deep pattern")
        options = [self.sequence()]
        while self.take("|"):
            options.append(self.sequence())
        self.depth -= 1
        return options[0] if len(options) == 1 else _Node("alt", tuple(options))

    def sequence(self) -> _Node:
        parts: list[_Node] = []
        while self.more() and self.text[self.at] not in "|)":
            atom = self.atom()
            if atom is not None:
                parts.append(self.repeated(atom))
        return _Node("cat", tuple(parts))

    def repeated(self, atom: _Node) -> _Node:
        limits = {"*": (0, -1), "+": (1, -1), "?": (0, 1)}
        while self.more():
            sign = self.text[self.at]
            braces = re.compile(r"\{(\d{1,4})(?:(,)(\d{0,4}))?\}").match(self.text, self.at)
            if sign in limits:
                low, high = limits[sign]
                self.at += 1
            elif braces:
                low = int(braces.group(1))
                high = low if not braces.group(2) else int(braces.group(3)) if braces.group(3) else -1
                self.at = braces.end()
                if low > 1000 or high > 1000 or 0 <= high < low:
                    raise ValueError("a repetition that is not allowed")
            else:
                return atom
            lazy = self.take("?")
            if atom.op == "repeat" and atom.args[3] != "group":
                raise ValueError("two repetitions")
            atom = _Node("repeat", (atom, low, high, lazy != ("U" in self.flags)))
        return atom

    def atom(self) -> _Node | None:
        sign = self.next()
        if sign == "(":
            return self.group()
        if sign == "[":
            return self.char(self.brackets())
        if sign == ".":
            return self.char(r"[\s\S]" if "s" in self.flags else r"[^\n]")
        if sign in "^$":
            multi = "m" in self.flags
            return _Node(
                "at", ((r"(?m:^)" if multi else r"\A") if sign == "^" else (r"(?=\n|\Z)" if multi else r"\Z"),)
            )
        if sign in "*+?":
            raise ValueError("nothing to repeat")
        if sign == "\\":
            return self.escape()
        return self.char(re.escape(sign))

    def char(self, source: str) -> _Node:
        return _Node("char", (source, "i" in self.flags))

    def escape(self) -> _Node:
        if self.take("Q"):
            end = self.text.find("\\E", self.at)
            literal = self.text[self.at : end if end >= 0 else len(self.text)]
            self.at = end + 2 if end >= 0 else len(self.text)
            return _Node("cat", tuple(self.char(re.escape(one)) for one in literal))
        if self.text[self.at : self.at + 1] in ("A", "b", "B"):
            return _Node("at", ("\\" + self.next(),))
        if self.take("z"):
            return _Node("at", (r"\Z",))
        return self.char(self.escaped())

    def escaped(self) -> str:
        sign = self.next()
        if sign in "dDwW":
            return "\\" + sign
        if sign in "sS":
            return r"[\t\n\f\r ]" if sign == "s" else r"[^\t\n\f\r ]"
        if sign in "tnrfva":
            return "\\" + sign
        if sign == "x":
            code = re.compile(r"\{([0-9a-fA-F]{1,6})\}|([0-9a-fA-F]{2})").match(self.text, self.at)
            if code is None:
                raise ValueError("not a character")
            self.at = code.end()
            return re.escape(chr(int(code.group(1) or code.group(2), 16)))
        if sign in "pPC":
            raise OverflowError("a class of Unicode")
        if sign.isalnum():
            raise ValueError("not an escape")
        return re.escape(sign)

    def brackets(self) -> str:
        result = "[^" if self.take("^") else "["
        first = True
        while first or not self.take("]"):
            if named := re.compile(r"\[:(\^?)(\w+):\]").match(self.text, self.at):
                if named.group(1) or named.group(2) not in _NAMED:
                    raise OverflowError("a class that is not known")
                result += _NAMED[named.group(2)]
                self.at = named.end()
            elif self.take("\\"):
                inner = self.escaped()
                if inner.startswith("[^"):
                    raise OverflowError("a class inside a class")
                result += inner[1:-1] if inner.startswith("[") else inner
            else:
                sign = self.next()
                dash = sign == "-" and not first and self.text[self.at : self.at + 1] not in ("]", "")
                result += sign if dash else re.escape(sign)
            first = False
        return result + "]"

    def group(self) -> _Node | None:
        before, capture = self.flags, True
        if self.take("?"):
            if name := re.compile(r"(?:P<|<)(\w+)>").match(self.text, self.at):
                self.at = name.end()
                self.names.append(name.group(1))
                return self.inside(len(self.names), before)
            flags = re.compile(r"([imsU]*)(?:-([imsU]*))?([:)])").match(self.text, self.at)
            if flags is None:
                raise ValueError("not a group")
            self.at = flags.end()
            self.flags = (self.flags | set(flags.group(1))) - set(flags.group(2) or "")
            if flags.group(3) == ")":
                return None
            capture = False
        if capture:
            self.names.append("")
        return self.inside(len(self.names) if capture else 0, before)

    def inside(self, number: int, flags: frozenset[str]) -> _Node:
        node = self.choice()
        if not self.take(")"):
            raise ValueError("a bracket that is not closed")
        self.flags = flags
        return _Node("group", (node, number))


_NAMED = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7f", "blank": r"\t ", "cntrl": r"\x00-\x1f\x7f", "digit": "0-9",
    "graph": "!-~", "lower": "a-z", "print": " -~", "punct": r"!-/:-@\[-`{-~", "space": r"\t\n\v\f\r ", "upper": "A-Z",
    "word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f",
}  # fmt: skip


def _source(node: _Node) -> str:
    """Return the pattern in Python's words."""
    match node.op:
        case "char":
            return f"(?i:{node.args[0]})" if node.args[1] else str(node.args[0])
        case "cat":
            return "".join(map(_source, node.args))
        case "alt":
            return "(?:" + "|".join(map(_source, node.args)) + ")"
        case "repeat":
            inner, low, high, lazy = node.args
            return f"(?:{_source(inner)}){{{low},{'' if high < 0 else high}}}" + ("?" if lazy else "")
        case "group":
            return ("(" if node.args[1] else "(?:") + _source(node.args[0]) + ")"
    return str(node.args[0])


def _danger(node: _Node, repeated: bool) -> tuple[int, bool]:
    """Return how many parts may take any number of characters, and whether one of them stands inside another."""
    if node.op == "repeat":
        endless = node.args[2] < 0 or node.args[2] > 20
        count, nested = _danger(node.args[0], repeated or endless)
        return count + endless, nested or (endless and repeated)
    parts = [_danger(part, repeated) for part in node.args if isinstance(part, _Node)]
    return sum(count for count, _ in parts), any(nested for _, nested in parts)


def _anchored(node: _Node) -> bool:
    """Say whether a pattern can only match where the text begins."""
    while node.op in ("cat", "group") and node.args:
        node = node.args[0]
    return node.op == "at" and node.args[0] == r"\A"


class _Program:
    """The steps of the simulation: ``char``, ``at``, ``split``, ``jump``, ``save``, ``match``."""

    def __init__(self, node: _Node) -> None:
        self.steps: list[tuple[str, Any, Any]] = []
        self.seen: dict[tuple[str, str], bool] = {}
        self.build(_Node("group", (node, 0)))
        self.add("match", None, None)
        self.anchored = _anchored(node)

    def add(self, op: str, first: Any, second: Any) -> int:
        if len(self.steps) >= MAX_PROGRAM:
            raise OverflowError("a long pattern")
        self.steps.append((op, first, second))
        return len(self.steps) - 1

    def build(self, node: _Node) -> None:
        match node.op:
            case "char":
                self.add("char", re.compile(_source(node), re.A), node.args[0] + "i" * node.args[1])
            case "at":
                self.add("at", re.compile(node.args[0], re.A), None)
            case "cat":
                for part in node.args:
                    self.build(part)
            case "alt":
                self.alternatives(node.args)
            case "group":
                self.add("save", node.args[1] * 2, None) if node.args[1] else None
                self.build(node.args[0])
                self.add("save", node.args[1] * 2 + 1, None) if node.args[1] else None
            case "repeat":
                self.repeat(*node.args)

    def alternatives(self, options: tuple[_Node, ...]) -> None:
        ends = []
        for option in options[:-1]:
            split = self.add("split", None, None)
            self.build(option)
            ends.append(self.add("jump", None, None))
            self.steps[split] = ("split", split + 1, len(self.steps))
        self.build(options[-1])
        for end in ends:
            self.steps[end] = ("jump", len(self.steps), None)

    def repeat(self, inner: _Node, low: int, high: int, lazy: bool) -> None:
        for _ in range(low):
            self.build(inner)
        splits = []
        if high < 0:
            split = self.add("split", None, None)
            self.build(inner)
            self.add("jump", split, None)
            splits.append(split)
        for _ in range(high - low):
            splits.append(self.add("split", None, None))
            self.build(inner)
        for split in splits:
            ways = (split + 1, len(self.steps))
            self.steps[split] = ("split", *(reversed(ways) if lazy else ways))

    def search(self, text: str, start: int, groups: int, budget: list[int]) -> Span | None:
        """Return the leftmost match from ``start`` on, of several the one that the pattern prefers."""
        found: Span | None = None
        current: list[tuple[int, Span]] = []
        for place in range(start, len(text) + 1):
            if not current and self.anchored and place:
                return found
            marked: set[int] = set()
            if found is None:
                fresh = (place, -1) + (-1, -1) * groups
                seeds = [*current, (0, fresh)]
            else:
                seeds = current
            ready = [one for seed in seeds for one in self.follow(seed, text, place, marked, budget)]
            current = []
            for step, span in ready:
                op, test, key = self.steps[step]
                if op == "match":
                    found = (span[0], place, *span[2:])
                    break
                if place < len(text) and self.fits(test, key, text[place]):
                    current.append((step + 1, span))
            if not current and found is not None:
                return found
        return found

    def fits(self, test: re.Pattern[str], key: str, sign: str) -> bool:
        known = self.seen.get((key, sign))
        if known is None:
            known = self.seen[key, sign] = test.fullmatch(sign) is not None
        return known

    def follow(
        self, seed: tuple[int, Span], text: str, place: int, marked: set[int], budget: list[int]
    ) -> Iterator[tuple[int, Span]]:
        """Yield the steps that look at a character and can be reached without one, the preferred first."""
        waiting = [seed]
        while waiting:
            step, span = waiting.pop()
            if step in marked:
                continue
            marked.add(step)
            budget[0] -= 1
            if budget[0] < 0:
                raise OverflowError("a match that takes too long")
            op, first, second = self.steps[step]
            if op == "jump":
                waiting.append((first, span))
            elif op == "split":
                waiting += [(second, span), (first, span)]
            elif op == "save":
                waiting.append((step + 1, (*span[:first], place, *span[first + 1 :])))
            elif op == "at":
                if first.match(text, place):
                    waiting.append((step + 1, span))
            else:
                yield step, span


class _Compiled:
    def __init__(self, pattern: str) -> None:
        parser = _Parser(pattern)
        self.node = parser.whole()
        self.names = parser.names
        self.count, self.nested = _danger(self.node, False)
        self.anchored = _anchored(self.node)
        try:
            self.python = re.compile(_source(self.node), re.A)
        except (re.error, RecursionError):
            raise ValueError("not a pattern") from None
        self._program: _Program | None = None

    def spans(self, text: str) -> Iterator[Span]:
        """Yield the matches that do not overlap; an empty one does not stand right behind another."""
        budget = [MAX_WORK]
        place, last = 0, -1
        while place <= len(text):
            left = budget[0]
            try:
                span = self.search(text, place, budget)
            finally:
                meter.spent += (left - budget[0]) // 4 + 10
            if span is None:
                return
            if span[1] > span[0] or span[0] != last:
                yield span
                last = span[1]
            place = span[1] if span[1] > span[0] else span[1] + 1

    def search(self, text: str, place: int, budget: list[int]) -> Span | None:
        if not self.nested and (len(text) - place + 1) ** (self.count + (not self.anchored)) <= MAX_WORK:
            match = self.python.search(text, place)
            return (
                tuple(edge for number in range(len(self.names) + 1) for edge in match.span(number)) if match else None
            )
        if self._program is None:
            self._program = _Program(self.node)
        return self._program.search(text, place, len(self.names), budget)


@lru_cache(maxsize=200)
def _compiled(pattern: str) -> _Compiled:
    return _Compiled(pattern)


class Meter:
    """Counts the work of all matches in steps of the evaluator, so that an evaluation can bound the sum."""

    spent = 0


meter = Meter()


def matches(pattern: str, text: str) -> Iterator[Any]:
    """Yield what ``regexall`` lists: the match, or its groups as a list, or as a mapping when they have names.

    Raises ValueError for what is no pattern, OverflowError for one that would take too long or is not understood.
    """
    compiled = _compiled(pattern)
    names = compiled.names
    if any(names) and not all(names):
        raise ValueError("groups with and without names")
    for span in compiled.spans(text):
        groups = [text[a:b] if a >= 0 else None for a, b in zip(span[2::2], span[3::2], strict=True)]
        yield dict(zip(names, groups, strict=True)) if any(names) else groups or text[span[0] : span[1]]


_GROUP = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))")


def replace(pattern: str, text: str, new: str) -> str:
    """Return the text with each match replaced; ``$1``, ``$name`` and ``${name}`` stand for groups."""
    compiled = _compiled(pattern)
    result, place, size = [], 0, 0
    for span in compiled.spans(text):
        made = _filled(new, compiled.names, span, text)
        size += len(made)
        if size > MAX_TEXT:
            raise OverflowError("too long")
        result += [text[place : span[0]], made]
        place = span[1]
    return "".join(result) + text[place:]


def _filled(new: str, names: list[str], span: Span, text: str) -> str:
    groups: dict[str, str] = {}
    for number, name in enumerate(["", *names]):
        start, end = span[number * 2 : number * 2 + 2]
        groups[str(number)] = groups[name or str(number)] = text[start:end] if start >= 0 else ""
    return _GROUP.sub(lambda m: "$" if m.group() == "$$" else groups.get(m.group(1) or m.group(2), ""), new)
