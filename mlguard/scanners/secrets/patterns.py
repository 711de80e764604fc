"""The formats of credentials that vendors document: a public prefix or mark, and what follows it."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from mlguard.scanners import lazy
from mlguard.scanners.secrets.values import entropy, is_placeholder, is_regular

_ALNUM = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One format: ``mark`` occurs in every match, so a text without it is not searched.

    The group ``value``, or else the match, is the credential. ``fits`` looks at it once more.
    """

    kind: str
    mark: str
    regex: re.Pattern[str]
    ml: bool = False
    fits: Callable[[str], bool] | None = None
    private_key: bool = False
    lead: int = 0  # characters before the mark at which a match may begin; 0: it begins with what its regex begins with
    reach: int = 400  # characters after the mark at which a match ends, where there is a lead


def crc32_matches(token: str) -> bool:
    """Say whether the last six characters are the base-62 CRC-32 of what stands between prefix and them.

    https://github.blog/engineering/behind-githubs-new-authentication-token-formats/
    """
    body = token.rsplit("_", 1)[-1]
    number, digits = zlib.crc32(body[:-6].encode()), ""
    while number:
        number, rest = divmod(number, 62)
        digits = _ALNUM[rest] + digits
    return digits.rjust(6, "0") == body[-6:]


def _with_checksum(token: str) -> bool:
    # A token whose checksum is wrong may be one that was mistyped or masked in part; only a random one is reported.
    body = token.rsplit("_", 1)[-1]
    return crc32_matches(token) or entropy(body) >= 4.2 and any(c.isdigit() for c in body)


def _mixed(token: str) -> bool:
    """Letters and digits after the last separator or prefix: no word."""
    return any(c.isdigit() for c in token) and any(c.isalpha() for c in token) and entropy(token) >= 3.2


def _letters_mixed(token: str) -> bool:
    return not token.islower() and not token.isupper() and _mixed(token)


def jwt_is_valid(token: str) -> bool:
    """Say whether header and payload are JSON objects and the payload is no textbook example."""
    parts = token.split(".")
    try:
        header, payload = (json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2])
    except (ValueError, binascii.Error, RecursionError):
        return False
    if (
        not isinstance(header, dict)
        or not isinstance(payload, dict)
        or not ("alg" in header or "typ" in header or "enc" in header)
    ):
        return False
    return payload.get("sub") != "1234567890" and payload.get("name") != "John Doe"


def _hides_key(text: str) -> bool:
    """Say whether text in base64 is a PEM block of a private key."""
    try:
        return b"PRIVATE KEY-----" in base64.b64decode(text[: len(text) // 4 * 4][:400])
    except ValueError:
        return False


def _has_key_material(block: str) -> bool:
    """Say whether base64 text that looks random follows the first line of a PEM block."""
    body = re.sub(r"\\+[rn]", "\n", block.split("PRIVATE KEY-----", 1)[-1])
    longest = max(re.findall(r"[A-Za-z0-9+/=]+", body), key=len)
    return len(longest) >= 30 and entropy(longest) >= 3.4 and not is_placeholder(longest[:64])


def _own(
    kind: str,
    prefix: str,
    body: str,
    ml: bool = False,
    fits: Callable[[str], bool] | None = None,
    end: str = r"(?![A-Za-z0-9])",
) -> Pattern:
    """A token that begins with a fixed public prefix."""
    return Pattern(kind, prefix, lazy.pattern(re.escape(prefix) + body + end), ml, fits)


_W = r"[A-Za-z0-9]"
_U = r"[A-Za-z0-9_-]"
_H = r"[0-9a-f]"
_END_U = r"(?![A-Za-z0-9_-])"

ML_SERVICES: tuple[Pattern, ...] = (
    _own("Hugging Face access token", "hf_", _W + "{32,48}", True),
    _own("Hugging Face organisation token", "api_org_", _W + "{32,48}", True),
    _own("Hugging Face OAuth token", "hf_oauth_", r"[A-Za-z0-9_.-]{40,2000}", True),
    _own("OpenAI API key", "sk-proj-", _U + "{40,250}", True, _mixed, _END_U),
    _own("OpenAI API key", "sk-svcacct-", _U + "{40,250}", True, _mixed, _END_U),
    _own("OpenAI API key", "sk-service-", _U + "{40,250}", True, _mixed, _END_U),
    _own("OpenAI admin key", "sk-admin-", _U + "{40,250}", True, _mixed, _END_U),
    _own("OpenAI API key", "sk-None-", _U + "{40,250}", True, _mixed, _END_U),
    _own("OpenAI API key", "sk-", _W + "{32,70}", True, _mixed, r"(?![A-Za-z0-9_-])"),
    _own("OpenRouter API key", "sk-or-v1-", _H + "{64}", True),
    _own("Langfuse secret key", "sk-lf-", r"[0-9a-f-]{36}", True),
    _own("Helicone API key", "sk-helicone-", r"[a-z0-9-]{24,80}", True, _mixed),
    _own("Anthropic API key", "sk-ant-", r"(?:api|admin|oat|ort|sid)\d{2}-" + _U + "{24,200}", True, _mixed, _END_U),
    _own("Groq API key", "gsk_", _W + "{40,64}", True),
    _own("xAI API key", "xai-", _W + "{40,120}", True, _mixed),
    _own("Replicate API token", "r8_", _W + "{35,44}", True),
    _own("Perplexity API key", "pplx-", _W + "{40,64}", True),
    _own("NVIDIA API key", "nvapi-", _U + "{50,100}", True, _mixed, _END_U),
    _own("Together AI API key", "tgp_v1_", _U + "{35,64}", True, None, _END_U),
    _own("Fireworks AI API key", "fw_", _W + "{22,40}", True, _mixed),
    _own("LangSmith API key", "lsv2_", r"(?:pt|sk)_" + _H + "{32}_" + _H + "{8,12}", True),
    _own("LangSmith API key", "ls__", _H + "{32}", True),
    _own("Pinecone API key", "pcsk_", _W + "{4,8}_" + _W + "{40,72}", True),
    _own("Pinecone API key", "pcsk_", _W + "{60,80}", True),
    _own("Databricks access token", "dapi", _H + r"{32}(?:-\d)?", True),
    _own("Weights & Biases API key", "wandb_v1_", _U + "{40,100}", True, _mixed, _END_U),
    _own("E2B API key", "e2b_", _H + "{36,64}", True),
    _own("Tavily API key", "tvly-", r"(?:dev-|prod-)?[A-Za-z0-9-]{28,64}", True, _mixed),
    _own("Jina AI API key", "jina_", _U + "{50,72}", True, _mixed, _END_U),
    _own("Voyage AI API key", "pa-", _U + "{40,64}", True, _letters_mixed, _END_U),
    _own("Voyage AI API key", "al-", _U + "{43}", True, _letters_mixed, _END_U),
    _own("ElevenLabs API key", "sk_", _H + "{48}", True),
    _own("Cerebras API key", "csk-", r"[a-z0-9]{40,60}", True, _mixed),
    _own("LlamaCloud API key", "llx-", _W + "{40,60}", True, _mixed),
    _own("RunPod API key", "rpa_", r"[A-Za-z0-9]{36,64}", True, _mixed),
    _own("Firecrawl API key", "fc-", _H + "{32}", True),
    _own("Anyscale secret", "esecret_", r"[A-Za-z0-9]{24,64}", True),
    _own("Kaggle API token", "KGAT_", r"[0-9a-fA-F]{32}", True),
    _own("Upstage API key", "up_", _W + "{29}", True, _letters_mixed),
    _own("Friendli token", "flp_", _W + "{40,64}", True),
    _own("Mem0 API key", "m0-", _W + "{40}", True, _mixed),
    _own("Cartesia API key", "sk_car_", _U + "{20,64}", True, _mixed),
    _own("Apify API token", "apify_api_", _W + "{30,48}", True),
    _own("Browserbase API key", "bb_live_", _U + "{20,48}", True, _mixed),
    _own("Neptune API token", "eyJhcGlf" "YWRkcmVzcyI6", r"[A-Za-z0-9+/_-]{40,400}={0,2}", True),
    _own("Amazon Bedrock API key", "ABSK", r"[A-Za-z0-9+/]{100,160}={0,2}", True),
    _own("Amazon Bedrock API key", "bedrock-api-key-", r"[A-Za-z0-9+/=_-]{60,4000}", True),
    Pattern("Azure OpenAI key", "JQQJ9", lazy.pattern(r"(?<![A-Za-z0-9])(?P<value>[A-Za-z0-9]{52}JQQJ9[9D][A-Za-z0-9]{26})(?![A-Za-z0-9])"), True, lead=53),
)  # fmt: skip
"""Model hubs, trackers, vector stores and providers of models."""

_LEGACY_OPENAI = lazy.pattern(r"sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}")

SERVICES: tuple[Pattern, ...] = (
    *(_own("GitHub token", prefix, _W + "{36}", False, _with_checksum) for prefix in ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")),
    _own("GitHub fine-grained token", "github_pat_", _W + "{22}_" + _W + "{59}"),
    *(_own("GitLab token", prefix, r"[A-Za-z0-9_.-]{20,64}", False, _mixed, _END_U)
      for prefix in ("glpat-", "gldt-", "glptt-", "glrt-", "glcbt-", "glsoat-", "glft-", "gloas-", "glagent-")),
    _own("PyPI API token", "pypi-" "AgEIcHlwaS5vcmc", _U + "{50,1000}", False, None, _END_U),
    _own("TestPyPI API token", "pypi-" "AgENdGVzdC5weXBpLm9yZw", _U + "{50,1000}", False, None, _END_U),
    _own("npm access token", "npm_", _W + "{36}", False, _with_checksum),
    _own("AWS access key", "AKIA", r"[A-Z0-9]{16}", False, _mixed),
    _own("AWS temporary access key", "ASIA", r"[A-Z0-9]{16}", False, _mixed),
    _own("Google API key", "AIza", r"[A-Za-z0-9_-]{35}", False, _mixed, r"(?![A-Za-z0-9])"),
    _own("Google OAuth access token", "ya29.", _U + "{40,2000}", False, _mixed),
    _own("Google OAuth client secret", "GOCSPX-", _U + "{28}", False, None, _END_U),
    _own("Google OAuth refresh token", "1//0", _U + "{40,200}", False, _mixed),
    _own("Slack token", "xoxb-", r"\d{6,}-[A-Za-z0-9-]{10,}", False, _mixed),
    *(_own("Slack token", prefix, r"[A-Za-z0-9-]{20,250}", False, _mixed) for prefix in ("xoxa-", "xoxp-", "xoxs-", "xoxr-", "xoxo-", "xoxb-", "xoxc-", "xoxd-")),
    _own("Slack token", "xoxe.", r"xox[bp]-\d-[A-Za-z0-9]{100,250}"),
    _own("Slack token", "xoxe-", r"\d-[A-Za-z0-9]{100,250}"),
    _own("Slack app token", "xapp-", r"\d-[A-Z0-9]+-\d+-[A-Za-z0-9]{32,128}"),
    _own("Slack webhook", "https://hooks.slack.com/", r"(?:services|workflows|triggers)/[A-Za-z0-9+/]{40,80}"),
    *(_own("Stripe secret key", prefix, _W + "{16,120}", False, _mixed) for prefix in ("sk_live_", "rk_live_", "sk_test_", "rk_test_")),
    _own("Stripe webhook secret", "whsec_", r"[A-Za-z0-9+/]{32,64}={0,2}", False, _mixed),
    _own("Azure storage account key", "AccountKey=", r"(?P<value>[A-Za-z0-9+/]{86}==)", False, None, ""),
    _own("Azure shared access key", "SharedAccessKey=", r"(?P<value>[A-Za-z0-9+/]{43}=)", False, None, ""),
    Pattern("Azure Active Directory client secret", "Q~", lazy.pattern(r"(?<![A-Za-z0-9_~.-])(?P<value>[A-Za-z0-9_~.-]{3}\dQ~[A-Za-z0-9_~.-]{31,34})(?![A-Za-z0-9_~.-])"), lead=5),
    Pattern("Azure shared access signature", "sig=", lazy.pattern(r"[?&;]sig=(?P<value>[A-Za-z0-9%+/]{43,60}(?:%3[dD]|=))"), lead=1),
    _own("HashiCorp Vault token", "hvs.", _U + "{24,200}", False, _mixed, _END_U),
    _own("HashiCorp Vault token", "hvb.", _U + "{24,400}", False, _mixed, _END_U),
    Pattern("Terraform Cloud token", ".atlasv1.", lazy.pattern(r"(?P<value>(?<![A-Za-z0-9])[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{60,72})"), lead=15),
    *(_own("DigitalOcean token", prefix, _H + "{64}") for prefix in ("dop_v1_", "doo_v1_", "dor_v1_")),
    *(_own("Doppler token", prefix, r"[A-Za-z0-9.]{40,60}") for prefix in ("dp.pt.", "dp.st.", "dp.ct.", "dp.sa.")),
    _own("Linear API key", "lin_api_", _W + "{40}"),
    _own("Notion token", "ntn_", _W + "{40,60}"),
    _own("Atlassian API token", "ATATT3", r"[A-Za-z0-9_=-]{100,300}", False, _mixed, _END_U),
    _own("Bitbucket token", "ATCTT3", r"[A-Za-z0-9_=-]{100,300}", False, _mixed, _END_U),
    _own("Bitbucket app password", "ATBB", r"[A-Za-z0-9]{32}", False, _letters_mixed),
    _own("Postman API key", "PMAK-", r"[0-9a-f]{24}-[0-9a-f]{34}"),
    _own("Sentry token", "sntrys_", r"[A-Za-z0-9+/=_-]{60,400}"),
    _own("Sentry token", "sntryu_", _H + "{64}"),
    _own("New Relic key", "NRAK-", r"[A-Z0-9]{27}"),
    _own("Grafana token", "glsa_", _W + "{32}_[0-9A-Fa-f]{8}"),
    _own("Grafana token", "glc_eyJ", r"[A-Za-z0-9+/=]{40,400}"),
    *(_own("Shopify token", prefix, r"[0-9a-fA-F]{32}") for prefix in ("shpat_", "shpss_", "shpca_", "shppa_")),
    _own("Square token", "sq0atp-", _U + "{22}", False, None, _END_U),
    _own("Square OAuth secret", "sq0csp-", _U + "{43}", False, None, _END_U),
    _own("SendGrid API key", "SG.", _U + r"{20,24}\." + _U + "{39,50}", False, _mixed, _END_U),
    _own("Mailgun API key", "key-", _H + "{32}"),
    _own("Brevo API key", "xkeysib-", r"[0-9a-f]{64}-[A-Za-z0-9]{16}"),
    _own("Resend API key", "re_", r"[A-Za-z0-9]{8}_[A-Za-z0-9]{24}", False, _letters_mixed),
    Pattern("Telegram bot token", ":AA", lazy.pattern(r"(?<![0-9A-Za-z])(?P<value>\d{8,10}:AA[A-Za-z0-9_-]{33})(?![A-Za-z0-9_-])"), lead=11),
    Pattern("Discord webhook", "/api/webhooks/", lazy.pattern(r"https://(?:\w+\.)?discord(?:app)?\.com/api/webhooks/\d{17,20}/[A-Za-z0-9_-]{60,72}")),
    _own("Docker Hub token", "dckr_pat_", _U + "{24,40}", False, None, _END_U),
    _own("Docker Hub token", "dckr_oat_", _U + "{24,40}", False, None, _END_U),
    _own("Heroku API key", "HRKU-", _U + "{36,70}", False, None, _END_U),
    _own("Airtable token", "pat", r"[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
    _own("Figma token", "figd_", _U + "{38,50}", False, None, _END_U),
    _own("Supabase token", "sbp_", _H + "{40}"),
    _own("Supabase secret key", "sb_secret_", _U + "{24,50}", False, None, _END_U),
    _own("PlanetScale token", "pscale_tkn_", r"[A-Za-z0-9_.=-]{32,64}", False, None, _END_U),
    _own("PlanetScale password", "pscale_pw_", r"[A-Za-z0-9_.=-]{32,64}", False, None, _END_U),
    *(_own("Prefect API key", prefix, _W + "{36}") for prefix in ("pnu_", "pnb_")),
    *(_own("dbt token", prefix, r"[A-Za-z0-9_=-]{32,100}", False, _mixed, _END_U) for prefix in ("dbtu_", "dbts_", "dbtc_")),
    _own("Netlify token", "nfp_", _W + "{36,44}"),
    _own("RubyGems API key", "rubygems_", _H + "{48}"),
    _own("crates.io token", "cio", _W + "{32}", False, _letters_mixed),
    _own("NuGet API key", "oy2", r"[a-z0-9]{43}", False, _mixed),
    _own("age secret key", "AGE-SECRET-KEY-1", r"[0-9A-Z]{58}"),
    _own("Artifactory API key", "AKCp", _W + "{60,80}"),
    _own("Artifactory reference token", "cmVmdGtuOj", _W + "{50,80}"),
    _own("Alibaba Cloud access key", "LTAI", _W + "{12,24}", False, _letters_mixed),
    _own("Tencent Cloud secret id", "AKID", _W + "{32,36}", False, _letters_mixed),
    _own("1Password service account token", "ops_eyJ", r"[A-Za-z0-9+/=_-]{200,2000}"),
    _own("Pulumi access token", "pul-", _H + "{40}"),
    *(_own("SonarQube token", prefix, _H + "{40}") for prefix in ("squ_", "sqp_", "sqa_")),
    _own("Buildkite token", "bkua_", _H + "{40}"),
    _own("CircleCI token", "CCIPAT_", r"[A-Za-z0-9_]{40,80}"),
    _own("Dynatrace token", "dt0c01.", r"[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    _own("PostHog personal key", "phx_", _W + "{40,60}"),
    _own("Mapbox secret token", "sk.eyJ", r"[A-Za-z0-9_-]{40,200}\.[A-Za-z0-9_-]{20,60}"),
    _own("HubSpot token", "pat-", r"(?:na|eu)\d-[0-9a-f-]{36}"),
    _own("Tailscale key", "tskey-", r"(?:auth|api|client|scim|webhook)-[A-Za-z0-9]{10,24}-[A-Za-z0-9]{24,40}"),
    _own("Fly.io token", "fm2_", r"[A-Za-z0-9+/=_-]{80,1000}"),
    _own("Razorpay key", "rzp_live_", _W + "{14,24}"),
    _own("Cloudflare origin key", "v1.0-", r"[0-9a-f]{24}-[0-9a-f]{146}"),
    _own("Contentful token", "CFPAT-", _U + "{43}", False, None, _END_U),
    _own("Typeform token", "tfp_", r"[A-Za-z0-9_.=-]{40,64}", False, _mixed, _END_U),
    _own("Facebook access token", "EAACEdEose0cBA", r"[0-9A-Za-z]{20,300}"),
    _own("Clojars token", "CLOJARS_", r"[a-z0-9]{60}"),
    _own("Elastic API key", "essu_", r"[A-Za-z0-9+/=_-]{40,120}"),
    _own("Confluent Cloud secret", "cflt", r"[A-Za-z0-9+/]{56,64}", False, _letters_mixed),
    Pattern("JSON Web Token", "eyJ", lazy.pattern(r"eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,8000}\.[A-Za-z0-9_-]{20,2000}"), False, jwt_is_valid),
    Pattern("private key", "PRIVATE KEY", lazy.pattern(
        r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY-----[\s\\rn\"'+,>|#*]{0,60}"
        r"(?:(?:Proc-Type|DEK-Info|Comment|Version)[^\n\\]{1,120}[\s\\rn\"'+,>|#*]{1,60}){0,4}"
        r"(?P<body>[A-Za-z0-9+/=\\\s\"',>|#*]{40,20000})(?:-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY-----)?"),
        fits=_has_key_material, private_key=True),
    Pattern("private key", "PRIVATE KEY", lazy.pattern(
        r"(?:-----BEGIN|---- BEGIN) (?:PGP|SSH2 ENCRYPTED) PRIVATE KEY(?: BLOCK)?-{4,5}\s[\s\S]{40,20000}?-{4,5} ?END"), private_key=True, lead=40, reach=20_200),
    Pattern("private key in base64", "LS0tLS1CRUdJTi", lazy.pattern(r"LS0tLS1CRUdJTi[A-Za-z0-9+/=]{60,20000}"), fits=_hides_key, private_key=True),
    Pattern("PuTTY key file", "PuTTY-User-Key-File-", lazy.pattern(
        r"PuTTY-User-Key-File-[23]: [^\n]{1,60}\r?\nEncryption: [^\n]{1,40}\r?\n[\s\S]{1,4000}?Private-Lines: \d+\s+[A-Za-z0-9+/=\s]{20,6000}"), private_key=True),
)  # fmt: skip
"""Forges, clouds, registries, payment and the rest."""

DOCUMENTED = frozenset(
    {
        "AKIAIOSFODNN7" + "EXAMPLE", "AKIAI44QH8DHB" + "EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY",
        "sk_test_" + "4eC39HqLyjWDarjtT1zdp7dc", "sk_test_" + "BQokikJOvBiI2HlWgH4olfQ2", "sk_test_" + "26PHem9AhJZvU623DfE1x4sd",
        "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a",
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw" + "==",
    }
)  # fmt: skip
"""Values that vendors print in their documentation, and the key of the Azure storage emulator."""


def is_real(pattern: Pattern, value: str) -> bool:
    """Say whether a match is a credential rather than a placeholder or an example of the documentation."""
    if value in DOCUMENTED or "EXAMPLE" in value:
        return False
    if pattern.private_key:
        return pattern.fits is None or pattern.fits(value)
    body = value[len(pattern.mark) :] if value.startswith(pattern.mark) else value
    if is_placeholder(body) or is_regular(body):
        return False
    if _LEGACY_OPENAI.match(value):
        return True
    return pattern.fits is None or pattern.fits(value if pattern.fits in (_with_checksum, jwt_is_valid) else body)


MARK_CHARS = 3


def _grouped() -> dict[str, tuple[Pattern, ...]]:
    groups: dict[str, list[Pattern]] = {}
    for pattern in (*ML_SERVICES, *SERVICES):
        groups.setdefault(pattern.mark[:MARK_CHARS], []).append(pattern)
    return {mark: tuple(patterns) for mark, patterns in groups.items()}


PATTERNS = _grouped()
"""All patterns by the first characters of their marks: one look at the text rules out a whole group."""
