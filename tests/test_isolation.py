"""A scanner that misbehaves costs gaps for its files and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from mlguard import discovery, rules
from mlguard.engine import Job, run
from mlguard.findings import Report

PLUGIN = """
import os, signal, sys, time
from mlguard.findings import Detection, Gap, Location

class Fragile:
    name = "fragile"

    def plan(self, artifacts, settings):
        return [(artifact,) for artifact in artifacts if artifact.kind == "text"]

    def scan(self, group, context):
        path = group[0].path
        yield Detection("docker/root-user", "last-stage", Location(path), {"user": "root"}, anchor="before")
        behaviour = path.rsplit("/", 1)[-1].split(".")[0]
        if behaviour == "raises":
            raise KeyError("canary-value")
        if behaviour == "hangs":
            time.sleep(60)
        if behaviour == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if behaviour == "exits":
            os._exit(0)
        if behaviour == "quits":
            sys.exit(1)
        if behaviour == "eats":
            hoard = [bytes(64 * 2**20) for _ in range(1000)]
        if behaviour == "prints":
            print("canary-value {}")
            os.write(1, b'{"done": true}\\n')
            os.write(2, b"canary-value")
        if behaviour == "recurses":
            def deeper(): return deeper()
            deeper()
        yield Detection("docker/root-user", "last-stage", Location(path, 2), {"user": "root"}, anchor="after")
"""

BEHAVIOURS = ["raises", "hangs", "killed", "exits", "quits", "eats", "prints", "recurses", "well", "well-too"]


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A third party's package, installed as its metadata and module on the path of this and every child process."""
    site = tmp_path_factory.mktemp("site")
    (site / "fragile.py").write_text(PLUGIN)
    metadata = site / "fragile-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: fragile\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[mlguard.scanners]\nfragile = fragile:Fragile\n")
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(site)
    sys.path.insert(0, str(site))
    yield site
    sys.path.remove(str(site))
    sys.modules.pop("fragile", None)
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


def scan(root: Path, behaviours: Sequence[str], processes: int = 2) -> Report:
    for name in behaviours:
        (root / f"{name}.txt").write_text("some text\nand more\n")
    artifacts = discovery.classify(root, [f"{name}.txt" for name in behaviours]).artifacts
    job = Job(
        root, artifacts, ["fragile"], rules.load(), plugins=["fragile"], processes=processes, timeout=5.0, memory=2**29
    )
    return run(job)


def test_each_misbehaviour_costs_one_gap_and_keeps_what_was_seen(plugin: Path, tmp_path: Path) -> None:
    report = scan(tmp_path, BEHAVIOURS)

    gaps = {gap.path: gap.kind for gap in report.gaps}
    assert gaps == {
        "raises.txt": "crash", "hangs.txt": "timeout", "killed.txt": "crash", "exits.txt": "crash", "quits.txt": "crash",
        "eats.txt": "too-large", "recurses.txt": "unreadable",
    }  # fmt: skip
    seen = {(finding.location.path, finding.location.line) for finding in report.findings}
    assert {(f"{name}.txt", 1) for name in BEHAVIOURS} <= seen
    assert {(f"{name}.txt", 2) for name in ("well", "well-too", "prints")} <= seen
    assert "canary-value" not in repr(report)


@pytest.mark.parametrize("processes", [0, 1, 3])
def test_report_is_the_same_for_any_number_of_processes(plugin: Path, tmp_path: Path, processes: int) -> None:
    names = ["well", "raises", "prints", *(f"well-{number}" for number in range(20))]

    assert scan(tmp_path, names, processes) == scan(tmp_path, names, 2)


def test_children_end_with_their_parent(plugin: Path, tmp_path: Path) -> None:
    (tmp_path / "hangs.txt").write_text("some text\n")
    code = (
        "from pathlib import Path; import sys; from tests.test_isolation import scan;"
        f"scan(Path({str(tmp_path)!r}), ['hangs'], 1)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parent.parent)
    children = wait_for(lambda: child_processes(parent.pid))

    parent.send_signal(signal.SIGKILL)
    parent.wait()

    assert wait_for(lambda: not any(Path(f"/proc/{child}/cmdline").read_bytes() for child in alive(children)))


def child_processes(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(children: Iterable[int]) -> list[int]:
    return [child for child in children if Path(f"/proc/{child}/cmdline").exists()]


def wait_for(question, seconds: float = 20.0):  # type: ignore[no-untyped-def]
    end = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
    return answer
