"""Checks on what code runs: commands, expressions, SQL, what a language model wrote, and what it downloads."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from mlguard.scanners.code.names import Unknown
from mlguard.scanners.code.seeing import Call, Sight, leading_text
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
    r"|chat\.complete|ChatCompletion\.create|\bCompletion\.create|^litellm\.(?:a?completion)|^ollama\.(?:chat|generate))$"
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
    if isinstance(node, ast.Attribute | ast.Subscript | ast.Await | ast.Starred | ast.FormattedValue):
        return from_model(node.value, scope, call, depth - 1)
    if isinstance(node, ast.JoinedStr):
        return any(from_model(part, scope, call, depth - 1) for part in node.values)
    if isinstance(node, ast.BinOp):
        return from_model(node.left, scope, call, depth - 1) or from_model(node.right, scope, call, depth - 1)
    if isinstance(node, ast.List | ast.Tuple):
        return any(from_model(item, scope, call, depth - 1) for item in node.elts)
    if isinstance(node, ast.Name):
        holder = call.names.holder(node.id, scope)
        values = holder.values.get(node.id, []) if holder else []
        return any(from_model(value, holder or scope, call, depth - 1) for value in values)
    if isinstance(node, ast.Call):
        path = call.names.path(node.func, scope)
        if _LLM.search(path.replace("()", "")) or _LLM.search(call.names.written(node.func)):
            return True
        if path in _CARRIERS or path.startswith("re."):
            return any(from_model(argument, scope, call, depth - 1) for argument in node.args)
        return isinstance(node.func, ast.Attribute) and from_model(node.func.value, scope, call, depth - 1)
    return False


_STATEMENT = re.compile(
    r"^\s*(?:select|insert|update|delete|drop|alter|create|merge|replace|with|grant|truncate)\b", re.I
)
_NAME_SLOT = re.compile(
    r"\b(?:select|distinct|from|join|into|update|table|database|schema|view|index|by|as|on)\s+[\"'`\[]?$", re.I
)
_SQL_READERS = frozenset({"pandas.read_sql", "pandas.read_sql_query", "sqlalchemy.text", "sqlalchemy.sql.text", "duckdb.sql",
                          "duckdb.query", "duckdb.execute", "polars.read_database"})  # fmt: skip
SQL_METHODS = frozenset({"execute", "executemany", "executescript"})


def sql(call: Call) -> Iterator[Sight]:
    """Queries whose text holds values."""
    if call.path in _SQL_READERS or call.last in SQL_METHODS:
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
        if single is None or call.names.is_parameter(node.id, call.scope):
            return False
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


def download(call: Call) -> Iterator[Sight]:
    """Data and models that are fetched without protection or proof."""
    path = call.path
    get_file = call.last == "get_file" and "keras" in path
    if (
        _READS.match(path)
        or path in _STORES
        or get_file
        or path.endswith("urllib.request.urlopen")
        or _GETS.match(path)
    ):
        address = call.argument(1, "origin") if get_file else call.argument(0, "url", "filepath_or_buffer", "path")
        text = leading_text(address, call)
        if text.lower().startswith(("http://", "ftp://")) and _counts(text, call):
            yield call.sees(DOWNLOAD, "plain-http")
            return
    if path in _STORES or get_file or path == "pooch.retrieve":
        yield from _unchecked(call, get_file)
    elif (path in PROCESSES or path in SHELLS or path in ("pip.main", "pip._internal.main")) and _installs(call):
        yield call.sees(DOWNLOAD, "runtime-install")


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


CHECKS = (injection, sql, download)
