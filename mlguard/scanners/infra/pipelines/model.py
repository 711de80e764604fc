"""A workflow or action as files, jobs and steps that know each other."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from mlguard.scanners.infra import shell
from mlguard.scanners.infra.pipelines import scripts
from mlguard.scanners.infra.pipelines.taint import Taint, inputs_of
from mlguard.scanners.infra.pipelines.texts import MAX_SCRIPT, Source, items, names, text
from mlguard.scanners.infra.pipelines.uses import ATTESTS, uses
from mlguard.scanners.infra.treeedits import entries
from mlguard.scanners.infra.yamltree import Tree

MAX_STEPS = 2_000
"""Steps of one job that are looked at."""


def permissions(value: Any, given: bool) -> dict[str, Any]:
    """Return a permissions block in one form. ``all`` is "write", "read" or "" for a block of single scopes."""
    if not given:
        return {"given": False, "all": "", "write": [], "scopes": {}}
    if isinstance(value, str):
        whole = {"write-all": "write", "read-all": "read"}.get(value, "")
        return {"given": True, "all": whole, "write": ["all"] if whole == "write" else [], "scopes": {}}
    scopes = {str(name): text(level) for name, level in value.items()} if isinstance(value, dict) else {}
    return {
        "given": True,
        "all": "",
        "write": sorted(name for name, level in scopes.items() if level == "write"),
        "scopes": scopes,
    }


class File:
    """One workflow, or one action, whose steps are those of a job named "action"."""

    def __init__(self, path: str, tree: Tree, source: Source, action: bool) -> None:
        self.path, self.tree, self.source, self.action = path, tree, source, action
        self.value: dict[str, Any] = tree.value
        on = self.value.get("on")
        self.on = on
        self.triggers: tuple[str, ...] = () if action else tuple(names(on))
        self.env = {} if action else entries(tree.get("env"))
        self.given: dict[str, Taint] = {}  # inputs into which a caller puts a stranger's text
        self.heads: set[str] = set()  # inputs into which a caller puts the name of a pull request's code
        self.called_on: set[str] = set()  # the triggers of callers that do so and have something worth stealing
        self.inputs = inputs_of(tree.get("inputs")) if action else {
            **inputs_of(tree.get("on", "workflow_call", "inputs")), **inputs_of(tree.get("on", "workflow_dispatch", "inputs")),
        }  # fmt: skip
        outputs = tree.get("outputs") if action else tree.get("on", "workflow_call", "outputs")
        self.outputs = {
            name: value for name, node in entries(outputs).items() if (value := node.get("value")) is not None
        }
        self.permissions = permissions(self.value.get("permissions"), "permissions" in self.value)
        runs = tree.get("runs") if action else None
        trees = {"action": runs} if runs is not None else entries(tree.get("jobs"))
        self.jobs = {name: Job(name, job, self) for name, job in trees.items() if isinstance(job.value, dict)}

    @cached_property
    def attests(self) -> bool:
        """Whether something in the file says or signs where what it publishes comes from."""
        return any(
            scripts.PROVENANCE.search(step.run) or ATTESTS.match(step.uses.get("name", ""))
            for job in self.jobs.values()
            for step in job.steps
        ) or any("slsa-framework" in job.uses.get("name", "") for job in self.jobs.values())

    def event(self, name: str) -> Any:
        """Return the settings of a trigger, None when it has none or is not there."""
        return self.on.get(name) if isinstance(self.on, dict) else None


class Job:
    """One job. ``calls`` is the reusable workflow of the same repository that it stands for."""

    def __init__(self, name: str, tree: Tree, file: File) -> None:
        self.name, self.tree, self.file = name, tree, file
        self.value: dict[str, Any] = tree.value
        self.own_env = entries(tree.get("env"))
        self.uses = uses(text(self.value.get("uses")))
        self.calls: File | None = None
        self.permissions_given = "permissions" in self.value
        self.permissions = permissions(self.value["permissions"], True) if self.permissions_given else file.permissions
        self.condition = text(self.value.get("if"))
        self.outputs = entries(tree.get("outputs"))
        trees = items(tree.get("steps"))[:MAX_STEPS]
        self.steps = [Step(index, step, self) for index, step in enumerate(trees) if isinstance(step.value, dict)]
        for index, step in enumerate(self.steps):
            step.index = index
        self.writers = [step for step in self.steps if "GITHUB_ENV" in step.run or "::set-env" in step.run]
        self.by_id = {step.id.lower(): step for step in self.steps if step.id}

    @cached_property
    def env(self) -> dict[str, Tree]:
        return {**self.file.env, **self.own_env}

    @property
    def address(self) -> str:
        return f"{self.file.path}:{self.name}"


class Step:
    """One step. ``calls`` is the action of the same repository that it uses."""

    def __init__(self, index: int, tree: Tree, job: Job) -> None:
        self.index, self.tree, self.job = index, tree, job
        self.number = index  # as the file counts
        self.file = job.file
        self.value: dict[str, Any] = tree.value
        self.id = text(self.value.get("id"))
        self.uses = uses(text(self.value.get("uses")))
        self.given = entries(tree.get("with"))
        self.inputs = {key.lower(): text(node.value) for key, node in self.given.items()}
        self.own_env = entries(tree.get("env"))
        self.run = text(self.value.get("run"))[:MAX_SCRIPT]
        self.calls: File | None = None
        self.outputs_known: dict[str, Taint | None] = {}
        self.variables_known: dict[int, dict[str, Taint]] = {}
        self.names_written: list[str] | None = None
        self.written_known: dict[tuple[str, str, int], Taint | None] = {}

    @cached_property
    def env(self) -> dict[str, Tree]:
        return {**self.job.env, **self.own_env}

    @cached_property
    def commands(self) -> list[shell.Command]:
        return scripts.commands(self.run)

    @property
    def name(self) -> str:
        return text(self.value.get("name"))

    @property
    def shell(self) -> str:
        """The shell of the script as the step, the job or the workflow says, "" for the runner's own."""
        own = text(self.value.get("shell"))
        for holder in (self.job.tree, self.file.tree):
            if not own and (node := holder.get("defaults", "run", "shell")) is not None:
                own = text(node.value)
        return own
