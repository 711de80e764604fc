"""Asks Presidio for a second opinion on a bounded number of candidates, without network and without its logs."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

from mlguard import tables

MIN_PHONE_DIGITS = 7
"""Shorter phone numbers are not told from other numbers."""


@cache
def pinned() -> dict[str, Any]:
    """Return the table of recognizers."""
    table: dict[str, Any] = tables.table("recognizers")
    return table


@cache
def entities() -> frozenset[str]:
    """Return the entities that have a recognizer."""
    return frozenset(entry["entity"] for entry in pinned()["recognizers"])


@cache
def _analyzer() -> Any:
    for name in ("presidio-analyzer", "presidio_analyzer", "tldextract", "phonenumbers", "spacy"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # their messages quote what they look at
    import tldextract

    # Without this the first e-mail address asks two hosts for a list of suffixes, and the verdict depends on the answer.
    offline = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    tldextract.tldextract.TLD_EXTRACTOR = offline
    tldextract.extract = offline  # type: ignore[assignment]  # an extractor is what the function calls

    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry, predefined_recognizers
    from presidio_analyzer.context_aware_enhancers import LemmaContextAwareEnhancer
    from presidio_analyzer.nlp_engine.no_op_nlp_engine import NoOpNlpEngine

    logging.getLogger("presidio-analyzer").setLevel(logging.CRITICAL + 1)
    engine = NoOpNlpEngine([{"lang_code": "en", "model_name": ""}])
    engine.load()
    registry = RecognizerRegistry(recognizers=[], supported_languages=["en"])
    for entry in pinned()["recognizers"]:
        options: dict[str, Any] = {"supported_language": "en"}
        if entry["entity"] == "PHONE_NUMBER":
            options["supported_regions"] = tuple(pinned()["phone_regions"])
        registry.add_recognizer(getattr(predefined_recognizers, entry["class"])(**options))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that there are no context words in the text, which is meant
        return AnalyzerEngine(
            registry=registry,
            nlp_engine=engine,
            supported_languages=["en"],
            context_aware_enhancer=LemmaContextAwareEnhancer(context_matching_mode="whole_word"),
        )


def found(text: str, wanted: Sequence[str] = (), context: Sequence[str] = ()) -> set[str]:
    """Return the entities, of ``wanted`` or of all, that Presidio sees in ``text`` at the threshold."""
    results = _analyzer().analyze(
        text=text,
        language="en",
        entities=sorted(set(wanted) & entities()) if wanted else sorted(entities()),
        context=list(context) or None,
        score_threshold=pinned()["threshold"],
    )
    return {
        result.entity_type
        for result in results
        if _stands_free(text, result.start, result.end)
        and (
            result.entity_type != "PHONE_NUMBER"
            or sum(map(str.isdigit, text[result.start : result.end])) >= MIN_PHONE_DIGITS
        )
    }


def _stands_free(text: str, start: int, end: int) -> bool:
    """Say whether the match is no part of a longer run of letters and digits, as some patterns allow."""
    return not (start and text[start - 1].isalnum()) and not text[end : end + 1].isalnum()


def confirmed(entity: str, candidates: Sequence[str], context: Sequence[str]) -> int:
    """Return how many of the candidates Presidio takes for ``entity``."""
    return sum(entity in found(text, (entity,), context) for text in candidates)
