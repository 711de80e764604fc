"""Says what a name that is imported from another file of the tree stands for there: a re-export, an object, a constant.

Only the other file's own imports and assignments at its top are read, never what it computes.
"""

from __future__ import annotations

import ast
import os
import posixpath
import sys
import warnings
from collections.abc import Iterator

from mlguard.errors import Unreadable
from mlguard.scanners import Context, read_bytes
from mlguard.values import dataclass, field

MAX_BYTES = 2**20
"""The largest file that is read for its names."""

MAX_STEPS = 5
"""Files that one name is followed through."""

MAX_MODULES = 512
"""Files whose names are kept."""

Found = str | ast.expr
"""A dotted path that is imported, or the expression that is assigned."""


@dataclass(slots=True)
class Module:
    """What the top of a file binds. ``stars`` are modules of which everything is imported, as written."""

    path: str
    names: dict[str, Found | None] = field(default_factory=dict)  # None: bound more than once, or not to an expression
    stars: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Looked:
    """What was looked at besides a file to say what its names stand for: paths of files that were read and of folders that were listed."""

    files: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)


class Exports:
    """Follows imports of one tree."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._modules: dict[str, Module | None] = {}
        self._local: dict[tuple[str, str], bool] = {}
        self._listed: dict[str, frozenset[str]] = {}
        self._searched: dict[str, tuple[str, ...]] = {}

    def path(self, dotted: str, path: str, looked: Looked) -> str:
        """Return the dotted path that an import in the file ``path`` stands for; it comes back as it is where no file says more.

        Each file that was read, and each folder that was listed, is added to ``looked``.
        """
        reached, module, value = self._resolved(dotted, path, looked)
        return (_path_of(value, module) if module is not None else reached) or dotted

    def value(self, dotted: str, path: str, looked: Looked) -> ast.expr | None:
        """Return the expression that an imported name is assigned in its own file; its names are those of that file."""
        return self._resolved(dotted, path, looked)[2]

    def listed(self, folder: str, looked: Looked) -> frozenset[str]:
        """Return the names in a folder of the tree."""
        looked.folders.add(folder)
        return self._entries(folder)

    def text(self, path: str, looked: Looked) -> bytes | None:
        """Return the bytes of a file of the tree, None where it cannot be read: that file has a gap of its own."""
        looked.files.add(path)
        try:
            return read_bytes(self.context, path, MAX_BYTES)
        except Unreadable:
            return None

    def constant(self, dotted: str, path: str, looked: Looked) -> ast.Constant | None:
        """Return the constant that an imported name has in its own file."""
        value = self._resolved(dotted, path, looked)[2]
        return value if isinstance(value, ast.Constant) else None

    def _resolved(self, dotted: str, path: str, looked: Looked) -> tuple[str, Module | None, ast.expr | None]:
        reached, seen_from = dotted, path
        for _ in range(MAX_STEPS):
            step = self._step(reached, seen_from, looked)
            if step is None:
                return reached if reached == dotted or not reached.startswith(".") else dotted, None, None
            module, found, rest = step
            if not isinstance(found, str):
                return dotted, module, found if not rest else None
            reached, seen_from = ".".join([found, *rest]), module.path
        return dotted, None, None

    def _step(self, dotted: str, path: str, looked: Looked) -> tuple[Module, Found, list[str]] | None:
        level = len(dotted) - len(dotted.lstrip("."))
        parts = [part for part in dotted.split(".") if part]
        if not level and not self._is_local(parts[0] if parts else "", path, looked):
            return None
        for folder in self._folders(path, level):
            for length in range(len(parts) - 1, -1, -1):
                file = self._file(posixpath.join(folder, *parts[:length]), length == 0 and not level, looked)
                if file is None or file == path:
                    continue
                looked.files.add(file)
                module = self._module(file)
                found = module.names.get(parts[length]) if module else None
                if module is None or found is None:
                    return self._through_stars(module, parts[length:], looked) if module else None
                return module, found, parts[length + 1 :]
        return None

    def _through_stars(self, module: Module, rest: list[str], looked: Looked) -> tuple[Module, Found, list[str]] | None:
        if rest[0] in module.names:
            return None
        for star in module.stars[:3]:
            if not star.startswith(".") and not self._is_local(star.split(".", 1)[0], module.path, looked):
                return (module, f"{star}.{rest[0]}", rest[1:]) if len(module.stars) == 1 else None
            if (step := self._step(f"{star}.{rest[0]}", module.path, looked)) is not None:
                return step
        return None

    def _folders(self, path: str, level: int) -> tuple[str, ...]:
        """Return the folders in which a module may be looked for: the package's, or those that may be on the path."""
        folder = posixpath.dirname(path)
        if level:
            for _ in range(level - 1):
                folder = posixpath.dirname(folder)
            return (folder,)
        known = self._searched.get(folder)
        if known is None:
            seen, above = dict.fromkeys(("", "src", folder)), folder
            while above:
                above = posixpath.dirname(above)
                seen[above] = None
            known = self._searched[folder] = tuple(seen)
        return known

    def _is_local(self, root: str, path: str, looked: Looked) -> bool:
        """Say whether a module of this name may be one of the tree, as seen from a file."""
        if not root or root in sys.stdlib_module_names:
            return False
        folders = self._folders(path, 0)
        looked.folders.update(folders)
        key = root, posixpath.dirname(path)
        known = self._local.get(key)
        if known is None:
            known = self._local[key] = any(
                not {root, f"{root}.py"}.isdisjoint(self._entries(folder)) for folder in folders
            )
        return known

    def _file(self, stem: str, whole: bool, looked: Looked) -> str | None:
        if whole or not stem:
            return None
        folder, name = posixpath.split(stem)
        looked.folders.update((folder, stem))
        if f"{name}.py" in self._entries(folder):
            return f"{stem}.py"
        if name in self._entries(folder) and "__init__.py" in self._entries(stem):
            return f"{stem}/__init__.py"
        return None

    def _entries(self, folder: str) -> frozenset[str]:
        known = self._listed.get(folder)
        if known is None:
            try:
                known = frozenset(os.listdir(self.context.root / folder))
            except OSError:
                known = frozenset()
            self._listed[folder] = known
        return known

    def _module(self, path: str) -> Module | None:
        if path not in self._modules:
            if len(self._modules) >= MAX_MODULES:
                self._modules.clear()
            try:
                self._modules[path] = _read(path, read_bytes(self.context, path, MAX_BYTES))
            except Unreadable:
                self._modules[path] = None  # that file has a gap of its own
        return self._modules[path]


def _path_of(node: ast.expr | None, module: Module) -> str:
    """Return the dotted path of an expression at the top of a file, "()" for what a call gives."""
    parts: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            parts.append(f".{node.attr}")
            node = node.value
        elif isinstance(node, ast.Call):
            parts.append("()")
            node = node.func
        elif isinstance(node, ast.Name):
            found = module.names.get(node.id, "")
            if not isinstance(found, str) or not found or found.startswith("."):
                return ""
            return "".join([found, *reversed(parts)])
        else:
            return ""


def _read(path: str, data: bytes) -> Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(data).body
    except (SyntaxError, ValueError, LookupError, RecursionError, MemoryError):
        return None
    module = Module(path)
    for node in _top(body):
        if isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            for alias in node.names:
                if alias.name == "*":
                    module.stars.append(source)
                else:
                    dotted = f"{source}{alias.name}" if source.endswith(".") else f"{source}.{alias.name}"
                    module.names.setdefault(alias.asname or alias.name, dotted)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.split(".")[0]
                module.names.setdefault(name, alias.name if alias.asname else name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    module.names[target.id] = None if target.id in module.names else node.value
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            module.names[node.name] = None
    return module


def _top(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements at the top, also those of ``try`` and ``if``."""
    for node in body:
        yield node
        if isinstance(node, ast.Try | ast.If):
            yield from _top(
                [
                    *node.body,
                    *(inner for handler in getattr(node, "handlers", ()) for inner in handler.body),
                    *node.orelse,
                ]
            )
