"""A plan in JSON is judged as its code would be, at the line of the code or of the plan."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlguard.artifacts import Artifact, kind_of
from mlguard.findings import Gap
from mlguard.scanners import Context
from mlguard.scanners.infra.resources import Resource, Unknown, shown
from mlguard.scanners.infra.terraform import plan as plans
from mlguard.scanners.infra.terraform import read
from mlguard.scanners.infra.terraform.planned import bare
from tests.infra.terraform import write
from tests.scanning import found, scan


def change(
    address: str,
    after: Mapping[str, Any] | None,
    unknown: Mapping[str, Any] | None = None,
    sensitive: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return one element of ``resource_changes``."""
    kind, name = bare(address).split(".")[-2:]
    module = address.rpartition(f".{kind}.")[0]
    entry = {
        "address": address,
        "mode": "managed",
        "type": kind,
        "name": name,
        "provider_name": "registry.terraform.io/hashicorp/aws",
    }
    entry |= {"module_address": module} if module else {}
    return {
        **entry, **more,
        "change": {"actions": ["create"], "before": None, "after": after, "after_unknown": unknown or {}, "after_sensitive": sensitive or {}},
    }  # fmt: skip


def configured(address: str, **expressions: Any) -> dict[str, Any]:
    kind, name = address.split(".")
    return {"address": address, "mode": "managed", "type": kind, "name": name, "provider_config_key": "aws", "expressions": expressions}  # fmt: skip


def plan(changes: list[dict[str, Any]], resources: list[dict[str, Any]] | None = None, calls: Any = None, **more: Any) -> dict[str, Any]:  # fmt: skip
    root: dict[str, Any] = {"resources": resources or []} | ({"module_calls": calls} if calls else {})
    region = {"aws": {"name": "aws", "expressions": {"region": {"constant_value": "eu-west-1"}}}}
    return {
        "format_version": "1.2", "terraform_version": "1.9.5", "planned_values": {"root_module": {}}, "resource_changes": changes,
        "configuration": {"provider_config": region, "root_module": root}, **more,
    }  # fmt: skip


def text_of(value: Any, indent: int | None = 1) -> str:
    return json.dumps(value, indent=indent)


def records(root: Path, value: Any, indent: int | None = 1) -> Iterator[Any]:
    text = value if isinstance(value, str) else text_of(value, indent)
    (root / "plan.json").write_text(text)
    return read([Artifact("plan.json", "plan", len(text))], Context(root))


def resources(root: Path, value: Any) -> dict[str, Resource]:
    return {item.address: item for item in records(root, value) if isinstance(item, Resource)}


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("plan.json", text_of(plan([])), "plan"),
        ("tfplan", text_of(plan([]), None), "plan"),
        (
            "sorted.json",
            json.dumps({"applyable": True, "complete": True, **plan([])}, sort_keys=True, indent=2),
            "plan",
        ),
        ("plan.json", json.dumps(plan([]), sort_keys=True), "plan"),
        ("state.json", '{"format_version":"1.0","terraform_version":"1.9.5","values":{"root_module":{}}}', "json"),
        ("data.json", '{"format_version": "1.2", "rows": []}', "json"),
        ("data.json", '{"configuration": {"root": 1}}', "json"),
    ],
)
def test_a_plan_is_known_by_what_it_holds(name: str, text: str, kind: str) -> None:
    assert kind_of(name, text.encode()) == kind
    assert kind_of(name, b"\xff\xfe" + text.encode("utf-16-le")) == kind


def test_values_are_those_that_are_planned(tmp_path: Path) -> None:
    value = plan(
        [
            change(
                "aws_s3_bucket.a",
                {"bucket": "x", "tags": None, "versioning": [{"enabled": True}]},
                {"id": True, "arn": True},
            ),
            change("aws_s3_bucket.gone", None),
            change("aws_s3_bucket.old", {"bucket": "y"}, deposed="abc"),
            {**change("aws_s3_object.o", {"key": "k"}), "mode": "data"},
            change('aws_sns_topic.t["k"]', {"name": "n"}, index="k"),
        ],
        [configured("aws_s3_bucket.a", bucket={"constant_value": "x"})],
    )

    made = resources(tmp_path, value)

    assert list(made) == ["aws_s3_bucket.a", 'aws_sns_topic.t["k"]']
    bucket = made["aws_s3_bucket.a"]
    assert (bucket.format, bucket.region, bucket.attributes["bucket"]) == ("plan", "eu-west-1", "x")
    assert bucket.attributes["versioning"] == [{"enabled": True}]
    assert "arn" not in bucket.attributes


def test_what_is_known_later_is_unknown_or_a_reference(tmp_path: Path) -> None:
    value = plan(
        [
            change("aws_s3_bucket.a", {}, {"bucket": True, "id": True}),
            change("aws_s3_bucket_policy.p", {}, {"bucket": True, "policy": True, "made": [{"x": True, "y": False}]}),
            change("aws_db_instance.d", {"engine": "postgres"}, {"kms_key_id": True}),
        ],
        [
            configured("aws_s3_bucket.a", bucket={"references": ["random_id.r.hex", "random_id.r"]}),
            configured("aws_s3_bucket_policy.p", bucket={"references": ["aws_s3_bucket.a.id", "aws_s3_bucket.a"]}, policy={"references": ["local.policy"]}),
            configured("aws_db_instance.d", engine={"constant_value": "postgres"}),
        ],
    )  # fmt: skip

    made = resources(tmp_path, value)

    policy = made["aws_s3_bucket_policy.p"]
    assert isinstance(made["aws_s3_bucket.a"].attributes["bucket"], Unknown)
    assert shown(policy.attributes["bucket"]) == "${aws_s3_bucket.a.id}"
    assert policy.references[("bucket",)] == ("aws_s3_bucket.a",)
    assert policy.attributes["policy"] == Unknown("aws_s3_bucket_policy.p.policy")
    assert isinstance(policy.attributes["made"][0]["x"], Unknown)
    assert "kms_key_id" not in made["aws_db_instance.d"].attributes


def test_sensitive_values_are_never_held(tmp_path: Path) -> None:
    value = plan([change("aws_db_instance.d", {"password": "hunter2", "list": ["hunter2", "open"], "none": None, "map": {"a": "hunter2"}}, None,
                         {"password": True, "list": [True, False], "none": True, "map": True})])  # fmt: skip

    made = resources(tmp_path, value)["aws_db_instance.d"]

    assert "hunter2" not in repr(made)
    assert made.attributes["list"][1] == "open" and made.attributes["none"] is None


def test_references_go_through_modules_and_keep_to_the_same_instance(tmp_path: Path) -> None:
    inner = {
        "resources": [
            configured("aws_s3_bucket.b", bucket={"references": ["var.name"]}),
            configured("aws_s3_bucket_acl.a", bucket={"references": ["aws_s3_bucket.b[0].id", "aws_s3_bucket.b"]}),
        ],
        "outputs": {
            "id": {"expression": {"references": ["aws_s3_bucket.b[0].id", "aws_s3_bucket.b[0]", "aws_s3_bucket.b"]}}
        },
        "variables": {"name": {}},
    }
    changes = [change(f'module.m["{key}"].aws_s3_bucket.b[0]', {"bucket": key}, index=0) for key in ("x", "y")]
    changes += [change(f'module.m["{key}"].aws_s3_bucket_acl.a', {}, {"bucket": True}) for key in ("x", "y")]
    changes += [change("aws_s3_bucket_policy.p", {}, {"bucket": True}), change("aws_s3_bucket.src", {"bucket": "s"})]
    outer = configured(
        "aws_s3_bucket_policy.p", bucket={"references": ['module.m["x"].id', 'module.m["x"]', "module.m"]}
    )
    call = {
        "m": {
            "source": "./m",
            "expressions": {"name": {"references": ["aws_s3_bucket.src.bucket", "aws_s3_bucket.src"]}},
            "module": inner,
        }
    }

    made = resources(tmp_path, plan(changes, [outer, configured("aws_s3_bucket.src")], call))

    assert made['module.m["y"].aws_s3_bucket_acl.a'].references[("bucket",)] == ('module.m["y"].aws_s3_bucket.b[0]',)
    assert made['module.m["x"].aws_s3_bucket.b[0]'].references[("bucket",)] == ("aws_s3_bucket.src",)
    assert 'module.m["x"].aws_s3_bucket.b[0]' in made["aws_s3_bucket_policy.p"].references[("bucket",)]


def test_the_values_alone_leave_out_what_is_unknown(tmp_path: Path) -> None:
    module = {
        "resources": [{"address": "aws_db_instance.d", "mode": "managed", "type": "aws_db_instance", "name": "d", "values": {"engine": "x", "port": None}}],
        "child_modules": [{"address": "module.m", "resources": [{"address": "module.m.aws_sns_topic.t", "mode": "managed", "type": "aws_sns_topic", "name": "t", "values": {"name": "n"}}]}],
    }  # fmt: skip
    value = {"format_version": "1.2", "terraform_version": "1.9.5", "planned_values": {"root_module": module}}

    made = resources(tmp_path, value)

    assert sorted(made) == ["aws_db_instance.d", "module.m.aws_sns_topic.t"]
    assert getattr(made["aws_db_instance.d"].attributes, "reason", "") != ""


ACL = [
    change("aws_s3_bucket.data", {"bucket": "reports"}, {"id": True}),
    change("aws_s3_bucket_acl.data", {"acl": "public-read"}, {"bucket": True}),
]
ACL_CONFIG = [
    configured("aws_s3_bucket.data", bucket={"constant_value": "reports"}),
    configured("aws_s3_bucket_acl.data", acl={"references": ["var.acl"]}, bucket={"references": ["aws_s3_bucket.data.id", "aws_s3_bucket.data"]}),
]  # fmt: skip
CODE = 'variable "acl" {}\nresource "aws_s3_bucket" "data" {\n  bucket = "reports"\n}\nresource "aws_s3_bucket_acl" "data" {\n  bucket = aws_s3_bucket.data.id\n  acl = var.acl\n}\n'


def test_a_finding_stands_at_the_line_of_the_plan_when_there_is_no_code(tmp_path: Path) -> None:
    text = text_of(plan(ACL, ACL_CONFIG))
    (tmp_path / "plan.json").write_text(text)
    line = next(number for number, one in enumerate(text.split("\n"), 1) if "public-read" in one)

    report = scan(tmp_path, ["infra"])

    assert found(report, "tf/public-storage") == [("plan.json", line, "tf/public-storage")]
    assert all("public-read" not in str(getattr(one, "excerpt", "")) for one in report.findings)


def test_on_one_line_the_column_tells_the_place(tmp_path: Path) -> None:
    text = text_of(plan(ACL, ACL_CONFIG), None)
    (tmp_path / "plan.json").write_text(text)

    (finding,) = [one for one in scan(tmp_path, ["infra"]).findings if one.rule == "tf/public-storage"]

    assert (finding.location.line, finding.location.column) == (1, text.index('"acl": "public-read"') + 1)


@pytest.mark.parametrize("folder", ["", "out/", "env/prod/"])
def test_a_finding_stands_in_the_code_that_was_planned(tmp_path: Path, folder: str) -> None:
    code = "env/prod/" if folder.startswith("env") else ""
    write(
        tmp_path,
        {
            f"{code}main.tf": CODE,
            f"{folder}plan.json": text_of(plan(ACL, ACL_CONFIG)),
            "other/main.tf": 'resource "x_y" "z" {}\n',
        },
    )

    report = scan(tmp_path, ["infra"])

    assert found(report, "tf/public-storage") == [(f"{code}main.tf", 7, "tf/public-storage")]


def test_what_the_code_has_told_is_not_told_again(tmp_path: Path) -> None:
    write(tmp_path, {"main.tf": CODE.replace("{}", '{ default = "public-read" }')})
    before = [(one.rule, one.check, one.location.path, one.location.line) for one in scan(tmp_path, ["infra"]).findings]
    (tmp_path / "plan.json").write_text(text_of(plan(ACL, ACL_CONFIG)))

    after = [(one.rule, one.check, one.location.path, one.location.line) for one in scan(tmp_path, ["infra"]).findings]

    assert after == before
    assert len(set(after)) == len(after)


def test_places_in_modules_and_nested_blocks_are_found(tmp_path: Path) -> None:
    rules = [
        {"from_port": 22, "to_port": 22, "protocol": "tcp", "cidr_blocks": ["0.0.0.0/0"]},
        {"from_port": 443, "to_port": 443, "protocol": "tcp", "cidr_blocks": ["10.0.0.0/8"]},
    ]
    value = plan(
        [change('module.m["a"].aws_security_group.g', {"ingress": rules})], [],
        {"m": {"source": "./m", "module": {"resources": [configured("aws_security_group.g")]}}},
    )  # fmt: skip
    block = (
        '  ingress {{\n    from_port = {0}\n    to_port = {0}\n    protocol = "tcp"\n    cidr_blocks = ["{1}"]\n  }}\n'
    )
    code = (
        'resource "aws_security_group" "g" {\n'
        + block.format(443, "10.0.0.0/8")
        + block.format(22, "0.0.0.0/0")
        + "}\n"
    )
    write(
        tmp_path,
        {"main.tf": 'variable "k" {}\nmodule "m" {\n  source = "./m"\n  for_each = var.k\n}\n', "m/main.tf": code},
    )
    (tmp_path / "plan.json").write_text(text_of(value))

    made = [
        one
        for one in read(
            [
                Artifact("main.tf", "terraform", 1),
                Artifact("m/main.tf", "terraform", 1),
                Artifact("plan.json", "plan", 9),
            ],
            Context(tmp_path),
        )
        if isinstance(one, Resource) and one.format == "plan" and one.kind == "aws_security_group"
    ]

    assert [(one.path, one.origin[0][0], one.origin[0][1].line) for one in made] == [("m/main.tf", "module.m", 2)]
    assert made[0].positions["ingress", 0, "cidr_blocks"].line == 12
    assert made[0].positions["ingress", 1, "cidr_blocks"].line == 6


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.9])
def test_a_plan_that_ends_early_is_a_gap(tmp_path: Path, cut: float) -> None:
    text = text_of(plan(ACL, ACL_CONFIG))

    made = list(records(tmp_path, text[: int(len(text) * cut)]))

    assert [one.kind for one in made if isinstance(one, Gap)] == ["unreadable"]


def test_a_plan_that_is_too_large_is_a_gap(tmp_path: Path) -> None:
    made = list(read([Artifact("plan.json", "plan", plans.MAX_PLAN_BYTES + 1)], Context(tmp_path)))

    assert [(one.kind, one.path) for one in made if isinstance(one, Gap)] == [("too-large", "plan.json")]


def test_more_resources_than_the_limit_are_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "MAX_RESOURCES", 3)

    made = list(records(tmp_path, plan([change(f"x_y.z{number}", {"a": 1}) for number in range(5)])))

    assert [one.kind for one in made if isinstance(one, Gap)] == ["too-large"]
    assert len([one for one in made if isinstance(one, Resource)]) == 3


def test_a_large_plan_is_read_in_linear_time(tmp_path: Path) -> None:
    times = []
    for size in (1_000, 4_000):
        value = plan([change(f"aws_s3_bucket.b{number}", {"bucket": f"b{number}", "acl": None}, {"id": True}) for number in range(size)],
                     [configured(f"aws_s3_bucket.b{number}", bucket={"constant_value": "b"}) for number in range(size)])  # fmt: skip
        start = time.process_time()
        assert len(list(records(tmp_path, value))) >= size
        times.append(time.process_time() - start)

    assert times[1] < 8 * times[0] + 0.2


@settings(max_examples=150, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_ends_in_resources_or_a_gap(tmp_path: Path, data: st.DataObject) -> None:
    text = text_of(plan(ACL, ACL_CONFIG), None)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    broken = text[:start] + data.draw(st.text('{}[]",:0aé\\', max_size=4)) + text[end:]

    for item in records(tmp_path, broken):
        assert not isinstance(item, Resource) or item.positions[()].line >= 1


@settings(max_examples=300, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_values_of_any_kind_end_in_resources_or_a_gap(tmp_path: Path, data: st.DataObject) -> None:
    call = {
        "m": {
            "source": "./m",
            "expressions": {"v": {"references": ["aws_s3_bucket.data"]}},
            "module": {"resources": ACL_CONFIG, "outputs": {}},
        }
    }
    value = json.loads(
        text_of(plan([*ACL, change("module.m.aws_s3_bucket.data", {"bucket": "x"}, {"id": True})], ACL_CONFIG, call))
    )
    other = st.sampled_from(
        [None, True, 7, "x", [], {}, [1], {"a": 1}, ["var.v", 3], {"references": 5}, {"references": [None]}]
    )
    for _ in range(data.draw(st.integers(1, 3))):
        node = value
        while True:
            keys = sorted(node) if isinstance(node, dict) else list(range(len(node)))
            key = data.draw(st.sampled_from(keys))
            if not (isinstance(node[key], (dict, list)) and node[key]) or data.draw(st.booleans()):
                node[key] = json.loads(json.dumps(data.draw(other)))
                break
            node = node[key]
        if not value:
            break

    write(tmp_path, {"main.tf": CODE})
    for item in records(tmp_path, value):
        assert not isinstance(item, Resource) or item.positions[()].line >= 1
