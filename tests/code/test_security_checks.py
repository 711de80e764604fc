"""What the checks of security must see, and what they must leave alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlguard.findings import Detection
from mlguard.scanners.code import pins, source
from mlguard.scanners.code.report import records
from tests.code.security_samples import BAD, GOOD
from tests.scanning import found, scan

MARK = "# <-"


def lines(code: str, rule: str, ours: bool = False) -> list[int]:
    """Return the lines of a snippet that a rule reports, of our own checks only where that is asked for."""
    seen = records(source.python_file("service.py", code.encode()))
    return sorted(
        {
            record.location.line
            for record in seen
            if isinstance(record, Detection)
            and record.rule == rule
            and not (ours and record.check.startswith("bandit-"))
        }
    )


def marked(code: str) -> list[int]:
    return [number for number, line in enumerate(code.split("\n"), 1) if line.endswith(MARK)]


@pytest.mark.parametrize(("rule", "code"), [(rule, code) for rule, codes in BAD.items() for code in codes])
def test_an_unsafe_line_is_reported(rule: str, code: str) -> None:
    assert set(marked(code)) <= set(lines(code, rule)), code


@pytest.mark.parametrize(("rule", "code"), [(rule, code) for rule, codes in BAD.items() for code in codes])
def test_no_other_line_of_an_unsafe_snippet_is_reported(rule: str, code: str) -> None:
    assert set(lines(code, rule, ours=True)) <= set(marked(code)), code


@pytest.mark.parametrize(("rule", "code"), [(rule, code) for rule, codes in GOOD.items() for code in codes])
def test_a_safe_snippet_is_not_reported(rule: str, code: str) -> None:
    assert lines(code, rule, ours=True) == [], code


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("requirements.txt", "torch==2.6.0\n", 0),
        ("requirements.txt", "torch>=2.7,<3\n", 0),
        ("requirements.txt", "torch==2.8.0+cu126 ; python_version > '3.9'\n", 0),
        ("requirements.txt", "torch==2.5.1\n", 1),
        ("requirements.txt", "torch\n", 1),
        ("requirements.txt", "torchvision==2.9\n", 1),
        ("pyproject.toml", "[project]\nname = 'x'\nversion = '1'\ndependencies = ['torch >= 2.6']\n", 0),
        ("pyproject.toml", "[tool.poetry.dependencies]\ntorch = '^2.6'\n", 0),
        ("pyproject.toml", "[project]\nname = 'x'\nversion = '1'\ndependencies = ['torch < 3']\n", 1),
        ("poetry.lock", '[[package]]\nname = "torch"\nversion = "2.7.1"\n', 0),
        ("uv.lock", 'version = 1\n[[package]]\nname = "torch"\nversion = "2.4.0"\n', 1),
        ("environment.yml", "dependencies:\n  - python=3.11\n  - pip:\n      - torch==2.6.0\n", 0),
        ("Pipfile.lock", '{"default": {"torch": {"hashes": [], "version": "==2.6.0"}}}', 0),
    ],
)
def test_the_version_that_is_asked_for_decides_whether_a_missing_switch_matters(
    name: str, text: str, expected: int, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    (tmp_path / "serve.py").write_text("import torch\nstate = torch.load('m.pt')\n")

    report = scan(tmp_path, ["code"])

    rules = {rule for _, _, rule in found(report)}
    assert ("code/unsafe-deserialization" in rules) == bool(expected)


def test_a_lock_decides_where_the_manifest_is_loose(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\nversion = '1'\ndependencies = ['torch>=1.13']\n")
    (tmp_path / "uv.lock").write_text('version = 1\n[[package]]\nname = "torch"\nversion = "2.7.0"\n')
    (tmp_path / "serve.py").write_text("import torch\nstate = torch.load('m.pt')\n")

    assert found(scan(tmp_path, ["code"]), "code/unsafe-deserialization") == []


def test_of_several_manifests_the_lowest_version_counts() -> None:
    found_versions = list(pins.found_in("torch==2.6\ntorch==2.1\nnumpy>=1.20\n", False, True))

    assert found_versions == [("torch", "2.6", "2.6"), ("torch", "2.1", "2.1"), ("numpy", "1.20", "")]


@pytest.mark.parametrize(
    "text", ["", "torch", "torch==", "torch=={", "\x00torch==2", "torch" * 5000, "=" * 100000, "torch [" * 20000]
)
def test_a_manifest_of_any_shape_is_read_quickly(text: str) -> None:
    for is_lock in (True, False):
        for name, low, exact in pins.found_in(text, is_lock, True):
            assert name == "torch" and pins.key(low) >= () and pins.key(exact) >= ()
