"""Reads the tables that pickles hold: frames, arrays, lists of records. A pickle is followed as data and never loaded."""

from __future__ import annotations

import bz2
import gzip
import lzma
import mmap
import re
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from mlguard.errors import Unreadable
from mlguard.scanners.dataset.formats import npy, rows
from mlguard.scanners.dataset.formats.pickle_arrays import (
    Column,
    Cursor,
    array_of,
    bytes_of,
    column_of,
    each,
    frame_of,
    listed,
    plain,
)
from mlguard.scanners.dataset.formats.pickle_stream import (
    LOST,
    Buffer,
    Items,
    Made,
    Name,
    Records,
    Span,
    Stream,
    Texts,
    forget,
)
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import BATCH_BYTES, MAX_COLUMNS, PROSE, Table

MAX_MEMORY_BYTES = 256 * 2**20
"""Bytes of a pickle that is packed or in an archive, which is read from memory."""

MAX_FILE_BYTES = 16 * 2**30
BATCH = 32_768
"""Rows of a batch at most: a row of a frame may hold anything."""

MAX_TABLES = 500
MAX_DEPTH = 12
MAX_RECORD_KEYS = 64
"""Keys of a dictionary up to which it is one record; one with more is a list of keys and values."""

MAX_RUN_BYTES = 64 * 2**20
"""Bytes of values without a known form that are searched for texts."""

_FRAMES = (
    "pandas.",
    "polars.",
    "geopandas.",
    "pyarrow.",
    "numpy.",
    "joblib.numpy_pickle",
    "scipy.sparse",
    "xarray.",
    "dask.",
    "modin.",
)
_PLAIN = ("builtins.", "__builtin__.", "datetime.", "collections.", "decimal.", "uuid.", "copyreg.", "copy_reg.", "_codecs.", "fractions.",
          "ipaddress.", "pathlib.", "enum.", "zoneinfo.", "pytz.", "dateutil.")  # fmt: skip
_RUN = re.compile(rb"(?:[\t\n\x20-\x7e]|[\xc3-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}){6,}")
_WIDE_RUN = re.compile(rb"(?:[\x20-\xff][\x00-\x04]\x00\x00){4,}")


def tables(source: Source, models: bool = False) -> Iterator[Table]:
    """Yield the tables of a pickle of data.

    One of a model yields none, as the scanner for models looks into it; with ``models`` its classes and vocabularies
    are yielded too. Raises Unreadable.
    """
    yield from read(source, 0, "", "pickle", models)


def is_data(source: Source) -> bool:
    """Say whether a pickle holds frames, arrays or records, and no model. Raises Unreadable."""
    data = _buffer(source, 0)
    stream = Stream(data, 0, len(data))
    return _is_data(stream.run(), 0)


def read(source: Source, start: int, name: str, form: str, models: bool = False) -> Iterator[Table]:
    """Yield the tables of the pickle that begins at ``start``. Raises Unreadable."""
    data = _buffer(source, start)
    begin = start if isinstance(data, mmap.mmap) else 0
    stream = Stream(data, begin, len(data))
    root = stream.run()
    reader = _Reader(stream, form)
    if _is_data(root, 0) or models:
        yield from reader.found(name, root, 0)
        yield from reader.rest()
    if stream.trouble and (models or _is_data(root, 0) or not isinstance(root, Made)):
        reason = f"{stream.trouble}; what came before was read"
        yield Table(form, iter(()), name, missed=[("too-large" if stream.too_large else "unreadable", reason)])


def _buffer(source: Source, start: int) -> Buffer:
    """Return the bytes of a pickle, unpacked."""
    head = source.head(16)
    if start or not _packer(head):
        if source.local is not None and not source.within:
            if source.size > MAX_FILE_BYTES:
                raise Unreadable(f"the pickle is larger than {MAX_FILE_BYTES >> 30} GiB")
            with source.open() as file:
                try:
                    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                except rows.TROUBLE:
                    raise Unreadable("the pickle cannot be read") from None
        return rows.whole(source, MAX_MEMORY_BYTES)[start:]
    with source.open() as file:
        try:
            data = rows.read_up_to(_packer(head)(file), MAX_MEMORY_BYTES + 1)
        except rows.TROUBLE:
            raise Unreadable("the packed pickle is damaged or cut short") from None
    if len(data) > MAX_MEMORY_BYTES:
        raise Unreadable(f"the pickle unpacks to more than {MAX_MEMORY_BYTES >> 20} MiB")
    return data


def _packer(head: bytes) -> Any:
    if head[:2] in (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"):
        return _Inflated
    if head.startswith(b"ZF0x"):  # joblib before 0.10: "ZF", the size as hexadecimal in 19 characters, then zlib
        return lambda file: _Inflated(file, 21)
    if head.startswith(b"\x1f\x8b"):
        return lambda file: gzip.GzipFile(fileobj=file)
    if head.startswith(b"BZh"):
        return bz2.BZ2File
    if head.startswith((b"\xfd7zXZ\0", b"\x5d\0\0")):
        return lzma.LZMAFile
    return None


class _Inflated:
    """Reads a zlib stream, as joblib writes it."""

    def __init__(self, file: BinaryIO, lead: int = 0) -> None:
        self.file, self.packer = file, zlib.decompressobj()
        file.read(lead)

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes."""
        while not self.packer.eof:
            part = self.packer.unconsumed_tail or self.file.read(2**16)
            if not part:
                raise EOFError
            if out := self.packer.decompress(part, size):
                return out
        return b""


def _is_data(value: Any, depth: int) -> bool:
    """Say whether a value is a frame, an array or plain data with texts or records in it."""
    if isinstance(value, Made):
        return value.called.startswith(_FRAMES) or value.called.startswith(_PLAIN) and _is_plain(value, 0)
    return isinstance(value, (Items, dict, tuple, Span)) and _is_plain(value, depth) and _tells(value, 0)


def _is_plain(value: Any, depth: int, seen: set[int] | None = None) -> bool:
    """Say whether nothing in a value is an object of a class that is no data."""
    seen = set() if seen is None else seen
    if depth > MAX_DEPTH or id(value) in seen:
        return True
    if isinstance(value, (Made, Items, dict, tuple)):
        seen.add(id(value))
    if isinstance(value, Made):
        if value.called.startswith(_FRAMES):
            return True
        parts = (value.items, value.pairs, value.arguments)
        return value.called.startswith(_PLAIN) and all(_is_plain(part, depth + 1, seen) for part in parts)
    if isinstance(value, (Items, dict, tuple)):
        return all(_is_plain(item, depth + 1, seen) for item in _some(value))
    return value is not LOST and (not isinstance(value, Name) or value.name.startswith((*_FRAMES, *_PLAIN)))


def _some(value: Items | dict[Any, Any] | tuple[Any, ...]) -> list[Any]:
    """Return the first values of a container that are kept one by one."""
    if isinstance(value, Items):
        return value.head(1000)
    return list(value.values() if isinstance(value, dict) else value)[:1000]


def _tells(value: Any, depth: int, seen: set[int] | None = None) -> bool:
    """Say whether a value holds texts, records or whole numbers, and not only weights."""
    seen = set() if seen is None else seen
    if depth > MAX_DEPTH or id(value) in seen:
        return False
    if isinstance(value, Span):
        return value.text
    if isinstance(value, (Items, dict, tuple)):
        seen.add(id(value))
        packed = isinstance(value, Items) and any(not isinstance(part, list) for part in value.parts())
        return packed or any(_tells(item, depth + 1, seen) for item in _some(value))
    if isinstance(value, Made):
        numbers = value.called.startswith("numpy") or value.called.endswith("NumpyArrayWrapper")
        return not numbers or not _is_floats(value)
    return False


def _is_floats(value: Made) -> bool:
    state = value.state
    dtype = (
        state.get("dtype")
        if isinstance(state, dict)
        else state[2]
        if isinstance(state, tuple) and len(state) > 2
        else None
    )
    if value.called.endswith("_frombuffer") and isinstance(value.arguments, tuple) and len(value.arguments) > 1:
        dtype = value.arguments[1]
    first = (
        dtype.arguments[0]
        if isinstance(dtype, Made) and isinstance(dtype.arguments, tuple) and dtype.arguments
        else None
    )
    return isinstance(first, Span) and first.size == 2  # f4, f8, i8: whole numbers alone make no record either


class _Reader:
    """Turns values of one pickle into tables."""

    def __init__(self, stream: Stream, form: str) -> None:
        self.stream, self.form = stream, form
        self.count = 0
        self.seen: set[int] = set()
        self.loose: list[str] = []
        self.raw: list[Span] = []
        self.unread: list[str] = []

    def found(self, name: str, value: Any, depth: int) -> Iterator[Table]:
        """Yield the tables in a value."""
        if depth > MAX_DEPTH or self.count >= MAX_TABLES or id(value) in self.seen:
            return
        if isinstance(value, (Made, Items, dict)):
            self.seen.add(id(value))
        if isinstance(value, Made):
            yield from self._made(name, value, depth)
        elif isinstance(value, Items):
            yield from self._list(name, value, depth)
        elif isinstance(value, dict):
            yield from self._dict(name, value, depth)
        elif isinstance(value, tuple):
            yield from self._tuple(name, value, depth)
        elif isinstance(value, Span):
            self._loose(value)

    def rest(self) -> Iterator[Table]:
        """Yield the texts that stand in no table, as prose, and say what could not be read."""
        lines = list(self.loose)
        left = MAX_RUN_BYTES
        for span in self.raw:
            data = bytes(self.stream.data[span.at : span.at + min(span.size, max(0, left))])
            left -= len(data)
            lines += [run.decode("utf-8", "ignore") for run in _RUN.findall(data)]
            lines += [run.decode("utf-32-le", "ignore") for run in _WIDE_RUN.findall(data)]
        missed: list[tuple[Any, str]] = [("skipped", reason) for reason in dict.fromkeys(self.unread)]
        if left <= 0:
            missed.append(("too-large", f"more than {MAX_RUN_BYTES >> 20} MiB of values have no known form"))
        if lines or missed:
            parts = ([line] for text in lines for line in text.splitlines())
            yield Table(self.form, rows.batches(parts, [PROSE]), "(texts)", prose=True, missed=missed)

    def _table(self, name: str, columns: list[tuple[str, Column]]) -> Table:
        self.count += 1
        columns = [pair for name, column in columns for pair in self._fields(name, column)][:MAX_COLUMNS]
        table = Table(self.form, iter(()), name, rows=max((len(column) for _, column in columns), default=0))
        table.batches = _batches(columns, table, self.stream)
        return table

    def _fields(self, name: str, column: Column) -> Iterator[tuple[str, Column]]:
        """Yield the fields of a column of structured items, each as a column."""
        if getattr(getattr(column.array, "dtype", None), "names", None) is None:
            yield name, column
            return
        for label, values in npy.fields(name, column.array):
            yield label, Column(values, self.stream)

    def _made(self, name: str, value: Made, depth: int) -> Iterator[Table]:
        frame = frame_of(value, self.stream)
        if frame is not None:
            columns, unread = frame
            for values in unread:
                self.unread.append("a column of a frame is of a type that is not read")
                self._search(values, 0)
            if columns or not unread:
                yield self._table(name, columns)
            return
        if value.called.startswith("polars."):
            yield from self._polars(name, value)
            return
        if value.called == "pyarrow.lib._reconstruct_table" and isinstance(value.arguments, tuple):
            yield from self._arrow(name, value.arguments)
            return
        found = array_of(value, self.stream)
        if found is not None:
            yield from self._array(name, found)
            return
        if (column := column_of(value, self.stream)) is not None:
            yield self._table(name, [("", column)])
            return
        for part in (value.pairs, value.items, value.state, value.arguments):
            if isinstance(part, Items) and part.length or isinstance(part, (Made, dict, tuple)) and part:
                yield from self.found(name, part, depth + 1)
            elif isinstance(part, Span):
                self._loose(part)
        if value.called.startswith(("numpy", "pandas", "pyarrow")):
            self._search(value, 0)

    def _array(self, name: str, found: Any) -> Iterator[Table]:
        if isinstance(found, tuple):
            items, shape, fortran = found
            width = shape[1] if len(shape) == 2 else 1
            if 1 < width <= npy.MAX_WIDE:
                parts: list[Items] = [Items() for _ in range(width)]
                for at, value in enumerate(each(items)):
                    parts[at // max(1, shape[0]) if fortran else at % width].one(value)
                yield self._table(name, [("", Column(part, self.stream)) for part in parts])
            else:
                yield from self._list(name, items, 1)
        elif found.ndim == 2 and 0 < found.shape[1] <= npy.MAX_WIDE:
            yield self._table(name, [("", Column(found[:, at], self.stream)) for at in range(found.shape[1])])
        else:
            yield self._table(name, [("", Column(found.reshape(-1), self.stream))])

    def _list(self, name: str, items: Items, depth: int) -> Iterator[Table]:
        if items.length and all(_is_scalar(part) for part in items.parts()):
            yield self._table(name, [("", Column(items, self.stream))])
            return
        loose: list[Any] = []
        for part in items.parts():
            if isinstance(part, Records):
                columns = [(str(key), Column(column, self.stream)) for key, column in part.columns.items()]
                yield self._table(name, columns)
                if part.others[0].length:
                    yield self._table(
                        f"{name} (other keys)".strip(),
                        [
                            ("(key)", Column(part.others[0], self.stream)),
                            ("(value)", Column(part.others[1], self.stream)),
                        ],
                    )
            elif isinstance(part, Texts) or not isinstance(part, list):
                single = Items()
                single.segments, single.length = [part], len(part)
                yield self._table(name, [("", Column(single, self.stream))])
            else:
                loose += part
        if not loose:
            return
        if all(isinstance(value, (tuple, Items)) for value in loose) and (rowed := self._rows(loose)):
            yield self._table(name, rowed)
            return
        for value in loose:
            yield from self.found(name, value, depth + 1)

    def _rows(self, values: list[Any]) -> list[tuple[str, Column]]:
        """Return the columns of a list of rows of one length."""
        widths = {len(value) if isinstance(value, tuple) else value.length for value in values}
        if len(widths) != 1 or not 0 < (width := widths.pop()) <= npy.MAX_WIDE:
            return []
        parts: list[Items] = [Items() for _ in range(width)]
        for value in values:
            row = (
                value
                if isinstance(value, tuple)
                else [item for part in value.parts() for item in (part if isinstance(part, list) else [])]
            )
            if len(row) != width or any(isinstance(item, (dict, Items)) for item in row):
                return []
            for part, item in zip(parts, row, strict=True):
                part.one(item)
        return [("", Column(part, self.stream)) for part in parts]

    def _dict(self, name: str, value: dict[Any, Any], depth: int) -> Iterator[Table]:
        inner = {key: item for key, item in value.items() if isinstance(item, (Made, Items, dict, tuple))}
        columns = [(str(key), column) for key, item in inner.items() if (column := self._column(item)) is not None]
        if (
            columns
            and len(columns) == len(value)
            and len({len(column) for _, column in columns}) == 1
            and len(columns[0][1]) > 1
        ):
            yield self._table(name, columns)
            return
        if len(value) > MAX_RECORD_KEYS and len(inner) < len(value):
            yield self._table(name, self._pairs({key: item for key, item in value.items() if key not in inner}))
        elif len(inner) < len(value):
            yield self._table(name, [(str(key), self._single(item)) for key, item in value.items() if key not in inner])
        records = {key: item for key, item in inner.items() if isinstance(item, dict) and _is_flat(item)}
        if len(records) > 1 and len(records) == len(inner):
            keyed = Items()
            for key, item in records.items():
                keyed.one({"(key)": key, **item})
            yield from self._list(name, keyed, depth + 1)
            return
        for key, part in inner.items():
            yield from self.found(f"{name}.{key}" if name else str(key), part, depth + 1)

    def _column(self, value: Any) -> Column | None:
        if isinstance(value, Items):
            plainly = all(not isinstance(part, Records) for part in value.parts()) and not any(isinstance(item, (dict, Items, Made)) for item in value.head(100))  # fmt: skip
            return Column(value, self.stream) if plainly else None
        found = array_of(value, self.stream)
        if isinstance(found, tuple):
            return Column(found[0], self.stream) if len(found[1]) == 1 else None
        return Column(found, self.stream) if found is not None and found.ndim == 1 else None

    def _pairs(self, value: dict[Any, Any]) -> list[tuple[str, Column]]:
        keys, items = Items(), Items()
        for key, item in value.items():
            keys.one(key)
            items.one(item)
        return [("(key)", Column(keys, self.stream)), ("(value)", Column(items, self.stream))]

    def _single(self, value: Any) -> Column:
        single = Items()
        single.one(value)
        return Column(single, self.stream)

    def _tuple(self, name: str, value: tuple[Any, ...], depth: int) -> Iterator[Table]:
        listed = Items()
        listed.extend(value)
        yield from self._list(name, listed, depth)

    def _polars(self, name: str, value: Made) -> Iterator[Table]:
        """Yield the frame that polars writes as a stream of Arrow."""
        import pyarrow as pa

        states = [value.state] if not isinstance(value.state, (Items, tuple)) else listed(value.state)
        for state in states:
            data = bytes_of(state, self.stream)
            if data is None and isinstance(state, Made):
                yield from self.found(name, state, 1)
                continue
            try:
                reader = pa.ipc.open_stream(pa.py_buffer(data))
            except (pa.ArrowException, *rows.TROUBLE):
                self.unread.append("a frame of polars is of a form that is not read")
                if isinstance(state, Span):
                    self.raw.append(state)
                continue
            self.count += 1
            yield Table(self.form, _stream(reader), name)

    def _arrow(self, name: str, arguments: tuple[Any, ...]) -> Iterator[Table]:
        arrays = listed(arguments[0]) if arguments else []
        labels = self._schema(arguments[1]) if len(arguments) > 1 else []
        columns = [(labels[at] if at < len(labels) else "", column) for at, item in enumerate(arrays) if (column := column_of(item, self.stream)) is not None]  # fmt: skip
        if len(columns) < len(arrays):
            self.unread.append("a column of a table of Arrow is of a type that is not read")
            for item in arrays:
                self._search(item, 0)
        if columns:
            yield self._table(name, columns)

    def _schema(self, value: Any) -> list[str]:
        fields = (
            value.arguments[0]
            if isinstance(value, Made) and isinstance(value.arguments, tuple) and value.arguments
            else None
        )
        return [self.stream.text_of(field.arguments[0]) if isinstance(field, Made) and isinstance(field.arguments, tuple) and field.arguments else "" for field in listed(fields)]  # fmt: skip

    def _loose(self, span: Span) -> None:
        if span.text:
            if text := plain(span, self.stream):
                self.loose.append(text)
        elif span.size > 8:
            self.raw.append(span)

    def _search(self, value: Any, depth: int) -> None:
        """Note the runs of bytes inside a value whose form is not known."""
        if depth > MAX_DEPTH or depth and id(value) in self.seen:
            return
        if isinstance(value, (Made, Items, dict)):
            self.seen.add(id(value))
        if isinstance(value, Span):
            self._loose(value)
        elif isinstance(value, Made):
            for part in (value.arguments, value.state, value.items, value.pairs, value.raw):
                self._search(part, depth + 1)
        elif isinstance(value, (tuple, Items)):
            for item in listed(value):
                self._search(item, depth + 1)
        elif isinstance(value, dict):
            for item in value.values():
                self._search(item, depth + 1)


def _is_scalar(part: Any) -> bool:
    """Say whether a segment of a list holds nothing that is made of parts, and no bytes."""
    if isinstance(part, list):
        return all(
            item is None or isinstance(item, (int, float)) or isinstance(item, Span) and item.text for item in part
        )
    return not isinstance(part, Records)


def _is_flat(value: dict[Any, Any]) -> bool:
    return bool(value) and not any(isinstance(item, (dict, Items, Made)) for item in value.values())


def _batches(columns: list[tuple[str, Column]], table: Table, stream: Stream) -> Iterator[Any]:
    """Yield batches of columns; a column that is shorter than another one ends in nothing."""
    import pyarrow as pa

    length = max((len(column) for _, column in columns), default=0)
    cursors = [Cursor(column, table) for _, column in columns]
    names = [rows.readable(name) for name, _ in columns]
    at = 0
    while at < length:
        count = min(BATCH, length - at)
        while count > 1 and sum(cursor.weigh(count) for cursor in cursors) > BATCH_BYTES:
            count = (count + 1) // 2
        arrays = []
        for (_, column), cursor in zip(columns, cursors, strict=True):
            own = max(0, min(count, len(column) - at))
            array = cursor.take(own) if own else pa.nulls(0)
            if own < count:
                array = pa.concat_arrays([array, pa.nulls(count - own, array.type)])
            arrays.append(array)
        yield pa.RecordBatch.from_arrays(arrays, names=names)
        at += count
        forget(stream.data)
    if stream.cut and ("too-large", _CUT) not in table.missed:
        table.missed.append(("too-large", _CUT))


_CUT = "values inside the values of a column are more than are read"


def _stream(reader: Any) -> Iterator[Any]:
    import pyarrow as pa

    try:
        for batch in reader:
            batch.validate(full=True)
            for at in range(0, batch.num_rows, BATCH):
                yield batch.slice(at, BATCH)
    except (pa.ArrowException, *rows.TROUBLE):
        raise Unreadable("a frame in the pickle is damaged; the rows before were read") from None
