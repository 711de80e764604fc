"""Chooses the nodes at which a check of bandit can report at all, so that it is called for no others.

Every gate here is a necessary condition that follows from the check's own code in the verified versions. A check that has none is called for
every node of the class it asks for.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from mlguard import lazy
from mlguard.scanners.code.bandit_library import Checks, checks
from mlguard.scanners.code.screening import Screen
from mlguard.scanners.code.tree import MAX_NAME_CHARS, Tree

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

_GATED = frozenset({*_NAMES, *_KEYWORDS, *_SHELL, *_INSIDE, "B001", "B106"})
_IMPORTERS = ("__import__", "import_module")

Tests = Sequence[Any]


_ROOTS: Mapping[str, Sequence[str]] = {
    "B113": ["requests", "httpx"], "B501": ["requests", "httpx"], "B504": ["ssl"], "B506": ["yaml"], "B614": ["torch"],
    "B505": ["cryptography", "Crypto", "Cryptodome"], "B324": ["hashlib", "crypt"], "B701": ["jinja2"], "B702": ["mako"],
    "B615": ["transformers", "datasets", "huggingface_hub"],
}  # fmt: skip
"""Parts of the called name, with aliases replaced, of which a check needs one."""

_ANYWHERE = frozenset({""})


@cache
def _by_name() -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """Return, by the last part of a called name, the ids of the checks that may report it, and the other parts of which they need one.

    With "" among the latter some check needs none.
    """
    known = checks()
    gate: dict[str, tuple[set[str], set[str]]] = {}

    def add(last: str, test: str, parts: Iterable[str]) -> None:
        tests, needed = gate.setdefault(last, (set(), set()))
        tests.add(test)
        needed.update(parts)

    for test, names in _NAMES.items():
        for name in names:
            add(name, test, _ROOTS.get(test, _ANYWHERE))
    for name in (name for names in known.by_id["B602"]._config.values() for name in names):
        for test in _SHELL:
            add(name.split(".")[-1], test, [name.split(".")[0]])
    for entry in known.blacklists["Call"]:
        for name in entry["qualnames"]:
            add(name.split(".")[-1], "B001", [name.split(".")[0]])
    for name in _IMPORTERS:
        add(name, "B001", _ANYWHERE)
    return {name: (frozenset(tests), frozenset(needed)) for name, (tests, needed) in gate.items()}


@lru_cache(maxsize=65_536)
def _of_name(last: str) -> frozenset[str]:
    found = _by_name()[last][0] if last in _by_name() else frozenset()
    inside = {test for test, part in _INSIDE.items() if part in last}
    return found | inside if inside else found


def _may_be_reported(last: str, tree: Tree) -> bool:
    """Say whether a call of a name with this last part may be reported in this file."""
    if any(part in last for part in _INSIDE.values()):
        return True
    if last not in _by_name():
        return False
    needed = _by_name()[last][1]
    return "" in needed or not needed.isdisjoint(tree.identifiers) or not needed.isdisjoint(tree.roots)


@cache
def _ungated() -> bool:
    """Say whether there is a check of calls that must see all of them."""
    return not {test._test_id for test in checks().by_kind.get("Call", ())} <= _GATED


@lru_cache(maxsize=65_536)
def _of_keyword(name: str | None) -> frozenset[str]:
    found = {test for test, names in _KEYWORDS.items() if name in names}
    if name is None or _PASSWORD.search(name):
        found.add("B106")
    return frozenset(found)


@lru_cache(maxsize=16_384)
def _chosen(kind: str, wanted: frozenset[str]) -> Tests:
    """Return the checks with these ids, and those that have no gate, in bandit's order."""
    return tuple(
        test for test in checks().by_kind.get(kind, ()) if test._test_id in wanted or test._test_id not in _GATED
    )


def call_tests(node: ast.Call, name: str) -> Tests:
    """Return the checks that may report a call of ``name``, dotted and with aliases replaced as bandit does it."""
    wanted = _of_name(name.rsplit(".", 1)[-1])
    if isinstance(node.func, ast.Name) and node.func.id == "__import__":
        wanted |= {"B001"}
    for keyword in node.keywords:
        wanted |= _of_keyword(keyword.arg)
    return _chosen("Call", wanted)


def calls(tree: Tree, aliases: Mapping[str, set[str]]) -> list[ast.Call]:
    """Return the calls that some check may report. ``aliases`` has, by name, what imports anywhere in the file make of it."""
    if _ungated():
        return list(tree.of(ast.Call))
    known, found = tree.calls_by_name, []
    gate = _by_name()
    wanted = [name for name in known if name in gate or name in aliases or "chmod" in name or "extractall" in name]
    for name in wanted:
        if _may_be_reported(name, tree) or any(_may_be_reported(last, tree) for last in aliases.get(name, ())):
            found += known[name]
    by_keyword = tree.calls_by_keyword
    for keyword in by_keyword:
        if keyword is not None and _of_keyword(keyword):
            found += by_keyword[keyword]
    # One of them stops at a text that is unpacked as keywords.
    return found + [
        call for call in by_keyword.get(None, ()) if any(k.arg is None and _is_text(k.value) for k in call.keywords)
    ]


# ---- texts

_PASSWORD = lazy.pattern(r"pas+wo?r?d|pass|pwd|token|secrete?", re.IGNORECASE)
"""What a name must contain to be taken for that of a password."""

_SQL = (("select", "from"), ("delete", "from"), ("insert", "values"), ("update", "set"))


@lru_cache(maxsize=65_536)
def _is_password(name: str) -> bool:
    return _PASSWORD.search(name) is not None


_names = Screen(_PASSWORD.search)


class _Texts:
    """The texts of a file, and all of them in one, each on lines of its own."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.nodes = [node for node in tree.of(ast.Constant) if node.value.__class__ is str]
        self.whole = "\n" + "\n".join([node.value for node in self.nodes])

    def has_query(self) -> bool:
        """Say whether the words of a query stand in the texts, or in what is left of a formatted text without what is put in."""
        formatted = [
            "".join([part.value for part in node.values if _is_text(part)]) for node in self.tree.of(ast.JoinedStr)
        ]
        whole = "\n".join([self.whole, *formatted])
        if whole.isascii():
            lowered = whole.lower()
            return any(first in lowered and second in lowered for first, second in _SQL)
        # The small letter of some other characters is one of these words' letters.
        return any(re.search(a, whole, re.IGNORECASE) and re.search(b, whole, re.IGNORECASE) for a, b in _SQL)

    def has_password(self) -> bool:
        """Say whether anything is called like a password."""
        return _names.any(self.tree.identifiers) or any(
            len(node.value) > MAX_NAME_CHARS and _PASSWORD.search(node.value) for node in self.nodes
        )


def texts(tree: Tree) -> list[tuple[ast.Constant, Tests]]:
    """Return the texts that some check may report, with the checks."""
    known = checks().by_kind
    kinds = {test._test_id: test for test in known.get("Str", ())}
    if not kinds.keys() <= _TEXT_GATES.keys() or known.get("Bytes"):
        return [
            (node, known.get("Str" if isinstance(node.value, str) else "Bytes", ()))
            for node in tree.of(ast.Constant)
            if isinstance(node.value, str | bytes)
        ]
    held = _Texts(tree)
    wanted: dict[ast.Constant, list[Any]] = {}
    for test_id, test in kinds.items():
        for node in _TEXT_GATES[test_id](held, test):
            wanted.setdefault(node, []).append(test)
    return list(wanted.items())


def _is_text(node: Any) -> bool:
    return node.__class__ is ast.Constant and node.value.__class__ is str


def _addresses(texts: _Texts, _: Any) -> Iterable[ast.Constant]:
    if "0.0.0.0" not in texts.whole:  # compared, never bound
        return ()
    return (node for node in texts.nodes if node.value == "0.0.0.0")


def _folders(texts: _Texts, test: Any) -> Iterable[ast.Constant]:
    folders = tuple(test._config["tmp_dirs"])
    if not any(f"\n{folder}" in texts.whole for folder in folders):
        return ()
    return (node for node in texts.nodes if node.value.startswith(folders))


def _passwords(texts: _Texts, _: Any) -> Iterable[ast.Constant]:
    """Yield texts that are assigned to, compared with, or keys beside what is called like a password."""
    tree = texts.tree
    if not texts.has_password():
        return
    for node in tree.of(ast.Assign):
        if _is_text(node.value) and any(_is_password(_called(target)) for target in node.targets):
            yield node.value
    for node in tree.of(ast.Dict):
        for key in node.keys:
            if _is_text(key) and _PASSWORD.search(key.value):
                yield key
    for node in tree.of(ast.Subscript):
        for part in (node.value, node.slice):
            if _is_text(part) and _PASSWORD.search(part.value):
                yield part
    for node in tree.of(ast.Compare):
        if _is_password(_called(node.left)):
            yield from filter(_is_text, node.comparators)


def _called(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _queries(texts: _Texts, _: Any) -> Iterable[ast.Constant]:
    """Yield texts that are added, formatted or replaced in, in a file that holds the words of a query."""
    tree = texts.tree
    if not texts.has_query():
        return
    for node in tree.of(ast.BinOp):
        yield from filter(_is_text, (node.left, node.right))
    for node in tree.of(ast.Attribute):
        if node.attr in ("format", "replace") and _is_text(node.value):
            yield node.value
    for node in tree.of(ast.JoinedStr):
        yield from [part for part in node.values if _is_text(part)][:1]


_TEXT_GATES = {"B104": _addresses, "B105": _passwords, "B108": _folders, "B608": _queries}

# ---- the rest


def _functions(tree: Tree, known: Checks) -> Iterable[tuple[ast.AST, Tests]]:
    """Yield the functions whose arguments have defaults: without one neither check reports."""
    tests = known.by_kind.get("FunctionDef", ())
    gated = {test._test_id for test in tests} <= {"B107", "B503"}
    return ((node, tests) for node in tree.of(ast.FunctionDef) if not gated or node.args.defaults)


def _handlers(tree: Tree, known: Checks) -> Iterable[tuple[ast.AST, Tests]]:
    """Yield the handlers that do nothing."""
    tests = known.by_kind.get("ExceptHandler", ())
    gated = {test._test_id for test in tests} <= {"B110", "B112"}
    for node in tree.of(ast.ExceptHandler):
        if not gated or (len(node.body) == 1 and isinstance(node.body[0], ast.Pass | ast.Continue)):
            yield node, tests


def others(tree: Tree) -> Iterable[tuple[ast.AST, Tests]]:
    """Yield the nodes of all other classes that some check may report, with the checks."""
    known = checks()
    yield from _functions(tree, known)
    yield from _handlers(tree, known)
    for kind, nodes in tree.by_class.items():
        tests = known.by_kind.get(kind.__name__)
        if tests and kind.__name__ not in _SPECIAL:
            yield from ((node, tests) for node in nodes)


_SPECIAL = frozenset(
    {"Call", "Constant", "Import", "ImportFrom", "Str", "Bytes", "File", "FunctionDef", "ExceptHandler"}
)


@cache
def _imported() -> tuple[str, ...]:
    """Return the beginnings of the imports that are reported."""
    lists = checks().blacklists
    return tuple(name for kind in ("Import", "ImportFrom") for entry in lists[kind] for name in entry["qualnames"])


def import_tests(kind: str, names: Iterable[str]) -> Tests:
    """Return the checks that may report an import of these names."""
    if any(name.startswith(_imported()) for name in names):
        return checks().by_kind.get(kind, ())
    return _chosen(kind, frozenset())


_COOKIE = lazy.pattern(rb"^[^\n]*coding|^[^\n]*\n[^\n]*coding")


def file_tests(data: bytes) -> Tests:
    """Return the checks that may report the file as a whole."""
    # Some encodings write every character in ASCII.
    if _COOKIE.match(data) or (not data.isascii() and any(character in data for character in _controls())):
        return checks().by_kind.get("File", ())
    return _without_controls()


@cache
def _without_controls() -> Tests:
    return tuple(test for test in checks().by_kind.get("File", ()) if test._test_id != "B613")


@cache
def _controls() -> tuple[bytes, ...]:
    """Return the characters that turn the direction of text, in UTF-8."""
    found = checks().by_id["B613"].__globals__["BIDI_CHARACTERS"]
    return tuple(character.encode() for character in found)
