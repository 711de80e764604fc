"""Checks on what code runs: commands, expressions, SQL, what a language model wrote, and what it downloads."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from mlguard.scanners.code.names import MAX_VALUES, Unknown
from mlguard.scanners.code.seeing import Call, Sight, leading_text, on_call
from mlguard.scanners.code.tree import Scope

INJECTION = "code/command-or-code-injection"
SQL = "code/sql-injection"
DOWNLOAD = "code/unverified-download"

PROCESSES = frozenset(f"subprocess.{name}" for name in ("run", "call", "Popen", "check_call", "check_output"))
SHELLS = frozenset(
    [
        "os.system",
        "os.popen",
        "commands.getoutput",
        "commands.getstatusoutput",
        "subprocess.getoutput",
        "subprocess.getstatusoutput",
        "asyncio.create_subprocess_shell",
        "asyncio.subprocess.create_subprocess_shell",
    ]
)
_NATIVE = frozenset(
    "torch.ops.load_library torch.classes.load_library tensorflow.load_op_library tensorflow.load_library".split()  # noqa: SIM905
)
_TOOLS = frozenset("PythonREPLTool PythonAstREPLTool PythonREPL ShellTool BashProcess create_python_agent".split())  # noqa: SIM905
_LLM = re.compile(
    r"(?:chat\.completions\.(?:create|parse)|\bcompletions\.create|responses\.create|\bmessages\.create|generate_content"
    r"|\b(?:llm|chat_?model|chain|agent|agent_executor)\.(?:a?invoke|predict|run)|chat\.complete|ChatCompletion\.create|\bCompletion\.create|^litellm\.(?:a?completion)|^ollama\.(?:chat|generate))$"
)


@on_call(
    "exec",
    "eval",
    "CDLL",
    "LoadLibrary",
    "load_library",
    "load_op_library",
    *_TOOLS,
    *(path.rpartition(".")[2] for path in PROCESSES | SHELLS),
    keywords=["allow_dangerous_code"],
)
def injection(call: Call) -> Iterator[Sight]:
    """Text that becomes a command or code."""
    path = call.path
    first = call.argument(0, "args", "cmd", "command")
    runs = path in ("exec", "eval") or path in SHELLS or path in PROCESSES
    if runs and first is not None and from_model(first, call.scope, call):
        yield call.sees(INJECTION, "llm-output-executed")
    elif path in SHELLS or (path in PROCESSES and call.value("shell") is True):
        if first is not None and not _settled(first, call):
            yield call.sees(INJECTION, "shell-command")
    elif path in _NATIVE or (path in ("ctypes.CDLL", "ctypes.cdll.LoadLibrary") and isinstance(first, ast.Name)):
        handed = not path.startswith("ctypes") or (
            isinstance(first, ast.Name) and call.names.is_parameter(first.id, call.scope)
        )
        argument = call.argument(0)
        if handed and argument is not None and not call.is_constant(argument):
            yield call.sees(INJECTION, "native-library-load")
    elif path == "pandas.eval":
        if not call.is_constant(call.argument(0, "expr")):
            yield call.sees(INJECTION, "pandas-eval")
    elif call.last in _TOOLS and path.startswith("langchain") or call.value("allow_dangerous_code") is True:
        yield call.sees(INJECTION, "code-execution-tool")


def _settled(node: ast.expr, call: Call) -> bool:
    """Say whether a command is constant, or has nothing but quoted values in it."""
    if call.is_constant(node):
        return True
    if isinstance(node, ast.List | ast.Tuple):
        return all(_settled(item, call) for item in node.elts)
    if isinstance(node, ast.Name):
        single = call.names.single(node.id, call.scope)
        return single is not None and isinstance(single[0], ast.JoinedStr | ast.BinOp) and _settled(single[0], call)
    if isinstance(node, ast.JoinedStr):
        return all(_settled(part.value, call) for part in node.values if isinstance(part, ast.FormattedValue))
    if isinstance(node, ast.BinOp):
        return _settled(node.left, call) and _settled(node.right, call)
    return isinstance(node, ast.Call) and call.names.path(node.func, call.scope) in (
        "shlex.quote", "shlex.join", "pipes.quote", "int", "float", "len",
    )  # fmt: skip


_CARRIERS = frozenset({"str", "textwrap.dedent"})


def from_model(node: ast.AST | None, scope: Scope, call: Call, depth: int = 8) -> bool:
    """Say whether an expression is made of what a language model answered."""
    if depth == 0 or node is None:
        return False
    if isinstance(node, ast.Call):
        path = call.names.path(node.func, scope)
        if _LLM.search(path.replace("()", "")) or _LLM.search(call.names.written(node.func)):
            return True
        if path in _CARRIERS or path.startswith("re."):
            return any(from_model(argument, scope, call, depth - 1) for argument in node.args)
        if (function := call.names.function(node.func, scope)) is not None:
            inner = call.source.tree.inner(function)
            return any(from_model(value, inner, call, max(depth - 3, 0)) for value in call.names.returned(function))
        return isinstance(node.func, ast.Attribute) and from_model(node.func.value, scope, call, depth - 1)
    return any(from_model(part, inner, call, depth - 1) for part, inner in _made_of(node, scope, call))


def _made_of(node: ast.AST, scope: Scope, call: Call) -> Iterator[tuple[ast.AST | None, Scope]]:
    """Yield the expressions whose text an expression holds."""
    if isinstance(node, ast.Attribute | ast.Subscript | ast.Await | ast.Starred | ast.FormattedValue | ast.NamedExpr):
        yield node.value, scope
    elif isinstance(node, ast.JoinedStr | ast.BoolOp):
        yield from ((part, scope) for part in node.values)
    elif isinstance(node, ast.BinOp):
        yield from ((node.left, scope), (node.right, scope))
    elif isinstance(node, ast.List | ast.Tuple):
        yield from ((item, scope) for item in node.elts)
    elif isinstance(node, ast.IfExp):
        yield from ((node.body, scope), (node.orelse, scope))
    elif isinstance(node, ast.Name):
        holder = call.names.holder(node.id, scope)
        if holder is not None:
            yield from ((value, holder) for value in holder.values.get(node.id, [])[:MAX_VALUES])


_REQUEST = re.compile(
    r"^flask\.request\.(?:args|form|values|json|data|get_json|get_data|headers|cookies|view_args|query_string)\b"
)
_TEXT_METHODS = frozenset(
    {"get", "decode", "strip", "format", "replace", "join", "lower", "upper", "getlist", "get_json"}
)


def from_request(node: ast.AST | None, scope: Scope, call: Call, depth: int = 8) -> bool:
    """Say whether an expression is made of what a caller sent to a Flask application."""
    if depth == 0 or node is None:
        return False
    if isinstance(node, ast.Attribute) and _REQUEST.match(call.names.path(node, scope)):
        return True
    if isinstance(node, ast.Call):
        if _REQUEST.match(call.names.path(node.func, scope)):
            return True
        if isinstance(node.func, ast.Attribute) and node.func.attr in _TEXT_METHODS:
            return any(from_request(part, scope, call, depth - 1) for part in (node.func.value, *node.args))
        if call.names.path(node.func, scope) == "str":
            return any(from_request(part, scope, call, depth - 1) for part in node.args)
        return False
    return any(from_request(part, inner, call, depth - 1) for part, inner in _made_of(node, scope, call))


_TEMPLATES = frozenset(
    [
        "flask.render_template_string",
        "flask.templating.render_template_string",
        "jinja2.Template",
        "jinja2.environment.Template",
        "jinja2.Environment().from_string",
        "jinja2.environment.Environment().from_string",
        "mako.template.Template",
    ]
)


@on_call("render_template_string", "Template", "from_string")
def templates(call: Call) -> Iterator[Sight]:
    """Text from outside that becomes a template: its expressions reach every object of the process."""
    if call.path not in _TEMPLATES:
        return
    text = call.argument(0, "source", "text")
    if from_model(text, call.scope, call) or from_request(text, call.scope, call):
        yield call.sees(INJECTION, "template-from-outside")


_STATEMENT = re.compile(
    r"^\s*(?:select|insert|update|delete|drop|alter|create|merge|replace|with|grant|truncate)\b", re.I
)
_NAME_SLOT = re.compile(
    r"\b(?:select|distinct|from|join|into|update|table|database|schema|view|index|by|as|on)\s+[\"'`\[]?$", re.I
)
_SQL_READERS = frozenset({"pandas.read_sql", "pandas.read_sql_query", "sqlalchemy.text", "sqlalchemy.sql.text", "duckdb.sql",
                          "duckdb.query", "duckdb.execute", "polars.read_database"})  # fmt: skip
SQL_METHODS = frozenset({"execute", "executemany", "executescript"})
SQL_SESSIONS = frozenset({"sql", "query", "raw", "query_df", "execute_query", "fetch", "fetchrow", "fetchval"})


@on_call(
    *SQL_METHODS, *SQL_SESSIONS, *(path.rpartition(".")[2] for path in _SQL_READERS), "from_llm", "create_sql_agent"
)
def sql(call: Call) -> Iterator[Sight]:
    """Queries whose text holds values."""
    if call.path in _SQL_READERS or call.last in SQL_METHODS or call.last in SQL_SESSIONS:
        query = call.argument(0, "sql", "query", "text")
        if (
            query is not None
            and _mixes_values(query, call)
            or query is not None
            and from_model(query, call.scope, call)
        ):
            yield call.sees(SQL, "formatted-sql", also=query)
    elif "langchain" in call.path and ("SQLDatabaseChain.from_llm" in call.path or call.last == "create_sql_agent"):
        yield call.sees(SQL, "writable-text-to-sql")


def _mixes_values(node: ast.AST, call: Call) -> bool:
    """Say whether a string expression is SQL with a value in it that is not constant, other than as a name."""
    if isinstance(node, ast.Name):
        single = call.names.single(node.id, call.scope)
        if call.names.is_parameter(node.id, call.scope):
            return False
        if single is None:
            return _grows(node.id, call)
        node = single[0]
    if call.is_constant(node) or not _STATEMENT.match(leading_text(node, call)):
        return False
    if isinstance(node, ast.JoinedStr):
        before = ""
        for part in node.values:
            if isinstance(part, ast.FormattedValue) and isinstance(call.constant(part.value), Unknown):
                if not _NAME_SLOT.search(before) and not _placeholders(part.value, call):
                    return True
                before = "x"
            else:
                before = str(getattr(part, "value", "x"))
        return False
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return True
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return not _NAME_SLOT.search(leading_text(node, call))
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format"


_VALUE_SLOT = re.compile(r"(?:=|<|>|\blike|\bin|\bvalues)\s*\(?\s*[\"']%?$", re.I)


def _grows(name: str, call: Call) -> bool:
    """Say whether a statement is begun as a constant, and a value in quotes is added to it."""
    holder = call.names.holder(name, call.scope)
    values = holder.values.get(name, []) if holder else []
    if holder is None or not values or len(values) > MAX_VALUES:
        return False
    begun = call.names.constant(values[0], holder)
    if not isinstance(begun, str) or not _STATEMENT.match(begun):
        return False
    return any(_adds_value(part, begun, call) for part in holder.grown.get(name, []))


def _adds_value(node: ast.expr, before: str, call: Call) -> bool:
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        if isinstance(node.left, ast.BinOp):
            node = node.left
            continue
        before, node = str(call.constant(node.left)), node.right
    if isinstance(node, ast.JoinedStr):
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                if _VALUE_SLOT.search(before) and isinstance(call.constant(part.value), Unknown):
                    return True
            else:
                before = str(getattr(part, "value", ""))
        return False
    return bool(_VALUE_SLOT.search(before)) and not call.is_constant(node)


def _placeholders(node: ast.expr, call: Call) -> bool:
    """Say whether a value is itself a row of placeholders, as in ``", ".join("?" for …)``."""
    text = call.names.written(node).lower()
    if re.search(r"placeholder|params|marks|columns|cols|fields|where|clause", text):
        return True
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "join":
        return True
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)


_READS = re.compile(r"^(?:pandas|polars|geopandas|dask\.dataframe)\.(?:read|scan)_\w+$")
_STORES = frozenset(
    [
        "urllib.request.urlretrieve",
        "urllib.urlretrieve",
        "six.moves.urllib.request.urlretrieve",
        "wget.download",
        "gdown.download",
        "torch.hub.download_url_to_file",
        "torch.hub.load_state_dict_from_url",
        "torch.utils.model_zoo.load_url",
    ]
)
_GETS = re.compile(r"^(?:requests|httpx)\.(?:get|stream)$|^(?:requests\.Session|httpx\.Client)\(\)\.(?:get|stream)$")
_DATA_FILE = re.compile(
    r"\.(?:csv|tsv|json|jsonl|parquet|zip|gz|tgz|tar|bz2|xz|zst|pt|pth|pkl|onnx|h5|bin|safetensors|npy|npz|txt|xlsx?|ckpt)$",
    re.I,
)
_INSIDE = re.compile(
    r"^(?:localhost|127\.|0\.0\.0\.0|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|\[?::1|[^.]+$|.*\.(?:local|internal|svc)$)"
)


@on_call(
    "read_*",
    "scan_*",
    *(path.rpartition(".")[2] for path in _STORES | PROCESSES | SHELLS),
    "get_file",
    "urlopen",
    "retrieve",
    "main",
)
def download(call: Call) -> Iterator[Sight]:
    """Data and models that are fetched without protection or proof."""
    path = call.path
    get_file = call.last == "get_file" and "keras" in path
    if _READS.match(path) or path in _STORES or get_file or path.endswith("urllib.request.urlopen"):
        address = call.argument(1, "origin") if get_file else call.argument(0, "url", "filepath_or_buffer", "path")
        text = leading_text(address, call)
        if text.lower().startswith(("http://", "ftp://")) and _counts(text, call):
            yield call.sees(DOWNLOAD, "plain-http")
            return
    if path in _STORES or get_file or path == "pooch.retrieve":
        yield from _unchecked(call, get_file)
    elif (path in PROCESSES or path in SHELLS or path in ("pip.main", "pip._internal.main")) and _installs(call):
        yield call.sees(DOWNLOAD, "runtime-install")


@on_call("get", "stream", imports=["requests", "httpx"])
def fetched(call: Call) -> Iterator[Sight]:
    """Data and models that a client of HTTP gets without protection."""
    if _GETS.match(call.path):
        text = leading_text(call.argument(0, "url"), call)
        if text.lower().startswith("http://") and _counts(text, call):
            yield call.sees(DOWNLOAD, "plain-http")


def _counts(text: str, call: Call) -> bool:
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        return False
    if not host or _INSIDE.match(host):
        return False
    return not _GETS.match(call.path) or bool(_DATA_FILE.search(parts.path))


def _unchecked(call: Call, get_file: bool) -> Iterator[Sight]:
    if "hashlib" in call.source.tree.imported:
        return  # the file compares digests, or could
    if call.path == "pooch.retrieve":
        if call.constant(call.argument(1, "known_hash")) is None and (
            "known_hash" in call.keywords or len(call.node.args) > 1
        ):
            yield call.sees(DOWNLOAD, "no-checksum")
        return
    given = ("file_hash", "md5_hash", "hash_prefix", "sha256", "hash")
    checked = any(name in call.keywords for name in given) or call.value("check_hash") is True
    if not checked and not call.names.open_ended(call.node, call.scope):
        yield call.sees(DOWNLOAD, "no-checksum")


def _installs(call: Call) -> bool:
    first = call.argument(0, "args")
    if isinstance(first, ast.List | ast.Tuple):
        words = [call.constant(item) for item in first.elts]
        pairs = list(itertools.pairwise(words))
        return any(pair in (("pip", "install"), ("pip3", "install")) for pair in pairs) or (
            call.path.startswith("pip.") and words[:1] == ["install"]
        )
    return bool(re.match(r"^\s*(?:\S*python\S* -m )?pip3? install\b", leading_text(first, call)))


CHECKS = (injection, templates, sql, download, fetched)
