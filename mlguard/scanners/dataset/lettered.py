"""Finds codes of letters and digits that have no layout of digits alone: IBANs and the Italian codice fiscale."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from mlguard.scanners.dataset import cells as bytewise
from mlguard.scanners.dataset import checksums, shapes
from mlguard.scanners.dataset.cells import Cells, Flags, Index, matching
from mlguard.scanners.dataset.layouts import Hits, compacts, mark_near, mark_reserved

_LOOK = 48
"""Bytes from the first letter of an IBAN: 33 characters and the separators of groups of four."""

_LENGTH = np.zeros(26 * 26, np.int64)
for _code, _size in checksums.IBAN_LENGTHS.items():
    _LENGTH[(ord(_code[0]) - 65) * 26 + ord(_code[1]) - 65] = _size

_ALNUM = np.zeros(256, np.bool_)
_ALNUM[np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", np.uint8)] = True
_CODE = _ALNUM.copy()
_ALNUM[0x80:] = True

_FISCAL = r"(?i)[A-Z]{6}[0-9LMNP-V]{2}[A-EHLMPR-T][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]"
_FISCAL_RE = re.compile(_FISCAL.encode())


def find(cells: Cells, array: Any) -> Iterator[Hits]:
    """Yield the IBANs and the fiscal codes of the cells, which are also given as an Arrow array."""
    yield from _ibans(cells)
    marked = np.flatnonzero(matching(array, _FISCAL))
    if len(marked):
        yield from _fiscal(cells, marked)


def _upper(data: Any) -> Any:
    return np.where((data >= ord("a")) & (data <= ord("z")), data - np.uint8(32), data)


def _anchors(cells: Cells) -> Index:
    """Return the places of two letters and two digits that begin a word."""
    data = cells.data
    letter = ((data | np.uint8(32)) - np.uint8(ord("a"))) < 26
    digit = (data - np.uint8(ord("0"))) < 10
    starts = letter[:-3] & letter[1:-2]
    starts &= digit[2:-1]
    starts &= digit[3:]
    return np.flatnonzero(starts)


def _ibans(cells: Cells) -> Iterator[Hits]:
    places = _anchors(cells)
    if not len(places):
        return
    cell = bytewise.cell_of(cells, places)
    first = places == cells.starts[cell]
    keep = (first | ~_ALNUM[cells.data[places - 1]]) & (places + 15 <= cells.ends[cell])
    places, cell = places[keep], cell[keep]
    pair = _upper(cells.data[places]).astype(np.int64) * 26 + _upper(cells.data[places + 1]) - 65 * 27
    size = _LENGTH[pair]
    places, cell, size = places[size > 0], cell[size > 0], size[size > 0]
    for length in np.unique(size).tolist():
        yield from _of_length(cells, places[size == length], cell[size == length], length)


def _of_length(cells: Cells, places: Index, cell: Index, length: int) -> Iterator[Hits]:
    """Yield the codes of so many characters, single separators left out, that end where a word ends."""
    raw = bytewise.words_at(cells.data, places, _LOOK // 8).view(np.uint8).reshape(len(places), _LOOK)
    room = cells.ends[cell] - places
    unparted = (room >= length) & _CODE[raw[:, :length]].all(axis=1)
    after = raw[:, length]
    unparted &= (room == length) | ~_ALNUM[after]
    if unparted.any():
        start = places[unparted]
        yield _hits(cells, "IBAN_CODE", cell[unparted], start, start + length, _upper(raw[unparted, :length].T))
    rest = np.flatnonzero(~unparted)
    if len(rest):
        yield from _parted(cells, places[rest], cell[rest], raw[rest], length)


def _parted(cells: Cells, places: Index, cell: Index, raw: Any, length: int) -> Iterator[Hits]:
    inside = np.arange(_LOOK) < (cells.ends[cell] - places)[:, None]
    counts = _CODE[raw] & inside
    seen = np.cumsum(counts, axis=1)
    last = (seen < length).sum(axis=1)
    row = np.arange(len(places))
    fits = (last < _LOOK) & (seen[:, -1] >= length)
    last = np.minimum(last, _LOOK - 2)
    before = np.arange(_LOOK) <= last[:, None]
    other = ~counts & before
    fits &= ~(other & (raw != ord(" ")) & (raw != ord("-"))).any(axis=1)
    fits &= ~(other[:, 1:] & other[:, :-1]).any(axis=1)
    fits &= ~(inside[row, last + 1] & _ALNUM[raw[row, last + 1]])
    if fits.any():
        text = _upper(raw[fits][(counts & before)[fits]].reshape(-1, length).T)
        start = places[fits]
        yield _hits(cells, "IBAN_CODE", cell[fits], start, start + last[fits] + 1, text)


def _hits(cells: Cells, entity: str, cell: Index, start: Index, end: Index, text: Any) -> Hits:
    yes: Flags = np.ones(len(cell), np.bool_)
    hits = Hits(entity, cell, start, end, shapes.BY_ENTITY[entity].check(text), yes, ~yes, ~yes, compacts(text))
    mark_near(cells, hits, shapes.BY_ENTITY[entity].words)
    mark_reserved(hits)
    return hits


def _fiscal(cells: Cells, marked: Index) -> Iterator[Hits]:
    whole = marked[cells.ends[marked] - cells.starts[marked] == 16]
    places, cell = [cells.starts[whole]], [whole]
    for number in marked[cells.ends[marked] - cells.starts[marked] != 16].tolist():
        first = int(cells.starts[number])
        found = _FISCAL_RE.finditer(bytes(cells.data[first : cells.ends[number]]))
        places.append(np.array([match.start() + first for match in found], np.int64))
        cell.append(np.full(len(places[-1]), number))
    start, numbers = np.concatenate(places), np.concatenate(cell)
    if len(start):
        text = _upper(cells.data[start[:, None] + np.arange(16)].T)
        begin, end = cells.starts[numbers], cells.ends[numbers]
        free = ((start == begin) | ~_ALNUM[cells.data[start - 1]]) & (
            (start + 16 == end) | ~_ALNUM[cells.data[start + 16]]
        )
        hits = _hits(cells, "IT_FISCAL_CODE", numbers, start, start + 16, text)
        hits.valid &= free
        yield hits
