"""Model cards: what they leave out, licences that restrict use, and base models that nobody pinned."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from mlguard import lazy
from mlguard.artifacts import Artifact
from mlguard.assess.declared import Model, model_of
from mlguard.facts import Fact, ModelCard, ModelFile
from mlguard.findings import Detection, Location, Proof, Record
from mlguard.scanners.dataset import places
from mlguard.tables import table
from mlguard.values import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.declarations import Declaration

INCOMPLETE, LICENCE, BASE = (
    "model/incomplete-model-card",
    "model/license-restriction-violated",
    "model/unrecorded-base-revision",
)

_HUB = lazy.pattern(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}\Z", re.A)
_COMMIT = lazy.pattern(r"[0-9a-f]{40}\Z")
_FOLDERS = frozenset(
    {
        "models", "model", "checkpoints", "checkpoint", "ckpt", "outputs", "output", "out", "results", "result", "runs", "data", "artifacts", "artefacts",
        "weights", "saved_models", "saved_model", "tmp", "workspace", "experiments", "logs", "home", "mnt", "content", "root", "opt", "pretrained",
        "save", "saves", "saved", "trained_models", "local",
    }
)  # fmt: skip
"""First parts of paths: nobody on a hub is called so, or it cannot be told."""


def assess(
    facts: Sequence[Fact], declaration: Declaration | None, models: Sequence[Model], artifacts: Sequence[Artifact]
) -> Iterator[Record]:
    """Yield what the cards and the models say of themselves and should not leave at that."""
    cards = [fact for fact in facts if isinstance(fact, ModelCard) and not places.is_test(fact.path)]
    # What a bill of materials tells of a model is drawn from its card, and judged only where there is no other.
    cards = [card for card in cards if card.form != "cyclonedx"] or cards
    files = [fact for fact in facts if isinstance(fact, ModelFile) and not places.is_test(fact.path)]
    for card in cards:
        yield from _complete(card)
    yield from _licences([*cards, *files], declaration, models)
    yield from _bases(cards, files, models, artifacts)


def _complete(card: ModelCard) -> Iterator[Record]:
    if not card.missing:
        yield Proof(INCOMPLETE, card.path, card.path)
        return
    sections = table("model-cards")["sections"]
    missing = [str(sections[name]["shown"]) for name in card.missing if name in sections]
    facts: dict[str, str | int] = {"missing": _listed(missing), "count": len(missing)}
    yield Detection(
        INCOMPLETE, "sections", Location(card.path), facts, anchor=",".join(card.missing), subject=card.path
    )


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


# --- Licences


@dataclass(frozen=True, slots=True)
class _Restriction:
    kind: str
    what: str


@cache
def restriction(licence: str) -> _Restriction | None:
    """Return how a licence restricts use, None when the table knows of nothing."""
    plain = licence.strip().lower()
    for pattern, entry in _patterns():
        if pattern.match(plain):
            return _Restriction(entry["restriction"], entry["what"])
    return None


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], Any], ...]:
    return tuple(
        (
            re.compile(
                "(?:" + "|".join(re.escape(item.lower()).replace(r"\*", ".*") for item in entry["ids"]) + r")\Z"
            ),
            entry,
        )
        for entry in table("model-licences")["licences"]
    )


def _licences(
    subjects: Sequence[ModelCard | ModelFile], declaration: Declaration | None, models: Sequence[Model]
) -> Iterator[Record]:
    told: set[tuple[str, str]] = set()
    for subject in subjects:
        folder = subject.path.rpartition("/")[0]
        for licence in subject.licences:
            found = restriction(licence)
            if found is None or (folder, found.what) in told:
                continue
            told.add((folder, found.what))
            facts: dict[str, str | int] = {"what": found.what, "use": _use(subject.path, declaration, models)}
            yield Detection(LICENCE, found.kind, Location(subject.path), facts, anchor=found.what, subject=subject.path)


def _use(path: str, declaration: Declaration | None, models: Sequence[Model]) -> str:
    """Return what the declaration says about the use of a model, as the end of a sentence."""
    entry = model_of(path, models)
    activities = declaration.body.get("activities") or [] if declaration is not None else []
    ids = {entry.id} if entry else {model.id for model in models}
    used = [
        item["id"] for item in activities if item.get("phase") == "deployment" and ids & set(item.get("models") or [])
    ]
    if used:
        return f"The declaration deploys it in the activity {used[0]}"
    return "Compare it with what the model is used for"


# --- Base models


def _bases(
    cards: Sequence[ModelCard], files: Sequence[ModelFile], models: Sequence[Model], artifacts: Sequence[Artifact]
) -> Iterator[Record]:
    """Yield base models without a full commit: of configurations first, then of cards that name another one."""
    folders = {artifact.path.rpartition("/")[0] for artifact in artifacts}
    pinned = {
        str(base.get("ref"))
        .rsplit("huggingface.co/", 1)[-1]
        .removeprefix("hf:")
        .removeprefix("pkg:huggingface/")
        .partition("@")[0]
        for model in models
        if (base := model.body.get("base_model")) and _COMMIT.match(str(base.get("revision")))
    }
    facts: list[ModelFile | ModelCard] = [*files, *cards]
    pinned |= {name for fact in facts for name, revision in fact.bases if _COMMIT.match(revision)}
    told: set[tuple[str, str]] = set()
    for fact in facts:
        folder = fact.path.rpartition("/")[0]
        for name, revision in fact.bases:
            if (folder, name) in told or name in pinned or not _is_hub(name, folder, folders):
                continue
            told.add((folder, name))
            asked = models or isinstance(fact, ModelCard) or fact.path.endswith("adapter_config.json")
            if asked and not _COMMIT.match(revision):
                check = "card-base" if isinstance(fact, ModelCard) else "config-base"
                yield Detection(BASE, check, Location(fact.path), {"name": name}, anchor=name, subject=fact.path)


def _is_hub(name: str, folder: str, folders: set[str]) -> bool:
    """Say whether a name is one of a hub, and no path of this machine or tree."""
    first = name.partition("/")[0].lower()
    return (
        bool(_HUB.match(name))
        and first not in _FOLDERS
        and name not in folders
        and f"{folder}/{name}".lstrip("/") not in folders
    )
