"""The Terraform folders of the scanned tree, each parsed once, and the files that they may read."""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from mlguard.errors import Unreadable
from mlguard.findings import Gap, GapKind
from mlguard.scanners import Context, lazy, read_text
from mlguard.scanners.infra.resources import Unknown
from mlguard.scanners.infra.terraform.evaluator import Module
from mlguard.scanners.infra.terraform.files import Refused
from mlguard.scanners.infra.terraform.session import Folder, Session
from mlguard.scanners.infra.terraform.syntax import Attribute, Block, Source, parse

MAX_FILE_BYTES = 8 * 2**20
"""The largest Terraform file that is read."""

MAX_INCLUDED_BYTES = 2**20
"""The largest file that ``file`` and ``templatefile`` read."""

MAX_FILES = 2_000
"""Terraform files of one folder."""

MAX_LISTED = 5_000
"""Files that ``fileset`` looks at."""

MAX_VARIANTS = 8
"""Files of values that a root module is evaluated with, one after the other."""

_CODE = lazy.pattern(r"\.(?:tf|tofu)(?:\.json)?$")
_TOFU = lazy.pattern(r"\.tf(\.json)?$")
_VALUES = lazy.pattern(r"\.tfvars(?:\.json)?$")
AUTO = lazy.pattern(r"^terraform\.tfvars(?:\.json)?$|\.auto\.tfvars(?:\.json)?$")
"""Names of the files of values that Terraform reads by itself."""
_OVERRIDE = lazy.pattern(r"(?:^|_)override\.(?:tf|tofu)(?:\.json)?$")


class Tree:
    """The folders of the scanned tree, each parsed once, also those that a module call reaches outside the group."""

    def __init__(self, context: Context, given: set[str]) -> None:
        self.context, self.given = context, given
        self.real = os.path.realpath(context.root)
        self._inside: dict[str, bool] = {}
        self._folders: dict[str, Folder | None] = {}
        self._data: dict[str, bytes | Unknown | None] = {}
        self._gaps: list[Gap] = []
        self._names: dict[str, set[str]] = defaultdict(set)
        for one in given:
            self._names[posixpath.dirname(one)].add(posixpath.basename(one))
        self._values: list[tuple[str, Folder]] | None = None
        self.folders = {posixpath.dirname(path) for path in given}
        """Folders of which a file is scanned."""
        self.told: set[tuple[str, int, str]] = set()

    def inside(self, path: str) -> bool:
        """Say whether a path stays in the tree when its links are followed."""
        if not path:
            return True
        if path not in self._inside:
            whole = os.path.join(self.real, path)
            straight = self.inside(posixpath.dirname(path)) and not os.path.islink(whole)
            self._inside[path] = straight or (os.path.realpath(whole) + os.sep).startswith(
                self.real.rstrip(os.sep) + os.sep
            )
        return self._inside[path]

    def names(self, path: str) -> list[str]:
        """Return the Terraform files of a folder, overrides last, then by name."""
        try:
            found = {entry.name for entry in os.scandir(os.path.join(self.real, path)) if entry.is_file()}
        except OSError:
            found = set()
        found |= self._names[path]
        wanted = [
            name
            for name in found
            if (_CODE.search(name) and _TOFU.sub(r".tofu\1", name) not in found - {name}) or _VALUES.search(name)
        ]
        return sorted(wanted, key=lambda name: (bool(_OVERRIDE.search(name)), name))[:MAX_FILES]

    def folder(self, path: str) -> Folder | None:
        """Return a folder, None where there is no Terraform code."""
        if path not in self._folders:
            self._folders[path] = None
            if self.inside(path):
                self._folders[path] = self._load(path)
        return self._folders[path]

    def _load(self, path: str) -> Folder | None:
        folder = Folder(path)
        for name in self.names(path):
            source = self.source(posixpath.join(path, name))
            if source is None:
                continue
            if _VALUES.search(name):
                folder.values[name] = source.body.attributes
            else:
                folder.code = True
                _enter(folder, source.body, bool(_OVERRIDE.search(name)))
        return folder if folder.code or folder.values else None

    def source(self, path: str) -> Source | None:
        """Return a file as read, None where that is not possible, which is kept as a gap."""
        try:
            source = parse(path, read_text(self.context, path, MAX_FILE_BYTES))
        except Unreadable as trouble:
            self._gap(path, str(trouble), "")
            return None
        if source.errors:
            more = f" and {len(source.errors) - 1} more" if len(source.errors) > 1 else ""
            self._gap(
                path,
                f"line {source.errors[0]}{more}: not valid HCL; the rest was read",
                "run terraform fmt on the file",
            )
        for line, limit in source.limits[:1]:
            self._gap(path, f"line {line}: {limit}; the rest was read", "", "too-large")
        return source

    def _gap(self, path: str, reason: str, hint: str, kind: GapKind = "unreadable") -> None:
        if path in self.given:
            self._gaps.append(Gap("infra", path, kind, reason, hint))

    def gaps(self) -> list[Gap]:
        return sorted(self._gaps, key=lambda gap: gap.path)

    def data(self, path: str) -> bytes | Unknown | None:
        """Return the bytes of a file for ``file``: None where there is none, Refused where it is not read."""
        if path not in self._data:
            self._data[path] = self._read(path)
        return self._data[path]

    def _read(self, path: str) -> bytes | Unknown | None:
        whole = os.path.join(self.real, path)
        try:
            if not os.path.isfile(whole):
                return None
            if not self.inside(path):
                return Refused("a link that leads out of the tree")
            if os.path.getsize(whole) > MAX_INCLUDED_BYTES:
                return Refused(f"a file of more than {MAX_INCLUDED_BYTES} bytes")
            with open(whole, "rb") as file:
                return file.read(MAX_INCLUDED_BYTES)
        except (OSError, ValueError):
            return None

    def exists(self, path: str) -> bool:
        """Say whether there is a file at a path of the tree."""
        return self.inside(path) and os.path.isfile(os.path.join(self.real, path))

    def matching(self, path: str, pattern: str) -> list[str] | Unknown:
        """Return the files below a folder that fit a pattern of ``fileset``, relative to the folder, sorted."""
        expression = re.compile(_pattern(pattern[:200]))
        top = os.path.join(self.real, path)
        found, seen = [], 0
        for folder, below, names in os.walk(top if self.inside(path) else os.devnull):
            below.sort()
            seen += len(names) + 1
            if seen > MAX_LISTED:
                return Unknown("a folder with too many files")
            prefix = os.path.relpath(folder, top).replace(os.sep, "/")
            relative = [name if prefix == "." else f"{prefix}/{name}" for name in names]
            found += [name for name in relative if expression.fullmatch(name)]
        return sorted(found)

    def known(self) -> Iterator[tuple[str, Folder]]:
        """Yield the folders that hold code and have been read."""
        yield from ((path, one) for path, one in list(self._folders.items()) if one is not None and one.code)

    def kinds(self) -> Iterator[set[str]]:
        for folder in self._folders.values():
            if folder is not None:
                yield {kind for kind, _ in folder.resources}

    def above(self) -> list[str]:
        """Return the scanned folders and those around them, whose modules may call them."""
        found = set()
        for path in self.folders:
            found.add(path)
            while path:
                path = posixpath.dirname(path)
                found.add(path)
        return sorted(found)

    def roots(self, folders: Sequence[str], also: Collection[str] = ()) -> list[str]:
        """Return the folders that nothing else calls (nor is among ``also``), or that have a backend or values of their own.

        Of folders that call each other in a ring, which no other folder leads to, the first is a root.
        """
        calls = {path: list(self.called(path)) for path in folders}
        called = {target for targets in calls.values() for target in targets} | set(also)
        own = {path for path in folders if self._stands_alone(path)}
        coded = [path for path in folders if self._has_code(path)]
        roots = [path for path in coded if path not in called or path in own]
        reached: set[str] = set()
        for path in [*roots, *also, *coded]:
            if path in coded and path not in reached and path not in roots and path not in also:
                roots.append(path)
            ahead = [path]
            while ahead:
                one = ahead.pop()
                if one not in reached:
                    reached.add(one)
                    ahead += calls.get(one, self.called(one))
        return sorted(roots)

    def called(self, path: str) -> Iterator[str]:
        """Yield the folders of the local modules that a folder calls."""
        folder = self.folder(path)
        if folder is None or not folder.modules:
            return
        module = Module(Session(self.folder, self.data, self.matching), folder)
        for block in folder.modules.values():
            text = module.source(block)
            if isinstance(text, str) and text.startswith("."):
                target = posixpath.normpath(posixpath.join(path, text))
                yield "" if target == "." else target

    def installed(self, path: str) -> dict[str, str]:
        """Return the folders of the modules that ``terraform init`` has put on disk for a root module, by their key."""
        data = self.data(posixpath.join(path, ".terraform/modules/modules.json"))
        try:
            known = json.loads(data) if isinstance(data, bytes) else {}
        except (ValueError, RecursionError):
            return {}
        found = {}
        modules = known.get("Modules") if isinstance(known, dict) else None
        for one in modules if isinstance(modules, list) else []:
            key, folder = (one.get("Key"), one.get("Dir")) if isinstance(one, dict) else (None, None)
            if isinstance(key, str) and isinstance(folder, str) and key:
                target = posixpath.normpath(posixpath.join(path, folder.replace("\\", "/")))
                if not target.startswith(("..", "/")):
                    found[key] = "" if target == "." else target
        return found

    def _has_code(self, path: str) -> bool:
        folder = self._folders[path]
        return folder is not None and folder.code

    def _stands_alone(self, path: str) -> bool:
        folder = self._folders[path]
        if folder is None:
            return False
        backend = any(inner.type in ("backend", "cloud") for block in folder.settings for inner in block.blocks)
        return backend or any(AUTO.search(name) for name in folder.values)

    def _bare(self) -> list[tuple[str, Folder]]:
        """Return the folders that hold values and no code."""
        if self._values is None:
            self._values = [(path, one) for path, one in self._folders.items() if one is not None and not one.code]
        return self._values

    def variants(self, path: str) -> Sequence[tuple[str, Mapping[str, Attribute]]]:
        """Return the files of values that are not read by themselves, each for an evaluation of its own."""
        folder = self._folders[path]
        assert folder is not None
        found = {posixpath.join(path, name): v for name, v in folder.values.items() if not AUTO.search(name)}
        prefix = path + "/" if path else ""
        for other, inner in self._bare():
            if other.startswith(prefix) and other != path:
                found |= {posixpath.join(other, name): values for name, values in inner.values.items()}
        return sorted(found.items())[:MAX_VARIANTS] or [("", {})]


def _pattern(glob: str) -> str:
    """Return the regular expression of a pattern with ``*``, ``**``, ``?`` and ``{a,b}``."""
    parts = {"**/": "(?:[^/]+/){0,30}", "**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")", ",": "|"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?|[{},])", re.sub(r"\*{3,}", "**", glob))
    if glob.count("*") > 4 or glob.count("{") != glob.count("}") or re.search(r"\}[^{]*\}|\{[^}]*\{|^[^{]*\}", glob):
        return re.escape(glob)
    inside = False
    result = []
    for piece in pieces:
        inside = piece == "{" or (inside and piece != "}")
        result.append(re.escape(piece) if piece == "," and not inside else parts.get(piece, re.escape(piece)))
    return "".join(result)


def _enter(folder: Folder, body: Block, override: bool) -> None:
    """Put the blocks of a file into its folder; what stands in an override file wins."""
    for block in body.blocks:
        labels = block.labels
        match block.type:
            case "resource" | "data" if len(labels) >= 2:
                _keep(
                    folder.resources if block.type == "resource" else folder.data,
                    (labels[0], labels[1]),
                    block,
                    override,
                )
            case "variable" | "output" | "module" if labels:
                places = {"variable": folder.variables, "output": folder.outputs, "module": folder.modules}
                _keep(places[block.type], labels[0], block, override)
            case "locals":
                for name, attribute in block.attributes.items():
                    if override or name not in folder.locals:
                        folder.locals[name] = attribute
            case "provider" if labels:
                alias = block.value("alias")
                _keep(
                    folder.providers,
                    f"{labels[0]}.{alias.args[0]}" if alias and alias.args else labels[0],
                    block,
                    override,
                )
            case "terraform":
                folder.settings.append(block)
            case _:
                folder.others.append(block)


def _keep(place: dict[Any, Block], key: Any, block: Block, override: bool) -> None:
    held = place.get(key)
    if held is None:
        place[key] = block
    elif override:
        held.attributes |= block.attributes
        kinds = {inner.type for inner in block.blocks}
        held.blocks = [inner for inner in held.blocks if inner.type not in kinds] + block.blocks
