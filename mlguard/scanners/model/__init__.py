"""Looks into model files without loading them: what would run when somebody does, and what does not fit the format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.facts import ModelFile
from mlguard.findings import Detection, Gap, Location, Proof, Record
from mlguard.scanners import Context, one_by_one, open_path

KINDS = frozenset(
    {
        "pickle", "model", "npy", "safetensors", "zip", "gzip", "bzip2", "xz", "zstd", "lz4", "tar", "onnx", "hdf5", "gguf",
        "7z", "executable", "binary",
    }
)  # fmt: skip

MAX_NAMES_SHOWN = 6
MAX_NAMES_KEPT = 2000

_NEVER_CODE = frozenset({"", "npy", "npz", "safetensors", "zip", "tar", "keras", "program", "skops"})
"""Formats that are no danger as such; a pickle inside them is."""


class ModelScanner:
    """Walks pickles symbolically and reads the headers of the formats that hold no code."""

    name = "model"

    def plan(self, artifacts: Sequence[Artifact], settings: Mapping[str, Any]) -> Iterable[tuple[Artifact, ...]]:
        return one_by_one(artifacts, KINDS)

    def scan(self, group: Sequence[Artifact], context: Context) -> Iterator[Record]:
        from mlguard.scanners.model import policy, source
        from mlguard.scanners.model.contents import examine
        from mlguard.scanners.model.state import State

        also = tuple(str(name) for name in context.settings.get("allow", ()))
        for artifact in group:
            state = State(self.name, artifact.path, policy.shipped(also), examine)
            data = source.opened(open_path(context, artifact.path))
            view = source.View(data, 0, len(data), artifact.path.rsplit("/", 1)[-1])
            yield from _file(view, state, artifact)
            yield from _summary(state, artifact)


def _file(view: Any, state: Any, artifact: Artifact) -> Iterator[Record]:
    try:
        look = yield from state.examine(view, state)
    except Unreadable as trouble:
        yield from state.gap("unreadable", str(trouble), "")
        return
    if look == "unread" and not _is_nothing(view, artifact):
        kind = {"onnx": "ONNX", "executable": "program", "binary": "binary", "model": "binary"}.get(
            artifact.kind, artifact.kind
        )
        state.format = kind if kind == "ONNX" else state.format
        state.partial = True
        yield Gap("model", artifact.path, "skipped", f"this version does not read {kind} files of this form",
                  "exclude the file in .mlguardignore when it holds nothing to look at")  # fmt: skip


def _is_nothing(view: Any, artifact: Artifact) -> bool:
    """Say whether a file cannot be loaded as a model: a table, or plain text or a picture under a model's name."""
    from mlguard.artifacts import HEAD_BYTES, OUTSIDE_KINDS, TEXT_KINDS, kind_of
    from mlguard.scanners import dataset

    if dataset.wanted(artifact):
        return True
    if artifact.kind != "model":
        return False
    head = view.head(HEAD_BYTES)
    kind = kind_of("file", head)
    return (
        kind in OUTSIDE_KINDS
        or kind in TEXT_KINDS
        and not head.startswith(b"PK")
        or b"\0" not in head
        and kind == "model"
    )


def _summary(state: Any, artifact: Artifact) -> Iterator[Record]:
    """Yield the fact, the finding on the format and the proof of one file."""
    imports = tuple(sorted(state.imports)[:MAX_NAMES_KEPT])
    if state.pickles:
        shown = ", ".join(imports[:MAX_NAMES_SHOWN]) + (" …" if len(imports) > MAX_NAMES_SHOWN else "")
        facts: dict[str, str | int] = {"format": state.format, "count": len(imports), "imports": shown or "nothing"}
        check = "imports" if imports else "no-imports"
        yield Detection(
            "model/executable-model-format", check, Location(artifact.path, byte=0), facts, anchor=state.format,
            subject=artifact.path,
        )  # fmt: skip
    verdict: Literal["clean", "review", "blocked", "unknown"] = "clean"
    if state.blocked:
        verdict = "blocked"
    elif state.partial:
        verdict = "unknown"
    elif state.doubtful:
        verdict = "review"
    if state.format and (state.pickles or state.format not in ("zip", "tar", "")):
        yield ModelFile(artifact.path, state.format, verdict, imports, state.tensors, artifact.size)
        if verdict == "clean":
            yield Proof("model/dangerous-import", artifact.path, artifact.path)
