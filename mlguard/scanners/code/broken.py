"""Looks at a Python file that cannot be parsed: at what is left of it without the broken lines, and at those by their text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mlguard.errors import Unreadable
from mlguard.findings import Detection, Location, Record
from mlguard.scanners.code import lines, mending
from mlguard.scanners.code.report import records
from mlguard.scanners.code.seeing import Watch
from mlguard.scanners.code.source import MAX_SOURCE_BYTES, text_source

HINT = "what can be read of it was looked at all the same"


def scan(
    path: str, data: bytes, versions: Mapping[str, Sequence[str]], watches: tuple[Watch, ...] = ()
) -> Iterator[Record]:
    """Yield what a broken file does as far as that can be told. The gap for the file is the caller's."""
    text = mending.text_of(data)
    lost: frozenset[int] | None = None
    mended = mending.mend(text) if len(data) <= MAX_SOURCE_BYTES else None
    if mended is not None:
        try:
            source = text_source(path, mended.text)
            source.versions = versions
            yield from records(source, watches)
            lost = mended.lost
        except (Unreadable, RecursionError):
            lost = None
    yield from by_lines(path, text, lost)


def by_lines(path: str, text: str, only: frozenset[int] | None = None) -> Iterator[Detection]:
    """Yield what the lines of a text call: all of them, or ``only`` those with these numbers."""
    for one in lines.found(text, only):
        facts: dict[str, str | int] = {"call": one.call, "saw": f"{one.call} is called.", "found": "by text"}
        place = Location(path, one.line, one.column, one.line, one.end)
        yield Detection(one.rule, one.check, place, facts, "", f"text {one.call}")
