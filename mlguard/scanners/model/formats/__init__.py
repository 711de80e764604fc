"""Which format a file is in, by its first bytes: one line here, one module each in this folder.

A module offers ``examine(view, state) -> Examination``. It is imported when the first file of its format is met.
"""

from __future__ import annotations

from collections.abc import Callable

from mlguard import lazy

Test = Callable[[bytes, str], bool]
"""Asked with the first bytes of a file (up to 4096) and its name in lower case."""


def _starts(*magics: bytes) -> Test:
    return lambda head, name: head.startswith(magics)


_R = (
    b"X\n\0\0\0",
    b"A\n2\n",
    b"A\n3\n",
    b"B\n\2\0\0\0",
    b"B\n\3\0\0\0",
    *(b"RD" + kind + b"\n" for kind in (b"X2", b"X3", b"A2", b"A3", b"B2", b"B3")),
)

_TENSORFLOW = lazy.pattern(r"\.(?:pb|cpb|pbtxt|meta|index|ckpt|ckpt-\d+|data-\d{5}-of-\d{5})\Z")
_PADDLE = lazy.pattern(r"\.(?:pdmodel|pdiparams)\Z|(?:^|/)__(?:model|params)__\Z")


def _graph(head: bytes) -> str:
    """Tell the formats in protobuf apart, which have no magic number."""
    if head[:1] not in (b"\x08", b"\n"):
        return ""
    from mlguard.scanners.model.formats import graphs

    return graphs.kind(head)


_BOOSTER = lazy.pattern(
    rb"[\x06\x08\x04]\0{7}(?:gbtree|gblinear|dart)"
)  # behind the parameters of a binary model without magic
_NAMED_MAP = lazy.pattern(
    rb"[\x81-\x8f][\xa3-\xbf][A-Za-z_][A-Za-z_]{2}"
)  # MessagePack: a map whose first key is a name
_EBCDIC = b"\x4c\x6f\xa7\x94"  # "<?xm" in the code pages of mainframes, which readers of XML in Java know
_OCDBT = (b"\x0c\xdb\x3a\x2a", b"\x0c\xdb\x20\xde", b"\x0c\xdb\x12\x34")
_CHUNK = lazy.pattern(r"\d+(?:\.\d+)*|[0-9a-f]{32}")  # of a Zarr array or an OCDBT store, with nothing else known of it


_TABLE: tuple[tuple[str, Test], ...] = (
    ("hdf5", lambda head, name: b"\x89HDF\r\n\x1a\n" in (head[:8], head[512:520], head[1024:1032], head[2048:2056])),
    ("gguf", _starts(b"GGUF", b"FUGG")),
    ("sevenzip", _starts(b"7z\xbc\xaf\x27\x1c")),
    ("tflite", lambda head, name: head[4:8] == b"TFL3"),
    ("executorch", lambda head, name: head[4:6] in (b"ET", b"FT", b"BP") and head[6:8].isdigit()),
    ("catboost", _starts(b"CBM1")),
    ("lightgbm", _starts(b"tree\nversion=v", b"tree\r\nversion=v", b"______LightGBM_Binary_File_Token______\n")),
    ("rds", _starts(*_R)),
    ("mxnet", _starts(b"\x12\x01\0\0\0\0\0\0")),
    ("tensorrt", _starts(b"ptrt", b"ftrt")),
    ("zfile", _starts(b"ZF0x")),
    ("ggml", _starts(b"lmgg", b"fmgg", b"tjgg", b"algg")),
    ("zarr", lambda head, name: name in ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata") or head.startswith(_OCDBT)),
    ("jsons", lambda head, name: name.endswith((".json", ".jsn")) and (head.lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n")[:1] in (b"{", b"") or name == "modules.json")),
    ("jinja", lambda head, name: name.endswith((".jinja", ".jinja2"))),
    ("mlflow", lambda head, name: name == "mlmodel"),
    ("hydra", lambda head, name: name.endswith((".yaml", ".yml"))),
    ("xml", lambda head, name: name.endswith(".pmml") and head.startswith(_EBCDIC) or name.endswith((".xml", ".pmml")) and head.lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n")[:1] == b"<"),
    ("sentencepiece", lambda head, name: head[:1] == b"\n" and head[2:3] == b"\n" and name.endswith((".model", ".spm"))),
    ("onnx", lambda head, name: name.endswith((".onnx", ".onnx.data", ".onnx_data")) or head[4:8] == b"ORTM" or _graph(head) == "onnx"),
    ("tensorflow", lambda head, name: bool(_TENSORFLOW.search(name)) or _graph(head) in ("saved-model", "graph", "meta-graph")),
    ("coreml", lambda head, name: name.endswith(".mlmodel") or head[64:68] == b"\xef\xbe\xad\xde" or _graph(head) == "coreml"),
    ("paddle", lambda head, name: bool(_PADDLE.search(name)) or not any(head[:16]) and head[20:21] == b"\x08" or _graph(head) == "paddle"),
    ("xgboost", lambda head, name: name.endswith(".ubj") or head[:1] == b"{" and b"learner" in head[:64] or head[:4] == b"binf" or bool(_BOOSTER.search(head, 140, 240))),
    ("flax", lambda head, name: name.endswith((".msgpack", ".mpk")) or bool(_NAMED_MAP.match(head))),
    ("zarr", lambda head, name: bool(_CHUNK.fullmatch(name))),
)  # fmt: skip


def format_of(head: bytes, name: str) -> str:
    """Return the module for a file that begins with ``head`` and is called ``name``, or ""."""
    lower = name.lower()
    return next((module for module, test in _TABLE if test(head, lower)), "")
