"""What one file has shown so far, and how it is told."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

from mlguard.scanners.model.values import BUNDLED, DANGEROUS, MALFORMED, UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:  # most files show nothing, and then none of this is needed at run time
    from typing import Literal, TypeAlias

    from mlguard.findings import Detection, Gap, Record
    from mlguard.scanners.model.policy import Policy
    from mlguard.scanners.model.source import View

    Look: TypeAlias = Literal["read", "inert", "unread"]
    """Whether something was read, held nothing to read, or was left unread (which its owner must tell)."""

    Examination: TypeAlias = Generator[Record, None, Look]
else:
    Look = Examination = Generator

MAX_DEPTH = 7
"""Containers and pickles inside each other."""

MODEL_SUFFIXES = (
    ".pkl", ".pickle", ".p", ".joblib", ".jbl", ".pt", ".pth", ".pth.tar", ".bin", ".ckpt", ".dill", ".cloudpickle",
    ".model", ".mdl", ".npy", ".npz", ".safetensors", ".keras", ".h5", ".hdf5", ".onnx", ".gguf", ".pb", ".tflite",
    ".nemo", ".mar", ".ptl", ".pckl", ".pk", ".sav", ".skops", ".pmml", ".weights", ".llamafile", ".pt2",
)  # fmt: skip


MAX_TOLD = 1000
"""Detections of one rule in one file."""


class State:
    """What one file has shown so far."""

    def __init__(
        self, scanner: str, path: str, policy: Policy, examine: Callable[[View, State], Examination], format: str = ""
    ) -> None:
        self.scanner, self.path, self.policy, self.examine, self.format = scanner, path, policy, examine, format
        self.formats: list[str] = []  # every format met, in order
        self.imports: dict[str, str] = {}  # what loading it may call, and what is thought of each
        self.pickles = self.tensors = 0
        self.blocked = self.doubtful = self.partial = False
        self.unpacked = 0  # bytes that codecs gave
        self.bases: list[tuple[str, str]] = []  # models that this one is made from: reference, revision
        self.licences: list[str] = []
        self.hosts: set[str] = set()  # that texts of the file link to
        self.stored: set[str] = set()  # attributes of estimators that hold rows of their training data
        self.seen: set[tuple[str, ...]] = set()
        self.told: dict[str, int] = {}  # detections of each rule
        self.gaps: set[tuple[str, str]] = set()

    def name(self, kind: str) -> None:
        """Take the outermost format's name, and note every other."""
        self.format = self.format or kind
        if kind not in self.formats:
            self.formats.append(kind)

    def gap(
        self, kind: Literal["unreadable", "skipped", "too-large"], reason: str, within: str, hint: str = ""
    ) -> Iterator[Gap]:
        """Yield a gap once; the file is then not wholly read."""
        self.partial = True
        if (kind, reason) not in self.gaps:
            self.gaps.add((kind, reason))
            from mlguard import redact
            from mlguard.findings import Gap

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
        if rule in (DANGEROUS, MALFORMED, BUNDLED):
            self.blocked = True
        elif rule == UNKNOWN:
            self.doubtful = True
        from mlguard import redact
        from mlguard.findings import Detection, Location

        within = redact.printable(within)[:200]
        key = (rule, check, within, anchor)
        if self.told.get(rule, 0) >= MAX_TOLD:
            yield from self.gap("too-large", "the file shows more than is told of one file", "")
        elif key not in self.seen:
            self.seen.add(key)
            self.told[rule] = self.told.get(rule, 0) + 1
            place = Location(self.path, byte=byte, length=length, within=within)
            yield Detection(rule, check, place, facts, anchor=anchor, subject=self.path)
