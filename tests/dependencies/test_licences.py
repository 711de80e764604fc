"""Licences of packages are read as SPDX means them and compared with the policy of the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard.scanners.dependencies import licences
from mlguard.scanners.dependencies.licences import Policy
from tests.scanning import scan

RULE = "dep/license-conflict"
OPEN = Policy(("MIT", "Apache-2.0", "BSD-*", "ISC", "PSF-2.0"), ("AGPL-*",))


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("MIT", "MIT"), ("MIT License", "MIT"), ("The MIT License (MIT)", "MIT"), ("Apache 2.0", "Apache-2.0"), ("apache-2.0", "Apache-2.0"),
        ("Apache License, Version 2.0", "Apache-2.0"), ("License :: OSI Approved :: BSD License", "BSD-3-Clause"),
        ("License :: OSI Approved :: GNU Affero General Public License v3", "AGPL-3.0-only"), ("GPLv3", "GPL-3.0-only"),
        ("MIT OR Apache-2.0", "MIT OR Apache-2.0"), ("mit or apache-2.0", "MIT OR Apache-2.0"), ("(MIT OR GPL-3.0-only) AND ISC", "(MIT OR GPL-3.0-only) AND ISC"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"), ("LicenseRef-Own", "LicenseRef-Own"),
        ("Copyright 2024 Somebody, all rights reserved", ""), ("see LICENSE", ""), ("UNKNOWN", ""), ("", ""), ("((", ""), ("MIT AND", ""),
        ("AND MIT", ""), ("MIT Apache-2.0", ""), ("(" * 200 + "MIT" + ")" * 200, ""), ("x" * 10_000, ""),
    ],
)  # fmt: skip
def test_what_metadata_state_becomes_an_expression(text: str, expression: str) -> None:
    assert licences.stated(text) == expression


@pytest.mark.parametrize(
    ("expression", "refused"),
    [
        ("MIT", ()), ("BSD-2-Clause", ()), ("GPL-3.0-only", ("GPL-3.0-only",)), ("MIT OR GPL-3.0-only", ()), ("MIT AND GPL-3.0-only", ("GPL-3.0-only",)),
        ("(GPL-3.0-only OR LGPL-3.0-only) AND MIT", ("GPL-3.0-only", "LGPL-3.0-only")), ("AGPL-3.0-or-later", ("AGPL-3.0-or-later",)),
        ("AGPL-3.0-only OR MIT", ()),
    ],
)  # fmt: skip
def test_one_of_several_is_enough_and_all_of_several_are_asked(expression: str, refused: tuple[str, ...]) -> None:
    tree = licences.parse(expression)

    assert tree is not None and licences.refused(tree, OPEN) == refused


@pytest.mark.parametrize("pattern", ["GPL-3.0", "gpl-3.0-only", "GPL-*", "*GPL*"])
def test_policy_means_licences_with_and_without_their_endings(pattern: str) -> None:
    assert licences.refused("GPL-3.0-only", Policy((), (pattern,))) == ("GPL-3.0-only",)
    assert licences.refused("MIT", Policy((), (pattern,))) == ()


def test_denied_stays_denied_whatever_is_allowed() -> None:
    assert licences.refused("AGPL-3.0-only", Policy(("*",), ("AGPL-*",))) == ("AGPL-3.0-only",)


def _policy(**licenses: object) -> dict[str, dict[str, object]]:
    return {"dependencies": {"licenses": licenses}}


def _found(root: Path, policy: dict[str, dict[str, object]]) -> list[tuple[str, int, str]]:
    report = scan(root, ["dependencies"], settings=policy)
    return [(f.location.path, f.location.line, str(f.facts["package"])) for f in report.findings if f.rule == RULE]


def test_metadata_of_an_environment_come_before_the_table(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("numpy==2.0.0\nchurnlib==1.0\n")
    for name, version, licence in (
        ("numpy", "2.0.0", "License-Expression: GPL-3.0-only"),
        ("churnlib", "1.0", "License-Expression: MIT"),
    ):
        folder = tmp_path / f"env/{name}-{version}.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{licence}\n")

    assert _found(tmp_path, _policy(allow=["MIT"])) == [("requirements.txt", 1, "numpy")]


def test_unknown_licence_is_a_gap_with_a_policy_and_nothing_without(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("churn-features==1.0\n")

    asked, unasked = scan(tmp_path, ["dependencies"], settings=_policy(allow=["MIT"])), scan(tmp_path, ["dependencies"])

    assert [gap.path for gap in asked.gaps if "licence" in gap.reason] == ["requirements.txt"]
    assert [gap for gap in unasked.gaps if "licence" in gap.reason] == []


def test_what_the_configuration_says_of_a_package_counts(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("churn-features==1.0\nultralytics==8.0.0\n")
    packages = {"Churn_Features": "Apache-2.0", "ultralytics": "LicenseRef-Bought"}

    report = scan(
        tmp_path, ["dependencies"], settings=_policy(allow=["Apache-2.0", "LicenseRef-Bought"], packages=packages)
    )

    assert [finding for finding in report.findings if finding.rule == RULE] == []
    assert [gap for gap in report.gaps if "licence" in gap.reason] == []


def test_finding_says_that_the_licence_is_from_the_table(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("ultralytics==8.0.0\n")

    report = scan(tmp_path, ["dependencies"], settings=_policy(deny=["AGPL-*"]))

    assert ["by our table" in finding.message for finding in report.findings if finding.rule == RULE] == [True]


@given(st.text(alphabet="MITGPL-2.0 ()ANDORWH+", max_size=80))
@settings(max_examples=300, deadline=None)
def test_any_text_is_an_expression_or_none(text: str) -> None:
    tree = licences.parse(text)

    if tree is not None:
        assert isinstance(licences.refused(tree, OPEN), tuple)
