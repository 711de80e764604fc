"""Runs a scan on more than one machine: shards, their merging, a Ray cluster."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlguard.cli import output
from mlguard.cli.run import prepared
from mlguard.config import Config
from mlguard.engine import run
from mlguard.errors import UsageError
from mlguard.findings import Report
from mlguard.workers import Progress

MAX_SHARD_BYTES = 2**30
"""The largest file of a shard that is read."""

MAX_KEY_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says of it. ``ray`` is the address of a cluster, "" for one on this machine, None for no cluster."""

    shard: str | None
    out: Path | None
    key: Path | None
    merge: tuple[str, ...]
    ray: str | None


def examine(
    asked: Asked, base: Path, paths: Sequence[Path], settings: Config, progress: Progress | None, own: Collection[Path], digests: bool,
    stores: Sequence[str], history: str | None,
) -> Report | None:  # fmt: skip
    """Return the report, None for a shard, whose file is written instead. Raises UsageError."""
    from mlguard import shards

    if bool(asked.shard) != bool(asked.out):
        raise UsageError("--shard and --shard-out belong together: one says what to do, the other where to write it")
    if bool(asked.shard) + bool(asked.merge) + (asked.ray is not None) > 1:
        raise UsageError("--shard, --merge and --engine ray exclude each other")
    if asked.merge:
        files = _files(asked.merge)
        return shards.merge(prepared(base, None, settings, digests=digests), files, _key(asked.key))
    own = {*own, *(file.absolute() for file in (asked.key, asked.out) if file)}
    number = shards.number_of(asked.shard) if asked.shard else None
    job = prepared(base, paths, settings, own=own, digests=digests, stores=stores, history=history)
    if number is None:
        return run(replace(job, ray=asked.ray), progress)
    data = shards.write(job, *number, _key(asked.key), progress)
    assert asked.out is not None
    try:
        asked.out.write_bytes(data)
    except OSError as error:
        raise UsageError(f"--shard-out {asked.out}: cannot be written: {error.strerror}") from None
    output.emit(f"shard {asked.shard} written; the verdict comes with mlguard scan --merge\n")
    return None


def _key(file: Path | None) -> bytes | None:
    from mlguard.scanners.dataset import sketch

    if file is None:
        told = os.environ.get("MLGUARD_SHARD_KEY")
        return sketch.key_of(told) if told else None
    try:
        with file.open(encoding="utf-8") as source:
            return sketch.key_of(source.read(MAX_KEY_BYTES))
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"--shard-key {file}: cannot be read as text") from None


def _files(patterns: Sequence[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for pattern in patterns:
        names = [pattern] if os.path.exists(pattern) else sorted(glob.glob(pattern, recursive=True))
        if not names:
            raise UsageError(f"--merge {pattern}: there is no such file")
        for name in names:
            if name in found:
                raise UsageError(f"--merge {name}: this file is named twice")
            try:
                with open(name, "rb") as file:
                    found[name] = file.read(MAX_SHARD_BYTES + 1)
            except OSError as error:
                raise UsageError(f"--merge {name}: cannot be read: {error.strerror}") from None
            if len(found[name]) > MAX_SHARD_BYTES:
                raise UsageError(f"--merge {name}: larger than {MAX_SHARD_BYTES // 2**20} MiB, which no shard is")
    return found
