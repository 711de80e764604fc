"""How a stranger's text travels through workflows, and what happens to odd ones."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard.scanners.infra.pipelines import conditions, expressions
from tests.scanning import found, scan

HEAD = "on: {on}\npermissions: {{contents: read}}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n"
INJECTION = "ci/untrusted-code-with-secrets"


def put(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def lines(root: Path, rule: str = INJECTION) -> list[int]:
    return [line for _, line, _ in found(scan(root, ["infra"]), rule)]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | st.text("()[]!&|.'*,{}$ abgithub", max_size=200))
def test_any_text_is_an_expression_or_none(text: str) -> None:
    expressions.accesses(text)
    list(expressions.spoken("${{" + text + "}}"))
    conditions.weakness(text, ("push",))


@pytest.mark.parametrize(
    "text",
    [
        "${{ '" * 100_000,
        "${{" * 200_000,
        "${{ (" * 100_000,
        "${{ a" + "[" * 100_000,
        "${{ " + "!" * 100_000 + "a }}",
        "${{ ''" * 100_000,
    ],
)
def test_a_hostile_expression_ends_soon(text: str) -> None:
    begin = time.process_time()

    list(expressions.spoken(text))
    conditions.weakness(text, ())

    assert time.process_time() - begin < 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("github.event.pull_request.title", True), ("github.event.*.title", True), ("github.*.issue.title", True),
        ("github.event.pull_request.head.*", True), ("github.event.pull_request.head.sha", False), ("github.event", True),
        ("github.event.pull_request.number", False), ("github.event.inputs.x", False), ("github.base_ref", False),
        ("github.event.commits.*.committer.email", True), ("github.event.workflow_run.head_branch", True),
    ],
)  # fmt: skip
def test_what_a_stranger_chooses_is_known_by_name_and_by_pattern(name: str, expected: bool) -> None:
    assert expressions.from_stranger(name) is expected


@pytest.mark.parametrize(
    ("text", "triggers", "weak"),
    [
        ("github.actor == 'dependabot[bot]'", ("push",), True),
        ("github.actor != 'dependabot[bot]'", ("push",), False),
        ("!(github.actor == 'dependabot[bot]')", ("push",), False),
        (
            "github.actor == 'dependabot[bot]' && github.event.pull_request.user.login == 'dependabot[bot]'",
            ("push",),
            False,
        ),
        ("${{ a }} && b", (), True),
        ("${{ a }}", (), False),
        ("${{ a }}\n", (), True),
        ("a\n", (), False),
        ("contains('a b', github.ref)", (), True),
        ("contains('a b', 'a')", (), False),
        ("contains(fromJSON('[1]'), github.ref)", (), False),
        ("contains(github.event.commits.*.message, 'x')", ("workflow_run",), False),
        ("github.event.workflow_run.head_branch == 'main'", ("workflow_run",), True),
        ("github.event.workflow_run.head_branch == 'main'", ("push",), False),
        ("((", ("push",), False),
    ],
)
def test_a_condition_that_holds_nobody_back_is_told(text: str, triggers: tuple[str, ...], weak: bool) -> None:
    assert bool(conditions.weakness(text, triggers)) is weak


def test_a_called_action_is_read_although_only_the_workflow_was_given(tmp_path: Path) -> None:
    from mlguard.artifacts import Artifact
    from mlguard.findings import Detection
    from mlguard.scanners import Context
    from mlguard.scanners.infra import InfraScanner

    step = '      - id: g\n        uses: ./.github/actions/g\n        with: {t: "${{ github.event.issue.title }}"}\n'
    put(
        tmp_path,
        ".github/workflows/w.yml",
        HEAD.format(on="issues") + step + "      - run: echo ${{ steps.g.outputs.o }}\n",
    )
    put(
        tmp_path,
        ".github/actions/g/action.yml",
        "name: g\ninputs: {t: {description: x}}\noutputs: {o: {value: \"${{ inputs.t }}\"}}\nruns: {using: composite, steps: [{shell: sh, run: 'echo ${{ inputs.t }}'}]}\n",
    )

    told = list(
        InfraScanner().scan([Artifact(".github/workflows/w.yml", "workflow", 1)], Context(tmp_path, {"zizmor": False}))
    )

    assert [
        (one.location.path, one.location.line) for one in told if isinstance(one, Detection) and one.rule == INJECTION
    ] == [(".github/workflows/w.yml", 10)]


def test_actions_that_call_each_other_in_a_ring_end(tmp_path: Path) -> None:
    for name, other in (("x", "y"), ("y", "x")):
        put(
            tmp_path,
            f".github/actions/{name}/action.yml",
            f"name: {name}\ninputs: {{t: {{description: x}}}}\nruns:\n  using: composite\n  steps:\n    - uses: ./.github/actions/{other}\n"
            "      with: {t: '${{ inputs.t }}'}\n    - run: echo ${{ inputs.t }}\n      shell: sh\n",
        )
    put(
        tmp_path,
        ".github/workflows/w.yml",
        HEAD.format(on="issues")
        + "      - uses: ./.github/actions/x\n        with: {t: '${{ github.event.issue.title }}'}\n",
    )

    assert lines(tmp_path) == [8, 8]


def test_outputs_that_refer_to_each_other_end(tmp_path: Path) -> None:
    steps = "".join(
        f'      - id: s{n}\n        run: echo "o=$V" >> $GITHUB_OUTPUT\n        env: {{V: "${{{{ steps.s{(n + 1) % 40}.outputs.o }}}}"}}\n'
        for n in range(40)
    )
    put(tmp_path, ".github/workflows/w.yml", HEAD.format(on="issues") + steps)
    begin = time.process_time()

    assert lines(tmp_path) == []
    assert time.process_time() - begin < 5


def test_a_call_never_leaves_the_tree(tmp_path: Path) -> None:
    root = tmp_path / "repo"
    put(tmp_path, "action.yml", "name: out\nruns: {using: composite, steps: []}\n")
    put(root, ".github/workflows/w.yml", HEAD.format(on="push") + "      - uses: ./../\n      - uses: ./a/../../\n")

    report = scan(root, ["infra"])

    assert [gap for gap in report.gaps if gap.kind in ("crash", "timeout")] == []


def test_a_malformed_workflow_is_a_gap_and_a_finding_and_the_others_are_read(tmp_path: Path) -> None:
    put(tmp_path, ".github/workflows/a.yml", "on: push\njobs:\n  a: [\n")
    put(
        tmp_path,
        ".github/workflows/b.yml",
        HEAD.format(on="issues") + "      - run: echo ${{ github.event.issue.title }}\n",
    )

    report = scan(tmp_path, ["infra"])

    assert [gap.path for gap in report.gaps] == [".github/workflows/a.yml"]
    assert found(report, "ci/missing-compliance-gate") == [(".github/workflows/a.yml", 1, "ci/missing-compliance-gate")]
    assert found(report, INJECTION) == [(".github/workflows/b.yml", 7, INJECTION)]


def test_nothing_is_missing_in_a_tree_of_which_only_a_part_was_given(tmp_path: Path) -> None:
    from mlguard.artifacts import Artifact
    from mlguard.findings import Detection
    from mlguard.scanners import Context
    from mlguard.scanners.infra import InfraScanner

    put(tmp_path, "mlguard.yaml", "version: 1\n")
    for name in ("a", "b"):
        put(tmp_path, f".github/workflows/{name}.yml", HEAD.format(on="push") + "      - run: make\n")
    part = [Artifact(".github/workflows/a.yml", "workflow", 1)]

    told = list(InfraScanner().scan(part, Context(tmp_path, {"zizmor": False})))

    assert not any(isinstance(one, Detection) and one.rule.startswith("ci/missing") for one in told)


def test_thousands_of_steps_take_seconds(tmp_path: Path) -> None:
    steps = "".join(f"      - run: echo ${{{{ github.event.issue.title }}}} {n}\n" for n in range(5_000))
    put(tmp_path, ".github/workflows/w.yml", HEAD.format(on="issues") + steps)
    begin = time.process_time()

    report = scan(tmp_path, ["infra"], {"infra": {"zizmor": False}})

    assert len(found(report, INJECTION)) == 2_000  # no more steps of one job are looked at
    assert time.process_time() - begin < 20


@pytest.mark.parametrize(
    "step",
    [
        '      - run: |\n          echo "A{n}=$A{m}" >> $GITHUB_ENV\n          bash -c "x $A{m}"\n',
        '      - id: s{n}\n        run: |\n          echo "o=$(cat x) ${{{{ steps.s{m}.outputs.o }}}}" >> $GITHUB_OUTPUT\n          echo "B=$(cat x)" >> $GITHUB_ENV\n',
        "      - run: docker push a && pip install a && kubectl apply -f x || true; bandit . | tee x\n        if: contains(github.ref, 'a') && a\n",
        "      - uses: actions/checkout@v4\n        with: {{ref: '${{{{ steps.s{m}.outputs.sha }}}}'}}\n      - uses: actions/upload-artifact@v4\n        with: {{path: .}}\n",
    ],
)
def test_hostile_steps_take_no_longer(tmp_path: Path, step: str) -> None:
    text = HEAD.format(on="{pull_request_target: {}, release: {}}") + "".join(
        step.format(n=n, m=n - 1) for n in range(2_000)
    )
    put(tmp_path, ".github/workflows/w.yml", text)
    begin = time.process_time()

    report = scan(tmp_path, ["infra"], {"infra": {"zizmor": False}})

    assert [gap for gap in report.gaps if gap.kind in ("crash", "timeout")] == []
    assert time.process_time() - begin < 20


@pytest.mark.parametrize(
    "line",
    ["echo " + "| sh " * 19_000, "git fetch " * 9_000, "git " + "-a=b " * 19_000, "${{ secrets." * 7_000, "pip-audit && " * 7_000, "sh -c " * 16_000],
    ids=["one pipe", "git", "options", "expressions", "a chain", "shells"],
)  # fmt: skip
def test_one_long_line_takes_no_longer(tmp_path: Path, line: str) -> None:
    head = HEAD.format(on="{pull_request_target: {}}")
    put(
        tmp_path,
        ".github/workflows/w.yml",
        head + f"      - env: {{T: '${{{{ github.head_ref }}}}'}}\n        run: |\n          {line}\n",
    )
    begin = time.process_time()

    report = scan(tmp_path, ["infra"], {"infra": {"zizmor": False}})

    assert [gap for gap in report.gaps if gap.kind in ("crash", "timeout")] == []
    assert time.process_time() - begin < 10


def test_many_variables_beside_many_scripts_take_no_longer(tmp_path: Path) -> None:
    env = "env:\n" + "".join(f"  A{n}: ${{{{ github.event.pull_request.head.sha }}}}\n" for n in range(3_000))
    put(
        tmp_path,
        ".github/workflows/w.yml",
        env + HEAD.format(on="pull_request_target") + "      - run: git fetch $A1; make\n" * 1_500,
    )
    begin = time.process_time()

    assert scan(tmp_path, ["infra"], {"infra": {"zizmor": False}}).findings
    assert time.process_time() - begin < 10
