"""What a manifest says about third-party components, whatever its format."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from typing import Any, Literal

from mlguard import lazy
from mlguard.scanners.dependencies.normal import canonical as canonicalize_name
from mlguard.values import dataclass, field

MAX_MANIFEST_BYTES = 16 * 2**20
"""The largest lock files of real projects are a few MiB."""

MAX_REQUIREMENTS = 100_000
"""Requirements of one manifest with all that it includes."""

MAX_WORD = 4096
"""Characters between two blanks of a requirement; a name, a URL or a hash is much shorter."""

MAX_MARKERS = 2_000
"""Different markers that are remembered with their normal form."""

Origin = Literal["index", "git", "url", "path", "conda"]
"""``conda`` is a package of a conda channel, which is not the package of that name in a Python index."""

Kind = Literal["manifest", "lock", "command", "installed"]
"""``command`` is a line that installs packages, ``installed`` the metadata of what was built or installed."""

_DEFAULT_HOSTS = frozenset({"pypi.org", "pypi.python.org", "files.pythonhosted.org", "upload.pypi.org"})
"""Where installers look unless they are told otherwise."""


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
    ``marker`` is in the normal form of ``packaging`` and is never evaluated. ``hashes`` are (algorithm, digest), both in
    lower case. ``source`` is the host it comes from when that is not the default index, without credentials or path.
    ``revision`` is the full commit of a repository, ``outside`` says that a path leads out of the scanned tree. ``requires`` are canonical names of what a lock says it needs, and
    ``licence`` is what the manifest itself states.
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
    extras: tuple[str, ...] = ()
    marker: str = ""
    hashes: tuple[tuple[str, str], ...] = ()
    source: str = ""
    licence: str = ""
    requires: tuple[str, ...] = ()
    editable: bool = False
    revision: str = ""
    outside: bool = False

    @property
    def auditable(self) -> bool:
        """Whether advisories for Python packages can be compared with it."""
        return bool(self.name and self.version) and self.origin != "conda"


@dataclass(frozen=True, slots=True)
class Index:
    """A setting that says where packages come from: ``check`` of the rule on dependency confusion."""

    check: str
    place: Place
    name: str


@dataclass(frozen=True, slots=True)
class Source:
    """An index, channel or folder that a manifest names. ``host`` is "" for a folder; credentials are only told of.

    ``explicit`` says that it serves only the packages that name it, ``label`` is its name in the manifest.
    """

    role: Literal["default", "extra", "find-links", "channel"]
    host: str
    place: Place
    label: str = ""
    explicit: bool = False
    credentials: bool = False

    @property
    def private(self) -> bool:
        """Whether it is another server than the one that installers ask by default."""
        return bool(self.host) and self.host not in _DEFAULT_HOSTS


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something of a manifest that could not be followed: a reason for people, and what to do."""

    path: str
    kind: Literal["unreadable", "unresolved", "missing"]
    reason: str
    hint: str = ""


@dataclass(slots=True)
class Manifest:
    """All that one manifest and the files it includes say. ``lock`` says that its format pins all it names.

    ``format`` is a word for people ("requirements", "pyproject", "uv.lock"). ``complete`` says that what the packages need
    themselves is in it too. ``judged`` says that the scanner of infrastructure reports what is loose about it.
    ``members`` are folders, relative to the root of the tree, that a lock of a workspace covers besides its own;
    ``covers`` are the projects it names. ``project`` is the canonical name of what the manifest itself builds, and
    ``requires_python`` the specifier of the interpreters it is for.
    """

    path: str
    components: list[Component] = field(default_factory=list)
    indexes: list[Index] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    lock: bool = False
    require_hashes: bool = False
    kind: Kind = "manifest"
    format: str = ""
    complete: bool = False
    judged: bool = False
    sources: list[Source] = field(default_factory=list)
    members: list[str] = field(default_factory=list)
    covers: list[str] = field(default_factory=list)
    project: str = ""
    requires_python: str = ""


Read = Callable[[str], str]
"""Returns the text of a file of the tree by its path. Raises Unreadable."""

_EXACT = lazy.pattern(r"^\s*(===?)\s*([^\s,*;]+)\s*$")
_COMMIT = lazy.pattern(r"@([0-9a-f]{40}(?:[0-9a-f]{24})?)(?:[#?].*)?$")
_ARCHIVE = lazy.pattern(
    r"(?:^|[/\\])([A-Za-z0-9][\w.]*(?:-[A-Za-z_][\w.]*)*)-(\d[\w.!+%]*?)(?:-[^/\\]+\.whl|\.tar\.gz|\.zip|\.tar\.bz2|\.tar\.xz|\.tgz|\.whl)(?:[#?\[]|$)"
)
_URL_HASH = lazy.pattern(r"[#&](sha\d+|md5)=([0-9a-fA-F]{32,128})")
STRONG_HASHES = {
    "sha256": 64,
    "sha384": 96,
    "sha512": 128,
    "blake2b": 128,
    "blake2s": 64,
    "sha3_256": 64,
    "sha3_512": 128,
}
"""Algorithms whose digest cannot be forged, with the length of the digest in hexadecimal digits."""

_PIN = lazy.pattern(
    r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)[ \t]*(\[[ \t]*[A-Za-z0-9]+(?:[ \t]*,[ \t]*[A-Za-z0-9]+)*[ \t]*\])?[ \t]*"
    r"==[ \t]*((?:\d+!)?\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?(?:\.post\d+)?(?:\.dev\d+)?(?:\+[a-z0-9]+(?:\.[a-z0-9]+)*)?)[ \t]*(?:;(.*))?",
    re.A,
)
"""The common form of a pin, where our reading is that of ``packaging`` at a small part of its cost."""

_BARE = lazy.pattern(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
"""A requirement that is a name and nothing else."""

_markers: dict[str, str | None] = {}


def exact(specifier: str) -> str:
    """Return the one version that a specifier allows, or "". ``==1.*`` allows many, and ``==1,==2`` none."""
    found = {match.group(2) for clause in specifier.split(",") if (match := _EXACT.match(clause))}
    return found.pop() if len(found) == 1 else ""


def strong(hashes: tuple[tuple[str, str], ...]) -> bool:
    """Say whether there are hashes and each is SHA-256 or better, of the length that its algorithm has."""
    return bool(hashes) and all(STRONG_HASHES.get(algorithm) == len(digest) for algorithm, digest in hashes)


def host_of(url: str) -> str:
    """Return the host of a URL or of an address of a repository, in lower case without user and port; "" for a path."""
    match = re.match(r"[A-Za-z][\w+.-]*://(?:[^/?#\s]*@)?(\[[0-9A-Fa-f:.]+\]|[\w.-]+)", url)
    match = match or re.match(r"(?:[\w+.-]+\+)?[\w.-]+@([\w.-]+):", url)
    return match[1].lower().strip("[]") if match else ""


def foreign_host(url: str) -> str:
    """Return the host of a URL when it is not the default index, else ""."""
    host = host_of(url)
    return "" if host in _DEFAULT_HOSTS else host


def has_credentials(url: str) -> bool:
    """Say whether a URL holds a user with a password or token. A variable in its place is none."""
    match = re.match(r"[A-Za-z][\w+.-]*://([^/?#\s]*)@", url)
    return match is not None and "$" not in match[1] and ":" in match[1] or match is not None and len(match[1]) > 20


def normal_marker(text: str) -> str | None:
    """Return a marker as ``packaging`` writes it, None for what is no marker."""
    text = text.strip()
    if text not in _markers:
        from packaging.markers import InvalidMarker, Marker  # most files name plain pins, and need none of this library

        if len(_markers) >= MAX_MARKERS:
            _markers.clear()
        try:
            _markers[text] = str(Marker(text)) if len(text) <= MAX_WORD else None
        except (InvalidMarker, RecursionError, ValueError):
            _markers[text] = None
    return _markers[text]


def pinned(text: str) -> tuple[str, tuple[str, ...], str, str] | None:
    """Return canonical name, extras, version and marker of a plain pin; None when ``packaging`` must look at it."""
    match = _PIN.fullmatch(text)
    if match is None:
        return None
    marker = normal_marker(match[4]) if match[4] is not None else ""
    if marker is None:
        return None
    extras = tuple(sorted({one.strip() for one in match[2][1:-1].split(",")})) if match[2] else ()
    return canonicalize_name(match[1]), extras, match[3], marker


def component(text: str, place: Place, **more: Any) -> Component | None:
    """Return the component that a requirement of PEP 508 names, or None when it is no such thing."""
    text = text.strip()
    if (pin := pinned(text)) is not None:
        name, extras, version, marker = pin
        return Component(name, f"=={version}", version, place, extras=extras, marker=marker, **more)
    if _BARE.fullmatch(text):
        return Component(canonicalize_name(text), "", "", place, **more)
    if not _SHAPE.match(text):
        return None  # said much sooner than by the parser
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        parsed = Requirement(text) if len(text) <= 4 * MAX_WORD else None
    except (InvalidRequirement, RecursionError):
        parsed = None
    if parsed is None:
        return _unusual(text, place, **more)
    more |= {"extras": tuple(sorted(parsed.extras)), "marker": str(parsed.marker) if parsed.marker else ""}
    if parsed.url:
        return direct(parsed.url, place, canonicalize_name(parsed.name), **more)
    specifier = str(parsed.specifier)
    return Component(canonicalize_name(parsed.name), specifier, exact(specifier), place, **more)


_SHAPE = lazy.pattern(r"[A-Za-z0-9][\w.-]*\s*(?:$|[\[<>=!~;@(])", re.A)
_LEGACY = lazy.pattern(
    r"^(?P<name>[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)\s*(?:\[(?P<extras>[^\]]*)\])?\s*\(?\s*===?\s*(?P<version>[^\s\x00-\x1f;,*()]+)\s*\)?\s*(?:;(?P<marker>.*))?$",
    re.A,
)
_LOOSE = lazy.pattern(
    r"^(?P<name>[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)\s*(?:\[(?P<extras>[^\]]*)\])?\s*(?P<specifier>(?:[<>!~=]=?=?\s*[^\s\x00-\x1f;,<>!~=()]+\s*(?:,\s*)?)+)(?:;(?P<marker>.*))?$",
    re.A,
)


def _unusual(text: str, place: Place, **more: Any) -> Component | None:
    """Read a requirement whose versions PEP 440 does not know. An exact one is a pin."""
    match = _LEGACY.match(text) if len(text) <= MAX_WORD else None
    loose = _LOOSE.match(text) if match is None and len(text) <= MAX_WORD else None
    if match is None and loose is None:
        return None
    groups = (match or loose).groupdict()  # type: ignore[union-attr]  # one of them matched
    marker = normal_marker(groups["marker"]) if groups["marker"] else ""
    if marker is None:
        return None
    extras = tuple(sorted({one.strip() for one in (groups["extras"] or "").split(",")} - {""}))
    more |= {"extras": extras, "marker": marker}
    name = canonicalize_name(groups["name"])
    if match is not None:
        return Component(name, f"==={groups['version']}", groups["version"], place, **more)
    return Component(name, re.sub(r"\s+", "", groups["specifier"]).rstrip(","), "", place, **more)


def leads_out(path: str, place: Place) -> bool:
    """Say whether a path, as a file of the tree writes it, is not one of the tree."""
    plain = re.sub(r"(?i)^file:(?://(?:localhost)?(?=/))?", "", path.replace("\\", "/")).split("#")[0]
    if plain.startswith(("/", "~")) or re.match(r"[A-Za-z]:/", plain):
        return True
    return posixpath.normpath(posixpath.join(posixpath.dirname(place.path), plain)).startswith("..")


def direct(url: str, place: Place, name: str = "", **more: Any) -> Component:
    """Return the component behind a URL or path. Its version is known when a wheel or archive tells it."""
    origin: Origin = "path"
    if re.match(r"(?i)(?:git|hg|svn|bzr)\+|git@|git://|ssh://", url) or re.search(r"\.git(?:[@#]|$)", url):
        origin = "git"
    elif "://" in url and not url.lower().startswith("file:"):
        origin = "url"
    egg = re.search(r"[#&]egg=\s*([\w.-]+)(?:\[([\w.,\s-]*)\])?", url)
    archive = _ARCHIVE.search(url[-MAX_WORD:])
    if not name:
        name = egg.group(1) if egg else archive.group(1) if archive else ""
    extras = egg.group(2) if egg and egg.group(2) else ""
    if extras and not more.get("extras"):
        more["extras"] = tuple(sorted({one.strip() for one in extras.split(",")} - {""}))
    version = archive.group(2).replace("%2B", "+").replace("%2b", "+") if archive and origin != "git" else ""
    own = tuple((match[1].lower(), match[2].lower()) for match in _URL_HASH.finditer(url))
    more["hashes"] = hashes = tuple(more.get("hashes", ())) or own
    commit = _COMMIT.search(url) if origin == "git" else None
    hashed = bool(more.pop("strong_hash", False)) or strong(hashes)
    more.setdefault("source", foreign_host(url))
    more.setdefault("revision", commit.group(1) if commit else "")
    if origin == "path":
        more.setdefault("outside", leads_out(url, place))
    name = canonicalize_name(name)
    return Component(name, "", version, place, origin, commit is not None, hashed, **more)
