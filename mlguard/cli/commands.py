"""The commands, each loaded from its own module when it is called."""

from __future__ import annotations

from importlib import import_module  # noqa: TID251  # of this package's own modules, named in COMMANDS

import click

from mlguard import __version__
from mlguard.cli import COMMANDS


class _Lazy(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"mlguard.cli.{name}").command
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if arguments and arguments[0] not in COMMANDS and not arguments[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(arguments[0], COMMANDS, 1)
            advice = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"there is no command {arguments[0]!r}.{advice}", context)
        return super().resolve_command(context, arguments)


@click.command(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 pass, 1 gate failed, 2 usage or configuration, 3 incomplete, 4 internal error, 5 verification failed.",
)
@click.version_option(__version__, message="mlguard %(version)s")
def group() -> None:
    """Says whether an AI/ML repository may ship: code, secrets, dependencies, datasets, models and infrastructure."""
