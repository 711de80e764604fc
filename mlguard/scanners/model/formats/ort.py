"""Reads models in the format of ONNX Runtime (.ort): operators, and tensors that lie in another file.

Format: onnxruntime/core/flatbuffers/schema/ort.fbs; the fields below count in the order of that file.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlguard.errors import Unreadable
from mlguard.scanners.model.formats import flatbuffer, operators
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Record

MAX_NODES = 2_000_000
MAX_DEPTH = 100
"""Graphs inside each other."""


def examine(view: View, state: State) -> Examination:
    """Look at the operators of every graph. Raises Unreadable."""
    state.name("ort")
    texts = operators.Texts()
    try:
        model = flatbuffer.root(view).table(1)
        if model is None:
            raise Unreadable("the ONNX Runtime file holds no model")
        for number, key in ((2, "producer_name"), (3, "producer_version"), (6, "doc_string"), (8, "graph_doc_string")):
            texts.add(key, model.text(number))
        for entry in model.tables(9, 10_000):
            texts.add(f"metadata_props.{entry.text(0)}", entry.text(1))
        yield from _graphs(model.table(7), view, state)
    except flatbuffer.Outside as outside:
        yield from state.malformed("out-of-bounds", view, outside.byte - view.zero, "ort")
        yield from state.gap("unreadable", "the ONNX Runtime file cannot be followed to its end", view.within)
    yield from texts.told(view, state, "onnx")
    return "read"


def _graphs(top: flatbuffer.Table | None, view: View, state: State) -> Iterator[Record]:
    queue = [(top, 0)] if top is not None else []
    used: dict[tuple[str, str], int] = {}
    left = MAX_NODES
    while queue:
        graph, depth = queue.pop()
        state.tensors += graph.vector(0, 4)[1]
        for node in graph.tables(2, left):
            left -= 1
            domain, name = node.text(2), node.text(5)
            if (domain, name) not in used and len(used) < operators.MAX_OPERATORS:
                used[domain, name] = node.at
                yield from _operator(domain, name, node.at - view.zero, view, state)
            for attribute in node.tables(10, 1000):
                left -= 1
                inner = [attribute.table(7), *attribute.tables(12, 1000)]
                queue += [(item, depth + 1) for item in inner if item is not None and depth < MAX_DEPTH]
        if left <= 0 or len(queue) > 10_000 or len(used) >= operators.MAX_OPERATORS:
            yield from state.gap("too-large", "the ONNX Runtime file has more operators than the limit", view.within)
            return


def _operator(domain: str, name: str, byte: int, view: View, state: State) -> Iterator[Record]:
    table = operators.of("onnx")
    if name in table.blocked:
        yield from operators.block(table.blocked[name], domain, name, view, state, "ort", byte)
    elif name in table.native:
        yield from operators.review("native-code", domain, name, view, state, "ort", byte)
    elif not (name in table.known if domain in ("", "ai.onnx") else domain in table.domains):
        yield from operators.review("custom-operator", domain, name, view, state, "ort", byte)
