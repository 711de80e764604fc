"""The steps of workflows and actions as resources: what they run, and what in it deserves a look."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlguard.scanners import lazy
from mlguard.scanners.infra import installs, shell
from mlguard.scanners.infra.pipelines import cloudkeys, conditions, expressions, scripts, taint, texts
from mlguard.scanners.infra.pipelines.artifacts import brings_artifact
from mlguard.scanners.infra.pipelines.heads import brings_head
from mlguard.scanners.infra.pipelines.model import Job, Step
from mlguard.scanners.infra.pipelines.uses import DEPLOY_ACTION, GATE_ACTION, SCRIPT_INPUTS, SOFT_INPUTS, restores_cache
from mlguard.scanners.infra.resources import Path, Position, Resource
from mlguard.scanners.infra.workloads import named_regions
from mlguard.scanners.infra.yamltree import Tree

DANGEROUS = frozenset(
    {"pull_request_target", "workflow_run", "issue_comment", "discussion_comment", "issues", "discussion"}
)
"""Triggers that a stranger can set off and that run with the repository's secrets and token."""

LISTS = (
    "injected", "input_injected", "uploads", "reads_store", "dumps", "commands", "echoed", "environment_writes", "keys", "silenced",
    "insecure_env", "remote", "regions", "privileged", "plain_daemon", "shared_tokens", "artifact_runs",
    "unmasked",
)  # fmt: skip
"""Attributes of which each element is a place that a rule speaks about. The class ``ci.<name>`` marks who has one."""


FLAGS = (
    "loophole",
    "publishes",
    "restores_cache",
    "gate",
    "all_at_once",
    "leaks_token",
    "untrusted_checkout",
    "powerless_checkout",
)
"""Attributes that are set on few steps. Their classes keep the checks from looking at all the others."""


MAX_EARLIER = 100
"""Steps before one that are asked whether they brought in files of a stranger."""


class Places:
    """Finds the places of parts of one script. The lines are counted only when somebody asks."""

    def __init__(self, step: Step, node: Tree) -> None:
        self.step, self.node = step, node
        self._places: shell.Places | None = None

    def at(self, start: int, end: int) -> Position:
        if self._places is None:
            self._places = shell.Places(texts.text(self.node.value))
        return self.step.file.source.place(self.node, self._places, start, end)


class StepReader:
    """Turns one step into a resource. ``attributes`` are those the rules see."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.deploy_at: Position | None = None
        self.attributes: dict[str, Any] = {}
        self.positions: dict[Path, Position] = {}
        node = step.tree.get("run")
        self.script: Places | None = Places(step, node) if node is not None and step.run else None

    def read(self) -> None:
        """Fill in attributes and positions."""
        step, value = self.step, self.step.value
        self.positions = step.tree.positions()
        self.attributes.update(
            {
                "id": step.id,
                "name": step.name,
                "if": texts.text(value.get("if")),
                "run": step.run,
                "shell": texts.text(value.get("shell")),
                "uses": step.uses,
                "with": step.inputs,
                "env": {key: texts.text(node.value) for key, node in step.own_env.items()},
                "continue_on_error": value.get("continue-on-error", False),
                "job": step.job.name,
                "triggers": list(step.file.triggers),
                "dangerous_triggers": sorted(DANGEROUS.intersection(step.file.triggers)),
                "permissions": step.job.permissions,
                "untrusted_checkout": False,
                "powerless_checkout": False,
                "tests": scripts.tests(step.run) or bool(GATE_ACTION.match(step.uses.get("name", ""))),
            }
        )
        self._renames()
        self._injections()
        self._shell()
        self._uploads()
        self._keys()
        self._all_secrets()
        self._unmasked()
        self._logs()
        self._gate()
        self._find_deploy()
        self._condition()

    def _renames(self) -> None:
        positions = self.positions
        if self.step.given:
            for path in [path for path in positions if path[:1] == ("with",) and len(path) > 1]:
                positions[("with", str(path[1]).lower(), *path[2:])] = positions[path]
        if ("continue-on-error",) in positions:
            positions[("continue_on_error",)] = positions[("continue-on-error",)]
        if ("uses",) in positions:
            positions |= {("uses", name): positions[("uses",)] for name in self.step.uses}

    def _add(self, name: str, item: Any, at: Position) -> None:
        """Add an element to one of the lists, with its place."""
        held = self.attributes.setdefault(name, [])
        self.positions[(name, len(held))] = at
        if isinstance(item, Mapping):
            for key in item:
                self.positions[(name, len(held), key)] = at
        held.append(item)

    # Scripts

    def _scripts(self) -> Iterator[tuple[str, Tree]]:
        """Yield what this step runs as a script: ``run`` and the inputs that an action runs."""
        node = self.step.tree.get("run")
        if node is not None and self.step.run:
            yield "run", node
        wanted = SCRIPT_INPUTS.get(self.step.uses.get("name", "").lower(), ())
        for key, node in self.step.given.items() if wanted else ():
            if key.lower() in wanted and isinstance(node.value, str):
                yield key.lower(), node

    def _injections(self) -> None:
        step = self.step
        for where, node in self._scripts():
            value = texts.text(node.value)
            if "${{" not in value:
                continue
            places = Places(step, node)
            for match in expressions.inside(value):
                found = taint.of_text(match.group(), step, step.job, step.file)
                if found is not None:
                    name = "injected" if found.level == "stranger" else "input_injected"
                    self._add(name, {"source": found.source, "in": where}, places.at(match.start(), match.end()))
        if self.script is not None and re.search(
            r"(?m)\b(?:eval|xargs|ssh|su|sh|bash|python3?|perl|node|zsh|pwsh|source|iex|Invoke-Expression)\b|(?:^|[;&|])\s*(?:\.\s|\$)",
            step.run,
        ):
            held = {name: found for name, found in taint.variables(step).items() if found.level == "stranger"}
            for command, found in taint.executed(step.run, step.commands, held):
                self._add("injected", {"source": found.source, "in": "run"}, self.script.at(command.start, command.end))
        self._environment()

    def _environment(self) -> None:
        """Find what a stranger's text gets written into the environment of later steps."""
        step, script = self.step, self.script
        if script is None or not (DANGEROUS.intersection(step.file.triggers) or not step.file.triggers):
            return
        lines = {self.positions["injected", index].line for index in range(len(self.attributes.get("injected", ())))}
        for name, group in scripts.environment_writes(step.run, step.commands):
            if name == "GITHUB_OUTPUT":
                continue
            held = taint.variables(step)
            whole = " ".join(" ".join((*command.assignments, *command.words)) for command in group)
            source = next(
                (held[m[1]].source for m in texts.env_names(whole) if m[1] in held and held[m[1]].level == "stranger"),
                "",
            )
            if not source and step.file.triggers and taint.reads_file(whole) and self._has_foreign_files():
                source = "a file of an untrusted run"
            at = script.at(group[0].start, group[0].end)
            if source and at.line not in lines:
                self._add("environment_writes", {"source": source, "file": name}, at)

    def _has_foreign_files(self) -> bool:
        """Say whether an earlier step brought in files that a stranger made: a head, or the artifact of another run."""
        for one in self.step.job.steps[max(0, self.step.index - MAX_EARLIER) : self.step.index + 1]:
            if brings_artifact(one) or brings_head(one):
                return True
        return False

    def _shell(self) -> None:
        """Find the commands that a rule speaks about."""
        step, script = self.step, self.script
        for key, node in step.own_env.items():
            if installs.tls_variable(key, texts.text(node.value)):
                self._add("insecure_env", {"variable": key}, node.at)
        for key, node in step.given.items():
            if installs.tls_input(key, texts.text(node.value)):
                self._add("insecure_env", {"variable": key}, node.at)
        told = next((node for key, node in step.given.items() if key.lower() == "aws-region"), None)
        naming = step.own_env if told is None else {**step.own_env, "AWS_REGION": told}
        for region, key in named_regions({name: texts.text(node.value) for name, node in naming.items()}):
            self._add("regions", {"what": region}, naming[key].at)
        if script is None:
            return
        run = step.run
        for match in scripts.personal_stores(run):
            self._add("reads_store", match.group(), script.at(match.start(), match.end()))
        for command in scripts.dumps(step.commands, run):
            self._add("dumps", command.program, script.at(command.start, command.end))
        for command in step.commands:
            if marks := installs.marks(command):
                self._add("commands", {"program": command.program, **marks}, script.at(command.start, command.end))
        if any(sign in run for sign in ("|", "<(", "$(", "iex", "nvoke-")):
            for item in shell.remote_execution(run):
                if item["how"] == "pipe":
                    self._add("remote", {"how": "pipe"}, script.at(item["start"], item["end"]))
        if step.file.source.secrets:
            env = {key: found[0] for key, node in step.env.items() if (found := texts.secrets(node.value))}
            for command, secret in scripts.printed(run, step.commands, env):
                self._add("echoed", secret, script.at(command.start, command.end))
            for command in step.commands:
                if "-c" in command.words or "-e" in command.words:
                    self._logged(run, command.start, command.end, script)

    def _logged(self, text: str, start: int, end: int, places: Places) -> None:
        """Find where a piece of code, not of shell, prints a secret that is put into its text."""
        for match in scripts.PRINTS.finditer(text, start, end):
            if shown := texts.secrets(match.group(), True):
                self._add("echoed", shown[0], places.at(match.start(), match.end()))
                return

    def _logs(self) -> None:
        """Find the scripts of actions that print a secret."""
        for where, node in self._scripts() if self.step.file.source.secrets else ():
            value = texts.text(node.value)
            if where != "run" and "secrets" in value.lower():
                self._logged(value, 0, len(value), Places(self.step, node))

    def runs_artifact(self, command: shell.Command, folder: str) -> None:
        """Note a command that runs something out of the artifact of an untrusted run."""
        if self.script is not None:
            self._add(
                "artifact_runs", {"folder": folder or "the workspace"}, self.script.at(command.start, command.end)
            )

    # Secrets

    def _all_secrets(self) -> None:
        self.attributes["all_at_once"] = False
        if not self.step.file.source.all_secrets:
            return
        for path, node in texts.all_texts(self.step.tree):
            if "secrets" in node.value.lower() and "*" in texts.secrets(node.value):
                self.attributes["all_at_once"] = True
                self.positions[("all_at_once",)] = self.positions.get(path, self.step.tree.at)
                break

    def _unmasked(self) -> None:
        """Find values taken out of a secret that holds JSON: the log masks the secret as a whole, not its parts."""
        if not self.step.file.source.secrets:
            return
        for _, node in texts.all_texts(self.step.tree):
            if match := texts.PART_OF_SECRET.search(node.value):
                self._add("unmasked", {"what": "fromJSON"}, Places(self.step, node).at(match.start(), match.end()))

    def _keys(self) -> None:
        """Find long-lived keys of a cloud that come out of secrets, where the job gets no token of its own."""
        if not self.step.file.source.secrets or has_own_token(self.step.job):
            return
        given = {key: node.at for key, node in self.step.given.items() if is_cloud_key(key, node)}
        stored = {key: node.at for key, node in self.step.own_env.items() if is_cloud_key(key, node)}
        for key, at in list({**stored, **given}.items())[:1]:
            self._add("keys", {"input": key}, at)
        if stored or given or self.script is None:
            return
        secret = {key for key, node in self.step.env.items() if texts.secrets(node.value)}
        for command, how, value in cloudkeys.sign_ins(self.step.commands):
            original = self.step.run[command.start : command.end]
            if not value or texts.secrets(original) or any(match[1] in secret for match in texts.env_names(value)):
                self._add("keys", {"input": how}, self.script.at(command.start, command.end))
                return

    # What a step does

    def _uploads(self) -> None:
        """Find the data files and models that the step publishes."""
        if self.step.uses.get("name", "").lower() not in PUBLISHERS:
            return
        for key in ("path", "files", "artifacts", "artifact"):
            node = self.step.given.get(key)
            if node is None:
                continue
            value = texts.text(node.value)
            places = Places(self.step, node)
            for match in scripts.data_files(value):
                self._add("uploads", match.group(), places.at(match.start(), match.end()))

    def _gate(self) -> None:
        """Find whether the step is a gate of its own, and what keeps its failure from counting."""
        step, attributes, positions = self.step, self.attributes, self.positions
        gates = (
            [(at, name) for at, command in enumerate(step.commands) if (name := scripts.gate_name(command))]
            if step.run
            else []
        )
        inner = [(command, name, how) for command in step.commands for name, how in scripts.inner_gates(command)]
        action = step.uses.get("name", "")
        by_action = bool(action) and GATE_ACTION.match(action) is not None
        attributes["gate"] = next(
            (name for _, name in [*gates, *(one[:2] for one in inner)]), action.rpartition("/")[2] if by_action else ""
        )
        attributes["soft"] = ""
        if not attributes["gate"]:
            return
        for at, _ in gates:
            if self.script is not None and (option := scripts.silenced(step.commands[at], step.run)):
                self._add("silenced", option, self.script.at(step.commands[at].start, step.commands[at].end))
        job_soft = step.job.tree.get("continue-on-error")
        if _true(step.value.get("continue-on-error")):
            self._soft(attributes["gate"], "continue-on-error", positions[("continue-on-error",)])
        elif job_soft is not None and _true(job_soft.value):
            self._soft(attributes["gate"], "continue-on-error of the job", job_soft.at)
        elif by_action and not gates:
            off = next(
                (key for key, values in SOFT_INPUTS.items() if step.inputs.get(key, "").strip().lower() in values), ""
            )
            at_input = positions.get(("with", off), positions.get(("uses",), step.tree.at))
            self._soft(attributes["gate"], f"{off} lets it pass" if off else "", at_input)
        else:
            self._soft_commands(gates)
            for command, name, how in inner:
                if self.script is not None:
                    self._soft(name, how, self.script.at(command.start, command.end))

    def _soft_commands(self, gates: list[tuple[int, str]]) -> None:
        step = self.step
        for at, name in gates:
            how, end = scripts.softened(step.run, step.commands, at, step.shell.startswith("bash"))
            if self.script is not None:
                self._soft(name, how, self.script.at(step.commands[at].start, end or step.commands[at].end))

    def _soft(self, gate: str, how: str, at: Position) -> None:
        self._add("gates", {"gate": gate, "soft": how}, at)
        self.attributes["soft"] = self.attributes["soft"] or how

    def _find_deploy(self) -> None:
        span = scripts.deploys(self.step.run) if self.script is not None else None
        if span is not None and self.script is not None:
            self.deploy_at = self.script.at(*span)
        elif DEPLOY_ACTION.match(self.step.uses.get("name", "")):
            self.deploy_at = self.positions[("uses",)]

    def _condition(self) -> None:
        node = self.step.tree.get("if")
        self.attributes["loophole"] = (
            conditions.weakness(node.value, self.step.file.triggers) if node is not None else ""
        )
        if node is not None:
            self.positions[("loophole",)] = node.at

    def credentials(self) -> None:
        """Mark a checkout whose token a later step publishes together with the folder it lies in."""
        step = self.step
        leaks = step.uses.get("name", "").lower() == "actions/checkout" and any(
            one.uses.get("name", "").lower() == "actions/upload-artifact"
            and _covers(one.inputs.get("path", ""), step.inputs.get("path", ""), one.inputs)
            for one in step.job.steps[step.index + 1 :]
        )
        self.attributes["leaks_token"] = leaks

    def publishes(self, release: bool) -> None:
        """Mark a step of a release that publishes something, and say whether its origin is attested."""
        step, name = self.step, self.step.uses.get("name", "").lower()
        self.attributes["publishes"] = ""
        if not release:
            return
        if self.script is not None and (match := scripts.PUBLISHES.search(step.run)):
            self.attributes["publishes"] = " ".join(match.group().split())
            self.positions[("publishes",)] = self.script.at(match.start(), match.end())
        elif (
            name == "docker/build-push-action"
            and step.inputs.get("push") == "true"
            and step.inputs.get("provenance") == "false"
        ) or name == "softprops/action-gh-release":
            self.attributes["publishes"] = f"with {name}"
            self.positions[("publishes",)] = self.positions[("uses",)]
        if self.attributes["publishes"]:
            self.attributes["attested"] = step.file.attests

    def cache(self, release: bool) -> None:
        """Mark a step of a release that restores a cache."""
        restores, told = restores_cache(self.step.uses.get("name", ""), self.step.inputs) if release else (False, "")
        self.attributes["restores_cache"] = restores
        if restores:
            self.positions[("restores_cache",)] = self.positions.get(("with", told), self.positions[("uses",)])

    def resource(self) -> Resource:
        attributes = self.attributes
        label = attributes["id"] or attributes["name"] or self.step.uses.get("name", "") or "run"
        address = f"{self.step.job.address}/{label}[{self.step.number}]"
        classes = ("derived", *(f"ci.{name}" for name in LISTS if attributes.get(name)))
        classes += tuple(f"ci.{name}" for name in FLAGS if attributes[name])
        classes += tuple(f"ci.{name}" for name in ("third_party", "moving") if self.step.uses.get(name))
        classes += ("ci.insecure_commands",) if texts.insecure_commands(self.step.own_env) else ()
        return Resource(
            "github.step", label, address, self.step.file.path, attributes, self.positions, classes, format="github"
        )


PUBLISHERS = frozenset(
    {
        "actions/upload-artifact",
        "softprops/action-gh-release",
        "ncipollo/release-action",
        "actions/upload-pages-artifact",
        "svenstaro/upload-release-action",
    }
)


def has_own_token(job: Job) -> bool:
    """Say whether a job may ask for a token of its own, with which a cloud knows it."""
    scopes = job.permissions
    return bool(scopes["all"] == "write" or scopes["scopes"].get("id-token") == "write")


def is_cloud_key(name: str, node: Tree) -> bool:
    """Say whether an input or variable hands over a stored key of a cloud."""
    found = texts.secrets(node.value, True)
    return bool(found) and (cloudkeys.is_key(name) or any(map(cloudkeys.names_account, found)))


_WORKSPACE = lazy.pattern(
    r"^(?:\.|\./|\.\.|\./\*\*?(?:/\*)?|\*\*?(?:/\*)?|\$\{\{\s*github\.workspace\s*\}\}/?|\$GITHUB_WORKSPACE/?|/github/workspace/?|/)$"
)


def _covers(paths: str, checkout: str, inputs: Mapping[str, str]) -> bool:
    """Say whether an artifact holds the folder of a checkout with its ``.git``."""
    wanted = [item.strip() for item in paths.split("\n") if item.strip()]
    if any(re.match(r"^!.*\.git(?:/|$)", item) for item in wanted):
        return False
    if inputs.get("include-hidden-files") == "false":
        return False
    folder = checkout.strip().strip("./")
    return any(
        _WORKSPACE.match(item)
        or item.strip("./").startswith(".git")
        or (folder and item.strip().removeprefix("./").rstrip("/*") == folder)
        for item in wanted
    )


def _true(value: Any) -> bool:
    return value is True or texts.text(value).replace(" ", "").lower() in ("true", "${{true}}")
