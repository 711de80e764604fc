"""k, l and t against a naive count, against figures worked out by hand, and whatever the order of the rows."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from datetime import date, datetime
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard.scanners.dataset import anonymity, hashing
from mlguard.scanners.dataset.anonymity import Anonymity, Classes

Rows = list[tuple[Any, ...]]
NAMES = ("age", "sex", "town", "illness")


def batch(rows: Rows) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True)) if rows else [[], [], [], []]
    return pa.record_batch({name: pa.array(list(column)) for name, column in zip(NAMES, columns, strict=True)})


def counted(rows: Rows, sizes: tuple[int, ...] = (), **options: Any) -> Anonymity:
    classes = Classes(NAMES[:3], NAMES[3:], **options)
    for start, end in pairwise((0, *sizes, len(rows))):
        if end > start:
            classes.add(batch(rows[start:end]))
    return classes.result()


def naive(rows: Rows) -> dict[str, Any]:
    """Return the figures by their definitions, in quadratic time."""
    groups: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
    for row in rows:
        groups[row[:3]].append(row[3])
    whole = Counter(row[3] for row in rows)
    values = sorted(whole)
    result: dict[str, Any] = {
        "k": min(map(len, groups.values())),
        "unique": sum(len(group) == 1 for group in groups.values()),
    }
    result["l"] = min(len(set(group)) for group in groups.values())
    entropies, equal, ordered, factors = [], [], [], []
    for group in groups.values():
        shares = [group.count(value) / len(group) for value in values]
        differences = [share - whole[value] / len(rows) for share, value in zip(shares, values, strict=True)]
        entropies.append(-sum(share * math.log(share) for share in shares if share))
        equal.append(sum(map(abs, differences)) / 2)
        ordered.append(
            sum(abs(sum(differences[: place + 1])) for place in range(len(values))) / max(len(values) - 1, 1)
        )
        ranked = sorted(Counter(group).values(), reverse=True)
        rest = sum(ranked[max(result["l"], 2) - 1 :])
        factors.append(ranked[0] / rest if rest else math.inf)
    return {
        **result,
        "entropy": math.exp(min(entropies)),
        "equal": max(equal),
        "ordered": max(ordered),
        "c": max(factors),
    }


CELLS = st.tuples(
    st.integers(20, 23), st.sampled_from("mf"), st.sampled_from(["Ulm", "Trier"]), st.sampled_from(["a", "b", "c"])
)
TABLES = st.lists(CELLS, min_size=1, max_size=40)


@settings(deadline=None)
@given(TABLES)
def test_figures_agree_with_their_definitions(rows: Rows) -> None:
    result, expected = counted(rows), naive(rows)

    (diversity,) = result.diversity
    assert (result.k, result.unique, diversity.distinct) == (expected["k"], expected["unique"], expected["l"])
    assert diversity.entropy == pytest.approx(expected["entropy"], abs=1e-5)
    assert diversity.t == pytest.approx(expected["equal"], abs=1e-5)
    assert diversity.c == pytest.approx(expected["c"], abs=1e-5)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(20, 22), st.just("m"), st.just("Ulm"), st.integers(-3, 3)), min_size=2, max_size=40)
)
def test_distance_of_numbers_is_that_of_ordered_values(rows: Rows) -> None:
    (diversity,) = counted(rows).diversity

    expected = naive(rows)
    distinct = len({row[3] for row in rows})
    assert diversity.t == pytest.approx(expected["ordered" if distinct > 1 else "equal"], abs=1e-5)


def test_three_rows_of_salaries_have_the_distance_of_the_paper() -> None:
    """Li, Li and Venkatasubramanian, section 4: {3k, 4k, 5k} of 3k … 11k is 0.375 away, {6k, 8k, 11k} 0.167."""
    salaries = {1: (3, 4, 5), 2: (6, 8, 11), 3: (7, 9, 10)}
    rows = [(group, "m", "Ulm", value * 1000) for group, values in salaries.items() for value in values]

    (diversity,) = counted(rows).diversity

    assert diversity.t == 0.375
    assert diversity.ordered
    only_second = Classes(["age"], ["illness"])
    only_second.add(
        batch(
            [
                *((2, "m", "Ulm", value * 1000) for value in (6, 8, 11)),
                *((1, "m", "Ulm", v * 1000) for v in (3, 4, 5, 7, 9, 10)),
            ]
        )
    )
    assert only_second.result().diversity[0].t == pytest.approx(1 / 6, abs=1e-6)


def test_numbers_written_as_text_are_ordered_as_numbers() -> None:
    as_text = [(1, "m", "Ulm", "9"), (1, "m", "Ulm", "10"), (2, "m", "Ulm", "11"), (2, "m", "Ulm", "100")]
    as_numbers = [(*row[:3], int(row[3])) for row in as_text]

    assert counted(as_text).diversity == counted(as_numbers).diversity


@settings(deadline=None)
@given(TABLES, st.lists(st.integers(0, 40), max_size=4), st.randoms(use_true_random=False), st.integers(1, 12))
def test_any_cut_and_order_of_the_rows_gives_the_same(rows: Rows, cuts: list[int], chance: Any, most: int) -> None:
    shuffled = list(rows)
    chance.shuffle(shuffled)
    sizes = tuple(sorted(min(cut, len(rows)) for cut in cuts))

    assert counted(shuffled, sizes, most=most) == counted(rows, most=most)


@settings(deadline=None)
@given(TABLES, TABLES, TABLES, st.integers(1, 12))
def test_merging_is_associative_and_commutative(one: Rows, two: Rows, three: Rows, most: int) -> None:
    def classes(*tables: Rows) -> Classes:
        made = Classes(NAMES[:3], NAMES[3:], most=most)
        for rows in tables:
            made.add(batch(rows))
        return made

    left, right = classes(one), classes(three)
    left.merge(classes(two))
    left.merge(classes(three))
    right.merge(classes(two))
    right.merge(classes(one))

    assert left.result() == right.result() == classes(one, two, three).result()
    assert left.state() == right.state() == classes(three, one, two).state()


@settings(deadline=None)
@given(TABLES, TABLES)
def test_a_state_merges_like_what_it_describes(one: Rows, two: Rows) -> None:
    first, second = Classes(NAMES[:3], NAMES[3:], key=7), Classes(NAMES[:3], NAMES[3:], key=7)
    first.add(batch(one))
    second.add(batch(two))

    there = Classes.from_state(first.state(), key=7)
    there.merge(second)
    back = Classes.from_state(second.state(), key=7)
    back.merge(Classes.from_state(first.state(), key=7))

    assert there.state() == back.state()
    assert there.result().sizes == counted(one + two).sizes
    assert there.result().diversity[0].distinct == counted(one + two).diversity[0].distinct


def test_a_state_holds_no_value_and_depends_on_the_key() -> None:
    rows = [(31, "m", "Wolfenbüttel", "leukaemia"), (31, "m", "Wolfenbüttel", "measles")]
    states = []
    for key in (1, 2):
        classes = Classes(NAMES[:3], NAMES[3:], key=key)
        classes.add(batch(rows))
        states.append(classes.state())

    assert "olfenb" not in str(states) and "leukaemia" not in str(states)
    assert states[0]["keys"] != states[1]["keys"]


def test_classes_of_other_columns_or_another_key_are_not_merged() -> None:
    with pytest.raises(ValueError, match="same columns and key"):
        Classes(["a"], key=1).merge(Classes(["a"], key=2))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=400), st.integers(20, 60))
def test_beyond_the_bound_a_part_of_the_classes_is_counted_exactly_and_that_is_said(ages: list[int], most: int) -> None:
    rows = [(age, "m", "Ulm", "a") for age in ages]
    distinct = len(set(ages))

    result = counted(rows, most=most)

    assert result.rows == len(rows)
    assert (result.share == 1.0) == (distinct <= most)
    assert result.classes * result.share <= most
    if result.classes:
        assert result.k >= counted(rows).k


def test_the_estimate_of_unique_rows_is_near_when_classes_are_sampled() -> None:
    rows = [(number, "m", "Ulm", "a") for number in range(30_000)] + [
        (number, "m", "Ulm", "b") for number in range(10_000)
    ]

    result = counted(rows, most=4096)

    assert result.share == 0.125
    assert result.diversity[0].share == 0.0625
    assert abs(result.unique - 20_000) < 1500
    assert result.k == 1


SAME = {
    "case and spaces": ["Ulm ", "ulm", " ULM", "Ulm"],
    "runs of spaces": ["Bad  Ems", "bad ems", "Bad\tEms"],
    "compatibility forms": ["ﬁnn", "finn"],
    "missing": ["", None, "N/A", "null", " - ", "nan", "?"],
    "whole numbers": ["34", "34.0", "34.00"],
}


@pytest.mark.parametrize("case", sorted(SAME))
def test_spellings_of_one_value_are_one_class(case: str) -> None:
    rows = [(1, "m", cell, "a") for cell in SAME[case]]

    assert counted(rows).k == len(rows)


def test_values_of_other_types_are_the_same_as_their_text() -> None:
    moment = datetime(1990, 2, 28)
    columns: list[Any] = [
        pa.array([34, 7, None]), pa.array([34.0, 7.0, float("nan")]), pa.array(["34", "7", "NaN"]), pa.array([34, 7, None], pa.uint8()),
        pa.array(["34", "7", None]).dictionary_encode(), pa.array([34, 7, None], pa.decimal128(8, 2)),
        pa.array(["34", "7", None], pa.large_string()),
        pa.array(["34", "7", None], pa.string_view()),
        pa.array(["34", "7", None], pa.large_string()).dictionary_encode(),
    ]  # fmt: skip
    dates = [
        pa.array([date(1990, 2, 28)]),
        pa.array([moment]),
        pa.array(["1990-02-28"]),
        pa.array([moment], pa.timestamp("ns", "UTC")),
    ]

    for group in (columns, dates):
        numbers = []
        for column in group:
            codes, table, _ = hashing.encoded(column, 5)
            numbers.append(table[codes].tolist())
        assert all(some == numbers[0] for some in numbers)


def test_minus_zero_is_zero_and_ranges_are_values() -> None:
    rows = [(-0.0, "m", "20-29", "a"), (0.0, "m", "20-29", "b")]

    assert counted(rows).k == 2
    assert counted([(1, "m", "20-29", "a"), (1, "m", "30-39", "a"), (1, "m", "*", "a")]).classes == 3


def test_a_missing_column_and_nested_cells_are_counted_too() -> None:
    classes = Classes(["tags", "gone"], ["also gone"])
    classes.add(pa.record_batch({"tags": pa.array([["a", "b"], ["a", "b"], None])}))

    result = classes.result()

    assert (result.k, result.classes) == (1, 2)


def test_no_rows_are_no_classes() -> None:
    assert Classes(["a"], ["b"]).result().k == 0
    assert counted([]).rows == 0


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.text(max_size=20), st.text(min_size=250, max_size=300)), max_size=20),
    st.integers(0, 2**64 - 1),
)
def test_equal_texts_have_equal_numbers_and_others_differ(texts: list[str | None], key: int) -> None:
    array = pa.array(texts, pa.large_string())

    numbers = hashing.hashed(array, key).tolist()

    again = hashing.hashed(pa.array(["x", *texts], pa.large_string()).slice(1), key).tolist()
    assert numbers == again
    assert len(set(numbers)) == len(set(texts))


def test_spread_says_how_many_values_a_column_has() -> None:
    rows = [(age, "m" if age % 2 else "f", "Ulm", "a") for age in (1, 2, 3, 4)]

    spread = {part.column: (part.distinct, part.unique, part.entropy) for part in counted(rows).spread}

    assert spread == {"age": (4, 1.0, 2.0), "sex": (2, 0.0, 1.0), "town": (1, 0.0, 0.0)}


def test_rows_below_a_limit_are_counted() -> None:
    rows = [(1, "m", "Ulm", "a")] * 3 + [(2, "m", "Ulm", "a")] + [(3, "m", "Ulm", "b")] * 5

    result = counted(rows)

    assert [result.below(least) for least in (2, 3, 4, 6)] == [1, 1, 4, 9]
    assert result.diversity[0].alone == 9
    assert anonymity.SIZES >= 100
