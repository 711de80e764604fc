"""Checks on what is fetched from model and data hubs: code of a repository, and downloads that name no commit."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mlguard import lazy
from mlguard.scanners.code.names import UNKNOWN, Names
from mlguard.scanners.code.seeing import Call, Place, Sight, leading_text, on_call, on_node
from mlguard.scanners.code.source import Source

REMOTE = "code/trusted-remote-code"
UNPINNED = "model/unpinned-base-model"

_COMMIT = lazy.pattern(r"^[0-9a-fA-F]{40}$")
_PINNED_REPOSITORY = lazy.pattern(r":[0-9a-fA-F]{40}$")
_TRUST = ("trust_remote_code", "hf_trust_remote_code", "load_custom_code")
_SCRIPTS = (
    "load_dataset",
    "load_dataset_builder",
    "get_dataset_config_names",
    "get_dataset_split_names",
    "load_metric",
)


@on_call(keywords=_TRUST)
def remote_code(call: Call) -> Iterator[Sight]:
    """Loaders that run code of a repository on the network."""
    if call.last in _SCRIPTS and call.path.startswith("datasets.") and call.source.at_least("datasets", "4.0"):
        return  # runs no scripts any more, whatever it is asked
    if call.path != "dict" and any(_on(call.value(name)) for name in _TRUST):
        yield call.sees(REMOTE, "dataset-script" if call.last in _SCRIPTS else "trust-remote-code")


@on_call("setattr", words=_TRUST)
def set_attributes(call: Call) -> Iterator[Sight]:
    """The same switch, set by its name."""
    on = call.constant(call.argument(1)) in _TRUST and call.constant(call.argument(2)) is True
    if on and call.path in ("setattr", "builtins.setattr"):
        yield call.sees(REMOTE, "trust-remote-code")


@on_call("load", "list", "help", imports=["torch"])
def torch_hub(call: Call) -> Iterator[Sight]:
    """Repositories whose hubconf.py PyTorch runs."""
    if call.path in ("torch.hub.load", "torch.hub.list", "torch.hub.help"):
        yield from _torch_hub(call)


def _on(value: object) -> bool:
    return value is True or value in ("true", "True") or (value.__class__ is int and value == 1)


def _torch_hub(call: Call) -> Iterator[Sight]:
    if call.value("source") == "local":
        return
    repository = call.constant(call.argument(0, "repo_or_dir", "github"))
    pinned = isinstance(repository, str) and _PINNED_REPOSITORY.search(repository)
    if not pinned or call.value("trust_repo") is True:
        yield call.sees(REMOTE, "torch-hub-load")


@on_call("load_dataset", "load_dataset_builder", "load_metric", imports=["datasets", "evaluate"])
def scripts(call: Call) -> Iterator[Sight]:
    """Data sets that are a script."""
    if call.path.startswith(("datasets.", "evaluate.")):
        path = call.constant(call.argument(0, "path"))
        if isinstance(path, str) and path.endswith(".py") and not any(_on(call.value(name)) for name in _TRUST):
            yield call.sees(REMOTE, "dataset-script")


_COMMAND_FLAGS = frozenset({"--trust-remote-code", "--trust_remote_code", "--trust-remote-code=True", "--trust_remote_code=True",
                            "--trust_remote_code=true", "trust_remote_code=True", "pretrained_trust_remote_code=True"})  # fmt: skip


@on_call("run", "Popen", "call", "check_call", "check_output", "system", "popen", "parse_args", "create_subprocess_exec",
         "create_subprocess_shell", "getoutput", imports=["subprocess", "os", "argparse", "asyncio", "transformers"])  # fmt: skip
def commands(call: Call) -> Iterator[Sight]:
    """Commands that switch code of a repository on."""
    if not call.path.startswith(("subprocess.", "os.", "asyncio.", "argparse.", "transformers.", "trl.")):
        return
    for argument in call.node.args:
        node: ast.AST = argument
        if isinstance(argument, ast.Name):
            single = call.names.single(argument.id, call.scope)
            node = single[0] if single else argument
        items = node.elts if isinstance(node, ast.List | ast.Tuple) else [argument]
        if any(_has_flag(call.constant(item)) for item in items):
            yield call.sees(REMOTE, "trust-remote-code")
            return


def _has_flag(text: object) -> bool:
    return isinstance(text, str) and not _COMMAND_FLAGS.isdisjoint(text.split())


@on_call(
    "add_argument",
    "Option",
    "option",
    words=["--trust-remote-code", "--trust_remote_code", "--trust-remote-code/--no-trust-remote-code"],
)
def options(call: Call) -> Iterator[Sight]:
    """Options of a command line that switch code of a repository on unless somebody says otherwise."""
    named = any(
        str(call.constant(argument)).startswith(("--trust-remote-code", "--trust_remote_code"))
        for argument in call.node.args
    )
    if named and (_on(call.value("default")) or call.value("action") == "store_false"):
        yield call.sees(REMOTE, "trust-remote-code")


def unused_settings(source: Source, names: Names) -> Iterator[Sight]:
    """Yield the dictionaries that switch remote code on and were not read as the keywords of a call."""
    if "trust_remote_code" in source.tree.identifiers:
        for display in source.tree.of(ast.Dict):
            if _trusts(display) and id(display) not in names.used:
                yield Sight(REMOTE, "trust-remote-code", _trusting(display), {"call": "A dictionary of options"})
        for node in source.tree.of(ast.Assign):
            if not isinstance(node.value, ast.Constant) or node.value.value is not True or id(node.value) in names.used:
                continue
            for target in node.targets:
                if isinstance(target, ast.Attribute) and target.attr == "trust_remote_code":
                    yield Sight(REMOTE, "trust-remote-code", node, {"call": names.written(target)})
                elif (
                    isinstance(target, ast.Subscript)
                    and names.constant(target.slice, source.tree.scope(node)) == "trust_remote_code"
                ):
                    yield Sight(REMOTE, "trust-remote-code", node, {"call": "A dictionary of options"})


def _trusts(node: ast.Dict) -> bool:
    return any(
        isinstance(key, ast.Constant) and key.value == "trust_remote_code"
        and isinstance(value, ast.Constant) and value.value is True
        for key, value in zip(node.keys, node.values, strict=True)
    )  # fmt: skip


def _trusting(node: ast.Dict) -> ast.AST:
    """Return the key that switches the code on: in a long dictionary its line tells more than the first one."""
    return next(key for key in node.keys if isinstance(key, ast.Constant) and key.value == "trust_remote_code")


_TRUST_VARIABLE = "HF_DATASETS_TRUST_REMOTE_CODE"


@on_node(ast.Assign, words=[_TRUST_VARIABLE])
def trusting_settings(node: ast.Assign, place: Place) -> Iterator[Sight]:
    """The same switch for all data sets of a process."""
    for target in node.targets:
        of_module = isinstance(target, ast.Attribute) and target.attr == _TRUST_VARIABLE
        of_environment = (
            isinstance(target, ast.Subscript) and place.names.constant(target.slice, place.scope) == _TRUST_VARIABLE
        )
        value = place.names.constant(node.value, place.scope)
        if (of_module or of_environment) and (value in ("1", "true", "True", "yes", "on") or value is True):
            yield Sight(REMOTE, "dataset-script", node, {"call": _TRUST_VARIABLE})


_HUB_MODULES = frozenset(
    "transformers diffusers peft sentence_transformers setfit optimum trl adapters huggingface_hub tokenizers auto_gptq awq span_marker "  # noqa: SIM905
    "gliner open_clip unsloth bitsandbytes datasets evaluate pyannote speechbrain timm modelscope ctransformers llama_cpp mlx_lm mlx_vlm "
    "faster_whisper vllm langchain_huggingface langchain_community llama_index gptqmodel colbert model2vec pylate fastembed FlagEmbedding "
    "InstructorEmbedding keybert flair kagglehub tensorflow_hub nltk spacy keras_hub keras_nlp accelerate tgi lmdeploy sglang sae_lens "
    "transformer_lens controlnet_aux llmcompressor nemo neural_compressor intel_extension_for_transformers lightning_ir tner simpletransformers".split()
)
_DOWNLOADS = frozenset(
    {"hf_hub_download", "snapshot_download", "cached_download", "load_dataset", "load_dataset_builder", "load_metric", "model_file_download",
     "dataset_snapshot_download", "hf_hub_url"}
)  # fmt: skip
_ENCODERS = frozenset(
    {"SentenceTransformer", "CrossEncoder", "SparseEncoder", "WhisperModel", "BatchedInferencePipeline"}
)
_ENGINES = frozenset({"LLM", "AsyncEngineArgs", "EngineArgs", "HuggingFaceEmbedding", "HuggingFaceEmbeddings", "HuggingFaceLLM",
                      "HuggingFaceBgeEmbeddings", "HuggingFaceInstructEmbeddings", "from_model_id", "HuggingFaceCrossEncoder"})  # fmt: skip
_PARTS = frozenset(
    {"load_lora_weights", "load_textual_inversion", "load_ip_adapter", "load_adapter", "load_lora_adapter"}
)
_LOADS = frozenset({"from_pretrained", "from_quantized", "from_hparams", "from_config_and_weights", "from_single_file"})
_FIRST = (
    "pretrained_model_name_or_path", "repo_id", "path", "model_name_or_path", "model_name", "pretrained_model_link_or_path",
    "model_id", "checkpoint_path", "model", "model_size_or_path", "source", "model_id_or_path", "dataset_id",
    "pretrained_model_name_or_path_or_dict", "adapter_name_or_path",
)  # fmt: skip
_BUILDERS = frozenset(
    "csv json parquet text imagefolder audiofolder videofolder arrow webdataset pandas xml sql generator spark pdffolder hdf5 niftifolder".split()  # noqa: SIM905
)
_LOCAL_START = (
    "./", "../", "/", "~", ".\\", "file:", "s3:", "gs:", "gcs:", "az:", "abfs:", "hdfs:", "dbfs:", "models:/", "runs:/", "http:", "https:",
)  # fmt: skip
_LOCAL_WORDS = frozenset(
    "model models output outputs out checkpoint checkpoints ckpt ckpts results result data dataset datasets saved saved_model "  # noqa: SIM905
    "saved_models artifacts artifact runs run tmp temp cache weights export exports exp logs log final best local build dist".split()
)
_LOCAL_NAME = lazy.pattern(
    r"path|dir|folder|ckpt|checkpoint|local|output|file|root|artifact|save|tmp|temp(?!erature)", re.I
)
_HUB_ID = lazy.pattern(r"^[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?$")
_WEIGHTS = lazy.pattern(r"\.(?:safetensors|bin|pt|pth|ckpt|onnx|gguf|json|zip|csv|parquet|jsonl|txt|h5)$", re.I)
WRITERS = frozenset({"save_pretrained", "save_model", "save", "save_to_disk", "makedirs", "mkdir"})
_OTHER_HUBS = frozenset({"download", "dataset_download", "model_download", "KerasLayer", "from_preset", "resolve",
                         "create_model_and_transforms", "create_model_from_pretrained", "get_tokenizer", "competition_download"})  # fmt: skip


@on_call(*_LOADS, "pipeline", "create_model", "load", *_DOWNLOADS, *_ENCODERS, *_ENGINES, *_PARTS, *_OTHER_HUBS)
def unpinned(call: Call) -> Iterator[Sight]:
    """Hub downloads that name no commit."""
    if call.last == "load" and not call.path.startswith(_LOADING_HUBS):
        return
    if call.path.startswith(_VERSIONED_HUBS):
        if _unversioned(call):
            yield call.sees(UNPINNED, "hub-revision")
        return
    if not _from_hub(call) or call.names.open_ended(call.node, call.scope):
        return
    if call.value("local_files_only") is True or call.value("repo_type") == "local":
        return
    if not _is_pinned(call):
        yield call.sees(UNPINNED, "hub-revision")


_REVISIONS = ("revision", "commit_id", "model_revision", "code_revision", "commit_hash")
_OPTIONS = ("model_kwargs", "encode_kwargs", "load_kwargs", "tokenizer_kwargs", "hub_kwargs", "kwargs")


def _is_pinned(call: Call) -> bool:
    """Say whether a commit is named, or something that may be one, also among options that are handed on."""
    given = [call.keywords[name] for name in _REVISIONS if name in call.keywords]
    for name in _OPTIONS:
        if name in call.keywords:
            entries = call.names.entries(call.keywords[name], call.scope)
            given += [entries[key] for key in _REVISIONS if key in entries]
            if not entries and not isinstance(call.keywords[name], ast.Dict | ast.Constant):
                return True  # options that cannot be seen here
    values = [call.constant(node) for node in given]
    if any(value is UNKNOWN or (isinstance(value, str) and _COMMIT.match(value)) for value in values):
        return True
    repository = call.constant(call.argument(0, *_FIRST))
    return isinstance(repository, str) and bool(re.search(r"@[0-9a-fA-F]{7,40}$", repository))


_LOADING_HUBS = ("evaluate.load", "tensorflow_hub.load", "mlx_lm.load", "mlx_vlm.load", "flair.", "bertopic.")
_VERSIONED_HUBS = ("tensorflow_hub.", "kagglehub.", "nltk.download", "nltk.downloader.", "spacy.cli.download", "spacy.cli.download.",
                   "keras_hub.", "keras_nlp.", "open_clip.", "stanza.download")  # fmt: skip


def _unversioned(call: Call) -> bool:
    """Say whether a download from a hub whose addresses hold a version names none."""
    root = call.path.split(".", 1)[0]
    first = call.argument(0, "handle", "preset", "model_name", "model", "info_or_id", "lang")
    value = call.constant(first)
    if root in ("nltk", "spacy", "stanza"):
        return call.last == "download" and not (
            root == "spacy" and isinstance(value, str) and re.search(r"-\d+\.\d+", value)
        )
    if not isinstance(value, str):
        return False
    if root == "kagglehub":
        if call.last == "dataset_download":
            return "/versions/" not in value
        return call.last == "model_download" and not re.search(r"/\d+$", value)
    if root == "tensorflow_hub":
        return (
            call.last in ("load", "KerasLayer", "resolve", "Module")
            and value.startswith("http")
            and not re.search(r"/\d+(?:\?.*)?$", value)
        )
    if root == "open_clip":
        return value.startswith("hf-hub:")
    return value.startswith("hf://") and "@" not in value


def _from_hub(call: Call) -> bool:
    root = call.path.split(".", 1)[0].removesuffix("()")
    if call.last in _LOADS:
        return _loads_from_hub(call, root)
    if call.last in _PARTS:
        value = call.constant(call.argument(0, *_FIRST))
        return isinstance(value, str) and "/" in value and _hub_id(value, call)
    if root not in _HUB_MODULES:
        return False
    if call.last in _DOWNLOADS:
        argument = call.argument(0, *_FIRST)
        if call.last.startswith("load_dataset") and call.constant(argument) in _BUILDERS:
            return False
        return argument is not None and _may_be_hub_id(argument, call)
    if call.last in _ENCODERS or call.last in _ENGINES:
        argument = call.argument(0, *_FIRST)
        if argument is None:
            return False
        value = call.constant(argument)
        named = isinstance(value, str) and _hub_id(value, call)
        return named or (call.last in _ENCODERS and root == "sentence_transformers" and _may_be_hub_id(argument, call))
    if call.last == "load":
        value = call.constant(call.argument(0, "path", "path_or_hf_repo"))
        return isinstance(value, str) and _hub_id(value, call) and (root == "evaluate" or "/" in value)
    if call.path in ("transformers.pipeline", "transformers.pipelines.pipeline") or (
        call.last == "pipeline" and root == "modelscope"
    ):
        value = call.constant(call.argument(1, "model"))
        return isinstance(value, str) and _hub_id(value, call)
    if call.path in ("timm.create_model", "timm.models.create_model"):
        value = call.constant(call.argument(0, "model_name"))
        return call.constant(call.argument(1, "pretrained")) is True and not (isinstance(value, str) and "@" in value)
    return False


def _loads_from_hub(call: Call, root: str) -> bool:
    second = (
        root in ("peft", "adapters")
        and call.path.split(".")[-2] not in ("PeftConfig", "LoraConfig")
        and "Auto" not in call.path
    )
    argument = call.argument(1 if second else 0, *(("model_id",) if second else _FIRST))
    if argument is None:
        return False
    value = call.constant(argument)
    if call.last == "from_single_file":
        return False  # an address of a file, of which the check of downloads speaks
    if root in _HUB_MODULES:
        return _may_be_hub_id(argument, call)
    # Of an unknown class: only what looks like owner/name.
    return isinstance(value, str) and "/" in value and _hub_id(value, call) and not call.path.startswith(".")


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
    value = value.removeprefix("hf-hub:").removeprefix("hf://")
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


CHECKS = (remote_code, set_attributes, torch_hub, scripts, commands, options, trusting_settings, unpinned)
