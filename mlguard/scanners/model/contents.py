"""Looks into a file, or a part of one, by what its bytes are."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

from mlguard.errors import Unreadable
from mlguard.scanners.model import archives, codecs, formats, holdings, npy, pickles, posers, safetensors, texts, zips
from mlguard.scanners.model.source import MAX_TOTAL_BYTES, View, collect
from mlguard.scanners.model.state import MAX_DEPTH, MODEL_SUFFIXES, Examination, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Record

_NAMED_FORMATS = ((b"Rar!\x1a\x07", "RAR"),)


def examine(view: View, state: State) -> Examination:
    """Yield what the bytes of ``view`` show, by their own first bytes and not by the name."""
    if view.depth > MAX_DEPTH:
        yield from state.malformed("nesting", view, 0, "archive")
        yield from state.gap("skipped", "archives are nested deeper than is followed", view.within)
        return "read"
    head = view.head()
    if not head:
        return "inert"
    look = yield from _by_content(view, head, state)
    graph = next((module for suffix, module in _GRAPHS if view.name.lower().endswith(suffix)), "")
    if graph and _begins_otherwise(head):
        yield from _second_reading(graph, view, state)
    return look


_GRAPHS = ((".onnx", "onnx"), (".pb", "tensorflow"), (".mlmodel", "coreml"), (".pdmodel", "paddle"))
"""Formats without a magic number: a field that nobody knows may spell the first bytes of another format."""


def _begins_otherwise(head: bytes) -> bool:
    """Say whether the first bytes are those of a format that is told by them before any name counts."""
    return (
        head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"\x93NUMPY", b"\x80"))
        or bool(codecs.codec_of(head))
        or archives.is_tar(head)
        or _is_safetensors(head)
    )


def _second_reading(graph: str, view: View, state: State) -> Iterator[Record]:
    """Look at the bytes once more as the loader does that the name stands for, and tell it when that is not harmless."""
    apart = State(state.scanner, state.path, state.policy, state.examine)
    try:
        found = list(_module(graph)(view, apart))
    except Unreadable:
        return
    if apart.blocked:
        state.blocked = True
        state.imports.update(apart.imports)
        yield from found


def _by_content(view: View, head: bytes, state: State) -> Examination:
    may_hide = view.name.lower().endswith(_HDF5) and not head.startswith(b"\x89HDF")
    if may_hide and (yield from _behind_prefix(view, head, state)):
        return "read"
    if head.startswith(b"\x93NUMPY"):
        return (yield from _array(view, state))
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return (yield from archives.zipped(view, state))
    if codec := codecs.codec_of(head):
        return (yield from _compressed(view, state, codec))
    if archives.is_tar(head):
        yield from pickles.unheaded(view, state)  # a text inside a pickle may stand there too
        return (yield from archives.tarred(view, state))
    if head[0] == 0x80 and len(head) > 1 and (head[1] <= 5 or view.name.endswith(MODEL_SUFFIXES)):
        return (yield from _with_tail(view, state, pickles.pickled(view, state)))
    if _is_safetensors(head):
        yield from pickles.unheaded(view, state)  # its length may spell opcodes
        return (yield from _safetensors(view, state))
    if module := formats.format_of(view.head(4096), view.name):
        look = yield from _formatted(module, view, state)
        if look != "unread":
            return look
    return (yield from _otherwise(view, state, head))


def _behind_prefix(view: View, head: bytes, state: State) -> Generator[Record, None, bool]:
    """Look for an HDF5 file behind a user block; return whether the block is none of the other formats."""
    from mlguard.scanners.model.formats import hdf5, hdf5_file

    start = hdf5_file.find(view.data, view.start, view.end)
    if start < 0:
        return False
    other = _begins_otherwise(head)
    if other:
        yield from state.malformed("prefix", view, start - view.zero, "hdf5")
    yield from hdf5.examine(view, state)
    return not other


_HDF5 = (".h5", ".hdf5", ".hdf", ".he5", ".keras")


def _formatted(module: str, view: View, state: State) -> Examination:
    """Let the module of a format look, and the pickle machine first where a loader might see a pickle in the same bytes."""
    if view.depth == 0 or view.name.lower().endswith(MODEL_SUFFIXES):
        yield from pickles.unheaded(view, state)
    look = yield from _module(module)(view, state)
    if zips.ends_here(view.data, view.start, view.end) and module not in _MAY_END_AS_ZIP:
        yield from state.malformed("polyglot", view, 0, "zip")
        yield from archives.zipped(view, state)
    return look


_MAY_END_AS_ZIP = frozenset({"tflite"})  # its metadata writer packs label files behind the model


def _module(name: str) -> Callable[[View, State], Examination]:
    """Return the function of the module for a format; each is imported when it is needed."""
    match name:
        case "hdf5":
            from mlguard.scanners.model.formats.hdf5 import examine as look
        case "gguf":
            from mlguard.scanners.model.formats.gguf import examine as look
        case "ggml":
            from mlguard.scanners.model.formats.ggml import examine as look
        case "sevenzip":
            from mlguard.scanners.model.formats.sevenzip import examine as look
        case "tflite":
            from mlguard.scanners.model.formats.tflite import examine as look
        case "executorch":
            from mlguard.scanners.model.formats.executorch import examine as look
        case "catboost":
            from mlguard.scanners.model.formats.catboost import examine as look
        case "lightgbm":
            from mlguard.scanners.model.formats.lightgbm import examine as look
        case "xgboost":
            from mlguard.scanners.model.formats.xgboost import examine as look
        case "rds":
            from mlguard.scanners.model.formats.rds import examine as look
        case "mxnet":
            from mlguard.scanners.model.formats.mxnet import examine as look
        case "tensorrt":
            from mlguard.scanners.model.formats.tensorrt import examine as look
        case "flax":
            from mlguard.scanners.model.formats.flax import examine as look
        case "zfile":
            from mlguard.scanners.model.formats.zfile import examine as look
        case "zarr":
            from mlguard.scanners.model.formats.zarr import examine as look
        case "jsons":
            from mlguard.scanners.model.formats.jsons import examine as look
        case "jinja":
            from mlguard.scanners.model.formats.jinja import examine as look
        case "mlflow":
            from mlguard.scanners.model.formats.mlflow import examine as look
        case "hydra":
            from mlguard.scanners.model.formats.hydra import examine as look
        case "sentencepiece":
            from mlguard.scanners.model.formats.sentencepiece import examine as look
        case "xml":
            from mlguard.scanners.model.formats.xml import examine as look
        case "onnx":
            from mlguard.scanners.model.formats.onnx import examine as look
        case "tensorflow":
            from mlguard.scanners.model.formats.tensorflow import examine as look
        case "coreml":
            from mlguard.scanners.model.formats.coreml import examine as look
        case "paddle":
            from mlguard.scanners.model.formats.paddle import examine as look
        case _:
            raise AssertionError(name)
    return look


def _otherwise(view: View, state: State, head: bytes) -> Examination:
    is_model = view.name.lower().endswith(MODEL_SUFFIXES)
    if is_model or view.depth == 0:
        look = yield from pickles.unheaded(view, state)
        if look == "read":
            return (yield from _with_tail(view, state, iter(())))
    for magic, kind in _NAMED_FORMATS:
        if head.startswith(magic):
            state.name(kind)
            yield from state.gap("skipped", f"this version does not read {kind} files", view.within)
            return "read"
    poses = view.name.lower().endswith(posers.SUFFIXES)
    if poses and (yield from posers.examine(view, state)) == "read":
        return (yield from _with_tail(view, state, iter(())))
    if (is_model or view.depth == 0) and zips.is_archive(view.data, view.start, view.end):
        if posers.program(head)[0]:
            yield from state.gap("skipped", "the program that the archive is part of is not looked into", view.within)
        return (yield from archives.zipped(view, state))
    return "unread"


def _with_tail(view: View, state: State, records: Iterator[Record]) -> Examination:
    """Look at what begins as something else, and again as a zip archive when it ends as one: loaders differ."""
    yield from records
    if zips.ends_here(view.data, view.start, view.end):
        yield from state.malformed("polyglot", view, 0, "zip")
        yield from archives.zipped(view, state)
    return "read"


def _is_safetensors(head: bytes) -> bool:
    return len(head) > 9 and head[8:9] == b"{" and head[7] == 0 and head[6] == 0 and head[9:10] in b'"}\n '


def _safetensors(view: View, state: State) -> Examination:
    state.name("safetensors")
    checking = safetensors.check(view)
    while True:
        try:
            check, byte = next(checking)
        except StopIteration as end:
            state.tensors += end.value.tensors
            yield from texts.told(end.value.texts, view, state, "safetensors", 8)
            return "read"
        yield from state.malformed(check, view, byte, "safetensors")


def _array(view: View, state: State) -> Examination:
    """Read one array after the other, as several calls of numpy.save leave them."""
    state.name("npy")
    rest = view
    while True:
        header = npy.read(rest)
        state.tensors += 1
        if header.objects:
            return (yield from pickles.pickled(rest.rest(header.start), state))
        after = header.start + header.size
        if header.characters:
            yield from holdings.array(rest.data, header.start, min(after, view.end), header.characters, rest, state)
        if header.size < 0 or after == view.end:
            return "read"
        if after > view.end:
            yield from state.gap("unreadable", "the array is longer than its file; was it cut short?", view.within)
            return "read"
        rest = view.rest(after)
        if rest.head(6) != b"\x93NUMPY":
            yield from state.malformed("trailing-data", view, after - view.zero, "npy")
            yield from pickles.searched(rest, state)
            return "read"


def _compressed(view: View, state: State, codec: str) -> Examination:
    try:
        pieces = codecs.pieces(view.data, view.start, view.end, codec)
        unpacked = collect(pieces, len(view), max(0, min(_most(), MAX_TOTAL_BYTES - state.unpacked)))
    except codecs.Missing as missing:
        yield from state.gap("skipped", f"{codec} streams are read only when {missing} is installed", view.within)
        return "read"
    state.unpacked += unpacked.size
    if unpacked.bomb:
        yield from state.malformed("bomb", view, 0, codec)
    inner = View(unpacked.data, 0, unpacked.size, _without_suffix(view.name), view.within, view.depth + 1)
    look = yield from examine(inner, state)
    if look == "unread" and not inner.name.lower().endswith(MODEL_SUFFIXES):
        look = yield from pickles.unheaded(inner, state)  # joblib asks for no name and for no header
    if look == "read" or view.name.lower().endswith(MODEL_SUFFIXES):
        if unpacked.bomb or unpacked.cut:
            yield from state.gap("too-large", "a compressed stream unpacks to more than the limit", view.within)
        elif unpacked.broken:
            yield from state.gap("unreadable", "a compressed stream is damaged or cut short", view.within)
    if look == "inert" and unpacked.broken:
        return "unread"
    return look


def _most() -> int:
    from mlguard.scanners.model import source

    return source.MAX_UNPACKED_BYTES


def _without_suffix(name: str) -> str:
    lower = name.lower()
    for suffix in (".gz", ".bz2", ".xz", ".lzma", ".zst", ".lz4", ".z"):
        if lower.endswith(suffix):
            return name[: -len(suffix)]
    return name
