"""A finding keeps its fingerprint as long as what it is about stays, and a run its bytes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.functional.command import mlguard

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
TEXT = {".py", ".tf", ".yaml", ".yml", ".toml", ".txt", ".md", ""}
BINARY = {"models", "data", "reports", "advisories"}


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLES / "churn", tmp_path / "churn")
    shutil.copytree(EXAMPLES / "advisories", tmp_path / "advisories")
    return tmp_path / "churn"


def scan(tree: Path, *arguments: str, **environment: str) -> str:
    return mlguard("scan", "-o", "json", *arguments, cwd=tree, env=environment).stdout


def fingerprints(tree: Path) -> dict[str, str]:
    """Return what each fingerprint stands for."""
    return {f["fingerprint"]: f"{f['location']['path']} {f['rule']}" for f in json.loads(scan(tree))["findings"]}


def edit(tree: Path, change: Callable[[bytes, str], bytes]) -> None:
    for path in tree.rglob("*"):
        relative = path.relative_to(tree)
        if path.is_file() and path.suffix in TEXT and relative.parts[0] not in BINARY and path.name != "privacy.yaml":
            path.write_bytes(change(path.read_bytes(), path.suffix))


def with_lines_above(data: bytes, suffix: str) -> bytes:
    return (b"\n\n" if suffix == ".md" else b"# one more line\n\n# and another\n") + data


def with_windows_line_ends(data: bytes, suffix: str) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def with_trailing_blanks_and_lines(data: bytes, suffix: str) -> bytes:
    return data.rstrip(b"\n") + b"\n\n\n" if suffix in (".py", ".yaml", ".yml", "") else data.replace(b"\n", b"  \n")


@pytest.mark.parametrize("change", [with_lines_above, with_windows_line_ends, with_trailing_blanks_and_lines])
def test_fingerprints_survive(demo: Path, change: Callable[[bytes, str], bytes]) -> None:
    before = fingerprints(demo)
    edit(demo, change)

    after = fingerprints(demo)

    assert len(before) > 100
    assert {name: what for name, what in before.items() if name not in after} == {}
    assert {name: what for name, what in after.items() if name not in before} == {}


def test_fingerprints_survive_new_code_between_and_a_reformatted_call(tmp_path: Path) -> None:
    first = "import torch\n\n\ndef load(path):\n    return torch.load(path, weights_only=False)\n\n\ndef other(path):\n    return torch.load(path, weights_only=False)\n"
    second = "import torch\n\n\ndef new():\n    return 1\n\n\ndef load(path):\n    log = path\n    return torch.load(\n        path,\n        weights_only=False\n    )\n\n\ndef other(path):\n    return torch.load(path,   weights_only=False)\n"
    (tmp_path / "m.py").write_text(first)
    before = fingerprints(tmp_path)
    (tmp_path / "m.py").write_text(second)

    after = fingerprints(tmp_path)

    assert len(before) >= 2
    assert before == after


def test_mending_one_of_two_like_findings_leaves_the_other(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(
        "import torch\n\na = torch.load('a', weights_only=False)\nb = torch.load('b', weights_only=False)\n"
    )
    before = fingerprints(tmp_path)
    (tmp_path / "m.py").write_text("import torch\n\nb = torch.load('b', weights_only=False)\n")

    assert set(fingerprints(tmp_path)) < set(before)


def test_every_run_gives_the_same_bytes(demo: Path) -> None:
    runs = {
        scan(demo, "-j", jobs, PYTHONHASHSEED=seed)
        for jobs, seed in (("0", "0"), ("1", "1"), ("2", "2"), ("5", "random"))
    }

    assert len(runs) == 1


def test_every_finding_names_a_control_that_exists(demo: Path) -> None:
    controls = {control for finding in json.loads(scan(demo))["findings"] for control in finding["controls"]}

    assert all(mlguard("explain", control, cwd=demo).returncode == 0 for control in sorted(controls))
    assert any(control.startswith("GDPR-") for control in controls)


def test_mlguard_passes_its_own_gate_but_for_what_it_names() -> None:
    root = EXAMPLES.parent
    done = mlguard(
        "scan",
        "mlguard",
        "benchmarks",
        "hatch_build.py",
        "action.yml",
        ".pre-commit-hooks.yaml",
        "-c",
        ".ci/mlguard.yaml",
        "--root",
        ".",
        "-o",
        "json",
        cwd=root,
    )

    report = json.loads(done.stdout)
    assert report["verdict"]["reasons"][0].startswith("no finding at or above high")
    assert done.returncode == 0
