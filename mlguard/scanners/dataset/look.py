"""Finds every personal identifier in an array of cells: the gate, then the searches for numbers, codes and addresses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlguard import lazy
from mlguard.scanners.dataset import addresses, layouts, lettered, shapes
from mlguard.scanners.dataset import cells as bytewise
from mlguard.scanners.dataset.cells import Cells, Flags, Index, Traits, matching
from mlguard.scanners.dataset.layouts import Hits
from mlguard.values import dataclass

MAX_CELL = 2**20
"""Bytes of one cell that are looked at in one piece; longer cells are cut into pieces that overlap."""

OVERLAP = 256
"""Bytes that a piece shares with the next, at least as long as any identifier."""

PIECE_BYTES = 8 * 2**20
"""Bytes of cells that are looked at together: the memory of a search is about ten times as much."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One place in a cell, from ``start`` to before ``end`` in characters. ``text`` is compact and never leaves the scanner."""

    entity: str
    valid: bool
    whole: bool  # it is the entire cell
    reserved: bool  # set aside for examples, so nobody's
    grouped: bool  # written with separators, a prefix or letters that a bare number lacks
    near: bool  # a word for it stands before it
    text: str
    start: int = 0
    end: int = 0


PROBE = 1024
"""Cells of a batch that tell whether the gate keeps any out."""


def gated(array: Any, has: Traits) -> Flags:
    """Return which strings of an Arrow array, made of what ``has`` says, are looked into.

    The gate passes all that can hold an identifier, so that it makes no difference to what is found. It is left open where it would keep
    few cells out. Cells that a machine wrote are kept out in any case.
    """
    import pyarrow as pa

    if not (has.digits or has.at or has.colon or has.dash or has.foreign) and not has.letters:
        return np.zeros(len(array), np.bool_)
    first = matching(array.slice(0, PROBE), shapes.GATE)
    keep = np.ones(len(array), np.bool_)
    if np.count_nonzero(first) * 2 < len(first) or len(array) <= PROBE:
        keep = first if len(array) <= PROBE else matching(array, shapes.GATE)
    at = np.flatnonzero(keep)
    if len(at):
        keep[at] = ~matching(array if len(at) == len(array) else array.take(pa.array(at)), shapes.MACHINE)
    return keep


def pieces(array: Any) -> Iterator[tuple[int, Any]]:
    """Yield parts of an array of at most about PIECE_BYTES, with the index at which each begins."""
    import pyarrow.compute as pc

    total = pc.sum(pc.binary_length(array)).as_py() or 0
    if total <= PIECE_BYTES or len(array) < 2:
        yield 0, array
        return
    step = max(1, len(array) * PIECE_BYTES // total)
    for start in range(0, len(array), step):
        yield start, array.slice(start, step)


def find(array: Any, cells: Cells | None = None, has: Traits | None = None) -> Iterator[Hits]:
    """Yield what is found in the strings of an Arrow array, by entity and kind of search. They are what ``in_ascii`` returns.

    ``cells`` are the same strings as bytes, made of what ``has`` says. Numbers of cells are those of the array; places are bytes from the
    cell's first. The same entity may come several times.
    """
    import pyarrow as pa

    array = array.cast(pa.large_string())
    cells = cells or bytewise.of_array(array)
    sizes = cells.ends - cells.starts
    if not len(sizes) or int(sizes.max()) <= MAX_CELL:
        yield from _find(array, cells, has)
        return
    short = np.flatnonzero(sizes <= MAX_CELL)
    for hits in _find(array.take(pa.array(short)), None, None):
        hits.cell = short[hits.cell]
        yield hits
    for number in np.flatnonzero(sizes > MAX_CELL).tolist():
        yield from _in_parts(array[number].as_py(), number)


def _in_parts(text: str, number: int) -> Iterator[Hits]:
    import pyarrow as pa

    for start in range(0, len(text), MAX_CELL):
        part = pa.array([text[start : start + MAX_CELL + OVERLAP]], pa.large_string())
        offset = len(text[:start].encode())
        for hits in _find(part, None, None):
            hits.cell = np.full(len(hits.cell), number)
            hits.start, hits.end = hits.start + offset, hits.end + offset
            yield hits


def _find(array: Any, cells: Cells | None, has: Traits | None) -> Iterator[Hits]:
    if not len(array):
        return
    cells = cells or bytewise.of_array(array)
    has = has or bytewise.traits(cells)
    if has.only_digits:
        yield from (_placed(cells, hits) for hits in layouts.find(cells, digits=True))
        return
    if has.digits:
        yield from (_placed(cells, _unless_noise(cells, array, hits, has)) for hits in layouts.find(cells))
    if has.letters or has.foreign:
        yield from (_placed(cells, _unless_noise(cells, array, hits, has)) for hits in lettered.find(cells))
    if has.at or has.colon or has.dash or has.letters and has.dot:
        yield from (_placed(cells, hits) for hits in addresses.find(cells, array, has))


def _placed(cells: Cells, hits: Hits) -> Hits:
    """Return the hits with places from the first byte of their cell."""
    begin = cells.starts[hits.cell]
    hits.start, hits.end = hits.start - begin, hits.end - begin
    return hits


def in_ascii(array: Any) -> Any:
    """Return the strings of an Arrow array with digits and signs of other scripts written in ASCII, as ``find`` wants them."""
    import pyarrow as pa

    if bytewise.is_ascii(array):
        return array
    foreign = matching(array, shapes.FOREIGN)
    if not foreign.any():
        return array
    texts = array.to_pylist()
    for place in np.flatnonzero(foreign).tolist():
        texts[place] = shapes.in_ascii(texts[place])
    return pa.array(texts, pa.large_string())


_NOISE = lazy.pattern(shapes.NOISE.encode())


def _unless_noise(cells: Cells, array: Any, hits: Hits, has: Traits) -> Hits:
    """Take back hits that lie in a UUID or a digest."""
    import pyarrow as pa

    if not has.letters:
        return hits
    whole = (hits.start == cells.starts[hits.cell]) & (hits.end == cells.ends[hits.cell])
    picked = np.flatnonzero(hits.valid & ~whole)
    if not len(picked):
        return hits
    holders = np.unique(hits.cell[picked])
    noisy = holders[matching(array.take(pa.array(holders)), shapes.NOISE)]
    spans = [
        (int(cells.starts[number]) + match.start(), int(cells.starts[number]) + match.end())
        for number in noisy.tolist()
        for match in _NOISE.finditer(bytes(cells.data[cells.starts[number] : cells.ends[number]]))
        if not match.group().isdigit() and not match.group().isalpha()
    ]
    if spans:
        first, last = np.array(spans).T
        at = np.searchsorted(first, hits.start, "right") - 1
        hits.valid &= ~((at >= 0) & (hits.start < last[at]))
    return hits


def whole(hits: Hits, sizes: Index) -> Flags:
    """Return which hits are the entire cell, given the size of each cell in bytes."""
    found: Flags = (hits.start == 0) & (hits.end == sizes[hits.cell])
    return found


def texts(lines: Sequence[str]) -> list[list[Hit]]:
    """Return the hits of each text, in a fixed order. For a few texts: a column is looked at by ``find``."""
    found: list[list[Hit]] = [[] for _ in lines]
    if not lines:
        return found
    import pyarrow as pa

    stripped = [line.strip() for line in lines]
    encoded = [shapes.in_ascii(text).encode("utf-8", "replace") for text in stripped]
    array = pa.array([data.decode() for data in encoded], pa.large_string())
    sizes = np.array([len(data) for data in encoded])
    at = np.flatnonzero(gated(array, bytewise.traits(bytewise.of_array(array))))
    for hits in find(array.take(pa.array(at))) if len(at) else ():
        hits.cell = at[hits.cell]
        entire = whole(hits, sizes)
        for place, number in enumerate(hits.cell.tolist()):
            lead = len(lines[number]) - len(lines[number].lstrip())
            data = encoded[number]
            start, end = (
                len(data[: int(bound)].decode("utf-8", "replace")) + lead
                for bound in (hits.start[place], hits.end[place])
            )
            found[number].append(
                Hit(
                    hits.entity, bool(hits.valid[place]), bool(entire[place]), bool(hits.reserved[place]), bool(hits.grouped[place]),
                    bool(hits.near[place]), compact(hits, place), start, end,
                )
            )  # fmt: skip
    for row in found:
        row.sort(key=lambda hit: (hit.entity, hit.start, hit.end, not hit.valid))
    return found


def compact(hits: Hits, place: int) -> str:
    """Return the compact form of one hit."""
    return bytes(hits.compact[place]).decode("utf-8", "replace")


def hashes(hits: Hits, picked: Index) -> NDArray[np.uint64]:
    """Return a number for the compact form of each of the hits, the same for the same text."""
    if isinstance(hits.compact, np.ndarray):
        kept = np.ascontiguousarray(hits.compact[picked])
        return bytewise.mixed(kept.view(np.uint64).reshape(len(kept), -1))
    return hits.compact.hashes(picked)
