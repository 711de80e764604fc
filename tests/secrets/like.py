"""Writes what looks like a credential and is none: placeholders, digests, references, names, public halves, broken tokens."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import Iterator

from tests.secrets.kinds import BY_FORM, fill, jwt, token

Look = tuple[str, str, str]
"""What it is, path, text."""

_STAND_INS = (
    "<your-api-key>", "<API_KEY>", "YOUR_API_KEY", "your_api_key_here", "your-api-key", "INSERT_TOKEN_HERE", "xxxxxxxxxxxxxxxxxxxxxxxx",
    "XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX", "changeme", "change-me-please", "CHANGE_ME", "REPLACE_ME", "replace-with-your-token",
    "****************", "................", "0000000000000000", "1234567890abcdef", "abcdef1234567890", "abc123", "test", "test-token",
    "dummy", "dummy-key", "fake_token_for_tests", "example-token", "my-secret-token", "secret", "password", "hunter2-example", "placeholder",
    "TODO", "none", "null", "${API_KEY}", "$API_KEY", "$(cat token.txt)", "{{ api_key }}", "{{ .Values.apiKey }}", "%(api_key)s", "%API_KEY%",
    "<%= ENV['API_KEY'] %>", "#{ENV['API_KEY']}", "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/a)",
    "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf", "projects/123/secrets/key/versions/latest", "op://vault/item/field",
    "vault:secret/data/app#key", "ENC[AES256_GCM,data:Tr7o,iv:1=,tag:2=,type:str]", "env:API_KEY", "file:/run/secrets/key", "/run/secrets/api_key",
    "secrets/api_key.txt", "https://docs.acme.io/keys", "sk-...", "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "sk-your-key-here",
    "hf_...", "hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "hf_your_token_here", "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "ghp_...", "xoxb-your-token",
    "xoxb-xxxxxxxxxxxx-xxxxxxxxxxxx-xxxxxxxxxxxxxxxxxxxxxxxx", "AKIAXXXXXXXXXXXXXXXX", "AIzaXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX", "sk_test_...",
    "SG.xxxxxxxxxxxxxxxxxxxxxx.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "glpat-xxxxxxxxxxxxxxxxxxxx", "wandb-api-key", "not-a-real-key",
    "notused", "redacted", "[REDACTED]", "<redacted>", "REDACTED_BY_CI", "********abcd", "string", "optional", "required", "api_key", "apiKey",
    "SecretString", "no-key-required", "EMPTY", "ollama", "lm-studio", "sk-no-key-required", "foo-bar-baz-qux", "my_super_secret_key",
)  # fmt: skip

_WRITERS = (
    ("src/a.py", 'API_KEY = "{}"\n'),
    ("src/b.py", 'client = Client(api_key="{}")\n'),
    ("conf/a.yaml", 'token: "{}"\n'),
    (".env.example", "API_KEY={}\n"),
    ("README.md", "```sh\nexport API_TOKEN={}\n```\n"),
    ("conf/a.toml", 'secret_key = "{}"\n'),
    ("web/a.ts", "const authToken = '{}';\n"),
)


def stand_ins(rng: random.Random) -> Iterator[Look]:
    for value in _STAND_INS:
        path, text = rng.choice(_WRITERS)
        yield f"stand-in {value}", path, text.format(value)


_NO_TRUNCATION = {"google access token", "google refresh token", "dropbox", "render", "azure storage", "azure service bus", "slack hook",
                  "slack workflow hook", "discord hook", "teams hook", "zapier hook", "razorpay", "facebook", "slack bot", "slack bot, longer",
                  "stripe", "stripe, long", "stripe restricted", "stripe test"}  # fmt: skip
"""Kinds of many lengths: half of one is too short for some and long enough for others."""


def broken(rng: random.Random) -> Iterator[Look]:
    """Yield tokens cut in half, in the wrong case, and with the wrong letter in front."""
    for kind in sorted(BY_FORM):
        whole = token(kind, rng)
        head = whole[: max(8, len(whole) * 2 // 5)]
        if kind not in _NO_TRUNCATION and "//" not in whole and len(head) < 40:
            yield f"cut {kind}", "src/cut.py", f'value = "{head}"\n'
        prefix = whole[:4]
        if (
            prefix.isalnum()
            and not prefix.isdigit()
            and kind in ("aws key", "google api", "alibaba", "artifactory", "hugging face")
        ):
            yield f"case {kind}", "src/case.py", f'value = "{prefix.swapcase()}{whole[4:]}"\n'


def plain(rng: random.Random) -> Iterator[Look]:
    """Yield values of other kinds, and code that speaks of credentials."""
    raw = rng.randbytes(32)
    sha256, sha1, md5 = hashlib.sha256(raw).hexdigest(), hashlib.sha1(raw).hexdigest(), hashlib.md5(raw).hexdigest()
    sha512, sha224 = hashlib.sha512(raw).hexdigest(), hashlib.sha224(raw).hexdigest()
    sri = base64.b64encode(hashlib.sha384(raw).digest()).decode()
    one, image = fill("<uuid>", rng), base64.b64encode(b"\x89PNG\r\n\x1a\n" + rng.randbytes(300)).decode()
    body = base64.b64encode(rng.randbytes(700)).decode()
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    yield "md5", "src/a.py", f'expected_md5 = "{md5}"\nassert digest == "{md5}"\n'
    yield "sha1", "src/a.py", f'SHA1 = "{sha1}"\n'
    yield "sha224", "src/a.py", f'hash = "{sha224}"\n'
    yield "sha256", "src/a.py", f'known_hash="sha256:{sha256}"\n'
    yield "sha512", "src/a.py", f'digest = "{sha512}"\n'
    yield "hashes", "SHA256SUMS", f"{sha256}  a.tar.gz\n{sha512}  b.tar.gz\n"
    yield "uuid", "src/a.py", f'EXPERIMENT_ID = "{one}"\nnamespace = uuid.UUID("{one}")\n'
    yield "commit", "src/a.py", f'from_pretrained("a/b", revision="{sha1}")\n'
    yield (
        "action",
        ".github/workflows/a.yml",
        f"on: push\njobs:\n  a:\n    steps:\n      - uses: actions/checkout@{sha1} # v4\n",
    )
    yield "pre-commit", ".pre-commit-config.yaml", f"repos:\n  - repo: https://github.com/a/b\n    rev: {sha1}\n"
    yield "submodule", "scripts/a.sh", f"git checkout {sha1}\ngit cherry-pick {sha1[:12]}\n"
    yield "integrity", "web/a.html", f'<script src="a.js" integrity="sha384-{sri}" crossorigin="anonymous"></script>\n'
    yield (
        "lock",
        "package-lock.json",
        json.dumps({"packages": {"a": {"integrity": f"sha512-{sri}", "resolved": "https://r/a.tgz"}}}),
    )
    yield "pnpm", "pnpm-lock.yaml", f"packages:\n  /a@1:\n    resolution: {{integrity: sha512-{sri}}}\n"
    yield "go.sum", "go.sum", f"github.com/a/b v1.0.0 h1:{base64.b64encode(raw).decode()}\n"
    yield "uv.lock", "uv.lock", f'wheels = [{{ url = "https://f/a.whl", hash = "sha256:{sha256}" }}]\n'
    yield "cargo", "Cargo.lock", f'[[package]]\nname = "a"\nchecksum = "{sha256}"\n'
    yield "conda", "environment.yml", f"dependencies:\n  - python=3.11=h{md5[:7]}_0\n"
    yield (
        "hashed requirement",
        "requirements.txt",
        f"a==1.0 \\\n    --hash=sha256:{sha256} \\\n    --hash=sha256:{sha256[::-1]}\n",
    )
    yield "image digest", "Dockerfile", f"FROM python:3.11@sha256:{sha256}\nRUN make\n"
    yield "layer", "a.json", json.dumps({"layers": [{"digest": f"sha256:{sha256}", "size": 3}]})
    yield "etag", "a.json", json.dumps({"ETag": f'"{md5}"', "etag": f"{md5}-12", "VersionId": fill("<u:32>", rng)})
    yield "data address", "web/a.css", f".a{{background:url(data:image/png;base64,{image})}}\n"
    yield "image in python", "src/a.py", f'ICON = b"{image}"\n'
    yield "image in output", "a.ipynb", _output({"image/png": image, "text/plain": ["<Figure size 640x480>"]})
    yield (
        "widget",
        "b.ipynb",
        _output({"application/vnd.jupyter.widget-view+json": {"model_id": md5, "version_major": 2}}),
    )
    yield (
        "cell ids",
        "c.ipynb",
        json.dumps(
            {
                "cells": [
                    {
                        "cell_type": "code",
                        "id": one,
                        "metadata": {"ExecuteTime": {}, "id": fill("<u:12>", rng)},
                        "source": ["x\n"],
                        "outputs": [],
                    }
                ],
                "metadata": {"colab": {"authorship_tag": "ABX9TyO" + fill("<w:20>", rng)}},
                "nbformat": 4,
                "nbformat_minor": 5,
            }
        ),
    )
    yield (
        "run",
        "src/a.py",
        f'run = api.run("team/project/{fill("<x:8>", rng)}")\nwandb.init(id="{fill("<x:8>", rng)}", project="wandb-demo")\n',
    )
    yield "mlflow run", "src/a.py", f'mlflow.start_run(run_id="{md5}")\nmodel = "runs:/{md5}/model"\n'
    yield (
        "model names",
        "src/a.py",
        'MODELS = ["meta-llama/Llama-3.1-8B-Instruct", "sentence-transformers/all-MiniLM-L6-v2", "gpt-4o-2024-08-06"]\ntokenizer = "openai/clip-vit-large-patch14-336"\n',
    )
    yield (
        "data sets",
        "src/a.py",
        'load_dataset("wikitext", "wikitext-103-raw-v1")\ntoken_dataset = "mozilla-foundation/common_voice_11_0"\n',
    )
    yield (
        "class names",
        "src/a.py",
        'TOKENIZER_CLASS = "XLMRobertaTokenizerFast"\nsecret_provider = "AzureKeyVaultSecretProviderV2"\n',
    )
    yield "public key", "id_ed25519.pub", f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{fill('<b:43>', rng)} me@host\n"
    yield (
        "known hosts",
        "known_hosts",
        f"|1|{fill('<b:27>', rng)}=|{fill('<b:27>', rng)}= ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB{fill('<b:340>', rng)}\n",
    )
    yield "certificate", "ca.pem", f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"
    yield "request", "a.csr", f"-----BEGIN CERTIFICATE REQUEST-----\n{lines}\n-----END CERTIFICATE REQUEST-----\n"
    yield "public pem", "pub.pem", f"-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n"
    yield "pgp public", "KEYS", f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{lines}\n-----END PGP PUBLIC KEY BLOCK-----\n"
    yield "signature", "a.asc", f"-----BEGIN PGP SIGNATURE-----\n\n{lines}\n-----END PGP SIGNATURE-----\n"
    yield (
        "certificate in yaml",
        "k8s/a.yaml",
        f"apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    certificate-authority-data: {base64.b64encode(b'-----BEGIN CERTIFICATE-----' + raw * 6).decode()}\n",
    )
    yield "pem marker", "src/a.py", 'BEGIN = "-----BEGIN RSA PRIVATE KEY-----"\nEND = "-----END RSA PRIVATE KEY-----"\n'
    yield "pem in docs", "README.md", "```\n-----BEGIN PRIVATE KEY-----\n<your key>\n-----END PRIVATE KEY-----\n```\n"
    yield (
        "textbook jwt",
        "README.md",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
        + "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ."
        + "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c\n",
    )
    yield "unsigned jwt", "src/a.py", f'T = "{jwt(rng, {"alg": "none"}, sub="a").rsplit(".", 1)[0]}."\n'
    yield "jwt header", "src/a.py", f'HEADER = "{jwt(rng).split(".")[0]}"\n'
    yield (
        "translation",
        "i18n/de.json",
        json.dumps(
            {
                "password": "Passwort",
                "passwordAgain": "Passwort-wiederholen",
                "token": "Zugangstoken",
                "apiKey": "API-Schluessel",
            },
            indent=1,
        ),
    )
    yield (
        "translation in ts",
        "web/fr.ts",
        "export default { password: 'Mot de passe', confirmPassword: 'Confirmez le mot de passe', secret: 'Secret' };\n",
    )
    yield (
        "form",
        "web/a.html",
        '<label for="password">Password</label><input type="password" id="password" name="user[password]" placeholder="Enter password">\n',
    )
    yield (
        "jsx form",
        "web/a.tsx",
        '<Field name="password" type="password" label="New password" autoComplete="new-password" />\n',
    )
    yield (
        "labels",
        "web/a.js",
        'const labels = { password: "Password (8+ characters)", token: "Access token", apiKey: "API key" };\n',
    )
    yield (
        "regexes",
        "src/a.py",
        'PATTERNS = {"aws_key": r"AKIA[0-9A-Z]{16}", "hf_token": r"hf_[A-Za-z0-9]{34}", "password": "(?i)passw(or)?d\\\\s*[:=]"}\n',
    )
    yield (
        "regex in toml",
        "rules.toml",
        "[[rules]]\nid = \"github-pat\"\nregex = '''ghp_[0-9a-zA-Z]{36}'''\nkeywords = [\"ghp_\"]\n",
    )
    yield (
        "annotations",
        "src/a.py",
        "def login(password: str, token: str | None = None, api_key: SecretStr = SecretStr('')) -> AccessToken: ...\n",
    )
    yield (
        "typescript types",
        "web/a.ts",
        "interface Login { password: string; accessToken?: string; apiKey: Record<string, unknown> }\n",
    )
    yield (
        "schema",
        "schema.json",
        json.dumps(
            {
                "properties": {
                    "password": {"type": "string", "minLength": 8},
                    "api_key": {"type": "string", "format": "password"},
                },
                "required": ["password", "api_key"],
            }
        ),
    )
    yield (
        "openapi",
        "openapi.yaml",
        "components:\n  securitySchemes:\n    apiKey:\n      type: apiKey\n      in: header\n      name: X-Api-Key\n    bearer:\n      type: http\n      scheme: bearer\n      bearerFormat: JWT\n",
    )
    yield "columns", "src/a.py", 'password_hash = Column("password_hash", String(128))\ntoken_type = "bearer"\n'
    yield (
        "sql",
        "a.sql",
        "CREATE TABLE users (password VARCHAR(255) NOT NULL, api_token CHAR(64));\nSELECT password FROM users WHERE token = $1;\n",
    )
    yield (
        "environment",
        "src/a.py",
        'TOKEN = os.environ["HF_TOKEN"]\nkey = os.getenv("OPENAI_API_KEY", "")\nsecret = config.get("secret_key")\n',
    )
    yield (
        "node environment",
        "web/a.js",
        "const apiKey = process.env.API_KEY;\nconst token = import.meta.env.VITE_TOKEN || '';\n",
    )
    yield (
        "settings",
        "src/a.py",
        "openai.api_key = settings.openai_api_key\nclient = Client(token=get_token(), password=getpass.getpass())\n",
    )
    yield (
        "workflow secrets",
        ".github/workflows/b.yml",
        "on: push\njobs:\n  a:\n    env:\n      TOKEN: ${{ secrets.GITHUB_TOKEN }}\n      PYPI_TOKEN: ${{ secrets.PYPI }}\n",
    )
    yield (
        "compose",
        "compose.yaml",
        "services:\n  db:\n    environment:\n      POSTGRES_PASSWORD: ${DB_PASSWORD:?missing}\n      PASSWORD_FILE: /run/secrets/db\n",
    )
    yield (
        "terraform",
        "main.tf",
        'password = var.db_password\ntoken    = data.vault_generic_secret.a.data["token"]\nsecret   = random_password.db.result\n',
    )
    yield (
        "terraform variable",
        "variables.tf",
        'variable "api_token" {\n  type      = string\n  sensitive = true\n  default   = null\n}\n',
    )
    yield "helm", "templates/a.yaml", 'password: {{ .Values.db.password | quote }}\ntoken: {{ include "a.token" . }}\n'
    yield (
        "secret reference",
        "k8s/b.yaml",
        "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a\n    env:\n    - name: API_TOKEN\n      valueFrom:\n        secretKeyRef:\n          name: api-credentials-v2\n          key: api-token\n",
    )
    yield (
        "external secret",
        "k8s/c.yaml",
        "apiVersion: external-secrets.io/v1beta1\nkind: ExternalSecret\nspec:\n  data:\n  - secretKey: db-password\n    remoteRef:\n      key: prod/db\n      property: password\n",
    )
    yield (
        "addresses",
        "src/a.py",
        'A = "postgresql://user:password@localhost/db"\nB = "https://user:pass@example.com/"\nC = "redis://:@localhost:6379"\nD = "mongodb://<user>:<password>@host"\n',
    )
    yield (
        "address from parts",
        "src/a.py",
        'url = f"postgresql://{user}:{password}@{host}:5432/{name}"\nurl = "amqp://%s:%s@mq" % (u, p)\n',
    )
    yield (
        "sentry",
        "src/a.py",
        f'sentry_sdk.init(dsn="https://{md5}@o{rng.randrange(10**5)}.ingest.sentry.io/{rng.randrange(10**6)}")\n',
    )
    yield (
        "colours",
        "web/a.css",
        ".token.keyword{color:#a626a4}.token.string{color:#50a14f}.password{border-color:#deadbeef}\n",
    )
    yield "palette", "src/a.py", 'TOKEN_COLOURS = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728"]\n'
    yield (
        "minified",
        "web/a.min.js",
        "!function(e){var t=e.token,n=e.password;"
        + "".join(f"function {fill('<l:2>', rng)}(e){{return e.{fill('<l:3>', rng)}}}" for _ in range(200))
        + "}();\n",
    )
    yield (
        "source map",
        "web/a.js.map",
        json.dumps({"version": 3, "mappings": fill("<b:600>", rng), "sources": ["token.ts"]}),
    )
    yield (
        "hashed file",
        "web/a.html",
        f'<script src="/static/js/main.{sha1[:8]}.chunk.js"></script><link href="/a.{md5}.css">\n',
    )
    yield (
        "analytics",
        "web/a.js",
        f"gtag('config', 'G-{fill('<X:10>', rng)}');\nposthog.init('phc_{fill('<w:43>', rng)}');\nStripe('pk_live_{fill('<w:24>', rng)}');\n",
    )
    yield "site key", "web/a.html", f'<div class="g-recaptcha" data-sitekey="6L{fill("<u:38>", rng)}"></div>\n'
    yield (
        "client id",
        "src/a.py",
        f'CLIENT_ID = "{fill("<d:12>", rng)}-{fill("<x:32>", rng)}.apps.googleusercontent.com"\ntenant_id = "{one}"\n',
    )
    yield (
        "bcrypt",
        "src/a.py",
        f'password = "$2b$12${fill("<w:53>", rng)}"\npw2 = "pbkdf2_sha256$260000${fill("<w:22>", rng)}${fill("<b:43>", rng)}="\n',
    )
    yield "htpasswd hash", "conf/a.yaml", f"users: admin:$2y$10${fill('<w:53>', rng)}\n"
    yield (
        "sealed",
        "k8s/d.yaml",
        f"apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nspec:\n  encryptedData:\n    password: AgB{fill('<b:400>', rng)}\n",
    )
    yield (
        "ansible vault",
        "vars.yml",
        "password: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  " + fill("<d:80>", rng) + "\n",
    )
    yield (
        "login in test",
        "tests/test_a.py",
        'client.post("/login", data={"username": "ann", "password": "Tr0ub4dor&3"})\n',
    )
    yield (
        "token counts",
        "src/a.py",
        "max_tokens=4096, prompt_tokens=12, total_tokens=usage.total_tokens\ntoken_ids = [101, 2023, 102]\n",
    )
    yield (
        "special tokens",
        "special_tokens_map.json",
        json.dumps(
            {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<|finetune_right_pad_id|>"}
        ),
    )
    yield "vocabulary", "tokenizer.json", json.dumps({"model": {"vocab": {fill("<w:8>", rng): n for n in range(40)}}})
    yield (
        "keyboard",
        "web/a.js",
        "if (e.key === 'ArrowLeft' || e.key === 'Enter') {}\nconst keyCode = 'KeyA';\nkeyMap = { key: 'shift+alt+F12' };\n",
    )
    yield (
        "cache keys",
        "src/a.py",
        f'cache_key = "user:{{id}}:profile:v3"\nkey = "{md5[:16]}"\npartition_key = "tenant_id#created_at"\n',
    )
    yield "public key name", "src/a.py", f'public_key = "{fill("<b:43>", rng)}="\nverify_key = load("{sha256}.pub")\n'
    yield (
        "arn and account",
        "src/a.py",
        'ROLE = "arn:aws:iam::123456789012:role/sagemaker-execution"\nACCOUNT = "123456789012"\n',
    )
    yield (
        "documented aws",
        "README.md",
        "aws_access_key_id = AKIAIOSFODNN7"
        + "EXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCY"
        + "EXAMPLEKEY\n",
    )
    yield (
        "base64 text",
        "src/a.py",
        f'GREETING = "{base64.b64encode(b"The quick brown fox jumps over the lazy dog").decode()}"\n',
    )
    yield (
        "base64 json",
        "src/a.py",
        f'PAYLOAD = "{base64.b64encode(json.dumps({"user": "ann", "roles": ["admin", "dev"]}).encode()).decode()}"\n',
    )
    yield (
        "alphabet",
        "src/a.py",
        'ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"\nsecret_chars = "abcdefghijklmnopqrstuvwxyz0123456789"\n',
    )
    yield "dna", "data/a.csv", f"id,sequence\n1,{''.join(rng.choices('ACGT', k=120))}\n"
    yield "smiles", "data/b.csv", "id,smiles\n1,CC(=O)OC1=CC=CC=C1C(=O)O\n2,CN1C=NC2=C1C(=O)N(C(=O)N2C)C\n"
    yield "dvc", "data.dvc", f"outs:\n- md5: {md5}.dir\n  size: 10\n  path: data\n"
    yield "lfs", "model.bin", f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize 123\n"
    yield (
        "links",
        "README.md",
        f"[run](https://wandb.ai/team/project/runs/{fill('<x:8>', rng)}) and [file](https://docs.google.com/document/d/{fill('<u:44>', rng)}/edit)\n",
    )
    yield (
        "youtube",
        "README.md",
        f"https://www.youtube.com/watch?v={fill('<u:11>', rng)} https://bit.ly/{fill('<w:7>', rng)}\n",
    )
    yield (
        "identifiers",
        "src/a.py",
        "sk_learn_model = 1\nhf_model_name_or_path = 2\nglpat_client = AKIAClient()\npat_tokens_per_batch_of_training = 3\n",
    )
    yield (
        "error texts",
        "src/a.py",
        'raise ValueError("Invalid password: must contain 8+ characters, 1 digit!")\nMSG_TOKEN = "token-expired-or-revoked"\n',
    )
    yield "urls with tokens", "src/a.py", 'URL = "https://api.acme.io/v1/items?token={token}&api_key=" + key\n'
    yield (
        "curl",
        "README.md",
        'curl -H "Authorization: Bearer $TOKEN" https://a\ncurl -H "X-API-Key: <key>" https://a\ncurl -u user:password https://a\n',
    )
    yield (
        "arguments",
        "src/a.py",
        'parser.add_argument("--hf-token", default=None)\nparser.add_argument("--api-key", default="", help="API key")\n',
    )
    yield (
        "constants",
        "src/A.java",
        'static final String PASSWORD_KEY = "user.password.key";\nstatic final String TOKEN_HEADER = "X-Auth-Token-V2";\n',
    )
    yield (
        "enumeration",
        "src/a.py",
        'class Kind(Enum):\n    API_KEY = "api_key"\n    ACCESS_TOKEN = "access_token"\n    CLIENT_SECRET = "client_secret_basic"\n',
    )
    yield (
        "css modules",
        "web/a.tsx",
        f'<div className="passwordField_{fill("<w:5>", rng)}" data-testid="token-input-v2" />\n',
    )
    yield (
        "joined words",
        "src/a.py",
        'MESSAGE = ("Your-token-has-expired-and-"\n    "cannot-be-used-any-more-today")\nsecret_name = "team-" + "database-credentials"\n',
    )
    yield (
        "checksum rows",
        "model_index.json",
        json.dumps({"files": [{"name": "model.safetensors", "sha256": sha256, "md5": md5}]}),
    )
    yield "coverage", "coverage.xml", f'<class filename="token.py" hash="{md5}"/>\n'
    yield (
        "svg",
        "web/a.svg",
        f'<svg><path d="M{rng.random()},{rng.random()}c1.2-3.4,5.6-7.8"/><image href="data:image/png;base64,{image}"/></svg>\n',
    )
    yield "migration", "migrations/0001.py", f'revision = "{md5[:12]}"\ndown_revision = "{sha1[:12]}"\n'
    yield (
        "dashboard",
        "grafana.json",
        json.dumps({"uid": fill("<u:9>", rng), "datasource": {"uid": "P" + fill("<H:16>", rng)}, "gnetId": 1860}),
    )
    yield (
        "flags",
        "run.sh",
        "python train.py --tokenizer-name bert-base-uncased --secret-name db-credentials --max-tokens 2048\n",
    )


def _output(data: dict[str, object]) -> str:
    out = {"output_type": "display_data", "metadata": {}, "data": data}
    cell = {
        "cell_type": "code",
        "execution_count": 1,
        "id": "a1",
        "metadata": {},
        "source": ["plot()\n"],
        "outputs": [out],
    }
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)


def look_alikes(rng: random.Random) -> Iterator[Look]:
    yield from stand_ins(rng)
    yield from broken(rng)
    yield from plain(rng)
