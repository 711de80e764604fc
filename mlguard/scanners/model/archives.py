"""Looks into zip and tar archives: PyTorch, NumPy, Keras and those that hold model files among others."""

from __future__ import annotations

import re
import tarfile
import zlib
from dataclasses import replace
from typing import IO, Any, cast

from mlguard.errors import Unreadable
from mlguard.findings import Record
from mlguard.scanners.model import codecs, configurations, pickles, zips
from mlguard.scanners.model.machine import Machine
from mlguard.scanners.model.source import MAX_TOTAL_BYTES, MAX_UNPACKED_BYTES, View, collect
from mlguard.scanners.model.state import MODEL_SUFFIXES, Examination, State
from mlguard.scanners.model.values import DANGEROUS
from mlguard.scanners.model.zips import Directory, Member

MAX_CHECKSUM_BYTES = 64 * 2**20
"""A stored member up to this size is compared with its checksum."""

MAX_TAR_MEMBERS = 100_000

_TENSOR = re.compile(r"(?:^|/)(?:data|constants)/\d+$|\.storage$|(?:^|/)tensors?/\d+$|(?:^|/)\.data/\d+\.storage$")
_FILE_OPERATOR = re.compile(rb"\b(?:torch|ops\.aten|ops\.prim)\.(save|from_file|load|rpc_async|rpc_sync|rpc_remote)\(")
_PLAIN = re.compile(
    r"(?:^|/)(?:version|byteorder|\.format_version|\.storage_alignment|\.data/(?:version|serialization_id)|data/serialization_id"
    r"|\.data/storage_id)$"
)


def zipped(view: View, state: State) -> Examination:
    """Look at each member of a zip archive whose first bytes say that it is of a model."""
    directory = zips.read(view.data, view.start, view.end)
    kind = _kind(directory)
    outermost = not state.format
    state.name(kind)
    unread, read = 0, 0
    problems: list[Record] = []
    for member in directory.members:
        if member.name.endswith("/") and not member.size:
            continue
        try:
            look = yield from _member(view, member, kind, state)
        except Unreadable as trouble:
            yield from state.gap("unreadable", str(trouble), _within(view, member))
            look = "read"
        unread += look == "unread"
        read += look == "read"
    is_model = read > 0 or kind != "zip" or view.name.lower().endswith(MODEL_SUFFIXES)
    if is_model:
        for check, name, byte in directory.problems:
            inner = view.inner(view.data, view.start, view.end, name) if name else view
            problems += state.malformed(check, inner, byte - view.start, kind)
        for member in directory.members:
            if check := zips.unsafe_name(member):
                inner = view.inner(view.data, view.start, view.end, member.name)
                problems += state.malformed(check, inner, member.header - view.start, kind)
    yield from problems
    if unread:
        if outermost and kind == "zip" and not read:
            state.format = ""
        yield from state.gap(
            "skipped", f"{unread} members of an archive are of kinds that are not looked into", view.within
        )
        return "read"
    return "read" if read or problems else "inert"


def _kind(directory: Directory) -> str:
    names = {member.name for member in directory.members}
    tails = {name.split("/", 1)[-1] for name in names}
    if any(name == "data.pkl" or name.endswith("/data.pkl") for name in names):
        script = "constants.pkl" in tails and any("code/" in name for name in names)
        return "torchscript" if script else "torch"
    if any(name.endswith("/.data/extern_modules") or name == ".data/extern_modules" for name in names):
        return "torch.package"
    if names and all(name.endswith(".npy") for name in names):
        return "npz"
    if {"config.json", "metadata.json"} <= names:
        return "keras"
    return "skops" if "schema.json" in names else "zip"


def _within(view: View, member: Member) -> str:
    return f"{view.within}/{member.name}" if view.within else member.name


def _member(view: View, member: Member, kind: str, state: State) -> Examination:
    head = _head(member, view)
    is_tensor = kind in ("torch", "torchscript", "torch.package") and _TENSOR.search(member.name)
    if is_tensor:
        state.tensors += 1
        return (yield from _tensor(view, member, head, state))
    if not head or _PLAIN.search(member.name):
        return "inert"
    if kind == "keras" and member.name == "config.json":
        return (yield from configurations.config(_whole(view, member, state), state))
    if kind == "skops" and member.name == "schema.json":
        return (yield from configurations.schema(_whole(view, member, state), state))
    if kind == "torchscript" and "code/" in member.name and member.name.endswith(".py"):
        return (yield from _script(_whole(view, member, state), state))
    if kind == "npz" or head.startswith(b"\x93NUMPY"):
        if member.method != 0 and b"O" not in head[:4096].split(b"}")[0].split(b"'descr'")[-1].split(b"'fortran")[0]:
            return (yield from _array_header(view, member, state))
    elif not _may_hold_model(member.name, head, kind):
        return "inert" if kind == "torchscript" and _is_script_part(member.name) else "unread"
    inner = yield from _content(view, member, kind, state)
    is_torch = kind in ("torch", "torchscript", "torch.package")
    if is_torch and member.name.endswith(".pkl") and inner.head(1) == b"\x80":
        return (yield from pickles.pickled(inner, state, torch=True, script=kind == "torchscript"))
    return (yield from state.examine(inner, state))


def _script(inner: View, state: State) -> Examination:
    """Look for operators of TorchScript that read or write files."""
    for match in _FILE_OPERATOR.finditer(memoryview(inner.data)[inner.start : inner.end]):
        name = "torch." + match.group(1).decode("ascii")
        facts: dict[str, str | int] = {"name": name, "opcode": "TorchScript code", "format": "torchscript"}
        place, length = match.start(), match.end() - match.start()
        yield from state.detection(DANGEROUS, "library-call", inner.within, place, length, name, facts)
    return "read"


def _is_script_part(name: str) -> bool:
    return "code/" in name or name.endswith(("debug_pkl", "/model.json")) or "/extra/" in name


def _may_hold_model(name: str, head: bytes, kind: str) -> bool:
    """Say whether a member is worth unpacking: by its first bytes, or by a name that stands for a pickle."""
    if head[0] == 0x80 and len(head) > 1 and head[1] <= 5 or head.startswith((b"\x93NUMPY", b"PK\x03\x04", b"\x7fELF")):
        return True
    if name.lower().endswith(MODEL_SUFFIXES) or codecs.codec_of(head) or head[257:262] == b"ustar":
        return True
    return len(head) > 9 and head[8:9] == b"{" and head[6] == 0 and head[7] == 0


def _head(member: Member, view: View) -> bytes:
    if member.method == 0:
        return bytes(view.data[member.start : min(member.end, member.start + 4096)])
    part = replace(member, end=min(member.end, member.start + 2**16))
    try:
        return next(zips.iterate(view.data, part), b"")[:4096]
    except (Unreadable, codecs.Missing):
        return b"?"


def _whole(view: View, member: Member, state: State) -> View:
    """Return the member's content, unpacked within the bounds. Raises Unreadable."""
    if member.method == 0:
        return view.inner(view.data, member.start, member.end, member.name)
    most = max(0, min(MAX_UNPACKED_BYTES, MAX_TOTAL_BYTES - state.unpacked))
    try:
        unpacked = collect(zips.iterate(view.data, member), member.end - member.start, most)
    except codecs.Missing as missing:
        raise Unreadable(f"a member is read only when {missing} is installed") from None
    state.unpacked += unpacked.size
    return view.inner(unpacked.data, 0, unpacked.size, member.name)


def _content(view: View, member: Member, kind: str, state: State) -> Any:
    """Yield what unpacking shows and return the content."""
    inner = _whole(view, member, state)
    if member.method == 0:
        if (
            len(inner) <= MAX_CHECKSUM_BYTES
            and zlib.crc32(memoryview(inner.data)[inner.start : inner.end]) != member.crc
        ):
            yield from state.malformed("checksum", inner, 0, kind)
        return inner
    packed, size = member.end - member.start, len(inner)
    if size > 50 * 2**20 and size > 200 * max(1, packed):
        yield from state.malformed("bomb", inner, 0, kind)
        yield from state.gap("too-large", "a compressed stream unpacks to more than the limit", inner.within)
    elif size >= MAX_UNPACKED_BYTES:
        yield from state.gap("too-large", "a compressed stream unpacks to more than the limit", inner.within)
    elif size < member.size and member.size:
        yield from state.gap("unreadable", "a compressed stream is damaged or cut short", inner.within)
    elif zlib.crc32(memoryview(inner.data)[:size]) != member.crc:
        yield from state.malformed("checksum", inner, 0, kind)
    return inner


def _array_header(view: View, member: Member, state: State) -> Examination:
    """Read the header of a packed array without objects; its data is not unpacked."""
    from mlguard.scanners.model import npy

    head = b"".join(piece for piece, _ in zip(zips.iterate(view.data, member), range(1), strict=False))[: 2**17]
    header = npy.read(View(head, 0, len(head), member.name))
    if header.objects:
        inner = _whole(view, member, state)
        return (yield from state.examine(inner, state))
    state.tensors += 1
    if header.size >= 0 and header.start + header.size != member.size:
        inner = view.inner(view.data, view.start, view.end, member.name)
        yield from state.malformed("trailing-data", inner, 0, "npz")
    return "read"


def _tensor(view: View, member: Member, head: bytes, state: State) -> Examination:
    """Pass over a tensor, unless its bytes are a whole pickle that imports something blocked."""
    if head[:1] == b"\x80" and 2 <= head[1] <= 5 and member.method == 0:
        probe = Machine(view.data, member.start, member.end, state.policy, strict=True)
        for _ in probe.run():
            pass
        if probe.blocked:
            inner = view.inner(view.data, member.start, member.end, member.name)
            return (yield from pickles.pickled(inner, state, torch=True))
    yield from ()
    return "read"


# -- tar


class _File:
    """A seekable reader over a view, for tarfile."""

    def __init__(self, view: View) -> None:
        self._view, self._at = view, 0

    def read(self, size: int = -1) -> bytes:
        begin = self._view.start + self._at
        end = self._view.end if size < 0 else min(self._view.end, begin + size)
        self._at += max(0, end - begin)
        return bytes(self._view.data[begin:end])

    def seek(self, place: int, whence: int = 0) -> int:
        self._at = place if whence == 0 else self._at + place if whence == 1 else len(self._view) + place
        return self._at

    def tell(self) -> int:
        return self._at


def tarred(view: View, state: State) -> Examination:
    """Look at each regular member of a tar archive; nothing is extracted."""
    unread = read = count = 0
    outermost = not state.format
    state.name("tar")
    records: list[Record] = []
    try:
        with tarfile.TarFile(fileobj=cast(IO[bytes], _File(view)), mode="r") as archive:
            for entry in archive:
                count += 1
                if count > MAX_TAR_MEMBERS:
                    yield from state.gap("too-large", "an archive has more members than the limit", view.within)
                    break
                begin = view.start + entry.offset_data
                inner = view.inner(view.data, begin, min(view.end, begin + entry.size), entry.name[:200])
                parts = entry.name.split("/")
                if ".." in parts or entry.name.startswith("/") or "\0" in entry.name:
                    records += state.malformed("traversal", inner, entry.offset, "tar")
                target = entry.linkname if entry.issym() or entry.islnk() else ""
                if ".." in target.split("/") or target.startswith("/"):
                    records += state.malformed("link", inner, entry.offset, "tar")
                if not entry.isreg() or not entry.size:
                    continue
                try:
                    look = yield from _tar_member(inner, state)
                except Unreadable as trouble:
                    yield from state.gap("unreadable", str(trouble), inner.within)
                    look = "read"
                unread += look == "unread"
                read += look == "read"
    except (tarfile.TarError, ValueError, OverflowError, EOFError, OSError, KeyError):
        yield from state.gap("unreadable", "the tar archive is damaged or cut short", view.within)
    yield from records
    if unread:
        if outermost and not read:
            state.format = ""
        yield from state.gap(
            "skipped", f"{unread} members of an archive are of kinds that are not looked into", view.within
        )
        return "read"
    return "read" if read else "inert"


def _tar_member(inner: View, state: State) -> Examination:
    head = inner.head()
    if _may_hold_model(inner.name, head, "tar") or head[:1] == b"\x80":
        return (yield from state.examine(inner, state))
    return "unread"
