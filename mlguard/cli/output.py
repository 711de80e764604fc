"""Writes reports: several formats in one run, each whole or not at all."""

from __future__ import annotations

import contextlib
import datetime
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mlguard.errors import UsageError
from mlguard.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from mlguard.findings import Location, Report, Verdict
    from mlguard.rules import Catalogue

    Render = Callable[[Report, Verdict, Catalogue, str], Iterable[str]]
    """Gives a report in pieces: of a large one the whole would be held several times while it is written."""


def _sarif(profile: Literal["full", "github"]) -> Render:
    def render(report: Report, verdict: Verdict, catalogue: Catalogue, prefix: str) -> Iterable[str]:
        from mlguard.reporters import sarif

        return sarif.pieces(below(report, prefix), verdict, catalogue, profile)

    return render


def _json(report: Report, verdict: Verdict, catalogue: Catalogue, prefix: str) -> Iterable[str]:
    from mlguard.reporters import jsonreport

    return jsonreport.pieces(report, verdict)


def _markdown(report: Report, verdict: Verdict, catalogue: Catalogue, prefix: str) -> Iterable[str]:
    from mlguard.reporters import markdown

    return (markdown.render(report, verdict, catalogue),)


def _text(report: Report, verdict: Verdict, catalogue: Catalogue, prefix: str) -> Iterable[str]:
    from mlguard.reporters import terminal

    return terminal.pieces(report, verdict, catalogue, terminal.Style(False, 100, True, False))


def _cyclonedx(report: Report, verdict: Verdict, catalogue: Catalogue, prefix: str) -> Iterable[str]:
    from mlguard.reporters import cyclonedx

    return (cyclonedx.render(report, verdict, catalogue),)


FORMATS: Mapping[str, Render] = {
    "text": _text,
    "json": _json,
    "sarif": _sarif("full"),
    "sarif-github": _sarif("github"),
    "markdown": _markdown,
    "cyclonedx": _cyclonedx,
}
"""Formats by name. ``sarif-github`` holds what GitHub's code scanning takes: live findings, within its limits. ``cyclonedx`` is a bill
of materials, and the only one for which a scan computes the digest of every model.
"""


def below(report: Report, prefix: str) -> Report:
    """Return the report with paths that start at the top of the work tree, ``prefix`` being where the scan's root is."""
    if not prefix:
        return report

    def moved(place: Location) -> Location:
        return replace(place, path=f"{prefix}/{place.path}") if place.path else place

    findings = tuple(
        replace(
            finding,
            location=moved(finding.location),
            related=tuple((text, moved(place)) for text, place in finding.related),
        )
        for finding in report.findings
    )
    gaps = tuple(replace(gap, path=f"{prefix}/{gap.path}" if gap.path else "") for gap in report.gaps)
    return replace(report, findings=findings, gaps=gaps)


def parse_outputs(values: Sequence[str]) -> list[tuple[str, Path | None]]:
    """Return (format, file) pairs of ``FORMAT`` and ``FORMAT=FILE``; None is standard output, also written ``-``. Raises UsageError."""
    outputs: list[tuple[str, Path | None]] = []
    for value in values:
        name, separator, file = value.partition("=")
        if name not in FORMATS:
            raise UsageError(f"--output {value}: there is no format {name!r}; there are {', '.join(FORMATS)}")
        if separator and not file:
            raise UsageError(f"--output {value}: the name of the file is missing")
        if file == "-":  # as elsewhere, standard output
            file = ""
        if file and Path(file).is_dir():
            raise UsageError(f"--output {value}: {file} is a folder")
        if file and not Path(file).absolute().parent.is_dir():
            raise UsageError(f"--output {value}: there is no folder {Path(file).parent}")
        outputs.append((name, Path(file) if file else None))
    files = [file.absolute() for _, file in outputs if file]
    if len(set(files)) < len(files):
        raise UsageError("--output: two formats have the same file; give each its own")
    if sum(file is None for _, file in outputs) > 1:
        raise UsageError("--output: only one format can go to standard output; give the others a file")
    return outputs


def write(
    outputs: Sequence[tuple[str, Path | None]],
    report: Report,
    verdict: Verdict,
    catalogue: Catalogue,
    *,
    prefix: str,
    verbose: bool,
    color: bool | None,
) -> None:
    """Write each output; the terminal's own form goes to standard output when nothing else does.

    ``prefix`` is the folder of the scan within its git work tree, for formats whose paths start there.
    """
    for name, file in outputs:
        pieces = FORMATS[name](report, verdict, catalogue, prefix)
        if file is None:
            emit(pieces)
        else:
            replace_file(file, pieces)
    if all(file for _, file in outputs):
        emit(for_terminal(report, verdict, catalogue, verbose, color))


def for_terminal(
    report: Report, verdict: Verdict, catalogue: Catalogue, verbose: bool, color: bool | None
) -> Iterable[str]:
    """Return the report as this terminal can show it: its width, its colours, its characters."""
    from mlguard.reporters import terminal

    width = max(40, min(columns(100), 140))
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    style = terminal.Style(wants_color() if color is None else color, width, encoding.startswith("utf"), verbose)
    return terminal.pieces(report, verdict, catalogue, style)


def columns(default: int) -> int:
    """Return how wide the terminal is, as ``shutil.get_terminal_size`` says, which takes longer to load than to ask."""
    try:
        if (asked := int(os.environ.get("COLUMNS", ""))) > 0:
            return asked
    except ValueError:
        pass
    try:
        assert sys.__stdout__ is not None
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or default
    except (AssertionError, ValueError, OSError):
        return default


def wants_color() -> bool:
    """Say whether to use colours: NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE, CLICOLOR and TERM=dumb, in this order."""
    environment = os.environ
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR", "0") not in ("", "0") or environment.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    if environment.get("CLICOLOR") == "0" or environment.get("TERM") == "dumb":
        return False
    return sys.stdout.isatty()


def emit(text: str | Iterable[str]) -> None:
    """Print text, or pieces of one, with an escape for each character that standard output cannot take."""
    encoding = sys.stdout.encoding or "ascii"
    piece = ""
    try:
        for piece in [text] if isinstance(text, str) else text:
            sys.stdout.write(piece.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.write("" if piece.endswith("\n") else "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough. The exit code still says what was found.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise UsageError(f"standard output cannot be written: {error.strerror}") from None


def replace_file(file: Path, text: str | Iterable[str]) -> None:
    """Write a file whole, or leave what was there. Raises UsageError."""
    pieces = [text] if isinstance(text, str) else text
    file = Path(os.path.realpath(file))  # a link stays a link
    if file.exists() and not file.is_file():
        return _write_through(file, pieces)
    name = None
    try:
        beside = file.absolute().parent / f".{file.name}.{os.urandom(8).hex()}"
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        name = beside
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as temporary:
            temporary.writelines(pieces)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, file)
        name = None
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from None
    finally:
        if name:
            with contextlib.suppress(OSError):
                os.unlink(name)


def _write_through(file: Path, pieces: Iterable[str]) -> None:
    """Write to a device or pipe, which cannot be replaced. Raises UsageError."""
    try:
        with open(file, "w", encoding="utf-8", errors="backslashreplace") as sink:
            sink.writelines(pieces)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def today() -> datetime.date:
    """Return the day on which dates are judged (UTC): of SOURCE_DATE_EPOCH when it is set. Raises UsageError."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    try:
        moment = (
            datetime.datetime.fromtimestamp(int(epoch), datetime.UTC) if epoch else datetime.datetime.now(datetime.UTC)
        )
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"SOURCE_DATE_EPOCH is {epoch!r}, which is no number of seconds since 1970") from None
    return moment.date()
