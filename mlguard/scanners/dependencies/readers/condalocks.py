"""Reads the lock files of conda: conda-lock, pixi, and lists that are marked as explicit."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from packaging.utils import canonicalize_name, parse_wheel_filename

from mlguard.errors import Unreadable
from mlguard.scanners.dependencies.manifests import (
    MAX_REQUIREMENTS,
    Component,
    Manifest,
    Place,
    Read,
    Trouble,
    direct,
    foreign_host,
    host_of,
    strong,
)
from mlguard.scanners.dependencies.readers import conda

_CONDA_FILE = re.compile(
    r"(?:^|/)([A-Za-z0-9_][\w.-]*)-([^-/\s]+)-([^-/\s]+?)\.(?:conda|tar\.bz2)(?:#([0-9a-fA-F]+))?$"
)


def _file(url: str, place: Place, **more: Any) -> Component | None:
    """Return the package of a conda file by its URL, which ends in ``name-version-build.conda`` and perhaps a digest."""
    match = _CONDA_FILE.search(url.strip())
    if match is None:
        return None
    digest = (match[4] or "").lower()
    own = ((("sha256" if len(digest) == 64 else "md5"), digest),) if digest else ()
    hashes = tuple(more.pop("hashes", ())) or own
    name, version = canonicalize_name(match[1]), unquote(match[2])
    return Component(
        name,
        f"=={version}",
        version,
        place,
        "conda",
        strong_hash=any(strong((one,)) for one in hashes),
        hashes=hashes,
        source=host_of(url),
        **more,
    )


def read_explicit(path: str, text: str, load_file: Read) -> Manifest:
    """Return the packages of a list with ``@EXPLICIT``: one URL on each line. Lines of pip in it are read too."""
    manifest = Manifest(path, lock=True, kind="lock", complete=True, format="conda explicit")
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#") and not stripped.startswith("# pip ") or stripped == "@EXPLICIT":
            continue
        if len(manifest.components) >= MAX_REQUIREMENTS:
            raise Unreadable(f"more than {MAX_REQUIREMENTS} packages")
        place = Place(path, number, line.find(stripped) + 1)
        part = _pip_of_conda_lock(stripped, place) if stripped.startswith("# pip ") else _file(stripped, place)
        if part is None:
            manifest.troubles.append(Trouble(path, "unresolved", f"line {number} is not the URL of a package of conda"))
        else:
            manifest.components.append(part)
    conda.tell(manifest, manifest.components)
    return manifest


def _pip_of_conda_lock(line: str, place: Place) -> Component | None:
    """Read ``# pip name @ url --hash=sha256:…``, in which conda-lock keeps what pip installs besides."""
    match = re.match(r"# pip ([\w.-]+) @ (\S+?)(?:#sha256=([0-9a-f]{64}))?(?:\s+--hash=(\w+):([0-9a-f]+))?\s*$", line)
    if match is None:
        return None
    hashes = (("sha256", match[3]),) if match[3] else ((match[4], match[5]),) if match[4] else ()
    return direct(match[2], place, match[1], hashes=hashes, strong_hash=strong(hashes))


def read_conda_lock(path: str, text: str, load_file: Read) -> Manifest:
    """Return what a conda-lock.yml says, version 1 of its format. Raises Unreadable.

    https://github.com/conda/conda-lock/blob/main/conda_lock/lockfile/v1/models.py
    """
    document, lines = _yaml(text)
    packages = document.get("package")
    if not isinstance(packages, list):
        raise Unreadable("no list of packages; is this a lock file of conda-lock?")
    manifest = Manifest(path, lock=True, kind="lock", complete=True, format="conda-lock")
    for number, package in enumerate(packages[:MAX_REQUIREMENTS]):
        place = Place(path, lines.get(("package", number, "name")) or lines.get(("package", number)) or 1)
        part = _locked(package, place) if isinstance(package, dict) else None
        if part is None:
            manifest.troubles.append(
                Trouble(path, "unresolved", f"line {place.line} is not a package that can be read")
            )
        else:
            manifest.components.append(part)
    _end(manifest, packages)
    return manifest


def _locked(package: dict[str, Any], place: Place) -> Component | None:
    name, version, url = package.get("name"), str(package.get("version") or ""), str(package.get("url") or "")
    if not isinstance(name, str) or not name:
        return None
    hashes = tuple((str(one).lower(), str(digest).lower()) for one, digest in (package.get("hash") or {}).items()) if isinstance(package.get("hash"), dict) else ()  # fmt: skip
    group = str(package.get("category") or "main")
    needs = package.get("dependencies")
    more: dict[str, Any] = {
        "group": "" if group == "main" else group, "hashes": hashes,
        "requires": tuple(sorted(canonicalize_name(str(one)) for one in needs)) if isinstance(needs, dict) else (),
    }  # fmt: skip
    good = any(strong((one,)) for one in hashes)
    if package.get("manager") == "pip":
        if url.startswith("git+"):
            return direct(url, place, name, strong_hash=good, **more)
        return Component(
            canonicalize_name(name),
            f"=={version}" if version else "",
            version,
            place,
            strong_hash=good,
            source=foreign_host(url),
            **more,
        )
    return Component(
        canonicalize_name(name), f"=={version}", version, place, "conda", strong_hash=good, source=host_of(url), **more
    )


def read_pixi_lock(path: str, text: str, load_file: Read) -> Manifest:
    """Return what a pixi.lock says, versions 4 to 6 of its format. Raises Unreadable.

    https://pixi.sh/latest/workspace/lockfile/
    """
    document, lines = _yaml(text)
    packages = document.get("packages")
    if not isinstance(packages, list):
        raise Unreadable("no list of packages; is this a lock file of pixi?")
    manifest = Manifest(path, lock=True, kind="lock", complete=True, format="pixi.lock")
    for number, package in enumerate(packages[:MAX_REQUIREMENTS]):
        place = Place(path, lines.get(("packages", number)) or 1)
        part = _pixi(package, place) if isinstance(package, dict) else None
        if part is None:
            manifest.troubles.append(
                Trouble(path, "unresolved", f"line {place.line} is not a package that can be read")
            )
        elif part.origin != "path" or part.version:
            manifest.components.append(part)
    _end(manifest, packages)
    return manifest


def _pixi(package: dict[str, Any], place: Place) -> Component | None:
    kind = str(package.get("kind") or "")
    url = str(
        package.get(kind)
        or package.get("conda")
        or package.get("pypi")
        or package.get("url")
        or package.get("path")
        or ""
    )
    hashes = tuple((one, str(package[one]).lower()) for one in ("sha256", "md5") if package.get(one))
    good = any(strong((one,)) for one in hashes)
    name, version = package.get("name"), str(package.get("version") or "")
    if kind == "pypi" or "pypi" in package:
        if not isinstance(name, str):
            name, version = _wheel(url)
        if not name:
            return None
        needs = tuple(
            sorted(
                {
                    canonicalize_name(re.split(r"[^\w.-]", str(one), maxsplit=1)[0])
                    for one in package.get("requires_dist") or ()
                }
            )
        )
        if url.startswith("git+") or not version or not url.startswith("http"):
            return direct(url, place, name, hashes=hashes, strong_hash=good, requires=needs)
        host = foreign_host(url)
        return Component(
            canonicalize_name(name),
            f"=={version}",
            version,
            place,
            strong_hash=good,
            hashes=hashes,
            source=host,
            requires=needs,
        )
    part = _file(url, place, hashes=hashes)
    if part is None and isinstance(name, str):
        return Component(
            canonicalize_name(name), f"=={version}", version, place, "conda", strong_hash=good, hashes=hashes
        )
    return part


def _wheel(url: str) -> tuple[str, str]:
    try:
        name, version, _, _ = parse_wheel_filename(unquote(url.rpartition("/")[2]))
    except ValueError:
        part = direct(url, Place("", 1))
        return part.name, part.version
    return str(name), str(version)


def _yaml(text: str) -> tuple[dict[str, Any], Any]:
    from mlguard import yamlish

    document, lines = yamlish.load(text, "the lock file")
    if not isinstance(document, dict):
        raise Unreadable("the lock file holds no mapping")
    return document, lines


def _end(manifest: Manifest, packages: list[Any]) -> None:
    conda.tell(manifest, manifest.components)
    if len(packages) > MAX_REQUIREMENTS:
        reason = f"more than {MAX_REQUIREMENTS} packages; the rest was not read"
        manifest.troubles.append(Trouble(manifest.path, "unreadable", reason))
