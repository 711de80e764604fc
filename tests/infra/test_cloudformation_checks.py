"""Every rule on AWS finds in a template what it finds in Terraform, at the line of the property or of the logical id."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.scanning import found, scan

HEAD = "AWSTemplateFormatVersion: '2010-09-09'\nResources:\n"

# A rule, and a resource of a template with "# expect" at the lines that are found.
BAD: list[tuple[str, str]] = []
GOOD: list[tuple[str, str]] = []


def _take(rule: str, text: str) -> None:
    """Enter the parts of a text, which are separated by lines of dashes; a part without a mark must not be found."""
    for part in re.split(r"^---\n", text.strip("\n") + "\n", flags=re.M):
        (BAD if "# expect" in part else GOOD).append((rule, part))


CASES = Path(__file__).with_name("cloudformation_cases.txt").read_text(encoding="utf-8")
for _section in re.split(r"^=== ", CASES, flags=re.M)[1:]:
    _name, _, _text = _section.partition("\n")
    _take(_name.strip(), _text)


def lines(tmp_path: Path, rule: str, part: str) -> list[int]:
    (tmp_path / "template.yaml").write_text(HEAD + part, encoding="utf-8")
    return sorted({line for _, line, _ in found(scan(tmp_path, ("infra",)), rule)})


@pytest.mark.parametrize(("rule", "part"), BAD)
def test_a_template_is_found_at_the_line(tmp_path: Path, rule: str, part: str) -> None:
    wanted = [number for number, line in enumerate((HEAD + part).splitlines(), 1) if "# expect" in line]

    assert lines(tmp_path, rule, part) == wanted


@pytest.mark.parametrize(("rule", "part"), GOOD)
def test_a_template_that_is_fine_is_not_found(tmp_path: Path, rule: str, part: str) -> None:
    assert lines(tmp_path, rule, part) == []
