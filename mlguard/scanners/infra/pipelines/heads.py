"""Which steps bring in the code of a pull request."""

from __future__ import annotations

import re

from mlguard.scanners import lazy
from mlguard.scanners.infra.pipelines import expressions, scripts, texts
from mlguard.scanners.infra.pipelines.model import Step

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
    if step.uses.get("name", "").lower() != "actions/checkout":
        return (
            bool(step.run)
            and ("pull" in step.run or "pr" in step.run or "head" in step.run)
            and bool(scripts.FETCHES_HEAD.search(step.run))
        )
    given = (step.inputs.get("ref", ""), step.inputs.get("repository", ""))
    if any(_PULL_REF.search(one) for one in given):
        return True
    return any(_names_head(one, step, 0) for one in given)


_HEAD_OUTPUT = lazy.pattern(r"(?i)(?:^|[_.-])(?:head|pr|pull)[_-]?(?:ref|sha|branch|head|commit|repo)\w*$")


def _names_head(value: str, step: Step, hops: int) -> bool:
    if "${{" not in value or hops > MAX_HOPS:
        return False
    for match in expressions.inside(value):
        for access in expressions.accesses(match.group(1)):
            if is_head(access.name):
                return True
            head, _, rest = access.name.partition(".")
            if head == "env" and any(
                key.lower() == rest and _names_head(texts.text(node.value), step, hops + 1)
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
        return _names_head(texts.text(node.value), job.steps[-1], hops + 1)
    made = step.job.by_id.get(owner)
    if made is None:
        return False
    if made.uses.get("name", "").lower() == "actions/github-script":
        script = made.inputs.get("script", "")
        return bool(
            re.search(r"\bpulls\.get\b|\bpull_request\b", script) and re.search(r"\bhead\.(?:sha|ref)\b", script)
        )
    return bool(re.search(r"headRef(?:Oid|Name)|head\.sha|head\.ref", made.run)) or any(
        _names_head(match.group(), made, hops + 1) for match in expressions.inside(made.run)
    )
