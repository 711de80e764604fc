"""Reads the configuration in a Keras archive for layers that hold or name code.

Format: keras/src/saving/saving_lib.py (config.json) and serialization_lib.py (``class_name``, ``module``, ``config``).
"""

from __future__ import annotations

import json

from mlguard.errors import Unreadable
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, State
from mlguard.scanners.model.values import DANGEROUS, UNKNOWN

MAX_CONFIG_BYTES = 32 * 2**20
MAX_NODES = 2_000_000

_OWN = ("keras", "tf_keras", "tensorflow.keras", "keras_hub", "keras_nlp", "keras_cv")


def config(view: View, state: State) -> Examination:
    """Look at every object of config.json. Raises Unreadable."""
    if len(view) > MAX_CONFIG_BYTES:
        raise Unreadable("the configuration of the model is larger than the limit")
    try:
        tree = json.loads(view.data[view.start : view.end])
    except (ValueError, RecursionError):
        raise Unreadable("the configuration of the model is not valid JSON") from None
    state.name("keras")
    queue, left = [tree], MAX_NODES
    while queue and left:
        left -= 1
        node = queue.pop()
        if isinstance(node, list):
            queue.extend(node)
        elif isinstance(node, dict):
            queue.extend(node.values())
            yield from _layer(node, view, state)
    if queue:
        yield from state.gap("too-large", "the configuration of the model has more parts than the limit", view.within)
    return "read"


def _layer(node: dict[str, object], view: View, state: State) -> Examination:
    name, module = node.get("class_name"), node.get("module")
    facts: dict[str, str | int] = {"opcode": "config.json", "format": "keras"}
    if name in ("Lambda", "__lambda__"):
        facts["name"] = "Lambda"
        yield from state.detection(DANGEROUS, "lambda-layer", view.within, 0, None, "Lambda", facts)
    elif (
        isinstance(module, str) and isinstance(name, str) and module.split(".")[0] not in _OWN and module != "builtins"
    ):
        judged = state.policy.judge(module, name)
        facts["name"] = f"{module}.{name}" if f"{module}.{name}".replace(".", "").isidentifier() else "(not a name)"
        if judged.verdict in ("block", "ask"):
            check = judged.check or "dynamic-name"
            yield from state.detection(DANGEROUS, check, view.within, 0, None, str(facts["name"]), facts)
        elif judged.verdict == "review":
            yield from state.detection(UNKNOWN, judged.check, view.within, 0, None, str(facts["name"]), facts)
    return "read"
