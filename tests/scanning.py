"""Runs a scan inside the test's own process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlguard import config, declarations, discovery, rules
from mlguard.artifacts import Artifact
from mlguard.engine import Job, run
from mlguard.findings import Report
from mlguard.scanners import BUILT_IN


def scan(
    root: Path,
    scanners: Sequence[str] = tuple(BUILT_IN),
    settings: Mapping[str, Any] | None = None,
    history: bool = False,
    **options: Any,
) -> Report:
    """Return the report on every file below ``root``, with its privacy.yaml and the settings of its mlguard.yaml where there are any."""
    paths = [
        path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file() and ".git" not in path.parts
    ]
    found = discovery.classify(root, paths)
    if (root / "privacy.yaml").is_file():
        options.setdefault("declaration", declarations.load(root, "privacy.yaml"))
    if settings is None and (root / "mlguard.yaml").is_file():
        settings = config.load(root / "mlguard.yaml").settings
    past = (Artifact("(history)", "history", 0),) if history else ()
    job = Job(
        root, (*found.artifacts, *past), scanners, rules.load(), settings=settings or {}, gaps=found.gaps, **options
    )
    return run(job)


def found(report: Report, rule: str = "") -> list[tuple[str, int, str]]:
    """Return (path, line, rule) of the findings, of one rule when it is named; several checks of a rule at one line are one."""
    return sorted({(f.location.path, f.location.line, f.rule) for f in report.findings if not rule or f.rule == rule})
