"""mlguard cache: says what is kept of earlier runs, or removes it."""

from __future__ import annotations

from pathlib import Path

import click

from mlguard import cache
from mlguard.cli import output
from mlguard.cli.run import settings_here
from mlguard.errors import UsageError


@click.group("cache")
def command() -> None:
    """Say what is kept of earlier runs for files that do not change, or remove it."""


@command.command("status")
def status() -> int:
    """Say where the cache is, how large it is, and for how many files it holds records."""
    kept = cache.Cache(_folder())
    size, groups = kept.size()
    output.emit(f"{kept.path}: {size / 2**20:.1f} of at most {cache.MAX_BYTES // 2**20} MiB")
    output.emit(f"records of {groups:,} files, each for one scanner")
    return 0


@command.command("clear")
def clear() -> int:
    """Remove the cache; the next run looks at every file."""
    kept = cache.Cache(_folder())
    kept.clear()
    output.emit(f"{kept.path}: removed")
    return 0


def _folder() -> Path:
    settings = settings_here()
    folder = cache.chosen(Path.cwd(), settings.cache) if settings.cache is not None else None
    if folder is None:
        raise UsageError(
            "there is no cache for this folder: the configuration wants none, or it would lie inside the tree"
        )
    return folder
