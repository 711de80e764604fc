"""Finds the class of an object in its file, and the personal fields that its text form shows."""

from __future__ import annotations

import ast

from mlguard.scanners.code import lexicon
from mlguard.scanners.code.lexicon import Term
from mlguard.scanners.code.names import Names
from mlguard.scanners.code.tree import Scope

_RECORDS = ("dataclass", "define", "attrs", "frozen", "mutable", "s", "pydantic_dataclass")
_BASES = frozenset({"BaseModel", "SQLModel", "NamedTuple", "Struct", "TypedDict", "Document", "Schema", "BaseDoc"})


def class_of(node: ast.AST, scope: Scope, names: Names, depth: int = 3) -> ast.ClassDef | None:
    if isinstance(node, ast.Call):
        single = names.single(node.func.id, scope) if isinstance(node.func, ast.Name) else None
        return single[0] if single and isinstance(single[0], ast.ClassDef) else None
    if not isinstance(node, ast.Name) or depth == 0:
        return None
    if node.id == "self":
        holder = scope.around_class()
        return holder.node if holder is not None and isinstance(holder.node, ast.ClassDef) else None
    holder = names.holder(node.id, scope)
    if holder is None:
        return None
    annotation = holder.annotations.get(node.id)
    if annotation is None and node.id in holder.parameters:
        annotation = holder.parameters[node.id][0].annotation
    for part in ast.walk(annotation) if annotation is not None else ():
        text = part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else getattr(part, "id", "")
        single = names.single(text, names.tree.root) if text.isidentifier() else None
        if single and isinstance(single[0], ast.ClassDef):
            return single[0]
    values = holder.values.get(node.id, [])
    if len(values) == 1 and isinstance(values[0], ast.Call):
        return class_of(values[0], holder, names, depth - 1)
    parts = holder.parts.get(node.id, [])
    return class_of(parts[0], holder, names, depth - 1) if len(parts) == 1 and isinstance(parts[0], ast.Name) else None


def fields(kind: ast.ClassDef, dumped: bool = False) -> Term | None:
    bases = {getattr(base, "id", getattr(base, "attr", "")) for base in kind.bases}
    if not (bases & _BASES or any(_makes_text(item) for item in kind.decorator_list) or (dumped and not kind.bases)):
        return None
    for item in kind.body:
        if not (isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)):
            continue
        found = lexicon.term(item.target.id, kind.name)
        if found is not None and (dumped or not _hidden(item)):
            return found
    return None


def _makes_text(decorator: ast.expr) -> bool:
    if isinstance(decorator, ast.Call):
        if any(
            k.arg == "repr" and isinstance(k.value, ast.Constant) and k.value.value is False for k in decorator.keywords
        ):
            return False
        decorator = decorator.func
    return getattr(decorator, "id", getattr(decorator, "attr", "")) in _RECORDS


def _hidden(item: ast.AnnAssign) -> bool:
    secret = any("Secret" in getattr(part, "id", "") for part in ast.walk(item.annotation))
    flags = getattr(item.annotation, "id", "") in ("bool", "int", "float")
    value = item.value
    quiet = isinstance(value, ast.Call) and any(
        k.arg in ("repr", "exclude") and getattr(k.value, "value", None) is (k.arg == "exclude") for k in value.keywords
    )
    return secret or flags or quiet
