"""Checks on what code downloads and installs while it runs."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from mlguard import lazy
from mlguard.scanners.code.running import PROCESSES, SHELLS
from mlguard.scanners.code.seeing import Call, Sight, leading_text, on_call

DOWNLOAD = "code/unverified-download"

_READS = lazy.pattern(
    r"^(?:pandas|polars|geopandas|dask\.dataframe|modin\.pandas|pyarrow\.\w+|numpy)\.(?:(?:read|scan)_\w+|loadtxt|genfromtxt)$"
)
_STORES = frozenset(
    [
        "urllib.request.urlretrieve", "urllib.urlretrieve", "six.moves.urllib.request.urlretrieve", "wget.download", "gdown.download",
        "gdown.cached_download", "torch.hub.download_url_to_file", "torch.hub.load_state_dict_from_url", "torch.utils.model_zoo.load_url",
        "torchvision.datasets.utils.download_url", "torchvision.datasets.utils.download_and_extract_archive", "torchtext.utils.download_from_url",
        "torchaudio.datasets.utils.download_url", "fastdownload.download_url", "torchaudio.utils.download_asset", "tensorflow_datasets.download.DownloadManager().download",
        "keras.utils.data_utils.get_file", "basicsr.utils.download_util.load_file_from_url", "skimage.data._fetch",
    ]
)  # fmt: skip
_GETS = lazy.pattern(
    r"^(?:requests|httpx)\.(?:get|stream)$|^(?:requests\.Session|requests\.session|httpx\.Client|aiohttp\.ClientSession)\(\)\.(?:get|stream)$"
)
_DATA_FILE = lazy.pattern(
    r"\.(?:csv|tsv|json|jsonl|parquet|zip|gz|tgz|tar|bz2|xz|zst|pt|pth|pkl|onnx|h5|bin|safetensors|npy|npz|txt|xlsx?|ckpt|gguf|joblib|keras|tflite)$",
    re.I,
)
_INSIDE = lazy.pattern(
    r"^(?:localhost|127\.|0\.0\.0\.0|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|\[?::1|[^.]+$|.*\.(?:local|internal|svc)$)"
)


@on_call(
    "read_*",
    "scan_*",
    "loadtxt",
    "genfromtxt",
    *(path.rpartition(".")[2] for path in _STORES),
    "get_file",
    "urlopen",
    "retrieve",
)
def download(call: Call) -> Iterator[Sight]:
    """Data and models that are fetched without protection or proof."""
    path = call.path
    get_file = call.last == "get_file" and "keras" in path
    if _READS.match(path) or path in _STORES or get_file or path.endswith("urllib.request.urlopen"):
        address = (
            call.argument(1, "origin")
            if get_file
            else call.argument(0, "url", "filepath_or_buffer", "path", "fname", "source")
        )
        text = leading_text(address, call)
        if text.lower().startswith(("http://", "ftp://")) and _counts(text, call):
            yield call.sees(DOWNLOAD, "plain-http")
            return
    if path in _STORES or get_file or path == "pooch.retrieve":
        yield from _unchecked(call, get_file)


@on_call(
    "main",
    "system",
    "run_line_magic",
    "run_cell_magic",
    "magic",
    "getoutput",
    *(path.rpartition(".")[2] for path in PROCESSES | SHELLS),
)
def installs(call: Call) -> Iterator[Sight]:
    """Packages and scripts that are fetched and run by a command of the code."""
    path, written = call.path, call.names.written(call.node.func)
    if (
        written.startswith("get_ipython.()")
        or "get_ipython()" in path
        or (call.receiver is not None and written.rpartition(".")[0] in ("ipython", "ip", "shell"))
    ):
        yield from _magic(call)
    elif path in ("pip.main", "pip._internal.main", "pip._internal.cli.main.main"):
        if _installs(call):
            yield call.sees(DOWNLOAD, "runtime-install")
    elif path in PROCESSES or path in SHELLS:
        if _PIPED.search(_whole_text(call)):
            yield call.sees(DOWNLOAD, "notebook-shell-install")
        elif _installs(call):
            yield call.sees(DOWNLOAD, "runtime-install")


_PIPED = lazy.pattern(
    r"\b(?:curl|wget)\b[^|;&]*\|\s*(?:sudo\s+)?(?:ba|z|da)?sh\b|\b(?:curl|wget)\b[^|]*\|\s*(?:sudo\s+)?python|(?:ba|z)?sh\s+-c\s+[\"']?\$\((?:curl|wget)|<\((?:curl|wget)\b"
)
_INSECURE_INDEX = lazy.pattern(
    r"(?:--(?:extra-)?index-url|-i|--find-links|-f)[ =]+http://|--trusted-host\b|pip3? install\b.*\bhttp://|\bgit\+http://"
)


def _whole_text(call: Call) -> str:
    """Return the constant text of a command, or of each of its words."""
    first = call.argument(0, "args", "cmd", "command")
    if isinstance(first, ast.List | ast.Tuple):
        return " ".join(str(value) for item in first.elts if isinstance(value := call.constant(item), str))
    value = call.constant(first)
    if isinstance(value, str):
        return value
    if isinstance(first, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in first.values)
    return leading_text(first, call)


def _magic(call: Call) -> Iterator[Sight]:
    """Look at a line of IPython that was written as a call."""
    texts = [value for argument in call.node.args if isinstance(value := call.constant(argument), str)]
    text = " ".join(texts)
    if (
        _PIPED.search(text)
        or _INSECURE_INDEX.search(text)
        or re.match(r"^(?:%|run |load )\s*(?:run |load )?\s*https?://", text)
    ):
        yield call.sees(DOWNLOAD, "notebook-shell-install", call="A line of IPython")


@on_call("get", "stream", imports=["requests", "httpx", "aiohttp"])
def fetched(call: Call) -> Iterator[Sight]:
    """Data and models that a client of HTTP gets without protection."""
    if _GETS.match(call.path):
        text = leading_text(
            call.argument(1 if call.last == "stream" and call.path.startswith("httpx") else 0, "url"), call
        )
        if text.lower().startswith("http://") and _counts(text, call):
            yield call.sees(DOWNLOAD, "plain-http")


@on_call("write", "write_bytes", imports=["requests", "httpx", "urllib", "niquests"])
def written(call: Call) -> Iterator[Sight]:
    """Models that a client of HTTP gets, and that are kept as they come."""
    if not call.node.args or "hashlib" in call.source.tree.imported:
        return
    request = _request_of(call.node.args[0], call)
    target = _target(call) if request is not None else None
    if request is not None and target is not None and _is_model(target, call):
        label = call.names.path(request.func, call.scope).replace("()", "")
        yield call.sees(DOWNLOAD, "model-from-url", node=request, call=label)


def _request_of(node: ast.AST | None, call: Call, depth: int = 4) -> ast.Call | None:
    """Return the request whose answer is written: of ``r.content``, ``r.read()`` and a part of ``r.iter_content()``."""
    if depth == 0:
        return None
    if isinstance(node, ast.Call):
        if _GETS.match(path := call.names.path(node.func, call.scope)) or path == "urllib.request.urlopen":
            return node
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        reads = isinstance(node.func, ast.Attribute) and node.func.attr in (
            "read",
            "iter_content",
            "iter_bytes",
            "iter_raw",
        )
        return _request_of(owner, call, depth - 1) if reads else None
    if isinstance(node, ast.Attribute):
        return _request_of(node.value, call, depth - 1) if node.attr in ("content", "raw") else None
    if not isinstance(node, ast.Name):
        return None
    holder = call.names.holder(node.id, call.scope)
    made = [*holder.values.get(node.id, ()), *holder.parts.get(node.id, ())] if holder is not None else []
    known = [value for value in made if value is not None]
    return _request_of(known[0], call, depth - 1) if len(known) == 1 else None


def _target(call: Call) -> ast.expr | None:
    """Return the path of the file that is written."""
    node: ast.AST | None = call.receiver
    if isinstance(node, ast.Name):
        holder = call.names.holder(node.id, call.scope)
        made = [*holder.values.get(node.id, ()), *holder.parts.get(node.id, ())] if holder is not None else []
        node = next((value for value in made if isinstance(value, ast.Call)), None) or node
    if call.last == "write_bytes":
        return node.args[0] if isinstance(node, ast.Call) and node.args else call.receiver
    opened = isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "open"
    if not opened or not isinstance(node, ast.Call):
        return None
    return node.args[0] if node.args else node.func.value if isinstance(node.func, ast.Attribute) else None


_MODEL_LOADERS = (
    "load",
    "InferenceSession",
    "load_model",
    "read_pickle",
    "load_file",
    "load_weights",
    "from_file",
    "load_state_dict",
    "load_learner",
)


def _is_model(target: ast.expr, call: Call) -> bool:
    """Say whether the file that is written is one of a model: by its name, or as this file loads it."""
    text = call.constant(target)
    if isinstance(text, str) and _MODEL_FILE.search(text):
        return True
    wanted = ast.dump(target)
    calls = call.source.tree.calls_by_name
    return any(
        loader.args
        and (
            ast.dump(loader.args[0]) == wanted
            or isinstance(text, str)
            and call.names.constant(loader.args[0], call.scope) == text
        )
        for name in _MODEL_LOADERS
        for loader in calls.get(name, ())[:50]
    )


def _counts(text: str, call: Call) -> bool:
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        return False
    if not host or _INSIDE.match(host):
        return False
    return not _GETS.match(call.path) or bool(_DATA_FILE.search(parts.path))


_MODEL_FILE = lazy.pattern(
    r"\.(?:onnx|pt|pth|pkl|pickle|joblib|h5|keras|tflite|gguf|safetensors|ckpt|bin|pb|model)$", re.I
)


def _unchecked(call: Call, get_file: bool) -> Iterator[Sight]:
    if "hashlib" in call.source.tree.imported:
        return  # the file compares digests, or could
    address = leading_text(call.argument(1, "origin") if get_file else call.argument(0, "url"), call)
    if address.startswith(("file:", "/", "./", "data:")):
        return
    if call.path == "pooch.retrieve":
        if call.constant(call.argument(1, "known_hash")) is None and (
            "known_hash" in call.keywords or len(call.node.args) > 1
        ):
            yield call.sees(DOWNLOAD, _kind(call, get_file))
        return
    given = (
        "file_hash",
        "md5_hash",
        "hash_prefix",
        "sha256",
        "hash",
        "md5",
        "hash_value",
        "expected_hash",
        "sha1",
        "checksum",
        "hash_type",
    )
    checked = any(name in call.keywords for name in given) or call.value("check_hash") is True
    if not checked and not call.names.open_ended(call.node, call.scope):
        yield call.sees(DOWNLOAD, _kind(call, get_file))


def _kind(call: Call, get_file: bool) -> str:
    """Return which check speaks: that of models, when the file's name or the function says so."""
    texts = [call.constant(argument) for argument in [*call.node.args, *call.keywords.values()]]
    of_model = any(isinstance(text, str) and _MODEL_FILE.search(text) for text in texts)
    return "model-from-url" if of_model or call.last in ("load_state_dict_from_url", "load_url") else "dataset-from-url"


def _installs(call: Call) -> bool:
    first = call.argument(0, "args", "cmd")
    if isinstance(first, ast.Name):
        single = call.names.single(first.id, call.scope)
        first = single[0] if single and isinstance(single[0], ast.List | ast.Tuple | ast.BinOp) else first
    if isinstance(first, ast.BinOp) and isinstance(first.left, ast.List):
        first = first.left  # ["pip", "install"] + names
    if isinstance(first, ast.List | ast.Tuple):
        words = [call.constant(item) for item in first.elts]
    elif call.path.endswith("create_subprocess_exec"):
        words = [call.constant(item) for item in call.node.args]
    else:
        return bool(
            re.match(
                r"^\s*(?:\S+ -m |sudo |uv )*(?:pip3?|conda|mamba|npm|apt(?:-get)?) (?:-\S+ )*install\b",
                _whole_text(call),
            )
        )
    pairs = list(itertools.pairwise(words))
    return any(pair in _INSTALLS for pair in pairs) or (call.path.startswith("pip.") and words[:1] == ["install"])


_INSTALLS = frozenset(
    {
        ("pip", "install"),
        ("pip3", "install"),
        ("conda", "install"),
        ("mamba", "install"),
        ("uv", "add"),
        ("easy_install", "-U"),
    }
)

CHECKS = (download, installs, fetched, written)
