"""Looks into ExecuTorch programs and tensor files: operators, delegates with compiled code, and segments.

Formats: executorch/schema/program.fbs (identifier ET12) behind executorch/schema/extended_header.h ("eh00": size of the
header, size of the program, where the segments begin and how many bytes they have); extension/flat_tensor (FT01) has the
same with "FH01"; devtools/bundled_program (BP08) holds a program as bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlguard.scanners.model import texts
from mlguard.scanners.model.formats import flatbuffer, lite_operators
from mlguard.scanners.model.formats.flatbuffer import Outside, Table, TooMuch
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, State
from mlguard.scanners.model.values import UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Record

MAX_PARTS = 100_000
"""Plans, operators, delegates, segments or names of a program."""

MAX_FRAMES = 10_000
"""Entries of stack traces."""

_LIBRARIES = frozenset(
    {
        "aten", "prim", "prims", "executorch_prim", "dim_order_ops", "quantized_decomposed", "llama", "torchao", "et_vk", "etvk",
        "cadence", "cortex_m", "sgl_kernels", "torch", "_operator", "et", "quantized", "backend",
    }
)  # fmt: skip
"""Namespaces of the kernels that ExecuTorch ships."""

_DATA_ONLY = frozenset(
    {"XnnpackBackend", "CoreMLBackend", "CoreAIBackend", "MPSBackend", "VulkanBackend", "TOSABackend", "MLXBackend"}
)
"""Delegates whose data describes a graph and its weights: nothing of it runs as a program of the processor."""


def examine(view: View, state: State) -> Examination:
    """Yield what the operators, delegates and segments show."""
    state.name("executorch")
    try:
        magic = view.head(8)[4:8]
        if magic.startswith(b"FT"):
            yield from _tensors(view, state)
        elif magic.startswith(b"BP"):
            return (yield from _bundled(view, state))
        else:
            yield from _program(view, state)
    except Outside as trouble:
        yield from state.malformed("header", view, max(0, trouble.byte - view.start), "executorch")
    except TooMuch:
        yield from state.gap("too-large", "the model has more parts than are looked at", view.within)
    return "read"


def _bundled(view: View, state: State) -> Examination:
    place, size = flatbuffer.root(view).vector(2, 1)
    if not size:
        yield from state.gap("skipped", "the bundle holds no program", view.within)
        return "read"
    return (yield from state.examine(view.inner(view.data, place, place + size, "program.pte"), state))


def _header(view: View, state: State, magic: bytes) -> Iterator[Record]:
    """Check the extended header, where there is one."""
    head = view.head(48)
    if head[8:12] != magic or len(head) < 40:
        return
    size = int.from_bytes(head[12:16], "little")
    first, second, third, fourth = (int.from_bytes(head[at : at + 8], "little") for at in (16, 24, 32, 40))
    if magic == b"eh00":
        ends = [first, second, second + (third if size > 24 else 0)]
    else:
        ends = [first + second, third, third + fourth]
    if max(ends) > len(view) or not 24 <= size <= 256:
        yield from state.malformed("offsets-outside", view, 8, "executorch")


def _base(view: View) -> int:
    """Return where the segments begin, counted from the start of the file, or 0."""
    head = view.head(48)
    if head[8:12] == b"eh00":
        return int.from_bytes(head[24:32], "little")
    return int.from_bytes(head[32:40], "little") if head[8:12] == b"FH01" else 0


def _program(view: View, state: State) -> Iterator[Record]:
    yield from _header(view, state, b"eh00")
    program = flatbuffer.root(view)
    pairs: list[tuple[str, str]] = []
    segments = list(_segments(program, 4, view))
    for plan in program.tables(1, MAX_PARTS):
        state.tensors += plan.vector(2, 4)[1]
        yield from _operators(plan, view, state)
        yield from _delegates(plan, view, state)
        pairs += _frames(plan)
    for constant in program.tables(2, MAX_PARTS):
        constant.vector(0, 1)
    yield from _compiled(program, segments, view, state)
    pairs += [("named_data", entry.text(0)) for entry in program.tables(7, MAX_PARTS)]
    yield from texts.told(pairs, view, state, "executorch")
    yield from _placed(segments, view, state)


def _operators(plan: Table, view: View, state: State) -> Iterator[Record]:
    for operator in plan.tables(6, MAX_PARTS):
        name = operator.text(0)
        library = name.partition("::")[0] if "::" in name else ""
        if name in ("aten::from_file", "aten::save", "aten::load"):
            yield from lite_operators.blocked(
                "file-operator", name, view, state, "executorch", operator.at - view.start
            )
        elif library not in _LIBRARIES:
            yield from lite_operators.review(name, view, state, "executorch", operator.at - view.start)


def _delegates(plan: Table, view: View, state: State) -> Iterator[Record]:
    for delegate in plan.tables(7, MAX_PARTS):
        name = delegate.text(0)
        for spec in delegate.tables(2, 1000):
            spec.text(0)
        if name not in _DATA_ONLY:
            shown = lite_operators.shown_name(name)
            state.imports.setdefault(f"delegate.{shown}", "review")
            yield from _native(shown, delegate.at - view.start, view, state)


def _native(name: str, byte: int, view: View, state: State) -> Iterator[Record]:
    facts: dict[str, str | int] = {"name": name, "opcode": "delegate", "format": "executorch"}
    yield from state.detection(UNKNOWN, "native-code", view.within, byte, None, name, facts)


def _frames(plan: Table) -> Iterator[tuple[str, str]]:
    """Yield file names and source lines of the stack traces that a program may carry."""
    left = MAX_FRAMES
    for chain in plan.tables(5, MAX_PARTS):
        for frames in chain.tables(3, left):
            for frame in frames.tables(0, 1000):
                left -= 1
                yield "filename", frame.text(0)
                yield "context", frame.text(3)
                if left <= 0:
                    return


def _compiled(program: Table, segments: list[tuple[int, int]], view: View, state: State) -> Iterator[Record]:
    """Tell of delegate data and segments that begin as a compiled program."""
    inline = [blob.vector(0, 1) for blob in program.tables(3, MAX_PARTS)]
    base = view.start + _base(view)
    for place, size in inline + [(base + offset, size) for offset, size in segments]:
        head = bytes(view.data[place : min(view.end, place + min(size, 16))]) if 0 <= place < view.end else b""
        if kind := lite_operators.native(head):
            yield from _native(kind, place - view.start, view, state)


def _segments(program: Table, number: int, view: View) -> Iterator[tuple[int, int]]:
    for segment in program.tables(number, MAX_PARTS):
        yield segment.long(0), segment.long(1)


def _placed(segments: list[tuple[int, int]], view: View, state: State) -> Iterator[Record]:
    base = _base(view)
    for offset, size in segments:
        if base + offset + size > len(view):
            yield from state.malformed("offsets-outside", view, 0, "executorch")
            return


def _tensors(view: View, state: State) -> Iterator[Record]:
    yield from _header(view, state, b"FH01")
    root = flatbuffer.root(view)
    names = [("named_data", entry.text(0)) for entry in root.tables(2, MAX_PARTS)]
    state.tensors += len(names)
    yield from texts.told(names, view, state, "executorch")
    yield from _placed(list(_segments(root, 1, view)), view, state)
