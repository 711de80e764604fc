"""The verdict: never green by silence."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

import pytest

from mlguard.config import AcceptedGap, Config, Ignore
from mlguard.findings import Coverage, Finding, Gap, Location, Report
from mlguard.gate import judge

TODAY = datetime.date(2026, 11, 23)
CONFIG = Config(required=("code",), scanners=("code",))


def finding(severity: Any = "high", **values: Any) -> Finding:
    base = Finding(
        rule="code/unsafe-deserialization", check="torch-load", severity=severity, title="t", message="m.",
        location=Location("src/train.py", 3), controls=(), fingerprint="0" * 32, scanner="code",
    )  # fmt: skip
    return replace(base, **values)


def report(*findings: Finding, gaps: tuple[Gap, ...] = (), **values: Any) -> Report:
    base = Report(
        version="0", rules_digest="", config_digest="", scanners=("code",), required=("code",), files=1,
        findings=findings, gaps=gaps, coverage=(Coverage("code", 1, 1),),
    )  # fmt: skip
    return replace(base, **values)


GAP = Gap("code", "src/broken.py", "unreadable", "not valid Python")


@pytest.mark.parametrize(
    ("severity", "fail_on", "code"),
    [("high", "high", 1), ("critical", "high", 1), ("medium", "high", 0), ("low", "low", 1), ("critical", "never", 0)],
)
def test_threshold_decides(severity: str, fail_on: str, code: int) -> None:
    _, verdict = judge(report(finding(severity)), replace(CONFIG, fail_on=fail_on), TODAY)

    assert verdict.exit_code == code


def test_review_never_fails_the_gate() -> None:
    _, verdict = judge(report(finding(on_fail="review")), CONFIG, TODAY)

    assert verdict.outcome == "pass"


def test_finding_fails_the_gate_also_where_there_is_a_gap() -> None:
    _, verdict = judge(report(finding(), gaps=(GAP,)), CONFIG, TODAY)

    assert (verdict.outcome, verdict.exit_code) == ("fail", 1)
    assert len(verdict.incomplete) == 1
    assert verdict.blocking == ("0" * 32,)
    assert "src/broken.py" in verdict.reasons[0]


def test_nothing_scanned_is_no_pass() -> None:
    _, verdict = judge(report(coverage=(Coverage("code", 0, 0),)), CONFIG, TODAY)

    assert verdict.outcome == "incomplete"
    assert "nothing was scanned" in verdict.reasons[0]


def test_required_scanner_that_did_not_run_is_no_pass() -> None:
    _, verdict = judge(report(required=("code", "model")), CONFIG, TODAY)

    assert "model did not run" in verdict.reasons[0]


@pytest.mark.parametrize(("until", "code"), [("2026-11-22", 3), ("2026-11-23", 0), ("2027-01-01", 0)])
def test_accepted_gap_counts_to_the_end_of_its_date(until: str, code: int) -> None:
    entry = AcceptedGap("src/", "written by a generator", datetime.date.fromisoformat(until))

    _, verdict = judge(report(gaps=(GAP,)), replace(CONFIG, accepted_gaps=(entry,)), TODAY)

    assert verdict.exit_code == code


def ignore(**values: Any) -> Ignore:
    base = Ignore("code/unsafe-deserialization", "loads our own file", "ml-team", datetime.date(2027, 1, 1))
    return replace(base, **values)


def test_ignored_finding_stays_in_the_report_with_its_reason() -> None:
    judged, verdict = judge(report(finding()), replace(CONFIG, ignore=(ignore(path="src/"),)), TODAY)

    assert verdict.outcome == "pass"
    assert judged.findings[0].state == "ignored"
    assert "ml-team" in judged.findings[0].reason


@pytest.mark.parametrize(
    "entry",
    [
        ignore(path="tests/"),
        ignore(rule="code/other"),
        ignore(fingerprint="1" * 32),
        ignore(until=datetime.date(2026, 11, 22)),
    ],
)
def test_ignore_entry_that_does_not_fit_changes_nothing_and_is_told(entry: Ignore) -> None:
    _, verdict = judge(report(finding()), replace(CONFIG, ignore=(entry,)), TODAY)

    assert verdict.outcome == "fail"
    assert any("matches nothing" in reason or "expired" in reason for reason in verdict.reasons)


def test_judging_a_judged_report_again_starts_afresh() -> None:
    once, _ = judge(report(finding()), replace(CONFIG, ignore=(ignore(),)), TODAY)

    _, verdict = judge(once, CONFIG, TODAY)

    assert verdict.outcome == "fail"
