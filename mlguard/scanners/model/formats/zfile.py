"""Unpacks the compressed pickles that joblib wrote before 0.10: "ZF", the size in hexadecimal, and one zlib stream.

Format: joblib/numpy_pickle_compat.py, read_zfile: the size takes 19 characters, and a space may follow it.
"""

from __future__ import annotations

from mlguard.errors import Unreadable
from mlguard.scanners.model import codecs, source
from mlguard.scanners.model.source import MAX_TOTAL_BYTES, View, collect
from mlguard.scanners.model.state import Examination, State

_HEADER_BYTES = 2 + 19


def examine(view: View, state: State) -> Examination:
    """Look into what the stream unpacks to. Raises Unreadable."""
    state.name("joblib")
    head = view.head(_HEADER_BYTES + 1)
    try:
        size = int(head[2:_HEADER_BYTES].strip(), 16)
    except ValueError:
        raise Unreadable("the size in the header of an old joblib file is no number") from None
    start = view.start + _HEADER_BYTES + (head[_HEADER_BYTES:] == b" ")
    most = max(0, min(source.MAX_UNPACKED_BYTES, MAX_TOTAL_BYTES - state.unpacked))
    unpacked = collect(codecs.pieces(view.data, start, view.end, "zlib"), len(view), most)
    state.unpacked += unpacked.size
    if unpacked.bomb:
        yield from state.malformed("bomb", view, 0, "zlib")
    inner = View(unpacked.data, 0, unpacked.size, view.name, view.within, view.depth + 1)
    look = yield from state.examine(inner, state)
    if unpacked.bomb or unpacked.cut:
        yield from state.gap("too-large", "a compressed stream unpacks to more than the limit", view.within)
    elif unpacked.broken:
        yield from state.gap("unreadable", "a compressed stream is damaged or cut short", view.within)
    elif size != unpacked.size:
        yield from state.malformed("header", view, 2, "joblib")
    return look if look != "inert" else "unread"
