"""Objects, pod templates and containers as resources, and what they say about who may do what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlguard import facts
from mlguard.findings import Gap
from mlguard.scanners import lazy
from mlguard.scanners.infra.chartvalues import opened
from mlguard.scanners.infra.kubernetes import settings
from mlguard.scanners.infra.kubernetes.cluster import Cluster, Shared
from mlguard.scanners.infra.kubernetes.containers import ACCELERATOR, Around, Container
from mlguard.scanners.infra.kubernetes.exposure import opening, plain_text
from mlguard.scanners.infra.kubernetes.literals import literal_data
from mlguard.scanners.infra.kubernetes.mesh import inbound_note, permissive
from mlguard.scanners.infra.kubernetes.models import SERVING_GROUPS, model_image, model_sources
from mlguard.scanners.infra.kubernetes.networks import POLICY_KINDS, directions, open_rules
from mlguard.scanners.infra.kubernetes.objects import Object, mapping, plain, unknown
from mlguard.scanners.infra.kubernetes.places import Places
from mlguard.scanners.infra.kubernetes.pods import CONTAINER_LISTS, SINGLE, Pod, argv_of, rollout
from mlguard.scanners.infra.kubernetes.rbac import cloud_identity, dangers, grants, rights
from mlguard.scanners.infra.kubernetes.scaling import AUTOSCALERS
from mlguard.scanners.infra.kubernetes.volumes import artifact_volumes, host_mounts
from mlguard.scanners.infra.resources import Position, Resource, Unknown, protected
from mlguard.scanners.infra.yamltree import Tree

MAX_CONTAINERS = 60_000
"""Containers of one group of files."""

_DATA_CLASS = lazy.pattern(r"(?i)data-?class")
_OWN_PODS = frozenset(
    {"Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob", "Rollout", "DeploymentConfig", "Notebook",
     "PyTorchJob", "TFJob", "MPIJob", "XGBoostJob", "InferenceService"}
)  # fmt: skip
"""Kinds whose pods run with the account that they name, and do not need the API of the cluster for their own work."""

_API_IMAGE = lazy.pattern(
    r"(?i)kubectl|/k8s-|operator|controller|(?:^|[/-])argo|prometheus(?!-client)|kube-|ingress|cert-manager|external-(?:dns|secrets)|autoscaler|descheduler|reloader|dask|spark|jupyterhub"
)
_HEADLESS = frozenset({"Pod", "CronJob", "Job"})
_SERVED_OBJECTS = frozenset({"InferenceService", "SeldonDeployment", "InferenceGraph", "LLMInferenceService"})
_VISIBILITY = ("networking.knative.dev/visibility", "networking.kserve.io/visibility")
_PIPELINE_UI = lazy.pattern(
    r"^(?:ml-pipeline(?:-ui)?|centraldashboard|jupyter-web-app-service|katib-ui|tensorboards-web-app-service|kfam|profiles-kfam)$"
)


def data_class_of(labels: Mapping[str, Any]) -> str:
    """Return the class of data that a label or annotation names, or ""."""
    return next((plain(labels[key]) for key in sorted(labels) if _DATA_CLASS.search(key)), "")


def records(cluster: Cluster) -> Iterator[Resource | facts.Fact | Gap]:
    """Yield all objects, their pod templates and containers, and the grants and deployments among them."""
    number = 0
    for one in cluster.objects:
        yield _object(cluster, one)
        for index, pod in enumerate(one.pods):
            shared = cluster.shared(one, pod)
            yield _template(cluster, one, pod, index, shared)
            maps = cluster.config_maps(one)
            around = Around(shared.exposure, shared.serving, bool(shared.services), cluster.limit_range(one), maps)
            for role, container in pod.containers:
                number += 1
                if number > MAX_CONTAINERS:
                    reason = f"more than {MAX_CONTAINERS} containers in one group of files"
                    yield Gap("infra", one.path, "too-large", reason)
                    return
                yield from _container(cluster, one, pod, role, container, shared, around)
        yield from _grants(cluster, one)


def _grants(cluster: Cluster, one: Object) -> Iterator[facts.Fact]:
    if one.kind in ("RoleBinding", "ClusterRoleBinding"):
        yield from grants(one, cluster.accounts.right(one))
    elif one.kind == "ServiceAccount":
        yield from cloud_identity(one)


# Objects


def _object(cluster: Cluster, one: Object) -> Resource:
    attributes: dict[str, Any] = {**one.value, "group": one.group, "fragment": one.fragment}
    positions = Places(one.tree)
    if one.kind in ("ConfigMap", "Secret"):
        attributes = {
            key: value for key, value in attributes.items() if key not in ("data", "binaryData", "stringData")
        }
    attributes |= _derived(cluster, one, positions)
    labels = {**mapping(one.at("metadata", "annotations")), **mapping(one.at("metadata", "labels"))}
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
        data_class_of(labels),
        format=one.format,
    )


def _derived(cluster: Cluster, one: Object, positions: Places) -> dict[str, Any]:
    """Return what the checks ask about an object that stands in no single key of it."""
    found: dict[str, Any] = {}
    if one.group in SERVING_GROUPS:
        found |= model_sources(one, positions)
        found["signed"] = cluster.signed
    note = inbound_note(one)
    if note is not None:
        positions[("permissive", 0)] = positions[("permissive", 0, "what")] = positions[note[1]]
        found["permissive"] = [{"what": note[0]}]
    if (policy := permissive(one, positions)) and note is None:
        found["permissive"] = policy
    if one.kind in POLICY_KINDS:
        found |= _policy(cluster, one, positions)
    elif one.kind in AUTOSCALERS:
        found |= cluster.scaling.problems(one)
    else:
        found |= _by_kind(cluster, one, positions)
    return found


def _by_kind(cluster: Cluster, one: Object, positions: Places) -> dict[str, Any]:
    match one.kind:
        case "Ingress" | "Gateway" | "Route":
            return {"plain_text": plain_text(one, positions)}
        case "Service" if one.group in ("", "v1"):
            return {"opening": opening(one, positions), "pipeline_interface": bool(_PIPELINE_UI.match(one.name))}
        case "ConfigMap":
            return {"written_out": literal_data(one, positions), **_files(one, positions)}
        case "Namespace":
            return {"quota": one.name in cluster.quotas or "" in cluster.quotas}
        case "Role" | "ClusterRole":
            return rights(one, positions)
        case "Policy" if one.group == "audit.k8s.io":
            return {"audit_gaps": settings.audit_policy(one, positions)}
        case "EncryptionConfiguration":
            return {"stored_plain": settings.etcd_encryption(one, positions)}
        case "HelmRelease" | "HelmChart" | "Application" | "Milvus" | "MilvusCluster":
            attributes, places = opened(one.tree)
            positions.update(places)
            return attributes
        case kind if kind in _SERVED_OBJECTS:
            return _served(cluster, one, positions)
    return {}


def _policy(cluster: Cluster, one: Object, positions: Places) -> dict[str, Any]:
    """Return what a network policy opens, and whether it is about workloads that serve or train models."""
    result: dict[str, Any] = {}
    for name, side in (("allows_all", "ingress"), ("egress_open", "egress")):
        found = list(open_rules(one, side, positions))
        for index, (_, at) in enumerate(found):
            positions[(name, index)] = positions[(name, index, "what")] = at
        result[name] = [{"what": what} for what, _ in found]
    result["restricts"] = sorted(directions(one))
    result["picks"] = cluster.picks(one)
    return result


def _served(cluster: Cluster, one: Object, positions: Places) -> dict[str, Any]:
    """Return whether whoever reaches an endpoint of KServe or Seldon is asked who is calling, or ``unguarded`` and why."""
    metadata = {**mapping(one.at("metadata", "annotations")), **mapping(one.at("metadata", "labels"))}
    for part in ("annotations", "labels"):
        for path in (("metadata", part), ("spec", "predictor", "annotations"), ("spec", "predictor", "labels")):
            node = one.tree.get(*path, "sidecar.istio.io/inject")
            if node is not None and plain(node.value).lower() == "false":
                positions[("unguarded",)] = node.at
                return {"unguarded": "its mesh proxy is left out"}
    local = any(plain(metadata.get(key)) == "cluster-local" for key in _VISIBILITY)
    asked = any(key.endswith("/enable-auth") and plain(value).lower() == "true" for key, value in metadata.items())
    guarded = local or asked or any(cluster.guarded(one, pod) for pod in one.pods)
    if not one.pods:
        guarded = guarded or bool(cluster.guards.picking(one, mapping(one.at("metadata", "labels"))))
    return {"unguarded": "" if guarded else "no policy asks who is calling"}


_SWITCHED_OFF = (
    ("jupyter", lazy.pattern(r"^\s*c\.(?:ServerApp|NotebookApp|IdentityProvider|PasswordIdentityProvider)\.(?:token|password|hashed_password)\s*=\s*[ub]?(?:''|\"\")\s*(?:#.*)?$"), "its token or password is empty"),
    ("jupyter", lazy.pattern(r"^\s*c\.JupyterHub\.authenticator_class\s*=.*(?:[Dd]ummy|[Nn]ull)(?:Authenticator)?\b"), "its hub lets everyone in"),
    ("vector-database", lazy.pattern(r"^\s*authorizationEnabled\s*:\s*[\"']?[Ff]alse\b"), "its login is switched off"),
    ("prompts", lazy.pattern(r"^\s*['\"]?store_prompts_in_spend_logs['\"]?\s*:\s*[Tt]rue\b"), "LiteLLM"),
    ("prompts", lazy.pattern(r"^\s*(?:litellm\.)?set_verbose\s*[:=]\s*[Tt]rue\b"), "LiteLLM"),
)  # fmt: skip
MAX_LINES = 20_000
"""Lines of the files of one config map that are looked at."""


def _files(one: Object, positions: Places) -> dict[str, list[dict[str, str]]]:
    """Return what files inside a config map switch off (``open_services``) or log (``prompt_logs``), with the line."""
    found: dict[str, list[dict[str, str]]] = {"open_services": [], "prompt_logs": []}
    data = one.tree.get("data")
    left = MAX_LINES
    for _, node in data.items() if data is not None else ():
        if not isinstance(node.value, str) or "\n" not in node.value:
            continue
        for number, line in enumerate(node.value.split("\n"), 1):
            left -= 1
            if left < 0:
                return found
            for kind, pattern, why in _SWITCHED_OFF:
                if len(line) < 2_000 and pattern.search(line):
                    name = "prompt_logs" if kind == "prompts" else "open_services"
                    index = len(found[name])
                    at = _inside(node, number)
                    for rest in ((), ("service",), ("why",), ("what",)):
                        positions[(name, index, *rest)] = at
                    found[name].append({"service": kind, "why": why, "what": why})
    return found


def _inside(node: Tree, number: int) -> Position:
    """Return the place of a line of a block text; one whose lines do not run as written is told by its key."""
    at, whole = node.at, node.value_at or node.at
    written = whole.end_line - whole.line
    if written >= str(node.value).rstrip("\n").count("\n") + 1 and whole.line <= at.line:
        return Position(at.line + number, 1, path=at.path)
    return at


# Pod templates


def _template(cluster: Cluster, one: Object, pod: Pod, index: int, shared: Shared) -> Resource:
    spec = shared.spec
    raw = {key: value for key, value in spec.value.items() if key not in CONTAINER_LISTS and key not in SINGLE}
    complete = not one.fragment and any("image" in container.value for _, container in pod.containers)
    positions = Places(spec)
    positions[()] = one.tree.at if len(one.pods) == 1 else spec.at
    mounts, places = host_mounts(spec)
    positions.update(places)
    plan, at = rollout(one)
    if at is not None:
        positions[("rollout",)] = at
    attributes: dict[str, Any] = {
        **raw,
        **mounts,
        **_scale(cluster, one, pod, shared, positions),
        **_account(cluster, one, pod, spec, positions),
        **_signs(cluster, one, pod, spec, positions),
        "labels": dict(pod.labels),
        "label_names": sorted({*pod.labels, *mapping(one.at("metadata", "labels"))}),
        "workload_kind": one.kind,
        "serving": shared.serving,
        "images": [plain(container.value.get("image")) for _, container in pod.containers],
        "rollout": plan,
        "isolated": _isolated(cluster, one, pod),
        "default_namespace": _default_namespace(cluster, one, positions),
        "fragment": one.fragment,
    }
    address = f"{one.address}/pod" + (f"[{index}]" if len(one.pods) > 1 else "")
    classes = ("k8s.any_pod_template", "derived", *(("k8s.pod_template",) if complete else ()))
    labels = {
        **pod.annotations,
        **mapping(one.at("metadata", "annotations")),
        **mapping(one.at("metadata", "labels")),
        **pod.labels,
    }
    data_class = data_class_of(labels)
    attributes["personal"] = bool(data_class) and protected(data_class)
    return Resource(
        "k8s.pod_template",
        one.name,
        address,
        one.path,
        attributes,
        positions,
        classes,
        {},
        one.namespace,
        data_class,
        format=one.format,
    )


def _isolated(cluster: Cluster, one: Object, pod: Pod) -> Any:
    """Return the directions in which network policies restrict a pod; labels that are not known leave that open."""
    held = sorted(cluster.isolation(one, pod))
    doubt = any(unknown(value) for value in pod.labels.values())
    return Unknown("the labels of the pods") if doubt and not held and cluster.by_kind["NetworkPolicy"] else held


def _default_namespace(cluster: Cluster, one: Object, positions: Places) -> str:
    """Return how a workload ends up in the namespace ``default``, or ""."""
    if one.fragment or one.format == "helm" or one.kind.startswith("Cluster") or one.kind.endswith("Template"):
        return ""
    metadata = one.tree.get("metadata")
    named = one.tree.get("metadata", "namespace")
    if named is not None and plain(named.value) == "default":
        positions[("default_namespace",)] = named.at
        return "default"
    if named is None and metadata is not None and not cluster.places_namespace:
        positions[("default_namespace",)] = metadata.at
        return "not set"
    return ""


def _scale(cluster: Cluster, one: Object, pod: Pod, shared: Shared, positions: Places) -> dict[str, Any]:
    replicas = one.tree.get("spec", "replicas")
    scaler = cluster.scaling.scaler(one)
    scaled = scaler is not None or pod.managed or "autoscaling.knative.dev" in " ".join(pod.annotations)
    count = replicas.value if replicas is not None else 1
    for name in ("autoscaled", "replicas", "replicas_with_scaler"):
        block = replicas or one.tree.get("spec")
        if block is not None:
            positions[(name,)] = block.at
    if replicas is None:
        positions.pop(("autoscaled",), None)
    return {
        "autoscaled": scaled,
        "replicas": count,
        "single": count == 1 and not isinstance(count, bool) and not scaled,
        "replicas_with_scaler": replicas is not None and scaler is not None,
        "reached": bool(shared.services),
        "budget": cluster.scaling.budget(one, pod),
        "monitored": cluster.scaling.monitored(one, pod, shared.services),
    }


def _account(cluster: Cluster, one: Object, pod: Pod, spec: Tree, positions: Places) -> dict[str, Any]:
    """Return with which account pods run, whether its token is mounted without need, and what it reaches."""
    named = spec.get("serviceAccountName") or spec.get("serviceAccount")
    name = plain(named.value) if named is not None else ""
    account = cluster.named.get("ServiceAccount", name or "default", one)
    own = spec.value.get("automountServiceAccountToken")
    vague = unknown(own) or (named is not None and unknown(named.value))
    mounted = (
        own if isinstance(own, bool) else account is None or account.at("automountServiceAccountToken") is not False
    )
    held = cluster.accounts.rights(name or "default", one.namespace)
    images = [plain(container.value.get("image")) for _, container in pod.containers]
    needed = bool(held) or any(_API_IMAGE.search(image.partition("@")[0]) for image in images)
    mine = one.kind in _OWN_PODS and not one.fragment and not vague
    token = spec.get("automountServiceAccountToken")
    positions[("token_mounted",)] = token.at if token is not None else spec.at
    positions[("account_unnamed",)] = named.at if named is not None else spec.at
    reached = [(right, what) for right in held for what in list(dict.fromkeys(dangers(right)))[:1]]
    for index, _ in enumerate(reached):
        for rest in ((), ("what",)):
            positions[("account_reaches", index, *rest)] = named.at if named is not None else spec.at
    return {
        "account": name or "default",
        "account_unnamed": mine and name in ("", "default"),
        "token_mounted": mine and mounted and not needed,
        "account_reaches": [
            {"what": what, "role": right.role, "binding": right.binding.name} for right, what in reached if mounted
        ],
    }


def _signs(cluster: Cluster, one: Object, pod: Pod, spec: Tree, positions: Places) -> dict[str, Any]:
    """Return what volumes, kernel settings and images of models of a pod tell."""
    words = [" ".join(argv_of(container)[0])[:20_000] for _, container in pod.containers]
    volumes = list(artifact_volumes(spec, pod.containers, words))
    for index, (_, _, at) in enumerate(volumes):
        positions[("artifact_volumes", index)] = positions[("artifact_volumes", index, "what")] = at
    unsigned = [] if cluster.signed or one.fragment else list(_model_images(one, pod, spec))
    for index, (_, at) in enumerate(unsigned):
        positions[("unsigned_models", index)] = positions[("unsigned_models", index, "what")] = at
    unsafe: list[str] = []
    sysctls = spec.get("securityContext", "sysctls")
    for _, item in sysctls.items() if sysctls is not None else ():
        node = item.get("name")
        if node is not None and plain(node.value) not in _SAFE_SYSCTLS:
            positions[("unsafe_sysctls", len(unsafe))] = node.at
            unsafe.append(plain(node.value))
    ports = _host_ports(pod, positions)
    shared = [key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.value.get(key) is True]
    for index, key in enumerate(shared):
        positions[("host_namespaces", index)] = positions[(key,)]
    left_out = _left_out(pod, positions)
    return {
        "unplaced": _unplaced(pod, spec, positions),
        "artifact_volumes": [{"what": kind, "mount": mount} for kind, mount, _ in volumes],
        "unsigned_models": [{"what": "an image without a digest"} for _ in unsigned],
        "unsafe_sysctls": unsafe,
        "host_ports": ports,
        "host_namespaces": shared,
        "proxy_left_out": left_out,
    }


_SAFE_SYSCTLS = frozenset(
    {"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
     "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
     "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}
)  # fmt: skip
"""Kernel settings that the baseline of the Pod Security Standards lets a pod change."""


def _unplaced(pod: Pod, spec: Tree, positions: Places) -> str:
    """Return "accelerator" where a pod takes one and nothing says on which nodes it may run, or ""."""
    positions[("unplaced",)] = spec.at
    if any(
        spec.value.get(key)
        for key in ("tolerations", "nodeSelector", "affinity", "nodeName", "resourceClaims", "runtimeClassName")
    ):
        return ""
    limits = [container.get("resources", "limits") for _, container in pod.containers]
    taken = any(ACCELERATOR.search(str(key)) for node in limits if node is not None for key, _ in node.items())
    return "accelerator" if taken else ""


def _host_ports(pod: Pod, positions: Places) -> list[int]:
    found: list[int] = []
    for _, container in pod.containers:
        ports = container.get("ports")
        for _, item in ports.items() if ports is not None else ():
            node = item.get("hostPort")
            if node is not None and isinstance(node.value, int) and node.value:
                positions[("host_ports", len(found))] = node.at
                found.append(node.value)
    return found


def _left_out(pod: Pod, positions: Places) -> bool:
    node = pod.notes.get("sidecar.istio.io/inject") if pod.notes is not None else None
    if node is None or plain(node.value).lower() != "false":
        return plain(pod.labels.get("sidecar.istio.io/inject")).lower() == "false"
    positions[("proxy_left_out",)] = node.at
    return True


def _model_images(one: Object, pod: Pod, spec: Tree) -> Iterator[tuple[str, Position]]:
    """Yield the images without a digest that a pod takes a model from.

    These are its first containers, the containers of an endpoint, and volumes that are images.
    """
    roles = ("init", "container") if one.group in SERVING_GROUPS else ("init",)
    for role, container in pod.containers:
        node = container.get("image")
        image = plain(node.value) if node is not None else ""
        if node is not None and role in roles and model_image(image) and "@sha256:" not in image and "$" not in image:
            yield image, node.at
    volumes = spec.get("volumes")
    for _, volume in volumes.items() if volumes is not None else ():
        node = volume.get("image", "reference")
        if node is not None and "@sha256:" not in plain(node.value) and "$" not in plain(node.value):
            yield plain(node.value), node.at


# Containers


def _container(
    cluster: Cluster, one: Object, pod: Pod, role: str, tree: Tree, shared: Shared, around: Around
) -> Iterator[Resource | facts.Fact]:
    name = plain(tree.value.get("name")) or role
    if cluster.patches:
        tree = cluster.patched_container(one, pod, tree, name)
    built = Container(one, pod, shared.spec, role, tree, cluster.images, around)
    if one.kind in _HEADLESS or one.kind == "DaemonSet":
        _api_server(built)
    complete = not one.fragment and ("image" in tree.value or bool(built.attributes["image"]))
    classes = ("container", "derived", *(("k8s.container",) if complete and role != "model" else ()))
    address = f"{one.address}/{'/'.join(map(str, pod.path[:-1])) + '/' if len(one.pods) > 1 else ''}{name}"
    yield Resource(
        "k8s.container",
        name,
        address,
        one.path,
        built.attributes,
        built.positions,
        classes,
        {},
        one.namespace,
        data_class_of({**pod.annotations, **mapping(one.at("metadata", "labels")), **pod.labels}),
        format=one.format,
    )
    if complete and role == "container":
        image = built.attributes["image"]
        known = image if isinstance(image, str) and "\ue000" not in image else ""
        yield facts.Deployment(one.address, known, one.path, tree.at.line, one.namespace)


def _api_server(built: Container) -> None:
    """Add what the words of an API server lack or allow."""
    command = built.tree.get("command") or built.tree.get("args")
    if command is None:
        return
    gaps = list(settings.api_server(built.argv, built.argv_at, command.at))
    for index, (_, at) in enumerate(gaps):
        built.positions[("audit_gaps", index)] = built.positions[("audit_gaps", index, "what")] = at
    built.attributes["audit_gaps"] = [{"what": what} for what, _ in gaps]
    words = list(settings.anonymous_words(built.argv))
    for index, (_, word) in enumerate(words):
        at = built.argv_at[word]
        built.positions[("anonymous", index)] = built.positions[("anonymous", index, "what")] = at
    built.attributes["anonymous"] = [{"what": what} for what, _ in words]
