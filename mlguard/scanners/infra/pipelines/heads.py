"""Which steps bring in the code of a pull request."""

from __future__ import annotations

import re

from mlguard.scanners import lazy
from mlguard.scanners.infra.pipelines import expressions, scripts, texts
from mlguard.scanners.infra.pipelines.model import File, Step

MAX_HOPS = 4
"""Values that are followed from a checkout back to where its ref comes from."""

_HEAD = (
    "github.event.pull_request.head.*", "github.head_ref", "github.event.workflow_run.head_sha",
    "github.event.workflow_run.head_branch", "github.event.workflow_run.head_commit.id",
    "github.event.workflow_run.pull_requests.*.head.*", "github.event.pull_request.merge_commit_sha",
    "github.event.workflow_run.head_repository.*", "github.event.check_suite.head_sha", "github.event.check_run.head_sha",
)  # fmt: skip
_PULL_REF = lazy.pattern(r"refs/pull/|\bpull/\$\{\{|(?:^|/)pull/.*/(?:head|merge)")


def is_head(name: str) -> bool:
    """Say whether a value names the code of a pull request."""
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


def brings_head(step: Step) -> bool:
    """Say whether this step checks out the code of a pull request."""
    return bool(head_input(step)) or head_command(step) is not None


def head_input(step: Step) -> str:
    """Return the input with which a checkout gets the code of a pull request, "" when it does not."""
    if step.uses.get("name", "").lower() != "actions/checkout":
        return ""
    for name in ("ref", "repository"):
        given = step.inputs.get(name, "")
        if given and (_PULL_REF.search(given) or names_head(given, step, step.file)):
            return name
    return ""


_GIT = lazy.pattern(
    r"\bgit\s+(?:-\S+\s+(?:[^\s-]\S*=\S+\s+)?){0,5}(?:fetch|pull|checkout|switch|reset|merge|clone|worktree)\b[^\n]{0,300}?\$\{?(\w+)"
)


def head_command(step: Step) -> tuple[int, int] | None:
    """Return where a script fetches the code of a pull request, by its number, by an expression or by a variable."""
    if not step.run or not any(word in step.run for word in ("git", "gh ", "hub")):
        return None
    if found := scripts.FETCHES_HEAD.search(step.run):
        return found.span()
    known: dict[str, bool] = {}
    for match in _GIT.finditer(step.run):
        name = match[1]
        if name not in known:
            node = step.env.get(name)
            known[name] = node is not None and names_head(texts.text(node.value), step, step.file)
        if known[name]:
            return match.span()
    return None


def names_head(value: str, step: Step | None, file: File) -> bool:
    """Say whether a text names the code of a pull request; ``step`` is None for what a job hands to a workflow it calls."""
    return _names_head(value, step, 0, file)


_HEAD_OUTPUT = lazy.pattern(r"(?i)(?:^|[_.-])(?:head|pr|pull)[_-]?(?:ref|sha|branch|head|commit|repo)\w*$")


def _names_head(value: str, step: Step | None, hops: int, file: File) -> bool:
    if "${{" not in value or hops > MAX_HOPS:
        return False
    for match in expressions.inside(value):
        for access in expressions.accesses(match.group(1)):
            if is_head(access.name):
                return True
            head, _, rest = access.name.partition(".")
            if head == "inputs" and rest in file.heads:
                return True
            if step is None:
                continue
            if head == "env" and any(
                key.lower() == rest and _names_head(texts.text(node.value), step, hops + 1, file)
                for key, node in step.env.items()
            ):
                return True
            if (
                head in ("steps", "needs")
                and ".outputs." in rest
                and (_HEAD_OUTPUT.search(rest) or _output_is_head(access.name, step, hops))
            ):
                return True
    return False


def _output_is_head(name: str, step: Step, hops: int) -> bool:
    """Say whether an output of an earlier step or job is filled from the head of a pull request."""
    head, owner, _, output = ([*name.split(".", 3), "", "", ""])[:4]
    if head == "needs":
        job = step.file.jobs.get(owner)
        node = (
            next((node for key, node in job.outputs.items() if key.lower() == output), None)
            if job is not None
            else None
        )
        if job is None or node is None or not job.steps:
            return False
        return _names_head(texts.text(node.value), job.steps[-1], hops + 1, step.file)
    made = step.job.by_id.get(owner)
    if made is None:
        return False
    if made.uses.get("name", "").lower() == "actions/github-script":
        script = made.inputs.get("script", "")
        return bool(
            re.search(r"\bpulls\.get\b|\bpull_request\b", script) and re.search(r"\bhead\.(?:sha|ref)\b", script)
        )
    return bool(re.search(r"headRef(?:Oid|Name)|head\.sha|head\.ref", made.run)) or any(
        _names_head(match.group(), made, hops + 1, step.file) for match in expressions.inside(made.run)
    )
