"""Reads sets of row positions as Delta, Iceberg and Puffin write them: Roaring bitmaps in 32 and 64 bits.

Layout: https://github.com/RoaringBitmap/RoaringFormatSpec; the 64-bit form is a count of buckets (int64), then for each the upper
half of its values (int32) and a 32-bit bitmap. Nothing is expanded: a few bytes may stand for thousands of millions of rows.
"""

from __future__ import annotations

import struct
from typing import Any

from mlguard.errors import Unreadable
from mlguard.values import dataclass, field

MAX_BYTES = 64 * 2**20
"""The largest bitmap that is read."""

MAX_BUCKETS = 2**16
"""Upper halves of a 64-bit bitmap; each stands for 2**32 rows."""

MAGIC = 1681511377
"""First four bytes, little-endian, of the 64-bit form in deletion vectors of Delta and in Puffin blobs."""

_COOKIE_RUNS, _COOKIE = 12347, 12346
_ARRAY_LIMIT = 4096
_NO_OFFSETS = 4
"""Bitmaps with runs and fewer containers than this carry no table of offsets."""


@dataclass(frozen=True, slots=True)
class _Container:
    kind: str  # "array", "bits", "runs"
    data: bytes


@dataclass(slots=True)
class Bitmap:
    """A set of positions. Containers hold 65,536 positions each, by position // 65,536."""

    containers: dict[int, _Container] = field(default_factory=dict)

    def mask(self, start: int, count: int) -> Any:
        """Return an array of booleans for the positions from ``start`` on."""
        import numpy as np

        found = np.zeros(count, dtype=bool)
        for high in range(start >> 16, (start + count + 0xFFFF) >> 16):
            container = self.containers.get(high)
            if container is None:
                continue
            low = high << 16
            first, last = max(start, low), min(start + count, low + 65_536)
            found[first - start : last - start] = _expanded(container)[first - low : last - low]
        return found


def _expanded(container: _Container) -> Any:
    import numpy as np

    if container.kind == "bits":
        return np.unpackbits(np.frombuffer(container.data, dtype=np.uint8), bitorder="little").astype(bool)
    found = np.zeros(65_536, dtype=bool)
    values = np.frombuffer(container.data, dtype="<u2")
    if container.kind == "array":
        found[values] = True
    else:
        for first, more in values.reshape(-1, 2).astype(int):
            found[first : first + more + 1] = True
    return found


class Positions:
    """Positions as a sorted array of NumPy, as position deletes name them one by one."""

    __slots__ = ("_values",)

    def __init__(self, values: Any) -> None:
        self._values = values

    def mask(self, start: int, count: int) -> Any:
        """Return an array of booleans for the positions from ``start`` on."""
        import numpy as np

        found = np.zeros(count, dtype=bool)
        low, high = np.searchsorted(self._values, [start, start + count])
        found[self._values[low:high] - start] = True
        return found


def parse(data: bytes) -> Bitmap:
    """Return a 64-bit bitmap that begins with MAGIC. Raises Unreadable."""
    if len(data) > MAX_BYTES:
        raise Unreadable("the set of deleted rows is too large")
    try:
        magic, buckets = struct.unpack_from("<Iq", data)
        if magic != MAGIC or not 0 <= buckets <= MAX_BUCKETS:
            raise Unreadable("the set of deleted rows is of no known form")
        bitmap, at = Bitmap(), 12
        for _ in range(buckets):
            (high,) = struct.unpack_from("<I", data, at)
            at = _bucket(data, at + 4, high << 16, bitmap)
    except struct.error:
        raise Unreadable("the set of deleted rows is cut short") from None
    return bitmap


def _bucket(data: bytes, at: int, base: int, bitmap: Bitmap) -> int:
    """Read a 32-bit bitmap and return where it ends."""
    (cookie,) = struct.unpack_from("<I", data, at)
    runs = b""
    if cookie & 0xFFFF == _COOKIE_RUNS:
        count = (cookie >> 16) + 1
        runs = _bytes(data, at + 4, (count + 7) // 8)
        at += 4 + len(runs)
    elif cookie == _COOKIE:
        (count,) = struct.unpack_from("<I", data, at + 4)
        at += 8
    else:
        raise Unreadable("the set of deleted rows is of no known form")
    if count > 65_536:
        raise Unreadable("the set of deleted rows is of no known form")
    head = struct.unpack_from(f"<{2 * count}H", data, at)
    at += 4 * count
    if not runs or count >= _NO_OFFSETS:
        at += 4 * count
    for place in range(count):
        key, size = head[2 * place], head[2 * place + 1] + 1
        if runs and runs[place // 8] >> place % 8 & 1:
            (pairs,) = struct.unpack_from("<H", data, at)
            container = _Container("runs", _bytes(data, at + 2, 4 * pairs))
            at += 2 + 4 * pairs
        elif size <= _ARRAY_LIMIT:
            container = _Container("array", _bytes(data, at, 2 * size))
            at += 2 * size
        else:
            container = _Container("bits", _bytes(data, at, 8192))
            at += 8192
        bitmap.containers[base + key] = container
    return at


def _bytes(data: bytes, at: int, size: int) -> bytes:
    part = data[at : at + size]
    if len(part) != size:
        raise Unreadable("the set of deleted rows is cut short")
    return part
