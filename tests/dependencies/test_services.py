"""Who gets data is compared with the declared recipients, and telemetry with the switches that are set; imports tell what is used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlguard import tables
from mlguard.assess import components
from mlguard.facts import Library, Switch
from mlguard.findings import Finding, Report
from tests.scanning import scan

SERVICE = "dep/undeclared-third-party-service"
TELEMETRY = "dep/telemetry-left-enabled"
HEAD = "version: 0\n"
PERSONAL = """version: 0
teams: {ml: {contact: ml@example.org}}
purposes: {p: {description: Predict who cancels a contract, data_use: marketing}}
datasets:
  - id: customers
    location: [data/]
    owner: ml
    class: personal
    data_subjects: [customer]
    purposes: [p]
    source: {kind: collected}
    fields: {name: {categories: [user.name]}}
    retention: {period: P1Y, action: delete}
"""


def tree(root: Path, files: dict[str, str]) -> Report:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return scan(root, ["dependencies", "code"])


def of(report: Report, rule: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.rule == rule]


def recipient(**more: object) -> str:
    entry = {"id": "somebody", "name": "Somebody", "role": "controller", "countries": ["US"], **more}
    return HEAD + "recipients:\n  - " + json.dumps(entry) + "\n"


USES = {
    "openai": "from openai import OpenAI\n", "anthropic": "import anthropic as a\n", "cohere": "import cohere\n", "sentry": "import sentry_sdk\n",
    "wandb": "import wandb\n", "posthog": "from posthog import Posthog\n", "mixpanel": "import mixpanel\n", "segment": "import segment.analytics as s\n",
    "datadog": "from ddtrace import patch\n", "newrelic": "import newrelic.agent\n", "langsmith": "from langsmith import traceable\n",
    "comet": "import comet_ml\n", "neptune": "import neptune\n", "pinecone": "from pinecone import Pinecone\n",
    "google-generative-ai": "import google.generativeai as genai\n", "vertex-ai": "from google.cloud import aiplatform\n",
    "mistral": "from mistralai import Mistral\n", "deepl": "import deepl\n", "twilio": "from twilio.rest import Client\n",
    "azure-ai": "from azure.ai.textanalytics import TextAnalyticsClient\n", "snowflake": "import snowflake.connector\n",
    "llamacloud": "from llama_parse import LlamaParse\n", "openai through langchain": "from langchain_openai import ChatOpenAI\n",
}  # fmt: skip


@pytest.mark.parametrize("name", USES)
def test_import_of_a_client_for_a_service_that_is_no_recipient_is_told(tmp_path: Path, name: str) -> None:
    report = tree(tmp_path, {"privacy.yaml": HEAD, "a.py": f'"""Trains."""\n{USES[name]}'})

    found = of(report, SERVICE)
    assert [(finding.location.path, finding.location.line) for finding in found] == [("a.py", 2)]
    assert name.partition(" ")[0] in {
        service["id"] for service in tables.table("package-services")["services"] if service["name"] == found[0].subject
    }


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "OpenAI Ireland Ltd"}, {"id": "openai"}, {"id": "llm-openai"}, {"packages": ["openai"]}, {"hosts": ["api.openai.com"]},
        {"hosts": ["*.openai.com"]}, {"packages": ["LangChain_OpenAI"]},
    ],
)  # fmt: skip
def test_declared_recipient_is_recognised_by_name_id_package_or_host(tmp_path: Path, entry: dict[str, object]) -> None:
    report = tree(tmp_path, {"privacy.yaml": recipient(**entry), "a.py": USES["openai"]})

    assert of(report, SERVICE) == []
    assert [proof.subject for proof in report.proofs if proof.rule == SERVICE] == ["OpenAI"]


@pytest.mark.parametrize(
    "entry",
    [{"name": "Open Systems AI"}, {"id": "opened-ai"}, {"hosts": ["openai.example.org"]}, {"packages": ["openapi"]}],
)
def test_other_recipients_are_not_taken_for_it(tmp_path: Path, entry: dict[str, object]) -> None:
    report = tree(tmp_path, {"privacy.yaml": recipient(**entry), "a.py": USES["openai"]})

    assert len(of(report, SERVICE)) == 1


def test_manifest_and_import_of_one_service_are_one_finding_at_the_manifest(tmp_path: Path) -> None:
    report = tree(
        tmp_path,
        {
            "privacy.yaml": HEAD,
            "requirements.txt": "numpy\nopenai==1.0\nlangchain-openai\n",
            "a.py": USES["openai"] + "OpenAI()\n",
        },
    )

    (finding,) = of(report, SERVICE)
    assert (finding.location.path, finding.location.line) == ("requirements.txt", 2)
    assert {place.path for _, place in finding.related} == {"a.py"}


def test_package_that_nothing_imports_is_not_told_where_imports_are_known(tmp_path: Path) -> None:
    report = tree(tmp_path, {"privacy.yaml": HEAD, "requirements.txt": "sentry-sdk\n", "a.py": "import numpy\n"})

    assert of(report, SERVICE) == []


def test_package_counts_alone_where_there_is_no_code(tmp_path: Path) -> None:
    report = tree(tmp_path, {"privacy.yaml": HEAD, "requirements.txt": "sentry-sdk\n"})

    assert len(of(report, SERVICE)) == 1


def test_without_a_declaration_there_is_nothing_to_compare(tmp_path: Path) -> None:
    report = tree(tmp_path, {"requirements.txt": "openai\n", "a.py": USES["openai"]})

    assert of(report, SERVICE) == []


def test_module_of_the_tree_itself_is_no_client(tmp_path: Path) -> None:
    report = tree(
        tmp_path,
        {
            "privacy.yaml": HEAD,
            "segment/analytics.py": "x = 1\n",
            "segment/__init__.py": "",
            "src/wandb.py": "",
            "a.py": "import segment.analytics\nimport wandb\n",
        },
    )

    assert of(report, SERVICE) == []


@pytest.mark.parametrize("service", [one["id"] for one in tables.table("package-services")["services"]])
def test_service_of_the_table_is_complete(service: str) -> None:
    entry = next(one for one in tables.table("package-services")["services"] if one["id"] == service)

    assert entry["source"].startswith("https://") and entry["name"] and entry["words"] and len(entry["country"]) == 2
    assert entry["packages"] or entry["hosts"]


# ---- telemetry

TOOLS = {"gradio": "GRADIO_ANALYTICS_ENABLED", "streamlit": "STREAMLIT_BROWSER_GATHER_USAGE_STATS", "transformers": "HF_HUB_DISABLE_TELEMETRY",
         "ray": "RAY_USAGE_STATS_ENABLED", "vllm": "VLLM_NO_USAGE_STATS", "chromadb": "ANONYMIZED_TELEMETRY", "mlflow": "MLFLOW_DISABLE_TELEMETRY"}  # fmt: skip


@pytest.mark.parametrize("module", TOOLS)
def test_tool_that_reports_its_use_is_told_where_personal_data_are_declared(tmp_path: Path, module: str) -> None:
    told = of(tree(tmp_path / "a", {"privacy.yaml": PERSONAL, "a.py": f"import {module}\n"}), TELEMETRY)
    untold = of(tree(tmp_path / "b", {"privacy.yaml": HEAD, "a.py": f"import {module}\n"}), TELEMETRY)

    assert [(finding.location.path, finding.location.line, finding.severity) for finding in told] == [
        ("a.py", 1, "low")
    ]
    assert untold == []


SWITCHES: dict[str, tuple[str, str]] = {
    "ENV": ("Dockerfile", "FROM scratch\nENV GRADIO_ANALYTICS_ENABLED=False\n"),
    "old ENV": ("Dockerfile", "FROM scratch\nENV GRADIO_ANALYTICS_ENABLED False\n"),
    "several": ("Dockerfile", 'FROM scratch\nENV A=1 \\\n    GRADIO_ANALYTICS_ENABLED="0" \\\n    B=2\n'),
    "compose map": ("compose.yaml", 'services:\n  a:\n    environment:\n      GRADIO_ANALYTICS_ENABLED: "False"\n'),
    "compose list": ("docker-compose.yml", "services:\n  a:\n    environment:\n      - GRADIO_ANALYTICS_ENABLED=0\n"),
    "workflow": (".github/workflows/a.yml", "on: push\nenv:\n  GRADIO_ANALYTICS_ENABLED: 'false'\njobs: {}\n"),
    "kubernetes": ("pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: a\n      env:\n        - name: GRADIO_ANALYTICS_ENABLED\n          value: 'False'\n"),
    "kubernetes in one line": ("pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: a\n      env:\n        - {name: GRADIO_ANALYTICS_ENABLED, value: 'False'}\n"),
    "shell": ("run.sh", "#!/bin/sh\nexport GRADIO_ANALYTICS_ENABLED=False\npython a.py\n"),
    "variables": (".env", "GRADIO_ANALYTICS_ENABLED=False\n"),
    "code": ("b.py", "import os\nos.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'\n"),
    "default in code": ("b.py", "import os\nos.environ.setdefault('GRADIO_ANALYTICS_ENABLED', 'False')\n"),
    "argument": ("b.py", "import gradio as gr\nwith gr.Blocks(analytics_enabled=False) as demo:\n    pass\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", SWITCHES)
def test_switch_anywhere_in_the_tree_counts(tmp_path: Path, name: str) -> None:
    path, text = SWITCHES[name]

    report = tree(tmp_path, {"privacy.yaml": PERSONAL, "a.py": "import gradio\n", path: text})

    assert [fact.off for fact in report.facts if isinstance(fact, Switch)] == [True]
    assert of(report, TELEMETRY) == []


@pytest.mark.parametrize(
    "line",
    [
        "ENV GRADIO_ANALYTICS_ENABLED=True",
        "# ENV GRADIO_ANALYTICS_ENABLED=False",
        "ENV MY_GRADIO_ANALYTICS_ENABLED=False",
        "ENV HF_HUB_DISABLE_TELEMETRY=1",
    ],
)
def test_what_does_not_switch_it_off_does_not_count(tmp_path: Path, line: str) -> None:
    report = tree(
        tmp_path, {"privacy.yaml": PERSONAL, "a.py": "import gradio\n", "Dockerfile": f"FROM scratch\n{line}\n"}
    )

    assert len(of(report, TELEMETRY)) == 1


# ---- what is imported


def libraries(report: Report) -> dict[str, Library]:
    return {fact.module: fact for fact in report.facts if isinstance(fact, Library)}


MODULES = {"import cv2": "opencv-python", "from sklearn.svm import SVC": "scikit-learn", "from PIL import Image": "pillow", "import yaml": "pyyaml",
           "import skimage.io": "scikit-image", "from google.cloud import storage": "google-cloud-storage", "import bs4": "beautifulsoup4",
           "from dateutil.parser import parse": "python-dateutil", "import torch.nn as nn": "torch", "from ruamel.yaml import YAML": "ruamel-yaml",
           "import llama_index.core": "llama-index-core", "import google.protobuf": "protobuf", "from google.cloud.acme import x": "google-cloud-acme",
           "import Levenshtein": "levenshtein", "import sentence_transformers": "sentence-transformers"}  # fmt: skip


@pytest.mark.parametrize("line", MODULES)
def test_module_leads_to_the_distribution_that_brings_it(tmp_path: Path, line: str) -> None:
    report = tree(tmp_path, {"a.py": f"import os\n{line}\n"})

    (library,) = libraries(report).values()
    assert MODULES[line] in library.packages and (library.path, library.line, library.files) == ("a.py", 2, 1)


def test_modules_of_python_and_of_the_tree_are_not_listed(tmp_path: Path) -> None:
    files = {"pkg/__init__.py": "", "pkg/a.py": "import os, json\nfrom . import b\nfrom pkg.b import x\nimport helpers\n", "pkg/b.py": "x = 1\n",
             "helpers.py": "", "src/own/__init__.py": "", "scripts/run.py": "import own\nimport beside\n", "scripts/beside.py": ""}  # fmt: skip

    assert libraries(tree(tmp_path, files)) == {}


def test_imports_of_a_notebook_have_its_lines(tmp_path: Path) -> None:
    cells: list[dict[str, object]] = [
        {
            "cell_type": "code",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
            "source": ["import os\n", "import cv2"],
        }
    ]
    text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)

    library = libraries(tree(tmp_path, {"n.ipynb": text}))["cv2"]

    assert "import cv2" in text.split("\n")[library.line - 1]


def test_finding_about_a_flaw_tells_where_the_package_is_imported_and_is_never_hidden(tmp_path: Path) -> None:
    advisories = Path(__file__).parents[2] / "examples/advisories"
    for name, text in {
        "a.py": "import requests\n",
        "b/c.py": "\nfrom requests import get\n",
        "requirements.txt": "requests==2.19.0\nurllib3==1.26.0\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    report = scan(tmp_path, ["dependencies", "code"], settings={"dependencies": {"advisories": str(advisories)}})

    flaws = {str(finding.facts["package"]): finding for finding in report.findings if finding.rule in components.FLAWS}
    assert flaws["requests"].facts["imported"] == "imported in 2 files: a.py:1"
    assert flaws["requests"].facts["imported_in"] == 2
    assert flaws["urllib3"].facts["imported"] == "not imported by the code that was scanned"


def test_nothing_is_said_of_imports_when_no_code_was_looked_at(tmp_path: Path) -> None:
    advisories = Path(__file__).parents[2] / "examples/advisories"
    (tmp_path / "requirements.txt").write_text("requests==2.19.0\n")
    (tmp_path / "a.py").write_text("import requests\n")

    report = scan(tmp_path, ["dependencies"], settings={"dependencies": {"advisories": str(advisories)}})

    assert [finding.facts.get("imported") for finding in report.findings if finding.rule in components.FLAWS] == [
        None
    ] * sum(f.rule in components.FLAWS for f in report.findings)


def test_report_holds_modules_and_not_what_each_file_imports(tmp_path: Path) -> None:
    from mlguard.findings import Verdict
    from mlguard.reporters import jsonreport

    report = tree(
        tmp_path,
        {
            "a.py": "import numpy\n",
            "b.py": "import numpy\n",
            "requirements.txt": "numpy==2.0\n",
            "bom.json": '{"bomFormat": "CycloneDX"}',
        },
    )

    text = jsonreport.render(report, Verdict("pass", 0, ()))
    assert jsonreport.parse(text)[0] == report
    assert (
        {type(fact).__name__ for fact in report.facts} >= {"Library", "Package"}
        and "Imports" not in text
        and "Upkeep" not in text
    )
    assert libraries(report)["numpy"].files == 2
