"""GitLab CI as a pipeline and jobs, whatever the file holds."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard.artifacts import Artifact
from mlguard.findings import Gap
from mlguard.scanners import Context
from mlguard.scanners.infra.pipelines import gitlab
from mlguard.scanners.infra.pipelines.gitlab_files import included
from mlguard.scanners.infra.resources import Resource
from mlguard.scanners.infra.yamltree import parse

PATH = ".gitlab-ci.yml"


def read(root: Path, text: str | bytes, more: dict[str, str] | None = None) -> list[Resource | Gap]:
    (root / PATH).write_bytes(text if isinstance(text, bytes) else text.encode())
    for path, content in (more or {}).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return list(gitlab.read([Artifact(PATH, "yaml", 1)], Context(root)))


def jobs(records: list[Resource | Gap]) -> dict[str, dict[str, Any]]:
    return {one.name: dict(one.attributes) for one in records if isinstance(one, Resource) and one.kind == "gitlab.job"}


def test_templates_keywords_and_other_keys_are_no_jobs(tmp_path: Path) -> None:
    text = "stages: [a]\nvariables: {A: b}\n.t: {script: [x]}\ndefault: {image: a}\nnote: {a: b}\nj: {extends: .t}\npages: {script: [y]}\n"

    assert sorted(jobs(read(tmp_path, text))) == ["j", "pages"]


def test_a_job_has_what_it_extends_and_its_own_comes_first(tmp_path: Path) -> None:
    text = ".a: {stage: one, script: [x], variables: {A: a, B: b}}\n.b: {extends: .a, stage: two}\nj: {extends: [.b], variables: {A: z}}\n"

    found = jobs(read(tmp_path, text))["j"]

    assert (found["stage"], found["run"]) == ("two", "x")


@pytest.mark.parametrize(
    "text",
    [
        "a: {extends: a, script: [x]}", "a: {extends: b}\nb: {extends: a, script: [y]}",
        "a: {script: [!reference [a, script]]}", "a: {script: [!reference []], needs: {x: y}}", "a: {extends: [1, [2]], script: {b: c}}",
        "include: {local: /.gitlab-ci.yml}\na: {script: [x]}", "include: [{local: '../x'}, {local: /etc/passwd}, 5, {remote: 3}]\na: {script: x}",
        "stages: 5\na: {stage: [1], script: x, rules: [1, {when: 3}], environment: [x], artifacts: [x]}",
    ],
)  # fmt: skip
def test_rings_and_odd_types_end_in_records(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, text)

    assert "a" in jobs(found)


def test_an_included_file_that_is_missing_or_broken_is_a_gap(tmp_path: Path) -> None:
    found = read(tmp_path, "include: [{local: /a.yml}, {local: /b.yml}]\nj: {script: [x]}\n", {"b.yml": "a: [\n"})

    assert sorted(one.path for one in found if isinstance(one, Gap)) == ["a.yml", "b.yml"]
    assert list(jobs(found)) == ["j"]


def test_a_pattern_includes_the_files_that_fit(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "include: [{local: '/ci/*.yml'}]\n",
        {"ci/a.yml": "a: {script: [x]}\n", "ci/b.yml": "b: {script: [y]}\n"},
    )

    assert sorted(jobs(found)) == ["a", "b"]


def test_a_place_in_an_included_file_names_that_file(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "include: [{local: /ci/a.yml}]\n",
        {"ci/a.yml": "a:\n  script:\n    - |\n      make\n      eval $CI_COMMIT_TITLE\n"},
    )

    job = next(one for one in found if isinstance(one, Resource) and one.kind == "gitlab.job")
    at = job.positions["injected", 0]
    assert (at.path, at.line, at.column) == ("ci/a.yml", 5, 7)


@pytest.mark.parametrize(
    ("text", "pinned"),
    [
        ("{project: a, ref: " + "0" * 40 + "}", True), ("{project: a, ref: main}", False), ("{project: a}", False), ("{project: a, ref: $REF}", True),
        ("{remote: 'https://x/y'}", False), ("{remote: 'https://x/y', integrity: sha256-x}", True), ("'https://x/y'", False), ("/x.yml", True),
        ("{local: x}", True), ("{template: x}", True), ("{component: a/b@1.2.3}", True), ("{component: a/b@1}", False), ("{component: a/b@~latest}", False),
    ],
)  # fmt: skip
def test_an_include_is_pinned_when_it_names_one_content(text: str, pinned: bool) -> None:
    assert included(parse(text).trees[0])["pinned"] is pinned


_KEYS = ["a", "b", ".c", "script", "before_script", "extends", "include", "local", "stages", "stage", "rules", "when", "needs", "image", "services",
         "variables", "default", "artifacts", "paths", "allow_failure", "environment", "name", "trigger", "inherit", "spec"]  # fmt: skip
_YAML = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.text(max_size=12),
        st.sampled_from(["$CI_COMMIT_TITLE", "eval $X", ".c", "a:latest", "/x.yml"]),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=150, deadline=None)
@given(value=_YAML)
def test_any_yaml_ends_in_records(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    read(tmp_path_factory.mktemp("g"), yaml.safe_dump(value, allow_unicode=True))


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=200), cut=st.integers(0, 400))
def test_any_bytes_and_any_cut_end_in_records(tmp_path_factory: pytest.TempPathFactory, data: bytes, cut: int) -> None:
    whole = b"include: [{local: /x.yml}]\na: &a\n  script:\n    - !reference [.b, script]\n    - |\n      eval $CI_COMMIT_TITLE\nb: {<<: *a, stage: deploy}\n"
    root = tmp_path_factory.mktemp("g")

    read(root, data)
    read(root, whole[:cut] + data)


def test_many_jobs_that_wait_for_each_other_take_seconds(tmp_path: Path) -> None:
    text = "stages: [t, d]\n" + "".join(f"j{n}: {{stage: t, script: [make]}}\n" for n in range(1_500))
    text += "".join(f"d{n}: {{stage: d, script: [kubectl apply -f x]}}\n" for n in range(300))
    begin = time.perf_counter()

    read(tmp_path, text)

    assert time.perf_counter() - begin < 10
