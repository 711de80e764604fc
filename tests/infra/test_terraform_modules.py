"""The unit is the root module: its files, those of values, its modules in the tree, and those that were installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlguard.artifacts import Artifact
from mlguard.findings import Detection, Gap
from mlguard.scanners import Context
from mlguard.scanners.infra import InfraScanner
from mlguard.scanners.infra.resources import Resource
from tests.infra.terraform import gaps, records, resources, write
from tests.scanning import found, scan

OPEN = 'variable "acl" { default = "public-read" }\nresource "aws_s3_bucket_acl" "a" {\n  bucket = "b"\n  acl = var.acl\n}\n'
INNER = 'module "inner" {\n  source = "./inner"\n}\n'


def installed(*modules: tuple[str, str]) -> str:
    known = [{"Key": "", "Source": "", "Dir": "."}]
    return json.dumps(
        {
            "Modules": [
                *known,
                *({"Key": key, "Source": "s", "Version": "1.0.0", "Dir": folder} for key, folder in modules),
            ]
        }
    )


def test_an_installed_module_is_evaluated_and_told_at_its_call(tmp_path: Path) -> None:
    files = {
        "main.tf": '\nmodule "vpc" {\n  source = "example/vpc/aws"\n  acl = "public-read"\n}\n',
        ".terraform/modules/modules.json": installed(
            ("vpc", ".terraform/modules/vpc"), ("vpc.inner", ".terraform/modules/vpc/inner")
        ),
        ".terraform/modules/vpc/main.tf": 'variable "acl" {}\nmodule "inner" {\n  source = "./inner"\n  acl = var.acl\n}\n',
        ".terraform/modules/vpc/inner/main.tf": OPEN,
    }
    group = write(tmp_path, files)

    made = list(InfraScanner().scan(group, Context(tmp_path)))

    (finding,) = [one for one in made if isinstance(one, Detection) and one.rule == "tf/public-storage"]
    assert (finding.location.path, finding.location.line) == ("main.tf", 2)
    places = [(text, at.path, at.line) for text, at in finding.related]
    assert ("written here", ".terraform/modules/vpc/inner/main.tf", 2) in places
    assert ("called by module.vpc", "main.tf", 2) in places
    assert finding.subject == "module.vpc.module.inner.aws_s3_bucket_acl.a"
    assert not [one for one in made if isinstance(one, Gap) and one.kind == "skipped"]


def test_a_module_that_is_not_installed_is_opaque_and_a_gap(tmp_path: Path) -> None:
    files = {
        "main.tf": 'module "vpc" {\n  source = "example/vpc/aws"\n}\n',
        ".terraform/modules/modules.json": "not json",
    }

    made = records(tmp_path, files)

    assert [one.classes for one in made if isinstance(one, Resource) and one.kind == "terraform.module"] == [
        ("opaque",)
    ]
    assert [one.kind for one in made if isinstance(one, Gap)] == ["skipped"]


@pytest.mark.parametrize("folder", ["../outside", "/etc", "link", ".terraform/none"])
def test_an_installed_module_outside_the_tree_is_not_read(tmp_path: Path, folder: str) -> None:
    write(tmp_path / "outside", OPEN)
    root = tmp_path / "tree"
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "outside")
    files = {
        "main.tf": 'module "vpc" {\n  source = "example/vpc/aws"\n}\n',
        ".terraform/modules/modules.json": installed(("vpc", folder)),
    }

    assert not [address for address in resources(root, files) if "aws_s3_bucket_acl" in address]


def test_an_installed_module_in_a_scanned_folder_is_told_there(tmp_path: Path) -> None:
    files = {
        "main.tf": 'module "vpc" {\n  source = "git::https://example.com/vpc.git"\n}\n',
        ".terraform/modules/modules.json": installed(("vpc", "vendor/vpc")),
        "vendor/vpc/main.tf": OPEN,
    }
    write(tmp_path, files)

    assert ("vendor/vpc/main.tf", 4, "tf/public-storage") in found(scan(tmp_path, ["infra"]))


def hook(root: Path, *paths: str) -> list[tuple[str, int, str]]:
    group = [Artifact(path, "terraform", 1) for path in paths]
    made = InfraScanner().scan(group, Context(root, hook=True))
    return [(one.location.path, one.location.line, one.rule) for one in made if isinstance(one, Detection)]


def test_one_changed_file_is_read_with_those_beside_it(tmp_path: Path) -> None:
    write(tmp_path, {"main.tf": 'resource "aws_s3_bucket_acl" "a" {\n  bucket = "b"\n  acl = var.acl\n}\n', "variables.tf": 'variable "acl" { default = "private" }\n', "x.auto.tfvars": 'acl = "public-read"\n'})  # fmt: skip

    assert ("main.tf", 3, "tf/public-storage") in hook(tmp_path, "main.tf")


def test_one_changed_file_of_a_module_is_seen_through_the_folder_that_calls_it(tmp_path: Path) -> None:
    module = 'variable "acl" {}\nresource "aws_s3_bucket_acl" "a" {\n  bucket = "b"\n  acl = var.acl\n}\n'
    write(
        tmp_path,
        {"main.tf": 'module "m" {\n  source = "./modules/m"\n  acl = "public-read"\n}\n', "modules/m/main.tf": module},
    )

    assert ("modules/m/main.tf", 4, "tf/public-storage") in hook(tmp_path, "modules/m/main.tf")


def test_each_file_of_values_is_evaluated(tmp_path: Path) -> None:
    files = {
        "main.tf": 'variable "acl" {}\nvariable "n" { default = 1 }\nresource "x_y" "z" {\n  v = "${var.acl}-${var.n}"\n}\n',
        "terraform.tfvars": "n = 2\n", "dev.tfvars": 'acl = "dev"\n', "env/prod.tfvars": 'acl = "prod"\nn = 3\n',
    }  # fmt: skip

    made = [one.attributes["v"] for one in records(tmp_path, files) if isinstance(one, Resource) and one.kind == "x_y"]

    assert made == ["dev-2", "prod-3"]


def test_providers_with_an_alias_are_handed_down(tmp_path: Path) -> None:
    files = {
        "main.tf": 'provider "aws" { region = "eu-west-1" }\nprovider "aws" {\n  alias = "us"\n  region = "us-east-1"\n}\n'
        'module "a" {\n  source = "./m"\n  providers = {\n    aws = aws.us\n    aws.second = aws\n  }\n}\n',
        "m/main.tf": 'resource "aws_s3_bucket" "x" {}\nresource "aws_s3_bucket" "y" {\n  provider = aws.second\n}\n',
    }

    made = resources(tmp_path, files)

    assert (made["module.a.aws_s3_bucket.x"].region, made["module.a.aws_s3_bucket.y"].region) == (
        "us-east-1",
        "eu-west-1",
    )


def test_a_provider_for_each_key_leaves_the_region_unknown(tmp_path: Path) -> None:
    text = 'provider "aws" {\n  region = "eu-west-1"\n}\nprovider "aws" {\n  alias = "by"\n  for_each = toset(["us-east-1"])\n  region = each.value\n}\nresource "aws_s3_bucket" "x" {\n  provider = aws.by["us-east-1"]\n}\n'

    assert resources(tmp_path, text)["aws_s3_bucket.x"].region == ""


@pytest.mark.parametrize(("name", "text", "kind"), [
    ("m.tf", 'resource "x_y" "z" {\n  a = \n', "unreadable"), ("m.tf.json", "{", "unreadable"), ("m.tf", "\x00\x01", None), ("m.tf", "}" * 5000, "unreadable"),
])  # fmt: skip
def test_a_broken_file_is_a_gap_and_its_neighbours_are_read(tmp_path: Path, name: str, text: str, kind: Any) -> None:
    files = {name: text, "good.tf": 'resource "x_y" "good" {}\n'}

    assert "x_y.good" in resources(tmp_path, files)
    assert not kind or kind in [gap.kind for gap in gaps(tmp_path, files)]


def test_json_keeps_the_place_of_each_block(tmp_path: Path) -> None:
    text = '{\n "resource": {\n  "aws_s3_bucket": {\n   "b": {\n    "bucket": "x",\n    "versioning": {\n     "enabled": true\n    },\n    "rule": [\n     {"a": 1},\n     {"a": 2}\n    ]\n   }\n  }\n }\n}\n'

    made = resources(tmp_path, {"main.tf.json": text})["aws_s3_bucket.b"]

    lines = {
        path: made.positions[path].line
        for path in [(), ("bucket",), ("versioning", 0, "enabled"), ("rule", 1), ("rule", 1, "a")]
    }
    assert lines == {(): 4, ("bucket",): 5, ("versioning", 0, "enabled"): 7, ("rule", 1): 11, ("rule", 1, "a"): 11}


BUCKET = 'variable "acl" {}\nvariable "name" {}\nresource "aws_s3_bucket_acl" "a" {\n  bucket = var.name\n  acl = var.acl\n}\n'


def test_a_unit_of_terragrunt_gives_its_module_the_inputs(tmp_path: Path) -> None:
    files = {
        "live/terragrunt.hcl": 'inputs = {\n  name = "b"\n}\n',
        "live/prod/terragrunt.hcl": 'include "root" {\n  path = find_in_parent_folders()\n}\nlocals {\n  acl = "public-read"\n}\nterraform {\n  source = "../../modules//bucket"\n}\ninputs = {\n  acl = local.acl\n}\n',
        "live/dev/terragrunt.hcl": 'terraform {\n  source = "${get_terragrunt_dir()}/../x"\n}\n',
        "modules/bucket/main.tf": BUCKET,
    }
    write(tmp_path, files)

    report = scan(tmp_path, ["infra"])

    (finding,) = [one for one in report.findings if one.rule == "tf/public-storage"]
    assert (finding.location.path, finding.location.line) == ("modules/bucket/main.tf", 5)
    assert [(text, at.line) for text, at in finding.related] == [("called by live/prod/terragrunt.hcl", 8)]
    assert [(gap.path, gap.kind) for gap in report.gaps] == [("live/dev/terragrunt.hcl", "skipped")]


@pytest.mark.parametrize(
    "text",
    [
        'inputs = run_cmd("id")\n',
        'include {\n  path = find_in_parent_folders("terragrunt.hcl")\n}\n',
        "terraform {\n",
        'terraform {\n  source = "../../../etc"\n}\n',
    ],
)
def test_what_a_unit_cannot_tell_harms_nothing(tmp_path: Path, text: str) -> None:
    files = {"terragrunt.hcl": text, "a/terragrunt.hcl": text, "m/main.tf": 'resource "x_y" "z" {}\n'}
    write(tmp_path, files)

    assert "crash" not in [gap.kind for gap in scan(tmp_path, ["infra"]).gaps]
