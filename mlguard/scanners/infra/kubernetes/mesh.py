"""What a service mesh lets through: traffic in plain text, and callers that nobody asked for."""

from __future__ import annotations

from collections.abc import Iterator

from mlguard.scanners.infra.kubernetes.objects import Object, listed, mapping, plain
from mlguard.scanners.infra.kubernetes.places import Places
from mlguard.scanners.infra.resources import Path, nearest

_OPEN_MODES = frozenset({"PERMISSIVE", "DISABLE"})
_PLAIN = {"PERMISSIVE": "plain traffic is accepted beside mTLS", "DISABLE": "mTLS is switched off"}


def permissive(one: Object, positions: Places) -> list[dict[str, str]]:
    """Return what a policy of a mesh leaves open, with its place."""
    found: list[dict[str, str]] = []
    for what, path in _found(one):
        at = nearest(positions, path)
        positions[("permissive", len(found))] = positions[("permissive", len(found), "what")] = at
        found.append({"what": what})
    return found


def _found(one: Object) -> Iterator[tuple[str, Path]]:
    if one.kind == "PeerAuthentication":
        yield from _peer(one)
    elif one.kind == "AuthorizationPolicy" and one.group == "security.istio.io":
        yield from _authorization(one)
    elif one.kind == "DestinationRule":
        yield from _destination(one)
    elif one.group == "policy.linkerd.io":
        yield from _linkerd(one)
    elif one.group == "kuma.io":
        yield from _kuma(one)
    elif one.kind == "ServiceIntentions":
        for index, source in enumerate(map(mapping, listed(one.at("spec", "sources")))):
            if source.get("name") == "*" and source.get("action") == "allow":
                yield "any service may call", ("spec", "sources", index, "name")


def _peer(one: Object) -> Iterator[tuple[str, Path]]:
    mode = plain(one.at("spec", "mtls", "mode"))
    if mode in _OPEN_MODES:
        yield _PLAIN[mode], ("spec", "mtls", "mode")
    for port, setting in mapping(one.at("spec", "portLevelMtls")).items():
        mode = plain(mapping(setting).get("mode"))
        if mode in _OPEN_MODES:
            yield _PLAIN[mode], ("spec", "portLevelMtls", str(port), "mode")


_WORLD = frozenset({"0.0.0.0/0", "::/0"})


def _authorization(one: Object) -> Iterator[tuple[str, Path]]:
    if plain(one.at("spec", "action")) not in ("", "ALLOW"):
        return
    for index, rule in enumerate(listed(one.at("spec", "rules"))):
        path: Path = ("spec", "rules", index)
        held = mapping(rule)
        if not any(held.get(key) for key in ("from", "to", "when")):
            yield "its rule allows any caller", path
            continue
        for number, entry in enumerate(listed(held.get("from"))):
            source = mapping(mapping(entry).get("source"))
            world = [
                key
                for key in ("ipBlocks", "remoteIpBlocks")
                if _WORLD.intersection(map(plain, listed(source.get(key))))
            ]
            if world:
                yield "its rule allows any address", (*path, "from", number, "source", world[0])
            elif not any(source.values()) and not held.get("to") and not held.get("when"):
                yield "its rule allows any caller", (*path, "from", number)


def _destination(one: Object) -> Iterator[tuple[str, Path]]:
    policies: list[tuple[str | int, ...]] = [("spec", "trafficPolicy")]
    policies += [
        ("spec", "subsets", index, "trafficPolicy") for index, _ in enumerate(listed(one.at("spec", "subsets")))
    ]
    for policy in list(policies):
        ports = listed(one.at(*policy, "portLevelSettings"))
        policies += [(*policy, "portLevelSettings", index) for index, _ in enumerate(ports)]
    for policy in policies:
        tls = mapping(one.at(*policy, "tls"))
        if tls.get("mode") == "DISABLE":
            yield "traffic leaves in plain text", (*policy, "tls", "mode")
        elif tls.get("insecureSkipVerify") is True:
            yield "the certificate is not verified", (*policy, "tls", "insecureSkipVerify")


def _linkerd(one: Object) -> Iterator[tuple[str, Path]]:
    if one.kind == "ServerAuthorization" and one.at("spec", "client", "unauthenticated") is True:
        yield "callers without an identity are let in", ("spec", "client", "unauthenticated")
    elif one.kind == "Server" and plain(one.at("spec", "accessPolicy")) == "all-unauthenticated":
        yield "callers without an identity are let in", ("spec", "accessPolicy")


def _kuma(one: Object) -> Iterator[tuple[str, Path]]:
    if one.kind == "MeshTrafficPermission":
        for index, entry in enumerate(map(mapping, listed(one.at("spec", "from")))):
            whole = mapping(entry.get("targetRef")).get("kind") == "Mesh"
            if whole and mapping(entry.get("default")).get("action") == "Allow":
                yield "any service of the mesh may call", ("spec", "from", index, "default", "action")
    elif one.kind == "Mesh":
        for index, backend in enumerate(map(mapping, listed(one.at("spec", "mtls", "backends")))):
            if backend.get("mode") == "PERMISSIVE":
                yield _PLAIN["PERMISSIVE"], ("spec", "mtls", "backends", index, "mode")


_INBOUND = "config.linkerd.io/default-inbound-policy"


def inbound_note(one: Object) -> tuple[str, Path] | None:
    """Return that a namespace or workload tells Linkerd to let in callers without an identity, and where."""
    for path in (("metadata", "annotations"), ("spec", "template", "metadata", "annotations")):
        if plain(mapping(one.at(*path)).get(_INBOUND)) in ("all-unauthenticated", "cluster-unauthenticated"):
            return "callers without an identity are let in", (*path, _INBOUND)
    return None
