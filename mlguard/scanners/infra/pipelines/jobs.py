"""Jobs of workflows as resources: what they may do, where they run, what they wait for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mlguard.scanners import lazy
from mlguard.scanners.infra.operators import registry_of
from mlguard.scanners.infra.pipelines import artifacts, conditions, expressions, scripts, texts
from mlguard.scanners.infra.pipelines.heads import brings_head, head_command, head_input
from mlguard.scanners.infra.pipelines.model import Job
from mlguard.scanners.infra.pipelines.scripts import TEST_NAME
from mlguard.scanners.infra.pipelines.steps import DANGEROUS, StepReader, has_own_token, is_cloud_key
from mlguard.scanners.infra.pipelines.uses import TEST_CLUSTER_ACTION
from mlguard.scanners.infra.resources import Path, Position, Resource, Unknown
from mlguard.scanners.infra.treeedits import entries
from mlguard.scanners.infra.yamltree import Tree

_PRIVILEGED = lazy.pattern(
    r"(?:^|\s)(?:--privileged(?:=true)?|--cap-add[= ](?:ALL|SYS_ADMIN)|--(?:pid|ipc|network|net)[= ]host|(?:-v|--volume)[= ]\S*docker\.sock\S*)(?=\s|$)"
)

_RELEASE_FILE = lazy.pattern(r"(?i)deploy|release|publish|prod|(?:^|[-_.])cd(?:[-_.]|$)")
MAX_LABELS = 200
"""Values of a matrix that are looked at for the labels of a runner."""

_RENAMED = {
    "needs": "needs", "runs-on": "runs_on", "continue-on-error": "continue_on_error", "timeout-minutes": "timeout_minutes",
}  # fmt: skip
_PASSIVE = lazy.pattern(
    r"(?i)^(?:actions/(?:checkout|labeler|upload-artifact|download-artifact|cache(?:/\w+)?|setup-[\w-]+|stale|first-interaction|github-script)|marocchino/sticky-pull-request-comment|peter-evans/create-or-update-comment|actions/add-to-project)$"
)


class JobReader:
    """Turns one job and its steps into resources."""

    def __init__(self, job: Job, release: bool) -> None:
        self.job = job
        self.steps = [StepReader(step) for step in job.steps]
        for step in self.steps:
            step.read()
            step.cache(release)
            step.credentials()
            step.publishes(release)
        self.dangerous = sorted(DANGEROUS.intersection(job.file.triggers) | job.file.called_on)
        self.own_secrets = self._secret_uses()
        inherited = [
            name for key, node in job.file.env.items() if key not in job.own_env for name in texts.secrets(node.value)
        ]
        self.secrets = [name for name, _ in self.own_secrets] + inherited
        self._mark_untrusted()

    def _secret_uses(self) -> list[tuple[str, Position]]:
        found: list[tuple[str, Position]] = []
        if not self.job.file.source.secrets:
            return found
        for _, node in texts.all_texts(self.job.tree):
            if "secrets" in node.value.lower():
                found += [(name, node.at) for name in texts.secrets(node.value)]
        return found

    def _mark_untrusted(self) -> None:
        """Tell each step that brings in a stranger's code whether a later one runs it with something worth stealing."""
        if not self.dangerous or conditions.only_own(self.job.condition):
            return
        permissions = self.job.permissions
        powerful = bool(self.secrets) or not permissions["given"] or bool(permissions["write"])
        for one, command, folder in artifacts.runs_artifacts(self.job) if powerful else ():
            self.steps[one.index].runs_artifact(command, folder)
        runs = builds = False  # whether a step behind the one in hand does
        for step in reversed(self.steps):
            if brings_head(step.step) and not conditions.only_own(step.attributes["if"]):
                self._mark(step, runs, builds, powerful)
            runs = runs or self._runs(step)
            builds = builds or bool(step.step.uses.get("local")) or scripts.builds(step.step.commands)

    def _mark(self, step: StepReader, runs: bool, builds: bool, powerful: bool) -> None:
        place = step.positions.get(("with", head_input(step.step)), step.step.tree.at)
        if (span := head_command(step.step)) is not None:
            runs = runs or scripts.runs_after(step.step.commands, span[1])
            builds = builds or scripts.builds(step.step.commands, span[1])
            place = step.script.at(*span) if step.script is not None else place
        step.attributes["untrusted_checkout"] = runs and powerful
        step.attributes["powerless_checkout"] = builds and not powerful and bool(self.job.permissions["scopes"])
        step.positions[("untrusted_checkout",)] = step.positions[("powerless_checkout",)] = place

    @staticmethod
    def _runs(step: StepReader) -> bool:
        name = step.step.uses.get("name", "")
        return bool(step.step.run) or bool(step.step.uses.get("local")) or (bool(name) and not _PASSIVE.match(name))

    # The job itself

    def resource(self, readers: dict[str, JobReader], after_tests: bool) -> Resource:
        job = self.job
        environment = job.value.get("environment")
        positions = self._positions()
        deploying = self.deploys()
        attributes: dict[str, Any] = {
            "id": job.name,
            "name": texts.text(job.value.get("name")),
            "if": job.condition,
            "needs": texts.names(job.value.get("needs")),
            "runs_on": texts.names(job.value.get("runs-on")),
            "environment": texts.text(environment.get("name") if isinstance(environment, dict) else environment),
            "continue_on_error": job.value.get("continue-on-error", False),
            "timeout_minutes": job.value.get("timeout-minutes"),
            "concurrency": job.value.get("concurrency"),
            "permissions": job.permissions,
            "permissions_given": job.permissions_given,
            "permissions_all": job.permissions["all"] if job.permissions_given else "",
            "uses": job.uses or None,
            "secrets": job.value.get("secrets"),
            "triggers": list(job.file.triggers),
            "dangerous_triggers": self.dangerous,
            "env": {key: texts.text(node.value) for key, node in job.own_env.items()},
            "confidential": sorted({name for name, _ in self.own_secrets}),
            "untrusted": any(step.attributes["untrusted_checkout"] for step in self.steps),
            "deploys": deploying,
            "gated": deploying and (after_tests or self._gated(readers)),
            "self_hosted": self._self_hosted(),
            "own_only": conditions.only_own(job.condition) or self._skips_requests(),
            "loophole": conditions.weakness(job.tree.value.get("if"), job.file.triggers),
            "unneeded_write": self._unneeded(positions),
            "images": self._images(positions),
            "federated": self._federated(positions),
            "job": job.name,
            "keys": self._keys(positions),
            "all_at_once": self._all_secrets(positions),
            "privileged": self._privileged(positions),
            "insecure_env": texts.insecure_variables(job.own_env, positions),
            "regions": texts.regions(job.own_env, positions),
        }
        if (node := job.tree.get("if")) is not None:
            positions[("loophole",)] = node.at
        deploys = next((step.deploy_at for step in self.steps if step.deploy_at is not None), None)
        if deploys is not None:
            positions[("deploys",)] = deploys
        classes = (
            "derived",
            *(
                f"ci.{name}"
                for name in (
                    "loophole",
                    "self_hosted",
                    "unneeded_write",
                    "images",
                    "federated",
                    "insecure_env",
                    "regions",
                    "keys",
                    "untrusted",
                    "deploys",
                    "permissions_all",
                    "all_at_once",
                    "privileged",
                )
                if attributes[name]
            ),
        )
        classes += ("ci.inherits",) if job.value.get("secrets") == "inherit" else ()
        classes += tuple(f"ci.{name}" for name in ("third_party", "moving") if job.uses.get(name))
        classes += ("ci.insecure_commands",) if texts.insecure_commands(job.own_env) else ()
        return Resource(
            "github.job", job.name, job.address, job.file.path, attributes, positions, classes, format="github"
        )

    def _positions(self) -> dict[Path, Position]:
        job = self.job
        positions: dict[Path, Position] = {(): job.tree.at}
        for key, child in job.tree.items():
            if key == "steps":
                positions[("steps",)] = child.at
            else:
                positions |= {(key, *path): at for path, at in child.positions().items()}
        positions |= {(new,): positions[(old,)] for old, new in _RENAMED.items() if (old,) in positions}
        if ("runs_on",) in positions:
            positions[("self_hosted",)] = self._label_place() or positions[("runs_on",)]
        held = positions.get(("permissions",))
        if held is not None:
            positions |= {("permissions", name): held for name in ("given", "all", "write")}
            positions |= {
                ("permissions", "scopes", name): positions.get(("permissions", name), held)
                for name in job.permissions["scopes"]
            }
        if ("uses",) in positions:
            positions |= {("uses", name): positions[("uses",)] for name in job.uses}
        if self.own_secrets:
            first = min((at for _, at in self.own_secrets), key=lambda at: (at.line, at.column))
            positions[("confidential",)] = positions[("untrusted",)] = first
        return positions

    # Where it runs

    def _labels(self) -> Iterator[str | Unknown]:
        """Yield the labels of the runner, also those that a matrix or an expression brings in."""
        value = self.job.value.get("runs-on")
        if isinstance(value, dict):
            if value.get("group"):
                yield "group"
            value = value.get("labels")
        for label in texts.names(value):
            found = expressions.inside(label)
            if not found:
                yield label
                continue
            for match in found:
                for node in expressions.walk(expressions.parse(match.group(1))):
                    if node.kind == "text":
                        yield from re.findall(r"[\w.-]+", node.value)
                    elif node.kind == "name" and node.value.startswith("matrix."):
                        yield from self._matrix_labels(node.value.split(".")[1])

    def _matrix_labels(self, name: str) -> Iterator[str]:
        matrix = self.job.tree.get("strategy", "matrix")
        for number, (path, node) in enumerate(texts.all_texts(matrix)):
            if number >= MAX_LABELS:
                return
            if name in {str(step).lower() for step in path}:
                yield from re.findall(r"[\w.-]+", node.value) if "${{" in node.value else [node.value]

    def _self_hosted(self) -> bool:
        labels = {label.lower() for label in self._labels() if isinstance(label, str)}
        return "self-hosted" in labels and "group" not in labels and not any("ephemeral" in label for label in labels)

    def _label_place(self) -> Position | None:
        """Return the place of the label where the runners of a list stand on lines of their own."""
        node = self.job.tree.get("runs-on")
        return node.at if node is not None else None

    def _images(self, positions: dict[Path, Position]) -> list[dict[str, Any]]:
        """Return the images of the job's container and services, with their places."""
        found: list[dict[str, Any]] = []
        container = self.job.tree.get("container")
        nodes = [container] if container is not None else []
        nodes += entries(self.job.tree.get("services")).values()
        for node in nodes:
            image = node if isinstance(node.value, str) else node.get("image")
            if image is not None and isinstance(image.value, str) and image.value and "${{" not in image.value:
                positions[("images", len(found), "image")] = positions[("images", len(found))] = image.at
                name = image.value.removeprefix("docker://")
                positions[("images", len(found), "registry")] = image.at
                found.append({"image": name, "registry": registry_of(name)})
        return found

    def _privileged(self, positions: dict[Path, Position]) -> list[dict[str, str]]:
        """Return the options with which the job's containers get the rights of a runner of one's own."""
        labels = {label.lower() for label in self._labels() if isinstance(label, str)}
        if labels.isdisjoint({"self-hosted", "group"}):
            return []
        found: list[dict[str, str]] = []
        for node in (self.job.tree.get("container"), *entries(self.job.tree.get("services")).values()):
            options = node.get("options") if node is not None and isinstance(node.value, dict) else None
            if options is not None and (match := _PRIVILEGED.search(texts.text(options.value))):
                positions[("privileged", len(found), "what")] = positions[("privileged", len(found))] = options.at
                found.append({"what": match.group().strip()})
        return found

    # What it may do

    def _federated(self, positions: dict[Path, Position]) -> bool:
        """Say whether a token for a cloud can be had in a run that a pull request starts."""
        scopes = self.job.permissions["scopes"]
        outside = [name for name in self.job.file.triggers if name.startswith("pull_request") or name in DANGEROUS]
        if (
            scopes.get("id-token") != "write"
            or not outside
            or conditions.only_own(self.job.condition)
            or self._skips_requests()
        ):
            return False
        node = self.job.tree.get("permissions", "id-token") or self.job.file.tree.get("permissions", "id-token")
        if node is not None:
            positions[("federated",)] = node.at
        return True

    def _keys(self, positions: dict[Path, Position]) -> list[dict[str, str]]:
        """Return the first variable of the job that holds a stored key of a cloud."""
        if not self.job.file.source.secrets or has_own_token(self.job):
            return []
        for key, node in self.job.own_env.items():
            if is_cloud_key(key, node):
                positions[("keys", 0, "input")] = node.at
                return [{"input": key}]
        return []

    def _all_secrets(self, positions: dict[Path, Position]) -> bool:
        """Say whether the job itself, not one of its steps, hands over all secrets at once."""
        if not self.job.file.source.all_secrets:
            return False
        for path, node in texts.all_texts(self.job.tree):
            if path[:1] != ("steps",) and "*" in texts.secrets(node.value):
                positions[("all_at_once",)] = node.at
                return True
        return False

    def _skips_requests(self) -> bool:
        plain = re.sub(r"\s+", "", self.job.condition.lower())
        return bool(
            re.search(
                r"event_name(?:=='(?:push|release|workflow_dispatch|schedule)'|!='pull_request)|github\.ref(?:==|,)'refs/(?:heads|tags)/|startswith\(github\.ref,'refs/tags",
                plain,
            )
        )

    def _unneeded(self, positions: dict[Path, Position]) -> list[dict[str, str]]:
        """Return the scopes that a job may write to although nothing in it can use them; only when all of it is known."""
        alone = len(self.job.file.jobs) == 1  # what the workflow may do is what its only job may
        if not (self.job.permissions_given or alone) or not self.steps or self.secrets or self.job.uses:
            return []
        if not all(_harmless(step) for step in self.steps):
            return []
        owner = self.job.tree if self.job.permissions_given else self.job.file.tree
        found: list[dict[str, str]] = []
        for name in self.job.permissions["write"]:
            node = owner.get("permissions", name)
            if name not in ("all", "id-token") and node is not None:
                positions[("unneeded_write", len(found), "scope")] = node.at
                found.append({"scope": name})
        return found

    # What it waits for

    def deploys(self) -> bool:
        job = self.job
        if set(job.file.triggers) <= {"pull_request", "workflow_call", "merge_group"} and job.file.triggers:
            return False
        file = job.file.path.rsplit("/", 1)[-1]
        names = f"{job.name} {texts.text(job.value.get('name'))} {'' if _RELEASE_FILE.search(file) else file}"
        if scripts.TRIAL_NAME.search(names):
            return False
        if not any(step.deploy_at is not None for step in self.steps):
            return False
        return not any(
            scripts.DRY.search(step.step.run) or TEST_CLUSTER_ACTION.match(step.step.uses.get("name", ""))
            for step in self.steps
        )

    def tests(self) -> bool:
        """Say whether this job tests or evaluates."""
        called = self.job.uses.get("name", "").rpartition("/")[2]
        return bool(
            TEST_NAME.search(re.sub(r"[-_]", " ", self.job.name))
            or TEST_NAME.search(re.sub(r"[-_.]", " ", called))
            or TEST_NAME.search(texts.text(self.job.value.get("name")))
            or any(step.attributes["tests"] for step in self.steps)
        )

    def _gated(self, readers: dict[str, JobReader]) -> bool:
        deploy = next((index for index, step in enumerate(self.steps) if step.deploy_at is not None), len(self.steps))
        if any(step.attributes["tests"] and not step.attributes["soft"] for step in self.steps[:deploy]):
            return True
        if re.search(r"(?i)\balways\(\)|\bfailure\(\)", self.job.condition) and not re.search(
            r"(?i)\.result\b|needs\.", self.job.condition
        ):
            return False  # it starts whatever the jobs before it said
        seen: set[str] = set()
        waiting = texts.names(self.job.value.get("needs"))
        while waiting:
            name = waiting.pop()
            if name in seen or name not in readers:
                continue
            seen.add(name)
            if readers[name].tests() and not _soft(readers[name].job.tree):
                return True
            waiting += texts.names(readers[name].job.value.get("needs"))
        return False

    def step_resources(self) -> Iterator[Resource]:
        outcomes = ""
        for step in self.steps:
            if step.attributes["id"] and step.attributes["gate"]:
                outcomes = outcomes or " ".join(
                    texts.text(one.attributes["if"]) + one.step.run + " ".join(one.attributes["env"].values())
                    for one in self.steps
                )
                identity = re.escape(step.attributes["id"])
                step.attributes["outcome_checked"] = bool(
                    re.search(rf"steps\.{identity}\.(?:outcome|conclusion|outputs)", outcomes)
                )
            yield step.resource()


def _soft(tree: Tree) -> bool:
    return tree.value.get("continue-on-error") is True


_HARMLESS_ACTION = lazy.pattern(
    r"(?i)^(?:actions/(?:checkout|setup-[\w-]+|cache(?:/\w+)?|upload-artifact|download-artifact)|astral-sh/(?:setup-uv|ruff-action)|pre-commit/action|codecov/codecov-action|psf/black)$"
)
_HARMLESS = frozenset(
    {
        "pytest", "ruff", "black", "flake8", "mypy", "pylint", "isort", "tox", "nox", "pip", "pip3", "uv", "npm", "yarn", "pnpm", "make", "coverage",
        "echo", "cd", "ls", "set", "export", "mkdir", "cat", "true", "poetry", "pre-commit", "go", "cargo", "bandit", "mlguard", "shellcheck", "hadolint", "yamllint",
    }
)  # fmt: skip
_BUSY = lazy.pattern(r"(?i)publish|release|deploy|push|upload|tag|version|twine|bump|commit|docs?\b|gh-pages|comment")


def _harmless(step: StepReader) -> bool:
    """Say whether a step is known not to use the job's token for writing."""
    if "token" in step.step.run.lower() or any(
        "token" in value.lower() for value in [*step.step.inputs.values(), *step.attributes["env"].values()]
    ):
        return False
    name = step.step.uses.get("name", "")
    if name:
        return _HARMLESS_ACTION.match(name) is not None
    for command in step.step.commands:
        words = " ".join(command.words)
        if _BUSY.search(words):
            return False
        if (
            command.program in ("python", "python3")
            and command.words[1:2] == ("-m",)
            and command.words[2:3]
            and command.words[2] in _HARMLESS | {"unittest"}
        ):
            continue
        if command.program not in _HARMLESS:
            return False
    return True
