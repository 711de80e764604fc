"""Checks on routes and tools that answer with what a model says: who may call them, with what, how often, and what comes back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from mlguard.scanners.code import taint
from mlguard.scanners.code.names import Names
from mlguard.scanners.code.running import PROCESSES, SHELLS
from mlguard.scanners.code.seeing import Call, Place, Sight, on_call, on_node
from mlguard.scanners.code.source import Source
from mlguard.scanners.code.tree import FUNCTIONS, Function, Scope

ENDPOINT = "code/unauthenticated-endpoint"
LIMIT = "code/missing-rate-limit"
INPUT = "code/unvalidated-inference-input"
SCORES = "code/exposed-raw-scores"
TRACE = "code/untraceable-inference"
UNFILTERED = "code/unfiltered-generated-output"
RETRIEVAL = "code/retrieval-without-user-filter"

_VERBS = frozenset({"post", "get", "put", "patch", "route", "api_route", "websocket", "view", "api"})
_ROUTERS = re.compile(
    r"^(?:fastapi\.(?:FastAPI|APIRouter|applications\.FastAPI|routing\.APIRouter)|flask\.(?:Flask|Blueprint)|quart\.(?:Quart|Blueprint)|"
    r"sanic\.(?:Sanic|Blueprint)|bottle\.Bottle|starlette\.applications\.Starlette|aiohttp\.web\.RouteTableDef|flask_restx\.\w+|apiflask\.\w+|"
    r"flask_openapi3\.\w+|robyn\.Robyn|ninja\.(?:NinjaAPI|Router)|falcon\.App)\(\)\."
)
_BARE = frozenset({"bottle.post", "bottle.route", "bottle.get", "litestar.post", "litestar.get", "litestar.put", "bentoml.api", "bentoml.service", "litestar.handlers.post"})
_UNKNOWN_ROUTER = re.compile(r"^(?:app|router|api|bp|blueprint|routes|\w+_(?:router|bp|blueprint|app|api))$")
_FRAMEWORKS = frozenset({"fastapi", "flask", "quart", "sanic", "bottle", "starlette", "aiohttp", "litestar", "robyn", "ninja", "apiflask", "flask_restx",
                         "flask_openapi3", "bentoml", "falcon"})  # fmt: skip
_PREDICTS = frozenset(
    {"predict", "predict_proba", "predict_log_proba", "decision_function", "infer", "inference", "transcribe", "score_samples", "predict_on_batch",
     "run_inference", "classify", "batch_predict", "predict_one", "forecast"}
)  # fmt: skip
_GENERATES = frozenset({"generate", "encode", "embed", "invoke", "ainvoke", "run", "chat", "complete", "call", "forward", "translate", "summarize", "transform", "embed_query", "embed_documents"})
_AUTH = re.compile(
    r"auth|user|token|api_?key|secur|cred|login|permission|verify|jwt|principal|role|oauth|session|identity|protect|require|guard|signed|hmac|acl|scope|keycloak|cognito|firebase",
    re.I,
)
_MODEL = re.compile(
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


@on_node(*FUNCTIONS, imports=_FRAMEWORKS)
def endpoint(node: Function, place: Place) -> Iterator[Sight]:
    """Routes whose answer is a model's."""
    for decorator in node.decorator_list:
        route = _route(node, decorator, place)
        if route is not None:
            yield from _judged(route)
            return


def _route(node: Function, decorator: ast.expr, place: Place) -> Route | None:
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    path = place.names.path(function, place.scope)
    last = function.attr if isinstance(function, ast.Attribute) else path.rpartition(".")[2]
    if last not in _VERBS:
        return None
    known = bool(_ROUTERS.match(path)) or path in _BARE
    if not known:
        owner = function.value if isinstance(function, ast.Attribute) else None
        written = place.names.written(owner).rpartition(".")[2] if owner is not None else ""
        if path and not path.startswith(".") or not _UNKNOWN_ROUTER.match(written) or not isinstance(decorator, ast.Call):
            return None
    return Route(node, decorator, place.scope, place.source, place.names, path)


def _judged(route: Route) -> Iterator[Sight]:
    facts = {"call": route.label}
    predicts = _prediction(route)
    if predicts is None:
        return
    guarded = _guarded(route)
    if not guarded:
        yield Sight(ENDPOINT, "predict-route", route.node, facts)
        if _returns_scores(route):
            yield Sight(SCORES, "raw-scores", route.node, facts)
    if not _limited(route):
        yield Sight(LIMIT, "predict-without-limit", route.node, facts)
    if _is_unvalidated(route):
        yield Sight(INPUT, "unchecked-body", route.node, facts)
    if _is_consequential(route) and not _records(route):
        yield Sight(TRACE, "predict-without-record", route.node, facts)
    if _returns_generated(route) and _has_personal_source(route.source) and not _is_filtered(route.source):
        yield Sight(UNFILTERED, "unfiltered-answer", route.node, facts)


# ---- what a route does

_PREDICTING = re.compile(
    r"(?:^|[/_-])(?:predict\w*|infer|inference|generate|completions?|embed|embeddings?|classify|transcribe|score|detect|recommend|translate|summari[sz]e|chat|ask|invocations)(?:$|[/_-])"
)


def _prediction(route: Route) -> ast.Call | None:
    """Return the call with which a route, or a function of the file that it calls, asks a model."""
    found = _asks(route.calls, route.scope, route)
    if found is not None:
        return found
    for call in route.calls[:40]:
        function = route.names.function(call.func, route.scope)
        if function is not None and function is not route.node:
            inner = [part for part in ast.walk(function) if isinstance(part, ast.Call)]
            if _asks(inner, route.source.tree.inner(function), route) is not None:
                return call
    if _PREDICTING.search(route.address):
        written = ((call, route.names.written(call.func)) for call in route.calls)
        return next((call for call, name in written if _MODEL.search(name.rsplit(".", 1)[-1])), None)
    return None


def _asks(calls: list[ast.Call], scope: Scope, route: Route) -> ast.Call | None:
    for call in calls[:200]:
        if not isinstance(call.func, ast.Attribute):
            continue
        name = call.func.attr
        if name in _PREDICTS:
            return call
        if name in _GENERATES:
            owner = route.names.written(call.func.value).rpartition(".")[2]
            if _MODEL.search(owner) or re.match(r"^(?:transformers|sentence_transformers|torch|vllm|langchain\w*|onnxruntime|spacy)\.", route.names.path(call.func, scope)):
                return call
        if name in ("create", "parse", "generate_content", "complete", "chat", "invoke", "query", "completion") and "model" in taint.of(call, scope, route.names):
            return call
    return None


# ---- who may call it


def _guarded(route: Route) -> bool:
    node, decorator = route.node, route.decorator
    if isinstance(decorator, ast.Call) and any(keyword.arg in ("dependencies", "auth", "guards", "middleware", "permission") for keyword in decorator.keywords):
        return True
    others = [other for other in node.decorator_list if other is not decorator]
    if any(_AUTH.search(route.names.written(getattr(other, "func", other)).rpartition(".")[2]) or _AUTH.search(route.names.written(getattr(other, "func", other))) for other in others):
        return True
    if _depends(node.args, route) or _made_with_auth(decorator, route):
        return True
    if any(_AUTH.search(route.names.written(call.func).rsplit(".", 1)[-1]) for call in route.calls) or _refuses(route):
        return True
    return _app_guard(route.source)


_REFUSALS = frozenset({401, 403})


def _refuses(route: Route) -> bool:
    """Say whether a route answers some callers with 401 or 403."""
    for call in route.calls:
        name = route.names.written(call.func).rpartition(".")[2]
        if name in ("abort", "HTTPException", "Response", "JSONResponse", "HTTPUnauthorized", "HTTPForbidden", "jsonify", "make_response", "Unauthorized", "Forbidden"):
            if name.startswith(("HTTPUn", "HTTPF", "Unauth", "Forb")):
                return True
            values = [*call.args, *(keyword.value for keyword in call.keywords)]
            if any(isinstance(value, ast.Constant) and value.value in _REFUSALS for value in values):
                return True
            if any(isinstance(value, ast.Attribute) and re.search(r"40[13]", value.attr) for value in values):
                return True
    for inner in ast.walk(route.node):
        if isinstance(inner, ast.Return) and isinstance(inner.value, ast.Tuple) and any(isinstance(item, ast.Constant) and item.value in _REFUSALS for item in inner.value.elts):
            return True
    return False


_USER_TYPE = re.compile(r"(?i)(?:current|auth\w*|active|logged_?in)_?\w*user|user_?dep|auth|token|principal|api_?key|credentials|identity|claims")


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
            if single is not None and re.search(r"id='(?:Depends|Security)'", ast.dump(single[0])) and _AUTH.search(ast.dump(single[0])):
                return True
    return False


_PROTECTING = ("dependencies", "auth", "auth_server_provider", "token_verifier", "middleware", "guards", "auth_settings")


def _made_with_auth(decorator: ast.expr, route: Route) -> bool:
    """Say whether the app or router was made with dependencies or authentication."""
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    holder = function.value if isinstance(function, ast.Attribute) else None
    single = route.names.single(holder.id, route.outer) if isinstance(holder, ast.Name) else None
    made = single[0] if single else holder
    return isinstance(made, ast.Call) and any(
        keyword.arg in _PROTECTING and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is None)
        and (keyword.arg != "middleware" or bool(_AUTH.search(ast.dump(keyword.value))))
        for keyword in made.keywords
    )  # fmt: skip


def _app_guard(source: Source) -> bool:
    """Say whether the file adds something to the whole app that checks callers."""
    if source.guarded is None:
        source.guarded = _finds_app_guard(source)
    return source.guarded


_ADDS = ("add_middleware", "include_router", "before_request", "init_app", "middleware", "register_blueprint", "register_middleware", "before_app_request")


def _finds_app_guard(source: Source) -> bool:
    calls = source.tree.calls_by_name
    for name in _ADDS:
        for call in calls.get(name, ()):
            if _AUTH.search(ast.dump(ast.Tuple([*call.args, *(keyword.value for keyword in call.keywords)], ast.Load()))):
                return True
            if name == "include_router" and any(keyword.arg == "dependencies" for keyword in call.keywords):
                return True
    if any(name in calls for name in ("LoginManager", "HTTPBasicAuth", "JWTManager", "BasicAuth", "OAuth", "SeaSurf", "KeycloakOpenID", "Auth0", "AzureAuth", "Talisman")):
        if any(name in calls for name in ("BasicAuth", "AzureAuth")) or "BASIC_AUTH_FORCE" in source.tree.identifiers:
            return True
    for node in source.tree.of(*FUNCTIONS):
        for decorator in node.decorator_list:
            function = decorator.func if isinstance(decorator, ast.Call) else decorator
            last = getattr(function, "attr", "") or getattr(function, "id", "")
            if last in ("before_request", "before_app_request", "middleware") and _checks_callers(node):
                return True
    return False


def _checks_callers(node: Function) -> bool:
    """Say whether a function that runs before every route looks at who calls."""
    return _AUTH.search(node.name) is not None or bool(re.search(r"(?i)authori[sz]ation|api[-_]?key|401|403|token|current_user|session|login", ast.dump(node)))


# ---- how often, with what, and what comes back

_LIMITERS = frozenset({"slowapi", "flask_limiter", "fastapi_limiter", "ratelimit", "limits", "django_ratelimit", "asgi_ratelimit", "pyrate_limiter", "aiolimiter",
                       "throttled", "quart_rate_limiter", "sanic_limiter", "fastapi_throttle", "rate_limiter", "ratelimiter", "slowapi_extended"})  # fmt: skip
_LIMITING = re.compile(r"(?i)limit(?:er|s|ed)?(?:$|_|[A-Z])|throttl|rate_?limit|quota|semaphore")


def _limited(route: Route) -> bool:
    tree = route.source.tree
    if not tree.roots.isdisjoint(_LIMITERS):
        return True
    written = [route.names.written(getattr(other, "func", other)) for other in route.node.decorator_list]
    if any(_LIMITING.search(name) for name in written):
        return True
    return any(_LIMITING.search(name) and name not in ("limit", "limits") for name in tree.identifiers if 5 < len(name) < 40)


_OPEN_TYPES = frozenset({"dict", "Dict", "Any", "list", "List", "object", "Mapping", "JSONStructure", "Json", "MutableMapping"})
_VALIDATES = re.compile(
    r"(?i)(?:^|\.|_)(?:validate\w*|is_valid|parse_obj|model_validate\w*|load|loads_schema|schema|check_\w+|clean\w*|fromdict|from_dict|structure|TypeAdapter|validator|assert_\w+|sanitize\w*|coerce|ensure_\w+|verify_\w+)$"
)


def _is_unvalidated(route: Route) -> bool:
    """Say whether what a caller sent reaches the model without a schema or a check."""
    if any(isinstance(call.func, ast.Name | ast.Attribute) and _VALIDATES.search(route.names.written(call.func)) for call in route.calls):
        return False
    if any(isinstance(call.func, ast.Name) and call.func.id[:1].isupper() and any(keyword.arg is None for keyword in call.keywords) for call in route.calls):
        return False  # Request(**body): a schema
    fast = "fastapi" in route.source.tree.roots and not {"flask", "quart"} & route.source.tree.roots
    for call in route.calls:
        name = getattr(call.func, "attr", "")
        if name not in _PREDICTS and name not in ("generate", "run", "encode"):
            continue
        for value in [*call.args, *(keyword.value for keyword in call.keywords)]:
            if "request" in taint.of(value, route.scope, route.names) and (not fast or _of_open_type(value, route)):
                return True
    return False


def _of_open_type(value: ast.expr, route: Route) -> bool:
    """Say whether an expression of a FastAPI route is made from a parameter that any JSON fits, or from the request itself."""
    for inner in ast.walk(value):
        if not isinstance(inner, ast.Name):
            continue
        parameter = route.scope.parameters.get(inner.id)
        if parameter is None:
            values = [made for made in route.scope.values.get(inner.id, ()) if isinstance(made, ast.expr)]
            if any(_of_open_type(made, route) for made in values[:5] if made is not value and not any(isinstance(part, ast.Name) and part.id == inner.id for part in ast.walk(made))):
                return True
            continue
        annotation = parameter[0].annotation
        base = annotation.value if isinstance(annotation, ast.Subscript) else annotation
        name = getattr(base, "id", None) or getattr(base, "attr", None)
        if annotation is None or name == "Request":
            return True
        if name in _OPEN_TYPES and not (isinstance(annotation, ast.Subscript) and name in ("list", "List") and getattr(annotation.slice, "id", "Any") != "Any"):
            return not (isinstance(annotation, ast.Subscript) and not re.search(r"id='(?:Any|object)'", ast.dump(annotation)))
    return False


_SCORES = frozenset({"predict_proba", "predict_log_proba", "decision_function", "softmax", "sigmoid", "score_samples", "logits", "encode", "embed", "embed_query",
                     "get_text_embedding", "hidden_states", "last_hidden_state", "pooler_output", "embeddings"})  # fmt: skip


def _returns_scores(route: Route) -> bool:
    for value in route.names.returned(route.node)[:10]:
        if _shows_scores(value, route, 4):
            return True
    return False


def _shows_scores(node: ast.AST, route: Route, depth: int) -> bool:
    if depth == 0:
        return False
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute) and inner.attr in _SCORES:
            if inner.attr in ("encode", "embed", "embeddings", "sigmoid"):
                owner = route.names.written(inner.value).rpartition(".")[2]
                if not _MODEL.search(owner) and owner not in ("torch", "F", "nn", "functional", "client"):
                    continue
            return not _is_reduced(node, inner)
        if isinstance(inner, ast.Name):
            for value in route.scope.values.get(inner.id, [])[:3]:
                if isinstance(value, ast.expr) and value is not node and _shows_scores(value, route, depth - 1) and not _is_reduced(node, inner):
                    return True
    return False


_REDUCES = frozenset({"argmax", "round", "bool", "max", "argmin", "int", "len", "label", "any", "digitize", "cut"})


def _is_reduced(whole: ast.AST, part: ast.AST) -> bool:
    """Say whether what is returned is a class, a rounded number or a comparison, not the scores."""
    for inner in ast.walk(whole):
        if isinstance(inner, ast.Compare) and any(child is part for child in ast.walk(inner)):
            return True
        if isinstance(inner, ast.Call):
            name = getattr(inner.func, "attr", None) or getattr(inner.func, "id", None)
            if name in _REDUCES and any(child is part for child in ast.walk(inner)):
                return True
    return False


_CONSEQUENCES = re.compile(
    r"(?i)credit|loan|lend|mortgage|insur|underwrit|hire|hiring|recruit|candidate|applicant|resume|\bcv\b|employ|promot|diagnos|patient|triage|medical|clinical|"
    r"eligib|benefit|welfare|admission|student|grade|exam|recidiv|polic(?:e|ing)|asylum|border|visa|migrat|biometric|face|emotion|fraud|risk|churn_decision|"
    r"tenant|claim|kyc|aml|offend|parole|bail|dropout"
)
_RECORDS = re.compile(
    r"(?i)(?:^|[._])(?:log(?!in|out|it|reg)\w*|audit\w*|record\w*|track\w*|emit\w*|publish\w*|insert\w*|save\w*|store\w*|append\w*|send\w*|trace\w*|span|info|warning|debug|write\w*|add|observe|inc|put|"
    r"labels|commit|create_event|capture\w*|add_task|monitor\w*|produce|enqueue|persist\w*)$"
)


def _is_consequential(route: Route) -> bool:
    return bool(_CONSEQUENCES.search(route.address) or _CONSEQUENCES.search(route.node.name))


def _records(route: Route) -> bool:
    """Say whether a route, or something around it, writes down what was predicted."""
    if any(_RECORDS.search(route.names.written(call.func)) for call in route.calls):
        return True
    others = [other for other in route.node.decorator_list if other is not route.decorator]
    if any(re.search(r"(?i)log(?!in|out)|audit|trace|track|record|monitor", route.names.written(getattr(other, "func", other))) for other in others):
        return True
    tree = route.source.tree
    if any(re.search(r"(?i)log(?!in|out)|audit|trac|telemetry|instrument", name) for call in tree.calls_by_name.get("add_middleware", ()) for name in re.findall(r"id='(\w+)'", ast.dump(call))):
        return True
    return any(
        re.search(r"(?i)log(?!in|out|it|reg)|audit|record", getattr(inner.func, "attr", "") or getattr(inner.func, "id", ""))
        for call in route.calls[:20]
        if (function := route.names.function(call.func, route.scope)) is not None
        for inner in ast.walk(function)
        if isinstance(inner, ast.Call)
    )


def _returns_generated(route: Route) -> bool:
    return any("model" in taint.of(value, route.scope, route.names) for value in route.names.returned(route.node)[:10])


_PERSONS = re.compile(
    r"(?i)(?:^|[_\- /.])(?:patient|customer|employee|client|member|user|person|people|staff|student|applicant|candidate|hr|medical|health|email|ticket|crm|cv|resume|citizen|tenant|donor|guest|contact)s?(?:[_\- /.]|$)"
)
_FILTERS = re.compile(
    r"(?i)guard|moderat|presidio|anonymi[sz]|redact|pii|scrub|llm_guard|nemoguardrails|privacy|sanitize|sanitise|mask_|detoxify|profanity|content_filter|safety|output_filter|deidentif"
)
_STORES = frozenset({"chromadb", "pinecone", "qdrant_client", "weaviate", "pymilvus", "faiss", "langchain", "langchain_community", "langchain_chroma", "langchain_pinecone", "llama_index",
                     "elasticsearch", "opensearchpy", "pgvector", "lancedb", "redisvl", "langchain_qdrant", "langchain_core", "langchain_openai", "langchain_postgres", "vertexai", "azure"})  # fmt: skip


def _has_personal_source(source: Source) -> bool:
    """Say whether a file reads a collection or table that is named after persons."""
    return any(_PERSONS.search(name) for name in _collections(source))


def _collections(source: Source) -> Iterator[str]:
    """Yield the constant names of collections, indexes and tables that a file opens."""
    calls = source.tree.calls_by_name
    for name in ("get_collection", "get_or_create_collection", "Collection", "Index", "Chroma", "Qdrant", "QdrantVectorStore", "from_existing_index", "Milvus", "PGVector", "search", "query_points",
                 "read_sql", "execute", "open_table", "load_local", "PineconeVectorStore", "similarity_search", "query"):  # fmt: skip
        for call in calls.get(name, ())[:50]:
            for value in [*call.args[:2], *(keyword.value for keyword in call.keywords if keyword.arg in _COLLECTION_KEYS)]:
                if isinstance(value, ast.Constant) and isinstance(value.value, str) and len(value.value) < 400:
                    yield value.value
                elif isinstance(value, ast.Name):
                    yield value.id


_COLLECTION_KEYS = frozenset({"name", "collection_name", "index_name", "table_name", "collection", "index", "table", "sql", "folder_path"})


def _is_filtered(source: Source) -> bool:
    tree = source.tree
    return any(_FILTERS.search(name) for name in tree.roots) or any(_FILTERS.search(name) for name in tree.identifiers if len(name) < 50)


# ---- retrieval

_SEARCHES = frozenset(
    {"similarity_search", "asimilarity_search", "similarity_search_with_score", "similarity_search_by_vector", "similarity_search_with_relevance_scores",
     "max_marginal_relevance_search", "query", "query_points", "search", "near_text", "near_vector", "hybrid", "get_relevant_documents", "knn_search", "as_retriever"}
)  # fmt: skip
_FILTER_KEYS = frozenset(
    {"filter", "filters", "where", "where_document", "query_filter", "namespace", "tenant", "expr", "partition_names", "pre_filter", "scroll_filter", "search_kwargs", "prefilter",
     "filter_expression", "user_id", "acl", "query", "body", "return_filter", "tenant_id", "access_filter", "security_filter", "metadata_filters"}
) - {"query", "body"}  # fmt: skip
_VECTOR = re.compile(
    r"(?i)^(?:chromadb|pinecone|qdrant_client|weaviate|pymilvus|lancedb|langchain\w*|llama_index)\b"
)
_VECTOR_NAME = re.compile(r"(?i)(?:^|_|\.)(?:collection|index|vector_?(?:store|db|database|index)|vs|vdb|store|retriever|chroma\w*|pinecone\w*|qdrant\w*|milvus\w*|weaviate\w*|docsearch|knowledge_?base|kb|db|faiss\w*)$")
_KNOWS_USER = re.compile(r"(?i)^(?:current_|auth_|logged_in_)?(?:user|tenant|account|principal|customer|patient|employee|member)(?:_?id|_?name)?$")


@on_call(*_SEARCHES, imports=_STORES)
def retrieval(call: Call) -> Iterator[Sight]:
    """Searches over the documents of many persons that are not confined to those of the one who asks."""
    if call.receiver is None or call.names.open_ended(call.node, call.scope):
        return
    written = call.names.written(call.receiver)
    if not _VECTOR.match(call.path) and (call.path or not _VECTOR_NAME.search(written)):
        return
    if call.last in ("query", "search") and not call.keywords.keys() & {"query_texts", "query_embeddings", "vector", "query_vector", "top_k", "n_results", "limit", "k", "collection_name", "data", "anns_field"}:
        return
    if call.keywords.keys() & _FILTER_KEYS:
        return
    if call.last == "as_retriever":
        return
    if len(call.node.args) > 2:
        return
    personal = _has_personal_source(call.source) or _PERSONS.search(f" {written.rpartition('.')[2].replace('_', ' ')} ") is not None
    if personal and call.source.tree.identifiers.isdisjoint(_TENANT_WORDS):
        yield call.sees(RETRIEVAL, "search-without-filter")


_TENANT_WORDS = frozenset({"with_tenant", "tenant", "namespace", "partition_key", "user_collection", "acl", "row_level_security"})


# ---- tools

_TOOL_SERVERS = re.compile(r"(?:FastMCP|mcp\.server\.\w*\.?Server|MCPServer|MCP)\(\)\.")


@on_node(*FUNCTIONS, imports=["mcp", "fastmcp"])
def tool(node: Function, place: Place) -> Iterator[Sight]:
    """Tools that run commands for whoever connects."""
    for decorator in node.decorator_list:
        function = decorator.func if isinstance(decorator, ast.Call) else decorator
        path = place.names.path(function, place.scope)
        last = function.attr if isinstance(function, ast.Attribute) else ""
        if last not in ("tool", "call_tool", "resource") or not (_TOOL_SERVERS.search(path) or not path):
            continue
        route = Route(node, decorator, place.scope, place.source, place.names, path)
        if not _made_with_auth(decorator, route) and _runs_commands(route):
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
        return not first.elts or not isinstance(first.elts[0], ast.Constant) or any(
            keyword.arg == "shell" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True for keyword in call.keywords
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
    if given.keys() & set(_PROTECTING):
        return
    transport = call.constant(call.argument(0, "transport"))
    remote = transport in ("sse", "http", "streamable-http", "streamable_http") or call.last in ("run_http_async", "run_sse_async")
    host = call.constant(call.keywords.get("host") or given.get("host"))
    if remote and host in ("0.0.0.0", "::"):
        yield call.sees(ENDPOINT, "tool-server")


CHECKS = (endpoint, retrieval, tool, tool_servers)
