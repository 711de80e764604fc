"""Every planted credential is found where it stands, nothing else is, and no value leaves the scanner."""

from __future__ import annotations

import base64
import json
import random
import string
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard import codec
from mlguard.artifacts import Artifact, kind_of
from mlguard.findings import Detection, Record
from mlguard.scanners import Context
from mlguard.scanners.secrets import SecretScanner
from mlguard.scanners.secrets.checks import crc32_matches
from mlguard.scanners.secrets.search import Style, find
from tests.scanning import found
from tests.scanning import scan as scan_tree

ALNUM = string.ascii_letters + string.digits
URLSAFE = ALNUM + "_-"
HEX = "0123456789abcdef"


def drawn(seed: str, alphabet: str, length: int) -> str:
    return "".join(random.Random(seed).choices(alphabet, k=length))


def with_crc(prefix: str, seed: str) -> str:
    body = drawn(seed, ALNUM, 30)
    number, digits, order = (
        zlib.crc32(body.encode()),
        "",
        string.digits + string.ascii_uppercase + string.ascii_lowercase,
    )
    while number:
        number, rest = divmod(number, 62)
        digits = order[rest] + digits
    return prefix + body + digits.rjust(6, "0")


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


Maker = Callable[[str], str]
ML_TOKENS: dict[str, Maker] = {
    "huggingface": lambda s: "hf_" + drawn(s, string.ascii_letters, 34),
    "huggingface-org": lambda s: "api_org_" + drawn(s, string.ascii_letters, 34),
    "openai-legacy": lambda s: "sk-" + drawn(s, ALNUM, 20) + "T3Blbk" + "FJ" + drawn(s + "b", ALNUM, 20),
    "openai-project": lambda s: "sk-proj-" + drawn(s, URLSAFE, 74) + "T3Blbk" + "FJ" + drawn(s + "b", URLSAFE, 73) + "A",
    "openai-service": lambda s: "sk-svcacct-" + drawn(s, URLSAFE, 58) + "T3Blbk" + "FJ" + drawn(s + "b", ALNUM, 58),
    "openai-admin": lambda s: "sk-admin-" + drawn(s, URLSAFE, 58) + "T3Blbk" + "FJ" + drawn(s + "b", ALNUM, 58),
    "anthropic": lambda s: "sk-ant-api03-" + drawn(s, URLSAFE, 93) + "AA",
    "anthropic-admin": lambda s: "sk-ant-admin01-" + drawn(s, URLSAFE, 93) + "AA",
    "groq": lambda s: "gsk_" + drawn(s, ALNUM, 52),
    "xai": lambda s: "xai-" + drawn(s, ALNUM, 80),
    "replicate": lambda s: "r8_" + drawn(s, ALNUM, 37),
    "perplexity": lambda s: "pplx-" + drawn(s, HEX, 48),
    "nvidia": lambda s: "nvapi-" + drawn(s, URLSAFE, 63) + "a",
    "together": lambda s: "tgp_v1_" + drawn(s, URLSAFE, 42) + "a",
    "fireworks": lambda s: "fw_" + drawn(s, ALNUM, 22) + "a1",
    "langsmith": lambda s: "lsv2_pt_" + drawn(s, HEX, 32) + "_" + drawn(s + "b", HEX, 10),
    "pinecone": lambda s: "pcsk_" + drawn(s, ALNUM, 6) + "_" + drawn(s + "b", ALNUM, 63),
    "databricks": lambda s: "dapi" + drawn(s, HEX, 32),
    "e2b": lambda s: "e2b_" + drawn(s, HEX, 40),
    "tavily": lambda s: "tvly-" + drawn(s, ALNUM, 30) + "a1",
    "jina": lambda s: "jina_" + drawn(s, ALNUM, 60),
    "voyage": lambda s: "pa-" + drawn(s, URLSAFE, 41) + "aB1",
    "openrouter": lambda s: "sk-or-v1-" + drawn(s, HEX, 64),
    "wandb-new": lambda s: "wandb_v1_" + drawn(s, ALNUM, 77),
    "azure-openai": lambda s: drawn(s, ALNUM, 52) + "JQQJ99" + drawn(s + "b", ALNUM, 26),
    "elevenlabs": lambda s: "sk_" + drawn(s, HEX, 48),
    "llamacloud": lambda s: "llx-" + drawn(s, ALNUM, 48),
}  # fmt: skip
TOKENS: dict[str, Maker] = {
    "github": lambda s: with_crc("ghp_", s),
    "github-app": lambda s: with_crc("ghs_", s),
    "github-fine-grained": lambda s: "github_pat_" + drawn(s, ALNUM, 22) + "_" + drawn(s + "b", ALNUM, 59),
    "gitlab": lambda s: "glpat-" + drawn(s, URLSAFE, 18) + "a1",
    "pypi": lambda s: "pypi-AgEIcHlwaS5v" + "cmc" + drawn(s, URLSAFE, 150) + "a",
    "npm": lambda s: with_crc("npm_", s),
    "aws": lambda s: "AKIA" + drawn(s, string.ascii_uppercase + "234567", 14) + "Z2",
    "google": lambda s: "AIza" + drawn(s, URLSAFE, 34) + "a",
    "google-oauth": lambda s: "GOCSPX-" + drawn(s, URLSAFE, 27) + "a",
    "slack": lambda s: "xoxb-" + drawn(s, string.digits, 12) + "-" + drawn(s + "b", string.digits, 13) + "-" + drawn(s + "c", ALNUM, 24),
    "slack-webhook": lambda s: "https://hooks.slack.com/services/T" + drawn(s, string.ascii_uppercase, 8) + "/B" + drawn(s + "b", string.ascii_uppercase, 8) + "/" + drawn(s + "c", ALNUM, 24),
    "stripe": lambda s: "sk_live_" + drawn(s, ALNUM, 24),
    "sendgrid": lambda s: "SG." + drawn(s, ALNUM, 22) + "." + drawn(s + "b", ALNUM, 43),
    "telegram": lambda s: drawn(s, "123456789", 10) + ":AA" + drawn(s + "b", URLSAFE, 32) + "a",
    "discord": lambda s: "M" + drawn(s, ALNUM, 23) + "." + drawn(s + "b", ALNUM, 6) + "." + drawn(s + "c", ALNUM, 27),
    "digitalocean": lambda s: "dop_v1_" + drawn(s, HEX, 64),
    "vault": lambda s: "hvs." + drawn(s, ALNUM, 90),
    "docker-hub": lambda s: "dckr_pat_" + drawn(s, ALNUM, 27),
    "mailchimp": lambda s: drawn(s, HEX, 32) + "-us12",
    "twilio": lambda s: "SK" + drawn(s, HEX, 32),
    "square": lambda s: "sq0csp-" + drawn(s, ALNUM, 43),
    "shopify": lambda s: "shpat_" + drawn(s, HEX, 32),
    "grafana": lambda s: "glsa_" + drawn(s, ALNUM, 32) + "_" + drawn(s + "b", HEX, 8),
    "jwt": lambda s: encoded({"alg": "HS256", "typ": "JWT"}) + "." + encoded({"sub": drawn(s, HEX, 12), "role": "admin"}) + "." + drawn(s, URLSAFE, 43),
    "azure-client-secret": lambda s: drawn(s, ALNUM, 3) + "8Q~" + drawn(s + "b", ALNUM, 34),
    "terraform-cloud": lambda s: drawn(s, ALNUM, 14) + ".atlasv1." + drawn(s + "b", ALNUM, 67),
}  # fmt: skip
ALL_TOKENS = ML_TOKENS | TOKENS


def notebook(source: list[str], outputs: list[dict[str, object]] | None = None) -> str:
    cell = {"cell_type": "code", "execution_count": 1, "metadata": {}, "source": source, "outputs": outputs or []}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)


PLACES: dict[str, tuple[str, Callable[[str], str]]] = {
    "python": ("src/train.py", lambda t: f'import os\n\nCLIENT = connect(region="eu", handle="{t}")\n'),
    "python-single": ("src/a.py", lambda t: f"x = '{t}'  # note\n"),
    "yaml": ("conf/app.yaml", lambda t: f"service:\n  name: demo\n  handle: {t}\n"),
    "json": ("conf/app.json", lambda t: json.dumps({"service": {"handle": t}}, indent=2)),
    "escaped-json": ("conf/b.json", lambda t: json.dumps({"body": json.dumps({"handle": t})})),
    "cell": ("nb.ipynb", lambda t: notebook(["import os\n", f'x = "{t}"\n'])),
    "output": ("nb2.ipynb", lambda t: notebook(["print(x)"], [{"output_type": "stream", "name": "stdout", "text": ["one\n", f"{t}\n"]}])),
    "traceback": (
        "nb3.ipynb",
        lambda t: notebook(
            ["f()"],
            [{"output_type": "error", "ename": "E", "evalue": "bad", "traceback": ["\x1b[0;31mE\x1b[0m", f"request with {t} failed"]}],
        ),
    ),
    "env": (".env", lambda t: f"DEBUG=1\nHANDLE={t}\n"),
    "dockerfile": ("Dockerfile", lambda t: f"FROM python:3.12\nENV HANDLE={t}\n"),
    "terraform": ("main.tf", lambda t: f'locals {{\n  handle = "{t}"\n}}\n'),
    "toml": ("conf.toml", lambda t: f'[service]\nhandle = "{t}"\n'),
    "markdown": ("README.md", lambda t: f"# Use\n\nRun with `{t}` first.\n"),
    "csv": ("data/rows.csv", lambda t: f"id,note\n1,{t}\n2,fine\n"),
    "shell": ("run.sh", lambda t: f"#!/bin/sh\nexport HANDLE={t}\n"),
    "sql": ("seed.sql", lambda t: f"INSERT INTO t VALUES ('{t}');\n"),
    "xml": ("conf.xml", lambda t: f"<a><handle>{t}</handle></a>\n"),
}  # fmt: skip


def scan(root: Path, path: str, content: str | bytes) -> list[Record]:
    data = content.encode() if isinstance(content, str) else content
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    artifact = Artifact(path, kind_of(path, data[:65536]), len(data))
    scanner = SecretScanner()
    return [record for group in scanner.plan([artifact], {}) for record in scanner.scan(group, Context(root))]


def detections(records: list[Record]) -> list[Detection]:
    return [record for record in records if isinstance(record, Detection)]


def leaks(records: list[Record], value: str) -> bool:
    """Say whether any twelve characters of a value in a row stand in any record."""
    text = "\n".join(json.dumps(codec.encode(record), ensure_ascii=False) for record in records)
    return any(value[at : at + 12] in text for at in range(len(value) - 11))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ALL_TOKENS)
def test_planted_token_is_found_once_at_its_place_and_does_not_leak(kind: str, place: str, tmp_path: Path) -> None:
    path, write = PLACES[place]
    for seed in ("a", "b", "c"):
        token = ALL_TOKENS[kind](f"{kind}{seed}")
        content = write(token)

        records = scan(tmp_path, path, content)

        hits = detections(records)
        assert len(hits) == 1, [hit.facts for hit in hits]
        line = content.split("\n")[hits[0].location.line - 1]
        assert token in line or json.dumps(token)[1:-1] in line
        if hits[0].location.end_column:
            assert token.endswith(line[hits[0].location.column - 1 : hits[0].location.end_column - 1])
        assert hits[0].excerpt
        body = token.split("services/")[-1] if "hooks" in token else token
        assert not leaks(records, body)


@pytest.mark.parametrize("kind", ML_TOKENS)
def test_tokens_of_ml_services_have_their_own_rule(kind: str, tmp_path: Path) -> None:
    records = scan(tmp_path, "src/a.py", f'x = "{ML_TOKENS[kind](kind)}"\n')

    assert [hit.rule for hit in detections(records)] == ["secret/exposed-ml-service-token"]


def private_key(label: str = "RSA ") -> str:
    body = drawn("key", ALNUM + "+/", 64 * 12)
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    return f"-----BEGIN {label}PRIVATE KEY-----\n{lines}\n-----END {label}PRIVATE KEY-----\n"


@pytest.mark.parametrize("label", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])
def test_private_key_is_one_finding_over_its_lines(label: str, tmp_path: Path) -> None:
    records = scan(tmp_path, "deploy/id.pem", private_key(label))

    (hit,) = detections(records)
    assert hit.rule == "secret/committed-private-key"
    assert (hit.location.line, hit.location.end_line) == (1, 14)
    assert not leaks(records, drawn("key", ALNUM + "+/", 64 * 12))


def test_private_key_inside_service_account_json_is_found(tmp_path: Path) -> None:
    content = json.dumps(
        {"type": "service_account", "private_key_id": drawn("id", HEX, 40), "private_key": private_key("")}, indent=2
    )

    (hit,) = detections(scan(tmp_path, "conf/robot.json", content))

    assert hit.rule == "secret/committed-private-key"
    assert hit.location.line == 4


def test_code_that_mentions_key_headers_is_quiet(tmp_path: Path) -> None:
    content = 'if text.startswith("-----BEGIN PRIVATE KEY-----"):\n    pem = "-----BEGIN RSA PRIVATE KEY-----\\n...\\n-----END RSA PRIVATE KEY-----"\n'

    assert scan(tmp_path, "src/pem.py", content) == []


@pytest.mark.parametrize(
    ("path", "head"),
    [("a.jks", b"\xfe\xed\xfe\xed\x00\x00\x00\x02"), ("a.p12", b"\x30\x82\x09\x51\x02\x01\x03\x30\x82"), ("a.der", b"\x30\x82\x04\xa4\x02\x01\x00\x02")],
)  # fmt: skip
def test_binary_key_stores_are_found(path: str, head: bytes, tmp_path: Path) -> None:
    (hit,) = detections(scan(tmp_path, path, head + bytes(range(256))))

    assert (hit.rule, hit.check) == ("secret/committed-private-key", "private-key")


STRONG = drawn("strong", ALNUM, 28) + "a1"
PASS = "Tr0ub4dor" + "&3x!q"
NAMED: dict[str, tuple[str, str]] = {
    "assignment": ("a.py", 'api_key = "{v}"'),
    "annotated": ("a.py", 'api_key: str = "{v}"'),
    "attribute": ("a.py", 'self.client_secret = "{v}"'),
    "keyword argument": ("a.py", 'connect(host="h", auth_token="{v}")'),
    "dictionary": ("a.py", '{{"access_token": "{v}"}}'),
    "environment": ("a.py", 'os.environ["SERVICE_API_KEY"] = "{v}"'),
    "environment default": ("a.py", 'key = os.getenv("SERVICE_API_KEY", "{v}")'),
    "setdefault": ("a.py", 'os.environ.setdefault("SERVICE_SECRET", "{v}")'),
    "camel case": ("a.js", 'const apiKey = "{v}";'),
    "yaml": ("a.yaml", "api_key: {v}"),
    "quoted yaml": ("a.yaml", 'api_key: "{v}"  # rotate'),
    "json": ("a.json", '{{"clientSecret": "{v}"}}'),
    "toml": ("a.toml", 'secret_key = "{v}"'),
    "ini": ("a.ini", "secret_key = {v}"),
    "shell": ("a.sh", "export SERVICE_TOKEN={v}"),
    "flag": ("a.sh", "tool --api-key {v} run"),
    "flag with sign": ("a.sh", "tool --auth-token={v} run"),
    "header": ("a.py", 'headers = {{"Authorization": "Bearer {v}"}}'),
    "xml": ("a.xml", "<secretKey>{v}</secretKey>"),
    "comparison": ("a.py", 'if "{v}" == api_token: pass'),
    "go": ("a.go", 'secretKey := "{v}"'),
    "terraform": ("a.tf", 'access_key = "{v}"'),
    "container variable": ("a.yaml", "env:\n  - name: SERVICE_TOKEN\n    value: {v}"),
    "task variable": ("a.json", '[{{"name": "SERVICE_TOKEN", "value": "{v}"}}]'),
    "escaped": ("a.json", '{{"body": "{{\\"api_key\\": \\"{v}\\"}}"}}'),
}


@pytest.mark.parametrize("form", NAMED)
def test_generated_value_under_a_secret_name_is_found(form: str, tmp_path: Path) -> None:
    path, template = NAMED[form]

    records = scan(tmp_path, f"src/{path}", template.format(v=STRONG) + "\n")

    (hit,) = detections(records)
    assert hit.rule == "secret/hardcoded-credential"
    assert not leaks(records, STRONG)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("a.py", f'password = "{PASS}"'),
        ("a.py", f'connect(user="sa", passwd="{PASS}")'),
        ("a.yaml", f"db_password: {PASS}"),
        ("a.ini", f"password = {PASS}"),
        ("a.py", f'DSN = "postgresql://svc:{drawn("p", ALNUM, 12)}@db.internal:5432/app"'),
        ("a.yaml", f"url: redis://:{drawn('q', ALNUM, 16)}@cache.prod.svc:6379/0"),
        ("a.py", f'C = "Server=db1;Database=x;User Id=sa;Password={PASS};"'),
        ("a.sh", f"curl -s -u svc:{PASS} https://host.internal/x"),
        ("a.py", f'h = {{"Authorization": "Basic {base64.b64encode(b"svc:" + PASS.encode()).decode()}"}}'),
        ("a.py", f'boto3.client("s3", aws_secret_access_key="{drawn("aws", ALNUM + "/+", 40)}")'),
        ("a.ini", f"aws_secret_access_key = {drawn('aws2', ALNUM + '/+', 40)}"),
        ("a.py", f'CONN = "DefaultEndpointsProtocol=https;AccountName=x;AccountKey={drawn("az", ALNUM + "+/", 86)}=="'),
    ],
)  # fmt: skip
def test_passwords_and_connection_strings_are_found(path: str, line: str, tmp_path: Path) -> None:
    hits = detections(scan(tmp_path, f"src/{path}", line + "\n"))

    assert [hit.rule for hit in hits] == ["secret/hardcoded-credential"], [hit.facts for hit in hits]


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("a.py", f'wandb.login(key="{drawn("w", HEX, 40)}")'),
        ("a.sh", f"export WANDB_API_KEY={drawn('w', HEX, 40)}"),
        ("a.sh", f"wandb login {drawn('w', HEX, 40)}"),
        ("a.py", f'co = cohere.Client("{drawn("co", ALNUM, 40)}")'),
        ("a.py", f'os.environ["MISTRAL_API_KEY"] = "{drawn("mi", ALNUM, 32)}"'),
        ("a.py", f'openai.api_key = "{drawn("az", HEX, 32)}"'),
        ("a.yaml", f"AZURE_OPENAI_API_KEY: {drawn('az', HEX, 32)}"),
        ("a.json", f'{{"username":"ann","key":"{drawn("kg", HEX, 32)}"}}'),
        ("a.py", f'PINECONE_API_KEY = "{"-".join((drawn("u", HEX, 8), drawn("v", HEX, 4), "4" + drawn("w", HEX, 3), "a" + drawn("x", HEX, 3), drawn("y", HEX, 12)))}"'),
    ],
)  # fmt: skip
def test_ml_credentials_are_known_by_their_surroundings(path: str, content: str, tmp_path: Path) -> None:
    hits = detections(scan(tmp_path, f"src/{path}", content + "\n"))

    assert [hit.rule for hit in hits] == ["secret/exposed-ml-service-token"], [hit.facts for hit in hits]


QUIET = [
    ("a.py", 'api_key = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"'),
    ("a.py", 'api_key = "your-api-key-here"'),
    ("a.py", 'token = "hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"'),
    ("a.py", 'token = "hf_" + "a" * 34'),
    ("a.py", 'OPENAI_API_KEY = "sk-your-key-goes-here-0123456789abcdef"'),
    ("a.py", 'key = os.environ["OPENAI_API_KEY"]'),
    ("a.py", 'key = os.getenv("OPENAI_API_KEY", "")'),
    ("a.py", 'AWS = "AKIA' + 'IOSFODNN7EXAMPLE"'),
    ("a.yaml", "aws_secret_access_key: wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY"),
    ("a.yaml", "password: ${DB_PASSWORD}"),
    ("a.yaml", "password: {{ .Values.db.password }}"),
    ("a.yaml", "password: <your password>"),
    ("a.yaml", "password: changeme"),
    ("a.yaml", "password: !vault |"),
    ("a.yaml", "password: vault:secret/data/db#password"),
    ("a.yaml", "token: $TOKEN"),
    ("a.yaml", "secretName: model-api-credentials-v2"),
    ("a.yaml", "tokenizer: bert-base-uncased-v2"),
    ("a.yaml", "image: repo/app@sha256:" + drawn("d", HEX, 64)),
    ("a.yaml", "url: https://user:password@example.com/x"),
    ("a.yaml", "url: postgresql://postgres:postgres@localhost/test"),
    ("a.yaml", "url: redis://:${REDIS_PASSWORD}@cache:6379"),
    ("a.py", 'commit = "' + drawn("sha", HEX, 40) + '"'),
    ("a.py", 'sha256 = "' + drawn("sha", HEX, 64) + '"'),
    ("a.py", 'run_id = "3f2c8a1e-6b7d-4c8e-9f01-a2b3c4d5e6f7"'),
    ("a.py", 'request_token = "3f2c8a1e-6b7d-4c8e-9f01-a2b3c4d5e6f7"'),
    ("a.py", 'PASSWORD_FIELD = "user_password_2"'),
    ("a.py", 'password_regex = r"^(?=.*[A-Z])(?=.*\\d).{8,}$"'),
    ("a.py", 'pad_token = "<|endoftext|>"'),
    ("a.py", 'special_tokens = {"bos_token": "<s>", "eos_token": "[SEP]2x9"}'),
    ("a.py", 'max_tokens=4096, token_type="bearer"'),
    ("a.py", 'token = tokenizer.decode(ids[0])'),
    ("a.py", 'parser.add_argument("--password", help="Password of the user (8-20 chars)")'),
    ("a.py", 'fields = {"username": "username", "password": "password"}'),
    ("a.py", 'login(user="test", password="test1234")'),
    ("a.py", 'secret = get_secret("prod/db-2024/password")'),
    ("a.py", 'SECRET_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf"'),
    ("a.py", 'img = "data:image/png;base64,' + drawn("img", ALNUM + "+/", 400) + '"'),
    ("a.py", 'cache_key = "model:v2:' + drawn("ck", HEX, 16) + '"'),
    ("a.py", 'public_key = "' + drawn("pk", ALNUM, 44) + '"'),
    ("a.json", '{"password": "Passwort", "forgot_password": "Passwort vergessen?", "token": "Jeton"}'),
    ("a.json", '{"password": "Mot de passe*", "api_key": "Clé d\'API"}'),
    ("a.json", '{"integrity": "sha512-' + drawn("i", ALNUM + "+/", 86) + '=="}'),
    ("package-lock.json", '{"token": {"version": "1.2.3", "resolved": "https://r/x.tgz", "integrity": "sha512-' + drawn("i", ALNUM, 86) + '=="}}'),
    ("a.js", 'const selector = "#password-input-2"; $("input[name=password]").val()'),
    ("a.js", 'const t = i18n.t("password.reset.v2")'),
    ("a.sh", 'mysql --password="$DB_PASSWORD" -u root'),
    ("a.sh", "curl -H \"Authorization: Bearer $TOKEN\" https://x"),
    ("a.md", "Set `HF_TOKEN=hf_...` and `password: <secret>` before you start."),
    ("a.md", "The token is stored at https://docs.internal/page/1a2b3c4d5e6f7a8b9c0d1e2f3a4b5c6d."),
    ("a.txt", "token: the smallest unit that a model reads, e.g. 1.3 words"),
    (".env.example", "OPENAI_API_KEY=sk-...\nDB_PASSWORD=changeme\nSECRET_KEY=\n"),
    ("requirements.txt", "torch==2.1 --hash=sha256:" + drawn("h", HEX, 64)),
    ("requirements.txt", "wandb @ git+https://github.com/wandb/wandb@" + drawn("h", HEX, 40)),
    ("a.yaml", "jwt: eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"),
    ("tests/test_auth.py", 'client.login(password="S3cret-pw!9")'),
    ("a.py", 'from secrets import token_hex, token_urlsafe\nvalue = secrets.token_urlsafe(32)'),
    ("a.yaml", "- name: DB_PASSWORD\n  valueFrom:\n    secretKeyRef: {name: db-2024, key: password}"),
    ("a.tf", 'variable "db_password" {\n  type = string\n  sensitive = true\n}\nresource "x" "y" { password = var.db_password }'),
    ("a.html", '<input type="password" name="password" autocomplete="current-password" id="pw2-field">'),
    ("a.py", 'sort_key = "created_at#2024"; primary_key = "id_v2"; foreign_key="user.id_2"'),
    ("a.py", 'model = "meta-llama/Llama-3.1-8B-Instruct"; api_version = "2024-02-15-preview"'),
    ("a.yaml", "api_key_header: X-Api-Key-V2\nauth_url: https://login.host.internal/oauth2/v2.0/token"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "content"), QUIET)
def test_look_alike_is_quiet(path: str, content: str, tmp_path: Path) -> None:
    hits = detections(scan(tmp_path, path if "/" in path else f"src/{path}", content + "\n"))

    assert hits == []


def test_github_checksum_is_the_published_one() -> None:
    assert crc32_matches(with_crc("ghp_", "x"))
    assert not crc32_matches(with_crc("ghp_", "x")[:-1] + "!")


# ---- places with a rule of their own


def test_values_of_kubernetes_secrets_are_found_in_every_document(tmp_path: Path) -> None:
    one, two = drawn("k1", ALNUM, 24), drawn("k2", ALNUM, 24)
    content = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {level: debug}\n---\n"
        f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\ndata:\n  token: {base64.b64encode(one.encode()).decode()}\n  empty: ''\n"
        f'---\napiVersion: v1\nkind: Secret\nmetadata: {{name: b}}\nstringData:\n  password: "{two}"\n  username: ann\n  ca.crt: |\n    -----BEGIN CERTIFICATE-----\n'
    )

    records = scan(tmp_path, "k8s/all.yaml", content)

    assert [(hit.rule, hit.location.line, hit.scope) for hit in detections(records)] == [
        ("secret/plaintext-kubernetes-secret", 11, "a"),
        ("secret/plaintext-kubernetes-secret", 18, "b"),
    ]
    assert (
        not leaks(records, one)
        and not leaks(records, two)
        and not leaks(records, base64.b64encode(one.encode()).decode())
    )


def test_kubernetes_secret_in_a_template_is_read_line_by_line(tmp_path: Path) -> None:
    value = drawn("k3", ALNUM, 24)
    content = f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: {{{{ .Release.Name }}}}\n{{{{- if .Values.on }}}}\nstringData:\n  token: {value}\n  other: {{{{ .Values.other }}}}\n{{{{- end }}}}\n"

    (hit,) = detections(scan(tmp_path, "chart/templates/secret.yaml", content))

    assert (hit.rule, hit.location.line) == ("secret/plaintext-kubernetes-secret", 7)


def test_sealed_and_external_secrets_are_quiet(tmp_path: Path) -> None:
    sealed = (
        "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nspec:\n  encryptedData:\n    token: AgB"
        + drawn("s", ALNUM + "+/", 300)
        + "\n"
    )
    sops = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata:\n  token: ENC[AES256_GCM,data:abcd,type:str]\nsops:\n  mac: x\n"

    short = "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nspec:\n  encryptedData:\n    password: AgBy3i4OJSWKPiTySYZZA9rO43cGDEq\n"

    assert scan(tmp_path, "a.yaml", sealed) == []
    assert scan(tmp_path, "b.yaml", sops) == []
    assert scan(tmp_path, "c.yaml", short) == []


def test_what_a_workload_is_given_in_plain_text_is_a_matter_of_manifests(tmp_path: Path) -> None:
    pod = f"apiVersion: v1\nkind: Pod\nspec:\n  containers:\n    - env:\n        - name: DB_PASSWORD\n          value: {PASS}\n"

    [hit] = scan(tmp_path, "pod.yaml", pod)

    assert (hit.rule, hit.location.line) == ("secret/plaintext-kubernetes-secret", 7)


def test_sensitive_values_of_terraform_state_are_found(tmp_path: Path) -> None:
    output, password, marked = drawn("o", ALNUM, 20), PASS, drawn("m", ALNUM, 20)
    state = {
        "version": 4,
        "outputs": {
            "key": {"value": output, "type": "string", "sensitive": True},
            "url": {"value": "https://host/a1b2", "type": "string"},
        },
        "resources": [
            {
                "type": "x",
                "instances": [
                    {
                        "attributes": {"id": "db-1a2b3c", "password": password, "blob": marked, "arn": "arn:aws:x:1:2"},
                        "sensitive_attributes": [[{"type": "get_attr", "value": "blob"}]],
                    }
                ],
            }
        ],
    }

    records = scan(tmp_path, "infra/terraform.tfstate", json.dumps(state, indent=2))

    hits = detections(records)
    assert sorted(str(hit.facts["name"]) for hit in hits) == ["blob", "key", "password"]
    assert {hit.rule for hit in hits} == {"secret/committed-terraform-secrets"}
    assert not any(leaks(records, value) for value in (output, password, marked))


def test_default_of_a_secret_variable_is_found(tmp_path: Path) -> None:
    content = f'variable "db_password" {{\n  type    = string\n  default = "{PASS}"\n}}\n'

    (hit,) = detections(scan(tmp_path, "main.tf", content))

    assert (hit.rule, hit.location.line) == ("secret/hardcoded-credential", 3)


@pytest.mark.parametrize(
    ("path", "content", "line"),
    [
        (".env.production", f"A=1\nSECRET_KEY={STRONG}\n", 2),
        (".netrc", f"machine api.wandb.ai\n  login user\n  password {drawn('n', HEX, 40)}\n", 3),
        ("conf/credentials.json", json.dumps({"client_secret": STRONG}, indent=1), 2),
        (".streamlit/secrets.toml", f'db_password = "{PASS}"\n', 1),
        (".aws/credentials", f"[default]\naws_secret_access_key = {drawn('x', ALNUM + '/+', 40)}\n", 2),
        (".pypirc", f"[pypi]\nusername = __token__\npassword = {TOKENS['pypi']('x')}\n", 3),
        (".npmrc", f"//npm.acme.example/:_authToken={with_crc('npm_', 'y')}\n", 1),
    ],
)
def test_credential_files_have_their_own_rule(path: str, content: str, line: int, tmp_path: Path) -> None:
    hits = detections(scan(tmp_path, path, content))

    assert [(hit.rule, hit.location.line) for hit in hits] == [("secret/tracked-credential-file", line)]


@pytest.mark.parametrize(
    ("line", "reported"),
    [
        (f"ENV API_KEY={STRONG}", True),
        (f"ENV API_KEY {STRONG}", True),
        (f'ARG DB_PASSWORD="{PASS}"', True),
        (f"RUN curl -H 'Authorization: Bearer {STRONG}' https://host", True),
        ("COPY .env /app/.env", True),
        ('ADD ["credentials.json", "/app/"]', True),
        ("COPY --from=build /app/.env /app/", False),
        ("COPY .env.example /app/.env", False),
        ("ARG API_KEY", False),
        ("ENV API_KEY=${API_KEY}", False),
        ("ENV TOKENIZERS_PARALLELISM=false", False),
    ],
)
def test_credentials_in_dockerfiles(line: str, reported: bool, tmp_path: Path) -> None:
    hits = detections(scan(tmp_path, "Dockerfile", f"FROM python:3.12\n{line}\n"))

    assert [(hit.rule, hit.location.line) for hit in hits] == [("secret/credential-in-dockerfile", 2)] * reported


def test_token_in_notebook_metadata_is_found(tmp_path: Path) -> None:
    book = json.loads(notebook(["1 + 1"]))
    book["metadata"] = {"papermill": {"parameters": {"token": ML_TOKENS["huggingface"]("meta")}}}

    (hit,) = detections(scan(tmp_path, "a.ipynb", json.dumps(book, indent=1)))

    assert (hit.rule, hit.location.within) == ("secret/credential-in-notebook", "metadata")


def test_broken_notebook_is_searched_and_a_gap(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text('{"cells": [' + f'"{TOKENS["aws"]("x")}"')

    report = scan_tree(tmp_path, ("secrets",))

    assert found(report) == [("a.ipynb", 1, "secret/credential-in-notebook")]
    assert [gap.kind for gap in report.gaps] == ["unreadable"]


def test_notebook_columns_are_those_of_the_file(tmp_path: Path) -> None:
    token = TOKENS["digitalocean"]("x")
    content = notebook(["# é\n", f'key = "{token}"\n'])

    (hit,) = detections(scan(tmp_path, "a.ipynb", content))

    line = content.split("\n")[hit.location.line - 1]
    assert line[hit.location.column - 1 : hit.location.end_column - 1] == token


def test_fingerprint_survives_moved_lines_and_another_value(tmp_path: Path) -> None:
    prints = []
    for number, (lead, seed) in enumerate([("", "a"), ("# one\n# two\n", "b")]):
        root = tmp_path / str(number)
        root.mkdir()
        (root / "a.py").write_text(f'{lead}API_KEY = "{drawn(seed, ALNUM, 30)}1a"\n')
        prints.append([finding.fingerprint for finding in scan_tree(root, ("secrets",)).findings])

    assert prints[0] == prints[1] and len(prints[0]) == 1


def test_report_shows_no_part_of_a_value(tmp_path: Path) -> None:
    values = {kind: make("report") for kind, make in ALL_TOKENS.items()}
    (tmp_path / "a.py").write_text("\n".join(f'x_{number} = "{value}"' for number, value in enumerate(values.values())))
    (tmp_path / "b.yaml").write_text("\n".join(f"- {value}: {value}" for value in values.values()))

    report = scan_tree(tmp_path, ("secrets",))

    shown = repr(report)
    assert {finding.location.line for finding in report.findings if finding.location.path == "a.py"} == set(
        range(1, len(values) + 1)
    )
    assert [
        kind for kind, value in values.items() if any(value[at : at + 12] in shown for at in range(12, len(value) - 11))
    ] == []


def test_other_encodings_are_searched(tmp_path: Path) -> None:
    token = TOKENS["digitalocean"]("enc")

    for number, data in enumerate(
        [f"naïve {token}".encode("latin-1"), f"\ufeffx {token}".encode("utf-16-le"), b"\xef\xbb\xbf" + token.encode()]
    ):
        assert len(detections(scan(tmp_path, f"{number}.txt", data))) == 1


def test_large_tables_are_searched_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlguard.scanners.secrets.MAX_TEXT_BYTES", 1000)
    monkeypatch.setattr("mlguard.scanners.secrets.PIECE_BYTES", 700)
    rows = [f"{number},fine" for number in range(400)]
    rows[150] = f"150,{TOKENS['digitalocean']('x')}"
    rows[399] = f"399,{TOKENS['aws']('x')}"

    hits = detections(scan(tmp_path, "a.csv", "\n".join(rows)))

    assert [(hit.location.line, hit.facts["kind"]) for hit in hits] == [
        (151, "DigitalOcean token"),
        (400, "AWS access key"),
    ]


# ---- soundness


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=400) | st.text(alphabet="password:=\"'\\ \n{}$<>@/-_aA1 sk-hf_eyJ.", max_size=400))
def test_any_text_is_searched_without_trouble(text: str) -> None:
    for style in (Style(), Style(bare=True, spaces=True), Style(pairs=False)):
        for hit in find(text, style):
            assert 0 <= hit.start < hit.end <= len(text)


HOSTILE = {
    "one letter": "a" * 500_000,
    "base64": drawn("b64", ALNUM + "+/", 500_000),
    "hex": drawn("hex", HEX, 500_000),
    "prefixes": "sk-hf_AKIAeyJghp_xoxb-" * 20_000,
    "names": "password=" * 50_000,
    "tokens": "token: " * 60_000,
    "quotes": 'secret="' * 50_000,
    "pem": "-----BEGIN PRIVATE KEY-----" * 15_000,
    "pem bodies": ("-----BEGIN PRIVATE KEY-----\\n" + "A/" * 30) * 5_000,
    "schemes": "://a:b" * 80_000,
    "schemes and signs": "://a:bcd@" * 50_000,
    "wandb": "wandb" * 100_000,
    "aws": "aws secret key " * 30_000,
    "connection": "server=" * 70_000 + "password=",
    "backslashes": "\\" * 400_000,
    "dots": "." * 400_000,
    "jwt": "eyJ" + "a" * 200_000 + ".eyJ" * 50_000,
    "spaces": " " * 400_000 + "password",
}  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_takes_time_in_line_with_its_length(text: str) -> None:
    start = time.process_time()

    find(HOSTILE[text], Style(bare=True, spaces=True))

    assert time.process_time() - start < 4


def test_a_key_is_not_cut_where_a_piece_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlguard.scanners.secrets.WHOLE_BYTES", 1000)
    monkeypatch.setattr("mlguard.scanners.secrets.PIECE_BYTES", 1200)

    (hit,) = detections(scan(tmp_path, "a.txt", "fine\n" * 150 + private_key() + "fine\n" * 500))

    assert (hit.location.line, hit.location.end_line) == (151, 164)
