"""The scanner of infrastructure code: reads resources, and asks every rule that is written as conditions.

Files of any format become resources of one normal form; what they mean is added to them; the checks on the rules' pages
ask about them, and each check that does not hold is a detection at the place that decided.

===================  =====================================================================================================
normal form          ``resources`` (Resource, Position, Unknown, Open), ``inventory`` (resources by kind, class, reference, path)
readers              ``terraform/`` (also plans and Terragrunt), ``cloudformation/`` (also SAM), ``kubernetes/``, ``helm/``,
                     ``kustomize/``, ``compose/``, ``docker``, ``pipelines/`` (GitHub, GitLab, zizmor), ``feast``
languages            ``terraform/syntax`` and ``jsonsyntax``, ``helm/syntax``, ``dockerfile``, ``shell``, ``pipelines/expressions``,
                     ``yamltree`` (YAML and JSON with places; ``treeedits`` changes it), ``jsontexts``, ``re2``
evaluation           ``terraform/evaluator`` and ``operations``, ``helm/evaluator`` and ``functions``, ``kustomize/build``,
                     ``cloudformation/intrinsics``; what a chart or an overlay becomes is ``rendered``
meaning              ``meaning`` (tags, regions, classes of data), ``declared`` (what privacy.yaml says), ``policies/`` (statements,
                     grants, firewall rules, principals), ``iam``, ``credentials``, ``mljobs``, ``startscripts``
containers           ``containers`` (what those of every format share), ``tasks`` (started by cloud resources), ``workloads``,
                     ``services`` (what they serve, and to whom), ``images``, ``buildcontext``
commands             ``installs`` and ``fetches``: what scripts of images and pipelines bring in
rules                ``conditions`` (the language: pages to checks), ``operators``, ``truth`` (checks over resources), ``own`` (pages
                     of one's own), ``language`` (the reference that ``mlguard rules language`` prints)
judge                ``judge``: asks the checks, words what they say, and tells what could not be known
===================  =====================================================================================================

In a reader's package ``__init__`` or ``reader`` is the way in. CloudFormation is read into the kinds and attributes of
Terraform, so that one condition covers both. To add a check, write it on a page; to add a format, write a reader.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from mlguard import facts
from mlguard.artifacts import Artifact
from mlguard.findings import Detection, Location, Record
from mlguard.scanners import Context, lazy
from mlguard.scanners.infra import pipelines
from mlguard.scanners.infra.rendered import KUSTOMIZATIONS, Rendered, is_test
from mlguard.scanners.infra.resources import Position, Resource, public
from mlguard.values import replace

_TERRAFORM = lazy.pattern(r"\.(?:tf|tofu)(?:\.json)?$|\.tfvars(?:\.json)?$|(?:^|/)terragrunt\.hcl$")


class InfraScanner:
    """Terraform, Kubernetes, Dockerfiles and workflows as resources, judged by the conditions on the rules' pages."""

    name = "infra"

    def plan(self, artifacts: Sequence[Artifact], settings: Mapping[str, Any]) -> Iterable[tuple[Artifact, ...]]:
        terraform: list[Artifact] = []
        flows: list[Artifact] = []
        manifests: dict[str, list[Artifact]] = defaultdict(list)
        stacks: dict[str, list[Artifact]] = defaultdict(list)
        for artifact in artifacts:
            if artifact.kind in ("terraform", "plan") or (
                artifact.kind in ("json", "text") and _TERRAFORM.search(artifact.path)
            ):
                terraform.append(artifact)
            elif pipelines.wants(artifact):
                flows.append(artifact)
            elif artifact.kind == "dockerfile":
                yield (artifact,)
            elif artifact.kind == "cloudformation":
                stacks[artifact.path.partition("/")[0] if "/" in artifact.path else ""].append(artifact)
            elif artifact.kind in ("kubernetes", "yaml"):
                manifests[artifact.path.partition("/")[0] if "/" in artifact.path else ""].append(artifact)
        if terraform:
            yield tuple(terraform)  # a module's callers may stand in any folder
        if flows:
            yield tuple(flows)  # they call each other
        groups = [group for _, group in sorted(manifests.items())]
        if any(posixpath.basename(artifact.path) in KUSTOMIZATIONS for group in groups for artifact in group):
            groups = [[artifact for group in groups for artifact in group]]  # so may what an overlay builds on
        yield from map(tuple, groups)
        yield from (tuple(group) for _, group in sorted(stacks.items()))

    def scan(self, group: Sequence[Artifact], context: Context) -> Iterator[Record]:
        from mlguard.scanners.infra.declared import marked
        from mlguard.scanners.infra.inventory import Inventory
        from mlguard.scanners.infra.judge import judge
        from mlguard.scanners.infra.policies import completed

        seen: set[tuple[Any, ...]] = set()
        paths = {artifact.path for artifact in group}
        flows = pipelines.wants(group[0])
        told: list[Detection] = []
        unread: set[str] = set()
        for batch in self._batches(group, context):
            resources: list[Resource] = []
            for record in batch:
                if isinstance(record, Resource):
                    resources.append(record)
                    if record.format == "compose" or (record.format in _MADE_OF_MORE and not context.hook):
                        paths.add(record.path)  # a file that one of the group includes, or an archive in a chart
                    yield from _fact(record)
                else:
                    unread.add(getattr(record, "path", ""))
                    yield record
            resources += list(_started(resources))
            for group_of in (resources, list(_in_cluster(resources, context))):
                inventory = Inventory(completed(marked(group_of, context.settings)))
                for record in judge(inventory, paths, context, seen):
                    if isinstance(record, Detection):
                        record = _given(record, batch.chart) if isinstance(batch, _OfChart) else record
                        told += [record] if flows else []
                    yield record
        if flows:
            yield from pipelines.beside(told, group, context, unread)

    def resources(self, group: Sequence[Artifact], context: Context) -> Iterator[Resource]:
        """Yield the resources of a group as the checks see them, for people who write pages."""
        from mlguard.scanners.infra.declared import marked
        from mlguard.scanners.infra.policies import completed

        for batch in self._batches(group, context):
            found = [record for record in batch if isinstance(record, Resource)]
            found += list(_started(found))
            for group_of in (found, list(_in_cluster(found, context))):
                yield from completed(marked(group_of, context.settings))

    def _batches(self, group: Sequence[Artifact], context: Context) -> Iterator[Iterable[Any]]:
        """Yield the records of what is judged together: a root module, or the whole group."""
        first = group[0]
        if first.kind == "dockerfile":
            from mlguard.scanners.infra import docker

            yield docker.read(group, context)
        elif pipelines.wants(first):
            yield from pipelines.batches(group, context)
        elif first.kind == "cloudformation":
            from mlguard.scanners.infra import cloudformation

            yield from cloudformation.read(group, context)
        elif first.kind in ("kubernetes", "yaml"):
            yield from self._manifests(group, context)
        else:
            from mlguard.scanners.infra import terraform

            yield from terraform.read_roots(group, context)

    def _manifests(self, group: Sequence[Artifact], context: Context) -> Iterator[Iterable[Any]]:
        """Yield the plain manifests together, and what each chart and each overlay becomes apart from them."""
        from mlguard.scanners.infra import chartvalues, compose, feast, kubernetes

        rendered = list(_rendered(group, context))
        consumed = frozenset[str]().union(*(one.consumed for one in rendered))
        plain = [artifact for artifact in group if artifact.path not in consumed]
        others = compose.read(plain, context), feast.read(plain, context), chartvalues.read(group, context)
        yield chain(kubernetes.read(plain, context), *others)
        for one in rendered:
            deployed = [(path, tree) for path, tree in one.documents if not is_test(tree)]
            objects = [found for path, tree in deployed for found in kubernetes.objects_of(tree, path, one.format)]
            yield _OfChart(one, chain(one.gaps, kubernetes.judge_group(objects, context.hook)))


_MADE_OF_MORE = frozenset({"helm", "kustomize"})


class _OfChart:
    """The records of one chart or overlay, with what knows where its values were given."""

    def __init__(self, chart: Rendered, records: Iterable[Any]) -> None:
        self.chart, self.records = chart, records

    def __iter__(self) -> Iterator[Any]:
        return iter(self.records)


def _given(detection: Detection, chart: Rendered) -> Detection:
    """Return the detection with the place in the chart's values that gave the attribute, where that can be told."""
    place = detection.location
    at = chart.given_at(Position(place.line, place.column, path=place.path), tuple(detection.anchor.split(".")))
    if at is None or (at.path, at.line) == (place.path, place.line):
        return detection
    return replace(detection, related=(*detection.related, ("given here", Location(at.path, at.line, at.column))))


def _in_cluster(resources: Sequence[Resource], context: Context) -> Iterator[Resource]:
    """Yield the objects of Kubernetes that resources of Terraform create, which are judged together."""
    if any(resource.kind.startswith(("kubernetes_", "kubectl_manifest")) for resource in resources):
        from mlguard.scanners.infra import kubernetes
        from mlguard.scanners.infra.kubernetes import provider

        records = kubernetes.judge_group(provider.objects(resources), context.hook)
        yield from (record for record in records if isinstance(record, Resource))


def _rendered(group: Sequence[Artifact], context: Context) -> Iterator[Rendered]:
    """Yield what the charts and kustomizations of a group become."""
    names = {posixpath.basename(artifact.path) for artifact in group}
    if any("/templates/" in f"/{artifact.path}" or artifact.path.endswith("Chart.yaml") for artifact in group):
        from mlguard.scanners.infra import helm

        yield from helm.read(group, context)
    if not names.isdisjoint(KUSTOMIZATIONS):
        from mlguard.scanners.infra import kustomize

        yield from kustomize.read(group, context)


_STARTERS = lazy.pattern(
    r"ecs_task_definition|batch_job_def|cloud_run|container_(?:group|app)|sagemaker_model$|lambda_function$|apprunner"
)


def _started(resources: Sequence[Resource]) -> Iterator[Resource]:
    """Yield the containers that the resources of a cloud start."""
    starters = [resource for resource in resources if _STARTERS.search(resource.kind)]
    if starters:
        from mlguard.scanners.infra.tasks import containers, reached

        exposed = reached(resources)
        for resource in starters:
            yield from containers(resource, resource.address in exposed)


def _fact(resource: Resource) -> Iterator[Record]:
    if resource.format == "plan" and _TERRAFORM.search(resource.path):
        return  # the code says it
    if "derived" not in resource.classes and "opaque" not in resource.classes:
        line = resource.positions.get((), Position(1)).line
        yield facts.Resource(
            resource.spelled.get((), resource.kind),
            public(resource.address),
            resource.path,
            line,
            resource.data_class,
            resource.region,
        )
