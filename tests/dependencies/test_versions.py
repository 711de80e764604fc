"""Versions sort and compare as the reference implementation of PEP 440 has it."""

from __future__ import annotations

import random
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import InvalidVersion, Version

from mlguard.scanners.dependencies import pep440

PAIRS = 200_000


def reference(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def invented(chance: random.Random) -> str:
    text = "v" if chance.random() < 0.1 else ""
    text += f"{chance.randint(0, 2)}!" if chance.random() < 0.1 else ""
    text += ".".join(str(chance.choice([0, 0, 1, 2, 9, 10, 2021, 10**18])) for _ in range(chance.randint(1, 4)))
    if chance.random() < 0.4:
        word = chance.choice(["a", "b", "rc", "c", "alpha", "Beta", "pre", "preview"])
        text += (
            chance.choice(["", ".", "-", "_"]) + word + chance.choice(["", ".", "-"]) + chance.choice(["", "0", "02"])
        )
    if chance.random() < 0.3:
        text += chance.choice([".post", "-", "post", "rev", "-r", "_post."]) + chance.choice(["", "0", "1", "7"])
    if chance.random() < 0.3:
        text += chance.choice([".dev", "dev", "-dev", "_dev-"]) + chance.choice(["", "0", "3"])
    if chance.random() < 0.15:
        text += "+" + chance.choice(["abc", "1", "cu117", "1.a", "a.1", "ab_2-x", "0", "10", "9"])
    if chance.random() < 0.05:
        text += chance.choice(["x", "..", "-", " ", "\n", "\u017f", "\u0661", "+", "!"])
    return text


def test_order_is_that_of_the_reference_on_many_pairs() -> None:
    chance = random.Random(440)
    texts = [invented(chance) for _ in range(20_000)]
    known = [(pep440.key(text), reference(text)) for text in texts]

    assert [text for text, (key, version) in zip(texts, known, strict=True) if (key is None) != (version is None)] == []
    valid = [(key, version) for key, version in known if key is not None and version is not None]
    for _ in range(PAIRS):
        (one, first), (other, second) = chance.choice(valid), chance.choice(valid)
        assert (one < other, one == other) == (first < second, first == second), (first, second)


@given(
    st.from_regex(
        re.compile(r"v?(\d!)?\d+(\.\d+){0,3}[-._]?(a|b|rc|post|dev|r)?[-._]?\d{0,3}(\+[a-z0-9.]{1,5})?", re.A)
    )
)
@settings(max_examples=500, deadline=None)
def test_text_is_a_version_where_the_reference_takes_it_for_one(text: str) -> None:
    key, version = pep440.key(text), reference(text)

    assert (key is None) == (version is None)
    if key is not None and version is not None:
        assert pep440.public(key) == pep440.key(version.public)


@given(st.text(max_size=60))
@settings(max_examples=500, deadline=None)
def test_any_text_is_a_version_or_is_not(text: str) -> None:
    assert (pep440.key(text) is None) == (reference(text) is None)


@pytest.mark.parametrize("text", ["1" * 10_000, "1." * 500_000, "1a" * 300_000, "+" * 10**6, "1-" * 400_000])
def test_hostile_text_is_no_version_and_takes_no_time(text: str) -> None:
    start = time.process_time()

    assert pep440.key(text) is None
    assert time.process_time() - start < 0.5
