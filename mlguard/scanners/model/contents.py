"""Looks into a file, or a part of one, by what its bytes are."""

from __future__ import annotations

from collections.abc import Iterator

from mlguard.findings import Record
from mlguard.scanners.model import archives, codecs, npy, pickles, safetensors, zips
from mlguard.scanners.model.source import MAX_TOTAL_BYTES, View, collect
from mlguard.scanners.model.state import MAX_DEPTH, MODEL_SUFFIXES, Examination, State
from mlguard.scanners.model.values import DANGEROUS

_NAMED_FORMATS = (
    (b"\x89HDF\r\n\x1a\n", "HDF5"), (b"GGUF", "GGUF"), (b"GGML", "GGML"), (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"Rar!\x1a\x07", "RAR"), (b"ZF0x", "old joblib"),
)  # fmt: skip
_PROGRAMS = (
    (b"\x7fELF", "ELF"),
    (b"MZ", "PE"),
    (b"\xcf\xfa\xed\xfe", "Mach-O"),
    (b"\xca\xfe\xba\xbe", "Mach-O or Java"),
)


def examine(view: View, state: State) -> Examination:
    """Yield what the bytes of ``view`` show, by their own first bytes and not by the name."""
    if view.depth > MAX_DEPTH:
        yield from state.malformed("nesting", view, 0, "archive")
        yield from state.gap("skipped", "archives are nested deeper than is followed", view.within)
        return "read"
    head = view.head()
    if not head:
        return "inert"
    if head.startswith(b"\x93NUMPY"):
        return (yield from _array(view, state))
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return (yield from archives.zipped(view, state))
    if codec := codecs.codec_of(head):
        return (yield from _compressed(view, state, codec))
    if head[257:262] == b"ustar":
        yield from pickles.unheaded(view, state)  # a text inside a pickle may stand there too
        return (yield from archives.tarred(view, state))
    if head[0] == 0x80 and len(head) > 1 and (head[1] <= 5 or view.name.endswith(MODEL_SUFFIXES)):
        return (yield from _with_tail(view, state, pickles.pickled(view, state)))
    if _is_safetensors(head):
        yield from pickles.unheaded(view, state)  # its length may spell opcodes
        return (yield from _safetensors(view, state))
    return (yield from _otherwise(view, state, head))


def _otherwise(view: View, state: State, head: bytes) -> Examination:
    is_model = view.name.lower().endswith(MODEL_SUFFIXES)
    if is_model or view.depth == 0:
        look = yield from pickles.unheaded(view, state)
        if look == "read":
            return look
    for magic, kind in _NAMED_FORMATS:
        if head.startswith(magic):
            state.name(kind)
            yield from state.gap("skipped", f"this version does not read {kind} files", view.within)
            return "read"
    for magic, kind in _PROGRAMS:
        if head.startswith(magic) and is_model and any(byte < 9 for byte in head[:64]):
            state.name("program")
            facts: dict[str, str | int] = {"name": f"{kind} program", "opcode": "none", "format": "program"}
            yield from state.detection(DANGEROUS, "program", view.within, 0, len(magic), kind, facts)
            return (yield from _with_tail(view, state, iter(())))
    if head.startswith(b"#!") and is_model and b"/" in head.split(b"\n", 1)[0]:
        state.name("program")
        facts = {"name": "script", "opcode": "none", "format": "program"}
        yield from state.detection(DANGEROUS, "program", view.within, 0, 2, "script", facts)
        return "read"
    if view.depth == 0 and zips.find_end(view.data, view.start, view.end) >= 0:
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
            state.tensors += end.value or 0
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
        yield from state.gap("skipped", f"{codec} streams are read only when {missing} is installed", view.within,
                             "pip install 'mlguard[compression]'")  # fmt: skip
        return "read"
    state.unpacked += unpacked.size
    if unpacked.bomb:
        yield from state.malformed("bomb", view, 0, codec)
    inner = View(unpacked.data, 0, unpacked.size, _without_suffix(view.name), view.within, view.depth + 1)
    look = yield from examine(inner, state)
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
