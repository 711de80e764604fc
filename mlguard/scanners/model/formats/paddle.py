"""Reads PaddlePaddle programs for operators that call Python or reach files, and the headers of their parameters.

Format: paddle/fluid/framework/framework.proto (ProgramDesc, field numbers); parameters as paddle/fluid/framework/lod_tensor.cc and
tensor_util.cc write them: version, level of detail, version, size of a TensorDesc, the TensorDesc, the numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from mlguard.scanners.model import protobuf
from mlguard.scanners.model.formats import operators
from mlguard.scanners.model.protobuf import BYTES, VARINT, Place, Wire, signed, varint
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlguard.findings import Record

MAX_TENSORS = 1_000_000
MAX_DESCRIPTION_BYTES = 10_000
"""Of the TensorDesc of one tensor."""

MAX_TREE_NODES = 2_000_000
"""Values of one program in JSON."""

_BYTES = {0: 1, 1: 2, 2: 4, 3: 8, 4: 2, 5: 4, 6: 8, 20: 1, 21: 1, 22: 2, 23: 8, 24: 16, 32: 1, 33: 1}
"""Of one element, by VarType.Type."""

# Paddle makes families of operators from one name; a list of one version never holds all of them.
_FAMILY = re.compile(
    r"(?:fused|fusion|fake|c|sequence|reduce|elementwise|sparse|partial|pull|push|lookup|dist|distributed|merge|split|mp|moe|trans|"
    r"tensorrt|cinn|quantize|dequantize|straight|lite|onednn|mkldnn|graph|fft|set|get|max|min)_\w+\Z|\w+?_(?:grad|xpu|v\d|infer|sr|coo|csr)_?\Z"
)


def examine(view: View, state: State) -> Examination:
    """Look at a program, or at the headers of its parameters."""
    if is_tensor(view.head(64)):
        return (yield from _parameters(view, state))
    reader = _Reader(view, state)
    if not reader.is_program():
        return "unread"
    state.name("paddle")
    yield from protobuf.walk(reader.wire, reader.look, ("program", view.start, view.end))
    yield from reader.texts.told(view, state, "paddle")
    yield from protobuf.trouble(reader.wire, view, state, "Paddle")
    return "read"


def is_tensor(head: bytes) -> bool:
    """Say whether a file begins with a tensor: versions 0, no levels of detail, and a TensorDesc whose first field is the type."""
    size = int.from_bytes(head[16:20], "little")
    return len(head) > 21 and not any(head[:16]) and 2 <= size <= 1000 and head[20] == 8 and head[21] in _BYTES


def _parameters(view: View, state: State) -> Examination:
    """Go from tensor to tensor by what their headers say."""
    state.name("paddle-parameters")
    at = view.start
    for _ in range(MAX_TENSORS):
        if at >= view.end:
            return "read"
        at = _behind(view, at)
        if at < 0 or at > view.end:
            yield from state.gap("unreadable", "the parameters end within a tensor, or are damaged", view.within)
            return "read"
        state.tensors += 1
    yield from state.gap("too-large", "the file has more tensors than the limit", view.within)
    return "read"


def _behind(view: View, at: int) -> int:
    """Return the place behind the tensor at ``at``, or -1."""
    data = view.data
    levels = int.from_bytes(data[at + 4 : at + 12], "little")
    if levels > 16:
        return -1
    at += 12
    for _ in range(levels):
        at += 8 + int.from_bytes(data[at : at + 8], "little")
    size = int.from_bytes(data[at + 4 : at + 8], "little")
    at += 8
    if at + size > view.end or not 0 < size <= MAX_DESCRIPTION_BYTES:
        return -1
    kind = -1
    dims: list[int] = []
    for number, wire, a, b in Wire(data).fields(at, at + size):
        if number == 1 and wire == VARINT:
            kind = a
        elif number == 2 and wire == VARINT and len(dims) < 100:
            dims.append(signed(a))
        elif number == 2 and wire == BYTES:
            while 0 <= a < b and len(dims) < 100:
                value, a = varint(data, a, b)
                dims.append(signed(value))
    if kind not in _BYTES or min(dims, default=0) < 0:
        return -1
    return at + size + math.prod(dims) * _BYTES[kind]


class _Reader:
    """Follows one program."""

    def __init__(self, view: View, state: State) -> None:
        self.view, self.state, self.wire = view, state, Wire(view.data)
        self.texts = operators.Texts()
        self.seen: set[str] = set()

    def is_program(self) -> bool:
        """Say whether the file holds a block (1) of operators (4) that have a type (3) in small letters, or nothing but an empty one."""
        wire = Wire(self.view.data)
        wire.left = 100_000
        for number, kind, a, b in wire.fields(self.view.start, self.view.end):
            if number != 1 or kind != BYTES:
                continue
            for inner, last, c, d in wire.fields(a, b):
                if inner == 4 and last == BYTES:
                    types = [wire.text(e, f, 200) for n, k, e, f in wire.fields(c, d) if (n, k) == (3, BYTES)]
                    if types and re.match(r"\w+\Z", types[-1]):
                        return True
        return False

    def look(self, kind: str, start: int, end: int) -> Iterator[Record | Place]:
        if kind == "operator":
            yield from self._operator(start, end)
            return
        wanted, inner = {"program": (1, "block"), "block": (4, "operator")}[kind]
        for number, wire, a, b in self.wire.fields(start, end):
            if number == wanted and wire == BYTES:
                yield inner, a, b

    def _operator(self, start: int, end: int) -> Iterator[Record]:
        for number, wire, a, b in self.wire.fields(start, end):
            if number == 3 and wire == BYTES:
                yield from _judged(self.wire.text(a, b, 500), self.seen, start - self.view.zero, self.view, self.state)
            elif number == 4 and wire == BYTES:
                self._call_stack(a, b)

    def _call_stack(self, start: int, end: int) -> None:
        """Keep the lines of op_callstack: where in the developer's program the operator was made."""
        name = ""
        for number, wire, a, b in self.wire.fields(start, end):
            if number == 1 and wire == BYTES:
                name = self.wire.text(a, b, 100)
            elif number in (5, 8) and wire == BYTES and name == "op_callstack":
                self.texts.note(self.wire.text(a, b))


def _judged(name: str, seen: set[str], byte: int, view: View, state: State) -> Iterator[Record]:
    table = operators.of("paddle")
    if name in table.blocked:
        yield from operators.block(table.blocked[name], "", name, view, state, "paddle", byte)
    elif name not in seen and name.rstrip("_") not in table.known and not _FAMILY.match(name):
        if len(seen) < operators.MAX_OPERATORS:
            seen.add(name)
            yield from operators.review("custom-operator", "", name, view, state, "paddle", byte)
        else:
            yield from state.gap("too-large", "the model has more different operators than the limit", view.within)


def is_program(tree: Any) -> bool:
    """Say whether parsed JSON is a program of Paddle 3 (base_code with the magic "pir")."""
    base = tree.get("base_code") if isinstance(tree, dict) else None
    return isinstance(base, dict) and base.get("magic") == "pir" and "program" in tree


def told_json(tree: Any, view: View, state: State) -> Iterator[Record]:
    """Look at the operators of a program in JSON. An operator is an object with "#" (dialect and name), "I" and "O"."""
    queue, left = [tree.get("program") if isinstance(tree, dict) else None], MAX_TREE_NODES
    seen: set[str] = set()
    table = operators.of("paddle")
    state.name("paddle")
    while queue and left:
        left -= 1
        node = queue.pop()
        if isinstance(node, list):
            queue.extend(node)
        elif isinstance(node, dict):
            name = node.get("#")
            if isinstance(name, str) and "I" in node:
                leaf = name.rsplit(".", 1)[-1]
                if leaf in table.blocked:
                    yield from operators.block(table.blocked[leaf], "", leaf, view, state, "paddle", 0)
                elif (
                    leaf not in seen
                    and name.rpartition(".")[0] not in _DIALECTS
                    and len(seen) < operators.MAX_OPERATORS
                ):
                    seen.add(leaf)
                    yield from operators.review("custom-operator", "", leaf, view, state, "paddle", 0)
            queue.extend(node.values())
    if queue:
        yield from state.gap("too-large", "the program has more parts than the limit", view.within)


_DIALECTS = frozenset(
    {"", "0", "1", "2", "4", "dist_op", "builtin", "pd_op", "cf", "cinn_op", "pd_kernel", "onednn_op"}
)
"""Of Paddle's own: the writer numbers them (paddle/fluid/pir/serialize_deserialize/include/schema.h)."""
