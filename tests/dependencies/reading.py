"""Helps the tests of readers: reads files of a dictionary, and shows what was read in a form that can be compared."""

from __future__ import annotations

from collections.abc import Mapping

from mlguard.artifacts import kind_of
from mlguard.errors import Unreadable
from mlguard.scanners.dependencies.manifests import Component, Manifest
from mlguard.scanners.dependencies.readers import reader_of


def loader(files: Mapping[str, str]):  # type: ignore[no-untyped-def]
    """Return what reads a file of the dictionary, and says like the real one that a file is not there."""

    def load(path: str) -> str:
        if path in files:
            return files[path]
        try:
            raise FileNotFoundError(path)
        except FileNotFoundError:
            raise Unreadable("the file vanished during the scan; run again") from None

    return load


def read(path: str, text: str, files: Mapping[str, str] | None = None) -> Manifest:
    """Return what one file says; an empty manifest where it says nothing. Raises Unreadable."""
    reader = reader_of(path, kind_of(path, text.encode("utf-8", "replace")[:65536]))
    assert reader is not None, path
    return reader(path, text, loader(files or {})) or Manifest(path)


def pins(manifest: Manifest) -> list[tuple[str, str, int]]:
    """Return (name, version or specifier, line) of each component in order."""
    return [(part.name, part.version or part.specifier, part.place.line) for part in manifest.components]


def text_of(part: Component, files: Mapping[str, str]) -> str:
    """Return the text at the place of a component."""
    row = files[part.place.path].replace("\r\n", "\n").split("\n")[part.place.line - 1]
    return row[part.place.column - 1 : part.place.end_column - 1 if part.place.end_column else None]


def reasons(manifest: Manifest) -> list[str]:
    """Return the reasons of what could not be followed."""
    return [trouble.reason for trouble in manifest.troubles]


def covered(manifest: Manifest, name: str, line: int) -> bool:
    """Say whether a package on a line is a component, or is covered by a trouble with that line or the whole file."""
    if any(part.name == name for part in manifest.components):
        return True
    return any(f"line {line} " in reason or "line " not in reason for reason in reasons(manifest))
