"""Measures the dataset scanner beside its peers: CPU time of whole processes (user and system), as ratios within one run.

The table has 28 columns (``benchmarks/table.py``). The peers live in ``build/data-peers-venv``, which this script makes when it is
missing; byte code is compiled on both sides. Presidio and datafog-core look at single cells, so that they are given a sample of rows
and their time is multiplied: the line says so. Runs alternate; the figure is the median of the ratios of neighbours.

    python benchmarks/data.py [rows] [--large]
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from peers import BIN, ROOT, prepare
from table import write

PEERS = ROOT / "build" / "data-peers-venv"
PACKAGES = ("presidio-analyzer==2.2.366", "datafog-core==0.4.4", "pyarrow==26.0.1", "pycanon==1.3.6", "pandas<3")
SAMPLE = {"presidio": 150, "datafog": 20_000}
"""Rows of the table that the peers are given."""

READ = """
import sys, pyarrow.parquet as pq
for batch in pq.ParquetFile(sys.argv[1]).iter_batches():
    pass
"""
USED = """
import resource
def used():
    figures = resource.getrusage(resource.RUSAGE_SELF)
    return figures.ru_utime + figures.ru_stime
"""
CELLS = f"""
import sys, json, pyarrow.parquet as pq
{USED}
rows = int(sys.argv[2])
batch = next(pq.ParquetFile(sys.argv[1]).iter_batches(batch_size=rows))
columns = [[None if v is None else str(v) for v in column.to_pylist()] for column in batch.columns]
"""
PRESIDIO = f"""{CELLS}
from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine.no_op_nlp_engine import NoOpNlpEngine
import logging, warnings, tldextract
logging.disable(logging.CRITICAL); warnings.simplefilter("ignore")
offline = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
tldextract.tldextract.TLD_EXTRACTOR = offline; tldextract.extract = offline
engine = NoOpNlpEngine([{{"lang_code": "en", "model_name": ""}}]); engine.load()
analyzer = AnalyzerEngine(nlp_engine=engine, supported_languages=["en"])
analyzer.analyze("a@b.co", "en")
start = used()
for column in columns:
    for cell in column:
        if cell: analyzer.analyze(cell, "en")
print(json.dumps(used() - start))
"""
DATAFOG = f"""{CELLS}
import datafog_core
start = used()
for column in columns:
    for cell in column:
        if cell: datafog_core.scan(cell)
print(json.dumps(used() - start))
"""
QUASI, SENSITIVE = ("gender", "city", "visits"), "religion"
PYCANON = f"""
import sys, json, pandas as pd
from pycanon import anonymity
{USED}
frame = pd.read_parquet(sys.argv[1])
start = used()
k = anonymity.k_anonymity(frame, {list(QUASI)!r})
l = anonymity.l_diversity(frame, {list(QUASI)!r}, [{SENSITIVE!r}])
print(json.dumps([k, l, used() - start]))
"""
CLASSES = f"""
import sys, json, pyarrow.parquet as pq
sys.path.insert(0, {str(ROOT)!r})
from mlguard.scanners.dataset.anonymity import Classes
{USED}
batches = pq.read_table(sys.argv[1]).to_batches()
start = used()
classes = Classes({list(QUASI)!r}, [{SENSITIVE!r}])
for batch in batches:
    classes.add(batch)
result = classes.result()
print(json.dumps([result.k, result.diversity[0].distinct, used() - start]))
"""


def run(command: Sequence[str]) -> tuple[float, int, str]:
    """Return the CPU seconds of a command, its peak memory in MiB, and what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
    text = process.stdout.read().decode() if process.stdout else ""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = status
    return used.ru_utime + used.ru_stime, used.ru_maxrss // 1024, text


def scan(path: Path) -> list[str]:
    """Return the command that looks at a file as `mlguard scan` does, in one process."""
    return [str(BIN / "mlguard"), "scan", "--jobs", "1", "-o", f"json={path.with_suffix('.report.json')}", str(path)]


class Bench:
    """Prints a line for each comparison, and remembers whether every target was met."""

    def __init__(self) -> None:
        self.met = True

    def line(self, name: str, told: str, met: bool) -> None:
        self.met = self.met and met
        print(f"{name:<46} {told}   {'met' if met else 'MISSED'}", flush=True)


def full_scan(bench: Bench, path: Path, rows: int) -> None:
    """Compare the scan of the whole table with reading it, and with the peers on samples of it."""
    read = [str(BIN / "python"), "-c", READ, str(path)]
    run(scan(path)), run(read)
    pairs = [(run(scan(path))[0], run(read)[0]) for _ in range(3)]
    ours = statistics.median(pair[0] for pair in pairs)
    ratio = statistics.median(a / b for a, b in pairs)
    bench.line("scan / reading with pyarrow", f"{ours:6.2f} s   ratio {ratio:.2f}   at most 8", ratio <= 8)
    for name, code, least in (("presidio", PRESIDIO, 1000), ("datafog", DATAFOG, 5)):
        sample = SAMPLE[name]
        seconds = float(run([str(PEERS / "bin/python"), "-c", code, str(path), str(sample)])[2]) * rows / sample
        told = f"{seconds:9.0f} s extrapolated from {sample:,} rows   {seconds / ours:8.1f} times   at least {least}"
        bench.line(f"{name} on every cell / scan", told, seconds / ours >= least)


def classes(bench: Bench, path: Path) -> None:
    """Compare k and l over three columns with pyCANON, the table in memory on both sides."""
    k, distinct, ours = min(
        (json.loads(run([str(BIN / "python"), "-c", CLASSES, str(path)])[2]) for _ in range(3)), key=lambda f: f[2]
    )
    their_k, their_l, theirs = json.loads(run([str(PEERS / "bin/python"), "-c", PYCANON, str(path)])[2])
    told = f"k {k} = {their_k}, l {distinct} = {their_l}: {ours:.3f} s against {theirs:.1f} s   {theirs / ours:.0f} times   at least 200"
    bench.line(
        "pyCANON / k and l over three columns", told, theirs / ours >= 200 and (k, distinct) == (their_k, their_l)
    )


def memory(bench: Bench, sizes: Sequence[int]) -> None:
    """Print the peak memory of the scan of tables of so many rows."""
    for rows in sizes:
        path = ROOT / "build" / f"people-{rows}.parquet"
        if not path.exists():
            write(path, rows)
        _, peak, _ = run(scan(path))
        bench.line(f"peak memory at {rows:,} rows", f"{peak} MiB   at most 500", peak <= 500)


def main() -> int:
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    rows = numbers[0] if numbers else 1_000_000
    prepare(PEERS, "tldextract", PACKAGES)
    path = ROOT / "build" / f"people-{rows}.parquet"
    if not path.exists():
        write(path, rows)
    bench = Bench()
    full_scan(bench, path, rows)
    classes(bench, path)
    memory(bench, (rows, 5 * rows, 20 * rows) if "--large" in sys.argv else (rows,))
    return 0 if bench.met else 1


if __name__ == "__main__":
    sys.exit(main())
