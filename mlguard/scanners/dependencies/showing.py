"""Writes packages, places and lists of names as reports show them."""

from __future__ import annotations

from collections.abc import Iterable

from mlguard.findings import Location
from mlguard.scanners.dependencies.manifests import Place

NAMES_SHOWN = 20
"""Package names that one message lists."""


def purl(name: str, version: str, origin: str = "index") -> str:
    """Return the package URL. https://github.com/package-url/purl-spec"""
    from urllib.parse import quote

    kind = "conda" if origin == "conda" else "pypi"
    return f"pkg:{kind}/{quote(name)}" + (f"@{quote(version)}" if version else "")


def location(place: Place) -> Location:
    """Return a place of a manifest as a location."""
    return Location(place.path, place.line, place.column, 0, place.end_column)


def listed(names: Iterable[str]) -> str:
    """Return different names in order, the first of them when they are many."""
    unique = sorted(set(names))
    more = f" and {len(unique) - NAMES_SHOWN} more" if len(unique) > NAMES_SHOWN else ""
    return ", ".join(unique[:NAMES_SHOWN]) + more
