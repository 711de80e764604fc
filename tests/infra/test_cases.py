"""Cases beyond the examples of the rules' pages: every ``cases/*.md`` file, judged at the line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlguard import rules
from tests.pages import Example, trees
from tests.scanning import found, scan

FILES = sorted((Path(__file__).parent / "cases").glob("*.md"))
_HEADER = re.compile(r"<!--\s*rules:\s*(.*?)\s*-->", re.S)


def rules_of(text: str) -> set[str]:
    """Return the rules that a file of cases, or one case of it, is about: its comment ``<!-- rules: tf/x, tf/y -->``."""
    header = _HEADER.search(text)
    return set(re.findall(r"[a-z0-9/-]+", header.group(1))) if header else set()


def cases() -> list[tuple[str, Example, set[str]]]:
    result = []
    for file in FILES:
        text = file.read_text("utf-8")
        wanted = rules_of(text)
        parts = re.split(r"^### (.*)$", text, flags=re.M)
        own = {name: rules_of(body) for name, body in zip(parts[1::2], parts[2::2], strict=True)}
        result += [(f"{file.stem}: {tree.name}", tree, own.get(tree.name) or wanted) for tree in trees(file.stem, text)]
    return result


CASES = cases()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_file_of_cases_names_rules_that_exist_and_holds_every_case_under_its_own_name(file: Path) -> None:
    text = file.read_text("utf-8")
    names = [tree.name for tree in trees(file.stem, text)]

    assert rules_of(text), "begin the file with <!-- rules: area/slug, .. -->"
    assert rules_of(text) <= set(rules.load().rules)
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("tree", "wanted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_exactly_the_marked_lines_are_reported(tree: Example, wanted: set[str], tmp_path: Path) -> None:
    tree.write(tmp_path)

    report = scan(tmp_path, ["infra"])

    assert {mark[2] for mark in tree.expected} <= wanted, "a mark names a rule that the head of the file does not"
    assert [one for one in found(report) if one[2] in wanted] == sorted(set(tree.expected))
    assert [gap for gap in report.gaps if gap.kind in ("crash", "timeout")] == []
