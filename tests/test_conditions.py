"""The rule language of infrastructure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlguard.errors import UsageError
from mlguard.scanners.infra.conditions import Check, compile_check, place
from mlguard.scanners.infra.inventory import Inventory, parse_path, selects
from mlguard.scanners.infra.operators import NEGATED, OPERATORS
from mlguard.scanners.infra.resources import Either, Open, Position, Resource, Unknown, reference
from mlguard.scanners.infra.truth import Outcome


def resource(
    kind: str = "store", name: str = "a", references: Mapping[Any, tuple[str, ...]] | None = None, **attributes: Any
) -> Resource:
    return Resource(kind, name, f"{kind}.{name}", "main.tf", attributes, {(): Position(1)}, references=references or {})


def check(condition: Mapping[str, Any], where: Mapping[str, Any] | None = None, **spec: Any) -> Check:
    select = {"kind": "store", **({"where": where} if where else {})}
    return compile_check("tf/example", "one", {"select": select, "require": condition, **spec})


def judge(condition: Mapping[str, Any], first: Resource, *others: Resource, **spec: Any) -> Outcome:
    outcome = check(condition, **spec).judge(first, Inventory([first, *others]), {})
    assert outcome is not None
    return outcome


def truth(condition: Mapping[str, Any], *resources: Resource, **attributes: Any) -> bool | None:
    return judge(condition, resource(**attributes), *resources).truth


@pytest.mark.parametrize(
    ("op", "value", "found", "expected"),
    [
        ("eq", True, "true", True),
        ("eq", True, True, True),
        ("eq", True, "false", False),
        ("eq", "true", True, True),
        ("eq", 22, "22", True),
        ("eq", "22", 22, True),
        ("ne", "a", "a", False),
        ("ne", "a", "b", True),
        ("in", ["a", "b"], "b", True),
        ("not_in", ["a", "b"], "b", False),
        ("matches", "^a.c$", "abc", True),
        ("not_matches", "^a.c$", "abc", False),
        ("glob_in", ["eu-*"], "EU-west-1", True),
        ("glob_in", ["eu-*"], "us-east-1", False),
        ("exists", None, "", True),
        ("empty", None, "", True),
        ("empty", None, [], True),
        ("empty", None, "x", False),
        ("not_empty", None, "x", True),
        ("lt", 5, 4, True),
        ("lt", 5, "5", False),
        ("le", 5, "5", True),
        ("gt", 5, 5.5, True),
        ("ge", 5, "no number", False),
        ("contains", "x", ["x", "y"], True),
        ("contains", "x", "axb", True),
        ("contains", "x", {"x": 1}, True),
        ("intersects", ["x"], ["y", "x"], True),
        ("intersects", ["x"], "x", True),
        ("not_intersects", ["x"], ["x"], False),
        ("subset", ["x", "y"], ["x"], True),
        ("subset", ["x", "y"], ["x", "z"], False),
        ("includes", ["x", "y"], ["x", "y", "z"], True),
        ("includes", ["x", "y"], ["x"], False),
        ("image_tag", ["latest", ""], "host:5000/app", True),
        ("image_tag", ["latest", ""], "host:5000/app:latest", True),
        ("image_tag", ["latest", ""], "app:1.2", False),
        ("image_tag", ["latest", ""], "app@sha256:" + "0" * 64, False),
        ("image_digest", None, "app@sha256:" + "0" * 64, True),
        ("image_digest", None, "app:1", False),
        ("is_secret_like", None, "hf_" + "Ab1" * 12, True),
        ("is_secret_like", None, "${SECRET}", False),
        ("is_secret_like", None, "plain", False),
    ],
)
def test_an_operator_tells_what_its_name_says(op: str, value: Any, found: Any, expected: bool) -> None:
    condition = {"path": "a", "op": op} | ({} if value is None else {"value": value})

    assert truth(condition, a=found) is expected


@pytest.mark.parametrize("op", sorted({*OPERATORS, *NEGATED}))
def test_only_negated_operators_and_empty_hold_for_something_missing(op: str) -> None:
    values = {"iam_allows": {"action": "*"}, "covers_port": 22, "matches": "x", "not_matches": "x"}
    condition = {"path": "a.b", "op": op, "value": values.get(op, "x")}

    expected = (op in NEGATED) != (op == "empty" or NEGATED.get(op) == "empty")
    assert truth(condition) is expected
    assert truth(condition, a=None) is expected
    assert truth(condition, a=Unknown("var.a")) is (False if op == "suggests" else None)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"require": {"path": "key", "op": "not_empty"}}, True),
        ({"require": {"path": "key", "op": "exists"}}, True),
        ({"require": {"path": "key", "op": "own_key"}}, True),
        ({"require": {"not": {"path": "key", "op": "empty"}}}, True),
        ({"forbid": {"path": "key", "op": "absent"}}, True),
        ({"forbid": {"path": "key", "op": "exists"}}, None),
        ({"forbid": {"path": "key", "op": "not_empty"}}, None),
        ({"require": {"path": "key", "op": "absent"}}, None),
        ({"require": {"path": "key", "op": "eq", "value": "x"}}, None),
    ],
)
def test_an_input_that_must_be_given_counts_as_set_but_only_for_a_pass(
    spec: Mapping[str, Any], expected: bool | None
) -> None:
    store = resource(key=Unknown("var.key", given=True))
    judged = compile_check("tf/x", "y", {"select": {"kind": store.kind}, **spec}).judge(store, Inventory([store]), {})

    assert judged is not None and judged.truth is expected


def test_an_input_that_must_be_given_selects_nothing() -> None:
    store = resource(key=Unknown("var.key", given=True), open=True)
    spec = {
        "select": {"kind": store.kind, "where": {"path": "key", "op": "exists"}},
        "forbid": {"path": "open", "op": "eq", "value": True},
    }

    judged = compile_check("tf/x", "y", spec).judge(store, Inventory([store]), {})

    assert judged is not None and judged.truth is None


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ("0.0.0.0/0", True),
        ("::/0", True),
        (["0.0.0.0/1", "128.0.0.0/1"], True),
        (["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"], False),
        ("203.0.113.7/32", False),
        ("*", True),
        ("Internet", True),
        ("VirtualNetwork", False),
        (reference("data.http.ip.body") + "/32", False),
        (reference("aws_vpc.main.cidr_block"), None),
        ([Unknown("var.ranges"), "0.0.0.0/0"], True),
        ([Unknown("var.ranges")], None),
    ],
)
def test_public_ranges_are_told_also_in_halves(ranges: Any, expected: bool | None) -> None:
    assert truth({"path": "a", "op": "cidr_public"}, a=ranges) is expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"protocol": "tcp", "from_port": 20, "to_port": 25}, True),
        ({"protocol": "tcp", "from_port": 443, "to_port": 443}, False),
        ({"protocol": "-1", "from_port": 0, "to_port": 0}, True),
        ({"protocol": 6, "from_port": None, "to_port": None}, True),
        ({"protocol": "icmp", "from_port": -1, "to_port": -1}, False),
        ({"protocol": "tcp", "ports": ["80", "20-30"]}, True),
        ({"protocol": "tcp", "ports": ["80"]}, False),
        ({"protocol": "tcp", "ports": ["*"]}, True),
        ({"protocol": "tcp", "from_port": Unknown("var.port"), "to_port": 22}, None),
    ],
)
def test_ports_are_told_from_ranges_lists_and_protocols(rule: Any, expected: bool | None) -> None:
    assert truth({"path": "a", "op": "covers_port", "value": [22, 3389]}, a=rule) is expected


ADMIN = {"action": "*", "resource": "*", "unless_condition": True}


@pytest.mark.parametrize(
    ("statement", "wanted", "expected"),
    [
        ({"effect": "Allow", "actions": ["*"], "resources": ["*"]}, ADMIN, True),
        ({"effect": "Deny", "actions": ["*"], "resources": ["*"]}, ADMIN, False),
        ({"effect": "Allow", "not_actions": ["iam:*"], "resources": ["*"]}, ADMIN, True),
        ({"effect": "Allow", "actions": "*:*", "not_resources": ["arn:aws:s3:::x"]}, ADMIN, True),
        ({"effect": "Allow", "actions": ["*"], "resources": ["*"], "condition_keys": ["aws:SourceIp"]}, ADMIN, False),
        ({"effect": "Allow", "actions": ["S3:Get*"], "resources": ["*"]}, {"action": "s3:GetObject"}, True),
        ({"effect": "Allow", "actions": ["s3:Get*"], "resources": ["*"]}, {"action": "s3:PutObject"}, False),
        ({"effect": "Allow", "principals": {"AWS": ["*"]}}, {"principal": "*"}, True),
        ({"effect": "Allow", "not_principals": {"AWS": ["x"]}}, {"principal": "*"}, True),
        ({"effect": "Allow", "principals": {"AWS": [Unknown("var.p")]}}, {"principal": "*"}, None),
        ({"effect": "Allow", "principals": {"AWS": [reference("aws_iam_role.r.arn")]}}, {"principal": "*"}, False),
    ],
)
def test_policy_statements_are_understood(statement: Any, wanted: Any, expected: bool | None) -> None:
    assert truth({"path": "a", "op": "iam_allows", "value": wanted}, a=statement) is expected


def test_an_identifier_that_is_not_known_yet_never_equals_a_literal() -> None:
    assert truth({"path": "a", "op": "eq", "value": "*"}, a=reference("aws_iam_role.r.arn")) is False
    assert truth({"path": "a", "op": "eq", "value": True}, a=reference("data.x.y.enabled")) is None
    assert truth({"path": "a", "op": "exists"}, a=reference("aws_kms_key.k.arn")) is True


def test_lists_are_entered_with_or_without_brackets() -> None:
    block = {"rule": [{"key": [{"size": 1}]}, {"key": [{"size": 2}]}]}

    assert truth({"path": "rule.key.size", "op": "eq", "value": 2}, **block) is True
    assert truth({"path": "rule[].key[].size", "op": "eq", "value": 2}, **block) is True
    assert truth({"path": "rule[0].key[0].size", "op": "eq", "value": 2}, **block) is False
    assert truth({"path": "rule[].missing", "op": "absent"}, **block) is True


def test_one_value_counts_as_a_list_of_itself() -> None:
    assert truth({"path": "a[].b", "op": "eq", "value": 1}, a={"b": 1}) is True
    assert truth({"each": "a[]", "cond": {"path": ".", "op": "eq", "value": 1}}, a=1) is True


def test_keys_with_dots_and_patterns_are_reached() -> None:
    labels = {"a.b/c": "x", "Data-Class": "y"}

    assert truth({"path": "labels['a.b/c']", "op": "eq", "value": "x"}, labels=labels) is True
    assert truth({"path": "labels.*", "op": "eq", "value": "y"}, labels=labels) is True
    assert truth({"path": "labels.Data*", "op": "eq", "value": "x"}, labels=labels) is False


def test_what_an_open_mapping_does_not_show_is_unknown() -> None:
    tags = Open({"owner": "x"}, "var.tags")

    assert truth({"path": "tags.owner", "op": "exists"}, tags=tags) is True
    assert truth({"path": "tags.cost", "op": "exists"}, tags=tags) is None


def test_false_outweighs_unknown_in_all_and_true_in_any() -> None:
    unknown, no, yes = ({"path": name} | {"op": "true"} for name in ("u", "n", "y"))
    values = {"u": Unknown("var.u"), "n": False, "y": True}

    assert truth({"all": [unknown, no]}, **values) is False
    assert truth({"all": [unknown, yes]}, **values) is None
    assert truth({"any": [unknown, yes]}, **values) is True
    assert truth({"any": [unknown, no]}, **values) is None
    assert truth({"not": unknown}, **values) is None


def test_every_failing_element_decides() -> None:
    containers = [{"name": "a", "root": True}, {"name": "b", "root": False}, {"name": "c", "root": True}]
    outcome = judge({"each": "containers[]", "cond": {"path": "root", "op": "false"}}, resource(containers=containers))

    assert [node.path for node in outcome.nodes] == [("containers", 0, "root"), ("containers", 2, "root")]


def test_each_part_with_a_wrong_value_is_told() -> None:
    parts = [{"path": name, "op": "eq", "value": True} for name in "abc"]

    def told(condition: Mapping[str, Any], **attributes: Any) -> list[Any]:
        return [node.path for node in judge(condition, resource(**attributes)).nodes]

    assert told({"all": parts}, a=False, b=True, c=False) == [("a",), ("c",)]
    assert told({"all": parts}, b=False) == [("b",)]
    assert told({"all": parts}) == [("a",)]
    assert told({"any": [{"all": parts}]}, a=False, b=False) == [("a",)]
    assert told({"parts": parts}, b=False) == [("b",)]
    assert told({"parts": parts}) == [("a",), ("b",), ("c",)]
    deep = {"parts": [*parts, {"path": "d.e", "op": "exists"}]}
    assert told(deep, b=False, d={}) == [("b",), ("d", "e")]
    assert truth({"parts": parts}, a=True, b=True, c=True) is True
    assert truth({"parts": parts}, a=True, b=Unknown("var.b"), c=True) is None
    assert truth({"parts": parts}, a=False, b=Unknown("var.b"), c=True) is False


def test_an_element_can_ask_about_its_resource() -> None:
    condition = {"each": "items[]", "cond": {"path": "$root.limit", "op": "eq", "value": 3}}

    assert truth(condition, items=[1], limit=3) is True
    assert truth(condition, items=[1], limit=4) is False


def test_two_attributes_can_be_compared() -> None:
    assert truth({"path": "a", "op": "eq", "value_of": "b"}, a=1, b=1) is True
    assert truth({"path": "a", "op": "eq", "value_of": "b"}, a=1, b=2) is False


def test_a_parameter_comes_from_the_configuration_before_the_page() -> None:
    one = check({"path": "region", "op": "glob_in", "value": "param(allowed)"}, params={"allowed": ["eu-*"]})
    store = resource(region="us-east-1")
    inventory = Inventory([store])

    default, configured = one.judge(store, inventory, {}), one.judge(store, inventory, {"allowed": ["us-*"]})

    assert default is not None and default.truth is False
    assert configured is not None and configured.truth is True


GUARD = {
    "related": {
        "kind": "guard",
        "via": {"path": "bucket", "refers_to": "self", "match": ["id", "bucket"]},
        "where": {"path": "on", "op": "true"},
        "every": True,
    }
}


@pytest.mark.parametrize(
    ("guards", "expected"),
    [
        ([], False),
        ([resource("guard", bucket=reference("store.a.id"), on=True)], True),
        ([resource("guard", bucket="data", on=True)], True),
        ([resource("guard", bucket="other", on=True)], False),
        ([resource("guard", bucket=reference("store.b.id"), on=True)], False),
        ([resource("guard", bucket=reference("store.a.id"), on=False)], False),
        ([resource("guard", bucket=reference("store.a.id"), on=Unknown("var.on"))], None),
        ([resource("guard", bucket=Unknown("var.bucket"), on=True)], None),
        ([resource("guard", bucket=Unknown("var.bucket"), on=False)], False),
        ([resource("guard", "x", bucket="data", on=True), resource("guard", "y", bucket="data", on=False)], False),
    ],
)
def test_a_join_holds_only_for_the_resource_that_is_named(guards: list[Resource], expected: bool | None) -> None:
    assert truth(GUARD, *guards, bucket="data") is expected


def test_a_join_by_reference_works_where_the_value_is_unknown() -> None:
    guard = resource("guard", references={("bucket",): ("store.a",)}, bucket=Unknown("computed"), on=True)

    assert truth(GUARD, guard) is True


def test_a_failing_join_shows_the_attribute_of_the_other_resource() -> None:
    guard = resource("guard", bucket="data", on=False)

    outcome = judge(GUARD, resource(bucket="data"), guard)

    assert [(node.resource, node.path, node.value) for node in outcome.nodes] == [(guard, ("on",), False)]


def test_a_module_that_cannot_be_looked_into_leaves_a_missing_join_unknown() -> None:
    module = Resource("module", "m", "module.m", "main.tf", {}, {}, ("opaque",), {("bucket",): ("store.a",)})

    assert truth(GUARD, module) is None


def test_a_join_in_the_other_direction_and_by_count() -> None:
    key = resource("key", "k", rotates=True)
    condition = {
        "related": {
            "kind": "key",
            "via": {"path": "key_id", "refers_to": "other"},
            "where": {"path": "rotates", "op": "true"},
        }
    }
    none = {"related": {**condition["related"], "count": 0}}

    assert truth(condition, key, key_id=reference("key.k.arn")) is True
    assert truth(condition, key, key_id=reference("key.other.arn")) is False
    assert truth(none, key, key_id=reference("key.other.arn")) is True


def test_joins_by_equal_values_and_by_label_selectors() -> None:
    policy = resource("policy", selector={"matchLabels": {"app": "x"}}, space="one")
    via = [{"equal": {"space": "space"}}, {"selector": "selector", "labels": "labels", "refers_to": "self"}]
    condition = {"related": {"kind": "policy", "via": via}}

    assert truth(condition, policy, space="one", labels={"app": "x", "b": "y"}) is True
    assert truth(condition, policy, space="two", labels={"app": "x"}) is False
    assert truth(condition, policy, space="one", labels={"app": "z"}) is False


def test_label_selectors_with_expressions() -> None:
    selector = {
        "matchExpressions": [
            {"key": "tier", "operator": "NotIn", "values": ["web"]},
            {"key": "app", "operator": "Exists"},
        ]
    }

    assert selects(selector, {"app": "x"}) is True
    assert selects(selector, {"app": "x", "tier": "web"}) is False
    assert selects({}, {"app": "x"}) is True


def test_an_uncertain_selection_is_unknown_only_where_the_check_would_fail() -> None:
    where = {"path": "class", "op": "eq", "value": "personal"}
    one = check({"path": "on", "op": "true"}, where)
    good, bad = (resource(**{"class": Unknown("var.class"), "on": on}) for on in (True, False))

    assert one.judge(good, Inventory([good]), {}) == Outcome(
        True, (judge({"path": "on", "op": "true"}, good).nodes[0],)
    )
    outcome = one.judge(bad, Inventory([bad]), {})
    assert outcome is not None and outcome.truth is None and "var.class" in outcome.causes


def test_forbid_is_require_turned_around() -> None:
    spec = {"select": {"kind": "store"}, "forbid": {"path": "public", "op": "true"}}
    store = resource(public=True)
    outcome = compile_check("tf/example", "one", spec).judge(store, Inventory([store]), {})

    assert outcome is not None and outcome.truth is False
    assert (outcome.nodes[0].path, outcome.nodes[0].expected) == (("public",), "false")


def test_kinds_may_be_patterns_and_classes() -> None:
    one = compile_check(
        "tf/example", "one", {"select": {"kind": "aws_*", "class": "box"}, "require": {"path": "a", "op": "exists"}}
    )
    bucket = resource("aws_s3_bucket")
    box = Resource("Pod", "p", "Pod/p", "x", {}, {}, ("box",))

    assert Inventory([bucket, box, resource("other")]).chosen(one.kinds, one.classes) == [bucket, box]


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"require": {"path": "a", "op": "eqq", "value": 1}}, "unknown operator 'eqq'"),
        ({"require": {"path": "a", "op": "eq"}}, "needs a value"),
        ({"require": {"path": "a", "op": "eq", "value": 1, "valeu": 2}}, "'valeu'"),
        ({"require": {"path": "a..[", "op": "exists"}}, "cannot be read"),
        ({"require": {"path": "a", "op": "matches", "value": "("}}, "not valid"),
        ({"require": {"every": "a"}}, "no condition has the keys every"),
        ({"require": {"all": []}}, "list of conditions"),
        ({"require": {"related": {"kind": "x", "via": {"by": "y"}}}}, "no link has the keys by"),
        ({"require": {"related": {"kind": "x", "counts": 1}}}, "'counts'"),
        ({"require": {"related": {"where": {"path": "a", "op": "exists"}}}}, "kind or a class"),
        ({"require": {"path": "a", "op": "in", "value": "param(x)"}}, "'x' has no default"),
        ({}, "either 'require' or 'forbid'"),
        ({"require": {"path": "a", "op": "exists"}, "selct": 1}, "unknown key 'selct'"),
    ],
)
def test_a_mistake_in_a_check_names_rule_check_and_key(spec: Mapping[str, Any], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        compile_check("tf/example", "one", {"select": {"kind": "store"}, **spec})

    assert "tf/example, check 'one'" in str(caught.value)
    assert text in str(caught.value)


def test_a_report_path_takes_the_indices_of_the_node() -> None:
    steps = parse_path("containers[].image")

    assert place(steps, ("containers", 2, "security", "root")) == ("containers", 2, "image")
    assert place(parse_path("other"), ("containers", 2)) == ("other",)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.builds(Unknown, st.just("x")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)


@given(VALUES, st.sampled_from(sorted({*OPERATORS, *NEGATED})), st.sampled_from(["a", "a[].b", "*", "a[0]", "a.*.b"]))
def test_any_value_gives_true_false_or_unknown(value: Any, op: str, path: str) -> None:
    arguments = {"iam_allows": ADMIN, "covers_port": [22], "matches": "a", "not_matches": "a"}

    assert truth({"path": path, "op": op, "value": arguments.get(op, "a")}, a=value) in (True, False, None)


def _accounts(*, verb: str = "*", bound: str = "loader") -> list[Resource]:
    return [
        resource("account", "loader"),
        Resource(
            "binding", "b", "binding.b", "main.tf", {"subjects": [{"name": bound}], "role": "r"}, {(): Position(2)}
        ),
        Resource("role", "r", "role.r", "main.tf", {"name": "r", "verbs": [verb]}, {(): Position(3)}),
    ]


_CHAIN = {
    "chain": [
        {"kind": "account", "via": {"equal": {"$name": "account"}}},
        {"kind": "binding", "via": {"equal": {"subjects[].name": "$name"}}},
        {"kind": "role", "via": {"equal": {"name": "role"}}},
        {"path": "verbs", "op": "intersects", "value": ["*"]},
    ]
}


def test_a_chain_goes_from_one_join_to_the_next_and_says_over_what_it_went() -> None:
    outcome = judge(_CHAIN, resource(account="loader"), *_accounts())

    assert outcome.truth is True
    assert [node.resource.address for node in outcome.nodes] == ["role.r"]
    assert [one.address for one in outcome.trail] == ["account.loader", "binding.b", "role.r"]


@pytest.mark.parametrize("change", [{"verb": "get"}, {"bound": "other"}])
def test_a_chain_with_a_broken_link_does_not_hold(change: dict[str, str]) -> None:
    assert truth(_CHAIN, *_accounts(**change), account="loader") is False


@pytest.mark.parametrize("chain", [[], [{"kind": "a"}], "x", [{"kind": "a"}, "x"]])
def test_a_chain_that_is_none_is_refused_by_name(chain: Any) -> None:
    with pytest.raises(UsageError, match="tf/example, check 'one': 'chain' takes a list"):
        check({"chain": chain})


@pytest.mark.parametrize(
    ("found", "default", "expected"), [(None, True, True), (None, False, False), (False, True, False)]
)
def test_a_default_stands_in_for_what_is_not_set(found: Any, default: Any, expected: bool) -> None:
    assert truth({"path": "a", "op": "eq", "value": True, "default": default}, a=found) is expected


@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz"), max_size=3), max_size=6),
    st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz"), max_size=3),
)
def test_the_index_of_labels_finds_what_a_look_at_each_finds(
    selectors: list[dict[str, str]], labels: dict[str, str]
) -> None:
    others = [resource("service", str(number), selector=one) for number, one in enumerate(selectors)]
    link = {"selector": "selector", "labels": "labels", "refers_to": "self"}
    condition = {"related": {"kind": "service", "via": link, "count": {"op": "ge", "value": 1}}}

    expected = any(selects(one, labels) is True for one in selectors)
    assert truth(condition, *others, labels=labels) is expected


def test_a_store_whose_class_is_declared_as_open_is_not_asked_what_its_data_needs() -> None:
    asked = check({"path": "a", "op": "exists"}, scaled=True)
    attributes: dict[Any, Position] = {(): Position(1)}
    stores = {name: Resource("store", "a", "store.a", "main.tf", {}, attributes, data_class=name) for name in ("", "public", "personal")}  # fmt: skip

    told = {name: asked.judge(one, Inventory([one]), {}) for name, one in stores.items()}

    assert told["public"] is None
    assert [told[name].truth for name in ("", "personal")] == [False, False]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ('{"Rules": [{"Own": true}], "Own": "false"}', False),
        ('{"Own": true}', True),
        ('{"Other": 1}', False),
        ({"Own": True}, True),
        ("no JSON", None),
        (reference("data.x.y.json"), None),
        ('{"Own": true, "Key": "' + reference('aws_kms_key.k["a"].arn') + '"}', True),
    ],
)
def test_a_path_looks_into_a_json_text(text: Any, truth: bool | None) -> None:
    outcome = judge({"path": "policy.$json.Own", "op": "eq", "value": True}, resource(policy=text))

    assert outcome.truth is truth


def test_the_place_of_what_a_json_text_says_is_named_as_if_it_were_written_out() -> None:
    outcome = judge({"path": "policy.$json.Rules[].Own", "op": "true"}, resource(policy='{"Rules": [{"Own": false}]}'))

    assert [node.path for node in outcome.nodes] == [("policy", "Rules", 0, "Own")]


@pytest.mark.parametrize(
    ("value", "above"),
    [("604800s", True), ("86400s", False), (86_401, True), ("86401.5s", True), ("week", False), (True, False)],
)
def test_a_span_in_seconds_is_compared_as_a_number(value: Any, above: bool) -> None:
    assert OPERATORS["seconds_above"](value, 86_400) is above


@pytest.mark.parametrize(
    ("condition", "options", "expected"),
    [
        ({"path": "a", "op": "eq", "value": True}, (True, "true"), True),
        ({"path": "a", "op": "eq", "value": True}, (False, None), False),
        ({"path": "a", "op": "eq", "value": True}, (True, False), None),
        ({"path": "a", "op": "eq", "value": True, "default": True}, (True, None), True),
        ({"path": "a", "op": "ne", "value": "x"}, ("y", None), True),
        ({"path": "a", "op": "exists"}, ("y", None), None),
        ({"path": "a[]", "op": "cidr_public"}, ("0.0.0.0/0", "::/0"), True),
        ({"path": "a.b", "op": "eq", "value": 1}, (1, 2), None),
    ],
)
def test_what_holds_for_each_of_the_values_that_may_be_is_certain(
    condition: Mapping[str, Any], options: tuple[Any, ...], expected: bool | None
) -> None:
    assert truth(condition, a=Either("the parameter X", options=options)) is expected


def test_parts_that_may_be_one_or_another_are_tried_together() -> None:
    source = Either("the parameter X", options=("0.0.0.0/0", "0.0.0.0/1"))
    port = Either("the parameter X", options=(22, 3389))
    rule = {"protocol": "tcp", "from_port": port, "to_port": port, "sources": [source]}

    assert truth({"path": "rule.sources", "op": "cidr_public"}, rule=rule) is True
    assert truth({"path": "rule", "op": "covers_port", "value": [22, 3389]}, rule={**rule, "from_port": 0}) is True
    assert truth({"path": "rule", "op": "covers_port", "value": [22]}, rule=rule) is None
