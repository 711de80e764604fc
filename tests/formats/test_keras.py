"""Keras configurations and the HDF5 files that hold them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlguard.errors import Unreadable
from mlguard.findings import Detection, Gap, Record
from mlguard.scanners.model import policy, source
from mlguard.scanners.model.contents import examine
from mlguard.scanners.model.formats import keras as configurations
from mlguard.scanners.model.formats.hdf5_file import File
from mlguard.scanners.model.formats.hdf5_parts import Damaged, Enough, Unknown
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import State
from tests.corpus import attacks_keras, hdf5
from tests.corpus.attacks_keras import bytecode, coded, function, h5, keras, layer, model
from tests.corpus.hdf5 import Dataset, Group, Text
from tests.models import checks_of, gaps_of, records_of, rules_of

FAILING = {"model/dangerous-import", "model/bundled-executable-code", "model/malformed-model-archive"}
DANGEROUS, UNKNOWN = "model/dangerous-import", "model/unknown-callable"
ATTACKS = list(attacks_keras.attacks())
FIXTURES = Path(__file__).parent.parent / "fixtures" / "models" / "keras"


def look(content: bytes, name: str = "model.h5") -> tuple[list[Record], State]:
    state = State("model", name, policy.shipped(()), examine)
    records: list[Record] = []
    try:
        records.extend(state.examine(View(content, 0, len(content), name), state))
    except Unreadable as trouble:
        records.append(Gap("model", name, "unreadable", str(trouble)))
    return records, state


def rules(records: list[Record]) -> set[str]:
    return {record.rule for record in records if isinstance(record, Detection)}


@pytest.mark.parametrize(("name", "content"), ATTACKS, ids=[name for name, _ in ATTACKS])
def test_hostile_files_fail_the_gate_and_doubtful_ones_ask_for_a_look(name: str, content: bytes) -> None:
    records, _ = look(content, name.rsplit("/", 1)[-1])

    found = rules(records)
    if name.startswith("doubtful/"):
        assert UNKNOWN in found and not found & FAILING, records
    else:
        assert found & FAILING, records


@pytest.mark.parametrize("version", [0, 1, 2, 3])
@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize("form", ["fixed", "variable"])
def test_an_honest_h5_model_is_clean_in_every_version_of_the_format(
    version: int, spread: bool, form: str, tmp_path: Path
) -> None:
    content = h5(model(), version, form, spread=spread)

    assert records_found(content, tmp_path, "model.h5") == []


def records_found(content: bytes, root: Path, name: str) -> list[Record]:
    return [record for record in records_of(content, root, name) if isinstance(record, Detection | Gap)]


def test_an_honest_archive_with_a_vocabulary_is_clean(tmp_path: Path) -> None:
    content = keras(
        model(layer("StringLookup", vocabulary=["red", "green"])), assets__lookup__vocabulary_txt=b"red\ngreen\n"
    )

    assert records_found(content, tmp_path, "model.keras") == []


def test_hdf5_under_the_name_of_an_archive_and_the_reverse_are_read(tmp_path: Path) -> None:
    assert checks_of(h5(model(coded(False))), tmp_path, "model.keras", DANGEROUS) == {"lambda-layer"}
    assert checks_of(keras(model(coded())), tmp_path, "model.h5", DANGEROUS) == {"lambda-layer"}


@pytest.mark.parametrize(
    ("tree", "check"),
    [
        (layer("Lambda", function=[bytecode(), None, None], function_type="lambda"), "lambda-layer"),
        (layer("StringLookup", vocabulary="/etc/hostname"), "file-operator"),
        (layer("TFSMLayer", filepath="x"), "file-operator"),
        (layer("Dense", activation=function("os", "system")), "stdlib-call"),
        (layer("Dense", activation=function("keras.utils", "get_file")), "library-call"),
        (layer("Dense", activation=function("keras.config", "enable_unsafe_deserialization")), "library-call"),
        ({"class_name": "TFOpLambda", "config": {"function": "numpy_function"}}, "python-operator"),
    ],
)
def test_each_way_to_run_or_read_has_its_check(tree: Any, check: str, tmp_path: Path) -> None:
    assert check in checks_of(keras(model(tree)), tmp_path, "model.keras", DANGEROUS)


def test_functions_and_classes_of_keras_are_quiet(tmp_path: Path) -> None:
    tree = model(
        layer(
            "Dense",
            activation=function("builtins", "relu"),
            kernel_initializer=layer("GlorotUniform", "keras.initializers"),
        ),
        layer("Dense", activation=function("keras.activations", "gelu")),
        {"module": "keras.src.ops.numpy", "class_name": "Add", "config": {"name": "add"}, "registered_name": "Add"},
        {
            "module": "tf_keras.src.layers.core.tf_op_layer",
            "class_name": "TFOpLambda",
            "config": {"function": "math.abs"},
        },
        {"class_name": "SlicingOpLambda", "config": {"function": "__operators__.getitem"}},
        layer(
            "TransformerEncoder", "keras_hub.src.layers.modeling.transformer_encoder", "keras_hub>TransformerEncoder"
        ),
        compile_config={
            "optimizer": {"class_name": "Custom>Adam", "config": {"learning_rate": 0.1}},
            "loss": "mse",
            "metrics": ["mae"],
        },
    )

    assert records_found(keras(tree), tmp_path, "model.keras") == []


def test_a_lambda_that_names_a_function_is_for_a_person_to_look_at(tmp_path: Path) -> None:
    content = keras(model(layer("Lambda", function=function("keras.ops", "abs"), arguments={})))

    assert checks_of(content, tmp_path, "model.keras", UNKNOWN) == {"lambda-by-name"}


def test_no_text_of_a_configuration_reaches_a_record() -> None:
    secret = "certainly not a name, whatever it is"
    tree = model(
        layer(secret, secret, secret, vocabulary=secret, function=secret),
        function(secret, secret),
        {"class_name": "function", "config": secret},
    )

    records, state = look(keras(tree), "model.keras")

    assert secret not in repr(records) and not any(secret in name for name in state.imports)


def test_a_configuration_that_cannot_be_parsed_is_a_gap_and_still_searched(tmp_path: Path) -> None:
    text = json.dumps(model(layer("Dense", activation=function("os", "system")), coded()))

    content = keras(text[:-9].encode())

    assert rules_of(content, tmp_path, "model.keras") == {DANGEROUS}
    assert [gap.kind for gap in gaps_of(content, tmp_path, "model.keras")] == ["unreadable"]


def test_the_metadata_of_a_saved_model_may_name_classes_of_its_own() -> None:
    state = State("model", "keras_metadata.pb", policy.shipped(()), examine)
    view = View(b"", 0, 0, "keras_metadata.pb")

    assert list(configurations.told({"class_name": "OwnModel", "config": {}}, view, state, "keras_metadata.pb")) == []
    assert list(configurations.told({"class_name": "OwnModel", "config": {}}, view, state, "model_config")) != []


def test_weights_of_tensorflow_js_stay_in_their_folder() -> None:
    state = State("model", "model.json", policy.shipped(()), examine)
    tree = {
        "format": "layers-model",
        "modelTopology": {"model_config": model()},
        "weightsManifest": [{"paths": ["../other.bin"]}],
    }

    found = list(configurations.told(tree, View(b"", 0, 0, "model.json"), state, "model.json"))

    assert rules(found) == {"model/malformed-model-archive"}
    assert configurations.is_config(tree)


def test_a_pickle_of_plain_values_in_an_attribute_is_quiet() -> None:
    content = hdf5.file(Group({"info": Text(b"(dp0\n."), "data_columns": Text(b"(lp0\n."), "note": Text(b"Done.")}))

    records, state = look(content)

    assert records == [] and state.pickles == 0


def test_a_file_cut_short_is_a_gap(tmp_path: Path) -> None:
    content = h5(model())

    for size in (9, 40, 100, 600, len(content) - 50):
        assert gaps_of(content[:size], tmp_path, "model.h5"), size


def test_a_large_file_costs_a_walk_over_its_headers(tmp_path: Path) -> None:
    path = tmp_path / "large.h5"
    small = hdf5.file(
        Group({"model_config": Text(json.dumps(model()).encode())}, {"kernel": Dataset(start=8192, extents=(2**27,))})
    )
    with path.open("wb") as file:
        file.write(small)
        file.truncate(2**30 + 8192)
    data = source.opened(path)
    state = State("model", "large.h5", policy.shipped(()), examine)

    records = list(state.examine(View(data, 0, len(data), "large.h5"), state))

    assert rules(records) == set()
    assert state.tensors == 1


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.h5")), ids=lambda path: path.stem)
def test_a_lambda_is_found_in_every_store_that_the_library_has_for_attributes(path: Path) -> None:
    records, _ = look(path.read_bytes(), path.name)

    assert DANGEROUS in rules(records), records


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=400), st.integers(0, 3))
def test_any_bytes_behind_the_signature_end_in_records(tail: bytes, version: int) -> None:
    records, _ = look(hdf5.MAGIC + bytes([version]) + tail)

    assert all(isinstance(record, Detection | Gap) for record in records)


_SEEDS = [
    h5(model(coded(False)), version, form, spread=version % 2 == 1)
    for version in (0, 1, 2, 3)
    for form in ("fixed", "variable")
] + [path.read_bytes() for path in sorted(FIXTURES.glob("*.h5"))]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(_SEEDS), st.lists(st.tuples(st.integers(0, 30_000), st.integers(0, 255)), max_size=8))
def test_changed_bytes_end_in_records(content: bytes, changes: list[tuple[int, int]]) -> None:
    changed = bytearray(content)
    for place, value in changes:
        changed[place % len(changed)] = value

    records, _ = look(bytes(changed))

    assert all(isinstance(record, Detection | Gap) for record in records)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(_SEEDS), st.integers(0, 30_000))
def test_a_file_that_is_cut_short_is_never_clean(content: bytes, size: int) -> None:
    records, _ = look(content[: size % len(content)])

    assert records or not size % len(content) or size % len(content) < 9


_NODES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.sampled_from(["Lambda", "function", "os", "keras.utils", "system"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["class_name", "module", "config", "registered_name", "function", "function_type", "vocabulary", "name", "layers",
                             "weightsManifest", "weight_map", "spec_name", "safe_mode", "op", "attr", "node_def", "handle"]),
            inner, max_size=6,
        )
    ),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(_NODES)
def test_any_configuration_ends_in_records(tree: Any) -> None:
    records, _ = look(keras(tree), "model.keras")

    assert all(isinstance(record, Detection | Gap) for record in records)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60), st.lists(st.integers(0, 2**16), max_size=4))
def test_the_reader_raises_nothing_else(tail: bytes, places: list[int]) -> None:
    content = bytearray(h5(model(), 2) + tail)
    for place in places:
        content[place % len(content)] ^= 0xFF

    try:
        file = File(bytes(content), 0, len(content))
        for _, attributes in file.walk(lambda link: None):
            for attribute in attributes:
                list(file.blobs(attribute.kind, attribute.raw, attribute.count, 100))
    except (Damaged, Enough, Unknown):
        pass
