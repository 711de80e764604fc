"""Policies, firewall rules and credentials, taken apart and brought together."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlguard import facts
from mlguard.scanners.infra import iam, policies
from mlguard.scanners.infra.credentials import credentials, is_credential, is_secret_name
from mlguard.scanners.infra.operators import OPERATORS
from mlguard.scanners.infra.policies.bindings import bindings, grants
from mlguard.scanners.infra.policies.ingress import ingress
from mlguard.scanners.infra.policies.statements import POLICIES, document, statements
from mlguard.scanners.infra.resources import Position, Resource, Unknown, reference
from tests.scanning import found, scan

SECRET = "Kq7!vRz2" + "#m"


def resource(kind: str, attributes: dict[str, Any], name: str = "x", **more: Any) -> Resource:
    return Resource(kind, name, f"{kind}.{name}", "main.tf", attributes, {(): Position(1)}, **more)


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def first(kind: str, attribute: str, *given: dict[str, Any]) -> dict[str, Any]:
    return dict(next(iter(statements(resource(kind, {attribute: policy(*given)}), {}))).attributes)


def allows(statement: dict[str, Any], **wanted: Any) -> bool | None:
    return OPERATORS["iam_allows"](statement, wanted)


# Statements


def test_every_kind_that_carries_a_policy_yields_its_statements() -> None:
    text = policy({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Principal": "*"})
    for sort, kinds in POLICIES.items():
        for kind, place in kinds.items():
            name, _, inner = place.partition(".")
            attributes: dict[str, Any] = {name: [{inner: text}] if inner else text}

            yielded = list(statements(resource(kind, attributes), {}))

            assert [one.attributes["policy"] for one in yielded] == [sort], kind


def test_a_policy_is_read_as_text_and_as_a_mapping_alike() -> None:
    body = {"Statement": {"Effect": "allow", "Action": "s3:*", "NotResource": "a"}}

    from_text = list(statements(resource("aws_iam_policy", {"policy": json.dumps(body)}), {}))
    from_mapping = list(statements(resource("aws_iam_policy", {"policy": body}), {}))

    assert [one.attributes for one in from_text] == [one.attributes for one in from_mapping]
    assert from_text[0].attributes["effect"] == "Allow"


def test_a_permission_and_a_grant_of_a_key_are_statements_too() -> None:
    permission = resource(
        "aws_lambda_permission", {"action": "lambda:InvokeFunction", "principal": "*", "source_account": "1"}
    )
    key = resource("aws_kms_grant", {"grantee_principal": "arn", "operations": ["Decrypt"], "key_id": "k"})

    one = next(iter(statements(permission, {}))).attributes
    other = next(iter(statements(key, {}))).attributes

    assert (one["principals"], one["narrow_keys"]) == ({"AWS": ["*"]}, ["aws:sourceaccount"])
    assert other["actions"] == ["kms:Decrypt"]


@pytest.mark.parametrize(
    ("test", "key", "values", "narrow", "limit"),
    [
        ("StringEquals", "aws:principalorgid", ["o-1"], True, True),
        ("StringLike", "aws:principalarn", ["*"], False, False),
        ("ArnLike", "aws:principalarn", ["arn:aws:iam::*:role/*"], False, False),
        ("ArnLike", "aws:principalarn", ["arn:aws:iam::1:role/x"], True, True),
        ("IpAddress", "aws:sourceip", ["0.0.0.0/0"], False, False),
        ("IpAddress", "aws:sourceip", ["198.51.100.0/24"], True, True),
        ("NotIpAddress", "aws:sourceip", ["198.51.100.0/24"], False, True),
        ("Bool", "aws:securetransport", ["true"], False, False),
        ("Null", "aws:tokenissuetime", ["false"], False, False),
        ("ForAllValues:StringEquals", "aws:tagkeys", ["a"], False, False),
        ("ForAnyValue:StringLikeIfExists", "aws:calledvia", ["athena.*"], True, True),
        ("StringNotEquals", "aws:principalaccount", ["1"], False, True),
        ("StringEquals", "aws:principalorgid", [Unknown("var.org")], True, True),
    ],
)
def test_a_condition_narrows_only_when_it_leaves_somebody_out(
    test: str, key: str, values: list[Any], narrow: bool, limit: bool
) -> None:
    condition = {"test": test, "key": key, "values": values}

    assert (iam.narrows(condition), iam.limits(condition)) == (narrow, limit)


def test_not_action_and_not_resource_allow_what_they_do_not_name() -> None:
    statement = first("aws_iam_policy", "policy", {"Effect": "Allow", "NotAction": "iam:*", "NotResource": "arn:x"})

    assert allows(statement, action="*", resource="*") is True
    assert allows(statement, action="iam:PassRole") is False
    assert allows(statement, action="s3:GetObject", resource="arn:x") is False


def test_a_deny_takes_back_what_it_covers_and_no_more() -> None:
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    deny = {"Effect": "Deny", "Action": "s3:Delete*", "Resource": "*"}

    statement = first("aws_iam_policy", "policy", allow, deny)

    assert allows(statement, action="s3:DeleteObject") is False
    assert allows(statement, action="s3:GetObject") is True
    assert (
        allows(first("aws_iam_policy", "policy", allow, {**deny, "Resource": "arn:x"}), action="s3:DeleteObject")
        is True
    )
    assert allows(
        first("aws_iam_policy", "policy", allow, {**deny, "Condition": {"Bool": {"a": "b"}}}), action="s3:DeleteObject"
    )


def test_an_unknown_action_is_neither_allowed_nor_not() -> None:
    statement = {"effect": "Allow", "actions": [Unknown("var.action")], "resources": ["*"]}
    opposite = {"effect": "Allow", "not_actions": [Unknown("var.action")], "resources": ["*"]}

    assert allows(statement, action="s3:GetObject") is None
    assert allows(opposite, action="s3:GetObject") is None
    assert allows(statement, pattern="^s3:") is None


@pytest.mark.parametrize(
    ("subject", "scope"),
    [
        ("*", "wide"), ("repo:*", "wide"), ("repo:acme/*", "wide"), ("repo:acme*", "wide"), ("repo:a*/models:*", "wide"),
        ("repo:acme/*:ref:refs/heads/main", "wide"), ("repo:acme/models:*", "narrow"),
        ("repo:acme/models:ref:refs/heads/main", "narrow"), ("project_path:*", "wide"), ("project_path:acme/*:ref_type:branch", "wide"),
        ("project_path:acme/models:ref_type:branch:ref:main", "narrow"), ("organization:*:project:*", "wide"),
        ("organization:acme:project:ml:workspace:prod:run_phase:*", "narrow"), ("system:serviceaccount:*", "wide"),
        ("system:serviceaccount:ml:*", "wide"), ("system:serviceaccount:ml:train", "narrow"),
        (f"repo:{reference('var.org')}/models:*", "narrow"), (f"repo:{reference('var.org')}/*", "wide"),
    ],
)  # fmt: skip
def test_a_subject_names_one_workload_or_many(subject: str, scope: str) -> None:
    statement = {"conditions": [{"test": "StringLike", "key": "issuer:sub", "values": [subject]}]}

    assert iam.subject_scope(statement)[0] == scope


def test_a_subject_counts_only_where_a_token_must_have_it() -> None:
    def scope(test: str) -> Any:
        return iam.subject_scope(
            {"conditions": [{"test": test, "key": "issuer:sub", "values": ["repo:acme/models:*"]}]}
        )[0]

    assert scope("StringEquals") == "narrow"
    assert {scope("ForAllValues:StringLike"), scope("StringNotLike"), scope("Null")} == {"missing"}


def test_a_document_that_something_uses_is_told_once_and_an_unused_one_too() -> None:
    text = policy({"Effect": "Allow", "Action": "*", "Resource": "*"})
    here = resource("data.aws_iam_policy_document", {"json": text})
    unused = list(document(here, text))
    user = list(statements(resource("aws_iam_policy", {"policy": text}), {}))

    assert [one.kind for one in policies.completed(unused)] == ["aws.iam.statement"]
    assert [one.attributes["owner"] for one in policies.completed([*unused, *user])] == ["aws_iam_policy.x"]


def test_accounts_of_ones_own_are_trusted_when_the_configuration_names_them(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(
        'resource "aws_iam_role" "r" {\n  assume_role_policy = jsonencode({ Statement = [{ Effect = "Allow", Action = "sts:AssumeRole",\n'
        '    Principal = { AWS = ["arn:aws:iam::111122223333:root", "444455556666"] } }] })\n}\n'
    )

    def told(*accounts: str) -> list[tuple[str, int, str]]:
        settings = {"params": {"tf/open-trust-policy": {"own_accounts": list(accounts)}}}
        return found(scan(tmp_path, ["infra"], {"infra": settings}), "tf/open-trust-policy")

    assert told() == told("111122223333") == [("main.tf", 3, "tf/open-trust-policy")]
    assert told("111122223333", "444455556666") == []


# Principals


def test_what_several_policies_of_a_role_add_up_to_is_told_at_the_statement_that_passes_roles() -> None:
    role = resource("aws_iam_role", {"name": "train"}, "train")
    create = {"Effect": "Allow", "Action": "glue:CreateJob", "Resource": "*"}
    give = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}
    held = [
        one
        for name, statement in (("a", create), ("b", give))
        for one in statements(resource("aws_iam_role_policy", {"policy": policy(statement), "role": "train"}, name), {})
    ]

    after = policies.completed([role, *held])

    assert held[1].attributes["escalations"] == ["iam:PassRole with glue:CreateJob"]
    assert "escalations" not in held[0].attributes
    (principal,) = [one for one in after if one.kind == "aws.iam.principal"]
    assert len(principal.attributes["statements"]) == 2


def test_stages_that_use_one_role_are_told_of_each_other() -> None:
    notebook = resource("aws_sagemaker_notebook_instance", {"role_arn": "r"}, "n")
    model = resource("aws_sagemaker_model", {"execution_role_arn": "r"}, "m")
    other = resource("aws_sagemaker_model", {"execution_role_arn": "s"}, "o")

    uses = [one for one in policies.completed([notebook, model, other]) if one.kind == "role.use"]

    assert [one.attributes.get("shared_with") for one in uses] == [["serving"], ["notebook"], None]


# Firewalls


@pytest.mark.parametrize(
    ("rule", "ranges"),
    [
        ({"protocol": "-1"}, [(0, 65535)]),
        ({"protocol": "icmp", "from_port": 0, "to_port": 0}, []),
        ({"protocol": "tcp", "from_port": "20", "to_port": 25}, [(20, 25)]),
        ({"protocol": "tcp", "ports": []}, [(0, 65535)]),
        ({"protocol": "tcp", "ports": ["22", "80-90"]}, [(22, 22), (80, 90)]),
        ({"protocol": "tcp", "from_port": Unknown("var.port")}, None),
    ],
)
def test_ports_are_read_in_every_spelling(rule: dict[str, Any], ranges: Any) -> None:
    from mlguard.scanners.infra.operators import port_ranges

    assert port_ranges(rule) == ranges


def test_an_earlier_denial_of_the_same_group_hides_a_rule_and_another_one_does_not() -> None:
    def group(first: int, second: int, ports: str) -> list[str]:
        rule = {"direction": "Inbound", "protocol": "*", "source_address_prefix": "*"}
        owner = resource("azurerm_network_security_group", {"security_rule": [
            {**rule, "access": "Deny", "priority": first, "destination_port_range": ports},
            {**rule, "access": "Allow", "priority": second, "destination_port_range": "22"}]})  # fmt: skip
        return [one.kind for one in policies.completed(list(ingress(owner)))]

    assert group(100, 200, "*") == ["net.denial"]
    assert group(100, 200, "20-30") == ["net.denial"]
    assert group(200, 100, "*") == ["net.denial", "net.ingress"]
    assert group(100, 200, "80") == ["net.denial", "net.ingress"]


# Grants


def test_roles_of_google_and_azure_and_attached_policies_are_grants() -> None:
    data = json.dumps({"bindings": [{"role": "roles/owner", "members": ["group:a"]}]})
    owners = [
        resource(
            "google_storage_bucket_iam_member", {"bucket": "b", "role": "roles/storage.admin", "member": "allUsers"}
        ),
        resource("google_project_iam_policy", {"project": "p", "policy_data": data}),
        resource("azurerm_role_assignment", {"scope": "/s", "role_definition_name": "Owner", "principal_id": "id"}),
        resource(
            "aws_iam_role_policy_attachment", {"role": "r", "policy_arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}
        ),
    ]

    told = [(one.principal, one.actions[0], one.resources[0]) for owner in owners for one in grants(owner)]

    assert told == [
        ("allUsers", "roles/storage.admin", "b"),
        ("group:a", "roles/owner", "p"),
        ("id", "Owner", "/s"),
        ("r", "arn:aws:iam::aws:policy/ReadOnlyAccess", "*"),
    ]
    assert all(isinstance(one, facts.Grant) for owner in owners for one in grants(owner))
    assert [one.attributes["level"] for one in bindings(owners[1], {})] == ["project"]


# Credentials


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("password", "hunter2", True), ("master_password", SECRET, True), ("administratorLoginPassword", SECRET, True),
        ("password", "changeme", False), ("password", "${var.x}", False), ("password", reference("var.password"), False),
        ("password", "", False), ("password", "true", False), ("password", "{{resolve:ssm:x}}", False),
        ("password_length", "32123", False), ("secret_arn", "arn:aws:secretsmanager:x", False), ("secret_name", "prod-db-7f", False),
        ("api_key", "9f8a7b6c5d4e3f2a" + "1b0c9d8e7f6a5b4c", True), ("token", "my-token-name", False),
        ("client_secret", "abc~Q8jf83kdlf9", True), ("username", SECRET, False), ("key", "value", False),
        ("connection_string", "Server=db;User ID=sa;Password=" + SECRET + ";", True),
        ("connection_string", "Server=db;Authentication=Active Directory Default;", False),
    ],
)  # fmt: skip
def test_a_value_is_a_credential_by_its_name_and_its_form(name: str, value: str, told: bool) -> None:
    assert is_credential(name, value) is told


def test_names_of_places_are_no_names_of_secrets() -> None:
    assert all(
        map(is_secret_name, ["db_password", "apiToken", "client-secret", "STORAGE_ACCOUNT_KEY", "private_key_pem"])
    )
    assert not any(
        map(is_secret_name, ["password_policy", "secret_arn", "token_ttl", "secret_version", "tokens", "key_name"])
    )


def test_no_credential_is_ever_kept_in_what_is_yielded() -> None:
    owner = resource("aws_lambda_function", {
        "environment": [{"variables": {"DB_PASSWORD": SECRET}}], "user_data": f"export DB_PASSWORD={SECRET}\n",
        "container_definitions": json.dumps([{"environment": [{"name": "DB_PASSWORD", "value": SECRET}]}]),
        "master_password": SECRET})  # fmt: skip

    yielded = list(credentials(owner, {}))

    assert {one.attributes["sort"] for one in yielded} >= {"environment"}
    assert SECRET not in str([(one.attributes, one.address, one.name) for one in yielded])


def test_a_credential_in_a_finding_is_masked(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(
        f'resource "aws_db_instance" "db" {{\n  password = "{SECRET}"\n}}\nvariable "db_password" {{\n  default = "{SECRET}"\n}}\n'
    )

    report = scan(tmp_path, ["infra", "secrets"])

    assert [one for one in found(report) if one[2].startswith("secret/")] == [
        ("main.tf", 2, "secret/hardcoded-credential"),
        ("main.tf", 5, "secret/committed-terraform-secrets"),
        ("main.tf", 5, "secret/hardcoded-credential"),
    ]
    assert SECRET not in str(report)


# Bounds


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(Unknown("x")) | st.sampled_from(["*", "Allow", "a:b"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["Statement", "Effect", "Action", "NotAction", "Resource", "Principal", "Condition", "StringLike", "AWS", "Federated", "bindings",
             "role", "members", "ingress", "name", "value", "password", "environment", "from_port", "cidr_blocks"]
        ),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(_VALUES, st.sampled_from(["aws_iam_policy", "aws_iam_role", "aws_lambda_permission", "google_project_iam_policy", "aws_security_group",
                                 "azurerm_network_security_group", "aws_network_acl", "google_compute_firewall_policy_rule"]))  # fmt: skip
def test_any_value_at_all_ends_in_resources(value: Any, kind: str) -> None:
    names = [
        "policy",
        "assume_role_policy",
        "inline_policy",
        "policy_data",
        "ingress",
        "security_rule",
        "match",
        "allow",
        "principal",
        "role",
    ]
    owner = resource(kind, dict.fromkeys(names, value) | {"direction": "INGRESS", "action": "allow"})

    yielded = [*statements(owner, {}), *ingress(owner), *bindings(owner, {}), *credentials(owner, {}), owner]
    list(grants(owner))
    for one in policies.completed(yielded):
        if one.kind == "aws.iam.statement":
            OPERATORS["iam_allows"](
                one.attributes, {"action": "*", "resource": "*", "principal": "*", "unless_condition": True}
            )


@given(st.text(max_size=200))
def test_any_text_as_a_policy_ends_in_resources(text: str) -> None:
    owner = resource("aws_iam_policy", {"policy": text})

    list(statements(owner, {"policy": Position(1, 1, 9)}))
    list(credentials(owner, {}))


def test_fifty_thousand_rules_and_policies_take_linear_time() -> None:
    text = policy({"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"})
    held = [
        one
        for number in range(5_000)
        for one in statements(resource("aws_iam_policy", {"policy": text}, str(number)), {})
    ]
    rules = [
        one
        for number in range(50_000)
        for one in ingress(
            resource("azurerm_network_security_rule", {
                "direction": "Inbound", "access": "Deny" if number % 2 else "Allow", "protocol": "*", "priority": number,
                "network_security_group_name": "one", "source_address_prefix": "*", "destination_port_range": str(number)}, str(number))
        )
    ]  # fmt: skip
    start = time.process_time()

    policies.completed([*held, *rules])

    assert time.process_time() - start < 8
