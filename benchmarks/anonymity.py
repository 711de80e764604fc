"""Measures k and l of a million rows beside pyCANON: CPU time (user and system) of the counting alone, in the same run.

pyCANON lives in ``build/data-peers-venv``, which this script makes when it is missing; byte code is compiled on both sides. Each side
makes the same table from the same seed in a process of its own and measures from the table in memory to the figures, with
``resource.getrusage``. Ours draws k, l (distinct, entropy, recursive), t and the spread of each column at once. pyCANON copies every column
for every class, so what it takes depends on the number of classes, on the width of the table and on how pandas keeps text: as objects, or in Arrow arrays as
``read_parquet(dtype_backend="pyarrow")`` does. All are measured. Runs alternate; the figure is the median.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence

from peers import BIN, ROOT, prepare

PEERS = ROOT / "build" / "data-peers-venv"
PACKAGES = ("pycanon==1.3.6", "pandas<3")
ROWS, BATCH = 1_000_000, 131_072
CASES = ((0, 22, "objects"), (24, 22, "objects"), (24, 22, "arrow"), (24, 300, "objects"))
"""Further columns, regions (a class for each of 144 ages and sexes in each), how pandas keeps text."""

MOST_MEMORY = 300
"""MiB of the whole process for 20 million rows of as many classes."""

TABLE = """
import json, resource, sys
import numpy as np
def columns(rows, wide, regions):
    rng = np.random.default_rng(7)
    table = {"age": rng.integers(18, 90, rows), "sex": np.array(["m", "f"])[rng.integers(0, 2, rows)],
             "region": np.array([f"region {n}" for n in range(regions)])[rng.integers(0, regions, rows)],
             "illness": np.array([f"illness {n}" for n in range(12)])[rng.integers(0, 12, rows)]}
    for n in range(wide):
        values = np.array([f"value {v} of column {n}" for v in range(50)])
        table[f"extra{n}"] = values[rng.integers(0, 50, rows)] if n % 2 else rng.random(rows)
    return table
def used():
    figures = resource.getrusage(resource.RUSAGE_SELF)
    return figures.ru_utime + figures.ru_stime
QUASI = ["age", "sex", "region"]
rows, wide, regions, arrow = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "arrow"
"""

OURS = (
    f"{TABLE}\nsys.path.insert(0, {str(ROOT)!r})\n"
    """
import pyarrow as pa
import pyarrow.compute
from mlguard.scanners.dataset.anonymity import Classes
batches = pa.table(columns(rows, wide, regions)).to_batches(131_072)
start = used()
classes = Classes(QUASI, ["illness"])
for batch in batches:
    classes.add(batch)
result = classes.result()
print(json.dumps({"k": result.k, "l": result.diversity[0].distinct, "t": result.diversity[0].t, "cpu": used() - start}))
"""
)

THEIRS = f"""{TABLE}
import pandas as pd
from pycanon import anonymity
frame = pd.DataFrame(columns(rows, wide, regions))
if arrow:
    frame = frame.convert_dtypes(dtype_backend="pyarrow")
start = used()
k = anonymity.k_anonymity(frame, QUASI)
middle = used()
l = anonymity.l_diversity(frame, QUASI, ["illness"])
end = used()
t = anonymity.t_closeness(frame, QUASI, ["illness"]) if rows <= 20_000 else None
print(json.dumps({{"k": k, "l": int(l), "t": t, "cpu": end - start, "cpu_k": middle - start}}))
"""

MANY = (
    f"{TABLE}\nsys.path.insert(0, {str(ROOT)!r})\n"
    """
import pyarrow as pa
from mlguard.scanners.dataset.anonymity import Classes
rng = np.random.default_rng(7)
classes = Classes(["a", "b", "c"], ["s"])
start = used()
for _ in range(rows // 131_072 + 1):
    n = 131_072
    classes.add(pa.record_batch({"a": rng.integers(0, 10**9, n), "b": rng.integers(0, 90, n), "c": rng.integers(0, 3, n),
                                 "s": rng.integers(0, 50, n)}))
result = classes.result()
print(json.dumps({"share": result.share, "cpu": used() - start, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))
"""
)


def measured(
    python: str, script: str, rows: int, wide: int, regions: int = 22, kept: str = "objects"
) -> dict[str, float]:
    """Return what a script prints, run by an interpreter over a table of so many rows, further columns and regions."""
    given = [str(rows), str(wide), str(regions), kept]
    done = subprocess.run([python, "-c", script, *given], check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def compared(wide: int, regions: int, kept: str, runs: int) -> bool:
    """Print one line for a width of the table and a way of pandas to keep text; say whether the figures agree."""
    ours, theirs = str(BIN / "python"), str(PEERS / "bin/python")
    measured(ours, OURS, 1000, wide, regions)
    pairs = [
        (measured(ours, OURS, ROWS, wide, regions), measured(theirs, THEIRS, ROWS, wide, regions, kept))
        for _ in range(runs)
    ]
    ratios = sorted(b["cpu"] / a["cpu"] for a, b in pairs)
    a, b = (statistics.median(pair[side]["cpu"] for pair in pairs) for side in (0, 1))
    same = all((one["k"], one["l"]) == (other["k"], other["l"]) for one, other in pairs)
    print(
        f"{4 + wide:>3} columns ({kept:<7}), {144 * regions:>6,} classes, k and l of {ROWS:,} rows   ours {a:6.3f} s   pyCANON {b:7.3f} s (k alone {pairs[0][1]['cpu_k']:.3f} s)   "
        f"{statistics.median(ratios):6.1f}x ({ratios[0]:.1f}-{ratios[-1]:.1f})   figures {'agree' if same else 'DIFFER'}",
        flush=True,
    )
    return same


def main(arguments: Sequence[str]) -> int:
    prepare(PEERS, "python", PACKAGES)
    runs = int(arguments[0]) if arguments else 3
    same = [compared(*case, runs) for case in CASES]
    small = measured(str(BIN / "python"), OURS, 20_000, 0), measured(str(PEERS / "bin/python"), THEIRS, 20_000, 0)
    near = abs(small[0]["t"] - small[1]["t"]) < 1e-5
    print(
        f"t of 20,000 rows   ours {small[0]['t']:.6f}   pyCANON {small[1]['t']:.6f}   {'agree' if near else 'DIFFER'}"
    )
    many = measured(str(BIN / "python"), MANY, 20_000_000, 0)
    within = many["memory"] <= MOST_MEMORY
    print(
        f"20 million rows, nearly all different   {many['cpu']:.1f} s   peak {many['memory']:.0f} MiB (at most {MOST_MEMORY})   "
        f"1 in {round(1 / many['share'])} classes counted   {'met' if within else 'MISSED'}"
    )
    return 0 if all(same) and near and within else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
