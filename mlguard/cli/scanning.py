"""Does what mlguard scan is asked for: looks at files, judges them, and writes reports."""

from __future__ import annotations

import os
import sys
import time

from mlguard.cli import output
from mlguard.cli.run import catalogue, configuration, examine, folder, listed, parted, prefix
from mlguard.gate import judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from mlguard.workers import Progress

PROGRESS_AFTER = 0.5
"""Seconds before progress is shown, and only on a terminal."""


def scan(
    targets: tuple[str, ...], outputs: tuple[str, ...] = (), config_file: Path | None = None, root: Path | None = None,
    scanners: tuple[str, ...] = (), fail_on: str | None = None, advisories: Path | None = None, online: str | None = None,
    files_from: str | None = None, null: bool = False, history: str | None = None, jobs: int | None = None, verbose: bool = False,
    color: bool | None = None, shard: str | None = None, shard_out: Path | None = None, shard_key: Path | None = None,
    merged: tuple[str, ...] = (), engine: str = "local", ray_address: str | None = None, no_cache: bool = False,
) -> int:  # fmt: skip
    """Scan what is asked for, write the reports, and return the exit code. The parameters are the options of ``mlguard.cli.scan``.

    Raises UsageError.
    """
    wanted = output.parse_outputs(outputs)
    paths, stores = parted(targets)
    paths = (*paths, *listed(files_from, null)) if files_from else paths
    settings = configuration(paths, config_file, fail_on, advisories, scanners, jobs, online)
    base = folder(paths, settings, root)
    own = {file.absolute() for _, file in wanted if file}
    digests = any(name == "cyclonedx" for name, _ in wanted)
    chosen = paths if paths or files_from or stores else (base,)
    if shard or shard_out or merged or engine == "ray":
        from mlguard.cli import apart

        asked = apart.Asked(shard, shard_out, shard_key, merged, (ray_address or "") if engine == "ray" else None)
        report = apart.examine(asked, base, chosen, settings, _progress(), own, digests, stores, history)
        if report is None:
            return 0
    else:
        report = examine(
            base,
            chosen,
            settings,
            _progress(),
            own=own,
            digests=digests,
            stores=stores,
            history=history,
            cached=not no_cache,
        )
    report, verdict = judge(report, settings, output.today())
    output.write(wanted, report, verdict, catalogue(settings), prefix=prefix(base), verbose=verbose, color=color)
    return verdict.exit_code


def _progress() -> Progress | None:
    """Return what shows progress on a terminal's standard error, and wipes it at the end."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        return None
    start = time.monotonic()
    shown = [start + PROGRESS_AFTER]
    begun: dict[str, float] = {}

    def tell(done: int, total: int, path: str, rows: int, of: int) -> None:
        now = time.monotonic()
        if rows:
            begun.setdefault(path, now)
        if now >= shown[0] and done < total:
            shown[0] = now + 0.1
            told = f"mlguard: {done} of {total}" + (_reading(path, rows, of, now - begun[path]) if rows else "")
            width = max(20, output.columns(80)) - 1
            print(f"\r\x1b[K{told[:width]}", end="", file=sys.stderr, flush=True)
        elif done == total and shown[0] > start + PROGRESS_AFTER:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    return tell


def _reading(path: str, rows: int, of: int, passed: float) -> str:
    """Return how far a large table is, in ASCII: the end of the line may be cut."""
    from mlguard.cli.progress import STEADY, lasting
    from mlguard.redact import printable

    left = f", {lasting(passed * (of - rows) / rows)} left" if of > rows and passed >= STEADY else ""
    name = printable(path).encode("ascii", "backslashreplace").decode("ascii")
    return f", {rows:,}{f' of {of:,}' if of else ''} rows{left}: {name}"
