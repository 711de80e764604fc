"""What reading an archive may cost, and what was left unread because of it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from mlguard.errors import Unreadable
from mlguard.scanners.dataset.table import MissedKind
from mlguard.values import dataclass, field

MAX_MEMBER_BYTES = 64 * 2**30
MAX_TOTAL_BYTES = 256 * 2**30
"""What one member, and all of one file, may become. Time runs out long before."""

BOMB_FROM_BYTES = 256 * 2**20
BOMB_RATIO = 200
"""What has become larger than the first and than the file by more than the second is a bomb. Tables shrink to a hundredth at best."""


@dataclass(slots=True)
class Budget:
    """What the reading of one file has cost, and what was not read: (kind, reason) to the shown names of members."""

    packed: int
    unpacked: int = 0
    held: int = 0
    members: int = 0
    spent: bool = False
    traces: dict[str, list[str]] | None = None  # in a look at media only: members by kind of trace
    media: int = 0
    missed: dict[tuple[MissedKind, str], list[str]] = field(default_factory=dict)

    def note(self, kind: MissedKind, reason: str, name: str = "") -> None:
        names = self.missed.setdefault((kind, reason), [])
        if name not in names:
            names.append(name)

    def told(self) -> list[tuple[MissedKind, str]]:
        """Return what was noted, and forget it."""
        lines = [(kind, reason + _some(names)) for (kind, reason), names in self.missed.items()]
        self.missed = {}
        return lines


def _some(names: list[str]) -> str:
    named = [name for name in names if name]
    if not named:
        return ""
    return f": {named[0]}" + (f" and {len(named) - 1:,} more" if len(named) > 1 else "")


@dataclass(slots=True)
class Meter:
    """Counts what one stream unpacks to, once however often it is opened. It ends where the bounds or the stream end."""

    budget: Budget
    name: str
    packed: int
    crc: int = 0  # 0: not known
    seen: int = 0

    def run(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        budget, at, check = self.budget, 0, 0
        try:
            for piece in pieces:
                at += len(piece)
                check = zlib.crc32(piece, check) if self.crc else 0
                if at > self.seen:
                    budget.unpacked += at - self.seen
                    self.seen = at
                if self._too_much(at):
                    return
                yield piece
        except Unreadable as trouble:  # what came before counts, whatever the reader makes of a broken handle
            budget.note("unreadable", str(trouble), self.name)
            return
        if self.crc and check != self.crc:
            budget.note("unreadable", "the checksum of a member does not fit", self.name)

    def _too_much(self, at: int) -> bool:
        budget = self.budget
        for size, packed in ((at, self.packed), (budget.unpacked, budget.packed)):
            if budget.packed and size > BOMB_FROM_BYTES and size > BOMB_RATIO * packed:
                budget.note("too-large", f"unpacks to more than {BOMB_RATIO} times its size, as a bomb does; the rest was not read", self.name)  # fmt: skip
                budget.spent = budget.spent or size == budget.unpacked
                return True
        if at > MAX_MEMBER_BYTES or budget.unpacked > MAX_TOTAL_BYTES:
            budget.note("too-large", "unpacks to more than the limit; the rest was not read", self.name)
            budget.spent = budget.unpacked > MAX_TOTAL_BYTES
            return True
        return False
