"""Judges a report: pass, fail or incomplete, with the reasons."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence

from mlguard.config import Config
from mlguard.findings import SEVERITIES, Finding, Report, Verdict
from mlguard.triage import idle, open_gaps, triage
from mlguard.values import replace


def judge(report: Report, config: Config, today: datetime.date) -> tuple[Report, Verdict]:
    """Return the report after triage, and the verdict on it.

    What was found counts first: "fail" (exit code 1), even where parts were not looked at, so that a pipeline that lets
    "incomplete" (3) pass for a while never lets a known finding through with it. A report that is not complete is never a
    pass, and its reasons are told either way. Findings that ask for a person's judgement (on_fail review) never fail it.
    """
    report = replace(report, findings=triage(report.findings, config, today))
    blocking = [finding for finding in report.findings if blocks(finding, config.fail_on)]
    incomplete = _incomplete(report, config, today)
    reasons = [*incomplete, *_failures(blocking, config.fail_on), *idle(report.findings, config, today)]
    reasons += _commented(report.findings)
    if report.searched:
        reasons.append(
            f"{_counted(report.searched, 'file')} of kinds that the scanners of this run do not read, and at most searched for credentials"
        )
    if report.excluded:
        reasons.append(f"{_counted(report.excluded, 'file')} left out by .mlguardignore or exclude, and not looked at")
    marks = tuple(finding.fingerprint for finding in blocking)
    if blocking:
        return report, Verdict("fail", 1, tuple(reasons), marks, tuple(incomplete))
    if incomplete:
        return report, Verdict("incomplete", 3, tuple(reasons), marks, tuple(incomplete))
    return report, Verdict("pass", 0, (_passed(report, config.fail_on), *reasons))


def blocks(finding: Finding, fail_on: str) -> bool:
    """Say whether a finding fails a gate whose least severity is ``fail_on`` ("never": none does)."""
    if finding.state != "new" or finding.on_fail == "review" or fail_on == "never":
        return False
    ranks: list[str] = [*SEVERITIES]
    return ranks.index(finding.severity) <= ranks.index(fail_on)


def _incomplete(report: Report, config: Config, today: datetime.date) -> list[str]:
    required = dict.fromkeys((*report.required, *config.demanded))
    told = [f"the required scanner {name} did not run" for name in required if name not in report.scanners]
    if not any(coverage.wanted for coverage in report.coverage):
        told.append("nothing was scanned: no file is of a kind that the scanners of this run read")
    gaps = open_gaps(report.gaps, config.accepted_gaps, today)
    for kind, count in sorted(Counter(gap.kind for gap in gaps).items()):
        named = sorted({gap.path or f"the {gap.scanner} scanner" for gap in gaps if gap.kind == kind})
        more = f" and {len(named) - 3} more" if len(named) > 3 else ""
        told.append(f"{count} {'gap' if count == 1 else 'gaps'}, {kind}: {', '.join(named[:3])}{more}")
    return told


def _commented(findings: Sequence[Finding]) -> list[str]:
    """Say how many findings the comments in the scanned files set aside, by tool, and how many comments do not count."""
    held = [f.aside for f in findings if f.aside and f.state == "ignored"]
    void = [f.aside for f in findings if f.aside and f.state == "new" and f.reason]
    tools = ", ".join(f"{count} by {tool}" for tool, count in sorted(Counter(one.tool for one in held).items()))
    told = [f"{_counted(len(held), 'finding')} set aside by comments in the files: {tools}"] if held else []
    return told + ([f"{_counted(len(void), 'comment')} to set findings aside counted for nothing"] if void else [])


def _failures(blocking: list[Finding], fail_on: str) -> list[str]:
    counts = Counter(finding.severity for finding in blocking)
    parts = [f"{counts[severity]} {severity}" for severity in SEVERITIES if counts[severity]]
    return (
        [f"{', '.join(parts)} {'finding' if len(blocking) == 1 else 'findings'} at or above {fail_on}"] if parts else []
    )


def _passed(report: Report, fail_on: str) -> str:
    told = "no finding fails a gate of never" if fail_on == "never" else f"no finding at or above {fail_on}"
    return f"{told} in {_counted(report.files, 'file')}; every file that a scanner wanted was read"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
