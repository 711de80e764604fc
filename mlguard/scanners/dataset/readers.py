"""Reads tables of every format into column profiles, in bounded memory."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from mlguard.errors import Unreadable
from mlguard.scanners import Context, decode, open_path, read_bytes
from mlguard.scanners.dataset import frames, shapes, terms
from mlguard.scanners.dataset.columns import PROSE, Profile, strings

BATCH_ROWS = 8192
"""Rows that are looked at together."""

BATCH_CHARS = 8 * 2**20
"""Characters of a batch; a batch of long cells ends earlier."""

MAX_CELL_CHARS = 32 * 2**20
"""Characters of one CSV cell. A quote that is never closed would otherwise swallow the file."""

MAX_COLUMNS = 4096
"""Columns of a table, and key paths of nested records. Further keys are looked at together."""

MAX_DEPTH = 32
"""Levels of nesting in a record."""

MAX_UNPACKED_BYTES = 8 * 2**30
"""Bytes that a compressed table may hold when it is unpacked."""

SNIFF_CHARS = 64 * 2**10
"""Characters of a file's beginning from which its dialect is taken."""


@dataclass(slots=True)
class Sheet:
    """One table: its columns, the number of rows read so far, and what was not read."""

    format: str
    profiles: list[Profile] = field(default_factory=list)
    rows: int = 0
    width: int = 0
    missed: list[str] = field(default_factory=list)
    within: str = ""


def opened(context: Context, path: str) -> BinaryIO:
    """Return the file's bytes, unpacked when the name ends in ``.gz``."""
    absolute: Path = open_path(context, path)
    if path.lower().endswith(".gz"):
        return cast(BinaryIO, gzip.open(absolute, "rb"))
    return open(absolute, "rb")


def encoding_of(context: Context, path: str) -> tuple[str, str]:
    """Return the encoding of a text file, and what is to be said about it.

    By its byte order mark, else UTF-8 when all of it is, else Windows-1252, whose letters are right in most old exports.
    """
    with opened(context, path) as file:
        head = _piece(file, 4096)
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return name, "" if _decodes(
                context, path, name
            ) else "the text is not valid in the encoding of its byte order mark"
    if b"\0" in head:
        return _of_two_bytes(context, path, head), ""
    if _decodes(context, path, "utf-8"):
        return "utf-8", ""
    if _decodes(context, path, "cp1252"):
        return "cp1252", ""
    return "latin-1", "the encoding is not known; what is not ASCII was not looked at. Convert the file to UTF-8"


def _of_two_bytes(context: Context, path: str, head: bytes) -> str:
    """Return the encoding of text in UTF-16 without a byte order mark: every second byte of its ASCII is zero."""
    for name, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if zeros.count(0) * 10 > 6 * len(zeros) and head.count(0) == zeros.count(0) and _decodes(context, path, name):
            return name
    raise Unreadable("holds bytes that are no text; convert the file to UTF-8")


def _piece(file: BinaryIO, size: int) -> bytes:
    try:
        return file.read(size)
    except (OSError, EOFError, zlib.error):
        raise Unreadable("the compressed data is damaged or cut short") from None


def _decodes(context: Context, path: str, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    total = 0
    with opened(context, path) as file:
        while True:
            try:
                block = file.read(1 << 20)
                decoder.decode(block, final=not block)
            except UnicodeDecodeError:
                return False
            except (OSError, EOFError, zlib.error):
                return True  # the cut is told when the rows are read
            total += len(block)
            if not block:
                return True
            if total > MAX_UNPACKED_BYTES:
                raise Unreadable("the unpacked data is larger than the limit")


def lines_of(context: Context, path: str, sheet: Sheet) -> Iterator[str]:
    """Yield the lines of a text file with their line ends."""
    encoding, trouble = encoding_of(context, path)
    if trouble:
        sheet.missed.append(trouble)
    with opened(context, path) as file, io.TextIOWrapper(file, encoding, errors="replace", newline="") as text:
        while True:
            try:
                line = text.readline(MAX_CELL_CHARS)
            except (OSError, EOFError, zlib.error):
                raise Unreadable("the compressed data is damaged or cut short") from None
            if not line:
                return
            yield line


# --- CSV


@dataclass(frozen=True, slots=True)
class Dialect:
    """How cells are parted. ``steady`` is the share of the first lines that agree on the number of columns."""

    delimiter: str
    width: int
    steady: float
    escape: str | None = None
    skip: bool = False


def sniff(sample: str, delimiters: str = ",;\t|") -> Dialect:
    """Return the dialect in which most of the first lines have the same number of cells."""
    escape = "\\" if '\\"' in sample and '""' not in sample else None
    best = Dialect(delimiters[0], 1, 0.0, escape)
    for delimiter in delimiters:
        skip = f'{delimiter} "' in sample
        widths = Counter(
            len(row)
            for row in islice(_rows(io.StringIO(sample, newline=""), Dialect(delimiter, 0, 0, escape, skip)), 200)
            if row
        )
        if not widths:
            continue
        width, often = max(widths.items(), key=lambda item: (item[1] * min(item[0], 2), item[0]))
        found = Dialect(delimiter, width, often / sum(widths.values()), escape, skip)
        if width > 1 and (found.steady, found.width) > (best.steady, best.width if best.width > 1 else 0):
            best = found
    return best


def _rows(lines: Iterable[str], dialect: Dialect) -> Iterator[list[str]]:
    csv.field_size_limit(MAX_CELL_CHARS)
    rows = csv.reader(
        lines, delimiter=dialect.delimiter, escapechar=dialect.escape, doublequote=True, skipinitialspace=dialect.skip
    )
    while True:
        try:
            yield next(rows)
        except StopIteration:
            return
        except csv.Error:
            raise Unreadable("a cell is larger than the limit; is a quote left open?") from None


def read_csv(context: Context, path: str, sheet: Sheet, delimiters: str = ",;\t|") -> None:
    """Fill the sheet from a file of separated values."""
    lines = lines_of(context, path, sheet)
    first: list[str] = []
    while sum(map(len, first)) < SNIFF_CHARS and (line := next(lines, "")):
        first.append(line)
    complete = first if len(first) < 2 or sum(map(len, first)) < SNIFF_CHARS else first[:-1]
    dialect = sniff("".join(complete), delimiters)
    head = list(islice(_rows(iter(complete), dialect), 300))
    skipped, header = _header(head, dialect)
    raw, number = _header_line(first, skipped)
    _columns(sheet, header, dialect, raw, number, max((len(row) for row in head), default=0))
    for row in head[:skipped]:
        _preamble(sheet).add(row)
    rows = _rows(_chained(first, lines), dialect)
    for _ in range(skipped + (header is not None)):
        next(rows, None)
    _fill(sheet, rows)


def _chained(first: Sequence[str], lines: Iterator[str]) -> Iterator[str]:
    yield from first
    yield from lines


def _preamble(sheet: Sheet) -> Profile:
    for profile in sheet.profiles:
        if profile.name == "(before the header)":
            return profile
    sheet.profiles.append(Profile("(before the header)", text=True))
    return sheet.profiles[-1]


def _header(head: Sequence[list[str]], dialect: Dialect) -> tuple[int, list[str] | None]:
    """Return how many lines stand before the table, and its header when it has one."""
    skipped = 0
    while (
        skipped < min(len(head) - 1, 20)
        and dialect.width > 1
        and len(head[skipped]) not in (dialect.width, dialect.width - 1)
    ):
        skipped += 1
    if skipped == min(len(head) - 1, 20):
        skipped = 0
    if not head:
        return 0, None
    first = head[skipped]
    body = [row for row in head[skipped + 1 :] if row]
    return skipped, first if _is_header(first, body) else None


def _is_header(first: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    cells = [cell.strip() for cell in first]
    named = [cell for cell in cells if cell]
    if not named or not body and not any(terms.term_of(cell) for cell in named):
        return False
    votes = sum(3 for cell in named if terms.term_of(cell) and not terms.reveals(cell))
    for place, cell in enumerate(cells):
        below = [row[place].strip() for row in body[:100] if place < len(row) and row[place].strip()]
        votes += _vote(cell, below)
    votes -= 2 * (len(named) - len(set(named)))
    return votes > 0


_VALUE = re.compile(r"^[-+]?[\d.,]+%?$|^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|@\w+\.|^(?:true|false|nan|null|none)$", re.I)


def _vote(cell: str, below: Sequence[str]) -> int:
    """Return above 0 when the cell looks like a name of what is below it, and below 0 when it looks like one of them."""
    if not cell:
        return 0
    if not below:
        return 0 if _VALUE.search(cell) else 1
    alike = sum(bool(_VALUE.search(value)) for value in below) / len(below)
    if _VALUE.search(cell):
        return -3 if alike > 0.5 else -1
    if alike > 0.7:
        return 3
    if terms.reveals(cell):
        return -3
    if cell in below:
        return -3
    if re.fullmatch(r"[A-Za-z][\w .\-]*", cell) and "_" in cell:
        return 2
    longest = max(map(len, below))
    return 1 if len(cell) < longest / 3 or len(set(map(len, below))) == 1 and len(cell) != len(below[0]) else 0


def _header_line(first: Sequence[str], skipped: int) -> tuple[str, int]:
    return (first[skipped], skipped + 1) if skipped < len(first) else ("", 1)


def _columns(sheet: Sheet, header: list[str] | None, dialect: Dialect, raw: str, line: int, widest: int) -> None:
    width = max(len(header or ()), dialect.width if header is None else 0, 1)
    starts = _starts(raw, dialect) if header is not None else []
    seen: Counter[str] = Counter()
    for place in range(min(width, MAX_COLUMNS)):
        label = " ".join((header[place] if header is not None and place < len(header) else "").split())
        name = terms.shown(label, place + 1)
        hidden = bool(label) and name != label and terms.reveals(label)
        seen[name] += 1
        shown = name if seen[name] == 1 else f"{name} ({seen[name]})"
        column = starts[place] if place < len(starts) else 1
        profile = Profile(shown, "" if hidden else label, line if header is not None else 1, column)
        if hidden:
            profile.add([label])
        sheet.profiles.append(profile)
    sheet.width = width


def _starts(raw: str, dialect: Dialect) -> list[int]:
    """Return the column, from 1, at which each cell of a header line begins."""
    starts, quoted = [1], False
    for place, character in enumerate(raw):
        if character == '"':
            quoted = not quoted
        elif character == dialect.delimiter and not quoted:
            starts.append(place + 2)
    return starts


def _fill(sheet: Sheet, rows: Iterator[list[str]]) -> None:
    batch: list[list[str]] = []
    size = 0
    try:
        for row in rows:
            if not row:
                continue
            batch.append(row)
            size += sum(map(len, row))
            if len(batch) >= BATCH_ROWS or size > BATCH_CHARS:
                _add_rows(sheet, batch)
                batch, size = [], 0
    finally:
        _add_rows(sheet, batch)


def _add_rows(sheet: Sheet, batch: Sequence[list[str]]) -> None:
    if not batch:
        return
    sheet.rows += len(batch)
    width = max(map(len, batch))
    while len(sheet.profiles) < min(width, MAX_COLUMNS):
        sheet.profiles.append(Profile(f"column {len(sheet.profiles) + 1}"))
    for place in range(min(width, MAX_COLUMNS)):
        sheet.profiles[place].add([row[place] for row in batch if place < len(row)])
    if width > MAX_COLUMNS:
        sheet.profiles[-1].add([cell for row in batch for cell in row[MAX_COLUMNS:]])


# --- JSON


class _Records:
    """Spreads nested records over columns named by their key paths."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.profiles: dict[str, Profile] = {}
        self.waiting: dict[str, list[str]] = {}
        self.size = 0

    def add(self, record: object) -> None:
        self.sheet.rows += 1
        self._spread(record, "", 0)
        if self.size > BATCH_CHARS or self.sheet.rows % BATCH_ROWS == 0:
            self.flush()

    def _spread(self, value: object, path: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise Unreadable(f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, dict):
            for key, item in value.items():
                self._spread(item, self._path(path, str(key)), depth + 1)
        elif isinstance(value, list):
            for item in value:
                self._spread(item, f"{path}[]", depth + 1)
        elif value is not None:
            self._put(path or "value", value if isinstance(value, str) else str(value))

    def _path(self, path: str, key: str) -> str:
        joined = f"{path}.{key}" if path else key
        if joined in self.profiles or joined in self.waiting:
            return joined
        if terms.shown(key, 0) != " ".join(key.split()) or len(self.profiles) + len(self.waiting) >= MAX_COLUMNS:
            self._put(f"{path}.(keys)" if path else "(keys)", key)
            return f"{path}.*" if path else "*"
        return joined

    def _put(self, path: str, text: str) -> None:
        self.waiting.setdefault(path, []).append(text)
        self.size += len(text)

    def flush(self) -> None:
        for path, values in self.waiting.items():
            if path not in self.profiles:
                self.profiles[path] = Profile(path, path)
                self.sheet.profiles.append(self.profiles[path])
            self.profiles[path].add(values)
        self.waiting, self.size = {}, 0
        self.sheet.width = len(self.profiles)


def read_jsonl(context: Context, path: str, sheet: Sheet) -> None:
    """Fill the sheet from JSON Lines. Lines that are no JSON are looked at as text and counted as missed."""
    records, broken = _Records(sheet), Profile("(broken lines)", text=True)
    bad = 0
    try:
        for line in lines_of(context, path, sheet):
            if not line.strip():
                continue
            try:
                records.add(json.loads(line))
            except (ValueError, RecursionError):
                bad += 1
                broken.add([line])
    finally:
        records.flush()
        if bad:
            sheet.profiles.append(broken)
            sheet.missed.append(f"{bad} of {bad + sheet.rows} lines are no JSON; they were looked at as text only")


_CONFIGURATION = re.compile(
    r"(?i)(?:^|/)(?:package(?:-lock)?|composer|tsconfig[^/]*|jsconfig[^/]*|[^/]*config|[^/]*settings|tokenizer[^/]*|vocab|special_tokens_map|added_tokens|"
    r"[^/]*\.schema|schema|manifest|launch|tasks|extensions|angular|nx|lerna|turbo|renovate|vercel|firebase|babel|\.[^/]*|openapi|swagger|[^/]*\.index|model_index|"
    r"preprocessor_config|generation_config|merges|pipfile|project|index)\.json$|(?:^|/)sboms?/|\.(?:cyclonedx|cdx|spdx|sarif)\.json$|\.(?:code-workspace|webmanifest)$"
)


def read_json(context: Context, path: str, sheet: Sheet) -> bool:
    """Fill the sheet from a JSON file that holds records. Return False when it is something else."""
    data = read_bytes(context, path) if not path.lower().endswith(".gz") else _unpacked(context, path)
    try:
        value = json.loads(decode(data))
    except (ValueError, RecursionError):
        if _CONFIGURATION.search(path):
            return False
        return _lines_of_json(context, path, sheet, data)
    if _CONFIGURATION.search(path) and not isinstance(value, list):
        return False
    spread = _Records(sheet)
    try:
        return _records(value, spread)
    finally:
        spread.flush()


def _lines_of_json(context: Context, path: str, sheet: Sheet, data: bytes) -> bool:
    first = data.lstrip().split(b"\n", 1)[0].strip()
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        sheet.profiles.append(Profile("(broken text)", text=True))
        sheet.profiles[-1].add(data.decode("utf-8", "replace").split("\n"))
        raise Unreadable("not valid JSON; was the file cut short?") from None
    read_jsonl(context, path, sheet)
    return True


def _unpacked(context: Context, path: str) -> bytes:
    from mlguard.scanners import MAX_TEXT_BYTES

    with opened(context, path) as file:
        data = _piece(file, MAX_TEXT_BYTES + 1)
    if len(data) > MAX_TEXT_BYTES:
        raise Unreadable(f"larger than the limit of {MAX_TEXT_BYTES // 2**20} MiB for this kind of file")
    return data


def _records(value: object, spread: _Records) -> bool:
    if isinstance(value, list):
        if not any(isinstance(item, (dict, list)) for item in value):
            return False
        for item in value:
            spread.add(item)
        return True
    if not isinstance(value, dict) or "$schema" in value:
        return False
    lists = {key: item for key, item in value.items() if isinstance(item, list) and item}
    inner = {key: item for key, item in lists.items() if all(isinstance(part, dict) for part in item[:100])}
    if inner:
        for key, item in inner.items():
            for record in item:
                spread.add({key: [record]})
        return True
    if lists and len(lists) == len(value) and len({len(item) for item in lists.values()}) == 1:
        for place in range(len(next(iter(lists.values())))):
            spread.add({key: item[place] for key, item in lists.items()})
        return True
    parts = [item for item in value.values() if isinstance(item, dict)]
    if len(parts) == len(value) and len(parts) > 1:
        return _keyed(value, parts, spread)
    return False


def _keyed(value: Mapping[str, Any], parts: Sequence[Mapping[str, Any]], spread: _Records) -> bool:
    """Spread an object of objects of one shape: records by their key, or columns by their row number."""
    keys = Counter(key for part in parts for key in part)
    if not keys or sum(keys.values()) < 0.6 * len(keys) * len(parts):
        return False
    if all(key.isdigit() for key in keys):
        for key in keys:
            spread.add({name: part.get(key) for name, part in value.items()})
        return True
    if not any(terms.term_of(key) for key in keys):
        return False
    for key, part in value.items():
        spread.add({"(key)": key, **part})
    return True


# --- Parquet and Arrow


def read_parquet(context: Context, path: str, sheet: Sheet) -> None:
    """Fill the sheet from Parquet: the rows, and the texts of the footer, which outlive what was dropped from the rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(open_path(context, path), pre_buffer=False, memory_map=False) as file:
            sheet.width = len(file.schema_arrow)
            columns = _Arrow(sheet)
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                columns.add(batch)
            columns.close()
            _footer(file, sheet)
    except (pa.ArrowException, OSError, ValueError, KeyError, NotImplementedError):
        raise Unreadable("the Parquet file is damaged, encrypted or cut short") from None


def read_arrow(context: Context, path: str, sheet: Sheet) -> None:
    """Fill the sheet from an Arrow IPC file (Feather) or stream."""
    import pyarrow as pa
    import pyarrow.ipc as ipc

    try:
        with pa.memory_map(str(open_path(context, path))) as source:
            columns = _Arrow(sheet)
            if source.read(6) == b"ARROW1":
                with ipc.open_file(source) as file:
                    sheet.width = len(file.schema)
                    for number in range(file.num_record_batches):
                        columns.add(file.get_batch(number))
            else:
                source.seek(0)
                with ipc.open_stream(source) as stream:  # as the datasets library caches tables
                    sheet.width = len(stream.schema)
                    for batch in stream:
                        columns.add(batch)
            columns.close()
    except (pa.ArrowException, OSError, ValueError, KeyError, NotImplementedError):
        raise Unreadable("the Arrow file is damaged or cut short") from None


class _Arrow:
    """Spreads the columns of Arrow batches over profiles."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.profiles: dict[str, Profile] = {}
        self.bytes_seen: set[str] = set()

    def add(self, batch: Any) -> None:
        self.sheet.rows += batch.num_rows
        names = Counter(batch.schema.names)
        for place, (name, column) in enumerate(zip(batch.schema.names, batch.columns, strict=True), 1):
            shown = terms.shown(name, place) if names[name] == 1 else f"{terms.shown(name, place)} ({place})"
            hidden = terms.reveals(name)
            self._leaves(shown, "" if hidden else name, column, 0)
            if hidden and shown not in self.bytes_seen:
                self.bytes_seen.add(shown)
                self._profile(shown, "").add([name])

    def _profile(self, shown: str, label: str) -> Profile:
        if shown not in self.profiles:
            self.profiles[shown] = Profile(shown, label)
            self.sheet.profiles.append(self.profiles[shown])
        return self.profiles[shown]

    def _leaves(self, shown: str, label: str, array: Any, depth: int) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        kind = array.type
        if depth > MAX_DEPTH or len(self.profiles) > MAX_COLUMNS:
            raise Unreadable(f"nested deeper than {MAX_DEPTH} levels or wider than {MAX_COLUMNS} columns")
        if isinstance(kind, pa.BaseExtensionType):
            self._leaves(shown, label, array.storage, depth + 1)
        elif pa.types.is_dictionary(kind):
            self._leaves(shown, label, array.dictionary_decode(), depth + 1)
        elif pa.types.is_struct(kind):
            for number, part in enumerate(array.flatten()):
                key = kind.field(number).name
                self._leaves(f"{shown}.{terms.shown(key, number + 1)}", f"{label}.{key}", part, depth + 1)
        elif pa.types.is_map(kind):
            self._leaves(f"{shown}.(keys)", "", array.keys, depth + 1)
            self._leaves(f"{shown}.*", label, array.items, depth + 1)
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
            self._leaves(f"{shown}[]", label, pc.list_flatten(array), depth + 1)
        elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
            self._raw(shown, label, array)
        elif not (pa.types.is_null(kind) or pa.types.is_boolean(kind)):
            self._plain(shown, label, array)

    def _raw(self, shown: str, label: str, array: Any) -> None:
        import pyarrow as pa

        try:
            self._profile(shown, label).add(array.cast(pa.binary()).cast(pa.string()).cast(pa.large_string()))
        except pa.ArrowInvalid:
            if shown not in self.bytes_seen:
                self.bytes_seen.add(shown)
                self.sheet.missed.append(
                    f"column {shown!r} holds bytes that are no text (pictures, sound?); they were not looked at"
                )

    def _plain(self, shown: str, label: str, array: Any) -> None:
        import pyarrow as pa

        profile = self._profile(shown, label)
        if (
            (pa.types.is_floating(array.type) or pa.types.is_integer(array.type))
            and profile.term is None
            and _small(array)
        ):
            profile.cells += len(array) - array.null_count
            return
        try:
            profile.add(array.cast(pa.large_string()))
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
            profile.add([None if value is None else str(value) for value in array.to_pylist()])

    def close(self) -> None:
        self.sheet.width = max(self.sheet.width, 1)


def _small(array: Any) -> bool:
    """Say whether a batch of numbers holds fractions or numbers of less than seven digits only."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = array.drop_null()
    if not len(array):
        return True
    if pa.types.is_floating(array.type):
        array = pc.cast(array, pa.float64())
        array = array.filter(pc.is_finite(array))
        if not len(array) or pc.mean(pc.cast(pc.equal(pc.floor(array), array), pa.float64())).as_py() < 0.99:
            return True
    top: float = pc.max(array).as_py()
    return top < 1_000_000


def _footer(file: Any, sheet: Sheet) -> None:
    texts: list[str] = []
    for key, value in sorted((file.schema_arrow.metadata or {}).items()):
        if key not in (b"ARROW:schema", b"pandas", b"huggingface"):
            texts += [key.decode("utf-8", "replace"), *value.decode("utf-8", "replace").split("\n")]
    meta = file.metadata
    for group in range(min(meta.num_row_groups, 1000)):
        for column in range(min(meta.num_columns, MAX_COLUMNS)):
            statistics = meta.row_group(group).column(column).statistics
            if statistics is not None and statistics.has_min_max:
                texts += [value for value in (statistics.min, statistics.max) if isinstance(value, str)]
    if texts:
        sheet.profiles.append(Profile("(footer)", text=True))
        sheet.profiles[-1].add(texts)


# --- Text


def read_text(context: Context, path: str, sheet: Sheet, pieces: Callable[[str], Iterable[str]] | None = None) -> None:
    """Fill the sheet from lines of text, as one column of prose."""
    profile = Profile(PROSE, text=True)
    sheet.profiles.append(profile)
    sheet.width = 1
    batch: list[str] = []
    size = 0
    rows = frames.Rows() if sheet.format == "sql" else None
    try:
        for line in lines_of(context, path, sheet):
            if rows is not None:
                rows.take(line)
            batch += pieces(line) if pieces else (line,)
            size += len(line)
            if size > BATCH_CHARS or len(batch) > BATCH_ROWS:
                profile.add(batch)
                sheet.rows += len(batch)
                batch, size = [], 0
    finally:
        profile.add(batch)
        sheet.rows += len(batch)
        if rows is not None:
            rows.close()
            sheet.profiles += rows.profiles


def table_in_text(context: Context, path: str) -> bool:
    """Say whether a file without a telling suffix is a table: nearly all of its first lines have the same cells."""
    lines = list(islice(lines_of(context, path, Sheet("")), 200))
    full = [line for line in lines if line.strip()]
    if len(full) < 3:
        return False
    dialect = sniff("".join(full))
    return dialect.steady > 0.97 and (dialect.width > 2 or dialect.width > 1 and dialect.delimiter in "\t|;")


__all__ = [
    "Sheet", "read_arrow", "read_csv", "read_json", "read_jsonl", "read_parquet", "read_text", "shapes", "strings", "table_in_text",
]  # fmt: skip
