"""Takes access policies out of resources, each statement as a resource of its own, in normal form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlguard.scanners.infra import iam
from mlguard.scanners.infra.jsontexts import heredoc_places, json_text
from mlguard.scanners.infra.resources import REFERENCE, Open, Path, Position, Resource, Unknown
from mlguard.scanners.infra.terraform.policydocs import PolicyText, statements_of
from mlguard.values import replace

MAX_STATEMENTS = 500
"""Statements of one policy."""

POLICIES: dict[str, dict[str, str]] = {
    "identity": {
        "aws_iam_policy": "policy", "aws_iam_role_policy": "policy", "aws_iam_user_policy": "policy",
        "aws_iam_group_policy": "policy", "aws_iam_role": "inline_policy.policy", "aws_iam_user": "inline_policy.policy",
        "aws_iam_group": "inline_policy.policy", "aws_ssoadmin_permission_set_inline_policy": "inline_policy",
        "aws_transfer_user": "policy", "aws_transfer_access": "policy", "aws_iot_policy": "policy",
    },
    "trust": {"aws_iam_role": "assume_role_policy"},
    "resource": {
        "aws_s3_bucket_policy": "policy", "aws_s3_bucket": "policy", "aws_s3_access_point": "policy",
        "aws_s3control_access_point_policy": "policy", "aws_s3control_bucket_policy": "policy",
        "aws_s3control_multi_region_access_point_policy": "details.policy", "aws_s3tables_table_bucket_policy": "resource_policy",
        "aws_sqs_queue_policy": "policy", "aws_sqs_queue": "policy", "aws_sns_topic_policy": "policy", "aws_sns_topic": "policy",
        "aws_kms_key": "policy", "aws_kms_key_policy": "policy", "aws_kms_external_key": "policy",
        "aws_kms_replica_key": "policy", "aws_ecr_repository_policy": "policy", "aws_ecr_registry_policy": "policy",
        "aws_ecrpublic_repository_policy": "policy", "aws_secretsmanager_secret_policy": "policy",
        "aws_secretsmanager_secret": "policy", "aws_efs_file_system_policy": "policy",
        "aws_opensearch_domain": "access_policies", "aws_opensearch_domain_policy": "access_policies",
        "aws_elasticsearch_domain": "access_policies", "aws_elasticsearch_domain_policy": "access_policies",
        "aws_backup_vault_policy": "policy", "aws_glacier_vault": "access_policy", "aws_glue_resource_policy": "policy",
        "aws_dynamodb_resource_policy": "policy", "aws_kinesis_resource_policy": "policy",
        "aws_redshift_resource_policy": "policy", "aws_media_store_container_policy": "policy",
        "aws_api_gateway_rest_api": "policy", "aws_api_gateway_rest_api_policy": "policy", "aws_vpc_endpoint": "policy",
        "aws_vpc_endpoint_policy": "policy", "aws_cloudwatch_event_bus_policy": "policy",
        "aws_cloudwatch_log_resource_policy": "policy_document", "aws_cloudwatch_log_destination_policy": "access_policy",
        "aws_codeartifact_domain_permissions_policy": "policy_document",
        "aws_codeartifact_repository_permissions_policy": "policy_document", "aws_codebuild_resource_policy": "policy",
        "aws_sagemaker_model_package_group_policy": "resource_policy", "aws_ses_identity_policy": "policy",
        "aws_sesv2_email_identity_policy": "policy", "aws_acmpca_policy": "policy", "aws_schemas_registry_policy": "policy",
        "aws_networkfirewall_resource_policy": "policy", "aws_vpclattice_auth_policy": "policy",
        "aws_vpclattice_resource_policy": "policy", "aws_ssmcontacts_contact": "policy",
    },
}  # fmt: skip
"""Where each kind keeps which sort of policy. Policies of an organisation only take rights away and are left out."""

_NAMES = {
    "Sid": "sid", "Effect": "effect", "Action": "actions", "NotAction": "not_actions", "Resource": "resources",
    "NotResource": "not_resources", "Principal": "principals", "NotPrincipal": "not_principals", "Condition": "conditions",
}  # fmt: skip
_OWNERS = ("bucket", "role", "user", "group")
"""Attributes that say what a policy is attached to."""


def statements(owner: Resource, heredocs: Mapping[str, Position]) -> Iterator[Resource]:
    """Yield each statement of the policies of one resource, in normal form, as ``aws.iam.statement``.

    ``heredocs`` are the attributes that are written as a heredoc, whose lines are those of the text.
    """
    yield from _permissions(owner)
    for sort, kinds in POLICIES.items():
        place = kinds.get(owner.kind)
        if place is None:
            continue
        name, _, inner = place.partition(".")
        if not inner:
            yield from _policy(owner, sort, (name,), owner.attributes.get(name), heredocs.get(name))
            continue
        blocks = owner.attributes.get(name)
        for index, block in enumerate(blocks if isinstance(blocks, list) else []):
            if isinstance(block, Mapping):
                yield from _policy(owner, sort, (name, index, inner), block.get(inner), None)


def document(owner: Resource, text: Any) -> Iterator[Resource]:
    """Yield the statements of a policy that is written apart from what it is for, as ``aws.iam.document``.

    Without principals it is one of an identity; who may assume a role makes it a trust policy, others make it a resource's.
    """
    if not isinstance(text, str):
        return
    found = [one for one in _parsed(text) if isinstance(one, Mapping)]
    named = [one for one in found if "Principal" in one or "NotPrincipal" in one]
    trust = any(
        str(action).lower().startswith("sts:assumerole") for one in named for action in _listed(one.get("Action"))
    )
    for one in _policy(owner, ("trust" if trust else "resource") if named else "identity", ("json",), text, None):
        yield replace(one, kind="aws.iam.document", classes=("derived",))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _parsed(value: Any) -> list[Any]:
    """Return the statements of a policy, which is a text or, in a template, a mapping."""
    if isinstance(value, Mapping):
        found = value.get("Statement", [])
        return list(found) if isinstance(found, list) else [found]
    return statements_of(value)


def _policy(owner: Resource, sort: str, at: Path, value: Any, heredoc: Position | None) -> Iterator[Resource]:
    if value is None:
        return
    places = value.places if isinstance(value, PolicyText) else ()
    if not places and isinstance(value, str):
        heredoc = heredoc or text_block(owner, at, value)
        places = tuple(text_places(value, heredoc)) if heredoc is not None else ()
    found = _parsed(value)[:MAX_STATEMENTS]
    normal = [_normal(statement) for statement in found]
    denied = [one for one in normal if str(one.get("effect")).lower() == "deny"]
    for index, statement in enumerate(found):
        known = places[index] if index < len(places) else {}
        attributes = normal[index] | {"policy": sort, "policy_at": list(at)}
        if denied and attributes.get("effect") == "Allow":
            attributes["denied"] = denied
        yield _statement(owner, attributes, f"{sort}-statement[{'.'.join(map(str, (*at[1:2], index)))}]", _positions(owner, at, index, statement, known),
                         "" if isinstance(statement, Mapping) else _cause(statement))  # fmt: skip


def text_block(owner: Resource, at: Path, text: str) -> Position | None:
    """Return the place of a text that is written over as many lines as it has, as a heredoc inside a block is."""
    place = owner.positions.get(at)
    lines = text.count("\n")
    written = place is not None and lines > 0 and place.end_line - place.line >= lines
    return place if written and (*at, "Statement") not in owner.positions else None


def _statement(
    owner: Resource, attributes: dict[str, Any], name: str, positions: dict[Path, Position], doubt: str = ""
) -> Resource:
    attributes |= {"owner": owner.address, "owner_kind": owner.kind}
    _judge_conditions(attributes, positions)
    references: dict[Path, tuple[str, ...]] = {("owner",): (owner.address,)}
    for key in _OWNERS:
        if (key,) in owner.references:
            references[key,] = owner.references[key,]
        if owner.attributes.get(key) is not None:
            attributes[key] = owner.attributes[key]
    return Resource(
        "aws.iam.statement", owner.name, f"{owner.address}/{name}", owner.path, Open(attributes, doubt) if doubt else attributes,
        positions, ("aws.iam.statement", "derived"), references, data_class=owner.data_class, origin=owner.origin, format=owner.format,
    )  # fmt: skip


def _judge_conditions(values: dict[str, Any], positions: dict[Path, Position]) -> None:
    """Enter what the conditions come to: the keys that narrow, the keys that limit, and whom a trust in tokens means."""
    conditions = values.get("conditions") or []
    if isinstance(conditions, Unknown):
        values["narrow_keys"] = values["limit_keys"] = conditions
        if values.get("policy") == "trust":
            values["subject"] = conditions
        return
    kept = set(iam.left_to_keys(values))
    if conditions or kept:
        values["narrow_keys"] = sorted({one["key"] for one in conditions if iam.narrows(one)} | kept)
        values["limit_keys"] = sorted({one["key"] for one in conditions if iam.limits(one)} | kept)
    if values.get("policy") != "trust" or values.get("effect") != "Allow":
        return
    principals = values.get("principals")
    held = principals if isinstance(principals, Mapping) else {}
    if any(iam.is_token_issuer(one) for one in held.get("Federated") or ()):
        values["token_issuer"] = True
        values["subject"], index = iam.subject_scope(values)
        place = positions.get(("conditions", index, "values")) or positions.get(("conditions",))
        if place is not None:
            positions["subject",] = place
    accounts = [one for one in held.get("AWS") or () if isinstance(one, str) and iam.is_account(one)]
    accounts = [number for one in accounts for number in re.findall(r"\d{12}", one)]
    if accounts and "*" not in held["AWS"]:
        values["other_accounts"] = accounts
        positions["other_accounts",] = positions.get(("principals",), positions[()])


def _permissions(owner: Resource) -> Iterator[Resource]:
    """Yield the statement that a resource stands for which grants without a policy's text."""
    values = owner.attributes
    positions: dict[Path, Position] = {(): owner.positions.get((), Position(1))}
    if owner.kind in ("aws_lambda_permission", "aws_lambda_layer_version_permission"):
        tests = [("StringEquals", "aws:principalorgid", "principal_org_id"), ("StringEquals", "aws:sourceaccount", "source_account"),
                 ("ArnLike", "aws:sourcearn", "source_arn"), ("StringEquals", "aws:principalorgid", "organization_id")]  # fmt: skip
        names = {"principal": "principals", "action": "actions"}
        attributes: dict[str, Any] = {
            "effect": "Allow", "actions": [values.get("action")], "principals": {"AWS": [values.get("principal")]},
            "policy": "resource", "resources": [values.get("function_name", values.get("layer_name"))],
            "conditions": [{"test": test, "key": key, "values": [values[name]]} for test, key, name in tests if values.get(name)],
        }  # fmt: skip
        attributes["condition_keys"] = [one["key"] for one in attributes["conditions"]]
    elif owner.kind == "aws_kms_grant":
        operations = values.get("operations")
        names = {"grantee_principal": "principals", "operations": "actions", "key_id": "resources"}
        attributes = {
            "effect": "Allow", "policy": "resource", "resources": [values.get("key_id")],
            "actions": [f"kms:{one}" if isinstance(one, str) else one for one in operations if one]
            if isinstance(operations, list) else [operations],
            "principals": {"AWS": [values.get("grantee_principal")]},
        }  # fmt: skip
    else:
        return
    positions |= {(name,): owner.positions[(own,)] for own, name in names.items() if (own,) in owner.positions}
    yield _statement(owner, attributes, "permission", positions)


def _cause(statement: Any) -> str:
    if isinstance(statement, Unknown):
        return statement.reason
    found = REFERENCE.findall(statement) if isinstance(statement, str) else []
    return found[0] if found else "a policy that is not known here"


def _normal(statement: Any) -> dict[str, Any]:
    if not isinstance(statement, Mapping):
        return {}
    effect = statement.get("Effect", "Deny")
    result: dict[str, Any] = {
        "effect": effect.capitalize() if isinstance(effect, str) else effect,
        "sid": statement.get("Sid"),
    }
    for key in ("Action", "NotAction", "Resource", "NotResource"):
        if key in statement:
            value = statement[key]
            result[_NAMES[key]] = value if isinstance(value, list) else [value]
    for key in ("Principal", "NotPrincipal"):
        if key in statement:
            result[_NAMES[key]] = _principals(statement[key])
    tests = statement.get("Condition")
    if isinstance(tests, Mapping):
        result["conditions"] = [
            {"test": str(test), "key": str(key).lower(), "values": values if isinstance(values, list) else [values]}
            for test, keys in tests.items()
            for key, values in (keys.items() if isinstance(keys, Mapping) else ())
        ]
        result["condition_keys"] = [one["key"] for one in result["conditions"]]
    elif tests:
        result["conditions"] = Unknown(_cause(tests))
    return result


def _principals(value: Any) -> Any:
    if isinstance(value, Unknown):
        return value
    if isinstance(value, Mapping):
        return {str(key): items if isinstance(items, list) else [items] for key, items in value.items()}
    if isinstance(value, str) and REFERENCE.fullmatch(value):
        return {"AWS": [Unknown(value[1:-1])]}
    return {"AWS": value if isinstance(value, list) else [value]}


# Places


def _positions(
    owner: Resource, at: Path, index: int, statement: Any, known: Mapping[Path, Position]
) -> dict[Path, Position]:
    """Return the places of a statement's parts: those of the text, else those written out in the attribute."""
    result: dict[Path, Position] = {(): owner.positions.get(at, owner.positions.get((), Position(1)))}
    if known:
        for path, place in known.items():
            if not path:
                result[()] = place
            elif path[0] in _NAMES:
                result[(_NAMES[str(path[0])], *path[1:])] = place
    else:
        for base in ((*at, "Statement", index), (*at, "Statement") if index == 0 else (*at, "Statement", index)):
            if base in owner.positions:
                result |= _written(owner, base, statement)
                break  # the place of the list itself is that of a statement that stands alone
    for instead, name in (("not_actions", "actions"), ("not_resources", "resources"), ("not_principals", "principals")):
        if (instead,) in result:
            result.setdefault((name,), result[instead,])
    _name_parts(result, statement)
    return result


def _written(owner: Resource, base: Path, statement: Any) -> dict[Path, Position]:
    result: dict[Path, Position] = {(): owner.positions[base]}
    for key, name in _NAMES.items():
        if (*base, key) in owner.positions:
            inner = statement.get(key) if isinstance(statement, Mapping) else None
            for path in _paths((), inner, 0):
                if (*base, key, *path) in owner.positions:
                    result[(name, *path)] = owner.positions[(*base, key, *path)]
    return result


def _paths(base: Path, value: Any, depth: int) -> Iterator[Path]:
    yield base
    if depth < 2 and isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _paths((*base, str(key)), inner, depth + 1)


def _name_parts(result: dict[Path, Position], statement: Any) -> None:
    """Give conditions their places by number, and the principals the place of the kind that stands alone."""
    kinds = [path for path in result if path[:1] == ("principals",) and len(path) == 2]
    if len(kinds) == 1:
        result["principals",] = result[kinds[0]]
    tests = statement.get("Condition") if isinstance(statement, Mapping) else None
    number = 0
    for test, keys in tests.items() if isinstance(tests, Mapping) else ():
        for key in keys if isinstance(keys, Mapping) else ():
            place = result.get(("conditions", str(test), str(key)))
            if place is not None:
                result["conditions", number] = result["conditions", number, "values"] = place
            number += 1
    if ("conditions",) in result:
        result["condition_keys",] = result["narrow_keys",] = result["limit_keys",] = result["conditions",]


def text_places(text: str, heredoc: Position, name: str = "Statement") -> Iterator[dict[Path, Position]]:
    """Yield the places of each statement, or element of another list, of a JSON text that begins on the line after ``heredoc``."""
    found = heredoc_places(json_text(text), heredoc, 4)
    above = 2 if (name, 0) in found else 1
    places: dict[Path, dict[Path, Position]] = {}
    for path, place in found.items():
        inside = path[above:]
        if path[0] == name and len(path) >= above and len(inside) <= 3 and all(isinstance(key, str) for key in inside):
            places.setdefault(path[:above], {})[inside] = place
    yield from places.values()
