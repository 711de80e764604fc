"""mlguard data: says what is in a dataset, and writes a copy of one without its personal data."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import click

from mlguard.cli import output
from mlguard.cli.redact import command as redact_command
from mlguard.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.cli.profiling import Look
    from mlguard.reporters.terminal import Style

MAX_ROWS = 10_000_000
"""Rows that can be drawn at most; a larger sample is no faster than a whole reading."""


class _WithDefault(click.Group):
    """A group whose first argument may be a path: then it means ``profile``."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["profile", *args]
        return super().parse_args(context, args)

    def format_usage(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(context.command_path, "[profile] [OPTIONS] PATHS...")
        formatter.write_usage(context.command_path, "redact [OPTIONS] IN OUT", prefix="       ")


@click.group("data", cls=_WithDefault, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Say what is in datasets (profile), or write a copy of one without its personal data (redact).

    A path alone means profile. A file that is called like a command is named with its folder: ./redact
    """


command.add_command(redact_command)


@command.command("profile")
@click.argument("targets", metavar="PATHS...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; mlguard config schema data prints its schema.")
@click.option("--declare", is_flag=True, help="Print only the entries for privacy.yaml.")
@click.option(
    "--columns", "pattern", metavar="PATTERN", help="Show only columns whose name holds this regular expression."
)
@click.option("--rows", type=click.IntRange(1, MAX_ROWS), help="Look at this many rows, drawn at random, instead of all. What that can miss is said; ends with 3.")  # fmt: skip
@click.option("--progress", is_flag=True, help="Tell the progress also where there is no terminal: a line every 10 seconds on standard error.")  # fmt: skip
@click.option("-c", "--config", "config_file", type=click.Path(path_type=Path), help="The configuration; found beside or above the first path when not given.")  # fmt: skip
@click.option("-v", "--verbose", is_flag=True, help="Show every column and every gap.")
@click.option("--ascii", "plain", is_flag=True, help="Write ASCII only.")
@click.option("--color/--no-color", default=None, help="Use colours, or do not; by default on a terminal.")
def profile(
    targets: tuple[str, ...], as_json: bool, declare: bool, pattern: str | None, rows: int | None, progress: bool, config_file: Path | None,
    verbose: bool, plain: bool, color: bool | None,
) -> int:  # fmt: skip
    """Say what is in each dataset: columns, personal data, how well persons hide, what was not looked at, and what to do.

    PATHS are files, folders, tables of a lake, or addresses of stores (postgresql://, s3://, gs://, hf://), which are read over
    the network. All rows are read. No value is shown. It does not judge: 0 when all was read, 2 for usage, 3 when something was not.
    """
    from mlguard import workers
    from mlguard.cli import profiling
    from mlguard.cli.progress import Progress
    from mlguard.reporters import profile as reporter

    if as_json and declare:
        raise UsageError("--json and --declare: one at a time")
    wanted = _pattern(pattern)
    plan = profiling.plan(targets, config_file)
    with _quiet() as stream:
        shown = Progress(progress, stream)
        try:
            with workers.limited(plan.memory):
                found = profiling.look(plan, rows or 0, shown)
        finally:
            shown.end()
    if as_json:
        output.emit(reporter.as_json(found.overviews, found.gaps, found.others, wanted))
    elif declare:
        output.emit(reporter.declaration(found.overviews))
        _warn(found)
    else:
        output.emit(reporter.render(found.overviews, found.gaps, found.others, _style(verbose, plain, color), wanted))
    return 0 if found.complete else 3


def _pattern(pattern: str | None) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern) if pattern is not None else None
    except (re.error, RecursionError, OverflowError):
        raise UsageError(f"--columns {pattern}: this is no regular expression") from None


def _style(verbose: bool, plain: bool, color: bool | None) -> Style:
    from mlguard.reporters.terminal import MIN_WIDTH, Style

    width = max(MIN_WIDTH, min(shutil.get_terminal_size((100, 24)).columns, 140))
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    return Style(
        output.wants_color() if color is None else color, width, not plain and encoding.startswith("utf"), verbose
    )


def _warn(found: Look) -> None:
    """Say on standard error that the entries may lack something: they are printed alone."""
    left = len(found.gaps) + sum(len(overview.gaps) for overview in found.overviews)
    if left or not found.overviews:
        told = f"{left:,} parts were not looked at" if left else "nothing was read"
        print(f"mlguard: {told}; without --declare the profile says which", file=sys.stderr)


@contextlib.contextmanager
def _quiet() -> Iterator[IO[str]]:
    """Let nothing be written but to the stream that is yielded, which is standard error: a library's warning may quote a value."""
    import logging
    import warnings

    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(1), os.dup(2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    stream = os.fdopen(os.dup(saved[1]), "w", encoding="ascii", errors="backslashreplace")
    level = logging.root.manager.disable
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        logging.disable(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield stream
    finally:
        logging.disable(level)
        for target, kept in enumerate(saved, 1):
            with contextlib.suppress(OSError, ValueError):
                (sys.stdout if target == 1 else sys.stderr).flush()
            os.dup2(kept, target)
            os.close(kept)
        os.close(nowhere)
        with contextlib.suppress(OSError, ValueError):
            stream.close()
