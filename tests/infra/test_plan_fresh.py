"""Plans as `terraform show -json` writes them: every attribute of a resource with its default, null or empty list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.infra.test_terraform_plan import change, configured, plan
from tests.scanning import found, scan

DATABASE = {
    "allocated_storage": 20, "backup_retention_period": 14, "deletion_protection": True, "enabled_cloudwatch_logs_exports": ["postgresql"],
    "engine": "postgres", "iam_database_authentication_enabled": True, "instance_class": "db.m6g.large", "multi_az": True,
    "publicly_accessible": False, "replicate_source_db": None, "restore_to_point_in_time": [], "snapshot_identifier": None,
    "storage_encrypted": True, "tags": {"owner": "ml", "cost-center": "1", "data-classification": "personal"}, "timeouts": None,
}  # fmt: skip
BLOCK = {
    "block_public_acls": True,
    "block_public_policy": True,
    "ignore_public_acls": True,
    "restrict_public_buckets": True,
}
GROUP = {"description": "d", "name": "n", "ingress": [], "revoke_rules_on_delete": False, "timeouts": None}
RULE = {
    "cidr_blocks": ["10.0.0.0/8"], "description": "", "from_port": 22, "ipv6_cidr_blocks": [], "prefix_list_ids": [], "protocol": "tcp",
    "security_groups": [], "self": False, "to_port": 22,
}  # fmt: skip


def policy(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


# The rule, the address, what is planned, and the text of the line that is found ("" for the head, None for no finding).
CASES: list[tuple[str, str, dict[str, Any], str | None]] = [
    ("tf/unencrypted-storage", "aws_db_instance.a", DATABASE, None),
    ("tf/unencrypted-storage", "aws_db_instance.a", {**DATABASE, "storage_encrypted": False}, '"storage_encrypted": false'),
    ("tf/unencrypted-storage", "aws_db_instance.a", {**DATABASE, "storage_encrypted": None}, '"storage_encrypted": null'),
    ("tf/public-service-address", "aws_db_instance.a", {**DATABASE, "publicly_accessible": True}, '"publicly_accessible": true'),
    ("tf/public-service-address", "aws_db_instance.a", DATABASE, None),
    ("tf/missing-backup", "aws_db_instance.a", {**DATABASE, "backup_retention_period": 0}, '"backup_retention_period": 0'),
    ("tf/missing-backup", "aws_db_instance.a", DATABASE, None),
    ("tf/missing-deletion-protection", "aws_db_instance.a", {**DATABASE, "deletion_protection": False}, '"deletion_protection": false'),
    ("tf/single-zone-service", "aws_db_instance.a", {**DATABASE, "multi_az": False}, '"multi_az": false'),
    ("tf/missing-resource-tags", "aws_db_instance.a", DATABASE, None),
    ("tf/public-storage", "aws_s3_bucket_acl.a", {"acl": "public-read", "bucket": "b", "access_control_policy": []}, '"acl": "public-read"'),
    ("tf/public-storage", "aws_s3_bucket_acl.a", {"acl": "private", "bucket": "b", "access_control_policy": []}, None),
    ("tf/public-storage", "aws_s3_bucket_policy.a", {"bucket": "b", "policy": policy(Principal="*", Action="s3:GetObject", Resource="arn:aws:s3:::b/*")}, '"policy": '),
    ("tf/public-storage", "aws_s3_bucket_policy.a", {"bucket": "b", "policy": policy(Principal={"AWS": "arn:aws:iam::111122223333:root"}, Action="s3:GetObject", Resource="*")}, None),
    ("tf/missing-public-access-block", "aws_s3_bucket_public_access_block.a", {**BLOCK, "bucket": "b", "block_public_policy": False}, '"block_public_policy": false'),
    ("tf/missing-public-access-block", "aws_s3_bucket_public_access_block.a", {**BLOCK, "bucket": "b"}, None),
    ("tf/open-sensitive-port", "aws_security_group.a", {**GROUP, "ingress": [{**RULE, "cidr_blocks": ["0.0.0.0/0"]}]}, '"cidr_blocks": ['),
    ("tf/open-sensitive-port", "aws_security_group.a", {**GROUP, "ingress": [RULE]}, None),
    ("tf/open-sensitive-port", "aws_security_group_rule.a", {**RULE, "type": "ingress", "ipv6_cidr_blocks": ["::/0"]}, '"ipv6_cidr_blocks": ['),
    ("tf/open-sensitive-port", "aws_security_group_rule.a", {**RULE, "type": "egress", "cidr_blocks": ["0.0.0.0/0"]}, None),
    ("tf/broad-owner-role", "aws_iam_policy.a", {"name": "n", "path": "/", "policy": policy(Action="*", Resource="*")}, '"policy": '),
    ("tf/broad-owner-role", "aws_iam_policy.a", {"name": "n", "path": "/", "policy": policy(Action="s3:GetObject", Resource="arn:aws:s3:::b/*")}, None),
    ("tf/broad-owner-role", "aws_iam_role_policy_attachment.a", {"role": "r", "policy_arn": "arn:aws:iam::aws:policy/AdministratorAccess"}, '"policy_arn": '),
    ("tf/open-trust-policy", "aws_iam_role.a", {"name": "r", "inline_policy": [], "assume_role_policy": policy(Principal={"AWS": "*"}, Action="sts:AssumeRole")}, '"assume_role_policy": '),
    ("tf/open-trust-policy", "aws_iam_role.a", {"name": "r", "assume_role_policy": policy(Principal={"Service": "ec2.amazonaws.com"}, Action="sts:AssumeRole")}, None),
    ("tf/unrotated-or-open-key", "aws_kms_key.a", {"customer_master_key_spec": "SYMMETRIC_DEFAULT", "enable_key_rotation": False, "is_enabled": True}, '"enable_key_rotation": false'),
    ("tf/unrotated-or-open-key", "aws_kms_key.a", {"customer_master_key_spec": "SYMMETRIC_DEFAULT", "enable_key_rotation": True, "is_enabled": True}, None),
    ("tf/unrotated-or-open-key", "aws_kms_key.a", {"customer_master_key_spec": "RSA_4096", "enable_key_rotation": False, "key_usage": "SIGN_VERIFY"}, None),
    ("tf/unprotected-ml-service", "aws_sagemaker_notebook_instance.a", {"root_access": "Enabled", "kms_key_id": "k", "subnet_id": "s", "direct_internet_access": "Disabled"}, '"root_access": "Enabled"'),
    ("tf/unprotected-ml-service", "aws_sagemaker_notebook_instance.a", {"root_access": "Disabled", "kms_key_id": "k", "subnet_id": "s", "direct_internet_access": "Disabled", "role_arn": "arn:aws:iam::111122223333:role/n"}, None),
    ("tf/unprotected-metadata-service", "aws_launch_template.a", {"image_id": "ami-1", "metadata_options": [{"http_endpoint": "enabled", "http_put_response_hop_limit": 1, "http_tokens": "optional"}]}, '"http_tokens": "optional"'),
    ("tf/unprotected-metadata-service", "aws_launch_template.a", {"image_id": "ami-1", "metadata_options": [{"http_endpoint": "enabled", "http_put_response_hop_limit": 1, "http_tokens": "required"}]}, None),
    ("tf/unauthenticated-endpoint", "aws_lambda_function_url.a", {"authorization_type": "NONE", "cors": [], "function_name": "f"}, '"authorization_type": "NONE"'),
    ("tf/unauthenticated-endpoint", "aws_lambda_function_url.a", {"authorization_type": "AWS_IAM", "cors": [], "function_name": "f"}, None),
    ("tf/log-retention-mismatch", "aws_cloudwatch_log_group.a", {"kms_key_id": None, "name": "/a", "retention_in_days": 0, "skip_destroy": False}, '"retention_in_days": 0'),
    ("tf/log-retention-mismatch", "aws_cloudwatch_log_group.a", {"kms_key_id": None, "name": "/a", "retention_in_days": 180, "skip_destroy": False}, None),
    ("tf/unenforced-transport-encryption", "aws_lb_listener.a", {"port": 80, "protocol": "HTTP", "ssl_policy": None, "default_action": [{"type": "forward", "redirect": [], "fixed_response": [], "target_group_arn": "t"}]}, '"protocol": "HTTP"'),
    ("tf/unenforced-transport-encryption", "aws_lb_listener.a", {"port": 80, "protocol": "HTTP", "ssl_policy": None, "default_action": [{"type": "redirect", "redirect": [{"protocol": "HTTPS", "port": "443", "status_code": "HTTP_301"}]}]}, None),
    ("secret/hardcoded-credential", "aws_lambda_function.a", {"function_name": "f", "environment": [{"variables": {"DB_PASSWORD": "Xk29vQz7LmTp4wRs"}}]}, '"DB_PASSWORD": '),
    ("k8s/privileged-container", "aws_ecs_task_definition.a", {"family": "f", "container_definitions": json.dumps([{"name": "c", "image": "x:1", "privileged": True}])}, '"container_definitions": '),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "address", "after", "text"), CASES)
def test_a_planned_resource_is_judged_at_the_line_of_the_plan(
    tmp_path: Path, rule: str, address: str, after: dict[str, Any], text: str | None
) -> None:
    value = plan([change(address, after, {"id": True, "arn": True})], [configured(address)])
    written = json.dumps(value, indent=2)
    (tmp_path / "plan.json").write_text(written)
    lines = written.splitlines()

    report = scan(tmp_path, ["infra"])

    reported = [line for _, line, _ in found(report, rule)]
    wanted = [] if text is None else [number for number, line in enumerate(lines, 1) if text in line]
    assert reported == wanted
    assert [gap for gap in report.gaps if gap.kind in ("crash", "timeout", "unreadable")] == []


def lines_of(tmp_path: Path, value: Any, rule: str) -> list[str]:
    written = json.dumps(value, indent=2)
    (tmp_path / "plan.json").write_text(written)
    return [written.splitlines()[line - 1].strip() for _, line, _ in found(scan(tmp_path, ["infra"]), rule)]


BUCKETS = [
    change("aws_s3_bucket.guarded", {"bucket": "a", "force_destroy": False}, {"id": True, "arn": True}),
    change("aws_s3_bucket.bare", {"bucket": "b", "force_destroy": False}, {"id": True, "arn": True}),
    change("aws_s3_bucket_public_access_block.p", BLOCK, {"bucket": True, "id": True}),
]


def test_what_guards_a_bucket_is_found_by_the_reference_of_the_configuration(tmp_path: Path) -> None:
    references = {"references": ["aws_s3_bucket.guarded.id", "aws_s3_bucket.guarded"]}
    resources = [configured("aws_s3_bucket.guarded"), configured("aws_s3_bucket.bare"), configured("aws_s3_bucket_public_access_block.p", bucket=references)]  # fmt: skip

    found_lines = lines_of(tmp_path, plan(BUCKETS, resources), "tf/missing-public-access-block")

    assert len(found_lines) == 1


def test_what_guards_a_bucket_is_found_within_a_module_and_by_its_index(tmp_path: Path) -> None:
    changes = [
        change("module.m.aws_s3_bucket.b[0]", {"bucket": "a"}, {"id": True}, index=0),
        change("module.m.aws_s3_bucket_public_access_block.p[0]", BLOCK, {"bucket": True}, index=0),
    ]
    references = {"references": ["aws_s3_bucket.b[0].id", "aws_s3_bucket.b[0]", "aws_s3_bucket.b"]}
    inner = [configured("aws_s3_bucket.b"), configured("aws_s3_bucket_public_access_block.p", bucket=references)]
    value = plan(changes, [], {"m": {"source": "./m", "module": {"resources": inner}}})

    assert lines_of(tmp_path, value, "tf/missing-public-access-block") == []


@pytest.mark.parametrize("actions", [["delete"], ["forget"]])
def test_what_goes_away_is_not_judged(tmp_path: Path, actions: list[str]) -> None:
    entry = change("aws_db_instance.a", None)
    entry["change"] |= {"actions": actions, "before": {**DATABASE, "storage_encrypted": False}}

    assert lines_of(tmp_path, plan([entry]), "tf/unencrypted-storage") == []


@pytest.mark.parametrize("actions", [["no-op"], ["update"], ["delete", "create"], ["create", "delete"]])
def test_what_stays_or_changes_is_judged_as_it_will_be(tmp_path: Path, actions: list[str]) -> None:
    entry = change("aws_db_instance.a", {**DATABASE, "storage_encrypted": False})
    entry["change"] |= {"actions": actions, "before": DATABASE}

    assert lines_of(tmp_path, plan([entry]), "tf/unencrypted-storage") == ['"storage_encrypted": false,']


def test_what_is_known_after_apply_neither_passes_nor_fails(tmp_path: Path) -> None:
    without = {key: value for key, value in DATABASE.items() if key != "storage_encrypted"}
    given = configured("aws_db_instance.a", storage_encrypted={"references": ["data.aws_ssm_parameter.p.value", "data.aws_ssm_parameter.p"]})  # fmt: skip
    value = plan([change("aws_db_instance.a", without, {"storage_encrypted": True})], [given])

    assert lines_of(tmp_path, value, "tf/unencrypted-storage") == []


def test_a_plan_of_one_line_is_judged_too(tmp_path: Path) -> None:
    value = plan([change("aws_db_instance.a", {**DATABASE, "storage_encrypted": False})])
    (tmp_path / "plan.json").write_text(json.dumps(value, separators=(",", ":")))

    assert found(scan(tmp_path, ["infra"]), "tf/unencrypted-storage") == [("plan.json", 1, "tf/unencrypted-storage")]


def test_the_region_of_the_provider_counts_for_what_is_planned(tmp_path: Path) -> None:
    value = plan([change("aws_db_instance.a", DATABASE)], [configured("aws_db_instance.a")])
    value["configuration"]["provider_config"]["aws"]["expressions"]["region"] = {"constant_value": "us-east-1"}

    assert lines_of(tmp_path, value, "tf/disallowed-region") != []
