"""Text files read and written without changing a byte that is not meant to change."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mlguard.errors import Unreadable

MAX_LINE_CHARS = 32 * 2**20
"""Characters of one line, and of one record that goes over several."""

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Encoding:
    """``name`` decodes and encodes strictly; ``mark`` is the byte order mark that stands before the text."""

    name: str
    mark: bytes = b""


def encoding_of(path: Path) -> Encoding:
    """Return the encoding of a file: by its mark, else UTF-8, else Windows-1252, else Latin-1. Raises Unreadable.

    Each takes any text that it decodes back to the same bytes.
    """
    with open(path, "rb") as file:
        head = file.read(4096)
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if head.startswith(mark):
            if not _decodes(path, name, len(mark)):
                raise Unreadable(
                    "the text is not valid in the encoding of its byte order mark; nothing can be changed safely"
                )
            return Encoding(name, mark)
    if b"\0" in head:
        for name, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
            if zeros.count(0) * 10 > 6 * len(zeros) and _decodes(path, name, 0):
                return Encoding(name)
    return next((Encoding(name) for name in ("utf-8", "cp1252") if _decodes(path, name, 0)), Encoding("latin-1"))


def _decodes(path: Path, name: str, skip: int) -> bool:
    decoder = codecs.getincrementaldecoder(name)("strict")
    with open(path, "rb") as file:
        file.seek(skip)
        while True:
            block = file.read(_BLOCK_BYTES)
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError:
                return False
            if not block:
                return True


def lines(path: Path, encoding: Encoding) -> Iterator[str]:
    """Yield the lines with their ends, which are CR, LF or both. Raises Unreadable for one that is too long."""
    with open(path, "rb") as file:
        file.seek(len(encoding.mark))
        with io.TextIOWrapper(file, encoding.name, "strict", newline="") as text:
            while line := text.readline(MAX_LINE_CHARS + 1):
                if len(line) > MAX_LINE_CHARS:
                    raise Unreadable(f"a line is longer than {MAX_LINE_CHARS // 2**20} million characters")
                yield line


class Writer:
    """Writes text in an encoding. A character that the encoding lacks raises Unreadable: nothing is lost in silence."""

    def __init__(self, target: BinaryIO, encoding: Encoding) -> None:
        self.target, self.encoding = target, encoding
        target.write(encoding.mark)

    def write(self, text: str) -> None:
        try:
            self.target.write(text.encode(self.encoding.name))
        except UnicodeEncodeError:
            raise Unreadable("the result does not fit the encoding of the file; convert the file to UTF-8") from None


def ending(line: str) -> str:
    """Return the line's end."""
    return "\r\n" if line.endswith("\r\n") else line[-1:] if line[-1:] in ("\r", "\n") else ""
