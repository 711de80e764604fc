"""Reads the requirements of setup.cfg, and those that a setup.py states; nothing of it is run."""

from __future__ import annotations

import ast
import posixpath
import re
import warnings
from collections.abc import Iterator
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners.dependencies import requirements
from mlguard.scanners.dependencies.manifests import (
    MAX_REQUIREMENTS,
    Manifest,
    Place,
    Read,
    Trouble,
    component,
)
from mlguard.scanners.dependencies.normal import canonical as canonicalize_name
from mlguard.scanners.dependencies.readers import ini, tox

MAX_CODE = 512 * 2**10
"""Characters of a setup.py or noxfile.py. Those of real projects have some thousand."""

MAX_NAMES = 40
"""Names and lists that are followed from one list of a setup.py to the next."""


def add(manifest: Manifest, requirement: str, place: Place, **more: Any) -> None:
    """Add one requirement of PEP 508, or the trouble that it is none. Raises Unreadable for too many."""
    if len(manifest.components) >= MAX_REQUIREMENTS:
        raise Unreadable(f"more than {MAX_REQUIREMENTS} requirements")
    found = component(requirement, place, **more)
    if found is not None:
        manifest.components.append(found)
    else:
        reason = f"line {place.line} has a requirement that cannot be read"
        manifest.troubles.append(Trouble(manifest.path, "unresolved", reason, "write it as PEP 508 says"))


def read_cfg(path: str, text: str, load_file: Read) -> Manifest | None:
    """Return what the options of a setup.cfg say; None when that is nothing. Raises Unreadable.

    https://setuptools.pypa.io/en/latest/userguide/declarative_config.html
    """
    sections = ini.parse(text)
    manifest = Manifest(path, format="setup.cfg")
    options = {
        name.replace("-", "_"): value for name, value in sections.get("options", {}).items()
    }  # as setuptools does
    extras = sections.get("options.extras_require") or sections.get("options.extras-require", {})
    lists = [
        ("", options.get("install_requires")),
        ("tests", options.get("tests_require")),
        ("setup", options.get("setup_requires")),
    ]
    for group, value in [*lists, *extras.items()]:
        for row, line, column in value.lines if value else ():
            if row.startswith("file:"):
                _files(manifest, row.removeprefix("file:").split(","), Place(path, line, column), group, load_file)
                continue
            parts = (
                row.split(";")
                if value and len(value.lines) == 1 and not re.search(r";\s*[(a-z_]+\s*[<>=!]|;\s*['\"]", row)
                else [row]
            )
            for part in parts:
                if part.strip():
                    start = column + row.find(part.strip())
                    place = Place(path, line, start, start + len(part.strip()))
                    add(manifest, part.strip(), place, group=group, build=group == "setup")
    metadata = sections.get("metadata", {}).get("name")
    manifest.project = canonicalize_name(metadata.lines[0][0]) if metadata and metadata.lines else ""
    python = options.get("python_requires")
    manifest.requires_python = python.lines[0][0] if python and python.lines else ""
    if any(name == "tox:tox" or name.startswith("testenv") for name in sections):
        tox.take_ini(manifest, text, 0, load_file)
    return manifest if manifest.components or manifest.troubles else None


def _files(manifest: Manifest, names: list[str], place: Place, group: str, load_file: Read) -> None:
    for name in names:
        requirements.take_lines(manifest, [(f'-r "{name.strip()}"', place)], load_file, group=group)


_LISTS = {
    "install_requires": "", "tests_require": "tests", "setup_requires": "setup", "extras_require": "extra", "requires": "",
}  # fmt: skip


def read_py(path: str, text: str, load_file: Read) -> Manifest | None:
    """Return the requirements that a setup.py states as literals or reads from files. What it computes is a trouble.

    Raises Unreadable.
    """
    if len(text) > MAX_CODE:
        raise Unreadable(f"over {MAX_CODE // 1024} KiB of code")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text.removeprefix("\ufeff"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        if "_requires" not in text:
            return None
        raise Unreadable("not valid Python") from None
    manifest = Manifest(path, format="setup.py")
    reader = _Setup(manifest, tree, load_file)
    try:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _called(node) in ("setup", "build_setup", "setup_package"):
                reader.call(node)
    except RecursionError:
        raise Unreadable("nested too deeply") from None
    return manifest if manifest.components or manifest.troubles else None


def _called(call: ast.Call) -> str:
    function = call.func
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


class _Setup:
    """Follows the lists of one setup.py through names, sums and functions that read files."""

    def __init__(self, manifest: Manifest, tree: ast.Module, load_file: Read) -> None:
        self.manifest, self.load = manifest, load_file
        self.named: dict[str, list[ast.expr]] = {}
        self.functions: dict[str, ast.FunctionDef] = {}
        self.grown: dict[str, list[ast.expr]] = {}
        self.keys: dict[str, list[tuple[str, ast.expr]]] = {}
        for node in ast.walk(tree):
            self._note(node)

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, ast.FunctionDef):
            self.functions[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            self.named.setdefault(node.target.id, []).append(node.value)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    self.named.setdefault(target.id, []).append(node.value)
                elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
                    key = target.slice.value if isinstance(target.slice, ast.Constant) else ""
                    self.keys.setdefault(target.value.id, []).append((str(key), node.value))
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            self.grown.setdefault(node.target.id, []).append(node.value)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.attr in ("append", "extend", "insert", "update", "add")
            and node.args
        ):
            self.grown.setdefault(node.func.value.id, []).append(node.args[-1])

    def call(self, call: ast.Call) -> None:
        """Take the lists out of one call of ``setup``."""
        for keyword in call.keywords:
            if keyword.arg in _LISTS:
                self.literals(keyword.value, _LISTS[keyword.arg], 0)
            elif keyword.arg is None:
                self.spread(keyword.value)
            elif keyword.arg in ("name", "python_requires") and isinstance(keyword.value, ast.Constant):
                told = str(keyword.value.value)
                if keyword.arg == "name":
                    self.manifest.project = canonicalize_name(told)
                else:
                    self.manifest.requires_python = told

    def spread(self, value: ast.expr) -> None:
        """Take the lists out of ``setup(**options)``."""
        name = value.id if isinstance(value, ast.Name) else ""
        for key, item in self.keys.get(name, ()):
            if key in _LISTS:
                self.literals(item, _LISTS[key], 0)
        bound = self.named.get(name, [])
        value = bound[-1] if bound else value
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "dict":
            pairs: list[tuple[str, ast.expr]] = [(item.arg or "", item.value) for item in value.keywords]
        elif isinstance(value, ast.Dict):
            pairs = [
                (str(key.value) if isinstance(key, ast.Constant) else "", item)
                for key, item in zip(value.keys, value.values, strict=True)
            ]
        else:
            self.computed(value)
            return
        for key, item in pairs:
            if key in _LISTS:
                self.literals(item, _LISTS[key], 0)

    def literals(self, value: ast.expr, group: str, depth: int) -> None:
        """Take the requirements that an expression stands for."""
        if depth > MAX_NAMES:
            self.computed(value)
        elif isinstance(value, ast.Name) and value.id in self.named:
            for bound in self.named[value.id]:
                self.literals(bound, group, depth + 1)
            for more in self.grown.get(value.id, ()):
                self.literals(more, group, depth + 1)
            for extra, item in self.keys.get(value.id, ()):
                self.literals(item, extra.partition(":")[0] or group, depth + 1)
        elif isinstance(value, (ast.List, ast.Tuple, ast.Set)):
            for item in value.elts:
                self.literals(item, group, depth + 1)
        elif isinstance(value, ast.Starred):
            self.literals(value.value, group, depth + 1)
        elif isinstance(value, ast.Dict):
            for key, item in zip(value.keys, value.values, strict=True):
                name = (
                    key.value.partition(":")[0]
                    if isinstance(key, ast.Constant) and isinstance(key.value, str)
                    else group
                )
                self.literals(item, (name or group) if group == "extra" else group, depth + 1)
        elif isinstance(value, ast.IfExp):
            self.literals(value.body, group, depth + 1)
            self.literals(value.orelse, group, depth + 1)
        elif isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add) and not _is_text(value.left):
            self.literals(value.left, group, depth + 1)
            self.literals(value.right, group, depth + 1)
        elif isinstance(value, ast.BinOp) and (joined := _joined(value)):
            add(self.manifest, joined, self.place(value), group=group, build=group == "setup")
        elif isinstance(value, ast.Subscript) and self.item(value, group, depth):
            pass
        elif isinstance(value, ast.Constant) and isinstance(value.value, str):
            for number, line in enumerate(value.value.splitlines()):
                if line.strip() and not line.strip().startswith("#"):
                    self.one(value, number, line.strip(), group)
        elif isinstance(value, ast.Call):
            self.function(value, group, depth)
        elif not (isinstance(value, ast.Constant) and value.value is None):
            self.computed(value)

    def one(self, value: ast.Constant, number: int, text: str, group: str) -> None:
        single = value.lineno == value.end_lineno
        place = (
            Place(self.manifest.path, value.lineno, value.col_offset + 2, value.col_offset + 2 + len(text))
            if single
            else Place(self.manifest.path, min(value.lineno + number, value.end_lineno or value.lineno))
        )
        add(self.manifest, text, place, group=group, build=group == "setup")

    def place(self, value: ast.expr) -> Place:
        return Place(self.manifest.path, value.lineno, value.col_offset + 1)

    def item(self, value: ast.Subscript, group: str, depth: int) -> bool:
        """Take ``extras["dev"]`` of a table that is written out, and say whether it is one."""
        if not (isinstance(value.value, ast.Name) and isinstance(value.slice, ast.Constant)):
            return False
        wanted, found = value.slice.value, False
        for bound in self.named.get(value.value.id, ()):
            for key, item in zip(bound.keys, bound.values, strict=True) if isinstance(bound, ast.Dict) else ():
                if isinstance(key, ast.Constant) and key.value == wanted:
                    self.literals(item, group, depth + 1)
                    found = True
        for name, item in self.keys.get(value.value.id, ()):
            if name == wanted:
                self.literals(item, group, depth + 1)
                found = True
        return found

    def function(self, call: ast.Call, group: str, depth: int) -> None:
        """Take what a function returns: the lines of a file that it names, or a list that it was given."""
        name = _called(call)
        if name in ("list", "sorted", "set", "tuple", "dict") and isinstance(call.func, ast.Name):
            for argument in call.args:
                self.literals(argument, group, depth + 1)
            for keyword in call.keywords:
                if name == "dict":
                    self.literals(keyword.value, (keyword.arg or group) if group == "extra" else group, depth + 1)
            return
        if name in ("split", "splitlines") and isinstance(call.func, ast.Attribute):
            text = call.func.value
            for bound in self.named.get(text.id, ()) if isinstance(text, ast.Name) else (text,):
                if isinstance(bound, ast.Constant) and isinstance(bound.value, str) and not call.args:
                    self.literals(bound, group, depth + 1)
                    return
        files = sorted(set(self.files(call)))
        known = [file for file in files if self.exists(file)]
        for file in known:
            _files(self.manifest, [file], self.place(call), group, self.load)
        if not known or len(known) < len(files):
            self.computed(call)

    def exists(self, file: str) -> bool:
        """Say whether a file beside this one can be read."""
        try:
            self.load(posixpath.normpath(posixpath.join(posixpath.dirname(self.manifest.path), file)))
        except Unreadable:
            return False
        return True

    def files(self, call: ast.AST) -> Iterator[str]:
        """Yield the names of requirements files in a call and in the functions of this file that it calls."""
        nodes = [call]
        for node in ast.walk(call):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in self.functions:
                nodes.append(self.functions[node.func.id])
        for holder in nodes:
            for node in ast.walk(holder):
                if (
                    isinstance(node, ast.Constant)
                    and isinstance(node.value, str)
                    and re.fullmatch(r"[\w./-]+\.(?:txt|in|pip)", node.value)
                ):
                    folder = self.folder(holder, node)
                    yield f"{folder}/{node.value}" if folder else node.value.removeprefix("./")

    @staticmethod
    def folder(holder: ast.AST, name: ast.Constant) -> str:
        """Return the folders that stand before a name in ``os.path.join(here, "requirements", "base.txt")``."""
        for node in ast.walk(holder):
            if isinstance(node, ast.Call) and _called(node) in ("join", "joinpath", "Path") and name in node.args:
                before = node.args[: node.args.index(name)]
                return "/".join(
                    one.value for one in before if isinstance(one, ast.Constant) and isinstance(one.value, str)
                ).strip("./")
        return ""

    def computed(self, value: ast.expr) -> None:
        reason = f"line {value.lineno} works requirements out when the package is built, which is not done here"
        if all(trouble.reason != reason for trouble in self.manifest.troubles):
            self.manifest.troubles.append(
                Trouble(
                    self.manifest.path,
                    "unresolved",
                    reason,
                    "write them as a list, or add a lock file such as pylock.toml",
                )
            )


def _is_text(value: ast.expr) -> bool:
    return isinstance(value, (ast.Constant, ast.JoinedStr)) or isinstance(value, ast.BinOp) and _is_text(value.left)


def _joined(value: ast.expr) -> str:
    """Return a sum of literal texts, "" for anything else."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        left, right = _joined(value.left), _joined(value.right)
        return left + right if left and right else ""
    return ""
