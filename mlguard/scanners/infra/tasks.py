"""Containers that cloud resources start: tasks of ECS and Batch, Cloud Run, container groups and apps of Azure, App Runner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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


def containers(resource: Resource) -> Iterator[Resource]:
    """Yield the containers that a cloud resource starts, in the form that containers of every format share."""
    if resource.kind in _JSON:
        yield from _of_json(resource)
    for keys in _BLOCKS.get(resource.kind, ()):
        for path, block in _found(resource.attributes, keys, ()):
            if block.get("image") or block.get("image_uri") or block.get("image_identifier"):
                yield _container(resource, path, block)


def _found(value: Any, keys: Sequence[str], path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    if isinstance(value, list):
        for index, item in enumerate(value[:MAX_CONTAINERS]):
            yield from _found(item, keys, (*path, index))
    elif isinstance(value, Mapping):
        if keys:
            yield from _found(value.get(keys[0]), keys[1:], (*path, keys[0]))
        else:
            yield path, value


def _of_json(resource: Resource) -> Iterator[Resource]:
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
            yield _container(resource, (name, index) if isinstance(value, list) else (name,), item)


def _container(owner: Resource, path: Path, block: Mapping[str, Any]) -> Resource:
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
    started = Started(image if isinstance(image, str) else "", argv, argv_at, environment, environment_at)
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
