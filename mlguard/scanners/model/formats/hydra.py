"""Judges configurations that name what is built from them: ``_target_`` of Hydra and NeMo, in YAML or JSON.

Format: https://hydra.cc/docs/advanced/instantiate_objects/overview/ (``_target_`` is imported and called with its siblings),
nemo/core/classes/common.py (``target`` of model_config.yaml is the class of the model), jsonargparse (``class_path``,
``init_args``), OmegaConf's resolvers (``${oc.env:NAME}``). A tag ``!!python/…`` makes YAML's unsafe loaders run code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator

from mlguard.errors import Unreadable
from mlguard.scanners.model import names, texts
from mlguard.scanners.model.formats.operators import leaves
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, State
from mlguard.scanners.model.values import DANGEROUS, UNKNOWN, clean_name
from mlguard.scanners.model.yamlpairs import MAX_PAIRS, MAX_YAML_BYTES, Pair, Path, pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlguard.findings import Record

MAX_PATH = 8
"""Keys of a place in JSON that are kept, the innermost."""

MAX_TEXTS = 20_000
"""Texts of one configuration that are handed on for what texts show."""

_TARGETS = frozenset({"_target_", "class_path", "_class_", "_call_"})
_TARGETS_OF_MODELS = frozenset(
    {"target", "cls", "_target"}
)  # keys that others use for other things: only dotted names count
_KNOWN = frozenset(
    {
        "nemo", "nemo_text_processing", "torch", "torchvision", "torchaudio", "torchmetrics", "pytorch_lightning", "lightning",
        "lightning_fabric", "omegaconf", "hydra", "megatron", "apex", "transformers", "diffusers", "timm", "peft", "sklearn", "xgboost",
        "lightgbm", "catboost", "numpy", "monai", "segmentation_models_pytorch", "albumentations", "transformer_engine", "bitsandbytes",
        "datasets", "tokenizers", "accelerate", "deepspeed", "sentence_transformers", "torch_geometric", "speechbrain", "espnet2",
        "detectron2", "mmdet", "mmcv", "mmengine", "kornia", "einops", "gymnasium", "stable_baselines3",
    }
)  # fmt: skip
"""Roots of which a class is what a configuration is for. The policy for globals has the first word on what is dangerous."""

_BUILDERS = re.compile(
    r"(?:pytorch_lightning|lightning\.pytorch|lightning\.fabric|lightning_fabric)\.(?:loggers|strategies|profilers|plugins)(?:\.|$)"
)
"""Parts of a training set-up, which a configuration may name and a pickle may not."""

_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+\Z", re.A)
_CLASS = re.compile(r"_?[A-Z]\w*\Z", re.A)
_SHELL = re.compile(
    r"(?:^|[;&|`(]\s*)(?:/[\w/]+/)?(?:sh|bash|zsh|curl|wget|nc|ncat|powershell(?:\.exe)?|cmd(?:\.exe)?|chmod|rm)\s+[-/\"'$\w]"
    r"|\$\(|&&|\|\s*(?:ba)?sh\b|/dev/tcp/"
)
_CODE = re.compile(
    r"__import__|\bimport\s+\w+|\b(?:exec|eval|compile|getattr|globals)\s*\(|\bos\.\w+\(|\bsubprocess\b|lambda\s*[\w,]*:"
)
_URL = re.compile(r"\s*(?:https?|ftp|file|s3|gs|ssh|ldap|tcp)://|\\\\", re.I)
_RESOLVER = re.compile(r"\$\{\s*([A-Za-z_][\w.]*)\s*:\s*([^}]{0,200})")
_SECRET = re.compile(r"(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PWD|CREDENTIALS?|PRIVATE|APIKEY|AUTH)(?:_|$)", re.I)
_REFERENCE = re.compile(r"\$\{\s*([\w.\[\]-]+)\s*\}\Z")
_EVALUATORS = frozenset({"eval", "exec", "python", "py", "sh", "shell", "cmd", "run", "import", "get_method", "call"})


def examine(view: View, state: State) -> Examination:
    """Look at a configuration in YAML. "inert" when it names nothing that is built."""
    found: list[Pair] = []
    broken = ""
    try:
        for pair in pairs(view):
            found.append(pair)
            if pair.tag:
                yield from tagged(pair.tag, view, state, "yaml")
    except Unreadable as trouble:
        broken = str(trouble)
    told = yield from judged(found, view, state)
    model = view.name.lower().startswith("model_config.y")
    if broken:
        yield from state.gap("unreadable", broken, view.within)
        return "read"
    if told or model:
        state.name("hydra")
    return "read" if told or model or any(pair.tag for pair in found) else "inert"


def tree_targets(tree: object, view: View, state: State) -> Iterator[Record]:
    """Judge the ``_target_`` entries of parsed JSON."""
    found: list[Pair] = []
    queue: list[tuple[Path, Any]] = [((), tree)]
    while queue and len(found) < MAX_PAIRS:
        path, node = queue.pop()
        if isinstance(node, dict):
            queue.extend(((*path[-MAX_PATH:], str(key)), value) for key, value in node.items())
        elif isinstance(node, list):
            queue.extend(((*path[-MAX_PATH:], str(index)), value) for index, value in enumerate(node))
        elif isinstance(node, str):
            found.append(Pair(path, node, "", 1))
    yield from judged(found, view, state)


def json_targets(view: View, state: State) -> Iterator[Record]:
    """Judge the ``_target_`` entries of a JSON file, when it has any and can be parsed."""
    raw = bytes(view.data[view.start : min(view.end, view.start + MAX_YAML_BYTES)])
    if b"_target_" in raw or b"class_path" in raw or b"\\u" in raw:
        try:
            tree = json.loads(raw)
        except (ValueError, RecursionError):
            return
        yield from tree_targets(tree, view, state)


def judged(found: list[Pair], view: View, state: State) -> Generator[Record, None, int]:
    """Judge targets and resolvers, hand the texts on, and return how many targets there were."""
    by_path = {pair.path: pair.text for pair in found}
    beside: dict[Path, list[Pair]] = {}
    for pair in found:
        for length in range(max(0, len(pair.path) - 4), len(pair.path)):
            beside.setdefault(pair.path[:length], []).append(pair)
    count = 0
    for pair in found:
        key = pair.path[-1] if pair.path else ""
        if key in _TARGETS or key in _TARGETS_OF_MODELS and _builds(pair.text, state):
            count += 1
            yield from _target(pair, by_path, beside.get(pair.path[:-1], []), key in _TARGETS, view, state)
        elif "${" in pair.text:
            yield from _resolvers(pair.text, view, state)
    yield from texts.told(
        ((pair.path[-1] if pair.path else "", pair.text) for pair in found[:MAX_TEXTS]), view, state, "hydra"
    )
    return count


def _builds(text: str, state: State) -> bool:
    """Say whether the value of a key that others use too names a class: of two words, only what is known to be dangerous."""
    if not _DOTTED.match(text):
        return False
    module, _, name = text.rpartition(".")
    return "." in module or state.policy.judge(module, name).verdict == "block"


def _target(
    pair: Pair, by_path: dict[Path, str], beside: list[Pair], sure: bool, view: View, state: State
) -> Iterator[Record]:
    text = pair.text.strip()
    reference = _REFERENCE.match(text)
    if reference:
        text = by_path.get(tuple(reference.group(1).split(".")), text).strip()
    module, _, name = text.replace(":", ".").rpartition(".")
    if "${" in text or not all(part.isidentifier() for part in text.replace(":", ".").split(".")):
        yield from _told(DANGEROUS, "dynamic-name", "(computed name)", view, state)
        return
    if not module:
        if sure:
            module, name = "builtins", text
        else:
            return
    verdict = state.policy.judge(module, name)
    if _BUILDERS.match(module) and _CLASS.match(name):
        state.imports.setdefault(clean_name(module, name), "allow")
        return
    if verdict.verdict == "review":
        if verdict.check != "own-code" and module.split(".")[0] in _KNOWN and _CLASS.match(name):
            state.imports.setdefault(clean_name(module, name), "allow")
            return
        if note := next(filter(None, (_evidence(item.text) for item in beside[:256] if item is not pair)), ""):
            yield from _told(DANGEROUS, "suspicious-argument", clean_name(module, name), view, state, note)
            return
    yield from names.told(module, name, view, state, "_target_", "hydra")


def _evidence(text: str) -> str:
    text = text[:4096]
    if _SHELL.search(text):
        return "shell text"
    if _CODE.search(text):
        return "program text"
    return "a URL" if _URL.match(text) else ""


def _resolvers(text: str, view: View, state: State) -> Iterator[Record]:
    """Interpolations that read secrets of the environment, or evaluate text."""
    for match in _RESOLVER.finditer(text[:4096]):
        name, argument = match.group(1), match.group(2)
        if name in ("oc.env", "env", "oc.decode", "getenv") and _SECRET.search(argument):
            yield from _told(UNKNOWN, "resolver", "oc.env", view, state)
        elif name.rpartition(".")[2] in _EVALUATORS:
            yield from _told(UNKNOWN, "resolver", clean_name("", name), view, state)


def tagged(tag: str, view: View, state: State, kind: str) -> Iterator[Record]:
    """Judge a YAML tag ``!!python/<kind>:<name>``: unsafe loaders import and call what it names."""
    form, _, dotted = tag.partition(":")
    if form.startswith("!"):
        yield from _hyper(form, dotted, view, state)
        return
    if form in ("none", "bool", "str", "unicode", "bytes", "int", "long", "float", "complex", "list", "tuple", "dict"):
        return
    module, _, name = dotted.rpartition(".")
    shown = clean_name(module, name)
    state.imports[shown] = "block"
    facts: dict[str, str | int] = {"name": shown, "opcode": "YAML tag", "format": kind}
    judged = state.policy.judge(module or "builtins", name)
    check = judged.check if judged.verdict == "block" and judged.check else "dynamic-name"
    yield from state.detection(DANGEROUS, check, view.within, 0, None, shown, facts)


def _hyper(form: str, dotted: str, view: View, state: State) -> Iterator[Record]:
    """Judge a tag of HyperPyYAML (SpeechBrain's hyperparams.yaml): ``!new:``, ``!apply:`` and ``!name:`` import what they name."""
    if form == "!include":
        if leaves(dotted):
            yield from state.malformed("external-path", view, 0, "yaml")
        return
    module, _, name = dotted.rpartition(".")
    judged = state.policy.judge(module or "builtins", name)
    if judged.verdict == "review" and judged.check != "own-code" and module.split(".")[0] in _KNOWN | {"speechbrain"}:
        state.imports.setdefault(clean_name(module, name), "allow")
        return
    yield from names.told(module or "builtins", name, view, state, "YAML tag", "yaml")


def _told(rule: str, check: str, name: str, view: View, state: State, note: str = "") -> Iterator[Record]:
    state.imports[name] = "block" if rule == DANGEROUS else "review"
    facts: dict[str, str | int] = {"name": name, "opcode": "_target_", "format": "hydra"}
    if note:
        facts["note"] = note
    yield from state.detection(rule, check, view.within, 0, None, name, facts)
