"""Looks into model files without loading them: what would run when somebody does, and what does not fit the format."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

from mlguard.errors import Unreadable, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from pathlib import Path
    from typing import Any, Literal

    from mlguard.artifacts import Artifact
    from mlguard.findings import Record
    from mlguard.scanners import Context
    from mlguard.scanners.model.policy import Policy
    from mlguard.scanners.model.source import View
    from mlguard.scanners.model.state import State

KINDS = frozenset(
    {
        "pickle", "model", "npy", "safetensors", "zip", "gzip", "bzip2", "xz", "zstd", "lz4", "tar", "onnx", "hdf5", "gguf",
        "7z", "ole", "executable", "binary", "model-text",
    }
)  # fmt: skip

_NUMBERS = frozenset({"npy", "npz", "safetensors", "keras", "hdf5", "zip", "tar", "skops", "7z"})
"""Formats that are no danger as such; to allow them does not allow a pickle inside them."""

MAX_NAMES_SHOWN = 6
MAX_NAMES_KEPT = 2000


class ModelScanner:
    """Walks pickles symbolically, and reads the headers and graphs of the other formats."""

    name = "model"

    def plan(self, artifacts: Sequence[Artifact], settings: Mapping[str, Any]) -> Iterable[tuple[Artifact, ...]]:
        if not any(artifact.kind in KINDS or artifact.kind.endswith("-pointer") for artifact in artifacts):
            return ()  # cards and lists of digests say nothing when there is no model
        from mlguard.evidence import names

        asked = frozenset(settings.get("digests", ()))
        return (
            (artifact,)
            for artifact in artifacts
            if artifact.kind in KINDS or artifact.path in asked or names.role(artifact.path, artifact.kind)
        )

    def scan(self, group: Sequence[Artifact], context: Context) -> Iterator[Record]:
        from mlguard.scanners import open_path
        from mlguard.scanners.model import policy

        for artifact in group:
            done = yield from _beside(artifact, context)
            if artifact.kind in KINDS and not done:
                state = new_state(artifact.path, policy.shipped())
                view = opened(open_path(context, artifact.path))
                yield from _file(view, state, artifact)
                yield from _summary(state, artifact, context.settings.get("formats"))
                if file := context.settings.get("inventory"):
                    yield from _unaccepted(state, context.root, file)
            yield from _digest(artifact, context)


def _unaccepted(state: State, root: Path, file: str) -> Iterator[Record]:
    """Yield each name that the accepted inventory does not list for the model, or a proof."""
    from mlguard.findings import Detection, Gap, Location, Proof
    from mlguard.scanners.model import inventory

    if not is_model(state):
        return
    try:
        accepted = inventory.read(f"{root}/{file}")
    except UsageError as trouble:
        yield Gap("model", state.path, "missing", f"the accepted inventory is not compared: {str(trouble).removeprefix(f'{root}/')}",
                  "mlguard model --accept writes one")  # fmt: skip
        return
    rule, kind = "model/unaccepted-callable", state.format
    if state.path not in accepted:
        yield Detection(rule, "new-model", Location(state.path), {"format": kind}, subject=state.path)
    elif news := sorted(set(state.imports) - accepted[state.path]):
        for name in news[:MAX_NAMES_KEPT]:
            yield Detection(rule, "new-name", Location(state.path), {"format": kind, "name": name}, anchor=name,
                            subject=state.path)  # fmt: skip
    else:
        yield Proof(rule, state.path, state.path)


def _beside(artifact: Artifact, context: Context) -> Generator[Record, None, bool]:
    """Yield what a file says about models. Returns whether there is nothing more to look at."""
    from mlguard.evidence import names

    role = names.role(artifact.path, artifact.kind)
    if not role or context.hook and artifact.kind not in KINDS:
        return False  # the quick run on commit leaves cards and lists to a scan
    from mlguard.scanners.model import provenance

    done = yield from provenance.examine(artifact, context)
    return done and role == names.SIGNATURE


def _digest(artifact: Artifact, context: Context) -> Iterator[Record]:
    """Yield the file's digest when it is asked for, after all else: it takes as long as reading the whole file."""
    asked = context.settings.get("digest_all") and artifact.kind in KINDS
    if asked or artifact.path in context.settings.get("digests", ()):
        from mlguard.scanners.model import provenance

        yield from provenance.digest(artifact, context)


def new_state(path: str, judge: Policy) -> State:
    """Return the state of a file that nothing is known of yet. ``path`` is how it is shown."""
    from mlguard.scanners.model.contents import examine
    from mlguard.scanners.model.state import State

    return State("model", path, judge, examine)


def opened(path: str | os.PathLike[str]) -> View:
    """Return the view of a whole file. Raises Unreadable."""
    from mlguard.scanners.model import source

    data = source.opened(path)
    return source.View(data, 0, len(data), str(path).replace("\\", "/").rsplit("/", 1)[-1])


def _file(view: View, state: State, artifact: Artifact) -> Iterator[Record]:
    try:
        look = yield from state.examine(view, state)
    except Unreadable as trouble:
        yield from state.gap("unreadable", str(trouble), "")
        return
    if look == "unread" and not is_nothing(view, artifact.path):
        kind = {"executable": "program", "binary": "binary", "model": "binary"}.get(artifact.kind, artifact.kind)
        yield from state.gap("skipped", f"this version does not read {kind} files of this form", "",
                             "exclude the file in .mlguardignore when it holds nothing to look at")  # fmt: skip


def is_nothing(view: View, path: str) -> bool:
    """Say whether a file cannot be loaded as a model: a table, or plain text or a picture under a model's name."""
    from mlguard.artifacts import HEAD_BYTES, OUTSIDE_KINDS, TEXT_KINDS, Artifact, kind_of
    from mlguard.scanners import dataset

    head = view.head(HEAD_BYTES)
    named = kind_of(path, head)
    if named in KINDS - {"binary", "model-text"}:
        data = dataset.places.is_packed(path)  # of others that may be data or a model, both scanners say what they did
    else:
        data = dataset.wanted(Artifact(path, named, len(view)))
    if data or named not in KINDS:
        return True
    if named not in ("model", "model-text"):
        return False
    kind = kind_of("file", head)
    return (
        kind in OUTSIDE_KINDS
        or kind in TEXT_KINDS
        and not head.startswith(b"PK")
        or b"\0" not in head
        and kind == "model"
    )


def is_model(state: State) -> bool:
    """Say whether the file is a model, or holds one: an archive of other things is none."""
    from mlguard.facts import DESCRIPTIONS

    return bool(state.format) and (state.pickles > 0 or state.format not in DESCRIPTIONS | {"zip", "tar", "7z"})


def _summary(state: State, artifact: Artifact, allowed: Sequence[str] | None) -> Iterator[Record]:
    """Yield the fact, the finding on the format and the proof of one file. ``allowed`` are the formats that may ship."""
    from mlguard.facts import ModelFile
    from mlguard.findings import Detection, Location, Proof

    imports = tuple(sorted(state.imports)[:MAX_NAMES_KEPT])
    executable = "pickle" if state.format in _NUMBERS else state.format
    if state.pickles and allowed is not None and executable not in allowed:
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
    if is_model(state) or state.bases or state.licences:
        yield ModelFile(
            artifact.path, state.format, verdict, imports, state.tensors, artifact.size, tuple(dict.fromkeys(state.bases)),
            tuple(sorted(set(state.licences))), tuple(sorted(state.stored)), tuple(state.formats),
        )  # fmt: skip
        if verdict == "clean":
            yield Proof("model/dangerous-import", artifact.path, artifact.path)
