"""Looks into MXNet models: the list of arrays in a .params file, and the operators of a symbol in JSON.

Formats: src/ndarray/ndarray.cc (NDArray::Load, a list with the magic 0x112) and nnvm's graph JSON (``nodes`` with ``op``,
``name`` and ``attrs``). The operator Custom calls a Python class that was registered under ``op_type``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

from mlguard.errors import Unreadable
from mlguard.scanners.model import texts
from mlguard.scanners.model.formats.lite_operators import shown_name
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, State
from mlguard.scanners.model.values import DANGEROUS, UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Record

MAX_ARRAYS = 1_000_000
MAX_NAME_BYTES = 4096
MAX_NODES = 1_000_000
MAX_TEXTS = 50_000

_V1, _V2, _V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_WIDTHS = {0: 4, 1: 8, 2: 2, 3: 1, 4: 4, 5: 1, 6: 8, 7: 1, 8: 2, 9: 2, 10: 4, 11: 8, 12: 2}
"""Bytes of an item by the number of its type (mshadow's TypeFlag)."""

_PYTHON = frozenset({"Custom", "_Native", "_NDArray", "_CrossDeviceCopyPython", "_npi_custom", "_CustomFunction"})
_COMPILED = ("_TensorRT", "_FusedOp", "_CUDA")


def examine(view: View, state: State) -> Examination:
    """Walk the arrays of a .params file without reading their numbers. Raises Unreadable."""
    state.name("mxnet")
    try:
        yield from _arrays(view, state)
    except struct.error:
        raise Unreadable("the list of arrays ends early; was the file cut short?") from None
    return "read"


def _arrays(view: View, state: State) -> Iterator[Record]:
    data = view.data
    (count,) = struct.unpack_from("<Q", data, view.start + 16)
    at = view.start + 24
    if count > MAX_ARRAYS or count * 8 > len(view):
        yield from state.malformed("header", view, 16, "mxnet")
        return
    for _ in range(count):
        begin, at = at, _array(view, at)
        if at < 0:
            yield from state.malformed("tensor-entry", view, begin - view.start, "mxnet")
            return
        if at > view.end:
            yield from state.malformed("offsets-outside", view, begin - view.start, "mxnet")
            return
        state.tensors += 1
    names: list[tuple[str, str]] = []
    (named,) = struct.unpack_from("<Q", data, at)
    at += 8
    if named not in (0, count):
        yield from state.malformed("header", view, at - 8 - view.start, "mxnet")
        return
    for _ in range(named):
        (size,) = struct.unpack_from("<Q", data, at)
        if at + 8 + size > view.end:
            yield from state.malformed("header", view, at - view.start, "mxnet")
            return
        names.append(("name", bytes(data[at + 8 : at + 8 + min(size, MAX_NAME_BYTES)]).decode("utf-8", "replace")))
        at += 8 + size
    yield from texts.told(names[:MAX_TEXTS], view, state, "mxnet")
    if at < view.end:
        yield from state.malformed("trailing-data", view, at - view.start, "mxnet")


def _array(view: View, at: int) -> int:
    """Return the place behind the array at ``at``, or -1 when its head makes no sense. Raises struct.error."""
    data = view.data
    (magic,) = struct.unpack_from("<I", data, at)
    at += 4
    sparse = 0
    if magic in (_V2, _V3):
        (kind,) = struct.unpack_from("<i", data, at)
        at += 4
        sparse = {0: 0, -1: 0, 1: 1, 2: 2}.get(kind, -1)
        if sparse < 0:
            return -1
        if sparse:
            stored, at = _shape(view, at, 8)
    wide = 8 if magic in (_V1, _V2, _V3) else 4
    shape, at = _shape(view, at, 8) if wide == 8 else _shape(view, at - 4, 4)
    if shape is None:
        return -1
    if not shape and magic != _V3:
        return at
    at += 8  # device type and number
    (kind,) = struct.unpack_from("<i", data, at)
    at += 4
    widths = [kind]
    shapes = [stored if sparse else shape]
    for _ in range(sparse):
        (kind,) = struct.unpack_from("<i", data, at)
        widths.append(kind)
        extra, at = _shape(view, at + 4, 8)
        shapes.append(extra)
    for kind, extents in zip(widths, shapes, strict=True):
        width = _WIDTHS.get(kind)
        if width is None or extents is None:
            return -1
        size = width
        for extent in extents:
            size *= extent
        at += size
    return at


def _shape(view: View, at: int, width: int) -> tuple[list[int] | None, int]:
    (count,) = struct.unpack_from("<i", view.data, at)
    if count == -1:
        return [], at + 4
    if not 0 <= count <= 64:
        return None, at
    extents = struct.unpack_from(f"<{count}{'q' if width == 8 else 'I'}", view.data, at + 4)
    if any(extent < 0 or extent > 2**40 for extent in extents):
        return None, at
    return list(extents), at + 4 + count * width


# -- symbols


def told(tree: Mapping[str, object], view: View, state: State) -> Iterator[Record]:
    """Yield what the operators of a symbol show. ``tree`` is the whole JSON object."""
    state.name("mxnet")
    queue: list[object] = [tree]
    pairs: list[tuple[str, str]] = []
    left = MAX_NODES
    while queue and left:
        graph = queue.pop()
        nodes = graph.get("nodes") if isinstance(graph, dict) else None
        for node in nodes if isinstance(nodes, list) else []:
            left -= 1
            if not isinstance(node, dict) or left < 0:
                continue
            yield from _node(node, view, state)
            for field in ("attrs", "attr", "param"):
                values = node.get(field)
                if isinstance(values, dict) and len(pairs) < MAX_TEXTS:
                    pairs += [(str(key), value) for key, value in values.items() if isinstance(value, str)]
            inner = node.get("subgraphs")
            queue.extend(inner if isinstance(inner, list) else [])
    if left <= 0:
        yield from state.gap("too-large", "the symbol has more nodes than the limit", view.within)
    yield from texts.told(pairs, view, state, "mxnet")


def _node(node: Mapping[str, object], view: View, state: State) -> Iterator[Record]:
    name = node.get("op")
    if not isinstance(name, str):
        return
    shown = shown_name(name)
    facts: dict[str, str | int] = {"name": shown, "opcode": "operator", "format": "mxnet"}
    if name in _PYTHON:
        attributes = next((node[key] for key in ("attrs", "attr", "param") if isinstance(node.get(key), dict)), {})
        kind = attributes.get("op_type", "") if isinstance(attributes, dict) else ""
        shown = f"{shown} ({shown_name(str(kind))})" if kind else shown
        state.imports.setdefault(f"mxnet.{name}", "block")
        yield from state.detection(DANGEROUS, "python-operator", view.within, 0, None, shown, {**facts, "name": shown})
    elif name.startswith(_COMPILED):
        yield from state.detection(UNKNOWN, "native-code", view.within, 0, None, shown, facts)
