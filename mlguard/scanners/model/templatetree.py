"""Walks the syntax tree of a Jinja template and says what it reaches for, calls and takes in. Nothing is rendered.

What leads out of Jinja is the attributes that Python gives to every object: ``__class__``, ``__globals__`` and the like, by
whatever name or detour (https://jinja.palletsprojects.com/en/stable/sandbox/). Runtimes of chat templates add few names:
transformers/src/transformers/utils/chat_template_utils.py gives raise_exception, strftime_now and tojson.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

from jinja2 import Environment, TemplateError, ext, nodes
from jinja2.parser import Parser

from mlguard.scanners import lazy
from mlguard.scanners.model import folding
from mlguard.scanners.model.folding import OPAQUE, UNKNOWN, WILD, Folder
from mlguard.scanners.model.values import clean_name

INTERNALS = "reaches Python's internals"
BY_NAME = "takes an attribute by a name that is text"
COMPUTED = "puts together the name of an attribute from pieces"
HELPER = "uses a helper of Jinja through which Python is reached"
SERVER = "reads objects of a web server"
FILES = "takes in another file"
PROGRAMS = "calls what starts programs, opens files or loads code"
FIELDS = "formats a text whose fields read attributes"

# What a person must look at.
PIECES = "reads an entry whose name it puts together from what it gets"
SPOKEN_KEY = "reads an entry or attribute whose name stands in a message"
SPOKEN_FORM = "formats a text that it gets, fields and all"
RESULT = "calls what another call or a subscript gave"
TRIGGER = "looks for plain words in a message and changes what the model is told"
DATE = "changes what the model is told with the date"

_SPECIAL = (
    "class|base|bases|mro|subclasses|subclasshook|globals|builtins|builtin|import|init|init_subclass|new|dict|code|func|self|module|"
    "getattribute|getattr|setattr|delattr|getitem|call|closure|defaults|kwdefaults|wrapped|loader|spec|reduce|reduce_ex|getstate|"
    "setstate|slots|annotations|traceback|objclass|weakref|main|file|path|qualname"
)
DUNDER = lazy.pattern(rf"__(?:{_SPECIAL})__")
STRONG = lazy.pattern(
    r"__(?:base|bases|mro|subclasses|globals|builtins|builtin|import|code|func|getattribute|closure|loader|spec|reduce|reduce_ex|init)__"
)
"""Names that a page of a web project has no use for either; pages do show ``__class__.__name__`` and ``__version__``."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


INNER = _words("""mro subclasses func_globals func_code func_closure im_func im_self im_class gi_frame gi_code gi_yieldfrom cr_frame cr_code
    ag_frame ag_code f_globals f_builtins f_locals f_back f_code tb_frame tb_next co_code co_consts""")
"""Attributes of the interpreter's own objects."""

_STARTERS = _words("popen Popen check_output check_call getoutput getstatusoutput import_module load_module")
_OWN = _words("_module _environment _load_form_data _app _request_ctx_stack _body_stream _context _globals")
_HELPERS = frozenset({"cycler", "lipsum"})
_SERVER = frozenset({"request", "config", "url_for", "get_flashed_messages", "current_app"})
_DANGEROUS = _words("""eval exec compile open input getattr setattr delattr globals locals vars dir breakpoint memoryview execfile reload system popen
    Popen run_module lookup environ getenv load_module import_module subprocess os sys importlib builtins""")
_DANGEROUS_METHODS = _STARTERS | _words("""system exec eval execve execv execl spawn spawnv spawnl posix_spawn exec_module find_spec find_module open urlopen urlretrieve
    get_data read readlines read_text read_bytes write_text write_bytes write unlink rmdir rmtree remove_file startfile fork kill
    putenv getenv from_string get_template select_template compile_expression get_source load_source run_path run_module loads
    mro subclasses""")
_FUNCTIONS = _words("""raise_exception strftime_now range dict namespace joiner super caller loop tojson len str int float bool list tuple set
    enumerate zip min max sum sorted reversed abs round any all isinstance print _ gettext ngettext to_json from_json now
    current_date get_current_date""")
_METHODS = _words("""strip lstrip rstrip split rsplit splitlines partition rpartition startswith endswith get items keys values append extend
    insert pop update copy upper lower title capitalize casefold swapcase replace removeprefix removesuffix find rfind index rindex
    count join isdigit isalpha isalnum isspace isupper islower isnumeric isdecimal istitle isidentifier zfill ljust rjust center
    encode decode cycle changed strftime isoformat date time add union remove clear reverse sort setdefault has_key model_dump dict
    to_dict json total_seconds weekday trim length""")
_FILTERS = _words("""abs batch capitalize center count d default dictsort e escape filesizeformat first float forceescape format groupby indent
    int items join last length list lower map max min pprint random reject rejectattr replace reverse round safe select selectattr
    slice sort string striptags sum title tojson trim truncate unique upper urlencode urlize wordcount wordwrap xmlattr from_json
    fromjson to_json to_yaml strftime strip lstrip rstrip split keys values bool regex_replace startswith endswith""")
_BY_ATTRIBUTE = frozenset({"selectattr", "rejectattr", "groupby", "sum"})
"""Filters whose first argument is the name of an attribute."""

_WIDENS = frozenset({"center", "indent", "batch", "slice", "wordwrap", "ljust", "rjust", "zfill", "expandtabs"})

MAX_TURNS = 1_000_000
"""Turns of loops over constants inside each other, and items or characters that are asked for in one go. transformers allows
100,000 for range()."""

MAX_GROWN = 100 * 2**20
"""Characters that texts made of each other may reach."""

MAX_DOUBLINGS = 20
"""Turns of a loop in which a text may be put together with itself."""

MAX_SHOWN = 5000
"""Parts of one macro that are looked at for what it puts out and whether it calls itself."""

MAX_OPEN_LOOPS = 6
"""Loops inside each other over what the runtime brings."""

MAX_POWER = 1000
"""Exponent of a constant."""

MAX_POWERS = 2
"""Powers of powers."""

_WIDE = lazy.pattern(r"%[-+ #0]*\d{7,}|\{[^{}]{0,40}:[^{}]{0,10}\d{7,}[^{}]{0,10}\}")
_FIELD = lazy.pattern(r"\{[^{}]{0,80}?(?:\.|\[)_|\{[^{}]{0,200}__")
_WORDS = lazy.pattern(r"[A-Za-z][A-Za-z' -]{2,80}\Z")
_PARTS = _words("""text image images image_url video videos audio input_audio type content role name url think thinking reasoning tool tools tool_calls
    json function arguments output path parameters properties document documents file user assistant system tool_call value parts blocks format data source
    items id key description default""")
"""Words that tell the parts of a message from each other."""

_SPOKEN = _words(
    "content text prompt query question user_message last_message user_input last_user_message user_query message_text"
)


@dataclass(frozen=True, slots=True)
class Hit:
    """Something to tell. ``weight``: "block", "review", "bomb"; ``name`` is the callable of a review that has one."""

    weight: str
    note: str
    name: str = ""


class _Generation(ext.Extension):
    """The block that transformers lets trainers mark the assistant's words with."""

    tags = {"generation"}  # noqa: RUF012 - Jinja's own form

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Debug(ext.Extension):
    """The tag that prints all variables."""

    tags = {"debug"}  # noqa: RUF012 - Jinja's own form

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        return nodes.Output([nodes.Call(nodes.Name("debug", "load"), [], [], None, None)]).set_lineno(line)


_EXTENSIONS: tuple[str | type[ext.Extension], ...] = (
    "jinja2.ext.loopcontrols", "jinja2.ext.do", "jinja2.ext.i18n", _Generation, _Debug,
)  # fmt: skip


def parsed(text: str) -> nodes.Template | None:
    """Return the tree of a template, or None when it is no Jinja or is nested too deeply."""
    environment = Environment(extensions=_EXTENSIONS, autoescape=False)
    try:
        return Parser(environment, text).parse()
    except (TemplateError, RecursionError, ValueError, OverflowError, MemoryError, AssertionError):
        return None


class Judge:
    """Walks one template. ``chat``: a template for messages; else a page of any project, where only attacks are told."""

    def __init__(self, tree: nodes.Template, chat: bool) -> None:
        self._tree, self._chat = tree, chat
        self._folder = Folder(tree)
        self._assigned = set(_assigned(tree))
        self._sizes: dict[str, int] = {}
        self._called: set[int] = set()  # names that stand where they are called

    @property
    def exhausted(self) -> bool:
        return self._folder.exhausted

    def hits(self) -> Iterator[Hit]:
        """Yield what the template does, in the order of its text."""
        stack: list[tuple[nodes.Node, int, int]] = [(self._tree, 1, 0)]
        while stack:
            node, turns, open_loops = stack.pop()
            yield from self._look(node)
            inside = turns, open_loops
            if isinstance(node, nodes.For):
                count = self._count(node.iter)
                inside = (turns * max(count, 1), open_loops) if count >= 0 else (turns, open_loops + 1)
                if inside[0] > MAX_TURNS or inside[1] > MAX_OPEN_LOOPS:
                    yield Hit("bomb", "loops")
                    inside = 1, 0
            if isinstance(node, (nodes.Assign, nodes.Macro)):
                yield from self._grown(node, turns, open_loops)
            for child in reversed(list(node.iter_child_nodes())):
                outside = isinstance(node, nodes.For) and child is node.iter
                stack.append((child, turns, open_loops) if outside else (child, *inside))

    def _look(self, node: nodes.Node) -> Iterator[Hit]:
        if isinstance(node, nodes.Name):
            yield from self._name(node)
        elif isinstance(node, nodes.Getattr):
            yield from self._attribute(node.attr)
        elif isinstance(node, nodes.Getitem):
            yield from self._subscript(node)
        elif isinstance(node, nodes.Filter):
            yield from self._filter(node)
        elif isinstance(node, nodes.Call):
            yield from self._call(node)
        elif isinstance(node, nodes.Const):
            yield from self._constant(node.value)
        elif isinstance(node, (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
            yield from self._file(node)
        elif isinstance(node, (nodes.Mul, nodes.Pow)):
            yield from self._product(node)
        elif isinstance(node, nodes.Compare) and self._chat:
            yield from self._comparison(node)
        elif isinstance(node, nodes.Macro):
            yield from self._key(node.name, plain=True)
            if _branches(node):
                yield Hit("bomb", "recursion")

    # -- names and attributes

    def _name(self, node: nodes.Name) -> Iterator[Hit]:
        name = node.name
        if DUNDER.search(name):
            yield Hit("block", INTERNALS)
        if node.ctx != "load" or not self._chat:
            return
        if name in _HELPERS or name == "joiner" and id(node) not in self._called:
            yield Hit("block", HELPER)
        elif name in _SERVER and name not in self._assigned:
            yield Hit("block", SERVER)
        elif name == "self" and name not in self._assigned:
            yield Hit("block", INTERNALS)

    def _attribute(self, name: str) -> Iterator[Hit]:
        if self._chat and (name.startswith("_") or "__" in name) or STRONG.search(name) or name in INNER:
            yield Hit("block", INTERNALS)
        elif self._chat and name in _STARTERS:
            yield Hit("block", PROGRAMS)

    def _key(self, value: object, plain: bool) -> Iterator[Hit]:
        """Judge a value that names an attribute or entry. ``plain``: it stands there as it is, in one piece."""
        if not isinstance(value, str):
            return
        special = DUNDER if self._chat else STRONG
        if special.search(value) or value in INNER or value in _OWN or "__" in value and self._chat:
            yield Hit("block", INTERNALS)
        elif not self._chat:
            return
        elif value in _STARTERS:
            yield Hit("block", PROGRAMS)
        elif value.startswith("_") and not plain:
            yield Hit("block", INTERNALS)
        elif value.startswith(WILD) and not plain:
            yield Hit("block", COMPUTED) if value.count(WILD) > 2 else Hit("review", PIECES)

    def _subscript(self, node: nodes.Getitem) -> Iterator[Hit]:
        if isinstance(node.arg, nodes.Slice):
            return
        for value in self._folder.values(node.arg):
            yield from self._key(value, isinstance(node.arg, nodes.Const))
        if self._chat and self._is_brought(node.arg):
            yield Hit("block", COMPUTED)
        if self._chat and isinstance(node.arg, (nodes.Getattr, nodes.Getitem)) and self._is_spoken(node.arg):
            yield Hit("review", SPOKEN_KEY)

    def _is_brought(self, node: nodes.Node) -> bool:
        """Say whether an expression is a special token: the model's own files say what its text is."""
        return isinstance(node, nodes.Name) and node.name.endswith("_token") and node.name not in self._assigned

    def _constant(self, value: object) -> Iterator[Hit]:
        if not isinstance(value, str):
            return
        if _FIELD.search(value) and DUNDER.search(value):
            yield Hit("block", FIELDS)
        elif (
            (DUNDER if self._chat else STRONG).search(value)
            and len(value) <= 64
            and not any(c.isspace() for c in value.strip())
        ):
            yield Hit("block", INTERNALS)
        if _WIDE.search(value):
            yield Hit("bomb", "width")

    def _file(self, node: nodes.Include | nodes.Import | nodes.FromImport | nodes.Extends) -> Iterator[Hit]:
        paths = [value for value in self._folder.values(node.template) if isinstance(value, str)]
        if self._chat or any(
            path.startswith(("/etc", "/proc", "/root", "/home", "/var", "file:", "http")) for path in paths
        ):
            yield Hit("block", FILES)

    # -- filters and calls

    def _filter(self, node: nodes.Filter) -> Iterator[Hit]:
        arguments = [self._folder.values(argument) for argument in node.args]
        named = {pair.key: self._folder.values(pair.value) for pair in _named(node)}
        if node.name == "attr":
            keys = arguments[0] if arguments else named.get("name", [UNKNOWN])
            inner = [hit for key in keys for hit in self._key(key, plain=False) if hit.weight == "block"]
            if inner or self._chat:
                yield inner[0] if inner else Hit("block", BY_NAME)
            return
        keys = [*named.get("attribute", ()), *(arguments[0] if node.name in _BY_ATTRIBUTE and arguments else ())]
        for key in keys:
            for part in str(key).split(".") if isinstance(key, str) else ():
                yield from self._key(part, plain=False)
        if node.name == "map" and arguments:
            yield from self._mapped(arguments)
        if self._chat and node.name not in _FILTERS:
            yield Hit("review", "", clean_name("", node.name))
        if node.name in _WIDENS:
            yield from _widened([*arguments, *named.values()])
        if (
            node.name == "replace"
            and len(node.args) > 1
            and self._size(node.node) * self._size(node.args[1]) > MAX_GROWN
        ):
            yield Hit("bomb", "growth")

    def _mapped(self, arguments: list[folding.Values]) -> Iterator[Hit]:
        for name in arguments[0]:
            if name == "attr":
                keys = arguments[1] if len(arguments) > 1 else [UNKNOWN]
                inner = [hit for key in keys for hit in self._key(key, plain=False) if hit.weight == "block"]
                if inner or self._chat:
                    yield inner[0] if inner else Hit("block", BY_NAME)
            elif self._chat and (not isinstance(name, str) or WILD in name):
                yield Hit("block", COMPUTED)
            elif self._chat and name not in _FILTERS:
                yield Hit("review", "", clean_name("", name))

    def _call(self, node: nodes.Call) -> Iterator[Hit]:
        callee = node.node
        if isinstance(callee, nodes.Name):
            self._called.add(id(callee))
            yield from self._function(callee.name, node)
        elif isinstance(callee, nodes.Getattr):
            yield from self._method(callee.attr, callee.node, node)
        elif isinstance(callee, nodes.Getitem) and all(isinstance(v, str) for v in self._folder.values(callee.arg)):
            for name in self._folder.values(callee.arg):
                yield from self._method(name, callee.node, node)
        elif self._chat and not self._is_own(callee):
            yield Hit("review", RESULT)

    def _is_own(self, callee: nodes.Node) -> bool:
        """Say whether what is called is an entry of a variable that the template fills itself."""
        while isinstance(callee, nodes.Getitem):
            callee = callee.node
        return isinstance(callee, nodes.Name) and callee.name in self._assigned

    def _function(self, name: str, node: nodes.Call) -> Iterator[Hit]:
        if name == "range" and self._count(node) > MAX_TURNS:
            yield Hit("bomb", "loops")
        if not self._chat or name in self._assigned:
            return
        if name in _DANGEROUS:
            yield Hit("block", PROGRAMS)
        elif name not in _FUNCTIONS and name not in _HELPERS and name not in _SERVER:
            yield Hit("review", "", clean_name("", name))

    def _method(self, name: str, holder: nodes.Node, node: nodes.Call) -> Iterator[Hit]:
        if name in ("format", "format_map"):
            yield from self._form(name, holder)
        elif name in _DANGEROUS_METHODS if self._chat else name in _STARTERS:
            yield Hit("block", PROGRAMS)
        elif self._chat and name not in _METHODS and not name.startswith("_") and WILD not in name:
            yield Hit("review", "", clean_name("", name))
        if name in _WIDENS:
            yield from _widened([self._folder.values(argument) for argument in node.args])

    def _form(self, name: str, holder: nodes.Node) -> Iterator[Hit]:
        for form in self._folder.values(holder):
            if isinstance(form, str) and (_FIELD.search(form) or OPAQUE in form and self._chat):
                yield Hit("block", FIELDS)
            elif self._chat and (not isinstance(form, str) or WILD in form):
                yield Hit("block", FIELDS) if name == "format_map" else Hit("review", SPOKEN_FORM)

    # -- what it looks for in messages

    def _comparison(self, node: nodes.Compare) -> Iterator[Hit]:
        for operand in node.ops:
            if (
                operand.op in ("in", "notin")
                and isinstance(node.expr, nodes.Const)
                and isinstance(node.expr.value, str)
            ):
                word = node.expr.value.strip()
                plain = isinstance(operand.expr, nodes.Name) and word.isalpha() and word.islower()
                if _WORDS.match(word) and not plain and word.lower() not in _PARTS and self._is_spoken(operand.expr):
                    yield Hit("review", TRIGGER)
            for side in (node.expr, operand.expr):
                if _is_date(side):
                    yield Hit("review", DATE)

    def _is_spoken(self, node: nodes.Node | None) -> bool:
        """Say whether an expression is what a message says."""
        for _ in range(folding.MAX_DEPTH):
            if isinstance(node, nodes.Filter):
                if (
                    node.name in ("string", "tojson")
                    and isinstance(node.node, nodes.Name)
                    and node.node.name == "messages"
                ):
                    return True
                node = node.node
            elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr):
                node = node.node.node
            elif isinstance(node, nodes.Getattr):
                return node.attr in _SPOKEN
            elif isinstance(node, nodes.Getitem):
                if isinstance(node.arg, nodes.Const):
                    return node.arg.value in _SPOKEN
                node = node.node
            elif isinstance(node, nodes.Name):
                return node.name in _SPOKEN
            else:
                return False
        return False

    # -- what grows without end

    def _count(self, node: nodes.Node) -> int:
        """Return over how many items a loop goes, -1 when the runtime decides."""
        if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name == "range":
            spans = [items for items in self._folder.called(node) if items and all(type(item) is int for item in items)]
            return max((_span(items) for items in spans), default=-1)
        known = [
            value for value in self._folder.values(node) if isinstance(value, (list, str, dict)) and value != OPAQUE
        ]
        literal = len(node.items) if isinstance(node, (nodes.List, nodes.Tuple)) else -1
        return max(literal, *(len(value) for value in known)) if known else literal

    def _product(self, node: nodes.BinExpr) -> Iterator[Hit]:
        lefts, rights = self._folder.values(node.left), self._folder.values(node.right)
        if isinstance(node, nodes.Pow) and _powers(node) > MAX_POWERS:
            yield Hit("bomb", "power")
        for left in lefts:
            for right in rights:
                if isinstance(node, nodes.Pow):
                    if type(right) in (int, float) and right > MAX_POWER and left not in (0, 1):
                        yield Hit("bomb", "power")
                elif _times(left, right) > MAX_TURNS or _times(right, left) > MAX_TURNS:
                    yield Hit("bomb", "width")

    def _grown(self, node: nodes.Assign | nodes.Macro, turns: int, open_loops: int) -> Iterator[Hit]:
        """Keep the size of what is assigned and tell when texts multiply each other."""
        if isinstance(node, nodes.Macro):
            outputs = list(islice(_shown(node), MAX_SHOWN)) if _is_flat(node) else []
            self._sizes[node.name + "()"] = size = sum(self._size(child) for child in outputs)
        else:
            name = _place(node.target)
            size = self._size(node.node)
            again = _occurrences(node.node, name)
            if (turns > MAX_DOUBLINGS or open_loops) and (again > 1 or again and _doubles(node.node)):
                yield Hit("bomb", "growth")
            self._sizes[name] = min(size, 10**15)
        if size > MAX_GROWN:
            yield Hit("bomb", "growth")

    def _size(self, node: nodes.Node | None, depth: int = 0) -> int:
        if node is None or depth > folding.MAX_DEPTH:
            return 0
        if isinstance(node, nodes.Const):
            return len(node.value) if isinstance(node.value, str) else 8
        if isinstance(node, nodes.TemplateData):
            return len(node.data)
        if isinstance(node, (nodes.Name, nodes.Getattr)):
            return self._sizes.get(_place(node), 0)
        if isinstance(node, nodes.Add):
            return sum(self._size(part, depth + 1) for part in folding.flattened(node, nodes.Add))
        if isinstance(node, nodes.Mul):
            return max(
                _times("x" * min(self._size(side, depth + 1), 10**6), number) for side, number in self._factors(node)
            )
        if isinstance(node, nodes.Call):
            name = _place(node.node) + "()" if isinstance(node.node, nodes.Name) else ""
            holder = node.node.node if isinstance(node.node, nodes.Getattr) else None
            return (
                self._sizes.get(name, 0)
                + self._size(holder, depth + 1)
                + sum(self._size(a, depth + 1) for a in node.args)
            )
        if isinstance(node, (nodes.Concat, nodes.List, nodes.Tuple, nodes.Filter, nodes.CondExpr)):
            return sum(self._size(child, depth + 1) for child in node.iter_child_nodes())
        return 0

    def _factors(self, node: nodes.Mul) -> list[tuple[nodes.Node, Any]]:
        return [(node.left, self._folder.values(node.right)[0]), (node.right, self._folder.values(node.left)[0])]


def _assigned(tree: nodes.Node) -> Iterator[str]:
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, nodes.Macro) or isinstance(node, nodes.Name) and node.ctx in ("store", "param"):
            yield node.name
        elif isinstance(node, nodes.Import):
            yield node.target
        elif isinstance(node, nodes.FromImport):
            yield from (name if isinstance(name, str) else name[1] for name in node.names)
        stack.extend(node.iter_child_nodes())


def _place(node: nodes.Node) -> str:
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.NSRef):
        return f"{node.name}.{node.attr}"
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
        return f"{node.node.name}.{node.attr}"
    return ""


def _occurrences(node: nodes.Node, name: str) -> int:
    """Return how often the text ``name`` goes into what ``node`` puts together."""
    found, stack, left = 0, [node], 2000
    while stack and left:
        left -= 1
        item = stack.pop()
        if name and _place(item) == name:
            found += 1
        elif isinstance(item, (nodes.Concat, nodes.Add, nodes.List, nodes.Tuple, nodes.Filter)):
            stack.extend(item.iter_child_nodes())
        elif isinstance(item, nodes.Call) and isinstance(item.node, nodes.Getattr):
            stack.extend([item.node.node, *item.args])
    return found


def _doubles(node: nodes.Node) -> bool:
    """Say whether ``node`` replaces a piece of a text by several of it, or multiplies it."""
    name = node.name if isinstance(node, nodes.Filter) else _method(node)
    arguments: Iterable[nodes.Node] = (
        node.args if name == "replace" and isinstance(node, (nodes.Filter, nodes.Call)) else ()
    )
    texts = [item.value for item in arguments if isinstance(item, nodes.Const) and isinstance(item.value, str)]
    return len(texts) > 1 and bool(texts[0]) and texts[1].count(texts[0]) > 1


def _branches(macro: nodes.Macro) -> bool:
    """Say whether a macro calls itself twice with a number that it counts down: the turns double with each."""
    found, stack, left = 0, list(macro.body), MAX_SHOWN
    while stack and left:
        left -= 1
        node: nodes.Node = stack.pop()
        if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name == macro.name:
            found += any(isinstance(item, (nodes.Sub, nodes.Add)) and isinstance(item.right, nodes.Const) and type(item.right.value) is int
                         for item in node.args)  # fmt: skip
        stack.extend(node.iter_child_nodes())
    return found > 1


def _powers(node: nodes.Node) -> int:
    count = 0
    while isinstance(node, nodes.Pow) and count <= MAX_POWERS:
        count, node = count + 1, node.left
    return count


def _named(node: nodes.Filter) -> list[nodes.Keyword]:
    return cast("list[nodes.Keyword]", node.kwargs)  # declared as pairs, made as keywords


def _method(node: nodes.Node) -> str:
    return node.node.attr if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) else ""


def _shown(macro: nodes.Macro) -> Iterator[nodes.Node]:
    """Yield what a macro puts out, without the macros inside it, which put out nothing where they stand."""
    stack = list(reversed(macro.body))
    while stack:
        node = stack.pop()
        if isinstance(node, nodes.Output):
            yield from node.nodes
        elif not isinstance(node, nodes.Macro):
            stack.extend(reversed(list(node.iter_child_nodes())))


def _is_flat(node: nodes.Macro) -> bool:
    return len(list(node.iter_child_nodes())) < 10_000


def _span(items: tuple[Any, ...]) -> int:
    if len(items) > 3 or len(items) == 3 and items[2] == 0:
        return 0
    numbers = range(*cast("tuple[int, int, int]", items))
    first, last, step = numbers.start, numbers.stop, numbers.step
    return max(0, (last - first + step - (1 if step > 0 else -1)) // step)  # len() fails above 2**63


def _times(some: Any, number: Any) -> int:
    if isinstance(some, (str, list)) and type(number) is int and number > 0:
        return max(1, len(some)) * number
    return 0


def _widened(arguments: Iterable[folding.Values]) -> Iterator[Hit]:
    if any(type(value) is int and value > MAX_TURNS for values in arguments for value in values):
        yield Hit("bomb", "width")


def _is_date(node: nodes.Node) -> bool:
    for _ in range(8):
        if isinstance(node, nodes.Filter) and node.node is not None:
            node = node.node
        elif isinstance(node, nodes.Call):
            if isinstance(node.node, nodes.Name):
                return node.node.name == "strftime_now"
            node = node.node
        elif isinstance(node, nodes.Getattr):
            node = node.node
        else:
            return False
    return False
