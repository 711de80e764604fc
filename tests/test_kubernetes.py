"""Kubernetes manifests as objects, pod templates and containers."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard import facts
from mlguard.artifacts import Artifact, kind_of
from mlguard.findings import Gap
from mlguard.scanners import Context
from mlguard.scanners.infra import kubernetes
from mlguard.scanners.infra.resources import Resource, Unknown
from tests.scanning import found, scan

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n"


def read(root: Path, files: str | Mapping[str, str]) -> list[Any]:
    files = {"k8s.yaml": files} if isinstance(files, str) else files
    artifacts = []
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        data = text.encode("utf-8", "surrogatepass")
        file.write_bytes(data)
        artifacts.append(Artifact(path, kind_of(path, data), len(data)))
    return list(kubernetes.read(artifacts, Context(root)))


def resources(records: list[Any], kind: str = "k8s.container") -> list[Resource]:
    return [one for one in records if isinstance(one, Resource) and one.kind == kind]


def gaps(records: list[Any]) -> list[Gap]:
    return [one for one in records if isinstance(one, Gap)]


def container(root: Path, text: str, spec: str = "") -> Resource:
    body = "".join(f"      {line}\n" for line in text.split("\n"))
    return resources(
        read(root, f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n{spec}  containers:\n    -\n{body}")
    )[0]


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("Deployment", "spec.template.spec.containers"),
        ("CronJob", "spec.jobTemplate.spec.template.spec.containers"),
        ("InferenceService", "spec.predictor.containers"),
        ("RayCluster", "spec.workerGroupSpecs.0.template.spec.containers"),
        ("PyTorchJob", "spec.pytorchReplicaSpecs.Worker.template.spec.containers"),
        ("SparkApplication", "spec.driver.sidecars"),
        ("Something", "spec.deeply.nested.initContainers"),
        ("Workflow", "spec.templates.0.container"),
        ("SeldonDeployment", "spec.predictors.0.componentSpecs.0.spec.containers"),
    ],
)
def test_containers_are_found_by_their_shape_in_any_kind(tmp_path: Path, kind: str, path: str) -> None:
    value: Any = {"name": "c", "image": "a:1"}
    value = value if path.endswith(".container") else [value]
    for step in reversed(path.split(".")):
        value = [value] if step == "0" else {step: value}
    manifest = {"apiVersion": "x/v1", "kind": kind, "metadata": {"name": "n"}, **value}

    records = read(tmp_path, {"m.json": json.dumps(manifest)})

    assert [one.attributes["image"] for one in resources(records)] == ["a:1"]
    assert [one.attributes["workload_kind"] for one in resources(records)] == [kind]


@pytest.mark.parametrize("kind", ["CustomResourceDefinition", "ClusterPolicy"])
def test_schemas_and_policies_hold_no_containers(tmp_path: Path, kind: str) -> None:
    group = {"CustomResourceDefinition": "apiextensions.k8s.io/v1", "ClusterPolicy": "kyverno.io/v1"}[kind]
    text = f"apiVersion: {group}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {{containers: [{{name: a, image: b}}]}}\n"

    assert resources(read(tmp_path, text)) == []


def test_a_definition_of_a_type_before_an_object_keeps_its_lines(tmp_path: Path) -> None:
    text = (
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nspec: {}\n---\n"
        + POD
        + "    - {name: a, image: b}\n"
    )

    found_in = resources(read(tmp_path, text))[0]

    assert found_in.positions[()].line == 10


def test_a_list_and_several_documents_are_all_read(tmp_path: Path) -> None:
    item = '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "%s"}, "spec": {"containers": [{"name": "c", "image": "a"}]}}'
    text = (
        '{"apiVersion": "v1",\n\t"kind": "List", "items": ['
        + item.replace("%s", "a")
        + ",\n"
        + item.replace("%s", "b")
        + "]}"
    )

    records = read(tmp_path, {"list.json": text})

    assert [(one.address, one.positions[()].line) for one in resources(records)] == [
        ("Pod/default/a/c", 2),
        ("Pod/default/b/c", 3),
    ]


@pytest.mark.parametrize(
    ("own", "pod", "expected"),
    [
        ("", "", "a user other than root"),
        ("securityContext: {runAsNonRoot: true}", "", None),
        ("", "securityContext: {runAsNonRoot: true}", None),
        ("", "securityContext: {runAsUser: 1000}", None),
        ("securityContext: {runAsNonRoot: yes}", "", None),
        ("securityContext: {runAsNonRoot: 'true'}", "", "a user other than root"),
    ],
)
def test_what_the_pod_says_holds_for_its_containers(tmp_path: Path, own: str, pod: str, expected: str | None) -> None:
    made = container(tmp_path, f"name: c\nimage: a:1\n{own}", f"  {pod}\n" if pod else "")

    assert (made.attributes["root"] != "") is (expected is not None)


def test_a_container_overrides_its_pod(tmp_path: Path) -> None:
    made = container(
        tmp_path,
        "name: c\nimage: a:1\nsecurityContext: {runAsUser: 0}",
        "  securityContext: {runAsUser: 7, runAsNonRoot: true}\n",
    )

    assert made.attributes["root"] == "is told to run as root"
    assert made.positions["root",].line == 10


def test_an_anchor_keeps_the_line_where_it_is_written(tmp_path: Path) -> None:
    text = (
        POD
        + "    - name: a\n      image: a:1\n      securityContext: &s\n        privileged: true\n    - name: b\n      image: b:1\n      securityContext: {<<: *s}\n"
    )

    lines = [one.positions["effective", "privileged"].line for one in resources(read(tmp_path, text))]

    assert lines == [9, 9]


def test_helm_templates_are_gaps_and_never_manifests(tmp_path: Path) -> None:
    body = POD + '    - {name: a, image: "{{ .Values.image }}", securityContext: {privileged: true}}\n'
    files = {
        "chart/Chart.yaml": "apiVersion: v2\nname: c\n",
        "chart/templates/a.yaml": body,
        "chart/templates/b.yaml": POD + "    - name: {{ .Chart.Name }}\n      image: a\n",
        "other/c.yaml": "{{- if .Values.on }}\n" + POD + "    - {name: a, image: b}\n{{- end }}\n",
        "other/d.yaml": POD + "    - {name: a, image: b, replicas: {{ x }}}\n",
    }

    records = read(tmp_path, files)

    assert resources(records) == []
    assert sorted(gap.path for gap in gaps(records)) == [
        "chart/templates/a.yaml",
        "chart/templates/b.yaml",
        "other/c.yaml",
        "other/d.yaml",
    ]
    assert {gap.kind for gap in gaps(records)} == {"skipped"}


def test_templates_of_other_tools_inside_text_do_not_hide_a_manifest(tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  rules: |\n    summary: {{ $labels.pod }} {{ .Values.x }}\n"

    records = read(tmp_path, text)

    assert gaps(records) == []
    assert [one.kind for one in records if isinstance(one, Resource)] == ["ConfigMap"]


def test_an_image_that_is_put_in_later_is_unknown(tmp_path: Path) -> None:
    made = [
        container(tmp_path, f"name: c\nimage: {image}").attributes["floating"]
        for image in ("'{{inputs.image}}'", "a:${TAG}", "$(IMAGE)", "a/$(X):1")
    ]

    assert [isinstance(one, Unknown) for one in made] == [True, True, True, False]


def test_plain_yaml_is_no_manifest(tmp_path: Path) -> None:
    files = {
        "a.yaml": "image: a\ncontainers: [{image: b}]\n",
        "b.yaml": "kind: x\n",
        "c.yml": "- 1\n",
        "d.yaml": "a: [\n",
    }

    assert read(tmp_path, files) == []


def test_a_broken_manifest_is_a_gap_that_keeps_what_came_before(tmp_path: Path) -> None:
    records = read(tmp_path, POD + "    - {name: a, image: b}\n---\napiVersion: v1\nkind: Pod\nspec: [\n")

    assert [gap.kind for gap in gaps(records)] == ["unreadable"]
    assert len(resources(records)) == 1


def test_a_key_that_stands_twice_is_a_gap_without_its_name(tmp_path: Path) -> None:
    records = read(tmp_path, POD + "    - {name: a, image: b}\n    - name: a\n      image: b\n      image: c\n")

    assert [(gap.kind, gap.reason[:7]) for gap in gaps(records)] == [("unresolved", "line 9:")]


def test_workloads_and_bindings_are_facts(tmp_path: Path) -> None:
    text = (
        POD + "    - {name: a, image: registry/a:1}\n---\n"
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r, namespace: n}\nrules: [{resources: [pods], verbs: [get]}]\n---\n"
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: b, namespace: n}\n"
        "roleRef: {kind: Role, name: r}\nsubjects: [{kind: ServiceAccount, name: s}]\n"
    )

    records = read(tmp_path, text)

    assert [one for one in records if isinstance(one, facts.Deployment)] == [
        facts.Deployment("Pod/default/p", "registry/a:1", "k8s.yaml", 6)
    ]
    assert [one for one in records if isinstance(one, facts.Grant)] == [
        facts.Grant("ServiceAccount:n/s", ("get",), ("pods",), "k8s.yaml", 17, "RoleBinding/n/b")
    ]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DB_PASSWORD", "correct-horse", True), ("PASSWORD", "x1y2", True), ("api_key", "abcdefg", True), ("HF_TOKEN", "a1b2c3d4", True),
        ("AWS_SECRET_ACCESS_KEY", "abcdefgh", True), ("MINIO_ROOT_PASSWORD", "minioadmin", True), ("CLIENT_SECRET", "s3cr3t!", True),
        ("DB_PASSWORD", "", False), ("DB_PASSWORD", "${DB}", False), ("DB_PASSWORD", "$(DB)", False), ("DB_PASSWORD", "<password>", False),
        ("DB_PASSWORD", "changeme", False), ("DB_PASSWORD_FILE", "/run/x", False), ("MAX_TOKENS", "4096", False), ("PAD_TOKEN", "[PAD]", False),
        ("TOKENIZERS_PARALLELISM", "false", False), ("SECRET_NAME", "serving", False), ("TOKEN_URL", "https://a/b", False),
        ("PASSWORD", "true", False), ("MODEL", "abcdefgh", False), ("PASSWORD_POLICY", "strict", False), ("API_KEY", "vault:secret/a", False),
    ],
)  # fmt: skip
def test_a_credential_is_told_from_what_only_sounds_like_one(name: str, value: str, expected: bool) -> None:
    assert kubernetes.secret_literal(name, value) is expected


def test_a_written_out_secret_never_leaves_the_scan(tmp_path: Path) -> None:
    value = "correct-horse" + "-battery-staple"
    text = POD + f"    - name: a\n      image: a:1\n      env:\n        - name: DB_PASSWORD\n          value: {value}\n"
    text += f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata:\n  api_key: {value}\n"
    (tmp_path / "k8s.yaml").write_text(text)

    report = scan(tmp_path, ["infra"])

    assert found(report, "k8s/literal-secret-value") == [
        ("k8s.yaml", 10, "k8s/literal-secret-value"),
        ("k8s.yaml", 16, "k8s/literal-secret-value"),
    ]
    assert "correct-horse" not in repr(report)
    assert "battery" not in repr(report)


def test_joins_cross_files_and_respect_the_namespace(tmp_path: Path) -> None:
    def workload(namespace: str) -> str:
        return (
            f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: llm, namespace: {namespace}}}\nspec:\n  selector: {{}}\n  template:\n"
            "    metadata: {labels: {app: llm}}\n    spec: {containers: [{name: vllm, image: vllm/vllm-openai:v0.6.3}]}\n"
        )

    service = "apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: one}\nspec: {type: NodePort, selector: {app: llm}}\n"

    records = read(tmp_path, {"a/one.yaml": workload("one"), "a/two.yaml": workload("two"), "a/z.yaml": service})

    assert {one.address: one.attributes["exposure"] for one in resources(records)} == {
        "Deployment/one/llm/vllm": ["a NodePort"],
        "Deployment/two/llm/vllm": [],
    }


def test_a_patch_fills_what_its_base_lacks_at_its_own_place(tmp_path: Path) -> None:
    head = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n"
    base = head + "  selector: {}\n  template: {spec: {containers: [{name: c, image: 'a:1'}]}}\n"
    patch = (
        head
        + "  template:\n    spec:\n      containers:\n        - name: c\n          securityContext: {privileged: true}\n"
    )
    kustomization = (
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\npatches: [{path: ../prod/p.yaml}]\n"
    )

    records = read(
        tmp_path, {"k/base/d.yaml": base, "k/prod/p.yaml": patch, "k/prod/kustomization.yaml": kustomization}
    )

    made = next(one for one in resources(records) if "k8s.container" in one.classes)
    assert made.attributes["effective"] == {"privileged": True}
    assert made.positions["effective", "privileged"].path == "k/prod/p.yaml"
    assert [one.path for one in resources(records) if "k8s.container" not in one.classes] == ["k/prod/p.yaml"]


def test_the_quick_run_takes_a_workload_without_a_selector_for_a_patch(tmp_path: Path) -> None:
    text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: {template: {spec: {containers: [{name: c, image: 'a:1'}]}}}\n"
    (tmp_path / "d.yaml").write_text(text)
    artifacts = [Artifact("d.yaml", "kubernetes", len(text))]

    quick = list(kubernetes.read(artifacts, Context(tmp_path, hook=True)))
    full = list(kubernetes.read(artifacts, Context(tmp_path)))

    assert [one.attributes["fragment"] for one in resources(quick) + resources(full)] == [True, False]


_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=10)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(["spec", "template", "containers", "initContainers", "container", "image", "name", "metadata", "labels", "env", "value",
                             "securityContext", "volumes", "hostPath", "path", "rules", "subjects", "roleRef", "tls", "servers", "listeners", "ingress",
                             "from", "selector", "data", "args", "command", "resources", "limits", "capabilities", "add", "patches", "images", "items",
                             "scaleTargetRef", "annotations", "port", "hosts", "verbs"]), inner, max_size=6),
    ),
    max_leaves=40,
)  # fmt: skip


@settings(max_examples=150, deadline=2000)
@given(
    spec=_VALUES,
    kind=st.sampled_from(["Deployment", "Pod", "Ingress", "Gateway", "NetworkPolicy", "Role", "RoleBinding", "ConfigMap", "Service", "Kustomization",
                          "HorizontalPodAutoscaler", "Namespace", "List", "Route", "VirtualService", "AuthorizationPolicy", "Secret"]),
)  # fmt: skip
def test_any_structure_ends_in_resources_or_gaps(
    tmp_path_factory: pytest.TempPathFactory, spec: Any, kind: str
) -> None:
    body = {"apiVersion": "v1", "kind": kind, "metadata": spec, "spec": spec, "rules": spec, "subjects": spec, "roleRef": spec, "items": spec, "data": spec,
            "patches": spec, "images": spec}  # fmt: skip
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"image": "a", "env": spec, "securityContext": spec}]},
    }

    read(tmp_path_factory.getbasetemp(), {"f.yaml": json.dumps(body) + "\n---\n" + json.dumps(pod)})


@settings(max_examples=150, deadline=2000)
@given(text=st.text(alphabet=st.sampled_from(list("ab:-{}[]&*|>'\"\n $.!#%\t\x00\u2028é,?<")), max_size=200))
def test_any_text_ends_in_resources_or_gaps(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    read(tmp_path_factory.getbasetemp(), {"f.yaml": "apiVersion: v1\nkind: Pod\n" + text})


@pytest.mark.parametrize(
    "text",
    [POD + "    - " + "[" * 50_000, POD + "".join(f"    - {{name: c{i}, image: a}}\n" for i in range(5_000)),
     "apiVersion: v1\nkind: List\nitems:\n" + "".join(f"- {{apiVersion: v1, kind: Service, metadata: {{name: s{i}}}}}\n" for i in range(5_000)),
     "apiVersion: v1\nkind: Pod\n" + "a: &a0 [x]\n" + "".join(f"k{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)),
     "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: '" + "x" * 3_000_000 + "'\n", "apiVersion: v1\nkind: Pod\na: '" + "{{ " * 100_000 + "'\n",
     "apiVersion: v1\nkind: Pod\n" + '"' * 100_000, "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: '" + "http://a:" * 50_000 + "'\n"],
)  # fmt: skip
def test_hostile_files_end_soon(tmp_path: Path, text: str) -> None:
    begin = time.process_time()

    read(tmp_path, text)

    assert time.process_time() - begin < 5


SERVERS = {
    "triton in a shell": "command: [/bin/sh, -c]\n          args: [tritonserver --model-repository=/models]",
    "vllm": "command: [python, -m, vllm.entrypoints.openai.api_server]",
    "torchserve": "command: [torchserve, --start]",
    "mlflow": "command: [mlflow]\n          args: [models, serve, -m, 'models:/churn/1']",
    "bentoml": "command: [bentoml, serve, 'churn:1.2']",
    "kserve": "command: [python, -m, kserve.sklearnserver]",
    "mlserver": "command: [mlserver, start, .]",
    "variable": "env: [{name: BENTO_PATH, value: /bento}]",
}


def deployment(container: str, image: str = "acme/runtime:1.4.2") -> str:
    return (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: churn, namespace: ml}\nspec:\n  template:\n    spec:\n"
        f"      containers:\n        - name: main\n          image: {image}\n          {container}\n"
    )


@pytest.mark.parametrize("container", SERVERS.values(), ids=SERVERS)
def test_a_server_of_models_is_known_by_what_it_runs(tmp_path: Path, container: str) -> None:
    (tmp_path / "a.yaml").write_text(deployment(container))

    assert len(found(scan(tmp_path, ["infra"]), "k8s/missing-autoscaler")) == 1


@pytest.mark.parametrize(
    "container",
    ["command: [python, train.py]", "env: [{name: OLLAMA_HOST, value: 'http://x'}]", "command: [mlflow, run, .]"],
)
def test_a_workload_that_only_uses_models_is_no_server(tmp_path: Path, container: str) -> None:
    (tmp_path / "a.yaml").write_text(deployment(container))

    assert found(scan(tmp_path, ["infra"]), "k8s/missing-autoscaler") == []


RAY = "apiVersion: ray.io/v1\nkind: {kind}\nmetadata: {{name: r, namespace: ml}}\nspec:\n{body}"
HEAD = """\
headGroupSpec:
  serviceType: {service}
  rayStartParams: {{{params}}}
  template:
    spec:
      containers:
        - name: head
          image: rayproject/ray:2.40.0
"""


@pytest.mark.parametrize(
    ("kind", "service", "params", "expected"),
    [
        ("RayCluster", "LoadBalancer", "", 1),
        ("RayService", "NodePort", "dashboard-host: 0.0.0.0", 1),
        ("RayCluster", "ClusterIP", "dashboard-host: 0.0.0.0", 0),
        ("RayCluster", "LoadBalancer", "dashboard-host: 127.0.0.1", 0),
        ("RayCluster", "LoadBalancer", "include-dashboard: 'false'", 0),
    ],
)
def test_the_head_of_a_ray_cluster_is_open_when_its_service_is(
    tmp_path: Path, kind: str, service: str, params: str, expected: int
) -> None:
    head = HEAD.format(service=service, params=params)
    if kind == "RayService":
        head = "rayClusterConfig:\n" + "".join(f"  {line}\n" for line in head.splitlines())
    body = "".join(f"  {line}\n" for line in head.splitlines())
    (tmp_path / "a.yaml").write_text(RAY.format(kind=kind, body=body))

    assert len(found(scan(tmp_path, ["infra"]), "k8s/unauthenticated-ml-service")) == expected
