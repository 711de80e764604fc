"""Says which columns a data frame of pandas, polars or Spark has, as far as the code names them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mlguard import lazy
from mlguard.scanners.code import lexicon
from mlguard.scanners.code.hiding import called, cleans
from mlguard.scanners.code.lexicon import Term
from mlguard.scanners.code.names import Names
from mlguard.scanners.code.tree import Scope
from mlguard.values import dataclass, replace

MAX_DEPTH = 10
"""Steps into an expression and from name to name."""

MAX_CHANGES = 50
"""Calls of one name that change a frame or a list in place."""

MAX_VALUES = 200
"""Assignments to one name."""

MAX_COLUMNS = 2000
"""Columns of one frame that are looked at."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The columns that a frame is known to have, and the expression that chooses them."""

    columns: tuple[str, ...]
    node: ast.AST

    def without(self, gone: Iterable[str]) -> Frame:
        left = set(gone)
        return replace(self, columns=tuple(name for name in self.columns if name not in left))

    def also(self, more: Iterable[str]) -> Frame:
        return replace(self, columns=tuple(dict.fromkeys((*self.columns, *more))))


_ROWS = frozenset(
    "head tail sample copy reset_index dropna fillna to_string to_markdown to_html to_numpy astype iloc loc sort_values query "  # noqa: SIM905
    "drop_duplicates to_dict to_records to_csv to_xml to_latex set_index reindex where mask nlargest nsmallest limit collect toPandas to_pandas show values "
    "repartition coalesce cache persist sort orderBy order_by distinct unique lazy fetch clip replace interpolate ffill bfill round "
    "apply transform fit_transform pipe filter slice shuffle_rows T to_json numpy float long to cpu cuda unsqueeze glimpse".split()
)
"""Methods and attributes of a frame whose result still has its rows and columns."""

_WRAPS = frozenset({"array", "asarray", "tensor", "as_tensor", "from_numpy", "FloatTensor", "TensorDataset", "from_tensor_slices", "DataLoader", "Tensor",
                    "csr_matrix", "hstack", "DataFrame", "from_pandas", "DMatrix", "Dataset", "Pool", "add_constant", "get_dummies", "dict", "list", "QuantileDMatrix",
                    "convert_to_tensor", "Table", "display", "stack", "normalize", "scale", "ascontiguousarray", "from_df", "from_dict"})  # fmt: skip
_READERS = lazy.pattern(r"^(?:read_\w+|scan_\w+)$")
_SELECT = lazy.pattern(r"(?is)^\s*select\s+(?:distinct\s+)?(.{1,4000}?)\s+from\s")


def frame(node: ast.AST | None, scope: Scope, names: Names, depth: int = MAX_DEPTH) -> Frame | None:
    """Return what is known of the columns of a frame expression, None when nothing is."""
    if node is None or depth <= 0:
        return None
    if isinstance(node, ast.Name):
        return _named(node, scope, names, depth)
    if isinstance(node, ast.Subscript):
        return _part(node, scope, names, depth)
    if isinstance(node, ast.Attribute):
        if node.attr == "iloc":
            return None
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            return _attribute(node, scope, names, depth)
        return frame(node.value, scope, names, depth - 1) if node.attr in _ROWS else None
    if isinstance(node, ast.Call):
        given = _given(node, scope, names, depth)
        if given is not None:
            return given
        return (
            _method(node, scope, names, depth)
            if isinstance(node.func, ast.Attribute)
            else _made(node, scope, names, depth)
        )
    if isinstance(node, ast.Await | ast.Starred | ast.NamedExpr):
        return frame(node.value, scope, names, depth - 1)
    if isinstance(node, ast.Dict):
        return _joined(
            [value for value in node.values if isinstance(value, ast.Call | ast.Subscript)], scope, names, depth
        )
    if isinstance(node, ast.Tuple | ast.List) and 0 < len(node.elts) < 8:
        return _joined(
            [item for item in node.elts if isinstance(item, ast.Call | ast.Subscript | ast.Name)], scope, names, depth
        )
    return None


def _given(node: ast.Call, scope: Scope, names: Names, depth: int) -> Frame | None:
    """Return the columns of what a function of this file gives back."""
    function = names.function(node.func, scope)
    if function is None or depth < 4:
        return None
    inner = names.tree.inner(function)
    return next(
        (known for value in names.returned(function)[:4] if (known := frame(value, inner, names, depth - 3))), None
    )


def columns_of(node: ast.AST | None, scope: Scope, names: Names) -> Sequence[str] | None:
    """Return the names of the columns that a frame expression has, None when nothing is known."""
    found = frame(node, scope, names)
    return found.columns if found else None


def term_of_columns(chosen: Sequence[str] | None) -> Term | None:
    """Return the first kind of personal data among columns."""
    found = lexicon.columns(chosen) if chosen else []
    return found[0][1] if found else None


# Names


def _before(name: str, scope: Scope, names: Names, use: ast.AST) -> tuple[ast.AST, Scope] | None:
    """Return the last expression that a name is bound to before a place, with its scope."""
    holder = names.holder(name, scope)
    if holder is None or name in holder.imports or len(holder.values.get(name, ())) > MAX_VALUES:
        return None
    values = [value for value in holder.values.get(name, ()) if value is not None and hasattr(value, "lineno")]
    if holder is scope:
        where = (getattr(use, "lineno", 0), getattr(use, "col_offset", 0))
        values = [value for value in values if (value.lineno, value.col_offset) < where and not _holds(value, use)]  # type: ignore[attr-defined]  # tested above
    return (values[-1], holder) if values else None


def _holds(value: Any, use: Any) -> bool:
    begin, end = (value.lineno, value.col_offset), (value.end_lineno or 0, value.end_col_offset or 0)
    return begin <= (getattr(use, "lineno", 0), getattr(use, "col_offset", 0)) < end


def _named(node: ast.Name, scope: Scope, names: Names, depth: int) -> Frame | None:
    found = _before(node.id, scope, names, node)
    if found is None:
        holder = names.holder(node.id, scope)
        known = None
    else:
        value, holder = found
        known = frame(value, holder, names, depth - 1)
        if known is None and isinstance(value, ast.Attribute | ast.Constant):
            return None
    if holder is None:
        return None
    return _changed(node, holder, known, names)


def _changed(node: ast.Name, holder: Scope, known: Frame | None, names: Names) -> Frame | None:
    """Apply what is done to a frame in place: columns assigned, dropped, renamed, deleted."""
    name = node.id
    where = (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))
    for key, value in holder.entries.get(name, {}).items():
        if (value.lineno, value.col_offset) > where and holder.node is names.tree.scope(node).node:
            continue
        if cleans(value):
            known = known.without((key,)) if known else None
        elif known is not None:
            known = known.also((key,))
    if known is None:
        return None
    for method in ("drop", "pop", "rename", "insert"):
        for call in names.tree.calls_by_name.get(method, ())[:MAX_CHANGES]:
            if getattr(getattr(call.func, "value", None), "id", "") != name or (call.lineno, call.col_offset) > where:
                continue
            keywords = {keyword.arg: keyword.value for keyword in call.keywords}
            inplace = getattr(keywords.get("inplace"), "value", False) is True
            if method == "pop" or (method == "drop" and inplace):
                known = known and known.without(_dropped(call, holder, names))
            elif method == "rename" and inplace:
                known = _renamed(known, call, holder, names) or known
    for gone in names.tree.of(ast.Delete)[:MAX_CHANGES]:
        for target in gone.targets:
            if isinstance(target, ast.Subscript) and getattr(target.value, "id", "") == name:
                known = known and known.without(strings(target.slice, holder, names))
    return known


def _attribute(node: ast.Attribute, scope: Scope, names: Names, depth: int) -> Frame | None:
    holder = scope.around_class()
    values = [value for value in holder.attributes.get(node.attr, ()) if value is not None] if holder else []
    return frame(values[-1], names.tree.scope(values[-1]), names, depth - 1) if values else None


# Parts and methods


def _part(node: ast.Subscript, scope: Scope, names: Names, depth: int) -> Frame | None:
    part: ast.AST = node.slice
    owner = node.value
    if isinstance(owner, ast.Attribute) and owner.attr in ("loc", "at"):
        if not (isinstance(part, ast.Tuple) and len(part.elts) == 2):
            return frame(owner.value, scope, names, depth - 1)
        part = part.elts[1]
        if isinstance(part, ast.Slice):
            return frame(owner.value, scope, names, depth - 1)
        chosen = strings(part, scope, names)
        return Frame(tuple(chosen), node) if chosen else None
    if isinstance(owner, ast.Attribute) and owner.attr == "iloc":
        return frame(owner.value, scope, names, depth - 1) if not isinstance(part, ast.Tuple) else None
    if isinstance(part, ast.Compare | ast.BinOp | ast.UnaryOp | ast.Slice | ast.Call) and not _lists(part):
        return frame(owner, scope, names, depth - 1)  # rows by a condition
    if isinstance(part, ast.Constant):
        return None  # one column, or an element
    chosen = strings(part, scope, names)
    return Frame(tuple(chosen[:MAX_COLUMNS]), node) if chosen else None


def _lists(part: ast.AST) -> bool:
    if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Add | ast.Sub):
        return True
    return isinstance(part, ast.Call) and called(part) in (
        "list",
        "sorted",
        "set",
        "difference",
        "union",
        "copy",
        "drop",
    )


def _method(node: ast.Call, scope: Scope, names: Names, depth: int) -> Frame | None:
    assert isinstance(node.func, ast.Attribute)
    method, owner = node.func.attr, node.func.value
    keywords = names.keywords(node, scope)
    if method in ("select", "selectExpr"):
        chosen = list(_selected(node, scope, names))
        return Frame(tuple(chosen), node) if chosen else None
    if method in ("merge", "join", "concat", "hstack", "vstack", "union", "unionByName", "append", "crossJoin"):
        from_args = [arg for arg in node.args[:3] if not isinstance(arg, ast.Constant)]
        return _joined(
            [owner, *from_args, *(keywords[k] for k in ("right", "left", "objs", "other") if k in keywords)],
            scope,
            names,
            depth,
        )
    if method in _WRAPS or _READERS.match(method) or method in ("createDataFrame", "sql"):
        made = _made(node, scope, names, depth)
        if made is not None:
            return made
    if method in ("fit_transform", "transform") and node.args:
        given = frame(node.args[0], scope, names, depth - 1)
        if given is not None:
            return given
    if method == "filter" and "items" in keywords:
        return Frame(tuple(strings(keywords["items"], scope, names)), node)
    if method in ("assign", "withColumn", "with_columns", "withColumns"):
        known = frame(owner, scope, names, depth - 1)
        clean = [key for key, value in keywords.items() if cleans(value)]
        added = [key for key in keywords if key not in clean] + (
            strings(node.args[0], scope, names) if method == "withColumn" and node.args else []
        )
        if method == "withColumn" and len(node.args) > 1 and cleans(node.args[1]):
            clean, added = added, []
        return known.without(clean).also(added) if known else None
    inner = frame(owner, scope, names, depth - 1)
    if method == "rename" or method == "withColumnRenamed":
        return _renamed(inner, node, scope, names)
    if inner is None:
        return None
    if method in ("drop", "drop_columns"):
        return inner.without(_dropped(node, scope, names))
    if method in ("apply", "transform", "map") and cleans(node):
        return None
    return inner if method in _ROWS else None


def _selected(node: ast.Call, scope: Scope, names: Names) -> Iterator[str]:
    for argument in [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg in ("exprs",))]:
        items = argument.elts if isinstance(argument, ast.List | ast.Tuple) else [argument]
        for item in items:
            if isinstance(item, ast.Starred):
                yield from strings(item.value, scope, names)
            elif isinstance(item, ast.Call):
                if cleans(item):
                    continue
                aliases = [
                    n for n in ast.walk(item) if isinstance(n, ast.Call) and called(n) in ("alias", "col", "name")
                ]
                yield from (text for n in aliases[:1] for arg in n.args for text in strings(arg, scope, names))
            elif isinstance(item, ast.Attribute) and isinstance(item.value, ast.Name):
                yield item.attr
            elif isinstance(item, ast.Subscript):
                yield from strings(item.slice, scope, names)
            else:
                yield from strings(item, scope, names)
    yield from (
        keyword.arg for keyword in node.keywords if keyword.arg and not cleans(keyword.value) and keyword.arg != "exprs"
    )


def _dropped(call: ast.Call, scope: Scope, names: Names) -> list[str]:
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    given = [keywords[key] for key in ("columns", "labels", "cols") if key in keywords] or list(call.args[:30])
    return [text for item in given for text in strings(item, scope, names)]


def _renamed(known: Frame | None, call: ast.Call, scope: Scope, names: Names) -> Frame | None:
    keywords = names.keywords(call, scope)
    table = keywords.get("columns") or (call.args[0] if len(call.args) == 1 else None)
    pairs: dict[str, str] = {}
    if called(call) == "withColumnRenamed" and len(call.args) == 2:
        old, new = (strings(arg, scope, names) for arg in call.args)
        pairs = dict(zip(old, new, strict=False))
    elif table is not None:
        for key, value in names.entries(table, scope).items():
            new_name = names.constant(value, scope)
            if isinstance(new_name, str):
                pairs[key] = new_name
    if known is None:
        return Frame(tuple(pairs.values())[:MAX_COLUMNS], call) if pairs else None
    return replace(known, columns=tuple(pairs.get(name, name) for name in known.columns))


def _joined(parts: Iterable[ast.AST], scope: Scope, names: Names, depth: int) -> Frame | None:
    found = []
    for part in parts:
        items = part.elts if isinstance(part, ast.List | ast.Tuple) else [part]
        found += [known for item in items[:20] if (known := frame(item, scope, names, depth - 1)) is not None]
    return found[0].also(name for known in found[1:] for name in known.columns) if found else None


def _made(node: ast.Call, scope: Scope, names: Names, depth: int) -> Frame | None:
    """Return the columns of a frame that is made or read here."""
    name = called(node)
    keywords = names.keywords(node, scope)
    if _READERS.match(name) or name in ("createDataFrame", "sql"):
        return _read(name, node, keywords, scope, names)
    if name not in _WRAPS and name not in ("train_test_split", "concat", "merge"):
        return None
    listed = (
        keywords.get("columns")
        or keywords.get("inputCols")
        or (keywords.get("schema") if name == "DataFrame" else None)
    )
    if listed is not None and (chosen := strings(listed, scope, names) or list(names.entries(listed, scope))):
        return Frame(tuple(chosen), node)
    given = (
        node.args[0]
        if node.args
        else next((keywords[k] for k in ("data", "dataframe", "df", "objs") if k in keywords), None)
    )
    if name in ("DataFrame", "from_dict", "convert_to_tensor", "from_tensor_slices") and given is not None:
        keys = _keys(given, scope, names)
        if keys:
            return Frame(keys, node)
    return _joined([given], scope, names, depth) if given is not None else None


def _keys(given: ast.AST, scope: Scope, names: Names) -> tuple[str, ...]:
    """Return the columns of a table that is written as a dictionary, a list of dictionaries, or a comprehension of them."""
    if isinstance(given, ast.List) and given.elts and isinstance(given.elts[0], ast.Dict):
        given = given.elts[0]
    elif isinstance(given, ast.ListComp):
        given = given.elt
    if isinstance(given, ast.List | ast.ListComp | ast.Tuple):
        return ()
    return tuple(key for key, value in names.entries(given, scope).items() if not cleans(value))


def _read(name: str, node: ast.Call, keywords: dict[str, ast.expr], scope: Scope, names: Names) -> Frame | None:
    for key in ("usecols", "names", "columns", "schema"):
        if key in keywords and (chosen := strings(keywords[key], scope, names)):
            return Frame(tuple(chosen), node)
    if name == "createDataFrame" and len(node.args) > 1 and (chosen := strings(node.args[1], scope, names)):
        return Frame(tuple(chosen), node)
    if name == "createDataFrame" and node.args:
        return Frame(keys, node) if (keys := _keys(node.args[0], scope, names)) else None
    text = names.constant(node.args[0], scope) if node.args and "sql" in name else None
    match = _SELECT.match(text) if isinstance(text, str) else None
    if match is None or "*" in match.group(1) or "(" in match.group(1):
        return None
    listed = [
        re.split(r"(?i)\s+as\s+|\s+", part.strip())[-1].rsplit(".", 1)[-1].strip('`"[]')
        for part in match.group(1).split(",")
    ]
    return Frame(tuple(listed[:MAX_COLUMNS]), node)


# Lists of names


def strings(node: ast.AST | None, scope: Scope, names: Names, depth: int = 6) -> list[str]:
    """Return the strings of a list expression: also of sums, differences, filters, and of names for such."""
    if node is None or depth <= 0:
        return []
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return [
            text
            for item in node.elts[:MAX_COLUMNS]
            for text in strings(item.value if isinstance(item, ast.Starred) else item, scope, names, depth - 1)
        ]
    if isinstance(node, ast.BinOp):
        left = strings(node.left, scope, names, depth - 1)
        right = strings(node.right, scope, names, depth - 1)
        if isinstance(node.op, ast.Sub):
            return [name for name in left if name not in right]
        return left + right if isinstance(node.op, ast.Add | ast.BitOr) else []
    if isinstance(node, ast.Name):
        return _listed(node, scope, names, depth)
    if isinstance(node, ast.Call):
        return _called(node, scope, names, depth)
    if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp) and len(node.generators) == 1:
        return _filtered(node, scope, names, depth)
    if isinstance(node, ast.Attribute):
        return _member(node, scope, names, depth)
    if isinstance(node, ast.Subscript):
        key = names.constant(node.slice, scope)
        held = names.entries(node.value, scope).get(key) if isinstance(key, str) else None
        return strings(held, scope, names, depth - 1)
    if isinstance(node, ast.JoinedStr):
        text = names.constant(node, scope)
        return [text] if isinstance(text, str) else []
    return []


def _listed(node: ast.Name, scope: Scope, names: Names, depth: int) -> list[str]:
    found = _before(node.id, scope, names, node)
    if found is None:
        return []
    value, holder = found
    listed = strings(value, holder, names, depth - 1)
    for grown in holder.grown.get(node.id, ()):
        listed = listed + strings(grown, holder, names, depth - 1)
    if listed:
        for call in names.tree.calls_by_name.get("remove", ())[:MAX_CHANGES]:
            if getattr(getattr(call.func, "value", None), "id", "") == node.id and call.args:
                gone = strings(call.args[0], holder, names, 2)
                listed = [name for name in listed if name not in gone]
    return listed


def _called(node: ast.Call, scope: Scope, names: Names, depth: int) -> list[str]:
    name = called(node)
    if name in ("list", "sorted", "set", "tuple", "frozenset", "Index", "array", "col", "reversed") and node.args:
        return strings(node.args[0], scope, names, depth - 1)
    if not isinstance(node.func, ast.Attribute):
        return []
    owner = strings(node.func.value, scope, names, depth - 1)
    given = [text for argument in node.args for text in strings(argument, scope, names, depth - 1)]
    if name in ("union", "append"):
        return owner + given
    if name in ("difference", "drop"):
        return [text for text in owner if text not in given]
    if name == "split" and isinstance(text := names.constant(node.func.value, scope), str):
        return text.split(given[0] if given else None)
    return owner if name in ("copy", "tolist", "keys") else []


def _filtered(node: Any, scope: Scope, names: Names, depth: int) -> list[str]:
    generator = node.generators[0]
    listed = strings(generator.iter, scope, names, depth - 1)
    if not (
        isinstance(node.elt, ast.Name) and isinstance(generator.target, ast.Name) and node.elt.id == generator.target.id
    ):
        return []
    for test in generator.ifs:
        if not (isinstance(test, ast.Compare) and len(test.ops) == 1):
            return []
        operand = strings(test.comparators[0], scope, names, depth - 1)
        if isinstance(test.ops[0], ast.NotIn | ast.NotEq):
            listed = [name for name in listed if name not in operand]
        elif isinstance(test.ops[0], ast.In | ast.Eq):
            listed = [name for name in listed if name in operand]
    return listed


def _member(node: ast.Attribute, scope: Scope, names: Names, depth: int) -> list[str]:
    if not isinstance(node.value, ast.Name):
        return []
    if node.value.id in ("self", "cls"):
        holder = scope.around_class()
    else:
        single = names.single(node.value.id, scope)
        made = single[0] if single else None
        if single and isinstance(made, ast.Call) and isinstance(made.func, ast.Name):
            single = names.single(made.func.id, single[1])
            made = single[0] if single else None
        holder = names.tree.inner(made) if isinstance(made, ast.ClassDef) else None
    if holder is None:
        return []
    values = holder.attributes.get(node.attr) or holder.values.get(node.attr) or []
    value = values[-1] if values else None
    return strings(value, names.tree.scope(value), names, depth - 1) if value is not None else []
