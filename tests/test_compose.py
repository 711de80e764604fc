"""Compose files as containers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard.artifacts import Artifact
from mlguard.findings import Gap
from mlguard.scanners import Context
from mlguard.scanners.infra import compose
from mlguard.scanners.infra.resources import Resource


def read(root: Path, text: str) -> list[Resource | Gap]:
    (root / "compose.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    return list(compose.read([Artifact("compose.yaml", "yaml", len(text))], Context(root)))


def service(root: Path, text: str) -> Resource:
    found = read(root, "services:\n  a:\n" + "".join(f"    {line}\n" for line in text.split("\n")))[0]
    assert isinstance(found, Resource)
    return found


@pytest.mark.parametrize(
    ("port", "published"),
    [
        ('"5432:5432"', ["5432"]), ('"5432"', ["5432"]), ("5432", ["5432"]), ('"127.0.0.1:5432:5432"', []), ('"127.0.0.1::5432"', []),
        ('"0.0.0.0:5432:5432/tcp"', ["5432"]), ('"[::1]:1:5432"', []), ('"${P:-1}:5432"', ["5432"]), ('"${H:-127.0.0.1}:1:5432"', []),
        ('"${H}:1:5432"', []), ("{target: 5432}", ["5432"]), ("{target: 5432, host_ip: 127.0.0.1}", []),
    ],
)  # fmt: skip
def test_a_port_is_published_unless_it_is_bound_to_this_machine(
    tmp_path: Path, port: str, published: list[str]
) -> None:
    assert service(tmp_path, f"image: postgres:17\nports: [{port}]").attributes["published"] == published


def test_an_empty_token_counts_whatever_its_form(tmp_path: Path) -> None:
    listed = service(tmp_path, "image: quay.io/jupyter/base-notebook:1\nenvironment:\n  - JUPYTER_TOKEN=")
    mapped = service(tmp_path, "image: quay.io/jupyter/base-notebook:1\nenvironment: {JUPYTER_TOKEN: ''}")
    passed = service(tmp_path, "image: quay.io/jupyter/base-notebook:1\nenvironment: [JUPYTER_TOKEN]")
    command = service(tmp_path, "image: a\ncommand: jupyter lab --ServerApp.token=''")

    assert [len(one.attributes["open_services"]) for one in (listed, mapped, passed, command)] == [1, 1, 0, 1]


_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=10)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(["image", "ports", "command", "environment", "target", "host_ip", "entrypoint"]), inner
        ),
    ),
    max_leaves=20,
)


@settings(max_examples=100, deadline=2000)
@given(value=_VALUES)
def test_any_structure_ends_in_resources_or_gaps(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    body = {"services": {"a": value, "b": {"ports": value, "command": value, "environment": value, "image": value}}}

    read(tmp_path_factory.getbasetemp(), json.dumps(body))
