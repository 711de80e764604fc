"""Columns are told to be personal or not, and of which kind, on tables that the rules have not seen."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard import tables
from mlguard.scanners.dataset import codes, columns, confirm, shapes, terms, verdict
from tests.corpus import tables as corpus

ROWS = 40
"""Rows of a table here; ``python -m tests.corpus.tables`` measures all tables at their full length."""


@cache
def measured(half: corpus.Half) -> corpus.Score:
    return corpus.score(table for number, table in enumerate(corpus.build(ROWS, half)) if number % 5 < 2)


@pytest.mark.parametrize("half", ["tune", "unseen"])
def test_columns_of_both_halves_are_told(half: corpus.Half) -> None:
    score = measured(half)

    assert score.positives > 200
    assert score.negatives > 300
    assert score.f1(score.found) >= 0.97, corpus.told(half, score)
    assert score.f1(score.typed) >= 0.97, corpus.told(half, score)


@pytest.mark.parametrize("half", ["tune", "unseen"])
def test_few_columns_about_nobody_are_flagged(half: corpus.Half) -> None:
    score = measured(half)

    assert score.loud <= 0.01, corpus.told(half, score)
    assert score.false <= 0.015 * score.negatives, corpus.told(half, score)


def test_the_halves_do_not_share_a_table() -> None:
    names = {half: {table.name for table in corpus.build(1, half)} for half in ("tune", "unseen")}

    assert not names["tune"] & names["unseen"]
    assert min(map(len, names.values())) > 60


# --- Vocabulary

VOCABULARIES = yaml.safe_load((Path(__file__).parent / "vocabularies.yaml").read_text("utf-8"))


def named() -> list[tuple[str, str, str]]:
    """Return (category, term, class) of everything that can become a field."""
    entries = [
        *tables.table("pii-taxonomy")["entities"].values(),
        *tables.table("column-terms")["terms"],
        *tables.table("value-terms")["sets"],
    ]
    found = [(entry["category"], entry["dpv"], entry.get("class", "special")) for entry in entries if entry["category"]]
    return [*found, *((code.category, code.dpv, code.gdpr_class) for code in codes.CODES)]


def test_every_category_and_term_is_published() -> None:
    assert {category for category, _, _ in named()} <= set(VOCABULARIES["fideslang"])
    assert {term for _, term, _ in named()} <= set(VOCABULARIES["dpv_pd"])


def test_special_is_what_dpv_calls_so() -> None:
    special = set(VOCABULARIES["dpv_special"])

    assert {term for _, term, kind in named() if kind == "personal"} & special == set()
    assert {term for _, term, kind in named() if kind == "special"} <= special


def test_every_name_stands_for_the_term_that_lists_it_first() -> None:
    first: dict[str, str] = {}
    for entry in tables.table("column-terms")["terms"]:
        for name in entry["names"]:
            first.setdefault(" ".join(terms.tokens(name)), entry["id"])

    wrong = {
        name: term.id if term else None
        for name, wanted in first.items()
        if (term := terms.term_of(name)) is None or term.id != wanted
    }

    assert wrong == {"first": "first-name", "last": "last-name"} or not wrong


# --- Children


def judged(**cells: list[str]) -> dict[str, set[str]]:
    profiles = []
    for label, values in cells.items():
        profile = columns.Profile(label, label)
        profile.add(values)
        profiles.append(profile)
    found: dict[str, set[str]] = {}
    for field in verdict.judge(profiles):
        found.setdefault(field.name, set()).add(field.category)
    return found


NAMES = ["Emma Fischer", "Paul Wagner", "Lena Hoffmann", "Noah Schmidt", "Mia Schulz"]


def test_birth_dates_of_children_are_told_by_the_dates_of_the_same_table() -> None:
    children = judged(
        name=NAMES, birth_date=[f"201{n}-05-04" for n in range(5)], enrolled=[f"202{n}-09-01" for n in range(5)]
    )
    grown = judged(
        name=NAMES, birth_date=[f"197{n}-05-04" for n in range(5)], enrolled=[f"202{n}-09-01" for n in range(5)]
    )

    assert "user.childrens" in children["birth_date"]
    assert "user.childrens" not in grown["birth_date"]


def test_birth_dates_alone_tell_no_children() -> None:
    assert judged(name=NAMES, birth_date=[f"201{n}-05-04" for n in range(5)])["birth_date"] == {
        "user.demographic.date_of_birth"
    }


def test_ages_below_sixteen_tell_children() -> None:
    assert "user.childrens" in judged(name=NAMES, age=["7", "8", "14", "11", "9"])["age"]
    assert "user.childrens" not in judged(name=NAMES, age=["7", "38", "44", "51", "29"])["age"]


def test_names_under_a_word_for_pupils_tell_children() -> None:
    assert judged(Schüler=NAMES)["Schüler"] == {"user.name", "user.childrens"}


# --- Special categories


def test_a_word_with_two_meanings_counts_beside_persons_only() -> None:
    party = {"party": ["birthday", "wedding", "office", "birthday", "wedding"]}

    assert judged(**party) == {}
    assert judged(party=["CDU", "SPD", "Die Linke", "CDU", "SPD"]) == {"party": {"user.demographic.political_opinion"}}


def test_a_list_of_codes_is_about_nobody() -> None:
    listed = [f"{letter}{n:02d}.{n % 10}" for letter in "ABCDEF" for n in range(10, 60)]

    assert judged(code=listed, title=[f"Disorder {n}" for n in range(len(listed))]) == {}
    assert judged(x=listed[:8] * 20) == {"x": {"user.health_and_medical"}}


def test_animals_have_a_sex_and_an_age_as_well() -> None:
    assert judged(species=["Parus major"] * 4, sex=["male", "female"] * 2, age=["1", "3", "14", "15"]) == {}


# --- Presidio


def test_every_recognizer_of_presidio_is_used_or_said_why_not() -> None:
    import presidio_analyzer

    default = Path(presidio_analyzer.__file__).parent / "conf" / "default_recognizers.yaml"
    brought = {entry["name"] for entry in yaml.safe_load(default.read_text("utf-8"))["recognizers"]}
    pinned = confirm.pinned()
    used = {entry["class"] for entry in pinned["recognizers"]}
    others = [name for names in pinned["others"].values() for name in names]

    assert used | set(others) == brought
    assert not used & set(others)
    assert len(others) == len(set(others))


MACHINE = re.compile(shapes.MACHINE)


def missed_of_presidio(cell: str) -> set[str]:
    """Return what Presidio finds and the profile does not count.

    Dates, digests and fractions are not looked at, though Presidio takes some dates for telephone numbers; and neither are
    IPv6 addresses of one group such as ``::1``, which name the machine itself.
    """
    if MACHINE.match(cell.strip()) or re.search(r"(?<![0-9A-Fa-f:])::[0-9A-Fa-f]{0,4}(?![0-9A-Fa-f:])", cell):
        return set()
    cell = re.sub(r"\d{4}-\d{2}-\d{2}", " ", cell)
    profile = columns.Profile("c", "c")
    profile.add([cell])
    return confirm.found(cell) - {entity for entity, tally in profile.tallies.items() if tally.shaped}


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="0123456789-+./ @abXYZ:()", min_size=7, max_size=40))
def test_whatever_presidio_finds_in_a_cell_is_counted(cell: str) -> None:
    assert missed_of_presidio(cell) == set()


def test_whatever_presidio_finds_in_the_tables_is_counted() -> None:
    missed = {
        (table.name, column.label): found
        for table in corpus.build(2)
        for column in table.columns
        for cell in column.cells[:1]
        if cell and any(c.isdigit() or c == "@" for c in cell) and (found := missed_of_presidio(cell))
    }

    assert missed == {}
