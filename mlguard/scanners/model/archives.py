"""Looks into zip and tar archives: PyTorch, NumPy, Keras and those that hold model files among others."""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterator

from mlguard import lazy
from mlguard.errors import Unreadable
from mlguard.scanners.model import codecs, members, pickles, torchscript, zips
from mlguard.scanners.model.machine import Machine
from mlguard.scanners.model.members import Bundle
from mlguard.scanners.model.source import MAX_TOTAL_BYTES, MAX_UNPACKED_BYTES, View, collect
from mlguard.scanners.model.state import MODEL_SUFFIXES, Examination, State
from mlguard.scanners.model.zips import Directory, Member

TYPE_CHECKING = False
if TYPE_CHECKING:
    import tarfile
    from typing import Any

    from mlguard.findings import Record

MAX_CHECKSUM_BYTES = 64 * 2**20
"""A stored member up to this size is compared with its checksum."""

MAX_TAR_MEMBERS = 100_000
MAX_BEHIND_BYTES = 2**20
"""Bytes behind the end of a tar archive that are looked at: writers fill up with zeros."""

HEAD_BYTES = 4096
"""What is looked at of a member to tell its kind."""

_TORCH = frozenset({"torch", "torchscript", "torch.package", "torch.export"})
_TENSOR = lazy.pattern(
    r"(?:^|/)(?:data|constants|traced_inputs)/\d+$|\.storage$|(?:^|/)tensors?/\d+$|(?:^|/)\.data/\d+\.storage$"
    r"|(?:^|/)data/(?:weights/weight|constants/tensor)_\d+$|(?:^|/)xl_model_weights/[^/]+$"
)
_PLAIN = lazy.pattern(
    r"(?:^|/)(?:version|byteorder|\.format_version|\.storage_alignment|\.data/(?:version|serialization_id|python_version)"
    r"|data/serialization_id|\.data/storage_id|archive_format|archive_version)$"
)
_DOCUMENTS = frozenset(
    {"word/document.xml", "ppt/presentation.xml", "xl/workbook.xml", "xl/workbook.bin", "META-INF/manifest.xml"}
)
"""Members of documents, which the scanner of datasets reads as a whole."""

_LEGACY = frozenset({"sys_info", "pickle", "storages", "tensors"})
"""Members of the tar archives of torch before 0.1.10, which are loaded as pickles (torch/serialization.py, legacy_load)."""

_KERAS = frozenset({"metadata.json", "model.weights.h5", "model.weights.npz", "model.weights.json"})
_WELL_KNOWN = lazy.pattern(
    r"^[^/]+/(?:torch|torchvision|torchaudio|torchtext|timm|transformers|numpy|scipy|sklearn|pandas|yaml|packaging|typing_extensions)/"
)
"""Sources of packages that torch.package takes along, below the archive's own folder."""


def zipped(view: View, state: State) -> Examination:
    """Look at each member of a zip archive whose first bytes say that it is of a model."""
    directory = zips.read(view.data, view.start, view.end)
    kind = kind_of(directory, view.name)
    outermost = not state.format
    state.name(kind)
    bundle = Bundle(view, kind, _is_package(view.name, directory), _WELL_KNOWN if kind == "torch.package" else None)
    for member in directory.members:
        yield from _member(view, member, bundle, state)
    is_model = bundle.read + bundle.trouble > 0 or kind != "zip" or view.name.lower().endswith(MODEL_SUFFIXES)
    yield from members.settle(bundle, is_model, state)
    if any(member.name in _DOCUMENTS for member in directory.members):
        bundle.data = bundle.unread
    problems = list(_problems(view, directory, kind, state)) if is_model else []
    yield from problems
    if directory.unsearched:
        yield from state.gap("skipped", "bytes that no member owns are looked through only in part", view.within)
    if kind == "mar":
        yield from _archived(view, directory, state)
    return (yield from _ended(bundle, outermost and kind == "zip", bool(problems), state))


def _ended(bundle: Bundle, nameless: bool, told: bool, state: State) -> Examination:
    """Tell how many members were not looked into, and what the archive was for the scan."""
    if not bundle.read and not bundle.trouble and bundle.kind in ("zip", "tar"):
        bundle.unread -= min(bundle.unread, bundle.data)  # the scanner of datasets looks at them
        if nameless and bundle.data:
            state.format = ""
    if bundle.unread:
        if nameless and not bundle.read:
            state.format = ""
        yield from state.gap(
            "skipped",
            f"{bundle.unread} members of an archive are of kinds that are not looked into",
            bundle.view.within,
        )
        return "read"
    return "read" if bundle.read or bundle.trouble or told or bundle.kind not in ("zip", "tar") else "inert"


def _problems(view: View, directory: Directory, kind: str, state: State) -> Iterator[Record]:
    for check, name, byte in directory.problems:
        inner = view.inner(view.data, view.start, view.end, name) if name else view
        yield from state.malformed(check, inner, byte - view.start, kind)
    for member in directory.members:
        if check := zips.unsafe_name(member):
            inner = view.inner(view.data, view.start, view.end, member.name)
            yield from state.malformed(check, inner, member.header - view.start, kind)


def kind_of(directory: Directory, name: str) -> str:
    names = {member.name for member in directory.members}
    tails = {name.split("/", 1)[-1] for name in names}
    if "archive_format" in tails and any("models/" in tail or "data/aotinductor/" in tail for tail in tails):
        return "torch.export"
    if any(name.endswith("/.data/extern_modules") or name == ".data/extern_modules" for name in names):
        return "torch.package"
    if "data.pkl" in names or "data.pkl" in tails or any(name.endswith("/data.pkl") for name in names):
        script = "constants.pkl" in tails and any("code/" in name for name in names)
        return "torchscript" if script or "bytecode.pkl" in tails else "torch"
    if names and all(name.endswith(".npy") for name in names):
        return "npz"
    if "config.json" in names and (names & _KERAS or name.lower().endswith(".keras")):
        return "keras"
    if "MAR-INF/MANIFEST.json" in names:
        return "mar"
    return "skops" if "schema.json" in names else "zip"


def _is_package(name: str, directory: Directory) -> bool:
    """Say whether the archive is a package of code, which other scanners and registries look after."""
    if name.lower().endswith((".whl", ".egg", ".jar", ".war", ".apk", ".nupkg", ".conda")):
        return True
    return any(
        member.name == "META-INF/MANIFEST.MF" or member.name.endswith((".dist-info/WHEEL", "EGG-INFO/PKG-INFO"))
        for member in directory.members
    )


def _member(view: View, member: Member, bundle: Bundle, state: State) -> Iterator[Record]:
    name, kind = member.name, bundle.kind
    if kind in _TORCH and _TENSOR.search(name):
        state.tensors += 1
        if member.end - member.start > 1 and view.data[member.start] in b"\x80P":
            yield from _tensor(view, member, bundle, state)
        return
    if member.start == member.end:
        return
    head = _head(member, view)
    if not head or _PLAIN.search(name) and head[:1] != b"\x80":
        return

    def content() -> Generator[Record, None, View]:
        return (yield from _content(view, member, kind, state))

    try:
        if member.encrypted and zlib.crc32(b"") != member.crc and not _is_plain(view, member):
            yield from state.gap("skipped", "a member of an archive is encrypted", _within(view, member),
                                 "unpack the archive and scan what it holds")  # fmt: skip
            bundle.trouble += name.lower().endswith(MODEL_SUFFIXES)
        elif not (yield from _special(view, member, head, bundle, state)):
            yield from members.look(bundle, name, head, content, state)
            if member.also and name.rpartition(".")[2] != member.also.rpartition(".")[2]:
                yield from members.look(bundle, member.also, head, content, state)
    except Unreadable as trouble:
        yield from state.gap("unreadable", str(trouble), _within(view, member))
        bundle.trouble += 1


def _is_plain(view: View, member: Member) -> bool:
    """Say whether a member that is marked as encrypted is not: its checksum fits as it stands."""
    if member.size > MAX_CHECKSUM_BYTES:
        return True
    crc = size = 0
    try:
        for piece in zips.iterate(view.data, member):
            crc, size = zlib.crc32(piece, crc), size + len(piece)
            if size > MAX_CHECKSUM_BYTES:
                return True
    except (Unreadable, codecs.Missing):
        return False
    return crc == member.crc


def _special(view: View, member: Member, head: bytes, bundle: Bundle, state: State) -> Generator[Record, None, bool]:
    """Look at a member that its archive's format gives a meaning; return whether that was so."""
    name, kind = member.name, bundle.kind
    if kind == "keras" and (
        name in ("config.json", "metadata.json", "model.weights.json") or name.startswith("assets/")
    ):
        from mlguard.scanners.model.formats import keras

        return (yield from keras.member(name, _whole(view, member, state), bundle, state))
    elif kind == "skops" and name == "schema.json":
        from mlguard.scanners.model.formats import skops

        yield from skops.examine(_whole(view, member, state), state)
    elif kind == "skops" and name.endswith(".bin") and not members.may_hold_model("", head):
        return True  # the value of a bytes object (BytesNode)
    elif head.startswith(b"\x93NUMPY"):
        if member.method == 0 or b"O" in head.split(b"}")[0].split(b"'descr'")[-1].split(b"'fortran")[0]:
            return False
        yield from _array_header(view, member, state)
        bundle.read += 1
        return True
    elif kind in _TORCH:
        return (yield from _torch(view, member, head, kind, state))
    else:
        return False
    bundle.read += 1
    return True


def _torch(view: View, member: Member, head: bytes, kind: str, state: State) -> Generator[Record, None, bool]:
    name = member.name
    if kind == "torch.export":
        if "models/" in name and name.endswith(".json"):
            yield from torchscript.graph(_whole(view, member, state), state)
            return True
        return name.endswith("_config.json") and "/data/" in name or name.endswith("_metadata.json")
    if kind != "torch" and "code/" in name and name.endswith(".py"):
        yield from torchscript.script(_whole(view, member, state), state)
        return True
    if kind == "torch.package" and name.endswith("/.data/extern_modules"):
        yield from _externs(_whole(view, member, state), state)
        return True
    if kind == "torchscript" and name.endswith(("debug_pkl", "/model.json")):
        return not head.startswith(b"\x80")
    if name.endswith(".pkl") and head.startswith(b"\x80"):
        inner = yield from _content(view, member, kind, state)
        if name.endswith("bytecode.pkl"):
            yield from torchscript.bytecode(inner, state)
        yield from pickles.pickled(inner, state, torch=True, script=kind == "torchscript" or ".data/ts_code/" in name)
        return True
    return False


def _externs(inner: View, state: State) -> Iterator[Record]:
    """The modules that a package takes from where it is loaded: its own pickles and sources import them."""
    for line in inner.head(2**16).decode("utf-8", "replace").split():
        if all(part.isidentifier() for part in line.split(".")):
            state.imports.setdefault(line, "allow")
    yield from ()


def _archived(view: View, directory: Directory, state: State) -> Iterator[Record]:
    from mlguard.scanners.model.formats import mar

    names = {member.name for member in directory.members}
    for member in directory.members:
        if member.name == "MAR-INF/MANIFEST.json":
            try:
                yield from mar.manifest(_whole(view, member, state), names, state)
            except Unreadable as trouble:
                yield from state.gap("unreadable", str(trouble), _within(view, member))


def _within(view: View, member: Member) -> str:
    return f"{view.within}/{member.name}" if view.within else member.name


def _head(member: Member, view: View) -> bytes:
    if member.method == 0:
        return bytes(view.data[member.start : min(member.end, member.start + HEAD_BYTES)])
    end = min(member.end, member.start + 2**16)
    part = member.other(member.method, member.crc, member.packed, member.size, end)
    try:
        return next(zips.iterate(view.data, part), b"")[:HEAD_BYTES]
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


def _content(view: View, member: Member, kind: str, state: State) -> Generator[Record, None, View]:
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


def _array_header(view: View, member: Member, state: State) -> Iterator[Record]:
    """Read the header of a packed array without objects; its data is not unpacked."""
    from mlguard.scanners.model import npy

    head = b"".join(piece for piece, _ in zip(zips.iterate(view.data, member), range(1), strict=False))[: 2**17]
    header = npy.read(View(head, 0, len(head), member.name))
    if header.objects:
        inner = _whole(view, member, state)
        yield from state.examine(inner, state)
        return
    state.tensors += 1
    if header.size >= 0 and header.start + header.size != member.size:
        inner = view.inner(view.data, view.start, view.end, member.name)
        yield from state.malformed("trailing-data", inner, 0, "npz")


def _tensor(view: View, member: Member, bundle: Bundle, state: State) -> Iterator[Record]:
    """Pass over a tensor, unless its bytes are a whole pickle that imports something blocked, or an archive of torch's."""
    if member.method != 0:
        return
    inner = view.inner(view.data, member.start, member.end, member.name)
    if bundle.kind == "torch.export" and inner.head(4) == b"PK\x03\x04":
        yield from state.examine(inner, state)  # a weight that is no plain tensor is saved by torch.save
    elif inner.head(1) == b"\x80" and 2 <= inner.data[inner.start + 1] <= 5:
        probe = Machine(view.data, member.start, member.end, state.policy, strict=True)
        for _ in probe.run():
            pass
        if probe.blocked:
            yield from pickles.pickled(inner, state, torch=True)


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


def is_tar(head: bytes) -> bool:
    """Say whether ``head`` (512 bytes) is a tar header: with its mark, or of before POSIX with a checksum that fits."""
    if head[257:262] == b"ustar":
        return True
    if len(head) < 512 or not head[0] or head[345:512].strip(b"\0") or head[156:157] not in b"\x000125":
        return False
    told = head[148:156].strip(b"\0 ")
    if not told or told.strip(b"01234567"):
        return False
    return int(told, 8) == sum(head[:148]) + sum(head[156:512]) + 8 * 32


def tarred(view: View, state: State) -> Examination:
    """Look at each regular member of a tar archive; nothing is extracted."""
    count = 0
    outermost = not state.format
    state.name("tar")
    bundle = Bundle(view, "tar")
    problems: list[tuple[str, View, int]] = []
    seen: dict[str, int] = {}
    import tarfile

    file: Any = _File(view)
    try:
        with tarfile.TarFile(fileobj=file, mode="r") as archive:
            for entry in archive:
                count += 1
                if count > MAX_TAR_MEMBERS:
                    yield from state.gap("too-large", "an archive has more members than the limit", view.within)
                    break
                begin = view.start + entry.offset_data
                inner = view.inner(view.data, begin, min(view.end, begin + entry.size), entry.name[:200])
                problems += ((check, inner, entry.offset) for check in _tar_problems(entry, seen))
                if begin + entry.size > view.end:
                    yield from state.gap("unreadable", "the tar archive is damaged or cut short", view.within)
                if entry.issparse():
                    yield from state.gap("skipped", "a member of the tar archive is sparse", inner.within)
                if not entry.isreg() or not entry.size or _PLAIN.search(entry.name):
                    continue
                is_old = entry.name.removeprefix("./") in _LEGACY and inner.head(1) != b"\x80"
                if is_old and (yield from pickles.unheaded(inner, state)) == "read":
                    bundle.read += 1
                    continue
                yield from members.look(bundle, entry.name, inner.head(HEAD_BYTES), _already(inner), state)
            else:
                after = view.start + archive.offset
                if bytes(view.data[after : min(view.end, after + MAX_BEHIND_BYTES)]).strip(b"\0"):
                    problems.append(("trailing-data", view, archive.offset))
    except (tarfile.TarError, ValueError, OverflowError, EOFError, OSError, KeyError, RecursionError):
        yield from state.gap("unreadable", "the tar archive is damaged or cut short", view.within)
        bundle.trouble += 1
    is_model = bundle.read > 0 or view.name.lower().endswith((*MODEL_SUFFIXES, ".nemo"))
    yield from members.settle(bundle, is_model, state)
    for check, inner, byte in problems:
        if is_model or check not in ("duplicate-member", "trailing-data"):
            yield from state.malformed(check, inner, byte, "tar")
        elif check == "trailing-data":
            yield from state.gap(
                "skipped", "the archive has bytes behind its end, which were not looked at", view.within
            )
    return (yield from _ended(bundle, outermost, bool(problems), state))


def _already(inner: View) -> members.Content:
    def content() -> Generator[Record, None, View]:
        yield from ()
        return inner

    return content


def _tar_problems(entry: tarfile.TarInfo, seen: dict[str, int]) -> Iterator[str]:
    """Yield the checks that name, link or type of an entry fails."""
    if zips.leaves(entry.name):
        yield "traversal"
    if (entry.issym() or entry.islnk()) and zips.leaves(entry.linkname):
        yield "link"
    if entry.ischr() or entry.isblk() or entry.isfifo():
        yield "link"
    if entry.isreg():
        key = entry.name.removeprefix("./").casefold()
        if key in seen:
            yield "duplicate-member"
        seen[key] = 1
