"""Pseudonyms that can be undone are found by recomputing them; those with a key are not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard import declarations
from mlguard.assess import anonymity as judged
from mlguard.facts import Pseudonym
from mlguard.findings import Detection
from mlguard.scanners.dataset import pseudonyms, risk
from mlguard.scanners.dataset.pseudonyms import Recomputed

FIRST = ["Mira", "Tomas", "Ines", "Olga", "Jonas", "Petra", "Luca", "Edda", "Ruth", "Anton"]
LAST = ["Kessler", "Brandt", "Ferrari", "Nowak", "Dubois", "Sommer"]
PEOPLE = [f"{first} {last}" for first in FIRST for last in LAST]
MAILS = [f"{name.replace(' ', '.')}{place}@kunde.intern" for place, name in enumerate(PEOPLE)]
PHONES = [f"+49 30 {701_000 + 37 * place}" for place in range(len(PEOPLE))]


def found(**columns: Sequence[Any]) -> list[Recomputed]:
    batch = pa.record_batch({name: pa.array(list(values)) for name, values in columns.items()})
    return list(pseudonyms.recomputed(pa.Table.from_batches([batch]), pseudonyms.coded(batch)))


def hexed(algorithm: str, form: Callable[[str], str] = str) -> Callable[[str], str]:
    return lambda text: hashlib.new(algorithm, form(text).encode()).hexdigest()


HASHES: dict[str, tuple[Callable[[str], Any], str]] = {
    "md5": (hexed("md5"), "MD5 without a key"),
    "sha1 of lower case": (hexed("sha1", str.lower), "SHA-1 without a key"),
    "sha256": (hexed("sha256", str.lower), "SHA-256 without a key"),
    "sha256 in capitals": (lambda text: hexed("sha256")(text).upper(), "SHA-256 without a key"),
    "sha512": (hexed("sha512"), "SHA-512 without a key"),
    "sha3": (hexed("sha3_256"), "SHA3-256 without a key"),
    "sha256 cut to 16 digits": (lambda text: hexed("sha256")(text)[:16], "SHA-256 without a key, cut to 16 digits"),
    "md5 in base64": (lambda text: base64.b64encode(hashlib.md5(text.encode()).digest()).decode(), "MD5 without a key"),
    "raw sha256": (lambda text: hashlib.sha256(text.encode()).digest(), "SHA-256 without a key"),
    "crc32": (lambda text: f"{zlib.crc32(text.encode()):08x}", "CRC-32 without a key"),
}


@pytest.mark.parametrize("case", sorted(HASHES))
def test_a_hash_of_another_column_without_a_key_is_recomputed(case: str) -> None:
    make, method = HASHES[case]

    result = found(token=list(map(make, MAILS)), mail=MAILS, visits=list(range(len(MAILS))))

    assert result == [Recomputed("token", method, "mail", len(MAILS), len(MAILS))]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
def test_the_type_in_which_a_reader_keeps_text_does_not_matter(kind: Any) -> None:
    batch = pa.record_batch({"uid": pa.array(list(map(hexed("md5"), MAILS)), kind), "mail": pa.array(MAILS, kind)})
    watch = risk.Watch("data/customers.csv")
    watch.add(batch)

    assert [fact.found for fact in watch.records(()) if isinstance(fact, Pseudonym)] == [len(MAILS)]


def test_a_hash_of_the_digits_of_a_phone_number_is_recomputed() -> None:
    digits = ["".join(filter(str.isdigit, phone)) for phone in PHONES]

    (result,) = found(uid=map(hexed("sha256"), digits), phone=PHONES)

    assert (result.source, result.found) == ("phone", len(PHONES))


def test_part_of_the_values_is_counted() -> None:
    codes = [
        hexed("sha256")(mail) if place % 2 else hexed("sha256")(f"{place} salted") for place, mail in enumerate(MAILS)
    ]

    (result,) = found(uid=codes, mail=MAILS)

    assert (result.found, result.of) == (len(MAILS) // 2, len(MAILS))


def test_a_keyed_hash_is_not_recomputed() -> None:
    codes = [hmac.new(b"kept apart", mail.encode(), hashlib.sha256).hexdigest() for mail in MAILS]

    assert found(uid=codes, mail=MAILS) == []


SPACES = {
    "numbers up to 400,000": [str(310_000 + 17 * place) for place in range(60)],
    "given names": [first.lower() for first in FIRST],
    "numbers of 6 digits with zeros in front": [f"{4711 + place:06d}" for place in range(60)],
    "dates of birth": [f"19{50 + place}-02-1{place % 10}" for place in range(40)],
    "private IPv4 addresses": [f"10.0.{place}.{place + 7}" for place in range(40)],
    "words for sex, marital status and the like": ["male", "female", "divers"],
}


@pytest.mark.parametrize("source", sorted(SPACES))
def test_hashes_of_a_space_that_can_be_listed_are_recomputed_without_the_column(source: str) -> None:
    values = SPACES[source]

    result = found(uid=map(hexed("sha256"), values), visits=list(range(len(values))))

    assert [(item.source, item.found * 10 >= 6 * item.of) for item in result] == [(source, True)]


ENCODINGS: dict[str, Callable[[str], str]] = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "hexadecimal digits of the text": lambda text: text.encode().hex(),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "the text backwards": lambda text: text[::-1],
}


@pytest.mark.parametrize("method", sorted(ENCODINGS))
def test_an_encoded_column_is_read_back(method: str) -> None:
    (result,) = found(token=map(ENCODINGS[method], MAILS), mail=MAILS)

    assert result == Recomputed("token", method, "mail", len(MAILS), len(MAILS))


def test_addresses_in_base64_need_nothing_to_compare_with() -> None:
    (result,) = found(token=map(ENCODINGS["base64"], MAILS), visits=list(range(len(MAILS))))

    assert (result.method, result.source, result.found) == ("base64", "the column itself", len(MAILS))


def test_numbers_in_the_order_of_the_names_are_no_pseudonyms() -> None:
    order = {name: f"P{place:04d}" for place, name in enumerate(sorted(PEOPLE, key=str.lower))}

    (result,) = found(pseudonym=[order[name] for name in PEOPLE], name=PEOPLE)

    assert (result.method, result.source) == ("numbered in the order of another column", "name")


def test_random_numbers_beside_names_are_quiet() -> None:
    numbers = [f"P{hash_ % 100_000:05d}" for hash_ in (zlib.crc32(name.encode()) for name in PEOPLE)]

    assert found(pseudonym=numbers, name=PEOPLE) == []


QUIET: dict[str, list[Any]] = {
    "digests of files": [hashlib.sha256(f"content of file {place}".encode() * 9).hexdigest() for place in range(50)],
    "random identifiers": [hashlib.md5(f"{place}/{place * 7919}/x".encode()).hexdigest() for place in range(50)],
    "commits": [hashlib.sha1(f"tree {place} author".encode()).hexdigest() for place in range(50)],
    "words": ["alpha", "beta", "gamma", "delta"] * 10,
    "embeddings in base64": [
        base64.b64encode(hashlib.sha256(bytes([place])).digest() * 3).decode() for place in range(40)
    ],
    "hexadecimal colours": ["ff8800ff", "00ff00ff", "0000ffff", "a0b0c0d0"] * 5,
}


@pytest.mark.parametrize("case", sorted(QUIET))
def test_what_only_looks_like_a_pseudonym_is_quiet(case: str) -> None:
    cells = QUIET[case]

    assert (
        found(key=cells, path=[f"images/{place}.png" for place in range(len(cells))], size=list(range(len(cells))))
        == []
    )


def test_no_more_hashes_are_computed_than_the_budget_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pseudonyms, "BUDGET", 1000)

    assert found(uid=map(hexed("sha256"), SPACES["numbers up to 400,000"])) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=40), st.from_regex(r"[0-9a-f]{32}\Z")), min_size=1, max_size=8))
def test_any_cells_at_all_are_survived(cells: list[str | None]) -> None:
    assert isinstance(found(hash=cells, other=list(reversed(cells))), list)


def test_no_value_leaves_with_what_is_told() -> None:
    batch = pa.record_batch({"uid": list(map(hexed("md5"), MAILS)), "mail": MAILS})
    watch = risk.Watch("data/customers.csv", {"claim": "pseudonymised"})
    watch.add(batch)

    facts = list(watch.records(()))

    assert [(type(fact), fact.column, fact.source) for fact in facts if isinstance(fact, Pseudonym)] == [
        (Pseudonym, "uid", "the column mail")
    ]
    assert not any(mail in repr(facts) or hexed("md5")(mail) in repr(facts) for mail in MAILS)


DECLARED = """
version: 0
organisation: {controller: {name: Example, email: privacy@retail.example}}
teams: {ml: {contact: ml@retail.example}}
purposes: {churn: {description: Predict contract cancellation for offers, data_use: marketing}}
datasets:
  - {id: customers, location: [data/customers.csv], owner: ml, class: pseudonymous, data_subjects: [customer], purposes: [churn],
     source: {kind: derived}, fields: {uid: {categories: [user.unique_id], role: pseudonym}}, privacy_claim: CLAIM,
     retention: {period: P1Y, action: delete}}
activities: []
access: {classes: {}, rules: []}
"""


def reported(fact: Pseudonym, claim: str) -> list[tuple[str, str]]:
    declaration = declarations.parse(DECLARED.replace("CLAIM", claim)) if claim else None
    return [(item.rule, item.check) for item in judged.assess([fact], declaration) if isinstance(item, Detection)]


def test_a_pseudonym_that_can_be_undone_breaks_a_claim_and_is_a_note_without_one(tmp_path: Path) -> None:
    same = Pseudonym("data/customers.csv", "uid", "MD5 without a key", "the column mail", 60, 60, same_table=True)
    hidden = Pseudonym("data/customers.csv", "uid", "base64", "the column itself", 60, 60)

    assert reported(same, "pseudonymised") == [("data/identifier-in-deidentified-data", "reversible")]
    assert reported(same, "personal") == []
    assert reported(same, "") == []
    assert reported(hidden, "") == [("data/singling-out-risk", "pseudonym")]
