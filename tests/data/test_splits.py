"""Persons and rows that stand in several splits are counted, whatever the files are called and written in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard.artifacts import Artifact
from mlguard.assess import anonymity as judged
from mlguard.facts import Overlap
from mlguard.findings import Detection, Proof
from mlguard.scanners.dataset import split_names, splits
from mlguard.scanners.dataset.split_names import groups, split_of

Table = Mapping[str, Sequence[Any]]


def artifacts(*paths: str) -> list[Artifact]:
    kinds = {
        "csv": "csv",
        "parquet": "parquet",
        "jsonl": "jsonl",
        "arrow": "arrow",
        "json": "json",
        "py": "python",
        "yaml": "yaml",
    }
    return [Artifact(path, kinds[path.rsplit(".", 1)[-1]], 10) for path in paths]


def overlap(files: Mapping[str, Table], size: int = 1000, **wanted: Any) -> list[Overlap]:
    def read(artifact: Artifact) -> Iterator[Any]:
        table = pa.table({name: pa.array(list(cells)) for name, cells in files[artifact.path].items()})
        yield from table.to_batches(size)

    (group,) = groups(artifacts(*files))
    return list(splits.overlaps(group, read, wanted.get("wanted")))


def reported(facts: Iterable[Overlap]) -> list[tuple[str, str]]:
    return [
        (item.check, item.location.path) for item in judged.assess(list(facts), None) if isinstance(item, Detection)
    ]


PATHS = {
    "data/train.csv": "train", "data/test.csv": "test", "data/val.csv": "valid", "data/dev.csv": "valid", "data/customers_train.parquet": "train",
    "data/customers-holdout.parquet": "holdout", "data/eval.jsonl": "eval", "corpus/train/data-00000-of-00002.arrow": "train",
    "corpus/test/data-00000-of-00001.arrow": "test", "data/validation-00000-of-00001.parquet": "valid", "TRAIN.csv": "train",
    "data/customers.csv": "", "data/train_test.csv": "", "data/training_plan.csv": "train", "data/contest.csv": "", "data/latest.csv": "",
}  # fmt: skip


@pytest.mark.parametrize("path", sorted(PATHS))
def test_a_path_names_its_split(path: str) -> None:
    assert split_of(path)[0] == PATHS[path]


def test_files_whose_names_differ_in_the_split_alone_are_one_group() -> None:
    found = groups(artifacts(
        "data/customers_train.csv", "data/customers_test.csv", "data/orders_train.csv", "data/orders_test.csv", "data/other.csv",
        "hub/train/data-00000-of-00002.arrow", "hub/train/data-00001-of-00002.arrow", "hub/test/data-00000-of-00001.arrow",
    ))  # fmt: skip

    assert [[artifact.path for artifact in group] for group in found] == [
        ["data/customers_test.csv", "data/customers_train.csv"],
        ["data/orders_test.csv", "data/orders_train.csv"],
        [
            "hub/test/data-00000-of-00001.arrow",
            "hub/train/data-00000-of-00002.arrow",
            "hub/train/data-00001-of-00002.arrow",
        ],
    ]
    assert all(map(split_names.is_group, found))


@pytest.mark.parametrize(
    "paths",
    [("tests/data/train.csv", "tests/data/test.csv"), ("src/train.py", "src/test.py"), ("deploy/dev/app.json", "deploy/test/app.json"),
     ("data/train.csv", "models/test.csv"), ("data/train.csv",), ("train/README.json", "test/README.json")],
)  # fmt: skip
def test_what_is_no_set_of_splits_is_no_group(paths: tuple[str, ...]) -> None:
    assert groups(artifacts(*paths)) == []


def test_persons_in_both_splits_are_counted_with_their_rows() -> None:
    found = overlap({
        "data/train.csv": {"patient_id": ["P1", "P2", "P3", "P3"], "stay": [1, 2, 3, 4]},
        "data/test.csv": {"Patient ID": ["p3 ", "P3", "P9", None], "stay": [7, 8, 9, 1]},
    })  # fmt: skip

    (fact,) = [fact for fact in found if fact.columns]
    assert (fact.path, fact.other, fact.split, fact.keys, fact.shared, fact.rows, fact.personal) == (
        "data/test.csv", "data/train.csv", "test", 2, 1, 2, True,
    )  # fmt: skip
    assert reported(found) == [("person", "data/test.csv")]


def test_an_address_is_one_person_however_it_is_written_and_stored() -> None:
    found = overlap({
        "data/train.jsonl": {"email": ["Mira@kunde.intern", "tomas@kunde.intern"]},
        "data/valid.jsonl": {"email": pa.array(["mira@kunde.intern", "olga@kunde.intern"]).dictionary_encode().to_pylist()},
        "data/test.jsonl": {"email": ["ines@kunde.intern"]},
    })  # fmt: skip

    by_columns = {(fact.other_split, fact.split): fact.shared for fact in found if fact.columns}
    assert by_columns == {("train", "valid"): 1, ("train", "test"): 0, ("valid", "test"): 0}


def test_name_and_birth_date_together_are_a_person_and_a_name_alone_is_none() -> None:
    names, births = ["Mira Kessler", "Tomas Brandt", "Ines Ferrari"], ["1980-02-03", "1975-11-30", "1991-07-14"]
    same = {"data/train.csv": {"full_name": names, "birth_date": births, "x": [1, 2, 3]},
            "data/test.csv": {"full_name": names[:2], "birth_date": [births[0], "1960-01-02"], "x": [9, 8]}}  # fmt: skip

    (fact,) = [fact for fact in overlap(same) if fact.columns]

    assert (fact.columns, fact.shared) == (("full_name", "birth_date"), 1)
    alone = {path: {"full_name": table["full_name"], "x": table["x"]} for path, table in same.items()}
    assert [fact.shared for fact in overlap(alone) if fact.columns] == []


def test_declared_identifiers_are_compared() -> None:
    files = {"data/train.csv": {"ref": ["a", "b"], "x": [1, 2]}, "data/test.csv": {"ref": ["b", "c"], "x": [3, 4]}}

    assert [fact.shared for fact in overlap(files) if fact.columns] == []
    declared = {path: {"identifiers": ["ref"]} for path in files}
    assert [fact.shared for fact in overlap(files, wanted=declared) if fact.columns] == [1]


def test_numbers_of_rows_are_no_persons() -> None:
    files = {
        "data/train.csv": {"user_id": [1, 2, 3], "x": [1, 2, 3]},
        "data/test.csv": {"user_id": ["1", "2"], "x": [9, 8]},
    }

    assert [fact for fact in overlap(files) if fact.columns] == []


def test_copied_rows_are_told_whatever_the_order_of_columns_and_their_numbering() -> None:
    texts = [f"sentence number {place} of the corpus" for place in range(40)]
    found = overlap({
        "data/train.csv": {"index": list(range(40)), "text": texts, "label": [place % 2 for place in range(40)]},
        "data/test.csv": {"label": [0, 0, 0, 1], "text": [texts[2], texts[4], texts[6], "new"], "index": [0, 1, 2, 3]},
    })  # fmt: skip

    (fact,) = found
    assert (fact.columns, fact.rows, fact.of, fact.personal) == ((), 3, 4, False)
    assert reported(found) == [("rows", "data/test.csv")]


def test_rows_of_few_values_repeat_by_nature() -> None:
    rows = {"age": [20 + place % 3 for place in range(60)], "sex": ["mf"[place % 2] for place in range(60)]}

    found = overlap({"data/train.csv": rows, "data/test.csv": {name: cells[:30] for name, cells in rows.items()}})

    assert found[0].rows == 30
    assert reported(found) == []


def test_splits_without_a_common_person_are_a_proof() -> None:
    found = overlap({"data/train.csv": {"patient_id": ["a", "b"]}, "data/test.csv": {"patient_id": ["c"]}})

    assert [item for item in judged.assess(found, None) if isinstance(item, Proof)] == [
        Proof("data/same-person-across-splits", "data/test.csv", "data/test.csv")
    ]


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), max_size=30), st.lists(st.integers(0, 30), max_size=30), st.integers(1, 7))
def test_the_count_is_that_of_sets(train: list[int], test: list[int], size: int) -> None:
    cells = {"data/train.csv": [f"P-{item}" for item in train], "data/test.csv": [f"P-{item}" for item in test]}

    found = overlap({path: {"patient_id": pa.array(keys, pa.string()).to_pylist()} for path, keys in cells.items() if keys}, size) if (
        train and test) else []  # fmt: skip

    if found:
        (fact,) = [fact for fact in found if fact.columns]
        assert (fact.shared, fact.keys) == (len(set(train) & set(test)), len(set(test)))
        assert fact.rows == sum(item in set(train) for item in test)


def test_beyond_the_bound_the_same_part_of_both_sides_is_compared_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(splits, "MOST", 500)
    train, test = [f"P-{place}" for place in range(4000)], [f"P-{place}" for place in range(3000, 5000)]

    (fact,) = [
        fact
        for fact in overlap({"data/train.csv": {"patient_id": train}, "data/test.csv": {"patient_id": test}})
        if fact.columns
    ]

    assert fact.share in (0.125, 0.0625)
    assert 500 < fact.shared < 1500  # four standard deviations


def test_neither_a_value_nor_a_number_of_one_is_told() -> None:
    files = {"data/train.csv": {"email": ["mira@kunde.intern"]}, "data/test.csv": {"email": ["mira@kunde.intern"]}}

    once, again = (repr(overlap(files)) for _ in range(2))

    assert once == again
    assert "mira" not in once
    assert json.dumps(once)
