"""Says which personal data the text of an expression would show."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakKeyDictionary

from mlguard.scanners.code import lexicon
from mlguard.scanners.code.harmless import flag, harmless, says_otherwise
from mlguard.scanners.code.hiding import called, fakes, is_clean, owner_of, writes
from mlguard.scanners.code.lexicon import Term
from mlguard.scanners.code.names import BUILTINS, Names, Unknown
from mlguard.scanners.code.objects import class_of, fields
from mlguard.scanners.code.owners import clear, term_of
from mlguard.scanners.code.tree import FUNCTIONS, Function, Scope

MAX_DEPTH = 8
"""Steps into an expression and from name to name."""

MAX_VALUES = 12
"""Assignments to one name, and calls of one function, that are looked at."""

CALLER = Term("network-address", "a person's network address", "ordinary", direct=True, network=True)
RECORD = Term("personal-record", "a person's record", "ordinary", direct=True)

_SAME = frozenset(
    "lower upper strip lstrip rstrip title capitalize casefold encode decode replace format ljust rjust center join split "  # noqa: SIM905
    "to_string tolist to_list to_dict iloc loc at iat head tail sample values item items get dropna copy astype unique "
    "to_markdown to_html to_json sort_values drop_duplicates data collect toPandas show text str first cleaned_data "
    "rsplit splitlines partition removeprefix removesuffix swapcase isoformat strftime getvalue hex".split()
)
"""Methods and attributes whose result still holds the value."""

_BUILDS = frozenset({"str", "repr", "format", "ascii", "list", "tuple", "set", "dict", "sorted", "reversed", "iter", "next", "enumerate", "zip",
                     "filter", "frozenset", "max", "min", "dumps", "pformat", "indent", "dedent", "shorten", "fill", "cast", "deepcopy", "chain",
                     "Series", "array", "asarray", "Text", "escape", "quote", "quote_plus", "urlencode", "bytes"})  # fmt: skip
"""Functions whose result shows what they are given."""

_CARRIERS = ("Message", "Prompt", "Part", "Content", "Text", "Document", "Block", "Event", "Exception", "Error")
"""Ends of names of classes whose objects are passed on whole."""

_ASKS = frozenset({"get", "fetch", "load", "read", "lookup", "find", "retrieve", "extract", "resolve", "query", "decrypt", "select", "input", "ask",
                   "holen", "hole", "lese", "obtenir", "lire", "obtener", "leer", "ottieni", "leggi", "haal", "lees", "obter", "pobierz"})  # fmt: skip
_DUMPS = frozenset({"asdict", "vars", "model_dump", "model_dump_json", "dict", "to_dict", "json", "as_dict", "astuple", "serialize", "to_json", "model_to_dict"})  # fmt: skip

Handler = Callable[[Any, Scope, Names, int], Term | None]
_known: WeakKeyDictionary[Names, dict[tuple[int, str], Term | None]] = WeakKeyDictionary()


def personal(node: ast.AST | None, scope: Scope, names: Names, depth: int = MAX_DEPTH) -> Term | None:
    """Return the kind of personal data that the text of an expression would show, if any."""
    handler = _BY_KIND.get(node.__class__)
    return handler(node, scope, names, depth) if handler is not None and depth > 0 else None


def first(nodes: Iterable[ast.AST | None], scope: Scope, names: Names, depth: int = MAX_DEPTH) -> Term | None:
    """Return what the first of these expressions shows."""
    for node in nodes:
        if node.__class__ is not ast.Constant and (found := personal(node, scope, names, depth - 1)) is not None:
            return found
    return None


# Names


def _named(node: ast.Name, scope: Scope, names: Names, depth: int) -> Term | None:
    name = node.id
    if name.isupper():
        return None  # a constant's name
    holder = names.holder(name, scope)
    if holder is None:
        return None if name in BUILTINS else clear(lexicon.term(name), names)
    memo = _known.setdefault(names, {})
    key = (id(holder), name)
    if key in memo:
        return memo[key]
    memo[key] = None  # while it is looked for: a name may be made from itself
    found = _bound(name, holder, names, depth)
    if found is not None or depth > MAX_DEPTH // 2:
        memo[key] = found
    else:
        del memo[key]
    return found


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _bound(name: str, holder: Scope, names: Names, depth: int) -> Term | None:
    if name in holder.imports:
        return None
    values = holder.values.get(name, [])
    known = [value for value in values if value is not None]
    if any(isinstance(value, _DEFINITIONS) for value in known):
        return None
    found = clear(lexicon.term(name), names)
    if found is not None:
        if name in holder.parameters:
            return None if flag(name, holder) else found
        if known and len(known) == len(values) and all(harmless(value, names, holder) for value in known):
            return None  # a literal, a count, a masked value
        return found
    if says_otherwise(name):
        return None
    for value in known[:MAX_VALUES]:
        if (found := personal(value, holder, names, depth - 1)) is not None:
            return found
    for part in holder.parts.get(name, ())[:MAX_VALUES]:
        if (found := _element(name, part, holder, names, depth - 1)) is not None:
            return found
    for value in holder.grown.get(name, ())[:MAX_VALUES]:
        if (found := personal(value, holder, names, depth - 1)) is not None:
            return found
    for key, value in list(holder.entries.get(name, {}).items())[:200]:
        if (found := _entry(key, value, name, holder, names, depth - 1)) is not None:
            return found
    if name in holder.parameters and depth > MAX_DEPTH // 2:
        return _from_callers(name, holder, names) or _record(ast.Name(name, ast.Load()), holder, names)
    return _record(ast.Name(name, ast.Load()), holder, names)


def _element(name: str, part: ast.expr, scope: Scope, names: Names, depth: int) -> Term | None:
    """Return what the variable of a loop or a part of an unpacked value shows. ``part`` is what it comes from."""
    around: Any = names.tree.parent(part)
    target = getattr(around, "target", None)
    if target is None:
        return personal(part, scope, names, depth)
    return _at(name, target, part, scope, names, depth)


def _at(name: str, target: ast.AST, part: ast.AST, scope: Scope, names: Names, depth: int) -> Term | None:
    if isinstance(target, ast.Name):
        return personal(part, scope, names, depth)
    if not isinstance(target, ast.Tuple | ast.List) or depth <= 0:
        return None
    index = next(
        (i for i, item in enumerate(target.elts) if any(getattr(n, "id", "") == name for n in ast.walk(item))), -1
    )
    if not isinstance(part, ast.Call) or index < 0:
        return None
    inner, method = target.elts[index], called(part)
    if method == "enumerate" and part.args:
        return _at(name, inner, part.args[0], scope, names, depth - 1) if index == 1 else None
    if method == "zip" and index < len(part.args):
        return _at(name, inner, part.args[index], scope, names, depth - 1)
    if method in ("items", "iterrows", "iteritems") and isinstance(part.func, ast.Attribute) and index == 1:
        return personal(part.func.value, scope, names, depth - 1)
    return None


def _from_callers(name: str, holder: Scope, names: Names) -> Term | None:
    """Return what the calls of a function in this file give for one of its parameters."""
    function = holder.node
    if not isinstance(function, FUNCTIONS):
        return None
    position = list(holder.parameters).index(name)
    for call in names.tree.calls_by_name.get(function.name, ())[:MAX_VALUES]:
        scope = names.tree.scope(call)
        if names.function(call.func, scope) is not function:
            continue
        shift = 1 if isinstance(call.func, ast.Attribute) else 0  # self
        at = position - shift
        given = next((keyword.value for keyword in call.keywords if keyword.arg == name), None)
        given = given or (call.args[at] if 0 <= at < len(call.args) else None)
        if given is not None and (found := personal(given, scope, names, MAX_DEPTH // 2)) is not None:
            return found
    return None


# Attributes and items


def _attribute(node: ast.Attribute, scope: Scope, names: Names, depth: int) -> Term | None:
    attr, value = node.attr, node.value
    if attr == "host" and isinstance(value, ast.Attribute) and value.attr == "client":
        return CALLER if owner_of(value.value, names) in ("request", "req", "websocket") else None
    if attr == "__dict__":
        return _dumped(value, scope, names)
    if attr.isupper() or attr.startswith("__"):
        return None
    if isinstance(value, ast.Name) and value.id in ("self", "cls"):
        return _own(attr, scope, names, depth)
    found = term_of(attr, value, scope, names)
    if found is None:
        return personal(value, scope, names, depth - 1) if attr in _SAME else None
    if (
        isinstance(value, ast.Name)
        and (holder := names.holder(value.id, scope)) is not None
        and value.id in holder.imports
    ):
        named = holder.imports[value.id].rsplit(".", 1)[-1]
        return (
            found if lexicon.is_person(named) or named in ("request", "session") else None
        )  # an attribute of a module
    return found


def _own(attr: str, scope: Scope, names: Names, depth: int) -> Term | None:
    """Return what an attribute of ``self`` shows: by its name, or by what the class assigns to it."""
    holder = scope.around_class()
    if holder is None:
        return lexicon.term(attr)
    kind = holder.node.name if isinstance(holder.node, ast.ClassDef) else ""
    found = lexicon.term(attr, kind)
    found = found if lexicon.is_person(kind) else clear(found, names)
    values = [value for value in holder.attributes.get(attr, ()) if value is not None]
    if found is not None:
        harmless = bool(values) and all(harmless(value, names, names.tree.scope(value)) for value in values)
        return None if harmless or attr in holder.values and isinstance(holder.values[attr][0], FUNCTIONS) else found
    if depth < 3 or says_otherwise(attr):
        return None
    return next(
        (shown for value in values[:4] if (shown := personal(value, names.tree.scope(value), names, depth - 2))), None
    )


def _item(node: ast.Subscript, scope: Scope, names: Names, depth: int) -> Term | None:
    part = node.slice
    if isinstance(part, ast.Slice):
        words = lexicon.words(owner_of(node.value, names))
        many = (
            bool(words) and words[-1].endswith("s") and len(words[-1]) > 3 and lexicon.term(words[-1][:-1]) is not None
        )
        return personal(node.value, scope, names, depth - 1) if many else None  # a part of a text is cut on purpose
    if isinstance(part, ast.Tuple):
        return next((found for item in part.elts if (found := _key(item, node.value, scope, names)) is not None), None)
    if isinstance(part, ast.List):
        listed = lexicon.columns(
            [item.value for item in part.elts if isinstance(item, ast.Constant) and isinstance(item.value, str)]
        )
        return listed[0][1] if listed else None
    key = names.constant(part, scope)
    if isinstance(key, str):
        return term_of(key, node.value, scope, names) or _held(key, node.value, scope, names, depth)
    if not isinstance(key, int | Unknown):
        return None
    return personal(node.value, scope, names, depth - 1) or _looped(part, node.value, scope, names)


def _looped(key: ast.AST, owner: ast.AST, scope: Scope, names: Names) -> Term | None:
    """Return what ``row[column]`` is in a loop over names of columns."""
    holder = names.holder(key.id, scope) if isinstance(key, ast.Name) else None
    for part in holder.parts.get(key.id, ())[:2] if holder is not None and isinstance(key, ast.Name) else ():
        if (
            isinstance(part, ast.Name)
            and (single := names.single(part.id, holder or scope)) is not None
            and isinstance(single[0], ast.expr)
        ):
            part = single[0]
        for item in part.elts[:50] if isinstance(part, ast.List | ast.Tuple) else ():
            if (found := _key(item, owner, scope, names)) is not None:
                return found
    return None


def _key(item: ast.AST, owner: ast.AST, scope: Scope, names: Names) -> Term | None:
    value = names.constant(item, scope)
    if isinstance(value, str):
        return term_of(value, owner, scope, names)
    if isinstance(item, ast.List | ast.Tuple):
        found = lexicon.columns(
            [i.value for i in item.elts if isinstance(i, ast.Constant) and isinstance(i.value, str)]
        )
        return found[0][1] if found else None
    return None


def _held(key: str, table: ast.AST, scope: Scope, names: Names, depth: int) -> Term | None:
    """Return what a dictionary of this file holds under a key."""
    if not isinstance(table, ast.Name) or depth < 3:
        return None
    value = names.entries(table, scope).get(key)
    return personal(value, scope, names, depth - 2) if value is not None else None


# Calls


def _result(node: ast.Call, scope: Scope, names: Names, depth: int) -> Term | None:
    function, name = node.func, called(node)
    if name in ("vars", "asdict", "astuple", "model_to_dict") and node.args:
        return _dumped(node.args[0], scope, names)
    method = isinstance(function, ast.Attribute)
    if (
        name in _DUMPS
        and isinstance(function, ast.Attribute)
        and not {"include", "exclude", "only"} & {k.arg for k in node.keywords}
    ):
        found = _dumped(function.value, scope, names)
        if found is not None:
            return found
    if is_clean(name) and name not in ("hex", "index", "find", "filter", "cleaned_data"):
        return None
    if isinstance(function, ast.Attribute):
        if (
            name
            in (
                "get",
                "pop",
                "getlist",
                "get_value",
                "getvalue",
                "getattr",
                "value",
                "field",
                "col",
                "setdefault",
                "hget",
            )
            and node.args
        ):
            key = names.constant(node.args[0], scope)
            if isinstance(key, str):
                return None if fakes(node, names) else term_of(key, function.value, scope, names)
        if name in ("format", "join", "format_map", "substitute", "safe_substitute"):
            return first([*node.args, *(keyword.value for keyword in node.keywords)], scope, names, depth)
        if name in _SAME:
            return personal(function.value, scope, names, depth - 1)
    elif name == "getattr" and len(node.args) > 1:
        key = names.constant(node.args[1], scope)
        return term_of(key, node.args[0], scope, names) if isinstance(key, str) else None
    if name in _BUILDS or (name[:1].isupper() and name.endswith(_CARRIERS)):
        return first([*node.args, *(keyword.value for keyword in node.keywords)], scope, names, depth)
    if name == "map" and len(node.args) == 2:
        return (
            None
            if is_clean(getattr(node.args[0], "id", getattr(node.args[0], "attr", "")))
            else first(node.args[1:], scope, names, depth)
        )
    known = names.function(function, scope)
    if known is not None:
        return _returned(known, names, depth)
    if writes(name):
        return first([*node.args, *(keyword.value for keyword in node.keywords)], scope, names, depth)
    return None if fakes(node, names) else _asked(name, node, scope, names, method)


def _asked(name: str, node: ast.Call, scope: Scope, names: Names, method: bool) -> Term | None:
    """Return what a call is named after: get_email(user), user.get_full_name(), user.email()."""
    parts = lexicon.words(name)
    if len(parts) > 1 and parts[0] in _ASKS:
        owner = node.func.value if isinstance(node.func, ast.Attribute) else (node.args[0] if node.args else node.func)
        return term_of("_".join(parts[1:]), owner, scope, names)
    if method and not node.args and not node.keywords and isinstance(node.func, ast.Attribute):
        return term_of(name, node.func.value, scope, names)
    return None


def _returned(function: Function, names: Names, depth: int) -> Term | None:
    """Return what a function of this file gives back."""
    if depth <= MAX_DEPTH // 2:
        return None
    inner = names.tree.inner(function)
    return next(
        (
            found
            for value in names.returned(function)[:MAX_VALUES]
            if (found := personal(value, inner, names, MAX_DEPTH // 2))
        ),
        None,
    )


# Objects that are shown whole


def _dumped(node: ast.AST, scope: Scope, names: Names) -> Term | None:
    """Return what the fields of an object show: ``vars(user)``, ``user.model_dump()``."""
    found = class_of(node, scope, names)
    if found is not None:
        return fields(found, dumped=True)
    owner = owner_of(node, names)
    return (
        RECORD
        if lexicon.is_person(owner) and not lexicon.denied(owner) and len(lexicon.words(owner)) <= 2 and _single(owner)
        else None
    )


def _single(name: str) -> bool:
    return lexicon.is_person(lexicon.words(name)[-1])


def _record(node: ast.AST, scope: Scope, names: Names) -> Term | None:
    """Return what the text form of an object shows, when this file has its class."""
    kind = class_of(node, scope, names)
    if kind is None:
        return None
    texts = [item for item in kind.body if isinstance(item, ast.FunctionDef) and item.name in ("__repr__", "__str__")]
    if texts:
        scope = names.tree.inner(texts[-1])
        return first(names.returned(texts[-1])[:MAX_VALUES], scope, names, MAX_DEPTH // 2)
    return fields(kind)


# The rest


def _dictionary(node: ast.Dict, scope: Scope, names: Names, depth: int) -> Term | None:
    for key, value in list(zip(node.keys, node.values, strict=True))[:500]:
        text = key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else ""
        if (found := _entry(text, value, "", scope, names, depth - 1)) is not None:
            return found
    return None


def _entry(key: str, value: ast.AST, owner: str, scope: Scope, names: Names, depth: int) -> Term | None:
    """Return what an entry of a dictionary shows, by its key or its value."""
    if isinstance(value, ast.Constant):
        return None
    if (found := personal(value, scope, names, depth)) is not None:
        return found
    named = lexicon.term(key, owner) if key else None
    if named is None or not isinstance(value, ast.Name | ast.Attribute | ast.Subscript | ast.JoinedStr | ast.Await):
        return None
    written = names.written(value)
    if (
        lexicon.is_holder(written)
        or harmless(value, names, scope)
        or is_clean(written)
        or any(map(lexicon.denied, written.split(".")))
    ):
        return None
    if isinstance(value, ast.Name):
        holder = names.holder(value.id, scope)
        if holder is None or value.id in holder.imports:
            return None if holder is not None else named
        values = holder.values.get(value.id, [])
        if values and all(
            v is not None and (harmless(v, names, holder) or isinstance(v, (ast.Call, *_DEFINITIONS))) for v in values
        ):
            return None
        return None if flag(value.id, holder) else named
    return None if isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Slice) else named


def _inner(node: Any, scope: Scope, names: Names, depth: int) -> Term | None:
    return personal(node.value, scope, names, depth - 1)


def _joined(node: ast.JoinedStr, scope: Scope, names: Names, depth: int) -> Term | None:
    return first(node.values, scope, names, depth)


def _operation(node: ast.BinOp, scope: Scope, names: Names, depth: int) -> Term | None:
    while isinstance(node.left, ast.BinOp):  # a long sum leans to the left
        if (found := first((node.right,), scope, names, depth)) is not None and isinstance(node.op, ast.Add | ast.Mod):
            return found
        node = node.left
    if isinstance(node.op, ast.Add | ast.Mod | ast.BitOr):
        return first((node.left, node.right), scope, names, depth)
    return None


def _elements(node: Any, scope: Scope, names: Names, depth: int) -> Term | None:
    return first(node.elts[:200], scope, names, depth)


def _choice(node: ast.IfExp, scope: Scope, names: Names, depth: int) -> Term | None:
    return first((node.body, node.orelse), scope, names, depth)


def _values(node: ast.BoolOp, scope: Scope, names: Names, depth: int) -> Term | None:
    return first(node.values, scope, names, depth)


def _comprehension(node: Any, scope: Scope, names: Names, depth: int) -> Term | None:
    return personal(node.elt, scope, names, depth - 1)


def _dict_comprehension(node: ast.DictComp, scope: Scope, names: Names, depth: int) -> Term | None:
    return first((node.key, node.value), scope, names, depth)


_BY_KIND: dict[type, Handler] = {
    ast.Name: _named, ast.Attribute: _attribute, ast.Subscript: _item, ast.Call: _result, ast.FormattedValue: _inner, ast.Await: _inner,
    ast.Starred: _inner, ast.NamedExpr: _inner, ast.JoinedStr: _joined, ast.BinOp: _operation, ast.Tuple: _elements, ast.List: _elements,
    ast.Set: _elements, ast.Dict: _dictionary, ast.IfExp: _choice, ast.BoolOp: _values, ast.ListComp: _comprehension,
    ast.GeneratorExp: _comprehension, ast.SetComp: _comprehension, ast.DictComp: _dict_comprehension,
}  # fmt: skip
