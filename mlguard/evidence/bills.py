"""Bills of materials: whether a file is one, how many models it lists, and the model cards in it.

Forms: CycloneDX 1.5 and later in JSON (ECMA-424; components of type machine-learning-model, their modelCard), SPDX 2 in JSON and SPDX 3
in JSON-LD (elements of type ai_AIPackage).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from mlguard.evidence import cards
from mlguard.facts import BillOfMaterials, ModelCard
from mlguard.tables import table

MAX_BYTES = 64 * 2**20
"""The largest bill that is read."""

MAX_COMPONENTS = 100_000


def read(data: bytes, path: str) -> Iterator[BillOfMaterials | ModelCard]:
    """Yield the bill that ``data`` is, and the model cards in it. Yields nothing when it is something else."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(body, dict):
        return
    if body.get("bomFormat") == "CycloneDX":
        models = [item for item in _components(body) if item.get("type") == "machine-learning-model"]
        yield BillOfMaterials(path, "CycloneDX", len(models))
        for model in models:
            if isinstance(model.get("modelCard"), dict):
                yield _card(model, path)
    elif isinstance(body.get("spdxVersion"), str):
        packages = body.get("packages")
        listed = packages if isinstance(packages, list) else []
        yield BillOfMaterials(path, "SPDX", sum(_is_model(item) for item in listed))
    elif "spdx.org/rdf/3" in str(body.get("@context")):
        graph = body.get("@graph")
        listed = graph if isinstance(graph, list) else []
        kinds = [str(item.get("type")) for item in listed if isinstance(item, dict)]
        yield BillOfMaterials(path, "SPDX", sum("AIPackage" in kind for kind in kinds))


def _is_model(package: object) -> bool:
    return isinstance(package, dict) and str(package.get("primaryPackagePurpose")).upper() in (
        "MODEL",
        "AI",
        "DATA-MODEL",
    )


def _components(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield all components of a bill, those inside others too."""
    metadata = body.get("metadata")
    waiting = [body.get("components"), [metadata.get("component")] if isinstance(metadata, dict) else None]
    left = MAX_COMPONENTS
    while waiting and left:
        listed = waiting.pop()
        for item in listed if isinstance(listed, list) else ():
            left -= 1
            if left <= 0:
                return
            if isinstance(item, dict):
                yield item
                waiting.append(item.get("components"))


_KEYS = {
    "purpose": ("useCases", "users", "task"),
    "training-data": ("datasets",),
    "evaluation": ("performanceMetrics", "quantitativeAnalysis", "performanceTradeoffs"),
    "limits": ("technicalLimitations", "ethicalConsiderations", "fairnessAssessments"),
}
"""Sections that keys of a CycloneDX model card tell (CycloneDX 1.6, modelCard)."""


def _card(model: Mapping[str, Any], path: str) -> ModelCard:
    card = model["modelCard"]
    told: set[str] = set()
    parts = [part for part in (card, card.get("modelParameters"), card.get("considerations"), card.get("quantitativeAnalysis")) if isinstance(part, dict)]  # fmt: skip
    for section, keys in _KEYS.items():
        if any(part.get(key) for part in parts for key in keys):
            told.add(section)
    if model.get("version"):
        told.add("version")
    if model.get("licenses"):
        told.add("licence")
    if any(model.get(key) for key in ("supplier", "author", "authors", "publisher", "manufacturer")):
        told.add("contact")
    for item in card.get("properties") or () if isinstance(card.get("properties"), list) else ():
        if isinstance(item, dict) and item.get("value"):
            told |= set(cards.sections_of(str(item.get("name"))))
    sections = table("model-cards")["sections"]
    return ModelCard(
        path,
        "cyclonedx",
        licences=tuple(_licences(model.get("licenses"))),
        bases=tuple(_ancestors(model.get("pedigree"))),
        sections=tuple(name for name in sections if name in told),
        missing=tuple(name for name in sections if name not in told),
    )


def _licences(value: object) -> Iterator[str]:
    for item in value[: cards.MAX_NAMES] if isinstance(value, list) else ():
        inner = item.get("license") if isinstance(item, dict) else None
        for key in ("id", "name"):
            name = inner.get(key) if isinstance(inner, dict) else None
            if isinstance(name, str) and cards.is_name(name, cards.WORDS):
                yield name


def _ancestors(value: object) -> Iterator[tuple[str, str]]:
    listed = value.get("ancestors") if isinstance(value, dict) else None
    for item in listed[: cards.MAX_NAMES] if isinstance(listed, list) else ():
        name, version = (item.get("name"), item.get("version")) if isinstance(item, dict) else (None, None)
        if isinstance(name, str) and cards.is_name(name):
            yield name, version if isinstance(version, str) and cards.COMMIT.fullmatch(version) else ""
