"""Reads the JSON that Keras and skops archives are rebuilt from, for objects that hold or name code.

Formats: keras/src/saving/saving_lib.py (config.json) and serialization_lib.py (``class_name``, ``module``, ``config``);
skops/io/_save.py (schema.json: ``__class__``, ``__module__``, ``__loader__``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from mlguard.errors import Unreadable
from mlguard.findings import Record
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, State
from mlguard.scanners.model.values import DANGEROUS, UNKNOWN, clean_name

MAX_CONFIG_BYTES = 32 * 2**20
MAX_NODES = 2_000_000

_OWN = ("keras", "tf_keras", "tensorflow.keras", "keras_hub", "keras_nlp", "keras_cv")


def config(view: View, state: State) -> Examination:
    """Look at every object of a Keras config.json. Raises Unreadable."""
    return (yield from _objects(view, state, _layer))


def schema(view: View, state: State) -> Examination:
    """Look at every object of a skops schema.json. Raises Unreadable."""
    return (yield from _objects(view, state, _node))


def _objects(
    view: View, state: State, look: Callable[[dict[str, object], View, State], Iterator[Record]]
) -> Examination:
    if len(view) > MAX_CONFIG_BYTES:
        raise Unreadable("the configuration of the model is larger than the limit")
    try:
        tree = json.loads(view.data[view.start : view.end])
    except (ValueError, RecursionError):
        raise Unreadable("the configuration of the model is not valid JSON") from None
    queue, left = [tree], MAX_NODES
    while queue and left:
        left -= 1
        node = queue.pop()
        if isinstance(node, list):
            queue.extend(node)
        elif isinstance(node, dict):
            queue.extend(node.values())
            yield from look(node, view, state)
    if queue:
        yield from state.gap("too-large", "the configuration of the model has more parts than the limit", view.within)
    return "read"


def _layer(node: dict[str, object], view: View, state: State) -> Iterator[Record]:
    name, module = node.get("class_name"), node.get("module")
    if name in ("Lambda", "__lambda__"):
        facts: dict[str, str | int] = {"name": "Lambda", "opcode": "config.json", "format": "keras"}
        yield from state.detection(DANGEROUS, "lambda-layer", view.within, 0, None, "Lambda", facts)
    elif (
        isinstance(module, str) and isinstance(name, str) and module.split(".")[0] not in _OWN and module != "builtins"
    ):
        yield from _judged(module, name, "config.json", "keras", view, state)


def _node(node: dict[str, object], view: View, state: State) -> Iterator[Record]:
    name, module = node.get("__class__"), node.get("__module__")
    if isinstance(name, str) and isinstance(module, str):
        if node.get("__loader__") in ("JsonNode", "TypeNode") and module == "builtins":
            return
        yield from _judged(module, name, "schema.json", "skops", view, state)


def _judged(module: str, name: str, place: str, kind: str, view: View, state: State) -> Iterator[Record]:
    judged = state.policy.judge(module, name)
    dotted = clean_name(module, name)
    state.imports.setdefault(dotted, judged.verdict)
    facts: dict[str, str | int] = {"name": dotted, "opcode": place, "format": kind}
    if judged.verdict in ("block", "ask"):
        yield from state.detection(DANGEROUS, judged.check or "dynamic-name", view.within, 0, None, dotted, facts)
    elif judged.verdict == "review":
        yield from state.detection(UNKNOWN, judged.check, view.within, 0, None, dotted, facts)
