"""Copies Parquet and Arrow; statistics, dictionaries and metadata of the copy come from what was changed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

from mlguard.errors import Unreadable, UsageError
from mlguard.redaction import spans
from mlguard.redaction.change import Change, Redaction
from mlguard.redaction.labels import names_of
from mlguard.scanners.dataset import terms

BATCH_ROWS = 65_536
"""Rows that are changed together, and rows of a row group of the copy."""

MAX_DEPTH = 32
"""Levels of nesting."""

MAX_DICTIONARY = 1_000_000
"""Distinct values of a column of categories in a Feather file."""

WAS = b"mlguard:was"
"""Key of a field's metadata: the type, as a schema of Arrow in base64, that an encrypted column had before."""

_TECHNICAL = (b"pandas", b"huggingface", b"ARROW:schema", b"org.apache.spark.sql.parquet.row.metadata",
              b"org.apache.spark.version", b"geo")  # fmt: skip
"""Keys of metadata that describe the columns. Whatever else stands beside the rows is left out of the copy."""

Tops = list[str]


def rewrite(
    source: Path, target: BinaryIO | None, change: Change, kind: str, tops: Tops | None = None
) -> tuple[Tops, list[str]]:
    """Copy ``source`` to ``target``, or only look when there is none.

    ``tops`` are the names of the columns where those of the file are not meant. Return the names of the columns that stay, and the
    keys of metadata that were left out. Raises Unreadable, and UsageError when an operator cannot work on a column.
    """
    import pyarrow as pa

    try:
        with closing(_Input(source, kind)) as file:
            work = _Work(file, change, tops)
            if target is None:
                for batch in file.batches():
                    work.batch(batch)
            else:
                _write(file, work, target)
            return work.kept, sorted(work.left_out)
    except (pa.ArrowException, OSError, KeyError, NotImplementedError):  # their words may quote cells
        raise Unreadable("the file is damaged, encrypted, cut short, or holds what cannot be written again") from None


class _Input:
    """A Parquet file, an Arrow file or an Arrow stream as batches."""

    def __init__(self, path: Path, kind: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.parquet: Any = None
        self.map: Any = None
        self.path, self.kind = path, kind
        if kind == "parquet":
            self.parquet = pq.ParquetFile(path, pre_buffer=False, memory_map=False)
            self.schema = self.parquet.schema_arrow
        else:
            self.map = pa.memory_map(str(path))
            self.kind = "file" if self.map.read(6) == b"ARROW1" else "stream"
            self.schema = self._opened().schema

    def _opened(self) -> Any:
        import pyarrow.ipc as ipc

        self.map.seek(0)
        return ipc.open_file(self.map) if self.kind == "file" else ipc.open_stream(self.map)

    def batches(self) -> Iterator[Any]:
        """Yield the batches from the first; may be called again."""
        if self.parquet is not None:
            yield from self.parquet.iter_batches(batch_size=BATCH_ROWS)
            return
        reader = self._opened()
        whole = (reader.get_batch(n) for n in range(reader.num_record_batches)) if self.kind == "file" else iter(reader)
        for batch in whole:
            for start in range(0, batch.num_rows, BATCH_ROWS):
                yield batch.slice(start, BATCH_ROWS)

    def codec(self) -> str:
        """Return the compression of the first column."""
        if self.parquet.metadata.num_row_groups and self.parquet.metadata.num_columns:
            name = str(self.parquet.metadata.row_group(0).column(0).compression).lower()
            return "none" if name == "uncompressed" else name
        return "snappy"

    def close(self) -> None:
        for file in (self.parquet, self.map):
            if file is not None:
                file.close()


def _write(file: _Input, work: _Work, target: BinaryIO) -> None:
    import pyarrow.ipc as ipc
    import pyarrow.parquet as pq

    if file.kind == "parquet":
        with pq.ParquetWriter(target, work.schema, compression=file.codec()) as writer:
            for batch in file.batches():
                writer.write_batch(work.batch(batch), row_group_size=BATCH_ROWS)
        return
    opened = ipc.new_file if file.kind == "file" else ipc.new_stream
    options = ipc.IpcWriteOptions(compression="lz4" if file.kind == "file" and _packed(file) else None)
    with opened(target, work.schema, options=options) as writer:
        for batch in file.batches():
            writer.write_batch(work.batch(batch))


def _packed(file: _Input) -> bool:
    """Say whether an Arrow file holds less bytes than its rows do."""
    total = sum(batch.nbytes for batch in file.batches())
    return int(total) > 1.2 * file.path.stat().st_size


class _Work:
    """Knows the schema of the copy, and makes its batches."""

    def __init__(self, file: _Input, change: Change, tops: Tops | None) -> None:
        import pyarrow as pa

        self.file, self.change = file, change
        schema = file.schema
        self.tops = tops if tops is not None else names_of(schema.names)
        self.kept = [top for top in self.tops if not change.drops(top)]
        self.left_out: set[str] = set()
        self.dictionaries: dict[int, tuple[Any, Any, Any]] = {}
        self.fields: list[tuple[int, str, Any]] = []  # (place in the source, name, field of the copy)
        for place, (top, field) in enumerate(zip(self.tops, schema, strict=True)):
            if top in self.kept:
                changed = self._field(field, top, 0)
                if terms.reveals(field.name) and change.wants(top) and isinstance(change, Redaction):
                    changed = changed.with_name(change.texts(top, [field.name])[0][0])
                self.fields.append((place, top, changed))
        self.schema = pa.schema([field for _, _, field in self.fields], self._metadata(schema))
        if file.kind == "file":
            self._gather()

    def batch(self, batch: Any) -> Any:
        import pyarrow as pa

        arrays = []
        for place, top, field in self.fields:
            array = batch.column(place)
            if place in self.dictionaries:
                arrays.append(self._categories(array, place))
            else:
                arrays.append(self._array(array, batch.schema.field(place), field, top))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    # --- schema

    def _metadata(self, schema: Any) -> dict[bytes, bytes]:
        kept: dict[bytes, bytes] = {}
        same = [field.type for _, _, field in self.fields] == [field.type for field in schema]
        same = same and [field.name for _, _, field in self.fields] == schema.names
        for key, value in (schema.metadata or {}).items():
            text = value.decode("utf-8", "replace")
            fits = key in _TECHNICAL and not spans.find(text) and not (key != b"pandas" and not same)
            if fits and key == b"pandas" and not same:
                text = self._pandas(text)
                fits = bool(text)
            if fits:
                kept[key] = text.encode()
            else:
                self.left_out.add(terms.shown(key.decode("utf-8", "replace"), 0))
        return kept

    def _pandas(self, text: str) -> str:
        """Return what pandas notes of the columns, brought in line with the copy; "" when it cannot be."""
        import pyarrow as pa

        types = {field.name: field.type for _, _, field in self.fields}
        was = {field.name: field.type for field in self.file.schema}
        if any(name not in was for name in types):
            return ""
        try:
            note = json.loads(text)
            note["columns"] = [
                entry for entry in note["columns"] if entry["field_name"] in types or entry["field_name"] not in was
            ]
            index = note.get("index_columns", [])
            note["index_columns"] = [one for one in index if not isinstance(one, str) or one in types or one not in was]
            for entry in note["columns"]:
                name = entry["field_name"]
                if name in types and types[name] != was[name] and pa.types.is_string(types[name]):
                    entry.update(pandas_type="unicode", numpy_type="object", metadata=None)
            return json.dumps(note)
        except (ValueError, KeyError, TypeError, AttributeError):
            return ""

    def _field(self, field: Any, path: str, depth: int) -> Any:
        kept = {key: value for key, value in (field.metadata or {}).items() if key in (b"PARQUET:field_id", WAS)}
        for key in set(field.metadata or {}) - set(kept):
            self.left_out.add(f"{path}: {terms.shown(key.decode('utf-8', 'replace'), 0)}")
        restored = self._restored(field)
        if restored is not None:
            kept.pop(WAS)
            return field.with_type(restored).with_metadata(kept)
        changed = self._type(field.type, path, depth)
        if changed != field.type and _is_leaf(field.type) and self._encrypts(path):
            import pyarrow as pa

            was = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
            if not _is_text(was):
                kept[WAS] = base64.b64encode(pa.schema([pa.field("was", was)]).serialize().to_pybytes())
        return field.with_type(changed).with_metadata(kept)

    def _restored(self, field: Any) -> Any:
        """Return the type that an encrypted column had, while it is restored."""
        import pyarrow as pa
        import pyarrow.ipc as ipc

        note = (field.metadata or {}).get(WAS)
        if note is None or not self.change.everything:
            return None
        try:
            return ipc.read_schema(pa.py_buffer(base64.b64decode(note))).field(0).type
        except (pa.ArrowException, ValueError, OSError, IndexError):
            raise Unreadable("the note of what an encrypted column was is damaged") from None

    def _encrypts(self, path: str) -> bool:
        applied = self.change.whole.get(path) if isinstance(self.change, Redaction) else None
        return applied is not None and applied.operator.name == "encrypt"

    def _type(self, kind: Any, path: str, depth: int) -> Any:
        import pyarrow as pa

        if depth > MAX_DEPTH:
            raise Unreadable(f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(kind, pa.BaseExtensionType):
            inner = self._type(kind.storage_type, path, depth + 1)
            return kind if inner == kind.storage_type else inner
        if pa.types.is_struct(kind):
            members = []
            for number in range(kind.num_fields):
                below = f"{path}.{terms.shown(kind.field(number).name, number + 1)}"
                if not self.change.drops(below):
                    members.append(self._field(kind.field(number), below, depth + 1))
            return pa.struct(members)
        if pa.types.is_map(kind):
            keys = self._type(kind.key_type, f"{path}.(keys)", depth + 1)
            return pa.map_(keys, self._field(kind.item_field, f"{path}.*", depth + 1), kind.keys_sorted)
        if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
            inner = self._field(kind.value_field, f"{path}[]", depth + 1)
            if pa.types.is_fixed_size_list(kind):
                return kind if inner.type == kind.value_type else pa.list_(inner)
            return pa.large_list(inner) if pa.types.is_large_list(kind) else pa.list_(inner)
        return self._leaf_type(kind, path)

    def _leaf_type(self, kind: Any, path: str) -> Any:
        import pyarrow as pa

        if not self.change.rewrites(path) or pa.types.is_null(kind) or _is_text(kind) or _is_bytes(kind):
            return kind
        if pa.types.is_dictionary(kind):
            if _is_text(kind.value_type) and not self._random(path):
                return kind
            return pa.string()
        return pa.string()

    def _random(self, path: str) -> bool:
        applied = self.change.whole.get(path) if isinstance(self.change, Redaction) else None
        return applied is not None and applied.operator.get("mode") == "gcm"

    # --- arrays

    def _array(self, array: Any, before: Any, after: Any, path: str) -> Any:
        """Return the array of the copy. ``before`` and ``after`` are fields."""
        import pyarrow as pa

        kind = before.type
        if isinstance(kind, pa.BaseExtensionType):
            if kind == after.type and not self._below(kind.storage_type, path):
                return array
            storage = before.with_type(kind.storage_type)
            target = after.with_type(after.type.storage_type) if kind == after.type else after
            changed = self._array(array.storage, storage, target, path)
            return pa.ExtensionArray.from_storage(kind, changed) if kind == after.type else changed
        if not _is_leaf(kind):
            return self._nested(array, kind, after, path) if kind != after.type or self._below(kind, path) else array
        if WAS in (before.metadata or {}) and self.change.everything:
            return self._put_back(array, after.type, path)
        if pa.types.is_dictionary(kind):
            return self._dictionary(array, kind, after.type, path)
        return self._leaf(array, kind, after.type, path)

    def _below(self, kind: Any, path: str) -> bool:
        """Say whether a column inside a nested one is wanted."""
        import pyarrow as pa

        if pa.types.is_struct(kind):
            members = [kind.field(n) for n in range(kind.num_fields)]
            return any(self._below(f.type, f"{path}.{terms.shown(f.name, n)}") for n, f in enumerate(members, 1))
        if pa.types.is_map(kind):
            return self._below(kind.key_type, f"{path}.(keys)") or self._below(kind.item_type, f"{path}.*")
        if not _is_leaf(kind) and not isinstance(kind, pa.BaseExtensionType):
            return self._below(kind.value_type, f"{path}[]")
        return self.change.wants(path)

    def _nested(self, array: Any, kind: Any, after: Any, path: str) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        empty = array.is_null()
        if pa.types.is_struct(kind):
            parts = {}
            for number, part in enumerate(array.flatten()):
                below = f"{path}.{terms.shown(kind.field(number).name, number + 1)}"
                if not self.change.drops(below):
                    parts[number] = (part, below)
            changed = [
                self._array(part, kind.field(number), after.type.field(place), below)
                for place, (number, (part, below)) in enumerate(parts.items())
            ]
            return pa.StructArray.from_arrays(changed, fields=list(after.type), mask=empty)
        if pa.types.is_map(kind):
            sizes = [0 if entry is None else len(entry) for entry in array.to_pylist()]
            flat = pa.concat_arrays([entry.values for entry in array if entry.is_valid]) if sum(sizes) else None
            keys = flat.field(0) if flat is not None else pa.array([], kind.key_type)
            items = flat.field(1) if flat is not None else pa.array([], kind.item_type)
            keys = self._array(keys, kind.key_field, after.type.key_field, f"{path}.(keys)")
            items = self._array(items, kind.item_field, after.type.item_field, f"{path}.*")
            return pa.MapArray.from_arrays(
                _offsets(pa.array(sizes, pa.int64()), pa.int32()), keys, items, type=after.type, mask=empty
            )
        if pa.types.is_fixed_size_list(kind):
            array = array.cast(pa.list_(kind.value_field))
        sizes = pc.fill_null(pc.list_value_length(array), 0)
        target = after.type
        fixed = target if pa.types.is_fixed_size_list(target) else None
        values = self._array(pc.list_flatten(array), kind.value_field, target.value_field, f"{path}[]")
        if fixed is not None:
            made = pa.ListArray.from_arrays(
                _offsets(sizes, pa.int32()), values, mask=empty if empty.true_count else None
            )
            return made.cast(fixed)
        large = pa.types.is_large_list(target)
        return (pa.LargeListArray if large else pa.ListArray).from_arrays(
            _offsets(sizes, pa.int64() if large else pa.int32()),
            values,
            type=target,
            mask=empty if empty.true_count else None,
        )

    def _dictionary(self, array: Any, kind: Any, after: Any, path: str) -> Any:
        """Make the dictionary anew: entries that no row uses any more are data too."""
        import pyarrow as pa

        plain = array.dictionary_decode()
        if not pa.types.is_dictionary(after):
            return self._leaf(plain, kind.value_type, after, path)
        if self.change.wants(path):
            plain = self._leaf(plain, kind.value_type, kind.value_type, path)
        return _encoded(plain, after)

    def _leaf(self, array: Any, kind: Any, after: Any, path: str) -> Any:
        import pyarrow as pa

        if (
            pa.types.is_null(kind)
            or not self.change.wants(path)
            or self.change.everything
            and not (_is_text(kind) or _is_bytes(kind))
        ):
            return array
        if (
            after == kind
            and not (_is_text(kind) or _is_bytes(kind))
            and isinstance(self.change, Redaction)
            and path in self.change.inside
        ):
            raise UsageError(f"column {path!r} holds no text; give it an operator of its own: --column NAME=OPERATOR")
        cells = _texts(array, kind, path)
        full = [cell for cell in cells if cell is not None]
        made = iter([text for text, _ in self.change.texts(path, full)])
        changed = [None if cell is None else next(made) for cell in cells]
        if self._encrypts(path) and after != kind:
            self._reversible(array, full, kind, path)
        return _array_of(changed, after)

    def _reversible(self, array: Any, texts: list[str], kind: Any, path: str) -> None:
        import pyarrow as pa

        try:
            back = _array_of(texts, pa.string()).cast(kind.value_type if pa.types.is_dictionary(kind) else kind)
            same = back.equals(array.drop_null())
        except (pa.ArrowException, NotImplementedError):
            same = False
        if not same:
            raise UsageError(
                f"column {path!r} of type {kind} cannot be encrypted and restored exactly; choose hash, replace or drop"
            )

    def _put_back(self, array: Any, kind: Any, path: str) -> Any:
        import pyarrow as pa

        cells = array.to_pylist()
        made = iter([text for text, _ in self.change.texts(path, [cell for cell in cells if cell is not None])])
        texts = _array_of([None if cell is None else next(made) for cell in cells], pa.string())
        if pa.types.is_dictionary(kind):
            return _encoded(texts.cast(kind.value_type), kind)
        return texts.cast(kind)

    # --- categories of a Feather file, which has one dictionary for all of its batches

    def _gather(self) -> None:
        import pyarrow as pa

        places = [n for n, _, _ in self.fields if pa.types.is_dictionary(self.file.schema.field(n).type)]
        used: dict[int, dict[Any, None]] = {place: {} for place in places}
        for batch in self.file.batches() if places else ():
            for place in places:
                array = batch.column(place)
                entries = array.dictionary
                for index in array.indices.unique().drop_null().to_pylist():
                    used[place].setdefault(entries[index].as_py())
                if len(used[place]) > MAX_DICTIONARY:
                    raise Unreadable(f"a column of categories has more than {MAX_DICTIONARY:,} values")
        for place, top, field in self.fields:
            if place in used and pa.types.is_dictionary(field.type):
                kind = self.file.schema.field(place).type.value_type
                old = pa.array([value for value in used[place] if value is not None], kind)
                new = self._leaf(old, kind, field.type.value_type, top) if self.change.wants(top) else old
                distinct = new.unique()
                self.dictionaries[place] = (old, _index(new, distinct), distinct)

    def _categories(self, array: Any, place: int) -> Any:
        import pyarrow as pa

        old, order, distinct = self.dictionaries[place]
        kind = self.file.schema.field(place).type
        indices = order.take(_index(array.dictionary_decode(), old))
        return pa.DictionaryArray.from_arrays(indices.cast(kind.index_type), distinct, ordered=kind.ordered)


def _index(values: Any, among: Any) -> Any:
    import pyarrow.compute as pc

    return pc.index_in(values, value_set=among, skip_nulls=True)


def _offsets(sizes: Any, kind: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pa.concat_arrays([pa.array([0], kind), pc.cumulative_sum(sizes.cast(kind))])


def _encoded(plain: Any, kind: Any) -> Any:
    import pyarrow as pa

    made = plain.dictionary_encode()
    return pa.DictionaryArray.from_arrays(
        made.indices.cast(kind.index_type), made.dictionary.cast(kind.value_type), ordered=kind.ordered
    )


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_bytes(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_leaf(kind: Any) -> bool:
    import pyarrow as pa

    return not (pa.types.is_nested(kind) or isinstance(kind, pa.BaseExtensionType))


def _texts(array: Any, kind: Any, path: str) -> list[str | None]:
    """Return the cells as text; whole floating numbers without a fraction, as they look in every other format."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if _is_text(kind):
        return list(array.to_pylist())
    if _is_bytes(kind):
        return [None if cell is None else cell.decode("utf-8", "surrogateescape") for cell in array.to_pylist()]
    if pa.types.is_dictionary(kind):
        return _texts(array.dictionary_decode(), kind.value_type, path)
    if pa.types.is_floating(kind):
        wide = array.cast(pa.float64())
        if pc.all(pc.and_(pc.equal(pc.floor(wide), wide), pc.less(pc.abs(wide), 2.0**53))).as_py():
            array = wide.cast(pa.int64())
    try:
        return list(array.cast(pa.string()).to_pylist())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        raise UsageError(f"column {path!r} of type {kind} cannot be written as text; choose drop") from None


def _array_of(cells: Sequence[str | None], kind: Any) -> Any:
    import pyarrow as pa

    if _is_text(kind) or _is_bytes(kind):
        return pa.array(
            [None if c is None else c.encode("utf-8", "surrogateescape") for c in cells], pa.large_binary()
        ).cast(kind)
    texts = pa.array(cells, pa.string())
    try:
        if pa.types.is_integer(kind):
            return texts.cast(pa.int64()).cast(kind)
        return texts.cast(kind)
    except pa.ArrowInvalid:  # a mark among rounded numbers
        return pa.array([cell if cell is not None and _number(cell) else None for cell in cells], pa.string()).cast(
            kind
        )


def _number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdecimal()
