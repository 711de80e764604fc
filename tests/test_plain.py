"""Arguments that are read without click mean what click reads in them."""

from __future__ import annotations

import inspect
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlguard.cli import plain
from mlguard.cli.scan import command
from mlguard.cli.scanning import scan

TOKENS = [
    "-s", "--scanner", "--scanner=code", "code", "-o", "--output", "--output=json", "json=x=y", "-v", "--verbose", "-vv", "--verbose=1", "--no-cache",
    "--color", "--no-color", "-j", "--jobs", "--jobs=2", "-j2", "0", "12", "256", "257", "-1", "+1", " 1", "\u0663", "--fail-on", "--fail-on=low",
    "high", "HIGH", "never", "--", "-", "", ".", "a b", "--null", "-0", "--help", "-h", "--history", "--engine", "ray", "--unknown", "-x",
    "--scanner=", "--output==", "s3://bucket/x", "--fail", "--color=1",
]  # fmt: skip

DEFAULTS = {name: one.default for name, one in inspect.signature(scan).parameters.items() if name != "targets"}


def by_click(arguments: list[str]) -> dict[str, Any] | None:
    """Return what click reads, None when it refuses the arguments or shows its help."""
    try:
        return command.make_context("scan", list(arguments)).params
    except (click.ClickException, click.exceptions.Exit):
        return None


@given(st.lists(st.sampled_from(TOKENS) | st.text(max_size=3), max_size=6))
def test_what_is_read_is_what_click_reads(arguments: list[str]) -> None:
    read = plain.arguments(arguments)

    if read is not None:
        assert {**DEFAULTS, **read} == by_click(arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["."], ["a", "b"], ["-s", "code", "src", "--scanner", "secrets"], ["-o", "json=x.json", "--output=text"], ["-j", "0"], ["--jobs=2", "."],
        ["--fail-on", "low"], ["--fail-on=never", "-v"], ["--no-cache"], ["--color"], ["--no-color", "--color"], ["--verbose", "-v"],
    ],
)  # fmt: skip
def test_common_arguments_are_read(arguments: list[str]) -> None:
    read = plain.arguments(arguments)

    assert read is not None
    assert {**DEFAULTS, **read} == by_click(arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"], ["-h"], ["--", "a"], ["-s"], ["-s", "-v"], ["-j", "257"], ["-j", "x"], ["-j2"], ["--fail-on", "worst"], ["--online", "osv"],
        ["--history"], ["-c", "mlguard.yaml"], ["--root", "."], ["--unknown"], ["-"],
    ],
)  # fmt: skip
def test_everything_else_is_left_to_click(arguments: list[str]) -> None:
    assert plain.arguments(arguments) is None


def test_parameters_are_those_of_the_command() -> None:
    assert {parameter.name for parameter in command.params} == {"targets", *DEFAULTS}
