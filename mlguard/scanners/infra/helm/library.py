"""What the templates of Bitnami's library ``common`` come to, for charts whose copy of it is not there.

Most public charts of that family leave the library out of the repository, and ``helm dependency build`` fetches it. What
its templates are for is public; here is the part of it that decides about security, computed and not quoted: names,
labels, images, security contexts, versions of resources. What is not here stays unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mlguard.scanners.infra.helm import encoding, yamlout
from mlguard.scanners.infra.helm.listings import merge
from mlguard.scanners.infra.helm.printing import Failed, text_of, truth
from mlguard.scanners.infra.resources import reference

if TYPE_CHECKING:
    from mlguard.scanners.infra.helm.evaluator import Run

Body = Callable[["Run", Any], str]

_API = {
    "deployment": "apps/v1", "statefulset": "apps/v1", "daemonset": "apps/v1", "job": "batch/v1", "cronjob": "batch/v1",
    "rbac": "rbac.authorization.k8s.io/v1", "crd": "apiextensions.k8s.io/v1", "networkPolicy": "networking.k8s.io/v1",
    "ingress": "networking.k8s.io/v1", "policy": "policy/v1", "hpa": "autoscaling/v2", "vpa": "autoscaling.k8s.io/v1beta2",
    "apiService": "apiregistration.k8s.io/v1", "admissionConfiguration": "apiserver.config.k8s.io/v1",
}  # fmt: skip
"""The version of each kind of resource for the cluster that is assumed."""


def stand_in(name: str) -> Body | None:
    """Return what computes a template of the library, or None."""
    match = re.fullmatch(r"common\.capabilities\.(\w+)\.apiVersion", name)
    if match and match[1] in _API:
        version = _API[match[1]]
        return lambda run, data: version
    return _BODIES.get(name)


def _field(value: Any, *path: str) -> Any:
    """Return what stands at a path of mappings, or None."""
    for step in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def _short(text: str) -> str:
    return text[:63].removesuffix("-")


def _name(run: Run, data: Any) -> str:
    return _short(text_of(_field(data, "Values", "nameOverride") or _field(data, "Chart", "Name") or ""))


def _joined(release: str, name: str) -> str:
    return _short(release if name in release else f"{release}-{name}")


def _fullname(run: Run, data: Any) -> str:
    given = _field(data, "Values", "fullnameOverride")
    if truth(given):
        return _short(text_of(given))
    name = text_of(_field(data, "Values", "nameOverride") or _field(data, "Chart", "Name") or "")
    return _joined(text_of(_field(data, "Release", "Name")).lower(), name)


def _dependency(run: Run, data: Any) -> str:
    given = _field(data, "chartValues", "fullnameOverride")
    if truth(given):
        return _short(text_of(given))
    name = text_of(_field(data, "chartValues", "nameOverride") or _field(data, "chartName") or "")
    return _joined(text_of(_field(data, "context", "Release", "Name")), name)


def _namespace(run: Run, data: Any) -> str:
    return _short(text_of(_field(data, "Values", "namespaceOverride") or _field(data, "Release", "Namespace")))


def _full_with_namespace(run: Run, data: Any) -> str:
    return _short(f"{_fullname(run, data)}-{_namespace(run, data)}")


def _label(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+$", "", text.replace("+", "_")[:63])


def _chart(run: Run, data: Any) -> str:
    return _label(f"{text_of(_field(data, 'Chart', 'Name'))}-{text_of(_field(data, 'Chart', 'Version'))}")


# Values that are templates


def _rendered(run: Run, value: Any, context: Any, scope: Any = None) -> str:
    text = value if isinstance(value, str) else yamlout.to_yaml(value)
    if "{{" not in text:
        return text
    if truth(scope):
        inner = dict(context) if isinstance(context, Mapping) else {}
        return run.inline("{{ with $.RelativeScope }}" + text + "{{ end }}", inner | {"RelativeScope": scope})
    return run.inline(text, context)


def _render(run: Run, data: Any) -> str:
    return _rendered(run, _field(data, "value"), _field(data, "context"), _field(data, "scope"))


def _mapping(run: Run, value: Any, context: Any, scope: Any = None) -> dict[str, Any]:
    found = encoding.load_yaml(_rendered(run, value, context, scope)) if truth(value) else {}
    return found if isinstance(found, dict) else {}


def _merged(run: Run, data: Any, overwrite: bool) -> str:
    result: dict[str, Any] = {}
    values = _field(data, "values")
    for value in values if isinstance(values, list) else ():
        merge(result, _mapping(run, value, _field(data, "context"), _field(data, "scope")), overwrite, 0)
    return yamlout.to_yaml(result)


def _merge(run: Run, data: Any) -> str:
    return _merged(run, data, False)


def _merge_overwrite(run: Run, data: Any) -> str:
    return _merged(run, data, True)


# Labels


def _parts(data: Any) -> tuple[Any, Any]:
    """Return the context and the labels of its own that a template was called with."""
    if isinstance(data, Mapping) and "customLabels" in data and "context" in data:
        return data["context"], data["customLabels"]
    return data, None


def _selector(run: Run, context: Any) -> dict[str, Any]:
    return {
        "app.kubernetes.io/name": _name(run, context),
        "app.kubernetes.io/instance": text_of(_field(context, "Release", "Name")),
    }


def _labels(run: Run, data: Any) -> str:
    context, own = _parts(data)
    result = _mapping(run, own, context)
    service = text_of(_field(context, "Release", "Service"))
    known = {"helm.sh/chart": _chart(run, context), "app.kubernetes.io/managed-by": service}
    version = _field(context, "Chart", "AppVersion")
    if truth(version):
        known["app.kubernetes.io/version"] = _label(text_of(version))
    merge(result, {**_selector(run, context), **known}, False, 0)
    return yamlout.to_yaml(result)


def _match_labels(run: Run, data: Any) -> str:
    context, own = _parts(data)
    selector = _selector(run, context)
    result = {key: value for key, value in _mapping(run, own, context).items() if key in selector}
    merge(result, selector, False, 0)
    return yamlout.to_yaml(result)


# Containers


def _security(run: Run, data: Any) -> str:
    given = _field(data, "secContext")
    if not isinstance(given, Mapping):
        raise Failed("asks for a security context that is not set")
    dropped = {"enabled"}
    compatibility = _field(data, "context", "Values", "global", "compatibility")
    if _field(compatibility, "openshift", "adaptSecurityContext") == "force":
        dropped |= {"fsGroup", "runAsUser", "runAsGroup"}
        dropped |= set() if truth(given.get("seLinuxOptions")) else {"seLinuxOptions"}
    if truth(_field(compatibility, "omitEmptySeLinuxOptions")) and not truth(given.get("seLinuxOptions")):
        dropped.add("seLinuxOptions")
    if truth(given.get("privileged")):
        dropped.add("capabilities")
    return yamlout.to_yaml({key: value for key, value in given.items() if key not in dropped})


def _image(run: Run, data: Any) -> str:
    root = _field(data, "imageRoot")
    registry = _field(data, "global", "imageRegistry") or _field(root, "registry")
    tag = _field(root, "tag") or _field(data, "chart", "AppVersion")
    digest = _field(root, "digest")
    name = text_of(_field(root, "repository"))
    place = f"{text_of(registry)}/{name}" if truth(registry) else name
    return f"{place}@{text_of(digest)}" if truth(digest) else f"{place}:{text_of(tag)}"


def _image_version(run: Run, data: Any) -> str:
    tag = text_of(_field(data, "imageRoot", "tag") or "")
    match = re.match(r"v?(\d+\.\d+\.\d+)", tag)
    return match[1] if match else text_of(_field(data, "chart", "AppVersion"))


def _pull_secrets(run: Run, data: Any) -> str:
    context = _field(data, "context")
    given = list(
        _field(context, "Values", "global", "imagePullSecrets") or _field(data, "global", "imagePullSecrets") or []
    )
    for image in _field(data, "images") or []:
        given += _field(image, "pullSecrets") or []
    names: list[str] = []
    for one in given:
        name = text_of(one.get("name") if isinstance(one, Mapping) else one)
        names.append(run.inline(name, context) if context is not None else name)
    unique = list(dict.fromkeys(names))
    return yamlout.to_yaml({"imagePullSecrets": [{"name": name} for name in unique]}) if unique else ""


def _preset(run: Run, data: Any) -> str:
    amounts = {key: reference("the preset of resources") for key in ("cpu", "memory", "ephemeral-storage")}
    return yamlout.to_yaml({"requests": amounts, "limits": amounts})


# Where pods run


def _affinity(kind: Any, term: dict[str, Any], required: Any, wrapped: str) -> str:
    """Return a wish or a demand, by the words that charts use for them."""
    if kind == "soft":
        wish = {wrapped: term, "weight": 1}
        return yamlout.to_yaml({"preferredDuringSchedulingIgnoredDuringExecution": [wish]})
    return yamlout.to_yaml({"requiredDuringSchedulingIgnoredDuringExecution": required}) if kind == "hard" else ""


def _pods(run: Run, data: Any) -> str:
    context = _field(data, "context")
    labels = encoding.load_yaml(_match_labels(run, {"customLabels": _field(data, "customLabels"), "context": context}))
    component, extra = _field(data, "component"), _field(data, "extraMatchLabels")
    labels |= {"app.kubernetes.io/component": component} if truth(component) else {}
    labels |= extra if isinstance(extra, dict) else {}
    term: dict[str, Any] = {"labelSelector": {"matchLabels": labels}}
    term["topologyKey"] = _field(data, "topologyKey") or "kubernetes.io/hostname"
    return _affinity(_field(data, "type"), term, [term], "podAffinityTerm")


def _nodes(run: Run, data: Any) -> str:
    values = [text_of(value) for value in _field(data, "values") or []]
    term = {"matchExpressions": [{"key": _field(data, "key"), "operator": "In", "values": values}]}
    return _affinity(_field(data, "type"), term, {"nodeSelectorTerms": [term]}, "preference")


# The rest


def _nothing(run: Run, data: Any) -> str:
    return ""


def _backend(run: Run, data: Any) -> str:
    port = _field(data, "servicePort")
    number = {"name": port} if isinstance(port, str) else {"number": port}
    return yamlout.to_yaml({"service": {"name": _field(data, "serviceName"), "port": number}})


def _certificate(run: Run, data: Any) -> str:
    notes = _field(data, "annotations")
    wanted = ("cert-manager.io/cluster-issuer", "cert-manager.io/issuer", "kubernetes.io/tls-acme")
    return "true" if isinstance(notes, Mapping) and any(name in notes for name in wanted) else ""


def _storage(run: Run, data: Any) -> str:
    shared = _field(data, "global")
    given = (
        _field(shared, "storageClass")
        or _field(data, "persistence", "storageClass")
        or _field(shared, "defaultStorageClass")
        or ""
    )
    if not truth(given):
        return ""
    return 'storageClassName: ""' if given == "-" else f"storageClassName: {text_of(given)}"


def _has_version(run: Run, data: Any) -> str:
    capabilities = _field(data, "context", "Capabilities")
    versions = capabilities.go_field("APIVersions") if capabilities is not None else ()
    return "true" if _field(data, "version") in versions else ""


def _kube_version(run: Run, data: Any) -> str:
    given = _field(data, "Values", "global", "kubeVersion") or _field(data, "Values", "kubeVersion")
    capabilities = _field(data, "Capabilities")
    return text_of(given or (capabilities.go_field("KubeVersion") if capabilities is not None else ""))


def _secret_name(run: Run, data: Any) -> str:
    given = _field(data, "existingSecret")
    name = _field(given, "name") if isinstance(given, Mapping) else given
    if truth(name):
        return _rendered(run, text_of(name), _field(data, "context"))
    suffix = _field(data, "defaultNameSuffix")
    full = _fullname(run, _field(data, "context"))
    return _short(f"{full}-{text_of(suffix)}") if truth(suffix) else full


def _secret_key(run: Run, data: Any) -> str:
    key = text_of(_field(data, "key"))
    mapped = _field(data, "existingSecret", "keyMapping", key)
    return text_of(mapped) if truth(mapped) else key


_BODIES: dict[str, Body] = {
    "common.names.name": _name,
    "common.names.chart": _chart,
    "common.names.fullname": _fullname,
    "common.names.namespace": _namespace,
    "common.names.fullname.namespace": _full_with_namespace,
    "common.names.dependency.fullname": _dependency,
    "common.tplvalues.render": _render,
    "common.tplvalues.merge": _merge,
    "common.tplvalues.merge-overwrite": _merge_overwrite,
    "common.labels.standard": _labels,
    "common.labels.matchLabels": _match_labels,
    "common.compatibility.renderSecurityContext": _security,
    "common.compatibility.isOpenshift": _nothing,
    "common.images.image": _image,
    "common.images.version": _image_version,
    "common.images.pullSecrets": _pull_secrets,
    "common.images.renderPullSecrets": _pull_secrets,
    "common.resources.preset": _preset,
    "common.affinities.pods": _pods,
    "common.affinities.nodes": _nodes,
    "common.ingress.backend": _backend,
    "common.ingress.certManagerRequest": _certificate,
    "common.storage.class": _storage,
    "common.capabilities.apiVersions.has": _has_version,
    "common.capabilities.kubeVersion": _kube_version,
    "common.capabilities.psp.supported": _nothing,
    "common.secrets.name": _secret_name,
    "common.secrets.key": _secret_key,
    "common.secrets.exists": _nothing,
    "common.warnings.rollingTag": _nothing,
}
