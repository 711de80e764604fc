"""Reads the manifests of Pipenv, setuptools and conda; none of them is run."""

from __future__ import annotations

import ast
import configparser
import json
import posixpath
import re
from collections.abc import Callable, Iterator
from typing import Any

from packaging.utils import canonicalize_name

from mlguard.errors import Unreadable
from mlguard.scanners.dependencies import toml
from mlguard.scanners.dependencies.manifests import (
    MAX_REQUIREMENTS,
    Component,
    Index,
    Manifest,
    Place,
    Read,
    Trouble,
    component,
    direct,
    exact,
)

_CONDA = re.compile(
    r"(?i)^(?:environment|env|conda)(?:[-_.][\w.-]*)?\.ya?ml$|^[\w.-]*[-_](?:environment|conda)\.ya?ml$"
)


def reader_of(path: str) -> Callable[[str, str, Read], Manifest | None] | None:
    """Return what reads the file of this name, or None. A reader returns None for a file that names no packages."""
    name = posixpath.basename(path)
    if _CONDA.match(name):
        return read_conda
    return {
        "Pipfile": read_pipfile,
        "Pipfile.lock": read_pipfile_lock,
        "setup.cfg": read_setup_cfg,
        "setup.py": read_setup_py,
    }.get(name)


def _first_line(text: str, wanted: str, path: str) -> Place:
    """Return the line that holds a string first, or line 1."""
    at = text.find(wanted)
    return Place(path, text.count("\n", 0, at) + 1 if at > 0 else 1)


def _add(manifest: Manifest, requirement: str, place: Place, group: str = "", build: bool = False) -> None:
    if len(manifest.components) >= MAX_REQUIREMENTS:
        raise Unreadable(f"more than {MAX_REQUIREMENTS} requirements")
    found = component(requirement, place, group=group, build=build)
    if found is not None:
        manifest.components.append(found)
    else:
        reason = f"line {place.line} has a requirement that cannot be read"
        manifest.troubles.append(Trouble(manifest.path, "unresolved", reason, "write it as PEP 508 says"))


# ---- Pipenv: https://pipenv.pypa.io/en/latest/pipfile.html


def read_pipfile(path: str, text: str, load: Read) -> Manifest:
    """Return what a Pipfile says. Raises Unreadable."""
    document, manifest = toml.load(text), Manifest(path)
    for group, entries in document.items():
        if group in ("source", "requires", "scripts", "pipenv") or not isinstance(entries, dict):
            continue
        for name, value in entries.items():
            manifest.components.append(_pipenv(str(name), value, _first_line(text, str(name), path), group))
    manifest.indexes += _pipenv_sources(document.get("source"), text, path)
    return manifest


def read_pipfile_lock(path: str, text: str, load: Read) -> Manifest:
    """Return what a Pipfile.lock says. Raises Unreadable."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise Unreadable("not valid JSON") from None
    if not isinstance(document, dict) or not isinstance(document.get("_meta"), dict):
        raise Unreadable("no table _meta; is this a lock file of Pipenv?")
    manifest = Manifest(path, lock=True)
    for group, entries in document.items():
        if group == "_meta" or not isinstance(entries, dict):
            continue
        for name, value in entries.items():
            manifest.components.append(_pipenv(str(name), value, _first_line(text, f'"{name}"', path), group))
    manifest.indexes += _pipenv_sources(document["_meta"].get("sources"), text, path)
    return manifest


def _pipenv(name: str, value: Any, place: Place, group: str) -> Component:
    details = value if isinstance(value, dict) else {"version": value}
    group = "" if group in ("packages", "default") else group
    if isinstance(details.get("git"), str):
        ref = str(details.get("ref", ""))
        return direct(f"git+{details['git']}" + (f"@{ref}" if ref else ""), place, name, group=group)
    for key in ("file", "path"):
        if isinstance(details.get(key), str):
            return direct(details[key], place, name, group=group)
    specifier = str(details.get("version", "*")).strip()
    hashes = details.get("hashes")
    strong = isinstance(hashes, list) and bool(hashes) and all(str(item).startswith("sha256:") for item in hashes)
    return Component(canonicalize_name(name), specifier, exact(specifier), place, strong_hash=strong, group=group)


def _pipenv_sources(sources: Any, text: str, path: str) -> Iterator[Index]:
    for source in sources if isinstance(sources, list) else ():
        url = source.get("url") if isinstance(source, dict) else None
        if isinstance(url, str) and url.lower().startswith("http://"):
            yield Index("http-index", _first_line(text, url, path), "url")
        elif isinstance(source, dict) and source.get("verify_ssl") is False:
            yield Index("trusted-host", _first_line(text, "verify_ssl", path), "verify_ssl")


# ---- setuptools


def read_setup_cfg(path: str, text: str, load: Read) -> Manifest | None:
    """Return what the options of a setup.cfg say. Raises Unreadable.

    https://setuptools.pypa.io/en/latest/userguide/declarative_config.html
    """
    settings = configparser.RawConfigParser(strict=False)
    try:
        settings.read_string(text)
    except configparser.Error:
        raise Unreadable("not valid as settings of setuptools") from None
    manifest = Manifest(path)
    lists = [("", "options", "install_requires"), ("tests", "options", "tests_require")]
    lists.append(("setup", "options", "setup_requires"))
    if settings.has_section("options.extras_require"):
        lists += [(name, "options.extras_require", name) for name in settings.options("options.extras_require")]
    for group, section, option in lists:
        value = settings.get(section, option, fallback="").strip()
        if value.startswith("file:"):
            _from_files(manifest, value.removeprefix("file:").split(","), load)
            continue
        for line in value.split("\n") if "\n" in value else value.split(";"):
            requirement = re.sub(r"(?:^|\s)#.*$", "", line).strip()
            if requirement:
                _add(manifest, requirement, _first_line(text, requirement, path), group, group == "setup")
    return manifest if manifest.components or manifest.troubles else None


def _from_files(manifest: Manifest, names: list[str], load: Read) -> None:
    from mlguard.scanners.dependencies import requirements

    lines = "".join(f"-r {name.strip()}\n" for name in names)
    included = requirements.read(manifest.path, lines, load)
    manifest.components += included.components
    manifest.troubles += included.troubles


_LISTS = {"install_requires": "", "tests_require": "tests", "setup_requires": "setup", "extras_require": "extra"}


def read_setup_py(path: str, text: str, load: Read) -> Manifest | None:
    """Return the requirements that a setup.py states as literals. What it computes becomes a trouble. Raises Unreadable."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        if "_requires" not in text:
            return None
        raise Unreadable("not valid Python") from None
    named = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    manifest = Manifest(path)
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and _called(call) == "setup":
            for keyword in call.keywords:
                if keyword.arg in _LISTS:
                    _literals(manifest, keyword.value, _LISTS[keyword.arg], named, 0)
                elif keyword.arg is None:
                    _spread(manifest, keyword.value, named)
    return manifest if manifest.components or manifest.troubles else None


def _called(call: ast.Call) -> str:
    function = call.func
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def _spread(manifest: Manifest, value: ast.expr, named: dict[str, ast.expr]) -> None:
    """Take the lists out of ``setup(**options)``."""
    value = named.get(value.id, value) if isinstance(value, ast.Name) else value
    if not isinstance(value, ast.Dict):
        _computed(manifest, value)
        return
    for key, item in zip(value.keys, value.values, strict=True):
        if isinstance(key, ast.Constant) and key.value in _LISTS:
            _literals(manifest, item, _LISTS[str(key.value)], named, 0)


MAX_NAMES = 20
"""Names that are followed from one list of a setup.py to the next."""


def _literals(manifest: Manifest, value: ast.expr, group: str, named: dict[str, ast.expr], depth: int) -> None:
    if depth > MAX_NAMES:
        _computed(manifest, value)
    elif isinstance(value, ast.Name) and value.id in named:
        _literals(manifest, named[value.id], group, named, depth + 1)
    elif isinstance(value, (ast.List, ast.Tuple, ast.Set)):
        for item in value.elts:
            _literals(manifest, item, group, named, depth + 1)
    elif isinstance(value, ast.Starred):
        _literals(manifest, value.value, group, named, depth + 1)
    elif isinstance(value, ast.Dict):
        for item in value.values:
            _literals(manifest, item, group, named, depth + 1)
    elif isinstance(value, ast.BinOp) and not isinstance(value.left, (ast.Constant, ast.JoinedStr)):
        _literals(manifest, value.left, group, named, depth + 1)
        _literals(manifest, value.right, group, named, depth + 1)
    elif isinstance(value, ast.Constant) and isinstance(value.value, str):
        for line in value.value.splitlines():
            if line.strip():
                place = Place(manifest.path, value.lineno)
                _add(manifest, line.strip(), place, group, group == "setup")
    elif not (isinstance(value, ast.Constant) and value.value is None):
        _computed(manifest, value)


def _computed(manifest: Manifest, value: ast.expr) -> None:
    reason = f"line {value.lineno} works requirements out when the package is built, which is not done here"
    if all(trouble.reason != reason for trouble in manifest.troubles):
        manifest.troubles.append(
            Trouble(manifest.path, "unresolved", reason, "write them as a list, or add a lock file such as pylock.toml")
        )


# ---- conda: https://docs.conda.io/projects/conda/en/stable/user-guide/tasks/manage-environments.html


def read_conda(path: str, text: str, load: Read) -> Manifest | None:
    """Return the packages that pip installs into a conda environment; conda's own become a trouble. Raises Unreadable."""
    from mlguard import yamlish

    document, lines = yamlish.load(text, "the environment")
    listed = document.get("dependencies") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        return None
    manifest, own = Manifest(path), list[str]()
    for index, item in enumerate(listed):
        if isinstance(item, dict):
            pip = item.get("pip")
            for place, requirement in enumerate(pip if isinstance(pip, list) else ()):
                line = yamlish.line_of(lines, ("dependencies", index, "pip", place))
                _pip_line(manifest, str(requirement), line, load)
        elif isinstance(item, str):
            own.append(re.split(r"[\s=<>!~\[]", item.rsplit("::", 1)[-1].strip(), maxsplit=1)[0])
    own = [name for name in own if name not in ("python", "pip", "")]
    if own:
        reason = f"{len(own)} packages come from conda, for which there is no audit"
        manifest.troubles.append(Trouble(path, "unresolved", reason, "install them with pip from a lock file"))
    return manifest if manifest.components or manifest.troubles else None


def _pip_line(manifest: Manifest, text: str, line: int, load: Read) -> None:
    from dataclasses import replace

    from mlguard.scanners.dependencies import requirements

    read = requirements.read(manifest.path, text, load)
    for part in read.components:
        own = part.place.path == manifest.path
        manifest.components.append(replace(part, place=Place(manifest.path, line)) if own else part)
    manifest.indexes += [replace(index, place=Place(manifest.path, line)) for index in read.indexes]
    for trouble in read.troubles:
        reason = trouble.reason.replace("line 1 ", f"line {line} ", 1)
        manifest.troubles.append(replace(trouble, reason=reason))
