"""Checks on how code connects to others: certificates, connections in clear, and requests that may wait for ever."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from mlguard import lazy
from mlguard.scanners.code.names import Unknown
from mlguard.scanners.code.seeing import Call, Place, Sight, leading_text, on_call, on_node
from mlguard.scanners.code.tree import ITEM

TLS = "code/disabled-tls-verification"
CLEAR = "code/cleartext-connection"
TIMEOUT = "code/request-without-timeout"

_OFF = (
    "verify", "verify_ssl", "ssl_verify", "verify_certs", "verify_tls", "check_hostname", "validate_certs", "tls_verify",
    "ssl_cert_verify", "verify_certificate", "validate_cert", "ssl_check_hostname", "tls_require_cert",
)  # fmt: skip
_ON = ("tlsAllowInvalidCertificates", "tlsInsecure", "tlsAllowInvalidHostnames", "insecure_skip_verify", "skip_tls_verify", "insecure_skip_tls_verify",
       "ssl_allow_invalid_certificates", "tls_insecure", "insecure_set", "skip_ssl_verification", "disable_ssl_verification")  # fmt: skip
_CLIENTS = lazy.pattern(r"^(?:requests|httpx|aiohttp|urllib3|boto3|botocore|aioboto3|hvac|elasticsearch|opensearchpy|kubernetes|minio|openai|anthropic|"
                      r"influxdb_client|docker|ldap3|pymongo|redis|weaviate|qdrant_client|tornado|niquests|curl_cffi|mlflow|gradio_client|httplib2|"
                      r"pymilvus|chromadb|clickhouse_connect|snowflake|pika|kafka|aiokafka|confluent_kafka|websocket|websockets|paho|vault|gitlab|"
                      r"jira|atlassian|pyVmomi|proxmoxer|consul|etcd3|splunklib|grequests|requests_\w+|zeep|suds|treq|pysolr|neo4j|trino|prestodb)\b")  # fmt: skip
_VERBS = frozenset(
    {"get", "post", "put", "patch", "delete", "head", "options", "request", "stream", "Session", "Client", "AsyncClient", "HTTPTransport", "AsyncHTTPTransport"}
)  # fmt: skip
_NO_TLS = lazy.pattern(
    r"[?&](?:sslmode=(?:disable|allow)|ssl=(?:false|0|disable|off)|tls=false|useSSL=false|encrypt=(?:no|false)|ssl_disabled=true|ssl_mode=disabled)\b",
    re.I,
)
_CONNECTS = frozenset({"create_engine", "create_async_engine", "connect", "create_pool", "ConnectionPool", "AsyncConnectionPool", "connect_async",
                       "from_url", "MongoClient", "AsyncIOMotorClient", "Database", "engine_from_config", "from_uri", "Connection",
                       "MySQLConnection", "URL", "make_url"})  # fmt: skip


@on_call(
    "_create_unverified_context", "set_missing_host_key_policy", "disable_warnings",
    keywords=[*_OFF, *_ON, "cert_reqs", "ssl_cert_reqs", "ssl", "connector", "known_hosts", "ssl_context", "sslopt"],
)  # fmt: skip
def tls(call: Call) -> Iterator[Sight]:
    """Certificates that nobody checks."""
    path, keywords = call.path, call.keywords
    known = bool(_CLIENTS.match(path)) or (
        call.last in _VERBS and not path.startswith(("jwt.", "jose.", "jwcrypto.", "itsdangerous."))
    )
    off = known and any(name in keywords and _is_off(call.value(name)) for name in _OFF)
    insecure = any(name in keywords and call.value(name) is True for name in _ON)
    required = keywords.get("cert_reqs") or keywords.get("ssl_cert_reqs")
    none = required is not None and (
        call.constant(required) in ("CERT_NONE", "none") or call.names.path(required, call.scope) == "ssl.CERT_NONE"
        or (call.constant(required) is None and path.startswith("redis."))
    )  # fmt: skip
    session = "ssl" in keywords and call.value("ssl") is False and path.startswith("aiohttp.")
    hosts = "known_hosts" in keywords and call.value("known_hosts") is None and path.startswith("asyncssh.")
    options = call.names.entries(keywords["sslopt"], call.scope) if "sslopt" in keywords else {}
    websocket = "cert_reqs" in options and call.names.path(options["cert_reqs"], call.scope) == "ssl.CERT_NONE"
    if off or insecure or none or session or hosts or websocket or path == "ssl._create_unverified_context":
        yield call.sees(TLS, "verify-off")


def _is_off(value: object) -> bool:
    return value is False or (value.__class__ is int and value == 0) or value in ("never", "no")


_TLS_VARIABLES = {
    "PYTHONHTTPSVERIFY": ("0",), "CURL_CA_BUNDLE": ("",), "REQUESTS_CA_BUNDLE": ("",), "NODE_TLS_REJECT_UNAUTHORIZED": ("0",),
    "GIT_SSL_NO_VERIFY": ("1", "true"), "HF_HUB_DISABLE_SSL_VERIFICATION": ("1", "true"), "WANDB_INSECURE_DISABLE_SSL": ("true", "1"),
    "MLFLOW_TRACKING_INSECURE_TLS": ("true", "1"), "HF_HUB_DISABLE_SSL": ("1", "true"), "HF_HUB_DISABLE_SSL_VERIFY": ("1", "true"),
    "SSL_CERT_FILE": ("",), "AWS_CA_BUNDLE": ("",), "OLLAMA_INSECURE": ("1", "true"), "MLFLOW_TRACKING_SERVER_CERT_PATH": ("",),
    "KAGGLE_SSL_VERIFY": ("false", "0"), "CLEARML_API_HOST_VERIFY_CERT": ("false", "0"), "PIP_TRUSTED_HOST": ("*",),
}  # fmt: skip
_SWITCHES = frozenset(
    {
        "verify",
        "verify_ssl",
        "check_hostname",
        "verify_mode",
        "_create_default_https_context",
        "verify_certs",
        "ssl_verify",
        "assert_hostname",
    }
)


@on_node(ast.Assign, words=[*_SWITCHES, *_TLS_VARIABLES], targets=(ITEM, *_SWITCHES))
def assigned(node: ast.Assign, place: Place) -> Iterator[Sight]:
    """Assignments that switch the check of certificates off."""
    scope, names = place.scope, place.names
    for target in node.targets:
        if isinstance(target, ast.Attribute) and target.attr in _SWITCHES:
            yield from _switched(node, target, place)
        elif isinstance(target, ast.Subscript) and names.path(target.value, scope) == "os.environ":
            name, value = names.constant(target.slice, scope), names.constant(node.value, scope)
            if isinstance(name, str) and isinstance(value, str) and value.lower() in _TLS_VARIABLES.get(name, ()):
                yield Sight(TLS, "verify-off", node, {"call": name})


def _switched(node: ast.Assign, target: ast.Attribute, place: Place) -> Iterator[Sight]:
    scope, names = place.scope, place.names
    value = names.constant(node.value, scope)
    path, holder = names.path(target, scope), names.path(target.value, scope)
    named = names.written(target.value).rsplit(".", 1)[-1].lower()
    if target.attr in ("verify", "verify_ssl", "verify_certs", "ssl_verify", "assert_hostname"):
        client = bool(_CLIENTS.match(holder)) or bool(re.search(r"session|client|http|configuration|adapter", named))
        off = value is False and client
    elif target.attr == "check_hostname":
        off = value is False and named != "self"
    elif target.attr == "verify_mode":
        off = names.path(node.value, scope) == "ssl.CERT_NONE" or names.written(node.value).endswith("CERT_NONE")
    else:
        off = path == "ssl._create_default_https_context" and "_create_unverified" in names.written(node.value)
    if off:
        yield Sight(
            TLS,
            "verify-off",
            node,
            {"call": names.written(target) if target.attr != "_create_default_https_context" else path},
        )


@on_call("setdefault", "putenv", "update", "setenv", words=list(_TLS_VARIABLES))
def environment(call: Call) -> Iterator[Sight]:
    """The same switches, set by a call."""
    if call.path in ("os.environ.setdefault", "os.putenv"):
        name, value = call.constant(call.argument(0)), call.constant(call.argument(1))
        if isinstance(name, str) and isinstance(value, str) and value.lower() in _TLS_VARIABLES.get(name, ()):
            yield call.sees(TLS, "verify-off")
    elif call.path == "os.environ.update":
        entries = call.keywords | (call.names.entries(call.node.args[0], call.scope) if call.node.args else {})
        if any(str(call.constant(value)).lower() in _TLS_VARIABLES.get(name, ()) for name, value in entries.items()):
            yield call.sees(TLS, "verify-off")


_CURL = lazy.pattern(r"\bcurl\b[^|;&]*\s(?:-k|--insecure|-[a-zA-Z]*k[a-zA-Z]*)(?:\s|$)|\bwget\b[^|;&]*--no-check-certificate|\bgit\b[^|;&]*http\.sslVerify=false|"
                   r"\bpip3?\b[^|;&]*--trusted-host")  # fmt: skip


@on_call(
    "run",
    "Popen",
    "call",
    "check_call",
    "check_output",
    "system",
    "popen",
    "getoutput",
    imports=["subprocess", "os", "asyncio"],
)
def commands(call: Call) -> Iterator[Sight]:
    """Commands that do not check certificates."""
    if not call.path.startswith(("subprocess.", "os.")) or not call.node.args:
        return
    first = call.node.args[0]
    if isinstance(first, ast.List | ast.Tuple):
        text = " ".join(str(value) for item in first.elts if isinstance(value := call.constant(item), str))
    else:
        text = leading_text(first, call)
    if _CURL.search(text):
        yield call.sees(TLS, "verify-off")


# ---- connections in clear

_LOCAL_HOST = lazy.pattern(
    r"^(?:localhost|127\.\d+\.\d+\.\d+|\[?::1\]?|0\.0\.0\.0|\[?::\]?|unix|testserver|test|example|host\.docker\.internal)(?:$|[:/])",
    re.I,
)


def _host_of(address: str) -> str:
    """Return the host of an address with or without a scheme."""
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        return parts.hostname or ""
    except ValueError:
        return ""


def _is_local(address: object) -> bool:
    """Say whether an address is of this machine, or a socket in the file system."""
    if not isinstance(address, str):
        return False
    if address.startswith(("unix:", "/")):
        return True
    host = _host_of(address)
    return bool(_LOCAL_HOST.match(host)) if host else False


_CHANNELS = frozenset(
    {
        "grpc.insecure_channel",
        "grpc.aio.insecure_channel",
        "grpc.experimental.insecure_channel",
        "grpc._channel.insecure_channel",
    }
)
_TRITON = lazy.pattern(r"^tritonclient\.(?:grpc|http)(?:\.aio)?(?:\._client)?\.InferenceServerClient$")


@on_call(
    "insecure_channel",
    "insecure_channel_credentials",
    "InferenceServerClient",
    "add_insecure_port",
    "PredictionServiceStub",
    imports=["grpc", "tritonclient"],
)
def channels(call: Call) -> Iterator[Sight]:
    """Remote calls without encryption."""
    target = call.argument(0, "target", "url", "address")
    if call.path in _CHANNELS:
        if not _is_local(_text(target, call)):
            yield call.sees(CLEAR, "insecure-channel")
    elif call.last == "add_insecure_port":
        text = leading_text(target, call) if target is not None else ""
        if text and (not _is_local(text) or text.startswith(("0.0.0.0", "[::]", ":"))):
            yield call.sees(CLEAR, "insecure-channel")
    elif _TRITON.match(call.path) and ("ssl" not in call.keywords or call.value("ssl") is False):
        address = _text(target, call)
        if isinstance(address, str) and address and not _is_local(address):
            yield call.sees(CLEAR, "insecure-channel")


def _text(node: ast.expr | None, call: Call) -> str | Unknown | None:
    """Return the constant an address begins with, far enough to hold its host."""
    value = call.constant(node)
    if isinstance(value, str):
        return value
    text = leading_text(node, call) if node is not None else ""
    return text if re.search(r"[\w\]](?:[:/])", text.partition("://")[2] or text) else None


_TRACKERS = frozenset({"set_tracking_uri", "set_registry_uri", "MlflowClient", "Client", "PyMongo", "set_config", "Langfuse", "Minio", "HttpClient",
                       "QdrantClient", "Elasticsearch", "OpenAI", "AsyncOpenAI", "connect_to_custom", "SummaryWriter"})  # fmt: skip
_TRACKING = lazy.pattern(
    r"^mlflow\.(?:set_tracking_uri|set_registry_uri|tracking\.(?:set_tracking_uri|MlflowClient)|MlflowClient|client\.MlflowClient|tracking\.client\.MlflowClient)$"
)
_CLEAR_CLIENTS = lazy.pattern(
    r"^(?:elasticsearch|opensearchpy|weaviate|qdrant_client|openai|anthropic|langfuse|phoenix|gradio_client|ray\.util|prefect|zenml|label_studio_sdk|argilla)\.[\w.]+$"
)
_URL_NAMES = (
    "tracking_uri",
    "registry_uri",
    "url",
    "base_url",
    "host",
    "hosts",
    "uri",
    "endpoint_url",
    "api_base",
    "azure_endpoint",
    "api_url",
)


@on_call("set_tracking_uri", "set_registry_uri", "MlflowClient", "OpenAI", "AsyncOpenAI", "Elasticsearch", "QdrantClient", "OpenSearch", "Langfuse",
         "Minio", "Argilla", imports=["mlflow", "openai", "elasticsearch", "qdrant_client", "opensearchpy", "langfuse", "minio", "argilla"])  # fmt: skip
def trackers(call: Call) -> Iterator[Sight]:
    """Trackers and stores of models that are spoken to in clear, or whose address holds a password."""
    path = call.path
    if path == "minio.Minio":
        endpoint = call.constant(call.argument(0, "endpoint"))
        if call.value("secure") is False and not _is_local(endpoint):
            yield call.sees(CLEAR, "insecure-channel")
        return
    of_mlflow = bool(_TRACKING.match(path))
    if not of_mlflow and not _CLEAR_CLIENTS.match(path):
        return
    address = call.argument(0 if of_mlflow or call.last in ("Elasticsearch", "OpenSearch") else -1, *_URL_NAMES)
    nodes = address.elts if isinstance(address, ast.List | ast.Tuple) else [address]
    for node in nodes:
        text = leading_text(node, call)
        clear = text.startswith("http://") and bool(_host_of(text)) and not _is_local(text) and not _is_inside(text)
        if clear or (of_mlflow and _has_password(text)):
            yield call.sees(CLEAR, "tracking-uri")
            return


def _is_inside(text: str) -> bool:
    """Say whether a host is a name of a container or cluster: without a dot, or in a zone that is never public."""
    host = _host_of(text)
    return "." not in host or host.endswith((".svc", ".local", ".internal", ".svc.cluster.local"))


def _has_password(text: str) -> bool:
    return bool(re.match(r"^https?://[^/@:\s]+:[^/@\s]+@", text))


@on_node(
    ast.Assign,
    words=[
        "MLFLOW_TRACKING_URI",
        "MLFLOW_REGISTRY_URI",
        "WANDB_BASE_URL",
        "CLEARML_API_HOST",
        "OPENAI_BASE_URL",
        "HF_ENDPOINT",
    ],
    targets=(ITEM,),
)
def tracking_variables(node: ast.Assign, place: Place) -> Iterator[Sight]:
    """The same, set in the environment."""
    for target in node.targets:
        if isinstance(target, ast.Subscript) and place.names.path(target.value, place.scope) == "os.environ":
            name, value = place.names.constant(target.slice, place.scope), place.names.constant(node.value, place.scope)
            if name in (
                "MLFLOW_TRACKING_URI",
                "MLFLOW_REGISTRY_URI",
                "WANDB_BASE_URL",
                "CLEARML_API_HOST",
                "OPENAI_BASE_URL",
                "HF_ENDPOINT",
            ) and isinstance(value, str):
                clear = value.startswith("http://") and not _is_local(value) and not _is_inside(value)
                if clear or _has_password(value):
                    yield Sight(CLEAR, "tracking-uri", node, {"call": str(name)})


@on_call(*_CONNECTS)
def databases(call: Call) -> Iterator[Sight]:
    """Databases that are spoken to in clear."""
    first = call.argument(0, "url", "dsn", "host", "conninfo", "name_or_url", "uri", "database_uri", "name")
    text = _whole(first, call)
    if (
        "://" in text
        and _NO_TLS.search(text)
        or call.value("sslmode") in ("disable", "allow")
        or "sslmode=disable" in text
    ):
        yield call.sees(CLEAR, "database-url")
    elif "connect_args" in call.keywords or "ssl_disabled" in call.keywords or "query" in call.keywords:
        entries = call.names.entries(
            call.keywords.get("connect_args") or call.keywords.get("query") or ast.Dict([], []), call.scope
        )
        if (
            call.constant(entries.get("sslmode")) == "disable"
            or call.value("ssl_disabled") is True
            or call.constant(entries.get("ssl_disabled")) is True
        ):
            yield call.sees(CLEAR, "database-url")
    elif (
        call.last == "MongoClient"
        and call.path.startswith("pymongo.")
        and (call.value("tls") is False or call.value("ssl") is False)
    ) and not _is_local(text):
        yield call.sees(CLEAR, "database-url")


def _whole(node: ast.AST | None, call: Call) -> str:
    """Return the constant parts of an address."""
    if isinstance(node, ast.Name):
        single = call.names.single(node.id, call.scope)
        node = single[0] if single else node
    value = call.constant(node)
    if isinstance(value, str):
        return value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)
    if isinstance(node, ast.BinOp):
        return _whole(node.left, call) + _whole(node.right, call)
    if isinstance(node, ast.Call):  # os.getenv("DATABASE_URL", "postgresql://…"), "…".format(…)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "format":
            return _whole(node.func.value, call)
        return (
            _whole(node.args[1], call)
            if len(node.args) == 2 and call.names.path(node.func, call.scope) in ("os.getenv", "os.environ.get")
            else ""
        )
    return ""


# ---- requests that may wait for ever

_REQUESTS = lazy.pattern(
    r"^(?:requests|requests\.api|requests\.[sS]ession\(\)|requests\.sessions\.Session\(\)|niquests|httpx)\.(?:get|post|put|patch|delete|head|options|request)$"
)


@on_call("get", "post", "put", "patch", "delete", "head", "options", "request", "urlopen", "Client", "AsyncClient", "ClientTimeout",
         imports=["requests", "httpx", "niquests", "urllib", "aiohttp"])  # fmt: skip
def timeouts(call: Call) -> Iterator[Sight]:
    """Requests without a timeout."""
    path = call.path
    if path in ("urllib.request.urlopen",):
        if call.argument(2, "timeout") is None and not call.names.open_ended(call.node, call.scope):
            yield call.sees(TIMEOUT, "http-call")
    elif path.startswith("httpx.") and (_REQUESTS.match(path) or path in ("httpx.Client", "httpx.AsyncClient")):
        if "timeout" in call.keywords and call.value("timeout") is None:  # httpx waits five seconds by default
            yield call.sees(TIMEOUT, "http-call")
    elif _REQUESTS.match(path) and ("timeout" not in call.keywords or call.value("timeout") is None):
        if call.names.open_ended(call.node, call.scope):
            return
        yield call.sees(TIMEOUT, "http-call")


CHECKS = (tls, assigned, environment, commands, channels, trackers, tracking_variables, databases, timeouts)
