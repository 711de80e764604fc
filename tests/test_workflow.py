"""GitHub workflows as workflows, jobs and steps."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard.artifacts import Artifact
from mlguard.findings import Gap
from mlguard.scanners import Context
from mlguard.scanners.infra.pipelines import github
from mlguard.scanners.infra.pipelines.expressions import accesses, from_stranger
from mlguard.scanners.infra.resources import Resource

PATH = ".github/workflows/ci.yml"


def read(root: Path, text: str, path: str = PATH) -> list[Resource | Gap]:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    return list(github.read([Artifact(path, "workflow", len(text))], Context(root)))


def one(root: Path, text: str, kind: str = "github.step") -> Resource:
    return next(found for found in read(root, text) if isinstance(found, Resource) and found.kind == kind)


def step(root: Path, text: str, head: str = "on: push\n") -> Resource:
    indented = "".join(f"        {line}\n" for line in text.split("\n"))
    return one(root, f"{head}jobs:\n  a:\n    steps:\n      -\n{indented}")


def names(text: str) -> list[tuple[str, bool]]:
    return [(access.name, access.decides) for access in accesses(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("github.event.issue.title", [("github.event.issue.title", False)]),
        ("GitHub.Event['issue']['Title']", [("github.event.issue.title", False)]),
        ("github.event.commits[0].message", [("github.event.commits.*.message", False)]),
        ("github.event.commits.*.message", [("github.event.commits.*.message", False)]),
        ("toJSON(github.event)", [("github.event", False)]),
        ("contains(github.event.issue.title, 'a')", [("github.event.issue.title", True)]),
        ("github.head_ref == 'a'", [("github.head_ref", True)]),
        ("'a' != github.head_ref", [("github.head_ref", True)]),
        ("!github.head_ref", [("github.head_ref", True)]),
        ("github.head_ref && 'a' || 'b'", [("github.head_ref", True)]),
        ("github.head_ref || github.ref", [("github.head_ref", False), ("github.ref", False)]),
        ("format('{0}', (github.head_ref))", [("github.head_ref", False)]),
        ("'github.head_ref'", []),
        ("'it''s' ", []),
        ("env[matrix.name]", [("env.*", False), ("matrix.name", True)]),
        ("true && null", []),
        ("steps.a-b.outputs.c_d", [("steps.a-b.outputs.c_d", False)]),
    ],
)
def test_an_expression_says_which_values_come_out_of_it(text: str, expected: list[tuple[str, bool]]) -> None:
    assert names(text) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("github.head_ref", True), ("github.event.commits.*.message", True), ("github.event", True), ("github", True),
        ("github.event.issue.number", False), ("github.event.pull_request.head.sha", False), ("github.actor", False),
        ("github.event.pages.*.page_name", True), ("inputs.name", False), ("github.event.issue.title.x", False),
    ],
)  # fmt: skip
def test_what_a_stranger_may_choose_is_known(name: str, expected: bool) -> None:
    assert from_stranger(name) is expected


@pytest.mark.parametrize("on", ["on: push", "'on': push", "on: [push]", "on: {push: {}}", "on:\n  push:\n"])
def test_the_trigger_is_read_whatever_its_form(tmp_path: Path, on: str) -> None:
    found = one(tmp_path, f"{on}\njobs: {{a: {{runs-on: x}}}}\n", "github.workflow")

    assert found.attributes["triggers"] == ["push"]


@pytest.mark.parametrize(
    ("style", "line", "column"),
    [
        ("run: |\n  echo a\n\n  echo ${{ github.head_ref }}", 9, 16),
        ("run: echo ${{ github.head_ref }}", 6, 19),
        ("run: 'echo ${{ github.head_ref }}'", 6, 20),
        ("run: |-\n  é ${{ github.head_ref }}", 7, 13),
        ("run: >\n  echo\n  ${{ github.head_ref }}", 8, 11),
    ],
)
def test_an_injected_expression_has_its_own_place(tmp_path: Path, style: str, line: int, column: int) -> None:
    found = step(tmp_path, style)

    at = found.positions["injected", 0]
    assert (at.line, at.column) == (line, column)


def test_an_anchor_and_a_merge_key_are_followed(tmp_path: Path) -> None:
    text = "on: push\njobs:\n  a: &a\n    env: {T: '${{ github.head_ref }}'}\n    steps: [{run: 'x ${{ env.T }}'}]\n  b:\n    <<: *a\n"

    found = [r for r in read(tmp_path, text) if isinstance(r, Resource) and r.kind == "github.step"]

    assert [bool(r.attributes["injected"]) for r in found] == [True, True]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "actions/checkout@v4",
            {"owner": "actions", "repo": "checkout", "ref": "v4", "pinned": False, "moving": False},
        ),
        ("a/b/c/d@main", {"owner": "a", "repo": "b", "folder": "c/d", "ref": "main", "moving": True}),
        ("a/b@" + "0" * 40, {"is_sha": True, "pinned": True}),
        ("a/b@" + "0" * 39, {"is_sha": False, "pinned": False}),
        ("a/b", {"ref": "", "pinned": False}),
        ("./x", {"local": True, "pinned": True}),
        ("docker://a:1", {"docker": True, "pinned": False}),
        ("docker://a@sha256:" + "0" * 64, {"docker": True, "pinned": True}),
    ],
)
def test_a_reference_to_an_action_is_split(text: str, expected: dict[str, Any]) -> None:
    found = github.uses(text)

    assert {key: found[key] for key in expected} == expected


def test_a_job_without_permissions_has_those_of_the_workflow(tmp_path: Path) -> None:
    text = (
        "on: push\npermissions: {contents: write}\njobs:\n  a: {runs-on: x}\n  b: {runs-on: x, permissions: read-all}\n"
    )

    jobs = {r.name: r.attributes for r in read(tmp_path, text) if isinstance(r, Resource) and r.kind == "github.job"}

    assert jobs["a"]["permissions"]["write"] == ["contents"]
    assert not jobs["a"]["permissions_given"]
    assert jobs["b"]["permissions"] == {"given": True, "all": "read", "write": [], "scopes": {}}


@pytest.mark.parametrize(
    ("run", "soft"),
    [
        ("mlguard gate .", ""),
        ("mlguard gate . || true", "|| true"),
        ("mlguard gate . || :", "|| :"),
        ("mlguard gate . || exit 0", "|| exit"),
        ("mlguard gate . || exit 1", ""),
        ("mlguard gate . || { echo no; exit 1; }", ""),
        ("poetry run bandit -r src --exit-zero", "an option that never fails"),
        ("docker run --rm aquasec/trivy image x || true", "|| true"),
        ("set +e\npip-audit", "set +e"),
        ("set +e\npip-audit\ncode=$?\nexit $code", ""),
        ("pip install bandit || true", None),
        ("echo mlguard || true", None),
    ],
)
def test_what_keeps_a_scan_from_counting_is_told(tmp_path: Path, run: str, soft: str | None) -> None:
    found = step(tmp_path, "run: |\n" + "".join(f"  {line}\n" for line in run.split("\n"))).attributes

    if soft is None:
        assert found["gate"] == ""
    else:
        assert found["gate"]
        assert found["soft"] == soft


def test_names_and_values_of_secrets_do_not_leave_through_tests_of_them(tmp_path: Path) -> None:
    found = step(
        tmp_path, "run: |\n  echo ${{ secrets.A != '' }}\n  echo ${{ secrets.B }} | base64\n  echo ${{ secrets.C }}"
    )

    assert found.attributes["echoed"] == ["c"]
    assert found.positions["echoed", 0].line == 9


@pytest.mark.parametrize(
    "text",
    ["", "a", "[]", "jobs: {}", "on: push", "on: push\njobs: []", "on: push\njobs: {}\n", "on: push\njobs:\n\t- a", "a: [", "a: *b",
     "jobs: {a: {steps: []}}"],
)  # fmt: skip
def test_what_is_no_workflow_is_a_gap(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, text)

    assert found
    assert any(isinstance(one, Gap) and one.kind == "unreadable" for one in found)
    assert {one.kind for one in found if isinstance(one, Resource)} == {"github.malformed"}


def test_a_malformed_workflow_does_not_stop_the_next(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("on: [\n")
    (tmp_path / "b.yml").write_text("on: push\njobs: {a: {runs-on: x}}\n")

    found = list(github.read([Artifact(n, "workflow", 1) for n in ("a.yml", "b.yml")], Context(tmp_path)))

    assert isinstance(found[0], Gap)
    assert any(isinstance(r, Resource) and r.kind == "github.job" for r in found)


def test_odd_types_in_a_job_are_read_around(tmp_path: Path) -> None:
    text = "on: {workflow_run: [x]}\njobs:\n  a: {steps: [1, {run: 5}, {uses: [a]}, {with: b, run: [c]}, {env: 3}], needs: {b: c}, env: [1]}\n  b: 3\n"

    found = read(tmp_path, text)

    assert [r.name for r in found if isinstance(r, Resource) and r.kind == "github.job"] == ["a"]


def test_a_key_that_stands_twice_is_a_gap(tmp_path: Path) -> None:
    found = read(tmp_path, "on: push\njobs: {a: {runs-on: x}}\nname: a\nname: b\n")

    assert next(gap.reason for gap in found if isinstance(gap, Gap)).startswith("line 4: a key stands twice")


_YAML = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=12), st.sampled_from(["${{ github.head_ref }}", "secrets.*", "a/b@c"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(["on", "jobs", "a", "steps", "run", "uses", "with", "env", "permissions", "needs", "if", "secrets", "runs",
                             "script", "ref", "path", "environment", "container", "image", "workflow_run", "workflows", "name", "id"]), inner, max_size=5),
    ),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=120, deadline=2000)
@given(content=_YAML, path=st.sampled_from([PATH, "action.yml"]))
def test_any_structure_ends_in_resources_or_gaps(
    tmp_path_factory: pytest.TempPathFactory, content: Any, path: str
) -> None:
    import json

    text = json.dumps(
        {"on": content, "jobs": {"a": content, "b": {"steps": [content, content]}}, "runs": content, "env": content}
    )

    assert read(tmp_path_factory.getbasetemp(), text, path) is not None


@settings(max_examples=120, deadline=2000)
@given(text=st.text(alphabet=st.sampled_from(list("ab:-{}[]&*|>'\"\n $.!#%\t\x00\u2028é,?")), max_size=200))
def test_any_text_ends_in_resources_or_gaps(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    for prefix in ("", "on: push\njobs:\n  a:\n    steps:\n      - run: "):
        assert read(tmp_path_factory.getbasetemp(), prefix + text) is not None


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "{a: " * 50_000, "- " * 100_000, "a: &a [x]\n" + "b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n" * 2,
     "&a [" + "*a," * 10 + "]",
     "a: &a0 [x]\n" + "".join(f"k{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)),
     "a: &a0 {x: 1}\n" + "".join(f"k{i}: &a{i} {{<<: [{','.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 12)),
     "on: push\njobs: {a: {steps: [{run: '" + "a" * 400_000 + "'}]}}",
     "on: push\njobs: {a: {steps: [{run: '" + "${{ " * 50_000 + "'}]}}",
     "on: push\njobs: {a: {steps: [{run: '" + "python -a " * 20_000 + "'}]}}",
     "on: push\njobs: {a: {steps: [{run: '" + "s3://" * 20_000 + "'}]}}",
     "on: push\njobs: {a: {steps: [" + "{run: 'bandit || true; '}," * 5_000 + "]}}"],
)  # fmt: skip
def test_hostile_files_end_soon(tmp_path: Path, text: str) -> None:
    begin = time.process_time()

    read(tmp_path, text)

    assert time.process_time() - begin < 4
