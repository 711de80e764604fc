"""Says which files, hubs and services code reads from and writes to."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from mlguard import lazy, redact
from mlguard.facts import DataFlow
from mlguard.scanners.code.seeing import Call, on_call

_READS = lazy.pattern(
    r"^(?:pandas|polars|geopandas|dask\.dataframe|pyarrow\.parquet|pyarrow\.csv|pyarrow\.feather)\.(?:read|scan)_\w+$"
)
_MODEL_READS = frozenset({"torch.load", "torch.jit.load", "joblib.load", "onnx.load", "onnxruntime.InferenceSession", "gguf.GGUFReader",
                          "safetensors.torch.load_file", "safetensors.safe_open", "safetensors.numpy.load_file"})  # fmt: skip
_MODEL_WRITES = {"torch.save": 1, "torch.jit.save": 1, "joblib.dump": 1, "onnx.save": 1, "safetensors.torch.save_file": 1,
                 "safetensors.numpy.save_file": 1, "torch.onnx.export": 2}  # fmt: skip
_FRAME_WRITES = frozenset({"to_csv", "to_parquet", "to_json", "to_excel", "to_feather", "to_pickle", "to_hdf", "write_csv", "write_parquet",
                           "write_json", "write_ndjson", "sink_parquet", "sink_csv", "save_to_disk"})  # fmt: skip
_HUB_READS = frozenset({"from_pretrained", "hf_hub_download", "snapshot_download"})
_DATA = lazy.pattern(
    r"\.(?:csv|tsv|jsonl?|ndjson|parquet|xlsx?|txt|feather|arrow|avro|sqlite|db|xml|npy|npz)(?:\.\w{2,4})?$", re.I
)
_MODEL = lazy.pattern(r"\.(?:pkl|pickle|pt|pth|bin|ckpt|safetensors|onnx|h5|hdf5|keras|joblib|gguf|model)$", re.I)
_HTTP = lazy.pattern(r"^(?:requests|httpx|aiohttp)\b.*\.(get|post|put|patch|delete|request|stream)$")
_SERVICES = {
    "openai.OpenAI": "openai", "openai.AsyncOpenAI": "openai", "openai.AzureOpenAI": "azure-openai",
    "anthropic.Anthropic": "anthropic", "anthropic.AsyncAnthropic": "anthropic", "cohere.Client": "cohere",
    "google.generativeai.GenerativeModel": "google-generative-ai", "google.genai.Client": "google-generative-ai",
    "mistralai.Mistral": "mistral", "groq.Groq": "groq", "together.Together": "together", "replicate.run": "replicate",
    "wandb.init": "wandb", "sentry_sdk.init": "sentry", "comet_ml.Experiment": "comet", "neptune.init_run": "neptune",
    "huggingface_hub.InferenceClient": "huggingface-inference",
}  # fmt: skip


METHODS = _FRAME_WRITES | _HUB_READS | {"load_model", "save_pretrained", "save_model"}
"""Methods that matter whatever they belong to."""


@on_call(
    "read_*",
    "scan_*",
    "run",
    "open",
    "load_dataset",
    "load_from_disk",
    "load",
    "loadtxt",
    "genfromtxt",
    *METHODS,
    *(path.rpartition(".")[2] for path in (*_SERVICES, *_MODEL_READS, *_MODEL_WRITES)),
)
def flows(call: Call) -> Iterator[DataFlow]:
    """Yield the flows of one call whose target is constant."""
    path, last = call.path, call.last
    if path in _SERVICES:
        yield _flow(call, "write", "service", _SERVICES[path])
        return
    for direction, kind, value in _targets(call, path, last):
        constant = call.constant(value)
        if isinstance(constant, str) and constant:
            yield _flow(call, direction, kind, _clean(constant))


def _targets(call: Call, path: str, last: str) -> Iterator[tuple[str, str, ast.expr | None]]:
    if _READS.match(path):
        yield "read", "dataset", call.argument(0, "filepath_or_buffer", "path", "io", "source")
    elif path in _MODEL_READS or (last == "load_model" and path):
        yield "read", "model", call.argument(0, "f", "filename", "filepath", "model_uri", "path_or_bytes")
    elif path in _MODEL_WRITES:
        yield "write", "model", call.argument(_MODEL_WRITES[path], "f", "filename")
    elif last in _HUB_READS:
        yield "read", "model", call.argument(0, "pretrained_model_name_or_path", "repo_id")
    elif path in ("datasets.load_dataset", "datasets.load_from_disk"):
        yield "read", "dataset", call.argument(0, "path", "dataset_path")
        yield "read", "dataset", call.argument(-1, "data_files")
    elif last in _FRAME_WRITES:
        yield "write", "dataset", call.argument(0, "path_or_buf", "path", "excel_writer", "file", "dataset_path")
    elif last in ("save_pretrained", "save_model"):
        yield "write", "model", call.argument(0, "save_directory", "output_dir")
    elif path in ("open", "io.open", "gzip.open", "codecs.open", "numpy.load", "numpy.loadtxt", "numpy.genfromtxt"):
        target = call.constant(call.argument(0, "file", "filename"))
        mode = call.constant(call.argument(1, "mode")) if path.endswith("open") else "r"
        kind = "dataset" if isinstance(target, str) and _DATA.search(target) else ""
        kind = kind or ("model" if isinstance(target, str) and _MODEL.search(target) else "")
        if kind:
            writes = isinstance(mode, str) and bool(set("wax+") & set(mode))
            yield "write" if writes else "read", kind, call.argument(0, "file", "filename")


def _flow(call: Call, direction: str, kind: str, target: str) -> DataFlow:
    place = call.source.location(call.node)
    return DataFlow(direction, kind, target, call.source.path, place.line, call.scope.name)  # type: ignore[arg-type]  # both are of their literals


def _host(value: object) -> str:
    if not isinstance(value, str):
        return ""
    try:
        return urlsplit(value).hostname or ""
    except ValueError:
        return ""


def _clean(target: str) -> str:
    """Return a path or URL without credentials, query and fragment, masked where it has the shape of a value."""
    if "://" in target:
        scheme, _, rest = target.partition("://")
        rest = rest.split("?")[0].split("#")[0]
        host, slash, path = rest.partition("/")
        target = f"{scheme}://{host.rsplit('@', 1)[-1]}{slash}{path}"
    return redact.text(target)


@on_call("get", "post", "put", "patch", "delete", "request", "stream", imports=["requests", "httpx", "aiohttp"])
def requests(call: Call) -> Iterator[DataFlow]:
    """Yield what a client of HTTP talks to."""
    if _HTTP.match(call.path):
        target = _host(call.constant(call.argument(0, "url")))
        if target:
            yield _flow(call, "read" if call.last in ("get", "stream") else "write", "service", target)


CHECKS = (flows, requests)
