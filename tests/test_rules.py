"""Each rule's page carries the examples that prove it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mlguard import rules
from mlguard.scanners import BUILT_IN
from tests.pages import examples
from tests.scanning import found, scan

CATALOGUE = rules.load()
PAGES = sorted(CATALOGUE.rules)


def scanners_for(rule: rules.Rule) -> list[str]:
    conditions = ["infra"] if any("select" in check for check in rule.checks.values()) else []
    return list(dict.fromkeys([rule.scanner, *conditions])) if rule.scanner in BUILT_IN else list(BUILT_IN)


@pytest.mark.parametrize("rule_id", PAGES)
def test_bad_examples_are_reported_on_the_marked_lines_and_nowhere_else(rule_id: str, tmp_path: Path) -> None:
    rule = CATALOGUE.rules[rule_id]
    trees = examples(rule, "Bad")
    assert trees, "the page has no Bad example"
    for number, tree in enumerate(trees):
        root = tmp_path / str(number)
        tree.write(root)

        report = scan(root, scanners_for(rule), history=bool(tree.past))

        expected = sorted({mark for mark in tree.expected if mark[2] == rule_id})
        assert expected, f"no line of {tree.name!r} is marked with expect: {rule_id}"
        assert found(report, rule_id) == expected, tree.name
        assert set(tree.expected) <= set(found(report)), tree.name
        assert [gap for gap in report.gaps if gap.kind in ("crash", "timeout")] == []


@pytest.mark.parametrize("rule_id", PAGES)
def test_good_examples_are_not_reported(rule_id: str, tmp_path: Path) -> None:
    rule = CATALOGUE.rules[rule_id]
    trees = examples(rule, "Good")
    assert trees, "the page has no Good example"
    for number, tree in enumerate(trees):
        root = tmp_path / str(number)
        tree.write(root)

        report = scan(root, scanners_for(rule), history=bool(tree.past))

        assert found(report, rule_id) == [], tree.name
        assert [gap for gap in report.gaps if gap.kind in ("crash", "timeout")] == []


@pytest.mark.parametrize("rule_id", PAGES)
def test_page_is_complete(rule_id: str) -> None:
    rule = CATALOGUE.rules[rule_id]
    headings = [line[3:] for line in rule.body.split("\n") if line.startswith("## ")]

    assert [heading for heading in headings if heading in rules.SECTIONS] == list(rules.SECTIONS)
    assert set(headings) <= {*rules.SECTIONS, "What it cannot see"}
    assert "http" in rules.section(rule, "Sources"), "name a primary source"
    assert rule.title[0].isupper() and not rule.title.endswith(".")
    assert rule.message.endswith(".")
    assert rule.fix.endswith(".")
    assert not any("{" in rules.fix_for(rule, check) for check in rule.checks), "a fix has no placeholders"
    assert set(rule.controls) <= set(CATALOGUE.controls), "unknown control"


def test_every_rule_that_a_control_requires_names_that_control() -> None:
    wrong = [
        (control_id, rule_id)
        for control_id, control in CATALOGUE.controls.items()
        for rule_id in control["required"]
        if rule_id in CATALOGUE.rules and control_id not in CATALOGUE.rules[rule_id].controls
    ]

    assert wrong == []


def test_compiled_form_is_the_pages(tmp_path: Path) -> None:
    pages = rules.folder()
    front = yaml.safe_load((pages / f"{PAGES[0]}.md").read_text().split("---\n")[1])

    assert front["title"] == CATALOGUE.rules[PAGES[0]].title
