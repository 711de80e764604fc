"""Builds hostile and honest sample files byte by byte, so that no mystery bytes are committed."""

from __future__ import annotations

import ast
import io
import json
import pickletools
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping

_CODES = {opcode.name: opcode for opcode in pickletools.opcodes}
_NUMBERS = {
    "uint1": "<B", "uint2": "<H", "int4": "<i", "uint4": "<I", "uint8": "<Q", "float8": ">d",
}  # fmt: skip
_SIZES = {
    "string1": "<B", "string4": "<i", "bytes1": "<B", "bytes4": "<I", "bytes8": "<Q", "bytearray8": "<Q",
    "unicodestring1": "<B", "unicodestring4": "<I", "unicodestring8": "<Q", "long1": "<B", "long4": "<i",
}  # fmt: skip


def assemble(text: str) -> bytes:
    """Return the pickle that an assembly listing stands for.

    One opcode a line with its operands, as pickletools names them: ``PROTO 4``, ``GLOBAL os system``,
    ``SHORT_BINUNICODE "echo"``, ``BINPUT 0``. Text and bytes are Python literals, and ``#`` at the start of a word begins a
    comment. For other binary formats ``RAW 80ff`` are bytes in hexadecimal, ``ASCII {"a": 1}`` is the rest of the line, and
    ``HEADER {"a": 1}`` the same behind its length as safetensors has it.
    """
    return b"".join(_opcode(line) for line in text.splitlines() if line.strip() and not line.strip().startswith("#"))


def _opcode(line: str) -> bytes:
    name, _, rest = line.split(" #")[0].strip().partition(" ")
    rest = rest.strip()
    if name == "RAW":
        return bytes.fromhex(rest)
    if name in ("ASCII", "HEADER"):
        return (struct.pack("<Q", len(rest)) if name == "HEADER" else b"") + rest.encode()
    opcode = _CODES[name]
    code = opcode.code.encode("latin-1")
    if opcode.arg is None:
        return code
    return code + _operand(opcode.arg.name, rest)


def _operand(kind: str, rest: str) -> bytes:
    if kind in _NUMBERS:
        return struct.pack(_NUMBERS[kind], ast.literal_eval(rest))
    if kind == "stringnl_noescape_pair":
        module, name = rest.split()
        return f"{module}\n{name}\n".encode()
    if kind in _SIZES:
        value = ast.literal_eval(rest)
        if isinstance(value, int):
            value = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
        body = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else bytes(value)
        return struct.pack(_SIZES[kind], len(body)) + body
    if kind == "unicodestringnl":
        return ast.literal_eval(rest).encode("raw-unicode-escape") + b"\n"
    return rest.encode() + b"\n"  # the text forms: INT, LONG, FLOAT, STRING, GET, PUT, PERSID


def archive(members: Mapping[str, bytes] | Iterable[tuple[str, bytes]], packed: bool = False) -> bytes:
    """Return a zip archive of these members, in this order, twice where a name is given twice."""
    pairs = members.items() if isinstance(members, Mapping) else members
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as file:
        for name, content in pairs:
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = file.compression
            file.writestr(entry, content)
    return target.getvalue()


def torch_zip(data: bytes, storages: Iterable[bytes] = (), top: str = "archive", **more: bytes) -> bytes:
    """Return an archive as torch.save writes it since 1.6."""
    members = {f"{top}/data.pkl": data, f"{top}/byteorder": b"little"}
    members |= {f"{top}/data/{number}": content for number, content in enumerate(storages)}
    members |= {f"{top}/{name.replace('__', '/')}": content for name, content in more.items()}
    return archive({**members, f"{top}/version": b"3\n"})


def torch_legacy(data: bytes, storages: Mapping[str, bytes] | None = None, item_bytes: int = 4) -> bytes:
    """Return a file as torch.save wrote it before 1.6: magic number, version, system, object, keys, storages."""
    storages = storages or {}
    head = assemble("PROTO 2\nLONG1 119547037146038801333356\nSTOP") + assemble("PROTO 2\nBININT2 1001\nSTOP")
    system = assemble("PROTO 2\nEMPTY_DICT\nSTOP")
    keys = "".join(f"BINUNICODE {key!r}\n" for key in storages)
    body = b"".join(struct.pack("<q", len(raw) // item_bytes) + raw for raw in storages.values())
    return head + system + data + assemble(f"PROTO 2\nEMPTY_LIST\nMARK\n{keys}APPENDS\nSTOP") + body


def npy(data: bytes, descr: object = "<f4", shape: tuple[int, ...] = (0,), version: int = 1) -> bytes:
    """Return an array file with this header and these bytes behind it."""
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(header)) + header + data


def safetensors(header: Mapping[str, object] | bytes, data: bytes = b"") -> bytes:
    """Return a safetensors file with this header (JSON text or an object)."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def joblib_stream(raw: bytes, shape: tuple[int, ...], dtype: str, after: str) -> bytes:
    """Return a joblib file: a list of one array, its bytes inside the stream, and then the opcodes of ``after``."""
    extents = "".join(f"BININT {extent}\n" for extent in shape)
    head = assemble(
        f"""
        PROTO 4
        EMPTY_LIST
        GLOBAL joblib.numpy_pickle NumpyArrayWrapper
        EMPTY_TUPLE
        NEWOBJ
        EMPTY_DICT
        MARK
        SHORT_BINUNICODE "subclass"
        GLOBAL numpy ndarray
        SHORT_BINUNICODE "shape"
        MARK
        {extents}TUPLE
        SHORT_BINUNICODE "order"
        SHORT_BINUNICODE "C"
        SHORT_BINUNICODE "dtype"
        GLOBAL numpy dtype
        SHORT_BINUNICODE {dtype!r}
        NEWFALSE
        NEWTRUE
        TUPLE3
        REDUCE
        SHORT_BINUNICODE "allow_mmap"
        NEWTRUE
        SETITEMS
        BUILD
        """
    )
    return head + raw + assemble(after)


def tar(members: Mapping[str, bytes]) -> bytes:
    """Return a tar archive of these members."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as file:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))
    return target.getvalue()


def deflated(content: bytes) -> bytes:
    """Return a zlib stream."""
    return zlib.compress(content)


# -- pickles put together from parts, where a listing would be long


def word(value: str) -> bytes:
    """Return the opcode that pushes a text."""
    body = value.encode("utf-8", "surrogatepass")
    return b"\x8c" + bytes([len(body)]) + body if len(body) < 256 else b"X" + struct.pack("<I", len(body)) + body


def raw(value: bytes) -> bytes:
    """Return the opcode that pushes bytes."""
    return b"B" + struct.pack("<I", len(value)) + value


def named(dotted: str) -> bytes:
    """Return STACK_GLOBAL with its two texts; ``module:name`` separates them where the name has dots."""
    module, _, name = dotted.partition(":") if ":" in dotted else dotted.rpartition(".")
    return word(module) + word(name) + b"\x93"


def lines(dotted: str) -> bytes:
    """Return GLOBAL with its two lines."""
    module, _, name = dotted.partition(":") if ":" in dotted else dotted.rpartition(".")
    return f"c{module}\n{name}\n".encode()


def group(*values: bytes) -> bytes:
    """Return the opcodes that push a tuple of these values."""
    return b"(" + b"".join(values) + b"t"


def called(function: bytes | str, *arguments: bytes) -> bytes:
    """Return the opcodes of a call; a function given as text is imported."""
    return (named(function) if isinstance(function, str) else function) + group(*arguments) + b"R"


def stream(*parts: bytes, protocol: int = 4) -> bytes:
    """Return a pickle of these opcodes; without any value on the stack it gives None."""
    return b"\x80" + bytes([protocol]) + b"".join(parts) + b"."
