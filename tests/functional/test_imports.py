"""Start-up is a feature: which modules the quick commands may load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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
    assert loaded & {*HEAVY, "click"} == set()
