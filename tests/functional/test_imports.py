"""Start-up is a feature: which modules the quick commands may load."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from mlguard.scanners.dependencies import database, making, surveying
from tests.dependencies.records import fixed, record, write_zip
from tests.functional.command import MLGUARD, git, write

HEAVY = {
    "presidio_analyzer", "spacy", "thinc", "numpy", "pandas", "pyarrow", "torch", "pip_audit", "cyclonedx", "requests",
    "urllib3", "httpx", "jinja2", "rich.progress", "pydantic", "jsonschema", "sqlite3", "asyncio", "multiprocessing", "xml",
    "ssl", "tree_sitter", "detect_secrets",
}  # fmt: skip


def imported(*arguments: str, cwd: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", MLGUARD, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    return {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


def test_version_loads_nothing_beyond_the_interpreter_and_mlguard(tmp_path: Path) -> None:
    bare = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import re"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    known = {line.rsplit("|", 1)[-1].strip() for line in bare.stderr.splitlines()}

    beyond = {name for name in imported("--version", cwd=tmp_path) - known if not name.startswith("mlguard")}

    assert beyond <= {
        "__future__",
        "typing",
        "contextlib",
        "collections.abc",
        "_typing",
        "typing.io",
        "typing.re",
        "warnings",
    }


@pytest.mark.parametrize("arguments", [["--help"], ["scan", "--help"], ["config", "check"]])
def test_help_and_config_load_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    write(tmp_path, {"mlguard.yaml": "version: 1\n"})

    assert imported(*arguments, cwd=tmp_path) & {*HEAVY, "bandit"} == set()


def test_hook_on_clean_python_files_loads_nothing_heavy(tmp_path: Path) -> None:
    git(tmp_path, "init")
    write(tmp_path, {f"m{n}.py": "def double(x: int) -> int:\n    return 2 * x\n" for n in range(5)})

    loaded = imported("hook", *(f"m{n}.py" for n in range(5)), cwd=tmp_path)

    assert "mlguard.scanners.code" in loaded
    assert loaded & {*HEAVY, *LONG} <= {"logging", "configparser"}  # bandit loads these two


LONG = {"click", "dataclasses", "inspect", "logging", "packaging.tags", "configparser", "tempfile", "yaml"}
"""What is no burden to a long run and half of a short one."""


def test_help_of_a_scan_loads_nothing_that_a_scan_needs(tmp_path: Path) -> None:
    loaded = imported("scan", "--help", cwd=tmp_path)

    assert (
        loaded & {"mlguard.engine", "mlguard.findings", "mlguard.rules", "mlguard.config", "dataclasses", "json"}
        == set()
    )


def test_audit_loads_only_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    exported = write_zip(tmp_path / "all.zip", [record("PYSEC-2025-1", "flask", events=fixed("2.0.0"))])
    made = making.made(surveying.survey(exported), "all.zip", "0" * 64, date.today())
    database.write(tmp_path / "data/mlguard" / database.NAME, made)
    write(tmp_path, {"tree/requirements.txt": "flask==3.0.0\nnumpy==2.0.0\n"})
    imported("scan", "-s", "dependencies", "tree", cwd=tmp_path)  # compiles the rules where nobody has done so yet

    loaded = imported("scan", "-s", "dependencies", "tree", cwd=tmp_path)

    assert "mlguard.scanners.dependencies.audit" in loaded
    assert (
        loaded
        & {
            *HEAVY,
            *LONG,
            "mlguard.cache",
            "mlguard.pool",
            "mlguard.assess.governance",
            "mlguard.assess.cards",
        }
        == set()
    )


def test_scan_of_a_few_files_starts_no_child(tmp_path: Path) -> None:
    write(tmp_path, {f"m{n}.py": "def double(x: int) -> int:\n    return 2 * x\n" for n in range(5)})

    by_itself, told = imported("scan", ".", cwd=tmp_path), imported("scan", "-j", "1", ".", cwd=tmp_path)

    assert "mlguard.pool" not in by_itself
    assert "mlguard.pool" in told


def test_scan_of_a_model_starts_a_child(tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(b"\x80\x04K\x01.")

    assert "mlguard.pool" in imported("scan", ".", cwd=tmp_path)
