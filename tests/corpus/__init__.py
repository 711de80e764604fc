"""Hostile and honest files that the scanner of models is measured with."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Literal

from mlguard import artifacts, rules
from mlguard.errors import Unreadable
from mlguard.findings import Detection, Gap, Record
from mlguard.scanners import model
from mlguard.scanners.model import policy, source

Outcome = Literal["fails", "told", "silent"]
"""A finding that fails the gate; a finding or gap that a person sees; nothing at all."""

_ANY_PICKLE = "model/executable-model-format"  # of every pickle, honest ones too


def attack_modules() -> list[ModuleType]:
    """Return the modules that offer ``attacks()``: pairs of a file's name and its content. A new one is added here."""
    from tests.corpus import (
        attacks_binaries,
        attacks_bundles,
        attacks_gadgets,
        attacks_graphs,
        attacks_hub,
        attacks_keras,
        attacks_pickles,
    )  # fmt: skip

    return [
        attacks_binaries, attacks_bundles, attacks_gadgets, attacks_graphs, attacks_hub, attacks_keras, attacks_pickles,
    ]  # fmt: skip


def records(content: bytes | Path, name: str) -> list[Record]:
    """Return what the scanner says of one file, as a scan of a folder would that holds it under ``name``."""
    data = content if isinstance(content, bytes) else source.opened(content)
    head = bytes(data[: artifacts.HEAD_BYTES])
    if artifacts.kind_of(name, head) not in model.KINDS:
        return []
    state = model.new_state(name, policy.shipped())
    view = source.View(data, 0, len(data), name.rsplit("/", 1)[-1])
    found: list[Record] = []
    look = ""
    try:
        examination = state.examine(view, state)
        while True:
            found.append(next(examination))
    except StopIteration as end:
        look = end.value
    except Unreadable as trouble:
        found += state.gap("unreadable", str(trouble), "")
    if look == "unread" and not model.is_nothing(view, name):
        found += state.gap("skipped", "this version does not read files of this form", "")
    return found


def failing() -> frozenset[str]:
    """Return the rules whose detections fail the gate and are not true of every pickle."""
    known = rules.load().rules.values()
    return frozenset(rule.id for rule in known if rule.severity in ("critical", "high") and rule.id != _ANY_PICKLE)


def gate(content: bytes | Path, name: str) -> tuple[Outcome, frozenset[str]]:
    """Return what becomes of a file at the gate, and the rules that it breaks."""
    found = records(content, name)
    broken = frozenset(record.rule for record in found if isinstance(record, Detection))
    if broken & failing():
        return "fails", broken
    return ("told" if broken - {_ANY_PICKLE} or any(isinstance(record, Gap) for record in found) else "silent"), broken
