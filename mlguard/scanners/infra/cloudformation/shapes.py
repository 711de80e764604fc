"""What the table cannot say: resources whose kind depends on their properties, and lists that Terraform arranges otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from mlguard.scanners.infra.cloudformation.nodes import Node, encoded, plain
from mlguard.scanners.infra.cloudformation.translate import Made
from mlguard.scanners.infra.resources import Position, Unknown, reference

_ROOT_DEVICES = ("/dev/xvda", "/dev/sda1")

Shape = Callable[[list[Made], Node], list[Made]]


def finished(made: list[Made], properties: Node) -> Iterator[Made]:
    """Yield the resources that stand for one of a template, in the shape that Terraform gives them."""
    shape = _SHAPES.get(made[0].type)
    yield from shape(made, properties) if shape is not None else made


def _value(node: Node | None) -> Any:
    return node.value if node is not None and node.children is None else None


def _blocks(made: Made, name: str) -> list[Node]:
    node = made.body.get(name)
    return (
        [item for item in node.children if isinstance(item.children, dict)]
        if node is not None and isinstance(node.children, list)
        else []
    )


def _other(made: Made, kind: str, body: dict[str, Node], word: str, at: Position) -> Made:
    return Made(kind, made.type, made.name, f"{made.address}.{word}", at, body, word)


def _database(made: list[Made], properties: Node) -> list[Made]:
    """An instance of a cluster has no storage, backups or password of its own."""
    main = made[0]
    if "cluster_identifier" in main.body:
        main.kind = "aws_rds_cluster_instance"
        for name in ("backup_retention_period", "storage_encrypted"):
            main.body.pop(name, None)
    key = main.body.pop("automatic_backup_replication_kms_key_id", None)
    for one in made[1:]:
        if key is not None and one.kind == "aws_db_instance_automated_backups_replication":
            one.body["kms_key_id"] = key
    if str(_value(main.body.get("engine")) or "").startswith("aurora"):
        main.kind = "aws_rds_cluster_instance"
    return made


def _global_table(made: list[Made], properties: Node) -> list[Made]:
    """A global table says in each replica what Terraform says of the table; the weakest replica counts."""
    main = made[0]
    replicas = _blocks(main, "replica")
    guard = _weakest(replicas, "deletion_protection_enabled")
    if guard is not None:
        main.body["deletion_protection_enabled"] = guard
    recovery = _weakest(replicas, "point_in_time_recovery")
    if recovery is not None:
        block = Node(None, recovery.at, {"enabled": recovery}, recovery.word)
        main.body["point_in_time_recovery"] = Node(None, recovery.at, [block], recovery.word)
    key = _weakest(replicas, "kms_key_arn")
    for block in _blocks(main, "server_side_encryption"):
        if key is not None and isinstance(block.children, dict):
            block.children["kms_key_arn"] = key
    tags = next((tags for one in replicas if (tags := one.get("tags")) is not None), None)
    if tags is not None:
        main.body.setdefault("tags", tags)
    return made


def _weakest(blocks: list[Node], name: str) -> Node | None:
    """Return the value of the first block in which it is not true or not set, else that of the first; None where one lacks it."""
    found = [block.get(name) for block in blocks]
    present = [node for node in found if node is not None]
    if not present or len(present) < len(found):
        return next((node for node in present if str(node.value).lower() == "false"), None)
    return next((node for node in present if str(node.value).lower() in ("false", "")), present[0])


def _inline_policy(made: list[Made], properties: Node) -> list[Made]:
    """AWS::IAM::Policy is put into roles, users and groups at once; its text is looked at where it says most."""
    main = made[0]
    users, groups = main.body.pop("users", None), main.body.pop("groups", None)
    found = [("aws_iam_user_policy", "user", users, "Users"), ("aws_iam_role_policy", "role", main.body.pop("role", None), "Roles"),
             ("aws_iam_group_policy", "group", groups, "Groups")]  # fmt: skip
    present = [one for one in found if one[2] is not None]
    for number, (kind, name, holders, word) in enumerate(present):
        assert holders is not None
        if number == 0:
            main.kind = kind
            main.body[name] = holders
            continue
        made.append(_other(main, kind, {name: holders}, word, holders.at))
    return made


def _container_definitions(made: list[Made], properties: Node) -> list[Made]:
    """The containers of a task are JSON in Terraform, with names that begin small."""
    for name, maps in (("ContainerDefinitions", ("DockerLabels", "Options")), ("ContainerProperties", ("Options",)),
                       ("NodeProperties", ("Options",)), ("EcsProperties", ("Options",))):  # fmt: skip
        node = properties.get(name)
        target = name[:1].lower() + name[1:]
        place = "".join(f"_{c.lower()}" if c.isupper() else c for c in target)
        if node is not None and node.children is not None and not node.open:
            small = _small(node, maps, 0)
            try:
                made[0].body[place] = Node(encoded(plain(small)), node.at, small.children, name)
            except (ValueError, TypeError, RecursionError):
                made[0].body[place] = Node(Unknown("a document that is nested too deeply"), node.at, None, name)
    return made


def _small(node: Node, maps: tuple[str, ...], depth: int) -> Node:
    if depth > 60 or node.children is None:
        return node
    if isinstance(node.children, list):
        return replace(node, children=[_small(item, maps, depth + 1) for item in node.children])
    return replace(
        node,
        children={
            name[:1].lower() + name[1:]: child if name in maps else _small(child, maps, depth + 1)
            for name, child in node.children.items()
        },
    )


def _instance(made: list[Made], properties: Node) -> list[Made]:
    main = made[0]
    devices = [
        item
        for item in _blocks(main, "ebs_block_device")
        if not ({"virtual_name", "no_device"} & set(item.children or ()))
    ]
    held = main.body.pop("ebs_block_device", None)
    root = [item for item in devices if _value((item.children or {}).get("device_name")) in _ROOT_DEVICES]  # type: ignore[union-attr]  # blocks have names
    rest = [item for item in devices if item not in root]
    for name, items in (("root_block_device", root), ("ebs_block_device", rest)):
        if held is not None and items:
            main.body[name] = Node(None, items[0].at, items, "BlockDeviceMappings")
    if held is not None and isinstance(held.value, Unknown):
        main.body["ebs_block_device"] = held
    for interface in _blocks(main, "network_interface"):
        assert isinstance(interface.children, dict)
        public = interface.children.get("associate_public_ip_address")
        if public is not None and _value(main.body.get("associate_public_ip_address")) is not True:
            main.body["associate_public_ip_address"] = public
        for own, name in (("group_set", "vpc_security_group_ids"), ("subnet_id", "subnet_id")):
            if own in interface.children and name not in main.body:
                main.body[name] = interface.children[own]
    return made


def _flow_log(made: list[Made], properties: Node) -> list[Made]:
    """What a flow log watches is one of three attributes in Terraform."""
    kind = str(_value(properties.get("ResourceType")) or "VPC")
    names = {
        "Subnet": "subnet_id",
        "NetworkInterface": "eni_id",
        "TransitGateway": "transit_gateway_id",
        "TransitGatewayAttachment": "transit_gateway_attachment_id",
    }
    node = made[0].body.pop("vpc_id", None)
    if node is not None:
        made[0].body[names.get(kind, "vpc_id")] = node
    return made


def _file_system(made: list[Made], properties: Node) -> list[Made]:
    """FSx has one type for all file systems, Terraform one for each; all of them are encrypted, with AWS's key unless one is named."""
    kinds = {
        "LUSTRE": "aws_fsx_lustre_file_system",
        "WINDOWS": "aws_fsx_windows_file_system",
        "ONTAP": "aws_fsx_ontap_file_system",
        "OPENZFS": "aws_fsx_openzfs_file_system",
    }
    made[0].kind = kinds.get(str(_value(properties.get("FileSystemType"))).upper(), made[0].kind)
    return made


def _log_types(made: list[Made], properties: Node) -> list[Made]:
    """The log types of EKS are objects with a name in CloudFormation, plain names in Terraform."""
    node = made[0].body.get("enabled_cluster_log_types")
    if node is not None and isinstance(node.children, list):
        types = [
            item.children["type"] if isinstance(item.children, dict) and "type" in item.children else item
            for item in node.children
        ]
        made[0].body["enabled_cluster_log_types"] = replace(node, children=types)
    return made


def _load_balancer(made: list[Made], properties: Node) -> list[Made]:
    made[0].body.setdefault("internal", Node(False, made[0].at))
    return made


def _secret(made: list[Made], properties: Node) -> list[Made]:
    """The value of a secret is a resource of its own in Terraform."""
    node = made[0].body.pop("secret_string", None)
    if node is not None:
        body = {"secret_id": Node(reference(f"{made[0].address}.id"), node.at), "secret_string": node}
        made.append(_other(made[0], "aws_secretsmanager_secret_version", body, "SecretString", node.at))
    return made


def _event_bus_policy(made: list[Made], properties: Node) -> list[Made]:
    """A statement of an event bus is given as an object, or as its parts."""
    main = made[0]
    statement = properties.get("Statement")
    at = statement.at if statement is not None else main.at
    body: Any
    if statement is not None and isinstance(statement.children, dict):
        body, nodes = plain(statement), statement
    else:
        principal = _value(properties.get("Principal"))
        body = {
            "Effect": "Allow",
            "Action": _value(properties.get("Action")),
            "Principal": principal if principal == "*" else {"AWS": principal},
        }
        condition = properties.get("Condition")
        if condition is not None and condition.children is not None:
            held = plain(condition)
            body["Condition"] = (
                {str(held.get("Type")): {str(held.get("Key")): held.get("Value")}} if isinstance(held, dict) else held
            )
        names = {"Action": properties.get("Action"), "Principal": properties.get("Principal"), "Condition": condition}
        nodes = Node(None, at, {name: node for name, node in names.items() if node is not None})
    try:
        text = encoded({"Statement": [body]})
    except (ValueError, TypeError, RecursionError):
        return made
    main.body["policy"] = Node(text, at, {"Statement": Node(None, at, [nodes])}, "Statement")
    return made


def _delivery_stream(made: list[Made], properties: Node) -> list[Made]:
    """A delivery stream has no switch for its encryption in CloudFormation: naming it is enough."""
    for block in _blocks(made[0], "server_side_encryption"):
        assert isinstance(block.children, dict)
        block.children.setdefault("enabled", Node(True, block.at))
    return made


def _log_group(made: list[Made], properties: Node) -> list[Made]:
    """A log group that the stack keeps is one that Terraform does not destroy."""
    policy = made[0].body.get("deletion_policy")
    if policy is not None:
        made[0].body["skip_destroy"] = replace(policy, value=policy.value in ("Retain", "RetainExceptOnCreate"))
    return made


def _budget(made: list[Made], properties: Node) -> list[Made]:
    """Who is told of a budget is one list by kind of address in Terraform."""
    for block in _blocks(made[0], "notification"):
        assert isinstance(block.children, dict)
        subscribers = block.children.pop("subscribers", None)
        for item in subscribers.items() if subscribers is not None else ():
            sort = str(_value(item.get("subscription_type"))).upper()
            name = "subscriber_sns_topic_arns" if sort == "SNS" else "subscriber_email_addresses"
            held = block.children.setdefault(name, Node(None, item.at, [], item.word))
            address = item.get("address") if isinstance(item.children, dict) else item
            if isinstance(held.children, list) and address is not None:
                held.children.append(address)
    return made


_SHAPES: dict[str, Shape] = {
    "AWS::DynamoDB::GlobalTable": _global_table,
    "AWS::RDS::DBInstance": _database, "AWS::IAM::Policy": _inline_policy, "AWS::ECS::TaskDefinition": _container_definitions,
    "AWS::Batch::JobDefinition": _container_definitions, "AWS::EC2::Instance": _instance, "AWS::AutoScaling::LaunchConfiguration": _instance,
    "AWS::EC2::FlowLog": _flow_log, "AWS::FSx::FileSystem": _file_system, "AWS::EKS::Cluster": _log_types,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _load_balancer, "AWS::SecretsManager::Secret": _secret,
    "AWS::Events::EventBusPolicy": _event_bus_policy, "AWS::KinesisFirehose::DeliveryStream": _delivery_stream,
    "AWS::Logs::LogGroup": _log_group, "AWS::Budgets::Budget": _budget,
}  # fmt: skip
