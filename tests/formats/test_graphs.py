"""ONNX, TensorFlow, Core ML and Paddle: what their graphs may do is told, and what the libraries write stays quiet."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard.errors import Unreadable
from mlguard.findings import Detection, Gap
from mlguard.scanners.model import protobuf
from mlguard.scanners.model.formats import graphs, operators
from mlguard.scanners.model.protobuf import Wire
from mlguard.scanners.model.source import View
from tests.corpus import attacks_graphs as build
from tests.corpus import gate, records

FIXTURES = Path(__file__).parents[1] / "fixtures" / "models" / "graphs"
HONEST = sorted(path.name for path in FIXTURES.iterdir())
NAMES = (
    "model.onnx", "model.ort", "saved_model.pb", "graph.pb", "keras_metadata.pb", "fingerprint.pb", "graph.pbtxt", "saved_model.pbtxt",
    "a.meta", "a.index", "a.ckpt", "a.data-00000-of-00001", "model.mlmodel", "weight.bin", "a.pdmodel", "a.pdiparams", "__model__", "model.bin", "model",
)  # fmt: skip
DANGEROUS, MALFORMED, UNKNOWN = "model/dangerous-import", "model/malformed-model-archive", "model/unknown-callable"


def told(content: bytes, name: str) -> list[Detection | Gap]:
    return [record for record in records(content, name) if isinstance(record, Detection | Gap)]


def checks(content: bytes, name: str) -> set[tuple[str, str]]:
    return {(record.rule, record.check) for record in told(content, name) if isinstance(record, Detection)}


def names(content: bytes, name: str) -> set[object]:
    return {record.facts.get("name") for record in told(content, name) if isinstance(record, Detection)}


def test_every_hostile_graph_fails_the_gate() -> None:
    passed = [name for name, content in build.attacks() if gate(content, name)[0] != "fails"]

    assert passed == []


def test_every_doubtful_graph_is_told_and_fails_no_gate() -> None:
    outcomes = {name: gate(content, name)[0] for name, content in build.doubtful()}

    assert {name: outcome for name, outcome in outcomes.items() if outcome != "told"} == {}


@pytest.mark.parametrize("name", HONEST)
def test_files_of_the_real_libraries_are_quiet(name: str) -> None:
    assert told((FIXTURES / name).read_bytes(), name) == []


@pytest.mark.parametrize(
    "name", [name for name in HONEST if name.endswith((".onnx", ".mlmodel", ".ort")) or name == "frozen.pb"]
)
def test_files_of_the_real_libraries_are_quiet_under_another_name(name: str) -> None:
    assert told((FIXTURES / name).read_bytes(), "model.bin") == []


def test_no_text_of_the_file_is_shown() -> None:
    for name, content in [*build.attacks(), *build.doubtful()]:
        shown = repr([dict(record.facts) for record in told(content, name) if isinstance(record, Detection)])
        assert not any(text in shown for text in ("etc", "192.0.2", "weights", "tmp", "~"))


def test_operators_of_functions_that_the_model_brings_are_not_foreign() -> None:
    function = build.message((1, "Twice"), (7, build.node("Add")), (10, "pkg.torch.example"))
    model = build.onnx(build.graph((1, build.node("Twice", "pkg.torch.example"))), (25, function))

    assert told(model, "model.onnx") == []


def test_a_foreign_operator_is_told_once() -> None:
    model = build.onnx(build.graph(*[(1, build.node("Blur", "com.example"))] * 50))

    assert [record.facts["name"] for record in told(model, "model.onnx") if isinstance(record, Detection)] == [
        "com.example.Blur"
    ]


def test_operators_of_onnx_runtime_are_known() -> None:
    model = build.onnx(
        build.graph((1, build.node("FusedMatMul", "com.microsoft")), (1, build.node("TreeEnsemble", "ai.onnx.ml")))
    )

    assert told(model, "model.onnx") == []


def test_a_path_inside_the_folder_is_quiet() -> None:
    for path in (
        "weights.bin",
        "data/weights.bin",
        "./weights.bin",
        "a/../weights.bin",
        "model.onnx.data",
        "onnx::MatMul_12",
        "..weights",
    ):
        assert told(build.onnx(build.graph((5, build.external(path, "4096", "16")))), "model.onnx") == [], path


def test_a_checkpoint_path_that_the_caller_gives_is_quiet() -> None:
    model = build.tf_node("Placeholder", "p")
    save = build.tf_node("SaveV2", "s", ("p", "t", "u", "x"))
    restore = build.tf_node("RestoreV2", "r", ("p", "t", "u"))
    old = [build.tf_text("d", "model"), build.tf_node("SaveSlices", "o", ("d", "t", "u", "x"))]

    assert told(build.saved_model(build.tf_graph(model, save, restore, *old)), "saved_model.pb") == []


def test_a_vocabulary_that_is_an_asset_is_quiet_whatever_its_first_path_was() -> None:
    graph = build.tf_graph(
        build.tf_text("c", "/data/words.txt"), build.tf_node("InitializeTableFromTextFileV2", "t", ("h", "c"))
    )
    asset = build.message((1, build.message((1, "c:0"))), (2, "words.txt"))

    assert told(build.saved_model(graph, (6, asset)), "saved_model.pb") == []


def test_printing_is_quiet_unless_it_goes_to_a_file() -> None:
    for stream in ("stderr", "stdout", "log(warning)", ""):
        graph = build.tf_graph(build.tf_node("PrintV2", output_stream=build.message((2, stream))))
        assert told(graph, "graph.pb") == []


def test_a_node_that_calls_a_function_of_the_library_is_known() -> None:
    function = build.tf_function("ExampleBlock", build.tf_node("Relu"))

    assert told(build.tf_graph(build.tf_node("ExampleBlock"), functions=(function,)), "graph.pb") == []


def test_the_place_of_an_operator_is_where_its_node_stands() -> None:
    graph = build.tf_graph(build.tf_node("NoOp"), build.tf_node("WriteFile"))

    (found,) = (record for record in told(graph, "graph.pb") if isinstance(record, Detection))

    assert found.location.byte == graph.index(build.tf_node("WriteFile"))


def test_a_program_or_a_picture_under_a_graphs_name_is_no_graph() -> None:
    assert (DANGEROUS, "program") in checks(b"\x7fELF\x02\x01\x01" + bytes(600), "model.onnx")
    assert told(bytes(range(256)) * 8, "saved_model.pb") != []


def test_other_messages_and_random_bytes_do_not_pass_as_graphs() -> None:
    others = [
        b"\x08\x01",
        b"\x08\x01\x12\x00",
        b"\n\x04abcd\x12\x03xyz",
        b"\n" * 100,
        b"\x08" * 100,
        build.message((1, 3), (2, "name"), (3, 5)),
    ]
    others.append(build.message((1, build.message((1, "a"), (2, "b")))))

    assert [graphs.kind(other) for other in others] == [""] * len(others)


@given(st.binary(max_size=300))
def test_random_bytes_are_no_graph(content: bytes) -> None:
    assert graphs.kind(b"\x08" + content) in ("", "coreml", "onnx", "saved-model")
    if content[:200].isascii():
        assert graphs.kind(content) == "" or content[:1] in b"\x08\n"


@pytest.mark.parametrize("name", HONEST)
def test_a_file_cut_short_is_told(name: str) -> None:
    content = (FIXTURES / name).read_bytes()
    kept = content[: len(content) * 3 // 4]
    if not name.endswith((".index", "ckpt-7", "fingerprint.pb")):
        assert told(kept, name) != []


def test_cutting_a_hostile_file_never_hides_what_stands_before_the_cut() -> None:
    padding = build.message((1, 1000), (2, 1), (8, "w"), (9, bytes(400)))
    files = {
        "model.onnx": (build.onnx(build.graph((1, build.node("PyOp")), (5, padding))), b"PyOp"),
        "saved_model.pb": (
            build.saved_model(build.tf_graph(build.tf_node("EagerPyFunc"), build.tf_text("c", "x" * 400))),
            b"EagerPyFunc",
        ),
        "graph.pb": (build.tf_graph(build.tf_node("ReadFile"), build.tf_text("c", "x" * 400)), b"ReadFile"),
        "a.pdmodel": (build.paddle("feed", "py_func", *["relu"] * 20), b"py_func"),
    }
    for name, (content, operator) in files.items():
        start = content.index(operator) + len(operator)
        for end in range(start, len(content), 7):
            assert gate(content[:end], name)[0] == "fails", (name, end)


@given(st.sampled_from(NAMES), st.binary(max_size=400))
def test_any_bytes_end_in_records(name: str, content: bytes) -> None:
    records(content, name)


@settings(max_examples=300)
@given(st.sampled_from(HONEST), st.data())
def test_a_changed_file_ends_in_records(name: str, data: st.DataObject) -> None:
    content = bytearray((FIXTURES / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))

    records(bytes(content), name)


@given(st.integers(0, 2**64 - 1))
def test_varints_are_read_back(value: int) -> None:
    written = build.varint(value)

    assert protobuf.varint(written, 0, len(written)) == (value, len(written))


def test_the_walker_skips_what_it_does_not_know() -> None:
    content = (
        build.message((9, 5), (1, "a"))
        + b"\x29"
        + bytes(8)
        + b"\x2d"
        + bytes(4)
        + b"\x33\x08\x01\x3b\x12\x01z\x3c\x34"
        + build.message((2, "b"))
    )

    wire = Wire(content)
    found = [number for number, _, _, _ in wire.fields(0, len(content))]

    assert (found, wire.broken) == ([9, 1, 5, 5, 2], -1)


@pytest.mark.parametrize(
    "content",
    [
        b"\x07",
        b"\x00\x01",
        b"\xff" * 12,
        b"\x0a",
        b"\x0a\x05ab",
        b"\x08",
        b"\x09abc",
        b"\x0d12",
        b"\x0b\x08\x01",
        b"\x0c",
        b"\x0a" + b"\xff" * 9 + b"\x01",
    ],
)
def test_the_walker_says_where_a_message_breaks(content: bytes) -> None:
    wire = Wire(content)

    list(wire.fields(0, len(content)))

    assert 0 <= wire.broken <= len(content)


def test_large_fields_cost_nothing(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    size = 2**30
    tensor = build.message((1, size // 4), (2, 1), (8, "w")) + build.varint(9 << 3 | 2) + build.varint(size)
    graph = build.graph((1, build.node("PyOp"))) + build.varint(5 << 3 | 2) + build.varint(len(tensor) + size) + tensor
    head = build.message((1, 8)) + build.varint(7 << 3 | 2) + build.varint(len(graph) + size) + graph
    with open(path, "wb") as file:
        file.write(head)
        file.truncate(len(head) + size)

    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    found = [record for record in records(path, "model.onnx") if isinstance(record, Detection)]

    assert [record.check for record in found] == ["python-operator"]
    assert time.process_time() - started < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_many_small_fields_end_at_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protobuf, "MAX_FIELDS", 1000)

    found = told(build.onnx(build.graph(*[(1, build.node("Relu"))] * 2000)), "model.onnx")

    assert [record.kind for record in found if isinstance(record, Gap)] == ["too-large"]


def test_a_text_graph_that_is_too_long_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlguard.scanners.model.formats import textproto

    monkeypatch.setattr(textproto, "MAX_TEXT_BYTES", 10)

    with pytest.raises(Unreadable):
        textproto.encoded(View(b"node { op: 'NoOp' }", 0, 19, "graph.pbtxt"))


def test_settings_in_text_form_are_no_graph() -> None:
    assert (
        told(
            b'name: "model"\nplatform: "onnxruntime_onnx"\nmax_batch_size: 8\ninput [ { name: "x" dims: [ 4 ] } ]\n',
            "config.pbtxt",
        )
        == []
    )


def test_paths_that_leave() -> None:
    assert not any(map(operators.leaves, ("", "a", "a/b", "./a", "a/../b", "ab:c", "w::1", "..a", "a..", "...")))
    assert all(
        map(
            operators.leaves,
            ("..", "../a", "a/../../b", "/a", "\\a", "C:\\a", "c:a", "s3://a", "file:/a", "~", "~a/b", "a\0b"),
        )
    )


def test_every_group_of_the_table_has_a_reason_and_a_source() -> None:
    from mlguard import tables

    for part in tables.table("graph-operators").values():
        for group in [*part["blocked"], *part.get("review", ()), *part.get("native", ())]:
            assert group["why"] and "/" in group["source"] and group["names"].split()


def test_a_graph_of_tensorflow_js_is_judged_like_one_in_protobuf() -> None:
    from mlguard.scanners.model import new_state, policy
    from mlguard.scanners.model.formats import tensorflow

    tree = {
        "format": "graph-model",
        "modelTopology": {
            "node": [{"name": "n", "op": "WriteFile"}, {"name": "o", "op": "ExampleBlur"}, {"name": "p", "op": "Relu"}]
        },
        "weightsManifest": [{"paths": ["group1-shard1of1.bin", "../../x.bin"], "weights": []}],
    }

    found = list(tensorflow.told_json(tree, View(b"", 0, 0, "model.json"), new_state("model.json", policy.shipped())))

    assert {(record.rule, record.check) for record in found if isinstance(record, Detection)} == {
        (DANGEROUS, "file-operator"), (UNKNOWN, "custom-operator"), (MALFORMED, "external-path"),
    }  # fmt: skip


def test_a_paddle_program_in_json_is_judged_like_one_in_protobuf() -> None:
    from mlguard.scanners.model import new_state, policy
    from mlguard.scanners.model.formats import paddle

    items = [
        {"#": "1.relu", "I": [], "O": []},
        {"#": "1.py_func", "I": [], "O": []},
        {"#": "3.example_blur", "I": [], "O": []},
    ]
    tree = {
        "base_code": {"magic": "pir", "version": 4},
        "program": {"regions": [{"#": "region_0", "blocks": [{"#": "block_0", "ops": items}]}]},
    }

    found = list(paddle.told_json(tree, View(b"", 0, 0, "model.json"), new_state("model.json", policy.shipped())))

    assert paddle.is_program(tree)
    assert [(record.check, record.facts["name"]) for record in found if isinstance(record, Detection)] == [
        ("custom-operator", "example_blur"), ("python-operator", "py_func"),
    ]  # fmt: skip
