"""Expressions of GitHub workflows, ``${{ … }}``: which values they read and which of those a stranger may choose."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

EXPRESSION = re.compile(r"\$\{\{((?:(?!\$\{\{).)*?)\}\}", re.S)
MAX_EXPRESSION = 4_000
"""Characters of one expression that are read."""


@dataclass(frozen=True, slots=True)
class Access:
    """One value that an expression reads: ``github.event.issue.title`` in lower case, ``*`` for any index.

    ``decides`` says that the value is only compared, negated or tested, so that its text does not come out.
    """

    name: str
    decides: bool


_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*'?)|(?P<number>[+-]?\d[\w.]*)|(?P<name>[A-Za-z_][\w-]*)|(?P<sign>&&|\|\||[=!<>]=|[^\s\w]))"
)
_JUDGES = frozenset({"contains", "startswith", "endswith", "hashfiles", "success", "failure", "always", "cancelled"})
_COMPARES = frozenset({"==", "!=", "<", ">", "<=", ">="})


def accesses(text: str) -> list[Access]:
    """Return what an expression reads, in order. Dots and brackets are alike, and so are upper and lower case."""
    tokens = [
        (match.lastgroup or "", match.group(match.lastgroup or 0)) for match in _TOKEN.finditer(text[:MAX_EXPRESSION])
    ]
    found: list[Access] = []
    judged: list[bool] = []
    at = 0
    while at < len(tokens):
        kind, token = tokens[at]
        following = tokens[at + 1][1] if at + 1 < len(tokens) else ""
        if kind == "name" and following == "(":
            judged.append(token.lower() in _JUDGES or (bool(judged) and judged[-1]))
            at += 2
        elif token == "(":
            judged.append(bool(judged) and judged[-1])
            at += 1
        elif token == ")":
            if judged:
                judged.pop()
            at += 1
        elif kind == "name" and token.lower() not in ("true", "false", "null"):
            before = tokens[at - 1][1] if at else ""
            name, inner, end = _chain(tokens, at)
            after = tokens[end][1] if end < len(tokens) else ""
            decides = (
                bool(judged and judged[-1])
                or before in _COMPARES
                or before == "!"
                or after in _COMPARES
                or after == "&&"
            )
            found.append(Access(name, decides))
            found += [Access(one, True) for one in inner]
            at = end
        else:
            at += 1
    return found


def _chain(tokens: list[tuple[str, str]], at: int) -> tuple[str, list[str], int]:
    """Return a dotted name, the names inside its brackets, and the index after it."""
    parts = [tokens[at][1].lower()]
    inner: list[str] = []
    at += 1
    while at < len(tokens):
        if tokens[at][1] == "." and at + 1 < len(tokens) and (tokens[at + 1][0] == "name" or tokens[at + 1][1] == "*"):
            parts.append(tokens[at + 1][1].lower())
            at += 2
        elif tokens[at][1] == "[":
            end = at + 1
            depth = 1
            while end < len(tokens) and depth:
                depth += (tokens[end][1] == "[") - (tokens[end][1] == "]")
                end += 1
            body = tokens[at + 1 : end - 1]
            parts.append(body[0][1].strip("'").lower() if len(body) == 1 and body[0][0] == "text" else "*")
            inner += [token.lower() for kind, token in body if kind == "name"]
            at = end
        else:
            break
    return ".".join(parts), inner, at


STRANGERS = (
    "github.event.issue.title", "github.event.issue.body", "github.event.pull_request.title", "github.event.pull_request.body",
    "github.event.comment.body", "github.event.review.body", "github.event.review_comment.body",
    "github.event.discussion.title", "github.event.discussion.body", "github.event.discussion_comment.body",
    "github.event.pages.*.page_name", "github.event.commits.*.message", "github.event.commits.*.author.email",
    "github.event.commits.*.author.name", "github.event.commits.*.committer.*", "github.event.head_commit.message",
    "github.event.head_commit.author.email", "github.event.head_commit.author.name", "github.event.head_commit.committer.*",
    "github.event.pull_request.head.ref", "github.event.pull_request.head.label",
    "github.event.pull_request.head.repo.default_branch", "github.event.pull_request.head.repo.description",
    "github.event.pull_request.head.repo.homepage", "github.head_ref", "github.event.workflow_run.head_branch",
    "github.event.workflow_run.display_title", "github.event.workflow_run.head_commit.message",
    "github.event.workflow_run.head_commit.author.email", "github.event.workflow_run.head_commit.author.name",
    "github.event.workflow_run.head_repository.description", "github.event.workflow_run.pull_requests.*.head.ref",
)  # fmt: skip
"""What anyone who may open an issue or a pull request can choose the text of.

https://docs.github.com/en/actions/reference/security/secure-use#good-practices-for-mitigating-script-injection-attacks
"""

_WHOLE = ("github", "github.event", "github.event.issue", "github.event.pull_request", "github.event.pull_request.head",
          "github.event.comment", "github.event.review", "github.event.discussion", "github.event.commits",
          "github.event.head_commit", "github.event.workflow_run")  # fmt: skip


def from_stranger(name: str) -> bool:
    """Say whether a stranger may choose the text of this value, or of a part of it when the whole is written out."""
    if name in _WHOLE:
        return True
    steps = name.split(".")
    for pattern in STRANGERS:
        wanted = pattern.split(".")
        if len(steps) == len(wanted) and all(
            fnmatchcase(step, want) or step == "*" for step, want in zip(steps, wanted, strict=True)
        ):
            return True
    return False


def spoken(text: str) -> Iterator[Access]:
    """Yield each value whose text an expression of ``text`` may put out."""
    for match in EXPRESSION.finditer(text):
        yield from (access for access in accesses(match.group(1)) if not access.decides)
