"""Scores are those that FIRST publishes for its examples."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard.scanners.dependencies import cvss, cvss4
from mlguard.scanners.dependencies.osv import claims
from tests.dependencies.records import record


@pytest.mark.parametrize(
    ("vector", "score"),
    [
        # the user guide of version 4.0, examples, and the specification of version 2, section 3.3
        ("CVSS:4.0/AV:L/AC:L/AT:N/PR:L/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 8.5),
        ("CVSS:4.0/AV:N/AC:L/AT:P/PR:N/UI:P/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 7.7),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 9.3),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", 10.0),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N", 0.0),
        ("CVSS:4.0/AV:P/AC:H/AT:P/PR:H/UI:A/VC:L/VI:L/VA:L/SC:L/SI:L/SA:L", 1.0),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/E:U", 8.1),
        ("AV:N/AC:L/Au:N/C:N/I:N/A:C", 7.8),
        ("AV:N/AC:L/Au:N/C:C/I:C/A:C", 10.0),
        ("AV:L/AC:H/Au:N/C:C/I:C/A:C", 6.2),
        ("(AV:N/AC:M/Au:N/C:P/I:P/A:P)", 6.8),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N", None),
        ("CVSS:4.0/AV:X/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", None),
        ("CVSS:4.0/AV:N/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", None),
        ("CVSS:9.9/AV:N", None),
        ("AV:N/AC:L/Au:N", None),
        ("", None),
    ],
)
def test_score_is_the_published_one(vector: str, score: float | None) -> None:
    assert cvss.score(vector) == score


VALUES = {**cvss4._BASE, "E": "XAPU", "CR": "XHML", "IR": "XHML", "AR": "XHML"}


@given(st.fixed_dictionaries({name: st.sampled_from(values) for name, values in VALUES.items()}))
@settings(max_examples=500, deadline=None)
def test_worse_impact_never_lowers_the_score(chosen: dict[str, str]) -> None:
    worse = {**chosen, "VC": "H", "VI": "H", "VA": "H"}
    mild, bad = (cvss.score("CVSS:4.0/" + "/".join(f"{k}:{v}" for k, v in one.items())) for one in (chosen, worse))

    assert mild is not None and bad is not None
    assert 0.0 <= mild <= bad <= 10.0


@pytest.mark.parametrize(
    ("more", "level"),
    [
        ({}, "unknown"),
        ({"severity": []}, "unknown"),
        ({"severity": "high"}, "unknown"),
        ({"severity": [{"type": "CVSS_V4", "score": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"}]}, "critical"),
        ({"severity": [{"type": "CVSS_V2", "score": "AV:N/AC:M/Au:N/C:P/I:P/A:P"}]}, "medium"),
        ({"severity": [{"type": "CVSS_V3", "score": 9.8}]}, "unknown"),
        ({"severity": [{"type": "CVSS_V3", "score": "9.8"}]}, "critical"),
        ({"severity": [{"type": "CVSS_V3", "score": "broken"}], "database_specific": {"severity": "LOW"}}, "low"),
        ({"severity": ["x", None, {"score": None}]}, "unknown"),
        ({"database_specific": {"severity": ["HIGH"]}}, "unknown"),
        ({"database_specific": {"severity": "moderate"}}, "medium"),
    ],
)  # fmt: skip
def test_level_is_the_worst_that_can_be_read(more: dict[str, object], level: str) -> None:
    (claim,) = claims(record("PYSEC-1", **more))

    assert claim.level == level
