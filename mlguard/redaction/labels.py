"""The names under which the dataset scanner shows the columns of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mlguard.scanners.dataset import terms


def names_of(labels: Sequence[str]) -> list[str]:
    """Return a name for each label of a header: as ``columns.Sheet`` gives it, so that its fields can be found again."""
    seen: Counter[str] = Counter()
    names = []
    for place, label in enumerate(labels, 1):
        plain = " ".join(label.split())
        seen[plain] += 1
        shown = terms.shown(plain, place)
        names.append(shown if seen[plain] == 1 or shown != plain else f"{shown} ({seen[plain]})")
    return names
