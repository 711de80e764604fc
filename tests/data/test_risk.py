"""Quasi-identifiers, declared or found, and what the figures over them say of a claim."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest

from mlguard import codec, declarations
from mlguard.assess import anonymity as judged
from mlguard.facts import Anonymity, Dataset, Field
from mlguard.findings import Detection, Gap, Proof
from mlguard.scanners.dataset import risk
from mlguard.scanners.dataset.rows import Rows

COUNT = 4000
AGES = [18 + (7 * place) % 60 for place in range(COUNT)]
SEXES = ["mf"[(place // 3) % 2] for place in range(COUNT)]
TOWNS = [f"Town {chr(65 + (place * place) % 23)}" for place in range(COUNT)]
ILLNESSES = [["asthma", "measles", "migraine", "diabetes"][place % 4] for place in range(COUNT)]
TABLE = {
    "age": AGES,
    "sex": SEXES,
    "town": TOWNS,
    "illness": ILLNESSES,
    "length": [place * 0.37 for place in range(COUNT)],
}
FIELDS = [
    Field("age", "user.demographic.age_range", "Age", "personal", "high", "context", COUNT, COUNT, ()),
    Field("sex", "user.demographic.gender", "Gender", "personal", "high", "context", COUNT, COUNT, ()),
    Field("town", "user.contact.address.city", "City", "personal", "high", "context", COUNT, COUNT, ()),
]


def watched(
    table: Mapping[str, Sequence[Any]] = TABLE, wanted: Mapping[str, Any] | None = None, path: str = "data/stays.csv", size: int = 700,
    fields: Sequence[Field] = FIELDS, again: bool = True,
) -> list[Anonymity]:  # fmt: skip
    batches = pa.table({name: pa.array(list(cells)) for name, cells in table.items()}).to_batches(size)
    watch = risk.Watch(path, wanted)
    for batch in batches:
        watch.add(batch)
    found = watch.records(fields, (lambda: iter(batches)) if again else None)
    return [fact for fact in found if isinstance(fact, Anonymity)]


def test_declared_columns_are_counted_whatever_their_spelling() -> None:
    (fact,) = watched(
        wanted={"quasi": ["Age", "SEX"], "sensitive": ["illness"], "k_min": 5, "claim": "pseudonymised"}, fields=()
    )

    assert (fact.columns, fact.declared, fact.rows, fact.k_min, fact.claim) == (
        ("age", "sex"),
        True,
        COUNT,
        5,
        "pseudonymised",
    )
    assert fact.k == min(Counter(zip(AGES, SEXES, strict=True)).values())
    assert [part.column for part in fact.diversity] == ["illness"]


def test_columns_known_by_name_are_counted_on_the_way() -> None:
    (fact,) = watched()

    assert (fact.columns, fact.declared, fact.sampled) == (("age", "sex", "town"), False, 0)
    assert [part.column for part in fact.diversity] in ([], ["illness"])


def test_names_that_the_verdict_does_not_confirm_are_no_quasi_identifiers() -> None:
    assert watched(fields=()) == []
    (fact,) = watched(fields=FIELDS[:2])
    assert fact.columns == ("age", "sex")


@pytest.mark.parametrize("size", [100, 1000, 4000])
def test_what_is_found_does_not_depend_on_the_batches(size: int) -> None:
    path = "data/stays_anonymised.csv"

    assert watched(path=path, size=size) == watched(path=path, size=333)


def test_without_a_second_reading_the_sample_is_counted_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(risk, "Rows", lambda: Rows(most=500))

    (fact,) = watched(path="data/stays_anonymised.csv", again=False, fields=FIELDS[:2])

    assert fact.sampled == fact.rows == 500


def test_other_columns_of_few_values_join_known_ones_and_measurements_do_not() -> None:
    table = {
        **TABLE,
        "branch": [f"B{(place * 31) % 40}" for place in range(COUNT)],
        "label": [place % 40 for place in range(COUNT)],
    }

    (fact,) = watched(table, path="data/stays_anonymised.csv", fields=FIELDS[:1])

    assert set(fact.columns) == {"age", "branch", "illness"} or set(fact.columns) >= {"age", "branch"}
    assert not {"label", "length"} & set(fact.columns)


def test_structs_are_columns_of_their_own() -> None:
    batch = pa.record_batch({"person": [{"age": 31, "sex": "f"}, {"age": 31, "sex": "f"}]})
    watch = risk.Watch("data/stays.jsonl", {"quasi": ["person.age", "person.sex"]})
    watch.add(batch)

    (fact,) = watch.records(())

    assert isinstance(fact, Anonymity) and fact.k == 2


CLAIMS = {
    "data/customers_anonymised.csv": "anonymous", "data/anon-2024.parquet": "anonymous", "data/deidentified.csv": "pseudonymised",
    "data/pseudo_visits.csv": "pseudonymised", "data/canon.csv": "", "data/anonymiser_config.csv": "", "anon/data.csv": "",
}  # fmt: skip


@pytest.mark.parametrize("path", sorted(CLAIMS))
def test_a_name_may_claim_anonymity(path: str) -> None:
    assert risk.claimed(path) == CLAIMS[path]


def test_facts_survive_the_pipe() -> None:
    (fact,) = watched(wanted={"quasi": ["age", "sex"], "sensitive": ["illness", "length"]})

    assert codec.decode(codec.loads(codec.dumps(codec.encode(fact)))) == fact


def test_a_sample_of_rows_does_not_depend_on_the_batches_and_keeps_copies_like_other_rows() -> None:
    table = pa.table({"a": list(range(10_000)), "b": ["same"] * 10_000})
    tables = []
    for size in (100, 4096, 10_000):
        rows = Rows(most=300)
        for batch in table.to_batches(size):
            rows.add(batch)
        tables.append(rows.table())

    assert tables[0].equals(tables[1]) and tables[1].equals(tables[2])
    assert tables[0].num_rows == 300
    assert 3500 < sum(tables[0]["a"].to_pylist()) / 300 < 6500


def test_a_sample_survives_columns_that_change_their_type_or_stand_twice() -> None:
    rows = Rows(most=10)
    rows.add(pa.record_batch({"a": [1, 2]}))
    rows.add(pa.record_batch({"a": ["x"], "b": pa.array([b"\xff\xfe"])}))
    rows.add(pa.record_batch({"a": pa.array([[1]]), "b": ["y"]}))
    twice = Rows(most=10)
    for _ in range(2):
        twice.add(pa.record_batch([pa.array([1]), pa.array(["x"])], names=["a", "a"]))

    assert rows.table().num_rows == 4
    assert twice.table().num_rows == 2


# --- The judgement

DECLARED = """
version: 0
organisation: {controller: {name: Example, email: privacy@clinic.example}}
teams: {ml: {contact: ml@clinic.example}}
purposes: {study: {description: Study how long patients stay in hospital, data_use: improve}}
datasets:
  - {id: stays, location: [data/stays.csv], owner: ml, class: pseudonymous, data_subjects: [patient], purposes: [study],
     source: {kind: derived}, fields: {age: {categories: [user.demographic.age_range], role: quasi_identifier}},
     retention: {period: P1Y, action: delete}, LIMITS}
activities: []
access: {classes: {}, rules: []}
"""


def judge(fact: Anonymity | Dataset, limits: str = "") -> list[Any]:
    text = DECLARED.replace(", LIMITS", f", {limits}") if limits else ""
    return list(judged.assess([fact], declarations.parse(text) if text else None))


def fact(**changes: Any) -> Anonymity:
    given: dict[str, Any] = {
        "path": "data/stays.csv",
        "columns": ("age",),
        "declared": True,
        "rows": 100,
        "classes": 20,
        "k": 5,
        "unique": 0,
    }
    return Anonymity(**{**given, **changes})


def test_a_kept_limit_is_a_proof_and_a_broken_one_a_finding() -> None:
    assert judge(fact(), "k_min: 5") == [Proof("data/singling-out-risk", "data/stays.csv", "data/stays.csv")]
    assert [item.check for item in judge(fact(k=4, k_min=5, below=4), "k_min: 5")] == ["k"]


def test_an_estimate_is_no_proof() -> None:
    assert judge(fact(share=0.5), "k_min: 5") == []
    assert judge(fact(sampled=20), "k_min: 5") == []


@pytest.mark.parametrize(
    ("claim", "unique", "expected"),
    [
        ("anonymous", 1, ["unique"]),
        ("anonymous", 0, []),
        ("pseudonymised", 10, []),
        ("pseudonymised", 30, ["unique"]),
        ("", 100, []),
    ],
)
def test_without_a_limit_the_claim_decides(claim: str, unique: int, expected: list[str]) -> None:
    found = judge(fact(claim=claim, unique=unique, k=1, declared=False))

    assert [item.check for item in found if isinstance(item, Detection)] == expected


def test_a_limit_that_could_not_be_tested_is_a_gap() -> None:
    (gap,) = judge(Dataset("data/stays.csv", "csv", 100, 3), "k_min: 5")

    assert isinstance(gap, Gap) and gap.kind == "unresolved"
