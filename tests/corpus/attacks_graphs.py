"""Hostile graph models: ONNX, TensorFlow, Core ML and Paddle, put together field by field with harmless contents."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator

Value = int | str | bytes


def varint(value: int) -> bytes:
    """Return a number as protobuf writes it; a negative one takes ten bytes."""
    value &= 2**64 - 1
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def field(number: int, value: Value) -> bytes:
    """Return one field: a number as a varint, all else behind its length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def message(*fields: tuple[int, Value]) -> bytes:
    """Return a message of these fields, in this order."""
    return b"".join(field(number, value) for number, value in fields)


# -- ONNX


def onnx(graph: bytes, *more: tuple[int, Value]) -> bytes:
    """Return a ModelProto."""
    return message((1, 8), (2, "example"), (7, graph), (8, message((1, ""), (2, 17))), *more)


def graph(*fields: tuple[int, Value]) -> bytes:
    """Return a GraphProto with these fields behind its name."""
    return message((2, "main"), *fields)


def node(operator: str, domain: str = "", *more: tuple[int, Value]) -> bytes:
    """Return a NodeProto."""
    tail = [(7, domain)] if domain else []
    return message((1, "x"), (2, "y"), (4, operator), *more, *tail)


def external(
    location: str | None,
    offset: str | None = None,
    length: str | None = None,
    dims: tuple[int, ...] = (4,),
    flag: int = 1,
) -> bytes:
    """Return a TensorProto of floats whose data lies elsewhere."""
    entries = [("location", location), ("offset", offset), ("length", length)]
    places = [(13, message((1, key), (2, value))) for key, value in entries if value is not None]
    return message(*[(1, extent) for extent in dims], (2, 1), (8, "w"), *places, (14, flag))


_PATHS = {
    "parent": "../weights.bin", "parents": "../../../../etc/passwd", "absolute": "/etc/passwd", "backslash": "..\\..\\weights.bin",
    "mixed": "data/..\\../weights.bin", "middle": "a/b/../../../weights.bin", "dots": "./.././weights.bin", "drive": "C:\\weights.bin",
    "drive-relative": "C:weights.bin", "unc": "\\\\192.0.2.1\\share\\weights.bin", "http": "http://192.0.2.1/weights.bin",
    "https": "HTTPS://example.com/weights.bin", "file-url": "file:///etc/passwd", "s3": "s3://example/weights.bin",
    "home": "~/.ssh/id_rsa", "nul": "weights.bin\0../../x", "space": " /etc/passwd", "device": "/dev/zero", "proc": "/proc/self/environ",
    "memory": "*/_ORT_MEM_ADDR_/*", "double-slash": "//192.0.2.1/weights.bin",
}  # fmt: skip


def _external_data() -> Iterator[tuple[str, bytes]]:
    for name, path in _PATHS.items():
        yield f"path-{name}.onnx", onnx(graph((5, external(path))))
    bad = external("../../weights.bin")
    attribute = message((1, "value"), (20, 4), (5, bad))
    inner = graph((1, node("Constant", "", (5, attribute))))
    branch = node("If", "", (5, message((1, "then_branch"), (20, 5), (6, inner))))
    branches = node("Case", "com.microsoft", (5, message((1, "branches"), (20, 10), (11, inner), (11, inner))))
    sparse = message((1, bad), (2, external("indices.bin")))
    indices = message((1, external("values.bin")), (2, bad))
    yield "in-attribute.onnx", onnx(graph((1, node("Constant", "", (5, attribute)))))
    yield (
        "in-tensors.onnx",
        onnx(graph((1, node("Example", "", (5, message((1, "values"), (20, 9), (10, external("a")), (10, bad))))))),
    )
    yield "in-branch.onnx", onnx(graph((1, branch)))
    yield "in-branches.onnx", onnx(graph((1, branches)))
    yield (
        "in-branch-of-branch.onnx",
        onnx(graph((1, node("Loop", "", (5, message((1, "body"), (20, 5), (6, graph((1, branch))))))))),
    )
    yield "in-sparse-values.onnx", onnx(graph((15, sparse)))
    yield "in-sparse-indices.onnx", onnx(graph((15, indices)))
    yield (
        "in-sparse-attribute.onnx",
        onnx(graph((1, node("Constant", "", (5, message((1, "sparse_value"), (20, 11), (22, sparse))))))),
    )
    yield (
        "in-sparse-attributes.onnx",
        onnx(graph((1, node("Constant", "", (5, message((1, "v"), (20, 12), (23, sparse))))))),
    )
    function = message((1, "F"), (7, node("Constant", "", (5, attribute))), (10, "pkg.example"))
    yield "in-function.onnx", onnx(graph((1, node("F", "pkg.example"))), (25, function))
    default = message((1, "F"), (11, attribute), (7, node("Relu")), (10, "pkg.example"))
    yield "in-function-default.onnx", onnx(graph((1, node("F", "pkg.example"))), (25, default))
    yield "in-training.onnx", onnx(graph((1, node("Relu"))), (20, message((1, graph((5, bad))))))
    yield "in-training-algorithm.onnx", onnx(graph((1, node("Relu"))), (20, message((2, graph((5, bad))))))
    yield "model.bin", onnx(graph((5, bad)))
    yield "model", onnx(graph((5, bad)))
    yield "weights.model", onnx(graph((5, bad)))
    yield "tensor.pb", bad
    twice = [(13, message((1, "location"), (2, path))) for path in ("weights.bin", "../../weights.bin")]
    for name, pair in (("last", twice), ("first", twice[::-1])):
        yield f"location-{name}.onnx", onnx(graph((5, message((1, 4), (2, 1), *pair, (14, 1)))))
    value = message((1, "location"), (2, "weights.bin"), (2, "/etc/passwd"))
    yield "value-twice.onnx", onnx(graph((5, message((1, 4), (2, 1), (13, value), (14, 1)))))
    yield (
        "key-behind.onnx",
        onnx(graph((5, message((14, 1), (13, message((2, "/etc/passwd"), (1, "location"))), (1, 4), (2, 1))))),
    )
    yield (
        "split-tensor.onnx",
        onnx(
            graph(
                (
                    1,
                    node(
                        "Constant",
                        "",
                        (5, message((1, "value"), (5, message((14, 1))), (5, external("/etc/passwd", flag=0)))),
                    ),
                )
            )
        ),
    )
    yield "graph-twice.onnx", onnx(graph((1, node("Relu"))), (7, graph((5, bad))))
    yield "not-flagged.onnx", onnx(graph((5, external("../../weights.bin", flag=0))))
    yield "no-location.onnx", onnx(graph((5, external(None, "0", "16"))))
    yield "empty-location.onnx", onnx(graph((5, external(""))))
    numbers = {
        "offset-negative": ("-8", "16"), "length-negative": ("0", "-1"), "offset-huge": (str(2**63), "16"), "sum-huge": (str(2**63 - 8), "16"),
        "length-text": ("0", "many"), "offset-hexadecimal": ("0x10", "16"), "offset-long": ("9" * 40, "16"), "length-wrong": ("0", "17"),
        "length-large": ("0", str(2**40)), "offset-float": ("1e3", "16"), "offset-empty": ("", "16"),
    }  # fmt: skip
    for name, (offset, length) in numbers.items():
        yield f"{name}.onnx", onnx(graph((5, external("weights.bin", offset, length))))
    yield "dims-negative.onnx", onnx(graph((5, message((1, -4), (2, 1), (9, bytes(16))))))
    yield "dims-large.onnx", onnx(graph((5, message((1, 2**40), (1, 2**40), (2, 1), (9, bytes(16))))))
    yield "raw-short.onnx", onnx(graph((5, message((1, 1000), (2, 1), (9, bytes(16))))))
    context = [
        (5, message((1, "embed_mode"), (3, 0), (20, 2))),
        (5, message((1, "ep_cache_context"), (4, "../../engine.bin"), (20, 3))),
    ]
    yield "context-file.onnx", onnx(graph((1, node("EPContext", "com.microsoft", *context))))


def _onnx_operators() -> Iterator[tuple[str, bytes]]:
    yield "text.pbtxt", b'ir_version: 8\ngraph {\n  node { output: "y" op_type: "PyOp" domain: "pyopmulti" }\n}\n'
    data = b'{ name: "w" external_data { key: "location" value: "../../x" } data_location: EXTERNAL }'
    yield "text-data.pbtxt", b'ir_version: 8\ngraph {\n  node { op_type: "Identity" }\n  initializer ' + data + b"\n}\n"
    yield "json.onnx.json", b'{"irVersion": "8", "graph": {"node": [{"opType": "PyOp", "domain": "pyopmulti"}]}}'
    entry = b'{"name": "w", "externalData": [{"key": "location", "value": "../../x"}], "dataLocation": "EXTERNAL"}'
    yield "json-data.onnx.json", b'{"irVersion": "8", "graph": {"node": [], "initializer": [' + entry + b"]}}"
    python = {
        "pyop": ("PyOp", "pyopmulti"), "pyop-extensions": ("PyOp", "ai.onnx.contrib"), "pythonop": ("PythonOp", "com.microsoft"),
        "pythonop-grad": ("PythonOpGrad", "com.microsoft"), "pythonop-default": ("PythonOp", ""), "pycustom": ("PyCustomOp", "ai.onnx.contrib"),
        "azure": ("AzureTextToText", "com.microsoft.extensions"), "openai": ("OpenAIAudioToText", "com.microsoft.extensions"),
        "triton": ("AzureTritonInvoker", "com.microsoft.extensions"),
    }  # fmt: skip
    for name, (operator, domain) in python.items():
        yield f"{name}.onnx", onnx(graph((1, node("Relu")), (1, node(operator, domain))))
    hidden = node("PythonOp", "com.microsoft")
    inner = graph((1, hidden))
    yield (
        "python-in-branch.onnx",
        onnx(graph((1, node("If", "", (5, message((1, "else_branch"), (20, 5), (6, inner))))))),
    )
    yield (
        "python-in-function.onnx",
        onnx(graph((1, node("F", "local"))), (25, message((1, "F"), (7, hidden), (10, "local")))),
    )
    yield "python-in-training.onnx", onnx(graph((1, node("Relu"))), (20, message((2, inner))))
    deep = hidden
    for _ in range(40):
        deep = node("If", "", (5, message((1, "then_branch"), (6, graph((1, deep))))))
    yield "python-deep.onnx", onnx(graph((1, deep)))
    yield "python-name-twice.onnx", onnx(graph((1, message((4, "Relu"), (4, "PythonOp"), (7, "com.microsoft")))))
    yield "python-name-first.onnx", onnx(graph((1, message((4, "PythonOp"), (4, "Relu"), (7, "com.microsoft")))))
    yield "python-domain-before.onnx", onnx(graph((1, message((7, "com.microsoft"), (4, "PythonOp")))))
    yield "python-unordered.onnx", message((8, message((2, 17))), (7, inner), (2, "example"), (1, 8))
    yield "python-unknown-fields.onnx", message((500, "x" * 5000), (1, 8), (99, 7), (7, message((77, b"y")) + inner))
    long_tag = b"\xba\x80\x80\x00"  # field 7, wire type 2, with two bytes that say nothing
    yield "python-long-tag.onnx", message((1, 8)) + long_tag + varint(len(inner)) + inner
    yield "python-long-length.onnx", message((1, 8)) + b"\x3a" + bytes([len(inner) | 0x80, 0x80, 0]) + inner
    yield (
        "python-group.onnx",
        message((1, 8)) + varint(40 << 3 | 3) + message((1, 5), (2, "z")) + varint(40 << 3 | 4) + message((7, inner)),
    )
    yield "python-cut.onnx", onnx(graph((1, hidden), (5, message((1, 1000), (2, 1), (9, bytes(4000))))))[:-2000]
    yield "python-broken-behind.onnx", onnx(graph((1, hidden))) + b"\x07\xff\xff"
    yield "python.model", onnx(graph((1, hidden)))
    yield "secret.onnx", onnx(graph((1, hidden)), (14, message((1, "note"), (2, "an example"))))
    yield "ort.ort", _ort("PythonOp", "com.microsoft")
    yield "ort.bin", _ort("PyOp", "example.python")


def _ort(operator: str, domain: str) -> bytes:
    """Return an ONNX Runtime file (ORTM): InferenceSession, Model, Graph and one Node, as flatbuffers lay them out."""

    def text(value: str) -> bytes:
        raw = struct.pack("<I", len(value)) + value.encode() + b"\0"
        return raw + bytes(-len(raw) % 4)

    # Tables stand behind their vtables; offsets go forward, so the parts follow in the order in which they are named.
    parts = bytearray(8)
    parts[4:8] = b"ORTM"

    def table(slots: int) -> int:
        """Add a table whose fields are all offsets; return its place."""
        vtable = len(parts)
        parts.extend(struct.pack("<HH", 4 + 2 * slots, 4 + 4 * slots))
        parts.extend(b"".join(struct.pack("<H", 4 + 4 * number) for number in range(slots)))
        parts.extend(bytes(-len(parts) % 4))
        place = len(parts)
        parts.extend(struct.pack("<i", place - vtable) + bytes(4 * slots))
        return place

    def point(place: int, slot: int, target: int) -> None:
        at = place + 4 + 4 * slot
        parts[at : at + 4] = struct.pack("<I", target - at)

    def drop(place: int, *slots: int) -> None:
        """Leave fields of a table at their default."""
        vtable = place - struct.unpack_from("<i", parts, place)[0]
        for slot in slots:
            parts[vtable + 4 + 2 * slot : vtable + 6 + 2 * slot] = b"\0\0"

    session, model, graph_, item = table(2), table(8), table(3), table(6)
    struct.pack_into("<I", parts, 0, session)
    point(session, 1, model)
    point(model, 7, graph_)
    drop(session, 0)
    drop(model, 0, 1, 2, 3, 4, 5, 6)
    drop(graph_, 0, 1)
    drop(item, 0, 1, 3, 4)
    vector = len(parts)
    parts.extend(struct.pack("<II", 1, 0))
    struct.pack_into("<i", parts, vector + 4, item - vector - 4 & 0x7FFFFFFF if item > vector else 0)
    if item < vector:  # an offset in a vector only goes forward: put the node behind it
        item = table(6)
        drop(item, 0, 1, 3, 4)
        struct.pack_into("<I", parts, vector + 4, item - vector - 4)
    point(graph_, 2, vector)
    for slot, value in ((2, domain), (5, operator)):
        point(item, slot, len(parts))
        parts.extend(text(value))
    return bytes(parts)


# -- TensorFlow


def tf_node(operator: str, name: str = "n", inputs: tuple[str, ...] = (), **attributes: bytes) -> bytes:
    """Return a NodeDef; ``attributes`` are AttrValue messages."""
    pairs = [(5, message((1, key), (2, value))) for key, value in attributes.items()]
    return message((1, name), (2, operator), *[(3, source) for source in inputs], *pairs)


def tf_text(name: str, *values: str | bytes) -> bytes:
    """Return a Const of texts."""
    tensor = message((1, 7), (2, b""), *[(8, value) for value in values])
    return tf_node("Const", name, value=message((8, tensor)), dtype=message((6, 7)))


def tf_graph(*nodes: bytes, functions: tuple[bytes, ...] = ()) -> bytes:
    """Return a GraphDef."""
    library = [(2, message(*[(1, function) for function in functions]))] if functions else []
    return message(*[(1, item) for item in nodes], (1, tf_node("Placeholder", "x")), *library, (4, message((1, 1400))))


def tf_function(name: str, *nodes: bytes, arguments: tuple[str, ...] = ()) -> bytes:
    """Return a FunctionDef."""
    signature = message((1, name), *[(2, message((1, argument), (3, 7))) for argument in arguments])
    return message((1, signature), *[(3, item) for item in nodes])


def saved_model(graph_def: bytes, *more: tuple[int, Value]) -> bytes:
    """Return a SavedModel of one MetaGraphDef."""
    return message((1, 1), (2, meta_graph(graph_def, *more)))


def meta_graph(graph_def: bytes, *more: tuple[int, Value]) -> bytes:
    """Return a MetaGraphDef."""
    return message((1, message((4, "serve"), (5, "2.21.0"))), (2, graph_def), *more)


_TF_BLOCKED = (
    "ReadFile", "WriteFile", "MatchingFiles", "MatchingFilesDataset", "WholeFileReaderV2", "TextLineReaderV2", "TFRecordReaderV2",
    "FixedLengthRecordReaderV2", "LMDBReader", "TextLineDataset", "TFRecordDatasetV2", "FixedLengthRecordDatasetV2", "CSVDatasetV2",
    "SqlDataset", "LMDBDataset", "DatasetToTFRecord", "SaveDatasetV2", "LoadDataset", "SnapshotDatasetV2", "CreateSummaryFileWriter",
    "CreateSummaryDbWriter", "ImmutableConst", "RpcClient", "RpcCall", "RpcServer", "DataServiceDatasetV4", "RegisterDatasetV2",
    "DistributedSave", "PyFunc", "PyFuncStateless", "EagerPyFunc", "DatasetFromGraph", "SaveSlices", "Save", "DumpTensor", "BigQueryReader",
    "BigtableTable", "LoadAndRemapMatrix", "GenerateVocabRemapping", "FileSystemSetConfiguration", "CalibrationStatisticsSaver",
    "RecordInput", "ExperimentalSqlDataset",
)  # fmt: skip


def _tensorflow() -> Iterator[tuple[str, bytes]]:
    for operator in _TF_BLOCKED:
        yield f"{operator}/saved_model.pb", saved_model(tf_graph(tf_node(operator)))
    call = tf_node("PartitionedCall", "c", ("x",), f=message((10, message((1, "body")))))
    for operator in ("ReadFile", "WriteFile", "EagerPyFunc", "PyFunc"):
        body = tf_function("body", tf_node(operator))
        yield f"function-{operator}/saved_model.pb", saved_model(tf_graph(call, functions=(body,)))
        yield f"frozen-{operator}.pb", tf_graph(tf_node("Identity"), tf_node(operator))
        yield f"frozen-function-{operator}.pb", tf_graph(call, functions=(body,))
        yield f"only-function-{operator}.pb", message((2, message((1, body))))
        yield f"{operator}.meta", meta_graph(tf_graph(tf_node(operator)))
        yield f"graph-{operator}", tf_graph(tf_node("Const", "c"), tf_node(operator))
        inner = message((1, tf_node(operator)), (1, tf_node("NoOp", "o")))
        yield f"nested-{operator}.pb", tf_graph(tf_text("g", inner), tf_node("Identity", "i", ("g",)))
    write = tf_node("WriteFile")
    yield "second-graph/saved_model.pb", message((1, 1), (2, meta_graph(tf_graph())), (2, meta_graph(tf_graph(write))))
    yield (
        "attribute-first.pb",
        tf_graph(message((5, message((1, "T"), (2, message((6, 1))))), (2, "WriteFile"), (1, "n"))),
    )
    yield "operator-twice.pb", tf_graph(message((1, "n"), (2, "Identity"), (2, "WriteFile")))
    yield "unordered/saved_model.pb", message((2, message((2, message((4, message((1, 9))), (1, write))))), (1, 1))
    yield "unknown-fields.pb", message((900, "x" * 6000), (1, message((99, 5), (2, "WriteFile"), (1, "n"))))
    yield "cut/saved_model.pb", saved_model(tf_graph(write, tf_text("c", "x" * 9000)))[:-7000]
    yield "broken-behind.pb", tf_graph(write) + b"\x0f\xff"
    attributes = {
        "PrintV2": ("output_stream", b"file:///tmp/example"), "DebugIdentityV3": ("debug_urls", b"grpc://192.0.2.1:80"),
        "DebugIdentityV2": ("debug_urls", b"file:///tmp/example"), "DebugNanCount": ("debug_urls", b"grpc://192.0.2.1:80"),
        "DecodeProtoV2": ("descriptor_source", b"/etc/example"), "EncodeProto": ("descriptor_source", b"../example"),
        "FixedUnigramCandidateSampler": ("vocab_file", b"/etc/passwd"),
    }  # fmt: skip
    for operator, (key, value) in attributes.items():
        yield f"attribute-{operator}.pb", tf_graph(tf_node(operator, **{key: message((2, value))}))
        yield f"attribute-list-{operator}.pb", tf_graph(tf_node(operator, **{key: message((1, message((2, value))))}))
    paths = {
        "absolute": "/tmp/example",
        "parent": "../../example",
        "url": "gs://example/x",
        "home": "~/example",
        "own": "example-file",
    }
    for name, path in paths.items():
        constant = tf_text("p", path)
        yield (
            f"save-{name}/saved_model.pb",
            saved_model(tf_graph(constant, tf_node("SaveV2", "s", ("p", "t", "u", "x")))),
        )
        if name != "own":
            yield (
                f"restore-{name}/saved_model.pb",
                saved_model(tf_graph(constant, tf_node("RestoreV2", "s", ("p", "t", "u")))),
            )
            yield f"table-{name}.pb", tf_graph(constant, tf_node("InitializeTableFromTextFileV2", "s", ("h", "p")))
            yield f"cache-{name}.pb", tf_graph(constant, tf_node("CacheDataset", "s", ("d", "p")))
    constant, save = tf_text("p", "/tmp/example"), tf_node("SaveV2", "s", ("a", "t", "u", "x"))
    body = tf_function("body", save, arguments=("a", "x"))
    call = tf_node("StatefulPartitionedCall", "c", ("p", "x"), f=message((10, message((1, "body")))))
    yield "save-argument/saved_model.pb", saved_model(tf_graph(constant, call, functions=(body,)))
    outer = tf_function(
        "outer",
        tf_node("PartitionedCall", "c", ("b", "x"), f=message((10, message((1, "body"))))),
        arguments=("b", "x"),
    )
    far = tf_node("PartitionedCall", "c", ("p", "x"), f=message((10, message((1, "outer")))))
    yield "save-argument-twice/saved_model.pb", saved_model(tf_graph(constant, far, functions=(body, outer)))
    joined = tf_node("StringJoin", "a", ("q", "r"))
    yield "save-joined.pb", tf_graph(tf_text("q", "/tmp"), tf_text("r", "/example"), joined, save)
    yield "save-joined-parent.pb", tf_graph(tf_node("Placeholder", "q"), tf_text("r", "/../../example"), joined, save)
    decoded = tf_node("DecodeBase64", "a", ("q",))
    yield "save-decoded.pb", tf_graph(tf_text("q", "L3RtcC9leGFtcGxl"), decoded, save)
    yield "save-identity.pb", tf_graph(tf_text("q", "/tmp/example"), tf_node("Identity", "a", ("q",)), save)
    for name, path in _PATHS.items():
        if name != "memory":
            yield (
                f"asset-{name}/saved_model.pb",
                saved_model(tf_graph(), (6, message((1, message((1, "c:0"))), (2, path)))),
            )
    pickle = b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R."
    collection = message((1, "example"), (2, message((2, message((1, pickle))))))
    yield "collection/saved_model.pb", saved_model(tf_graph(), (4, collection))
    lambda_layer = {
        "class_name": "Lambda",
        "config": {"name": "l", "function": {"class_name": "__tuple__", "items": ["4wAAAA==", None, None]}},
    }
    metadata = json.dumps({"class_name": "Sequential", "config": {"layers": [lambda_layer]}})
    for name, tree in (("layer", json.dumps(lambda_layer)), ("model", metadata)):
        described = message((2, 1), (3, "root.layer"), (4, "_tf_keras_layer"), (5, tree))
        yield f"lambda-{name}/keras_metadata.pb", message((1, described))
        objects = message((1, message((4, message((1, "_tf_keras_layer"), (3, tree))))))
        yield f"lambda-{name}/saved_model.pb", saved_model(tf_graph(), (7, objects))
    yield "saved_model.pbtxt", b'meta_graphs {\n graph_def {\n node {\n name: "n"\n op: "WriteFile"\n }\n }\n}\n'
    yield "graph.pbtxt", b'node { name: \'n\' op: "Write" "F\\151le" }\n'
    yield "function.pbtxt", b'library { function { signature { name: "f" } node_def { name: "n" op: "EagerPyFunc" } } }'
    yield "angles.pbtxt", b'node < name: "n" op: "ReadFile" >\n'
    yield "list.pbtxt", b'node: [ { name: "a" op: "NoOp" }, { name: "n" op: "ReadFile" } ]\n'
    yield (
        "print.pbtxt",
        b'node { name: "n" op: "PrintV2" attr { key: "output_stream" value { s: "file:///tmp/example" } } }',
    )
    yield (
        "cut.pbtxt",
        b'node { name: "n" op: "ReadFile" } node { name: "o" attr { key: "v" value { tensor { string_val: "abc',
    )


# -- Core ML and Paddle


def nested(numbers: tuple[int, ...], leaf: bytes) -> bytes:
    """Return the field of the first number, which holds a message with the field of the second, and so on to ``leaf``."""
    for number in reversed(numbers):
        leaf = field(number, leaf)
    return leaf


def _coreml() -> Iterator[tuple[str, bytes]]:
    for name, path in _PATHS.items():
        if name in ("memory", "space"):
            continue
        value = message((5, message((1, path), (2, 64))))
        block = message((3, message((1, "const"), (5, message((1, "val"), (2, value))))))
        program = message(
            (1, 1), (2, message((1, "main"), (2, message((2, "CoreML6"), (3, message((1, "CoreML6"), (2, block)))))))
        )
        yield f"blob-{name}.mlmodel", coreml_model((502, program))
    blob = nested((502, 2, 2, 3, 2, 3, 5, 2, 5), message((1, "@model_path/../../weights.bin")))
    yield "blob-model-path.mlmodel", coreml_model() + blob
    links = {
        "file": ("../../other.mlmodelc", ""), "absolute": ("/tmp/other", ""), "search": ("other", "/tmp"), "list": ("other", ".:../..:x"),
        "url": ("https://example.com/other", ""),
    }  # fmt: skip
    for name, (file, search) in links.items():
        linked = message((1, message((1, message((1, file))), (2, message((1, search))))))
        yield f"linked-{name}.mlmodel", coreml_model((556, linked))
        yield f"pipeline-{name}.mlmodel", coreml_model((202, message((1, coreml_model((556, linked))))))
    weights = bytearray(
        struct.pack("<II", 1, 2) + bytes(56) + b"\xef\xbe\xad\xde" + struct.pack("<IQQ", 1, 4096, 128) + bytes(100)
    )
    yield "weights/weight.bin", bytes(weights)
    yield "loop/weight.bin", bytes(weights[:72]) + struct.pack("<QQ", 0, 0) + bytes(100)


def coreml_model(*fields: tuple[int, Value]) -> bytes:
    """Return a Core ML model: version, description, and the model itself."""
    return message((1, 7), (2, message((1, message((1, "x"))))), *fields)


def paddle(*operators: str) -> bytes:
    """Return a ProgramDesc of one block."""
    types = [(4, message((1, message((1, "X"), (2, "x"))), (3, operator))) for operator in operators]
    block = message((1, 0), (2, -1), (3, message((1, "x"), (2, message((1, 7))))), *types)
    return message((1, block), (4, message((1, 0))))


def _paddle() -> Iterator[tuple[str, bytes]]:
    for operator in (
        "py_func",
        "load",
        "load_combine",
        "save",
        "save_combine",
        "read_file",
        "listen_and_serv",
        "send",
        "create_py_reader",
    ):
        yield f"{operator}.pdmodel", paddle("feed", "relu", operator, "fetch")
        yield f"{operator}/__model__", paddle(operator)
    yield "py_func.bin", paddle("feed", "py_func")
    second = message((1, 1), (2, 0), (4, message((3, "py_func"))))
    yield "second-block.pdmodel", paddle("feed", "while") + message((1, second))


def doubtful() -> Iterator[tuple[str, bytes]]:
    """Yield files that a person must look at, and that fail no gate."""
    yield "custom-domain.onnx", onnx(graph((1, node("Blur", "com.example"))))
    yield "custom-default.onnx", onnx(graph((1, node("Blur"))))
    yield "custom-bare-domain.onnx", onnx(graph((1, node("Blur", "example"))))
    yield "aten.onnx", onnx(graph((1, node("ATen", "org.pytorch.aten"))))
    yield "context.onnx", onnx(graph((1, node("EPContext", "com.microsoft"))))
    yield "custom.ort", _ort("Blur", "com.example")
    yield "tensorrt.onnx", onnx(graph((1, node("TRT_ENGINE_OP", "trt"))))
    yield "custom/saved_model.pb", saved_model(tf_graph(tf_node("ExampleBlur")))
    yield "custom-namespace.pb", tf_graph(tf_node("Addons>Blur"))
    yield "abort.pb", tf_graph(tf_node("Abort"))
    yield "xla.pb", tf_graph(tf_node("XlaCustomCallV2"))
    yield "engine.pb", tf_graph(tf_node("TRTEngineOp"))
    yield (
        "warm-start.pb",
        tf_graph(tf_text("p", "/tmp/example"), tf_node("RestoreV2", "checkpoint_initializer_1", ("p", "t", "u"))),
    )
    yield "layer.mlmodel", coreml_model((500, message((1, message((1, "l"), (500, message((10, "ExampleLayer"))))))))
    yield "layer-in-loop.mlmodel", coreml_model() + nested((500, 1, 615, 4, 1, 500), message((10, "ExampleLayer")))
    yield "model.mlmodel", coreml_model((555, message((10, "ExampleModel"), (40, "an example"))))
    yield "serialized.mlmodel", coreml_model((3000, message((1, "example"), (2, b"x"))))
    yield "custom.pdmodel", paddle("feed", "example_blur", "fetch")
    yield "chunks/saved_model.cpb", b"\x83\xaf\x70\xd1\x0d\x88\x4a\x3f" + bytes(64)
    yield "cut-honest.onnx", onnx(graph((1, node("Relu")), (5, message((1, 1000), (2, 1), (9, bytes(4000))))))[:-100]
    yield "deep.onnx", onnx(_nested(400))
    yield "not-a-model.onnx", b"\x08\x01\x12\x04abcd" * 10
    yield "empty-saved/saved_model.pb", bytes(range(250)) * 2


def _nested(depth: int) -> bytes:
    inner = graph((1, node("Relu")))
    for _ in range(depth):
        inner = graph((1, node("If", "", (5, message((1, "then_branch"), (6, inner))))))
    return inner


def attacks() -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every hostile file; each must fail the gate."""
    for kind, pieces in (
        ("onnx", _external_data()),
        ("onnx-operators", _onnx_operators()),
        ("tf", _tensorflow()),
        ("coreml", _coreml()),
        ("paddle", _paddle()),
    ):
        for name, content in pieces:
            yield f"{kind}/{name}", content
