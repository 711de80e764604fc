"""Reads TensorFlow graphs (SavedModel, MetaGraph, frozen graph, Keras metadata) for operators that reach beyond numbers.

Format: tensorflow/core/protobuf/saved_model.proto, meta_graph.proto, core/framework/graph.proto, function.proto, node_def.proto
and attr_value.proto (field numbers). Operators stand in the graph and in its library of functions; a graph may lie inside a text of another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from mlguard.scanners.model import protobuf
from mlguard.scanners.model.formats import graphs, operators
from mlguard.scanners.model.protobuf import BYTES, VARINT, Place, Wire
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, Look, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlguard.findings import Record

MAX_TREE_NODES = 1_000_000
"""Values of one JSON graph."""

MAX_METADATA_BYTES = 32 * 2**20
"""JSON of Keras inside one file."""

MAX_NAMES = 8
"""Operators that one node names where one belongs."""

_SHARD = re.compile(r"\.data-\d{5}-of-\d{5}\Z")
_OPERATOR = re.compile(r"_?[A-Z][\w>]{0,100}\Z")
_STRING = 7  # DataType.DT_STRING
_QUIET = frozenset(
    {"", "stdin", "stdout", "stderr", "log(info)", "log(warning)", "log(error)", "log(fatal)", "local://"}
)


def examine(view: View, state: State) -> Examination:
    """Look at a file of TensorFlow, by its name where a loader goes by it, else by its bytes."""
    name = view.name.lower()
    if _SHARD.search(name):
        return _shard(view, state)
    if name.endswith((".index", ".ckpt")) or re.search(r"\.ckpt-\d+\Z", name):
        from mlguard.scanners.model.formats.checkpoint import examine as table

        return (yield from table(view, state))
    if name.endswith(".pbtxt"):
        from mlguard.scanners.model.formats.textproto import encoded, is_onnx

        text, whole = encoded(view)
        inner = View(text, 0, len(text), view.name, view.within, view.depth)
        if is_onnx(view):
            from mlguard.scanners.model.formats.onnx import examine as onnx

            look = yield from onnx(inner, state)
        else:
            look = yield from _graph(inner, state)
        if not whole and look == "read":
            yield from state.gap("unreadable", "the graph in text form breaks off or is damaged", view.within)
        return "read" if look == "read" else "inert"  # a text of another kind, which holds no graph
    if name.endswith(".cpb"):
        state.name("tensorflow")
        yield from state.gap("skipped", "this version does not read SavedModels in chunks (.cpb)", view.within)
        return "read"
    if name == "fingerprint.pb" and _is_fingerprint(view):
        state.name("tensorflow-fingerprint")
        return "read"
    return (yield from _graph(view, state))


def _shard(view: View, state: State) -> Look:
    head = view.head(16)
    if head.startswith((b"\x7fELF", b"MZ", b"#!")):
        return "unread"
    state.name("tensorflow-checkpoint")
    return "read"  # numbers, which the index beside it cuts into tensors


def _is_fingerprint(view: View) -> bool:
    wire = Wire(view.data)
    for number, kind, _, _ in wire.fields(view.start, min(view.end, view.start + 1000)):
        if number > 7 or kind != (BYTES if number in (6, 7) else VARINT):
            return False
    return wire.broken < 0 and len(view) <= 1000


def _graph(view: View, state: State) -> Examination:
    kind = _kind(view)
    if kind == "onnx":
        from mlguard.scanners.model.formats.onnx import examine as look

        return (yield from look(view, state))
    if kind == "onnx-tensor":
        from mlguard.scanners.model.formats.onnx import tensor

        return (yield from tensor(view, state))
    if not kind:
        return "unread"
    reader = Reader(view, state)
    yield from protobuf.walk(reader.wire, reader.look, (kind, view.start, view.end))
    if not reader.nodes and kind != "keras":
        return "unread"
    state.name("tensorflow" if kind != "keras" else "keras-metadata")
    if kind == "meta" and not view.name.lower().endswith(".meta"):
        # A loader of frozen graphs would take the same bytes for nodes, and every name for an operator.
        other = Reader(view, state, only_blocked=True)
        yield from protobuf.walk(other.wire, other.look, ("graph", view.start, view.end))
    yield from reader.finish()
    yield from protobuf.trouble(reader.wire, view, state, "TensorFlow")
    return "read"


def _kind(view: View) -> str:
    """Return the message that a file holds: what its name promises, else what its fields fit."""
    name = view.name.lower()
    if name == "saved_model.pb" or name == "saved_model.pbtxt":
        return "saved"
    if name == "keras_metadata.pb":
        return "keras"
    if name.endswith(".meta"):
        return "meta"
    head = graphs.kind(view.head(4096))
    sure = {"saved-model": "saved", "graph": "graph", "meta-graph": "meta", "onnx": "onnx"}.get(head)
    return sure or _guess(view)


def _guess(view: View) -> str:
    """Return what the fields of a file fit whose first bytes are not those that TensorFlow's own writer leaves."""
    wire = Wire(view.data)
    wire.left = 100_000
    numbered = False
    for number, kind, a, b in wire.fields(view.start, view.end):
        numbered = numbered or (number, kind) == (1, VARINT)
        if kind != BYTES:
            continue
        if number == 1 and _is_node(wire, a, b):
            return "graph"
        if number == 1 and _is_keras(wire, a, b):
            return "keras"
        if number == 2 and _holds_nodes(wire, a, b):
            return "meta"
        if number == 2 and _holds_functions(wire, a, b):
            return "graph"
        if number == 2 and any(_holds_nodes(wire, c, d) for n, k, c, d in wire.fields(a, b) if (n, k) == (2, BYTES)):
            return "saved"
        if number == 7 and numbered and any(n == 1 and k == BYTES for n, k, _, _ in wire.fields(a, b)):
            return "onnx"
    return "onnx-tensor" if _is_tensor(view) else ""


def _is_tensor(view: View) -> bool:
    """Say whether a file is one ONNX TensorProto: extents, a type, and nothing that it cannot have."""
    wire = Wire(view.data)
    typed = False
    for number, kind, a, _ in wire.fields(view.start, view.end):
        fits = {1: (VARINT, BYTES), 2: (VARINT,), 14: (VARINT,)}.get(number, (BYTES,))
        if (
            kind not in fits
            or number not in (1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16)
            or number == 2
            and not 1 <= a <= 30
        ):
            return False
        typed = typed or number == 2
    return typed and wire.broken < 0


def _is_node(wire: Wire, start: int, end: int) -> bool:
    found = {number: (a, b) for number, kind, a, b in wire.fields(start, end) if kind == BYTES and number in (1, 2)}
    return len(found) == 2 and bool(_OPERATOR.match(wire.text(*found[2], 200)))


def _is_keras(wire: Wire, start: int, end: int) -> bool:
    found = {number: wire.text(a, b, 100) for number, kind, a, b in wire.fields(start, end) if kind == BYTES}
    return found.get(4, "").startswith("_tf_keras")


def _holds_nodes(wire: Wire, start: int, end: int) -> bool:
    return any(_is_node(wire, a, b) for number, kind, a, b in wire.fields(start, end) if (number, kind) == (1, BYTES))


def _holds_functions(wire: Wire, start: int, end: int) -> bool:
    functions = (wire.fields(a, b) for number, kind, a, b in wire.fields(start, end) if (number, kind) == (1, BYTES))
    return any(
        number == 3 and kind == BYTES and _is_node(wire, a, b) for fields in functions for number, kind, a, b in fields
    )


class Reader:
    """Follows one file."""

    def __init__(self, view: View, state: State, only_blocked: bool = False) -> None:
        from mlguard.scanners.model.formats.graph_paths import Paths

        self.view, self.state, self.wire = view, state, Wire(view.data)
        self.table = operators.of("tensorflow")
        self.only_blocked = only_blocked
        self.nodes = 0
        self.used: dict[str, int] = {}
        self.functions: set[str] = set()
        self.paths = Paths(self.wire, self.table)
        self.texts = operators.Texts()
        self.files: list[str] = []
        self.columns = 0
        self.metadata = MAX_METADATA_BYTES
        self._looks = {
            "saved": self._saved, "meta": self._meta, "graph": self._graph, "library": self._library, "function": self._function,
            "collection": self._collection, "asset": self._asset, "objects": self._objects, "debug": self._debug, "keras": self._keras,
        }  # fmt: skip

    def look(self, kind: str, start: int, end: int) -> Iterator[Record | Place]:
        return self._looks[kind](start, end)

    def _inside(self, start: int, end: int, kinds: dict[int, str]) -> Iterator[Record | Place]:
        for number, wire, a, b in self.wire.fields(start, end):
            if wire == BYTES and number in kinds:
                yield kinds[number], a, b

    def _saved(self, start: int, end: int) -> Iterator[Record | Place]:
        return self._inside(start, end, {2: "meta"})

    def _meta(self, start: int, end: int) -> Iterator[Record | Place]:
        return self._inside(start, end, {2: "graph", 4: "collection", 6: "asset", 7: "objects"})

    def _library(self, start: int, end: int) -> Iterator[Record | Place]:
        return self._inside(start, end, {1: "function"})

    def _graph(self, start: int, end: int) -> Iterator[Record | Place]:
        scope = self.paths.scope(start, end, 1)
        for number, wire, a, b in self.wire.fields(start, end):
            if wire != BYTES:
                continue
            if number == 1:
                yield from self._node(a, b, scope)
            elif number == 2:
                yield "library", a, b
            elif number == 5:
                yield "debug", a, b

    def _function(self, start: int, end: int) -> Iterator[Record | Place]:
        scope = self.paths.scope(start, end, 3)
        for number, wire, a, b in self.wire.fields(start, end):
            if wire != BYTES:
                continue
            if number == 3:
                yield from self._node(a, b, scope)
            elif number == 1:
                scope.signature(a, b)
                if len(self.functions) < 10 * operators.MAX_OPERATORS:
                    self.functions.add(scope.name)

    def _node(self, start: int, end: int, scope: Any) -> Iterator[Record | Place]:
        names: list[str] = []
        for number, wire, a, b in self.wire.fields(start, end):
            if number == 2 and wire == BYTES:
                names[MAX_NAMES:] = []  # the last one always stays: it is the one that counts
                names.append(self.wire.text(a, b, 500))
        self.nodes += bool(names)
        for name in dict.fromkeys(names):
            if self.only_blocked and name not in self.table.blocked:
                continue
            if name in ("Const", "HostConst", "_EagerConst"):
                yield from self._constant(start, end)
            else:
                yield from self._operator(name, start, end, scope)

    def _operator(self, name: str, start: int, end: int, scope: Any) -> Iterator[Record]:
        table, place = self.table, start - self.view.zero
        if name in table.blocked:
            yield from operators.block(table.blocked[name], "tf", name, self.view, self.state, "tensorflow", place)
        elif name in table.attributes:
            key = table.attributes[name]
            values = [self.wire.text(a, b, 4096) for a, b in self._strings(start, end, key)]
            if any(value not in _QUIET and not value.startswith("bytes://") for value in values):
                yield from operators.block("file-operator", "tf", name, self.view, self.state, "tensorflow", place)
        elif name in table.paths:
            scope.sinks.append((name, start, end))
        elif name in table.review:
            yield from operators.review("unusual-operator", "tf", name, self.view, self.state, "tensorflow", place)
        elif name not in table.known and name not in self.used:
            if len(self.used) >= operators.MAX_OPERATORS:
                yield from self.state.gap(
                    "too-large", "the model has more different operators than the limit", self.view.within
                )
            else:
                self.used[name] = place

    def _attributes(self, start: int, end: int) -> Iterator[tuple[str, int, int]]:
        """Yield key and place of the AttrValue of each attribute of a node."""
        for number, wire, a, b in self.wire.fields(start, end):
            if number == 5 and wire == BYTES:
                key = ""
                for inner, kind, c, d in self.wire.fields(a, b):
                    if inner == 1 and kind == BYTES:
                        key = self.wire.text(c, d, 200)
                    elif inner == 2 and kind == BYTES:
                        yield key, c, d

    def _strings(self, start: int, end: int, wanted: str) -> Iterator[tuple[int, int]]:
        """Yield the places of the texts (field 2) of an attribute, also of those in a list (field 1)."""
        for key, a, b in self._attributes(start, end):
            if key != wanted:
                continue
            for number, wire, c, d in self.wire.fields(a, b):
                if number == 2 and wire == BYTES:
                    yield c, d
                elif number == 1 and wire == BYTES:
                    yield from ((e, f) for inner, kind, e, f in self.wire.fields(c, d) if (inner, kind) == (2, BYTES))

    def _constant(self, start: int, end: int) -> Iterator[Record | Place]:
        """Look at the texts of a constant: a graph inside another one, or a vocabulary."""
        self.state.tensors += 1
        found: list[str] = []
        for key, a, b in self._attributes(start, end):
            if key == "value":
                for number, wire, c, d in self.wire.fields(a, b):
                    if number == 8 and wire == BYTES:
                        yield from self._tensor(c, d, found)
        if any(".ATTRIBUTES/" in text for text in found[:3]):
            return  # the names of variables in a checkpoint
        self.columns += len(found) > 1
        for text in found:
            self.texts.add(f"constants {self.columns}" if len(found) > 1 else "constant", text)

    def _tensor(self, start: int, end: int, found: list[str]) -> Iterator[Place]:
        for number, wire, a, b in self.wire.fields(start, end):
            if number == 1 and wire == VARINT and a != _STRING:
                return
            if number == 8 and wire == BYTES:
                if b - a > 8 and graphs.kind(bytes(self.wire.data[a : min(b, a + 4096)])) == "graph":
                    yield "graph", a, b
                elif len(found) < 500_000:
                    found.append(self.wire.text(a, b))

    def _asset(self, start: int, end: int) -> Iterator[Record | Place]:
        for number, wire, a, b in self.wire.fields(start, end):
            if number == 2 and wire == BYTES and operators.leaves(self.wire.text(a, b, 4096)):
                yield from self.state.malformed("external-path", self.view, a - self.view.zero, "tensorflow")
            elif number == 1 and wire == BYTES:
                for inner, kind, c, d in self.wire.fields(a, b):
                    if inner == 1 and kind == BYTES:
                        self.paths.assets.add(self.wire.text(c, d, 4096).split(":")[0])

    def _collection(self, start: int, end: int) -> Iterator[Record | Place]:
        """Look for pickles among the bytes of a collection (entry, value, bytes_list, value)."""
        for number, wire, a, b in self.wire.fields(start, end):
            if number != 2 or wire != BYTES:
                continue
            for inner, kind, c, d in self.wire.fields(a, b):
                if inner == 2 and kind == BYTES:
                    for _, last, e, f in self.wire.fields(c, d):
                        yield from self._pickled(e, f) if last == BYTES else ()

    def _pickled(self, start: int, end: int) -> Iterator[Record]:
        data = self.wire.data
        if end - start > 3 and data[start] == 0x80 and 2 <= data[start + 1] <= 5 and data[end - 1] == 0x2E:
            inner = self.view.inner(data, start, end, "collection.pkl")
            yield from self.state.examine(inner, self.state)

    def _debug(self, start: int, end: int) -> Iterator[Record | Place]:
        for number, wire, a, b in self.wire.fields(start, end):
            if number == 1 and wire == BYTES and len(self.files) < 10_000:
                self.files.append(self.wire.text(a, b, 4096))
        yield from ()

    def _objects(self, start: int, end: int) -> Iterator[Record | Place]:
        """Look at the Keras objects that older versions describe in the object graph (nodes, user_object, metadata)."""
        for number, wire, a, b in self.wire.fields(start, end):
            if number != 1 or wire != BYTES:
                continue
            for inner, kind, c, d in self.wire.fields(a, b):
                if inner == 4 and kind == BYTES:
                    yield from self._described(c, d, 3, "saved_model.pb")

    def _keras(self, start: int, end: int) -> Iterator[Record | Place]:
        for number, wire, a, b in self.wire.fields(start, end):
            if number == 1 and wire == BYTES:
                yield from self._described(a, b, 5, "keras_metadata.pb")

    def _described(self, start: int, end: int, field: int, place: str) -> Iterator[Record]:
        for number, wire, a, b in self.wire.fields(start, end):
            if number != field or wire != BYTES or b - a < 3 or self.wire.data[a] != 0x7B:
                continue
            self.metadata -= b - a
            if self.metadata < 0:
                yield from self.state.gap("too-large", "the Keras metadata is larger than the limit", self.view.within)
                return
            from mlguard.scanners.model.formats import keras

            raw = bytes(self.wire.data[a:b])
            try:
                tree = json.loads(raw)
            except (ValueError, RecursionError):
                yield from keras.parsed(raw, self.view, self.state, place, a - self.view.start)
                continue
            yield from keras.told(tree, self.view, self.state, place, a - self.view.start)

    def finish(self) -> Iterator[Record]:
        """Tell what only the whole file shows: operators that nothing defines, paths of checkpoints, texts."""
        for name, place in self.used.items():
            if name not in self.functions and name:
                yield from operators.review("custom-operator", "tf", name, self.view, self.state, "tensorflow", place)
        for name, node, place in self.paths.leaving():
            at = place - self.view.zero
            if node.startswith("checkpoint_initializer"):  # of init_from_checkpoint, which exporters leave in the graph
                yield from operators.review("unusual-operator", "tf", name, self.view, self.state, "tensorflow", at)
            else:
                yield from operators.block("file-operator", "tf", name, self.view, self.state, "tensorflow", at)
        if self.paths.full:
            yield from self.state.gap("too-large", "the graph has more nodes than are followed", self.view.within)
        if self.files:
            self.texts.add("debug_info.files", "\n".join(dict.fromkeys(self.files)))
        yield from self.texts.told(self.view, self.state, "tensorflow")


def told_json(tree: Any, view: View, state: State) -> Iterator[Record]:
    """Look at a graph in JSON, as TensorFlow.js keeps it (modelTopology, weightsManifest), like at one in protobuf."""
    table = operators.of("tensorflow")
    queue, left = [tree], MAX_TREE_NODES
    used: dict[str, None] = {}
    functions: set[str] = set()
    while queue and left:
        left -= 1
        node = queue.pop()
        if isinstance(node, dict):
            name, operator, signature = node.get("name"), node.get("op"), node.get("signature")
            if isinstance(operator, str) and isinstance(name, str):
                used[operator] = None
            if isinstance(signature, dict) and isinstance(signature.get("name"), str):
                functions.add(signature["name"])
            paths = node.get("paths")
            if isinstance(paths, list) and any(isinstance(path, str) and operators.leaves(path) for path in paths):
                yield from state.malformed("external-path", view, 0, "tensorflow")
            queue.extend(node.values())
        elif isinstance(node, list):
            queue.extend(node)
    for operator in sorted(used):
        if operator in table.blocked:
            yield from operators.block(table.blocked[operator], "tf", operator, view, state, "tensorflow", 0)
        elif operator not in table.known and operator not in functions:
            yield from operators.review("custom-operator", "tf", operator, view, state, "tensorflow", 0)
    if queue:
        yield from state.gap("too-large", "the graph has more parts than the limit", view.within)
