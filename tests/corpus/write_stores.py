"""Writes small stores of vectors and saved datasets with the real libraries, for tests that must not need them.

Run it where chromadb, faiss-cpu, langchain-community, qdrant-client, lancedb, llama-index-core and datasets are installed:
``python tests/corpus/write_stores.py``. It replaces the folders below tests/fixtures/data that it writes. All persons are invented.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

HOME = Path(__file__).parents[1] / "fixtures" / "data"
TEXTS = [
    "Call Mira Kovacs at mira.kovacs@kunde.intern about the invoice",
    "Ticket of tomas@kunde.intern, phone +49 30 901820",
    "Nothing to see here",
]
META = [{"customer_email": "mira.kovacs@kunde.intern"}, {"customer_email": "tomas@kunde.intern"}, {"topic": "nothing"}]
CHROMA_TABLES = ("collections", "segments", "embeddings", "embedding_metadata", "embeddings_queue")


def fresh(name: str) -> Path:
    """Return an empty folder for a fixture."""
    shutil.rmtree(HOME / name, ignore_errors=True)
    (HOME / name).mkdir(parents=True)
    return HOME / name


def chroma() -> None:
    """Write what the tables of a Chroma store hold once a document was deleted, as SQL: the database itself has 188 KB."""
    import chromadb

    with tempfile.TemporaryDirectory() as folder:
        client = chromadb.PersistentClient(path=folder, settings=chromadb.Settings(anonymized_telemetry=False))
        made = client.create_collection("tickets", embedding_function=None)
        made.add(ids=["1", "2", "3"], embeddings=[[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]], documents=TEXTS, metadatas=META)
        made.delete(ids=["2"])
        database = sqlite3.connect(os.path.join(folder, "chroma.sqlite3"))
        lines = list(_dumped(database))
    (fresh("chroma") / "chroma.sql").write_text("\n".join(lines) + "\n")


def _dumped(database: sqlite3.Connection) -> Any:
    for name in CHROMA_TABLES:
        (statement,) = database.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()
        yield statement + ";"
        for row in database.execute(f"SELECT * FROM {name}"):
            values = ", ".join(database.execute("SELECT quote(?)", (value,)).fetchone()[0] for value in row)
            yield f"INSERT INTO {name} VALUES ({values});"


def faiss() -> None:
    """Write an index of FAISS with the documents that LangChain keeps beside it."""
    from langchain_community.vectorstores import FAISS
    from langchain_core.embeddings import DeterministicFakeEmbedding

    store = FAISS.from_texts(TEXTS, DeterministicFakeEmbedding(size=4), metadatas=META, ids=["1", "2", "3"])
    store.save_local(str(fresh("faiss")))


def qdrant() -> None:
    """Write a collection in Qdrant's local mode."""
    from qdrant_client import QdrantClient, models

    client = QdrantClient(path=str(fresh("qdrant")))
    client.create_collection("tickets", vectors_config=models.VectorParams(size=2, distance=models.Distance.COSINE))
    points = [
        models.PointStruct(id=place, vector=[0.1, 0.2], payload={"text": text, **meta, "person": {"phone": "+49 30 901820"}})
        for place, (text, meta) in enumerate(zip(TEXTS, META, strict=True))
    ]  # fmt: skip
    client.upsert("tickets", points)
    client.close()
    (HOME / "qdrant" / ".lock").unlink(missing_ok=True)


def lancedb() -> None:
    """Write a table of LanceDB."""
    import lancedb as library

    rows = [{"vector": [0.1, 0.2], "text": text, "customer_email": meta.get("customer_email")} for text, meta in zip(TEXTS, META, strict=True)]  # fmt: skip
    library.connect(str(fresh("lancedb"))).create_table("tickets", rows)


def llama_index() -> None:
    """Write what LlamaIndex keeps of an index in memory."""
    from llama_index.core import VectorStoreIndex
    from llama_index.core.embeddings import MockEmbedding
    from llama_index.core.schema import TextNode

    nodes = [TextNode(id_=str(place), text=text, metadata=meta) for place, (text, meta) in enumerate(zip(TEXTS, META, strict=True))]  # fmt: skip
    index = VectorStoreIndex(nodes, embed_model=MockEmbedding(embed_dim=3))
    index.storage_context.persist(str(fresh("llama")))


def hugging_face() -> None:
    """Write a dataset with two splits, one of them in three shards."""
    import datasets

    datasets.disable_progress_bars()
    told = "Tickets, maintained by olga@kunde.intern"
    rows = {"text": TEXTS * 10, "email": ["mira.kovacs@kunde.intern"] * 30}
    train = datasets.Dataset.from_dict(rows, info=datasets.DatasetInfo(description=told))
    test = datasets.Dataset.from_dict({"text": TEXTS}, info=datasets.DatasetInfo(description=told))
    made = datasets.DatasetDict({"train": train, "test": test})
    made.save_to_disk(str(fresh("hf")), num_shards={"train": 3, "test": 1})


if __name__ == "__main__":
    for write in (chroma, faiss, qdrant, lancedb, llama_index, hugging_face):
        write()
