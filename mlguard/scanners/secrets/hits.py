"""What a search for credentials is told, and what it returns."""

from __future__ import annotations

import re
from bisect import bisect_right

from mlguard.values import dataclass


@dataclass(frozen=True, slots=True)
class Hit:
    """A credential between two offsets of the text: what it is and what it is called, never what it says.

    ``fallback``: anybody can guess it, and it counts where the environment gives no other.
    """

    start: int
    end: int
    kind: str
    name: str = ""
    ml: bool = False
    private_key: bool = False
    fallback: bool = False


@dataclass(frozen=True, slots=True)
class Style:
    """How a kind of file writes values.

    ``bare`` values need no quotes. ``pairs`` says that names and values are looked at, not only the formats of vendors.
    ``spaces`` are values after a name and white space alone (.netrc). ``test`` is a file of tests, whose made-up passwords
    stay quiet. ``minified`` code is searched for formats and addresses alone.
    """

    pairs: bool = True
    bare: bool = False
    spaces: bool = False
    test: bool = False
    minified: bool = False


class Lines:
    """Line and column, from 1, of each offset of a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def place(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1

    def line(self, number: int) -> tuple[int, str]:
        """Return where a line starts, and its text."""
        start = self.starts[number - 1]
        end = self.starts[number] if number < len(self.starts) else len(self.text)
        return start, self.text[start:end]
