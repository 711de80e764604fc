"""What a chart or an overlay becomes: documents whose every value knows the file and line that it was written in."""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Gap
    from mlguard.scanners.infra.yamltree import Tree


KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""What the file of a kustomization is called (https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/)."""


class Rendered(NamedTuple):
    """One chart or overlay, rendered. ``documents`` are judged together, and apart from everything else.

    ``root`` is its folder, ``format`` helm or kustomize. Each document comes with the file that it stems from; the
    positions in its tree name the file of each value. ``consumed`` are the files that must not be judged by themselves.
    """

    root: str
    format: str
    documents: tuple[tuple[str, Tree], ...]
    gaps: tuple[Gap, ...]
    consumed: frozenset[str]
