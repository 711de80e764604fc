"""Looks into HDF5 files: configurations of Keras, pickles in values, links to other files. The numbers are never read.

What Keras keeps in attributes: keras/src/legacy/saving/legacy_h5_format.py (``model_config``, ``training_config``); where PyTables and
pandas keep pickles: tables/attributeset.py (any text attribute that ends with a dot is unpickled), tables/atom.py (ObjectAtom).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlguard.errors import Unreadable
from mlguard.scanners.model import pickles, texts, zips
from mlguard.scanners.model.formats import hdf5_chunks, hdf5_file, keras
from mlguard.scanners.model.formats.hdf5_file import File
from mlguard.scanners.model.formats.hdf5_parts import (
    COMPOUND,
    FIXED,
    MAX_VALUE_BYTES,
    OPAQUE,
    STRING,
    VARIABLE,
    Attribute,
    Damaged,
    Enough,
    Kind,
    Link,
    Object,
    Unknown,
)  # fmt: skip
from mlguard.scanners.model.machine import Machine
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Record

MAX_ELEMENTS = 300_000
"""Texts of all datasets, and of one attribute."""

MAX_TEXTS = 200_000
"""Different texts of attributes that are looked at."""

MAX_ROWS = 1000
"""Rows of a table with texts of fixed size that are looked at; a longer one is data."""

MAX_SCAN_BYTES = 256 * 2**20
"""Bytes that are searched for heaps of values when the index of a dataset is not read."""

MAX_RUN_BYTES = 4 * 2**20
"""Bytes of a dataset of single bytes in chunks; a larger one is numbers."""

BOMB_BYTES = 4 * 2**30
BOMB_RATIO = 1000
"""A dataset that stands for more than the first, and for more than the second times its file, is a bomb (as Keras has it)."""

_IMPORTS = re.compile(rb"[ci][^\n]{0,300}\n[^\n]{0,300}\n|[\x82-\x84\x93]")
"""The opcodes by which a pickle imports: GLOBAL and INST with two lines, STACK_GLOBAL, EXT1 to EXT4."""

_CONFIGURATIONS = frozenset({"model_config", "training_config", "optimizer_config", "layer_config", "model_topology"})


def examine(view: View, state: State) -> Examination:
    """Walk every object of the file once."""
    start = hdf5_file.find(view.data, view.start, view.end)
    if start < 0:
        return "unread"
    state.name("hdf5")
    try:
        file = File(view.data, start, view.end)
    except Damaged as trouble:
        yield from state.gap("unreadable", f"the HDF5 file is damaged: {trouble}", view.within)
        return "read"
    judge = _Judge(file, view, state)
    try:
        yield from judge.walk()
    except Enough as bound:
        yield from state.gap("too-large", str(bound), view.within)
    yield from judge.words()
    yield from judge.size()
    for reason in file.damage:
        yield from state.gap("unreadable", f"the HDF5 file is damaged: {reason}", view.within)
    return "read"


class _Judge:
    """What one file shows."""

    def __init__(self, file: File, view: View, state: State) -> None:
        self.file, self.view, self.state = file, view, state
        self.texts: dict[tuple[str, str], None] = {}
        self.full = self.scanned = False
        self.left = MAX_ELEMENTS

    def walk(self) -> Iterator[Record]:
        """Yield what objects, links and attributes show. Raises Enough."""
        links: list[Link] = []
        for thing, attributes in self.file.walk(links.append):
            for attribute in attributes:
                yield from self._attribute(attribute)
            if thing.layout:
                self.state.tensors += 1
                yield from self._dataset(thing)
            yield from self._links(links)
            links.clear()
        yield from self._links(links)

    def _links(self, links: list[Link]) -> Iterator[Record]:
        for link in links:
            if link.sort == "external":
                yield from self._malformed("external-link", self.file.base)
            elif link.sort == "user":
                yield from self.state.gap(
                    "skipped", "a link of the HDF5 file is of a kind that a plugin follows", self.view.within
                )

    def _malformed(self, check: str, at: int) -> Iterator[Record]:
        yield from self.state.malformed(check, self.view, max(0, at - self.view.zero), "hdf5")

    # -- attributes and values

    def _attribute(self, attribute: Attribute) -> Iterator[Record]:
        name = attribute.name.decode("utf-8", "replace")
        if not attribute.kind.texts:
            return
        wanted = attribute.kind.size * attribute.count
        if len(attribute.raw) < wanted:
            self.file.damage.append("a value is cut short")
        elif attribute.count > MAX_ELEMENTS:
            yield from self._too_much()
        try:
            for blob in self.file.blobs(attribute.kind, attribute.raw, attribute.count, MAX_ELEMENTS):
                yield from self._value(name, blob, attribute.at)
        except Damaged as trouble:
            self.file.damage.append(str(trouble))

    def _too_much(self) -> Iterator[Record]:
        yield from self.state.gap("too-large", "the HDF5 file holds more texts than are looked at", self.view.within)

    def _value(self, name: str, blob: bytes, at: int) -> Iterator[Record]:
        """Judge one value: a configuration, a pickle, or text."""
        begin = blob[:64].lstrip()[:1]
        named = name in _CONFIGURATIONS and bool(blob)
        if named or begin in (b"{", b"[") and (b"class_name" in blob or b"_type" in blob):
            self.state.name("keras")
            place = name if named else "attribute"
            yield from keras.parsed(blob, self.view, self.state, place, max(0, at - self.view.zero))
        elif _may_be_pickle(blob, self.state):
            yield from self._pickle(View(blob, 0, len(blob), "value.pkl", self._within(), self.view.depth + 1))
        elif blob and len(self.texts) < MAX_TEXTS:
            self.texts.setdefault((name, blob.decode("utf-8", "replace")))
        else:
            self.full = self.full or bool(blob)

    def _within(self) -> str:
        return f"{self.view.within}!value".lstrip("!")

    def _pickle(self, inner: View) -> Iterator[Record]:
        """Judge a pickle. PyTables may unpickle any text, so one that imports nothing of note makes the file no other than it is."""
        before, told = self.state.pickles, False
        try:
            for record in self.state.examine(inner, self.state):
                told = True
                yield record
        except Unreadable as trouble:
            yield from self.state.gap("unreadable", str(trouble), inner.within)
        if not told:
            self.state.pickles = before

    def words(self) -> Iterator[Record]:
        """Hand on the texts of attributes."""
        yield from texts.told(self.texts, self.view, self.state, "hdf5")
        if self.full:
            yield from self._too_much()

    # -- datasets

    def _dataset(self, thing: Object) -> Iterator[Record]:
        file, kind = self.file, thing.kind
        if thing.external:
            yield from self._malformed("external-link", thing.at)
        if thing.layout == "virtual":
            yield from self._virtual(thing)
        if kind is None:
            return
        stated = thing.count * kind.size
        if stated > BOMB_BYTES and stated > BOMB_RATIO * len(self.view):
            yield from self._malformed("memory-bomb", thing.at)
        if (
            thing.layout == "contiguous"
            and thing.start >= 0
            and not thing.external
            and thing.start + thing.size > file.end
        ):
            if file.stated <= file.end:
                yield from self._malformed("offsets-outside", thing.at)
            else:
                file.damage.append("a part lies outside the file")
        if kind.texts and not thing.external:
            yield from self._held(thing, kind)

    def _virtual(self, thing: Object) -> Iterator[Record]:
        try:
            for source in hdf5_chunks.sources(self.file, thing):
                if source != b".":
                    yield from self._malformed("external-link", thing.at)
                    return
        except Damaged as trouble:
            self.file.damage.append(str(trouble))
        except IndexError:
            self.file.damage.append("the parts of a virtual dataset are cut short")

    def _held(self, thing: Object, kind: Kind) -> Iterator[Record]:
        """Judge the texts and bytes that a dataset holds; pictures and other numbers of one byte are passed over."""
        run = kind.code in (FIXED, OPAQUE)
        if run and thing.layout == "contiguous" and thing.start >= 0:
            inner = View(self.view.data, thing.start, min(thing.start + thing.size, self.file.end), "value.pkl",
                         self._within(), self.view.depth + 1)  # fmt: skip
            if _may_be_pickle_at(inner, self.state):
                yield from self._pickle(inner)
            return
        if run and (len(thing.extents) > 1 or thing.count * kind.size > MAX_RUN_BYTES):
            return
        if kind.code == COMPOUND and thing.count > MAX_ROWS and not _varies(kind):
            return
        name = thing.name.decode("utf-8", "replace") or "dataset"
        words: list[tuple[str, str]] = []
        try:
            yield from self._elements(thing, kind, name, words)
        except Damaged as trouble:
            self.file.damage.append(str(trouble))
        except Unknown:
            yield from self._packed(kind)
        yield from texts.told(words, self.view, self.state, "hdf5")

    def _elements(self, thing: Object, kind: Kind, name: str, words: list[tuple[str, str]]) -> Iterator[Record]:
        run = kind.code in (FIXED, OPAQUE)
        if thing.count > self.left and kind.code != COMPOUND and not run:
            yield from self._too_much()
        for raw in self._pieces(thing, kind):
            count = len(raw) // max(1, kind.size) if run else min(self.left, len(raw) // max(1, kind.size))
            if count <= 0 and len(raw) >= kind.size:
                return
            self.left -= 0 if run else count
            for blob in self.file.blobs(kind, raw, count or 1, MAX_ELEMENTS):
                begin = blob[:64].lstrip()[:1]
                if begin in (b"{", b"[") and b"class_name" in blob or _may_be_pickle(blob, self.state):
                    yield from self._value(name, blob, thing.at)
                elif kind.code in (STRING, VARIABLE):
                    words.append((name, blob.decode("utf-8", "replace")))

    def _pieces(self, thing: Object, kind: Kind) -> Iterator[bytes]:
        file = self.file
        if thing.layout == "compact":
            yield thing.raw
        elif thing.layout == "contiguous" and thing.start >= 0:
            size = min(thing.size, MAX_ELEMENTS * kind.size, MAX_VALUE_BYTES)
            if thing.start + size > file.end:
                file.damage.append("a part lies outside the file")
                size = max(0, file.end - thing.start)
            yield file.take(thing.start, size)
        elif thing.layout == "chunked" and (kind.code != COMPOUND or _varies(kind)):
            yield from hdf5_chunks.chunks(file, thing)

    def _packed(self, kind: Kind) -> Iterator[Record]:
        """Look at all heaps of values when a dataset's own index or filter is not read; texts of fixed size are never loaded as code."""
        if not _varies(kind):
            return
        if self.scanned:
            return
        self.scanned = True
        for blob in self.file.collections(MAX_SCAN_BYTES):
            yield from self._value("dataset", blob, 0)
        if len(self.view) > MAX_SCAN_BYTES:
            yield from self._too_much()

    # -- the file as a whole

    def size(self) -> Iterator[Record]:
        """Compare the file with the size that its superblock states."""
        file = self.file
        if file.driver:
            yield from self.state.gap(
                "skipped", "the HDF5 file is one of several that belong together", self.view.within
            )
        if file.stated > file.end:
            yield from self.state.gap(
                "unreadable", "the HDF5 file is shorter than it says; was it cut short?", self.view.within
            )
        elif file.stated < file.end and not zips.ends_here(file.data, file.base, file.end):
            rest = self.view.rest(file.stated)
            if found := list(pickles.searched(rest, self.state)):  # old libraries leave other bytes there
                yield from self._malformed("trailing-data", file.stated)
                yield from found


def _varies(kind: Kind) -> bool:
    return kind.code == VARIABLE or any(_varies(part) for _, part in kind.parts)


def _may_be_pickle(blob: bytes, state: State) -> bool:
    return len(blob) > 2 and bool(_IMPORTS.search(blob)) and _may_be_pickle_at(View(blob, 0, len(blob), ""), state)


def _may_be_pickle_at(view: View, state: State) -> bool:
    """Say whether bytes are a pickle that imports something: the others are containers of plain values."""
    machine = Machine(view.data, view.start, view.end, state.policy, strict=True)
    for _ in machine.run():
        pass
    return machine.blocked or machine.called or bool(machine.imports) and not machine.trouble
