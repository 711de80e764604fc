"""Checks on searches over the documents of many persons."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mlguard import lazy
from mlguard.scanners.code.seeing import Call, Sight, on_call
from mlguard.scanners.code.source import Source

RETRIEVAL = "code/retrieval-without-user-filter"

_PERSONS = lazy.pattern(
    r"(?i)(?:^|[_\- /.])(?:patient|customer|employee|client|member|user|person|people|staff|student|applicant|candidate|hr|medical|health|email|ticket|crm|cv|resume|citizen|tenant|donor|guest|contact)s?(?:[_\- /.]|$)"
)
_STORES = frozenset({"chromadb", "pinecone", "qdrant_client", "weaviate", "pymilvus", "faiss", "langchain", "langchain_community", "langchain_chroma", "langchain_pinecone", "llama_index",
                     "elasticsearch", "opensearchpy", "pgvector", "lancedb", "redisvl", "langchain_qdrant", "langchain_core", "langchain_openai", "langchain_postgres", "vertexai", "azure"})  # fmt: skip


def has_personal_source(source: Source) -> bool:
    """Say whether a file reads a collection or table that is named after persons."""
    return source.once("personal-collection", 0, lambda: any(_PERSONS.search(name) for name in _collections(source)))


def _collections(source: Source) -> Iterator[str]:
    """Yield the constant names of collections, indexes and tables that a file opens."""
    calls = source.tree.calls_by_name
    for name in ("get_collection", "get_or_create_collection", "Collection", "Index", "Chroma", "Qdrant", "QdrantVectorStore", "from_existing_index", "Milvus", "PGVector", "search", "query_points",
                 "read_sql", "execute", "open_table", "load_local", "PineconeVectorStore", "similarity_search", "query"):  # fmt: skip
        for call in calls.get(name, ())[:50]:
            for value in [
                *call.args[:2],
                *(keyword.value for keyword in call.keywords if keyword.arg in _COLLECTION_KEYS),
            ]:
                if isinstance(value, ast.Constant) and isinstance(value.value, str) and len(value.value) < 400:
                    yield value.value
                elif isinstance(value, ast.Name):
                    yield value.id


_COLLECTION_KEYS = frozenset(
    {"name", "collection_name", "index_name", "table_name", "collection", "index", "table", "sql", "folder_path"}
)


# ---- retrieval

_SEARCHES = frozenset(
    {"similarity_search", "asimilarity_search", "similarity_search_with_score", "similarity_search_by_vector", "similarity_search_with_relevance_scores",
     "max_marginal_relevance_search", "query", "query_points", "search", "near_text", "near_vector", "hybrid", "get_relevant_documents", "knn_search", "as_retriever"}
)  # fmt: skip
_FILTER_KEYS = frozenset(
    {"filter", "filters", "where", "where_document", "query_filter", "namespace", "tenant", "expr", "partition_names", "pre_filter", "scroll_filter", "search_kwargs", "prefilter",
     "filter_expression", "user_id", "acl", "query", "body", "return_filter", "tenant_id", "access_filter", "security_filter", "metadata_filters"}
) - {"query", "body"}  # fmt: skip
_VECTOR = lazy.pattern(r"(?i)^(?:chromadb|pinecone|qdrant_client|weaviate|pymilvus|lancedb|langchain\w*|llama_index)\b")
_VECTOR_NAME = lazy.pattern(
    r"(?i)(?:^|_|\.)(?:collection|index|vector_?(?:store|db|database|index)|vs|vdb|store|retriever|chroma\w*|pinecone\w*|qdrant\w*|milvus\w*|weaviate\w*|docsearch|knowledge_?base|kb|db|faiss\w*)$"
)


@on_call(*_SEARCHES, imports=_STORES)
def unfiltered(call: Call) -> Iterator[Sight]:
    """Searches over the documents of many persons that are not confined to those of the one who asks."""
    if call.receiver is None or call.names.open_ended(call.node, call.scope):
        return
    written = call.names.written(call.receiver)
    if not _VECTOR.match(call.path) and (call.path or not _VECTOR_NAME.search(written)):
        return
    if call.last in ("query", "search") and not call.keywords.keys() & {
        "query_texts",
        "query_embeddings",
        "vector",
        "query_vector",
        "top_k",
        "n_results",
        "limit",
        "k",
        "collection_name",
        "data",
        "anns_field",
    }:
        return
    if call.keywords.keys() & _FILTER_KEYS:
        return
    if call.last == "as_retriever":
        return
    if len(call.node.args) > 2:
        return
    personal = (
        has_personal_source(call.source)
        or _PERSONS.search(f" {written.rpartition('.')[2].replace('_', ' ')} ") is not None
    )
    if personal and call.source.tree.identifiers.isdisjoint(_TENANT_WORDS):
        yield call.sees(RETRIEVAL, "search-without-filter")


_TENANT_WORDS = frozenset(
    {"with_tenant", "tenant", "namespace", "partition_key", "user_collection", "acl", "row_level_security"}
)


CHECKS = (unfiltered,)
