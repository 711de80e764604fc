"""Declared data against observed data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlguard.artifacts import Artifact
from mlguard.declarations import Declaration
from mlguard.facts import Fact
from mlguard.findings import Record


def assess(facts: Sequence[Fact], declaration: Declaration | None, artifacts: Sequence[Artifact]) -> Iterator[Record]:
    """Yield a detection for each category of personal data that a dataset shows beyond its declaration."""
    yield from ()
