"""mlguard gate: judges a saved report again."""

from __future__ import annotations

from pathlib import Path

import click

from mlguard.cli import output
from mlguard.cli.report import read
from mlguard.cli.run import catalogue, configuration
from mlguard.gate import judge


@click.command("gate")
@click.argument("report_file", metavar="REPORT", type=click.Path(path_type=Path))
@click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="The configuration to judge by; found above the working directory when not given.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["critical", "high", "medium", "low", "never"]),
    help="The least severity that fails the gate.",
)
@click.option("-o", "--output", "outputs", multiple=True, metavar="FORMAT[=FILE]", help="Write the judged report.")
@click.option("-v", "--verbose", is_flag=True, help="Show every finding and gap.")
@click.option("--color/--no-color", default=None, help="Use colours, or do not; by default on a terminal.")
def command(
    report_file: Path,
    config_file: Path | None,
    fail_on: str | None,
    outputs: tuple[str, ...],
    verbose: bool,
    color: bool | None,
) -> int:
    """Judge REPORT, a JSON report of an earlier scan, by the configuration of today. Nothing is scanned again."""
    wanted = output.parse_outputs(outputs)
    settings = configuration((), config_file, fail_on)
    report, verdict = judge(read(report_file)[0], settings, output.today())
    output.write(wanted, report, verdict, catalogue(settings), prefix="", verbose=verbose, color=color)
    return verdict.exit_code
