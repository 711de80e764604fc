"""Finds credentials in text files and key stores."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from mlguard import lazy, redact
from mlguard.artifacts import TEXT_KINDS, Artifact
from mlguard.errors import Unreadable
from mlguard.findings import Aside, Detection, Gap, Location, Record
from mlguard.scanners import MAX_TEXT_BYTES, Context, open_path, read_bytes
from mlguard.scanners.secrets import accepted as acceptances
from mlguard.scanners.secrets.accepted import Accepted
from mlguard.scanners.secrets.encodings import decoded
from mlguard.scanners.secrets.hits import Hit, Lines, Style
from mlguard.scanners.secrets.search import find
from mlguard.values import replace

KEY_STORE_BYTES = 1 * 2**20
"""A key store or a key in DER is far smaller."""

PIECE_BYTES = 8 * 2**20
"""A larger text file is searched in pieces of about this size, cut at line ends, so that it needs little memory."""

WHOLE_BYTES = 12 * 2**20
"""Files up to this size are read whole, and up to the limit for one read those with a structure."""

KEY_BYTES = 32 * 2**10
"""A private key that a cut would go through moves into the next piece, up to this size."""

_STRUCTURED = frozenset({"notebook", "json", "kubernetes", "yaml", "terraform", "cloudformation", "dockerfile"})

_KEY_STORES = (".p12", ".pfx", ".jks", ".keystore", ".bks", ".der", ".key", ".kdbx", ".pkcs8", ".p8")

_CREDENTIAL_FILE = lazy.pattern(
    r"(?:^|/)(?:\.env(?:\.(?!example|sample|template|dist|tpl|defaults?)[\w.-]+)?|[\w-]+\.env|\.netrc|_netrc|\.pgpass|\.my\.cnf|\.npmrc|\.yarnrc(?:\.yml)?|\.pypirc|\.git-credentials|"
    r"\.htpasswd|\.dockercfg|\.docker/config\.json|\.s3cfg|\.boto|\.databrickscfg|rclone\.conf|\.terraformrc|credentials\.tfrc\.json|"
    r"\.?aws/credentials|credentials|(?:[\w-]+[-_.])?credentials?(?:[-_.][\w-]+)?\.(?:json|ya?ml|toml|ini|cfg)|client_secrets?[\w.-]*\.json|"
    r"(?:[\w-]*[-_.])?service[-_]?account[\w.-]*\.json|kaggle\.json|(?:[\w-]+[-_.])?secrets?\.(?:toml|ya?ml|json|ini|env)|\.streamlit/secrets\.toml|"
    r"\.kube/config|kubeconfig(?:\.ya?ml)?|\.?huggingface/(?:token|stored_tokens)|id_(?:rsa|dsa|ecdsa|ed25519)|\.vault-token|\.pgpass|gcloud/[\w/-]*adc\.json|"
    r"application_default_credentials\.json|\.mlflow/credentials)$",
    re.I,
)
_LOCK_FILE = lazy.pattern(
    r"(?:^|/)\.yarn/|(?:^|/)(?:package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|poetry\.lock|uv\.lock|pdm\.lock|Pipfile\.lock|Cargo\.lock|go\.sum|composer\.lock|"
    r"Gemfile\.lock|conda-lock\.yml|pixi\.lock|flake\.lock|\.terraform\.lock\.hcl|pylock(?:\.[\w-]+)?\.toml|tokenizer\.json|vocab\.json|merges\.txt)$|\.(?:min\.js|min\.css|map|svg|lock|sum|bpe)$",
    re.I,
)
_TEST_FILE = lazy.pattern(
    r"(?:^|/)(?:tests?|testing|__tests__|fixtures?|testdata|spec|mocks?)/|(?:^|/)(?:test_[^/]*|[^/]*[._-]test|[^/]*\.spec|conftest)\.\w+$",
    re.I,
)
_BARE_KINDS = frozenset(
    {
        "env",
        "ini",
        "yaml",
        "kubernetes",
        "cloudformation",
        "workflow",
        "dockerfile",
        "shell",
        "text",
        "markdown",
        "privacy",
        "config",
        "requirements",
    }
)
_CODE_SUFFIXES = (
    ".js",
    ".ts",
    ".tsx",
    ".jsx",
    ".mjs",
    ".go",
    ".java",
    ".kt",
    ".scala",
    ".rs",
    ".c",
    ".cc",
    ".cpp",
    ".h",
    ".cs",
    ".swift",
    ".rb",
    ".php",
    ".r",
    ".jl",
    ".lua",
    ".dart",
    ".vue",
    ".m",
    ".gradle",
    ".groovy",
)
_TABLES = frozenset({"csv", "tsv"})


class SecretScanner:
    """Looks for credentials in every text file, and for key stores."""

    name = "secrets"
    depends = acceptances.FILES

    def __init__(self) -> None:
        self._accepted: dict[Path, Accepted] = {}

    def plan(self, artifacts: Sequence[Artifact], settings: Mapping[str, Any]) -> Iterable[tuple[Artifact, ...]]:
        return (
            (artifact,)
            for artifact in artifacts
            if artifact.kind in TEXT_KINDS or artifact.kind in ("model", "history") or _may_be_key_store(artifact)
        )

    def scan(self, group: Sequence[Artifact], context: Context) -> Iterator[Record]:
        accepted = self._accepted.get(context.root)
        if accepted is None:
            accepted = self._accepted[context.root] = acceptances.read(context)
        for artifact in group:
            if artifact.kind == "history":
                yield from _history(context, accepted)
            elif _may_be_key_store(artifact):
                yield from _key_store(artifact, context)
            elif artifact.size > MAX_TEXT_BYTES or artifact.size > WHOLE_BYTES and _may_be_cut(artifact, context):
                yield from _in_pieces(artifact, context, accepted)
            else:
                yield from _text_file(artifact, context, accepted)
            if artifact.path in accepted.trouble:
                yield Gap(self.name, artifact.path, "unreadable", accepted.trouble[artifact.path])


def _may_be_key_store(artifact: Artifact) -> bool:
    return (
        artifact.kind not in TEXT_KINDS
        and artifact.path.lower().endswith(_KEY_STORES)
        and artifact.size <= KEY_STORE_BYTES
    )


def _key_store(artifact: Artifact, context: Context) -> Iterator[Record]:
    data = read_bytes(context, artifact.path, KEY_STORE_BYTES)
    kind = ""
    if data.startswith((b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")):
        kind = "Java key store"
    elif data.startswith(b"\x03\xd9\xa2\x9a"):
        kind = "KeePass database"
    elif re.match(rb"\x30(?:[\x00-\x7f]|\x81.|\x82..|\x83...|\x80)\x02\x01\x03\x30", data, re.S):
        kind = "PKCS #12 key store"
    elif re.match(rb"\x30(?:[\x00-\x7f]|\x81.|\x82..)\x02\x01[\x00\x01]", data, re.S):
        kind = "private key in DER"
    if kind:
        place = Location(artifact.path, byte=0, length=len(data))
        yield Detection(
            "secret/committed-private-key", "private-key", place, {"kind": kind, "name": "the file"}, anchor=kind
        )


# ---- text


def _text_file(artifact: Artifact, context: Context, accepted: Accepted) -> Iterator[Record]:
    data = read_bytes(context, artifact.path)
    if artifact.kind == "model" and b"\x00" in data[:4096]:
        return  # binary after all: the scanner of models reads it
    text = decoded(data)
    if artifact.kind == "notebook":
        yield from _notebook(artifact, text, accepted)
    else:
        yield from _plain(artifact, text, accepted)


def _may_be_cut(artifact: Artifact, context: Context) -> bool:
    if artifact.kind in _STRUCTURED:
        return False
    with open(open_path(context, artifact.path), "rb") as file:
        return file.read(2) not in (b"\xff\xfe", b"\xfe\xff")


def _in_pieces(artifact: Artifact, context: Context, accepted: Accepted) -> Iterator[Record]:
    style, first = _style(artifact), 1
    with open(open_path(context, artifact.path), "rb") as file:
        rest = b""
        while piece := file.read(PIECE_BYTES):
            rest += piece
            cut = _cut(rest)
            text, rest = rest[:cut].decode("utf-8", "replace"), rest[cut:]
            yield from _detections(artifact, text, find(text, style), accepted, first)
            first += text.count("\n")
        text = rest.decode("utf-8", "replace")
        yield from _detections(artifact, text, find(text, style), accepted, first)


def _cut(data: bytes) -> int:
    """Return where a piece may end: behind a line, and not inside a private key."""
    cut = data.rfind(b"\n") + 1 or len(data)
    begun = data.rfind(b"-----BEGIN", max(0, cut - KEY_BYTES), cut)
    if begun != -1 and data.find(b"-----END", begun, cut) == -1:
        return data.rfind(b"\n", 0, begun) + 1 or cut
    return cut


def _history(context: Context, accepted: Accepted) -> Iterator[Record]:
    from mlguard.scanners.secrets import history

    revisions = str(context.settings.get("history", ""))
    yield from history.past(context.root, revisions, lambda one, text: find(text, _style(one)), _excerpt, accepted)


_PGPASS = lazy.pattern(
    r"^[^#:\n][^:\n]{0,200}:(?:\d{1,5}|\*):[^:\n]{1,100}:[^:\n]{1,100}:(?P<value>[^\s\n]{4,200})$", re.M
)
"""host:port:database:user:password. https://www.postgresql.org/docs/current/libpq-pgpass.html"""


MINIFIED_BYTES = 20_000
"""Code below this size is searched as written by people."""

MINIFIED_LINE = 1_000
"""Characters that the lines of a file of code have on average when a program wrote them."""

_SHIPPED = (".js", ".mjs", ".cjs", ".css", ".html")


def _is_minified(path: str, text: str) -> bool:
    return (
        len(text) > MINIFIED_BYTES and path.lower().endswith(_SHIPPED) and text.count("\n") * MINIFIED_LINE < len(text)
    )


def _style(artifact: Artifact, text: str = "") -> Style:
    path, kind = artifact.path, artifact.kind
    name = PurePosixPath(path).name.lower()
    code = name.endswith(_CODE_SUFFIXES)
    return Style(
        pairs=kind not in _TABLES and not _LOCK_FILE.search(path),
        bare=(kind in _BARE_KINDS and not code) or name in ("credentials", "config"),
        spaces=name in (".netrc", "_netrc", ".git-credentials") or kind == "dockerfile",
        test=bool(_TEST_FILE.search(path)),
        minified=_is_minified(path, text),
    )


def _plain(artifact: Artifact, text: str, accepted: Accepted) -> Iterator[Record]:
    from mlguard.scanners.secrets import terraform

    special: list[tuple[Hit, str]] = []
    trouble: Unreadable | None = None
    if artifact.kind in ("kubernetes", "yaml", "json"):
        from mlguard.scanners.secrets import kubernetes  # loads a YAML library

        try:
            for entry in kubernetes.entries(text) if kubernetes.has_secret(text) else ():
                special.append((Hit(entry.start, entry.end, "value of a Secret", entry.key), entry.secret))
        except Unreadable as error:
            trouble = error
        sealed = list(kubernetes.sealed(text))
    else:
        sealed = []
    if terraform.is_state(artifact.path):
        try:
            special += [
                (Hit(start, end, "secret value of the state", name), "")
                for start, end, name in terraform.state_values(text)
            ]
        except Unreadable as error:
            trouble = error
    if artifact.kind == "terraform":
        special += [
            (Hit(start, end, "default of a secret variable", name), "") for start, end, name in terraform.defaults(text)
        ]
    if artifact.path.endswith("pgpass"):
        special += [(Hit(*match.span("value"), "database password"), "") for match in _PGPASS.finditer(text)]
    if artifact.kind == "dockerfile":
        yield from _copied(artifact, text)
    taken = [hit for hit, _ in special]
    hits = [
        hit
        for hit in find(text, _style(artifact, text))
        if all(hit.end <= other.start or other.end <= hit.start for other in taken)
        and not any(start <= hit.start < end for start, end in sealed)
    ]
    scopes = {(hit.start, hit.end): scope for hit, scope in special}
    yield from _detections(artifact, text, sorted([*hits, *taken], key=lambda hit: hit.start), accepted, 1, scopes)
    if trouble is not None:
        raise trouble


def _detections(
    artifact: Artifact,
    text: str,
    hits: Sequence[Hit],
    accepted: Accepted,
    first: int = 1,
    scopes: Mapping[tuple[int, int], str] | None = None,
) -> Iterator[Record]:
    if not hits:
        return
    lines = Lines(text)
    for hit in hits:
        line, column = lines.place(hit.start)
        end_line, end_column = lines.place(hit.end)
        place = Location(
            artifact.path, line + first - 1, column, end_line + first - 1 if end_line != line else 0, end_column
        )
        scope = (scopes or {}).get((hit.start, hit.end), "")
        aside = accepted.aside(artifact.path, place.line, text, hit.start, hit.end) if accepted else None
        rule = _rule(artifact, hit, text)
        yield _detection(rule, hit, place, _excerpt(lines, line, hits), _check(rule, hit, place, text), scope, aside)


def _detection(
    rule: str, hit: Hit, place: Location, excerpt: str, check: str, scope: str = "", aside: Aside | None = None
) -> Detection:
    facts = {"kind": hit.kind, "name": hit.name or "the text"}
    return Detection(
        rule, check, place, facts, scope=scope, anchor=f"{hit.kind} {hit.name}", excerpt=(excerpt,), aside=aside
    )


_CHECKS = {
    "secret/plaintext-kubernetes-secret": "manifest",
    "secret/tracked-credential-file": "credential-file",
    "secret/credential-in-ml-artifact": "credential",
}
_INTO_ENVIRONMENT = lazy.pattern(
    r"\benviron(?:\[[^\[\]\n]{1,80}\]\s{0,4}=|\.(?:setdefault|update|__setitem__)\([^()\n]{1,80}[,:])[^\n]{0,20}$|\bputenv\([^()\n]{1,80},[^\n]{0,10}$"
)
_INTO_CALL = lazy.pattern(r"\w\s{0,2}\([^()\n]{0,200}$")


def _check(rule: str, hit: Hit, place: Location, text: str) -> str:
    if rule == "secret/committed-private-key":
        return "encrypted-private-key" if hit.kind.startswith("encrypted ") else "private-key"
    if rule == "secret/committed-terraform-secrets":
        return "variables" if place.path.endswith((".tfvars", ".tfvars.json")) else "state"
    if rule == "secret/credential-in-notebook":
        return "output" if "output" in place.within else "cell"
    if rule == "secret/exposed-ml-service-token":
        low = max(0, hit.start - 250)
        left = text[text.rfind("\n", low, hit.start) + 1 or low : hit.start]
        if _INTO_ENVIRONMENT.search(left):
            return "token-in-environ"
        return "token-in-call" if place.path.endswith((".py", ".pyi")) and _INTO_CALL.search(left) else "token"
    return _CHECKS.get(rule, "default-secret" if hit.fallback else "value")


def _rule(artifact: Artifact, hit: Hit, text: str) -> str:
    from mlguard.scanners.secrets import terraform

    if hit.kind == "value of a Secret":
        return "secret/plaintext-kubernetes-secret"
    if terraform.is_state(artifact.path) or terraform.is_variables(artifact.path):
        return "secret/committed-terraform-secrets"
    if hit.private_key:
        return "secret/committed-private-key"
    if artifact.kind == "notebook":
        return "secret/credential-in-notebook"
    if artifact.kind == "dockerfile":
        return "secret/credential-in-dockerfile"
    if not hit.ml and _is_ml_artifact(artifact, text):
        return "secret/credential-in-ml-artifact"
    if _CREDENTIAL_FILE.search(artifact.path) or artifact.kind == "env" and not _is_sample(artifact.path):
        return "secret/tracked-credential-file"
    if artifact.kind == "kubernetes" and hit.name and hit.kind in _BY_NAME and not hit.ml:
        return "secret/plaintext-kubernetes-secret"
    return "secret/exposed-ml-service-token" if hit.ml else "secret/hardcoded-credential"


_DATA_KINDS = frozenset({"csv", "tsv", "jsonl"})
_RUN_PARAMETER = lazy.pattern(r"(?:^|/)mlruns/.+/(?:params|tags)/[^/]+$")
_OF_MODEL = lazy.pattern(
    r'"(?:model_type|architectures|auto_map|_class_name|chat_template|peft_type|tokenizer_class|added_tokens)"\s*:'
)


def _is_ml_artifact(artifact: Artifact, text: str) -> bool:
    """Say whether a file is data, describes a model, or is a parameter of a run; a config.json may be that of any program."""
    if artifact.kind == "model-text":
        return not artifact.path.endswith(("config.json", "configuration.json")) or bool(_OF_MODEL.search(text))
    return artifact.kind in _DATA_KINDS or bool(_RUN_PARAMETER.search(artifact.path))


_BY_NAME = frozenset({"password", "secret", "access token", "API key", "key", "database password in a URL"})
"""Kinds of credentials that are known by what they are called, not by the format of a vendor."""


def _is_sample(path: str) -> bool:
    return bool(re.search(r"(?i)(?:example|sample|template|dist|tpl|defaults?)(?:\.\w+)?$", path))


def _excerpt(lines: Lines, number: int, hits: Iterable[Hit]) -> str:
    """Return the line fit to show, with every value that was found in it replaced."""
    start, line = lines.line(number)
    end = start + len(line)
    for hit in sorted(hits, key=lambda hit: -hit.start):
        if hit.start < end and hit.end > start:
            low, high = max(hit.start - start, 0), min(hit.end - start, len(line))
            line = line[:low] + redact.MASK + line[high:]
    return redact.excerpt(line[:2000])


# ---- Dockerfiles

_COPIED = lazy.pattern(r"^[ \t]*(?:COPY|ADD)[ \t]+(?P<arguments>[^\n#]+)$", re.I | re.M)
_COPIED_FILE = lazy.pattern(
    r"(?:^|/)(?:\.env(?:\.(?!example|sample|template|dist)[\w.-]+)?|\.netrc|\.aws(?:/credentials|/)?|\.ssh/?|\.pgpass|\.pypirc|\.npmrc|\.git-credentials|kaggle\.json|"
    r"\.kaggle/?|\.huggingface(?:/token|/)?|application_default_credentials\.json|id_(?:rsa|dsa|ecdsa|ed25519)|credentials\.json|[\w-]*service[-_]?account[\w-]*\.json|\.kube/?(?:config)?|\.docker/config\.json|\.databrickscfg|client_secrets?\.json|[\w.-]+\.(?:pem|p12|pfx|jks))$",
    re.I,
)


def _copied(artifact: Artifact, text: str) -> Iterator[Record]:
    """Yield a detection for each COPY or ADD that takes a credential file into the image."""
    for match in _COPIED.finditer(text):
        words = [word.strip("\"',[]") for word in match.group("arguments").split()]
        sources = [word for word in words if word and not word.startswith("--")][:-1]
        if any(word.startswith("--from=") for word in words):
            continue  # from another stage or image
        for source in sources:
            if _COPIED_FILE.search(source):
                line = text.count("\n", 0, match.start()) + 1
                column = match.group().find(source) + 1
                place = Location(artifact.path, line, column, 0, column + len(source))
                facts = {"kind": "credential file", "name": source}
                yield Detection("secret/credential-in-dockerfile", "copy", place, facts, anchor=f"copy {source}")


# ---- notebooks


def _notebook(artifact: Artifact, text: str, accepted: Accepted) -> Iterator[Record]:
    from mlguard.scanners import notebook

    style = _style(artifact)
    prose = replace(style, bare=True)
    try:
        cells = notebook.read(text)
    except Unreadable:
        yield from _detections(artifact, text, find(text, style), accepted)
        raise
    seen: set[tuple[str, int]] = set()
    for cell in cells:
        lines = Lines(cell.source)
        hits = find(cell.source, style if cell.kind == "code" else prose)
        for hit in hits:
            row, column = lines.place(hit.start)
            end_row, end_column = lines.place(hit.end)
            line, at = notebook.file_place(cell, row, column)
            end_line, end_at = notebook.file_place(cell, end_row, end_column)
            place = Location(
                artifact.path, line, at, end_line if end_line != line else 0, end_at, within=f"cell {cell.index}"
            )
            seen |= {(hit.kind, number) for number in range(line, end_line + 1)}
            yield _of_notebook(artifact, hit, place, lines, row, hits, accepted)
        for output in cell.outputs:
            lines = Lines(output.text)
            hits = find(output.text, style)
            reported: set[tuple[str, str, int]] = set()
            for hit in hits:
                row, _ = lines.place(hit.start)
                line = output.lines[min(row, len(output.lines)) - 1]
                seen.add((hit.kind, line))
                if (hit.kind, hit.name, line) in reported:
                    continue
                reported.add((hit.kind, hit.name, line))
                place = Location(artifact.path, line, within=f"cell {cell.index}, output {output.index}")
                yield _of_notebook(artifact, hit, place, lines, row, hits, accepted)
    yield from _around_cells(artifact, text, seen, accepted)


def _of_notebook(
    artifact: Artifact, hit: Hit, place: Location, lines: Lines, row: int, hits: Sequence[Hit], accepted: Accepted
) -> Detection:
    rule = _rule(artifact, hit, lines.text)
    aside = accepted.aside(artifact.path, place.line, lines.text, hit.start, hit.end) if accepted else None
    check = _check(rule, hit, place, lines.text)
    return _detection(rule, hit, place, _excerpt(lines, row, hits), check, aside=aside)


def _around_cells(artifact: Artifact, text: str, seen: set[tuple[str, int]], accepted: Accepted) -> Iterator[Record]:
    """Yield tokens of a vendor's format in metadata and attachments, which no cell or output holds."""
    lines = Lines(text)
    hits = find(text, Style(pairs=False))
    for hit in hits:
        line, column = lines.place(hit.start)
        end_line, end_column = lines.place(hit.end)
        if not any((hit.kind, number) in seen for number in range(line, end_line + 1)):
            place = Location(
                artifact.path, line, column, end_line if end_line != line else 0, end_column, within="metadata"
            )
            yield _of_notebook(artifact, hit, place, lines, line, hits, accepted)
