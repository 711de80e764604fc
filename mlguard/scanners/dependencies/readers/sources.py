"""Reads which indexes the tables of a pyproject.toml, Pipfile or lock file name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from mlguard.scanners.dependencies.manifests import Index, Manifest, Source, has_credentials, host_of
from mlguard.scanners.dependencies.toml import Path, Places, strings, table

_Role = Literal["default", "extra", "find-links"]
_UV_KEYS: tuple[tuple[str, _Role], ...] = (
    ("index-url", "default"), ("extra-index-url", "extra"), ("find-links", "find-links"),
)  # fmt: skip


def take(manifest: Manifest, document: dict[str, Any], places: Places) -> None:
    """Note the indexes of uv, Poetry, PDM and Rye."""
    uv = table(document, "tool", "uv")
    if str(uv.get("index-strategy", "")).startswith("unsafe-"):
        manifest.indexes.append(Index("extra-index", places.key("tool", "uv", "index-strategy"), "index-strategy"))
    for scope in (("tool", "uv"), ("tool", "uv", "pip")):
        settings = table(document, *scope)
        for key, role in _UV_KEYS:
            given = settings.get(key)
            single = isinstance(given, str)
            for number, url in enumerate(strings([given] if single else given)):
                note(manifest, places, (*scope, key) if single else (*scope, key, number), url, role)
        for host in strings(settings.get("allow-insecure-host")):
            if host:
                manifest.indexes.append(
                    Index("trusted-host", places.key(*scope, "allow-insecure-host"), "allow-insecure-host")
                )
    for path, entry in _entries(document):
        address = entry.get("url")
        if not isinstance(address, str):
            continue
        explicit = entry.get("explicit") is True or entry.get("priority") == "explicit"
        default = (
            entry.get("default") is True
            or entry.get("priority") in ("default", "primary")
            or entry.get("name") == "pypi"
        )
        kind: Literal["default", "extra", "find-links"] = "default" if default else "extra"
        kind = "find-links" if entry.get("type") == "find_links" or entry.get("format") == "flat" else kind
        note(manifest, places, (*path, "url"), address, kind, str(entry.get("name") or ""), explicit)
        if entry.get("verify_ssl") is False:
            manifest.indexes.append(Index("trusted-host", places.key(*path, "verify_ssl"), "verify_ssl"))


def _entries(document: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in (
        ("tool", "uv", "index"),
        ("tool", "poetry", "source"),
        ("tool", "pdm", "source"),
        ("tool", "rye", "sources"),
    ):
        found = table(document, *path[:-1]).get(path[-1])
        for number, entry in enumerate(found if isinstance(found, list) else ()):
            if isinstance(entry, dict):
                yield (*path, number), entry


def note(
    manifest: Manifest,
    places: Places,
    path: Path,
    url: str,
    role: Literal["default", "extra", "find-links"],
    label: str = "",
    explicit: bool = False,
) -> None:
    """Note one index, and that it is asked without encryption when it is."""
    place = places.value(*path)
    if url.lower().startswith("http://"):
        manifest.indexes.append(Index("http-index", place, "url"))
    safe = label if label.replace("-", "").replace("_", "").isalnum() and len(label) <= 60 else ""
    manifest.sources.append(Source(role, host_of(url), place, safe, explicit, has_credentials(url)))


def uv_hosts(document: dict[str, Any]) -> dict[str, str]:
    """Return the URLs of uv's indexes by name."""
    found = table(document, "tool", "uv").get("index")
    return {
        str(entry.get("name")): str(entry.get("url"))
        for entry in (found if isinstance(found, list) else ())
        if isinstance(entry, dict)
    }
