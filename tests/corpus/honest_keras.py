"""Writes honest Keras and HDF5 files with the real libraries: Keras 3, Keras 2 (tf_keras), h5py, PyTables and pandas."""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any


def files(folder: Path) -> None:
    """Write the files below ``folder``; say what was skipped because its library is missing."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    folder.mkdir(parents=True, exist_ok=True)
    for part in (_keras3, _keras2, _h5py, _tables, _pandas):
        try:
            part(folder)
        except ImportError as missing:
            print(f"skipped {part.__name__}: {missing}")


def _each(folder: Path, models: dict[str, Callable[[], Any]], suffixes: tuple[str, ...], prefix: str) -> None:
    for name, make in models.items():
        try:
            model = make()
        except (NotImplementedError, ValueError, TypeError, AttributeError) as trouble:
            print(f"skipped {prefix}_{name}: {type(trouble).__name__}: {str(trouble)[:80]}")
            continue
        for suffix in suffixes:
            path = folder / f"{prefix}_{name}{suffix}"
            try:
                if suffix == ".weights.h5":
                    model.save_weights(path)
                elif suffix == ".json":
                    path.write_text(model.to_json(), encoding="utf-8")
                else:
                    model.save(path)
            except (NotImplementedError, ValueError, TypeError) as trouble:
                print(f"skipped {path.name}: {type(trouble).__name__}")
                path.unlink(missing_ok=True)


# -- Keras 3


def _keras3(folder: Path) -> None:
    import keras
    import numpy as np

    keras.utils.set_random_seed(1)
    layers = keras.layers

    def dense() -> Any:
        model = keras.Sequential(
            [layers.Input((4,)), layers.Dense(3, "relu"), layers.Dropout(0.1), layers.Dense(1, "sigmoid")]
        )
        model.compile(
            "adam",
            "binary_crossentropy",
            metrics=["accuracy", keras.metrics.AUC(), keras.metrics.Precision(thresholds=0.5)],
        )
        model.fit(np.zeros((8, 4)), np.zeros((8, 1)), verbose=0)
        return model

    def images() -> Any:
        return keras.Sequential(
            [
                layers.Input((16, 16, 3)), layers.Rescaling(1 / 255), layers.RandomFlip(), layers.Conv2D(4, 3, padding="same"),
                layers.BatchNormalization(), layers.ReLU(), layers.MaxPooling2D(), layers.SeparableConv2D(4, 3), layers.DepthwiseConv2D(3),
                layers.GlobalAveragePooling2D(), layers.LayerNormalization(), layers.Dense(10, "softmax", kernel_regularizer="l2"),
            ]
        )  # fmt: skip

    def recurrent() -> Any:
        inputs = layers.Input((None, 5))
        value = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(inputs)
        value = layers.TimeDistributed(layers.Dense(3))(value)
        value = layers.RNN([layers.GRUCell(3), layers.SimpleRNNCell(2)])(value)
        model = keras.Model(inputs, layers.Dense(2)(value))
        schedule = keras.optimizers.schedules.CosineDecay(0.01, 100)
        model.compile(keras.optimizers.AdamW(schedule), keras.losses.Huber(), metrics=[keras.metrics.MeanIoU(2)])
        return model

    def operations() -> Any:
        inputs = layers.Input((4,))
        value = keras.ops.abs(inputs) * 2 + keras.ops.mean(inputs, axis=-1, keepdims=True)
        value = keras.ops.concatenate([value, keras.ops.relu(inputs)], axis=-1)[:, 1:5]
        value = keras.ops.einsum("ij,ij->ij", value, value)
        return keras.Model(inputs, value)

    def nested() -> Any:
        inner = keras.Sequential([layers.Input((4,)), layers.Dense(4)], name="inner")
        left, right = layers.Input((4,), name="block1_left"), layers.Input((4,), name="block1_right")
        merged = layers.Add()([inner(left), inner(right)])
        other = keras.Model([left, right], [merged, layers.Multiply()([left, right])], name="middle")
        first, second = layers.Input((4,)), layers.Input((4,))
        return keras.Model([first, second], other([first, second]))

    def attention() -> Any:
        inputs = layers.Input((6,), dtype="int32")
        value = layers.Embedding(20, 8, mask_zero=True)(inputs)
        value = layers.MultiHeadAttention(2, 4)(value, value)
        value = layers.EinsumDense("abc,cd->abd", output_shape=(None, 4), bias_axes="d")(value)
        value = layers.UnitNormalization()(layers.GlobalMaxPooling1D()(value))
        model = keras.Model(inputs, value)
        model.compile(
            keras.optimizers.SGD(momentum=0.9, nesterov=True), {"unit_normalization": keras.losses.CosineSimilarity()}
        )
        return model

    def strings() -> Any:
        inputs = layers.Input((1,), dtype="string")
        lookup = layers.StringLookup(vocabulary=["red", "green", "blue"], output_mode="one_hot")
        return keras.Model(inputs, layers.Dense(2)(lookup(inputs)))

    def adapted() -> Any:
        text = layers.TextVectorization(max_tokens=20, output_sequence_length=4)
        text.adapt(["the quick brown fox", "jumps over the lazy dog"])
        return keras.Sequential(
            [layers.Input((1,), dtype="string"), text, layers.Embedding(20, 3), layers.Flatten(), layers.Dense(1)]
        )

    def numbers() -> Any:
        normal, table = layers.Normalization(), layers.IntegerLookup(vocabulary=[3, 5, 7])
        normal.adapt(np.arange(12.0).reshape(4, 3))
        first, second = layers.Input((3,)), layers.Input((1,), dtype="int64")
        bins = layers.Discretization(bin_boundaries=[0.0, 1.0])(first)
        hashed = layers.Hashing(8, output_mode="one_hot")(second)
        joined = layers.Concatenate()(
            [normal(first), layers.Flatten()(layers.CategoryEncoding(5)(table(second))), hashed]
        )
        return keras.Model([first, second], [layers.Dense(1)(joined), bins])

    def features() -> Any:
        space = keras.utils.FeatureSpace(
            features={"age": "float_normalized", "colour": "string_categorical", "size": "integer_categorical"},
            crosses=[("colour", "size")], crossing_dim=8, output_mode="concat",
        )  # fmt: skip
        import tensorflow as tf

        rows = {"age": [1.0, 2.0], "colour": ["red", "blue"], "size": [1, 2]}
        space.adapt(tf.data.Dataset.from_tensor_slices(rows))
        return space

    def mixed() -> Any:
        policy = keras.dtype_policies.DTypePolicy("mixed_float16")
        return keras.Sequential(
            [
                layers.Input((8,)), layers.Dense(4, dtype=policy, kernel_initializer=keras.initializers.HeNormal(seed=3)),
                layers.Dense(4, kernel_constraint=keras.constraints.MaxNorm(2), bias_regularizer=keras.regularizers.L1L2(0.1, 0.1)),
                layers.SpectralNormalization(layers.Dense(2)), layers.Activation(keras.activations.gelu), layers.PReLU(), layers.ELU(),
            ]
        )  # fmt: skip

    def network() -> Any:
        return keras.applications.MobileNet(weights=None, input_shape=(32, 32, 3), alpha=0.25, classes=3)

    def convnext() -> Any:
        layer = keras.src.applications.convnext.LayerScale(0.1, 4)
        return keras.Sequential([layers.Input((4,)), layer])

    def quantised() -> Any:
        model = keras.Sequential([layers.Input((8,)), layers.Dense(4), layers.Dense(2)])
        model.quantize("int8")
        return model

    models = {
        "dense": dense, "images": images, "recurrent": recurrent, "operations": operations, "nested": nested, "attention": attention,
        "strings": strings, "adapted": adapted, "numbers": numbers, "mixed": mixed, "network": network, "convnext": convnext,
        "quantised": quantised,
    }  # fmt: skip
    _each(folder, models, (".keras", ".h5", ".weights.h5", ".json"), "keras3")
    features().save(folder / "keras3_features.keras")
    every = [_plain_layer(keras, name) for name in dir(layers)]
    made = [layer for layer in every if layer is not None]
    (folder / "keras3_every_layer.json").write_text(
        json.dumps({"class_name": "Parts", "module": "builtins", "config": [keras.saving.serialize_keras_object(layer) for layer in made]})
        .replace('"class_name": "Parts", "module": "builtins"', '"class_name": "Sequential", "module": "keras"'),
        encoding="utf-8",
    )  # fmt: skip
    dense().save_weights(folder / "keras3_sharded.weights.json", max_shard_size=1e-7)


def _plain_layer(keras: Any, name: str) -> Any:
    """Return a layer made without arguments, or with one number, or None."""
    kind = getattr(keras.layers, name)
    if not isinstance(kind, type) or name in (
        "Lambda",
        "TFSMLayer",
        "TorchModuleWrapper",
        "JaxLayer",
        "FlaxLayer",
        "Layer",
        "Wrapper",
    ):
        return None
    for arguments in ((), (2,), (2, 2), (keras.layers.Dense(2),), ((1, 2),)):
        try:
            layer = kind(*arguments)
            keras.saving.serialize_keras_object(layer)
        except Exception:  # noqa: BLE001
            continue
        return layer
    return None


# -- Keras 2


def _keras2(folder: Path) -> None:
    import numpy as np
    import tensorflow as tf
    import tf_keras as keras

    layers = keras.layers

    def dense() -> Any:
        model = keras.Sequential([layers.Dense(3, "relu", input_shape=(4,)), layers.Dense(1)])
        model.compile("rmsprop", "mse", metrics=["mae", keras.metrics.RootMeanSquaredError()])
        model.fit(np.zeros((4, 4)), np.zeros((4, 1)), verbose=0)
        return model

    def operations() -> Any:
        inputs = keras.Input((4,))
        value = tf.math.abs(inputs) + 1
        value = tf.concat([value, tf.reduce_mean(value, axis=-1, keepdims=True)], axis=-1)[:, :3]
        value = tf.where(value > 1.0, value, tf.nn.relu(value))
        value = tf.cast(tf.expand_dims(value, 1), "float32")
        return keras.Model(inputs, keras.backend.mean(value, axis=1))

    def images() -> Any:
        return keras.Sequential(
            [
                layers.Conv2D(4, 3, input_shape=(12, 12, 3), kernel_initializer=keras.initializers.he_normal()), layers.BatchNormalization(),
                layers.LeakyReLU(), layers.MaxPool2D(), layers.LocallyConnected2D(2, 3), layers.Flatten(), layers.Dense(2, "softmax"),
            ]
        )  # fmt: skip

    def recurrent() -> Any:
        model = keras.Sequential([layers.Embedding(9, 4), layers.Bidirectional(layers.GRU(3)), layers.Dense(1, "tanh")])
        model.build((None, 5))
        model.compile(keras.optimizers.legacy.Adam(), keras.losses.MeanSquaredError())
        return model

    def words() -> Any:
        lookup = layers.StringLookup(vocabulary=["red", "green", "blue"])
        inputs = keras.Input((1,), dtype="string")
        return keras.Model(inputs, layers.Embedding(4, 2)(lookup(inputs)))

    models = {"dense": dense, "operations": operations, "images": images, "recurrent": recurrent, "words": words}
    _each(folder, models, (".keras", ".h5", ".weights.h5", ".json"), "keras2")


# -- HDF5 without Keras


def _h5py(folder: Path) -> None:
    import h5py
    import numpy as np

    numbers = np.arange(2000, dtype="f4").reshape(40, 50)
    for label, bounds in (("early", ("earliest", "latest")), ("late", "latest"), ("v108", ("v108", "v108"))):
        with h5py.File(folder / f"h5py_{label}.h5", "w", libver=bounds) as file:
            file["a/b/c"] = numbers
            file["again"] = file["a/b/c"]
            file["soft"] = h5py.SoftLink("/a/b/c")
            file.create_dataset(
                "packed", data=numbers, chunks=(10, 10), compression="gzip", shuffle=True, fletcher32=True
            )
            file.create_dataset("growing", data=numbers, chunks=(10, 10), maxshape=(None, None))
            file.create_dataset("one_way", data=numbers, chunks=(10, 10), maxshape=(None, 50))
            file.create_dataset("empty", shape=(10**6,), dtype="f8")
            file.create_dataset("words", data=["red", "green", "blue"], dtype=h5py.string_dtype())
            file.create_dataset(
                "words_packed", data=["red", "green"] * 50, dtype=h5py.string_dtype(), chunks=(10,), compression="gzip"
            )
            file.create_dataset(
                "words_growing", data=["red", "green"] * 50, dtype=h5py.string_dtype(), chunks=(10,), maxshape=(None,)
            )
            file.create_dataset("fixed", data=np.array([b"red", b"green"]))
            file.create_dataset(
                "fixed_packed", data=np.array([b"red", b"green"] * 50), chunks=(25,), compression="gzip"
            )
            file.create_dataset(
                "lists", data=np.array([np.arange(3.0), np.arange(2.0)], dtype=object), dtype=h5py.vlen_dtype("f8")
            )
            file.create_dataset("bytes", data=np.frombuffer(bytes(range(256)), "u1"))
            file.create_dataset("pictures", data=np.zeros((4, 8, 8, 3), "u1"), chunks=True, compression="gzip")
            file.create_dataset(
                "rows", data=np.array([(1, 2.0, b"red")], dtype=[("a", "i4"), ("b", "f8"), ("c", "S8")])
            )
            file.create_dataset("flags", data=np.array([True, False]))
            file.create_dataset("complex", data=np.array([1j, 2.0]))
            file.create_dataset("opaque", data=np.void(b"\x00\x01\x02"))
            file["refs"] = np.array([file["a"].ref], dtype=h5py.ref_dtype)
            file["kind"] = np.dtype("f8")
            file.attrs["title"] = "weights of an example"
            file.attrs["labels"] = ["cat", "dog", "bird"]
            file.attrs["shape"] = (40, 50)
            file.attrs["note"] = np.bytes_(b"Done.")
            file.attrs["settings"] = json.dumps({"rate": 0.1, "layers": [1, 2]})
            file.attrs["nothing"] = h5py.Empty("f4")
            colour = h5py.enum_dtype({"RED": 0, "GREEN": 1}, basetype="i1")
            file.attrs.create("colour", 1, dtype=colour)
            many = file.create_group("many")
            for number in range(300):
                many.create_group(f"group_{number}")
                many.attrs[f"attribute_{number}"] = f"value {number}"
            ordered = file.create_group("ordered", track_order=True)
            for number in range(40):
                ordered[f"item_{number}"] = number
    with h5py.File(folder / "h5py_user_block.h5", "w", userblock_size=1024) as file:
        file["numbers"] = numbers
    with h5py.File(folder / "h5py_large_attribute.h5", "w", libver="latest") as file:
        file.attrs["text"] = np.bytes_(b"word " * 20_000)
        file.attrs["numbers"] = np.arange(20_000)
    with h5py.File(folder / "h5py_virtual.h5", "w", libver="latest") as file:
        file["part"] = numbers
        layout = h5py.VirtualLayout(shape=(40, 50), dtype="f4")
        layout[:, :25] = h5py.VirtualSource(".", "part", shape=(40, 50))[:, :25]
        file.create_virtual_dataset("view", layout)
    with h5py.File(folder / "h5py_wide.h5", "w") as file:
        for number in range(3000):
            file[f"layer_{number}/kernel"] = np.zeros(2, "f4")


def _tables(folder: Path) -> None:
    import numpy as np
    import tables

    with tables.open_file(folder / "tables_plain.h5", "w", title="example") as file:
        file.create_array("/", "numbers", np.arange(20.0))
        file.create_earray("/", "words", tables.StringAtom(8), (0,)).append(np.array([b"red", b"green"]))
        table = file.create_table("/", "rows", {"name": tables.StringCol(16), "value": tables.Float64Col()})
        table.append([(b"red", 1.0), (b"blue", 2.0)])
        table.attrs.unit = "m"
        table.attrs.count = 3
        file.create_vlarray("/", "lists", tables.Int32Atom()).append([1, 2, 3])
        file.create_carray("/", "packed", obj=np.zeros((40, 40)), filters=tables.Filters(5, "zlib"))
        table.attrs.settings = {"rate": 0.1, "parts": [1, 2]}
        table.attrs.shape = OrderedDict(rows=2)
        values = file.create_vlarray("/", "objects", tables.ObjectAtom())
        values.append([1, "a"])
        values.append({"b": 2})
        file.create_carray("/", "blosc", obj=np.zeros((40, 40)), filters=tables.Filters(5, "blosc"))


def _pandas(folder: Path) -> None:
    import numpy as np
    import pandas as pd

    frame = pd.DataFrame({"a": np.arange(10), "b": np.arange(10) / 3, "when": pd.date_range("2024-01-01", periods=10)})
    words = pd.DataFrame({"colour": ["red", "green"] * 5, "value": range(10)})
    frame.to_hdf(folder / "pandas_fixed.h5", key="frame", format="fixed")
    frame.to_hdf(folder / "pandas_table.h5", key="frame", format="table", data_columns=True)
    words.to_hdf(folder / "pandas_words.h5", key="frame", format="table")
    words.to_hdf(folder / "pandas_packed.h5", key="frame", format="table", complib="blosc", complevel=5)
    objects = pd.DataFrame({"parts": [{"x": 1}, [1, 2]], "colour": ["red", "green"]})
    objects.to_hdf(folder / "pandas_objects.h5", key="frame", format="fixed")
    objects.to_hdf(folder / "pandas_objects_packed.h5", key="frame", format="fixed", complib="blosc", complevel=5)
    for label, index in {
        "months": pd.period_range("2024-01", periods=3, freq="M"),
        "zone": pd.date_range("2024-01-01", periods=3, tz="Europe/Berlin"),
        "levels": pd.MultiIndex.from_tuples([("x", 1), ("y", 2), ("z", 3)]),
    }.items():
        pd.DataFrame({"value": [1.0, 2.0, 3.0]}, index=index).to_hdf(folder / f"pandas_{label}.h5", key="frame")
    kinds = pd.DataFrame({"colour": pd.Categorical(["red", "green"])})
    kinds.to_hdf(folder / "pandas_categories.h5", key="frame", format="table")
    pd.Series([1.0, 2.0], name="s").to_hdf(folder / "pandas_series.h5", key="series")
