"""The text that templates make, with the origin of each of its parts."""

from __future__ import annotations

from dataclasses import dataclass, field

from mlguard.scanners.infra.helm.printing import Mark, Traced
from mlguard.scanners.infra.helm.syntax import Source

NO_VALUE = "<no value>"
"""What text/template prints for nothing, and Helm takes out again at the end."""


@dataclass(slots=True)
class Writer:
    """Text that grows, and where its parts stem from."""

    parts: list[str] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    size: int = 0

    def add(self, piece: str, origin: Source | None, offset: int, exact: bool) -> None:
        """Add a text that stands at this offset of a source, or (not ``exact``) was made by what stands there."""
        if not piece:
            return
        if isinstance(piece, Traced):
            if piece.marks[0][0] > 0:
                self.marks.append((self.size, origin, offset, False))
            for start, other, place, exactly in piece.marks:
                if other is None or not other.path:
                    other, place, exactly = origin, offset, False
                self.marks.append((self.size + start, other, place, exactly))
        else:
            self.marks.append((self.size, origin, offset, exact))
        self.parts.append(piece)
        self.size += len(piece)

    def text(self) -> str:
        """Return what was written; it knows its origin when it has more than one line."""
        whole = "".join(self.parts)
        return Traced(whole, self.marks) if "\n" in whole and self.marks else whole

    def traced(self) -> Traced:
        """Return what was written, with its origin."""
        return Traced("".join(self.parts), self.marks or [(0, None, 0, False)])


def without_nothing(given: Traced) -> Traced:
    """Return a text without what was printed for nothing."""
    if NO_VALUE not in given:
        return given
    parts = given.split(NO_VALUE)
    cuts: list[int] = []
    at = 0
    for part in parts[:-1]:
        at += len(part)
        cuts.append(at)
        at += len(NO_VALUE)
    marks: list[Mark] = []
    index = 0
    for position, (start, origin, offset, exact) in enumerate(given.marks):
        while index < len(cuts) and cuts[index] < start:
            index += 1
        marks.append((max(start - index * len(NO_VALUE), 0), origin, offset, exact))
        stop = given.marks[position + 1][0] if position + 1 < len(given.marks) else len(given)
        while exact and index < len(cuts) and cuts[index] + len(NO_VALUE) < stop:
            behind = cuts[index] + len(NO_VALUE)
            index += 1
            marks.append((behind - index * len(NO_VALUE), origin, offset + behind - start, True))
    return Traced("".join(parts), marks)
