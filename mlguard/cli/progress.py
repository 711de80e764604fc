"""Shows on standard error how far a long read has come: rows, bytes, the rate and the time left. Never in the way of the output."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from typing import IO, Any

AFTER = 0.5
"""Seconds before anything is shown."""

EVERY = 0.1
"""Seconds between two changes of the line on a terminal."""

PLAIN_EVERY = 10.0
"""Seconds between two lines where there is no terminal."""

STEADY = 1.0
"""Seconds of one file before a time left is told: the first rows say little."""


class Progress:
    """Shows where a run is. On a terminal one line is written over and over and wiped at the end; elsewhere plain lines, when wanted.

    ``plain`` asks for lines where there is no terminal. ``clock`` returns seconds. ``end`` must be called; what was shown is gone then.
    """

    def __init__(
        self, plain: bool = False, stream: IO[str] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:  # fmt: skip
        self.stream, self.clock = sys.stderr if stream is None else stream, clock
        self.live = _is_terminal(self.stream)
        self.wanted = self.live or plain
        self._next = clock() + (AFTER if self.live else PLAIN_EVERY)
        self._shown = False
        self.begin("")

    def begin(self, name: str, size: int = 0, done: Callable[[], int] | None = None, about: int = 0) -> None:
        """Start with another file of ``size`` bytes; ``done`` returns how many of them were read. The name must be fit to be shown.

        ``about`` is how many rows there may be, 0 when nobody knows.
        """
        self._name, self._size, self._done, self._about, self._start = name, size, done, about, self.clock()

    def step(self, rows: int, of: int | None = None) -> None:
        """Say that so many rows of the file were read, of so many when that is known. Costs nothing until it is time to show it."""
        if not self.wanted or (now := self.clock()) < self._next:
            return
        self._next = now + (EVERY if self.live else PLAIN_EVERY)
        told = self._line(rows, of, now - self._start)
        if self.live:
            width = max(20, shutil.get_terminal_size((80, 24)).columns) - 1
            self._write(f"\r\x1b[K{told[:width]}")
            self._shown = True
        else:
            self._write(told + "\n")

    def end(self) -> None:
        """Wipe what is shown."""
        if self._shown:
            self._write("\r\x1b[K")
            self._shown = False

    def _line(self, rows: int, of: int | None, passed: float) -> str:
        read = min(self._done(), self._size) if self._done is not None and self._size > 0 else 0
        share = (
            rows / of if of else min(rows / self._about, 0.99) if self._about else read / self._size if read else 0.0
        )
        total = f" of {of:,}" if of else f" of about {rounded(max(self._about, rows)):,}" if self._about else ""
        parts = [f"{rows:,}{total} rows"]
        if self._size > 0 and share:
            parts.append(f"{amount(round(share * self._size))} of {amount(self._size)}")
        if passed > 0:
            parts.append(f"{rows / passed:,.0f} rows/s")
        if 0 < share <= 1 and passed >= STEADY:
            parts.append(f"{lasting(passed * (1 - share) / share)} left")
        return f"mlguard: {self._name}: " + ", ".join(parts)

    def _write(self, text: str) -> None:
        try:
            self.stream.write(text.encode("ascii", "backslashreplace").decode("ascii"))
            self.stream.flush()
        except (OSError, ValueError):
            self.wanted = False  # nobody reads it


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty()) and os.environ.get("TERM") != "dumb"
    except (AttributeError, ValueError):
        return False


def rounded(number: int) -> int:
    """Return an estimate with two digits and zeros."""
    return round(number, 2 - len(str(number)))


def lasting(seconds: float) -> str:
    """Return a time in words: "40 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def amount(size: int) -> str:
    """Return a number of bytes in words: "812 bytes", "3.4 MiB"."""
    value = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{size:,} bytes" if unit == "bytes" else f"{value:,.1f} {unit}"
        value /= 1024
    return f"{value:,.1f} TiB"
