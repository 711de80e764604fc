"""Checks record batches that a library made of a file's bytes: Arrow trusts the offsets, indices and letters that it is given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mlguard.errors import Unreadable

_DAMAGED = "a batch of rows is damaged; what came before was read"


def sound(batch: Any) -> Any:
    """Return the batch. Texts that are no UTF-8 are read as Latin-1, which old exports are written in.

    Raises Unreadable where an offset or index points outside: to look at such a batch may end the process.
    """
    import pyarrow as pa

    try:
        _spelled(batch.schema)
    except UnicodeDecodeError:
        raise Unreadable("the name of a column is no UTF-8") from None
    try:
        batch.validate(full=True)
    except (pa.ArrowException, ValueError):
        return pa.RecordBatch.from_arrays([_column(column) for column in batch.columns], names=batch.schema.names)
    return batch


def _spelled(fields: Iterable[Any]) -> None:
    """Raise UnicodeDecodeError where the name of a field is no UTF-8, or that of a field within."""
    import pyarrow as pa

    for field in fields:
        assert field.name is not None
        kind = field.type
        if pa.types.is_nested(kind) and not pa.types.is_map(kind):
            _spelled(kind.field(number) for number in range(kind.num_fields))


def _column(array: Any) -> Any:
    import pyarrow as pa

    try:
        array.validate(full=True)
        return array
    except (pa.ArrowException, ValueError):
        pass
    try:
        return _repaired(array)
    except (pa.ArrowException, ValueError, IndexError):
        raise Unreadable(_DAMAGED) from None


def _repaired(array: Any) -> Any:
    """Return an array whose texts are valid. Raises ArrowInvalid where more than its texts is not."""
    import pyarrow as pa

    kind = array.type
    array.validate()
    if pa.types.is_dictionary(kind):
        return pa.DictionaryArray.from_arrays(array.indices, _column(array.dictionary))
    if pa.types.is_struct(kind):
        parts = [_column(array.field(number)) for number in range(kind.num_fields)]
        return pa.StructArray.from_arrays(parts, [field.name for field in kind])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        array.offsets.validate(full=True)
        listed = pa.LargeListArray if pa.types.is_large_list(kind) else pa.ListArray
        made = listed.from_arrays(array.offsets, _column(array.values))
        made.validate(full=True)
        return made
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        raw = array.view(pa.binary() if pa.types.is_string(kind) else pa.large_binary())
        raw.validate(full=True)
        return pa.array([None if cell is None else _text(cell) for cell in raw.to_pylist()], pa.large_string())
    raise pa.ArrowInvalid


def _text(cell: bytes) -> str:
    try:
        return cell.decode("utf-8")
    except UnicodeDecodeError:
        return cell.decode("latin-1")
