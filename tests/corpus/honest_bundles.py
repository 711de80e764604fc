"""Writes honest archives and bundles with the libraries that people use. Run with the environment that has them."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

FIXTURES = (
    "skops/values.skops",
    "skops/packed.skops",
    "openvino/net.xml",
    "mlflows/signed/MLmodel",
    "sevens/default.7z",
    "sevens/branch-lzma.7z",
)
"""Files that are kept under tests/fixtures/models/bundles, written by ``files``."""


def files(folder: Path) -> None:
    """Write the files below ``folder``; say which parts were skipped because a library is missing."""
    for part in (
        scripts,
        exports,
        packages,
        skops,
        mlflows,
        nemos,
        servers,
        sevens,
        codecs,
        archives,
        openvino,
        pmml,
        sentencepieces,
    ):
        target = folder / part.__name__
        target.mkdir(parents=True, exist_ok=True)
        try:
            part(target)
        except ImportError as error:
            print(f"skipped {part.__name__}: {error.name} is not installed", file=sys.stderr)


def _nets() -> tuple[object, object]:
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(4, 3), nn.Conv1d(1, 2, 3), nn.LSTM(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = torch.relu(self.a(x))
            if bool(y.sum() > 0):
                y = torch.nn.functional.dropout(y * 2, 0.5)
            return y

    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 3), nn.BatchNorm1d(3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.softmax(self.b(self.a(x)), dim=-1)

    return Net(), Flat().eval()


def scripts(folder: Path) -> None:
    import torch
    from torch import nn

    net, flat = _nets()
    x = torch.zeros(2, 4)
    torch.jit.script(net).save(str(folder / "script.pt"))
    torch.jit.trace(flat, x).save(
        str(folder / "trace.pt"), _extra_files={"labels.txt": "cat\ndog\n", "config.json": '{"size": 4}'}
    )
    torch.jit.freeze(torch.jit.script(flat)).save(str(folder / "frozen.pt"))
    torch.jit.script(net)._save_for_lite_interpreter(str(folder / "lite.ptl"))
    quantized = torch.ao.quantization.quantize_dynamic(
        nn.Sequential(nn.Linear(4, 4), nn.ReLU()), {nn.Linear}, dtype=torch.qint8
    )
    torch.jit.script(quantized).save(str(folder / "quantized.pt"))
    torch.jit.script(quantized)._save_for_lite_interpreter(str(folder / "quantized.ptl"))
    torch.save(quantized.state_dict(), folder / "quantized-state.pt")
    torch.save(flat.state_dict(), folder / "state.pt")
    torch.save(flat.state_dict(), folder / "legacy.pt", _use_new_zipfile_serialization=False)
    try:
        import torchvision
    except ImportError:
        return
    torch.jit.script(torchvision.models.squeezenet1_0(num_classes=2)).save(str(folder / "squeezenet.pt"))
    torch.jit.script(torchvision.ops.RoIAlign(2, 1.0, 1)).save(str(folder / "roi.pt"))


def exports(folder: Path) -> None:
    import torch

    _, flat = _nets()
    x = torch.zeros(2, 4)
    torch.export.save(torch.export.export(flat, (x,)), str(folder / "static.pt2"))
    batch = torch.export.Dim("batch", min=2, max=64)
    torch.export.save(torch.export.export(flat, (x,), dynamic_shapes=({0: batch},)), str(folder / "dynamic.pt2"))
    torch.export.save(torch.export.export(flat, (x,)), str(folder / "extra.pt2"), extra_files={"note.txt": "text"})


def packages(folder: Path) -> None:
    import torch
    import torchvision
    from torch.package import PackageExporter

    with PackageExporter(str(folder / "state.pt")) as exporter:
        exporter.extern(["torch.**"])
        exporter.save_pickle("model", "model.pkl", {"a": torch.zeros(3)})
        exporter.save_text("model", "readme.txt", "text")
    with PackageExporter(str(folder / "interned.pt")) as exporter:
        exporter.intern("torchvision.models.squeezenet")
        exporter.extern(["torch.**", "torchvision.**"], exclude="torchvision.models.squeezenet")
        exporter.save_pickle("model", "model.pkl", torchvision.models.squeezenet1_0(num_classes=2))


def skops(folder: Path) -> None:
    import numpy as np
    import scipy.sparse
    import skops.io as sio
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression, SGDClassifier
    from sklearn.model_selection import GridSearchCV
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
    from sklearn.svm import SVC

    x = np.random.default_rng(0).random((60, 4))
    y = np.arange(60) % 2
    made = {
        "pipeline": make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y), "forest": RandomForestClassifier(3).fit(x, y),
        "boosting": GradientBoostingClassifier(n_estimators=3).fit(x, y), "histogram": HistGradientBoostingClassifier(max_iter=3).fit(x, y),
        "function": make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()).fit(x, y), "svc": SVC().fit(x, y), "neighbours": KNeighborsClassifier().fit(x, y),
        "search": GridSearchCV(LogisticRegression(), {"C": [1, 2]}, scoring="accuracy").fit(x, y), "text": TfidfVectorizer().fit(["a b c", "dd ee"]),
        "columns": ColumnTransformer([("a", OneHotEncoder(), [0]), ("b", StandardScaler(), [1, 2])]).fit(x, y), "sgd": SGDClassifier(loss="hinge").fit(x, y),
        "values": {"a": [1, 2.5, None, "x", True], "b": (1, 2), "c": {1, 2}, "d": np.arange(4), "e": slice(1, 2), "f": b"bytes", "g": np.random.default_rng(0), "h": np.float32(1)},
        "sparse": scipy.sparse.csr_matrix(np.eye(3)),
    }  # fmt: skip
    for name, value in made.items():
        sio.dump(value, folder / f"{name}.skops")
    sio.dump(made["pipeline"], folder / "packed.skops", compression=zipfile.ZIP_DEFLATED)


def mlflows(folder: Path) -> None:
    import mlflow
    import numpy as np
    from mlflow.models import infer_signature
    from sklearn.linear_model import LogisticRegression

    x = np.random.default_rng(0).random((20, 3))
    y = np.arange(20) % 2
    model = LogisticRegression().fit(x, y)
    mlflow.sklearn.save_model(
        model,
        str(folder / "signed"),
        signature=infer_signature(x, y),
        input_example=x[:2],
        serialization_format="skops",
        pip_requirements=["scikit-learn"],
    )
    mlflow.sklearn.save_model(
        model, str(folder / "pickled"), serialization_format="cloudpickle", pip_requirements=["scikit-learn"]
    )
    try:
        import lightgbm
        import xgboost
    except ImportError:
        return
    mlflow.xgboost.save_model(
        xgboost.XGBClassifier(n_estimators=2).fit(x, y), str(folder / "xgboost"), pip_requirements=["xgboost"]
    )
    mlflow.lightgbm.save_model(
        lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(x, y),
        str(folder / "lightgbm"),
        pip_requirements=["lightgbm"],
    )


NEMO_CONFIG = """\
sample_rate: 16000
preprocessor:
  _target_: nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor
  normalize: per_feature
  window_size: 0.025
encoder:
  _target_: nemo.collections.asr.modules.ConformerEncoder
  d_model: 256
  activation: relu
decoder:
  _target_: nemo.collections.asr.modules.ConvASRDecoder
  feat_in: ${encoder.d_model}
  vocabulary: ['a', 'b', ' ']
optim:
  name: adamw
  _target_: torch.optim.AdamW
  lr: 0.001
trainer:
  logger:
    _target_: pytorch_lightning.loggers.TensorBoardLogger
    save_dir: logs
tokenizer:
  dir: null
  type: bpe
  model_path: nemo:abc_tokenizer.model
  vocab_path: nemo:abc_vocab.txt
target: nemo.collections.asr.models.ctc_bpe_models.EncDecCTCModelBPE
nemo_version: 1.20.0
"""


def nemos(folder: Path) -> None:
    import torch

    weights = io.BytesIO()
    torch.save({"encoder.weight": torch.zeros(3, 3)}, weights)
    members = {
        "./model_config.yaml": NEMO_CONFIG.encode(),
        "./model_weights.ckpt": weights.getvalue(),
        "./abc_vocab.txt": b"<unk>\na\nb\n",
    }
    for name, packed in (("model.nemo", ""), ("packed.nemo", "gz")):
        with tarfile.open(folder / name, "w:" + packed) as file:
            _add(file, members)


def _add(file: tarfile.TarFile, members: dict[str, bytes]) -> None:
    for name, content in members.items():
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        file.addfile(entry, io.BytesIO(content))


def servers(folder: Path) -> None:
    """Archives as torch-model-archiver writes them, with a handler of the server."""
    import torch

    _, flat = _nets()
    script = io.BytesIO()
    torch.jit.save(torch.jit.trace(flat, torch.zeros(2, 4)), script)
    model = {
        "modelName": "net",
        "serializedFile": "net.pt",
        "handler": "image_classifier",
        "modelVersion": "1.0",
        "extraFiles": "index_to_name.json",
    }
    manifest = {"createdOn": "01/01/2024 00:00:00", "runtime": "python", "model": model, "archiverVersion": "0.9.0"}
    with zipfile.ZipFile(folder / "net.mar", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("net.pt", script.getvalue())
        file.writestr("index_to_name.json", json.dumps({"0": "cat", "1": "dog"}))
        file.writestr("requirements.txt", "--extra-index-url https://download.pytorch.org/whl/cpu\ntorch==2.3.0\n")
        file.writestr("MAR-INF/MANIFEST.json", json.dumps(manifest, indent=2))


def sevens(folder: Path) -> None:
    import numpy as np
    import py7zr

    array = io.BytesIO()
    np.save(array, np.arange(1000.0))
    forms: dict[str, list[dict[str, int]] | None] = {
        "default": None, "lzma": [{"id": py7zr.FILTER_LZMA}], "copy": [{"id": py7zr.FILTER_COPY}], "bzip2": [{"id": py7zr.FILTER_BZIP2}],
        "deflate": [{"id": py7zr.FILTER_DEFLATE}], "zstd": [{"id": py7zr.FILTER_ZSTD}], "delta": [{"id": py7zr.FILTER_DELTA}, {"id": py7zr.FILTER_LZMA2}],
        "branch": [{"id": py7zr.FILTER_X86}, {"id": py7zr.FILTER_LZMA2}], "branch-lzma": [{"id": py7zr.FILTER_X86}, {"id": py7zr.FILTER_LZMA}],
    }  # fmt: skip
    for name, filters in forms.items():
        with py7zr.SevenZipFile(folder / f"{name}.7z", "w", filters=filters) as file:
            file.writestr(b"# A model\n" * 20, "model/README.md")
            file.writestr(array.getvalue(), "model/weights.npy")
            file.writestr(b'{"architectures": ["BertModel"], "model_type": "bert"}', "model/config.json")
            file.writestr(b"", "model/empty.txt")


def codecs(folder: Path) -> None:
    import lz4.frame
    import numpy as np
    import zstandard

    array = io.BytesIO()
    np.save(array, np.arange(1000.0))
    content = array.getvalue()
    packers: dict[str, Callable[[bytes], bytes]] = {
        "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstandard.ZstdCompressor().compress, "lz4": lz4.frame.compress,
        "lzma": lambda raw: lzma.compress(raw, lzma.FORMAT_ALONE),
    }  # fmt: skip
    for suffix, pack in packers.items():
        (folder / f"a.npy.{suffix}").write_bytes(pack(content))
    import joblib

    for suffix in ("gz", "bz2", "xz", "lzma", "lz4", "z"):
        joblib.dump({"a": np.arange(1000.0), "b": [1, 2]}, folder / f"b.joblib.{suffix}")


def archives(folder: Path) -> None:
    import numpy as np

    array = io.BytesIO()
    np.save(array, np.arange(1000.0))
    members = {
        "model/weights.npy": array.getvalue(), "model/README.md": b"# A model\n", "model/config.json": b'{"model_type": "bert"}',
        "model/LICENSE": b"Apache License\n", "model/picture.png": b"\x89PNG\r\n\x1a\n" + bytes(64), "model/params.yaml": b"size: 4\n",
    }  # fmt: skip
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(folder / f"method-{method}.zip", "w", method) as file:
            for name, content in members.items():
                file.writestr(name, content)
    with zipfile.ZipFile(folder / "large.zip", "w") as file:
        with file.open(zipfile.ZipInfo("model/weights.npy"), "w", force_zip64=True) as member:
            member.write(array.getvalue())
        file.comment = b"a comment"
    with zipfile.ZipFile(_OneWay(folder / "streamed.zip"), "w", zipfile.ZIP_DEFLATED) as file:  # type: ignore[arg-type]  # has what is used
        for name, content in members.items():
            file.writestr(name, content)
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with tarfile.open(folder / f"form-{form}.tar", "w", format=form) as file:
            _add(file, members)
    np.savez(folder / "arrays.npz", a=np.arange(9), b=np.ones((3, 3)))
    np.savez_compressed(folder / "packed.npz", a=np.arange(9000), b=np.zeros((300, 300)))


class _OneWay:
    """A file that cannot seek, as a pipe: zipfile then writes sizes behind the data."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "wb")  # noqa: SIM115  # closed with the process

    def write(self, data: bytes) -> int:
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def openvino(folder: Path) -> None:
    import numpy as np
    import openvino as ov
    from openvino import opset13

    x = opset13.parameter([1, 4], np.float32)
    y = opset13.relu(opset13.matmul(x, opset13.constant(np.ones((4, 3), np.float32)), False, False))
    ov.save_model(ov.Model([y], [x], "net"), folder / "net.xml")
    (folder / "net.bin").unlink(missing_ok=True)


def pmml(folder: Path) -> None:
    import numpy as np
    import pandas as pd
    from nyoka import skl_to_pmml
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import Pipeline

    frame = pd.DataFrame(np.random.default_rng(0).random((20, 3)), columns=["a", "b", "c"])
    fitted = Pipeline([("m", LinearRegression())]).fit(frame[["a", "b"]], frame["c"])
    skl_to_pmml(fitted, ["a", "b"], "c", str(folder / "linear.pmml"))


def sentencepieces(folder: Path) -> None:
    import sentencepiece

    text = "\n".join(
        f"the {word} and the {word}s of a {word}" for word in ("cat", "dog", "bird", "house", "tree", "river")
    )
    (folder / "text.txt").write_text(text * 4)
    for kind in ("unigram", "bpe"):
        sentencepiece.SentencePieceTrainer.train(
            input=str(folder / "text.txt"),
            model_prefix=str(folder / kind),
            vocab_size=30,
            model_type=kind,
            hard_vocab_limit=False,
            minloglevel=2,
        )
        (folder / f"{kind}.vocab").unlink()
    (folder / "text.txt").unlink()
