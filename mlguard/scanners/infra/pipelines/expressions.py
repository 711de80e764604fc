"""Expressions of GitHub workflows, ``${{ … }}``: which values they read and which of those a stranger may choose."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from mlguard.scanners import lazy
from mlguard.values import dataclass

EXPRESSION = lazy.pattern(r"\$\{\{((?:'[^']*'|(?!\}\}|\$\{\{)[^'])*)\}\}")
"""An expression in a text. A string inside it may hold the closing braces."""

MAX_EXPRESSION = 4_000
"""Characters of one expression that are read."""

MAX_DEPTH = 40
"""Levels of nesting in one expression. What is deeper is read as a flat list of names."""


@dataclass(frozen=True, slots=True)
class Access:
    """One value that an expression reads: ``github.event.issue.title`` in lower case, ``*`` for any index.

    ``decides`` says that the value is only compared, negated or tested, so that its text does not come out.
    """

    name: str
    decides: bool


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an expression: ``kind`` is text, number, name, call, or an operator.

    ``value`` is the text of a literal, the dotted name of a value, or the name of a function in lower case. ``parts``
    are the arguments, the operands, or for a name what stands in its brackets.
    """

    kind: str
    value: str = ""
    parts: tuple[Node, ...] = ()


_TOKEN = lazy.pattern(
    r"\s*(?:(?P<text>'(?:[^']|'')*'?)|(?P<number>[+-]?(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?))"
    r"|(?P<name>[A-Za-z_][\w-]*)|(?P<sign>&&|\|\||[=!<>]=|[^\s\w]))"
)
_JUDGES = frozenset(
    {"contains", "startswith", "endswith", "hashfiles", "success", "failure", "always", "cancelled"}
)  # fmt: skip
_LEVELS = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="))


class _Broken(ValueError):
    """The expression is none."""


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = [(match.lastgroup or "", match.group(match.lastgroup or 0)) for match in _TOKEN.finditer(text)]
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def take(self, wanted: str = "") -> tuple[str, str]:
        if self.at >= len(self.tokens) or (wanted and self.tokens[self.at][1] != wanted):
            raise _Broken
        self.at += 1
        return self.tokens[self.at - 1]

    def binary(self, level: int, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise _Broken
        if level == len(_LEVELS):
            return self.unary(depth)
        left = self.binary(level + 1, depth)
        while self.peek() in _LEVELS[level] and self.tokens[self.at][0] == "sign":
            sign = self.take()[1]
            left = Node(sign, "", (left, self.binary(level + 1, depth)))
        return left

    def unary(self, depth: int) -> Node:
        if self.peek() == "!" and self.tokens[self.at][0] == "sign":
            self.take()
            if depth > MAX_DEPTH:
                raise _Broken
            return Node("!", "", (self.unary(depth + 1),))
        return self.postfix(depth)

    def postfix(self, depth: int) -> Node:
        kind, token = self.take()
        if kind == "sign" and token == "(":
            node = self.binary(0, depth + 1)
            self.take(")")
        elif kind == "text":
            node = Node("text", token[1:-1].replace("''", "'"))
        elif kind == "number":
            node = Node("number", token)
        elif kind == "name" and self.peek() == "(":
            node = Node("call", token.lower(), self.arguments(depth))
        elif kind == "name":
            lower = token.lower()
            node = Node("number", lower) if lower in ("true", "false", "null") else Node("name", lower)
        else:
            raise _Broken
        return self.members(node, depth)

    def arguments(self, depth: int) -> tuple[Node, ...]:
        self.take("(")
        parts: list[Node] = []
        while self.peek() != ")":
            parts.append(self.binary(0, depth + 1))
            if self.peek() == ",":
                self.take()
        self.take(")")
        return tuple(parts)

    def members(self, node: Node, depth: int) -> Node:
        """Read ``.name``, ``.*`` and ``[…]``. What is taken out of a call's result comes out of its arguments."""
        name, parts = node.value, list(node.parts) if node.kind == "name" else []
        while self.peek() in (".", "["):
            if self.take()[1] == ".":
                step = self.take()[1].lower()
            else:
                inside = self.binary(0, depth + 1)
                self.take("]")
                step = inside.value.lower() if inside.kind == "text" else "*"
                if inside.kind not in ("text", "number"):
                    parts.append(inside)
            name = f"{name}.{step}"
        return Node("name", name, tuple(parts)) if node.kind == "name" else node


@lru_cache(4096)
def parse(text: str) -> Node | None:
    """Return the expression as a tree, or None when it is none."""
    parser = _Parser(text[:MAX_EXPRESSION])
    try:
        node = parser.binary(0, 0)
    except (_Broken, RecursionError):
        return None
    return node if parser.at == len(parser.tokens) else None


@lru_cache(4096)
def accesses(text: str) -> tuple[Access, ...]:
    """Return what an expression reads, in order. Dots and brackets are alike, and so are upper and lower case.

    ``a && b`` puts out b, or what of a is empty or false; ``a || b`` puts out either. Of something that is no
    expression every name counts.
    """
    node = parse(text)
    if node is None:
        return tuple(
            Access(name.lower(), False) for name in re.findall(r"[A-Za-z_][\w-]*(?:\.[\w*-]+)*", text[:MAX_EXPRESSION])
        )
    return tuple(_accesses(node, False))


def _accesses(node: Node, decides: bool) -> Iterator[Access]:
    if node.kind == "name":
        yield Access(node.value, decides)
        for part in node.parts:
            yield from _accesses(part, True)
    elif node.kind == "&&":
        yield from _accesses(node.parts[0], True)
        yield from _accesses(node.parts[1], decides)
    elif node.kind == "||":
        for part in node.parts:
            yield from _accesses(part, decides)
    else:
        inner = decides or node.kind != "call" or node.value in _JUDGES
        for part in node.parts:
            yield from _accesses(part, inner)


def inside(text: str) -> list[re.Match[str]]:
    """Return the expressions of a text."""
    return list(EXPRESSION.finditer(text)) if "${{" in text else []


def spoken(text: str) -> Iterator[Access]:
    """Yield each value whose text an expression of ``text`` may put out."""
    for match in inside(text):
        yield from (access for access in accesses(match.group(1)) if not access.decides)


def condition(text: str) -> Node | None:
    """Return an ``if`` as a tree: with or without ``${{ }}`` around it. None when it is no single expression."""
    plain = text.strip()
    match = EXPRESSION.fullmatch(plain)
    return parse(match.group(1) if match else plain)


def walk(node: Node | None) -> Iterator[Node]:
    """Yield the node and all below it."""
    if node is not None:
        yield node
        for part in node.parts:
            yield from walk(part)


STRANGERS = (
    "github.event.issue.title", "github.event.issue.body", "github.event.pull_request.title", "github.event.pull_request.body",
    "github.event.comment.body", "github.event.review.body", "github.event.review_comment.body",
    "github.event.discussion.title", "github.event.discussion.body", "github.event.discussion_comment.body",
    "github.event.pages.*.page_name", "github.event.pages.*.title", "github.event.commits.*.message",
    "github.event.commits.*.author.email", "github.event.commits.*.author.name",
    "github.event.commits.*.committer.name", "github.event.commits.*.committer.email", "github.event.head_commit.message",
    "github.event.head_commit.author.email", "github.event.head_commit.author.name",
    "github.event.head_commit.committer.name", "github.event.head_commit.committer.email",
    "github.event.pull_request.head.ref", "github.event.pull_request.head.label",
    "github.event.pull_request.head.repo.default_branch", "github.event.pull_request.head.repo.description",
    "github.event.pull_request.head.repo.homepage",
    "github.head_ref", "github.event.workflow_run.head_branch",
    "github.event.workflow_run.display_title", "github.event.workflow_run.head_commit.message",
    "github.event.workflow_run.head_commit.author.email", "github.event.workflow_run.head_commit.author.name",
    "github.event.workflow_run.head_commit.committer.email", "github.event.workflow_run.head_commit.committer.name",
    "github.event.workflow_run.head_repository.description", "github.event.workflow_run.pull_requests.*.head.ref",
    "github.event.check_run.check_suite.head_branch", "github.event.check_suite.head_branch",
    "github.event.merge_group.head_commit.message",
    "github.event.changes.title.from", "github.event.changes.body.from", "github.event.changes.head.ref.from",
)  # fmt: skip
"""What anyone who may open an issue or a pull request can choose the text of.

https://docs.github.com/en/actions/reference/security/secure-use#good-practices-for-mitigating-script-injection-attacks
"""

_WHOLE = frozenset(
    {
        "github", "github.event", "github.event.issue", "github.event.pull_request", "github.event.pull_request.head",
        "github.event.pull_request.head.repo", "github.event.comment", "github.event.review", "github.event.discussion",
        "github.event.commits", "github.event.commits.*", "github.event.commits.*.author", "github.event.commits.*.committer",
        "github.event.head_commit", "github.event.head_commit.author", "github.event.head_commit.committer",
        "github.event.workflow_run", "github.event.workflow_run.head_commit", "github.event.pages", "github.event.pages.*",
        "github.event.workflow_run.head_commit.author", "github.event.workflow_run.head_commit.committer",
        "github.event.workflow_run.head_repository", "github.event.workflow_run.pull_requests", "github.event.workflow_run.pull_requests.*",
        "github.event.changes", "github.event.changes.title", "github.event.changes.body",
    }
)  # fmt: skip

_MEMBERS = lazy.pattern(
    r"^github\.event\.(?:release\.(?:name|body|tag_name|target_commitish)|milestone\.(?:title|description)|label\.(?:name|description)"
    r"|pull_request\.(?:milestone\.title|labels\.\*\.name)|issue\.(?:milestone\.title|labels\.\*\.name)|client_payload(?:\..*)?)$"
)


def from_member(name: str) -> bool:
    """Say whether somebody with rights in the repository chooses the text of this value."""
    return _MEMBERS.match(name) is not None


_EXACT = frozenset(pattern for pattern in STRANGERS if "*" not in pattern)
_PATTERNS = tuple(pattern.split(".") for pattern in STRANGERS if "*" in pattern)


@lru_cache(4096)
def from_stranger(name: str) -> bool:
    """Say whether a stranger may choose the text of this value, or of a part of it when the whole is written out."""
    if not name.startswith("github"):
        return False
    if name in _WHOLE or name in _EXACT:
        return True
    steps = name.split(".")
    if len(steps) > 2 and steps[1] == "*":  # github[…].x: which part is chosen when it runs
        steps[1] = "event"
        if ".".join(steps) in _EXACT:
            return True
    if any(
        len(steps) == len(wanted)
        and all(step in (want, "*") or want == "*" for step, want in zip(steps, wanted, strict=True))
        for wanted in _PATTERNS
    ):
        return True
    return "*" in steps and any(
        len(steps) == len(wanted) and all(step in (want, "*") for step, want in zip(steps, wanted, strict=True))
        for wanted in (pattern.split(".") for pattern in _EXACT)
    )
