"""Mobile, booster and R formats: what would run or lies is told, what the libraries write stays quiet."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mlguard.findings import Detection, Gap
from tests import binaries as b
from tests import corpus
from tests.builders import archive, tar
from tests.corpus import attacks_binaries, honest_binaries
from tests.models import MALFORMED, checks_of, gaps_of, records_of, rules_of

DANGEROUS, UNKNOWN, CODE = "model/dangerous-import", "model/unknown-callable", "model/bundled-executable-code"
FIXTURES = Path(__file__).parents[1] / "fixtures" / "models" / "binaries"
SYSTEM = b.call("system", b.strings("true"))


@cache
def attacks() -> dict[str, bytes]:
    return dict(attacks_binaries.attacks())


def seeds() -> list[tuple[str, bytes]]:
    found = []
    for name in honest_binaries.FIXTURES:
        content = (FIXTURES / name).read_bytes()
        found.append((name.rsplit("/", 1)[-1], gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content))
    return found


@pytest.mark.parametrize("name", sorted(attacks()))
def test_a_hostile_file_is_never_silent(name: str) -> None:
    outcome, _ = corpus.gate(attacks()[name], name)

    assert outcome == "told" if name in attacks_binaries.DOUBTFUL else outcome == "fails"


@pytest.mark.parametrize("name", honest_binaries.FIXTURES)
def test_what_the_libraries_write_is_quiet(name: str) -> None:
    found = corpus.records(FIXTURES / name, name)

    assert not [record for record in found if isinstance(record, Gap)]
    assert not [
        record.rule
        for record in found
        if isinstance(record, Detection)
        if record.rule != "model/executable-model-format"
    ]


def test_what_the_libraries_write_is_quiet_in_an_archive_as_well() -> None:
    members = {name: (FIXTURES / name).read_bytes() for name in honest_binaries.FIXTURES if not name.endswith(".pkl")}

    assert not corpus.records(archive(members), "models.zip")
    assert not corpus.records(tar(members), "models.tar")


@pytest.mark.parametrize(
    "name", ["in_list.rds", "flex_hidden.tflite", "children.ubj", "size.cbm", "pickle.msgpack", "old.joblib"]
)
def test_a_hostile_file_is_seen_in_an_archive_as_well(name: str) -> None:
    assert corpus.gate(archive({f"folder/{name}": attacks()[name]}), "models.zip")[0] == "fails"


def test_nothing_of_a_hostile_text_reaches_a_record(tmp_path: Path) -> None:
    text = "rm -rf /home/example; true"
    symbol = b'{"nodes": [{"op": "Custom", "name": "c", "attrs": {"op_type": "%b"}}], "arg_nodes": []}' % text.encode()
    files = {
        "a.tflite": b.tflite(text, "Flex" + text),
        "b.pte": b.executorch([text], [text]),
        "c.rds": b.rds(b.closure(b.call(text, b.strings(text)))),
        "d-symbol.json": symbol,
    }
    for name, content in files.items():
        found = records_of(content, tmp_path, name)

        assert found
        assert text not in repr(found)


# -- TensorFlow Lite


def test_the_node_inside_a_flex_operator_counts_not_its_name(tmp_path: Path) -> None:
    honest = b.tflite("FlexAdd", options=[(0, attacks_binaries._node("AddV2"))])
    hostile = b.tflite("FlexAdd", options=[(0, attacks_binaries._node("WriteFile"))])

    assert not rules_of(honest, tmp_path, "a.tflite")
    assert checks_of(hostile, tmp_path, "b.tflite", DANGEROUS) == {"file-operator"}


def test_the_python_kernel_of_tensorflow_is_told_as_such(tmp_path: Path) -> None:
    assert checks_of(b.tflite("FlexEagerPyFunc"), tmp_path, "a.tflite", DANGEROUS) == {"python-operator"}


@pytest.mark.parametrize(
    "name",
    ["TFLite_Detection_PostProcess", "TFText>WhitespaceTokenizeWithOffsets", "MaxUnpooling2D", "FlexStringLower"],
)
def test_custom_operators_of_the_runtime_itself_are_quiet(name: str, tmp_path: Path) -> None:
    assert not rules_of(b.tflite(0, name), tmp_path, "a.tflite")


def test_labels_behind_a_model_are_no_second_archive(tmp_path: Path) -> None:
    content = attacks_binaries._appended(b.tflite(0), ("labels.txt", b"cat\ndog\n"))

    assert not rules_of(content, tmp_path, "a.tflite")
    assert not gaps_of(content, tmp_path, "b.tflite")


# -- boosters


def test_a_tree_whose_child_is_no_node_is_malformed_in_every_form(tmp_path: Path) -> None:
    for name in ("children.ubj", "children.model", "children.bin", "children_low.bin"):
        assert checks_of(attacks()[name], tmp_path, name, MALFORMED) == {"header"}, name


def test_a_large_json_booster_is_read_without_its_numbers(tmp_path: Path) -> None:
    numbers = ",".join(["-1.5e-3"] * 3_000_000)
    content = (
        b'{"learner":{"attributes":{"note":"x"},"gradient_booster":{"model":{"trees":[{"base_weights":[%b]}]}}}}'
        % numbers.encode()
    )
    start = time.process_time()

    assert not gaps_of(content, tmp_path, "large.model")
    assert time.process_time() - start < 3


def test_the_sizes_of_lightgbm_lead_to_the_end_of_its_trees(tmp_path: Path) -> None:
    content = (FIXTURES / "lightgbm/model.txt").read_bytes()
    first = content.index(b"tree_sizes=") + len(b"tree_sizes=")

    assert not rules_of(content, tmp_path, "a.txt")
    assert checks_of(content[:first] + b"9" + content[first:], tmp_path, "b.txt") == {"header"}


# -- R


def test_a_promise_that_waits_for_its_value_is_told_and_one_that_has_it_is_not(tmp_path: Path) -> None:
    waiting = b.environment(frame=b.cells(b.promise(SYSTEM), tags=["x"]))
    done = b.environment(frame=b.cells(b.promise(SYSTEM, b.strings("a"), b.NIL), tags=["x"]))

    assert checks_of(b.rds(waiting), tmp_path, "a.rds", DANGEROUS) == {"expression"}
    assert not rules_of(b.rds(done), tmp_path, "b.rds")


def test_an_argument_that_was_never_needed_is_quiet_in_its_frame_and_told_elsewhere(tmp_path: Path) -> None:
    argument = b.promise(b.call("[", b.symbol("data"), b.symbol("rows")))

    assert not rules_of(b.rds(b.environment(frame=b.cells(argument, tags=["x"]))), tmp_path, "a.rds")
    assert checks_of(b.rds(b.vector(argument)), tmp_path, "b.rds", DANGEROUS) == {"expression"}


def test_functions_that_only_compute_are_quiet(tmp_path: Path) -> None:
    assert not rules_of(b.rds(b.closure(b.call("^", b.symbol("x"), b.symbol("n")))), tmp_path, "a.rds")
    assert checks_of(b.rds(b.closure(b.call("someone", b.symbol("x")))), tmp_path, "b.rds", UNKNOWN) == {
        "embedded-function"
    }
    assert rules_of(b.rds(b.closure(SYSTEM)), tmp_path, "c.rds") == {CODE}


def test_a_variable_called_system_is_not_a_call(tmp_path: Path) -> None:
    formula = b.call("~", b.symbol("cost"), b.call("+", b.symbol("system"), b.symbol("source")))

    assert not rules_of(b.rds(b.call("lm", formula, b.symbol("system"))), tmp_path, "a.rds")


def test_a_workspace_is_asked_for_functions_that_r_calls_itself(tmp_path: Path) -> None:
    body = b.closure(b.symbol("x"))

    assert checks_of(b.rda(**{".First": body}), tmp_path, "a.RData", DANGEROUS) == {"expression"}
    assert not rules_of(b.rda(first=body), tmp_path, "b.RData")


def test_a_number_of_the_reference_table_stands_for_its_symbol(tmp_path: Path) -> None:
    """R writes each name once; later calls hold its number only."""
    call = b.cells(b.integer(1 << 8 | 255), b.strings("true"), kind=6)

    assert rules_of(b.rds(b.vector(b.symbol("system"), call)), tmp_path, "a.rds") == {CODE}


# -- any bytes


SLOW = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
STARTS = [b"\x1c\0\0\0TFL3", b"\x1c\0\0\0ET12eh00", b"\x1c\0\0\0FT01FH01", b"\x08\0\0\0BP08", b"CBM1", b"{L\0\0\0\0\0\0\0\7learner", b"binf",
          b"tree\nversion=v4\n", b"\x12\1\0\0\0\0\0\0", b"\x81\xa6params", b"lmgg", b"tjgg\3\0\0\0", b"ZF0x1f                ", b"X\n\0\0\0\3",
          b"RDX3\nX\n\0\0\0\3\0\0\0\0\0\0\0\0\0\0\0\5UTF-8", b"A\n3\n1\n1\n5\nUTF-8\n", b"B\n\3\0\0\0", b"\x0c\xdb:*", b"ptrt"]  # fmt: skip
NAMES = ["a.bin", "a.tflite", "a.pte", "a.ubj", "a.msgpack", "a.params", "a.rds", "a.RData", "a.pkl", ".zarray", "0.0"]


@SLOW
@given(st.sampled_from(STARTS), st.binary(max_size=400), st.sampled_from(NAMES))
@example(b"\x81\xa6params", b"\x91" * 1000, "a.msgpack")
@example(b"{L\0\0\0\0\0\0\0\7learner", b"[" * 1000, "a.ubj")
def test_any_bytes_end_in_records(start: bytes, rest: bytes, name: str) -> None:
    corpus.records(start + rest, name)


@SLOW
@given(st.sampled_from(seeds()), st.integers(0, 2**32), st.integers(0, 255))
def test_a_changed_byte_ends_in_records(seed: tuple[str, bytes], place: int, value: int) -> None:
    name, content = seed
    changed = bytearray(content)
    changed[place % len(changed)] = value

    corpus.records(bytes(changed), name)


@SLOW
@given(st.sampled_from(seeds()), st.integers(0, 2**32), st.integers(-(2**31), 2**31 - 1), st.sampled_from("<>"))
def test_a_changed_number_ends_in_records(seed: tuple[str, bytes], place: int, value: int, order: str) -> None:
    name, content = seed
    changed = bytearray(content.ljust(8, b"\0"))
    struct.pack_into(order + "i", changed, place % (len(changed) - 4), value)

    corpus.records(bytes(changed), name)


@SLOW
@given(st.sampled_from(seeds()), st.integers(0, 2**32))
def test_a_cut_file_ends_in_records(seed: tuple[str, bytes], place: int) -> None:
    name, content = seed

    corpus.records(content[: place % len(content)], name)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 400))
def test_cutting_r_data_short_never_hides_what_came_before(cut: int) -> None:
    """The promise stands first; everything behind it may be missing."""
    hostile = b.rds(b.vector(b.promise(SYSTEM), *[b.strings("a" * 30)] * 8))
    end = hostile.index(b"true") + 4

    outcome, rules = corpus.gate(hostile[: max(end, len(hostile) - cut)], "a.rds")

    assert outcome == "fails"
    assert DANGEROUS in rules


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_cutting_a_checkpoint_short_never_hides_what_came_before(cut: int) -> None:
    hostile = b.msgpack({"note": attacks_binaries.PICKLE, "params": {"w": b.flax_array(bytes(400))}})
    end = hostile.index(b"params")

    assert corpus.gate(hostile[: end + cut % (len(hostile) - end)], "a.msgpack")[0] == "fails"


# -- time and memory


def _timed(content: bytes, name: str) -> float:
    start = time.process_time()
    corpus.records(content, name)
    return time.process_time() - start


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"{" + b"L" + struct.pack(">q", 7) + b"learner" + b"[$d#L" + struct.pack(">q", 10**7) + bytes(4 * 10**7), "a.ubj"),
        (b.msgpack({"params": {"w": b.flax_array(bytes(40_000_000))}}), "a.msgpack"),
        (b.mxnet({"arg:w": ([10_000_000], bytes(40_000_000))}), "a.params"),
        (b.rds(b.integer(14) + b.integer(5_000_000) + bytes(40_000_000)), "a.rds"),
        (b.tflite(0) + bytes(40_000_000), "a.tflite"),
        (b.ggjt([b"<s>", b"a"]) + bytes(40_000_000), "a.bin"),
    ],
    ids=["ubjson", "msgpack", "mxnet", "rds", "tflite", "ggml"],
)  # fmt: skip
def test_numbers_are_passed_over(content: bytes, name: str) -> None:
    assert _timed(content, name) < 0.5


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b.rds((b.integer(19) + b.integer(1)) * 1_000_000 + b.NIL), "a.rds"),
        (b.rds(b.cells(*[b.NIL] * 500_000)), "a.rds"),
        (b.rds(b.strings(*["a"] * 300_000)), "a.rds"),
        (b"A\n3\n1\n1\n5\nUTF-8\n14\n2000000\n" + b"1.5\n" * 2_000_000, "a.rds"),
        (b"A\n3\n1\n1\n5\nUTF-8\n262153\n500000\n" + b"\\n" * 500_000, "a.rds"),
        (b"{" + b"L" + struct.pack(">q", 7) + b"learner" + b"[" + b"Z" * 1_000_000 + b"]}", "a.ubj"),
        (b"\x81\xa6params\xdd" + struct.pack(">I", 1_000_000) + b"\xc0" * 1_000_000, "a.msgpack"),
    ],
    ids=["nested", "pairs", "texts", "text-numbers", "escapes", "ubjson", "msgpack"],
)  # fmt: skip
def test_work_is_linear_and_bounded(content: bytes, name: str) -> None:
    assert _timed(content, name) < 6


def test_no_module_of_the_formats_imports_a_heavy_library() -> None:
    names = [
        "catboost",
        "executorch",
        "flax",
        "ggml",
        "lightgbm",
        "mxnet",
        "rds",
        "tensorrt",
        "tflite",
        "xgboost",
        "zarr",
        "zfile",
    ]
    code = (
        f"import sys; from mlguard.scanners.model.formats import {', '.join(names)}\n"
        "print({'flatbuffers', 'h5py', 'msgpack', 'tensorflow'} & sys.modules.keys())"
    )

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert shown.strip() == "set()"
