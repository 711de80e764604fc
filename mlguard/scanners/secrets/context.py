"""Finds values that have no format of their own: what stands around them says which service they open."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from mlguard.scanners import lazy
from mlguard.scanners.secrets.gate import Key
from mlguard.scanners.secrets.hits import Hit
from mlguard.scanners.secrets.values import (
    is_identifier,
    is_made_of_words,
    is_password,
    is_placeholder,
    is_random,
    is_token,
    is_uuid,
)
from mlguard.values import dataclass


@dataclass(frozen=True, slots=True)
class Context:
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
_ANY = lazy.pattern(r"[^\s\"']{5,2000}")
_UUID_SHAPE = lazy.pattern(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_AWS_VALUE = r"(?P<value>[a-z0-9/+]{40})(?![a-z0-9/+=])"
_AZURE_VALUE = r"(?P<value>[a-z0-9+/]{86}==)"
_SERVER = lazy.pattern(
    r"(?:server|data source|host|endpoint|user id|uid|user|username|database|dbname|initial catalog|accountname)\s?=[^\n\"']{1,400}$"
)
_ARGUMENT = lazy.pattern(r",\s{0,4}[\w.\[\]]{0,60}$")
_PAIR_VALUE = r"\s?=\s?(?P<value>[^\s;\"'&,]{5,200})"


def _context(
    mark: str, kind: str, regex: str, shape: re.Pattern[str] = _ANY, ml: bool = False, before: str = ""
) -> Context:
    return Context(mark, kind, lazy.pattern(regex), shape, ml, lazy.pattern(before) if before else None)


_CONTEXTS: tuple[Context, ...] = (
    _context("wandb", "Weights & Biases API key", r"wandb(?:(?!commit|sha|rev|@|\.git|run|artifact|version|digest|hash)[^\n]){0,80}?(?<![0-9a-z/@])(?P<value>[0-9a-f]{40})(?![0-9a-z])", _HEX_40, True),
    _context("local-", "Weights & Biases API key", r"local-(?P<value>[0-9a-f]{40})(?![0-9a-z])", _HEX_40, True, r"wandb[^\n]{0,100}$"),
    _context('"username"', "Kaggle API key", r"\"username\"\s*:\s*\"[^\"]{1,60}\"\s*,\s*\"key\"\s*:\s*\"(?P<value>[0-9a-f]{32})\"", _HEX_32, True),
    _context("'username'", "Kaggle API key", r"'username'\s*:\s*'[^']{1,60}'\s*,\s*'key'\s*:\s*'(?P<value>[0-9a-f]{32})'", _HEX_32, True),
    _context('\\"username\\"', "Kaggle API key", r"\\\"username\\\"\s*:\s*\\\"[^\"\\]{1,60}\\\"\s*,\s*\\\"key\\\"\s*:\s*\\\"(?P<value>[0-9a-f]{32})\\\"", _HEX_32, True),
    _context("kaggle_key", "Kaggle API key", "kaggle_key" + _NAMED + r"(?P<value>[0-9a-f]{32})(?![0-9a-z])", _HEX_32, True),
    _context("aws", "AWS secret access key", r"aws[^\n]{0,40}?(?:secret|key|pass|token)[^\n]{0,30}?[\s\"'=:,(]" + _AWS_VALUE, _AWS),
    _context("secret_access_key", "AWS secret access key", "secret_access_key" + _NAMED + _AWS_VALUE, _AWS),
    _context("secretaccesskey", "AWS secret access key", "secretaccesskey" + _NAMED + _AWS_VALUE, _AWS),
    _context("secret_key", "AWS secret access key", "secret_key" + _NAMED + _AWS_VALUE, _AWS),
    _context("account_key", "Azure storage account key", "account_key" + _NAMED + _AZURE_VALUE, _AZURE),
    _context("accountkey", "Azure storage account key", r"accountkey[\"']?\s{0,3}[=:,]\s{0,3}[\"']?" + _AZURE_VALUE, _AZURE),
    _context("storage_key", "Azure storage account key", "storage_key" + _NAMED + _AZURE_VALUE, _AZURE),
    _context("access_key", "Azure storage account key", "access_key" + _NAMED + _AZURE_VALUE, _AZURE),
    _context("account.key.", "Azure storage account key", r"account\.key\.[a-z0-9.]{3,80}[\"']?[\s,=:]{1,4}[\"']?" + _AZURE_VALUE, _AZURE),
    _context("bearer ", "bearer token", r"bearer\s{1,3}(?P<value>[a-z0-9_.=+/~-]{20,2000})(?![a-z0-9_(\[{])"),
    _context("authorization", "authorization header", r"authorization[\"']?\s{0,3}[:=,]\s{0,3}[\"']?(?:token|api-?key|key|apikey)\s{1,3}(?P<value>[a-z0-9_.=+/~-]{20,2000})(?![a-z0-9_(\[{])"),
    _context("authorization", "basic authentication header", r"authorization[^\n]{0,20}basic\s{1,3}(?P<value>[a-z0-9+/]{12,400}={0,2})"),
    _context('"auth"', "basic authentication header", r"\"auth\"\s{0,3}:\s{0,3}\"(?P<value>[a-z0-9+/]{12,4000}={0,2})\""),
    _context("twilio", "Twilio auth token", r"twilio[^\n]{0,40}(?:token|secret)[^\n]{0,20}?[\"'=:\s](?P<value>[0-9a-f]{32})(?![0-9a-z])", _HEX_32),
    _context("client(", "Twilio auth token", r"client\(\s{0,3}[\"']ac[0-9a-f]{32}[\"']\s{0,3},\s{0,3}[\"'](?P<value>[0-9a-f]{32})[\"']", _HEX_32),
    _context("heroku", "Heroku API key", r"heroku[^\n]{0,40}(?:key|token|secret)[^\n]{0,20}?[\"'=:\s](?P<value>[0-9a-f-]{36})(?![0-9a-z])", _UUID_SHAPE),
    _context(" -u ", "password of a command", r" -u [\"']?[\w.@-]{1,60}:(?P<value>[^\s\"':]{5,200})", before=r"\b(?:curl|http|wget)\b[^\n]{0,300}$"),
    _context(" --user ", "password of a command", r" --user [\"']?[\w.@-]{1,60}:(?P<value>[^\s\"':]{5,200})", before=r"\b(?:curl|http|wget)\b[^\n]{0,300}$"),
    _context(" -p", "password of a command", r" -p[ =]?[\"']?(?P<value>[^\s\"'<>]{6,200})", before=r"(?:\b(?:mysql(?:dump|admin)?|mariadb|mongo(?:sh|dump|restore|import)?)\b[^\n|&;]{0,200} -{1,2}u[^\n|&;]{0,200}|\bsshpass|\bdocker[^\n|&;]{0,20} login\b[^\n|&;]{0,200}|\b(?:podman|helm registry|az|oc|argocd)[^\n|&;]{0,20} login\b[^\n|&;]{0,200})$"),
    _context(" -a ", "password of a command", r" -a [\"']?(?P<value>[^\s\"'<>]{6,200})", before=r"\bredis-cli\b[^\n|&;]{0,200}$"),
    _context("pgpassword", "database password", r"pgpassword=[\"']?(?P<value>[^\s\"';]{6,200})"),
    _context("setpassword", "password", r"setpassword\(\s{0,3}[\"'](?P<value>[^\"'\s]{6,200})[\"']\s{0,3}\)"),
    _context("add_argument", "default of an option", r"add_argument\(\s{0,3}[\"'][\w-]{0,30}(?:api-?_?key|token|secret|passw(?:or)?d)[\"'][^\n()]{0,80}?default\s?=\s?[\"'](?P<value>[^\"'\s]{6,300})[\"']"),
    _context("password", "password in a connection string", "password" + _PAIR_VALUE + r"(?=[;\"'\s&,]|$)"),
    _context("pwd", "password in a connection string", "pwd" + _PAIR_VALUE + r"(?=[;\"'\s&,]|$)"),
    _context("jdbc:oracle:", "database password", r"jdbc:oracle:\w{2,5}:[\w.-]{1,60}/(?P<value>[^\s\"'@]{5,100})@"),
    _context(":_", "registry token", r":_(?:authtoken|auth|password)\s?=\s?[\"']?(?P<value>[^\s\"']{10,1000})"),
    _context("npm", "npm access token", r"npm[ _-]?token[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?P<value>[0-9a-f-]{36})(?![0-9a-z-])", _UUID_SHAPE),
    _context("artif", "Artifactory credential", r"artif[^\n]{0,110}?[\"'=:\s](?P<value>ap[\da-f][a-z0-9]{10,80})(?![a-z0-9])", lazy.pattern(r"AP[\dA-F][a-zA-Z0-9]{10,80}")),
    _context("ibm", "IBM Cloud key", r"ibm[^\n]{0,60}?[\"'=:\s](?P<value>[a-z0-9_-]{44})(?![a-z0-9_-])", lazy.pattern(r"[A-Za-z0-9_-]{44}")),
    _context("watsonx", "IBM watsonx API key", r"watsonx[^\n]{0,60}?[\"'=:\s](?P<value>[a-z0-9_-]{44})(?![a-z0-9_-])", lazy.pattern(r"[A-Za-z0-9_-]{44}"), True),
    _context("secret", "IBM object storage key", r"secret[^\n]{0,40}?[\"'=:\s](?P<value>[a-f0-9]{48})(?![a-z0-9])", lazy.pattern("[a-f0-9]{48}")),
    _context("cloudant", "Cloudant credential", r"cloudant[^\n]{0,120}?[\"'=:\s](?P<value>[0-9a-f]{64})(?![a-z0-9])", lazy.pattern("[a-f0-9]{64}")),
    _context("softlayer", "SoftLayer key", r"softlayer[^\n]{0,60}?[\"'=:\s](?P<value>[a-z0-9]{64})(?![a-z0-9])", lazy.pattern("[a-z0-9]{64}")),
    _context("identified by", "database password", r"identified by\s{1,4}[\"'](?P<value>[^\s\"']{6,200})[\"']"),
    _context("auth", "password of a request", r"auth\s{0,2}[=:]\s{0,2}(?:\w{0,20}basic\w{0,10})?\(\s{0,4}[\"'][^\"'\n]{1,80}[\"']\s{0,3},\s{0,4}[\"'](?P<value>[^\"'\s]{6,200})[\"']"),
    _context("vault", "HashiCorp Vault token", r"vault[^\n]{0,40}?[\"'=:\s](?P<value>s\.[a-z0-9]{24})(?![a-z0-9])", lazy.pattern(r"s\.[A-Za-z0-9]{24}")),
    _context("asana", "Asana token", r"asana[^\n]{0,40}?[\"'=:\s](?P<value>\d/\d{16}:[a-z0-9]{32})(?![a-z0-9])"),
    _context("plaid", "Plaid token", r"plaid[^\n]{0,40}?[\"'=:\s](?P<value>access-(?:production|development)-[0-9a-f-]{36})"),
)  # fmt: skip

_SERVICES: tuple[tuple[str, str, str, bool], ...] = (
    ("cohere", "Cohere API key", r"[A-Za-z0-9]{40}", True),
    ("mistral", "Mistral API key", r"[A-Za-z0-9]{32}", True),
    ("comet", "Comet API key", r"[A-Za-z0-9]{25}", True),
    ("experiment(", "Comet API key", r"[A-Za-z0-9]{25}", True),
    ("deepgram", "Deepgram API key", r"[0-9a-f]{40}", True),
    ("assemblyai", "AssemblyAI API key", r"[0-9a-f]{32}", True),
    ("aai.settings", "AssemblyAI API key", r"[0-9a-f]{32}", True),
    ("roboflow", "Roboflow API key", r"[A-Za-z0-9]{20}", True),
    ("weaviate", "Weaviate API key", r"[A-Za-z0-9]{36,64}", True),
    ("auth.apikey", "Weaviate API key", r"[A-Za-z0-9]{36,64}", True),
    ("qdrant", "Qdrant API key", r"[A-Za-z0-9_-]{40,90}", True),
    ("zilliz", "Zilliz API key", r"[A-Za-z0-9]{40,120}", True),
    ("milvus", "Milvus token", r"[A-Za-z0-9]{40,120}", True),
    ("together", "Together AI API key", r"[0-9a-f]{64}", True),
    ("vast", "Vast.ai API key", r"[0-9a-f]{64}", True),
    ("baseten", "Baseten API key", r"[A-Za-z0-9]{8}\.[A-Za-z0-9]{32}", True),
    ("clearml", "ClearML secret", r"[A-Za-z0-9_-]{20,64}", True),
    ("neptune", "Neptune API token", r"[A-Za-z0-9+/_-]{100,400}={0,2}", True),
    ("dagshub", "DagsHub token", r"[0-9a-f]{40}", True),
    ("label_studio", "Label Studio token", r"[0-9a-f]{40}", True),
    ("labelstudio", "Label Studio token", r"[0-9a-f]{40}", True),
    ("scaleapi", "Scale AI API key", r"live_[0-9a-f]{32}", True),
    ("scale_api", "Scale AI API key", r"live_[0-9a-f]{32}", True),
    ("snorkel", "Snorkel API key", r"[A-Za-z0-9_.-]{32,80}", True),
    ("serper", "Serper API key", r"[0-9a-f]{40}", True),
    ("serpapi", "SerpAPI key", r"[0-9a-f]{64}", True),
    ("deepinfra", "DeepInfra API key", r"[A-Za-z0-9]{32}", True),
    ("hume", "Hume API key", r"[A-Za-z0-9]{48}", True),
    ("ai21", "AI21 API key", r"[A-Za-z0-9]{32}", True),
    ("speechmatics", "Speechmatics API key", r"[A-Za-z0-9]{32}", True),
    ("lakera", "Lakera API key", r"[0-9a-f]{64}", True),
    ("openai", "Azure OpenAI key", r"[0-9a-f]{32}", True),
    ("anthropic", "Anthropic API key", r"[A-Za-z0-9_-]{80,120}", True),
    ("datadog", "Datadog key", r"[0-9a-f]{32}|[0-9a-f]{40}", False),
    ("cloudflare", "Cloudflare API token", r"[A-Za-z0-9_-]{40}|[0-9a-f]{37}", False),
    ("pagerduty", "PagerDuty key", r"[A-Za-z0-9_+-]{20}", False),
    ("algolia", "Algolia key", r"[0-9a-f]{32}", False),
    ("linode", "Linode token", r"[0-9a-f]{64}", False),
    ("aliyun", "Alibaba Cloud secret", r"[A-Za-z0-9]{30}", False),
    ("alibaba", "Alibaba Cloud secret", r"[A-Za-z0-9]{30}", False),
    ("okta", "Okta API token", r"00[A-Za-z0-9_-]{40}", False),
    ("travis", "Travis CI token", r"[A-Za-z0-9_-]{22}", False),
    ("circleci", "CircleCI token", r"[0-9a-f]{40}", False),
    ("circle_token", "CircleCI token", r"[0-9a-f]{40}", False),
    ("fastly", "Fastly token", r"[A-Za-z0-9_-]{32}", False),
    ("vercel", "Vercel token", r"[A-Za-z0-9]{24}", False),
    ("ngrok", "ngrok token", r"[A-Za-z0-9]{27}_[A-Za-z0-9]{21}", False),
    ("mixpanel", "Mixpanel secret", r"[0-9a-f]{32}", False),
)  # fmt: skip
"""Service, kind, form of its keys: assigned to a name that begins with the service, or first argument of a call of it."""


def _service(word: str, kind: str, shape: str, ml: bool) -> Context:
    gap = r"" if word.endswith("(") else r"[\w.-]{0,40}[\"'\])]{0,3}\s{0,3}(?:=>|:=|[=:,(])"
    regex = (
        re.escape(word) + gap + r"\s{0,3}(?:(?:api_?key|key|token|auth\w{0,20}|secret)[\"']?\s{0,2}[=:]\s{0,2})?[\"']?"
        r"(?P<value>" + shape.lower().replace("a-za-z", "a-z") + r")(?![a-z0-9_/.+-])"
    )
    return _context(word, kind, regex, lazy.pattern(shape), ml)


CONTEXTS = (*_CONTEXTS, *(_service(*one) for one in _SERVICES))


def _gated(one: Context) -> str:
    """Return a gate that a frequent word alone does not open."""
    if one.mark in _OF_SERVICES:
        return re.escape(one.mark) + r"[a-z0-9_.-]*[\"'\])]*\s*[=:,(\"'a-f0-9]"
    return re.escape(one.mark)


_OF_SERVICES = frozenset(one[0] for one in _SERVICES)
KEYS = tuple(Key(one.mark, _gated(one), folded=True) for one in CONTEXTS)

_DIGEST = lazy.pattern(
    r"(?i)sha(?:1|256|384|512)|digest|checksum|integrity|commit|revision|\bhash|_id\b|_ids\b|workspace|project|checkpoint|version|experiment_key"
)


def find(contexts: list[Context], text: str, lowered: str) -> Iterator[Hit]:
    """Yield what these contexts say is a credential."""
    for context in contexts:
        at = lowered.find(context.mark)
        while at != -1:
            match = context.regex.match(lowered, at)
            if match is not None:
                start, end = match.span("value")
                value = text[start:end]
                low = max(0, at - 500)
                left = lowered[lowered.rfind("\n", low, at) + 1 or low : at]
                if (
                    _led(context, left)
                    and context.shape.fullmatch(value)
                    and _fits(context, value, text[at:start], left)
                ):
                    yield Hit(start, end, context.kind, "", context.ml)
            at = lowered.find(context.mark, at + 1)


def _led(context: Context, left: str) -> bool:
    if context.kind == "password in a connection string":
        return _SERVER.search(left) is not None
    return context.before is None or context.before.search(left) is not None


def _fits(context: Context, value: str, around: str, left: str) -> bool:
    kind = context.kind
    if is_placeholder(value) or "EXAMPLE" in value or _DIGEST.search(around):
        return False
    if kind == "default of an option":
        return is_token(value, True)
    if kind == "password in a connection string" and _ARGUMENT.search(left) and is_identifier(value):
        return False  # an argument of a call, and the name of its value
    if kind.startswith(("password", "database password")):
        return is_password(value)
    if kind == "registry token":
        return is_uuid(value) or is_random(value, 12) or is_password(value)
    if kind == "AWS secret access key":
        return is_random(value) and not value.islower() and not value.isupper() and not re.fullmatch("[0-9a-f]+", value)
    if kind == "basic authentication header":
        return _is_basic(value)
    if kind in ("bearer token", "authorization header"):
        return is_random(value, 20) and (not is_uuid(value) or value[14] in "45")
    if kind in ("Asana token", "Plaid token"):
        return True
    if kind == "HashiCorp Vault token":
        return is_random(value[2:])
    return is_uuid(value) or is_random(value) and not is_made_of_words(value)


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
