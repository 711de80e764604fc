"""Looks at the outputs and the prose of a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mlguard.artifacts import Artifact
from mlguard.facts import Dataset, Field
from mlguard.findings import Record
from mlguard.scanners import Context, notebook, read_text
from mlguard.scanners.dataset import frames, places, report, verdict
from mlguard.scanners.dataset.columns import Profile
from mlguard.scanners.dataset.table import PROSE


def scan(artifact: Artifact, context: Context) -> Iterator[Record]:
    """Yield a detection for each category that an output of a cell shows, and one fact for the notebook."""
    kept: list[Field] = []
    rows = 0
    for cell in notebook.read(read_text(context, artifact.path)):
        texts = [(output.text, output.lines, f"cell {cell.index}, output {output.index}") for output in cell.outputs]
        if cell.kind == "markdown":
            texts.append((cell.source, cell.lines, f"cell {cell.index}"))
        seen: set[tuple[str, str]] = set()
        for text, lines, place in texts:
            rows += len(lines)
            for field in _fields(text, lines, prose=cell.kind == "markdown"):
                key = (place, field.category)
                if key in seen or places.is_test(artifact.path) and field.strength == "context":
                    continue
                seen.add(key)
                kept.append(replace(field, name=place))
                found = report.detection("data/personal-data-in-notebook", artifact.path, field, "output")
                yield replace(
                    found,
                    location=replace(found.location, within=place),
                    scope=place,
                    facts={**found.facts, "place": place, "column": place},
                    excerpt=("",),
                )
    if kept:
        yield Dataset(artifact.path, "notebook", rows, 1, verdict.merged(kept))


def _fields(text: str, lines: tuple[int, ...], prose: bool) -> Iterator[Field]:
    profile = Profile(PROSE, text=True)
    parts = text.split("\n")
    profile.add(parts)
    for field in verdict.judge([profile]):
        own = report.distinct_own(field, [profile])
        if report.only_reserved(field, [profile]) and prose or prose and field.strength == "pattern" and own < 10:
            continue
        line = lines[field.line - 1] if field.line <= len(lines) else 1
        yield replace(field, line=line)
    if not prose:
        for at, profiles in frames.printed(parts):
            for field in verdict.judge(profiles):
                if field.strength == "context" and field.confidence != "low":
                    yield replace(field, line=lines[at] if at < len(lines) else 1)
