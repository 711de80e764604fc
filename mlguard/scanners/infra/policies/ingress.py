"""Takes firewall rules of all clouds out of resources, each rule that lets traffic in as a resource of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from mlguard.scanners.infra.operators import cidr_public, number, port_ranges
from mlguard.scanners.infra.resources import Path, Position, Resource, Unknown, nearest
from mlguard.scanners.infra.terraform.values import text_of

MAX_RULES = 2_000
"""Rules of one firewall that are judged. Clouds take 1,000 at most."""

MAX_COMPARED = 20_000
"""Pairs of a rule that allows and one that denies in one firewall."""


class _Rule(NamedTuple):
    """One rule: what it says, where it stands, and the paths that may hold its sources and its ports.

    Of the rules with one ``group``, the one with the lowest ``order`` counts.
    """

    attributes: dict[str, Any]
    base: Path
    sources: list[Path]
    ports: list[Path]
    group: str = ""
    order: float | None = None
    denies: bool = False
    listed: str = "net.ingress"


def ingress(owner: Resource) -> Iterator[Resource]:
    """Yield each rule about traffic that comes in, whatever the cloud: ``net.ingress``, for lists of a subnet ``net.acl``.

    A rule that forbids traffic is a ``net.denial``; ``unshadowed`` takes it into account.
    """
    build = _FIREWALLS.get(owner.kind)
    for index, rule in enumerate(build(owner) if build else ()):
        if index >= MAX_RULES:
            doubt = Unknown(f"the rules of {owner.address} after the first {MAX_RULES:,}")
            rule = rule._replace(attributes={"sources": [doubt]}, denies=False)
        positions: dict[Path, Position] = {(): nearest(owner.positions, rule.base)}
        for name, candidates in (("sources", rule.sources), ("ports", rule.ports), ("from_port", rule.ports)):
            found = [path for path in candidates if path in owner.positions]
            if found:
                positions[name,] = owner.positions[found[0]]
        kind = "net.denial" if rule.denies else rule.listed
        yield Resource(
            kind, owner.name, f"{owner.address}/ingress[{index}]", owner.path,
            {**rule.attributes, "owner": owner.address, "group": rule.group, "order": rule.order},
            positions, (kind, "derived"), {("owner",): (owner.address,)}, data_class=owner.data_class, origin=owner.origin,
            format=owner.format,
        )  # fmt: skip
        if index >= MAX_RULES:
            return


def unshadowed(resources: Iterable[Resource]) -> list[Resource]:
    """Return the resources without the rules that an earlier rule of the same firewall takes back."""
    resources = list(resources)
    denials: dict[str, list[Resource]] = defaultdict(list)
    for one in resources:
        if one.kind == "net.denial" and one.attributes["group"]:
            denials[one.attributes["group"]].append(one)
    if not denials:
        return resources
    left = MAX_COMPARED
    result = []
    for one in resources:
        others = denials.get(one.attributes["group"], ()) if one.kind in ("net.ingress", "net.acl") else ()
        left -= len(others)
        if left < 0 or not any(_shadows(deny, one) for deny in others):
            result.append(one)
    return result


def _shadows(deny: Resource, allow: Resource) -> bool:
    """Say whether a rule that forbids comes first and covers all that the other allows from the internet."""
    first, second = deny.attributes["order"], allow.attributes["order"]
    if first is None or second is None or first >= second or not cidr_public(deny.attributes["sources"], None):
        return False
    protocols = [str(one.attributes.get("protocol", "-1")).lower() for one in (deny, allow)]
    if protocols[0] not in ("-1", "all", "*", protocols[1]):
        return False
    covered, wanted = port_ranges(deny.attributes), port_ranges(allow.attributes)
    if covered is None or wanted is None:
        return False
    return all(any(low <= start and end <= high for low, high in covered) for start, end in wanted)


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
    for index, block in enumerate(value if isinstance(value, list) else [value] if isinstance(value, Mapping) else []):
        if isinstance(block, Mapping):
            yield block, (name, index) if isinstance(value, list) else (name,)


# AWS


def _aws(block: Mapping[str, Any], base: Path) -> _Rule:
    names = ["cidr_blocks", "ipv6_cidr_blocks", "cidr_ipv4", "cidr_ipv6", "prefix_list_ids", "security_groups"]
    sources = _many(*(block.get(name) for name in names[:4]))
    attributes = {
        "protocol": block.get("protocol", block.get("ip_protocol")),
        "from_port": block.get("from_port"),
        "to_port": block.get("to_port"),
        "sources": sources,
    }
    public = [n for n in names if any("/0" in text_of(i) or "/1" in text_of(i) for i in _many(block.get(n)))]
    return _Rule(attributes, base, [(*base, name) for name in [*public, *names]], [(*base, "from_port")])


def _aws_group(owner: Resource) -> Iterator[_Rule]:
    for block, base in _blocks(owner, "ingress"):
        yield _aws(block, base)


def _aws_rule(owner: Resource) -> Iterator[_Rule]:
    if owner.attributes.get("type", "ingress") == "ingress":
        yield _aws(owner.attributes, ())


def _acl(block: Mapping[str, Any], base: Path, order: str, action: str, group: str) -> _Rule:
    attributes = {
        "protocol": block.get("protocol"),
        "from_port": block.get("from_port"),
        "to_port": block.get("to_port"),
        "sources": _many(block.get("cidr_block"), block.get("ipv6_cidr_block")),
    }
    names = [(*base, "cidr_block"), (*base, "ipv6_cidr_block")]
    denies = text_of(block.get(action)).lower() == "deny"
    return _Rule(attributes, base, names, [(*base, "from_port")], group, number(block.get(order)), denies, "net.acl")


def _acl_list(owner: Resource) -> Iterator[_Rule]:
    for block, base in _blocks(owner, "ingress"):
        yield _acl(block, base, "rule_no", "action", owner.address)


def _acl_rule(owner: Resource) -> Iterator[_Rule]:
    if owner.attributes.get("egress") in (None, False, "false"):
        yield _acl(owner.attributes, (), "rule_number", "rule_action", _group(owner, "network_acl_id"))


def _group(owner: Resource, *names: str) -> str:
    """Return what a rule belongs to: the address that it refers to, else the name that it writes out."""
    parts = []
    for name in names:
        value = owner.attributes.get(name)
        references = owner.references.get((name,), ())
        parts.append(references[0] if references else value if isinstance(value, str) else "")
    return "/".join(parts) if any(parts) else ""


# Google Cloud


def _google(owner: Resource) -> Iterator[_Rule]:
    values = owner.attributes
    if text_of(values.get("direction") or "INGRESS").upper() != "INGRESS" or values.get("disabled") is True:
        return
    sources = _many(values.get("source_ranges"))
    if (
        not sources
        and "source_ranges" not in values
        and not values.get("source_tags")
        and not values.get("source_service_accounts")
    ):
        sources = ["0.0.0.0/0"]  # the provider's default
    order = number(values.get("priority", 1000))
    group = _group(owner, "network")
    for name in ("allow", "deny"):
        for block, base in _blocks(owner, name):
            attributes = {"protocol": block.get("protocol"), "ports": _listed(block.get("ports")), "sources": sources}
            narrow = name == "deny" and (values.get("target_tags") or values.get("target_service_accounts"))
            yield _Rule(
                attributes, base, [("source_ranges",), base], [(*base, "ports")], "" if narrow else group, order, name == "deny"
            )  # fmt: skip


def _listed(value: Any) -> Any:
    return [] if value is None else value if isinstance(value, (list, Unknown)) else [value]


def _google_policy(values: Mapping[str, Any], base: Path, group: str) -> Iterator[_Rule]:
    action = text_of(values.get("action")).lower()
    if text_of(values.get("direction")).upper() != "INGRESS" or values.get("disabled") is True:
        return
    if action not in ("allow", "deny"):
        return
    matches = values.get("match")
    for index, match in enumerate(matches if isinstance(matches, list) else []):
        if not isinstance(match, Mapping):
            continue
        inner = (*base, "match", index)
        sources = _many(match.get("src_ip_ranges"))
        named = ("src_secure_tags", "src_address_groups", "src_fqdns", "src_region_codes", "src_threat_intelligences")
        if not sources and not any(match.get(name) for name in named):
            sources = ["0.0.0.0/0"]
        layers = match.get("layer4_configs")
        for at, layer in enumerate(layers if isinstance(layers, list) else []):
            if not isinstance(layer, Mapping):
                continue
            attributes = {
                "protocol": layer.get("ip_protocol"),
                "ports": _listed(layer.get("ports")),
                "sources": sources,
            }
            place = [(*inner, "src_ip_ranges"), inner]
            ports = [(*inner, "layer4_configs", at, "ports")]
            yield _Rule(attributes, inner, place, ports, group, number(values.get("priority")), action == "deny")


def _google_policy_rule(owner: Resource) -> Iterator[_Rule]:
    yield from _google_policy(owner.attributes, (), _group(owner, "firewall_policy"))


def _google_policy_rules(owner: Resource) -> Iterator[_Rule]:
    for block, base in _blocks(owner, "rule"):
        yield from _google_policy(block, base, owner.address)


# Azure


def _azure(block: Mapping[str, Any], base: Path, group: str) -> Iterator[_Rule]:
    access = text_of(block.get("access")).lower()
    if text_of(block.get("direction")).lower() != "inbound" or access not in ("allow", "deny"):
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
    yield _Rule(attributes, base, places[0], places[1], group, number(block.get("priority")), access == "deny")


def _azure_rule(owner: Resource) -> Iterator[_Rule]:
    yield from _azure(owner.attributes, (), _group(owner, "network_security_group_name"))


def _azure_group(owner: Resource) -> Iterator[_Rule]:
    for block, base in _blocks(owner, "security_rule"):
        yield from _azure(block, base, owner.address)


_FIREWALLS = {
    "aws_security_group": _aws_group, "aws_default_security_group": _aws_group, "aws_security_group_rule": _aws_rule,
    "aws_vpc_security_group_ingress_rule": _aws_rule, "aws_network_acl": _acl_list, "aws_network_acl_rule": _acl_rule,
    "google_compute_firewall": _google, "google_compute_firewall_policy_rule": _google_policy_rule,
    "google_compute_network_firewall_policy_rule": _google_policy_rule,
    "google_compute_region_network_firewall_policy_rule": _google_policy_rule,
    "google_compute_organization_security_policy_rule": _google_policy_rule,
    "google_compute_network_firewall_policy_with_rules": _google_policy_rules,
    "google_compute_region_network_firewall_policy_with_rules": _google_policy_rules,
    "google_compute_firewall_policy_with_rules": _google_policy_rules,
    "azurerm_network_security_rule": _azure_rule, "azurerm_network_security_group": _azure_group,
}  # fmt: skip
