"""Reads the manifest of pixi: packages of conda, and of a Python index beside them."""

from __future__ import annotations

import re
from typing import Any

from mlguard.scanners.dependencies.manifests import Component, Manifest, Place, Read, Source, exact, host_of
from mlguard.scanners.dependencies.normal import canonical as canonicalize_name
from mlguard.scanners.dependencies.readers import conda
from mlguard.scanners.dependencies.readers.poetry import common, located
from mlguard.scanners.dependencies.toml import Path, Places, load, strings, table


def read(path: str, text: str, load_file: Read) -> Manifest:
    """Return what a pixi.toml says. Raises Unreadable."""
    document, places = load(text), Places(path, text)
    manifest = Manifest(path, format="pixi")
    take(manifest, document, places, ())
    return manifest


def take(manifest: Manifest, holder: dict[str, Any], places: Places, top: Path) -> None:
    """Take the tables of pixi, which hold features and targets that hold the same tables again.

    https://pixi.sh/latest/reference/pixi_manifest/
    """
    before = len(manifest.components)
    _tables(manifest, holder, places, top, "", 0)
    for name in ("workspace", "project"):
        for number, channel in enumerate(strings(table(holder, name).get("channels"))):
            manifest.sources.append(
                Source("channel", host_of(channel), places.value(*top, name, "channels", number), "")
            )
    conda.tell(manifest, manifest.components[before:])


def _tables(manifest: Manifest, holder: dict[str, Any], places: Places, top: Path, group: str, depth: int) -> None:
    if depth > 4:
        return
    for key, build in (("dependencies", False), ("host-dependencies", True), ("build-dependencies", True)):
        for name, value in table(holder, key).items():
            manifest.components.append(_conda(name, value, places.key(*top, key, name), group, build))
    for name, value in table(holder, "pypi-dependencies").items():
        manifest.components.append(_pypi(name, value, places.key(*top, "pypi-dependencies", name), group))
    for kind in ("feature", "target"):
        for name, inner in table(holder, kind).items():
            if isinstance(inner, dict):
                inside = name if kind == "feature" else group
                _tables(manifest, inner, places, (*top, kind, name), inside, depth + 1)
    for key in ("package", "workspace"):
        inner = table(holder, key)
        if any(one.endswith("dependencies") for one in inner):
            _tables(manifest, inner, places, (*top, key), group, depth + 1)


def _conda(name: str, value: Any, place: Place, group: str, build: bool) -> Component:
    details = value if isinstance(value, dict) else {"version": value}
    specifier = str(details.get("version") or "*")
    channel = str(details.get("channel") or "")
    return Component(
        canonicalize_name(name),
        specifier,
        exact(specifier),
        place,
        "conda",
        group=group,
        build=build,
        source=host_of(channel),
    )


def _pypi(name: str, value: Any, place: Place, group: str) -> Component:
    details = value if isinstance(value, dict) else {"version": value}
    for key in ("git", "url", "path"):
        if isinstance(details.get(key), str):
            return located(name, key, details, place, group=group, **common(details))
    specifier = str(details.get("version") or "*").strip()
    specifier = f"=={specifier}" if re.fullmatch(r"\d[\w.!+-]*", specifier) else specifier
    return Component(canonicalize_name(name), specifier, exact(specifier), place, group=group, **common(details))
