"""Says whether another file of the tree guards the routes of a file: where its router is included, or around the application."""

from __future__ import annotations

import ast
import posixpath
import warnings
from collections.abc import Callable, Iterator
from typing import Final

from mlguard.scanners.code.exports import Exports, Looked
from mlguard.values import dataclass, field

MAX_FOLDERS = 6
"""Folders above a file in which an application may be made."""

MAX_FILES = 60
"""Files of one folder that are looked into."""

MAX_LEVELS = 3
"""Routers that are included in each other."""

_INCLUDES = ("include_router", "register_blueprint", "mount", "add_router", "include_routers")
_MENTIONS: Final = (
    b"include_router",
    b"register_blueprint",
    b"add_middleware",
    b"before_request",
    b"FastAPI(",
    b"add_router",
    b".mount(",
)
_PROTECTING = frozenset({"dependencies", "auth", "guards", "middleware"})


@dataclass(slots=True)
class Mount:
    """A file that includes routers: what it imports, by the name it has there, and the calls of it."""

    path: str
    imports: dict[str, str] = field(default_factory=dict)
    calls: list[ast.Call] = field(default_factory=list)
    functions: list[ast.FunctionDef | ast.AsyncFunctionDef] = field(default_factory=list)
    made: dict[str, ast.Call] = field(default_factory=dict)  # what a call at the top is assigned to


def is_guarded(
    path: str, exports: Exports, looked: Looked, is_auth: Callable[[str], object], checks: Callable[[ast.AST], bool]
) -> bool:
    """Say whether a file near ``path``, or above it, includes its router with a guard, or guards the whole application.

    ``is_auth`` says whether a text is about who calls, ``checks`` whether a function that runs before every route looks at that.
    Every file and folder that was looked at is added to ``looked``.
    """
    mounts = list(_mounts(path, exports, looked))
    wanted = {_module(path)}
    for _ in range(MAX_LEVELS):
        carriers: set[str] = set()
        for mount in mounts:
            for call in mount.calls:
                if _last(call.func) not in _INCLUDES or not _includes(call, mount, wanted):
                    continue
                if (
                    _protects(call, is_auth)
                    or _made_with_guard(call, mount, is_auth)
                    or _guards_all(mount, is_auth, checks)
                ):
                    return True
                carriers.add(_module(mount.path))
        if carriers <= wanted:
            return False
        wanted |= carriers
    return False


def _mounts(path: str, exports: Exports, looked: Looked) -> Iterator[Mount]:
    folder = posixpath.dirname(path)
    for _ in range(MAX_FOLDERS):
        names = sorted(name for name in exports.listed(folder, looked) if name.endswith(".py"))
        for name in names[:MAX_FILES]:
            file = posixpath.join(folder, name)
            data = exports.text(file, looked) if file != path else None
            if (
                data is not None
                and any(word in data for word in _MENTIONS)
                and (mount := _read(file, data)) is not None
            ):
                yield mount
        if not folder:
            return
        folder = posixpath.dirname(folder)


def _module(path: str) -> str:
    stem = path.removesuffix(".py").removesuffix("/__init__")
    return stem.rpartition("/")[2]


def _read(path: str, data: bytes) -> Mount | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = ast.parse(data)
    except (SyntaxError, ValueError, LookupError, RecursionError, MemoryError):
        return None  # that file has a gap of its own
    mount = Mount(path)
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                mount.imports[alias.asname or alias.name] = f"{node.module or ''}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                mount.imports[alias.asname or alias.name.split(".")[0]] = alias.name
        elif isinstance(node, ast.Call):
            mount.calls.append(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            mount.functions.append(node)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            mount.made |= {target.id: node.value for target in node.targets if isinstance(target, ast.Name)}
    return mount


def _last(node: ast.expr) -> str:
    return str(getattr(node, "attr", None) or getattr(node, "id", ""))


def _includes(call: ast.Call, mount: Mount, wanted: set[str]) -> bool:
    """Say whether a call includes a router of one of the modules: ``predict.router``, or a name imported from ``predict``."""
    for given in [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg in ("router", "blueprint"))]:
        parts: list[str] = []
        node: ast.expr = given
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if isinstance(node, ast.Name):
            dotted = [*mount.imports.get(node.id, node.id).split("."), *reversed(parts)]
            if (node.id in mount.imports or parts) and not wanted.isdisjoint(
                dotted[-2:] if len(dotted) > 1 else dotted
            ):
                return True
    return False


def _protects(call: ast.Call, is_auth: Callable[[str], object]) -> bool:
    return any(keyword.arg in _PROTECTING and is_auth(ast.dump(keyword.value)) for keyword in call.keywords)


def _made_with_guard(call: ast.Call, mount: Mount, is_auth: Callable[[str], object]) -> bool:
    """Say whether what a router is included in was made with a guard."""
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    made = mount.made.get(owner.id) if isinstance(owner, ast.Name) else None
    return made is not None and _protects(made, is_auth)


def _guards_all(mount: Mount, is_auth: Callable[[str], object], checks: Callable[[ast.AST], bool]) -> bool:
    """Say whether the file adds something to its application that looks at every caller."""
    for call in mount.calls:
        added = _last(call.func) in ("add_middleware", "before_request", "middleware")
        if added and any(is_auth(ast.dump(argument)) for argument in call.args):
            return True
    for function in mount.functions:
        for decorator in function.decorator_list:
            name = _last(decorator.func if isinstance(decorator, ast.Call) else decorator)
            if name in ("before_request", "before_app_request", "middleware") and checks(function):
                return True
    return False
