"""Reads the data in archives and compressed files: zip, tar, gzip, bzip2, xz, zstd and lz4, one in another too.

A compressed file is read like the plain one. Of an archive those members are read that the scanner would read in a folder, and
tables of one shape (the shards of a dataset, a folder of texts) are one table. Archives that are models belong to the scanner of
models. Nothing is unpacked to a disk, and no name of a member is used as a path.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import BinaryIO, cast

from mlguard import lazy
from mlguard.artifacts import Artifact, kind_of
from mlguard.errors import Unreadable
from mlguard.findings import Detection
from mlguard.scanners import zstd
from mlguard.scanners.dataset import formats
from mlguard.scanners.dataset.formats import merging, tarball
from mlguard.scanners.dataset.formats.budget import Budget, Meter
from mlguard.scanners.dataset.formats.window import Window, handle, once
from mlguard.scanners.dataset.source import Source, of_bytes, renamed
from mlguard.scanners.dataset.table import Table
from mlguard.values import replace

CODECS = {"gzip": "gzip", "bzip2": "bzip2", "xz": "xz", "zstd": "zstd", "lz4": "lz4"}
"""Codec of ``mlguard.scanners.model.codecs`` by kind."""

STREAMED = frozenset({"csv", "tsv", "jsonl", "json", "text", "markdown", "sql", "log"})
"""Kinds whose readers take a handle that cannot seek."""

MAX_ARCHIVES = 4
"""Archives and compressed streams around a member."""

MAX_READ_MEMBERS = 10_000
"""Members with data that are read."""

MAX_HELD_BYTES = 256 * 2**20
"""Unpacked members in memory together, where a reader must seek. What is larger is not read."""

MAX_RECORD_BYTES = 2**20
"""A member that is one object of JSON."""

MAX_SPOOLED_BYTES = 128 * 2**20
"""A large member of a stream, packed again."""

SPOOL_BYTES = 2**20
"""Pieces in which a member is packed again."""

SMALL_BYTES = 4 * 2**20
"""A member of a stream up to this size is read whole before its kind is told."""

_SUFFIX = lazy.pattern(r"(?i)\.(?:gz|gzip|bz2|xz|zst|zstd|lz4|z)$")
_TAR_SUFFIX = lazy.pattern(r"(?i)\.(?:tgz|tbz2?|txz|tzst|tlz4)$")
_JUNK = lazy.pattern(r"(?:^|/)(?:__MACOSX/|\.DS_Store$|\._[^/]*$|Thumbs\.db$|\.git/)")
_LEADING = lazy.pattern(r"^(?:[A-Za-z]:)?[/\\]+|(?<![^/\\])\.{1,2}[/\\]+")


def tables(source: Source) -> Iterator[Table]:
    """Yield the tables inside. The last may be one without columns that only tells what was not read."""
    kind = formats.kind_of(source)
    budget = Budget(max(source.size, 0))
    if kind in CODECS:
        yield from _compressed(source, kind, budget)
    else:
        yield from merging.merged(_archived(source, kind, budget), budget)
    if missed := budget.told():
        yield Table(kind, iter(()), rows=0, missed=missed)


def traces(source: Source) -> Iterator[Detection]:
    """Yield a detection for each kind of trace that pictures and recordings in an archive carry; see ``media``."""
    from mlguard.scanners.dataset.formats import media

    kind = formats.kind_of(source)
    budget = Budget(max(source.size, 0), traces={})
    for _ in read(source, kind, budget):
        pass
    for check in media.WHAT:
        if members := (budget.traces or {}).get(check):
            yield media.told(check, source.name, len(members), budget.media, min(members))


def _look(source: Source, kind: str, budget: Budget) -> None:
    from mlguard.scanners.dataset.formats import media

    if kind in media.KINDS and budget.traces is not None:
        with source.open() as file:
            data = file.read(media.MAX_BLOCK_BYTES)
        budget.media += 1
        for mark in media.look(cast(BinaryIO, io.BytesIO(data)), len(data), data[: media.HEAD_BYTES]):
            budget.traces.setdefault(mark, []).append(source.within)


# --- One compressed stream


def _compressed(source: Source, kind: str, budget: Budget) -> Iterator[Table]:
    """Yield the tables of a compressed file under their own names."""
    inner = _unpacked(source, kind, budget)
    head = inner.head()
    found = _member_kind(inner, head)
    if found == "tar":
        yield from merging.merged(_archived(inner, "tar", budget), budget)
    elif found == "zip":
        yield from merging.merged(_archived(inner, "zip", budget), budget)
    elif found in CODECS:
        yield from (table for _, table in read(inner, found, budget))
    elif _wanted(inner, found):
        yield from (
            _noted(table, budget) for table in formats.tables(_seekable(inner, found, budget), _format(inner, found))
        )


def _noted(table: Table, budget: Budget) -> Table:
    batches = table.batches

    def followed() -> Iterator[object]:
        try:
            yield from batches
        finally:
            table.missed += budget.told()

    table.batches = followed()
    return table


def _unpacked(source: Source, kind: str, budget: Budget) -> Source:
    """Return what a compressed source unpacks to, without the suffix. Each handle starts at the first byte."""
    name = _TAR_SUFFIX.sub(".tar", _SUFFIX.sub("", source.called))
    within = source.within.removesuffix(source.called) + name if source.within else ""
    plain = renamed(source, within or name)
    meter = Meter(budget, "", max(source.size, 1))
    if not source.seekable:
        source = _held(source, budget)

    def opener() -> BinaryIO:
        return handle(meter.run(_decoded(source, kind)))

    return Source(plain.name, -1, opener, None, False, plain.within, source.depth + 1)


def _decoded(source: Source, kind: str) -> Iterator[bytes]:
    from mlguard.scanners.model import codecs
    from mlguard.scanners.model.source import Buffer

    with source.open() as file:
        window = Window(file, source.size)
        codec = codecs.codec_of(cast(bytes, window[:512])) or CODECS[kind]
        if codec == "zstd":
            yield from zstd.pieces(window)
            return
        try:
            yield from codecs.pieces(cast(Buffer, window), 0, len(window), codec)
        except codecs.Missing as missing:
            raise Unreadable(f"packed with {kind}, which needs a package: pip install {missing}") from None


# --- Archives


def read(source: Source, kind: str, budget: Budget) -> Iterator[tuple[str, Table]]:
    """Yield (name of the member, table) of a source of any kind. Trouble is noted."""
    name, held = source.within, budget.held
    try:
        if kind in CODECS or kind in ("zip", "tar"):
            yield from _inner(source, kind, budget)
        elif budget.traces is not None:
            _look(source, kind, budget)
        elif _wanted(source, kind) and _counted(budget):
            yield from _data(source, kind, budget)
    except Unreadable as trouble:
        budget.note("unreadable", str(trouble), name)
    finally:
        budget.held = held


def _inner(source: Source, kind: str, budget: Budget) -> Iterator[tuple[str, Table]]:
    if source.depth > MAX_ARCHIVES:
        budget.note("skipped", f"lies in more than {MAX_ARCHIVES} archives", source.within)
    elif kind in CODECS:
        inner = _unpacked(source, kind, budget)
        yield from read(inner, _member_kind(inner, inner.head()), budget)
    else:
        yield from _archived(source, kind, budget)


def _counted(budget: Budget) -> bool:
    budget.members += 1
    if budget.members > MAX_READ_MEMBERS:
        budget.note("too-large", f"holds more than {MAX_READ_MEMBERS:,} members with data; the rest was not read")
        budget.spent = True
    return not budget.spent


def _data(source: Source, kind: str, budget: Budget) -> Iterator[tuple[str, Table]]:
    seen, name = 0, source.within
    for table in _tables_of(source, kind, budget):
        seen += 1
        yield name, _guarded(table, budget, name)
    if not seen and kind == "json" and "*" in merging.starred(name):
        yield from ((name, _guarded(table, budget, name)) for table in _lone_record(source))


def _tables_of(source: Source, kind: str, budget: Budget) -> Iterator[Table]:
    return formats.tables(_seekable(source, kind, budget), _format(source, kind))


def _lone_record(source: Source) -> Iterator[Table]:
    """Yield the one object of a numbered member, as a row: sets of pictures and sounds have such a file for each sample."""
    import json

    with source.open() as file:
        data = file.read(MAX_RECORD_BYTES)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(value, dict):
        yield from formats.tables(
            of_bytes(source.name, json.dumps(value).encode(), source.within, source.depth), "jsonl"
        )


def _guarded(table: Table, budget: Budget, name: str) -> Table:
    batches = table.batches

    def followed() -> Iterator[object]:
        try:
            yield from batches
        except Unreadable as trouble:
            budget.note("unreadable", str(trouble), name)
        for kind, reason in table.missed:
            budget.note(kind, reason, name)
        table.missed = []

    table.batches = followed()
    return table


def _seekable(source: Source, kind: str, budget: Budget) -> Source:
    """Return a source that the kind's reader can take. Raises Unreadable when it is too large to be held."""
    if source.seekable or kind in STREAMED:
        return source
    return _held(source, budget)


def _held(source: Source, budget: Budget) -> Source:
    room = MAX_HELD_BYTES - budget.held
    with source.open() as file:
        data = file.read(room + 1)
    if len(data) > room:
        raise Unreadable(f"does not fit into the {MAX_HELD_BYTES // 2**20} MiB for members whose reader must seek")
    budget.held += len(data)
    return of_bytes(source.name, data, source.within, source.depth)


def _archived(source: Source, kind: str, budget: Budget) -> Iterator[tuple[str, Table]]:
    if kind == "tar":
        yield from _tarred(source, budget)
    else:
        yield from _zipped(_seekable(source, kind, budget), budget)


def _zipped(source: Source, budget: Budget) -> Iterator[tuple[str, Table]]:
    from mlguard.scanners.dataset.formats import office
    from mlguard.scanners.model import archives, zips
    from mlguard.scanners.model.source import Buffer

    with source.open() as file:
        window = cast(Buffer, Window(file, source.size))
        directory = zips.read(window, 0, source.size)
        found = archives.kind_of(directory, source.called)
        if found == "npz" and "npz" in formats.MODULES and budget.traces is None:
            yield from _read_as(source, "npz", budget)
            return
        if found not in ("zip", "npz"):
            return  # a model, and the scanner of models looks into it
        names = {member.name for member in directory.members}
        if budget.traces is not None and (_spreadsheet(window, directory, names) or office.kind_of(names)):
            return
        if sheets := _spreadsheet(window, directory, names):
            yield from _read_as(source, sheets, budget)
            return
        if office.kind_of(names):
            yield from (
                (source.within, _guarded(table, budget, source.within)) for table in office.read(window, directory)
            )
            return
        for check, name, _ in directory.problems:
            if check in _PROBLEMS:
                budget.note("unreadable", _PROBLEMS[check], shown(name) if name else "")
        done: set[tuple[int, int, int]] = set()
        for number, member in enumerate(sorted(directory.members, key=lambda member: merging.order(member.name)), 1):
            place = (member.start, member.end, member.method)
            if budget.spent or place in done and member.end > member.start:
                continue
            done.add(place)
            if member.name.endswith("/") or _JUNK.search(member.name):
                continue
            yield from _zip_member(source, window, member, shown(member.name, number), budget)


def _spreadsheet(window: object, directory: object, names: set[str]) -> str:
    """Return the kind of a workbook, or ""."""
    from mlguard.scanners.model import zips
    from mlguard.scanners.model.source import Buffer

    if "xl/workbook.xml" in names or "xl/workbook.bin" in names:
        return "xlsx"
    for member in cast(zips.Directory, directory).members if "mimetype" in names else ():
        if member.name == "mimetype" and not member.encrypted:
            said = next(zips.iterate(cast(Buffer, window), member), b"")
            return "ods" if b"opendocument.spreadsheet" in said[:200] else ""
    return ""


_PROBLEMS = {
    "no-directory": "the directory of the archive is cut off or wrong; members were found by their headers",
    "out-of-bounds": "a member lies outside the archive, which was cut short",
    "overlap": "members of the archive overlap",
    "header-mismatch": "the two headers of a member contradict each other",
    "hidden-member": "the directory of the archive hides a member",
}
"""What readers of data should know, by check of ``mlguard.scanners.model.zips``."""


def _zip_member(
    source: Source, window: object, member: object, name: str, budget: Budget
) -> Iterator[tuple[str, Table]]:
    from mlguard.scanners.model import zips
    from mlguard.scanners.model.codecs import Missing
    from mlguard.scanners.model.source import Buffer

    entry = cast(zips.Member, member)
    if (entry.attributes >> 28) == 0xA:
        budget.note("skipped", "a link in an archive is not followed", name)
        return
    if entry.encrypted:
        if _named_data(source, name):
            budget.note("unreadable", "is encrypted", name)
        return
    meter = Meter(budget, name, max(1, entry.end - entry.start), entry.crc)

    def pieces() -> Iterator[bytes]:
        try:
            yield from zips.iterate(cast(Buffer, window), entry)
        except Missing as missing:
            raise Unreadable(f"is packed so that it needs a package: pip install {missing}") from None

    inner = source.member(name, entry.size or -1, lambda: handle(meter.run(pieces())))
    head = inner.head()
    yield from read(inner, _member_kind(inner, head), budget) if head else ()


def _tarred(source: Source, budget: Budget) -> Iterator[tuple[str, Table]]:
    """Yield the members of a tar archive; sorted by name when it can be read at any place, else as they come."""
    with source.open() as file:
        tape = tarball.Tape(file, source.seekable)
        entries = _told(tape.entries(), budget)
        if source.seekable:
            entries = iter(sorted(entries, key=lambda entry: merging.order(entry.name)))
        for number, entry in enumerate(entries, 1):
            if budget.spent:
                return
            name = shown(entry.name, number)
            if entry.special:
                budget.note("skipped", "a link, device or sparse file in an archive is not read", name)
            elif entry.size and not _JUNK.search(entry.name):
                yield from _tar_member(source, tape, entry, name, budget)


def _told(entries: Iterator[tarball.Entry], budget: Budget) -> Iterator[tarball.Entry]:
    try:
        yield from entries
    except Unreadable as trouble:
        budget.note("unreadable", str(trouble))


def _tar_member(
    source: Source, tape: tarball.Tape, entry: tarball.Entry, name: str, budget: Budget
) -> Iterator[tuple[str, Table]]:
    meter = Meter(budget, name, entry.size)
    if source.seekable:
        inner = source.member(name, entry.size, lambda: handle(meter.run(tape.content(entry))))
    elif entry.size <= SMALL_BYTES:
        data = b"".join(meter.run(tape.content(entry)))
        inner = of_bytes(source.name, data, f"{source.within} > {name}" if source.within else name, source.depth + 1)
    else:
        inner = source.member(name, entry.size, once(meter.run(tape.content(entry))))
        kind = _member_kind(inner, inner.head())
        if kind in STREAMED and budget.traces is None and _wanted(inner, kind):
            yield from _spooled(source, inner, kind, entry, meter, budget)
            return
    head = inner.head()
    yield from read(inner, _member_kind(inner, head), budget) if head else ()


def _spooled(
    source: Source, inner: Source, kind: str, entry: tarball.Entry, meter: Meter, budget: Budget
) -> Iterator[tuple[str, Table]]:
    """Yield the tables of a large member of a stream, whose reader opens it more than once.

    It is packed again in memory. Where it does not fit, the archive is unpacked again from its start each time.
    """
    import zstandard

    held, size = budget.held, 0
    room = min(MAX_SPOOLED_BYTES, MAX_HELD_BYTES - budget.held)
    parts: list[bytes] = []
    with inner.open() as file:
        while size <= room and (piece := file.read(SPOOL_BYTES)):
            parts.append(zstandard.ZstdCompressor(level=1).compress(piece))
            size += len(parts[-1])
    if size <= room:
        budget.held += size
        opener = lambda: handle(zstandard.ZstdDecompressor().decompress(part) for part in parts)  # noqa: E731
    else:
        parts.clear()
        opener = lambda: handle(meter.run(tarball.Tape(source.open(), False).content(entry)))  # noqa: E731
    try:
        yield from read(replace(inner, opener=opener), kind, budget)
    finally:
        budget.held = held


def _read_as(source: Source, kind: str, budget: Budget) -> Iterator[tuple[str, Table]]:
    name = source.within
    try:
        yield from ((name, _guarded(table, budget, name)) for table in formats.tables(source, kind))
    except Unreadable as trouble:
        budget.note("unreadable", str(trouble), name)


# --- Which members, and what they are called


def _member_kind(source: Source, head: bytes) -> str:
    return kind_of(source.called, head)


def _format(source: Source, kind: str) -> str:
    """Return the kind whose reader takes a member: one of a tree's kinds may be a name for another's."""
    if kind == "model-text" and source.called.lower().endswith(".json") or kind == "notebook":
        return "json"
    if kind == "binary":
        suffix = source.called.lower().rsplit(".", 1)[-1]
        return {"tab": "tsv", "ndjson": "jsonl", "txt": "text", "feather": "arrow", "log": "text"}.get(suffix, suffix)
    return kind


def _wanted(source: Source, kind: str) -> bool:
    """Say whether the scanner would read such a file in a folder beside the archive."""
    from mlguard.scanners import dataset

    inner = source.within.replace(" > ", "/")
    path = f"{source.name}/{inner}" if inner else source.name
    return dataset.wanted(Artifact(path, kind, max(source.size, 0))) or kind in formats.MODULES and kind not in _UNSURE


_UNSURE = frozenset({"text", "html", "xml", "npy", "npz", "pickle", "hdf5", "model-text", *("image", "audio", "video")})
"""Kinds with a reader of which only some files are data, as ``dataset.wanted`` decides."""


def _named_data(source: Source, name: str) -> bool:
    return kind_of(name, b"text\n") in formats.MODULES or kind_of(name, b"\0") in formats.MODULES or _is_packed(name)


def _is_packed(name: str) -> bool:
    return bool(
        re.search(r"(?i)\.(?:parquet|xlsx?|zip|gz|tar|zst|bz2|xz|avro|orc|db|sqlite3?|docx|pdf|eml|mbox)$", name)
    )


def shown(name: str, number: int = 1) -> str:
    """Return a member's name fit to be shown, with its suffix: without tricks of paths, and without what reveals a person."""
    from mlguard.scanners.dataset import terms

    plain = _LEADING.sub("", name.replace("\0", ""))[-200:]
    for tried in (plain, merging.starred(plain)):
        if (told := terms.shown(tried, 0)) != "column 0":
            return told
    kept = _KNOWN_SUFFIX.search(plain)
    return f"member {number}{kept[0] if kept else ''}"


_KNOWN_SUFFIX = lazy.pattern(
    r"(?i)(?:\.(?:csv|tsv|tab|jsonl?|ndjson|txt|log|sql|md|html?|xml|har|eml|mbox|vcf|ics|tar|parquet))?(?:\.[a-z0-9]{1,7})?$"
)
