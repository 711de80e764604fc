"""GitHub workflows and actions as workflows, jobs and steps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.findings import Gap
from mlguard.scanners import Context, read_text
from mlguard.scanners.infra import shell
from mlguard.scanners.infra.pipelines import expressions
from mlguard.scanners.infra.resources import Path, Position, Resource
from mlguard.scanners.infra.yamltree import MAX_BYTES, Tree, parse

MAX_SCRIPT = 100_000
"""Characters of one ``run`` that are looked at."""

_ACTION = re.compile(r"(?:^|/)action\.ya?ml$")
_SHA = re.compile(r"^[0-9a-f]{40}(?:[0-9a-f]{24})?$")
_DANGEROUS = frozenset(
    {"pull_request_target", "workflow_run", "issue_comment", "discussion_comment", "issues", "discussion"}
)
"""Triggers that a stranger can set off and that run with the repository's secrets and token."""

_HEAD = (
    "github.event.pull_request.head.*", "github.head_ref", "github.event.workflow_run.head_sha",
    "github.event.workflow_run.head_branch", "github.event.workflow_run.head_commit.id",
    "github.event.workflow_run.pull_requests.*.head.*", "github.event.pull_request.merge_commit_sha",
    "github.event.workflow_run.head_repository.*",
)  # fmt: skip
_PULL_REF = re.compile(r"refs/pull/|\bpull/\$\{\{|(?:^|/)pull/.*/(?:head|merge)")
_FETCHES_HEAD = re.compile(
    r"\bgh\s+pr\s+checkout\b|\bhub\s+(?:pr\s+)?checkout\b|\bgit\s+(?:fetch|pull)\b[^\n]*\b(?:refs/)?pull/"
)

_SCRIPT_INPUTS: Mapping[str, tuple[str, ...]] = {
    "actions/github-script": ("script",), "azure/cli": ("inlinescript",), "azure/powershell": ("inlinescript",),
    "appleboy/ssh-action": ("script",), "amadevus/pwsh-script": ("script",), "nick-fields/retry": ("command",),
    "nick-invision/retry": ("command",), "cardinalby/js-eval-action": ("expression",), "mikefarah/yq": ("cmd",),
    "reactivecircus/android-emulator-runner": ("script",), "jannekem/run-python-script-action": ("script",),
    "addnab/docker-run-action": ("run",), "gacts/run-and-post-run": ("run", "post"),
}  # fmt: skip
"""Inputs of actions that are run as a script."""

_GATES = re.compile(
    r"^(?:mlguard|bandit|pip-audit|safety|trivy|checkov|gitleaks|semgrep|detect-secrets|modelscan|picklescan|grype|zizmor"
    r"|hadolint|tfsec|terrascan|kics|snyk|trufflehog|osv-scanner|kubescape|kube-linter|conftest|presidio|opa|dockle)$"
)
_GATE_ACTIONS = re.compile(
    r"(?i)^(?:.*/)?(?:mlguard|trivy|checkov|gitleaks|semgrep|bandit|snyk|trufflehog|zizmor|hadolint|pip-audit|grype|kics|osv-scanner|modelscan)"
    r"(?:-action|-scan|-actions|-github-action)?$|^aquasecurity/trivy-action$|^bridgecrewio/checkov-action$|^pypa/gh-action-pip-audit$|^anchore/scan-action$|^github/codeql-action/analyze$"
)
_SOFT_FLAG = re.compile(
    r"(?:^|\s)(?:--soft-fail|--exit-zero|-s(?=\s+.*checkov)|--no-error|--exit-code[= ]0|--no-fail)(?=\s|$)"
)
_DEPLOYS = re.compile(
    r"\bkubectl\s+(?:-\S+\s+\S+\s+){0,4}(?:apply|create|replace|set\s+image|rollout\s+restart|patch)\b|\bhelm\s+(?:-\S+\s+){0,4}(?:upgrade|install)\b"
    r"|\baws\s+sagemaker\s+(?:create-endpoint|update-endpoint|create-model|update-inference-component)|\baws\s+ecs\s+update-service\b|\baws\s+lambda\s+update-function-code\b"
    r"|\bgcloud\s+(?:beta\s+|alpha\s+)?ai\s+endpoints\s+(?:deploy-model|create)|\bgcloud\s+(?:beta\s+)?run\s+(?:services\s+\S+\s+)?deploy\b"
    r"|\baz\s+ml\s+(?:online|batch)-(?:deployment|endpoint)\s+(?:create|update)|\bbentoml\s+(?:deployment\s+)?(?:deploy|create)\b|\bmodal\s+deploy\b"
    r"|\b(?:huggingface-cli|hf)\s+upload\s|\bserve\s+deploy\b|\bdatabricks\s+bundle\s+deploy\b|\bargocd\s+app\s+(?:sync|set)\b|\bmlflow\s+deployments\s+(?:create|update)\b"
    r"|\bpython[\d.]*\s+(?:-m\s+)?\S{0,80}(?:deploy|promote)(?:_\w+|-\w+)?(?:\.py)?\b|\b(?:bash|sh|\.)\s+\S{0,80}deploy\S{0,80}\.sh\b|(?:^|[\s;&])\.?/\S{0,80}deploy\S{0,80}\.sh\b|\bskaffold\s+(?:run|deploy)\b|\bkserve\b.*\b(?:create|apply)\b"
)
_DEPLOY_ACTIONS = re.compile(
    r"(?i)^(?:google-github-actions/deploy-\S+|azure/k8s-deploy|azure/aml-deploy|azure/webapps-deploy|azure/container-apps-deploy-action|aws-actions/amazon-ecs-deploy-task-definition"
    r"|helmfile/helmfile-action|.*/(?:sagemaker|helm|kubectl|k8s|ecs|cloud-?run)[\w-]*deploy[\w-]*)$"
)
_DRY = re.compile(r"--dry-run(?!=none)|\bkind\s+create\s+cluster|\bminikube\s+start|\bk3d\s+cluster\s+create")
_TEST_ACTIONS = re.compile(
    r"(?i)^(?:helm/kind-action|medyagh/setup-minikube|engineerd/setup-kind|abcxyz/k3d.*|.*/setup-(?:minikube|kind|k3s|k3d)|.*k3d.*)$"
)
_TESTS = re.compile(
    r"(?i)\b(?:pytest|tox|nox|unittest|deepchecks|great_expectations|gx\s+checkpoint|promptfoo|deepeval|lm[_-]eval|ragas|evidently|mlguard|bandit|pip-audit|trivy|semgrep"
    r"|dvc\s+(?:repro|metrics)|cml\s|make\s+[\w-]*(?:test|eval|check|valid)[\w-]*|(?:npm|yarn|pnpm)\s+(?:run\s+)?test|go\s+test|cargo\s+test"
    r"|python[\d.]*\s+(?:-\S+\s+){0,4}\S{0,80}(?:test|eval|valid|check|gate|benchmark)\S{0,80}|\S{0,80}(?:evaluate|validate|quality[_-]gate)\S{0,80}\.(?:py|sh))"
)
_TEST_NAME = re.compile(
    r"(?i)(?:^|[^a-z])(?:unit|integration|e2e|smoke)?(?:tests?|testing|evals?|evaluate|evaluation|validate|validation|verify|checks?|gate|quality|scan|ci|qa|benchmark|approval|approve)(?:[^a-z]|$)"
)
_TRIAL_NAME = re.compile(r"(?i)(?:^|[^a-z])(?:e2e|tests?|integration|smoke|kind|minikube)(?:[^a-z]|$)")
_DATA_PATH = re.compile(
    r"(?i)\.(?:csv|tsv|parquet|feather|arrow|jsonl|ndjson|xlsx?|sqlite3?|db|avro|orc|dump|sql)(?:\.(?:gz|bz2|xz|zst|zip))?$|(?:^|/)(?:raw|raw[-_]?data|data|datasets?|training[-_]?data|dumps?|exports?)(?:/|/?\*{0,2}$)"
)
_PLAIN_DATA = re.compile(
    r"(?i)coverage|report|metrics?|results?|benchmark|samples?/|fixtures?|test[-_]?data|synthetic|schema|docs?/|example|junit|requirements|lock|timing|duration|licen[sc]e|sbom|(?:^|/)\.coverage"
)
_PERSONAL_STORE = re.compile(
    r"(?i)\b(?:s3|gs|az|abfss?|wasbs?|hdfs)://[^\s'\"]{0,300}\b(?:pii|personal|customers?|users?|patients?|employees?|members?|clients?|citizens?|subscribers?|medical|health)\b"
)
_DUMPS = frozenset({"pg_dump", "pg_dumpall", "mysqldump", "mongodump", "mariadb-dump", "mongoexport"})


def read(artifacts: Sequence[Artifact], context: Context) -> Iterator[Resource | Gap]:
    """Yield the workflow, jobs and steps of each file. One that is malformed is a gap and does not stop the others."""
    for artifact in artifacts:
        try:
            yield from _read(artifact.path, read_text(context, artifact.path, MAX_BYTES))
        except Unreadable as error:
            yield Gap("infra", artifact.path, "unreadable", str(error))


def _read(path: str, text: str) -> Iterator[Resource | Gap]:
    documents = parse(text)
    if documents.broken:
        yield Gap("infra", path, "unreadable", documents.broken)
    for line in documents.duplicates[:20]:
        yield Gap(
            "infra", path, "unresolved", f"line {line}: a key stands twice in one mapping; GitHub rejects the file"
        )
    tree = documents.trees[0] if documents.trees else None
    if tree is None or not isinstance(tree.value, dict):
        raise Unreadable("this is no workflow: the file holds no mapping")
    source = _Source(text)
    if _ACTION.search(path):
        if "runs" in tree.value:
            yield from _action(path, tree, source)
        return
    jobs = tree.get("jobs")
    if jobs is None or not isinstance(jobs.children, Mapping) or not jobs.children:
        raise Unreadable("this is no workflow: there are no jobs")
    if tree.get("on") is None:
        raise Unreadable("this is no workflow: it does not say on what it runs")
    yield from _workflow(path, tree, jobs, source)


class _Source:
    """The lines of the file, to find where inside a script something stands."""

    def __init__(self, text: str) -> None:
        self.lines = text.replace("\r\n", "\n").split("\n")

    def place(self, node: Tree, places: shell.Places, start: int, end: int) -> Position:
        """Return the place of a part of a text value; of all of it when its style folds lines."""
        at = node.value_at
        if at is None or not 0 < at.line <= len(self.lines):
            return node.at
        opening = self.lines[at.line - 1][at.column - 1 :]
        line, column = places.at(start)
        last, end_column = places.at(end)
        if opening.startswith("|") or re.match(r"[&!]\S+\s+\|", opening):
            return self._block(node, at, (line, column), (last, end_column))
        if at.line == at.end_line and not opening.startswith((">", "|")):
            shift = at.column - 1 + (opening[:1] in "'\"")
            return Position(at.line, column + shift, at.line, end_column + shift)
        return node.at

    def _block(self, node: Tree, at: Position, start: tuple[int, int], end: tuple[int, int]) -> Position:
        first, last = at.line + 1 + start[0], at.line + 1 + end[0]
        if last > len(self.lines):
            return node.at
        body = [line for line in self.lines[at.line : at.end_line] if line.strip()]
        indent = len(body[0]) - len(body[0].lstrip()) if body else 0
        return Position(first, start[1] + indent, last, end[1] + indent)


def _text(value: Any) -> str:
    return (
        ""
        if value is None or isinstance(value, (dict, list))
        else ("true" if value is True else "false" if value is False else str(value))
    )


def _names(value: Any) -> list[str]:
    """Return names given as one text, a list, or the keys of a mapping."""
    if isinstance(value, dict):
        return [str(key) for key in value]
    return (
        [_text(item) for item in value]
        if isinstance(value, list)
        else ([_text(value)] if value not in (None, "") else [])
    )


# Permissions


def permissions(value: Any, given: bool) -> dict[str, Any]:
    """Return a permissions block in one form. ``all`` is "write", "read" or "" for a block of single scopes."""
    if not given:
        return {"given": False, "all": "", "write": [], "scopes": {}}
    if isinstance(value, str):
        whole = {"write-all": "write", "read-all": "read"}.get(value, "")
        return {"given": True, "all": whole, "write": ["all"] if whole == "write" else [], "scopes": {}}
    scopes = {str(name): _text(level) for name, level in value.items()} if isinstance(value, dict) else {}
    return {
        "given": True,
        "all": "",
        "write": sorted(n for n, level in scopes.items() if level == "write"),
        "scopes": scopes,
    }


# Workflow, jobs and steps


@dataclass(frozen=True, slots=True)
class _Around:
    """What a step or job inherits."""

    path: str
    triggers: tuple[str, ...]
    env: Mapping[str, Tree]
    permissions: Mapping[str, Any]
    condition: str = ""


def _env(tree: Tree | None) -> dict[str, Tree]:
    return dict(tree.children) if tree is not None and isinstance(tree.children, Mapping) else {}


def _workflow(path: str, tree: Tree, jobs: Tree, source: _Source) -> Iterator[Resource]:
    triggers = tuple(_names(tree.value.get("on")))
    own = permissions(tree.value.get("permissions"), "permissions" in tree.value)
    around = _Around(path, triggers, _env(tree.get("env")), own)
    built = [_Job(str(name), job, around, source) for name, job in jobs.items() if isinstance(job.value, dict)]
    by_name = {job.name: job for job in built}
    name = _text(tree.value.get("name")) or path.rsplit("/", 1)[-1]
    env = {key: _text(node.value) for key, node in around.env.items()}
    attributes: dict[str, Any] = {
        **{key: value for key, value in tree.value.items() if key not in ("jobs", "on", "permissions", "env")},
        "triggers": list(triggers),
        "on": _events(tree.value.get("on")),
        "permissions": own,
        "env": env,
        "jobs": [job.name for job in built],
        "open_jobs": [job.name for job in built if not job.permissions_given and not job.uses],
        "third_party": sorted(
            {step["uses"]["owner"] for job in built for step in job.steps if step["uses"].get("third_party")}
        ),
        "for_every_step": sorted({secret for node in around.env.values() for secret in _secrets(node.value)}),
    }
    positions = {path: at for path, at in tree.positions().items() if not path or path[0] not in ("jobs",)}
    positions[("jobs",)] = jobs.at
    positions[("triggers",)] = positions.get(("on",), tree.at)
    first = next((("env", key) for key, node in around.env.items() if _secrets(node.value)), None)
    if first is not None:
        positions[("for_every_step",)] = positions[first]
    yield Resource("github.workflow", name, path, path, attributes, positions)
    for job in built:
        yield job.resource(by_name, _calls_tests(tree.value.get("on")))
        yield from job.step_resources()


def _events(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {str(key): config for key, config in value.items()}
    return dict.fromkeys(_names(value))


def _calls_tests(on: Any) -> bool:
    """Say whether the workflow starts after another one whose name speaks of tests."""
    run = on.get("workflow_run") if isinstance(on, dict) else None
    return isinstance(run, dict) and any(
        _TEST_NAME.search(name) or "build" in name.lower() for name in _names(run.get("workflows"))
    )


def _secrets(value: Any, spoken: bool = False) -> list[str]:
    """Return the names of the secrets that a text reads, without the job's own token; ``*`` for all of them.

    ``spoken`` leaves out those that are only compared or tested.
    """
    if not isinstance(value, str) or "secrets" not in value.lower():
        return []
    found = []
    for match in expressions.EXPRESSION.finditer(value):
        for access in expressions.accesses(match.group(1)):
            head, _, rest = access.name.partition(".")
            if head == "secrets" and rest != "github_token" and not (spoken and access.decides):
                found.append(rest or "*")
    return found


def _all_texts(tree: Tree | None) -> Iterator[tuple[Path, Tree]]:
    """Yield every text below a node with its path; the tree's depth is bounded."""
    if tree is None:
        return
    for key, child in tree.items():
        if isinstance(child.value, str):
            yield (key,), child
        elif child.children:
            yield from (((key, *path), node) for path, node in _all_texts(child))


def uses(text: str) -> dict[str, Any]:
    """Return an action reference split: owner, repo, folder and ref; local, docker, and whether it is pinned."""
    text = text.strip()
    if not text:
        return {}
    if text.startswith(("./", "../", "$")):
        return {"raw": text, "local": True, "third_party": False, "pinned": True, "name": text, "owner": ""}
    if text.startswith("docker://"):
        pinned = re.search(r"@sha256:[0-9a-f]{64}$", text) is not None
        return {
            "raw": text,
            "local": False,
            "docker": True,
            "third_party": True,
            "pinned": pinned,
            "name": text,
            "owner": "docker",
        }
    name, _, ref = text.partition("@")
    owner, _, rest = name.partition("/")
    repo, _, folder = rest.partition("/")
    return {
        "raw": text, "local": False, "docker": False, "owner": owner, "repo": repo, "folder": folder, "ref": ref,
        "name": name, "is_sha": bool(_SHA.match(ref)), "pinned": bool(_SHA.match(ref)),
        "moving": not re.match(r"^v?\d", ref) and not _SHA.match(ref),
        "third_party": owner.lower() not in ("actions", "github"),
    }  # fmt: skip


class _Job:
    """One job with its steps as they will be read by the rules."""

    def __init__(self, name: str, tree: Tree, around: _Around, source: _Source) -> None:
        self.name, self.tree, self.source, self.path = name, tree, source, around.path
        self.value: dict[str, Any] = tree.value
        self.triggers = around.triggers
        self.permissions_given = "permissions" in self.value
        self.permissions = (
            permissions(self.value.get("permissions"), True) if self.permissions_given else dict(around.permissions)
        )
        self.env = {**around.env, **_env(tree.get("env"))}
        self.uses = uses(_text(self.value.get("uses")))
        self.address = f"{around.path}:{name}"
        self.condition = _text(self.value.get("if"))
        steps = tree.get("steps")
        self.step_trees = (
            [step for _, step in steps.items() if isinstance(step.value, dict)] if steps is not None else []
        )
        self.built = [_Step(index, step, self) for index, step in enumerate(self.step_trees)]
        self.steps = [step.attributes for step in self.built]
        self.dangerous = sorted(_DANGEROUS.intersection(self.triggers))
        self.secrets = self._secret_uses()
        self._mark_untrusted()

    def _secret_uses(self) -> list[tuple[str, Position]]:
        found = []
        for _, node in _all_texts(self.tree):
            found += [(name, node.at) for name in _secrets(node.value)]
        own = set(_env(self.tree.get("env")))
        found += [(name, node.at) for key, node in self.env.items() if key not in own for name in _secrets(node.value)]
        return found

    def _mark_untrusted(self) -> None:
        """Tell each step that brings in a stranger's code whether a later one runs it with something worth stealing."""
        if not self.dangerous or self._only_own(self.condition):
            return
        powerful = bool(self.secrets) or not self.permissions["given"] or bool(self.permissions["write"])
        for index, step in enumerate(self.built):
            if not step.brings_head() or self._only_own(step.attributes["if"]):
                continue
            runs = any(one.attributes["run"] or one.attributes["uses"].get("local") for one in self.built[index + 1 :])
            runs = runs or (bool(step.attributes["run"]) and step.runs_after_fetch())
            step.attributes["untrusted_checkout"] = bool(runs and powerful)

    @staticmethod
    def _only_own(condition: str) -> bool:
        """Say whether a condition lets only branches of the repository itself through, or waits for a label or a member."""
        plain = re.sub(r"\s+", "", condition.lower())
        own = re.search(
            r"head\.repo\.full_name==github\.(?:event\.)?repository|github\.repository==github\.event\.\w+\.head_?repo|head_repository\.full_name==github\.repository|head\.repo\.fork(?:==false|==\!true)|!github\.event\.pull_request\.head\.repo\.fork|author_association",
            plain,
        )
        return (
            bool(own)
            or "github.event.workflow_run.event=='push'" in plain
            or "github.event.workflow_run.event!='pull_request'" in plain
        )

    def resource(self, jobs: Mapping[str, _Job], after_tests: bool) -> Resource:
        environment = self.value.get("environment")
        attributes: dict[str, Any] = {
            "id": self.name,
            "name": _text(self.value.get("name")),
            "if": self.condition,
            "needs": _names(self.value.get("needs")),
            "runs_on": _names(self.value.get("runs-on")),
            "environment": _text(environment.get("name") if isinstance(environment, dict) else environment),
            "continue_on_error": self.value.get("continue-on-error", False),
            "timeout_minutes": self.value.get("timeout-minutes"),
            "permissions": self.permissions,
            "permissions_given": self.permissions_given,
            "uses": self.uses or None,
            "secrets": self.value.get("secrets"),
            "triggers": list(self.triggers),
            "dangerous_triggers": self.dangerous,
            "env": {key: _text(node.value) for key, node in self.env.items()},
            "confidential": sorted({name for name, _ in self.secrets}),
            "untrusted": any(step["untrusted_checkout"] for step in self.steps),
            "deploys": self._deploys(),
            "gated": after_tests or self._gated(jobs),
        }
        positions = dict(self.tree.positions())
        positions = {path: at for path, at in positions.items() if not path or path[0] != "steps"}
        renamed = {
            "needs": "needs",
            "runs-on": "runs_on",
            "continue-on-error": "continue_on_error",
            "timeout-minutes": "timeout_minutes",
        }
        positions |= {(new,): positions[(old,)] for old, new in renamed.items() if (old,) in positions}
        if ("permissions",) in positions:
            positions |= {("permissions", name): positions[("permissions",)] for name in ("given", "all", "write")}
        if ("uses",) in positions:
            positions |= {("uses", name): positions[("uses",)] for name in self.uses}
        if self.secrets:
            positions[("confidential",)] = positions[("untrusted",)] = min(
                (at for _, at in self.secrets), key=lambda at: (at.line, at.column)
            )
        deploys = next((step.deploy_at for step in self.built if step.deploy_at is not None), None)
        if deploys is not None:
            positions[("deploys",)] = deploys
        return Resource("github.job", self.name, self.address, self.path, attributes, positions, ("derived",))

    def _deploys(self) -> bool:
        if set(self.triggers) <= {"pull_request", "workflow_call", "merge_group"}:
            return False
        if _TRIAL_NAME.search(f"{self.name} {_text(self.value.get('name'))} {self.path.rsplit('/', 1)[-1]}"):
            return False
        if any(_DRY.search(step["run"]) or _TEST_ACTIONS.match(step["uses"].get("name", "")) for step in self.steps):
            return False
        return any(step.deploy_at is not None for step in self.built)

    def tests(self) -> bool:
        """Say whether this job tests or evaluates."""
        called = self.uses.get("name", "").rpartition("/")[2]
        return bool(
            _TEST_NAME.search(re.sub(r"[-_]", " ", self.name))
            or _TEST_NAME.search(re.sub(r"[-_.]", " ", called))
            or _TEST_NAME.search(_text(self.value.get("name")))
            or any(step["tests"] for step in self.steps)
        )

    def _gated(self, jobs: Mapping[str, _Job]) -> bool:
        deploy = next((index for index, step in enumerate(self.built) if step.deploy_at is not None), len(self.built))
        if any(step["tests"] and not step["soft"] for step in self.steps[:deploy]):
            return True
        seen: set[str] = set()
        waiting = _names(self.value.get("needs"))
        while waiting:
            name = waiting.pop()
            if name in seen or name not in jobs:
                continue
            seen.add(name)
            if jobs[name].tests():
                return True
            waiting += _names(jobs[name].value.get("needs"))
        return False

    def step_resources(self) -> Iterator[Resource]:
        outcomes = " ".join(_text(step["if"]) + step["run"] + " ".join(step["env"].values()) for step in self.steps)
        for step in self.built:
            identity = step.attributes["id"]
            step.attributes["outcome_checked"] = bool(identity) and bool(
                re.search(rf"steps\.{re.escape(identity)}\.(?:outcome|conclusion|outputs)", outcomes)
            )
            yield step.resource()


class _Step:
    def __init__(self, index: int, tree: Tree, job: _Job) -> None:
        self.index, self.tree, self.job = index, tree, job
        value: dict[str, Any] = tree.value
        given = value.get("with")
        inputs = {str(key).lower(): _text(item) for key, item in given.items()} if isinstance(given, dict) else {}
        self.env = {**job.env, **_env(tree.get("env"))}
        run = _text(value.get("run"))[:MAX_SCRIPT]
        self.commands = shell.commands(_neutral(run)) if run else []
        self.positions = dict(tree.positions())
        self.deploy_at: Position | None = None
        self.attributes: dict[str, Any] = {
            "id": _text(value.get("id")),
            "name": _text(value.get("name")),
            "if": _text(value.get("if")),
            "run": run,
            "shell": _text(value.get("shell")),
            "uses": uses(_text(value.get("uses"))),
            "with": inputs,
            "env": {key: _text(node.value) for key, node in _env(tree.get("env")).items()},
            "continue_on_error": value.get("continue-on-error", False),
            "job": job.name,
            "triggers": list(job.triggers),
            "dangerous_triggers": sorted(_DANGEROUS.intersection(job.triggers)),
            "permissions": job.permissions,
            "untrusted_checkout": False,
        }
        self._renames()
        self.attributes |= {
            "tests": bool(_TESTS.search(run)) or bool(_GATE_ACTIONS.match(self.attributes["uses"].get("name", ""))),
            "injected": self._injected(),
            "uploads": self._uploads(),
            "reads_store": self._reads_store(run),
            "dumps": self._listed(
                "dumps",
                run,
                lambda command: command.program in _DUMPS and "localhost" not in run and "127.0.0.1" not in run,
            ),
            "remote": self._remote(run),
            "all_at_once": self._all_secrets(),
            "echoed": self._echoed(run),
        }
        self._gate(run)
        self._find_deploy(run)

    def _renames(self) -> None:
        positions = self.positions
        for path in [path for path in positions if path[:1] == ("with",) and len(path) > 1]:
            positions[("with", str(path[1]).lower(), *path[2:])] = positions[path]
        if ("continue-on-error",) in positions:
            positions[("continue_on_error",)] = positions[("continue-on-error",)]
        if ("uses",) in positions:
            positions |= {("uses", name): positions[("uses",)] for name in self.attributes["uses"]}

    # Scripts

    def _scripts(self) -> Iterator[tuple[Path, Tree]]:
        """Yield what this step runs as a script: ``run`` and the inputs that an action runs."""
        run = self.tree.get("run")
        if run is not None and isinstance(run.value, str):
            yield ("run",), run
        wanted = _SCRIPT_INPUTS.get(self.attributes["uses"].get("name", "").lower(), ())
        given = self.tree.get("with")
        if given is not None and wanted:
            for key, node in given.items():
                if str(key).lower() in wanted and isinstance(node.value, str):
                    yield ("with", str(key).lower()), node

    def _injected(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for path, node in self._scripts():
            places = shell.Places(node.value)
            for match in expressions.EXPRESSION.finditer(node.value):
                for access in expressions.accesses(match.group(1)):
                    if access.decides or not self._stranger(access.name, 0):
                        continue
                    at = self.job.source.place(node, places, match.start(), match.end())
                    self.positions[("injected", len(found))] = self.positions[("injected", len(found), "name")] = at
                    found.append({"name": access.name, "in": path[-1]})
                    break
        return found

    def _stranger(self, name: str, depth: int) -> bool:
        """Say whether a stranger chooses this value, also through ``env``, which is expanded again."""
        if expressions.from_stranger(name):
            return True
        head, _, key = name.partition(".")
        if head != "env" or depth > 4:
            return False
        return any(
            other.lower() == key
            and any(self._stranger(access.name, depth + 1) for access in expressions.spoken(_text(node.value)))
            for other, node in self.env.items()
        )

    def _listed(self, name: str, run: str, test: Any) -> list[str]:
        """Return the programs of the commands that pass a test, with their places."""
        found: list[str] = []
        node = self.tree.get("run")
        if node is None:
            return found
        places = shell.Places(run)
        for command in self.commands:
            if test(command):
                self.positions[(name, len(found))] = self.job.source.place(node, places, command.start, command.end)
                found.append(command.program)
        return found

    def _remote(self, run: str) -> list[dict[str, Any]]:
        node = self.tree.get("run")
        if node is None or not run:
            return []
        places = shell.Places(run)
        found: list[dict[str, Any]] = []
        for item in shell.remote_execution(_neutral(run)):
            at = self.job.source.place(node, places, item["start"], item["end"])
            self.positions[("remote", len(found))] = self.positions[("remote", len(found), "how")] = at
            found.append({"how": item["how"]})
        return found

    def _reads_store(self, run: str) -> list[str]:
        node = self.tree.get("run")
        found: list[str] = []
        if node is None:
            return found
        places = shell.Places(run)
        for match in _PERSONAL_STORE.finditer(run):
            self.positions[("reads_store", len(found))] = self.job.source.place(
                node, places, match.start(), match.end()
            )
            found.append(match.group())
        return found

    # Secrets

    def _all_secrets(self) -> bool:
        for path, node in _all_texts(self.tree):
            if "*" in _secrets(node.value):
                self.positions[("all_at_once",)] = self.positions.get(path, self.tree.at)
                return True
        return False

    def _echoed(self, run: str) -> list[str]:
        """Return the secrets that a step prints into its log."""
        names = {key: _secrets(node.value)[0] for key, node in self.env.items() if _secrets(node.value)}
        found: list[str] = []
        node = self.tree.get("run")
        if node is None:
            return found
        places = shell.Places(run)
        plain = _neutral(run)
        for command in self.commands:
            if command.program not in (
                "echo",
                "printf",
                "cat",
                "Write-Host",
                "Write-Output",
                "printenv",
            ) or command.ends in ("|", "|&"):
                continue
            words = " ".join(command.words[1:])
            if ">" in words or "::add-mask::" in words:
                continue
            original = run[command.start : command.end] if len(plain) == len(run) else words
            shown = _secrets(original, True) + [
                secret
                for key, secret in names.items()
                if re.search(rf"\$\{{?{re.escape(key)}\b(?!:\+)", original)
                or (command.program == "printenv" and key in command.words)
            ]
            if shown:
                self.positions[("echoed", len(found))] = self.job.source.place(node, places, command.start, command.end)
                found.append(shown[0])
        return found

    # What a step does

    def brings_head(self) -> bool:
        """Say whether this step checks out the code of a pull request."""
        attributes = self.attributes
        if attributes["uses"].get("name", "").lower() == "actions/checkout":
            texts = [attributes["with"].get("ref", ""), attributes["with"].get("repository", "")]
            if any(_PULL_REF.search(text) for text in texts):
                return True
            names = {
                access.name
                for text in texts
                for match in expressions.EXPRESSION.finditer(text)
                for access in expressions.accesses(match.group(1))
            }
            names |= {
                access.name
                for name in names
                if name.startswith("env.")
                for key, node in self.env.items()
                if key.lower() == name[4:]
                for access in expressions.spoken(_text(node.value))
            }
            return any(_is_head(name) for name in names)
        return bool(_FETCHES_HEAD.search(attributes["run"]))

    def runs_after_fetch(self) -> bool:
        """Say whether the script that fetches a head goes on with something other than git and gh."""
        match = _FETCHES_HEAD.search(self.attributes["run"])
        quiet = {"git", "gh", "echo", "cd", "set", "export", "exit", "", "true", "test", "["}
        return bool(match) and any(
            c.start > (match.end() if match else 0) and c.program not in quiet for c in self.commands
        )

    def _uploads(self) -> list[str]:
        """Return the data files that upload-artifact publishes."""
        if self.attributes["uses"].get("name", "").lower() not in (
            "actions/upload-artifact",
            "softprops/action-gh-release",
        ):
            return []
        given = self.tree.get("with")
        found: list[str] = []
        for key in ("path", "files"):
            node = given.get(key) if given is not None else None
            if node is None:
                continue
            places = shell.Places(_text(node.value))
            for match in re.finditer(r"[^\s,]+", _text(node.value)):
                item = match.group()
                if item.startswith("!") or not _DATA_PATH.search(item) or _PLAIN_DATA.search(item):
                    continue
                self.positions[("uploads", len(found))] = self.job.source.place(
                    node, places, match.start(), match.end()
                )
                found.append(item)
        return found

    def _gate(self, run: str) -> None:
        """Find whether the step is a gate of its own, and what keeps its failure from counting."""
        attributes, positions = self.attributes, self.positions
        gates = [command for command in self.commands if _gate_name(command)]
        action = attributes["uses"].get("name", "")
        attributes["gate"] = (_gate_name(gates[0]) if gates else "") or (
            action.rpartition("/")[2] if _GATE_ACTIONS.match(action) else ""
        )
        soft = ""
        node = self.tree.get("run")
        if self.value_true("continue-on-error"):
            soft, positions[("soft",)] = "continue-on-error", positions[("continue-on-error",)]
        elif self.job.value.get("continue-on-error") is True:
            at = self.job.tree.get("continue-on-error")
            soft, positions[("soft",)] = "continue-on-error of the job", at.at if at else self.tree.at
        else:
            for command in gates:
                how, end = self._softened(command)
                if how and node is not None:
                    soft = how
                    positions[("soft",)] = self.job.source.place(node, shell.Places(run), command.start, end)
                    break
        attributes["soft"] = soft

    def value_true(self, key: str) -> bool:
        return self.tree.value.get(key) is True or _text(self.tree.value.get(key)).strip() == "${{ true }}"

    def _softened(self, command: shell.Command) -> tuple[str, int]:
        if _SOFT_FLAG.search(" ".join(command.words)):
            return "an option that never fails", command.end
        if command.ends == "||":
            at = self.commands.index(command)
            after = self.commands[at + 1] if at + 1 < len(self.commands) else None
            if after is not None and (
                after.program in ("true", ":", "echo", "printf") or after.words[:2] == ("exit", "0")
            ):
                following = self.commands[at + 2] if at + 2 < len(self.commands) else None
                if (
                    after.ends in ("&&", ";")
                    and following is not None
                    and following.words[:1] == ("exit",)
                    and following.words[1:2] != ("0",)
                ):
                    return "", 0
                return f"|| {after.program}", after.end
        earlier = [
            one
            for one in self.commands[: self.commands.index(command)]
            if one.words[:2] in (("set", "+e"), ("set", "-e"))
        ]
        if earlier and earlier[-1].words[:2] == ("set", "+e") and "$?" not in self.attributes["run"]:
            return "set +e", command.end
        return "", 0

    def _find_deploy(self, run: str) -> None:
        node = self.tree.get("run")
        if node is not None and (match := _DEPLOYS.search(_without_comments(run))):
            self.deploy_at = self.job.source.place(node, shell.Places(run), match.start(), match.end())
        elif _DEPLOY_ACTIONS.match(self.attributes["uses"].get("name", "")):
            self.deploy_at = self.positions[("uses",)]

    def resource(self) -> Resource:
        label = self.attributes["id"] or self.attributes["name"] or self.attributes["uses"].get("name", "") or "run"
        address = f"{self.job.address}/{label}[{self.index}]"
        return Resource("github.step", label, address, self.job.path, self.attributes, self.positions, ("derived",))


def _neutral(run: str) -> str:
    """Return a script with its expressions replaced by as many plain characters, so that the shell can be split."""
    return expressions.EXPRESSION.sub(lambda match: re.sub(r"[^\n]", "x", match.group()), run)


def _without_comments(run: str) -> str:
    return re.sub(r"(?m)^(\s*)#.*$", lambda match: " " * len(match.group()), run)


def _is_head(name: str) -> bool:
    steps = name.split(".")
    for pattern in _HEAD:
        wanted = pattern.split(".")
        if wanted[-1] == "*":
            wanted.pop()
            if len(steps) > len(wanted) and all(want in ("*", step) for step, want in zip(steps, wanted, strict=False)):
                return True
        elif len(steps) == len(wanted) and all(want in ("*", step) for step, want in zip(steps, wanted, strict=True)):
            return True
    return False


def _gate_name(command: shell.Command) -> str:
    """Return the name of the scanner that a command runs, also through ``python -m``, ``uvx``, ``poetry run`` and docker."""
    words = [word.rsplit("/", 1)[-1] for word in shell.effective(command.words)]
    if not words:
        return ""
    if _GATES.match(words[0]):
        return words[0]
    if words[0] in (
        "pip",
        "pip3",
        "apt-get",
        "apt",
        "brew",
        "npm",
        "uv",
        "pipx",
        "docker",
        "poetry",
        "python",
        "python3",
        "uvx",
        "pdm",
        "hatch",
        "nox",
        "npx",
        "rye",
        "pixi",
        "conda",
    ):
        if any(word in ("install", "add", "pull", "sync", "build", "push", "tag", "login") for word in words[1:3]):
            return ""
        for word in words[1:6]:
            plain = word.partition("@")[0].partition(":")[0].replace("_", "-")
            if _GATES.match(plain) and not word.startswith("-"):
                return plain
    return ""


def _action(path: str, tree: Tree, source: _Source) -> Iterator[Resource]:
    runs = tree.get("runs")
    if runs is None or not isinstance(runs.value, dict):
        raise Unreadable("this is no action: it does not say how it runs")
    positions = tree.positions()
    attributes = {**tree.value, "using": _text(runs.value.get("using")), "image": _text(runs.value.get("image"))}
    positions[("image",)] = positions.get(("runs", "image"), runs.at)
    yield Resource("github.action", _text(tree.value.get("name")) or path, path, path, attributes, positions)
    job = _Job("action", runs, _Around(path, (), {}, permissions(None, False)), source)
    yield from job.step_resources()
