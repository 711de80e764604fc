"""The second stage: compares what the scanners saw with what the organisation declared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlguard.artifacts import Artifact
from mlguard.facts import Deployment, Fact, Resource
from mlguard.findings import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.declarations import Declaration  # reads YAML, which most runs do not need


def assess(facts: Sequence[Fact], declaration: Declaration | None, artifacts: Sequence[Artifact]) -> Iterator[Record]:
    """Yield what follows from all facts together."""
    if declaration is None and all(isinstance(fact, (Resource, Deployment)) for fact in facts):
        return  # all that follows from infrastructure alone its scanner has said
    from mlguard.assess import anonymity, components, governance, models, privacy_training, readers

    yield from governance.assess(facts, declaration, artifacts)
    yield from models.assess(facts, declaration, artifacts)
    yield from anonymity.assess(facts, declaration)
    yield from privacy_training.assess(facts, declaration, artifacts)
    yield from readers.assess(facts, declaration)
    yield from components.assess(facts, declaration)
