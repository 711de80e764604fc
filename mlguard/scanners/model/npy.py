"""Reads the header of a NumPy array file: its shape and type, and where a pickle follows.

Format: numpy/lib/format.py (NEP 1), versions 1 to 3.
"""

from __future__ import annotations

from mlguard import lazy
from mlguard.errors import Unreadable
from mlguard.scanners.model.source import View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_HEADER_BYTES = 2**16
_TYPE = lazy.pattern(r"[<>|=]?([biufcSUVOmMa?T])(\d*)(?:\[[\w ]+\])?$")


_LONG = lazy.pattern(r"(?<![\w'\"])(\d+)L\b")
"""A whole number as Python 2 wrote it, which numpy reads too (numpy/lib/_format_impl.py, _filter_header)."""

_TEXT = lazy.pattern(r"[<=|]?U(\d{1,4})$")


class Header:
    """``objects`` says that the data is a pickle; else it takes ``size`` bytes from ``start`` on (-1: unknown).

    ``characters`` is how many each item has when the items are texts of four bytes a character, else 0.
    """

    __slots__ = ("characters", "objects", "size", "start")

    def __init__(self, start: int, size: int, objects: bool, characters: int = 0) -> None:
        self.start, self.size, self.objects, self.characters = start, size, objects, characters


def read(view: View) -> Header:
    """Return the header. Raises Unreadable."""
    head = view.head(12)
    if len(head) < 10:
        raise Unreadable("the array file ends within its header")
    wide = head[6] >= 2
    length = int.from_bytes(head[8:12] if wide else head[8:10], "little")
    begin = view.start + (12 if wide else 10)
    if head[6] not in (1, 2, 3) or length > MAX_HEADER_BYTES or begin + length > view.end:
        raise Unreadable("the header of the array is of an unknown version, too long or cut short")
    value = _literal(view.data[begin : begin + length].decode("utf-8" if head[6] == 3 else "latin-1", "replace"))
    size, objects = _item(value["descr"], 0)
    for extent in value["shape"]:
        size = size * extent if size >= 0 else size
    if not objects and not all(type(extent) is int and extent >= 0 for extent in value["shape"]):
        raise Unreadable("the header of the array is not a plain dictionary")
    text = _TEXT.match(value["descr"]) if isinstance(value["descr"], str) else None
    return Header(begin + length, size, objects, int(text.group(1)) if text else 0)


def _literal(text: str) -> dict[str, Any]:
    """Return the header's dictionary. Only literals are read, nothing is evaluated. Raises Unreadable."""
    import ast

    try:
        value = ast.literal_eval(_LONG.sub(r"\1", text.strip()))
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        raise Unreadable("the header of the array is not a plain dictionary") from None
    fits = isinstance(value, dict) and set(value) == {"descr", "fortran_order", "shape"}
    if not fits or not isinstance(value["shape"], tuple) or not all(isinstance(x, int) for x in value["shape"]):
        raise Unreadable("the header of the array is not a plain dictionary")
    return dict(value)


def _item(descr: object, depth: int) -> tuple[int, bool]:
    """Return the bytes of one item (-1: unknown) and whether it holds objects."""
    if depth > 16:
        raise Unreadable("the type of the array is nested too deeply")
    if isinstance(descr, str):
        match = _TYPE.match(descr)
        if not match:
            return -1, True  # numpy takes many more: "object", "f8,O"
        size = int(match.group(2)[:9] or "1")
        return size * (4 if match.group(1) == "U" else 1), match.group(1) == "O"
    if isinstance(descr, tuple) and len(descr) == 2:
        size, objects = _item(descr[0], depth + 1)
        shape = descr[1] if isinstance(descr[1], tuple) else (descr[1],)
        for extent in shape:
            size = size * extent if isinstance(extent, int) and size >= 0 else -1
        return size, objects
    if not isinstance(descr, list):
        return -1, True  # a dictionary of names and formats
    total, objects = 0, False
    for item in descr:
        if not isinstance(item, tuple) or len(item) not in (2, 3):
            raise Unreadable("the type of the array is unknown")
        size, held = _item(item[1] if len(item) == 2 else (item[1], item[2]), depth + 1)
        total, objects = total + size if size >= 0 and total >= 0 else -1, objects or held
    return total, objects
