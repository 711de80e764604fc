"""Text and metadata beside vectors, in the stores as their own libraries write them."""

from __future__ import annotations

import pickle
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard import discovery
from mlguard.errors import Unreadable
from mlguard.facts import Field
from mlguard.scanners import Context
from mlguard.scanners.dataset import folders, source, stores
from mlguard.scanners.dataset.formats import documents
from mlguard.scanners.dataset.formats.delta import DELETED
from mlguard.scanners.dataset.table import Table

HOME = Path(__file__).parents[1] / "fixtures" / "data"


def taken(tables: Iterator[Table] | None) -> dict[str, list[Any]]:
    """Return the rows by name of the table; a table of documents gives the documents themselves."""
    assert tables is not None
    found: dict[str, list[Any]] = {}
    for table in tables:
        rows = found.setdefault(table.name, [])
        for batch in table.batches:
            rows += batch.to_pylist()
        assert table.missed == []
    return found


def flat(value: Any) -> str:
    return repr(value)


def opened(path: str) -> source.Source:
    return source.of_file(Context(HOME), path)


@pytest.fixture
def chroma(tmp_path: Path) -> source.Source:
    database = sqlite3.connect(tmp_path / "chroma.sqlite3")
    database.executescript((HOME / "chroma" / "chroma.sql").read_text())
    database.close()
    return source.of_file(Context(tmp_path), "chroma.sqlite3")


def test_documents_of_chroma_are_read_with_their_metadata_by_key(chroma: source.Source) -> None:
    found = taken(stores.tables(chroma, "sqlite"))

    record = found["documents"][0]["document"]
    assert record["customer_email"] == "mira.kovacs@kunde.intern"
    assert record["document"].startswith("Call Mira Kovacs")
    assert len(found["documents"]) == 2


def test_a_document_deleted_from_chroma_is_found_in_its_queue(chroma: source.Source) -> None:
    found = taken(stores.tables(chroma, "sqlite"))

    assert "tomas@kunde.intern" not in flat(found["documents"])
    assert [row["document"]["customer_email"] for row in found[DELETED]] == ["tomas@kunde.intern"]


def test_points_of_local_qdrant_are_read_without_unpickling() -> None:
    found = taken(stores.tables(opened("qdrant/collection/tickets/storage.sqlite"), "sqlite"))

    payload = found["points"][0]["document"]["payload"]
    assert payload["customer_email"] == "mira.kovacs@kunde.intern"
    assert payload["person"]["phone"] == "+49 30 901820"
    assert len(found["points"]) == 3


def test_documents_that_langchain_keeps_beside_faiss_are_read_without_unpickling() -> None:
    found = taken(stores.tables(opened("faiss/index.pkl"), "pickle"))

    first = found[""][0]["document"]
    assert first["page_content"].startswith("Call Mira Kovacs")
    assert first["metadata"]["customer_email"] == "mira.kovacs@kunde.intern"
    assert len(found[""]) == 3


def test_nodes_of_llama_index_are_rows_and_not_columns() -> None:
    found = taken(stores.tables(opened("llama/docstore.json"), "json"))

    rows = [row["document"] for row in found["data"]]
    assert [row["text"] for row in rows][1] == "Ticket of tomas@kunde.intern, phone +49 30 901820"
    assert rows[0]["metadata"]["customer_email"] == "mira.kovacs@kunde.intern"
    assert len(rows) == 3


def test_a_table_of_lancedb_is_one_dataset_with_a_column_of_vectors(tmp_path: Path) -> None:
    pytest.importorskip("lance")
    shutil.copytree(HOME / "lancedb", tmp_path / "db")
    paths = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
    (group,) = folders.groups(discovery.classify(tmp_path, paths).artifacts)

    (table,) = [(table, list(table.batches)) for table in folders.tables(group, Context(tmp_path))]

    schema = table[1][0].schema
    assert stores.vectors_in(schema) == ["vector"]
    assert table[1][0].column("customer_email")[0].as_py() == "mira.kovacs@kunde.intern"


@pytest.mark.parametrize(
    ("path", "tables", "beside", "store"),
    [
        ("db/chroma.sqlite3", [], [], "Chroma"),
        ("db/data.db", ["embedding_metadata", "segments", "collections"], [], "Chroma"),
        ("x/collection/tickets/storage.sqlite", [], [], "Qdrant"),
        ("storage/docstore.json", [], [], "LlamaIndex"),
        ("storage/default__vector_store.json", [], [], "LlamaIndex"),
        ("faiss/index.pkl", [], ["index.faiss", "index.pkl"], "FAISS"),
        ("model/index.pkl", [], ["other.txt"], ""),
        ("m.db/collections/t/partitions/_default/data/data_1.parquet", [], [], "Milvus Lite"),
        ("x/ids.json", [], ["ids.json", "vectors.ann"], "Annoy"),
        ("x/texts.csv", [], ["texts.csv", "i.hnsw"], "hnswlib"),
        ("x/i.jsonl", [], ["i.jsonl", "i.hnsw"], "hnswlib"),
        ("x/customers.csv", [], ["customers.csv", "i.hnsw"], ""),
        ("x/document_store.json", [], [], "Haystack"),
        ("data/customers.csv", ["customers"], [], ""),
    ],
)
def test_stores_are_told_by_path_tables_and_neighbours(path: str, tables: list[str], beside: list[str], store: str) -> None:  # fmt: skip
    assert stores.store_of(path, tables, beside) == store


def test_columns_of_vectors_are_told_by_their_name_or_length() -> None:
    schema = pa.schema(
        [
            ("text", pa.string()),
            ("embedding", pa.list_(pa.float64())),
            ("text_vector", pa.list_(pa.int8())),
            ("x", pa.list_(pa.float32(), 384)),
            ("box", pa.list_(pa.float32(), 4)),
            ("scores", pa.list_(pa.float64())),
            ("tags", pa.list_(pa.string())),
            ("embedding_model", pa.string()),
        ]
    )

    assert stores.vectors_in(schema) == ["embedding", "text_vector", "x"]


def test_a_detection_names_the_store_and_no_value() -> None:
    seen = Field("document.customer_email", "user.contact.email", "EmailAddress", "personal", "high", "pattern", 2, 3, ("pattern:EMAIL_ADDRESS",))  # fmt: skip

    (found,) = stores.told("db/chroma.sqlite3", "a store of Chroma", [seen])

    assert found.rule == "data/personal-data-in-embeddings"
    assert found.facts["store"] == "a store of Chroma"


def test_a_table_beside_vectors_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "ids.json").write_text("[]")
    (tmp_path / "x" / "v.ann").write_bytes(b"\0")
    vectors = pa.schema([("text", pa.string()), ("embedding", pa.list_(pa.float32()))])

    assert (
        stores.where("x/ids.json", "json", None, stores.beside(Context(tmp_path), "x/ids.json")) == "a store of Annoy"
    )
    assert stores.where("x/a.parquet", "parquet", vectors) == "a table of embeddings"
    assert stores.where("x/a.parquet", "parquet", pa.schema([("text", pa.string())])) == ""
    assert (
        stores.where("x/a.sql", "sql", None, (), b"CREATE TABLE t (body text, v public.vector(3));")
        == "a dump of pgvector"
    )
    assert stores.where("x/a.sql", "sql", None, (), b"CREATE TABLE t (body text, v text);") == ""
    assert list(stores.told("x/a.parquet", "", [])) == []


def test_the_engine_of_qdrant_is_a_gap() -> None:
    gap = stores.unread("storage/collections/t/0/segments/ab/payload_storage/page_0.dat")

    assert gap is not None and gap.kind == "skipped"
    assert stores.unread("data/customers.csv") is None


class Bomb:
    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('ran')",))


def test_a_pickle_that_would_run_something_runs_nothing() -> None:
    data = pickle.dumps({"a": {"page_content": "mira@kunde.intern", "x": Bomb()}})

    assert list(documents.records(data)) == [{"page_content": "mira@kunde.intern"}]


def test_a_pickle_whose_parts_hold_each_other_ends() -> None:
    value: Any = {"text": "mira@kunde.intern"}
    for _ in range(60):
        value = {"a": value, "b": value, "c": value}
    loop: dict[str, Any] = {"text": "olga@kunde.intern"}
    loop["self"] = loop

    assert flat(list(documents.records(pickle.dumps(loop)))).count("olga") > 0
    assert isinstance(list(documents.records(pickle.dumps([value]))), list)


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol_of_pickle_is_followed(protocol: int) -> None:
    data = pickle.dumps([{"text": "mira@kunde.intern", "meta": {"n": 1, "tags": ("a", "b")}, "raw": b"x"}], protocol)

    (record,) = documents.records(data)

    assert record["text"] == "mira@kunde.intern"
    assert record["meta"]["tags"] == ["a", "b"]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 640), st.booleans())
def test_any_bytes_are_documents_or_unreadable(junk: bytes, at: int, replace: bool) -> None:
    whole = (HOME / "faiss" / "index.pkl").read_bytes()
    data = whole[:at] + junk + whole[at + len(junk) if replace else at :]
    trouble = ""
    try:
        assert all(isinstance(record, dict) for record in documents.records(data))
    except Unreadable as error:
        trouble = str(error)

    assert "kunde" not in trouble


def test_what_stood_before_a_cut_is_read() -> None:
    whole = (HOME / "faiss" / "index.pkl").read_bytes()
    records = documents.records(whole[:500])

    assert next(records)["metadata"]["customer_email"] == "mira.kovacs@kunde.intern"
    with pytest.raises(Unreadable):
        list(records)


def test_a_damaged_store_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "chroma.sqlite3").write_bytes(b"SQLite format 3\0" + b"\xff" * 500)

    with pytest.raises(Unreadable):
        taken(stores.tables(source.of_file(Context(tmp_path), "chroma.sqlite3"), "sqlite"))
