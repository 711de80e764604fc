"""Writes honest models with the real libraries, and says what the scanner makes of them.

    python tests/corpus/honest.py [FOLDER]

The libraries live in an environment of their own, ``build/corpus-venv``, which this script makes when it is missing (it takes some ten
gigabytes and half an hour). A library that cannot be had skips its part, which is told. Files below a folder called ``review`` carry
code on purpose and are counted apart. Ends with 1 when more than 1 % of the others fail the gate, or more than 5 % give a note.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from mlguard.findings import Detection, Gap  # noqa: E402
from tests import corpus  # noqa: E402

VENV = ROOT / "build" / "corpus-venv"
AREAS = ("pickles", "keras", "graphs", "binaries", "hub", "bundles")
PACKAGES = (
    "torch numpy scipy scikit-learn pandas joblib xgboost lightgbm catboost skops dill cloudpickle safetensors onnx skl2onnx gguf h5py",
    "keras tensorflow-cpu tf_keras tables transformers tokenizers lightning omegaconf statsmodels lz4 zstandard flax msgpack mlflow-skinny",
    "sentence-transformers peft coremltools paddlepaddle openvino orbax-checkpoint nyoka py7zr onnxscript tf2onnx onnxruntime executorch",
    "imbalanced-learn umap-learn hdbscan gensim networkx lifelines category_encoders shap optuna mlxtend timm gymnasium stable-baselines3",
    "polars pyarrow shapely geopandas xarray dask pillow nltk pyod prophet feature-engine arviz river",
)
"""Installed one line at a time, so that one package that is not to be had costs no more than itself."""

MOST_FAILING, MOST_NOTED = 0.01, 0.05


def prepare() -> None:
    """Make the environment of the libraries."""
    if (VENV / "bin" / "python").exists():
        return
    subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    for line in PACKAGES:
        for package in line.split():
            done = subprocess.run([str(VENV / "bin" / "pip"), "install", "--quiet", package], check=False)
            if done.returncode:
                print(f"not installed: {package}", flush=True)


def write(folder: Path) -> None:
    """Write the files of all areas below ``folder``."""
    for area in AREAS:
        program = f"from pathlib import Path; from tests.corpus import honest_{area} as area; area.files(Path({str(folder / area)!r}))"
        (folder / area).mkdir(parents=True, exist_ok=True)
        done = subprocess.run([str(VENV / "bin" / "python"), "-W", "ignore", "-c", program], cwd=ROOT, check=False)
        if done.returncode:
            print(f"honest_{area} ended with {done.returncode}", flush=True)


def measure(folder: Path) -> bool:
    """Print what became of the files, and return whether few enough fail or are noted."""
    counts: Counter[str] = Counter()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        outcome, rules = corpus.gate(path, name)
        if "/review/" in name:
            counts[f"review, {outcome}"] += 1
            continue
        records = corpus.records(path, name)
        gaps = any(isinstance(record, Gap) for record in records)
        noted = any(isinstance(record, Detection) for record in records)
        kind = "fails" if outcome == "fails" else "gap" if gaps else "note" if noted else "quiet"
        counts[kind] += 1
        if kind != "quiet":
            print(f"{kind:<6} {name}: {', '.join(sorted(rules)) or 'a gap'}")
    whole = sum(counts[kind] for kind in ("fails", "gap", "note", "quiet"))
    print(", ".join(f"{name} {count}" for name, count in sorted(counts.items())), f"of {whole}")
    few = counts["fails"] <= MOST_FAILING * whole
    return whole > 0 and few and counts["note"] + counts["gap"] <= MOST_NOTED * whole


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "honest"
    if not folder.is_dir() or not any(folder.iterdir()):
        prepare()
        write(folder)
    return 0 if measure(folder) else 1


if __name__ == "__main__":
    sys.exit(main())
