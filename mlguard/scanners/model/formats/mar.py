"""Judges the manifest of a TorchServe model archive: the handler that the server imports, and the files it names.

Format: https://github.com/pytorch/serve/tree/master/model-archiver (MAR-INF/MANIFEST.json) and ts/model_loader.py: ``handler`` is
"module.py", "module.py:function" or the name of a handler that comes with the server; it is imported with importlib.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from mlguard.errors import Unreadable
from mlguard.scanners.model import names as callables
from mlguard.scanners.model import texts, zips
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Record

MAX_MANIFEST_BYTES = 2**20
MAX_FILES = 10_000
"""Files that a manifest names."""

_BUILT_IN = frozenset(
    {
        "image_classifier", "image_segmenter", "object_detector", "text_classifier", "text_handler", "vision_handler",
        "dali_image_classifier", "base_handler", "micro_batching", "distributed.base_pippy_handler", "distributed.base_deepspeed_handler",
        "vllm_handler", "audio_classifier",
    }
)  # fmt: skip
_FILES = ("serializedFile", "modelFile", "requirementsFile", "configFile", "extraFiles")


def manifest(view: View, members: set[str], state: State) -> Iterator[Record]:
    """Look at the manifest of an archive with these members. Raises Unreadable."""
    if len(view) > MAX_MANIFEST_BYTES:
        raise Unreadable("the manifest of the model archive is larger than the limit")
    try:
        tree = json.loads(view.data[view.start : view.end])
    except (ValueError, RecursionError):
        raise Unreadable("the manifest of the model archive is not valid JSON") from None
    model = tree.get("model") if isinstance(tree, dict) else None
    if not isinstance(model, dict):
        raise Unreadable("the manifest of the model archive describes no model")
    if isinstance(model.get("handler"), str):
        yield from _handler(model["handler"].strip(), members, view, state)
    for name in _named(model):
        if zips.leaves(name) or "://" in name:
            yield from state.malformed("external-path", view, 0, "mar")
    yield from texts.told(((key, value) for key, value in model.items() if isinstance(value, str)), view, state, "mar")


def _named(model: dict[str, object]) -> Iterator[str]:
    """Yield the files that the manifest names: texts, lists of texts, and texts with commas between."""
    for key in _FILES:
        value = model.get(key)
        for item in (value if isinstance(value, list) else [value])[:MAX_FILES]:
            if isinstance(item, str):
                yield from (part.strip() for part in item.split(",") if part.strip())


def _handler(text: str, members: set[str], view: View, state: State) -> Iterator[Record]:
    """A handler that is neither the server's nor in the archive is a module of the environment."""
    file, _, function = text.partition(":")
    if zips.leaves(file):
        yield from state.malformed("external-path", view, 0, "mar")
    module = file.removesuffix(".py").replace("\\", "/").rsplit("/", 1)[-1]
    held = any(name in members for name in (file, f"{module}.py", f"{file}.py"))
    if file in _BUILT_IN or file.removesuffix(".py") in _BUILT_IN or held:
        return
    yield from callables.told(module, function or "handle", view, state, "handler", "mar")
