"""The cells of one batch of a column as bytes, for work on all of them at once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mlguard import lazy
from mlguard.values import dataclass

Bytes = NDArray[np.uint8]
Index = NDArray[np.int64]
Flags = NDArray[np.bool_]
Words = NDArray[np.uint64]

PAD = 64
"""Bytes before and after the data, so that a look around a place stays inside."""


@dataclass(frozen=True, slots=True)
class Cells:
    """``data`` holds the UTF-8 of all cells behind one another; cell i is ``data[starts[i]:ends[i]]``."""

    data: Bytes
    starts: Index
    ends: Index

    def __len__(self) -> int:
        return len(self.starts)


def of_array(array: Any) -> Cells:
    """Return the cells of an Arrow array of ``string`` or ``large_string`` without nulls."""
    import pyarrow as pa

    wide = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, np.int64 if wide else np.int32)[array.offset : array.offset + len(array) + 1]
    first, last = (int(bounds[0]), int(bounds[-1])) if len(array) else (0, 0)
    padded = np.zeros(last - first + 2 * PAD, np.uint8)
    if last > first:
        padded[PAD : PAD + last - first] = np.frombuffer(data, np.uint8)[first:last]
    places = bounds.astype(np.int64) - first + PAD if len(array) else np.zeros(1, np.int64)
    return Cells(padded, places[:-1], places[1:])


@dataclass(frozen=True, slots=True)
class Traits:
    """Which kinds of bytes cells have at all, so that a search that cannot find anything is left out."""

    digits: bool
    letters: bool
    only_digits: bool
    foreign: bool  # bytes that are not ASCII
    at: bool
    colon: bool
    dash: bool
    dot: bool
    blank: bool  # a space or a comma


_DIGITS = [bytes([byte]) for byte in b"0123456789"]
_LETTER = lazy.pattern(rb"[A-Za-z]")


def traits(cells: Cells) -> Traits:
    """Return what the cells are made of."""
    data = cells.data.tobytes()
    return Traits(
        any(digit in data for digit in _DIGITS),
        _LETTER.search(data, PAD, PAD + 4096) is not None or data.swapcase() != data,
        data[PAD:-PAD].isdigit(),
        not data.isascii(),
        b"@" in data,
        b":" in data,
        b"-" in data,
        b"." in data,
        b" " in data or b"," in data,
    )


def values_of(array: Any) -> Any:
    """Return the numbers or booleans of an Arrow array without nulls as a numpy array, numbers without a copy.

    Arrow's own way imports pandas where that is installed.
    """
    import pyarrow as pa

    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    buffer = array.buffers()[1]
    start, count = array.offset, len(array)
    if pa.types.is_boolean(array.type):
        if not count:
            return np.zeros(0, np.bool_)
        first = start // 8
        bits = np.unpackbits(np.frombuffer(buffer, np.uint8)[first : (start + count + 7) // 8], bitorder="little")
        return bits[start - 8 * first : start - 8 * first + count].view(np.bool_)
    letter = "f" if pa.types.is_floating(array.type) else "i" if pa.types.is_signed_integer(array.type) else "u"
    if not (letter != "u" or pa.types.is_unsigned_integer(array.type)):
        letter = "i"  # points in time
    kind = np.dtype(f"{letter}{array.type.bit_width // 8}")
    return np.frombuffer(buffer, kind, count, start * kind.itemsize) if count else np.zeros(0, kind)


def words_at(data: Bytes, places: Index, count: int) -> Words:
    """Return ``count`` words of eight bytes, at most 8, little-endian, from each place in a cell: shape (places, count)."""
    view: Words = np.ndarray((len(data) - 7,), "<u8", data, strides=(1,))
    found = np.empty((len(places), count), "<u8")
    for word in range(count):
        found[:, word] = view[places + 8 * word]
    return found


def texts_of(rows: Bytes) -> Any:
    """Return the columns of an array of bytes, a text each and all of one size, as an Arrow array of strings."""
    import pyarrow as pa

    size, count = rows.shape
    offsets = np.arange(0, size * count + 1, size, dtype=np.int64) if size else np.zeros(count + 1, np.int64)
    return pa.Array.from_buffers(
        pa.large_string(), count, [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(rows.T))]
    )


def texts_at(cells: Cells, starts: Index, ends: Index) -> Any:
    """Return the stretches of bytes, which begin and end between characters, as an Arrow array of strings."""
    import pyarrow as pa

    sizes = ends - starts
    offsets = np.zeros(len(starts) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    places = np.arange(offsets[-1], dtype=np.int64) + np.repeat(starts - offsets[:-1], sizes)
    return pa.Array.from_buffers(
        pa.large_string(), len(starts), [None, pa.py_buffer(offsets), pa.py_buffer(cells.data[places])]
    )


def text(cells: Cells, place: int) -> str:
    """Return one cell."""
    return bytes(cells.data[cells.starts[place] : cells.ends[place]]).decode("utf-8", "replace")


_FACTORS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F, 0xE7037ED1A0B428DB,
     0x8EBC6AF09C88C6E3, 0x589965CC75374CC3, 0x1D8E4E27C47D124F, 0xEB44ACCAB455D165], np.uint64)  # fmt: skip
"""Odd numbers without a pattern, for mixing."""


def mixed(words: Words) -> Words:
    """Return one well spread number for each row of words."""
    total = np.zeros(len(words), np.uint64)
    for place in range(words.shape[1]):
        word = words[:, place]
        total += (word ^ (word >> np.uint64(31))) * _FACTORS[place]
    total ^= total >> np.uint64(32)
    total *= _FACTORS[-1]
    return cast(Words, total ^ (total >> np.uint64(29)))


def hashes(cells: Cells) -> Words:
    """Return a number for each cell, the same in every process, from its length and 64 of its bytes spread over it."""
    sizes = cells.ends - cells.starts
    long = np.flatnonzero(sizes > 32)
    if len(long) == len(cells):
        return _hashed(cells.data, cells.starts, sizes, 8)
    found = _hashed(cells.data, cells.starts, sizes, 4)
    if len(long):
        found[long] = _hashed(cells.data, cells.starts[long], sizes[long], 8)
    return found


def _hashed(data: Bytes, starts: Index, sizes: Index, count: int) -> Words:
    rest = np.maximum(sizes - 8, 0)
    words = np.empty((len(starts), count + 1), np.uint64)
    words[:, count] = sizes
    for place in range(count):
        words[:, place] = words_at(data, starts + rest * place // (count - 1), 1)[:, 0]
    short = np.flatnonzero(sizes < 8)
    if len(short):
        keep = (np.uint64(1) << (8 * sizes[short]).astype(np.uint64)) - np.uint64(1)
        words[short, :count] &= keep[:, None]
    return mixed(words)


@lru_cache(maxsize=512)
def _of_ascii(pattern: str) -> str:
    """Return the RE2 pattern for text that is ASCII: the classes of Unicode take milliseconds to compile."""
    for name, plain in (
        ("Lu", "A-Z"),
        ("Ll", "a-z"),
        ("Lt", ""),
        ("Lo", ""),
        ("L", "A-Za-z"),
        ("Nd", "0-9"),
        ("N", "0-9"),
        ("M", ""),
    ):
        pattern = pattern.replace(rf"\p{{{name}}}", plain)
    return pattern.replace(r"\x{80}-\x{10FFFF}", "")


def matching(texts: Any, pattern: str) -> Flags:
    """Return which strings of an Arrow array hold the RE2 pattern, in which Unicode classes stand in brackets."""
    import pyarrow.compute as pc

    if ("\\p{" in pattern or "\\x{80}" in pattern) and is_ascii(texts):
        pattern = _of_ascii(pattern)
    found: Flags = values_of(pc.match_substring_regex(texts, pattern))
    return found


def is_ascii(texts: Any) -> bool:
    """Say whether all strings of an Arrow array are ASCII."""
    if not len(texts):
        return True
    cells = _bounds(texts)
    data = np.frombuffer(texts.buffers()[2], np.uint8)[cells[0] : cells[1]] if cells[1] else np.zeros(0, np.uint8)
    return not len(data) or int(data.max()) < 0x80


def _bounds(array: Any) -> tuple[int, int]:
    import pyarrow as pa

    wide = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    offsets = np.frombuffer(array.buffers()[1], np.int64 if wide else np.int32)
    return int(offsets[array.offset]), int(offsets[array.offset + len(array)])


def cell_of(cells: Cells, places: Index) -> Index:
    """Return the number of the cell in which each place of ``data`` lies."""
    return np.searchsorted(cells.starts, places, "right") - 1


def flags(count: int, places: Index) -> Flags:
    """Return ``count`` flags of which those at the places are set."""
    marked = np.zeros(count, np.bool_)
    marked[places] = True
    return marked
