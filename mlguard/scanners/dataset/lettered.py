"""Finds codes of letters and digits that have no layout of digits alone: IBANs and the Italian codice fiscale."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mlguard.scanners.dataset import cells as bytewise
from mlguard.scanners.dataset import checksums, shapes
from mlguard.scanners.dataset.cells import Cells, Flags, Index
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


def _any_of(characters: str) -> Flags:
    table = np.zeros(256, np.bool_)
    table[np.frombuffer((characters + characters.lower()).encode(), np.uint8)] = True
    return table


_DIGIT_OR_STANDIN = _any_of("0123456789LMNPQRSTUV")
"""Digits, and the letters that stand for them where two persons would have the same code."""

_FISCAL = dict.fromkeys((6, 7, 9, 10, 12, 13, 14), _DIGIT_OR_STANDIN) | {
    8: _any_of("ABCDEHLMPRST"),
    11: _any_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    15: _any_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
}
"""What may stand after the six letters of a codice fiscale, by place."""


def find(cells: Cells) -> Iterator[Hits]:
    """Yield the IBANs and the fiscal codes of the cells."""
    letter = ((cells.data | np.uint8(32)) - np.uint8(ord("a"))) < 26
    yield from _ibans(cells, letter)
    yield from _fiscal(cells, letter)


def _upper(data: Any) -> Any:
    return np.where((data >= ord("a")) & (data <= ord("z")), data - np.uint8(32), data)


def _anchors(cells: Cells, letter: Flags) -> Index:
    """Return the places of two letters and two digits."""
    digit = (cells.data - np.uint8(ord("0"))) < 10
    starts = letter[:-3] & letter[1:-2]
    starts &= digit[2:-1]
    starts &= digit[3:]
    return np.flatnonzero(starts)


def _ibans(cells: Cells, letter: Flags) -> Iterator[Hits]:
    places = _anchors(cells, letter)
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


def _fiscal(cells: Cells, letter: Flags) -> Iterator[Hits]:
    two = letter[1:] & letter[:-1]
    four = two[2:] & two[:-2]
    six = four[2:] & two[:-4]
    if not six.any():
        return
    digit = _DIGIT_OR_STANDIN[cells.data]
    start = np.flatnonzero(six[:-2] & digit[6:-1] & digit[7:])
    for place in (9, 10, 12, 13, 14, 8, 11, 15):
        if not len(start):
            return
        start = start[_FISCAL[place][cells.data[start + place]]]
    cell = bytewise.cell_of(cells, start)
    begin, end = cells.starts[cell], cells.ends[cell]
    free = ((start == begin) | ~_ALNUM[cells.data[start - 1]]) & ((start + 16 == end) | ~_ALNUM[cells.data[start + 16]])
    keep = free & (start >= begin) & (start + 16 <= end)
    start, cell = start[keep], cell[keep]
    if len(start):
        yield _hits(
            cells, "IT_FISCAL_CODE", cell, start, start + 16, _upper(cells.data[start[:, None] + np.arange(16)].T)
        )
