"""Values for the charts of others: whatever they are, they end in what they leave open, or in nothing."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard.errors import Unreadable
from mlguard.scanners.infra.chartvalues import MAX_LEVELS, opened
from mlguard.scanners.infra.yamltree import parse
from tests.scanning import found, scan

OPEN = "common:\n  security:\n    authorizationEnabled: false\n"


def services(text: str) -> list[tuple[str, int]]:
    attributes, positions = opened(parse(text).trees[0])
    return [
        (one["service"], positions[("open_services", index)].line)
        for index, one in enumerate(attributes["open_services"])
    ]


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="abc:- |>\n\t{}[]\"'&*#authorizationEnabled false", max_size=200) | st.text(max_size=200))
def test_any_values_end_in_a_list(text: str) -> None:
    try:
        trees = parse(text).trees
    except Unreadable:
        return

    for tree in trees:
        attributes, _ = opened(tree)
        assert isinstance(attributes["open_services"], list)


def test_a_setting_is_told_at_its_own_line_also_inside_a_text() -> None:
    inside = "files:\n  user.yaml: |\n" + "".join(f"    {line}\n" for line in OPEN.splitlines())

    assert services(OPEN) == [("vector-database", 3)]
    assert services(inside) == [("vector-database", 5)]


def test_settings_too_deep_are_left_alone() -> None:
    deep = "".join(f"{'  ' * level}a:\n" for level in range(MAX_LEVELS + 5))
    text = deep + "".join(f"{'  ' * (MAX_LEVELS + 5)}{line}\n" for line in OPEN.splitlines())

    assert services(text) == []


def test_the_values_of_a_chart_inside_a_chart_are_its_own_matter(tmp_path: Path) -> None:
    for folder in ("chart", "chart/charts/milvus"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "values.yaml").write_text(OPEN)

    report = scan(tmp_path, ["infra"])

    assert found(report, "k8s/unauthenticated-ml-service") == [
        ("chart/values.yaml", 3, "k8s/unauthenticated-ml-service")
    ]
