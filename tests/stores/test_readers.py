"""Who may read personal data: statements in files of SQL, grants of a database, and what the declaration says of a store."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlguard.assess import governance, readers
from mlguard.declarations import Declaration
from mlguard.facts import Dataset, Fact, Field, Grant, Resource
from mlguard.findings import Detection
from mlguard.scanners.dataset import grants

EMAIL = Field("email", "user.contact.email", "EmailAddress", "personal", "high", "pattern", 2, 2, ())
TABLE = "postgresql://warehouse/shop/crm.customers"


def given_to_all(text: str) -> list[tuple[str, int]]:
    return [(fact.resources[0], fact.line) for fact in grants.of_text(text, "a.sql") if isinstance(fact, Grant)]


@pytest.mark.parametrize(
    ("statement", "resources"),
    [
        ("GRANT SELECT ON a TO PUBLIC", ["a"]),
        ("grant all privileges on table crm.a, \"B c\".d to x, public with grant option", ["b c.d", "crm.a"]),
        ("GRANT SELECT (email, \"Full Name\"), UPDATE ON a TO PUBLIC", ["a#email", "a#full name"]),
        ("GRANT SELECT ON ALL TABLES IN SCHEMA crm TO PUBLIC", ["crm.*"]),
        ("GRANT pg_read_all_data TO PUBLIC", ["*.*"]),
        ("GRANT SELECT ON `shop`.* TO ''@'%'", ["shop.*"]),
        ("GRANT INSERT ON a TO PUBLIC", []),
        ("GRANT EXECUTE ON FUNCTION f(int) TO PUBLIC", []),
        ("GRANT SELECT ON a TO publicity", []),
        ("-- GRANT SELECT ON a TO PUBLIC", []),
        ("/* GRANT SELECT ON a TO PUBLIC */", []),
        ("SELECT 'GRANT SELECT ON a TO PUBLIC'", []),
        ("DO $x$ BEGIN GRANT SELECT ON a TO PUBLIC; END $x$", []),
    ],
)  # fmt: skip
def test_what_a_statement_gives_to_everybody(statement: str, resources: list[str]) -> None:
    assert [name for name, _ in given_to_all(f"SELECT 1;\n{statement};\n")] == resources


@pytest.mark.parametrize(
    "back",
    [
        "REVOKE SELECT ON a FROM PUBLIC",
        "REVOKE ALL ON TABLE a FROM x, PUBLIC",
        "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC",
    ],
)
def test_what_is_taken_back_is_not_given(back: str) -> None:
    assert given_to_all(f"GRANT SELECT ON a TO PUBLIC;\n{back};") == []
    assert given_to_all(f"{back};\nGRANT SELECT ON a TO PUBLIC;") == [("a", 2)]


def test_rows_of_a_dump_are_no_statements() -> None:
    dump = "COPY a (x) FROM stdin;\n1; GRANT SELECT ON b TO PUBLIC;\nit's\n\\.\n\nGRANT SELECT ON a TO PUBLIC;\n"

    assert given_to_all(dump) == [("a", 6)]


def test_a_quote_behind_a_backslash_ends_nothing_in_a_dump_of_mysql() -> None:
    assert given_to_all(
        "INSERT INTO `a` VALUES ('it\\'s; GRANT SELECT ON b TO PUBLIC;');\nGRANT SELECT ON a TO ''@'%';"
    ) == [("a", 2)]


@given(
    st.text(
        st.sampled_from("GRANT SELECT ON a,().;'\"`$-*/\\\nTO PUBLIC REVOKE CREATE TABLE email COPY FROM stdin"),
        max_size=300,
    )
)
def test_any_text_ends_without_an_error(text: str) -> None:
    list(grants.of_text(text, "a.sql"))


@pytest.mark.parametrize(
    "piece",
    ["/*", "'", "$a$", "GRANT SELECT ON ", "GRANT x ON a,", "(", "CREATE TABLE a (", "--", '"', "COPY a FROM stdin;"],
)
def test_a_hostile_file_costs_no_more_than_its_length(piece: str) -> None:
    list(grants.of_text(piece * (300_000 // len(piece)), "a.sql"))


# --- Judged


def judged(*facts: Fact, declaration: Declaration | None = None) -> list[tuple[str, str, str, int]]:
    found = [record for record in readers.assess(facts, declaration) if isinstance(record, Detection)]
    return [(record.check, str(record.facts["what"]), record.location.path, record.location.line) for record in found]


def test_a_table_with_personal_data_that_everybody_may_read_is_reported() -> None:
    everybody = Grant("PUBLIC", ("select",), (TABLE,), TABLE, 1, "granted to PUBLIC")

    assert judged(Dataset(TABLE, "postgresql", 2, 2, (EMAIL,)), everybody) == [("store", TABLE, TABLE, 1)]
    assert judged(Dataset(TABLE, "postgresql", 2, 2), everybody) == []
    assert (
        judged(Dataset(TABLE, "postgresql", 2, 2, (EMAIL,)), Grant("anna", ("select",), (TABLE,), TABLE, 1, "granted"))
        == []
    )


@pytest.mark.parametrize(("column", "count"), [("email", 1), ("id", 0)])
def test_a_grant_of_columns_counts_for_those_that_are_personal(column: str, count: int) -> None:
    some = Grant("PUBLIC", ("select",), (f"{TABLE}.{column}",), TABLE, 1, "granted to PUBLIC")

    assert len(judged(Dataset(TABLE, "postgresql", 2, 2, (EMAIL,)), some)) == count


@pytest.mark.parametrize(
    ("granted", "created", "count"),
    [("crm.customers", "crm.customers", 1), ("customers", "crm.customers", 1), ("crm.*", "crm.customers", 1), ("*.*", "crm.customers", 1),
     ("hr.customers", "crm.customers", 0), ("public.*", "customers", 1), ("crm.*", "customers", 0), ("orders", "customers", 0)],
)  # fmt: skip
def test_a_statement_is_for_the_table_that_it_names(granted: str, created: str, count: int) -> None:
    statement = Grant("PUBLIC", ("select",), (granted,), "b.sql", 7, "sql:b.sql")

    assert (
        len(judged(statement, Resource("sql.table", created, "a.sql", 1, "by the name of its column email"))) == count
    )


def test_a_table_is_personal_when_the_declaration_says_so() -> None:
    body = {
        "datasets": [{"id": "customers", "class": "personal", "location": ["postgresql://warehouse/crm.customers"]}]
    }
    statement = Grant("PUBLIC", ("select",), ("crm.customers",), "b.sql", 7, "sql:b.sql")

    assert judged(statement, declaration=Declaration("privacy.yaml", body)) == [
        ("statement", "crm.customers", "b.sql", 7)
    ]
    assert judged(statement) == []


def test_readers_are_told_in_words() -> None:
    facts = [
        Grant("anna", ("select",), (TABLE,), TABLE, 1, "member of analysts"),
        Grant("PUBLIC", ("select",), (TABLE,), TABLE, 1, "granted to PUBLIC"),
    ]

    assert readers.readable_by(facts, TABLE) == "anna (member of analysts), PUBLIC"


# --- Declared locations


@pytest.mark.parametrize(
    ("location", "path", "matches"),
    [
        ("postgresql://warehouse/shop/crm.customers", TABLE, True),
        ("postgresql://warehouse/crm.customers", TABLE, True),
        ("postgres://user@warehouse:5432/shop", TABLE, True),
        ("postgresql://warehouse/crm.*", TABLE, True),
        ("postgresql://warehouse/crm.orders", TABLE, False),
        ("postgresql://elsewhere/crm.customers", TABLE, False),
        ("postgresql://warehouse/crm.customers", "postgresql://warehouse/crm/public.customers", True),
        ("**", TABLE, False),
        ("s3://lake/exports/*.parquet", "s3://lake/exports/a.parquet", True),
        ("s3://lake/exports/*.parquet", "s3://lake/exports/deep/a.parquet", False),
        ("s3://lake", "s3://lake/exports/deep/a.parquet", True),
        ("s3a://lake/odd name.csv", "s3://lake/odd%20name.csv", True),
        ("sqlite:data/a.db", "sqlite:data/a.db", True),
        ("sqlite:data/a.db", "data/a.db", True),
        ("data/a.db", "sqlite:data/a.db", True),
        ("mysql://h/d", TABLE, False),
    ],
)  # fmt: skip
def test_a_location_of_a_store_matches_its_tables_and_objects(location: str, path: str, matches: bool) -> None:
    body = {"datasets": [{"id": "x", "location": [location], "fields": {"email": {"categories": ["user.contact"]}}}]}

    found = list(governance.assess([Dataset(path, "csv", 2, 2, (EMAIL,))], Declaration("privacy.yaml", body), []))

    rules = sorted(
        record.rule for record in found if isinstance(record, Detection) and record.rule.startswith("data/un")
    )
    assert rules == (
        []
        if matches
        else ["data/undeclared-personal-data", "data/unlisted-dataset"]
        if "://" in path or "sqlite" in path
        else ["data/undeclared-personal-data"]
    )
