"""What a chart or an overlay becomes: documents whose every value knows the file and line that it was written in."""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Gap
    from mlguard.scanners.infra.helm.origins import Origins
    from mlguard.scanners.infra.resources import Path, Position
    from mlguard.scanners.infra.yamltree import Tree


KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""What the file of a kustomization is called (https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/)."""


class Rendered(NamedTuple):
    """One chart or overlay, rendered. ``documents`` are judged together, and apart from everything else.

    ``root`` is its folder, ``format`` helm or kustomize. Each document comes with the file that it stems from; the
    positions in its tree name the file of each value. ``consumed`` are the files that must not be judged by themselves.
    ``values`` is the file whose values were laid over those of a chart ("": none).
    """

    root: str
    format: str
    documents: tuple[tuple[str, Tree], ...]
    gaps: tuple[Gap, ...]
    consumed: frozenset[str]
    values: str = ""
    origins: Origins | None = None

    def given_at(self, at: Position, path: Path) -> Position | None:
        """Return where in a file of values the node at ``path`` of a document, which stands at ``at``, was given."""
        return self.origins.of(at, path) if self.origins is not None else None


def is_test(document: Tree) -> bool:
    """Say whether a document of a chart is a test, which runs when somebody asks for it and is gone afterwards."""
    note = document.get("metadata", "annotations", "helm.sh/hook")
    return note is not None and isinstance(note.value, str) and note.value.strip().startswith("test")
