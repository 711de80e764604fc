"""Builds hostile Keras and HDF5 files with inert payloads: what published attacks and their variants look like.

Files below ``doubtful/`` name code that is not theirs and need a person's look; all others must be blocked.
"""

from __future__ import annotations

import base64
import json
import marshal
import types
from collections.abc import Iterator
from typing import Any

from tests.builders import archive, assemble, torch_zip
from tests.corpus import hdf5
from tests.corpus.hdf5 import Dataset, External, Group, Soft, Text

PICKLE = assemble(
    'PROTO 4\nSHORT_BINUNICODE "os"\nSHORT_BINUNICODE "system"\nSTACK_GLOBAL\nSHORT_BINUNICODE "true"\nTUPLE1\nREDUCE\nSTOP'
)
OLD_PICKLE = b"cos\nsystem\n(S'true'\ntR."

Json = Any


def bytecode(source: str = "lambda x: x") -> str:
    """Return the code of a lambda as ``func_dump`` of Keras writes it."""
    code = next(value for value in compile(source, "example", "eval").co_consts if isinstance(value, types.CodeType))
    return base64.b64encode(marshal.dumps(code)).decode()


def layer(name: str, module: str | None = "keras.layers", registered: str | None = None, /, **config: Json) -> Json:
    return {"module": module, "class_name": name, "config": {"name": "part", **config}, "registered_name": registered}


def function(module: str, name: str, registered: str | None = None) -> Json:
    return {"module": module, "class_name": "function", "config": name, "registered_name": registered or name}


def coded(new: bool = True) -> Json:
    """Return a Lambda with bytecode, as Keras 3 or as Keras 2 writes it."""
    if new:
        held: Json = {"class_name": "__lambda__", "config": {"code": bytecode(), "defaults": None, "closure": None}}
        return layer("Lambda", function=held, arguments={})
    return {"class_name": "Lambda", "config": {"name": "part", "function": [bytecode(), None, None], "function_type": "lambda",
            "module": "__main__", "output_shape": None, "output_shape_type": "raw", "arguments": {}}}  # fmt: skip


def model(*layers: Json, **more: Json) -> Json:
    parts = [layer("InputLayer", batch_shape=[None, 2]), *layers, layer("Dense", units=1, activation="linear")]
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "sequential", "layers": parts},
        "registered_name": None,
        **more,
    }


def keras(tree: Json, **members: bytes) -> bytes:
    """Return a .keras archive with this configuration; ``members`` are more files, with __ for a slash."""
    raw = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
    parts = {"metadata.json": b'{"keras_version": "3.9.0", "date_saved": "2025-01-01@00:00:00"}', "config.json": raw}
    parts["model.weights.h5"] = hdf5.file(Group({}, {"layers": Group()}))
    return archive({**parts, **{name.replace("__", "/"): content for name, content in members.items()}})


def h5(
    tree: Json,
    version: int = 0,
    form: str = "variable",
    name: str = "model_config",
    block: int = 0,
    spread: bool = False,
) -> bytes:
    """Return a .h5 model with this configuration."""
    raw = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
    weights = Group(
        {"layer_names": Text([b"dense"]), "backend": Text(b"tensorflow")}, {"dense": Group({}, {"kernel": Dataset()})}
    )
    attributes = {"keras_version": Text(b"2.15.0"), name: Text(raw, form), "backend": Text(b"tensorflow", "variable")}
    return hdf5.file(Group(attributes, {"model_weights": weights}), version, block, spread)


def attacks() -> Iterator[tuple[str, bytes]]:
    """Yield (relative file name, content)."""
    yield from _lambdas()
    yield from _functions()
    yield from _readers()
    yield from _hdf5()
    yield from _shapes()
    yield from _doubtful()


def _lambdas() -> Iterator[tuple[str, bytes]]:
    old, new = coded(False), coded()
    places: dict[str, Json] = {
        "plain": model(new),
        "legacy_list": model(old),
        "time_distributed": model(layer("TimeDistributed", layer=new)),
        "bidirectional": model(layer("Bidirectional", layer=new, backward_layer=old)),
        "wrapper": model(layer("SpectralNormalization", layer=layer("Wrapper", layer=new))),
        "rnn_cell": model(layer("RNN", cell=[layer("GRUCell", units=2), new])),
        "nested_model": model(model(model(new))),
        "functional": {"module": "keras.src.models.functional", "class_name": "Functional", "registered_name": "Functional",
                       "config": {"name": "functional", "layers": [{**new, "inbound_nodes": [{"args": [], "kwargs": {}}]}]}},
        "activation": model(layer("Dense", units=1, activation=new["config"]["function"])),
        "initializer": model(layer("Dense", units=1, kernel_initializer={"class_name": "__lambda__", "config": {"value": [bytecode(), None, None]}})),
        "compile_loss": model(compile_config={"optimizer": "adam", "loss": {"class_name": "__lambda__", "config": {"value": [bytecode()]}}}),
        "compile_metric": model(compile_config={"optimizer": "adam", "metrics": [[layer("MeanMetricWrapper", "keras.metrics", fn=new["config"]["function"])]]}),
        "build_config": model(layer("Dense", units=1), build_config={"input_shape": [None, 2], "extra": new}),
        "standardize": model(layer("TextVectorization", standardize={"class_name": "__lambda__", "config": {"value": [bytecode()]}})),
        "output_shape": model(layer("Lambda", function=function("keras.ops", "abs"), output_shape=new["config"]["function"])),
        "registered_as_lambda": model(layer("Layer", None, "Custom>Lambda", function=[bytecode(), None, None], function_type="lambda")),
        "custom_lambda": model({"class_name": "Custom>Lambda", "config": old["config"]}),
        "dotted_class": model({"class_name": "keras.layers.Lambda", "config": old["config"]}),
        "deep_module": model(layer("Lambda", "keras.src.layers.core.lambda_layer", function=[bytecode(), None, None], function_type="lambda")),
        "hidden_list": model(layer("Dense", units=1, note=[[[{"x": [new]}]]])),
        "other_class_bytecode": model(layer("Dense", units=1, extra=bytecode())),
        "json_in_json": model(layer("Dense", units=1, inner=json.dumps(model(new)))),
        "tuple": model({"class_name": "Lambda", "config": {"function": {"class_name": "__tuple__", "items": [bytecode(), None, None]}, "function_type": "lambda"}}),
        "text_code": model({"class_name": "Lambda", "config": {"function": bytecode()}}),
        "merge_mode": model({"class_name": "Merge", "config": {"mode": "\x00abc", "mode_type": "lambda"}}),
        "top_level": new,
    }  # fmt: skip
    for name, tree in places.items():
        yield f"lambda/{name}.keras", keras(tree)
        yield f"lambda/{name}.h5", h5(tree)
    yield (
        "lambda/training_config.h5",
        h5({"loss": {"class_name": "__lambda__", "config": {"value": [bytecode()]}}}, name="training_config"),
    )
    yield "lambda/architecture.h5.keras", h5(model(old))
    yield "lambda/archive.h5", keras(model(new))


def _functions() -> Iterator[tuple[str, bytes]]:
    named: dict[str, Json] = {
        "os_system": function("os", "system"),
        "builtins_eval": function("builtins", "eval"),
        "builtins_exec": function("builtins", "exec"),
        "builtins_open": function("builtins", "open"),
        "subprocess": function("subprocess", "check_output"),
        "registered_fallback": {"module": "os", "class_name": "function", "config": "nothing", "registered_name": "system"},
        "class_of_os": {"module": "os", "class_name": "system", "config": {}, "registered_name": None},
        "class_of_subprocess": {"module": "subprocess", "class_name": "Popen", "config": {"args": ["true"]}, "registered_name": None},
        "importlib": function("importlib", "import_module"),
        "ctypes": {"module": "ctypes", "class_name": "CDLL", "config": {"name": "example"}, "registered_name": None},
        "get_file": function("keras.utils", "get_file"),
        "get_file_deep": function("keras.src.utils.file_utils", "get_file"),
        "get_file_root": function("keras", "utils.get_file"),
        "get_file_tf": function("tensorflow.keras.utils", "get_file"),
        "load_model": function("keras.models", "load_model"),
        "load_model_saving": function("keras.saving", "load_model"),
        "model_from_json": function("keras.models", "model_from_json"),
        "unsafe": function("keras.config", "enable_unsafe_deserialization"),
        "unsafe_deep": function("keras.src.saving.serialization_lib", "enable_unsafe_deserialization"),
        "global_state": function("keras.src.backend.common.global_state", "set_global_attribute"),
        "func_load": function("keras.src.utils.python_utils", "func_load"),
        "save_img": function("keras.utils", "save_img"),
        "load_img": function("keras.preprocessing.image", "load_img"),
        "dataset": function("keras.utils", "image_dataset_from_directory"),
        "application": function("keras.applications", "ResNet50"),
        "deserialize": function("keras.layers", "deserialize"),
        "callback": {"module": "keras.callbacks", "class_name": "ModelCheckpoint", "config": {"filepath": "x"}, "registered_name": None},
        "pickle_loads": function("pickle", "loads"),
        "torch_load": function("torch", "load"),
        "numpy_load": function("numpy", "load"),
        "torch_hub": function("torch.hub", "load"),
        "runpy": function("runpy", "run_path"),
        "tf_read_file": function("tensorflow.io", "read_file"),
        "tf_load_library": function("tensorflow", "load_op_library"),
    }  # fmt: skip
    for name, value in named.items():
        yield f"function/{name}.keras", keras(model(layer("Lambda", function=value, arguments={})))
        yield f"function/{name}_activation.keras", keras(model(layer("Dense", units=1, activation=value)))
    plain = named["os_system"]
    yield "function/loss.keras", keras(model(compile_config={"optimizer": "adam", "loss": plain}))
    yield "function/optimizer.h5", h5({"optimizer_config": named["class_of_os"]}, name="training_config")
    yield "function/as_layer.h5", h5(model(named["class_of_subprocess"]))
    yield "function/root.keras", keras(named["class_of_os"])
    yield (
        "function/arguments.keras",
        keras(
            model({**layer("Lambda", function=function("keras.ops", "abs"), arguments={"x": "https://example.com/x"})})
        ),
    )
    inbound = [{"args": [], "kwargs": {"inputs": "/tmp/example/model.keras"}}]
    yield (
        "function/inbound.keras",
        keras(model({**layer("Lambda", function=function("keras.ops", "abs")), "inbound_nodes": inbound})),
    )
    yield (
        "function/safe_mode.keras",
        keras(model(layer("Lambda", function=function("keras.ops", "abs"), arguments={"safe_mode": False}))),
    )
    for symbol in ("io.read_file", "io.write_file", "py_function", "numpy_function", "raw_ops.ReadFile", "raw_ops.PyFunc", "load_op_library",
                   "saved_model.load", "compat.v1.gfile.Open", "data.TextLineDataset", "keras.utils.get_file", "io.gfile.GFile"):  # fmt: skip
        yield (
            f"operation/{symbol}.h5",
            h5(model({"class_name": "TFOpLambda", "config": {"name": "tf", "function": symbol}})),
        )
    nodes = json.dumps({"name": "read", "op": "ReadFile", "input": ["name"], "attr": {}})
    yield (
        "operation/node_def.h5",
        h5(model({"class_name": "TensorFlowOpLayer", "config": {"node_def": nodes, "constants": {}}})),
    )
    text = 'name: "call" op: "PyFunc" attr { key: "token" }'
    yield (
        "operation/node_text.h5",
        h5(model({"class_name": "TensorFlowOpLayer", "config": {"node_def": text, "constants": {}}})),
    )
    yield (
        "operation/class_method.h5",
        h5(model({"class_name": "ClassMethod", "config": {"cls_symbol": "io.gfile.GFile", "method_name": "read"}})),
    )
    yield "operation/dunder.h5", h5(model({"class_name": "InstanceMethod", "config": {"attr_name": "__class__"}}))


def _readers() -> Iterator[tuple[str, bytes]]:
    yield (
        "merges/absolute.keras",
        keras(model(layer("BytePairTokenizer", "keras_hub.tokenizers", merges="/etc/hostname"))),
    )
    switch = {"module": "keras.config", "class_name": "function", "config": "enable_unsafe_deserialization"}
    yield "alone/model.json", json.dumps(switch).encode()
    for name, place in (("absolute", "/etc/hostname"), ("address", "http://192.0.2.1/words.txt"), ("sibling", "words.txt"), ("up", "../words.txt"),
                        ("cloud", "gs://example/words.txt"), ("windows", "C:\\words.txt"), ("home", "~/words.txt")):  # fmt: skip
        for kind in ("StringLookup", "IntegerLookup", "TextVectorization"):
            yield f"vocabulary/{kind}_{name}.keras", keras(model(layer(kind, vocabulary=place)))
    yield (
        "vocabulary/own_class.keras",
        keras(model(layer("Tokenizer", "keras_hub.tokenizers", vocabulary="/etc/hostname"))),
    )
    yield "vocabulary/legacy.h5", h5(model({"class_name": "StringLookup", "config": {"vocabulary": "/etc/hostname"}}))
    yield "reader/saved_model.keras", keras(model(layer("TFSMLayer", filepath="/srv/example", call_endpoint="serve")))
    yield (
        "reader/saved_model_deep.keras",
        keras(model(layer("TFSMLayer", "keras.src.export.tfsm_layer", filepath="folder"))),
    )
    yield "reader/hub.h5", h5(model({"class_name": "KerasLayer", "config": {"handle": "https://example.com/module/1"}}))
    held = base64.b64encode(torch_zip(PICKLE)).decode()
    yield "reader/torch.keras", keras(model(layer("TorchModuleWrapper", module=held)))
    yield (
        "reader/torch_deep.keras",
        keras(model(layer("TorchModuleWrapper", "keras.src.utils.torch_utils", module=held))),
    )
    yield (
        "reader/torch_plain_pickle.keras",
        keras(model(layer("TorchModuleWrapper", module=base64.b64encode(PICKLE).decode()))),
    )
    yield "reader/base64_pickle.keras", keras(model(layer("Dense", units=1, state=base64.b64encode(PICKLE).decode())))
    yield "path/layer_name.keras", keras(model({**layer("StringLookup"), "config": {"name": "../../example"}}))
    yield "path/layer_absolute.keras", keras(model({**layer("Dense"), "config": {"name": "/tmp/example"}}))
    yield "path/member.keras", keras(model(), **{"..__..__example.txt": b"x"})
    yield "path/shards.keras", archive({"config.json": json.dumps(model()).encode(), "metadata.json": b"{}",
                                        "model.weights.json": b'{"metadata": {}, "weight_map": {"/vars": "../../other.weights.h5"}}'})  # fmt: skip


def _hdf5() -> Iterator[tuple[str, bytes]]:
    for version in (0, 1, 2, 3):
        for form in ("fixed", "variable"):
            for spread in (False, True):
                yield (
                    f"hdf5/superblock{version}_{form}_{spread}.h5",
                    h5(model(coded(False)), version, form, spread=spread),
                )
    for block in (512, 1024, 4096, 65536):
        yield f"hdf5/user_block_{block}.h5", h5(model(coded(False)), block=block)
    yield "hdf5/behind_zip.h5", _behind(archive({"readme.txt": b"x"}), h5(model(coded(False))))
    yield "hdf5/behind_pickle.h5", _behind(assemble("PROTO 4\nNONE\nSTOP"), h5(model(coded(False))))
    yield "hdf5/zip_behind.h5", h5(model()) + archive({"data.pkl": PICKLE})
    for version in (0, 2):
        for place in ("other.h5", "/etc/other.h5", "../other.h5"):
            tail = f"{version}_{place.replace('/', '_')}"
            yield f"hdf5/external_link_{tail}", hdf5.file(Group({}, {"model_weights": External(place)}), version)
            yield f"hdf5/external_data_{tail}", hdf5.file(Group({}, {"kernel": Dataset(outside=(place,))}), version)
            yield f"hdf5/virtual_{tail}", hdf5.file(Group({}, {"kernel": Dataset(sources=(".", place))}), version)
    inside = hdf5.file(Group({}, {"layers": Group({}, {"vars": External("/etc/other.h5")})}), 2)
    yield (
        "hdf5/external_link_inside.keras",
        archive({"config.json": json.dumps(model()).encode(), "metadata.json": b"{}", "model.weights.h5": inside}),
    )
    yield (
        "hdf5/nested_group.h5",
        hdf5.file(
            Group({}, {"a": Group({}, {"b": Group({"model_config": Text(json.dumps(model(coded())).encode())})})})
        ),
    )
    yield (
        "hdf5/dataset_attribute.h5",
        hdf5.file(Group({}, {"w": Dataset(attributes={"model_config": Text(json.dumps(coded()).encode())})})),
    )
    yield (
        "hdf5/text_dataset.h5",
        hdf5.file(Group({}, {"model_config": Dataset(Text(json.dumps(coded()).encode(), "variable"))})),
    )
    yield "hdf5/other_name.h5", hdf5.file(Group({"description": Text(json.dumps(model(coded())).encode())}))
    for form in ("fixed", "variable", "sequence", "bytes", "opaque"):
        for label, payload in (("new", PICKLE), ("old", OLD_PICKLE)):
            yield f"hdf5/pickle_attribute_{form}_{label}.h5", hdf5.file(Group({"info": Text(payload, form)}))
            yield (
                f"hdf5/pickle_dataset_{form}_{label}.h5",
                hdf5.file(Group({}, {"values": Dataset(Text(payload, form))}), 2),
            )
    yield "hdf5/memory_bomb.h5", hdf5.file(Group({}, {"kernel": Dataset(extents=(2**20, 2**20))}))
    yield "hdf5/outside.h5", hdf5.file(Group({}, {"kernel": Dataset(start=2**40)}))


def _behind(front: bytes, content: bytes) -> bytes:
    size = 512
    while size < len(front):
        size *= 2
    return front.ljust(size, b"\0") + content


def _shapes() -> Iterator[tuple[str, bytes]]:
    tree = model(coded())
    text = json.dumps(tree)
    yield "shape/utf16.keras", keras(text.encode("utf-16"))
    yield "shape/utf32.keras", keras(text.encode("utf-32"))
    yield (
        "shape/escaped.keras",
        keras(text.replace("Lambda", "\\u004cambda").replace("__lambda__", "\\u005f_lambda__").encode()),
    )
    yield "shape/byte_order_mark.keras", keras(b"\xef\xbb\xbf" + text.encode())
    yield (
        "shape/twice.keras",
        keras(b'{"class_name": "Lambda", "config": {"function": ["x"]}, "class_name": "Dense", "config": {}}'),
    )
    yield (
        "shape/twice_last.keras",
        keras(b'{"class_name": "Dense", "config": {}, "class_name": "Lambda", "config": {"function": ["x"]}}'),
    )
    yield "shape/cut.keras", keras(text[:-20].encode())
    yield "shape/large.keras", keras(text[:-1].encode() + b" " * (17 * 2**20) + b"}")
    yield "shape/no_metadata.keras", archive({"config.json": text.encode(), "model.weights.h5": hdf5.file(Group())})
    yield "shape/only_config.keras", archive({"config.json": text.encode()})
    yield "shape/packed.keras", archive({"metadata.json": b"{}", "config.json": text.encode()}, packed=True)
    yield "shape/nested.zip", archive({"models/a.keras": keras(tree)})
    yield (
        "shape/twice_member.keras",
        archive(
            [("metadata.json", b"{}"), ("config.json", text.encode()), ("config.json", json.dumps(model()).encode())]
        ),
    )
    yield "shape/cut.h5", h5(model(coded(False)), form="fixed")[:-40]


def _doubtful() -> Iterator[tuple[str, bytes]]:
    yield (
        "doubtful/lambda_by_name.keras",
        keras(model(layer("Lambda", function=function("keras.ops", "abs"), arguments={}))),
    )
    yield (
        "doubtful/lambda_function.h5",
        h5(
            model(
                {
                    "class_name": "Lambda",
                    "config": {"function": "scale", "function_type": "function", "module": "__main__"},
                }
            )
        ),
    )
    yield "doubtful/own_layer.keras", keras(model(layer("ScaleLayer", None, "Custom>ScaleLayer")))
    yield (
        "doubtful/own_layer_module.keras",
        keras(model(layer("ScaleLayer", "examplelib.layers", "examplelib>ScaleLayer"))),
    )
    yield "doubtful/own_layer.h5", h5(model({"class_name": "ScaleLayer", "config": {}}))
    yield (
        "doubtful/own_function.keras",
        keras(model(layer("Dense", activation=function("builtins", "curve", "Custom>curve")))),
    )
    yield (
        "doubtful/keras_helper.keras",
        keras(model(layer("Dense", activation=function("keras.layers", "concatenate")))),
    )
    yield "doubtful/operator.h5", h5(model({"class_name": "TFOpLambda", "config": {"function": "examplelib.run"}}))
    yield (
        "doubtful/soft_link.h5",
        hdf5.file(
            Group({"model_config": Text(json.dumps(model(layer("ScaleLayer", None))).encode())}, {"a": Soft("/b")}), 2
        ),
    )
