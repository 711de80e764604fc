"""Kubernetes manifests as objects, pod templates and containers, joined with what selects and exposes them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from mlguard import facts
from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.findings import Gap
from mlguard.scanners import Context, decode, read_bytes
from mlguard.scanners.infra.conditions import selects
from mlguard.scanners.infra.docker import floating
from mlguard.scanners.infra.operators import image_parts
from mlguard.scanners.infra.resources import Path, Position, Resource, Unknown, reference
from mlguard.scanners.infra.services import open_services, serves_model
from mlguard.scanners.infra.yamltree import MAX_BYTES, Tree, parse

MAX_CONTAINERS = 20_000
"""Containers of one group of files."""

_HELM = re.compile(
    r"\{\{-?\s*(?:if|else|end|range|with|define|template|include|toYaml|block|tpl|printf|/\*|\$|\.(?:Values|Release|Chart|Capabilities|Files|Template)\b)|\{%"
)
_OPEN = re.compile(r"\{\{.*?\}\}|\$\{[^}]*\}|\$\([A-Za-z_]\w*\)|<[A-Za-z_ -]+>")
_CONTAINER_LISTS = {
    "containers": "container",
    "initContainers": "init",
    "ephemeralContainers": "ephemeral",
    "sidecars": "container",
}
_SINGLE = ("container", "script")
_NO_WORKLOADS = frozenset(
    {"apiextensions.k8s.io", "kyverno.io", "templates.gatekeeper.sh", "constraints.gatekeeper.sh", "mutations.gatekeeper.sh", "admissionregistration.k8s.io", "kustomize.config.k8s.io", "policy.open-cluster-management.io"}
)  # fmt: skip
"""Groups whose objects hold schemas and patterns, not workloads."""

_CLUSTER_KINDS = frozenset(
    {
        "Namespace",
        "ClusterRole",
        "ClusterRoleBinding",
        "PersistentVolume",
        "StorageClass",
        "Node",
        "CustomResourceDefinition",
        "PriorityClass",
        "GatewayClass",
        "IngressClass",
    }
)
_LONG_RUNNING = frozenset({"Deployment", "StatefulSet", "Rollout", "ReplicaSet", "DeploymentConfig"})
_SERVING_KINDS = frozenset(
    {
        "InferenceService",
        "SeldonDeployment",
        "RayService",
        "InferenceGraph",
        "LLMInferenceService",
        "ServingRuntime",
        "BentoDeployment",
        "TrainedModel",
    }
)
_PATCH_NAME = re.compile(r"(?i)(?:^|[/_.-])(?:patch(?:es)?|overlays?|components)(?:[/_.-]|$)")


@dataclass(slots=True)
class _Object:
    """One object of a manifest."""

    path: str
    tree: Tree
    kind: str
    group: str
    name: str
    namespace: str
    fragment: bool = False
    pods: list[_Pod] = field(default_factory=list)

    @property
    def address(self) -> str:
        scope = "" if self.kind in _CLUSTER_KINDS else f"{self.namespace or 'default'}/"
        return f"{self.kind}/{scope}{self.name}"

    @property
    def value(self) -> dict[str, Any]:
        value: dict[str, Any] = self.tree.value
        return value

    def at(self, *path: str | int) -> Any:
        """Return the plain value at a path, or None."""
        node = self.tree.get(*path)
        return None if node is None else node.value


@dataclass(slots=True)
class _Pod:
    """A pod specification somewhere in an object, with the labels its pods will carry."""

    path: Path
    spec: Tree
    labels: Mapping[str, Any]
    annotations: Mapping[str, Any]
    containers: list[tuple[str, Tree]]
    managed: bool  # a controller adds probes and scaling by itself


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all containers of a pod have in common."""

    spec: Tree
    exposure: list[str]
    serving: bool
    reached: bool


def read(artifacts: Sequence[Artifact], context: Context) -> Iterator[Resource | facts.Fact | Gap]:
    """Yield objects, pod templates and containers of all manifests, and the deployments and grants among them."""
    objects: list[_Object] = []
    charts = {
        str(PurePosixPath(a.path).parent)
        for a in artifacts
        if PurePosixPath(a.path).name in ("Chart.yaml", "Chart.yml")
    }
    for artifact in sorted(artifacts, key=lambda one: one.path):
        try:
            for found in _load(artifact, context, charts):
                if isinstance(found, Gap):
                    yield found
                else:
                    objects.append(found)
        except Unreadable as error:
            yield Gap("infra", artifact.path, "unreadable", str(error))
    yield from _Cluster(objects, context.hook).records()


def _load(artifact: Artifact, context: Context, charts: set[str]) -> Iterator[_Object | Gap]:
    data = read_bytes(context, artifact.path, MAX_BYTES)
    if b"apiVersion" not in data and data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return
    text = decode(data)
    folders = [str(folder) for folder in PurePosixPath(artifact.path).parents]
    chart = any(folder in charts for folder in folders) and "/templates/" in f"/{artifact.path}"
    skipped = Gap(
        "infra", artifact.path, "skipped", "Helm and other templates are not evaluated in this version",
        "render the chart (helm template) and scan the result",
    )  # fmt: skip
    if ("{{" in text or "{%" in text) and (chart or _HELM.search(_without_text(text))):
        yield skipped
        return
    try:
        documents = parse(_without_schemas(text))
    except Unreadable:
        if "{{" in text:
            yield skipped
            return
        if artifact.kind != "kubernetes":
            return  # nothing says that this was meant to be a manifest
        raise
    if any(tree.templated for tree in documents.trees):
        yield skipped
        return
    if documents.broken:
        yield Gap("infra", artifact.path, "unreadable", documents.broken)
    found = [one for tree in documents.trees for one in _objects(artifact.path, tree, 0)]
    if found:
        for line in documents.duplicates[:20]:
            yield Gap(
                "infra",
                artifact.path,
                "unresolved",
                f"line {line}: a key stands twice in one mapping, and only the last one counts",
            )
    yield from found


_SCHEMA = re.compile(r"(?m)^kind:[ \t]*[\"']?CustomResourceDefinition\b")


def _without_schemas(text: str) -> str:
    """Return the text with definitions of resource types blanked: long schemas that no rule looks at. Lines keep their numbers."""
    if not _SCHEMA.search(text):
        return text
    parts = re.split(r"(?m)^(---.*)$", text)
    return "".join("\n" * part.count("\n") if _SCHEMA.search(part) else part for part in parts)


_QUOTED = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|`[^`\n]*`")


def _without_text(text: str) -> str:
    """Return the text without quoted strings, comments and the body of block scalars, which may hold foreign templates."""
    kept: list[str] = []
    block = -1
    for line in text.split("\n"):
        indent = len(line) - len(line.lstrip())
        if block >= 0 and line.strip() and indent <= block:
            block = -1
        if block >= 0 and not line.lstrip().startswith(("{{-", "{%")):
            continue
        if re.search(r"[:\-]\s+[|>][-+0-9]*\s*(?:#.*)?$", line):
            block = indent
        quoted = _QUOTED.findall(line)
        kept += [one for one in quoted if re.search(r"\{\{-?\s*(?:\.(?:Values|Release|Chart)\b|include|tpl)", one)]
        kept.append(_QUOTED.sub("", line).split(" #", 1)[0])
    return "\n".join(kept)


def _objects(path: str, tree: Tree, depth: int) -> Iterator[_Object]:
    value = tree.value
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str) or depth > 3:
        return
    api = value.get("apiVersion")
    items = tree.get("items")
    if value["kind"].endswith("List") and items is not None and isinstance(items.value, list):
        for _, item in items.items():
            yield from _objects(path, item, depth + 1)
        return
    if not isinstance(api, str):
        return
    metadata = value.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name = metadata.get("name") or metadata.get("generateName") or ""
    namespace = metadata.get("namespace") or ""
    group = api.rpartition("/")[0] if "/" in api else ""
    yield _Object(path, tree, value["kind"], group, _plain(name), _plain(namespace))


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None or isinstance(value, (dict, list)) else str(value)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


# Pod specifications by shape


def _pods(one: _Object) -> Iterator[_Pod]:
    if one.group in _NO_WORKLOADS:
        return
    metadata = _mapping(one.at("metadata"))
    yield from _find_pods(
        one.tree, (), metadata, one.group in ("serving.kserve.io", "serving.knative.dev", "machinelearning.seldon.io")
    )


def _find_pods(tree: Tree, path: Path, metadata: Mapping[str, Any], managed: bool) -> Iterator[_Pod]:
    if not tree.children or (path and path[-1] in ("openAPIV3Schema", "data", "stringData", "annotations", "labels")):
        return
    if isinstance(tree.children, Mapping):
        own = tree.value.get("metadata")
        if isinstance(own, dict) and path:
            metadata = own
        containers = list(_containers(tree))
        if containers:
            labels, notes = _mapping(metadata.get("labels")), _mapping(metadata.get("annotations"))
            yield _Pod(path, tree, labels, notes, containers, managed)
    for key, child in tree.items():
        if key not in _CONTAINER_LISTS:
            yield from _find_pods(child, (*path, key), metadata, managed)


def _containers(spec: Tree) -> Iterator[tuple[str, Tree]]:
    for key, role in _CONTAINER_LISTS.items():
        node = spec.get(key)
        if node is not None and isinstance(node.value, list):
            for _, item in node.items():
                if isinstance(item.value, dict) and ("image" in item.value or "name" in item.value):
                    yield role, item
    for key in _SINGLE:
        node = spec.get(key)
        if node is not None and isinstance(node.value, dict) and "image" in node.value:
            yield "container", node


def _overlay(base: Tree, patch: Tree, path: str) -> Tree:
    """Return ``base`` with what only ``patch`` says added, at its place in the file ``path``."""
    if not isinstance(base.children, Mapping) or not isinstance(patch.children, Mapping):
        return base
    children = dict(base.children)
    value = dict(base.value)
    for key, child in patch.children.items():
        if key.startswith("$"):
            continue
        children[key] = _overlay(children[key], child, path) if key in children else _moved(child, path)
        value[key] = children[key].value
    return replace(base, value=value, children=children)


def _moved(tree: Tree, path: str) -> Tree:
    children: Any = (
        {key: _moved(child, path) for key, child in tree.children.items()}
        if isinstance(tree.children, Mapping)
        else tuple(_moved(child, path) for child in tree.children)
    )
    return replace(tree, at=replace(tree.at, path=path), children=children)


# All objects together


class _Cluster:
    """The objects of one group of files, with the joins between them."""

    def __init__(self, objects: list[_Object], alone: bool = False) -> None:
        self.objects = objects
        self.alone = alone  # only changed files are here, so a kustomization may be missing
        self.by_kind: dict[str, list[_Object]] = defaultdict(list)
        for one in objects:
            self.by_kind[one.kind].append(one)
        self.images = self._kustomize_images()
        self._mark_fragments()
        self.patches: dict[tuple[str, str], list[_Object]] = defaultdict(list)
        for one in objects:
            one.pods = list(_pods(one))
            if (
                not one.fragment
                and one.pods
                and not any("image" in c.value for pod in one.pods for _, c in pod.containers)
            ):
                one.fragment = one.kind in _LONG_RUNNING | {"DaemonSet", "Pod", "Job", "CronJob"}
            if one.fragment:
                self.patches[one.kind, one.name].append(one)
        self.services = self._services()
        self.routes = self._routes()
        self.scaled = self._scaled()

    def _kustomize_images(self) -> dict[str, str]:
        """Return what kustomizations put in place of image names."""
        found = {}
        for one in self.by_kind["Kustomization"]:
            for entry in map(_mapping, _list(one.at("images"))):
                name = _plain(entry.get("name"))
                new = _plain(entry.get("newName")) or name
                tag, digest = _plain(entry.get("newTag")), _plain(entry.get("digest"))
                if name:
                    found[name] = new + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
        return found

    def _mark_fragments(self) -> None:
        """Mark the patches of kustomizations: they lack nothing, because the base has it."""
        patched: set[str] = set()
        for one in self.by_kind["Kustomization"]:
            folder = PurePosixPath(one.path).parent
            names = [item for item in _list(one.at("patchesStrategicMerge")) if isinstance(item, str)]
            for key in ("patches", "patchesJson6902"):
                names += [_plain(_mapping(item).get("path")) for item in _list(one.at(key))]
            patched |= {_joined(folder, name) for name in names if name and "\n" not in name}
        for one in self.objects:
            headless = one.kind in _LONG_RUNNING and one.at("spec", "selector") is None
            named = headless and (self.alone or _PATCH_NAME.search(one.path) is not None)
            one.fragment = one.path in patched or named

    # Joins

    def _services(self) -> list[_Object]:
        return [
            one
            for one in self.by_kind["Service"]
            if one.group in ("", "v1") and isinstance(one.at("spec", "selector"), dict)
        ]

    def _routes(self) -> dict[str, list[tuple[_Object, bool]]]:
        """Return who leads traffic from outside to each service, and whether it asks who is calling."""
        found: dict[str, list[tuple[_Object, bool]]] = defaultdict(list)
        for kind in ("Ingress", "HTTPRoute", "GRPCRoute", "VirtualService", "Route", "IngressRoute"):
            for one in self.by_kind[kind]:
                asks = _asks(_mapping(one.at("metadata", "annotations")), one.value)
                for name in sorted(_service_names(one.value.get("spec"), 0)):
                    found[name].append((one, asks))
        return found

    def _scaled(self) -> set[tuple[str, str]]:
        """Return kind and name of what an autoscaler targets."""
        targets = [
            _mapping(one.at("spec", "scaleTargetRef"))
            for kind in ("HorizontalPodAutoscaler", "ScaledObject", "MultidimPodAutoscaler")
            for one in self.by_kind[kind]
        ]
        return {(_plain(target.get("kind")) or "Deployment", _plain(target.get("name"))) for target in targets}

    def exposure(self, one: _Object, pod: _Pod) -> list[str]:
        """Return how pods are reached from outside without anything that asks who is calling."""
        if self._guarded(one, pod):
            return []
        found = []
        for service in self.services:
            if not _same_namespace(service, one) or selects(service.at("spec", "selector"), pod.labels) is not True:
                continue
            kind = service.at("spec", "type")
            if kind == "LoadBalancer" and not _internal(service):
                found.append("a LoadBalancer")
            elif kind == "NodePort":
                found.append("a NodePort")
            for route, asks in self.routes.get(service.name, ()):
                if not asks and _same_namespace(route, one):
                    found.append(f"the {route.kind} {route.name}")
        if "headGroupSpec" in pod.path:
            head = _ray_head(one)
            if head.get("serviceType") in ("LoadBalancer", "NodePort"):
                found.append(f"a {head['serviceType']}")
            if head.get("enableIngress") is True:
                found.append("an Ingress")
        return list(dict.fromkeys(found))

    def _guarded(self, one: _Object, pod: _Pod) -> bool:
        """Say whether a proxy in the pod or a policy of the mesh asks who is calling."""
        if any(
            re.search(
                r"oauth2?-?proxy|kube-rbac-proxy|openid|oidc|pomerium|authelia|authproxy", _plain(c.value.get("image"))
            )
            for _, c in pod.containers
        ):
            return True
        for kind in ("AuthorizationPolicy", "RequestAuthentication", "SecurityPolicy", "AuthPolicy"):
            for policy in self.by_kind[kind]:
                selector = policy.at("spec", "selector")
                if _same_namespace(policy, one) and (selector is None or selects(selector, pod.labels) is True):
                    return True
        return False

    # Records

    def records(self) -> Iterator[Resource | facts.Fact | Gap]:
        number = 0
        for one in self.objects:
            yield self._object(one)
            for index, pod in enumerate(one.pods):
                shared = self._shared(one, pod)
                yield self._template(one, pod, index, shared)
                for role, container in pod.containers:
                    number += 1
                    if number > MAX_CONTAINERS:
                        yield Gap(
                            "infra",
                            one.path,
                            "too-large",
                            f"more than {MAX_CONTAINERS} containers in one group of files",
                        )
                        return
                    yield from self._container(one, pod, role, container, shared)
            yield from self._grants(one)
        yield from self._namespaces()

    def _object(self, one: _Object) -> Resource:
        attributes: dict[str, Any] = {**one.value, "group": one.group, "fragment": one.fragment}
        positions = one.tree.positions()
        if one.kind in ("Ingress", "Gateway", "Route"):
            attributes["plain_text"] = _plain_text(one, positions)
        elif one.kind == "NetworkPolicy":
            attributes["allows_all"] = _allows_all(one, positions)
        elif one.kind in ("ConfigMap",):
            attributes = {key: value for key, value in attributes.items() if key not in ("data", "binaryData")}
            attributes["written_out"] = _literal_data(one, positions)
        elif one.kind == "Namespace":
            attributes["quota"] = any(
                q.namespace in (one.name, "") for kind in ("ResourceQuota", "LimitRange") for q in self.by_kind[kind]
            )
        elif one.kind in ("Role", "ClusterRole"):
            attributes["reads_secrets"] = _reads_secrets(one, positions)
        elif one.kind == "Secret":
            attributes = {key: value for key, value in attributes.items() if key not in ("data", "stringData")}
        labels = {**_mapping(one.at("metadata", "annotations")), **_mapping(one.at("metadata", "labels"))}
        data_class = next((_plain(labels[key]) for key in sorted(labels) if re.search(r"(?i)data-?class", key)), "")
        return Resource(
            one.kind,
            one.name,
            one.address,
            one.path,
            attributes,
            positions,
            ("k8s.object",),
            {},
            one.namespace,
            data_class,
        )

    def _shared(self, one: _Object, pod: _Pod) -> _Shared:
        return _Shared(
            self._patched(one, pod), self.exposure(one, pod), self._serves(one, pod), self._reached(one, pod)
        )

    def _template(self, one: _Object, pod: _Pod, index: int, shared: _Shared) -> Resource:
        spec = shared.spec
        raw = {key: value for key, value in spec.value.items() if key not in _CONTAINER_LISTS and key not in _SINGLE}
        complete = not one.fragment and any("image" in container.value for _, container in pod.containers)
        attributes: dict[str, Any] = {
            **raw,
            "labels": dict(pod.labels),
            "workload_kind": one.kind,
            "serving": shared.serving,
            "autoscaled": (one.kind, one.name) in self.scaled
            or pod.managed
            or "autoscaling.knative.dev" in " ".join(pod.annotations),
            "images": [_plain(container.value.get("image")) for _, container in pod.containers],
            "host_paths": _host_paths(spec),
            "rollout": _rollout(one),
        }
        positions = {
            path: at
            for path, at in spec.positions().items()
            if not path or path[0] not in (*_CONTAINER_LISTS, *_SINGLE)
        }
        head = one.tree.at if len(one.pods) == 1 else spec.at
        positions[()] = head
        for number, _ in enumerate(attributes["host_paths"]):
            at = _host_path_positions(spec)[number]
            positions[("host_paths", number)] = positions[("host_paths", number, "path")] = at
        strategy = one.tree.get("spec", "strategy", "type") or one.tree.get("spec", "revisionHistoryLimit")
        if strategy is not None:
            positions[("rollout",)] = strategy.at
        replicas = one.tree.get("spec", "replicas")
        if replicas is not None:
            positions[("autoscaled",)] = replicas.at
        address = f"{one.address}/pod" + (f"[{index}]" if len(one.pods) > 1 else "")
        classes = ("k8s.any_pod_template", "derived", *(("k8s.pod_template",) if complete else ()))
        return Resource(
            "k8s.pod_template", one.name, address, one.path, attributes, positions, classes, {}, one.namespace
        )

    def _patched(self, one: _Object, pod: _Pod) -> Tree:
        spec = pod.spec
        for patch in self.patches.get((one.kind, one.name), ()):
            for other in patch.pods:
                if other.path == pod.path and not one.fragment:
                    spec = _overlay(spec, other.spec, patch.path)
        return spec

    def _serves(self, one: _Object, pod: _Pod) -> bool:
        if one.kind in _SERVING_KINDS:
            return True
        if one.kind not in _LONG_RUNNING and one.group != "serving.knative.dev":
            return False
        main = [container for role, container in pod.containers if role == "container"]
        return serves_model(
            [one.name, *(_plain(container.value.get("name")) for container in main)],
            [_plain(container.value.get("image")) for container in main],
            [" ".join(_argv(container)[0]) for container in main],
            [name for container in main for name in _variables(container)],
        )

    def _container(
        self, one: _Object, pod: _Pod, role: str, container: Tree, shared: _Shared
    ) -> Iterator[Resource | facts.Fact]:
        name = _plain(container.value.get("name")) or role
        for patch in () if one.fragment else self.patches.get((one.kind, one.name), ()):
            for other in patch.pods:
                for _, changed in other.containers if other.path == pod.path else ():
                    if changed.value.get("name") == name:
                        container = _overlay(container, changed, patch.path)
        built = _Container(one, pod, shared.spec, role, container, self.images)
        built.finish(shared.exposure, shared.serving, shared.reached, bool(self.by_kind["LimitRange"]))
        complete = not one.fragment and "image" in container.value
        classes = ("container", "derived", *(("k8s.container",) if complete else ()))
        address = f"{one.address}/{'/'.join(map(str, pod.path[:-1])) + '/' if len(one.pods) > 1 else ''}{name}"
        yield Resource(
            "k8s.container", name, address, one.path, built.attributes, built.positions, classes, {}, one.namespace
        )
        if complete and role == "container":
            image = built.attributes["image"]
            yield facts.Deployment(
                one.address,
                image if isinstance(image, str) and "\ue000" not in image else "",
                one.path,
                container.at.line,
                one.namespace,
            )

    def _reached(self, one: _Object, pod: _Pod) -> bool:
        return any(
            _same_namespace(s, one) and selects(s.at("spec", "selector"), pod.labels) is True for s in self.services
        )

    def _grants(self, one: _Object) -> Iterator[facts.Fact]:
        """Yield who may do what by a binding whose role is in the same files."""
        if one.kind not in ("RoleBinding", "ClusterRoleBinding"):
            return
        role = _mapping(one.value.get("roleRef"))
        rules = [
            rule
            for other in self.by_kind[_plain(role.get("kind"))]
            if other.name == role.get("name") and (other.kind == "ClusterRole" or _same_namespace(other, one))
            for rule in map(_mapping, _list(other.at("rules")))
        ]
        if not rules and _plain(role.get("name")) in ("cluster-admin", "admin", "edit", "view"):
            rules = [{"verbs": ["*" if role["name"] != "view" else "get"], "resources": ["*"]}]
        subjects = one.tree.get("subjects")
        for _, node in subjects.items() if subjects is not None else ():
            subject = _mapping(node.value)
            place = _plain(subject.get("namespace")) or (
                one.namespace if subject.get("kind") == "ServiceAccount" else ""
            )
            principal = f"{_plain(subject.get('kind'))}:{place + '/' if place else ''}{_plain(subject.get('name'))}"
            for rule in rules:
                verbs, resources = (tuple(sorted(map(_plain, _list(rule.get(key))))) for key in ("verbs", "resources"))
                yield facts.Grant(principal, verbs, resources, one.path, node.at.line, one.address)

    def _namespaces(self) -> Iterator[Resource]:
        """Yield each namespace that workloads run in, with whether a network policy stands in it."""
        first: dict[str, _Object] = {}
        for one in self.objects:
            if (
                one.pods
                and one.namespace not in ("kube-system", "kube-public", "kube-node-lease")
                and not one.fragment
                and one.kind not in ("Job", "CronJob", "Workflow", "WorkflowTemplate", "CronWorkflow", "PodTemplate")
            ):
                first.setdefault(one.namespace, one)
        policies = [
            policy
            for kind in (
                "NetworkPolicy",
                "CiliumNetworkPolicy",
                "CiliumClusterwideNetworkPolicy",
                "GlobalNetworkPolicy",
                "AdminNetworkPolicy",
                "BaselineAdminNetworkPolicy",
            )
            for policy in self.by_kind[kind]
        ]
        for name, one in sorted(first.items()):
            head = next((space for space in self.by_kind["Namespace"] if space.name == name), one)
            held = [
                p
                for p in policies
                if "Network" in p.kind
                and (p.namespace in (name, "") or not name or p.kind != "NetworkPolicy" and "Cluster" in p.kind)
            ]
            attributes = {"workload": one.address, "policies": len(held), "protected": bool(held)}
            yield Resource(
                "k8s.namespace",
                name or "default",
                f"namespace/{name or 'default'}",
                head.path,
                attributes,
                {(): head.tree.at},
                ("derived",),
                {},
                name,
            )


def _joined(folder: PurePosixPath, name: str) -> str:
    parts: list[str] = []
    for part in (folder / name).parts:
        if part == ".." and parts:
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _same_namespace(first: _Object, second: _Object) -> bool:
    """Say whether two objects stand in one namespace. One that names none is put there by whoever applies it."""
    return not first.namespace or not second.namespace or first.namespace == second.namespace


def _internal(service: _Object) -> bool:
    notes = _mapping(service.at("metadata", "annotations"))
    if any("internal" in key.lower() and _plain(value).lower() not in ("false", "") for key, value in notes.items()):
        return True
    if any("internal" in _plain(value).lower() for key, value in notes.items() if re.search(r"load-?balancer", key)):
        return True
    return bool(service.at("spec", "loadBalancerSourceRanges"))


def _asks(annotations: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
    names = " ".join(annotations)
    if re.search(r"auth-(?:url|type|signin|secret|tls|snippet)|/auth-|oauth|oidc|jwt|iap|router\.middlewares", names):
        return True
    return "middlewares" in str(value.get("spec"))[:20_000] and "auth" in str(value.get("spec"))[:20_000].lower()


def _service_names(value: Any, depth: int) -> set[str]:
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
            found |= {_plain(_mapping(item).get("name")) for item in _list(value.get(key))}
        target = value.get("to")
        if isinstance(target, dict) and target.get("kind") == "Service":
            found.add(_plain(target.get("name")))
        for child in value.values():
            found |= _service_names(child, depth + 1)
    elif isinstance(value, list):
        for child in value:
            found |= _service_names(child, depth + 1)
    return found - {""}


_SECURE_NOTES = re.compile(
    r"certificate-arn|managed-certificates|pre-shared-cert|ssl-passthrough|router\.tls|cert-manager\.io/|route\.openshift\.io/termination|ssl-cert|frontend\.crt|appgw-ssl-certificate"
)


def _plain_text(one: _Object, positions: dict[Path, Position]) -> list[dict[str, str]]:
    """Return what of an Ingress, Gateway or Route is served without TLS, with its place."""
    found: list[dict[str, str]] = []

    def add(what: str, *path: str | int) -> None:
        at: Path = path
        while at and at not in positions:
            at = at[:-1]
        positions[("plain_text", len(found))] = positions[("plain_text", len(found), "what")] = positions[at]
        found.append({"what": what})

    spec = _mapping(one.at("spec"))
    notes = _mapping(one.at("metadata", "annotations"))
    if one.kind == "Ingress":
        tls = [_mapping(entry) for entry in _list(spec.get("tls"))]
        offered = {_plain(host) for entry in tls for host in _list(entry.get("hosts"))}
        secured = any(_SECURE_NOTES.search(key) for key in notes) or "HTTPS" in _plain(
            notes.get("alb.ingress.kubernetes.io/listen-ports")
        )
        if not tls and not secured:
            add("no host has a certificate", "spec", "rules") if spec else add("no host has a certificate")
        elif tls and all(entry.get("hosts") for entry in tls) and not secured:
            for index, rule in enumerate(_list(spec.get("rules"))):
                host = _plain(_mapping(rule).get("host"))
                if host and not any(_covers(name, host) for name in offered):
                    add("a host has no certificate", "spec", "rules", index, "host")
        redirect = "nginx.ingress.kubernetes.io/ssl-redirect"
        if tls and (notes.get(redirect) is False or _plain(notes.get(redirect)).lower() == "false"):
            add("plain requests are not sent on to TLS", "metadata", "annotations", redirect)
    elif one.kind == "Route":
        if one.group == "route.openshift.io" and not spec.get("tls"):
            add("the route has no TLS", "spec")
    elif spec.get("listeners") is not None:
        protocols = [_plain(_mapping(item).get("protocol")) for item in _list(spec.get("listeners"))]
        if protocols and not {"HTTPS", "TLS"}.intersection(protocols) and "HTTP" in protocols:
            add("no listener speaks HTTPS", "spec", "listeners", protocols.index("HTTP"), "protocol")
    else:
        servers = [_mapping(item) for item in _list(spec.get("servers"))]
        protocols = [_plain(_mapping(item.get("port")).get("protocol")) for item in servers]
        if "HTTP" in protocols and not {"HTTPS", "TLS"}.intersection(protocols):
            index = protocols.index("HTTP")
            if _mapping(servers[index].get("tls")).get("httpsRedirect") is not True:
                add("no server speaks HTTPS", "spec", "servers", index, "port", "protocol")
    return found


def _covers(certificate: str, host: str) -> bool:
    return certificate == host or (certificate.startswith("*.") and host.partition(".")[2] == certificate[2:])


def _allows_all(one: _Object, positions: dict[Path, Position]) -> bool:
    """Say whether a network policy lets everyone in on every port."""
    for index, rule in enumerate(_list(one.at("spec", "ingress"))):
        rule = _mapping(rule)
        sources = [_mapping(item) for item in _list(rule.get("from"))]
        wide = not sources or any(
            _mapping(item.get("ipBlock")).get("cidr") in ("0.0.0.0/0", "::/0")
            and not _mapping(item.get("ipBlock")).get("except")
            for item in sources
        )
        if wide and not rule.get("ports"):
            at = positions.get(("spec", "ingress", index), one.tree.at)
            positions[("allows_all",)] = at
            return True
    return False


_WATCHED = frozenset({"get", "list", "watch", "*"})


def _reads_secrets(one: _Object, positions: dict[Path, Position]) -> bool:
    """Say whether a role may read every secret of its namespace or of the cluster."""
    for index, rule in enumerate(_list(one.at("rules"))):
        rule = _mapping(rule)
        resources, verbs = _list(rule.get("resources")), _list(rule.get("verbs"))
        groups = _list(rule.get("apiGroups"))
        if (
            "secrets" in resources
            and _WATCHED.intersection(map(_plain, verbs))
            and not rule.get("resourceNames")
            and (not groups or "" in groups or "*" in groups)
        ):
            at = next(p for p in (("rules", index, "resources"), ("rules", index), ()) if p in positions)
            positions[("reads_secrets",)] = positions[at]
            return True
    return False


# Secrets written out

SECRET_NAME = re.compile(
    r"(?i)(?:^|[_.-])(?:pass(?:word|wd|phrase)?|pwd|secret|token|api_?key|apikey|access_?key|secret_?key|private_?key|credentials?|client_?secret|auth_?token|connection_?string|dsn)(?:$|[_.-](?:value|v\d|\d+|key)?$)"
    r"|(?:password|passwd|secret|apikey|api_key|token)$"
)
_NO_SECRET_NAME = re.compile(
    r"(?i)(?:name|file|path|dir|url|uri|host|id|ref|enabled|required|ttl|expiry|length|type|limit|header|issuer|endpoint|count|timeout|policy|version|max_?tokens?|num_?tokens?|pad_?token|eos_?token|bos_?token|unk_?token)$|tokenizer|tokens$|public|secret_?name|^(?:max|num|pad|eos|bos|stop|mask|sep|cls)_"
)
_NO_SECRET = re.compile(
    r"(?i)^(?:|true|false|yes|no|none|null|nil|n/?a|-|\d{1,4}|<.*>|\*+|x{3,}|\.{3,}|…)$|^\$[({A-Za-z_]|\{\{|^(?:/|\./|file:|https?://[^@\s]*$|arn:|vault:|secret:|ref\+|op://|aws-sm:|gcp-sm:|azurekv:|sm://|projects/)"
    r"|change[-_ ]?me|example|placeholder|dummy|replace|your[-_]|todo|redacted|\bENC\[|^AQICA|^vault\."
)


def secret_literal(name: str, value: Any) -> bool:
    """Say whether a setting with this name holds a credential in plain text."""
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        return False
    if not SECRET_NAME.search(name) or _NO_SECRET_NAME.search(name):
        return False
    return not _NO_SECRET.search(str(value).strip()) and len(str(value).strip()) >= 4


_USER_IN_URL = re.compile(r"(?i)\b[a-z][a-z0-9+.-]*://[^\s/@:$<{]+:(?![$<{*])([^\s/@]{3,})@")


def _literal_data(one: _Object, positions: dict[Path, Position]) -> list[dict[str, str]]:
    """Return the keys of a ConfigMap that hold a credential in plain text; never what they hold."""
    found: list[dict[str, str]] = []
    data = one.tree.get("data")
    for key, node in data.items() if data is not None else ():
        if "\n" not in _plain(node.value) and (
            secret_literal(str(key), node.value) or _USER_IN_URL.search(_plain(node.value))
        ):
            positions[("written_out", len(found))] = node.at
            found.append({"name": str(key)})
    return found


# Pods and containers

_SENSITIVE_HOST_PATHS = re.compile(
    r"^/(?:$|(?:run|var/run)$|(?:etc|root|boot|proc|sys|home|var/lib/kubelet|var/lib/docker|var/lib/containerd|var/lib/etcd|usr|bin|sbin|lib|lib64|var/log)(?:/.*)?$)|(?:docker|containerd|crio|cri-dockerd)\.sock$"
)
_HARMLESS_HOST_PATHS = re.compile(
    r"^/(?:etc/(?:localtime|timezone|ssl/certs|pki|resolv\.conf)|usr/share/zoneinfo|usr/share/ca-certificates|sys/fs/bpf|run/udev|home/kubernetes/|lib/modules|usr/lib/(?:x86_64-linux-gnu/)?lib(?:cuda|nvidia))\b"
)


def _host_path_nodes(spec: Tree) -> Iterator[tuple[str, Position]]:
    volumes = spec.get("volumes")
    for _, volume in volumes.items() if volumes is not None else ():
        node = volume.get("hostPath", "path")
        path = re.sub(r"/+", "/", _plain(node.value)) if node is not None else ""
        path = path.rstrip("/") or ("/" if path else "")
        if node is not None and _SENSITIVE_HOST_PATHS.search(path) and not _HARMLESS_HOST_PATHS.search(path):
            yield path, node.at


def _host_paths(spec: Tree) -> list[dict[str, str]]:
    return [{"path": path} for path, _ in _host_path_nodes(spec)]


def _host_path_positions(spec: Tree) -> list[Position]:
    return [at for _, at in _host_path_nodes(spec)]


def _rollout(one: _Object) -> str:
    """Return how a rollout replaces everything at once or keeps no way back, or ""."""
    if one.kind != "Deployment":
        return ""
    if one.at("spec", "strategy", "type") == "Recreate":
        return "stops every pod before the first new one starts"
    if one.at("spec", "strategy", "rollingUpdate", "maxUnavailable") == "100%":
        return "may stop every pod at once"
    if one.at("spec", "revisionHistoryLimit") == 0:
        return "keeps no earlier revision to go back to"
    return ""


def _ray_head(one: _Object) -> Mapping[str, Any]:
    """Return the head of a Ray cluster, also of one that a service or job of Ray brings with it."""
    ways = (("headGroupSpec",), ("rayClusterConfig", "headGroupSpec"), ("rayClusterSpec", "headGroupSpec"))
    return next((head for way in ways if (head := _mapping(one.at("spec", *way)))), {})


def _ray_command(one: _Object, pod: _Pod) -> list[str]:
    """Return the command with which the operator starts the head of a Ray cluster.

    It opens the dashboard on every address unless told otherwise (KubeRay, SetMissingRayStartParams).
    """
    if "headGroupSpec" not in pod.path or any(
        _mapping(one.at("spec", *way)).get("mode") == "token"
        for way in (("authOptions",), ("rayClusterConfig", "authOptions"))
    ):
        return []
    given = _mapping(_ray_head(one).get("rayStartParams"))
    if _plain(given.get("include-dashboard")).lower() == "false":
        return []
    return ["ray", "start", "--head", f"--dashboard-host={_plain(given.get('dashboard-host')) or '0.0.0.0'}"]


def _variables(container: Tree) -> list[str]:
    env = container.get("env")
    return [_plain(_mapping(item.value).get("name")) for _, item in env.items()] if env is not None else []


def _argv(container: Tree) -> tuple[list[str], list[Position]]:
    words, places = [], []
    for key in ("command", "args"):
        node = container.get(key)
        for _, item in node.items() if node is not None else ():
            words.append(_plain(item.value))
            places.append(item.at)
        if node is not None and isinstance(node.value, str):
            words.append(node.value)
            places.append(node.at)
    return words, places


class _Container:
    """One container with what its pod passes down to it."""

    def __init__(self, one: _Object, pod: _Pod, spec: Tree, role: str, tree: Tree, images: Mapping[str, str]) -> None:
        self.one, self.tree, self.spec = one, tree, spec
        self.positions = tree.positions()
        self.argv, self.argv_at = _argv(tree)
        self.started = _ray_command(one, pod) if role == "container" else []
        self.environment, self.environment_at = self._environment()
        image = self._image(images)
        name, tag, digest = image_parts(_plain(tree.value.get("image")) if not isinstance(image, str) else image)
        raw = {key: value for key, value in tree.value.items() if key not in ("env", "command", "args")}
        registry = (
            name.partition("/")[0]
            if "/" in name and re.search(r"[.:]|^localhost$", name.partition("/")[0])
            else "docker.io"
        )
        open_image = "\ue000" in image
        self.attributes: dict[str, Any] = {
            **raw,
            "image": image,
            "image_name": name,
            "tag": tag,
            "digest": digest,
            "registry": Unknown("the image's name") if open_image else registry,
            "floating": self._floating(image),
            "role": role,
            "workload_kind": one.kind,
            "fragment": one.fragment,
            "managed": pod.managed,
            "format": "kubernetes",
        }
        for key in ("image_name", "tag", "digest", "registry", "floating"):
            if ("image",) in self.positions:
                self.positions[(key,)] = self.positions[("image",)]
        self._security(pod)
        self._literal_secrets()

    def _image(self, images: Mapping[str, str]) -> str:
        image = _plain(self.tree.value.get("image")).strip()
        name = image_parts(image)[0]
        if name in images:
            replaced = images[name]
            image = replaced if image_parts(replaced)[1] or image_parts(replaced)[2] else replaced + image[len(name) :]
        if image and re.fullmatch(r"[A-Z][A-Z0-9_]+", image):
            return reference("the image's name")
        return _OPEN.sub(lambda match: reference("the image's name"), image)

    def _floating(self, image: str) -> Any:
        if not image:
            return False
        if "\ue000" in image:
            tail = image.rpartition("/")[2]
            _, colon, tag = tail.rpartition(":")
            known = "@sha256:" in image or (bool(colon) and "\ue000" not in tag)
            return floating(image) if known else Unknown("the image's name")
        return floating(image)

    def _environment(self) -> tuple[dict[str, Any], dict[str, Position]]:
        """Return the variables by name; one that is taken from elsewhere is a mapping, never a value."""
        values: dict[str, Any] = {}
        places: dict[str, Position] = {}
        env = self.tree.get("env")
        for _, item in env.items() if env is not None else ():
            entry = _mapping(item.value)
            name = _plain(entry.get("name"))
            if name:
                values[name] = _mapping(entry["valueFrom"]) if "valueFrom" in entry else _plain(entry.get("value"))
                node = item.get("value") or item.get("valueFrom") or item
                places[name] = node.at
        return values, places

    def _literal_secrets(self) -> None:
        """List the variables that hold a credential in plain text; never what they hold."""
        found: list[dict[str, str]] = []
        for name, value in self.environment.items():
            if isinstance(value, str) and (secret_literal(name, value) or _USER_IN_URL.search(value)):
                self.positions[("written_out", len(found))] = self.environment_at[name]
                found.append({"name": name})
        self.attributes["written_out"] = found

    def _security(self, pod: _Pod) -> None:
        own, above = self.tree.get("securityContext"), self.spec.get("securityContext")
        effective: dict[str, Any] = {}
        for source in (above, own):
            for key, node in source.items() if source is not None else ():
                if source is above and key in ("fsGroup", "supplementalGroups", "sysctls", "fsGroupChangePolicy"):
                    continue
                effective[str(key)] = node.value
                for path, at in node.positions().items():
                    self.positions[("effective", str(key), *path)] = at
        capabilities = _mapping(effective.get("capabilities"))
        dropped = {_plain(item).upper() for item in _list(capabilities.get("drop"))}
        user, non_root = effective.get("runAsUser"), effective.get("runAsNonRoot")
        windows = (
            _mapping(self.spec.value.get("nodeSelector")).get("kubernetes.io/os") == "windows"
            or _mapping(self.spec.value.get("os")).get("name") == "windows"
        )
        missing = []
        if not (non_root is True or (isinstance(user, int) and user > 0)) and user != 0 and non_root is not False:
            missing.append("a user other than root")
        if "allowPrivilegeEscalation" not in effective:
            missing.append("a ban on gaining rights")
        if not dropped.intersection({"ALL", "CAP_ALL"}):
            missing.append("dropped capabilities")
        if effective.get("readOnlyRootFilesystem") is not True:
            missing.append("a read-only file system")
        if "seccompProfile" not in effective and not any("seccomp" in key for key in pod.annotations):
            missing.append("a system call filter")
        skip = effective.get("privileged") is True or windows
        self.attributes["effective"] = effective
        self.attributes["hardening_missing"] = [] if skip else missing
        self.attributes["capabilities_added"] = [
            _plain(item).upper().removeprefix("CAP_") for item in _list(capabilities.get("add"))
        ]
        for path in [path for path in self.positions if path[:3] == ("effective", "capabilities", "add")]:
            self.positions[("capabilities_added", *path[3:])] = self.positions[path]
        if own is not None:
            self.positions[("hardening_missing",)] = own.at
        self.attributes["runs_as_root"] = (user == 0 and user is not False) or (
            non_root is False and not (isinstance(user, int) and user > 0)
        )
        for key in ("runAsUser", "runAsNonRoot"):
            if ("effective", key) in self.positions and (effective.get(key) == 0 or effective.get(key) is False):
                self.positions[("runs_as_root",)] = self.positions[("effective", key)]

    def finish(self, exposure: list[str], serving: bool, reached: bool, limit_range: bool) -> None:
        """Add what depends on other objects and on the whole pod."""
        value = self.tree.value
        missing = [key for key in ("readinessProbe", "livenessProbe") if not value.get(key)]
        served = self.attributes["role"] == "container" and self.one.kind in _LONG_RUNNING
        asked = (
            served and not self.attributes["managed"] and (bool(value.get("ports")) or serving) and (reached or serving)
        )
        argv = self.argv or self.started
        services = list(open_services(_plain(value.get("image")), argv, self.environment, bool(exposure)))
        for index, service in enumerate(services):
            at = self._service_position(service.argument, service.variable)
            for path in (
                ("open_services", index),
                ("open_services", index, "service"),
                ("open_services", index, "why"),
            ):
                self.positions[path] = at
        self.attributes |= {
            "exposure": exposure,
            "serving": serving,
            "probes_missing": missing if asked else [],
            "resources_missing": [] if limit_range else self._resources_missing(),
            "open_services": [{"service": one.service, "why": one.why} for one in services],
        }
        resources = self.tree.get("resources")
        if resources is not None:
            self.positions[("resources_missing",)] = resources.at

    def _service_position(self, argument: int, variable: str) -> Position:
        if variable:
            return self.environment_at[variable]
        if 0 <= argument < len(self.argv_at):
            return self.argv_at[argument]
        return self.positions.get(("image",), self.tree.at)

    def _resources_missing(self) -> list[str]:
        if self.attributes["role"] != "container" or self.attributes["fragment"]:
            return []
        resources = _mapping(self.tree.value.get("resources"))
        limits, requests = _mapping(resources.get("limits")), _mapping(resources.get("requests"))
        missing = [f"requests.{key}" for key in ("cpu", "memory") if key not in requests and key not in limits]
        if "memory" not in limits:
            missing.append("limits.memory")
        missing += [f"limits.{key}" for key in sorted(map(str, requests)) if key.endswith("/gpu") and key not in limits]
        return missing
