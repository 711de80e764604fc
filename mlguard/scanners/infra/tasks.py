"""Containers that cloud resources start: tasks of ECS and Batch, Cloud Run, container groups and apps of Azure, App Runner."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners.infra.containers import Started, seen
from mlguard.scanners.infra.jsontexts import json_value
from mlguard.scanners.infra.operators import as_list
from mlguard.scanners.infra.resources import Path, Position, Resource, Unknown, nearest

MAX_CONTAINERS = 200
"""Containers of one resource."""

_JSON = {
    "aws_ecs_task_definition": ("container_definitions", ()),
    "aws_batch_job_definition": ("container_properties", ()),
}
"""Where a kind keeps its containers as JSON text, and the keys that lead to them."""

_BLOCKS: dict[str, tuple[tuple[str, ...], ...]] = {
    "google_cloud_run_v2_service": (("template", "containers"),),
    "google_cloud_run_v2_job": (("template", "template", "containers"),),
    "google_cloud_run_service": (("template", "spec", "containers"),),
    "azurerm_container_group": (("container",), ("init_container",)),
    "azurerm_container_app": (("template", "container"), ("template", "init_container")),
    "azurerm_container_app_job": (("template", "container"),),
    "aws_sagemaker_model": (("primary_container",), ("container",)),
    "aws_lambda_function": ((),),
    "aws_apprunner_service": (("source_configuration", "image_repository"),),
}
"""The blocks that hold a kind's containers; () is the resource itself."""


def containers(resource: Resource, exposed: bool = False) -> Iterator[Resource]:
    """Yield the containers that a cloud resource starts, in the form that containers of every format share.

    ``exposed`` says that they are reached from outside with nothing in front that asks who is calling.
    """
    if resource.kind in _JSON:
        yield from _of_json(resource, exposed)
    for keys in _BLOCKS.get(resource.kind, ()):
        for path, block in _found(resource.attributes, keys, ()):
            if block.get("image") or block.get("image_uri") or block.get("image_identifier"):
                yield _container(resource, path, block, exposed)


def reached(resources: Sequence[Resource]) -> frozenset[str]:
    """Return the addresses of what starts containers that the internet reaches, as far as the resources show it."""
    found = {one.address for one in resources if one.kind in _PUBLISHED and _PUBLISHED[one.kind](one.attributes)}
    services = [one for one in resources if one.kind == "aws_ecs_service"]
    if services:
        families = {
            one.attributes["family"]: one.address
            for one in resources
            if one.kind == "aws_ecs_task_definition" and isinstance(one.attributes.get("family"), str)
        }
        open_targets = _open_targets(resources)
        for service in services:
            if _public_address(service.attributes) or open_targets & _named(service, "load_balancer"):
                found |= _named(service, "task_definition")
                family = service.attributes.get("task_definition")
                found.add(families.get(family.partition(":")[0], "") if isinstance(family, str) else "")
    return frozenset(found)


def _named(resource: Resource, name: str) -> set[str]:
    """Return the addresses that an attribute, or what stands below it, refers to."""
    return {one for path, names in resource.references.items() if path[:1] == (name,) for one in names}


def _first(values: Mapping[str, Any], *names: str) -> Any:
    value: Any = values
    for name in names:
        value = value[0] if isinstance(value, list) and value else value
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _public_address(service: Mapping[str, Any]) -> bool:
    given = _first(service, "network_configuration", "assign_public_ip")
    return str(given).lower() in ("true", "enabled")


def _open_targets(resources: Sequence[Resource]) -> set[str]:
    """Return the target groups behind a balancer with a public address whose listener asks nobody who is calling."""
    balancers = {
        one.address
        for one in resources
        if one.kind in ("aws_lb", "aws_alb") and one.attributes.get("internal", False) in (False, "false", None)
    }
    found: set[str] = set()
    for one in resources:
        if one.kind in ("aws_lb_listener", "aws_alb_listener") and _named(one, "load_balancer_arn") & balancers:
            actions = as_list(one.attributes.get("default_action"))
            if not any(
                "authenticate" in str(_first(action, "type")) for action in actions if isinstance(action, Mapping)
            ):
                found |= _named(one, "default_action")
    return found


_PUBLISHED: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "aws_apprunner_service": lambda values: (
        str(_first(values, "network_configuration", "ingress_configuration", "is_publicly_accessible")).lower()
        in ("none", "true")
    ),
    "azurerm_container_group": lambda values: values.get("ip_address_type") in (None, "Public"),
    "azurerm_container_app": lambda values: str(_first(values, "ingress", "external_enabled")).lower() == "true",
}
"""When what starts containers has a public address of its own, by kind."""


def _found(value: Any, keys: Sequence[str], path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    if isinstance(value, list):
        for index, item in enumerate(value[:MAX_CONTAINERS]):
            yield from _found(item, keys, (*path, index))
    elif isinstance(value, Mapping):
        if keys:
            yield from _found(value.get(keys[0]), keys[1:], (*path, keys[0]))
        else:
            yield path, value


def _of_json(resource: Resource, exposed: bool) -> Iterator[Resource]:
    name, _ = _JSON[resource.kind]
    text = resource.attributes.get(name)
    if not isinstance(text, str):
        return
    try:
        value = json_value(text)
    except Unreadable:
        return
    for index, item in enumerate(as_list(value)[:MAX_CONTAINERS]):
        if isinstance(item, Mapping):
            yield _container(resource, (name, index) if isinstance(value, list) else (name,), item, exposed)


def _container(owner: Resource, path: Path, block: Mapping[str, Any], exposed: bool) -> Resource:
    places = _Places(owner, path)
    environment, environment_at = _environment(block, places)
    argv: list[str] = []
    argv_at: list[Position] = []
    for key in ("entryPoint", "entry_point", "command", "commands", "args"):
        value = block.get(key)
        for number, word in enumerate(value if isinstance(value, list) else [value] if isinstance(value, str) else []):
            argv.append(word if isinstance(word, str) else "")
            argv_at.append(places.at(key, number))
    image_key = next((key for key in ("image", "image_uri", "image_identifier") if block.get(key)), "image")
    image = block.get(image_key)
    started = Started(image if isinstance(image, str) else "", argv, argv_at, environment, environment_at, exposed)
    attributes, positions = seen(started, places.at(), places.at(image_key))
    name = block.get("name")
    attributes |= {
        "name": name if isinstance(name, str) else owner.name,
        "format": owner.format,
        "owner": owner.address,
    }
    _rights(block, places, attributes, positions)
    positions[()] = places.at()
    return Resource(
        "task.container", attributes["name"], f"{owner.address}/{attributes['name']}", owner.path, attributes, positions,
        ("container", "image", "derived"), {("owner",): (owner.address,)}, data_class=owner.data_class, region=owner.region,
        origin=owner.origin, format=owner.format,
    )  # fmt: skip


class _Places:
    """Where the parts of a container stand: the nearest place that the resource knows."""

    def __init__(self, owner: Resource, path: Path) -> None:
        self.owner, self.path = owner, path

    def at(self, *keys: str | int) -> Position:
        return nearest(self.owner.positions, (*self.path, *keys))


def _environment(block: Mapping[str, Any], places: _Places) -> tuple[dict[str, Any], dict[str, Position]]:
    """Return the variables by name: literal text, a mapping where the value comes from a store of secrets, or unknown."""
    values: dict[str, Any] = {}
    found: dict[str, Position] = {}
    for key in ("environment", "env", "environment_variables", "secure_environment_variables", "runtime_environment_variables"):  # fmt: skip
        held = block.get(key)
        if isinstance(held, Mapping):
            held = held.get("variables", held)
            for name, value in held.items() if isinstance(held, Mapping) else ():
                values[str(name)], found[str(name)] = value, places.at(key, str(name))
            continue
        for index, item in enumerate(held if isinstance(held, list) else []):
            if not isinstance(item, Mapping):
                continue
            if isinstance(item.get("variables"), Mapping):
                for name, value in item["variables"].items():
                    values[str(name)], found[str(name)] = value, places.at(key, index, "variables", str(name))
            elif isinstance(name := item.get("name"), str):
                given = item.get("value")
                values[name] = given if given is not None else {"valueFrom": "a store of secrets"}
                found[name] = places.at(key, index, "value")
    for index, item in enumerate(as_list(block.get("secrets"))):
        if isinstance(item, Mapping) and isinstance(item.get("name"), str):
            values[item["name"]] = {"valueFrom": "a store of secrets"}
            found[item["name"]] = places.at("secrets", index)
    return values, found


def _rights(
    block: Mapping[str, Any], places: _Places, attributes: dict[str, Any], positions: dict[Path, Position]
) -> None:
    """Add what the container may do on its host, in the words that containers of Kubernetes use."""
    effective: dict[str, Any] = {}
    for theirs, ours in (("privileged", "privileged"), ("readonlyRootFilesystem", "readOnlyRootFilesystem")):
        if theirs in block:
            effective[ours] = block[theirs]
            positions[("effective", ours)] = places.at(theirs)
    user = block.get("user")
    attributes["user"] = user if isinstance(user, (str, Unknown)) else ""
    positions[("user",)] = places.at("user")
    linux = block.get("linuxParameters")
    added = as_list(linux.get("capabilities", {}).get("add")) if isinstance(linux, Mapping) and isinstance(linux.get("capabilities", {}), Mapping) else []  # fmt: skip
    attributes["capabilities_added"] = [str(one).upper().removeprefix("CAP_") for one in added]
    positions |= {("capabilities_added", i): places.at("linuxParameters", "capabilities", "add", i) for i, _ in enumerate(added)}  # fmt: skip
    attributes["effective"] = effective
