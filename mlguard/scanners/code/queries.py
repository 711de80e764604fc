"""Checks on queries of databases: text with values in it, and language models that may write."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import partial

from mlguard import lazy
from mlguard.scanners.code import taint
from mlguard.scanners.code.names import MAX_VALUES, Unknown
from mlguard.scanners.code.seeing import Call, Sight, leading_text, on_call
from mlguard.scanners.code.tree import FUNCTIONS, Scope

SQL = "code/sql-injection"

_STATEMENT = lazy.pattern(
    r"^\s*(?:select|insert|update|delete|drop|alter|create|merge|replace|with|grant|truncate)\b", re.I
)
_NAME_SLOT = lazy.pattern(
    r"\b(?:select|distinct|from|join|into|update|table|database|schema|view|index|by|as|on|exists|if not exists|columns?|copy|truncate|use|user|role|to|tablespace|catalog|sequence|function|trigger|extension|type|domain)\s+[\"'`\[]?[\w.]*$"
    r"|(?:\w|[\"'`\]])\.[\"'`\[]?$", re.I
)  # fmt: skip
_READERS = frozenset({"pandas.read_sql", "pandas.read_sql_query", "sqlalchemy.text", "sqlalchemy.sql.text", "sqlalchemy.sql.expression.text",
                      "duckdb.sql", "duckdb.query", "duckdb.execute", "polars.read_database", "polars.read_database_uri", "dask.dataframe.read_sql_query",
                      "connectorx.read_sql", "awswrangler.athena.read_sql_query", "awswrangler.redshift.read_sql_query", "pandas_gbq.read_gbq",
                      "pandas.read_gbq", "modin.pandas.read_sql"})  # fmt: skip
_METHODS = frozenset({"execute", "executemany", "executescript", "execute_async", "exec_driver_sql", "execute_sql"})
_SESSIONS = frozenset({"sql", "query", "raw", "query_df", "execute_query", "fetch", "fetchrow", "fetchval", "fetch_all", "fetch_one",
                       "read_sql", "read_sql_query"})  # fmt: skip


@on_call(*_METHODS, *_SESSIONS, *(path.rpartition(".")[2] for path in _READERS))
def sql(call: Call) -> Iterator[Sight]:
    """Queries whose text holds values."""
    position = 1 if call.path in ("connectorx.read_sql", "duckdb.DuckDBPyConnection.sql") else 0
    query = call.argument(position, "sql", "query", "text", "statement", "operation", "command")
    if query is None or isinstance(query, ast.Constant):
        return
    if _mixes_values(query, call) or (call.last not in ("query", "fetch", "raw", "sql") and _from_outside(query, call)):
        yield call.sees(SQL, "formatted-sql", also=query)


def _from_outside(query: ast.expr, call: Call) -> bool:
    """Say whether a language model or a caller wrote the whole query."""
    if not isinstance(query, ast.Name | ast.Attribute | ast.Subscript | ast.Call):
        return False
    labels = taint.of(query, call.scope, call.names)
    if "model" in labels:
        return call.path in _READERS or (call.last in _METHODS and _names_a_database(call))
    return "request" in labels and (call.path in _READERS or (call.last in _METHODS and _names_a_database(call)))


_DATABASES = frozenset(
    "sqlite3 aiosqlite psycopg psycopg2 asyncpg pg8000 pymysql MySQLdb mysql aiomysql sqlalchemy sqlmodel databases duckdb pyodbc aioodbc cx_Oracle "  # noqa: SIM905
    "oracledb snowflake trino prestodb clickhouse_driver clickhouse_connect pyspark cassandra django peewee tortoise records dataset pandas "
    "langchain langchain_community llama_index flask_sqlalchemy ibis".split()
)


def _names_a_database(call: Call) -> bool:
    written = call.names.written(call.receiver).lower() if call.receiver is not None else ""
    if call.path.split(".", 1)[0] in _DATABASES:
        return True
    if re.search(r"(?:^|[._])session$", written) and call.source.tree.roots.isdisjoint(_DATABASES):
        return False  # of something else, as a sandbox or a client
    return bool(
        re.search(
            r"(?:^|[._])(?:cur|cursor|conn|connection|db|database|engine|session|con|duckdb|sql\w*)(?:$|[._(])", written
        )
    )


def _mixes_values(node: ast.AST, call: Call) -> bool:
    """Say whether a string expression is SQL with a value in it that is not constant, other than as a name."""
    if (
        isinstance(node, ast.Call)
        and node.args
        and call.names.path(node.func, call.scope) in ("sqlalchemy.text", "sqlalchemy.sql.text")
    ):
        return False  # reported for itself
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("strip", "lstrip", "rstrip", "replace")
    ):
        node = node.func.value
    if (
        isinstance(node, ast.Call)
        and node.args
        and call.names.path(node.func, call.scope) in ("textwrap.dedent", "inspect.cleandoc", "str")
    ):
        node = node.args[0]
    if isinstance(node, ast.Name):
        if call.names.is_parameter(node.id, call.scope):
            return False
        single = call.names.single(node.id, call.scope)
        if single is None:
            return _grows(node.id, call)
        node = single[0]
        if isinstance(node, ast.Name | ast.Attribute):
            return False
    if call.is_constant(node) or not _STATEMENT.match(leading_text(node, call)):
        return False
    if isinstance(node, ast.JoinedStr):
        return _formatted(node, call)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return not _only_names(node, call)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _added(node, call)
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "format"
        and not _formats_names(node, call)
    )


def _formatted(node: ast.JoinedStr, call: Call) -> bool:
    before = ""
    for part in node.values:
        if isinstance(part, ast.FormattedValue) and isinstance(call.constant(part.value), Unknown):
            if not _NAME_SLOT.search(before) and not _harmless(part.value, call):
                return True
            before = "x"
        else:
            before = str(getattr(part, "value", "x"))
    return False


def _added(node: ast.BinOp, call: Call) -> bool:
    """Say whether a sum puts a value into a statement, other than as a name."""
    parts: list[ast.expr] = []
    stack: list[ast.expr] = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, ast.BinOp) and isinstance(item.op, ast.Add):
            stack += [item.right, item.left]
        else:
            parts.append(item)
    before = ""
    for part in parts:
        if isinstance(part, ast.JoinedStr):
            if _formatted(part, call):
                return True
            before = "x"
        elif isinstance(call.constant(part), Unknown):
            if not _NAME_SLOT.search(before) and not _harmless(part, call):
                return True
            before = "x"
        else:
            before = str(call.constant(part))
    return False


def _only_names(node: ast.BinOp, call: Call) -> bool:
    """Say whether every ``%s`` of a statement stands where a name stands."""
    text = call.constant(node.left)
    if not isinstance(text, str):
        return False
    slots = [text[: match.start()] for match in re.finditer(r"%[sdr]|%\(\w+\)s", text)]
    values = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
    if len(values) == len(slots):
        return all(_NAME_SLOT.search(slot) or _harmless(value, call) for slot, value in zip(slots, values, strict=True))
    return bool(slots) and all(_NAME_SLOT.search(slot) for slot in slots)


def _formats_names(node: ast.Call, call: Call) -> bool:
    assert isinstance(node.func, ast.Attribute)
    text = call.constant(node.func.value)
    if not isinstance(text, str):
        return False
    slots = [text[: match.start()] for match in re.finditer(r"\{\w*\}", text)]
    values = node.args
    if len(values) == len(slots) and not node.keywords:
        return all(_NAME_SLOT.search(slot) or _harmless(value, call) for slot, value in zip(slots, values, strict=True))
    return bool(slots) and all(_NAME_SLOT.search(slot) for slot in slots)


_VALUE_SLOT = lazy.pattern(r"(?:=|<|>|\blike|\bin|\bvalues)\s*\(?\s*[\"']%?$", re.I)


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


def _is_number(node: ast.expr, call: Call) -> bool:
    """Say whether a value is declared to be a number, as ``{limit}`` of a parameter ``limit: int``, also as ``str(limit)``."""
    if isinstance(node, ast.Call) and len(node.args) == 1 and call.names.path(node.func, call.scope) == "str":
        node = node.args[0]
    holder = call.names.holder(node.id, call.scope) if isinstance(node, ast.Name) else None
    if holder is None or not isinstance(node, ast.Name) or node.id not in holder.parameters:
        return False
    annotation = holder.parameters[node.id][0].annotation
    return isinstance(annotation, ast.Name) and annotation.id in ("int", "float", "bool")


def _harmless(node: ast.expr, call: Call, depth: int = 2) -> bool:
    """Say whether a value is a number, or itself a row of placeholders, as in ``", ".join("?" for …)``."""
    text = call.names.written(node).lower()
    if re.search(
        r"placeholder|params|marks|columns|cols|fields|where|clause|(?:^|[._])(?:table|schema|column|index|view)s?(?:_?name)?$|quote|identifier",
        text,
    ):
        return True
    if one_of_constants(node, call, call.scope) or _is_number(node, call):
        return True
    if isinstance(node, ast.Name) and depth:
        single = call.names.single(node.id, call.scope)
        if single is not None and isinstance(single[0], ast.Call | ast.BinOp):
            return _harmless(single[0], call, depth - 1)
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr == "join":
            return True
        return call.names.path(node.func, call.scope) in (
            "int",
            "float",
            "len",
            "bool",
            "abs",
            "round",
            "max",
            "min",
            "sum",
        )
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)


MAX_CHOICES = 500
"""Constants that a table or list may hold to be looked through."""


def one_of_constants(node: ast.AST | None, call: Call, scope: Scope, depth: int = 4) -> bool:
    """Say whether a value can only be one of the constants of this file.

    That of a name with constants alone, of a loop over a list of them, of an entry of a table, of a parameter that is compared with
    those that are allowed, and of one of a private function that every call of the file gives a constant.
    """
    if depth == 0 or node is None:
        return False
    if not isinstance(call.names.constant(node, scope), Unknown):
        return True
    if isinstance(node, ast.IfExp):
        return all(one_of_constants(side, call, scope, depth - 1) for side in (node.body, node.orelse))
    if isinstance(node, ast.Subscript):
        return _holds_constants(node.value, call, scope)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr == "get" and _holds_constants(node.func.value, call, scope) \
            and all(one_of_constants(other, call, scope, depth - 1) for other in node.args[1:])  # fmt: skip
    if not isinstance(node, ast.Name):
        return False
    return call.source.once(f"constants {depth}", id(node), partial(_is_one_of_constants, node, call, scope, depth))


def _is_one_of_constants(node: ast.Name, call: Call, scope: Scope, depth: int) -> bool:
    holder = call.names.holder(node.id, scope)
    if holder is None or node.id in holder.imports or node.id in holder.grown:
        return False
    if node.id in holder.parameters:
        return _is_given_constants(node, holder, call, scope, depth)
    values = [value for value in holder.values.get(node.id, ()) if value is not None]
    parts = holder.parts.get(node.id, [])
    return (
        0 < len(values) + len(parts) <= MAX_VALUES
        and all(one_of_constants(value, call, holder, depth - 1) for value in values)
        and all(_holds_constants(part, call, holder) for part in parts)
    )


def _is_given_constants(node: ast.Name, holder: Scope, call: Call, scope: Scope, depth: int) -> bool:
    if "parameter" not in taint.of(node, scope, call.names):
        return True  # a condition of the function says which it may be
    function = holder.node
    if not isinstance(function, FUNCTIONS) or not function.name.startswith("_") or function.name.startswith("__"):
        return False
    callers = call.source.tree.calls_by_name.get(function.name, ())
    positions = [
        argument.arg
        for argument in (*function.args.posonlyargs, *function.args.args)
        if argument.arg not in ("self", "cls")
    ]
    position = positions.index(node.id) if node.id in positions else -1
    for caller in callers[:MAX_VALUES]:
        given = next((keyword.value for keyword in caller.keywords if keyword.arg == node.id), None)
        if given is None and 0 <= position < len(caller.args):
            given = caller.args[position]
        if not one_of_constants(given, call, call.source.tree.scope(caller), depth - 1):
            return False
    return 0 < len(callers) <= MAX_VALUES


def _holds_constants(node: ast.AST | None, call: Call, scope: Scope, depth: int = 3) -> bool:
    """Say whether a list, or a table, holds constants only, or rows of them."""
    if isinstance(node, ast.Name) and depth:
        single = call.names.single(node.id, scope)
        return single is not None and _holds_constants(single[0], call, single[1], depth - 1)
    if (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in ("self", "cls")
        and depth
    ):
        around = scope.around_class()
        values = around.values.get(node.attr, []) if around is not None and node.attr not in around.attributes else []
        return len(values) == 1 and _holds_constants(values[0], call, scope, depth - 1)
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("items", "keys", "values")
        and depth
    ):
        return _holds_constants(node.func.value, call, scope, depth - 1)
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("sorted", "set", "list", "tuple", "enumerate", "reversed")
    ):
        return bool(node.args) and depth > 0 and _holds_constants(node.args[0], call, scope, depth - 1)
    items = (
        node.values
        if isinstance(node, ast.Dict)
        else node.elts
        if isinstance(node, ast.List | ast.Tuple | ast.Set)
        else []
    )
    return 0 < len(items) <= MAX_CHOICES and all(
        isinstance(item, ast.Constant) or (depth > 0 and _holds_constants(item, call, scope, depth - 1))
        for item in items
    )


_WRITING_AGENTS = frozenset(
    {"create_sql_agent", "SQLDatabaseToolkit", "QuerySQLDataBaseTool", "QuerySQLDatabaseTool", "QuerySQLCheckerTool", "NLSQLTableQueryEngine",
     "SQLTableRetrieverQueryEngine", "NLSQLRetriever", "SQLDatabaseSequentialChain", "create_sql_query_chain", "GraphCypherQAChain", "PGVectorSQLQueryEngine"}
)  # fmt: skip
_READ_ONLY = lazy.pattern(
    r"mode=ro\b|read_?only|immutable=1|default_transaction_read_only|://(?:\w*[_-])?ro(?:[_-]\w*)?[:@]|://\w*reader\w*[:@]",
    re.I,
)


@on_call("from_llm", *_WRITING_AGENTS)
def text_to_sql(call: Call) -> Iterator[Sight]:
    """Language models that write queries over a connection that may do more than read."""
    path = call.path
    if call.last == "from_llm":
        if not re.search(
            r"(?:SQLDatabase(?:Sequential)?Chain|GraphCypherQAChain)\.from_llm$",
            path or call.names.written(call.node.func),
        ):
            return
    elif not path.startswith(("langchain", "llama_index", "langgraph")):
        return
    if call.last == "QuerySQLCheckerTool" or call.last == "create_sql_query_chain":
        return  # they write a query and do not run it
    database = call.argument(
        1 if call.last in ("from_llm", "create_sql_agent") else 0, "db", "database", "sql_database", "graph"
    )
    if not _reads_only(database, call):
        yield call.sees(SQL, "writable-text-to-sql")


def _reads_only(node: ast.AST | None, call: Call, depth: int = 3) -> bool:
    """Say whether a database is opened by an address that says it is for reading."""
    if isinstance(node, ast.Name) and depth:
        single = call.names.single(node.id, call.scope)
        return single is not None and _reads_only(single[0], call, depth - 1)
    if isinstance(node, ast.Attribute):
        return bool(_READ_ONLY.search(node.attr))
    if not isinstance(node, ast.Call):
        return False
    for value in [*node.args, *(keyword.value for keyword in node.keywords)]:
        text = leading_text(value, call) if not isinstance(value, ast.Call) else ""
        if _READ_ONLY.search(text):
            return True
        if isinstance(value, ast.Name | ast.Call) and depth and _reads_only(value, call, depth - 1):
            return True
        if isinstance(value, ast.Dict) and any(_READ_ONLY.search(str(call.constant(item))) for item in value.values):
            return True
    return any(
        keyword.arg in ("read_only", "readonly") and call.constant(keyword.value) is True for keyword in node.keywords
    )


CHECKS = (sql, text_to_sql)
