"""What the files show is compared with what privacy.yaml declares."""

from __future__ import annotations

from typing import Any

import pytest

from mlguard.artifacts import Artifact
from mlguard.assess import assess
from mlguard.assess.governance import matches
from mlguard.declarations import Declaration
from mlguard.facts import Dataset, Field
from mlguard.findings import Detection, Proof

PATH = "data/people.csv"


def field(name: str = "email", category: str = "user.contact.email", **values: Any) -> Field:
    standard: dict[str, Any] = {
        "dpv": "EmailAddress", "gdpr_class": "personal", "confidence": "high", "strength": "pattern", "cells": 5, "of": 10,
        "detectors": (),
    }  # fmt: skip
    return Field(name, category, **{**standard, **values})


def declared(fields: dict[str, Any], activities: tuple[dict[str, Any], ...] = (), **more: Any) -> Declaration:
    dataset = {
        "id": "people",
        "location": [PATH],
        "class": "personal",
        "fields": fields,
        "retention": {"period": "P1Y", "action": "delete"},
    }
    return Declaration("privacy.yaml", {"datasets": [{**dataset, **more}], "activities": list(activities)})


def rules(fields: tuple[Field, ...], declaration: Declaration | None, path: str = PATH, form: str = "csv") -> list[str]:
    facts = [Dataset(path, form, 10, 3, fields)]
    records = assess(facts, declaration, [Artifact(path, form, 1)])
    return sorted(f"{record.rule}:{record.scope}" for record in records if isinstance(record, Detection))


def test_everything_personal_is_undeclared_without_a_declaration() -> None:
    assert rules((field(),), None) == ["data/undeclared-personal-data:email"]


@pytest.mark.parametrize("category", ["user.contact.email", "user.contact", "user"])
def test_declared_category_or_its_parent_covers_a_column(category: str) -> None:
    declaration = declared({"email": {"categories": [category]}})

    assert rules((field(),), declaration) == []
    assert Proof("data/undeclared-personal-data", PATH, PATH) in list(
        assess([Dataset(PATH, "csv", 1, 1, (field(),))], declaration, [])
    )


def test_category_of_another_column_does_not_cover() -> None:
    declaration = declared({"email": {"categories": ["user.contact.email"]}})

    assert rules((field(), field("backup")), declaration) == ["data/undeclared-personal-data:backup"]


def test_sibling_category_does_not_cover() -> None:
    declaration = declared({"email": {"categories": ["user.contact.email_archive"]}})

    assert rules((field(),), declaration) == ["data/undeclared-personal-data:email"]


def test_name_of_a_column_is_compared_without_case_and_separators() -> None:
    assert rules((field("E-Mail"),), declared({"e_mail": {"categories": ["user.contact.email"]}})) == []


def test_special_category_needs_declaration_and_condition() -> None:
    seen = (field("faith", "user.demographic.religious_belief", gdpr_class="special", strength="context"),)
    fields = {"faith": {"categories": ["user.demographic.religious_belief"]}}
    activity = {"datasets": ["people"], "special_category": {"condition": "9(2)(a)"}}
    expected = ["data/undeclared-sensitive-data:faith"]

    assert rules(seen, declared({})) == expected
    assert rules(seen, declared(fields)) == expected
    assert rules(seen, declared(fields, ({**activity, "datasets": ["other"]},))) == expected
    assert rules(seen, declared(fields, (activity,))) == []


@pytest.mark.parametrize("claim", ["pseudonymised", "anonymous", "synthetic"])
def test_identifier_contradicts_the_claim_even_when_declared(claim: str) -> None:
    declaration = declared({"email": {"categories": ["user.contact.email"]}}, privacy_claim=claim)

    assert rules((field(),), declaration) == ["data/identifier-in-deidentified-data:email"]


def test_quasi_identifier_does_not_contradict_the_claim() -> None:
    declaration = declared({"age": {"categories": ["user.demographic"]}}, privacy_claim="pseudonymised")

    assert rules((field("age", "user.demographic.age_range", strength="context", confidence="low"),), declaration) == []


@pytest.mark.parametrize(("tolerance", "expected"), [(0, 1), (499, 1), (500, 0), (501, 0)])
def test_text_is_measured_against_its_tolerance(tolerance: int, expected: int) -> None:
    notes = {"categories": ["user.content.private"], "role": "free_text", "tolerance_per_1000": tolerance}

    found = rules((field("notes", free_text=True),), declared({"notes": notes}))

    assert found == ["data/personal-data-in-text:notes"] * expected


def test_statistical_names_are_never_a_breach() -> None:
    seen = field("notes", "user.name", strength="ner", confidence="low")

    assert rules((seen, field()), None) == ["data/possible-personal-data:notes", "data/undeclared-personal-data:email"]


def test_age_alone_is_for_review_and_with_an_identifier_personal() -> None:
    age = field("age", "user.demographic.age_range", strength="context", confidence="low")

    assert rules((age,), None) == ["data/possible-personal-data:age"]
    assert "data/undeclared-personal-data:age" in rules((age, field()), None)


def test_criminal_records_are_for_review() -> None:
    assert rules((field("priors", "user.criminal_history", gdpr_class="criminal"),), None) == [
        "data/possible-criminal-records:priors"
    ]


@pytest.mark.parametrize(("path", "form"), [("tests/data.csv", "csv"), ("app.log", "log"), ("book.ipynb", "notebook")])
def test_what_the_scanner_reported_is_not_reported_twice(path: str, form: str) -> None:
    assert rules((field(),), None, path, form) == []


def test_file_without_entry_is_unlisted_only_when_there_is_a_declaration() -> None:
    other = "data/other.csv"

    assert "data/unlisted-dataset:" in rules((), declared({}), other)
    assert rules((), None, other) == []
    assert rules((), declared({}), "src/table.csv") == []


def test_pointer_is_listed_by_the_file_it_stands_for() -> None:
    records = list(assess([], declared({}), [Artifact(PATH + ".dvc", "dvc-pointer", 1)]))

    assert [record for record in records if isinstance(record, Detection)] == []


def test_retention_is_asked_of_personal_data_only() -> None:
    without: dict[str, Any] = {"retention": {}}

    assert rules((), declared({}, **without)) == ["data/missing-retention-rule:people"]
    assert rules((), declared({}, **without, **{"class": "public"})) == []


def test_most_literal_location_wins() -> None:
    body = {
        "datasets": [
            {"id": "all", "location": ["data/**"], "fields": {"email": {"categories": ["user.contact.email"]}}},
            {"id": "one", "location": [PATH], "fields": {}},
        ]
    }

    assert rules((field(),), Declaration("privacy.yaml", body)) == ["data/undeclared-personal-data:email"]


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("data/*.csv", "data/a.csv", True), ("data/*.csv", "data/sub/a.csv", False), ("data/**/*.csv", "data/a.csv", True),
        ("data/**/*.csv", "data/x/y/a.csv", True), ("**/*.parquet", "a.parquet", True), ("data", "data/a.csv", True), ("data", "database/a.csv", False),
        ("data/part-[0-9].csv", "data/part-3.csv", True), ("data/part-[!0-9].csv", "data/part-3.csv", False), ("a?.csv", "ab.csv", True),
        ("a.csv", "aXcsv", False), ("data/[.csv", "data/[.csv", True), ("d(a", "d(a", True),
    ],
)  # fmt: skip
def test_locations_are_posix_globs(pattern: str, path: str, expected: bool) -> None:
    assert matches(pattern, path) is expected
