"""Compares the time of the search for secrets with that of detect-secrets, on the same tree and in one run.

    python benchmarks/code_secrets.py TREE [--peer PATH/TO/detect-secrets] [--rounds N]

Both run in one process, without a cache, after their modules were compiled. CPU times and their ratio are printed as JSON.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import mlguard


def cpu(words: list[str], environment: dict[str, str]) -> float:
    """Return the seconds of CPU, of user and system, that a command takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tree", type=Path)
    parser.add_argument("--peer", default="detect-secrets")
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    with contextlib.redirect_stdout(io.StringIO()):
        compileall.compile_dir(Path(mlguard.__file__).parent, quiet=2)
    ours, theirs = [], []
    size = sum(
        file.stat().st_size for file in given.tree.rglob("*") if file.is_file() and file.suffix not in (".pyc", ".so")
    )
    for _ in range(given.rounds):
        with tempfile.TemporaryDirectory() as empty:
            environment = {**os.environ, "XDG_CACHE_HOME": empty}
            words = [
                sys.executable,
                "-m",
                "mlguard",
                "scan",
                "-s",
                "secrets",
                "-j",
                "0",
                "--no-cache",
                "--root",
                str(given.tree),
                str(given.tree),
            ]
            ours.append(cpu(words, environment))
        theirs.append(cpu([given.peer, "scan", "--all-files", str(given.tree)], dict(os.environ)))
    own, other = statistics.median(ours), statistics.median(theirs)
    figures = {
        "bytes": size,
        "mlguard_cpu_s": round(own, 2),
        "peer_cpu_s": round(other, 2),
        "ratio": round(other / own, 1),
        "mb_per_s": round(size / own / 1e6, 1),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
