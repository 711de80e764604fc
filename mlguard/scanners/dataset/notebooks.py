"""Looks at the outputs and the prose of a notebook."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlguard.artifacts import Artifact
from mlguard.facts import Dataset, Field
from mlguard.findings import Record
from mlguard.scanners import Context, notebook, read_text
from mlguard.scanners.dataset import frames, places, report, verdict
from mlguard.scanners.dataset.columns import Profile
from mlguard.scanners.dataset.table import PROSE
from mlguard.values import replace


def scan(artifact: Artifact, context: Context) -> Iterator[Record]:
    """Yield a detection for each category that an output of a cell shows, and one fact for the notebook."""
    kept: list[Field] = []
    rows = 0
    whole = notebook.read_whole(read_text(context, artifact.path))
    outputs: dict[str, str | int] = {"outputs": whole.outputs, "output_characters": whole.output_characters}
    for texts, prose in _texts(whole):
        seen: set[tuple[str, str]] = set()
        for text, lines, place in texts:
            rows += len(lines)
            for field in _fields(text, lines, prose):
                key = (place, field.category)
                if key in seen or places.is_test(artifact.path) and field.strength == "context":
                    continue
                seen.add(key)
                kept.append(replace(field, name=place))
                found = report.detection("data/personal-data-in-notebook", artifact.path, field, "output")
                yield replace(
                    found,
                    location=replace(found.location, within=place),
                    scope=_kind(place),
                    facts={**found.facts, "place": place, "column": place, **outputs},
                    excerpt=("",),
                )
    if kept:
        yield Dataset(artifact.path, "notebook", rows, 1, verdict.merged(kept))


Place = tuple[str, tuple[int, ...], str]
"""A text with the lines of the file for each of its own, and where in the notebook it is."""


def _texts(whole: notebook.Notebook) -> Iterator[tuple[list[Place], bool]]:
    """Yield the texts of each cell, and those of metadata; the second says whether they are prose."""
    for cell in whole.cells:
        name = f"cell {cell.index}"
        texts = [(output.text, output.lines, f"{name}, output {output.index}") for output in cell.outputs]
        texts += [(hung.text, hung.lines, f"{name}, attachment {hung.index}") for hung in cell.attachments]
        if cell.metadata is not None:
            texts.append((cell.metadata.text, cell.metadata.lines, f"{name}, metadata"))
        if cell.kind in ("markdown", "raw"):
            texts.append((cell.source, cell.lines, name))
        yield texts, cell.kind in ("markdown", "raw")
    if whole.metadata is not None:
        yield [(whole.metadata.text, whole.metadata.lines, "metadata")], False


def _kind(place: str) -> str:
    """Return what a place is, without the numbers that change when cells are moved."""
    return re.sub(r" \d+", "", place)


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
