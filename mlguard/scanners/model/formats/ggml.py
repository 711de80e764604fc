"""Looks into model files of ggml before GGUF: sizes in the header and the vocabulary.

Formats: llama.cpp before August 2023 (file versions ggml, ggmf 1, ggjt 1 to 3, ggla 1) and whisper.cpp (whisper_model_load),
which still writes "ggml". Numbers are little-endian. Behind the vocabulary there are only tensors: number of dimensions,
length of the name, type, extents, name, numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from mlguard.scanners.model import texts
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, State

MAX_VOCABULARY = 1_000_000
MAX_TOKEN_BYTES = 2**12
MAX_NAME_BYTES = 512

_VERSIONS = {b"fmgg": range(1, 2), b"tjgg": range(1, 4), b"algg": range(1, 2)}

Words = tuple[list[str], int]


def examine(view: View, state: State) -> Examination:
    """Yield what does not fit the format, and what the vocabulary shows."""
    state.name("ggml")
    magic = view.head(4)
    versions = _VERSIONS.get(magic)
    if versions and (len(view) < 8 or _integer(view, 4) not in versions):
        yield from state.malformed("header", view, 4, "ggml")
        return "read"
    found = _words(view, magic)
    if found is None:
        yield from state.gap("skipped", "the header of this ggml file is of a model that is not known", view.within)
        return "read"
    yield from texts.told([("vocabulary", word) for word in found[0]], view, state, "ggml")
    if not _begins_tensor(view, found[1]):
        yield from state.malformed("header", view, min(found[1], len(view)), "ggml")
    return "read"


def _integer(view: View, at: int) -> int:
    """Return the number at ``at``, counted from the start of the view, or -1."""
    place = view.start + at
    return int(struct.unpack_from("<i", view.data, place)[0]) if 0 <= at <= len(view) - 4 else -1


def _words(view: View, magic: bytes) -> Words | None:
    """Return the vocabulary and the place behind it, in the first layout that leads to a tensor."""
    if magic == b"algg":
        return [], 16  # rank and alpha, then tensors
    if magic in (b"fmgg", b"tjgg"):
        return _read(view, 36, _integer(view, 8), True)
    for at, count in _layouts(view):
        found = _read(view, at, count, False)
        if found and _begins_tensor(view, found[1]):
            return found
    return None


def _layouts(view: View) -> Iterator[tuple[int, int]]:
    """Yield where the words may begin and how many there are: whisper.cpp, the examples of ggml, llama.cpp."""
    bands, width = _integer(view, 48), _integer(view, 52)
    if 0 < bands <= 1024 and 0 < width <= 2**16:
        at = 56 + 4 * bands * width
        yield at + 4, _integer(view, at)
    for at in (28, 32, 36):
        if _integer(view, at) == _integer(view, 4):
            yield at + 4, _integer(view, at)
    yield 32, _integer(view, 4)


def _read(view: View, at: int, count: int, scored: bool) -> Words | None:
    if not 0 < count <= MAX_VOCABULARY:
        return None
    words: list[str] = []
    for _ in range(count):
        size = _integer(view, at)
        if not 0 <= size <= MAX_TOKEN_BYTES or at + 4 + size > len(view):
            return None
        place = view.start + at + 4
        words.append(bytes(view.data[place : place + size]).decode("utf-8", "replace"))
        at += 4 + size + 4 * scored
    return words, at


def _begins_tensor(view: View, at: int) -> bool:
    if at >= len(view):
        return at == len(view)  # for-tests models of whisper.cpp end here
    dimensions, size, kind = _integer(view, at), _integer(view, at + 4), _integer(view, at + 8)
    fits = 1 <= dimensions <= 4 and 0 < size <= MAX_NAME_BYTES and 0 <= kind < 64
    place = at + 12 + 4 * dimensions
    if not fits or place + size > len(view):
        return False
    return bytes(view.data[view.start + place : view.start + place + size]).isascii()
