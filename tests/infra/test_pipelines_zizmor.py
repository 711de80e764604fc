"""zizmor beside our own checks: taken in once, and never a danger to the rest of the run."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from mlguard import tables
from mlguard.findings import Detection, Gap, Record
from mlguard.scanners import Context
from mlguard.scanners.infra.pipelines import zizmor

Answering = Callable[[str], Path]
PATHS = [".github/workflows/a.yml", ".github/workflows/b.yml"]


def finding(
    audit: str,
    path: str = PATHS[0],
    line: int = 5,
    severity: str = "High",
    confidence: str = "High",
    route: str = "with",
) -> dict[str, object]:
    at = {"start_point": {"row": line - 1, "column": 2}, "end_point": {"row": line - 1, "column": 9}}
    symbolic = {
        "key": {"Local": {"verbatim_path": f"./{path}"}},
        "kind": "Primary",
        "route": {"route": [{"Key": "jobs"}, {"Key": route}]},
    }
    return {
        "ident": audit, "desc": "something", "determinations": {"severity": severity, "confidence": confidence},
        "locations": [{"symbolic": symbolic, "concrete": {"location": at, "feature": "password-of-somebody"}}],
    }  # fmt: skip


@pytest.fixture
def answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Answering:
    """Return a function that puts a script in the place of zizmor, which sees its arguments as ``$@``."""

    def make(script: str) -> Path:
        program = tmp_path / "zizmor"
        program.write_text("#!/bin/sh\n" + script)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(zizmor, "program", lambda: str(program))
        return program

    return make


def ask(root: Path, told: set[tuple[str, str, int]] | None = None, paths: list[str] | None = None) -> list[Record]:
    return list(zizmor.findings(paths or PATHS, Context(root), told if told is not None else set()))


def answer(*findings: dict[str, object]) -> str:
    return f"cat <<'END'\n{json.dumps(findings)}\nEND\n"


def test_what_it_finds_becomes_a_finding_under_the_rule_for_it_and_not_under_one_of_our_own(
    tmp_path: Path, answering: Answering
) -> None:
    answering(
        answer(
            finding("template-injection"),
            finding("typosquat-uses", line=7, confidence="Medium"),
            finding("unheard-of", line=9),
        )
    )

    found = [one for one in ask(tmp_path) if isinstance(one, Detection)]

    assert [(one.rule, one.check, one.location.line) for one in found] == [
        ("ci/zizmor-finding", "other", 5), ("ci/zizmor-finding", "typosquat-uses", 7), ("ci/zizmor-finding", "other", 9),
    ]  # fmt: skip
    assert "password-of-somebody" not in repr(found)


def test_what_we_have_told_is_not_told_twice(tmp_path: Path, answering: Answering) -> None:
    answering(answer(finding("template-injection"), finding("unheard-of", line=6), finding("unheard-of", line=6)))

    found = ask(tmp_path, {("ci/untrusted-code-with-secrets", PATHS[0], 5)})

    assert [(one.rule, one.location.line) for one in found if isinstance(one, Detection)] == [("ci/zizmor-finding", 6)]


@pytest.mark.parametrize(
    "one",
    [
        finding("unpinned-uses"), finding("template-injection", confidence="Medium"), finding("template-injection", route="run"),
        finding("unheard-of", severity="Low"), finding("unheard-of", confidence="Low"), {"ident": "x"}, {}, finding("unheard-of", severity="Strange"),
    ],
)  # fmt: skip
def test_what_our_checks_decide_or_what_is_not_certain_is_left_out(
    tmp_path: Path, answering: Answering, one: dict[str, object]
) -> None:
    answering(answer(one))

    assert ask(tmp_path) == []


def test_one_file_that_stops_it_is_a_gap_and_the_others_are_asked_again(tmp_path: Path, answering: Answering) -> None:
    answering(f'case "$*" in *b.yml*) exit 3;; esac\n{answer(finding("unheard-of"))}')

    found = ask(tmp_path)

    assert [one.path for one in found if isinstance(one, Gap)] == [PATHS[1]]
    assert [one.location.path for one in found if isinstance(one, Detection)] == [PATHS[0]]


@pytest.mark.parametrize("script", ["echo nonsense\n", "echo '{}'\n", "exit 1\n", "kill -9 $$\n", "printf '[[[['\n"])
def test_whatever_it_answers_ends_in_gaps(tmp_path: Path, answering: Answering, script: str) -> None:
    answering(script)

    assert [one.path for one in ask(tmp_path) if isinstance(one, Gap)] == PATHS


def test_one_that_hangs_is_stopped(tmp_path: Path, answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    answering("exec sleep 30\n")
    monkeypatch.setattr(zizmor, "SECONDS", 0.3)

    assert {one.kind for one in ask(tmp_path) if isinstance(one, Gap)} == {"timeout"}


def test_it_gets_no_token_and_only_our_configuration(
    tmp_path: Path, answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GH_TOKEN", "x")
    monkeypatch.setenv("ZIZMOR_CONFIG", "/tmp/x")
    log = tmp_path / "log"
    answering(f"env > {log}\necho \"$@\" >> {log}\necho '[]'\n")

    ask(tmp_path, paths=["-odd.yml"])

    seen = log.read_text()
    assert "TOKEN" not in seen and "ZIZMOR_CONFIG" not in seen
    assert "--offline" in seen and "--config" in seen and "-- ./-odd.yml" in seen


def test_nothing_is_said_where_it_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zizmor, "program", lambda: "")

    assert ask(tmp_path) == []


def test_every_audit_of_the_table_leads_to_a_check_that_exists() -> None:
    from mlguard import rules

    known = rules.load().rules
    audits = tables.table("zizmor")["audits"]
    unknown = [
        name for name, one in audits.items() if one["take"] != "never" and one["check"] not in known[one["rule"]].checks
    ]

    assert unknown == []
    assert {one["take"] for one in audits.values()} <= {"never", "certain", "likely"}


def test_rules_of_our_own_get_nothing_from_it_and_so_say_the_same_without_it() -> None:
    audits = tables.table("zizmor")["audits"]

    assert {one["rule"] for one in audits.values() if one["take"] != "never"} == {"ci/zizmor-finding"}


@pytest.mark.skipif(not zizmor.program() or os.name == "nt", reason="zizmor is not installed")
def test_the_real_one_reads_our_options_and_finds_what_only_it_knows(tmp_path: Path) -> None:
    folder = tmp_path / ".github"
    folder.mkdir()
    (folder / "dependabot.yml").write_text(
        "version: 2\nupdates:\n  - package-ecosystem: pip\n    directory: /\n    schedule: {interval: daily}\n    insecure-external-code-execution: allow\n"
    )

    found = ask(tmp_path, paths=[".github/dependabot.yml"])

    assert [(one.rule, one.check, one.location.line) for one in found if isinstance(one, Detection)] == [
        ("ci/zizmor-finding", "dependabot-execution", 6)
    ]
