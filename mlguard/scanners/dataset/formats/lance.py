"""Reads Lance tables with its own library: the live rows, deleted rows and those of older versions that are still on disk.

The library opens files by itself, so a table whose manifests name anything outside its folder is refused before it is opened.
Structure of a table: https://lance.org/format/table/.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners.dataset.folders import Folder
from mlguard.scanners.dataset.formats import shards
from mlguard.scanners.dataset.formats.delta import DELETED, LOG_TEXT
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import Table

MAX_VERSIONS = 1000
"""Older versions whose rows are looked for, newest first."""

MAX_MANIFEST_BYTES = 64 * 2**20
"""The largest manifest that is read."""

MAX_MANIFESTS = 20_000
"""Manifests and transactions of one table."""

ROWS = 8192
"""Rows that the library hands out at once."""

BUFFER_BYTES = 64 * 2**20
"""What the library may read ahead."""

_STRING = re.compile(rb"[\x20-\x7e\x80-\xff]{6,}")
_ELSEWHERE = re.compile(rb"([\x80-\xff]?)([\x01-\x7f])(?=/|[a-z][a-z0-9+.-]{1,10}://)")
_PATH = re.compile(rb"[\x21-\x7e]+\Z")
_TEXT_INDEX = re.compile(r"^_indices/[^/]+/(?:tokens|invert|part_\d+_tokens|page_data|bitmap_page_lookup)[^/]*\.lance$")


def tables(source: Source) -> Iterator[Table]:
    """Refuse a single file: a table is a folder, see ``read``."""
    raise Unreadable("a file of a Lance table says nothing without the folder around it")


def read(folder: Folder) -> Iterator[Table]:
    """Yield the table of live rows, and that of rows that are deleted or of older versions but still on disk."""
    root = _root(folder)
    lines = list(_judged(folder))
    try:
        import lance
    except ImportError:
        raise Unreadable("a Lance table needs pylance: pip install 'mlguard[lance]'") from None

    dataset = _guarded(lambda: lance.dataset(str(root)))
    table = Table("lance", iter(()), "")
    table.batches = shards.together(_batches(dataset.scanner, False))
    shards.note(table, LOG_TEXT, lines)
    if any(map(_TEXT_INDEX.match, folder.files)):
        table.missed.append(("skipped", "indices over texts are not read; they may keep values of rows that are gone"))
    yield table

    gone = Table("lance", iter(()), DELETED)
    gone.batches = shards.together(_gone(dataset, gone, folder))
    first = next(gone.batches, None)
    if first is not None or gone.missed:
        gone.batches = _chained(first, gone.batches)
        yield gone


def _chained(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    if first is not None:
        yield first
    yield from rest


def _root(folder: Folder) -> Path:
    """Return the folder on disk. Raises Unreadable when the table is elsewhere, or a link in it leads out of it."""
    root: Path | None = None
    for path, source in folder.files.items():
        if source.local is None:
            raise Unreadable("a Lance table inside an archive or a store is not read")
        above = Path(*source.local.parts[: len(source.local.parts) - path.count("/") - 1])
        root = root or above
        real = os.path.realpath(source.local)
        if not real.startswith(os.path.realpath(root) + os.sep):
            raise Unreadable("a link in the table's folder leads out of it")
    if root is None:
        raise Unreadable("the table's folder is empty")
    return root


def _judged(folder: Folder) -> Iterator[str]:
    """Yield the texts of transactions, which hold the conditions of deletions. Raises Unreadable for a path that leads out."""
    bookkeeping = sorted(path for path in folder.files if path.endswith((".manifest", ".txn")))
    if len(bookkeeping) > MAX_MANIFESTS:
        raise Unreadable(f"the table has more than {MAX_MANIFESTS:,} manifests")
    for path in bookkeeping:
        data = shards.whole_of(folder.files[path], MAX_MANIFEST_BYTES)
        if b"../" in data or any(_leads_out(data, match) for match in _ELSEWHERE.finditer(data)):
            raise Unreadable("the table names files outside its folder, which are not followed")
        if path.endswith(".txn"):
            yield from (match.group().decode("utf-8", "replace") for match in _STRING.finditer(data))


def _leads_out(data: bytes, match: re.Match[bytes]) -> bool:
    """Say whether a string of Protocol Buffers, a length and so many bytes, is an absolute path or an address."""
    low, high = match.group(1), match.group(2)[0]
    sizes = [high, (low[0] & 0x7F) | high << 7] if low else [high]
    texts = [(size, data[match.end() : match.end() + size]) for size in sizes if size > 1]
    return any(len(text) == size and _PATH.match(text) for size, text in texts)


def _guarded(work: Callable[[], Any]) -> Any:
    """Return what the library returns. Raises Unreadable for all that it may raise, panics of its core too."""
    import pyarrow as pa

    try:
        return work()
    except (pa.ArrowException, OSError, ValueError, RuntimeError, TypeError, KeyError, NotImplementedError):
        raise Unreadable("the table is damaged, or of a version that the library does not read") from None
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            raise Unreadable("the table is damaged, or of a version that the library does not read") from None
        raise


def _batches(scanner: Callable[..., Any], deleted: bool) -> Iterator[Any]:
    """Yield the rows of a scan; with ``deleted`` only those that are deleted, which have no identity any more."""
    options = {"with_row_id": True, "include_deleted_rows": True} if deleted else {}
    batches = _guarded(
        lambda: iter(scanner(batch_size=ROWS, batch_readahead=1, io_buffer_size=BUFFER_BYTES, **options).to_batches())
    )
    while True:
        batch = _guarded(lambda: next(batches, None))
        if batch is None:
            return
        if deleted:
            batch = batch.filter(batch.column("_rowid").is_null()).drop_columns(["_rowid"])
        if batch.num_rows:
            yield batch


def _gone(dataset: Any, table: Table, folder: Folder) -> Iterator[Any]:
    """Yield deleted rows of live files, then the rows of files that only older versions name."""
    current: set[str] = set()
    try:
        current |= _guarded(lambda: {file.path for part in dataset.get_fragments() for file in part.data_files()})
        for fragment in _guarded(dataset.get_fragments):
            if _guarded(lambda: fragment.num_deletions):  # noqa: B023 - used at once
                yield from _batches(fragment.scanner, True)
        yield from _older(dataset, table, current)
    except Unreadable as trouble:
        table.missed.append(("unreadable", f"rows that are gone but still on disk: {trouble}"))
    orphans = sum(1 for path in folder.files if path.startswith("data/") and path.endswith(".lance") and path[5:] not in current)  # fmt: skip
    if orphans:
        table.missed.append(("unreadable", f"{orphans:,} data files belong to no version and were not read"))


def _older(dataset: Any, table: Table, current: set[str]) -> Iterator[Any]:
    versions = sorted((int(item["version"]) for item in _guarded(dataset.versions)), reverse=True)
    if len(versions) > MAX_VERSIONS:
        table.missed.append(("skipped", f"only the newest {MAX_VERSIONS:,} versions were looked at"))
    for version in versions[:MAX_VERSIONS]:
        if version == dataset.version:
            continue
        try:
            then = _guarded(lambda: dataset.checkout_version(version))  # noqa: B023 - used at once
            for fragment in _guarded(then.get_fragments):
                files = _guarded(lambda: {file.path for file in fragment.data_files()})  # noqa: B023 - used at once
                if not files <= current:
                    current |= files
                    yield from _everything(fragment)
        except Unreadable as trouble:
            table.missed.append(("unreadable", f"an older version: {trouble}"))


def _everything(fragment: Any) -> Iterator[Any]:
    """Yield all rows of a fragment of an older version, deleted ones too."""
    for batch in _batches(
        lambda **options: fragment.scanner(with_row_id=True, include_deleted_rows=True, **options), False
    ):
        yield batch.drop_columns(["_rowid"])
