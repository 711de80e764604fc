"""Access policies and firewall rules as resources of their own, whatever they were written in."""

from __future__ import annotations

from collections.abc import Sequence

from mlguard.scanners.infra.resources import Resource
from mlguard.values import replace


def completed(resources: Sequence[Resource]) -> Sequence[Resource]:
    """Return the resources of one group with what follows from several together, without rules that others take back."""
    kinds = {one.kind for one in resources}
    if "net.denial" in kinds:
        from mlguard.scanners.infra.policies.ingress import unshadowed

        resources = unshadowed(resources)
    if "aws.iam.document" in kinds:
        resources = _documents(resources)
    if not any(kind.startswith(("aws", "k8s.pod")) for kind in kinds):
        return resources
    from mlguard.scanners.infra.policies.principals import completed as joined

    return [*resources, *joined(resources)]


def _documents(resources: Sequence[Resource]) -> list[Resource]:
    """Return the resources with the documents that nothing uses as statements, without the others."""
    used = {one.positions.get(()) for one in resources if one.kind == "aws.iam.statement"}
    return [
        replace(one, kind="aws.iam.statement", classes=("aws.iam.statement", "derived"))
        if one.kind == "aws.iam.document"
        else one
        for one in resources
        if one.kind != "aws.iam.document" or one.positions.get(()) not in used
    ]
