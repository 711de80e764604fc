"""Pipelines: GitHub workflows and actions, GitLab CI, and what zizmor finds in them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from mlguard.artifacts import Artifact
from mlguard.findings import Detection, Gap, Record
from mlguard.scanners import Context, lazy

if TYPE_CHECKING:
    from mlguard.scanners.infra.resources import Resource

_ACTION = lazy.pattern(r"(?:^|/)action\.ya?ml$")
_GITLAB = lazy.pattern(
    r"(?:^|/)[^/]*gitlab-ci[^/]*\.ya?ml$|(?:^|/)\.gitlab/ci/.*\.ya?ml$|(?:^|/)\.gitlab-ci/.*\.ya?ml$"
)
_UPDATES = lazy.pattern(r"(?:^|/)(?:\.pre-commit-config\.ya?ml|\.github/dependabot\.ya?ml)$")


def wants(artifact: Artifact) -> bool:
    """Say whether a file belongs to a pipeline, by its kind and name."""
    return artifact.kind == "workflow" or (
        artifact.kind == "yaml" and any(pattern.search(artifact.path) for pattern in (_ACTION, _GITLAB, _UPDATES))
    )


def batches(group: Sequence[Artifact], context: Context) -> Iterator[Iterable[Resource | Gap]]:
    """Yield the resources of all pipelines of a tree by what is judged together, and one that speaks for them all."""
    from mlguard.scanners.infra.pipelines import github, repository

    gitlab_files = [artifact for artifact in group if _GITLAB.search(artifact.path)]
    updates_files = [artifact for artifact in group if _UPDATES.search(artifact.path)]
    others = {artifact.path for artifact in (*gitlab_files, *updates_files)}
    together = repository.Repository(group, context)
    for batch in github.batches([artifact for artifact in group if artifact.path not in others], context):
        yield together.noted(batch)
    if gitlab_files:
        from mlguard.scanners.infra.pipelines import gitlab

        yield together.noted(gitlab.read(gitlab_files, context))
    if updates_files:
        from mlguard.scanners.infra.pipelines import updates

        yield updates.read(updates_files, context)
    yield together.resources()


def beside(
    told: Collection[Detection], group: Sequence[Artifact], context: Context, broken: set[str]
) -> Iterator[Record]:
    """Yield what zizmor finds beyond our own findings ``told``: never two findings for one rule on one line.

    ``broken`` holds the files that could not be read, which zizmor is not asked about.
    """
    if context.hook or context.settings.get("zizmor") is False:
        return
    from mlguard.scanners.infra.pipelines import zizmor

    paths = [artifact.path for artifact in group if not _GITLAB.search(artifact.path) and artifact.path not in broken]
    places = {(one.rule, one.location.path, one.location.line) for one in told}
    yield from zizmor.findings(paths, context, places)
