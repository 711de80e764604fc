"""mlguard hook: the quick run on the files of a commit, in this process and without the weight of a full scan."""

from __future__ import annotations

import os
from pathlib import Path

from mlguard import rules
from mlguard.cli import output
from mlguard.cli.run import catalogue, configuration, examine, folder
from mlguard.errors import UsageError
from mlguard.findings import Report
from mlguard.gate import blocks, judge
from mlguard.values import replace

SCANNERS = ("code", "secrets", "model", "infra")
"""The scanners that look at one file at a time, and fast."""

_HELP = """Usage: mlguard hook [FILE]...

  Scan the files of a commit, quickly: code, secrets, model files and infrastructure, by the rules that one
  file is enough for. Datasets, dependencies and what takes the whole tree are left to mlguard scan, and so is
  all that does not fail the gate: a commit that passes prints nothing.

  Exit codes: 0 pass, 1 a finding fails the gate, 2 usage or configuration, 3 a file could not be read.
"""


def hook(arguments: list[str]) -> int:
    """Scan the files that the arguments name, print what stops the commit, and return the exit code. Raises UsageError."""
    if arguments in (["--help"], ["-h"]):
        output.emit(_HELP)
        return 0
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    # pre-commit gives names as they are, so a file may begin with a hyphen
    unknown = [name for name in options if name.startswith("-") and not os.path.lexists(name)]
    if unknown:
        raise UsageError(f"hook takes file names only, not {unknown[0]}; mlguard hook --help says more")
    paths = [Path(argument) for argument in arguments if argument != "--" and Path(argument).exists()]
    if not paths:
        return 0  # a commit that deletes files has nothing to look at
    settings = configuration([Path.cwd()], None, jobs=0)  # a folder's own configuration does not loosen a commit's
    enabled = tuple(name for name in SCANNERS if name in settings.scanners)
    settings = replace(settings, scanners=enabled, required=())
    report = _without_other_rules(
        examine(folder(paths, settings, None), paths, settings, hook=True), catalogue(settings)
    )
    if not report.gaps and not any(coverage.wanted for coverage in report.coverage):
        return 0  # a picture, an empty file: nothing that these scanners read
    report, verdict = judge(report, settings, output.today())
    if verdict.exit_code:
        stopping = tuple(finding for finding in report.findings if blocks(finding, settings.fail_on))
        shown = replace(report, findings=stopping)
        output.emit(output.for_terminal(shown, verdict, catalogue(settings), verbose=False, color=None))
    return verdict.exit_code


def _without_other_rules(report: Report, known: rules.Catalogue) -> Report:
    """Leave out the findings of rules that take more than one file to judge."""
    return replace(report, findings=tuple(finding for finding in report.findings if known.rules[finding.rule].hook))
