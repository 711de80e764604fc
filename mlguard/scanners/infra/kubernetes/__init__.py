"""Kubernetes manifests as objects, pod templates and containers, joined with what selects and exposes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from mlguard import facts
from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.findings import Gap
from mlguard.scanners import Context
from mlguard.scanners.infra.kubernetes.cluster import Cluster
from mlguard.scanners.infra.kubernetes.literals import secret_literal
from mlguard.scanners.infra.kubernetes.objects import Object, load, objects_of
from mlguard.scanners.infra.kubernetes.records import records
from mlguard.scanners.infra.resources import Resource

__all__ = ["judge_group", "objects_of", "read", "secret_literal"]


def read(artifacts: Sequence[Artifact], context: Context) -> Iterator[Resource | facts.Fact | Gap]:
    """Yield objects, pod templates and containers of all manifests, and the deployments and grants among them."""
    objects: list[Object] = []
    charts = {
        str(PurePosixPath(a.path).parent)
        for a in artifacts
        if PurePosixPath(a.path).name in ("Chart.yaml", "Chart.yml")
    }
    for artifact in sorted(artifacts, key=lambda one: one.path):
        try:
            for found in load(artifact, context, charts):
                if isinstance(found, Gap):
                    yield found
                else:
                    objects.append(found)
        except Unreadable as error:
            yield Gap("infra", artifact.path, "unreadable", str(error))
    yield from judge_group(objects, context.hook)


def judge_group(objects: Iterable[Object], alone: bool = False) -> Iterator[Resource | facts.Fact | Gap]:
    """Yield the records of objects that go into one cluster together: manifests, or what a chart or an overlay renders."""
    yield from records(Cluster(list(objects), alone))
