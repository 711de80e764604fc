"""What leads traffic to pods, who may come in, and whether it is encrypted on the way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mlguard.scanners import lazy
from mlguard.scanners.infra.kubernetes.objects import Object, listed, mapping, plain, unknown
from mlguard.scanners.infra.kubernetes.places import Places
from mlguard.scanners.infra.operators import cidr_public
from mlguard.scanners.infra.resources import nearest

_PRIVATE_VALUES = lazy.pattern(
    r"(?i)^(?:internal|intranet|private|cluster-?local)$|^(?:true|1|yes)$|^(?:10|192\.168|172\.(?:1[6-9]|2\d|3[01]))[./]"
)
_INTERNAL_NOTE = lazy.pattern(
    r"(?i)internal|load-?balancer-?(?:scheme|address-type|type|network-type|cloud-provider-ip-type)|disable-public-network|load-?balancer-source-ranges"
)
_PRIVATE_ADDRESS = lazy.pattern(
    r"^(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|f[cd])"
)


def source_ranges(service: Object) -> list[Any]:
    """Return the addresses that a service lets in, [] where it says nothing."""
    ranges = listed(service.at("spec", "loadBalancerSourceRanges"))
    notes = mapping(service.at("metadata", "annotations"))
    for key, value in notes.items():
        if key.endswith("load-balancer-source-ranges") and isinstance(value, str):
            ranges = ranges or [item.strip() for item in value.split(",") if item.strip()]
    return ranges


def internal(service: Object) -> bool:
    """Say whether a load balancer stands inside the network, or lets in chosen addresses only."""
    notes = mapping(service.at("metadata", "annotations"))
    told = (service.at("metadata", "annotations"), service.at("spec", "loadBalancerSourceRanges"))
    if any(map(unknown, told)):
        return True  # it may be; nobody is told of what is not known
    for key, value in notes.items():
        if key.endswith("load-balancer-source-ranges") or not _INTERNAL_NOTE.search(key):
            continue
        if "internet-facing" in plain(value).lower() or plain(value).lower() in ("false", "external", "public"):
            continue
        text = plain(value).strip().lower()
        if unknown(value):
            return True
        if (
            "internal-subnet" in key
            or key.endswith("aws-load-balancer-internal")
            or _PRIVATE_VALUES.match(text)
            or (isinstance(value, bool) and value)
        ):
            return True
    kind = plain(service.at("spec", "loadBalancerClass"))
    if kind == "tailscale" or (
        kind == "service.k8s.aws/nlb" and "service.beta.kubernetes.io/aws-load-balancer-scheme" not in notes
    ):
        return True  # the controller of AWS makes internal balancers unless told otherwise
    if _PRIVATE_ADDRESS.match(plain(service.at("spec", "loadBalancerIP"))):
        return True
    ranges = source_ranges(service)
    return bool(ranges) and cidr_public(ranges, None) is not True


def opening(service: Object, positions: Places) -> list[dict[str, str]]:
    """Return how a service can be reached from any address, with its place."""
    found: list[dict[str, str]] = []
    spec = mapping(service.at("spec"))
    kind = plain(spec.get("type"))
    if kind in ("LoadBalancer", "NodePort") and not internal(service):
        ranges = ("spec", "loadBalancerSourceRanges")
        place = positions.get(ranges) if spec.get("loadBalancerSourceRanges") else None
        positions[("opening", 0)] = positions[("opening", 0, "what")] = place or positions[("spec", "type")]
        what = "a LoadBalancer" if kind == "LoadBalancer" else "a NodePort"
        found.append({"what": f"{what} for any address"})
    if listed(spec.get("externalIPs")):
        index = len(found)
        positions[("opening", index)] = positions[("opening", index, "what")] = positions[("spec", "externalIPs")]
        found.append({"what": "addresses of its own choice (externalIPs)"})
    return found


def asks_who(annotations: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
    names = " ".join(annotations)
    if re.search(r"auth-(?:url|type|signin|secret|tls|snippet)|/auth-|oauth|oidc|jwt|iap|router\.middlewares", names):
        return True
    return "middlewares" in str(value.get("spec"))[:20_000] and "auth" in str(value.get("spec"))[:20_000].lower()


def service_names(value: Any, depth: int) -> set[str]:
    """Return the names of the services that a route leads to."""
    found: set[str] = set()
    if depth > 12:
        return found
    if isinstance(value, dict):
        service = value.get("service")
        if isinstance(service, dict) and isinstance(service.get("name"), str):
            found.add(service["name"])
        for key in ("serviceName", "host"):
            if isinstance(value.get(key), str) and (key == "serviceName" or "subset" in value or "port" in value):
                found.add(value[key].partition(".")[0])
        for key in ("backendRefs", "services"):
            found |= {plain(mapping(item).get("name")) for item in listed(value.get(key))}
        target = value.get("to")
        if isinstance(target, dict) and target.get("kind") == "Service":
            found.add(plain(target.get("name")))
        for child in value.values():
            found |= service_names(child, depth + 1)
    elif isinstance(value, list):
        for child in value:
            found |= service_names(child, depth + 1)
    return found - {""}


_SECURE_NOTES = lazy.pattern(
    r"certificate-arn|managed-certificates|pre-shared-cert|ssl-passthrough|router\.tls|cert-manager\.io/|route\.openshift\.io/termination|ssl-cert|frontend\.crt|appgw-ssl-certificate"
)


def plain_text(one: Object, positions: Places) -> list[dict[str, str]]:
    """Return what of an Ingress, Gateway or Route is served without TLS, with its place."""
    found: list[dict[str, str]] = []

    def add(what: str, *path: str | int) -> None:
        at = nearest(positions, path)
        positions[("plain_text", len(found))] = positions[("plain_text", len(found), "what")] = at
        found.append({"what": what})

    spec = mapping(one.at("spec"))
    notes = mapping(one.at("metadata", "annotations"))
    if one.kind == "Ingress":
        tls = [mapping(entry) for entry in listed(spec.get("tls"))]
        offered = {plain(host) for entry in tls for host in listed(entry.get("hosts"))}
        secured = any(_SECURE_NOTES.search(key) for key in notes) or "HTTPS" in plain(
            notes.get("alb.ingress.kubernetes.io/listen-ports")
        )
        if not tls and not secured:
            add("no host has a certificate", "spec")
        elif tls and all(entry.get("hosts") for entry in tls) and not secured:
            for index, rule in enumerate(listed(spec.get("rules"))):
                host = plain(mapping(rule).get("host"))
                if host and not any(_covers(name, host) for name in offered):
                    add("a host has no certificate", "spec", "rules", index, "host")
        for key, value in notes.items() if tls else ():
            if key.endswith("/ssl-redirect") and plain(value).lower() == "false":
                add("plain requests are not sent on to TLS", "metadata", "annotations", key)
    elif one.kind == "Route":
        if one.group == "route.openshift.io" and not spec.get("tls"):
            add("the route has no TLS", "spec")
        elif mapping(spec.get("tls")).get("insecureEdgeTerminationPolicy") == "Allow":
            add("plain requests are let in beside TLS", "spec", "tls", "insecureEdgeTerminationPolicy")
    elif spec.get("listeners") is not None:
        protocols = [plain(mapping(item).get("protocol")) for item in listed(spec.get("listeners"))]
        if protocols and not {"HTTPS", "TLS"}.intersection(protocols) and "HTTP" in protocols:
            add("no listener speaks HTTPS", "spec", "listeners", protocols.index("HTTP"), "protocol")
    else:
        servers = [mapping(item) for item in listed(spec.get("servers"))]
        protocols = [plain(mapping(item.get("port")).get("protocol")) for item in servers]
        if "HTTP" in protocols and not {"HTTPS", "TLS"}.intersection(protocols):
            index = protocols.index("HTTP")
            if mapping(servers[index].get("tls")).get("httpsRedirect") is not True:
                add("no server speaks HTTPS", "spec", "servers", index, "port", "protocol")
    return found


def _covers(certificate: str, host: str) -> bool:
    return certificate == host or (certificate.startswith("*.") and host.partition(".")[2] == certificate[2:])
