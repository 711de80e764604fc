"""Reads the tables of dependencies that Poetry has, and Pipenv in nearly the same form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mlguard.scanners.dependencies.manifests import (
    Component,
    Manifest,
    Place,
    Trouble,
    direct,
    exact,
    foreign_host,
    normal_marker,
)
from mlguard.scanners.dependencies.normal import canonical as canonicalize_name
from mlguard.scanners.dependencies.toml import Path, Places, table


def components(
    manifest: Manifest, document: dict[str, Any], name: str, places: Places, path: Path, group: str
) -> Iterator[Component]:
    """Yield what one entry of a table of Poetry says: one requirement, or one for each of its constraints."""
    value: Any = document
    for key in path:
        value = value[key]
    if name.lower() == "python":
        manifest.requires_python = manifest.requires_python or (value if isinstance(value, str) else "")
        return
    several = isinstance(value, list)
    for number, item in enumerate(value if several else [value]):
        place = places.value(*path, number) if several else places.key(*path)
        details = item if isinstance(item, dict) else {"version": item}
        found = _component(name, details, place, group, document)
        if found is None:
            manifest.troubles.append(Trouble(
                manifest.path, "unresolved", f"line {place.line} is not a requirement that can be read", "write a version",
            ))  # fmt: skip
        else:
            yield found


def _component(
    name: str, details: dict[str, Any], place: Place, group: str, document: dict[str, Any]
) -> Component | None:
    more: dict[str, Any] = {"group": group, **common(details)}
    for key in ("git", "url", "path", "file"):
        if isinstance(details.get(key), str):
            return located(name, key, details, place, **more)
    version = details.get("version", "*")
    if not isinstance(version, str):
        return None
    # https://python-poetry.org/docs/dependency-specification/#exact-requirements: a bare version is exact.
    specifier = (
        f"=={version.strip()}"
        if re.match(r"^v?\d[\w.!+-]*$", version.strip()) and "*" not in version
        else version.strip()
    )
    if re.fullmatch(r"={1,3}\s*\S+", specifier) and not specifier.startswith("=="):
        specifier = f"={specifier}"
    found = table(document, "tool", "poetry").get("source")
    hosts = {
        str(one.get("name")): str(one.get("url"))
        for one in (found if isinstance(found, list) else ())
        if isinstance(one, dict)
    }
    more["source"] = foreign_host(hosts.get(str(details.get("source")), ""))
    return Component(canonicalize_name(name), specifier, exact(specifier), place, **more)


def common(details: dict[str, Any]) -> dict[str, Any]:
    """Return the extras and the marker that an entry states."""
    extras = details.get("extras")
    extras = [extras] if isinstance(extras, str) else extras if isinstance(extras, list) else []
    marker = details.get("markers") or details.get("marker")
    marker = normal_marker(marker) or "" if isinstance(marker, str) else ""
    if (
        not marker
        and (platform := details.get("platform") or details.get("sys_platform"))
        and isinstance(platform, str)
    ):
        marker = (
            normal_marker(f"sys_platform {platform}" if platform[:1] in "<>=!" else f'sys_platform == "{platform}"')
            or ""
        )
    return {"extras": tuple(sorted(str(one) for one in extras)), "marker": marker}


def located(name: str, key: str, details: dict[str, Any], place: Place, **more: Any) -> Component:
    """Return an entry that comes from a repository, a URL or a path."""
    address = str(details[key])
    editable = details.get("develop") is True or details.get("editable") is True
    if key == "git":
        rev = str(details.get("rev") or details.get("ref") or details.get("tag") or details.get("branch") or "")
        prefix = "" if address.startswith("git+") else "git+"
        return direct(f"{prefix}{address}" + (f"@{rev}" if rev else ""), place, name, editable=editable, **more)
    return direct(address, place, name, editable=editable, **more)
