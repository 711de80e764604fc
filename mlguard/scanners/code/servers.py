"""Checks on servers that code starts: who reaches them, and what they let a visitor do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mlguard import lazy
from mlguard.scanners.code.names import Unknown
from mlguard.scanners.code.seeing import Call, Place, Sight, on_call, on_node
from mlguard.scanners.code.tree import ITEM

SERVER = "code/unauthenticated-dev-server"

_EVERYWHERE = ("0.0.0.0", "::", "*", "[::]")
_APPS = lazy.pattern(
    r"^(?:flask\.Flask|fastapi\.FastAPI|quart\.Quart|bottle\.Bottle|sanic\.Sanic|dash\.Dash|starlette\.applications\.Starlette|flask_socketio\.SocketIO|"
    r"jupyter_dash\.JupyterDash|connexion\.(?:FlaskApp|App|AsyncApp)|robyn\.Robyn|litestar\.Litestar|apiflask\.APIFlask|flask_openapi3\.OpenAPI)\(\)\.(?:run|run_server|listen|start)$"
)
_LISTENERS = {
    "uvicorn.run": -1, "waitress.serve": -1, "hypercorn.run": -1, "granian.run": -1, "werkzeug.serving.run_simple": 0, "aiohttp.web.run_app": -1,
    "bottle.run": -1, "cheroot.wsgi.Server": -1, "nicegui.ui.run": -1, "uvicorn.Config": -1, "tornado.httpserver.HTTPServer().listen": 1,
    "gevent.pywsgi.WSGIServer": 0, "eventlet.listen": 0, "wsgiref.simple_server.make_server": 0, "http.server.HTTPServer": 0,
    "http.server.ThreadingHTTPServer": 0, "socketserver.TCPServer": 0, "socketserver.ThreadingTCPServer": 0, "ray.serve.start": -1,
    "granian.Granian": -1, "websockets.serve": 1, "websockets.server.serve": 1, "meinheld.listen": 0, "solara.run": -1,
}  # fmt: skip
_LISTENING = frozenset(path.rpartition(".")[2] for path in _LISTENERS)


def _open(call: Call, node: ast.expr | None) -> bool:
    """Say whether an address is every interface: of a literal, a pair with a port, or a default of the environment."""
    if isinstance(node, ast.Tuple | ast.List):
        if len(node.elts) > 1 and call.constant(node.elts[0]) == "":
            return True  # what a socket takes for every interface
        node = node.elts[0] if node.elts else None
    if node is None:
        return False
    value = call.constant(node)
    if isinstance(value, str):
        return value in _EVERYWHERE
    if isinstance(node, ast.Name) and isinstance(value, Unknown):
        single = call.names.single(node.id, call.scope)
        node = single[0] if single and isinstance(single[0], ast.Call | ast.Tuple | ast.BoolOp) else node
        if isinstance(node, ast.Tuple):
            return _open(call, node)
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
        return _open(call, node.values[-1])
    if (
        isinstance(node, ast.Call)
        and len(node.args) == 2
        and call.names.path(node.func, call.scope) in ("os.getenv", "os.environ.get")
    ):
        return call.constant(node.args[1]) in _EVERYWHERE
    return False


@on_call("run", "run_server", "listen", "start", *_LISTENING)
def servers(call: Call) -> Iterator[Sight]:
    """Servers of web applications."""
    path = call.path
    if not _APPS.match(path) and path not in _LISTENERS and not _is_app(call):
        return
    if any(call.value(name) is True for name in ("debug", "use_debugger", "dev")):
        yield call.sees(SERVER, "debug-server")
        return
    if any(call.value(name) is True for name in ("reload", "use_reloader", "auto_reload")) and path not in (
        "nicegui.ui.run",
    ):
        yield call.sees(SERVER, "debug-server", also=_host(call))
        return
    host = _host(call)
    if host is not None and _open(call, host):
        also = host.elts[0] if isinstance(host, ast.Tuple | ast.List) and host.elts else host
        yield call.sees(SERVER, "bind-all-interfaces", also=also)


def _host(call: Call) -> ast.expr | None:
    position = _LISTENERS.get(
        call.path, 0 if _APPS.match(call.path) and call.last == "run" and call.path.startswith("flask.") else -1
    )
    return call.argument(position, "host", "hostname", "address", "server_address", "bind_addr", "interface", "listen")


_APP_NAMES = lazy.pattern(r"^(?:app|application|server|api|socketio)$")


def _is_app(call: Call) -> bool:
    """Say whether the receiver is the application that a factory of this or another file makes."""
    if (
        call.last not in ("run", "run_server")
        or not isinstance(call.receiver, ast.Name)
        or not _APP_NAMES.match(call.receiver.id)
    ):
        return False
    if not call.path and not call.source.tree.roots.isdisjoint({"flask", "quart", "sanic", "dash", "connexion"}):
        return True
    made_elsewhere = not call.path or _MADE_ELSEWHERE.search(call.path)
    return bool(made_elsewhere) and not call.keywords.keys().isdisjoint({"debug", "host", "use_reloader"})


_MADE_ELSEWHERE = lazy.pattern(
    r"(?:^|\.)(?:app|application|server|api|(?:create|make|build|get)_(?:app|server|application)\(\))\.run\w*$"
)


@on_call("launch", "queue", "run", imports=["gradio"])
def demos(call: Call) -> Iterator[Sight]:
    """Demos of Gradio."""
    path = call.path
    if call.last != "launch" or not (path.startswith("gradio.") or not path):
        return
    if call.value("share") is True:
        yield call.sees(SERVER, "gradio-share")
    elif (
        call.constant(call.keywords.get("auth")) is None or "auth" not in call.keywords
    ) and "auth_dependency" not in call.keywords:
        host = call.keywords.get("server_name")
        if host is not None and _open(call, host) and not call.names.open_ended(call.node, call.scope):
            yield call.sees(SERVER, "gradio-public-bind", also=host)


@on_call(
    "init",
    "start",
    "Client",
    "LocalCluster",
    "Scheduler",
    "LocalCUDACluster",
    "run",
    imports=["ray", "dask", "distributed", "dask_cuda"],
)
def clusters(call: Call) -> Iterator[Sight]:
    """Dashboards and schedulers that start jobs for whoever reaches them."""
    path = call.path
    if path in ("ray.init", "ray.util.client.ray.init") and _open(call, call.keywords.get("dashboard_host")):
        yield call.sees(SERVER, "ray-dashboard", also=call.keywords["dashboard_host"])
    elif re.match(
        r"^(?:dask\.distributed|distributed|dask_cuda)(?:\.\w+)*\.(?:LocalCluster|Client|Scheduler|LocalCUDACluster)$",
        path,
    ):
        host = next(
            (call.keywords[name] for name in ("host", "dashboard_address", "interface") if name in call.keywords), None
        )
        text = call.constant(host)
        if (
            isinstance(text, str)
            and re.match(r"^(?:tcp://|tls://)?(?:0\.0\.0\.0|\[?::\]?(?=:|$)|\*)", text)
            and "security" not in call.keywords
        ):
            yield call.sees(SERVER, "ray-dashboard", also=host)


_NOTEBOOK = lazy.pattern(
    r"(?:^|\.)(?:ServerApp|NotebookApp|LabApp|IdentityProvider|PasswordIdentityProvider|SingleUserNotebookApp|JupyterHub)\.(token|password|hashed_password|ip|open_browser|disable_check_xsrf|allow_origin|"
    r"allow_unauthenticated_access|authenticator_class|allow_root)$"
)


@on_node(
    ast.Assign,
    words=[
        "token",
        "password",
        "hashed_password",
        "ip",
        "disable_check_xsrf",
        "allow_origin",
        "allow_unauthenticated_access",
        "authenticator_class",
    ],
    targets=(
        "token",
        "password",
        "hashed_password",
        "ip",
        "disable_check_xsrf",
        "allow_origin",
        "allow_unauthenticated_access",
        "authenticator_class",
    ),
)
def notebooks(node: ast.Assign, place: Place) -> Iterator[Sight]:
    """Settings of a notebook server that let everybody in."""
    for target in node.targets:
        if not isinstance(target, ast.Attribute):
            continue
        match = _NOTEBOOK.search(place.names.written(target))
        if match is None:
            continue
        name, value = match.group(1), place.names.constant(node.value, place.scope)
        open_to_all = (
            name in ("token", "password", "hashed_password") and value == "" or name in ("disable_check_xsrf", "allow_unauthenticated_access") and value is True
            or name == "allow_origin" and value == "*" or name == "authenticator_class" and isinstance(value, str) and "dummy" in value.lower()
        )  # fmt: skip
        if open_to_all:
            yield Sight(SERVER, "dashboard-without-token", node, {"call": place.names.written(target)})
        elif name == "ip" and value in _EVERYWHERE:
            yield Sight(SERVER, "dashboard-without-token", node, {"call": place.names.written(target)}, node.value)


_COMMANDS = lazy.pattern(
    r"\b(?:tensorboard|mlflow\s+(?:ui|server)|jupyter(?:-?\s?lab|-?\s?notebook|\s+server)?|streamlit\s+run|ray\s+start|dask[ -]scheduler|aim\s+up|bentoml\s+serve|"
    r"torchserve|tritonserver|wandb\s+server|label-studio|uvicorn|gunicorn|flask\s+run|vllm\s+serve|python\s+-m\s+http\.server|airflow\s+webserver|prefect\s+server|optuna-dashboard|nni)\b"
)
_TOOLS_WITHOUT_LOGIN = lazy.pattern(r"\b(?:tensorboard|mlflow|jupyter|ray\s+start|dask|aim|optuna-dashboard)\b")
_EXPOSED = lazy.pattern(
    r"--(?:host|bind|ip|bind_all|dashboard-host|server\.address|server-host|listen)(?:[ =](?:0\.0\.0\.0|::|\*))|--bind_all\b|--(?:ServerApp|NotebookApp|IdentityProvider)\.(?:token|password)=(?:''|\"\"|)(?:\s|$)|\B-h 0\.0\.0\.0"
)


@on_call(
    "run",
    "Popen",
    "call",
    "check_call",
    "check_output",
    "system",
    "popen",
    "getoutput",
    "run_line_magic",
    "create_subprocess_exec",
    "create_subprocess_shell",
)
def commands(call: Call) -> Iterator[Sight]:
    """Dashboards that are started by a command."""
    if not call.path.startswith(("subprocess.", "os.", "asyncio.")) and call.last != "run_line_magic":
        return
    nodes: list[ast.expr] = []
    for argument in call.node.args:
        node: ast.AST = argument
        if isinstance(argument, ast.Name):
            single = call.names.single(argument.id, call.scope)
            node = single[0] if single else argument
        nodes += node.elts if isinstance(node, ast.List | ast.Tuple) else [argument]
    words = [str(value) for item in nodes if isinstance(value := call.constant(item), str)]
    text = " ".join(words)
    if _TOOLS_WITHOUT_LOGIN.search(text) and _COMMANDS.search(text) and _EXPOSED.search(text):
        yield call.sees(SERVER, "dashboard-without-token")


_DASHBOARDS = lazy.pattern(r"^(?:tensorboard\.program\.TensorBoard\(\)\.configure|notebook\.notebookapp\.\w+|mlflow\.server\._run_server|optuna_dashboard\.run_server|phoenix\.launch_app|explainerdashboard\.ExplainerDashboard\(\)\.run|"
                         r"streamlit\.web\.bootstrap\.run|litserve\.LitServer\(\)\.run|pyngrok\.ngrok\.connect|ngrok\.(?:connect|forward)|flask_ngrok\.run_with_ngrok|xgboost\.tracker\.RabitTracker|netron\.start|fiftyone\.launch_app)$")  # fmt: skip
_TUNNELS = ("pyngrok.", "ngrok.", "flask_ngrok.")


@on_call("configure", "run_server", "_run_server", "launch_app", "run", "connect", "forward", "run_with_ngrok", "start",
         imports=["tensorboard", "mlflow", "optuna_dashboard", "phoenix", "explainerdashboard", "litserve", "pyngrok", "ngrok", "flask_ngrok", "netron", "fiftyone"])  # fmt: skip
def dashboards(call: Call) -> Iterator[Sight]:
    """Dashboards and tunnels that are started by a call."""
    if not _DASHBOARDS.match(call.path):
        return
    if call.path.startswith(_TUNNELS):
        if not call.keywords.keys() & {
            "auth",
            "basic_auth",
            "oauth_provider",
            "oauth",
            "ip_restriction_allow_cidrs",
            "mutual_tls_cas",
        }:
            yield call.sees(SERVER, "public-tunnel")
        return
    host = call.argument(-1, "host", "address", "bind_addr", "ip")
    if call.value("bind_all") is True or (host is not None and _open(call, host)):
        rule = "bind-all-interfaces" if call.path.startswith("litserve.") else "dashboard-without-token"
        yield call.sees(SERVER, rule, also=host)
    elif any(
        isinstance(argument, ast.List)
        and any(call.constant(item) in (*_EVERYWHERE, "--bind_all", "--host=0.0.0.0") for item in argument.elts)
        for argument in call.keywords.values()
    ):
        yield call.sees(SERVER, "dashboard-without-token")


@on_node(
    ast.Assign,
    words=["DEBUG", "debug", "FLASK_DEBUG", "FLASK_ENV"],
    imports=["flask", "django", "os", "quart", "dash"],
    targets=(ITEM, "debug"),
)
def debug_settings(node: ast.Assign, place: Place) -> Iterator[Sight]:
    """Settings that switch a debugger on."""
    targets = [
        target
        for target in node.targets
        if isinstance(target, ast.Subscript) or (isinstance(target, ast.Attribute) and target.attr == "debug")
    ]
    value = place.names.constant(node.value, place.scope) if targets else None
    for target in targets if value is True or isinstance(value, str) else ():
        if isinstance(target, ast.Attribute):
            path = place.names.path(target.value, place.scope)
            if re.match(r"^(?:flask\.Flask|quart\.Quart|sanic\.Sanic|dash\.Dash)\(\)$", path):
                yield Sight(SERVER, "debug-server", node, {"call": place.names.written(target)})
        elif isinstance(target, ast.Subscript):
            key = place.names.constant(target.slice, place.scope)
            of = place.names.path(target.value, place.scope)
            if (
                key == "DEBUG"
                and value is True
                and (of.endswith("().config") or place.names.written(target.value).endswith("app.config"))
            ):
                yield Sight(SERVER, "debug-server", node, {"call": "config[DEBUG]"})
            elif of == "os.environ" and (key, value) in (
                ("FLASK_DEBUG", "1"),
                ("FLASK_ENV", "development"),
                ("FLASK_DEBUG", "true"),
            ):
                yield Sight(SERVER, "debug-server", node, {"call": str(key)})


_DEMO_SETTINGS = {
    "GRADIO_SERVER_NAME": ("gradio-public-bind", _EVERYWHERE),
    "GRADIO_SHARE": ("gradio-share", ("True", "true", "1")),
}


@on_node(ast.Assign, words=list(_DEMO_SETTINGS))
def demo_settings(node: ast.Assign, place: Place) -> Iterator[Sight]:
    """What a demo of Gradio takes from its environment."""
    for target in node.targets:
        if not (isinstance(target, ast.Subscript) and place.names.path(target.value, place.scope) == "os.environ"):
            continue
        check, values = _DEMO_SETTINGS.get(str(place.names.constant(target.slice, place.scope)), ("", ()))
        if place.names.constant(node.value, place.scope) in values:
            yield Sight(SERVER, check, node, {"call": "os.environ"}, node.value)


CHECKS = (servers, demos, demo_settings, clusters, notebooks, commands, dashboards, debug_settings)
