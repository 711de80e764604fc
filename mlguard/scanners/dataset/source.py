"""Where the bytes of a dataset come from: a file of the tree, a member of an archive, an object of a store."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from mlguard.errors import Unreadable
from mlguard.scanners import Context, open_path
from mlguard.values import dataclass, replace

HEAD_BYTES = 64 * 2**10
"""How much of a source is looked at to tell its kind."""


@dataclass(frozen=True, slots=True)
class Source:
    """Bytes with a name. ``name`` is a POSIX path fit to be shown; its suffix tells what the content leaves open.

    ``opener`` returns a fresh handle each time; with ``seekable`` it can seek. ``local`` is a regular file that may be mapped.
    ``within`` names the member of an archive, ``size`` is in bytes, -1 when not known before it is read.
    """

    name: str
    size: int
    opener: Callable[[], BinaryIO]
    local: Path | None = None
    seekable: bool = True
    within: str = ""
    depth: int = 0  # archives around it

    def open(self) -> BinaryIO:
        """Return a handle at the first byte. Raises Unreadable."""
        try:
            return self.opener()
        except OSError:
            raise Unreadable("cannot be opened") from None

    def head(self, size: int = HEAD_BYTES) -> bytes:
        """Return the first bytes. Raises Unreadable."""
        with self.open() as file:
            try:
                return file.read(size)
            except (OSError, EOFError):
                raise Unreadable("cannot be read") from None

    def member(self, name: str, size: int, opener: Callable[[], BinaryIO], seekable: bool = False) -> Source:
        """Return the source of a member of this one."""
        within = f"{self.within} > {name}" if self.within else name
        return Source(self.name, size, opener, None, seekable, within, self.depth + 1)

    @property
    def called(self) -> str:
        """The name whose suffix counts: the member's, else the file's."""
        return self.within.rsplit(" > ", 1)[-1] if self.within else self.name


def of_file(context: Context, path: str) -> Source:
    """Return the source of a file below the root. Raises Unreadable when it is gone or no regular file."""
    absolute = open_path(context, path)
    return Source(path, absolute.stat().st_size, lambda: open(absolute, "rb"), absolute)


def of_bytes(name: str, data: bytes, within: str = "", depth: int = 0) -> Source:
    """Return a source of bytes in memory."""
    return Source(name, len(data), lambda: cast(BinaryIO, io.BytesIO(data)), None, True, within, depth)


def renamed(source: Source, name: str) -> Source:
    """Return the same bytes under another name."""
    return replace(source, within=name) if source.within else replace(source, name=name)
