"""Checks on secrets that reach a log, and on guards that disappear."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache

from mlguard import lazy
from mlguard.scanners.code import origins, taint
from mlguard.scanners.code.screening import Screen
from mlguard.scanners.code.seeing import Call, Place, Sight, on_call, on_node
from mlguard.scanners.code.tree import walk

SECRET = "code/secret-in-logs"
ASSERT = "code/assert-as-check"

_LOG_METHODS = frozenset(
    {"debug", "info", "warning", "warn", "error", "critical", "exception", "log", "fatal", "trace", "success", "notice"}
)
_PRINTS = frozenset(
    {"print", "builtins.print", "pprint.pprint", "pprint.pp", "sys.stdout.write", "sys.stderr.write", "click.echo", "click.secho", "typer.echo", "typer.secho",
     "rich.print", "rich.console.Console().print", "rich.console.Console().log", "warnings.warn", "streamlit.write", "streamlit.text", "streamlit.code", "streamlit.json", "IPython.display.display",
     "tqdm.write", "tqdm.tqdm.write", "icecream.ic", "termcolor.cprint", "gradio.Info", "syslog.syslog", "logging.log", "wandb.log", "mlflow.log_param", "mlflow.log_params",
     "mlflow.set_tag", "mlflow.set_tags", "mlflow.log_text", "mlflow.log_dict", "wandb.config.update", "sentry_sdk.capture_message", "sentry_sdk.set_extra", "sentry_sdk.set_tag"}
)  # fmt: skip
_LOGGER = lazy.pattern(
    r"(?:^|[._])(?:log|logger|logging|_log|_logger|LOG|LOGGER|log_?ger|audit_?log|console|structlog|getLogger|get_logger)\b",
    re.I,
)


@on_call(*_LOG_METHODS, *(path.rpartition(".")[2] for path in _PRINTS))
def printed(call: Call) -> Iterator[Sight]:
    """Secrets that are printed, logged or kept by a tracker."""
    if not call.node.args and not call.node.keywords or not _has_secrets(call):
        return
    path = call.path
    if path not in _PRINTS and not (
        call.last in _LOG_METHODS and call.receiver is not None and _LOGGER.search(call.names.written(call.receiver))
    ):
        return
    if (
        path.endswith("print")
        and "file" in call.keywords
        and not call.names.written(call.keywords["file"]).startswith("sys.")
    ):
        return
    given = [
        *call.node.args,
        *(
            keyword.value
            for keyword in call.node.keywords
            if keyword.arg not in ("file", "end", "sep", "exc_info", "flush", "level", "stacklevel")
        ),
    ]
    if any(_is_secret(node, call) for node in given if not isinstance(node, ast.Constant)):
        yield call.sees(SECRET, "printed-secret")


_secret_names = Screen(origins.SECRET_NAME.search)


def _has_secrets(call: Call) -> bool:
    """Say whether a name or short text of the file is that of a credential."""
    source = call.source
    if source.secrets is None:
        names = source.tree.identifiers
        source.secrets = "environ" in names or _secret_names.any(names)
    return source.secrets


def _is_secret(node: ast.expr, call: Call, depth: int = 4) -> bool:
    """Say whether a text shows a secret: itself, or within a formatted text."""
    if depth == 0 or isinstance(node, ast.Constant | ast.Compare | ast.Lambda | ast.UnaryOp):
        return False
    if isinstance(node, ast.JoinedStr):
        return any(
            _is_secret(part.value, call, depth - 1) for part in node.values if isinstance(part, ast.FormattedValue)
        )
    if isinstance(node, ast.BinOp):
        return _is_secret(node.left, call, depth - 1) or _is_secret(node.right, call, depth - 1)
    if isinstance(node, ast.Dict | ast.Tuple | ast.List):
        items = node.values if isinstance(node, ast.Dict) else node.elts
        return any(_is_secret(item, call, depth - 1) for item in items)
    if isinstance(node, ast.IfExp):
        return _is_secret(node.body, call, depth - 1) or _is_secret(node.orelse, call, depth - 1)
    if isinstance(node, ast.Call):
        written = call.names.written(node.func)
        if call.names.path(node.func, call.scope) in ("dict", "str", "repr", "vars", "list") and node.args:
            return _is_secret(node.args[0], call, depth - 1)
        if written.endswith((".format", ".join")):
            values = [*node.args, *(keyword.value for keyword in node.keywords)]
            return any(_is_secret(value, call, depth - 1) for value in values)
        if not _READS_ENVIRONMENT.match(call.names.path(node.func, call.scope)) and not written.endswith(
            (".strip", ".decode", ".get_secret_value")
        ):
            return False  # what another function makes of a secret need not be one
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        return False  # a few characters of it
    if isinstance(node, ast.Attribute) and node.attr == "environ" and call.names.path(node, call.scope) == "os.environ":
        return True
    if isinstance(node, ast.Attribute) and not origins.SECRET_NAME.search(node.attr):
        return False
    if isinstance(node, ast.Subscript) and not origins.SECRET_NAME.search(str(getattr(node.slice, "value", ""))):
        return False
    if isinstance(node, ast.Name) and not origins.SECRET_NAME.search(node.id) and not _is_read(node, call, depth):
        return False
    return "secret" in taint.of(node, call.scope, call.names)


def _is_read(node: ast.Name, call: Call, depth: int) -> bool:
    """Say whether a name that says nothing of it holds what was read from the environment or another secret."""
    if _READERS.isdisjoint(call.source.tree.identifiers):
        return False
    single = call.names.single(node.id, call.scope)
    value = single[0] if single else None
    while isinstance(value, ast.Await | ast.BoolOp):
        value = value.value if isinstance(value, ast.Await) else value.values[0]
    return isinstance(value, ast.Call | ast.Subscript | ast.Attribute | ast.Name) and _is_secret(value, call, depth - 1)


_READERS = frozenset({"environ", "getenv", "getpass", "get_password", "get_secret_value"})
_READS_ENVIRONMENT = lazy.pattern(
    r"^(?:os\.getenv|os\.environ\.(?:get|pop|copy)|getpass\.getpass|keyring\.get_password)$"
)


# ---- guards

_GUARD = lazy.pattern(
    r"(?i)(?:^|_)(?:is_?(?:admin|staff|superuser|owner|auth\w*|allowed|permitted|active_user|logged_?in|verified|trusted|safe|approved|member|valid_?(?:token|user|key|signature|session))|"
    r"has_?(?:perm\w*|role\w*|access|scope\w*|consent\w*|right\w*)|can_?(?:read|write|edit|delete|access|view|approve|manage|export|train)|permissions?|authori[sz]ed?|authenticated|"
    r"consent(?:ed|_given|s)?|opted_in|opt_in|logged_in|check_password|verify_(?:token|user|signature|password|access|permission|role|consent|key)\w*|compare_digest|is_relative_to|admin|privileged|access_?level|approved|csrf\w*|"
    r"current_user|tenant(?:_id)?|owner(?:_id)?|acl|allow_?list|allowed_users|entitle\w*|anonymi[sz]ed|pseudonymi[sz]ed|encrypted|kyc|gdpr\w*|dp_enabled)$"
)
_TEST_PATH = lazy.pattern(r"(?:^|/)(?:tests?|testing|conftest\.py|test_[^/]*\.py|[^/]*_test\.py|benchmarks?)(?:/|$)")


@lru_cache(maxsize=64)
def _is_test(path: str) -> bool:
    return _TEST_PATH.search(path) is not None


@on_node(ast.Assert)
def guards(node: ast.Assert, place: Place) -> Iterator[Sight]:
    """Checks of access, consent or protection that disappear when Python runs with -O."""
    if _is_test(place.source.path):
        return
    if isinstance(node.test, ast.Call) and getattr(node.test.func, "id", "") in (
        "isinstance",
        "issubclass",
        "callable",
    ):
        return
    if (
        isinstance(node.test, ast.Compare)
        and isinstance(node.test.ops[0], ast.Is | ast.IsNot)
        and getattr(node.test.comparators[0], "value", 0) is None
    ):
        return
    for inner in walk(node.test):
        name = inner.attr if isinstance(inner, ast.Attribute) else inner.id if isinstance(inner, ast.Name) else ""
        if not name and isinstance(inner, ast.Subscript) and isinstance(inner.slice, ast.Constant):
            name = str(inner.slice.value)
        if isinstance(inner, ast.Compare) and (_is_role(inner) or _is_key(inner)):
            yield Sight(ASSERT, "access-assert", node, {"call": "The assert statement"})
            return
        if name and len(name) < 60 and _GUARD.search(name):
            yield Sight(ASSERT, "access-assert", node, {"call": "The assert statement"})
            return


_ROLES = frozenset({"admin", "administrator", "root", "owner", "superuser", "staff", "manager", "editor", "reviewer"})


def _is_role(node: ast.Compare) -> bool:
    """Say whether a comparison is with the name of a role."""
    sides = [node.left, *node.comparators]
    flat = [
        item for side in sides for item in (side.elts if isinstance(side, ast.List | ast.Tuple | ast.Set) else [side])
    ]
    return any(isinstance(item, ast.Constant) and item.value in _ROLES for item in flat)


_KEYS = lazy.pattern(r"(?i)(?:^|_)(?:api_?key|password)$")


def _is_key(node: ast.Compare) -> bool:
    """Say whether a key or password that somebody gave is compared with another value; that one is set at all is no guard."""
    sides = [node.left, *node.comparators]
    if any(isinstance(side, ast.Constant) and not side.value for side in sides):
        return False
    written = (str(getattr(side, "attr", None) or getattr(side, "id", "")) for side in sides)
    return isinstance(node.ops[0], ast.Eq | ast.NotEq | ast.In) and any(map(_KEYS.search, written))


CHECKS = (printed, guards)
