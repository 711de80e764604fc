"""Reads ONNX models: operators that call Python or are of somebody else's library, and data that lies in other files.

Format: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (field numbers) and docs/ExternalData.md. Whether a file
that ``location`` names is a link cannot be seen here: only this file is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from mlguard.scanners.model import protobuf
from mlguard.scanners.model.formats import graphs, operators
from mlguard.scanners.model.protobuf import BYTES, VARINT, Place, Wire, signed
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Record

MAX_DIMENSIONS = 1000
"""Of one tensor."""

MAX_NAMES = 8
"""Names, keys or values that one message gives where one belongs."""

MAX_ENTRIES = 1000
"""Keys and values of one tensor's external data."""

MAX_JSON_NODES = 2_000_000
"""Values of a model in JSON."""

MEMORY_ADDRESS = "*/_ORT_MEM_ADDR_/*"
"""What ONNX Runtime writes in the place of a path in its own process: the offset is then an address."""

_BITS = {
    1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16, 17: 8, 18: 8, 19: 8,
    20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2, 26: 2,
}  # fmt: skip
"""Of one element, by TensorProto.DataType; 8 is text."""

_MODEL_TEXTS = {2: "producer_name", 3: "producer_version", 4: "domain", 6: "doc_string"}


def examine(view: View, state: State) -> Examination:
    """Look at every graph, function, operator and tensor of a model. Tensor data is skipped."""
    if view.head(8)[4:8] == b"ORTM":
        from mlguard.scanners.model.formats.ort import examine as look

        return (yield from look(view, state))
    if view.name.lower().endswith((".onnx.data", ".onnx_data")) and not graphs.kind(view.head(4096)):
        state.name("onnx-data")
        return "read"  # numbers, which the model beside it cuts into tensors
    reader = _Reader(view, state)
    yield from protobuf.walk(reader.wire, reader.look, ("model", view.start, view.end))
    if not reader.graphs:
        return "unread"
    state.name("onnx")
    yield from reader.operators()
    yield from reader.texts.told(view, state, "onnx")
    yield from protobuf.trouble(reader.wire, view, state, "ONNX")
    return "read"


def told_json(tree: object, view: View, state: State) -> Iterator[Record]:
    """Judge a model in the JSON form of protobuf (``onnx.save(..., format="json")``)."""
    state.name("onnx")
    reader = _Reader(view, state)
    queue, left = [tree], MAX_JSON_NODES
    while queue and left:
        left -= 1
        node = queue.pop()
        if isinstance(node, dict):
            operator, domain, entries = node.get("opType"), node.get("domain", ""), node.get("externalData")
            if isinstance(operator, str) and isinstance(domain, str):
                yield from reader.use(domain[:500], operator[:500], view.zero)
            elif (
                isinstance(node.get("name"), str)
                and isinstance(domain, str)
                and "node" in node
                and "opsetImport" in node
            ):
                reader.own.add((domain, node["name"]))
            paths = (
                [pair.get("value") for pair in entries if isinstance(pair, dict)] if isinstance(entries, list) else []
            )
            if any(isinstance(path, str) and operators.leaves(path) for path in paths):
                yield from state.malformed("external-path", view, 0, "onnx")
            queue.extend(node.values())
        elif isinstance(node, list):
            queue.extend(node)
    yield from reader.operators()
    if queue:
        yield from state.gap("too-large", "the graph has more parts than the limit", view.within)


def tensor(view: View, state: State) -> Examination:
    """Look at a single TensorProto, as ONNX's own tests keep them in .pb files."""
    state.name("onnx-tensor")
    reader = _Reader(view, state)
    yield from protobuf.walk(reader.wire, reader.look, ("tensor", view.start, view.end))
    yield from reader.texts.told(view, state, "onnx")
    yield from protobuf.trouble(reader.wire, view, state, "ONNX")
    return "read"


class _Reader:
    """Follows one model."""

    def __init__(self, view: View, state: State) -> None:
        self.view, self.state, self.wire = view, state, Wire(view.data)
        self.graphs = 0
        self.used: dict[tuple[str, str], int] = {}
        self.own: set[tuple[str, str]] = set()
        self.texts = operators.Texts()
        self._looks = {
            "model": self._model, "graph": self._graph, "node": self._node, "attribute": self._attribute, "tensor": self._tensor,
            "sparse": self._sparse, "function": self._function, "training": self._training,
        }  # fmt: skip

    def look(self, kind: str, start: int, end: int) -> Iterator[Record | Place]:
        return self._looks[kind](start, end)

    def _model(self, start: int, end: int) -> Iterator[Record | Place]:
        for number, wire, a, b in self.wire.fields(start, end):
            if wire != BYTES:
                continue
            if number == 7:
                yield "graph", a, b
            elif number == 25:
                yield "function", a, b
            elif number == 20:
                yield "training", a, b
            elif number == 14:
                self._entry(a, b, "metadata_props")
            elif number in _MODEL_TEXTS:
                self.texts.add(_MODEL_TEXTS[number], self.wire.text(a, b))

    def _training(self, start: int, end: int) -> Iterator[Record | Place]:
        for number, wire, a, b in self.wire.fields(start, end):
            if wire == BYTES and number in (1, 2):
                yield "graph", a, b

    def _graph(self, start: int, end: int) -> Iterator[Record | Place]:
        self.graphs += 1
        for number, wire, a, b in self.wire.fields(start, end):
            if wire != BYTES:
                continue
            if number == 1:
                yield "node", a, b
            elif number == 5:
                yield "tensor", a, b
            elif number == 15:
                yield "sparse", a, b
            elif number == 10:
                self.texts.add("graph.doc_string", self.wire.text(a, b))
            elif number == 16:
                self._entry(a, b, "graph.metadata_props")

    def _function(self, start: int, end: int) -> Iterator[Record | Place]:
        self.graphs += 1
        names, domains = [""], [""]
        for number, wire, a, b in self.wire.fields(start, end):
            if wire != BYTES:
                continue
            if number == 7:
                yield "node", a, b
            elif number == 11:
                yield "attribute", a, b
            elif number == 1:
                names.append(self.wire.text(a, b))
            elif number == 10:
                domains.append(self.wire.text(a, b))
            elif number == 8:
                self.texts.note(self.wire.text(a, b))
            elif number == 14:
                self._entry(a, b, "")
        if len(self.own) < operators.MAX_OPERATORS:
            self.own.add((domains[-1], names[-1]))

    def _node(self, start: int, end: int) -> Iterator[Record | Place]:
        names, domains = [""], [""]
        for number, wire, a, b in self.wire.fields(start, end):
            if wire != BYTES:
                continue
            if number == 5:
                yield "attribute", a, b
            elif number in (4, 7):
                texts = names if number == 4 else domains
                texts[MAX_NAMES:] = []  # the last one always stays: it is the one that counts
                texts.append(self.wire.text(a, b, 500))
            elif number == 6:
                self.texts.note(self.wire.text(a, b))
            elif number == 9:
                self._entry(a, b, "")
        # A parser takes the last of several names; another one may not, so all are judged.
        for name in names[1:] or names:
            for domain in domains[1:] or domains:
                yield from self.use(domain, name, start, end)

    def use(self, domain: str, name: str, start: int, end: int = -1) -> Iterator[Record]:
        """Judge an operator, or keep it for ``operators``; ``start`` and ``end`` are the place of its node."""
        table = operators.of("onnx")
        place = start - self.view.zero
        if name in table.blocked:
            yield from operators.block(table.blocked[name], domain, name, self.view, self.state, "onnx", place)
        elif name in table.native:
            yield from operators.review("native-code", domain, name, self.view, self.state, "onnx", place)
            yield from self._context(start, max(start, end))
        elif len(self.used) < operators.MAX_OPERATORS:
            self.used.setdefault((domain, name), place)
        elif (domain, name) not in self.used:
            yield from self.state.gap(
                "too-large", "the model has more different operators than the limit", self.view.within
            )

    def operators(self) -> Iterator[Record]:
        """Tell of operators that neither ONNX nor ONNX Runtime nor the model itself defines."""
        table = operators.of("onnx")
        for (domain, name), place in self.used.items():
            known = name in table.known if domain in ("", "ai.onnx") else domain in table.domains
            if not known and (domain, name) not in self.own and (domain, name) != ("", ""):
                yield from operators.review("custom-operator", domain, name, self.view, self.state, "onnx", place)

    def _context(self, start: int, end: int) -> Iterator[Record]:
        """Look at the file that an EPContext node names when its code is not embedded (ep_cache_context)."""
        embedded, paths = 1, []
        for number, wire, a, b in self.wire.fields(start, end):
            if number != 5 or wire != BYTES:
                continue
            key, value, text = "", 0, ""
            for inner, kind, c, d in self.wire.fields(a, b):
                if inner == 1 and kind == BYTES:
                    key = self.wire.text(c, d, 100)
                elif inner == 3 and kind == VARINT:
                    value = c
                elif inner == 4 and kind == BYTES:
                    text = self.wire.text(c, d, 4096)
            if key == "embed_mode":
                embedded = value
            elif key == "ep_cache_context":
                paths.append(text)
        if not embedded and any(map(operators.leaves, paths)):
            yield from self._malformed("external-path", start)

    def _attribute(self, start: int, end: int) -> Iterator[Record | Place]:
        key = "attribute"
        for number, wire, a, b in self.wire.fields(start, end):
            if wire != BYTES:
                continue
            if number == 1:
                key = self.wire.text(a, b, 100)
            elif number in (5, 10):
                yield "tensor", a, b
            elif number in (6, 11):
                yield "graph", a, b
            elif number in (22, 23):
                yield "sparse", a, b
            elif number in (4, 9):
                self.texts.add(key, self.wire.text(a, b))

    def _sparse(self, start: int, end: int) -> Iterator[Record | Place]:
        for number, wire, a, b in self.wire.fields(start, end):
            if wire == BYTES and number in (1, 2):
                yield "tensor", a, b

    def _tensor(self, start: int, end: int) -> Iterator[Record | Place]:
        self.state.tensors += 1
        kind, raw, external = 0, -1, False
        dims: list[int] = []
        entries: list[tuple[str, str]] = []
        for number, wire, a, b in self.wire.fields(start, end):
            if number == 1 and wire == VARINT:
                dims += [signed(a)] if len(dims) < MAX_DIMENSIONS else []
            elif number == 1 and wire == BYTES:
                dims += self._packed(a, b, MAX_DIMENSIONS - len(dims))
            elif number == 2 and wire == VARINT:
                kind = a
            elif number == 9 and wire == BYTES:
                raw = b - a
            elif number == 13 and wire == BYTES:
                if len(entries) >= MAX_ENTRIES:
                    yield from self.state.gap("too-large", "a tensor has more entries than the limit", self.view.within)
                    break
                entries += self._pairs(a, b)
            elif number == 14 and wire == VARINT:
                external = a == 1
            elif number == 6 and wire == BYTES:
                self.texts.add("string_data", self.wire.text(a, b))
            elif number == 12 and wire == BYTES:
                self.texts.note(self.wire.text(a, b))
        if min(dims, default=0) < 0:
            yield from self._malformed("tensor-entry", start)
            return
        size = (math.prod(dims) * _BITS[kind] + 7) // 8 if kind in _BITS and len(dims) < MAX_DIMENSIONS else -1
        if entries or external:
            yield from self._external(entries, external, size, start)
        elif raw >= 0 and size >= 0 and raw != size and self.wire.broken < 0:
            yield from self._malformed("tensor-size", start)

    def _external(self, entries: list[tuple[str, str]], external: bool, size: int, start: int) -> Iterator[Record]:
        """Judge where the data of a tensor is said to lie. Of several equal keys the last counts; all are judged."""
        locations = [value for key, value in entries if key == "location"]
        if (
            any(operators.leaves(path) or path == MEMORY_ADDRESS for path in locations)
            or external
            and not any(locations)
        ):
            yield from self._malformed("external-path", start)
        numbers = {key: value.strip() for key, value in entries if key in ("offset", "length")}
        wrong = [text for text in numbers.values() if not (text.isascii() and text.isdecimal() and len(text) < 20)]
        if wrong or sum(int(text) for text in numbers.values()) >= 2**63:
            yield from self._malformed("offsets-outside", start)
        elif size >= 0 and "length" in numbers and int(numbers["length"]) != size:
            yield from self._malformed("tensor-size", start)

    def _packed(self, start: int, end: int, most: int) -> list[int]:
        found: list[int] = []
        while start < end and len(found) < most:
            value, start = protobuf.varint(self.wire.data, start, end)
            if start < 0:
                break
            found.append(signed(value))
        return found

    def _pairs(self, start: int, end: int) -> list[tuple[str, str]]:
        keys, values = [""], [""]
        for number, wire, a, b in self.wire.fields(start, end):
            if wire == BYTES and number in (1, 2):
                texts = keys if number == 1 else values
                texts[MAX_NAMES:] = []
                texts.append(self.wire.text(a, b))
        return [(key, value) for key in keys[1:] or keys for value in values[1:] or values]

    def _entry(self, start: int, end: int, place: str) -> None:
        for key, value in self._pairs(start, end)[:4]:
            if place:
                self.texts.add(f"{place}.{key}", value)
            else:
                self.texts.note(value)

    def _malformed(self, check: str, start: int) -> Iterator[Record]:
        yield from self.state.malformed(check, self.view, start - self.view.zero, "onnx")
