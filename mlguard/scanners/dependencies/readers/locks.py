"""Reads the lock files in TOML: pylock.toml (PEP 751), and those of uv, Poetry and PDM."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners.dependencies.manifests import (
    MAX_REQUIREMENTS,
    STRONG_HASHES,
    Component,
    Manifest,
    Origin,
    Place,
    Source,
    Trouble,
    foreign_host,
    normal_marker,
)
from mlguard.scanners.dependencies.normal import canonical as canonicalize_name
from mlguard.scanners.dependencies.toml import Places, load, strings, table

MAX_HASHES = 400
"""Hashes of one package that are kept. The largest packages have some 200 files."""

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_FORMATS = {"uv.lock": "uv.lock", "poetry.lock": "poetry.lock", "pdm.lock": "pdm.lock"}


def read(path: str, text: str) -> Manifest:
    """Return what pylock.toml (PEP 751), uv.lock, poetry.lock or pdm.lock says. Raises Unreadable."""
    document, places = load(text), Places(path, text)
    name = posixpath.basename(path)
    known = _FORMATS.get(
        name, "uv.lock" if name.endswith(".py.lock") else "pylock" if name.startswith("pylock") else "lock"
    )
    manifest = Manifest(path, lock=True, kind="lock", complete=True, format=known)
    key = "packages" if isinstance(document.get("packages"), list) else "package"
    packages = document.get(key, [])
    if (
        not isinstance(packages, list)
        or not packages
        and "lock-version" not in document
        and "version" not in document
        and "metadata" not in document
    ):
        raise Unreadable("no table [[packages]] (PEP 751) or [[package]]; is this a lock file?")
    manifest.requires_python = str(
        document.get("requires-python") or table(document, "metadata").get("python-versions") or ""
    )
    reader = _Lock(manifest, document)
    for place, (number, package) in zip(
        _places(places, key, packages), enumerate(packages[:MAX_REQUIREMENTS]), strict=False
    ):
        if not isinstance(package, dict) or not isinstance(package.get("name"), str):
            manifest.troubles.append(Trouble(path, "unresolved", f"package {number + 1} has no name"))
            continue
        reader.take(package, place)
    if len(packages) > MAX_REQUIREMENTS:
        manifest.troubles.append(
            Trouble(path, "unreadable", f"more than {MAX_REQUIREMENTS} packages; the rest was not read")
        )
    reader.workspace()
    return manifest


def _places(places: Places, key: str, packages: Sequence[Any]) -> Iterator[Place]:
    """Yield the place of each package's name. The common layout is read line by line, any other one by the whole grammar."""
    text = places.text
    starts = [match.start() for match in re.finditer(rf"^\[\[{key}\]\][ \t]*\r?\n", text, re.M)]
    named = re.compile(r"^name = \"([^\"\\\n]+)\"", re.M)
    found = []
    if len(starts) == len(packages):
        for number, start in enumerate(starts):
            end = starts[number + 1] if number + 1 < len(starts) else len(text)
            match = named.search(text, start, min(end, start + 2_000))
            package = packages[number]
            if match is None or not isinstance(package, dict) or package.get("name") != match[1]:
                break
            found.append(places.between(match.start(), match.end()))
    if len(found) == len(packages):
        yield from found
        return
    for number, package in enumerate(packages):
        yield (
            places.key(key, number, "name")
            if isinstance(package, dict) and "name" in package
            else places.key(key, number)
        )


class _Lock:
    """Takes packages of one document into one manifest."""

    def __init__(self, manifest: Manifest, document: dict[str, Any]) -> None:
        self.manifest, self.document = manifest, document
        self.hosts: dict[str, Place] = {}
        self.files = _old_files(document)

    def take(self, package: dict[str, Any], place: Place) -> None:
        """Take one package: a project of this tree is noted as covered, everything else is a component."""
        name = canonicalize_name(package["name"])
        source = table(package, "source")
        folder = _folder(package, source)
        if folder is not None:
            self.manifest.covers.append(name)
            self.manifest.members.append(folder)
            return
        version = package.get("version")
        version = version if isinstance(version, str) else ""
        origin, address, commit = _origin(package, source)
        hashes, hashed = self.hashes(package, source)
        if origin == "index" and address.startswith(("http://", "https://")) and foreign_host(address):
            self.hosts.setdefault(foreign_host(address), place)
        marker = package.get("marker") or package.get("markers") or ""
        markers = strings(package.get("resolution-markers"))
        marker = (
            marker
            if isinstance(marker, str)
            else " or ".join(dict.fromkeys(map(str, marker.values())))
            if isinstance(marker, dict)
            else ""
        )
        marker = marker or (" or ".join(f"({one})" for one in markers) if len(markers) > 1 else "".join(markers))
        self.manifest.components.append(
            Component(
                name, f"=={version}" if version and origin == "index" else "", version, place, origin, bool(commit), hashed,
                _group(package), extras=tuple(sorted(strings(package.get("extras")))), marker=normal_marker(marker) or "" if marker else "",
                hashes=hashes, source=foreign_host(address), requires=_requires(package),
                editable=package.get("editable") is True or package.get("develop") is True, revision=commit,
            )
        )  # fmt: skip

    def hashes(self, package: dict[str, Any], source: dict[str, Any]) -> tuple[tuple[tuple[str, str], ...], bool]:
        """Return the hashes of a package's files, and whether each file has one of SHA-256 or better."""
        files: list[Any] = [package.get("sdist"), package.get("archive")]
        for key in ("wheels", "files"):
            files += package[key] if isinstance(package.get(key), list) else []
        if not files[2:]:
            files += (
                self.files.get((package["name"], str(package.get("version", ""))))
                or self.files.get((package["name"], ""))
                or []
            )
        found: dict[tuple[str, str], None] = {}
        every = True
        count = 0
        for file in files:
            if not isinstance(file, dict):
                continue
            count += 1
            own = _hashes_of(file)
            every &= any(STRONG_HASHES.get(algorithm) == len(digest) for algorithm, digest in own)
            if len(found) < MAX_HASHES:
                found |= dict.fromkeys(own)
        if not count and (own := _hashes_of(source)):
            return tuple(own), any(STRONG_HASHES.get(one) == len(digest) for one, digest in own)
        return tuple(found), bool(count) and every

    def workspace(self) -> None:
        """Note the other indexes, the projects that the lock covers, and where their folders are."""
        base = posixpath.dirname(self.manifest.path)
        for host, place in sorted(self.hosts.items()):
            self.manifest.sources.append(Source("default", host, place))
        self.manifest.covers += [
            canonicalize_name(one) for one in strings(table(self.document, "manifest").get("members"))
        ]
        self.manifest.members = [
            posixpath.normpath(posixpath.join(base, one)) for one in dict.fromkeys(self.manifest.members)
        ]
        self.manifest.covers = list(dict.fromkeys(self.manifest.covers))


def _folder(package: dict[str, Any], source: dict[str, Any]) -> str | None:
    """Return the folder of a package that is a project of this tree, which is scanned as source; else None."""
    for key in ("virtual", "editable", "directory"):
        if isinstance(source.get(key), str):
            return str(source[key])
    if isinstance(package.get("directory"), dict):
        return str(package["directory"].get("path", "."))
    if source.get("type") == "directory":
        return str(source.get("url", "."))
    path = package.get("path")
    if isinstance(path, str) and not re.search(r"\.(?:whl|zip|tar\.\w+|tgz)$", path):
        return path
    return None


def _origin(package: dict[str, Any], source: dict[str, Any]) -> tuple[Origin, str, str]:
    """Return where a package comes from, the address of that, and the full commit of a repository."""
    vcs = table(package, "vcs")
    git = (
        source.get("git")
        or package.get("git")
        or (source.get("url") if source.get("type") == "git" else None)
        or package.get("hg")
        or package.get("svn")
    )
    if vcs or isinstance(package.get("vcs"), dict) or git:
        address = str(git or vcs.get("url") or vcs.get("path") or "")
        commit = str(
            vcs.get("commit-id")
            or source.get("resolved_reference")
            or package.get("revision")
            or address.rpartition("#")[2]
        )
        return "git", address, commit if _COMMIT.fullmatch(commit) else ""
    archive = table(package, "archive")
    if archive:
        return ("url", str(archive["url"]), "") if archive.get("url") else ("path", "", "")
    if isinstance(package.get("url"), str):
        return "url", package["url"], ""
    if source.get("type") == "file" or isinstance(source.get("path"), str) or isinstance(package.get("path"), str):
        return "path", "", ""
    if source.get("type") == "url":
        return "url", str(source.get("url", "")), ""
    if isinstance(source.get("url"), str) and "type" not in source:
        return "url", source["url"], ""
    return "index", str(source.get("registry") or source.get("url") or package.get("index") or ""), ""


def _old_files(document: dict[str, Any]) -> dict[tuple[str, str], list[Any]]:
    """Return the files of old lock files by name and version: a table of their own below ``metadata``.

    Poetry before 1.5 keys them by name, PDM before 2.8 by ``"name version"``.
    """
    found: dict[tuple[str, str], list[Any]] = {}
    for key, files in table(document, "metadata", "files").items():
        name, _, version = key.partition(" ")
        found[re.sub(r"\[.*\]", "", name), version] = files if isinstance(files, list) else []
    return found


def _hashes_of(file: dict[str, Any]) -> list[tuple[str, str]]:
    hashes = file.get("hashes")
    if isinstance(hashes, dict):
        return [(str(name).lower(), str(digest).lower()) for name, digest in hashes.items()]
    one = file.get("hash")
    if isinstance(one, str) and ":" in one:
        algorithm, _, digest = one.partition(":")
        return [(algorithm.lower(), digest.lower())]
    return []


def _group(package: dict[str, Any]) -> str:
    """Return the groups that need a package, "" when the main one does or nothing is said."""
    groups = strings(package.get("groups")) or [one for one in [package.get("category")] if isinstance(one, str)]
    return "" if not groups or {"main", "default"}.intersection(groups) else ",".join(sorted(groups))


_NAME = re.compile(r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?")


def _requires(package: dict[str, Any]) -> tuple[str, ...]:
    """Return what a package needs itself, with its extras. The formats write names, requirements or tables."""
    found: dict[str, None] = {}
    lists = [package.get("dependencies"), *table(package, "optional-dependencies").values()]
    for value in lists:
        items: list[Any] = list(value) if isinstance(value, (dict, list)) else []
        for item in items:
            name = item.get("name") if isinstance(item, dict) else item
            if isinstance(name, str) and (match := _NAME.match(name)):
                found[canonicalize_name(match[0])] = None
    return tuple(sorted(found))
