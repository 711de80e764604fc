"""Compares the licence of each package with what the configuration allows and denies.

Expressions are those of SPDX (https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions/). What a manifest, a lock or installed metadata
states comes first, then a table of well-known packages, which findings tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from mlguard import lazy, tables
from mlguard.values import dataclass

MAX_EXPRESSION = 2_000
"""Characters of an expression; longer text is the licence itself, which is not read."""

MAX_DEPTH = 40
"""Parentheses inside each other."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Patterns of identifiers, `*` for any letters: only what ``allow`` has is allowed when there is any, and never what ``deny`` has."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    packages: Mapping[str, str] | None = None  # what somebody has looked up: canonical name -> expression


def policy(settings: Mapping[str, Any]) -> Policy | None:
    """Return what ``dependencies.licenses`` of the configuration says, or None when there is nothing."""
    found = settings.get("licenses")
    if not isinstance(found, Mapping):
        return None
    allow, deny = (tuple(map(str, found.get(key) or ())) for key in ("allow", "deny"))
    named = found.get("packages")
    from mlguard.scanners.dependencies.normal import canonical as canonicalize_name

    known = (
        {str(canonicalize_name(str(name))): str(text) for name, text in named.items()}
        if isinstance(named, Mapping)
        else {}
    )
    return Policy(allow, deny, known) if allow or deny else None


# ---- expressions

_TOKEN = lazy.pattern(r"\s*(?:(\()|(\))|([A-Za-z0-9][\w.+:-]*))", re.A)

Tree = tuple[str, tuple[Any, ...]] | str
"""("AND" or "OR", parts), or an identifier, with its exception as "X WITH Y"."""


def parse(text: str) -> Tree | None:
    """Return an expression of SPDX, or None when the text is none. Operators are read in any case."""
    if len(text) > MAX_EXPRESSION:
        return None
    tokens, at = [], 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            return None
        tokens.append(match[0].strip())
        at = match.end()
    tree, rest = _either(tokens, 0, 0) if tokens else (None, 0)
    return tree if rest == len(tokens) else None


def _either(tokens: Sequence[str], at: int, depth: int) -> tuple[Tree | None, int]:
    return _joined(tokens, at, depth, "OR", _both)


def _both(tokens: Sequence[str], at: int, depth: int) -> tuple[Tree | None, int]:
    return _joined(tokens, at, depth, "AND", _single)


def _joined(tokens: Sequence[str], at: int, depth: int, word: str, part: Any) -> tuple[Tree | None, int]:
    found, at = part(tokens, at, depth)
    parts = [found]
    while at < len(tokens) and tokens[at].upper() == word and found is not None:
        found, at = part(tokens, at + 1, depth)
        parts.append(found)
    if None in parts:
        return None, at
    return (parts[0] if len(parts) == 1 else (word, tuple(parts))), at


def _single(tokens: Sequence[str], at: int, depth: int) -> tuple[Tree | None, int]:
    if at >= len(tokens) or depth > MAX_DEPTH:
        return None, at
    if tokens[at] == "(":
        found, at = _either(tokens, at + 1, depth + 1)
        return (found, at + 1) if at < len(tokens) and tokens[at] == ")" else (None, at)
    if tokens[at] == ")" or tokens[at].upper() in ("AND", "OR", "WITH"):
        return None, at
    if at + 2 < len(tokens) and tokens[at + 1].upper() == "WITH":
        return f"{tokens[at]} WITH {tokens[at + 2]}", at + 3
    return tokens[at], at + 1


def refused(tree: Tree, rules: Policy) -> tuple[str, ...]:
    """Return the identifiers that the policy does not let through, () when some choice is open that it does."""
    if isinstance(tree, str):
        return () if _lets(tree, rules) else (tree,)
    found = [refused(part, rules) for part in tree[1]]
    if tree[0] == "OR":
        return () if any(not part for part in found) else tuple(dict.fromkeys(name for part in found for name in part))
    return tuple(dict.fromkeys(name for part in found for name in part))


def _lets(name: str, rules: Policy) -> bool:
    names = _forms(name)
    if any(_fits(one, pattern) for one in names for pattern in rules.deny):
        return any(_fits(name, pattern) for pattern in rules.allow if " WITH " in pattern.upper())
    return not rules.allow or any(_fits(one, pattern) for one in names for pattern in rules.allow)


def _forms(name: str) -> tuple[str, ...]:
    """Return an identifier as it may be written in a policy: GPL-3.0-or-later is also meant by GPL-3.0."""
    base = re.split(r"\s+WITH\s+", name, flags=re.I)[0]
    short = re.sub(r"(?:-only|-or-later|\+)$", "", base)
    return tuple(dict.fromkeys((name, base, short)))


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name.lower(), pattern.strip().lower())


# ---- what packages state


def stated(text: str) -> str:
    """Return the expression that the metadata or a manifest states for a package: an expression, a name or a classifier; else ""."""
    text = " ".join(text.split())
    if not text or len(text) > MAX_EXPRESSION:
        return ""
    if " :: " in text:
        return str(_table()["classifiers"].get(text.rsplit(" :: ", 1)[-1].strip().lower(), ""))
    if named := _names().get(text.lower().rstrip(".")):
        return named
    tree = _spelled(parse(text))
    return _written(tree) if tree is not None and _is_known(tree) else ""


def _spelled(tree: Tree | None) -> Tree | None:
    """Return an expression with the identifiers that are written in other letters as SPDX has them."""
    if tree is None or isinstance(tree, str):
        return _names().get(tree.lower(), tree) if tree else tree
    return tree[0], tuple(_spelled(part) for part in tree[1])


def _is_known(tree: Tree) -> bool:
    """Say whether all parts look like identifiers and are no words of a sentence."""
    if not isinstance(tree, str):
        return all(_is_known(part) for part in tree[1])
    base = tree.split(" WITH ")[0]
    return base.startswith(("LicenseRef-", "DocumentRef-")) or bool(re.search(r"\d", base)) or base in _WITHOUT_NUMBER


_WITHOUT_NUMBER = frozenset({
    "MIT", "ISC", "Zlib", "Unlicense", "HPND", "NCSA", "PostgreSQL", "Python", "Ruby", "Vim", "WTFPL", "X11", "curl", "Beerware", "Intel", "Xnet",
    "Libpng", "libtiff", "MIT-CMU", "CNRI-Python", "BSD-Source-Code", "NAIST-2003", "Unicode-TOU", "MIT-Modern-Variant", "HPND-sell-variant",
})  # fmt: skip


def _written(tree: Tree, inside: bool = False) -> str:
    if isinstance(tree, str):
        return tree
    text = f" {tree[0]} ".join(_written(part, True) for part in tree[1])
    return f"({text})" if inside else text


def _table() -> Mapping[str, Any]:
    table: Mapping[str, Any] = tables.table("licences")
    return table


@cache
def _names() -> dict[str, str]:
    """Return identifiers by what licences are called in lower case, also by the identifiers themselves."""
    table = _table()
    known = {str(name).lower(): str(name) for name in (*table["names"].values(), *table["classifiers"].values())}
    return known | {str(name): str(identifier) for name, identifier in table["names"].items()}


@cache
def _packages() -> dict[str, str]:
    return {name: str(entry["licence"]) for entry in _table()["packages"] for name in entry["packages"].split()}


def by_table(name: str) -> str:
    """Return the licence of a well-known package, or ""."""
    return _packages().get(name, "")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the policy says of a package: ``expression`` is "" when its licence is not known; ``how`` says where it is from."""

    expression: str
    refused: tuple[str, ...]
    how: str


def judge(name: str, texts: Iterable[str], rules: Policy) -> Verdict:
    """Return what a policy says of a package whose manifests state ``texts``."""
    found = ""
    how = "as its metadata state"
    if rules.packages and name in rules.packages:
        found, how = stated(rules.packages[name]) or rules.packages[name], "as the configuration says"
    for text in texts:
        found = found or stated(text)
    if not found and (found := by_table(name)):
        how = "by our table of well-known packages"
    tree = parse(found) if found else None
    return Verdict(found, refused(tree, rules), how) if tree is not None else Verdict("", (), "")
