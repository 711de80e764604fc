"""Writes honest graph models with the libraries themselves: ONNX, TensorFlow, Core ML and Paddle.

Run by an environment that has them; a library that is missing is named and passed over.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

FIXTURES = {
    "plain.onnx": "onnx/plain.onnx", "functions.onnx": "onnx/functions.onnx", "linear.onnx": "torch-onnx/linear-script.onnx",
    "words.onnx": "skl2onnx/words.onnx", "quantized.onnx": "ort/quantized.onnx", "model.ort": "ort/model.ort",
    "saved_model.pb": "tensorflow/builder/saved_model.pb", "frozen.pb": "tensorflow/frozen.pb", "function_graph.pbtxt": "tensorflow/function_graph.pbtxt",
    "fingerprint.pb": "tensorflow/keras-export/fingerprint.pb", "variables.index": "tensorflow/keras-export/variables/variables.index",
    "model.ckpt-7": "tensorflow/session1/model.ckpt-7", "model.ckpt-7.meta": "tensorflow/session1/model.ckpt-7.meta",
    "network.mlmodel": "coreml/network.mlmodel", "program.mlmodel": "coreml/program.mlpackage/Data/com.apple.CoreML/model.mlmodel",
    "weight.bin": "coreml/program.mlpackage/Data/com.apple.CoreML/weights/weight.bin",
    "old.pdiparams": "paddle/old.pdiparams", "new.pdiparams": "paddle/new.pdiparams",
}  # fmt: skip
"""What tests/fixtures/models/graphs holds, and which of the files it is."""


def files(folder: Path) -> None:
    """Write every model below ``folder``. Each library in a process of its own: their copies of protobuf do not agree."""
    for part in PARTS:
        environment = {
            **os.environ,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": "",
            "KERAS_BACKEND": "tensorflow",
        }
        code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import honest_graphs as h; h.PARTS[{part!r}](h.Path({str(folder)!r}))"
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            print(f"honest_graphs: {part} is left out: {last[:200]}")


def _onnx(folder: Path) -> None:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    target = folder / "onnx"
    target.mkdir(parents=True, exist_ok=True)
    weights = np.arange(12, dtype=np.float32).reshape(4, 3)

    def value(name: str, shape: list[int | str], kind: int = TensorProto.FLOAT) -> object:
        return helper.make_tensor_value_info(name, kind, shape)

    def saved(name: str, graph: object, **options: object) -> object:
        model = helper.make_model(graph, producer_name="example", **options)
        onnx.save(model, target / name)
        return model

    gemm = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])],
        "plain", [value("x", ["n", 4])], [value("y", ["n", 3])], [numpy_helper.from_array(weights, "w")],
    )  # fmt: skip
    plain = saved("plain.onnx", gemm)
    for version in (7, 11, 13, 17, 21):
        saved(f"opset{version}.onnx", gemm, opset_imports=[helper.make_opsetid("", version)])
    (target / "model.bin").write_bytes(plain.SerializeToString())
    (target / "network").write_bytes(plain.SerializeToString())
    model = helper.make_model(gemm)
    onnx.save_model(
        model, target / "external.onnx", save_as_external_data=True, location="external.onnx.data", size_threshold=0
    )
    model = helper.make_model(gemm)
    onnx.save_model(
        model,
        target / "external2.onnx",
        save_as_external_data=True,
        location="external2.onnx_data",
        size_threshold=0,
        convert_attribute=True,
    )
    subgraph = helper.make_graph([helper.make_node("Identity", ["x"], ["z"])], "then", [], [value("z", ["n", 4])])
    other = helper.make_graph([helper.make_node("Neg", ["x"], ["z"])], "else", [], [value("z", ["n", 4])])
    branching = helper.make_graph(
        [helper.make_node("If", ["c"], ["y"], then_branch=subgraph, else_branch=other)],
        "branches", [value("x", ["n", 4]), value("c", [], TensorProto.BOOL)], [value("y", ["n", 4])],
    )  # fmt: skip
    saved("branches.onnx", branching)
    constants = [
        helper.make_node(
            "Constant", [], [f"k{kind}"], value=numpy_helper.from_array(np.zeros((2, 3), dtype=kind), f"k{kind}")
        )
        for kind in (
            "float32",
            "float64",
            "int8",
            "int16",
            "int32",
            "int64",
            "uint8",
            "uint16",
            "uint32",
            "uint64",
            "bool",
            "float16",
            "complex64",
        )
    ]
    saved("constants.onnx", helper.make_graph(constants, "constants", [], [value("kfloat32", [2, 3])]))
    odd = [
        helper.make_tensor("i4", TensorProto.INT4, [3], [1, 2, 3]),
        helper.make_tensor("b", TensorProto.BFLOAT16, [2], [1.0, 2.0]),
    ]
    odd += [
        helper.make_tensor("f8", TensorProto.FLOAT8E4M3FN, [3], [1.0, 2.0, 3.0]),
        helper.make_tensor("s", TensorProto.STRING, [2], [b"cat", b"dog"]),
    ]
    saved(
        "odd-types.onnx",
        helper.make_graph(
            [helper.make_node("Identity", ["i4"], ["y"])], "odd", [], [value("y", [3], TensorProto.INT4)], odd
        ),
    )
    values = helper.make_tensor("values", TensorProto.FLOAT, [2], [1.0, 2.0])
    indices = helper.make_tensor("indices", TensorProto.INT64, [2], [0, 3])
    sparse = helper.make_sparse_tensor(values, indices, [6])
    saved(
        "sparse.onnx",
        helper.make_graph(
            [helper.make_node("Constant", [], ["y"], sparse_value=sparse)], "sparse", [], [value("y", [6])]
        ),
    )
    function = helper.make_function(
        "pkg.example",
        "Twice",
        ["a"],
        ["b"],
        [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 17)],
    )
    calling = helper.make_graph(
        [helper.make_node("Twice", ["x"], ["y"], domain="pkg.example")], "calling", [value("x", [4])], [value("y", [4])]
    )
    saved(
        "functions.onnx",
        calling,
        functions=[function],
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("pkg.example", 1)],
    )
    microsoft = helper.make_graph(
        [helper.make_node("FastGelu", ["x"], ["y"], domain="com.microsoft")],
        "contrib",
        [value("x", [4])],
        [value("y", [4])],
    )
    saved(
        "contrib.onnx", microsoft, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    )
    noted = helper.make_model(gemm, doc_string="a small example")
    noted.metadata_props.add(key="author", value="the team")
    noted.metadata_props.add(key="names", value="{0: 'cat', 1: 'dog'}")
    onnx.save(noted, target / "noted.onnx")
    data = target / "test_data_set_0"
    data.mkdir(exist_ok=True)
    (data / "input_0.pb").write_bytes(numpy_helper.from_array(np.ones((2, 4), np.float32), "x").SerializeToString())
    (data / "output_0.pb").write_bytes(numpy_helper.from_array(np.ones((2, 3), np.int64), "y").SerializeToString())


def _sklearn(folder: Path) -> None:
    import numpy as np
    from skl2onnx import to_onnx
    from sklearn.datasets import make_classification
    from sklearn.ensemble import GradientBoostingClassifier, IsolationForest, RandomForestClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from sklearn.svm import SVC

    target = folder / "skl2onnx"
    target.mkdir(parents=True, exist_ok=True)
    x, y = make_classification(60, 6, random_state=1)
    x = x.astype(np.float32)
    words = np.array(["red", "green", "blue"])[y % 3]
    for name, estimator, labels in (
        ("logistic", LogisticRegression(), y), ("words", LogisticRegression(), words), ("forest", RandomForestClassifier(5), y),
        ("boosting", GradientBoostingClassifier(n_estimators=3), y), ("svc", SVC(), y), ("mlp", MLPRegressor(max_iter=20), y.astype(float)),
        ("isolation", IsolationForest(n_estimators=5), y), ("pipeline", make_pipeline(StandardScaler(), LogisticRegression()), y),
    ):  # fmt: skip
        try:
            model = to_onnx(estimator.fit(x, labels), x[:1], target_opset={"": 17, "ai.onnx.ml": 3})
        except (RuntimeError, TypeError, ValueError, KeyError) as trouble:
            print(f"honest_graphs: skl2onnx cannot write {name}: {type(trouble).__name__}")
            continue
        (target / f"{name}.onnx").write_bytes(model.SerializeToString())
    text = np.array([["the cat sat"], ["the dog ran"], ["a bird flew"]])
    model = to_onnx(
        make_pipeline(TfidfVectorizer()).fit(text.ravel()), text[:1].ravel(), target_opset={"": 17, "ai.onnx.ml": 3}
    )
    (target / "tfidf.onnx").write_bytes(model.SerializeToString())
    model = to_onnx(OneHotEncoder().fit(text), text[:1], target_opset={"": 17, "ai.onnx.ml": 3})
    (target / "onehot.onnx").write_bytes(model.SerializeToString())


def _torch(folder: Path) -> None:
    import torch

    target = folder / "torch-onnx"
    target.mkdir(parents=True, exist_ok=True)
    network = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2)).eval()
    convolution = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten()
    ).eval()
    encoder = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True).eval()
    recurrent = torch.nn.LSTM(8, 8, batch_first=True).eval()
    for name, module, example in (
        ("linear", network, torch.ones(1, 8)), ("convolution", convolution, torch.ones(1, 3, 8, 8)),
        ("encoder", encoder, torch.ones(1, 5, 16)), ("recurrent", recurrent, torch.ones(1, 5, 8)),
    ):  # fmt: skip
        for new in (True, False):
            try:
                torch.onnx.export(
                    module,
                    (example,),
                    str(target / f"{name}-{'dynamo' if new else 'script'}.onnx"),
                    dynamo=new,
                    verbose=False,
                )
            except (RuntimeError, TypeError, ValueError, ImportError) as trouble:
                print(f"honest_graphs: torch.onnx cannot write {name} ({new}): {type(trouble).__name__}")
    torch.onnx.export(
        network, (torch.ones(1, 8),), str(target / "whole.onnx"), dynamo=True, external_data=False, verbose=False
    )


def _ort(folder: Path) -> None:
    import numpy as np
    import onnx
    import onnxruntime as ort
    from onnx import TensorProto, helper, numpy_helper
    from onnxruntime.quantization import QuantType, quantize_dynamic

    target = folder / "ort"
    target.mkdir(parents=True, exist_ok=True)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])], "plain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64])], [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 64])],
        [numpy_helper.from_array(np.random.default_rng(1).random((64, 64), dtype=np.float32), "w")],
    )  # fmt: skip
    source = target / "source.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), source)
    quantize_dynamic(str(source), str(target / "quantized.onnx"), weight_type=QuantType.QInt8)
    for name, kind in (("optimized.onnx", None), ("model.ort", "ORT")):
        options = ort.SessionOptions()
        options.optimized_model_filepath = str(target / name)
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        if kind:
            options.add_session_config_entry("session.save_model_format", kind)
        ort.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])


def _tensorflow(folder: Path) -> None:
    import numpy as np
    import tensorflow as tf

    target = folder / "tensorflow"
    target.mkdir(parents=True, exist_ok=True)

    class Plain(tf.Module):
        def __init__(self) -> None:
            self.weights = tf.Variable(np.ones((4, 3), np.float32))
            (folder / "vocabulary.txt").write_text("cat\ndog\nbird\n")
            reader = tf.lookup.TextFileInitializer(
                str(folder / "vocabulary.txt"),
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            )
            self.table = tf.lookup.StaticHashTable(reader, -1)

        @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32)])
        def __call__(self, x: object) -> object:
            tf.print("shape", tf.shape(x))
            return tf.nn.softmax(x @ self.weights)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def look_up(self, words: object) -> object:
            return self.table.lookup(tf.strings.lower(words))

    module = Plain()
    tf.saved_model.save(module, str(target / "module"))
    (folder / "vocabulary.txt").unlink()
    inputs = tf.keras.Input((8,))
    model = tf.keras.Model(
        inputs,
        tf.keras.layers.Dense(2)(tf.keras.layers.BatchNormalization()(tf.keras.layers.Dense(16, "relu")(inputs))),
    )
    model.compile("adam", "mse")
    model.fit(np.ones((8, 8)), np.ones((8, 2)), epochs=1, verbose=0)
    model.export(str(target / "keras-export"), verbose=False)
    sequence = tf.keras.Sequential(
        [tf.keras.Input((5,)), tf.keras.layers.Embedding(20, 8), tf.keras.layers.LSTM(8), tf.keras.layers.Dense(1)]
    )
    sequence.export(str(target / "keras-lstm"), verbose=False)
    texts = tf.keras.layers.TextVectorization(max_tokens=50)
    texts.adapt(["the cat sat", "the dog ran"])
    whole = tf.keras.Sequential([tf.keras.Input((1,), dtype="string"), texts, tf.keras.layers.Embedding(50, 4)])
    tf.saved_model.save(whole, str(target / "vectorization"))
    checkpoint = tf.train.Checkpoint(model=model, step=tf.Variable(1))
    checkpoint.save(str(target / "checkpoint" / "ckpt"))
    concrete = module.__call__.get_concrete_function()
    tf.io.write_graph(concrete.graph.as_graph_def(), str(target), "function_graph.pb", as_text=False)
    tf.io.write_graph(concrete.graph.as_graph_def(), str(target), "function_graph.pbtxt", as_text=True)
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    frozen = convert_variables_to_constants_v2(
        tf.function(lambda x: model(x)).get_concrete_function(tf.TensorSpec([1, 8], tf.float32))
    )
    tf.io.write_graph(frozen.graph.as_graph_def(), str(target), "frozen.pb", as_text=False)
    (target / "frozen-graph").write_bytes(frozen.graph.as_graph_def().SerializeToString())
    records = [tf.train.Example() for _ in range(3)]
    (target / "example.pb.txt").write_text(str(records[0]))
    first = tf.compat.v1
    with first.Graph().as_default(), first.Session() as session:
        x = first.placeholder(tf.float32, [None, 4], name="x")
        weights = first.get_variable("weights", [4, 2])
        y = tf.identity(tf.matmul(x, weights), name="y")
        session.run(first.global_variables_initializer())
        saver = first.train.Saver()
        saver.save(session, str(target / "session" / "model.ckpt"), global_step=7)
        (target / "session1").mkdir(exist_ok=True)
        first.train.Saver(write_version=first.train.SaverDef.V1).save(
            session, str(target / "session1" / "model.ckpt"), global_step=7
        )
        first.train.export_meta_graph(str(target / "graph.meta"))
        builder = first.saved_model.Builder(str(target / "builder"))
        signature = first.saved_model.signature_def_utils.predict_signature_def({"x": x}, {"y": y})
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
        builder.save()
        builder.save(as_text=True)
        constants = first.graph_util.convert_variables_to_constants(session, session.graph_def, ["y"])
        (target / "constants.pb").write_bytes(constants.SerializeToString())


def _tf2onnx(folder: Path) -> None:
    import tensorflow as tf
    import tf2onnx

    target = folder / "tf2onnx"
    target.mkdir(parents=True, exist_ok=True)
    function = tf.function(
        lambda x: tf.nn.relu(tf.matmul(x, tf.ones((8, 3)))), input_signature=[tf.TensorSpec([None, 8], tf.float32)]
    )
    tf2onnx.convert.from_function(
        function, function.input_signature, opset=15, output_path=str(target / "function.onnx")
    )


def _coreml(folder: Path) -> None:
    for name in ("tensorflow", "torch", "xgboost", "sklearn"):
        sys.modules[name] = None
    import coremltools as ct
    import numpy as np
    from coremltools.converters.mil import Builder as mb
    from coremltools.models import datatypes
    from coremltools.models.neural_network import NeuralNetworkBuilder

    target = folder / "coreml"
    target.mkdir(parents=True, exist_ok=True)
    builder = NeuralNetworkBuilder([("x", datatypes.Array(4))], [("y", datatypes.Array(3))])
    builder.add_inner_product("dense", np.ones((3, 4)), np.zeros(3), 4, 3, True, "x", "h")
    builder.add_softmax("softmax", "h", "y")
    builder.spec.description.metadata.author = "the team"
    builder.spec.description.metadata.license = "MIT"
    builder.spec.description.metadata.userDefined["note"] = "a small example"
    ct.models.utils.save_spec(builder.spec, str(target / "network.mlmodel"))
    classifier = NeuralNetworkBuilder([("x", datatypes.Array(4))], [("y", datatypes.Array(3))], mode="classifier")
    classifier.add_inner_product("dense", np.ones((3, 4)), np.zeros(3), 4, 3, True, "x", "y")
    classifier.set_class_labels(["cat", "dog", "bird"], "y")
    ct.models.utils.save_spec(classifier.spec, str(target / "classifier.mlmodel"))
    (target / "renamed.bin").write_bytes((target / "network.mlmodel").read_bytes())

    @mb.program(input_specs=[mb.TensorSpec((1, 64))])
    def program(x: object) -> object:
        return mb.softmax(x=mb.linear(x=x, weight=np.random.default_rng(1).random((64, 64), dtype=np.float32)))

    model = ct.convert(program, convert_to="mlprogram", minimum_deployment_target=ct.target.iOS16, skip_model_load=True)
    model.save(str(target / "program.mlpackage"))


_OLD_PADDLE = "FLAGS_enable_pir_api"  # "0": programs as version 2 wrote them


def _paddle(folder: Path) -> None:
    import paddle

    target = folder / "paddle"
    target.mkdir(parents=True, exist_ok=True)
    paddle.set_device("cpu")
    name = "old" if os.environ.get(_OLD_PADDLE) == "0" else "new"
    network = paddle.nn.Sequential(
        paddle.nn.Conv2D(3, 4, 3), paddle.nn.BatchNorm2D(4), paddle.nn.ReLU(), paddle.nn.AdaptiveAvgPool2D(1), paddle.nn.Flatten(),
        paddle.nn.Linear(4, 2), paddle.nn.Softmax(),
    )  # fmt: skip
    paddle.jit.save(network, str(target / name), input_spec=[paddle.static.InputSpec([None, 3, 8, 8], "float32")])
    lstm = paddle.nn.LSTM(8, 8) if name == "new" else paddle.nn.Linear(8, 8)
    paddle.jit.save(lstm, str(target / f"{name}-lstm"), input_spec=[paddle.static.InputSpec([1, 5, 8], "float32")])
    paddle.save(network.state_dict(), str(target / f"{name}.pdparams"))
    paddle.enable_static()
    main, start = paddle.static.Program(), paddle.static.Program()
    with paddle.static.program_guard(main, start):
        x = paddle.static.data("x", [None, 4], "float32")
        y = paddle.static.nn.fc(x, 3, activation="relu")
    if name == "old":
        (target / "__model__").write_bytes(main.desc.serialize_to_string())
        return
    executor = paddle.static.Executor(paddle.CPUPlace())
    executor.run(start)
    paddle.static.save_inference_model(str(target / f"{name}-static"), [x], [y], executor, program=main)


def _paddle_old(folder: Path) -> None:
    os.environ[_OLD_PADDLE] = "0"
    _paddle(folder)


PARTS: dict[str, Callable[[Path], None]] = {
    "onnx": _onnx, "sklearn": _sklearn, "torch": _torch, "ort": _ort, "tensorflow": _tensorflow, "tf2onnx": _tf2onnx, "coreml": _coreml,
    "paddle": _paddle, "paddle-old": _paddle_old,
}  # fmt: skip


if __name__ == "__main__":
    files(Path(sys.argv[1]))
