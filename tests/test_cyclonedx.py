"""The bill of materials says what the report knows, in valid CycloneDX 1.6, byte for byte the same each time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard import facts, rules
from mlguard.evidence import bills
from mlguard.facts import Dataset, Field, FileDigest, ModelCard, ModelFile, Package
from mlguard.findings import Report, Verdict
from mlguard.reporters import cyclonedx
from tests.functional.command import mlguard
from tests.scanning import scan

VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)
EXAMPLES = Path(__file__).parent.parent / "examples"
VERDICT = Verdict("pass", 0, ())
COMMIT = "0123456789abcdef0123456789abcdef01234567"
EMAIL = Field("email", "user.contact.email", "EmailAddress", "personal", "high", "pattern", 5, 5, ())

FACTS = (
    ModelFile(
        "m/model.skops", "skops", "review", ("sklearn.svm._classes.SVC",), 3, 99, (("example/base", COMMIT), ("local", "")), ("gemma", "apache-2.0"),
        ("SVC.support_vectors_",), ("skops", "npy"),
    ),
    ModelCard("m/README.md", "markdown", ("MIT", "My licence"), (("example/other", ""),), ("example/data",), "text-classification", "sklearn", ("purpose",), ("limits",)),
    FileDigest("m/model.skops", "ab" * 32),
    Dataset("data/a.csv", "csv", 10, 2, (EMAIL, replace(EMAIL, name="faith", category="user.demographic.religious_belief", gdpr_class="special"))),
    Package("numpy", "2.0.0", "==2.0.0", "requirements.txt", 1, "pkg:pypi/numpy@2.0.0", True),
    Package("numpy", "2.0.0", "==2.0.0", "other.txt", 1, "pkg:pypi/numpy@2.0.0", True),
    Package("click", "", "", "requirements.txt", 2, "pkg:pypi/click", False),
)  # fmt: skip


def report(*found: facts.Fact) -> Report:
    return Report("0.2.0", "ab" * 32, "", ("model",), (), 1, facts=found)


def bill(*found: facts.Fact) -> dict[str, Any]:
    text = cyclonedx.render(report(*found), VERDICT, rules.load())
    assert VALIDATOR.validate_str(text) is None
    body: dict[str, Any] = json.loads(text)
    return body


def component(body: dict[str, Any], reference: str) -> dict[str, Any]:
    found: dict[str, Any] = next(item for item in body["components"] if item["bom-ref"] == reference)
    return found


def properties(item: dict[str, Any], name: str) -> list[str]:
    return [entry["value"] for entry in item["properties"] if entry["name"] == f"mlguard:{name}"]


def test_model_tells_digest_licences_ancestors_and_inventory() -> None:
    item = component(bill(*FACTS), "model:m/model.skops")

    assert item["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    assert [entry["license"] for entry in item["licenses"]] == [
        {"name": "gemma"},
        {"id": "Apache-2.0"},
        {"id": "MIT"},
        {"name": "My licence"},
    ]
    assert [(entry["name"], entry.get("version"), entry.get("purl")) for entry in item["pedigree"]["ancestors"]] == [
        ("example/base", COMMIT, f"pkg:huggingface/example/base@{COMMIT}"),
        ("local", None, None),
        ("example/other", None, "pkg:huggingface/example/other"),
    ]
    assert properties(item, "imports") == ["sklearn.svm._classes.SVC"]
    assert (properties(item, "format"), properties(item, "contains"), properties(item, "verdict")) == (
        ["skops"],
        ["npy"],
        ["review"],
    )
    assert properties(item, "stored-training-data") == ["SVC.support_vectors_"]


def test_card_gives_task_and_datasets_that_the_bill_lists() -> None:
    body = bill(*FACTS)
    item = component(body, "model:m/model.skops")

    assert item["modelCard"]["modelParameters"] == {
        "task": "text-classification",
        "datasets": [{"ref": "dataset:example/data"}],
    }
    assert item["externalReferences"] == [{"type": "model-card", "url": "m/README.md"}]
    assert component(body, "dataset:example/data")["type"] == "data"


def test_nearest_card_is_taken() -> None:
    card = ModelCard("README.md", "markdown", task="other")

    body = bill(ModelFile("m/sub/a.onnx", "onnx", "clean"), card, *FACTS[1:2], ModelFile("mm/b.onnx", "onnx", "clean"))

    assert component(body, "model:m/sub/a.onnx")["modelCard"]["modelParameters"]["task"] == "text-classification"
    assert component(body, "model:mm/b.onnx")["modelCard"]["modelParameters"]["task"] == "other"


def test_data_with_personal_data_says_so() -> None:
    item = component(bill(*FACTS), "data:data/a.csv")

    assert item["data"] == [
        {"type": "dataset", "name": "data/a.csv", "classification": "special", "sensitiveData": ["user.contact.email", "user.demographic.religious_belief"]}
    ]  # fmt: skip


def test_library_is_listed_once() -> None:
    libraries = [item["name"] for item in bill(*FACTS)["components"] if item["type"] == "library"]

    assert libraries == ["click", "numpy"]


def test_same_report_gives_the_same_bytes_and_another_one_another_number() -> None:
    one, two = (cyclonedx.render(report(*FACTS), VERDICT, rules.load()) for _ in range(2))
    other = cyclonedx.render(report(*FACTS[1:]), VERDICT, rules.load())

    assert one == two and "timestamp" not in one
    assert json.loads(one)["serialNumber"] != json.loads(other)["serialNumber"]


def test_empty_report_is_a_valid_bill() -> None:
    assert bill()["components"] == []


LOCK = "uv.lock"
LOCKED = (
    Package("requests", "", ">=2", "pyproject.toml", 5, "pkg:pypi/requests", False),
    Package("pytest", "", "", "pyproject.toml", 9, "pkg:pypi/pytest", False, group="dev"),
    Package("hatchling", "", "", "pyproject.toml", 2, "pkg:pypi/hatchling", False, build=True),
    Package("requests", "2.19.0", "==2.19.0", LOCK, 13, "pkg:pypi/requests@2.19.0", True, True, hashes=("sha256:" + "ab" * 32, "sha256:" + "cd" * 32, "md5:" + "ef" * 16, "sha256:short", "crc32:" + "ab" * 4), licence="Apache 2.0", requires=("urllib3", "absent"), lock=True),
    Package("urllib3", "1.26.0", "==1.26.0", LOCK, 22, "pkg:pypi/urllib3@1.26.0", True, True, licence="MIT OR Apache-2.0", lock=True),
    Package("numpy", "1.26.0", "==1.26.0", "environment.yml", 3, "pkg:conda/numpy@1.26.0", True),
    facts.Library("requests", ("requests",), 3, "a.py", 1),
)  # fmt: skip


def test_package_tells_hashes_licence_scope_places_and_use() -> None:
    item = component(bill(*LOCKED), "pkg:pypi/requests@2.19.0")

    assert item["hashes"] == [
        {"alg": "MD5", "content": "ef" * 16}, {"alg": "SHA-256", "content": "ab" * 32}, {"alg": "SHA-256", "content": "cd" * 32},
    ]  # fmt: skip
    assert item["licenses"] == [{"license": {"id": "Apache-2.0", "acknowledgement": "declared"}}]
    assert (item["scope"], item["version"], item["purl"]) == ("required", "2.19.0", "pkg:pypi/requests@2.19.0")
    assert item["evidence"]["occurrences"] == [
        {"location": "pyproject.toml", "line": 5}, {"location": LOCK, "line": 13},
    ]  # fmt: skip
    assert properties(item, "imported-in-files") == ["3"]


def test_range_is_the_version_that_is_pinned_for_it_and_alone_where_none_is() -> None:
    names = [item["bom-ref"] for item in bill(*LOCKED)["components"]]

    assert names == [
        "pkg:conda/numpy@1.26.0", "pkg:pypi/hatchling", "pkg:pypi/pytest", "pkg:pypi/requests@2.19.0", "pkg:pypi/urllib3@1.26.0",
    ]  # fmt: skip


def test_scope_says_what_runs_and_licence_where_it_is_from() -> None:
    body = bill(*LOCKED)

    assert component(body, "pkg:pypi/pytest")["scope"] == "optional"
    assert component(body, "pkg:pypi/hatchling")["scope"] == "excluded"
    assert component(body, "pkg:pypi/urllib3@1.26.0")["licenses"] == [
        {"expression": "MIT OR Apache-2.0", "acknowledgement": "declared"}
    ]
    assert component(body, "pkg:pypi/pytest")["licenses"] == [
        {"license": {"id": "MIT", "acknowledgement": "concluded"}}
    ]


def test_dependencies_are_those_of_manifests_and_locks() -> None:
    edges = {entry["ref"]: entry.get("dependsOn", []) for entry in bill(*LOCKED)["dependencies"]}

    assert edges["pkg:pypi/requests@2.19.0"] == ["pkg:pypi/urllib3@1.26.0"]
    assert edges["scanned-tree"] == [
        "pkg:conda/numpy@1.26.0", "pkg:pypi/hatchling", "pkg:pypi/pytest", "pkg:pypi/requests@2.19.0",
    ]  # fmt: skip
    assert {name for needed in edges.values() for name in needed} <= set(edges)


def test_lock_alone_gives_what_nothing_else_needs_to_the_tree() -> None:
    edges = {entry["ref"]: entry.get("dependsOn", []) for entry in bill(*LOCKED[3:5])["dependencies"]}

    assert edges["scanned-tree"] == ["pkg:pypi/requests@2.19.0"]


def test_flaws_are_listed_with_severity_state_and_what_they_are_in(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("requests==2.19.0\nurllib3==1.26.0\n")
    (tmp_path / "a.py").write_text("import requests\n")
    found = scan(
        tmp_path, ["dependencies", "code"], settings={"dependencies": {"advisories": str(EXAMPLES / "advisories")}}
    )

    text = cyclonedx.render(found, VERDICT, rules.load())

    assert VALIDATOR.validate_str(text) is None
    flaws = {entry["id"]: entry for entry in json.loads(text)["vulnerabilities"]}
    assert len(flaws) == len({f.advisory for f in found.findings if f.advisory})
    flaw = flaws["CVE-2018-18074"]
    assert flaw["affects"] == [{"ref": "pkg:pypi/requests@2.19.0"}] and flaw["ratings"] == [{"severity": "high"}]
    assert (flaw["analysis"]["state"], flaw["recommendation"], flaw["source"]["name"]) == (
        "in_triage",
        "Upgrade to 2.20.0.",
        "NVD",
    )
    assert [entry["id"] for entry in flaw["references"]] == ["GHSA-x84v-xcm2-53pg"]
    assert properties(flaw, "imported") == ["imported in 1 file: a.py:1"]


def test_order_of_the_facts_changes_no_byte_of_packages_and_dependencies() -> None:
    one, other = bill(*LOCKED), bill(*reversed(LOCKED))

    assert one["dependencies"] == other["dependencies"] and one["components"] == other["components"]


_TEXT = st.text(max_size=20) | st.sampled_from(["\udcff", "a b", "../x", "MIT", "org/name", "\x00", "é" * 5])
_PAIRS = st.lists(st.tuples(_TEXT, _TEXT), max_size=2).map(tuple)
_NAMES = st.lists(_TEXT, max_size=2).map(tuple)


@given(
    st.lists(st.builds(ModelFile, path=_TEXT, format=_TEXT, verdict=st.just("clean"), imports=_NAMES, bases=_PAIRS, licences=_NAMES, stored=_NAMES, formats=_NAMES), max_size=2, unique_by=lambda fact: fact.path),
    st.lists(st.builds(ModelCard, path=_TEXT, form=st.just("markdown"), licences=_NAMES, bases=_PAIRS, datasets=st.lists(_TEXT, max_size=2, unique=True).map(tuple), task=_TEXT, library=_TEXT), max_size=2),
    st.lists(st.builds(Package, name=_TEXT, version=_TEXT, specifier=_TEXT, path=_TEXT, line=st.just(1), purl=_TEXT, pinned=st.booleans(), hashes=_NAMES, licence=_TEXT, requires=_NAMES, lock=st.booleans(), build=st.booleans(), group=_TEXT), max_size=3),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_any_facts_give_a_valid_bill(models: list[ModelFile], cards: list[ModelCard], packages: list[Package]) -> None:
    bill(*models, *cards, *packages)


def test_command_writes_a_bill_with_the_digest_of_the_model(tmp_path: Path) -> None:
    done = mlguard("scan", EXAMPLES / "churn-clean", "-o", f"cyclonedx={tmp_path / 'bom.json'}", cwd=EXAMPLES)

    text = (tmp_path / "bom.json").read_text()
    listed = dict(reversed(line.split("  ")) for line in (EXAMPLES / "SHA256SUMS").read_text().splitlines())
    assert done.returncode in (0, 3), done.stderr
    assert VALIDATOR.validate_str(text) is None
    item = component(json.loads(text), "model:models/churn.safetensors")
    assert item["hashes"][0]["content"] == listed["churn-clean/models/churn.safetensors"]


def test_bill_of_the_clean_example_is_valid_and_names_its_model() -> None:
    text = (EXAMPLES / "churn-clean" / "bom.json").read_text()
    listed = dict(reversed(line.split("  ")) for line in (EXAMPLES / "SHA256SUMS").read_text().splitlines())

    assert VALIDATOR.validate_str(text) is None
    item = component(json.loads(text), "model:models/churn.safetensors")
    assert item["hashes"][0]["content"] == listed["churn-clean/models/churn.safetensors"]


@pytest.mark.parametrize("found", [FACTS, ()])
def test_own_bill_is_read_as_one(found: tuple[facts.Fact, ...]) -> None:
    text = cyclonedx.render(report(*found), VERDICT, rules.load())

    read = list(bills.read(text.encode(), "bom.json"))

    assert read[0] == facts.BillOfMaterials("bom.json", "CycloneDX", len(found) and 1)
