"""Objects of Kubernetes that Terraform creates: the resources of the provider ``kubernetes``, read as manifests.

The names are those of the provider's documentation: https://registry.terraform.io/providers/hashicorp/kubernetes/latest/docs
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners import lazy
from mlguard.scanners.infra.kubernetes.objects import Object, objects_of
from mlguard.scanners.infra.resources import Path, Position, Resource, Unknown, nearest, reference
from mlguard.scanners.infra.treeedits import mapping, sequence
from mlguard.scanners.infra.yamltree import Tree, parse

MAX_MANIFEST = 1_000_000
"""Characters of a manifest inside an attribute."""

MAX_DEPTH = 30
"""Blocks inside each other."""

_VERSION = lazy.pattern(r"_v\d+(?:(?:alpha|beta)\d+)?$")
_API = {
    "deployment": "apps/v1", "stateful_set": "apps/v1", "daemonset": "apps/v1", "daemon_set": "apps/v1", "replica_set": "apps/v1",
    "job": "batch/v1", "cron_job": "batch/v1", "pod": "v1", "service": "v1", "namespace": "v1", "config_map": "v1",
    "secret": "v1", "service_account": "v1", "persistent_volume_claim": "v1", "persistent_volume": "v1", "limit_range": "v1",
    "resource_quota": "v1", "replication_controller": "v1", "ingress": "networking.k8s.io/v1",
    "network_policy": "networking.k8s.io/v1", "role": "rbac.authorization.k8s.io/v1",
    "cluster_role": "rbac.authorization.k8s.io/v1", "role_binding": "rbac.authorization.k8s.io/v1",
    "cluster_role_binding": "rbac.authorization.k8s.io/v1", "horizontal_pod_autoscaler": "autoscaling/v2",
    "pod_disruption_budget": "policy/v1", "storage_class": "storage.k8s.io/v1",
}  # fmt: skip
_KINDS = {"daemonset": "DaemonSet"}
_MAPS = frozenset(
    {"labels", "annotations", "match_labels", "node_selector", "limits", "requests", "data", "string_data", "binary_data", "parameters", "volume_attributes", "hard"}
)  # fmt: skip
"""Attributes whose keys are the user's own."""

_PLURALS = {
    "container": "containers", "init_container": "initContainers", "volume": "volumes", "volume_mount": "volumeMounts",
    "port": "ports", "toleration": "tolerations", "rule": "rules", "subject": "subjects", "path": "paths",
    "topology_spread_constraint": "topologySpreadConstraints", "volume_claim_template": "volumeClaimTemplates",
    "metric": "metrics", "item": "items", "items": "items", "sources": "sources", "host_aliases": "hostAliases", "env": "env", "env_from": "envFrom",
    "from": "from", "to": "to", "tls": "tls", "image_pull_secrets": "imagePullSecrets", "match_expressions": "matchExpressions",
    "volume_device": "volumeDevices", "limit": "limits", "sysctl": "sysctls", "readiness_gate": "readinessGates", "secret_refs": "secrets",
}  # fmt: skip
"""Blocks that stand for the elements of a list, and what the list is called in a manifest."""

_LISTS_IN: dict[str, frozenset[str]] = {"ingress": frozenset({"spec"}), "egress": frozenset({"spec"})}
"""Blocks that are lists below these blocks only: a network policy's rules."""

_LEFT_OUT = frozenset({"timeouts", "wait_for_completion", "wait_for_rollout", "effective_tags", "effective_region", "id", "depends_on"})  # fmt: skip
_NUMBERS = frozenset({"run_as_user", "run_as_group", "fs_group"})


def objects(resources: Sequence[Resource]) -> list[Object]:
    """Return the objects that resources of the provider stand for."""
    found: list[Object] = []
    for resource in resources:
        if resource.kind.startswith(("kubernetes_", "kubectl_manifest")):
            for tree in _trees(resource):
                found += [
                    replace(one, name=one.name or resource.name)
                    for one in objects_of(tree, resource.path, resource.format)
                ]
    return found


def _trees(resource: Resource) -> Iterator[Tree]:
    """Yield the manifests that a resource of the provider, or of the one called kubectl, stands for."""
    if resource.kind == "kubectl_manifest":
        yield from _written_out(resource)
    else:
        tree = _manifest(resource) if resource.kind == "kubernetes_manifest" else _object(resource)
        if tree is not None:
            yield tree


def _written_out(resource: Resource) -> Iterator[Tree]:
    """Yield the documents of a manifest that is a text; the lines are those of the heredoc where it is one."""
    text, at = resource.attributes.get("yaml_body"), _at(resource, ("yaml_body",))
    if not isinstance(text, str) or len(text) > MAX_MANIFEST:
        return
    try:
        documents = parse(text)
    except Unreadable:
        return
    first = at.line if at.end_line - at.line > text.rstrip().count("\n") else 0

    def moved(tree: Tree) -> Tree:
        place = replace(at, line=first + tree.at.line, column=1, end_line=0, end_column=0) if first else at
        if isinstance(tree.children, Mapping):
            children: Any = {key: moved(child) for key, child in tree.children.items()}
        else:
            children = tuple(map(moved, tree.children))
        return replace(tree, at=place, value_at=None, children=children)

    yield from map(moved, documents.trees)


def _manifest(resource: Resource) -> Tree | None:
    value = resource.attributes.get("manifest")
    if not isinstance(value, Mapping):
        return None
    return replace(_plain(resource, ("manifest",), value, 0), at=_at(resource, ()))


def _object(resource: Resource) -> Tree | None:
    name = _VERSION.sub("", resource.kind.removeprefix("kubernetes_"))
    api = _API.get(name)
    if api is None:
        return None
    head = _at(resource, ())
    kind = _KINDS.get(name, "".join(part.capitalize() for part in name.split("_")))
    children = {"apiVersion": _leaf(api, head), "kind": _leaf(kind, head)}
    children |= dict(_children(resource, (), resource.attributes, "", 0))
    return mapping(children, head)


def _children(
    resource: Resource, path: Path, value: Mapping[str, Any], above: str, depth: int
) -> Iterator[tuple[str, Tree]]:
    """Yield what a block holds, under the names of a manifest."""
    for name, item in value.items():
        if (not path and name in _LEFT_OUT) or item is None:
            continue
        where = (*path, name)
        if name in _MAPS and not (
            isinstance(item, list) and item and isinstance(item[0], Mapping) and name == "limits"
        ):
            yield _camel(name), _plain(resource, where, _only(item), depth + 1)
        elif isinstance(item, list) and any(isinstance(one, (Mapping, Unknown)) for one in item):
            yield from _blocks(resource, where, name, item, above, depth)
        else:
            yield _camel(name), _plain(resource, where, _number(name, item), depth + 1)


def _blocks(
    resource: Resource, path: Path, name: str, blocks: Sequence[Any], above: str, depth: int
) -> Iterator[tuple[str, Tree]]:
    is_list = name in _PLURALS and not (name == "port" and above in ("http_get", "tcp_socket", "grpc", "service"))
    is_list = is_list or above in _LISTS_IN.get(name, ()) or (name == "rule" and above == "spec")
    if depth > MAX_DEPTH:
        return
    trees = [
        mapping(dict(_children(resource, (*path, index), one, name, depth + 1)), _at(resource, (*path, index)))
        for index, one in enumerate(blocks)
        if isinstance(one, Mapping)
    ]
    if is_list:
        yield _PLURALS.get(name, _camel(name)), sequence(trees, _at(resource, path))
    elif trees:
        yield _camel(name), trees[0]


def _only(value: Any) -> Any:
    """Return the one mapping of a block that is written as such."""
    return value[0] if isinstance(value, list) and len(value) == 1 and isinstance(value[0], Mapping) else value


def _number(name: str, value: Any) -> Any:
    return int(value) if name in _NUMBERS and isinstance(value, str) and value.isdigit() else value


def _plain(resource: Resource, path: Path, value: Any, depth: int) -> Tree:
    """Return a value as it is, with the places that the resource knows; what is not known is a reference."""
    at = _at(resource, path)
    if depth > MAX_DEPTH:
        return _leaf(None, at)
    if isinstance(value, Mapping):
        return mapping({str(key): _plain(resource, (*path, key), item, depth + 1) for key, item in value.items()}, at)
    if isinstance(value, (list, tuple)):
        return sequence([_plain(resource, (*path, index), item, depth + 1) for index, item in enumerate(value)], at)
    return _leaf(reference(value.reason) if isinstance(value, Unknown) else value, at)


def _leaf(value: Any, at: Position) -> Tree:
    return Tree(value, at, (), False, at)


def _at(resource: Resource, path: Path) -> Position:
    found = nearest(resource.positions, path)
    return found if found.path else replace(found, path=resource.path)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    special = {"host_ip": "hostIP", "cluster_ip": "clusterIP", "host_pid": "hostPID", "host_ipc": "hostIPC", "external_ips": "externalIPs", "pod_cidr": "podCIDR", "load_balancer_ip": "loadBalancerIP", "api_group": "apiGroup", "api_groups": "apiGroups"}  # fmt: skip
    return special.get(name, first + "".join(part.capitalize() for part in rest))
