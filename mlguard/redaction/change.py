"""What happens to the cells of each column while a file is copied: changed, restored, or only looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mlguard.errors import UsageError
from mlguard.redaction.operators import EMPTY, Applied
from mlguard.redaction.spans import TextChange
from mlguard.redaction.tokens import Restorer


class Change(Protocol):
    """Takes the cells of a column and returns what is to stand in their places, in the same order."""

    everything: bool  # every column is asked for, whatever its name

    def wants(self, column: str) -> bool:
        """Say whether the column's cells are to be given to ``texts``."""

    def drops(self, column: str) -> bool:
        """Say whether the column is left out."""

    def rewrites(self, column: str) -> bool:
        """Say whether a column of another type becomes one of text."""

    def texts(self, column: str, values: Sequence[str], raw: bool = False) -> list[tuple[str, bool]]:
        """Return (text, bare) of each cell; ``raw`` and ``bare`` are for values that JSON writes without quotes."""


@dataclass(slots=True)
class Redaction:
    """Changes columns by their operators. ``counts`` are the cells that differ afterwards."""

    whole: Mapping[str, Applied]
    inside: Mapping[str, TextChange]
    dropped: frozenset[str]
    counts: dict[str, int] = field(default_factory=dict)
    everything: bool = False

    def wants(self, column: str) -> bool:
        return column in self.whole or column in self.inside

    def drops(self, column: str) -> bool:
        return column in self.dropped

    def rewrites(self, column: str) -> bool:
        applied = self.whole.get(column)
        return applied is not None and applied.operator.name != "keep" and not applied.number

    def texts(self, column: str, values: Sequence[str], raw: bool = False) -> list[tuple[str, bool]]:
        if column in self.whole:
            applied = self.whole[column]
            made = applied.each(values, raw)
            bare = raw and applied.number
        else:
            made, bare = self.inside[column].each(values), False
        self.counts[column] = self.counts.get(column, 0) + sum(a != b for a, b in zip(values, made, strict=True))
        return [(new, raw and new == old or bare and _numeric(new)) for old, new in zip(values, made, strict=True)]


def _numeric(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdecimal()


@dataclass(slots=True)
class Restoring:
    """Puts back what was encrypted, wherever its token stands."""

    restorer: Restorer
    everything: bool = True

    def wants(self, column: str) -> bool:
        return True

    def drops(self, column: str) -> bool:
        return False

    def rewrites(self, column: str) -> bool:
        return False

    def texts(self, column: str, values: Sequence[str], raw: bool = False) -> list[tuple[str, bool]]:
        if raw:
            return [(value, True) for value in values]
        return [self.restorer.whole(value) if "mlg1" in value else (value, False) for value in values]


@dataclass(slots=True)
class Checking:
    """Looks at the cells of a finished copy and counts those that are not as their operator leaves them."""

    done: Redaction
    wrong: dict[tuple[str, str], int] = field(default_factory=dict)  # cells by column and category
    everything: bool = False
    _known: dict[tuple[str, str], str] = field(default_factory=dict, repr=False)

    def wants(self, column: str) -> bool:
        return self.done.wants(column)

    def drops(self, column: str) -> bool:
        if column in self.done.dropped:
            self._count(column, "(dropped column)", 1)
        return False

    def rewrites(self, column: str) -> bool:
        return False

    def texts(self, column: str, values: Sequence[str], raw: bool = False) -> list[tuple[str, bool]]:
        counted = Counter(values)
        applied = self.done.whole.get(column)
        form = applied.form() if applied else None
        if applied is not None and form is not None:
            wrong = sum(
                cells
                for value, cells in counted.items()
                if value.strip().lower() not in EMPTY and not form.fullmatch(value)
            )
            if wrong:
                self._count(column, applied.category or "(any)", wrong)
        elif column in self.done.inside:
            for value, category in self.done.inside[column].left(list(counted)):
                self._count(column, category, counted[value])
        return [(value, raw) for value in values]

    def _count(self, column: str, category: str, cells: int) -> None:
        self.wrong[column, category] = self.wrong.get((column, category), 0) + cells


def refuse_nothing(restorer: Restorer) -> None:
    """Raise UsageError when no token was of this key."""
    if restorer.restored:
        return
    if restorer.foreign:
        raise UsageError(
            f"wrong key: none of the {restorer.foreign:,} encrypted values was made with key {restorer.key.id}; nothing was written"
        )
    raise UsageError("the file holds no encrypted value; nothing was written")
