"""Asks a service over the network for advisories, through pip-audit. Names and versions of packages leave the machine.

It runs only where the command line or the configuration asks for it.
"""

from __future__ import annotations

import logging
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mlguard.scanners.dependencies import pep440
from mlguard.scanners.dependencies.audit import _prepare, pinned_source

if TYPE_CHECKING:
    from pip_audit._service import Dependency, SkippedDependency, VulnerabilityResult, VulnerabilityService
    from requests import Response

TIMEOUT_SECONDS = 10
"""For one answer."""

MAX_SECONDS = 300.0
"""For all answers of a run."""

MAX_FAILURES = 3
"""Answers in a row that fail before the service counts as unreachable."""

MAX_SUMMARY_CHARS = 200

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,198}[a-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Told:
    """One flaw, as the service names it. Services tell no severity."""

    names: tuple[str, ...]
    summary: str
    fixed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service says about one version; ``trouble`` says why it says nothing."""

    name: str
    version: str
    flaws: tuple[Told, ...] = ()
    trouble: str = ""


def service(name: str, cache: Path, url: str = "") -> VulnerabilityService:
    """Return pip-audit's service of this name, "pypi" or "osv". ``url`` is another address that answers as OSV's does."""
    _prepare()
    from pip_audit._service import OsvService, PyPIService

    if name == "pypi":
        made: PyPIService | OsvService = PyPIService(cache, TIMEOUT_SECONDS)
    else:
        made = OsvService(cache, TIMEOUT_SECONDS, url) if url else OsvService(cache, TIMEOUT_SECONDS)
    made.session.hooks["response"].append(_checked)
    return made


def _checked(response: Response, **_: object) -> None:
    """Raise ValueError for an answer that is no JSON object: pip-audit takes an empty list for "nothing is known"."""
    if response.ok and not isinstance(response.json(), dict):
        raise ValueError("no JSON object")


class _Skipped(logging.Handler):
    """Counts entries that pip-audit skips with a warning."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


@contextmanager
def _watched() -> Iterator[_Skipped]:
    """Count what pip-audit's services skip, and let none of their messages out: they may quote an answer."""
    logger, handler = logging.getLogger("pip_audit._service"), _Skipped()
    propagated = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield handler
    finally:
        logger.propagate = propagated
        logger.removeHandler(handler)


def ask(
    pins: Sequence[tuple[str, str]],
    name: str,
    url: str = "",
    alive: Callable[[], None] | None = None,
) -> Iterator[Answer]:
    """Yield an answer for each (canonical name, version), in order. Whatever goes wrong is told in it."""
    with tempfile.TemporaryDirectory(prefix="mlguard-online-") as folder:
        # NOTE: without a folder of its own pip-audit asks pip for one, with -m and the working folder on the path.
        yield from answers(pins, service(name, Path(folder), url), alive)


def answers(
    pins: Iterable[tuple[str, str]], of: VulnerabilityService, alive: Callable[[], None] | None = None
) -> Iterator[Answer]:
    """Yield what a service of pip-audit says about each version."""
    failures, end = 0, time.monotonic() + MAX_SECONDS
    for name, version in pins:
        if alive:
            alive()
        if failures >= MAX_FAILURES:
            yield Answer(name, version, trouble=_UNREACHABLE)
        elif time.monotonic() > end:
            yield Answer(name, version, trouble=f"the advisory service took more than {MAX_SECONDS:.0f} seconds")
        elif not _NAME.fullmatch(name) or pep440.key(version) is None:
            yield Answer(name, version, trouble="its name or version has a form that no index knows")
        else:
            answer = _answer(name, version, of)
            failures = failures + 1 if answer.trouble == _UNREACHABLE else 0
            yield answer


_UNREACHABLE = "the advisory service cannot be reached, or answers with an error"
_STRANGE = "the answer of the advisory service cannot be understood"
_UNKNOWN = "the advisory service does not know it: it may be private"


def _answer(name: str, version: str, of: VulnerabilityService) -> Answer:
    from pip_audit._audit import Auditor
    from pip_audit._service.interface import ServiceError

    try:
        with _watched() as skipped_entries:
            found: list[tuple[Dependency, list[VulnerabilityResult]]] = list(
                Auditor(of).audit(pinned_source([(name, version)]))
            )
    except (ServiceError, OSError) as error:  # an answer that is no JSON is an error of both kinds
        return Answer(name, version, trouble=_STRANGE if isinstance(error, ValueError) else _UNREACHABLE)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Answer(name, version, trouble=_STRANGE)
    for dependency, results in found:
        if dependency.is_skipped():
            skipped = cast("SkippedDependency", dependency).skip_reason
            return Answer(
                name, version, trouble=_UNKNOWN if "not found" in skipped else "the advisory service skips it"
            )
        flaws = tuple(_told(result) for result in results)
        trouble = "the answer has entries that cannot be understood" if skipped_entries.count else ""
        return Answer(name, version, flaws, trouble)
    return Answer(name, version, trouble="the advisory service gives no answer")


def _told(result: VulnerabilityResult) -> Told:
    names = (str(result.id), *sorted(map(str, result.aliases)))
    summary = " ".join(str(result.description).split())
    return Told(names, summary[:MAX_SUMMARY_CHARS], tuple(str(version) for version in result.fix_versions))
