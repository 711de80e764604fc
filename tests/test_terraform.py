"""Terraform is evaluated as Terraform does, in bounds, and without the outside world."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlguard.artifacts import Artifact
from mlguard.findings import Gap
from mlguard.scanners import Context
from mlguard.scanners.infra import InfraScanner
from mlguard.scanners.infra.resources import Resource, Unknown, shown
from mlguard.scanners.infra.terraform import read
from mlguard.scanners.infra.terraform.functions import FUNCTIONS, Failed, call
from tests.scanning import found, scan


def write(root: Path, files: Mapping[str, str | bytes]) -> list[Artifact]:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return [Artifact(name, "terraform", 1) for name in sorted(files) if ".tf" in name]


def resources(root: Path, files: Mapping[str, str] | str, *, given: tuple[str, ...] = ()) -> dict[str, Resource]:
    artifacts = write(root, {"main.tf": files} if isinstance(files, str) else files)
    artifacts = [artifact for artifact in artifacts if not given or artifact.path in given]
    return {item.address: item for item in read(artifacts, Context(root)) if isinstance(item, Resource)}


def value(root: Path, expression: str, more: str = "") -> Any:
    """Return the value of one expression."""
    return resources(root, f'{more}\nresource "x_y" "z" {{\n  a = {expression}\n}}\n')["x_y.z"].attributes["a"]


def scanned(root: Path, files: Mapping[str, str]) -> list[tuple[str, int, str]]:
    write(root, files)
    return found(scan(root, ["infra"]))


# Expressions


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("-2 + 5", 3),
        ("7 % 4", 3),
        ("6 / 4", 1.5),
        ("!false && 1 < 2", True),
        ("true ? \"a\" : \"b\"", "a"),
        ("1 == 2 || \"a\" != \"b\"", True),
        ("\"a-${1 + 1}-b\"", "a-2-b"),
        ("\"${true}\"", True),
        (r'"tab\t\"quoted\" $${kept}"', 'tab\t"quoted" ${kept}'),
        ("\"%{ if true }yes%{ else }no%{ endif }\"", "yes"),
        ("\"%{ for x in [1, 2] }<${x}>%{ endfor }\"", "<1><2>"),
        ("[for x in [1, 2, 3] : x * 2 if x > 1]", [4, 6]),
        ("{ for k, v in { a = 1, b = 2 } : upper(k) => v }", {"A": 1, "B": 2}),
        ("{ for x in [\"a\", \"b\", \"a\"] : x => 1... }", {"a": [1, 1], "b": [1]}),
        ("{ (\"k\") = 1, \"q-r\" : 2 }[\"k\"]", 1),
        ("[{ a = 1 }, { a = 2 }][*].a", [1, 2]),
        ("[[1, 2], [3]][0][1]", 2),
        ("try({}.missing, \"x\")", "x"),
        ("can({}.missing)", False),
        ("try(tostring(null), 3)", None),
        ("1.5e3", 1500),
        ("null", None),
        ("lookup({ a = 1 }, \"b\", 5)", 5),
        ("concat([1], [2], [])", [1, 2]),
        ("merge({ a = 1 }, { a = 2, b = 3 })", {"a": 2, "b": 3}),
        ("flatten([[1], [2, [3]]])", [1, 2, 3]),
        ("join(\",\", sort([\"b\", \"a\"]))", "a,b"),
        ("element([1, 2, 3], 4)", 2),
        ("coalesce(null, \"\", \"c\")", "c"),
        ("toset([\"b\", \"a\", \"b\"])", ["a", "b"]),
        ("zipmap([\"a\"], [1])", {"a": 1}),
        ("format(\"%s-%03d-%t\", \"x\", 7, true)", "x-007-true"),
        ("replace(\"a.b\", \".\", \"-\")", "a-b"),
        ("replace(\"ab12\", \"/[0-9]+/\", \"n\")", "abn"),
        ("regex(\"([a-z]+)-([0-9]+)\", \"ab-12\")", ["ab", "12"]),
        ("substr(\"hello\", 1, 3)", "ell"),
        ("split(\",\", \"a,b\")", ["a", "b"]),
        ("jsondecode(\"{\\\"a\\\": [1]}\").a[0]", 1),
        ("jsonencode({ a = [true, null] })", '{"a":[true,null]}'),
        ("base64decode(base64encode(\"x\"))", "x"),
        ("cidrsubnet(\"10.0.0.0/16\", 8, 3)", "10.0.3.0/24"),
        ("cidrhost(\"10.0.0.0/24\", 5)", "10.0.0.5"),
        ("length([1, 2])", 2),
        ("contains([\"a\"], \"a\")", True),
        ("one([])", None),
        ("slice([1, 2, 3], 1, 3)", [2, 3]),
        ("setproduct([\"a\"], [1, 2])", [["a", 1], ["a", 2]]),
        ("range(1, 4)", [1, 2, 3]),
        ("title(\"hello world\")", "Hello World"),
        ("trimprefix(\"abc\", \"a\")", "bc"),
        ("chunklist([1, 2, 3], 2)", [[1, 2], [3]]),
        ("alltrue([true, \"true\"])", True),
        ("distinct([1, 1, 2])", [1, 2]),
    ],
)  # fmt: skip
def test_an_expression_has_the_value_that_terraform_gives_it(tmp_path: Path, expression: str, expected: Any) -> None:
    result = value(tmp_path, expression)

    assert (result, type(result)) == (expected, type(expected))


def test_heredocs_lose_their_indentation_and_keep_their_text(tmp_path: Path) -> None:
    text = 'resource "x_y" "z" {\n  a = <<-EOT\n    one ${1 + 1}\n      two\n  EOT\n  b = <<EOT\n  kept\nEOT\n}\n'

    attributes = resources(tmp_path, text)["x_y.z"].attributes

    assert attributes["a"] == "one 2\n  two\n"
    assert attributes["b"] == "  kept\n"


def test_locals_are_lazy_and_a_ring_of_them_is_unknown(tmp_path: Path) -> None:
    more = "locals {\n  a = local.b\n  b = local.c + 1\n  c = 1\n  x = local.y\n  y = local.x\n}"

    assert value(tmp_path, "local.a", more) == 2
    assert isinstance(value(tmp_path, "local.x", more), Unknown)


def test_what_is_not_given_is_unknown_and_names_its_cause(tmp_path: Path) -> None:
    more = 'variable "v" {}'

    assert value(tmp_path, "var.v", more) == Unknown("var.v")
    assert value(tmp_path, "var.v ? 1 : 2", more) == Unknown("var.v")
    assert value(tmp_path, "var.v ? 1 : 1", more) == 1
    assert value(tmp_path, "var.v && false", more) is False
    assert shown(value(tmp_path, '"a-${var.v}"', more)) == "a-${var.v}"
    assert value(tmp_path, "timestamp()", more) == Unknown("the function timestamp")


def test_the_environment_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_VAR_v", "from outside")

    assert value(tmp_path, "var.v", 'variable "v" {}') == Unknown("var.v")


def test_optional_attributes_get_their_defaults(tmp_path: Path) -> None:
    more = 'variable "v" {\n  type = list(object({ a = string, b = optional(bool, true), c = optional(string) }))\n  default = [{ a = "x" }]\n}'

    assert value(tmp_path, "var.v", more) == [{"a": "x", "b": True, "c": None}]


def test_values_files_win_over_defaults_in_the_order_of_terraform(tmp_path: Path) -> None:
    files = {
        "main.tf": 'resource "x_y" "z" {\n  a = var.a\n  b = var.b\n  c = var.c\n}\n',
        "variables.tf": 'variable "a" { default = 1 }\nvariable "b" { default = 1 }\nvariable "c" { default = 1 }\n',
        "terraform.tfvars": "b = 2\nc = 2\n",
        "b.auto.tfvars": "c = 4\n",
        "a.auto.tfvars": "c = 3\n",
    }

    assert resources(tmp_path, files)["x_y.z"].attributes.items() >= {"a": 1, "b": 2, "c": 4}.items()


def test_each_other_values_file_is_evaluated_by_itself(tmp_path: Path) -> None:
    files = {
        "main.tf": 'variable "acl" {}\nresource "aws_s3_bucket_acl" "a" {\n  acl = var.acl\n}\n',
        "env/dev.tfvars": 'acl = "public-read"\n',
        "env/prod.tfvars": 'acl = "private"\n',
    }

    assert ("main.tf", 3, "tf/public-storage") in scanned(tmp_path, files)


def test_one_given_file_is_read_with_its_siblings(tmp_path: Path) -> None:
    files = {
        "main.tf": 'resource "aws_s3_bucket_acl" "a" {\n  acl = var.acl\n}\n',
        "variables.tf": 'variable "acl" { default = "public-read" }\n',
    }
    write(tmp_path, files)
    group = [Artifact("main.tf", "terraform", 1)]

    records = list(InfraScanner().scan(group, Context(tmp_path, hook=True)))

    assert [(r.rule, r.location.line) for r in records if hasattr(r, "check")] == [("tf/public-storage", 2)]


def test_findings_in_files_that_were_not_given_are_left_out(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"main.tf": 'variable "x" {}\n', "other.tf": 'resource "aws_s3_bucket_acl" "a" {\n  acl = "public-read"\n}\n'},
    )

    records = list(InfraScanner().scan([Artifact("main.tf", "terraform", 1)], Context(tmp_path, hook=True)))

    assert [r for r in records if hasattr(r, "check")] == []


# Instances and modules


def test_count_and_for_each_make_instances_with_keys(tmp_path: Path) -> None:
    text = """
variable "on" { default = false }
variable "what" {}
resource "a_b" "none" { count = var.on ? 1 : 0 }
resource "a_b" "two" {
  count = 2
  n     = count.index
}
resource "a_b" "map" {
  for_each = { x = 1, y = 2 }
  n        = "${each.key}${each.value}"
}
resource "a_b" "doubt" { count = var.what }
"""

    found_resources = resources(tmp_path, text)

    assert sorted(found_resources) == ["a_b.doubt", 'a_b.map["x"]', 'a_b.map["y"]', "a_b.two[0]", "a_b.two[1]"]
    assert found_resources["a_b.two[1]"].attributes["n"] == 1
    assert found_resources['a_b.map["y"]'].attributes["n"] == "y2"


def test_dynamic_blocks_become_blocks_with_exact_places(tmp_path: Path) -> None:
    text = """resource "a_b" "c" {
  dynamic "rule" {
    for_each = { x = 1, y = 2 }
    iterator = it
    content {
      name = it.key
      n    = it.value
    }
  }
}
"""

    made = resources(tmp_path, text)["a_b.c"]

    assert made.attributes["rule"] == [{"name": "x", "n": 1}, {"name": "y", "n": 2}]
    assert made.positions["rule", 1, "n"].line == 7


MODULE = """
variable "name" {}
variable "public" { default = false }
variable "on" { default = true }
resource "aws_s3_bucket" "this" {
  count  = var.on ? 1 : 0
  bucket = var.name
}
resource "aws_s3_bucket_acl" "this" {
  count  = var.on ? 1 : 0
  bucket = aws_s3_bucket.this[0].id
  acl    = local.acl
}
locals {
  acl = !var.public ? "private" : "public-read"
}
output "id" { value = one(aws_s3_bucket.this[*].id) }
"""


def test_a_module_is_judged_through_its_callers(tmp_path: Path) -> None:
    files = {
        "main.tf": 'module "good" {\n  source = "./bucket"\n  name = "a"\n}\n'
        'module "bad" {\n  source = "./bucket"\n  name = "b"\n  public = true\n}\n'
        'module "off" {\n  source = "./bucket"\n  name = "c"\n  public = true\n  on = false\n}\n',
        "bucket/main.tf": MODULE,
    }

    made = resources(tmp_path, files)
    report = scan(tmp_path, ["infra"])

    assert "module.off.aws_s3_bucket.this[0]" not in made
    assert found(report, "tf/public-storage") == [("bucket/main.tf", 12, "tf/public-storage")]
    assert [f.subject for f in report.findings if f.rule == "tf/public-storage"] == [
        "module.bad.aws_s3_bucket_acl.this[0]"
    ]


def test_a_join_goes_through_the_output_of_a_module(tmp_path: Path) -> None:
    block = "".join(
        f"  {name} = true\n"
        for name in ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
    )
    files = {
        "main.tf": 'module "data" {\n  source = "./bucket"\n  name = "patients"\n}\n'
        f'resource "aws_s3_bucket_public_access_block" "data" {{\n  bucket = module.data.id\n{block}}}\n',
        "bucket/main.tf": MODULE,
    }

    assert [f for f in scanned(tmp_path, files) if f[2] == "tf/missing-public-access-block"] == []


def test_modules_that_call_each_other_end(tmp_path: Path) -> None:
    files = {
        "a/main.tf": 'module "b" {\n  source = "../b"\n}\nresource "x_y" "a" {}\n',
        "b/main.tf": 'module "a" {\n  source = "../a"\n}\nmodule "b" {\n  source = "../a"\n}\nresource "x_y" "b" {}\n',
    }

    assert "x_y.a" in resources(tmp_path, files)


def test_a_module_from_elsewhere_is_a_gap_and_never_a_missing_join(tmp_path: Path) -> None:
    files = {
        "main.tf": 'resource "aws_s3_bucket" "patients" {\n  bucket = "patients"\n}\n'
        'module "guard" {\n  source = "example/guard/aws"\n  bucket = aws_s3_bucket.patients.id\n}\n'
    }
    write(tmp_path, files)

    report = scan(tmp_path, ["infra"])

    assert found(report, "tf/missing-public-access-block") == []
    assert {gap.kind for gap in report.gaps} == {"skipped", "unresolved"}


@pytest.mark.parametrize(
    "reference",
    [
        "aws_s3_bucket.patients.id",
        "aws_s3_bucket.patients.bucket",
        '"acme-patients"',
        '"${aws_s3_bucket.patients.id}"',
        "local.bucket",
        "one([aws_s3_bucket.patients.id])",
        "[for b in [aws_s3_bucket.patients] : b.id][0]",
    ],
)
def test_a_join_is_found_however_the_bucket_is_named(tmp_path: Path, reference: str) -> None:
    text = f"""
resource "aws_s3_bucket" "patients" {{
  bucket = "acme-patients"
}}
locals {{
  bucket = aws_s3_bucket.patients.id
}}
resource "aws_s3_bucket_versioning" "v" {{
  bucket = {reference}
  versioning_configuration {{
    status = "Enabled"
  }}
}}
"""

    assert [f for f in scanned(tmp_path, {"main.tf": text}) if f[2] == "tf/missing-backup"] == []


def test_a_join_with_the_wrong_bucket_does_not_count(tmp_path: Path) -> None:
    text = """
resource "aws_s3_bucket" "patients" {
  bucket = "acme-patients"
}
resource "aws_s3_bucket" "users" {
  bucket = "acme-users"
}
resource "aws_s3_bucket_versioning" "v" {
  bucket = aws_s3_bucket.users.id
  versioning_configuration {
    status = "Enabled"
  }
}
"""

    assert [f for f in scanned(tmp_path, {"main.tf": text}) if f[2] == "tf/missing-backup"] == [
        ("main.tf", 2, "tf/missing-backup")
    ]


def test_of_two_guards_of_one_bucket_the_weakest_counts(tmp_path: Path) -> None:
    guard = 'resource "aws_s3_bucket_versioning" "{0}" {{\n  bucket = "acme-patients"\n  versioning_configuration {{\n    status = "{1}"\n  }}\n}}\n'
    text = (
        'resource "aws_s3_bucket" "patients" {\n  bucket = "acme-patients"\n}\n'
        + guard.format("a", "Enabled")
        + guard.format("b", "Suspended")
    )

    assert [f for f in scanned(tmp_path, {"main.tf": text}) if f[2] == "tf/missing-backup"] == [
        ("main.tf", 13, "tf/missing-backup")
    ]


def test_a_finding_in_a_module_names_the_calls_that_lead_to_it(tmp_path: Path) -> None:
    files = {
        "main.tf": '\nmodule "outer" {\n  source = "./outer"\n}\n',
        "outer/main.tf": 'module "inner" {\n  source = "../bucket"\n  name   = "x"\n  public = true\n}\n',
        "bucket/main.tf": MODULE,
    }
    write(tmp_path, files)

    finding = next(f for f in scan(tmp_path, ["infra"]).findings if f.rule == "tf/public-storage")

    assert [(text, place.path, place.line) for text, place in finding.related] == [
        ("called by module.outer.module.inner", "outer/main.tf", 1),
        ("called by module.outer", "main.tf", 2),
    ]


def test_instances_that_fail_alike_are_one_finding(tmp_path: Path) -> None:
    text = 'resource "aws_s3_bucket_acl" "a" {\n  count = 5\n  acl = "public-read"\n}\n'

    assert scanned(tmp_path, {"main.tf": text}) == [("main.tf", 3, "tf/public-storage")]


# Policies


@pytest.mark.parametrize(
    "policy",
    [
        'jsonencode({ Statement = [{ Effect = "Allow", Action = "*", Resource = "*" }] })',
        'file("${path.module}/admin.json")',
        'templatefile("${path.module}/admin.json", {})',
        "local.policy",
        "data.aws_iam_policy_document.outer.json",
        '<<EOF\n{"Statement": {"Effect": "Allow", "Action": ["*"], "Resource": "*"}}\nEOF\n',
    ],
)
def test_a_policy_is_read_wherever_it_is_written(tmp_path: Path, policy: str) -> None:
    files = {
        "main.tf": f'resource "aws_iam_policy" "p" {{\n  policy = {policy}\n}}\n'
        'locals {\n  policy = jsonencode({ Statement = [{ Effect = "Allow", Action = "*", Resource = "*" }] })\n}\n'
        'data "aws_iam_policy_document" "inner" {\n  dynamic "statement" {\n    for_each = ["*"]\n    content {\n'
        "      actions = [statement.value]\n      resources = [statement.value]\n    }\n  }\n}\n"
        'data "aws_iam_policy_document" "outer" {\n  source_policy_documents = [data.aws_iam_policy_document.inner.json]\n}\n',
        "admin.json": '{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}',
    }

    assert {rule for _, _, rule in scanned(tmp_path, files)} == {"tf/broad-owner-role"}


def test_a_set_of_files_makes_instances(tmp_path: Path) -> None:
    files = {
        "main.tf": 'resource "aws_iam_policy" "p" {\n  for_each = fileset("${path.module}/policies", "**/*.{json,tpl}")\n'
        '  policy = file("${path.module}/policies/${each.value}")\n}\n',
        "policies/a.json": '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}',
        "policies/deep/b.tpl": '{"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}',
        "policies/c.txt": "",
    }

    made = resources(tmp_path, files)

    assert [a for a in made if "/" not in a.partition("]")[2]] == [
        'aws_iam_policy.p["a.json"]',
        'aws_iam_policy.p["deep/b.tpl"]',
    ]
    assert found(scan(tmp_path, ["infra"])) == [("main.tf", 3, "tf/broad-owner-role")]


@pytest.mark.parametrize("pattern", ["*", "**", "***", "{", "}", "{a,{b}}", "[", "(", "*" * 50, "a,b", "\\\\"])
def test_any_pattern_of_files_ends(tmp_path: Path, pattern: str) -> None:
    assert isinstance(value(tmp_path, f'fileset(path.module, "{pattern}")'), list)


def test_a_file_outside_the_tree_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text('{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}')
    root = tmp_path / "tree"
    root.mkdir()
    (root / "link.json").symlink_to(tmp_path / "secret.json")

    for name in ("../secret.json", "link.json", str(tmp_path / "secret.json"), "/etc/hostname"):
        assert isinstance(value(root, f'file("{name}")'), Unknown)


# Regions


def test_the_region_follows_the_provider_into_a_module(tmp_path: Path) -> None:
    files = {
        "main.tf": """
variable "away" { default = "us-west-2" }
provider "aws" { region = "eu-west-1" }
provider "aws" {
  alias  = "away"
  region = var.away
}
module "here" { source = "./m" }
module "there" {
  source    = "./m"
  providers = { aws = aws.away }
}
resource "aws_s3_bucket" "patients" {
  provider = aws.away
}
""",
        "m/main.tf": 'data "aws_region" "now" {}\nresource "aws_s3_bucket" "patients" {\n  bucket = "x-${data.aws_region.now.name}"\n}\n',
    }

    made = resources(tmp_path, files)

    assert {address: resource.region for address, resource in made.items()} == {
        "aws_s3_bucket.patients": "us-west-2",
        "module.here.aws_s3_bucket.patients": "eu-west-1",
        "module.there.aws_s3_bucket.patients": "us-west-2",
    }
    assert made["module.there.aws_s3_bucket.patients"].attributes["bucket"] == "x-us-west-2"


def test_the_configuration_may_allow_another_region(tmp_path: Path) -> None:
    write(
        tmp_path, {"main.tf": 'provider "aws" {\n  region = "us-east-1"\n}\nresource "aws_s3_bucket" "patients" {}\n'}
    )
    params = {"tf/disallowed-region": {"allowed": ["us-*"]}}

    default = scan(tmp_path, ["infra"])
    allowed = scan(tmp_path, ["infra"], settings={"infra": {"params": params}})

    assert found(default, "tf/disallowed-region") == [("main.tf", 4, "tf/disallowed-region")]
    assert found(allowed, "tf/disallowed-region") == []


def test_tags_of_the_provider_classify_a_resource(tmp_path: Path) -> None:
    text = """
provider "aws" {
  default_tags {
    tags = { Data_Classification = "Special-Category" }
  }
}
resource "aws_s3_bucket" "a" {}
resource "aws_s3_bucket" "b" {
  tags = { data_classification = "public", x = var.x }
}
"""

    made = resources(tmp_path, text)

    assert made["aws_s3_bucket.a"].data_class == "special-category"
    assert "tagged" in made["aws_s3_bucket.a"].classes


# Exact places, order, other syntax


def test_a_finding_covers_the_deciding_attribute(tmp_path: Path) -> None:
    write(tmp_path, {"main.tf": 'resource "aws_s3_bucket_acl" "ä" {\n  /* ü */ acl = "public-read"\n}\n'})

    place = next(f.location for f in scan(tmp_path, ["infra"]).findings)

    assert (place.line, place.column, place.end_line, place.end_column) == (2, 11, 2, 30)


def test_json_syntax_and_overrides_are_read(tmp_path: Path) -> None:
    files = {
        "main.tf.json": '{"resource": {"aws_s3_bucket_acl": {"a": {"acl": "${var.acl}"}}},\n "variable": {"acl": {"default": "private"}}}',
        "x_override.tf": 'variable "acl" {\n  default = "public-read"\n}\n',
    }
    write(tmp_path, files)

    assert found(scan(tmp_path, ["infra"])) == [("main.tf.json", 1, "tf/public-storage")]


def test_values_in_json_may_have_any_name(tmp_path: Path) -> None:
    files = {
        "main.tf": 'variable "data" {}\nresource "x_y" "z" {\n  a = var.data.b\n}\n',
        "terraform.tfvars.json": '{"data": {"b": [1, "x"]}}',
    }

    assert resources(tmp_path, files)["x_y.z"].attributes["a"] == [1, "x"]


def test_fingerprints_do_not_move_with_the_lines(tmp_path: Path) -> None:
    text = 'resource "aws_s3_bucket_acl" "a" {\n  acl = "public-read"\n}\n'
    prints = []
    for number, content in enumerate(
        (text, "\n\n# moved\n" + text.replace("acl = ", "acl    =   "), text.replace("\n", "\r\n"))
    ):
        root = tmp_path / str(number)
        write(root, {"main.tf": content})
        prints.append([f.fingerprint for f in scan(root, ["infra"]).findings])

    assert prints[0] == prints[1] == prints[2] and len(prints[0]) == 1


def test_a_broken_file_gives_what_can_be_read_and_a_gap(tmp_path: Path) -> None:
    write(tmp_path, {"main.tf": 'resource "aws_s3_bucket_acl" "a" {\n  acl = "public-read"\n}\n\nresource "x" {{{ ?\n'})

    report = scan(tmp_path, ["infra"])

    assert ("main.tf", 2, "tf/public-storage") in found(report)
    assert [(gap.kind, gap.path) for gap in report.gaps] == [("unreadable", "main.tf")]


def test_an_unknown_is_one_gap_for_each_cause(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "main.tf": 'variable "acl" {}\n'
            + "".join(f'resource "aws_s3_bucket_acl" "a{n}" {{\n  acl = var.acl\n}}\n' for n in range(3))
        },
    )

    report = scan(tmp_path, ["infra"])

    assert found(report) == []
    assert [(gap.kind, gap.reason) for gap in report.gaps] == [("unresolved", "3 checks need var.acl")]


def test_no_value_of_a_secret_reaches_the_report(tmp_path: Path) -> None:
    secret = "hunter" + "2-Correct9Horse"
    write(
        tmp_path,
        {
            "main.tf": f'variable "{secret}" {{}}\nresource "aws_db_instance" "patients" {{\n  password = "{secret}"\n  publicly_accessible = true\n}}\n'
        },
    )

    assert secret not in repr(scan(tmp_path, ["infra"]).findings)


def test_the_key_of_an_instance_is_shown_masked(tmp_path: Path) -> None:
    address = "jane.roe" + "@" + "example.org"
    text = f"""
resource "google_project_iam_member" "owner" {{
  for_each = toset(["{address}"])
  role     = "roles/owner"
  member   = each.key
}}
resource "aws_iam_role" "r" {{
  for_each           = toset(["{address}"])
  assume_role_policy = jsonencode({{ Statement = {{ Effect = "Allow", Action = "sts:AssumeRole", Principal = "*" }} }})
  inline_policy {{
    policy = jsonencode({{ Statement = {{ Effect = "Allow", Action = "s3:Get*", Resource = each.key }} }})
  }}
}}
"""
    write(tmp_path, {"main.tf": text})

    report = scan(tmp_path, ["infra"])

    assert {f.rule for f in report.findings} == {"tf/broad-owner-role", "tf/open-trust-policy"}
    assert report.proofs and report.facts
    assert address not in repr(report)


# Bounds


def test_shared_values_do_not_multiply(tmp_path: Path) -> None:
    lines = ['  a0 = ["x"]'] + [f"  a{n} = [local.a{n - 1}, local.a{n - 1}]" for n in range(1, 60)]
    text = (
        "locals {\n"
        + "\n".join(lines)
        + '\n}\nresource "x_y" "z" {\n  a = jsonencode(local.a59)\n  b = flatten(local.a40)\n}\n'
    )
    start = time.process_time()

    made = resources(tmp_path, text)

    assert "too large" in str(made["x_y.z"].attributes["a"])
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "expression",
    [
        "range(0, 1000000000)",
        'replace(join("", [for i in range(9999) : "aaaaaaaaaaaaaaaaaaaaaaaa"]), "a", "bbbbbbbbbbbbbbbbbbbbb")',
        "pow(9999, 9999)",
        'regex("(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!")',
        "setproduct(range(5000), range(5000), range(5000))",
        'formatlist("%9999s", range(9999))',
        "(" * 500 + "1" + ")" * 500,
        "[" * 2000 + "]" * 2000,
        "-" * 3000 + "1",
        "[for a in range(3000) : [for b in range(3000) : [for c in range(3000) : a]]]",
    ],
)
def test_no_expression_runs_away(tmp_path: Path, expression: str) -> None:
    start = time.process_time()

    value(tmp_path, expression)

    assert time.process_time() - start < 6


def test_every_function_survives_every_argument() -> None:
    odd: list[Any] = [
        None,
        True,
        -1,
        1e308,
        "",
        "x",
        "-",
        [],
        [None],
        {},
        {"a": 1},
        Unknown("u"),
        [Unknown("u")],
        "\ue000a.b\ue001",
    ]

    for name in FUNCTIONS:
        for first in odd:
            call(name, [])
            call(name, [first])
            for second in odd:
                call(name, [first, second])
                call(name, [first, second, first])

    assert isinstance(call("element", [[], 1]), Failed)


PIECES = st.sampled_from(
    ['resource "aws_s3_bucket" "b" {\n', "}\n", 'acl = "public-read"\n', "locals {\n", "x = ", "local.x", "var.v", "[", "]", "{", "}", "(", ")",
     '"${', '}"', "for_each = ", "dynamic \"r\" {\n", "content {\n", "<<EOF\n", "EOF\n", "%{ if ", "%{ endif }", "? :", "...", "*", ".", "[*]", "== null",
     "data.aws_iam_policy_document.d.json\n", 'data "aws_iam_policy_document" "d" {\n', "statement {\n", 'module "m" {\nsource = "./"\n', "\x00", "ü", "\\",
     "jsonencode(", "policy = ", "aws_s3_bucket.b", "count = ", "1", "\n"]
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=200))
def test_any_text_ends_in_records_or_gaps(tmp_path: Path, text: str) -> None:
    path = tmp_path / "main.tf"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    start = time.process_time()

    records = list(InfraScanner().scan([Artifact("main.tf", "terraform", 1)], Context(tmp_path)))

    assert time.process_time() - start < 2
    assert all(not isinstance(record, Gap) or "�" not in record.reason for record in records)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_any_bytes_end_in_records_or_gaps(tmp_path: Path, data: bytes) -> None:
    for name in ("main.tf", "other.tf.json", "terraform.tfvars"):
        (tmp_path / name).write_bytes(data)

    list(
        InfraScanner().scan(
            [Artifact("main.tf", "terraform", 1), Artifact("other.tf.json", "json", 1)], Context(tmp_path)
        )
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(MODULE)), st.integers(0, len(MODULE)), st.characters(codec="utf-8"))
def test_a_cut_or_flipped_file_never_raises(tmp_path: Path, cut: int, flip: int, character: str) -> None:
    text = (MODULE[:flip] + character + MODULE[flip + 1 :])[:cut]
    (tmp_path / "main.tf").write_text(text, encoding="utf-8")

    list(InfraScanner().scan([Artifact("main.tf", "terraform", 1)], Context(tmp_path)))


def test_allowed_regions_of_the_configuration_reach_the_rule(tmp_path: Path) -> None:
    bucket = 'resource "google_storage_bucket" "data" {\n  name = "d"\n  location = "US"\n  labels = { data_class = "personal" }\n}\n'
    (tmp_path / "main.tf").write_text(bucket)
    default = found(scan(tmp_path, ["infra"]), "tf/disallowed-region")
    (tmp_path / "mlguard.yaml").write_text(
        'version: 1\nsettings:\n  infra:\n    params:\n      tf/disallowed-region: {allowed: ["us*"]}\n'
    )

    allowed = found(scan(tmp_path, ["infra"]), "tf/disallowed-region")

    assert [line for _, line, _ in default] == [3]
    assert allowed == []
