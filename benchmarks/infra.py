"""Measures the scanner of infrastructure code beside checkov and zizmor: CPU time of whole processes, as ratios within one run.

The trees are written here: each project folder holds a Terraform root with its variables and a module, manifests, a Dockerfile,
a template of CloudFormation and a workflow, in the mix of a machine-learning repository, every one a little different. The
peers live in ``build/infra-peers-venv``; byte code is compiled first on every side. One run of checkov over the large tree
takes many minutes, so it is run once there, and small things are run several times.

Usage: python benchmarks/infra.py [one] [tree] [large] [growth] [workflows] [big]; without a name everything but ``large``.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from models import Bench, cpu
from peers import BIN, ROOT, prepare

PEERS = ROOT / "build" / "infra-peers-venv"
PACKAGES = ("checkov==3.3.30", "zizmor")
OURS = str(BIN / "mlguard")
FRAMEWORKS = ("terraform", "kubernetes", "dockerfile", "cloudformation", "github_actions")
ONE = {"one": 0.1, "tree": 1 / 30, "memory": 0.1, "growth": 1.2, "workflows": 3.0}
"""The most that each ratio may be."""

BIG_MIB = 600
"""What a file of 50,000 resources may take in memory."""

PLAN_SECONDS = 2.0
"""CPU in which a plan of 100 MB ends, if only in a gap."""

BUCKET = 'resource "aws_s3_bucket" "b{n}" {{\n  bucket = "data-{n}"\n}}\n'
SETTINGS = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{n}, namespace: n{m}}}\ndata: {{a: '{n}'}}\n"
STACK = "  B{n}:\n    Type: AWS::S3::Bucket\n    Properties: {{BucketName: data-{n}}}\n"

MAIN = """\
variable "stage" {{
  type    = string
  default = "prod"
}}

locals {{
  tags = {{ data-classification = "personal", owner = "team-{n}" }}
}}

resource "aws_s3_bucket" "data_{n}" {{
  bucket = "training-data-{n}-${{var.stage}}"
  tags   = local.tags
}}

resource "aws_s3_bucket_versioning" "data_{n}" {{
  bucket = aws_s3_bucket.data_{n}.id
  versioning_configuration {{
    status = "{versioning}"
  }}
}}

resource "aws_db_instance" "db_{n}" {{
  identifier          = "features-{n}"
  engine              = "postgres"
  instance_class      = "db.t4g.medium"
  storage_encrypted   = {encrypted}
  publicly_accessible = {public}
}}

resource "aws_iam_role" "train_{n}" {{
  name = "train-{n}"
  assume_role_policy = jsonencode({{
    Version = "2012-10-17"
    Statement = [{{ Effect = "Allow", Action = "sts:AssumeRole", Principal = {{ Service = "sagemaker.amazonaws.com" }} }}]
  }})
}}

module "network" {{
  source = "./network"
  cidrs  = ["10.{n8}.0.0/16"]
}}
"""
MODULE = """\
variable "cidrs" {{ type = list(string) }}

resource "aws_security_group" "inside" {{
  name = "inside-{n}"
  dynamic "ingress" {{
    for_each = var.cidrs
    content {{
      from_port   = {port}
      to_port     = {port}
      protocol    = "tcp"
      cidr_blocks = [ingress.value]
    }}
  }}
}}
"""
MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: serve-{n}, namespace: ml-{n}}}
spec:
  replicas: {n8}
  selector: {{matchLabels: {{app: serve-{n}}}}}
  template:
    metadata: {{labels: {{app: serve-{n}}}}}
    spec:
      containers:
        - name: model
          image: registry.example.org/serve:{n}.0.0
          args: ["--port", "8080"]
          ports: [{{containerPort: 8080}}]
          securityContext: {{privileged: {public}, allowPrivilegeEscalation: false}}
          resources: {{limits: {{memory: 4Gi}}, requests: {{cpu: "1", memory: 2Gi}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: serve-{n}, namespace: ml-{n}}}
spec: {{selector: {{app: serve-{n}}}, ports: [{{port: 80, targetPort: 8080}}]}}
"""
DOCKERFILE = """\
FROM python:3.12-slim AS build
RUN pip wheel --wheel-dir /wheels torch=={n8}.1.0

FROM python:3.12-slim
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir /wheels/*.whl
USER {user}
HEALTHCHECK CMD python -m serve.ready
CMD ["python", "-m", "serve"]
"""
TEMPLATE = """\
AWSTemplateFormatVersion: "2010-09-09"
Parameters:
  Stage: {{Type: String, Default: prod}}
Resources:
  Queue{n}:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub "jobs-{n}-${{Stage}}"
      KmsMasterKeyId: alias/jobs
  Table{n}:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{{AttributeName: id, AttributeType: S}}]
      KeySchema: [{{AttributeName: id, KeyType: HASH}}]
      PointInTimeRecoverySpecification: {{PointInTimeRecoveryEnabled: {encrypted}}}
"""
WORKFLOW = """\
name: train-{n}
on:
  push: {{branches: [main]}}
permissions: {{contents: read}}
jobs:
  test:
    runs-on: ubuntu-24.04
    timeout-minutes: 20
    steps:
      - uses: actions/checkout@{ref}
        with: {{persist-credentials: false}}
      - run: |
          pip install -r requirements.txt
          pytest -q tests
      - name: Report
        env: {{TITLE: "${{{{ github.event.head_commit.message }}}}"}}
        run: echo "$TITLE"
"""
SHA = "11bd71901bbe5b1630ceea73d27597364c9af683"


def write(root: Path, files: int) -> Path:
    """Write a tree of about so many files: seven a project, and the workflows at the top."""
    for n in range(files // 7):
        odd = n % 3 == 0
        values = {"n": n, "n8": n % 200 + 1, "port": 5432 if odd else 443, "ref": "v4" if odd else SHA, "user": "root" if odd else "10001",
                  "versioning": "Suspended" if odd else "Enabled", "encrypted": str(not odd).lower(), "public": str(odd).lower()}  # fmt: skip
        folder = root / f"team-{n % 40}" / f"project-{n}"
        written = {
            folder / "infra/main.tf": MAIN, folder / "infra/network/main.tf": MODULE, folder / "deploy/serve.yaml": MANIFEST,
            folder / "Dockerfile": DOCKERFILE, folder / "cloudformation/stack.yaml": TEMPLATE, folder / "infra/outputs.tf": "output \"bucket\" {{\n  value = aws_s3_bucket.data_{n}.arn\n}}\n",
            root / f".github/workflows/train-{n}.yml": WORKFLOW,
        }  # fmt: skip
        for path, text in written.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.format(**values))
    return root


def big(bench: Bench, place: Path) -> None:
    """Compare files of 10,000 and of 50,000 resources, and see a plan of 100 MB end."""
    for name, head, text in (("main.tf", "", BUCKET), ("all.yaml", "", SETTINGS), ("stack.yaml", 'AWSTemplateFormatVersion: "2010-09-09"\nResources:\n', STACK)):  # fmt: skip
        used = []
        for count in (10_000, 50_000):
            file = place / f"{name}-{count}" / name
            file.parent.mkdir()
            file.write_text(head + "".join(text.format(n=n, m=n % 100) for n in range(count)))
            used.append(cpu(ours(file.parent)))
        growth, memory = used[1][0] / used[0][0] / 5, used[1][1]
        told = f"{used[0][0]:.1f} s, {used[1][0]:.1f} s: {growth:.2f} of linear   at most {ONE['growth']}; peak {memory} MiB   at most {BIG_MIB}"
        bench.line(f"{name} with 10,000 and 50,000 resources", told, growth <= ONE["growth"] and memory <= BIG_MIB)
    values = {"bucket": "data", "tags": {"a": "x" * 1_000}}
    resources = [{"address": f"aws_s3_bucket.b{n}", "mode": "managed", "type": "aws_s3_bucket", "name": f"b{n}", "values": values} for n in range(85_000)]  # fmt: skip
    plan = {"format_version": "1.2", "planned_values": {"root_module": {"resources": resources}}, "configuration": {}}
    file = place / "plan" / "tfplan.json"
    file.parent.mkdir()
    file.write_text(json.dumps(plan))
    seconds, memory = cpu(ours(file.parent))
    told = f"{seconds:.2f} s   at most {PLAN_SECONDS}; peak {memory} MiB   at most {BIG_MIB}"
    bench.line(f"a plan of {file.stat().st_size / 1e6:.0f} MB", told, seconds <= PLAN_SECONDS and memory <= BIG_MIB)


def ours(place: Path) -> list[str]:
    return [OURS, "scan", str(place), "--scanner", "infra", "-o", f"sarif={place.parent}/ours.sarif"]


def checkov(*where: str) -> list[str]:
    return [str(PEERS / "bin/checkov"), *where, "--framework", *FRAMEWORKS, "-o", "json", "--quiet", "--compact"]


def main(wanted: list[str]) -> int:
    """Run the comparisons. Returns 1 when a target is missed."""
    prepare(PEERS, "checkov", PACKAGES)
    bench = Bench()
    asked = wanted or ["one", "tree", "growth", "workflows", "big"]
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        one = write(place / "one", 7) / "team-0/project-0"
        if "one" in asked:
            for file in ("infra/network/main.tf", "deploy/serve.yaml", "Dockerfile", "cloudformation/stack.yaml"):
                peer = [str(PEERS / "bin/checkov"), "-f", str(one / file), "-o", "json", "--quiet", "--compact"]
                bench.against(f"one file, {file}", ours(one / file), peer, ONE["one"], 5)
        small = write(place / "small", 2_000)
        if "tree" in asked:
            bench.against("2,000 files", ours(small), checkov("-d", str(small)), ONE["tree"], 1, ONE["memory"])
        if {"growth", "large"} & set(asked):
            large = write(place / "large", 10_000)
        if "large" in asked:
            bench.against("10,000 files", ours(large), checkov("-d", str(large)), ONE["tree"], 1, ONE["memory"])
        if "growth" in asked:
            growth = sorted(cpu(ours(large))[0] / cpu(ours(small))[0] / 5 for _ in range(3))
            told = f"{statistics.median(growth):.3f} of linear ({growth[0]:.3f}-{growth[-1]:.3f})   at most {ONE['growth']}"
            bench.line("growth from 2,000 to 10,000 files", told, statistics.median(growth) <= ONE["growth"])
        if "workflows" in asked:
            flows = place / "flows"  # a workflow is one by its place below the root
            shutil.copytree(small / ".github", flows / ".github")
            zizmor = [str(PEERS / "bin/zizmor"), "--offline", "--no-progress", "--format", "sarif", str(flows)]
            bench.against(f"{2_000 // 7} workflows", ours(flows), zizmor, ONE["workflows"], 5)
        if "big" in asked:
            big(bench, place)
    return 0 if bench.met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
