"""Model files against the documents that must lie beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mlguard.artifacts import Artifact
from mlguard.facts import Fact, ModelFile
from mlguard.findings import Detection, Location, Proof, Record

RULE = "model/missing-model-card"

_CARD = re.compile(
    r"^(?:readme|model[_\- .]?card|card|modelcard[_\- .].*|model[_\- .]?card[_\- .].*|.*[_\- .]model[_\- .]?card)"
    r"(?:\.(?:md|markdown|rst|txt|html|ya?ml|json|pdf|qmd))?$",
    re.I,
)
_ARRAYS = frozenset({"npy", "npz", "zip", "tar", "program"})
"""Formats that hold data as often as models."""


def assess(facts: Sequence[Fact], artifacts: Sequence[Artifact]) -> Iterator[Record]:
    """Yield a detection for each model file without a card in its folder or one above, and a proof for the others."""
    cards: dict[str, str] = {}
    for artifact in artifacts:
        folder, name = _split(artifact.path)
        if _CARD.match(name):
            cards.setdefault(folder, artifact.path)
    for model in sorted((fact for fact in facts if isinstance(fact, ModelFile)), key=lambda model: model.path):
        if model.format in _ARRAYS:
            continue
        folder = _split(model.path)[0]
        if any(above in cards for above in _upwards(folder)):
            yield Proof(RULE, model.path, model.path)
        else:
            shown = f"{folder} and the folders above it" if folder else "the top folder"
            yield Detection(
                RULE, "no-card", Location(model.path), {"folder": shown}, subject=model.path, anchor=model.path
            )


def _split(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name


def _upwards(folder: str) -> Iterator[str]:
    while folder:
        yield folder
        folder = _split(folder)[0]
    yield ""
