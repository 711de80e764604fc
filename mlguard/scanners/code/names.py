"""Says what a name or an expression stands for: a dotted path, a constant, or not known."""

from __future__ import annotations

import ast
import builtins
from typing import Final

from mlguard.scanners.code.exports import Exports, Looked
from mlguard.scanners.code.tree import FUNCTIONS, Function, Scope, Tree, inside

MAX_DEPTH = 12
"""Steps from name to name and into an expression."""

MAX_VALUES = 20
"""Assignments to one name that are looked at."""

BUILTINS = frozenset(dir(builtins))
_STARS: dict[str, frozenset[str]] = {
    module: frozenset(names.split())
    for module, names in {
        "pickle": "load loads dump dumps Unpickler Pickler",
        "dill": "load loads dump dumps Unpickler load_session load_module",
        "cloudpickle": "load loads dump dumps",
        "shelve": "DbfilenameShelf Shelf",
        "marshal": "load loads",
        "yaml": "load load_all safe_load unsafe_load full_load Loader SafeLoader",
        "torch": "load save hub jit nn optim utils distributed tensor",
        "torch.hub": "load download_url_to_file load_state_dict_from_url",
        "torch.jit": "load save script",
        "joblib": "load dump Parallel delayed Memory",
        "numpy": "load save loadtxt genfromtxt random array",
        "pandas": "read_pickle read_csv read_parquet read_sql read_html DataFrame eval",
        "transformers": "AutoModel AutoTokenizer AutoModelForCausalLM AutoModelForSequenceClassification AutoConfig AutoProcessor pipeline",
        "datasets": "load_dataset load_from_disk load_dataset_builder",
        "huggingface_hub": "hf_hub_download snapshot_download login InferenceClient HfApi",
        "keras.models": "load_model model_from_json",
        "tensorflow.keras.models": "load_model model_from_json",
        "keras.layers": "Lambda Dense",
        "tensorflow.keras.layers": "Lambda Dense",
        "os": "system popen environ getenv chmod path execv spawnl",
        "subprocess": "run Popen call check_call check_output getoutput getstatusoutput",
        "hashlib": "md5 sha1 sha256 sha512 new",
        "ssl": "_create_unverified_context create_default_context CERT_NONE wrap_socket",
        "random": "random randint choice choices getrandbits sample",
        "ctypes": "CDLL cdll",
        "requests": "get post put delete patch request Session",
        "flask": "Flask request Blueprint render_template_string Markup jsonify",
        "fastapi": "FastAPI APIRouter Request Depends WebSocket",
        "gradio": "Interface Blocks ChatInterface",
        "Crypto.Cipher": "AES DES DES3 ARC4 Blowfish",
        "mlflow": "log_param log_params log_metric log_artifact set_tag set_tracking_uri pyfunc",
        "fastai.vision.all": "load_learner",
        "fastai.text.all": "load_learner",
        "fastai.tabular.all": "load_learner",
        "fastai.basics": "load_learner",
    }.items()
}
"""Names that a star import of a module brings, for files with several of them."""


class Unknown:
    """The value of an expression that cannot be told from the code."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()
Constant = str | bytes | int | float | complex | bool | None | Unknown


class Names:
    """Answers questions on names of one tree."""

    def __init__(self, tree: Tree, exports: Exports | None = None, path: str = "") -> None:
        self.tree = tree
        self.used: set[int] = set()  # ids of dictionary displays that were read as a call's keywords
        self.exports, self.file = exports, path
        self.looked = Looked()
        self._imported: dict[str, str] = {}
        self.taint: object = None  # the analysis of mlguard.scanners.code.taint, once somebody asked
        self._known: dict[tuple[int, str], str] = {}
        self._paths: dict[tuple[int, str], str] = {}  # of names, by the scope that asks
        self._members: dict[tuple[int, str], str] = {}  # of attributes of ``self``, by the scope of the class
        self._constants: dict[
            tuple[int, str, int], Constant
        ] = {}  # of names, by the scope that asks and the steps left
        self._returns: dict[int, list[ast.expr]] = {}
        self._entered: list[Function] = []  # functions whose result is being looked for
        self._stars = {name: module for module in tree.stars for name in _STARS.get(module, ())}
        self._lone_star = tree.stars[0] if len(set(tree.stars)) == 1 else ""

    def path(self, node: ast.AST | None, scope: Scope, depth: int = MAX_DEPTH) -> str:
        """Return the dotted path that an expression stands for, "" when it is not known.

        The result of a call is written with parentheses: ``gradio.Blocks().launch`` is a method of what the call of
        ``gradio.Blocks`` gave. A name that is bound nowhere is a builtin.
        """
        if isinstance(node, ast.Name):
            return self._name(node.id, scope, depth)
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            if isinstance(node.value, ast.Name) and node.value.id == "self":
                found = self._attribute(node.attr, scope, depth)
                return ".".join([found, *reversed(parts[:-1])]) if found else ""
            node = node.value
        if isinstance(node, ast.Await):
            node = node.value
        if isinstance(node, ast.Name):
            base = self._name(node.id, scope, depth)
        elif isinstance(node, ast.Call) and depth > 0 and (reached := self._reached(node, scope, depth - 1)):
            base = reached
        elif isinstance(node, ast.Subscript) and depth > 0:
            base = self.path(self._entry(node, scope, depth - 1), scope, depth - 1)
        elif isinstance(node, ast.Call) and depth > 0:
            base = self.path(node.func, scope, depth - 1)
            base = f"{base}()" if base else self._returned(node.func, scope, depth - 1)
        else:
            base = ""
        if not base or not parts:
            return base
        whole = ".".join([base, *reversed(parts)])
        return whole if self.exports is None or "()" in base else self.imported(whole)

    def _reached(self, call: ast.Call, scope: Scope, depth: int) -> str:
        """Return the module of ``import_module("x")`` and the attribute of ``getattr(x, "y")``."""
        if not call.args or not isinstance(call.func, ast.Name | ast.Attribute):
            return ""
        written = call.func.id if isinstance(call.func, ast.Name) else call.func.attr
        if written not in ("__import__", "import_module", "getattr"):
            return ""
        path = self.path(call.func, scope, depth)
        text = self.constant(call.args[-1 if path == "getattr" else 0], scope, depth)
        if not isinstance(text, str) or not all(part.isidentifier() for part in text.split(".")):
            return ""
        if path == "getattr" and len(call.args) == 2:
            owner = self.path(call.args[0], scope, depth)
            return f"{owner}.{text}" if owner else ""
        if path == "__import__":
            return text.split(".")[0]
        return text if path == "importlib.import_module" else ""

    def _entry(self, node: ast.Subscript, scope: Scope, depth: int) -> ast.AST | None:
        """Return what a table of functions holds under a constant key."""
        table: ast.AST = node.value
        if isinstance(table, ast.Name):
            single = self.single(table.id, scope)
            table = single[0] if single else table
        if not isinstance(table, ast.Dict):
            return None
        wanted = self.constant(node.slice, scope, depth)
        pairs = zip(table.keys, table.values, strict=True)
        held = [value for key, value in pairs if isinstance(key, ast.Constant) and key.value == wanted]
        return held[0] if len(held) == 1 and isinstance(held[0], ast.Name | ast.Attribute) else None

    def _name(self, name: str, scope: Scope, depth: int) -> str:
        if depth < MAX_DEPTH:
            return self._looked_up(name, scope, depth)  # on the way to another name, of which this may be a part
        key = (id(scope), name)
        known = self._paths.get(key)
        if known is None:
            known = self._paths[key] = self._looked_up(name, scope, depth)
        return known

    def _looked_up(self, name: str, scope: Scope, depth: int) -> str:
        holder = self.holder(name, scope)
        if holder is None:
            if name in self._stars:
                return f"{self._stars[name]}.{name}"
            if self._lone_star and name not in BUILTINS:
                return f"{self._lone_star}.{name}"
            return name if name in BUILTINS else ""
        if name in holder.imports and name not in holder.values:
            return self.imported(holder.imports[name])
        key = (id(holder), name)
        if key not in self._known:
            self._known[key] = ""  # while it is looked for: a name may be made from itself
            self._known[key] = self._bound(name, holder, depth)
        return self._known[key]

    def _bound(self, name: str, holder: Scope, depth: int) -> str:
        values = holder.values.get(name, [])
        if len(values) > MAX_VALUES:
            return ""
        if (
            name in holder.annotations
            and depth > 0
            and (found := self._annotated(holder.annotations[name], holder, depth))
        ):
            return found
        if depth > 0 and values:
            if name in holder.imports and all(isinstance(v, ast.Constant) and v.value is None for v in values):
                return self.imported(holder.imports[name])  # except ImportError: name = None
            paths = {self._value(value, holder, depth - 1) for value in values}
            if len(paths) == 1:
                return paths.pop()
            paths.discard("")
            return paths.pop() if len(paths) == 1 else ""
        if name in holder.parameters:
            argument, default = holder.parameters[name]
            if isinstance(default, ast.Attribute) and argument.annotation is None and depth > 0:
                return self.path(default, holder.parent or holder, depth - 1)  # def read(path, load=torch.load)
            return self._annotated(argument.annotation, holder, depth)
        return ""

    def function(self, node: ast.expr, scope: Scope) -> Function | None:
        """Return the function of this file that an expression calls: by its name, or as a method of the class around."""
        if isinstance(node, ast.Name):
            single = self.single(node.id, scope)
            return single[0] if single and isinstance(single[0], FUNCTIONS) else None
        if not (
            isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        ):
            return None
        holder = scope.around_class()
        values = holder.values.get(node.attr, []) if holder else []
        return values[0] if len(values) == 1 and isinstance(values[0], FUNCTIONS) else None

    def returned(self, function: Function) -> list[ast.expr]:
        """Return the expressions that a function of this file returns or yields."""
        known = self._returns.get(id(function))
        if known is None:
            known = self._returns[id(function)] = []
            for node in inside(function.body):
                if isinstance(node, ast.Return) and node.value is not None:
                    known.append(node.value)
                elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield | ast.YieldFrom):
                    known += [node.value.value] if node.value.value is not None else []
        return known

    def _returned(self, node: ast.expr, scope: Scope, depth: int) -> str:
        """Return the path of what a function of this file returns."""
        function = self.function(node, scope) if depth > 0 else None
        if function is None or function in self._entered:
            return ""
        self._entered.append(function)
        try:
            inner = self.tree.inner(function)
            found = {self._value(value, inner, min(depth, 4)) for value in self.returned(function)[:MAX_VALUES]} - {""}
            if not found and function.returns is not None:
                return self._annotated(function.returns, inner, depth)
            return found.pop() if len(found) == 1 else ""
        finally:
            self._entered.pop()

    def _value(self, value: ast.AST | None, scope: Scope, depth: int) -> str:
        if isinstance(value, ast.Name | ast.Attribute | ast.Call | ast.Await | ast.Subscript):
            return self.path(value, scope, depth)
        return ""

    def _annotated(self, annotation: ast.expr | None, scope: Scope, depth: int) -> str:
        if isinstance(annotation, ast.BinOp):  # X | None
            none = isinstance(annotation.right, ast.Constant) and annotation.right.value is None
            annotation = annotation.left if none else annotation.right
        elif isinstance(annotation, ast.Subscript) and getattr(annotation.value, "id", "") in ("Optional", "Annotated"):
            inside_it = annotation.slice
            annotation = inside_it.elts[0] if isinstance(inside_it, ast.Tuple) and inside_it.elts else inside_it
        if isinstance(annotation, ast.Name | ast.Attribute) and depth > 0:
            found = self.path(annotation, scope.parent or scope, depth - 1)
            return f"{found}()" if found and found not in BUILTINS else ""
        return ""

    def _attribute(self, name: str, scope: Scope, depth: int) -> str:
        holder = scope.around_class()
        if holder is None or depth <= 0:
            return ""
        key = (id(holder), name)
        known = self._members.get(key)
        if known is not None:
            return known
        self._members[key] = ""  # while it is looked for
        self._members[key] = known = self._member_path(name, holder, depth)
        return known

    def _member_path(self, name: str, holder: Scope, depth: int) -> str:
        values = [value for value in holder.attributes.get(name, ()) if value is not None]
        found = {self._value(value, self.tree.scope(value), depth - 1) for value in values[:MAX_VALUES]} - {""}
        if not found and (name in holder.annotations or name in holder.values):
            found = {self._bound(name, holder, depth - 1)} - {""}
        return found.pop() if len(found) == 1 else ""

    def imported(self, dotted: str) -> str:
        """Return what an imported path stands for, also behind a file of the tree that imports it itself."""
        if self.exports is None:
            return dotted
        known = self._imported.get(dotted)
        if known is None:
            known = self._imported[dotted] = self.exports.path(dotted, self.file, self.looked)
        return known

    def holder(self, name: str, scope: Scope) -> Scope | None:
        """Return the scope that binds a name as seen from ``scope``."""
        current: Scope | None = scope
        if scope.parent is not None:
            if name not in self.tree.bound:
                return None
            if self.tree.is_of_root(name):
                return self.tree.root
        while current is not None:
            if current.binds(name) and (current is scope or current.node.__class__ is not ast.ClassDef):
                return current
            current = current.parent
        return None

    def constant(self, node: ast.AST | None, scope: Scope, depth: int = MAX_DEPTH) -> Constant:
        """Return the value of an expression of literals and names that are bound once, else UNKNOWN."""
        if isinstance(node, ast.Constant):
            return UNKNOWN if node.value is ... else node.value
        if depth <= 0:
            return UNKNOWN
        if isinstance(node, ast.Name):
            key = (
                id(scope),
                node.id,
                depth,
            )  # names that are made from each other twice would be asked for without end
            if key not in self._constants:
                single = self.single(node.id, scope)
                self._constants[key] = (
                    self._imported_constant(node.id, scope)
                    if single is None
                    else self.constant(single[0], single[1], depth - 1)
                )
            return self._constants[key]
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            held = self._member(node.value.id, node.attr, scope, depth - 1)
            return self._imported_constant(node.value.id, scope, node.attr) if isinstance(held, Unknown) else held
        if isinstance(node, ast.JoinedStr):
            return self._text([self._part(part, scope, depth) for part in node.values])
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self.constant(node.left, scope, depth - 1), self.constant(node.right, scope, depth - 1)
            return left + right if isinstance(left, str) and isinstance(right, str) else UNKNOWN
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            value = self.constant(node.operand, scope, depth - 1)
            return value if isinstance(value, Unknown) else not value
        return UNKNOWN

    def _imported_constant(self, name: str, scope: Scope, attribute: str = "") -> Constant:
        """Return the constant that an imported name, or one of an imported module, has in another file of the tree."""
        holder = self.holder(name, scope) if self.exports is not None else None
        if self.exports is None or holder is None or name not in holder.imports or name in holder.values:
            return UNKNOWN
        dotted = f"{holder.imports[name]}.{attribute}" if attribute else holder.imports[name]
        found = self.exports.constant(dotted, self.file, self.looked)
        return UNKNOWN if found is None or found.value is ... else found.value

    def _member(self, owner: str, name: str, scope: Scope, depth: int) -> Constant:
        """Return the value of ``Config.name``, or of ``self.name`` where one assignment sets it."""
        held = self._held(owner, name, scope)
        return UNKNOWN if held is None else self.constant(held[0], held[1], depth)

    def _held(self, owner: str, name: str, scope: Scope) -> tuple[ast.AST, Scope] | None:
        """Return the one expression that an attribute of a class of this file, or of an object of it, is set to."""
        holder: Scope | None = scope
        if owner in ("self", "cls"):
            holder = scope.around_class()
        else:
            single = self.single(owner, scope)
            made = single[0] if single else None
            if single and isinstance(made, ast.Call) and isinstance(made.func, ast.Name):
                single = self.single(made.func.id, single[1])  # config = Config()
                made = single[0] if single else None
            holder = self.tree.inner(made) if isinstance(made, ast.ClassDef) else None
        if holder is None:
            return None
        values = [*holder.values.get(name, ()), *holder.attributes.get(name, ())]
        value = values[0] if len(values) == 1 else None
        if isinstance(value, ast.Call) and self.written(value.func).rpartition(".")[2] in ("Field", "field"):
            given = {keyword.arg: keyword.value for keyword in value.keywords}
            value = given.get("default") or (value.args[0] if value.args else None)
        return None if value is None else (value, self.tree.scope(value))

    def _part(self, part: ast.expr, scope: Scope, depth: int) -> Constant:
        if isinstance(part, ast.FormattedValue):
            if part.format_spec is not None:
                return UNKNOWN
            return self.constant(part.value, scope, depth - 1)
        return self.constant(part, scope, depth - 1)

    def _text(self, parts: list[Constant]) -> Constant:
        if all(isinstance(part, str | int) for part in parts):
            return "".join(str(part) for part in parts)
        return UNKNOWN

    def single(self, name: str, scope: Scope) -> tuple[ast.AST, Scope] | None:
        """Return the one expression that a name is bound to, with its scope. A parameter counts by its default."""
        holder = self.holder(name, scope)
        if holder is None or name in holder.imports:
            return None
        values = holder.values.get(name, [])
        if name in holder.parameters:
            default = holder.parameters[name][1]
            return None if values or default is None or holder.parent is None else (default, holder.parent)
        value = values[0] if len(values) == 1 else None
        return None if value is None else (value, holder)

    def is_parameter(self, name: str, scope: Scope) -> bool:
        """Say whether a name is a parameter of the function around."""
        holder = self.holder(name, scope)
        return holder is not None and name in holder.parameters

    def keywords(self, call: ast.Call, scope: Scope) -> dict[str, ast.expr]:
        """Return the call's keyword arguments, also those of a literal dictionary after ``**``."""
        found: dict[str, ast.expr] = {}
        for keyword in call.keywords:
            if keyword.arg is not None:
                found[keyword.arg] = keyword.value
            else:
                found |= self.entries(keyword.value, scope)
        return found

    def entries(self, node: ast.AST, scope: Scope, depth: int = 3) -> dict[str, ast.expr]:
        """Return the entries of a dictionary display or a ``dict(...)`` call, reached by name if need be."""
        if isinstance(node, ast.Name) and depth > 0:
            single = self.single(node.id, scope)
            if single is None:
                return {}
            added = single[1].entries.get(node.id, {})
            self.used.update(map(id, added.values()))
            return self.entries(single[0], single[1], depth - 1) | added
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and depth > 0:
            held = self._held(node.value.id, node.attr, scope)
            return self.entries(held[0], held[1], depth - 1) if held is not None else {}
        if isinstance(node, ast.Dict):
            self.used.add(id(node))
            found: dict[str, ast.expr] = {}
            for key, value in zip(node.keys, node.values, strict=True):
                if key is None:  # {**others}
                    found |= self.entries(value, scope, depth - 1) if depth > 0 else {}
                elif isinstance(key, ast.Constant) and isinstance(key.value, str):
                    found[key.value] = value
            return found
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr) and depth > 0:
            return self.entries(node.left, scope, depth - 1) | self.entries(node.right, scope, depth - 1)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
            return {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
        return {}

    def open_ended(self, call: ast.Call, scope: Scope) -> bool:
        """Say whether the call may get keywords that cannot be seen here."""
        return any(keyword.arg is None and not self.entries(keyword.value, scope) for keyword in call.keywords)

    def written(self, node: ast.AST) -> str:
        """Return a called name as it is written, without any literal or argument."""
        parts: list[str] = []
        while True:
            if isinstance(node, ast.Attribute):
                parts.append(node.attr)
                node = node.value
            elif isinstance(node, ast.Call):
                parts.append("()")
                node = node.func
            elif isinstance(node, ast.Name):
                parts.append(node.id)
                return ".".join(reversed(parts))
            else:
                parts.append(type(node).__name__)
                return ".".join(reversed(parts))
