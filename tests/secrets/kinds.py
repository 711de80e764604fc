"""Makes credentials of many vendors from templates: public prefixes and random bodies, never a literal that looks real.

A template holds fields ``<class:length>`` or ``<class:shortest-longest>``. Names of classes are those of ``CLASSES``; ``<uuid>``
is one in lower case, ``<crc>`` 36 characters of which six are a checksum. ``~`` is left out; it keeps a prefix in this file from looking like a token.
"""

from __future__ import annotations

import base64
import json
import random
import re
import string
import uuid
import zlib

CLASSES = {
    "w": string.ascii_letters + string.digits,
    "u": string.ascii_letters + string.digits + "_-",
    "a": string.ascii_letters,
    "h": "0123456789abcdef",
    "H": "0123456789ABCDEF",
    "d": string.digits,
    "x": string.ascii_lowercase + string.digits,
    "X": string.ascii_uppercase + string.digits,
    "l": string.ascii_lowercase,
    "L": string.ascii_uppercase,
    "s": string.ascii_uppercase + "234567",
    "r": string.ascii_lowercase + "234567",
    "b": string.ascii_letters + string.digits + "+/",
    "q": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
    "e": "023456789acdefghjklmnpqrstuvwxyz",
}

_FIELD = re.compile(r"<(\w)(?::(\d+)(?:-(\d+))?)?>|<uuid>|<crc>|~")


def base62(number: int) -> str:
    """Return six digits of the base 62 that GitHub and npm write checksums in."""
    digits, text = string.digits + string.ascii_uppercase + string.ascii_lowercase, ""
    for _ in range(6):
        number, rest = divmod(number, 62)
        text = digits[rest] + text
    return text


def fill(template: str, rng: random.Random) -> str:
    """Return the template with random characters in its fields."""

    def body(match: re.Match[str]) -> str:
        if match.group() == "~":
            return ""
        if match.group() == "<uuid>":
            return str(uuid.UUID(int=rng.getrandbits(128), version=4))
        if match.group() == "<crc>":
            part = "".join(rng.choices(CLASSES["w"], k=30))
            return part + base62(zlib.crc32(part.encode()))
        low = int(match[2] or 1)
        return "".join(rng.choices(CLASSES[match[1]], k=rng.randint(low, int(match[3] or low))))

    return _FIELD.sub(body, template)


def jwt(rng: random.Random, header: dict[str, str] | None = None, **claims: object) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")

    claims = claims or {"sub": fill("<uuid>", rng), "iat": 1_750_000_000, "exp": 4_000_000_000, "role": "admin"}
    return f"{part(header or {'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}.{fill('<u:43>', rng)}"


ML = {
    "openai": "sk~-<w:20>T3BlbkFJ<w:20>",
    "openai project": "sk~-proj-<u:74>T3BlbkFJ<u:74>",
    "openai project, short": "sk~-proj-<w:20>T3BlbkFJ<w:20>",
    "openai project, no mark": "sk~-proj-<w:48>",
    "openai service account": "sk~-svcacct-<u:58>T3BlbkFJ<u:58>",
    "openai admin": "sk~-admin-<u:58>T3BlbkFJ<u:58>",
    "anthropic": "sk~-ant-api03-<u:93>AA",
    "anthropic admin": "sk~-ant-admin01-<u:93>AA",
    "anthropic oauth": "sk~-ant-oat01-<u:93>AA",
    "hugging face": "hf~_<w:34>",
    "hugging face, letters": "hf~_<a:34>",
    "hugging face organisation": "api~_org_<a:34>",
    "groq": "gsk~_<w:52>",
    "replicate": "r8~_<w:37>",
    "perplexity": "pplx~-<w:48>",
    "xai": "xai~-<w:80>",
    "google api": "AI~za<u:35>",
    "nvidia": "nvapi~-<u:64>",
    "langsmith": "lsv2~_pt_<h:32>_<h:10>",
    "langsmith service": "lsv2~_sk_<h:32>_<h:10>",
    "langfuse": "sk~-lf-<uuid>",
    "openrouter": "sk~-or-v1-<h:64>",
    "deepseek": "sk~-<h:32>",
    "together": "tgp~_v1_<u:43>",
    "fireworks": "fw~_<w:24>",
    "pinecone": "pcsk~_<w:5-6>_<w:63>",
    "kaggle": "KGAT~_<h:32>",
    "elevenlabs": "sk~_<h:48>",
    "tavily": "tvly~-<w:32>",
    "tavily dev": "tvly~-dev-<w:32>",
    "firecrawl": "fc~-<h:32>",
    "cerebras": "csk~-<x:48>",
    "voyage": "pa~-<u:43>",
    "jina": "jina~_<h:32><w:28>",
    "runpod": "rpa~_<X:40><x:6>",
    "databricks": "dapi~<h:32>",
    "databricks, with number": "dapi~<h:32>-2",
    "bedrock": "ABSK~QmVkcm9ja0FQSUtleS<b:109>==",
    "stability": "sk~-<w:48>",
    "llama cloud": "llx~-<w:48>",
    "wandb": "wandb~_v1_<w:77>",
}
"""Tokens of services for models, data and runs, known by their form."""

CLOUD = {
    "aws key": "AK~IA<s:16>",
    "aws temporary key": "AS~IA<s:16>",
    "google client secret": "GOC~SPX-<u:28>",
    "google access token": "ya~29.a0<u:150-200>",
    "google refresh token": "1~//0<x:1><u:60-100>",
    "azure client secret": "<w:3>8Q~".replace("~", "") + "\x00<u:34>",
    "azure storage": "DefaultEndpointsProtocol=https;AccountName=data<x:6>;AccountKey=<b:86>==;EndpointSuffix=core.windows.net",
    "azure service bus": "Endpoint=sb://ns<x:5>.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=<b:43>=",
    "azure devops": "<w:76>AZDO<w:4>",
    "azure openai": "<w:52>JQQJ99<w:26>",
    "digitalocean": "dop~_v1_<h:64>",
    "digitalocean oauth": "doo~_v1_<h:64>",
    "digitalocean refresh": "dor~_v1_<h:64>",
    "alibaba": "LTA~I5t<w:17>",
    "tencent": "AK~ID<w:32>",
    "cloudflare origin": "v1.0-<h:24>-<h:146>",
    "fly": "fm2~_<b:120-200>",
    "netlify": "nfp~_<w:36>",
    "render": "rnd~_<w:28-32>",
    "supabase": "sbp~_<h:40>",
    "supabase secret": "sb~_secret_<u:31>",
    "neon": "napi~_<x:64>",
    "planetscale token": "pscale~_tkn_<u:43>",
    "planetscale password": "pscale~_pw_<u:43>",
    "planetscale oauth": "pscale~_oauth_<u:43>",
    "yandex": "AQV~N<u:35-38>",
    "heroku": "HRKU~-AA<u:58>",
    "openshift": "sha256~".rstrip("~") + "\x00<u:43>",
}
"""``\\x00`` stands for a tilde."""

CODE = {
    "github": "gh~p_<crc>",
    "github oauth": "gh~o_<crc>",
    "github user": "gh~u_<crc>",
    "github server": "gh~s_<crc>",
    "github refresh": "gh~r_<w:76>",
    "github fine-grained": "github~_pat_<w:22>_<w:59>",
    "gitlab": "gl~pat-<u:20>",
    "gitlab routable": "gl~pat-<u:27>.01.<x:9>",
    "gitlab trigger": "gl~ptt-<h:40>",
    "gitlab runner": "gl~rt-<u:20>",
    "gitlab runner, typed": "gl~rt-t1_<u:20>",
    "gitlab deploy": "gl~dt-<u:20>",
    "gitlab feed": "gl~ft-<u:20>",
    "gitlab mail": "gl~imt-<u:25>",
    "gitlab agent": "gl~agent-<u:50>",
    "gitlab oauth": "gl~oas-<h:64>",
    "gitlab scim": "gl~soat-<u:20>",
    "gitlab flags": "gl~ffct-<u:20>",
    "gitlab job": "gl~cbt-<x:2>_<u:20>",
    "gitlab registration": "GR~1348941<u:20>",
    "atlassian": "ATAT~T3xFfGF0<u:170-180>=<H:8>",
    "bitbucket": "AT~BB<w:32>",
    "bitbucket repository": "ATCT~T3xFfGN0<u:170-180>=<H:8>",
    "circleci": "CCIP~AT_<w:22>_<h:40>",
    "buildkite": "bkua~_<h:40>",
    "sonarqube": "sqp~_<h:40>",
    "sonarqube user": "squ~_<h:40>",
    "npm": "npm~_<crc>",
    "pypi": "pypi~-AgEIcHlwaS5vcmc<u:70-150>",
    "rubygems": "rubygems~_<h:48>",
    "docker": "dckr~_pat_<u:27>",
    "docker organisation": "dckr~_oat_<u:32>",
    "nuget": "oy~2<x:43>",
    "cargo": "cio<w:32>",
    "artifactory": "AKC~p<w:69>",
    "artifactory reference": "cmVmd~Gtu<w:56>",
    "clojars": "CLOJARS~_<x:60>",
    "terraform cloud": "<w:14>.atlas~v1.<u:60-70>",
    "vault": "hv~s.<u:90-100>",
    "vault batch": "hv~b.<u:138-160>",
    "vault recovery": "hv~r.<u:90-100>",
    "pulumi": "pul~-<h:40>",
    "doppler": "dp~.pt.<w:43>",
    "doppler service": "dp~.st.prd.<w:43>",
    "infisical": "st~.<h:24>.<h:32>.<h:32>",
    "age": "AGE~-SECRET-KEY-1<q:58>",
    "postman": "PMAK~-<h:24>-<h:34>",
    "prefect": "pnu~_<x:36>",
    "harness": "pat~.<u:22>.<h:24>.<w:20>",
    "octopus": "API~-<X:26>",
    "sourcegraph": "sgp~_<h:16>_<h:40>",
    "scalingo": "tk~-us-<u:48>",
    "tailscale": "tskey~-auth-<w:17>-<w:32>",
    "launchdarkly api": "api~-<uuid>",
    "prefect user": "pnb~_<x:36>",
}

WATCH = {
    "grafana service": "glsa~_<w:32>_<h:8>",
    "grafana cloud": "glc~_eyJvIjoi<b:60-100>=",
    "new relic": "NRAK~-<X:27>",
    "sentry user": "sntryu~_<h:64>",
    "dynatrace": "dt0c01~.<X:24>.<X:64>",
    "posthog": "phx~_<u:43>",
    "segment": "sgp~_<w:64>",
    "honeycomb": "hcaik~_01<x:56>",
}

TALK = {
    "slack bot": "xox~b-<d:12>-<d:12>-<w:24>",
    "slack bot, longer": "xox~b-<d:13>-<d:13>-<w:24>",
    "slack user": "xox~p-<d:12>-<d:12>-<d:13>-<h:32>",
    "slack workspace": "xox~a-2-<d:12>-<d:12>-<d:12>-<h:32>",
    "slack rotation": "xoxe~.xoxp-1-<w:166>",
    "slack refresh": "xox~e-1-<w:146>",
    "slack app": "xapp~-1-A<X:10>-<d:13>-<h:64>",
    "slack hook": "https://hooks.slack~.com/services/T<X:10>/B<X:10>/<w:24>",
    "slack workflow hook": "https://hooks.slack~.com/workflows/T<X:10>/A<X:10>/<d:18>/<w:24>",
    "discord bot": "M<w:23>.G<u:5>.<u:38>",
    "discord hook": "https://discord~.com/api/webhooks/<d:18>/<u:68>",
    "telegram": "<d:10>:AA<u:33>",
    "twilio": "SK<h:32>",
    "sendgrid": "SG~.<u:22>.<u:43>",
    "mailgun": "key~-<h:32>",
    "mailchimp": "<h:32>-us<d:2>",
    "brevo": "xkeysib~-<h:64>-<w:16>",
    "brevo smtp": "xsmtpsib~-<h:64>-<w:16>",
    "resend": "re~_<w:8>_<w:24>",
    "teams hook": "https://acme.webhook~.office.com/webhookb2/<uuid>@<uuid>/IncomingWebhook/<h:32>/<uuid>",
    "zapier hook": "https://hooks.zapier~.com/hooks/catch/<d:7>/<x:7>",
    "intercom": "dG9r~Oj<b:52>=",
}

MONEY = {
    "stripe": "sk~_live_<w:24>",
    "stripe, long": "sk~_live_51<w:97>",
    "stripe restricted": "rk~_live_<w:24>",
    "stripe test": "sk~_test_<w:24>",
    "stripe hook": "whsec~_<w:32>",
    "square": "sq0atp~-<u:22>",
    "square secret": "sq0csp~-<u:43>",
    "square production": "EAA~AE<u:59>",
    "braintree": "access~_token$production$<x:16>$<h:32>",
    "shopify": "shpat~_<h:32>",
    "shopify shared": "shpss~_<h:32>",
    "shopify custom": "shpca~_<h:32>",
    "shopify private": "shppa~_<h:32>",
    "flutterwave": "FLWSECK~-<h:32>-X",
    "flutterwave test": "FLWSECK~_TEST-<h:12>",
    "easypost": "EZAK~<w:54>",
    "shippo": "shippo~_live_<h:40>",
    "duffel": "duffel~_live_<u:43>",
    "razorpay": "rzp~_live_<w:14>",
}

OFFICE = {
    "notion": "secret~_<w:43>",
    "notion, new": "ntn~_<d:11><w:35>",
    "airtable": "pat<w:14>.<h:64>",
    "linear": "lin~_api_<w:40>",
    "figma": "figd~_<u:40>",
    "contentful": "CFPAT~-<u:43>",
    "hubspot": "pat~-na1-<uuid>",
    "typeform": "tfp~_<u:59>",
    "readme": "rdme~_<x:70>",
    "mapbox": "sk~.eyJ1Ijoi<w:40-60>.<u:22>",
    "dropbox": "sl~.<u:140-150>",
    "facebook": "EAA~CEdEose0cBA<w:100-150>",
    "twitter bearer": "AAAAAAAAAAAAAAAAAAAAA~<w:20>%3D<w:60-80>",
    "adobe": "p8e~-<x:32>",
    "frame.io": "fio~-u-<u:64>",
    "clickup": "pk~_<d:8>_<X:32>",
    "maxmind": "<w:6>_<w:29>~_mmk",
    "google client, in json": "GOC~SPX-<w:28>",
    "asana": "1/<d:16>:<h:32>",
}

BY_FORM: dict[str, str] = {**ML, **CLOUD, **CODE, **WATCH, **TALK, **MONEY, **OFFICE}

BY_NAME: dict[str, tuple[str, str]] = {
    "aws secret": ("AWS_SECRET_ACCESS_KEY", "<b:40>"),
    "aws session": ("AWS_SESSION_TOKEN", "IQoJb3JpZ2luX2Vj<b:200-300>=="),
    "mistral": ("MISTRAL_API_KEY", "<w:32>"),
    "cohere": ("COHERE_API_KEY", "<w:40>"),
    "together, old": ("TOGETHER_API_KEY", "<h:64>"),
    "pinecone, old": ("PINECONE_API_KEY", "<uuid>"),
    "weaviate": ("WEAVIATE_API_KEY", "<w:36>"),
    "qdrant": ("QDRANT_API_KEY", "<u:54>"),
    "wandb": ("WANDB_API_KEY", "<h:40>"),
    "kaggle": ("KAGGLE_KEY", "<h:32>"),
    "comet": ("COMET_API_KEY", "<w:25>"),
    "neptune": ("NEPTUNE_API_TOKEN", "eyJhcGlfYWRkcmVzcyI6I<b:120>=="),
    "clearml": ("CLEARML_API_SECRET_KEY", "<w:50>"),
    "assemblyai": ("ASSEMBLYAI_API_KEY", "<h:32>"),
    "deepgram": ("DEEPGRAM_API_KEY", "<h:40>"),
    "azure openai, old": ("AZURE_OPENAI_API_KEY", "<h:32>"),
    "sambanova": ("SAMBANOVA_API_KEY", "<uuid>"),
    "roboflow": ("ROBOFLOW_API_KEY", "<w:20>"),
    "baseten": ("BASETEN_API_KEY", "<w:8>.<w:32>"),
    "cloudflare": ("CLOUDFLARE_API_TOKEN", "<u:40>"),
    "cloudflare global": ("CLOUDFLARE_API_KEY", "<h:37>"),
    "heroku": ("HEROKU_API_KEY", "<uuid>"),
    "linode": ("LINODE_TOKEN", "<h:64>"),
    "hetzner": ("HCLOUD_TOKEN", "<w:64>"),
    "ibm": ("IBM_CLOUD_API_KEY", "<u:44>"),
    "scaleway": ("SCW_SECRET_KEY", "<uuid>"),
    "datadog": ("DD_API_KEY", "<h:32>"),
    "datadog app": ("DATADOG_APP_KEY", "<h:40>"),
    "twilio": ("TWILIO_AUTH_TOKEN", "<h:32>"),
    "algolia": ("ALGOLIA_ADMIN_KEY", "<h:32>"),
    "okta": ("OKTA_API_TOKEN", "00<u:40>"),
    "snyk": ("SNYK_TOKEN", "<uuid>"),
    "codecov": ("CODECOV_TOKEN", "<uuid>"),
    "travis": ("TRAVIS_TOKEN", "<w:22>"),
    "fastly": ("FASTLY_API_TOKEN", "<u:32>"),
    "plaid": ("PLAID_SECRET", "<h:30>"),
    "coinbase": ("COINBASE_API_SECRET", "<u:64>"),
    "pagerduty": ("PAGERDUTY_API_KEY", "u+<u:18>"),
    "postmark": ("POSTMARK_SERVER_TOKEN", "<uuid>"),
    "confluent": ("CONFLUENT_CLOUD_API_SECRET", "<b:64>"),
    "facebook": ("FACEBOOK_APP_SECRET", "<h:32>"),
    "twitter": ("TWITTER_API_SECRET", "<w:50>"),
    "jenkins": ("JENKINS_API_TOKEN", "11<h:32>"),
    "zendesk": ("ZENDESK_API_TOKEN", "<w:40>"),
    "django": ("SECRET_KEY", "<w:50>"),
    "jwt secret": ("JWT_SECRET", "<w:32>"),
    "password": ("DB_PASSWORD", "<w:6>!<w:5>#<d:2>"),
    "client secret": ("CLIENT_SECRET", "<w:32>"),
    "private token": ("PRIVATE_TOKEN", "<w:20>"),
    "access token": ("ACCESS_TOKEN", "<w:40>"),
    "encryption key": ("ENCRYPTION_KEY", "<b:43>="),
    "azure storage key": ("AZURE_STORAGE_KEY", "<b:86>=="),
}
"""Values without a form of their own: name of the variable, template."""


def token(kind: str, rng: random.Random) -> str:
    return fill(BY_FORM[kind], rng).replace("\x00", "~")
