"""Keeps advisories in one file that can be checked and searched at once.

Layout: eight bytes of magic with the version of the format; the length of the manifest (4 bytes, big-endian) and the manifest in
JSON; the length of a signature (1 byte, 0 or 64) and the signature of Ed25519 over all before; the SHA-256 of all before (32 bytes);
the index; the packages. The index has one entry of 33 bytes for each package, sorted: eight bytes of the SHA-256 of its canonical
name, where it begins among the packages (5), how long its two parts are (2 times 4), and twelve bytes of the SHA-256 of them. A
part is JSON, packed with zlib (RFC 1950): what decides, then the texts. The manifest has the size of the file and the SHA-256 of
the index, so that a file that was cut or changed anywhere is refused.
"""

from __future__ import annotations

import hashlib
import os
import stat
import zlib
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple

from mlguard.errors import Unreadable
from mlguard.scanners.dependencies.packages import Package, age, dumped, parsed

MAGIC = b"MLGADV\x00\x01"
NAME = "advisories.mlgdb"

MAX_DATABASE_BYTES = 2 * 2**30
MAX_MANIFEST_BYTES = 2**20
MAX_PACKAGES = 2_000_000
MAX_PART_BYTES = 256 * 2**20
"""One part of one package, unpacked."""

_NAME_BYTES, _PLACE_BYTES, _LENGTH_BYTES, _DIGEST_BYTES = 8, 5, 4, 12
ENTRY_BYTES = _NAME_BYTES + _PLACE_BYTES + 2 * _LENGTH_BYTES + _DIGEST_BYTES

Verify = Callable[[bytes, bytes], bool]
"""Says whether a signature (second) over bytes (first) is by somebody who is trusted."""


class Manifest(NamedTuple):
    """What a database says of itself. ``snapshot`` is the day of the newest record, ``created`` that of the making, both YYYY-MM-DD.

    ``entries`` counts the records about PyPI that were read, the withdrawn and broken ones among them.
    """

    source: str
    sha256: str
    snapshot: str
    created: str
    entries: int
    packages: int
    advisories: int
    withdrawn: int
    malicious: int
    broken: int
    size: int
    index_sha256: str

    @property
    def text(self) -> bytes:
        """Return the manifest as it is written."""
        return dumped(dict(sorted(self._asdict().items())))


_NUMBERS = ("entries", "packages", "advisories", "withdrawn", "malicious", "broken", "size")


def _manifest(text: bytes) -> Manifest:
    value = parsed(text)
    if not isinstance(value, dict) or set(value) != set(Manifest._fields):
        raise Unreadable("the advisory database has a manifest of another form; make it again with mlguard db update")
    for name, item in value.items():
        wrong = type(item) is not int or item < 0 if name in _NUMBERS else not isinstance(item, str)
        if wrong:
            raise Unreadable(
                "the advisory database has a manifest of another form; make it again with mlguard db update"
            )
    return Manifest(**value)


def default_path(environment: Mapping[str, str] | None = None) -> Path:
    """Return where the database of this user is kept. https://specifications.freedesktop.org/basedir-spec/latest/"""
    environment = os.environ if environment is None else environment
    base = environment.get("XDG_DATA_HOME", "")
    home = (
        Path(base) if os.path.isabs(base) else Path(environment.get("HOME") or os.path.expanduser("~"), ".local/share")
    )
    return home / "mlguard" / NAME


def is_database(path: Path) -> bool:
    """Say whether a file begins as a database does, of whatever version."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb") as file:
            return file.read(6) == MAGIC[:6]
    except OSError:
        return False


class Database:
    """An open database: a source of advisories. Each part is checked when it is read."""

    def __init__(self, file: IO[bytes], manifest: Manifest, index: bytes, begin: int, signed: bool) -> None:
        self.manifest, self.signed = manifest, signed
        self._file, self._index, self._begin = file, index, begin

    @property
    def entries(self) -> int:
        return self.manifest.entries

    @property
    def broken(self) -> int:
        return self.manifest.broken

    def age(self, today: date) -> int | None:
        return age(self.manifest.snapshot, today)

    def known(self, name: str) -> Package | None:
        """Return what is known of a package by its canonical name. Raises Unreadable when that is not what was written."""
        wanted = _hash(name)
        entry = bisect_left(range(self.manifest.packages), wanted, key=self._name)
        if entry == self.manifest.packages or self._name(entry) != wanted:
            return None
        found = self._read(entry)
        return found if found.name == name else None

    def _name(self, entry: int) -> bytes:
        at = entry * ENTRY_BYTES
        return self._index[at : at + _NAME_BYTES]

    def _read(self, entry: int) -> Package:
        at = entry * ENTRY_BYTES + _NAME_BYTES
        begin = int.from_bytes(self._index[at : at + _PLACE_BYTES], "big")
        at += _PLACE_BYTES
        first = int.from_bytes(self._index[at : at + _LENGTH_BYTES], "big")
        second = int.from_bytes(self._index[at + _LENGTH_BYTES : at + 2 * _LENGTH_BYTES], "big")
        at += 2 * _LENGTH_BYTES
        if first + second > self.manifest.size:
            raise Unreadable("the advisory database is damaged; make it again with mlguard db update")
        try:
            self._file.seek(self._begin + begin)
            data = self._file.read(first + second)
        except (OSError, ValueError):
            raise Unreadable("the advisory database cannot be read") from None
        digest = hashlib.sha256(data).digest()[:_DIGEST_BYTES]
        if len(data) != first + second or digest != self._index[at : at + _DIGEST_BYTES]:
            raise Unreadable("the advisory database was changed or damaged; make it again with mlguard db update")
        return _package(data[:first], data[first:])

    def verify(self) -> None:
        """Read every package. Raises Unreadable where one is not what was written, or is no package."""
        total = 0
        for entry in range(self.manifest.packages):
            found = self._read(entry)
            place = found.place("1")
            for row in range(len(found.rows)):
                found.affects(row, place)
                found.advisory(row)
            if _hash(found.name) != self._name(entry) or entry and self._name(entry - 1) >= self._name(entry):
                raise Unreadable("the advisory database has an index that does not fit its packages")
            total += len(found.rows)
        if total != self.manifest.advisories:
            raise Unreadable("the advisory database does not hold as many advisories as it says")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:_NAME_BYTES]


def _unpacked(data: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        found = unpacker.decompress(data, MAX_PART_BYTES)
    except zlib.error:
        raise Unreadable("the advisory database is damaged") from None
    if not unpacker.eof or unpacker.unused_data:
        raise Unreadable("the advisory database is damaged")
    return found


def _package(decides: bytes, texts: bytes) -> Package:
    value = parsed(_unpacked(decides))
    try:
        name, table, rows = value
    except (TypeError, ValueError):
        raise Unreadable("the advisory database is damaged") from None
    if not isinstance(name, str) or not isinstance(table, list) or not isinstance(rows, list) or not _sound(rows):
        raise Unreadable("the advisory database is damaged")
    return Package(name, table, rows, lambda: _unpacked(texts))


def _sound(rows: Sequence[Any]) -> bool:
    """Say whether these are rows: what a stranger made is checked by its digests alone, which he could compute as well."""
    for row in rows:
        if not isinstance(row, list) or len(row) != 4 or not isinstance(row[3], int):
            return False
        for part in row[:2]:
            if not isinstance(part, list) or len(part) % 2 or not all(type(number) is int for number in part):
                return False
        if not isinstance(row[2], list):
            return False
    return True


def open_database(path: Path, verify: Verify | None = None) -> Database:
    """Open a database and check its manifest, size and index, and its signature when ``verify`` asks for one. Raises Unreadable."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise Unreadable("the advisory database is no regular file")
        file = open(path, "rb")  # noqa: SIM115  # the database closes it
    except FileNotFoundError:
        raise Unreadable("there is no advisory database") from None
    except OSError as error:
        raise Unreadable(
            f"the advisory database cannot be read ({os.strerror(error.errno) if error.errno else 'input error'})"
        ) from None
    try:
        return _opened(file, verify)
    except OSError:
        file.close()
        raise Unreadable("the advisory database cannot be read (input error)") from None
    except BaseException:
        file.close()
        raise


def _opened(file: IO[bytes], verify: Verify | None) -> Database:
    size = os.fstat(file.fileno()).st_size
    head = file.read(len(MAGIC) + 4)
    if not size:
        raise Unreadable("the advisory database is empty; make it again with mlguard db update")
    if head[:6] != MAGIC[:6]:
        raise Unreadable("the file is no advisory database; mlguard db update makes one")
    if head[:8] != MAGIC:
        raise Unreadable("the advisory database has another version; make it again with mlguard db update")
    length = int.from_bytes(head[8:], "big")
    if length > MAX_MANIFEST_BYTES or size > MAX_DATABASE_BYTES:
        raise Unreadable("the advisory database is damaged, or larger than 2 GiB")
    text = file.read(length)
    told = file.read(1)
    signature = file.read(told[0]) if told and told[0] in (0, 64) else b""
    digest = file.read(32)
    before = head + text + told + signature
    if len(digest) != 32 or hashlib.sha256(before).digest() != digest:
        raise Unreadable("the advisory database was cut off, changed or damaged; make it again with mlguard db update")
    manifest = _manifest(text)
    if manifest.size != size:
        raise Unreadable("the advisory database was cut off or changed; make it again with mlguard db update")
    if manifest.packages > MAX_PACKAGES:
        raise Unreadable(f"the advisory database names more than {MAX_PACKAGES} packages")
    index = file.read(manifest.packages * ENTRY_BYTES)
    if hashlib.sha256(index).hexdigest() != manifest.index_sha256:
        raise Unreadable("the advisory database was changed or damaged; make it again with mlguard db update")
    if verify is not None and not (signature and verify(head + text, signature)):
        raise Unreadable("the advisory database is not signed with one of the keys in dependencies.database_keys")
    return Database(file, manifest, index, file.tell(), bool(signature))


# ---- making one

Sign = Callable[[bytes], bytes]
"""Returns the signature of Ed25519 over bytes."""


def pack(found: Sequence[Package], facts: Mapping[str, Any], sign: Sign | None = None) -> bytes:
    """Return the bytes of a database; ``facts`` are those of the manifest that are not counted here. Raises Unreadable."""
    index, parts, begin = [], [], 0
    for one in found:
        decides = zlib.compress(dumped([one.name, one.table, one.rows]), 6)
        texts = zlib.compress(one.texts, 6)
        digest = hashlib.sha256(decides + texts).digest()[:_DIGEST_BYTES]
        index.append(
            _hash(one.name)
            + begin.to_bytes(_PLACE_BYTES, "big")
            + len(decides).to_bytes(_LENGTH_BYTES, "big")
            + len(texts).to_bytes(_LENGTH_BYTES, "big")
            + digest
        )
        parts += [decides, texts]
        begin += len(decides) + len(texts)
    index.sort()
    if len({entry[:_NAME_BYTES] for entry in index}) < len(index):
        raise Unreadable("two packages of the export have names that this format cannot tell apart")
    whole = b"".join(index)
    text = _manifest_text(facts, found, hashlib.sha256(whole).hexdigest(), len(whole) + begin, 64 if sign else 0)
    head = MAGIC + len(text).to_bytes(4, "big") + text
    signature = sign(head) if sign else b""
    before = head + bytes([len(signature)]) + signature
    return b"".join([before, hashlib.sha256(before).digest(), whole, *parts])


def _manifest_text(facts: Mapping[str, Any], found: Sequence[Package], index: str, rest: int, signature: int) -> bytes:
    """Return the manifest with the size of the file, which the digits of that size are a part of."""
    size = 0
    for _ in range(4):
        manifest = Manifest(
            **facts, packages=len(found), advisories=sum(len(one.rows) for one in found), size=size, index_sha256=index
        )
        whole = len(MAGIC) + 4 + len(manifest.text) + 1 + signature + 32 + rest
        if whole == size:
            return manifest.text
        size = whole
    raise AssertionError("the size of the manifest does not settle")


def write(path: Path, data: bytes) -> None:
    """Put a database in its place, whole or not at all. Raises OSError."""
    import tempfile

    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
