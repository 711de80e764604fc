"""Makes tokens of every format, the places where people leave them, and what only looks like them. Nothing here is a credential."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import string
import uuid
import zlib
from collections.abc import Callable

UPPER, LOWER, DIGITS = string.ascii_uppercase, string.ascii_lowercase, string.digits
ALNUM = string.ascii_letters + DIGITS
URLSAFE = ALNUM + "_-"
BASE64 = ALNUM + "+/"
HEX = "0123456789abcdef"
BASE32 = UPPER + "234567"

Maker = Callable[[random.Random], str]


def run(rng: random.Random, alphabet: str, length: int) -> str:
    """Return random characters, at least one a digit and one a letter where the alphabet has both."""
    both = any(map(str.isdigit, alphabet)) and any(map(str.isalpha, alphabet)) and length >= 8
    text = "".join(rng.choices(alphabet, k=length))
    while (
        text[0] in "-_+/"
        or text[-1] in "-_+/"
        or both
        and not (any(map(str.isdigit, text)) and any(map(str.isalpha, text)))
    ):
        text = "".join(rng.choices(alphabet, k=length))
    return text


def simple(prefix: str, alphabet: str, length: int, suffix: str = "") -> Maker:
    return lambda rng: prefix + run(rng, alphabet, length) + suffix


def joined(*parts: str | tuple[str, int]) -> Maker:
    return lambda rng: "".join(part if isinstance(part, str) else run(rng, *part) for part in parts)


def base62(number: int) -> str:
    order, digits = DIGITS + UPPER + LOWER, ""
    while number:
        number, rest = divmod(number, 62)
        digits = order[rest] + digits
    return digits.rjust(6, "0")


def with_crc(prefix: str) -> Maker:
    def make(rng: random.Random) -> str:
        body = run(rng, ALNUM, 30)
        return prefix + body + base62(zlib.crc32(body.encode()))

    return make


def b64url(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jwt(rng: random.Random, **claims: object) -> str:
    payload = {"sub": run(rng, HEX, 12), "iss": "https://login.acme-corp.io/", "exp": 1_900_000_000, **claims}
    return f"{b64url({'alg': 'HS256', 'typ': 'JWT'})}.{b64url(payload)}.{run(rng, URLSAFE, 43)}"


def neptune(rng: random.Random) -> str:
    body = {"api_address": "https://app.neptune.ai", "api_url": "https://app.neptune.ai", "api_key": unique(rng)}
    return base64.b64encode(json.dumps(body).encode()).decode()


def unique(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def macaroon(rng: random.Random) -> str:
    raw = b"\x02\x01\x08pypi.org\x02\x24" + unique(rng).encode() + b"\x00\x02" + rng.randbytes(80)
    return "pypi-" + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def aws(prefix: str) -> Maker:
    def make(rng: random.Random) -> str:
        number = 1 << 79 | rng.randrange(10**11, 10**12) << 39 | rng.getrandbits(39)
        return prefix + base64.b32encode(number.to_bytes(10, "big")).decode()

    return make


OPENAI = "T3Blbk" + "FJ"

AI: dict[str, Maker] = {
    "huggingface": joined("hf_", (ALNUM, 34)),
    "huggingface-org": joined("api_org_", (ALNUM, 34)),
    "openai": joined("sk-", (ALNUM, 20), OPENAI, (ALNUM, 20)),
    "openai-project": joined("sk-proj-", (URLSAFE, 74), OPENAI, (URLSAFE, 74)),
    "openai-project-short": joined("sk-proj-", (ALNUM, 20), OPENAI, (ALNUM, 20)),
    "openai-service": joined("sk-svcacct-", (URLSAFE, 74), OPENAI, (URLSAFE, 74)),
    "openai-admin": joined("sk-admin-", (URLSAFE, 74), OPENAI, (URLSAFE, 74)),
    "anthropic": joined("sk-ant-api03-", (URLSAFE, 93), "AA"),
    "anthropic-admin": joined("sk-ant-admin01-", (URLSAFE, 93), "AA"),
    "google-ai": joined("AIzaSy", (URLSAFE, 33)),
    "groq": joined("gsk_", (ALNUM, 52)),
    "xai": joined("xai-", (ALNUM, 80)),
    "replicate": joined("r8_", (ALNUM, 37)),
    "perplexity": joined("pplx-", (ALNUM, 48)),
    "nvidia": joined("nvapi-", (URLSAFE, 64)),
    "together": joined("tgp_v1_", (URLSAFE, 43)),
    "fireworks": joined("fw_", (ALNUM, 22)),
    "langsmith": joined("lsv2_pt_", (HEX, 32), "_", (HEX, 10)),
    "langsmith-service": joined("lsv2_sk_", (HEX, 32), "_", (HEX, 10)),
    "langfuse": lambda rng: "sk-lf-" + unique(rng),
    "pinecone": joined("pcsk_", (ALNUM, 6), "_", (ALNUM, 63)),
    "databricks": joined("dapi", (HEX, 32)),
    "databricks-numbered": joined("dapi", (HEX, 32), "-2"),
    "wandb": joined("wandb_v1_", (ALNUM, 77)),
    "neptune": neptune,
    "e2b": joined("e2b_", (HEX, 40)),
    "tavily": joined("tvly-", (ALNUM, 32)),
    "tavily-dev": joined("tvly-dev-", (ALNUM, 32)),
    "jina": joined("jina_", (HEX, 32), (URLSAFE, 28)),
    "voyage": joined("pa-", (URLSAFE, 43)),
    "openrouter": joined("sk-or-v1-", (HEX, 64)),
    "deepseek": joined("sk-", (HEX, 32)),
    "stability": joined("sk-", (ALNUM, 48)),
    "elevenlabs": joined("sk_", (HEX, 48)),
    "llamacloud": joined("llx-", (ALNUM, 48)),
    "runpod": joined("rpa_", (UPPER + DIGITS, 40), (LOWER + DIGITS, 6)),
    "cerebras": joined("csk-", (LOWER + DIGITS, 48)),
    "anyscale": joined("esecret_", (LOWER + DIGITS, 26)),
    "kaggle-token": joined("KGAT_", (HEX, 32)),
    "modal": joined("as-", (ALNUM, 22)),
    "lambda": joined("secret_train-box_", (HEX, 32), ".", (ALNUM, 32)),
    "azure-openai": joined((ALNUM, 52), "JQQJ99", (ALNUM, 26)),
    "bedrock": joined("ABSK", (BASE64, 128)),
    "prefect": joined("pnu_", (ALNUM, 36)),
    "dbt": joined("dbtu_", (URLSAFE, 40)),
    "zhipu": joined((HEX, 32), ".", (ALNUM, 16)),
    "nomic": joined("nk-", (URLSAFE, 43)),
    "firecrawl": joined("fc-", (HEX, 32)),
    "dagster": joined("agent:acme-corp:", (HEX, 32)),
    "apify": joined("apify_api_", (ALNUM, 36)),
}  # fmt: skip

VENDORS: dict[str, Maker] = {
    "aws": aws("AKIA"),
    "aws-temporary": aws("ASIA"),
    "google-oauth-secret": joined("GOCSPX-", (URLSAFE, 28)),
    "google-oauth-token": joined("ya29.a0", (URLSAFE, 160)),
    "azure-client-secret": joined((ALNUM, 3), "8Q~", (ALNUM, 34)),
    "azure-storage": joined("DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=", (BASE64, 86), "==;EndpointSuffix=core.windows.net"),
    "azure-shared-key": joined("Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=", (BASE64, 43), "="),
    "azure-sas": joined("https://acme.blob.core.windows.net/c/x?sv=2023-01-03&sp=rl&sig=", (ALNUM, 43), "%3D"),
    "azure-devops": joined((ALNUM, 76), "AZDO", (ALNUM, 4)),
    "digitalocean": joined("dop_v1_", (HEX, 64)),
    "heroku": joined("HRKU-", (URLSAFE, 60)),
    "alibaba": joined("LTAI5t", (ALNUM, 18)),
    "tencent": joined("AKID", (ALNUM, 32)),
    "github": with_crc("ghp_"),
    "github-oauth": with_crc("gho_"),
    "github-app": with_crc("ghs_"),
    "github-fine-grained": joined("github_pat_", (ALNUM, 22), "_", (ALNUM, 59)),
    "gitlab": joined("glpat-", (ALNUM, 20)),
    "gitlab-routable": joined("glpat-", (ALNUM, 27), ".01.", (LOWER + DIGITS, 9)),
    "gitlab-deploy": joined("gldt-", (ALNUM, 20)),
    "gitlab-trigger": joined("glptt-", (HEX, 40)),
    "gitlab-runner": joined("glrt-", (ALNUM, 20)),
    "atlassian": joined("ATATT3xFfGF0", (URLSAFE, 170), "=", (UPPER + DIGITS, 8)),
    "bitbucket": joined("ATBB", (ALNUM, 32)),
    "circleci": joined("CCIPAT_", (ALNUM, 22), "_", (HEX, 40)),
    "buildkite": joined("bkua_", (HEX, 40)),
    "npm": with_crc("npm_"),
    "pypi": macaroon,
    "rubygems": joined("rubygems_", (HEX, 48)),
    "nuget": joined("oy2", (LOWER + DIGITS, 43)),
    "docker-hub": joined("dckr_pat_", (URLSAFE, 27)),
    "crates": joined("cio", (ALNUM, 32)),
    "slack-bot": joined("xoxb-", (DIGITS, 12), "-", (DIGITS, 13), "-", (ALNUM, 24)),
    "slack-user": joined("xoxp-", (DIGITS, 12), "-", (DIGITS, 12), "-", (DIGITS, 13), "-", (HEX, 32)),
    "slack-app": joined("xapp-1-A", (UPPER + DIGITS, 10), "-", (DIGITS, 13), "-", (HEX, 64)),
    "slack-webhook": joined("https://hooks.slack.com/services/T", (UPPER + DIGITS, 10), "/B", (UPPER + DIGITS, 10), "/", (ALNUM, 24)),
    "discord": joined("MT", (ALNUM, 24), ".", (ALNUM, 6), ".", (ALNUM, 38)),
    "discord-webhook": joined("https://discord.com/api/webhooks/", (DIGITS, 18), "/", (URLSAFE, 68)),
    "telegram": joined(("123456789", 10), ":AA", (URLSAFE, 33)),
    "twilio": joined("SK", (HEX, 32)),
    "sendgrid": joined("SG.", (URLSAFE, 22), ".", (URLSAFE, 43)),
    "mailgun": joined("key-", (HEX, 32)),
    "mailchimp": joined((HEX, 32), "-us12"),
    "brevo": joined("xkeysib-", (HEX, 64), "-", (ALNUM, 16)),
    "stripe": joined("sk_live_", (ALNUM, 24)),
    "stripe-long": joined("sk_live_51", (ALNUM, 97)),
    "stripe-restricted": joined("rk_live_", (ALNUM, 24)),
    "stripe-webhook": joined("whsec_", (ALNUM, 32)),
    "square": joined("sq0csp-", (URLSAFE, 43)),
    "square-token": joined("sq0atp-", (URLSAFE, 22)),
    "paypal": joined("access_token$production$", (LOWER + DIGITS, 16), "$", (HEX, 32)),
    "shopify": joined("shpat_", (HEX, 32)),
    "new-relic": joined("NRAK-", (UPPER + DIGITS, 27)),
    "grafana": joined("glsa_", (ALNUM, 32), "_", (HEX, 8)),
    "sentry": joined("sntryu_", (HEX, 64)),
    "posthog": joined("phx_", (ALNUM, 43)),
    "terraform-cloud": joined((ALNUM, 14), ".atlasv1.", (ALNUM, 67)),
    "vault": joined("hvs.", (ALNUM, 90)),
    "pulumi": joined("pul-", (HEX, 40)),
    "doppler": joined("dp.pt.", (ALNUM, 43)),
    "1password": lambda rng: "ops_" + b64url({"email": "a@b.1passwordserviceaccounts.com", "secretKey": run(rng, ALNUM, 40), "muk": run(rng, ALNUM, 120)}),
    "age": joined("AGE-SECRET-KEY-1", ("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58)),
    "linear": joined("lin_api_", (ALNUM, 40)),
    "notion": joined("ntn_", (DIGITS, 11), (ALNUM, 35)),
    "figma": joined("figd_", (URLSAFE, 40)),
    "postman": joined("PMAK-", (HEX, 24), "-", (HEX, 34)),
    "supabase": joined("sbp_", (HEX, 40)),
    "airtable": joined("pat", (ALNUM, 14), ".", (HEX, 64)),
    "artifactory": joined("AKCp", (ALNUM, 69)),
    "tailscale": joined("tskey-auth-", (ALNUM, 12), "-", (ALNUM, 32)),
    "dynatrace": joined("dt0c01.", (BASE32, 24), ".", (BASE32, 64)),
    "sonarqube": joined("squ_", (HEX, 40)),
    "hubspot": lambda rng: "pat-eu1-" + unique(rng),
    "jwt": jwt,
    "confluent": joined("cflt", (BASE64, 60)),
    "planetscale": joined("pscale_pw_", (ALNUM, 43)),
}  # fmt: skip

FORMATS: dict[str, Maker] = AI | VENDORS
"""Tokens that a prefix or mark tells."""

NAMED: dict[str, tuple[str, Maker]] = {
    "cohere": ("COHERE_API_KEY", simple("", ALNUM, 40)),
    "mistral": ("MISTRAL_API_KEY", simple("", ALNUM, 32)),
    "wandb": ("WANDB_API_KEY", simple("", HEX, 40)),
    "comet": ("COMET_API_KEY", simple("", ALNUM, 25)),
    "clearml": ("CLEARML_API_SECRET_KEY", simple("", ALNUM, 50)),
    "deepgram": ("DEEPGRAM_API_KEY", simple("", HEX, 40)),
    "assemblyai": ("ASSEMBLYAI_API_KEY", simple("", HEX, 32)),
    "roboflow": ("ROBOFLOW_API_KEY", simple("", ALNUM, 20)),
    "weaviate": ("WEAVIATE_API_KEY", simple("", ALNUM, 40)),
    "qdrant": ("QDRANT_API_KEY", simple("", URLSAFE, 54)),
    "zilliz": ("ZILLIZ_TOKEN", simple("", HEX, 88)),
    "kaggle": ("KAGGLE_KEY", simple("", HEX, 32)),
    "azure-openai-32": ("AZURE_OPENAI_API_KEY", simple("", HEX, 32)),
    "vast": ("VAST_API_KEY", simple("", HEX, 64)),
    "snorkel": ("SNORKEL_API_KEY", simple("", URLSAFE, 43)),
    "scale": ("SCALE_API_KEY", simple("live_", HEX, 32)),
    "labelbox": ("LABELBOX_API_KEY", jwt),
    "pinecone-old": ("PINECONE_API_KEY", unique),
    "aws-secret": ("AWS_SECRET_ACCESS_KEY", simple("", BASE64, 40)),
    "datadog": ("DD_API_KEY", simple("", HEX, 32)),
    "pagerduty": ("PAGERDUTY_TOKEN", simple("u+", ALNUM, 18)),
    "segment": ("SEGMENT_WRITE_KEY_SECRET", simple("", ALNUM, 32)),
    "cloudflare": ("CLOUDFLARE_API_TOKEN", simple("", URLSAFE, 40)),
    "ibm": ("IBM_CLOUD_API_KEY", simple("", URLSAFE, 44)),
    "generic-api": ("SERVICE_API_KEY", simple("", ALNUM, 32)),
    "generic-secret": ("app_client_secret", simple("", ALNUM, 28)),
    "generic-token": ("ACCESS_TOKEN", simple("", URLSAFE, 36)),
    "generic-password": ("DB_PASSWORD", lambda rng: run(rng, ALNUM, 7) + rng.choice("!#%&*") + run(rng, ALNUM, 6)),
    "django": ("SECRET_KEY", lambda rng: "django-insecure-" + run(rng, LOWER + DIGITS + "!@#%^&*(-_=+)", 50)),
    "fernet": ("FERNET_KEY", lambda rng: base64.urlsafe_b64encode(rng.randbytes(32)).decode()),
}  # fmt: skip
"""Values that only their name tells."""


def cell(source: list[str], outputs: list[dict[str, object]] | None = None, kind: str = "code") -> str:
    one: dict[str, object] = {"cell_type": kind, "metadata": {}, "source": source}
    if kind == "code":
        one |= {"execution_count": 1, "outputs": outputs or []}
    return json.dumps({"cells": [one], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)


Place = Callable[[str], str]
PLACES: dict[str, tuple[str, Place]] = {
    "python literal": ("src/a.py", lambda t: f'import x\n\nCLIENT = "{t}"\n'),
    "odd name": ("src/b.py", lambda t: f"foo_bar_7 = '{t}'\n"),
    "call": ("src/c.py", lambda t: f'client = Client("{t}", timeout=3)\n'),
    "keyword": ("src/d.py", lambda t: f'client = Client(\n    url="https://x",\n    token="{t}",\n)\n'),
    "f-string": ("src/e.py", lambda t: f'headers = {{"Authorization": f"Bearer {t}"}}\n'),
    "environ": ("src/f.py", lambda t: f'os.environ["SOME_VARIABLE"] = "{t}"\n'),
    "getenv default": ("src/g.py", lambda t: f'value = os.getenv("SOME_VARIABLE", "{t}")\n'),
    "or default": ("src/h.py", lambda t: f'value = os.environ.get("SOME_VARIABLE") or "{t}"\n'),
    "dictionary": ("src/i.py", lambda t: f'config = {{"a": 1, "value": "{t}"}}\n'),
    "list": ("src/j.py", lambda t: f'values = ["one", "{t}", "two"]\n'),
    "comment": ("src/k.py", lambda t: f"# old one: {t}\nx = 1\n"),
    "docstring": ("src/l.py", lambda t: f'"""Use it so:\n\n    run --with {t}\n"""\n'),
    "multi-line string": ("src/m.py", lambda t: f'TEXT = """\nfirst\n{t}\nlast\n"""\n'),
    "parenthesis": ("src/n.py", lambda t: f'VALUE = (\n    "{t}"\n)\n'),
    "bytes": ("src/o.py", lambda t: f'send(b"{t}")\n'),
    "json in string": ("src/p.py", lambda t: "body = '{\"handle\": \"" + t + "\"}'\n"),
    "escaped": ("src/q.py", lambda t: 'body = "{\\"handle\\": \\"' + t + '\\"}"\n'),
    "escape before": ("src/r.py", lambda t: f'x = "first\\n{t}\\nlast"\n'),
    "javascript": ("web/a.js", lambda t: f"const a = '{t}';\n"),
    "template literal": ("web/b.ts", lambda t: f"fetch(`https://x`, {{headers: {{a: `{t}`}}}});\n"),
    "go": ("cmd/a.go", lambda t: f'\tclient := New("{t}")\n'),
    "yaml": ("conf/a.yaml", lambda t: f"service:\n  handle: {t}\n"),
    "yaml quoted": ("conf/b.yaml", lambda t: f'service:\n  handle: "{t}"  # mine\n'),
    "yaml block": ("conf/c.yaml", lambda t: f"script: |\n  run --x {t}\n"),
    "json": ("conf/a.json", lambda t: json.dumps({"service": {"handle": t}}, indent=2)),
    "json minified": ("conf/b.json", lambda t: json.dumps({"a": [1, 2], "h": t, "z": None}, separators=(",", ":"))),
    "toml": ("conf/a.toml", lambda t: f'[service]\nhandle = "{t}"\n'),
    "ini": ("conf/a.ini", lambda t: f"[service]\nhandle = {t}\n"),
    "env": (".env", lambda t: f"A=1\nHANDLE={t}\n"),
    "env quoted": (".env.local", lambda t: f'HANDLE="{t}"\n'),
    "dockerfile": ("Dockerfile", lambda t: f"FROM python:3.12\nENV HANDLE={t}\n"),
    "dockerfile arg": ("docker/Dockerfile", lambda t: f"FROM python:3.12\nARG HANDLE={t}\n"),
    "shell export": ("run.sh", lambda t: f"#!/bin/sh\nexport HANDLE={t}\n"),
    "shell quoted": ("run2.sh", lambda t: f"#!/bin/sh\nexport HANDLE='{t}'\n"),
    "curl header": ("run3.sh", lambda t: f'#!/bin/sh\ncurl -H "Authorization: Bearer {t}" https://api.acme-corp.io/v1\n'),
    "curl other header": ("run4.sh", lambda t: f"#!/bin/sh\ncurl -H 'x-api-key: {t}' https://api.acme-corp.io/v1\n"),
    "terraform": ("main.tf", lambda t: f'provider "x" {{\n  handle = "{t}"\n}}\n'),
    "tfvars": ("prod.tfvars", lambda t: f'handle = "{t}"\n'),
    "workflow": (".github/workflows/a.yml", lambda t: f"on: push\njobs:\n  a:\n    runs-on: x\n    env:\n      HANDLE: {t}\n"),
    "compose": ("docker-compose.yml", lambda t: f"services:\n  a:\n    image: x\n    environment:\n      - HANDLE={t}\n"),
    "markdown": ("README.md", lambda t: f"Use it:\n\n```sh\nexport HANDLE={t}\n```\n"),
    "markdown inline": ("docs/a.md", lambda t: f"My key is `{t}`, keep it.\n"),
    "cell": ("a.ipynb", lambda t: cell(["import os\n", f'x = "{t}"\n'])),
    "cell magic": ("b.ipynb", lambda t: cell([f"%env HANDLE={t}\n"])),
    "cell shell": ("c.ipynb", lambda t: cell([f"!run --key {t}\n"])),
    "cell output": ("d.ipynb", lambda t: cell(["x"], [{"output_type": "stream", "name": "stdout", "text": ["a\n", f"{t}\n"]}])),
    "cell result": ("e.ipynb", lambda t: cell(["x"], [{"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": {"text/plain": [f"'{t}'"]}}])),
    "cell error": ("f.ipynb", lambda t: cell(["x"], [{"output_type": "error", "ename": "E", "evalue": f"bad key {t}", "traceback": [f"E: bad key {t}"]}])),
    "markdown cell": ("g.ipynb", lambda t: cell([f"key: {t}"], kind="markdown")),
    "csv": ("data/a.csv", lambda t: f"id,note\n1,{t}\n"),
    "jsonl": ("data/a.jsonl", lambda t: json.dumps({"role": "user", "content": f"my key is {t} ok"}) + "\n"),
    "query": ("src/s.py", lambda t: f'requests.get("https://api.acme-corp.io/v1?handle={t}&x=1")\n'),
    "properties": ("a.properties", lambda t: f"service.handle={t}\n"),
    "xml": ("a.xml", lambda t: f"<a><handle>{t}</handle></a>\n"),
    "log": ("out.log", lambda t: f"2026-01-01 INFO using {t}\n"),
}  # fmt: skip

NAMED_PLACES: dict[str, tuple[str, Callable[[str, str], str]]] = {
    "python": ("src/a.py", lambda n, t: f'{n} = "{t}"\n'),
    "python annotated": ("src/b.py", lambda n, t: f'{n}: str = "{t}"\n'),
    "call": ("src/c.py", lambda n, t: f'setup({n.lower()}="{t}")\n'),
    "environ": ("src/d.py", lambda n, t: f'os.environ["{n}"] = "{t}"\n'),
    "setdefault": ("src/e.py", lambda n, t: f"os.environ.setdefault('{n}', '{t}')\n"),
    "getenv": ("src/f.py", lambda n, t: f'x = os.getenv("{n}", "{t}")\n'),
    "or": ("src/g.py", lambda n, t: f'x = os.environ.get("{n}") or "{t}"\n'),
    "dictionary": ("src/h.py", lambda n, t: f'x = {{"{n}": "{t}"}}\n'),
    "dict call": ("src/i.py", lambda n, t: f'env = dict(A="1", {n}="{t}")\n'),
    "parenthesis": ("src/j.py", lambda n, t: f'{n} = (\n    "{t}"\n)\n'),
    "attribute": ("src/k.py", lambda n, t: f'settings.{n} = "{t}"\n'),
    "yaml": ("conf/a.yaml", lambda n, t: f'{n.lower()}: "{t}"\n'),
    "json": ("conf/a.json", lambda n, t: json.dumps({n: t}, indent=1)),
    "env": (".env", lambda n, t: f"{n}={t}\n"),
    "shell": ("run.sh", lambda n, t: f"export {n}='{t}'\n"),
    "dockerfile": ("Dockerfile", lambda n, t: f'FROM x\nENV {n}="{t}"\n'),
    "terraform": ("main.tf", lambda n, t: f'resource "x" "y" {{\n  {n.lower()} = "{t}"\n}}\n'),
    "tfvars": ("prod.tfvars", lambda n, t: f'{n.lower()} = "{t}"\n'),
    "cell": ("a.ipynb", lambda n, t: cell([f'{n} = "{t}"\n'])),
    "cell magic": ("b.ipynb", lambda n, t: cell([f"%env {n}={t}\n"])),
    "toml": ("conf/a.toml", lambda n, t: f'{n.lower()} = "{t}"\n'),
    "javascript": ("web/a.js", lambda n, t: f'process.env.{n} = "{t}";\n'),
    "compose": ("docker-compose.yml", lambda n, t: f'services:\n  a:\n    image: x\n    environment:\n      {n}: "{t}"\n'),
    "kubernetes": ("k8s/a.yaml", lambda n, t: f'apiVersion: v1\nkind: Pod\nspec:\n  containers:\n    - name: a\n      env:\n        - name: {n}\n          value: "{t}"\n'),
    "json string": ("src/l.py", lambda n, t: 'x = "{\\"' + n + '\\": \\"' + t + '\\"}"\n'),
}  # fmt: skip


def connections(rng: random.Random) -> dict[str, str]:
    """Return a connection string of each kind of server, with a password."""
    word = run(rng, ALNUM, 14)
    return {
        "postgres": f"postgresql://trainer:{word}@db.acme-corp.io:5432/features",
        "postgres driver": f"postgresql+psycopg2://trainer:{word}@10.2.3.4/features",
        "mysql": f"mysql+pymysql://root:{word}@mysql:3306/app",
        "mongo": f"mongodb+srv://svc:{word}@cluster0.ab1cd.mongodb.net/app?retryWrites=true",
        "mongo hosts": f"mongodb://svc:{word}@h1:27017,h2:27017/app",
        "redis": f"redis://:{word}@cache:6379/0",
        "rediss": f"rediss://default:{word}@cache.acme-corp.io:6380",
        "amqp": f"amqp://svc:{word}@rabbit:5672/vhost",
        "mssql": f"mssql+pyodbc://sa:{word}@sql1/app?driver=x",
        "snowflake": f"snowflake://svc:{word}@acme-eu1/db/schema",
        "clickhouse": f"clickhouse://default:{word}@ch:9000/app",
        "elastic": f"https://elastic:{word}@es.acme-corp.io:9200",
        "git": f"https://deploy:{word}@git.acme-corp.io/team/repo.git",
        "index": f"--index-url https://ci:{word}@pypi.acme-corp.io/simple",
        "ado": f"Server=tcp:sql1,1433;Database=app;User ID=svc;Password={word};Encrypt=True",
        "odbc": f"DRIVER={{ODBC Driver 18}};SERVER=sql1;DATABASE=app;UID=svc;PWD={word}",
        "libpq": f"host=db user=svc password={word} dbname=app",
        "jdbc": f"jdbc:postgresql://db:5432/app?user=svc&password={word}",
        "jdbc sqlserver": f"jdbc:sqlserver://db:1433;databaseName=app;user=svc;password={word};",
        "neo4j": f"bolt://neo4j:{word}@graph:7687",
        "ftp": f"ftp://upload:{word}@files.acme-corp.io/x",
        "smtp": f"smtp://mailer:{word}@mail.acme-corp.io:587",
        "nats": f"nats://svc:{word}@nats:4222",
        "kafka": f'org.apache.kafka.common.security.plain.PlainLoginModule required username="svc" password="{word}";',
    }  # fmt: skip


def keys(rng: random.Random) -> dict[str, str]:
    """Return a private key in each form of text."""
    body = run(rng, BASE64, 64 * 12)
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    found = {}
    for label in ("", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED "):
        head, foot = f"-----BEGIN {label}PRIVATE KEY-----", f"-----END {label}PRIVATE KEY-----"
        name = label.strip() or "PKCS8"
        found[name] = "\n".join([head, *lines, foot]) + "\n"
        found[f"{name} in one line"] = 'KEY = "' + "\\n".join([head, *lines, foot]) + '"\n'
    found["PGP"] = (
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n" + "\n".join(lines) + "\n-----END PGP PRIVATE KEY BLOCK-----\n"
    )
    found["base64"] = "KEY = '" + base64.b64encode(found["RSA"].encode()).decode() + "'\n"
    return found


def wrong_crc(rng: random.Random) -> str:
    token = with_crc("ghp_")(rng)
    return token[:-6] + base62((zlib.crc32(token[4:-6].encode()) + 12_345) % 2**32)


def look_alikes(rng: random.Random) -> dict[str, tuple[str, str]]:
    """Return path and text of what is no credential, though it looks like one."""
    digest = hashlib.sha256(rng.randbytes(8)).hexdigest()
    commit = digest[:40]
    sri = base64.b64encode(hashlib.sha512(rng.randbytes(8)).digest()).decode()
    png = base64.b64encode(b"\x89PNG\r\n\x1a\n" + rng.randbytes(600)).decode()
    u = unique(rng)
    npm = with_crc("npm_")(rng)
    a = FORMATS
    return {
        "github wrong checksum": ("src/a.py", f'GITHUB_TOKEN = "{wrong_crc(rng)}"\n'),
        "npm wrong checksum": (".npmrc.md", f"token {npm[:-6] + base62((zlib.crc32(npm[4:-6].encode()) + 999) % 2**32)}\n"),
        "github too short": ("src/a.py", f'token = "{a["github"](rng)[:-9]}"\n'),
        "github too long": ("src/a.py", f'token = "{a["github"](rng)}Zq3"\n'),
        "hf too short": ("src/a.py", f'HF_TOKEN = "{a["huggingface"](rng)[:-10]}"\n'),
        "hf too long": ("src/a.py", f'HF_TOKEN = "{a["huggingface"](rng)}aB3dE"\n'),
        "aws too short": ("src/a.py", f'key = "{a["aws"](rng)[:-4]}"\n'),
        "aws lower": ("src/a.py", f'key = "{a["aws"](rng).lower()}"\n'),
        "aws example": ("src/a.py", 'key = "AKIA' + 'IOSFODNN7EXAMPLE"\n'),
        "openai placeholder": ("src/a.py", 'api_key = "sk-' + "x" * 48 + '"\n'),
        "openai dots": ("src/a.py", 'api_key = "sk-proj-..."\n'),
        "openai your": ("src/a.py", 'OPENAI_API_KEY = "sk-your-openai-api-key-here"\n'),
        "anthropic short": ("src/a.py", f'k = "{a["anthropic"](rng)[:40]}"\n'),
        "groq short": ("src/a.py", f'k = "{a["groq"](rng)[:30]}"\n'),
        "replicate long": ("src/a.py", f'k = "{a["replicate"](rng)}abc12"\n'),
        "databricks short": ("src/a.py", f'k = "{a["databricks"](rng)[:-5]}"\n'),
        "databricks upper": ("src/a.py", f'k = "{a["databricks"](rng).upper()}"\n'),
        "google short": ("src/a.py", f'k = "{a["google-ai"](rng)[:-8]}"\n'),
        "slack short": ("src/a.py", 'k = "xoxb-1234"\n'),
        "slack stars": ("src/a.py", 'k = "xoxb-************-************"\n'),
        "stripe publishable": ("src/a.py", f'k = "pk_live_{run(rng, ALNUM, 24)}"\n'),
        "sendgrid short": ("src/a.py", f'k = "SG.{run(rng, URLSAFE, 10)}.{run(rng, URLSAFE, 12)}"\n'),
        "angle": (".env.example", "HF_TOKEN=<your token>\nOPENAI_API_KEY=<key>\n"),
        "example file": (".env.example", "HF_TOKEN=hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\nDB_PASSWORD=changeme\n"),
        "template": ("conf/a.yaml", "token: ${HF_TOKEN}\npassword: {{ .Values.password }}\n"),
        "github expression": (".github/workflows/a.yml", "on: push\njobs:\n  a:\n    runs-on: x\n    env:\n      HF_TOKEN: ${{ secrets.HF_TOKEN }}\n"),
        "environment": ("src/a.py", 'token = os.environ["HF_TOKEN"]\napi_key = os.getenv("OPENAI_API_KEY", "")\n'),
        "getenv none": ("src/a.py", 'api_key = os.getenv("OPENAI_API_KEY", None)\npw = os.getenv("DB_PASSWORD", "")\n'),
        "masked": ("src/a.py", 'log("key: sk-...9aBc", "hf_****")\n'),
        "repeated": ("src/a.py", 'token = "hf_' + "a" * 34 + '"\n'),
        "counted": ("src/a.py", 'token = "hf_abcdefghijklmnopqrstuvwxyz01234567"\n'),
        "uuid": ("src/a.py", f'run_id = "{u}"\nSESSION = "{u}"\n'),
        "sha256": ("src/a.py", f'sha256 = "{digest}"\nchecksum = "{digest}"\n'),
        "commit": ("src/a.py", f'revision = "{commit}"\nCOMMIT = "{commit}"\n'),
        "md5": ("src/a.py", f'md5 = "{digest[:32]}"\nETAG = "{digest[:32]}"\n'),
        "hash value": ("src/a.py", f'expected = "{digest}"\n'),
        "image digest": ("k8s/a.yaml", f"apiVersion: v1\nkind: Pod\nspec:\n  containers:\n    - image: reg/x@sha256:{digest}\n"),
        "integrity": ("package-lock.json", json.dumps({"packages": {"x": {"integrity": f"sha512-{sri}"}}}, indent=1)),
        "yarn": ("yarn.lock", f'x@^1:\n  resolved "https://r/x.tgz#{commit}"\n  integrity sha512-{sri}\n'),
        "requirements hash": ("requirements.txt", f"torch==2.1 --hash=sha256:{digest}\n"),
        "git requirement": ("requirements.txt", f"wandb @ git+https://github.com/wandb/wandb@{commit}\n"),
        "poetry": ("poetry.lock", f'content-hash = "{digest}"\nfiles = [{{file = "x.whl", hash = "sha256:{digest}"}}]\n'),
        "png": ("src/a.py", f'LOGO = "data:image/png;base64,{png}"\n'),
        "png plain": ("src/a.py", f'LOGO = "{png}"\n'),
        "png output": ("a.ipynb", cell(["plot()"], [{"output_type": "display_data", "metadata": {}, "data": {"image/png": png}}])),
        "html image": ("b.ipynb", cell(["plot()"], [{"output_type": "display_data", "metadata": {}, "data": {"text/html": [f'<img src="data:image/png;base64,{png}">']}}])),
        "attachment": ("c.ipynb", json.dumps({"cells": [{"cell_type": "markdown", "metadata": {}, "source": ["![a](attachment:a.png)"], "attachments": {"a.png": {"image/png": png}}}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})),
        "minified": ("web/a.min.js", "!function(e,t){var n=e.tokenizer,r=t.passwordField;" + ";".join(f"var {run(rng, LOWER, 3)}={run(rng, LOWER, 5)}({rng.randrange(99)})" for _ in range(80)) + "}();\n"),
        "css": ("web/a.css", ".key-icon{background:url(data:image/svg+xml;base64," + base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'></svg>").decode() + ")}\n"),
        "source map": ("web/a.js.map", '{"mappings":"' + run(rng, BASE64, 300) + '"}\n'),
        "test password": ("tests/test_login.py", 'client.login(username="ann", password="S3cret-pw!9")\n'),
        "fake": ("src/a.py", 'api_key = "fake-api-key-for-tests"\ntoken = "dummy_token_123"\n'),
        "words": ("src/a.py", 'password = "password123"\nsecret = "my-secret-value"\n'),
        "field names": ("src/a.py", 'PASSWORD_FIELD = "user_password_2"\nTOKEN_HEADER = "X-Auth-Token"\n'),
        "tokenizer": ("src/a.py", 'tokenizer = "meta-llama/Llama-3.1-8B"\npad_token = "<|endoftext|>"\nmax_tokens=4096\n'),
        "special tokens": ("tokenizer_config.json", json.dumps({"bos_token": "<|begin_of_text|>", "pad_token": "[PAD]", "tokenizer_class": "LlamaTokenizer"}, indent=1)),
        "hub download": ("src/a.py", 'hf_hub_download(repo_id="org/model", filename="x")\nhf_transfer_enabled_by_default_in_jobs = 1\n'),
        "identifier": ("src/a.py", "sk_learn_pipeline_with_many_steps = 1\nglpat_settings_for_the_whole_team = 2\n"),
        "arn": ("src/a.py", 'SECRET_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf"\n'),
        "vault path": ("conf/a.yaml", "password: vault:secret/data/db#password\n"),
        "public key": ("id.pub", f"ssh-rsa AAAAB3NzaC1yc2E{run(rng, BASE64, 300)} me@host\n"),
        "certificate": ("a.crt", "-----BEGIN CERTIFICATE-----\n" + run(rng, BASE64, 64) + "\n-----END CERTIFICATE-----\n"),
        "public pem": ("a.pem", "-----BEGIN PUBLIC KEY-----\n" + run(rng, BASE64, 64) + "\n-----END PUBLIC KEY-----\n"),
        "key header": ("src/a.py", 'if text.startswith("-----BEGIN RSA PRIVATE KEY-----"):\n    pass\n'),
        "empty key": ("src/a.py", 'K = "-----BEGIN PRIVATE KEY-----\\n...\\n-----END PRIVATE KEY-----"\n'),
        "jwt textbook": ("src/a.py", f'T = "{b64url({"alg": "HS256", "typ": "JWT"})}.{b64url({"sub": "1234567890", "name": "John Doe", "iat": 1516239022})}.{run(rng, URLSAFE, 43)}"\n'),
        "jwt unsigned": ("src/a.py", f'T = "{b64url({"alg": "none"})}.{b64url({"sub": "a"})}."\n'),
        "jwt expired": ("src/a.py", f'T = "{jwt(rng, exp=1_500_000_000)}"\n'),
        "jwt no json": ("src/a.py", f'T = "eyJ{run(rng, URLSAFE, 30)}.eyJ{run(rng, URLSAFE, 40)}.{run(rng, URLSAFE, 43)}"\n'),
        "url placeholder": ("src/a.py", 'U = "postgresql://user:password@localhost:5432/db"\nV = "https://user:pass@example.com"\n'),
        "url template": ("src/a.py", 'U = f"postgresql://{user}:{password}@{host}/db"\nV = "redis://:${REDIS_PASSWORD}@cache"\n'),
        "sentry dsn": ("src/a.py", f'sentry_sdk.init("https://{digest[:32]}@o123.ingest.sentry.io/456")\n'),
        "base64 text": ("src/a.py", 'X = "' + base64.b64encode(b"The quick brown fox jumps over the lazy dog, twice.").decode() + '"\n'),
        "azure emulator": ("src/a.py", 'C = "AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsu' + 'Fq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"\n'),
        "bcrypt": ("src/a.py", 'password = "$2b$12$' + run(rng, ALNUM, 53) + '"\n'),
        "html form": ("web/a.html", '<input type="password" name="password" autocomplete="current-password" id="pw2-field">\n'),
        "translation": ("i18n/de.json", json.dumps({"password": "Passwort", "forgot_password": "Passwort vergessen?", "api_key": "API-Schluessel"})),
        "regex": ("src/a.py", 'PASSWORD = r"^(?=.*[A-Z])(?=.*\\d).{8,}$"\nTOKEN_RE = "hf_[A-Za-z0-9]{34}"\n'),
        "telegram short": ("src/a.py", 'x = "12345:AAabc"\n'),
        "account id": ("src/a.py", 'ACCOUNT = "123456789012"\nAC = "AC' + digest[:32] + '"\n'),
        "client id": ("src/a.py", f'client_id = "{rng.randrange(10**11, 10**12)}-{run(rng, LOWER + DIGITS, 32)}.apps.googleusercontent.com"\n'),
        "wandb artifact": ("src/a.py", f'wandb.use_artifact("model:v3")  # commit {commit}\n'),
        "model revision": ("src/a.py", f'AutoModel.from_pretrained("org/m", revision="{commit}")\n'),
        "dvc": ("data.dvc", f"outs:\n- md5: {digest[:32]}\n  size: 12\n  path: data\n"),
        "csv hashes": ("data/a.csv", f"id,sha\n1,{digest}\n2,{commit}\n"),
        "cache key": ("src/a.py", f'cache_key = "model:v2:{digest[:16]}"\n'),
        "public key name": ("src/a.py", f'public_key = "{run(rng, ALNUM, 44)}"\nPUBLISHABLE_KEY = "{run(rng, ALNUM, 32)}"\n'),
        "langfuse public": ("src/a.py", f'k = "pk-lf-{u}"\n'),
        "posthog public": ("src/a.py", f'posthog.init("phc_{run(rng, ALNUM, 43)}")\n'),
        "mapbox public": ("src/a.py", f'm = "pk.{run(rng, ALNUM, 60)}.{run(rng, ALNUM, 22)}"\n'),
        "secret name": ("k8s/b.yaml", "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n    - env:\n        - name: DB_PASSWORD\n          valueFrom:\n            secretKeyRef: {name: db-2024, key: password}\n"),
        "sealed": ("k8s/c.yaml", f"apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nspec:\n  encryptedData:\n    token: AgB{run(rng, BASE64, 300)}\n"),
        "sops": ("conf/s.yaml", "password: ENC[AES256_GCM,data:abcd,iv:x,tag:y,type:str]\n"),
        "ansible vault": ("conf/v.yaml", "password: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3861326236\n"),
    }  # fmt: skip
