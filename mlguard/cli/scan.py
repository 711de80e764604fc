"""mlguard scan: the options of the command that looks at files, judges them, and writes reports."""

from __future__ import annotations

from pathlib import Path

import click

from mlguard.cli import output


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
    from mlguard.cli import scanning

    return scanning.scan(
        targets, outputs, config_file, root, scanners, fail_on, advisories, online, files_from, null, history, jobs, verbose, color,
        shard, shard_out, shard_key, merged, engine, ray_address, no_cache,
    )  # fmt: skip
