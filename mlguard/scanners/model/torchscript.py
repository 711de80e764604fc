"""Judges the operators of compiled PyTorch models: TorchScript code, bytecode of the lite interpreter, exported graphs.

Formats: torch/csrc/jit/docs/serialization.md (``code/*.py`` is TorchScript, not Python; operators stand as ``torch.name`` and
``ops.namespace.name``), torch/csrc/jit/mobile/ (bytecode.pkl) and torch/_export/serde/serialize.py (models/*.json). A target of
an exported graph that is no operator is looked up attribute by attribute in the module torch, and expressions go through
sympy, which evaluates them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from mlguard.scanners import lazy
from mlguard.scanners.model import names
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, State
from mlguard.scanners.model.values import DANGEROUS, UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Record

MAX_CODE_BYTES = 64 * 2**20
"""TorchScript of one file that is searched."""

MAX_GRAPH_BYTES = 32 * 2**20
"""An exported graph up to this size is read as JSON; a larger one is a gap."""

MAX_NODES = 4_000_000

_SPACE = rb"(?:[\s\\]++|#[^\n]*+\n)*+"
_CHAIN = lazy.pattern(
    rb'"""[\s\S]*?"""|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|#[^\n]*'
    rb"|(?<![\w.])(torch|ops)\b((?:" + _SPACE + rb"\." + _SPACE + rb"\w++)*+)"
)
"""Strings and comments are passed over."""

_CLASS = lazy.pattern(rb"__torch__\.torch\.classes\.(\w+)\.(\w+)")
_PART = lazy.pattern(rb"#[^\n]*\n|[\s\\]+")
_OPERATOR = lazy.pattern(rb"(?:X(.)\0\0\0|\x8c(.))?(?<!\w)([A-Za-z_]\w{1,60})::([A-Za-z_]\w{1,80})", re.S)

_FILES = frozenset({"save", "load", "from_file", "_save", "_load", "fopen"})
_REMOTE = frozenset({"rpc_async", "rpc_sync", "rpc_remote", "remote"})
_FILE_OPERATORS = frozenset(
    {
        "image.read_file", "image.write_file", "image.decode_video", "torchaudio.sox_io_load_audio_file",
        "torchaudio.sox_io_save_audio_file", "torchaudio.sox_io_get_info", "torchaudio.sox_effects_apply_effects_file",
        "torchaudio.ffmpeg_StreamReader", "video_reader.read_video_from_file", "video_reader.probe_video_from_file",
        "torchvision.read_file", "torchvision.write_file", "prim.PythonOp", "prim.rpc_async", "prim.rpc_sync", "prim.rpc_remote",
        "profiler._record_function_enter_file", "debugprims.load_tensor", "prims._load", "inductor._alloc_from_file",
    }
)  # fmt: skip
_OWN = frozenset(
    {
        "aten", "prim", "prims", "quantized", "quantized_decomposed", "_quantized", "prepacked", "xnnpack", "mkldnn", "mkldnn_prepacked",
        "mkl", "mkl_prepacked", "onednn", "vulkan", "vulkan_prepacked", "metal", "metal_prepacked", "mps", "torchvision", "image",
        "video_reader", "torchaudio", "torchao", "sparse", "inductor", "profiler", "static_runtime", "cuda", "cudnn", "_caffe2", "rnn",
        "higher_order", "export", "rngprims", "debugprims", "streams", "bundled", "aoti", "_test", "core", "_inductor_test", "symm_mem",
        "dim_order_ops", "et_vk", "backend", "internal", "type_check",
    }
)  # fmt: skip
"""Namespaces of operators and classes that come with PyTorch and its own libraries."""


def script(view: View, state: State) -> Examination:
    """Look at TorchScript code."""
    if len(view) > MAX_CODE_BYTES:
        yield from state.gap("too-large", "the TorchScript code is larger than is searched", view.within)
    text = memoryview(view.data)[view.start : min(view.end, view.start + MAX_CODE_BYTES)]
    for match in _CHAIN.finditer(text):
        if match.group(1) is None:
            continue
        rest = _PART.sub(b"", match.group(2)).decode("ascii", "replace").lstrip(".")
        root = match.group(1).decode("ascii")
        name = f"aten.{rest}" if root == "torch" else rest
        if rest or not _is_type(text, match.end()):
            place, length = match.start(), match.end() - match.start()
            yield from _operator(name, f"{root}.{rest}", view, state, "TorchScript code", place, length)
    for match in _CLASS.finditer(text):
        space, name = match.group(1).decode("ascii"), match.group(2).decode("ascii")
        if space not in _OWN:
            yield from _told(UNKNOWN, "custom-operator", f"torch.classes.{space}.{name}", view, state, "TorchScript code",
                             match.start(), match.end() - match.start())  # fmt: skip
    text.release()
    return "read"


def _is_type(text: memoryview, at: int) -> bool:
    """Say whether the word ends a name that is no module: ``torch:`` of a parameter, ``ops=`` of a keyword."""
    return bytes(text[at : at + 8]).lstrip()[:1] in (b":", b"=", b",", b")")


def bytecode(view: View, state: State) -> Iterator[Record]:
    """Look at the operators that a module of the lite interpreter names."""
    text = memoryview(view.data)[view.start : min(view.end, view.start + MAX_CODE_BYTES)]
    for match in _OPERATOR.finditer(text):
        space, name = match.group(3).decode("ascii"), match.group(4).decode("ascii")
        size = (match.group(1) or match.group(2) or b"\0")[0]  # the text is followed by another opcode, often a letter
        name = name[: size - len(space) - 2] if size > len(space) + 2 else name
        name = name[:-1] if not size and name[:-1] in _FILES | _REMOTE else name
        place = match.start(3)
        yield from _operator(
            f"{space}.{name}", f"{space}.{name}", view, state, "bytecode", place, len(space) + 2 + len(name)
        )
    text.release()


def _operator(
    name: str, shown: str, view: View, state: State, place: str, byte: int = 0, length: int | None = None
) -> Iterator[Record]:
    """Judge an operator ``namespace.name`` (an overload may follow)."""
    space, _, rest = name.partition(".")
    leaf = rest.partition(".")[0]
    if space == "aten" and leaf in ("ops", "classes", "jit", "hub"):
        yield from _told(DANGEROUS, "library-call", f"torch.{rest}", view, state, place, byte, length)
    elif (
        space in ("aten", "prim") and leaf in _FILES | _REMOTE or f"{space}.{leaf}" in _FILE_OPERATORS or space == "rpc"
    ):
        yield from _told(
            DANGEROUS,
            "library-call",
            f"{'torch' if space == 'aten' else space}.{leaf}",
            view,
            state,
            place,
            byte,
            length,
        )
    elif not leaf:
        yield from _told(
            UNKNOWN,
            "attribute-access",
            "torch.ops" if shown.startswith("ops") else "torch",
            view,
            state,
            place,
            byte,
            length,
        )
    elif space not in _OWN:
        yield from _told(UNKNOWN, "custom-operator", f"{space}.{leaf}", view, state, place, byte, length)


def _told(
    rule: str, check: str, name: str, view: View, state: State, place: str, byte: int = 0, length: int | None = None
) -> Iterator[Record]:
    state.imports[name] = "block" if rule == DANGEROUS else "review"
    facts: dict[str, str | int] = {"name": name, "opcode": place, "format": state.format or "torchscript"}
    yield from state.detection(rule, check, view.within, byte, length, name, facts)


# -- exported graphs

_PLAIN_EXPRESSION = lazy.pattern(r"[\w\s+\-*/%().,<>=!&|~\[\]'\"$:]*\Z", re.A)
_CODE = lazy.pattern(r"__|\b(?:import|exec|eval|compile|open|getattr|lambda|globals|os|sys|subprocess)\b")
_SYMBOLIC = lazy.pattern(r"torch\.(?:_?sym_\w+|_check\w*)$|math\.\w+$|_operator\.\w+$")


def graph(view: View, state: State) -> Examination:
    """Look at the targets and expressions of an exported program."""
    if len(view) > MAX_GRAPH_BYTES:
        yield from state.gap("too-large", "the exported graph is larger than is read", view.within)
        return "read"
    try:
        tree = json.loads(view.data[view.start : view.end])
    except (ValueError, RecursionError):
        yield from state.gap("unreadable", "the exported graph is not valid JSON", view.within)
        return "read"
    queue, left = [tree], MAX_NODES
    while queue and left:
        left -= 1
        node = queue.pop()
        if isinstance(node, list):
            queue.extend(node)
        elif isinstance(node, dict):
            queue.extend(node.values())
            if isinstance(node.get("target"), str) and "inputs" in node:
                yield from _target(node["target"], view, state)
            for key in ("expr_str", "guards_code", "as_expr"):
                yield from _expression(node.get(key), view, state)
    if queue:
        yield from state.gap("too-large", "the exported graph has more nodes than are read", view.within)
    return "read"


def _target(target: str, view: View, state: State) -> Iterator[Record]:
    if target.startswith("torch.ops.") and target.count(".") > 2:
        yield from _operator(target.removeprefix("torch.ops."), target, view, state, "graph")
    elif _SYMBOLIC.match(target):
        return
    elif target.startswith("torch"):
        module, _, name = target.rpartition(".")
        yield from names.told(module, name, view, state, "graph", "torch.export")
    else:
        yield from _told(UNKNOWN, "custom-operator", "(an operator of its own)", view, state, "graph")


def _expression(value: object, view: View, state: State) -> Iterator[Record]:
    """Expressions are read by sympy or run as guards: they must be arithmetic."""
    for text in value if isinstance(value, list) else [value]:
        if isinstance(text, str) and (_CODE.search(text) or not _PLAIN_EXPRESSION.match(text)):
            facts: dict[str, str | int] = {
                "name": "an expression of a size",
                "opcode": "graph",
                "format": "torch.export",
            }
            yield from state.detection(DANGEROUS, "expression", view.within, 0, None, "expression", facts)
