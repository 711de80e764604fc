"""Which machine-learning service a container starts, and whether it asks who is calling."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlguard.scanners import lazy
from mlguard.values import dataclass

WORDS = -2
"""In place of the index of a word: the block of words as a whole, or the container where it has none."""


@dataclass(frozen=True, slots=True)
class OpenService:
    """A service that anyone can use. ``argument`` is the index of the deciding word, ``variable`` its environment name.

    Where a word is missing, ``argument`` is WORDS: all of them together.
    """

    service: str
    why: str
    argument: int = -1
    variable: str = ""
    part: str = ""  # of the word, what decided


_JUPYTER = lazy.pattern(
    r"(?i)\bjupyter\b|jupyter(?:lab|hub)?(?:-(?:lab|notebook|server|singleuser))?\b|start-(?:notebook|singleuser)(?:\.sh|\.py)?|/start\.sh"
)
_EMPTY_TOKEN = lazy.pattern(r"^--(?:[A-Za-z]*App|[A-Za-z]*Provider)\.(?:token|password)(?:=(?:''|\"\"|)?)?$")
_NO_AUTH = lazy.pattern(r"^--(?:[A-Za-z]*App)\.(?:disable_check_xsrf|allow_unauthenticated_access)=True$")
_TEXT_EMPTY = lazy.pattern(r"--(?:[A-Za-z]*App|[A-Za-z]*Provider)\.(token|password)=(?:''|\"\"|\\'\\'|(?=\s|$|&|;))")
_ANY_HOST = lazy.pattern(
    r"(?:^|\s)--(?:host|dashboard-host|bind_all|ip|address)(?:[= ](?:0\.0\.0\.0|\[?::\]?|\*)|(?=\s|$))"
)
_LLM = lazy.pattern(
    r"\bvllm\s+serve\b|vllm\.entrypoints\.(?:openai\.)?api_server|\bvllm/vllm-openai\b|text-generation-(?:inference|launcher)|\bollama(?:/ollama)?\b"
    r"|sglang\.launch_server|lmsysorg/sglang|\bllama-server\b|ghcr\.io/ggml-org/llama\.cpp:server|\btritonserver\b|lmdeploy\s+serve"
    r"|text-embeddings-(?:inference|router)|\blocalai/localai\b|\bxinference-local\b|\baphrodite\s+run\b|\btensorflow_model_server\b"
    r"|\btensorflow/serving\b|\bmlserver\s+start\b|\bseldonio/mlserver\b|(?:^|/)litellm(?:-\w+)?:|\blitellm\s+--"
)
_KEYED = lazy.pattern(r"(?:^|\s)--api-?keys?(?:[-=\s]|$)|--auth|--ssl-ca|--grpc-use-ssl-mutual")
_KEY_NAMES = (
    "VLLM_API_KEY",
    "API_KEY",
    "LLAMA_API_KEY",
    "OLLAMA_API_KEY",
    "TGI_API_KEY",
    "AUTH_TOKEN",
    "API_KEYS",
    "SGLANG_API_KEY",
    "LITELLM_MASTER_KEY",
    "LOCALAI_API_KEY",
)
_TENSORBOARD = lazy.pattern(r"(?:^|[\s/])tensorboard(?:\s|$)")
_MLFLOW = lazy.pattern(r"(?:^|[\s/])mlflow\s+(?:server|ui)\b")
_VECTOR = lazy.pattern(
    r"(?:^|/)(?:qdrant/qdrant|chromadb/chroma|chroma-core/chroma|semitechnologies/weaviate|weaviate/weaviate|weaviate|milvusdb/milvus|milvus)(?:[:@]|$)"
)
_REDIS = lazy.pattern(r"(?:^|/)redis(?:/redis)?-stack(?:-server)?(?:[:@]|$)")
_OPEN_TOOLS: tuple[tuple[str, re.Pattern[str], re.Pattern[str], tuple[str, ...], str], ...] = (
    ("dashboard", lazy.pattern(r"(?:^|[\s/])prom/prometheus\b|(?:^|\s)--config\.file[= ]\S*prometheus"), lazy.pattern(r"--web\.config\.file"), (), "Prometheus has no login"),
    ("dashboard", lazy.pattern(r"(?:^|\s)evidently\s+ui\b|(?:^|/)evidently/evidently-service\b"), lazy.pattern(r"--secret\b"), ("EVIDENTLY_SECRET",), "Evidently has no login"),
    ("dashboard", lazy.pattern(r"(?:^|[\s/])streamlit\s+run\b"), lazy.pattern(r"(?!)"), (), "Streamlit has no login"),
    ("dashboard", lazy.pattern(r"(?:^|/)kibana/kibana-oss\b|(?:^|/)opensearch-dashboards\b"), lazy.pattern(r"(?!)"), ("OPENSEARCH_USERNAME", "OPENSEARCH_HOSTS"), "its interface has no login"),
    ("workflow-or-labelling-tool", lazy.pattern(r"(?:^|[\s/])prefect\s+server\s+start\b"), lazy.pattern(r"(?!)"), ("PREFECT_SERVER_API_AUTH_STRING",), "its server has no login"),
    ("workflow-or-labelling-tool", lazy.pattern(r"(?:^|[\s/])(?:dagster-webserver|dagit)\b|\bdagster\s+dev\b"), lazy.pattern(r"(?!)"), (), "its web server has no login"),
    ("workflow-or-labelling-tool", lazy.pattern(r"(?:^|/)kubeflow-pipelines?(?:-frontend)?\b|(?:^|/)ml-pipeline/frontend\b"), lazy.pattern(r"(?!)"), (), "its interface has no login"),
)  # fmt: skip
"""What has no login by itself: the service, what runs it, words and variables that bring a login, and why."""

_UNGUARDED: tuple[tuple[str, re.Pattern[str], re.Pattern[str], str], ...] = (
    ("workflow-or-labelling-tool", lazy.pattern(r"(?:^|/)argocli\b|\bargo\s+server\b|argo-server|^server(?:\s|$)"), lazy.pattern(r"^--auth-mode(?:[= ]server)?$"), "its server acts for everyone with its own rights (--auth-mode=server)"),
    ("dashboard", lazy.pattern(r"kubernetes-?ui|kubernetes-?dashboard|kubernetesui/dashboard"), lazy.pattern(r"^--(?:enable-skip-login|disable-settings-authorizer)(?:=true)?$"), "its login can be skipped"),
    ("llm-server", lazy.pattern(r"torchserve"), lazy.pattern(r"(?:^|\s)--disable-token(?:-auth)?(?=\s|$)"), "its tokens are switched off"),
    ("workflow-or-labelling-tool", lazy.pattern(r"code-server|coder/"), lazy.pattern(r"^--auth(?:[= ]none)?$"), "its login is switched off"),
    ("mlflow", lazy.pattern(r"(?:^|[\s/])mlflow\s+(?:server|ui)\b|(?:^|[/_-])mlflow\b"), lazy.pattern(r"(?:^|\s)--allowed-hosts[= ]['\"]?\*|^--allowed-hosts$"), "it takes requests for any host name"),
    ("vector-database", lazy.pattern(r"elasticsearch|opensearch"), lazy.pattern(r"xpack\.security\.enabled=['\"]?false|plugins\.security\.disabled=['\"]?true"), "its security is switched off"),
    ("vector-database", lazy.pattern(r"redis|valkey"), lazy.pattern(r"^--protected-mode(?:[= ]no)?$"), "its protected mode is off"),
)  # fmt: skip
"""Words that switch a login off: the service, what runs it, the word, and why."""

_SECOND_WORDS = {"--auth-mode": "server", "--auth": "none", "--allowed-hosts": "*", "--protected-mode": "no"}
_OPEN_VARIABLES: Mapping[str, tuple[str, re.Pattern[str], str]] = {
    "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": ("vector-database", lazy.pattern("(?i)^true$"), "anonymous access is on"),
    "GF_AUTH_ANONYMOUS_ENABLED": ("workflow-or-labelling-tool", lazy.pattern("(?i)^true$"), "anonymous access is on"),
    "AIRFLOW__API__AUTH_BACKENDS": ("workflow-or-labelling-tool", lazy.pattern(r"(?i)^(?:[^$]*,\s*)?airflow\.api\.auth\.backend\.default\s*(?:,.*)?$"), "its interface lets everyone in"),
    "AIRFLOW__API__AUTH_BACKEND": ("workflow-or-labelling-tool", lazy.pattern(r"(?i)^(?:[^$]*,\s*)?airflow\.api\.auth\.backend\.default\s*(?:,.*)?$"), "its interface lets everyone in"),
    "_AIRFLOW_WWW_USER_PASSWORD": ("workflow-or-labelling-tool", lazy.pattern("^airflow$"), "it keeps the password of the documentation"),
    "SUPERSET_PUBLIC_ROLE_LIKE": ("workflow-or-labelling-tool", lazy.pattern("(?i)^(?:admin|alpha|gamma)$"), "its public role has rights"),
    "AUTH_ROLE_PUBLIC": ("workflow-or-labelling-tool", lazy.pattern("(?i)^admin$"), "its public role is the administrator"),
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": ("workflow-or-labelling-tool", lazy.pattern("(?i)^true$"), "everyone is an administrator"),
    "GF_SECURITY_ADMIN_PASSWORD": ("workflow-or-labelling-tool", lazy.pattern("^admin$"), "it keeps the password of the documentation"),
    "LABEL_STUDIO_PASSWORD": ("workflow-or-labelling-tool", lazy.pattern(r"^(?!\$|\{\{|<)[^\ue000]+$"), "its first password is written out"),
    "RSTUDIO_DISABLE_AUTH": ("workflow-or-labelling-tool", lazy.pattern("(?i)^true$"), "its login is switched off"),
    "DISABLE_AUTH": ("workflow-or-labelling-tool", lazy.pattern("(?i)^true$"), "its login is switched off"),
    "OLLAMA_ORIGINS": ("llm-server", lazy.pattern(r"^\*$"), "it answers the pages of every site"),
    "POSTGRES_HOST_AUTH_METHOD": ("vector-database", lazy.pattern("^trust$"), "it asks nobody for a password"),
    "DISABLE_SECURITY_PLUGIN": ("vector-database", lazy.pattern("(?i)^true$"), "its security is switched off"),
    "plugins.security.disabled": ("vector-database", lazy.pattern("(?i)^true$"), "its security is switched off"),
    "xpack.security.enabled": ("vector-database", lazy.pattern("(?i)^false$"), "its security is switched off"),
    "COMMON_SECURITY_AUTHORIZATIONENABLED": ("vector-database", lazy.pattern("(?i)^false$"), "its login is switched off"),
}  # fmt: skip


def open_services(
    image: str, argv: Sequence[str], environment: Mapping[str, Any], exposed: bool
) -> Iterator[OpenService]:
    """Yield the services that a container starts without asking who is calling.

    A switched-off login counts always. A service that has no login by itself counts only when it is ``exposed``: reached
    from outside the cluster with nothing in front that asks.
    """
    text = " ".join(argv)
    yield from _jupyter(image, argv, text, environment)
    for name, (service, pattern, why) in _OPEN_VARIABLES.items():
        if isinstance(environment.get(name), str) and pattern.match(environment[name].strip()):
            yield OpenService(service, why, variable=name)
    yield from _unguarded(image, argv, text)
    if not exposed:
        return
    yield from _tools(image, text, argv, environment)
    if (
        _MLFLOW.search(text) or (argv[:1] in (["server"], ["ui"]) and re.search(r"(?:^|[/_-])mlflow\b", image))
    ) and not re.search(r"--app-name(?:[= ])\S*auth", text):
        yield OpenService("mlflow", "its server has no login", WORDS)
    if (
        re.search(r"\bray\s+start\b", text)
        and "--head" in text
        and re.search(r"--dashboard-host[= ](?:0\.0\.0\.0|::)", text)
    ):
        yield OpenService(
            "ray-dashboard", "its dashboard has no login", _index(argv, "--dashboard-host"), part="--dashboard-host"
        )
    if _TENSORBOARD.search(text) and _ANY_HOST.search(text):
        part = "--bind_all" if "--bind_all" in text else "--host"
        yield OpenService("dashboard", "TensorBoard has no login", _index(argv, part), part=part)
    if (
        _LLM.search(f"{image} {text}")
        and not _KEYED.search(text)
        and not any(environment.get(key) for key in _KEY_NAMES)
    ):
        listens = "OLLAMA_HOST" if "OLLAMA_HOST" in environment and "ollama" in f"{image} {text}" else ""
        place = _index(argv, "--model-control-mode") if "tritonserver" in f"{image} {text}" else -1
        yield OpenService("llm-server", "no key is asked for", place if place >= 0 else WORDS, listens)
    if (match := _VECTOR.search(image)) and not _database_has_login(match.group(), environment):
        yield OpenService("vector-database", "no key is asked for")


def _unguarded(image: str, argv: Sequence[str], text: str) -> Iterator[OpenService]:
    """Yield the services whose login a word switches off."""
    for service, runs, word, why in _UNGUARDED:
        if not runs.search(f"{image} {text}"):
            continue
        for index, item in enumerate(argv):
            bare = item in _SECOND_WORDS
            if word.search(item) and (not bare or argv[index + 1 : index + 2] == [_SECOND_WORDS[item]]):
                found = word.search(item)
                yield OpenService(service, why, index, part=found.group().strip() if found else "")
                break


def _tools(image: str, text: str, argv: Sequence[str], environment: Mapping[str, Any]) -> Iterator[OpenService]:
    """Yield what has no login by itself."""
    for service, runs, login, names, why in _OPEN_TOOLS:
        if runs.search(f"{image} {text}") and not login.search(text) and not any(environment.get(one) for one in names):
            yield OpenService(service, why, WORDS)
    if (
        _REDIS.search(image)
        and not re.search(r"--requirepass|--aclfile|--user\s", text)
        and not any(environment.get(name) for name in ("REDIS_PASSWORD", "REDIS_ARGS"))
    ):
        yield OpenService("vector-database", "no password is asked for")


def _jupyter(image: str, argv: Sequence[str], text: str, environment: Mapping[str, Any]) -> Iterator[OpenService]:
    if not (_JUPYTER.search(text) or "jupyter" in image.lower()):
        return
    password_set = re.search(r"--(?:\w*App|\w*Provider)\.(?:hashed_)?password=['\"]?[^\s'\"]", text) is not None
    for index, word in enumerate(argv):
        empty = _EMPTY_TOKEN.match(word) and ("=" in word or argv[index + 1 : index + 2] in (["''"], [""], ['""']))
        if (empty or _NO_AUTH.match(word) and "unauthenticated" in word) and not (password_set and ".token" in word):
            yield OpenService("jupyter", "its token or password is empty", index)
            return
        inside = _TEXT_EMPTY.search(word) if " " in word or "\n" in word else None
        if inside and not (password_set and inside.group(1) == "token"):
            yield OpenService("jupyter", "its token or password is empty", index, part=inside.group())
            return
    root = next(
        (index for index, word in enumerate(argv) if re.search(r"(?:^|\s)--allow-root(?:=True)?(?=\s|$)", word)), -1
    )
    if root >= 0 and re.search(r"(?:^|\s)--(?:\w+\.)?ip[= ]['\"]?(?:0\.0\.0\.0|\*|::)", text):
        yield OpenService("jupyter", "it runs as root and listens on every address", root, part="--allow-root")
        return
    if environment.get("JUPYTER_TOKEN") == "" and not environment.get("JUPYTER_PASSWORD") and not password_set:
        yield OpenService("jupyter", "its token is empty", variable="JUPYTER_TOKEN")


def _index(argv: Sequence[str], word: str) -> int:
    return next((index for index, item in enumerate(argv) if word in item), -1)


def _database_has_login(image: str, environment: Mapping[str, Any]) -> bool:
    names = {
        "qdrant": ("QDRANT__SERVICE__API_KEY", "QDRANT__SERVICE__JWT_RBAC"),
        "chroma": ("CHROMA_SERVER_AUTHN_PROVIDER", "CHROMA_SERVER_AUTHN_CREDENTIALS", "CHROMA_SERVER_AUTH_PROVIDER"),
        "weaviate": ("AUTHENTICATION_APIKEY_ENABLED", "AUTHENTICATION_OIDC_ENABLED", "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED"),
        "milvus": ("COMMON_SECURITY_AUTHORIZATIONENABLED",),
    }  # fmt: skip
    return any(environment.get(name) for key, wanted in names.items() if key in image for name in wanted)


_SERVER = lazy.pattern(
    r"(?i)(?:^|[/\s])(?:vllm(?:-openai)?|tritonserver|torchserve|tfserving|text-generation-(?:inference|launcher)|text-embeddings-(?:inference|router)|mlserver"
    r"|ollama|sglang|llama-server|tensorflow_model_server|bentoml\s+serve|serve\s+run|mlflow\s+models\s+serve|ray\s+serve|seldon-core-microservice|litellm"
    r"|bentoml\s+serve-http|bentoml\s+start|(?:sklearn|xgb|lgb|pmml|paddle|huggingface)server)(?:[:@\s-]|$)"
    r"|\bkserve\.\w+|(?:^|/)kserve/\w*server"
    r"|tensorflow/serving|pytorch/torchserve|vllm\.entrypoints|sglang\.launch_server|optimum-tpu|nvcr\.io/nim/"
)
_SERVER_VARIABLE = lazy.pattern(
    r"^(?:BENTO_PATH|BENTOML_(?:HOME|PORT|CONFIG|HOST)|MLSERVER_\w+|PREDICTIVE_UNIT_\w+|TS_(?:CONFIG_FILE|INFERENCE_ADDRESS|NUMBER_OF_GPU)"
    r"|TF_SERVING_\w+|NIM_MODEL_NAME|SAGEMAKER_MODEL_SERVER_\w+)$"
)
"""Variables that only a server of models reads."""
_SERVING_NAME = lazy.pattern(
    r"(?i)(?:^|[-_/.])(?:kserve-container|inference|predictor|predictions?|predict|serving|model-?serv(?:er|ing|ice)|model-?api|scorer|scoring|llm|embeddings?"
    r"|triton|torchserve|tf-?serving|vllm|tgi|mlserver|bento(?:ml)?|ollama)(?:[-_:@.]|$)"
)
_NO_SERVER_NAME = lazy.pattern(
    r"(?i)controller|manager|webhook|operator|autoscaler|activator|exporter|dashboard|(?:^|-)ui(?:-|$)|frontend|agent|monitor|gateway|proxy|plugin|cache|redis|postgres"
)


def serves_model(
    names: Sequence[str], images: Sequence[str], commands: Sequence[str], variables: Sequence[str] = ()
) -> bool:
    """Say whether names, images, commands or names of variables speak of a workload that answers with predictions."""
    if any(_SERVER.search(text) for text in (*images, *commands)) or any(map(_SERVER_VARIABLE.match, variables)):
        return True
    texts = [*names, *(image.partition("@")[0].rpartition("/")[2].partition(":")[0] for image in images)]
    return not any(_NO_SERVER_NAME.search(name) for name in names[:1]) and any(
        _SERVING_NAME.search(text) and not _NO_SERVER_NAME.search(text) for text in texts
    )
