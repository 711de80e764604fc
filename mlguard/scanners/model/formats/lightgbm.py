"""Looks into the text form of a LightGBM model: its sizes, and the paths and categories that its texts hold.

Format: src/boosting/gbdt_model_text.cpp (SaveModelToString): header lines, one block a tree with the sizes that the header
lists, "end of trees", importances, "parameters:" to "end of parameters", and the categories of pandas as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from mlguard.errors import Unreadable
from mlguard.scanners.model import texts
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Record

MAX_HEADER_BYTES = 16 * 2**20
"""Names and ranges of all features, and the size of each tree."""

MAX_TAIL_BYTES = 16 * 2**20
"""What follows the trees."""

MAX_TEXTS = 100_000

_DATASET = b"______LightGBM_Binary_File_Token______\n"


def examine(view: View, state: State) -> Examination:
    """Yield what does not fit the format, and what texts show. Raises Unreadable."""
    state.name("lightgbm")
    if view.head(len(_DATASET)) == _DATASET:
        yield from state.gap("skipped", "a LightGBM dataset in binary form is not looked into", view.within)
        return "read"
    limit = min(view.end, view.start + MAX_HEADER_BYTES)
    end = view.data.find(b"Tree=0", view.start, limit)
    if end < 0:
        end = view.data.find(b"end of trees", view.start, limit)
    if end < 0:
        raise Unreadable("the LightGBM model has no end of its header")
    header = _lines(bytes(view.data[view.start : end]))
    sizes = header.get("tree_sizes", "").split()
    tail = end
    if sizes:
        state.tensors += len(sizes)
        tail = _behind(view, end, sizes)
        if tail < 0:
            if header.get("version") != "v2":  # which has no end mark
                yield from state.malformed("header", view, end - view.start, "lightgbm")
            tail = end
    yield from texts.told(list(_texts(header)), view, state, "lightgbm")
    yield from _tail(view, tail, state, "feature importances:" if header.get("version") == "v2" else "end of trees")
    return "read"


def _lines(header: bytes) -> dict[str, str]:
    pairs = (line.partition("=") for line in header.decode("utf-8", "replace").splitlines())
    return {key: value for key, _, value in pairs if key}


def _behind(view: View, at: int, sizes: list[str]) -> int:
    """Return where the trees end, or -1 when the sizes do not lead to their end mark."""
    if not all(size.isascii() and size.isdigit() and len(size) < 13 for size in sizes):
        return -1
    place = at + sum(map(int, sizes))
    if place > view.end or not bytes(view.data[place : min(view.end, place + 64)]).lstrip().startswith(b"end of trees"):
        return -1
    return place


def _texts(header: dict[str, str]) -> Iterator[tuple[str, str]]:
    for key in ("objective", "feature_names", "feature_infos", "monotone_constraints"):
        for value in header.get(key, "").split(" ")[:MAX_TEXTS]:
            if value and value[0] not in "[" and value != "none":
                yield key, value
    standard = {"version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "tree_sizes",
                "objective", "feature_names", "feature_infos", "monotone_constraints"}  # fmt: skip
    for key in sorted(header.keys() - standard):
        yield key, header[key]


def _tail(view: View, at: int, state: State, mark: str) -> Iterator[Record]:
    """Look at parameters and categories behind the trees."""
    if view.end - at > MAX_TAIL_BYTES:
        at = max(at, view.data.rfind(mark.encode(), view.end - MAX_TAIL_BYTES, view.end))
    if view.end - at > MAX_TAIL_BYTES:
        yield from state.gap("too-large", "what follows the trees is larger than the limit", view.within)
    body = bytes(view.data[at : min(view.end, at + MAX_TAIL_BYTES)]).decode("utf-8", "replace")
    if mark not in body:
        yield from state.gap("unreadable", "the model has no end of its trees; was it cut short?", view.within)
    pairs: list[tuple[str, str]] = []
    parameters = body.partition("\nparameters:")[2].partition("\nend of parameters")
    for line in parameters[0].splitlines():
        key, _, value = line.strip("[] ").partition(": ")
        if value and not value.replace(".", "").replace("-", "").isdigit():
            pairs.append((key, value))
    rest = parameters[2] or body
    if "pandas_categorical:" in rest:
        pairs += _categories(rest.partition("pandas_categorical:")[2].partition("\n")[0])
    known = ("pandas_categorical:", "end of", "feature_importances:", "parameters:", "[", "Tree=")
    lines = (line for line in rest.splitlines() if line and not line.startswith(known) and parameters[2])
    pairs += [("text", line) for line in lines]
    yield from texts.told(pairs[:MAX_TEXTS], view, state, "lightgbm")


def _categories(line: str) -> Iterator[tuple[str, str]]:
    try:
        columns = json.loads(line or "null")
    except (ValueError, RecursionError):
        yield "pandas_categorical", line
        return
    for column in columns if isinstance(columns, list) else []:
        for value in column if isinstance(column, list) else []:
            if isinstance(value, str):
                yield "pandas_categorical", value
