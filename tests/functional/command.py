"""Runs the real command, as a user's shell would."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MLGUARD = str(Path(sys.executable).with_name("mlguard"))


def mlguard(*arguments: str | os.PathLike[str], cwd: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Return the finished process of one call. Output is text; the environment is this one's with ``env`` on top."""
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "120", **options.pop("env", {})}
    return subprocess.run(
        [MLGUARD, *map(os.fspath, arguments)], cwd=cwd, env=environment, capture_output=True, text=True, timeout=180,
        errors="surrogateescape", check=False, **options,
    )  # fmt: skip


def git(root: Path, *arguments: str) -> None:
    """Run git in ``root`` with an identity of its own."""
    identity: Sequence[str] = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    """Write files below ``root`` and return it."""
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
    return root
