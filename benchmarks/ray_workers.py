"""Times a lake that Ray counts with one worker and with two, each in a cluster of its own.

    python benchmarks/ray_workers.py [PARTS] [REPEATS]

The lake is PARTS files (24) of 131,072 rows by 28 columns in a folder, 25 MB of zstd each. What is timed is a whole scan of them:
planning, handing out, counting in the workers' processes, merging in a tree, and the verdict. What is not timed is the start of the
cluster, and the first scan in it, of one small file, in which actors and processes load their libraries. A worker is one CPU to Ray.
The least of REPEATS (3) is taken, because other work on the machine only adds; one and two workers take turns.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent))

from table import PART, part

from mlguard import discovery, rules
from mlguard.engine import Job, run


def lake(folder: Path, parts: int) -> None:
    """Write the files of the lake, and beside it a small one."""
    for number in range(parts):
        rows = part(np.random.default_rng(number), number * PART, PART)
        pq.write_table(
            pa.Table.from_batches([rows]),
            folder / f"part-{number:05}.parquet",
            compression="zstd",
            row_group_size=PART // 4,
        )


def timed(folder: Path, workers: int) -> tuple[float, float, int]:
    """Return the seconds of the scan, those of the start, and how many columns have personal data."""
    import ray

    start = time.perf_counter()
    ray.init(address="local", num_cpus=workers, include_dashboard=False, log_to_driver=False, configure_logging=False)
    with tempfile.TemporaryDirectory() as small:
        pq.write_table(pa.table({"email": ["mira@kunde.intern"]}), Path(small) / "small.parquet")
        run(job(Path(small)))
    begun = time.perf_counter()
    report = run(job(folder))
    end = time.perf_counter()
    ray.shutdown()
    assert not report.gaps
    return end - begun, begun - start, sum(len(fact.fields) for fact in report.facts if hasattr(fact, "fields"))


def job(folder: Path) -> Job:
    """Return the job of a scan by the cluster that is connected."""
    found = discovery.classify(folder, [path.name for path in folder.iterdir()])
    return Job(folder, found.artifacts, ("dataset",), rules.load(), processes=1, ray="", timeout=600)


def main(parts: int = 24, repeats: int = 3) -> None:
    with tempfile.TemporaryDirectory() as name:
        lake(Path(name), parts)
        size = sum(path.stat().st_size for path in Path(name).iterdir())
        print(f"{parts} files, {parts * PART:,} rows x 28, {size / 2**20:.0f} MiB")
        best: dict[int, float] = {}
        for _ in range(repeats):
            for workers in (1, 2):
                seconds, start, fields = timed(Path(name), workers)
                best[workers] = min(seconds, best.get(workers, seconds))
                print(f"{workers} workers: {seconds:6.1f} s, started in {start:.1f} s, {fields} fields", flush=True)
    print(f"two workers against one: {best[1] / best[2]:.2f}x")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
