"""Finds the credentials in a text."""

from __future__ import annotations

import base64
import binascii
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from mlguard.scanners import lazy
from mlguard.scanners.secrets import library
from mlguard.scanners.secrets.patterns import DOCUMENTED, PATTERNS, Pattern, is_real
from mlguard.scanners.secrets.values import (
    MAX_VALUE_CHARS,
    is_made_of_words,
    is_password,
    is_placeholder,
    is_random,
    is_token,
    is_uuid,
)

MAX_LINE_CHARS = 4000
"""Names and values are not paired on longer lines: they are minified or encoded. Formats of vendors are found there too."""

MAX_NAME_CHARS = 60


@dataclass(frozen=True, slots=True)
class Hit:
    """A credential between two offsets of the text: what it is and what it is called, never what it says."""

    start: int
    end: int
    kind: str
    name: str = ""
    ml: bool = False
    private_key: bool = False


@dataclass(frozen=True, slots=True)
class Style:
    """How a kind of file writes values.

    ``bare`` values need no quotes. ``pairs`` says that names and values are looked at, not only the formats of vendors.
    ``spaces`` are values after a name and white space alone (.netrc). ``test`` is a file of tests, whose made-up passwords
    stay quiet.
    """

    pairs: bool = True
    bare: bool = False
    spaces: bool = False
    test: bool = False


class _Claim(NamedTuple):
    rank: int
    hit: Hit


def find(text: str, style: Style) -> list[Hit]:
    """Return the credentials of ``text`` in order; of those that overlap, the one whose format says most."""
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters change their length
        lowered = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    claims = [_Claim(0, hit) for hit in _formats(text)]
    claims += [_Claim(1, hit) for hit in _urls(text)]
    claims += [_Claim(1, hit) for hit in _known_by_context(text, lowered)]
    claims += [_Claim(2, Hit(*found)) for found in library.find(text, lowered, pairs=style.pairs)]
    if style.pairs:
        claims += [_Claim(3, hit) for hit in _pairs(text, lowered, style)]
        claims += [_Claim(4, hit) for hit in _entries(text, lowered, style)]
    claims = [claim for claim in claims if text[claim.hit.start : claim.hit.end] not in DOCUMENTED]
    return _named(_best(claims), text, _allowed_lines(text, lowered))


def _best(claims: Iterable[_Claim]) -> list[Hit]:
    taken: list[Hit] = []
    for _, hit in sorted(claims, key=lambda claim: (claim.rank, claim.hit.start, -claim.hit.end, claim.hit.kind)):
        if all(hit.end <= other.start or other.end <= hit.start for other in taken):
            taken.append(hit)
    return sorted(taken, key=lambda hit: hit.start)


# Every vendor's token is a long run of these characters, so most of a text need not be searched for a hundred marks.
_RUN = lazy.pattern(r"[A-Za-z0-9_+/.:~=%-]{16,}")


def _formats(text: str) -> Iterator[Hit]:
    runs = "\n".join(_RUN.findall(text))
    for mark, patterns in PATTERNS.items():
        if mark not in runs and mark not in _APART:
            continue
        for pattern in patterns:
            if pattern.mark in text:
                yield from _matches(pattern, text)


_APART = frozenset(mark for mark, patterns in PATTERNS.items() if any(" " in pattern.mark for pattern in patterns))
"""Marks that hold a space, which no run does."""


_OF_DIGEST = lazy.pattern(r"(?i)(?:sha\d{1,3}|md5|blake2\w?)[-=:]$")


def _matches(pattern: Pattern, text: str) -> Iterator[Hit]:
    for match in _around_marks(pattern, text) if pattern.lead else pattern.regex.finditer(text):
        group = "value" if "value" in pattern.regex.groupindex else 0
        start, end = match.span(group)
        if start and group == 0 and _goes_on(text[start - 1], text[start]):
            continue
        if _OF_DIGEST.search(text, max(0, start - 10), start):
            continue
        if is_real(pattern, match.group(group)):
            yield Hit(start, end, pattern.kind, "", pattern.ml, pattern.private_key)


def _around_marks(pattern: Pattern, text: str) -> Iterator[re.Match[str]]:
    at = text.find(pattern.mark)
    while at != -1:
        match = pattern.regex.search(text, max(0, at - pattern.lead), at + len(pattern.mark) + pattern.reach)
        if match is not None:
            yield match
        at = text.find(pattern.mark, max(at + 1, match.end() if match else 0))


def _goes_on(before: str, first: str) -> bool:
    """Say whether a match stands inside a longer word."""
    return before.isascii() and (before.isalnum() or before == "_") and (first.isalnum() or first == "_")


# ---- addresses

_USER_INFO = lazy.pattern(
    r"://(?P<user>[^\s:/@?#\"'<>`|\\]{0,100}):(?P<value>[^\s/@\"'<>`|\\]{3,300})@(?P<host>\[[0-9a-fA-F:]+\]|[\w.-]+)"
)
_SCHEME = lazy.pattern(r"[A-Za-z][A-Za-z0-9+.-]{1,30}$")
_DATABASES = (
    "postgres",
    "mysql",
    "mariadb",
    "mongodb",
    "redis",
    "amqp",
    "mssql",
    "oracle",
    "clickhouse",
    "snowflake",
    "neo4j",
    "cockroach",
    "db2",
    "jdbc",
)


def _urls(text: str) -> Iterator[Hit]:
    at = text.find("://")
    while at != -1:
        match = _USER_INFO.match(text, at)
        if match is not None:
            scheme = _SCHEME.search(text, max(0, at - 31), at)
            name = scheme.group().lower() if scheme else ""
            if _is_url_password(match.group("value"), match.group("user"), match.group("host")):
                database = any(word in name for word in _DATABASES)
                kind = "database password in a URL" if database else "password in a URL"
                yield Hit(*match.span("value"), kind, "")
        at = text.find("://", at + 3)


def _is_url_password(value: str, user: str, host: str) -> bool:
    host = host.lower()
    if is_placeholder(value) or is_made_of_words(value) or value.lower() == user.lower() or "example" in host:
        return is_random(value, 16) and "example" not in host
    if "." in host and not host.startswith(("127.", "0.0.0.0")):
        return len(value) >= 5 and not value.isdigit()
    return is_password(value) or is_random(value)


# ---- values that only their surroundings tell


@dataclass(frozen=True, slots=True)
class _Context:
    """A value without a format of its own: ``regex`` is matched in lower case at ``mark``, ``shape`` fits the value itself.

    ``before`` must be found on the line left of the mark.
    """

    mark: str
    kind: str
    regex: re.Pattern[str]
    shape: re.Pattern[str]
    ml: bool = False
    before: re.Pattern[str] | None = None


_NAMED = r"[\"'\]]{0,3}\s{0,3}(?:[:=,]|=>)\s{0,3}[\"']?"
_HEX_32, _HEX_40 = lazy.pattern(r"[0-9a-f]{32}"), lazy.pattern(r"[0-9a-f]{40}")
_AWS, _AZURE = lazy.pattern(r"[A-Za-z0-9/+]{40}"), lazy.pattern(r"[A-Za-z0-9+/]{86}==")
_ANY, _UUID_SHAPE = lazy.pattern(r"[^\s\"']{5,2000}"), lazy.pattern(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_AWS_VALUE = r"(?P<value>[a-z0-9/+]{40})(?![a-z0-9/+=])"
_AZURE_VALUE = r"(?P<value>[a-z0-9+/]{86}==)"
_SERVER = lazy.pattern(
    r"(?:server|data source|host|endpoint|user id|uid|user|database|dbname|initial catalog|accountname)\s?=[^\n\"']{1,400}$"
)
_PAIR_VALUE = r"\s?=\s?(?P<value>[^\s;\"']{5,200})"

_CONTEXTS: tuple[_Context, ...] = (
    _Context("wandb", "Weights & Biases API key", lazy.pattern(r"wandb(?:(?!commit|sha|rev|@|\.git|run|artifact|version|digest|hash)[^\n]){0,80}?(?<![0-9a-z/@])(?P<value>[0-9a-f]{40})(?![0-9a-z])"), _HEX_40, True),
    _Context("cohere", "Cohere API key", lazy.pattern(r"cohere[\w.]{0,30}\(\s*(?:api_key\s*=\s*)?[\"'](?P<value>[a-z0-9]{40})[\"']"), lazy.pattern("[A-Za-z0-9]{40}"), True),
    _Context('"username"', "Kaggle API key", lazy.pattern(r"\"username\"\s*:\s*\"[^\"]{1,60}\"\s*,\s*\"key\"\s*:\s*\"(?P<value>[0-9a-f]{32})\""), _HEX_32, True),
    _Context("kaggle_key", "Kaggle API key", lazy.pattern("kaggle_key" + _NAMED + r"(?P<value>[0-9a-f]{32})(?![0-9a-z])"), _HEX_32, True),
    _Context("aws", "AWS secret access key", lazy.pattern(r"aws[^\n]{0,40}?(?:secret|key|pass|token)[^\n]{0,30}?[\s\"'=:,(]" + _AWS_VALUE), _AWS),
    _Context("secret_access_key", "AWS secret access key", lazy.pattern("secret_access_key" + _NAMED + _AWS_VALUE), _AWS),
    _Context("secretaccesskey", "AWS secret access key", lazy.pattern("secretaccesskey" + _NAMED + _AWS_VALUE), _AWS),
    _Context("secret_key", "AWS secret access key", lazy.pattern("secret_key" + _NAMED + _AWS_VALUE), _AWS),
    _Context("account_key", "Azure storage account key", lazy.pattern("account_key" + _NAMED + _AZURE_VALUE), _AZURE),
    _Context("accountkey", "Azure storage account key", lazy.pattern("accountkey" + _NAMED + _AZURE_VALUE), _AZURE),
    _Context("storage_key", "Azure storage account key", lazy.pattern("storage_key" + _NAMED + _AZURE_VALUE), _AZURE),
    _Context("access_key", "Azure storage account key", lazy.pattern("access_key" + _NAMED + _AZURE_VALUE), _AZURE),
    _Context("bearer ", "bearer token", lazy.pattern(r"bearer\s{1,3}(?P<value>[a-z0-9_.=+/~-]{20,2000})(?![a-z0-9_(\[{])"), _ANY),
    _Context("authorization", "basic authentication header", lazy.pattern(r"authorization[^\n]{0,20}basic\s{1,3}(?P<value>[a-z0-9+/]{12,400}={0,2})"), _ANY),
    _Context("twilio", "Twilio auth token", lazy.pattern(r"twilio[^\n]{0,40}(?:token|secret)[^\n]{0,20}?[\"'=:\s](?P<value>[0-9a-f]{32})(?![0-9a-z])"), _HEX_32),
    _Context("heroku", "Heroku API key", lazy.pattern(r"heroku[^\n]{0,40}(?:key|token|secret)[^\n]{0,20}?[\"'=:\s](?P<value>[0-9a-f-]{36})(?![0-9a-z])"), _UUID_SHAPE),
    _Context(" -u ", "password of a command", lazy.pattern(r" -u [\"']?[\w.@-]{1,60}:(?P<value>[^\s\"':]{5,200})"), _ANY, False, lazy.pattern(r"\b(?:curl|http|wget)\b[^\n]{0,300}$")),
    _Context(" -p", "password of a command", re.compile(r" -p[ =]?[\"']?(?P<value>[^\s\"'<>]{6,200})"), _ANY, False, re.compile(r"(?:\b(?:mysql(?:dump|admin)?|mariadb|mongo(?:sh|dump|restore|import)?)\b[^\n|&;]{0,200} -{1,2}u[^\n|&;]{0,200}|\bsshpass|\bdocker[^\n|&;]{0,20} login\b[^\n|&;]{0,200}|\b(?:podman|helm registry|az|oc|argocd)[^\n|&;]{0,20} login\b[^\n|&;]{0,200})$")),
    _Context("pgpassword", "database password", re.compile(r"pgpassword=[\"']?(?P<value>[^\s\"';]{6,200})"), _ANY),
    _Context("setpassword", "password", re.compile(r"setpassword\(\s{0,3}[\"'](?P<value>[^\"'\s]{6,200})[\"']\s{0,3}\)"), _ANY),
    _Context("account.key.", "Azure storage account key", re.compile(r"account\.key\.[a-z0-9.]{3,80}[\"']?[\s,=:]{1,4}[\"']?" + _AZURE_VALUE), _AZURE),
    _Context("add_argument", "default of an option", re.compile(r"add_argument\(\s{0,3}[\"'][\w-]{0,30}(?:api-?_?key|token|secret|passw(?:or)?d)[\"'][^\n()]{0,80}?default\s?=\s?[\"'](?P<value>[^\"'\s]{6,300})[\"']"), _ANY),
    _Context("password", "password in a connection string", lazy.pattern("password" + _PAIR_VALUE + r"(?=[;\"'\s]|$)"), _ANY, False, _SERVER),
    _Context("pwd", "password in a connection string", lazy.pattern("pwd" + _PAIR_VALUE + r"(?=[;\"'\s]|$)"), _ANY, False, _SERVER),
    _Context(":_", "registry token", lazy.pattern(r":_(?:authtoken|auth|password)\s?=\s?[\"']?(?P<value>[^\s\"']{10,1000})"), _ANY),
)  # fmt: skip
_DIGEST = lazy.pattern(r"(?i)sha(?:1|256|384|512)|digest|checksum|integrity|commit|revision|\bhash")


def _known_by_context(text: str, lowered: str) -> Iterator[Hit]:
    for context in _CONTEXTS:
        at = lowered.find(context.mark)
        while at != -1:
            match = context.regex.match(lowered, at)
            if match is not None:
                start, end = match.span("value")
                value = text[start:end]
                left = lowered[max(lowered.rfind("\n", 0, at) + 1, at - 500) : at]
                if (
                    (context.before is None or context.before.search(left))
                    and context.shape.fullmatch(value)
                    and _fits_context(context.kind, value, text[at:start])
                ):
                    yield Hit(start, end, context.kind, "", context.ml)
            at = lowered.find(context.mark, at + 1)


def _fits_context(kind: str, value: str, around: str) -> bool:
    if is_placeholder(value) or "EXAMPLE" in value or _DIGEST.search(around):
        return False
    if kind == "default of an option":
        return is_token(value, True)
    if kind.startswith("password") or kind == "database password":
        return is_password(value)
    if kind == "registry token":
        return is_uuid(value) or is_random(value, 12) or is_password(value)
    if kind == "AWS secret access key":
        return is_random(value) and not value.islower() and not value.isupper() and not re.fullmatch("[0-9a-f]+", value)
    if kind == "basic authentication header":
        return _is_basic(value)
    if kind == "bearer token":
        return is_random(value, 20) and (not is_uuid(value) or value[14] in "45")
    return is_uuid(value) or is_random(value)


def _is_basic(value: str) -> bool:
    try:
        pair = base64.b64decode(value + "=" * (-len(value) % 4), validate=True).decode()
    except (ValueError, binascii.Error):
        return False
    user, colon, password = pair.partition(":")
    return (
        bool(colon)
        and pair.isprintable()
        and not is_placeholder(password)
        and not is_made_of_words(password)
        and password != user
    )


# ---- names and values

# Each begins with fixed letters, which are searched for far faster than alternatives are.
_WORDS = (
    lazy.pattern(r"pass(?:w(?:or)?d|phrase|(?![a-z]))"),
    lazy.pattern(r"pwd"),
    lazy.pattern(r"secret"),
    lazy.pattern(r"token"),
    lazy.pattern(r"credential"),
    lazy.pattern(r"bearer"),
    lazy.pattern(r"auth(?![a-z])"),
    lazy.pattern(r"conn(?:ection)?[_-]?str(?:ing)?"),
    lazy.pattern(r"key"),
)
_KEY_OF = lazy.pattern(
    r"(?:api|access|auth|private|encrypt(?:ion)?|signing|master|account|service|subscription|shared|client|storage|db|"
    r"database|admin|webhook|cookie|session|deploy|fernet|hmac|jwt)[_. -]?$"
)


def _words(lowered: str) -> list[tuple[int, int]]:
    """Return start and end of each part of a name that sounds like a secret."""
    found = []
    for word in _WORDS:
        for match in word.finditer(lowered):
            start, end = match.span()
            if match.group() == "key":
                of = _KEY_OF.search(lowered, max(0, start - 14), start)
                if of is None:
                    continue
                start = of.start()
            found.append((start, end))
    return sorted(found)


_TAIL = lazy.pattern(r"[\w-]{0,40}")
_OPERATOR = lazy.pattern(
    r"(?P<close>(?:\\{0,3}[\"'`]|\]|\)){0,3})[ \t]{0,8}"
    r"(?::[ \t]{0,4}[A-Za-z_][\w\[\]., |]{0,40}=(?!=)|=>|:=|->|[=!]==?|=|:|,|\?=|\|\|=|<-)[ \t]{0,8}(?:os\.(?:getenv|environ\.get)\([^\n,()]{1,60},[ ]?)?"
    r"(?P<prefix>[brfuBRFU@$]{0,2}(?=\\{0,3}[\"'`]))?"
)
_QUOTE = lazy.pattern(r"\\{0,3}(?:\"\"\"|'''|[\"'`])")
_BARE = lazy.pattern(r"[^\s\"'`<>]+")
_XML = lazy.pattern(r"[ \t]{0,3}>[ \t]{0,3}(?P<value>[^<>\s]{1,300})[ \t]{0,3}</")

_PASSWORD = lazy.pattern(r"pass(?:w(?:or)?d|phrase)|pwd|pass(?![a-z])")
_STRONG = lazy.pattern(
    r"api[_.-]?key|secret|password|(?:access|auth|bearer|refresh|bot|user|personal|deploy|hub)[_-]?token|access[_-]?key|auth[_-]?key|private[_-]?key|credential|connection|conn"
)
# What follows or leads a secret-like word when it does not name a secret: a place, a measure, a name, a part of speech.
_NO_SECRET_NAME = lazy.pattern(
    r"tokeni[sz]|tokens(?!ecret)|(?<![a-z])(?:max|min|num|pad|eos|bos|unk|mask|cls|sep|stop|start|end|special|next|page|continuation|sync|csrf|xsrf|prompt|completion|"
    r"input|output|total|image|audio|video|vision|first|last|begin|decoder|forced|suppress|additional|extra|new|cancellation|resume|cancel|boi|eoi|"
    r"eot|im|per|by|text|vocab|sub|word|think|thinking|tool|fim|wildcard|separator|delimiter|lock|idempotency|invalid|wrong|bad|no|is|has|use|with|without|"
    r"show|hide|toggle|reset|forgot|confirm|enable|disable|require|requires?|needs?|public|type|of|check|validate|verify|hash|hashed|encrypted)[_.-]?(?:pass(?:word)?|secret|token)s?(?![a-z]*[_-]?(?:api|key))"
    r"|(?:pass(?:w(?:or)?d|phrase)?|pwd|secret|token|credential|key|auth)s?[_.-]?(?:id|ids|type|types|name|names|url|uri|endpoint|file|path|dir|"
    r"field|label|regex|pattern|policy|length|len|count|size|limit|ttl|expiry|expires?(?:_?(?:in|at|on))?|expiration|lifetime|index|idx|position|pos|embedding|embeddings|"
    r"classification|level|hint|placeholder|prompt|header|prefix|suffix|env|envvar|var|variable|ref|arn|version|manager|provider|store|service|scheme|method|mode|format|"
    r"class|error|message|msg|title|text|help|description|desc|info|usage|budget|rate|cost|price|logprobs?|mask|scope|scopes|status|state|script|scanner|detector|"
    r"input|column|key_?ref|strategy|backend|required|reset|change|strength|hash|digest|sha\d*|md5|algorithm|alg|salt_?len|rounds|generator|validator|helper|view|test|tests|source|callback|issuer|audience|signature_?alg|selector|xpath|page|link|button|form|modal|dialog|rotation|days|weeks|at|on|in|pool|user|module|engine|domain|realm|server|host|port|group|role|plugin|middleware|guard|required|enabled|disabled)(?![a-z0-9])"
    r"|public|publishable|primary_?key|foreign_?key|sort_?key|cache_?key|partition|keyboard|authoriz|author(?!iz)|passage|passenger|passive|bypass|compass|passing|passed|"
    r"secretary|secretsmanager|secretkeyref|secretref|token_ids|hotkey|turkey|monkey|sha(?:1|256|512)|checksum|fingerprint|digest|integrity|commit|revision|etag"
)
_ML_NAMES: tuple[tuple[str, str], ...] = (
    ("wandb", "Weights & Biases API key"), ("weights_and_biases", "Weights & Biases API key"), ("huggingface", "Hugging Face access token"),
    ("hugging_face", "Hugging Face access token"), ("hf_token", "Hugging Face access token"), ("azure_openai", "Azure OpenAI key"),
    ("openai", "OpenAI API key"), ("anthropic", "Anthropic API key"), ("claude", "Anthropic API key"), ("cohere", "Cohere API key"),
    ("mistral", "Mistral API key"), ("replicate", "Replicate API token"), ("together", "Together AI API key"), ("groq", "Groq API key"),
    ("xai_", "xAI API key"), ("perplexity", "Perplexity API key"), ("deepseek", "DeepSeek API key"), ("gemini", "Google AI API key"),
    ("palm_api", "Google AI API key"), ("genai", "Google AI API key"), ("pinecone", "Pinecone API key"), ("weaviate", "Weaviate API key"),
    ("qdrant", "Qdrant API key"), ("milvus", "Milvus token"), ("zilliz", "Zilliz API key"), ("chroma", "Chroma API key"),
    ("comet", "Comet API key"), ("neptune", "Neptune API token"), ("clearml", "ClearML secret"), ("trains_", "ClearML secret"),
    ("mlflow", "MLflow tracking password or token"), ("databricks", "Databricks access token"), ("langsmith", "LangSmith API key"),
    ("langchain", "LangSmith API key"), ("langfuse", "Langfuse secret key"), ("elevenlabs", "ElevenLabs API key"),
    ("eleven_api", "ElevenLabs API key"), ("assemblyai", "AssemblyAI API key"), ("deepgram", "Deepgram API key"), ("stability", "Stability AI API key"),
    ("ai21", "AI21 API key"), ("aleph_alpha", "Aleph Alpha token"), ("fireworks", "Fireworks AI API key"), ("voyage", "Voyage AI API key"),
    ("jina", "Jina AI API key"), ("tavily", "Tavily API key"), ("serpapi", "SerpAPI key"), ("labelbox", "Labelbox API key"),
    ("roboflow", "Roboflow API key"), ("kaggle", "Kaggle API key"), ("dagshub", "DagsHub token"), ("nvidia", "NVIDIA API key"),
    ("ngc_", "NVIDIA NGC API key"), ("runpod", "RunPod API key"), ("openrouter", "OpenRouter API key"), ("cerebras", "Cerebras API key"),
    ("sambanova", "SambaNova API key"), ("unstructured", "Unstructured API key"), ("sagemaker", "SageMaker credential"), ("vertex", "Vertex AI credential"),
    ("label_studio", "Label Studio token"), ("argilla", "Argilla API key"), ("llama", "LlamaCloud API key"), ("modal_token", "Modal token"),
    ("anyscale", "Anyscale API key"), ("baseten", "Baseten API key"), ("lakera", "Lakera API key"), ("arize", "Arize API key"),
)  # fmt: skip


def _pairs(text: str, lowered: str, style: Style) -> Iterator[Hit]:
    done = -1
    for begin, end in _words(lowered):
        if begin < done:
            continue
        tail = _TAIL.match(text, end)
        stop = tail.end() if tail else end
        place = _value(text, lowered, begin, stop, style)
        if place is None:
            continue
        name = _name(text, begin, stop)
        start, end, bare = place
        if end - start > MAX_VALUE_CHARS:
            done = end if bare else done
            continue
        if _is_credential(name, text[start:end], bare, style):
            yield Hit(start, end, *_kind(name, text, begin))
            done = end


# An entry of a list of variables: {"name": "X_TOKEN", "value": "…"}, or two lines of YAML.
_ENTRY = lazy.pattern(
    r"name[\"']?[ ]{0,3}[:=][ ]{0,3}[\"']?(?P<name>[A-Za-z_][\w.-]{2,60})[\"']?[ ]{0,3},?\s{1,60}"
    r"[\"']?value[\"']?[ ]{0,3}[:=][ ]{0,3}(?P<quote>[\"']?)(?P<value>[^\s\"',}]{6,1000})"
)


def _entries(text: str, lowered: str, style: Style) -> Iterator[Hit]:
    if "value" not in lowered:
        return
    for match in _ENTRY.finditer(text):
        name, value = match["name"], match["value"]
        if _words(name.lower()) and _is_credential(name, value, not match["quote"], style):
            start, end = match.span("value")
            yield Hit(start, end, *_kind(name, text, match.start()))


def _value(text: str, lowered: str, begin: int, stop: int, style: Style) -> tuple[int, int, bool] | None:
    """Return start and end of the value that is given to the name ending at ``stop``, and whether it stands without quotes."""
    operator = _OPERATOR.match(text, stop)
    if operator is None:
        return _loose_value(text, begin, stop, style)
    at = operator.end()
    quote = _QUOTE.match(text, at)
    if quote is not None:
        return _quoted(text, quote)
    comma = text[operator.end("close") : at].strip() == ","
    if _is_flag(text, begin):
        return _bare(text, at, prose=True)
    if not style.bare or comma or operator.group("close") and ")" in operator.group("close"):
        return None
    return _bare(text, at)


def _loose_value(text: str, begin: int, stop: int, style: Style) -> tuple[int, int, bool] | None:
    tag = _XML.match(text, stop)
    if tag is not None:
        return *tag.span("value"), False
    is_flag = _is_flag(text, begin)
    if not style.spaces and not is_flag:
        return None
    gap = _GAP.match(text, stop)
    return _bare(text, gap.end(), prose=is_flag) if gap else None


_GAP = lazy.pattern(r"[\"']?,?[ \t]{1,20}[\"']?")
_SPLIT = lazy.pattern(r"[\s=\"']")


def _is_flag(text: str, begin: int) -> bool:
    """Say whether the name that holds ``begin`` is an option of a command line."""
    flag = text.rfind("--", max(0, begin - MAX_NAME_CHARS), begin)
    return flag != -1 and not _SPLIT.search(text, flag, begin)


def _quoted(text: str, quote: re.Match[str]) -> tuple[int, int, bool] | None:
    mark, start = quote.group(), quote.end()
    newline = text.find("\n", start)
    limit = min(newline if newline != -1 else len(text), start + MAX_LINE_CHARS)
    end = text.find(mark, start, limit)
    while end != -1 and len(mark) == 1 and text[end - 1] == "\\":
        end = text.find(mark, end + 1, limit)
    return (start, end, False) if end > start else None


def _bare(text: str, at: int, prose: bool = False) -> tuple[int, int, bool] | None:
    match = _BARE.match(text, at)
    if match is None:
        return None
    start, end = match.span()
    while end > start and text[end - 1] in ",;)":
        end -= 1
    rest = text[match.end() : match.end() + 40].split("\n", 1)[0].strip()
    goes_on = (
        not prose
        and rest
        and not rest.startswith(("#", ";", "//", "\\", "&&", "|", "-", "}", ",", '"', "'", "<!--"))
        and not re.match(r"\w+=|login|account|machine", rest)
    )
    return None if goes_on or end == start else (start, end, True)


_IDENTIFIER = lazy.pattern(r"[\w.-]")


def _name(text: str, start: int, stop: int) -> str:
    first = start
    while first > 0 and start - first < MAX_NAME_CHARS and _IDENTIFIER.match(text[first - 1]):
        first -= 1
    return text[first:stop].strip(".-")[-MAX_NAME_CHARS:]


def _is_credential(name: str, value: str, bare: bool, style: Style) -> bool:
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    last = plain.rsplit(".", 1)[-1]
    if _NO_SECRET_NAME.search(last) or len(value) < 6:
        return False
    if bare and (re.search(r"[()\[\]{}]|^[&*!|>]|^\w+(?:\.\w+)+$", value) or value.endswith((":", ","))):
        return False
    if style.test and not is_random(value, 20):
        return False
    if is_token(value, bool(_STRONG.search(last))):
        return True
    return bool(_PASSWORD.search(last)) and is_password(value)


def _kind(name: str, text: str, at: int) -> tuple[str, str, bool]:
    line = text.rfind("\n", max(0, at - 100), at) + 1
    lowered = f"{name} {text[max(line, at - 60) : at]}".lower()
    for word, kind in _ML_NAMES:
        if word in lowered:
            return kind, name, True
    last = name.rsplit(".", 1)[-1].lower()
    if _PASSWORD.search(last):
        return "password", name, False
    if "secret" in last:
        return "secret", name, False
    if "token" in last or "bearer" in last:
        return "access token", name, False
    return "API key" if "api" in last else "key", name, False


# ---- what a finding calls the variable, and what an author allowed

_LEFT = lazy.pattern(
    r"(?P<name>[A-Za-z_][\w.-]{0,58}\w)[\"'`\]]{0,3}\s{0,8}(?::\s{0,4}[A-Za-z_][\w\[\]., |]{0,40}=|=>|:=|[=!]==?|=|:|,)\s{0,8}[\[({]?\s{0,4}[brfuBRFU]{0,2}\\?[\"'`]{0,3}[^\s\"'`]{0,200}$"
)
_ALLOW = lazy.pattern(r"pragma: ?(?:allowlist|whitelist) (?P<next>nextline )?secret|gitleaks:allow")


def _named(hits: list[Hit], text: str, allowed: frozenset[int]) -> list[Hit]:
    named = []
    for hit in hits:
        if allowed and text.count("\n", 0, hit.start) + 1 in allowed:
            continue
        if not hit.name and not hit.private_key:
            start = max(text.rfind("\n", 0, hit.start) + 1, hit.start - 300)
            left = _LEFT.search(text[start : hit.start])
            # What follows an @ is the rest of an address, not a name.
            if (
                left
                and _is_plain_name(left.group("name"))
                and "@" not in text[start + left.start("name") - 1 : start + left.start("name")]
            ):
                hit = Hit(hit.start, hit.end, hit.kind, left.group("name"), hit.ml, hit.private_key)
        named.append(hit)
    return named


def _is_plain_name(name: str) -> bool:
    """Say whether a name may be shown: no value that happens to stand left of another."""
    return not is_random(name, 14) and not name.lower().startswith(("http", "ftp"))


def _allowed_lines(text: str, lowered: str) -> frozenset[int]:
    if "gitleaks:allow" not in lowered and "list secret" not in lowered and "list nextline secret" not in lowered:
        return frozenset()
    lines = set()
    for match in _ALLOW.finditer(lowered):
        line = text.count("\n", 0, match.start()) + 1
        lines.add(line + 1 if match.group("next") else line)
    return frozenset(lines)


class Lines:
    """Line and column, from 1, of each offset of a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def place(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1

    def line(self, number: int) -> tuple[int, str]:
        """Return where a line starts, and its text."""
        start = self.starts[number - 1]
        end = self.starts[number] if number < len(self.starts) else len(self.text)
        return start, self.text[start:end]
