"""mlguard scan: looks at files, judges them, and writes reports."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import click

from mlguard.cli import output
from mlguard.cli.run import catalogue, configuration, examine, folder, listed, parted, prefix
from mlguard.gate import judge
from mlguard.workers import Progress

PROGRESS_AFTER = 0.5
"""Seconds before progress is shown, and only on a terminal."""


@click.command("scan")
@click.argument("targets", metavar="[PATHS]...", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="FORMAT[=FILE]",
    help=f"Write a report, to a file or to standard output: {', '.join(output.FORMATS)}. Can be given several times.",
)
@click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="The configuration; found beside or above the first path when not given.",
)
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The folder that paths in reports start from.",
)
@click.option(
    "-s",
    "--scanner",
    "scanners",
    multiple=True,
    metavar="NAME",
    help="Run only this scanner. Can be given several times.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["critical", "high", "medium", "low", "never"]),
    help="The least severity that fails the gate.",
)
@click.option(
    "--advisories",
    type=click.Path(path_type=Path, exists=True),
    help="A local OSV export with the known vulnerabilities: a folder, a zip or a JSON file; or a database of mlguard db.",
)
@click.option(
    "--online",
    type=click.Choice(["pypi", "osv"]),
    help="Ask this service about dependencies as well, through pip-audit: names and versions of packages leave this machine.",
)
@click.option(
    "--files-from", metavar="FILE", help="Read the paths to scan from a file, one a line; - is standard input."
)
@click.option(
    "-0",
    "--null",
    is_flag=True,
    help="Paths from --files-from end with NUL, as git and find print them with -z and -print0.",
)
@click.option(
    "--history",
    metavar="RANGE",
    is_flag=False,
    flag_value="--all",
    help="Look at data files that were once committed as well: of all branches, or of a range of revisions.",
)
@click.option(
    "--shard", metavar="I/N", help="Do only shard I of N of the work, and write what it found with --shard-out."
)
@click.option("--shard-out", type=click.Path(path_type=Path), metavar="FILE", help="Where --shard writes its file.")
@click.option(
    "--shard-key",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A file with the secret that files of shards are encrypted with; MLGUARD_SHARD_KEY when not given.",
)
@click.option(
    "--merge",
    "merged",
    multiple=True,
    metavar="FILES",
    help="Report on what shards have written, all of one run; a pattern, or several times a file.",
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    help="Who counts data: this machine, or a Ray cluster.",
)
@click.option(
    "--ray-address", metavar="ADDRESS", help="The cluster; RAY_ADDRESS when not given, else one on this machine."
)
@click.option("--no-cache", is_flag=True, help="Look at every file, and keep nothing for the next run.")
@click.option("-j", "--jobs", type=click.IntRange(0, 256), help="Child processes; 0 scans in this process.")
@click.option("-v", "--verbose", is_flag=True, help="Show every finding and gap.")
@click.option("--color/--no-color", default=None, help="Use colours, or do not; by default on a terminal.")
def command(
    targets: tuple[str, ...], outputs: tuple[str, ...], config_file: Path | None, root: Path | None, scanners: tuple[str, ...],
    fail_on: str | None, advisories: Path | None, online: str | None, files_from: str | None, null: bool, history: str | None, jobs: int | None, verbose: bool,
    color: bool | None, shard: str | None, shard_out: Path | None, shard_key: Path | None, merged: tuple[str, ...], engine: str,
    ray_address: str | None, no_cache: bool,
) -> int:  # fmt: skip
    """Scan PATHS (the working directory when there are none) and judge what was found.

    In a git work tree these are the files that are tracked or not ignored. Nothing that is scanned is run, and nothing
    leaves this machine unless --online asks for it. An address in place of a path is read over the network: postgresql://, s3://, gs:// or hf://
    (sqlite:FILE is a file). It is only read, with the credentials that its own tools would take from the environment.
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
        report = examine(base, chosen, settings, _progress(), own=own, digests=digests, stores=stores, history=history, cached=not no_cache)
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
