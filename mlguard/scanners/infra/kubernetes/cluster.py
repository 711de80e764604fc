"""All objects that stand together, with the joins between them."""

from __future__ import annotations

from collections import ChainMap, defaultdict
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import PurePosixPath

from mlguard.scanners import lazy
from mlguard.scanners.infra.kubernetes.exposure import asks_who, internal, service_names
from mlguard.scanners.infra.kubernetes.joins import MAX_SELECTING, Named, Selecting
from mlguard.scanners.infra.kubernetes.mesh import permissive
from mlguard.scanners.infra.kubernetes.networks import POLICY_KINDS, directions, selectors_of
from mlguard.scanners.infra.kubernetes.objects import Object, listed, mapping, plain, vague
from mlguard.scanners.infra.kubernetes.places import Places
from mlguard.scanners.infra.kubernetes.pods import (
    LONG_RUNNING,
    SERVING_KINDS,
    Pod,
    argv_of,
    overlay,
    pods_of,
    ray_head,
    variables,
)
from mlguard.scanners.infra.kubernetes.rbac import Accounts
from mlguard.scanners.infra.kubernetes.scaling import Scaling
from mlguard.scanners.infra.services import serves_model
from mlguard.scanners.infra.yamltree import Tree
from mlguard.values import dataclass, replace

PATCH_NAME = lazy.pattern(r"(?i)(?:^|[/_.-])(?:patch(?:es)?|overlays?|components)(?:[/_.-]|$)")
GUARDS = ("AuthorizationPolicy", "RequestAuthentication", "SecurityPolicy", "AuthPolicy", "OIDCPolicy")
ROUTES = (
    "Ingress",
    "HTTPRoute",
    "GRPCRoute",
    "TLSRoute",
    "TCPRoute",
    "VirtualService",
    "Route",
    "IngressRoute",
    "HTTPProxy",
    "Mapping",
)
_PROXY = lazy.pattern(
    r"oauth2?-?proxy|kube-rbac-proxy|openid|oidc|pomerium|authelia|authproxy|oauth-proxy|gatekeeper/gatekeeper"
)
_MESH_ROOT = "istio-system"
_SYSTEM = frozenset({"kube-system", "kube-public", "kube-node-lease"})


@dataclass(frozen=True, slots=True)
class Shared:
    """What all containers of a pod have in common."""

    spec: Tree
    exposure: list[str]
    serving: bool
    services: list[Object]


class Cluster:
    """The objects of one group of files, found by what joins them."""

    def __init__(self, objects: list[Object], alone: bool = False) -> None:
        self.objects = objects
        self.alone = alone  # only changed files are here, so a kustomization may be missing
        self.by_kind: dict[str, list[Object]] = defaultdict(list)
        for one in objects:
            self.by_kind[one.kind].append(one)
        self.named = Named(objects)
        self.images = self._kustomize_images()
        self.places_namespace = any(one.at("namespace") for one in self.by_kind["Kustomization"])
        self._mark_fragments()
        self.patches: dict[tuple[str, str], list[Object]] = defaultdict(list)
        for one in objects:
            one.pods = list(pods_of(one))
            if (
                not one.fragment
                and one.pods
                and not any("image" in c.value for pod in one.pods for _, c in pod.containers)
            ):
                one.fragment = one.kind in LONG_RUNNING | {"DaemonSet", "Pod", "Job", "CronJob"}
            if one.fragment:
                self.patches[one.kind, one.name].append(one)
        self._index()

    def _index(self) -> None:
        kinds = self.by_kind
        plain_services = [one for one in kinds["Service"] if one.group in ("", "v1")]
        self.services = Selecting((one, one.at("spec", "selector")) for one in plain_services)
        self.routes = self._routes()
        self.scaling = Scaling(kinds, self.named)
        self.accounts = Accounts(
            [*kinds["RoleBinding"], *kinds["ClusterRoleBinding"]], self.named, kinds["ClusterRole"]
        )
        guards = [one for kind in GUARDS for one in kinds[kind] if not permissive(one, Places(one.tree))]
        self.guards = Selecting(
            (
                replace(one, namespace="") if one.namespace == _MESH_ROOT else one,
                {} if vague(one.at("spec", "selector")) else mapping(one.at("spec", "selector")),
            )
            for one in guards
        )
        policies = [one for kind in POLICY_KINDS for one in kinds[kind]]
        self._picked: dict[int, str] | None = None
        self.policies = Selecting(entry for one in policies for entry in selectors_of(one))
        self.signed = self._signed()
        self.configuration: dict[str, dict[str, Object]] = defaultdict(dict)
        for one in kinds["ConfigMap"]:
            self.configuration[one.namespace].setdefault(one.name, one)
        self.filled = self._filled()
        self.filled_somewhere: frozenset[str] = frozenset().union(*self.filled.values()) if self.filled else frozenset()
        self.quotas = {one.namespace for kind in ("ResourceQuota", "LimitRange") for one in kinds[kind]}

    def _kustomize_images(self) -> dict[str, str]:
        """Return what kustomizations put in place of image names."""
        found = {}
        for one in self.by_kind["Kustomization"]:
            for entry in map(mapping, listed(one.at("images"))):
                name = plain(entry.get("name"))
                new = plain(entry.get("newName")) or name
                tag, digest = plain(entry.get("newTag")), plain(entry.get("digest"))
                if name:
                    found[name] = new + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
        return found

    def _mark_fragments(self) -> None:
        """Mark the patches of kustomizations: they lack nothing, because the base has it."""
        patched: set[str] = set()
        for one in self.by_kind["Kustomization"]:
            folder = PurePosixPath(one.path).parent
            names = [item for item in listed(one.at("patchesStrategicMerge")) if isinstance(item, str)]
            for key in ("patches", "patchesJson6902"):
                names += [plain(mapping(item).get("path")) for item in listed(one.at(key))]
            patched |= {joined(folder, name) for name in names if name and "\n" not in name}
        for one in self.objects:
            if one.format != "kubernetes":
                continue  # what a chart or an overlay renders is whole
            headless = one.kind in LONG_RUNNING and one.at("spec", "selector") is None
            named = headless and (self.alone or PATCH_NAME.search(one.path) is not None)
            one.fragment = one.path in patched or named

    def _filled(self) -> dict[str, frozenset[str]]:
        """Return what limit ranges give to containers that say nothing, by namespace."""
        found: dict[str, frozenset[str]] = {}
        for one in self.by_kind["LimitRange"]:
            for entry in map(mapping, listed(one.at("spec", "limits"))):
                if entry.get("type") != "Container":
                    continue
                limits, requests = mapping(entry.get("default")), mapping(entry.get("defaultRequest"))
                memory = {"memory"} if "memory" in limits else set()
                both = {"requests"} if {"cpu", "memory"} <= {*limits, *requests} else set()
                found[one.namespace] = found.get(one.namespace, frozenset()) | memory | both
        return found

    def _signed(self) -> bool:
        """Say whether a policy of admission verifies the signatures of images."""
        if any(
            self.by_kind[kind] for kind in ("ClusterImagePolicy", "ImagePolicy", "ImageValidatingPolicy", "TrustPolicy")
        ):
            return True
        policies = [*self.by_kind["ClusterPolicy"], *self.by_kind["Policy"]]
        return any(
            mapping(rule).get("verifyImages")
            for one in policies[:MAX_SELECTING]
            for rule in listed(one.at("spec", "rules"))
        )

    def _routes(self) -> dict[str, dict[str, list[tuple[Object, bool]]]]:
        """Return who leads traffic from outside to each service, by name and namespace, and whether it asks who is calling."""
        found: dict[str, dict[str, list[tuple[Object, bool]]]] = defaultdict(lambda: defaultdict(list))
        for kind in ROUTES:
            for one in self.by_kind[kind]:
                asks = asks_who(mapping(one.at("metadata", "annotations")), one.value)
                for name in sorted(service_names(one.value.get("spec"), 0)):
                    found[name][one.namespace].append((one, asks))
        return found

    def routes_to(self, service: str, near: Object) -> Iterator[Object]:
        """Yield what leads traffic from outside to a service without asking who is calling."""
        places = self.routes.get(service)
        if not places:
            return
        names = (near.namespace, "") if near.namespace else tuple(islice(places, MAX_SELECTING))
        for namespace in dict.fromkeys(names):
            for route, asks in places.get(namespace, ())[:MAX_SELECTING]:
                if not asks:
                    yield route

    # What is asked about one pod

    def exposure(self, one: Object, pod: Pod, services: list[Object]) -> list[str]:
        """Return how pods are reached from outside without anything that asks who is calling."""
        if self.guarded(one, pod):
            return []
        found = []
        for service in services:
            kind = service.at("spec", "type")
            if kind in ("LoadBalancer", "NodePort") and not internal(service):
                found.append(f"a {kind}")
            elif listed(service.at("spec", "externalIPs")):
                found.append("an external address")
        for name in [*(service.name for service in services), *_given_services(one, pod)]:
            found += [f"the {route.kind} {route.name}" for route in self.routes_to(name, one)]
        if "headGroupSpec" in pod.path:
            head = ray_head(one)
            if head.get("serviceType") in ("LoadBalancer", "NodePort"):
                found.append(f"a {head['serviceType']}")
            if head.get("enableIngress") is True:
                found.append("an Ingress")
        return list(dict.fromkeys(found))

    def guarded(self, one: Object, pod: Pod) -> bool:
        """Say whether a proxy in the pod or a policy of the mesh asks who is calling."""
        if any(_PROXY.search(plain(container.value.get("image"))) for _, container in pod.containers):
            return True
        return bool(self.guards.picking(one, pod.labels))

    def isolation(self, one: Object, pod: Pod) -> set[str]:
        """Return the directions in which network policies restrict a pod."""
        return {side for policy in self.policies.picking(one, pod.labels) for side in directions(policy)}

    def picks(self, policy: Object) -> str:
        """Return what a network policy is about: ``models``, ``others``, or ``nothing`` of these files."""
        if self._picked is None:
            self._picked = {}
            for one in self.objects:
                for pod in one.pods:
                    kind = "models" if self._serves(one, pod) or works_with_models(one, pod) else "others"
                    for each in self.policies.picking(one, pod.labels):
                        if self._picked.get(id(each)) != "models":
                            self._picked[id(each)] = kind
        return self._picked.get(id(policy), "nothing")

    def shared(self, one: Object, pod: Pod) -> Shared:
        """Return what all containers of a pod have in common."""
        services = self.services.picking(one, pod.labels) if pod.labels else []
        return Shared(self._patched(one, pod), self.exposure(one, pod, services), self._serves(one, pod), services)

    def config_maps(self, one: Object) -> Mapping[str, Object]:
        """Return the config maps by name that a pod of this object can name."""
        near = self.configuration.get(one.namespace, {})
        if not one.namespace:
            return near
        return ChainMap(near, self.configuration.get("", {}))

    def limit_range(self, one: Object) -> frozenset[str]:
        """Return what limit ranges fill in for the containers of an object."""
        if not one.namespace:
            return self.filled_somewhere
        return self.filled.get(one.namespace, frozenset()) | self.filled.get("", frozenset())

    def _patched(self, one: Object, pod: Pod) -> Tree:
        spec = pod.spec
        for patch in self.patches.get((one.kind, one.name), ())[:MAX_SELECTING]:
            for other in patch.pods:
                if other.path == pod.path and not one.fragment:
                    spec = overlay(spec, other.spec, patch.path)
        return spec

    def patched_container(self, one: Object, pod: Pod, container: Tree, name: str) -> Tree:
        """Return a container with what patches add to it."""
        for patch in () if one.fragment else self.patches.get((one.kind, one.name), ())[:MAX_SELECTING]:
            for other in patch.pods:
                for _, changed in other.containers if other.path == pod.path else ():
                    if changed.value.get("name") == name:
                        container = overlay(container, changed, patch.path)
        return container

    def _serves(self, one: Object, pod: Pod) -> bool:
        if one.kind in SERVING_KINDS:
            return True
        if one.kind not in LONG_RUNNING and one.group != "serving.knative.dev":
            return False
        main = [container for role, container in pod.containers if role == "container"]
        return serves_model(
            [one.name, *(plain(container.value.get("name")) for container in main)],
            [plain(container.value.get("image")) for container in main],
            [" ".join(argv_of(container)[0]) for container in main],
            [name for container in main for name in variables(container)],
        )


_MODEL_KINDS = frozenset(
    {"PyTorchJob", "TFJob", "MPIJob", "XGBoostJob", "JAXJob", "PaddleJob", "TrainJob", "RayJob", "RayCluster", "Notebook", "SparkApplication", "Workflow",
     "CronWorkflow", "WorkflowTemplate", "LeaderWorkerSet"}
)  # fmt: skip
_MODEL_WORDS = lazy.pattern(
    r"(?i)(?:^|[^a-z])(?:train(?:er|ing)?|fine-?tun\w*|infer\w*|predict\w*|scor(?:er|ing)|models?|llm|ml|mlflow|jupyter|notebooks?|embed\w*|features?|ray|torch|tensorflow|gpu|cuda)(?:[^a-z]|$)"
)


def works_with_models(one: Object, pod: Pod) -> bool:
    """Say whether the pods train models or answer with them, as far as kind, names and images tell."""
    if one.kind in _MODEL_KINDS:
        return True
    texts = [
        one.name,
        one.namespace,
        *(plain(container.value.get(key)) for _, container in pod.containers for key in ("name", "image")),
    ]
    return any(_MODEL_WORDS.search(text.partition("@")[0]) for text in texts)


def _given_services(one: Object, pod: Pod) -> list[str]:
    """Return the services that an operator makes for the pods of an object."""
    match one.kind:
        case "RayCluster" | "RayService" | "RayJob":
            return [f"{one.name}-head-svc", f"{one.name}-serve-svc"] if "headGroupSpec" in pod.path else []
        case "InferenceService":
            return [one.name, f"{one.name}-predictor", f"{one.name}-predictor-default"]
        case "Notebook":
            return [one.name]
    return []


def joined(folder: PurePosixPath, name: str) -> str:
    """Return the path of a file that a kustomization in this folder names."""
    parts: list[str] = []
    for part in (folder / name).parts:
        if part == ".." and parts:
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)
