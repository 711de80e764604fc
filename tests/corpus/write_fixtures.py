"""Writes the small honest pickles under tests/fixtures/models/pickles with the real libraries, and their digests.

Run it as ``python -m tests.corpus.write_fixtures`` in an environment that has the libraries. Files that hold random state,
memory addresses or versions of libraries differ from run to run; the committed ones are those that the digests name.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "fixtures/models/pickles"

MAX_BYTES = 6 * 1024
"""Bytes of one fixture."""

CHOSEN = """
standard stdlib/protocol0.pkl stdlib/protocol2.pkl stdlib/types4.pickle stdlib/unions.pkl stdlib/typing.pkl stdlib/zones.pkl stdlib/methods.pkl stdlib/config.pkl
numpy_ numpy/arrays0.pkl numpy/masked.pkl numpy/strings.pkl numpy/random.pkl numpy/object-field.npy numpy/ufuncs.pkl numpy/mapped.pkl
scipy_ scipy/array-csr.pkl scipy/interp1d-linear.pkl scipy/dist-norm.pkl scipy/rotation.pkl
pandas_ pandas/wide.pkl pandas/timestamp.pkl pandas/dtypes.pkl pandas/arrow-list.pkl pandas/saved.pkl.xz
tables small/omegaconf.pkl small/pytz.pkl polars/frame.pkl networkx/graph.pkl xarray/array.pkl shapely/shapes.pkl
sklearn_ sklearn/tfidf-findall.pkl sklearn/knn.pkl sklearn/scorers.pkl sklearn/joblib/knn-lz4.joblib sklearn/splitters.pkl
joblib_ joblib/objects-nested.joblib joblib/mapped.joblib
torch_ torch/state-linear.bin torch/jagged.pt torch/optim-Adam.ckpt torch/quantized.pt torch/state-legacy-linear.pt
words gymnasium/dict.pkl nltk/unigram.pkl
learning optuna/trials.pkl lifelines/test.pkl hmmlearn/poisson.pkl kmodes/kmodes.pkl
transformers_ transformers/training_args.bin transformers/fast.pkl
keras_ keras/weights.pkl
jax_ jax/params.pkl
others pendulum/zone.pkl skrub/minhash.pkl
"""


def chosen() -> dict[str, list[str]]:
    """Return the files to keep of each part of honest_pickles."""
    return {part: names for part, *names in (line.split() for line in CHOSEN.strip().splitlines())}


def main() -> None:
    script = Path(__file__).with_name("honest_pickles.py")
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        for part, names in chosen().items():
            subprocess.run([sys.executable, str(script), folder, part], check=False)
            for name in names:
                _keep(Path(folder) / name, name.replace("/", "-"))
    digests = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(FOLDER.iterdir())]
    (FOLDER / "SHA256SUMS").write_text("".join(digests), encoding="utf-8")


def _keep(path: Path, name: str) -> None:
    if not path.exists():
        print(f"not written: {name}")
    elif path.stat().st_size > MAX_BYTES:
        print(f"too large: {name}, {path.stat().st_size} bytes")
    else:
        shutil.copyfile(path, FOLDER / name)


if __name__ == "__main__":
    main()
