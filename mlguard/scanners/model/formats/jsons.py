"""Reads JSON that describes a model or is one, and hands it to the judges of every format that its structure fits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from mlguard.errors import Unreadable
from mlguard.scanners.model.formats import huggingface
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, Look, State
from mlguard.scanners.model.values import DANGEROUS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlguard.findings import Record

MAX_BYTES = 48 * 2**20
"""Of a JSON text that is parsed. The largest tokenizers have 35 MB."""

MAX_PARTS = 3_000_000
"""Commas and opening brackets of a text that is parsed: each part takes memory."""

MAX_SEARCHED_BYTES = 256 * 2**20
"""Of a text that is not parsed but searched for the worst."""

_FETCHED = re.compile(rb'"auto_map"\s*:\s*\{[^{}]{0,20000}?"[\w./-]{1,200}--[\w.-]+"')
_TRUSTED = re.compile(rb'"trust_remote_code"\s*:\s*true')
_FETCHES = re.compile(r'"(?:auto_map|trust_remote_code)"\s*:\s*[{\["t1]')
_CLASS_PATH = re.compile(r'"class_path"\s*:\s*"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+"')
_LAMBDA = re.compile(rb'"class_name"\s*:\s*"(?:Lambda|__lambda__)"')
_KERAS = frozenset({"class_name", "modelTopology", "keras_version", "model_config"})


def examine(view: View, state: State) -> Examination:
    """Yield what the judges say; JSON that is of none of their formats is inert. Raises Unreadable."""
    if len(view) > MAX_BYTES or _parts(view) > MAX_PARTS:
        yield from _large(view, state)
        return "read"
    twice: list[dict[str, Any]] = []
    try:
        text = _text(view)
        tree = json.loads(text, object_pairs_hook=lambda pairs: _once(pairs, twice))
    except (ValueError, RecursionError, MemoryError):
        yield from _searched(view, state)
        raise Unreadable("the configuration of the model is not JSON that can be read") from None
    look = yield from _judged(tree, view, state, bool(_FETCHES.search(text)))
    if "_target_" in text or "\\u005f" in text.lower() or _CLASS_PATH.search(text):
        look = yield from _built(tree, look, view, state)
    if twice and (look == "read" or huggingface.is_hub(twice[0], view.name)):
        yield from state.malformed("duplicate-key", view, 0, "JSON")
        for other in twice[:100]:
            yield from huggingface.told(other, view, state)
    return look


def _text(view: View) -> str:
    raw = bytes(view.data[view.start : view.end])
    return raw.decode(json.detect_encoding(raw)).removeprefix("\ufeff")


def _parts(view: View) -> int:
    if len(view) <= 2 * MAX_PARTS:  # a part has two bytes at least
        return 0
    piece = bytes(view.data[view.start : view.end])
    return sum(piece.count(mark) for mark in (b",", b"[", b"{"))


def _once(pairs: list[tuple[str, Any]], twice: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the object, and keep the values of dangerous keys that a later one of the same name hides."""
    value = dict(pairs)
    if len(value) != len(pairs):
        for key, item in pairs:
            if huggingface.doubtful_twice(key) and value[key] is not item and len(twice) < 1000:
                twice.append({key: item})
    return value


def _judged(tree: Any, view: View, state: State, trusts: bool = False) -> Examination:
    """Ask the judge of every format that fits: a file can be written to fit two."""
    look = "inert"
    name = view.name.lower()
    if isinstance(tree, dict):
        if isinstance(tree.get("learner"), dict):
            from mlguard.scanners.model.formats import xgboost

            look = "read"
            yield from xgboost.told(tree, view, state)
        if isinstance(tree.get("nodes"), list) and ("arg_nodes" in tree or "heads" in tree):
            from mlguard.scanners.model.formats import mxnet

            look = "read"
            yield from mxnet.told(tree, view, state)
        if (
            tree.get("format") in ("graph-model", "layers-model")
            or "modelTopology" in tree
            or "weightsManifest" in tree
        ):
            from mlguard.scanners.model.formats import tensorflow

            state.name("tensorflow.js")
            look = "read"
            yield from tensorflow.told_json(tree, view, state)
        if "irVersion" in tree and isinstance(tree.get("graph"), dict):
            from mlguard.scanners.model.formats import onnx

            look = "read"
            yield from onnx.told_json(tree, view, state)
        if "base_code" in tree:
            from mlguard.scanners.model.formats import paddle

            if paddle.is_program(tree):
                look = "read"
                yield from paddle.told_json(tree, view, state)
        if _is_keras(tree):
            from mlguard.scanners.model.formats import keras

            state.name("keras")
            look = "read"
            yield from keras.told(tree, view, state, "the configuration")
    if huggingface.is_hub(tree, name) or look == "inert" and trusts:
        state.name("huggingface")
        look = "read"
        yield from huggingface.told(tree, view, state)
    return "read" if look == "read" else "inert"


def _built(tree: Any, look: Look, view: View, state: State) -> Examination:
    """Judge what Hydra would build by ``_target_``, wherever it stands."""
    from mlguard.scanners.model.formats import hydra

    found = list(hydra.tree_targets(tree, view, state))
    if found:
        state.name("hydra")
    yield from found
    return "read" if found else look


def _is_keras(tree: dict[str, Any]) -> bool:
    if isinstance(tree.get("class_name"), str):
        return "config" in tree or "module" in tree
    return any(isinstance(tree.get(key), dict) for key in ("modelTopology", "model_config")) or "keras_version" in tree


def _large(view: View, state: State) -> Iterator[Record]:
    """Look at a text that is too large to be parsed: XGBoost's reader leaves the numbers out, others are searched."""
    if re.match(rb'\s*\{\s*"learner"', view.head(256)):
        from mlguard.scanners.model.formats import xgboost

        yield from xgboost.examine(view, state)
        return
    yield from _searched(view, state)
    yield from state.gap("too-large", "the configuration of the model is larger than the limit", view.within)


def _searched(view: View, state: State) -> Iterator[Record]:
    from mlguard.scanners.model.formats import huggingface as hub

    area = memoryview(view.data)[view.start : min(view.end, view.start + MAX_SEARCHED_BYTES)]
    for pattern, check, name in (
        (_FETCHED, "auto-map", "auto_map"),
        (_TRUSTED, "trust-remote-code", "trust_remote_code"),
    ):
        if match := pattern.search(area):
            facts: dict[str, str | int] = {"name": name, "format": "JSON"}
            yield from state.detection(hub.CODE, check, view.within, match.start(), None, name, facts)
    if match := _LAMBDA.search(area):
        facts = {"name": "Lambda", "opcode": "JSON", "format": "keras"}
        yield from state.detection(DANGEROUS, "lambda-layer", view.within, match.start(), None, "Lambda", facts)
