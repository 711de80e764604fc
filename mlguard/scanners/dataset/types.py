"""Tells an Arrow type in words that hold no name of the file: those of inner fields may be somebody's data."""

from __future__ import annotations

from typing import Any

MAX_DEPTH = 8
"""Levels of nesting that are told."""


def type_of(kind: Any, depth: int = 0) -> str:
    """Return the type: "string", "list<int64>", "struct of 3", "timestamp[us, zone]"."""
    import pyarrow as pa

    types = pa.types
    if depth > MAX_DEPTH:
        return "nested"
    if isinstance(kind, pa.BaseExtensionType):
        return type_of(kind.storage_type, depth)
    if types.is_dictionary(kind):
        return f"dictionary<{type_of(kind.value_type, depth + 1)}>"
    if types.is_map(kind):
        return f"map<{type_of(kind.key_type, depth + 1)}, {type_of(kind.item_type, depth + 1)}>"
    if types.is_struct(kind) or types.is_union(kind):
        return f"{'struct' if types.is_struct(kind) else 'union'} of {kind.num_fields}"
    if types.is_run_end_encoded(kind):
        return type_of(kind.value_type, depth)
    if types.is_nested(kind):
        return f"list<{type_of(kind.value_type, depth + 1)}>"
    if types.is_timestamp(kind):
        return f"timestamp[{kind.unit}{', zone' if kind.tz else ''}]"
    if types.is_fixed_size_binary(kind):
        return "binary"
    return str(kind).removeprefix("large_").removesuffix("_view")
