"""Bad input of every format ends in gaps with their reasons, quickly, and what stands beside it is judged all the same."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mlguard.cli.run import folder
from mlguard.config import Config
from mlguard.findings import Report
from tests.functional.command import write
from tests.scanning import found, scan

BUCKET = 'resource "aws_db_instance" "a" {\n  storage_encrypted = false\n}\n'
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - {name: a, image: 'r.example.org/a:1.0.0', securityContext: {privileged: true}}\n"
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))  # fmt: skip
WORKFLOW = "on: push\npermissions: {}\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps: [{uses: some/action@v1}]\n"
CHART = {"chart/Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n", "chart/values.yaml": "a: 1\n"}

CASES: dict[str, tuple[dict[str, str], str]] = {
    "a manifest that is no YAML": ({"bad.yaml": "apiVersion: v1\nkind: Pod\n  metadata: [\n", "pod.yaml": POD}, "not valid YAML"),
    "a bomb of anchors": ({"bad.yaml": BOMB + POD, "pod.yaml": POD}, "without end"),
    "tabs in YAML": ({"bad.yaml": "apiVersion: v1\nkind: Pod\nspec:\n\tcontainers: []\n", "pod.yaml": POD}, "not valid YAML"),
    "a key that stands twice": ({"bad.yaml": POD.replace("kind: Pod", "kind: Pod\nkind: Pod"), "pod.yaml": POD}, "stands twice"),
    "nesting without end": ({"bad.yaml": "apiVersion: v1\nkind: Pod\nspec: " + "[" * 300 + "]" * 300, "pod.yaml": POD}, "nested"),
    "Terraform with broken syntax": ({"bad/main.tf": 'resource "a" "b" {\n  x = = 1\n', "main.tf": BUCKET}, "not valid HCL"),
    "Terraform that reads the machine": ({"main.tf": BUCKET + 'output "p" { value = file("/etc/passwd") }\nresource "aws_ssm_parameter" "x" {\n  type  = "String"\n  value = file("/etc/passwd")\n}\n'}, "outside"),
    "Terraform that leaves the tree": ({"main.tf": BUCKET + 'resource "aws_ssm_parameter" "x" {\n  type  = "String"\n  value = file("../../../../etc/passwd")\n}\n'}, "outside"),
    "a module of a registry": ({"main.tf": BUCKET + 'module "v" {\n  source  = "terraform-aws-modules/vpc/aws"\n  version = "5.0.0"\n}\n'}, "registry or another repository"),
    "a template of CloudFormation that breaks off": ({"bad.yaml": "AWSTemplateFormatVersion: '2010-09-09'\nResources:\n  A:\n    Type: AWS::S3::Bucket\n    Properties: [\n", "pod.yaml": POD}, "not valid YAML"),
    "a workflow that is none": ({".github/workflows/bad.yml": "on: push\njobs: [\n", ".github/workflows/a.yml": WORKFLOW}, "not valid YAML"),
    "a chart that includes itself": ({**CHART, "chart/templates/_h.tpl": '{{ define "x" }}{{ include "x" . }}{{ end }}', "chart/templates/a.yaml": 'a: {{ include "x" . }}\n', "pod.yaml": POD}, "chart/templates"),
    "a chart that needs a value": ({**CHART, "chart/templates/a.yaml": 'a: {{ required "name it" .Values.none }}\n', "pod.yaml": POD}, "chart/templates"),
    "a chart whose template is broken": ({**CHART, "chart/templates/a.yaml": "a: {{ if }}\n", "pod.yaml": POD}, "chart/templates"),
    "a chart that depends on another machine": ({**CHART, "chart/Chart.yaml": CHART["chart/Chart.yaml"] + "dependencies:\n  - {name: redis, version: 1.0.0, repository: 'https://charts.example.org'}\n", "chart/templates/a.yaml": POD}, "redis"),
    "a Dockerfile without FROM": ({"Dockerfile": "RUN true\n", "pod.yaml": POD}, "no FROM"),
    "a Compose file that is broken": ({"compose.yaml": "services:\n  a: [\n", "pod.yaml": POD}, "not valid YAML"),
    "an overlay of another machine": ({"k/kustomization.yaml": "resources: ['https://example.org/x.yaml']\n", "pod.yaml": POD}, "not fetched"),
    "a pipeline of GitLab that is broken": ({".gitlab-ci.yml": "test:\n  script: [\n", "pod.yaml": POD}, "not valid YAML"),
}  # fmt: skip


def judged(root: Path) -> Report:
    started = time.process_time()
    report = scan(root, ["infra"])
    assert time.process_time() - started < 10, "no input takes long"
    return report


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_a_gap_and_the_rest_goes_on(name: str, tmp_path: Path) -> None:
    files, told = CASES[name]
    write(tmp_path, dict(files))

    report = judged(tmp_path)

    assert any(told in f"{gap.path} {gap.reason} {gap.hint}" for gap in report.gaps), [*report.gaps]
    assert not any(gap.kind in ("crash", "timeout") for gap in report.gaps), [*report.gaps]
    assert "root:" not in str(report), "nothing of the machine is shown"
    beside = {"pod.yaml": "k8s/privileged-container", "main.tf": "tf/unencrypted-storage", ".github/workflows/a.yml": "ci/unpinned-action"}  # fmt: skip
    for path, rule in beside.items():
        if path in files:
            assert any(one[0] == path for one in found(report, rule)), path


@pytest.mark.parametrize("ends", ["\r\n", "\n"])
@pytest.mark.parametrize(
    ("path", "text", "rule", "line"),
    [
        ("main.tf", BUCKET, "tf/unencrypted-storage", 2),
        ("pod.yaml", POD, "k8s/privileged-container", 6),
        ("Dockerfile", "FROM python:latest\nUSER 1\n", "docker/unpinned-or-outdated-base", 1),
        (".github/workflows/a.yml", WORKFLOW, "ci/unpinned-action", 6),
        ("stack.yaml", "Resources:\n  A:\n    Type: AWS::RDS::DBInstance\n    Properties:\n      StorageEncrypted: false\n", "tf/unencrypted-storage", 5),
        ("compose.yaml", "services:\n  db:\n    image: postgres:17.0\n    ports: ['5432:5432']\n", "docker/exposed-compose-port", 4),
    ],
)  # fmt: skip
def test_windows_line_ends_and_a_byte_order_mark_move_no_finding(
    path: str, text: str, rule: str, line: int, ends: str, tmp_path: Path
) -> None:
    write(tmp_path, {path: b"\xef\xbb\xbf" + text.replace("\n", ends).encode()})

    assert [one[1] for one in found(judged(tmp_path), rule)] == [line]


def test_modules_that_call_each_other_and_values_that_need_themselves_end(tmp_path: Path) -> None:
    ring = 'module "x" {\n  source = "../OTHER"\n}\n' + BUCKET
    write(tmp_path, {"a/main.tf": ring.replace("OTHER", "b"), "b/main.tf": ring.replace("OTHER", "a"), "c/main.tf": "locals {\n  a = local.b\n  b = local.a\n}\n" + BUCKET.replace("false", "local.a")})  # fmt: skip

    report = judged(tmp_path)

    assert {one[0] for one in found(report, "tf/unencrypted-storage")} == {"a/main.tf", "b/main.tf"}
    assert any("depends on itself" in gap.reason for gap in report.gaps)


@pytest.mark.parametrize("kind", ["terraform", "kubernetes", "cloudformation"])
def test_very_many_resources_are_judged_or_told(kind: str, tmp_path: Path) -> None:
    number = 20_000
    texts = {
        "terraform": ("main.tf", "".join(f'resource "aws_eip" "a{n}" {{}}\n' for n in range(number))),
        "kubernetes": ("all.yaml", "".join(f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a{n}}}\n" for n in range(number))),
        "cloudformation": ("stack.yaml", "Resources:\n" + "".join(f"  A{n}: {{Type: AWS::EC2::EIP}}\n" for n in range(number))),
    }  # fmt: skip
    path, text = texts[kind]
    write(tmp_path, {path: text})

    started = time.process_time()
    report = scan(tmp_path, ["infra"])

    assert time.process_time() - started < 60
    assert len(report.facts) >= number or any(gap.kind == "too-large" for gap in report.gaps)


@pytest.mark.parametrize("target", [".", ".github", ".github/workflows", ".github/workflows/a.yml"])
def test_a_workflow_is_judged_whatever_folder_is_named(target: str, tmp_path: Path) -> None:
    write(tmp_path, {".github/workflows/a.yml": WORKFLOW})

    base = folder([tmp_path / target], Config(), None)

    assert base == tmp_path
    assert found(scan(base, ["infra"]), "ci/unpinned-action")
