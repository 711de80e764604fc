"""Data sources, and resources that only hold values, whose attributes follow from the code alone."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mlguard.scanners.infra.resources import Path, Position, Unknown
from mlguard.scanners.infra.terraform.policydocs import PolicyText, policy_document, texts
from mlguard.scanners.infra.terraform.values import text_of

if TYPE_CHECKING:
    from mlguard.scanners.infra.terraform.evaluator import Handle


def value_of(handle: Handle, name: str) -> Any:
    """Return an attribute that can be told here, None where the code gives it itself or only the provider knows it."""
    body = (_DATA if handle.data else _RESOURCES).get(handle.kind)
    return body(handle, name) if body else None


def _policy(handle: Handle, name: str) -> Any:
    if name not in ("json", "minified_json"):
        return None

    def evaluate() -> Any:
        body, positions = handle.module.evaluated(handle.block, handle.instance)
        return policy_document(body, positions, handle.block.at)

    return handle.module.memo((id(handle.block), handle.instance.address, "json"), evaluate)


def _google_policy(handle: Handle, name: str) -> Any:
    if name != "policy_data":
        return None
    body, positions = handle.module.evaluated(handle.block, handle.instance)
    known = [(index, one) for index, one in enumerate(texts(body.get("binding"))) if isinstance(one, dict)]
    bindings = [{"role": one.get("role"), "members": texts(one.get("members"))} for _, one in known]
    result = PolicyText(json.dumps({"bindings": bindings}, ensure_ascii=False, default=text_of))
    places: dict[Any, dict[Path, Position]] = {index: {} for index, _ in known}
    for path, place in positions.items():
        if path[:1] == ("binding",) and len(path) > 1 and path[1] in places:
            places[path[1]][path[2:]] = place
    result.places = tuple(places.values())
    return result


_READY_MADE = frozenset(
    {"AdministratorAccess", "IAMFullAccess", "PowerUserAccess", "AmazonSageMakerFullAccess", "AmazonBedrockFullAccess"}
)
"""Policies of AWS that are found by their name alone and that a rule asks for."""


def _ready_made(handle: Handle, name: str) -> Any:
    if name not in ("arn", "id"):
        return None
    arn, given = handle.given("arn"), handle.given("name")
    return (
        arn
        if arn is not None
        else f"arn:aws:iam::aws:policy/{given}"
        if isinstance(given, str) and given in _READY_MADE
        else None
    )


def _provider_key(handle: Handle, name: str) -> Any:
    """A key of AWS itself goes by its alias, whichever attribute of it is used."""
    given = handle.given("name", "key_id")
    known = isinstance(given, str) and given.startswith("alias/aws/")
    return given if known and name in ("arn", "id", "name", "key_id", "target_key_arn", "target_key_id") else None


def _region(handle: Handle, name: str) -> Any:
    if name not in ("name", "id", "region"):
        return None
    module, given = handle.module, handle.given("region", "name")
    if given is not None:
        return given
    found = module.provider(handle.provider() or "aws")
    expr = found[1].value("region") if found else None
    region = found[0].clean(found[0].ev(expr, {})) if found and expr is not None else None
    return region if isinstance(region, str) else None


def _partition(handle: Handle, name: str) -> Any:
    return {"partition": "aws", "id": "aws", "dns_suffix": "amazonaws.com", "reverse_dns_prefix": "com.amazonaws"}.get(
        name
    )


def _arn(handle: Handle, name: str) -> Any:
    text = handle.given("arn")
    parts = text.split(":", 5) if isinstance(text, str) and "\ue000" not in text else []
    names = ("", "partition", "service", "region", "account", "resource")
    return parts[names.index(name)] if len(parts) == 6 and name in names[1:] else None


def _default_tags(handle: Handle, name: str) -> Any:
    found = handle.module.provider(handle.provider() or "aws")
    if name != "tags" or found is None:
        return None
    module, block = found
    exprs = [inner.value("tags") for inner in block.blocks if inner.type == "default_tags"]
    return module.clean(module.ev(exprs[0], {})) if exprs and exprs[0] is not None else {}


def _template_file(handle: Handle, name: str) -> Any:
    if name != "rendered":
        return None
    text, variables = handle.given("template"), handle.given("vars")
    if not isinstance(text, str):
        return text
    return handle.module.rendered(text, variables if isinstance(variables, dict) else {}, handle.block.at)


def _local_file(handle: Handle, name: str) -> Any:
    if name not in ("content", "content_base64"):
        return None
    text = handle.module.files("file", [handle.given("filename")], handle.block.at)
    if isinstance(text, Unknown):
        return text
    return text if name == "content" else base64.b64encode(text.encode()).decode()


def _same(source: str, target: str) -> Callable[[Handle, str], Any]:
    return lambda handle, name: handle.given(source) if name == target else None


_AZURE_ROLES = {
    "Owner": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    "Contributor": "b24988ac-6180-42a0-ab88-20f7382dd24c",
    "User Access Administrator": "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
    "Role Based Access Control Administrator": "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
}
"""https://learn.microsoft.com/en-us/azure/role-based-access-control/built-in-roles"""


def _azure_role(handle: Handle, name: str) -> Any:
    role = handle.given("name")
    number = _AZURE_ROLES.get(role) if isinstance(role, str) else None
    number = number or (handle.given("role_definition_id") if role is None else None)
    if not isinstance(number, str) or name not in ("id", "role_definition_id"):
        return None
    return number if name == "role_definition_id" else f"/providers/Microsoft.Authorization/roleDefinitions/{number}"


_DATA: dict[str, Callable[[Handle, str], Any]] = {
    "aws_iam_policy_document": _policy,
    "aws_region": _region,
    "aws_partition": _partition,
    "aws_arn": _arn,
    "aws_default_tags": _default_tags,
    "google_iam_policy": _google_policy,
    "aws_iam_policy": _ready_made,
    "aws_kms_alias": _provider_key,
    "aws_kms_key": _provider_key,
    "azurerm_role_definition": _azure_role,
    "template_file": _template_file,
    "local_file": _local_file,
    "local_sensitive_file": _local_file,
    "null_data_source": _same("inputs", "outputs"),
}

_RESOURCES: dict[str, Callable[[Handle, str], Any]] = {
    "terraform_data": _same("input", "output"),
    "template_file": _template_file,
}
