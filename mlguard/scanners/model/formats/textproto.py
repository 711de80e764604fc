"""Turns a TensorFlow graph in protobuf's text form (.pbtxt) into the binary form, as far as it is looked at.

Format: https://protobuf.dev/reference/protobuf/textformat-spec/.
"""

from __future__ import annotations

import re

from mlguard.errors import Unreadable
from mlguard.scanners.model.source import View

MAX_TEXT_BYTES = 32 * 2**20
MAX_NESTING = 200

_TOKEN = re.compile(
    rb"(?:\s|#[^\n]*)*(?:(?P<name>[A-Za-z_]\w*)|(?P<text>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')|(?P<number>[-+]?[\d.][\w.+-]*)|(?P<sign>[{}<>\[\]:,;/.-]))",
    re.S,
)
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.S)
_PLAIN = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}

Fields = dict[str, tuple[int, str]]
"""Name of a field: its number, and the message it holds, "text" or "number"."""

_SCHEMA: dict[str, Fields] = {
    "saved": {"meta_graphs": (2, "meta")},
    "meta": {"graph_def": (2, "graph"), "collection_def": (4, "collection"), "asset_file_def": (6, "asset"), "object_graph_def": (7, "objects")},
    "collection": {"key": (1, "text"), "value": (2, "collected")},
    "collected": {"bytes_list": (2, "bytes")},
    "bytes": {"value": (1, "text")},
    "asset": {"tensor_info": (1, "named"), "filename": (2, "text")},
    "named": {"name": (1, "text")},
    "objects": {"nodes": (1, "object")},
    "object": {"user_object": (4, "user")},
    "user": {"identifier": (1, "text"), "metadata": (3, "text")},
    "graph": {"node": (1, "node"), "library": (2, "library")},
    "library": {"function": (1, "function")},
    "function": {"signature": (1, "signature"), "node_def": (3, "node")},
    "signature": {"name": (1, "text"), "input_arg": (2, "named")},
    "node": {"name": (1, "text"), "op": (2, "text"), "input": (3, "text"), "attr": (5, "attribute")},
    "attribute": {"key": (1, "text"), "value": (2, "value")},
    "value": {"list": (1, "list"), "s": (2, "text"), "tensor": (8, "tensor"), "func": (10, "named")},
    "list": {"s": (2, "text")},
    "tensor": {"string_val": (8, "text")},
    "onnx": {"graph": (7, "onnx_graph"), "functions": (25, "onnx_function"), "metadata_props": (14, "pair"), "doc_string": (6, "text")},
    "onnx_graph": {"node": (1, "onnx_node"), "initializer": (5, "onnx_tensor"), "doc_string": (10, "text")},
    "onnx_function": {"name": (1, "text"), "node": (7, "onnx_node"), "domain": (10, "text")},
    "onnx_node": {"op_type": (4, "text"), "attribute": (5, "onnx_attribute"), "domain": (7, "text"), "doc_string": (6, "text")},
    "onnx_attribute": {"name": (1, "text"), "s": (4, "text"), "t": (5, "onnx_tensor"), "g": (6, "onnx_graph"), "tensors": (10, "onnx_tensor"), "graphs": (11, "onnx_graph"), "sparse_tensor": (22, "onnx_sparse")},
    "onnx_sparse": {"values": (1, "onnx_tensor"), "indices": (2, "onnx_tensor")},
    "onnx_tensor": {"external_data": (13, "pair")},
    "pair": {"key": (1, "text"), "value": (2, "text")},
}  # fmt: skip
_TOPS = ("saved", "meta", "graph")
_ONNX = (re.compile(rb"^[ \t]*graph\s{0,9}:?\s{0,9}[{<\[]", re.M), re.compile(rb"\bop_type\s{0,9}:"))


def is_onnx(view: View) -> bool:
    """Say whether the text is an ONNX model, which names its operators otherwise than TensorFlow."""
    text = memoryview(view.data)[view.start : min(view.end, view.start + MAX_TEXT_BYTES)]
    return all(pattern.search(text) for pattern in _ONNX)


def encoded(view: View) -> tuple[bytes, bool]:
    """Return the binary form of what the text holds, b"" when it holds no graph, and whether the text could be followed to its end.

    Raises Unreadable.
    """
    if len(view) > MAX_TEXT_BYTES:
        raise Unreadable("the graph in text form is larger than the limit")
    text = bytes(view.data[view.start : view.end])
    if view.name.lower() == "saved_model.pbtxt":
        return _parsed(text, "saved")
    if is_onnx(view):
        return _parsed(text, "onnx")
    top = next(
        (
            top
            for top in _TOPS
            if any(re.search(rb"^\s*" + key.encode() + rb"\s*:?\s*[{<\[]", text, re.M) for key in _SCHEMA[top])
        ),
        "",
    )
    return _parsed(text, top) if top else (b"", True)


def _parsed(text: bytes, top: str) -> tuple[bytes, bool]:
    """Return the fields of a message. What the schema does not name is read over."""
    stack: list[tuple[bytearray, str, int, bytes]] = [(bytearray(), top, 0, b"")]
    name, at = "", 0
    while match := _TOKEN.match(text, at):
        at = match.end()
        if match["name"]:
            name = match["name"].decode()
        elif match["text"]:
            parts = [_plain(match["text"][1:-1])]
            while (more := _TOKEN.match(text, at)) and more["text"]:
                parts.append(_plain(more["text"][1:-1]))
                at = more.end()
            number, kind = _SCHEMA.get(stack[-1][1], {}).get(name, (0, ""))
            if kind == "text":
                _put(stack[-1][0], number, b"".join(parts))
        elif match["sign"] in (b"{", b"<"):
            number, kind = _SCHEMA.get(stack[-1][1], {}).get(name, (0, ""))
            if len(stack) > MAX_NESTING:
                raise Unreadable("the graph in text form is nested too deeply")
            stack.append((bytearray(), kind if kind != "text" else "", number, name.encode()))
        elif match["sign"] in (b"}", b">") and len(stack) > 1:
            body, kind, number, opened = stack.pop()
            name = opened.decode()  # a list of messages goes on under the same name
            if kind:
                _put(stack[-1][0], number, bytes(body))
    whole = len(stack) == 1 and not text[at:].strip()
    while len(stack) > 1:
        body, kind, number, _ = stack.pop()
        if kind:
            _put(stack[-1][0], number, bytes(body))
    return bytes(stack[0][0]), whole


def _put(target: bytearray, number: int, body: bytes) -> None:
    target.append(number << 3 | 2)
    size = len(body)
    while size > 0x7F:
        target.append(size & 0x7F | 0x80)
        size >>= 7
    target.append(size)
    target += body


def _plain(text: bytes) -> bytes:
    return _ESCAPE.sub(_unescaped, text) if b"\\" in text else text


def _unescaped(match: re.Match[bytes]) -> bytes:
    octal, hexadecimal, short, long, other = match.groups()
    if octal:
        return bytes([int(octal, 8) & 0xFF])
    if hexadecimal:
        return bytes([int(hexadecimal, 16)])
    if short or long:
        code = int(short or long, 16)
        return chr(code if code < 0x110000 else 0xFFFD).encode("utf-8", "replace")
    return _PLAIN.get(other, other)
