"""Comments in the scanned files that set findings aside."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlguard import ignores
from mlguard.config import Config
from mlguard.findings import Finding
from mlguard.gate import judge
from mlguard.triage import triage
from tests.scanning import scan

TODAY = datetime.date(2026, 11, 28)
BUCKET = """\
resource "aws_db_instance" "a" {{  {trailing}
  {inside}
  engine            = "postgres"
  {above}
  storage_encrypted = false  {beside}
}}

resource "aws_db_instance" "b" {{
  storage_encrypted = false
}}
"""


def findings(tmp_path: Path, name: str, text: str, config: Config | None = None) -> dict[int, Finding]:
    """Return the findings of tf/unencrypted-storage, or of the pages that the test asks for, by line."""
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    found = triage(scan(tmp_path, ["infra"]).findings, config or Config(), TODAY)
    return {one.location.line: one for one in found if one.rule in _RULES}


_RULES = (
    "tf/unencrypted-storage",
    "docker/unpinned-or-outdated-base",
    "k8s/privileged-container",
    "ci/unpinned-action",
)


def terraform(tmp_path: Path, config: Config | None = None, **places: str) -> Finding:
    text = BUCKET.format(**{"trailing": "", "inside": "", "above": "", "beside": "", **places})
    found = findings(tmp_path, "main.tf", text, config)
    assert found[9].state == "new", "the other resource keeps its finding"
    return found[5]


@pytest.mark.parametrize("place", ["trailing", "above", "beside"])
def test_our_comment_counts_on_the_line_above_it_and_at_the_head_of_the_block(tmp_path: Path, place: str) -> None:
    comment = "# mlguard: ignore[tf/unencrypted-storage] synthetic records only until=2027-01-31"

    found = terraform(tmp_path, **{place: comment})

    assert found.state == "ignored"
    assert "synthetic records only (until 2027-01-31)" in found.reason


@pytest.mark.parametrize(
    ("comment", "why"),
    [
        ("# mlguard: ignore[tf/unencrypted-storage] until=2027-01-31", "gives no reason"),
        ("# mlguard: ignore[tf/unencrypted-storage] synthetic records", "has no last day"),
        ("# mlguard: ignore[tf/unencrypted-storage] synthetic until=soon", "has a last day that is no date"),
        ("# mlguard: ignore[tf/unencrypted-storage] synthetic until=2026-11-27", "has expired"),
    ],
)
def test_a_comment_without_reason_or_day_does_not_count_and_says_so(tmp_path: Path, comment: str, why: str) -> None:
    found = terraform(tmp_path, above=comment)

    assert found.state == "new"
    assert why in found.reason


@pytest.mark.parametrize(
    "places",
    [
        {"inside": "# checkov:skip=CKV_AWS_16: synthetic records"},
        {"inside": "#checkov:skip=CKV_AWS_16,CKV_AWS_20:synthetic"},
        {"above": "# trivy:ignore:AVD-AWS-0080"},
        {"above": "#tfsec:ignore:AWS-0080"},
        {"beside": "#trivy:ignore:AWS-0080:exp:2027-01-01"},
        {"above": "# kics-scan ignore-line"},
    ],
)
def test_the_comments_of_other_tools_count_for_what_they_name(tmp_path: Path, places: dict[str, str]) -> None:
    assert terraform(tmp_path, **places).state == "ignored"


@pytest.mark.parametrize(
    "places",
    [
        {"inside": "# checkov:skip=CKV_AWS_999: another check"},
        {"above": "# trivy:ignore:AVD-AWS-0086"},
        {"beside": "#trivy:ignore:AWS-0080:exp:2026-01-01"},
        {"inside": "# kics-scan ignore-line"},
        {"above": "# mlguard: ignore[tf/public-storage] another rule until=2027-01-01"},
        {"above": 'description = "see mlguard: ignore[tf/unencrypted-storage] no comment until=2027-01-01"'},
    ],
)
def test_a_comment_about_something_else_sets_nothing_aside(tmp_path: Path, places: dict[str, str]) -> None:
    assert terraform(tmp_path, **places).state == "new"


def test_a_configuration_may_refuse_comments(tmp_path: Path) -> None:
    comment = "# checkov:skip=CKV_AWS_16: synthetic records"

    assert terraform(tmp_path, Config(comments="refuse"), inside=comment).state == "new"


def test_what_comments_set_aside_is_counted_in_the_verdict(tmp_path: Path) -> None:
    text = BUCKET.format(trailing="", inside="# checkov:skip=CKV_AWS_16: synthetic records", above="", beside="")
    (tmp_path / "main.tf").write_text(text)

    report, verdict = judge(scan(tmp_path, ["infra"]), replace(Config(), fail_on="low"), TODAY)

    assert any("by checkov:skip" in reason for reason in verdict.reasons)
    assert "tf/unencrypted-storage" in {finding.rule for finding in report.findings}


def test_hadolint_and_own_comments_count_above_the_instruction(tmp_path: Path) -> None:
    text = "# hadolint ignore=DL3007\nFROM python:latest\n"
    assert findings(tmp_path, "Dockerfile", text)[2].state == "ignored"

    text = "# mlguard: ignore[docker/unpinned-or-outdated-base] a trial until=2027-01-01\nFROM \\\n  python:latest\n"
    assert {one.state for one in findings(tmp_path, "Dockerfile", text).values()} == {"ignored"}


POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: a
  annotations:
    {note}
spec:
  containers:
    - name: a
      image: registry.example.org/a:1.0.0
      securityContext:
        privileged: true  {beside}
"""


@pytest.mark.parametrize(
    ("note", "beside"),
    [
        ("checkov.io/skip1: CKV_K8S_16=a driver", ""),
        ('ignore-check.kube-linter.io/privileged-container: "a driver"', ""),
        ("kube-linter.io/ignore-all: a driver", ""),
        ("a: b", "# mlguard: ignore[k8s/privileged-container] a driver until=2027-01-01"),
    ],
)
def test_annotations_of_an_object_count_for_it_and_not_for_the_next(tmp_path: Path, note: str, beside: str) -> None:
    text = (
        POD.format(note=note, beside=beside)
        + "---\n"
        + POD.format(note="a: b", beside="").replace("name: a", "name: b")
    )

    found = findings(tmp_path, "pod.yaml", text)

    assert [found[line].state for line in (12, 25)] == ["ignored", "new"]


def test_zizmor_comments_count_on_their_line(tmp_path: Path) -> None:
    text = """\
on: push
permissions: {}
jobs:
  a:
    runs-on: ubuntu-24.04
    steps:
      - uses: some/action@v1 # zizmor: ignore[unpinned-uses]
      - uses: some/other@v1
"""
    found = findings(tmp_path, ".github/workflows/a.yml", text)

    assert [found[line].state for line in (7, 8)] == ["ignored", "new"]


def test_a_comment_inside_a_block_of_text_counts() -> None:
    lines = ["run: |", "  # mlguard: ignore[ci/expression-injection] a number until=2027-01-01", "  echo ${{ x }}"]

    assert [(one.first, one.last) for one in ignores.comments(lines, "a.yml")] == [(2, 3)]


def test_a_comment_of_a_helm_template_counts_without_its_closing_marks() -> None:
    lines = ["{{- /* mlguard: ignore[k8s/privileged-container] a driver until=2027-01-01 */ -}}", "privileged: true"]

    (comment,) = ignores.comments(lines, "chart/templates/a.yaml")

    assert (comment.reason, comment.until, comment.last) == ("a driver", "2027-01-01", 2)


_DATABASE = "Type: AWS::RDS::DBInstance"
_JSON_SKIP = """{
  "Resources": {
    "A": {
      "Type": "AWS::RDS::DBInstance",
      "Metadata": {
        "checkov": {
          "skip": [
            {"id": "CKV_AWS_133", "comment": "none"},
            {
              "id": "CKV_AWS_16",
              "comment": "made-up data"
            }
          ]
        }
      },
      "Properties": {
        "StorageEncrypted": false
      }
    },
    "B": {
      "Type": "AWS::RDS::DBInstance",
      "Properties": {
        "StorageEncrypted": false
      }
    }
  }
}
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "a.yaml",
            f"""Resources:
  A:
    {_DATABASE}
    Metadata:
      checkov:
        skip:
        - id: CKV_AWS_133
          comment: none
        - comment: made-up data
          id: CKV_AWS_16
    Properties:
      StorageEncrypted: false
  B:
    {_DATABASE}
    Properties:
      StorageEncrypted: false
""",
        ),
        (
            "a.yaml",
            f"""Resources:
  A:
    {_DATABASE}
    Properties:
      StorageEncrypted: false
    Metadata: {{checkov: {{skip: [{{id: CKV_AWS_16, comment: made-up data}}]}}}}
  B:
    {_DATABASE}
    Properties:
      StorageEncrypted: false
""",
        ),
        ("a.json", _JSON_SKIP),
    ],
)
def test_metadata_of_a_resource_counts_for_it_alone(tmp_path: Path, name: str, text: str) -> None:
    found = [one for _, one in sorted(findings(tmp_path, name, text).items())]

    assert [one.state for one in found] == ["ignored", "new"]
    assert found[0].aside is not None and found[0].aside.reason == "made-up data"


@given(st.lists(st.text(max_size=60), max_size=30), st.sampled_from(["main.tf", "a.yaml", "Dockerfile", "a.py"]))
def test_any_lines_are_read(lines: list[str], path: str) -> None:
    for comment in ignores.comments([*lines, "# mlguard: ignore[a/b] x until=2027-01-01", *lines], path):
        assert 1 <= comment.first <= comment.last <= 2 * len(lines) + 1
