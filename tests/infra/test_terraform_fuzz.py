"""Any text at all ends in resources and gaps, in time; literal files mean what HashiCorp's own parser says."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlguard.artifacts import Artifact
from mlguard.scanners import Context
from mlguard.scanners.infra.terraform import read
from mlguard.scanners.infra.terraform.patterns import matches
from tests.infra.terraform import resources

SAMPLES = [
    """locals {
  a = { for k, v in var.m : "${k}-x" => upper(v)... if v != null }
  b = try(var.x[0].y, [1, 2, 3][*], "d")
  c = <<-EOT
    %{ for x in local.a ~}
    - ${x}
    %{ endfor ~}
    EOT
}
variable "m" {
  type = map(object({ a = optional(string, "b") }))
  default = { k = { a = "v" } }
}
resource "aws_s3_bucket" "b" {
  for_each = local.a
  bucket   = format("%s-%03d", each.key, length(each.value))
  dynamic "rule" {
    for_each = toset(["a", "b"])
    content {
      id = rule.value ? 1e3 : -2 % 3
    }
  }
  policy = jsonencode({ Statement = [{ Effect = "Allow", Action = "*" }] })
}
module "m" {
  source = "./"
  x      = aws_s3_bucket.b["k"].id
}
""",
    """data "aws_iam_policy_document" "d" {
  statement {
    actions   = ["s3:*"]
    resources = ["${aws_s3_bucket.b.arn}/*"]
    condition {
      test = "Bool"
      values = [true]
      variable = "aws:SecureTransport"
    }
  }
}
resource "aws_security_group" "g" {
  count = var.n > 2 ? 1 : 0
  ingress { from_port = 22 }
  policy = data.aws_iam_policy_document.d.json
  x      = regexall("(a+)+", replace("aaa", "/a(.)/", "$1"))
  y      = cidrsubnets("10.0.0.0/8", 4, 4)[1]
}
""",
]


def evaluated(root: Path, text: str | bytes, name: str = "main.tf") -> float:
    (root / name).write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    start = time.process_time()
    list(read([Artifact(name, "terraform", 1)], Context(root)))
    return time.process_time() - start


FUZZ = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(data=st.data())
def test_a_file_that_was_cut_and_changed_raises_nothing_and_ends_soon(tmp_path: Path, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(SAMPLES))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 40)))
        text = text[:start] + data.draw(st.text('{}[]()"$%<~*.,:=!?-\n\\ a1é', max_size=6)) + text[end:]

    assert evaluated(tmp_path, text) < 2


@FUZZ
@given(data=st.binary(max_size=400))
def test_any_bytes_raise_nothing(tmp_path: Path, data: bytes) -> None:
    assert evaluated(tmp_path, data) < 2


@FUZZ
@given(value=st.recursive(
    st.none() | st.booleans() | st.text(max_size=8) | st.integers(-(10**9), 10**9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["resource", "a", "x_y", "for_each", "dynamic", "//", "count"]), inner, max_size=4), max_leaves=12,
))  # fmt: skip
def test_any_json_raises_nothing(tmp_path: Path, value: Any) -> None:
    assert evaluated(tmp_path, json.dumps({"resource": value, "locals": {"v": value}}), "main.tf.json") < 2


@FUZZ
@given(pattern=st.text("ab()[]|*+?{}1,2\\d.^$-:P<n>", max_size=14), text=st.text("ab1-\n", max_size=40))
def test_a_pattern_is_matched_or_refused_in_time(pattern: str, text: str) -> None:
    start = time.process_time()
    try:
        list(matches(pattern, text))
    except (ValueError, OverflowError):
        pass
    assert time.process_time() - start < 2


@pytest.mark.parametrize("text", [
    "a = " + "(" * 5000 + "1" + ")" * 5000, "a = " + "-" * 20000 + "1", "a " * 50000, '"' * 50001, "a = " + "[" * 50000, "b {" * 5000, "a = <<EOT\n" * 3000,
    "a = " + "1 + " * 3000 + "1", "a = " + "true ? 1 : " * 1500 + "2", "a = x" + ".b" * 3000, "a = x" + "[0]" * 3000, 'a = "' + "${" * 3000, "a = " + "{ a = " * 3000,
    'a = "' + "%{ if true }" * 3000 + '"', "a = f(" * 3000, "a = x" + "[*]" * 2000, "\n" * 500000, "/*" * 100000, "a = 1e999999\nb = 9" + "9" * 5000,
])  # fmt: skip
def test_deep_and_long_texts_end_within_two_seconds(tmp_path: Path, text: str) -> None:
    assert evaluated(tmp_path, f'resource "x_y" "z" {{\n{text}\n}}\n') < 2


@pytest.mark.parametrize("expression", [
    'join("", [for a in range(1000) : join("", [for b in range(1000) : "xxxxxxxxxx"])])', 'setproduct(range(1000), range(1000), range(1000))',
    'replace(join("", [for i in range(1000) : "a"]), "a", join("", [for i in range(1000) : "aaaaaaaaaa"]))', 'pow(9999, 9999)', 'format("%9999s", "a")',
    'regexall("(a|aa)+$", join("", [for i in range(1000) : "a"]))', 'regex("(.*)(.*)(.*)(.*)x", join("", [for i in range(1000) : "a"]))', 'flatten([for a in range(1000) : [for b in range(1000) : [b]]])',
    'cidrsubnets("::/0", 1, 100, 127)', '[for i in range(1000) : can(regex("(a+)+(b+)+c", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbb${i}"))]', 'indent(99, join("\\n", range(1000)))', '[for a in range(1000) : [for b in range(1000) : a * b]]', 'jsondecode("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]")', 'yamldecode("a: &a [x,x,x,x]\\nb: &b [*a,*a,*a,*a]\\nc: &c [*b,*b,*b,*b]\\nd: [*c,*c,*c,*c]")',
])  # fmt: skip
def test_functions_on_much_end_within_two_seconds(tmp_path: Path, expression: str) -> None:
    assert evaluated(tmp_path, f'resource "x_y" "z" {{\n  a = {expression}\n}}\n') < 2


def test_fifty_thousand_locals_are_linear(tmp_path: Path) -> None:
    def least(number: int) -> float:
        text = "locals {\n" + "".join(f"  l{n} = {n}\n" for n in range(number)) + "}\n"
        return min(evaluated(tmp_path, text) for _ in range(3))

    assert least(50_000) < 20 * least(5_000) + 0.5


# Against another parser

LITERALS = [
    "a = 1\nb = -2.5\nc = true\nd = null\ne = \"x\"\n", 'a = [1, "two", [3.5, false], { k = "v" }]\n', "a = {\n  b = 1\n  c : 2, \"d e\" = 3\n}\n",
    "a = <<EOT\nline one\n  line two\nEOT\nb = 2\n", "a = <<-EOT\n    indented\n      more\n    EOT\n", '# comment\n// another\n/* block\n comment */ a = 1 # end\n',
    'a = "tab\\t quote\\" back\\\\ \\u00e9 new\\nline"\n', "a = 1.5e3\nb = 100000000000\nc = 0.1\n", 'a = "é ü 🎉"\n', "a = [\n  1,\n  2, # two\n]\n", "a = []\nb = {}\n", "a-b_c = 1\n", 'a = "100%"\nb = "5$"\n',
]  # fmt: skip


@pytest.mark.parametrize("text", LITERALS)
def test_literal_values_are_those_of_the_parser_of_terraform(tmp_path: Path, text: str) -> None:
    oracle = pytest.importorskip("pygohcl")
    wanted = oracle.loads(text)

    made = resources(tmp_path, f'resource "x_y" "z" {{\n{text}}}\n')["x_y.z"].attributes

    assert set(wanted) <= set(made)
    for name, value in wanted.items():
        assert _alike(made[name], value), (name, made[name], value)


def _alike(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool) or left is None or right is None:
        return left is right
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return math.isclose(left, right)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_alike, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_alike(left[key], right[key]) for key in left)
    return bool(left == right)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.recursive(
    st.booleans() | st.integers(-(10**6), 10**6) | st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=["Cc", "Cs"]), max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3), max_leaves=8,
))  # fmt: skip
def test_any_literal_value_survives_the_way_through_both_parsers(tmp_path: Path, value: Any) -> None:
    oracle = pytest.importorskip("pygohcl")
    text = f"a = {_written(value)}\n"

    assert _alike(oracle.loads(text)["a"], value)
    made = resources(tmp_path, f'resource "x_y" "z" {{\n{text}}}\n')["x_y.z"].attributes["a"]
    assert _alike(made, value), (text, made)


def _written(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_written(item)}" for key, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


VALID = [
    'a "b" c {\n  d = 1\n}\n', "a {}\n", "a { b = 1 }\n", "a = b.c[0].d[*].e\n", 'a = x ? y : z ? 1 : 2\n', "a = [for x in y : x if z]\n", "a = f(1, 2...)\n", 'a = "${b}${c}"\n', "a = {for k, v in x : k => v...}\n",
    "a = !b && c || -d\n", "a = x.*.y\n", "a = x.0.y\n", 'a = "%{ if x }y%{ else }z%{ endif }"\n', "a = (\n  1 +\n  2\n)\n", "a = provider::aws::f(x)\n", "a = 1e3\n", "", "# only a comment", "a = f(\n  1,\n)\n", 'a = { "${x}" = 1 }\n', "a = { (x) = 1 }\n",
]  # fmt: skip
BROKEN = [
    "a = \n",
    "a {\n",
    "a = [1, 2\n",
    'a = "x\n',
    "a = 1 +\n",
    "= 1\n",
    "a = {b = }\n",
    "a b = 1\n",
    "a = f(1\n",
    "a = ${b}\n",
    "}\n",
]


@pytest.mark.parametrize("text", VALID)
def test_what_is_valid_has_no_gap(tmp_path: Path, text: str) -> None:
    (tmp_path / "main.tf").write_text(text)

    assert [
        item
        for item in read([Artifact("main.tf", "terraform", 1)], Context(tmp_path))
        if getattr(item, "kind", "") == "unreadable"
    ] == []


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_broken_is_a_gap(tmp_path: Path, text: str) -> None:
    oracle = pytest.importorskip("pygohcl")
    with pytest.raises(oracle.HCLParseError):
        oracle.loads(text)
    (tmp_path / "main.tf").write_text(text)

    assert "unreadable" in [
        getattr(item, "kind", "") for item in read([Artifact("main.tf", "terraform", 1)], Context(tmp_path))
    ]
