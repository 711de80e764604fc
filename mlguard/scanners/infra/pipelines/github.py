"""GitHub workflows and actions as workflows, jobs and steps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.findings import Gap
from mlguard.scanners import Context, lazy, read_text
from mlguard.scanners.infra.pipelines import taint, texts
from mlguard.scanners.infra.pipelines.conditions import only_own
from mlguard.scanners.infra.pipelines.heads import names_head
from mlguard.scanners.infra.pipelines.jobs import JobReader
from mlguard.scanners.infra.pipelines.model import MAX_STEPS, File, Job, Step, permissions
from mlguard.scanners.infra.pipelines.scripts import TEST_NAME
from mlguard.scanners.infra.pipelines.steps import DANGEROUS
from mlguard.scanners.infra.pipelines.uses import uses
from mlguard.scanners.infra.resources import Path, Position, Resource
from mlguard.scanners.infra.treeedits import entries
from mlguard.scanners.infra.yamltree import MAX_BYTES, parse

__all__ = ["permissions", "read", "uses"]

MAX_ROUNDS = 5
"""How many calls deep a stranger's text is followed into workflows and actions of the same repository."""

MAX_FOLLOWED = 200
"""Actions and workflows that are read because another one calls them."""

BROAD = frozenset(
    {
        "contents",
        "packages",
        "actions",
        "deployments",
        "id-token",
        "attestations",
        "pages",
        "repository-projects",
        "security-events",
    }
)
"""Scopes whose right to write changes code, releases, packages or proofs."""

ACTION = lazy.pattern(r"(?:^|/)action\.ya?ml$")
_FOLDER = lazy.pattern(r"^(.*?)(?:\.github/(?:workflows|actions)/.*|[^/]*)$")


def read(artifacts: Sequence[Artifact], context: Context) -> Iterator[Resource | Gap]:
    """Yield the workflow, jobs and steps of each file. One that is malformed is a gap and does not stop the others."""
    return chain.from_iterable(batches(artifacts, context))


def batches(artifacts: Sequence[Artifact], context: Context) -> Iterator[Iterator[Resource | Gap]]:
    """Yield what ``read`` does, apart for each file that has nothing to do with another one.

    Actions and workflows that others call in the same repository are read as well, also when they are not among the
    artifacts; their own resources are yielded only when they are.
    """
    linked: dict[str, File] = {}
    for artifact in artifacts:
        yield _apart(artifact.path, context, linked)
    if linked:
        wanted = list(linked.values())
        _link(linked, context)
        _follow(linked)
        yield chain.from_iterable(map(_resources, wanted))


def _apart(path: str, context: Context, linked: dict[str, File]) -> Iterator[Resource | Gap]:
    """Yield what one file holds, or put it to those that are linked: what others may call, and what calls them."""
    opened: dict[str, File] = {}
    try:
        yield from _open(path, read_text(context, path, MAX_BYTES), opened)
    except Unreadable as error:
        yield Gap("infra", path, "unreadable", str(error))
        if not ACTION.search(path):
            yield _malformed(path)
    for file in opened.values():
        calls = any(owner.uses.get("local") for owner in _owners(file))
        if file.action or calls or "workflow_call" in file.triggers:
            linked[path] = file
        else:
            yield from _resources(file)


def _malformed(path: str) -> Resource:
    """Return what stands for a workflow that GitHub cannot run, with whatever it was to check."""
    return Resource(
        "github.malformed",
        path,
        f"{path}:malformed",
        path,
        {"valid": False},
        {(): Position(1)},
        ("derived",),
        format="github",
    )


def _open(path: str, text: str, files: dict[str, File]) -> Iterator[Resource | Gap]:
    documents = parse(text)
    if documents.broken:
        yield Gap("infra", path, "unreadable", documents.broken)
        if not ACTION.search(path):
            yield _malformed(path)
    for line in documents.duplicates[:20]:
        yield Gap(
            "infra", path, "unresolved", f"line {line}: a key stands twice in one mapping; GitHub rejects the file"
        )
    tree = documents.trees[0] if documents.trees else None
    if tree is None or not isinstance(tree.value, dict):
        raise Unreadable("this is no workflow: the file holds no mapping")
    if ACTION.search(path):
        if "runs" not in tree.value:
            return
        if not isinstance(tree.value["runs"], dict):
            raise Unreadable("this is no action: it does not say how it runs")
    else:
        jobs = tree.get("jobs")
        if jobs is None or not isinstance(jobs.children, Mapping) or not jobs.children:
            raise Unreadable("this is no workflow: there are no jobs")
        if tree.get("on") is None:
            raise Unreadable("this is no workflow: it does not say on what it runs")
    files[path] = File(path, tree, texts.Source(text), bool(ACTION.search(path)))
    yield from _cut(files[path])


def _cut(file: File) -> Iterator[Gap]:
    """Yield what of a file is beyond what is looked at."""
    for job in file.jobs.values():
        steps = job.value.get("steps")
        if isinstance(steps, list) and len(steps) > MAX_STEPS:
            yield Gap("infra", file.path, "too-large", f"a job has over {MAX_STEPS} steps; the rest was not looked at")
        if any(len(step.run) >= texts.MAX_SCRIPT for step in job.steps):
            yield Gap("infra", file.path, "too-large", f"a script has over {texts.MAX_SCRIPT} characters")


# Calls inside the repository


def _owners(file: File) -> Iterator[Job | Step]:
    """Yield what may call something: each job and each step."""
    for job in file.jobs.values():
        yield job
        yield from job.steps


def _link(files: dict[str, File], context: Context) -> None:
    """Join each job and step with the workflow or action of the repository that it calls, reading those that are missing."""
    waiting = list(files.values())
    missing: set[str] = set()
    while waiting:
        file = waiting.pop()
        for job in file.jobs.values():
            if job.uses.get("local"):
                job.calls = _called(job.uses["raw"], file, files, missing, context, waiting)
            for step in job.steps:
                if step.uses.get("local"):
                    step.calls = _called(step.uses["raw"], file, files, missing, context, waiting)


def _called(
    raw: str, caller: File, files: dict[str, File], missing: set[str], context: Context, waiting: list[File]
) -> File | None:
    match = _FOLDER.match(caller.path)
    base = match[1] if match and ".github/" in caller.path else ""
    name = re.sub(r"^(?:\$/|\./)+", "", raw).rstrip("/")
    if ".." in name.split("/") or not name or "${{" in name:
        return None
    candidates = (
        [base + name] if re.search(r"\.ya?ml$", name) else [f"{base}{name}/action.yml", f"{base}{name}/action.yaml"]
    )
    for path in candidates:
        if path in files:
            return files[path]
        if path in missing or len(missing) + len(files) > 10_000:
            continue
        missing.add(path)
        if len(missing) > MAX_FOLLOWED:
            return None
        try:
            for _ in _open(path, read_text(context, path, MAX_BYTES), files):
                pass
        except Unreadable:
            continue
        if path in files:
            waiting.append(files[path])
            return files[path]
    return None


def _hand_head(file: File, step: Step | None, job: Job, called: File) -> bool:
    """Note which inputs of what is called name the code of a pull request, where that can steal something."""
    outside = DANGEROUS.intersection(file.triggers) | file.called_on
    if not outside or only_own(job.condition):
        return False
    owner = step.tree if step is not None else job.tree
    names = {
        key.lower()
        for key, node in entries(owner.get("with")).items()
        if names_head(texts.text(node.value), step, file) and key.lower() not in called.heads
    }
    if not names:
        return False
    secret = job.value.get("secrets") == "inherit" or any(
        texts.secrets(one.value) for _, one in texts.all_texts(job.tree)
    )
    if not (secret or not job.permissions["given"] or job.permissions["write"]):
        return False
    called.heads |= names
    called.called_on |= outside
    return True


def _follow(files: Mapping[str, File]) -> None:
    """Carry a stranger's text from calls into the inputs of what is called, as deep as it goes."""
    calls = [
        (file, owner, owner.calls) for file in files.values() for owner in _owners(file) if owner.calls is not None
    ]
    for _ in range(MAX_ROUNDS if calls else 0):
        changed = False
        for file, owner, called in calls:
            step = owner if isinstance(owner, Step) else None
            job = owner.job if isinstance(owner, Step) else owner
            changed = _hand_head(file, step, job, called) or changed
            for key, node in entries(owner.tree.get("with")).items():
                found = taint.of_text(texts.text(node.value), step, job, file)
                if found is not None and found.level == "stranger" and key.lower() not in called.given:
                    called.given[key.lower()] = found
                    changed = True
        if not changed:
            return
        for file in files.values():
            for job in file.jobs.values():
                for one in job.steps:
                    one.outputs_known.clear()
                    one.variables_known.clear()
                    one.written_known.clear()


# Resources


def _resources(file: File) -> Iterator[Resource]:
    release = is_release(file)
    readers = {name: JobReader(job, release) for name, job in file.jobs.items()}
    if file.action:
        yield _action(file)
        for reader in readers.values():
            yield from reader.step_resources()
        return
    yield _workflow(file, readers, release)
    after_tests = _calls_tests(file)
    for reader in readers.values():
        yield reader.resource(readers, after_tests)
        yield from reader.step_resources()


def is_release(file: File) -> bool:
    """Say whether a workflow runs for a release or a tag."""
    push = file.event("push")
    tags = (
        isinstance(push, dict)
        and bool(push.get("tags"))
        and not all(str(tag).startswith("!") for tag in texts.names(push.get("tags")))
    )
    return "release" in file.triggers or tags or "registry_package" in file.triggers


def _action(file: File) -> Resource:
    runs = file.tree.get("runs")
    positions = file.tree.positions()
    image = runs.get("image") if runs is not None else None
    attributes = {
        **file.value,
        "using": texts.text(file.value["runs"].get("using")),
        "image": texts.text(file.value["runs"].get("image")),
    }
    positions[("image",)] = image.at if image is not None else file.tree.at
    name = texts.text(file.value.get("name")) or file.path
    return Resource("github.action", name, file.path, file.path, attributes, positions, format="github")


def _workflow(file: File, readers: Mapping[str, JobReader], release: bool) -> Resource:
    name = texts.text(file.value.get("name")) or file.path.rsplit("/", 1)[-1]
    own = file.permissions
    attributes: dict[str, Any] = {
        **{key: value for key, value in file.value.items() if key not in ("jobs", "on", "permissions", "env")},
        "triggers": list(file.triggers),
        "on": file.on if isinstance(file.on, dict) else dict.fromkeys(file.triggers),
        "permissions": own,
        "env": {key: texts.text(node.value) for key, node in file.env.items()},
        "jobs": list(readers),
        "open_jobs": [name for name, reader in readers.items() if not reader.job.permissions_given],
        "many_jobs": len(readers) > 1,
        "only_called": set(file.triggers) == {"workflow_call"},
        "permissions_all": own["all"],
        "broad": [{"scope": name} for name in own["write"] if name in BROAD],
        "third_party": sorted(
            {
                step.step.uses["owner"]
                for reader in readers.values()
                for step in reader.steps
                if step.step.uses.get("third_party")
            }
        ),
        "for_every_step": sorted({secret for node in file.env.values() for secret in texts.secrets(node.value)}),
        "release": release,
        "limited": "concurrency" in file.value or all("concurrency" in reader.job.value for reader in readers.values()),
        "on_requests": any(trigger in file.triggers for trigger in ("pull_request", "pull_request_target")),
    }
    positions = _workflow_positions(file)
    attributes["insecure_env"] = texts.insecure_variables(file.env, positions)
    attributes["regions"] = texts.regions(file.env, positions)
    kept = ("for_every_step", "permissions_all", "insecure_env", "regions")
    classes = tuple(f"ci.{name}" for name in kept if attributes[name])
    classes += ("ci.insecure_commands",) if texts.insecure_commands(file.env) else ()
    return Resource("github.workflow", name, file.path, file.path, attributes, positions, classes, format="github")


def _workflow_positions(file: File) -> dict[Path, Position]:
    positions: dict[Path, Position] = {(): file.tree.at}
    for key, child in file.tree.items():
        positions[(key,)] = child.at
        if key in ("on", "permissions", "env", "concurrency", "defaults"):
            positions |= {(key, *path): at for path, at in child.positions().items()}
    positions[("triggers",)] = positions.get(("on",), file.tree.at)
    if ("permissions",) in positions:
        held = positions[("permissions",)]
        for number, name in enumerate(file.permissions["write"]):
            positions[("permissions", "write", number)] = positions.get(("permissions", name), held)
        positions |= {
            ("permissions", name): held for name in ("given", "all") if ("permissions", name) not in positions
        }
        positions[("permissions_all",)] = held
        for number, name in enumerate(name for name in file.permissions["write"] if name in BROAD):
            positions[("broad", number, "scope")] = positions.get(("permissions", name), held)
    first = next((("env", key) for key, node in file.env.items() if texts.secrets(node.value)), None)
    if first is not None:
        positions[("for_every_step",)] = positions[first]
    return positions


def _calls_tests(file: File) -> bool:
    """Say whether the workflow starts after another one whose name speaks of tests."""
    run = file.event("workflow_run")
    return isinstance(run, dict) and any(
        TEST_NAME.search(name) or "build" in name.lower() for name in texts.names(run.get("workflows"))
    )
