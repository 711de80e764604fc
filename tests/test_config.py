"""A configuration means what a person reads, or is an error that says what to change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard import config, yamlish
from mlguard.errors import Unreadable, UsageError


def load(tmp_path: Path, text: str) -> config.Config:
    file = tmp_path / "mlguard.yaml"
    file.write_text(text)
    return config.load(file)


def test_defaults_without_a_file_run_every_scanner_and_fail_on_high() -> None:
    loaded = config.load(None)

    assert loaded.fail_on == "high"
    assert set(loaded.required) == {"code", "secrets", "dependencies", "dataset", "model", "infra"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("version: 1\ngate:\n  fial_on: high\n", "line 3: unknown key 'fial_on'; did you mean 'fail_on'?"),
        ("version: 1\ngate: {fail_on: hihg}\n", "which is none of critical, high, medium, low, never; did you mean 'high'?"),
        ("version: 2\n", "line 1: version is 2"),
        ("gate: {}\n", "lacks the key version"),
        ("version: 1\nversion: 1\n", "line 2: the key 'version' stands twice"),
        ("version: 1\nlimits: {jobs: -1}\n", "limits.jobs is -1, which is not between 0 and 256"),
        ("version: 1\nlimits: {jobs: two}\n", "limits.jobs must be a whole number"),
        ("version: 1\nexclude: data\n", "exclude must be a list"),
        ("version: 1\nscanners: {enabled: [cod]}\n", "there is no scanner 'cod'; did you mean 'code'?"),
        ("version: 1\nignore: [{rule: code/x}]\n", "ignore.0 lacks the key reason"),
        ("version: 1\nignore: [{rule: code/x, reason: because it is so, owner: ml, until: 2026-02-30}]\n", "no day of the calendar"),
        ("- 1\n", "must be a mapping, not a list"),
        ("", "must be a mapping, not empty"),
        ("version: !!python/object:os.system 1\n", "the tag"),
        ("version: [1\n", "not valid YAML"),
    ],
)  # fmt: skip
def test_error_names_place_value_and_remedy(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError) as error:
        load(tmp_path, text)

    assert told in str(error.value)
    assert "mlguard.yaml" in str(error.value)


def test_values_mean_what_a_person_reads() -> None:
    text = "a: NO\nb: 0640\nc: 1.10\nd: 2026-01-01\ne: 12:30\non: yes\ng: 1e3\nh: true\ni: 12\nj: ~\nk: 0.5\n"

    body, lines = yamlish.load(text, "x.yaml")

    assert body == {
        "a": "NO", "b": "0640", "c": "1.10", "d": "2026-01-01", "e": "12:30", "on": "yes", "g": "1e3", "h": True, "i": 12,
        "j": None, "k": 0.5,
    }  # fmt: skip
    assert lines[("on",)] == 6


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        bomb(10),
        "a: &a [*a]\n",
        "a: " + "[" * 5000 + "]" * 5000,
        "[" * 500_000,
        "- " * 300_000,
        "a: " + "{b: " * 3000 + "}" * 3000,
    ],
)
def test_bombs_are_refused_quickly(text: str) -> None:
    with pytest.raises(Unreadable):
        yamlish.load(text, "x.yaml")


def test_pyproject_table_is_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\n[tool.mlguard]\nversion = 1\ngate = {fail_on = "low"}\n'
    )

    found = config.find(tmp_path)

    assert found is not None
    assert config.load(found).fail_on == "low"


def test_two_configurations_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "mlguard.yaml").write_text("version: 1\n")
    (tmp_path / "pyproject.toml").write_text("[tool.mlguard]\nversion = 1\n")

    with pytest.raises(UsageError, match="keep one"):
        config.find(tmp_path)


def test_digest_is_over_meaning_not_writing(tmp_path: Path) -> None:
    first = load(tmp_path, "version: 1\ngate: {fail_on: low}\n").digest
    second = load(tmp_path, "# note\ngate:\n  fail_on: 'low'\nversion: 1\n").digest
    third = load(tmp_path, "version: 1\ngate: {fail_on: high}\n").digest

    assert first == second != third


_VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.sampled_from(["high", "code", "2026-01-01", "a reason of length", "x", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["version", "gate", "fail_on", "ignore", "rule", "reason", "owner", "until", "limits", "jobs", "settings", "x", "path"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(_VALUES)
def test_own_validator_agrees_with_json_schema(value: Any) -> None:
    ours = list(config.problems(value, config.schema()))

    theirs = list(jsonschema.Draft202012Validator(config.schema()).iter_errors(value))

    assert bool(ours) == bool(theirs)


def test_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(config.schema())
