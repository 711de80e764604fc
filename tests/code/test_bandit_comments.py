"""bandit's comments in the report, and versions of bandit that are not known."""

from __future__ import annotations

import datetime
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlguard.cli import doctor
from mlguard.config import Config
from mlguard.findings import Finding
from mlguard.gate import judge
from mlguard.scanners.code import bandit_library
from mlguard.triage import triage
from tests.scanning import scan

TODAY = datetime.date(2026, 11, 28)


def findings(root: Path, code: str, config: Config | None = None) -> list[Finding]:
    (root / "a.py").write_text(code)
    return list(triage(scan(root, ["code"]).findings, config or Config(), TODAY))


@pytest.mark.parametrize(
    ("comment", "reason"),
    [("# nosec", "no reason is given"), ("# nosec B101 checked by the caller", "checked by the caller"), ("# nosec: assert_used", "no reason is given")],
)  # fmt: skip
def test_what_a_comment_of_bandit_silences_stays_in_the_report_set_aside(
    tmp_path: Path, comment: str, reason: str
) -> None:
    (found,) = findings(tmp_path, f"\nassert x  {comment}\n")

    assert (found.state, found.location.line) == ("ignored", 2)
    assert found.reason == f"the nosec comment on line 2: {reason}"


def test_comments_count_for_nothing_where_the_gate_refuses_them(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, "assert x  # nosec\n", Config(comments="refuse"))

    assert found.state == "new"
    assert "gate.comments is refuse" in found.reason


@pytest.mark.parametrize("comment", ["# nosec B999", "# nosec because it is fine"])
def test_a_comment_that_names_nothing_known_leaves_the_finding_and_says_why(tmp_path: Path, comment: str) -> None:
    (found,) = findings(tmp_path, f"assert x  {comment}\n")

    assert found.state == "new"
    assert found.reason == "the nosec comment on line 1 counts for nothing: it names no check that bandit knows"


def test_a_comment_on_another_check_changes_nothing(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, "assert x  # nosec B105\n")

    assert (found.state, found.reason, found.aside) == ("new", "", None)


def test_our_finding_that_confirms_bandits_is_set_aside_with_it(tmp_path: Path) -> None:
    found = findings(tmp_path, "import pickle  # nosec B403\npickle.loads(data)  # nosec B301 our own cache\n")

    assert {one.state for one in found} == {"ignored"}
    assert any(one.check != "bandit-b301" and one.facts.get("bandit") == "B301" for one in found)


def test_our_own_comment_counts_beside_one_of_bandits_that_does_not(tmp_path: Path) -> None:
    (rule,) = (one.rule for one in findings(tmp_path, "assert x\n"))

    comment = f"# nosec B999  # mlguard: ignore[{rule}] tested elsewhere until=2027-01-31"
    (found,) = findings(tmp_path, f"assert x  {comment}\n")

    assert found.state == "ignored"


def test_the_gate_tells_how_many_findings_bandits_comments_set_aside(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("assert x  # nosec\nassert y  # nosec B101\n")
    report = scan(tmp_path, ["code"])

    _, verdict = judge(report, Config(), TODAY)

    assert any("2 findings set aside by comments in the files: 2 by nosec" in told for told in verdict.reasons)


def test_a_reason_shows_no_address(tmp_path: Path) -> None:
    address = "jane.doe" + "@" + "example.org"
    found = findings(tmp_path, f"assert x  # nosec B101 ask {address}\n")

    assert address not in repr(found)


def test_the_line_of_a_comment_in_a_notebook_is_that_of_the_file(tmp_path: Path) -> None:
    cell = '{"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": null,\n "source": [\n  "x = 1\\n",\n  "assert x  # nosec\\n"\n ]}'
    (tmp_path / "n.ipynb").write_text(f'{{"cells": [{cell}],\n "metadata": {{}}, "nbformat": 4, "nbformat_minor": 5}}')

    found = [one for one in scan(tmp_path, ["code"]).findings if one.facts.get("bandit") == "B101"]

    assert [(one.location.line, one.aside.line if one.aside else 0) for one in found] == [(4, 4)]


# ---- versions


def test_an_unknown_version_of_bandit_is_run_by_its_own_visitor_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    code = "import pickle\nassert x  # nosec\npassword = 'a'\npickle.loads(y)\n"
    usual = findings(tmp_path, code)
    monkeypatch.setattr(bandit_library, "VERIFIED", frozenset())

    with caplog.at_level(logging.WARNING):
        found = findings(tmp_path, code)

    assert found == usual
    assert "is not a version that mlguard's faster way to run its checks was compared with" in caplog.text
    assert "own visitor does the work" in CliRunner().invoke(doctor.command, []).output


def test_doctor_says_nothing_of_a_known_version() -> None:
    assert "own visitor" not in CliRunner().invoke(doctor.command, []).output


def test_the_installed_version_is_one_of_those_that_were_compared() -> None:
    assert bandit_library.version() in bandit_library.VERIFIED


def test_neither_settings_nor_plugins_of_the_scanned_tree_count(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.bandit]\nskips = ["B101"]\nexclude_dirs = ["."]\n[tool.bandit.assert_used]\nskips = ["*.py"]\n'
    )
    (tmp_path / ".bandit").write_text("[bandit]\nskips: B101\nexclude: /\n")
    (tmp_path / "bandit.yaml").write_text("skips: [B101]\nassert_used:\n  skips: ['*.py']\n")

    assert [one.facts["bandit"] for one in findings(tmp_path, "assert x\n")] == ["B101"]


def test_bandits_command_line_is_not_imported_for_a_known_version(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("assert x\n")
    program = (
        "import sys\nfrom mlguard.scanners.code import bandit_checks, source\n"
        "data = b'assert x'\nprint(len(list(bandit_checks.seen(source.python_file('a.py', data).tree, data, 'a.py'))))\n"
        "print(sorted({'stevedore', 'bandit.core.manager', 'yaml', 'rich', 'importlib.metadata'} & sys.modules.keys()))\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "1\n[]\n"
