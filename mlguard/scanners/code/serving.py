"""Checks on how code talks to the world: TLS, servers, endpoints, ciphers, archives, pages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mlguard.scanners.code.names import Names
from mlguard.scanners.code.running import PROCESSES, SHELLS
from mlguard.scanners.code.seeing import Call, Place, Sight, on_call, on_node
from mlguard.scanners.code.source import Source
from mlguard.scanners.code.tree import FUNCTIONS, Scope

TLS = "code/disabled-tls-verification"
SERVER = "code/unauthenticated-dev-server"
ENDPOINT = "code/unauthenticated-endpoint"
CRYPTO = "code/broken-cryptography"

_OFF = (
    "verify", "verify_ssl", "ssl_verify", "verify_certs", "verify_tls", "check_hostname", "validate_certs", "tls_verify",
    "ssl_cert_verify", "verify_certificate",
)  # fmt: skip
_CLIENTS = re.compile(r"^(?:requests|httpx|aiohttp|urllib3|boto3|botocore|hvac|elasticsearch|opensearchpy|kubernetes|minio|"
                      r"influxdb_client|docker|ldap3|pymongo|redis|weaviate|qdrant_client|tornado|niquests|curl_cffi)\b")  # fmt: skip
_VERBS = frozenset(
    {
        "get",
        "post",
        "put",
        "patch",
        "delete",
        "head",
        "options",
        "request",
        "stream",
        "Session",
        "Client",
        "AsyncClient",
    }
)
_NO_TLS = re.compile(r"[?&]sslmode=(?:disable|allow)\b", re.I)
_CONNECTS = frozenset({"create_engine", "create_async_engine", "connect", "create_pool"})


@on_call(
    "_create_unverified_context",
    *_CONNECTS,
    keywords=[*_OFF, "tlsAllowInvalidCertificates", "tlsInsecure", "cert_reqs", "ssl"],
)
def tls(call: Call) -> Iterator[Sight]:
    """Certificates that nobody checks."""
    known = bool(_CLIENTS.match(call.path)) or (call.last in _VERBS and not call.path.startswith(("jwt.", "jose.")))
    off = any(call.value(name) is False for name in _OFF) if known else False
    insecure = call.value("tlsAllowInvalidCertificates") is True or call.value("tlsInsecure") is True
    required = call.keywords.get("cert_reqs")
    none = required is not None and (
        call.constant(required) == "CERT_NONE" or call.names.path(required, call.scope) == "ssl.CERT_NONE"
    )
    session = call.path.startswith("aiohttp.") and call.value("ssl") is False
    if off or insecure or none or session or call.path == "ssl._create_unverified_context":
        yield call.sees(TLS, "verify-off")
    elif call.last in _CONNECTS:
        address = call.constant(call.argument(0, "url", "dsn"))
        if (isinstance(address, str) and _NO_TLS.search(address)) or call.value("sslmode") == "disable":
            yield call.sees(TLS, "database-tls-off")


_TLS_VARIABLES = {
    "PYTHONHTTPSVERIFY": ("0",), "CURL_CA_BUNDLE": ("",), "REQUESTS_CA_BUNDLE": ("",), "NODE_TLS_REJECT_UNAUTHORIZED": ("0",),
    "GIT_SSL_NO_VERIFY": ("1", "true"), "HF_HUB_DISABLE_SSL_VERIFICATION": ("1", "true"), "WANDB_INSECURE_DISABLE_SSL": ("true", "1"),
    "MLFLOW_TRACKING_INSECURE_TLS": ("true", "1"),
}  # fmt: skip


_SWITCHES = frozenset(
    {
        "verify",
        "verify_ssl",
        "check_hostname",
        "verify_mode",
        "_create_default_https_context",
        "token",
        "password",
        "hashed_password",
    }
)


@on_node(ast.Assign, words=[*_SWITCHES, *_TLS_VARIABLES])
def assigned(node: ast.Assign, place: Place) -> Iterator[Sight]:
    """Assignments that switch a protection off."""
    targets = [target for target in node.targets if isinstance(target, ast.Attribute | ast.Subscript)]
    if not any(isinstance(t, ast.Subscript) or t.attr in _SWITCHES for t in targets):
        return
    scope, names = place.scope, place.names
    value = names.constant(node.value, scope)
    for target in targets:
        written = names.written(target)
        if isinstance(target, ast.Attribute):
            path = names.path(target, scope)
            holder = names.path(target.value, scope)
            named = names.written(target.value).rsplit(".", 1)[-1].lower()
            client = bool(_CLIENTS.match(holder)) or bool(re.search(r"session|client|http", named))
            if (
                target.attr in ("verify", "verify_ssl")
                and value is False
                and client
                or target.attr == "check_hostname"
                and value is False
                and named != "self"
                or target.attr == "verify_mode"
                and names.path(node.value, scope) == "ssl.CERT_NONE"
            ):
                yield Sight(TLS, "verify-off", node, {"call": written})
            elif path == "ssl._create_default_https_context" and "_create_unverified" in names.written(node.value):
                yield Sight(TLS, "verify-off", node, {"call": path})
            elif re.search(r"(?:ServerApp|NotebookApp|IdentityProvider|PasswordIdentityProvider)\.(?:token|password|hashed_password)$",
                           written) and value == "":  # fmt: skip
                yield Sight(SERVER, "dashboard-without-token", node, {"call": written})
        elif isinstance(target, ast.Subscript) and names.path(target.value, scope) == "os.environ":
            name = names.constant(target.slice, scope)
            if isinstance(name, str) and isinstance(value, str) and value.lower() in _TLS_VARIABLES.get(name, ()):
                yield Sight(TLS, "verify-off", node, {"call": name})


_SECRET_NAME = re.compile(
    r"(?:^|_)(?:password|passwd|secret|api_?key|secret_?key|private_?key|encryption_?key|salt|session_?id|csrf(?:_token)?|otp|"
    r"(?:access|auth|refresh|reset|api|csrf|session|bearer)_?token|pseudonym_?key)$", re.I,
)  # fmt: skip
_ALPHABETS = frozenset({"string.ascii_letters", "string.digits", "string.ascii_lowercase", "string.ascii_uppercase",
                        "string.hexdigits", "string.printable", "string.punctuation"})  # fmt: skip
_PREDICTABLE = re.compile(r"^(?:random|numpy\.random)\.(?!SystemRandom)\w+$")


@on_node(ast.Assign, imports=["random", "numpy"])
def guessable(node: ast.Assign, place: Place) -> Iterator[Sight]:
    """Assignments that make a secret which can be guessed."""
    for target in node.targets:
        if isinstance(target, ast.Name | ast.Attribute):
            yield from _token(target, node, place.scope, place.names)


def _token(target: ast.Name | ast.Attribute, node: ast.Assign, scope: Scope, names: Names) -> Iterator[Sight]:
    name = target.attr if isinstance(target, ast.Attribute) else target.id
    sure = bool(_SECRET_NAME.search(name))
    if not sure and not re.search(r"(?:^|_)token$", name, re.I):
        return
    found: ast.Call | None = None
    alphabet = False
    for inner in ast.walk(node.value):
        if isinstance(inner, ast.Call) and _PREDICTABLE.match(path := names.path(inner.func, scope)):
            found = found or inner
            alphabet = alphabet or path.endswith((".getrandbits", ".randbytes"))
        elif isinstance(inner, ast.Attribute) and names.path(inner, scope) in _ALPHABETS:
            alphabet = True
    # "token" alone is a word of a text far more often than a credential.
    if found is not None and (sure or alphabet):
        yield Sight(CRYPTO, "random-token", node, {"call": names.path(found.func, scope)}, found)


_CIPHER = re.compile(
    r"^(?:Crypto|Cryptodome)\.Cipher\.(?:DES|DES3|ARC2|ARC4|Blowfish|XOR|CAST)\.new$"
    r"|^cryptography\.hazmat\.(?:primitives\.ciphers\.|decrepit\.ciphers\.)(?:algorithms\.(?:ARC4|Blowfish|CAST5|IDEA|SEED|TripleDES)|modes\.ECB)$"
)


@on_call(imports=["Crypto", "Cryptodome", "cryptography"])
def ciphers(call: Call) -> Iterator[Sight]:
    """Ciphers that are broken."""
    if _CIPHER.match(call.path):
        yield call.sees(CRYPTO, "weak-cipher")
    elif re.match(r"^(?:Crypto|Cryptodome)\.Cipher\.AES\.new$", call.path):
        mode = call.argument(1, "mode")
        if mode is not None and call.names.path(mode, call.scope).endswith(".MODE_ECB"):
            yield call.sees(CRYPTO, "weak-cipher")


_EVERYWHERE = ("0.0.0.0", "::")
_APPS = re.compile(r"^(?:flask\.Flask|fastapi\.FastAPI|quart\.Quart|bottle\.Bottle|sanic\.Sanic|dash\.Dash)\(\)\.")
_LISTENERS = frozenset({"uvicorn.run", "waitress.serve", "hypercorn.run", "granian.run", "werkzeug.serving.run_simple"})


@on_call("launch", "init", "run", "run_server", "serve", "run_simple")
def servers(call: Call) -> Iterator[Sight]:
    """Servers that are open to others."""
    path = call.path
    if call.last == "launch" and (path.startswith("gradio.") or (not path and "gradio" in call.source.tree.imported)):
        if call.value("share") is True:
            yield call.sees(SERVER, "gradio-share")
        elif call.value("server_name") in _EVERYWHERE and "auth" not in call.keywords:
            yield call.sees(SERVER, "gradio-public-bind")
    elif path == "ray.init":
        if call.value("dashboard_host") in _EVERYWHERE:
            yield call.sees(SERVER, "ray-dashboard", also=call.keywords.get("dashboard_host"))
    elif (_APPS.match(path) and call.last in ("run", "run_server")) or path in _LISTENERS:
        if call.value("debug") is True or call.value("use_debugger") is True:
            yield call.sees(SERVER, "debug-server")
        host = call.argument(0 if path == "werkzeug.serving.run_simple" else -1, "host")
        if host is not None and call.constant(host) in _EVERYWHERE:
            yield call.sees("code/bind-all-interfaces", "server-host", also=host)


@on_call("extractall")
def archives(call: Call) -> Iterator[Sight]:
    """Archives that may write outside of their folder."""
    if (
        call.last == "extractall"
        and call.path.startswith("tarfile.")
        and not {"filter", "members"} & set(call.keywords)
    ):
        yield call.sees("code/unsafe-archive-extraction", "tar-extract")


@on_call(keywords=["unsafe_allow_html"])
def markup(call: Call) -> Iterator[Sight]:
    """Pages that show text as it is."""
    if call.path.startswith("streamlit.") and call.value("unsafe_allow_html") is True:
        body = call.argument(0, "body")
        if body is not None and not call.is_constant(body) and not _only_numbers(body):
            yield call.sees("code/unescaped-markup", "streamlit-html")


def _only_numbers(node: ast.expr) -> bool:
    """Say whether every value in a formatted string has a number's format."""
    if not isinstance(node, ast.JoinedStr):
        return False
    values = [part for part in node.values if isinstance(part, ast.FormattedValue)]
    return all(
        value.format_spec is not None and re.search(r"[dfge%]'", ast.dump(value.format_spec)) for value in values
    )


_ROUTES = frozenset({"post", "get", "put", "route", "api_route", "websocket"})
_ROUTERS = re.compile(
    r"^(?:fastapi\.(?:FastAPI|APIRouter)|fastapi\.routing\.APIRouter|flask\.(?:Flask|Blueprint))\(\)\."
)
_PREDICTS = frozenset(
    {"predict", "predict_proba", "generate", "infer", "inference", "embed", "encode", "transcribe", "score_samples"}
)
_AUTH = re.compile(
    r"auth|user|token|api_?key|secur|cred|login|permission|verify|jwt|principal|role|oauth|session|identity|protect|require",
    re.I,
)


@on_node(ast.FunctionDef, ast.AsyncFunctionDef, imports=["fastapi", "flask", "mcp", "fastmcp"])
def endpoint(node: ast.FunctionDef | ast.AsyncFunctionDef, place: Place) -> Iterator[Sight]:
    """Routes and tools that answer everybody."""
    if not node.decorator_list:
        return
    outer, source, names = place.scope, place.source, place.names
    scope = source.tree.inner(node)
    for decorator in node.decorator_list:
        if not isinstance(decorator, ast.Call):
            continue
        path = names.path(decorator.func, outer)
        last = path.rsplit(".", 1)[-1]
        if _ROUTERS.match(path) and last in _ROUTES:
            if (_predicts(node) or _calls_model(node, decorator, outer, names)) and not _guarded(
                node, decorator, outer, source, names
            ):
                yield Sight(ENDPOINT, "predict-route", node, {"call": path.split("()")[0].rsplit(".", 1)[-1]})
        elif (
            last == "tool"
            and re.search(r"(?:FastMCP|mcp\.server\.\w*\.?Server)\(\)\.", path)
            and not _has_auth(decorator, outer, names)
        ) and _runs_commands(node, scope, names):
            yield Sight(ENDPOINT, "tool-server", node, {"call": path.split("()")[0].rsplit(".", 1)[-1]})


def _predicts(node: ast.AST) -> bool:
    return any(
        isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute) and inner.func.attr in _PREDICTS
        for inner in ast.walk(node)
    )


_PREDICTING = re.compile(
    r"(?:^|[/_-])(?:predict\w*|infer|inference|generate|completions?|embed|embeddings|classify|transcribe|score)(?:$|[/_-])"
)
_MODEL = re.compile(
    r"(?:^|_)(?:model|net|network|classifier|clf|regressor|pipe|pipeline|predictor|estimator|session|generator|encoder|llm)$",
    re.I,
)


def _calls_model(node: ast.AST, route: ast.Call, scope: Scope, names: Names) -> bool:
    """Say whether a route for predictions calls something that is named as a model, as PyTorch's are called."""
    path = names.constant(route.args[0], scope) if route.args else None
    if not (isinstance(path, str) and _PREDICTING.search(path)):
        return False
    called = (names.written(inner.func) for inner in ast.walk(node) if isinstance(inner, ast.Call))
    return any(_MODEL.search(written.rsplit(".", 1)[-1]) for written in called)


def _guarded(
    node: ast.FunctionDef | ast.AsyncFunctionDef, route: ast.Call, scope: Scope, source: Source, names: Names
) -> bool:
    if any(keyword.arg == "dependencies" for keyword in route.keywords):
        return True
    others = [decorator for decorator in node.decorator_list if decorator is not route]
    if any(_AUTH.search(names.written(decorator)) for decorator in others):
        return True
    if _depends(node.args, scope, names) or _has_auth(route, scope, names):
        return True
    inside = (names.written(inner.func) for inner in ast.walk(node) if isinstance(inner, ast.Call))
    if any(_AUTH.search(written.rsplit(".", 1)[-1]) for written in inside):
        return True
    return _app_guard(source)


def _depends(arguments: ast.arguments, scope: Scope, names: Names) -> bool:
    for inner in ast.walk(arguments):
        if isinstance(inner, ast.Call):
            last = names.written(inner.func).rsplit(".", 1)[-1]
            if last == "Security" or (last == "Depends" and (not inner.args or _AUTH.search(ast.dump(inner.args[0])))):
                return True
        named = inner.annotation if isinstance(inner, ast.arg) else None
        # CurrentUser = Annotated[User, Depends(…)]
        if isinstance(named, ast.Name) and re.search(
            r"(?:current|auth)\w*user|userdep|auth|token|principal", named.id, re.I
        ):
            return True
    return False


def _has_auth(route: ast.Call, scope: Scope, names: Names) -> bool:
    """Say whether the app or router was made with dependencies or authentication."""
    holder = route.func.value if isinstance(route.func, ast.Attribute) else None
    single = names.single(holder.id, scope) if isinstance(holder, ast.Name) else None
    made = single[0] if single else holder
    return isinstance(made, ast.Call) and any(
        keyword.arg in ("dependencies", "auth", "auth_server_provider", "token_verifier") for keyword in made.keywords
    )


def _app_guard(source: Source) -> bool:
    """Say whether the file adds something to the whole app that checks callers."""
    for node in source.tree.of(ast.Call, *FUNCTIONS):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = node.func.attr
            if name in (
                "add_middleware",
                "include_router",
                "before_request",
                "init_app",
                "middleware",
            ) and _AUTH.search(ast.dump(node)):
                return True
            if name == "include_router" and any(keyword.arg == "dependencies" for keyword in node.keywords):
                return True
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                text = ast.dump(decorator)
                if "before_request" in text or "'middleware'" in text:
                    return True
    return False


def _runs_commands(node: ast.AST, scope: Scope, names: Names) -> bool:
    paths = (names.path(inner.func, scope) for inner in ast.walk(node) if isinstance(inner, ast.Call))
    return any(path in PROCESSES or path in SHELLS or path in ("exec", "eval") for path in paths)


CHECKS = (tls, assigned, guessable, ciphers, servers, archives, markup, endpoint)
