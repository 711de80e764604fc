"""Tables about children are told by who is young at the time of the table, and by columns that name pupils and guardians."""

from __future__ import annotations

from mlguard.scanners.dataset import columns, verdict

NAMES = ["Emma Fischer", "Paul Wagner", "Lena Hoffmann", "Noah Schmidt", "Mia Schulz"]


def of_children(**cells: list[str]) -> set[str]:
    profiles = []
    for label, values in cells.items():
        profile = columns.Profile(label, label)
        profile.add(values)
        profiles.append(profile)
    return {field.name for field in verdict.judge(profiles) if field.category == "user.childrens"}


def test_ages_below_sixteen_beside_names_are_of_children() -> None:
    assert of_children(name=NAMES, age=["9", "11", "13", "14", "12"]) == {"age"}


def test_ages_of_grown_up_persons_are_not() -> None:
    assert of_children(name=NAMES, age=["39", "51", "23", "44", "62"]) == set()


def test_a_family_with_one_child_is_no_table_about_children() -> None:
    assert of_children(name=NAMES, age=["39", "41", "12", "67", "70"]) == set()


def test_births_are_compared_with_the_newest_date_of_the_table_and_not_with_today() -> None:
    born = [f"19{year}-05-04" for year in range(61, 66)]

    assert of_children(name=NAMES, birth_date=born, enrolled=["1970-09-01"] * 5) == {"birth_date"}
    assert of_children(name=NAMES, birth_date=born, enrolled=["2020-09-01"] * 5) == set()


def test_births_alone_say_nothing_about_childhood() -> None:
    assert of_children(name=NAMES, birth_date=[f"201{year}-05-04" for year in range(5)]) == set()


def test_columns_that_name_guardians_are_about_children() -> None:
    assert "guardian_name" in of_children(guardian_name=NAMES, class_name=["5a", "6b", "7c", "5b", "6a"])


def test_ages_of_wines_are_not_of_children() -> None:
    assert (
        of_children(wine=["Merlot", "Syrah", "Rioja", "Barolo", "Malbec"], age=["9", "11", "13", "14", "12"]) == set()
    )
