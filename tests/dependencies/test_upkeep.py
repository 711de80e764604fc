"""A bill of materials must be there and fit the packages, and updates or audits must come by themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard.assess.upkeep import BILL, UPDATES
from mlguard.findings import Report
from mlguard.scanners.dependencies import upkeep
from tests.scanning import found, scan

PINS = "frobnicate==1.4.0\nTensor_Lib==2.0\n"


def tree(root: Path, **files: str | bytes) -> Report:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return scan(root, ["dependencies"])


def cyclonedx(*packages: tuple[str, str]) -> str:
    components = [
        {"type": "library", "name": name, "version": version, "purl": f"pkg:pypi/{name}@{version}"}
        for name, version in packages
    ]
    return json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components})


def spdx(*packages: tuple[str, str]) -> str:
    listed = [
        {"name": name, "versionInfo": version, "externalRefs": [{"referenceLocator": f"pkg:pypi/{name}@{version}"}]}
        for name, version in packages
    ]
    return json.dumps({"spdxVersion": "SPDX-2.3", "packages": listed})


def spdx3(*packages: tuple[str, str]) -> str:
    listed = [
        {"type": "software_Package", "name": name, "software_packageUrl": f"pkg:pypi/{name}@{version}"}
        for name, version in packages
    ]
    return json.dumps({"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": listed})


FITS = (("frobnicate", "1.4.0"), ("tensor-lib", "2.0"), ("more", "1"))
FORMS = {"bom.json": cyclonedx, "app.cdx.json": cyclonedx, "sbom.spdx.json": spdx, "spdx.json": spdx3}


@pytest.mark.parametrize("name", FORMS)
def test_bill_that_lists_every_pin_is_a_document(tmp_path: Path, name: str) -> None:
    report = tree(tmp_path, **{"requirements.txt": PINS, name: FORMS[name](*FITS)})

    assert found(report, BILL) == []
    assert [proof.path for proof in report.proofs if proof.rule == BILL] == [name]


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("packages", [(("frobnicate", "1.4.0"),), (("frobnicate", "1.5.0"), ("tensor-lib", "2.0")), ()])
def test_bill_that_lacks_a_pin_or_has_another_version_is_stale(
    tmp_path: Path, name: str, packages: tuple[tuple[str, str], ...]
) -> None:
    report = tree(tmp_path, **{"requirements.txt": PINS, name: FORMS[name](*packages)})

    assert found(report, BILL) == [(name, 1, BILL)]
    assert {finding.check for finding in report.findings if finding.rule == BILL} == {"stale"}


def test_components_inside_others_count(tmp_path: Path) -> None:
    inner = json.loads(cyclonedx(*FITS))["components"]
    bill = json.dumps(
        {"bomFormat": "CycloneDX", "components": [{"type": "application", "name": "a", "components": inner}]}
    )

    assert found(tree(tmp_path, **{"requirements.txt": PINS, "bom.json": bill}), BILL) == []


def test_lock_counts_rather_than_the_ranges_beside_it(tmp_path: Path) -> None:
    lock = 'version = 1\n\n[[package]]\nname = "frobnicate"\nversion = "1.4.0"\nsource = { registry = "https://index.example.org/simple" }\n'
    project = '[project]\nname = "a"\nversion = "1"\ndependencies = ["frobnicate"]\n'

    report = tree(
        tmp_path, **{"uv.lock": lock, "pyproject.toml": project, "bom.json": cyclonedx(("frobnicate", "1.3.0"))}
    )
    bare = tree(tmp_path / "bare", **{"uv.lock": lock, "pyproject.toml": project})

    assert found(report, BILL) == [("bom.json", 1, BILL)]
    assert found(bare, BILL) == [("uv.lock", 1, BILL)]


@pytest.mark.parametrize(
    "step",
    [
        "cyclonedx-py environment -o bom.json",
        "uses: anchore/sbom-action@v0",
        "syft . -o spdx-json",
        "mlguard scan -o cyclonedx=bom.json",
    ],
)
def test_pipeline_that_makes_a_bill_is_a_document(tmp_path: Path, step: str) -> None:
    assert (
        found(
            tree(
                tmp_path,
                **{
                    "requirements.txt": PINS,
                    ".github/workflows/release.yml": f"on: push\njobs: {{a: {{steps: [{{run: '{step}'}}]}}}}\n",
                },
            ),
            BILL,
        )
        == []
    )


def test_bill_in_another_form_is_a_gap_and_no_finding(tmp_path: Path) -> None:
    report = tree(tmp_path, **{"requirements.txt": PINS, "bom.xml": "<bom/>"})

    assert found(report, BILL) == []
    assert [gap.path for gap in report.gaps if "bill of materials" in gap.reason] == ["bom.xml"]


def test_file_of_that_name_that_is_no_bill_does_not_count(tmp_path: Path) -> None:
    assert found(tree(tmp_path, **{"requirements.txt": PINS, "bom.json": "[1, 2]"}), BILL) == [
        ("requirements.txt", 1, BILL)
    ]


def test_tree_without_packages_needs_neither(tmp_path: Path) -> None:
    report = tree(
        tmp_path,
        **{
            "a.py": "print(1)\n",
            "Dockerfile": "FROM scratch\n",
            "pyproject.toml": '[build-system]\nrequires = ["hatchling"]\n',
        },
    )

    assert found(report, BILL) == found(report, UPDATES) == []


KEPT = {
    ".github/dependabot.yml": "version: 2\nupdates: []\n", ".github/dependabot.yaml": "version: 2\n", "renovate.json": "{}", "renovate.json5": "{}",
    ".github/renovate.json": "{}", ".renovaterc": "{}", ".renovaterc.json": "{}", ".pyup.yml": "schedule: weekly\n",
    ".github/workflows/audit.yml": "on:\n  schedule:\n    - cron: '0 4 * * 1'\njobs: {a: {steps: [{run: pip-audit}]}}\n",
    ".github/workflows/osv.yml": "on:\n  schedule:\n    - cron: '0 4 * * 1'\njobs: {a: {uses: google/osv-scanner-action/x@v1}}\n",
    ".github/workflows/review.yml": "on: pull_request\njobs: {a: {steps: [{uses: actions/dependency-review-action@v4}]}}\n",
    ".gitlab-ci.yml": "audit:\n  rules: [{if: $CI_PIPELINE_SOURCE == \"schedule\"}]\n  script: [mlguard scan]\n",
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_bot_or_audit_by_a_schedule_is_a_document(tmp_path: Path, name: str) -> None:
    report = tree(tmp_path, **{"requirements.txt": PINS, name: KEPT[name]})

    assert found(report, UPDATES) == []
    assert [proof.path for proof in report.proofs if proof.rule == UPDATES] == [name]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".github/workflows/ci.yml", "on: push\njobs: {a: {steps: [{run: pip-audit}]}}\n"),
        (".github/workflows/ci.yml", "on:\n  schedule:\n    - cron: '0 4 * * 1'\njobs: {a: {steps: [{run: pytest}]}}\n"),
        ("docs/dependabot.yml", "version: 2\n"), ("renovate.md", "{}"),
    ],
)  # fmt: skip
def test_what_does_not_keep_dependencies_current_does_not_count(tmp_path: Path, name: str, text: str) -> None:
    assert found(tree(tmp_path, **{"requirements.txt": PINS, name: text}), UPDATES) == [
        ("requirements.txt", 1, UPDATES)
    ]


def test_nothing_of_this_is_told_on_commit(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(PINS)

    assert [
        finding.rule
        for finding in scan(tmp_path, ["dependencies"], hook=True).findings
        if finding.rule in (BILL, UPDATES)
    ] == []


@given(st.recursive(st.none() | st.text(max_size=5) | st.integers(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["bomFormat", "components", "purl", "name", "version", "packages", "spdxVersion", "externalRefs", "@graph", "@context"]), inner, max_size=4), max_leaves=12))  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_any_json_is_a_bill_or_none(body: object) -> None:
    for value in (body, {"bomFormat": "CycloneDX", "components": body}, {"spdxVersion": "SPDX-2.3", "packages": body}):
        read = upkeep.packages(json.dumps(value).encode())

        assert read is None or isinstance(read, frozenset)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_bill_or_none(data: bytes) -> None:
    assert upkeep.packages(data) is None
