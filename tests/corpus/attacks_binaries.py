"""Hostile files of mobile, booster and R formats, built field by field. Payloads are inert."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator

from tests import binaries as b
from tests.builders import assemble

PICKLE = assemble(
    'PROTO 4\nSHORT_BINUNICODE "os"\nSHORT_BINUNICODE "system"\nSTACK_GLOBAL\nSHORT_BINUNICODE "true"\nTUPLE1\nREDUCE\nSTOP'
)
SYSTEM = b.call("system", b.strings("true"))


DOUBTFUL = frozenset(
    [
        "flex_unknown.tflite",
        "custom.tflite",
        "custom_text.tflite",
        "builtin_unknown.tflite",
        "packed_program.tflite",
        "delegate_unknown.pte",
        "delegate_native.pte",
        "delegate_aoti.pte",
        "delegate_lies.pte",
        "operator_unknown.pte",
        "operator_nameless.pte",
        "segment_program.pte",
        "bundle.bpte",
        "short.cbm",
        "parts.cbm",
        "other.ubj",
        "cut.ubj",
        "length.ubj",
        "negative.ubj",
        "type.ubj",
        "nested.ubj",
        "array.ubj",
        "no_tree.txt",
        "dataset.bin",
        "extension.msgpack",
        "cut.msgpack",
        "other.msgpack",
        "unknown.msgpack",
        "nested.msgpack",
        "count.msgpack",
        "b/.zarray",
        "g/.zarray",
        "count.bin",
        "unknown.bin",
        "no_tensor.bin",
        "cut.bin",
        "no_size.joblib",
        "closure_unknown.rds",
        "active_plain.rds",
        "class.rds",
        "persistent.rds",
        "reference_outside.rds",
        "length.rds",
        "long_length.rds",
        "nested.rds",
        "version.rds",
        "type.rds",
        "engine.engine",
        "engine.plan",
        "engine.trt",
    ]
)
"""Damaged files and code that a person must look at: they are told, and do not fail the gate by a finding."""


def attacks() -> Iterator[tuple[str, bytes]]:
    """Yield (relative file name, content)."""
    yield from _tflite()
    yield from _executorch()
    yield from _catboost()
    yield from _xgboost()
    yield from _lightgbm()
    yield from _mxnet()
    yield from _flax()
    yield from _zarr()
    yield from _ggml()
    yield from _zfile()
    yield from _r()
    stub = b"MZqFpD='\n\n\0\x10\0\xf8\0\0\0\0\0\0\0\1\0\x08".ljust(4096, b"\0")
    packed = ("model.gguf", b"GGUF" + struct.pack("<IQQ", 3, 0, 0))
    yield "model.llamafile", _appended(stub, packed, packed=False)
    yield "llama.gguf", _appended(stub, packed, packed=False)
    yield "other.llamafile", _appended(stub.replace(b"MZqFpD", b"jartsr"), packed, packed=False)
    yield "engine.engine", b"ptrt" + bytes(200)
    yield "engine.plan", b"ftrt" + bytes(200)
    yield "engine.trt", b"ptrt" + struct.pack("<I", 1) + b"\x7fELF" + bytes(100)


def _node(name: str) -> bytes:
    """Return the options of a Flex operator: a flexbuffer whose text is a NodeDef."""
    raw = name.encode()
    return b"\0" + raw + b"\0" + bytes([len(raw) + 4]) + b"\n\1x\x12" + bytes([len(raw)]) + raw + b"\0\x01\x02"


def _appended(model: bytes, *members: tuple[str, bytes], packed: bool = True) -> bytes:
    target = io.BytesIO(model)
    with zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as file:
        for name, content in members:
            file.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, file.compression)
    return target.getvalue()


def _tflite() -> Iterator[tuple[str, bytes]]:
    for name in (
        "ReadFile",
        "WriteFile",
        "MatchingFiles",
        "TFRecordDataset",
        "WholeFileReaderV2",
        "ImmutableConst",
        "LoadDataset",
    ):
        yield f"flex_{name}.tflite", b.tflite(0, "Flex" + name)
    for name in ("PyFunc", "EagerPyFunc", "PyFuncStateless"):
        yield f"flex_{name}.tflite", b.tflite("Flex" + name)
    yield "flex_hidden.tflite", b.tflite("FlexAdd", options=[(0, _node("ReadFile"))])
    yield "flex_hidden_python.tflite", b.tflite(0, "FlexIdentity", options=[(1, _node("EagerPyFunc"))])
    yield "flex_unknown.tflite", b.tflite("FlexSomebodysKernel")
    yield "custom.tflite", b.tflite("SomebodysKernel")
    yield "custom_text.tflite", b.tflite("rm -rf example; true")
    yield "builtin_unknown.tflite", b.tflite(5000)
    yield "other_name.bin", b.tflite("FlexWriteFile")
    yield "no_suffix", b.tflite("FlexWriteFile")
    yield "root_outside.tflite", struct.pack("<I", 2**31) + b"TFL3" + bytes(40)
    yield "root_cut.tflite", b"\x08\0\0\0TFL3"
    yield "vtable_outside.tflite", struct.pack("<I", 8) + b"TFL3" + struct.pack("<i", 10**6) + bytes(16)
    yield "vector_outside.tflite", b.tflite(0)[:-40]
    yield "buffer_outside.tflite", b.tflite(0, more={4: ("tables", [{1: ("u64", 100), 2: ("u64", 2**40)}])})
    yield "external_path.tflite", b.tflite(0, more={8: ("tables", [{0: ("text", "../../etc/passwd")}])})
    yield "external_url.tflite", b.tflite(0, more={8: ("tables", [{0: ("text", "https://example.com/w")}])})
    yield "metadata_missing.tflite", b.tflite(0, more={6: ("tables", [{0: ("text", "x"), 1: ("u32", 99)}])})
    yield "metadata_pickle.tflite", b.tflite(0, metadata=[("notes", PICKLE)])
    yield "metadata_zip.tflite", b.tflite(0, metadata=[("notes", _appended(b"", ("x.pkl", PICKLE)))])
    yield "packed_pickle.tflite", _appended(b.tflite(0), ("labels.txt", b"cat\ndog\n"), ("x.pkl", PICKLE))
    yield "packed_pickle_text.tflite", _appended(b.tflite(0), ("labels.txt", PICKLE))
    yield "packed_behind.tflite", _appended(b.tflite(0), ("x.pkl", PICKLE)) + b"\0" * 300
    yield "packed_traversal.tflite", _appended(b.tflite(0), ("../../labels.txt", b"cat\n"))
    yield "packed_absolute.tflite", _appended(b.tflite(0), ("/etc/labels.txt", b"cat\n"))
    yield "packed_bomb.tflite", _appended(b.tflite(0), ("labels.txt", bytes(60 * 2**20)))
    yield "packed_program.tflite", _appended(b.tflite(0), ("libx.so", b"\x7fELF\2\1\1" + bytes(60)))


def _executorch() -> Iterator[tuple[str, bytes]]:
    yield "delegate_unknown.pte", b.executorch(["aten::add"], ["SomebodysBackend"])
    yield "delegate_native.pte", b.executorch(["aten::add"], ["QnnBackend"], b"\1\2\3")
    yield "delegate_aoti.pte", b.executorch([], ["CudaBackend"], b"\x7fELF\2\1\1" + bytes(60))
    yield "delegate_lies.pte", b.executorch([], ["XnnpackBackend"], b"\x7fELF\2\1\1" + bytes(60))
    yield "operator_unknown.pte", b.executorch(["somebody::kernel"])
    yield "operator_nameless.pte", b.executorch(["kernel"])
    yield "operator_file.pte", b.executorch(["aten::from_file"])
    header = b"eh00" + struct.pack("<IQQQ", 32, 100, 2**40, 100)
    yield "segment_base.pte", b.executorch(["aten::add"], header=header)
    yield "segment_outside.pte", b.executorch(["aten::add"], segments=[(0, 2**50)])
    yield "root_outside.pte", struct.pack("<I", 2**31) + b"ET12" + bytes(40)
    body = b.executorch([], ["XnnpackBackend"], segments=[(0, 68)])
    size = len(body) + 32
    program = struct.pack("<I", struct.unpack_from("<I", body)[0] + 32) + body[4:8]
    program += b"eh00" + struct.pack("<IQQQ", 32, size, size, 68) + body[8:]
    yield "segment_program.pte", program + b"\x7fELF\2\1\1" + bytes(61)
    inner = b.executorch(["somebody::kernel"])
    yield "bundle.bpte", b.flat({0: ("u32", 0), 2: ("bytes", inner)}, b"BP08")
    yield "tensors.ptd", b.flat({1: ("tables", [{0: ("u64", 0), 1: ("u64", 2**40)}])}, b"FT01")


def _catboost() -> Iterator[tuple[str, bytes]]:
    yield "size.cbm", b.catboost({"params": "{}"}, size=2**31)
    yield "short.cbm", b"CBM1\1"
    yield "core_cut.cbm", b.catboost({"params": "{}"}, size=12)
    yield "trailing.cbm", b.catboost({"params": "{}"}, tail=PICKLE)
    yield "root.cbm", b"CBM1" + struct.pack("<I", 32) + struct.pack("<I", 2**30) + bytes(28)
    yield "parts.cbm", b.catboost({}, ["somebodys_part"], tail=b"\0" * 16)


def _booster(**more: object) -> dict[str, object]:
    tree = {"left_children": b.typed([1, -1, -1]), "right_children": b.typed([2, -1, -1])}
    model = {
        "gradient_booster": {"model": {"trees": [{**tree, **more}]}, "name": "gbtree"},
        "attributes": {},
        "feature_names": ["a"],
    }
    return {"learner": model, "version": [3, 0, 0]}


def _binary(children: tuple[int, int] = (1, 2), nodes: int = 3, trees: int = 1, attributes: bytes = b"") -> bytes:
    head = struct.pack("<fIii", 0.5, 3, 0, bool(attributes)).ljust(136, b"\0")
    head += struct.pack("<Q", 15) + b"binary:logistic" + struct.pack("<Q", 6) + b"gbtree"
    forest = struct.pack("<iii", trees, 1, 3).ljust(160, b"\0")
    tree = struct.pack("<iii", 1, nodes, 0).ljust(148, b"\0")
    links = [(-1, *children), (0, -1, -1), (0, -1, -1)]
    body = b"".join(struct.pack("<iiiIf", *link, 0, 0.0) for link in links) + bytes(16 * 3)
    return b"binf" + head + forest + tree + body + struct.pack("<i", 0) + attributes


def _xgboost() -> Iterator[tuple[str, bytes]]:
    yield "children.ubj", b.ubjson(_booster(left_children=b.typed([1, 99, -1])))
    yield "children_negative.ubj", b.ubjson(_booster(right_children=b.typed([2, -7, -1])))
    yield "trailing.ubj", b.ubjson(_booster()) + PICKLE
    yield "other.ubj", b.ubjson({"a": 1})
    yield "cut.ubj", b.ubjson(_booster())[:-30]
    yield "length.ubj", b"{L" + struct.pack(">q", 2**60) + b"learner"
    yield "negative.ubj", b"{L" + struct.pack(">q", -5) + b"learner"
    yield "type.ubj", b"{" + b"L" + struct.pack(">q", 7) + b"learner" + b"?"
    yield "nested.ubj", b"{" + b"L" + struct.pack(">q", 7) + b"learner" + b"[" * 100_000
    yield "array.ubj", b"{" + b"L" + struct.pack(">q", 7) + b"learner" + b"[$l#L" + struct.pack(">q", 2**61)
    tree = {"left_children": [1, 9, -1], "right_children": [2, -1, -1]}
    model = {"learner": {"gradient_booster": {"model": {"trees": [tree]}}, "attributes": {}}}
    yield "children.model", json.dumps(model).encode()
    yield "children.bin", _binary((1, 2**30))
    yield "children_low.bin", _binary((-5, 2))
    yield "nodes.bin", _binary(nodes=2**24)
    yield "trees.bin", _binary(trees=2**30)
    yield "attributes.bin", _binary(attributes=struct.pack("<QQ", 1, 2**40))


def _lightgbm() -> Iterator[tuple[str, bytes]]:
    head = (
        "tree\nversion=v4\nnum_class=1\nmax_feature_idx=0\nobjective=regression\nfeature_names=a\nfeature_infos=[0:1]\n"
    )
    tree = "Tree=0\nnum_leaves=1\nleaf_value=1\n\n\n"
    end = "end of trees\n\nparameters:\n[boosting: gbdt]\n\nend of parameters\n"
    yield "sizes.txt", f"{head}tree_sizes=999999\n\n{tree}{end}".encode()
    yield "sizes_text.lgb", f"{head}tree_sizes=1e9\n\n{tree}{end}".encode()
    yield "sizes_short.txt", f"{head}tree_sizes=3\n\n{tree}{end}".encode()
    yield "no_end.txt", f"{head}tree_sizes={len(tree)}\n\n{tree}".encode()
    yield "no_tree.txt", head.encode()
    yield "dataset.bin", b"______LightGBM_Binary_File_Token______\n" + bytes(range(200))


def _mxnet() -> Iterator[tuple[str, bytes]]:
    nodes = [
        {"op": "null", "name": "data", "inputs": []},
        {"op": "Custom", "name": "c", "attrs": {"op_type": "example"}, "inputs": [[0, 0, 0]]},
    ]
    symbol = {"nodes": nodes, "arg_nodes": [0], "heads": [[1, 0, 0]]}
    yield "model-symbol.json", json.dumps(symbol).encode()
    native = {
        "nodes": [{"op": "_Native", "name": "c", "param": {"info": "0x1"}, "inputs": []}],
        "arg_nodes": [],
        "heads": [[0, 0]],
    }
    yield "native-symbol.json", json.dumps(native).encode()
    body = {
        "nodes": [{"op": "_foreach", "name": "f", "inputs": [], "subgraphs": [symbol]}],
        "arg_nodes": [],
        "heads": [[0, 0]],
    }
    yield "nested-symbol.json", json.dumps(body).encode()
    good = {"arg:w": ([2], bytes(8))}
    yield "trailing.params", b.mxnet(good) + PICKLE
    yield "count.params", b.mxnet(good, count=2**40)
    yield "more.params", b.mxnet(good, count=2)
    yield "extent.params", b.mxnet({"arg:w": ([2**38, 2**20], b"")})
    yield "negative.params", b.mxnet({"arg:w": ([-4], b"")})
    yield "type.params", b.mxnet(good, kind=99)
    yield "cut.params", b.mxnet(good)[:-4]


def _flax() -> Iterator[tuple[str, bytes]]:
    array = b.flax_array(bytes(8))
    yield "pickle.msgpack", b.msgpack({"params": {"w": array}, "note": PICKLE})
    yield "pickle_in_array.msgpack", b.msgpack({"params": {"w": b.flax_array(PICKLE, "uint8")}})
    yield "pickle_in_extension.msgpack", b.msgpack({"params": (77, PICKLE)})
    yield "extension.msgpack", b.msgpack({"params": (42, b"abc")})
    yield "object.msgpack", b.msgpack({"params": {"w": b.flax_array(bytes(8), "object")}})
    yield "object_code.msgpack", b.msgpack({"params": {"w": b.flax_array(bytes(8), "|O8")}})
    yield "array_extra.msgpack", b.msgpack({"params": {"w": (1, array[1] + b"\xc0")}})
    yield "array_cut.msgpack", b.msgpack({"params": {"w": (1, array[1][:-3])}})
    yield "trailing.msgpack", b.msgpack({"params": {"w": array}}) + PICKLE
    yield "cut.msgpack", b.msgpack({"params": {"w": array}})[:-3]
    yield "other.msgpack", b.msgpack(1.5)
    yield "unknown.msgpack", b"\x81\xa6params\xc1"
    yield "nested.msgpack", b"\x81\xa6params" + b"\x91" * 100_000
    yield "count.msgpack", b"\xdf\xff\xff\xff\xff\xa6params"
    yield "checkpoint_10", b.msgpack({"params": {"w": array}, "note": PICKLE})


def _zarr() -> Iterator[tuple[str, bytes]]:
    base = {
        "zarr_format": 2,
        "shape": [1],
        "chunks": [1],
        "dtype": "|O",
        "compressor": None,
        "fill_value": None,
        "order": "C",
    }
    yield "a/.zarray", json.dumps({**base, "filters": [{"id": "pickle"}]}).encode()
    yield "b/.zarray", json.dumps({**base, "filters": [{"id": "somebodys"}]}).encode()
    yield (
        "c/zarr.json",
        json.dumps(
            {"zarr_format": 3, "node_type": "array", "codecs": [{"name": "numcodecs.pickle", "configuration": {}}]}
        ).encode(),
    )
    sharded = {"name": "sharding_indexed", "configuration": {"codecs": [{"name": "numcodecs.pickle"}]}}
    yield "d/zarr.json", json.dumps({"zarr_format": 3, "codecs": [sharded]}).encode()
    yield "e/.zmetadata", json.dumps({"metadata": {"x/.zarray": {**base, "filters": [{"id": "pickle"}]}}}).encode()
    yield "f/0.0", PICKLE
    yield "g/.zarray", b"{"


def _ggml() -> Iterator[tuple[str, bytes]]:
    words = [b"<s>", b"a", b"b"]
    yield "version.bin", b.ggjt(words, version=77)
    yield "count.bin", b.ggjt(words, count=2**30)
    yield "unknown.bin", b"lmgg" + struct.pack("<12i", *range(900, 912)) + bytes(64)
    yield "ggla.bin", b"algg" + struct.pack("<i", 9) + bytes(40)
    yield "no_tensor.bin", b.ggjt(words)[:-60] + b"\xff" * 60
    yield "cut.bin", b.ggjt(words)[:50]


def _zfile() -> Iterator[tuple[str, bytes]]:
    for space in (b"", b" "):
        yield f"old{len(space)}.pkl", b"ZF" + hex(len(PICKLE)).encode().ljust(19) + space + zlib.compress(PICKLE)
    yield "old.joblib", b"ZF" + hex(len(PICKLE)).encode().ljust(19) + zlib.compress(PICKLE)
    yield "cut.joblib", b"ZF" + hex(len(PICKLE)).encode().ljust(19) + zlib.compress(PICKLE)[:-6]
    yield "no_size.joblib", b"ZF0xzz" + zlib.compress(PICKLE)
    yield "bomb.joblib", b"ZF" + hex(2**40).encode().ljust(19) + zlib.compress(b"\x80\4" + bytes(60 * 2**20))


def _r() -> Iterator[tuple[str, bytes]]:
    # promises, by place
    yield "root.rds", b.rds(b.promise(SYSTEM))
    yield "root_v2.rds", b.rds(b.promise(SYSTEM), version=2)
    yield "in_list.rds", b.rds(b.vector(b.strings("a"), b.promise(SYSTEM)))
    yield "in_attribute.rds", b.rds(b.with_attributes(b.strings("a"), x=b.promise(SYSTEM)))
    yield "in_pairs.rds", b.rds(b.cells(b.promise(SYSTEM), tags=["x"]))
    yield "in_frame.rds", b.rds(b.environment(frame=b.cells(b.promise(SYSTEM), tags=["x"])))
    yield "in_table.rds", b.rds(b.environment(table=b.vector(b.cells(b.promise(SYSTEM), tags=["x"]), b.NIL)))
    yield "in_dots.rds", b.rds(b.environment(frame=b.cells(b.cells(b.promise(SYSTEM), kind=17), tags=["..."])))
    yield "in_environment_attribute.rds", b.rds(b.environment(attributes=b.cells(b.promise(SYSTEM), tags=["x"])))
    yield (
        "in_closure_environment.rds",
        b.rds(b.closure(b.call("sum", b.symbol("x")), b.environment(frame=b.cells(b.promise(SYSTEM), tags=["x"])))),
    )
    yield "in_workspace.RData", b.rda(x=b.promise(SYSTEM))
    yield "in_workspace.rda", b.rda(fit=b.strings("a"), x=b.vector(b.promise(SYSTEM)))
    yield "symbol_promise.rds", b.rds(b.vector(b.promise(b.symbol("x"))))
    yield (
        "promise_in_promise.rds",
        b.rds(b.environment(frame=b.cells(b.promise(b.call("sum", b.promise(SYSTEM))), tags=["x"]))),
    )
    # promises, by what they call
    for name in ("system2", "shell", "download.file", "source", "dyn.load", "unlink", "socketConnection", "Sys.setenv", "eval", "get",
                 "do.call", "readRDS", "load", "library", "file", "pipe", "url", "install.packages", "unserialize"):  # fmt: skip
        yield (
            f"calls_{name}.rds",
            b.rds(b.environment(frame=b.cells(b.promise(b.call(name, b.strings("true"))), tags=["x"]))),
        )
    spaced = b.call(b.call("::", b.symbol("base"), b.symbol("system")), b.strings("true"))
    yield "calls_by_package.rds", b.rds(b.environment(frame=b.cells(b.promise(spaced), tags=["x"])))
    yield "calls_by_text.rds", b.rds(b.promise(b.cells(b.strings("system"), b.strings("true"), kind=6)))
    builtin = b.integer(8) + b.integer(6) + b"system"
    yield (
        "calls_primitive.rds",
        b.rds(b.environment(frame=b.cells(b.promise(b.cells(builtin, b.strings("true"), kind=6)), tags=["x"]))),
    )
    yield (
        "calls_nested.rds",
        b.rds(b.environment(frame=b.cells(b.promise(b.call("{", b.call("sum", b.call("c", SYSTEM)))), tags=["x"]))),
    )
    bytecode = b.integer(21) + b.integer(0) + b.integer(13) + b.integer(1) + b.integer(12) + b.integer(2)
    bytecode += b.integer(1) + b.symbol("system") + b.integer(16) + b.strings("true")
    yield "calls_bytecode.rds", b.rds(b.promise(bytecode))
    yield "closure_bytecode.rds", b.rds(b.closure(bytecode))
    lang = (
        b.integer(6)
        + b.NIL
        + b.integer(1)
        + b.symbol("system")
        + b.integer(2)
        + b.NIL
        + b.integer(16)
        + b.strings("true")
        + b.integer(254)
        + b.NIL
    )
    consts = b.integer(21) + b.integer(0) + b.integer(13) + b.integer(1) + b.integer(12) + b.integer(1) + lang
    yield "closure_bytecode_call.rds", b.rds(b.closure(consts))
    # functions
    yield "closure.rds", b.rds(b.closure(SYSTEM))
    yield "closure_library.rds", b.rds(b.closure(SYSTEM, b.namespace("stats")))
    yield "closure_docall.rds", b.rds(b.closure(b.call("do.call", b.strings("system"), b.NIL)))
    yield "closure_assigned.rds", b.rds(b.closure(b.call("<-", b.symbol("f"), b.symbol("system"))))
    yield "closure_eval.rds", b.rds(b.closure(b.call("eval", b.call("parse", b.strings("1")))))
    yield "closure_applied.rds", b.rds(b.closure(b.call("lapply", b.symbol("x"), b.symbol("system"))))
    yield "closure_unknown.rds", b.rds(b.closure(b.call("somebodys.function")))
    yield "closure_default.rds", b.rds(b.closure(b.symbol("x"), formals=b.cells(SYSTEM, tags=["x"])))
    yield "in_list_deep.rds", b.rds(b.vector(b.vector(b.vector(b.closure(SYSTEM)))))
    yield "expression.rds", b.rds(b.vector(SYSTEM, kind=20))
    yield "language.rds", b.rds(SYSTEM)
    formula = b.call("~", b.symbol("y"), SYSTEM)
    yield "formula.rds", b.rds(formula)
    yield "first.RData", b.rda(**{".First": b.closure(b.symbol("x"))})
    yield "last.RData", b.rda(**{".Last": b.closure(b.symbol("x"))})
    yield "first_sys.RData", b.rda(a=b.strings("a"), **{".First.sys": b.closure(SYSTEM)})
    yield "print.RData", b.rda(**{"print.example": b.closure(SYSTEM)})
    active = b.integer(2 | 0x400 | 0x8000000) + b.symbol("x") + b.closure(SYSTEM) + b.NIL
    yield "active.rds", b.rds(b.environment(frame=active))
    active = b.integer(2 | 0x400 | 0x8000000) + b.symbol("x") + b.closure(b.symbol("y")) + b.NIL
    yield "active_plain.rds", b.rds(b.environment(frame=active))
    # references, vectors of compiled classes, persistent names
    info = b.cells(b.symbol("mmap_real"), b.symbol("simplemmap"), b.integer(13) + b.integer(1) + b.integer(14))
    yield "mapped.rds", b.rds(b.integer(238) + info + b.vector(b.strings("/etc/example")) + b.NIL)
    info = b.cells(b.symbol("example"), b.symbol("somebody"), b.integer(13) + b.integer(1) + b.integer(14))
    yield "class.rds", b.rds(b.integer(238) + info + b.NIL + b.NIL)
    yield "persistent.rds", b.rds(b.integer(247) + b.integer(0) + b.integer(1) + b.chars("example"))
    shared = b.integer(1) + b.chars("system")
    yield (
        "reference.rds",
        b.rds(b.vector(shared, b.promise(b.cells(b.integer(1 << 8 | 255), b.strings("true"), kind=6)))),
    )
    yield "reference_outside.rds", b.rds(b.integer(99 << 8 | 255))
    # streams that break or lie
    yield "runs_then_breaks.rds", b.rds(b.vector(b.promise(SYSTEM), b.integer(77)))
    yield "trailing.rds", b.rds(b.strings("a")) + PICKLE
    yield "second.rds", b.rds(b.strings("a")) + b.rds(b.promise(SYSTEM))
    yield "length.rds", b.rds(b.integer(19) + b.integer(2**31 - 1))
    yield "long_length.rds", b.rds(b.integer(14) + b.integer(-1) + b.integer(2**20) + b.integer(0))
    yield "nested.rds", b.rds((b.integer(19) + b.integer(1)) * 100_000 + b.NIL)
    yield "version.rds", b"X\n" + b.integer(3) + b.integer(0) + b.integer(0) + b.integer(-5)
    yield "type.rds", b.rds(b.integer(99))
    # wrappers and other spellings
    body = b.rds(b.vector(b.promise(SYSTEM)))
    yield "gzip.rds", gzip.compress(body, mtime=0)
    yield "bzip2.rds", bz2.compress(body)
    yield "xz.rds", lzma.compress(body)
    yield "workspace_xz.RData", lzma.compress(b.rda(x=b.vector(b.promise(SYSTEM))))
    yield "packed_r_object.bin", gzip.compress(body, mtime=0)
    yield "text.rds", _text(body)
    yield "workspace_text.rda", b"RDA3\n" + _text(body)


def _text(stream: bytes) -> bytes:
    """Return the words of a stream without vectors of numbers: each text stands behind its length."""
    out, at = b"A\n", 2
    out += b"".join(b"%d\n" % word for word in struct.unpack_from(">4i", stream, at)) + b"UTF-8\n"
    at += 16 + 5
    while at < len(stream):
        (word,) = struct.unpack_from(">i", stream, at)
        out += b"%d\n" % word
        at += 4
        if word == 0x40009:
            (size,) = struct.unpack_from(">i", stream, at)
            out += b"%d\n" % size + stream[at + 4 : at + 4 + size] + b"\n"
            at += 4 + size
    return out
