"""Honest files of mobile, booster and R formats, written by the real libraries.

Run as a script with a folder to fill it: ``python tests/corpus/honest_binaries.py FOLDER``. R is asked as ``Rscript``.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_SEED = 7

FIXTURES = (
    "xgboost/gbtree.ubj", "xgboost/dart.json", "old_xgboost/gbtree.model", "old_xgboost/dart.bin", "old_xgboost/gblinear.model",
    "lightgbm/model.txt", "lightgbm/frame.txt", "catboost/categories.cbm", "catboost/vectors.cbm", "tflite/dense.tflite", "tflite/flex.tflite",
    "tflite/labelled.tflite", "executorch/plain.pte", "executorch/xnnpack.pte", "flax/train_state.msgpack", "flax/chunks.msgpack",
    "flax/mixed.msgpack", "mxnet/net-0000.params", "mxnet/sparse.params", "mxnet/net-symbol.json", "zarr/array0/.zarray",
    "zarr/array1/zarr.json", "sklearn/old.pkl", "r/lm.rds", "r/glm.rds", "r/lm_in_function.rds", "r/lm_native.rds", "r/lm_text.rds",
    "r/values.rds", "r/workspace.RData", "r/workspace_text.rda",
)  # fmt: skip
"""What tests/fixtures/models/binaries holds, by the names that ``files`` gives."""


def files(folder: Path) -> None:
    """Write honest files below ``folder``; what needs a library that is not installed is skipped and named.

    Each part runs in a process of its own: the libraries bring different builds of the same native code.
    """
    for part in PARTS:
        target = folder / part
        target.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [sys.executable, __file__, str(target), part], capture_output=True, text=True, check=False
        )
        if done.returncode:
            print(f"skipped {part}: {(done.stderr.strip().splitlines() or ['no message'])[-1][:200]}")


def _data() -> tuple[Any, Any]:
    import numpy as np

    random = np.random.default_rng(_SEED)
    x = random.random((60, 4)).astype("float32")
    return x, (x[:, 0] + 0.1 * random.random(60) > 0.5).astype(int)


def _xgboost(target: Path) -> None:
    import joblib
    import pandas as pd
    import xgboost

    x, y = _data()
    names = ["age", "income", "visits", "score"]
    for booster in ("gbtree", "gblinear", "dart"):
        data = xgboost.DMatrix(x, label=y, feature_names=names)
        model = xgboost.train({"objective": "binary:logistic", "max_depth": 3, "booster": booster}, data, 4)
        model.set_attr(best_iteration="3", note="trained on the spring data")
        for suffix in ("json", "ubj"):
            model.save_model(target / f"{booster}.{suffix}")
        (target / f"{booster}.model").write_bytes(bytes(model.save_raw("json")))
        (target / f"{booster}.bin").write_bytes(bytes(model.save_raw("ubj")))
    estimator = xgboost.XGBClassifier(n_estimators=3, max_depth=2).fit(x, y)
    estimator.save_model(target / "estimator.json")
    joblib.dump(estimator, target / "estimator.joblib")
    frame = pd.DataFrame({"city": pd.Categorical(["a", "b", "c"] * 20), "size": x[:, 0]})
    categorical = xgboost.XGBRegressor(n_estimators=3, enable_categorical=True, tree_method="hist").fit(frame, x[:, 1])
    categorical.save_model(target / "categorical.ubj")
    model.dump_model(target / "dump.txt")
    model.dump_model(target / "dump.json", dump_format="json")


def _lightgbm(target: Path) -> None:
    import joblib
    import lightgbm
    import pandas as pd

    x, y = _data()
    quiet = {"verbose": -1, "min_data_in_leaf": 2}
    model = lightgbm.train({"objective": "binary", **quiet}, lightgbm.Dataset(x, y), 4)
    model.save_model(target / "model.txt")
    model.save_model(target / "model.lgb")
    (target / "model.json").write_text(json.dumps(model.dump_model()))
    frame = pd.DataFrame({"size": x[:, 0], "colour": pd.Categorical(["red", "green", "blue"] * 20)})
    lightgbm.train({"objective": "regression", **quiet}, lightgbm.Dataset(frame, x[:, 1]), 3).save_model(
        target / "frame.txt"
    )
    many = lightgbm.train({"objective": "multiclass", "num_class": 3, **quiet}, lightgbm.Dataset(x, [0, 1, 2] * 20), 3)
    many.save_model(target / "many.model")
    linear = lightgbm.train({"objective": "regression", "linear_tree": True, **quiet}, lightgbm.Dataset(x, x[:, 1]), 3)
    linear.save_model(target / "linear.txt")
    joblib.dump(lightgbm.LGBMClassifier(n_estimators=3, **quiet).fit(x, y), target / "estimator.joblib")


def _catboost(target: Path) -> None:
    import catboost
    import pandas as pd

    x, y = _data()
    plain = {"iterations": 3, "depth": 2, "verbose": 0, "allow_writing_files": False}
    model = catboost.CatBoostClassifier(**plain).fit(x, y)
    for kind in ("cbm", "json", "onnx", "coreml", "pmml"):
        model.save_model(str(target / f"model.{'mlmodel' if kind == 'coreml' else kind}"), format=kind)
    frame = pd.DataFrame(
        {
            "size": x[:, 0],
            "city": ["a", "b", "c", "d", "e"] * 12,
            "sex": ["f", "m"] * 30,
            "note": ["good day", "bad day", "so so"] * 20,
        }
    )
    catboost.CatBoostClassifier(**plain).fit(frame.drop(columns="note"), y, cat_features=["city", "sex"]).save_model(
        str(target / "categories.cbm")
    )
    catboost.CatBoostClassifier(**plain).fit(frame, y, cat_features=["city", "sex"], text_features=["note"]).save_model(
        str(target / "texts.cbm")
    )
    vectors = pd.DataFrame({"size": x[:, 0], "vector": list(x)})
    catboost.CatBoostClassifier(**plain).fit(vectors, y, embedding_features=["vector"]).save_model(
        str(target / "vectors.cbm")
    )
    catboost.CatBoostRegressor(**plain).fit(x, x[:, 0]).save_model(str(target / "regressor.cbm"))


def _tflite(target: Path) -> None:
    import zipfile

    import numpy as np
    import tensorflow as tf

    layers = tf.keras.layers
    dense = tf.keras.Sequential(
        [layers.Input((4,)), layers.Dense(3, activation="relu"), layers.Dense(2, activation="softmax")]
    )
    image = tf.keras.Sequential(
        [layers.Input((16, 16, 3)), layers.Conv2D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(2)]
    )
    for name, model in (("dense", dense), ("image", image)):
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        (target / f"{name}.tflite").write_bytes(converter.convert())
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        (target / f"{name}_small.tflite").write_bytes(converter.convert())
    converter = tf.lite.TFLiteConverter.from_keras_model(image)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([np.zeros((1, 16, 16, 3), np.float32)] for _ in range(2))
    (target / "image_int8.tflite").write_bytes(converter.convert())
    labelled = target / "labelled.tflite"
    shutil.copy(target / "image.tflite", labelled)
    with zipfile.ZipFile(labelled, "a") as file:
        file.writestr("labels.txt", "cat\ndog\n")
        file.writestr("vocab.txt", "\n".join(f"token{number}" for number in range(500)))

    class Lower(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def lower(self, texts: Any) -> Any:
            return tf.strings.length(tf.strings.lower(texts))

    module = Lower()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.lower.get_concrete_function()], module)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    (target / "flex.tflite").write_bytes(converter.convert())


def _executorch(target: Path) -> None:
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge, to_edge_transform_and_lower

    module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)).eval()
    program = torch.export.export(module, (torch.zeros(1, 4),))
    (target / "plain.pte").write_bytes(to_edge(program).to_executorch().buffer)
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    (target / "xnnpack.pte").write_bytes(lowered.to_executorch().buffer)
    image = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten()).eval()
    program = torch.export.export(image, (torch.zeros(1, 3, 8, 8),))
    (target / "image.pte").write_bytes(to_edge(program).to_executorch().buffer)


def _flax(target: Path) -> None:
    import flax.linen as nn
    import flax.serialization
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax
    from flax.training import train_state

    class Model(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            return nn.Dense(2)(nn.relu(nn.Dense(8)(x)))

    model = Model()
    params = model.init(jax.random.PRNGKey(0), jnp.ones((1, 4)))
    (target / "flax_model.msgpack").write_bytes(flax.serialization.to_bytes(params))
    state = train_state.TrainState.create(apply_fn=model.apply, params=params, tx=optax.adam(1e-3))
    (target / "train_state.msgpack").write_bytes(flax.serialization.to_bytes(state))
    (target / "checkpoint_100").write_bytes(flax.serialization.to_bytes(state))
    mixed = {
        "w": jnp.ones((2, 3), jnp.bfloat16),
        "step": 3,
        "scalar": np.float32(2),
        "complex": 1 + 2j,
        "name": "example",
        "empty": {},
    }
    (target / "mixed.msgpack").write_bytes(flax.serialization.msgpack_serialize(mixed))
    before = flax.serialization.MAX_CHUNK_SIZE
    flax.serialization.MAX_CHUNK_SIZE = 64
    (target / "chunks.msgpack").write_bytes(flax.serialization.msgpack_serialize({"w": np.zeros((40, 4), np.float32)}))
    flax.serialization.MAX_CHUNK_SIZE = before


def _orbax(target: Path) -> None:
    import jax.numpy as jnp
    import numpy as np
    import orbax.checkpoint as ocp

    tree = {"layer": {"w": jnp.ones((64, 64)), "b": np.zeros(64)}, "step": 3}
    with ocp.StandardCheckpointer() as saver:
        saver.save((target / "standard").resolve(), tree)
    ocp.PyTreeCheckpointer(use_ocdbt=False).save((target / "zarr").resolve(), tree)
    ocp.PyTreeCheckpointer(use_ocdbt=True, use_zarr3=True).save((target / "zarr3").resolve(), tree)


def _zarr(target: Path) -> None:
    import tensorstore

    for number, driver in enumerate(("zarr", "zarr3")):
        spec = {"driver": driver, "kvstore": {"driver": "file", "path": str(target / f"array{number}")}}
        array = tensorstore.open(spec, create=True, dtype=tensorstore.float32, shape=[40, 40]).result()
        array[...] = 1.5


def _mxnet(target: Path) -> None:
    """Run in a Python of its own that the variable OLD_PYTHON names: mxnet 1.9 needs NumPy 1."""
    script = """
import sys, numpy as np
np.bool = np.bool_
import mxnet as mx
net = mx.gluon.nn.HybridSequential()
net.add(mx.gluon.nn.Dense(8, activation="relu"), mx.gluon.nn.Dense(2))
net.initialize(); net.hybridize(); net(mx.nd.ones((1, 4)))
net.export(sys.argv[1] + "/net")
net.save_parameters(sys.argv[1] + "/gluon.params")
mx.nd.save(sys.argv[1] + "/list.params", [mx.nd.ones((2, 3)), mx.nd.ones((2,), dtype="int8")])
mx.nd.save(sys.argv[1] + "/sparse.params", {"s": mx.nd.ones((4, 3)).tostype("csr"), "r": mx.nd.ones((4, 3)).tostype("row_sparse")})
"""
    subprocess.run([os.environ["OLD_PYTHON"], "-c", script, str(target)], check=True, capture_output=True)


def _old_xgboost(target: Path) -> None:
    """Write the binary form that XGBoost had until 1.7, in a Python of its own that the variable OLD_PYTHON names."""
    script = """
import sys, numpy as np, xgboost
x = np.random.default_rng(7).random((60, 4)); y = (x[:, 0] > 0.5).astype(int)
for booster in ("gbtree", "gblinear", "dart"):
    data = xgboost.DMatrix(x, label=y, feature_names=["age", "income", "visits", "score"])
    model = xgboost.train({"objective": "binary:logistic", "max_depth": 2, "booster": booster}, data, 3)
    model.set_attr(note="trained on the spring data")
    model.save_model(f"{sys.argv[1]}/{booster}.model")
    open(f"{sys.argv[1]}/{booster}.bin", "wb").write(bytes(model.save_raw("deprecated"))[4:])
"""
    subprocess.run([os.environ["OLD_PYTHON"], "-c", script, str(target)], check=True, capture_output=True)


def _sklearn(target: Path) -> None:
    import joblib
    from sklearn.ensemble import RandomForestClassifier

    x, y = _data()
    model = RandomForestClassifier(n_estimators=3).fit(x, y)
    for codec in ("zlib", "gzip", "bz2", "xz", "lzma"):
        joblib.dump(model, target / f"forest_{codec}.joblib", compress=(codec, 3))
    from joblib import numpy_pickle_compat  # its writer of this form is still there

    with open(target / "old.pkl", "wb") as file:  # what joblib 0.9 wrote
        numpy_pickle_compat.write_zfile(file, pickle.dumps({"a": [1, 2, 3]}))


def _ggml(target: Path) -> None:
    """Write what whisper.cpp's and llama.cpp's converters of their time wrote; neither is a library to call."""
    import struct

    words = [b"<s>", b"</s>", *(b"token%d" % number for number in range(60))]
    tensor = struct.pack("<4i", 1, 6, 0, 4) + b"norm.w"
    hparams = struct.pack("<7i", len(words), 8, 256, 1, 1, 8, 0)
    scored = b"".join(struct.pack("<i", len(word)) + word + struct.pack("<f", 0.0) for word in words)
    head = b"tjgg" + struct.pack("<i", 3) + hparams + scored
    padding = bytes(-(len(head) + len(tensor)) % 32)
    (target / "ggml-model-f32.bin").write_bytes(head + tensor + padding + bytes(16))
    (target / "ggmf.bin").write_bytes(b"fmgg" + struct.pack("<i", 1) + hparams + scored + tensor + bytes(16))
    plain = b"".join(struct.pack("<i", len(word)) + word for word in words)
    (target / "ggml-model.bin").write_bytes(b"lmgg" + hparams + plain + tensor + bytes(16))
    whisper = (
        struct.pack("<11i", 51865, 1500, 8, 1, 1, 448, 8, 1, 1, 80, 0)
        + struct.pack("<ii", 80, 201)
        + bytes(4 * 80 * 201)
    )
    (target / "ggml-tiny.bin").write_bytes(
        b"lmgg" + whisper + struct.pack("<i", len(words)) + plain + tensor + bytes(16)
    )


_R_SCRIPT = r"""
setwd(commandArgs(TRUE)[1])
fit <- lm(mpg ~ wt + factor(cyl), data = mtcars)
saveRDS(fit, "lm.rds")
saveRDS(fit, "lm_text.rds", ascii = TRUE, compress = FALSE)
saveRDS(fit, "lm_plain.rds", compress = FALSE)
saveRDS(fit, "lm_xz.rds", compress = "xz")
saveRDS(fit, "lm_bzip2.rds", compress = "bzip2")
saveRDS(fit, "lm_v2.rds", version = 2)
con <- file("lm_native.rds", "wb"); serialize(fit, con, xdr = FALSE); close(con)
saveRDS(glm(am ~ wt, family = binomial, data = mtcars), "glm.rds")
fitted_here <- function(data, unused = data[1, ], ...) lm(mpg ~ hp, data = data)
saveRDS(fitted_here(mtcars, head(mtcars), w = mtcars$wt), "lm_in_function.rds")
saveRDS(kmeans(iris[, 1:4], 3), "kmeans.rds")
saveRDS(prcomp(iris[, 1:4]), "prcomp.rds")
saveRDS(nls(mpg ~ a + b * wt, mtcars, start = list(a = 30, b = -1)), "nls.rds")
saveRDS(loess(mpg ~ wt, mtcars), "loess.rds")
saveRDS(smooth.spline(mtcars$wt, mtcars$mpg), "spline.rds")
saveRDS(ecdf(mtcars$mpg), "ecdf.rds")
saveRDS(splinefun(1:5, 1:5), "splinefun.rds")
saveRDS(approxfun(1:5, 1:5), "approxfun.rds")
saveRDS(arima(lh, order = c(1, 0, 0)), "arima.rds")
saveRDS(step(lm(mpg ~ ., mtcars), trace = 0), "step.rds")
saveRDS(aov(mpg ~ cyl, mtcars), "aov.rds")
saveRDS(hclust(dist(mtcars)), "hclust.rds")
saveRDS(HoltWinters(co2), "holtwinters.rds")
saveRDS(list(seq = 1:10, text = as.character(1:5), when = as.Date("2025-01-01"), nothing = NULL), "values.rds")
save(fit, mtcars, file = "workspace.RData")
save(fit, file = "workspace_text.rda", ascii = TRUE)
rm(fitted_here, con); set.seed(1); save.image("image.RData")
tried <- function(package, body) if (requireNamespace(package, quietly = TRUE)) try(eval(body), silent = TRUE)
tried("rpart", quote(saveRDS(rpart::rpart(Species ~ ., iris), "rpart.rds")))
tried("nnet", quote(saveRDS(nnet::nnet(Species ~ ., iris, size = 2, trace = FALSE), "nnet.rds")))
tried("nnet", quote(saveRDS(nnet::multinom(Species ~ ., iris, trace = FALSE), "multinom.rds")))
tried("MASS", quote(saveRDS(MASS::lda(Species ~ ., iris), "lda.rds")))
tried("MASS", quote(saveRDS(MASS::glm.nb(carb ~ wt, data = mtcars), "glmnb.rds")))
tried("survival", quote({ library(survival); saveRDS(coxph(Surv(time, status) ~ age + sex, lung), "coxph.rds") }))
tried("nlme", quote({ library(nlme); saveRDS(lme(distance ~ age, Orthodont, random = ~ 1 | Subject), "lme.rds") }))
tried("mgcv", quote({ library(mgcv); saveRDS(gam(am ~ s(wt), data = mtcars, family = binomial), "gam.rds") }))
tried("randomForest", quote(saveRDS(randomForest::randomForest(Species ~ ., iris, ntree = 5), "forest.rds")))
tried("e1071", quote(saveRDS(e1071::svm(Species ~ ., iris), "svm.rds")))
tried("e1071", quote(saveRDS(e1071::tune(e1071::svm, Species ~ ., data = iris, ranges = list(cost = 1:2)), "tune.rds")))
tried("glmnet", quote(saveRDS(glmnet::cv.glmnet(as.matrix(mtcars[, -1]), mtcars$mpg), "cvglmnet.rds")))
tried("gbm", quote(saveRDS(gbm::gbm(mpg ~ wt, data = mtcars, distribution = "gaussian", n.trees = 5, n.minobsinnode = 2), "gbm.rds")))
tried("ranger", quote(saveRDS(ranger::ranger(Species ~ ., iris, num.trees = 5), "ranger.rds")))
"""


def _r(target: Path) -> None:
    subprocess.run(["Rscript", "-e", _R_SCRIPT, str(target)], check=True, capture_output=True)


PARTS: dict[str, Callable[[Path], None]] = {
    "xgboost": _xgboost, "lightgbm": _lightgbm, "catboost": _catboost, "tflite": _tflite, "executorch": _executorch, "flax": _flax,
    "orbax": _orbax, "zarr": _zarr, "mxnet": _mxnet, "old_xgboost": _old_xgboost, "sklearn": _sklearn, "ggml": _ggml, "r": _r,
}  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) > 2:
        PARTS[sys.argv[2]](Path(sys.argv[1]))
    else:
        files(Path(sys.argv[1]))
