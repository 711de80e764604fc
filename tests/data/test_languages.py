"""The language of short texts, without network and without a library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlguard.scanners.dataset import languages

MESSAGES = [
    tuple(line.split("\t", 1)) for line in (Path(__file__).parent / "languages.tsv").read_text("utf-8").splitlines()
]
"""Messages to a shop in forty languages, which no table was built from."""


def test_nearly_every_message_of_a_sentence_is_told() -> None:
    answers = [(language, languages.of(text)) for language, text in MESSAGES]

    right = sum(language == answer for language, answer in answers)
    wrong = sum(answer not in (language, languages.UNKNOWN) for language, answer in answers)
    assert right / len(answers) > 0.95
    assert wrong / len(answers) < 0.02


def test_every_official_language_of_the_union_is_known() -> None:
    official = [
        "bg",
        "hr",
        "cs",
        "da",
        "nl",
        "en",
        "et",
        "fi",
        "fr",
        "de",
        "el",
        "hu",
        "ga",
        "it",
        "lv",
        "lt",
        "mt",
        "pl",
        "pt",
        "ro",
        "sk",
        "sl",
        "es",
        "sv",
    ]

    assert set(official) <= set(languages.known())


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "12345", "2024-01-05T10:00:00Z", "a3f9c2d1e0b84756", "SKU-8812/XL", "mira@kunde.intern", "https://kunde.intern/a/b", "foo_bar_baz",
        "Jane Doe", "Müller", "SELECT", "{{ name }}", "…", "!!!", "Samsung Galaxy",
    ],
)  # fmt: skip
def test_what_is_no_prose_has_no_language(text: str) -> None:
    assert languages.of(text) == languages.UNKNOWN


def test_addresses_and_placeholders_do_not_decide() -> None:
    text = "Bitte schreiben Sie mir an the.and.you@about.with.intern, <EMAIL> oder {{ the_name_of_you }} ist falsch"

    assert languages.of(text) == "de"


def test_a_mix_has_shares_and_leaves_out_what_only_one_text_seems_to_be() -> None:
    german = [f"Die Rechnung Nummer {number} ist falsch und ich warte noch" for number in range(30)]
    english = [f"The invoice number {number} is wrong and I am still waiting" for number in range(10)]

    assert languages.mix([*german, *english]) == (("de", 0.75), ("en", 0.25))
    assert languages.mix([*german, *english, "Où est donc mon colis, je vous prie ?"]) == (("de", 0.75), ("en", 0.25))
    assert languages.mix(["12", "x"]) == ()


def test_a_mix_of_a_few_texts_keeps_each() -> None:
    assert dict(languages.mix(["Where is my parcel now?", "Wo ist denn mein Paket?"])) == {"en": 0.5, "de": 0.5}


def test_the_answer_does_not_depend_on_the_hash_seed() -> None:
    script = (
        "from mlguard.scanners.dataset import languages as l;import sys;"
        "print([l.of(t) for t in sys.stdin.read().splitlines()])"
    )
    texts = "\n".join(text for _, text in MESSAGES)

    answers = {
        subprocess.run(
            [sys.executable, "-c", script], input=texts, capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1", "PATH": ""},
        ).stdout
        for seed in ("0", "1", "7")
    }  # fmt: skip

    assert len(answers) == 1


@given(st.text(max_size=300))
def test_any_text_at_all_has_an_answer(text: str) -> None:
    assert languages.of(text) in (*languages.known(), languages.UNKNOWN)


def test_a_text_without_end_costs_no_more_than_a_short_one() -> None:
    assert languages.of("die Rechnung ist falsch und ich warte noch " * 200_000) == "de"
