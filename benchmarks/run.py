"""Measures mlguard beside its peers: CPU time of whole processes (user and system), as ratios within one run.

The peers live in an environment of their own, ``build/bench-venv``, which this script makes when it is missing. Byte code
is compiled first on every side: without it a peer looks twice as slow as it is. Runs alternate (A, B, A, B …), and the
figure is the median of the ratios of neighbours, with the least and the greatest beside it.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from peers import BIN, ROOT, prepare

PEERS = ROOT / "build" / "bench-venv"
PACKAGES = ("bandit==1.9.4", "pip-audit==2.10.1", "checkov==3.3.30", "modelscan==0.8.8")
TARGETS = {"version": 2.0, "hook": 1.0, "demo": 1.0}
"""The most that each ratio may be."""

Command = Sequence[str]


def cpu(commands: Sequence[Command], folder: Path) -> float:
    """Return the CPU seconds of the commands, one after another, children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for command in commands:
        subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compare(name: str, ours: Sequence[Command], theirs: Sequence[Command], folder: Path, runs: int) -> bool:
    """Print the ratio of ours to theirs over ``runs`` pairs after a warm-up, and say whether the target is met."""
    cpu(ours, folder), cpu(theirs, folder)
    pairs = [(cpu(ours, folder), cpu(theirs, folder)) for _ in range(runs)]
    ratios = sorted(a / b for a, b in pairs)
    median = statistics.median(ratios)
    met = median <= TARGETS[name]
    print(
        f"{name:<8} {statistics.median(a for a, _ in pairs):7.3f} s against {statistics.median(b for _, b in pairs):7.3f} s"
        f"   ratio {median:5.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})   at most {TARGETS[name]:.1f}   {'met' if met else 'MISSED'}"
    )
    return met


def main() -> int:
    """Run all comparisons. Returns 1 when a target is missed."""
    prepare(PEERS, "checkov", PACKAGES)
    ours, theirs = str(BIN / "mlguard"), PEERS / "bin"
    staged = sorted((ROOT / "examples").glob("churn*/src/**/*.py"), key=lambda path: path.stat().st_size)[-5:]
    met = [compare("version", [[ours, "--version"]], [[str(BIN / "python"), "-c", "import click"]], ROOT, 15)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = [f"staged_{number}.py" for number in range(len(staged))]
        for path, file in zip(staged, files, strict=True):
            shutil.copy(path, folder / file)
        met.append(compare("hook", [[ours, "hook", *files]], [[str(theirs / "bandit"), "-q", *files]], folder, 11))
        demo = folder / "churn"
        shutil.copytree(ROOT / "examples" / "churn", demo)
        shutil.copytree(ROOT / "examples" / "advisories", folder / "advisories")
        peers = [
            [str(theirs / "bandit"), "-q", "-r", "."],
            [str(theirs / "pip-audit"), "-r", "requirements.txt", "--no-deps", "--disable-pip"],
            [str(theirs / "checkov"), "-d", ".", "--quiet", "--compact"],
            [str(theirs / "modelscan"), "-p", "."],
        ]
        met.append(compare("demo", [[ours, "scan", "."]], peers, demo, 5))
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
