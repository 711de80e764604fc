"""Reads arrays of NumPy: .npy files, and the members of .npz archives.

Format: numpy/lib/format.py (NEP 1), versions 1 to 3. An array of objects is a pickle, which is read and never loaded.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import closing
from typing import Any, BinaryIO

from mlguard.errors import Unreadable
from mlguard.scanners.dataset.formats import rows
from mlguard.scanners.dataset.source import Source, of_bytes
from mlguard.scanners.dataset.table import BATCH_ROWS, MAX_COLUMNS, Table

MAX_ITEM_BYTES = 16 * 2**20
"""Bytes of one item. More is no record, but a lie about one."""

MAX_WIDE = 64
"""Columns of a plain array of two dimensions that are told apart; of wider ones all values are one column."""

READ_BYTES = 8 * 2**20
"""Bytes that are read at once. Texts take several times as much when they are decoded."""

MAX_MEMBERS = 10_000
MAX_PICKLE_BYTES = 128 * 2**20
"""Bytes of an array of objects in an archive, which is read from memory."""

MAX_TURNED_BYTES = 64 * 2**20
"""Bytes of an array that is stored column after column and is turned in memory."""

_VERSIONS = {b"\x01\x00": 2, b"\x02\x00": 4, b"\x03\x00": 4}
MAX_HEADER_BYTES = 2**20


def tables(source: Source) -> Iterator[Table]:
    """Yield a table for each array. Raises Unreadable."""
    head = source.head(8)
    if head.startswith(b"\x93NUMPY"):
        with source.open() as file:
            yield from _array(file, source, "", "npy")
    else:
        yield from _archive(source)


def _archive(source: Source) -> Iterator[Table]:
    with rows.handle(source) as file:
        try:
            archive = zipfile.ZipFile(file)
            members = archive.infolist()
        except rows.TROUBLE:
            raise Unreadable("the archive is damaged") from None
        rest = Table("npz", iter(()))
        if len(members) > MAX_MEMBERS:
            rest.missed.append(("too-large", f"the archive has more than {MAX_MEMBERS:,} members"))
        for member in members[:MAX_MEMBERS]:
            if member.is_dir():
                continue
            try:
                with closing(archive.open(member)) as opened:
                    yield from _member(opened, source, member.filename)
            except Unreadable as trouble:
                rest.missed.append(("unreadable", f"a member of the archive: {trouble}"))
            except rows.TROUBLE:
                rest.missed.append(("unreadable", "a member of the archive is damaged or encrypted"))
        if rest.missed:
            yield rest


def _member(file: Any, source: Source, name: str) -> Iterator[Table]:
    if not name.endswith(".npy"):
        raise Unreadable("it is no array")
    yield from _array(file, source, name.removesuffix(".npy"), "npz")


def _array(file: BinaryIO, source: Source, name: str, form: str) -> Iterator[Table]:
    """Yield the table of the array that begins at the place where the file is."""
    dtype, shape, fortran = _header(file)
    if dtype.hasobject:
        from mlguard.scanners.dataset.formats import pickled

        if form == "npy" and source.local is not None and not source.within:
            yield from pickled.read(source, file.tell(), name, form)
        else:
            data = rows.read_up_to(file, MAX_PICKLE_BYTES + 1)
            if len(data) > MAX_PICKLE_BYTES:
                raise Unreadable(f"an array of objects is larger than {MAX_PICKLE_BYTES >> 20} MiB")
            yield from pickled.read(of_bytes(source.name, data), 0, name, form)
        return
    if not 0 < dtype.itemsize <= MAX_ITEM_BYTES:
        raise Unreadable("the items of the array have a size that none has")
    count, width = extents(shape)
    table = Table(form, iter(()), name, rows=count)
    table.batches = _batches(file, dtype, count, width, fortran and len(shape) == 2, table)
    yield table


def _header(file: BinaryIO) -> tuple[Any, tuple[int, ...], bool]:
    """Return type, shape and whether columns follow each other."""
    import ast

    head = rows.read_up_to(file, 8)
    size = _VERSIONS.get(head[6:8])
    if size is None or not head.startswith(b"\x93NUMPY"):
        raise Unreadable("the header of the array is damaged, or of a version that is not known")
    length = int.from_bytes(rows.read_up_to(file, size), "little")
    if length > MAX_HEADER_BYTES:
        raise Unreadable("the header of the array is larger than any is")
    data = rows.read_up_to(file, length)
    text = data.decode("utf-8" if head[6] == 3 else "latin-1", "replace")
    try:
        value = ast.literal_eval(text.strip().replace("L,", ",").replace("L)", ")"))
        dtype, shape, fortran = _dtype(value["descr"]), tuple(value["shape"]), bool(value["fortran_order"])
    except rows.TROUBLE:
        raise Unreadable("the header of the array is damaged") from None
    if (
        len(data) < length
        or not all(type(extent) is int and 0 <= extent < 2**62 for extent in shape)
        or len(shape) > 64
    ):
        raise Unreadable("the header of the array is damaged")
    return dtype, shape, fortran


def _dtype(descr: Any) -> Any:
    """Return the type that a header describes. Raises one of TROUBLE."""
    import numpy as np

    if isinstance(descr, str):
        if descr.lstrip("<>|=")[:1] == "O":
            return np.dtype("O")
        return np.dtype(descr)
    return np.lib.format.descr_to_dtype(descr)


def extents(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return rows and columns as which an array of this shape is read."""
    count = 1
    for extent in shape:
        count *= extent
    if len(shape) == 2 and 0 < shape[1] <= MAX_WIDE:
        return shape[0], shape[1]
    return count, 1


def _batches(file: BinaryIO, dtype: Any, count: int, width: int, fortran: bool, table: Table) -> Iterator[Any]:
    import numpy as np

    size = dtype.itemsize * width
    if fortran and width > 1:
        if count * size > MAX_TURNED_BYTES:
            count, width, size = count * width, 1, dtype.itemsize
            table.rows = count
            table.missed.append(("skipped", "an array that is stored column after column was read as one column"))
        else:
            data = rows.read_up_to(file, count * size)
            if len(data) < count * size:
                raise Unreadable("the array is cut short")
            turned = np.frombuffer(data, dtype).reshape((count, width), order="F")
            for at in range(0, count, BATCH_ROWS):
                yield batch([turned[at : at + BATCH_ROWS, column] for column in range(width)], [""] * width, table)
            return
    step = max(1, min(BATCH_ROWS, READ_BYTES // size))
    left = count
    while left > 0:
        try:
            data = rows.read_up_to(file, min(step, left) * size)
        except rows.TROUBLE:
            raise Unreadable("the array is damaged; what came before was read") from None
        whole = len(data) // size
        if whole:
            values = np.frombuffer(data, dtype, whole * width).reshape(whole, width)
            yield batch([values[:, column] for column in range(width)], [""] * width, table)
        if whole < min(step, left):
            raise Unreadable("the array is cut short; what came before was read")
        left -= whole


def batch(columns: list[Any], names: list[str], table: Table) -> Any:
    """Return a record batch of arrays of one dimension; the fields of structured ones become columns."""
    import pyarrow as pa

    found: list[tuple[str, Any]] = []
    for name, values in zip(names, columns, strict=True):
        found += fields(name, values)
    if len(found) > MAX_COLUMNS:
        raise Unreadable(f"the array has more than {MAX_COLUMNS:,} fields")
    arrays = [arrow(values, table) for _, values in found]
    return pa.RecordBatch.from_arrays(arrays, names=[rows.readable(name) for name, _ in found])


def fields(name: str, values: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a structured array, each as an array; a plain one as it is."""
    if values.dtype.names is None or depth > 8:
        yield name, values
        return
    for field in values.dtype.names:
        inner = values[field]
        label = f"{name}.{field}" if name else field
        if inner.ndim > 1:
            flat = inner.reshape(len(inner), -1)
            if flat.shape[1] <= MAX_WIDE:
                for column in range(flat.shape[1]):
                    yield from fields(label, flat[:, column], depth + 1)
            else:
                yield label, flat
        else:
            yield from fields(label, inner, depth + 1)


def arrow(values: Any, table: Table) -> Any:
    """Return an Arrow array of one of NumPy: of its rows, where it has two dimensions."""
    import numpy as np
    import pyarrow as pa

    if values.ndim > 1:
        return rows.array([item.tolist() for item in values])
    kind = values.dtype.kind
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    if kind == "U":
        return pa.array(_texts(values), pa.large_string())
    if kind == "S":
        return pa.array([rows.text(item) for item in values.tolist()], pa.large_string())
    if kind == "V":
        items = [bytes(item) for item in values.tolist()]
        prose = [rows.prose_of(item.rstrip(b"\0")) for item in items]
        lost = sum(text is None for text in prose)
        if lost:
            _tell(table, "items without a type are not read")
        return pa.array(prose, pa.large_string())
    if kind == "f":
        return pa.array(np.ascontiguousarray(values, np.float32 if values.dtype.itemsize == 2 else np.float64))
    if kind in "mM":
        return _times(values)
    try:
        return pa.array(np.ascontiguousarray(values))
    except (pa.ArrowException, *rows.TROUBLE):
        return rows.array(values.tolist())


def _tell(table: Table, reason: str) -> None:
    if ("skipped", reason) not in table.missed:
        table.missed.append(("skipped", reason))


def _texts(values: Any) -> list[str]:
    try:
        found = [rows.readable(item) for item in values.tolist()]
    except (ValueError, SystemError):  # numbers that are no characters
        size = values.dtype.itemsize
        data = values.tobytes()
        found = [data[at : at + size].decode("utf-32-le" if values.dtype.isnative else "utf-32", "replace").rstrip("\0") for at in range(0, len(data), size)]  # fmt: skip
    return found


def _times(values: Any) -> Any:
    import numpy as np
    import pyarrow as pa

    kind = values.dtype.kind
    unit = np.datetime_data(values.dtype)[0]
    wanted = unit if unit in ("s", "ms", "us", "ns", "D") else "s" if unit in ("Y", "M", "W", "h", "m") else "ns"
    if unit == "generic" or kind == "m":
        return pa.array(np.ascontiguousarray(values).view(np.int64))
    try:
        return pa.array(np.ascontiguousarray(values).astype(f"{kind}8[{wanted}]"))
    except (pa.ArrowException, *rows.TROUBLE):
        return pa.array(np.ascontiguousarray(values).view(np.int64))
