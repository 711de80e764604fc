"""Kubernetes objects of every shape: nothing that is written ends in anything but resources, facts and gaps."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard import facts
from mlguard.artifacts import Artifact, kind_of
from mlguard.scanners import Context
from mlguard.scanners.infra import kubernetes
from mlguard.scanners.infra.resources import Open, Resource
from mlguard.scanners.infra.yamltree import parse
from tests.scanning import found, scan

KINDS = [
    "Deployment", "StatefulSet", "Job", "CronJob", "Pod", "InferenceService", "SeldonDeployment", "SparkApplication", "Workflow", "RayCluster", "PyTorchJob",
    "Notebook", "Service", "Ingress", "Gateway", "Route", "NetworkPolicy", "CiliumNetworkPolicy", "GlobalNetworkPolicy", "PeerAuthentication",
    "AuthorizationPolicy", "DestinationRule", "Server", "Mesh", "Role", "ClusterRole", "RoleBinding", "ServiceAccount", "StorageClass", "Policy",
    "EncryptionConfiguration", "HorizontalPodAutoscaler", "PodDisruptionBudget", "ServiceMonitor", "PodMonitor", "LimitRange", "ConfigMap", "Kustomization",
    "ClusterPolicy", "Namespace", "MeshTrafficPermission", "ServiceIntentions",
]  # fmt: skip
GROUPS = [
    "v1", "apps/v1", "serving.kserve.io/v1beta1", "security.istio.io/v1", "networking.istio.io/v1", "policy.linkerd.io/v1", "kuma.io/v1", "audit.k8s.io/v1",
    "cilium.io/v2", "projectcalico.org/v3", "crd.projectcalico.org/v1", "sparkoperator.k8s.io/v1beta2", "argoproj.io/v1alpha1", "tekton.dev/v1",
    "machinelearning.seldon.io/v1", "networking.k8s.io/v1", "rbac.authorization.k8s.io/v1",
]  # fmt: skip
KEYS = [
    "spec", "template", "containers", "initContainers", "container", "image", "name", "metadata", "labels", "annotations", "env", "envFrom", "configMapRef",
    "configMapKeyRef", "valueFrom", "value", "securityContext", "capabilities", "add", "drop", "seccompProfile", "type", "runAsUser", "volumes", "hostPath",
    "path", "emptyDir", "volumeMounts", "mountPath", "rules", "verbs", "resources", "limits", "requests", "nvidia.com/gpu", "subjects", "roleRef", "kind",
    "selector", "matchLabels", "matchExpressions", "podSelector", "ingress", "egress", "from", "to", "ipBlock", "cidr", "policyTypes", "endpointSelector",
    "mtls", "mode", "portLevelMtls", "trafficPolicy", "tls", "portLevelSettings", "subsets", "source", "action", "servers", "listeners", "protocol",
    "predictor", "model", "storageUri", "driver", "steps", "parameters", "encrypted", "providers", "identity", "level", "group", "scaleTargetRef",
    "minReplicas", "maxReplicas", "replicas", "strategy", "defaultRequest", "default", "data", "namespace", "items", "args", "command", "ports", "hostPort",
    "aggregationRule", "clusterRoleSelectors", "backends", "sources", "client", "sysctls", "windowsOptions", "appArmorProfile", "workflowSpec", "specs",
]  # fmt: skip
_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 3), st.floats(allow_nan=False), st.text(max_size=6),
    st.sampled_from(["*", "0.0.0.0/0", "PERMISSIVE", "Allow", "Container", "hf://a/b", "oci://a/b:1", "kube-apiserver", "--audit-log-path=-", "Deployment", "identity"]),
)  # fmt: skip
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)),
    max_leaves=40,
)


def read(root: Path, text: str, name: str = "k8s.yaml") -> list[Any]:
    (root / name).write_bytes(data := text.encode("utf-8", "surrogatepass"))
    return list(kubernetes.read([Artifact(name, kind_of(name, data), len(data))], Context(root)))


@settings(max_examples=300, deadline=2000)
@given(spec=_VALUES, kind=st.sampled_from(KINDS), group=st.sampled_from(GROUPS))
def test_any_object_of_any_kind_ends_in_resources_or_gaps(
    tmp_path_factory: pytest.TempPathFactory, spec: Any, kind: str, group: str
) -> None:
    body = {
        "apiVersion": group,
        "kind": kind,
        **dict.fromkeys(("metadata", "spec", "rules", "subjects", "roleRef", "resources", "parameters", "data"), spec),
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"a": "b"}}, "spec": {"serviceAccountName": "s", "containers": [{"name": "c", "image": "a:1", "envFrom": spec, "resources": spec}]}}  # fmt: skip

    for record in read(tmp_path_factory.getbasetemp(), json.dumps(body) + "\n---\n" + json.dumps(pod)):
        if isinstance(record, Resource):
            assert () in record.positions


@settings(max_examples=60, deadline=3000)
@given(cut=st.integers(0, 2000), flip=st.integers(0, 2000), byte=st.integers(0, 255))
def test_a_manifest_that_is_cut_or_changed_never_raises(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flip: int, byte: int
) -> None:
    text = bytearray(WHOLE.encode())
    text[flip % len(text)] = byte
    root = tmp_path_factory.getbasetemp()
    (root / "f.yaml").write_bytes(data := bytes(text[: max(1, cut % len(text))]))

    list(kubernetes.read([Artifact("f.yaml", "kubernetes", len(data))], Context(root)))


WHOLE = """apiVersion: apps/v1
kind: Deployment
metadata: {name: serve, namespace: ml}
spec:
  replicas: 2
  selector: {matchLabels: {app: serve}}
  template:
    metadata: {labels: {app: serve}, annotations: {prometheus.io/scrape: "true"}}
    spec:
      serviceAccountName: serve
      volumes: [{name: a, hostPath: {path: /etc}}]
      containers:
        - name: serve
          image: vllm/vllm-openai:v0.6.3
          args: [--model, example/model]
          env: [{name: AWS_REGION, value: us-east-1}, {name: A, valueFrom: {configMapKeyRef: {name: c, key: k}}}]
          resources: {limits: {nvidia.com/gpu: 1}}
          securityContext: {privileged: true, capabilities: {add: [SYS_ADMIN]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: serve, namespace: ml}
roleRef: {kind: ClusterRole, name: admin}
subjects: [{kind: ServiceAccount, name: serve}]
"""


def test_rendered_documents_are_judged_as_a_group_with_their_own_places(tmp_path: Path) -> None:
    tree = parse(WHOLE).trees[0]

    objects = list(kubernetes.objects_of(tree, "chart/templates/deployment.yaml", "helm"))
    records = [one for one in kubernetes.judge_group(objects) if isinstance(one, Resource)]

    assert {one.format for one in records} == {"helm"}
    assert {one.path for one in records} == {"chart/templates/deployment.yaml"}


def test_a_variable_of_a_config_map_is_known_and_stands_where_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: ml}\ndata:\n  REGION: us-east-1\n"
    )
    (tmp_path / "b.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: ml}\nspec:\n  containers:\n    - name: c\n      image: a:1\n"
        "      envFrom: [{configMapRef: {name: c}}]\n"
    )

    report = scan(tmp_path, ["infra"])

    assert found(report, "k8s/disallowed-region") == [("a.yaml", 5, "k8s/disallowed-region")]


def test_variables_that_come_from_a_secret_leave_the_environment_open(tmp_path: Path) -> None:
    records = read(tmp_path, "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers: [{name: c, image: a:1, envFrom: [{secretRef: {name: s}}]}]\n")  # fmt: skip

    made = next(one for one in records if isinstance(one, Resource) and one.kind == "k8s.container")

    assert isinstance(made.attributes["environment"], Open)


@pytest.mark.parametrize(
    ("note", "who"),
    [
        ("eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/a", "arn:aws:iam::111122223333:role/a"),
        ("iam.gke.io/gcp-service-account: a@b.iam.gserviceaccount.com", "a@b.iam.gserviceaccount.com"),
        ("azure.workload.identity/client-id: 00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000"),
    ],
)  # fmt: skip
def test_the_identity_of_a_cloud_is_a_grant_of_the_account(tmp_path: Path, note: str, who: str) -> None:
    records = read(tmp_path, f"apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: s\n  namespace: ml\n  annotations:\n    {note}\n")  # fmt: skip

    granted = [one for one in records if isinstance(one, facts.Grant)]

    assert granted == [facts.Grant("ServiceAccount:ml/s", ("assume",), (who,), "k8s.yaml", 7, "ServiceAccount/ml/s")]


def test_rules_of_an_aggregated_role_reach_the_workload(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: whole}\naggregationRule:\n"
        "  clusterRoleSelectors: [{matchLabels: {part: whole}}]\nrules: []\n---\n"
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: part, labels: {part: whole}}\n"
        "rules: [{apiGroups: [''], resources: [secrets], verbs: [list]}]\n---\n"
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: b}\nroleRef: {kind: ClusterRole, name: whole}\n"
        "subjects: [{kind: ServiceAccount, name: s, namespace: ml}]\n---\n"
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: ml}\nspec:\n  serviceAccountName: s\n  containers: [{name: c, image: 'a:1'}]\n"
    )

    report = scan(tmp_path, ["infra"])

    assert found(report, "k8s/wildcard-role") == [("a.yaml", 23, "k8s/wildcard-role")]


@pytest.mark.parametrize("labels", ["{app: x}", "{}"])
def test_many_pods_and_services_with_the_same_labels_stay_linear(tmp_path: Path, labels: str) -> None:
    pods = "".join(f"- {{apiVersion: v1, kind: Pod, metadata: {{name: p{i}, labels: {labels}}}, spec: {{containers: [{{name: c, image: a}}]}}}}\n" for i in range(1_000))  # fmt: skip
    services = "".join(
        f"- {{apiVersion: v1, kind: Service, metadata: {{name: s{i}}}, spec: {{selector: {labels}}}}}\n"
        for i in range(1_000)
    )
    policies = "".join(f"- {{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: n{i}}}, spec: {{podSelector: {labels}}}}}\n" for i in range(1_000))  # fmt: skip
    begin = time.process_time()

    read(tmp_path, "apiVersion: v1\nkind: List\nitems:\n" + pods + services + policies)

    assert time.process_time() - begin < 8


def test_labels_registries_and_digests_are_asked_for_where_the_configuration_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: ml, labels: {owner: x}}\nspec:\n  containers:\n"
        "    - name: c\n      image: docker.io/library/a:1\n    - name: d\n      image: registry.example.org/a@sha256:"
        + "0" * 64
        + "\n"
    )
    params = {
        "k8s/missing-quota-or-labels": {"required": ["owner", "cost-center"]},
        "k8s/unpinned-or-unapproved-image": {"allowed": ["registry.example.org"], "required": ["kubernetes"]},
    }

    report = scan(tmp_path, ["infra"], {"infra": {"params": params}})

    told = {(one.rule, one.check, one.location.line) for one in report.findings}
    assert ("k8s/missing-quota-or-labels", "workload-labels", 1) in told
    assert {one for one in told if one[0] == "k8s/unpinned-or-unapproved-image"} == {
        ("k8s/unpinned-or-unapproved-image", "registry", 7),
        ("k8s/unpinned-or-unapproved-image", "no-digest", 7),
    }


@pytest.mark.parametrize("silenced", ["CKV_K8S_22", "CKV_K8S_20"])
def test_each_check_of_hardening_is_silenced_by_its_own_peer(tmp_path: Path, silenced: str) -> None:
    (tmp_path / "a.yaml").write_text(
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  containers:\n    # checkov:skip={silenced}: no need\n    - name: c\n      image: a:1\n"
    )

    report = scan(tmp_path, ["infra"])

    open_checks = {one.check for one in report.findings if one.rule == "k8s/unhardened-container"}
    assert len(open_checks) >= 3


def test_what_terraform_only_knows_later_is_a_gap_and_no_finding(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(
        'variable "x" {}\nresource "kubernetes_pod_v1" "a" {\n  metadata {\n    name = "a"\n    namespace = var.x\n  }\n  spec {\n'
        "    service_account_name = var.x\n    security_context { run_as_non_root = var.x }\n"
        '    container {\n      name = "c"\n      image = var.x\n      resources { limits = var.x }\n'
        "      security_context {\n        allow_privilege_escalation = var.x\n        read_only_root_filesystem = true\n"
        "        privileged = var.x\n        capabilities { drop = var.x }\n"
        '        seccomp_profile { type = "RuntimeDefault" }\n      }\n    }\n  }\n}\n'
    )

    report = scan(tmp_path, ["infra"])

    rules = {"k8s/unhardened-container", "k8s/privileged-container", "k8s/missing-resource-limits", "k8s/default-service-account", "k8s/unpinned-or-unapproved-image"}  # fmt: skip
    assert [one for one in report.findings if one.rule in rules] == []
    assert any(gap.kind == "unresolved" for gap in report.gaps)


def test_where_accelerators_run_is_asked_for_where_the_configuration_says_so(tmp_path: Path) -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {{name: {0}}}\nspec:\n  containers: [{{name: c, image: a:1, resources: {{requests: {{cpu: 1}}, limits: {{memory: 1Gi, nvidia.com/gpu: 1}}}}}}]\n"
    (tmp_path / "a.yaml").write_text(
        pod.format("a") + "---\n" + pod.format("b") + "  tolerations: [{key: nvidia.com/gpu, operator: Exists}]\n"
    )

    silent = scan(tmp_path, ["infra"])
    asked = scan(
        tmp_path, ["infra"], {"infra": {"params": {"k8s/missing-resource-limits": {"wanted": ["accelerator"]}}}}
    )

    assert found(silent, "k8s/missing-resource-limits") == []
    assert found(asked, "k8s/missing-resource-limits") == [("a.yaml", 4, "k8s/missing-resource-limits")]
