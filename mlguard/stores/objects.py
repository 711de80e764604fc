"""Objects of S3, Google Cloud Storage and the Hugging Face hub as sources whose bytes are fetched as they are read."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from mlguard.errors import Unreadable
from mlguard.facts import Grant
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import MissedKind, Table
from mlguard.stores.address import Address, fit
from mlguard.stores.line import SILENCE_SECONDS, Line, Trouble

MAX_OBJECTS = 200_000
"""Objects of one address that are listed."""

AHEAD_BYTES = 4 * 2**20
"""How much is fetched at once while an object is read from front to back."""

LEAST_BYTES = 64 * 2**10
"""How much is fetched at least."""


class Bucket:
    """All objects below one address, or one object."""

    def __init__(self, address: Address, settings: Mapping[str, Any]) -> None:
        self.path = address.shown
        self.missed: list[tuple[str, MissedKind, str]] = []
        """What was not read, as path, kind and reason. Complete after the last source."""
        silence = float(settings.get("silence", SILENCE_SECONDS))
        self._most = int(settings.get("most", MAX_OBJECTS))
        self._line = Line({"kind": address.scheme, "settings": dict(address.options)}, silence)
        self._address = address

    def close(self) -> None:
        """End the process that talks to the store."""
        self._line.close()

    def tables(self) -> Iterator[tuple[str, Table]]:
        """Yield nothing: what an object holds is for the readers of files."""
        return iter(())

    def sources(self) -> Iterator[Source]:
        """Yield the objects in the order of their keys. Raises Trouble when they cannot be listed."""
        found: list[tuple[str, int]] = []
        for entry in self._line.call("list", self._address.host, self._address.path, self._most):
            if "missed" in entry:
                self.missed.append(
                    (self._shown(entry["key"]) if entry["key"] else self.path, entry["missed"], entry["reason"])
                )
            else:
                found.append((entry["key"], entry["size"]))
        for key, size in sorted(found):
            yield self._source(key, size)

    def grants(self, paths: Collection[str]) -> Iterator[Grant]:
        """Yield what everybody on the internet may read. Says in ``missed`` when the store does not tell."""
        answer = self._line.one("public", self._address.host)
        if answer["missed"]:
            self.missed.append((self.path, "unresolved", answer["missed"]))
        elif answer["public"]:
            for path in sorted(paths):
                yield Grant("PUBLIC", ("read",), (path,), path, 1, answer["public"])

    def _shown(self, key: str) -> str:
        return f"{self._address.scheme}://{fit(self._address.host)}/{fit(key)}"

    def _source(self, key: str, size: int) -> Source:
        full = f"{self._address.host}/{key}"
        return Source(
            self._shown(key),
            size,
            lambda: cast(BinaryIO, io.BufferedReader(Remote(self._line, full, size), LEAST_BYTES)),
        )


class Remote(io.RawIOBase):
    """A handle on an object: ranges are fetched when they are read, and further ahead while reading goes straight on."""

    def __init__(self, line: Line, key: str, size: int) -> None:
        self._line, self._key, self._size = line, key, size
        self._at = 0
        self._held, self._begin = b"", 0
        self.fetched = 0  # bytes, for those who ask what a reader costs

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError("before the first byte")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        if not self._begin <= self._at < self._begin + len(self._held):
            self._fetch(wanted)
        start = self._at - self._begin
        part = self._held[start : start + wanted]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)

    def _fetch(self, wanted: int) -> None:
        straight = self._held != b"" and self._at == self._begin + len(self._held) or self._at == 0
        ahead = AHEAD_BYTES if straight and self._at else LEAST_BYTES
        size = min(max(wanted, ahead), self._size - self._at)
        data = b"".join(self._line.call("read", self._key, self._at, size))
        if not data:
            raise Trouble("the object ended early: it was changed during the scan; run again")
        self._held, self._begin = data, self._at
        self.fetched += len(data)


class SingleFile:
    """The file of a ``sqlite:`` address. It is read as a file is, and nothing is connected."""

    def __init__(self, address: Address, settings: Mapping[str, Any]) -> None:
        self.path = address.shown
        self.missed: list[tuple[str, MissedKind, str]] = []
        self._file = Path(settings.get("root", ".")) / address.path

    def close(self) -> None:
        """Do nothing: no handle is kept."""

    def tables(self) -> Iterator[tuple[str, Table]]:
        """Yield nothing: the reader of the file's format does."""
        return iter(())

    def sources(self) -> Iterator[Source]:
        """Yield the file. Raises Unreadable when there is none."""
        from mlguard.artifacts import regular

        try:
            size = regular(self._file)
        except FileNotFoundError:
            raise Unreadable("there is no such file") from None
        except OSError:
            raise Unreadable("cannot be opened; make it readable for this user") from None
        yield Source(self.path, size, lambda: self._file.open("rb"), self._file)

    def grants(self, paths: Collection[str]) -> Iterator[Grant]:
        """Yield a grant to everybody when the file's mode lets every user of this machine read it."""
        import stat

        for path in paths:
            if path == self.path and self._file.stat().st_mode & stat.S_IROTH:
                yield Grant("PUBLIC", ("read",), (path,), path, 1, "the file's mode")
