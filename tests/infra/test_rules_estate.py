"""The estate of machine learning, its places, logs and costs: what the examples on the pages cannot show."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard import declarations, rules
from mlguard.artifacts import Artifact
from mlguard.cli import run
from mlguard.findings import Gap
from mlguard.scanners import Context
from mlguard.scanners.infra import feast, mljobs, startscripts
from mlguard.scanners.infra.meaning import effective_region, effective_tags, plain_region
from mlguard.scanners.infra.operators import OPERATORS
from mlguard.scanners.infra.resources import Open, Position, Resource, Unknown
from mlguard.scanners.infra.terraform.supply import parts
from tests.scanning import found, scan

COMMIT = "8f14e45fceea167a5a36dedd4bea2543b3c1f0aa"


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


# Sources of modules


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("acme/vpc/aws", {"scheme": "registry"}),
        ("app.terraform.io/acme/vpc/aws", {"scheme": "registry"}),
        ("acme/iam/aws//modules/role", {"scheme": "registry"}),
        ("git::https://git.example.org/vpc.git", {"scheme": "git"}),
        ("git@git.example.org:infra/vpc.git?ref=v1.2", {"scheme": "git", "ref": "v1.2", "ref_kind": "version"}),
        ("github.com/acme/vpc//a?depth=1&ref=main", {"scheme": "git", "ref": "main", "ref_kind": "branch"}),
        (f"github.com/acme/vpc?ref={COMMIT}", {"scheme": "git", "ref": COMMIT, "ref_kind": "commit"}),
        ("git::ssh://git@example.org/x.git?ref=release/1.4.0", {"scheme": "git", "ref": "release/1.4.0", "ref_kind": "version"}),
        ("git::http://example.org/x.git", {"scheme": "git", "plain": "true"}),
        ("hg::https://example.org/x?rev=default", {"scheme": "hg", "ref": "default", "ref_kind": "branch"}),
        ("https://example.org/x.zip", {"scheme": "https"}),
        ("http://example.org/x.zip", {"scheme": "http"}),
        ("s3::https://s3-eu-west-1.amazonaws.com/b/x.zip", {"scheme": "other"}),
        ("github.com/acme/vpc?ref=", {"scheme": "git"}),
    ],
)  # fmt: skip
def test_a_source_says_where_a_module_comes_from_and_what_holds_it(source: str, expected: dict[str, str]) -> None:
    assert parts(source) == expected


@given(st.text(max_size=300))
def test_any_source_is_read(source: str) -> None:
    assert parts(source)["scheme"] in ("registry", "git", "hg", "http", "https", "other")


def test_a_lock_file_anywhere_else_does_not_count(tmp_path: Path) -> None:
    main = """terraform {
  backend "gcs" { bucket = "b" }
  required_providers {
    google = { source = "hashicorp/google", version = "~> 6.0" }
  }
}
"""
    tree(tmp_path, {"live/main.tf": main, ".terraform.lock.hcl": ""})

    without = found(scan(tmp_path, ["infra"]), "tf/unpinned-provider-or-module")
    (tmp_path / "live/.terraform.lock.hcl").write_text("")
    with_it = found(scan(tmp_path, ["infra"]), "tf/unpinned-provider-or-module")

    assert without == [("live/main.tf", 3, "tf/unpinned-provider-or-module")]
    assert with_it == []


def test_a_module_that_two_roots_call_is_told_once(tmp_path: Path) -> None:
    files = {f"{name}/main.tf": 'module "own" {\n  source = "../own"\n}\n' for name in ("a", "b")}
    tree(tmp_path, {**files, "own/main.tf": 'module "m" {\n  source = "github.com/acme/m"\n}\n'})

    assert found(scan(tmp_path, ["infra"]), "tf/unpinned-provider-or-module") == [
        ("own/main.tf", 2, "tf/unpinned-provider-or-module")
    ]


# Jobs inside definitions


def state_machine(text: Any, positions: dict[Any, Position] | None = None) -> Resource:
    return Resource(
        "aws_sfn_state_machine", "s", "aws_sfn_state_machine.s", "main.tf", {"definition": text},
        positions or {(): Position(1), ("definition",): Position(2)},
    )  # fmt: skip


TASK = {
    "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync",
    "Parameters": {"OutputDataConfig": {"KmsKeyId": "k"}},
}


def test_jobs_are_found_in_branches_maps_and_tunings() -> None:
    tuning = {
        "Resource": "arn:aws:states:::sagemaker:createHyperParameterTuningJob",
        "Parameters": {"TrainingJobDefinition": {"EnableInterContainerTrafficEncryption": True}},
    }
    inside = {"Type": "Parallel", "Branches": [{"States": {"B": TASK}}, {"States": {"T": tuning}}]}
    each = {"Type": "Map", "Iterator": {"States": {"M": TASK}}}

    jobs = list(mljobs.jobs(state_machine(json.dumps({"States": {"P": inside, "E": each, "A": TASK}})), {}))

    assert [(job.name, job.attributes["sort"]) for job in jobs] == [
        ("B", "training"), ("T", "tuning"), ("M", "training"), ("A", "training")
    ]  # fmt: skip
    assert jobs[1].attributes["enable_inter_container_traffic_encryption"] is True
    assert jobs[0].attributes["output_kms_key"] == "k"


def test_a_job_in_a_heredoc_stands_on_its_own_line() -> None:
    text = '{\n  "States": {\n    "A": {\n      "Resource": "arn:aws:states:::sagemaker:createTrainingJob",\n      "Parameters": {\n        "EnableInterContainerTrafficEncryption": false\n      }\n    }\n  }\n}\n'

    (job,) = mljobs.jobs(state_machine(text), {"definition": Position(10, 1, 21)})

    assert job.positions[()].line == 15
    assert job.positions["enable_inter_container_traffic_encryption",].line == 16


def test_a_definition_that_is_not_known_has_no_jobs() -> None:
    assert list(mljobs.jobs(state_machine(Unknown("var.definition")), {})) == []
    assert list(mljobs.jobs(state_machine("not json"), {})) == []
    assert list(mljobs.jobs(state_machine("[" * 100_000), {})) == []


def test_states_inside_each_other_without_end_are_given_up_in_time() -> None:
    value: Any = {"States": {"A": TASK}}
    for _ in range(80):
        value = {"States": {"M": {"Type": "Map", "ItemProcessor": value}}}
    start = time.process_time()

    assert list(mljobs.jobs(state_machine(json.dumps(value)), {})) == []
    assert time.process_time() - start < 2


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["States", "Resource", "Parameters", "Branches", "Steps", "Type", "Arguments", "x"]), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(_JSON)
@settings(max_examples=150, deadline=None)
def test_any_definition_is_read(value: Any) -> None:
    text = json.dumps(value)
    for kind, name in mljobs.DEFINITIONS.items():
        owner = Resource(kind, "s", f"{kind}.s", "main.tf", {name: text}, {(): Position(1)})
        for job in mljobs.jobs(owner, {name: Position(3)}):
            assert job.kind == "aws.ml.job"


# Feast


def read_feast(root: Path, data: bytes) -> list[Resource | Gap]:
    (root / "feature_store.yaml").write_bytes(data)
    return list(feast.read([Artifact("feature_store.yaml", "yaml", len(data))], Context(root)))


@given(st.binary(max_size=400))
@settings(max_examples=100, deadline=None)
def test_any_bytes_end_in_a_store_a_gap_or_nothing(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    for record in read_feast(tmp_path_factory.mktemp("feast"), data):
        assert isinstance(record, (Resource, Gap))


def test_a_store_of_feast_may_be_one_word(tmp_path: Path) -> None:
    (store,) = read_feast(tmp_path, b"project: p\nonline_store: redis\n")

    assert isinstance(store, Resource)
    assert store.attributes["type"] == "redis"
    assert store.positions["type",].line == 2


def test_another_store_of_feast_is_not_judged(tmp_path: Path) -> None:
    tree(tmp_path, {"feature_store.yaml": "project: p\nonline_store:\n  type: dynamodb\n  region: eu-west-1\n"})

    assert found(scan(tmp_path, ["infra"]), "tf/unprotected-ml-service") == []


# Operators on scripts and places


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("place_in", "West Europe", True),
        ("place_in", "\ue000var.x\ue001", None),
        ("place_in", "East US", False),
        ("arn_region_in", "arn:aws:backup:eu-west-1:1:backup-vault:v", None),
        ("arn_region_in", "arn:aws:s3:::bucket", None),
    ],
)
def test_scripts_and_places(name: str, value: str, expected: bool | None) -> None:
    patterns = ["westeurope"] if name == "place_in" else ["us-*"]
    expected = False if value.startswith("arn:aws:backup") else expected

    assert OPERATORS[name](value, patterns) is expected


@given(st.text(max_size=500))
@settings(deadline=None)
def test_any_script_is_looked_at(text: str) -> None:
    for name in ("script_matches", "place_in", "arn_region_in"):
        assert OPERATORS[name](text, ["x"]) in (True, False, None)


def lifecycle(script: Any, end_line: int = 2) -> Resource:
    kind = "aws_sagemaker_notebook_instance_lifecycle_configuration"
    places: dict[Any, Position] = {(): Position(1), ("on_start",): Position(2, 3, end_line)}
    return Resource(kind, "l", f"{kind}.l", "main.tf", {"on_start": script}, places)


@pytest.mark.parametrize(
    ("script", "lines"),
    [
        ("curl -s https://example.org/x | bash\n", [2]),
        ("Y3VybCAtcyBodHRwczovL2V4YW1wbGUub3JnL3ggfCBiYXNoCg==", [2]),
        ("curl -sO https://example.org/x\n", []),
        ("\ue000data.template_file.x.rendered\ue001", []),
        (Unknown("var.script"), []),
    ],
)
def test_what_a_script_of_a_notebook_downloads_and_runs(script: Any, lines: list[int]) -> None:
    assert [one.positions[()].line for one in startscripts.downloads(lifecycle(script))] == lines


def test_a_download_in_a_heredoc_stands_on_its_own_line() -> None:
    script = base64.b64encode(b"#!/bin/bash\nset -e\nwget -qO- https://example.org/x | sh\n").decode()

    (one,) = startscripts.downloads(lifecycle(script, end_line=7))

    assert one.positions[()].line == 5


@given(st.text(max_size=500) | st.binary(max_size=300).map(lambda data: base64.b64encode(data).decode()))
@settings(deadline=None)
def test_any_script_of_a_notebook_is_read(script: str) -> None:
    for one in startscripts.downloads(lifecycle(script, end_line=9)):
        assert one.kind == "script.download"


def test_a_long_script_is_looked_at_in_time() -> None:
    start = time.process_time()

    assert list(startscripts.downloads(lifecycle("curl https://example.org/x; " * 40_000))) == []
    assert time.process_time() - start < 4


def test_a_secret_in_a_script_is_never_shown(tmp_path: Path) -> None:
    secret = "k3Yv9Qw8Zp1tLm5"
    text = (
        'resource "aws_sagemaker_notebook_instance_lifecycle_configuration" "l" {\n'
        f'  on_start = base64encode("export DB_PASSWORD={secret}")\n}}\n'
    )

    report = scan(tree(tmp_path, {"main.tf": text}), ["infra"])

    assert ("main.tf", 2, "tf/unprotected-ml-service") in found(report)
    assert secret not in repr(report)


# Places and tags


@pytest.mark.parametrize(
    ("spelled", "plain"),
    [("us-east-1a", "us-east-1"), ("europe-west1-b", "europe-west1"), ("West Europe", "westeurope"), ("EU", "eu"),
     ("us-gov-west-1b", "us-gov-west-1"), ("eu-central-1", "eu-central-1")],
)  # fmt: skip
def test_a_place_in_every_spelling(spelled: str, plain: str) -> None:
    assert plain_region(spelled) == plain


@pytest.mark.parametrize(
    ("kind", "attributes", "expected"),
    [
        ("aws_ebs_volume", {"availability_zone": "us-east-1a"}, ("us-east-1", "availability_zone")),
        ("aws_s3_bucket", {"region": "eu-west-1"}, ("eu-west-1", "region")),
        ("google_bigquery_dataset", {}, ("us", "")),
        ("google_firestore_database", {"location_id": "nam5"}, ("nam5", "location_id")),
        ("azurerm_storage_account", {"location": "East US"}, ("eastus", "location")),
        ("azurerm_mssql_database", {}, (None, "")),
        ("aws_db_instance", {}, ("ap-south-1", "")),
    ],
)
def test_where_a_resource_stands(kind: str, attributes: dict[str, Any], expected: tuple[Any, str]) -> None:
    assert effective_region(attributes, kind, "ap-south-1") == expected


def test_tags_of_a_group_of_machines_are_blocks() -> None:
    blocks = [{"key": "Owner", "value": "ml"}, {"key": Unknown("var.key"), "value": "x"}]

    known = effective_tags({"tag": blocks[:1]}, {"Team": "x"})
    doubtful = effective_tags({"tag": blocks}, {})

    assert known == {"Owner": "ml"}
    assert isinstance(doubtful, Open) and doubtful == {"Owner": "ml"}


def test_declared_regions_reach_every_rule_about_places() -> None:
    declaration = declarations.Declaration(
        "privacy.yaml", {"access": {"classes": {"personal": {"regions": ["us-east-1"]}}}}
    )

    told = run._with_regions({"infra": {"params": {"tf/disallowed-region": {"allowed": ["x"]}}}}, declaration)

    assert told["infra"]["params"] == {
        "tf/disallowed-region": {"allowed": ["x"]},
        "tf/replication-to-undeclared-region": {"allowed": ["us-east-1"]},
        "k8s/disallowed-region": {"allowed": ["us-east-1"]},
    }


def test_the_configuration_may_allow_a_place_for_copies(tmp_path: Path) -> None:
    tree(
        tmp_path,
        {"main.tf": 'resource "aws_dynamodb_table" "t" {\n  replica {\n    region_name = "us-east-1"\n  }\n}\n'},
    )
    params = {"tf/replication-to-undeclared-region": {"allowed": ["us-*"]}}

    default = scan(tmp_path, ["infra"])
    allowed = scan(tmp_path, ["infra"], {"infra": {"params": params}})

    assert found(default, "tf/replication-to-undeclared-region") == [
        ("main.tf", 3, "tf/replication-to-undeclared-region")
    ]
    assert found(allowed, "tf/replication-to-undeclared-region") == []


# Severity, and what is not known


@pytest.mark.parametrize(
    ("tags", "severity"),
    [('{ data-classification = "special" }', "high"), ('{ data-classification = "public" }', None), ("{}", "low")],
)
def test_a_missing_key_weighs_as_much_as_the_data(tmp_path: Path, tags: str, severity: str | None) -> None:
    text = f"""resource "aws_sagemaker_notebook_instance" "n" {{
  name        = "n"
  subnet_id   = "s"
  root_access = "Disabled"
  tags        = {tags}
}}
"""

    report = scan(tree(tmp_path, {"main.tf": text}), ["infra"])

    assert [f.severity for f in report.findings if f.rule == "tf/unprotected-ml-service"] == (
        [severity] if severity else []
    )


OWN = (
    "tf/unprotected-ml-service",
    "tf/disallowed-region",
    "tf/replication-to-undeclared-region",
    "tf/unpinned-processing-location",
    "tf/unlogged-data-access",
    "tf/log-retention-mismatch",
    "tf/mutable-audit-trail",
    "tf/unlogged-service-activity",
    "tf/unbounded-scaling",
    "tf/wasteful-compute",
    "ops/missing-drift-monitor",
    "ops/missing-access-alert",
)


@pytest.mark.parametrize(
    ("kind", "attribute"),
    [
        ("aws_sagemaker_notebook_instance", "root_access"), ("aws_sagemaker_domain", "app_network_access_type"),
        ("aws_cloudtrail", "is_multi_region_trail"), ("aws_cloudwatch_log_group", "retention_in_days"),
        ("aws_guardduty_detector", "enable"), ("aws_lambda_function", "reserved_concurrent_executions"),
        ("azurerm_cognitive_account", "local_auth_enabled"), ("aws_instance", "instance_type"),
        ("google_storage_bucket", "force_destroy"), ("databricks_token", "lifetime_seconds"),
        ("azurerm_security_center_subscription_pricing", "tier"), ("aws_eks_cluster", "enabled_cluster_log_types"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_no_finding_at_its_line(tmp_path: Path, kind: str, attribute: str) -> None:
    tree(tmp_path, {"main.tf": f'variable "x" {{}}\nresource "{kind}" "r" {{\n  {attribute} = var.x\n}}\n'})

    report = scan(tmp_path, ["infra"])

    assert [one for one in found(report) if one[1] == 3 and one[2] in OWN] == []


@pytest.mark.parametrize("rule", OWN)
def test_every_check_names_a_message_that_ends_and_other_tools_by_their_ids(rule: str) -> None:
    for name, spec in rules.load().rules[rule].checks.items():
        assert str(spec.get("message", rules.load().rules[rule].message)).endswith("."), name
        assert all(isinstance(peer, str) and "/" not in peer for peer in spec.get("peers", [])), name


def test_a_thousand_resources_that_ask_about_all_others_are_judged_in_time(tmp_path: Path) -> None:
    one = """resource "aws_s3_bucket" "b{n}" {{
  bucket = "acme-{n}"
  tags   = {{ data-classification = "special" }}
}}
resource "aws_cloudtrail" "t{n}" {{
  name = "t{n}"
}}
resource "google_storage_bucket" "g{n}" {{
  name = "g{n}"
}}
resource "google_project_iam_audit_config" "c{n}" {{
  service = "storage.googleapis.com"
}}
"""
    tree(tmp_path, {"main.tf": "".join(one.format(n=n) for n in range(400))})
    start = time.process_time()

    report = scan(tmp_path, ["infra"])

    assert len(found(report, "tf/unlogged-data-access")) >= 1600
    assert time.process_time() - start < 10
