"""What a manifest says about third-party components, whatever its format."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

MAX_MANIFEST_BYTES = 16 * 2**20
"""The largest lock files of real projects are a few MiB."""

MAX_REQUIREMENTS = 100_000
"""Requirements of one manifest with all that it includes."""

Origin = Literal["index", "git", "url", "path"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a requirement stands: line and columns from 1, the end exclusive; 0: to the end of the line."""

    path: str
    line: int
    column: int = 1
    end_column: int = 0


@dataclass(frozen=True, slots=True)
class Component:
    """One requirement: ``version`` is "" unless exactly one version fits. ``commit`` says that a repository is pinned.

    ``strong_hash`` says that each file of it is pinned by SHA-256 or better. ``build`` is needed to build only.
    """

    name: str
    specifier: str
    version: str
    place: Place
    origin: Origin = "index"
    commit: bool = False
    strong_hash: bool = False
    group: str = ""
    constraint: bool = False
    build: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """A setting that says where packages come from: ``check`` of the rule on dependency confusion."""

    check: str
    place: Place
    name: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something of a manifest that could not be followed: a reason for people, and what to do."""

    path: str
    kind: Literal["unreadable", "unresolved", "missing"]
    reason: str
    hint: str = ""


@dataclass(slots=True)
class Manifest:
    """All that one manifest and the files it includes say. ``lock`` says that its format pins all it names."""

    path: str
    components: list[Component] = field(default_factory=list)
    indexes: list[Index] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    lock: bool = False
    require_hashes: bool = False


Read = Callable[[str], str]
"""Returns the text of a file of the tree by its path. Raises Unreadable."""

_EXACT = re.compile(r"^\s*(===?)\s*([^\s,*;]+)\s*$")
_COMMIT = re.compile(r"@[0-9a-f]{40}(?:[0-9a-f]{24})?(?:[#?].*)?$")
_ARCHIVE = re.compile(r"([A-Za-z0-9][\w.]*?)-(\d[\w.!+]*?)(?:-[^/]+\.whl|\.tar\.gz|\.zip|\.tar\.bz2|\.whl)(?:[#?]|$)")
_HASH = re.compile(r"sha(?:256|384|512)[=:][0-9a-f]{64,128}", re.I)


def exact(specifier: str) -> str:
    """Return the one version that a specifier allows, or "". ``==1.*`` allows many."""
    for clause in specifier.split(","):
        if match := _EXACT.match(clause):
            return match.group(2)
    return ""


def component(text: str, place: Place, **more: object) -> Component | None:
    """Return the component that a requirement of PEP 508 names, or None when it is no such thing."""
    try:
        parsed = Requirement(text)
    except InvalidRequirement:
        return _unusual(text, place, **more)
    if parsed.url:
        return direct(parsed.url, place, canonicalize_name(parsed.name), **more)
    specifier = str(parsed.specifier)
    return Component(canonicalize_name(parsed.name), specifier, exact(specifier), place, **more)  # type: ignore[arg-type]  # named fields


_LEGACY = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*?)\s*(?:\[[^\]]*\])?\s*===?\s*(?P<version>[^\s;,*]+)\s*(?:;.*)?$")


def _unusual(text: str, place: Place, **more: object) -> Component | None:
    """Read an exact pin to a version that PEP 440 does not know."""
    match = _LEGACY.match(text.strip())
    if match is None:
        return None
    name = canonicalize_name(match.group("name"))
    return Component(name, f"==={match.group('version')}", match.group("version"), place, **more)  # type: ignore[arg-type]  # named fields


def direct(url: str, place: Place, name: str = "", **more: object) -> Component:
    """Return the component behind a URL or path. Its version is known when a wheel or archive tells it."""
    origin: Origin = "path"
    if re.match(r"(?:git|hg|svn|bzr)\+|git@|git://", url) or re.search(r"\.git(?:[@#]|$)", url):
        origin = "git"
    elif "://" in url and not url.startswith("file:"):
        origin = "url"
    egg = re.search(r"[#&]egg=([\w.-]+)", url)
    archive = _ARCHIVE.search(url)
    if not name:
        name = egg.group(1) if egg else archive.group(1) if archive else ""
    version = archive.group(2) if archive and origin != "git" else ""
    hashed = bool(more.pop("strong_hash", False)) or bool(_HASH.search(url))
    return Component(
        canonicalize_name(name),
        "",
        version,
        place,
        origin,
        bool(_COMMIT.search(url)),
        hashed,
        **more,  # type: ignore[arg-type]  # named fields
    )


def is_range(specifier: str) -> bool:
    """Say whether text is a set of version specifiers of PEP 440."""
    try:
        SpecifierSet(specifier)
    except ValueError:
        return False
    return True
