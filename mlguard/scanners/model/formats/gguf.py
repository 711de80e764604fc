"""Reads GGUF files: the pairs of metadata, the chat templates in them, and where the tensors lie. Tensor data is not read.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and gguf_init_from_file_impl() in ggml/src/gguf.cpp. Version 1
has counts and lengths of 32 bits, versions 2 and 3 of 64; a file in big endian has the same magic and a swapped version.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Generator, Iterator

from mlguard.scanners.model import templates, texts
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Record

VERSIONS = range(1, 4)

MAX_TEXT_BYTES = templates.MAX_TEMPLATE * 4
"""Of one text of the metadata; a template may take four bytes for a character."""

MAX_KEY_BYTES = 65_535
"""The limit of the format."""

MAX_ALIGNMENT = 2**20
MAX_NAME_BYTES = 64
"""Of a tensor's name: GGML_MAX_NAME, with the zero that ends it. Forks and other kinds of models take up to twice that."""

MAX_DIMS = 4
MAX_ITEMS = 4_000_000
"""Texts and lists in all lists of the metadata."""

MAX_TENSORS = 200_000
MAX_PAIRS = 200_000
MAX_TEMPLATES = 2**20
"""Characters of all chat templates of one file."""

MAX_HELD = 8 * 2**20
"""Characters of all texts of the metadata that are looked at."""

MAX_DEPTH = 8
"""Lists inside each other. The reference implementation takes none."""

MAX_WHOLE = 2**63 - 1
"""Elements and bytes are signed numbers of 64 bits."""

MANY = 1000
SHORT_BYTES = 16
"""A shorter entry of a list of MANY, which is a vocabulary, holds nothing of interest."""

_KIND = "gguf"
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_TEXT, _LIST, _U32 = 8, 9, 4

_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84),
    11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98),
    19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8),
    28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36),
    41: (128, 18),
}  # fmt: skip
"""Elements and bytes of one block of each type that files hold: ggml/src/ggml.c, type_traits."""

MAX_TYPE = 512
"""Forks of ggml number their own types up to here; the size of such a tensor is not known."""

_LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_ ()-]{0,80}\Z")
_BASE = re.compile(r"general\.base_model\.(\d{1,4})\.(repo_url|name|version|organization)\Z")
_TEMPLATE = re.compile(r"tokenizer\.chat_templates?(?:\.|\Z)|.*chat_template\Z")
_QUIET = re.compile(r"tokenizer\.ggml\.(?:model|pre|merges)\Z|tokenizer\.chat_templates\Z")


class _Broken(Exception):
    """The metadata cannot be read on: the check of the page and the byte."""

    def __init__(self, byte: int, cut: bool = False) -> None:
        self.byte, self.cut = byte, cut


class _Reader:
    """Reads numbers and texts one after the other. Raises _Broken at the end of the file and for lengths beyond it."""

    def __init__(self, view: View) -> None:
        self.data, self.end, self.at = view.data, view.end, view.start + 4
        if len(view) < 8:
            raise _Broken(0, cut=True)
        (little,) = struct.unpack_from("<I", self.data, self.at)
        self.order = "<" if little & 0xFFFF else ">"
        self._numbers = {
            size: struct.Struct(self.order + code) for size, code in ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))
        }
        self.version = self.number(4)
        self.wide = 4 if self.version == 1 else 8
        self.items = 0

    def number(self, size: int) -> int:
        at = self.at
        if at + size > self.end:
            raise _Broken(at, cut=True)
        self.at = at + size
        value: int = self._numbers[size].unpack_from(self.data, at)[0]
        return value

    def count(self) -> int:
        return self.number(self.wide)

    def span(self, most: int = 2**63) -> tuple[int, int]:
        """Return begin and end of a text, and go behind it."""
        begin = self.at
        length = self.count()
        if length > self.end - self.at or length > most:
            raise _Broken(begin, cut=length < 2**31)
        self.at += length
        return self.at - length, self.at

    def text(self, most: int = 2**63) -> str:
        begin, end = self.span(most)
        return self.decoded(begin, end)

    def decoded(self, begin: int, end: int) -> str:
        return bytes(self.data[begin : min(end, begin + MAX_TEXT_BYTES)]).decode("utf-8", "replace")


def examine(view: View, state: State) -> Examination:
    """Yield what the templates and texts show, and what does not fit the format."""
    state.name(_KIND)
    try:
        reader = _Reader(view)
        if reader.version not in VERSIONS:
            yield from _other_version(reader.version, view, state)
            return "read"
        tensors, pairs = reader.count(), reader.count()
        room = view.end - reader.at
        least = reader.wide
        if pairs > room // (least + 5) or tensors > room // (least + 16 + least):
            yield from state.malformed("header", view, 8, _KIND)
        if pairs > MAX_PAIRS:
            raise _Broken(view.start + 8)
        alignment = yield from _metadata(reader, pairs, view, state)
        yield from _tensors(reader, tensors, alignment, view, state)
    except _Broken as broken:
        yield from state.malformed("header", view, max(0, broken.byte - view.zero), _KIND)
        reason = "ends in the middle of its header" if broken.cut else "has a header that cannot be read on"
        yield from state.gap("unreadable", f"the GGUF file {reason}", view.within)
    return "read"


def _other_version(version: int, view: View, state: State) -> Iterator[Record]:
    if version == 0 or version > 16:
        yield from state.malformed("header", view, 4, _KIND)
    yield from state.gap("skipped", "this version does not read GGUF files of another version than 1 to 3", view.within)


# -- metadata


def _metadata(reader: _Reader, pairs: int, view: View, state: State) -> Generator[Record, None, int]:
    """Yield what the metadata shows, however far it goes, and return the alignment of the tensors (0: impossible)."""
    held = _Texts()
    try:
        alignment = yield from _pairs(reader, pairs, held, view, state)
    except _Broken:
        yield from held.told(view, state)
        raise
    yield from held.told(view, state)
    return alignment


def _pairs(reader: _Reader, pairs: int, held: _Texts, view: View, state: State) -> Generator[Record, None, int]:
    alignment, keys = 32, set()
    for _ in range(pairs):
        begin = reader.at
        key = reader.text(MAX_KEY_BYTES)
        if key in keys:
            yield from state.malformed("duplicate-key", view, begin - view.zero, _KIND)
        keys.add(key)
        kind = reader.number(4)
        if kind == _TEXT:
            yield from _text(reader, key, held, view, state)
        elif kind == _LIST:
            yield from _list(reader, key, held, view, state)
        elif kind not in _SIZES:
            raise _Broken(begin)
        else:
            value = reader.number(_SIZES[kind])
            if key == "general.alignment":
                fits = kind == _U32 and 0 < value <= MAX_ALIGNMENT and value & (value - 1) == 0
                alignment = value if fits else 0
                if not fits:
                    yield from state.malformed("header", view, begin - view.zero, _KIND)
    return alignment


def _text(reader: _Reader, key: str, held: _Texts, view: View, state: State) -> Iterator[Record]:
    begin, end = reader.span()
    if end - begin > MAX_TEXT_BYTES:
        yield from state.gap("too-large", "a text in the metadata is longer than the limit", view.within)
    text = reader.decoded(begin, end)
    if _TEMPLATE.match(key):
        yield from held.template(text, key, view, state, begin - view.zero)
    elif "{{" in text or "{%" in text:
        yield from templates.told_page(text, key, view, state, _KIND, begin - view.zero)
    held.add(key, templates.without_mail(text) if _TEMPLATE.match(key) else text)


def _list(reader: _Reader, key: str, held: _Texts, view: View, state: State) -> Iterator[Record]:
    """Go through a list; lists in it wait on a stack with how many items of each are left."""
    begin = reader.at
    waiting = [(reader.number(4), reader.count(), 1)]
    while waiting:
        kind, count, depth = waiting.pop()
        if kind in _SIZES:
            size = _SIZES[kind] * count
            if size > reader.end - reader.at:
                raise _Broken(begin, cut=count < 2**31)
            reader.at += size
        elif kind == _TEXT:
            if count * reader.wide > reader.end - reader.at:
                raise _Broken(begin, cut=count < 2**31)
            yield from _entries(reader, key, count, held, view, state)
        elif kind == _LIST and count:
            reader.items += 1
            if reader.items > MAX_ITEMS or depth > MAX_DEPTH:
                yield from state.malformed("header", view, begin - view.zero, _KIND)
                raise _Broken(begin)
            if count > 1:
                waiting.append((kind, count - 1, depth))
            waiting.append((reader.number(4), reader.count(), depth + 1))
        elif kind != _LIST:
            raise _Broken(begin)


def _entries(reader: _Reader, key: str, count: int, held: _Texts, view: View, state: State) -> Iterator[Record]:
    """Go through the texts of a list: a vocabulary has hundreds of thousands, so only what may hold something is decoded."""
    reader.items += count
    if reader.items > MAX_ITEMS:
        yield from state.gap("too-large", "the lists in the metadata have more entries than the limit", view.within)
        raise _Broken(reader.at)
    data, at, end, wide = reader.data, reader.at, reader.end, reader.wide
    unpack = struct.Struct(reader.order + ("Q" if wide == 8 else "I")).unpack_from
    template = bool(_TEMPLATE.match(key))
    least = 2**64 if _QUIET.match(key) and not template else SHORT_BYTES if count >= MANY else 1
    for _ in range(count):
        if at + wide > end:
            raise _Broken(at, cut=True)
        (length,) = unpack(data, at)
        at += wide
        if length > end - at:
            raise _Broken(at, cut=length < 2**31)
        if length >= least:
            text = reader.decoded(at, at + length) if held.left > 0 else ""
            if template and ("{{" in text or "{%" in text):
                yield from held.template(text, key, view, state, at - view.zero)
            held.add(key, text)
        at += length
    reader.at = at


class _Texts:
    """The texts of the metadata on their way to the judges, and what later stages want to know of them."""

    def __init__(self) -> None:
        self.left, self.templates = MAX_HELD, 0
        self._held: list[tuple[str, str]] = []
        self._bases: dict[str, dict[str, str]] = {}
        self._licences: list[str] = []

    def add(self, key: str, text: str) -> None:
        self.left -= len(text) + 1
        if not _QUIET.match(key) and self.left > 0:
            self._held.append((key, text))
        if match := _BASE.match(key):
            self._bases.setdefault(match.group(1), {})[match.group(2)] = text[:300]
        if key in ("general.license", "general.license.name") and _LICENCE.match(text):
            self._licences.append(text)

    def template(self, text: str, key: str, view: View, state: State, byte: int) -> Iterator[Record]:
        self.templates += len(text)
        if self.templates > MAX_TEMPLATES:
            yield from state.gap("too-large", "the file holds more text in chat templates than the limit", view.within)
        else:
            yield from templates.told(text, key, view, state, _KIND, byte)

    def told(self, view: View, state: State) -> Iterator[Record]:
        for base in self._bases.values():
            name = "/".join(filter(None, (base.get("organization"), base.get("name"))))
            if reference := base.get("repo_url") or name:
                state.bases.append((reference, base.get("version", "")))
        state.licences.extend(self._licences)
        if self.left <= 0:
            yield from state.gap("too-large", "the metadata holds more text than is looked at", view.within)
        yield from texts.told(self._held, view, state, _KIND)


# -- tensors


def _tensors(reader: _Reader, count: int, alignment: int, view: View, state: State) -> Iterator[Record]:
    """Check the entries of the tensors, and that their data fills the rest of the file without holes."""
    begin = reader.at - view.zero
    if count > MAX_TENSORS:
        yield from state.gap("too-large", "the file has more tensors than the limit", view.within)
        count = MAX_TENSORS
    places: list[tuple[int, int]] = []
    names: set[bytes] = set()
    for _ in range(count):
        entry = reader.at - view.zero
        first, last = reader.span()
        name = bytes(reader.data[first : min(last, first + 2 * MAX_NAME_BYTES + 1)])
        if last - first > 2 * MAX_NAME_BYTES:
            yield from state.malformed("tensor-entry", view, entry, _KIND)
        if name in names:
            yield from state.malformed("duplicate-key", view, entry, _KIND)
        names.add(name)
        dims = reader.number(4)
        if dims > MAX_DIMS:
            yield from state.malformed("tensor-entry", view, entry, _KIND)
            if dims > 64:
                raise _Broken(reader.at)
        extents = [reader.number(reader.wide) for _ in range(dims)]
        kind, offset = reader.number(4), reader.number(8)
        check, size = _size(extents, kind)
        if check:
            yield from state.malformed(check, view, entry, _KIND)
        if alignment and offset % alignment:
            yield from state.malformed("tensor-entry", view, entry, _KIND)
        places.append((offset, size))
    state.tensors += len(places)
    if alignment:
        yield from _layout(reader, sorted(places), alignment, begin, view, state)


def _size(extents: list[int], kind: int) -> tuple[str, int]:
    """Return the check that fails, or "", and the bytes of a tensor (-1: not known)."""
    elements = 1
    for extent in extents:
        elements *= extent
        if extent > MAX_WHOLE or elements > MAX_WHOLE:
            return "tensor-size", -1
    if kind not in _BLOCKS:
        return ("tensor-entry" if kind >= MAX_TYPE else ""), -1
    block, size = _BLOCKS[kind]
    if extents and extents[0] % block:
        return "tensor-size", -1
    total = elements // block * size
    return ("tensor-size", -1) if total > MAX_WHOLE else ("", total)


def _layout(
    reader: _Reader, places: list[tuple[int, int]], alignment: int, begin: int, view: View, state: State
) -> Iterator[Record]:
    def padded(number: int) -> int:
        return number + -number % alignment

    here = reader.at - view.start
    base, length = padded(here), len(view)
    expected = 0
    for offset, size in places:
        if base + offset + max(size, 0) > length:
            yield from state.malformed("offsets-outside", view, begin, _KIND)
            return
        if offset < expected or expected >= 0 and offset > padded(expected):
            yield from state.malformed("offsets-gap", view, begin, _KIND)
            return
        expected = offset + size if size >= 0 else -1
    if expected < 0:
        return
    end = base + padded(expected) if places else base
    if end < length:
        yield from state.malformed("trailing-data", view, view.start + end - view.zero, _KIND)
        from mlguard.scanners.model import pickles

        yield from pickles.searched(view.rest(view.start + end), state)
