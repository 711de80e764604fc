"""Values, addresses and unknowns are those that Terraform would give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlguard.scanners.infra.resources import Unknown, shown
from mlguard.scanners.infra.terraform.values import Failed
from tests.infra.terraform import gaps, records, resources, value

ERROR = "an error of Terraform"
UNKNOWN = "unknown"

OPERATORS = [
    ("1 + 2 * 3 - 4 / 2", 5),
    ("10 - 2 - 3", 5),
    ("12 / 2 / 3", 2),
    ("7 % 4", 3),
    ("-7 % 4", -3),
    ("1 / 4", 0.25),
    ("0.1 + 0.2", 0.3),
    ("1e3 + 1", 1001),
    ("1.5e-1", 0.15),
    ("-(2 + 3)", -5),
    ("!true || true", True),
    ("true || false && false", True),
    ("1 < 2 == true", True),
    ("1 + 1 == 2 && 2 >= 2", True),
    ("!(1 > 2) && 3 != 4", True),
    ('"5" + 1', 6),
    ('"10" < "9"', False),
    ('1 == "1"', False),
    ('true == "true"', False),
    ('"a" == "a"', True),
    ("[1, 2] == [1, 2]", True),
    ("{ a = 1 } == { a = 1 }", True),
    ("null == null", True),
    ('null == ""', False),
    ('"true" && true', True),
    ('true ? "a" : false ? "b" : "c"', "a"),
    ('false ? "a" : true ? "b" : "c"', "b"),
    ('false ? "a" : false ? "b" : "c"', "c"),
    ('1 == 2 ? "a" : 1 == 1 ? 2 == 2 ? "x" : "y" : "z"', "x"),
    ('(true ? "a" : "b") == "a" ? 1 : 2', 1),
    ('true ? 1 : "a"', "1"),
    ('false ? "a" : true', "true"),
    ("true ? null : 1", None),
    ('"true" ? 1 : 2', 1),
    ("1 / 0", ERROR),
    ('"a" + 1', ERROR),
    ("null ? 1 : 2", ERROR),
    ("tolist([]) == []", False),
    ("[1, 2, 3][1]", 2),
    ("[1, 2, 3].0", 1),
    ("[1][1]", ERROR),
    ('{ a = { b = [10, 20] } }.a["b"][1]', 20),
    ("[{ a = 1 }, { a = 2 }][*].a", [1, 2]),
    ("[{ a = 1 }, { a = 2 }].*.a", [1, 2]),
    ("[{ a = [1] }, { a = [2] }][*].a[0]", [1, 2]),
    ("[{ a = [1] }, { a = [2] }].*.a[0]", [1]),
    ("null[*]", []),
    ('"x"[*]', ["x"]),
    ("{ a = 1 }[*].a", [1]),
    ("[for x in [1, 2, 3] : x * 2 if x != 2]", [2, 6]),
    ("[for i, x in [\"a\", \"b\"] : \"${i}${x}\"]", ["0a", "1b"]),
    ("[for k, v in { b = 1, a = 2 } : k]", ["a", "b"]),
    ("{ for k, v in { a = 1, b = 2 } : v => k }", {"1": "a", "2": "b"}),
    ("{ for x in [\"a\", \"b\", \"a\"] : x => upper(x)... }", {"a": ["A", "A"], "b": ["B"]}),
    ("[for k, v in toset([\"b\", \"a\"]) : \"${k}${v}\"]", ["aa", "bb"]),
    ("[for o in [{ n = \"a\", on = true }, { n = \"b\", on = false }] : o.n if o.on]", ["a"]),
    ('{ (join("", ["a", "b"])) = 1, "c d" = 2, e : 3 }', {"ab": 1, "c d": 2, "e": 3}),
    ('{ "${"a"}-b" = 1 }', {"a-b": 1}),
    ('max([1, 3, 2]...)', 3),
]  # fmt: skip

TEMPLATES = [
    ('"a-${1 + 1}-b"', "a-2-b"),
    ('"${1.50}"', 1.5),
    ('"n=${1.50}"', "n=1.5"),
    ('"n=${0.00001}"', "n=0.00001"),
    ('"n=${100000000000000000000}"', "n=100000000000000000000"),
    ('"b=${true}"', "b=true"),
    ('"x${null}"', ERROR),
    ('"x${[1]}"', ERROR),
    ('"$${a} %%{b} $5 50%"', "${a} %{b} $5 50%"),
    (r'"tab\tquote\"back\\ \u00e9"', 'tab\tquote"back\\ é'),
    ('"x ${~ "y" ~} z"', "xyz"),
    ('"%{ if 1 == 1 }yes%{ else }no%{ endif }"', "yes"),
    ('"%{ if false }yes%{ endif }"', ""),
    ('"%{ for x in ["a", "b"] }<${x}>%{ endfor }"', "<a><b>"),
    ('"%{ for i, x in ["a", "b"] }${i}${x}%{ if i == 0 },%{ endif }%{ endfor }"', "0a,1b"),
    ('"%{ for x in ["a", "b"] ~} ${x} %{ endfor ~} z"', "a b z"),
    ('"${"${"deep"}"}er"', "deeper"),
    ("<<EOT\n  kept ${1 + 1}\nEOT\n", "  kept 2\n"),
    ("<<-EOT\n    one\n      two\n    EOT\n", "one\n  two\n"),
    ("<<-EOT\n    a\n\n    b\n    EOT\n", "a\n\nb\n"),
    ("<<-EOT\n    ${1}\n      b\n    EOT\n", "1\n  b\n"),
    ("<<-EOT\n  a\n ${\"b\"} c\n  EOT\n", " a\nb c\n"),
    ("<<EOT\n$${a} \\n \"q\"\nEOT\n", '${a} \\n "q"\n'),
    ("<<EOT\n%{ for x in [1, 2] ~}\n- ${x}\n%{ endfor ~}\nend\nEOT\n", "- 1\n- 2\nend\n"),
    ("<<EOT\n%{ if true ~}\n  in\n%{ else ~}\n  out\n%{ endif ~}\nEOT\n", "  in\n"),
    ("<<-EOT\n    %{ for x in [1] }\n    v${x}\n    %{ endfor ~}\n    EOT\n", "\nv1\n"),
    ("<<EOT\nEOT\n", ""),
    ('templatestring("$${x} and $${y}", { x = 1, y = "b" })', "1 and b"),
]  # fmt: skip

NUMBERS = [
    ("abs(-5)", 5), ("ceil(5.1)", 6), ("floor(5.9)", 5), ("log(16, 2)", 4), ("log(50, 10) > 1.69", True),
    ("max(5, 12, 9)", 12), ("min(5, 12, -9)", -9), ('parseint("FF", 16)', 255), ('parseint("-0b", 12)', -11),
    ("pow(3, 2)", 9), ("pow(4, 0.5)", 2), ("signum(-13)", -1), ("sum([10, 13, 6, 4.5])", 33.5), ("sum([])", ERROR),
    ('tonumber("15")', 15), ('tonumber("no")', ERROR), ("tonumber(null)", None),
]  # fmt: skip

TEXTS = [
    (r'chomp("hello\n\n")', "hello"), (r'chomp("hello\r\n")', "hello"), ('endswith("hello", "lo")', True),
    ('format("Hello, %s!", "Ander")', "Hello, Ander!"), ('format("%d items", 3)', "3 items"),
    ('format("%[2]s-%[1]s", "a", "b")', "b-a"), ('format("%05d|%-5s|%5s|", 7, "ab", "cd")', "00007|ab   |   cd|"),
    ('format("%+d %x %X %o %b", 5, 255, 255, 8, 5)', "+5 ff FF 10 101"), ('format("%.2f %e", 3.14159, 1500)', "3.14 1.500000e+03"),
    ('format("%v %v %v", [1, "a"], { b = true }, 1.5)', '[1,"a"] {"b":true} 1.5'), ('format("%#v", "x")', '"x"'),
    ('format("%q", "a\\"b")', '"a\\"b"'), ('format("%t %%", true)', "true %"), ('format("%s")', ERROR), ('format("x", 1)', ERROR),
    ('formatlist("Hello, %s!", ["A", "B"])', ["Hello, A!", "Hello, B!"]), ('formatlist("%s-%s", "x", ["a", "b"])', ["x-a", "x-b"]),
    (r'indent(2, "a\nb")', "a\n  b"), ('join("-", ["a", "b"], ["c"])', "a-b-c"), ('join(", ", [])', ""), ('lower("HÉ")', "hé"),
    ('regex("[a-z]+", "53453453.345345aaabbbccc23454")', "aaabbbccc"),
    (r'regex("(\\d\\d\\d\\d)-(\\d\\d)-(\\d\\d)", "2019-02-01")', ["2019", "02", "01"]),
    ('regex("^(?:(?P<scheme>[^:/?#]+):)?(?://(?P<authority>[^/?#]*))?", "https://terraform.io/docs/")', {"authority": "terraform.io", "scheme": "https"}),
    ('regex("a(x)?b", "ab")', [None]), ('regex("[0-9]", "abc")', ERROR), ('can(regex("^[a-z]+$", "abc"))', True),
    (r'can(regex("^abc$", "abc\n"))', False), ('regexall("[a-z]+", "1234abcd5678efgh9")', ["abcd", "efgh"]), ('regexall("a*", "baaac")', ["", "aaa", ""]),
    ('length(regexall("x", "abc"))', 0), ('regex("(?i)ABC", "xabcx")', "abc"), ('regex("[[:alpha:]]+", "12ab3")', "ab"),
    ('regex("(a+)+b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac")', ERROR), ('regex("(a|b)*?c", "ababc")', ["b"]), ('regex("(?=a)", "a")', ERROR),
    ('replace("1 + 2 + 3", "+", "-")', "1 - 2 - 3"), ('replace("hello world", "/w.*d/", "everybody")', "hello everybody"),
    ('replace("foo-bar", "/(\\\\w+)-(\\\\w+)/", "$2-$1")', "bar-foo"), ('replace("a", "/(?P<n>a)/", "<$${n}>")', "<a>"),
    ('split(",", "foo,bar,baz")', ["foo", "bar", "baz"]), ('split(",", "")', [""]), ('startswith("hello", "he")', True),
    ('strcontains("hello", "ell")', True), ('strrev("héllo")', "olléh"), ('substr("hello world", 1, 4)', "ello"), ('substr("hello", -3, -1)', "llo"),
    ('substr("🤔🤷", 0, 1)', "🤔"), ('title("hello wörld it\'s")', "Hello Wörld It'S"), ('trim("?!hello?!", "!?")', "hello"),
    ('trimprefix("helloworld", "hello")', "world"), ('trimsuffix("helloworld", "world")', "hello"), (r'trimspace("  hello\n\n")', "hello"),
    ('upper("é")', "É"), ('tostring(1.50)', "1.5"), ('tostring([])', ERROR), ('length("héllo")', 5),
]  # fmt: skip

COLLECTIONS = [
    ('alltrue(["true", true])', True), ("alltrue([])", True), ("alltrue([true, false])", False), ('anytrue(["true"])', True), ("anytrue([])", False),
    ('chunklist(["a", "b", "c", "d", "e"], 2)', [["a", "b"], ["c", "d"], ["e"]]), ("chunklist([1, 2], 0)", [[1, 2]]),
    ('coalesce("", "b")', "b"), ("coalesce(null, 2)", 2), ('coalesce(1, "a")', "1"), ('coalesce(null, "")', ERROR), ('coalesce(["", "b"]...)', "b"),
    ('coalescelist([], ["c", "d"])', ["c", "d"]), ('compact(["a", "", "b", null, "c"])', ["a", "b", "c"]), ('concat(["a", ""], ["b"], [])', ["a", "", "b"]),
    ('contains(["a", "b"], "a")', True), ("contains([1, 2], 3)", False), ('distinct(["a", "b", "a"])', ["a", "b"]), ('element(["a", "b", "c"], 4)', "b"),
    ("element([], 0)", ERROR), ('flatten([["a", "b"], [], ["c"]])', ["a", "b", "c"]), ('flatten([[["a"], "b"], toset(["c"])])', ["a", "b", "c"]),
    ('index(["a", "b"], "b")', 1), ('index(["a"], "z")', ERROR), ("keys({ b = 1, a = 2 })", ["a", "b"]), ("length({ a = 1 })", 1), ("length([])", 0),
    ('lookup({ a = "ay" }, "a", "what")', "ay"), ('lookup({ a = "ay" }, "c", "what")', "what"), ('lookup({}, "c")', ERROR),
    ('matchkeys(["i-123", "i-abc", "i-def"], ["us-west", "us-east", "us-east"], ["us-east"])', ["i-abc", "i-def"]),
    ('merge({ a = "b", c = "d" }, { e = "f", c = "z" })', {"a": "b", "c": "z", "e": "f"}), ("merge({ a = 1 }, null)", {"a": 1}),
    ("merge([{ a = 1 }, { b = 2 }]...)", {"a": 1, "b": 2}), ("merge()", {}), ("one([])", None), ('one(["a"])', "a"), ("one([1, 2])", ERROR),
    ("one(toset([5]))", 5), ("range(3)", [0, 1, 2]), ("range(1, 8, 2)", [1, 3, 5, 7]), ("range(4, 1)", [4, 3, 2]), ("range(10, 5, -2)", [10, 8, 6]),
    ("reverse([1, 2, 3])", [3, 2, 1]), ('setintersection(["a", "b"], ["b", "c"])', ["b"]), ('setproduct(["a", "b"], [1, 2])', [["a", 1], ["a", 2], ["b", 1], ["b", 2]]),
    ('setsubtract(["a", "b", "c"], ["a", "c"])', ["b"]), ('setunion(["b", "a"], ["b", "d"])', ["a", "b", "d"]), ('slice(["a", "b", "c", "d"], 1, 3)', ["b", "c"]),
    ("slice([1], 0, 2)", ERROR), ('sort(["e", "d", "a", "x"])', ["a", "d", "e", "x"]), ('transpose({ a = ["1", "2"], b = ["2", "3"] })', {"1": ["a"], "2": ["a", "b"], "3": ["b"]}),
    ("values({ b = 1, a = 2 })", [2, 1]), ('zipmap(["a", "b"], [1, 2])', {"a": 1, "b": 2}), ('zipmap(["a"], [1, 2])', ERROR),
    ('tobool("true")', True), ('tobool("yes")', ERROR), ("tobool(null)", None), ('tolist(["a", 3])', ["a", "3"]), ('toset(["c", "a", "c"])', ["a", "c"]), ("toset([10, 9])", [9, 10]),
    ('toset(["a", 1, true])', ["1", "a", "true"]), ('tomap({ a = 1, b = "x" })', {"a": "1", "b": "x"}), ("toset([1])[0]", ERROR), ("sensitive(1) + 1", 2), ('nonsensitive("a")', "a"),
    ("try(local.none.b, \"fallback\")", UNKNOWN), ('try({ a = 1 }.b, "fallback")', "fallback"), ('try([{}.x], "d")', "d"), ("try(tonumber(\"x\"), tonumber(\"7\"))", 7),
    ("can({ a = 1 }.a)", True), ("can(tobool(\"x\"))", False), ("try(format(\"%d\", \"x\"), \"d\")", "d"),
]  # fmt: skip

ENCODINGS = [
    ('base64encode("Hello World")', "SGVsbG8gV29ybGQ="), ('base64decode("SGVsbG8gV29ybGQ=")', "Hello World"), ('base64decode("%%")', ERROR),
    ('textencodebase64("Hello World", "UTF-16LE")', "SABlAGwAbABvACAAVwBvAHIAbABkAA=="), ('textdecodebase64("SABlAGwAbABvAA==", "UTF-16LE")', "Hello"),
    (r'csvdecode("a,b,c\n1,2,3\n4,5,6")', [{"a": "1", "b": "2", "c": "3"}, {"a": "4", "b": "5", "c": "6"}]),
    (r'jsondecode("{\"hello\": [\"world\", 1, null, true]}")', {"hello": ["world", 1, None, True]}), ('jsondecode("{")', ERROR),
    ('jsonencode({ b = "<b>", a = [1.5, null, true] })', '{"a":[1.5,null,true],"b":"\\u003cb\\u003e"}'), ("jsonencode(toset([\"b\", \"a\"]))", '["a","b"]'),
    ('urlencode("Hello World/ü")', "Hello+World%2F%C3%BC"), ('urldecode("a+b%2Fc")', "a b/c"), (r'yamldecode("a: 1\nb: [true, \"x\"]")', {"a": 1, "b": [True, "x"]}),
    ('yamlencode({ foo = [1, { a = "b", c = "d" }, 3], bar = "baz" })', '"bar": "baz"\n"foo":\n- 1\n- "a": "b"\n  "c": "d"\n- 3\n'), ("yamlencode({ a = {}, b = [] })", '"a": {}\n"b": []\n'),
    ('md5("hello world")', "5eb63bbbe01eeed093cb22bb8f5acdc3"), ('sha1("hello world")', "2aae6c35c94fcfb415dbe95f408b9ce91ee846ed"),
    ('sha256("hello world")', "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"), ('base64sha256("hello world")', "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek="),
    ('substr(sha512("hello world"), 0, 16)', "309ecc489c12d6eb"), ('substr(base64sha512("hello world"), 0, 8)', "MJ7MSJwS"),
    ('uuidv5("dns", "www.terraform.io")', "a5008fae-b28c-5ba5-96cd-82b4c53552d6"), ('uuidv5("url", "https://www.terraform.io/")', "9db6f67c-dd95-5ea0-aa5b-e70e5c5f7cf5"),
    ('formatdate("DD MMM YYYY hh:mm ZZZ", "2018-01-02T23:12:01Z")', "02 Jan 2018 23:12 UTC"), ('formatdate("EEEE, DD-MMM-YY hh:mm:ss ZZZ", "2018-01-02T23:12:01Z")', "Tuesday, 02-Jan-18 23:12:01 UTC"),
    ("formatdate(\"h'h'mm\", \"2018-01-02T03:12:01-08:00\")", "3h12"), ('timeadd("2017-11-22T00:00:00Z", "10m")', "2017-11-22T00:10:00Z"), ('timeadd("2017-11-22T00:00:00Z", "-1h30m")', "2017-11-21T22:30:00Z"),
    ('timecmp("2017-11-22T01:00:00Z", "2017-11-22T00:00:00-01:00")', 0), ('timecmp("2017-11-22T00:00:00Z", "2017-11-22T01:00:00Z")', -1), ('timeadd("today", "1h")', ERROR),
    ('basename("foo/bar/baz.txt")', "baz.txt"), ('dirname("foo/bar/baz.txt")', "foo/bar"), ('dirname("baz.txt")', "."),
    ('cidrhost("10.12.112.0/20", 16)', "10.12.112.16"), ('cidrhost("10.0.0.0/24", -1)', "10.0.0.255"), ('cidrhost("fd00:fd12:3456:7890:00a2::/72", 34)', "fd00:fd12:3456:7890::22"),
    ('cidrnetmask("172.16.0.0/12")', "255.240.0.0"), ('cidrnetmask("fd00::/8")', ERROR), ('cidrsubnet("172.16.0.0/12", 4, 2)', "172.18.0.0/16"), ('cidrsubnet("10.1.2.0/24", 4, 15)', "10.1.2.240/28"),
    ('cidrsubnet("fd00:fd12:3456:7890::/56", 16, 162)', "fd00:fd12:3456:7800:a200::/72"), ('cidrsubnet("10.0.0.0/8", 2, 4)', ERROR), ('cidrsubnets("10.1.0.0/16", 4, 4, 8, 4)', ["10.1.0.0/20", "10.1.16.0/20", "10.1.32.0/24", "10.1.48.0/20"]),
    ('cidrcontains("192.168.2.0/20", "192.168.2.1")', True), ("timestamp()", UNKNOWN), ("plantimestamp()", UNKNOWN), ("uuid()", UNKNOWN), ('bcrypt("x")', UNKNOWN), ('rsadecrypt("x", "y")', UNKNOWN),
    ('provider::aws::arn_parse("arn:aws:s3:::b").partition', UNKNOWN), ('core::upper("a")', "A"), ('base64gzip("x")', UNKNOWN), ("terraform.workspace", UNKNOWN), ("nothing(1)", UNKNOWN),
]  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "expected"), [*OPERATORS, *TEMPLATES, *NUMBERS, *TEXTS, *COLLECTIONS, *ENCODINGS]
)
def test_an_expression_has_the_value_of_terraform(tmp_path: Path, expression: str, expected: Any) -> None:
    result = value(tmp_path, expression)

    if expected == ERROR:
        assert isinstance(result, Failed)
    elif expected == UNKNOWN:
        assert isinstance(result, Unknown) and not isinstance(result, Failed)
    else:
        assert json.dumps(result, sort_keys=True) == json.dumps(expected, sort_keys=True)


CONVERSIONS = [
    ("number", '"3"', 3), ("string", "3", "3"), ("string", "true", "true"), ("bool", '"true"', True), ("bool", '"yes"', ERROR), ("number", '"x"', ERROR),
    ("list(string)", '["a", 1, true]', ["a", "1", "true"]), ("set(string)", '["b", "a", "b"]', ["a", "b"]), ("list(number)", '["1", 2]', [1, 2]),
    ("map(string)", "{ a = 1, b = true }", {"a": "1", "b": "true"}), ("map(number)", '{ a = "1" }', {"a": 1}), ("list(any)", '[1, "a"]', ["1", "a"]),
    ("any", '{ a = ["1"] }', {"a": ["1"]}), ("object({ a = string, b = optional(number, 5), c = optional(bool) })", '{ a = "x" }', {"a": "x", "b": 5, "c": None}),
    ("object({ a = string })", "{ a = 1, more = 2 }", {"a": "1"}), ("object({ a = string })", "{}", ERROR), ("object({ a = optional(list(string), []) })", "{ a = null }", {"a": []}),
    ("object({ a = optional(object({ b = optional(bool, true) }), {}) })", "{}", {"a": {"b": True}}), ("list(object({ n = number, on = optional(bool, false) }))", '[{ n = "1" }]', [{"n": 1, "on": False}]),
    ("tuple([string, number])", '[1, "2"]', ["1", 2]), ("tuple([string])", "[1, 2]", ERROR), ("map(object({ p = optional(number, -1) }))", "{ k = {} }", {"k": {"p": -1}}), ("list", "[1]", [1]), ("string", "null", None),
]  # fmt: skip


@pytest.mark.parametrize(("declared", "given", "expected"), CONVERSIONS)
@pytest.mark.parametrize("way", ["default", "input", "file"])
def test_a_variable_has_the_type_that_it_declares(
    tmp_path: Path, declared: str, given: str, expected: Any, way: str
) -> None:
    variable = f'variable "v" {{\n  type = {declared}\n}}\n'
    files = {
        "default": {"main.tf": f'variable "v" {{\n  type = {declared}\n  default = {given}\n}}\nresource "x_y" "z" {{\n  a = var.v\n}}\n'},
        "input": {"main.tf": f'module "m" {{\n  source = "./m"\n  v = {given}\n}}\n', "m/main.tf": variable + 'resource "x_y" "z" {\n  a = var.v\n}\n'},
        "file": {"main.tf": variable + 'resource "x_y" "z" {\n  a = var.v\n}\n', "terraform.tfvars": f"v = {given}\n"},
    }  # fmt: skip

    result = resources(tmp_path, files[way])["module.m.x_y.z" if way == "input" else "x_y.z"].attributes["a"]

    assert isinstance(result, Failed) if expected == ERROR else json.dumps(result) == json.dumps(expected)


Program = tuple[str, dict[str, str] | str, dict[str, dict[str, Any]]]

PROGRAMS: list[Program] = [
    ("a declared list is never equal to an empty tuple", 'variable "v" {\n  type = list(string)\n  default = []\n}\nresource "x_y" "z" {\n  a = var.v == []\n  b = length(var.v) == 0\n}\n', {"x_y.z": {"a": False, "b": True}}),
    ("null for a variable that is not nullable is the default", {"main.tf": 'module "m" {\n  source = "./m"\n  a = null\n  b = null\n}\n', "m/main.tf": 'variable "a" {\n  default = 1\n  nullable = false\n}\nvariable "b" { default = 1 }\nresource "x_y" "z" {\n  a = var.a\n  b = var.b\n}\n'}, {"module.m.x_y.z": {"a": 1, "b": None}}),
    ("values files win in the order of Terraform", {"main.tf": 'variable "a" { default = 0 }\nvariable "b" { default = 0 }\nvariable "c" { default = 0 }\nvariable "d" { default = 0 }\nvariable "e" { default = 0 }\nresource "x_y" "z" {\n  v = [var.a, var.b, var.c, var.d, var.e]\n}\n', "terraform.tfvars": "b = 1\nc = 1\nd = 1\ne = 1\n", "terraform.tfvars.json": '{"c": 2, "d": 2, "e": 2}', "a.auto.tfvars": "d = 3\ne = 3\n", "b.auto.tfvars.json": '{"e": 4}'}, {"x_y.z": {"v": [0, 1, 2, 3, 4]}}),
    ("locals are lazy and in any order", 'locals {\n  c = "${local.b}c"\n  b = "${local.a}b"\n}\nlocals {\n  a = "a"\n}\nresource "x_y" "z" {\n  v = local.c\n}\n', {"x_y.z": {"v": "abc"}}),
    ("count makes instances with an index", 'resource "x_y" "z" {\n  count = 2\n  v = count.index * 10\n}\n', {"x_y.z[0]": {"v": 0}, "x_y.z[1]": {"v": 10}}),
    ("a count that is text is a number", 'resource "x_y" "z" {\n  count = "1"\n}\n', {"x_y.z[0]": {}}),
    ("for_each over a set has the key as value", 'resource "x_y" "z" {\n  for_each = toset(["b", "a", "b"])\n  v = "${each.key}${each.value}"\n}\n', {'x_y.z["a"]': {"v": "aa"}, 'x_y.z["b"]': {"v": "bb"}}),
    ("for_each over a map of objects", 'resource "x_y" "z" {\n  for_each = { a = { n = 1 }, b = { n = 2 } }\n  v = each.value.n\n}\n', {'x_y.z["a"]': {"v": 1}, 'x_y.z["b"]': {"v": 2}}),
    ("for_each over another resource", 'resource "x_y" "a" {\n  for_each = toset(["k"])\n  name = "n-${each.key}"\n}\nresource "x_y" "b" {\n  for_each = x_y.a\n  v = each.value.name\n  k = each.key\n}\n', {'x_y.b["k"]': {"v": "n-k", "k": "k"}}),
    ("for_each through a for expression and a local", 'locals {\n  items = [{ n = "a", on = true }, { n = "b", on = false }]\n}\nresource "x_y" "z" {\n  for_each = { for i in local.items : i.n => i if i.on }\n  v = each.value.on\n}\n', {'x_y.z["a"]': {"v": True}}),
    ("for_each over the keys of a map", 'variable "m" {\n  type = map(object({ size = optional(number, 10) }))\n  default = { x = {} }\n}\nresource "x_y" "z" {\n  for_each = var.m\n  v = each.value.size\n}\n', {'x_y.z["x"]': {"v": 10}}),
    ("a splat over counted resources", 'resource "x_y" "a" {\n  count = 2\n  name = "n${count.index}"\n}\nresource "x_y" "b" {\n  v = x_y.a[*].name\n  w = x_y.a.*.name\n  f = x_y.a[1].name\n  j = join(",", x_y.a[*].name)\n}\n', {"x_y.b": {"v": ["n0", "n1"], "w": ["n0", "n1"], "f": "n1", "j": "n0,n1"}}),
    ("values of a resource with for_each", 'resource "x_y" "a" {\n  for_each = { p = 1, q = 2 }\n  n = each.value\n}\nresource "x_y" "b" {\n  v = [for r in x_y.a : r.n]\n  w = values(x_y.a)[*].n\n  u = x_y.a["q"].n\n  t = { for k, r in x_y.a : k => r.n }\n}\n', {"x_y.b": {"v": [1, 2], "w": [1, 2], "u": 2, "t": {"p": 1, "q": 2}}}),
    ("one and try of a counted resource", 'resource "x_y" "a" {\n  count = 0\n}\nresource "x_y" "c" {\n  count = 1\n  n = 5\n}\nresource "x_y" "b" {\n  v = try(x_y.a[0].n, "none")\n  w = one(x_y.a[*].n)\n  u = one(x_y.c[*].n)\n  t = length(x_y.a)\n}\n', {"x_y.b": {"v": "none", "w": None, "u": 5, "t": 0}}),
    ("nested blocks of another resource", 'resource "x_y" "a" {\n  disk {\n    on = true\n  }\n}\nresource "x_y" "b" {\n  v = x_y.a.disk[0].on\n  w = x_y.a.disk.0.on\n}\n', {"x_y.b": {"v": True, "w": True}}),
    ("dynamic blocks with an iterator and inside each other", 'resource "x_y" "z" {\n  dynamic "outer" {\n    for_each = { b = [1], a = [2, 3] }\n    iterator = o\n    content {\n      name = o.key\n      dynamic "inner" {\n        for_each = o.value\n        content {\n          n = inner.value\n          i = inner.key\n          o = o.key\n        }\n      }\n    }\n  }\n}\n', {"x_y.z": {"outer": [{"name": "b", "inner": [{"n": 1, "i": 0, "o": "b"}]}, {"name": "a", "inner": [{"n": 2, "i": 0, "o": "a"}, {"n": 3, "i": 1, "o": "a"}]}]}}),
    ("a dynamic block over a set, and over nothing", 'resource "x_y" "z" {\n  dynamic "r" {\n    for_each = toset(["b", "a"])\n    content {\n      k = r.key\n      v = r.value\n    }\n  }\n  dynamic "none" {\n    for_each = []\n    content {}\n  }\n}\n', {"x_y.z": {"r": [{"k": "a", "v": "a"}, {"k": "b", "v": "b"}], "none": []}}),
    ("a dynamic block by a condition", 'variable "on" { default = true }\nresource "x_y" "z" {\n  dynamic "r" {\n    for_each = var.on ? [1] : []\n    content {\n      v = "x"\n    }\n  }\n}\n', {"x_y.z": {"r": [{"v": "x"}]}}),
    ("modules three deep with inputs and outputs", {"main.tf": 'module "a" {\n  source = "./m/a"\n  v = 1\n}\nresource "x_y" "z" {\n  v = module.a.out\n}\n', "m/a/main.tf": 'variable "v" {}\nmodule "b" {\n  source = "../b"\n  v = var.v + 1\n}\noutput "out" { value = "a${module.b.out}" }\n', "m/b/main.tf": 'variable "v" {}\nmodule "c" {\n  source = "./c"\n  v = var.v + 1\n}\noutput "out" { value = "b${module.c.out}" }\n', "m/b/c/main.tf": 'variable "v" {}\nresource "x_y" "deep" {\n  v = var.v\n}\noutput "out" { value = "c${x_y.deep.v}" }\n'}, {"x_y.z": {"v": "abc3"}, "module.a.module.b.module.c.x_y.deep": {"v": 3}}),
    ("a module with for_each, and its outputs by key", {"main.tf": 'module "m" {\n  source = "./m"\n  for_each = { p = 1, q = 2 }\n  n = each.value\n}\nresource "x_y" "z" {\n  v = module.m["q"].n\n  w = [for m in module.m : m.n]\n}\n', "m/main.tf": 'variable "n" {}\nresource "x_y" "r" {\n  n = var.n\n}\noutput "n" { value = var.n * 10 }\n'}, {'module.m["p"].x_y.r': {"n": 1}, "x_y.z": {"v": 20, "w": [10, 20]}}),
    ("a module with count", {"main.tf": 'module "m" {\n  source = "./m"\n  count = 2\n  n = count.index\n}\nresource "x_y" "z" {\n  v = module.m[*].n\n}\n', "m/main.tf": 'variable "n" {}\nresource "x_y" "r" {\n  n = var.n\n}\noutput "n" { value = var.n }\n'}, {"module.m[1].x_y.r": {"n": 1}, "x_y.z": {"v": [0, 1]}}),
    ("whole objects go through modules", {"main.tf": 'module "m" {\n  source = "./m"\n  cfg = { a = { b = "c" } }\n}\nresource "x_y" "z" {\n  v = module.m.cfg.a.b\n}\n', "m/main.tf": 'variable "cfg" {\n  type = object({ a = object({ b = string }) })\n}\noutput "cfg" { value = var.cfg }\n'}, {"x_y.z": {"v": "c"}}),
    ("a resource as a whole goes into a module", {"main.tf": 'resource "x_y" "a" {\n  name = "n"\n}\nmodule "m" {\n  source = "./m"\n  r = x_y.a\n}\n', "m/main.tf": 'variable "r" {}\nresource "x_y" "b" {\n  v = var.r.name\n}\n'}, {"module.m.x_y.b": {"v": "n"}}),
    ("paths are relative to the root module", {"env/main.tf": 'module "m" {\n  source = "../m"\n}\nresource "x_y" "z" {\n  a = path.module\n  b = path.root\n  f = file("${path.module}/t.txt")\n}\n', "env/t.txt": "root", "m/t.txt": "inner", "m/main.tf": 'resource "x_y" "z" {\n  a = path.module\n  b = path.root\n  f = file("${path.module}/t.txt")\n  g = file("t.txt")\n}\n'}, {"x_y.z": {"a": ".", "b": ".", "f": "root"}, "module.m.x_y.z": {"a": "../m", "b": ".", "f": "inner", "g": "root"}}),
    ("files, templates and their hashes", {"main.tf": 'resource "x_y" "z" {\n  a = file("a.txt")\n  b = templatefile("${path.module}/t.tpl", { who = "you", list = [1, 2] })\n  c = fileexists("a.txt")\n  d = fileexists("none.txt")\n  e = filebase64("a.txt")\n  f = filemd5("a.txt")\n  g = fileset(path.module, "*.txt")\n  h = try(file("none.txt"), "x")\n  i = jsondecode(file("j.json")).k\n  j = filesha256("${path.cwd}/a.txt")\n}\n', "a.txt": "hi", "t.tpl": "hello ${who}\n%{ for l in list ~}\n- ${l}\n%{ endfor ~}", "j.json": '{"k": [1]}'}, {"x_y.z": {"a": "hi", "b": "hello you\n- 1\n- 2\n", "c": True, "d": False, "e": "aGk=", "f": "49f68a5c8493ec2c0bf489821c21fc3b", "g": ["a.txt"], "h": "x", "i": [1], "j": "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4"}}),
    ("an override replaces attributes and blocks of a type", {"main.tf": 'resource "x_y" "z" {\n  a = 1\n  b = 1\n  r {\n    v = 1\n  }\n  s {\n    v = 1\n  }\n}\nlocals {\n  l = 1\n  m = 1\n}\nvariable "v" { default = 1 }\nresource "x_y" "w" {\n  v = [local.l, local.m, var.v]\n}\n', "override.tf": 'resource "x_y" "z" {\n  b = 2\n}\nlocals {\n  l = 2\n}\n', "x_override.tf": 'resource "x_y" "z" {\n  r {\n    v = 2\n  }\n}\nvariable "v" { default = 2 }\n'}, {"x_y.z": {"a": 1, "b": 2, "r": [{"v": 2}], "s": [{"v": 1}]}, "x_y.w": {"v": [2, 1, 2]}}),
    ("JSON syntax with expressions in texts", {"main.tf.json": json.dumps({"variable": {"n": {"type": "list(number)", "default": ["1", 2]}}, "locals": {"l": "${var.n[0] + 1}"}, "resource": {"x_y": {"z": {"a": "${local.l}", "b": "x-${local.l}", "c": True, "d": [1, {"e": None}], "rule": {"p": "${var.n[1]}"}, "many": [{"p": 1}, {"p": 2}], "tags": {"Name": "n"}, "dynamic": {"dyn": {"for_each": "${var.n}", "content": {"v": "${dyn.value}"}}}}, "w": [{"count": 2, "v": "${count.index}"}]}}})}, {"x_y.z": {"a": 2, "b": "x-2", "c": True, "rule": [{"p": 2}], "many": [{"p": 1}, {"p": 2}], "tags": {"Name": "n"}, "dyn": [{"v": 1}, {"v": 2}]}, "x_y.w[1]": {"v": 1}}),
    ("a .tofu file stands in for the .tf file of its name", {"main.tf": 'resource "x_y" "z" {\n  v = 1\n}\n', "main.tofu": 'resource "x_y" "z" {\n  v = 2\n}\n', "more.tf": 'resource "x_y" "w" {}\n'}, {"x_y.z": {"v": 2}, "x_y.w": {}}),
    ("OpenTofu takes a module's source from a variable", {"main.tofu": 'variable "d" { default = "m" }\nmodule "m" {\n  source = "./${var.d}"\n}\n', "m/main.tf": 'resource "x_y" "r" {}\n'}, {"module.m.x_y.r": {}}),
    ("blocks that change no value are passed over", 'moved {\n  from = x_y.old\n  to = x_y.z\n}\nremoved {\n  from = x_y.gone\n  lifecycle {\n    destroy = false\n  }\n}\nimport {\n  to = x_y.z\n  id = "1"\n}\ncheck "c" {\n  data "http" "h" {\n    url = "https://example.com"\n  }\n  assert {\n    condition = true\n    error_message = "no"\n  }\n}\nephemeral "random_password" "p" {\n  length = 8\n}\nresource "x_y" "z" {\n  a = 1\n  lifecycle {\n    ignore_changes = [a]\n  }\n  provisioner "local-exec" {\n    command = "true"\n  }\n}\n', {"x_y.z": {"a": 1}}),
    ("the version of a cluster is an attribute", 'resource "aws_eks_cluster" "c" {\n  version = "1.29"\n  source = "s"\n}\n', {"aws_eks_cluster.c": {"version": "1.29", "source": "s"}}),
    ("a variable's validation and sensitivity change nothing", 'variable "v" {\n  default = "a"\n  sensitive = true\n  ephemeral = true\n  validation {\n    condition = var.v == "b"\n    error_message = "no"\n  }\n}\nresource "x_y" "z" {\n  v = var.v\n}\n', {"x_y.z": {"v": "a"}}),
    ("region, partition, parts of an ARN and default tags", 'provider "aws" {\n  region = "eu-west-1"\n  default_tags {\n    tags = { t = "v" }\n  }\n}\ndata "aws_region" "r" {}\ndata "aws_partition" "p" {}\ndata "aws_arn" "a" {\n  arn = "arn:aws:rds:eu-west-1:123456789012:db:mysql"\n}\ndata "aws_default_tags" "d" {}\nresource "aws_x" "z" {\n  a = data.aws_region.r.name\n  b = "arn:${data.aws_partition.p.partition}:s3:::x"\n  c = data.aws_arn.a.resource\n  d = data.aws_default_tags.d.tags\n}\n', {"aws_x.z": {"a": "eu-west-1", "b": "arn:aws:s3:::x", "c": "db:mysql", "d": {"t": "v"}}}),
    ("local and template files, inputs of null_data_source, terraform_data", {"main.tf": 'data "template_file" "t" {\n  template = file("t.tpl")\n  vars = { a = "b" }\n}\ndata "local_file" "l" {\n  filename = "${path.module}/t.tpl"\n}\ndata "null_data_source" "n" {\n  inputs = { k = "v" }\n}\nresource "terraform_data" "d" {\n  input = { q = 7 }\n}\nresource "x_y" "z" {\n  a = data.template_file.t.rendered\n  b = data.local_file.l.content\n  c = data.null_data_source.n.outputs["k"]\n  d = terraform_data.d.output.q\n}\n', "t.tpl": "<${a}>"}, {"x_y.z": {"a": "<b>", "b": "<${a}>", "c": "v", "d": 7}}),
    ("lists that are partly unknown keep what is known", 'variable "u" {}\nresource "x_y" "z" {\n  a = [var.u, "b"][1]\n  b = contains(concat(["a"], var.u), "a")\n  c = merge({ a = 1 }, { b = var.u }).a\n  d = { k = var.u, l = 2 }.l\n  e = coalesce(null, "", "x")\n  f = var.u == null || true\n}\n', {"x_y.z": {"a": "b", "b": True, "c": 1, "d": 2, "e": "x", "f": True}}),
    ("a resource that exists by a comparison in a nested module", {"main.tf": 'module "m" {\n  source = "./m"\n  env = "prod"\n}\n', "m/main.tf": 'variable "env" {}\nmodule "n" {\n  source = "./n"\n  on = var.env == "prod"\n}\n', "m/n/main.tf": 'variable "on" { type = bool }\nresource "x_y" "z" {\n  count = var.on ? 1 : 0\n}\nresource "x_y" "w" {\n  count = !var.on ? 1 : 0\n}\n'}, {"module.m.module.n.x_y.z[0]": {}}),
    ("lookups by variables", 'variable "env" { default = "prod" }\nlocals {\n  sizes = { prod = "large", dev = "small" }\n}\nresource "x_y" "z" {\n  a = local.sizes[var.env]\n  b = lookup(local.sizes, "${var.env}x", "none")\n  c = { (var.env) = 1 }\n}\n', {"x_y.z": {"a": "large", "b": "none", "c": {"prod": 1}}}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("files", "expected"), [one[1:] for one in PROGRAMS], ids=[one[0].replace(" ", "_") for one in PROGRAMS]
)
def test_a_program_has_the_resources_of_terraform(
    tmp_path: Path, files: Any, expected: dict[str, dict[str, Any]]
) -> None:
    made = {
        address: one
        for address, one in resources(tmp_path, files).items()
        if one.kind in ("x_y", "aws_x", "aws_eks_cluster")
    }

    assert set(expected) <= set(made)
    for address, attributes in expected.items():
        held = {name: made[address].attributes.get(name) for name in attributes}
        assert json.dumps(held, sort_keys=True) == json.dumps(attributes, sort_keys=True)
        assert all(type(held[name]) is type(wanted) for name, wanted in attributes.items())


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("var.v", "var.v"),
        ('"${var.v}x" == "y"', "var.v"),
        ("var.v ? 1 : 2", "var.v"),
        ("data.aws_caller_identity.me.account_id", "data.aws_caller_identity.me, which is not declared"),
        ("[for x in var.v : x]", "var.v"),
        ("merge({ a = 1 }, var.v).b", "var.v"),
        ("concat([1], var.v)[1]", "var.v"),
        ("length(concat([1], var.v))", "var.v"),
        ("timestamp()", "the function timestamp"),
        ("lower(var.v)", "var.v"),
        ("coalesce(null, var.v, \"x\")", "var.v"),
        ("local.a", "a value that depends on itself"),
        ("each.key", "each.key"),
        ("local.nothing", "local.nothing, which is not declared"),
        ("{ a = 1 }[var.v]", "var.v"),
        ("var.v.b.c", "var.v"),
        ("terraform.workspace", "terraform.workspace"),
    ],
)  # fmt: skip
def test_an_unknown_names_its_cause(tmp_path: Path, expression: str, reason: str) -> None:
    result = value(tmp_path, expression, 'variable "v" {}\nlocals {\n  a = local.b\n  b = local.a\n}\n')

    assert isinstance(result, Unknown)
    assert shown(result.reason) == reason


def test_modules_may_need_outputs_of_each_other(tmp_path: Path) -> None:
    module = 'variable "v" { default = 0 }\noutput "fixed" { value = 5 }\noutput "made" { value = var.v + 1 }\nresource "x_y" "z" {\n  v = var.v\n}\n'
    files = {"main.tf": 'module "a" {\n  source = "./m"\n  v = module.b.made\n}\nmodule "b" {\n  source = "./m"\n  v = module.a.fixed\n}\n', "m/main.tf": module}  # fmt: skip

    made = resources(tmp_path, files)

    assert (made["module.a.x_y.z"].attributes["v"], made["module.b.x_y.z"].attributes["v"]) == (6, 5)
    assert not gaps(tmp_path, files)


def test_modules_twelve_deep_with_locals_between_are_followed(tmp_path: Path) -> None:
    files = {"main.tf": 'module "m" {\n  source = "./m1"\n  v = 0\n}\nresource "x_y" "z" {\n  v = module.m.out\n}\n'}
    inner = 'variable "v" {}\nlocals {\n  a = var.v + 1\n  b = local.a\n  c = local.b\n}\n'
    for depth in range(1, 12):
        files[f"m{depth}/main.tf"] = (
            inner
            + f'module "m" {{\n  source = "../m{depth + 1}"\n  v = local.c\n}}\noutput "out" {{ value = module.m.out }}\n'
        )
    files["m12/main.tf"] = inner + 'output "out" { value = local.c }\n'

    assert resources(tmp_path, files)["x_y.z"].attributes["v"] == 12
    assert not gaps(tmp_path, files)


def test_a_state_elsewhere_stays_a_reference(tmp_path: Path) -> None:
    more = 'data "terraform_remote_state" "net" {\n  backend = "s3"\n}\ndata "aws_caller_identity" "me" {}\n'

    assert shown(value(tmp_path, '"x-${data.terraform_remote_state.net.outputs.vpc_id}"', more)) == "x-${data.terraform_remote_state.net.outputs.vpc_id}"  # fmt: skip
    assert shown(value(tmp_path, "data.aws_caller_identity.me.account_id", more)) == "${data.aws_caller_identity.me.account_id}"  # fmt: skip


@pytest.mark.parametrize(("first", "second", "sids"), [
    ('source_policy_documents = [data.aws_iam_policy_document.base.json]', "s3:PutObject", ["a", "b"]),
    ('override_policy_documents = [data.aws_iam_policy_document.base.json]', "s3:GetObject", ["a", "b"]),
])  # fmt: skip
def test_statements_with_the_same_sid_replace_each_other(
    tmp_path: Path, first: str, second: str, sids: list[str]
) -> None:
    text = f"""
data "aws_iam_policy_document" "base" {{
  statement {{
    sid       = "a"
    actions   = ["s3:GetObject"]
    resources = ["arn:aws:s3:::x/&{{aws:username}}"]
  }}
}}
data "aws_iam_policy_document" "d" {{
  {first}
  statement {{
    sid     = "a"
    actions = ["s3:PutObject"]
  }}
  statement {{
    sid    = "b"
    effect = "Deny"
    not_actions = ["s3:*"]
    principals {{
      type        = "AWS"
      identifiers = ["*"]
    }}
    condition {{
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }}
  }}
}}
resource "x_y" "z" {{
  a = data.aws_iam_policy_document.d.json
}}
"""

    policy = json.loads(resources(tmp_path, text)["x_y.z"].attributes["a"])

    assert [one["Sid"] for one in policy["Statement"]] == sids
    assert policy["Statement"][0]["Action"] == [second]
    assert policy["Statement"][1]["NotAction"] == ["s3:*"]
    assert policy["Statement"][1]["Condition"] == {"Bool": {"aws:SecureTransport": ["false"]}}
    assert policy["Version"] == "2012-10-17"


def test_the_bindings_of_a_google_policy_are_read(tmp_path: Path) -> None:
    more = (
        'data "google_iam_policy" "p" {\n  binding {\n    role = "roles/viewer"\n    members = ["allUsers"]\n  }\n}\n'
    )

    result = json.loads(value(tmp_path, "data.google_iam_policy.p.policy_data", more))

    assert result == {"bindings": [{"role": "roles/viewer", "members": ["allUsers"]}]}


@pytest.mark.parametrize("expression", [
    'file("/etc/passwd")', 'file("../outside.txt")', 'file("${path.module}/../../etc/passwd")', 'file("link.txt")', 'templatefile("link.txt", {})',
    'filebase64("/etc/shadow")', 'fileexists("/etc/passwd")', 'file("~/.ssh/id_rsa")', 'filemd5("${path.cwd}/../../x")', 'fileset("/etc", "*")',
])  # fmt: skip
def test_a_file_outside_the_tree_is_refused_and_reported(tmp_path: Path, expression: str) -> None:
    (tmp_path / "outside.txt").write_text("secret")
    root = tmp_path / "tree"
    root.mkdir()
    (root / "link.txt").symlink_to(tmp_path / "outside.txt")
    text = f'resource "x_y" "z" {{\n  a = {expression}\n}}\n'

    made = records(root, text)

    assert isinstance(next(one for one in made if getattr(one, "address", "") == "x_y.z").attributes["a"], Unknown)
    (gap,) = gaps(root, text)
    assert (gap.path, gap.kind) == ("main.tf", "skipped")
    assert "line 2" in gap.reason and "secret" not in gap.reason


@pytest.mark.parametrize(("files", "kind", "words"), [
    ({"main.tf": "locals {\n  a = local.b\n  b = local.a\n}\nresource \"x_y\" \"z\" {\n  a = local.a\n}\n"}, "unresolved", "line 2: a value depends on itself"),
    ({"main.tf": 'module "a" {\n  source = "./a"\n}\n', "a/main.tf": 'module "b" {\n  source = "../"\n}\n'}, "unresolved", "line 1: the module calls itself"),
    ({"main.tf": "resource \"x_y\" \"z\" {\n  a = " + "[" * 90 + "]" * 90 + "\n}\n"}, "too-large", "line 2: nested in more than 60 levels"),
    ({"main.tf": "resource \"x_y\" \"z\" {\n  count = 5000\n}\n"}, "too-large", "line 1: more than 1000 instances"),
    ({"main.tf": 'module "a" {\n  source = "../elsewhere"\n}\n'}, "skipped", "line 1: the module stands outside the tree"),
    ({"main.tf": "locals {\n" + "".join(f"  l{n} = local.l{n + 1}\n" for n in range(300)) + "  l300 = 1\n}\nresource \"x_y\" \"z\" {\n  a = local.l0\n}\n"}, "too-large", "values are nested too deeply"),
])  # fmt: skip
def test_what_has_no_end_is_bounded_and_reported(tmp_path: Path, files: dict[str, str], kind: str, words: str) -> None:
    found = gaps(tmp_path, files)

    assert any(gap.kind == kind and words in gap.reason for gap in found), found
