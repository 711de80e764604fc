"""Makes columns of what a pickle says of arrays and frames: NumPy, pandas 0.25 to 3, Arrow, polars. Nothing is loaded.

Layouts: numpy/_core/src/multiarray/methods.c (array_reduce), pandas/_libs/internals.pyx (_unpickle_block, BlockManager), pandas/_libs/arrays.pyx
(NDArrayBacked), pyarrow/array.pxi (_restore_array), and the states that their classes give to pickle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mlguard import lazy
from mlguard.scanners.dataset.formats import rows
from mlguard.scanners.dataset.formats.pickle_stream import LOST, Items, Made, Name, Records, Span, Stream, Texts
from mlguard.scanners.dataset.table import MAX_COLUMNS, Table

MAX_ITEM_BYTES = 16 * 2**20
MAX_DEPTH = 12
MAX_FIELDS = 2_000
MAX_PARTS = 1_000_000
"""Values inside the values of one column and batch."""

MAX_CATEGORIES = 2_000_000
MAX_ENCODED = 64 * 2**20
"""Bytes of an array that protocol 2 wrote as text, which are decoded at once."""

_TYPE = lazy.pattern(r"(?:[biufc?]|[biufcSUVOmMa]\d{0,9}|object|bool)\Z")


class Column:
    """Values of one column in chunks. ``array`` is of NumPy, of Arrow, or the list of a pickle."""

    __slots__ = ("array", "categories", "stream")

    def __init__(self, array: Any, stream: Stream, categories: Column | None = None) -> None:
        self.array, self.stream, self.categories = array, stream, categories

    def __len__(self) -> int:
        return self.array.length if isinstance(self.array, Items) else len(self.array)

    def chunks(self, step: int, table: Table) -> Iterator[Any]:
        """Yield Arrow arrays of ``step`` values, the last may have fewer."""
        cursor = Cursor(self, table)
        for at in range(0, len(self), step):
            yield cursor.take(min(step, len(self) - at))


class Cursor:
    """Goes through the values of a column once."""

    def __init__(self, column: Column, table: Table) -> None:
        self.column, self.stream, self.table, self.at = column, column.stream, table, 0
        self.parts = list(column.array.parts()) if isinstance(column.array, Items) else []
        self.part = self.inner = 0
        self.known: list[Any] = []
        self.longest = 0
        if column.categories is not None:
            for chunk in column.categories.chunks(1000, table):
                self.known += chunk.to_pylist()
                if len(self.known) > MAX_CATEGORIES:
                    break
            self.longest = max((rows.weight(value) for value in self.known), default=0)

    def weigh(self, count: int) -> int:
        """Return about how many bytes the next values take. One text may be in many places of a pickle."""
        array = self.column.array
        if isinstance(array, Items):
            return sum(_weight(part, start, end) for part, start, end in self._spans(count))
        if self.longest:
            return count * self.longest
        if hasattr(array, "dtype"):
            return count * int(array.dtype.itemsize)
        return int(array.slice(self.at, count).nbytes)

    def take(self, count: int) -> Any:
        """Return the next values as an Arrow array."""
        from mlguard.scanners.dataset.formats import npy

        array, at = self.column.array, self.at
        self.at += count
        if isinstance(array, Items):
            left = [MAX_PARTS]
            found: list[Any] = []
            for part, start, end in self._spans(count):
                found += _values(part, start, end, self.stream, 1, left)
            self.inner += count
            while self.part < len(self.parts) and self.inner >= len(self.parts[self.part]):
                self.inner -= len(self.parts[self.part])
                self.part += 1
            return rows.array(found)
        if self.column.categories is not None:
            codes = array[at : at + count].tolist()
            known = self.known
            return rows.array(
                [known[code] if isinstance(code, int) and 0 <= code < len(known) else None for code in codes]
            )
        if hasattr(array, "dtype"):
            return npy.arrow(array[at : at + count], self.table)
        return array.slice(at, count)

    def _spans(self, count: int) -> Iterator[tuple[Any, int, int]]:
        """Yield the segments of the next values, with start and end in each."""
        part, inner = self.part, self.inner
        while count > 0 and part < len(self.parts):
            size = min(count, len(self.parts[part]) - inner)
            if size > 0:
                yield self.parts[part], inner, inner + size
            count -= size
            part, inner = part + 1, 0


def _weight(part: Any, start: int, end: int) -> int:
    if isinstance(part, Texts):
        return sum(part.sizes[start:end]) + 50 * (end - start)
    if isinstance(part, list):
        return sum(min(value.size, rows.MAX_CELL_CHARS) if isinstance(value, Span) else 60 for value in part[start:end])
    return 30 * (end - start)


def _values(part: Any, start: int, end: int, stream: Stream, depth: int, left: list[int]) -> list[Any]:
    if isinstance(part, Texts):
        left[0] -= sum(part.sizes[start:end]) // 64 if depth > 1 else 0
        return part.values(stream.data, start, end)
    if isinstance(part, Records):
        names = list(part.columns)
        columns = [_range(part.columns[name], start, end, stream, depth, left) for name in names]
        return (
            [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
            if names
            else [None] * (end - start)
        )
    if isinstance(part, list):
        return [plain(value, stream, depth, left) for value in part[start:end]]
    return list(part[start:end])


def _range(items: Items, start: int, end: int, stream: Stream, depth: int, left: list[int]) -> list[Any]:
    """Return the values from ``start`` to ``end`` of a list, which may be shorter."""
    found: list[Any] = []
    at = 0
    for part in items.parts():
        low, high = max(start, at), min(end, at + len(part))
        at += len(part)
        if low >= high:
            continue
        left[0] -= high - low
        if left[0] < 0:
            stream.cut = True
            break
        found += _values(part, low - at + len(part), high - at + len(part), stream, depth + 1, left)
    return found + [None] * (end - start - len(found))


def _every(items: Items, stream: Stream, depth: int, left: list[int]) -> list[Any]:
    """Return the values of a list inside a value."""
    found: list[Any] = []
    for part in items.parts():
        size = min(len(part), max(0, left[0]))
        stream.cut |= size < len(part)
        left[0] -= size
        found += _values(part, 0, size, stream, depth + 1, left)
    return found


def plain(value: Any, stream: Stream, depth: int = 0, left: list[int] | None = None) -> Any:
    """Return a value of a pickle as plain Python: what has no plain form as None, what would have been made as its parts.

    ``left`` counts down the values inside it; where it ends, ``stream.cut`` is set.
    """
    left = [MAX_PARTS] if left is None else left
    left[0] -= 1
    if value is LOST or isinstance(value, Name):
        return None
    if depth > MAX_DEPTH or left[0] < 0:
        stream.cut |= value is not None
        return None
    if isinstance(value, Span):
        left[0] -= value.size // 64 if depth > 1 else 0
        data = bytes(stream.data[value.at : value.at + min(value.size, rows.MAX_CELL_CHARS)])
        return data.decode("utf-8", "replace") if value.text else rows.prose_of(data)
    if isinstance(value, Items):
        return _every(value, stream, depth, left)
    if isinstance(value, dict):
        return {str(key): plain(item, stream, depth + 1, left) for key, item in value.items() if left[0] > 0}
    if isinstance(value, tuple):
        return [plain(item, stream, depth + 1, left) for item in value if left[0] > 0]
    if isinstance(value, Made):
        return _made_plain(value, stream, depth, left)
    return value


def _made_plain(value: Made, stream: Stream, depth: int, left: list[int]) -> Any:
    import datetime

    called = value.called
    if called in ("datetime.date", "datetime.datetime") and isinstance(value.arguments, tuple) and value.arguments:
        day = bytes_of(value.arguments[0], stream)
        if day and len(day) in (4, 10):
            try:
                return datetime.date(day[0] * 256 + day[1], day[2] & 0x7F, day[3])
            except ValueError:
                return None
    if (
        called.endswith(".scalar")
        and called.startswith("numpy")
        and isinstance(value.arguments, tuple)
        and len(value.arguments) == 2
    ):
        return _scalar(value.arguments, stream)
    if (array := array_of(value, stream)) is not None:
        if isinstance(array, tuple):
            return _every(array[0], stream, depth, left)
        stream.cut |= array.size > max(0, left[0])
        left[0] -= array.size
        return [item if isinstance(item, (str, int, float, bool)) else rows.text(item) for item in array.reshape(-1)[: max(0, left[0] + array.size)].tolist()]  # fmt: skip
    for inner in (value.items, value.pairs, value.state, value.arguments):
        if inner not in (None, (), {}) and inner is not value:
            return plain(inner[0] if isinstance(inner, tuple) and len(inner) == 1 else inner, stream, depth + 1, left)
    return None


def _scalar(arguments: tuple[Any, ...], stream: Stream) -> Any:
    import numpy as np

    dtype, data = dtype_of(arguments[0], stream), bytes_of(arguments[1], stream)
    if dtype is None or dtype.hasobject or data is None or len(data) != dtype.itemsize:
        return None
    try:
        value = np.frombuffer(data, dtype)[0].item()
    except rows.TROUBLE:
        return None
    return value if isinstance(value, (str, int, float, bool)) else str(value)


def bytes_of(value: Any, stream: Stream) -> Any:
    """Return the bytes that a value stands for, as protocol 2 to 5 write them, or None."""
    if isinstance(value, Span):
        data = memoryview(stream.data)[value.at : value.at + value.size]
        return data if len(data) == value.size or not value.text else None
    if not isinstance(value, Made) or not isinstance(value.arguments, tuple) or not value.arguments:
        return None
    if value.called == "_codecs.encode" and isinstance(value.arguments[0], Span):
        span = value.arguments[0]
        if span.size > MAX_ENCODED:
            return None
        return bytes(stream.data[span.at : span.at + span.size]).decode("utf-8", "replace").encode("latin-1", "replace")
    if value.called in (
        "builtins.bytearray",
        "__builtin__.bytearray",
        "builtins.bytes",
        "pyarrow.lib.py_buffer",
        "pickle.PickleBuffer",
    ):
        return bytes_of(value.arguments[0], stream)
    return None


def shape_of(value: Any) -> tuple[int, ...]:
    """Return a shape. Raises ValueError."""
    if (
        not isinstance(value, tuple)
        or len(value) > 32
        or not all(type(extent) is int and 0 <= extent < 2**48 for extent in value)
    ):
        raise ValueError("no shape")
    return value


def dtype_of(value: Any, stream: Stream, depth: int = 0) -> Any:
    """Return the numpy.dtype that a value stands for, or None."""
    import numpy as np

    if (
        not isinstance(value, Made)
        or depth > 4
        or not value.called.endswith(".dtype")
        or not isinstance(value.arguments, tuple)
    ):
        return None
    text = stream.text_of(value.arguments[0]) if value.arguments else ""
    if not _TYPE.match(text):
        return None
    state = value.state if isinstance(value.state, tuple) and len(value.state) >= 7 else None
    try:
        if state is not None and isinstance(state[4], dict):
            return _structured(state, stream, depth)
        if state is not None and isinstance(state[2], tuple) and len(state[2]) == 2:
            inner = dtype_of(state[2][0], stream, depth + 1)
            return None if inner is None else np.dtype((inner, shape_of(state[2][1])))
        dtype = np.dtype(text)
        if state is not None and dtype.kind in "SUV" and type(state[5]) is int and 0 <= state[5] <= MAX_ITEM_BYTES:
            dtype = np.dtype(f"{dtype.kind}{state[5] // (4 if dtype.kind == 'U' else 1)}")
        if dtype.kind in "mM" and state is not None and len(state) > 8:
            dtype = np.dtype(f"{dtype.kind}8[{_unit(state[8], stream)}]")
        order = stream.text_of(state[1]) if state is not None else "|"
        return dtype.newbyteorder("<" if order == "<" else ">") if order in ("<", ">") else dtype
    except rows.TROUBLE:
        return None


def _unit(value: Any, stream: Stream) -> str:
    inner = value[1] if isinstance(value, tuple) and len(value) == 2 else None
    unit = bytes_of(inner[0], stream) if isinstance(inner, tuple) and inner else b""
    text = bytes(unit or b"").decode("latin-1")
    return text if text in ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns") else "ns"


def _structured(state: tuple[Any, ...], stream: Stream, depth: int) -> Any:
    import numpy as np

    names, formats, offsets = [], [], []
    for name, field in list(state[4].items())[:MAX_FIELDS]:
        inner = dtype_of(field[0], stream, depth + 1)
        if inner is None or inner.hasobject or type(field[1]) is not int or not 0 <= field[1] <= MAX_ITEM_BYTES:
            return None
        names.append(str(name))
        formats.append(inner)
        offsets.append(field[1])
    order = sorted(range(len(names)), key=lambda at: offsets[at])
    size = state[5] if type(state[5]) is int and 0 < state[5] <= MAX_ITEM_BYTES else None
    form: Any = {
        key: [part[at] for at in order] for key, part in (("names", names), ("formats", formats), ("offsets", offsets))
    }
    if size:
        form["itemsize"] = size
    return np.dtype(form)


def array_of(value: Any, stream: Stream) -> Any:
    """Return an array of NumPy over the bytes of the file, the Items of one of objects with its shape, or None."""
    if not isinstance(value, Made):
        return None
    called = value.called
    try:
        if called.endswith((".NumpyArrayWrapper", ".NDArrayWrapper")):
            return _wrapped(value, stream)
        if called.endswith("._frombuffer") and isinstance(value.arguments, tuple) and len(value.arguments) >= 4:
            data, dtype, shape, order = value.arguments[:4]
            return _over(data, dtype_of(dtype, stream), shape_of(shape), stream.text_of(order) == "F", stream)
        if called.endswith("multiarray._reconstruct") and isinstance(value.state, tuple) and len(value.state) >= 5:
            _, shape, dtype, fortran, data = value.state[:5]
            if isinstance(data, Items):
                return data, shape_of(shape), fortran is True
            return _over(data, dtype_of(dtype, stream), shape_of(shape), fortran is True, stream)
    except rows.TROUBLE:
        return None
    return None


def _wrapped(value: Made, stream: Stream) -> Any:
    if isinstance(value.raw, Made):
        return array_of(value.raw, stream)
    state = value.state if isinstance(value.state, dict) else {}
    if not isinstance(value.raw, Span):
        return None
    fortran = stream.text_of(state.get("order")) == "F"
    return _over(value.raw, dtype_of(state.get("dtype"), stream), shape_of(state.get("shape")), fortran, stream)


def _over(data: Any, dtype: Any, shape: tuple[int, ...], fortran: bool, stream: Stream) -> Any:
    import numpy as np

    raw = bytes_of(data, stream)
    if raw is None or dtype is None or dtype.hasobject or not 0 < dtype.itemsize <= MAX_ITEM_BYTES:
        return None
    count = 1
    for extent in shape:
        count *= extent
    whole = len(raw) // dtype.itemsize
    if count > whole:  # cut short: what is there, as one column
        return np.frombuffer(raw, dtype, whole)
    return np.frombuffer(raw, dtype, count).reshape(shape, order="F" if fortran else "C")


def column_of(value: Any, stream: Stream, depth: int = 0) -> Column | None:
    """Return the one column that a value stands for: an array of one dimension, an extension array, an index, a list."""
    if depth > MAX_DEPTH:
        return None
    if isinstance(value, Items):
        return Column(value, stream)
    found = array_of(value, stream)
    if isinstance(found, tuple):
        return Column(found[0], stream)
    if found is not None:
        return Column(found.reshape(-1) if found.ndim != 1 else found, stream)
    if not isinstance(value, Made):
        return None
    if (arrow := arrow_of(value, stream)) is not None:
        return Column(arrow, stream)
    if value.called.endswith("_new_Index") or value.called.endswith("_new_DatetimeIndex"):
        return _index(value, stream, depth)
    return _extension(value, stream, depth)


def _index(value: Made, stream: Stream, depth: int) -> Column | None:
    state = value.arguments[1] if isinstance(value.arguments, tuple) and len(value.arguments) > 1 else None
    if isinstance(state, dict) and "data" in state:
        return column_of(state["data"], stream, depth + 1)
    return None


def _extension(value: Made, stream: Stream, depth: int) -> Column | None:
    state = value.state
    if isinstance(state, tuple):  # NDArrayBacked: dtype, array, attributes - in an order that changed
        categories = next((part.state["categories"] for part in state if isinstance(part, Made) and isinstance(part.state, dict) and "categories" in part.state), None)  # fmt: skip
        for part in state:
            if isinstance(part, Made) and (column := column_of(part, stream, depth + 1)) is not None and len(column):
                if categories is not None and hasattr(column.array, "dtype"):
                    return Column(column.array, stream, column_of(categories, stream, depth + 1))
                return column
    if isinstance(state, dict):
        if "_codes" in state or "codes" in state:
            codes = column_of(state.get("_codes", state.get("codes")), stream, depth + 1)
            dtype = state.get("_dtype")
            categories = (
                dtype.state.get("categories") if isinstance(dtype, Made) and isinstance(dtype.state, dict) else None
            )
            if codes is not None and categories is not None and hasattr(codes.array, "dtype"):
                return Column(codes.array, stream, column_of(categories, stream, depth + 1))
        for key in ("_pa_array", "_data", "_ndarray", "data"):
            if key in state and (column := column_of(state[key], stream, depth + 1)) is not None:
                return _masked(column, state.get("_mask"), stream)
    return None


def _masked(column: Column, mask: Any, stream: Stream) -> Column:
    """Return a column of numbers without those that a mask says are none."""
    import pyarrow as pa

    hidden = array_of(mask, stream) if mask is not None else None
    if (
        hidden is None
        or isinstance(hidden, tuple)
        or not hasattr(column.array, "dtype")
        or len(hidden) != len(column)
        or hidden.dtype.kind != "b"
    ):
        return column
    try:
        return Column(pa.array(column.array, mask=hidden), stream)
    except (pa.ArrowException, *rows.TROUBLE):
        return column


_ALIASES = frozenset({"string", "large_string", "utf8", "large_utf8", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "float16", "bool", "date32", "date64", "binary", "large_binary", "halffloat", "float", "double", "bool_", "string_view", "null"})  # fmt: skip


def arrow_of(value: Any, stream: Stream) -> Any:
    """Return the Arrow array that a value stands for, checked in full, or None."""
    import pyarrow as pa

    if not isinstance(value, Made):
        return None
    try:
        if value.called == "pyarrow.lib._restore_array" and isinstance(value.arguments, tuple):
            return _restored(value.arguments[0], stream)
        if (
            value.called == "pyarrow.lib.chunked_array"
            and isinstance(value.arguments, tuple)
            and isinstance(value.arguments[0], Items)
        ):
            parts = [
                part
                for part in (arrow_of(item, stream) for item in value.arguments[0].head(100_000))
                if part is not None
            ]
            return pa.chunked_array(parts).combine_chunks() if parts else None
    except (pa.ArrowException, *rows.TROUBLE):
        return None
    return None


def _restored(parts: Any, stream: Stream) -> Any:
    import pyarrow as pa

    if not isinstance(parts, tuple) or len(parts) < 5 or not isinstance(parts[4], Items):
        return None
    kind = _arrow_type(parts[0], stream)
    if kind is None or not all(type(number) is int for number in parts[1:4]):
        return None
    buffers = []
    for item in parts[4].head(8):
        data = bytes_of(item, stream) if item is not None else None
        buffers.append(pa.py_buffer(data) if data is not None else None)
    array = pa.Array.from_buffers(kind, parts[1], buffers, parts[2], parts[3])
    array.validate(full=True)
    return array


def _arrow_type(value: Any, stream: Stream) -> Any:
    import pyarrow as pa

    if not isinstance(value, Made) or not isinstance(value.arguments, tuple):
        return None
    word = stream.text_of(value.arguments[0]) if value.arguments else ""
    if value.called == "pyarrow.lib.type_for_alias" and word in _ALIASES:
        return pa.type_for_alias(word)
    if value.called == "pyarrow.lib.timestamp" and word in ("s", "ms", "us", "ns"):
        return pa.timestamp(word)
    return None


def frame_of(value: Made, stream: Stream) -> tuple[list[tuple[str, Column]], list[Any]] | None:
    """Return the labelled columns of a frame or series of pandas and the values of blocks that have no known form, or None."""
    state = value.state if isinstance(value.state, dict) else {}
    manager = state.get("_mgr", state.get("_data", state.get("data")))
    if manager is None and isinstance(value.state, Made):
        manager = value.state
    if not isinstance(manager, Made) or "BlockManager" not in manager.called and "ArrayManager" not in manager.called:
        return None
    blocks, axes = _managed(manager)
    if not axes:
        return None
    single = "SingleBlockManager" in manager.called
    labels = [_shown(state.get("_name", state.get("name")), stream)] if single else _labels(axes[0], stream)
    columns: dict[int, Column] = {}
    unread = []
    for values, places in blocks:
        found = _block(values, _places(places, stream), stream, single)
        if not found:
            unread.append(values)
        columns.update(found)
    named = _index_columns(axes[-1], stream)
    body = [(labels[at] if at < len(labels) else "", columns[at]) for at in sorted(columns)][:MAX_COLUMNS]
    return named + body, unread


def _managed(manager: Made) -> tuple[list[tuple[Any, Any]], list[Any]]:
    """Return the blocks as (values, places) and the axes of a manager, as pandas 0.25 to 3 write it."""
    arguments = manager.arguments if isinstance(manager.arguments, tuple) else ()
    state = manager.state
    if len(arguments) >= 2:
        axes = arguments[1]
        blocks = [arguments[0]] if isinstance(arguments[0], Made) else listed(arguments[0])
        axes = [axes] if isinstance(axes, Made) else listed(axes)
        return [_of_block(block) for block in blocks if isinstance(block, Made)], axes
    if isinstance(state, tuple) and state:
        newer = next((part["0.14.1"] for part in state if isinstance(part, dict) and "0.14.1" in part), None)
        if isinstance(newer, dict):
            found = [
                (block.get("values"), block.get("mgr_locs"))
                for block in listed(newer.get("blocks"))
                if isinstance(block, dict)
            ]
            records = (
                [part for part in newer["blocks"].parts() if isinstance(part, Records)]
                if isinstance(newer.get("blocks"), Items)
                else []
            )
            for part in records:
                values, places = part.columns.get("values"), part.columns.get("mgr_locs")
                if values is not None and places is not None:
                    found += list(zip(values.head(part.count), places.head(part.count), strict=False))
            return found, listed(newer.get("axes"))
    return [], []


def listed(value: Any) -> list[Any]:
    """Return the values of a list or tuple that are kept one by one."""
    if isinstance(value, Items):
        return value.head(MAX_COLUMNS)
    return list(value[:MAX_COLUMNS]) if isinstance(value, tuple) else []


def _of_block(block: Made) -> tuple[Any, Any]:
    arguments = block.arguments if isinstance(block.arguments, tuple) else ()
    if len(arguments) >= 2:
        return arguments[0], arguments[1]
    state = block.state
    return (state[1], state[0]) if isinstance(state, tuple) and len(state) >= 2 else (None, None)


def _places(value: Any, stream: Stream) -> Sequence[int]:
    """Return the columns that a block holds."""
    if (
        isinstance(value, Made)
        and value.called.endswith("BlockPlacement")
        and isinstance(value.arguments, tuple)
        and value.arguments
    ):
        return _places(value.arguments[0], stream)
    if (
        isinstance(value, Made)
        and value.called.endswith(".slice")
        and isinstance(value.arguments, tuple)
        and len(value.arguments) == 3
    ):
        start, stop, step = value.arguments
        if all(part is None or type(part) is int for part in value.arguments):
            return range(start or 0, min(stop or 0, MAX_COLUMNS), step or 1)
    found = array_of(value, stream)
    if found is not None and not isinstance(found, tuple) and found.dtype.kind in "iu":
        return [int(number) for number in found.reshape(-1)[:MAX_COLUMNS].tolist()]
    return range(0)


def _block(values: Any, places: Sequence[int], stream: Stream, single: bool) -> dict[int, Column]:
    found = array_of(values, stream)
    if found is None:
        found = _backed(values, stream)
    if found is None or single:
        column = column_of(values, stream)
        return {(places[0] if places else 0): column} if column is not None else {}
    if isinstance(found, tuple):
        items, shape, fortran = found
        return _object_block(items, shape, fortran, places, stream)
    if found.ndim == 1:
        return {(places[0] if places else 0): Column(found, stream)}
    return {place: Column(found[at], stream) for at, place in enumerate(places[: found.shape[0]])}


def _backed(values: Any, stream: Stream) -> Any:
    """Return the two-dimensional array behind a block of times."""
    if (
        isinstance(values, Made)
        and isinstance(values.state, tuple)
        and not any(isinstance(part, Made) and "Categorical" in part.called for part in values.state)
    ):
        for part in values.state:
            found = array_of(part, stream)
            if found is not None and not isinstance(found, tuple) and found.ndim == 2:
                return found
    return None


def _object_block(
    items: Items, shape: tuple[int, ...], fortran: bool, places: Sequence[int], stream: Stream
) -> dict[int, Column]:
    if len(shape) != 2 or not places:
        return {(places[0] if places else 0): Column(items, stream)}
    count, length = shape
    if count == 1 or not length:
        return {places[0]: Column(items, stream)}
    parts: list[Items] = [Items() for _ in range(min(count, len(places)))]
    for at, value in enumerate(each(items)):
        place = at % count if fortran else at // length
        if place < len(parts):
            parts[place].one(value)
    return {place: Column(part, stream) for place, part in zip(places, parts, strict=False)}


def each(items: Items) -> Iterator[Any]:
    """Yield the values of a list, texts as places."""
    for part in items.parts():
        if isinstance(part, Texts):
            for at, size in zip(part.places, part.sizes, strict=True):
                yield None if at == 2**64 - 1 else Span(-1, at, size, True)
        elif not isinstance(part, Records):
            yield from part


def _labels(axis: Any, stream: Stream) -> list[str]:
    levels = _levels(axis, stream)
    if levels is not None:
        parts = [_first(column, MAX_COLUMNS) for _, column in levels]
        return [" ".join(str(word) for word in words if word not in ("", None)) for words in zip(*parts, strict=False)]
    if (
        isinstance(axis, Made)
        and "_new_Index" in axis.called
        and isinstance(axis.arguments, tuple)
        and len(axis.arguments) > 1
    ):
        state = axis.arguments[1]
        if isinstance(state, dict) and type(state.get("stop")) is int:
            return [
                str(number)
                for number in range(state.get("start") or 0, min(state["stop"], MAX_COLUMNS), state.get("step") or 1)
            ]
    column = column_of(axis, stream)
    return [str(word) if word is not None else "" for word in _first(column, MAX_COLUMNS)] if column is not None else []


def _first(column: Column, count: int) -> list[Any]:
    found: list[Any] = []
    for chunk in column.chunks(1000, Table("", iter(()))):
        found += chunk.to_pylist()
        if len(found) >= count:
            break
    return found[:count]


def _levels(axis: Any, stream: Stream) -> list[tuple[str, Column]] | None:
    """Return the columns of a MultiIndex, or None."""
    state = (
        axis.arguments[1]
        if isinstance(axis, Made) and isinstance(axis.arguments, tuple) and len(axis.arguments) > 1
        else None
    )
    if not isinstance(state, dict) or "levels" not in state:
        return None
    names = listed(state.get("names"))
    columns = []
    codes = listed(state.get("codes", state.get("labels")))
    for at, (level, places) in enumerate(zip(listed(state["levels"]), codes, strict=False)):
        known, numbers = column_of(level, stream), column_of(places, stream)
        if known is not None and numbers is not None and hasattr(numbers.array, "dtype"):
            columns.append(
                (_shown(names[at] if at < len(names) else None, stream), Column(numbers.array, stream, known))
            )
    return columns


def _index_columns(axis: Any, stream: Stream) -> list[tuple[str, Column]]:
    """Return the columns of an index of rows, if it holds more than counted numbers."""
    if (levels := _levels(axis, stream)) is not None:
        return levels
    column = column_of(axis, stream)
    if column is None:
        return []
    state = (
        axis.arguments[1]
        if isinstance(axis.arguments, tuple) and len(axis.arguments) > 1 and isinstance(axis.arguments[1], dict)
        else {}
    )
    return [(_shown(state.get("name"), stream), column)]


def _shown(name: Any, stream: Stream) -> str:
    return stream.text_of(name) if isinstance(name, (Span, int, float, str)) and name is not True else ""
