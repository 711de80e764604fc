"""Takes access policies and firewall rules out of Terraform resources, each statement and each rule as a resource of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlguard.scanners.infra.resources import REFERENCE, Open, Path, Position, Resource, Unknown
from mlguard.scanners.infra.terraform.evaluator import PolicyText, json_text, statements_of
from mlguard.scanners.infra.terraform.functions import text_of

MAX_STATEMENTS = 500
"""Statements of one policy."""

POLICIES: dict[str, dict[str, str]] = {
    "identity": {
        "aws_iam_policy": "policy", "aws_iam_role_policy": "policy", "aws_iam_user_policy": "policy",
        "aws_iam_group_policy": "policy", "aws_iam_role": "inline_policy.policy",
        "aws_ssoadmin_permission_set_inline_policy": "inline_policy",
    },
    "trust": {"aws_iam_role": "assume_role_policy"},
    "resource": {
        "aws_s3_bucket_policy": "policy", "aws_s3_bucket": "policy", "aws_s3_access_point": "policy",
        "aws_sqs_queue_policy": "policy", "aws_sqs_queue": "policy", "aws_sns_topic_policy": "policy", "aws_sns_topic": "policy",
        "aws_kms_key": "policy", "aws_kms_key_policy": "policy", "aws_ecr_repository_policy": "policy",
        "aws_secretsmanager_secret_policy": "policy", "aws_secretsmanager_secret": "policy",
        "aws_efs_file_system_policy": "policy", "aws_opensearch_domain": "access_policies",
        "aws_opensearch_domain_policy": "access_policies", "aws_elasticsearch_domain": "access_policies",
        "aws_elasticsearch_domain_policy": "access_policies", "aws_backup_vault_policy": "policy",
        "aws_glacier_vault": "access_policy", "aws_glue_resource_policy": "policy", "aws_dynamodb_resource_policy": "policy",
        "aws_ecrpublic_repository_policy": "policy", "aws_media_store_container_policy": "policy",
    },
}  # fmt: skip
"""Where each kind keeps which sort of policy."""

_NAMES = {
    "Sid": "sid", "Effect": "effect", "Action": "actions", "NotAction": "not_actions", "Resource": "resources",
    "NotResource": "not_resources", "Principal": "principals", "NotPrincipal": "not_principals", "Condition": "conditions",
}  # fmt: skip


def statements(owner: Resource, heredocs: Mapping[str, Position]) -> Iterator[Resource]:
    """Yield each statement of the policies of one resource, in normal form, as ``aws.iam.statement``.

    ``heredocs`` are the attributes that are written as a heredoc, whose lines are those of the text.
    """
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


def _policy(owner: Resource, sort: str, at: Path, value: Any, heredoc: Position | None) -> Iterator[Resource]:
    if value is None:
        return
    places = value.places if isinstance(value, PolicyText) else ()
    if not places and heredoc is not None and isinstance(value, str):
        places = tuple(_text_places(value, heredoc))
    for index, statement in enumerate(statements_of(value)[:MAX_STATEMENTS]):
        positions = _positions(owner, at, index, places[index] if index < len(places) else {})
        address = f"{owner.address}/{sort}-statement[{index}]"
        attributes = _normal(statement) | {"policy": sort, "owner": owner.address, "owner_kind": owner.kind}
        if not isinstance(statement, Mapping):
            attributes = Open(attributes, _cause(statement))
        references: dict[Path, tuple[str, ...]] = {("owner",): (owner.address,)}
        for name in ("bucket", "role"):
            if (name,) in owner.references:
                references[name,] = owner.references[name,]
                attributes[name] = owner.attributes.get(name)
        yield Resource(
            "aws.iam.statement", owner.name, address, owner.path, attributes, positions, ("aws.iam.statement", "derived"),
            references, data_class=owner.data_class, origin=owner.origin,
        )  # fmt: skip


def _cause(statement: Any) -> str:
    found = REFERENCE.findall(statement) if isinstance(statement, str) else []
    return found[0] if found else "a policy that is not known here"


def _normal(statement: Any) -> dict[str, Any]:
    if not isinstance(statement, Mapping):
        return {}
    result: dict[str, Any] = {"effect": statement.get("Effect", "Deny"), "sid": statement.get("Sid")}
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
    return result


def _principals(value: Any) -> dict[str, list[Any]]:
    if isinstance(value, Mapping):
        return {str(key): items if isinstance(items, list) else [items] for key, items in value.items()}
    if isinstance(value, str) and REFERENCE.fullmatch(value):
        return {"AWS": [Unknown(value[1:-1])]}
    return {"AWS": value if isinstance(value, list) else [value]}


def _positions(owner: Resource, at: Path, index: int, known: Mapping[Path, Position]) -> dict[Path, Position]:
    """Return the places of a statement's parts: those of the text, else those written out in the attribute."""
    head = owner.positions.get(at, owner.positions.get((), Position(1)))
    result: dict[Path, Position] = {(): head}
    own = owner.positions
    for base in ((*at, "Statement", index), (*at, "Statement") if index == 0 else (*at, "Statement", index)):
        if base in own and not known:
            result[()] = own[base]
            for key, name in _NAMES.items():
                if (*base, key) in own:
                    result[name,] = own[(*base, key)]
    for path, place in known.items():
        if not path:
            result[()] = place
        elif path[0] in _NAMES:
            result[_NAMES[str(path[0])],] = place
    if ("conditions",) in result:
        result["condition_keys",] = result["conditions",]
    return result


def _text_places(text: str, heredoc: Position) -> Iterator[dict[Path, Position]]:
    """Yield the places of each statement of a JSON text that begins on the line after ``heredoc``."""
    import yaml

    try:
        node = yaml.compose(json_text(text).replace("\t", " "), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError, ValueError):
        return
    found = next((v for k, v in _pairs(node) if k.value == "Statement"), None)
    items = found.value if found is not None and found.id == "sequence" else [found] if found is not None else []
    for item in items:
        places: dict[Path, Position] = {(): _mark(item, item, heredoc)}
        for key, value in _pairs(item):
            places[str(key.value),] = _mark(key, value, heredoc)
        yield places


def _pairs(node: Any) -> list[tuple[Any, Any]]:
    return node.value if node is not None and node.id == "mapping" else []


def _mark(first: Any, last: Any, heredoc: Position) -> Position:
    top = heredoc.line + 1
    return Position(top + first.start_mark.line, 1, top + last.end_mark.line, 0, heredoc.path)


# Firewalls


def ingress(owner: Resource) -> Iterator[Resource]:
    """Yield each rule that lets traffic in, whatever the cloud, as ``net.ingress``."""
    build = _FIREWALLS.get(owner.kind)
    for number, (attributes, base, sources, ports) in enumerate(build(owner) if build else ()):
        positions: dict[Path, Position] = {(): _place(owner, base)}
        for name, candidates in (("sources", sources), ("ports", ports), ("from_port", ports)):
            found = [path for path in candidates if path in owner.positions]
            if found:
                positions[name,] = owner.positions[found[0]]
        yield Resource(
            "net.ingress", owner.name, f"{owner.address}/ingress[{number}]", owner.path, {**attributes, "owner": owner.address},
            positions, ("net.ingress", "derived"), {("owner",): (owner.address,)}, data_class=owner.data_class, origin=owner.origin,
        )  # fmt: skip


Rule = tuple[dict[str, Any], Path, list[Path], list[Path]]


def _place(owner: Resource, path: Path) -> Position:
    while path and path not in owner.positions:
        path = path[:-1]
    return owner.positions.get(path, Position(1))


def _many(*values: Any) -> list[Any]:
    result: list[Any] = []
    for value in values:
        if isinstance(value, list):
            result += value
        elif value is not None and value != "":
            result.append(value)
    return result


def _blocks(owner: Resource, name: str) -> Iterator[tuple[Mapping[str, Any], Path]]:
    value = owner.attributes.get(name)
    for index, block in enumerate(value if isinstance(value, list) else []):
        if isinstance(block, Mapping):
            yield block, (name, index)


def _aws(block: Mapping[str, Any], base: Path) -> Rule:
    names = ["cidr_blocks", "ipv6_cidr_blocks", "cidr_ipv4", "cidr_ipv6", "prefix_list_ids", "security_groups"]
    sources = _many(*(block.get(name) for name in names[:4]))
    attributes = {
        "protocol": block.get("protocol", block.get("ip_protocol")),
        "from_port": block.get("from_port"),
        "to_port": block.get("to_port"),
        "sources": sources,
    }
    public = [n for n in names if any("/0" in text_of(i) or "/1" in text_of(i) for i in _many(block.get(n)))]
    return attributes, base, [(*base, name) for name in [*public, *names]], [(*base, "from_port")]


def _aws_group(owner: Resource) -> Iterator[Rule]:
    for block, base in _blocks(owner, "ingress"):
        yield _aws(block, base)


def _aws_rule(owner: Resource) -> Iterator[Rule]:
    if owner.attributes.get("type", "ingress") == "ingress":
        yield _aws(owner.attributes, ())


def _google(owner: Resource) -> Iterator[Rule]:
    values = owner.attributes
    if text_of(values.get("direction", "INGRESS")).upper() != "INGRESS" or values.get("disabled") is True:
        return
    sources = _many(values.get("source_ranges"))
    if (
        not sources
        and "source_ranges" not in values
        and not values.get("source_tags")
        and not values.get("source_service_accounts")
    ):
        sources = ["0.0.0.0/0"]  # the provider's default
    for block, base in _blocks(owner, "allow"):
        attributes = {"protocol": block.get("protocol"), "ports": block.get("ports") or [], "sources": sources}
        yield attributes, base, [("source_ranges",), base], [(*base, "ports")]


def _azure(block: Mapping[str, Any], base: Path) -> Iterator[Rule]:
    if text_of(block.get("direction")).lower() != "inbound" or text_of(block.get("access")).lower() != "allow":
        return
    attributes = {
        "protocol": "all" if block.get("protocol") == "*" else block.get("protocol"),
        "ports": _many(block.get("destination_port_range"), block.get("destination_port_ranges")),
        "sources": _many(block.get("source_address_prefix"), block.get("source_address_prefixes")),
    }
    places = [
        [(*base, f"{name}{end}") for end in ("", end)]
        for name, end in (("source_address_prefix", "es"), ("destination_port_range", "s"))
    ]
    yield attributes, base, places[0], places[1]


def _azure_rule(owner: Resource) -> Iterator[Rule]:
    yield from _azure(owner.attributes, ())


def _azure_group(owner: Resource) -> Iterator[Rule]:
    for block, base in _blocks(owner, "security_rule"):
        yield from _azure(block, base)


_FIREWALLS = {
    "aws_security_group": _aws_group, "aws_default_security_group": _aws_group, "aws_security_group_rule": _aws_rule,
    "aws_vpc_security_group_ingress_rule": _aws_rule, "google_compute_firewall": _google,
    "azurerm_network_security_rule": _azure_rule, "azurerm_network_security_group": _azure_group,
}  # fmt: skip
