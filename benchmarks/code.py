"""Measures the scanner of code beside bandit on installed packages: wall and CPU time of whole processes, as ratios within one run.

The trees are packages as they are installed, ``transformers`` first: about 2,900 files, 53 MB and 1.2 million lines. They and bandit live
in ``build/code-trees-venv``. Byte code is compiled first on every side. A run of bandit over the large tree takes a minute or
more, so each pair (bandit, ours) is measured once unless ``--runs`` says more; the figure is the median.

Usage: python benchmarks/code.py [cold] [one] [rules] [parity] [warm] [own] [checks] [memory] [--tree NAME] [--runs N]; without a name everything.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from peers import BIN, ROOT, prepare

PEERS = ROOT / "build" / "code-trees-venv"
PACKAGES = ("bandit==1.9.4", "detect-secrets==1.5.0", "transformers", "mlflow", "scikit-learn")
OURS = str(BIN / "mlguard")

FASTER = {"cold": 5.0, "one": 3.2, "warm": 200.0, "rules": 3.2}
"""How many times less than bandit's: wall time of two workers, CPU time of one process, wall time of a run in which nothing changed."""

OWN_SHARE = 0.35
"""What our own rules may take beyond parsing, as a share of the CPU time of ``ast.parse``."""

WORKER_MIB = 150
"""What one process may take in memory on a million lines."""


@dataclass(frozen=True)
class Cost:
    """Seconds of one call: on the clock, and of all its processes together."""

    wall: float
    cpu: float


def cost(command: Sequence[str], **environment: str) -> Cost:
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        command,
        env={**os.environ, **environment},
        cwd=os.sep,
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def peak(command: Sequence[str]) -> float:
    """Return the most memory that any process of the call had at once, in MiB (RUSAGE_CHILDREN counts KiB on Linux)."""
    script = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command], cwd=os.sep, capture_output=True, text=True, check=True
    )
    return int(done.stdout) / 1024


class Bench:
    """One tree, bandit's times on it, and whether every target was met."""

    def __init__(self, tree: Path, runs: int, scratch: Path) -> None:
        self.tree, self.runs, self.scratch = tree, runs, scratch
        self.bandit: list[Cost] = []
        self.met = True

    def scan(self, *more: str) -> list[str]:
        return [
            OURS,
            "scan",
            str(self.tree),
            "--root",
            str(self.tree),
            "-s",
            "code",
            "-o",
            f"json={self.scratch}/ours.json",
            *more,
        ]

    def beside_bandit(self, name: str, ours: Callable[[], float], theirs: Callable[[Cost], float], unit: str) -> None:
        """Print how many times less ours is, pair by pair, and note whether that is enough."""
        pairs = []
        for number in range(self.runs):
            if len(self.bandit) <= number:
                output = f"{self.scratch}/bandit.json"
                self.bandit.append(
                    cost([str(PEERS / "bin/bandit"), "-q", "-r", str(self.tree), "-f", "json", "-o", output])
                )
            pairs.append((ours(), theirs(self.bandit[number])))
        ratio = statistics.median(b / a for a, b in pairs)
        self.tell(
            name,
            f"{pairs[-1][0]:8.3f} s against {pairs[-1][1]:8.3f} s {unit}   {ratio:6.1f} times less",
            ratio,
            FASTER[name],
        )

    def tell(self, name: str, text: str, figure: float, least: float) -> None:
        met = figure >= least
        self.met &= met
        print(f"{name:<7} {text}   at least {least:g}   {'met' if met else 'MISSED'}", flush=True)

    def cold(self) -> None:
        """The whole tree, two workers, nothing known."""
        self.beside_bandit(
            "cold", lambda: cost(self.scan("-j", "2", "--no-cache")).wall, lambda theirs: theirs.wall, "wall"
        )

    def one(self) -> None:
        """The whole tree in one process, nothing known."""
        self.beside_bandit(
            "one", lambda: cost(self.scan("-j", "0", "--no-cache")).cpu, lambda theirs: theirs.cpu, "CPU"
        )

    def engine(self, *arguments: str) -> list[str]:
        return [str(BIN / "python"), str(ROOT / "benchmarks/code_engine.py"), *arguments]

    def rules(self) -> None:
        """bandit's checks alone through our own walk, one process that does nothing else."""
        self.beside_bandit(
            "rules", lambda: cost(self.engine("rules", str(self.tree))).cpu, lambda theirs: theirs.cpu, "CPU"
        )

    def parity(self) -> None:
        """Every field of every issue beside what bandit's command wrote."""
        expected = self.scratch / "expected.json"
        cost([str(PEERS / "bin/bandit"), "-q", "-r", str(self.tree), "-f", "json", "-o", str(expected)])
        done = subprocess.run(
            self.engine("parity", str(self.tree), str(expected)), capture_output=True, text=True, check=True
        )
        issues, files, different = map(int, done.stdout.split())
        self.met &= different == 0
        print(
            f"parity  {issues} issues of {files} files, {different} files differ   {'met' if not different else 'MISSED'}",
            flush=True,
        )

    def checks(self) -> None:
        """What each of our checks costs; no target."""
        print(
            subprocess.run(self.engine("checks", str(self.tree)), capture_output=True, text=True, check=True).stdout,
            flush=True,
        )

    def warm(self) -> None:
        """The whole tree again, nothing changed: the median of five calls for each of bandit's."""
        home = str(self.scratch / "cache")
        cost(self.scan(), XDG_CACHE_HOME=home)
        cost(self.scan(), XDG_CACHE_HOME=home)

        def again() -> float:
            return statistics.median(cost(self.scan(), XDG_CACHE_HOME=home).wall for _ in range(5))

        self.beside_bandit("warm", again, lambda theirs: theirs.wall, "wall")

    def own(self) -> None:
        """Our own rules on top of everything else, as a share of ``ast.parse``: file by file in one process that is warm.

        CPU time of the scanner (parsing, bandit's checks, our rules, the records) less that of the same without our rules, divided by that
        of ``ast.parse`` without garbage collection. The stricter figure counts listing the nodes as ours too, which bandit's checks need as well.
        """
        done = subprocess.run(
            [str(BIN / "python"), "-c", _OWN, str(self.tree), str(ROOT), str(max(self.runs, 3))],
            cwd=os.sep,
            capture_output=True,
            text=True,
            check=True,
        )
        figures = [[float(figure) for figure in line.split()] for line in done.stdout.splitlines()]
        share = statistics.median(ours / parse for parse, _, ours in figures)
        strict = statistics.median((ours + listing) / parse for parse, listing, ours in figures)
        met = share <= OWN_SHARE
        self.met &= met
        print(
            f"own     +{share:.0%} of {figures[0][0]:.2f} s of ast.parse, CPU (+{strict:.0%} with the listing of nodes)   "
            f"at most +{OWN_SHARE:.0%}   {'met' if met else 'MISSED'}",
            flush=True,
        )

    def memory(self) -> None:
        """The most that one process takes, with two workers over the whole tree."""
        lines = sum(path.read_bytes().count(b"\n") for path in self.tree.rglob("*.py"))
        most = peak(self.scan("-j", "2", "--no-cache"))
        met = most <= WORKER_MIB
        self.met &= met
        print(
            f"memory  {most:8.1f} MiB in one process, {lines / 1e6:.2f} million lines   at most {WORKER_MIB}   {'met' if met else 'MISSED'}",
            flush=True,
        )


_OWN = """
import ast, gc, sys, time, warnings
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from mlguard.errors import Unreadable
from mlguard.scanners.code import report, source
from mlguard.scanners.code.parsing import paused
warnings.simplefilter("ignore")
files = [(str(path), path.read_bytes()) for path in sorted(Path(sys.argv[1]).rglob("*.py"))]
rules, clock = report.sights, time.process_time
def seconds(path, data, sights):
    report.sights = sights
    start = clock()
    with paused():
        try:
            held = source.python_file(path, data)
            if sights is not None:
                for _ in report.records(held):
                    pass
        except Unreadable:
            return clock() - start
        held.tree.close()
    return clock() - start
def parsing(data):
    gc.disable()
    start = clock()
    try:
        ast.parse(data)
    except (SyntaxError, ValueError):
        pass
    spent = clock() - start
    gc.enable()
    return spent
def nothing(*given):
    return ()
for path, data in files[:200]:
    seconds(path, data, rules)
gc.collect()
gc.freeze()
for run in range(int(sys.argv[3])):
    parse = listed = with_rules = without = 0.0
    for number, (path, data) in enumerate(files):
        parse += parsing(data)
        listed += seconds(path, data, None)
        if number % 2:
            without += seconds(path, data, nothing)
        with_rules += seconds(path, data, rules)
        if not number % 2:
            without += seconds(path, data, nothing)
    print(parse, listed - parse, with_rules - without)
"""
"""Each file is parsed alone, read by the scanner with our rules, and without them, one right after the other, in several runs."""


def main() -> int:
    """Run what was asked for. Returns 1 when a target is missed."""
    names = ("cold", "one", "rules", "parity", "warm", "own", "checks", "memory")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument("--tree", default="transformers")
    parser.add_argument("--runs", type=int, default=1)
    asked = parser.parse_args()
    if unknown := sorted(set(asked.what) - set(names)):
        parser.error(f"there is no benchmark {unknown[0]}; there are {', '.join(names)}")
    prepare(PEERS, "bandit", PACKAGES)
    (packages,) = (PEERS / "lib").glob("python3*/site-packages")
    scratch = Path(tempfile.mkdtemp())
    try:
        bench = Bench(packages / asked.tree, asked.runs, scratch)
        for name in asked.what or names:
            getattr(bench, name)()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return 0 if bench.met else 1


if __name__ == "__main__":
    sys.exit(main())
