"""Whole projects that a careful engineer would write get no finding above a note, and gaps only where something is open."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.pages import Example, trees
from tests.scanning import found, scan

FILES = sorted((Path(__file__).parent / "good").glob("*.md"))
PROJECTS = [tree for file in FILES for tree in trees(file.stem, file.read_text("utf-8"))]

OPEN = {
    "a platform for machine learning on AWS, with modules and variables without defaults": [
        ("live/versions.tf", "settings of the backend that are given on the command line"),
    ],
    "an EKS cluster with nodes, roles of service accounts and a registry": [
        ("main.tf", "var.office_cidrs"),
    ],
    "modules of the registry on AWS": [
        ("main.tf", "module.vpc.private_subnets_cidr_blocks"),
        ("main.tf", "4 modules come from a registry or another repository and cannot be looked into"),
    ],
    "CloudFormation of a data store": [
        ("template.yaml", "the region of the stack"),
    ],
}
"""What nothing in the project tells, each cause once."""


@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.name)
def test_a_well_made_project_gets_notes_at_most(project: Example, tmp_path: Path) -> None:
    project.write(tmp_path)

    report = scan(tmp_path, ["infra"])

    assert [(f.location.path, f.location.line, f.rule, f.check) for f in report.findings if f.severity != "low"] == []
    assert found(report) == sorted(set(project.expected))
    causes = [(gap.path, re.sub(r"^\d+ checks? needs? ", "", gap.reason)) for gap in report.gaps]
    assert causes == OPEN.get(project.name, [])
