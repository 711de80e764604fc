"""Words and forms of values give a category away under any name, and words of other things do not."""

from __future__ import annotations

import pytest

from mlguard.scanners.dataset import columns, phones, streets, terms, verdict


def categories(**cells: list[str]) -> dict[str, str]:
    profiles = []
    for label, values in cells.items():
        profile = columns.Profile(label, label)
        profile.add(values)
        profiles.append(profile)
    return {field.name: field.category for field in verdict.judge(profiles)}


RELIGIONS = ["katholisch", "evangelisch", "muslimisch", "konfessionslos"] * 10


@pytest.mark.parametrize(
    ("values", "category"),
    [
        (RELIGIONS, "user.demographic.religious_belief"),
        (["SPD", "CDU", "Die Linke", "FDP"] * 10, "user.demographic.political_opinion"),
        (["heterosexual", "bisexual", "homosexual"] * 10, "user.demographic.sexual_orientation"),
        (["cukrzyca", "astma", "depresja"] * 10, "user.health_and_medical"),
    ],
)
def test_special_categories_are_told_by_words_under_a_name_that_says_nothing(values: list[str], category: str) -> None:
    assert categories(q7=values, customer_id=[f"C{number}" for number in range(40)]) == {"q7": category}


def test_an_abbreviation_that_is_also_an_animal_hides_nothing() -> None:
    assert categories(cat=RELIGIONS) == {"cat": "user.demographic.religious_belief"}


def test_lists_of_drugs_and_of_codes_are_about_nobody() -> None:
    drugs = {
        "drug_name": ["Aspirin", "Ibuprofen", "Metformin"] * 10,
        "manufacturer": ["Pfizer", "Bayer", "Eli Lilly"] * 10,
        "indication": ["Hypertension", "Diabetes", "Asthma"] * 10,
        "atc": ["A10BA02", "N02BA01", "C10AA05"] * 10,
    }

    assert categories(**drugs) == {}


@pytest.mark.parametrize(
    "value",
    [
        "Hornichstr. 79, 41251 Saarbrücken", "12696 Brown Plains Apt. 304", "5/5 Bullock Ridgeway, Port Stevenfort, NT, 2920",
        "Glorieta Charo Peñas 924", "Calzada Austria 038", "Piazza Federico, 70 Appartamento 24", "ul. Konopnickiej 28/96, 12-345 Kraków",
        "Skolgatan 9, 53503 Sandviken", "Viela de Novais, 317, 05632-161 Moura / MT", "ул. Коллективная, д. 5/8", "вулиця Ювілейна, буд. 84",
        "北京市朝阳区建国路88号", "東京都港区芝公園4丁目2-8", "Drumul Romulus Nr. 219", "Gunillanbulevardi 4, 89829 Nurmijärvi", "H.No. 049\nBorah Chowk",
    ],
)  # fmt: skip
def test_addresses_of_many_countries_are_told(value: str) -> None:
    assert streets.is_address(value)


@pytest.mark.parametrize(
    "value",
    ["Mozilla/5.0 (Linux; Android 9) AppleWebKit/532.2", "57^Glucose^LN", "v1.2.3", "Order 66", "bert-base-uncased", "2021-03-04", "Model 3",
     "s3://bucket/path 12", "12 boxes x 20 bags", "Intel Core i7 9700"],
)  # fmt: skip
def test_other_texts_with_numbers_are_no_addresses(value: str) -> None:
    assert not streets.is_address(value)


@pytest.mark.parametrize("values", [
    ["2760 585 714", "+306926150391", "210 153 0616", "2310 555 812", "+302106543210", "6944 123 456"],
    ["031 5571732", "+31201234567", "020 7654321", "+31612345678", "010 4123456", "+31101234567"],
])  # fmt: skip
def test_telephone_numbers_are_told_by_the_plan_of_their_region(values: list[str]) -> None:
    assert phones.fit_a_region(values)


@pytest.mark.parametrize("values", [
    ["298-17-4361", "229-64-5644", "669-86-1934", "111-22-3333", "505-12-9876"],
    ["10.45.0.0/16", "10.249.0.0/16", "10.27.0.0/16", "10.3.0.0/16", "10.9.0.0/16"],
    ["-67141.73", "-90526.22", "55066.44", "12345.67", "99887.12"],
    ["1598723400", "1637896539", "1529127121", "1700000000", "1612345678"],
])  # fmt: skip
def test_other_numbers_fit_no_region(values: list[str]) -> None:
    assert not phones.fit_a_region(values)


def test_epochs_are_no_telephone_numbers_even_when_the_column_says_so() -> None:
    assert categories(phone=[str(1_500_000_000 + 7_919 * number) for number in range(60)]) == {}


def test_groups_of_digits_that_no_north_american_number_can_be_are_none() -> None:
    values = [f"{area} {number:03d} {number * 37 % 10000:04d}" for number, area in enumerate(range(100, 1000, 9))]

    assert phones.break_plan(values)
    assert categories(code=values) == {}


@pytest.mark.parametrize(("name", "term"), [
    ("What is your full name?", "full-name"), ("Which gender do you identify with?", "gender"), ("How old are you?", "age"),
    ("billing_details.address.line1", "address"), ("address[0].line[0]", "address"), ("name[0].family", "last-name"), ("dt_of_brth", "birth-date"),
])  # fmt: skip
def test_questions_and_paths_say_what_they_hold(name: str, term: str) -> None:
    found = terms.term_of(name)

    assert found is not None
    assert found.id == term


@pytest.mark.parametrize("name", ["item", "Unnamed: 4", "col_b", "value 2", "x", "dim_4", ""])
def test_a_name_of_empty_words_says_nothing_and_denies_nothing(name: str) -> None:
    assert terms.says_nothing(name)
    assert not terms.denied(name)


def test_words_that_mislead_name_nothing_when_the_values_do_not_fit() -> None:
    assert (
        categories(
            email=["welcome.html", "{{user.email}}"] * 20,
            password=["required", "optional"] * 20,
            user=["root", "www-data", "postgres", "admin"] * 10,
            gender=["masc", "fem", "neut", "masc"] * 10,
            retina=["icon@2x.png"] * 40,
        )
        == {}
    )
