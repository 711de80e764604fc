"""Measures `mlguard model` beside its peers: CPU time of whole processes (user and system), as ratios within one run.

The peers live in ``build/model-bench-venv``, which this script makes when it is missing; byte code is compiled first on every
side. Runs alternate (A, B, A, B …); the figure is the median of the ratios of neighbours. The large files are made here, sparse,
and the small ones with scikit-learn of the peers' environment. Nothing is sent anywhere: the one peer that reports its use is
told not to.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from peers import BIN, ROOT, prepare

sys.path.insert(0, str(ROOT))

from tests.builders import assemble

PEERS = ROOT / "build" / "model-bench-venv"
PACKAGES = ("picklescan==1.0.5", "hayward==1.4.1", "modelaudit==0.2.54", "scikit-learn")
OURS = str(BIN / "mlguard")
TENSORS, ITEMS = 200, 1_310_720
PATIENCE = 240
"""Seconds of CPU after which a peer is stopped; its ratio is then a bound."""

QUIET = {"PROMPTFOO_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "NO_ANALYTICS": "1", "CI": "true"}

Command = Sequence[str]


def cpu(command: Command) -> tuple[float, int]:
    """Return the CPU seconds of a command, and its peak memory in MiB."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (PATIENCE, PATIENCE + 5))

    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **QUIET}, preexec_fn=limit
    )
    _, _, used = os.wait4(process.pid, 0)
    process.returncode = 0
    return used.ru_utime + used.ru_stime, used.ru_maxrss // 1024


class Bench:
    """Prints a line for each comparison, and remembers whether every target was met."""

    def __init__(self) -> None:
        self.met = True

    def line(self, name: str, told: str, met: bool) -> None:
        self.met = self.met and met
        print(f"{name:<44} {told}   {'met' if met else 'MISSED'}", flush=True)

    def against(self, name: str, ours: Command, theirs: Command, most: float, runs: int, memory: float = 0.0) -> None:
        """Compare CPU (and peak memory, when ``memory`` is the most that its ratio may be) over ``runs`` pairs."""
        cpu(ours)
        pairs = [(cpu(ours), cpu(theirs)) for _ in range(runs)]
        ratios = sorted(a[0] / b[0] for a, b in pairs)
        ratio = statistics.median(ratios)
        a, b = (statistics.median(pair[side][0] for pair in pairs) for side in (0, 1))
        told = f"{a:7.3f} s against {b:7.3f} s   ratio {ratio:6.3f} ({ratios[0]:.3f}-{ratios[-1]:.3f})   at most {most}"
        met = ratio <= most
        if memory:
            size = statistics.median(pair[0][1] for pair in pairs), statistics.median(pair[1][1] for pair in pairs)
            told += (
                f"; peak {size[0]:.0f} MiB against {size[1]:.0f} MiB   ratio {size[0] / size[1]:.3f}   at most {memory}"
            )
            met = met and size[0] / size[1] <= memory
        self.line(name, told, met)

    def over(self, name: str, ours: Command, base: Command, most: float, runs: int = 9) -> None:
        """Say how many CPU milliseconds ``ours`` takes more than ``base``."""
        cpu(ours), cpu(base)
        more = sorted(1000 * (cpu(ours)[0] - cpu(base)[0]) for _ in range(runs))
        middle = statistics.median(more)
        self.line(name, f"{middle:6.1f} ms more ({more[0]:.1f}-{more[-1]:.1f})   at most {most:.0f}", middle <= most)


# -- files


def torch_zip(path: Path) -> None:
    """Write an archive of 200 tensors of 5 MiB each, as torch.save does."""
    tensor = (
        "BINUNICODE 'layer.{0}.weight'\nGLOBAL torch._utils _rebuild_tensor_v2\nMARK\nMARK\nBINUNICODE 'storage'\n"
        "GLOBAL torch FloatStorage\nBINUNICODE '{0}'\nBINUNICODE 'cpu'\nBININT {1}\nTUPLE\nBINPERSID\nBININT1 0\nBININT {1}\n"
        "TUPLE1\nBININT1 1\nTUPLE1\nNEWFALSE\nGLOBAL collections OrderedDict\nEMPTY_TUPLE\nREDUCE\nTUPLE\nREDUCE\n"
    )
    listing = "".join(tensor.format(number, ITEMS) for number in range(TENSORS))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", assemble(f"PROTO 2\nEMPTY_DICT\nMARK\n{listing}SETITEMS\nSTOP"))
        noise = os.urandom(4 * ITEMS)
        for number in range(TENSORS):
            archive.writestr(f"archive/data/{number}", noise)
        archive.writestr("archive/version", "3\n")


def safetensors(path: Path) -> None:
    """Write 200 tensors of 5 MiB each behind their header."""
    size = 4 * ITEMS
    header = {
        f"t{n}": {"dtype": "F32", "shape": [ITEMS], "data_offsets": [n * size, (n + 1) * size]} for n in range(TENSORS)
    }
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + TENSORS * size)


def raw_pickle(path: Path) -> None:
    """Write a pickle of ten runs of 100 MB."""
    with open(path, "wb") as file:
        file.write(b"\x80\x05]\x94(")
        for _ in range(10):
            file.write(b"\x8e" + struct.pack("<Q", 100_000_000))
            file.seek(100_000_000, 1)
        file.write(b"e.")


def joblib(path: Path) -> None:
    """Write a list of 200 arrays of 5 MiB, each raw inside the stream behind its wrapper."""
    wrapper = assemble(
        f"""
        GLOBAL joblib.numpy_pickle NumpyArrayWrapper
        EMPTY_TUPLE
        NEWOBJ
        EMPTY_DICT
        MARK
        SHORT_BINUNICODE "subclass"
        GLOBAL numpy ndarray
        SHORT_BINUNICODE "shape"
        BININT {ITEMS}
        TUPLE1
        SHORT_BINUNICODE "order"
        SHORT_BINUNICODE "C"
        SHORT_BINUNICODE "dtype"
        GLOBAL numpy dtype
        SHORT_BINUNICODE "f4"
        NEWFALSE
        NEWTRUE
        TUPLE3
        REDUCE
        SHORT_BINUNICODE "allow_mmap"
        NEWTRUE
        SETITEMS
        BUILD
        """
    )
    with open(path, "wb") as file:
        file.write(b"\x80\x04](")
        for _ in range(TENSORS):
            file.write(wrapper)
            file.seek(4 * ITEMS, 1)
        file.write(b"e.")


def opcodes(path: Path) -> None:
    """Write a pickle of six million opcodes in 20 MB: texts, numbers, tuples and the memo, a thousand items at a time."""
    with open(path, "wb") as file:
        file.write(b"\x80\x04}\x94")
        index = 1
        for batch in range(1250):
            parts = [b"("]
            for item in range(1200):
                parts.append(b"\x8c\x04" + b"%04x" % ((batch * 1200 + item) & 0xFFFF) + b"\x94")
                parts.append(b"K\x07" if item % 3 else b"M\x01\x02")
                index += 1
            file.write(b"".join(parts) + b"u")
        while file.tell() < 20 * 10**6:
            file.write(b"K\x010" * 10_000)
        file.write(b".")


SMALL = """
import pickle, sys, warnings
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Lasso, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
warnings.simplefilter("ignore")
X, y = np.random.RandomState(0).rand(30, 4), np.array([0, 1, 2] * 10)
kinds = [LogisticRegression(), Ridge(), Lasso(), DecisionTreeClassifier(), RandomForestClassifier(3), GaussianNB(), SVC(),
         make_pipeline(StandardScaler(), LogisticRegression()), KNeighborsClassifier(), StandardScaler()]
for number in range(1000):
    with open(f"{sys.argv[1]}/m{number:04}.pkl", "wb") as file:
        pickle.dump(kinds[number % 10].fit(X, y), file, protocol=4)
"""


def read_by(command: Command, folder: Path, file: Path) -> int:
    """Return the bytes that a command reads of ``file``: by read calls, and the pages that it touches of a mapping."""
    log = folder / "strace.txt"
    subprocess.run(["strace", "-f", "-y", "-e", "trace=read,pread64", "-o", str(log), *command],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)  # fmt: skip
    reads = re.findall(
        rf"(?:read|pread64)\(\d+<{re.escape(str(file))}>.*= (\d+)$", log.read_text(errors="replace"), re.M
    )
    return sum(map(int, reads))


def main() -> int:
    """Run all comparisons. Returns 1 when a target is missed."""
    prepare(PEERS, "hayward", PACKAGES)
    bench = Bench()
    picklescan, hayward, modelaudit = (str(PEERS / "bin" / name) for name in ("picklescan", "hayward", "modelaudit"))
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as name:
        folder = Path(name)
        made = {
            "model.pt": torch_zip,
            "model.safetensors": safetensors,
            "raw.pkl": raw_pickle,
            "arrays.joblib": joblib,
            "ops.pkl": opcodes,
        }
        for file, build in made.items():
            build(folder / file)
        (folder / "tiny.pkl").write_bytes(b"\x80\x04N.")
        small = folder / "small"
        small.mkdir()
        subprocess.run([str(PEERS / "bin/python"), "-c", SMALL, str(small)], check=True)

        bare, start = [str(BIN / "python"), "-c", "pass"], [OURS, "model", str(folder / "tiny.pkl")]
        zipped = folder / "model.pt"
        bench.over("start over bare Python", start, bare, 60)
        bench.against(
            "1 GB torch zip / picklescan", [OURS, "model", str(zipped)], [picklescan, "-p", str(zipped)], 0.5, 9
        )
        if shutil.which("strace"):
            size = read_by([OURS, "model", str(zipped)], folder, zipped)
            most = 64 * 1024 + 100 * (TENSORS + 2)
            bench.line(
                "1 GB torch zip, bytes by read calls", f"{size:,} (the file is mapped)   at most {most:,}", size <= most
            )
        for file in ("model.safetensors", "arrays.joblib", "raw.pkl"):
            bench.over(f"1 GB {file} over the start", [OURS, "model", str(folder / file)], start, 50)
        bench.against("6 million opcodes / picklescan", [OURS, "model", str(folder / "ops.pkl")],
                      [picklescan, "-p", str(folder / "ops.pkl")], 0.25, 3, 0.05)  # fmt: skip
        ours = [OURS, "model", str(small)]
        bench.against("1,000 scikit-learn pickles / picklescan", ours, [picklescan, "-p", str(small)], 0.4, 7)
        bench.against("1,000 scikit-learn pickles / hayward", ours, [hayward, "scan", str(small)], 0.1, 5)
        bench.against("1,000 scikit-learn pickles / modelaudit", ours, [modelaudit, "scan", str(small)], 0.01, 1)
    return 0 if bench.met else 1


if __name__ == "__main__":
    sys.exit(main())
