"""Sets aside the findings that the configuration ignores, with their reason, and says which entries do nothing."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace

from mlguard.config import AcceptedGap, Ignore
from mlguard.findings import Finding, Gap


def matches(pattern: str, path: str) -> bool:
    """Say whether a path matches a pattern in the syntax of .gitignore."""
    import pathspec

    return pathspec.GitIgnoreSpec.from_lines([pattern]).match_file(path)


def triage(findings: Sequence[Finding], ignores: Sequence[Ignore], today: datetime.date) -> tuple[Finding, ...]:
    """Return the findings, with state "ignored" and the reason where an entry in force matches. None is removed."""
    return tuple(_triaged(finding, ignores, today) for finding in findings)


def _triaged(finding: Finding, ignores: Sequence[Ignore], today: datetime.date) -> Finding:
    for entry in ignores:
        if entry.rule != finding.rule or entry.until < today:
            continue
        if entry.fingerprint and entry.fingerprint != finding.fingerprint:
            continue
        if entry.path and not matches(entry.path, finding.location.path):
            continue
        return replace(finding, state="ignored", reason=f"{entry.reason} ({entry.owner}, until {entry.until})")
    return finding if finding.state == "new" else replace(finding, state="new", reason="")


def idle(findings: Sequence[Finding], ignores: Sequence[Ignore], today: datetime.date) -> list[str]:
    """Return a sentence for each entry that has expired, or that matches nothing."""
    told = []
    for entry in ignores:
        name = f"ignore entry for {entry.rule} ({entry.owner}, until {entry.until})"
        if entry.until < today:
            told.append(f"{name} has expired; its findings count again")
        elif not any(_triaged(finding, [entry], today).state == "ignored" for finding in findings):
            told.append(f"{name} matches nothing; remove it")
    return told


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
