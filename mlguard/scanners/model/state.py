"""What one file has shown so far, and how it is told."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Literal

from mlguard import redact
from mlguard.findings import Detection, Gap, Location, Record
from mlguard.scanners.model.policy import Policy
from mlguard.scanners.model.source import View
from mlguard.scanners.model.values import DANGEROUS, MALFORMED, UNKNOWN

MAX_DEPTH = 7
"""Containers and pickles inside each other."""

Look = Literal["read", "inert", "unread"]
"""Whether something was read, held nothing to read, or was left unread (which its owner must tell)."""

Examination = Generator[Record, None, Look]

MODEL_SUFFIXES = (
    ".pkl", ".pickle", ".p", ".joblib", ".jbl", ".pt", ".pth", ".pth.tar", ".bin", ".ckpt", ".dill", ".cloudpickle",
    ".model", ".mdl", ".npy", ".npz", ".safetensors", ".keras", ".h5", ".hdf5", ".onnx", ".gguf", ".pb", ".tflite",
    ".nemo", ".mar", ".ptl", ".pckl", ".pk", ".sav", ".skops", ".pmml", ".weights",
)  # fmt: skip


MAX_TOLD = 1000
"""Detections of one file."""


@dataclass
class State:
    """What one file has shown so far."""

    scanner: str
    path: str
    policy: Policy
    examine: Callable[[View, State], Examination]
    format: str = ""
    imports: dict[str, str] = field(default_factory=dict)
    pickles: int = 0
    tensors: int = 0
    blocked: bool = False
    doubtful: bool = False
    partial: bool = False
    unpacked: int = 0  # bytes that codecs gave
    seen: set[tuple[str, ...]] = field(default_factory=set)
    gaps: set[tuple[str, str]] = field(default_factory=set)

    def name(self, kind: str) -> None:
        """Take the outermost format's name."""
        self.format = self.format or kind

    def gap(
        self, kind: Literal["unreadable", "skipped", "too-large"], reason: str, within: str, hint: str = ""
    ) -> Iterator[Gap]:
        """Yield a gap once; the file is then not wholly read."""
        self.partial = True
        if (kind, reason) not in self.gaps:
            self.gaps.add((kind, reason))
            place = f" (in {redact.text(redact.printable(within), 80)})" if within else ""
            yield Gap(self.scanner, self.path, kind, reason + place, hint)

    def malformed(
        self, check: str, view: View, byte: int, kind: str, length: int | None = None
    ) -> Iterator[Detection | Gap]:
        """Yield a detection of model/malformed-model-archive once for a check and member."""
        yield from self.detection(MALFORMED, check, view.within, byte, length, check, {"format": kind})

    def detection(
        self,
        rule: str,
        check: str,
        within: str,
        byte: int,
        length: int | None,
        anchor: str,
        facts: dict[str, str | int],
    ) -> Iterator[Detection | Gap]:
        """Yield a detection once for a rule, check, member and anchor."""
        if rule == DANGEROUS:
            self.blocked = True
        elif rule in (UNKNOWN, MALFORMED):
            self.doubtful = True
        within = redact.printable(within)[:200]
        key = (rule, check, within, anchor)
        if len(self.seen) >= MAX_TOLD:
            yield from self.gap("too-large", "the file shows more than is told of one file", "")
        elif key not in self.seen:
            self.seen.add(key)
            place = Location(self.path, byte=byte, length=length, within=within)
            yield Detection(rule, check, place, facts, anchor=anchor, subject=self.path)
