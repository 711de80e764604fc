"""Reads the tables under rules/tables: data with a source for each entry, which scanners ask for by name.

A module of its own, and light: the table of names that a pickle may import is all that most runs over models need.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def folder() -> str:
    """Return where the rules are: inside the installed package, or beside it in a checkout."""
    package = os.path.dirname(os.path.abspath(__file__))
    inside = os.path.join(package, "_rules")
    return inside if os.path.isdir(inside) else os.path.join(os.path.dirname(package), "rules")


_TABLES: dict[str, Any] = {}


def table(name: str) -> Any:
    """Return ``tables/<name>.yaml``, from its compiled form where there is one. Read once, when it is asked for."""
    if name not in _TABLES:
        _TABLES[name] = _read(os.path.join(folder(), "tables", name))
    return _TABLES[name]


def _read(stem: str) -> Any:
    try:
        with open(f"{stem}.json", "rb") as file:
            return json.loads(file.read())
    except FileNotFoundError:
        source = f"{stem}.yaml"
    state = os.stat(source)
    key = f"table-{os.path.basename(stem)}-{state.st_mtime_ns:x}-{state.st_size:x}"
    return cached(key, lambda: _compiled(source))


def _compiled(source: str) -> Any:
    with open(source, encoding="utf-8") as file:
        return plain_yaml(file.read())


def plain_yaml(text: str) -> Any:
    """Return a document of our own, or of the user's rules, which are plain. libyaml reads it ten times faster."""
    import yaml

    try:
        from yaml import CSafeLoader
    except ImportError:
        return yaml.safe_load(text)
    return yaml.load(text, Loader=CSafeLoader)  # noqa: TID251


def cached(key: str, compile_it: Callable[[], Any]) -> Any:
    """Return what was compiled under ``key``, or compile it. A cache that cannot be written costs time and nothing else."""
    path = _place(f"{key}.json")
    try:
        with open(path, "rb") as file:
            return json.loads(file.read())
    except (OSError, ValueError):
        compiled = compile_it()
    _keep(path, json.dumps(compiled).encode("ascii"))
    return compiled


def kept(name: str, state: bytes, compile_it: Callable[[], bytes]) -> bytes:
    """Return what was compiled of something in this ``state`` (one line) and kept as ``name``, or compile it and keep that instead."""
    path = _place(name)
    try:
        with open(path, "rb") as file:
            if file.readline() == state + b"\n":
                size, data = int(file.readline()), file.read()
                if len(data) == size:
                    return data
    except (OSError, ValueError):
        pass
    compiled = compile_it()
    _keep(path, b"%b\n%d\n%b" % (state, len(compiled), compiled))
    return compiled


def _place(name: str) -> str:
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(home, "mlguard", name)


def _keep(path: str, data: bytes) -> None:
    import tempfile

    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=os.path.dirname(path), delete=False) as new:
            new.write(data)
        os.replace(new.name, path)
    except OSError:
        pass


_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def month(day: str) -> str:
    """Return the month of a day (``2024-10-31``) in words: a full date in a message could be that of a birth, and is masked."""
    return f"{_MONTHS[int(day[5:7]) - 1]} {day[:4]}"
