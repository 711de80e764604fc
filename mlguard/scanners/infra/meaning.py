"""What a resource means, whatever it was written in: its tags, its place, the class of its data, and what is derived from it.

A resource here has the kind and the attributes of Terraform.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from mlguard import facts, redact, tables
from mlguard.scanners.infra.credentials import credentials
from mlguard.scanners.infra.mljobs import jobs
from mlguard.scanners.infra.policies.bindings import bindings, grants
from mlguard.scanners.infra.policies.ingress import ingress
from mlguard.scanners.infra.policies.statements import statements
from mlguard.scanners.infra.resources import Open, Path, Position, Resource, Unknown, public, shown
from mlguard.scanners.infra.startscripts import downloads
from mlguard.scanners.infra.terraform.functions import merge, text_of
from mlguard.values import replace

TAGS = ("tags", "labels", "user_labels", "resource_labels")
"""The attributes that hold tags, in the order in which they count."""

Derived = Resource | facts.Grant | facts.Deployment


@cache
def table(name: str, key: str) -> tuple[str, ...]:
    """Return a list of ``tables/terraform.yaml``."""
    return tuple(tables.table("terraform")[name][key])


@cache
def members(name: str, key: str) -> frozenset[str]:
    """Return a list of ``tables/terraform.yaml`` as a set."""
    return frozenset(table(name, key))


def resource(
    kind: str,
    name: str,
    address: str,
    path: str,
    attributes: dict[str, Any],
    positions: dict[Path, Position],
    *,
    format: str,
    references: Mapping[Path, tuple[str, ...]] | None = None,
    default_tags: Any = None,
    default_region: Any = None,
    origin: tuple[tuple[str, Position], ...] = (),
    spelled: Mapping[Path, str] | None = None,
    classes: tuple[str, ...] = (),
) -> Resource:
    """Return the resource with its tags, region, data class and classes.

    ``attributes`` and ``positions`` get ``effective_tags`` and ``effective_region``. ``default_tags`` are those that the
    provider or the stack adds to all; ``default_region`` is where things stand that do not say it themselves: a text,
    Unknown with its reason, or None where nothing says it.
    """
    tags = effective_tags(attributes, {} if default_tags is None else default_tags)
    attributes["effective_tags"] = tags
    for own in TAGS:
        if (own,) in positions:
            positions["effective_tags",] = positions[own,]
    region, place = effective_region(attributes, kind, default_region)
    attributes["effective_region"] = region
    if (place,) in positions:
        positions["effective_region",] = positions[place,]
    if kind.startswith("azurerm_") and isinstance(region, str):
        attributes["paired_region"] = tables.table("terraform")["azure_pairs"]["regions"].get(region)
    data_class = class_of(tags)
    return Resource(
        kind, name, address, path, attributes, positions, (*classes, *classes_of(kind, name, attributes, data_class)),
        references or {}, data_class=data_class, region=region if isinstance(region, str) and "\ue000" not in region else "",
        origin=origin, format=format, spelled=spelled or {},
    )  # fmt: skip


def derived(owner: Resource, heredocs: Mapping[str, Position]) -> Iterator[Derived]:
    """Yield what follows from a resource: statements of its policies with their grants, rules that let traffic in, models.

    ``heredocs`` are the places of the attributes that are written as a heredoc.
    """
    for statement in statements(owner, heredocs):
        yield statement if statement.format else replace(statement, format=owner.format)
        yield from _grants(statement)
    yield from jobs(owner, heredocs)
    yield from downloads(owner)
    for rule in ingress(owner):
        yield rule if rule.format else replace(rule, format=owner.format)
    yield from bindings(owner, heredocs)
    yield from grants(owner)
    yield from credentials(owner, heredocs)
    yield from _deployments(owner)


def _grants(statement: Resource) -> Iterator[facts.Grant]:
    values = statement.attributes
    if values.get("policy") == "trust" or text_of(values.get("effect")) != "Allow":
        return
    held = values.get("principals") or {}
    owner = public(str(values.get("owner")))
    names = [text_of(item) for items in held.values() for item in items] or [owner]
    line = statement.positions[()].line

    def shown_texts(name: str) -> tuple[str, ...]:
        return tuple(redact.text(shown(text_of(item))) for item in values.get(name) or ())

    for name in names:
        yield facts.Grant(redact.text(shown(name)), shown_texts("actions"), shown_texts("resources"), statement.path, line, owner)  # fmt: skip


_IMAGES = {
    "aws_sagemaker_model": ("primary_container", "image"), "azurerm_container_group": ("container", "image"),
}  # fmt: skip


def _deployments(owner: Resource) -> Iterator[facts.Deployment]:
    if owner.kind not in _IMAGES:
        return
    block, name = _IMAGES[owner.kind]
    found = owner.attributes.get(block)
    for container in found if isinstance(found, list) else []:
        image = container.get(name) if isinstance(container, Mapping) else None
        if isinstance(image, str):
            line = owner.positions[()].line
            yield facts.Deployment(public(owner.address), redact.text(shown(image)), owner.path, line)


def effective_tags(attributes: Mapping[str, Any], default: Any) -> Any:
    """Return the tags of a resource with those that the provider adds to all."""
    own: Any = next((attributes[name] for name in TAGS if attributes.get(name) is not None), {})
    blocks = own if isinstance(own, list) else attributes.get("tag")
    if isinstance(blocks, list):  # of a group of machines, which the provider gives no tags
        return _from_blocks(blocks)
    if not isinstance(own, (dict, Unknown)) or not isinstance(default, (dict, Unknown)):
        return Unknown("tags")
    if isinstance(own, Unknown):
        return Open(default if isinstance(default, dict) else {}, own.reason)
    return merge(default, own)


def _from_blocks(blocks: list[Any]) -> dict[str, Any]:
    """Return the tags that are written as blocks or objects with ``key`` and ``value``."""
    known = {
        text_of(one["key"]): one.get("value")
        for one in blocks
        if isinstance(one, Mapping) and not isinstance(one.get("key", Unknown("")), Unknown)
    }
    doubt = next((one for one in blocks if not isinstance(one, Mapping) or isinstance(one.get("key"), Unknown)), None)
    return known if doubt is None else Open(known, doubt.reason if isinstance(doubt, Unknown) else "tags")


def effective_region(attributes: Mapping[str, Any], kind: str, default: Any) -> tuple[Any, str]:
    """Return where a resource will stand, and the attribute that says so. Without a region of its own it stands at ``default``."""
    for name in _PLACES.get(kind.split("_", 1)[0], ("location", "region", "zone")):
        value = attributes.get(name)
        if value is not None and value != "" and isinstance(value, (str, Unknown)):
            return plain_region(value), name
    if kind == "google_bigquery_dataset":
        return "us", ""  # where the service puts a data set that names no place
    config = attributes.get("config") if kind == "google_spanner_instance" else None
    if isinstance(config, str):
        return plain_region(config.rsplit("/", 1)[-1].removeprefix("regional-")), "config"
    if kind.startswith("azurerm_"):
        return None, ""
    if default is not None:
        return default if isinstance(default, Unknown) else plain_region(default), ""
    return Unknown(f"the region of the provider {kind.split('_', 1)[0]}"), ""


_PLACES = {
    "aws": ("region", "availability_zone"), "azurerm": ("location",),
    "google": ("location", "region", "zone", "location_id"),
}  # fmt: skip
"""The attributes that say where a resource stands, by provider."""


def plain_region(value: Any) -> Any:
    """Return a region in lower case without blanks; of a zone its region."""
    if not isinstance(value, str) or "\ue000" in value:
        return value if isinstance(value, Unknown) else Unknown("a region that is not known here")
    plain = value.strip().lower().replace(" ", "")
    return re.sub(
        r"^(?:([a-z]+-[a-z]+\d+)-[a-z]|([a-z]{2}(?:-[a-z]+)+-\d)[a-z])$", lambda zone: zone[1] or zone[2], plain
    )


def class_of(tags: Any) -> str:
    """Return the value of the classification tag, in lower case, "" where there is none."""
    if not isinstance(tags, dict):
        return ""
    for key, value in sorted(tags.items()):
        if re.sub(r"[^a-z]", "", str(key).lower()) in members("classification_keys", "keys") and isinstance(value, str):
            return "" if "\ue000" in value else redact.text(value.strip().lower(), 40)
    return ""


@cache
def _words(name: str) -> re.Pattern[str]:
    return re.compile(r"(?:^|[^a-z])(?:" + "|".join(map(re.escape, table(name, "words"))) + r")(?:$|[^a-z])")


def classes_of(kind: str, name: str, attributes: Mapping[str, Any], data_class: str) -> tuple[str, ...]:
    """Return ``store``, ``data`` (a store that is tagged or named as holding protected data, or data and models), ``tagged``, ``ml``."""
    found = []
    protected = re.sub(r"[^a-z0-9]", "", data_class) in members("protected_classes", "values")
    if kind in members("stores", "kinds"):
        found.append("store")
        if protected or (not data_class and _named(name, attributes)):
            found.append("data")
    if protected:
        found.append("tagged")
    if kind in members("ml_services", "kinds"):
        found.append("ml")
    return tuple(found)


def _named(name: str, attributes: Mapping[str, Any]) -> bool:
    names = [name] + [attributes[key] for key in ("bucket", "name", "identifier", "cluster_identifier", "dataset_id", "table_id")
                      if isinstance(attributes.get(key), str)]  # fmt: skip
    text = " ".join(re.sub("\ue000[^\ue001]*\ue001", " ", one) for one in names).lower().replace("_", "-")
    return bool(_words("data_words").search(text)) and not _words("other_words").search(text)
