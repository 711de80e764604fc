"""Turns the cells of an Arrow array into 64-bit numbers that are equal where the cells mean the same.

What counts as the same: text without regard to case, to spaces around it and to runs of spaces within (and in Unicode's compatibility
form); 34, 34.0 and "34"; a date and the same date at midnight; -0.0 and 0. Missing is one value of its own: null, NaN, and text that
is empty or says NA, N/A, NaN, NULL, None, NaT, "-", "--" or "?". A generalised value ("20-29", "*") is a value like any other.

The numbers are keyed but no cryptography: whoever has the key can try values. They stay in memory and are never shown or stored.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from mlguard.scanners.dataset.cells import values_of

Hashes = npt.NDArray[np.uint64]
Codes = npt.NDArray[np.int64]

LONG = 256
"""Bytes of a cell from which it is hashed one by one."""

MISSING = np.uint64(0x6D697373696E6721)
"""Stands for every missing cell before it is mixed with the key."""

_EMPTY = ("", "na", "n/a", "nan", "null", "none", "nat", "-", "--", "?", "<na>", "#n/a")
_A, _B, _STEP = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53), np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(33)


def mixed(values: Hashes) -> Hashes:
    """Return the numbers with every bit depending on every other (the finaliser of MurmurHash3, which is one to one)."""
    values = (values ^ (values >> _SHIFT)) * _A
    values = (values ^ (values >> _SHIFT)) * _B
    return values ^ (values >> _SHIFT)


def joined(left: Hashes, right: Hashes) -> Hashes:
    """Return one number for each pair; the order of the two counts."""
    return mixed(left * _STEP + right)


def encoded(column: Any, key: int) -> tuple[Codes, Hashes, Any]:
    """Return a code for each cell, the number that each code stands for, and the distinct values as text.

    The last code stands for missing cells. Two codes may stand for the same number. The text is an Arrow array without the last.
    """
    import pyarrow as pa

    if pa.types.is_nested(column.type):
        column = pa.array([None if cell is None else repr(cell) for cell in column.to_pylist()], pa.string())
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    texts = plain(column.dictionary)
    numbers = hashed(texts, key)
    indices = column.indices
    if indices.null_count:
        indices = indices.fill_null(pa.scalar(len(texts), pa.int64())) if len(texts) < 2**31 else indices
        indices = indices.cast(pa.int64())
    codes = values_of(indices)
    if codes.dtype not in (np.int32, np.int64):
        codes = codes.astype(np.int64)
    return codes, np.append(numbers, hashed_missing(key)), texts


def hashed_missing(key: int) -> np.uint64:
    """Return the number of a missing cell."""
    return np.uint64(mixed(np.array([MISSING ^ np.uint64(key)], np.uint64))[0])


def plain(values: Any) -> Any:
    """Return the values of an Arrow array as text (or bytes) in one spelling, null where missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    if pa.types.is_dictionary(kind):
        return plain(values.dictionary_decode())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return values.cast(pa.large_binary())
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        return values.cast(pa.large_string())
    if pa.types.is_floating(kind):
        return _floats(values)
    if pa.types.is_timestamp(kind):
        naive = values.cast(pa.timestamp(kind.unit)).cast(pa.large_string())
        return pc.replace_substring_regex(naive, r"[ T]00:00:00(?:\.0+)?$", "")
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        return values.cast(pa.int64() if pa.types.is_duration(kind) or kind.bit_width == 64 else pa.int32()).cast(
            pa.large_string()
        )
    if pa.types.is_decimal(kind):
        return pc.replace_substring_regex(values.cast(pa.large_string()), r"(?:\.0+|(\.\d*?[1-9])0+)$", r"\1")
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        try:
            values = values.cast(pa.large_string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            values = pa.array([None if cell is None else repr(cell) for cell in values.to_pylist()], pa.large_string())
    return _text(values)


def _floats(values: Any) -> Any:
    """Return numbers as text, whole ones without a fraction; what is not a number is missing."""
    import pyarrow as pa

    numbers = values_of(values.cast(pa.float64()))
    missing = np.isnan(numbers)
    whole = ~missing & (np.abs(numbers) < 2.0**53) & (numbers == np.floor(numbers))
    if np.all(whole | missing):
        return pa.array(np.where(whole, numbers, 0).astype(np.int64), mask=missing).cast(pa.large_string())
    texts = [None if gone else str(int(number)) if is_whole else repr(float(number))
             for number, gone, is_whole in zip(numbers.tolist(), missing, whole, strict=True)]  # fmt: skip
    return pa.array(texts, pa.large_string())


def _text(values: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    values = values.cast(pa.large_string())
    if not pc.all(pc.string_is_ascii(values)).as_py():
        values = pc.utf8_normalize(values, "NFKC")
    values = pc.utf8_lower(pc.utf8_trim_whitespace(values))
    if pc.any(pc.match_substring_regex(values, r"\s\s|[\t\n\r]")).as_py():
        values = pc.replace_substring_regex(values, r"\s+", " ")
    if pc.any(pc.match_substring_regex(values, r"^[+-]?\d+\.0+$")).as_py():
        values = pc.replace_substring_regex(values, r"^([+-]?\d+)\.0+$", r"\1")
    empty = pc.is_in(values, value_set=pa.array(_EMPTY, pa.large_string()))
    return pc.if_else(empty, pa.scalar(None, pa.large_string()), values) if pc.any(empty).as_py() else values


def hashed(texts: Any, key: int) -> Hashes:
    """Return a number for each value of a large text or bytes array, eight bytes at a time."""
    count = len(texts)
    if not count:
        return np.zeros(0, np.uint64)
    _, offsets_buffer, data = texts.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int64)[texts.offset : texts.offset + count + 1]
    start, length = offsets[:-1], np.diff(offsets)
    raw = np.zeros((len(data) if data is not None else 0) + 8, np.uint8)
    if data is not None:
        raw[:-8] = np.frombuffer(data, np.uint8)
    words = np.ndarray((len(raw) - 7,), np.dtype("<u8"), raw, strides=(1,))  # one word from each byte on
    numbers: Hashes = mixed(length.astype(np.uint64) * _STEP ^ np.uint64(key))
    short = length <= LONG
    for at in range(0, min(int(length.max()), LONG), 8):
        some = np.flatnonzero((length > at) & short)
        if len(some) == count:
            taken, left = words[start + at], length - at
            numbers = mixed(numbers ^ (taken & _mask(left)))
        else:
            numbers[some] = mixed(numbers[some] ^ (words[start[some] + at] & _mask(length[some] - at)))
    for index in np.flatnonzero(~short):
        cell = raw[start[index] : start[index] + length[index]].tobytes()
        digest = blake2b(cell, digest_size=8, key=int(key).to_bytes(8, "little")).digest()
        numbers[index] = int.from_bytes(digest, "little")
    if texts.null_count:
        numbers[values_of(texts.is_null())] = hashed_missing(key)
    return numbers


_MASKS = np.array([(1 << 8 * size) - 1 for size in range(9)], np.uint64)


def _mask(left: Codes) -> Hashes:
    """Return the bits that belong to the cell, of a word of which ``left`` bytes or more are its own."""
    return _MASKS[np.minimum(left, 8)]
