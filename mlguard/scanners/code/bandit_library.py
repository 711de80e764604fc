"""Loads bandit's check functions without its command line, which is most of its start.

The functions are those of the installed package, in the order in which its own command runs them, with their default settings.
Neither settings nor checks of a scanned tree are ever read; checks that other packages offer to bandit are not loaded either.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import os
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from mlguard.values import dataclass

VERIFIED = frozenset({"1.8.3", "1.8.5", "1.8.6", "1.9.1", "1.9.2", "1.9.3", "1.9.4"})
"""Versions of bandit for which the results are known to be those of its command line, by ``tests/test_bandit_parity.py``."""


@cache
def version() -> str:
    """Return the installed version of bandit."""
    # The folder beside the package tells it a hundred times faster than importlib.metadata, which imports a mail parser.
    found = _metadata()
    if found:
        return os.path.basename(found).removeprefix("bandit-").removesuffix(".dist-info")
    from importlib.metadata import version as installed

    return installed("bandit")


def is_verified() -> bool:
    """Say whether the results of the fast way are known to be bandit's for the installed version."""
    return version() in VERIFIED


def note() -> str:
    """Return what to tell people of an installed version that is not verified, "" for one that is."""
    if is_verified():
        return ""
    return (
        f"bandit {version()} is not a version that mlguard's faster way to run its checks was compared with, "
        "so bandit's own visitor does the work: the results are bandit's, and the scan is slower"
    )


def _root() -> str:
    found = importlib.util.find_spec("bandit")
    assert found is not None and found.submodule_search_locations  # a requirement of this package
    return found.submodule_search_locations[0]


@cache
def _metadata() -> str:
    """Return the folder of bandit's metadata beside the package, "" where there is not exactly one."""
    beside = os.path.dirname(_root())
    found = [name for name in os.listdir(beside) if name.startswith("bandit-") and name.endswith(".dist-info")]
    return os.path.join(beside, found[0]) if len(found) == 1 else ""


@dataclass(frozen=True, slots=True)
class Checks:
    """bandit's check functions by the class of node that they ask for, and what they need around them."""

    by_kind: Mapping[str, Sequence[Any]]
    by_id: Mapping[str, Any]
    ids: frozenset[str]
    names: Mapping[str, str]  # the names that a comment may use for a check -> id
    blacklists: Mapping[str, Sequence[Mapping[str, Any]]]
    context: Any  # bandit.core.context.Context
    utils: Any  # bandit.core.utils


_PARTS = ("bandit", "bandit.core", "bandit.plugins", "bandit.blacklists")


@cache
def checks() -> Checks:
    """Load the check functions without ``bandit/__init__.py``, which imports the whole command line."""
    root, offered = _root(), _offered()
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "bandit"}
    for name in before:
        del sys.modules[name]
    try:
        return _load(root, offered)
    finally:
        # Whoever imports bandit later gets the real package, not these parts of it.
        for name in [name for name in sys.modules if name.split(".")[0] == "bandit"]:
            del sys.modules[name]
        sys.modules.update(before)


def _load(root: str, offered: Sequence[tuple[str, str, str]]) -> Checks:
    for name in _PARTS:
        package = types.ModuleType(name)
        package.__path__ = [os.path.join(root, *name.split(".")[1:])]
        sys.modules[name] = package
    constants = importlib.import_module("bandit.core.constants")  # noqa: TID251  # fixed names of a requirement
    issue = importlib.import_module("bandit.core.issue")  # noqa: TID251
    bandit: Any = sys.modules["bandit"]
    bandit.Issue = issue.Issue
    for level in constants.RANKING:
        setattr(bandit, level, getattr(constants, level))
    functions: dict[str, Any] = {}
    named: dict[str, str] = {}
    for name, module_name, attribute in offered:
        module = importlib.import_module(module_name)  # noqa: TID251
        function = getattr(module, attribute)
        _configure(function, module)
        functions[function._test_id] = function
        named[name] = function._test_id
    read_from_memory(functions["B613"])
    blacklists: dict[str, list[dict[str, Any]]] = {}
    for part in ("calls", "imports"):
        made = importlib.import_module(f"bandit.blacklists.{part}").gen_blacklist()  # noqa: TID251
        for kind, entries in made.items():
            blacklists.setdefault(kind, []).extend(entries)
    blacklist: Any = importlib.import_module("bandit.core.blacklisting").blacklist  # noqa: TID251
    blacklist._test_id, blacklist._config, blacklist._checks = "B001", blacklists, list(blacklists)
    functions["B001"] = blacklist
    by_kind: dict[str, list[Any]] = {}
    for function in functions.values():
        for kind in function._checks:
            by_kind.setdefault(kind, []).append(function)
    entries = [entry for group in blacklists.values() for entry in group]
    import logging

    logging.getLogger("bandit").setLevel(logging.CRITICAL + 1)
    return Checks(
        by_kind,
        functions,
        frozenset({*functions, *(entry["id"] for entry in entries)}),
        {entry["name"]: entry["id"] for entry in entries} | named,
        blacklists,
        importlib.import_module("bandit.core.context").Context,  # noqa: TID251
        importlib.import_module("bandit.core.utils"),  # noqa: TID251
    )


def _offered() -> list[tuple[str, str, str]]:
    """Return name, module and function of the checks that bandit offers, in the order in which it runs them."""
    folder = _metadata()
    if folder:
        with open(os.path.join(folder, "entry_points.txt"), encoding="utf-8") as file:
            found = _section(file.read(), "bandit.plugins")
    else:
        from importlib.metadata import distribution

        points = distribution("bandit").entry_points.select(group="bandit.plugins")
        found = [(point.name, point.module, point.attr) for point in points]
    return [(name, module, attribute) for name, module, attribute in found if module.startswith("bandit.plugins.")]


def _section(text: str, wanted: str) -> list[tuple[str, str, str]]:
    """Return the entries of one group of an ``entry_points.txt``: lines of ``name = module:attribute``."""
    found: list[tuple[str, str, str]] = []
    group = ""
    for line in map(str.strip, text.split("\n")):
        if line.startswith("["):
            group = line.strip("[]")
        elif group == wanted and "=" in line:
            name, _, target = line.partition("=")
            module, _, attribute = target.strip().partition(":")
            found.append((name.strip(), module, attribute))
    return found


def _configure(function: Any, module: Any) -> None:
    """Give the check its default settings. No settings of the scanned tree are ever read."""
    if hasattr(function, "_takes_config"):
        function._config = module.gen_config(function._takes_config)


_held: dict[str, bytes] = {}
"""The content of the file in hand by its path, for the check that some versions of bandit let open it."""


@contextlib.contextmanager
def holding(path: str, data: bytes) -> Iterator[None]:
    """Let checks that open the path find this content there."""
    _held[path] = data
    try:
        yield
    finally:
        _held.pop(path, None)


def read_from_memory(trojansource: Callable[..., Any]) -> None:
    """Let the check of control characters read what is being scanned; before 1.9.4 it opens the path, where another file may be by now."""
    trojansource.__globals__["open"] = _opened


def _opened(path: str, mode: str = "r", encoding: str | None = None) -> Any:
    if path not in _held:
        return open(path, mode, encoding=encoding)
    held = io.BytesIO(_held[path])
    return held if "b" in mode else io.TextIOWrapper(held, encoding=encoding)
