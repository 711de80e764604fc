"""The second stage: compares what the scanners saw with what the organisation declared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlguard.artifacts import Artifact
from mlguard.facts import DataFlow, Deployment, Fact, Library, Package, Resource, Switch
from mlguard.findings import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.declarations import Declaration  # reads YAML, which most runs do not need


_SAID = (Resource, Deployment, Package, Library, Switch, DataFlow)
"""Facts from which nothing follows without a declaration but what their scanner has said."""


def assess(facts: Sequence[Fact], declaration: Declaration | None, artifacts: Sequence[Artifact]) -> Iterator[Record]:
    """Yield what follows from all facts together."""
    if declaration is None and all(isinstance(fact, _SAID) for fact in facts):
        return
    from mlguard.assess import anonymity, components, governance, models, people, privacy_training, readers

    yield from governance.assess(facts, declaration, artifacts)
    yield from models.assess(facts, declaration, artifacts)
    yield from anonymity.assess(facts, declaration)
    yield from privacy_training.assess(facts, declaration, artifacts)
    yield from readers.assess(facts, declaration)
    yield from components.assess(facts, declaration)
    yield from people.assess(facts, declaration, artifacts)
