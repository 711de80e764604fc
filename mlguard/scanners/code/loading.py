"""Checks on how models, data and settings are read: formats and switches with which a file can run code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mlguard import lazy
from mlguard.scanners.code import taint
from mlguard.scanners.code.names import Unknown
from mlguard.scanners.code.seeing import Call, Place, Sight, leading_text, on_call, on_node
from mlguard.scanners.code.tree import ITEM

UNSAFE = "code/unsafe-deserialization"

_PICKLES = frozenset(
    f"{module}.{name}"
    for module in (
        "pickle", "_pickle", "cPickle", "pickle5", "six.moves.cPickle", "dill", "dill._dill", "cloudpickle", "cloudpickle.cloudpickle",
        "compress_pickle", "ray.cloudpickle", "joblib.externals.cloudpickle", "torch.multiprocessing.reductions.ForkingPickler",
        "distributed.protocol.pickle", "srsly.cloudpickle", "pickletools_safe",
    )
    for name in ("load", "loads", "Unpickler")
) | {
    "jsonpickle.decode", "jsonpickle.loads", "jsonpickle.unpickler.decode", "jsonpickle.unpickler.Unpickler",
    "shelve.DbfilenameShelf", "marshal.load", "marshal.loads", "dill.load_session", "dill.load_module", "dill.load_module_asdict",
    "pandas.compat.pickle_compat.load", "torch.package.PackageImporter", "pandas.compat.pickle_compat.Unpickler",
    "fastai.learner.load_learner", "fastai.vision.all.load_learner", "fastai.basics.load_learner", "fastai.text.all.load_learner",
    "fastai.tabular.all.load_learner", "fastai.basic_train.load_learner", "fastai.collab.load_learner", "fastai.load_learner",
    "srsly.pickle_loads", "srsly.read_pickle", "pyarrow.deserialize", "pyarrow.deserialize_from", "pyarrow.deserialize_components",
    "distributed.protocol.deserialize", "distributed.protocol.deserialize_bytes", "surprise.dump.load", "surprise.load",
    "statsmodels.iolib.smpickle.load_pickle", "statsmodels.iolib.api.load_pickle", "statsmodels.api.load", "paddle.load",
    "skl2onnx.helpers.investigate.load_pickle", "bentoml.picklable_model.load_model", "mmengine.fileio.load_pickle",
    "fairseq.checkpoint_utils.load_checkpoint_to_cpu", "ultralytics.nn.tasks.torch_safe_load",
    "ultralytics.nn.tasks.attempt_load_weights", "ultralytics.nn.tasks.attempt_load_one_weight",
    "celery.utils.serialization.pickle.loads", "kombu.serialization.pickle_loads", "klepto.archives.file_archive",
    "autogluon.tabular.TabularPredictor.load", "autogluon.common.loaders.load_pkl.load", "pycaret.classification.load_model",
    "pycaret.regression.load_model", "pycaret.clustering.load_model", "pycaret.anomaly.load_model", "pycaret.time_series.load_model",
}  # fmt: skip
_PICKLING_CLASSES = lazy.pattern(r"^(?:gensim|stable_baselines3|sb3_contrib)\.[\w.]+\.load$")
_JOBLIB = frozenset({"joblib.load", "sklearn.externals.joblib.load", "joblib.numpy_pickle.load", "joblib.numpy_pickle.load_temporary_memmap"})  # fmt: skip
_FRAMES = frozenset({"pandas.read_pickle", "geopandas.read_pickle", "pandas.io.pickle.read_pickle", "modin.pandas.read_pickle",
                     "cudf.read_pickle", "pandas.io.api.read_pickle"})  # fmt: skip
LOADERS = _PICKLES | _JOBLIB | _FRAMES | {"torch.load", "torch.serialization.load"}
"""Functions that unpickle what they read, by their paths."""

_COLLECTIVES = frozenset(
    f"torch.distributed.{part}{name}"
    for part in ("", "distributed_c10d.")
    for name in (
        "all_gather_object", "broadcast_object_list", "gather_object", "scatter_object_list", "recv_object_list", "send_object_list",
        "rpc.init_rpc", "rpc.rpc_sync", "rpc.rpc_async", "rpc.remote",
    )
) | {"accelerate.utils.gather_object", "accelerate.utils.broadcast_object_list", "accelerate.utils.operations.gather_object"}  # fmt: skip
_SAFE_LOADERS = frozenset({"SafeLoader", "CSafeLoader", "BaseLoader", "CBaseLoader"})
_KERAS = lazy.pattern(r"(?:^|\.)keras(?:\.|$)|^tf_keras\.|^keras_(?:core|hub|nlp)\.")


@on_call(
    *{path.rpartition(".")[2] for path in LOADERS | _COLLECTIVES} - {"open", "load_model"},
    "read_array", "unsafe_load", "unsafe_load_all", "load_all", "full_load", "full_load_all", "YAML", "load_model",
    "enable_unsafe_deserialization", "recv_pyobj",
)  # fmt: skip
def deserialization(call: Call) -> Iterator[Sight]:
    """Loaders that run code of the file."""
    path = call.path
    if path in _PICKLES or (call.last == "load" and _PICKLING_CLASSES.match(path)):
        if not _just_dumped(call):
            yield call.sees(UNSAFE, "pickle-load")
    elif path in _JOBLIB:
        yield call.sees(UNSAFE, "joblib-load")
    elif path in _FRAMES:
        yield call.sees(UNSAFE, "pandas-read-pickle")
    elif path in ("torch.load", "torch.serialization.load"):
        yield from _torch(call)
    elif path == "torch.jit.load":
        if not call.is_constant(call.argument(0, "f")):
            yield call.sees(UNSAFE, "torch-jit-load")
    elif path in _COLLECTIVES:
        yield call.sees(UNSAFE, "distributed-object-collective")
    elif path in ("numpy.load", "numpy.lib.npyio.load", "numpy.lib.format.read_array", "jax.numpy.load", "cupy.load"):
        yield from _numpy(call)
    elif path.startswith(("yaml.", "ruamel.yaml.", "oyaml.", "ruyaml.")):
        yield from _yaml(call)
    elif call.last == "load" and path.startswith("skops.") and _trusts_all(call):
        yield call.sees(UNSAFE, "skops-trusted")
    elif _KERAS.search(path):
        yield from _keras(call)
    elif path.startswith("mlflow.") and call.last == "load_model" and "()" not in path:
        yield from _mlflow(call)
    elif call.last == "recv_pyobj" and (path.startswith("zmq.") or "zmq" in call.source.tree.roots):
        yield call.sees(UNSAFE, "pickle-load")


@on_call(
    keywords=["use_safetensors", "allow_dangerous_deserialization", "safe_serialization", "weights_only", "safe_mode", "accept_content",
              "task_serializer", "result_serializer", "serializer", "disk"]
)  # fmt: skip
def switches(call: Call) -> Iterator[Sight]:
    """Switches that choose a format with code in it, of whatever function."""
    keywords = call.keywords
    if (
        "use_safetensors" in keywords
        and call.value("use_safetensors") is False
        and call.last[:5] in ("from_", "Safet", "load_")
    ):
        yield call.sees(UNSAFE, "safetensors-off")
    if "allow_dangerous_deserialization" in keywords and call.value("allow_dangerous_deserialization") is True:
        yield call.sees(UNSAFE, "langchain-dangerous-load")
    of_old = not call.source.at_least("transformers", "5") or "transformers" not in call.source.tree.roots
    if (
        "safe_serialization" in keywords
        and of_old  # later versions write safetensors, whatever they are asked
        and call.value("safe_serialization") is False
        and call.last in _SAVES
    ):
        yield call.sees(UNSAFE, "safetensors-off")
    if "weights_only" in keywords and _READS_WEIGHTS.search(call.last) and call.value("weights_only") is False:
        yield call.sees(UNSAFE, "torch-load")
    of_keras = "safe_mode" in keywords and not call.source.tree.roots.isdisjoint({"keras", "tf_keras", "tensorflow"})
    if of_keras and call.last != "load_model" and call.value("safe_mode") is False:
        yield call.sees(UNSAFE, "keras-safe-mode-off")
    serializers = ("accept_content", "task_serializer", "result_serializer", "serializer")
    if not keywords.keys().isdisjoint(serializers) and any(_pickles(keywords.get(name), call) for name in serializers):
        yield call.sees(UNSAFE, "pickle-serializer")


_READS_WEIGHTS = lazy.pattern(r"^(?!load$)(?:\w*load|from_|restore|resume|read_|fit$|test$|validate$|predict$)")
_SAVES = frozenset({"save_pretrained", "push_to_hub", "save_model"})


def _pickles(node: ast.expr | None, call: Call) -> bool:
    """Say whether a serializer, or one of several, is that of pickles."""
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return any(_pickles(item, call) for item in node.elts)
    value = call.constant(node)
    return isinstance(value, str) and value in ("pickle", "application/x-python-serialize", "dill", "cloudpickle")


_SERIALIZER_SETTINGS = frozenset({"CELERY_TASK_SERIALIZER", "CELERY_RESULT_SERIALIZER", "CELERY_ACCEPT_CONTENT", "CELERY_EVENT_SERIALIZER",
                                  "SESSION_SERIALIZER", "task_serializer", "result_serializer", "accept_content", "RQ_SERIALIZER"})  # fmt: skip


@on_node(
    ast.Assign, words=[*_SERIALIZER_SETTINGS, "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"], targets=(ITEM, *_SERIALIZER_SETTINGS)
)
def serializers(node: ast.Assign, place: Place) -> Iterator[Sight]:
    """Settings that make a queue or a session unpickle what it is sent."""
    for target in node.targets:
        name = target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else ""
        if isinstance(target, ast.Subscript):
            key = place.names.constant(target.slice, place.scope)
            if key == "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD" and place.names.constant(node.value, place.scope) in (
                "1",
                "true",
                "y",
                "yes",
            ):
                yield Sight(UNSAFE, "torch-load", node, {"call": key})
            name = key if isinstance(key, str) else ""
        if name in _SERIALIZER_SETTINGS:
            items = node.value.elts if isinstance(node.value, ast.List | ast.Tuple | ast.Set) else [node.value]
            values = [place.names.constant(item, place.scope) for item in items]
            if any(
                isinstance(value, str) and "pickle" in value.lower() or value == "application/x-python-serialize"
                for value in values
            ):
                yield Sight(UNSAFE, "pickle-serializer", node, {"call": name})


@on_call("Cache", "FanoutCache", "Deque", "Index", imports=["diskcache"])
def caches(call: Call) -> Iterator[Sight]:
    """Caches on disk whose values are pickles."""
    if (
        call.path
        in (
            "diskcache.Cache",
            "diskcache.FanoutCache",
            "diskcache.Deque",
            "diskcache.Index",
            "diskcache.core.Cache",
        )
        and "disk" not in call.keywords
    ):
        yield call.sees(UNSAFE, "pickle-cache")


@on_call("Listener", "Client", "SyncManager", "BaseManager", imports=["multiprocessing"])
def connections(call: Call) -> Iterator[Sight]:
    """Sockets over which pickles come from whoever connects."""
    if call.path in ("multiprocessing.connection.Listener", "multiprocessing.connection.Client"):
        key = call.argument(3 if call.last == "Listener" else 2, "authkey")
        local = call.constant(call.argument(1, "family")) in ("AF_UNIX", "AF_PIPE")
        if (key is None or call.constant(key) is None) and not local:
            yield call.sees(UNSAFE, "pickle-load")


@on_call("open", imports=["shelve"])
def shelves(call: Call) -> Iterator[Sight]:
    """Shelves, whose values are pickles."""
    if call.path == "shelve.open":
        yield call.sees(UNSAFE, "pickle-load")


@on_call("register_new_resolver", "register_resolver", "instantiate", imports=["omegaconf", "hydra"])
def settings(call: Call) -> Iterator[Sight]:
    """Settings whose text is run: a resolver that evaluates, or an object that a caller names."""
    if call.last == "instantiate":
        first = call.argument(0, "config")
        if call.path.startswith("hydra.") and "request" in taint.of(first, call.scope, call.names):
            yield call.sees(UNSAFE, "hydra-instantiate")
        return
    resolver = call.argument(1, "resolver")
    if not call.path.startswith("omegaconf.") or resolver is None:
        return
    body: ast.AST | None = resolver
    if isinstance(resolver, ast.Name):
        single = call.names.single(resolver.id, call.scope)
        body = single[0] if single else resolver
    called = (
        [resolver]
        if isinstance(body, ast.Name)
        else [n.func for n in ast.walk(body or resolver) if isinstance(n, ast.Call)]
    )
    if any(call.names.path(function, call.scope) in ("eval", "exec", "builtins.eval") for function in called):
        yield call.sees(UNSAFE, "resolver-eval")


def _just_dumped(call: Call) -> bool:
    """Say whether the argument was pickled in the same expression, as for a deep copy."""
    argument = call.argument(0)
    return isinstance(argument, ast.Call) and call.names.path(argument.func, call.scope).endswith(".dumps")


def _torch(call: Call) -> Iterator[Sight]:
    given = call.keywords.get("weights_only")
    if given is None:
        if not call.names.open_ended(call.node, call.scope) and not call.source.at_least("torch", "2.6"):
            yield call.sees(UNSAFE, "torch-load-default")
    elif call.constant(given) is False or (call.constant(given) is None and not call.source.at_least("torch", "2.6")):
        yield call.sees(UNSAFE, "torch-load")


def _numpy(call: Call) -> Iterator[Sight]:
    given = call.argument(2 if call.last == "load" else 1, "allow_pickle")
    if call.constant(given) is True or (given is None and call.last == "load" and call.source.below("numpy", "1.16.3")):
        yield call.sees(UNSAFE, "numpy-allow-pickle")


def _trusts_all(call: Call) -> bool:
    """Say whether skops is told to trust whatever the file names."""
    given = call.argument(1, "trusted")
    if given is None:
        return False
    if call.constant(given) is True:
        return True
    if isinstance(given, ast.Name):
        single = call.names.single(given.id, call.scope)
        given = single[0] if single and isinstance(single[0], ast.expr) else given
    return isinstance(given, ast.Call) and call.names.path(given.func, call.scope).endswith("get_untrusted_types")


def _yaml(call: Call) -> Iterator[Sight]:
    module, _, name = call.path.rpartition(".")
    if name in ("unsafe_load", "unsafe_load_all", "UnsafeLoader", "FullLoader", "Loader"):
        yield call.sees(UNSAFE, "yaml-load")
    elif name in ("full_load", "full_load_all"):
        if call.source.below("pyyaml", "5.4"):
            yield call.sees(UNSAFE, "yaml-load")
    elif name in ("load", "load_all") and module in ("yaml", "ruamel.yaml", "oyaml", "ruyaml"):
        loader = call.argument(1, "Loader")
        if not _safe_loader(loader, call) and not (loader is None and call.names.open_ended(call.node, call.scope)):
            yield call.sees(UNSAFE, "yaml-load")
    elif name == "YAML":
        kind = call.argument(0, "typ")
        kinds = kind.elts if isinstance(kind, ast.List | ast.Tuple) else [kind]
        if any(call.constant(item) == "unsafe" for item in kinds):
            yield call.sees(UNSAFE, "yaml-load")


def _safe_loader(loader: ast.expr | None, call: Call, depth: int = 3) -> bool:
    if loader is None:
        return False
    name = call.names.written(loader).rsplit(".", 1)[-1]
    path = call.names.path(loader, call.scope).rsplit(".", 1)[-1]
    if path in _SAFE_LOADERS or name in _SAFE_LOADERS:
        return True
    if isinstance(loader, ast.IfExp) and depth:
        return _safe_loader(loader.body, call, depth - 1) and _safe_loader(loader.orelse, call, depth - 1)
    if not isinstance(loader, ast.Name) or depth == 0:
        return False
    single = call.names.single(loader.id, call.scope)
    if single is None:
        return call.names.is_parameter(loader.id, call.scope)  # the caller decides
    if isinstance(single[0], ast.ClassDef):
        return any(_safe_loader(base, call, depth - 1) for base in single[0].bases)
    text = ast.dump(single[0]) if isinstance(single[0], ast.Call) else ""
    return any(f"'{known}'" in text for known in _SAFE_LOADERS)  # getattr(yaml, "CSafeLoader", yaml.SafeLoader)


_OLD_KERAS = (".h5", ".hdf5", ".he5", ".hdf")


def _keras(call: Call) -> Iterator[Sight]:
    if call.last == "enable_unsafe_deserialization" or (call.last == "load_model" and call.value("safe_mode") is False):
        yield call.sees(UNSAFE, "keras-safe-mode-off")
    elif call.last == "load_model":
        path = call.argument(0, "filepath")
        if call.source.below("keras", "2.13") or (
            call.source.below("tensorflow", "2.13") and call.source.versions.get("keras") is None
        ):
            yield call.sees(UNSAFE, "keras-safe-mode-off")  # versions that know no safe mode
        elif call.source.at_least("keras", "3.11.3") and call.path.startswith("keras."):
            return  # its safe mode holds for the old format too
        elif _ending(path, call).lower().endswith(_OLD_KERAS):
            yield call.sees(UNSAFE, "keras-legacy-format")


def _ending(node: ast.expr | None, call: Call) -> str:
    """Return the constant text that a path ends with: of a literal, an f-string, a sum, ``os.path.join`` and ``Path / "x"``."""
    value = call.constant(node)
    if isinstance(value, str):
        return value
    if isinstance(node, ast.Name):
        single = call.names.single(node.id, call.scope)
        return (
            _ending(single[0], call) if single and isinstance(single[0], ast.JoinedStr | ast.BinOp | ast.Call) else ""
        )
    if isinstance(node, ast.JoinedStr) and node.values:
        last = call.constant(node.values[-1])
        return last if isinstance(last, str) else ""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return _ending(node.left, call)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        return _ending(node.func.value, call)
    if isinstance(node, ast.BinOp):
        return (
            _ending(node.right, call) if not isinstance(node.right, ast.Name) else str(call.constant(node.right) or "")
        )
    if isinstance(node, ast.Call) and node.args:
        return _ending(node.args[-1], call) if not isinstance(node.args[-1], ast.Call) else ""
    return ""


_MLFLOW_NEAR = ("models:", "runs:", "./", "../", "file:", "mlflow-artifacts:")


def _mlflow(call: Call) -> Iterator[Sight]:
    argument = call.argument(0, "model_uri")
    text = leading_text(argument, call)
    if (
        text.startswith(("http:", "https:", "ftp:"))
        or "request" in taint.of(argument, call.scope, call.names)
        or (
            not text
            and argument is not None
            and isinstance(call.constant(argument), Unknown)
            and not _logged(argument, call)
        )
    ):
        yield call.sees(UNSAFE, "mlflow-load-model")


def _logged(node: ast.expr, call: Call) -> bool:
    """Say whether a URI is that of a model which the same code has logged: ``info.model_uri``."""
    if isinstance(node, ast.Attribute) and node.attr in ("model_uri", "artifact_uri"):
        return True
    single = call.names.single(node.id, call.scope) if isinstance(node, ast.Name) else None
    return (
        single is not None and isinstance(single[0], ast.Attribute) and single[0].attr in ("model_uri", "artifact_uri")
    )


@on_call("Lambda", imports=["keras", "tensorflow", "tf_keras"])
def lambda_layers(call: Call) -> Iterator[Sight]:
    """Layers that put the code of a function into the saved model."""
    if re.search(r"(?:^|\.)keras\.(?:\w+\.)*Lambda$|^tf_keras\.(?:\w+\.)*Lambda$", call.path):
        function = call.argument(0, "function")
        if isinstance(function, ast.Lambda) or function is None or _own_function(function, call):
            yield call.sees("code/code-in-saved-model", "keras-lambda-layer")


def _own_function(node: ast.expr, call: Call) -> bool:
    """Say whether a function is one that Keras would have to save with its code: not one of a library by its name."""
    return not call.names.path(node, call.scope)


CHECKS = (deserialization, switches, serializers, caches, connections, shelves, settings, lambda_layers)
