"""Runs bandit's own checks over a syntax tree that is parsed and walked once for everybody.

bandit spends most of its time on dispatch, and most of its start on what only its command line needs. Its check functions
are therefore loaded without the command line and called for the nodes at which they can report at all. For a version of
bandit that this was not verified with, bandit's own visitor does the work: slower, and right by definition.
"""

from __future__ import annotations

import ast
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mlguard.scanners.code import bandit_gates as gates
from mlguard.scanners.code.bandit_library import VERIFIED, Checks, holding, is_verified, read_from_memory, version
from mlguard.scanners.code.bandit_library import checks as _checks
from mlguard.scanners.code.nosec import Mark, marks, silencing
from mlguard.scanners.code.tree import Tree
from mlguard.values import dataclass

__all__ = ["VERIFIED", "Broken", "Found", "Seen", "Silenced", "found", "issues", "seen", "version"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one check of bandit reports: ``line`` from 1, ``column`` in bytes from 0, and the node it looked at.

    bandit's text is left out, as it quotes passwords. ``void`` is a comment beside it that names nothing that bandit knows.
    """

    test: str
    severity: str
    confidence: str
    line: int
    column: int
    node: ast.AST | None
    void: Mark | None = None


@dataclass(frozen=True, slots=True)
class Silenced:
    """What a check of bandit would report if a comment did not set it aside."""

    seen: Seen
    mark: Mark

    @property
    def line(self) -> int:
        return self.seen.line


@dataclass(frozen=True, slots=True)
class Broken:
    """A check of bandit stopped with an error at this line, so it says nothing about it."""

    test: str
    line: int


@dataclass(frozen=True, slots=True)
class Found:
    """An issue as bandit made it, every field of it; the node it is about; and the comments that set it aside or fail to."""

    issue: Any  # bandit.core.issue.Issue
    node: ast.AST | None
    mark: Mark | None
    void: Mark | None


def seen(tree: Tree, data: bytes, path: str) -> Iterator[Seen | Silenced | Broken]:
    """Yield what bandit reports for the file whose content is ``data`` and whose tree is ``tree``, in its order.

    What it would report without comments comes as Silenced; where a check stopped, as Broken.
    """
    return _told(found(tree, data, path))


def issues(tree: Tree, data: bytes, path: str) -> list[Any]:
    """Return bandit's issues (``bandit.core.issue.Issue``) as its own command has them for a file. They quote passwords."""
    return [one.issue for one in found(tree, data, path) if isinstance(one, Found) and one.mark is None]


def found(tree: Tree, data: bytes, path: str) -> Iterator[Found | Broken]:
    """Yield every issue, also those that comments set aside, and where a check stopped."""
    return _driven(tree, data, path) if is_verified() else _visited(data, path, tree)


def _native(tree: Tree, data: bytes, path: str) -> Iterator[Seen | Silenced | Broken]:
    return _told(_driven(tree, data, path))


def _compatible(data: bytes, path: str) -> Iterator[Seen | Silenced | Broken]:
    return _told(_visited(data, path))


def _told(results: Iterator[Found | Broken]) -> Iterator[Seen | Silenced | Broken]:
    for one in results:
        if isinstance(one, Broken):
            yield one
            continue
        issue = one.issue
        told = Seen(issue.test_id, issue.severity, issue.confidence, issue.lineno, issue.col_offset, one.node, one.void)
        yield Silenced(told, one.mark) if one.mark is not None else told


def _identify(name: str) -> str:
    """Return the id of a check for its id or for one of its names, "" for what is neither."""
    known = _checks()
    return name if name in known.ids else known.names.get(name, "")


# ---- our own way


class _Run:
    """One file under bandit's checks."""

    def __init__(self, checks: Checks, tree: Tree, data: bytes, path: str) -> None:
        self.checks = checks
        self.tree = tree
        self.data = data
        self.path = path
        self.file = io.BytesIO(data)
        self.imports: set[str] = set()
        self.aliases: dict[str, str] = {}
        self.nosec = marks(data, _identify, tree)

    def context(self, node: Any, **more: Any) -> dict[str, Any]:
        return {
            "imports": self.imports, "import_aliases": self.aliases, "node": node, "filename": self.path,
            "file_data": self.file, "lineno": node.lineno, "col_offset": node.col_offset,
            "end_col_offset": node.end_col_offset, **more,
        }  # fmt: skip

    def run(
        self, tests: Sequence[Any], context: dict[str, Any], node: ast.AST | None, spanned: ast.AST | None = None
    ) -> Iterator[Found | Broken]:
        """Yield what the tests report. ``spanned`` is the node of which bandit takes the lines, when it is another one."""
        for test in tests:
            if test._test_id == "B703":
                self.tree.place_all()  # it looks at other places of the function, too
            try:
                issue = self._call(test, context)
            except Exception:  # noqa: BLE001  # bandit's checks stop on code they did not foresee, and bandit goes on
                yield Broken(test._test_id, context["lineno"])
                continue
            if issue is not None:
                yield self._completed(issue, test, context, node, spanned or node)

    def _call(self, test: Callable[..., Any], context: dict[str, Any]) -> Any:
        wrapped = self.checks.context(dict(context))
        if hasattr(test, "_config"):
            return test(wrapped, test._config)
        return test(wrapped)

    def _completed(
        self, issue: Any, test: Any, context: dict[str, Any], node: ast.AST | None, spanned: ast.AST | None
    ) -> Found:
        """Return the issue with what bandit adds to it."""
        lines = [0, 1] if spanned is None else self.checks.utils.linerange(spanned)
        given = issue.lineno
        issue.fname, issue.fdata = self.path, self.file
        issue.lineno = context["lineno"] if given is None else given
        issue.linerange = issue.linerange or lines
        issue.col_offset = context["col_offset"] if issue.col_offset == -1 else issue.col_offset
        issue.end_col_offset = context.get("end_col_offset", 0)
        issue.test = test.__name__
        issue.test_id = issue.test_id or test._test_id
        return Found(issue, node, *silencing(self.nosec, issue.test_id, given, lines))


def _driven(tree: Tree, data: bytes, path: str) -> Iterator[Found | Broken]:
    run = _Run(_checks(), tree, data, path)
    imports = [*tree.of(ast.Import), *tree.of(ast.ImportFrom)]
    chosen: dict[int, Sequence[Any]] = dict.fromkeys(map(id, gates.calls(tree, _renamed(imports))), ())
    for node, tests in (*gates.texts(tree), *gates.others(tree)):
        chosen[id(node)] = tests
    if chosen or any(gates.import_tests("Import", _imported(node)) for node in imports):
        chosen.update(dict.fromkeys(map(id, imports), ()))
        # Aliases count from where they are imported on, so the order is that of bandit's walk.
        for node in [node for node in tree.nodes if id(node) in chosen]:
            yield from _visit(run, node, chosen)
    tests = gates.file_tests(data)
    if tests:
        context = {"file_data": run.file, "filename": path, "lineno": 0, "linerange": [0, 1], "col_offset": 0}
        with holding(path, data):
            yield from run.run(tests, context, None)


def _visit(run: _Run, node: Any, chosen: Mapping[int, Sequence[Any]]) -> Iterator[Found | Broken]:
    kind = node.__class__
    if kind is ast.Import or kind is ast.ImportFrom:
        yield from _import(run, node)
    elif kind is ast.Call:
        name = run.checks.utils.get_call_name(node, run.aliases)
        tests = gates.call_tests(node, name)
        if tests:
            context = run.context(node, call=node, qualname=name, name=name.rsplit(".", 1)[-1])
            yield from run.run(tests, context, node)
    elif kind is ast.Constant:
        parent = run.tree.parent(node)
        if not isinstance(parent, ast.Expr):  # else it is a docstring
            key = "str" if isinstance(node.value, str) else "bytes"
            yield from run.run(chosen[id(node)], run.context(node, **{key: node.value}), node, parent)
    else:
        more = {"function": node, "qualname": node.name, "name": node.name} if kind is ast.FunctionDef else {}
        yield from run.run(chosen[id(node)], run.context(node, **more), node)


def _renamed(imports: Sequence[Any]) -> dict[str, set[str]]:
    """Return, by the name that an import binds, the last parts of what it stands for."""
    found: dict[str, set[str]] = {}
    for node in imports:
        for alias in node.names:
            if alias.asname or isinstance(node, ast.ImportFrom):
                found.setdefault(alias.asname or alias.name, set()).add(alias.name.rsplit(".", 1)[-1])
    return found


def _imported(node: Any) -> Iterator[str]:
    prefix = f"{node.module}." if getattr(node, "module", None) is not None else ""
    return (prefix + alias.name for alias in node.names)


def _import(run: _Run, node: Any) -> Iterator[Found | Broken]:
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
    tests = gates.import_tests(kind, _imported(node))
    if tests:
        more = {"module": node.module, "name": node.names[-1].name} if prefix else {"module": node.names[-1].name}
        yield from run.run(tests, run.context(node, **more), node)


# ---- bandit's way


def _visited(data: bytes, path: str, tree: Tree | None = None) -> Iterator[Found | Broken]:
    """Yield what bandit's own visitor reports, for versions that the fast way was not verified with.

    It makes a tree of its own; with ``tree`` the nodes of that one are given.
    """
    ours = {_spot(node): node for node in reversed(tree.nodes)} if tree is not None else {}
    import logging

    from bandit.core import config, extension_loader, metrics, node_visitor, test_set

    logging.getLogger("bandit").setLevel(logging.CRITICAL + 1)
    manager = extension_loader.MANAGER
    results: list[Found | Broken] = []
    nosec = marks(data, lambda name: name if manager.check_id(name) else manager.get_test_id(name) or "")
    given: list[
        tuple[int | None, list[int]]
    ] = []  # of each issue the line that its check gave, and the lines of the node

    class Visitor(node_visitor.BanditNodeVisitor):  # type: ignore[misc]  # bandit has no types
        def visit(self, node: ast.AST) -> None:
            before = len(self.tester.results)
            super().visit(node)
            take(self.tester.results[before:], node)

    def noted(context: Any, test_result: Any = None) -> None:
        if test_result is not None:
            given.append((test_result.lineno, context["linerange"]))

    def take(made: list[Any], node: ast.AST | None) -> None:
        places, given[:] = given[:], []
        for issue, (line, lines) in zip(made, places, strict=True):
            known = ours.get(_spot(node), node) if node is not None else None
            results.append(Found(issue, known, *silencing(nosec, issue.test_id, line, lines)))

    counted = metrics.Metrics()
    counted.begin(path)
    file = io.BytesIO(data)
    tests = test_set.BanditTestSet(config.BanditConfig())
    for test in tests.get_tests("File"):
        if test._test_id == "B613":
            read_from_memory(test)
    visitor = Visitor(path, file, None, tests, False, {}, counted)
    visitor.tester._get_nosecs_from_contexts = noted
    ids: dict[str, str] = {test.__name__: test._test_id for group in tests.tests.values() for test in group}
    visitor.tester.report_error = lambda test, context, error: results.append(
        Broken(ids.get(test) or str(test), context._context["lineno"])
    )
    with holding(path, data):
        visitor.process(data)
    take(visitor.tester.results[len(visitor.tester.results) - len(given) :], None)
    yield from results


def _spot(node: Any) -> tuple[Any, ...]:
    """Return what finds a node in another tree of the same file."""
    places = (getattr(node, name, None) for name in ("lineno", "col_offset", "end_lineno", "end_col_offset"))
    return node.__class__, *places
