"""Judges names that a pickle imports, by the table rules/tables/pickle-globals.yaml and nothing else.

The verdict never depends on what is installed. Order: names allowed exactly; those that may be held but not called;
traversal; names and subtrees denied; the standard library as a closed world; known libraries, by class; the rest for a
person to look at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache, cached_property

from mlguard import tables
from mlguard.scanners import lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, TypeAlias

    Verdict: TypeAlias = Literal["allow", "ask", "review", "block"]
    Kept: TypeAlias = Literal["", "free", "held", "loads"]
    """How far a name that is not allowed may be about: not at all; as a value, and as a class of which the pickle makes an
    instance without running ``__init__``; ("held") as the same, while each call of it with arguments is blocked; ("loads")
    as such a class, which unpickles the bytes in its state."""

_ORDER: tuple[Verdict, ...] = ("allow", "ask", "review", "block")
MAX_KNOWN = 10_000
"""Verdicts that are kept."""

_CLASS = lazy.pattern(r"_{0,2}[A-Z][A-Za-z0-9_]*$")


class Judgement:
    """What is thought of a global. ``special`` names the rule for calls of it ("" for none); "ask" is decided by the call.

    With ``kept`` the verdict "review" is meant for whoever calls the name, see calls.py.
    """

    __slots__ = ("check", "kept", "module", "name", "note", "special", "verdict")

    def __init__(
        self,
        verdict: Verdict,
        module: str,
        name: str,
        check: str = "",
        note: str = "",
        special: str = "",
        kept: Kept = "",
    ) -> None:
        self.verdict, self.module, self.name = verdict, module, name
        self.check, self.note, self.special, self.kept = check, note, special, kept


class Policy:
    """The table in the form that is fast to ask, with the organisation's own names added."""

    def __init__(self, table: Mapping[str, Any], also: Iterable[str] = ()) -> None:
        self.known: dict[tuple[str, str, bool], Judgement] = {}
        self.ready: tuple[dict[Any, Any], dict[Any, Any]] = ({}, {})  # of harmless names, what machines make of them
        self.exact: set[tuple[str, str]] = set()
        self.patterns: dict[str, list[str]] = {}
        for entry in table["allowed"]:
            for module in entry["modules"]:
                self._allow(module, entry["names"])
        for item in also:
            module, _, name = item.rpartition(".")
            self._allow(module, [name])
        self.special: dict[tuple[str, str], str] = {}
        for entry in table["allowed"]:
            if entry.get("computes"):
                names = ((module, name) for module in entry["modules"] for name in entry["names"])
                self.special |= dict.fromkeys(names, "computes")
        for entry in table["special"]:
            for item in entry["names"]:
                module, _, name = item.partition(":")
                self.special[module, name] = entry["rule"]
        self.asks = _ASKS
        self.stdlib = frozenset(name for entry in table["standard-library"] for name in entry["names"])
        self.renamed_modules: dict[str, str] = dict(table["renamed"]["modules"])
        self.renamed_names = {
            tuple(old.rsplit(".", 1)): tuple(new.rsplit(".", 1)) for old, new in table["renamed"]["names"].items()
        }
        kept = {module for module, _ in self.renamed_names.values()} | {*self.renamed_modules.values()}
        self.gone = ({*self.renamed_modules} | {module for module, _ in self.renamed_names}) - kept
        self.denied = frozenset(name for entry in table["denied"] for name in entry["names"])
        self.told = frozenset(name for entry in table["told"] for name in entry["names"])
        self.held = frozenset(name for entry in table["held"] for name in entry["names"])
        self.loading = frozenset(name for entry in table["state-loads"] for name in entry["names"])
        self.vendored: dict[str, str] = dict(table["vendored"]["modules"])
        self.roots = {root: _Root(()) for entry in table["known-libraries"] for root in entry["names"]}
        self.roots |= {entry["root"]: _Root(entry["classes"]) for entry in table["known-roots"]}
        self._leaves = {kind: table[kind]["patterns"] for kind in ("dangerous-leaves", "dangerous-calls", "rebuilders")}
        self.methods: dict[tuple[str, str], frozenset[str]] = {}
        for entry in table["methods"]:
            for item in entry["of"]:
                module, _, name = item.rpartition(".")
                self.methods[module, name] = frozenset(entry["names"])

    @cached_property
    def leaves(self) -> re.Pattern[str]:
        """Names that are dangerous wherever they are found."""
        return _any_of(self._leaves["dangerous-leaves"])

    @cached_property
    def calls(self) -> re.Pattern[str]:
        """Names whose calls are dangerous."""
        return _any_of(self._leaves["dangerous-calls"])

    @cached_property
    def rebuilds(self) -> re.Pattern[str]:
        """Names of functions that put an object together again."""
        return _any_of(self._leaves["rebuilders"])

    def keep_ready(self, script: bool, key: tuple[bytes, bytes], value: object, shown: str) -> None:
        """Keep what a machine made of a harmless name, for the next one. Such a value is never changed."""
        if len(self.ready[script]) < MAX_KNOWN:
            self.ready[script][key] = (value, shown)

    def _allow(self, module: str, names: Iterable[str]) -> None:
        for name in names:
            if "*" in name:
                self.patterns.setdefault(module, []).append(name)
            else:
                self.exact.add((module, name))

    def bound(self, module: str, name: str, attribute: str) -> bool:
        """Say whether ``attribute`` is a listed method of what ``module.name`` is or gives."""
        return attribute in self.methods.get((module, name), ()) or attribute in self.methods.get((module, "*"), ())

    def judge(self, module: str, name: str, script: bool = False) -> Judgement:
        """Return the verdict on a global. ``script``: inside a TorchScript archive.

        A name of Python 2 is judged as what it was renamed to, whatever the protocol says: headers lie.
        """
        key = (module, name, script)
        judged = self.known.get(key)
        if judged is None:
            judged = self._judged(module, name, script)
            if len(self.known) < MAX_KNOWN and len(module) + len(name) < 200:
                self.known[key] = judged
        return judged

    def _judged(self, module: str, name: str, script: bool) -> Judgement:
        module = self._original(module)
        if script and (module == "__torch__" or module.startswith("__torch__.")):
            return Judgement("allow", module, name)
        renamed = self._renamed(module, name)
        first = self._judge(*renamed)
        if renamed == (module, name) or module in self.gone:
            return first
        second = self._judge(module, name)
        return max(first, second, key=lambda judged: _ORDER.index(judged.verdict))

    def _original(self, module: str) -> str:
        """Return the name under which a library's own copy of another library is known."""
        for copy, original in self.vendored.items():
            if module.startswith(copy) and (len(module) == len(copy) or module[len(copy)] == "."):
                return original + module[len(copy) :]
        return module

    def _renamed(self, module: str, name: str) -> tuple[str, str]:
        new = self.renamed_names.get((module, name))
        if new is not None:
            return new[0], new[1]
        return self.renamed_modules.get(module, module), name

    def _judge(self, module: str, name: str) -> Judgement:
        special = self.special.get((module, name), "")
        if special:
            verdict: Verdict = "ask" if special in self.asks else "review" if special.startswith("makes") else "allow"
            check = "embedded-code" if verdict == "review" else ""
            return Judgement(verdict, module, name, check, special=special)
        if (module, name) in self.exact or any(
            _fits(pattern, name) and ("." in name or self._is_own(name)) for pattern in self.patterns.get(module, ())
        ):
            return Judgement("allow", module, name)
        root = module.partition(".")[0]
        known = None if _is_among(self.told, module, name) else self.roots.get(root)
        if f"{module}.{name}" in self.held:
            return Judgement("review", module, name, "known-library", kept="held")
        if _is_among(self.loading, module, name) and self._is_own(name):
            return Judgement("review", module, name, "known-library", kept="loads")
        if known and name.startswith("__pyx_unpickle_") and name.isidentifier():
            return Judgement("allow", module, name)
        return self._traversal(module, name, root, known) or self._named(module, name, root, known)

    def _traversal(self, module: str, name: str, root: str, known: _Root | None) -> Judgement | None:
        parts = name.split(".")
        if parts[0] == "torch" and len(parts) == 2 and ("torch", parts[1]) in self.exact and (known or root in _PLACES):
            return Judgement(
                "allow", "torch", parts[1]
            )  # constants that pickle found in the first module that imports torch
        hidden = any("__" in part for part in parts) or any(
            "__" in part for part in module.split(".") if part not in _PLACES
        )
        if hidden:
            return Judgement("block", module, name, "dynamic-name", "the name reaches into Python's internals")
        if len(parts) == 1:
            return None
        harmless = root not in self.stdlib and _CLASS.match(parts[0]) and not self.leaves.match(parts[-1])
        if not harmless or _is_among(self.denied, module, parts[0]) or self.calls.match(parts[-1]):
            return Judgement("block", module, name, "dynamic-name", "the name walks from module to module")
        inside = all(_CLASS.match(part) and not self.leaves.match(part) for part in parts[:-1])
        if known and inside and _CLASS.match(parts[-1]) and known.bears(module):
            return Judgement("allow", module, name)
        kept: Kept = "free" if known and inside and self._is_own(parts[-1]) else ""
        return Judgement("review", module, name, "other-library", "an attribute of a class", kept=kept)

    def _named(self, module: str, name: str, root: str, known: _Root | None) -> Judgement:
        if _is_among(self.denied, module, name):
            return Judgement("block", module, name, "stdlib-call" if root in self.stdlib else "library-call")
        if root in self.stdlib or not module:
            return Judgement("block", module, name, "stdlib-call")
        if _is_among(self.held, module, name) and self._is_own(name):
            return Judgement("review", module, name, "known-library", kept="held")
        if self.leaves.match(name) or known and _LOADS.match(name):
            return Judgement("block", module, name, "library-call")
        if known:
            if _CLASS.match(name) and (known.bears(module) or name.endswith(_ERRORS)):
                return Judgement("allow", module, name)
            return Judgement("review", module, name, "known-library", kept="free" if self._is_own(name) else "")
        if module.split(".")[0] == "__torch__":
            return Judgement("review", module, name, "other-library", "TorchScript outside its archive")
        return Judgement("review", module, name, "own-code" if root in _PLACES else "other-library")

    def _is_own(self, name: str) -> bool:
        """Say whether a name is a library's own and not a module that its code imports, such as ``os``."""
        bare = name.lstrip("_")
        return name.isidentifier() and not (bare in self.stdlib or bare in self.roots or bare in _SHORT)


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.A)


def _fits(pattern: str, name: str) -> bool:
    """Say whether a name fits a pattern with one ``*`` for letters, digits and underscores."""
    head, _, tail = pattern.partition("*")
    if len(name) < len(head) + len(tail) or not (name.startswith(head) and name.endswith(tail.rpartition("*")[2])):
        return False
    if "*" in tail:
        return re.fullmatch(re.escape(pattern).replace(r"\*", r"\w*"), name, re.A) is not None
    middle = name[len(head) : len(name) - len(tail)]
    return not middle or middle.isascii() and middle.replace("_", "a").isalnum()


def _is_among(names: frozenset[str], module: str, name: str) -> bool:
    """Say whether ``module.name``, or a package around it followed by ``.*``, is in ``names``."""
    dotted = f"{module}.{name}"
    if dotted in names:
        return True
    end = dotted.find(".")
    while end > 0:
        if dotted[: end + 1] + "*" in names:
            return True
        end = dotted.find(".", end + 1)
    return False


_ASKS = frozenset(
    {
        "getattr",
        "getter",
        "apply-one",
        "import",
        "setattr",
        "type-by-name",
        "folds",
        "resolves",
        "named-tuple",
        "applies-second",
    }
)
_PLACES = frozenset({"__main__", "__mp_main__", "__torch__", "__builtin__", "__future__"})


_ERRORS = ("Error", "Warning", "Exception")
_LOADS = lazy.pattern(
    r"_*(?:open|loads?|read|download|fetch|import|urlopen|eval|exec)(?:_(?!state)|[0-9]|$)|unpickle$", re.A
)
"""Names of functions that no honest file holds, not even as a value: to call one is all that is missing."""

_SHORT = frozenset({"np", "pd", "tf", "plt", "sp", "nx", "mp", "F", "nn", "ne", "osp", "op", "smart_open"})
"""Names under which modules are imported."""


class _Root:
    """A known library, and which of its modules hold classes that may be called with anything."""

    def __init__(self, classes: Any) -> None:
        self.all = classes == "all"
        self.modules = () if self.all else tuple(classes)

    def bears(self, module: str) -> bool:
        return self.all or any(
            module == base.removeprefix("=") or module.startswith(base + ".") for base in self.modules
        )


@cache
def shipped(also: tuple[str, ...] = ()) -> Policy:
    """Return the policy of the shipped table, with ``also`` (``module.Name`` or ``module.*``) allowed too."""
    return Policy(tables.table("pickle-globals"), also)
