"""Reads requirements files as pip documents them, without resolving or running anything."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from mlguard.errors import Unreadable
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
)

MAX_WORD = 4096
"""Characters between two blanks of a requirement; a name, a URL or a hash is much shorter."""

MAX_INCLUDES = 200
"""Files that one requirements file may include, directly or not."""

_COMMENT_LINE = re.compile(r"(?:^|\s+)#.*$")
_COMMENT = re.compile(r"(?:^|\s+)#.*$")
_OPTION = re.compile(r"^(?P<name>--[a-z][a-z-]*|-[a-zA-Z])(?:\s*=\s*|\s+|(?<=^-[a-zA-Z])(?=\S))?(?P<value>.*)$")
_HASH = re.compile(r"--hash[=\s]\s*(?P<algorithm>\w+):(?P<digest>[0-9a-fA-F]+)")
_PER_REQUIREMENT = re.compile(r"\s+--?(?:hash|global-option|config-settings?|install-option|C)[=\s].*$", re.S)
_STRONG = {"sha256": 64, "sha384": 96, "sha512": 128}
_SHORT = {"-r": "--requirement", "-c": "--constraint", "-e": "--editable", "-i": "--index-url", "-f": "--find-links"}
_SILENT = frozenset(
    {"--no-index", "--pre", "--no-binary", "--only-binary", "--prefer-binary", "--use-feature", "--process-dependency-links",
     "--pypi-url", "--no-deps", "--use-wheel", "--no-use-wheel", "--uploaded-prior-to", "--no-build-isolation"}
)  # fmt: skip


def read(path: str, text: str, load: Read) -> Manifest:
    """Return what a requirements file and those it includes say. Trouble with a part of it is recorded, never raised."""
    manifest = Manifest(path)
    _File(manifest, load).read(path, text, False, (path,))
    return manifest


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line with the number of its first physical line, continuations joined and comments removed."""
    number, parts = 0, list[str]()
    for current, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        comment = _COMMENT_LINE.match(line)
        if not parts:
            number = current
        if line.endswith("\\") and not comment:
            parts.append(line[:-1])
            continue
        parts.append(f" {line}" if comment else line)
        yield number, _COMMENT.sub("", "".join(parts))
        parts = []
    if parts:
        yield number, _COMMENT.sub("", "".join(parts))


class _File:
    """Reads one requirements file after the other into one manifest."""

    def __init__(self, manifest: Manifest, load: Read) -> None:
        self.manifest, self.load = manifest, load
        self.included: set[tuple[str, bool]] = set()

    def read(self, path: str, text: str, constraint: bool, above: tuple[str, ...]) -> None:
        for number, line in logical_lines(text):
            if len(self.manifest.components) >= MAX_REQUIREMENTS:
                self._trouble(
                    path, f"more than {MAX_REQUIREMENTS} requirements; the rest was not read", kind="unreadable"
                )
                return
            if any(len(word) > MAX_WORD for word in line.split()):
                self._trouble(path, f"a word on line {number} has over {MAX_WORD} characters", kind="unreadable")
                continue
            stripped = line.strip()
            if not stripped:
                continue
            column = len(line) - len(line.lstrip()) + 1
            place = Place(path, number, column, column + len(_PER_REQUIREMENT.sub("", stripped).rstrip()))
            if stripped.startswith("-"):
                self._option(stripped, place, constraint, above)
            else:
                self._requirement(stripped, place, constraint)

    def _trouble(self, path: str, reason: str, hint: str = "", kind: str = "unresolved") -> None:
        self.manifest.troubles.append(Trouble(path, kind, reason, hint))  # type: ignore[arg-type]  # one of its literals

    def _requirement(self, line: str, place: Place, constraint: bool) -> None:
        hashes = [(m["algorithm"].lower(), len(m["digest"])) for m in _HASH.finditer(line)]
        strong = bool(hashes) and all(_STRONG.get(algorithm) == length for algorithm, length in hashes)
        text = _PER_REQUIREMENT.sub("", line).strip()
        if "${" in text:
            self._trouble(
                place.path,
                f"line {place.line} depends on an environment variable",
                "write the value, or pin the package",
            )
            return
        found = self._component(text, place, strong, constraint)
        if found is None:
            self._trouble(place.path, f"line {place.line} is not a requirement that can be read", "write name==version")
            return
        self.manifest.components.append(found)

    def _component(self, text: str, place: Place, strong: bool, constraint: bool) -> Component | None:
        if (
            re.match(r"(?:[a-z]+\+)?[a-z]+://|git@", text, re.I)
            or text.startswith((".", "/", "~", "file:"))
            or _is_archive(text)
        ):
            return direct(text.split(" ;")[0].strip(), place, strong_hash=strong, constraint=constraint)
        return component(text, place, strong_hash=strong, constraint=constraint)

    def _option(self, line: str, place: Place, constraint: bool, above: tuple[str, ...]) -> None:
        match = _OPTION.match(line)
        name = match["name"] if match else line
        name, value = _SHORT.get(name, name), match["value"].strip().strip("\"'") if match else ""
        if name in ("--requirement", "--constraint"):
            self._include(value, place, constraint or name == "--constraint", above)
        elif name == "--editable":
            text = _PER_REQUIREMENT.sub("", value).strip()
            self.manifest.components.append(direct(text, place, constraint=constraint))
        elif name == "--require-hashes":
            self.manifest.require_hashes = True
        elif not self._index(name, value, place) and name not in _SILENT:
            self._trouble(
                place.path, f"line {place.line} has an option that is not known here", "remove it, or report it to us"
            )

    def _index(self, name: str, value: str, place: Place) -> bool:
        """Take in an option that says where packages come from, and say whether it is one."""
        if name not in ("--index-url", "--extra-index-url", "--trusted-host", "--find-links"):
            return False
        checks = {"--extra-index-url": "extra-index", "--trusted-host": "trusted-host"}
        if name in checks:
            self.manifest.indexes.append(Index(checks[name], place, name))
        elif value.lower().startswith("http://"):
            self.manifest.indexes.append(Index("http-index", place, name))
        return True

    def _include(self, value: str, place: Place, constraint: bool, above: tuple[str, ...]) -> None:
        where = f"line {place.line} includes"
        if "://" in value or "${" in value:
            self._trouble(
                place.path, f"{where} a file from elsewhere, which is not fetched", "keep the file in the repository"
            )
            return
        target = posixpath.normpath(posixpath.join(posixpath.dirname(place.path), value))
        if not value or target.startswith(("../", "/")) or target == "..":
            self._trouble(
                place.path, f"{where} a file outside the scanned tree", "scan from the folder that holds both"
            )
            return
        if target in above or (target, constraint) in self.included:
            if target in above:
                self._trouble(place.path, f"{where} a file that includes this one", "break the cycle")
            return
        if len(self.included) >= MAX_INCLUDES:
            self._trouble(place.path, f"more than {MAX_INCLUDES} files are included")
            return
        self.included.add((target, constraint))
        try:
            text = self.load(target)
        except Unreadable as error:
            missing = isinstance(error.__context__, FileNotFoundError)
            self._trouble(
                place.path,
                f"{where} a file that {'does not exist' if missing else f'cannot be read: {error}'}",
                "add the file, or remove the line",
                "missing",
            )
            return
        self.read(target, text, constraint, (*above, target))


def _is_archive(text: str) -> bool:
    return bool(re.match(r"^[^\s=<>~!@;]+\.(?:whl|tar\.gz|zip|tar\.bz2)(?:[#?;\s]|$)", text))
