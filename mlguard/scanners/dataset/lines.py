"""Reads a source as lines of text, whatever its encoding."""

from __future__ import annotations

import codecs
import io
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from mlguard.errors import Unreadable
from mlguard.scanners.dataset.source import Source

MAX_LINE_CHARS = 16 * 2**20
"""Characters of one line, and of one CSV cell. A quote that is never closed would otherwise swallow the file."""

MAX_UNPACKED_BYTES = 64 * 2**30
"""Bytes of text that one source may hold."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def encoding_of(source: Source) -> tuple[str, str]:
    """Return the encoding of a text, and what is to be said about it.

    By its byte order mark, else UTF-8 when all of it is, else Windows-1252, whose letters are right in most old exports.
    """
    head = source.head(4096)
    for mark, name in _MARKS:
        if head.startswith(mark):
            trouble = "" if _decodes(source, name) else "the text is not valid in the encoding of its byte order mark"
            return name, trouble
    if b"\0" in head:
        return _with_zeros(source, head)
    if _decodes(source, "utf-8"):
        return "utf-8", ""
    if _decodes(source, "cp1252"):
        return "cp1252", ""
    return "latin-1", "the encoding is not known; what is not ASCII was not looked at. Convert the file to UTF-8"


_ZEROS = "holds zero bytes, which are no text; what is around them was looked at"

FEW_ZEROS = 20
"""A text of which one byte in so many is zero is a damaged text."""


def _with_zeros(source: Source, head: bytes) -> tuple[str, str]:
    """Return the encoding of text in UTF-16 or UTF-32 without a byte order mark, or of one in which some bytes are zero."""
    for name, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if zeros.count(0) * 10 > 6 * len(zeros) and head.count(0) == zeros.count(0) and _decodes(source, name):
            return name, ""
    for name, place in (("utf-32-le", 0), ("utf-32-be", 3)):
        letters = head[place::4]
        if head.count(0) - letters.count(0) > 6 * len(letters) * 3 // 10 and _decodes(source, name):
            return name, ""
    if head.count(0) * FEW_ZEROS <= len(head):
        for name in ("utf-8", "cp1252"):
            if _decodes(source, name):
                return name, _ZEROS
    raise Unreadable("holds bytes that are no text; convert the file to UTF-8")


def piece(file: BinaryIO, size: int) -> bytes:
    """Return up to ``size`` bytes. Raises Unreadable where compressed data is damaged."""
    try:
        return file.read(size)
    except (OSError, EOFError, zlib.error):
        raise Unreadable("the compressed data is damaged or cut short") from None


def _decodes(source: Source, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    total = 0
    with source.open() as file:
        while True:
            try:
                block = file.read(1 << 20)
                decoder.decode(block, final=not block)
            except UnicodeDecodeError:
                return False
            except (OSError, EOFError, zlib.error, Unreadable):
                return True  # the cut is told when the rows are read
            total += len(block)
            if not block:
                return True
            if total > MAX_UNPACKED_BYTES:
                raise Unreadable("the unpacked data is larger than the limit")


def of_source(source: Source, encoding: str) -> Iterator[str]:
    """Yield the lines of a text with their line ends. What cannot be decoded becomes U+FFFD."""
    with source.open() as file, io.TextIOWrapper(file, encoding, errors="replace", newline="") as text:
        while True:
            try:
                line = text.readline(MAX_LINE_CHARS)
            except (OSError, EOFError, zlib.error):
                raise Unreadable("the compressed data is damaged or cut short") from None
            if not line:
                return
            yield line
