"""Judges an MLmodel file: which module MLflow imports to load the model, and which paths it takes from the file.

Format: https://mlflow.org/docs/latest/ml/model/#mlmodel-file; mlflow/pyfunc/__init__.py (``loader_module`` is imported, ``code`` goes
in front of sys.path), mlflow/pyfunc/model.py (``python_model`` is unpickled, ``artifacts`` are joined to the folder),
mlflow/xgboost and mlflow/lightgbm (``model_class`` is imported), ``skops_trusted_types`` (skops builds what is listed).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlguard.errors import Unreadable
from mlguard.scanners.model import names, texts, zips
from mlguard.scanners.model.formats import hydra
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, State
from mlguard.scanners.model.values import DANGEROUS
from mlguard.scanners.model.yamlpairs import Pair, pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Record

MAX_TEXTS = 20_000

_LOADERS = re.compile(
    r"mlflow\.(?:ag2|catboost|crewai|diffusers|diviner|dspy|fastai|gluon|h2o|haystack|johnsnowlabs|keras|keras_core|langchain|lightgbm"
    r"|llama_index|mleap|mxnet|onnx|openai|paddle|pmdarima|promptflow|prophet|pyfunc\.model|pyfunc\.loaders(?:\.\w+)?|pyspark\.ml|pytorch"
    r"|prompt\.promptlab_model|sentence_transformers|shap|sklearn|spacy|spark|statsmodels|tensorflow|transformers|xgboost)\Z"
    r"|databricks\.feature_(?:store|engineering)\.mlflow_model\Z"
)
_PATHS = frozenset(
    {
        "code", "data", "env", "conda", "virtualenv", "python_model", "pickled_model", "model_path", "model_data", "path",
        "artifact_path", "serving_input_path", "model_binary", "saved_model_dir", "keras_module_path", "pickle_module", "model_config",
        "extra_files", "requirements_file", "model_file", "custom_objects", "tokenizer", "processor_path", "h2o_frame",
    }
)  # fmt: skip
_ADDRESS = re.compile(r"[A-Za-z][\w+.-]*://|[A-Za-z][\w+.-]*:/[^\\]|~")
_CLASSES = frozenset(
    {"model_class", "pickle_module_name", "code_model_class", "loader_fn_module", "pytorch_pickle_module"}
)
_PREDICTS = re.compile(r"[A-Za-z]\w*\Z", re.A)


def examine(view: View, state: State) -> Examination:
    """Look at each value of an MLmodel file."""
    state.name("mlflow")
    found: list[Pair] = []
    trouble = ""
    try:
        for pair in pairs(view):
            found.append(pair)
            if pair.tag:
                yield from hydra.tagged(pair.tag, view, state, "mlflow")
            yield from _value(pair, view, state)
    except Unreadable as error:
        trouble = str(error)
    yield from texts.told(
        ((pair.path[-1] if pair.path else "", pair.text) for pair in found[:MAX_TEXTS] if pair.text),
        view,
        state,
        "mlflow",
    )
    if trouble:
        yield from state.gap("unreadable", trouble, view.within)
    elif not any(pair.path[:1] == ("flavors",) for pair in found):
        yield from state.gap("unreadable", "the MLmodel file names no flavour", view.within)
    return "read"


def _value(pair: Pair, view: View, state: State) -> Iterator[Record]:
    path, text = pair.path, pair.text.strip()
    key = next((part for part in reversed(path) if not part.isdigit()), "")
    if not path or not text or text in ("null", "~"):
        return
    if key == "loader_module":
        if not _LOADERS.match(text):
            yield from names.told(text, "_load_pyfunc", view, state, "loader_module", "mlflow")
    elif key in _CLASSES or key == "skops_trusted_types":
        yield from _class(text, view, state, key)
    elif key == "predict_fn" and not _PREDICTS.match(text):
        facts: dict[str, str | int] = {"name": "predict_fn", "opcode": "MLmodel", "format": "mlflow"}
        yield from state.detection(DANGEROUS, "dynamic-name", view.within, 0, None, "predict_fn", facts)
    elif path[0] in ("flavors", "saved_input_example_info") and key in _PATHS and _leaves(text):
        yield from state.malformed("external-path", view, 0, "mlflow")


def _leaves(text: str) -> bool:
    return zips.leaves(text) or bool(_ADDRESS.match(text))


def _class(text: str, view: View, state: State, place: str) -> Iterator[Record]:
    module, _, name = text.rpartition(".")
    if module or name not in ("pickle", "cloudpickle", "dill"):
        yield from names.told(module or "builtins", name, view, state, place, "mlflow")
