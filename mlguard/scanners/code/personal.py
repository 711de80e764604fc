"""Checks on where personal data goes: logs, exceptions, telemetry, hashes, features."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence

from mlguard.scanners.code import lexicon
from mlguard.scanners.code.lexicon import Term
from mlguard.scanners.code.names import Names, Unknown
from mlguard.scanners.code.seeing import Call, Place, Sight, on_call, on_node
from mlguard.scanners.code.source import Source
from mlguard.scanners.code.tree import Scope

LOGS = "code/personal-data-in-logs"
TELEMETRY = "code/personal-data-in-telemetry"
HASHES = "code/unsalted-identifier-hash"

MAX_DEPTH = 8
"""Steps into an expression and from name to name."""

_SAME = frozenset(
    "lower upper strip lstrip rstrip title capitalize casefold encode decode replace format ljust rjust center join split "  # noqa: SIM905
    "to_string tolist to_list to_dict iloc loc head tail sample values item get dropna copy astype".split()
)
"""Methods and attributes whose result still holds the value."""
_CLEAN = re.compile(
    r"mask|hash|anonym|pseudonym|redact|encrypt|scrub|hmac|digest|obfuscat|sanit|censor|truncat|hide|count|len|bool|check|valid|exists|has|is_|fake|faker|synth"
)


def personal(node: ast.AST | None, scope: Scope, names: Names, depth: int = MAX_DEPTH) -> Term | None:
    """Return the kind of personal data that the text of an expression would show, if any."""
    if node is None or depth == 0:
        return None
    if isinstance(node, ast.Name):
        return _named(node, scope, names, depth)
    if isinstance(node, ast.Attribute):
        owner = names.written(node.value)
        found = lexicon.term(node.attr, owner.rsplit(".", 1)[-1]) if not node.attr.isupper() else None
        if found is None and node.attr in _SAME:
            return personal(node.value, scope, names, depth - 1)
        return None if lexicon.is_holder(owner) else found
    if isinstance(node, ast.Subscript):
        return _item(node, scope, names, depth)
    if isinstance(node, ast.Call):
        return _result(node, scope, names, depth)
    if isinstance(node, ast.FormattedValue | ast.Await | ast.Starred | ast.NamedExpr):
        return personal(node.value, scope, names, depth - 1)
    if isinstance(node, ast.JoinedStr):
        return first(node.values, scope, names, depth)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
        return first((node.left, node.right), scope, names, depth)
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return first(node.elts, scope, names, depth)
    if isinstance(node, ast.Dict):
        return first(node.values, scope, names, depth)
    if isinstance(node, ast.IfExp):
        return first((node.body, node.orelse), scope, names, depth)
    if isinstance(node, ast.BoolOp):
        return first(node.values, scope, names, depth)
    return None


def first(nodes: Iterable[ast.AST | None], scope: Scope, names: Names, depth: int = MAX_DEPTH) -> Term | None:
    """Return what the first of these expressions shows."""
    return next((found for node in nodes if (found := personal(node, scope, names, depth - 1))), None)


def _named(node: ast.Name, scope: Scope, names: Names, depth: int) -> Term | None:
    if node.id.isupper():
        return None  # a constant's name
    holder = names.holder(node.id, scope)
    values = holder.values.get(node.id, []) if holder else []
    known = [value for value in values if value is not None]
    found = lexicon.term(node.id)
    if holder is None or (node.id in holder.imports) or any(isinstance(value, _DEFINITIONS) for value in known):
        return None
    if found is not None and not known:
        return None if _flag(node.id, holder) else found
    if found is None and len(values) != 1:
        return None
    shown = [personal(value, holder, names, depth - 1) for value in known]
    if found is not None:
        # Every value is known, and none of them is somebody's data: a literal, a count, a masked value.
        return None if len(known) == len(values) and all(_harmless(value, names, holder) for value in known) else found
    return shown[0] if shown else None


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _flag(name: str, holder: Scope) -> bool:
    """Say whether a parameter is declared as a switch or a number."""
    argument, default = holder.parameters.get(name, (None, None))
    if isinstance(default, ast.Constant) and isinstance(default.value, bool | int | float):
        return True
    annotation = argument.annotation if argument is not None else None
    return isinstance(annotation, ast.Name) and annotation.id in ("bool", "int", "float")


def _harmless(value: ast.AST, names: Names, scope: Scope) -> bool:
    if isinstance(value, ast.Compare | ast.Constant | ast.UnaryOp | ast.Lambda):
        return True
    if isinstance(value, ast.Call | ast.Subscript | ast.Attribute) and lexicon.is_holder(_owner(value, names)):
        return True  # os.environ.get(…), config["…"]
    if isinstance(value, ast.JoinedStr):
        return not isinstance(names.constant(value, scope), Unknown)
    if isinstance(value, ast.Call):
        written = names.written(value.func).lower()
        return bool(_CLEAN.search(written)) or value_name(value)[:1].isupper()
    return False


def _owner(node: ast.Call | ast.Subscript | ast.Attribute, names: Names) -> str:
    if isinstance(node, ast.Call):
        return names.written(node.func.value) if isinstance(node.func, ast.Attribute) else ""
    return names.written(node.value)


def value_name(call: ast.Call) -> str:
    """Return the last part of the called name: a capital first letter means that an object is made."""
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _item(node: ast.Subscript, scope: Scope, names: Names, depth: int) -> Term | None:
    if isinstance(node.slice, ast.Slice):
        return None  # a part of a text: cut on purpose
    key = names.constant(node.slice, scope)
    if isinstance(key, str):
        owner = names.written(node.value).rsplit(".", 1)[-1]
        return None if lexicon.is_holder(names.written(node.value)) else lexicon.term(key, owner)
    if isinstance(node.slice, ast.List | ast.Tuple):
        return frame_term(columns_of(node, scope, names, depth))
    return personal(node.value, scope, names, depth - 1) if isinstance(key, int | Unknown) else None


def _result(node: ast.Call, scope: Scope, names: Names, depth: int) -> Term | None:
    function = node.func
    if isinstance(function, ast.Attribute):
        name = function.attr
        if _CLEAN.search(name.lower()):
            return None
        if name in ("get", "pop", "getlist", "getvalue") and node.args:
            key = names.constant(node.args[0], scope)
            if isinstance(key, str):
                owner = names.written(function.value).rsplit(".", 1)[-1]
                return None if lexicon.is_holder(names.written(function.value)) else lexicon.term(key, owner)
        if name in ("format", "join"):
            values = [*node.args, *(keyword.value for keyword in node.keywords)]
            return first(values, scope, names, depth)
        if name in _SAME:
            return personal(function.value, scope, names, depth - 1)
        return None
    if isinstance(function, ast.Name) and function.id in ("str", "repr", "format", "ascii"):
        return first(node.args, scope, names, depth)
    if isinstance(function, ast.Name) and function.id == "getattr" and len(node.args) > 1:
        key = names.constant(node.args[1], scope)
        return lexicon.term(key, names.written(node.args[0])) if isinstance(key, str) else None
    return None


# Columns of frames


def columns_of(node: ast.AST | None, scope: Scope, names: Names, depth: int = MAX_DEPTH) -> list[str] | None:
    """Return the names of the columns that a frame expression chooses, None when it is not known."""
    found = column_list(node, scope, names, depth)
    return found[0] if found else None


def column_list(
    node: ast.AST | None, scope: Scope, names: Names, depth: int = MAX_DEPTH
) -> tuple[list[str], ast.AST] | None:
    """Return the chosen columns, and the expression that chooses them."""
    if node is None or depth == 0:
        return None
    if isinstance(node, ast.Subscript):
        part = node.slice
        if (
            isinstance(part, ast.Tuple)
            and len(part.elts) == 2
            and isinstance(node.value, ast.Attribute)
            and node.value.attr == "loc"
        ):
            part = part.elts[1]
        chosen = strings(part, scope, names)
        return (chosen, node) if chosen else None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        method = node.func.attr
        inner = column_list(node.func.value, scope, names, depth - 1)
        if inner is None:
            return None
        if method == "drop":
            keywords = names.keywords(node, scope)
            gone = strings(keywords.get("columns") or (node.args[0] if node.args else None), scope, names)
            return [name for name in inner[0] if name not in gone], inner[1]
        return inner if method in _ROWS else None
    if isinstance(node, ast.Attribute):
        return column_list(node.value, scope, names, depth - 1) if node.attr in ("values", "iloc", "loc") else None
    if isinstance(node, ast.Name):
        single = names.single(node.id, scope)
        return column_list(single[0], single[1], names, depth - 1) if single else None
    return None


_ROWS = frozenset(
    "head tail sample copy reset_index dropna fillna to_string to_markdown to_html to_numpy astype iloc loc sort_values "  # noqa: SIM905
    "drop_duplicates to_dict to_records".split()
)
"""Methods of a frame whose result still has its rows and columns."""


def strings(node: ast.AST | None, scope: Scope, names: Names, depth: int = 4) -> list[str]:
    """Return the strings of a list expression, also of a sum of lists and of a name for one."""
    if node is None or depth == 0:
        return []
    if isinstance(node, ast.List | ast.Tuple):
        values = (names.constant(item, scope) for item in node.elts)
        return [value for value in values if isinstance(value, str)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return strings(node.left, scope, names, depth - 1) + strings(node.right, scope, names, depth - 1)
    if isinstance(node, ast.Name):
        single = names.single(node.id, scope)
        return strings(single[0], single[1], names, depth - 1) if single else []
    return []


def frame_term(chosen: Sequence[str] | None) -> Term | None:
    found = lexicon.columns(chosen) if chosen else []
    return found[0][1] if found else None


# Logs and exceptions

LEVELS = frozenset(
    {"debug", "info", "warning", "warn", "error", "critical", "exception", "log", "fatal", "trace", "success", "notice"}
)
_LOGGER = re.compile(r"(?:^|_)(?:log|logger|logging|slog)$", re.I)
_PRINTS = frozenset({"print", "pprint.pprint", "pprint.pp", "rich.print", "sys.stdout.write", "sys.stderr.write", "click.echo",
                     "click.secho", "typer.echo", "tqdm.write", "tqdm.tqdm.write", "IPython.display.display", "streamlit.write"})  # fmt: skip


@on_call(*LEVELS, *(path.rpartition(".")[2] for path in _PRINTS), "warn_explicit", personal=True)
def logs(call: Call) -> Iterator[Sight]:
    """Personal data in log calls, prints and warnings."""
    check = _sink(call)
    if not check:
        return
    values = [
        *call.node.args,
        *(value for name, value in call.keywords.items() if name not in ("exc_info", "stacklevel", "file")),
    ]
    for value in values:
        frame = frame_term(columns_of(value, call.scope, call.names))
        if frame is not None:
            yield call.sees(LOGS, "frame-print", term=frame.label)
            return
    found = first(values, call.scope, call.names)
    if found is not None:
        yield call.sees(LOGS, check, term=found.label)


def _sink(call: Call) -> str:
    path = call.path
    if path in _PRINTS:
        file = call.keywords.get("file")
        to_console = file is None or call.names.path(file, call.scope) in ("sys.stderr", "sys.stdout", "sys.__stderr__")
        return "print" if to_console else ""
    if path in ("warnings.warn", "warnings.warn_explicit"):
        return "warning"
    if not path and call.last == "display" and isinstance(call.node.func, ast.Name) and call.source.rows:
        return "print"
    if call.last not in LEVELS or call.receiver is None:
        return ""
    owner = call.names.path(call.receiver, call.scope)
    if owner in ("logging", "logging.getLogger()", "loguru.logger", "structlog.get_logger()", "logging.Logger()"):
        return "log-call"
    return "log-call" if _LOGGER.search(call.names.written(call.receiver).rsplit(".", 1)[-1]) else ""


@on_node(ast.Raise, personal=True)
def raised(node: ast.Raise, place: Place) -> Iterator[Sight]:
    """Personal data in the message of an exception."""
    scope, names = place.scope, place.names
    if isinstance(node.exc, ast.Call):
        found = first([*node.exc.args, *(keyword.value for keyword in node.exc.keywords)], scope, names)
        if found is not None:
            yield Sight(LOGS, "exception-message", node, {"term": found.label})


# Telemetry

_TRACKER = re.compile(
    r"^(?:wandb|mlflow|comet_ml|neptune|clearml|aim|dvclive|tensorboardX)\b.*?(?:\.|^)"
    r"(?:log|log_\w+|init|update|set_tags?|add_tag|append|track|connect|report_\w+|set_\w+|log|upload)$"
)
_ERRORS = re.compile(
    r"^(?:sentry_sdk\.(?:set_user|set_tag|set_tags|set_context|set_extra|capture_message|add_breadcrumb)"
    r"|(?:posthog|mixpanel|analytics|segment\.analytics|rudderstack|amplitude|statsig|heap)\b.*\.(?:capture|identify|track|alias|people_set|set|group|page)"
    r"|bugsnag\.\w+|rollbar\.report_\w+|ddtrace\b.*\.set_tag|opentelemetry\b.*\.set_attributes?|newrelic\.agent\.add_custom_\w+)$"
)


@on_call(
    imports=[
        "wandb",
        "mlflow",
        "comet_ml",
        "neptune",
        "clearml",
        "aim",
        "dvclive",
        "tensorboardX",
        "sentry_sdk",
        "posthog",
        "mixpanel",
        "analytics",
        "segment",
        "rudderstack",
        "amplitude",
        "statsig",
        "heap",
        "bugsnag",
        "rollbar",
        "ddtrace",
        "opentelemetry",
        "newrelic",
    ],
)
def telemetry(call: Call) -> Iterator[Sight]:
    """Personal data for trackers and error services."""
    path = call.path.replace("()", "")
    if path == "sentry_sdk.init" and call.value("send_default_pii") is True:
        yield call.sees(TELEMETRY, "send-default-pii")
        return
    table = path in ("wandb.Table", "mlflow.log_table", "wandb.sdk.data_types.table.Table")
    span = call.last in ("set_attribute", "set_attributes") and any(
        n.startswith("opentelemetry") for n in call.source.tree.imported
    )
    if not (table or span or _TRACKER.match(path) or _ERRORS.match(path)):
        return
    values = [*call.node.args, *call.keywords.values()]
    for value in values:
        term = frame_term(columns_of(value, call.scope, call.names))
        listed = call.keywords.get("columns") if table else None
        term = term or (frame_term(strings(listed, call.scope, call.names)) if listed is not None else None)
        if term is not None:
            yield call.sees(TELEMETRY, "tracker-table", term=term.label)
            return
    found = first(values, call.scope, call.names) or _keyed(call, values, path)
    if found is not None:
        tracker = bool(_TRACKER.match(path)) or table
        yield call.sees(TELEMETRY, "tracker-value" if tracker else "error-tracker", term=found.label)


def _keyed(call: Call, values: Sequence[ast.expr], path: str) -> Term | None:
    """Return what the key of a dictionary or the first argument names, where its value is not harmless."""
    pairs: list[tuple[str, ast.expr]] = [
        pair for value in values for pair in call.names.entries(value, call.scope).items()
    ]
    if len(call.node.args) == 2 and re.search(r"set_tag|set_attribute|log_param|set_extra", path or call.last):
        key = call.constant(call.node.args[0])
        pairs += [(key, call.node.args[1])] if isinstance(key, str) else []
    for key, value in pairs:
        shown = not call.is_constant(value) and isinstance(value, ast.Name | ast.Attribute | ast.Subscript)
        if shown and (found := lexicon.term(key)):
            return found
    return None


# Pseudonyms

_HASHES = re.compile(r"^hashlib\.(?:md5|sha1|sha224|sha256|sha384|sha512|sha3_\d+|blake2[bs]|new)$")
_MAPS = frozenset({"apply", "map", "transform", "map_elements", "applymap", "assign"})
_SALT = re.compile(r"salt|pepper|secret|key|nonce", re.I)


@on_call(imports=["hashlib", "pandas"], personal=True)
def pseudonyms(call: Call) -> Iterator[Sight]:
    """Identifiers that are hashed without a key."""
    if call.path in ("pandas.util.hash_pandas_object", "pandas.util.hash_array"):
        found = personal(call.argument(0), call.scope, call.names)
        if found is not None and "hash_key" not in call.keywords:
            yield call.sees(HASHES, "identifier-hash", term=found.label)
        return
    if not _HASHES.match(call.path) or {"key", "salt"} & set(call.keywords):
        return
    value = call.argument(1 if call.last == "new" else 0, "string", "data")
    if value is None or any(
        isinstance(inner, ast.Name | ast.Attribute) and _SALT.search(call.names.written(inner))
        for inner in ast.walk(value)
    ):
        return
    found = personal(value, call.scope, call.names) or _element(value, call)
    if found is not None and found.kind == "ordinary":
        yield call.sees(HASHES, "identifier-hash", term=found.label)


def _element(value: ast.AST, call: Call) -> Term | None:
    """Return what a value is when it is the parameter of a lambda over a column, or the variable of a comprehension."""
    while isinstance(value, ast.Attribute | ast.Call):
        value = value.func if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) else (
            value.args[0] if isinstance(value, ast.Call) and value.args else getattr(value, "value", ast.Constant(None))
        )  # fmt: skip
    if not isinstance(value, ast.Name):
        return None
    node: ast.AST | None = call.node
    while node is not None and not isinstance(node, ast.stmt):
        if isinstance(node, ast.Lambda) and any(argument.arg == value.id for argument in node.args.args):
            user = call.source.tree.parent(node)
            if isinstance(user, ast.Call) and isinstance(user.func, ast.Attribute) and user.func.attr in _MAPS:
                return personal(user.func.value, call.scope, call.names)
        for generator in getattr(node, "generators", []):
            if isinstance(generator.target, ast.Name) and generator.target.id == value.id:
                return personal(generator.iter, call.scope, call.names)
        node = call.source.tree.parent(node)
    return None


# Features

FITS = frozenset({"fit", "fit_predict", "partial_fit"})
_TABLES = frozenset({"lightgbm.Dataset", "xgboost.DMatrix", "catboost.Pool"})
_TRANSFORMERS = frozenset({"sklearn.compose.ColumnTransformer", "sklearn.compose.make_column_transformer"})


@on_call(*FITS, *(path.rpartition(".")[2] for path in _TABLES | _TRANSFORMERS), personal=True)
def features(call: Call) -> Iterator[Sight]:
    """Columns that a model must not be trained on."""
    if (call.last in FITS and call.receiver is not None) or call.path in _TABLES:
        found = column_list(call.argument(0, "X", "x", "data"), call.scope, call.names)
        if found is not None:
            yield from _columns(found[0], found[1], call)
    elif call.path in _TRANSFORMERS:
        for inner in ast.walk(call.node):
            if isinstance(inner, ast.Tuple) and len(inner.elts) in (2, 3):
                yield from _columns(strings(inner.elts[-1], call.scope, call.names), inner, call)


def _columns(chosen: list[str], node: ast.AST, call: Call) -> Iterator[Sight]:
    seen = lexicon.columns(chosen)
    special = [term.label for _, term in seen if term.kind != "ordinary"]
    direct = [term.label for _, term in seen if term.direct]
    direct += ["a person's key" for name in chosen if lexicon.is_key(name)]
    if special:
        yield call.sees("code/sensitive-attribute-as-feature", "feature-column", node=node, term=_listed(special))
    if direct:
        yield call.sees("code/identifier-as-feature", "identifier-column", node=node, term=_listed(direct))


def _listed(labels: Iterable[str]) -> str:
    return " and ".join(sorted(set(labels)))


def shown_at_the_end(source: Source, names: Names) -> Iterator[Sight]:
    """Yield the frames that stand alone at the top of a notebook's cell: they are shown below it."""
    for node in source.tree.module.body:
        if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
            found = frame_term(columns_of(node.value, source.tree.root, names))
            if found is not None:
                yield Sight(LOGS, "frame-print", node.value, {"term": found.label, "call": "a cell"})


# Libraries

_BIOMETRIC = frozenset(
    "deepface face_recognition insightface facenet_pytorch retinaface mtcnn fer hsemotion emopy EmoPy feat openface "  # noqa: SIM905
    "resemblyzer keras_vggface deepspeaker emotiefflib py_feat".split()
)
_BIOMETRIC_PARTS = ("azure.cognitiveservices.vision.face", "azure.ai.vision.face", "speechbrain.inference.speaker",
                    "speechbrain.pretrained.SpeakerRecognition", "pyannote.audio", "mediapipe.python.solutions.face_detection",
                    "mediapipe.solutions.face_mesh")  # fmt: skip


def libraries(source: Source) -> Iterator[Sight]:
    """Libraries for faces, voices and emotions, each once."""
    told: set[str] = set()
    for module, node in source.tree.imported.items():
        root = module.split(".")[0]
        name = root if root in _BIOMETRIC else next((part for part in _BIOMETRIC_PARTS if module.startswith(part)), "")
        if name and name not in told:
            told.add(name)
            yield Sight("code/undeclared-biometric-use", "biometric-library", node, {"call": name})


@on_call("client", "resource", imports=["boto3"])
def services(call: Call) -> Iterator[Sight]:
    """Cloud services for faces."""
    if (
        call.path in ("boto3.client", "boto3.resource")
        and call.constant(call.argument(0, "service_name")) == "rekognition"
    ):
        yield call.sees("code/undeclared-biometric-use", "biometric-library")


CHECKS = (logs, raised, telemetry, pseudonyms, features, services)
