"""Models that a script downloads without saying which revision, or without comparing what came with a digest."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mlguard.scanners import lazy
from mlguard.scanners.infra.shell import Command, commands, effective

MAX_CODE = 100_000
"""Characters of Python code in a script that are looked at."""


class Fetch(NamedTuple):
    """A download of a model: what is wrong with it, and the offsets of the text that does it."""

    why: str
    start: int
    end: int


_COMMIT = lazy.pattern(r"^[0-9a-f]{40}$")
_WEIGHTS = lazy.pattern(
    r"(?i)\.(?:pt|pth|ckpt|safetensors|gguf|ggml|onnx|pkl|pickle|joblib|h5|hdf5|keras|tflite|pb|bin|mar|nemo|engine|npz)(?:\?\S*)?$"
)
_HUB = lazy.pattern(r"^https?://(?:huggingface\.co|hf\.co|hf-mirror\.com)/([\w.-]+/[\w.-]+)")
_HUB_FILE = lazy.pattern(r"^https?://(?:huggingface\.co|hf\.co|hf-mirror\.com)/[\w.-]+/[\w.-]+/resolve/([^/]+)/")
_DOWNLOADERS = frozenset({"curl", "wget", "wget2", "aria2c"})
CHECKS = frozenset(
    {
        "sha256sum",
        "sha512sum",
        "shasum",
        "b2sum",
        "b3sum",
        "cosign",
        "gpg",
        "gpgv",
        "openssl",
        "minisign",
        "model_signing",
    }
)
_LOADS = lazy.pattern(
    r"\b(?P<name>\w+\.from_pretrained|from_pretrained|snapshot_download|hf_hub_download|SentenceTransformer|CrossEncoder|pipeline|torch\.hub\.load|hub\.load|load_dataset_builder)\s*\("
)
_FIRST_MODELS = lazy.pattern(
    r"^(?:distil)?(?:bert|gpt2|roberta)(?:-(?:base|large|medium|xl))?(?:-(?:un)?cased|-multilingual-cased)?(?:-distilled-squad)?$|^(?:al|xlm-ro|debe)bert[a-z]*-(?:base|large)[\w-]*$|^t5-(?:small|base|large|3b|11b)$|^(?:facebook-)?(?:xlnet|electra)-[\w-]+$"
)
"""Models of the hub's first days, whose names have no owner."""
_TRUSTS = lazy.pattern(r"\btrust_remote_code\s*=\s*True\b")
_REVISION = lazy.pattern(r"\brevision\s*=\s*['\"][0-9a-f]{40}['\"]|\brevision\s*=\s*(?!['\"])[\w.\[\]'\"]+")
_REPOSITORY = lazy.pattern(r"^\s*(?:(?:repo_id|model|model_name_or_path|pretrained_model_name_or_path|repo_or_dir)\s*=\s*)?f?['\"](?P<id>[\w.-]+(?:/[\w.:-]+)?)['\"]|\b(?:model|repo_id)\s*=\s*['\"](?P<named>[\w.-]+/[\w.-]+)['\"]")  # fmt: skip


def model_fetches(text: str) -> Iterator[Fetch]:
    """Yield the downloads of models in a shell script, Python code in ``-c`` included."""
    found = commands(text)
    checked = any(command.program in CHECKS for command in found)
    pinned = any(_COMMIT.match(word) for command in found if "checkout" in command.words for word in command.words)
    for command in found:
        why = _fetched(command, checked, pinned)
        if why:
            yield Fetch(why, command.start, command.end)
        code = _code(command)
        if code:
            for one in code_fetches(code):
                yield Fetch(one.why, command.start, command.end)


def code_fetches(code: str) -> Iterator[Fetch]:
    """Yield the loads of models in Python code, with offsets in it."""
    code = code[:MAX_CODE]
    for match in _LOADS.finditer(code):
        arguments = code[match.end() : _closing(code, match.end())]
        repository = _REPOSITORY.search(arguments)
        name = (repository["id"] or repository["named"]) if repository else ""
        hub = match["name"].endswith("hub.load")
        short = "/" not in name and match["name"] != "SentenceTransformer" and not _FIRST_MODELS.match(name)
        if not name or short or _REVISION.search(arguments):
            continue
        if name.startswith(("./", "../")) or (hub and ":" in name and _COMMIT.match(name.partition(":")[2])):
            continue
        yield Fetch("loads a model without the hash of a commit", match.start(), match.end())
    for match in _TRUSTS.finditer(code):
        yield Fetch("runs code that comes with the model (trust_remote_code)", match.start(), match.end())


def _closing(code: str, at: int) -> int:
    depth = 1
    for end in range(at, min(len(code), at + 2_000)):
        depth += {"(": 1, ")": -1}.get(code[end], 0)
        if depth == 0:
            return end
    return min(len(code), at + 2_000)


def _code(command: Command) -> str:
    """Return the Python code that a command runs by ``-c``, or ""."""
    words = effective(command.words)
    if not words or not re.match(r"^python[\d.]*$", words[0].rsplit("/", 1)[-1]) or "-c" not in words[:-1]:
        return ""
    return words[words.index("-c") + 1]


def _fetched(command: Command, checked: bool, pinned: bool) -> str:
    words = effective(command.words)
    if not words:
        return ""
    program, rest = command.program, words[1:]
    if program in ("uvx", "uv", "pipx", "python", "python3") and any(one in ("hf", "huggingface-cli") for one in rest):
        at = next(index for index, one in enumerate(rest) if one in ("hf", "huggingface-cli"))
        program, rest = rest[at], rest[at + 1 :]
    if program in ("hf", "huggingface-cli") and rest[:1] == ("download",):
        return _from_hub(rest[1:])
    if program == "git" and "clone" in rest and any(_HUB.match(word) for word in rest):
        return "" if pinned else "clones a model and checks out no commit"
    if program == "ollama" and rest[:1] == ("pull",) and len(rest) > 1:
        return "" if "@sha256:" in rest[1] or "$" in rest[1] else "pulls a model by a tag that can move"
    if program in _DOWNLOADERS and not checked:
        return next((why for word in rest if (why := _from_url(word))), "")
    return "downloads a model whose digest nothing compares" if program == "gdown" and not checked else ""


def _from_hub(rest: Sequence[str]) -> str:
    named = [word for word in rest if not word.startswith("-")]
    kind = next((rest[i + 1] for i, word in enumerate(rest[:-1]) if word == "--repo-type"), "model")
    revision = next((rest[i + 1] for i, word in enumerate(rest[:-1]) if word == "--revision"), "")
    revision = revision or next((word.partition("=")[2] for word in rest if word.startswith("--revision=")), "")
    if not named or kind != "model" or "$" in revision or _COMMIT.match(revision):
        return ""
    return "downloads a model without the hash of a commit"


def _from_url(word: str) -> str:
    match = _HUB_FILE.match(word)
    if match:
        return "" if _COMMIT.match(match[1]) or "$" in match[1] else "downloads a model from a branch that moves"
    is_weights = re.match(r"^https?://", word) and _WEIGHTS.search(word)
    return "downloads a model whose digest nothing compares" if is_weights else ""


def is_weights(path: str) -> bool:
    """Say whether a file's name is that of a model's weights."""
    return _WEIGHTS.search(path) is not None and not path.endswith((".pb.go", "requirements.bin"))
