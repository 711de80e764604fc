"""Reads Core ML models: classes of somebody else's program, and files that the model sends the loader to.

Format: https://apple.github.io/coremltools/mlmodel/ (Model.proto, NeuralNetwork.proto, MIL.proto, LinkedModel.proto, CustomModel.proto), and
mlmodel/src/MILBlob/Blob/StorageFormat.hpp for weight.bin.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlguard.scanners.model import protobuf
from mlguard.scanners.model.formats import operators
from mlguard.scanners.model.protobuf import BYTES, Place, Wire
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Record

MAX_BLOBS = 1_000_000
"""Entries of one weight.bin."""

_SENTINEL = b"\xef\xbe\xad\xde"
_HERE = "@model_path/"

# Number of a field of a message: the message that it holds. Not here is what holds numbers only.
_NESTED: dict[str, dict[int, str]] = {
    "model": {
        2: "description", 200: "holder", 201: "holder", 202: "pipeline", 303: "network", 403: "network", 500: "network", 502: "program",
        555: "custom", 556: "holder-linked", 400: "labelled", 401: "labelled", 402: "labelled", 404: "labelled", 600: "words", 603: "words",
    },
    "holder": {1: "pipeline"},
    "pipeline": {1: "model"},
    "description": {100: "metadata"},
    "metadata": {100: "entry"},
    "network": {1: "layer", 100: "labels"},
    "labelled": {100: "labels"},
    "words": {1: "labels"},
    "layer": {500: "custom", 605: "branch", 615: "loop"},
    "branch": {1: "network", 2: "network"},
    "loop": {3: "network", 4: "network"},
    "holder-linked": {1: "linked"},
    "program": {2: "function-entry"},
    "function-entry": {2: "function"},
    "function": {3: "block-entry"},
    "block-entry": {2: "block"},
    "block": {3: "operation"},
    "operation": {2: "argument-entry", 4: "block", 5: "value-entry"},
    "argument-entry": {2: "argument"},
    "argument": {1: "binding"},
    "binding": {2: "value"},
    "value-entry": {2: "value"},
    "value": {5: "blob"},
    "blob": {},
    "custom": {30: "entry"},
    "labels": {},
    "entry": {},
    "linked": {},
}  # fmt: skip

_METADATA = {1: "description", 2: "version", 3: "author", 4: "license"}


def examine(view: View, state: State) -> Examination:
    """Look at a model or at the blob file of a package."""
    if is_blob(view.head(68)):
        return (yield from _blobs(view, state))
    reader = _Reader(view, state)
    if not reader.is_model():
        return "unread"
    state.name("coreml")
    yield from protobuf.walk(reader.wire, reader.look, ("model", view.start, view.end))
    yield from reader.texts.told(view, state, "coreml")
    yield from protobuf.trouble(reader.wire, view, state, "Core ML")
    return "read"


def is_blob(head: bytes) -> bool:
    """Say whether a file begins as weight.bin does: count, version 2, and the first entry at byte 64."""
    return head[4:8] == b"\2\0\0\0" and head[64:68] == _SENTINEL


def _blobs(view: View, state: State) -> Examination:
    """Follow the entries of a blob file: type, size and place of each array."""
    state.name("coreml-weights")
    count = int.from_bytes(view.data[view.start : view.start + 4], "little")
    at = view.start + 64
    for _ in range(min(count, MAX_BLOBS)):
        entry = bytes(view.data[at : min(view.end, at + 24)])
        size, offset = int.from_bytes(entry[8:16], "little"), int.from_bytes(entry[16:24], "little")
        if entry[:4] != _SENTINEL or offset + size > len(view) or view.start + offset + size <= at:
            yield from state.malformed("offsets-outside", view, min(at, view.end) - view.zero, "coreml")
            return "read"
        state.tensors += 1
        at = view.start + (offset + size + 63) // 64 * 64
    if count > MAX_BLOBS:
        yield from state.gap("too-large", "the blob file has more entries than the limit", view.within)
    return "read"


class _Reader:
    """Follows one model."""

    def __init__(self, view: View, state: State) -> None:
        self.view, self.state, self.wire = view, state, Wire(view.data)
        self.texts = operators.Texts()
        self._notes = {
            "metadata": self._metadata, "entry": self._entry, "labels": self._labels, "custom": self._custom, "operation": self._operation,
            "blob": self._blob, "linked": self._linked,
        }  # fmt: skip

    def is_model(self) -> bool:
        """Say whether the file has a version and a description or a model: another message has neither at these numbers."""
        wire, found = Wire(self.view.data), set()
        wire.left = 1000
        for number, kind, _, _ in wire.fields(self.view.start, self.view.end):
            found.add((number, kind))
        return any(kind == BYTES and (number == 2 or number >= 200) for number, kind in found)

    def look(self, kind: str, start: int, end: int) -> Iterator[Record | Place]:
        if kind in self._notes:
            yield from self._notes[kind](start, end)
        nested = _NESTED[kind]
        if kind == "model":
            yield from self._serialized(start, end)
        if nested:
            for number, wire, a, b in self.wire.fields(start, end):
                if wire == BYTES and number in nested:
                    yield nested[number], a, b

    def _serialized(self, start: int, end: int) -> Iterator[Record]:
        for number, wire, _, _ in self.wire.fields(start, end):
            if number == 3000 and wire == BYTES:
                yield from self.state.gap(
                    "skipped", "the model holds another one in a form that is not read", self.view.within
                )

    def _metadata(self, start: int, end: int) -> Iterator[Record]:
        for number, wire, a, b in self.wire.fields(start, end):
            if wire == BYTES and number in _METADATA:
                text = self.wire.text(a, b)
                self.texts.add(f"metadata.{_METADATA[number]}", text)
                if number == 4 and text and len(text) < 200 and len(self.state.licences) < 10:
                    self.state.licences.append(text)
        yield from ()

    def _entry(self, start: int, end: int) -> Iterator[Record]:
        """Keep an entry of a map: text to text, or to a value whose text is field 20."""
        key = "userDefined"
        for number, wire, a, b in self.wire.fields(start, end):
            if number == 1 and wire == BYTES:
                key = self.wire.text(a, b, 100)
            elif number == 2 and wire == BYTES:
                inner = [(c, d) for n, k, c, d in Wire(self.wire.data).fields(a, b) if (n, k) == (20, BYTES)]
                self.texts.add(
                    f"userDefined.{key}", self.wire.text(*(inner[0] if inner and inner[0][1] == b else (a, b)))
                )
        yield from ()

    def _labels(self, start: int, end: int) -> Iterator[Record]:
        for number, wire, a, b in self.wire.fields(start, end):
            if number == 1 and wire == BYTES:
                self.texts.add("classLabels", self.wire.text(a, b))
        yield from ()

    def _custom(self, start: int, end: int) -> Iterator[Record]:
        """Tell of a layer or a model whose class the program that loads it must have (className)."""
        names = [
            self.wire.text(a, b, 500)
            for number, wire, a, b in self.wire.fields(start, end)
            if (number, wire) == (10, BYTES)
        ]
        for name in names or [""]:
            place = start - self.view.zero
            yield from operators.review("own-class", "", name, self.view, self.state, "coreml", place)

    def _operation(self, start: int, end: int) -> Iterator[Record]:
        for number, wire, a, b in self.wire.fields(start, end):
            if number == 1 and wire == BYTES:
                name = self.wire.text(a, b, 500)
                if "::" in name or name.startswith("custom"):
                    shown = name.replace("::", ".")
                    yield from operators.review(
                        "custom-operator", "", shown, self.view, self.state, "coreml", a - self.view.zero
                    )

    def _blob(self, start: int, end: int) -> Iterator[Record]:
        self.state.tensors += 1
        for number, wire, a, b in self.wire.fields(start, end):
            if number == 1 and wire == BYTES:
                yield from self._path(self.wire.text(a, b, 4096).removeprefix(_HERE), a)

    def _linked(self, start: int, end: int) -> Iterator[Record]:
        """Judge the name (1) and the search path (2) of a model in another file; each holds its default (1)."""
        for number, wire, a, b in self.wire.fields(start, end):
            if number in (1, 2) and wire == BYTES:
                for inner, kind, c, d in self.wire.fields(a, b):
                    if inner == 1 and kind == BYTES:
                        text = self.wire.text(c, d, 4096)
                        for part in text.split(":") if number == 2 and "//" not in text else [text]:
                            yield from self._path(part, c)

    def _path(self, path: str, at: int) -> Iterator[Record]:
        if operators.leaves(path):
            yield from self.state.malformed("external-path", self.view, at - self.view.zero, "coreml")
