"""Finds numbers in cells: stretches of digits and separators, grouped by how they are laid out, checked a group at a time.

However many cells a column has, its numbers are written in few ways. Patterns are therefore tried on one stretch of each layout, and
what they mark is gathered from all cells that share it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from mlguard import lazy
from mlguard.scanners.dataset import cells as bytewise
from mlguard.scanners.dataset import shapes
from mlguard.scanners.dataset.cells import Bytes, Cells, Flags, Index, matching
from mlguard.values import dataclass

BEFORE, AFTER = 4, 8
"""Bytes around a stretch that belong to its layout: letters of a code, and what a number must not touch."""

MAX_STRETCH = 44
"""Bytes of a stretch. A longer one is a list of numbers, and each of its words is looked at by itself."""

COMPACT = 40
"""Bytes kept of a compact form; the longest, an IBAN, has 33."""

_WIDTH = 56
assert BEFORE + MAX_STRETCH + AFTER <= _WIDTH

_NONE, _DIGIT = 0, ord("1")


def _table() -> Bytes:
    table = np.arange(256, dtype=np.uint8)
    table[ord("0") : ord("9") + 1] = _DIGIT
    for low, high in ((ord("A"), ord("Z")), (ord("a"), ord("z")), (0x80, 0xFF)):
        table[low : high + 1] = ord("A")
    table[ord("x")] = ord("x")  # before an extension
    table[[9, 10, 11, 12, 13]] = ord(" ")
    return table


_LAYOUT = _table()
_TRANSLATED = _LAYOUT.tobytes()
_LETTER: Flags = np.equal(_LAYOUT, ord("A"))
_BETWEEN = np.zeros(256, np.bool_)
_BETWEEN[np.frombuffer(b" .-/:()+[]~\t\n\rx#*", np.uint8)] = True
"""Bytes that may stand between the digits of one number."""

_BETWEEN_AGAIN = _BETWEEN.copy()
_BETWEEN_AGAIN[np.frombuffer(b" \t\n\r", np.uint8)] = False


@dataclass(frozen=True, slots=True)
class Stretches:
    """Runs of digits and separators: the place of the first digit, the place after the last, how many digits, and the cell."""

    first: Index
    last: Index
    digits: Index
    cell: Index

    def __len__(self) -> int:
        return len(self.first)

    def only(self, keep: Flags) -> Stretches:
        """Return those of them that ``keep`` marks."""
        return Stretches(self.first[keep], self.last[keep], self.digits[keep], self.cell[keep])


class Compact(Protocol):
    """Compact forms that are no byte strings yet."""

    def hashes(self, picked: Index) -> NDArray[np.uint64]:
        """Return a number for each of those picked, the same for the same text."""

    def __getitem__(self, place: int) -> bytes: ...


@dataclass(slots=True)
class Hits:
    """All places of one entity in a batch, one array element for each. ``compact`` are the characters that count."""

    entity: str
    cell: Index
    start: Index
    end: Index
    valid: Flags
    grouped: Flags
    near: Flags
    reserved: Flags
    compact: NDArray[np.bytes_] | Compact


def stretches(cells: Cells, again: bool = False) -> Stretches:
    """Return the stretches of the cells; with ``again`` no white space may lie in one."""
    first, last, cell = _runs(cells)
    if not len(first):
        return Stretches(first, last, first, cell)
    gap = first[1:] - last[:-1]
    joined = (gap <= 4) & (cell[1:] == cell[:-1])
    parted = np.flatnonzero(joined)
    before, size = last[:-1][parted], gap[parted]
    between = _BETWEEN_AGAIN if again else _BETWEEN
    fits = between[cells.data[before]]
    for step in (1, 2, 3):
        wide = np.flatnonzero(size > step)
        fits[wide] &= between[cells.data[before[wide] + step]]
    joined[parted[~fits]] = False
    begins = np.concatenate([[0], np.flatnonzero(~joined) + 1])
    ends = np.append(begins[1:], len(first)) - 1
    digits = np.add.reduceat(last - first, begins)
    return Stretches(first[begins], last[ends], digits, cell[begins])


def _runs(cells: Cells) -> tuple[Index, Index, Index]:
    """Return the place of the first digit of each run of digits, the place after its last, and its cell."""
    marked = ((cells.data - np.uint8(ord("0"))) < 10).view(np.int8)
    steps = np.diff(marked)
    first, last = np.flatnonzero(steps == 1) + 1, np.flatnonzero(steps == -1) + 1
    inner = cells.starts[1:]
    glued = inner[(marked[inner] & marked[inner - 1]).astype(np.bool_)]  # a run that goes on into the next cell
    if len(glued):
        first, last = np.sort(np.concatenate([first, glued])), np.sort(np.concatenate([last, glued]))
    return first, last, bytewise.cell_of(cells, first)


def find(cells: Cells, digits: bool = False) -> Iterator[Hits]:
    """Yield the numbers of every kind, in no particular order: cards, national numbers, telephones, IPv4 addresses.

    With ``digits`` there is nothing but digits in any cell.
    """
    if digits:
        yield from _of_digits(cells)
        return
    found = stretches(cells)
    long = found.last - found.first > MAX_STRETCH
    if not long.any():
        yield from _of(cells, found)
        return
    yield from _of(cells, found.only(~long))
    listed = found.only(long & (found.digits < found.last - found.first))
    if len(listed):
        yield from _of(cells, _inside(stretches(cells, again=True), listed))


def _inside(parts: Stretches, whole: Stretches) -> Stretches:
    """Return the parts that lie inside of one of the whole stretches and are short."""
    at = np.searchsorted(whole.first, parts.first, "right") - 1
    return parts.only((at >= 0) & (parts.last <= whole.last[at]) & (parts.last - parts.first <= MAX_STRETCH))


def _of(cells: Cells, found: Stretches) -> Iterator[Hits]:
    found = found.only(_promising(cells, found))
    if not len(found):
        return
    gathered = _Gathered(cells, found)
    for code, layout in enumerate(gathered.layouts):
        members = gathered.members(code)
        for candidate in candidates(layout):
            gathered.take(members, candidate)
    yield from gathered.hits()


def _promising(cells: Cells, found: Stretches) -> Flags:
    """Say which stretches have seven digits, or six and a letter after them, or three dots."""
    keep = found.digits >= 7
    few = np.flatnonzero(~keep & (found.digits >= 4))
    if len(few):
        data, last, end = cells.data, found.last[few], cells.ends[found.cell[few]]
        near = (last < end) & _LETTER[data[last]]  # what stands behind the cell is of another
        near |= (last + 1 < end) & (data[last] == ord(" ")) & _LETTER[data[last + 1]]
        dots = np.flatnonzero(data == ord("."))
        dotted = np.searchsorted(dots, last) - np.searchsorted(dots, found.first[few]) >= 3
        keep[few] = dotted | near & (found.digits[few] == 6)
    return keep


# --- Layouts and what they may be


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a layout may hold: columns of a row, counted from BEFORE bytes before the stretch."""

    entity: str
    start: int
    end: int
    columns: tuple[int, ...]
    free: bool = True  # touches nothing that makes it a part of something longer
    grouped: bool = False
    sure: bool = False  # a telephone number with a country's code
    asks: bool = False  # is one only after a word for it
    octets: tuple[int, ...] = ()  # digits of each part of an IPv4 address


_DATE = lazy.pattern(r"\b[12]\d{3}([-/.])\d{2}\1\d{2}(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)?(?![\d-])")
_DOTS = lazy.pattern(r"\b(?:\d{1,3}\.){3}\d{1,3}\b")
_SEPARATORS = " .-:/"


@lru_cache(maxsize=1 << 16)
def candidates(row: bytes) -> tuple[Candidate, ...]:
    """Return what a stretch may be whose layout, with BEFORE bytes before it and AFTER bytes behind it, is ``row``."""
    lead = len(row) - len(row.lstrip(b"\0"))
    layout = row.strip(b"\0").decode("latin-1")
    if layout.isdigit() and lead == BEFORE and len(layout) + lead + AFTER <= len(row):
        return tuple(_bare(layout, lead))
    return tuple(_parts(layout, lead))


def _bare(layout: str, lead: int) -> Iterator[Candidate]:
    """Yield what a cell may be that is a number without any separator."""
    size = len(layout)
    columns = tuple(range(lead, lead + size))
    for shape in shapes.CHECKED:
        if shape.layout is not None and (match := shape.layout.search("1" * size)) and match.end() == size:
            yield Candidate(shape.entity, lead, lead + size, columns, grouped=shape.lettered)
    if size >= 7:  # E.164 ends at fifteen; the library for phone numbers goes on
        yield Candidate("PHONE_NUMBER", lead, lead + size, columns, free=size <= 15)


def _parts(layout: str, lead: int) -> Iterator[Candidate]:
    for match in _DOTS.finditer(layout):
        start, end = match.span()
        before, after = layout[start - 1 : start], layout[end : end + 2]
        pinned = before == "=" and layout[start - 2 : start - 1] in (
            "=",
            "<",
            ">",
            "~",
            "!",
        )  # a version, as pip writes it
        free = not (before and (before.isalnum() or before in "_.-:") or pinned) and not re.match(r"[\w:-]|\.\d", after)
        octets = tuple(map(len, match.group().split(".")))
        columns = tuple(lead + start + at for at, sign in enumerate(match.group()) if sign != ".")
        yield Candidate("IP_ADDRESS", lead + start, lead + end, columns, free, True, octets=octets)
    clear = _DATE.sub(lambda match: " " * len(match.group()), layout)
    for shape in shapes.CHECKED:
        for match in shape.layout.finditer(clear) if shape.layout is not None else ():
            if not _within_word(clear, match):
                yield _number(shape, match, clear, lead)
    yield from _phones(clear, lead)


def _within_word(layout: str, match: re.Match[str]) -> bool:
    """Say whether a match is part of a longer run of letters and digits, which makes it nothing at all."""
    start, end = match.span()
    return bool(start) and layout[start - 1].isalnum() or layout[end : end + 1].isalnum()


def _number(shape: shapes.Shape, match: re.Match[str], layout: str, lead: int) -> Candidate:
    start, end = match.span()
    keeps_sign = shape.entity == "FI_PERSONAL_IDENTITY_CODE"
    columns = tuple(lead + start + at for at, sign in enumerate(match.group()) if keeps_sign or sign not in _SEPARATORS)
    free = not start or layout[start - 1] not in "._="
    return Candidate(
        shape.entity, lead + start, lead + end, columns, free, shape.lettered or not match.group().isdigit()
    )


def _phones(layout: str, lead: int) -> Iterator[Candidate]:
    shown = False
    for pattern in (shapes.INTERNATIONAL, shapes.NATIONAL, shapes.AFTER_WORD):
        for match in pattern.finditer(layout):
            number = re.split("[x#]", match.group())[0]
            columns = tuple(lead + match.start() + at for at, sign in enumerate(number) if sign.isdigit())
            if 7 <= len(columns) <= 15:
                shown = shown or pattern is not shapes.AFTER_WORD
                yield Candidate(
                    "PHONE_NUMBER", lead + match.start(), lead + match.end(), columns, True, True,
                    pattern is shapes.INTERNATIONAL, pattern is shapes.AFTER_WORD,
                )  # fmt: skip
    if not shown and sum(sign.isdigit() for sign in layout) >= 7:
        yield Candidate("PHONE_NUMBER", lead, lead, (), False)


# --- Gathering


def _of_digits(cells: Cells) -> Iterator[Hits]:
    """Yield what cells may be that are numbers without any separator, by their length."""
    sizes = cells.ends - cells.starts
    for size in np.unique(sizes).tolist():
        if not 7 <= size <= MAX_STRETCH:
            continue
        cell = np.flatnonzero(sizes == size)
        start, end = cells.starts[cell], cells.ends[cell]
        rows = bytewise.words_at(cells.data, start, (size + 7) // 8).view(np.uint8).reshape(len(cell), -1)
        text = np.ascontiguousarray(rows[:, :size].T)
        compact = compacts(text)
        yes: Flags = np.ones(len(cell), np.bool_)
        for candidate in _bare("1" * size, 0):
            entity = candidate.entity
            valid = yes & candidate.free if entity == "PHONE_NUMBER" else shapes.BY_ENTITY[entity].check(text)
            hits = Hits(entity, cell, start, end, valid, ~yes, ~yes, ~yes, compact)
            mark_reserved(hits)
            yield hits


class _Gathered:
    """The stretches of a batch, by layout, and the candidates taken from them."""

    def __init__(self, cells: Cells, found: Stretches) -> None:
        self.cells, self.found = cells, found
        width = (BEFORE + int((found.last - found.first).max()) + AFTER + 7) // 8
        raw = bytewise.words_at(cells.data, found.first - BEFORE, width).view(np.uint8)
        self.rows = raw.reshape(len(found), 8 * width)
        laid = self._laid()
        codes, first = _coded(bytewise.mixed(laid.view(np.uint64).reshape(len(found), width)))
        self.layouts = [laid[place].tobytes() for place in first]
        if len(first) == 1:
            self.order, self.bounds = np.arange(len(found)), np.array([0, len(found)])
        else:
            self.order = np.argsort(codes, kind="stable")
            self.bounds = np.searchsorted(codes[self.order], np.arange(len(first) + 1))
        self.taken: dict[tuple[str, int], list[tuple[Index, Candidate]]] = {}

    def _laid(self) -> Bytes:
        found, rows = self.found, self.rows
        laid = np.frombuffer(bytearray(rows.tobytes().translate(_TRANSLATED)), np.uint8).reshape(rows.shape)
        column = np.arange(rows.shape[1])
        left = BEFORE - np.minimum(found.first - self.cells.starts[found.cell], BEFORE)
        right = BEFORE + np.minimum(found.last + AFTER, self.cells.ends[found.cell]) - found.first
        first, last = int(left.max()), int(right.min())
        laid[:, :first] *= column[:first] >= left[:, None]  # what lies outside of the cell is blank
        laid[:, last:] *= column[last:] < right[:, None]
        laid[:, BEFORE] = rows[:, BEFORE]  # the first digit tells a trunk prefix from others
        second = (rows[:, BEFORE] == ord("0")) & (rows[:, BEFORE + 1] == ord("0"))
        laid[second, BEFORE + 1] = ord("0")
        return laid

    def members(self, code: int) -> Index:
        """Return the stretches of one layout."""
        return self.order[self.bounds[code] : self.bounds[code + 1]]

    def take(self, members: Index, candidate: Candidate) -> None:
        """Note that the candidate is to be looked at in these stretches."""
        self.taken.setdefault((candidate.entity, len(candidate.columns)), []).append((members, candidate))

    def hits(self) -> Iterator[Hits]:
        """Yield what was taken, checked."""
        texts: dict[Any, Bytes] = {}
        for (entity, size), parts in self.taken.items():
            key = tuple((id(members), candidate.columns) for members, candidate in parts)
            if key not in texts:
                texts[key] = self._text(size, parts)
            yield self._checked(entity, parts, texts[key])

    def _text(self, size: int, parts: Sequence[tuple[Index, Candidate]]) -> Bytes:
        """Return the characters that count, a row for each position."""
        if not size:
            return np.zeros((0, sum(len(members) for members, _ in parts)), np.uint8)
        found = [self._columns(members, candidate.columns) for members, candidate in parts]
        text = cast(Bytes, np.concatenate(found, axis=1))
        lower = (text >= ord("a")) & (text <= ord("z"))
        if lower.any():
            text[lower] -= np.uint8(32)
        return text

    def _columns(self, members: Index, columns: tuple[int, ...]) -> Bytes:
        first, last = columns[0], columns[-1] + 1
        rows = self.rows if len(members) == len(self.rows) else self.rows[members, first:last]
        start = first if len(members) == len(self.rows) else 0
        if last - first == len(columns):
            return rows[:, start : start + len(columns)].T
        return cast(Bytes, rows.T[np.array(columns) - first + start])

    def _checked(self, entity: str, parts: Sequence[tuple[Index, Candidate]], text: Bytes) -> Hits:
        cells, found = self.cells, self.found
        counts = [len(members) for members, _ in parts]
        each = [candidate for _, candidate in parts]
        members = parts[0][0] if len(parts) == 1 else np.concatenate([members for members, _ in parts])

        def spread(values: list[Any]) -> Any:
            return np.repeat(np.array(values), counts)

        base = found.first[members] - BEFORE
        start, end = base + spread([c.start for c in each]), base + spread([c.end for c in each])
        free, grouped = spread([c.free for c in each]), spread([c.grouped for c in each])
        cell = found.cell[members]
        hits = Hits(
            entity,
            cell,
            start,
            end,
            free,
            grouped,
            spread([c.sure for c in each]),
            np.zeros(len(cell), np.bool_),
            compacts(text),
        )
        if entity == "PHONE_NUMBER":
            if len(text):
                _judge_phones(cells, hits, text, spread([c.asks for c in each]))
        elif entity == "IP_ADDRESS":
            _judge_addresses(hits, text, [c.octets for c in each], counts)
        else:
            hits.valid &= shapes.BY_ENTITY[entity].check(text)
            mark_near(cells, hits, shapes.BY_ENTITY[entity].words)
            mark_reserved(hits)
        return hits


def _coded(values: NDArray[np.uint64]) -> tuple[NDArray[np.uint16] | Index, Index]:
    """Return a small number for each distinct value, and where each is first."""
    import pyarrow as pa

    coded = pa.array(values).dictionary_encode()
    codes = bytewise.values_of(coded.indices)
    first = np.empty(len(coded.dictionary), np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    return codes.astype(np.uint16) if len(first) < 1 << 16 else codes, first  # sixteen bits are sorted in linear time


def compacts(text: Bytes) -> NDArray[np.bytes_]:
    """Return columns of bytes as byte strings."""
    width = min(COMPACT, max(8, (len(text) + 7) // 8 * 8))
    kept = np.zeros((text.shape[1], width), np.uint8)
    kept[:, : len(text)] = text.T[:, :width]
    return kept.view(f"S{width}").reshape(-1)


CONTEXT = 30
"""Bytes before a number in which a word for it counts."""


def mark_near(cells: Cells, hits: Hits, words: str) -> None:
    """Mark the valid hits before which one of the words stands."""
    begin = cells.starts[hits.cell]
    picked = np.flatnonzero(hits.valid & (hits.start > begin))
    if not len(picked):
        return
    last = hits.start[picked]
    first = np.maximum(begin[picked], last - CONTEXT)
    for _ in range(3):  # not into the middle of a character
        first += (first < last) & ((cells.data[first] & 0xC0) == 0x80)
    hits.near[picked] |= matching(bytewise.texts_at(cells, first, last), words)


def mark_reserved(hits: Hits) -> None:
    """Mark the valid hits that are printed in manuals."""
    picked = np.flatnonzero(hits.valid)
    if len(picked) and hits.entity in shapes.PRINTED and isinstance(hits.compact, np.ndarray):
        known = np.array(sorted(shapes.RESERVED), f"S{COMPACT}")
        hits.reserved[picked] = np.isin(hits.compact[picked], known)


def _judge_phones(cells: Cells, hits: Hits, text: Bytes, asks: Flags) -> None:
    written = hits.grouped.copy()
    named = Hits(**{name: getattr(hits, name) for name in Hits.__slots__})
    named.near, named.valid = np.zeros(len(hits.cell), np.bool_), hits.valid & written
    mark_near(cells, named, shapes.PHONE_WORDS)
    hits.valid &= ~asks | named.near
    hits.near |= named.near
    picked = np.flatnonzero(hits.valid & written)
    if len(picked):
        digits = bytewise.texts_of(text if len(picked) == len(written) else text[:, picked])
        hits.reserved[picked] = matching(digits, shapes.DRAMA)


_PRIVATE = tuple(
    (int.from_bytes(bytes(map(int, start.split("."))), "big"), 32 - bits)
    for start, bits in (
        ("0.0.0.0", 8), ("10.0.0.0", 8), ("100.64.0.0", 10), ("127.0.0.0", 8), ("169.254.0.0", 16), ("172.16.0.0", 12), ("192.0.0.0", 24),
        ("192.0.2.0", 24), ("192.168.0.0", 16), ("198.18.0.0", 15), ("198.51.100.0", 24), ("203.0.113.0", 24), ("240.0.0.0", 4),
    )
)  # fmt: skip
"""Networks that are not routed: IANA IPv4 Special-Purpose Address Registry."""


def _judge_addresses(hits: Hits, text: Bytes, octets: Sequence[tuple[int, ...]], counts: Sequence[int]) -> None:
    """Mark addresses that somebody may have: well formed, and routed."""
    address = np.zeros(len(hits.cell), np.int64)
    fits = np.ones(len(hits.cell), np.bool_)
    at = 0
    for sizes, count in zip(octets, counts, strict=True):
        column = 0
        for size in sizes:
            value = np.zeros(count, np.int64)
            for digit in text[column : column + size, at : at + count]:
                value = value * 10 + (digit.astype(np.int64) - ord("0"))
            leading = (text[column, at : at + count] == ord("0")) if size > 1 else np.zeros(count, np.bool_)
            fits[at : at + count] &= (value < 256) & ~leading
            address[at : at + count] = address[at : at + count] * 256 + value
            column += size
        at += count
    routed = np.ones(len(address), np.bool_)
    for network, bits in _PRIVATE:
        routed &= (address >> bits) != (network >> bits)
    routed &= (address >> 28) != 0xE  # multicast
    hits.valid &= fits & routed
    hits.reserved[:] = fits & ~routed
    hits.compact = Dotted(address)


class Dotted:
    """IPv4 addresses as numbers, that are written when one is asked for."""

    def __init__(self, address: Index) -> None:
        self.address = address

    def hashes(self, picked: Index) -> NDArray[np.uint64]:
        """Return a number for each of the addresses picked."""
        return bytewise.mixed(self.address[picked].astype(np.uint64).reshape(-1, 1))

    def __getitem__(self, place: int) -> bytes:
        return ".".join(str(int(self.address[place]) >> shift & 255) for shift in (24, 16, 8, 0)).encode()
