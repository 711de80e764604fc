"""Finds values that stand under a name which says that they are secret."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from mlguard.scanners import lazy
from mlguard.scanners.secrets.formats import poses
from mlguard.scanners.secrets.gate import Key
from mlguard.scanners.secrets.hits import Hit, Style
from mlguard.scanners.secrets.values import (
    MAX_VALUE_CHARS,
    is_password,
    is_random,
    is_token,
    is_uuid,
)

MAX_LINE_CHARS = 4000
"""Names and values are not paired on longer lines: they are minified or encoded. Formats of vendors are found there too."""

MAX_NAME_CHARS = 60

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
    r"(?:api|app|access|auth|secret|private|encrypt(?:ion)?|signing|master|account|service|subscription|shared|client|storage|db|"
    r"database|admin|webhook|cookie|session|deploy|fernet|hmac|jwt|kaggle|openai|azure|anthropic|claude|cohere|mistral|groq|gemini|google|wandb|hugging_?face|hf|aws|github|stripe|pinecone|langsmith|replicate|together|deepseek|llm|secure|crypto|crypt|aes|cipher|license)[_. -]?$"
)


KEYS = (
    Key("pass", r"pass(?:wo?r?d|phrase|[^a-z]|$)", folded=True),
    Key("pwd", "pwd", folded=True),
    Key("secret", "secret", folded=True),
    Key("token", "token", folded=True),
    Key("credential", "credential", folded=True),
    Key("bearer", "bearer", folded=True),
    Key("auth", "auth(?:[^a-z]|$)", folded=True),
    Key("conn", "conn(?:ection)?[_-]?str", folded=True),
    Key("key", _KEY_OF.pattern.removesuffix("$") + "key", folded=True),
    Key("value", "value", folded=True),
)
"""A gate for each of the words, and one for entries of lists."""

ENTRIES = len(_WORDS)


def _words(lowered: str, opened: Iterable[int] = range(ENTRIES)) -> list[tuple[int, int]]:
    """Return start and end of each part of a name that sounds like a secret."""
    found = []
    for number in opened:
        for match in _WORDS[number].finditer(lowered):
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
    r"(?:,|(?::[ \t]{0,4}[A-Za-z_][\w\[\]., |]{0,40}=(?!=)|=>|:=|->|[=!]==?|=|:-|:|\?=|\|\|=|<-|\bor\b|\|\||\?\?)"
    r"(?P<turn>[ \t]{0,8}[(|>\\]?[-+]?[ \t]{0,8}\r?\n[ \t]{1,60})?)"
    r"[ \t]{0,8}(?:default\s?=\s?)?(?:os\.(?:getenv|environ\.get)\([^\n,()]{1,60},[ ]?)?"
    r"(?P<prefix>[brfuBRFU@$]{0,2}(?=\\{0,3}[\"'`]))?"
)
_QUOTE = lazy.pattern(r"\\{0,3}(?:\"\"\"|'''|[\"'`])")
_BARE = lazy.pattern(r"[^\s\"'`<>]+")
_XML = lazy.pattern(r"[ \t]{0,3}>[ \t]{0,3}(?P<value>[^<>\s]{1,300})[ \t]{0,3}</")

_PASSWORD = lazy.pattern(r"pass(?:w(?:or)?d|phrase)|pwd|pass(?![a-z])")
_STRONG = lazy.pattern(
    r"api[_.-]?key|secret|password|(?:access|auth|bearer|refresh|bot|user|personal|deploy|hub)[_-]?token|access[_-]?key|auth[_-]?key|private[_-]?key|credential|connection|conn"
)
_LAST_WORDS = frozenset({"key", "token", "secret"})
_OF_SERVICE = lazy.pattern(
    r"(?:api|auth|snyk|codecov|postmark|sonar|circleci|heroku|scaleway|scw|render|railway|server|account|logentries|rollbar|bitrise|coveralls)_(?:\w{1,20}_)?token$"
)
_OF_A_MOMENT = lazy.pattern(
    r"session|request|correlation|trace|tracking|device|transaction|order|task|job|run|message|event|upload|visitor|cart|item|node|row|build|version|change|grant|client|verification"
)
"""A token of a service may be a UUID; that of a visit or of one message is no secret for long."""

_PUBLIC = ("phc_", "pk_live_", "pk_test_", "pk-lf-", "pk.eyJ", "sb_publishable_", "NRJS-", "rzp_test_", "FLWPUBK")
"""Prefixes of keys that vendors mean for everybody to see."""

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


def pairs(text: str, lowered: str, style: Style, opened: Iterable[int]) -> Iterator[Hit]:
    """Yield the values of names that sound like a secret."""
    done = -1
    for begin, end in _words(lowered, opened):
        if begin < done:
            continue
        tail = _TAIL.match(text, end)
        stop = tail.end() if tail else end
        place = _value(text, lowered, begin, stop, style)
        if place is None:
            continue
        name, first = _name(text, begin, stop)
        start, end, bare = place
        if text[first - 1 : first] == ":" and "arn:aws" in text[max(0, first - 80) : first]:
            continue
        if end - start > MAX_VALUE_CHARS:
            done = end if bare else done
            continue
        value = text[start:end]
        if _is_credential(name, value, bare, style) or _is_set(name, value, text, first, start):
            yield Hit(start, end, *_kind(name, text, begin))
            done = end
        elif not bare and not style.test and _is_default(name, value, text, first):
            yield Hit(start, end, "value that anybody can guess", name, fallback=True)
            done = end


_LOOKED_UP = lazy.pattern(
    r"(?:\bgetenv|\benviron\.(?:get|setdefault)|\benv(?:\.str|\.get)?|\bconfig(?:\.get)?|\bsettings\.get|\bVariable\.get|\bENV\.fetch|process\.env)"
    r"(?:\(\s{0,4}[rbu]?[\"']|\.)$"
)
_ENVIRON = lazy.pattern(r"\benviron\[\s{0,4}[\"']$")
_TO_FILL_IN = lazy.pattern(
    r"^(?:none|null|nil|n/?a|empty|unset|undefined|unused|dummy|todo|tbd|false|true|optional|no[-_ ].*|not[-_ ].*|[x*._#-]+|\d)$|your|xxx|\.\.\.|here\b|"
    r"<|\$|\{|%\(|://|placeholder|example|/run/secrets|^/",
    re.I,
)
_OWN_SECRET = lazy.pattern(
    r"pass(?:w(?:or)?d|phrase)|pwd|pass(?![a-z])|secret|(?:signing|encrypt(?:ion)?|session|cookie|fernet|jwt|hmac)[_-]?key"
)
"""What a service is given by who runs it, and so what a default opens. A token of somebody else's service has none."""


def _is_default(name: str, value: str, text: str, first: int) -> bool:
    """Say whether a value takes the place of a secret that the environment does not hold."""
    plain = name.lower()
    if not _LOOKED_UP.search(text, max(0, first - 40), first) or not 4 <= len(value) <= 100:
        return False
    if " " in value and not value.lower().startswith("change"):
        return False  # a text
    if not _OWN_SECRET.search(plain) or _NO_SECRET_NAME.search(plain.rsplit(".", 1)[-1]):
        return False
    return not _TO_FILL_IN.search(value)


def _is_set(name: str, value: str, text: str, first: int, start: int) -> bool:
    """Say whether a key of an AI service is put into the environment, even one that looks like typed in order."""
    if not _ENVIRON.search(text, max(0, first - 20), first) or not _SET_VALUE.match(value):
        return False
    return _kind(name, text, start)[2] and len(set(value)) >= 12 and not _TO_FILL_IN.search(value)


_SET_VALUE = lazy.pattern(r"^(?=[^\d]*\d)[A-Za-z0-9_-]{32,200}$")


# An entry of a list of variables: {"name": "X_TOKEN", "value": "…"}, or two lines of YAML.
_ENTRY, _KEYED = (
    lazy.pattern(
        word + r"[\"']?[ ]{0,3}[:=][ ]{0,3}[\"']?(?P<name>[A-Za-z_][\w.-]{2,60})[\"']?[ ]{0,3},?\s{1,60}"
        r"[\"']?value[\"']?[ ]{0,3}[:=][ ]{0,3}(?P<quote>[\"']?)(?P<value>[^\s\"',}]{6,1000})"
    )
    for word in ("name", "key")
)


def entries(text: str, style: Style) -> Iterator[Hit]:
    """Yield the values of lists of variables."""
    for match in itertools.chain(_ENTRY.finditer(text), _KEYED.finditer(text)):
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
    if (compared := _compared(text, begin)) is not None:
        return compared
    if operator["turn"] and operator["turn"].strip()[:1] not in ("|", ">", "\\"):
        return None
    comma = text[operator.end("close") : at].strip() == ","
    if _is_flag(text, begin):
        return _bare(text, at, prose=True)
    if (
        not (style.bare or _is_command(text, begin))
        or comma
        or operator.group("close")
        and ")" in operator.group("close")
    ):
        return None if comma else _random(text, at)
    return _bare(text, at) or _random(text, at)


_RANDOM = lazy.pattern(r"[A-Za-z0-9_+/.~-]{20,400}={0,2}(?=$|[\s\"'`\\&<,;)}\]])", re.M)


def _is_command(text: str, begin: int) -> bool:
    """Say whether a line of a notebook is a command, whose values need no quotes."""
    low = max(0, begin - 300)
    line = text[text.rfind("\n", low, begin) + 1 or low : begin].lstrip()
    return line.startswith(("%env", "%set_env", "!", "export "))


def _random(text: str, at: int) -> tuple[int, int, bool] | None:
    """Return the place of a generated value, which needs no quotes to be told from code: in a comment, a command, an address."""
    match = _RANDOM.match(text, at)
    return (*match.span(), True) if match is not None and is_random(match.group(), 20) else None


def _loose_value(text: str, begin: int, stop: int, style: Style) -> tuple[int, int, bool] | None:
    tag = _XML.match(text, stop)
    if tag is not None:
        return *tag.span("value"), False
    if (compared := _compared(text, begin)) is not None:
        return compared
    directive = _DIRECTIVE.match(text, stop)
    if directive is not None:
        return *directive.span("value"), False
    is_flag = _is_flag(text, begin)
    if not style.spaces and not is_flag:
        return None
    gap = _GAP.match(text, stop)
    return _bare(text, gap.end(), prose=is_flag) if gap else None


_DIRECTIVE = lazy.pattern(r"[ \t]{1,20}(?P<quote>[\"'])(?P<value>[^\s\"']{8,200})(?P=quote);")
_LEFT_OF_SIGN = lazy.pattern(r"[\"'](?P<value>[^\s\"']{6,200})[\"'][ \t]{0,4}[!=]==?[ \t]{0,4}[\w.]{0,60}$")


def _compared(text: str, begin: int) -> tuple[int, int, bool] | None:
    """Return the literal that a name on the right of a comparison is compared with."""
    low = max(0, begin - 300)
    low = text.rfind("\n", low, begin) + 1 or low
    if "==" not in text[low:begin] and "!=" not in text[low:begin]:
        return None
    match = _LEFT_OF_SIGN.search(text, low, begin)
    return (*match.span("value"), False) if match else None


_GAP = lazy.pattern(r"[\"']?,?[ \t]{1,20}[\"']?")
_SPLIT = lazy.pattern(r"[\s=\"']")


def _is_flag(text: str, begin: int) -> bool:
    """Say whether the name that holds ``begin`` is an option of a command line."""
    flag = text.rfind("--", max(0, begin - MAX_NAME_CHARS), begin)
    return flag != -1 and not _SPLIT.search(text, flag, begin)


def _quoted(text: str, quote: re.Match[str]) -> tuple[int, int, bool] | None:
    mark, start = quote.group(), quote.end()
    limit = min(len(text), start + MAX_LINE_CHARS)
    newline = text.find("\n", start, limit)
    limit = newline if newline != -1 else limit
    end = text.find(mark, start, limit)
    while end != -1 and len(mark) == 1 and text[end - 1] == "\\":
        end = text.find(mark, end + 1, limit)
    return (start, end, False) if end > start else None


def _bare(text: str, at: int, prose: bool = False) -> tuple[int, int, bool] | None:
    match = _BARE.match(text, at)
    if match is None:
        return None
    start, end = match.span()
    if "&" in match.group() and "=" in match.group():  # the next part of a query
        end = start + match.group().index("&")
    while end > start and text[end - 1] in ",;)":
        end -= 1
    rest = text[match.end() : match.end() + 40].split("\n", 1)[0].strip()
    goes_on = (
        not prose
        and rest
        and not rest.startswith(("#", ";", "//", "\\", "&&", "|", "-", "}", ",", '"', "'", "<!--", "`"))
        and not re.match(r"\w+=|login|account|machine", rest)
    )
    return None if goes_on or end == start else (start, end, True)


_IDENTIFIER = lazy.pattern(r"[\w.-]")


def _name(text: str, start: int, stop: int) -> tuple[str, int]:
    """Return the whole name around a word, and where it starts."""
    first = start
    while first > 0 and start - first < MAX_NAME_CHARS and _IDENTIFIER.match(text[first - 1]):
        first -= 1
    return text[first:stop].strip(".-")[-MAX_NAME_CHARS:], first


_WORD_PART = lazy.pattern(r"(?<![A-Za-z0-9])[a-z]{3,}(?![A-Za-z0-9])")


def _is_credential(name: str, value: str, bare: bool, style: Style) -> bool:
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    last = plain.rsplit(".", 1)[-1]
    if _NO_SECRET_NAME.search(last) or len(value) < 6 or value.startswith(_PUBLIC):
        return False
    if "licen" in last and _WORD_PART.search(value):
        return False  # the name of a licence
    if bare and (re.search(r"[()\[\]{}]|^[&*!|>]|^\w+(?:\.\w+)+$", value) or value.endswith((":", ","))):
        return False
    if poses(value) or value.startswith("sk-") and len(value) < 24 or style.test and not is_random(value, 20):
        return False
    # In a file of properties the words of a name are parted by dots: pinecone.api.key
    spoken = "_".join(plain.split(".")[-3:]) if last in _LAST_WORDS else last
    if is_token(value, bool(_STRONG.search(spoken)) or is_uuid(value) and _is_of_service(name, spoken)):
        return True
    return bool(_PASSWORD.search(last)) and is_password(value)


def _is_of_service(name: str, spoken: str) -> bool:
    if not spoken.endswith("_token") or _OF_A_MOMENT.search(spoken):
        return False
    return name.isupper() or _OF_SERVICE.search(spoken) is not None


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
