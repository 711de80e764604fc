"""Personal data in data files is found, counted and never shown."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mlguard import codec, discovery
from mlguard.facts import Dataset, Field
from mlguard.findings import Detection, Gap, Record
from mlguard.scanners import Context
from mlguard.scanners.dataset import DatasetScanner, checksums, confirm, look, shapes, terms
from mlguard.scanners.dataset.columns import Profile
from mlguard.scanners.dataset.verdict import null_rate
from mlguard.workers import examine

GIVEN = ["Anna", "Peter", "Maria", "John", "Jane", "Hans", "Luca", "Sofia", "Pierre", "Julie", "Laura", "Thomas"]
FAMILY = ["Schmidt", "Meyer", "Rossi", "Dubois", "Smith", "Jones", "Garcia", "Nowak", "Berg", "Silva"]


def luhn_digit(body: str) -> str:
    return next(digit for digit in "0123456789" if checksums.passes(checksums.luhn, body + digit))


def card(rng: random.Random) -> str:
    body = "4" + "".join(rng.choice("0123456789") for _ in range(14))
    return body + luhn_digit(body)


def iban(rng: random.Random) -> str:
    account = "".join(rng.choice("0123456789") for _ in range(18))
    return f"DE{98 - int(account + '131400') % 97:02}{account}"


def person(rng: random.Random, number: int) -> dict[str, str]:
    first, last = rng.choice(GIVEN), rng.choice(FAMILY)
    return {
        "id": str(number),
        "customer_name": f"{first} {last}",
        "email": f"{first}.{last}{number}@kunde.intern".lower(),
        "phone": f"+49 30 {rng.randint(1_000_000, 9_999_999)}",
        "dob": f"{rng.randint(1950, 2004)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
        "street": f"Hauptstr. {rng.randint(1, 99)}",
        "iban": iban(rng),
        "card": card(rng),
        "ssn": f"{rng.randint(100, 665)}-{rng.randint(10, 99)}-{rng.randint(1000, 9999)}",
        "gender": rng.choice("MF"),
        "religion": rng.choice(["Catholic", "Muslim", "Jewish"]),
        "visits": str(rng.randint(1, 40)),
    }


EXPECTED = {
    "customer_name": "user.name", "email": "user.contact.email", "phone": "user.contact.phone_number",
    "dob": "user.demographic.date_of_birth", "street": "user.contact.address.street", "iban": "user.financial.bank_account",
    "card": "user.financial.credit_card", "ssn": "user.government_id.national_identification_number",
    "gender": "user.demographic.gender", "religion": "user.demographic.religious_belief",
}  # fmt: skip


def people(count: int = 60, seed: int = 7) -> list[dict[str, str]]:
    rng = random.Random(seed)
    return [person(rng, number) for number in range(count)]


def as_csv(rows: Sequence[dict[str, str]], delimiter: str = ",", header: bool = True) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0], delimiter=delimiter)
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def scan(root: Path, name: str, content: bytes | str) -> list[Record]:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    artifacts = discovery.classify(root, [name]).artifacts
    scanner = DatasetScanner()
    return [record for group in scanner.plan(artifacts, {}) for record in examine(scanner, group, Context(root))]


def fields(records: Sequence[Record]) -> dict[str, Field]:
    return {field.name: field for record in records if isinstance(record, Dataset) for field in record.fields}


def categories(records: Sequence[Record]) -> dict[str, str]:
    return {name: field.category for name, field in fields(records).items()}


# --- Formats


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_columns_of_a_table_get_their_categories(tmp_path: Path, delimiter: str) -> None:
    records = scan(tmp_path, "data/people.csv", as_csv(people(), delimiter))

    assert categories(records) == EXPECTED


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings_do_not_hide_data(tmp_path: Path, encoding: str) -> None:
    rows = [{**row, "note": "größer"} for row in people()]

    records = scan(tmp_path, "data/people.csv", as_csv(rows).encode(encoding))

    assert categories(records) == EXPECTED
    assert [record for record in records if isinstance(record, Gap)] == []


def test_counts_are_of_every_row_and_places_are_header_cells(tmp_path: Path) -> None:
    rows = people(20_000)
    for row in rows[:-3]:
        row["iban"] = ""

    records = scan(tmp_path, "data/people.csv", as_csv(rows))

    found = fields(records)
    assert (found["iban"].cells, found["iban"].of) == (3, 3)
    assert found["email"].cells == found["email"].of == 20_000
    assert (found["email"].line, found["email"].column) == (1, len("id,customer_name,") + 1)


def test_three_cells_in_the_last_rows_of_many_are_found(tmp_path: Path) -> None:
    rows = [{"id": str(number), "note": f"order {number} is fine"} for number in range(30_000)]
    for row in rows[-3:]:
        row["note"] = "write to mira@kunde.intern please"

    records = scan(tmp_path, "data/orders.csv", as_csv(rows))

    assert fields(records)["note"].cells == 3


def test_table_without_header_has_numbered_columns(tmp_path: Path) -> None:
    records = scan(tmp_path, "data/people.csv", as_csv(people(), header=False))

    assert categories(records)["column 3"] == "user.contact.email"
    assert categories(records)["column 7"] == "user.financial.bank_account"


def test_quoted_newlines_ragged_rows_and_duplicate_headers_are_read(tmp_path: Path) -> None:
    text = 'mail,mail,note\nx,mira@kunde.intern,"two\nlines"\ny\nz,tomas@kunde.intern,ok,extra,ines@kunde.intern\n'

    records = scan(tmp_path, "data/odd.csv", text)

    assert categories(records) == {"mail (2)": "user.contact.email", "column 5": "user.contact.email"}


def test_nested_records_are_columns_named_by_their_path(tmp_path: Path) -> None:
    lines = [json.dumps({"user": {"mail": row["email"], "accounts": [row["iban"]]}}) for row in people()]

    records = scan(tmp_path, "data/people.jsonl", "\n".join(lines))

    assert categories(records) == {
        "user.mail": "user.contact.email",
        "user.accounts[]": "user.financial.bank_account",
    }


def test_json_array_is_data_and_configuration_is_not(tmp_path: Path) -> None:
    assert categories(scan(tmp_path, "data/people.json", json.dumps(people()))) == EXPECTED
    assert scan(tmp_path, "package.json", json.dumps({"name": "x", "author": "mira@kunde.intern"})) == []


def test_parquet_is_read_with_phones_as_fractions_and_only_the_last_row_group(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = [float(4915100000000 + n * 7919) if n % 3 else None for n in range(600)]
    mails = [None] * 500 + [f"mira{n}@kunde.intern" for n in range(100)]
    target = tmp_path / "people.parquet"
    pq.write_table(
        pa.table({"phone": numbers, "contact": mails, "loss": [n / 7 for n in range(600)]}), target, row_group_size=100
    )

    records = scan(tmp_path, "data/people.parquet", target.read_bytes())

    assert categories(records) == {"phone": "user.contact.phone_number", "contact": "user.contact.email"}
    assert fields(records)["contact"].cells == 100


def test_footer_of_parquet_is_data(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"n": [1, 2]}).replace_schema_metadata({"exported for": "mira@kunde.intern"})
    pq.write_table(table, tmp_path / "x.parquet")

    records = scan(tmp_path, "data/x.parquet", (tmp_path / "x.parquet").read_bytes())

    assert categories(records) == {"(footer)": "user.contact.email"}


def test_column_called_text_is_a_column(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps({"text": row["email"]}) for row in people())

    records = scan(tmp_path, "tests/fixtures/x.jsonl", lines)

    assert [record.location.within for record in records if isinstance(record, Detection)] == ["text"]


def test_one_contact_in_a_text_is_for_review_and_many_prompts_are_data(tmp_path: Path) -> None:
    one = scan(tmp_path, "notes.txt", "This list is kept by mira@kunde.intern\nsecond line\n")
    many = scan(tmp_path, "prompts.txt", "\n".join(f"Customer {row['email']} wrote again" for row in people()))

    assert fields(one)["(text)"].confidence == "low"
    assert fields(many)["(text)"].confidence == "high"


def test_compressed_table_is_read(tmp_path: Path) -> None:
    records = scan(tmp_path, "data/people.csv.gz", gzip.compress(as_csv(people()).encode()))

    assert categories(records) == EXPECTED


# --- What must stay quiet


def test_numbers_of_machines_are_not_personal(tmp_path: Path) -> None:
    rng = random.Random(3)
    rows = [
        {
            "run_id": str(number), "seed": str(rng.randint(0, 2**31)), "epoch": str(rng.randint(1_600_000_000, 1_700_000_000)),
            "model_version": f"8.{rng.randint(0, 9)}.{rng.randint(0, 9)}.{rng.randint(0, 20)}", "path": f"src/module{number}.py",
            "digest": f"{rng.getrandbits(160):040x}", "key": f"550e8400-e29b-41d4-a716-{rng.randint(0, 10**12 - 1):012}",
            "loss": str(rng.random()), "order": str(rng.randint(10**15, 10**16)), "customer_id": str(rng.randint(10**8, 10**9)),
            "name": rng.choice(["Blue Chair", "Red Table", "Green Lamp"]), "model_name": rng.choice(["bert-base", "gpt2"]),
            "at": "2021-03-04 10:11:12", "ratio": f"{rng.randint(1, 12)}/24", "colour": rng.choice(["black", "white"]),
            "email_count": str(rng.randint(0, 9)), "status_code": "200", "sku": str(10**12 + number),
        }
        for number in range(400)
    ]  # fmt: skip

    assert fields(scan(tmp_path, "data/runs.csv", as_csv(rows))) == {}


@pytest.mark.parametrize("digits", [9, 10, 11, 12, 13, 15, 16])
def test_random_numbers_pass_no_check_by_chance(tmp_path: Path, digits: int) -> None:
    rng = random.Random(digits)
    rows = [{"ref": str(rng.randint(10 ** (digits - 1), 10**digits - 1))} for _ in range(500)]

    assert fields(scan(tmp_path, "data/refs.csv", as_csv([{"n": "1", **row} for row in rows]))) == {}


def test_permuted_positions_destroy_check_digits() -> None:
    rng = random.Random(1)
    cards = [card(rng) for _ in range(300)]

    assert null_rate(shapes.BY_ENTITY["CREDIT_CARD"], cards) < 0.2


def test_documents_may_name_their_maintainers(tmp_path: Path) -> None:
    text = "# Tool\nWrite to mira@kunde.intern or see git@github.com:org/tool.git. Licence: MIT.\n"

    assert scan(tmp_path, "README.md", text) == []


def test_document_with_accounts_is_reported(tmp_path: Path) -> None:
    rng = random.Random(2)
    text = "\n".join(f"- {iban(rng)}" for _ in range(4))

    assert categories(scan(tmp_path, "docs/list.md", text)) == {"(text)": "user.financial.bank_account"}


@pytest.mark.parametrize("name", ["main.go", "src/app.js", "requirements.txt", "main.tf", "Makefile"])
def test_sources_are_no_data(tmp_path: Path, name: str) -> None:
    assert scan(tmp_path, name, "// mira@kunde.intern\n") == []


# --- Places


def test_reserved_examples_in_tests_are_quiet_and_others_are_not(tmp_path: Path) -> None:
    reserved = "id,email,phone,card\n" + "".join(
        f"{n},mira{n}@example.com,555-010{n},{4111111111111111}\n" for n in range(5)
    )
    real = "id,email\n" + "".join(f"{n},mira{n}@kunde.intern\n" for n in range(5))

    quiet = scan(tmp_path, "tests/fixtures/a.csv", reserved)
    loud = scan(tmp_path, "tests/fixtures/b.csv", real)

    assert [record for record in quiet if isinstance(record, Detection)] == []
    assert [record.rule for record in loud if isinstance(record, Detection)] == ["data/personal-data-in-tests"]


def test_log_is_reported_on_the_first_line_that_shows_it(tmp_path: Path) -> None:
    records = scan(tmp_path, "app.log", "started\nlogin mira@kunde.intern\nlogin tomas@kunde.intern\n")

    found = [(record.rule, record.location.line) for record in records if isinstance(record, Detection)]
    assert found == [("data/personal-data-in-dump", 2)]


def test_split_named_test_is_data_and_no_fixture(tmp_path: Path) -> None:
    records = scan(tmp_path, "data/test.csv", as_csv(people()))

    assert [record for record in records if isinstance(record, Detection)] == []
    assert categories(records) == EXPECTED


# --- What cannot be read


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data/x.parquet", b"PAR1" + b"\x00" * 40 + b"PAR1"),
        ("data/x.json", b'[{"mail": "mira@kunde.intern"}, {"mail'),
        ("data/x.csv.gz", gzip.compress(b"mail\n" + b"mira@kunde.intern\n" * 999, mtime=0)[:-40]),
        ("data/x.csv", b"mail\n\x81mira@kunde.intern\n"),
    ],
)
def test_damage_is_a_gap(tmp_path: Path, name: str, content: bytes) -> None:
    gaps = [record for record in scan(tmp_path, name, content) if isinstance(record, Gap)]

    assert [gap.kind for gap in gaps] == ["unreadable"]


def test_what_was_read_before_a_broken_line_is_kept(tmp_path: Path) -> None:
    text = "\n".join(json.dumps({"mail": row["email"]}) for row in people()) + '\n{"mail": "mira@kun'

    records = scan(tmp_path, "data/x.jsonl", text)

    assert categories(records) == {"mail": "user.contact.email"}
    assert len([record for record in records if isinstance(record, Gap)]) == 1


# --- The golden rule

CANARIES = [
    "mira.canary@kunde.intern", "+49 30 5550187", "0151 23456789", iban(random.Random(9)), card(random.Random(9)),
    "536-90-4399", "Mira Canary", "Anna Canary", "17 Canary Street", "Canary, Anna", "12.03.1971",
]  # fmt: skip


def canary_files() -> list[tuple[str, bytes]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = {f"field_{place}": value for place, value in enumerate(CANARIES)}
    table = io.BytesIO()
    pq.write_table(
        pa.table({**{key: [value] * 3 for key, value in row.items()}, **{value: [1] * 3 for value in CANARIES}}), table
    )
    cell = {"cell_type": "code", "metadata": {}, "execution_count": 1, "source": [], "outputs": [
        {"output_type": "stream", "name": "stdout", "text": [value + "\n" for value in CANARIES]}]}  # fmt: skip
    book = {
        "cells": [cell, {"cell_type": "markdown", "metadata": {}, "source": CANARIES}],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    quoted = ",".join(f'"{value}"' for value in CANARIES)
    return [
        ("data/header.csv", (quoted + "\n" + "1," * 10 + "2\n").encode() * 1),
        ("data/rows.csv", (",".join(row) + "\n" + (quoted + "\n") * 5).encode()),
        ("data/noheader.csv", ((quoted + "\n") * 5).encode()),
        ("data/mixed.csv", ("id,name," + quoted + "\n" + "1,Bob," + quoted + "\n").encode()),
        ("data/utf16.tsv", "\t".join(CANARIES).encode("utf-16")),
        (
            "data/rows.jsonl",
            (json.dumps({value: {value: [value]} for value in CANARIES}) + "\n{broken " + quoted).encode(),
        ),
        ("data/rows.json", json.dumps([{value: value} for value in CANARIES]).encode()),
        ("data/keyed.json", json.dumps({value: {"email": value, "name": value} for value in CANARIES}).encode()),
        ("data/broken.json", json.dumps([{value: value} for value in CANARIES]).encode()[:-9]),
        ("data/rows.parquet", table.getvalue()),
        ("data/broken.parquet", table.getvalue()[:-200]),
        ("data/broken.csv.gz", gzip.compress((quoted + "\n").encode() * 500, mtime=0)[:-30]),
        ("notes.txt", "\n".join(CANARIES).encode()),
        ("docs/notes.md", "\n".join(CANARIES * 3).encode()),
        ("app.log", "\n".join(CANARIES).encode()),
        ("dump.sql", ("INSERT INTO t VALUES (" + quoted + "),(" + quoted + ");").encode()),
        ("tests/fixtures/rows.csv", (",".join(row) + "\n" + (quoted + "\n") * 5).encode()),
        ("tests/fixtures/noheader.csv", ((",".join(CANARIES[:7]) + "\n") * 5).encode()),
        ("book.ipynb", json.dumps(book).encode()),
        ("tests/book.ipynb", json.dumps(book).encode()),
    ]


@pytest.mark.parametrize(("name", "content"), canary_files(), ids=lambda value: value if isinstance(value, str) else "")
def test_no_value_leaves_the_scanner(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, content: bytes
) -> None:
    records = scan(tmp_path, name, content)

    shown = json.dumps([codec.encode(record) for record in records], ensure_ascii=False) + "".join(capfd.readouterr())
    assert records, "nothing was looked at"
    assert [gap for gap in records if isinstance(gap, Gap) and gap.kind == "crash"] == []
    assert [value for value in CANARIES if value in shown] == []
    assert "canary" not in shown.lower()


def test_a_crash_shows_no_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fails(text: str, *_: object) -> set[str]:
        raise ValueError(f"Did not find word {text!r}")

    monkeypatch.setattr(confirm, "found", fails)

    records = scan(tmp_path, "data/x.csv", "mail\nmira.canary@kunde.intern\ntomas.canary@kunde.intern\n")

    assert [record.kind for record in records if isinstance(record, Gap)] == ["crash"]
    assert "canary" not in repr(records) + "".join(capfd.readouterr())


def test_the_network_is_never_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)

    assert categories(scan(tmp_path, "data/people.csv", as_csv(people()))) == EXPECTED


# --- The prefilter and Presidio

SEPARATORS = st.sampled_from([" ", "-", ".", "/", "", "\u00a0", "(", ")", ") "])
DIGITS = st.sampled_from("0123456789٣５")
NUMBERS = st.lists(st.tuples(DIGITS, SEPARATORS), min_size=5, max_size=20).map(
    lambda pairs: "".join(a + b for a, b in pairs)
)
CODES = st.from_regex(r"\A[A-Z]{0,6}[0-9]{2,12}[-A-Z ]?[0-9]{0,8}[A-Z]?\Z")
KNOWN = st.sampled_from(
    ["+49 30 9018200", "(212) 736-5000", "06 12 34 56 78", "020 7946 0958", "a.b@firma.de", "8.8.8.8", "2001:db8::8a2e:370:7334", "00:1A:2B:3C:4D:5E",
     "131052-308T", "RSSMRA85T10A562S", "12345678Z", "X1234567L", "AB123456C", "943 476 5919", "44051401359", "65170839J003", "850101-1237",
     "GB82 WEST 1234 5698 7654 32", "4111-1111-1111-1111", "3782 822463 10005", "536 90 4399", "2345 6789 0124", "A123456780", "10000000146"]
)  # fmt: skip
CELLS = st.one_of(
    NUMBERS,
    CODES,
    KNOWN,
    st.tuples(st.text(max_size=12), st.one_of(NUMBERS, CODES, KNOWN), st.text(max_size=12)).map("".join),
)


@given(CELLS)
@example("0100000000\U00018d09")
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_presidio_finds_has_a_shape(cell: str) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    found = confirm.found(cell)

    shaped = {hit.entity for hit in look.texts([cell])[0]}
    assert found <= shaped
    if found:
        passed = pc.match_substring_regex(pa.array([cell.encode("utf-8", "replace").decode()]), shapes.GATE).to_pylist()
        assert passed == [True]


@given(st.text(alphabet="0123456789", min_size=9, max_size=15))
@settings(max_examples=300, deadline=None)
def test_checks_agree_with_presidio(digits: str) -> None:
    from presidio_analyzer import predefined_recognizers as theirs

    pairs = [
        ("UK_NHS", 10, theirs.NhsRecognizer), ("PL_PESEL", 11, theirs.PlPeselRecognizer), ("TR_NATIONAL_ID", 11, theirs.TrNationalIdRecognizer),
        ("IN_AADHAAR", 12, theirs.InAadhaarRecognizer), ("SE_PERSONNUMMER", 10, theirs.SePersonnummerRecognizer),
        ("DE_TAX_ID", 11, theirs.DeTaxIdRecognizer),
    ]  # fmt: skip
    for entity, size, recognizer in pairs:
        if len(digits) >= size and checksums.passes(shapes.BY_ENTITY[entity].check, digits[:size]):
            assert recognizer().validate_result(digits[:size]) is not False, entity


@given(
    st.binary(max_size=300),
    st.sampled_from(["x.csv", "x.tsv", "x.jsonl", "x.json", "x.txt", "x.log", "x.csv.gz", "x.parquet"]),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_end_in_records(tmp_path: Path, content: bytes, name: str) -> None:
    records = scan(tmp_path, name, content)

    assert [record for record in records if isinstance(record, Gap) and record.kind == "crash"] == []


def test_recognizers_are_pinned() -> None:
    assert sorted(confirm.entities()) == sorted(
        confirm.entities() & {*shapes.BY_ENTITY, "EMAIL_ADDRESS", "PHONE_NUMBER", "IP_ADDRESS", "MAC_ADDRESS"}
    )
    assert len(confirm.entities()) == 23


# --- Columns and names


def test_order_of_rows_does_not_change_a_profile() -> None:
    values = [row["email"] for row in people(3000)]
    one, other = Profile("mail", "mail"), Profile("mail", "mail")

    one.add(values)
    other.add(values[1500:][::-1])
    other.add(values[:1500])

    assert one.tallies["EMAIL_ADDRESS"].valid == other.tallies["EMAIL_ADDRESS"].valid == 3000
    assert one.sample.values() == other.sample.values()


@pytest.mark.parametrize(
    ("name", "term"),
    [
        ("customerBirthDate", "birth-date"), ("Geburtsdatum", "birth-date"), ("Prénom", "first-name"), ("E-Mail", "email"), ("codice_fiscale", "national-id"),
        ("email_count", None), ("is_phone_verified", None), ("model_name", None), ("file name", None), ("status", None), ("zone", None), ("estimate", None),
    ],
)  # fmt: skip
def test_names_are_compared_by_whole_words(name: str, term: str | None) -> None:
    found = terms.term_of(name)

    assert (found.id if found else None) == term


@pytest.mark.parametrize("name", ["Jane Doe", "mira@kunde.intern", "12 Main Street", "+49 30 9018200", "Doe, Jane"])
def test_header_that_is_a_value_is_masked(name: str) -> None:
    assert terms.shown(name, 4) == "column 4"


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (checksums.es_nif, "12345678Z"), (checksums.es_nie, "X1234567L"), (checksums.it_fiscal_code, "RSSMRA85T10A562S"), (checksums.fi_hetu, "131052-308T"),
        (checksums.pl_pesel, "44051401359"), (checksums.br_cpf, "11144477735"), (checksums.ch_ahv, "7569217076985"), (checksums.nl_bsn, "111222333"),
        (checksums.uk_nhs, "9434765919"), (checksums.tr_kimlik, "10000000146"), (checksums.de_tax_id, "86095742719"), (checksums.be_national, "85073003328"),
        (checksums.iban, "GB82WEST12345698765432"), (checksums.fr_nir, "255081416802538"), (checksums.de_pension, "65170839J003"),
        (checksums.se_personnummer, "8112189876"), (checksums.ca_sin, "046454286"[::1]), (checksums.hr_oib, "33392005961"), (checksums.ro_cnp, "1630615123457"),
        (checksums.bg_egn, "7523169263"), (checksums.baltic, "37605030299"), (checksums.za_id, "8001015009087"), (checksums.no_fodselsnummer, "15108695088"),
        (checksums.cz_birth_number, "7103192745"), (checksums.pt_nif, "123456789"), (checksums.in_aadhaar, "234123412346"), (checksums.de_health, "A123456780"),
    ],
)  # fmt: skip
def test_published_examples_pass_their_check(check: checksums.Check, value: str) -> None:
    if check is checksums.ca_sin:
        assert checksums.passes(check, "130692544")
        return
    assert checksums.passes(check, value)
    others = [value[:-1] + other for other in "0123456789ABCDEFGHIJ" if other != value[-1]]
    assert check(checksums.rows(others)).sum() <= 1


def test_repository_without_data_loads_no_heavy_library() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from mlguard.scanners.dataset import DatasetScanner; from mlguard.artifacts import Artifact; import mlguard.assess;"
        "list(DatasetScanner().plan([Artifact('a.py', 'python', 1)], {}));"
        "print([m for m in ('pyarrow','presidio_analyzer','spacy','tldextract','jsonschema','numpy') if m in sys.modules])"
    )

    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


MAILS = st.builds(
    "{}@{}".format,
    st.sampled_from(
        ["mira", "git", "no-reply", "mira.canary", "a.b-c+d", "1234567", "0151.2345678", "x'y", "abuse", "_x"]
    ),
    st.sampled_from(
        [
            "kunde.intern",
            "example.com",
            "mail.com",
            "pic.png",
            "sub.example.org",
            "x.test",
            "firma-9.de",
            "users.noreply.github.com",
            "a.b",
            "1.2.3",
        ]
    ),
)
PHONES = st.builds(
    "+{} {}".format, st.sampled_from(["49", "1", "44"]), st.sampled_from(["30 9018200", "212 555 0187", "2079460958", "12", "900 4711222", "(0)30/901820", "1234567890123456"])
)  # fmt: skip


@given(st.lists(st.one_of(MAILS, PHONES, CELLS), min_size=1, max_size=40), st.integers(1, 5))
@example(["mira@kunde.intern", "00A000000"], 1)
@example(["00A000000", "mira@kunde.intern"], 1)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_column_is_counted_as_its_cells_one_by_one_and_in_any_parts(values: list[str], parts: int) -> None:
    values = [value for value in (value.strip() for value in values) if len(value) > 5]
    whole, merged = Profile("x", "x"), Profile("x", "x")

    whole.add(values)
    for part in range(parts):
        piece = Profile("x", "x")
        piece.add(values[part::parts][::-1])
        merged.merge(piece)

    for entity in {*whole.tallies, *merged.tallies}:
        one, other = whole.tallies[entity], merged.tallies[entity]
        counts = ("shaped", "valid", "whole", "grouped", "near", "reserved")
        assert [getattr(one, name) for name in counts] == [getattr(other, name) for name in counts]
        assert one.distinct.values() == other.distinct.values()
        assert one.valid == sum(any(hit.valid and hit.entity == entity for hit in hits) for hits in look.texts(values))
    assert whole.sample.values() == merged.sample.values()
    assert whole.few == merged.few
