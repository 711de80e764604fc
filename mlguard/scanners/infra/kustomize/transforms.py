"""The changes that a kustomization makes to all of its objects: names, namespaces, labels, images, replicas.

Which fields each change touches is what kustomize's built-in configuration says
(https://github.com/kubernetes-sigs/kustomize/tree/master/api/internal/konfig/builtinpluginconsts).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mlguard.scanners import lazy
from mlguard.scanners.infra.operators import image_parts
from mlguard.scanners.infra.treeedits import (
    Keys,
    changed,
    entries,
    is_list,
    is_mapping,
    items,
    made,
    mapping,
    plain,
    put,
    sequence,
)
from mlguard.scanners.infra.yamltree import Tree

CLUSTER_WIDE = frozenset(
    {
        "Namespace", "Node", "PersistentVolume", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition",
        "StorageClass", "CSIDriver", "CSINode", "VolumeAttachment", "PriorityClass", "IngressClass", "RuntimeClass",
        "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding", "APIService", "CertificateSigningRequest", "FlowSchema",
        "PriorityLevelConfiguration", "ComponentStatus", "SelfSubjectAccessReview", "SelfSubjectRulesReview",
        "SubjectAccessReview", "TokenReview", "GatewayClass", "ClusterIssuer", "PodSecurityPolicy", "IPAddress", "ServiceCIDR",
    }
)  # fmt: skip
"""Kinds that stand in no namespace."""

_UNNAMED = frozenset({"CustomResourceDefinition", "APIService", "Namespace"})
"""Kinds whose names get no prefix or suffix."""

_POD_OF: dict[str, Keys] = {
    "Pod": ("spec",), "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    **dict.fromkeys(
        ("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet", "Job", "ReplicationController"), ("spec", "template", "spec")
    ),
}  # fmt: skip

BUILT_IN_GROUPS = lazy.pattern(r"^(?:[a-z]+|[a-z.]+\.k8s\.io)?$")
"""Groups of the API whose types have merge keys: apps, batch, policy, and those below k8s.io."""


@dataclass(slots=True)
class Doc:
    """One object on its way through the kustomizations, with the names that it has had."""

    path: str
    tree: Tree
    past: list[tuple[str, str]] = field(default_factory=list)  # earlier (name, namespace)
    behavior: str = ""  # of a generated one

    @property
    def kind(self) -> str:
        return plain(self.tree.get("kind"))

    @property
    def group(self) -> str:
        api = plain(self.tree.get("apiVersion"))
        return api.rpartition("/")[0]

    @property
    def version(self) -> str:
        return plain(self.tree.get("apiVersion")).rpartition("/")[2]

    @property
    def name(self) -> str:
        return plain(self.tree.get("metadata", "name"))

    @property
    def namespace(self) -> str:
        return plain(self.tree.get("metadata", "namespace"))

    @property
    def known(self) -> bool:
        """Whether it is of a type of Kubernetes' own."""
        return BUILT_IN_GROUPS.match(self.group) is not None and self.kind != "CustomResourceDefinition"

    def names(self) -> list[tuple[str, str]]:
        return [(self.name, self.namespace), *self.past]

    def remember(self) -> None:
        if (self.name, self.namespace) not in self.past:
            self.past.append((self.name, self.namespace))


def named(docs: Sequence[Doc], prefix: Tree | None, suffix: Tree | None) -> None:
    """Put a prefix and a suffix on every name, and follow them in what refers to it."""
    before, after = plain(prefix), plain(suffix)
    if not before and not after:
        return
    renamed: dict[tuple[str, str, str], str] = {}
    for doc in docs:
        node = doc.tree.get("metadata", "name")
        if node is None or doc.kind in _UNNAMED:
            continue
        old = doc.name
        doc.remember()
        new = f"{before}{old}{after}"
        doc.tree = put(doc.tree, ("metadata", "name"), made(new, node.at))
        renamed[doc.kind, old, doc.namespace] = new
    for doc in docs:
        follow(doc, renamed)


def follow(doc: Doc, renamed: Mapping[tuple[str, str, str], str]) -> None:
    """Change the references of one object to names that have changed."""
    for keys, kind, namespace in list(_references(doc)):
        node = doc.tree.get(*keys)
        old = plain(node)
        for place in (namespace or doc.namespace, "" if kind in CLUSTER_WIDE else namespace or doc.namespace):
            new = renamed.get((kind, old, place))
            if node is not None and new is not None:
                doc.tree = put(doc.tree, keys, made(new, node.at))
                break


def _references(doc: Doc) -> Iterator[tuple[Keys, str, str]]:
    """Yield where an object names another one, that one's kind, and its namespace where that is said."""
    pod = _POD_OF.get(doc.kind)
    if pod is not None:
        yield from _of_pod(doc.tree, pod)
    if doc.kind == "StatefulSet":
        yield ("spec", "serviceName"), "Service", ""
    if doc.kind == "HorizontalPodAutoscaler":
        yield ("spec", "scaleTargetRef", "name"), plain(doc.tree.get("spec", "scaleTargetRef", "kind")), ""
    if doc.kind in ("RoleBinding", "ClusterRoleBinding"):
        yield ("roleRef", "name"), plain(doc.tree.get("roleRef", "kind")), ""
        for index, subject in enumerate(items(doc.tree.get("subjects"))):
            if plain(subject.get("kind")) == "ServiceAccount":
                yield ("subjects", index, "name"), "ServiceAccount", plain(subject.get("namespace"))
    if doc.kind == "Ingress":
        yield ("spec", "defaultBackend", "service", "name"), "Service", ""
        for index, _ in enumerate(items(doc.tree.get("spec", "tls"))):
            yield ("spec", "tls", index, "secretName"), "Secret", ""
        for rule, node in enumerate(items(doc.tree.get("spec", "rules"))):
            for path, _ in enumerate(items(node.get("http", "paths"))):
                yield ("spec", "rules", rule, "http", "paths", path, "backend", "service", "name"), "Service", ""
    if doc.kind == "ServiceAccount":
        for key in ("secrets", "imagePullSecrets"):
            for index, _ in enumerate(items(doc.tree.get(key))):
                yield (key, index, "name"), "Secret", ""
    if doc.kind == "PersistentVolumeClaim":
        yield ("spec", "storageClassName"), "StorageClass", ""
        yield ("spec", "volumeName"), "PersistentVolume", ""


def _of_pod(tree: Tree, pod: Keys) -> Iterator[tuple[Keys, str, str]]:
    spec = tree.get(*pod)
    if spec is None:
        return
    yield (*pod, "serviceAccountName"), "ServiceAccount", ""
    yield (*pod, "priorityClassName"), "PriorityClass", ""
    for index, _ in enumerate(items(spec.get("imagePullSecrets"))):
        yield (*pod, "imagePullSecrets", index, "name"), "Secret", ""
    for index, volume in enumerate(items(spec.get("volumes"))):
        base = (*pod, "volumes", index)
        yield (*base, "configMap", "name"), "ConfigMap", ""
        yield (*base, "secret", "secretName"), "Secret", ""
        yield (*base, "persistentVolumeClaim", "claimName"), "PersistentVolumeClaim", ""
        for number, _ in enumerate(items(volume.get("projected", "sources"))):
            yield (*base, "projected", "sources", number, "configMap", "name"), "ConfigMap", ""
            yield (*base, "projected", "sources", number, "secret", "name"), "Secret", ""
    for key in ("containers", "initContainers", "ephemeralContainers"):
        for index, container in enumerate(items(spec.get(key))):
            base = (*pod, key, index)
            for number, _ in enumerate(items(container.get("env"))):
                yield (*base, "env", number, "valueFrom", "configMapKeyRef", "name"), "ConfigMap", ""
                yield (*base, "env", number, "valueFrom", "secretKeyRef", "name"), "Secret", ""
            for number, _ in enumerate(items(container.get("envFrom"))):
                yield (*base, "envFrom", number, "configMapRef", "name"), "ConfigMap", ""
                yield (*base, "envFrom", number, "secretRef", "name"), "Secret", ""


def spaced(docs: Sequence[Doc], namespace: Tree | None) -> None:
    """Put every object into a namespace."""
    name = plain(namespace)
    if namespace is None or not name:
        return
    accounts = {(doc.name, doc.namespace) for doc in docs if doc.kind == "ServiceAccount"}
    for doc in docs:
        doc.remember()
        if doc.kind == "Namespace":
            doc.tree = put(doc.tree, ("metadata", "name"), made(name, namespace.at))
        elif doc.kind not in CLUSTER_WIDE:
            doc.tree = put(doc.tree, ("metadata", "namespace"), made(name, namespace.at))
        if doc.kind in ("RoleBinding", "ClusterRoleBinding"):
            for index, subject in enumerate(items(doc.tree.get("subjects"))):
                owner = plain(subject.get("name")), plain(subject.get("namespace"))
                if plain(subject.get("kind")) != "ServiceAccount":
                    continue
                if owner[0] == "default" or owner in accounts or (owner[0], "") in accounts:
                    doc.tree = put(doc.tree, ("subjects", index, "namespace"), made(name, namespace.at))


# Labels and annotations

_TEMPLATED = ("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet", "Job", "ReplicationController")
_SELECTING = ("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet")


def _templates(kind: str) -> list[Keys]:
    if kind in _TEMPLATED:
        return [("spec", "template", "metadata")]
    return [("spec", "jobTemplate", "metadata"), ("spec", "jobTemplate", "spec", "template", "metadata")] if kind == "CronJob" else []  # fmt: skip


def labelled(docs: Sequence[Doc], pairs: Tree | None, selectors: bool, templates: bool) -> None:
    """Add labels to the objects, and when asked to their pod templates and selectors."""
    for doc in docs if entries(pairs) else ():
        assert pairs is not None
        doc.tree = _added(doc.tree, ("metadata", "labels"), pairs)
        if selectors or templates:
            for place in _templates(doc.kind):
                doc.tree = _added(doc.tree, (*place, "labels"), pairs)
            if doc.kind == "StatefulSet":
                for index, _ in enumerate(items(doc.tree.get("spec", "volumeClaimTemplates"))):
                    doc.tree = _added(doc.tree, ("spec", "volumeClaimTemplates", index, "metadata", "labels"), pairs)
        if selectors:
            _select(doc, pairs)


def _select(doc: Doc, pairs: Tree) -> None:
    if doc.kind in ("Service", "ReplicationController") and doc.group == "":
        doc.tree = _added(doc.tree, ("spec", "selector"), pairs)
    elif doc.kind in _SELECTING:
        doc.tree = _added(doc.tree, ("spec", "selector", "matchLabels"), pairs)
    existing: list[Keys] = []
    match doc.kind:
        case "Job" | "PodDisruptionBudget":
            existing = [("spec", "selector", "matchLabels")]
        case "CronJob":
            existing = [("spec", "jobTemplate", "spec", "selector", "matchLabels")]
        case "NetworkPolicy":
            existing = [("spec", "podSelector", "matchLabels")]
            for side, peers in (("ingress", "from"), ("egress", "to")):
                for rule, node in enumerate(items(doc.tree.get("spec", side))):
                    existing += [("spec", side, rule, peers, peer, "podSelector", "matchLabels")
                                 for peer, _ in enumerate(items(node.get(peers)))]  # fmt: skip
    pod = _POD_OF.get(doc.kind)
    if pod is not None and doc.kind in _SELECTING:
        existing += _of_terms(doc.tree, pod)
    for keys in existing:
        if doc.tree.get(*keys) is not None:
            doc.tree = _added(doc.tree, keys, pairs)


def _of_terms(tree: Tree, pod: Keys) -> Iterator[Keys]:
    """Yield the label selectors of affinities and of topology spread constraints."""
    for sort in ("podAffinity", "podAntiAffinity"):
        for need in (
            "preferredDuringSchedulingIgnoredDuringExecution",
            "requiredDuringSchedulingIgnoredDuringExecution",
        ):
            base = (*pod, "affinity", sort, need)
            for index, _ in enumerate(items(tree.get(*base))):
                yield (*base, index, "podAffinityTerm", "labelSelector", "matchLabels")
                yield (*base, index, "labelSelector", "matchLabels")
    base = (*pod, "topologySpreadConstraints")
    for index, _ in enumerate(items(tree.get(*base))):
        yield (*base, index, "labelSelector", "matchLabels")


def annotated(docs: Sequence[Doc], pairs: Tree | None) -> None:
    """Add annotations to the objects and their pod templates."""
    for doc in docs if entries(pairs) else ():
        assert pairs is not None
        doc.tree = _added(doc.tree, ("metadata", "annotations"), pairs)
        for place in _templates(doc.kind):
            doc.tree = _added(doc.tree, (*place, "annotations"), pairs)


def _added(tree: Tree, keys: Keys, pairs: Tree) -> Tree:
    """Return the tree with pairs added to a mapping; they are text, as labels and annotations must be."""
    texts = {key: made(plain(node), node.at) for key, node in entries(pairs).items()}

    def change(old: Tree | None) -> Tree:
        return mapping({**entries(old), **texts}, old.at if is_mapping(old) and old is not None else pairs.at)

    return changed(tree, keys, change, pairs.at)


# Images and replicas


def imaged(docs: Sequence[Doc], images: Sequence[Tree]) -> None:
    """Put other names, tags and digests in place of images, in whatever has containers."""
    for entry in images:
        for doc in docs:
            if doc.kind != "CustomResourceDefinition":
                doc.tree = _imaged(doc.tree, entry)


def _imaged(tree: Tree, entry: Tree) -> Tree:
    if is_mapping(tree):
        children = entries(tree)
        new = {
            key: _containers(child, entry)
            if key in ("containers", "initContainers") and is_list(child)
            else _imaged(child, entry)
            for key, child in children.items()
        }
        return mapping(new, tree.at) if any(new[key] is not children[key] for key in new) else tree
    if is_list(tree):
        old = items(tree)
        changed_items = [_imaged(one, entry) for one in old]
        return (
            sequence(changed_items, tree.at)
            if any(a is not b for a, b in zip(old, changed_items, strict=True))
            else tree
        )
    return tree


def _containers(tree: Tree, entry: Tree) -> Tree:
    return sequence([_container(one, entry) for one in items(tree)], tree.at)


def _container(container: Tree, entry: Tree) -> Tree:
    node = container.get("image")
    name, tag, digest = image_parts(plain(node))
    if node is None or name != plain(entry.get("name")):
        return container
    at = next((found.at for key in ("digest", "newTag", "newName") if (found := entry.get(key)) is not None), entry.at)
    new = plain(entry.get("newName")) or name
    new_tag, new_digest = plain(entry.get("newTag")), plain(entry.get("digest"))
    if new_digest:
        text = f"{new}@{new_digest}"
    elif new_tag:
        text = f"{new}:{new_tag}"
    else:
        tag += plain(entry.get("tagSuffix"))
        text = new + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    return put(container, ("image",), made(text, at))


def scaled(docs: Sequence[Doc], replicas: Sequence[Tree]) -> None:
    """Set the number of replicas of workloads by name."""
    for entry in replicas:
        name, count = plain(entry.get("name")), entry.get("count")
        for doc in docs:
            if (
                count is not None
                and doc.kind in ("Deployment", "ReplicaSet", "StatefulSet", "ReplicationController")
                and name in [one for one, _ in doc.names()]
            ):
                doc.tree = put(doc.tree, ("spec", "replicas"), count)
