"""What templates find besides values: the files of the chart, what the cluster can do, and the chart itself."""

from __future__ import annotations

import base64
import posixpath
from collections.abc import Iterator
from typing import Any, ClassVar

from mlguard.errors import Unreadable
from mlguard.scanners.infra import re2
from mlguard.scanners.infra.helm import yamlout
from mlguard.scanners.infra.helm.charts import Chart, Reader, glob, string_of
from mlguard.scanners.infra.helm.functions import text
from mlguard.scanners.infra.helm.printing import Failed, from_utf8

KUBERNETES = ("1", "35")
"""Major and minor version of the cluster that Helm 4.1 assumes when it has none to ask."""

API_VERSIONS = (
    "v1", "admissionregistration.k8s.io/v1", "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1", "internal.apiserver.k8s.io/v1alpha1", "apps/v1", "apps/v1beta1",
    "apps/v1beta2", "authentication.k8s.io/v1", "authentication.k8s.io/v1alpha1", "authentication.k8s.io/v1beta1",
    "authorization.k8s.io/v1", "authorization.k8s.io/v1beta1", "autoscaling/v1", "autoscaling/v2",
    "autoscaling/v2beta1", "autoscaling/v2beta2", "batch/v1", "batch/v1beta1", "certificates.k8s.io/v1",
    "certificates.k8s.io/v1beta1", "certificates.k8s.io/v1alpha1", "coordination.k8s.io/v1alpha2",
    "coordination.k8s.io/v1beta1", "coordination.k8s.io/v1", "discovery.k8s.io/v1", "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1", "events.k8s.io/v1beta1", "extensions/v1beta1", "flowcontrol.apiserver.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1beta1", "flowcontrol.apiserver.k8s.io/v1beta2",
    "flowcontrol.apiserver.k8s.io/v1beta3", "networking.k8s.io/v1", "networking.k8s.io/v1beta1", "node.k8s.io/v1",
    "node.k8s.io/v1alpha1", "node.k8s.io/v1beta1", "policy/v1", "policy/v1beta1", "rbac.authorization.k8s.io/v1",
    "rbac.authorization.k8s.io/v1beta1", "rbac.authorization.k8s.io/v1alpha1", "resource.k8s.io/v1",
    "resource.k8s.io/v1beta2", "resource.k8s.io/v1beta1", "resource.k8s.io/v1alpha3", "scheduling.k8s.io/v1alpha1",
    "scheduling.k8s.io/v1beta1", "scheduling.k8s.io/v1", "storage.k8s.io/v1beta1", "storage.k8s.io/v1",
    "storage.k8s.io/v1alpha1", "storagemigration.k8s.io/v1beta1", "apiextensions.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1",
)  # fmt: skip
"""Versions of resources that it takes for known then."""


class Values(dict[str, Any]):
    """The values of a chart as a whole."""

    go_type = "common.Values"
    go_methods: ClassVar[dict[str, str]] = {"AsMap": "as_map", "YAML": "yaml"}

    def as_map(self) -> dict[str, Any]:
        return self

    def yaml(self) -> str:
        return yamlout.to_yaml(self) + "\n"


class Files(dict[str, Any]):
    """Files of a chart, each read when a template asks for it. ``used`` collects which ones that were."""

    go_type = "engine.files"
    go_copies = False
    go_methods: ClassVar[dict[str, str]] = {
        "Get": "get_text", "GetBytes": "get_bytes", "Glob": "matching", "AsConfig": "as_config", "AsSecrets": "as_secrets",
        "Lines": "lines",
    }  # fmt: skip

    def __init__(self, readers: dict[str, Reader], used: set[str], prefix: str) -> None:
        super().__init__(readers)
        self.used, self.prefix = used, prefix

    def __getitem__(self, name: str) -> bytes:
        reader: Reader = super().__getitem__(name)
        self.used.add(posixpath.join(self.prefix, name))
        try:
            return reader()
        except Unreadable:
            raise Failed("reads a file of the chart that cannot be read") from None

    def get(self, name: str, default: Any = None) -> Any:
        if name not in self:
            return default
        return self[name]

    def items(self) -> Any:
        return [(name, self[name]) for name in self]

    def get_bytes(self, name: Any) -> bytes:
        return self[name] if text(name) in self else b""

    def get_text(self, name: Any) -> str:
        return _text(self.get_bytes(name))

    def matching(self, pattern: Any) -> Files:
        try:
            compiled = glob(text(pattern))
        except (re2.Invalid, re2.TooLong):
            compiled = glob("**")
        found = {name: super(Files, self).__getitem__(name) for name in self if compiled.search(name)}
        return Files(found, self.used, self.prefix)

    def as_config(self) -> str:
        return yamlout.to_yaml({posixpath.basename(name): _text(self[name]) for name in sorted(self)})

    def as_secrets(self) -> str:
        encoded = {posixpath.basename(name): base64.b64encode(self[name]).decode("ascii") for name in sorted(self)}
        return yamlout.to_yaml(encoded)

    def lines(self, name: Any) -> list[str]:
        whole = self.get_text(name)
        return whole.removesuffix("\n").split("\n") if whole else []


def _text(data: bytes) -> str:
    return from_utf8(data).replace("\ue000", "\ufffd").replace("\ue001", "\ufffd")


class Versions(list[Any]):
    """The versions of resources that the cluster knows."""

    def go_field(self, name: str) -> Any:
        if name == "Has":
            return lambda version: text(version) in self
        raise KeyError(name)


class Cluster:
    """The version of the cluster."""

    def __str__(self) -> str:
        return f"v{'.'.join(KUBERNETES)}.0"

    def go_field(self, name: str) -> str:
        known = {"Major": KUBERNETES[0], "Minor": KUBERNETES[1]}
        return known.get(name) or {"Version": str(self), "GitVersion": str(self), "String": str(self)}[name]

    def go_plain(self) -> dict[str, str]:
        return {"Version": str(self), "Major": KUBERNETES[0], "Minor": KUBERNETES[1]}


class Build:
    """The version of Helm."""

    _fields: ClassVar[dict[str, str]] = {
        "Version": "v4.1.4",
        "GitCommit": "",
        "GitTreeState": "clean",
        "GoVersion": "go1.25.9",
    }

    def go_field(self, name: str) -> str:
        return self._fields[name]

    def __str__(self) -> str:
        return "{v4.1.4}"


class Capabilities:
    """What the cluster can do."""

    go_type = "*common.Capabilities"
    go_kind = "ptr"

    def __init__(self) -> None:
        self._fields = {"KubeVersion": Cluster(), "APIVersions": Versions(API_VERSIONS), "HelmVersion": Build()}

    def go_field(self, name: str) -> Any:
        return self._fields[name]


def chart_fields(chart: Chart) -> dict[str, Any]:
    """Return what templates see of Chart.yaml."""
    given = chart.metadata
    fields: dict[str, Any] = {
        name: string_of(given.get(key))
        for name, key in (
            ("Name", "name"), ("Home", "home"), ("Version", "version"), ("Description", "description"), ("Icon", "icon"),
            ("APIVersion", "apiVersion"), ("Condition", "condition"), ("Tags", "tags"), ("AppVersion", "appVersion"),
            ("KubeVersion", "kubeVersion"), ("Type", "type"),
        )
    }  # fmt: skip
    fields["APIVersion"] = fields["APIVersion"] or "v1"
    annotations = given.get("annotations")
    maintainers = given.get("maintainers")
    return fields | {
        "Sources": _texts(given.get("sources")),
        "Keywords": _texts(given.get("keywords")),
        "Deprecated": given.get("deprecated") is True,
        "Annotations": {key: string_of(value) for key, value in annotations.items()} if isinstance(annotations, dict) else None,
        "Maintainers": list(_maintainers(maintainers if isinstance(maintainers, list) else [])),
        "Dependencies": [
            {"Name": one.name, "Version": one.version, "Repository": one.repository, "Condition": one.condition,
             "Alias": one.alias, "Tags": list(one.tags), "Enabled": one.enabled}
            for one in chart.requirements or ()
        ],
        "IsRoot": chart.parent is None,
    }  # fmt: skip


def _texts(value: Any) -> list[str]:
    return [string_of(item) for item in value] if isinstance(value, list) else []


def _maintainers(given: list[Any]) -> Iterator[dict[str, str]]:
    for one in given:
        if isinstance(one, dict):
            yield {name: string_of(one.get(name.lower())) for name in ("Name", "Email", "URL")}
