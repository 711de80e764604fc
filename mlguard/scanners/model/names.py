"""Tells what is thought of a callable that a model file names outside a pickle."""

from __future__ import annotations

from collections.abc import Iterator

from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import State
from mlguard.scanners.model.values import DANGEROUS, UNKNOWN, clean_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Record


def told(
    module: str, name: str, view: View, state: State, place: str, kind: str, byte: int = 0, length: int | None = None
) -> Iterator[Record]:
    """Judge ``module.name`` by the policy for globals, add it to the file's inventory and yield what must be told.

    ``place`` says where it stands ("config.json", "loader_module"), ``kind`` is the format; ``byte`` counts from the start
    of ``view``.
    """
    judged = state.policy.judge(module, name)
    dotted = clean_name(module, name)
    state.imports.setdefault(dotted, judged.verdict)
    facts: dict[str, str | int] = {"name": dotted, "opcode": place, "format": kind}
    if judged.verdict in ("block", "ask") or judged.kept == "held":  # what stands here is called
        check = judged.check or "dynamic-name"
        yield from state.detection(DANGEROUS, check, view.within, byte, length, dotted, facts)
    elif judged.verdict == "review":
        yield from state.detection(UNKNOWN, judged.check, view.within, byte, length, dotted, facts)
