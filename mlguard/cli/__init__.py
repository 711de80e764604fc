"""The command line: the only part that reads arguments, prints, or ends the process."""

from __future__ import annotations

import os
import sys

from mlguard import __version__
from mlguard.errors import MlguardError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

PASS, FAILED, USAGE, INCOMPLETE, INTERNAL, INTERRUPTED = 0, 1, 2, 3, 4, 130

COMMANDS = {
    "scan": "Scan files and judge what was found.",
    "hook": "Scan the files of a commit, quickly (for pre-commit).",
    "model": "Explain model files: verdict, inventory, how to convert them.",
    "data": "Say what is in datasets, or write a copy without personal data.",
    "db": "Make, check and describe the database of advisories.",
    "gate": "Judge a saved report again.",
    "report": "Render a saved report.",
    "rules": "List the rules.",
    "explain": "Explain a rule or a control.",
    "config": "Check the configuration and the declaration, or print a JSON Schema.",
    "cache": "Say what is kept of earlier runs, or remove it.",
    "doctor": "Say what is installed, and what that means for coverage.",
}
"""The commands and what they do, in the order of the help."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and end the process with one of the exit codes above. Nothing else ends it with 1."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # lives as long as the process
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    code = _run(sys.argv[1:] if arguments is None else arguments)
    try:
        sys.stdout.flush()
    except (BrokenPipeError, ValueError):
        _discard_output()
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    try:
        if arguments == ["--version"]:
            print(f"mlguard {__version__}")
            return PASS
        return _done(arguments)
    except MlguardError as error:
        return _tell(str(error), USAGE)
    except KeyboardInterrupt:
        return _tell("interrupted", INTERRUPTED)
    except BrokenPipeError:
        _discard_output()
        return INTERNAL
    except Exception as error:  # noqa: BLE001  # a bug must not end with 1, which means findings
        return _tell(_bug(error), INTERNAL)


def _done(arguments: list[str]) -> int:
    import gc

    gc.set_threshold(50_000, 20, 20)  # what is loaded and found lives as long as the run, and is seldom a ring
    try:
        if arguments[:1] == ["hook"]:
            from mlguard.cli.hook import hook

            return hook(arguments[1:])
        if arguments[:1] == ["model"]:
            from mlguard.cli.model import model

            return model(arguments[1:])
        if arguments[:1] == ["scan"]:
            from mlguard.cli import plain

            if (asked := plain.arguments(arguments[1:])) is not None:
                from mlguard.cli.scanning import scan

                return scan(**asked)
        return _with_click(arguments)
    finally:
        gc.freeze()  # all that there is ends with the process: it need not be searched for rings again


def _with_click(arguments: list[str]) -> int:
    import click

    from mlguard.cli.commands import group

    try:
        code = group.main(arguments, prog_name="mlguard", standalone_mode=False)
        return code if isinstance(code, int) else PASS
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show(sys.stderr)
        return USAGE
    except click.Abort:
        return _tell("interrupted", INTERRUPTED)


def _tell(message: str, code: int) -> int:
    from mlguard.redact import printable

    try:
        print(f"mlguard: {printable(message)}", file=sys.stderr)
    except (OSError, ValueError, UnicodeError):
        pass
    return code


def _bug(error: Exception) -> str:
    """Say where a bug is. Neither the exception's text nor a traceback is shown: both may quote what was scanned."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" in {os.path.basename(trace.tb_frame.f_code.co_filename)}, line {trace.tb_lineno}" if trace else ""
    return f"internal error: {type(error).__name__}{place}. This is a bug; please report it with this line and mlguard {__version__}"


def _discard_output() -> None:
    """Let nothing more be written where nobody reads, so that the interpreter ends without a complaint."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
