"""Takes the jobs of machine learning out of the workflow definitions that are written as JSON inside other resources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlguard.errors import Unreadable
from mlguard.scanners.infra.jsontexts import heredoc_places, json_value
from mlguard.scanners.infra.resources import Path, Position, Resource, nearest

MAX_DEFINITION = 2**20
"""Characters of one definition that are read."""

MAX_JOBS = 200
"""Jobs that are taken from one definition."""

MAX_LEVELS = 12
"""States inside each other that are looked into."""

DEFINITIONS = {"aws_sagemaker_pipeline": "pipeline_definition", "aws_sfn_state_machine": "definition"}
"""Where each kind keeps its definition."""

_STEPS = {"Training": "training", "Processing": "processing", "Transform": "transform", "Tuning": "tuning"}
_TASKS = {
    "createtrainingjob": "training", "createprocessingjob": "processing", "createtransformjob": "transform",
    "createhyperparametertuningjob": "tuning", "createautomljob": "training",
}  # fmt: skip

Job = tuple[str, str, Mapping[str, Any], Path]
"""Name, sort, arguments of the call, and the place in the definition."""


def jobs(owner: Resource, heredocs: Mapping[str, Position]) -> Iterator[Resource]:
    """Yield each training, processing and transform job that a pipeline or a state machine starts, as ``aws.ml.job``.

    ``heredocs`` are the attributes that are written as a heredoc, whose lines are those of the text.
    """
    name = DEFINITIONS.get(owner.kind)
    text = owner.attributes.get(name) if name else None
    if name is None or not isinstance(text, str) or len(text) > MAX_DEFINITION:
        return
    try:
        value = json_value(text)
    except Unreadable:
        return
    found = _steps(value) if owner.kind == "aws_sagemaker_pipeline" else _states(value, (), 0)
    document = _Document(owner, name, text, heredocs.get(name))
    for number, job in enumerate(found):
        if number >= MAX_JOBS:
            return
        yield _resource(owner, document, job)


def _steps(value: Any) -> Iterator[Job]:
    steps = value.get("Steps") if isinstance(value, Mapping) else None
    for index, step in enumerate(steps if isinstance(steps, list) else []):
        sort = _STEPS.get(str(step.get("Type"))) if isinstance(step, Mapping) else None
        if sort is not None and isinstance(step.get("Arguments"), Mapping):
            yield str(step.get("Name", index)), sort, step["Arguments"], ("Steps", index, "Arguments")


def _states(value: Any, at: Path, level: int) -> Iterator[Job]:
    states = value.get("States") if isinstance(value, Mapping) else None
    if not isinstance(states, Mapping) or level > MAX_LEVELS:
        return
    for name, state in states.items():
        if not isinstance(state, Mapping):
            continue
        place: Path = (*at, "States", str(name))
        task = str(state.get("Resource", "")).rpartition("sagemaker:")[2].partition(".")[0].lower()
        for key in ("Parameters", "Arguments"):
            if task in _TASKS and isinstance(state.get(key), Mapping):
                yield str(name), _TASKS[task], state[key], (*place, key)
        for key in ("Iterator", "ItemProcessor"):
            yield from _states(state.get(key), (*place, key), level + 1)
        branches = state.get("Branches")
        for index, branch in enumerate(branches if isinstance(branches, list) else []):
            yield from _states(branch, (*place, "Branches", index), level + 1)


class _Document:
    """Knows where the parts of a definition stand: in a heredoc by the lines of its text, else as far as the attribute shows."""

    def __init__(self, owner: Resource, name: str, text: str, heredoc: Position | None) -> None:
        self.owner, self.name = owner, name
        self.lines = heredoc_places(text, heredoc) if heredoc is not None else {}
        if self.lines and heredoc is not None:
            self.lines[()] = Position(heredoc.line + 1, path=heredoc.path)

    def at(self, path: Path) -> Position:
        if not self.lines:
            return nearest(self.owner.positions, (self.name, *path))
        place = nearest(self.lines, path)
        return Position(place.line, 1, place.line, 0, place.path)


def _resource(owner: Resource, document: _Document, job: Job) -> Resource:
    title, sort, given, place = job
    inner = given.get("TrainingJobDefinition") if sort == "tuning" else None
    arguments: Mapping[str, Any] = inner if isinstance(inner, Mapping) else given
    place = (*place, "TrainingJobDefinition") if arguments is inner else place
    attributes: dict[str, Any] = {"sort": sort, "owner": owner.address}
    positions: dict[Path, Position] = {(): document.at(place)}
    for key, (path, found) in _facts(arguments, sort).items():
        attributes[key] = found
        positions[key,] = document.at((*place, *path))
    return Resource(
        "aws.ml.job", title, f"{owner.address}/{title}", owner.path, attributes, positions, ("derived",),
        {("owner",): (owner.address,)}, data_class=owner.data_class, region=owner.region, origin=owner.origin, format=owner.format,
    )  # fmt: skip


def _facts(arguments: Mapping[str, Any], sort: str) -> dict[str, tuple[Path, Any]]:
    """Return what the checks ask about, each with its place below the arguments."""
    outputs = {
        "training": ("OutputDataConfig", "KmsKeyId"), "tuning": ("OutputDataConfig", "KmsKeyId"),
        "processing": ("ProcessingOutputConfig", "KmsKeyId"), "transform": ("TransformOutput", "KmsKeyId"),
    }  # fmt: skip
    resources: dict[str, Path] = {
        "training": ("ResourceConfig",), "tuning": ("ResourceConfig",),
        "processing": ("ProcessingResources", "ClusterConfig"), "transform": ("TransformResources",),
    }  # fmt: skip
    output, where = outputs[sort], resources[sort]
    traffic: Path = ("EnableInterContainerTrafficEncryption",)
    if sort == "processing":
        traffic = ("NetworkConfig", *traffic)
    wanted: dict[str, Path] = {
        "enable_inter_container_traffic_encryption": traffic,
        "output_kms_key": output,
        "volume_kms_key": (*where, "VolumeKmsKeyId"),
        "instance_type": (*where, "InstanceType"),
        "instance_count": (*where, "InstanceCount"),
        "spot": ("EnableManagedSpotTraining",),
        "network_isolation": ("EnableNetworkIsolation",),
    }
    found = {key: (path, _at(arguments, path)) for key, path in wanted.items()}
    found["has_output"] = (output[:1], _at(arguments, output[:1]) is not None)
    return found


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value
