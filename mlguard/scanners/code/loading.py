"""Checks on how models and data are loaded: unsafe formats, remote code, unpinned downloads."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mlguard.scanners.code.names import UNKNOWN, Names
from mlguard.scanners.code.seeing import Call, Sight, leading_text, on_call
from mlguard.scanners.code.source import Source

UNSAFE = "code/unsafe-deserialization"
REMOTE = "code/trusted-remote-code"
UNPINNED = "model/unpinned-base-model"

_PICKLES = frozenset(
    f"{module}.{name}"
    for module in ("pickle", "_pickle", "cPickle", "pickle5", "dill", "cloudpickle", "cloudpickle.cloudpickle", "compress_pickle")
    for name in ("load", "loads", "Unpickler")
) | {
    "jsonpickle.decode", "jsonpickle.loads", "jsonpickle.unpickler.decode", "jsonpickle.unpickler.Unpickler",
    "shelve.DbfilenameShelf", "marshal.load", "marshal.loads", "dill.load_session", "dill.load_module",
    "pandas.compat.pickle_compat.load", "torch.package.PackageImporter", "fastai.learner.load_learner",
    "fastai.vision.all.load_learner", "fastai.basics.load_learner", "fastai.text.all.load_learner",
    "fastai.tabular.all.load_learner",
}  # fmt: skip
_JOBLIB = frozenset({"joblib.load", "sklearn.externals.joblib.load", "joblib.numpy_pickle.load"})
LOADERS = _PICKLES | _JOBLIB | {"torch.load", "torch.serialization.load", "pandas.read_pickle"}
_COLLECTIVES = frozenset(
    f"torch.distributed.{name}"
    for name in (
        "all_gather_object",
        "broadcast_object_list",
        "gather_object",
        "scatter_object_list",
        "recv_object_list",
    )
)
_SAFE_LOADERS = frozenset({"SafeLoader", "CSafeLoader", "BaseLoader", "CBaseLoader"})
_KERAS = re.compile(r"(?:^|\.)keras(?:\.|$)|^tf_keras\.")


@on_call(
    *{path.rpartition(".")[2] for path in LOADERS | _COLLECTIVES} - {"open"},
    "read_array", "unsafe_load", "unsafe_load_all", "load_all", "YAML", "load_model", "enable_unsafe_deserialization",
    keywords=["use_safetensors", "allow_dangerous_deserialization"],
)  # fmt: skip
def deserialization(call: Call) -> Iterator[Sight]:
    """Loaders that run code of the file."""
    path = call.path
    if path in _PICKLES:
        if not _just_dumped(call):
            yield call.sees(UNSAFE, "pickle-load")
    elif path in _JOBLIB:
        yield call.sees(UNSAFE, "joblib-load")
    elif path in ("pandas.read_pickle", "geopandas.read_pickle"):
        yield call.sees(UNSAFE, "pandas-read-pickle")
    elif path in ("torch.load", "torch.serialization.load"):
        yield from _torch(call)
    elif path == "torch.jit.load":
        if not call.is_constant(call.argument(0, "f")):
            yield call.sees(UNSAFE, "torch-jit-load")
    elif path in _COLLECTIVES:
        yield call.sees(UNSAFE, "distributed-object-collective")
    elif path in ("numpy.load", "numpy.lib.npyio.load", "numpy.lib.format.read_array"):
        if call.constant(call.argument(2, "allow_pickle")) is True or call.value("allow_pickle") is True:
            yield call.sees(UNSAFE, "numpy-allow-pickle")
    elif path.startswith(("yaml.", "ruamel.yaml.")):
        yield from _yaml(call)
    elif _KERAS.search(path):
        yield from _keras(call)
    elif path.startswith("mlflow.") and call.last == "load_model":
        yield from _mlflow(call)
    if call.value("use_safetensors") is False and call.last.startswith("from_"):
        yield call.sees(UNSAFE, "safetensors-off")
    if call.value("allow_dangerous_deserialization") is True:
        yield call.sees(UNSAFE, "langchain-dangerous-load")


@on_call("open", imports=["shelve"])
def shelves(call: Call) -> Iterator[Sight]:
    """Shelves, whose values are pickles."""
    if call.path == "shelve.open":
        yield call.sees(UNSAFE, "pickle-load")


def _just_dumped(call: Call) -> bool:
    """Say whether the argument was pickled in the same expression, as for a deep copy."""
    argument = call.argument(0)
    return isinstance(argument, ast.Call) and call.names.path(argument.func, call.scope).endswith(".dumps")


def _torch(call: Call) -> Iterator[Sight]:
    given = call.keywords.get("weights_only")
    if given is None:
        if not call.names.open_ended(call.node, call.scope):
            yield call.sees(UNSAFE, "torch-load-default")
    elif call.constant(given) is False:
        yield call.sees(UNSAFE, "torch-load")


def _yaml(call: Call) -> Iterator[Sight]:
    if call.path in ("yaml.unsafe_load", "yaml.unsafe_load_all", "ruamel.yaml.unsafe_load"):
        yield call.sees(UNSAFE, "yaml-load")
    elif call.path in ("yaml.load", "yaml.load_all", "ruamel.yaml.load", "ruamel.yaml.load_all"):
        loader = call.argument(1, "Loader")
        if not _safe_loader(loader, call):
            yield call.sees(UNSAFE, "yaml-load")
    elif call.path == "ruamel.yaml.YAML" and call.constant(call.argument(-1, "typ")) == "unsafe":
        yield call.sees(UNSAFE, "yaml-load")


def _safe_loader(loader: ast.expr | None, call: Call, depth: int = 3) -> bool:
    if loader is None:
        return False
    name = call.names.written(loader).rsplit(".", 1)[-1]
    path = call.names.path(loader, call.scope).rsplit(".", 1)[-1]
    if path in _SAFE_LOADERS or name in _SAFE_LOADERS:
        return True
    if not isinstance(loader, ast.Name) or depth == 0:
        return False
    single = call.names.single(loader.id, call.scope)
    if single is None:
        return call.names.is_parameter(loader.id, call.scope)  # the caller decides
    if isinstance(single[0], ast.ClassDef):
        return any(_safe_loader(base, call, depth - 1) for base in single[0].bases)
    text = ast.dump(single[0]) if isinstance(single[0], ast.Call) else ""
    return any(f"'{known}'" in text for known in _SAFE_LOADERS)  # getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _keras(call: Call) -> Iterator[Sight]:
    if call.last == "enable_unsafe_deserialization" or (call.last == "load_model" and call.value("safe_mode") is False):
        yield call.sees(UNSAFE, "keras-safe-mode-off")
    elif call.last == "load_model":
        path = call.constant(call.argument(0, "filepath"))
        if isinstance(path, str) and path.lower().endswith((".h5", ".hdf5", ".he5")):
            yield call.sees(UNSAFE, "keras-legacy-format")


def _mlflow(call: Call) -> Iterator[Sight]:
    argument = call.argument(0, "model_uri")
    text = leading_text(argument, call)
    if text.startswith(("http:", "https:")) or (not text and argument is not None and not call.is_constant(argument)):
        yield call.sees(UNSAFE, "mlflow-load-model")


_COMMIT = re.compile(r"^[0-9a-fA-F]{40}$")
_PINNED_REPOSITORY = re.compile(r":[0-9a-fA-F]{40}$")


@on_call("load", keywords=["trust_remote_code"])
def remote_code(call: Call) -> Iterator[Sight]:
    """Loaders that run code of a repository on the network."""
    if call.path == "torch.hub.load":
        if call.value("source") == "local":
            return
        repository = call.constant(call.argument(0, "repo_or_dir"))
        pinned = isinstance(repository, str) and _PINNED_REPOSITORY.search(repository)
        if not pinned or call.value("trust_repo") is True:
            yield call.sees(REMOTE, "torch-hub-load")
    elif call.path != "dict" and call.value("trust_remote_code") is True:
        yield call.sees(REMOTE, "trust-remote-code")


def unused_settings(source: Source, names: Names) -> Iterator[Sight]:
    """Yield the dictionaries that switch remote code on and were not read as the keywords of a call."""
    if "trust_remote_code" in source.tree.identifiers:
        for display in source.tree.of(ast.Dict):
            if _trusts(display) and id(display) not in names.used:
                yield Sight(REMOTE, "trust-remote-code", display, {"call": "A dictionary of options"})


def _trusts(node: ast.Dict) -> bool:
    return any(
        isinstance(key, ast.Constant) and key.value == "trust_remote_code"
        and isinstance(value, ast.Constant) and value.value is True
        for key, value in zip(node.keys, node.values, strict=True)
    )  # fmt: skip


_HUB_MODULES = frozenset(
    [
        "transformers",
        "diffusers",
        "peft",
        "sentence_transformers",
        "setfit",
        "optimum",
        "trl",
        "adapters",
        "huggingface_hub",
        "tokenizers",
        "auto_gptq",
        "awq",
        "span_marker",
        "gliner",
        "open_clip",
        "unsloth",
        "bitsandbytes",
        "datasets",
        "evaluate",
        "pyannote",
        "speechbrain",
        "timm",
    ]
)
_DOWNLOADS = frozenset(
    {"hf_hub_download", "snapshot_download", "cached_download", "load_dataset", "load_dataset_builder"}
)
_ENCODERS = frozenset({"SentenceTransformer", "CrossEncoder", "SparseEncoder"})
_FIRST = (
    "pretrained_model_name_or_path", "repo_id", "path", "model_name_or_path", "model_name", "pretrained_model_link_or_path",
    "model_id", "checkpoint_path",
)  # fmt: skip
_BUILDERS = frozenset(
    "csv json parquet text imagefolder audiofolder videofolder arrow webdataset pandas xml sql generator spark".split()  # noqa: SIM905
)
_LOCAL_START = (
    "./",
    "../",
    "/",
    "~",
    ".\\",
    "file:",
    "s3:",
    "gs:",
    "gcs:",
    "az:",
    "abfs:",
    "hdfs:",
    "dbfs:",
    "models:/",
    "runs:/",
)
_LOCAL_WORDS = frozenset(
    "model models output outputs out checkpoint checkpoints ckpt ckpts results result data dataset datasets saved saved_model "  # noqa: SIM905
    "saved_models artifacts artifact runs run tmp temp cache weights export exports exp logs log final best local build dist".split()
)
_LOCAL_NAME = re.compile(
    r"path|dir|folder|ckpt|checkpoint|local|output|file|root|artifact|save|tmp|temp(?!erature)", re.I
)
_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?$")
_WEIGHTS = re.compile(r"\.(?:safetensors|bin|pt|pth|ckpt|onnx|gguf|json|zip|csv|parquet|jsonl|txt|h5)$", re.I)
WRITERS = frozenset({"save_pretrained", "save_model", "save", "save_to_disk", "makedirs", "mkdir"})


@on_call("from_pretrained", "pipeline", "create_model", *_DOWNLOADS, *_ENCODERS)
def unpinned(call: Call) -> Iterator[Sight]:
    """Hub downloads that name no commit."""
    if not _from_hub(call) or call.names.open_ended(call.node, call.scope):
        return
    if call.value("local_files_only") is True:
        return
    revision = call.keywords.get("revision") or call.keywords.get("commit_id")
    if revision is not None:
        value = call.constant(revision)
        if value is UNKNOWN or (isinstance(value, str) and _COMMIT.match(value)):
            return
    yield call.sees(UNPINNED, "hub-revision")


def _from_hub(call: Call) -> bool:
    root = call.path.split(".", 1)[0].removesuffix("()")
    if call.last == "from_pretrained":
        argument = call.argument(0, *_FIRST)
        if root in _HUB_MODULES:
            return argument is not None and _may_be_hub_id(argument, call)
        value = call.constant(argument)  # of an unknown class: only what looks like owner/name
        return isinstance(value, str) and "/" in value and _hub_id(value, call) and not call.path.startswith(".")
    if root not in _HUB_MODULES:
        return False
    if call.last in _DOWNLOADS:
        argument = call.argument(0, *_FIRST)
        if call.last.startswith("load_dataset") and call.constant(argument) in _BUILDERS:
            return False
        return argument is not None and _may_be_hub_id(argument, call)
    if call.last in _ENCODERS and call.path.startswith("sentence_transformers."):
        argument = call.argument(0, *_FIRST)
        return argument is not None and _may_be_hub_id(argument, call)
    if call.path in ("transformers.pipeline", "transformers.pipelines.pipeline"):
        argument = call.argument(1, "model")
        value = call.constant(argument)
        return isinstance(value, str) and _hub_id(value, call)
    if call.path in ("timm.create_model", "timm.models.create_model"):
        value = call.constant(call.argument(0, "model_name"))
        return call.constant(call.argument(1, "pretrained")) is True and not (isinstance(value, str) and "@" in value)
    return False


def _may_be_hub_id(node: ast.expr, call: Call) -> bool:
    value = call.constant(node)
    if isinstance(value, str):
        return _hub_id(value, call)
    if value is not UNKNOWN:
        return False
    if isinstance(node, ast.JoinedStr | ast.BinOp) and not isinstance(getattr(node, "op", None), ast.Div):
        text = leading_text(node, call)
        return bool(text) and not _starts_local(text)
    if isinstance(node, ast.Name | ast.Attribute):
        written = call.names.written(node)
        path = call.names.path(node, call.scope)
        return not _LOCAL_NAME.search(written.rsplit(".", 1)[-1]) and not path.startswith(
            ("pathlib.", "os.", "tempfile.")
        )
    if isinstance(node, ast.Subscript):
        key = call.constant(node.slice)
        return not (isinstance(key, str) and _LOCAL_NAME.search(key))
    return False  # the result of a call or of Path(...) / "x"


def _starts_local(text: str) -> bool:
    return text.startswith(_LOCAL_START) or text.split("/")[0].lower() in _LOCAL_WORDS


def _hub_id(value: str, call: Call) -> bool:
    if not _HUB_ID.match(value) or _starts_local(value) or _WEIGHTS.search(value):
        return False
    return value not in _written_targets(call)


def _written_targets(call: Call) -> frozenset[str]:
    """Return the constant paths to which this file saves something: what is loaded from there is local."""
    tree = call.source.tree
    if tree.written is None:
        found = set()
        for node in tree.of(ast.Call):
            name = getattr(node.func, "attr", None) or getattr(node.func, "id", "")
            given = [*node.args[:1]] if name in WRITERS else []
            given += [keyword.value for keyword in node.keywords if keyword.arg in ("output_dir", "save_directory")]
            values = (call.names.constant(item, tree.scope(node)) for item in given)
            found |= {value for value in values if isinstance(value, str)}
        tree.written = frozenset(found)
    return tree.written


CHECKS = (deserialization, shelves, remote_code, unpinned)
