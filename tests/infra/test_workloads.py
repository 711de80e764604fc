"""What image, words and variables of a container tell."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard.scanners.infra.resources import Open, Position
from mlguard.scanners.infra.services import open_services
from mlguard.scanners.infra.workloads import described, option, version_of, wants_accelerator

HERE = Position(1)


def told(name: str, image: str = "a:1", argv: tuple[str, ...] = (), **environment: Any) -> list[str]:
    places = dict.fromkeys(environment, HERE)
    attributes, _ = described(image, argv, environment, [HERE] * len(argv), places, HERE)
    return [one["what"] for one in attributes[name]]


@pytest.mark.parametrize(
    ("name", "value", "region"),
    [
        ("AWS_REGION", "us-east-1", "us-east-1"), ("AWS_DEFAULT_REGION", "US-WEST-2", "us-west-2"), ("S3_REGION", "us-gov-west-1", "us-gov-west-1"),
        ("GOOGLE_CLOUD_LOCATION", "us-central1", "us-central1"), ("AZURE_LOCATION", "eastus2", "eastus2"), ("AZURE_REGION", "japaneast", "japaneast"),
        ("ENDPOINT", "https://sagemaker.eu-west-1.amazonaws.com", "eu-west-1"), ("URL", "https://s3-us-west-2.amazonaws.com/b", "us-west-2"),
        ("URL", "https://b.s3.ap-south-1.amazonaws.com/k", "ap-south-1"), ("URL", "https://europe-west4-aiplatform.googleapis.com", "europe-west4"),
    ],
)  # fmt: skip
def test_a_region_is_found_in_names_and_addresses(name: str, value: str, region: str) -> None:
    assert told("regions", **{name: value}) == [region]


@pytest.mark.parametrize(
    ("name", "value"),
    [("REGION", "emea"), ("FILE_LOCATION", "/data"), ("LOCATION", ""), ("AWS_REGION", "${REGION}"), ("REGIONS", "us-east-1"), ("URL", "https://us-east-1.example.org"), ("BUCKET", "s3://us-east-1-data")],
)  # fmt: skip
def test_what_only_sounds_like_a_region_is_none(name: str, value: str) -> None:
    assert told("regions", **{name: value}) == []


@pytest.mark.parametrize(
    ("image", "argv", "environment", "what"),
    [
        ("vllm/vllm-openai:v0.9.0", (), {}, ["vLLM"]), ("vllm/vllm-openai:v0.10.0", (), {}, []), ("vllm/vllm-openai:latest", (), {}, []),
        ("x/llm-d:v0.3.0", ("vllm", "serve"), {}, []), ("vllm/vllm-openai:v0.9.0", ("--disable-log-requests",), {}, []),
        ("vllm/vllm-openai:v0.11.0", ("--no-enable-log-requests",), {}, []), ("a:1", ("tritonserver", "--log-verbose", "1"), {}, ["Triton"]),
        ("a:1", ("tritonserver", "--log-verbose", "0"), {}, []), ("ollama/ollama:1", (), {"OLLAMA_DEBUG": "0"}, []),
        ("a/llm-gateway:1", (), {"LOG_LEVEL": "info"}, []), ("a:1", (), {"LANGCHAIN_VERBOSE": "true"}, ["LangChain"]),
    ],
)  # fmt: skip
def test_logged_prompts_are_told_by_version_and_words(image: str, argv: tuple[str, ...], environment: dict[str, str], what: list[str]) -> None:  # fmt: skip
    assert told("prompt_logs", image, argv, **environment) == what


@pytest.mark.parametrize(
    ("image", "argv", "environment", "what"),
    [
        ("rayproject/ray:2.9", ("ray start --head",), {}, ["Ray"]), ("rayproject/ray:2.9", ("ray start --head",), {"RAY_USAGE_STATS_ENABLED": "0"}, []),
        ("apache/airflow:2.9.0", (), {}, []), ("apache/airflow:2.10.0", (), {}, ["Airflow"]), ("a/mlflow:v3.5.0", ("mlflow server",), {}, ["MLflow"]),
        ("a/mlflow:v2.17.0", ("mlflow server",), {}, []), ("a/mlflow:v3.5.0", ("mlflow server",), {"DO_NOT_TRACK": "true"}, []),
        ("a:1", (), {"DD_SITE": "datadoghq.com"}, ["the exporter"]), ("a:1", (), {"DD_SITE": "datadoghq.eu"}, []),
        ("a:1", (), {"LANGFUSE_HOST": "https://us.cloud.langfuse.com"}, ["the exporter"]), ("a:1", (), {"LANGFUSE_HOST": "https://cloud.langfuse.com"}, []),
        ("a:1", (), {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317"}, []), ("a:1", (), {"WANDB_PROJECT": "a", "WANDB_DISABLED": "true"}, []),
    ],
)  # fmt: skip
def test_telemetry_is_told_unless_it_is_switched_off(image: str, argv: tuple[str, ...], environment: dict[str, str], what: list[str]) -> None:  # fmt: skip
    assert told("telemetry", image, argv, **environment) == what


def test_an_environment_that_is_open_is_not_said_to_lack_a_switch() -> None:
    attributes, _ = described("vllm/vllm-openai:v0.10.2", (), Open({}, "envFrom"), (), {}, HERE)

    assert attributes["telemetry"] == []


@pytest.mark.parametrize(
    ("argv", "what"),
    [
        (("vllm serve a/b --trust-remote-code",), ["code", "model"]), (("vllm", "serve", "a/b", "--revision=" + "0" * 40), []), (("vllm", "serve", "/models/a"), []),
        (("vllm", "serve", "a/b", "--trust-remote-code", "false", "--revision", "0" * 40), []), (("--model=$(MODEL)",), []), (("vllm", "serve", "models/a"), []),
    ],
)  # fmt: skip
def test_models_of_the_hub_want_the_hash_of_a_commit(argv: tuple[str, ...], what: list[str]) -> None:
    assert told("model_sources", "vllm/vllm-openai:v0.10.2", argv) == what


@pytest.mark.parametrize(
    ("image", "argv", "wanted"),
    [
        ("nvidia/cuda:12.4.1-runtime", (), True), ("pytorch/pytorch:2.4-cuda12.4", (), True), ("a/train:1.0-gpu", (), True), ("a:1", ("deepspeed train.py",), True),
        ("python:3.12", ("python", "train.py"), False), ("vllm/vllm-openai-cpu:1", (), False), ("nvcr.io/nvidia/k8s-device-plugin:v0.16", (), False),
        ("nvcr.io/nvidia/k8s/dcgm-exporter:3", (), False), ("a/text-embeddings:cpu-1.5", (), False),
    ],
)  # fmt: skip
def test_what_works_on_a_gpu_is_known_by_image_and_words(image: str, argv: tuple[str, ...], wanted: bool) -> None:
    assert wants_accelerator(image, argv, {}) is wanted


def test_an_option_is_read_in_each_form() -> None:
    assert option(["--model", "a"], "--model") == ("a", 0)
    assert option(["--model=a"], "--model") == ("a", 0)
    assert option(["serve --model 'a' --x"], "--model") == ("a", 0)
    assert option(["--models", "a"], "--model") is None


def test_a_version_is_that_of_the_tools_own_image_alone() -> None:
    assert version_of("registry:5000/vllm/vllm-openai:v0.9.2", "vllm") == (0, 9, 2)
    assert version_of("registry/vllm/other:v0.9.2", "vllm") == ()
    assert version_of("vllm/vllm-openai:nightly", "vllm") == ()


_WORDS = st.lists(st.text(max_size=30) | st.sampled_from(["--model", "serve", "vllm", "mlflow server", "--trust-remote-code", "jupyter lab", "--ip=0.0.0.0", "--allow-root", "ray start --head"]), max_size=8)  # fmt: skip


@settings(max_examples=200, deadline=1000)
@given(
    image=st.text(max_size=60),
    argv=_WORDS,
    environment=st.dictionaries(st.text(max_size=20), st.text(max_size=30) | st.just({"x": 1}), max_size=6),
)
def test_any_container_is_described(image: str, argv: list[str], environment: dict[str, Any]) -> None:
    places = dict.fromkeys(environment, HERE)

    attributes, positions = described(image, argv, environment, [HERE] * len(argv), places, HERE)
    services = list(open_services(image, argv, environment, True))

    assert set(attributes) == {"telemetry", "prompt_logs", "model_sources", "regions"}
    assert all(at == HERE for at in positions.values())
    assert all(one.argument < len(argv) for one in services)
