"""Rule pages of the repository's own, and the command that runs their examples."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlguard.cli.commands import group
from mlguard.errors import UsageError
from mlguard.examples import trees
from mlguard.scanners import own
from mlguard.scanners.infra import conditions, inventory
from mlguard.scanners.infra.operators import NEGATED, OPERATORS

PAGE = """\
---
title: Training node without a price limit
severity: low
confidence: high
scanner: infra
message: "{resource} has no price limit."
fix: "Set spot_price."
controls: []
on_fail: gap
on_pass: none
since: "1"
checks:
  price:
    select: {kind: aws_spot_instance_request}
    require: {path: spot_price, op: exists}
---
## Why it matters
Costs.

## Bad
```hcl
resource "aws_spot_instance_request" "t" {  # expect: org/no-price-limit
  instance_type = "g5.xlarge"
}
```

## Good
```hcl
resource "aws_spot_instance_request" "t" {
  spot_price = "0.5"
}
```
"""


def page(tmp_path: Path, text: str = PAGE, name: str = "org/no-price-limit.md") -> Path:
    file = tmp_path / "compliance" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file.parent.parent


def outcome_of(folder: Path) -> tuple[int, str]:
    result = CliRunner().invoke(group, ["rules", "test", str(folder)], standalone_mode=False)
    return (result.return_value if result.exception is None else 2), result.output + str(result.exception or "")


def test_a_page_whose_examples_hold_passes(tmp_path: Path) -> None:
    code, told = outcome_of(page(tmp_path))

    assert (code, told.splitlines()) == (0, ["ok     org/no-price-limit", "1 of 1 pages hold what they say."])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("op: exists", "op: absent"), "Bad, Bad: main.tf:1 is not reported"),
        (("op: exists", "op: absent"), "Good, Good: main.tf:2 is reported, and not marked"),
        (("  # expect: org/no-price-limit", ""), "Bad, Bad: main.tf:1 is reported, and not marked"),
        (("## Good", "## Other"), "there is no example under Good"),
        (("checks:\n", "checks:\n  other: {select: {kind: aws_eip}, require: {path: a, op: exists}}\n"), "no Bad example shows the check 'other'"),
        (('instance_type = "g5.xlarge"', "instance_type = = ="), "not valid HCL"),
    ],
)  # fmt: skip
def test_a_page_that_does_not_hold_says_where(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    code, output = outcome_of(page(tmp_path, PAGE.replace(*change)))

    assert code == 1
    assert told in output


@pytest.mark.parametrize(
    ("change", "line", "told"),
    [
        (("op: exists", "op: exist"), 15, "unknown operator 'exist'"),
        (("require:", "requires:"), 13, "unknown key 'requires'"),
        (("{path: spot_price, op: exists}", "{all: [{path: a, op: exists}, {path: 'a[', op: exists}]}"), 15, "cannot be read"),
        (("{path: spot_price, op: exists}", "{path: a, op: matches, value: '('}"), 15, "is not valid"),
    ],
)  # fmt: skip
def test_a_condition_that_is_wrong_is_told_with_page_and_line(
    tmp_path: Path, change: tuple[str, str], line: int, told: str
) -> None:
    folder = page(tmp_path, PAGE.replace(*change))

    with pytest.raises(UsageError, match=rf"no-price-limit\.md, line {line}: .*{told}"):
        own.read(folder)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("scanner: infra", "scanner: data"), "judged by infra or code"),
        (("controls: []", "controls: [GDPR-0]"), "there is no control 'GDPR-0'"),
        (("severity: low", "severity: bad"), "severity is 'bad'"),
        (("---\ntitle", "title"), "begins with front matter"),
        (("  price:\n", "  price:\n    severity: high\n"), "may only be milder"),
    ],
)
def test_a_page_that_cannot_be_used_is_refused(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    folder = page(tmp_path, PAGE.replace(*change))

    with pytest.raises(UsageError, match=told):
        own.catalogue.__wrapped__(str(folder))


def test_a_page_may_not_take_the_place_of_a_shipped_rule(tmp_path: Path) -> None:
    folder = page(tmp_path, PAGE, "tf/public-storage.md")

    with pytest.raises(UsageError, match="mlguard has a rule tf/public-storage already"):
        own.catalogue.__wrapped__(str(folder))


def test_a_scan_judges_by_pages_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page(tmp_path)
    (tmp_path / "mlguard.yaml").write_text("version: 1\nrules: compliance\ngate: {fail_on: low}\n")
    (tmp_path / "main.tf").write_text('resource "aws_spot_instance_request" "t" {\n  instance_type = "g5.xlarge"\n}\n')
    monkeypatch.chdir(tmp_path)

    scanned = CliRunner().invoke(group, ["scan", ".", "--scanner", "infra"], standalone_mode=False)
    explained = CliRunner().invoke(group, ["explain", "org/no-price-limit"], standalone_mode=False)

    assert "org/no-price-limit" in scanned.output
    assert "has no price limit" in scanned.output
    assert "Training node without a price limit" in explained.output


def test_an_example_writes_no_file_outside_its_tree() -> None:
    with pytest.raises(UsageError, match="outside its tree"):
        trees("Bad", "```yaml file=../../x.yaml\na: b\n```\n")


def test_a_page_may_leave_out_what_a_finding_means_for_controls(tmp_path: Path) -> None:
    text = PAGE
    for line in ("confidence: high", "scanner: infra", "controls: []", "on_fail: gap", "on_pass: none", 'since: "1"'):
        text = text.replace(f"{line}\n", "")

    assert outcome_of(page(tmp_path, text))[0] == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("title: Training node without a price limit\n", ""), "md: the key 'title' is missing"),
        (("fix: ", "fixx: "), "md, line 7: unknown key 'fixx'; did you mean 'fix'"),
        (("severity: low", "severity: bad"), "md, line 3: severity is 'bad'"),
        (("controls: []", "controls: GDPR-0"), "md, line 8: controls is a list, not 'GDPR-0'"),
        (("op: exists}", "op: exists]"), "md, line 15: the front matter is not valid YAML"),
    ],
)
def test_a_mistake_in_the_front_matter_is_told_with_page_line_and_key(
    tmp_path: Path, change: tuple[str, str], told: str
) -> None:
    code, output = outcome_of(page(tmp_path, PAGE.replace(*change)))

    assert code == 2
    assert told in output


def test_the_language_is_described_with_every_operator_key_and_own_name() -> None:
    told = CliRunner().invoke(group, ["rules", "language"], standalone_mode=False).output

    for name in (
        *OPERATORS,
        *NEGATED,
        *conditions._CHECK_KEYS,
        *inventory._OWN,
        "value_of",
        "default",
        "$json",
        "param",
    ):
        assert re.search(rf"(?<![\w$]){re.escape(name)}(?!\w)", told), name


def test_one_check_is_explained_with_its_conditions() -> None:
    told = CliRunner().invoke(group, ["explain", "tf/public-storage/bucket-acl"], standalone_mode=False)
    other = CliRunner().invoke(group, ["explain", "tf/public-storage/nothing"], standalone_mode=False)

    assert "public-read" in told.output and "forbid:" in told.output
    assert "has no check 'nothing'; it has" in str(other.exception)


def test_resources_are_shown_as_conditions_name_them_without_their_values(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(
        'variable "name" {}\n\nresource "aws_db_instance" "d" {\n  identifier = var.name\n  password   = "Sup3rSecretPa55w0rd"\n'
        '  tags       = { "data.class" = "personal" }\n}\n'
    )

    told = CliRunner().invoke(group, ["rules", "resources", str(tmp_path)], standalone_mode=False).output

    assert "main.tf:3  aws_db_instance.d\n  kind aws_db_instance\n  classes store" in told
    assert "    identifier  not known: var.name\n    password\n    tags['data.class']\n" in told
    assert "Sup3r" not in told and "personal" not in told
