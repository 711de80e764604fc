"""Checks on personal data that is sent to language models and to other services, and in the addresses of requests."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from mlguard import lazy
from mlguard.scanners.code import frames
from mlguard.scanners.code.lexicon import Term
from mlguard.scanners.code.personal import first, personal
from mlguard.scanners.code.seeing import Call, Sight, leading_text, on_call

RECIPIENTS = "code/undeclared-personal-data-recipient"
URLS = "code/personal-data-in-url"

_WRITTEN = lazy.pattern(
    r"(?:^|\.)(?:chat\.completions\.(?:create|parse|stream)|completions\.create|responses\.(?:create|parse|stream)|embeddings\.create|messages\.(?:create|stream)"
    r"|moderations\.create|(?:Chat)?Completion\.a?create|Embedding\.a?create|chat\.(?:complete|stream|complete_async|stream_async)|models\.generate_content\w*|models\.embed_content"
    r"|beta\.chat\.completions\.parse|threads\.messages\.create|generate_content|generate_content_async|send_message|invoke_model|invoke_model_with_response_stream|converse"
    r"|converse_stream|chat_completion|text_generation|analyze_sentiment|recognize_entities|recognize_pii_entities|detect_entities|detect_sentiment)$"
)
"""Methods that only clients of services for language models have, as they are written after the client."""

_CLOUD = {"openai": "OpenAI", "anthropic": "Anthropic", "cohere": "Cohere", "google.generativeai": "Google", "google.genai": "Google", "vertexai": "Google",
          "mistralai": "Mistral", "groq": "Groq", "together": "Together", "replicate": "Replicate", "litellm": "an API of a language model",
          "langchain_openai": "OpenAI", "langchain_anthropic": "Anthropic", "langchain_google_genai": "Google", "langchain_google_vertexai": "Google",
          "langchain_mistralai": "Mistral", "langchain_cohere": "Cohere", "langchain_groq": "Groq", "langchain_aws": "Amazon", "langchain.llms": "an API of a language model",
          "langchain.chat_models": "an API of a language model", "langchain_community.chat_models": "an API of a language model",
          "langchain_community.llms": "an API of a language model", "langchain.chains": "an API of a language model", "langchain_core": "an API of a language model",
          "langchain": "an API of a language model", "llama_index": "an API of a language model", "azure.ai.inference": "Azure", "azure.ai.textanalytics": "Azure",
          "azure.ai.openai": "Azure", "boto3.client": "Amazon", "huggingface_hub": "Hugging Face", "ai21": "AI21", "voyageai": "Voyage", "fireworks": "Fireworks",
          "xai_sdk": "xAI", "zhipuai": "Zhipu", "dashscope": "Alibaba", "deepl": "DeepL", "googletrans": "Google", "google.cloud.translate": "Google",
          "google.cloud.language": "Google", "perplexity": "Perplexity", "instructor": "an API of a language model", "portkey_ai": "an API of a language model",
          "elevenlabs": "ElevenLabs", "deepgram": "Deepgram", "assemblyai": "AssemblyAI", "pydantic_ai": "an API of a language model", "dspy": "an API of a language model",
          "guidance": "an API of a language model", "semantic_kernel": "an API of a language model", "aleph_alpha_client": "Aleph Alpha", "writerai": "Writer",
          "deep_translator": "a translation service", "haystack": "an API of a language model", "crewai": "an API of a language model", "autogen": "an API of a language model"}  # fmt: skip
_ROOTS = tuple(dict.fromkeys(name.split(".")[0] for name in _CLOUD))
_LOCAL_ONLY = ("langchain_ollama", "langchain_huggingface", "langchain_community.llms.Ollama", "langchain_community.chat_models.ChatOllama", "ollama", "vllm", "llama_cpp",
               "langchain_community.llms.LlamaCpp", "llama_index.llms.ollama", "langchain_community.llms.ollama", "huggingface_hub.hf_hub_download")  # fmt: skip
_SENDS = frozenset(
    "create acreate parse stream complete acomplete completion acompletion chat achat generate agenerate invoke ainvoke predict apredict run arun call acall batch abatch "  # noqa: SIM905
    "generate_content generate_content_async send_message embed embed_query embed_documents aembed_query rerank classify summarize invoke_model converse converse_stream "
    "invoke_model_with_response_stream chat_completion text_generation query aquery translate translate_text text_completion embedding aembedding responses aresponses "
    "predict_messages complete_async stream_async run_sync astream embed_content analyze_sentiment recognize_entities detect_entities detect_sentiment recognize_pii_entities "
    "kickoff initiate_chat text_to_speech embeddings moderations analyze_entities __call__ sendMessage messages".split()
)
_MODELS = lazy.pattern(
    r"(?:^|_)(?:llm|chat_?model|gpt\w*|claude|gemini|chatgpt|chain|qa_chain|openai_client|anthropic_client|llm_chain|mistral|cohere)$",
    re.I,
)
_CHAINS = frozenset(
    {
        "invoke",
        "ainvoke",
        "predict",
        "apredict",
        "run",
        "arun",
        "batch",
        "abatch",
        "stream",
        "astream",
        "generate",
        "complete",
        "acomplete",
        "chat",
        "call",
        "predict_messages",
    }
)


@on_call(*_SENDS, imports=(*_ROOTS, "boto3", "botocore", "azure"), personal=True)
def prompted(call: Call) -> Iterator[Sight]:
    """Personal data for the service of a language model."""
    node = call.node
    values = [value for value in (*node.args, *(k.value for k in node.keywords)) if value.__class__ is not ast.Constant]
    if values and (service := _service(call)):
        found = _told(values, call)
        if found is not None:
            yield call.sees(RECIPIENTS, "prompt-personal-data", term=found.label, service=service)


@on_call(
    "create",
    "generate_content",
    "send_message",
    "invoke_model",
    "converse",
    "acreate",
    "chat_completion",
    personal=True,
)
def prompted_by_shape(call: Call) -> Iterator[Sight]:
    """Personal data for a client that comes from elsewhere, by methods that only such clients have."""
    if not call.source.tree.roots.isdisjoint((*_ROOTS, "boto3", "botocore", "azure")):
        return  # the check above
    written = call.names.written(call.node.func).replace(".()", "")
    if _WRITTEN.search(written) and not call.path.startswith(_LOCAL_ONLY):
        found = _told([*call.node.args, *call.keywords.values()], call)
        if found is not None:
            yield call.sees(RECIPIENTS, "prompt-personal-data", term=found.label, service="an API of a language model")


_SETTINGS = frozenset(
    {
        "model",
        "temperature",
        "max_tokens",
        "api_key",
        "timeout",
        "metadata",
        "modelId",
        "stream",
        "tools",
        "stop",
        "top_p",
        "config_name",
        "callbacks",
    }
)


def _told(values: list[ast.expr], call: Call) -> Term | None:
    for value in values:
        if (
            value.__class__ in (ast.Name, ast.Subscript, ast.Call)
            and (found := frames.term_of_columns(frames.columns_of(value, call.scope, call.names))) is not None
        ):
            return found
    quiet = [call.keywords[key] for key in _SETTINGS & set(call.keywords)]
    return first([value for value in values if value not in quiet], call.scope, call.names)


def _service(call: Call) -> str:
    """Return who gets what a call sends, "" when it is not sent, or to this machine."""
    path = call.path
    if path.startswith(_LOCAL_ONLY) or _is_local(call):
        return ""
    if path.startswith("boto3.client()"):
        known = _boto(call)
        return (
            "Amazon"
            if known
            in (
                "",
                "bedrock-runtime",
                "comprehend",
                "translate",
                "bedrock-agent-runtime",
                "sagemaker-runtime",
                "comprehendmedical",
                "lex-runtime",
            )
            else ""
        )
    parts = path.split(".")
    for end in range(min(len(parts), 4), 0, -1):
        name = ".".join(part.replace("()", "") for part in parts[:end])
        if name in _CLOUD:
            return (
                _CLOUD[name] if not path.startswith(("huggingface_hub.", "boto3.")) or "InferenceClient" in path else ""
            )
    written = call.names.written(call.node.func).replace(".()", "")
    if not path and _WRITTEN.search(written):
        return "an API of a language model"
    owner = call.receiver
    last = call.names.written(owner).replace(".()", "").rsplit(".", 1)[-1] if owner is not None else ""
    if not path and call.last in _CHAINS and (_MODELS.search(last) or _piped(call)):
        return "an API of a language model"
    return ""


def _piped(call: Call) -> bool:
    """Say whether the receiver is a chain of a prompt and a model: (prompt | llm).invoke(…)."""
    owner: ast.AST | None = call.receiver
    if isinstance(owner, ast.Name) and (single := call.names.single(owner.id, call.scope)) is not None:
        owner = single[0]
    return (
        isinstance(owner, ast.BinOp)
        and isinstance(owner.op, ast.BitOr)
        and not call.source.tree.roots.isdisjoint(
            ("langchain", "langchain_core", "langchain_openai", "langchain_anthropic")
        )
    )


_HERE = lazy.pattern(
    r"^(?:localhost|127\.|0\.0\.0\.0|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|\[?::1|[^.]+$|.*\.(?:local|internal|lan|intern|svc|cluster\.local|localdomain|corp|test)$)"
)


def _is_local(call: Call) -> bool:
    """Say whether the client is made for an address of this machine or network."""
    node: ast.AST | None = call.node.func
    while isinstance(node, ast.Attribute):
        node = node.value
    if isinstance(node, ast.Name) and (single := call.names.single(node.id, call.scope)) is not None:
        node = single[0]
    if not isinstance(node, ast.Call):
        return False
    for keyword in node.keywords:
        if keyword.arg in ("base_url", "api_base", "host", "openai_api_base", "url", "base_uri", "endpoint"):
            value = call.constant(keyword.value)
            if isinstance(value, str) and _HERE.match(_host(value)):
                return True
    return False


def _boto(call: Call) -> str:
    node: ast.AST | None = call.receiver
    if isinstance(node, ast.Name) and (single := call.names.single(node.id, call.scope)) is not None:
        node = single[0]
    value = call.constant(node.args[0]) if isinstance(node, ast.Call) and node.args else ""
    return value if isinstance(value, str) else ""


# Requests over HTTP

_HTTP = lazy.pattern(
    r"^(?:requests|httpx|aiohttp|urllib3|niquests|curl_cffi|treq)\b.*\.(get|post|put|patch|delete|request|stream|head|urlopen)$"
)
_OPENS = frozenset({"urllib.request.urlopen", "urllib.request.urlretrieve", "urllib.request.Request", "webbrowser.open", "flask.redirect", "fastapi.responses.RedirectResponse",
                    "starlette.responses.RedirectResponse", "django.shortcuts.redirect", "django.http.HttpResponseRedirect", "httpx.URL", "requests.Request", "httpx.Request",
                    "flask.url_for", "pandas.read_csv", "pandas.read_json", "wget.download"})  # fmt: skip
_BODIES = ("json", "data", "content", "files", "body")


@on_call("get", "post", "put", "patch", "delete", "request", "stream", "head", *(path.rpartition(".")[2] for path in _OPENS), personal=True,
         imports=("requests", "httpx", "aiohttp", "urllib3", "urllib", "webbrowser", "flask", "fastapi", "starlette", "django", "niquests", "pandas", "treq", "curl_cffi", "wget"))  # fmt: skip
def requested(call: Call) -> Iterator[Sight]:
    """Personal data in the address of a request, and in what is sent to other hosts."""
    node = call.node
    if all(value.__class__ is ast.Constant for value in (*node.args, *(k.value for k in node.keywords))):
        return
    method = _method(call)
    if not method:
        return
    position = 1 if call.last in ("request", "stream") and len(node.args) > 1 else 0
    url = call.argument(position, "url", "fullurl", "filepath_or_buffer", "path_or_buf")
    found = (
        personal(url, call.scope, call.names)
        if url is not None and not isinstance(url, ast.Constant) and _addresses(url, call)
        else None
    )
    params = call.keywords.get("params") or (
        node.args[1] if call.last == "get" and len(node.args) > 1 and call.path.startswith("requests") else None
    )
    found = found or (personal(params, call.scope, call.names) if params is not None else None)
    if found is None and call.path == "flask.url_for":
        found = first(call.keywords.values(), call.scope, call.names)
    if found is not None:
        yield call.sees(URLS, "query-string", term=found.label)
        return
    bodies = [call.keywords[key] for key in _BODIES if key in call.keywords]
    if call.last in ("post", "put", "patch") and len(node.args) > 1:
        bodies.append(node.args[1])
    host = _host(leading_text(url, call))
    if bodies and host and not _HERE.match(host):
        sent = _told(bodies, call)
        if sent is not None:
            yield call.sees(RECIPIENTS, "request-personal-data", term=sent.label, service=host)


def _method(call: Call) -> str:
    match = _HTTP.match(call.path)
    if match:
        return match.group(1)
    if call.path in _OPENS:
        return "get"
    owner = call.names.written(call.receiver).rsplit(".", 1)[-1].lower() if call.receiver is not None else ""
    if not call.path and owner in (
        "session",
        "http",
        "client",
        "http_client",
        "_session",
        "_client",
        "requests_session",
        "sess",
        "s",
        "async_client",
    ):
        return (
            call.last if call.last in ("get", "post", "put", "patch", "delete", "request") and _is_address(call) else ""
        )
    return ""


def _is_address(call: Call) -> bool:
    text = leading_text(call.argument(1 if call.last == "request" else 0, "url"), call)
    return text.startswith(("http://", "https://", "/"))


def _addresses(url: ast.AST, call: Call) -> bool:
    """Say whether a value that is personal stands inside of an address, as opposed to being one."""
    if call.path in ("pandas.read_csv", "pandas.read_json"):
        return leading_text(url, call).startswith("http")
    return isinstance(url, ast.JoinedStr | ast.BinOp | ast.Call | ast.Name)


def _host(value: str) -> str:
    if "://" not in value:
        return ""
    try:
        return urlsplit(value).hostname or ""
    except ValueError:
        return ""


CHECKS = (prompted, prompted_by_shape, requested)
