"""What the sample reports look like, byte by byte. ``python -m tests.goldens`` writes the files anew, for review."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mlguard.reporters import jsonreport, markdown, sarif, terminal
from tests.reports import CATALOGUE, CLEAN, EMPTY, HOSTILE, NOTHING, PASSED, REPORT, VERDICT

FOLDER = Path(__file__).parent / "golden"

GOLDENS: dict[str, Callable[[], str]] = {
    "report.sarif": lambda: sarif.render(REPORT, VERDICT, CATALOGUE),
    "report.github.sarif": lambda: sarif.render(REPORT, VERDICT, CATALOGUE, "github"),
    "report.json": lambda: jsonreport.render(REPORT, VERDICT, CATALOGUE),
    "report.md": lambda: markdown.render(REPORT, VERDICT, CATALOGUE),
    "report.txt": lambda: terminal.render(REPORT, VERDICT, CATALOGUE),
    "report.verbose.txt": lambda: terminal.render(REPORT, VERDICT, CATALOGUE, color=True, width=72, verbose=True),
    "report.ascii.txt": lambda: terminal.render(REPORT, VERDICT, CATALOGUE, width=60, unicode=False),
    "hostile.txt": lambda: terminal.render(HOSTILE, VERDICT, CATALOGUE, width=80),
    "hostile.md": lambda: markdown.render(HOSTILE, VERDICT, CATALOGUE),
    "clean.txt": lambda: terminal.render(CLEAN, PASSED, CATALOGUE),
    "clean.md": lambda: markdown.render(CLEAN, PASSED, CATALOGUE),
    "empty.txt": lambda: terminal.render(EMPTY, NOTHING, CATALOGUE),
}

if __name__ == "__main__":
    for name, render in GOLDENS.items():
        (FOLDER / name).write_text(render(), encoding="utf-8")
