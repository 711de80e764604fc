"""Checks on personal data, and on what people write to a model, in logs, prints and messages of exceptions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mlguard import lazy
from mlguard.scanners.code import frames
from mlguard.scanners.code.hiding import called, is_clean
from mlguard.scanners.code.names import Names
from mlguard.scanners.code.personal import first, personal
from mlguard.scanners.code.seeing import Call, Place, Sight, on_call, on_node
from mlguard.scanners.code.source import Source
from mlguard.scanners.code.tree import ITEM

LOGS = "code/personal-data-in-logs"
PROMPTS = "code/unredacted-prompt-logging"

LEVELS = frozenset(
    {"debug", "info", "warning", "warn", "error", "critical", "exception", "log", "fatal", "trace", "success", "notice", "msg", "bind", "contextualize"}
)  # fmt: skip
_LOGGER = lazy.pattern(r"(?:^|_)(?:log|logger|logging|slog|lg|logs)$", re.I)
_LOGGERS = ("logging", "loguru.logger", "structlog", "absl.logging", "logbook", "eliot")
_PRINTS = frozenset({"print", "pprint.pprint", "pprint.pp", "rich.print", "sys.stdout.write", "sys.stderr.write", "click.echo", "rich.console.Console().print",
                     "rich.console.Console().log", "click.secho", "typer.echo", "typer.secho", "tqdm.write", "tqdm.tqdm.write", "tqdm.auto.tqdm.write",
                     "IPython.display.display", "streamlit.write", "icecream.ic", "syslog.syslog", "logging.lastResort.emit", "rich.inspect", "pprint.PrettyPrinter().pprint"})  # fmt: skip
_QUIET = frozenset({"exc_info", "stacklevel", "file", "stack_info", "category", "sep", "end", "flush", "err", "nl"})


@on_call(*LEVELS, *(path.rpartition(".")[2] for path in _PRINTS), "warn_explicit", "LoggerAdapter", personal=True)
def logs(call: Call) -> Iterator[Sight]:
    """Personal data in log calls, prints and warnings."""
    node = call.node
    values = [value for value in node.args if value.__class__ is not ast.Constant]
    values += [k.value for k in node.keywords if k.arg not in _QUIET and k.value.__class__ is not ast.Constant]
    if not values:
        return
    check = _sink(call)
    if not check:
        return
    for value in values:
        if (
            value.__class__ in _FRAMES
            and (frame := frames.term_of_columns(frames.columns_of(value, call.scope, call.names))) is not None
        ):
            yield call.sees(LOGS, "frame-print", term=frame.label)
            return
    found = first(values, call.scope, call.names)
    if found is not None:
        yield call.sees(LOGS, check, term=found.label)


_FRAMES = frozenset({ast.Name, ast.Subscript, ast.Call, ast.Attribute})


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
    last = call.last or path.rpartition(".")[2]  # getattr(log, "info")(…)
    if last not in LEVELS and last != "LoggerAdapter":
        return ""
    if path.startswith(_LOGGERS):
        return "log-call" if last != "warn_explicit" else ""
    if call.receiver is None:
        return ""
    written = [part for part in call.names.written(call.receiver).split(".") if part != "()"]
    chained = written and written[-1] in ("bind", "opt", "new", "getChild") and len(written) > 1
    last = written[-2] if chained else written[-1] if written else ""
    return "log-call" if _LOGGER.search(last) or last in ("getLogger", "get_logger") else ""


@on_call("apply", "map", "foreach", "applymap", personal=True)
def printed(call: Call) -> Iterator[Sight]:
    """Rows that are printed one by one: frame[["email"]].apply(print, axis=1)."""
    given = call.argument(0, "func")
    if call.receiver is None or not isinstance(given, ast.Name | ast.Attribute):
        return
    path = call.names.path(given, call.scope) or getattr(given, "id", "")
    if path not in _PRINTS and not (path.startswith(_LOGGERS) and path.rpartition(".")[2] in LEVELS):
        return
    found = frames.term_of_columns(frames.columns_of(call.receiver, call.scope, call.names))
    found = found or personal(call.receiver, call.scope, call.names)
    if found is not None:
        yield call.sees(LOGS, "frame-print", term=found.label)


@on_node(ast.Raise, personal=True)
def raised(node: ast.Raise, place: Place) -> Iterator[Sight]:
    """Personal data in the message of an exception."""
    scope, names = place.scope, place.names
    if isinstance(node.exc, ast.Call) and not all(value.__class__ is ast.Constant for value in node.exc.args):
        found = first([*node.exc.args, *(keyword.value for keyword in node.exc.keywords)], scope, names)
        if found is not None:
            yield Sight(LOGS, "exception-message", node, {"term": found.label})


@on_node(ast.Assert, personal=True)
def asserted(node: ast.Assert, place: Place) -> Iterator[Sight]:
    """Personal data in the message of an assertion."""
    if node.msg is not None and not isinstance(node.msg, ast.Constant):
        found = personal(node.msg, place.scope, place.names)
        if found is not None:
            yield Sight(LOGS, "exception-message", node, {"term": found.label})


def shown_at_the_end(source: Source, names: Names) -> Iterator[Sight]:
    """Yield the frames that stand alone at the top of a notebook's cell: they are shown below it."""
    for node in source.tree.module.body:
        if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
            found = frames.term_of_columns(frames.columns_of(node.value, source.tree.root, names))
            if found is not None:
                yield Sight(LOGS, "frame-print", node.value, {"term": found.label, "call": "a cell"})


# What people write to a model

_MODELS = ("openai", "anthropic", "cohere", "mistralai", "groq", "litellm", "langchain", "langchain_core", "langchain_openai", "langchain_community",
           "langchain_anthropic", "llama_index", "vertexai", "generativeai", "genai", "together", "replicate", "ollama", "huggingface_hub", "instructor",
           "dspy", "haystack", "semantic_kernel", "autogen", "crewai")  # fmt: skip
_WHOLE = lazy.pattern(
    r"^(?:(?:user|full|raw|final|system|rendered|chat|llm|complete|formatted|input)_)?(?:prompts?|messages|msgs|conversation|chat_?history|history|completions?|user_?(?:input|message|query|question)|question)$"
    r"|^(?:llm|model|chat|raw|assistant|gpt|ai)_(?:response|output|answer|reply|completion|text)$"
)
_CONTENT = frozenset({"content", "message", "choices", "completion", "output_text", "generations"})


@on_call(*LEVELS, imports=_MODELS)
def prompts(call: Call) -> Iterator[Sight]:
    """Whole prompts and answers in log calls."""
    values = [*call.node.args, *(k.value for k in call.node.keywords if k.arg not in _QUIET)]
    if all(value.__class__ is ast.Constant for value in values) or _sink(call) != "log-call":
        return
    if any(_is_whole(value, call) for value in values):
        yield call.sees(PROMPTS, "logged-prompt")


def _is_whole(node: ast.AST, call: Call, depth: int = 4) -> bool:
    if depth == 0:
        return False
    if isinstance(node, ast.JoinedStr):
        return any(
            _is_whole(part.value, call, depth - 1) for part in node.values if isinstance(part, ast.FormattedValue)
        )
    if isinstance(node, ast.BinOp):
        return _is_whole(node.left, call, depth - 1) or _is_whole(node.right, call, depth - 1)
    if isinstance(node, ast.Dict):
        return any(_is_whole(value, call, depth - 1) for value in node.values)
    if isinstance(node, ast.Call):
        name = called(node)
        if is_clean(name):
            return False
        inner = (
            node.func.value
            if name in ("model_dump", "model_dump_json", "format", "strip") and isinstance(node.func, ast.Attribute)
            else None
        )
        given = node.args if name in ("str", "repr", "dumps", "pformat") else []
        return any(_is_whole(item, call, depth - 1) for item in ([inner] if inner is not None else given))
    if isinstance(node, ast.Subscript):
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        written = call.names.written(node.value).lower()
        return key in ("content", "text", "generated_text") and any(
            word in written or word in ast.dump(node.value).lower() for word in ("choices", "completion", "message")
        )
    if isinstance(node, ast.Attribute) and node.attr == "output_text":
        return True
    if isinstance(node, ast.Attribute):
        return node.attr in _CONTENT and any(
            word in call.names.written(node.value).lower()
            for word in ("choices", "response", "completion", "result", "resp", "reply", "answer", "message")
        )
    single = call.names.single(node.id, call.scope) if isinstance(node, ast.Name) else None
    if single is not None and isinstance(single[0], ast.Attribute | ast.Subscript) and _is_whole(single[0], call, 1):
        return True
    if isinstance(node, ast.Name) and _WHOLE.match(node.id):
        return (
            not call.is_constant(node) and call.names.holder(node.id, call.scope) is not None and not _cut(node, call)
        )
    return False


def _cut(node: ast.Name, call: Call) -> bool:
    """Say whether a name holds what a function that hides values gave."""
    single = call.names.single(node.id, call.scope)
    return single is not None and isinstance(single[0], ast.Call) and is_clean(called(single[0]))


_SWITCHES = frozenset({"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "TRACELOOP_TRACE_CONTENT", "LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING", "LANGCHAIN_VERBOSE",
                       "AZURE_TRACING_GEN_AI_CONTENT_RECORDING_ENABLED", "LITELLM_LOG", "OPENAI_LOG", "ANTHROPIC_LOG", "LANGCHAIN_TRACING"})  # fmt: skip
_ON = frozenset({"true", "1", "debug", "yes", "on", "span_only", "event_only", "span_and_event"})


@on_node(
    ast.Assign,
    words=_SWITCHES | {"set_verbose", "verbose", "debug", "log_raw_request_response"},
    imports=(*_MODELS, "os"),
    targets=(ITEM, "set_verbose", "verbose", "debug", "log_raw_request_response"),
)
def switches(node: ast.Assign, place: Place) -> Iterator[Sight]:
    """Switches that make a library record every prompt."""
    target, value = node.targets[0], node.value
    if not isinstance(value, ast.Constant):
        return
    if isinstance(target, ast.Subscript):
        key = target.slice.value if isinstance(target.slice, ast.Constant) else None
        on = isinstance(value.value, str) and value.value.lower() in _ON
        if key in _SWITCHES and on and place.names.path(target.value, place.scope) == "os.environ":
            yield Sight(PROMPTS, "recording-switch", node, {"call": str(key)})
    elif isinstance(target, ast.Attribute) and value.value is True:
        path = place.names.path(target, place.scope)
        if path in ("litellm.set_verbose", "langchain.verbose", "langchain.debug", "litellm.log_raw_request_response"):
            yield Sight(PROMPTS, "recording-switch", node, {"call": path})


@on_call("set_debug", "set_verbose", "setdefault", "putenv", imports=(*_MODELS, "os"))
def switched(call: Call) -> Iterator[Sight]:
    """Calls that make a library record every prompt."""
    if call.path.startswith(("langchain.globals.set_", "langchain_core.globals.set_")):
        if call.constant(call.argument(0, "value")) is True:
            yield call.sees(PROMPTS, "recording-switch")
    elif call.path in ("os.environ.setdefault", "os.putenv"):
        value = call.constant(call.argument(1))
        if call.constant(call.argument(0)) in _SWITCHES and isinstance(value, str) and value.lower() in _ON:
            yield call.sees(PROMPTS, "recording-switch")


CHECKS = (logs, printed, raised, asserted, prompts, switches, switched)
