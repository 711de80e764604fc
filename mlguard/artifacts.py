"""What a file is, by its first bytes first and its name second."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from mlguard import lazy
from mlguard.values import dataclass

HEAD_BYTES = 64 * 2**10
"""How much of a file is looked at to tell its kind."""

TEXT_KINDS = frozenset(
    {
        "python", "notebook", "requirements", "pyproject", "pylock", "csv", "tsv", "jsonl", "json", "text", "markdown",
        "terraform", "kubernetes", "cloudformation", "plan", "dockerfile", "workflow", "yaml", "toml", "shell", "ini", "env", "sql", "html", "xml",
        "lfs-pointer", "dvc-pointer", "privacy", "config", "model-text", "eml", "mbox", "vcf", "ics", "har",
    }
)  # fmt: skip
"""``model-text`` is text that describes a model or is one: configurations of hubs, templates, PMML, boosters in JSON."""

SHOWN_KINDS = frozenset(
    {
        "python", "notebook", "requirements", "pyproject", "pylock", "terraform", "kubernetes", "cloudformation", "dockerfile", "workflow",
        "yaml", "toml", "shell", "ini", "env", "privacy", "config",
    }
)  # fmt: skip
"""Text kinds whose lines may be shown, masked. A line of data or prose never is: no mask knows every name in it."""

OUTSIDE_KINDS = frozenset({"image", "font", "audio", "video", "empty"})
"""Kinds that no scanner claims to read and whose absence from the findings says nothing."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of the scanned tree: ``path`` is POSIX and relative to the root, ``size`` in bytes."""

    path: str
    kind: str
    size: int


_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PAR1", "parquet"),
    (b"\x93NUMPY", "npy"),
    (b"GGUF", "gguf"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"SQLite format 3\x00", "sqlite"),
    (b"Obj\x01", "avro"),
    (b"ORC", "orc"),
    (b"ARROW1", "arrow"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"%PDF-", "pdf"),
    (b"\x89PNG\r\n\x1a\n", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF8", "image"),
    (b"II*\x00", "image"),
    (b"MM\x00*", "image"),
    (b"\x00\x00\x01\x00", "image"),
    (b"wOF2", "font"),
    (b"wOFF", "font"),
    (b"OTTO", "font"),
    (b"\x00\x01\x00\x00\x00", "font"),
    (b"ID3", "audio"),
    (b"OggS", "audio"),
    (b"fLaC", "audio"),
    (b"\x1aE\xdf\xa3", "video"),
    (b"\x7fELF", "executable"),
    (b"MZ", "executable"),
    (b"\xcf\xfa\xed\xfe", "executable"),
    (b"\xca\xfe\xba\xbe", "executable"),
)

_SUFFIXES: dict[str, str] = {
    ".py": "python", ".pyi": "python", ".pyw": "python", ".ipynb": "notebook",
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json",
    ".tf": "terraform", ".tfvars": "terraform", ".tofu": "terraform", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml",
    ".md": "markdown", ".markdown": "markdown", ".rst": "text", ".txt": "text", ".log": "text",
    ".sh": "shell", ".bash": "shell", ".zsh": "shell", ".ini": "ini", ".cfg": "ini", ".conf": "ini",
    ".properties": "ini", ".env": "env", ".sql": "sql", ".html": "html", ".htm": "html", ".xml": "xml", ".svg": "xml",
    ".xhtml": "html", ".gpx": "xml", ".kml": "xml", ".rss": "xml", ".atom": "xml", ".xlf": "xml", ".xliff": "xml", ".tmx": "xml",
    ".eml": "eml", ".mbox": "mbox", ".vcf": "vcf", ".ics": "ics", ".har": "har",
}  # fmt: skip

_MODEL_SUFFIXES = frozenset(
    {
        ".pkl", ".pickle", ".p", ".pckl", ".pk", ".sav", ".joblib", ".jbl", ".pt", ".pth", ".pt2", ".ptl", ".bin", ".ckpt", ".dill",
        ".cloudpickle", ".model", ".mdl", ".npy", ".npz", ".safetensors", ".onnx", ".gguf", ".h5", ".keras", ".nemo", ".mar", ".skops",
        ".tflite", ".llamafile",
    }
)  # fmt: skip

_MODEL_TEXT_SUFFIXES = frozenset({".json", ".xml", ".pmml", ".txt", ".lgb", ""})
MODEL_TEXT_BYTES = 16 * 2**10
"""How much of a text is searched for the words of a model's configuration."""

_GRAPH_SUFFIXES = frozenset({".onnx", ".mlmodel", ".pdmodel"})
"""Formats without a magic number, whose first bytes may be text."""

_REQUIREMENTS = lazy.pattern(r"(?:requirements|constraints)[^/]*\.(?:txt|in)$|^requirements/[^/]+\.(?:txt|in)$", re.I)
# Protocol 0: perhaps some marks and strings, then an import written as module and name on lines of their own.
_TEXT_PICKLE = lazy.pattern(
    rb"\A(?:[(\]})l0tdN.]|[SVIFL][^\n]*+\n|p\d+\n)*+[ci][A-Za-z_][\w.]*\n[A-Za-z_][\w.]*\n"
    rb"(?:[(\]})0.]|p\d+\n|q[^a-z]|S['\"]|[IFL]-?\d)"
)
# The same where strings that are thrown away fill all that is seen of the file.
_TEXT_PICKLE_FILLED = lazy.pattern(rb"\A(?:[(\]})0N]|V[^\n]*+\n0)*+V[^\n]*+\Z")
_DOCKERFILE = lazy.pattern(r"^(?:Dockerfile|Containerfile)(?:[._-].+)?$|\.(?:dockerfile|containerfile)$", re.I)
_WORKFLOW = lazy.pattern(r"(?:^|/)\.github/workflows/[^/]+\.ya?ml$")
_MODEL_TEXT_NAME = lazy.pattern(
    r"(?:^|/)(?:MLmodel|(?:config|modules|tokenizer(?:_config)?|special_tokens_map)\.json|(?:adapter|generation|processor|(?:video_)?preprocessor)_config\.json|(?:config_sentence_transformers|genai_config|router_config|configuration)\.json"
    r"|(?:modular_)?model_index\.json|chat_templates?\.json|[^/]+\.safetensors\.index\.json|[^/]+\.(?:jinja|jinja2|pmml|pbtxt|[rR]ds|RDS|[rR]da|RDA|[rR][dD]ata|msgpack|mpk|ubj|cbm|tflite|pte|ptd)|\.z(?:array|attrs|metadata)|zarr\.json|[^/]+-symbol\.json|(?:model_config|hyperparams)\.ya?ml)$"
)
_MODEL_TEXT = lazy.pattern(
    rb'\A\s*\{[^\0]*?(?:"(?:auto_map|architectures|model_type|chat_template|_class_name|peft_type|__metadata__|weight_map|base_code|irVersion)"\s*:'
    rb'|"class_name"\s*:\s*"(?:Sequential|Functional|Model|Lambda)"|"module"\s*:\s*"[\w.]*"\s*,\s*"class_name"\s*:|"learner"\s*:\s*\{|"arg_nodes"\s*:|"format"\s*:\s*"(?:graph|layers)-model")'
    rb"|\A\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--(?:(?!-->).)*+-->\s*+|<!DOCTYPE[^<]*+(?:<![^<]*+)*+\s*+)*+<(?:PMML\b|net\s+[^>]*\bversion=)"
    rb"|\Atree\r?\nversion=v\d|\A(?:RDA[23]\n)?A\n[23]\n\d+\n\d+\n",
    re.S,
)
_KUBERNETES = lazy.pattern(rb"(?:^|[{,])[ \t]*\"?apiVersion\"?\s*:", re.M)
_KIND = lazy.pattern(rb"(?:^|[{,])[ \t]*\"?kind\"?\s*:", re.M)
_STACK = lazy.pattern(
    rb"(?:^|[{,])[ \t]*[\"']?(?:AWSTemplateFormatVersion[\"']?\s*:|Transform[\"']?\s*:[^{}]{0,200}?AWS::|Type[\"']?\s*:\s*[\"']?(?:AWS|Custom|Alexa)::\w)",
    re.M,
)
_PLAN = lazy.pattern(
    rb'\A\s*+\{\s*+"(?:format_version"\s*+:\s*+"[\d.]++"\s*+,\s*+"terraform_version"\s*+:\s*+"[^"]*+"\s*+,\s*+'
    rb'"(?!values")|(?:applyable|complete)"\s*+:\s*+(?:true|false)\s*+,\s*+"(?:complete|configuration)"'
    rb'|configuration"\s*+:\s*+\{\s*+"(?:provider_config|root_module)")'
)
"""How ``terraform show -json`` begins for a plan, also with its keys sorted; a state has ``values`` there."""
_PLAN_SUFFIXES = frozenset({".json", ".tfplan", ".plan", ".out", ""})
_STACK_TOP = lazy.pattern(
    rb'^(?:AWSTemplateFormatVersion|Resources)[ \t]*:|\A\s*\{[^{}]{0,300}?"AWSTemplateFormatVersion"', re.M
)
_STACK_SUFFIXES = frozenset({".yaml", ".yml", ".json", ".template", ".cform", ".cfn", ".cf", ""})


def regular(path: Path) -> int:
    """Return the size in bytes of a regular file. Raises OSError for everything else, without opening it."""
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError("not a regular file")
    return status.st_size


def read_head(path: Path) -> bytes:
    """Return the first HEAD_BYTES bytes. Raises OSError."""
    with open(path, "rb") as file:
        return file.read(HEAD_BYTES)


def kind_of(path: str, head: bytes) -> str:
    """Return the kind of the file whose relative path is ``path`` and whose first HEAD_BYTES bytes are ``head``."""
    if not head:
        return "empty"
    kind = _binary_kind(path, head)
    if kind in OUTSIDE_KINDS and _poses(path, head):
        kind = "model" if _suffix(path) in _MODEL_SUFFIXES else ""
    return kind or _text_kind(path, head)


def _poses(path: str, head: bytes) -> bool:
    """Say whether a file only begins like a picture, font, sound or film, which nobody looks into."""
    suffix = _suffix(path)
    return (
        suffix in _MODEL_SUFFIXES
        or suffix in _SUFFIXES
        or _is_text(head)
        or bool(_DOCKERFILE.search(path.rsplit("/", 1)[-1]))
    )


def _binary_kind(path: str, head: bytes) -> str:
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        return "lfs-pointer"
    for magic, kind in _MAGIC:
        if head.startswith(magic) and not (kind in {"executable", "orc", "audio"} and _is_text(head)):
            return kind
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if len(head) > 262 and head[257:262] == b"ustar":
        return "tar"
    if head[0] == 0x80 and len(head) > 1 and head[1] <= 5:
        return "pickle"
    if head[4:8] == b"ftyp":
        return "image" if head[8:11] in (b"hei", b"hev", b"mif", b"avi", b"msf") else "video"
    if head[:4] == b"RIFF":
        return {b"WEBP": "image", b"WAVE": "audio"}.get(head[8:12], "video")
    if head[:4] == b"\xff\xff\xff\xff" and head[8:12] == b"\x10\0\0\0" and head[6:8] == b"\0\0":
        return "arrow"  # a stream begins with the length of its schema, a table of FlatBuffers
    if _is_safetensors(head):
        return "safetensors"
    if _is_text(head) or _suffix(path) in (".py", ".pyi", ".pyw"):
        return ""  # a module with a stray byte is still a module, and its scanner says what is wrong
    if _suffix(path) in _MODEL_SUFFIXES:
        return "model"
    if head[0] in (0x78, 0x5D) and len(head) > 1:
        return "model"  # a zlib or lzma-alone stream, as joblib writes them
    if _suffix(path) == ".onnx":
        return "onnx"
    return "binary"


def _is_safetensors(head: bytes) -> bool:
    if len(head) < 10 or head[8:9] != b"{":
        return False
    return 2 <= int.from_bytes(head[:8], "little") <= 100_000_000 and head[9:10] in b'"}\n '


_CONTROLS = lazy.pattern(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_LOW_CONTROLS = lazy.pattern(rb"[\x00-\x08\x0e-\x1a]")


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return True
    return b"\x00" not in head and _CONTROLS.search(head, 0, 4096) is None


def _holds_controls(head: bytes) -> bool:
    return _LOW_CONTROLS.search(head) is not None


def _suffix(path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    return "." + name.rsplit(".", 1)[-1].lower() if "." in name else ""


def _text_kind(path: str, head: bytes) -> str:
    name = path.rsplit("/", 1)[-1]
    suffix = _suffix(path)
    if suffix == ".pth" and re.search(rb"^import[ \t]", head, re.M):
        return "python"  # the interpreter runs such lines of a .pth file when it starts
    if suffix in _MODEL_SUFFIXES or (suffix != ".py" and _spells_pickle(head)):
        return "model"  # protocol 0 of pickle is text, and a loader asks for no name
    if suffix in _GRAPH_SUFFIXES or suffix == ".pb" and _holds_controls(head):
        return "model"
    if name.lower() == "privacy.yaml":
        return "privacy"
    if name in ("mlguard.yaml", "mlguard.yml"):
        return "config"
    if name.startswith("pylock.") and suffix == ".toml" or name == "pylock.toml":
        return "pylock"
    if name == "pyproject.toml":
        return "pyproject"
    if _REQUIREMENTS.search(path) or _REQUIREMENTS.search(name):
        return "requirements"
    if _DOCKERFILE.search(name):
        return "dockerfile"
    if _WORKFLOW.search(path):
        return "workflow"
    if suffix == ".dvc":
        return "dvc-pointer"
    if name == ".env" or name.startswith(".env."):
        return "env"
    if suffix in _PLAN_SUFFIXES and _PLAN.match(_narrow(head[:4096])):
        return "plan"
    plain = _narrow(head)
    stack = suffix in _STACK_SUFFIXES and b"AWS" in plain and _is_stack(plain)
    if stack and _STACK_TOP.search(plain):
        return "cloudformation"  # with a manifest inside it, perhaps
    if suffix in (".yaml", ".yml", ".json") and _KUBERNETES.search(head) and _KIND.search(head):
        return "kubernetes"
    if stack:
        return "cloudformation"
    if (
        _MODEL_TEXT_NAME.search(path)
        or suffix in _MODEL_TEXT_SUFFIXES
        and _MODEL_TEXT.match(_narrow(head[:MODEL_TEXT_BYTES]))
    ):
        return "model-text"
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    return _shebang_kind(head)


def _is_stack(head: bytes) -> bool:
    """Say whether this is a template of CloudFormation: it declares itself as one, or has resources of its types."""
    if b"AWSTemplateFormatVersion" in head or b"AWS::Serverless" in head or b"Resources" in head:
        return _STACK.search(head) is not None
    return False


def _narrow(head: bytes) -> bytes:
    """Return text without its byte order mark, and UTF-16 without the bytes that plain words do not need."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head[2:].replace(b"\0", b"")
    return head.removeprefix(b"\xef\xbb\xbf")


def _spells_pickle(head: bytes) -> bool:
    return bool(_TEXT_PICKLE.match(head) or len(head) >= HEAD_BYTES and _TEXT_PICKLE_FILLED.match(head))


def _shebang_kind(head: bytes) -> str:
    if head.startswith(b"#!"):
        line = head.split(b"\n", 1)[0]
        if b"python" in line:
            return "python"
        if re.search(rb"/(?:ba|z|k|da)?sh\b|env (?:ba|z)?sh", line):
            return "shell"
    if head.lstrip()[:1] == b"{" and b'"cells"' in head and b'"nbformat' in head:
        return "notebook"
    return "text"
