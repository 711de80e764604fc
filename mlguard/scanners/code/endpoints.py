"""Checks on routes that answer with what a model says: who may call them, with what, how often, and what comes back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mlguard import lazy
from mlguard.scanners.code import retrieval, routes, taint
from mlguard.scanners.code.routes import Route
from mlguard.scanners.code.seeing import Call, Place, Sight, on_call, on_node
from mlguard.scanners.code.source import Source
from mlguard.scanners.code.tree import FUNCTIONS, Function

ENDPOINT = "code/unauthenticated-endpoint"
LIMIT = "code/missing-rate-limit"
INPUT = "code/unvalidated-inference-input"
SCORES = "code/exposed-raw-scores"
TRACE = "code/untraceable-inference"
UNFILTERED = "code/unfiltered-generated-output"


@on_node(*FUNCTIONS, imports=routes.FRAMEWORKS, decorated=True)
def endpoint(node: Function, place: Place) -> Iterator[Sight]:
    """Routes whose answer is a model's."""
    for decorator in node.decorator_list:
        found = routes.route(node, decorator, place)
        if found is not None:
            yield from _judged(found)
            return


@on_call(*routes.REGISTERS, imports=routes.FRAMEWORKS)
def registered(call: Call) -> Iterator[Sight]:
    """Functions that a call makes routes, and whose answer is a model's."""
    found = routes.registered(call)
    if found is not None:
        yield from _judged(found)


def _judged(route: Route) -> Iterator[Sight]:
    facts = {"call": route.label}
    predicts = routes.prediction(route)
    if predicts is None:
        return
    guarded = routes.is_guarded(route)
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
    if _returns_generated(route) and route.source.once("personal-unfiltered", 0, lambda: _is_unfiltered(route.source)):
        yield Sight(UNFILTERED, "unfiltered-answer", route.node, facts)


# ---- how often, with what, and what comes back

_LIMITERS = frozenset({"slowapi", "flask_limiter", "fastapi_limiter", "ratelimit", "limits", "django_ratelimit", "asgi_ratelimit", "pyrate_limiter", "aiolimiter",
                       "throttled", "quart_rate_limiter", "sanic_limiter", "fastapi_throttle", "rate_limiter", "ratelimiter", "slowapi_extended"})  # fmt: skip
_LIMITING = lazy.pattern(r"(?i)limit(?:er|s|ed)?(?:$|_|[A-Z])|throttl|rate_?limit|quota|semaphore")


def _limited(route: Route) -> bool:
    tree = route.source.tree
    if not tree.roots.isdisjoint(_LIMITERS):
        return True
    written = [route.names.written(getattr(other, "func", other)) for other in route.node.decorator_list]
    if any(_LIMITING.search(name) for name in written):
        return True
    return route.source.once(
        "limited", 0, lambda: any(_LIMITING.search(name) for name in tree.identifiers if 6 < len(name) < 40)
    )


_OPEN_TYPES = frozenset(
    {"dict", "Dict", "Any", "list", "List", "object", "Mapping", "JSONStructure", "Json", "MutableMapping"}
)
_VALIDATES = lazy.pattern(
    r"(?i)(?:^|\.|_)(?:validate\w*|is_valid|parse_obj|model_validate\w*|load|loads_schema|schema|check_\w+|clean\w*|fromdict|from_dict|structure|TypeAdapter|validator|assert_\w+|sanitize\w*|coerce|ensure_\w+|verify_\w+)$"
)


def _is_unvalidated(route: Route) -> bool:
    """Say whether what a caller sent reaches the model without a schema or a check."""
    if any(
        isinstance(call.func, ast.Name | ast.Attribute) and _VALIDATES.search(route.names.written(call.func))
        for call in route.calls
    ):
        return False
    if any(
        isinstance(call.func, ast.Name)
        and call.func.id[:1].isupper()
        and any(keyword.arg is None for keyword in call.keywords)
        for call in route.calls
    ):
        return False  # Request(**body): a schema
    fast = "fastapi" in route.source.tree.roots and not {"flask", "quart"} & route.source.tree.roots
    for call in route.calls:
        name = getattr(call.func, "attr", "")
        if name not in routes.PREDICTS and name not in ("generate", "run", "encode"):
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
            if any(
                _of_open_type(made, route)
                for made in values[:5]
                if made is not value
                and not any(isinstance(part, ast.Name) and part.id == inner.id for part in ast.walk(made))
            ):
                return True
            continue
        annotation = parameter[0].annotation
        base = annotation.value if isinstance(annotation, ast.Subscript) else annotation
        name = getattr(base, "id", None) or getattr(base, "attr", None)
        if annotation is None or name == "Request":
            return True
        if name in _OPEN_TYPES and not (
            isinstance(annotation, ast.Subscript)
            and name in ("list", "List")
            and getattr(annotation.slice, "id", "Any") != "Any"
        ):
            return not (
                isinstance(annotation, ast.Subscript) and not re.search(r"id='(?:Any|object)'", ast.dump(annotation))
            )
    return False


_SCORES = frozenset({"predict_proba", "predict_log_proba", "decision_function", "softmax", "sigmoid", "score_samples", "logits", "encode", "embed", "embed_query",
                     "get_text_embedding", "hidden_states", "last_hidden_state", "pooler_output", "embeddings"})  # fmt: skip


def _returns_scores(route: Route) -> bool:
    return any(_shows_scores(value, route, 4) for value in route.names.returned(route.node)[:10])


def _shows_scores(node: ast.AST, route: Route, depth: int) -> bool:
    if depth == 0:
        return False
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute) and inner.attr in _SCORES:
            if inner.attr in ("encode", "embed", "embeddings", "sigmoid"):
                owner = route.names.written(inner.value).rpartition(".")[2]
                if not routes.MODEL.search(owner) and owner not in ("torch", "F", "nn", "functional", "client"):
                    continue
            return not _is_reduced(node, inner)
        if isinstance(inner, ast.Name):
            for value in route.scope.values.get(inner.id, [])[:3]:
                if (
                    isinstance(value, ast.expr)
                    and value is not node
                    and _shows_scores(value, route, depth - 1)
                    and not _is_reduced(node, inner)
                ):
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


_CONSEQUENCES = lazy.pattern(
    r"(?i)credit|loan|lend|mortgage|insur|underwrit|hire|hiring|recruit|candidate|applicant|resume|\bcv\b|employ|promot|diagnos|patient|triage|medical|clinical|"
    r"eligib|benefit|welfare|admission|student|grade|exam|recidiv|polic(?:e|ing)|asylum|border|visa|migrat|biometric|face|emotion|fraud|risk|churn_decision|"
    r"tenant|claim|kyc|aml|offend|parole|bail|dropout"
)
_RECORDS = lazy.pattern(
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
    if any(
        re.search(
            r"(?i)log(?!in|out)|audit|trace|track|record|monitor", route.names.written(getattr(other, "func", other))
        )
        for other in others
    ):
        return True
    tree = route.source.tree
    if any(
        re.search(r"(?i)log(?!in|out)|audit|trac|telemetry|instrument", name)
        for call in tree.calls_by_name.get("add_middleware", ())
        for name in re.findall(r"id='(\w+)'", ast.dump(call))
    ):
        return True
    return any(
        re.search(
            r"(?i)log(?!in|out|it|reg)|audit|record", getattr(inner.func, "attr", "") or getattr(inner.func, "id", "")
        )
        for call in route.calls[:20]
        if (function := route.names.function(call.func, route.scope)) is not None
        for inner in ast.walk(function)
        if isinstance(inner, ast.Call)
    )


def _returns_generated(route: Route) -> bool:
    return any("model" in taint.of(value, route.scope, route.names) for value in route.names.returned(route.node)[:10])


_FILTERS = lazy.pattern(
    r"(?i)guard|moderat|presidio|anonymi[sz]|redact|pii|scrub|llm_guard|nemoguardrails|privacy|sanitize|sanitise|mask_|detoxify|profanity|content_filter|safety|output_filter|deidentif"
)


def _is_unfiltered(source: Source) -> bool:
    return retrieval.has_personal_source(source) and not _is_filtered(source)


def _is_filtered(source: Source) -> bool:
    names = {*source.tree.roots, *(name for name in source.tree.identifiers if len(name) < 50)}
    return any(map(_FILTERS.search, names))


CHECKS = (endpoint, registered)
