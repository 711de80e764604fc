"""Prints how much CPU time a SARIF log of many findings takes, as a ratio to json.dumps of the same document."""

from __future__ import annotations

import gzip
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from mlguard.findings import Location
from mlguard.reporters import sarif
from tests.reports import CATALOGUE, REPORT, RULES, VERDICT, finding


def main(number: int = 25_000, rounds: int = 5) -> None:
    """Measure rounds in turns, so that a busy machine slows both alike, and print medians."""
    findings = tuple(
        finding(
            RULES[index % len(RULES)].id,
            f"src/package{index % 97}/module{index % 1013}.py",
            index,
            message=f"'client.load{index}' at 'load_model' runs code that the file carries.",
            location=Location(
                f"src/package{index % 97}/module{index % 1013}.py", index % 900 + 1, 9, index % 900 + 1, 21
            ),
            excerpt=(f"    model{index} = pickle.load(file)",),
        )
        for index in range(number)
    )
    report = replace(REPORT, findings=findings)
    document = json.loads(sarif.render(report, VERDICT, CATALOGUE))
    render, dumps = [], []
    for _ in range(rounds):
        render.append(cpu(lambda: sarif.render(report, VERDICT, CATALOGUE)))
        dumps.append(cpu(lambda: json.dumps(document)))
    text = sarif.render(report, VERDICT, CATALOGUE)
    mine, theirs = statistics.median(render), statistics.median(dumps)
    packed = len(gzip.compress(text.encode()))
    print(f"{number:,} findings, {len(text) / 1e6:.1f} MB, {packed / 1e6:.2f} MB gzip")
    print(f"render {mine:.2f} s, json.dumps {theirs:.2f} s, ratio {mine / theirs:.2f} (at most 3)")


def cpu(work: Callable[[], object]) -> float:
    """Return the CPU seconds that ``work`` takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
