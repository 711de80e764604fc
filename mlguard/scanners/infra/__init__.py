"""The scanner of infrastructure code: reads resources, and asks every rule that is written as conditions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from mlguard import facts
from mlguard.artifacts import Artifact
from mlguard.findings import Record
from mlguard.scanners import Context
from mlguard.scanners.infra.resources import Position, Resource, public

_TERRAFORM = re.compile(r"\.(?:tf|tofu)(?:\.json)?$|\.tfvars(?:\.json)?$")
_ACTION = re.compile(r"(?:^|/)action\.ya?ml$")


class InfraScanner:
    """Terraform, Kubernetes, Dockerfiles and workflows as resources, judged by the conditions on the rules' pages."""

    name = "infra"

    def plan(self, artifacts: Sequence[Artifact], settings: Mapping[str, Any]) -> Iterable[tuple[Artifact, ...]]:
        terraform: list[Artifact] = []
        manifests: dict[str, list[Artifact]] = defaultdict(list)
        for artifact in artifacts:
            if artifact.kind == "terraform" or (artifact.kind == "json" and _TERRAFORM.search(artifact.path)):
                terraform.append(artifact)
            elif artifact.kind in ("dockerfile", "workflow") or (
                artifact.kind == "yaml" and _ACTION.search(artifact.path)
            ):
                yield (artifact,)
            elif artifact.kind in ("kubernetes", "yaml"):
                manifests[artifact.path.partition("/")[0] if "/" in artifact.path else ""].append(artifact)
        if terraform:
            yield tuple(terraform)  # a module's callers may stand in any folder
        yield from (tuple(group) for _, group in sorted(manifests.items()))

    def scan(self, group: Sequence[Artifact], context: Context) -> Iterator[Record]:
        from mlguard.scanners.infra.inventory import Inventory
        from mlguard.scanners.infra.judge import judge

        seen: set[tuple[Any, ...]] = set()
        for batch in self._batches(group, context):
            resources: list[Resource] = []
            for record in batch:
                if isinstance(record, Resource):
                    resources.append(record)
                    yield from _fact(record)
                else:
                    yield record
            yield from judge(Inventory(resources), {artifact.path for artifact in group}, context, seen)

    def _batches(self, group: Sequence[Artifact], context: Context) -> Iterator[Iterable[Any]]:
        """Yield the records of what is judged together: a root module, or the whole group."""
        first = group[0]
        if first.kind == "dockerfile":
            from mlguard.scanners.infra import docker

            yield docker.read(group, context)
        elif first.kind == "workflow" or _ACTION.search(first.path):
            from mlguard.scanners.infra.pipelines import github

            yield github.read(group, context)
        elif first.kind in ("kubernetes", "yaml"):
            from mlguard.scanners.infra import compose, kubernetes

            yield chain(kubernetes.read(group, context), compose.read(group, context))
        else:
            from mlguard.scanners.infra import terraform

            yield from terraform.read_roots(group, context)


def _fact(resource: Resource) -> Iterator[Record]:
    if "derived" not in resource.classes and "opaque" not in resource.classes:
        line = resource.positions.get((), Position(1)).line
        yield facts.Resource(
            resource.kind, public(resource.address), resource.path, line, resource.data_class, resource.region
        )
