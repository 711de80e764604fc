"""Reads HDF5: datasets of texts, numbers and records, tables of pandas, and attributes. No link out of the file is followed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from mlguard.errors import Unreadable
from mlguard.scanners.dataset.formats import apart, npy, rows
from mlguard.scanners.dataset.source import Source, of_bytes
from mlguard.scanners.dataset.table import BATCH_ROWS, Table

MAX_MEMBER_BYTES = 128 * 2**20
"""Bytes of a file in an archive, which is read from memory."""

MAX_OBJECTS = 20_000
MAX_DEPTH = 32
MAX_CHUNK_BYTES = 64 * 2**20
"""Bytes of one chunk, which the library unpacks whole."""

READ_BYTES = 4 * 2**20
"""Bytes of fixed size that are read at once; a text of any length counts as 256."""

MAX_LIVE_BYTES = 64 * 2**20
"""Bytes that values of any length may take which are read at once, if each were as large as the largest of the file."""

MAX_LIVE_ROWS = 4_000
MAX_LIVE_VALUE = 256 * 2**20
"""Bytes of one value of any length."""

MAX_EXTENT = 2**40
MAX_RATIO = 1_100
"""Bytes of a dataset for each byte that is stored of it: deflate packs 1,032 times at most."""

MAX_PICKLE_BYTES = 64 * 2**20
"""Bytes of a pickled column of pandas."""


def tables(source: Source) -> Iterator[Table]:
    """Yield a table for each dataset, then one without rows for attributes and what was not read. Raises Unreadable."""
    from importlib.util import find_spec

    if find_spec("h5py") is None:
        raise Unreadable("reading HDF5 needs h5py, which is not installed")
    yield from apart.tables("hdf5", source)


def inside(source: Source) -> Iterator[Table]:
    """Yield the same in a process of its own: the library has crashed on damaged files before. Raises Unreadable."""
    import h5py

    with rows.handle(source, MAX_MEMBER_BYTES) as handle:
        try:
            # Raw data of fixed size is read with a small cache of chunks.
            file = h5py.File(handle, "r", rdcc_nbytes=2**22)
        except rows.TROUBLE:
            raise Unreadable("the file is damaged, cut short or no HDF5 file") from None
        rest = Table("hdf5", iter(()))
        look = _Look(rest, _largest(handle))
        try:
            with file:
                yield from look.group(file, "", 0)
        except rows.TROUBLE:
            rest.missed.append(("unreadable", "a part of the file is damaged or cut short"))
        if look.notes:
            rest.texts.append(("(attributes)", look.notes))
        if look.left < 0:
            rest.missed.append(("too-large", f"the file has more than {MAX_OBJECTS:,} objects"))
        for reason in dict.fromkeys(look.skipped):
            rest.missed.append(("skipped", reason))
        yield rest


def _largest(handle: BinaryIO) -> int:
    """Return how many bytes a value of any length may have: the largest collection of the global heap has them all.

    Format: HDF5 File Format Specification 3.0, III.E. Many places may point to one value, so its size must be known beforehand.
    """
    largest, tail = 4096, b""
    handle.seek(0)
    while piece := handle.read(2**23):
        data = tail + piece
        at = data.find(b"GCOL\x01")
        while at >= 0:
            largest = max(largest, int.from_bytes(data[at + 8 : at + 16], "little"))
            at = data.find(b"GCOL\x01", at + 1)
        tail = data[-16:]
    size = handle.tell()
    handle.seek(0)
    return min(largest, size)


class _Look:
    """Goes over the objects of one file, each once."""

    def __init__(self, rest: Table, largest: int) -> None:
        self.rest, self.largest = rest, largest
        self.notes: list[str] = []
        self.skipped: list[str] = []
        self.left = MAX_OBJECTS
        self.seen: set[Any] = set()
        self.blocks: dict[str, dict[str, list[str]]] = {}  # labels by dataset and field

    def group(self, group: Any, path: str, depth: int) -> Iterator[Table]:
        """Yield the tables in a group."""
        import h5py

        self._attributes(group)
        if depth > MAX_DEPTH:
            self.skipped.append("groups are nested too deeply")
            return
        names = self._names(group)
        if names and "axis0" in names and "block0_values" in names:
            yield from self._frame(group, path, names)
            return
        for name in names:
            self.left -= 1
            if self.left < 0:
                return
            if name.startswith("_i_") and name[3:] in names:
                continue  # PyTables keeps sorted copies of a column's values beside it
            try:
                link = group.get(name, getlink=True)
                if isinstance(link, h5py.ExternalLink):
                    self.skipped.append("a link to another file is not followed")
                    continue
                item = group[name] if not isinstance(link, h5py.SoftLink) else None
            except rows.TROUBLE:
                self.rest.missed.append(("unreadable", "an object of the file is damaged"))
                continue
            if item is None:
                continue  # what it points to is met under its own name
            yield from self._item(item, f"{path}/{name}" if path else name, depth)

    def _names(self, group: Any) -> list[str]:
        try:
            return sorted(name for name, _ in zip(group, range(MAX_OBJECTS), strict=False))
        except rows.TROUBLE:
            self.rest.missed.append(("unreadable", "a group of the file is damaged"))
            return []

    def _item(self, item: Any, path: str, depth: int) -> Iterator[Table]:
        import h5py

        try:
            info = h5py.h5o.get_info(item.id)
            key = (info.fileno, info.addr)
        except rows.TROUBLE:
            key = (0, path)
        if key in self.seen:
            return
        self.seen.add(key)
        if isinstance(item, h5py.Group):
            yield from self.group(item, path, depth + 1)
        elif isinstance(item, h5py.Dataset):
            self._attributes(item)
            if self._may_read(item):
                yield self._table(item, path)

    def _may_read(self, item: Any) -> bool:
        """Say whether a dataset lies in this file, in pieces of a bounded size."""
        try:
            if item.is_virtual or item.external:
                self.skipped.append("a dataset whose values are in other files is not followed")
                return False
            shape, dtype, stored = item.shape, item.dtype, item.id.get_storage_size()
            chunk = dtype.itemsize
            for extent in item.chunks or ():
                chunk *= extent
        except rows.TROUBLE:
            self.rest.missed.append(("unreadable", "a dataset has a type that cannot be read"))
            return False
        if shape is None:
            return False
        count = 1
        for extent in shape:
            count *= extent
        if stored == 0:
            return not item.shape  # nothing was ever written
        if count * dtype.itemsize > max(MAX_RATIO * stored, MAX_CHUNK_BYTES):
            self.rest.missed.append(("too-large", "a dataset claims more values than the file can hold"))
            return False
        if chunk > MAX_CHUNK_BYTES or count > MAX_EXTENT or not 0 < dtype.itemsize <= npy.MAX_ITEM_BYTES:
            self.rest.missed.append(("too-large", "a dataset claims a size that is not read"))
            return False
        return True

    def _table(self, item: Any, path: str) -> Table:
        table = Table("hdf5", iter(()), path)
        table.batches = self._batches(item, table)
        return table

    def _batches(self, item: Any, table: Table) -> Iterator[Any]:
        try:
            count, width = npy.extents(item.shape) if item.shape else (1, 1)
            table.rows = count
            for values in self._slices(item, width):
                labels = self._labels(item, values, width)
                for columns in _columns(_times(item, values), width):
                    yield self._relabelled(item, self._batch(columns, labels, table))
        except rows.TROUBLE:
            raise Unreadable(
                "a dataset is damaged, cut short or packed by a filter that is not known; what came before was read"
            ) from None

    def _slices(self, item: Any, width: int) -> Iterator[Any]:
        """Yield the values in pieces along the first axis, and along the others where one row is large."""
        import numpy as np

        if not item.shape:
            yield np.asarray(item[()])
            return
        live = _is_live(item.dtype)
        row = 1
        for extent in item.shape[1:]:
            row *= extent
        if row == 0:
            return
        weight = row * (256 if live else item.dtype.itemsize)
        if live and row * self.largest > MAX_LIVE_VALUE:
            raise Unreadable("a dataset has values that are larger than is read")
        step = max(
            1,
            min(
                BATCH_ROWS,
                READ_BYTES // weight,
                MAX_LIVE_BYTES // (row * self.largest) if live else BATCH_ROWS,
                MAX_LIVE_ROWS if live else BATCH_ROWS,
            ),
        )
        if weight > 16 * READ_BYTES:
            yield from self._inner(item)
            return
        for at in range(0, item.shape[0], step):
            yield item[at : at + step]

    def _inner(self, item: Any) -> Iterator[Any]:
        """Yield the values of a dataset with very large rows, row after row and piece after piece of the second axis."""
        rest = 1
        for extent in item.shape[2:]:
            rest *= extent
        if rest * item.dtype.itemsize > 16 * READ_BYTES:
            raise Unreadable("a dataset has rows that are larger than is read")
        step = max(1, READ_BYTES // (rest * item.dtype.itemsize))
        for at in range(item.shape[0]):
            for inner in range(0, item.shape[1], step):
                yield item[at : at + 1, inner : inner + step].reshape(-1)

    def _labels(self, item: Any, values: Any, width: int) -> list[str]:
        """Return the labels of columns; those of the blocks of a table of pandas, which PyTables pickles, by field."""
        if values.dtype.names is None:
            return [""] * width
        if item.name not in self.blocks:
            self.blocks[item.name] = {
                field: _pickled_labels(item, field) for field in values.dtype.names if field.startswith("values_block_")
            }
        return [""] * width

    def _relabelled(self, item: Any, batch: Any) -> Any:
        blocks = self.blocks.get(item.name)
        if not blocks:
            return batch
        left = {field: list(labels) for field, labels in blocks.items()}
        return batch.rename_columns([left[name].pop(0) if left.get(name) else name for name in batch.schema.names])

    def _batch(self, columns: list[Any], labels: list[str], table: Table) -> Any:
        if all(column.dtype.kind != "O" and not _is_live(column.dtype) for column in columns):
            return npy.batch(columns, labels[: len(columns)], table)
        names: list[str] = []
        lists: list[list[Any]] = []
        for label, column in zip(labels, columns, strict=False):
            for name, values in npy.fields(label, column):
                names.append(name)
                lists.append([self._plain(value) for value in values.tolist()])
        return rows.batch(lists, names)

    def _plain(self, value: Any) -> Any:
        """Return a value of a dataset of objects: texts, runs of numbers; references as nothing."""
        import h5py
        import numpy as np

        if isinstance(value, bytes):
            return rows.text(value[: rows.MAX_CELL_CHARS])
        if isinstance(value, np.ndarray):
            if value.dtype == np.uint8:  # PyTables keeps texts and pickles like this
                return self._kept(value.tobytes())
            return [self._plain(item) for item in value[:10_000].tolist()]
        if isinstance(value, (h5py.Reference, h5py.RegionReference)):
            self.skipped.append("references to other objects are not followed")
            return None
        return value if isinstance(value, (str, int, float, bool)) or value is None else rows.text(str(value))

    def _kept(self, data: bytes) -> str | None:
        text = rows.prose_of(data)
        if text is None:
            self.skipped.append("runs of bytes in a dataset are not read")
        return text

    # -- frames of pandas

    def _frame(self, group: Any, path: str, names: list[str]) -> Iterator[Table]:
        """Yield the blocks of a frame that pandas wrote in its fixed form, with the labels of their columns."""
        for name in names:
            self.left -= 1
            item = group.get(name) if not name.startswith("axis0") and not name.endswith("_items") else None
            if item is None or not hasattr(item, "dtype") or not self._may_read(item):
                continue
            labels = self._items(group, name)
            if item.dtype.kind == "O":
                yield from self._pickled(item, f"{path}/{name}", labels)
            else:
                table = Table("hdf5", iter(()), f"{path}/{name}")
                table.batches = self._labelled(item, labels, table)
                yield table

    def _items(self, group: Any, name: str) -> list[str]:
        if not name.endswith("_values"):
            return []
        try:
            values = group[name.removesuffix("_values") + "_items"][:10_000]
            return [rows.text(value) or "" for value in values.tolist()]
        except rows.TROUBLE:
            return []

    def _labelled(self, item: Any, labels: list[str], table: Table) -> Iterator[Any]:
        for batch in self._batches(item, table):
            yield batch.rename_columns(labels) if len(labels) == batch.num_columns else batch

    def _pickled(self, item: Any, path: str, labels: list[str]) -> Iterator[Table]:
        """Yield the columns of a block of objects, which PyTables pickles into one value."""
        from mlguard.scanners.dataset.formats import pickled

        try:
            value = item[0]
            data = value.tobytes() if getattr(value, "nbytes", MAX_PICKLE_BYTES + 1) <= MAX_PICKLE_BYTES else b""
        except rows.TROUBLE:
            data = b""
        if not data:
            self.rest.missed.append(("unreadable", "a block of objects of a frame cannot be read"))
            return
        for table in pickled.read(of_bytes(path, data), 0, path, "hdf5"):
            table.batches = _renamed(table.batches, labels)
            yield table

    def _attribute(self, attributes: Any, name: str) -> Any:
        kind = attributes.get_id(name)
        count = 1
        for extent in kind.shape or ():
            count *= extent
        if kind.shape is None:
            return None
        if count * (self.largest if _is_live(kind.dtype) else kind.dtype.itemsize) > MAX_LIVE_BYTES:
            self.rest.missed.append(("too-large", "an attribute is larger than is read"))
            return None
        return attributes[name]

    def _attributes(self, item: Any) -> None:
        """Note the texts in the attributes of an object. What PyTables writes about itself is left out."""
        try:
            names = list(item.attrs)[:1000]
        except rows.TROUBLE:
            self.rest.missed.append(("unreadable", "attributes of an object are damaged"))
            return
        for name in names:
            try:
                value = self._attribute(item.attrs, name)
            except rows.TROUBLE:
                self.rest.missed.append(("unreadable", "an attribute is damaged or of a type that cannot be read"))
                continue
            for text in _words(value):
                if name not in _OWN and not name.endswith("_variety") and len(self.notes) < 100_000:
                    self.notes.append(f"{name}: {text}")


_OWN = frozenset({"CLASS", "VERSION", "TITLE", "PYTABLES_FORMAT_VERSION", "FLAVOR", "pandas_type", "pandas_version", "encoding", "errors",
                  "axis0_variety", "axis1_variety", "block0_items_variety", "kind", "transposed", "DIMENSION_LIST", "REFERENCE_LIST"})  # fmt: skip


def _renamed(batches: Iterator[Any], labels: list[str]) -> Iterator[Any]:
    for batch in batches:
        yield batch.rename_columns(labels) if len(labels) == batch.num_columns else batch


def _pickled_labels(item: Any, field: str) -> list[str]:
    """Return the labels of the columns that a field holds, [] when they are not told."""
    from mlguard.scanners.dataset.formats.pickle_arrays import plain
    from mlguard.scanners.dataset.formats.pickle_stream import Stream

    try:
        value = item.attrs.get(field + "_kind")
        data = bytes(value) if isinstance(value, bytes) else b""
    except rows.TROUBLE:
        return []
    stream = Stream(data, 0, len(data))
    found = plain(stream.run(), stream) if data else None
    return [str(label) for label in found] if isinstance(found, list) else []


def _times(item: Any, values: Any) -> Any:
    """Return numbers as times where pandas says that they are."""
    try:
        kind = rows.text(item.attrs.get("value_type") or item.attrs.get("kind") or "") or ""
        if kind.startswith("datetime64") and values.dtype.kind == "i" and values.dtype.itemsize == 8:
            return values.view(kind if kind.endswith("]") else "datetime64[ns]")
    except rows.TROUBLE:
        pass
    return values


def _words(value: Any) -> Iterator[str]:
    """Yield the texts in the value of an attribute."""
    import numpy as np

    if isinstance(value, (bytes, np.bytes_)):
        value = rows.prose_of(bytes(value)) or ""
    if isinstance(value, str):
        yield from (line for line in value.splitlines() if line.strip())
    elif isinstance(value, np.ndarray) and value.dtype.kind in "OSU":
        for item in value.reshape(-1)[:10_000].tolist():
            if isinstance(item, (str, bytes)):
                yield from _words(item)


def _is_live(dtype: Any) -> bool:
    """Say whether values of a type lie elsewhere in the file: texts and runs of any length, references."""
    if dtype.names:
        return any(_is_live(dtype[name]) for name in dtype.names)
    return bool(dtype.hasobject)


def _columns(values: Any, width: int) -> Iterator[list[Any]]:
    import numpy as np

    array = np.asarray(values)
    if array.ndim == 0:
        array = array.reshape(1)
    if array.ndim == 2 and array.shape[1] == width:
        yield [array[:, at] for at in range(width)]
    else:
        yield [array.reshape(-1)]
