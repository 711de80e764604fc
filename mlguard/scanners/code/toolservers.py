"""Checks on servers of tools for language models."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mlguard import lazy
from mlguard.scanners.code import routes
from mlguard.scanners.code.names import Names
from mlguard.scanners.code.routes import Route
from mlguard.scanners.code.running import PROCESSES, SHELLS
from mlguard.scanners.code.seeing import Call, Place, Sight, on_call, on_node
from mlguard.scanners.code.tree import FUNCTIONS, Function, Scope

ENDPOINT = "code/unauthenticated-endpoint"

_TOOL_SERVERS = lazy.pattern(r"(?:FastMCP|mcp\.server\.\w*\.?Server|MCPServer|MCP)\(\)\.")


@on_node(*FUNCTIONS, imports=["mcp", "fastmcp"], decorated=True)
def tool(node: Function, place: Place) -> Iterator[Sight]:
    """Tools that run commands for whoever connects."""
    for decorator in node.decorator_list:
        function = decorator.func if isinstance(decorator, ast.Call) else decorator
        path = place.names.path(function, place.scope)
        last = function.attr if isinstance(function, ast.Attribute) else ""
        if last not in ("tool", "call_tool", "resource") or not (_TOOL_SERVERS.search(path) or not path):
            continue
        route = Route(node, decorator, place.scope, place.source, place.names, path)
        if not routes.made_with_auth(decorator, route) and _runs_commands(route):
            yield Sight(ENDPOINT, "tool-server", node, {"call": route.label})
            return


def _runs_commands(route: Route) -> bool:
    for call in route.calls:
        if _runs(call, route.scope, route.names):
            return True
        function = route.names.function(call.func, route.scope)
        if function is not None:
            inner = route.source.tree.inner(function)
            if any(_runs(part, inner, route.names) for part in ast.walk(function) if isinstance(part, ast.Call)):
                return True
    return False


def _runs(call: ast.Call, scope: Scope, names: Names) -> bool:
    path = names.path(call.func, scope)
    if path in SHELLS or path in ("exec", "eval", "builtins.exec", "builtins.eval"):
        return bool(call.args) and not isinstance(call.args[0], ast.Constant)
    if path not in PROCESSES:
        return False
    first = call.args[0] if call.args else None
    if isinstance(first, ast.List | ast.Tuple):
        return (
            not first.elts
            or not isinstance(first.elts[0], ast.Constant)
            or any(
                keyword.arg == "shell" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True
                for keyword in call.keywords
            )
        )
    return not isinstance(first, ast.Constant)


@on_call("run", "run_async", "run_http_async", "run_sse_async", imports=["mcp", "fastmcp"])
def tool_servers(call: Call) -> Iterator[Sight]:
    """Servers of tools that listen on every interface without authentication."""
    if not _TOOL_SERVERS.search(call.path):
        return
    single = call.names.single(call.receiver.id, call.scope) if isinstance(call.receiver, ast.Name) else None
    made = single[0] if single else None
    given = {keyword.arg: keyword.value for keyword in made.keywords} if isinstance(made, ast.Call) else {}
    if given.keys() & set(routes.PROTECTING):
        return
    transport = call.constant(call.argument(0, "transport"))
    remote = transport in ("sse", "http", "streamable-http", "streamable_http") or call.last in (
        "run_http_async",
        "run_sse_async",
    )
    host = call.constant(call.keywords.get("host") or given.get("host"))
    if remote and host in ("0.0.0.0", "::"):
        yield call.sees(ENDPOINT, "tool-server")


CHECKS = (tool, tool_servers)
