"""What network policies let in and out, and which pods they isolate."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mlguard.scanners.infra.kubernetes.objects import Object, listed, mapping, plain, unknown, vague
from mlguard.scanners.infra.kubernetes.places import Places
from mlguard.scanners.infra.resources import Path, Position

POLICY_KINDS = (
    "NetworkPolicy",
    "CiliumNetworkPolicy",
    "CiliumClusterwideNetworkPolicy",
    "GlobalNetworkPolicy",
    "StagedNetworkPolicy",
    "AdminNetworkPolicy",
    "BaselineAdminNetworkPolicy",
    "AntreaNetworkPolicy",
    "ClusterNetworkPolicy",
)

_ANYWHERE = frozenset({"0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/1"})
_OUTSIDE = frozenset({"all", "world", "world-ipv4", "world-ipv6"})


def selectors_of(policy: Object) -> Iterator[tuple[Object, Any]]:
    """Yield the label selectors by which a policy picks pods; an empty one picks all."""
    spec = mapping(policy.at("spec"))
    specs = [spec, *map(mapping, listed(policy.at("specs")))]
    for one in specs:
        if policy.kind == "NetworkPolicy" and policy.group != "crd.projectcalico.org" and "calico" not in policy.group:
            yield policy, {} if vague(one.get("podSelector")) else mapping(one.get("podSelector"))
        elif policy.kind.startswith("Cilium"):
            if "endpointSelector" in one:
                yield policy, {} if vague(one.get("endpointSelector")) else mapping(one.get("endpointSelector"))
        elif isinstance(one.get("selector"), str):
            yield policy, _calico(one["selector"])
        else:
            yield policy, {}


def _calico(text: str) -> dict[str, str]:
    """Return the labels that a selector of Calico asks for; what cannot be read picks everything."""
    if "||" in text or "!" in text:
        return {}
    return dict(re.findall(r"([\w./-]+)\s*==\s*['\"]([^'\"]*)['\"]", text))


def directions(policy: Object) -> set[str]:
    """Return the directions, ``ingress`` and ``egress``, that a policy restricts for the pods it picks."""
    if policy.kind in ("AdminNetworkPolicy", "BaselineAdminNetworkPolicy"):
        return {"ingress", "egress"}
    spec = mapping(policy.at("spec"))
    types = listed(spec.get("policyTypes")) or listed(spec.get("types"))
    if types:
        return {plain(item).lower() for item in types}
    specs = [spec, *map(mapping, listed(policy.at("specs")))]
    found = {
        side for one in specs for side in ("ingress", "egress") if one.get(side) is not None or f"{side}Deny" in one
    }
    return found | ({"ingress"} if policy.kind in ("NetworkPolicy", "GlobalNetworkPolicy") else set())


def open_rules(policy: Object, side: str, positions: Places) -> Iterator[tuple[str, Position]]:
    """Yield what each rule of one direction opens to everyone, and the place that says so.

    A rule of egress with ports is not meant: it opens these ports only.
    """
    if side not in directions(policy):
        return
    roots: list[Path] = [("spec",), *(("specs", index) for index, _ in enumerate(listed(policy.at("specs"))))]
    for root in roots:
        for index, rule in enumerate(listed(policy.at(*root, side))):
            path: Path = (*root, side, index)
            if not isinstance(rule, dict) or (side == "egress" and (rule.get("ports") or rule.get("toPorts"))):
                continue
            if policy.kind.startswith("Cilium"):
                found = _cilium(rule, side)
            elif "calico" in policy.group or policy.kind in ("GlobalNetworkPolicy", "StagedNetworkPolicy"):
                found = _calico_rule(rule, side)
            else:
                found = _plain_rule(rule, side)
            if found is not None:
                at = next(path[:end] for end in range(len(path), -1, -1) if path[:end] in positions)
                yield found[0], positions.get((*path, *found[1]), positions[at])


Opening = tuple[str, Path]


def _plain_rule(rule: dict[str, Any], side: str) -> Opening | None:
    key = "from" if side == "ingress" else "to"
    if unknown(rule.get(key)):
        return None
    peers = listed(rule.get(key))
    if not peers:
        return None if rule.get("ports") else ("every address", ())
    for index, peer in enumerate(map(mapping, peers)):
        block = mapping(peer.get("ipBlock"))
        if block.get("cidr") in _ANYWHERE and not block.get("except"):
            return "every address", (key, index, "ipBlock", "cidr")
        if side == "ingress" and _empty(peer, "namespaceSelector") and not peer.get("podSelector"):
            return "every pod of every namespace", (key, index, "namespaceSelector")
    return None


def _empty(peer: dict[str, Any], name: str) -> bool:
    """Say whether a selector is there and asks for nothing."""
    selector = peer.get(name)
    return name in peer and not any(mapping(selector).values())


def _cilium(rule: dict[str, Any], side: str) -> Opening | None:
    key = "from" if side == "ingress" else "to"
    if not any(str(name).startswith(key) and name not in (f"{key}Ports",) for name in rule):
        return ("every address", ()) if not rule.get("toPorts") and not rule.get("icmps") else None
    for index, entity in enumerate(listed(rule.get(f"{key}Entities"))):
        if plain(entity) in _OUTSIDE:
            return "every address", (f"{key}Entities", index)
    for index, block in enumerate(listed(rule.get(f"{key}CIDR"))):
        if block in _ANYWHERE:
            return "every address", (f"{key}CIDR", index)
    for index, block in enumerate(map(mapping, listed(rule.get(f"{key}CIDRSet")))):
        if block.get("cidr") in _ANYWHERE and not block.get("except"):
            return "every address", (f"{key}CIDRSet", index, "cidr")
    return None


def _calico_rule(rule: dict[str, Any], side: str) -> Opening | None:
    if plain(rule.get("action")) != "Allow":
        return None
    peer = mapping(rule.get("source" if side == "ingress" else "destination"))
    if side == "egress" and peer.get("ports"):
        return None
    nets = listed(peer.get("nets"))
    for index, net in enumerate(nets):
        if net in _ANYWHERE and not peer.get("notNets"):
            return "every address", ("source" if side == "ingress" else "destination", "nets", index)
    narrowed = {"selector", "namespaceSelector", "nets", "serviceAccounts", "services", "domains"} & set(peer)
    return ("every address", ()) if not narrowed else None
