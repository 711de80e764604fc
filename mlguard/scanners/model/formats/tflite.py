"""Looks into a TensorFlow Lite model: which operators it calls, what its texts say, and what is packed behind it.

Format: tensorflow/compiler/mlir/lite/schema/schema.fbs (file identifier TFL3). A model with metadata is also a zip archive of
label files (tensorflow/lite/support, metadata_schema.fbs). "Flex" operators run a TensorFlow kernel: its node stands as a
NodeDef in the operator's options, and that node counts, not the operator's name (tensorflow/lite/delegates/flex/kernel.cc).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlguard.errors import Unreadable
from mlguard.scanners.model import codecs, texts, zips
from mlguard.scanners.model.formats import flatbuffer, lite_operators, operators
from mlguard.scanners.model.formats.flatbuffer import Outside, Table, TooMuch
from mlguard.scanners.model.source import View, collect
from mlguard.scanners.model.state import Examination, State
from mlguard.scanners.model.values import UNKNOWN, clean_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Record

MAX_OPERATORS = 100_000
"""Operator codes of a model, and operators of all its subgraphs whose options are looked at."""

MAX_PARTS = 100_000
"""Subgraphs, buffers, signatures or metadata entries."""

MAX_OPTIONS_BYTES = 2**16
"""Of one operator's options."""

MAX_MEMBER_BYTES = 64 * 2**20
"""Of one file packed behind the model."""

MAX_TEXT_BYTES = 4 * 2**20
"""Of one label file."""

_CUSTOM = 32
_LAST_BUILTIN = 400
"""The builtin operators end at 209 in 2025; room is left for those to come."""

_KNOWN = frozenset(
    {
        "TFLite_Detection_PostProcess", "Mfcc", "AudioSpectrogram", "NumericVerify", "Convolution2DTransposeBias",
        "MaxPoolingWithArgmax2D", "MaxUnpooling2D", "TransformTensor", "TransformTensorBilinear", "TransformLandmarks",
        "Landmarks2TransformMatrix", "Resampler", "AlignPoints", "edgetpu-custom-op", "HashTable", "HashTableFind",
        "HashTableImport", "HashTableSize", "HASHTABLE_LOOKUP", "LSH_PROJECTION", "Irfft2d", "Roll", "Atan2", "Sign", "SpaceToBatchND",
        "RandomUniform", "RandomUniformInt", "RandomStandardNormal", "Multinomial", "Dense", "NGrams", "ExtractFeatures", "Normalize",
        "Predict", "DenseImageWarp", "CumSum", "Bucketize", "BroadcastTo", "BroadcastGradientArgs", "StridedSliceGrad",
        "LayoutLMv2", "TFSentencepieceTokenizeOp", "TFSentencepieceDetokenizeOp", "TFSentencepieceSize", "RaggedTensorToTensor",
        "RaggedRange", "RaggedGather", "Delegate", "DISPATCH_OP", "odml.sdpa", "odml.rms_norm", "ExpandStringsAsNgrams",
        "SIGNAL_FRAMER", "SignalFramer", "SignalOverlapAdd", "SignalWindow", "SignalRfft", "SignalIrfft", "SignalEnergy",
        "SignalFftAutoScale", "SignalFilterBank", "SignalFilterBankLog", "SignalFilterBankSpectralSubtraction",
        "SignalFilterBankSquareRoot", "SignalPCAN", "SignalStacker", "SignalDelay", "CIRCULAR_BUFFER", "ethos-u",
        "NeutronGraph", "Decode", "SPECTROGRAM", "MFCC",
    }
)  # fmt: skip
"""Custom operators of TensorFlow Lite, TensorFlow Lite Micro, MediaPipe, LiteRT and TensorFlow Text, by their registrations."""

_FAMILIES = re.compile(r"(?:TFText>|KmlOp|mediapipe\.|Mediapipe|MediaPipe|stablehlo\.|xla_)")
_CONVERTER = frozenset({"min_runtime_version", "CONVERSION_METADATA", "reduced_precision_support", "TFLITE_METADATA"})


def examine(view: View, state: State) -> Examination:
    """Yield what the operators, texts and packed files of the model show."""
    state.name("tflite")
    try:
        model = flatbuffer.root(view)
        yield from _operators(model, view, state)
        yield from _buffers(model, view, state)
        yield from _graphs(model, view, state)
        yield from _metadata(model, view, state)
    except Outside as trouble:
        yield from state.malformed("header", view, max(0, trouble.byte - view.start), "tflite")
    except TooMuch:
        yield from state.gap("too-large", "the model has more parts than are looked at", view.within)
    if zips.is_archive(view.data, view.start, view.end):
        yield from _packed(view, state)
    return "read"


def _operators(model: Table, view: View, state: State) -> Iterator[Record]:
    for code in model.tables(1, MAX_OPERATORS):
        builtin = max(code.byte(0), code.integer(3))
        name = code.text(1)
        if builtin == _CUSTOM or name:
            yield from _custom(name, code.at - view.start, view, state)
        elif not 0 <= builtin <= _LAST_BUILTIN:
            yield from lite_operators.review(f"builtin_{builtin}", view, state, "tflite", code.at - view.start)
    if model.vector(1, 4)[1] > MAX_OPERATORS:
        yield from state.gap("too-large", "the model has more operators than the limit", view.within)


def _custom(name: str, byte: int, view: View, state: State) -> Iterator[Record]:
    if name in _KNOWN or _FAMILIES.match(name):
        return
    if name.startswith("Flex"):
        yield from lite_operators.kernel(name.removeprefix("Flex"), view, state, "tflite", byte)
    else:
        yield from lite_operators.review(name, view, state, "tflite", byte)


def _buffers(model: Table, view: View, state: State) -> Iterator[Record]:
    """Check that the buffers which stand behind the FlatBuffer (Buffer.offset, Buffer.size) lie in the file."""
    for count, buffer in enumerate(model.tables(4, MAX_PARTS)):
        offset, size = buffer.long(1), buffer.long(2)
        if offset > 1 and offset + size > len(view):
            yield from state.malformed("offsets-outside", view, buffer.at - view.start, "tflite")
            return
        if count < 1000:
            buffer.vector(0, 1)
    for group in model.tables(8, MAX_PARTS):
        path = group.text(0)
        if operators.leaves(path):
            yield from state.malformed("external-path", view, group.at - view.start, "tflite")


def _graphs(model: Table, view: View, state: State) -> Iterator[Record]:
    left = MAX_OPERATORS
    flex = {number for number, code in enumerate(model.tables(1, MAX_OPERATORS)) if code.text(1).startswith("Flex")}
    for graph in model.tables(2, MAX_PARTS):
        state.tensors += graph.vector(0, 4)[1]
        if not flex:
            continue
        for operator in graph.tables(3, left):
            left -= 1
            if operator.unsigned(0) in flex:
                place, size = operator.vector(5, 1)
                options = bytes(view.data[place : place + min(size, MAX_OPTIONS_BYTES)])
                for name in sorted(lite_operators.nodes(options)):
                    yield from lite_operators.kernel(name, view, state, "tflite", place - view.start)
        if left <= 0:
            yield from state.gap("too-large", "the model has more operators than the limit", view.within)
            return


def _metadata(model: Table, view: View, state: State) -> Iterator[Record]:
    pairs = [("description", model.text(3))]
    buffers = list(model.tables(4, MAX_PARTS)) if model.vector(6, 4)[1] else []
    for entry in model.tables(6, MAX_PARTS):
        name, number = entry.text(0), entry.unsigned(1)
        if number >= len(buffers):
            raise Outside(entry.at)
        place, size = buffers[number].vector(0, 1)
        if name == "TFLITE_METADATA" and size >= 8:
            pairs += _described(View(view.data, place, place + size, view.name))
        elif name not in _CONVERTER and size:
            yield from _attached(view.inner(view.data, place, place + size, "metadata"), pairs, state)
    for signature in model.tables(7, 1000):
        pairs.append(("signature", signature.text(2)))
        pairs += [("signature", item.text(0)) for field in (0, 1) for item in signature.tables(field, 1000)]
    yield from texts.told([pair for pair in pairs if pair[1]], view, state, "tflite")


def _described(view: View) -> list[tuple[str, str]]:
    """Return the texts of a ModelMetadata table (file identifier M001)."""
    root = flatbuffer.root(view)
    keys = (("name", 0), ("description", 1), ("version", 2), ("author", 4), ("license", 5))
    return [(key, root.text(number)) for key, number in keys]


def _attached(inner: View, pairs: list[tuple[str, str]], state: State) -> Iterator[Record]:
    """Look at metadata that no converter writes: text, or something with a format of its own."""
    head = inner.head()
    if head[:1] == b"\x80" or head.startswith((b"PK", b"\x7fELF", b"MZ", b"\x93NUMPY")) or codecs.codec_of(head):
        yield from state.examine(inner, state)
    elif b"\0" not in head:
        pairs.append(
            ("metadata", bytes(inner.data[inner.start : inner.end][:MAX_TEXT_BYTES]).decode("utf-8", "replace"))
        )


def _packed(view: View, state: State) -> Iterator[Record]:
    """Look at the files packed behind the model: labels and vocabularies, or something that no model needs."""
    try:
        directory = zips.read(view.data, view.start, view.end)
    except Unreadable as trouble:
        yield from state.gap("unreadable", str(trouble), view.within)
        return
    for check, name, byte in directory.problems:
        if check not in ("prefix", "hidden-member"):
            inner = view.inner(view.data, view.start, view.end, name) if name else view
            yield from state.malformed(check, inner, byte - view.start, "tflite")
    for member in directory.members:
        inner = view.inner(view.data, view.start, view.end, member.name)
        if check := zips.unsafe_name(member):
            yield from state.malformed(check, inner, member.header - view.start, "tflite")
        try:
            yield from _member(view, member, state)
        except (Unreadable, codecs.Missing):
            yield from state.gap("unreadable", "a file packed behind the model cannot be unpacked", inner.within)


def _member(view: View, member: zips.Member, state: State) -> Iterator[Record]:
    if member.method == 0:
        inner = view.inner(view.data, member.start, member.end, member.name)
    else:
        unpacked = collect(zips.iterate(view.data, member), member.end - member.start, MAX_MEMBER_BYTES)
        state.unpacked += unpacked.size
        inner = view.inner(unpacked.data, 0, unpacked.size, member.name)
        if unpacked.bomb:
            yield from state.malformed("bomb", inner, 0, "tflite")
        if unpacked.cut or unpacked.bomb:
            yield from state.gap("too-large", "a compressed stream unpacks to more than the limit", inner.within)
        elif unpacked.broken:
            yield from state.gap("unreadable", "a compressed stream is damaged or cut short", inner.within)
    head = inner.head(4096)
    if kind := lite_operators.native(head):
        facts: dict[str, str | int] = {"name": kind, "opcode": "member", "format": "tflite"}
        yield from state.detection(UNKNOWN, "native-code", inner.within, 0, None, kind, facts)
        return
    look = yield from state.examine(inner, state)
    if look != "unread":
        return
    if b"\0" in head and not inner.name.endswith((".model", ".spm")):
        yield from state.gap(
            "skipped", "a file packed behind the model is of a kind that is not looked into", inner.within
        )
        return
    body = bytes(inner.data[inner.start : min(inner.end, inner.start + MAX_TEXT_BYTES)]).decode("utf-8", "replace")
    yield from texts.told([(clean_name("", inner.name.partition(".")[0]), body)], inner, state, "tflite")
