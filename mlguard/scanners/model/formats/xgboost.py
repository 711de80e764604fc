"""Looks into XGBoost models: JSON, Universal Binary JSON and the binary form of old versions.

Formats: XGBoost's doc/model.schema (JSON and UBJSON hold the same tree) and, for the binary form, src/learner.cc
(LearnerIO::Load), src/gbm/gbtree_model.cc and include/xgboost/tree_model.h of version 1.6. Attributes are free texts of
whoever saved the model; ``scikit_learn`` among them holds the parameters of the estimator as JSON.
"""

from __future__ import annotations

import re
import struct
from array import array
from collections.abc import Generator, Iterator, Mapping

from mlguard.errors import Unreadable
from mlguard.scanners.model import texts
from mlguard.scanners.model.formats.ubjson import Numbers, Reader, Text
from mlguard.scanners.model.source import Buffer, View
from mlguard.scanners.model.state import Examination, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Record

WHOLE_BYTES = 16 * 2**20
"""JSON text up to this size is read with its numbers; from there on lists of numbers are left out."""

MAX_JSON_BYTES = 32 * 2**20
"""Of JSON text once its lists of numbers are left out."""

MAX_SOURCE_BYTES = 512 * 2**20
"""Of JSON text as it is in the file."""

MAX_TEXTS = 50_000
"""Texts of one model that are looked at."""

MAX_NODES_CHECKED = 32 * 2**20
"""Children of tree nodes that are compared with the number of nodes."""

MAX_TREES = 1_000_000

_NUMBERS = re.compile(rb"\[[-+0-9.eE,\s]*+\]")
_SKIPPED = frozenset({"tree_param", "learner_model_param", "gbtree_model_param", "learner_train_param"})


def examine(view: View, state: State) -> Examination:
    """Yield what does not fit the format, and what texts show. Raises Unreadable."""
    state.name("xgboost")
    head = view.head(64)
    if head.startswith(b"{") and head[1:2] not in b'"\n\r\t }':
        return (yield from _universal(view, state))
    if head.startswith(b"{"):
        return (yield from _json(view, state))
    return (yield from _binary(view, state))


# -- JSON


def _json(view: View, state: State) -> Examination:
    import json

    if len(view) > MAX_SOURCE_BYTES:
        yield from state.gap("too-large", "the JSON model is larger than the limit", view.within)
        return "read"
    if len(view) > WHOLE_BYTES:
        source = _NUMBERS.sub(b"[]", memoryview(view.data)[view.start : view.end])
    else:
        source = view.data[view.start : view.end]
    if len(source) > MAX_JSON_BYTES:
        yield from state.gap("too-large", "the JSON model is larger than the limit", view.within)
        return "read"
    try:
        tree = json.loads(source)
    except (ValueError, RecursionError):
        raise Unreadable("the model is not valid JSON") from None
    if not isinstance(tree, dict) or "learner" not in tree:
        return "unread"
    yield from told(tree, view, state)
    return "read"


def told(tree: Mapping[str, object], view: View, state: State) -> Iterator[Record]:
    """Yield what the tree of a JSON model shows: texts, and children of nodes that no tree has."""
    state.name("xgboost")
    queue: list[tuple[tuple[str, ...], object]] = [((), tree)]
    found: list[tuple[str, str]] = []
    checked = 0
    while queue:
        path, node = queue.pop()
        if isinstance(node, dict):
            if "left_children" in node:
                state.tensors += 1
                checked += len(node["left_children"]) if isinstance(node["left_children"], list) else 0
                if checked <= MAX_NODES_CHECKED and not _tree_fits(node):
                    yield from state.malformed("header", view, 0, "xgboost")
                continue
            queue.extend(((*path, str(key)), item) for key, item in node.items())
        elif isinstance(node, list):
            if node and not isinstance(node[0], (int, float)):
                queue.extend((path, item) for item in node)
        elif isinstance(node, str) and len(found) < MAX_TEXTS:
            found.extend(_pair(path, node))
    yield from _told(found, view, state)


def _pair(path: tuple[str, ...], value: str) -> Iterator[tuple[str, str]]:
    names = [name for name in path if name]
    if value and not _SKIPPED & set(names):
        yield names[-1] if names else "text", value


def _told(found: list[tuple[str, str]], view: View, state: State) -> Iterator[Record]:
    if len(found) >= MAX_TEXTS:
        yield from state.gap("too-large", "the model has more texts than are looked at", view.within)
    yield from texts.told(found, view, state, "xgboost")


def _tree_fits(node: Mapping[str, object]) -> bool:
    """Say whether every child of a node is a node of the tree (lists of numbers that were left out fit)."""
    left, right = node.get("left_children"), node.get("right_children")
    if not isinstance(left, list) or not isinstance(right, list):
        return False
    try:
        return len(left) == len(right) and all(
            not side or min(side) >= -1 and max(side) < len(left) for side in (left, right)
        )
    except TypeError:
        return False


# -- Universal Binary JSON


def _universal(view: View, state: State) -> Examination:
    reader = Reader(view)
    found: list[tuple[str, str]] = []
    checked = 0
    known = False
    for event in reader.events():
        known = known or event.path[:1] == ("learner",)
        if isinstance(event, Text):
            if len(found) < MAX_TEXTS:
                found.extend(_pair(event.path, event.value))
        elif event.path[-1:] in (("left_children",), ("right_children",)):
            state.tensors += event.path[-1] == "left_children"
            checked += event.count
            if checked <= MAX_NODES_CHECKED and not _numbers_fit(view.data, event):
                yield from state.malformed("header", view, event.place - view.start, "xgboost")
    yield from _told(found, view, state)
    if not known:
        yield from state.gap("skipped", "this UBJSON document is not an XGBoost model", view.within)
    if reader.at < view.end:
        yield from state.malformed("trailing-data", view, reader.at - view.start, "xgboost")
    return "read"


def _numbers_fit(data: Buffer, numbers: Numbers) -> bool:
    if numbers.kind not in "lL" or not numbers.count:
        return numbers.kind in "iUIlL"
    values = array("i" if numbers.kind == "l" else "q")
    values.frombytes(data[numbers.place : numbers.place + numbers.count * values.itemsize])
    if struct.pack("=H", 1) == b"\1\0":
        values.byteswap()
    return min(values) >= -1 and max(values) < numbers.count


# -- the binary form before UBJSON

_OBJECTIVE = re.compile(rb"(?:reg|binary|multi|rank|count|survival|custom)[:\w]*|[a-z_]{3,40}", re.A)
_HEAD = 136
_TREE, _NODE, _STAT = 148, 20, 16
_FOREST, _LINEAR = 160, 136
"""Bytes of the structures LearnerModelParam, TreeParam, Node, RTreeNodeStat, GBTreeModelParam and GBLinearModelParam."""


def is_binary(head: bytes) -> bool:
    """Say whether ``head`` begins as a binary model without magic does: parameters, then two names with their lengths."""
    at = 4 if head.startswith(b"binf") else 0
    names = _names(head, at + _HEAD)
    return names is not None and names[1] in (b"gbtree", b"gblinear", b"dart")


def _names(head: bytes, at: int) -> tuple[bytes, bytes, int] | None:
    found = []
    for _ in range(2):
        size = int.from_bytes(head[at : at + 8], "little")
        if at + 8 > len(head) or not 0 < size <= 64:
            return None
        found.append(head[at + 8 : at + 8 + size])
        at += 8 + size
    return (found[0], found[1], at) if _OBJECTIVE.fullmatch(found[0]) else None


def _binary(view: View, state: State) -> Examination:
    head = view.head(512)
    names = _names(head, (4 if head.startswith(b"binf") else 0) + _HEAD)
    if names is None or not is_binary(head):
        return "unread"
    try:
        at = yield from _forest(view, view.start + names[2], names[1], state)
    except struct.error:
        raise Unreadable("the binary model ends early; was it cut short?") from None
    if at:
        yield from _attributes(view, at, state)
    return "read"


def _forest(view: View, at: int, booster: bytes, state: State) -> Generator[Record, None, int]:
    """Walk the trees, check their children and return the place behind them (0 when it cannot be told)."""
    data, end = view.data, view.end
    if booster == b"gblinear":
        at += _LINEAR
        count: int = struct.unpack_from("<Q", data, at)[0]
        if count > (end - at) // 4:
            yield from state.malformed("header", view, at - view.start, "xgboost")
            return 0
        return at + 8 + 4 * count
    (trees,) = struct.unpack_from("<i", data, at)
    at += _FOREST
    if not 0 <= trees <= MAX_TREES:
        yield from state.malformed("header", view, at - _FOREST - view.start, "xgboost")
        return 0
    for _ in range(trees):
        (nodes,) = struct.unpack_from("<i", data, at + 4)
        begin = at + _TREE
        at = begin + nodes * (_NODE + _STAT)
        if nodes < 1 or at > end:
            yield from state.malformed("header", view, begin - _TREE - view.start, "xgboost")
            return 0
        if not _children_fit(data, begin, nodes):
            yield from state.malformed("header", view, begin - view.start, "xgboost")
        state.tensors += 1
    at += 4 * trees
    if booster == b"dart" and trees:
        (count,) = struct.unpack_from("<Q", data, at)
        at += 8 + 4 * min(count, MAX_TREES)
    return at


def _children_fit(data: Buffer, begin: int, nodes: int) -> bool:
    values = array("i")
    values.frombytes(data[begin : begin + nodes * _NODE])
    if struct.pack("=H", 1) != b"\1\0":
        values.byteswap()
    children = values[1::5] + values[2::5]
    return min(children) >= -1 and max(children) < nodes


def _attributes(view: View, at: int, state: State) -> Iterator[Record]:
    """Read the pairs of texts behind the trees; what follows them depends on the version and is not read."""
    (extra,) = struct.unpack_from("<i", view.data, view.start + (4 if view.head(4) == b"binf" else 0) + 12)
    if not extra or at + 8 > view.end:
        return
    found: list[tuple[str, str]] = []
    (count,) = struct.unpack_from("<Q", view.data, at)
    at += 8
    values: list[str] = []
    for _ in range(2 * min(count, MAX_TEXTS)):
        size = int.from_bytes(view.data[at : min(view.end, at + 8)], "little")
        if at + 8 + size > view.end:
            yield from state.malformed("header", view, at - view.start, "xgboost")
            break
        values.append(bytes(view.data[at + 8 : at + 8 + min(size, 2**20)]).decode("utf-8", "replace"))
        at += 8 + size
    found = list(zip(values[::2], values[1::2], strict=False))
    yield from _told(found, view, state)
