"""Judges Python source and scripts that travel inside a model. They are parsed and never run.

A handler or a module of a model has to compute. What it has no business with: starting programs, evaluating text, unpickling
bytes, opening connections, loading native code, reading credentials, and writing to what runs at the next start.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Generator, Iterator

from mlguard.errors import Unreadable
from mlguard.scanners import lazy
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import State
from mlguard.scanners.model.values import UNKNOWN, clean_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Record
    from mlguard.scanners.code.names import Names
    from mlguard.scanners.code.tree import Scope, Tree

CODE = "model/bundled-executable-code"

Note = tuple[str, int]
"""What is told of a place in source, in our own words, and its byte."""

MAX_SOURCE_BYTES = 2**19
"""The largest module that is parsed. Its tree takes up to four hundred times as much memory."""

MAX_NESTED = 3
"""Source in a text of source."""

_PROGRAMS = "starts programs"
_EVALUATES = "evaluates text as code"
_UNPICKLES = "unpickles bytes, which can run anything"
_CONNECTS = "opens network connections"
_NATIVE = "loads native code"
_FETCHES = "loads code from somewhere else"
_INSIDES = "reaches into Python's internals"
_CREDENTIALS = "reaches for credentials or system files"
_PERSISTS = "writes to what runs at the next start"

_CALLS: dict[str, str] = {
    **dict.fromkeys(("os.system", "os.popen", "os.startfile", "os.fork", "os.forkpty", "pty.spawn", "pty.fork"), _PROGRAMS),
    **dict.fromkeys(("asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell", "webbrowser.open"), _PROGRAMS),
    **dict.fromkeys(("builtins.exec", "builtins.eval", "builtins.compile", "code.interact", "timeit.timeit"), _EVALUATES),
    **dict.fromkeys(("pandas.eval", "numexpr.evaluate", "sympy.sympify", "sympy.lambdify", "types.FunctionType"), _EVALUATES),
    **dict.fromkeys(("types.CodeType", "code.InteractiveInterpreter", "code.InteractiveConsole"), _EVALUATES),
    **dict.fromkeys(("pickle.loads", "_pickle.loads", "cPickle.loads", "dill.loads", "cloudpickle.loads"), _UNPICKLES),
    **dict.fromkeys(("marshal.loads", "marshal.load", "jsonpickle.decode", "shelve.open", "yaml.unsafe_load"), _UNPICKLES),
    **dict.fromkeys(("torch.ops.load_library", "torch.classes.load_library", "tensorflow.load_op_library"), _NATIVE),
    **dict.fromkeys(("tensorflow.load_library", "tensorflow.load_pluggable_device_library"), _NATIVE),
    **dict.fromkeys(("torch.hub.load", "torch.hub.load_state_dict_from_url", "torch.utils.cpp_extension.load_inline"), _FETCHES),
    **dict.fromkeys(("torch.utils.cpp_extension.load", "runpy.run_path", "runpy.run_module", "imp.load_source"), _FETCHES),
    **dict.fromkeys(("importlib.machinery.SourceFileLoader", "pip.main", "ensurepip.bootstrap"), _FETCHES),
    **dict.fromkeys(("urllib.request.urlopen", "urllib.request.urlretrieve", "urllib.request.Request"), _CONNECTS),
    **dict.fromkeys(("urllib.urlopen", "urllib.urlretrieve", "asyncio.open_connection", "wget.download"), _CONNECTS),
    **dict.fromkeys(("sys._getframe", "gc.get_objects", "gc.get_referrers", "inspect.currentframe"), _INSIDES),
}  # fmt: skip
"""What must not be called, or handed on, by its full name."""

_MODULES: dict[str, str] = {
    **dict.fromkeys(("subprocess", "commands", "pexpect", "ptyprocess", "plumbum", "fabric", "invoke", "sh"), _PROGRAMS),
    **dict.fromkeys(("socket", "socketserver", "requests", "httpx", "aiohttp", "urllib3", "http.client", "http.server"), _CONNECTS),
    **dict.fromkeys(("ftplib", "smtplib", "telnetlib", "paramiko", "websocket", "websockets", "xmlrpc", "poplib"), _CONNECTS),
    **dict.fromkeys(("imaplib", "nntplib", "httplib", "httplib2", "urllib2", "pycurl", "zmq", "scapy", "dns"), _CONNECTS),
    **dict.fromkeys(("ctypes", "cffi", "_ctypes"), _NATIVE),
    **dict.fromkeys(("pip", "zipimport"), _FETCHES),
    **dict.fromkeys(("winreg", "_winreg", "win32api", "win32com", "crontab"), _PERSISTS),
    **dict.fromkeys(("keyring", "pwd", "spwd", "browser_cookie3"), _CREDENTIALS),
    **dict.fromkeys(("antigravity", "pynput", "pyautogui", "mss"), _PROGRAMS),
}  # fmt: skip
"""Modules of which every call counts."""

_STARTS = re.compile(r"os\.(?:exec|spawn|posix_spawn)[a-z]*$")
_HARMLESS = frozenset(
    {
        "socket.gethostname", "socket.AF_INET", "requests.exceptions", "http.HTTPStatus", "subprocess.DEVNULL", "subprocess.PIPE",
        "socket.timeout", "socket.error", "subprocess.CalledProcessError", "ctypes.c_void_p", "http.client.HTTPException",
        "subprocess.TimeoutExpired", "requests.Response", "requests.RequestException", "ctypes.c_int", "ctypes.c_float",
        "ctypes.c_char_p", "ctypes.c_size_t", "ctypes.c_int64", "ctypes.c_uint64", "ctypes.sizeof", "socket.gaierror",
    }
)  # fmt: skip
_TEXT_RUNNERS = frozenset({"exec", "eval", "compile", "__import__", "__builtins__"})
_HIDDEN = frozenset(
    {
        "__subclasses__", "__globals__", "__builtins__", "__code__", "__closure__", "f_globals", "f_locals", "f_builtins", "gi_frame",
        "cr_frame", "tb_frame", "__getattribute__", "func_globals", "co_code", "__loader__", "__mro__", "__base__",
    }
)  # fmt: skip
_ROOTS_OF_DANGER = frozenset({"os", "posix", "nt", "sys", "builtins", "subprocess", "importlib", "socket", "ctypes"})

_SECRET_PLACES = lazy.pattern(
    r"(?:^|[/\\~'\"=\s])\.(?:ssh|aws|gnupg|kube|docker|netrc|git-credentials|pypirc|npmrc|azure)(?:[/\\]|$)|id_(?:rsa|ed25519|ecdsa)\b"
    r"|/etc/(?:passwd|shadow|sudoers)|/proc/(?:self|\d+)/(?:environ|mem)|169\.254\.169\.254|\.config/gcloud|huggingface/token"
    r"|/var/run/secrets|\bwallet\.dat\b|Login Data\b"
)
_START_PLACES = lazy.pattern(
    r"authorized_keys|(?:^|/)\.(?:bashrc|bash_profile|profile|zshrc|zprofile|bash_login)\b|/etc/(?:cron|rc\.local|init\.d|ld\.so\.preload|systemd)"
    r"|crontab\b|LaunchAgents|LaunchDaemons|sitecustomize|usercustomize|site-packages/[^/]*\.pth|CurrentVersion\\+Run|\.config/autostart|\.git/hooks"
)
_SHELL = lazy.pattern(
    r"\b(?:curl|wget)\b[^\n|;]{0,300}\|\s{0,20}(?:sudo\s+)?(?:ba|z|da)?sh\b|/dev/tcp/|\brm\s+-[a-z]{0,9}r[a-z]{0,9}\s+[/~$]"
    r"|\bbase64\s+(?:-d|--decode)\b[^\n]{0,300}\|\s{0,20}(?:ba)?sh\b|\bchmod\s+\+s\b|\bcrontab\s+-|\bbash\s+-i\b|\bmkfifo\b|\beval\s+[\"$`]"
    r"|\b(?:curl|wget|nc|scp|ssh)\s+\S|\bpython3?\s+-c\b|\bpowershell\b[^\n]{0,300}-(?:e|enc|encodedcommand)\b|Invoke-Expression|\bIEX\b|DownloadString",
    re.I,
)


def told(view: View, state: State, kind: str) -> Iterator[Record]:
    """Yield what the Python module or script in ``view`` does that no model needs, or once that there is code at all."""
    notes = yield from judged(view, state)
    name = clean_name("", view.name.rsplit(".", 1)[0])
    for note, line_byte in notes:
        facts: dict[str, str | int] = {"name": name, "note": note, "format": kind}
        yield from state.detection(CODE, "source", view.within, line_byte, None, note, facts)
    if not notes:
        yield from reviewed(view, state, kind)


def reviewed(view: View, state: State, kind: str) -> Iterator[Record]:
    """Yield once for a file that a model carries source of its own."""
    if not any(key[:2] == (UNKNOWN, "bundled-source") for key in state.seen):
        name = clean_name("", view.name.rsplit(".", 1)[0])
        yield from state.detection(
            UNKNOWN, "bundled-source", view.within, 0, None, "bundled-source", {"name": name, "format": kind}
        )


def judged(view: View, state: State) -> Generator[Record, None, list[Note]]:
    """Yield gaps and return the notes on what the source does, each once, with the byte of its line."""
    if len(view) > MAX_SOURCE_BYTES:
        yield from state.gap("too-large", "source inside the model is larger than is parsed", view.within)
    data = bytes(view.data[view.start : min(view.end, view.start + MAX_SOURCE_BYTES)])
    if not view.name.lower().endswith((".py", ".pyi", ".pyw")) and not re.match(rb"#![^\n]*python", data):
        return _script(data)
    try:
        return _python(data)
    except Unreadable:
        yield from state.gap("unreadable", "source inside the model is not valid Python for this version", view.within)
        return _script(data)


def python_notes(data: bytes) -> list[Note]:
    """Return what a Python module does that no model needs, as (note, byte). Raises Unreadable when it cannot be parsed."""
    return _python(data)


def _script(data: bytes) -> list[Note]:
    """Return the notes on a shell script, or on what cannot be parsed: by its words."""
    text = data.decode("latin-1")
    found = [(_PROGRAMS, _SHELL), (_CREDENTIALS, _SECRET_PLACES), (_PERSISTS, _START_PLACES), (_EVALUATES, _WORDS)]
    return [(note, match.start()) for note, pattern in found if (match := pattern.search(text))]


_WORDS = lazy.pattern(
    r"\bos\s*\.\s*(?:system|popen)\b|\bsubprocess\b|__import__|\b(?:exec|eval)\s*\(|\bmarshal\b|\bsocket\s*\.|__subclasses__"
)


def _python(data: bytes, depth: int = 0) -> list[Note]:
    from mlguard.scanners.code.names import Names
    from mlguard.scanners.code.tree import parse

    tree = parse(data)
    tree.place_all()
    starts = [0]
    for piece in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(piece))
    notes: dict[str, int] = {}
    for note, node in _seen(tree, Names(tree), depth):
        line = getattr(node, "lineno", 1) - 1
        notes.setdefault(note, starts[min(line, len(starts) - 1)])
    return list(notes.items())


def _seen(tree: Tree, names: Names, depth: int) -> Iterator[tuple[str, ast.AST]]:
    """Yield a note and its node for each thing that no model needs."""
    modules = _bound_modules(tree)
    for node in tree.nodes:
        if isinstance(node, ast.Call):
            yield from _call(node, tree.scope(node), names, depth)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if note := _note(f"{node.module}.{alias.name}" if node.module and not node.level else ""):
                    yield note, node
        elif isinstance(node, ast.Attribute):
            if node.attr in _HIDDEN:
                yield _INSIDES, node
            elif note := _reference(node, modules, tree, names):
                yield note, node
        elif isinstance(node, ast.Name):
            if (
                node.id in _TEXT_RUNNERS
                and isinstance(node.ctx, ast.Load)
                and not _is_called(node)
                and not _is_own(node.id, tree)
            ):
                yield _EVALUATES, node
        elif isinstance(node, ast.Subscript):
            if isinstance(node.value, ast.Attribute) and node.value.attr in ("modules", "__dict__"):
                owner = node.value.value
                held = modules.get(owner.id) if isinstance(owner, ast.Name) else ""
                asked = node.slice.value if isinstance(node.slice, ast.Constant) else ""
                if (held if node.value.attr == "__dict__" else asked) in _ROOTS_OF_DANGER:
                    yield _INSIDES, node
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and len(node.value) > 5
            and not _is_docstring(node)
        ):
            if _SECRET_PLACES.search(node.value):
                yield _CREDENTIALS, node
            elif _START_PLACES.search(node.value):
                yield _PERSISTS, node


def _bound_modules(tree: Tree) -> dict[str, str]:
    """Return what each name stands for that an import binds anywhere in the file."""
    bound: dict[str, str] = {}
    for node in tree.of(ast.Import, ast.ImportFrom):
        bound.update(tree.scope(node).imports)
    return bound


def _reference(node: ast.Attribute, modules: dict[str, str], tree: Tree, names: Names) -> str:
    """Return the note on ``os.system`` where it is not called but handed on."""
    parts = [node.attr]
    value = node.value
    while isinstance(value, ast.Attribute):
        parts.append(value.attr)
        value = value.value
    base = ""
    if isinstance(value, ast.Name):
        base = modules.get(value.id, "")
    elif isinstance(value, ast.Call):
        base = names.path(value, tree.scope(value))  # __import__("os").system
    return _named(".".join([base, *reversed(parts)])) if base else ""


def _named(dotted: str) -> str:
    """Return the note on a function by its full name, or ""."""
    first, _, rest = dotted.partition(".")
    if first in ("posix", "nt"):
        dotted = f"os.{rest}"
    return _CALLS.get(dotted, "") or (_PROGRAMS if _STARTS.match(dotted) else "")


def _note(path: str) -> str:
    """Return the note on a dotted path that is called or imported, or ""."""
    if not path or path in _HARMLESS:
        return ""
    if found := _named(path):
        return found
    parts = path.split(".")
    for count in (1, 2):
        base = ".".join(parts[:count])
        if base in _MODULES and len(parts) > count and not parts[-1].endswith(("Error", "Exception", "Warning")):
            return _MODULES[base]
    return ""


def _call(node: ast.Call, scope: Scope, names: Names, depth: int) -> Iterator[tuple[str, ast.AST]]:
    path = names.path(node.func, scope).replace("()", "")
    written = node.func.id if isinstance(node.func, ast.Name) else ""
    first = node.args[0] if node.args else None
    if path in ("exec", "eval", "compile", "builtins.exec", "builtins.eval", "builtins.compile"):
        yield from _evaluated(node, first, scope, names, depth)
        return
    if note := _note(path):
        yield note, node
    elif path == "getattr" and len(node.args) >= 2:
        owner, text = names.path(node.args[0], scope), names.constant(node.args[1], scope)
        hidden = text in _HIDDEN | _TEXT_RUNNERS if isinstance(text, str) else owner.split(".")[0] in _ROOTS_OF_DANGER
        if hidden:
            yield _INSIDES, node
    elif written == "__import__" or path == "__import__":
        text = names.constant(first, scope)
        if not isinstance(text, str) or text.split(".")[0] in _MODULES:
            yield _INSIDES if not isinstance(text, str) else _MODULES[text.split(".")[0]], node
    elif path == "importlib.import_module" and isinstance(text := names.constant(first, scope), str):
        if text.split(".")[0] in _MODULES:
            yield _MODULES[text.split(".")[0]], node
    elif path in ("vars", "globals", "locals") and isinstance(_parent(node), ast.Subscript):
        owner = names.path(first, scope) if first is not None else ""
        key = names.constant(getattr(_parent(node), "slice", None), scope)
        if owner.split(".")[0] in _ROOTS_OF_DANGER or key in _TEXT_RUNNERS:
            yield _INSIDES, node
    elif (
        path in ("shutil.rmtree", "os.removedirs")
        and isinstance(text := names.constant(first, scope), str)
        and text[:1] in ("/", "~")
    ):
        yield "deletes folders outside its own", node
    if any(word.arg == "trust_remote_code" and getattr(word.value, "value", None) is True for word in node.keywords):
        yield _FETCHES, node
    if any(word.arg == "shell" and getattr(word.value, "value", None) is True for word in node.keywords):
        yield _PROGRAMS, node


def _evaluated(
    node: ast.Call, first: ast.expr | None, scope: Scope, names: Names, depth: int
) -> Iterator[tuple[str, ast.AST]]:
    """Text that is evaluated: when it is constant, what it does."""
    text = names.constant(first, scope)
    if not isinstance(text, (str, bytes)):
        yield _EVALUATES, node
        return
    if depth >= MAX_NESTED:
        yield _EVALUATES, node
        return
    try:
        for note, _ in _python(text if isinstance(text, bytes) else text.encode("utf-8", "replace"), depth + 1):
            yield note, node
    except Unreadable:
        yield _EVALUATES, node


def _parent(node: ast.AST) -> ast.AST | None:
    found: ast.AST | None = getattr(node, "_bandit_parent", None)  # where the tree keeps it
    return found


def _is_called(node: ast.AST) -> bool:
    above = _parent(node)
    return isinstance(above, ast.Call) and above.func is node


def _is_own(name: str, tree: Tree) -> bool:
    return name in tree.root.values or name in tree.root.imports


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(_parent(node), ast.Expr)
