"""Comments in the scanned files that set findings aside: mlguard's own, and those of the tools that teams used before.

Every one of them is honoured and counted: a finding that a comment sets aside stays in the report, as ignored, with the
comment's reason. Our own comment names the rule, a reason and the last day on which it counts::

    # mlguard: ignore[tf/public-storage] the public website until=2027-06-30

It holds for its own line, or, on a line of its own, for the next one, and where that line opens a block, for the whole
block. It is looked for in the text, so that it works inside block scalars, heredocs and Helm templates too.

What the comments of other tools look like is documented at:
checkov https://www.checkov.io/2.Basics/Suppressing%20and%20Skipping%20Policies.html,
Trivy https://trivy.dev/latest/docs/scanner/misconfiguration/config/config/#filtering-misconfigurations-by-in-line-comments,
KICS https://docs.kics.io/latest/running-kics/, hadolint https://github.com/hadolint/hadolint#ignoring-rules,
zizmor https://docs.zizmor.sh/usage/#ignoring-results, kube-linter https://docs.kubelinter.io/#/configuring-kubelinter;
of those that look for secrets: detect-secrets https://github.com/Yelp/detect-secrets#inline-allowlisting, gitleaks
https://github.com/gitleaks/gitleaks#gitleaksallow, trufflehog https://docs.trufflesecurity.com/ignoring-secrets, ggshield
https://docs.gitguardian.com/ggshield-docs/reference/secret/ignore, bandit https://bandit.readthedocs.io/en/latest/config.html#suppressing-individual-lines,
ruff https://docs.astral.sh/ruff/linter/#error-suppression, semgrep https://semgrep.dev/docs/ignoring-files-folders-code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date
from typing import NamedTuple

from mlguard import lazy, redact
from mlguard.findings import Aside

MAX_LINE = 4_000
"""Characters of a line that are looked at."""

MAX_COMMENTS = 5_000
"""Comments of one file."""

MAX_REASON = 200
"""Characters of a reason that are shown."""


class Comment(NamedTuple):
    """A comment that sets findings aside: of which tool, for which names (none: all), and for which lines, from 1."""

    tool: str
    names: tuple[str, ...]
    line: int
    first: int
    last: int
    reason: str
    until: str = ""
    problem: str = ""


_ANY = lazy.pattern(
    r"(?i)pragma|gitleaks:allow|trufflehog:ignore|ggignore|nosec|noqa|nosemgrep|devskim:|nosonar|mlguard:|checkov|bridgecrew:|cortex:skip|trivy:|tfsec:|kics-scan|hadolint|zizmor:|kube-linter\.io/|id[\"']?\s*:\s*[\"']?CKV"
)
"""A line without one of these words holds no such comment."""

_WORDS = (
    "mlguard:",
    "checkov",
    "bridgecrew:",
    "cortex:skip",
    "trivy:",
    "tfsec:",
    "kics-scan",
    "hadolint",
    "zizmor:",
    "kube-linter.io/",
    "ckv",
    "pragma",
    "gitleaks:allow",
    "trufflehog:ignore",
    "ggignore",
    "nosec",
    "noqa",
    "nosemgrep",
    "devskim:",
    "nosonar",
)
"""The same in small letters, to be looked for in the whole of a file."""

_OWN = lazy.pattern(r"(?:#|//|/\*|--|;|%)\s*mlguard:\s*ignore\b(?:\[([^\]]*)\])?(.*)$")
_UNTIL = lazy.pattern(r"\buntil\s*=\s*(\S+)")
_CLOSERS = lazy.pattern(r"\s*(?:\*/(?:\s*-?\}\})?|-->|-?\}\}|[\"']?,?)\s*$")
_CHECKOV = lazy.pattern(r"(?:checkov|bridgecrew|cortex):skip\s*=\s*([\w*]+(?:\s*,\s*CKV\w+)*)(?:\s*:(.*))?$")
_CHECKOV_NOTE = lazy.pattern(r"checkov\.io/skip\d*[\"']?\s*:\s*[\"']?(CKV\w+)(?:\s*=([^\"'\n]*))?")
_CHECKOV_META = lazy.pattern(r"\bid[\"']?\s*:\s*[\"']?(CKV\w+)")
_CHECKOV_SAID = lazy.pattern(r"\bcomment[\"']?\s*:\s*[\"']?([^\"'\n}]*)")
_TRIVY = lazy.pattern(r"(trivy|tfsec):ignore:([\w*-]+(?:[./][\w-]+)*)(?:\[[^\]]*\])?((?::\w+:[\w-]+)*)")
_EXPIRY = lazy.pattern(r":exp:(\d{4}-\d\d-\d\d)")
_KICS = lazy.pattern(r"kics-scan\s+(ignore-line|ignore-block|ignore)\b")
_HADOLINT = lazy.pattern(r"hadolint\s+(global\s+)?ignore\s*=\s*(\w+(?:\s*,\s*\w+)*)")
_ZIZMOR = lazy.pattern(r"zizmor:\s*ignore(?:\[([^\]]*)\])?")
_KUBE_LINTER = lazy.pattern(
    r"(?:ignore-check\.kube-linter\.io/([\w-]+)|kube-linter\.io/(ignore-all))[\"']?\s*:\s*[\"']?([^\"'\n]*)"
)


_PRAGMA = lazy.pattern(r"(?i)pragma:?\s{0,3}(?:allow|white)list(?:ed)?[ -]?(nextline[ -]?)?secrets?\b")
_PLAIN_SECRET = lazy.pattern(
    r"(?i)(gitleaks:allow|trufflehog:ignore|\bggignore(?:-line)?\b|\bNOSONAR\b|\bDevSkim:\s*ignore\s+(?:DS\d+,)*DS173237)"
)
_NOSEC = lazy.pattern(r"#\s*nosec\b:?\s*((?:B\d{3}|[a-z_]{4,40})(?:[\s,]+(?:B\d{3}|[a-z_]{4,40}))*)?", re.I)
_NOQA = lazy.pattern(r"#\s*noqa:\s*([A-Z]+\d*(?:[\s,]+[A-Z]+\d*)*)", re.I)
_NOSEMGREP = lazy.pattern(r"nosem(?:grep)?\b(?::\s*([\w./-]+(?:\s*,\s*[\w./-]+)*))?")
_OF_SECRETS = lazy.pattern(r"(?i)^(?:B10[5678]|S10[567]|S1|S10|S|hardcoded_password\w*)$")
_SEMGREP_SECRET = lazy.pattern(r"(?i)secret|passw|credential|api-?key|token|hard-?coded|private-key")
SECRET_TOOLS = frozenset(
    {
        "detect-secrets",
        "gitleaks:allow",
        "trufflehog:ignore",
        "ggignore",
        "nosonar",
        "devskim",
        "nosec",
        "noqa",
        "nosemgrep",
    }
)
"""Tools whose comments speak of secrets here, and of nothing else."""


def comments(lines: Sequence[str], path: str) -> list[Comment]:
    """Return the comments of a file that set findings aside, in the order of their lines."""
    whole = "\n".join(lines).lower()
    if not any(word in whole for word in _WORDS):
        return []
    shape = _Shape(lines, path)
    found: list[Comment] = []
    for number, line in enumerate(lines, 1):
        if _ANY.search(line, 0, MAX_LINE):
            found += _on(line[:MAX_LINE], number, shape)
            if len(found) > MAX_COMMENTS:
                return found[:MAX_COMMENTS]
    return found


def aside(
    found: Sequence[Comment], rule: str, check: str, peers: Collection[str], infra: bool, line: int, end: int = 0
) -> Aside | None:
    """Return what sets a finding at these lines aside: the first comment that counts, else the first that nearly does.

    ``peers`` are ids of other tools' checks that ask the same; comments of other tools speak of infrastructure alone.
    """
    near: Aside | None = None
    for comment in found:
        spans = comment.tool == "zizmor" or comment.tool in SECRET_TOOLS
        if comment.first <= line <= comment.last or (spans and line <= comment.line <= end):
            if not _names(comment, rule, check, peers, infra):
                continue
            result = Aside(comment.tool, comment.line, comment.reason, comment.until, comment.problem)
            if not comment.problem:
                return result
            near = near or result
    return near


def _names(comment: Comment, rule: str, check: str, peers: Collection[str], infra: bool) -> bool:
    if comment.tool == "mlguard":
        return not {rule, f"{rule}/{check}"}.isdisjoint(comment.names)
    if comment.tool in SECRET_TOOLS:
        return rule.startswith("secret/")
    if (
        comment.tool == "checkov:skip"
        and rule.startswith("secret/")
        and any(n.startswith("ckv_secret") for n in comment.names)
    ):
        return True
    if not infra:
        return False
    return not comment.names or not {_plain(one) for one in peers}.isdisjoint(comment.names)


def _plain(name: str) -> str:
    """Return the id of another tool's check in one spelling: Trivy has written AVD-AWS-0086 and AWS-0086."""
    return name.lower().removeprefix("avd-").removeprefix("zizmor:").removeprefix("kube-linter:")


def _split(text: str) -> tuple[str, ...]:
    return tuple(_plain(name.strip()) for name in text.split(",") if name.strip())


def _on(line: str, number: int, shape: _Shape) -> Iterator[Comment]:
    """Yield the comments that stand on one line."""
    if match := _OWN.search(line):
        yield _own(match[1], match[2], number, *shape.reach(number))
    if match := _CHECKOV.search(line):
        yield Comment("checkov:skip", _split(match[1]), number, *shape.enclosing(number), _reason(match[2]))
    elif match := _CHECKOV_NOTE.search(line):
        yield Comment("checkov:skip", _split(match[1]), number, *shape.document(number), _reason(match[2]))
    elif _CHECKOV_META.search(line) and (block := shape.described(number)) is not None:
        said = _CHECKOV_SAID.search(line) or shape.beside(number, _CHECKOV_SAID)
        for match in _CHECKOV_META.finditer(line):
            yield Comment("checkov:skip", _split(match[1]), number, *block, _reason(said[1] if said else ""))
    for match in _TRIVY.finditer(line):
        expiry = _EXPIRY.search(match[3])
        names = () if match[2] == "*" else _split(match[2])
        yield Comment(f"{match[1]}:ignore", names, number, *shape.reach(number), "", expiry[1] if expiry else "")
    if match := _KICS.search(line):
        reach = {"ignore": shape.whole, "ignore-line": shape.next, "ignore-block": shape.reach}[match[1]]
        yield Comment(f"kics-scan {match[1]}", (), number, *reach(number), "")
    if match := _HADOLINT.search(line):
        reach = shape.whole if match[1] else shape.reach
        yield Comment("hadolint ignore", _split(match[2]), number, *reach(number), "")
    if match := _ZIZMOR.search(line):
        yield Comment("zizmor", _split(match[1] or ""), number, number, number, "")
    yield from _of_secrets(line, number, shape)
    if match := _KUBE_LINTER.search(line):
        names = _split(match[1]) if match[1] else ()
        yield Comment("kube-linter", names, number, *shape.document(number), _reason(match[3]))


def _of_secrets(line: str, number: int, shape: _Shape) -> Iterator[Comment]:
    """Yield the comments that set secrets aside."""
    if match := _PRAGMA.search(line):
        at = number + 1 if match[1] else number
        yield Comment("detect-secrets", (), number, at, at, "")
    if match := _PLAIN_SECRET.search(line):
        tool = match[1].lower()
        tool = "devskim" if tool.startswith("devskim") else "ggignore" if tool.startswith("ggignore") else tool
        yield Comment(tool, (), number, *shape.next(number), "")
    for tool, pattern in (("nosec", _NOSEC), ("noqa", _NOQA)):
        match = pattern.search(line)
        if match and (not match[1] or any(_OF_SECRETS.match(one) for one in re.split(r"[\s,]+", match[1]))):
            yield Comment(tool, (), number, number, number, "")
    match = _NOSEMGREP.search(line)
    if match and (not match[1] or _SEMGREP_SECRET.search(match[1])):
        yield Comment("nosemgrep", (), number, *shape.next(number), "")


def _own(names: str | None, rest: str, number: int, first: int, last: int) -> Comment:
    rest = _CLOSERS.sub("", rest)
    until = _UNTIL.search(rest)
    reason = _reason(_UNTIL.sub("", rest))
    problem = ""
    named = tuple(name.strip() for name in (names or "").split(",") if name.strip())
    if not named:
        problem = "names no rule"
    elif not reason:
        problem = "gives no reason"
    elif until is None:
        problem = "has no last day (until=YYYY-MM-DD)"
    else:
        try:
            date.fromisoformat(until[1])
        except ValueError:
            problem = "has a last day that is no date (until=YYYY-MM-DD)"
    return Comment("mlguard", named, number, first, last, reason, until[1] if until and not problem else "", problem)


def _reason(text: str | None) -> str:
    return redact.printable(redact.text(_CLOSERS.sub("", text or "").strip(" :-\t"), MAX_REASON))


_MAX_LEVELS = 12
"""Keys above an entry of checkov in the metadata of a resource: id, skip, checkov, Metadata, and the braces of JSON."""


_MAX_CLIMBED = 500_000
"""Lines of one file that are looked at on the way from entries of metadata up to their resources."""


class _Shape:
    """How the lines of a file stand to each other: what is a comment, and where the block ends that a line opens."""

    def __init__(self, lines: Sequence[str], path: str) -> None:
        name = path.rsplit("/", 1)[-1].lower()
        self.lines = lines
        self.left = _MAX_CLIMBED
        self._parents: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self.braces = name.endswith((".tf", ".tofu", ".hcl", ".tfvars", ".json", ".bicep"))
        self.docker = "dockerfile" in name or "containerfile" in name

    def _blank(self, number: int) -> bool:
        """Say whether a line holds nothing but white space or a comment."""
        text = self.lines[number - 1].strip()
        return not text or text.startswith(("#", "//", "/*", "*", "<!--", "{{/*", "{{- /*", "--"))

    def next(self, number: int) -> tuple[int, int]:
        """Return the lines that a comment covers: its own, or of one that stands alone the next line of code."""
        if not self._blank(number):
            return number, number
        line = number
        while line <= len(self.lines) and self._blank(line):
            line += 1
        return number, min(line, len(self.lines))

    def reach(self, number: int) -> tuple[int, int]:
        """Return the lines that a comment covers, with the whole block where the line opens one."""
        first, line = self.next(number)
        return first, self._end(line)

    def whole(self, number: int) -> tuple[int, int]:
        """Return all lines."""
        return 1, len(self.lines)

    def document(self, number: int) -> tuple[int, int]:
        """Return the lines of the YAML document around a line."""
        first, last = number, number
        while first > 1 and not self.lines[first - 1].startswith("---"):
            first -= 1
        while last < len(self.lines) and not self.lines[last].startswith("---"):
            last += 1
        return first, last

    def beside(self, number: int, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Return what a pattern finds on the line below or above, as far as that belongs to the same item of a list."""
        for line, other in ((number + 1, number + 1), (number - 1, number)):
            if not 0 < line <= len(self.lines) or self.lines[other - 1].lstrip().startswith("- "):
                continue
            found = (
                None if _CHECKOV_META.search(self.lines[line - 1]) else pattern.search(self.lines[line - 1][:MAX_LINE])
            )
            if found is not None:
                return found
        return None

    def described(self, number: int) -> tuple[int, int] | None:
        """Return the lines of the resource whose Metadata (checkov, skip) holds a line; None where it stands elsewhere."""
        names, line = [self.lines[number - 1][:MAX_LINE]], number
        for _ in range(_MAX_LEVELS):
            if "Metadata" in names[-1]:
                wanted = all(word in " ".join(names) for word in ("checkov", "skip"))
                above = self._parent(line)
                return (above, max(self._end(above), number)) if wanted and above else None
            line = self._parent(line)
            if not line:
                return None
            names.append(self.lines[line - 1][:MAX_LINE])
        return None

    def _parent(self, number: int) -> int:
        """Return the line of the key around a line, 0 where there is none."""
        text = self.lines[number - 1]
        indent, item = _indent(text), text.lstrip().startswith("- ")
        for line in range(number - 1, 0, -1):
            self.left -= 1
            if self.left < 0:
                return 0  # a comment that is not understood leaves the findings as they are
            other = self.lines[line - 1]
            if self._blank(line) or other.strip()[:1] in "{}[],":
                continue
            own, listed = _indent(other), other.lstrip().startswith("- ")
            if own < indent or (item and own == indent and not listed):
                self._parents[number] = line
                return line
            if (own, listed) == (indent, item) and line in self._parents:
                self._parents[number] = self._parents[line]
                return self._parents[line]
        return 0

    def enclosing(self, number: int) -> tuple[int, int]:
        """Return the lines of the resource around a comment: the outermost block, in YAML the second level."""
        if self.docker:
            return self.whole(number)
        indent = 0 if self.braces else self._second_level(number)
        line = number
        while line > 1 and (self._blank(line) or _indent(self.lines[line - 1]) > indent):
            line -= 1
        if self._blank(line) or _indent(self.lines[line - 1]) != indent:
            return self.reach(number)
        return line, max(self._end(line), number)

    def _second_level(self, number: int) -> int:
        """Return the indentation of the entries of the top-level mapping around a line."""
        line = number
        while line > 1 and (self._blank(line) or _indent(self.lines[line - 1]) > 0):
            line -= 1
        below = (one for one in range(line + 1, len(self.lines) + 1) if not self._blank(one))
        return next((_indent(self.lines[one - 1]) for one in below), 0)

    def _end(self, line: int) -> int:
        """Return the last line of the block that a line opens; the line itself when it opens none."""
        if line not in self._ends:
            self._ends[line] = self._found_end(line)
        return self._ends[line]

    def _found_end(self, line: int) -> int:
        if line > len(self.lines):
            return len(self.lines)
        if self.braces:
            return self._closing(line)
        if self.docker:
            while line < len(self.lines) and (self.lines[line - 1].rstrip().endswith(("\\", "`"))):
                line += 1
            return line
        text = self.lines[line - 1]
        indent = _indent(text) + (1 if text.lstrip().startswith("- ") else 0)
        last, at = line, line + 1
        while at <= len(self.lines):
            if self.lines[at - 1].strip():
                if _indent(self.lines[at - 1]) <= _indent(text) and not self._item(text, self.lines[at - 1], indent):
                    break
                last = at
            at += 1
        return last

    @staticmethod
    def _item(head: str, line: str, indent: int) -> bool:
        """Say whether a line is an item of the list under a key at the same indentation, as YAML allows."""
        opens = head.rstrip().endswith(":") and not head.lstrip().startswith("- ")
        return opens and line.lstrip().startswith("- ") and _indent(line) == _indent(head)

    def _closing(self, line: int) -> int:
        depth = 0
        for at in range(line, min(len(self.lines), line + MAX_COMMENTS) + 1):
            text = _STRINGS.sub("", self.lines[at - 1])
            depth += sum(text.count(sign) for sign in "{[(") - sum(text.count(sign) for sign in "}])")
            if depth <= 0:
                return at
        return len(self.lines)


_STRINGS = lazy.pattern(r"\"(?:[^\"\\]|\\.)*\"|#.*$|//.*$")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


Reader = Callable[[str], Sequence[str] | None]
"""Gives the lines of a file, or None when it cannot be read."""
