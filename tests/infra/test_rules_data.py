"""Rules on encryption, public access, lifecycle and backup, where a page's examples cannot say it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlguard.assess.stores import told
from mlguard.declarations import Declaration
from mlguard.findings import Finding
from mlguard.scanners.infra.declared import marked, plain
from mlguard.scanners.infra.resources import Position, Resource
from tests.scanning import scan


def findings(tmp_path: Path, rule: str, **files: str) -> list[Finding]:
    for name, text in files.items():
        (tmp_path / name.replace("__", ".")).write_text(text)
    return [one for one in scan(tmp_path, ["infra"]).findings if one.rule == rule]


def bucket(name: str, tags: str = "") -> str:
    return f'resource "aws_s3_bucket" "{name}" {{\n  bucket = "acme-{name}"\n{tags}}}\n'


PRIVACY = """
version: 0
datasets:
  - {{id: d1, location: ["s3://acme-lake"], retention: {{period: {period}, action: delete}}, store: lake}}
stores:
  - {{id: lake, kind: s3, ref: "{ref}", class: {data_class}, region: eu-central-1, environment: prod}}
"""


@pytest.mark.parametrize(
    ("tags", "severity"),
    [
        ("", ["low"]),
        ('  tags = { data-classification = "personal" }\n', ["medium"]),
        ('  tags = { data-classification = "public" }\n', []),
    ],
)
def test_a_missing_key_is_as_bad_as_the_data_and_a_note_where_nobody_says_what_the_data_is(
    tmp_path: Path, tags: str, severity: list[str]
) -> None:
    found = findings(tmp_path, "tf/missing-customer-managed-key", main__tf=bucket("lake", tags))

    assert [one.severity for one in found] == severity


def test_the_declaration_gives_a_store_its_class(tmp_path: Path) -> None:
    declared = PRIVACY.format(period="P1Y", ref="s3://acme-lake/raw", data_class="special")

    found = findings(tmp_path, "tf/missing-customer-managed-key", main__tf=bucket("lake"), privacy__yaml=declared)

    assert [one.severity for one in found] == ["medium"]


def test_a_store_that_is_declared_as_public_is_not_asked_for_a_key(tmp_path: Path) -> None:
    declared = PRIVACY.format(period="P1Y", ref="acme-lake", data_class="public")

    assert findings(tmp_path, "tf/missing-customer-managed-key", main__tf=bucket("lake"), privacy__yaml=declared) == []


def test_a_policy_without_a_word_on_tls_is_a_note_until_the_bucket_holds_protected_data(tmp_path: Path) -> None:
    policy = 'resource "aws_s3_bucket_policy" "p" {\n  bucket = aws_s3_bucket.lake.id\n  policy = jsonencode({ Statement = [] })\n}\n'
    tags = '  tags = { data-classification = "special" }\n'
    rule = "tf/unenforced-transport-encryption"

    plain_bucket = findings(tmp_path, rule, main__tf=bucket("lake") + policy)
    classified = findings(tmp_path, rule, main__tf=bucket("lake", tags) + policy)

    assert [(one.severity, one.location.line) for one in plain_bucket] == [("low", 4)]
    assert [(one.severity, one.location.line) for one in classified] == [("high", 5)]


@pytest.mark.parametrize(
    ("days", "period", "reported"),
    [
        (365, "P1Y", False),
        (366, "P1Y", False),
        (367, "P1Y", True),
        (35, "P1M", True),
        (90, "P3M", False),
        (1, "", False),
    ],
)
def test_a_lock_is_too_long_when_it_outlives_the_declared_retention(
    tmp_path: Path, days: int, period: str, reported: bool
) -> None:
    lock = (
        'resource "aws_s3_bucket_object_lock_configuration" "l" {\n  bucket = aws_s3_bucket.lake.id\n  rule {\n'
        f'    default_retention {{\n      mode = "COMPLIANCE"\n      days = {days}\n    }}\n  }}\n}}\n'
    )
    declared = PRIVACY.format(period=period, ref="acme-lake", data_class="personal") if period else "version: 0\n"

    found = findings(tmp_path, "tf/deletion-leaves-copies", main__tf=bucket("lake") + lock, privacy__yaml=declared)

    assert [one.check for one in found] == (["object-lock"] if reported else [])


def test_a_key_in_plain_text_is_never_shown(tmp_path: Path) -> None:
    key = "SGVsbG8gZnJvbSBHb29nbGUgQ2xvdWQgUGxhdGZvcm0="
    text = f'resource "google_compute_disk" "d" {{\n  name = "d"\n  disk_encryption_key {{\n    raw_key = "{key}"\n  }}\n}}\n'

    found = findings(tmp_path, "tf/missing-customer-managed-key", main__tf=text)

    assert [one.check for one in found] == ["plain-disk-key"]
    assert key not in repr(found)


def test_an_unknown_switch_is_a_gap_and_neither_a_finding_nor_a_proof(tmp_path: Path) -> None:
    text = 'variable "on" {}\nresource "aws_efs_file_system" "fs" {\n  encrypted = var.on\n}\n'
    (tmp_path / "main.tf").write_text(text)

    report = scan(tmp_path, ["infra"])

    assert [one for one in report.findings if one.rule == "tf/unencrypted-storage"] == []
    assert any(gap.kind == "unresolved" and "var.on" in gap.reason for gap in report.gaps)


def test_a_declaration_is_told_by_what_stores_are_called_and_the_longest_period_counts() -> None:
    body = {
        "datasets": [
            {"id": "a", "store": "lake", "retention": {"period": "P1Y6M", "action": "delete"}},
            {"id": "b", "store": "lake", "retention": {"period": "P2W", "action": "delete"}},
            {"id": "c"},
        ],
        "stores": [{"id": "lake", "ref": "arn:aws:s3:::acme-lake", "class": "personal"}, {"id": "x", "ref": 7}],
    }

    assert told(Declaration("privacy.yaml", body, {})) == {
        "stores": {"acme-lake": {"class": "personal", "days": 366 + 6 * 31}},
        "longest": 366 + 6 * 31,
    }


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        ("acme", "acme"),
        ("s3://acme/raw/x", "acme"),
        ("arn:aws:s3:::acme", "acme"),
        ("postgres://db.example/x", "db.example"),
    ],
)
def test_the_name_in_an_address_of_a_store(ref: str, name: str) -> None:
    assert plain(ref) == name


def test_resources_are_left_alone_without_a_declaration() -> None:
    one = Resource("aws_s3_bucket", "a", "aws_s3_bucket.a", "main.tf", {"bucket": "a"}, {(): Position(1)})

    assert marked([one], {}) == [one]
    assert marked([one], {"declared": {"stores": {}, "longest": 0}}) == [one]
