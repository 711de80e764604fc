"""Judges names that a pickle imports, by the table rules/tables/pickle-globals.yaml and nothing else.

The verdict never depends on what is installed. Order: names allowed exactly; traversal; names and subtrees denied; the
standard library as a closed world; known machine-learning roots by class; the rest for a person to look at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from mlguard import rules

Verdict = Literal["allow", "ask", "review", "block"]

_ORDER: tuple[Verdict, ...] = ("allow", "ask", "review", "block")
MAX_KNOWN = 10_000
"""Verdicts that are kept."""

_CLASS = re.compile(r"_{0,2}[A-Z][A-Za-z0-9_]*$")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is thought of a global. ``special`` names the rule for calls of it ("" for none); "ask" is decided by the call."""

    verdict: Verdict
    module: str
    name: str
    check: str = ""
    note: str = ""
    special: str = ""


class Policy:
    """The table in the form that is fast to ask, with the organisation's own names added."""

    def __init__(self, table: Mapping[str, Any], also: Iterable[str] = ()) -> None:
        self.known: dict[tuple[str, str, bool], Judgement] = {}
        self.exact: set[tuple[str, str]] = set()
        self.patterns: dict[str, list[re.Pattern[str]]] = {}
        for entry in table["allowed"]:
            for module in entry["modules"]:
                self._allow(module, entry["names"])
        for item in also:
            module, _, name = item.rpartition(".")
            self._allow(module, [name])
        self.special: dict[tuple[str, str], str] = {}
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
        self.roots = {entry["root"]: _Root(entry) for entry in table["known-roots"]}
        self.leaves = re.compile("|".join(f"(?:{leaf})" for leaf in table["dangerous-leaves"]["patterns"]), re.A)
        self.calls = re.compile("|".join(f"(?:{leaf})" for leaf in table["dangerous-calls"]["patterns"]), re.A)
        self.methods: dict[tuple[str, str], frozenset[str]] = {}
        for entry in table["methods"]:
            for item in entry["of"]:
                module, _, name = item.rpartition(".")
                self.methods[module, name] = frozenset(entry["names"])

    def _allow(self, module: str, names: Iterable[str]) -> None:
        for name in names:
            if "*" in name:
                pattern = re.compile(re.escape(name).replace(r"\*", "[A-Za-z0-9_]*") + "$")
                self.patterns.setdefault(module, []).append(pattern)
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
        if script and (module == "__torch__" or module.startswith("__torch__.")):
            return Judgement("allow", module, name)
        renamed = self._renamed(module, name)
        first = self._judge(*renamed)
        if renamed == (module, name) or module in self.gone:
            return first
        second = self._judge(module, name)
        return max(first, second, key=lambda judged: _ORDER.index(judged.verdict))

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
        if (module, name) in self.exact or any(p.match(name) for p in self.patterns.get(module, ())):
            return Judgement("allow", module, name)
        root = module.partition(".")[0]
        known = self.roots.get(root)
        if known and name.startswith("__pyx_unpickle_") and name.isidentifier():
            return Judgement("allow", module, name)
        return self._traversal(module, name, root) or self._named(module, name, root, known)

    def _traversal(self, module: str, name: str, root: str) -> Judgement | None:
        parts = name.split(".")
        hidden = any("__" in part for part in parts) or any(
            "__" in part for part in module.split(".") if part not in _PLACES
        )
        if hidden:
            return Judgement("block", module, name, "dynamic-name", "the name reaches into Python's internals")
        if len(parts) == 1:
            return None
        harmless = root not in self.stdlib and _CLASS.match(parts[0]) and not self.leaves.match(parts[-1])
        if harmless and not self._is_denied(module, parts[0]):
            return Judgement("review", module, name, "other-library", "an attribute of a class")
        return Judgement("block", module, name, "dynamic-name", "the name walks from module to module")

    def _named(self, module: str, name: str, root: str, known: _Root | None) -> Judgement:
        if self._is_denied(module, name):
            return Judgement("block", module, name, "stdlib-call" if root in self.stdlib else "library-call")
        if root in self.stdlib or not module:
            return Judgement("block", module, name, "stdlib-call")
        if self.leaves.match(name):
            return Judgement("block", module, name, "library-call")
        if known:
            if known.bears(module) and _CLASS.match(name):
                return Judgement("allow", module, name)
            return Judgement("review", module, name, "known-library")
        if module.split(".")[0] == "__torch__":
            return Judgement("review", module, name, "other-library", "TorchScript outside its archive")
        return Judgement("review", module, name, "own-code" if root in _PLACES else "other-library")

    def _is_denied(self, module: str, name: str) -> bool:
        dotted = f"{module}.{name}"
        if dotted in self.denied:
            return True
        parts = dotted.split(".")
        return any(".".join(parts[:count]) + ".*" in self.denied for count in range(1, len(parts)))


_ASKS = frozenset({"getattr", "getter", "apply-one", "import", "setattr", "type-by-name"})
_PLACES = frozenset({"__main__", "__mp_main__", "__torch__", "__builtin__", "__future__"})


class _Root:
    """A known library, and which of its modules hold classes whose instances it saves."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.all = entry["classes"] == "all"
        self.modules = () if self.all else tuple(entry["classes"])

    def bears(self, module: str) -> bool:
        return self.all or any(
            module == base.removeprefix("=") or module.startswith(base + ".") for base in self.modules
        )


@cache
def shipped(also: tuple[str, ...] = ()) -> Policy:
    """Return the policy of the shipped table, with ``also`` (``module.Name`` or ``module.*``) allowed too."""
    return Policy(rules.load().tables["pickle-globals"], also)
