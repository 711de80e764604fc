"""What is reported about people in code of eight languages, and the ordinary code in which nothing is."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from mlguard.scanners.code import lexicon, own, source
from mlguard.scanners.code.names import Names
from mlguard.scanners.code.seeing import Sight
from tests.code.people import LANGUAGES, Sample, samples

ORDINARY = sorted((Path(__file__).parent / "ordinary").glob("*.txt"))
RULES = frozenset(sample.rule for sample in samples()) - {"code/exposed-raw-scores", "code/untraceable-inference"}


def sights(code: str, path: str) -> set[tuple[str, int]]:
    parsed = source.python_file(path, code.encode())
    seen = own.sights(parsed, Names(parsed.tree))
    return {(sight.rule, getattr(sight.node, "lineno", 1)) for sight in seen if isinstance(sight, Sight)}


@cache
def _of(language: str) -> tuple[Sample, ...]:
    return tuple(sample for sample in samples() if sample.language == language)


def _said(sample: Sample) -> bool:
    found = {line for rule, line in sights(sample.code, sample.path) if rule == sample.rule}
    return bool(found & sample.lines if sample.lines else found)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_done_with_people_is_reported_at_its_line(language: str) -> None:
    wanted = [sample for sample in _of(language) if sample.lines and not sample.missed]

    missed = [(sample.rule, sample.number, sample.code) for sample in wanted if not _said(sample)]

    assert len(wanted) > 100
    assert missed == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_code_with_masked_or_counted_values_is_left_alone(language: str) -> None:
    quiet = [sample for sample in _of(language) if not sample.lines]

    false = [(sample.rule, sample.number, sample.code) for sample in quiet if _said(sample)]

    assert len(quiet) > 40
    assert false == []


def test_what_is_known_to_be_missed_is_still_missed() -> None:
    assert [sample.rule for sample in samples() if sample.missed and _said(sample)] == []


@pytest.mark.parametrize("path", ORDINARY, ids=lambda path: path.stem)
def test_ordinary_code_written_by_hand_is_about_nobody(path: Path) -> None:
    found = sights(path.read_text(encoding="utf-8"), f"app/{path.stem}.py")

    assert {(rule, line) for rule, line in found if rule in RULES} == set()


def test_there_are_three_thousand_lines_of_it() -> None:
    assert sum(path.read_text(encoding="utf-8").count("\n") for path in ORDINARY) >= 3000


def _names() -> list[tuple[str, str, str]]:
    text = (Path(__file__).parent / "people_names.txt").read_text(encoding="utf-8")
    rows = [line.split(": ", 1) for line in text.splitlines() if line and not line.startswith("#")]
    return [
        (concept, language, name)
        for concept, names in rows
        for language, part in zip(LANGUAGES, names.split("|"), strict=True)
        for name in part.split()
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_nine_of_ten_names_of_personal_data_are_known_alone_and_nearly_all_beside_a_person(language: str) -> None:
    given = [name for _, at, name in _names() if at == language]

    alone = [name for name in given if lexicon.term(name)]
    beside = [name for name in given if lexicon.term(name) or lexicon.term(name, "patient") or lexicon.item(name)]

    assert len(alone) / len(given) > (0.7 if language == "en" else 0.8)
    assert len(beside) / len(given) > 0.9


@pytest.mark.parametrize(
    "name",
    ["email_spalte", "anzahl_telefonnummern", "email_vorlage", "courriel_valide", "modele_courriel", "longueur_nom_de_famille", "apellidos_longitud", "columna_dni", "plantilla_correo_electronico",
     "colonna_codice_fiscale", "codice_fiscale_valido", "kolom_bsn", "aantal_emailadres", "coluna_cpf", "cpf_valido", "kolumna_pesel", "liczba_nazwisko", "pesel_poprawny"],
)  # fmt: skip
def test_words_beside_a_name_make_another_thing_of_it_in_every_language(name: str) -> None:
    assert lexicon.term(name) is None


def test_the_table_has_concepts_for_all_that_the_law_calls_personal() -> None:
    from mlguard import tables

    terms = tables.table("personal-terms")["terms"]
    concepts = {str(term["id"]).removesuffix("-weak").removesuffix("-short").removesuffix("-item") for term in terms}

    assert len(concepts) >= 150
    assert {term["class"] for term in terms} == {"ordinary", "special", "criminal", "child"}
