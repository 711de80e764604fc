"""Writes the inventory of a report as a bill of materials: CycloneDX 1.6 in JSON, with model cards (ECMA-424, 1st edition).

The same report gives the same bytes: the serial number is derived from the content and there is no time. Digests are in the bill
where the run computed them. What is not known is left out; the bill never says that something is complete.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import quote

from mlguard.facts import DESCRIPTIONS, Dataset, Fact, FileDigest, ModelCard, ModelFile
from mlguard.findings import Report, Verdict
from mlguard.reporters import billed
from mlguard.rules import Catalogue
from mlguard.tables import table

SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"

Kind = TypeVar("Kind")

_NAME = re.compile(r"[A-Za-z0-9][\w.+() /-]{0,95}\Z", re.A)
_CLASSES = ("personal", "criminal", "special")
"""Classes of personal data, the one that asks for most last."""


def render(report: Report, verdict: Verdict, catalogue: Catalogue) -> str:
    """Return the bill as JSON in ASCII, indented, with a line end."""
    body = _bill(report)
    named = _serial(json.dumps(body, sort_keys=True))
    ordered = {
        "$schema": SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": named,
        "version": 1,
        **body,
    }
    return json.dumps(ordered, indent=2) + "\n"


def _serial(text: str) -> str:
    """Return a UUID of version 8 (RFC 9562, section 5.8) over a text."""
    digits = bytearray(hashlib.sha256(text.encode()).digest()[:16])
    digits[6] = digits[6] & 0x0F | 0x80
    digits[8] = digits[8] & 0x3F | 0x80
    plain = digits.hex()
    return f"urn:uuid:{plain[:8]}-{plain[8:12]}-{plain[12:16]}-{plain[16:20]}-{plain[20:]}"


def _bill(report: Report) -> dict[str, Any]:
    models = _described(_of(report.facts, ModelFile))
    cards = [card for card in _of(report.facts, ModelCard) if card.form != "cyclonedx"]  # a bill draws on no other bill
    known = {fact.path: fact.sha256 for fact in _of(report.facts, FileDigest)}
    named = dict.fromkeys(name for card in cards for name in card.datasets)
    datasets = _of(report.facts, Dataset)
    libraries = list(billed.libraries(report.facts))
    components = [
        *(_model(model, _card_of(model, cards), known) for model in models),
        *(_dataset(path, [fact for fact in datasets if fact.path == path], known) for path in _paths(datasets)),
        *(_hub_dataset(name) for name in named),
        *libraries,
    ]
    tool = {"type": "application", "name": "mlguard", "version": report.version}
    metadata: dict[str, Any] = {"tools": {"components": [tool]}}
    if libraries:
        metadata["component"] = {"type": "application", "bom-ref": billed.ROOT, "name": "the scanned tree"}
    flaws = billed.vulnerabilities(report.findings, frozenset(item["bom-ref"] for item in libraries))
    return {
        "metadata": metadata,
        "components": sorted(components, key=lambda item: (item["type"], item["bom-ref"])),
        **({"dependencies": billed.dependencies(report.facts)} if libraries else {}),
        **({"vulnerabilities": flaws} if flaws else {}),
    }


def _of(facts: Iterable[Fact], kind: type[Kind]) -> list[Kind]:
    return [fact for fact in facts if isinstance(fact, kind)]


def _paths(datasets: Iterable[Dataset]) -> list[str]:
    return list(dict.fromkeys(fact.path for fact in datasets))


def _properties(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": f"mlguard:{name}", "value": value} for name, value in pairs if value]


def _hashes(path: str, known: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": known[path]}] if path in known else []


# --- Models


def _described(files: Sequence[ModelFile]) -> list[ModelFile]:
    """Return the models, with the base models and licences that configurations in their folders name."""
    beside: dict[str, list[ModelFile]] = {}
    for file in files:
        if file.format in DESCRIPTIONS:
            beside.setdefault(file.path.rpartition("/")[0], []).append(file)
    return [
        replace(
            file,
            bases=tuple(dict.fromkeys([*file.bases, *(base for other in others for base in other.bases)])),
            licences=tuple(dict.fromkeys([*file.licences, *(name for other in others for name in other.licences)])),
        )
        for file in files
        if file.format not in DESCRIPTIONS
        for others in [beside.get(file.path.rpartition("/")[0], [])]
    ]


def _card_of(model: ModelFile, cards: Sequence[ModelCard]) -> ModelCard | None:
    """Return the card in the folder of a model, or in the nearest one above."""
    folder = model.path.rpartition("/")[0]
    near = [
        (len(above), card)
        for card in cards
        if (above := card.path.rpartition("/")[0]) == folder or not above or folder.startswith(f"{above}/")
    ]
    return max(near, key=lambda item: item[0])[1] if near else None


def _model(model: ModelFile, card: ModelCard | None, known: Mapping[str, str]) -> dict[str, Any]:
    bases = dict.fromkeys((*model.bases, *(card.bases if card else ())))
    licences = dict.fromkeys((*model.licences, *(card.licences if card else ())))
    told = [("format", model.format), *(("contains", name) for name in model.formats if name != model.format)]
    told += [("verdict", model.verdict), ("tensors", str(model.tensors or "")), ("size", str(model.size or ""))]
    told += [("stored-training-data", name) for name in model.stored]
    told += [("imports", name) for name in model.imports]
    component = {
        "type": "machine-learning-model",
        "bom-ref": f"model:{model.path}",
        "name": model.path,
        "hashes": _hashes(model.path, known),
        "licenses": _licences(licences),
        "pedigree": {"ancestors": [_ancestor(*base) for base in bases]} if bases else {},
        "externalReferences": [{"type": "model-card", "url": quote(card.path, errors="surrogateescape")}]
        if card
        else [],
        "modelCard": _model_card(card) if card else {},
        "properties": _properties(told),
    }
    return _without_empty(component)


def _without_empty(component: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in component.items() if value or key in ("type", "bom-ref", "name")}


def _licences(names: Iterable[str]) -> list[dict[str, Any]]:
    known = table("model-licences")["spdx"]
    identifiers = set(known.values())
    found = []
    for name in names:
        if identifier := known.get(name.lower()) or (name if name in identifiers else ""):
            found.append({"license": {"id": identifier}})
        elif _NAME.match(name):
            found.append({"license": {"name": name}})
    return found


def _ancestor(reference: str, revision: str) -> dict[str, Any]:
    """Return a base model. ``owner/name`` is a package URL of the hub (package-url/purl-spec, huggingface)."""
    component = {"type": "machine-learning-model", "name": reference}
    if revision:
        component["version"] = revision
    if re.fullmatch(r"[\w.-]+/[\w.-]+", reference, re.A) and not reference.startswith("."):
        component["purl"] = f"pkg:huggingface/{reference}" + (f"@{revision.lower()}" if revision else "")
    return component


def _model_card(card: ModelCard) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    if card.task:
        parameters["task"] = card.task
    if card.datasets:
        parameters["datasets"] = [{"ref": f"dataset:{name}"} for name in card.datasets]
    told = [("library", card.library), ("tells", ", ".join(card.sections)), ("lacks", ", ".join(card.missing))]
    found = {"modelParameters": parameters, "properties": _properties((f"card-{name}", value) for name, value in told)}
    return {key: value for key, value in found.items() if value}


# --- Data and libraries


def _dataset(path: str, facts: Sequence[Dataset], known: Mapping[str, str]) -> dict[str, Any]:
    fields = [field for fact in facts for field in fact.fields]
    classes = [name for name in _CLASSES if any(field.gdpr_class == name for field in fields)]
    data: dict[str, Any] = {"type": "dataset", "name": path}
    if classes:
        data["classification"] = classes[-1]
        data["sensitiveData"] = sorted({field.category for field in fields})
    told = [("format", facts[0].format), ("rows", str(sum(fact.rows for fact in facts)))]
    component = {
        "type": "data",
        "bom-ref": f"data:{path}",
        "name": path,
        "hashes": _hashes(path, known),
        "data": [data],
        "properties": _properties(told),
    }
    return _without_empty(component)


def _hub_dataset(name: str) -> dict[str, Any]:
    return {"type": "data", "bom-ref": f"dataset:{name}", "name": name, "data": [{"type": "dataset", "name": name}]}
