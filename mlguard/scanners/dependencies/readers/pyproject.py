"""Reads what a pyproject.toml needs, in the tables of all tools that have their own."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from mlguard import lazy
from mlguard.errors import Unreadable
from mlguard.scanners.dependencies import requirements
from mlguard.scanners.dependencies.manifests import (
    MAX_REQUIREMENTS,
    Component,
    Manifest,
    Place,
    Read,
    Trouble,
    component,
    direct,
    foreign_host,
)
from mlguard.scanners.dependencies.normal import canonical as canonicalize_name
from mlguard.scanners.dependencies.readers import poetry, sources
from mlguard.scanners.dependencies.toml import Path, Places, load, strings, table
from mlguard.values import replace


def read(path: str, text: str, load_file: Read) -> Manifest:
    """Return what a pyproject.toml says, with the requirements files it takes its dependencies from. Raises Unreadable."""
    document, places = load(text), Places(path, text)
    manifest = Manifest(path, format="pyproject")
    project = table(document, "project")
    name = project.get("name") or table(document, "tool", "poetry").get("name")
    manifest.project = canonicalize_name(name) if isinstance(name, str) else ""
    manifest.requires_python = str(project.get("requires-python") or "")
    reader = _Reader(manifest, document, places)
    reader.lists()
    reader.groups()
    for group, key, where in reader.poetry_tables():
        manifest.components += poetry.components(manifest, document, key, places, where, group)
    reader.tables()
    sources.take(manifest, document, places)
    apply_uv_sources(manifest, document)
    _workspace(manifest, load_file)
    reader.dynamic(load_file)
    _other_tools(manifest, document, places, load_file)
    _tasks(manifest, document, places, text, load_file)
    return manifest


MAX_ABOVE = 4
"""Folders above a member of a workspace in which its root is looked for."""


def _workspace(manifest: Manifest, load_file: Read) -> None:
    """Put in where the root of uv's workspace takes packages from: what it says counts for all members."""
    folder = posixpath.dirname(manifest.path)
    for _ in range(MAX_ABOVE):
        if not folder:
            return
        folder = posixpath.dirname(folder)
        try:
            text = load_file(posixpath.join(folder, "pyproject.toml"))
            if "workspace" not in text or "sources" not in text:
                continue
            root = load(text)
        except Unreadable:
            continue
        if "workspace" in table(root, "tool", "uv"):
            apply_uv_sources(manifest, root)
            return


def _tasks(manifest: Manifest, document: dict[str, Any], places: Places, text: str, load_file: Read) -> None:
    """Take what the commands in the tables of tools install: tasks, and steps before a build or a test."""
    if not _INSTALLS.search(text):
        return
    from mlguard.scanners.dependencies.readers import steps

    script = steps.Script(manifest, load_file)
    todo: list[tuple[Path, Any]] = [(("tool",), document.get("tool"))]
    while todo:
        path, value = todo.pop()
        if isinstance(value, dict) and len(path) < MAX_PATH:
            todo += [((*path, key), inner) for key, inner in value.items() if key not in _NO_COMMANDS]
        elif isinstance(value, list) and len(path) < MAX_PATH:
            todo += [((*path, number), inner) for number, inner in enumerate(value)]
        elif isinstance(value, str) and _INSTALLS.search(value):
            place = places.value(*path)
            script.take(value, lambda start, end, place=place: place)  # type: ignore[misc]  # bound at once


MAX_PATH = 12
"""Levels of tables in which commands are looked for."""

_INSTALLS = lazy.pattern(r"\b(?:pip3?|conda|mamba|pipx)\s+install\b|\buv\s+(?:pip|add|tool)\b|\bpoetry\s+add\b")
_NO_COMMANDS = frozenset({"description", "help", "readme", "legacy_tox_ini"})


class _Reader:
    """Takes requirements out of one document into one manifest."""

    def __init__(self, manifest: Manifest, document: dict[str, Any], places: Places) -> None:
        self.manifest, self.document, self.places = manifest, document, places

    def trouble(self, place: Place, what: str, hint: str = "write it as PEP 508 says") -> None:
        self.manifest.troubles.append(Trouble(self.manifest.path, "unresolved", f"line {place.line} {what}", hint))

    def take(self, path: Path, group: str = "", **more: Any) -> None:
        """Take a list of requirements at a path, if there is one."""
        value: Any = self.document
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
            if value is None:
                return
        if not isinstance(value, list):
            self.trouble(self.places.key(*path), "should be a list of requirements")
            return
        for number, item in enumerate(value):
            self.one(item, (*path, number), group, **more)

    def one(self, item: Any, path: Path, group: str, **more: Any) -> None:
        """Take one requirement."""
        place = self.places.value(*path)
        if len(self.manifest.components) >= MAX_REQUIREMENTS:
            raise Unreadable(f"more than {MAX_REQUIREMENTS} requirements")
        found = component(item, place, group=group, **more) if isinstance(item, str) else None
        if found is None:
            self.trouble(place, "is not a requirement that can be read")
        else:
            self.manifest.components.append(found)

    def lists(self) -> None:
        """Take the lists whose place the format fixes."""
        self.take(("build-system", "requires"), "build-system", build=True)
        self.take(("project", "dependencies"))
        for name in table(self.document, "project", "optional-dependencies"):
            self.take(("project", "optional-dependencies", name), name)
        uv: Path = ("tool", "uv")
        self.take((*uv, "dev-dependencies"), "dev")
        self.take((*uv, "constraint-dependencies"), "constraint", constraint=True)
        self.take((*uv, "override-dependencies"), "override", constraint=True)
        self.take((*uv, "build-constraint-dependencies"), "build-constraint", constraint=True, build=True)
        for name in table(self.document, "tool", "uv", "extra-build-dependencies"):
            values = table(self.document, "tool", "uv", "extra-build-dependencies")[name]
            for number, item in enumerate(values if isinstance(values, list) else ()):
                text = item.get("requirement") if isinstance(item, dict) else item
                self.one(text, (*uv, "extra-build-dependencies", name, number), "build", build=True)
        self.take(("tool", "rye", "dev-dependencies"), "dev")
        self.take(("tool", "flit", "metadata", "requires"))
        self.take(("tool", "flit", "metadata", "dev-requires"), "dev")
        self.take(("tool", "hatch", "env", "requires"), "build", build=True)
        for name in table(self.document, "tool", "flit", "metadata", "requires-extra"):
            self.take(("tool", "flit", "metadata", "requires-extra", name), name)

    def groups(self) -> None:
        """Take the groups of PEP 735; what a group includes stands in the other group."""
        found = table(self.document, "dependency-groups")
        normal: dict[str, str] = {}
        for name in found:
            if canonicalize_name(name) in normal:
                self.trouble(self.places.key("dependency-groups", name), "names a group of dependencies twice")
            normal[canonicalize_name(name)] = name
        circular = _circular({name: set(_includes(items, normal)) for name, items in found.items()})
        for name, items in found.items():
            path: Path = ("dependency-groups", name)
            if not isinstance(items, list):
                self.trouble(self.places.key(*path), "should be a list of requirements")
                continue
            for number, item in enumerate(items):
                if isinstance(item, dict) and list(item) == ["include-group"]:
                    self.included(name, item["include-group"], (*path, number), normal, circular)
                else:
                    self.one(item, (*path, number), name)

    def included(self, name: str, other: Any, path: Path, known: Mapping[str, str], circular: Collection[str]) -> None:
        """Say when an included group does not exist, or when it and the one in hand include each other."""
        place = self.places.value(*path, "include-group")
        target = known.get(canonicalize_name(other)) if isinstance(other, str) else None
        if target is None:
            self.trouble(
                place, "includes a group of dependencies that does not exist", "add the group, or remove the line"
            )
        elif name in circular and target in circular:
            self.trouble(place, "includes a group of dependencies that includes this one", "break the cycle")

    def poetry_tables(self) -> Iterator[tuple[str, Any, Path]]:
        """Yield group, name and path of each entry of Poetry's tables."""
        tool: Path = ("tool", "poetry")
        tables: list[tuple[str, Path]] = [("", (*tool, "dependencies")), ("dev", (*tool, "dev-dependencies"))]
        tables += [
            (name, (*tool, "group", name, "dependencies")) for name in table(self.document, "tool", "poetry", "group")
        ]
        tables.append(("plugins", (*tool, "requires-plugins")))
        for group, where in tables:
            for name in table(self.document, *map(str, where)):
                yield group, name, (*where, name)

    def tables(self) -> None:
        """Take the lists below names that a person gives: of PDM, Hatch, and hooks of builds."""
        pdm: Path = ("tool", "pdm", "dev-dependencies")
        for name in table(self.document, *map(str, pdm)):
            values = table(self.document, *map(str, pdm))[name]
            for number, item in enumerate(values if isinstance(values, list) else ()):
                if isinstance(item, str) and item.startswith("-e"):
                    address = item[2:].strip().replace("${PROJECT_ROOT}", ".")
                    place = self.places.value(*pdm, name, number)
                    self.manifest.components.append(direct(address, place, group=name, editable=True))
                else:
                    self.one(item, (*pdm, name, number), name)
        overrides: Path = ("tool", "pdm", "resolution", "overrides")
        for name, version in table(self.document, *map(str, overrides)).items():
            text = str(version).strip()
            text = f"=={text}" if text[:1].isdigit() else text
            found = component(
                f"{name} @ {text}" if "://" in text else f"{name}{text}",
                self.places.key(*overrides, name),
                constraint=True,
            )
            self.manifest.components += [found] if found else []
        self.hatch(("tool", "hatch"))

    def hatch(self, top: Path) -> None:
        """Take what environments, builds and their hooks of Hatch need."""
        holder = table(self.document, *map(str, top))
        for name, environment in table(holder, "envs").items():
            here: Path = (*top, "envs", name)
            for key in ("dependencies", "extra-dependencies"):
                self.take((*here, key), name)
            self.overrides(table(environment, "overrides"), (*here, "overrides"), name)
        build: Path = (*top, "build")
        hooked: list[Path] = [(*build, "dependencies")]
        hooked += [(*build, "hooks", hook, "dependencies") for hook in table(holder, "build", "hooks")]
        for target, settings in table(holder, "build", "targets").items():
            hooked.append((*build, "targets", target, "dependencies"))
            hooked += [(*build, "targets", target, "hooks", hook, "dependencies") for hook in table(settings, "hooks")]
        for path in hooked:
            self.take(path, "build", build=True)

    def overrides(self, value: Any, path: Path, group: str, depth: int = 0) -> None:
        """Take the dependencies that an environment of a matrix has besides, however they are nested."""
        if depth > 6 or not isinstance(value, dict):
            return
        for key, inner in value.items():
            if key.removeprefix("set-") in ("dependencies", "extra-dependencies"):
                for number, item in enumerate(inner if isinstance(inner, list) else ()):
                    text = item.get("value") if isinstance(item, dict) else item
                    self.one(text, (*path, key, number), group)
            else:
                self.overrides(inner, (*path, key), group, depth + 1)

    def dynamic(self, load_file: Read) -> None:
        """Follow what a project says that the build works out: from files where a tool names them, else it is a trouble."""
        named = strings(table(self.document, "project").get("dynamic"))
        tools = [("tool", "setuptools", "dynamic"), ("tool", "hatch", "metadata", "hooks", "requirements_txt")]
        files: list[tuple[str, str, Path]] = []
        for tool in tools:
            settings = table(self.document, *tool)
            if tool[1] == "setuptools":
                files += [
                    ("", name, (*tool, "dependencies")) for name in _listed(table(settings, "dependencies").get("file"))
                ]
                extras = table(settings, "optional-dependencies")
                files += [
                    (extra, name, (*tool, "optional-dependencies", extra))
                    for extra in extras
                    for name in _listed(table(extras, extra).get("file"))
                ]
            else:
                files += [
                    ("", name, (*tool, "files")) for name in _listed(settings.get("files") or settings.get("filename"))
                ]
                extras = table(settings, "optional-dependencies")
                files += [
                    (extra, name, (*tool, "optional-dependencies", extra))
                    for extra in extras
                    for name in _listed(extras[extra])
                ]
        for group, name, path in files:
            place = self.places.key(*path)
            requirements.take_lines(self.manifest, [(f"-r {_quoted(name)}", place)], load_file, group=group)
        poetry_table = table(self.document, "tool", "poetry", "dependencies")
        asked = [field for field in ("dependencies", "optional-dependencies") if field in named]
        open_ones = [
            field for field in asked if not any((not group) == (field == "dependencies") for group, _, _ in files)
        ]
        if open_ones and not poetry_table and not self._told_elsewhere(load_file):
            self.manifest.troubles.append(Trouble(
                self.manifest.path, "unresolved", "the dependencies are worked out when the package is built, which is not done here",
                "add a lock file such as pylock.toml",
            ))  # fmt: skip

    def _told_elsewhere(self, load_file: Read) -> bool:
        """Say whether a setup.cfg beside states them, which is read for itself."""
        folder = self.manifest.path.rpartition("/")[0]
        try:
            return "install_requires" in load_file(f"{folder}/setup.cfg" if folder else "setup.cfg")
        except Unreadable:
            return False


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else strings(value)


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "/").replace('"', "") + '"'


def apply_uv_sources(manifest: Manifest, document: dict[str, Any]) -> None:
    """Put in where uv takes a package from instead of the index: a repository, a URL, a path, another index."""
    named = {str(canonicalize_name(name)): value for name, value in table(document, "tool", "uv", "sources").items()}
    if not named:
        return
    hosts = sources.uv_hosts(document)
    changed = []
    for part in manifest.components:
        given = named.get(part.name) if part.origin == "index" and not part.build else None
        entries = [one for one in (given if isinstance(given, list) else [given]) if isinstance(one, dict)]
        changed += [_moved(part, entry, hosts) for entry in entries] or [part]
    manifest.components = changed


def _moved(part: Component, entry: dict[str, Any], hosts: dict[str, str]) -> Component:
    more: dict[str, Any] = {
        "group": part.group,
        "extras": part.extras,
        "marker": part.marker,
        "constraint": part.constraint,
    }
    if isinstance(entry.get("git"), str):
        address = entry["git"] if entry["git"].startswith("git+") else f"git+{entry['git']}"
        rev = str(entry.get("rev") or entry.get("tag") or entry.get("branch") or "")
        return replace(
            direct(f"{address}@{rev}" if rev else address, part.place, part.name, **more), specifier=part.specifier
        )
    if isinstance(entry.get("url"), str):
        return direct(entry["url"], part.place, part.name, **more)
    if isinstance(entry.get("path"), str):
        found = direct(entry["path"], part.place, part.name, editable=bool(entry.get("editable")), **more)
        return replace(found, origin="path")
    if entry.get("workspace") is True:
        return Component(part.name, part.specifier, "", part.place, "path", **more)
    return replace(part, source=foreign_host(hosts.get(str(entry.get("index")), "")) or part.source)


def _other_tools(manifest: Manifest, document: dict[str, Any], places: Places, load_file: Read) -> None:
    """Take what the tables of tools hold whose own files have readers too."""
    from mlguard.scanners.dependencies.readers import pixi, tox

    pixi.take(manifest, table(document, "tool", "pixi"), places, ("tool", "pixi"))
    tox.take_toml(manifest, table(document, "tool", "tox"), places, ("tool", "tox"), load_file)
    legacy = table(document, "tool", "tox").get("legacy_tox_ini")
    if isinstance(legacy, str):
        tox.take_ini(
            manifest,
            legacy,
            places.value("tool", "tox", "legacy_tox_ini").line - 1 + legacy.startswith("\n"),
            load_file,
        )


def read_hatch(path: str, text: str, load_file: Read) -> Manifest:
    """Return what a hatch.toml says. Raises Unreadable."""
    document, places = load(text), Places(path, text)
    manifest = Manifest(path, format="hatch")
    _Reader(manifest, document, places).hatch(())
    return manifest


def _includes(items: Any, known: Mapping[str, str]) -> Iterator[str]:
    """Yield the groups that a group of dependencies includes."""
    for item in items if isinstance(items, list) else ():
        inner = item.get("include-group") if isinstance(item, dict) else None
        if isinstance(inner, str) and (name := known.get(canonicalize_name(inner))):
            yield name


def _circular(edges: dict[str, set[str]]) -> set[str]:
    """Return what is left of a graph when its ends are taken off again and again, from both sides: its circles, and what joins them."""
    left = set(edges)
    for _ in range(2):
        into: dict[str, list[str]] = {name: [] for name in left}
        count = dict.fromkeys(left, 0)
        for name in left:
            for other in edges[name] & left:
                into[other].append(name)
                count[name] += 1
        ends = [name for name in left if not count[name]]
        while ends:
            name = ends.pop()
            left.discard(name)
            for other in into[name]:
                count[other] -= 1
                if not count[other]:
                    ends.append(other)
        turned: dict[str, set[str]] = {name: set() for name in left}
        for name in left:
            for other in edges[name] & left:
                turned[other].add(name)
        edges = turned
    return left
