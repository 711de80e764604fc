"""Says what ``owner.name`` and ``owner["name"]`` stand for, by both names and by what the owner is."""

from __future__ import annotations

import ast
from weakref import WeakKeyDictionary

from mlguard.scanners.code import lexicon
from mlguard.scanners.code.hiding import called, is_made_up, owner_of
from mlguard.scanners.code.lexicon import Term
from mlguard.scanners.code.names import Names
from mlguard.scanners.code.tree import Scope

_told: WeakKeyDictionary[Names, bool] = WeakKeyDictionary()


def clear(found: Term | None, names: Names) -> Term | None:
    """Return a term unless it is one that has another meaning in files without other personal data."""
    if found is None or not found.shy:
        return found
    if names not in _told:
        _told[names] = lexicon.is_told(names.tree.identifiers)
    return found if _told[names] else None


def term_of(name: str, owner: ast.AST, scope: Scope, names: Names) -> Term | None:
    """Return what ``owner.name`` or ``owner["name"]`` stands for."""
    written = names.written(owner)
    if lexicon.is_holder(written):
        return None
    last = owner_of(owner, names)
    if is_made_up(written):
        return None
    found = lexicon.term(name, last)
    if (
        found is not None
        and found.shy
        and not lexicon.is_person(last)
        and not lexicon.is_person(kind_of(owner, scope, names))
    ):
        found = clear(found, names)
    if found is None and lexicon.strength(name) in (1, 3) and not lexicon.is_person(last):
        kind = kind_of(owner, scope, names)
        found = lexicon.term(name, kind) if kind else None
        if found is None and lexicon.is_row(last):
            found = lexicon.item(name)
    return found


def kind_of(owner: ast.AST, scope: Scope, names: Names) -> str:
    """Return the name of an owner's class, or of what a loop takes it from."""
    if isinstance(owner, ast.Call):
        return called(owner)
    if not isinstance(owner, ast.Name):
        return ""
    path = names.path(owner, scope)
    if path:
        return path.replace("()", "").rsplit(".", 1)[-1]
    holder = names.holder(owner.id, scope)
    if holder is None:
        return ""
    if owner.id in holder.parameters and (annotation := holder.parameters[owner.id][0].annotation) is not None:
        return owner_of(annotation, names)
    values = [value for value in holder.values.get(owner.id, ()) if isinstance(value, ast.Call | ast.Subscript)]
    sources: list[ast.AST] = [*holder.parts.get(owner.id, ())[:2], *(base(value) for value in values[:2])]
    for source in sources:
        for part in names.written(source).split("."):
            if lexicon.is_person(part):
                return part
    return ""


def base(value: ast.Call | ast.Subscript) -> ast.AST:
    return value.func if isinstance(value, ast.Call) else value.value
