"""What a user gets to see of a report: each module turns the same records into one format."""

from __future__ import annotations

from mlguard.findings import Report

EXTRA_SCANNERS = ("assess",)
"""Sources of findings that are no scanner of their own: they compare what the scanners saw."""


def sources(report: Report) -> tuple[str, ...]:
    """Return the names under which the report has something to say, in a fixed order: the scanners of the run, the
    required ones that did not run, the second stage, then every other name that a finding or a gap carries.
    """
    ran = (*report.scanners, *report.required, *(EXTRA_SCANNERS if report.evaluated else ()))
    others = {finding.scanner for finding in report.findings} | {gap.scanner for gap in report.gaps}
    return tuple(dict.fromkeys((*ran, *sorted(others))))


def read_by(name: str, report: Report) -> tuple[bool, str]:
    """Return whether a source looked at anything, and in words how much of what it wanted it read."""
    item = next((item for item in report.coverage if item.scanner == name), None)
    if name in report.required and name not in report.scanners:
        return False, "required, did not run"
    if item is not None and item.wanted:
        return item.complete > 0, f"{item.complete:,} of {item.wanted:,} read"
    if any(gap.scanner == name for gap in report.gaps):
        return False, "see what was not looked at"
    if name in EXTRA_SCANNERS:
        return any(coverage.wanted for coverage in report.coverage), "compares facts"
    return False, "no file of its kind" if item is not None else ""
