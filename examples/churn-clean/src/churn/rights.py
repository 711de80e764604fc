"""Answers requests of customers about the feature table; the privacy team turns a person into a key in its vault."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def export_subject(table: pa.Table, key: str) -> list[dict[str, Any]]:
    """Return the rows that belong to a pseudonym (right of access)."""
    rows: list[dict[str, Any]] = table.filter(pc.equal(table.column("customer_key"), key)).to_pylist()
    return rows


def erase_subject(table: pa.Table, key: str) -> pa.Table:
    """Return the table without the rows of a pseudonym (rights to erasure and to object)."""
    return table.filter(pc.not_equal(table.column("customer_key"), key))
