"""Reads the manifest and the lock file of Pipenv. https://pipenv.pypa.io/en/latest/pipfile.html"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners.dependencies.manifests import (
    Component,
    Index,
    Manifest,
    Place,
    Read,
    Source,
    Trouble,
    exact,
    foreign_host,
    has_credentials,
    host_of,
    normal_marker,
    strong,
)
from mlguard.scanners.dependencies.normal import canonical as canonicalize_name
from mlguard.scanners.dependencies.readers import jsonplaces
from mlguard.scanners.dependencies.readers.poetry import common, located
from mlguard.scanners.dependencies.toml import Places, load, table

_SETTINGS = frozenset({"source", "requires", "scripts", "pipenv", "_meta"})
_MARKERS = frozenset(
    {
        "os_name", "sys_platform", "platform_machine", "platform_python_implementation", "platform_release", "platform_system",
        "platform_version", "python_version", "python_full_version", "implementation_name", "implementation_version",
    }
)  # fmt: skip


def read(path: str, text: str, load_file: Read) -> Manifest:
    """Return what a Pipfile says. Raises Unreadable."""
    document, places = load(text), Places(path, text)
    manifest = Manifest(path, format="Pipfile")
    _take(manifest, document, places.key, document.get("source"))
    manifest.requires_python = str(table(document, "requires").get("python_version") or "")
    _sources(manifest, document.get("source"), lambda number, key: places.key("source", number, key))
    return manifest


def read_lock(path: str, text: str, load_file: Read) -> Manifest:
    """Return what a Pipfile.lock says. Raises Unreadable."""
    document = jsonplaces.load(text)
    if not isinstance(document.get("_meta"), dict):
        raise Unreadable("no table _meta; is this a lock file of Pipenv?")
    keys = jsonplaces.Keys(path, text)
    manifest = Manifest(path, lock=True, kind="lock", complete=True, format="Pipfile.lock")
    found = document["_meta"].get("sources")
    _take(manifest, document, keys.place, found)
    _sources(manifest, found, lambda number, key: _line_of(path, text, str(found[number].get("url")), keys))
    return manifest


def _line_of(path: str, text: str, wanted: str, keys: jsonplaces.Keys) -> Place:
    """Return the line on which a value stands, that of the sources when it is not found as written."""
    at = text.find(f'"{wanted}"')
    return Place(path, text.count("\n", 0, at) + 1) if at >= 0 else keys.place("_meta", "sources")


def _take(manifest: Manifest, document: dict[str, Any], place: Callable[..., Place], indexes: Any) -> None:
    hosts = {
        str(one.get("name")): str(one.get("url"))
        for one in (indexes if isinstance(indexes, list) else ())
        if isinstance(one, dict)
    }
    for group, entries in document.items():
        if group in _SETTINGS:
            continue
        if not isinstance(entries, dict):
            if group not in ("default", "develop"):
                continue
            manifest.troubles.append(Trouble(manifest.path, "unresolved", "a group of packages is no table"))
            continue
        for name, value in entries.items():
            at = place(group, name)
            part = _part(name, value, at, group, hosts)
            if part is None:
                reason = f"line {at.line} is not a requirement that can be read"
                manifest.troubles.append(Trouble(manifest.path, "unresolved", reason, "write a version"))
            else:
                manifest.components.append(part)


def _part(name: str, value: Any, place: Place, group: str, hosts: dict[str, str]) -> Component | None:
    details = value if isinstance(value, dict) else {"version": value}
    more: dict[str, Any] = {"group": "" if group in ("packages", "default") else group, **common(details)}
    stated = details.get("markers")
    conditions = [stated] if isinstance(stated, str) else []
    conditions += [f"{key} {details[key]}" for key in sorted(_MARKERS & set(details)) if isinstance(details[key], str)]
    conditions = list(dict.fromkeys(normal for one in conditions if (normal := normal_marker(one))))
    joined = " and ".join(f"({one})" for one in conditions)
    more["marker"] = conditions[0] if len(conditions) == 1 else normal_marker(joined) or "" if joined else ""
    given = details.get("hashes")
    listed = given if isinstance(given, list) else []
    hashes = tuple(
        (algorithm.lower(), digest.lower()) for one in listed for algorithm, _, digest in [str(one).partition(":")]
    )
    more |= {"hashes": hashes, "strong_hash": strong(hashes)}
    for key in ("git", "file", "path", "url"):
        if isinstance(details.get(key), str):
            return located(name, key, details, place, **more)
    version = details.get("version", "*")
    if not isinstance(version, str):
        return None
    specifier = version.strip()
    source = foreign_host(hosts.get(str(details.get("index")), ""))
    return Component(canonicalize_name(name), specifier, exact(specifier), place, source=source, **more)


def _sources(manifest: Manifest, sources: Any, place: Callable[[int, str], Place]) -> None:
    for number, source in enumerate(sources if isinstance(sources, list) else ()):
        url = source.get("url") if isinstance(source, dict) else None
        if isinstance(url, str):
            if url.lower().startswith("http://"):
                manifest.indexes.append(Index("http-index", place(number, "url"), "url"))
            role: Any = "extra" if number else "default"  # a package without an index comes from the first one
            manifest.sources.append(
                Source(
                    role, host_of(url), place(number, "url"), explicit=bool(number), credentials=has_credentials(url)
                )
            )
        if (
            isinstance(source, dict)
            and source.get("verify_ssl") is False
            and not str(url).lower().startswith("http://")
        ):
            manifest.indexes.append(Index("trusted-host", place(number, "verify_ssl"), "verify_ssl"))
