"""Reads manifests and lock files in TOML, and finds the lines that the TOML parser does not tell."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from packaging.utils import canonicalize_name

from mlguard.errors import Unreadable
from mlguard.scanners.dependencies.manifests import (
    MAX_REQUIREMENTS,
    Component,
    Index,
    Manifest,
    Place,
    Trouble,
    component,
    direct,
    exact,
)

_WEAK = ("md5", "sha1")


def load(text: str) -> dict[str, Any]:
    """Return the document. Raises Unreadable."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+), column (\d+)", str(error))
        where = f" (line {line[1]}, column {line[2]})" if line else ""
        raise Unreadable(f"not valid TOML{where}") from None
    except (RecursionError, ValueError):
        raise Unreadable("not valid TOML") from None


class _Text:
    """The text of a file, and where its tables, keys and strings stand."""

    def __init__(self, path: str, text: str) -> None:
        self.path, self.text = path, text
        self.used: set[int] = set()

    def place(self, start: int, end: int) -> Place:
        line_start = self.text.rfind("\n", 0, start) + 1
        return Place(self.path, self.text.count("\n", 0, start) + 1, start - line_start + 1, end - line_start + 1)

    def table(self, name: str) -> int:
        """Return where the header of a table stands, or 0."""
        parts = r"\s*\.\s*".join(rf"[\"']?{re.escape(part)}[\"']?" for part in name.split("."))
        match = re.search(rf"^[ \t]*\[\s*{parts}\s*\]", self.text, re.M)
        return match.start() if match else 0

    def string(self, value: str, after: int = 0) -> Place:
        """Return the place of the next string with this value that was not asked for yet."""
        best: int | None = None
        for quote in ('"', "'"):
            at = self.text.find(f"{quote}{value}{quote}", after)
            while at != -1 and at in self.used:
                at = self.text.find(f"{quote}{value}{quote}", at + 1)
            if at != -1 and (best is None or at < best):
                best = at
        if best is None:
            return Place(self.path, self.text.count("\n", 0, after) + 1)
        self.used.add(best)
        return self.place(best + 1, best + 1 + len(value))

    def key(self, name: str, after: int) -> Place:
        """Return the place of a key and its value on the line."""
        match = re.compile(rf"^[ \t]*(?P<entry>[\"']?{re.escape(name)}[\"']?\s*=[^\n#]*)", re.M).search(
            self.text, after
        )
        if match is None:
            return Place(self.path, self.text.count("\n", 0, after) + 1)
        return self.place(match.start("entry"), match.start("entry") + len(match["entry"].rstrip()))


# ---- pyproject.toml


def read_pyproject(path: str, text: str) -> tuple[Manifest, tuple[str, ...]]:
    """Return what a pyproject.toml says, and the requirements files that it takes its dependencies from. Raises Unreadable."""
    document, source = load(text), _Text(path, text)
    manifest = Manifest(path)
    files = _dynamic(document, manifest)
    for group, value, after, build in _requirement_strings(document, source):
        found = component(value, place := source.string(value, after), group=group, build=build)
        if found is None:
            reason = f"line {place.line} is not a requirement that can be read"
            manifest.troubles.append(Trouble(path, "unresolved", reason, "write it as PEP 508 says"))
        else:
            manifest.components.append(found)
    for group, name, value, after in _poetry(document, source):
        manifest.components += _poetry_component(name, value, source.key(name, after), group)
    manifest.indexes += _indexes(document, source)
    return manifest, files


def _table(value: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _requirement_strings(document: dict[str, Any], source: _Text) -> Iterator[tuple[str, str, int, bool]]:
    """Yield group, requirement, where its table begins, and whether it is needed to build only."""
    project = _table(document, "project")
    for value in _strings(_table(document, "build-system").get("requires")):
        yield "build-system", value, source.table("build-system"), True
    for value in _strings(project.get("dependencies")):
        yield "", value, source.table("project"), False
    groups: list[tuple[str, dict[str, Any]]] = [
        ("project.optional-dependencies", _table(project, "optional-dependencies")),
        ("dependency-groups", _table(document, "dependency-groups")),
        ("tool.pdm.dev-dependencies", _table(document, "tool", "pdm", "dev-dependencies")),
    ]
    for table, found in groups:
        for name, values in found.items():
            for value in _strings(values):
                yield str(name), value, source.table(table), False
    for value in _strings(_table(document, "tool", "uv").get("dev-dependencies")):
        yield "dev", value, source.table("tool.uv"), False
    for name, environment in _table(document, "tool", "hatch", "envs").items():
        for key in ("dependencies", "extra-dependencies"):
            for value in _strings(_table(environment).get(key)):
                yield str(name), value, source.table(f"tool.hatch.envs.{name}"), False


def _dynamic(document: dict[str, Any], manifest: Manifest) -> tuple[str, ...]:
    dynamic = _strings(_table(document, "project").get("dynamic"))
    if "dependencies" not in dynamic and "optional-dependencies" not in dynamic:
        return ()
    named = _table(document, "tool", "setuptools", "dynamic", "dependencies").get("file", [])
    files = [named] if isinstance(named, str) else _strings(named)
    hatch = _strings(_table(document, "tool", "hatch", "metadata", "hooks", "requirements_txt").get("files"))
    poetry = _table(document, "tool", "poetry", "dependencies")
    if not files and not hatch and not poetry:
        reason = "the dependencies are worked out when the package is built, which is not done here"
        manifest.troubles.append(Trouble(manifest.path, "unresolved", reason, "add a lock file such as pylock.toml"))
    return (*files, *hatch)


def _poetry(document: dict[str, Any], source: _Text) -> Iterator[tuple[str, str, Any, int]]:
    poetry = _table(document, "tool", "poetry")
    tables = [("", "tool.poetry.dependencies", _table(poetry, "dependencies"))]
    tables.append(("dev", "tool.poetry.dev-dependencies", _table(poetry, "dev-dependencies")))
    for name, group in _table(poetry, "group").items():
        tables.append((str(name), f"tool.poetry.group.{name}.dependencies", _table(group, "dependencies")))
    for group, table, entries in tables:
        for name, value in entries.items():
            if name != "python":
                yield group, str(name), value, source.table(table)


def _poetry_component(name: str, value: Any, place: Place, group: str) -> Iterator[Component]:
    for item in value if isinstance(value, list) else [value]:
        details = item if isinstance(item, dict) else {"version": item}
        if isinstance(details.get("git"), str):
            rev = str(details.get("rev", ""))
            yield direct(f"git+{details['git']}" + (f"@{rev}" if rev else ""), place, name, group=group)
        elif isinstance(details.get("url"), str) or isinstance(details.get("path"), str):
            yield direct(str(details.get("url", details.get("path"))), place, name, group=group)
        else:
            version = str(details.get("version", "*")).strip()
            # https://python-poetry.org/docs/dependency-specification/#exact-requirements: a bare version is exact.
            bare = bool(re.match(r"^\d[\w.!+-]*$", version)) and "*" not in version
            specifier = f"=={version}" if bare else version
            yield Component(canonicalize_name(name), specifier, exact(specifier), place, group=group)


def _indexes(document: dict[str, Any], source: _Text) -> Iterator[Index]:
    uv = _table(document, "tool", "uv")
    if str(uv.get("index-strategy", "")).startswith("unsafe-"):
        yield Index("extra-index", source.key("index-strategy", source.table("tool.uv")), "index-strategy")
    urls = [uv.get("index-url"), *_strings(uv.get("extra-index-url")), *_strings(uv.get("find-links"))]
    for tables in (
        uv.get("index"),
        _table(document, "tool", "poetry").get("source"),
        _table(document, "tool", "pdm").get("source"),
    ):
        urls += [entry.get("url") for entry in tables if isinstance(entry, dict)] if isinstance(tables, list) else []
    for url in urls:
        if isinstance(url, str) and url.lower().startswith("http://"):
            yield Index("http-index", source.string(url), "url")


# ---- lock files


def read_lock(path: str, text: str) -> Manifest:
    """Return what pylock.toml (PEP 751), uv.lock, poetry.lock or pdm.lock says. Raises Unreadable."""
    document, source = load(text), _Text(path, text)
    manifest = Manifest(path, lock=True)
    key = "packages" if isinstance(document.get("packages"), list) else "package"
    packages = document.get(key, [])
    if (
        not isinstance(packages, list)
        or not packages
        and "lock-version" not in document
        and "version" not in document
        and "metadata" not in document
    ):
        raise Unreadable("no table [[packages]] (PEP 751) or [[package]]; is this a lock file?")
    starts = [match.start() for match in re.finditer(rf"^[ \t]*\[\[\s*{key}\s*\]\]", text, re.M)]
    for number, package in enumerate(packages[:MAX_REQUIREMENTS]):
        if not isinstance(package, dict) or not isinstance(package.get("name"), str):
            manifest.troubles.append(Trouble(path, "unresolved", f"package {number + 1} has no name"))
            continue
        after = starts[number] if number < len(starts) else 0
        found = _locked(package, source.key("name", after), document)
        if found is not None:
            manifest.components.append(found)
    if len(packages) > MAX_REQUIREMENTS:
        manifest.troubles.append(
            Trouble(path, "unreadable", f"more than {MAX_REQUIREMENTS} packages; the rest was not read")
        )
    return manifest


def _locked(package: dict[str, Any], place: Place, document: dict[str, Any]) -> Component | None:
    name, version = canonicalize_name(package["name"]), str(package.get("version", ""))
    vcs, folder = package.get("vcs"), package.get("directory")
    source = _table(package, "source")
    if (
        isinstance(folder, dict)
        or any(key in source for key in ("virtual", "editable", "directory"))
        or source.get("type") == "directory"
    ):
        return None  # the project itself or a neighbour, which is scanned as source
    if isinstance(vcs, dict) or "git" in source or source.get("type") == "git":
        commit = str(
            _table(package, "vcs").get("commit-id")
            or source.get("resolved_reference")
            or str(source.get("git", "")).rpartition("#")[2]
        )
        return Component(name, "", version, place, "git", bool(re.fullmatch(r"[0-9a-f]{40,64}", commit)))
    archive = package.get("archive")
    origin = "url" if isinstance(archive, dict) else "index"
    hashed = _hashed(package, document)
    return Component(
        name, f"=={version}" if version else "", version, place, "url" if origin == "url" else "index", False, hashed
    )


def _hashed(package: dict[str, Any], document: dict[str, Any]) -> bool:
    files: list[Any] = [package.get("sdist"), package.get("archive")]
    for key in ("wheels", "files"):
        files += package[key] if isinstance(package.get(key), list) else []
    old = _table(document, "metadata", "files").get(package["name"])
    files += old if isinstance(old, list) else []
    files = [file for file in files if isinstance(file, dict)]
    return bool(files) and all(_is_strong(file) for file in files)


def _is_strong(file: dict[str, Any]) -> bool:
    hashes = file.get("hashes")
    if isinstance(hashes, dict):
        return any(str(name).lower() not in _WEAK for name in hashes)
    return str(file.get("hash", "")).lower().startswith(("sha256:", "sha384:", "sha512:", "blake2"))
