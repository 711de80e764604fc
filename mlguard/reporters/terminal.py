"""Writes a report for a person at a terminal."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from mlguard.findings import SEVERITIES, Finding, Gap, Location, Proof, Report, Severity, Verdict
from mlguard.redact import MASK
from mlguard.reporters import read_by, sources
from mlguard.reporters.text import ascii_only, counted, cut, harmless, visible, why, width, wrap
from mlguard.rules import Catalogue
from mlguard.values import dataclass

MOST_ALIKE = 10
"""Findings of one rule that are shown for one file."""
MOST_RELATED = 5
"""Other places that are shown for one finding."""
MOST_GAPS = 10
"""Paths that are shown for one reason."""
MIN_WIDTH = 40
"""Columns. A narrower terminal is written for as if it had these."""

WHOLE = "(the whole repository)"

_STYLES = {
    "critical": "1;31", "high": "31", "medium": "33", "low": "36", "path": "1", "dim": "2", "pass": "1;32",
    "fail": "1;31", "incomplete": "1;33", "caret": "31",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Style:
    """How to write: with colours, how many columns wide, with characters beyond ASCII, with everything or the essence."""

    color: bool = False
    width: int = 100
    unicode: bool = True
    verbose: bool = False

    def paint(self, text: str, name: str) -> str:
        return f"\x1b[{_STYLES[name]}m{text}\x1b[0m" if self.color and text else text

    def show(self, text: str) -> str:
        """Return text of a scanned tree in a form that is safe on this terminal."""
        text = visible(text)
        return text if self.unicode else ascii_only(text)

    @property
    def bar(self) -> str:
        return "│" if self.unicode else "|"

    @property
    def more(self) -> str:
        return "…" if self.unicode else "..."


def render(
    report: Report,
    verdict: Verdict,
    catalogue: Catalogue,
    color: bool = False,
    width: int = 100,
    unicode: bool = True,
    verbose: bool = False,
) -> str:
    """Return the report as lines of at most ``width`` columns: findings by file, gaps, a table, the verdict.

    ``verbose`` shows every finding, also those that are ignored, and every gap. Nothing that was scanned can place an
    escape sequence, a command of a build service or a line end.
    """
    return "".join(pieces(report, verdict, catalogue, Style(color, max(width, MIN_WIDTH), unicode, verbose)))


def pieces(report: Report, verdict: Verdict, catalogue: Catalogue, style: Style) -> Iterator[str]:
    """Yield the report of ``render``, one file or section at a time."""
    between = ""
    for part in _sections(report, verdict, catalogue, style):
        if part:
            yield between + "\n".join([line.rstrip() for line in part])
            between = "\n\n"
    yield "\n"


def _sections(report: Report, verdict: Verdict, catalogue: Catalogue, style: Style) -> Iterator[Sequence[str]]:
    yield from _files(report, catalogue, style)
    yield _gaps(report.gaps, style)
    yield _ignored(report.findings, style)
    yield _proofs(report.proofs, style)
    yield _table(report, style)
    yield _verdict(report, verdict, style)


# Findings


def _files(report: Report, catalogue: Catalogue, style: Style) -> Iterator[list[str]]:
    groups: dict[str, list[Finding]] = defaultdict(list)
    for finding in report.findings:
        if finding.state == "new" or style.verbose:
            groups[finding.location.path].append(finding)
    for path in sorted(groups, key=lambda path: (min(map(_rank, groups[path])), path)):
        yield [*_file(path, sorted(groups[path], key=_rank), catalogue, style)]


def _rank(finding: Finding) -> int:
    return SEVERITIES.index(finding.severity)


def _file(path: str, findings: Sequence[Finding], catalogue: Catalogue, style: Style) -> Iterator[str]:
    for line in wrap(style.show(path).rstrip() or WHOLE, style.width):
        yield style.paint(line.rstrip(), "path")
    totals = Counter(finding.rule for finding in findings)
    shown: Counter[str] = Counter()
    explained: set[tuple[str, str]] = set()
    for finding in findings:
        shown[finding.rule] += 1
        if shown[finding.rule] > MOST_ALIKE and not style.verbose:
            if shown[finding.rule] == totals[finding.rule]:
                yield ""
                yield from wrap_at(2, f"{style.more} {totals[finding.rule] - MOST_ALIKE} more of {finding.rule} in this file "
                                   "(--verbose shows them)", style)  # fmt: skip
            continue
        yield ""
        yield from _finding(finding, catalogue, style, brief=(finding.rule, finding.fix) in explained)
        explained.add((finding.rule, finding.fix))


def _finding(finding: Finding, catalogue: Catalogue, style: Style, brief: bool) -> Iterator[str]:
    head = f"{finding.severity} {style.show(finding.rule)}"
    if finding.advisory:
        head += f" {style.show(finding.advisory)}"
    notes = [_place(finding.location, style)]
    if finding.on_fail == "review":
        notes.append("for a person to judge")
    if finding.state == "ignored":
        notes.append("ignored")
    first, *others = wrap(f"{head}  {', '.join(notes)}", style.width - 4)
    yield "  " + first.replace(finding.severity, style.paint(finding.severity, finding.severity), 1)
    yield from ("    " + line for line in others)
    yield from _excerpt(finding, style)
    yield from wrap_at(4, style.show(finding.message), style)
    if finding.subject and finding.subject not in finding.message:
        yield from wrap_at(4, f"subject: {style.show(finding.subject)}", style)
    for text, place in finding.related[: None if style.verbose else MOST_RELATED]:
        yield from wrap_at(4, f"see: {_place(place, style)} {style.show(text)}".rstrip(), style)
    if len(finding.related) > MOST_RELATED and not style.verbose:
        rest = counted(len(finding.related) - MOST_RELATED, "more place")
        yield from wrap_at(4, f"{style.more} {rest} (--verbose shows them)", style)
    if finding.state == "ignored":
        yield from wrap_at(4, f"ignored: {style.show(finding.reason)}", style)
    elif finding.reason:
        yield from wrap_at(4, f"not ignored: {style.show(finding.reason)}", style)
    if brief:
        return
    reason = why(finding, catalogue)
    if reason:
        yield from wrap_at(4, f"why: {style.show(reason)}", style)
    if finding.fix:
        yield from wrap_at(4, f"fix: {style.show(finding.fix)}", style)
    if finding.controls:
        yield from wrap_at(4, f"controls: {style.show(', '.join(finding.controls))}", style)


def wrap_at(indent: int, text: str, style: Style) -> Iterator[str]:
    """Yield ``text`` as lines behind ``indent`` spaces; "why: …" goes on beneath its text."""
    label = re.match(r"[a-z]+: ", text)
    hang = len(label.group()) if label and style.width >= 60 else 0
    first, *others = wrap(text, style.width - indent - hang)
    yield " " * indent + first
    yield from (" " * (indent + hang) + line for line in others)


def _place(place: Location, style: Style) -> str:
    within = f" ({style.show(place.within)})" if place.within else ""
    if not place.path:
        return f"{WHOLE}{within}"
    where = f"byte {place.byte}" if place.byte is not None else f"{place.line}:{place.column}"
    return f"{style.show(place.path)}:{where}{within}"


def _excerpt(finding: Finding, style: Style) -> Iterator[str]:
    place = finding.location
    numbers = [str(place.line + index) if place.byte is None else "" for index in range(len(finding.excerpt))]
    gutter = max(map(len, numbers), default=0)
    room = style.width - gutter - 7  # four spaces, the bar and a space at each side of it
    for index, (number, line) in enumerate(zip(numbers, finding.excerpt, strict=True)):
        marked = _span(line, place) if index == 0 else None
        shown, start, length = _window(line, marked, room, style)
        yield f"    {number:>{gutter}} {style.bar} {shown}".rstrip()
        if length:
            yield f"    {'':>{gutter}} {style.bar} {' ' * start}{style.paint('^' * length, 'caret')}"


def _span(line: str, place: Location) -> tuple[int, int] | None:
    """Return which characters of the first line to mark, from 0. A mask moves columns: then all that is not blank."""
    blank = len(line) - len(line.lstrip())
    end = place.end_column - 1 if place.end_column and place.end_line in (0, place.line) else len(line)
    start = place.column - 1
    if place.byte is None and start < end <= len(line) and MASK not in line[:end] and line[start:end].strip():
        return start + len(line[start:end]) - len(line[start:end].lstrip()), end
    return (blank, len(line)) if blank < len(line) else None


def _window(line: str, marked: tuple[int, int] | None, room: int, style: Style) -> tuple[str, int, int]:
    """Return the part of a line that fits, and in columns where the carets begin and how many there are."""
    if len(line) <= room and line.isascii() and style.show(line) == line:
        start, end = marked or (0, 0)
        return line, start, max(0, min(end, len(line)) - start)
    shown = [style.show(char) for char in line]  # one by one, so that an escape cannot move the carets
    text = style.show(line)
    if "".join(shown) != text:  # characters that are only harmful together
        return cut(text, room, style.more), 0, min(width(text), room) if marked else 0
    widths = [width(part) for part in shown]
    start, end = marked or (0, 0)
    first = 0
    if sum(widths) > room and sum(widths[:end]) > room:
        while first < start and sum(widths[first:end]) > room - 8:
            first += 1
        first = max(0, first - 4)
    head = style.more if first else ""
    text = cut(head + "".join(shown[first:]), room, style.more)
    before = len(head) + sum(widths[first:start])
    return text, before, max(0, min(sum(widths[start:end]), width(text) - before))


# Gaps, ignored findings, table, verdict


def _gaps(gaps: Sequence[Gap], style: Style) -> list[str]:
    if not gaps:
        return []
    lines = [style.paint(f"Not looked at: {counted(len(gaps), 'gap')}", "incomplete")]
    groups: dict[tuple[str, str, str, str], list[Gap]] = defaultdict(list)
    for gap in gaps:
        groups[gap.scanner, gap.kind, gap.reason, gap.hint].append(gap)
    for (scanner, kind, reason, hint), members in groups.items():
        lines += wrap_at(2, f"{style.show(scanner)}: {kind}: {style.show(reason)}", style)
        if hint:
            lines += wrap_at(4, f"hint: {style.show(hint)}", style)
        paths = [gap.path for gap in members if gap.path]
        most = len(paths) if style.verbose else MOST_GAPS
        for path in paths[:most]:
            lines += wrap_at(4, style.show(path), style)
        if len(paths) > most:
            lines += wrap_at(4, f"{style.more} {len(paths) - most:,} more (--verbose shows them)", style)
    return lines


def _ignored(findings: Sequence[Finding], style: Style) -> list[str]:
    number = sum(finding.state == "ignored" for finding in findings)
    if not number or style.verbose:
        return []
    return [
        *wrap(f"{counted(number, 'finding')} ignored by an entry with a reason (--verbose shows them)", style.width)
    ]


def _proofs(proofs: Sequence[Proof], style: Style) -> list[str]:
    """Return in how many places each property was verified, when everything is to be shown."""
    if not proofs or not style.verbose:
        return []
    lines = ["Verified"]
    for rule, number in sorted(Counter(proof.rule for proof in proofs).items()):
        lines += wrap_at(2, f"{style.show(rule)} does not occur in {counted(number, 'subject')}", style)
    return lines


def _table(report: Report, style: Style) -> list[str]:
    counts = Counter((finding.scanner, finding.severity) for finding in report.findings if finding.state == "new")
    rows = []
    for name in sources(report):
        numbers = [counts[name, severity] for severity in SEVERITIES]
        looked, read = read_by(name, report)
        rows.append((harmless(style.show(name)), numbers if looked or any(numbers) else [], read))
    return [*_rows(rows, style)]


def _rows(rows: Iterable[tuple[str, Sequence[int], str]], style: Style) -> Iterator[str]:
    rows = [*rows]
    first = min(max([len("scanner"), *(width(name) for name, _, _ in rows)]), max(8, style.width - 48))
    heads: Sequence[str] = SEVERITIES if style.width >= 70 else ("crit", "high", "med", "low")
    sizes = [
        max([len(head), *(len(f"{numbers[index]:,}") for _, numbers, _ in rows if numbers)])
        for index, head in enumerate(heads)
    ]
    top = _pad("scanner", first) + "".join(f"  {head:>{size}}" for head, size in zip(heads, sizes, strict=True))
    yield style.paint(cut(f"{top}  files", style.width, style.more), "dim")
    for name, numbers, read in rows:
        line = _pad(cut(name, first, style.more), first)
        taken = first + sum(size + 2 for size in sizes) + 2
        known: Sequence[int | None] = numbers or [None] * len(SEVERITIES)
        for severity, number, size in zip(SEVERITIES, known, sizes, strict=True):
            line += "  " + _number(number, size, severity, style)
        first_line, *others = wrap(read, max(style.width - taken, 8))
        yield f"{line}  {first_line}".rstrip()
        yield from (" " * taken + other for other in others)


def _number(number: int | None, size: int, severity: Severity, style: Style) -> str:
    text = "-" if number is None else f"{number:,}"
    return " " * (size - len(text)) + (style.paint(text, severity) if number else text)


def _pad(text: str, columns: int) -> str:
    return text + " " * (columns - width(text))


_WORDS = {"pass": "Passed", "fail": "Failed", "incomplete": "Incomplete"}


def _verdict(report: Report, verdict: Verdict, style: Style) -> list[str]:
    word = _WORDS[verdict.outcome]
    first, *others = wrap(f"{word}: {_summary(report)}", style.width)
    lines = [style.paint(first[: len(word)], verdict.outcome) + first[len(word) :], *others]
    for reason in verdict.reasons:
        lines += _bullet(style.show(reason), style)
    return [
        *lines,
        *(line for text in _next(report, verdict) for line in wrap(f"Next: {style.show(text)}", style.width)),
    ]


def _next(report: Report, verdict: Verdict) -> Iterator[str]:
    worst = _worst(report, verdict)
    if worst:
        yield f"mlguard explain {worst.rule}"
    if not any(item.wanted for item in report.coverage):
        yield "check the paths and the exclusions; mlguard scan --help names both"
    elif verdict.incomplete:
        yield "close what is named above and run again"


def _bullet(text: str, style: Style) -> Iterator[str]:
    first, *others = wrap(text, style.width - 4)
    yield f"  - {first}"
    yield from ("    " + line for line in others)


def _summary(report: Report) -> str:
    live = [finding for finding in report.findings if finding.state == "new"]
    if not any(item.wanted for item in report.coverage):
        return f"nothing was scanned ({counted(report.files, 'file')} found)."
    looked = sum(item.complete > 0 for item in report.coverage)
    found = counted(len(live), "finding") if live else "no finding"
    parts = [
        f"{found} in {counted(report.files, 'file')}",
        f"{counted(len(report.evaluated), 'rule')} checked by {counted(looked, 'scanner')}",
    ]
    if report.proofs:
        parts.append(f"{counted(len(report.proofs), 'property', 'properties')} verified")
    parts.append(f"{counted(len(report.gaps), 'gap')}" if report.gaps else "no gaps")
    return ", ".join(parts) + "."


def _worst(report: Report, verdict: Verdict) -> Finding | None:
    """Return the finding to look at first: the most severe one that fails the gate, else the most severe one."""
    blocking = set(verdict.blocking)
    live = [finding for finding in report.findings if finding.state == "new"]
    return min(live, key=lambda finding: (finding.fingerprint not in blocking, _rank(finding)), default=None)
