"""Measures the audit of 500 pins with a warm database beside the start of pip-audit, as CPU time of whole processes in one run.

The advisories are made here: 20,000 records of the mix that the export for PyPI has, about invented packages, one of which has 400.
Half of the pins name packages with advisories. The peer lives in ``build/code-trees-venv``; byte code is compiled first on both
sides. pip-audit is only asked for its version, which imports what every audit of it imports; it audits nothing.

Usage: python benchmarks/code_audit.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from models import Bench, cpu
from peers import BIN, ROOT, prepare

sys.path.insert(0, str(ROOT))

from mlguard.scanners.dependencies import audit, database, making, surveying
from tests.dependencies.records import fixed, many, record, write_zip

PEERS = ROOT / "build" / "code-trees-venv"
OURS = str(BIN / "mlguard")
RATIO = 0.25
"""The most that the audit may take of the CPU time of ``pip-audit --version``."""

OPEN_MS, LOOK_UP_US, MANY_MS = 20.0, 100.0, 10.0
"""The most that opening the database, a look-up, and one in a package of 400 advisories may take."""

PINS, RUNS = 500, 9


def made(folder: Path) -> Path:
    """Make the database in the folder of a user's data, and return its path."""
    heavy = [record(f"PYSEC-2025-{n}", "heavy", events=fixed(f"2.{n % 20}.0"), versions=VERSIONS) for n in range(400)]
    day = date.today().isoformat()
    records = [{**one, "modified": f"{day}T00:00:00Z"} for one in (*many(20_000), *heavy)]
    place = folder / "mlguard" / database.NAME
    survey = surveying.survey(write_zip(folder / "all.zip", records))
    database.write(place, making.made(survey, "all.zip", "0" * 64, date.today()))
    return place


VERSIONS = [f"{major}.{minor}.{patch}" for major in range(3) for minor in range(20) for patch in range(3)]


def best(what: Callable[[], object], runs: int = 50) -> float:
    """Return the least CPU seconds that something takes in this process."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        what()
        times.append(time.process_time() - start)
    return min(times)


def main() -> int:
    prepare(PEERS, "pip-audit", ("pip-audit==2.10.1",))
    bench = Bench()
    with tempfile.TemporaryDirectory(prefix="mlguard-audit-") as folder:
        os.environ["XDG_DATA_HOME"] = folder
        place = made(Path(folder))
        tree = Path(folder) / "tree"
        tree.mkdir()
        names = [f"package-{n}" if n % 2 else f"other-{n}" for n in range(PINS)]
        digest = "ab" * 32
        (tree / "requirements.txt").write_text("".join(f"{name}==9.0.0 --hash=sha256:{digest}\n" for name in names))
        command = [OURS, "scan", str(tree), "-s", "dependencies"]
        done = subprocess.run([*command, "-o", "json"], capture_output=True, text=True, check=False)
        if done.stdout.count('"dep/known-vulnerability"') < PINS / 2:
            print("the audit did not prove its pins; nothing is measured\n" + done.stderr)
            return 1
        theirs = [str(PEERS / "bin" / "pip-audit"), "--version"]
        bench.against("500 pins, whole command", command, theirs, RATIO, RUNS)
        bench.against("500 pins, whole command, one process", [*command, "-j", "0"], theirs, RATIO, RUNS)
        started, start = cpu([OURS, "scan", "--help"])[0], cpu(theirs)[0]
        print(f"{'  of which the start of the command':<44} {started:7.3f} s   ratio {started / start:6.3f}")
        with database.open_database(place) as found:
            pins = [(name, "9.0.0") for name in names]
            alone = best(lambda: list(audit.audit(pins, found)))
            print(f"{'  of which the audit of the pins':<44} {alone:7.3f} s   ratio {alone / start:6.3f}")
            opened = 1e3 * best(lambda: database.open_database(place).close())
            bench.line("open 20,400 advisories", f"{opened:7.2f} ms   at most {OPEN_MS}", opened <= OPEN_MS)
            look = 1e6 * best(lambda: list(audit.audit(pins, found))) / PINS
            bench.line("look a pin up", f"{look:7.1f} us   at most {LOOK_UP_US}", look <= LOOK_UP_US)
            heavy = 1e3 * best(lambda: list(audit.audit([("heavy", "9.0.0")], found)))
            bench.line(
                "look up one of 400 advisories, none hit", f"{heavy:7.2f} ms   at most {MANY_MS}", heavy <= MANY_MS
            )
    return 0 if bench.met else 1


if __name__ == "__main__":
    sys.exit(main())
