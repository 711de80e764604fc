"""Checks on personal data for experiment trackers, analytics and error services."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from mlguard import lazy
from mlguard.scanners.code import frames, lexicon
from mlguard.scanners.code.hiding import called, cleans
from mlguard.scanners.code.lexicon import Term
from mlguard.scanners.code.personal import first, personal
from mlguard.scanners.code.seeing import Call, Place, Sight, on_call, on_node
from mlguard.scanners.code.tree import ITEM

TELEMETRY = "code/personal-data-in-telemetry"

_TRACKERS = ("wandb", "mlflow", "comet_ml", "neptune", "clearml", "aim", "dvclive", "tensorboardX", "tensorboard", "torch.utils.tensorboard", "swanlab",
             "lightning.pytorch.loggers", "pytorch_lightning.loggers", "sacred", "polyaxon", "trackio", "guild", "azureml.core", "tensorflow.summary")  # fmt: skip
_TRACKER = lazy.pattern(
    rf"^(?:{'|'.join(re.escape(name) for name in _TRACKERS)})\b.*?(?:\.|^)"
    r"(?:log|log_\w+|logger\w*|init|update|set_tags?|add_tags?|append|track|connect\w*|report_\w+|set_\w+|upload\w*|add_\w+|text|save|next_step|"
    r"Table|Artifact|assign|store|start_run|alert|send_\w+|summary|config|Experiment|create_run|Run)$"
)
_METHODS = frozenset(
    {
        "log_param",
        "log_params",
        "log_text",
        "log_dict",
        "log_table",
        "log_artifact",
        "log_parameters",
        "log_other",
        "log_others",
        "set_user_property",
    }
)
_ERRORS = lazy.pattern(
    r"^(?:sentry_sdk\b.*\.?(?:set_user|set_tags?|set_context|set_extra|capture_message|add_breadcrumb|set_data|capture_event|capture_exception|set_attribute)"
    r"|(?:posthog|mixpanel|analytics|segment|rudderstack|rudder_analytics|amplitude|statsig|heap|heapapi|customerio|intercom|keen|braze|snowplow_tracker|ga4mp|google_analytics)\b.*?"
    r"\.(?:capture|identify|track\w*|alias|people_set\w*|set\w*|group\w*|page|screen|log_event|logEvent|Identify|add_event|update|create|BaseEvent|import_data|append|send)"
    r"|bugsnag\b.*\.(?:notify|configure_request|add_metadata|leave_breadcrumb|configure|auto_notify)|rollbar\.report_\w+|rollbar\.init|raygun4py\b.*\.(?:set_user|send_exception)"
    r"|(?:ddtrace|datadog)\b.*\.(?:set_tags?|set_tag_str|set_user|create|increment|gauge|event|histogram|send|decrement|set_baggage_item|track_\w+)"
    r"|opentelemetry\b.*\.(?:set_attributes?|add_event|set_baggage|add|record|start_span|start_as_current_span)"
    r"|newrelic\.agent\.(?:add_custom_\w+|record_custom_event|set_user_id|notice_error)|honeybadger\.\w+|elasticapm\.(?:set_user_context|set_custom_context|label|tag)"
    r"|honeycomb\b.*|beeline\.add_\w+|langfuse\b.*\.(?:update\w*|trace|score|generation|span)|logfire\.\w+|prometheus_client\b.*\.labels|statsd\b.*\.\w+|scout_apm\b.*\.add)$"
)
_ROOTS = ("wandb", "mlflow", "comet_ml", "neptune", "clearml", "aim", "dvclive", "tensorboardX", "tensorboard", "swanlab", "sacred", "polyaxon", "trackio",
          "loggers", "sentry_sdk", "posthog", "mixpanel", "analytics", "segment", "rudderstack", "rudder_analytics", "amplitude", "statsig", "heap",
          "heapapi", "customerio", "intercom", "keen", "braze", "bugsnag", "rollbar", "ddtrace", "datadog", "opentelemetry", "newrelic", "honeybadger",
          "elasticapm", "beeline", "langfuse", "logfire", "prometheus_client", "raygun4py", "statsd", "snowplow_tracker", "scout_apm", "azureml", "ga4mp")  # fmt: skip


_NAMES = (  # noqa: SIM905
    "log log_param log_params log_text log_dict log_table log_metric log_metrics log_input log_figure log_image log_artifact log_other log_others log_parameter log_parameters log_hyperparams log_event "
    "log_asset log_asset_data log_dataset log_dataset_info log_html log_table logEvent init init_run update set_tag set_tags set_tag_str add_tag add_tags append track track_event connect connect_configuration report_text report_table "
    "report_media report_single_value set_property set_comment set_name set_user set_user_properties set_experiment_tag set_terminated upload add_text add_hparams add_scalar add_scalars add_image "
    "add_embedding text save Table Artifact assign store start_run alert Experiment create_run Run set_context set_extra capture_message add_breadcrumb set_data capture_event capture_exception set_attribute "
    "set_attributes capture identify alias people_set people_set_once set_once group group_identify page screen Identify add_event create BaseEvent send notify configure_request add_metadata leave_breadcrumb "
    "report_message report_exc_info set_baggage set_baggage_item add record start_span start_as_current_span increment decrement gauge event histogram add_custom_attribute add_custom_attributes "
    "add_custom_parameter add_custom_parameters record_custom_event set_user_id notice_error set_user_context set_custom_context label tag labels add_field add_context add_context_field update_current_trace "
    "update_current_observation update_current_span trace score generation span info debug warn warning error notice incr timing log_traces set_user_property send_exception set_experiment_tags add_run_property"
).split()


@on_call(*_NAMES, imports=_ROOTS, personal=True)
def telemetry(call: Call) -> Iterator[Sight]:
    """Personal data for trackers and error services."""
    node = call.node
    values = [value for value in (*node.args, *(k.value for k in node.keywords)) if value.__class__ is not ast.Constant]
    if not values:
        return
    path = call.path.replace("()", "")
    kind = _kind(call, path)
    if not kind or call.last == "Table" and _nested(call):
        return
    table = call.last in ("Table", "log_table")
    values = [value for value in values if not _is_table(value, call)]
    for value in values:
        term = frames.term_of_columns(frames.columns_of(value, call.scope, call.names))
        if term is None and isinstance(value, ast.Dict):
            term = next((found for item in value.values if (found := _tabled(item, call)) is not None), None)
        listed = call.keywords.get("columns") if table else None
        term = term or (
            frames.term_of_columns(frames.strings(listed, call.scope, call.names)) if listed is not None else None
        )
        if term is not None:
            yield call.sees(TELEMETRY, "tracker-table", term=term.label)
            return
    found = first(values, call.scope, call.names) or _keyed(call, values)
    if found is not None:
        if path in ("wandb.init", "comet_ml.Experiment", "neptune.init_run", "neptune.init", "clearml.Task.init"):
            yield call.sees(TELEMETRY, "public-tracker-run" if _public(call) else "tracker-value", term=found.label)
        else:
            yield call.sees(TELEMETRY, "tracker-value" if kind == "tracker" else "error-tracker", term=found.label)


def _kind(call: Call, path: str) -> str:
    if _TRACKER.match(path):
        return "tracker"
    if _ERRORS.match(path):
        return "errors"
    if path:
        return ""
    roots = call.source.tree.roots
    if call.last in ("set_attribute", "set_attributes", "add_event"):
        return "errors" if "opentelemetry" in roots else ""
    if call.last in _METHODS:
        return "tracker" if not roots.isdisjoint(("mlflow", "comet_ml", "wandb")) else ""
    if call.last in ("set_tag", "set_tags", "set_user"):
        return "errors" if not roots.isdisjoint(("ddtrace", "sentry_sdk", "datadog")) else ""
    owner = call.names.written(call.receiver).rsplit(".", 1)[-1] if call.receiver is not None else ""
    if owner in ("run", "experiment", "tracker", "mp", "wandb_run", "wandb_logger") and call.last in (
        "log",
        "track",
        "log_metrics",
        "summary",
    ):
        return "tracker"
    if owner in ("posthog", "mixpanel", "analytics", "mp", "amplitude") and call.last in (
        "capture",
        "identify",
        "track",
        "people_set",
        "alias",
    ):
        return "errors"
    return ""


def _is_table(value: ast.AST, call: Call) -> bool:
    """Say whether a value is a table of a tracker that is made, and reported, elsewhere."""
    if isinstance(value, ast.Dict):
        return bool(value.values) and all(_is_table(item, call) for item in value.values)
    single = call.names.single(value.id, call.scope) if isinstance(value, ast.Name) else None
    return single is not None and isinstance(single[0], ast.Call) and called(single[0]) == "Table"


def _nested(call: Call) -> bool:
    """Say whether a table is made inside of the call that logs it, which is reported."""
    node: ast.AST | None = call.source.tree.parent(call.node)
    while node is not None and not isinstance(node, ast.stmt):
        if isinstance(node, ast.Call):
            return True
        node = call.source.tree.parent(node)
    return False


def _tabled(item: ast.AST, call: Call) -> Term | None:
    if isinstance(item, ast.Call):
        listed = next((k.value for k in item.keywords if k.arg == "columns"), None)
        if (
            listed is not None
            and (found := frames.term_of_columns(frames.strings(listed, call.scope, call.names))) is not None
        ):
            return found
    return (
        frames.term_of_columns(frames.columns_of(item, call.scope, call.names))
        if isinstance(item, ast.Call | ast.Subscript | ast.Name)
        else None
    )


def _keyed(call: Call, values: Sequence[ast.expr]) -> Term | None:
    """Return what the key of a dictionary or the first argument names, where its value is not harmless."""
    pairs = [pair for value in values for pair in call.names.entries(value, call.scope).items()]
    if len(call.node.args) >= 2 and re.search(
        r"set_tag|set_attribute|log_param|set_extra|set_data|log_other|add_text", call.path or call.last
    ):
        key = call.constant(call.node.args[0])
        pairs += [(key, call.node.args[1])] if isinstance(key, str) else []
    for key, value in pairs:
        shown = isinstance(value, ast.Name | ast.Attribute | ast.Subscript) and not call.is_constant(value)
        if (
            shown
            and (found := lexicon.term(key))
            and not lexicon.is_holder(call.names.written(value))
            and not cleans(value)
            and not _denied(value, call)
        ):
            return found
    return None


def _denied(value: ast.AST, call: Call) -> bool:
    if isinstance(value, ast.Name) and (single := call.names.single(value.id, call.scope)) is not None:
        return cleans(single[0]) or lexicon.denied(value.id)
    return lexicon.denied(call.names.written(value))


_DATA = frozenset({".csv", ".tsv", ".parquet", ".jsonl", ".json", ".xlsx", ".feather", ".pkl"})


def _file(call: Call) -> Term | None:
    """Return what the file that is uploaded holds by its name."""
    value = call.constant(call.argument(0, "local_path", "name", "file_data", "file"))
    if not isinstance(value, str):
        return None
    path = PurePosixPath(value)
    if path.suffix not in _DATA:
        return None
    found = lexicon.term(path.stem)
    person = lexicon.is_person(path.stem) and len(lexicon.words(path.stem)) <= 2 and not lexicon.denied(path.stem)
    return found or (lexicon.Term("personal-record", "records of persons", "ordinary") if person else None)


@on_call(
    "log_artifact",
    "log_artifacts",
    "add_file",
    "upload_artifact",
    "log_asset",
    "upload",
    imports=("wandb", "mlflow", "comet_ml", "neptune", "clearml", "aim"),
)
def uploaded(call: Call) -> Iterator[Sight]:
    """Files that tell by their name that they are about people."""
    kind = _kind(call, call.path.replace("()", "")) or (
        call.last in ("add_file", "log_artifact", "upload_artifact") and not call.path
    )
    if kind and (term := _file(call)) is not None:
        yield call.sees(TELEMETRY, "tracker-table", term=term.label)


_OPEN = frozenset({"must", "allow"})


@on_call(
    "init",
    "init_run",
    "init_project",
    "create_project",
    "publish",
    "autolog",
    imports=("wandb", "neptune", "comet_ml", "clearml", "sentry_sdk"),
)
def settings(call: Call) -> Iterator[Sight]:
    """Runs that anybody can see, and error services that are told who was there."""
    path = call.path
    if path in ("sentry_sdk.init", "sentry_sdk.client.Client"):
        if call.value("send_default_pii") is True:
            yield call.sees(TELEMETRY, "send-default-pii")
    elif (
        path == "wandb.init" and call.value("mode") not in ("offline", "disabled") and call.value("anonymous") in _OPEN
    ):
        yield call.sees(TELEMETRY, "public-tracker-run", term="the run, without an account")
    elif path.startswith("neptune.") and call.value("visibility") in ("pub", "public"):
        yield call.sees(TELEMETRY, "public-tracker-run", term="the project")
    elif path.startswith("clearml.") and path.endswith(".publish"):
        yield call.sees(TELEMETRY, "public-tracker-run", term="the task")


def _public(call: Call) -> bool:
    return call.path == "wandb.init" and call.value("anonymous") in _OPEN


@on_node(
    ast.Assign,
    imports=("wandb", "neptune", "sentry_sdk", "bugsnag", "ddtrace", "mlflow", "aim"),
    personal=True,
    targets=(ITEM,),
)
def assigned(node: ast.Assign, place: Place) -> Iterator[Sight]:
    """Personal data that is assigned to a run's fields: run["params/email"] = user.email."""
    target = node.targets[0]
    if not isinstance(target, ast.Subscript) or isinstance(node.value, ast.Constant):
        return
    path = place.names.path(target.value, place.scope).replace("()", "")
    owner = place.names.written(target.value)
    if not (
        path.startswith(("wandb.", "neptune.", "aim.Run", "aim.sdk"))
        or owner in ("wandb.config", "wandb.run.summary", "wandb.summary", "run.config", "run.summary")
    ):
        return
    found = personal(node.value, place.scope, place.names)
    if found is not None:
        yield Sight(TELEMETRY, "tracker-value", node, {"call": path or owner, "term": found.label})


_CONFIGS = frozenset({"wandb.config", "wandb.summary", "wandb.run.summary", "run.config", "run.summary"})


@on_node(ast.Assign, imports=("wandb",), personal=True)
def configured(node: ast.Assign, place: Place) -> Iterator[Sight]:
    """Personal data that is assigned to an attribute of a run's configuration: wandb.config.owner = user.email."""
    target = node.targets[0]
    if (
        isinstance(target, ast.Attribute)
        and isinstance(target.value, ast.Attribute)
        and not isinstance(node.value, ast.Constant)
        and place.names.written(target.value) in _CONFIGS
        and (found := personal(node.value, place.scope, place.names)) is not None
    ):
        yield Sight(TELEMETRY, "tracker-value", node, {"call": place.names.written(target.value), "term": found.label})


CHECKS = (telemetry, uploaded, settings, assigned, configured)
