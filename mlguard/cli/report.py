"""mlguard report: renders a saved report."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mlguard.cli import output
from mlguard.cli.run import catalogue_here
from mlguard.errors import UsageError
from mlguard.findings import Report, Verdict

MAX_BYTES = 512 * 2**20
"""The largest saved report that is read."""


def read(file: Path) -> tuple[Report, Verdict]:
    """Return a saved JSON report; ``-`` is standard input. Raises UsageError."""
    from mlguard.reporters import jsonreport

    try:
        if str(file) == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with open(file, "rb") as source:
                data = source.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise UsageError(f"{file}: larger than {MAX_BYTES // 2**20} MiB, which no report is")
    try:
        return jsonreport.parse(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise UsageError(f"{file}: not a report of mlguard (not UTF-8)") from None
    except UsageError as error:
        raise UsageError(f"{file}: {error}") from None


@click.command("report")
@click.argument("report_file", metavar="REPORT", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="FORMAT[=FILE]",
    help=f"The form: {', '.join(output.FORMATS)}. For this terminal when not given.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show every finding and gap.")
@click.option("--color/--no-color", default=None, help="Use colours, or do not; by default on a terminal.")
def command(report_file: Path, outputs: tuple[str, ...], verbose: bool, color: bool | None) -> int:
    """Render REPORT, a JSON report of an earlier scan, with the verdict that it holds. Always ends with 0."""
    wanted = output.parse_outputs(outputs)
    report, verdict = read(report_file)
    catalogue = catalogue_here()
    if not wanted:
        output.emit(output.for_terminal(report, verdict, catalogue, verbose, color))
    for name, file in wanted:
        text = output.FORMATS[name](report, verdict, catalogue, "")
        output.replace_file(file, text) if file else output.emit(text)
    return 0
