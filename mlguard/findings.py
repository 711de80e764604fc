"""The records that pass between the parts of mlguard, frozen and without behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from mlguard.facts import Consulted, Fact, Imports, Part, Upkeep
from mlguard.values import dataclass, field

Severity = Literal["critical", "high", "medium", "low"]
Confidence = Literal["high", "medium", "low"]
OnFail = Literal["breach", "gap", "review"]
OnPass = Literal["proof", "documented", "none"]
GapKind = Literal["unreadable", "timeout", "crash", "too-large", "sampled", "skipped", "unresolved", "missing"]

SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low")
"""From worst to least."""


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a file.

    ``line`` and ``column`` count from 1, columns in Unicode code points; ``end_column`` is the column after the last
    character. ``byte`` counts from 0 and ``length`` is in bytes; both are for binary files, whose ``line`` is 1.
    ``within`` names what lies inside the file: an archive member, "cell 3", a table column, a key path.
    """

    path: str
    line: int = 1
    column: int = 1
    end_line: int = 0  # 0: the same line
    end_column: int = 0  # 0: the end of the line
    byte: int | None = None
    length: int | None = None
    within: str = ""


@dataclass(frozen=True, slots=True)
class Aside:
    """A comment in the scanned file that sets a finding aside: whose it is, on which line, why, and until when.

    ``until`` is a day (YYYY-MM-DD) or "" where the tool's comments have none. ``problem`` says why it counts for nothing.
    """

    tool: str
    line: int
    reason: str = ""
    until: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """A change that certainly mends a finding: the text that takes the place of a part of one line."""

    location: Location
    text: str


@dataclass(frozen=True, slots=True)
class Detection:
    """What a scanner saw, and where. It may not say how bad that is: severity and law live on the rule's page.

    ``facts`` fill the placeholders of the page's message. No value may hold personal data or a secret.
    ``scope`` and ``anchor`` make the fingerprint, so neither may change when lines move: the scope is the enclosing
    function, resource address, package or column; the anchor is the normalised code, attribute path or import.
    ``subject`` says what failed when that is not the file (a resource address, a package). ``advisory`` holds a
    vulnerability record's id, ``excerpt`` the masked source lines (set by the worker for text files).
    """

    rule: str
    check: str
    location: Location
    facts: Mapping[str, str | int] = field(default_factory=dict)
    scope: str = ""
    anchor: str = ""
    subject: str = ""
    related: tuple[tuple[str, Location], ...] = ()
    advisory: str = ""
    excerpt: tuple[str, ...] = ()
    wanted: str = ""  # the literal that should stand in place of the one at ``location``, where that is certain
    edit: Edit | None = None  # the same as a change of the text, set by the worker
    aside: Aside | None = None  # set by the worker


@dataclass(frozen=True, slots=True)
class Proof:
    """The property that a rule asks for was verified on this subject (a path, a resource address, a package)."""

    rule: str
    subject: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that was not looked at. A report with gaps is never a pass.

    ``reason`` is for people and says what to do; it never quotes the input.
    """

    scanner: str
    path: str
    kind: GapKind
    reason: str
    hint: str = ""


Record = Detection | Proof | Fact | Part | Imports | Consulted | Upkeep | Gap
"""All that a scanner may yield."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A detection joined with its rule, and where it stands in triage.

    ``fingerprint`` is 32 hexadecimal digits and survives moved lines, line ends and reformatting around.
    """

    rule: str
    check: str
    severity: Severity
    title: str
    message: str
    location: Location
    controls: tuple[str, ...]
    fingerprint: str
    scanner: str
    fix: str = ""
    subject: str = ""
    related: tuple[tuple[str, Location], ...] = ()
    advisory: str = ""
    excerpt: tuple[str, ...] = ()
    facts: Mapping[str, str | int] = field(default_factory=dict)
    on_fail: OnFail = "breach"
    state: Literal["new", "ignored"] = "new"
    reason: str = ""  # why it is ignored, or why a comment that would ignore it does not count
    edit: Edit | None = None
    aside: Aside | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many files one scanner was given, and how many it read to the end."""

    scanner: str
    wanted: int
    complete: int


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one run found, totally ordered: the same bytes in give the same bytes out."""

    version: str  # of mlguard
    rules_digest: str
    config_digest: str
    scanners: tuple[str, ...]
    required: tuple[str, ...]
    files: int
    findings: tuple[Finding, ...] = ()
    gaps: tuple[Gap, ...] = ()
    proofs: tuple[Proof, ...] = ()
    facts: tuple[Fact, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    evaluated: tuple[str, ...] = ()  # rules that the scanners of this run can report
    searched: int = 0  # files of kinds that no scanner reads, which were at most searched for credentials
    excluded: int = 0  # files that .mlguardignore or the configuration leaves out


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the repository may ship, and why. ``exit_code`` is 0, 1 or 3."""

    outcome: Literal["pass", "fail", "incomplete"]
    exit_code: int
    reasons: tuple[str, ...]
    blocking: tuple[str, ...] = ()  # fingerprints
    incomplete: tuple[str, ...] = ()
