"""Reads the metadata of packages that were built or installed: files of an environment, wheels and source archives."""

from __future__ import annotations

import io
import json
import posixpath
import re
import tarfile
import zipfile
import zlib
from email.parser import HeaderParser

from mlguard.errors import Unreadable
from mlguard.scanners import Context, open_path
from mlguard.scanners.dependencies.manifests import (
    Component,
    Manifest,
    Origin,
    Place,
    Read,
    direct,
    foreign_host,
)
from mlguard.scanners.dependencies.normal import canonical as canonicalize_name

MAX_METADATA_BYTES = 2 * 2**20
"""The metadata of one package, whose description is a text of some pages."""

MAX_MEMBERS = 20_000
"""Members of one archive that are gone through for its metadata."""

MAX_UNPACKED_BYTES = 256 * 2**20
"""How much of a compressed archive is unpacked on the way to its metadata."""

_REQUIRED = re.compile(r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?")
_IN_WHEEL = re.compile(r"[^/]+\.dist-info/METADATA")
_IN_SDIST = re.compile(r"[^/]+/PKG-INFO")


def read(path: str, text: str, load_file: Read) -> Manifest | None:
    """Return the package that a METADATA or PKG-INFO file describes. Raises Unreadable."""
    manifest = _described(path, text)
    if path.endswith(".dist-info/METADATA"):
        _origin(manifest, posixpath.dirname(path), load_file)
    return manifest


def _described(path: str, text: str) -> Manifest:
    """Return a manifest with the one package of some metadata.

    https://packaging.python.org/en/latest/specifications/core-metadata/
    """
    head = re.split(r"\r?\n\r?\n", text, maxsplit=1)[0]
    fields = HeaderParser().parsestr(head[:MAX_METADATA_BYTES] + "\n\n")
    name, version = str(fields.get("Name") or "").strip(), str(fields.get("Version") or "").strip()
    if not name or not _REQUIRED.fullmatch(name):
        raise Unreadable("the metadata names no package")
    match = re.search(r"(?mi)^Name:.*$", text)
    line = text.count("\n", 0, match.start()) + 1 if match else 1
    licence = str(fields.get("License-Expression") or fields.get("License") or "").strip()
    if not licence or "\n" in licence or len(licence) > 200:
        licence = _classified([str(one) for one in fields.get_all("Classifier") or ()])
    needs = [_REQUIRED.match(str(one)) for one in fields.get_all("Requires-Dist") or () if "extra ==" not in str(one)]
    part = Component(
        canonicalize_name(name), f"=={version}" if version else "", version, Place(path, line), licence=licence,
        requires=tuple(sorted({canonicalize_name(one[0]) for one in needs if one})),
    )  # fmt: skip
    return Manifest(
        path,
        [part],
        kind="installed",
        format="metadata",
        complete=True,
        requires_python=str(fields.get("Requires-Python") or "").strip(),
    )


def _classified(classifiers: list[str]) -> str:
    found = [one.rpartition("::")[2].strip() for one in classifiers if one.startswith("License ::")]
    return " OR ".join(sorted(set(found) - {"OSI Approved"}))


def _origin(manifest: Manifest, folder: str, load_file: Read) -> None:
    """Put in where an installed package came from, when that is told beside it.

    https://packaging.python.org/en/latest/specifications/direct-url-data-structure/
    """
    from dataclasses import replace

    try:
        told = json.loads(load_file(f"{folder}/direct_url.json"))
    except (Unreadable, ValueError, RecursionError):
        return
    if not isinstance(told, dict) or not isinstance(told.get("url"), str):
        return
    part = manifest.components[0]
    vcs, archive, directory = told.get("vcs_info"), told.get("archive_info"), told.get("dir_info")
    origin: Origin = (
        "git"
        if isinstance(vcs, dict)
        else "path"
        if isinstance(directory, dict) or told["url"].startswith("file:")
        else "url"
    )
    commit = str(vcs.get("commit_id", "")) if isinstance(vcs, dict) else ""
    commit = commit if re.fullmatch(r"[0-9a-f]{40,64}", commit) else ""
    hashes: tuple[tuple[str, str], ...] = ()
    if isinstance(archive, dict) and isinstance(archive.get("hashes"), dict):
        hashes = tuple((str(one).lower(), str(digest).lower()) for one, digest in archive["hashes"].items())
    manifest.components[0] = replace(
        part, origin=origin, commit=bool(commit), revision=commit, hashes=hashes, source=foreign_host(told["url"]),
        editable=isinstance(directory, dict) and directory.get("editable") is True,
    )  # fmt: skip


def read_archive(path: str, context: Context, word: str) -> Manifest | None:
    """Return the package inside a wheel or source archive, by its metadata alone. Raises Unreadable.

    A source archive without metadata is no package, and None; a wheel without it is unreadable.
    """
    absolute = open_path(context, path)
    try:
        with open(absolute, "rb") as file:
            data = _from_zip(file, word) if path.endswith((".whl", ".zip")) else _from_tar(file)
    except (
        OSError,
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        EOFError,
        ValueError,
        NotImplementedError,
        RuntimeError,
        LookupError,
    ):
        data = None
        if word == "sdist":
            return None  # whatever it is, its name alone said package
        raise Unreadable("the archive is broken, so its metadata cannot be read") from None
    if data is None:
        if word == "sdist":
            return None
        part = direct(path, Place(path, 1))
        if not part.name:
            raise Unreadable("the wheel holds no metadata")
        return Manifest(path, [part], kind="installed", format="wheel", complete=True)
    manifest = _described(path, data.decode("utf-8", "replace"))
    from dataclasses import replace

    manifest.components[0] = replace(manifest.components[0], place=Place(path, 1))
    manifest.format = word
    return manifest


def _from_zip(file: io.BufferedReader, word: str) -> bytes | None:
    wanted = _IN_WHEEL if word == "wheel" else _IN_SDIST
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist()[:MAX_MEMBERS]:
            if wanted.fullmatch(info.filename):
                with archive.open(info) as member:
                    return member.read(MAX_METADATA_BYTES)
    return None


class _Bounded(io.RawIOBase):
    """A stream that ends after a number of unpacked bytes."""

    def __init__(self, inner: io.BufferedIOBase) -> None:
        self.inner, self.left = inner, MAX_UNPACKED_BYTES

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self.inner.read(min(size if size >= 0 else self.left, self.left))
        self.left -= len(data)
        return data


def _from_tar(file: io.BufferedReader) -> bytes | None:
    import bz2
    import gzip

    head = file.peek(4)[:4] if hasattr(file, "peek") else b""
    inner: io.BufferedIOBase = gzip.GzipFile(fileobj=file) if head.startswith(b"\x1f\x8b") else bz2.BZ2File(file) if head.startswith(b"BZh") else file  # fmt: skip
    with tarfile.open(fileobj=_Bounded(inner), mode="r|") as archive:
        for count, member in enumerate(archive):
            if count >= MAX_MEMBERS:
                return None
            if member.isfile() and _IN_SDIST.fullmatch(member.name.removeprefix("./")):
                opened = archive.extractfile(member)
                return opened.read(MAX_METADATA_BYTES) if opened else None
    return None
