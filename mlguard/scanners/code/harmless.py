"""Says which values are none of somebody's although their names sound like it: constants, settings, counts, masked and invented values."""

from __future__ import annotations

import ast

from mlguard.scanners.code import lexicon
from mlguard.scanners.code.hiding import called, fakes, is_clean
from mlguard.scanners.code.names import Names, Unknown
from mlguard.scanners.code.tree import Scope


def says_otherwise(name: str) -> bool:
    """Say whether a name tells that it holds something else, as ``email_count`` or ``domain`` do."""
    parts = lexicon.words(name)
    return lexicon.denied(name) or is_clean(name) or parts[-1:] in (("domain",), ("id",), ("ids",), ("score",), ("df",))


def flag(name: str, holder: Scope) -> bool:
    """Say whether a parameter is declared as a switch or a number, or as an object of another kind."""
    argument, default = holder.parameters.get(name, (None, None))
    if isinstance(default, ast.Constant) and isinstance(default.value, bool | int | float):
        return True
    annotation = argument.annotation if argument is not None else None
    return isinstance(annotation, ast.Name) and (
        annotation.id in ("bool", "int", "float") or lexicon.denied(annotation.id)
    )


def harmless(value: ast.AST, names: Names, scope: Scope) -> bool:
    if isinstance(value, ast.Compare | ast.Constant | ast.UnaryOp | ast.Lambda):
        return True
    if isinstance(value, ast.Call | ast.Subscript | ast.Attribute) and lexicon.is_holder(_owner(value, names)):
        return True  # os.environ.get(…), config["…"]
    if isinstance(value, ast.JoinedStr | ast.Name | ast.BinOp):
        return not isinstance(names.constant(value, scope), Unknown) or (
            isinstance(value, ast.Name) and value.id.isupper()
        )
    if isinstance(value, ast.Attribute):
        return value.attr.isupper()
    if isinstance(value, ast.List | ast.Tuple | ast.Set):
        return all(harmless(item, names, scope) for item in value.elts) and bool(value.elts)
    if isinstance(value, ast.Dict):
        return bool(value.values) and all(harmless(item, names, scope) for item in value.values)
    if isinstance(value, ast.Call):
        name = called(value)
        return (
            is_clean(name)
            or name[:1].isupper()
            or fakes(value, names)
            or (name in ("compile", "match", "search", "getenv"))
        )
    if isinstance(value, ast.IfExp):
        return harmless(value.body, names, scope) and harmless(value.orelse, names, scope)
    return False


def _owner(node: ast.Call | ast.Subscript | ast.Attribute, names: Names) -> str:
    if isinstance(node, ast.Call):
        return names.written(node.func.value) if isinstance(node.func, ast.Attribute) else ""
    return names.written(node.value)
