"""Walks pickles: one or several in a stream, those inside their bytes, and the torch format before 1.6."""

from __future__ import annotations

from collections.abc import Iterator

from mlguard.scanners.model import holdings, zips
from mlguard.scanners.model.machine import Machine
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import MAX_DEPTH, MODEL_SUFFIXES, Examination, State
from mlguard.scanners.model.values import Hit, Nested

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from mlguard.findings import Record

MAX_PICKLES = 100_000
"""Pickles one after the other in one stream."""

MAX_TRAILING_BYTES = 4 * 2**20
"""Bytes behind a pickle that are searched for another one."""

MAX_LEADING_BYTES = 2**16
"""Bytes at the start of an unknown file that are searched for a pickle."""

MAX_FOLLOWING = 64
"""Pickles without header that are walked until one shows what it is."""

MAX_WALKED_BYTES = 4 * 2**20
"""What is walked in that search, all attempts together."""

MAX_PROBES = 10_000
"""Streams inside bytes that are looked into when nothing says that they are loaded."""


def pickled(view: View, state: State, torch: bool = False, script: bool = False) -> Examination:
    """Walk the pickles that stand one after the other in ``view``."""
    at, count = view.start, 0
    while at < view.end and count < MAX_PICKLES:
        machine = Machine(view.data, at, view.end, state.policy, origin=view.zero, torch=torch, script=script)
        yield from _told(machine, machine.run(), view, state)
        count += 1
        state.pickles += 1
        if machine.trouble:
            yield from _broken(machine, view, state)
            return "read"
        at = machine.end
        if count == 1 and machine.result == _TORCH_MAGIC and not torch:
            state.name("torch (legacy)")
            return (yield from _legacy(view, at, state))
        if not _begins_pickle(view, at):
            break
    state.name("joblib" if state.imports.get("joblib.numpy_pickle.NumpyArrayWrapper") else "pickle")
    if at < view.end:
        yield from _rest(view, at, state)
    return "read"


def _broken(machine: Machine, view: View, state: State) -> Iterator[Record]:
    state.name("pickle")
    kind: Literal["too-large", "unreadable"] = "too-large" if machine.too_large else "unreadable"
    yield from state.gap(kind, f"the pickle cannot be followed to its end: {machine.trouble}", view.within,
                         "what stands before the break was looked at")  # fmt: skip
    rest = view.rest(min(machine.end, view.end))
    yield from searched(rest, state)


def _begins_pickle(view: View, at: int) -> bool:
    return at + 1 < view.end and view.data[at] == 0x80 and view.data[at + 1] <= 5


def _rest(view: View, at: int, state: State) -> Iterator[Record]:
    """Tell of bytes behind the last pickle, unless they are padding."""
    rest = view.rest(at)
    if len(rest) <= 4096 and not rest.head(4096).strip(b"\0\r\n\t "):
        return
    if view.depth == 0 and zips.ends_here(view.data, view.start, view.end):
        return
    if rest.head(6) == b"\x93NUMPY":  # several calls of numpy.save
        yield from state.examine(rest, state)
        return
    plain = Machine(view.data, at, view.end, state.policy, origin=view.zero, strict=True)
    hits = _collected(plain)
    if plain.blocked or not plain.trouble:
        yield from _told(plain, iter(hits), view, state)
        if not plain.trouble and plain.end < view.end:
            yield from _rest_again(view, plain.end, state)
        return
    yield from state.gap("skipped", "there are bytes behind the pickle that are not looked at", view.within)
    yield from searched(rest, state)


def _rest_again(view: View, at: int, state: State) -> Iterator[Record]:
    rest = view.rest(at)
    yield from state.gap("skipped", "there are bytes behind the pickle that are not looked at", view.within)
    yield from searched(rest, state)


def searched(rest: View, state: State, most: int = MAX_TRAILING_BYTES) -> Iterator[Record]:
    """Look for pickles with a blocked name among the first ``most`` bytes, which nothing names."""
    stop = min(rest.end, rest.start + most)
    at, left = rest.start, MAX_WALKED_BYTES
    while left > 0:
        at = rest.data.find(b"\x80", at, stop)
        if at < 0 or at + 2 >= stop:
            return
        if 2 <= rest.data[at + 1] <= 5:
            machine = Machine(rest.data, at, min(rest.end, at + left), state.policy, origin=rest.zero, strict=True)
            hits = _collected(machine)
            left -= max(64, machine.end - at)
            if machine.blocked:
                yield from _told(machine, iter(hits), rest, state)
                at = max(at, machine.end - 1)
        at += 1


def _collected(machine: Machine) -> list[Hit | Nested]:
    """Return what a pickle shows that is not yet believed to be one."""
    events: list[Hit | Nested] = []
    for event in machine.run():
        if isinstance(event, Hit) or len(events) < MAX_PROBES:
            events.append(event)
    return events


def _told(machine: Machine, events: Iterator[Hit | Nested], view: View, state: State) -> Iterator[Record]:
    """Turn what the machine says into records, following streams inside it."""
    for event in events:
        if isinstance(event, Hit):
            facts: dict[str, str | int] = {
                "name": event.name,
                "opcode": event.opcode,
                "format": state.format or "pickle",
            }
            if event.note:
                facts["note"] = event.note
            yield from state.detection(
                event.rule, event.check, view.within, event.offset, event.length, event.name or event.check, facts
            )
        else:
            yield from _nested(machine, event, view, state)
    for name, verdict in machine.imports.items():
        state.imports.setdefault(name, verdict)
    yield from holdings.told(machine, view, state)


def _nested(machine: Machine, event: Nested, view: View, state: State) -> Iterator[Record]:
    data, start = (event.data, 0) if event.data else (machine.data, event.offset)
    inner = View(
        data,
        start,
        start + (len(event.data) or event.length),
        "nested.pkl",
        f"{view.within}!bytes".lstrip("!"),
        view.depth + 1,
    )
    if event.certain:
        look = yield from state.examine(inner, state)
        if inner.depth > MAX_DEPTH:
            yield from searched(inner, state)
        if look == "unread":
            yield from state.gap("unreadable", "bytes that a loader gets are in no format that is read", view.within)
        return
    if inner.depth > MAX_DEPTH:
        return
    at = start
    for _ in range(MAX_FOLLOWING):
        probe = Machine(data, at, inner.end, state.policy, origin=start, strict=True, torch=True)
        hits = _collected(probe)
        if probe.trouble:
            return
        if probe.blocked:
            yield from _told(probe, iter(hits), inner, state)
            return
        for deeper in hits:
            if isinstance(deeper, Nested):
                yield from _nested(probe, deeper, inner, state)
        at = probe.end
        if not _begins_pickle(inner, at):
            return


def unheaded(view: View, state: State) -> Examination:
    """Walk what may be a pickle without a PROTO opcode: believed at a clean STOP, or when a blocked name is met."""
    machine = Machine(view.data, view.start, view.end, state.policy, origin=view.zero, strict=True)
    hits = _collected(machine)
    clean = not machine.trouble and (machine.imports or machine.end - view.start > 2) and _ends_there(view, machine.end)
    believed = machine.blocked or machine.called or clean
    for _ in range(MAX_FOLLOWING):
        if believed or machine.trouble or machine.end >= view.end:
            break
        machine = Machine(view.data, machine.end, view.end, state.policy, origin=view.zero, strict=True)
        hits = _collected(machine)
        believed = machine.blocked or machine.called
    if not believed:
        return (yield from _leading(view, state))
    state.name("pickle")
    state.pickles += 1
    yield from _told(machine, iter(hits), view, state)
    if machine.trouble:
        yield from _broken(machine, view, state)
    elif machine.end < view.end:
        yield from _onwards(view, machine.end, state)
    return "read"


def _leading(view: View, state: State) -> Examination:
    """Look for a pickle near the start of a file that begins as nothing known and is called a model."""
    if view.depth or not view.name.lower().endswith(MODEL_SUFFIXES):
        return "unread"
    found = list(searched(view, state, MAX_LEADING_BYTES))
    if not found:
        return "unread"
    state.name("pickle")
    yield from found
    yield from state.gap("skipped", "there are bytes before a pickle that are not looked at", view.within)
    return "read"


def _ends_there(view: View, at: int) -> bool:
    return at >= view.end - 1 or _begins_pickle(view, at)


def _onwards(view: View, at: int, state: State) -> Iterator[Record]:
    """Walk on behind the first pickle of a stream."""
    if _begins_pickle(view, at):
        yield from pickled(view.rest(at), state)
    else:
        yield from _rest(view, at, state)


# -- the torch format before 1.6

_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
_STORAGE_BYTES = {
    "Double": 8, "Float": 4, "Half": 2, "BFloat16": 2, "Long": 8, "Int": 4, "Short": 2, "Char": 1, "Byte": 1, "Bool": 1,
    "ComplexDouble": 16, "ComplexFloat": 8, "QUInt8": 1, "QInt8": 1, "QInt32": 4, "QUInt4x2": 1, "QUInt2x4": 1, "Untyped": 1,
}  # fmt: skip


def _legacy(view: View, at: int, state: State) -> Examination:
    """Walk the four pickles behind the magic number, then jump over the storages (torch/serialization.py, _legacy_load)."""
    machine = Machine(view.data, at, at, state.policy)
    persistent: list[object] = []
    for _ in range(4):
        machine = Machine(view.data, at, view.end, state.policy, origin=view.zero, torch=True, keep=1_000_000)
        yield from _told(machine, machine.run(), view, state)
        state.pickles += 1
        if machine.trouble:
            yield from _broken(machine, view, state)
            return "read"
        persistent += machine.persistent
        at = machine.end
    sizes = dict(_storages(persistent))
    keys = machine.result if isinstance(machine.result, list) else []
    state.tensors += len(keys)
    for key in keys:
        size = sizes.get(key) if isinstance(key, bytes) else None
        count = int.from_bytes(view.data[at : min(view.end, at + 8)], "little")
        if size is None or at + 8 + count * size > view.end:
            yield from state.gap("unreadable", "the storages behind the pickle do not fit the file", view.within)
            yield from searched(view.rest(at), state)
            return "read"
        if count * size > 8 and _begins_pickle(view, at + 8):
            yield from _nested(machine, Nested(at + 8, count * size, False), view, state)
        at += 8 + count * size
    if at < view.end:
        yield from _rest(view, at, state)
    return "read"


def _storages(persistent: list[object]) -> Iterator[tuple[bytes, int]]:
    """Yield key and item size in bytes of the persistent ids ("storage", type, key, location, items, view)."""
    for value in persistent:
        if isinstance(value, tuple) and len(value) >= 5 and value[0] == b"storage" and isinstance(value[2], bytes):
            kind = getattr(value[1], "name", "").removesuffix("Storage")
            if kind in _STORAGE_BYTES:
                yield value[2], _STORAGE_BYTES[kind]
