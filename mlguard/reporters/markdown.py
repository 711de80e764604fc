"""Writes the short summary that a build service shows beside a run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from mlguard.findings import SEVERITIES, Finding, Location, Report, Verdict
from mlguard.reporters import read_by, sources
from mlguard.reporters.text import counted, visible
from mlguard.rules import Catalogue

MAX_BYTES = (
    2**20
)  # of one job summary: https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
MAX_ROWS = 50
MAX_CELL = 300  # characters

_WORDS = {"pass": "passed", "fail": "failed", "incomplete": "incomplete"}
_SPECIAL = re.compile(r"[^\w .,;/+=%?^'\"-]|_|www|^[-+=]")


def render(report: Report, verdict: Verdict, catalogue: Catalogue | None = None) -> str:
    """Return GitHub-flavoured Markdown of at most 1 MiB in UTF-8: the verdict, a table by scanner, the worst findings, gaps.

    All text of the scanned tree is written as character references, so that no part of it is markup, a link or a mention.
    """
    live = [finding for finding in report.findings if finding.state == "new"]
    worst = sorted(live, key=lambda finding: SEVERITIES.index(finding.severity))
    lines = [f"## mlguard: {_WORDS[verdict.outcome]}", ""]
    lines += [f"- {escape(reason)}" for reason in verdict.reasons[:MAX_ROWS]]
    lines += _more(len(verdict.reasons), "reason", "- ")
    if not any(item.wanted for item in report.coverage):
        lines += ["", "**Nothing was scanned.**"]
    lines += [
        "",
        *_table(("Scanner", *(name.capitalize() for name in SEVERITIES), "Files read"), _scanners(report, live)),
    ]
    if worst:
        heads = ("Severity", "Rule", "Where", "Message")
        lines += ["", "### Findings", "", *_table(heads, (_finding(finding) for finding in worst[:MAX_ROWS]))]
        lines += ["", *_more(len(worst), "finding")] if len(worst) > MAX_ROWS else []
    else:
        lines += ["", f"No finding of {counted(len(report.evaluated), 'rule')} in {counted(report.files, 'file')}."]
    if report.gaps:
        rows = (
            (escape(gap.scanner), code(gap.path), escape(f"{gap.kind}: {gap.reason}")) for gap in report.gaps[:MAX_ROWS]
        )
        lines += ["", "### Not looked at", "", *_table(("Scanner", "Path", "Why"), rows)]
        lines += ["", *_more(len(report.gaps), "gap")] if len(report.gaps) > MAX_ROWS else []
    ignored = len(report.findings) - len(live)
    if ignored:
        lines += ["", f"{counted(ignored, 'finding')} ignored by an entry with a reason."]
    return _fitted(lines)


def escape(text: str, limit: int = MAX_CELL) -> str:
    """Return text in which every character that Markdown, HTML or a table could take for markup is a reference."""
    text = visible(text)
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return _SPECIAL.sub(_reference, text)


def _reference(match: re.Match[str]) -> str:
    found = match.group()
    return f"&#{ord(found[0])};{found[1:]}" if found != "@" else "&#64;<!-- -->"  # a comment splits a mention


def code(text: str) -> str:
    """Return text as inline code."""
    return f"<code>{escape(text)}</code>" if text else ""


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _scanners(report: Report, live: Sequence[Finding]) -> Iterator[tuple[str, ...]]:
    counts = Counter((finding.scanner, finding.severity) for finding in live)
    for name in sources(report):
        looked, read = read_by(name, report)
        numbers = [counts[name, severity] for severity in SEVERITIES]
        shown = [f"{number:,}" if looked or any(numbers) else "-" for number in numbers]
        yield (escape(name), *shown, read)


def _finding(finding: Finding) -> tuple[str, ...]:
    rule = f"{finding.rule} {finding.advisory}" if finding.advisory else finding.rule
    return finding.severity, code(rule), code(_place(finding.location)), escape(finding.message)


def _place(place: Location) -> str:
    if not place.path:
        return "the whole repository"
    where = f"{place.path}:{place.line}" if place.byte is None else f"{place.path} byte {place.byte}"
    return f"{where} ({place.within})" if place.within else where


def _more(number: int, noun: str, bullet: str = "") -> list[str]:
    rest = number - MAX_ROWS
    return [f"{bullet}… {rest:,} more {noun if rest == 1 else noun + 's'} in the full report."] if rest > 0 else []


def _fitted(lines: Sequence[str]) -> str:
    """Return the lines that fit into the limit, and say when some do not."""
    notice = "\n… cut: see the full report.\n"
    room = MAX_BYTES - len(notice.encode())
    kept: list[str] = []
    for line in lines:
        room -= len(line.encode()) + 1
        if room < 0:
            return "\n".join(kept) + notice
        kept.append(line)
    return "\n".join(kept) + "\n"
