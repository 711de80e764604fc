"""Model files against the documents that must lie beside them, and against the declaration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlguard.artifacts import Artifact
from mlguard.assess import cards, integrity
from mlguard.assess.declared import Model, is_personal, model_of, models_of
from mlguard.evidence import names
from mlguard.facts import DESCRIPTIONS, Fact, ModelCard, ModelFile
from mlguard.findings import Detection, Location, Proof, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.declarations import Declaration

RULE, STORED = "model/missing-model-card", "model/stored-training-rows"

_ARRAYS = frozenset({"npy", "npz", "zip", "tar", "program", "7z"})
"""Formats that hold data as often as models."""
_SIDE = (".json", ".jinja", ".jinja2", ".yaml", ".yml", ".txt", "/mlmodel")
_IN_TEXT = frozenset({"xgboost", "lightgbm", "catboost", "pmml", "keras", "mxnet"})
"""Formats whose models are text, too. Configurations, vocabularies and templates are parts of a model and no models."""


def assess(facts: Sequence[Fact], declaration: Declaration | None, artifacts: Sequence[Artifact]) -> Iterator[Record]:
    """Yield what the model files lack: cards, digests, pinned bases, licences that fit, a bill of materials."""
    models = models_of(declaration)
    weights = sorted(
        (fact for fact in facts if isinstance(fact, ModelFile) and _is_weights(fact)), key=lambda fact: fact.path
    )
    yield from _cards(weights, facts, artifacts)
    yield from cards.assess(facts, declaration, models, artifacts)
    yield from integrity.assess(facts, weights, models, artifacts)
    if declaration is not None:
        yield from _stored(facts, models, declaration)


def _is_weights(model: ModelFile) -> bool:
    if model.format in _ARRAYS | DESCRIPTIONS:
        return False
    return model.format in _IN_TEXT or not f"/{model.path}".lower().endswith(_SIDE)


def _cards(weights: Sequence[ModelFile], facts: Sequence[Fact], artifacts: Sequence[Artifact]) -> Iterator[Record]:
    """Yield a detection for each folder of models without a card in it or above, and a proof for each other model."""
    there = {_split(artifact.path)[0] for artifact in artifacts if names.is_card(_split(artifact.path)[1])}
    there |= {_split(fact.path)[0] for fact in facts if isinstance(fact, ModelCard)}
    without: dict[str, list[ModelFile]] = {}
    for model in weights:
        folder = _split(model.path)[0]
        if any(above in there for above in _upwards(folder)):
            yield Proof(RULE, model.path, model.path)
        else:
            without.setdefault(folder, []).append(model)
    for folder, models in without.items():
        shown = f"{folder} and the folders above it" if folder else "the top folder"
        more = f" and {len(models) - 1} more of its folder" if len(models) > 1 else ""
        first = models[0].path
        yield Detection(RULE, "no-card", Location(first), {"folder": shown, "more": more}, subject=first, anchor=first)


def _stored(facts: Sequence[Fact], models: Sequence[Model], declaration: Declaration) -> Iterator[Record]:
    """Yield models that keep rows of training data which the declaration calls personal."""
    for fact in facts:
        if isinstance(fact, ModelFile) and fact.stored and (entry := model_of(fact.path, models)):
            if not is_personal(entry, declaration):
                continue
            shown = ", ".join(fact.stored[:4]) + (" …" if len(fact.stored) > 4 else "")
            related = ((f"declared as {entry.id}", Location(entry.path, entry.line)),)
            yield Detection(
                STORED, "rows", Location(fact.path, byte=0), {"stored": shown, "id": entry.id}, anchor=entry.id,
                subject=fact.path, related=related,
            )  # fmt: skip


def _split(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name


def _upwards(folder: str) -> Iterator[str]:
    while folder:
        yield folder
        folder = _split(folder)[0]
    yield ""
