"""Sets aside the findings that the configuration ignores, with their reason, and says which entries do nothing."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence

from mlguard.config import AcceptedGap, Allow, Config, Ignore, IgnoredAdvisory
from mlguard.findings import Aside, Finding, Gap
from mlguard.values import replace


def matches(pattern: str, path: str) -> bool:
    """Say whether a path matches a pattern in the syntax of .gitignore."""
    import pathspec

    return pathspec.GitIgnoreSpec.from_lines([pattern]).match_file(path)


def triage(findings: Sequence[Finding], config: Config, today: datetime.date) -> tuple[Finding, ...]:
    """Return the findings, with state "ignored" and the reason where an entry in force matches. None is removed."""
    entries = _entries(config)
    honoured = config.comments == "honour"
    return tuple(_triaged(finding, entries, today, honoured) for finding in findings)


Entry = Ignore | Allow | IgnoredAdvisory


def _entries(config: Config) -> list[Entry]:
    return [*config.ignore, *config.allow, *config.ignored_advisories]


def _triaged(finding: Finding, entries: Sequence[Entry], today: datetime.date, honoured: bool = False) -> Finding:
    for entry in entries:
        if entry.until >= today and _meant(entry, finding):
            reason = f"{entry.reason} ({_term(entry)})"
            return replace(finding, state="ignored", reason=reason, aside=None)
    if honoured:
        return _commented(finding, today)
    reason = f"{_named(finding.aside)} counts for nothing: gate.comments is refuse" if finding.aside else ""
    return (
        finding if (finding.state, finding.reason) == ("new", reason) else replace(finding, state="new", reason=reason)
    )


def _commented(finding: Finding, today: datetime.date) -> Finding:
    """Return the finding as the comment beside it leaves it: set aside, or new with what is wrong with the comment."""
    comment = finding.aside
    if comment is None:
        return replace(finding, state="new", reason="") if finding.state != "new" or finding.reason else finding
    name = _named(comment)
    if comment.problem:
        return replace(finding, state="new", reason=f"{name} counts for nothing: it {comment.problem}")
    if comment.until and datetime.date.fromisoformat(comment.until) < today:
        return replace(finding, state="new", reason=f"{name} has expired ({comment.until})")
    until = f" (until {comment.until})" if comment.until else ""
    return replace(finding, state="ignored", reason=f"{name}: {comment.reason or 'no reason is given'}{until}")


def _named(comment: Aside) -> str:
    if comment.tool.startswith("."):  # a file of its own
        return f"the entry on line {comment.line} of {comment.tool}"
    return f"the {comment.tool} comment on line {comment.line}"


def _term(entry: Entry) -> str:
    return f"{entry.owner}, until {entry.until}" if entry.owner else f"until {entry.until}"


def _meant(entry: Entry, finding: Finding) -> bool:
    if isinstance(entry, Allow):
        return _allows(entry, finding)
    if isinstance(entry, IgnoredAdvisory):
        return _is_advisory(entry, finding)
    if entry.rule != finding.rule or entry.fingerprint not in ("", finding.fingerprint):
        return False
    return not entry.path or matches(entry.path, finding.location.path)


def _is_advisory(entry: IgnoredAdvisory, finding: Finding) -> bool:
    """Say whether a finding is about the flaw, under whichever of its names, in the package."""
    facts = finding.facts
    if not finding.advisory or not finding.rule.startswith("dep/"):
        return False
    package = re.sub(r"[-_.]+", "-", entry.package).lower()
    if package and package != facts.get("package"):
        return False
    if not entry.id:
        return finding.rule != "dep/malicious-or-exploited-package"
    names = {finding.advisory, *re.split(r",? ", f"{facts.get('aliases', '')} {facts.get('ignored_as', '')}")}
    return entry.id.upper() in {name.upper() for name in names}


_ABOUT_NAMES = {
    "model/unknown-callable": ("own-code", "known-library", "other-library", "own-class", "custom-operator"),
    "model/dangerous-import": ("library-call",),
}
"""Checks that say no more than that a name is not known, or that it is called like a loader. What the arguments of a call
show, or how a name is reached, is never allowed with the name."""


def _allows(entry: Allow, finding: Finding) -> bool:
    if finding.check not in _ABOUT_NAMES.get(finding.rule, ()):
        return False
    name = str(finding.facts.get("name", ""))
    if "*" not in entry.name:
        return name == entry.name
    pattern = re.escape(entry.name).replace(r"\*", r"\w*")
    return finding.rule == "model/unknown-callable" and bool(re.fullmatch(pattern, name, re.A))


def idle(findings: Sequence[Finding], config: Config, today: datetime.date) -> list[str]:
    """Return a sentence for each entry that has expired, or that matches nothing."""
    told = []
    for entry in _entries(config):
        name = f"{_titled(entry)} ({_term(entry)})"
        if entry.until < today:
            told.append(f"{name} has expired; its findings count again")
        elif not any(_triaged(finding, [entry], today).state == "ignored" for finding in findings):
            told.append(f"{name} {_useless(entry, findings)}; remove it")
    return told


def _titled(entry: Entry) -> str:
    if isinstance(entry, Allow):
        return f"allowed name {entry.name}"
    if isinstance(entry, IgnoredAdvisory):
        return f"ignore entry for {' of '.join(filter(None, (entry.id or 'advisories', entry.package)))}"
    return f"ignore entry for {entry.rule}"


def _useless(entry: Entry, findings: Sequence[Finding]) -> str:
    named = isinstance(entry, Allow) and any(
        finding.rule in _ABOUT_NAMES and finding.facts.get("name") == entry.name for finding in findings
    )
    if named:
        return "has no effect: what was found of it is of the standard library or shows in a call's arguments, and cannot be allowed"
    return "matches nothing"


def open_gaps(gaps: Sequence[Gap], accepted: Sequence[AcceptedGap], today: datetime.date) -> tuple[Gap, ...]:
    """Return the gaps that no entry in force accepts."""
    return tuple(
        gap
        for gap in gaps
        if not any(
            entry.until >= today and entry.kind in ("", gap.kind) and matches(entry.path, gap.path)
            for entry in accepted
        )
    )
