"""Reads what stands in place of data kept elsewhere: pointers of Git LFS and DVC, and the lock file of a DVC pipeline.

Formats: git-lfs, docs/spec.md, "The Pointer"; DVC documentation, ".dvc files" and "dvc.lock".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from posixpath import normpath
from typing import Any

from mlguard import lazy
from mlguard.errors import Unreadable

MAX_BYTES = 2**20
"""A pointer or lock file. Git LFS calls nothing larger than 1024 bytes a pointer."""

MAX_OUTPUTS = 1_000
"""Outputs of one file that are told one by one."""

_LFS_SIZE = lazy.pattern(rb"^size (\d{1,18})\s*$", re.M)
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


@dataclass(frozen=True, slots=True)
class Output:
    """Something that is kept elsewhere: where it belongs below the root, bytes and files if known (-1 if not), and what makes it."""

    path: str
    size: int = -1
    files: int = -1
    stage: str = ""


def lfs_size(root: Path, path: str) -> int:
    """Return the size in bytes that a pointer of Git LFS tells, or -1."""
    match = _LFS_SIZE.search(_read(root, path)[:1024])
    return int(match[1]) if match else -1


def dvc_outputs(root: Path, path: str) -> list[Output]:
    """Return what a ``.dvc`` file or ``dvc.lock`` stands for; nothing when it cannot be read. Paths outside the root are left out."""
    from mlguard import yamlish

    try:
        body, _ = yamlish.load(_read(root, path).decode("utf-8", "replace"), path)
    except Unreadable:
        return []
    folder = path.rpartition("/")[0]
    return list(_outputs(body, folder))[:MAX_OUTPUTS] if isinstance(body, dict) else []


def _outputs(body: dict[str, Any], folder: str) -> Iterator[Output]:
    stages = body.get("stages")
    owners = [("", body), *stages.items()] if isinstance(stages, dict) else [("", body)]
    for stage, owner in owners:
        listed = owner.get("outs") if isinstance(owner, dict) else None
        working = owner.get("wdir", ".") if isinstance(owner, dict) else "."
        for out in listed if isinstance(listed, list) else ():
            found = _output(out, f"{folder}/{working}" if folder else str(working), str(stage))
            if found is not None:
                yield found


def _output(out: Any, folder: str, stage: str) -> Output | None:
    if not isinstance(out, dict) or not isinstance(out.get("path"), str) or "://" in out["path"]:
        return None
    path = normpath(f"{folder}/{out['path']}".lstrip("/")) if not out["path"].startswith("/") else ".."
    if path == ".." or path.startswith("../"):
        return None
    hashed = str(out.get("md5") or out.get("etag") or out.get("checksum") or "")
    files = _number(out.get("nfiles"))
    return Output(path, _number(out.get("size")), 0 if files < 0 and hashed.endswith(".dir") else files, stage)


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**18 else -1


def _read(root: Path, path: str) -> bytes:
    try:
        with open(root / path, "rb") as file:
            return file.read(MAX_BYTES)
    except OSError:
        return b""


def amount(size: int, files: int = -1) -> str:
    """Return how much is missing in words: "1.2 GB in 300 files", or "" when nothing is known."""
    words = _sized(size) if size >= 0 else ""
    if files > 0:
        return f"{words} in {files:,} files" if words else f"{files:,} files"
    return f"{words} in a folder" if files == 0 and words else words or ("a folder" if files == 0 else "")


def _sized(size: int) -> str:
    value, unit = float(size), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{size} bytes"
