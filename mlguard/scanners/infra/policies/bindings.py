"""Reads who has which role in Google Cloud and Azure, and which ready-made policy in AWS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlguard import facts, redact
from mlguard.errors import Unreadable
from mlguard.scanners import lazy
from mlguard.scanners.infra.jsontexts import json_value
from mlguard.scanners.infra.policies.statements import text_block, text_places
from mlguard.scanners.infra.resources import Path, Position, Resource, public, shown
from mlguard.scanners.infra.terraform.policydocs import PolicyText
from mlguard.scanners.infra.terraform.values import text_of

MAX_BINDINGS = 1_000
"""Bindings of one policy."""

_GOOGLE = lazy.pattern(r"^google_(?P<on>\w+?)_iam_(?P<form>member|binding|policy)$")
_TARGETS = (
    "project", "folder", "org_id", "bucket", "dataset_id", "table_id", "service_account_id", "service", "name", "cloud_function",
    "function", "secret_id", "crypto_key_id", "key_ring_id", "topic", "subscription", "instance", "database", "repository",
)  # fmt: skip
_AWS = {
    "aws_iam_role_policy_attachment": ("role",),
    "aws_iam_user_policy_attachment": ("user",),
    "aws_iam_group_policy_attachment": ("group",),
    "aws_iam_policy_attachment": ("roles", "users", "groups"),
}


def bindings(owner: Resource, heredocs: Mapping[str, Position]) -> Iterator[Resource]:
    """Yield each binding of a policy that replaces all others on something, as ``google.iam.binding``.

    ``heredocs`` are the attributes that are written as a heredoc, whose lines are those of the text.
    """
    match = _GOOGLE.match(owner.kind)
    data = owner.attributes.get("policy_data")
    if match is None or match["form"] != "policy" or data is None:
        return
    found = _decoded(data)[:MAX_BINDINGS]
    places = _places(owner, data, heredocs.get("policy_data"), len(found))
    head = owner.positions.get(("policy_data",), owner.positions.get((), Position(1)))
    for index, one in enumerate(found):
        known = places[index] if index < len(places) else {}
        positions: dict[Path, Position] = {(): head, **known}
        for name in ("role", "members"):
            positions[name,] = known.get((name,), head)
        attributes = {**one, "level": match["on"], "owner": owner.address, "owner_kind": owner.kind}
        yield Resource(
            "google.iam.binding", owner.name, f"{owner.address}/binding[{index}]", owner.path, attributes, positions,
            ("google.iam.binding", "derived"), {("owner",): (owner.address,)}, origin=owner.origin, format=owner.format,
        )  # fmt: skip


def _places(owner: Resource, data: Any, heredoc: Position | None, number: int) -> Sequence[Mapping[Path, Position]]:
    """Return where the parts of each binding stand: in a data source, in the lines of a text, or in what is encoded."""
    if isinstance(data, PolicyText):
        return data.places
    at = ("policy_data", "bindings")
    heredoc = heredoc or (
        text_block(owner, at[:1], data) if isinstance(data, str) and at not in owner.positions else None
    )
    if isinstance(data, str) and heredoc is not None:
        return tuple(text_places(data, heredoc, "bindings"))
    result: list[dict[Path, Position]] = [{} for _ in range(number)]
    for path, place in owner.positions.items():
        if path[:2] == at and len(path) > 2 and isinstance(path[2], int) and path[2] < number:
            result[path[2]][path[3:]] = place
    return result


def _decoded(data: Any) -> list[dict[str, Any]]:
    try:
        value = json_value(data) if isinstance(data, str) else data
    except Unreadable:
        return []
    found = value.get("bindings") if isinstance(value, Mapping) else None
    return [dict(one) for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def grants(owner: Resource) -> Iterator[facts.Grant]:
    """Yield who may do what by a role of Google Cloud or Azure, or by a policy that is attached by its name."""
    values = owner.attributes
    if match := _GOOGLE.match(owner.kind):
        if match["form"] == "policy":
            for one in _decoded(values.get("policy_data"))[:MAX_BINDINGS]:
                yield from _each(owner, one.get("members"), one.get("role"), _target(owner))
        else:
            members = values.get("members") if match["form"] == "binding" else [values.get("member")]
            yield from _each(owner, members, values.get("role"), _target(owner))
    elif owner.kind == "azurerm_role_assignment":
        role = values.get("role_definition_name") or values.get("role_definition_id")
        yield from _each(owner, [values.get("principal_id")], role, values.get("scope"))
    elif owner.kind in _AWS:
        for name in _AWS[owner.kind]:
            held = values.get(name)
            yield from _each(owner, held if isinstance(held, list) else [held], values.get("policy_arn"), "*")


def _target(owner: Resource) -> Any:
    return next((owner.attributes[name] for name in reversed(_TARGETS) if owner.attributes.get(name)), "*")


def _each(owner: Resource, members: Any, role: Any, target: Any) -> Iterator[facts.Grant]:
    line = owner.positions.get((), Position(1)).line
    for member in members if isinstance(members, list) else []:
        if member is not None and role is not None:
            yield facts.Grant(_told(member), (_told(role),), (_told(target),), owner.path, line, public(owner.address))


def _told(value: Any) -> str:
    return redact.text(shown(text_of(value)))
