"""mlguard config: checks the configuration, or prints its JSON Schema."""

from __future__ import annotations

from pathlib import Path

import click

from mlguard import config as configuration
from mlguard import declarations
from mlguard.cli import output
from mlguard.cli.run import configuration as configured
from mlguard.errors import UsageError


@click.group("config")
def command() -> None:
    """Check the configuration and the privacy declaration, or print a JSON Schema."""


@command.command("check")
@click.argument("file", required=False, type=click.Path(path_type=Path))
def check(file: Path | None) -> int:
    """Check FILE (the configuration found above the working directory) and the privacy declaration beside it."""
    settings = configured((), file)
    base = Path(settings.path).absolute().parent if settings.path else Path.cwd()
    output.emit(f"{settings.path or 'no configuration; the defaults'}: valid")
    path = settings.privacy or "privacy.yaml"
    if not (base / path).is_file():
        if settings.privacy:
            raise UsageError(f"{settings.path}: privacy names {path}, and there is no such file")
        output.emit(f"{path}: there is none, so everything personal is undeclared")
        return 0
    problems = declarations.load(base, path).problems
    for problem in problems:
        output.emit(f"{path}, line {problem.line}: {problem.message}")
    output.emit(f"{path}: {'not valid' if problems else 'valid'}")
    return 2 if problems else 0


@command.command("schema")
@click.argument("name", type=click.Choice(["config", "privacy", "report", "data"]), default="config")
def schema(name: str) -> int:
    """Print the JSON Schema of mlguard.yaml (config), of privacy.yaml (privacy), of the JSON report (report) or of mlguard data --json (data)."""
    output.emit((Path(configuration.__file__).parent / "schemas" / f"{name}.json").read_text(encoding="utf-8"))
    return 0
