"""Reads the requirements that a Python script states in its comments (PEP 723)."""

from __future__ import annotations

import re

from mlguard.errors import Unreadable
from mlguard.scanners.dependencies.manifests import Manifest, Place, Read, Trouble, component
from mlguard.scanners.dependencies.readers import sources
from mlguard.scanners.dependencies.toml import Places, load, table

MARK = b"# /// script"
"""What every script with such metadata holds."""

MAX_BLOCK = 64 * 2**10
"""Characters of one block of metadata."""

_OPEN = re.compile(r"^# /// script[ \t]*$", re.M)


def read(path: str, text: str, load_file: Read) -> Manifest | None:
    """Return what the block ``# /// script`` says; None when there is none. Raises Unreadable.

    https://packaging.python.org/en/latest/specifications/inline-script-metadata/
    """
    text = text.replace("\r\n", "\n").removeprefix("\ufeff")
    blocks = list(_last_ends(text))
    if not blocks:
        if _OPEN.search(text):
            raise Unreadable("the block of script metadata is not closed")
        return None
    manifest = Manifest(path, format="script")
    if len(blocks) > 1:
        manifest.troubles.append(Trouble(path, "unresolved", "more than one block of script metadata", "keep one"))
    for start, lines in blocks:
        before = text.count("\n", 0, start) + 1
        content = "\n".join(line[2:] if line.startswith("# ") else line[1:] for line in lines)
        try:
            document, places = load(content), Places(path, content)
        except Unreadable as error:
            raise Unreadable(f"the script metadata from line {before} on is {error}") from None
        manifest.requires_python = str(document.get("requires-python") or "")
        found = document.get("dependencies", [])
        if not isinstance(found, list):
            manifest.troubles.append(Trouble(path, "unresolved", "the dependencies of the script are no list"))
            continue
        for number, item in enumerate(found):
            inner = places.value("dependencies", number)
            place = Place(path, inner.line + before, inner.column + 2, inner.end_column + 2 if inner.end_column else 0)
            part = component(item, place) if isinstance(item, str) else None
            if part is None:
                reason = f"line {place.line} is not a requirement that can be read"
                manifest.troubles.append(Trouble(path, "unresolved", reason, "write it as PEP 508 says"))
            else:
                manifest.components.append(part)
        _uv(manifest, document, places, before)
    return manifest


def _last_ends(text: str) -> list[tuple[int, list[str]]]:
    """Return start and lines of each block. A block ends with the last ``# ///`` of its run of comments, as PEP 723 says."""
    found: list[tuple[int, list[str]]] = []
    until = 0
    for match in _OPEN.finditer(text):
        if match.start() < until:
            continue  # inside a run of comments that was looked at
        lines: list[str] = []
        end = -1
        for line in text[match.end() + 1 : match.end() + 1 + MAX_BLOCK].split("\n"):
            if line.rstrip() == "# ///":
                end = len(lines)
            if line != "#" and not line.startswith("# "):
                break
            lines.append(line)
        until = match.end() + sum(len(line) + 1 for line in lines)
        if end >= 0:
            found.append((match.start(), lines[:end]))
    return found


def _uv(manifest: Manifest, document: dict[str, object], places: Places, before: int) -> None:
    from dataclasses import replace

    from mlguard.scanners.dependencies.readers.pyproject import apply_uv_sources

    if not table(document, "tool", "uv"):
        return
    inner = Manifest(manifest.path)
    sources.take(inner, document, places)

    def moved(place: Place) -> Place:
        return replace(
            place,
            line=place.line + before,
            column=place.column + 2,
            end_column=place.end_column and place.end_column + 2,
        )

    manifest.indexes += [replace(one, place=moved(one.place)) for one in inner.indexes]
    manifest.sources += [replace(one, place=moved(one.place)) for one in inner.sources]
    apply_uv_sources(manifest, document)
