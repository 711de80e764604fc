"""Runs bandit's own checks over a syntax tree that is parsed and walked once for everybody.

bandit spends most of its time on dispatch, and most of its start on what only its command line needs. Its check functions
are therefore loaded without the command line and called for the nodes at which they can report at all. For a version of
bandit that this was not verified with, bandit's own visitor does the work: slower, and right by definition.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import io
import logging
import os
import re
import sys
import tokenize
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from mlguard.scanners.code.tree import MAX_NAME_CHARS, Tree

VERIFIED = frozenset({"1.9.4"})
"""Versions of bandit for which the results are known to be those of its command line."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one check of bandit reports: ``line`` from 1, ``column`` in bytes from 0, and the node it looked at.

    bandit's text is left out, as it quotes passwords.
    """

    test: str
    severity: str
    confidence: str
    line: int
    column: int
    node: ast.AST | None


@dataclass(frozen=True, slots=True)
class Broken:
    """A check of bandit stopped with an error at this line, so it says nothing about it."""

    test: str
    line: int


def seen(tree: Tree, data: bytes, path: str) -> Iterator[Seen | Broken]:
    """Yield what bandit reports for the file whose content is ``data`` and whose tree is ``tree``, in its order."""
    if version() in VERIFIED:
        return _native(tree, data, path)
    return _compatible(data, path)


@cache
def version() -> str:
    """Return the installed version of bandit."""
    # The folder beside the package tells it a hundred times faster than importlib.metadata, which imports a mail parser.
    beside = os.path.dirname(_root())
    found = [name for name in os.listdir(beside) if name.startswith("bandit-") and name.endswith(".dist-info")]
    if len(found) == 1:
        return found[0].removeprefix("bandit-").removesuffix(".dist-info")
    from importlib.metadata import version as installed

    return installed("bandit")


def _root() -> str:
    found = importlib.util.find_spec("bandit")
    assert found is not None and found.submodule_search_locations  # a requirement of this package
    return found.submodule_search_locations[0]


@dataclass(frozen=True, slots=True)
class _Checks:
    """bandit's check functions by the class of node that they ask for, and what they need around them."""

    by_kind: Mapping[str, Sequence[Any]]
    ids: frozenset[str]
    blacklist_ids: Mapping[str, str]  # name -> id
    context: Any  # bandit.core.context.Context
    utils: Any  # bandit.core.utils
    call_gate: Mapping[str, frozenset[str]]  # last part of the called name -> ids that may report
    imports: tuple[str, ...]  # first parts of the imports that are reported


_PARTS = ("bandit", "bandit.core", "bandit.plugins", "bandit.blacklists")


@cache
def _checks() -> _Checks:
    """Load the check functions without ``bandit/__init__.py``, which imports the whole command line."""
    root = _root()
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "bandit"}
    for name in before:
        del sys.modules[name]
    try:
        return _load(root)
    finally:
        # Whoever imports bandit later gets the real package, not these parts of it.
        for name in [name for name in sys.modules if name.split(".")[0] == "bandit"]:
            del sys.modules[name]
        sys.modules.update(before)


def _load(root: str) -> _Checks:
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
    plugins = sorted(name[:-3] for name in os.listdir(os.path.join(root, "plugins")) if name.endswith(".py"))
    functions: dict[str, Any] = {}
    for plugin in plugins:
        if plugin != "__init__":
            module = importlib.import_module(f"bandit.plugins.{plugin}")  # noqa: TID251
            functions |= {
                f._test_id: f for f in vars(module).values() if _is_check(f, module) and _configured(f, module)
            }
    blacklists: dict[str, list[dict[str, Any]]] = {}
    for part in ("calls", "imports"):
        made = importlib.import_module(f"bandit.blacklists.{part}").gen_blacklist()  # noqa: TID251
        for kind, entries in made.items():
            blacklists.setdefault(kind, []).extend(entries)
    blacklist: Any = importlib.import_module("bandit.core.blacklisting").blacklist  # noqa: TID251
    blacklist._test_id, blacklist._config, blacklist._checks = "B001", blacklists, list(blacklists)
    by_kind: dict[str, list[Any]] = {}
    for function in [*(functions[key] for key in sorted(functions)), blacklist]:
        for kind in function._checks:
            by_kind.setdefault(kind, []).append(function)
    entries = [entry for group in blacklists.values() for entry in group]
    logging.getLogger("bandit").setLevel(logging.CRITICAL + 1)
    return _Checks(
        by_kind,
        frozenset({*functions, *(entry["id"] for entry in entries), "B001"}),
        {entry["name"]: entry["id"] for entry in entries},
        importlib.import_module("bandit.core.context").Context,  # noqa: TID251
        importlib.import_module("bandit.core.utils"),  # noqa: TID251
        _call_gate(functions, blacklists),
        tuple(name for kind in ("Import", "ImportFrom") for entry in blacklists[kind] for name in entry["qualnames"]),
    )


def _is_check(candidate: Any, module: types.ModuleType) -> bool:
    return hasattr(candidate, "_test_id") and getattr(candidate, "__module__", "") == module.__name__


def _configured(function: Any, module: Any) -> bool:
    """Give the check its default settings. No settings of the scanned tree are ever read."""
    if hasattr(function, "_takes_config"):
        function._config = module.gen_config(function._takes_config)
    return True


_HTTP = ["get", "options", "head", "post", "put", "patch", "delete", "request", "stream", "Client", "AsyncClient"]
_NAMES: Mapping[str, Sequence[str]] = {
    "B102": ["exec"], "B113": _HTTP, "B501": _HTTP, "B504": ["wrap_socket"],
    "B505": ["generate_private_key", "generate"], "B506": ["load"], "B507": ["set_missing_host_key_policy"],
    "B508": ["CommunityData"], "B509": ["UsmUserData"], "B601": ["exec_command"], "B610": ["extra"], "B611": ["RawSQL"],
    "B612": ["listen"], "B614": ["load"], "B701": ["Environment"], "B702": ["Template"], "B704": ["Markup"],
    "B324": ["md4", "md5", "sha", "sha1", "new", "crypt", "mksalt"],
    "B615": ["from_pretrained", "load_dataset", "hf_hub_download", "snapshot_download", "repository_id"],
    "B703": ["mark_safe", "SafeText", "SafeUnicode", "SafeString", "SafeBytes"],
}  # fmt: skip
"""The last part of the called name without which a check of a verified version never reports."""

_KEYWORDS: Mapping[str, frozenset[str]] = {
    "B201": frozenset({"debug"}), "B502": frozenset({"method", "ssl_version"}), "B604": frozenset({"shell"}),
}  # fmt: skip
"""Keyword arguments without which a check never reports."""

_SHELL = ("B602", "B603", "B605", "B606", "B607", "B609")
_INSIDE = {"B103": "chmod", "B202": "extractall"}
"""What the called name must contain."""

_BY_NAME = frozenset({*_NAMES, *_KEYWORDS, *_SHELL, *_INSIDE, "B001", "B106"})


def _call_gate(functions: Mapping[str, Any], blacklists: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    gate: dict[str, set[str]] = {}
    for test, names in _NAMES.items():
        for name in names:
            gate.setdefault(name, set()).add(test)
    shell = [name for names in functions["B602"]._config.values() for name in names]
    for name in shell:
        gate.setdefault(name.split(".")[-1], set()).update(_SHELL)
    for entry in blacklists["Call"]:
        for name in entry["qualnames"]:
            gate.setdefault(name.split(".")[-1], set()).add("B001")
    for name in ("__import__", "import_module"):
        gate.setdefault(name, set()).add("B001")
    return {name: frozenset(tests) for name, tests in gate.items()}


_NOSEC = re.compile(r"#\s*nosec:?\s*([^#]+)?#?")
_NOSEC_TESTS = re.compile(r"(?:(B\d+|[a-z\d_]+),?)+", re.IGNORECASE)


def _nosec(data: bytes, checks: _Checks) -> dict[int, set[str]]:
    """Return, by line, the ids that a comment switches off there; an empty set switches off all. As bandit reads it."""
    lines: dict[int, set[str]] = {}
    if b"nosec" not in data:
        return lines
    try:
        for token in tokenize.tokenize(io.BytesIO(data).readline):
            if token.type == tokenize.COMMENT and (match := _NOSEC.search(token.string)):
                named = (found.group(1) for found in _NOSEC_TESTS.finditer(match.group(1) or ""))
                lines[token.start[0]] = set(filter(None, (_test_id(name, checks) for name in named)))
    except (tokenize.TokenError, SyntaxError, UnicodeDecodeError):
        pass  # the comments up to there count
    return lines


def _test_id(name: str, checks: _Checks) -> str:
    if name in checks.ids:
        return name
    return _entry_points().get(name) or checks.blacklist_ids.get(name, "")


@cache
def _entry_points() -> Mapping[str, str]:
    """Return the names under which bandit offers its checks, with their ids."""
    from importlib.metadata import distribution

    by_function = {function.__name__: function._test_id for group in _checks().by_kind.values() for function in group}
    points = distribution("bandit").entry_points.select(group="bandit.plugins")
    return {point.name: by_function.get(point.attr, "") for point in points}


class _Run:
    """One file under bandit's checks."""

    def __init__(self, checks: _Checks, tree: Tree, data: bytes, path: str) -> None:
        self.checks = checks
        self.tree = tree
        self.text_tests = _text_tests(checks, tree)
        self.data = data
        self.path = path
        self.imports: set[str] = set()
        self.aliases: dict[str, str] = {}
        self.nosec = _nosec(data, checks)

    def context(self, node: ast.AST, **more: Any) -> dict[str, Any]:
        return {
            "imports": self.imports, "import_aliases": self.aliases, "node": node, "filename": self.path,
            "file_data": None, "lineno": getattr(node, "lineno", 0), "col_offset": getattr(node, "col_offset", -1), **more,
        }  # fmt: skip

    def run(
        self, tests: Sequence[Any], context: dict[str, Any], node: ast.AST | None, spanned: ast.AST | None = None
    ) -> Iterator[Seen | Broken]:
        for test in tests:
            if node is not None:
                self.tree.place(node)
                if test._test_id == "B703":
                    self.tree.place_all()  # it looks at other places of the function, too
            try:
                found = self._call(test, context)
            except Exception:  # noqa: BLE001  # bandit's checks stop on code they did not foresee, and bandit goes on
                yield Broken(test._test_id, context["lineno"])
                continue
            if found is not None:
                line = context["lineno"] if found.lineno is None else found.lineno
                column = context["col_offset"] if found.col_offset == -1 else found.col_offset
                test_id = found.test_id or test._test_id
                if not self._silenced(test_id, found.lineno, spanned or node):
                    yield Seen(test_id, found.severity, found.confidence, line, column, node)

    def _call(self, test: Callable[..., Any], context: dict[str, Any]) -> Any:
        wrapped = self.checks.context(dict(context))
        if hasattr(test, "_config"):
            return test(wrapped, test._config)
        return test(wrapped)

    def _silenced(self, test: str, line: int | None, node: ast.AST | None) -> bool:
        if not self.nosec:
            return False
        # The line of the issue as the check gave it, and the first line of the node that has a comment.
        base = self.nosec.get(line) if line is not None else None
        if line is None:
            base = self.nosec.get(getattr(node, "lineno", 0))
        spanned = self.checks.utils.linerange(node) if node is not None else [0, 1]
        around = next((self.nosec[number] for number in spanned if number in self.nosec), None)
        if base is None and around is None:
            return False
        named = (base or set()) | (around or set())
        return not named or test in named


def _native(tree: Tree, data: bytes, path: str) -> Iterator[Seen | Broken]:
    checks = _checks()
    run = _Run(checks, tree, data, path)
    kinds = {
        ast.Call: _calls, ast.Constant: _constants, ast.Import: _imports, ast.ImportFrom: _imports,
    }  # fmt: skip
    plain = {name: tests for name, tests in checks.by_kind.items() if name not in _OWN}
    for node in tree.nodes:
        special = kinds.get(node.__class__)
        if special is not None:
            yield from special(run, node)
        elif tests := plain.get(node.__class__.__name__):
            yield from run.run(tests, run.context(node), node)
    yield from _whole(run)


_OWN = frozenset({"Call", "Constant", "Import", "ImportFrom", "Str", "Bytes", "File"})


def _calls(run: _Run, node: Any) -> Iterator[Seen | Broken]:
    checks = run.checks
    name = checks.utils.get_call_name(node, run.aliases)
    last = name.rsplit(".", 1)[-1]
    wanted = set(checks.call_gate.get(last, ()))
    if isinstance(node.func, ast.Name) and node.func.id == "__import__":
        wanted.add("B001")
    for test, part in _INSIDE.items():
        if part in last:
            wanted.add(test)
    if node.keywords:
        named = {keyword.arg for keyword in node.keywords}
        wanted.update(test for test, needed in _KEYWORDS.items() if needed & named)
        if any(isinstance(k.value, ast.Constant) and isinstance(k.value.value, str) for k in node.keywords):
            wanted.add("B106")
    tests = [test for test in checks.by_kind["Call"] if test._test_id in wanted or test._test_id not in _BY_NAME]
    if tests:
        yield from run.run(tests, run.context(node, call=node, qualname=name, name=last), node)


_STRING_PARENTS: Mapping[str, tuple[type[ast.AST], ...]] = {
    "B105": (ast.Assign, ast.Dict, ast.Subscript, ast.Compare),
    "B608": (ast.BinOp, ast.Attribute, ast.JoinedStr),
}
"""What a string must be part of for a check to report."""


def _constants(run: _Run, node: Any) -> Iterator[Seen | Broken]:
    value = node.value
    if isinstance(value, str):
        kind, key = "Str", "str"
    elif isinstance(value, bytes):
        kind, key = "Bytes", "bytes"
    else:
        return
    tests = run.text_tests[kind]
    if not tests:
        return
    parent = run.tree.parent(node)
    assert parent is not None  # only a module has none
    if isinstance(parent, ast.Expr):
        return  # a docstring
    chosen = [test for test in tests if _may_report(test, value, parent)]
    if chosen:
        yield from run.run(chosen, run.context(node, **{key: value}), node, parent)


_PASSWORD = re.compile(r"pas+wo?r?d|pass|pwd|token|secrete?", re.IGNORECASE)
_SQL = (("select", "from"), ("delete", "from"), ("insert", "values"), ("update", "set"))


@lru_cache(maxsize=65_536)
def _is_password(name: str) -> bool:
    return bool(_PASSWORD.search(name))


def _text_tests(checks: _Checks, tree: Tree) -> dict[str, list[Any]]:
    """Return the tests of texts that may report anything in this file, by the kind of text."""
    texts = [node.value for node in tree.of(ast.Constant) if node.value.__class__ is str]
    silent: set[str] = set()
    if "0.0.0.0" not in tree.identifiers:
        silent.add("B104")
    if not any(map(_is_password, tree.identifiers)) and not any(
        len(text) > MAX_NAME_CHARS and _is_password(text) for text in texts
    ):
        silent.add("B105")
    whole = "".join(texts).lower()
    if not any(first in whole and second in whole for first, second in _SQL):
        silent.add("B608")
    found = {
        kind: [test for test in checks.by_kind.get(kind, ()) if test._test_id not in silent]
        for kind in ("Str", "Bytes")
    }
    folders = next((tuple(test._config["tmp_dirs"]) for test in found["Str"] if test._test_id == "B108"), ())
    if not any(text.startswith(folders) for text in texts):
        found["Str"] = [test for test in found["Str"] if test._test_id != "B108"]
    return found


def _may_report(test: Any, value: str | bytes, parent: ast.AST) -> bool:
    test_id = test._test_id
    if test_id == "B104":
        return value == "0.0.0.0"  # compared, never bound
    if test_id == "B108":
        return isinstance(value, str) and value.startswith(tuple(test._config["tmp_dirs"]))
    parents = _STRING_PARENTS.get(test_id)
    return parents is None or isinstance(parent, parents)


def _imports(run: _Run, node: Any) -> Iterator[Seen | Broken]:
    if isinstance(node, ast.ImportFrom) and node.module is not None:
        prefix, kind = f"{node.module}.", "ImportFrom"
        for alias in node.names:
            run.aliases[alias.asname or alias.name] = prefix + alias.name
            run.imports.add(prefix + alias.name)
    else:
        prefix, kind = "", "Import"
        for alias in node.names:
            if alias.asname:
                run.aliases[alias.asname] = alias.name
            run.imports.add(alias.name)
    tests = run.checks.by_kind.get(kind, ())
    if not any((prefix + alias.name).startswith(run.checks.imports) for alias in node.names):
        tests = [test for test in tests if test._test_id != "B001"]
    if tests:
        more = {"module": node.module, "name": node.names[-1].name} if prefix else {"module": node.names[-1].name}
        yield from run.run(tests, run.context(node, **more), node)


def _whole(run: _Run) -> Iterator[Seen | Broken]:
    tests = run.checks.by_kind.get("File", ())
    if run.data.isascii():
        tests = [test for test in tests if test._test_id != "B613"]  # looks for characters beyond ASCII
    context = {
        "file_data": io.BytesIO(run.data),
        "filename": run.path,
        "lineno": 0,
        "linerange": [0, 1],
        "col_offset": 0,
    }
    yield from run.run(tests, context, None)


def _compatible(data: bytes, path: str) -> Iterator[Seen | Broken]:
    """Yield what bandit's own visitor reports, for versions that the fast way was not verified with."""
    from bandit.core import config, manager, metrics, node_visitor, test_set

    logging.getLogger("bandit").setLevel(logging.CRITICAL + 1)
    found: list[Seen | Broken] = []

    class Visitor(node_visitor.BanditNodeVisitor):  # type: ignore[misc]  # bandit has no types
        def visit(self, node: ast.AST) -> None:
            before = len(self.tester.results)
            super().visit(node)
            found.extend(_seen(issue, node) for issue in self.tester.results[before:])

    nosec: dict[int, Any] = {}
    try:
        for token in tokenize.tokenize(io.BytesIO(data).readline):
            if token.type == tokenize.COMMENT:
                nosec[token.start[0]] = manager._parse_nosec_comment(token.string)
    except (tokenize.TokenError, SyntaxError, UnicodeDecodeError):
        pass  # the comments up to there count
    counted = metrics.Metrics()
    counted.begin(path)
    visitor = Visitor(
        path, io.BytesIO(data), None, test_set.BanditTestSet(config.BanditConfig()), False, nosec, counted
    )
    visitor.tester.report_error = lambda test, context, error: found.append(Broken(test, context._context["lineno"]))
    visitor.process(data)
    found.extend(_seen(issue, None) for issue in visitor.tester.results if issue.test_id == "B613")
    yield from found


def _seen(issue: Any, node: ast.AST | None) -> Seen:
    return Seen(issue.test_id, issue.severity, issue.confidence, issue.lineno, issue.col_offset, node)
