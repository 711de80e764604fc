"""Knows the routes of web applications: which functions answer, whether they ask a model, and who may call them."""

from __future__ import annotations

import ast
import re
from functools import cached_property, partial

from mlguard import lazy
from mlguard.scanners.code import mounting, taint
from mlguard.scanners.code.names import Names
from mlguard.scanners.code.seeing import Call, Place
from mlguard.scanners.code.source import Source
from mlguard.scanners.code.tree import FUNCTIONS, Function, Scope
from mlguard.values import dataclass

_VERBS = frozenset({"post", "get", "put", "patch", "route", "api_route", "websocket", "view", "api"})
_ROUTERS = lazy.pattern(
    r"^(?:fastapi\.(?:FastAPI|APIRouter|applications\.FastAPI|routing\.APIRouter)|flask\.(?:Flask|Blueprint)|quart\.(?:Quart|Blueprint)|"
    r"sanic\.(?:Sanic|Blueprint)|bottle\.Bottle|starlette\.applications\.Starlette|aiohttp\.web\.RouteTableDef|flask_restx\.\w+|apiflask\.\w+|"
    r"flask_openapi3\.\w+|robyn\.Robyn|ninja\.(?:NinjaAPI|Router)|falcon\.App)\(\)\."
)
_BARE = frozenset(
    {
        "bottle.post",
        "bottle.route",
        "bottle.get",
        "litestar.post",
        "litestar.get",
        "litestar.put",
        "bentoml.api",
        "bentoml.service",
        "litestar.handlers.post",
    }
)
_UNKNOWN_ROUTER = lazy.pattern(r"^(?:app|router|api|bp|blueprint|routes|\w+_(?:router|bp|blueprint|app|api))$")
FRAMEWORKS = frozenset({"fastapi", "flask", "quart", "sanic", "bottle", "starlette", "aiohttp", "litestar", "robyn", "ninja", "apiflask", "flask_restx",
                         "flask_openapi3", "bentoml", "falcon"})  # fmt: skip
PREDICTS = frozenset(
    {"predict", "predict_proba", "predict_log_proba", "decision_function", "infer", "inference", "transcribe", "score_samples", "predict_on_batch",
     "run_inference", "classify", "batch_predict", "predict_one", "forecast"}
)  # fmt: skip
_GENERATES = frozenset(
    {
        "generate",
        "encode",
        "embed",
        "invoke",
        "ainvoke",
        "run",
        "chat",
        "complete",
        "call",
        "forward",
        "translate",
        "summarize",
        "transform",
        "embed_query",
        "embed_documents",
    }
)
_AUTH = lazy.pattern(
    r"auth|user|token|api_?key|secur|cred|login|permission|verify|jwt|principal|role|oauth|session|identity|protect|require|guard|signed|hmac|acl|scope|keycloak|cognito|firebase",
    re.I,
)
MODEL = lazy.pattern(
    r"(?:^|_)(?:model|models|net|network|classifier|clf|regressor|pipe|pipeline|predictor|estimator|generator|encoder|embedder|llm|chain|agent|reg|detector|"
    r"recogni[sz]er|transcriber|whisper|yolo|bert|gpt|forest|xgb|lgbm|booster|vectori[sz]er|scorer|ranker|recommender|translator|summarizer)$",
    re.I,
)


@dataclass(eq=False)
class Route:
    """A function that answers requests, with the decorator that says so."""

    node: Function
    decorator: ast.expr
    outer: Scope
    source: Source
    names: Names
    path: str

    @cached_property
    def scope(self) -> Scope:
        return self.source.tree.inner(self.node)

    @cached_property
    def calls(self) -> list[ast.Call]:
        return [inner for inner in ast.walk(self.node) if isinstance(inner, ast.Call) and inner is not self.decorator]

    @property
    def label(self) -> str:
        return self.path.split("()")[0].rsplit(".", 1)[-1] or "the application"

    @property
    def address(self) -> str:
        """The path that is served, "" when it is not constant."""
        call = self.decorator
        value = self.names.constant(call.args[0], self.outer) if isinstance(call, ast.Call) and call.args else None
        return value if isinstance(value, str) else ""


def route(node: Function, decorator: ast.expr, place: Place) -> Route | None:
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    path = place.names.path(function, place.scope)
    last = function.attr if isinstance(function, ast.Attribute) else path.rpartition(".")[2]
    if last not in _VERBS:
        return None
    known = bool(_ROUTERS.match(path)) or path in _BARE
    if not known:
        owner = function.value if isinstance(function, ast.Attribute) else None
        written = place.names.written(owner).rpartition(".")[2] if owner is not None else ""
        if (
            path
            and not path.startswith(".")
            or not _UNKNOWN_ROUTER.match(written)
            or not isinstance(decorator, ast.Call)
        ):
            return None
    return Route(node, decorator, place.scope, place.source, place.names, path)


# ---- what a route does

_PREDICTING = lazy.pattern(
    r"(?:^|[/_-])(?:predict\w*|infer|inference|generate|completions?|embed|embeddings?|classify|transcribe|score|detect|recommend|translate|summari[sz]e|chat|ask|invocations)(?:$|[/_-])"
)


_HANDLES = lazy.pattern(
    r"(?:load|unload|reload|get|list|delete|remove|download|register|set|check|find|create|update|select|switch|swap|has|is|wait|pull|push)_"
)
"""What is done with a model other than asking it."""


_REGISTERS = {
    "add_url_rule": 2,
    "add_api_route": 1,
    "add_post": 1,
    "add_get": 1,
    "add_route": 1,
    "add_api_websocket_route": 1,
}
"""Methods that make a function a route, with the position of the function."""

REGISTERS = frozenset(_REGISTERS)


def registered(call: Call) -> Route | None:
    """Return the route that a call makes of a function of this file."""
    handler = call.argument(_REGISTERS[call.last], "view_func", "endpoint", "handler", "route")
    function = call.names.function(handler, call.scope) if handler is not None else None
    if function is None or function.decorator_list:
        return None  # what is decorated is looked at there
    return Route(function, call.node, call.scope, call.source, call.names, call.path)


def prediction(route: Route) -> ast.Call | None:
    """Return the call with which a route, or a function of the file that it calls, asks a model."""
    found = _asks(route.calls, route.scope, route)
    if found is not None:
        return found
    for call in route.calls[:40]:
        function = route.names.function(call.func, route.scope)
        if function is None or function is route.node:
            continue
        if route.source.once("asks", id(function), partial(_function_asks, function, route)):
            return call
    if _PREDICTING.search(route.address):
        written = ((call, route.names.written(call.func)) for call in route.calls)
        last_parts = ((call, name.rsplit(".", 1)[-1]) for call, name in written)
        return next((call for call, name in last_parts if MODEL.search(name) and not _HANDLES.match(name)), None)
    return None


def _function_asks(function: Function, route: Route) -> bool:
    inner = [part for part in ast.walk(function) if isinstance(part, ast.Call)]
    return _asks(inner, route.source.tree.inner(function), route) is not None


def _asks(calls: list[ast.Call], scope: Scope, route: Route) -> ast.Call | None:
    for call in calls[:200]:
        if not isinstance(call.func, ast.Attribute):
            continue
        name = call.func.attr
        if name in PREDICTS:
            return call
        if name in _GENERATES:
            owner = route.names.written(call.func.value).rpartition(".")[2]
            if MODEL.search(owner) or re.match(
                r"^(?:transformers|sentence_transformers|torch|vllm|langchain\w*|onnxruntime|spacy)\.",
                route.names.path(call.func, scope),
            ):
                return call
        if name in (
            "create",
            "parse",
            "generate_content",
            "complete",
            "chat",
            "invoke",
            "query",
            "completion",
        ) and "model" in taint.of(call, scope, route.names):
            return call
    return None


# ---- who may call it


def is_guarded(route: Route) -> bool:
    node, decorator = route.node, route.decorator
    if isinstance(decorator, ast.Call) and any(
        keyword.arg in ("dependencies", "auth", "guards", "middleware", "permission") for keyword in decorator.keywords
    ):
        return True
    others = [other for other in node.decorator_list if other is not decorator]
    if any(
        _AUTH.search(route.names.written(getattr(other, "func", other)).rpartition(".")[2])
        or _AUTH.search(route.names.written(getattr(other, "func", other)))
        for other in others
    ):
        return True
    if _depends(node.args, route) or made_with_auth(decorator, route):
        return True
    if any(_AUTH.search(route.names.written(call.func).rsplit(".", 1)[-1]) for call in route.calls) or _refuses(route):
        return True
    return _app_guard(route.source) or route.source.once("mounted", 0, partial(_guarded_elsewhere, route))


def _guarded_elsewhere(route: Route) -> bool:
    """Say whether another file of the tree guards the routes of this one."""
    exports = route.source.exports
    if exports is None:
        return False
    return mounting.is_guarded(route.source.path, exports, route.names.looked, _AUTH.search, _checks_callers)


def _imported_value(name: str, route: Route) -> ast.expr | None:
    """Return what a name that is imported from another file of the tree is assigned there."""
    exports = route.source.exports
    holder = route.names.holder(name, route.outer) if exports is not None else None
    if exports is None or holder is None or name not in holder.imports:
        return None
    return exports.value(holder.imports[name], route.source.path, route.names.looked)


_REFUSALS = frozenset({401, 403})


def _refuses(route: Route) -> bool:
    """Say whether a route answers some callers with 401 or 403."""
    for call in route.calls:
        name = route.names.written(call.func).rpartition(".")[2]
        if name in (
            "abort",
            "HTTPException",
            "Response",
            "JSONResponse",
            "HTTPUnauthorized",
            "HTTPForbidden",
            "jsonify",
            "make_response",
            "Unauthorized",
            "Forbidden",
        ):
            if name.startswith(("HTTPUn", "HTTPF", "Unauth", "Forb")):
                return True
            values = [*call.args, *(keyword.value for keyword in call.keywords)]
            if any(isinstance(value, ast.Constant) and value.value in _REFUSALS for value in values):
                return True
            if any(isinstance(value, ast.Attribute) and re.search(r"40[13]", value.attr) for value in values):
                return True
    for inner in ast.walk(route.node):
        if (
            isinstance(inner, ast.Return)
            and isinstance(inner.value, ast.Tuple)
            and any(isinstance(item, ast.Constant) and item.value in _REFUSALS for item in inner.value.elts)
        ):
            return True
    return False


_USER_TYPE = lazy.pattern(
    r"(?i)(?:current|auth\w*|active|logged_?in)_?\w*user|user_?dep|auth|token|principal|api_?key|credentials|identity|claims"
)


def _depends(arguments: ast.arguments, route: Route) -> bool:
    for inner in ast.walk(arguments):
        if isinstance(inner, ast.Call):
            last = route.names.written(inner.func).rsplit(".", 1)[-1]
            if last == "Security" or (last == "Depends" and (not inner.args or _AUTH.search(ast.dump(inner.args[0])))):
                return True
        named = inner.annotation if isinstance(inner, ast.arg) else None
        # CurrentUser = Annotated[User, Depends(…)]
        if isinstance(named, ast.Name) and _USER_TYPE.search(named.id):
            return True
        if isinstance(named, ast.Name):
            single = route.names.single(named.id, route.outer)
            made = single[0] if single is not None else _imported_value(named.id, route)
            text = ast.dump(made) if made is not None else ""
            if re.search(r"(?:id|attr)='(?:Depends|Security)'", text) and _AUTH.search(text):
                return True
    return False


PROTECTING = (
    "dependencies",
    "auth",
    "auth_server_provider",
    "token_verifier",
    "middleware",
    "guards",
    "auth_settings",
)


def made_with_auth(decorator: ast.expr, route: Route) -> bool:
    """Say whether the app or router was made with dependencies or authentication."""
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    holder = function.value if isinstance(function, ast.Attribute) else None
    single = route.names.single(holder.id, route.outer) if isinstance(holder, ast.Name) else None
    made = single[0] if single else holder
    if isinstance(made, ast.Name):
        made = _imported_value(made.id, route)
    return isinstance(made, ast.Call) and any(
        keyword.arg in PROTECTING and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is None)
        and (keyword.arg != "middleware" or bool(_AUTH.search(ast.dump(keyword.value))))
        for keyword in made.keywords
    )  # fmt: skip


def _app_guard(source: Source) -> bool:
    """Say whether the file adds something to the whole app that checks callers."""
    if source.guarded is None:
        source.guarded = _finds_app_guard(source)
    return source.guarded


_ADDS = (
    "add_middleware",
    "include_router",
    "before_request",
    "init_app",
    "middleware",
    "register_blueprint",
    "register_middleware",
    "before_app_request",
)


def _finds_app_guard(source: Source) -> bool:
    calls = source.tree.calls_by_name
    for name in _ADDS:
        for call in calls.get(name, ()):
            if _AUTH.search(
                ast.dump(ast.Tuple([*call.args, *(keyword.value for keyword in call.keywords)], ast.Load()))
            ):
                return True
            if name == "include_router" and any(keyword.arg == "dependencies" for keyword in call.keywords):
                return True
    if any(
        name in calls
        for name in (
            "LoginManager",
            "HTTPBasicAuth",
            "JWTManager",
            "BasicAuth",
            "OAuth",
            "SeaSurf",
            "KeycloakOpenID",
            "Auth0",
            "AzureAuth",
            "Talisman",
        )
    ) and (any(name in calls for name in ("BasicAuth", "AzureAuth")) or "BASIC_AUTH_FORCE" in source.tree.identifiers):
        return True
    for node in source.tree.of(*FUNCTIONS):
        for decorator in node.decorator_list:
            function = decorator.func if isinstance(decorator, ast.Call) else decorator
            last = getattr(function, "attr", "") or getattr(function, "id", "")
            if last in ("before_request", "before_app_request", "middleware") and _checks_callers(node):
                return True
    return False


def _checks_callers(node: ast.AST) -> bool:
    """Say whether a function that runs before every route looks at who calls."""
    return _AUTH.search(getattr(node, "name", "")) is not None or bool(
        re.search(r"(?i)authori[sz]ation|api[-_]?key|401|403|token|current_user|session|login", ast.dump(node))
    )
