"""The pre-commit hook and the GitHub Action, run as their hosts run them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.functional.command import MLGUARD, git, write

REPOSITORY = Path(__file__).parent.parent.parent
ACTION: dict[str, Any] = yaml.safe_load((REPOSITORY / "action.yml").read_text())
UNSAFE = "import torch\n\nmodel = torch.load('m.pt', weights_only=False)\n"
SAFE = "def double(x: int) -> int:\n    return 2 * x\n"


def tool(name: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name(name)), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, **options)


def test_action_fits_the_schema_of_actions() -> None:
    done = tool("check-jsonschema", "--builtin-schema", "vendor.github-actions", str(REPOSITORY / "action.yml"))

    assert done.returncode == 0, done.stdout


def test_action_is_clean_for_the_strictest_auditor() -> None:
    done = tool("zizmor", "--offline", "--persona", "auditor", str(REPOSITORY / "action.yml"))

    assert done.returncode == 0, done.stdout


def test_action_passes_inputs_through_the_environment_only() -> None:
    scripts = [step["run"] for step in ACTION["runs"]["steps"] if "run" in step]

    assert scripts
    assert not any("${{" in script for script in scripts)


def test_hooks_manifest_is_valid() -> None:
    done = tool("pre-commit", "validate-manifest", str(REPOSITORY / ".pre-commit-hooks.yaml"))

    assert done.returncode == 0, done.stdout


class Runner:
    """Runs the shell steps of the action in order, as a GitHub runner does."""

    def __init__(self, workspace: Path, temporary: Path, **inputs: str) -> None:
        self.workspace, self.temporary = workspace, temporary
        self.inputs = {name: value["default"] for name, value in ACTION["inputs"].items()} | inputs
        self.outputs: dict[str, str] = {}
        self.summary = temporary / "summary.md"
        self.log = ""

    def step(self, name: str) -> int:
        step = next(step for step in ACTION["runs"]["steps"] if step["name"] == name)
        output = self.temporary / "output"
        output.write_text("")
        environment = {
            **os.environ,
            **{key: re.sub(r"\$\{\{ ([^}]+) \}\}", self._value, value) for key, value in step["env"].items()},
            "GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(self.summary), "RUNNER_TEMP": str(self.temporary),
        }  # fmt: skip
        script = self.temporary / "step.sh"
        script.write_text(step["run"])
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
        done = subprocess.run(command, cwd=self.workspace, env=environment, capture_output=True, text=True, check=False)
        self.log += done.stdout + done.stderr
        self.outputs |= dict(line.split("=", 1) for line in output.read_text().splitlines())
        return done.returncode

    def _value(self, match: re.Match[str]) -> str:
        scope, _, name = match.group(1).partition(".")
        if scope == "inputs":
            return self.inputs[name]
        if scope == "steps":
            return self.outputs.get(name.rsplit(".", 1)[-1], "")
        return {"runner.temp": str(self.temporary), "github.action_path": str(REPOSITORY)}[match.group(1)]


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    workspace, temporary = tmp_path / "workspace", tmp_path / "temp"
    binaries = temporary / "mlguard-venv/bin"
    binaries.mkdir(parents=True)
    (binaries / "mlguard").symlink_to(MLGUARD)
    write(workspace, {"src/train.py": UNSAFE})
    return Runner(workspace, temporary)


def test_action_ends_with_the_saved_code_and_leaves_sarif_and_summary(runner: Runner) -> None:
    assert runner.step("Scan") == 0
    assert runner.outputs["exit-code"] == "1"
    assert runner.outputs["outcome"] == "fail"
    assert json.loads((runner.workspace / runner.outputs["sarif-file"]).read_text())["version"] == "2.1.0"
    assert "code/unsafe-deserialization" in runner.summary.read_text()
    assert runner.step("Gate") == 1


def test_action_passes_what_the_gate_passes(runner: Runner) -> None:
    write(runner.workspace, {"src/train.py": SAFE})

    assert (runner.step("Scan"), runner.step("Gate")) == (0, 0)
    assert runner.outputs["outcome"] == "pass"


def test_action_without_a_scan_is_incomplete(runner: Runner) -> None:
    assert runner.step("Gate") == 3


def test_action_with_a_wrong_configuration_ends_with_2(runner: Runner) -> None:
    write(runner.workspace, {"mlguard.yaml": "version: 7\n"})

    assert (runner.step("Scan"), runner.step("Gate")) == (0, 2)
    assert runner.outputs["outcome"] == "error"


@pytest.mark.parametrize(
    "path", ["src; touch owned", "$(touch owned)", "-o", "src\n::error::x", "`touch owned`", "a' b"]
)
def test_action_takes_any_path_as_a_path(runner: Runner, path: str) -> None:
    runner.inputs["path"] = path

    runner.step("Scan")

    assert runner.step("Gate") == 2
    assert not (runner.workspace / "owned").exists()


def test_workflow_commands_in_names_are_stopped(runner: Runner) -> None:
    write(runner.workspace, {"src/a\n::error::owned.py": UNSAFE})

    runner.step("Scan")

    before, _, after = runner.log.partition("::stop-commands::")
    assert "::error" not in before
    assert not any(line.startswith("::error") for line in after.splitlines())


@pytest.mark.skipif(os.environ.get("MLGUARD_TEST_OFFLINE") == "1", reason="pre-commit installs the hook with pip")
def test_real_pre_commit_runs_the_hook_from_a_clone(tmp_path: Path) -> None:
    clone, work = tmp_path / "clone", tmp_path / "work"
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(clone)], check=True, capture_output=True)
    write(work, {"train.py": UNSAFE, "safe.py": SAFE})
    git(work, "init")
    git(work, "add", "train.py", "safe.py")
    environment = {**os.environ, "PRE_COMMIT_HOME": str(tmp_path / "home")}

    def hook(*files: str) -> subprocess.CompletedProcess[str]:
        return tool(
            "pre-commit", "try-repo", str(clone), "mlguard", "--verbose", "--files", *files, cwd=work, env=environment
        )

    failed, passed = hook("train.py", "safe.py"), hook("safe.py")

    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert "code/unsafe-deserialization" in failed.stdout
    assert "exit code: 1" in failed.stdout
    assert passed.returncode == 0, passed.stdout + passed.stderr
