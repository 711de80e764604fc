"""Looks into the files of Zarr arrays and of Orbax checkpoints, which keep arrays so: codecs, attributes and chunks.

Formats: https://zarr-specs.readthedocs.io/ (version 2: .zarray, .zattrs, .zmetadata; version 3: zarr.json; chunks are named by
numbers) and OCDBT of TensorStore (manifest.ocdbt and nodes, which begin with 0x0cdb; other data under d/ with names of 32
hexadecimal digits). The codec "pickle" of numcodecs unpickles every chunk that is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from mlguard.errors import Unreadable
from mlguard.scanners.model import pickles, texts
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, State
from mlguard.scanners.model.values import DANGEROUS, UNKNOWN, clean_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Record

MAX_METADATA_BYTES = 16 * 2**20
MAX_NODES = 500_000

_METADATA = (".zarray", ".zattrs", ".zgroup", ".zmetadata", "zarr.json")
_NODES = (b"\x0c\xdb\x3a\x2a", b"\x0c\xdb\x20\xde", b"\x0c\xdb\x12\x34")
_CHUNK = re.compile(r"(?:^|/)\d+(?:[./]\d+)*$|(?:^|/)d/[0-9a-f]{32}$")
_CODECS = frozenset(
    """blosc zlib gzip bz2 lzma lz4 zstd delta fixedscaleoffset quantize packbits astype categorize vlen-utf8 vlen-bytes vlen-array json2
    msgpack2 base64 shuffle bitround crc32 crc32c adler32 fletcher32 jenkins_lookup3 bytes transpose sharding_indexed zfpy pcodec
    endian string_dtype n5_wrapper zlib-ng""".split()  # noqa: SIM905  # a list of names reads better so
)


def examine(view: View, state: State) -> Examination:
    """Yield what codecs and attributes show; a chunk holds numbers. Raises Unreadable."""
    if view.name.lower() in _METADATA:
        return (yield from _metadata(view, state))
    if view.head(4).startswith(_NODES):
        state.name("ocdbt")
        return "read"
    if view.depth == 0 and (yield from pickles.unheaded(view, state)) == "read":
        return "read"
    return "inert" if _CHUNK.search(state.path) else "unread"


def _metadata(view: View, state: State) -> Examination:
    state.name("zarr")
    if len(view) > MAX_METADATA_BYTES:
        raise Unreadable("the metadata of the array is larger than the limit")
    try:
        tree = json.loads(view.data[view.start : view.end])
    except (ValueError, RecursionError):
        raise Unreadable("the metadata of the array is not valid JSON") from None
    queue: list[tuple[str, object]] = [("", tree)]
    pairs: list[tuple[str, str]] = []
    left = MAX_NODES
    while queue and left:
        left -= 1
        key, node = queue.pop()
        if isinstance(node, dict):
            if key in ("filters", "compressor", "codecs"):
                yield from _codec(node, view, state)
            queue.extend(
                (key if key == "codecs" and name == "configuration" else name, item) for name, item in node.items()
            )
        elif isinstance(node, list):
            queue.extend((key, item) for item in node)
        elif isinstance(node, str):
            pairs.append((key, node))
    if queue:
        yield from state.gap("too-large", "the metadata of the array has more parts than the limit", view.within)
    yield from texts.told(pairs, view, state, "zarr")
    return "read"


def _codec(node: dict[str, object], view: View, state: State) -> Iterator[Record]:
    name = node.get("id", node.get("name"))
    if not isinstance(name, str):
        return
    short = name.removeprefix("numcodecs.").lower()
    if short == "pickle":
        shown = "numcodecs.pickles.Pickle"
        state.imports.setdefault(shown, "block")
        facts: dict[str, str | int] = {"name": shown, "opcode": "codec", "format": "zarr"}
        yield from state.detection(DANGEROUS, "library-call", view.within, 0, None, shown, facts)
    elif short not in _CODECS and not short.startswith("imagecodecs_"):
        shown = clean_name("codec", name.replace("-", "_"))
        state.imports.setdefault(shown, "review")
        facts = {"name": shown, "opcode": "codec", "format": "zarr"}
        yield from state.detection(UNKNOWN, "other-library", view.within, 0, None, shown, facts)
