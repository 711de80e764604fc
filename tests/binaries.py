"""Builds files of binary model formats field by field: FlatBuffers, R data, UBJSON, MessagePack and others."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any

Fields = Mapping[int, tuple[str, Any]]


# -- FlatBuffers

_WIDTHS = {"u8": "<B", "i32": "<i", "u32": "<I", "u64": "<Q"}


def flat(root: Fields, magic: bytes) -> bytes:
    """Return a FlatBuffer. A field is ("u8" | "i32" | "u32" | "u64", number), ("text" | "bytes", value), ("table", fields),
    ("tables", [fields]) or ("texts", [text])."""
    out = bytearray(b"\0\0\0\0" + magic)
    struct.pack_into("<I", out, 0, _table(out, root))
    return bytes(out)


def _table(out: bytearray, fields: Fields) -> int:
    count = max(fields, default=-1) + 1
    offsets, at = [0] * count, 4
    for number, (kind, _) in sorted(fields.items()):
        offsets[number] = at
        at += struct.calcsize(_WIDTHS.get(kind, "<I"))
    vtable = len(out)
    out += struct.pack(f"<HH{count}H", 4 + 2 * count, at, *offsets)
    place = len(out)
    out += struct.pack("<i", place - vtable) + bytes(at - 4)
    for number, (kind, value) in sorted(fields.items()):
        here = place + offsets[number]
        if kind in _WIDTHS:
            struct.pack_into(_WIDTHS[kind], out, here, value)
        else:
            struct.pack_into("<I", out, here, _behind(out, kind, value) - here)
    return place


def _behind(out: bytearray, kind: str, value: Any) -> int:
    if kind == "table":
        return _table(out, value)
    place = len(out)
    if kind in ("text", "bytes"):
        raw = value.encode() if isinstance(value, str) else value
        out += struct.pack("<I", len(raw)) + raw + b"\0"
        return place
    out += struct.pack("<I", len(value)) + bytes(4 * len(value))
    for number, item in enumerate(value):
        here = place + 4 + 4 * number
        child = _table(out, item) if kind == "tables" else _behind(out, "text", item)
        struct.pack_into("<I", out, here, child - here)
    return place


def tflite(
    *codes: str | int,
    options: Iterable[tuple[int, bytes]] = (),
    metadata: Iterable[tuple[str, bytes]] = (),
    more: Fields | None = None,
) -> bytes:
    """Return a TensorFlow Lite model: operators by custom name or builtin number, options of operators, metadata."""
    operators = [
        {0: ("u8", 32), 1: ("text", code), 3: ("i32", 32)}
        if isinstance(code, str)
        else {0: ("u8", min(code, 127)), 3: ("i32", code)}
        for code in codes
    ]
    calls = [{0: ("u32", index), 5: ("bytes", raw)} for index, raw in options]
    pairs = list(metadata)
    root: dict[int, tuple[str, Any]] = {
        0: ("u32", 3),
        1: ("tables", operators),
        2: ("tables", [{0: ("tables", []), 3: ("tables", calls)}]),
        4: ("tables", [{}] + [{0: ("bytes", raw)} for _, raw in pairs]),
        6: ("tables", [{0: ("text", name), 1: ("u32", number + 1)} for number, (name, _) in enumerate(pairs)]),
    }
    return flat({**root, **(more or {})}, b"TFL3")


def executorch(operators: Iterable[str] = (), delegates: Iterable[str] = (), inline: bytes = b"", header: bytes = b"", segments: Iterable[tuple[int, int]] = ()) -> bytes:  # fmt: skip
    """Return an ExecuTorch program with these operators, delegates, inline data and segments (offset, size)."""
    plan = {
        0: ("text", "forward"),
        6: ("tables", [{0: ("text", name)} for name in operators]),
        7: ("tables", [{0: ("text", name)} for name in delegates]),
    }
    root: Fields = {
        0: ("u32", 0),
        1: ("tables", [plan]),
        3: ("tables", [{0: ("bytes", inline)}] if inline else []),
        4: ("tables", [{0: ("u64", offset), 1: ("u64", size)} for offset, size in segments]),
    }
    body = flat(root, b"ET12")
    if not header:
        return body
    return struct.pack("<I", struct.unpack_from("<I", body)[0] + len(header)) + body[4:8] + header + body[8:]


def catboost(info: Mapping[str, str], parts: Iterable[str] = (), size: int | None = None, tail: bytes = b"") -> bytes:
    """Return a CatBoost model with this information map; ``size`` is what the header says of the core."""
    pairs = [{0: ("text", key), 1: ("text", value)} for key, value in info.items()]
    core = flat({0: ("text", "FlabuffersModel_v1"), 2: ("tables", pairs), 3: ("texts", list(parts))}, b"\0\0\0\0")
    return b"CBM1" + struct.pack("<I", len(core) if size is None else size) + core + tail


# -- Universal Binary JSON


def ubjson(value: object) -> bytes:
    """Return a value as XGBoost writes it; bytes stand for themselves."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return b"S" + _key(value)
    if isinstance(value, bool) or value is None:
        return b"Z" if value is None else b"T" if value else b"F"
    if isinstance(value, int):
        return b"L" + struct.pack(">q", value)
    if isinstance(value, float):
        return b"d" + struct.pack(">f", value)
    if isinstance(value, dict):
        return b"{" + b"".join(_key(key) + ubjson(item) for key, item in value.items()) + b"}"
    assert isinstance(value, list)
    return b"[#L" + struct.pack(">q", len(value)) + b"".join(map(ubjson, value))


def _key(text: str) -> bytes:
    raw = text.encode()
    return b"L" + struct.pack(">q", len(raw)) + raw


def typed(values: list[int], kind: str = "l") -> bytes:
    """Return a typed array of integers."""
    return f"[${kind}#L".encode() + struct.pack(">q", len(values)) + struct.pack(f">{len(values)}i", *values)


# -- MessagePack


def msgpack(value: object) -> bytes:
    """Return a value; (code, bytes) is an extension value, bytes are binary."""
    if isinstance(value, bool) or value is None:
        return b"\xc0" if value is None else b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return struct.pack(">Bq", 0xD3, value)
    if isinstance(value, float):
        return struct.pack(">Bd", 0xCB, value)
    if isinstance(value, str):
        raw = value.encode()
        return (bytes([0xA0 | len(raw)]) if len(raw) < 32 else struct.pack(">BI", 0xDB, len(raw))) + raw
    if isinstance(value, bytes):
        return struct.pack(">BI", 0xC6, len(value)) + value
    if isinstance(value, tuple):
        code, body = value
        return struct.pack(">BIB", 0xC9, len(body), code) + body
    if isinstance(value, dict):
        head = bytes([0x80 | len(value)]) if len(value) < 16 else struct.pack(">BI", 0xDF, len(value))
        return head + b"".join(msgpack(key) + msgpack(item) for key, item in value.items())
    assert isinstance(value, list)
    return struct.pack(">BI", 0xDD, len(value)) + b"".join(map(msgpack, value))


def flax_array(raw: bytes, dtype: str = "float32", shape: list[int] | None = None) -> tuple[int, bytes]:
    """Return an array as Flax stores it."""
    extents = [len(raw) // 4] if shape is None else shape
    return 1, b"\x93" + msgpack(extents) + msgpack(dtype) + msgpack(raw)


# -- MXNet and ggml


def mxnet(arrays: Mapping[str, tuple[list[int], bytes]], count: int | None = None, kind: int = 0) -> bytes:
    """Return a .params file of arrays (extents, bytes)."""
    out = struct.pack("<QQQ", 0x112, 0, len(arrays) if count is None else count)
    for extents, raw in arrays.values():
        out += struct.pack(f"<Iii{len(extents)}q", 0xF993FAC9, 0, len(extents), *extents)
        out += struct.pack("<iii", 1, 0, kind) + raw
    names = [name.encode() for name in arrays]
    return out + struct.pack("<Q", len(names)) + b"".join(struct.pack("<Q", len(name)) + name for name in names)


def ggjt(words: list[bytes], magic: bytes = b"tjgg", version: int = 3, count: int | None = None) -> bytes:
    """Return a file of llama.cpp before GGUF with these words and one tensor of a number."""
    head = magic + struct.pack("<8i", version, len(words) if count is None else count, 8, 8, 1, 1, 8, 0)
    body = b"".join(struct.pack("<i", len(word)) + word + struct.pack("<f", 0.0) for word in words)
    tensor = struct.pack("<4i", 1, 6, 0, 1) + b"norm.w"
    return head + body + tensor + bytes(-(len(head) + len(body) + len(tensor)) % 32) + bytes(4)


# -- R

NIL, GLOBAL, UNBOUND, MISSING, BASE = (struct.pack(">i", kind) for kind in (254, 253, 252, 251, 241))


def integer(value: int) -> bytes:
    """Return a number as R writes it."""
    return struct.pack(">i", value)


def chars(text: str) -> bytes:
    """Return a CHARSXP."""
    raw = text.encode()
    return integer(0x40009) + integer(len(raw)) + raw


def symbol(name: str) -> bytes:
    """Return a SYMSXP; each is written anew."""
    return integer(1) + chars(name)


def strings(*texts: str) -> bytes:
    """Return a vector of texts."""
    return integer(16) + integer(len(texts)) + b"".join(map(chars, texts))


def cells(*values: bytes, tags: Iterable[str] = (), kind: int = 2, levels: int = 0) -> bytes:
    """Return a pair list; ``kind`` is the type of the first cell."""
    names = [*tags]
    out = b""
    for number, value in enumerate(values):
        name = names[number] if number < len(names) else ""
        flags = (kind if not number else 2) | (0x400 if name else 0) | levels << 12
        out += integer(flags) + (symbol(name) if name else b"") + value
    return out + NIL


def call(function: str | bytes, *arguments: bytes) -> bytes:
    """Return a call of a function by name, or by what stands for it."""
    return cells(symbol(function) if isinstance(function, str) else function, *arguments, kind=6)


def promise(expression: bytes, value: bytes = UNBOUND, environment: bytes = GLOBAL) -> bytes:
    """Return a promise."""
    return integer(5 | 0x400) + environment + value + expression


def closure(body: bytes, environment: bytes = GLOBAL, formals: bytes = NIL) -> bytes:
    """Return a function."""
    return integer(3 | 0x400) + environment + formals + body


def environment(enclosing: bytes = GLOBAL, frame: bytes = NIL, table: bytes = NIL, attributes: bytes = NIL) -> bytes:
    """Return an environment."""
    return integer(4) + integer(0) + enclosing + frame + table + attributes


def namespace(name: str) -> bytes:
    """Return the namespace of a package."""
    return integer(249) + integer(0) + integer(2) + chars(name) + chars("4.2.2")


def vector(*items: bytes, kind: int = 19) -> bytes:
    """Return a list, or an expression vector (20)."""
    return integer(kind) + integer(len(items)) + b"".join(items)


def with_attributes(item: bytes, **values: bytes) -> bytes:
    """Return a vector with attributes."""
    flags = struct.unpack_from(">i", item)[0]
    return integer(flags | 0x200) + item[4:] + cells(*values.values(), tags=values.keys())


def rds(root: bytes, version: int = 3) -> bytes:
    """Return what saveRDS writes without compression."""
    native = integer(5) + b"UTF-8" if version == 3 else b""
    return b"X\n" + integer(version) + integer(0x40202) + integer(0x30500 if version == 3 else 0x20300) + native + root


def rda(**values: bytes) -> bytes:
    """Return what save writes without compression."""
    return b"RDX3\n" + rds(cells(*values.values(), tags=values.keys()))


def little(stream: bytes) -> bytes:
    """Return the header of a stream in the order of a small machine (only for streams of 32-bit numbers)."""
    words = struct.unpack(f">{(len(stream) - 2) // 4}i", stream[2:])
    return b"B\n" + struct.pack(f"<{len(words)}i", *words)
