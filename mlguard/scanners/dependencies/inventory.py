"""Holds the manifests of a tree, and tells which lock pins what a manifest leaves open."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from typing import TypeVar

from mlguard.artifacts import Artifact
from mlguard.scanners import Context
from mlguard.scanners.dependencies import readers
from mlguard.scanners.dependencies.manifests import Component, Index, Manifest, Trouble
from mlguard.values import dataclass, field

_Placed = TypeVar("_Placed", Component, Index)


@dataclass(slots=True)
class Inventory:
    """The manifests of a tree, in the order in which they were read.

    ``own_indexes`` are hosts that configurations in the tree put in the place of the default index.
    """

    manifests: list[Manifest] = field(default_factory=list)
    own_indexes: set[str] = field(default_factory=set)
    _folders: dict[str, list[Manifest]] = field(default_factory=dict)
    _workspaces: dict[str, list[Manifest]] = field(default_factory=dict)
    _pins: dict[int, dict[str, str]] = field(default_factory=dict)

    def take(self, artifact: Artifact, context: Context) -> None:
        """Read one file. Raises Unreadable."""
        for manifest in readers.read(artifact, context):
            self.add(manifest)

    def add(self, manifest: Manifest) -> None:
        """Take in one manifest that was read."""
        self.manifests.append(manifest)
        self._pins.clear()
        self._folders.setdefault(posixpath.dirname(manifest.path), []).append(manifest)
        if manifest.kind == "lock":
            for folder in manifest.members:
                self._workspaces.setdefault("" if folder == "." else folder, []).append(manifest)
            for project in manifest.covers:
                self._workspaces.setdefault(f"project {project}", []).append(manifest)

    def own(self, manifest: Manifest, parts: Sequence[_Placed]) -> Iterator[_Placed]:
        """Yield what stands in a manifest, or in a file that it includes and that was not read for itself."""
        read = {one.path for one in self.manifests} if any(part.place.path != manifest.path for part in parts) else ()
        return (part for part in parts if part.place.path == manifest.path or part.place.path not in read)

    def beside(self, manifest: Manifest) -> list[Manifest]:
        """Return what else says which versions a manifest gets: its neighbours, the lock of its workspace, its own lock."""
        if manifest.kind in ("command", "installed"):
            return []
        own_lock = f"{manifest.path}.lock"
        folder = posixpath.dirname(manifest.path)
        found = [
            other
            for other in self._folders.get(folder, ())
            if other is not manifest and other.kind in ("manifest", "lock") and not _of_a_script(other, own_lock)
        ]
        if manifest.format == "script":
            return [other for other in found if other.path == own_lock]
        above = self._workspaces.get(folder, []) + (
            self._workspaces.get(f"project {manifest.project}", []) if manifest.project else []
        )
        for other in above:
            base = posixpath.dirname(other.path)
            if other not in found and other is not manifest and (not base or folder.startswith(f"{base}/")):
                found.append(other)
        return found

    def pinned_beside(self, manifest: Manifest) -> dict[str, str]:
        """Return the versions that a lock, other manifests of the same folder, or this one's constraints pin exactly.

        A version that the manifest does not allow does not count: that lock is out of step with it.
        """
        if id(manifest) not in self._pins:
            known: dict[str, list[str]] = {}
            for other in [manifest, *self.beside(manifest)]:
                for part in other.components:
                    if part.version and part.origin == "index" and part.name:
                        known.setdefault(part.name, []).append(part.version)
            pins = {name: versions[0] for name, versions in known.items()}
            for part in manifest.components:
                if part.origin == "index" and not part.version and part.specifier and part.name in known:
                    fits = [version for version in known[part.name] if allows(part.specifier, version)]
                    if fits:
                        pins[part.name] = fits[0]
                    else:
                        pins.pop(part.name, None)
            self._pins[id(manifest)] = pins
        return self._pins[id(manifest)]

    def open_questions(self) -> Iterator[Trouble]:
        """Yield for each manifest without a lock that what its packages need themselves was not looked at."""
        for manifest in self.manifests:
            if manifest.complete or manifest.kind in ("lock", "installed"):
                continue
            pins = self.pinned_beside(manifest)
            if not any(_brings_others(part) and (part.version or part.name in pins) for part in manifest.components):
                continue  # those without a version are a gap of their own
            if any(other.complete for other in self.beside(manifest)):
                continue
            reason = "transitive dependencies were not audited: no lock file says what these packages need themselves"
            yield Trouble(
                manifest.path, "unresolved", reason, "add a lock file such as pylock.toml, uv.lock or poetry.lock"
            )


def _of_a_script(other: Manifest, own_lock: str) -> bool:
    return other.path.endswith(".py.lock") and other.path != own_lock


def _brings_others(part: Component) -> bool:
    return bool(part.name) and part.origin != "conda" and not part.constraint and not part.build


def allows(specifier: str, version: str) -> bool:
    """Say whether a version may be what a specifier asks for; True for a specifier that is not one of PEP 440."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        return SpecifierSet(specifier).contains(Version(version), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return True
