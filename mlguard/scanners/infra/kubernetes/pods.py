"""Pod specifications by their shape, in objects of any kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlguard.scanners.infra.kubernetes.objects import Object, mapping, plain
from mlguard.scanners.infra.resources import Path, Position
from mlguard.scanners.infra.yamltree import Tree
from mlguard.values import dataclass, replace

CONTAINER_LISTS = {
    "containers": "container",
    "initContainers": "init",
    "ephemeralContainers": "ephemeral",
    "sidecars": "container",
}
SINGLE = ("container", "script")
NO_WORKLOADS = frozenset(
    {"apiextensions.k8s.io", "kyverno.io", "templates.gatekeeper.sh", "constraints.gatekeeper.sh", "mutations.gatekeeper.sh", "admissionregistration.k8s.io", "kustomize.config.k8s.io", "policy.open-cluster-management.io"}
)  # fmt: skip
"""Groups whose objects hold schemas and patterns, not workloads."""

LONG_RUNNING = frozenset({"Deployment", "StatefulSet", "Rollout", "ReplicaSet", "DeploymentConfig"})
SERVING_KINDS = frozenset(
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


_FRAMEWORKS = frozenset(
    {"model", "sklearn", "xgboost", "tensorflow", "pytorch", "triton", "onnx", "pmml", "lightgbm", "huggingface", "paddle", "mlflow", "custom"}
)  # fmt: skip
"""Keys under which an InferenceService names a model instead of a container."""

_SKIPPED = frozenset(
    {"openAPIV3Schema", "data", "stringData", "binaryData", "annotations", "labels", "managedFields", "status"}
)
_WORKFLOWS = frozenset({"Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow"})
_PASSED_DOWN = (
    "securityContext",
    "serviceAccountName",
    "automountServiceAccountToken",
    "hostNetwork",
    "volumes",
    "nodeSelector",
    "tolerations",
    "affinity",
)
"""What a workflow says once for the pods of all its templates."""

MAX_DEPTH = 40
"""Levels below which no pod specification is looked for."""


@dataclass(slots=True)
class Pod:
    """A pod specification somewhere in an object, with the labels its pods will carry."""

    path: Path
    spec: Tree
    labels: Mapping[str, Any]
    annotations: Mapping[str, Any]
    containers: list[tuple[str, Tree]]
    managed: bool  # a controller adds probes and scaling by itself
    notes: Tree | None = None  # the annotations with their places


def pods_of(one: Object) -> Iterator[Pod]:
    """Yield each pod specification of an object, whatever its kind: a mapping with containers, or with what stands for one."""
    if one.group in NO_WORKLOADS:
        return
    managed = one.group in ("serving.kserve.io", "serving.knative.dev", "machinelearning.seldon.io")
    for pod in _find_pods(one, one.tree, (), one.tree.get("metadata"), managed):
        if one.kind in _WORKFLOWS:
            _inherit(one, pod)
        yield pod


def _find_pods(one: Object, tree: Tree, path: Path, metadata: Tree | None, managed: bool) -> Iterator[Pod]:
    if not tree.children or len(path) > MAX_DEPTH or (path and path[-1] in _SKIPPED):
        return
    if isinstance(tree.children, Mapping):
        own = tree.get("metadata")
        if own is not None and isinstance(own.value, dict) and path:
            metadata = own
        containers = list(containers_of(tree, one, path))
        if containers:
            held = mapping(metadata.value) if metadata is not None else {}
            labels = {**_given_labels(one, path), **mapping(held.get("labels"))}
            notes = metadata.get("annotations") if metadata is not None else None
            yield Pod(path, tree, labels, mapping(held.get("annotations")), containers, managed, notes)
    for key, child in tree.items():
        if key not in CONTAINER_LISTS:
            yield from _find_pods(one, child, (*path, key), metadata, managed)


def _inherit(one: Object, pod: Pod) -> None:
    """Add to a template of a workflow what the workflow says for all of them."""
    above = one.tree.get("spec", "workflowSpec") or one.tree.get("spec")
    if above is None or not isinstance(above.children, Mapping) or above is pod.spec:
        return
    kept = {key: above.children[key] for key in _PASSED_DOWN if key in above.children}
    shared = replace(above, value={key: child.value for key, child in kept.items()}, children=kept)
    pod.spec = overlay(pod.spec, shared, "")


def _given_labels(one: Object, path: Path) -> dict[str, str]:
    """Return the labels that an operator puts on the pods it makes."""
    group = next((str(step) for step in path if step in ("headGroupSpec", "workerGroupSpecs")), "")
    replica = next((str(path[i + 1]) for i, step in enumerate(path[:-1]) if str(step).endswith("ReplicaSpecs")), "")
    component = next((str(step) for step in path if step in ("predictor", "transformer", "explainer")), "")
    match one.kind:
        case "InferenceService":
            return {"serving.kserve.io/inferenceservice": one.name, "component": component}
        case "RayCluster" | "RayService" | "RayJob":
            return {"ray.io/cluster": one.name, "ray.io/node-type": "head" if group == "headGroupSpec" else "worker"}
        case "PyTorchJob" | "TFJob" | "MPIJob" | "XGBoostJob" | "JAXJob" | "PaddleJob":
            return {
                "training.kubeflow.org/job-name": one.name,
                "training.kubeflow.org/replica-type": replica.lower(),
            }
        case "Job":
            return {"job-name": one.name, "batch.kubernetes.io/job-name": one.name}
        case "Notebook":
            return {"notebook-name": one.name}
        case "SeldonDeployment":
            return {"seldon-deployment-id": one.name}
        case "SparkApplication":
            return {"sparkoperator.k8s.io/app-name": one.name, "spark-role": str(path[-1]) if path else ""}
        case "Service" if one.group == "serving.knative.dev":
            return {"serving.knative.dev/service": one.name}
        case kind if kind in _WORKFLOWS:
            return {"workflows.argoproj.io/workflow": one.name}
    return {}


def containers_of(spec: Tree, one: Object, path: Path) -> Iterator[tuple[str, Tree]]:
    """Yield role and tree of each container of a mapping: container, init, ephemeral, model (an image comes from elsewhere)."""
    for key, role in CONTAINER_LISTS.items():
        node = spec.get(key)
        if node is not None and isinstance(node.value, list):
            for _, item in node.items():
                if isinstance(item.value, dict) and ("image" in item.value or "name" in item.value):
                    yield role, item
    for key in SINGLE:
        node = spec.get(key)
        if node is not None and isinstance(node.value, dict) and "image" in node.value:
            yield "container", node
    if one.group == "tekton.dev":
        steps = spec.get("steps")
        for _, item in steps.items() if steps is not None else ():
            if isinstance(item.value, dict) and "image" in item.value:
                yield "container", item
    if one.kind == "InferenceService" and path and path[-1] in ("predictor", "transformer", "explainer"):
        for name, node in spec.items():
            if name in _FRAMEWORKS and isinstance(node.value, dict):
                yield "model", node
    elif one.group == "sparkoperator.k8s.io" and path[-1:] in (("driver",), ("executor",)):
        yield "model", spec


def overlay(base: Tree, patch: Tree, path: str) -> Tree:
    """Return ``base`` with what only ``patch`` says added, at its place in the file ``path``."""
    if not isinstance(base.children, Mapping) or not isinstance(patch.children, Mapping):
        return base
    children = dict(base.children)
    value = dict(base.value)
    for key, child in patch.children.items():
        if key.startswith("$"):
            continue
        children[key] = overlay(children[key], child, path) if key in children else _moved(child, path)
        value[key] = children[key].value
    return replace(base, value=value, children=children)


def _moved(tree: Tree, path: str) -> Tree:
    children: Any = (
        {key: _moved(child, path) for key, child in tree.children.items()}
        if isinstance(tree.children, Mapping)
        else tuple(_moved(child, path) for child in tree.children)
    )
    at = replace(tree.at, path=path) if path else tree.at
    return replace(tree, at=at, children=children)


def rollout(one: Object) -> tuple[str, Position | None]:
    """Return how a rollout replaces everything at once or keeps no way back (or ""), and where that is said."""
    for path, fits, text in _ROLLOUTS.get(one.kind, ()):
        node = one.tree.get("spec", *path)
        if node is not None and node.value in fits:
            return text, node.at
    return "", None


_STOPS_FIRST = "stops every pod before the first new one starts"
_STOPS_ALL = "may stop every pod at once"
_NO_WAY_BACK = "keeps no earlier revision to go back to"
_ROLLOUTS: Mapping[str, tuple[tuple[tuple[str, ...], tuple[Any, ...], str], ...]] = {
    "Deployment": (
        (("strategy", "type"), ("Recreate",), _STOPS_FIRST),
        (("strategy", "rollingUpdate", "maxUnavailable"), ("100%",), _STOPS_ALL),
        (("revisionHistoryLimit",), (0,), _NO_WAY_BACK),
    ),
    "StatefulSet": (
        (("updateStrategy", "rollingUpdate", "maxUnavailable"), ("100%",), _STOPS_ALL),
        (("revisionHistoryLimit",), (0,), _NO_WAY_BACK),
    ),
    "DeploymentConfig": (
        (("strategy", "type"), ("Recreate",), _STOPS_FIRST),
        (("revisionHistoryLimit",), (0,), _NO_WAY_BACK),
    ),
    "Rollout": (
        (("strategy", "canary", "maxUnavailable"), ("100%",), _STOPS_ALL),
        (("revisionHistoryLimit",), (0,), _NO_WAY_BACK),
    ),
}


def ray_head(one: Object) -> Mapping[str, Any]:
    """Return the head of a Ray cluster, also of one that a service or job of Ray brings with it."""
    ways = (("headGroupSpec",), ("rayClusterConfig", "headGroupSpec"), ("rayClusterSpec", "headGroupSpec"))
    return next((head for way in ways if (head := mapping(one.at("spec", *way)))), {})


def ray_dashboard(one: Object) -> Position | None:
    """Return where a Ray cluster says on which addresses its dashboard listens."""
    ways = (("headGroupSpec",), ("rayClusterConfig", "headGroupSpec"), ("rayClusterSpec", "headGroupSpec"))
    found = (one.tree.get("spec", *way, "rayStartParams", "dashboard-host") for way in ways)
    return next((node.at for node in found if node is not None), None)


def ray_command(one: Object, pod: Pod) -> list[str]:
    """Return the command with which the operator starts the head of a Ray cluster.

    It opens the dashboard on every address unless told otherwise (KubeRay, SetMissingRayStartParams).
    """
    if "headGroupSpec" not in pod.path or any(
        mapping(one.at("spec", *way)).get("mode") == "token"
        for way in (("authOptions",), ("rayClusterConfig", "authOptions"))
    ):
        return []
    given = mapping(ray_head(one).get("rayStartParams"))
    if plain(given.get("include-dashboard")).lower() == "false":
        return []
    return ["ray", "start", "--head", f"--dashboard-host={plain(given.get('dashboard-host')) or '0.0.0.0'}"]


def variables(container: Tree) -> list[str]:
    env = container.get("env")
    return [plain(mapping(item.value).get("name")) for _, item in env.items()] if env is not None else []


def argv_of(container: Tree) -> tuple[list[str], list[Position]]:
    words, places = [], []
    for key in ("command", "args"):
        node = container.get(key)
        for _, item in node.items() if node is not None else ():
            words.append(plain(item.value))
            places.append(item.at)
        if node is not None and isinstance(node.value, str):
            words.append(node.value)
            places.append(node.at)
    return words, places
