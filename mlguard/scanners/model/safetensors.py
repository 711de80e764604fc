"""Checks the header of a safetensors file against the rules of its format.

Format: https://github.com/huggingface/safetensors, README, "Format", and validate() in safetensors/src/tensor.rs.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Sequence

from mlguard.errors import Unreadable
from mlguard.scanners.model.source import View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_HEADER_BYTES = 100_000_000
"""The limit of the reference implementation."""

MAX_NESTING = 8

_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16,
    "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "F64": 64, "I64": 64, "U64": 64, "C64": 64,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


class _Twice(ValueError):
    """A key occurs twice."""


class Header:
    """What the header said: the number of tensors, and (key, text) of its metadata."""

    __slots__ = ("tensors", "texts")

    def __init__(self, tensors: int = 0, texts: Sequence[tuple[str, str]] = ()) -> None:
        self.tensors, self.texts = tensors, texts


def check(view: View) -> Generator[tuple[str, int], None, Header]:
    """Yield (check, byte) of each rule that the file breaks; return what the header said. Raises Unreadable."""
    size = int.from_bytes(view.head(8), "little")
    if size > MAX_HEADER_BYTES:
        yield "header-size", 0
        return Header()
    if size > len(view) - 8:
        raise Unreadable("the safetensors header is longer than the file; was it cut short?")
    try:
        header = json.loads(view.data[view.start + 8 : view.start + 8 + size].decode("utf-8"), object_pairs_hook=_once)
    except _Twice:
        yield "duplicate-key", 8
        return Header()
    except (ValueError, RecursionError):
        raise Unreadable("the safetensors header is not valid JSON") from None
    if not isinstance(header, dict):
        raise Unreadable("the safetensors header is not a JSON object")
    metadata = header.pop("__metadata__", {})
    texts: list[tuple[str, str]] = []
    if isinstance(metadata, dict):
        texts = [(f"__metadata__.{key}", value) for key, value in metadata.items() if isinstance(value, str)]
        texts += [("__metadata__", key) for key in metadata]
    if not isinstance(metadata, dict) or len(texts) < 2 * len(metadata):
        yield "metadata", 8
    yield from _tensors(header, len(view) - 8 - size, 8 + size)
    return Header(len(header), texts)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Twice
    return value


def _tensors(header: dict[str, Any], room: int, base: int) -> Iterator[tuple[str, int]]:
    places = []
    for tensor in header.values():
        place = _place(tensor)
        if place is None:
            yield "tensor-entry", 8
            return
        places.append(place)
    at = 0
    for begin, end, size in sorted(places):
        if end > room:
            yield "offsets-outside", base + min(begin, room)
            return
        if begin != at:
            yield "offsets-gap", base + at
            return
        if size != end - begin:
            yield "tensor-size", base + begin
            return
        at = end
    if at != room:
        yield "trailing-data", base + at


def _place(tensor: object) -> tuple[int, int, int] | None:
    """Return begin, end and the bytes that type and shape ask for (the span itself for a type not known here)."""
    if not isinstance(tensor, dict) or not {"dtype", "shape", "data_offsets"} <= set(tensor):
        return None
    shape, offsets, dtype = tensor["shape"], tensor["data_offsets"], tensor["dtype"]
    if not isinstance(shape, list) or not isinstance(offsets, list) or len(offsets) != 2 or not isinstance(dtype, str):
        return None
    if not all(type(number) is int and 0 <= number < 2**63 for number in [*shape, *offsets]) or offsets[0] > offsets[1]:
        return None
    if len(shape) > 64:
        return None
    bits = _BITS.get(dtype)
    count = 1
    for extent in shape:
        count *= extent
    return offsets[0], offsets[1], offsets[1] - offsets[0] if bits is None else (count * bits + 7) // 8
