"""Tells the graph formats in protobuf apart by their first bytes: they have no magic number.

Each test asks for fields of the right numbers and wire types in the order in which the libraries write them, and for names
where names must stand, so that other messages and random bytes do not pass.
"""

from __future__ import annotations

import re
from functools import lru_cache

from mlguard.scanners.model.protobuf import BYTES, VARINT, Field, Wire

_NAME = re.compile(rb"[\x20-\x7e]{1,400}\Z")
_OPERATOR = re.compile(rb"_?[A-Z][\w>]{1,100}\Z")
_PADDLE = re.compile(rb"\n[\x00-\xff]{1,5}?\x08\x00\x10(?:\xff{9}\x01|\xff{4}\x0f)\x1a", re.S)


@lru_cache(maxsize=4)
def kind(head: bytes) -> str:
    """Return "onnx", "saved-model", "graph", "meta-graph", "coreml", "paddle" or "" for the first bytes of a file."""
    if head[:1] == b"\x08":
        return _numbered(head)
    if head[:1] == b"\n":
        if _PADDLE.match(head[:24]):
            return "paddle"
        return _graph(head)
    return ""


def _numbered(head: bytes) -> str:
    """Tell the messages that begin with the number of their version."""
    fields = _fields(head)
    if not fields or fields[0][1] != VARINT or not 1 <= fields[0][2] <= 100:
        return ""
    if is_onnx(head, fields):
        return "onnx"
    for number, wire, a, b in fields[1:2]:
        if (number, wire) != (2, BYTES):
            return ""
        inner = _fields(head[a:b])
        if fields[0][2] == 1 and is_meta_graph(head[a:b], inner):
            return "saved-model"
        if is_description(head[a:b], inner):
            return "coreml"
    return ""


def _fields(head: bytes, most: int = 64) -> list[Field]:
    found = []
    for field in Wire(head).fields(0, len(head)):
        found.append(field)
        if len(found) >= most:
            break
    return found


_ONNX = {
    1: VARINT,
    2: BYTES,
    3: BYTES,
    4: BYTES,
    5: VARINT,
    6: BYTES,
    7: BYTES,
    8: BYTES,
    14: BYTES,
    20: BYTES,
    25: BYTES,
    26: BYTES,
}
_ONNX_GRAPH = {1, 2, 5, 10, 11, 12, 13, 14, 15, 16}


def is_onnx(head: bytes, fields: list[Field]) -> bool:
    """Say whether these are the fields of a ModelProto that holds a graph."""
    for number, wire, a, b in fields:
        if _ONNX.get(number) != wire:
            return False
        if number in (2, 3, 4) and b > a and not _NAME.match(head[a:b]):
            return False
        if number == 7:
            inner = _fields(head[a:b], 8)
            return bool(inner) and all(field[0] in _ONNX_GRAPH and field[1] == BYTES for field in inner)
    return False


def _graph(head: bytes) -> str:
    fields = _fields(head)
    if is_graph(head, fields):
        return "graph"
    return "meta-graph" if is_meta_graph(head, fields) else ""


def is_graph(head: bytes, fields: list[Field]) -> bool:
    """Say whether these are the fields of a GraphDef: nodes that have a name and an operator."""
    nodes = 0
    for number, wire, a, b in fields:
        if number not in (1, 2, 3, 4, 5) or wire != (VARINT if number == 3 else BYTES):
            return False
        if number == 1:
            inner = [field for field in _fields(head[a:b], 8) if field[1] == BYTES]
            if [field[0] for field in inner[:2]] != [1, 2]:
                return nodes > 0 and b == len(head)  # the last node is cut
            name, operator = (head[a + field[2] : a + field[3]] for field in inner[:2])
            if not _NAME.match(name) or not _OPERATOR.match(operator):
                return nodes > 0 and b == len(head)
            nodes += 1
    return nodes > 0


_META = {1: BYTES, 2: BYTES, 3: BYTES, 4: BYTES, 5: BYTES, 6: BYTES, 7: BYTES}
_META_INFO = {1: BYTES, 2: BYTES, 3: BYTES, 4: BYTES, 5: BYTES, 6: BYTES, 7: VARINT, 8: BYTES}


def is_meta_graph(head: bytes, fields: list[Field]) -> bool:
    """Say whether these are the fields of a MetaGraphDef: what it was written with, and a graph."""
    if not fields or any(_META.get(number) != wire for number, wire, _, _ in fields):
        return False
    if sum(number == 1 for number, _, _, _ in fields) > 1:
        return False  # nodes, whose operators have names of another kind
    number, _, a, b = fields[0]
    inner = _fields(head[a:b], 8)
    if all(field[0] != 2 for field in fields) and not (b == len(head) > 1000):
        return False  # there is no graph, and the first bytes do not end before one could stand there
    if number == 2:
        return is_graph(head[a:b], inner)
    if number != 1 or not inner or any(_META_INFO.get(field[0]) != field[1] for field in inner):
        return False
    first = inner[0]
    if first[0] == 2:  # the list of operators: OpDef with a name
        text = head[a + first[2] : a + first[3]]
        return text[:1] == b"\n" and b"\n" in text[2:5]
    return first[0] in (1, 4, 5) and bool(_NAME.match(head[a + first[2] : a + first[3]]))


def is_description(head: bytes, fields: list[Field]) -> bool:
    """Say whether these are the fields of Core ML's ModelDescription: features that have names."""
    if not fields or any(
        number not in (1, 10, 11, 12, 13, 20, 21, 50, 100) or wire != BYTES for number, wire, _, _ in fields
    ):
        return False
    number, _, a, b = fields[0]
    if number == 100:
        return True
    inner = _fields(head[a:b], 4)
    return (
        number in (1, 10, 13, 20)
        and bool(inner)
        and inner[0][0] == 1
        and bool(_NAME.match(head[a + inner[0][2] : a + inner[0][3]]))
    )
