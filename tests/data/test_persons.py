"""Names of persons are told by how they are written and by the names in them, not by what the column is called."""

from __future__ import annotations

import pytest

from mlguard.scanners.dataset import columns, persons, verdict

EUROPEAN = [
    "Emma Fischer",
    "Paul Wagner",
    "Agnieszka Wojciechowska",
    "José Luis García",
    "Søren Kjærgaard",
    "Aino Virtanen",
]
AFRICAN = ["Chinedu Okafor", "Amara Diallo", "Thabo Mokoena", "Fatoumata Traoré", "Kwame Mensah", "Ngozi Adeyemi"]
ASIAN = ["Nguyễn Văn An", "Priya Raghunathan", "Budi Santoso", "Tanaka Hiroshi", "Kim Min-jun", "Siti Nurhaliza"]
GIVEN = ["Emma", "Paul", "Agnieszka", "José", "Aino", "Chinedu", "Priya", "Thiago", "Fatima", "Lena"]
FAMILY = [
    "Fischer", "Wagner", "Nowak", "García", "Virtanen", "Okafor", "Rossi", "Ferrari", "Dubois", "Jansen", "Andersson", "Silva", "Smith",
    "Johnson", "Kowalski", "Müller", "Hernández", "Popescu", "Novák", "Nagy",
]  # fmt: skip


def categories(**cells: list[str]) -> dict[str, str]:
    profiles = []
    for label, values in cells.items():
        profile = columns.Profile(label, label)
        profile.add(values)
        profiles.append(profile)
    return {field.name: field.category for field in verdict.judge(profiles)}


@pytest.mark.parametrize("values", [EUROPEAN, AFRICAN, ASIAN])
def test_full_names_of_many_peoples_are_told_under_a_name_that_says_nothing(values: list[str]) -> None:
    assert categories(col_1=values) == {"col_1": "user.name"}
    assert categories(col_1=[value.upper() for value in values]) == {"col_1": "user.name"}


def test_given_names_alone_are_told() -> None:
    assert categories(x=GIVEN) == {"x": "user.name.first"}


def test_family_names_are_told_beside_given_names() -> None:
    assert categories(x=GIVEN + GIVEN, y=FAMILY)["y"] == "user.name.last"


@pytest.mark.parametrize(
    "values",
    [
        ["Chicken Alfredo", "Eggs Benedict", "Margherita Pizza", "Beef Wellington", "Caesar Salad", "Peach Melba"],
        ["Los Angeles", "San Francisco", "Saint Paul", "Fort Worth", "San Antonio", "Santa Barbara", "San Jose", "Santa Ana"],
        ["Avenida Lima", "Rodovia Pacheco", "Condomínio Freitas", "Praça Silva", "Travessa Gomes", "Estrada Lopes"],
        ["29,11 Lei", "7.342,37 Lei", "24.594,88 Lei", "3,10 Lei", "12,00 Lei"],
        ["Karl-Marx-Straße", "Rosa-Luxemburg-Platz", "Mehringdamm", "Hermannplatz", "Alexanderplatz"],
    ],
)  # fmt: skip
def test_dishes_towns_streets_and_prices_are_no_persons(values: list[str]) -> None:
    assert categories(value=values * 6, contact=values * 6) == {}


def test_things_that_come_again_and_again_are_no_persons_under_a_bare_name() -> None:
    storms = ["Katrina", "Andrew", "Harvey", "Maria", "Irma", "Sandy"] * 20

    assert categories(name=storms, wind=[str(number) for number in range(120)]) == {}


def test_authors_that_come_again_and_again_are_persons() -> None:
    directors = ["Steven Spielberg", "Sofia Coppola", "Greta Gerwig", "Pedro Almodóvar", "Wes Anderson"] * 20

    assert categories(director=directors) == {"director": "user.name"}


def test_a_name_begins_with_a_given_name_or_a_family_name_before_one() -> None:
    assert persons.told_by(["Emma Fischer", "Fischer, Emma", "Dr. Fischer"]).led == 1.0
    assert persons.told_by(["Chicken Alfredo", "Eggs Benedict"]).led == 0.0


def test_a_value_with_a_digit_is_no_name() -> None:
    assert persons.told_by(["Anna 2", "Model Anna 3"]) == persons.Names(2, 0, 0, 0, 0, 0, 0)


def test_a_bare_name_beside_family_names_holds_given_names() -> None:
    rare = ["Toğan", "Denkel", "Nurcan", "Dorukhan", "İzgü", "Rümeysa", "Örik", "Zöhrehan"]

    assert categories(Ad=rare, soyisim=FAMILY[:8])["Ad"] == "user.name.first"
    assert "Ad" not in categories(Ad=["Mug", "Lamp", "Chair", "Desk"], price=["1", "2", "3", "4"])
