"""Looks into a CatBoost model: whether its core and parts fill the file, and what its texts say.

Format: catboost/libs/model/model.cpp, TFullModel::Save: "CBM1", 32 bits with the size of the core, the core as a FlatBuffer
(flatbuffers/model.fbs, TModelCore), then the parts that the core names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from mlguard.errors import Unreadable
from mlguard.scanners.model import texts
from mlguard.scanners.model.formats import flatbuffer
from mlguard.scanners.model.formats.flatbuffer import Outside, Table, TooMuch
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Record

MAX_FEATURES = 100_000
MAX_KEYS = 10_000
MAX_JSON_BYTES = 4 * 2**20
"""A longer text of the information map is told as one text."""

MAX_VALUES = 20_000
"""Texts taken from one JSON text."""

_PARTS = re.compile(r"(?:static_provider|text_process|embed_process|[a-z]+_(?:process|provider|collection))_v?\d+")
_OF_THE_LIBRARY = (
    "Author:",
    "Build by:",
    "Top src dir:",
    "Top build dir:",
    "Hostname:",
    "Host information:",
    "Summary:",
)
"""Lines of ``catboost_version_info`` that tell who built the library, not the model."""


def examine(view: View, state: State) -> Examination:
    """Yield what does not fit the format, and what texts show. Raises Unreadable."""
    state.name("catboost")
    head = view.head(8)
    if len(head) < 8:
        raise Unreadable("the CatBoost model ends within its header")
    size = int.from_bytes(head[4:8], "little")
    if 8 + size > len(view):
        yield from state.malformed("header", view, 4, "catboost")
    core = View(
        view.data, view.start + 8, min(view.end, view.start + 8 + size), view.name, view.within, view.depth, view.zero
    )
    try:
        root = flatbuffer.root(core)
        yield from _told(root, view, state)
        yield from _parts(root, core, view, state)
    except Outside as trouble:
        yield from state.malformed("header", view, max(0, trouble.byte - view.start), "catboost")
    except TooMuch:
        yield from state.gap("too-large", "the model has more parts than are looked at", view.within)
    return "read"


def _told(root: Table, view: View, state: State) -> Iterator[Record]:
    """Look at all texts up to where one leads out of the file."""
    pairs: list[tuple[str, str]] = []
    trouble: Exception | None = None
    try:
        pairs.extend(_texts(root))
    except (Outside, TooMuch) as error:
        trouble = error
    yield from texts.told(pairs, view, state, "catboost")
    if trouble:
        raise trouble


def _parts(root: Table, core: View, view: View, state: State) -> Iterator[Record]:
    names = list(root.texts(3, 1000))
    trees = root.table(1)
    state.tensors += trees.vector(2, 4)[1] if trees else 0
    if not names and core.end < view.end:
        yield from state.malformed("trailing-data", view, core.end - view.start, "catboost")
    if not all(_PARTS.fullmatch(name.rstrip("\0")) for name in names):
        yield from state.gap("skipped", "the model has parts that this version does not know", view.within)


def _texts(root: Table) -> Iterator[tuple[str, str]]:
    for entry in root.tables(2, MAX_KEYS):
        key, value = entry.text(0), entry.text(1)
        if key == "catboost_version_info":
            value = "\n".join(line for line in value.splitlines() if not line.strip().startswith(_OF_THE_LIBRARY))
        if value[:1] in "{[" and len(value) <= MAX_JSON_BYTES:
            yield from _leaves(key, value)
        else:
            yield key, value
    trees = root.table(1)
    if trees:
        for vector, number in _NAMES:
            yield from (("feature", feature.text(number)) for feature in trees.tables(vector, MAX_FEATURES))
        for feature in trees.tables(6, MAX_FEATURES):
            yield from (("category", value) for value in feature.texts(2, MAX_FEATURES))


_NAMES = ((4, 2), (5, 4), (12, 2))
"""Fields of TObliviousTrees that hold features, and the field of FeatureId in each (flatbuffers/features.fbs)."""


def _leaves(key: str, value: str) -> Iterator[tuple[str, str]]:
    """Yield the texts inside a JSON text, each under its own key."""
    try:
        queue: list[tuple[str, object]] = [(key, json.loads(value))]
    except (ValueError, RecursionError):
        yield key, value
        return
    left = MAX_VALUES
    while queue and left:
        left -= 1
        name, node = queue.pop()
        if isinstance(node, dict):
            queue.extend((str(inner), item) for inner, item in node.items())
        elif isinstance(node, list):
            queue.extend((name, item) for item in node)
        elif isinstance(node, str) and node:
            yield name, node
    if queue:
        yield key, value
