"""Changes that certainly mend a finding: offered where the wrong switch is written out, and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlguard import codec, rules
from mlguard.config import Config
from mlguard.findings import Finding
from mlguard.gate import judge
from mlguard.reporters import sarif
from tests.scanning import scan
from tests.test_ignores import TODAY


def finding(tmp_path: Path, name: str, text: str, rule: str) -> Finding:
    (tmp_path / name).write_text(text)
    return next(one for one in scan(tmp_path, ["infra"]).findings if one.rule == rule)


@pytest.mark.parametrize(
    ("written", "mended"),
    [("storage_encrypted = false", "storage_encrypted = true"), ('storage_encrypted   = "false"', 'storage_encrypted   = "true"')],
)  # fmt: skip
def test_a_switch_that_is_written_out_is_turned(written: str, mended: str, tmp_path: Path) -> None:
    text = f'resource "aws_db_instance" "a" {{\n  {written}\n}}\n'

    edit = finding(tmp_path, "main.tf", text, "tf/unencrypted-storage").edit

    assert edit is not None
    line = text.split("\n")[edit.location.line - 1]
    assert line[: edit.location.column - 1] + edit.text + line[edit.location.end_column - 1 :] == f"  {mended}"


def test_a_switch_in_yaml_is_turned(tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  hostNetwork: false\n  containers:\n    - name: a\n      image: r.example.org/a:1.0.0\n      securityContext:\n        privileged: true # yes\n"

    edit = finding(tmp_path, "pod.yaml", text, "k8s/privileged-container").edit

    assert edit is not None
    assert (edit.location.line, edit.location.column, edit.location.end_column, edit.text) == (10, 21, 25, "false")


@pytest.mark.parametrize(
    "text",
    [
        'resource "aws_db_instance" "a" {}\n',
        'variable "e" { default = false }\nresource "aws_db_instance" "a" {\n  storage_encrypted = var.e\n}\n',
        'resource "aws_db_instance" "a" {\n  storage_encrypted = 1 > 2\n}\n',
        'resource "aws_db_instance" "a" {\n  storage_encrypted = (\n    false)\n}\n',
    ],
)
def test_nothing_is_offered_where_the_switch_is_not_written_out(text: str, tmp_path: Path) -> None:
    assert finding(tmp_path, "main.tf", text, "tf/unencrypted-storage").edit is None


def test_sarif_carries_the_change_as_a_fix(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('resource "aws_db_instance" "a" {\n  storage_encrypted = false # cheap\n}\n')
    report, verdict = judge(scan(tmp_path, ["infra"]), Config(), TODAY)

    written = json.loads(sarif.render(report, verdict, rules.load()))

    (fixed,) = [one for run in written["runs"] for one in run["results"] if one["ruleId"] == "tf/unencrypted-storage"]
    assert fixed["fixes"][0]["artifactChanges"][0]["replacements"] == [{
        "deletedRegion": {"startLine": 2, "startColumn": 23, "endLine": 2, "endColumn": 28},
        "insertedContent": {"text": "true"},
    }]  # fmt: skip


def test_an_edit_and_a_comment_come_through_a_child_process_and_a_saved_report(tmp_path: Path) -> None:
    comment = "# mlguard: ignore[tf/unencrypted-storage] synthetic until=2027-01-01"
    (tmp_path / "main.tf").write_text(
        f'resource "aws_db_instance" "a" {{\n  storage_encrypted = false  {comment}\n}}\n'
    )

    (one,) = [one for one in scan(tmp_path, ["infra"], processes=2).findings if one.rule == "tf/unencrypted-storage"]

    for finding_of in (one, codec.build(Finding, codec.encode(one))):
        assert finding_of.edit is not None
        assert finding_of.edit.location.line == 2
        assert finding_of.aside is not None
        assert finding_of.aside.reason == "synthetic"
