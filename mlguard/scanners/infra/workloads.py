"""What image, words and variables of a container tell about it: telemetry, logged prompts, models, regions, accelerators."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlguard.scanners import lazy
from mlguard.scanners.infra.operators import image_parts
from mlguard.scanners.infra.resources import Open, Path, Position
from mlguard.values import dataclass

MAX_TEXT = 20_000
"""Characters of one word or variable that are looked at."""

_OFF = lazy.pattern(r"(?i)^(?:0|false|no|off|none)$")
_ON = lazy.pattern(r"(?i)^(?:1|true|yes|on|y)$")


@dataclass(frozen=True, slots=True)
class Trait:
    """Something that a container does. ``argument`` is the index of the deciding word, ``variable`` its environment name."""

    what: str
    why: str
    argument: int = -1
    variable: str = ""


def described(
    image: str,
    argv: Sequence[str],
    environment: Mapping[str, Any],
    argv_at: Sequence[Position],
    environment_at: Mapping[str, Position],
    fallback: Position,
) -> tuple[dict[str, Any], dict[Path, Position]]:
    """Return the attributes ``telemetry``, ``prompt_logs``, ``model_sources`` and ``regions``, and their places.

    Each is a list of ``{what, why}``. ``fallback`` is the place of what neither a word nor a variable decides.
    """
    attributes: dict[str, Any] = {}
    positions: dict[Path, Position] = {}
    words = [word[:MAX_TEXT] for word in argv]
    for name, finder in _FINDERS.items():
        found = list(finder(image, words, environment))
        attributes[name] = [{"what": one.what, "why": one.why} for one in found]
        for index, one in enumerate(found):
            at = (
                argv_at[one.argument]
                if 0 <= one.argument < len(argv_at)
                else environment_at.get(one.variable, fallback)
            )
            positions |= {(name, index, *rest): at for rest in ((), ("what",), ("why",))}
    return attributes, positions


def _value(environment: Mapping[str, Any], name: str) -> str:
    value = environment.get(name)
    return value.strip()[:MAX_TEXT] if isinstance(value, str) else ""


def _may_have(environment: Mapping[str, Any], name: str) -> bool:
    """Say whether a variable is set, or may be: it comes from elsewhere."""
    return name in environment or isinstance(environment, Open)


def _at(argv: Sequence[str], pattern: re.Pattern[str]) -> int:
    return next((index for index, word in enumerate(argv) if pattern.search(word)), -1)


def option(argv: Sequence[str], pattern: str) -> tuple[str, int] | None:
    """Return the value of an option, given as ``--name value`` or ``--name=value`` also inside a shell's text, and its index."""
    found = re.compile(rf"(?:^|\s)(?:{pattern})(?:[= ]\s*['\"]?([^\s'\"]+)|$|(?=\s))")
    for index, word in enumerate(argv):
        if match := found.search(word):
            value = match.group(1) or (argv[index + 1] if index + 1 < len(argv) and match.end() >= len(word) else "")
            return value, index
    return None


def version_of(image: str, tool: str) -> tuple[int, ...]:
    """Return the version of a tool that the tag of its own image states, or ()."""
    if tool.lower() not in image_parts(image)[0].rpartition("/")[2].lower():
        return ()
    match = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", image_parts(image)[1])
    return tuple(int(part) for part in match.groups(default="0")) if match else ()


# Telemetry


@dataclass(frozen=True, slots=True)
class _Reporter:
    """A tool that reports its use unless a variable or a word stops it."""

    name: str
    runs: re.Pattern[str]
    stops: Mapping[str, re.Pattern[str]]
    stop_word: re.Pattern[str] | None = None
    since: tuple[int, ...] = ()  # the version from which on it reports


_NO_TRACK = {"DO_NOT_TRACK": _ON}
_REPORTERS = (
    _Reporter("vLLM", lazy.pattern(r"(?:^|/)vllm-openai\b|\bvllm\s+serve\b|vllm\.entrypoints"), {"VLLM_NO_USAGE_STATS": _ON, "VLLM_DO_NOT_TRACK": _ON, **_NO_TRACK}),
    _Reporter("Text Generation Inference", lazy.pattern(r"text-generation-(?:inference|launcher)"), {"USAGE_STATS": lazy.pattern(r"(?i)^(?:off|no-stack)$"), "DISABLE_TELEMETRY": _ON, "HF_HUB_DISABLE_TELEMETRY": _ON}, lazy.pattern(r"--(?:usage-stats[= ]?off|disable-usage-stats)|^off$")),
    _Reporter("Streamlit", lazy.pattern(r"\bstreamlit\s+run\b"), {"STREAMLIT_BROWSER_GATHER_USAGE_STATS": _OFF}, lazy.pattern(r"(?i)gatherUsageStats[= ]?false|^false$")),
    _Reporter("Ray", lazy.pattern(r"\bray\s+start\b"), {"RAY_USAGE_STATS_ENABLED": _OFF}, lazy.pattern(r"--disable-usage-stats")),
    _Reporter("Chroma", lazy.pattern(r"(?:^|/)(?:chromadb|chroma-core)/chroma\b"), {"ANONYMIZED_TELEMETRY": _OFF}),
    _Reporter("Qdrant", lazy.pattern(r"(?:^|/)qdrant/qdrant\b"), {"QDRANT__TELEMETRY_DISABLED": _ON}, lazy.pattern(r"--disable-telemetry")),
    _Reporter("Weaviate", lazy.pattern(r"(?:^|/)weaviate:|(?:^|/)weaviate/weaviate\b|semitechnologies/weaviate\b"), {"DISABLE_TELEMETRY": _ON}),
    _Reporter("MLflow", lazy.pattern(r"(?:^|[\s/])mlflow\s+(?:server|ui)\b"), {"MLFLOW_DISABLE_TELEMETRY": _ON, **_NO_TRACK}, None, (3, 2, 0)),
    _Reporter("Label Studio", lazy.pattern(r"(?:^|/)label-studio\b"), {"COLLECT_ANALYTICS": _OFF, "collect_analytics": _OFF}),
    _Reporter("Prefect", lazy.pattern(r"\bprefect\s+server\s+start\b"), {"PREFECT_SERVER_ANALYTICS_ENABLED": _OFF, **_NO_TRACK}),
    _Reporter("Airflow", lazy.pattern(r"(?:^|/)apache/airflow\b"), {"SCARF_ANALYTICS": _OFF, "SCARF_NO_ANALYTICS": _ON, "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": _OFF, **_NO_TRACK}, None, (2, 10, 0)),
    _Reporter("Open WebUI", lazy.pattern(r"(?:^|/)open-webui\b"), {"ANONYMIZED_TELEMETRY": _OFF, "SCARF_NO_ANALYTICS": _ON, **_NO_TRACK}),
    _Reporter("n8n", lazy.pattern(r"(?:^|/)n8nio/n8n\b"), {"N8N_DIAGNOSTICS_ENABLED": _OFF}),
)  # fmt: skip
_HUB_USER = lazy.pattern(r"^(?:HF_TOKEN|HUGGING_?FACE_?HUB_TOKEN|HF_HOME|HF_MODEL_ID|HF_HUB_CACHE|TRANSFORMERS_CACHE)$")
_HUB_STOPS = {"HF_HUB_DISABLE_TELEMETRY": _ON, "DISABLE_TELEMETRY": _ON, "HF_HUB_OFFLINE": _ON, **_NO_TRACK}
_AMERICAN_HOST = lazy.pattern(
    r"(?i)^(?:https?://|grpc://)?(?:[^/@]*@)?(?:[\w.-]*\.)?(?:api\.honeycomb\.io|otlp\.nr-data\.net|datadoghq\.com|us\d\.datadoghq\.com"
    r"|us\.cloud\.langfuse\.com|(?:[\w-]*-)?us-(?:east|west|central)-?\d?[\w.-]*|ingest\.us\.(?:signoz\.cloud|sentry\.io)|ingest\.us[\w.-]*"
    r"|api\.smith\.langchain\.com|us\.posthog\.com|us\.i\.posthog\.com|api\.axiom\.co|ingest\.lightstep\.com|[\w-]+\.us\.[\w.-]+)(?::\d+)?(?:/|$)"
)
_TRACE_TARGETS = lazy.pattern(
    r"^(?:OTEL_EXPORTER_\w*ENDPOINT|LANGFUSE_(?:HOST|BASE_?URL)|TRACELOOP_BASE_URL|PHOENIX_COLLECTOR_ENDPOINT|SENTRY_DSN|DD_SITE|POSTHOG_HOST)$"
)


def _telemetry(image: str, argv: Sequence[str], environment: Mapping[str, Any]) -> Iterator[Trait]:
    text = f"{image} {' '.join(argv)}"[:MAX_TEXT]
    for tool in _REPORTERS:
        if not tool.runs.search(text) or (tool.since and version_of(image, tool.name) < tool.since):
            continue
        if any(_may_have(environment, name) and _stopped(environment, name, off) for name, off in tool.stops.items()):
            continue
        if tool.stop_word is None or _at(argv, tool.stop_word) < 0:
            named = next((name for name in tool.stops if name in environment), "")
            yield Trait(tool.name, "reports its use to its maker", variable=named)
    yield from _hub_telemetry(image, environment)
    yield from _tracing(environment)


def _stopped(environment: Mapping[str, Any], name: str, off: re.Pattern[str]) -> bool:
    """Say whether a switch is thrown; one whose value is not known may be."""
    return not isinstance(environment.get(name), str) or off.match(_value(environment, name)) is not None


def _hub_telemetry(image: str, environment: Mapping[str, Any]) -> Iterator[Trait]:
    user = next((name for name in environment if _HUB_USER.match(name)), "")
    if not user and not re.search(r"(?:^|/)huggingface/(?:transformers|text-embeddings)", image):
        return
    if "text-generation" in image or any(
        _may_have(environment, name) and _stopped(environment, name, off) for name, off in _HUB_STOPS.items()
    ):
        return
    yield Trait("the Hugging Face Hub client", "reports its use to its maker", variable=user)


def _tracing(environment: Mapping[str, Any]) -> Iterator[Trait]:
    for switch, target in (("LANGCHAIN_TRACING_V2", "LANGCHAIN_ENDPOINT"), ("LANGSMITH_TRACING", "LANGSMITH_ENDPOINT")):
        if not _ON.match(_value(environment, switch)):
            continue
        ends = [name for name in (target, "LANGSMITH_ENDPOINT", "LANGCHAIN_ENDPOINT") if _may_have(environment, name)]
        if not ends:
            yield Trait("LangSmith", "sends its traces to the United States", variable=switch)
        elif re.match(r"https?://api\.smith\.langchain\.com", _value(environment, ends[0])):
            yield Trait("LangSmith", "sends its traces to the United States", variable=ends[0])
        break
    else:
        off = any(_value(environment, name) for name in ("LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING"))
        for name in ("LANGSMITH_ENDPOINT", "LANGCHAIN_ENDPOINT") if not off else ():
            if re.match(r"https?://api\.smith\.langchain\.com", _value(environment, name)):
                yield Trait("LangSmith", "sends its traces to the United States", variable=name)
    yield from _tracker(environment)
    for name in environment:
        value = _value(environment, name) if _TRACE_TARGETS.match(name) else ""
        if value and _AMERICAN_HOST.match(value):
            yield Trait("the exporter", "sends its traces to the United States", variable=name)


def _tracker(environment: Mapping[str, Any]) -> Iterator[Trait]:
    used = next(
        (name for name in ("WANDB_BASE_URL", "WANDB_API_KEY", "WANDB_PROJECT", "WANDB_ENTITY") if name in environment),
        "",
    )
    if not used or re.match(r"(?i)^(?:offline|disabled|dryrun)$", _value(environment, "WANDB_MODE")):
        return
    if _ON.match(_value(environment, "WANDB_DISABLED")) or (used != "WANDB_BASE_URL" and isinstance(environment, Open)):
        return
    base = environment.get("WANDB_BASE_URL")
    if base is None or (isinstance(base, str) and re.match(r"^(?:$|https?://api\.wandb\.ai)", base.strip())):
        yield Trait("Weights & Biases", "sends runs to its cloud in the United States", variable=used)


# Logged prompts

_VLLM = lazy.pattern(r"(?:^|/)vllm-openai\b|\bvllm\s+serve\b|vllm\.entrypoints")
_PROMPT_WORDS: tuple[tuple[str, re.Pattern[str], re.Pattern[str]], ...] = (
    ("vLLM", _VLLM, lazy.pattern(r"(?:^|\s)--enable-log-(?:requests|outputs)(?![\w=-])|--enable-log-(?:requests|outputs)=(?i:true)")),
    ("SGLang", lazy.pattern(r"\bsglang\b"), lazy.pattern(r"(?:^|\s)--log-requests(?![\w-])")),
    ("Triton", lazy.pattern(r"\btritonserver\b"), lazy.pattern(r"(?:^|\s)--log-verbose(?:[= ][1-9]|$)")),
    ("LiteLLM", lazy.pattern(r"\blitellm\b"), lazy.pattern(r"(?:^|\s)--detailed_debug\b")),
    ("llama.cpp", lazy.pattern(r"\bllama-server\b|llama\.cpp"), lazy.pattern(r"(?:^|\s)(?:-v|--verbose|--log-verbose)(?=\s|$)")),
)  # fmt: skip
_PROMPT_VARIABLES: tuple[tuple[str, re.Pattern[str], str, re.Pattern[str]], ...] = (
    ("vLLM", _VLLM, "VLLM_LOGGING_LEVEL", lazy.pattern(r"(?i)^debug$")),
    ("LiteLLM", lazy.pattern(r"\blitellm\b"), "LITELLM_LOG", lazy.pattern(r"(?i)^debug$")),
    ("LiteLLM", lazy.pattern(""), "STORE_PROMPTS_IN_SPEND_LOGS", _ON),
    ("LiteLLM", lazy.pattern(""), "LITELLM_STORE_PROMPTS", _ON),
    ("Ollama", lazy.pattern(r"\bollama\b"), "OLLAMA_DEBUG", lazy.pattern(r"(?i)^(?:1|2|true)$")),
    ("SGLang", lazy.pattern(r"\bsglang\b"), "SGLANG_LOG_REQUESTS", _ON),
    ("LangChain", lazy.pattern(""), "LANGCHAIN_VERBOSE", _ON),
    ("the gateway", lazy.pattern(r"(?i)litellm|(?:llm|ai|inference|model|prompt)[\w-]*gateway|gateway[\w-]*(?:llm|ai|inference|model)|vllm|\btgi\b|text-generation|sglang|langserve|ollama"), "LOG_LEVEL", lazy.pattern(r"(?i)^(?:debug|trace)$")),
)  # fmt: skip


def _prompt_logs(image: str, argv: Sequence[str], environment: Mapping[str, Any]) -> Iterator[Trait]:
    text = f"{image} {' '.join(argv)}"[:MAX_TEXT]
    told = False
    for tool, runs, pattern in _PROMPT_WORDS:
        if not runs.search(text):
            continue
        index = _at(argv, pattern)
        value = argv[index + 1] if 0 <= index < len(argv) - 1 else ""
        if index < 0 or (tool == "Triton" and argv[index].endswith("--log-verbose") and not re.match("[1-9]", value)):
            continue
        told = True
        yield Trait(tool, "is told to log requests", argument=index)
    for tool, runs, name, wanted in _PROMPT_VARIABLES:
        if name in environment and runs.search(text) and wanted.match(_value(environment, name)):
            yield Trait(tool, "is told to log requests", variable=name)
    version = version_of(image, "vllm")
    if not told and _VLLM.search(text) and version and version < (0, 10, 0):
        silent = re.compile(r"--disable-log-requests|--no-enable-log-requests|--disable-log-stats-and-requests")
        if _at(argv, silent) < 0 and not re.match(
            r"(?i)^(?:warning|error|critical)$", _value(environment, "VLLM_LOGGING_LEVEL")
        ):
            yield Trait("vLLM", "logs every request before version 0.10")


# Models

_TRUST = lazy.pattern(
    r"(?:^|\s)--trust[-_]remote[-_]code(?:[= ]\s*(\w+))?(?=\s|$)|\btrust_remote_code\s*[=:]\s*['\"]?([Tt]rue)"
)
_HUB_ID = lazy.pattern(
    r"^(?!(?:\.|/|~|\$|models?/|mnt/|data/|opt/|var/|tmp/|workspace/))[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}$"
)
_HUB_SERVER = lazy.pattern(
    r"vllm|text-generation-(?:inference|launcher)|text-embeddings-(?:inference|router)|sglang|lmdeploy|huggingfaceserver|aphrodite|(?:^|\s)--model_id[= ]"
)
_COMMIT = lazy.pattern(r"^[0-9a-f]{40}$")


def _model_sources(image: str, argv: Sequence[str], environment: Mapping[str, Any]) -> Iterator[Trait]:
    for index, word in enumerate(argv):
        match = _TRUST.search(word)
        if match and not _OFF.match(
            match.group(1) or (argv[index + 1] if match.end() == len(word) and index + 1 < len(argv) else "")
        ):
            yield Trait("code", "runs code that comes with the model (trust_remote_code)", argument=index)
            break
    for name in ("TRUST_REMOTE_CODE", "HF_TRUST_REMOTE_CODE", "VLLM_TRUST_REMOTE_CODE"):
        if _ON.match(_value(environment, name)):
            yield Trait("code", "runs code that comes with the model (trust_remote_code)", variable=name)
    text = f"{image} {' '.join(argv)}"[:MAX_TEXT]
    if not _HUB_SERVER.search(text):
        return
    revision = option(argv, r"--(?:model[-_])?revision")
    stated = revision[0] if revision else _value(environment, "REVISION") or _value(environment, "MODEL_REVISION")
    if _COMMIT.match(stated) or re.search(r"[$\ue000{]", stated):
        return
    if isinstance(environment, Open) and not revision:
        return
    yield from _hub_model(argv, environment)


def _hub_model(argv: Sequence[str], environment: Mapping[str, Any]) -> Iterator[Trait]:
    chosen = option(argv, r"--model(?:[-_](?:id|path|name[-_]or[-_]path))?") or option(argv, r"vllm\s+serve")
    if chosen is None and "serve" in argv[:-1]:
        index = list(argv).index("serve")
        chosen = (argv[index + 1], index + 1)
    if chosen is not None:
        if _HUB_ID.match(chosen[0]):
            at = next((i for i in (chosen[1], chosen[1] + 1) if i < len(argv) and chosen[0] in argv[i]), chosen[1])
            yield Trait("model", "loads a model from the hub without the hash of a commit", argument=at)
        return
    for name in ("MODEL_ID", "HF_MODEL_ID", "MODEL_NAME_OR_PATH"):
        if _HUB_ID.match(_value(environment, name)):
            yield Trait("model", "loads a model from the hub without the hash of a commit", variable=name)


# Regions

_REGION_NAME = lazy.pattern(r"(?:^|_)(?:REGION|LOCATION)(?:_NAME)?$")
_AWS = r"(?:us|eu|ap|sa|ca|me|af|il|mx|cn)(?:-gov|-isob?)?-(?:north|south|east|west|central|northeast|northwest|southeast|southwest)-\d"
_GOOGLE = r"(?:us|europe|asia|northamerica|southamerica|australia|me|africa)-(?:north|south|east|west|central|northeast|northwest|southeast|southwest)\d{1,2}"
_AZURE = (
    r"(?:(?:north|south|east|west|central|northcentral|southcentral|westcentral)?(?:us|usstage|europe|asia|india|eastasia)\d?(?:euap)?"
    r"|eastasia|southeastasia|(?:australia|brazil|canada|china|france|germany|japan|jio\w*|korea|norway|poland|qatar|southafrica|sweden|switzerland|uae|uk|usgov|usdod|israel|italy|mexico|spain|austria|chile|newzealand|indonesia|malaysia)\w{0,14})"
)
_REGION = lazy.pattern(rf"^(?:{_AWS}|{_GOOGLE}(?:-[a-z])?|{_AZURE}|us|eu|asia)$")
_REGION_HOST = lazy.pattern(
    rf"(?:[./-])(?P<aws>{_AWS})\.(?:\w+\.)?amazonaws\.com|//(?P<google>{_GOOGLE})-aiplatform\.googleapis\.com|\.(?P<rep>{_GOOGLE})\.rep\.googleapis\.com"
    rf"|//s3[.-](?P<s3>{_AWS})\.|\b(?:s3[an]?|gs)://[\w.-]*[-.](?P<bucket>{_AWS}|{_GOOGLE})(?=[-./]|$)"
)


def named_regions(environment: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each region that a variable names or in which its address lies, and the variable's name."""
    for one in _regions("", (), environment):
        yield one.what, one.variable


def _regions(image: str, argv: Sequence[str], environment: Mapping[str, Any]) -> Iterator[Trait]:
    for name in environment:
        value = _value(environment, name)
        if _REGION_NAME.search(name) and _REGION.match(value.lower()):
            yield Trait(value.lower(), "its variable names the region", variable=name)
        elif "://" in value and (match := _REGION_HOST.search(value)):
            yield Trait(next(filter(None, match.groups())), "its address lies in the region", variable=name)
    for index, word in enumerate(argv):
        if match := _REGION_HOST.search(word):
            yield Trait(next(filter(None, match.groups())), "its address lies in the region", argument=index)
    given = option(argv, "--(?:aws-|gcp-|s3-)?region")
    if given and _REGION.match(given[0].lower()):
        yield Trait(given[0].lower(), "its option names the region", argument=given[1])


_FINDERS = {"telemetry": _telemetry, "prompt_logs": _prompt_logs, "model_sources": _model_sources, "regions": _regions}


# Accelerators

_ACCELERATED_IMAGE = lazy.pattern(
    r"(?i)(?:^|/)vllm-openai\b|(?:^|[/:_-])(?:cuda|cudnn)(?:[\d.:@_-]|$)|-cu1[12]\d\b|[-_.]gpu(?:$|[-_.])|nvcr\.io/(?:nvidia/(?:pytorch|tensorflow|tritonserver|nemo|cuda|jax|tensorrt)|nim/)|huggingface/text-generation-inference|[-_]rocm|(?:^|/)pytorch/pytorch(?:[:@]|$)"
)
_ACCELERATED_COMMAND = lazy.pattern(
    r"(?:^|\s)--tensor-parallel-size(?=[= ]|$)|\bdeepspeed\s|--device[= ]cuda|--backend[= ]nccl|--gpu-memory-utilization|--n-gpu-layers|--mixed_precision[= ]fp16|(?:^|[\s/])torchrun\s|torch\.distributed\.(?:run|launch)\b|\baccelerate\s+launch\b"
)
_TOOL_IMAGE = lazy.pattern(
    r"(?i)device-plugin|dcgm|exporter|feature-discovery|operator|driver|toolkit|validator|mig-manager|init|busybox|[-_:.]cpu\b|neuron|tpu|xpu|hpu"
)


def wants_accelerator(image: str, argv: Sequence[str], environment: Mapping[str, Any]) -> bool:
    """Say whether a container can hardly work without a GPU."""
    text = " ".join(argv)[:MAX_TEXT]
    if (
        _TOOL_IMAGE.search(image)
        or re.search(r"--device[= ]cpu\b", text)
        or _value(environment, "VLLM_TARGET_DEVICE") == "cpu"
    ):
        return False
    if environment.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    return bool(_ACCELERATED_IMAGE.search(image) or _ACCELERATED_COMMAND.search(text))
