"""Tells of TensorRT engines: compiled code for a graphics processor, made to be run and not to be read.

The magic numbers are those that TensorRT's runtime asks for: "ptrt" (plans since 6) and "ftrt" (since 8.5). NVIDIA says that an engine
must come from a trusted source, because loading it runs what it holds:
https://docs.nvidia.com/deeplearning/tensorrt/latest/inference-library/advanced.html
"""

from __future__ import annotations

from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import Examination, State
from mlguard.scanners.model.values import UNKNOWN


def examine(view: View, state: State) -> Examination:
    """Yield that the file holds compiled code: always."""
    state.name("tensorrt")
    state.imports.setdefault("tensorrt.engine", "review")
    facts: dict[str, str | int] = {"name": "engine", "opcode": "none", "format": "tensorrt"}
    yield from state.detection(UNKNOWN, "native-code", view.within, 0, 4, "engine", facts)
    return "read"
