"""Checks on what code runs: commands, expressions, templates and native libraries whose text comes from elsewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import partial

from mlguard import lazy
from mlguard.scanners.code import queries, taint
from mlguard.scanners.code.names import Unknown
from mlguard.scanners.code.seeing import Call, Sight, leading_text, on_call

INJECTION = "code/command-or-code-injection"

PROCESSES = frozenset(f"subprocess.{name}" for name in ("run", "call", "Popen", "check_call", "check_output")) | {
    "asyncio.create_subprocess_exec", "asyncio.subprocess.create_subprocess_exec", "pexpect.spawn", "pty.spawn",
}  # fmt: skip
SHELLS = frozenset(
    [
        "os.system", "os.popen", "commands.getoutput", "commands.getstatusoutput", "subprocess.getoutput", "subprocess.getstatusoutput",
        "asyncio.create_subprocess_shell", "asyncio.subprocess.create_subprocess_shell", "popen2.popen2", "pexpect.run", "pexpect.runu",
        "invoke.run", "invoke.context.Context().run", "fabric.Connection().run", "fabric.Connection().sudo", "fabric.Connection().local",
        "fabric.connection.Connection().run", "fabric.api.run", "fabric.api.local", "fabric.api.sudo", "plumbum.local",
        "paramiko.SSHClient().exec_command", "paramiko.client.SSHClient().exec_command", "anyio.run_process", "trio.run_process",
    ]
)  # fmt: skip
REPLACING = frozenset(f"os.{name}" for name in ("execl", "execle", "execlp", "execv", "execve", "execvp", "execvpe", "spawnl", "spawnle",
                                                "spawnlp", "spawnv", "spawnve", "spawnvp", "posix_spawn", "startfile"))  # fmt: skip
EVALUATORS = frozenset(
    {"exec", "eval", "builtins.exec", "builtins.eval", "code.InteractiveInterpreter().runcode",
     "code.InteractiveInterpreter().runsource", "code.InteractiveConsole().push", "code.InteractiveConsole().runsource", "runpy.run_path",
     "runpy.run_module", "timeit.timeit", "importlib.import_module", "__import__", "ast.unparse", "numexpr.evaluate", "sympy.sympify",
     "sympy.parsing.sympy_parser.parse_expr", "sympy.parse_expr", "dask.dataframe.eval", "asteval.Interpreter().eval", "cProfile.run"}
) - {"ast.unparse"}  # fmt: skip
_IMPORTERS = frozenset({"importlib.import_module", "__import__", "runpy.run_module"})
_RUNNERS = PROCESSES | SHELLS | REPLACING | EVALUATORS
_NATIVE = frozenset(
    {"torch.ops.load_library", "torch.classes.load_library", "tensorflow.load_op_library", "tensorflow.load_library", "ctypes.CDLL",
     "ctypes.PyDLL", "ctypes.WinDLL", "ctypes.cdll.LoadLibrary", "ctypes.windll.LoadLibrary", "cffi.FFI().dlopen", "_ctypes.dlopen",
     "tensorflow.experimental.register_filesystem_plugin", "numpy.ctypeslib.load_library", "mxnet.library.load", "sqlite3.Connection().load_extension",
     "sqlite3.connect().load_extension", "onnxruntime.SessionOptions().register_custom_ops_library", "tvm.runtime.load_module",
     "xgboost.core._load_lib"}
)  # fmt: skip
_BUILDERS = frozenset({"torch.utils.cpp_extension.load", "torch.utils.cpp_extension.load_inline"})
_COMPILERS = lazy.pattern(r"^numpy\.f2py\.(?:compile|run_main)$|^distutils\.core\.run_setup$|^setuptools\.sandbox\.run_setup$"
                        r"|^torch\.utils\.cpp_extension\.load_inline$|^cupy\.RawKernel$|^cupy\.RawModule$|^pycuda\.compiler\.SourceModule$"
                        r"|^scipy\.weave\.inline$|^pyximport\.install$|^Cython\.inline$|^cython\.inline$")  # fmt: skip


@on_call(
    *{path.rpartition(".")[2] for path in _RUNNERS | _NATIVE | _BUILDERS} - {"load", "evaluate", "compile", "push", "runcode"},
    "compile", "evaluate", "runcode", "run_main", "run_setup", "inline", "RawKernel", "RawModule", "SourceModule",
)  # fmt: skip
def injection(call: Call) -> Iterator[Sight]:
    """Text that becomes a command or code."""
    path = call.path
    if path in _RUNNERS:
        yield from _run(call, path)
    elif path in _BUILDERS:
        sources = [call.argument(1, "sources", "cpp_sources"), call.keywords.get("cuda_sources")]
        if any(source is not None and _is_handed(source, call, ctypes=True) for source in sources):
            yield call.sees(INJECTION, "f2py-compile")
    elif path in _NATIVE:
        argument = call.argument(
            1 if path == "numpy.ctypeslib.load_library" else 0, "name", "path", "library_path", "library_filename"
        )
        if argument is not None and _is_handed(
            argument, call, ctypes=path.startswith(("ctypes", "cffi", "numpy", "_ctypes"))
        ):
            yield call.sees(INJECTION, "native-library-load")
    elif _COMPILERS.match(path):
        argument = call.argument(0, "source", "code", "comline_list", "setup_script", "cmd")
        if argument is not None and not call.is_constant(argument) and not _settled(argument, call):
            yield call.sees(INJECTION, "f2py-compile")


def _run(call: Call, path: str) -> Iterator[Sight]:
    first = call.argument(
        0, "args", "cmd", "command", "source", "object", "expression", "ex", "s", "path_name", "mod_name", "name"
    )
    if first is None or call.is_constant(first):
        return
    labels = _labels(first, call)
    if path in REPLACING:
        if call.names.path(first, call.scope) == "sys.executable" and "model" not in labels:
            return  # the program starts itself anew
        labels = labels.union(*(_labels(argument, call) for argument in call.node.args[1:]))
    if "model" in labels:
        yield call.sees(INJECTION, "llm-output-executed")
    elif path in SHELLS or (path in PROCESSES and _shell(call, first)):
        if not _settled(_command(call, first), call):
            yield call.sees(INJECTION, "shell-command")
    elif (
        "request" in labels
        and ("terminal" not in labels or path not in _IMPORTERS)
        and (path in EVALUATORS or (_program(first, call) and not call.source.tree.roots.isdisjoint(_SERVED)))
    ):
        yield call.sees(INJECTION, "code-from-outside")


_SERVED = frozenset({"flask", "fastapi", "starlette", "quart", "django", "aiohttp", "sanic", "bottle", "tornado", "litestar", "gradio", "streamlit", "websockets",
                     "mcp", "fastmcp", "robyn", "bentoml", "litserve", "socketserver", "http"})  # fmt: skip
"""What a program imports that answers others. On a command line it is its own user who chooses what runs."""


def _labels(node: ast.AST, call: Call) -> taint.Labels:
    return taint.of(node, call.scope, call.names)


def _shell(call: Call, first: ast.expr) -> bool:
    """Say whether a command goes through a shell: by ``shell=True``, or as ``["bash", "-c", text]``."""
    if "shell" in call.keywords and call.value("shell") in (True, 1):
        return True
    return _command(call, first) is not first


def _command(call: Call, first: ast.expr) -> ast.expr:
    """Return the text that a shell named in a list of arguments is given."""
    node: ast.AST = first
    if isinstance(first, ast.Name):
        single = call.names.single(first.id, call.scope)
        node = single[0] if single else first
    if isinstance(node, ast.List | ast.Tuple) and len(node.elts) >= 3:
        shell, flag = call.constant(node.elts[0]), call.constant(node.elts[1])
        if (
            isinstance(shell, str)
            and re.search(r"(?:^|/)(?:ba|z|da|k)?sh$|(?:^|\\)(?:cmd|powershell|pwsh)(?:\.exe)?$", shell)
            and flag in ("-c", "-lc", "-ec", "-xc", "/c", "/C", "-Command")
        ):
            return node.elts[2]
    return first


def _program(node: ast.expr, call: Call) -> bool:
    """Say whether what a caller sent decides which program runs, not only one of its arguments."""
    if isinstance(node, ast.List | ast.Tuple):
        return bool(node.elts) and "request" in _labels(node.elts[0], call)
    if isinstance(node, ast.Name):
        single = call.names.single(node.id, call.scope)
        if single and isinstance(single[0], ast.List | ast.Tuple):
            return _program(single[0], call)
    return True


def _is_handed(node: ast.expr, call: Call, ctypes: bool) -> bool:
    """Say whether the path of a library is decided elsewhere. For C libraries in general: only by a parameter or a caller."""
    if call.is_constant(node):
        return False
    if not ctypes:
        return True
    if isinstance(node, ast.Name) and call.names.is_parameter(node.id, call.scope):
        return True
    if isinstance(node, ast.Name):
        single = call.names.single(node.id, call.scope)
        node = single[0] if single and isinstance(single[0], ast.expr) else node
    asked = node.func if isinstance(node, ast.Call) else node.value if isinstance(node, ast.Subscript) else None
    if call.names.path(asked, call.scope) in ("os.getenv", "os.environ", "os.environ.get"):
        return True
    return "request" in _labels(node, call)


_QUOTING = frozenset(
    {
        "shlex.quote",
        "shlex.join",
        "pipes.quote",
        "int",
        "float",
        "len",
        "shlex.split",
        "os.getpid",
        "subprocess.list2cmdline",
        "round",
    }
)


def _settled(node: ast.expr, call: Call, depth: int = 6) -> bool:
    """Say whether a command is constant, or has nothing but quoted values in it."""
    if depth == 0:
        return False
    if call.is_constant(node) or (
        isinstance(node, ast.Attribute) and call.names.path(node, call.scope) in ("sys.executable", "sys.prefix")
    ):
        return True
    if isinstance(node, ast.List | ast.Tuple):
        return all(_settled(item, call, depth - 1) for item in node.elts)
    if isinstance(node, ast.Name):
        return call.source.once(f"settled {depth}", id(node), partial(_settled_name, node, call, depth))
    if isinstance(node, ast.JoinedStr):
        return all(
            _settled(part.value, call, depth - 1) for part in node.values if isinstance(part, ast.FormattedValue)
        )
    if isinstance(node, ast.BinOp):
        return _settled(node.left, call, depth - 1) and _settled(node.right, call, depth - 1)
    if isinstance(node, ast.IfExp):
        return _settled(node.body, call, depth - 1) and _settled(node.orelse, call, depth - 1)
    if not isinstance(node, ast.Call):
        return False
    if call.names.path(node.func, call.scope) in _QUOTING:
        return True
    joins = (
        isinstance(node.func, ast.Attribute)
        and node.func.attr in ("join", "format")
        and call.is_constant(node.func.value)
    )
    return joins and all(
        _quoted(value, call, depth - 1) for value in [*node.args, *(keyword.value for keyword in node.keywords)]
    )


def _settled_name(node: ast.Name, call: Call, depth: int) -> bool:
    holder = call.names.holder(node.id, call.scope)
    if holder is None or node.id in holder.parameters or node.id in holder.grown or node.id in holder.imports:
        return False
    kinds = ast.JoinedStr | ast.BinOp | ast.Call | ast.Attribute | ast.List | ast.Constant | ast.IfExp
    values = holder.values.get(node.id, ())
    if node.id in holder.parts:
        return queries.one_of_constants(node, call, call.scope)
    # A name may be made from itself: cmd = f"TZ=UTC {cmd}".
    return 0 < len(values) <= 4 and all(
        isinstance(value, kinds)
        and _settled(value, call, min(depth - 1, 3 if len(values) > 1 else depth))
        or value is not values[0]
        and _only_wraps(value, node.id, call)
        for value in values
    )


def _only_wraps(node: ast.AST | None, name: str, call: Call) -> bool:
    """Say whether a text adds nothing but constants to what a name held before."""
    if not isinstance(node, ast.JoinedStr):
        return False
    values = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
    return all(call.is_constant(value) or isinstance(value, ast.Name) and value.id == name for value in values)


def _quoted(node: ast.expr, call: Call, depth: int) -> bool:
    """Say whether each of several words of a command is settled."""
    if isinstance(node, ast.GeneratorExp | ast.ListComp):
        return _settled(node.elt, call, depth)
    if isinstance(node, ast.Call) and call.names.path(node.func, call.scope) == "map" and node.args:
        return call.names.path(node.args[0], call.scope) in _QUOTING
    return _settled(node, call, depth)


_FRAME_WORDS = lazy.pattern(
    r"(?:^|_)(?:df|frame|dataframe|data|table|pdf|gdf|ddf|train|test|rows|results?)(?:_|\d|$)", re.I
)


_FRAME_NAMES = lazy.pattern(r"(?:^|_)(?:df|pdf|data_?frame)$", re.I)


@on_call("eval", "query")
def expressions(call: Call) -> Iterator[Sight]:
    """Text that pandas evaluates."""
    if call.path in ("pandas.eval", "modin.pandas.eval"):
        if not call.is_constant(call.argument(0, "expr")):
            yield call.sees(INJECTION, "pandas-eval")
        return
    if call.receiver is None or call.path in ("eval", "builtins.eval"):
        return
    text = call.argument(0, "expr")
    if text is None or call.is_constant(text) or not _is_frame(call):
        return
    if _labels(text, call) & {"request", "model", "parameter"} and not _only_column_names(text, call):
        yield call.sees(INJECTION, "pandas-eval")


def _is_frame(call: Call) -> bool:
    if re.match(r"^(?:pandas|geopandas|modin\.pandas|dask\.dataframe)\.[\w.()]*\(\)\.(?:eval|query)$", call.path):
        return True
    if call.path:
        return False
    written = call.names.written(call.receiver) if call.receiver is not None else ""
    if "pandas" not in call.source.tree.roots:
        return bool(_FRAME_NAMES.search(written.rpartition(".")[2]))
    return bool(_FRAME_WORDS.search(written.rpartition(".")[2]))


def _only_column_names(node: ast.expr, call: Call) -> bool:
    """Say whether a value in an expression is a number, or stands as an ``@variable``, and nothing else is put in."""
    if not isinstance(node, ast.JoinedStr):
        return False
    values = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
    return all(
        isinstance(value, ast.Call) and call.names.path(value.func, call.scope) in ("int", "float", "len")
        for value in values
    )


_TEMPLATES = frozenset(
    [
        "flask.render_template_string", "flask.templating.render_template_string", "quart.render_template_string", "jinja2.Template",
        "jinja2.environment.Template", "jinja2.Environment().from_string", "jinja2.environment.Environment().from_string",
        "mako.template.Template", "tornado.template.Template", "django.template.Template", "chevron.render", "Cheetah.Template.Template",
        "jinja2.Environment().compile_expression", "jinja2.nativetypes.NativeEnvironment().from_string", "jinja2.nativetypes.NativeTemplate",
    ]
)  # fmt: skip


@on_call("render_template_string", "Template", "from_string", "compile_expression", "NativeTemplate")
def templates(call: Call) -> Iterator[Sight]:
    """Text from outside that becomes a template: its expressions reach every object of the process."""
    text = call.argument(0, "source", "text", "template_string")
    if text is None or call.is_constant(text):
        return
    if call.path not in _TEMPLATES and not (
        call.last == "from_string" and not call.path and "jinja2" in call.source.tree.roots
    ):
        return
    if _labels(text, call) & {"model", "request"}:
        yield call.sees(INJECTION, "template-from-outside")


def starts_with(node: ast.expr, call: Call, *starts: str) -> bool:
    """Say whether a text begins with one of some constants."""
    return leading_text(node, call).startswith(starts)


def is_unknown(node: ast.expr | None, call: Call) -> bool:
    """Say whether an expression has a value that cannot be told from the code."""
    return node is not None and isinstance(call.constant(node), Unknown)


CHECKS = (injection, expressions, templates)
