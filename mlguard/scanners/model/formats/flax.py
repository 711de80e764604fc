"""Looks into Flax checkpoints: MessagePack with extension types for arrays.

Format: flax/serialization.py (msgpack_serialize): extension 1 is an array (shape, name of its type, bytes), 2 a complex
number, 3 a scalar of NumPy; arrays over 1 GB are maps of chunks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlguard.errors import Unreadable
from mlguard.scanners.model import pickles, texts
from mlguard.scanners.model.formats.msgpack import Reader, Value
from mlguard.scanners.model.machine import Machine
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, State
from mlguard.scanners.model.values import UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Record

MAX_TEXTS = 50_000
MAX_PROBES = 10_000
"""Binary values that begin like a pickle and are walked."""

_ARRAY, _COMPLEX, _SCALAR, _TIME = 1, 2, 3, 255
_TYPE = re.compile(r"[<>|=]?[biufcVSU]\d{0,9}|(?:bool|u?int|float|complex|bfloat|str)[\w]{0,16}", re.A)
"""Types of numbers and texts, by numpy's code or name; an array of objects cannot be stored so."""


def examine(view: View, state: State) -> Examination:
    """Yield what values that are no numbers show. Raises Unreadable."""
    reader = Reader(view)
    pairs: list[tuple[str, str]] = []
    probes = arrays = 0
    named = False
    for value in reader.events():
        if reader.root not in ("map", "list"):
            break
        if not named:
            state.name("flax")
            named = True
        if value.kind == "text":
            if len(pairs) < MAX_TEXTS:
                pairs.append((value.key, reader.text(value)))
        elif value.kind == "ext" and value.code in (_ARRAY, _SCALAR):
            arrays += 1
            yield from _array(value, view, state)
        elif value.kind == "ext" and value.code not in (_COMPLEX, _TIME):
            facts: dict[str, str | int] = {"name": f"extension type {value.code}", "opcode": "ext", "format": "flax"}
            place = value.place - view.start
            yield from state.detection(UNKNOWN, "other-library", view.within, place, value.size, "ext", facts)
        if value.kind in ("bin", "ext") and _begins_pickle(view, value) and probes < MAX_PROBES:
            probes += 1
            yield from _probed(value, view, state)
    state.tensors += arrays
    if reader.root not in ("map", "list"):
        return "unread"
    state.name("flax")
    if len(pairs) >= MAX_TEXTS:
        yield from state.gap("too-large", "the checkpoint has more texts than are looked at", view.within)
    yield from texts.told(pairs, view, state, "flax")
    if reader.at < view.end:
        yield from state.malformed("trailing-data", view, reader.at - view.start, "flax")
        yield from pickles.searched(view.rest(reader.at), state)
    return "read"


def _begins_pickle(view: View, value: Value) -> bool:
    return value.size > 3 and view.data[value.place] == 0x80 and 2 <= view.data[value.place + 1] <= 5


def _probed(value: Value, view: View, state: State) -> Iterator[Record]:
    """Walk binary data that begins like a pickle, and tell of it when it is one that imports something."""
    end = value.place + value.size
    probe = Machine(view.data, value.place, end, state.policy, strict=True)
    for _ in probe.run():
        pass
    if probe.blocked or not probe.trouble and probe.imports and probe.end == end:
        inner = view.inner(view.data, value.place, end, "value.pkl")
        yield from pickles.pickled(inner, state)


def _array(value: Value, view: View, state: State) -> Iterator[Record]:
    """Check the head of an array: shape and the name of a type that holds numbers only, then bytes to the end."""
    inner = View(view.data, value.place, value.place + value.size, view.name)
    reader = Reader(inner)
    kinds: list[Value] = []
    try:
        kinds = list(reader.events())
    except Unreadable:
        yield from state.malformed("tensor-entry", view, value.place - view.start, "flax")
        return
    if reader.at < inner.end or [kind.kind for kind in kinds] != ["text", "bin"]:
        yield from state.malformed("tensor-entry", view, value.place - view.start, "flax")
        return
    if _begins_pickle(view, kinds[1]):
        yield from _probed(kinds[1], view, state)
    name = reader.text(kinds[0])
    if not _TYPE.fullmatch(name):
        yield from state.malformed("tensor-entry", view, kinds[0].place - view.start, "flax")
