"""Measures the engine of the code scanner inside of one process: bandit's checks alone, and which of our own checks cost what.

Usage: python benchmarks/code_engine.py rules|parity|checks FOLDER; ``benchmarks/code.py`` runs the same on the large trees.
"""

from __future__ import annotations

import ast
import gc
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from mlguard.errors import Unreadable  # noqa: E402
from mlguard.scanners.code import bandit_checks, own, source  # noqa: E402
from mlguard.scanners.code.names import Names  # noqa: E402
from mlguard.scanners.code.parsing import paused  # noqa: E402


def sources(folder: Path) -> Iterator[source.Source]:
    """Yield the files that can be parsed, each with its tree until the next one is asked for."""
    for path in sorted(folder.rglob("*.py")):
        try:
            with paused():
                held = source.python_file(str(path), path.read_bytes())
                yield held
                held.tree.close()
        except Unreadable:
            continue


def rules(folder: Path) -> None:
    """Run bandit's checks through our own walk over every file, and print the number of issues."""
    results = (one for held in sources(folder) for one in bandit_checks.seen(held.tree, held.data, held.path))
    print(sum(isinstance(one, bandit_checks.Seen) for one in results))


def parity(folder: Path, expected: str) -> None:
    """Compare with the JSON that ``bandit -r`` wrote of the folder; print issues, files and files that differ.

    Files with a comment that bandit reads as a bare one though it names something are left out: there both differ on purpose.
    """
    from tests.test_bandit_parity import _normal, driven

    theirs: dict[str, list[dict[str, Any]]] = {}
    for result in json.loads(Path(expected).read_text())["results"]:
        theirs.setdefault(result["filename"], []).append(_normal(result))
    issues = files = different = 0
    for path in sorted(folder.rglob("*.py")):
        found = driven(str(path), path.read_bytes())
        if found is None or _has_void_comment(path):
            continue
        files += 1
        issues += len(found)
        different += found != theirs.get(str(path), [])
    print(issues, files, different)


def _has_void_comment(path: Path) -> bool:
    from mlguard.scanners.code.nosec import marks

    return any(not mark.known for mark in marks(path.read_bytes(), bandit_checks._identify).values())


def checks(folder: Path, shown: int = 20) -> None:
    """Print what the engine takes, and each of our checks, as shares of the CPU time of ``ast.parse``."""
    spent: dict[str, list[float]] = {}
    for watch in own.WATCHES:
        check = watch.check

        def timed(*given: Any, check: Any = check) -> Iterator[Any]:
            start = time.process_time()
            found = list(check(*given))
            entry = spent.setdefault(f"{check.__module__.rsplit('.', 1)[1]}.{check.__name__}", [0.0, 0])
            entry[0] += time.process_time() - start
            entry[1] += 1
            return iter(found)

        object.__setattr__(watch, "check", timed)
    parse = whole = 0.0
    for held in sources(folder):
        start = time.process_time()
        ast.parse(held.data)
        middle = time.process_time()
        list(bandit_checks.seen(held.tree, held.data, held.path))  # what both need is counted with bandit's
        before = time.process_time()
        list(own.sights(held, Names(held.tree)))
        parse, whole = parse + middle - start, whole + time.process_time() - before
    inside = sum(seconds for seconds, _ in spent.values())
    print(
        f"ast.parse {parse:.2f} s; own rules +{whole / parse:.0%}: engine and clock {(whole - inside) / parse:.0%}, checks {inside / parse:.0%}"
    )
    for name, (seconds, calls) in sorted(spent.items(), key=lambda item: -item[1][0])[:shown]:
        print(f"  {name:<40} {seconds / parse:6.1%} {calls:8.0f} calls")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    gc.collect()
    commands: dict[str, Callable[..., None]] = {"rules": rules, "parity": parity, "checks": checks}
    commands[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
